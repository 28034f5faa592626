"""The gate as a stage: the expert as it is against the refreshed one, on the old held-out records and on the new ones.

Both are served as they are shipped and asked over HTTP. The old held-out records are those that the old adapter was
measured with; one that the new dataset trains on is left out, for it would prove nothing. What code may name is judged
by the new dataset's symbols, for both. Knows nothing about how either was made.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from boffin.artefacts import BUNDLE, DATASET
from boffin.candidates import served_candidates
from boffin.evaluation_stage import evaluation_depends
from boffin.project import Project
from boffin.stages import Stage
from bundle.digests import digest_files, digest_value
from bundle.manifest import SYMBOLS, load_manifest
from bundle.records import EVAL, TRAIN, Record, read_records, write_records
from bundle.stage import Progress, StageResult
from evaluation.candidate import Candidate

GATE = "gate"
BEFORE = "bundle-before"
"""The name under which a refresh's workspace has the bundle that is to be replaced."""
ADAPTER_BEFORE = "adapter-before"
"""Likewise the adapter, with the held-out records of its time."""
OLD, NEW = "old", "new"
"""Folders of the gate's reports."""


def violations(project: Project) -> list[tuple[str, Path, str]]:
    """What got worse beyond the allowed: on which records, the page to read, and what."""
    from evaluation.gate import judge
    from evaluation.report import load_report
    from evaluation.stage import PAGE

    folder = project.workspace.path(GATE)
    allowed = project.settings.evaluation.allowed_drop
    return [
        (name, folder / name / PAGE, str(violation))
        for name in (OLD, NEW)
        if (folder / name).is_dir()
        for violation in judge(load_report(folder / name), allowed)
    ]


def _depends(project: Project) -> Any:
    bundle = project.workspace.stamp(BEFORE)
    return [evaluation_depends(project), bundle.content if bundle else ""]


def _run(project: Project, out: Path, progress: Progress) -> StageResult:
    dataset = project.workspace.path(DATASET).resolve()
    old, new = _held_out(project)
    results = []
    with served_candidates(project, {"before": BEFORE, "after": BUNDLE}, progress) as candidates:
        for name, records in ((OLD, old), (NEW, new)):
            if records:
                results.append((name, _evaluate(project, candidates, records, dataset, out / name, progress)))
    return StageResult(
        came_in=f"{len(old)} old and {len(new)} new held-out records, the expert before and after",
        went_out="; ".join(f"{name}: {result.went_out}" for name, result in results),
        notes=tuple(f"{name}: {note}" for name, result in results for note in result.notes),
    )


def _held_out(project: Project) -> tuple[list[Record], list[Record]]:
    """The old held-out records and the new ones; no old ones where they are the new ones."""
    from trainer.lineage import HELD_OUT

    dataset = project.workspace.path(DATASET)
    new = list(read_records(dataset / EVAL))
    trained = {record.digest for record in read_records(dataset / TRAIN)}
    before = read_records(project.workspace.path(ADAPTER_BEFORE) / HELD_OUT)
    old = [record for record in before if record.digest not in trained]
    same = {record.digest for record in old} == {record.digest for record in new}
    return [] if same else old, new


def _evaluate(
    project: Project, candidates: list[Candidate], records: list[Record], dataset: Path, out: Path, progress: Progress
) -> StageResult:
    from evaluation.stage import run

    out.mkdir()
    template = load_manifest(project.workspace.path(BUNDLE)).template
    with TemporaryDirectory() as scratch:
        asked = Path(scratch)
        write_records(asked / EVAL, records)
        shutil.copyfile(dataset / SYMBOLS, asked / SYMBOLS)
        return run(project.settings.evaluation, template, candidates, asked, out, progress)


GATE_STAGE = Stage(
    "gate", GATE, 1, (DATASET, BUNDLE), _depends, _run, lambda folder: digest_value(digest_files(folder))
)
"""Runs in a refresh's workspace; `violations` says what follows from it."""
