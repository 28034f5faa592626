"""The bodies of Ollama's `/api/chat`, `/api/generate` and `/api/show`. Knows nothing about how they are answered."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from appliance.server.schema import MESSAGES, ModelName, Refused, Refusing, Sampling, Text, writable
from appliance.settings import CheckPolicy


class Options(Sampling):
    """How the answer is to be made, under Ollama's names; those about the machine mean nothing here."""

    refused: ClassVar[Refused] = {"mirostat": (0,), "typical_p": (1,), "tfs_z": (1,)}

    num_predict: Annotated[int, Field(ge=-2, le=2**31)] | None = None
    """The longest answer, in tokens; below 1 as long as the context allows."""

    def asked(self) -> dict[str, Any]:
        """All that was said, by the names that the engine has for it."""
        longest = self.num_predict
        return {**self.sampling(), "max_tokens": longest if longest is None or longest > 0 else 2**31}


class _Request(Refusing):
    model: ModelName
    stream: bool = True
    options: Options | None = None
    format: Literal["", "json"] | Annotated[dict[str, Any], AfterValidator(writable)] | None = None
    """`json`, or a JSON schema that the answer is to fit."""
    grounding: bool | None = None
    """Not Ollama's: whether documentation is read before the answer; left out, the settings say."""
    check: CheckPolicy | None = None
    """Not Ollama's: whether the answer's code is held to what exists; left out, the settings say."""

    def asked(self) -> dict[str, Any]:
        """All that was said about the answer, by the names that the engine has for it."""
        schema = {"type": "object"} if self.format == "json" else self.format or None
        return {**(self.options or Options()).asked(), "json_schema": schema}


class OllamaMessage(Refusing):
    """One turn of a conversation."""

    refused: ClassVar[Refused] = {"images": ([],), "tool_calls": ([],)}

    role: Literal["system", "user", "assistant"]
    content: Text = ""


_REFUSED: Refused = {"think": (False,), "logprobs": (False,), "top_logprobs": (0,)}


class OllamaChat(_Request):
    """Body of `/api/chat`."""

    refused: ClassVar[Refused] = {**_REFUSED, "tools": ([],)}

    messages: Annotated[list[OllamaMessage], Field(default=[], max_length=MESSAGES)]


class OllamaGenerate(_Request):
    """Body of `/api/generate`."""

    refused: ClassVar[Refused] = {**_REFUSED, "images": ([],), "suffix": ("",), "template": ("",), "context": ([],)}

    prompt: Text = ""
    system: Text = ""
    """The system message; empty for the expert's own."""
    raw: bool = False
    """Whether the prompt is taken as it is, without the template."""


class OllamaShow(Refusing):
    """Body of `/api/show`."""

    model: ModelName = ""
    name: ModelName = ""
    """The older name of `model`."""
