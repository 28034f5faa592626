"""Several interpreters on a stream of code: nothing is lost, whatever dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import count

import pytest

import sandbox.bubblewrap
from sandbox import InterpreterGone, Limits, Outcome, Pool, SandboxError, Warm

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's containment")


def test_every_job_is_answered_once() -> None:
    jobs = [(number, f"print({number})" if number % 7 else "while True: pass") for number in range(40)]
    with Pool(["json"], workers=3) as pool:
        answers = list(pool.run_all(iter(jobs), Limits(seconds=0.3)))
        assert sorted(key for key, _ in answers) == list(range(40))
        for key, outcome in answers:
            assert (outcome.reason, outcome.stdout) == (("ok", f"{key}\n") if key % 7 else ("timeout", ""))
        assert [key for key, _ in pool.run_all([("again", "1")])] == ["again"]
    with pytest.raises(SandboxError, match="isn't running"):
        list(pool.run_all([("later", "1")]))


def test_an_endless_stream_is_read_only_a_little_ahead() -> None:
    taken = []

    def endless() -> Iterator[tuple[int, str]]:
        for number in count():
            taken.append(number)
            yield number, "print(1)"

    with Pool(workers=2) as pool:
        for answered, (_, outcome) in enumerate(pool.run_all(endless()), 1):
            assert outcome.stdout == "1\n"
            assert len(taken) <= answered + 6
            if answered == 20:
                break


def test_a_stream_that_fails_ends_the_run() -> None:
    def failing() -> Iterator[tuple[int, str]]:
        yield 1, "print(1)"
        raise KeyError("the caller's own")

    with Pool(workers=2) as pool, pytest.raises(KeyError, match="own"):
        list(pool.run_all(failing()))


def test_an_interpreter_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.bubblewrap, "failure", lambda python: "bubblewrap is switched off")
    say = "import os; print(os.getppid())"
    seen = []
    with Pool(workers=1) as pool:
        for _, outcome in pool.run_all([(number, say) for number in range(4)]):
            assert outcome.reason == "ok"
            seen.append(int(outcome.stdout))
            if len(seen) == 1:
                os.kill(seen[0], 9)
    assert len(seen) == 4
    assert seen[-1] != seen[0]


def test_code_whose_interpreters_die_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Warm.run
    tries = []

    def run(self: Warm, code: str, limits: Limits) -> Outcome:
        if code == "deadly":
            tries.append(self)
            raise InterpreterGone("the warm interpreter has ended")
        return whole(self, code, limits)

    monkeypatch.setattr(Warm, "run", run)
    with Pool(workers=2) as pool:
        answers = dict(pool.run_all([("a", "print(1)"), ("b", "deadly"), ("c", "print(3)")]))
    assert {key: outcome.reason for key, outcome in answers.items()} == {"a": "ok", "b": "killed", "c": "ok"}
    assert len(set(tries)) == 2


def test_what_cannot_be_contained_is_said_at_once() -> None:
    with pytest.raises(SandboxError, match="no_such_module"), Pool(["no_such_module"]):
        pass
