"""The bodies of `/v1/chat/completions` and `/v1/completions`. Knows nothing about how they are answered."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from appliance.server.schema import (
    CHOICES,
    Asking,
    Length,
    Messages,
    Refused,
    ResponseFormat,
    StreamOptions,
    Text,
    Token,
)


class _Choices(Asking):
    n: int = Field(default=1, ge=1, le=CHOICES)
    """How many answers to a prompt; with a seed, each has the next one."""
    stream_options: StreamOptions | None = None

    @property
    def wants_usage_chunk(self) -> bool:
        """Whether a stream ends with a chunk of its own for the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(_Choices):
    """Body of `/v1/chat/completions`."""

    refused: ClassVar[Refused] = {
        "tools": ([],),
        "functions": ([],),
        "modalities": (["text"],),
        "audio": (),
    }

    messages: Messages
    max_tokens: Length | None = None
    max_completion_tokens: Length | None = None
    """OpenAI's newer name of `max_tokens`."""
    logprobs: bool = False
    """Whether each token comes with its log-probability."""
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    """How many of the likeliest tokens to tell at each place."""
    response_format: ResponseFormat | None = None
    continue_final_message: bool = False
    """Whether the answer goes on with the last message, one of the assistant's, where that ends; the name is vLLM's."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        if self.continue_final_message:
            if self.messages[-1].role != "assistant":
                raise ValueError("continue_final_message needs a last message of the assistant")
            if self.response_format and self.response_format.type != "text":
                raise ValueError("continue_final_message and response_format don't go together; leave one out")
        return self

    @property
    def conversation(self) -> tuple[list[dict[str, str]], str]:
        """What the prompt is made of: the messages, and the beginning of the answer to them."""
        messages = [message.plain() for message in self.messages]
        return (messages[:-1], messages[-1]["content"]) if self.continue_final_message else (messages, "")

    @property
    def longest(self) -> int | None:
        """The longest answer, in tokens, under either name."""
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(_Choices):
    """Body of `/v1/completions`."""

    refused: ClassVar[Refused] = {"best_of": (1,), "suffix": ("",)}

    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=64)]
        | Annotated[list[Token], Field(min_length=1, max_length=1_000_000)]
    )
    max_tokens: Annotated[int, Field(ge=0, le=2**31)] | None = 16
    echo: bool = False
    """Whether the answer's text begins with the prompt's."""
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """How many of the likeliest tokens to tell at each place; with `echo` of the prompt, too."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
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
