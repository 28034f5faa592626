"""What reading the documentation does to an expert's answers, and what it costs.

    make bench-ground            (python -m benchmarks.reading --bundle DIR --dataset DIR; after `make demo`)

Held-out questions from memory, reading, and reading with names that don't exist repaired: how many answers name what
doesn't exist, and how many use the symbol asked about and run in the sandbox; the first token's time, one question
at a time, and the tokens. Then questions about names that don't exist and about other things than the documentation:
how many answers say so. `--citations FILE` writes cited sentences, drawn by a seed, with the passages cited for them,
for a person to read. Written to benchmarks/results/reading.json.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.client import Client
from appliance.engine.threads import usable_cores
from appliance.wire import ChatOptions, Delta, Done
from benchmarks.grounding import ABOUT, OUTSIDE
from benchmarks.machine import origin
from benchmarks.servers import Work, boffin
from bundle.atomic import write_json, write_text
from bundle.manifest import load_manifest
from bundle.records import EVAL, SYMBOLS, read_records
from evaluation.measures.code import measure_code
from evaluation.suite.checker import Checker
from symbols.table import SymbolTable

RESULT = Path(__file__).parent / "results" / "reading.json"
MODES: dict[str, ChatOptions] = {
    "memory": {"grounding": False, "check": "flag"},
    "reading": {"grounding": True, "check": "flag"},
    "repair": {"grounding": True, "check": "repair"},
}
SAMPLING: ChatOptions = {"temperature": 0.3, "top_p": 0.9, "repeat_penalty": 1.05, "max_tokens": 320}
"""As the demo is served."""
SLOTS = 4
ALONE = 8
"""Questions that are asked one at a time, for the time to the first token."""
SAYS_SO = re.compile(r"(?:does not|doesn't) (?:cover|exist|have)|not in the documentation|no such|there is no", re.I)
FORGED = ("fast_{}", "{}_quickly", "{}2", "auto_{}", "{}_or_none")
"""How names that don't exist are made of ones that do; other ways than training has."""
MORE_OUTSIDE = (
    *("How do I cook rice?", "What is the speed of light?", "How do I knit a scarf?", "How do I fix a flat tyre?"),
    *("How do I write a hash map in C++?", "Who painted the Mona Lisa?", "How do I create a Kubernetes deployment?"),
    *(
        "How do I use useEffect in React?",
        "How do I configure a firewall with iptables?",
        "What is a monad in Haskell?",
    ),
    *("How do I write a SQL trigger in Oracle?", "How do I train a random forest with scikit-learn?"),
    *("How do I query a MongoDB collection?", "How do I write a macro in Excel?", "How do I lose weight?"),
    *("How do I send an SMS with Twilio?", "How do I build a REST API with FastAPI?", "What does the fox say?"),
    *("How do I draw a circle on an HTML canvas?", "How do I write a Terraform module?", "Who invented the telephone?"),
    *("How do I merge two branches in git?", "How do I use promises in JavaScript?", "How do I bake bread?"),
    *("How do I serve static files with Flask?", "How do I define a Django model?", "How do I paint a wall?"),
    *("How do I scrape a page with BeautifulSoup?", "How do I write a goroutine in Go?", "What is dark matter?"),
)


@dataclass(frozen=True)
class Said:
    """An answer."""

    text: str
    first_token: float
    """Seconds."""
    done: Done


class Asker:
    """Asks a server in one mode."""

    def __init__(self, url: str, options: ChatOptions) -> None:
        self._url, self._options = url, options

    def one(self, question: str, seed: int) -> Said:
        """The answer to a question."""
        began, first, parts = time.perf_counter(), 0.0, list[str]()
        with Client(self._url) as client:
            asked: ChatOptions = {**SAMPLING, **self._options, "seed": seed, "cache": False}
            for event in client.chat([{"role": "user", "content": question}], **asked):
                if isinstance(event, Delta):
                    first = first or time.perf_counter() - began
                    parts.append(event.text)
                elif isinstance(event, Done):
                    return Said("".join(parts), first, event)
        raise AssertionError("the answer has no end")

    def all(self, questions: Sequence[str]) -> list[Said]:
        """The answers, several under way at once."""
        with ThreadPoolExecutor(SLOTS) as pool:
            return list(pool.map(self.one, questions, range(len(questions))))


def graded(answers: Sequence[Said], symbols: Sequence[str], table: SymbolTable, checker: Checker) -> dict[str, float]:
    """Shares of the answers."""
    measures = [measure_code(one.text, symbol, table) for one, symbol in zip(answers, symbols, strict=True)]
    ran = checker.run([one.text for one in answers])
    count = len(answers)
    return {
        "valid": sum(one.valid_python for one in measures) / count,
        "made_up_name": sum(bool(one.unknown) for one in measures) / count,
        "uses_symbol": sum(one.uses_symbol for one in measures) / count,
        "uses_and_runs": sum(
            one.uses_symbol and verdict.result == "passed" for one, verdict in zip(measures, ran, strict=True)
        )
        / count,
        "says_not_covered": sum(bool(SAYS_SO.search(one.text)) for one in answers) / count,
        "prompt_tokens": statistics.mean(one.done.usage.prompt_tokens for one in answers),
        "answer_tokens": statistics.mean(one.done.usage.completion_tokens for one in answers),
        "tokens_per_second": statistics.median(one.done.timings.predicted_per_second for one in answers),
    }


