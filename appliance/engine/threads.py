"""How many threads llama.cpp computes with: measured once a machine, since the second threads of cores, and slow cores
beside fast ones, often make every token slower.

A busy machine isn't measured, for it would be judged by what else runs. Knows nothing about requests.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from appliance.engine.bindings import native
from appliance.engine.context import Context
from appliance.engine.measured import home, recall, remember
from appliance.engine.model import Model

log = logging.getLogger(__name__)

MEASURED = Path("~/.cache/boffin/threads.json")
"""Machine → threads."""
ROUNDS = 6
"""Tokens that each number of threads computes; its fastest one counts."""
WORTH = 0.97
"""Of the time with more threads, what fewer must stay under."""
IDLE = 0.5
"""Load a core above which a machine counts as busy."""


def threads_for(model: Model, machine: str, place: Path = MEASURED) -> int:
    """The number of threads for a machine, by its processor's name; all usable cores until it can be measured."""
    cores = usable_cores()
    found = home(place)
    if found is None:
        return cores
    key = f"{machine}, {cores} cores"
    known = recall(found).get(key)
    if isinstance(known, int) and known > 0:
        return min(known, cores)
    if cores == 1 or busy(cores):
        return cores
    threads = fastest(measure(model, candidates(cores)))
    log.info("threads: %d of %d cores are the fastest here", threads, cores)
    remember(found, key, threads)
    return threads


def candidates(cores: int) -> list[int]:
    """What is tried: all cores, three quarters of them and half."""
    return sorted({cores, -(-cores * 3 // 4), -(-cores // 2)}, reverse=True)


def measure(model: Model, numbers: list[int]) -> dict[int, float]:
    """Seconds that a token takes with each number of threads, at best; they take turns."""
    context = Context(model, sequences=1, cells=256, outputs=1, threads=numbers[0])
    best = dict.fromkeys(numbers, float("inf"))
    try:
        for position in range(ROUNDS + 1):
            for place, threads in enumerate(numbers):
                native.llama_set_n_threads(context.handle, threads, threads)
                seconds = step_seconds(context, position * len(numbers) + place)
                if position:  # the first round only warms up
                    best[threads] = min(best[threads], seconds)
    finally:
        context.close()
    return best


def step_seconds(context: Context, position: int, tokens: int = 1) -> float:
    """How long a step of some tokens takes, at a position of the context's first sequence."""
    context.begin()
    context.add((0,) * tokens, position, 0, outputs=tokens)
    began = time.perf_counter()
    context.compute()
    native.llama_synchronize(context.handle)
    return time.perf_counter() - began


def fastest(seconds: dict[int, float]) -> int:
    """The number of threads that is the fastest; fewer than others only where that is worth it."""
    best = max(seconds)
    for threads in sorted(seconds, reverse=True):
        if seconds[threads] < WORTH * seconds[best]:
            best = threads
    return best


def busy(cores: int) -> bool:
    """Whether other work runs on this machine; not to be told everywhere."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > IDLE * cores


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
