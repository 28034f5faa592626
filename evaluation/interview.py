"""The interview of one candidate: all answers, `concurrency` at once, and the loss on all reference answers.

Every candidate gets the same questions with the same seeds. What a transcript has already isn't asked again. Knows
nothing about measures or reports.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bundle.records import Record
from bundle.stage import Progress
from bundle.template import PromptTemplate
from evaluation.candidate import Candidate, Served
from evaluation.endpoint import Answer, Endpoint, Loss
from evaluation.recorded import recorded_answers
from evaluation.settings import EvaluationSettings
from evaluation.suite.question import Question
from evaluation.transcript import Entry, Transcript

SCORED_AT_ONCE = 8
"""Reference answers a request: enough to fill the model's batches, few enough to show progress."""


@dataclass(frozen=True)
class Interview:
    """What a candidate said; the lists run along the questions."""

    candidate: Candidate
    answers: Sequence[Answer]
    losses: Sequence[Loss] = ()
    """Nothing where the candidate can't be scored."""
    seconds: float = 0
    """Wall time of all answers together; scoring and the suite aren't in it. 0 where they were recorded."""
    suite_answers: Sequence[Answer] = ()
    """The answers to the suite's questions, along them."""
    memory: int | None = None
    """The most memory that its server had, in bytes; None where that isn't known."""


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
    suite: Sequence[Question] = (),
    transcript: Transcript | None = None,
) -> Interview:
    """Score and ask one candidate, and ask it the suite's questions; nothing else should use its machine meanwhile.

    Its server runs only while something is asked.

    Raises:
        EvaluationError: the candidate can't be reached, refuses, or sends or recorded what can't be used.
        TemplateError: a record can't be rendered.
        ServerError: its server doesn't start.
    """
    if candidate.recording:
        answers, written = recorded_answers(candidate.recording, questions, suite)
        return Interview(candidate, answers, suite_answers=written)
    with ExitStack() as stack:
        asked = _Asked(candidate, settings, progress, transcript or Transcript(), stack)
        losses = [] if candidate.remote else asked.losses(questions, template)
        answers, seconds = asked.answers(f"asking {candidate.name}", "held-out", [one.question for one in questions])
        written, _ = asked.answers(f"asking {candidate.name} the suite", "suite", [one.text for one in suite])
        return Interview(candidate, answers, losses, seconds, written, asked.memory())


class _Asked:
    """A candidate under interview."""

    def __init__(
        self,
        candidate: Candidate,
        settings: EvaluationSettings,
        progress: Progress,
        transcript: Transcript,
        stack: ExitStack,
    ) -> None:
        self._candidate = candidate
        self._settings = settings
        self._progress = progress
        self._transcript = transcript
        self._stack = stack
        self._served: Served | None = None
        self._sampling = {**sampling_of(settings), **({"temperature": 0.0} if candidate.greedy else {})}
        url = "" if candidate.serve else candidate.url
        self._who = [candidate.name, candidate.model, candidate.quantisation, url, candidate.system]
        if candidate.grounding is not None:
            self._who.append(f"grounding {candidate.grounding}")
        if candidate.repair:
            self._who.append("repair")
        self._scorer = ["weights", candidate.weights] if candidate.weights else self._who

    @functools.cached_property
    def _endpoint(self) -> Endpoint:
        """Its endpoint; its server is started when this is first needed."""
        candidate = self._candidate
        if candidate.serve:
            self._progress(f"starting {candidate.name}")
            self._served = self._stack.enter_context(candidate.serve())
            candidate = replace(candidate, url=self._served.url)
        return self._stack.enter_context(Endpoint(candidate, self._settings.concurrency))

    def losses(self, questions: Sequence[Record], template: PromptTemplate) -> list[Loss]:
        """The loss on every reference answer."""
        doing = f"scoring {self._candidate.name}"
        texts = [_scored(template, record, self._candidate.system) for record in questions]
        losses: list[Loss] = []
        for begin in range(0, len(texts), SCORED_AT_ONCE):
            self._progress(doing, begin, len(texts), "reference answers")
            losses += self._some_losses(texts[begin : begin + SCORED_AT_ONCE])
        self._progress(doing, len(texts), len(texts), "reference answers")
        return losses

    def _some_losses(self, texts: Sequence[tuple[str, str]]) -> list[Loss]:
        entries = [self._transcript.get(self._scorer, "loss", text) for text in texts]
        known = [entry.loss for entry in entries if entry and entry.loss]
        if len(known) == len(texts):
            return known
        losses = self._endpoint.losses(texts)
        for text, loss in zip(texts, losses, strict=True):
            self._transcript.put(Entry(loss=loss), self._scorer, "loss", text)
        return losses

    def answers(self, doing: str, kind: str, questions: Sequence[str]) -> tuple[list[Answer], float]:
        """The answer to every question, and the wall time of all of them together, earlier runs' share included."""
        keys = [
            [self._who, kind, text, self._sampling, self._settings.seed + position]
            for position, text in enumerate(questions)
        ]
        entries = [self._transcript.get(*key) for key in keys]
        answers = {number: entry.answer for number, entry in enumerate(entries) if entry and entry.answer}
        before = max((entry.elapsed for entry in entries if entry), default=0.0)
        if len(answers) == len(questions):
            return [answers[number] for number in range(len(questions))], before
        began, endpoint = time.monotonic(), self._endpoint

        def ask(number: int) -> Answer:
            return endpoint.answer(questions[number], self._sampling, self._settings.seed + number)

        def answered(number: int, answer: Answer) -> None:
            answers[number] = answer
            self._transcript.put(Entry(answer=answer, elapsed=before + time.monotonic() - began), *keys[number])
            self._progress(doing, len(answers), len(questions), "questions")

        self._progress(doing, len(answers), len(questions), "questions")
        missing = [number for number in range(len(questions)) if number not in answers]
        _in_threads(self._settings.concurrency, missing, ask, answered)
        return [answers[number] for number in range(len(questions))], before + time.monotonic() - began

    def memory(self) -> int | None:
        """The most memory that its server had, now or when it was last asked."""
        if self._served:
            self._transcript.put(Entry(memory=self._served.peak_memory()), self._who, "memory")
        entry = self._transcript.get(self._who, "memory")
        return entry.memory if entry else None


def _scored(template: PromptTemplate, record: Record, system: str | None) -> tuple[str, str]:
    """The prompt as it is served, and the reference answer with its end of turn."""
    prompt, answer = template.example(record.question, record.output)
    if system is not None:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": record.question}]
        prompt = template.render(turns)
    return prompt, answer


def _in_threads(
    count: int, numbers: Sequence[int], work: Callable[[int], Answer], done: Callable[[int, Answer], None]
) -> None:
    """Do the work for every number, `count` at once; `done` is called here with what was done, also after an error."""
    with ThreadPoolExecutor(count) as pool:
        futures = {pool.submit(work, number): number for number in numbers}
        try:
            for future in as_completed(tuple(futures)):
                answer = future.result()
                done(futures.pop(future), answer)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            for future, number in futures.items():
                if not future.cancelled() and future.exception() is None:
                    done(number, future.result())
            raise
