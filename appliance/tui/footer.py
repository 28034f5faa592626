"""The line of keys at the bottom. Knows nothing about what they do."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.reactive import Reactive
from textual.widgets import Footer


class KeyLine(Footer):
    """Textual's footer, which lets go of the keys that it shows no more.

    Each key follows the footer's `compact`, and Textual forgets those that are gone only when that changes: after a
    thousand messages it held thousands of them, and the search for garbage among them stopped the chat for seconds.
    """

    def compose(self) -> ComposeResult:
        """Yield the keys anew."""
        Reactive._clear_watchers(self)
        yield from super().compose()
