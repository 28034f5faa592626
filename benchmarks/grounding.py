"""Is the right passage found, and how fast?

    make bench-ground            (python -m benchmarks.grounding -C PROJECT; after `make demo`)

Recall at 1, 2, 3 and 5, by kind of question: the share of held-out records whose symbol, or section, is among the
first passages that their question finds; of the written suite's questions that of those of which a symbol that the
answer must use is; of everyday questions (benchmarks/everyday.py) that of those which find what answers them. Of names
that don't exist, made of real ones, whether the real one is found; and of real ones, asked about after another. The
time is a search's over an index of 50,000 passages (the project's own, repeated under other names), each question once
after a first round. Questions outside the documentation should find nothing. Written to
benchmarks/results/grounding.json.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.everyday import QUESTIONS
from benchmarks.machine import origin
from boffin.artefacts import DATASET
from boffin.project import open_project
from bundle.documentation import Documentation, write_index
from bundle.passages import DOCUMENTATION, Passage
from bundle.records import EVAL, read_records
from bundle.retrieval import find
from evaluation.suite.folder import load_suite
from evaluation.suite.place import suite_folder
from evaluation.suite.question import Symbol

RESULTS = Path(__file__).parent / "results" / "grounding.json"
AT = (1, 2, 3, 5)
MANY = 50_000
LARGE = ("numpy", "pandas", "requests")
"""Libraries whose questions are told apart from the others'."""
OUTSIDE = (
    *("What is the capital of France?", "How do I cook pasta?", "Who won the world cup in 1998?"),
    *("How do I configure nginx as a reverse proxy?", "How do I deploy a Django app on Heroku?"),
    *("What is the best database for time series?", "How can I center a div in CSS?", "Explain the French revolution."),
    *("How do I write a React component?", "How do I train a neural network with pytorch?"),
    *("What is quantum entanglement?", "How do I rebase a branch in git?", "How do I write a for loop in Rust?"),
    *(
        "How do I draw a bar chart with matplotlib?",
        "Recommend a good restaurant in Berlin",
        "How do I reset my iPhone?",
    ),
    *("Translate good morning to Spanish", "How do I write a Dockerfile for a Go program?"),
    *("What does the borrow checker of Rust check?", "How tall is Mount Everest?"),
)
"""Questions that the demo's documentation doesn't answer."""


FORGED = ("{}_fast", "quick_{}", "{}_all", "{}_with_index", "safe_{}", "{}ed", "{}3", "get_{}", "to_{}", "{}_inplace")
"""How names that don't exist are made of ones that do."""
ABOUT = ("How do I use {}?", "What does {} return?", "Show me an example of `{}`.")
NAMES = 400
"""Names that are asked about, drawn by a seed."""


Asked = tuple[str, Sequence[str], Callable[[Passage], bool]]
"""A question's kind, a conversation that ends with it, and whether a passage is right for it."""


def rank(documentation: Documentation, turns: Sequence[str], right: Callable[[Passage], bool]) -> int:
    """The place of the first right passage, from 1; 0 for none of the first ten."""
    found = find(documentation, turns, 10)
    return next((place for place, one in enumerate(found, start=1) if right(one.passage)), 0)


def _one_of(names: Collection[str]) -> Callable[[Passage], bool]:
    """By symbol, address, or after a colon a part of a section's title."""
    headings = [name[1:].lower() for name in names if name.startswith(":")]

    def right(passage: Passage) -> bool:
        title = "" if passage.symbol else passage.title.lower()
        return bool({passage.symbol, passage.url} & {*names} - {""}) or any(heading in title for heading in headings)

    return right


def held_out(dataset: Path) -> Iterator[Asked]:
    """The held-out records, by kind."""
    for record in read_records(dataset / EVAL):
        yield record.provenance.kind, [record.question], _one_of({record.provenance.symbol, record.provenance.url})


def suite() -> Iterator[Asked]:
    """The written questions whose answer must use a symbol, by category."""
    for question in load_suite(suite_folder("python", Path())).questions:
        names = {must.name for must in question.must if isinstance(must, Symbol)}
        if names:
            yield question.category, [question.text], _one_of(names)


def everyday() -> Iterator[Asked]:
    """Questions that name no symbol, by library."""
    for question, right in QUESTIONS.items():
        root = right[0].lstrip(":").partition(".")[0]
        yield root if root in LARGE else "others", [question], _one_of(right)


