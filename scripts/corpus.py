"""Builds the corpus project's dataset from nothing, then again from what is kept, and proves what it kept.

    python scripts/corpus.py examples/corpus [--no-rerun]

Runs `boffin curate` twice and watches its memory (the proportional set size of the whole process tree), then runs every
kept code block from scratch, each in a fresh process in the sandbox. The figures are added to the dataset's
report.json: `seconds_cold`, `seconds_warm`, `peak_memory_mb`, `rerun_pass_rate`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import psutil

from bundle.atomic import write_json
from bundle.records import EVAL, REPORT, SYMBOLS, TRAIN, read_records
from curation.answer import code_of
from curation.pages import write_pages
from sandbox import Limits, Pool
from sandbox.pool import processors
from symbols.table import SymbolTable

BOFFIN = Path(sys.executable).with_name("boffin")
LIMITS = Limits(seconds=60)


class Memory(threading.Thread):
    """Samples the memory of a process and of all below it."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(process)
        self._ended = threading.Event()
        self.peak = 0
        """Largest sum seen, in bytes."""

    def run(self) -> None:
        """Sample until stopped."""
        while not self._ended.wait(0.5):
            total = 0
            with contextlib.suppress(psutil.Error):
                for one in [self._process, *self._process.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        info = one.memory_full_info()
                        total += getattr(info, "pss", info.uss)
            self.peak = max(self.peak, total)

    def stop(self) -> None:
        """End the sampling."""
        self._ended.set()
        self.join()


def curate(project: Path, *flags: str) -> tuple[float, int]:
    """Run `boffin curate`; its wall seconds, and its peak memory in bytes."""
    began = time.monotonic()
    process = subprocess.Popen([BOFFIN, "curate", "-C", project, *flags])
    memory = Memory(process.pid)
    memory.start()
    code = process.wait()
    memory.stop()
    if code:
        sys.exit(code)
    return time.monotonic() - began, memory.peak


def modules_of(code: str, known: Collection[str]) -> tuple[str, ...]:
    """The modules that code imports at its top level, in its order; `known` are those that exist."""
    found: dict[str, None] = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import):
            found.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(dict.fromkeys([node.module, *(name for name in below if name in known)]))
    return tuple(found)


def run_again(dataset: Path) -> tuple[int, int, Counter[str]]:
    """Run every kept code block from scratch: how many, how many passed, and the others' reasons.

    Each runs in a process of its own, forked from an interpreter that has done nothing but to import what this very
    block imports at its top level: blocks with the same imports share that interpreter, and nothing else.
    """
    codes: dict[str, int] = {}
    for side in (TRAIN, EVAL):
        for record in read_records(dataset / side):
            codes[code_of(record)] = codes.get(code_of(record), 0) + 1
    known = SymbolTable.load(dataset / SYMBOLS).modules
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for code in codes:
        groups.setdefault((modules_of(code, known), "httpbin.org" in code), []).append(code)
    failed: Counter[str] = Counter()
    done = 0
    for (imports, http), group in groups.items():
        with Pool(imports, workers=min(len(group), processors()), http=http) as pool:
            for code, outcome in pool.run_all(((code, code) for code in group), LIMITS):
                done += 1
                if outcome.reason != "ok":
                    failed[outcome.reason] += codes[code]
                    print(f"failed ({outcome.reason}): {outcome.stderr.strip().splitlines()[-1:]}\n{code}", flush=True)
                if done % 500 == 0:
                    print(f"run again: {done:,} of {len(codes):,}", flush=True)
    total = sum(codes.values())
    return total, total - failed.total(), failed


def main() -> None:
    """Build, build again, prove, and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--no-rerun", action="store_true", help="leave out running every kept code block again")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.project / "workspace", ignore_errors=True)
    cold, memory = curate(arguments.project)
    warm, _ = curate(arguments.project, "--force")
    dataset = (arguments.project / "workspace" / "dataset").resolve()
    report = json.loads((dataset / REPORT).read_bytes())
    report |= {
        "seconds_cold": round(cold, 1),
        "seconds_warm": round(warm, 1),
        "peak_memory_mb": round(memory / 1e6),
    }
    if not arguments.no_rerun:
        total, passed, failed = run_again(dataset)
        report |= {"rerun_pass_rate": round(passed / total, 4), "rerun_failed": dict(failed)}
    write_json(dataset / REPORT, report)
    write_pages(dataset)
    wanted = ("raw", "clean", "kept", "train", "eval", "rerun_pass_rate", "seconds_cold", "seconds_warm")
    for name in (*wanted, "peak_memory_mb"):
        print(f"{name:<16} {report.get(name)}")
    print(f"in full: {dataset / REPORT}")


if __name__ == "__main__":
    main()
