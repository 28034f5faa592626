"""What clients may send: OpenAI's request shapes, as far as this server does what they ask.

A field that would change the answer and can't be obeyed is refused by name rather than ignored; fields that are
unknown are ignored, because clients send many. Knows nothing about how requests are answered.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator


def _encodable(text: str) -> str:
    """Refuse half characters (lone surrogates), which JSON can write and nothing can read."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character at place {error.start}") from None
    return text


_Text = Annotated[str, AfterValidator(_encodable)]
_Stop = Annotated[_Text, StringConstraints(min_length=1, max_length=256)]
_Token = Annotated[int, Field(ge=0, lt=2**31)]


class TextPart(BaseModel):
    """A piece of a message's content."""

    type: Literal["text"]
    text: _Text


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: _Text | Annotated[list[TextPart], Field(max_length=1024)]

    def plain(self) -> dict[str, str]:
        """Role and text as the prompt template takes them."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class StreamOptions(BaseModel):
    """What a stream carries."""

    include_usage: bool = False


class _Request(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False)

    refused: ClassVar[dict[str, tuple[Any, ...]]] = {}
    """Fields that can't be obeyed, and the values of theirs that ask for nothing."""

    model: str | None = Field(default=None, max_length=256)
    """The expert's name; left out, the one that is served."""
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=10)
    top_p: float | None = Field(default=None, gt=0, le=1)
    repeat_penalty: float | None = Field(default=None, gt=0, le=10)
    """Penalty on tokens of the last 64; 1 is none."""
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: _Stop | Annotated[list[_Stop], Field(max_length=16)] | None = None
    cache: bool = True
    """False: neither read the answer from the cache nor store it there."""

    @model_validator(mode="before")
    @classmethod
    def _obeyable(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, harmless in cls.refused.items():
                if data.get(name) is not None and data[name] not in harmless:
                    raise ValueError(f"{name} is not supported by this server; leave it out")
        return data

    @property
    def stops(self) -> list[str]:
        """The stop strings as a list."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def wants_usage_chunk(self) -> bool:
        """Whether a stream ends with a chunk of its own for the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


_SAMPLING_REFUSED: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
}


class ChatRequest(_Request):
    """Body of `/v1/chat/completions`."""

    refused = {
        **_SAMPLING_REFUSED,
        "tools": ([],),
        "functions": ([],),
        "logprobs": (False,),
        "top_logprobs": (0,),
        "response_format": ({"type": "text"},),
        "modalities": (["text"],),
        "audio": (),
    }

    messages: list[ChatMessage] = Field(min_length=1, max_length=1024)
    max_tokens: int | None = Field(default=None, ge=1, le=2**31)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=2**31)
    """OpenAI's newer name of `max_tokens`."""

    @property
    def longest(self) -> int | None:
        """The longest answer, in tokens, under either name."""
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(_Request):
    """Body of `/v1/completions`."""

    refused = {**_SAMPLING_REFUSED, "best_of": (1,), "suffix": ("",)}

    prompt: (
        _Text
        | Annotated[list[_Text], Field(min_length=1, max_length=64)]
        | Annotated[list[_Token], Field(min_length=1, max_length=1_000_000)]
    )
    max_tokens: int | None = Field(default=16, ge=0, le=2**31)
    echo: bool = False
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """How many of the likeliest tokens to tell at each place."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.stream and len(self.prompts) > 1:
            raise ValueError("stream takes one prompt at a time")
        if self.stream and self.logprobs is not None:
            raise ValueError("logprobs are given without stream only")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens: 0 needs echo, or there is nothing to answer")
        return self

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        """The prompts as a list, each a text or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], str):
            return [text for text in self.prompt if isinstance(text, str)]
        return [[token for token in self.prompt if isinstance(token, int)]]
