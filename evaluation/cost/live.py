"""What a running appliance has served, from its /metrics, and what that would have cost at hosted models.

Knows nothing about where the prices are from.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.connection import Connection
from evaluation.cost.case import Hosted
from evaluation.cost.figure import Figure, number, plus, usd

SECONDS = 15.0
"""How long a page of metrics may take."""
MAX_PAGE = 1_000_000
"""Bytes beyond which a page is none of metrics."""
_MOST = 2.0**63
"""What no counter reaches."""
_SAMPLE = re.compile(r"(boffin_\w+(?:\{[^{}]*\})?) (\S+)")
_ANSWERED = tuple(f'boffin_requests_total{{outcome="{outcome}"}}' for outcome in ("finished", "cancelled"))
_CACHED = 'boffin_cache_hits_total{cache="answers"}'
_PROMPTS = tuple(f'boffin_prompt_tokens_total{{from="{place}"}}' for place in ("computed", "memory", "disk"))
_ANSWERS = "boffin_generated_tokens_total"
_STARTED = "boffin_start_time_seconds"


@dataclass(frozen=True)
class Served:
    """What an appliance has done since its start."""

    hours: float
    """Since its start."""
    answered: int
    """Requests that the model answered, if only in part: what was made is charged elsewhere, too."""
    cached: int
    """Requests that the cache answered."""
    prompt_tokens: int
    """Of what the model answered, whether computed or remembered."""
    answer_tokens: int

    @property
    def queries(self) -> int:
        """Requests that were answered."""
        return self.answered + self.cached

    @property
    def share(self) -> float:
        """How many queries there were to each that the model answered: a hosted model would answer all of them."""
        return self.queries / self.answered if self.answered else 1.0


@dataclass(frozen=True)
class Live:
    """What was served, and what it would have cost elsewhere."""

    url: str
    served: Served
    elsewhere: dict[str, Figure]
    """By the hosted model's name."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "url": self.url,
            "served": asdict(self.served),
            "elsewhere": {name: figure.as_json() for name, figure in self.elsewhere.items()},
        }


def look(url: str, key: str, hosted: Sequence[Hosted]) -> Live:
    """Ask a running appliance.

    Raises:
        EvaluationError: nothing answers there, it refuses, or it is no appliance of Boffin's.
    """
    with Connection("the appliance", url, 1, key, seconds=SECONDS, most=MAX_PAGE) as connection:
        served = read_metrics(connection.get("/metrics").decode(errors="replace"), time.time())
        if served is None:
            raise connection.error("its /metrics aren't those of `boffin serve`; give that one's URL")
    return Live(url, served, {one.name: elsewhere(served, one) for one in hosted})


def read_metrics(text: str, now: float) -> Served | None:
    """What a /metrics page says, at `now` in seconds since 1970; None where it isn't an appliance's."""
    lines = filter(None, map(_SAMPLE.match, text.splitlines()))
    samples = {line[1]: _value(line[2]) for line in lines}
    if any(samples.get(name) is None for name in (*_ANSWERED, *_PROMPTS, _ANSWERS, _STARTED)):
        return None
    found = {name: value for name, value in samples.items() if value is not None}
    return Served(
        hours=max(0.0, now - found[_STARTED]) / 3600,
        answered=int(sum(found[name] for name in _ANSWERED)),
        cached=int(found.get(_CACHED, 0)),
        prompt_tokens=int(sum(found[name] for name in _PROMPTS)),
        answer_tokens=int(found[_ANSWERS]),
    )


def elsewhere(served: Served, hosted: Hosted) -> Figure:
    """What a hosted model would have charged; of what the cache answered, the tokens are taken to be the average.

    None where the cache answered all, so that there is no average, and tokens are what is charged for.
    """
    prompt, answer = hosted.usd_a_million_prompt_tokens, hosted.usd_a_million_answer_tokens
    if served.cached and not served.answered and prompt + answer:
        return Figure("usd", hosted.name, None, "usd", "the cache answered all, which counts no tokens")
    tokens = (served.prompt_tokens * prompt + served.answer_tokens * answer) / 1e6
    by_token = f"({number(served.prompt_tokens)} × {usd(prompt)} + {number(served.answer_tokens)} × {usd(answer)})"
    also_cached = f" × {number(served.queries)} / {number(served.answered)}" if served.cached else ""
    return Figure(
        "usd",
        hosted.name,
        tokens * served.share + served.queries * hosted.usd_a_request,
        "usd",
        plus(
            (tokens, f"{by_token} / 1,000,000{also_cached}"),
            (hosted.usd_a_request, f"{number(served.queries)} × {usd(hosted.usd_a_request)}"),
        ),
    )


def _value(text: str) -> float | None:
    """A counter's value."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < _MOST else None
