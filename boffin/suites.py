"""`boffin suite new`, `check` and `export`, as a person sees them. Knows nothing about how answers are judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boffin.artefacts import DATASET
from boffin.project import open_project
from boffin.run import shown
from bundle.errors import DatasetError
from bundle.records import EVAL, read_records
from evaluation.escape import one_line
from evaluation.suite.checker import Checker
from evaluation.suite.export import export_suite
from evaluation.suite.folder import read_suite
from evaluation.suite.place import suite_folder
from evaluation.suite.proof import Proof, prove, warm_imports
from evaluation.suite.proposal import write_drafts, write_example
from evaluation.suite.question import CATEGORIES, Question


def new_suite(suite: Path) -> None:
    """Write the example question.

    Raises:
        SuiteError: it is there already.
    """
    path = write_example(suite)
    typer.echo(f"Wrote {path}. Edit it, add your own beside it, then run `boffin suite check {suite}`.")


def propose(suite: Path, folder: Path, dataset: Path | None, count: int) -> None:
    """Write drafts of questions from held-out records.

    Raises:
        SettingsError: there is no project in `folder`.
        DatasetError: there is no dataset.
        SuiteError: its held-out records make no questions.
    """
    path = dataset or open_project(folder).workspace.path(DATASET)
    if not (path / EVAL).is_file():
        raise DatasetError(f"{path}: no held-out records here; run `boffin curate` first, or name a dataset")
    written = write_drafts(suite, list(read_records(path / EVAL)), count)
    typer.echo(f"Wrote {len(written)} drafts into {suite}. They are never asked: edit each, and delete `draft: true`.")


def export(suite: str, folder: Path) -> None:
    """Write a suite's task folder for lm-evaluation-harness.

    Raises:
        SuiteError: the suite can't be used, or the folder has something in it.
    """
    group = export_suite(suite_folder(suite, Path()), folder)
    typer.echo(f"Wrote {folder}. Name the tasks: `lm_eval --include_path {folder} --tasks {group} …`.")


def check_suite(suite: str, python: str, seconds: float, workers: int, *, allow_mere_limits: bool = False) -> int:
    """Print what a suite holds and what is wrong with it; returns the exit code.

    Args:
        suite: its folder or file, or `python` for the one that comes with Boffin.
        python: the interpreter that has the libraries; empty for this one.
        seconds: wall-clock time of one check.
        workers: how many run at once; 0 for one a processor.
        allow_mere_limits: run code even where nothing contains it on this machine.

    Raises:
        SuiteError: there is no such folder or file.
        EvaluationError: code can't be contained on this machine, or the interpreter can't be started.
    """
    folder = suite_folder(suite, Path())
    found = read_suite(folder)
    imports = () if python else warm_imports(found.questions)
    proofs: list[Proof] = []
    if found.questions:
        with Checker(
            python, imports, seconds=seconds, workers=workers, strict=True, allow_mere_limits=allow_mere_limits
        ) as checker:
            proofs = prove(found.questions, checker)
    console = Console()
    if proofs:
        console.print(_table(proofs))
    console.print(Text(_summary(proofs, found.drafts, shown(folder)), style="dim"))
    for question in found.drafts:
        console.print(Text(f"draft: {question.id}", style="yellow"), soft_wrap=True)
    faults = [*found.mistakes, *(f"{proof.question.id}: {fault}" for proof in proofs for fault in proof.faults)]
    for fault in faults:
        console.print(Text(one_line(fault, 1000), style="red"), soft_wrap=True)
    if found.drafts:
        console.print("Drafts aren't checked: edit each, then delete its line `draft: true`.")
    elif not found.questions and not faults:
        console.print("Nothing to check here; `boffin suite new` writes a question to begin with.")
        return 1
    return 1 if faults else 0


def _table(proofs: Sequence[Proof]) -> Table:
    """How many questions of each category and library are sound, of how many."""
    every = Counter((proof.question.category, proof.question.library) for proof in proofs)
    sound = Counter((proof.question.category, proof.question.library) for proof in proofs if not proof.faults)
    libraries = sorted({library for _, library in every})
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("sound / all")
    for library in (*libraries, "all"):
        table.add_column(Text(library), justify="right")
    rows = [category for category in CATEGORIES if any(one == category for one, _ in every)]
    for row in (*rows, ""):
        cells = []
        for library in (*libraries, ""):
            keys = [key for key in every if row in ("", key[0]) and library in ("", key[1])]
            of = sum(every[key] for key in keys)
            cells.append(f"{sum(sound[key] for key in keys)} / {of}" if of else "")
        table.add_row(row or "all", *cells, end_section=bool(rows) and row == rows[-1])
    return table


def _summary(proofs: Sequence[Proof], drafts: Sequence[Question], where: str) -> str:
    run = sum(proof.question.check is not None for proof in proofs)
    parts = [f"{len(proofs)} questions", f"{run} with a check that runs the answer's code"]
    return f"{where}: {', '.join([*parts, f'{len(drafts)} drafts'] if drafts else parts)}."