def made_up(symbols: Iterable[str], exists: Callable[[str], bool], count: int) -> list[str]:
    """Questions about names that don't exist."""
    found: list[str] = []
    for number, symbol in enumerate(symbols):
        owner, dot, last = symbol.rpartition(".")
        name = owner + dot + FORGED[number % len(FORGED)].format(last)
        if dot and not exists(name):
            found.append(ABOUT[number % len(ABOUT)].format(name))
        if len(found) == count:
            break
    return found


def citations(answers: Iterable[tuple[str, Said]], count: int) -> str:
    """Cited sentences with their passages, drawn by a seed."""
    cited = [
        (question, said.text[one.start_index : one.end_index].strip(), source)
        for question, said in answers
        for one in said.done.citations
        for source in said.done.sources
        if source.number == one.number
    ]
    drawn = random.Random(0).sample(cited, min(count, len(cited)))
    parts = [
        f"## {number}\n\nasked: {question}\n\nsaid: {sentence}\n\ncited:\n\n{source.text}\n"
        for number, (question, sentence, source) in enumerate(drawn, start=1)
    ]
    return f"{len(cited)} cited sentences, of which {len(drawn)}\n\n" + "\n".join(parts)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("examples/pocket/workspace/bundle"))
    parser.add_argument("--dataset", type=Path, default=Path("examples/pocket/workspace/dataset"))
    parser.add_argument("--quantisation", default="")
    parser.add_argument("--questions", type=int, default=40, help="held-out questions")
    parser.add_argument("--others", type=int, default=50, help="questions of each of the other two kinds")
    parser.add_argument("--citations", type=Path, help="write 100 cited sentences there")
    options = parser.parse_args()
    file = load_manifest(options.bundle).model(options.quantisation)
    table = SymbolTable.load(options.dataset / SYMBOLS)
    records = [one for one in read_records(options.dataset / EVAL) if one.provenance.symbol]
    random.Random(0).shuffle(records)
    asked = records[: options.questions]
    questions = [record.question for record in asked]
    symbols = [record.provenance.symbol for record in asked]
    names = dict.fromkeys(record.provenance.symbol for record in records)
    others = {
        "made_up": made_up(names, table.exists, options.others),
        "outside": [*OUTSIDE, *MORE_OUTSIDE][: options.others],
    }
    rows: dict[str, Any] = {}
    heard: list[tuple[str, Said]] = []
    work = Work(options.bundle, file.quantisation, options.bundle / file.file, SLOTS, 1024, usable_cores())
    roots = {record.provenance.symbol.partition(".")[0] for record in asked if record.provenance.package != "stdlib"}
    with boffin(work) as server, Checker(imports=sorted(roots)) as checker:
        for mode, how in MODES.items():
            asker = Asker(f"http://127.0.0.1:{server.port}", how)
            alone = [asker.one(question, 0).first_token for question in questions[:ALONE]]
            answers = asker.all(questions)
            rows[mode] = {"first_token": statistics.median(alone)} | graded(answers, symbols, table, checker)
            if mode != "repair":
                for kind, every in others.items():
                    said = asker.all(every)
                    rows[mode][f"says_so_{kind}"] = sum(bool(SAYS_SO.search(one.text)) for one in said) / len(said)
                    heard += list(zip(every, said, strict=True))
            heard += list(zip(questions, answers, strict=True))
            print(mode, {name: round(value, 3) for name, value in rows[mode].items()}, flush=True)
    if options.citations:
        write_text(options.citations, citations(heard, 100))
    ratios = {
        "ttft_ratio": rows["reading"]["first_token"] / rows["memory"]["first_token"],
        "decode_ratio": rows["reading"]["tokens_per_second"] / rows["memory"]["tokens_per_second"],
        "hallucinated_before": rows["memory"]["made_up_name"],
        "hallucinated_after": rows["repair"]["made_up_name"],
        "runs_before": rows["memory"]["uses_and_runs"],
        "runs_after": rows["repair"]["uses_and_runs"],
    }
    print({name: round(value, 3) for name, value in ratios.items()})
    told = {"quantisation": file.quantisation, "rows": rows, "ratios": ratios}
    RESULT.parent.mkdir(exist_ok=True)
    write_json(RESULT, {**origin("llama-cpp-python"), **told})


if __name__ == "__main__":
    main()
