"""Has pairs of answers judged, each in both orders; replies are kept as they come: no verdict is asked for twice.

A reply that can't be used is asked for again, a few times; then its pair is unjudged, and says why. So is a pair that
the endpoint refuses. Knows nothing about what the verdicts come to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.digests import digest_text, digest_value
from bundle.errors import EvaluationError
from bundle.stage import Progress
from evaluation.connection import Connection, RefusedError
from evaluation.escape import one_line
from evaluation.judge.cache import Cache
from evaluation.judge.judgement import Judgement
from evaluation.judge.settings import JudgeSettings
from evaluation.judge.wording import RESPONSE_FORMAT, Reply, messages, read_reply
from evaluation.pairs import Pair
from evaluation.verdict import Side

ASKED = 3
"""How often a verdict is asked for that can't be used."""
WARMER = 0.5
"""Temperature of the second time and on: at 0 the same would come again."""
ORDERS: tuple[Side, Side] = ("first", "second")
"""Whose answer is A."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    content: str | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: _Message


class _Chat(BaseModel):
    model_config = ConfigDict(extra="ignore")

    choices: list[_Choice] = Field(min_length=1)


_Outcome = Reply | RefusedError | str
"""What becomes of a request: a reply, or why there is none."""


class Judge:
    """A judge, to be used as a context manager; its methods may be called from many threads."""

    def __init__(self, settings: JudgeSettings, rubric: str, cache: Path) -> None:
        """Nothing is asked yet; `rubric` is a text, `cache` the folder of its replies.

        Raises:
            EvaluationError: the settings' URL is none, or the key can't be one.
        """
        self._settings, self._rubric, self._cache = settings, rubric, Cache(cache)
        key = os.environ.get(settings.key_variable, "").strip()
        self._connection = Connection("evaluation.judge", settings.url, settings.concurrency, key)

    def __enter__(self) -> Judge:
        self._connection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.__exit__(None, None, None)

    def judge(self, pairs: Sequence[Pair], progress: Progress) -> list[Judgement]:
        """Judge the pairs; the judgements run along them.

        Raises:
            EvaluationError: the endpoint can't be reached, is busy, wants another key or path, or refuses every pair;
                what it replied so far is kept.
        """
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            try:
                futures = [pool.submit(self._reply, pair, left) for pair in pairs for left in ORDERS]
                progress("judging", 0, len(futures), "verdicts")
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    progress("judging", done, len(futures), "verdicts")
                replies = [future.result() for future in futures]
            except EvaluationError as error:
                pool.shutdown(wait=False, cancel_futures=True)
                raise EvaluationError(f"{error}; what it said so far is kept, run `boffin evaluate` to go on") from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        refused = [reply for reply in replies if isinstance(reply, RefusedError)]
        if refused and len(refused) == len(replies):
            raise refused[0]
        return [
            self._judgement(pair, replies[number : number + len(ORDERS)])
            for pair, number in zip(pairs, range(0, len(replies), len(ORDERS)), strict=True)
        ]

    def _judgement(self, pair: Pair, replies: Sequence[_Outcome]) -> Judgement:
        about = {"pair": pair.digest, "model": self._settings.model, "rubric": digest_text(self._rubric)}
        usable = [reply for reply in replies if isinstance(reply, Reply)]
        if len(usable) < len(replies):
            trouble = next(reply for reply in replies if not isinstance(reply, Reply))
            reason = trouble.reason if isinstance(trouble, RefusedError) else trouble
            return Judgement.model_validate(about | {"unjudged": one_line(reason)})
        verdicts = [reply.verdict(left) for reply, left in zip(usable, ORDERS, strict=True)]
        return Judgement.model_validate(about | {"verdicts": verdicts, "reasons": [one.reason for one in usable]})

    def _reply(self, pair: Pair, left: Side) -> _Outcome:
        """The reply to one pair in one order, or why there is none."""
        body: dict[str, object] = {
            "model": self._settings.model,
            "messages": messages(self._rubric, pair, left),
            "temperature": 0,
            "max_tokens": self._settings.max_tokens,
        }
        if self._settings.ask_for_schema:
            body["response_format"] = RESPONSE_FORMAT
        key = digest_value([self._settings.url, body])
        if kept := self._cache.get(key):
            return kept
        trouble = ""
        for _ in range(ASKED):
            try:
                reply = read_reply(self._ask(body))
            except RefusedError as error:
                return error
            except ValueError as error:
                trouble = str(error)
                body["temperature"] = WARMER
                continue
            self._cache.put(key, reply)
            return reply
        return trouble

    def _ask(self, body: dict[str, object]) -> str:
        content = self._connection.post("/chat/completions", body)
        try:
            return _Chat.model_validate_json(content).choices[0].message.content or ""
        except ValidationError:
            raise self._connection.useless("no chat completion") from None
