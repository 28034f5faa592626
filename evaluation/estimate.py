"""Estimates: a metric's mean with its 95 % interval, and what the second candidate changes against the first.

Knows nothing about what is measured, or how a report looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from evaluation.bootstrap import Series, draw_again, interval
from evaluation.significance import chance, sign_test


class ReportPart(BaseModel):
    """A frozen part of report.json; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(ReportPart):
    """A metric of one candidate; a share is a number from 0 to 1."""

    mean: float
    low: float
    """Lower end of the 95 % interval; the mean itself for a single measurement."""
    high: float
    """Upper end of the 95 % interval; the mean itself for a single measurement."""


class Difference(ReportPart):
    """How much a metric of one candidate is above that of another: the second's above the first's, as a rule."""

    difference: float
    low: float
    high: float
    p: float
    """Two-sided p of the exact sign test over the questions, which is McNemar's where each is right or wrong."""

    @property
    def chance(self) -> str:
        """p, as it is shown."""
        return chance(self.p)

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


Estimates = dict[str, Estimate]
"""Metric → estimate."""


def estimate(
    series: Mapping[str, Mapping[str, Series]], single: Mapping[str, Mapping[str, float]], count: int, seed: int
) -> tuple[dict[str, Estimates], dict[str, Difference]]:
    """The `candidates` and the `pairs` of a report, from measures a question.

    `series` holds candidate → metric → one value for each of `count` questions, `single` candidate → metric → one
    measurement. Both are in the candidates' order and hold the same candidates.
    """
    draws = draw_again(count, seed)
    samples = {
        name: {metric: values.resampled(draws) for metric, values in metrics.items()}
        for name, metrics in series.items()
    }
    candidates: dict[str, Estimates] = {}
    for name, metrics in series.items():
        candidates[name] = {
            metric: Estimate(mean=value, low=value, high=value) for metric, value in single[name].items()
        }
        for metric, values in metrics.items():
            low, high = interval(samples[name][metric])
            candidates[name][metric] = Estimate(mean=values.mean, low=low, high=high)
    pairs: dict[str, Difference] = {}
    if len(series) > 1:
        first, second = list(series)[:2]
        pairs = _differences(series[first], series[second], samples[first], samples[second])
    return candidates, pairs


def compare(first: Mapping[str, Series], second: Mapping[str, Series], count: int, seed: int) -> dict[str, Difference]:
    """How much the second is above the first, by each metric that both have, question by question."""
    draws = draw_again(count, seed)
    samples = [{metric: values.resampled(draws) for metric, values in own.items()} for own in (first, second)]
    return _differences(first, second, *samples)


def compare_further(
    series: Mapping[str, Mapping[str, Series]], count: int, seed: int
) -> dict[str, dict[str, Difference]]:
    """Each candidate after the second → metric → how much it is above the second."""
    names = list(series)
    return {name: compare(series[names[1]], series[name], count, seed) for name in names[2:]}


def _differences(
    first: Mapping[str, Series],
    second: Mapping[str, Series],
    drawn: Mapping[str, Sequence[float]],
    drawn_second: Mapping[str, Sequence[float]],
) -> dict[str, Difference]:
    found = {}
    for metric in first:
        if metric in second:
            differences = [b - a for a, b in zip(drawn[metric], drawn_second[metric], strict=True)]
            low, high = interval(differences)
            mean = second[metric].mean - first[metric].mean
            p = sign_test(first[metric].each, second[metric].each)
            found[metric] = Difference(difference=mean, low=low, high=high, p=p)
    return found
