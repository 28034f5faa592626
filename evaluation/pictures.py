"""Pictures of shares, as SVG that takes its colours and its font from the page it stands in.

Texts are escaped. Knows nothing about what the shares are of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from evaluation.escape import one_line
from evaluation.estimate import Estimate

WIDTH = 720
_LABEL, _LINE, _GAP = 170, 18, 12
_SCALE = WIDTH - _LABEL - 56
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
    top = 6.0
    bottom = top + sum(_LINE * len(found) + _GAP for _, found in rows)
    for percent in (0, 25, 50, 75, 100):
        x = _LABEL + _SCALE * percent / 100
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 14:.1f}">{percent} %</text>')
    for label, found in rows:
        middle = top + _LINE * len(found) / 2 + 4
        parts.append(f'<text class="label" x="{_LABEL - 10}" y="{middle:.1f}">{escape(one_line(label, 28))}</text>')
        for name in names:
            if name not in found:
                continue
            estimate, colour = found[name], f"c{names.index(name) % COLOURS}"
            ends = [_LABEL + _SCALE * min(1.0, max(0.0, end)) for end in (estimate.mean, estimate.low, estimate.high)]
            y = top + _LINE / 2
            parts.append(
                f'<rect class="{colour}" x="{_LABEL}" y="{y - 6:.1f}" width="{ends[0] - _LABEL:.1f}" height="12"/>'
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