def named(passages: Iterable[Passage]) -> Iterator[Asked]:
    """Questions that name something, real or made of it, also after one about something else."""
    symbols = sorted({one.symbol for one in passages if "." in one.symbol})
    exist = {symbol.lower() for symbol in symbols}
    chosen = random.Random(0).sample(symbols, min(NAMES, len(symbols)))
    for number, symbol in enumerate(chosen):
        owner, _, last = symbol.rpartition(".")
        forged = f"{owner}.{FORGED[number % len(FORGED)].format(last)}"
        before = ABOUT[0].format(chosen[number - 1])
        question, about_forged = (ABOUT[number % len(ABOUT)].format(name) for name in (symbol, forged))
        yield "real, after another", [before, question], _one_of({symbol})
        if forged.lower() not in exist:
            yield "made up", [about_forged], _one_of({symbol})
            yield "made up, after another", [before, about_forged], _one_of({symbol})


def recall(documentation: Documentation, asked: Iterator[Asked]) -> list[dict[str, Any]]:
    """A row a kind, and one of all."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for kind, turns, right in asked:
        place = rank(documentation, turns, right)
        places[kind].append(place)
        places["all"].append(place)
    return [
        {
            "kind": kind,
            "questions": len(every),
            **{f"at_{n}": sum(0 < one <= n for one in every) / len(every) for n in AT},
        }
        for kind, every in sorted(places.items(), key=lambda one: (one[0] == "all", one[0]))
    ]


def times(documentation: Documentation, questions: Sequence[str]) -> list[float]:
    """Milliseconds of each search, sorted."""
    for question in questions:
        find(documentation, [question])
    found = []
    for question in questions:
        began = time.perf_counter()
        find(documentation, [question])
        found.append((time.perf_counter() - began) * 1e3)
    return sorted(found)


def many(passages: Sequence[Passage]) -> Iterator[Passage]:
    """50,000 passages: those that there are, again and again under other names."""
    for number in range(MANY):
        passage = passages[number % len(passages)]
        again = number // len(passages)
        if again:
            other = f"again{again}."
            symbol = other + passage.symbol if passage.symbol else ""
            passage = passage.model_copy(update={"symbol": symbol, "title": other + passage.title})
        yield passage


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-C", dest="project", type=Path, required=True, help="folder of a built project")
    dataset = open_project(parser.parse_args().project, []).workspace.path(DATASET)
    rows: dict[str, Any] = {}
    with Documentation(dataset / DOCUMENTATION) as documentation:
        rows["held_out"] = recall(documentation, held_out(dataset))
        rows["suite"] = recall(documentation, suite())
        rows["everyday"] = recall(documentation, everyday())
        silent = sum(not find(documentation, [question]) for question in OUTSIDE)
        rows["index"] = {"passages": documentation.size, "bytes": (dataset / DOCUMENTATION).stat().st_size}
        with documentation.reading():
            passages = [documentation.passage(number) for number in range(1, documentation.size + 1)]
        rows["named"] = recall(documentation, named(passages))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DOCUMENTATION
        began = time.perf_counter()
        write_index(path, many(passages))
        built = time.perf_counter() - began
        with Documentation(path) as documentation:
            took = times(documentation, [record.question for record in read_records(dataset / EVAL)])
        rows["large_index"] = {"passages": MANY, "bytes": path.stat().st_size, "build_seconds": round(built, 1)}
    p95 = took[int(len(took) * 0.95)]
    ratios = {
        "retrieval_p95_ms": round(p95, 2),
        "retrieval_median_ms": round(statistics.median(took), 2),
        "outside_silent": silent / len(OUTSIDE),
    }
    for name in ("held_out", "suite", "everyday", "named"):
        print(name)
        for row in rows[name]:
            print(f"  {row['kind']:22} {row['questions']:4}  " + "  ".join(f"@{n} {row[f'at_{n}']:6.1%}" for n in AT))
    print(f"index {rows['index']}; of {MANY:,} passages {rows['large_index']}")
    print(f"a search there: median {ratios['retrieval_median_ms']} ms, p95 {ratios['retrieval_p95_ms']} ms")
    print(f"questions outside the documentation that find nothing: {silent} of {len(OUTSIDE)}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**origin("pydantic"), "rows": rows, "ratios": ratios}, indent=2) + "\n")


if __name__ == "__main__":
    main()
