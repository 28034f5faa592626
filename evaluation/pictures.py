"""Pictures of shares, as SVG that takes its colours and its font from the page it stands in.

Texts are escaped. Labels stand left of the bars, in a margin for the longest of them; one that would take more than
half of the picture is cut at its end. Knows nothing about what the shares are of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from unicodedata import east_asian_width

from evaluation.escape import one_line
from evaluation.estimate import Estimate

WIDTH = 720
_LINE, _GAP, _BESIDE, _NUMBER = 18, 12, 10, 56
_MARGIN, _WIDEST = 170, 330
"""Pixels left of the bars: the least, and the most that labels can make of it."""
COLOURS = 10
"""Candidates that have a colour of their own; the page's style names them `c0` and so on."""


def shares(title: str, rows: Sequence[tuple[str, Mapping[str, Estimate]]], names: Sequence[str]) -> str:
    """A line for each candidate's share, row by row: a bar up to its mean, and a whisker over its interval.

    Args:
        title: what is shown, in one sentence, for those who can't see it.
        rows: from top to bottom, each with a label and an estimate (0 to 1) for some of the candidates.
        names: the candidates, in the order of their colours.
    """
    parts: list[str] = []
    labels = [_cut(one_line(label), _WIDEST - _BESIDE) for label, _ in rows]
    margin = max([_MARGIN, *(math.ceil(_width(label)) + _BESIDE for label in labels)])
    scale = WIDTH - margin - _NUMBER
    top = 6.0
    bottom = top + sum(_LINE * len(found) + _GAP for _, found in rows)
    for percent in (0, 25, 50, 75, 100):
        x = margin + scale * percent / 100
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 14:.1f}">{percent} %</text>')
    for label, (_, found) in zip(labels, rows, strict=True):
        middle = top + _LINE * len(found) / 2 + 4
        parts.append(f'<text class="label" x="{margin - _BESIDE}" y="{middle:.1f}">{escape(label)}</text>')
        for name in names:
            if name not in found:
                continue
            estimate, colour = found[name], f"c{names.index(name) % COLOURS}"
            ends = [margin + scale * min(1.0, max(0.0, end)) for end in (estimate.mean, estimate.low, estimate.high)]
            y = top + _LINE / 2
            parts.append(
                f'<rect class="{colour}" x="{margin}" y="{y - 6:.1f}" width="{ends[0] - margin:.1f}" height="12"/>'
            )
            if estimate.low < estimate.high:
                parts.append(f'<line class="whisker" x1="{ends[1]:.1f}" x2="{ends[2]:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="number" x="{WIDTH}" y="{y + 4:.1f}">{100 * estimate.mean:.0f} %</text>')
            top += _LINE
        top += _GAP
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + 20:.0f}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _cut(label: str, room: float) -> str:
    """The label with so much of its end left out that it fits into the room, in pixels."""
    if _width(label) <= room:
        return label
    while label and _width(label + "…") > room:
        label = label[:-1]
    return label + "…"


def _width(text: str) -> float:
    """Pixels that a text takes at most, in the page's size for pictures and the widest of its fonts, DejaVu Sans."""
    return sum(_width_of(character) for character in text)


def _width_of(character: str) -> float:
    if character in "mwMW@%…" or east_asian_width(character) in "WF":
        return 13
    if character in "ijlftrI.,:;'|!-()[] ":
        return 5.5
    return 11 if character.isupper() or character in "#&+<=>^~" else 8.5
