"""What a judge and people say of the answers: asked for, and put into the project's report.

It belongs to no stage: another judge or one more review changes no answer, so nothing is evaluated anew.
"""

from __future__ import annotations

import getpass
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from boffin.artefacts import REPORT
from boffin.project import Project, open_project
from boffin.run import shown
from bundle.errors import EvaluationError, Interrupted, OpinionError, WorkspaceError
from bundle.stage import Progress
from evaluation.opinions import add_opinions

REVIEWS = "reviews"


def gather_opinions(project: Project, progress: Progress) -> None:
    """Have the report's answers judged, where the settings name a judge; then bring the report up to date.

    The caller holds the workspace's lock.

    Raises:
        OpinionError: the judge can't be reached or used, or something of the report can't be read; what there is
            besides is put in.
    """
    report = project.workspace.path(REPORT).resolve()
    failed: EvaluationError | None = None
    if project.settings.evaluation.judge.url:
        try:
            _judge(project, report, progress)
        except EvaluationError as error:
            failed = error
    try:
        add_opinions(report, project.workspace.path(REVIEWS))
    except EvaluationError as error:
        failed = failed or error
    if failed:
        raise OpinionError(str(failed))


def review_answers(folder: Path, assignments: Sequence[str], reviewer: str) -> None:
    """Let a person compare the answers of a project's report on this terminal.

    Raises:
        SettingsError: there is no project.
        EvaluationError: there is no terminal, there are no answers, or the reviewer's file can't be used.
        Interrupted: Ctrl+C was pressed; the verdicts so far are kept.
    """
    from rich.console import Console

    from evaluation.pairs import read_pairs
    from evaluation.review.keys import keys
    from evaluation.review.log import Log, name_from
    from evaluation.review.review import review
    from evaluation.review.session import Session

    project = open_project(folder, assignments)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise EvaluationError("boffin review: there is no terminal here; run it in one, its keys come from there")
    pairs = read_pairs(project.workspace.path(REPORT).resolve())
    name = reviewer or name_from(_user())
    with Log(project.workspace.path(REVIEWS), name) as log:
        session = Session(pairs, log, name)
        try:
            with keys(sys.stdin.fileno()) as pressed:
                review(session, pressed, Console())
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped; {session.done} of {session.total} judged by {name} are kept in {shown(log.path)}, run "
                "`boffin review` again to go on"
            ) from None
    typer.echo(f"{session.done} of {session.total} judged by {name}; kept in {shown(log.path)}.")
    try:
        with project.workspace.locked():
            report = add_opinions(project.workspace.path(REPORT).resolve(), project.workspace.path(REVIEWS))
    except WorkspaceError as error:
        typer.echo(f"Not in the report yet: {error}. `boffin evaluate` puts it in.", err=True)
        return
    if report.reviews:
        typer.echo(f"In the report: {shown(project.workspace.path(REPORT) / 'report.md')}")


def _judge(project: Project, report: Path, progress: Progress) -> None:
    from evaluation.judge.judge import Judge
    from evaluation.judge.judgement import write_judgements
    from evaluation.judge.wording import load_rubric
    from evaluation.pairs import read_pairs

    settings = project.settings.evaluation.judge
    rubric = load_rubric(project.folder / Path(settings.rubric).expanduser() if settings.rubric else None)
    pairs = read_pairs(report)
    drawn = random.Random(project.settings.evaluation.seed).sample(pairs, min(settings.questions, len(pairs)))
    with Judge(settings, rubric, project.workspace.path("cache") / "judge") as judge:
        write_judgements(report, judge.judge(drawn, progress))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
