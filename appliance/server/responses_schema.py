"""The body of `/v1/responses`, as far as it is about text. Knows nothing about how it is answered."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from appliance.server.schema import Asking, ChatMessage, Length, Messages, NamedSchema, Refused, Text


class TextFormat(NamedSchema):
    """What the answer's text is to be."""

    type: Literal["text", "json_object", "json_schema"]

    def schema_of(self) -> Any:
        """The JSON schema that the answer is to fit, or None for any text."""
        return {"text": None, "json_object": {"type": "object"}, "json_schema": self.schema_}[self.type]


class TextSettings(BaseModel):
    """How the answer's text is to be."""

    format: TextFormat | None = None


class ResponsesRequest(Asking):
    """Body of `/v1/responses`."""

    refused: ClassVar[Refused] = {
        "tools": ([],),
        "previous_response_id": (),
        "conversation": (),
        "background": (False,),
        "prompt": (),
        "include": ([],),
        "top_logprobs": (0,),
    }

    input: Text | Messages
    instructions: Text | None = None
    """The system message."""
    max_output_tokens: Length | None = None
    text: TextSettings | None = None
    metadata: Annotated[dict[Text, Text], Field(max_length=16)] | None = None
    """Given back as it came."""

    def messages(self) -> list[dict[str, str]]:
        """The conversation as the prompt template takes it."""
        turns = [ChatMessage(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        system = [{"role": "system", "content": self.instructions}] if self.instructions else []
        return [*system, *(turn.plain() for turn in turns)]

    def json_schema(self) -> Any:
        """The JSON schema that the answer is to fit, or None for any text."""
        return self.text.format.schema_of() if self.text and self.text.format else None
