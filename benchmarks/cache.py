"""What the caches save: the first token of a prompt whose beginning is known, and an answer that was given before.

    make bench-cache

Prompts have 1,000 tokens in common and go on differently; no answer is cached. In each round a new server with empty
caches is asked the first one (cold), then others (warm), and is started again and asked one more (restart), timed from
when its `/health` says that it is ready. Then, with stored answers, how long one takes over HTTP. Wants the demo's
bundle (`make demo`). Written to benchmarks/results/cache.json.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from appliance.engine.model import Model
from appliance.launch import LocalServer
from appliance.settings import AnswerCache, ApplianceSettings
from benchmarks.machine import origin
from benchmarks.serve import WORDS, prompts
from benchmarks.streams import listen
from bundle.atomic import write_json
from bundle.manifest import load_manifest

RESULT = Path(__file__).parent / "results" / "cache.json"
PREFIX = 1000
"""Tokens that the prompts have in common."""
ASKED = 200
"""How often the stored answer is asked for."""


def first_token(server: LocalServer, prompt: list[int], text: str, model: Model) -> float:
    """Seconds to the first token of an answer to a prompt that goes on with a text."""
    body = {"prompt": prompt + model.tokenize(text), "max_tokens": 4, "stream": True, "cache": False}
    (stream,) = listen(urlsplit(server.url).port or 0, [body])
    if stream.failure:
        raise SystemExit(stream.failure)
    return stream.first


def one_round(bundle: Path, settings: ApplianceSettings, model: Model, draw: random.Random) -> dict[str, float]:
    """Seconds to the first token: cold, warm and after a restart."""
    prefix = model.tokenize(" ".join(prompts(draw, 40)))[:PREFIX]
    assert len(prefix) == PREFIX
    texts = [f" {word}?" for word in draw.sample(WORDS, 4)]
    with tempfile.TemporaryDirectory() as cache:
        with LocalServer(bundle, settings, Path(cache)) as server:
            cold = first_token(server, prefix, texts[0], model)
            first_token(server, prefix, texts[1], model)  # the second use, on which it is stored
            warm = first_token(server, prefix, texts[2], model)
        with LocalServer(bundle, settings, Path(cache)) as server:
            restart = first_token(server, prefix, texts[3], model)
    return {"cold": cold, "warm": warm, "restart": restart}


def stored_answers(bundle: Path, settings: ApplianceSettings) -> list[float]:
    """Milliseconds that a client waits for an answer that is stored."""
    body = {"messages": [{"role": "user", "content": "What is a list?"}], "max_tokens": 64, "temperature": 0}
    times = []
    with (
        tempfile.TemporaryDirectory() as cache,
        LocalServer(bundle, settings, Path(cache)) as server,
        httpx.Client(base_url=server.url, timeout=300) as client,
    ):
        client.post("/v1/chat/completions", json=body).raise_for_status()
        for _ in range(ASKED):
            began = time.perf_counter()
            reply = client.post("/v1/chat/completions", json=body)
            times.append((time.perf_counter() - began) * 1000)
            assert reply.json()["cached"] is True
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--quantisation", default="Q4_0")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bundle = options.bundle.resolve()
    file = load_manifest(bundle).model(options.quantisation)
    settings = ApplianceSettings(
        quantisation=file.quantisation, threads=os.cpu_count() or 1, cache=AnswerCache(enabled=False)
    )
    model = Model(bundle / file.file, 0)
    draw = random.Random(1)
    rows = []
    for _ in range(options.rounds):
        rows.append(one_round(bundle, settings, model, draw))
        print(", ".join(f"{name} {seconds:.3f} s" for name, seconds in rows[-1].items()), flush=True)
    medians = {name: round(statistics.median(row[name] for row in rows), 4) for name in rows[0]}
    ratios = {
        f"{name}_ratio": round(statistics.median(row[name] / row["cold"] for row in rows), 4)
        for name in ("warm", "restart")
    }
    times = stored_answers(bundle, settings.model_copy(update={"cache": AnswerCache()}))
    cached = round(statistics.median(times), 3)
    print(f"medians: {medians}, {ratios}; a stored answer takes {cached} ms ({min(times):.2f} to {max(times):.2f})")
    result = origin("llama-cpp-python", "diskcache") | {
        "file": file.file,
        "prefix_tokens": PREFIX,
        "rows": rows,
        "first_token_seconds": medians,
        **ratios,
        "cached_ms": cached,
        "cached_ms_p95": round(sorted(times)[int(0.95 * len(times))], 3),
    }
    RESULT.parent.mkdir(exist_ok=True)
    write_json(RESULT, result)


if __name__ == "__main__":
    main()
