"""Does the symbol check find what doesn't exist, and nothing else?

    make bench-symbols            (python -m benchmarks.symbols [--seed N])

200 snippets that are right and 200 that are subtly wrong, half of them about functions and modules, half about
instances, are made of the docstring examples of numpy, pandas, requests and the standard library, and proven by running
them (see benchmarks/fakes.py). Then the checker reads them: with the symbol table alone, and with jedi for what the
table leaves open; the ratios are the table's. A wrong snippet is caught where a finding names what was changed, on its
line; every other finding is a false alarm. Written to benchmarks/results/symbols.json (another seed is only printed).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.fakes import LIBRARIES, Example, Snippet, mutate, probe, right, scripts
from sandbox import Warm
from symbols.check import check_code
from symbols.fallback import InstanceChecker
from symbols.finding import Finding
from symbols.introspect import Entry, walk_packages
from symbols.table import SymbolTable

SEED = 20261124
EACH = 100
"""Snippets of a group that are right, and as many that are wrong."""
CHANGES = {
    "functions": {"attribute": 40, "keyword": 30, "removed": 15, "import": 15},
    "instances": {"attribute": 60, "keyword": 25, "removed": 15},
}
RESULTS = Path(__file__).parent / "results"
IMPORTS = ["numpy", "pandas", "requests", "json", "inspect"]
Check = Callable[[str], list[Finding]]


def make(entries: Sequence[Entry], warm: Warm, seed: int) -> list[Snippet]:
    """The snippets, each of another docstring where there are enough; the libraries take turns."""
    chance = random.Random(seed)
    by_library: dict[str, list[tuple[str, str, str]]] = {name: [] for name in LIBRARIES}
    for one in scripts(entries):
        by_library[one[0]].append(one)
    for every in by_library.values():
        every.sort()
        chance.shuffle(every)
    names = sorted(
        {entry.symbol.rpartition(".")[2] for entry in entries if not entry.symbol.rpartition(".")[2][0].isupper()}
    )
    examples = {name: _endless(warm, every, chance) for name, every in by_library.items()}
    made: list[Snippet] = []
    seen: set[str] = set()
    for group, changes in CHANGES.items():
        for change, count in {"right": EACH, **changes}.items():
            missed, wanted = 0, len(made) + count
            while len(made) < wanted and missed < 4_000:
                turn = (wanted - len(made)) % len(LIBRARIES)
                library = LIBRARIES[turn] if missed % 40 < 30 else chance.choice(LIBRARIES)
                example = next(examples[library])
                is_right = change == "right"
                snippet = right(example, group) if is_right else mutate(example, group, change, names, warm, chance)
                if snippet is None or snippet.code in seen:
                    missed += 1
                else:
                    seen.add(snippet.code)
                    made.append(snippet)
                    missed = 0
    return made


def _endless(warm: Warm, every: Sequence[tuple[str, str, str]], chance: random.Random) -> Iterator[Example]:
    """The examples of a library that run, over and over, each probed once."""
    ran: list[Example] = []
    for one in every:
        example = probe(warm, *one)
        if example is not None:
            ran.append(example)
            yield example
    while True:
        chance.shuffle(ran)
        yield from ran


@dataclass(frozen=True)
class Row:
    """What the checker said of a snippet."""

    snippet: Snippet
    caught: bool
    """A finding names what was changed."""
    false: tuple[str, ...]
    """All other findings."""


def judge(snippets: Sequence[Snippet], check: Check) -> tuple[list[Row], list[float]]:
    """What the checker says of each snippet, and the seconds that each took."""
    rows, seconds = [], []
    for snippet in snippets:
        began = time.perf_counter()
        findings = check(snippet.code)
        seconds.append(time.perf_counter() - began)
        hits = [one for one in findings if snippet.wrong and _meant(one, snippet)]
        rows.append(
            Row(snippet, bool(hits), tuple(f"{one.name} ({one.problem})" for one in findings if one not in hits))
        )
    return rows, seconds


def _meant(finding: Finding, snippet: Snippet) -> bool:
    last = (
        finding.name.rpartition("(")[2].rstrip(")") if "(" in finding.name[-60:] and finding.name.endswith(")") else ""
    )
    return (
        snippet.wrong in (last, finding.name.rpartition(".")[2], finding.name) and abs(finding.line - snippet.line) <= 3
    )


def main() -> None:
    """Make the snippets, check them, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--misses", action="store_true", help="print what was missed and every false alarm")
    options = parser.parse_args()
    walk = walk_packages(LIBRARIES)
    entries = list(walk)
    with Warm(imports=IMPORTS) as warm:
        snippets = make(entries, warm, options.seed)
    checks: dict[str, Check] = {"table": lambda code: check_code(code, walk.table)}
    with InstanceChecker(walk.table) as jedi:
        checks["table and jedi"] = lambda code: check_code(code, walk.table) + jedi.check(code)
        outcomes = {name: judge(snippets, check) for name, check in checks.items()}
    result = report(outcomes, snippets, walk.table, options.seed)
    if options.misses:
        for row in outcomes["table and jedi"][0]:
            if row.false or (row.snippet.wrong and not row.caught):
                print(json.dumps(asdict(row), indent=1))
    if options.seed == SEED:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "symbols.json").write_text(json.dumps(result, indent=2) + "\n")


