"""How a pair is shown on a terminal: as much of its texts as fits, and two lines at the bottom that say what to press.

The question, the reference answer and both answers, side by side, make one long text of which the screen shows a part;
above it stand the question's number and its beginning, and in its first line the title of what is in view. All texts
are made safe for a terminal, and shown as they are: nothing in them is markup. Knows nothing about verdicts.
"""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from evaluation.escape import one_line, visible
from evaluation.pairs import Pair
from evaluation.review.keys import DOWN, PAGE_DOWN, PAGE_UP, UP
from evaluation.review.session import Session
from evaluation.verdict import CRITERIA, TITLES

WIDE = 100
"""Columns from which on the answers stand side by side."""
_LINE_STEPS = {"j": 1, DOWN: 1, "k": -1, UP: -1}
_PAGE_STEPS = {" ": 1, PAGE_DOWN: 1, "-": -1, PAGE_UP: -1}
_CHOICES = {"a": "A is better", "b": "B is better", "t": "equally good"}
_SCROLLING = "j/k or ↓/↑ a line, Space/- a page; "
_HELP = "u takes back, s skips, q ends"

Line = list[Segment]


class Screen:
    """What a reviewer sees of a session; the whole terminal is its own."""

    def __init__(self, console: Console, session: Session) -> None:
        """Nothing is shown yet."""
        self._console, self._session = console, session
        self._pair: Pair | None = None
        self._at = 0
        self._page = 1

    def press(self, key: str) -> bool:
        """Take a key that moves the text; returns whether it was one."""
        steps = _LINE_STEPS.get(key, 0) + self._page * _PAGE_STEPS.get(key, 0)
        self._at = max(0, self._at + steps)
        return bool(steps)

    def show(self) -> None:
        """Draw everything anew, in the size that the terminal has now; a pair that wasn't shown before from its top."""
        width, height = self._console.size
        if self._session.pair is not self._pair:
            self._pair, self._at = self._session.pair, 0
        rows = max(2, height - 3)
        sections = [self._lines(part, width) for part in _parts(self._pair, self._session, width)]
        titles = [section[0] for section in sections for _ in section]
        lines = [line for section in sections for line in section]
        self._at = min(self._at, max(0, len(lines) - rows))
        self._page = max(1, rows - 2)
        body = lines[self._at : self._at + rows]
        body[:1] = titles[self._at : self._at + 1]
        place = f"lines {self._at + 1}–{self._at + len(body)} of {len(lines)}" if len(lines) > rows else ""
        drawn = [
            self._line(_head(self._pair, self._session, place, width - 1), width),
            *body,
            *[[]] * (rows - len(body)),
            self._line(_prompt(self._session), width),
            self._line(Text((_SCROLLING if place else "") + _HELP, style="dim"), width),
        ]
        ended = [segment for line in drawn for segment in (*line, Segment.line())]
        with self._console:  # one write
            self._console.clear()
            self._console.print(Segments(ended[:-1]), end="")

    def _lines(self, part: RenderableType, width: int) -> list[Line]:
        return self._console.render_lines(part, self._console.options.update_width(width))

    def _line(self, text: Text, width: int) -> Line:
        text.truncate(width - 1, overflow="ellipsis")
        return self._console.render_lines(text, self._console.options.update_width(width), pad=False)[0]


def _parts(pair: Pair | None, session: Session, width: int) -> list[RenderableType]:
    """What there is to read, from top to bottom; the first line of each is its title."""
    if pair is None:
        return []
    a, b = pair.answer(session.left), pair.answer("second" if session.left == "first" else "first")
    answers: list[RenderableType] = [
        Panel(_text(text), title=name, title_align="left") for name, text in (("A", a), ("B", b))
    ]
    if width >= WIDE:
        beside = Table.grid(expand=True)
        beside.add_column(ratio=1)
        beside.add_column(ratio=1)
        beside.add_row(*answers)
        answers = [beside]
    return [
        Panel(_text(pair.question), title="question", title_align="left"),
        Panel(_text(pair.reference), title="reference answer", title_align="left", style="dim"),
        *answers,
    ]


def _head(pair: Pair | None, session: Session, place: str, width: int) -> Text:
    """The question's number and its beginning, and at the end which lines are in view."""
    if pair is None:
        return Text()
    head = Text.assemble((f"{session.done + 1} of {session.total}", "bold"), f"  {one_line(pair.question)}")
    head.truncate(max(1, width - len(place) - 2), overflow="ellipsis", pad=bool(place))
    return Text.assemble(head, (f"  {place}" if place else "", "dim"))


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
    return Text.assemble((what, "bold"), given)


def _text(text: str) -> Text:
    return Text(visible(text).strip("\n"))
