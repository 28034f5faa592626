"""The budget: the rate rises, then falls with the steps or the time, whichever is used up first."""

from __future__ import annotations

import time

import pytest

from trainer.budget import Budget


def test_the_rate_follows_the_steps() -> None:
    budget = Budget(max_steps=100, warmup_steps=10)
    assert budget.rate(0) == pytest.approx(0.1)
    assert budget.rate(9) == pytest.approx(1.0)
    assert budget.rate(50) == pytest.approx(0.5)
    assert budget.rate(100) == 0.0


def test_the_rate_follows_the_time_when_that_runs_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = Budget(max_steps=10_000, seconds=60)
    budget.start()
    clock[0] += 45
    assert budget.rate(20) == pytest.approx(0.25)
    clock[0] += 30
    assert budget.used(20) == 1.0 and budget.rate(20) == 0.0


def test_the_time_of_earlier_attempts_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = Budget(max_steps=10_000, seconds=60, spent=30)
    budget.start()
    clock[0] += 15
    assert budget.elapsed == 45 and budget.used(1) == pytest.approx(0.75)
    assert budget.seconds_left(1) == pytest.approx(15)


def test_the_other_schedules() -> None:
    assert Budget(max_steps=10, schedule="constant").rate(9) == 1.0
    cosine = Budget(max_steps=10, schedule="cosine")
    assert [cosine.rate(step) for step in (0, 5, 10)] == pytest.approx([1.0, 0.5, 0.0])
