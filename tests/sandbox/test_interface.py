"""What the room promises beside containment: limits that make sense, honest refusals, a warm interpreter."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

import sandbox.bubblewrap
import sandbox.containment
from sandbox import InterpreterGone, Limits, SandboxError, Warm, explain, run_code
from sandbox.apart import run_apart
from sandbox.containment import Containment
from sandbox.folder import example_folder

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's containment")


@pytest.fixture
def without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.bubblewrap, "failure", lambda python: "bubblewrap is switched off")


@pytest.mark.parametrize("field", ["seconds", "memory_bytes", "output_bytes", "processes", "file_bytes"])
def test_limits_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Limits(**{field: 0})


@linux
@pytest.mark.usefixtures("without_bubblewrap")
def test_it_refuses_where_nothing_contains_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox.containment, "landlock_abi", lambda: 0)
    trace = tmp_path / "ran"
    with pytest.raises(SandboxError, match=r"no Landlock.*bubblewrap is switched off.*mere limits"):
        run_code(f"open({str(trace)!r}, 'w')")
    with pytest.raises(SandboxError, match="no Landlock"):
        explain()
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
    monkeypatch.setattr(sandbox.syscalls, "program", lambda *_: b"no filter")
    with pytest.raises(SandboxError, match=r"can't be contained.*seccomp"):
        run_code("print('ran')")


@linux
def test_it_says_which_walls_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    with Warm() as warm:
        assert explain().startswith(warm.walls)
        assert warm.walls.endswith("seccomp")
    monkeypatch.setattr(sandbox.bubblewrap, "failure", lambda python: "bubblewrap isn't installed")
    monkeypatch.setattr(sandbox.containment, "landlock_abi", lambda: 7)
    assert explain() == "Landlock + seccomp (bubblewrap isn't installed)"
    monkeypatch.setattr(sandbox.bubblewrap, "failure", lambda python: "")
    assert explain() == "bubblewrap + Landlock + seccomp"
    monkeypatch.setattr(sandbox.containment, "landlock_abi", lambda: 0)
    assert explain() == "bubblewrap + seccomp (the kernel has no Landlock)"


@linux
def test_bubblewrap_that_is_missing_or_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    sandbox.bubblewrap.failure.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "No permissions to create" in sandbox.bubblewrap.failure(sys.executable)
    broken.unlink()
    sandbox.bubblewrap.failure.cache_clear()
    assert sandbox.bubblewrap.failure(sys.executable) == "bubblewrap isn't installed"
    sandbox.bubblewrap.failure.cache_clear()


SETTING = """
import json, os, random, sys, numpy
print(sys.argv, __file__, __name__, os.listdir("."), os.path.basename(os.getcwd())[:8], sys.path, sys.flags)
print(sys.stdout.encoding, sys.getfilesystemencoding(), hash("a"), list({"one", "two", "three", "four"}), os.umask(0))
keep = lambda v: v.replace(os.getcwd(), "HERE")
print({k: keep(v) for k, v in sorted(os.environ.items())}, os.environ["HOME"] == os.getcwd(), sys.stdin.read())
print(sorted(globals()), file=sys.stderr)
"""
DRAW = "import random, numpy; print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())"


@linux
def test_code_finds_the_same_setting_fresh_and_warm() -> None:
    with Warm(imports=["numpy"]) as warm:
        fresh, forked = run_code(SETTING), warm.run(SETTING)
        draws = [warm.run(DRAW).stdout, warm.run(DRAW).stdout, run_code(DRAW).stdout, run_code(DRAW).stdout]
    assert fresh.reason == "ok", fresh
    assert (fresh.stdout, fresh.stderr) == (forked.stdout, forked.stderr)
    assert "example.py __main__ ['example.py'] example-" in fresh.stdout
    assert len({number for draw in draws for number in draw.split()}) == 12


@linux
def test_an_interpreter_that_runs_nothing_else_is_contained_too() -> None:
    abi = sandbox.containment.landlock_abi()
    held = Containment("Landlock + seccomp", landlock=abi, seccomp=True)
    python = Path(sys.executable)
    assert run_apart("print(6 * 7)", Limits(), python, held).stdout == "42\n"
    assert run_apart("raise SystemExit(3)", Limits(), python, held).exit_code == 3
    assert run_apart("import socket; socket.socket()", Limits(), python, held).reason == "network"
    assert run_apart("while True: print(1)", Limits(output_bytes=1000), python, held).reason == "output"
    assert run_apart("while True: pass", Limits(seconds=0.3), python, held).reason == "timeout"
    assert run_apart("import os; os.close(1); os.close(2)", Limits(seconds=5), python, held).reason == "ok"


@linux
def test_an_example_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    with Warm() as warm:
        assert warm.run("open('mine', 'w')").reason == "ok"
        warm.run("open('/dev/shm/mine', 'w')")
        assert warm.run("import os; print(os.listdir('.'))").stdout == "['example.py']\n"
    writable, outside = tmp_path / "run", tmp_path / "outside"
    writable.mkdir()
    outside.mkdir(mode=0o500)
    with example_folder(writable, "") as folder:
        (folder / "mine").touch()
        (writable / "beside").touch()
        (writable / "folder").mkdir(mode=0)
        (writable / "link").symlink_to(outside)
    assert list(writable.iterdir()) == []
    assert outside.stat().st_mode & 0o777 == 0o500


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


def commands_with(text: str) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_text()
            except OSError:
                continue
            if text in command:
                found.append(command)
    return found


@linux
def test_the_warm_interpreter_ends_with_its_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if missing := sandbox.bubblewrap.failure(sys.executable):
        pytest.skip(missing)
    with Warm() as warm:
        assert warm.run("print(1)").reason == "ok"
        assert commands_with(str(tmp_path))
    assert not commands_with(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SandboxError, match="isn't running"):
        warm.run("print(1)")


@linux
@pytest.mark.usefixtures("without_bubblewrap")
def test_the_warm_interpreter_without_bubblewrap_ends_with_its_context() -> None:
    with Warm() as warm:
        server = int(warm.run("import os; print(os.getppid())").stdout)
        os.kill(server, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


@linux
@pytest.mark.usefixtures("without_bubblewrap")
def test_a_warm_interpreter_that_was_killed_says_so() -> None:
    with Warm() as warm:
        os.kill(int(warm.run("import os; print(os.getppid())").stdout), 9)
        with pytest.raises(InterpreterGone, match="has ended"):
            warm.run("print(1)")


@linux
def test_time_may_be_over_before_the_code_begins() -> None:
    with Warm() as warm:
        for _ in range(20):
            assert warm.run("while True: pass", Limits(seconds=1e-6)).reason == "timeout"
    assert run_code("while True: pass", Limits(seconds=1e-6)).reason == "timeout"


@linux
def test_code_that_writes_to_the_status_pipe_lies_about_itself_alone() -> None:
    say = (
        "import os\nfor n in range(3, 64):\n    try:\n        os.write(n, b' lies')\n"
        "    except OSError:\n        pass\n"
    )
    with Warm() as warm:
        assert warm.run(say).reason == "ok"
        assert warm.run(f"{say}1 / 0").reason == "exception"
        assert warm.run("print(1)").stdout == "1\n"
