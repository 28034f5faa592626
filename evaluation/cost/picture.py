"""A case as an SVG picture that is readable on a light page and on a dark one.

Above: what a month costs, by the queries a month. Below: what each input, halved and doubled, does to what is saved.
Knows nothing about how anything was reckoned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape

from evaluation.cost.analysis import Analysis
from evaluation.cost.figure import dollars
from evaluation.cost.own import own_cost
from evaluation.escape import one_line

_WIDTH = 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 150, 52, 52
_HEIGHT = 400
_NAMES = 220
"""Width of the names of inputs."""
_ROW, _MOST_ROWS = 26, 12
_MOST_LINES = 15
"""How many hosted models are drawn, the one that is compared with among them: more names have no room."""
_POINTS = 240
_LINE = 15
_STYLE = """
  svg { color: #24292f; font: 13px system-ui, sans-serif; --own: #0969da; --hosted: #bc4c00; --less: #0969da }
  @media (prefers-color-scheme: dark) {
    svg { color: #e6edf3; --own: #58a6ff; --hosted: #ffa657; --less: #58a6ff }
  }
  text { fill: currentColor } .strong { font-weight: 600 } .faint { fill-opacity: .7; font-size: 11px }
  .grid, .zero { stroke: currentColor; stroke-opacity: .15 } .zero { stroke-opacity: .6 }
  .own, .main, .other { fill: none; stroke-width: 2.5 } .own { stroke: var(--own) } .main { stroke: var(--hosted) }
  .other { stroke: currentColor; stroke-opacity: .4; stroke-width: 1.2 }
  .here { stroke: currentColor; stroke-opacity: .5; stroke-dasharray: 4 4 } .dot { fill: currentColor }
  .halved { fill: var(--less) } .doubled { fill: var(--hosted) }
"""


def picture(analysis: Analysis) -> str:
    """The whole picture."""
    rows = analysis.main_swings[:_MOST_ROWS]
    height = _HEIGHT + (2 * _ROW + 40 + _ROW * len(rows) if rows else 0)
    parts = [f"<style>{_STYLE}</style>", *_months(analysis)]
    if rows:
        parts += [f'<g transform="translate(0 {_HEIGHT})">', *_tornado(analysis), "</g>"]
    body = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(_told(analysis))}</title>\n{body}\n</svg>\n"
    )


def _told(analysis: Analysis) -> str:
    """What is to be seen, for those who can't."""
    main = analysis.main
    return (
        f"Cost of a month by queries a month. Self-hosted {main.own.month.shown}, {main.hosted.name} "
        f"{main.month.shown} at {analysis.case.queries_a_month:,.0f} queries; self-hosted is cheaper from "
        f"{main.pays_from.shown} on. What is saved hangs most on: "
        f"{', '.join(swing.title for swing in analysis.main_swings[:3])}."
    )


def _months(analysis: Analysis) -> Iterator[str]:
    case, main = analysis.case, analysis.main
    here, pays = case.queries_a_month, main.pays_from.value and max(1.0, main.pays_from.value)
    least = math.log10(max(1.0, min(here, pays or here) / 30))
    most = math.log10(max(here, pays or here) * 30)
    loads = [10 ** (least + (most - least) * step / _POINTS) for step in range(_POINTS + 1)]
    own = [float(own_cost(replace(case, queries_a_month=load)).month) for load in loads]
    drawn = [main, *analysis.others[: _MOST_LINES - 1]]
    lines = {one.hosted.name: [load * float(one.query) for load in loads] for one in drawn}
    costs = [cost for cost in [*own, *(cost for line in lines.values() for cost in line)] if cost > 0] or [1.0]
    low, high = max(math.log10(min(costs)), math.log10(max(costs)) - 7), math.log10(max(costs))
    low, high = (math.floor(low), math.ceil(high)) if high - low > 0.5 else (math.floor(low), math.floor(low) + 1)

    def across(load: float) -> float:
        return _LEFT + (math.log10(load) - least) / (most - least) * (_WIDTH - _LEFT - _RIGHT)

    def up(cost: float) -> float:
        level = max(low, math.log10(max(cost, 1e-9)))
        return _HEIGHT - _BOTTOM - (level - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def line(values: Sequence[float], style: str) -> str:
        points = " ".join(f"{across(load):.1f},{up(cost):.1f}" for load, cost in zip(loads, values, strict=True))
        return f'<polyline class="{style}" points="{points}"/>'

    yield _text(8, 22, "what a month costs, by queries a month", "start", "strong")
    for level in range(low, high + 1):
        y = up(10.0**level)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 8, y + 4, _axis(10.0**level), "end")
    for level in range(math.ceil(least), math.floor(most) + 1):
        yield _text(across(10.0**level), _HEIGHT - _BOTTOM + 20, _load(10.0**level), "middle")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, "queries a month", "middle")
    x = across(here)
    yield f'<line class="here" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{_HEIGHT - _BOTTOM}"/>'
    yield _text(x, _TOP - 12, f"{here:,.0f} a month", "middle", "faint")
    for name, values in lines.items():
        if name != main.hosted.name:
            yield line(values, "other")
    yield line(lines[main.hosted.name], "main")
    yield line(own, "own")
    ends = {name: up(values[-1]) for name, values in lines.items()} | {"self-hosted": up(own[-1])}
    for name, y in _apart(ends):
        strong = name in ("self-hosted", main.hosted.name)
        yield _text(_WIDTH - _RIGHT + 8, y + 4, one_line(name, 20), "start", "strong" if strong else "faint")
    if len(drawn) < len(analysis.all):
        more = f"{len(analysis.all) - len(drawn):,} more aren’t drawn"
        yield _text(_WIDTH - _RIGHT + 8, _HEIGHT - 10, more, "start", "faint")
    if pays:
        at = float(own_cost(replace(case, queries_a_month=pays)).month)
        yield f'<circle class="dot" cx="{across(pays):.1f}" cy="{up(at):.1f}" r="4.5"/>'
        yield _text(across(pays) + 10, up(at) + 20, f"cheaper from {main.pays_from.shown}", "start")


def _tornado(analysis: Analysis) -> Iterator[str]:
    rows, base = analysis.main_swings[:_MOST_ROWS], float(analysis.main.saved)
    values = [base, *(float(one.saved) for swing in rows for one in (swing.halved, swing.doubled))]
    low, high = min(values), max(values)
    left, right = _NAMES, _WIDTH - 90
    top, bottom = 62, 62 + _ROW * len(rows)

    def across(value: float) -> float:
        return left + 70 + (value - low) / ((high - low) or 1) * (right - left - 70)

    yield _text(8, 22, f"what is saved a month against {one_line(analysis.main.hosted.name, 40)}", "start", "strong")
    yield '<rect class="halved" x="8" y="36" width="12" height="10"/>' + _text(26, 45, "input halved", "start")
    yield '<rect class="doubled" x="120" y="36" width="12" height="10"/>' + _text(138, 45, "doubled", "start")
    for position, swing in enumerate(rows):
        y = top + position * _ROW
        yield _text(left - 8, y + 17, swing.title, "end")
        both = [("halved", swing.halved_by, swing.halved), ("doubled", swing.doubled_by, swing.doubled)]
        # The longer bar first, lest it hide the other where both go the same way.
        for style, times, one in sorted(both, key=lambda item: -abs(float(item[2].saved) - base)):
            begin, end = sorted((across(base), across(float(one.saved))))
            told = (
                f"{swing.title} × {times:.3g}: {one.saved.shown} saved, break-even in days {one.break_even_days.shown}"
            )
            yield (
                f'<rect class="{style}" x="{begin:.1f}" y="{y + 4}" width="{max(end - begin, 1):.1f}" '
                f'height="{_ROW - 8}">'
                f"<title>{escape(told)}</title></rect>"
            )
        ends = sorted((float(swing.halved.saved), float(swing.doubled.saved)))
        if ends[0] < base:
            yield _text(across(ends[0]) - 5, y + 17, dollars(ends[0]), "end", "faint")
        if ends[1] > base:
            yield _text(across(ends[1]) + 5, y + 17, dollars(ends[1]), "start", "faint")
    x = across(base)
    yield f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 4}" y2="{bottom}"/>'
    yield _text(x, bottom + 18, f"{analysis.main.saved.shown} as it is", "middle", "faint")


def _apart(heights: dict[str, float]) -> Iterator[tuple[str, float]]:
    """The names at their heights, pushed down where they would cover each other, and up again from below the axis."""
    names, last = sorted(heights, key=lambda name: heights[name]), -math.inf
    apart = [last := max(heights[name], last + _LINE) for name in names]
    lowest = float(_HEIGHT - _BOTTOM)
    for name, y in zip(reversed(names), reversed(apart), strict=True):
        yield name, min(y, lowest)
        lowest = min(y, lowest) - _LINE


def _axis(value: float) -> str:
    return f"${_load(value)}" if value >= 1000 else dollars(value).removesuffix(".00")


def _load(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
