"""`/metrics`: what the engine, the caches and this server have done, in Prometheus' text format.

Counters begin at the start of the server. Knows nothing about how the numbers come about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from appliance.engine.stats import SECONDS, EngineStats, Histogram

if TYPE_CHECKING:  # it imports what only the loaded expert needs
    from appliance.engine.disk import DiskStats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, float]
"""Labels as they are written, with their braces, and a value."""


class HttpCounts:
    """What came over HTTP."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """Requests by route and status code."""
        self.seconds = 0.0
        """How long all replies took together."""


def exposition(engine: EngineStats, http: HttpCounts, caches: dict[str, DiskStats], since: int) -> str:
    """The whole page; `caches` are the disk caches by name, `since` is when the server started (Unix time)."""
    return "".join(_page(engine, http, caches, since))


def _page(engine: EngineStats, http: HttpCounts, caches: dict[str, DiskStats], since: int) -> Iterator[str]:
    yield from _one("start_time_seconds", "gauge", "When the server started, in seconds since 1970.", since)
    yield from _family(
        "http_requests_total",
        "counter",
        "Requests by route and status code.",
        ((f'{{route="{route}",code="{code}"}}', number) for (route, code), number in sorted(http.requests.items())),
    )
    yield from _one("http_seconds_total", "counter", "Time that all replies took together.", http.seconds)
    yield from _family(
        "requests_total",
        "counter",
        "Requests to the engine by what came of them.",
        (
            (f'{{outcome="{outcome}"}}', getattr(engine, outcome))
            for outcome in ("finished", "refused", "cancelled", "expired", "failed")
        ),
    )
    yield from _one("slots", "gauge", "Answers that are made at most at once.", engine.slots)
    yield from _one("slots_busy", "gauge", "Answers that are being made.", engine.busy)
    yield from _one("queue_length", "gauge", "Requests that wait.", engine.waiting)
    yield from _one("queue_limit", "gauge", "Requests that may wait.", engine.queue)
    yield from _one("memory_tokens", "gauge", "Tokens that fit into the memory.", engine.memory)
    yield from _one("memory_used_tokens", "gauge", "Tokens in the memory.", engine.memory_used)
    yield from _one(
        "memory_promised_tokens", "gauge", "Tokens that running answers may yet need.", engine.memory_promised
    )
    yield from _one("kept_sequences", "gauge", "Sequences kept for prompts that begin alike.", engine.kept)
    yield from _one("steps_total", "counter", "Steps of the engine.", engine.steps)
    yield from _family(
        "prompt_tokens_total",
        "counter",
        "Tokens of prompts by where they came from.",
        (
            ('{from="computed"}', engine.prompt_tokens),
            ('{from="memory"}', engine.reused_tokens - engine.restored_tokens),
            ('{from="disk"}', engine.restored_tokens),
        ),
    )
    yield from _one("generated_tokens_total", "counter", "Tokens of answers.", engine.generated_tokens)
    yield from _one("guessed_tokens_total", "counter", "Tokens computed as guesses.", engine.guessed_tokens)
    yield from _one("guessed_right_total", "counter", "Guesses that were right.", engine.guessed_right)
    yield from _histogram("time_to_first_token_seconds", "From a request to its first token.", engine.first_token)
    yield from _histogram("time_between_tokens_seconds", "From a token to the next one.", engine.between_tokens)
    for name, kind, told, field in (
        ("cache_hits_total", "counter", "Look-ups that found something.", "hits"),
        ("cache_misses_total", "counter", "Look-ups that found nothing.", "misses"),
        ("cache_stored_total", "counter", "Entries that were stored.", "stored"),
        ("cache_entries", "gauge", "Entries.", "entries"),
        ("cache_bytes", "gauge", "Bytes on disk.", "bytes"),
        ("cache_limit_bytes", "gauge", "Most bytes on disk.", "limit"),
        ("cache_broken", "gauge", "Whether the cache can not be used.", "broken"),
    ):
        samples = ((f'{{cache="{cache}"}}', getattr(stats, field)) for cache, stats in caches.items())
        yield from _family(name, kind, told, samples)


def _one(name: str, kind: str, told: str, value: float) -> Iterator[str]:
    return _family(name, kind, told, [("", value)])


def _family(name: str, kind: str, told: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP boffin_{name} {told}\n# TYPE boffin_{name} {kind}\n"
    for labels, value in samples:
        yield (
            f"boffin_{name}{labels} {float(value):g}\n"
            if value != int(value)
            else f"boffin_{name}{labels} {int(value)}\n"
        )


def _histogram(name: str, told: str, histogram: Histogram) -> Iterator[str]:
    yield f"# HELP boffin_{name} {told}\n# TYPE boffin_{name} histogram\n"
    counts = list(accumulate(histogram.counts))
    for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
        yield f'boffin_{name}_bucket{{le="{bound}"}} {count}\n'
    yield f"boffin_{name}_sum {histogram.total:.6f}\nboffin_{name}_count {counts[-1]}\n"
