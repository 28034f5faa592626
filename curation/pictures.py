"""Pictures of counts, as SVG that takes its colours and its font from the page it stands in.

Texts are escaped. Knows nothing about what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from curation.escape import one_line

WIDTH = 720
_LABEL, _ROW, _BAR = 170, 26, 16
_CHARACTER = 7.8
_HEIGHT, _AXIS = 180, 22


@dataclass(frozen=True)
class Bar:
    """One row."""

    label: str
    value: float
    shown: str
    """The value as a person reads it."""
    part: float = 0.0
    """How much of the value is drawn in the second colour."""


def bars(title: str, rows: Sequence[Bar], most: float = 0.0) -> str:
    """Horizontal bars, one a row; `title` is for those who can't see them.

    Args:
        title: what is shown, in one sentence.
        rows: from top to bottom.
        most: the value of a bar of full width; 0 takes the largest.
    """
    most = most or max((row.value for row in rows), default=0) or 1
    room = WIDTH - _LABEL - 16 - _CHARACTER * max((len(row.shown) for row in rows), default=0)
    lines = []
    for number, row in enumerate(rows):
        top = number * _ROW
        whole, part = (max(0.0, min(1.0, value / most)) * room for value in (row.value, row.part))
        lines.append(_text(_LABEL - 10, top + 17, row.label, "label"))
        lines.append(_box(_LABEL, top + 5, room, _BAR, "track"))
        lines.append(_box(_LABEL, top + 5, whole, _BAR, "bar"))
        if part:
            lines.append(_box(_LABEL + whole - part, top + 5, part, _BAR, "part"))
        lines.append(_text(WIDTH, top + 17, row.shown, "number"))
    return _picture(title, len(rows) * _ROW + 4, lines)


def columns(title: str, counts: Sequence[tuple[int, int]], step: int) -> str:
    """A histogram.

    Args:
        title: what is shown, in one sentence.
        counts: the lower end of each column and its count; columns that aren't named are empty.
        step: the width of a column in the values' unit.
    """
    known = dict(counts)
    starts = range(min(known), max(known) + 1, step) if known else range(0)
    most = max(known.values(), default=0) or 1
    width = WIDTH / max(1, len(starts))
    lines = []
    for number, start in enumerate(starts):
        count = known.get(start, 0)
        height = count / most * (_HEIGHT - 4)
        tip = f"{start:,} to {start + step - 1:,}: {count:,}"
        lines.append(_box(number * width + 1, _HEIGHT - height, width - 2, height, "bar", tip))
        if number % max(1, len(starts) // 8) == 0:
            lines.append(_text(number * width, _HEIGHT + 16, f"{start:,}", "tick"))
    return _picture(title, _HEIGHT + _AXIS, lines)


def _picture(title: str, height: float, lines: Sequence[str]) -> str:
    body = "\n".join(lines)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(one_line(title))}</title>\n{body}\n</svg>"
    )


def _box(x: float, y: float, width: float, height: float, style: str, tip: str = "") -> str:
    shape = f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3"'
    return f"{shape}><title>{escape(tip)}</title></rect>" if tip else f"{shape}/>"


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(one_line(text, 40))}</text>'
