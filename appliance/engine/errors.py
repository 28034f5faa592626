"""What can go wrong with a request to the engine.

    ServerError
    └── EngineError
        ├── InvalidRequest       a prompt that isn't one, a setting out of its range, a grammar that can't be read
        │   └── ContextExceeded  the prompt is longer than the context
        ├── QueueFull            too many requests wait; says when to come back
        ├── DeadlineExceeded     its time was up before its answer began
        ├── Cancelled            the asker went away
        ├── EngineStopped        the engine takes no more requests
        └── EngineFailed         the computation failed

Knows nothing about HTTP status codes.
"""

from __future__ import annotations

from bundle.errors import ServerError


class EngineError(ServerError):
    """A request that got no answer."""


class InvalidRequest(EngineError):
    """The prompt has no tokens or some that aren't the model's, or a setting means nothing."""


class ContextExceeded(InvalidRequest):
    """The prompt leaves no room for an answer in the context."""

    def __init__(self, prompt_tokens: int, context: int) -> None:
        super().__init__(
            f"the prompt has {prompt_tokens} tokens; with at least one for the answer, "
            f"at most {context - 1} fit into the context of {context}"
        )


class QueueFull(EngineError):
    """Every slot is busy and the queue is full."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} requests wait already; try again in {retry_after} s")
        self.retry_after = retry_after
        """Seconds after which a place is likely to be free."""


class DeadlineExceeded(EngineError):
    """The request's deadline passed while it waited."""


class Cancelled(EngineError):
    """The request was cancelled by whoever asked."""


class EngineStopped(EngineError):
    """The engine stops, or has stopped."""


class EngineFailed(EngineError):
    """The computation failed; the engine goes on with other requests."""
