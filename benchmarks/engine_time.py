"""Where the engine's time goes, without HTTP: llama.cpp's computing, the choice of tokens, and Python's rest.

Knows the engine's insides; nothing about servers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from appliance.engine.engine import Engine
from appliance.engine.model import Model
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, SamplingParams
from appliance.settings import ApplianceSettings
from benchmarks.servers import Work


class _Clock:
    """Sums up the seconds inside a function."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*given: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*given, **options)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def measure(model: Model, work: Work, texts: list[str], forbidden: list[int], tokens: int) -> dict[str, float]:
    """Tokens a second of the engine alone, and the shares of its time: `computing`, `choosing`, `python`."""
    engine = Engine(
        model,
        slots=work.slots,
        context=work.context,
        queue_limit=len(texts),
        threads=work.threads,
        shared=ApplianceSettings().shared,
    )
    computing, choosing = _Clock(), _Clock()
    batching = engine._batching
    batching._context.compute = computing.around(batching._context.compute)  # type: ignore[method-assign]
    batching._choose = choosing.around(batching._choose)  # type: ignore[method-assign]
    ended = [threading.Event() for _ in texts]

    def listener(place: int) -> Callable[[Event], None]:
        return lambda event: ended[place].set() if isinstance(event, Finished | Failed) else None

    params = SamplingParams(0.0, 1.0, 1.0, logit_bias=tuple((token, float("-inf")) for token in forbidden))
    began = time.perf_counter()
    for place, text in enumerate(texts):
        engine.submit(GenerationRequest(tuple(model.tokenize(text)), tokens, params), listener(place))
    for event in ended:
        event.wait()
    seconds = time.perf_counter() - began
    engine.close()
    return {
        "tokens_per_second": round(len(texts) * tokens / seconds, 1),
        "computing": round(computing.seconds / seconds, 3),
        "choosing": round(choosing.seconds / seconds, 3),
        "python": round(1 - (computing.seconds + choosing.seconds) / seconds, 3),
    }
