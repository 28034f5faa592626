"""The evaluation's stage: what it depends on, and how the room is called. Imports the room only when it runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from boffin.artefacts import BASE_BUNDLE, BUNDLE, DATASET, tuned
from boffin.project import Project
from bundle.digests import digest_file, digest_files, digest_value
from bundle.errors import EvaluationError
from bundle.stage import Progress, StageResult
from evaluation.candidate_settings import RecordedCandidate

FORMAT = 6
"""Raised by hand when the same answers would be graded otherwise."""


def evaluation_depends(project: Project) -> Any:
    """What is measured; how much of a drop is allowed, what it costs and who judges changes no answer."""
    settings = project.settings.evaluation
    recorded = [recorded_file(project, one) for one in settings.candidates if one.kind == "recorded"]
    if missing := [path for path in recorded if not path.is_file()]:
        raise EvaluationError(f"{missing[0]}: no such file; `evaluation.candidates` names it for recorded answers")
    return [
        settings.model_dump(mode="json", exclude={"allowed_drop", "cost", "gate", "judge"}),
        _shipped(project),
        suite_digest(project),
        [digest_file(path) for path in recorded],
    ]


def _shipped(project: Project) -> Any:
    """What of the appliance's settings an answer hangs on, where its candidate doesn't say otherwise."""
    settings = project.settings.appliance
    kept = settings.model_dump(mode="json", include={"context", "grounding", "quantisation", "routing"})
    return kept | {"repair": settings.checking.policy == "repair"}


def recorded_file(project: Project, candidate: RecordedCandidate) -> Path:
    """The file of a candidate's recorded answers."""
    return project.folder / Path(candidate.path).expanduser()


def suite_of(project: Project) -> Path | None:
    """The folder or file of the suite that is asked; None for none."""
    from evaluation.suite.place import suite_folder

    name = project.settings.evaluation.suite
    return suite_folder(name, project.folder) if name else None


def suite_digest(project: Project) -> str:
    suite = suite_of(project)
    if suite and suite.is_file():
        return digest_file(suite)
    return digest_value(digest_files(suite)) if suite and suite.is_dir() else ""


def suite_texts(project: Project) -> list[str]:
    """The texts of the suite, none of which may be learnt."""
    folder = suite_of(project)
    if folder is None:
        return []
    from evaluation.suite.folder import load_suite

    return [text for question in load_suite(folder).questions for text in (question.text, question.reference)]


def run_evaluation(project: Project, out: Path, progress: Progress) -> StageResult:
    from boffin.candidates import all_candidates
    from bundle.manifest import load_manifest
    from evaluation.bill import Bill
    from evaluation.cost.measured import measure
    from evaluation.cost.prices import load_prices
    from evaluation.stage import run

    settings, path = project.settings.evaluation, project.workspace.path
    prices = load_prices(project.folder / Path(settings.cost.prices).expanduser() if settings.cost.prices else None)
    training = measure(out, path(tuned(project)), path(DATASET)).training_hours
    return run(
        settings,
        load_manifest(path(BUNDLE)).template,
        all_candidates(project),
        path(DATASET).resolve(),
        out,
        progress,
        suite_of(project),
        kept=_answered(project),
        bill=Bill(settings.cost, prices, training),
    )


def _answered(project: Project) -> Path:
    """Where an evaluation keeps the answers that a later attempt goes on from, for the very same models."""
    stamps = [project.workspace.stamp(name) for name in (BASE_BUNDLE, BUNDLE)]
    models = digest_value([FORMAT, _shipped(project), *(stamp.content if stamp else "" for stamp in stamps)])
    return project.workspace.path("cache") / "evaluation" / models[:16]


def discard_answers(project: Project) -> None:
    shutil.rmtree(project.workspace.path("cache") / "evaluation", ignore_errors=True)