def report(
    outcomes: dict[str, tuple[list[Row], list[float]]], snippets: Sequence[Snippet], table: SymbolTable, seed: int
) -> dict[str, Any]:
    """Print the table; returns the results as JSON has them."""
    counts = Counter(f"{one.group} {one.change}" for one in snippets)
    print("snippets: " + ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    print(f"{'checked with':<16} {'about':<10} {'precision':>9} {'recall':>7}  {'median ms':>9}{'mean':>9}{'max':>9}")
    rows: list[dict[str, Any]] = []
    for name, (found, seconds) in outcomes.items():
        for group in CHANGES:
            own = [(row, 1000 * took) for row, took in zip(found, seconds, strict=True) if row.snippet.group == group]
            row = _row([one for one, _ in own], [took for _, took in own])
            rows.append({"check": name, "about": group, **row})
            times = "".join(f"{row[f'milliseconds_{one}']:>9}" for one in ("median", "mean", "max"))
            print(f"{name:<16} {group:<10} {row['precision']:>9.3f} {row['recall']:>7.3f}  {times}")
            print(" " * 17 + "caught: " + ", ".join(f"{key} {one}" for key, one in row["caught"].items()))
            for alarm in row["false_alarms"]:
                print(" " * 17 + f"false alarm: {alarm}")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    functions, instances = rows[0], rows[1]  # with the table alone, as curation and the appliance check
    return {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()},
        "versions": {"python": platform.python_version(), "jedi": metadata.version("jedi"), **_versions(table)},
        "commit": commit,
        "seed": seed,
        "snippets": dict(counts),
        "rows": rows,
        "precision": functions["precision"],
        "recall": functions["recall"],
        "precision_instances": instances["precision"],
        "recall_instances": instances["recall"],
        "milliseconds_per_snippet": {
            name: round(1000 * statistics.mean(seconds), 2) for name, (_, seconds) in outcomes.items()
        },
    }


def _row(found: Sequence[Row], milliseconds: Sequence[float]) -> dict[str, Any]:
    """Precision (caught, of caught and snippets with false alarms), recall (caught, of wrong), and the times."""
    wrong = [row for row in found if row.snippet.wrong]
    caught = sum(row.caught for row in wrong)
    alarms = sum(bool(row.false) for row in found)
    by: dict[str, list[Row]] = {}
    for row in wrong:
        by.setdefault(row.snippet.change, []).append(row)
        by.setdefault(row.snippet.library, []).append(row)
    return {
        "precision": caught / max(caught + alarms, 1),
        "recall": caught / max(len(wrong), 1),
        "milliseconds_median": round(statistics.median(milliseconds), 2),
        "milliseconds_mean": round(statistics.mean(milliseconds), 2),
        "milliseconds_max": round(max(milliseconds), 2),
        "caught": {key: f"{sum(row.caught for row in rows)}/{len(rows)}" for key, rows in sorted(by.items())},
        "false_alarms": [f"{row.snippet.symbol}: {one}" for row in found for one in row.false],
    }


def _versions(table: SymbolTable) -> dict[str, str]:
    return {name: table.packages[name] for name in ("numpy", "pandas", "requests")}


if __name__ == "__main__":
    main()
