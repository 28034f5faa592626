"""The evaluation stage: candidates in turn, one draw of questions, one report.

Writes report.json, report.md, report.html and answers.jsonl. Everything about the models comes over HTTP. Knows nothing
about how the dataset or the models were made, or who started their servers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bundle.atomic import write_json, write_text
from bundle.digests import digest_file
from bundle.errors import DatasetError, EvaluationError
from bundle.records import EVAL, SYMBOLS, Record
from bundle.stage import Progress, StageResult
from bundle.template import PromptTemplate
from evaluation.answers import ANSWERS, write_answers
from evaluation.bill import Bill, cost_of
from evaluation.candidate import Candidate
from evaluation.escape import one_line
from evaluation.estimate import compare_further, estimate
from evaluation.grade import Graded, grade, series
from evaluation.interview import Interview, interview, sampling_of
from evaluation.metric import METRICS
from evaluation.page import Example, ExampleAnswer, render_page
from evaluation.questions import draw_questions, held_out
from evaluation.report import REPORT, Report, summary
from evaluation.runs import run_code
from evaluation.settings import EvaluationSettings
from evaluation.suite.changes import Changes, changed
from evaluation.suite.draw import draw_suite
from evaluation.suite.exam import examine
from evaluation.transcript import Transcript
from evaluation.web import HTML, render_html
from symbols.table import SymbolTable, SymbolTableError

PAGE = "report.md"


def run(
    settings: EvaluationSettings,
    template: PromptTemplate,
    candidates: Sequence[Candidate],
    dataset: Path,
    out: Path,
    progress: Progress,
    suite: Path | None = None,
    kept: Path | None = None,
    bill: Bill | None = None,
) -> StageResult:
    """Compare candidates on a dataset's held-out records, and on the questions of a suite's folder.

    The first candidate is the one that the second is compared against, and the second the one that all others are.

    Args:
        kept: a folder of answers that an attempt which was stopped left, and that this one leaves if it is; None for
            none.
        bill: what serving a model oneself is reckoned with; None leaves that out.

    Raises:
        DatasetError: the held-out split or the symbol table is missing, damaged or empty.
        SuiteError: the suite is missing, or a file of it can't be used.
        EvaluationError: no candidates, two of one name, or one that can't be reached or used.
        TemplateError: a record can't be rendered.
    """
    began = time.monotonic()
    names = [candidate.name for candidate in candidates]
    if not names or len(set(names)) < len(names):
        raise EvaluationError(f"candidates {', '.join(names) or '(none)'}: give at least one, each with its own name")
    records = held_out(dataset)
    questions = draw_questions(records, settings.questions, settings.seed)
    libraries = {record.provenance.package for record in records}
    written, available = draw_suite(suite, libraries, settings.suite_questions, settings.seed) if suite else ([], 0)
    try:
        table = SymbolTable.load(dataset / SYMBOLS)
    except SymbolTableError as error:
        raise DatasetError(str(error)) from None

    transcript = Transcript(kept)
    spoken_by: dict[str, Interview] = {}
    # What was recorded comes first: a fault in it is told before anybody is asked.
    for candidate in sorted(candidates, key=lambda one: one.recording is None):
        try:
            spoken = interview(candidate, questions, template, settings, progress, written, transcript)
        except EvaluationError as error:
            again = "; the answers so far are kept: run it again to go on" if kept and spoken_by else ""
            raise EvaluationError(f"{error}{again}") from None
        spoken_by[candidate.name] = spoken
    interviews = [spoken_by[name] for name in names]
    progress("checking the answers")
    graded = {spoken.candidate.name: grade(questions, spoken, table) for spoken in interviews}
    ran, not_run = run_code(questions, graded, progress)
    for name, verdicts in ran.items():
        graded[name] = [replace(one, verdict=own) for one, own in zip(graded[name], verdicts, strict=True)]
    measured = {name: series(answers, ran=bool(ran)) for name, answers in graded.items()}
    single = {spoken.candidate.name: _single(spoken, bill) for spoken in interviews}
    estimates, pairs = estimate(measured, single, len(questions), settings.seed)
    further = compare_further(measured, len(questions), settings.seed)
    exam = None
    if written:
        answers = {spoken.candidate.name: spoken.suite_answers for spoken in interviews}
        exam = examine(settings.suite, written, available, answers, table, settings.seed, progress)
        estimates = {name: own | exam.candidates[name] for name, own in estimates.items()}
        pairs |= exam.pairs
        further = {name: own | exam.further[name] for name, own in further.items()}
    report = Report(
        candidates=estimates,
        pairs=pairs,
        further=further,
        order=names,
        models={candidate.name: candidate.described for candidate in candidates},
        questions=len(questions),
        held_out=len(records),
        seed=settings.seed,
        sampling=dict(sampling_of(settings)),
        concurrency=settings.concurrency,
        seconds=time.monotonic() - began,
        dataset_digest=digest_file(dataset / EVAL),
        template_digest=template.digest,
        suite=exam and exam.report,
    )
    write_answers(out / ANSWERS, questions, graded, exam, settings.seed)
    changes = changed(exam.judged) if exam else Changes()
    examples = _examples(questions[: settings.examples], graded)
    write_text(out / PAGE, render_page(report, examples, changes))
    write_text(out / HTML, render_html(report, examples, changes))
    write_json(out / REPORT, report.model_dump())
    return StageResult(
        came_in=f"{len(questions)} of {len(records)} held-out records, "
        + (f"{len(written)} of {available} of the suite, " if suite else "")
        + f"{len(names)} candidate{'s' if len(names) > 1 else ''}",
        went_out=summary(report),
        notes=(
            *_notes(report),
            *dict.fromkeys(filter(None, (not_run, exam.note if exam else _unasked(suite, libraries)))),
        ),
    )


def _single(spoken: Interview, bill: Bill | None) -> dict[str, float]:
    """What was measured once for all questions, by the names of the metrics; what isn't known is left out."""
    tokens = sum(answer.tokens for answer in spoken.answers)
    found = {
        "seconds": spoken.seconds or None,
        "tokens_per_second": tokens / spoken.seconds if spoken.seconds else None,
        "megabytes": spoken.candidate.bytes / 1e6 or None,
        "peak_megabytes": spoken.memory and spoken.memory / 1e6,
    }
    return {name: value for name, value in found.items() if value is not None} | cost_of(spoken, bill)


def _examples(questions: Sequence[Record], graded: dict[str, list[Graded]]) -> list[Example]:
    return [
        Example(
            record.provenance.symbol,
            record.question,
            [
                ExampleAnswer(name, answers[position].answer.text, answers[position].remarks)
                for name, answers in graded.items()
            ],
        )
        for position, record in enumerate(questions)
    ]


def _unasked(suite: Path | None, libraries: Iterable[str]) -> str:
    """Why no suite was asked; empty where none was to be."""
    return (
        f"no question of the suite is about {one_line(', '.join(sorted(libraries)))}: it was not asked" if suite else ""
    )


def _notes(report: Report) -> tuple[str, ...]:
    """What got worse beyond chance: nobody should have to look for it."""
    worse = [
        metric.title
        for metric in METRICS
        if metric.better
        and metric.group in ("quality", "suite")
        and (pair := report.pairs.get(metric.name))
        and pair.clear
        and not metric.is_gain(pair.difference)
    ]
    return (f"{report.order[1]} is worse than {report.order[0]} in: {', '.join(worse)}",) if worse else ()
