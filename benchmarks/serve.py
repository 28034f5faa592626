"""How fast are many answers at once, beside llama.cpp's own server and llama-cpp-python's?

    make bench-serve [ARGS="--rounds 2 --counts 1 8"]

The same file, threads and questions for all; every prompt is another from its first word on, the end token is
forbidden, no cache is on. In each round each number of clients streams from each server in turn, when all are idle;
a few clients do so several times, until each server has given eight answers, since a second or two tells little on a
machine that others use, too. A row tells the medians of the rounds, the ratios are medians of those of single rounds.
Then, without HTTP, where Boffin's own time goes. Wants the demo's bundle (`make demo`). Written to
benchmarks/results/serve.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from appliance.engine.model import Model
from benchmarks.engine_time import measure
from benchmarks.machine import origin
from benchmarks.servers import Server, Work, boffin, native, peer_versions, python_server, settle
from benchmarks.streams import Stream, listen
from bundle.atomic import write_json
from bundle.manifest import load_manifest

RESULT = Path(__file__).parent / "results" / "serve.json"
TOKENS = 128
"""Of an answer."""
ANSWERS = 8
"""What each server gives in a round at least."""
OURS = "boffin"
SHOWN = ("clients", "tokens_per_second", "ttft_p50", "ttft_p95", "gap_p50", "gap_p95", "failures")
"""Of a row, what the results have at their top."""
WORDS = ("array", "list", "frame", "index", "string", "file", "request", "thread", "class", "module", "date", "table")


def prompts(draw: random.Random, count: int) -> list[str]:
    """Texts of about 40 tokens that have nothing in common."""
    return [
        f"{draw.randrange(10**6)} {' '.join(draw.choices(WORDS, k=24))}. How does this work in Python?"
        for _ in range(count)
    ]


def ask(server: Server, texts: list[str], forbidden: list[int]) -> list[Stream]:
    """Let a client stream the answer to each text, all at once."""
    common = {
        "max_tokens": TOKENS,
        "temperature": 0.0,
        "repeat_penalty": 1.0,
        "stream": True,
        "logit_bias": {str(token): -100 for token in forbidden},
        **server.body,
    }
    return listen(server.port, [{"prompt": text, **common} for text in texts])


Turn = list[Stream]
"""What all clients heard at once."""


def tokens_per_second(turns: list[Turn]) -> float:
    """All clients' tokens together in a round's turns; of a broken answer those that came."""
    tokens = sum(TOKENS if stream.whole else len(stream.heard) for turn in turns for stream in turn)
    return tokens / sum(max(one.ended for one in turn) - min(one.sent for one in turn) for turn in turns)


def quantile(values: list[float], share: float) -> float | None:
    """Of some seconds, in seconds; None of none."""
    values = sorted(values)
    return round(values[min(len(values) - 1, int(share * len(values)))], 5) if values else None


def row(server: str, clients: int, rounds: list[list[Turn]]) -> dict[str, Any]:
    """What a number of clients heard of a server."""
    streams = [stream for turns in rounds for turn in turns for stream in turn]
    rates = [tokens_per_second(one) for one in rounds]
    firsts = [stream.first for stream in streams if stream.heard]
    gaps = [gap for stream in streams for gap in stream.gaps]
    failures = [stream.failure for stream in streams if stream.failure]
    return {
        "server": server,
        "clients": clients,
        "tokens_per_second": round(statistics.median(rates), 1),
        "lowest": round(min(rates), 1),
        "highest": round(max(rates), 1),
        "ttft_p50": quantile(firsts, 0.5),
        "ttft_p95": quantile(firsts, 0.95),
        "gap_p50": quantile(gaps, 0.5),
        "gap_p95": quantile(gaps, 0.95),
        "failures": len(failures),
        "of": len(streams),
        "first_failure": failures[0] if failures else "",
    }


def ratio(ours: list[list[Turn]], others: list[list[Turn]]) -> float | None:
    """How many times as many tokens a second, in the median of the rounds; None where there were none."""
    pairs = [(tokens_per_second(one), tokens_per_second(other)) for one, other in zip(ours, others, strict=True)]
    ratios = [one / other for one, other in pairs if other]
    return round(statistics.median(ratios), 3) if ratios else None


def show(rows: list[dict[str, Any]]) -> None:
    """Print what the clients heard as a table; times in seconds."""
    print(f"{'server':<20} {'clients':>7} {'tokens/s':>9} {'spread':>13}  first token  p95    between  p95")
    for one in rows:
        spread = f"{one['lowest']}-{one['highest']}"
        times = "  ".join(f"{one[name] or 0:6.3f}" for name in ("ttft_p50", "ttft_p95", "gap_p50", "gap_p95"))
        failed = f"  {one['failures']} of {one['of']} failed" if one["failures"] else ""
        print(
            f"{one['server']:<20} {one['clients']:>7} {one['tokens_per_second']:>9} {spread:>13}      {times}{failed}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--quantisation", default="Q4_0")
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench/bin/python"), help="the others' Python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--also", nargs="*", default=[], help="settings of further rows, e.g. shared=true")
    options = parser.parse_args()
    file = load_manifest(options.bundle).model(options.quantisation)
    path = options.bundle / file.file
    work = Work(options.bundle, file.quantisation, path, options.slots, 512, options.threads)
    model = Model(path, 0)
    forbidden = [token for token in range(model.n_vocab) if model.ends_answer(token)]
    heard: dict[str, dict[int, list[list[Turn]]]] = {}
    with ExitStack() as running:
        servers = [running.enter_context(boffin(work))]
        for setting in options.also:
            name, _, value = setting.partition("=")
            servers.append(running.enter_context(boffin(work, f"{OURS} {setting}", **{name: json.loads(value)})))
        servers += [running.enter_context(peer(work, options.peers)) for peer in (native, python_server)]
        for server in servers:
            ask(server, prompts(random.Random(0), 1), forbidden)  # warm
            heard[server.name] = {count: [] for count in options.counts}
        draw = random.Random(1)
        for number in range(options.rounds):
            for count in options.counts:
                for server in servers:
                    heard[server.name][count].append([])
                for turn in range(-(-ANSWERS // count)):
                    texts = prompts(draw, count)
                    for place in range(len(servers)):  # each is the first in turn
                        server = servers[(number + turn + place) % len(servers)]
                        settle(servers)
                        heard[server.name][count][-1].append(ask(server, texts, forbidden))
            print(f"round {number + 1} of {options.rounds} is done", flush=True)
        memory = {server.name: server.peak_memory() for server in servers}
    rows = [row(name, count, rounds) for name, counts in heard.items() for count, rounds in counts.items()]
    show(rows)
    table = []
    for one in rows:
        if one["server"] == OURS:
            ours = heard[OURS][one["clients"]]
            ratios = {f"ratio_{peer}": ratio(ours, heard[peer][one["clients"]]) for peer in ("native", "python")}
            table.append({name: one[name] for name in SHOWN} | ratios)
            print(f"{one['clients']:>2} clients: " + ", ".join(f"{name} {value}" for name, value in ratios.items()))
    print("peak memory: " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in memory.items()))
    alone = {}
    for count in options.counts:
        alone[count] = measure(model, work, prompts(random.Random(2), count), forbidden, TOKENS)
        print(f"{count:>2} without HTTP: " + ", ".join(f"{name} {value}" for name, value in alone[count].items()))
    result = origin("llama-cpp-python", "fastapi", "uvicorn") | {
        "peers": peer_versions(options.peers),
        "file": file.file,
        "threads": options.threads,
        "slots": options.slots,
        "rounds": options.rounds,
        "rows": table,
        "servers": rows,
        "peak_memory": memory,
        "without_http": alone,
    }
    RESULT.parent.mkdir(exist_ok=True)
    write_json(RESULT, result)


if __name__ == "__main__":
    main()
