"""Pictures of shares: their labels stand beside the bars, whole or cut at their end."""

from __future__ import annotations

import re
from html import unescape

import pytest

from evaluation.estimate import Estimate
from evaluation.pictures import WIDTH, shares


def labelled(*labels: str) -> tuple[list[str], float, float]:
    """The labels as they are shown, where they end, and where the bars begin."""
    estimate = Estimate(mean=1, low=0.5, high=1)
    drawn = shares("Shares", [(label, {"tuned": estimate}) for label in labels], ["tuned"])
    found = re.findall(r'<text class="label" x="([\d.]+)"[^>]*>(.*?)</text>', drawn)
    bars = re.findall(r'<rect class="c0" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)
    (end,), ((start, length),) = {end for end, _ in found}, set(bars)
    assert float(start) + float(length) <= WIDTH - 50  # the number stands there
    return [unescape(text) for _, text in found], float(end), float(start)


@pytest.mark.parametrize(
    ("label", "pixels"),  # as DejaVu Sans has it in 13 pixels
    [
        ("json", 27),
        ("opentelemetry-instrumentation-flask", 240),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 228),
        ("<&> " * 8, 288),
        ("数" * 20, 260),
    ],
)
def test_a_long_label_makes_room_for_itself(label: str, pixels: int) -> None:
    shown, end, start = labelled(label, "b")
    assert shown == [label.strip(), "b"] and pixels <= end < start


def test_few_letters_leave_the_bars_where_they_are() -> None:
    assert labelled("json", "numpy")[1:] == labelled("a")[1:]


@pytest.mark.parametrize("letter", ["w", "i", "数", "Q"])
def test_a_label_of_more_than_that_is_cut_at_its_end(letter: str) -> None:
    (shown,), end, start = labelled(letter * 150)
    assert set(shown[:-1]) == {letter} and shown.endswith("…") and len(shown) > 20
    assert end < start < WIDTH / 2
