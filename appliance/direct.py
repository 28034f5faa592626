"""The expert in this very process, for who asks once: it answers as the client of a server does, without the server.

It loads while its maker does something else. Knows the engine; nothing about HTTP.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from appliance.checking import Checker
from appliance.citing import cite
from appliance.settings import ApplianceSettings
from appliance.wire import (
    ChatOptions,
    Citation,
    CodeCheck,
    ContextExceeded,
    Delta,
    Done,
    Event,
    Finding,
    Message,
    Source,
    Timings,
    Usage,
)
from bundle.grounding import Grounding

if TYPE_CHECKING:  # it imports llama.cpp, which is loaded beside this
    from appliance.engine import request
    from appliance.engine.answers import StoredAnswer
    from appliance.engine.expert import Expert
    from appliance.engine.request import GenerationRequest
    from appliance.repair import Repair

_TOLD = ("title", "package", "version", "licence", "attribution", "url")


class Direct:
    """An expert for one question at a time; a context manager."""

    def __init__(self, bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> None:
        """Begin to load it, with memory for one answer."""
        one = settings.model_copy(update={"slots": 1, "memory": 0, "shared": False})
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._loading: Future[Expert] = self._loader.submit(_load, bundle, one, cache_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._loader.shutdown()
        if self._loading.exception() is None:
            self._loading.result().close()

    def models(self) -> list[str]:
        """The expert's name, once it is loaded.

        Raises:
            BoffinError: it can't be.
        """
        return [self._loading.result().manifest.name]

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Generator[Event]:
        """Stream the answer to a conversation: deltas, then one `Done`. Closing the iterator cancels the answer.

        Raises:
            BoffinError: the expert can't be loaded, or refuses or fails.
        """
        from appliance.engine import errors
        from appliance.engine.answers import StoredAnswer
        from appliance.engine.request import Failed, Finished, Piece

        expert = self._loading.result()
        begun = messages[-1]["content"] if options.get("continue_final_message") else ""
        talk = list(messages[:-1] if begun else messages)
        grounding = expert.ground(talk, options.get("grounding"))
        opening = "" if begun else grounding.opening
        first = expert.request(
            expert.chat_prompt(talk, begun or opening, grounding),
            max_tokens=options.get("max_tokens"),
            temperature=options.get("temperature"),
            top_p=options.get("top_p"),
            repeat_penalty=options.get("repeat_penalty"),
            seed=options.get("seed"),
            stop=options.get("stop", ()),
            adapter=expert.specialist(talk),
        )
        policy = options.get("check") or expert.settings.checking.policy
        checks = expert.library.checks and policy != "off"
        repair = None
        if checks and policy == "repair":
            from appliance.mending import Mender, named
            from appliance.repair import Repair

            mender = Mender(expert.library.check, begun, named(talk, grounding))
            repair = Repair(first, mender, expert.begun, len(begun + opening))
        answers, how = expert.answers if options.get("cache", True) else None, expert.repaired_by if repair else ""
        if answers is not None and (stored := answers.get(first, how)) is not None:
            yield Delta(opening + stored.text)
            yield _done(stored, begun + opening + stored.text, expert, grounding, checks=checks, cached=True)
            return
        text = ""
        try:
            for event in _events(expert, first, opening, repair):
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Piece):
                    text += event.text
                    yield Delta(event.text)
                elif isinstance(event, Finished):
                    repaired = repair is not None and repair.repaired
                    answer = StoredAnswer(text.removeprefix(opening), event, repaired)
                    if answers is not None:
                        answers.put(first, answer, how)
                    yield _done(answer, begun + text, expert, grounding, checks=checks, cached=False)
        except errors.ContextExceeded as error:
            raise ContextExceeded(str(error)) from None


def _load(bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> Expert:
    from appliance.engine.weights import Weights

    weights = Weights(bundle, settings, cache_dir)
    from appliance.engine.expert import Expert  # while the weights are being loaded

    return Expert(bundle, settings, cache_dir, weights, hurried=True)


def _events(expert: Expert, first: GenerationRequest, opening: str, repair: Repair | None) -> Iterator[request.Event]:
    """What is told of an answer that begins with `opening`, from as many requests as its repair takes."""
    from appliance.engine.request import Piece

    heard: Iterator[request.Event] = itertools.chain([Piece(opening)] if opening else [], expert.engine.generate(first))
    while (event := next(heard, None)) is not None:
        told, instead = repair.follow(event) if repair else ([event], None)
        yield from told
        if instead is not None:
            heard = expert.engine.generate(instead)


def _done(answer: StoredAnswer, text: str, expert: Expert, grounding: Grounding, *, checks: bool, cached: bool) -> Done:
    """The end of an answer, by its whole text: with what is cited and, where code is checked, what became of it."""
    end = answer.finished
    usage = Usage(end.prompt_tokens, end.completion_tokens, end.prompt_tokens + end.completion_tokens)
    sources = [
        Source(number, **{name: getattr(one.passage, name) for name in _TOLD}, text=one.text)
        for number, one in enumerate(grounding.sources, start=1)
    ]
    checked: list[CodeCheck] = []
    if checks:
        checker = Checker(expert.library.check)
        for block in [*checker.feed(text), *checker.end()]:
            found = checker.check(block)
            findings = tuple(Finding(one.line, one.name, one.problem, one.nearest) for one in found.findings)
            checked.append(CodeCheck(found.block, found.start, found.end, findings, found.error))
    citations = [Citation(one.start, one.end, one.number) for one in cite(text, grounding.sources)]
    reason = "stop" if end.reason == "stop" else "length"
    timings = Timings(**asdict(end.timings))
    return Done(reason, usage, timings, cached, tuple(sources), tuple(citations), tuple(checked), answer.repaired)
