"""Does the server stand many clients for long: of whom a third go away half-way, and a tenth send nonsense?

    make soak [ARGS="--minutes 2"]

Prompts have 10 to 1,500 tokens, some of them begin alike; the caches are on and small, so that they always make room.
At the end no failure may be the server's own, every answer must have been whole, its memory must not have grown after
the first third, and every slot must answer again. Wants the demo's bundle (`make demo`). Written to
benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from appliance.engine.model import Model
from appliance.settings import AnswerCache, PrefixCache
from benchmarks.machine import origin
from benchmarks.servers import Server, Work, boffin
from benchmarks.streams import hear
from bundle.atomic import write_json
from bundle.manifest import load_manifest

RESULT = Path(__file__).parent / "results" / "soak.json"
GROWTH = 1.05
"""Most memory in the last third of the time, of that in the middle one."""
SAMPLE = 2.0
"""Seconds between two looks at the memory."""
NONSENSE = (
    b'{"prompt": "half',
    b'{"prompt": ["a", 1]}',
    b'{"prompt": "a", "max_tokens": -1}',
    b'{"prompt": "a", "temperature": "hot"}',
    b'{"prompt": "a", "logit_bias": {"99999999": 1}}',
    b'{"prompt": "a", "model": "another"}',
    b"[" * 10_000,
    b"\xff\xfe\x00",
)
"""Bodies that are to be refused."""


class Soak:
    """A time of many clients."""

    def __init__(self, server: Server, model: Model, seconds: float) -> None:
        self._server = server
        self._words = [token for token in range(1000, 20_000) if not model.ends_answer(token)]
        self._forbidden = {str(token): -100 for token in range(model.n_vocab) if model.ends_answer(token)}
        self._stem = random.Random(0).choices(self._words, k=700)
        self._until = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        """How many requests ended how."""
        self.failures: list[str] = []
        self.memory: list[int] = []
        """Bytes, one look after the other."""

    async def run(self, clients: int) -> None:
        """Let the clients ask until the time is up, and wait for the last answers."""
        watch = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._client(random.Random(number + 1)) for number in range(clients)))
        watch.cancel()

    async def every_slot(self, slots: int) -> int:
        """How many of as many clients as there are slots get a whole answer at once."""
        streams = await asyncio.gather(*(hear(self._server.port, self._body([100 + n], 16)) for n in range(slots)))
        return sum(stream.whole and stream.tokens == 16 for stream in streams)

    async def _client(self, draw: random.Random) -> None:
        while time.monotonic() < self._until:
            chance = draw.random()
            if chance < 0.1:
                await self._nonsense(draw.choice(NONSENSE))
            else:
                await self._ask(draw, leaves=chance < 0.1 + 1 / 3)

    async def _ask(self, draw: random.Random, *, leaves: bool) -> None:
        length, tokens = draw.randint(10, 1500), draw.randint(4, 64)
        alike = draw.choice((0, min(length // 2, len(self._stem))))
        prompt = self._stem[:alike] + draw.choices(self._words, k=length - alike)
        body = self._body(prompt, tokens)
        stream = await hear(self._server.port, body, leave_after=max(1, tokens // 2) if leaves else None)
        if stream.failure:
            self.failures.append(stream.failure)
        elif not leaves and stream.tokens != tokens:
            self.failures.append(f"{stream.tokens} tokens instead of {tokens}")
        self.counts["failed" if stream.failure else "left" if leaves else "whole"] += 1

    async def _nonsense(self, body: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        )
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        status = (await reader.readline()).split()[1:2]
        writer.close()
        self.counts["refused"] += 1
        if status not in ([b"400"], [b"404"], [b"422"]):
            self.failures.append(f"nonsense was answered with {status}: {body[:60]!r}")

    def _body(self, prompt: list[int], tokens: int) -> dict[str, Any]:
        return {
            "prompt": prompt,
            "max_tokens": tokens,
            "temperature": 0,
            "logit_bias": self._forbidden,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def _watch(self) -> None:
        process = psutil.Process(self._server.pid)
        while True:
            self.memory.append(process.memory_info().rss)
            await asyncio.sleep(SAMPLE)


def settled(port: int) -> dict[str, Any]:
    """The server's health, once nothing runs any more."""
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as reply:
            health: dict[str, Any] = json.load(reply)
        if not health["slots_busy"] and not health["queue"]:
            return health
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--quantisation", default="Q4_0")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--slots", type=int, default=4)
    options = parser.parse_args()
    file = load_manifest(options.bundle).model(options.quantisation)
    path = options.bundle / file.file
    work = Work(options.bundle, file.quantisation, path, options.slots, 2048, os.cpu_count() or 1)
    caches = {"cache": AnswerCache(max_megabytes=1), "prefixes": PrefixCache(max_megabytes=50)}
    with boffin(work, **caches) as server:
        server.body.clear()
        soak = Soak(server, Model(path, 0), options.minutes * 60)
        asyncio.run(soak.run(options.clients))
        health = settled(server.port)
        answering = asyncio.run(soak.every_slot(options.slots))
    third = max(1, len(soak.memory) // 3)
    middle, last = (statistics.median(soak.memory[third * part :][:third] or soak.memory) for part in (1, 2))
    series = soak.memory[:: max(1, len(soak.memory) // 20)]
    wrong = soak.failures[:20]
    if answering < options.slots:
        wrong.append(f"only {answering} of {options.slots} slots answer")
    if last > GROWTH * middle:
        wrong.append(f"the memory grew from {middle / 1e6:.0f} to {last / 1e6:.0f} MB")
    print(f"requests: {dict(soak.counts)}; memory {middle / 1e6:.0f} MB, at the end {last / 1e6:.0f} MB")
    print("memory in MB, at even distances: " + " ".join(f"{size / 1e6:.0f}" for size in series))
    print("\n".join(wrong) or f"no failure, every slot answers ({health['status']})")
    result = origin("llama-cpp-python", "fastapi", "uvicorn") | {
        "minutes": options.minutes,
        "clients": options.clients,
        "requests": soak.counts,
        "failures": len(soak.failures),
        "memory_middle": middle,
        "memory_end": last,
        "memory_series": series,
        "slots_answering": answering,
        "wrong": wrong,
    }
    RESULT.parent.mkdir(exist_ok=True)
    write_json(RESULT, result)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
