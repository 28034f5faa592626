"""One answer, read into the store piece by piece, for whoever prints text.

Knows nothing about what is printed, or how.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing

from appliance.conversations import Figures, Message, Options, Thread
from appliance.conversations.draft import Draft
from appliance.conversations.evidence import Evidence
from appliance.conversations.message import State
from appliance.sanitise import Sanitiser
from appliance.wire import Answering, ChatOptions, ContextExceeded, Delta, Done
from bundle.errors import ServerError


def asked(options: Options, model: str, draft: Draft, *, anew: bool = False) -> ChatOptions:
    """What a conversation's options ask of a request; `anew` passes the server's cache by, an answer that has begun
    is gone on with.
    """
    chat = ChatOptions(model=model)
    if options.temperature is not None:
        chat["temperature"] = options.temperature
    if options.max_tokens is not None:
        chat["max_tokens"] = options.max_tokens
    if options.grounding is not None:
        chat["grounding"] = options.grounding
    if anew:
        chat["cache"] = False
    if draft.text:
        chat["continue_final_message"] = True
    return chat


def shorter(thread: Thread, draft: Draft, left_out: int) -> int | None:
    """How many turns to leave out when the conversation was too long without `left_out` of them; None: it can't be.

    Half of what is left: a conversation of a whole day fits after a few attempts, each of which is refused at once.
    """
    earlier = len(thread.before(draft)) - left_out
    return left_out + (earlier + 1) // 2 if earlier > 0 else None


def figures(done: Done, first_token: float) -> Figures:
    """What an answer took; `first_token` is what was measured here, in seconds."""
    return Figures(
        tokens=max(done.usage.total_tokens, 0),
        tokens_per_second=0.0 if done.cached else max(done.timings.predicted_per_second, 0.0),
        first_token=first_token,
        cached=done.cached,
    )


def read_answer(
    client: Answering, thread: Thread, draft: Draft, model: str, *, anew: bool = False
) -> Generator[str, None, Message]:
    """Yield an answer's pieces, sanitised; returns it as it was kept. Closing the generator stops the answer.

    Raises:
        ServerError: it failed; what came is kept.
    """
    options = asked(thread.options, model, draft, anew=anew)
    begun = len(draft.text)
    state: State = "stopped"
    took, evidence = Figures(), Evidence()
    left_out: int | None = 0
    try:
        while left_out is not None:
            messages = thread.sent(draft, left_out)
            began, first_token = time.monotonic(), 0.0
            fit = Sanitiser()
            fit.feed(draft.text)
            came = 0
            try:
                with closing(client.chat(messages, **options)) as events:
                    for event in events:
                        if isinstance(event, Delta):
                            first_token = first_token or time.monotonic() - began
                            came += len(event.text)
                            text = fit.feed(event.text)
                            draft.feed(text)
                            yield text
                        elif isinstance(event, Done):
                            took = figures(event, first_token)
                            evidence = Evidence.of(event, in_place=begun + came == len(draft.text))
                            state = "cut" if event.finish_reason == "length" else "whole"
                break
            except ContextExceeded:
                left_out = shorter(thread, draft, left_out)
                if left_out is None:
                    raise
    except ServerError:
        state = "failed"
        raise
    finally:
        message = thread.end(draft, state, took, evidence)
    return message
