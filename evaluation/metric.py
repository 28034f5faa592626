"""The metrics of the report: their names, how they are shown, which way is better, what they mean.

Knows nothing about how they are measured or laid out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One row of the report."""

    name: str
    """Its key in report.json."""
    title: str
    """What people read."""
    group: Literal["quality", "suite", "speed", "size", "cost"]
    better: Literal["higher", "lower", ""]
    """Which way is better; empty for what is neither."""
    meaning: str
    """How it is measured, in one sentence."""
    unit: str = ""
    """`%` for a share, which is kept as a number from 0 to 1; else the unit of the value itself."""
    digits: int = 0
    """Digits after the point."""

    def number(self, value: float, *, signed: bool = False) -> str:
        """A value as it is shown, without its unit."""
        return format(value * (100 if self.unit == "%" else 1), f"{'+' if signed else ''}z.{self.digits}f")

    def with_unit(self, number: str) -> str:
        """A shown number with its unit."""
        return f"{number} {self.unit}".rstrip()

    def best(self, means: Mapping[str, float]) -> str:
        """The name of whoever has the best value as shown; empty where two share it or none is better."""
        if not self.better or len(means) < 2:
            return ""
        shown = {name: float(self.number(mean)) for name, mean in means.items()}
        top = (max if self.better == "higher" else min)(shown.values())
        holders = [name for name, value in shown.items() if value == top]
        return holders[0] if len(holders) == 1 else ""

    def is_gain(self, difference: float) -> bool:
        """Whether a difference goes the better way."""
        return difference > 0 if self.better == "higher" else difference < 0


METRICS = (
    Metric(
        "loss",
        "held-out loss",
        "quality",
        "lower",
        "mean negative log-likelihood of the reference answers given their questions, in nats a token of the "
        "candidate's own tokenizer, the end of the turn included; documentation is never read for it",
        digits=2,
    ),
    Metric("python_block", "has a python block", "quality", "higher", "share of answers with a python block", "%"),
    Metric(
        "valid_python",
        "valid Python",
        "quality",
        "higher",
        "share of answers with a python block whose python blocks are all Python; no block counts as invalid",
        "%",
    ),
    Metric(
        "existing_symbols",
        "existing symbols",
        "quality",
        "higher",
        "share of answers whose code is valid and names only imports, attributes, keyword arguments and functions that "
        "exist",
        "%",
    ),
    Metric(
        "unknown_symbols",
        "made-up names",
        "quality",
        "lower",
        "share of answers whose code names an import, attribute, keyword argument or function that doesn't exist",
        "%",
    ),
    Metric(
        "deprecated",
        "deprecated names",
        "quality",
        "lower",
        "share of answers whose code uses what its library's documentation calls deprecated",
        "%",
    ),
    Metric(
        "uses_symbol",
        "uses the symbol",
        "quality",
        "higher",
        "share of answers whose code is valid and uses the symbol asked about, by the last part of its name; of "
        "questions about a symbol",
        "%",
    ),
    Metric(
        "runs",
        "uses it and runs",
        "quality",
        "higher",
        "share of answers whose code uses the symbol asked about and runs to its end in the sandbox, whose only "
        "network is a stand-in for httpbin.org",
        "%",
    ),
    Metric(
        "ends_by_itself",
        "ends by itself",
        "quality",
        "higher",
        "share of answers that ended before the bound on tokens cut them off",
        "%",
    ),
    Metric(
        "repetition",
        "repetition",
        "quality",
        "lower",
        "mean share of runs of four words that occurred before in the same answer",
        "%",
    ),
    Metric(
        "suite_valid_python",
        "suite: valid",
        "suite",
        "higher",
        "of the suite's answers, the share with a python block whose python blocks are all Python",
        "%",
    ),
    Metric(
        "suite_existing_symbols",
        "suite: symbols",
        "suite",
        "higher",
        "of the suite's answers, the share whose code is valid and names only what exists",
        "%",
    ),
    Metric(
        "suite_deprecated",
        "suite: deprecated",
        "suite",
        "lower",
        "of the suite's answers, the share whose code uses what its library's documentation calls deprecated",
        "%",
    ),
    Metric(
        "suite_complete",
        "suite: complete",
        "suite",
        "higher",
        "mean share of what an answer to the question must contain: symbols, keyword arguments, exceptions, ideas",
        "%",
    ),
    Metric(
        "suite_passes",
        "suite: code passes",
        "suite",
        "higher",
        "of the suite's questions with a check, the share whose answer's code runs in the sandbox and passes it",
        "%",
    ),
    Metric(
        "suite_ends_by_itself",
        "suite: ends",
        "suite",
        "higher",
        "of the suite's answers, the share that ended before the bound on tokens cut them off",
        "%",
    ),
    Metric("tokens", "tokens an answer", "speed", "", "mean length of an answer, in tokens"),
    Metric(
        "tokens_per_second",
        "tokens a second",
        "speed",
        "higher",
        "tokens of all answers over the wall time of all answers, several under way at once; one measurement",
    ),
    Metric(
        "first_token",
        "first token after",
        "speed",
        "lower",
        "mean time from the start of an answer to its first token, several answers under way at once, as the endpoint "
        "tells it",
        "s",
        digits=2,
    ),
    Metric("seconds", "seconds in all", "speed", "lower", "wall time of all answers; one measurement", "s"),
    Metric("megabytes", "size", "size", "lower", "size of the model file, in millions of bytes", "MB"),
    Metric(
        "peak_megabytes",
        "peak memory",
        "size",
        "lower",
        "the most memory that its server had, the pages of the model file that it read among it, in millions of bytes",
        "MB",
    ),
    Metric(
        "usd_a_million_tokens",
        "a million tokens",
        "cost",
        "",
        "cost of a million tokens, prompts and answers in the proportion of these questions: by an endpoint's prices; "
        "for a model served here by `evaluation.cost`, all that a month costs over its tokens, at the speed measured "
        "here, and for the base without training",
        "USD",
        digits=2,
    ),
    Metric(
        "usd_a_thousand_questions",
        "a thousand questions",
        "cost",
        "lower",
        "the same for a thousand questions such as these: an endpoint is paid for its tokens, so that short answers "
        "cost less; a model served here costs what a month does, however few of its hours it answers in",
        "USD",
        digits=2,
    ),
)
"""Every metric of the report, in the order of its rows."""
