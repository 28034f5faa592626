"""answers.jsonl: every answer with what was measured on it, a line each. Knows nothing about reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bundle.atomic import atomic_open
from bundle.records import Record
from evaluation.endpoint import Answer
from evaluation.grade import Graded
from evaluation.suite.exam import Exam

ANSWERS = "answers.jsonl"


def write_answers(
    path: Path, questions: Sequence[Record], graded: Mapping[str, Sequence[Graded]], exam: Exam | None, seed: int
) -> None:
    """Write the answers to the held-out records, then those to the suite's questions; atomically."""
    with atomic_open(path) as handle:
        for name, answers in graded.items():
            for position, (record, one) in enumerate(zip(questions, answers, strict=True)):
                line = {
                    "candidate": name,
                    "set": "held-out",
                    "symbol": record.provenance.symbol,
                    "question": record.question,
                    "reference": record.output,
                    **_said(one.answer, seed + position),
                    "loss": one.loss and one.loss.total / one.loss.tokens,
                    "reference_tokens": one.loss and one.loss.tokens,
                    "ends_by_itself": one.ends_by_itself,
                    "repetition": one.repetition,
                    **asdict(one.code),
                    "runs": one.runs if one.verdict or not one.code.uses_symbol else None,
                    "run_detail": one.verdict.detail if one.verdict else "",
                }
                handle.write(json.dumps(line, ensure_ascii=False) + "\n")
        for name, judged in exam.judged.items() if exam else ():
            for position, that in enumerate(judged):
                line = {
                    "candidate": name,
                    "set": "suite",
                    "id": that.question.id,
                    "category": that.question.category,
                    "library": that.question.library,
                    "question": that.question.text,
                    "reference": that.question.reference,
                    **_said(that.answer, seed + position),
                    "ends_by_itself": that.ends_by_itself,
                    "complete": that.completeness.share,
                    "missing": [str(entry) for entry in that.completeness.missing],
                    "check": that.verdict.result if that.verdict else None,
                    "check_detail": that.verdict.detail if that.verdict else "",
                    **{name: value for name, value in asdict(that.code).items() if name != "uses_symbol"},
                }
                handle.write(json.dumps(line, ensure_ascii=False) + "\n")


def _said(answer: Answer, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "tokens": answer.tokens,
        "prompt_tokens": answer.prompt_tokens or None,
        "seconds": answer.seconds,
    }
