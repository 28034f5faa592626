"""How a pair is shown on a terminal: the question, both answers side by side, and a line that says what to press.

All texts are made safe for a terminal, and shown as they are: nothing in them is markup. Knows nothing about keys.
"""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.panel import Panel
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from evaluation.escape import visible
from evaluation.pairs import Pair
from evaluation.review.session import Session
from evaluation.verdict import CRITERIA, TITLES

WIDE = 100
"""Columns from which on the answers stand side by side."""
_CHOICES = {"a": "A is better", "b": "B is better", "t": "equally good"}
_HELP = "u takes back, s skips, q ends"


def show_pair(console: Console, session: Session) -> None:
    """Show the pair that is before the reviewer, on a clear screen."""
    console.clear()
    if session.pair:
        console.print(_pair(session.pair, session, console.width))


def show_prompt(console: Console, session: Session) -> None:
    """Say in the last line what to press, and what was pressed."""
    console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
    line = _prompt(session)
    line.truncate(console.width - 1, overflow="ellipsis")
    console.print(line, end="", soft_wrap=True)


def _pair(pair: Pair, session: Session, width: int) -> RenderableType:
    a, b = pair.answer(session.left), pair.answer("second" if session.left == "first" else "first")
    panels = [Panel(_text(text), title=name, title_align="left") for name, text in (("A", a), ("B", b))]
    answers: RenderableType = Group(*panels)
    if width >= WIDE:
        answers = Table.grid(expand=True)
        answers.add_column(ratio=1)
        answers.add_column(ratio=1)
        answers.add_row(*panels)
    return Group(
        Panel(_text(pair.question), title=f"{session.done + 1} of {session.total}", title_align="left"),
        Panel(_text(pair.reference), title="reference answer", title_align="left", style="dim"),
        answers,
    )


def _prompt(session: Session) -> Text:
    asked = session.asked
    if session.pair is None:
        what, given = f"{session.done} of {session.total} judged, no more to show.", ""
    elif asked is None:
        what, given = "Which is better? a: A, b: B, t: equally good.", ""
    else:
        what = f"{TITLES[asked[0]]} of {asked[1]}, 1 to 5" + ("." if session.marks else "; or Enter for no marks.")
        marks = [session.marks[2 * number : 2 * number + 2] for number in range(len(CRITERIA))]
        said = [f"{TITLES[name]} {'/'.join(map(str, own))}" for name, own in zip(CRITERIA, marks, strict=True) if own]
        given = "  " + ", ".join([_CHOICES[session.choice], *said]) + "."
    return Text.assemble((what, "bold"), given, (f"  {_HELP}", "dim"))


def _text(text: str) -> Text:
    return Text(visible(text).strip("\n"))
