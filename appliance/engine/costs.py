"""What a step of few tokens costs: measured once for a machine and a model, since it decides whether guesses pay.

Where memory is the bottleneck, as it is for large models, nine tokens cost little more than one; where arithmetic is,
as for small models on few cores, they cost several times as much. A busy machine isn't measured, for it would be judged
by what else runs. Knows nothing about guesses.
"""

from __future__ import annotations

import logging
from pathlib import Path

from appliance.engine.context import Context
from appliance.engine.measured import home, recall, remember
from appliance.engine.model import Model
from appliance.engine.speculation import Costs
from appliance.engine.threads import busy, step_seconds, usable_cores

log = logging.getLogger(__name__)

MEASURED = Path("~/.cache/boffin/steps.json")
"""Machine and model → tokens → seconds."""
SIZES = (1, 2, 4, 9)
"""Tokens of the steps that are measured."""
ROUNDS = 3
"""Steps of each size; the fastest one counts."""


def costs_for(model: Model, key: str, threads: int, *, offload: bool, place: Path = MEASURED) -> Costs | None:
    """What steps cost; `key` names machine and model. None where it can't be measured now."""
    found = home(place)
    if found is None:
        return None
    seconds = _valid(recall(found).get(key))
    if seconds is None:
        if busy(usable_cores()):
            return None
        seconds = measure(model, threads, offload=offload)
        remember(found, key, seconds)
    costs = Costs(seconds)
    log.info("a step of 9 tokens costs as much as %.1f of one here", costs[9] / costs[1])
    return costs


def measure(model: Model, threads: int, *, offload: bool) -> dict[int, float]:
    """Seconds that a step of each size takes at best; the sizes take turns."""
    cells = (ROUNDS + 1) * sum(SIZES)
    context = Context(model, sequences=1, cells=cells, outputs=max(SIZES), threads=threads, offload=offload)
    best = dict.fromkeys(SIZES, float("inf"))
    position = 0
    try:
        for turn in range(ROUNDS + 1):
            for size in SIZES:
                seconds = step_seconds(context, position, size)
                position += size
                if turn:  # the first round only warms up
                    best[size] = min(best[size], seconds)
    finally:
        context.close()
    return best


def _valid(known: object) -> dict[int, float] | None:
    """What was remembered, if it is what `measure` gives."""
    if not isinstance(known, dict) or set(known) != {str(size) for size in SIZES}:
        return None
    seconds = {int(size): value for size, value in known.items()}
    return seconds if all(isinstance(value, float) and 0 < value < 3600 for value in seconds.values()) else None
