"""What a conversation is made of. A conversation is a tree of messages: what is edited or asked again is a new branch.

Knows nothing about where they are kept.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.conversations.evidence import Evidence

Role = Literal["user", "assistant"]
State = Literal["whole", "writing", "stopped", "cut", "failed"]
"""`writing`: it is still coming; `stopped`: by a person, or its writer was killed; `cut`: at the longest answer;
`failed`: the server broke it off."""

MAX_TITLE = 80
"""Characters of a conversation's name."""
MAX_TEXT = 2_000_000
"""Characters of a message."""


class Options(BaseModel):
    """What a conversation asks of its answers; what is None or empty is left to the server."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(default="", max_length=256)
    """The expert's name over HTTP; empty for the one that is served."""
    system: str = Field(default="", max_length=100_000)
    """The system prompt; empty for the expert's own."""
    temperature: float | None = Field(default=None, ge=0, le=10)
    """0 is greedy."""
    max_tokens: int | None = Field(default=None, ge=1, le=2**31)
    """Longest answer, in tokens."""
    grounding: bool | None = None
    """Whether documentation is read before an answer."""


class Figures(BaseModel):
    """What an answer took; 0 where it isn't known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tokens: int = Field(default=0, ge=0)
    """Tokens of prompt and answer together."""
    tokens_per_second: float = Field(default=0.0, ge=0)
    first_token: float = Field(default=0.0, ge=0)
    """Seconds from the request to the first piece of the answer, as the reader waited for it."""
    cached: bool = False
    """Whether it came from the server's cache."""


class Message(BaseModel):
    """A question or an answer."""

    model_config = ConfigDict(frozen=True)

    id: int
    parent: int | None
    """The message before it; None for the first of a branch."""
    role: Role
    text: str
    state: State = "whole"
    model: str = ""
    """Who answered, by its name over HTTP."""
    figures: Figures = Figures()
    evidence: Evidence = Evidence()
    """What came with an answer."""
    vote: Literal[-1, 0, 1] = 0
    better: str = ""
    """The better answer that a person wrote for a bad one."""
    created: float = 0.0
    """Unix time."""


class Conversation(BaseModel):
    """A conversation without its messages."""

    model_config = ConfigDict(frozen=True)

    id: int
    title: str
    created: float = 0.0
    """Unix time."""
    changed: float = 0.0
    """Unix time of the last message."""
    pinned: bool = False
    options: Options = Options()
