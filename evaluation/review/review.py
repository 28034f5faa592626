"""Runs a reviewing session: shows, takes a key, shows again. Knows nothing about projects."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from evaluation.review.screen import Screen
from evaluation.review.session import Session


def review(session: Session, pressed: Iterable[str], console: Console) -> None:
    """Let a reviewer judge pairs until they end it, or the keys do; every verdict is on the disk when it is given."""
    screen = Screen(console, session)
    screen.show()
    try:
        for key in pressed:
            if not (screen.press(key) or session.press(key)):
                break
            screen.show()
    finally:
        console.print()
