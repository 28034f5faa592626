"""Evaluation's part of the settings."""

from __future__ import annotations

from math import isfinite
from typing import Self

from pydantic import Field, model_validator

from bundle.settings import SettingsPart
from evaluation.candidate_settings import AnyCandidate
from evaluation.cost.settings import CostSettings
from evaluation.judge.settings import JudgeSettings
from evaluation.metric import METRICS


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


class GateSettings(SettingsPart):
    """What `boffin evaluate --gate` holds the tuned model to, by the names of the metrics in report.json."""

    accepted: str = "accepted.jsonl"
    """The answers that `boffin evaluate --accept` wrote, relative to boffin.toml."""
    limits: dict[str, float] = Field(default={})
    """What a metric must at least be, at most where less is better, e.g. `suite_passes = 0.2`."""
    drops: dict[str, float] = Field(default={"suite_complete": 0.05, "suite_passes": 0.05})
    """How much worse than what was accepted a metric may be, where it differs from `allowed_drop` or isn't there."""

    @model_validator(mode="after")
    def _metrics(self) -> Self:
        judged = {metric.name: metric for metric in METRICS if metric.better}
        for name, limit in self.limits.items():
            if name not in judged:
                raise ValueError(f"`limits` names no metric ({name!r}); there are {', '.join(judged)}")
            if not isfinite(limit):
                raise ValueError(f"`limits.{name}` is {limit}; give a number")
        for name, drop in self.drops.items():
            if name not in judged or judged[name].group not in ("quality", "suite"):
                have = [metric.name for metric in judged.values() if metric.group in ("quality", "suite")]
                raise ValueError(f"`drops` names no metric of answers ({name!r}); there are {', '.join(have)}")
            if not 0 <= drop < float("inf"):
                raise ValueError(f"`drops.{name}` is {drop}; give a number from 0 on")
        return self


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
    candidates: tuple[AnyCandidate, ...] = ()
    """What is compared beside the base and the tuned model, each a `[[evaluation.candidates]]`."""
    all_candidates: bool = False
    """Also every type in the bundle, and base and tuned greedily and without their system prompt; `--all` sets it."""
    allowed_drop: AllowedDrop = AllowedDrop()
    """How much worse than the one before a refreshed expert may be."""
    gate: GateSettings = GateSettings()
    """What `boffin evaluate --gate` holds the tuned model to, by the names of the metrics in report.json."""
    judge: JudgeSettings = JudgeSettings()
    """A model that gives marks to the candidates' answers."""
    cost: CostSettings = CostSettings()
    """What `boffin cost` reckons with."""
