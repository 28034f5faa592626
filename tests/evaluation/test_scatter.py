"""The picture of quality against cost: where names stand."""

from __future__ import annotations

import re

from evaluation.estimate import Estimate
from evaluation.scatter import Dot, scatter


def _picture(places: list[tuple[str, float, float]]) -> str:
    dots = [Dot(name, across, Estimate(mean=up, low=up, high=up)) for name, across, up in places]
    return scatter("title", dots, ("cost", "quality"), str, [dot.name for dot in dots])


def _names(svg: str) -> list[tuple[str, float, float, float]]:
    """Each name's text, where it begins and ends at seven a letter, and its line."""
    found = re.findall(r'<text class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]*)</text>', svg)
    boxes = []
    for x, y, anchor, name in found:
        width = 7 * len(name)
        left = float(x) - (width if anchor == "end" else 0)
        boxes.append((name, left, left + width, float(y)))
    return boxes


def test_names_stand_over_no_other_name_and_no_dot() -> None:
    crowd = [(f"tuned number {number}", 4.45, 0.1 + number / 1000) for number in range(7)]
    svg = _picture([("base", 3.65, 0.06), ("base from memory", 3.65, 0.085), *crowd])
    names = _names(svg)
    assert sorted(name for name, *_ in names) == sorted(["base", "base from memory", *(name for name, *_ in crowd)])
    for number, (_, left, right, line) in enumerate(names):
        assert left >= 0 and right <= 720
        for _, other_left, other_right, other_line in names[number + 1 :]:
            assert left >= other_right or right <= other_left or abs(line - other_line) >= 13
        for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg):
            assert left >= float(x) or right <= float(x) or abs(line - 4 - float(y)) >= 10


def test_a_name_away_from_its_dot_is_led_to_it() -> None:
    alone = _picture([("alone", 2.0, 0.5)])
    assert '<line class="faint"' not in alone
    together = _picture([(f"together {number}", 2.0, 0.5) for number in range(4)])
    dots = set(re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', together))
    leads = re.findall(r'<line class="faint" x1="([\d.]+)" y1="([\d.]+)"', together)
    assert leads and set(leads) <= dots
