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
_NAME = 150
"""Width that a dot's name may take."""
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
    taken: list[tuple[float, float]] = []
    for dot in sorted(dots, key=lambda one: (-one.up.mean, one.across)):
        colour, at, height = f"c{names.index(dot.name) % COLOURS}", x(dot.across), y(dot.up.mean)
        if dot.up.low < dot.up.high:
            ends = f'y1="{y(dot.up.high):.1f}" y2="{y(dot.up.low):.1f}"'
            parts.append(f'<line class="faint" x1="{at:.1f}" x2="{at:.1f}" {ends}/>')
        told = f"{one_line(dot.name)}: {100 * dot.up.mean:.0f} %, {shown(dot.across)}"
        parts.append(
            f'<circle class="{colour}" cx="{at:.1f}" cy="{height:.1f}" r="6"><title>{escape(told)}</title></circle>'
        )
        near = [level for other, level in taken if abs(other - at) < _NAME]
        line = next(line for line in _lines(height + 4, floor) if all(abs(level - line) >= _LINE for level in near))
        taken.append((at, line))
        side, anchor = (-11, "end") if at > WIDTH - _RIGHT - _NAME else (11, "start")
        name = escape(one_line(dot.name, 22))
        parts.append(f'<text class="name" x="{at + side:.1f}" y="{line:.1f}" text-anchor="{anchor}">{name}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


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
