"""Quality against something that it costs, as an SVG picture: a dot a candidate, in the colours of the page around it.

Texts are escaped. Knows nothing about what is measured.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from evaluation.escape import one_line
from evaluation.estimate import Estimate
from evaluation.pictures import COLOURS, WIDTH

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 330, 64, 24, 16, 56
_LINE = 15
_DOT = 6
_LETTER = 7.5
"""Width of a letter of a dot's name, as a guess."""
_WIDE = 12
"""How many times the least the largest may be before the axis has powers of ten."""


@dataclass(frozen=True)
class Dot:
    """One candidate."""

    name: str
    across: float
    """What it costs; above 0."""
    up: Estimate
    """Its quality, from 0 to 1."""


def scatter(
    title: str, dots: Sequence[Dot], labels: tuple[str, str], shown: Callable[[float], str], names: Sequence[str]
) -> str:
    """A dot and a whisker over its interval for each candidate.

    Args:
        title: what is shown, in one sentence, for those who can't see it.
        dots: at least one.
        labels: of the axis across and of the one up.
        shown: how a value of the axis across is written.
        names: the candidates, in the order of their colours.
    """
    ticks, place = _axis([dot.across for dot in dots])
    top = next((level for level in (0.1, 0.25, 0.5) if max(dot.up.high for dot in dots) <= level), 1.0)

    def x(value: float) -> float:
        return _LEFT + place(value) * (WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return _HEIGHT - _BOTTOM - min(1.0, max(0.0, share / top)) * (_HEIGHT - _TOP - _BOTTOM)

    floor = y(0)
    parts = []
    for step in range(6):
        level = y(top * step / 5)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>')
        parts.append(f'<text class="number" x="{_LEFT - 8}" y="{level + 4:.1f}">{20 * top * step:g} %</text>')
    parts += [
        f'<text class="tick" x="{x(tick):.1f}" y="{floor + 18:.1f}">{escape(shown(tick))}</text>' for tick in ticks
    ]
    across, up = (escape(label) for label in labels)
    parts.append(
        f'<text class="tick" x="{(_LEFT + WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 10}">{up} by {across}</text>'
    )
    taken = [(x(dot.across) - _DOT, x(dot.across) + _DOT, y(dot.up.mean) + 4) for dot in dots]
    for dot in sorted(dots, key=lambda one: (-one.up.mean, one.across)):
        colour, at, height = f"c{names.index(dot.name) % COLOURS}", x(dot.across), y(dot.up.mean)
        if dot.up.low < dot.up.high:
            ends = f'y1="{y(dot.up.high):.1f}" y2="{y(dot.up.low):.1f}"'
            parts.append(f'<line class="faint" x1="{at:.1f}" x2="{at:.1f}" {ends}/>')
        told = f"{one_line(dot.name)}: {100 * dot.up.mean:.0f} %, {shown(dot.across)}"
        circle = f'cx="{at:.1f}" cy="{height:.1f}" r="{_DOT}"'
        parts.append(f'<circle class="{colour}" {circle}><title>{escape(told)}</title></circle>')
        name = one_line(dot.name, 22)
        left, line = _beside(at, height, _LETTER * len(name), floor, taken)
        taken.append((left, left + _LETTER * len(name), line))
        beside, anchor = (at + 11, "start") if left > at else (at - 11, "end")
        if abs(line - 4 - height) > _LINE / 2:
            ends = f'x1="{at:.1f}" y1="{height:.1f}" x2="{(at + 4 * beside) / 5:.1f}" y2="{line - 4:.1f}"'
            parts.append(f'<line class="faint" {ends}/>')
        parts.append(f'<text class="name" x="{beside:.1f}" y="{line:.1f}" text-anchor="{anchor}">{escape(name)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _beside(
    at: float, height: float, width: float, floor: float, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float]:
    """Where a dot's name begins and on which line it stands: beside it, over no other name and no dot.

    `taken` has of each of those where it begins, where it ends and its line.
    """

    def free(left: float, line: float) -> bool:
        right = left + width
        apart = (left >= end or right <= begin or abs(level - line) >= _LINE for begin, end, level in taken)
        return left >= _LEFT and right <= WIDTH - _RIGHT and all(apart)

    sides = (at + 11, at - 11 - width)
    return next((left, line) for line in _lines(height + 4, floor) for left in sides if free(left, line))


def _lines(height: float, floor: float) -> Iterator[float]:
    """Where a name may stand: as near to its dot as can be, and not on the axis as long as there is room above."""
    yield height
    for away in range(_LINE, _HEIGHT, _LINE // 3):
        yield from (line for line in (height + away, height - away) if _TOP + _LINE / 2 <= line <= floor)
    yield from itertools.count(floor, _LINE)


def _axis(values: Sequence[float]) -> tuple[list[float], Callable[[float], float]]:
    """Ticks, and where a value lies from 0 to 1: from 0 on, or by powers of ten where the values are far apart."""
    least, most = min(values), max(values)
    if most > _WIDE * least:
        low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
        return [10.0**power for power in range(low, high + 1)], lambda value: (math.log10(value) - low) / (high - low)
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.2, 0.25, 0.5, 1.0, 2.0) if power * part * 6 >= most)
    count = math.ceil(most / step - 1e-9)
    end = step * count
    return [step * number for number in range(count + 1)], lambda value: value / end
