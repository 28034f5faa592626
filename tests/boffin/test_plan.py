"""`boffin plan`: its arithmetic by hand, and that it reckons with what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _plan(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "boffin", "plan", "--users", "500", "--questions-per-day", "20", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _json(folder: Path, *options: str) -> Any:
    run = _plan(folder, "--json", *options)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_busiest_minutes_decide_how_many_machines(tmp_path: Path) -> None:
    # 500 × 20 questions in 480 minutes, three times as many at the peak: 62.5 a minute. 100 tokens a second are 12
    # answers of 500 tokens a minute, of which 70 % are planned with: 62.5 / 8.4 = 7.4.
    told = _json(tmp_path, "--tokens-a-second", "100")
    assert told["at_peak_a_minute"] == pytest.approx(62.5)
    assert told["a_machine_a_minute"] == pytest.approx(12)
    assert (told["throughput_from"], told["machines"]) == ("given", 8)
    assert told["demand"]["days_a_month"] * 10_000 == 210_000
    assert told["figures"]["served_queries_a_month"]["value"] == 210_000


@pytest.mark.parametrize(
    ("options", "machines"),
    [
        (("--peak", "1"), 3),  # 20.8 / 8.4
        (("--hours-a-day", "24"), 3),  # 20.8 / 8.4
        (("--set", "evaluation.cost.cache_hit_share=0.5"), 4),  # 31.25 / 8.4
        (("--set", "evaluation.cost.answer_tokens=250"), 4),  # 62.5 / 16.8
    ],
)
def test_each_assumption_moves_it(tmp_path: Path, options: tuple[str, ...], machines: int) -> None:
    assert _json(tmp_path, "--tokens-a-second", "100", *options)["machines"] == machines


def test_a_page_says_where_the_throughput_is_from(tmp_path: Path) -> None:
    run = _plan(tmp_path)
    assert run.stdout.startswith("1 machine, $")
    assert "(assumed)" in run.stdout and "62.5 a minute" in run.stdout


def test_nobody_asking_is_one_line(tmp_path: Path) -> None:
    run = _plan(tmp_path, "--peak", "0.5")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
