"""The expert in this very process, for who asks once: it answers as the client of a server does, without the server.

It loads while its maker does something else. Knows the engine; nothing about HTTP.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from appliance.settings import ApplianceSettings
from appliance.wire import ChatOptions, ContextExceeded, Delta, Done, Message, Timings, Usage

if TYPE_CHECKING:  # it imports llama.cpp, which is loaded beside this
    from appliance.engine.expert import Expert
    from appliance.engine.request import Finished


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

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Generator[Delta | Done]:
        """Stream the answer to a conversation: deltas, then one `Done`. Closing the iterator cancels the answer.

        Raises:
            BoffinError: the expert can't be loaded, or refuses or fails.
        """
        from appliance.engine import errors
        from appliance.engine.answers import StoredAnswer
        from appliance.engine.request import Failed, Finished, Piece

        expert = self._loading.result()
        begun = messages[-1]["content"] if options.get("continue_final_message") else ""
        request = expert.request(
            expert.chat_prompt(list(messages[:-1] if begun else messages), begun),
            max_tokens=options.get("max_tokens"),
            temperature=options.get("temperature"),
            top_p=options.get("top_p"),
            repeat_penalty=options.get("repeat_penalty"),
            seed=options.get("seed"),
            stop=options.get("stop", ()),
        )
        answers = expert.answers if options.get("cache", True) else None
        if answers is not None and (stored := answers.get(request)) is not None:
            yield Delta(stored.text)
            yield _done(stored.finished, cached=True)
            return
        text = ""
        try:
            for event in expert.engine.generate(request):
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Piece):
                    text += event.text
                    yield Delta(event.text)
                elif isinstance(event, Finished):
                    if answers is not None:
                        answers.put(request, StoredAnswer(text, event))
                    yield _done(event, cached=False)
        except errors.ContextExceeded as error:
            raise ContextExceeded(str(error)) from None


def _load(bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> Expert:
    from appliance.engine.expert import Expert

    return Expert(bundle, settings, cache_dir)


def _done(end: Finished, *, cached: bool) -> Done:
    usage = Usage(end.prompt_tokens, end.completion_tokens, end.prompt_tokens + end.completion_tokens)
    return Done("stop" if end.reason == "stop" else "length", usage, Timings(**asdict(end.timings)), cached)
