"""How often a greedy token differs when other requests are answered beside its own, and what strict mode costs.

    make bench-determinism

Each of some questions is answered alone, then all of them together in varying mixes; the first token at which an answer
differs from the one given alone counts, together with how far apart the two likeliest tokens were there. Then the same
in strict mode. Wants the demo's bundle (`make demo`). Written to benchmarks/results/determinism.json.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.engine.engine import Engine
from appliance.engine.model import Model
from appliance.engine.prompt import PromptBuilder
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, Piece, SamplingParams, TokenScore
from benchmarks.machine import origin
from bundle.manifest import load_manifest

RESULT = Path(__file__).parent / "results" / "determinism.json"
TOPICS = (
    "a list",
    "a dictionary",
    "a generator",
    "a class",
    "an array",
    "a data frame",
    "a decorator",
    "a context manager",
)
ASKED = ("What is {} in Python?", "How do I make {}?", "Show me {} in code.")


@dataclass
class _Heard:
    """The tokens of one answer."""

    scores: list[TokenScore]
    ended: threading.Event

    def __call__(self, event: Event) -> None:
        if isinstance(event, Piece) and event.score:
            self.scores.append(event.score)
        if isinstance(event, Finished | Failed):
            self.ended.set()


def _ask(engine: Engine, requests: list[GenerationRequest]) -> list[list[TokenScore]]:
    heard = [_Heard([], threading.Event()) for _ in requests]
    for request, listener in zip(requests, heard, strict=True):
        engine.submit(request, listener)
    for listener in heard:
        listener.ended.wait()
    return [listener.scores for listener in heard]


def _compare(engine: Engine, requests: list[GenerationRequest], rounds: int) -> dict[str, Any]:
    """The answers alone against the answers together."""
    began = time.monotonic()
    alone = [_ask(engine, [request])[0] for request in requests]
    alone_seconds = time.monotonic() - began
    tokens = same = differing = 0
    gaps, drifts = [], []
    began, draw = time.monotonic(), random.Random(1)
    for _ in range(rounds):
        order = list(range(len(requests)))
        draw.shuffle(order)
        for place, scores in zip(order, _ask(engine, [requests[place] for place in order]), strict=True):
            for one, other in zip(alone[place], scores, strict=False):
                tokens += 1
                if one.token != other.token:
                    differing += 1
                    gaps.append(one.top[0][1] - one.top[1][1])
                    break
                drifts.append(abs((one.logprob or 0) - (other.logprob or 0)))
            else:
                same += 1
    together_seconds = (time.monotonic() - began) / rounds
    return {
        "answers": rounds * len(requests),
        "answers_the_same": same,
        "tokens_compared": tokens,
        "tokens_that_differ": differing,
        "share_of_tokens": round(differing / tokens, 6),
        "gap_where_they_differ": round(max(gaps, default=0.0), 4),
        "logprob_drift_median": statistics.median(drifts),
        "logprob_drift_most": round(max(drifts), 4),
        "seconds_alone": round(alone_seconds, 2),
        "seconds_together": round(together_seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    manifest = load_manifest(options.bundle)
    model = Model(options.bundle / manifest.model("").file)
    prompts = PromptBuilder(model, manifest.template)
    requests = [
        GenerationRequest(
            tuple(prompts.chat([{"role": "user", "content": text.format(topic)}])),
            options.tokens,
            SamplingParams(0.0, 1.0, 1.0),
            logprobs=2,
        )
        for topic in TOPICS
        for text in ASKED
    ]
    rows = {}
    for mode in ("shared", "strict"):
        engine = Engine(
            model,
            slots=options.slots,
            context=512,
            queue_limit=len(requests),
            threads=options.threads,
            strict=mode == "strict",
        )
        rows[mode] = _compare(engine, requests, options.rounds)
        engine.close()
        print(f"{mode}: " + ", ".join(f"{name} {value}" for name, value in rows[mode].items()), flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    result = origin("llama-cpp-python", "numpy") | {"file": manifest.model("").file, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
