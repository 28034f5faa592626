"""How much faster are many questions by `boffin batch` than one after the other, and are the answers the same?

    make bench-batch [ARGS="--questions 60"]

The same greedy questions twice through the same engine, without caches; then again in strict mode, in which every
answer must be the same. Wants the demo's bundle (`make demo`). Written to benchmarks/results/batch.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import origin
from benchmarks.serve import WORDS
from benchmarks.servers import Work, boffin
from boffin.batch import run_batch
from bundle.atomic import write_json
from bundle.manifest import load_manifest

RESULT = Path(__file__).parent / "results" / "batch.json"


def answers(questions: Path, port: int, at_once: int) -> tuple[dict[int, tuple[str, int]], float]:
    """By the number of its line, each answer and its tokens; and the seconds that all of them took."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answers.jsonl"
        began = time.perf_counter()
        run_batch(questions, out, Path(), [], None, f"http://127.0.0.1:{port}", at_once)
        seconds = time.perf_counter() - began
        lines = [json.loads(line) for line in out.read_text().splitlines()]
    return {line["line"]: (line["answer"], line["usage"]["completion_tokens"]) for line in lines}, seconds


def compare(work: Work, questions: Path, *, strict: bool) -> dict[str, Any]:
    """All at once against one at a time."""
    with boffin(work, strict=strict) as server:
        alone, alone_seconds = answers(questions, server.port, 1)
        together, seconds = answers(questions, server.port, 0)
    rates = [
        sum(tokens for _, tokens in said.values()) / took
        for said, took in ((alone, alone_seconds), (together, seconds))
    ]
    return {
        "tokens_per_second_alone": round(rates[0], 1),
        "tokens_per_second_together": round(rates[1], 1),
        "ratio": round(rates[1] / rates[0], 3),
        "equal_answers": sum(alone[line] == together[line] for line in alone) / len(alone),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--quantisation", default="Q4_0")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--slots", type=int, default=8)
    options = parser.parse_args()
    file = load_manifest(options.bundle).model(options.quantisation)
    threads = os.cpu_count() or 1
    work = Work(options.bundle, file.quantisation, options.bundle / file.file, options.slots, 512, threads)
    draw = random.Random(1)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions.jsonl"
        with questions.open("w") as out:
            for number in range(options.questions):
                asked = f"{number}: how do I make a {draw.choice(WORDS)} of each {draw.choice(WORDS)} in Python?"
                body = {"question": asked, "max_tokens": options.tokens, "temperature": 0, "cache": False}
                out.write(json.dumps(body) + "\n")
        for mode in ("as it comes", "strict"):
            rows[mode] = compare(work, questions, strict=mode == "strict")
            print(f"{mode}: " + ", ".join(f"{name} {value}" for name, value in rows[mode].items()), flush=True)
    result = origin("llama-cpp-python", "numpy") | {"file": file.file, "questions": options.questions, "rows": rows}
    RESULT.parent.mkdir(exist_ok=True)
    write_json(RESULT, result)
    if rows["strict"]["equal_answers"] < 1:
        sys.exit("strict mode gave other answers in a batch")


if __name__ == "__main__":
    main()
