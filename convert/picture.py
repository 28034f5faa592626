"""The quantisations as an SVG picture, size against divergence, readable on a light page and on a dark one.

Knows nothing about how they were measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from bundle.evidence import Measurement

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 90, 44, 52
_LINE = 15
_LEAST = 1e-6
"""Smallest divergence that is drawn, in nats: the axis is logarithmic."""
_STYLE = """
  svg { color: #24292f; font: 13px system-ui, sans-serif; --type: #0969da; --pick: #bc4c00 }
  @media (prefers-color-scheme: dark) { svg { color: #e6edf3; --type: #58a6ff; --pick: #ffa657 } }
  text { fill: currentColor } .grid { stroke: currentColor; stroke-opacity: .15 }
  .type { fill: var(--type) } .pick { fill: var(--pick) } .faint { fill-opacity: .7; font-size: 11px }
"""


def picture(rows: Sequence[Measurement], picked: str) -> str:
    """The picture of all measured types but the unquantised file; `picked` is the one that is served."""
    drawn = [row for row in rows if not row.reference]
    megabytes = [row.bytes / 1e6 for row in drawn] or [1.0]
    most = max(megabytes) * 1.05
    least = 0.0 if min(megabytes) < most / 2 else math.floor(min(megabytes) * 0.95)
    levels = [math.log10(max(row.divergence, _LEAST)) for row in drawn] or [0.0]
    low, high = math.floor(min(levels)), max(math.ceil(max(levels)), math.floor(min(levels)) + 1)

    def at(row: Measurement) -> tuple[float, float]:
        return across(row.bytes / 1e6), up(math.log10(max(row.divergence, _LEAST)))

    def across(size: float) -> float:
        return _LEFT + (size - least) / (most - least) * (_WIDTH - _LEFT - _RIGHT)

    def up(level: float) -> float:
        return _HEIGHT - _BOTTOM - (level - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    body = [f"<style>{_STYLE}</style>"]
    for level in range(low, high + 1):
        body.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(level):.1f}" y2="{up(level):.1f}"/>'
        )
        body.append(_text(_LEFT - 8, up(level) + 4, f"{10.0**level:g}", "end"))
    for tick in _ticks(least, most):
        body.append(_text(across(tick), _HEIGHT - _BOTTOM + 20, f"{tick:,g}", "middle"))
    body.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "size of the file, MB", "middle"))
    body.append(_text(8, 24, "mean divergence from the unquantised model, nats a token", "start"))
    taken: list[tuple[float, float]] = []
    for row in sorted(drawn, key=lambda row: -row.bytes):
        x, y = at(row)
        style = "pick" if row.quantisation == picked else "type"
        body.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{_told(row)}</title></circle>')
        down = _free(x + 10, y, taken)
        body.append(_text(x + 10, down + 4, row.quantisation, "start"))
        body.append(_text(x + 10, down + 4 + _LINE, f"{row.decode:,.0f} tokens/s", "start", "faint"))
    title = "; ".join(_told(row) for row in drawn)
    inner = "\n".join(body)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>Size against divergence: {title}. Served: {escape(picked)}</title>\n{inner}\n</svg>\n"
    )


def _told(row: Measurement) -> str:
    return escape(
        f"{row.quantisation}: {row.bytes / 1e6:,.0f} MB, {row.divergence:.5f} nats, {row.decode:,.0f} tokens a second"
    )


def _free(x: float, y: float, taken: list[tuple[float, float]]) -> float:
    """The height at which two lines of text beside a point cover no others; it is noted as taken."""
    for step in range(20):
        height = y + (step + 1) // 2 * (_LINE if step % 2 else -_LINE)
        if all(abs(height - other) >= 2 * _LINE or abs(x - beside) >= 90 for beside, other in taken):
            break
    taken.append((x, height))
    return height


def _ticks(low: float, high: float) -> Iterator[float]:
    """Three to eight round numbers between `low` and `high`."""
    step = 10 ** math.floor(math.log10((high - low) / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 8)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield number * step


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
