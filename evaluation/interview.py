"""The interview of one candidate: all answers, `concurrency` at once, and the loss on all reference answers.

Every candidate gets the same questions with the same seeds. Knows nothing about measures or reports.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from bundle.records import Record
from bundle.stage import Progress
from bundle.template import PromptTemplate
from evaluation.candidate import Candidate
from evaluation.endpoint import Answer, Endpoint, Loss
from evaluation.settings import EvaluationSettings

SCORED_AT_ONCE = 8
"""Reference answers a request: enough to fill the model's batches, few enough to show progress."""


@dataclass(frozen=True)
class Interview:
    """What a candidate said; the lists run along the questions."""

    candidate: Candidate
    answers: Sequence[Answer]
    losses: Sequence[Loss]
    seconds: float
    """Wall time of all answers together; scoring and the suite aren't in it."""
    suite_answers: Sequence[Answer] = ()
    """The answers to the suite's questions, along them."""


def sampling_of(settings: EvaluationSettings) -> Mapping[str, float]:
    """The request's sampling fields, by the names of llama.cpp's HTTP interface."""
    return {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "repeat_penalty": settings.repeat_penalty,
        "max_tokens": settings.max_tokens,
    }


def interview(
    candidate: Candidate,
    questions: Sequence[Record],
    template: PromptTemplate,
    settings: EvaluationSettings,
    progress: Progress,
    suite: Sequence[str] = (),
) -> Interview:
    """Score and ask one candidate, and ask it the suite's questions; nothing else should use its machine meanwhile.

    Raises:
        EvaluationError: the candidate can't be reached, refuses, or sends what can't be used.
        TemplateError: a record can't be rendered.
    """
    with Endpoint(candidate, settings.concurrency) as endpoint:
        losses = _score(endpoint, candidate.name, questions, template, progress)
        began = time.monotonic()
        texts = [record.question for record in questions]
        answers = _ask(endpoint, f"asking {candidate.name}", texts, settings, progress)
        seconds = time.monotonic() - began
        written = _ask(endpoint, f"asking {candidate.name} the suite", suite, settings, progress) if suite else []
        return Interview(candidate, answers, losses, seconds, written)


def _score(
    endpoint: Endpoint, name: str, questions: Sequence[Record], template: PromptTemplate, progress: Progress
) -> list[Loss]:
    texts = [template.example(record.question, record.output) for record in questions]
    losses: list[Loss] = []
    for begin in range(0, len(texts), SCORED_AT_ONCE):
        progress(f"scoring {name}", begin, len(texts), "reference answers")
        losses += endpoint.losses(texts[begin : begin + SCORED_AT_ONCE])
    progress(f"scoring {name}", len(texts), len(texts), "reference answers")
    return losses


def _ask(
    endpoint: Endpoint, doing: str, questions: Sequence[str], settings: EvaluationSettings, progress: Progress
) -> list[Answer]:
    sampling = sampling_of(settings)
    with ThreadPoolExecutor(settings.concurrency) as pool:
        try:
            futures = [
                pool.submit(endpoint.answer, question, sampling, settings.seed + position)
                for position, question in enumerate(questions)
            ]
            progress(doing, 0, len(futures), "questions")
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress(doing, done, len(futures), "questions")
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
