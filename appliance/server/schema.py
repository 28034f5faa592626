"""What every request may say about its answer, and how what can't be obeyed is refused.

A field that would change the answer and can't be obeyed is refused by name rather than ignored; fields that are
unknown are ignored, because clients send many. Knows nothing about single routes or how requests are answered.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from appliance.settings import CheckPolicy

MESSAGES = 1024
"""Most messages of a conversation, and most parts of a message."""
CHOICES = 16
"""Most answers to one prompt."""


def _encodable(text: str) -> str:
    """Refuse half characters (lone surrogates), which JSON can write and nothing can read."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character at place {error.start}") from None
    return text


def writable(value: Any) -> Any:
    """Refuse what can be read as JSON but not written: numbers that are none, half characters, endless nesting."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("not plain JSON, or nested too deeply") from None
    return value


Text = Annotated[str, AfterValidator(_encodable)]
PlainJson = Annotated[Any, AfterValidator(writable)]
Stop = Annotated[Text, StringConstraints(min_length=1, max_length=256)]
Token = Annotated[int, Field(ge=0, lt=2**31)]
ModelName = Annotated[str, Field(max_length=256)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Length = Annotated[int, Field(ge=1, le=2**31)]
Bias = Annotated[float, Field(ge=-1e6, le=1e6)]


Refused = dict[str, tuple[Any, ...]]
"""Fields that can't be obeyed, and the values of theirs that ask for nothing."""


class Refusing(BaseModel):
    """A body that refuses by name what it can't obey."""

    model_config = ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False)

    refused: ClassVar[Refused] = {}

    @model_validator(mode="before")
    @classmethod
    def _obeyable(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, harmless in cls.refused.items():
                if data.get(name) is not None and data[name] not in harmless:
                    raise ValueError(f"{name} is not supported by this server; leave it out")
        return data


class TextPart(BaseModel):
    """A piece of a message's content."""

    type: Literal["text", "input_text", "output_text"]
    text: Text


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[TextPart], Field(max_length=MESSAGES)]

    def plain(self) -> dict[str, str]:
        """Role and text as the prompt template takes them."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


Messages = Annotated[list[ChatMessage], Field(min_length=1, max_length=MESSAGES)]


class NamedSchema(BaseModel):
    """A JSON schema as OpenAI's clients send it."""

    name: Text = ""
    strict: bool | None = None
    """The answer fits the schema either way."""
    schema_: PlainJson = Field(default=True, alias="schema")


class ResponseFormat(BaseModel):
    """What the answer's text is to be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    def schema_of(self) -> Any:
        """The JSON schema that the answer is to fit, or None for any text."""
        if self.type == "text":
            return None
        if self.type == "json_schema" and self.json_schema is not None:
            return self.json_schema.schema_
        return {"type": "object"}


class StreamOptions(BaseModel):
    """What a stream carries."""

    include_usage: bool = False


class Sampling(Refusing):
    """How the answer is to be made; the server's settings stand in for what is left out."""

    temperature: float | None = Field(default=None, ge=0, le=10)
    """0 is greedy."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, lt=2**31)
    """How many of the likeliest tokens may be drawn from; 0 is all of them, which costs milliseconds a token."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, ge=0.01, le=10)
    """Penalty on tokens of the last 64; 1 is none."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    dry_multiplier: float | None = Field(default=None, ge=0, le=100)
    """Strength of the DRY penalty on what goes on with a sequence said before; 0 is none."""
    dry_base: float | None = Field(default=None, ge=1, le=100)
    dry_allowed_length: int | None = Field(default=None, ge=1, le=1000)
    logit_bias: Annotated[dict[Token, Bias], Field(max_length=1024)] | None = None
    """Tokens' ids and what is added to their logits; -100 and less forbid a token."""
    grammar: Text | None = None
    """A grammar in llama.cpp's GBNF that the answer matches."""
    seed: Seed | None = None
    """Equal seeds and settings give equal answers."""
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    """Texts that end the answer; they are not part of it."""

    @property
    def stops(self) -> list[str]:
        """The stop strings as a list."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def sampling(self) -> dict[str, Any]:
        """What was said, by the names that the engine has for it."""
        said = {name: value for name in _SAMPLING if (value := getattr(self, name)) is not None}
        if self.logit_bias:
            biases = ((token, bias if bias > -100 else float("-inf")) for token, bias in self.logit_bias.items())
            said["logit_bias"] = tuple(sorted(biases))
        return {**said, "stop": self.stops}


_SAMPLING = (
    *("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "frequency_penalty", "presence_penalty"),
    *("dry_multiplier", "dry_base", "dry_allowed_length", "grammar", "seed"),
)
"""The fields that mean the same to the engine."""


class Asking(Sampling):
    """What OpenAI's requests have in common."""

    model: ModelName | None = None
    """The expert's name, or `expert:adapter`; left out, the one that is served."""
    stream: bool = False
    deadline: float | None = Field(default=None, ge=0.1, le=86_400)
    """Seconds after which the answer ends as it is then, or is refused if it hadn't begun."""
    cache: bool = True
    """False: neither read the answer from the cache nor store it there."""
    grounding: bool | None = None
    """Whether documentation is read before the answer, as chats and responses do; left out, the settings say."""
    check: CheckPolicy | None = None
    """Whether the answer's code is held to what exists, in chats and responses; left out, the settings say."""
