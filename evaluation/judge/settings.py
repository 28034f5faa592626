"""The judge's part of the settings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from bundle.settings import SettingsPart


class JudgeSettings(SettingsPart):
    """A model that gives marks to the candidates' answers, in pairs and blind; nobody is asked without `url`."""

    url: str = ""
    """Address of an OpenAI-compatible endpoint, e.g. `http://127.0.0.1:8642/v1`; empty for no judge."""
    model: str = ""
    """The model's name there."""
    key_variable: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the endpoint's key."""
    rubric: str = ""
    """File that says what each mark means, relative to boffin.toml; empty for Boffin's own."""
    questions: int = Field(default=100, ge=1)
    """How many questions' answers are judged, drawn by the evaluation's seed; two requests each."""
    ask_for_schema: bool = True
    """Whether `response_format` asks for the JSON schema, to which replies are held in any case; some refuse it."""
    max_tokens: int = Field(default=1000, ge=1)
    """Longest verdict, in tokens."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """How many requests are under way at once."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.url and not self.model:
            raise ValueError("name the judge's `model`, too")
        return self
