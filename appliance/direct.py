"""The expert in this very process, for who asks once: it answers as the client of a server does, without the server.

It loads while its maker does something else. Knows the engine; nothing about HTTP.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
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
    from appliance.engine.expert import Expert
    from appliance.engine.request import Finished

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
        request = expert.request(
            expert.chat_prompt(talk, begun or opening, grounding),
            max_tokens=options.get("max_tokens"),
            temperature=options.get("temperature"),
            top_p=options.get("top_p"),
            repeat_penalty=options.get("repeat_penalty"),
            seed=options.get("seed"),
            stop=options.get("stop", ()),
            adapter=expert.specialist(talk),
        )
        answers = expert.answers if options.get("cache", True) else None
        if answers is not None and (stored := answers.get(request)) is not None:
            yield Delta(opening + stored.text)
            yield _done(stored.finished, begun + opening + stored.text, expert, grounding, cached=True)
            return
        text = opening
        if opening:
            yield Delta(opening)
        try:
            for event in expert.engine.generate(request):
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Piece):
                    text += event.text
                    yield Delta(event.text)
                elif isinstance(event, Finished):
                    if answers is not None:
                        answers.put(request, StoredAnswer(text.removeprefix(opening), event))
                    yield _done(event, begun + text, expert, grounding, cached=False)
        except errors.ContextExceeded as error:
            raise ContextExceeded(str(error)) from None


def _load(bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> Expert:
    from appliance.engine.weights import Weights

    weights = Weights(bundle, settings, cache_dir)
    from appliance.engine.expert import Expert  # while the weights are being loaded

    return Expert(bundle, settings, cache_dir, weights, hurried=True)


def _done(end: Finished, text: str, expert: Expert, grounding: Grounding, *, cached: bool) -> Done:
    """The end of an answer, with what of it is cited and what became of its code."""
    usage = Usage(end.prompt_tokens, end.completion_tokens, end.prompt_tokens + end.completion_tokens)
    sources = [
        Source(number, **{name: getattr(one.passage, name) for name in _TOLD}, text=one.text)
        for number, one in enumerate(grounding.sources, start=1)
    ]
    checks: list[CodeCheck] = []
    if expert.library.checks and expert.settings.checking.policy != "off":
        checker = Checker(expert.library.check)
        for block in [*checker.feed(text), *checker.end()]:
            found = checker.check(block)
            findings = tuple(Finding(one.line, one.name, one.problem, one.nearest) for one in found.findings)
            checks.append(CodeCheck(found.block, found.start, found.end, findings, found.error))
    citations = [Citation(one.start, one.end, one.number) for one in cite(text, grounding.sources)]
    reason = "stop" if end.reason == "stop" else "length"
    timings = Timings(**asdict(end.timings))
    return Done(reason, usage, timings, cached, tuple(sources), tuple(citations), tuple(checks))
