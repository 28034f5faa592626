"""Runs a reviewing session: shows, takes a key, shows again. Knows nothing about projects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from evaluation.pairs import Pair
from evaluation.review.log import Log
from evaluation.review.screen import show_pair, show_prompt
from evaluation.review.session import Session


def review(pairs: Sequence[Pair], log: Log, reviewer: str, pressed: Iterable[str], console: Console) -> Session:
    """Let a reviewer judge pairs until they end it, or the keys do; every verdict is on the disk when it is given."""
    session = Session(pairs, log, reviewer)
    show_pair(console, session)
    show_prompt(console, session)
    for key in pressed:
        before = session.pair
        if not session.press(key):
            break
        if session.pair is not before:
            show_pair(console, session)
        show_prompt(console, session)
    console.print()
    return session
