"""The curve of a run's loss or reward margin as an SVG picture that is readable on a light page and on a dark one.

Drawn are the training value of each logged step, faintly; the same smoothed; and the held-out one as points. Knows
nothing about where the numbers come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

Point = tuple[float, float]

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 48
_SMOOTHED = 0.04
_STYLE = """
  svg { color: #24292f; font: 13px system-ui, sans-serif; --loss: #0969da; --held-out: #bc4c00 }
  @media (prefers-color-scheme: dark) { svg { color: #e6edf3; --loss: #58a6ff; --held-out: #ffa657 } }
  text { fill: currentColor } .grid { stroke: currentColor; stroke-opacity: .15 }
  .raw, .smooth { fill: none; stroke: var(--loss); stroke-linejoin: round }
  .raw { stroke-opacity: .3 } .smooth { stroke-width: 2.5 }
  .held-out { fill: var(--held-out) } .between { fill: none; stroke: var(--held-out); stroke-dasharray: 4 4 }
"""


def smoothed(points: Sequence[Point], share: float = _SMOOTHED) -> list[Point]:
    """An exponential moving average over about `share` of the points, corrected for its start (Kingma, Ba 2014)."""
    kept = 1 - 1 / max(1.0, share * len(points))
    average = weight = 0.0
    result = []
    for x, y in points:
        average, weight = kept * average + (1 - kept) * y, kept * weight + (1 - kept)
        result.append((x, average / weight))
    return result


def curve(training: Sequence[Point], held_out: Sequence[Point], what: str = "loss", unit: str = "nats a token") -> str:
    """The picture.

    Args:
        training: step and value, in `unit`, by rising step.
        held_out: the same of what is held out.
        what: what the values are.
        unit: their unit.
    """
    every = [*training, *held_out]
    most = max((x for x, _ in every), default=0) or 1
    low, high = min((y for _, y in every), default=0.0), max((y for _, y in every), default=1.0)
    y_ticks = list(_ticks(low, max(high, low + 0.01)))
    low, high = min(low, y_ticks[0]), max(high, y_ticks[-1])

    def at(x: float, y: float) -> Point:
        across = _LEFT + x / most * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def line(points: Sequence[Point], style: str) -> str:
        places = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in points)
        return f'<polyline class="{style}" points="{places}"/>'

    drawn = [f"<style>{_STYLE}</style>"]
    for tick in y_ticks:
        _, y = at(0, tick)
        drawn.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(_text(_LEFT - 8, y + 4, f"{tick:g}", "end"))
    for tick in (tick for tick in _ticks(0, most) if tick <= most):
        x, _ = at(tick, low)
        drawn.append(_text(x, _HEIGHT - _BOTTOM + 20, f"{tick:,g}", "middle"))
    drawn.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "optimiser steps", "middle"))
    drawn.append(_text(8, 24, f"{what}, {unit}", "start"))
    drawn += [line(training, "raw"), line(smoothed(training), "smooth"), line(held_out, "between")]
    for point in held_out:
        x, y = at(*point)
        drawn.append(f'<circle class="held-out" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{point[1]:g}</title></circle>')
    drawn.append(f'<line class="smooth" x1="{_WIDTH - 250}" x2="{_WIDTH - 222}" y1="20" y2="20"/>')
    drawn.append(_text(_WIDTH - 214, 24, "training", "start"))
    drawn.append(f'<circle class="held-out" cx="{_WIDTH - 112}" cy="20" r="4"/>')
    drawn.append(_text(_WIDTH - 100, 24, "held out", "start"))
    body = "\n".join(drawn)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(_title(what, training, held_out))}</title>\n{body}\n</svg>\n"
    )


def _title(what: str, training: Sequence[Point], held_out: Sequence[Point]) -> str:
    """What is to be seen, for those who can't."""
    parts = [
        f"{name} from {points[0][1]:.3f} to {points[-1][1]:.3f}"
        for name, points in ((f"training {what}", smoothed(training)), (f"held-out {what}", held_out))
        if points
    ]
    return f"{what.capitalize()} over the optimiser steps: {', '.join(parts) or 'nothing was logged'}"


def _ticks(low: float, high: float) -> Iterator[float]:
    """Four to ten round numbers around `low` to `high`, the outer ones beyond or on them."""
    span = high - low
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
    for number in range(math.floor(low / step), math.ceil(high / step) + 1):
        yield round(number * step, 10)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
