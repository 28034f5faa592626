"""The candidates that a project has compared beside its tuned model and the base, as boffin.toml lists them.

Pydantic alone. Knows nothing about how a candidate is served, asked or graded.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from bundle.settings import SettingsPart

ALL = "all"
"""In place of the names of types: every one that the bundle has."""

_Name = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,38}[^\s\x00-\x1f\x7f])?$")]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class QuantisedCandidate(SettingsPart):
    """The tuned model or the base once more: in other types, asked without its system prompt, greedily, reading …"""

    kind: Literal["quantisation"] = "quantisation"
    """The kind of candidate: a model of this project."""
    of: Literal["tuned", "base"] = "tuned"
    """Which of the two."""
    types: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """llama.cpp's names of types that the bundle has, or `all`; empty for the one that is compared anyway."""
    system_prompt: bool = True
    """Whether it has its system prompt; without, an empty one takes its place."""
    greedy: bool = False
    """Whether it always takes the likeliest token: temperature 0, all else as it is."""
    documentation: bool | None = None
    """Whether it reads the bundle's documentation before it answers; left out, as it is shipped."""
    routed: bool = True
    """Whether the bundle's adapters for libraries answer, where it has any; without, the expert alone."""
    repair: bool = False
    """Whether its code goes on otherwise where it names what doesn't exist; without, it never does. The tuned one that
    does is compared anyway where the appliance's policy is `repair`."""


class EndpointCandidate(SettingsPart):
    """Any model behind an OpenAI-compatible endpoint, e.g. a hosted one."""

    kind: Literal["endpoint"] = "endpoint"
    """The kind of candidate: an endpoint."""
    name: _Name
    """What the report calls it, in at most 40 characters."""
    url: str
    """Where it answers, up to and without `/chat/completions`, e.g. `https://api.openai.com/v1`."""
    model: str = Field(min_length=1)
    """The model's name there."""
    key_variable: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """The environment variable that holds the key, e.g. `OPENAI_API_KEY`; empty for none."""
    usd_a_million_prompt_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Its price of a million prompt tokens; without the prices its cost isn't told."""
    usd_a_million_answer_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Its price of a million answer tokens."""
    system_prompt: bool = True
    """Whether it is sent the project's system prompt."""
    greedy: bool = False
    """Whether it is asked for the likeliest token: temperature 0, all else as it is."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("`url` is no address of HTTP; give one such as https://api.openai.com/v1")
        if "@" in parts.netloc:
            raise ValueError("`url` holds a password; put it into a variable and name that as `key_variable`")
        if (self.usd_a_million_prompt_tokens is None) != (self.usd_a_million_answer_tokens is None):
            raise ValueError("give both prices, of prompt tokens and of answer tokens, or neither")
        return self


class RecordedCandidate(SettingsPart):
    """Answers from a file, e.g. of a model that isn't at hand, or of an earlier report."""

    kind: Literal["recorded"] = "recorded"
    """The kind of candidate: recorded answers."""
    name: _Name
    """What the report calls it, in at most 40 characters."""
    path: str = Field(min_length=1)
    """JSON lines, beside boffin.toml: `question` or the suite's `id`, and `answer`; e.g. a report's answers.jsonl."""
    candidate: str = ""
    """Whose answers are taken where the lines have a `candidate`; empty takes all lines."""


AnyCandidate = Annotated[QuantisedCandidate | EndpointCandidate | RecordedCandidate, Field(discriminator="kind")]

EVERYTHING = (
    QuantisedCandidate(types=(ALL,)),
    QuantisedCandidate(of="base", greedy=True),
    QuantisedCandidate(greedy=True),
    QuantisedCandidate(of="base", system_prompt=False),
    QuantisedCandidate(system_prompt=False),
)
"""What `boffin evaluate --all` compares beside base and tuned: each type, greedily, without the system prompt."""
