"""The evaluation stage: candidates in turn, one draw of questions, one report.

Writes report.json, report.md and answers.jsonl. Everything about the models comes over HTTP. Knows nothing about
how the dataset or the models were made, or who started their servers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bundle.atomic import atomic_open, write_json, write_text
from bundle.digests import digest_file
from bundle.errors import DatasetError, EvaluationError
from bundle.records import EVAL, SYMBOLS, Record
from bundle.stage import Progress, StageResult
from bundle.template import PromptTemplate
from evaluation.candidate import Candidate
from evaluation.grade import Graded, grade, series
from evaluation.interview import Interview, interview, sampling_of
from evaluation.metric import METRICS
from evaluation.page import Example, ExampleAnswer, render_page
from evaluation.questions import draw_questions
from evaluation.report import REPORT, Report, estimate, summary
from evaluation.settings import EvaluationSettings
from symbols.table import SymbolTable, SymbolTableError

PAGE = "report.md"
ANSWERS = "answers.jsonl"


def run(
    settings: EvaluationSettings,
    template: PromptTemplate,
    candidates: Sequence[Candidate],
    dataset: Path,
    out: Path,
    progress: Progress,
) -> StageResult:
    """Compare candidates on a dataset's held-out records; the first candidate is the one compared against.

    Raises:
        DatasetError: the held-out split or the symbol table is missing, damaged or empty.
        EvaluationError: no candidates, two of one name, or one that can't be reached or used.
        TemplateError: a record can't be rendered.
    """
    began = time.monotonic()
    names = [candidate.name for candidate in candidates]
    if not names or len(set(names)) < len(names):
        raise EvaluationError(f"candidates {', '.join(names) or '(none)'}: give at least one, each with its own name")
    questions, held_out = draw_questions(dataset, settings.questions, settings.seed)
    try:
        table = SymbolTable.load(dataset / SYMBOLS)
    except SymbolTableError as error:
        raise DatasetError(str(error)) from None

    interviews = [interview(candidate, questions, template, settings, progress) for candidate in candidates]
    progress("checking the answers")
    graded = {spoken.candidate.name: grade(questions, spoken, table) for spoken in interviews}
    estimates, pairs = estimate(
        {name: series(answers) for name, answers in graded.items()},
        {spoken.candidate.name: _single(spoken) for spoken in interviews},
        len(questions),
        settings.seed,
    )
    report = Report(
        candidates=estimates,
        pairs=pairs,
        order=names,
        models={candidate.name: f"{candidate.model} {candidate.quantisation}".strip() for candidate in candidates},
        questions=len(questions),
        held_out=held_out,
        seed=settings.seed,
        sampling=dict(sampling_of(settings)),
        concurrency=settings.concurrency,
        seconds=time.monotonic() - began,
        dataset_digest=digest_file(dataset / EVAL),
        template_digest=template.digest,
    )
    _write_answers(out / ANSWERS, questions, graded, settings.seed)
    write_text(out / PAGE, render_page(report, _examples(questions[: settings.examples], graded)))
    write_json(out / REPORT, report.model_dump())
    return StageResult(
        came_in=f"{len(questions)} of {held_out} held-out records, "
        f"{len(names)} candidate{'s' if len(names) > 1 else ''}",
        went_out=summary(report),
        notes=_notes(report),
    )


def _single(spoken: Interview) -> dict[str, float]:
    """What was measured once for all questions, by the names of the metrics."""
    tokens = sum(answer.tokens for answer in spoken.answers)
    single = {"seconds": spoken.seconds, "tokens_per_second": tokens / spoken.seconds}
    return single | ({"megabytes": spoken.candidate.bytes / 1e6} if spoken.candidate.bytes else {})


def _write_answers(path: Path, questions: Sequence[Record], graded: dict[str, list[Graded]], seed: int) -> None:
    with atomic_open(path) as handle:
        for name, answers in graded.items():
            for position, (record, one) in enumerate(zip(questions, answers, strict=True)):
                line = {
                    "candidate": name,
                    "symbol": record.provenance.symbol,
                    "question": record.question,
                    "seed": seed + position,
                    "answer": one.answer.text,
                    "finish_reason": one.answer.finish_reason,
                    "tokens": one.answer.tokens,
                    "seconds": one.answer.seconds,
                    "loss": one.loss.total / one.loss.tokens,
                    "reference_tokens": one.loss.tokens,
                    "ends_by_itself": one.ends_by_itself,
                    "repetition": one.repetition,
                    **asdict(one.code),
                }
                handle.write(json.dumps(line, ensure_ascii=False) + "\n")


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


def _notes(report: Report) -> tuple[str, ...]:
    """What got worse beyond chance: nobody should have to look for it."""
    worse = [
        metric.title
        for metric in METRICS
        if metric.better
        and (pair := report.pairs.get(metric.name))
        and pair.clear
        and not metric.is_gain(pair.difference)
    ]
    return (f"{report.order[1]} is worse than {report.order[0]} in: {', '.join(worse)}",) if worse else ()
