"""Evaluation's part of the settings."""

from __future__ import annotations

from pydantic import Field

from bundle.settings import SettingsPart
from evaluation.cost.settings import CostSettings
from evaluation.judge.settings import JudgeSettings


class AllowedDrop(SettingsPart):
    """How much worse than the one before an expert may be; a drop beyond that, and beyond chance, stops it."""

    loss: float = Field(default=0.05, ge=0)
    """Rise of the held-out loss, as a share of what it was."""
    valid_python: float = Field(default=0.05, ge=0, le=1)
    """Drop of the share of answers whose code is valid Python; 0.05 are five points."""
    existing_symbols: float = Field(default=0.05, ge=0, le=1)
    """Drop of the share of answers whose code names only what exists."""
    ends_by_itself: float = Field(default=0.05, ge=0, le=1)
    """Drop of the share of answers that end by themselves."""


class EvaluationSettings(SettingsPart):
    """How candidates are compared."""

    questions: int = Field(default=60, ge=1)
    """How many held-out records are asked, drawn by the seed; all of them where there are fewer."""
    suite: str = "python"
    """Suite that is asked beside them: a folder, a file of problems, `python` for Boffin's own, or empty for none."""
    suite_questions: int = Field(default=100, ge=1)
    """How many of the suite's questions are asked, from each category its share; all of them where there are fewer."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw and of each answer's sampling."""
    temperature: float = Field(default=0.3, ge=0)
    """Sampling temperature of the answers; 0 is greedy."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus sampling: the share of probability that is kept."""
    repeat_penalty: float = Field(default=1.1, gt=0)
    """Penalty on tokens of the last 64; 1 is none."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest answer, in tokens."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """How many questions are under way at once."""
    examples: int = Field(default=5, ge=0)
    """How many answers of each candidate are printed in full in the report."""
    allowed_drop: AllowedDrop = AllowedDrop()
    """How much worse than the one before a refreshed expert may be."""
    judge: JudgeSettings = JudgeSettings()
    """A model that gives marks to the candidates' answers."""
    cost: CostSettings = CostSettings()
    """What `boffin cost` reckons with."""
