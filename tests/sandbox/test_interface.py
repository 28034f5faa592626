"""What the room promises beside containment: limits that make sense, honest refusals, a warm interpreter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import sandbox.containment
from sandbox import Limits, SandboxError, Warm, run_code

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's containment")


@pytest.mark.parametrize("field", ["seconds", "memory_bytes", "output_bytes", "processes", "file_bytes"])
def test_limits_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Limits(**{field: 0})


@linux
def test_it_refuses_where_nothing_contains_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox.containment, "landlock_abi", lambda: 0)
    trace = tmp_path / "ran"
    with pytest.raises(SandboxError, match="no Landlock"):
        run_code(f"open({str(trace)!r}, 'w')")
    assert not trace.exists()
    outcome = run_code("print(1)", allow_mere_limits=True)
    assert (outcome.reason, outcome.stdout) == ("ok", "1\n")
    assert run_code("while True: pass", Limits(seconds=0.5), allow_mere_limits=True).reason == "timeout"


@linux
def test_it_refuses_without_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.syscalls.program.cache_clear()
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(SandboxError, match="install pyseccomp"):
        run_code("print(1)")


@linux
def test_it_refuses_when_the_child_cannot_be_contained(monkeypatch: pytest.MonkeyPatch) -> None:
    held = sandbox.containment.Containment(landlock=7, filter=b"no filter")
    monkeypatch.setattr(sandbox.run, "containment", lambda *_: held)
    with pytest.raises(SandboxError, match=r"can't be contained.*seccomp"):
        run_code("print('ran')")


@pytest.mark.parametrize("python", ["/no/such/python", __file__])
def test_an_interpreter_that_is_none(python: str) -> None:
    with pytest.raises(SandboxError, match="name another Python interpreter"):
        run_code("print(1)", python=python)
    with pytest.raises(SandboxError, match="name another Python interpreter"), Warm(python=python):
        pass


def test_an_import_that_fails() -> None:
    if sys.platform.startswith("linux"):
        with pytest.raises(SandboxError, match="no_such_module"), Warm(imports=["no_such_module"]):
            pass


@linux
def test_the_warm_interpreter_has_its_imports_and_keeps_examples_apart() -> None:
    with Warm(imports=["numpy"]) as warm:
        assert warm.run("import sys; print('numpy' in sys.modules)").stdout == "True\n"
        draw = "import numpy; print(numpy.random.rand())"
        assert warm.run(draw).stdout != warm.run(draw).stdout
        warm.run("import numpy; numpy.pi = 3")
        assert warm.run("import numpy; print(numpy.pi > 3)").stdout == "True\n"
        assert warm.run("import atexit; atexit.register(print, 'bye'); raise SystemExit('why')").stdout == "bye\n"
        assert warm.run("raise SystemExit('why')").stderr == "why\n"


@linux
def test_the_warm_interpreter_ends_with_its_context() -> None:
    with Warm() as warm:
        server = int(warm.run("import os; print(os.getppid())").stdout)
        os.kill(server, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    with pytest.raises(SandboxError, match="isn't running"):
        warm.run("print(1)")


@linux
def test_a_warm_interpreter_that_was_killed_says_so() -> None:
    with Warm() as warm:
        os.kill(int(warm.run("import os; print(os.getppid())").stdout), 9)
        with pytest.raises(SandboxError, match="has ended"):
            warm.run("print(1)")


@linux
def test_time_may_be_over_before_the_code_begins() -> None:
    with Warm() as warm:
        for _ in range(20):
            assert warm.run("while True: pass", Limits(seconds=1e-6)).reason == "timeout"
    assert run_code("while True: pass", Limits(seconds=1e-6)).reason == "timeout"
