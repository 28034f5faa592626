"""Do guesses at the next tokens pay on this machine, and what does the probe say?

    make bench-speculation [ARGS="--questions 10"]

The same questions about symbols of the documentation, from memory and with documentation read, product sampling with
fixed seeds, one at a time: without guesses, and with guesses as long as the measured costs of steps make them worth,
in turn. Wants the demo's bundle (`make demo`). Written to benchmarks/results/speculation.json.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance.engine.costs import measure
from appliance.engine.engine import Engine
from appliance.engine.expert import Expert
from appliance.engine.request import Finished, GenerationRequest
from appliance.engine.speculation import MOST, Costs
from appliance.engine.threads import usable_cores
from appliance.settings import ApplianceSettings
from benchmarks.machine import origin
from bundle.atomic import write_json
from bundle.records import EVAL, read_records

RESULT = Path(__file__).parent / "results" / "speculation.json"


def rate(engine: Engine, request: GenerationRequest) -> float:
    """Tokens a second after the first one."""
    *_, last = engine.generate(request)
    assert isinstance(last, Finished), last
    return last.timings.predicted_per_second


def compare(engines: dict[str, Engine], requests: list[GenerationRequest]) -> dict[str, Any]:
    """The rates without and with guesses, their ratio, and how many guesses were right."""
    rates: dict[str, list[float]] = {name: [] for name in engines}
    before = engines["guessing"].stats()
    for number, request in enumerate(requests):
        for name in sorted(engines, reverse=number % 2 == 0):
            rates[name].append(rate(engines[name], request))
    after = engines["guessing"].stats()
    guessed, right = after.guessed_tokens - before.guessed_tokens, after.guessed_right - before.guessed_right
    pairs = [(one, other) for one, other in zip(rates["guessing"], rates["plain"], strict=True) if other]
    return {
        "tokens_per_second": {name: round(statistics.median(found), 1) for name, found in rates.items()},
        "ratio": round(statistics.median(one / other for one, other in pairs), 3),
        "guessed": guessed,
        "right": right,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--dataset", type=Path, default=Path("examples/pocket/workspace/dataset"))
    parser.add_argument("--quantisations", nargs="+", default=["Q8_0", "Q4_0"])
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=160)
    options = parser.parse_args()
    records = list(read_records(options.dataset / EVAL))
    asked = [record.question for record in random.Random(0).sample(records, options.questions)]
    rows = {}
    for quantisation in options.quantisations:
        settings = ApplianceSettings(quantisation=quantisation, context=1024, slots=1, speculation="off")
        with tempfile.TemporaryDirectory() as cache, Expert(options.bundle, settings, Path(cache)) as expert:
            threads = usable_cores()
            costs = Costs(measure(expert.model, threads, offload=False))
            began = time.perf_counter()
            same = {"slots": 1, "context": 1024, "queue_limit": 1, "threads": threads}
            with (
                closing(Engine(expert.model, **same)) as plain,
                closing(Engine(expert.model, costs=costs, **same)) as guessing,
            ):
                row: dict[str, Any] = {"cost_of_9": round(costs[MOST + 1] / costs[1], 2)}
                for name, reads in (("from memory", False), ("reading", True)):
                    requests = []
                    for number, question in enumerate(asked):
                        messages = [{"role": "user", "content": question}]
                        prompt = expert.chat_prompt(messages, grounding=expert.ground(messages, reads))
                        requests.append(expert.request(prompt, max_tokens=options.tokens, seed=number))
                    row[name] = compare({"plain": plain, "guessing": guessing}, requests)
            print(f"{quantisation} ({time.perf_counter() - began:.0f} s): {row}", flush=True)
            rows[quantisation] = row
    RESULT.parent.mkdir(exist_ok=True)
    write_json(RESULT, origin("llama-cpp-python") | {"questions": options.questions, "rows": rows})


if __name__ == "__main__":
    main()
