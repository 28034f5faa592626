"""Each containment, with its reason: with and without bubblewrap or Landlock, in a fresh interpreter and a warm one, as
this user and as one without rights.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="written for Linux's containment")

CASES: dict[str, tuple[str, dict[str, float], str]] = {
    "normal": ("import json; print(json.dumps({'answer': 6 * 7}))", {}, "ok"),
    "asyncio": ("import asyncio\nasync def f():\n    print(1)\nasyncio.run(f())", {}, "ok"),
    "own-files": (
        "import tempfile, pathlib\nwith tempfile.TemporaryDirectory() as d:\n"
        "    p = pathlib.Path(d, 'a'); p.write_text('mine'); print(p.read_text())",
        {},
        "ok",
    ),
    "own-program": (
        "import os, subprocess, sys\nwith open(os.open('tool', os.O_CREAT | os.O_WRONLY, 0o700), 'w') as file:\n"
        "    file.write(f'#!{sys.executable} -I\\nprint(1)\\n')\n"
        "print(subprocess.run([os.path.abspath('tool')], check=True))",
        {"processes": 4},
        "ok",
    ),
    "exception": ("def divide(a):\n    return a / 0\n\ndivide(1)", {}, "exception"),
    "exit-code": ("raise SystemExit(3)", {}, "exception"),
    "syntax": ("def", {}, "exception"),
    "not-text": ("print('\ud800\0')", {}, "exception"),
    "tcp": ("import socket\nsocket.create_connection(('127.0.0.1', PORT))", {}, "network"),
    "name": ("import urllib.request\nurllib.request.urlopen('http://example.com')", {}, "network"),
    "unix-socket": ("import socket\nsocket.socket(socket.AF_UNIX).connect('/run/nobody')", {}, "network"),
    "read-outside": ("print(open('OUTSIDE/victim').read())", {}, "refused"),
    "list-outside": ("import os\nprint(os.listdir('OUTSIDE'))", {}, "refused"),
    "write-outside": ("open('OUTSIDE/victim', 'w')", {}, "refused"),
    "truncate-outside": ("import os\nos.open('OUTSIDE/victim', os.O_RDONLY | os.O_TRUNC)", {}, "refused"),
    "new-outside": ("open('OUTSIDE/new', 'w')", {}, "refused"),
    "remove-outside": ("import os\nos.unlink('OUTSIDE/victim')", {}, "refused"),
    "rights-outside": ("import os\nos.chmod('OUTSIDE/victim', 0)", {}, "refused"),
    "link-outside": ("import os\nos.symlink('OUTSIDE/victim', 'v')\nprint(open('v').read())", {}, "refused"),
    "processes-outside": ("print(open('/proc/self/environ').read())", {}, "refused"),
    "shared-memory": ("open('/dev/shm/boffin-test', 'w')", {}, "refused"),
    "no-such-file": ("open('missing')", {}, "exception"),
    "signal-outside": ("import os\nos.kill(os.getppid(), 9)", {}, "refused"),
    "environment": ("import os\nprint(os.environ['SECRET'])", {}, "exception"),
    "fork-bomb": ("import os\nwhile True:\n    os.fork()", {}, "processes"),
    "stubborn-fork-bomb": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        {"seconds": 0.7, "processes": 8},
        "timeout",
    ),
    "leaves-a-child": (
        "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint('parent')",
        {"processes": 4},
        "ok",
    ),
    "child-leaves-the-group": ("import os\nif os.fork() == 0:\n    os.setsid()\nos.wait()", {"processes": 4}, "ok"),
    "thread-bomb": (
        "import threading, time\nthreading.stack_size(32768)\n"
        "while True:\n    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        {"seconds": 5},
        "exception",
    ),
    "allocation": ("x = bytearray(10 * 2**30)", {}, "memory"),
    "many-allocations": ("x = []\nwhile True:\n    x.append(bytes(2**20))", {"memory_bytes": 2**28}, "memory"),
    "endless-loop": ("while True:\n    pass", {"seconds": 0.4}, "timeout"),
    "closes-its-output": ("import os, time\nos.closerange(0, 99)\ntime.sleep(60)", {"seconds": 0.4}, "timeout"),
    "endless-output": ("while True:\n    print('x' * 1000)", {"output_bytes": 5000}, "output"),
    "endless-errors": ("import sys\nwhile True:\n    sys.stderr.write('x' * 1000)", {"output_bytes": 5000}, "output"),
    "endless-file": ("f = open('x', 'wb')\nwhile True:\n    f.write(bytes(2**16))", {"file_bytes": 2**20}, "output"),
    "crash": ("import os\nos.abort()", {}, "killed"),
    "closed-folder": ("import os\nos.mkdir('d', 0)\nos.mkdir('e')\nopen('e/f', 'w')\nprint(1)", {}, "ok"),
    "deep-folder": ("import os\nfor _ in range(1200):\n    os.mkdir('d')\n    os.chdir('d')", {}, "ok"),
}

RUNNER = """
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
import pyseccomp
import sandbox.bubblewrap, sandbox.containment
from sandbox import Limits, Warm, explain, run_code

request = json.load(sys.stdin)
python = sys.executable
if request["user"]:
    os.setgroups([])
    os.setresgid(*[request["user"]] * 3)
    os.setresuid(*[request["user"]] * 3)
    readable = [p for p in (python, "/usr/bin/python3", "/usr/local/bin/python3") if os.access(p, os.X_OK)]
    if not readable or not os.access(sandbox.__file__, os.R_OK):
        print(json.dumps({"skip": "a user without rights can read no interpreter, or not this checkout"}))
        raise SystemExit
    python = readable[0]
if "bubblewrap" not in request["walls"]:
    sandbox.bubblewrap.failure = lambda python: "it is switched off"
elif missing := sandbox.bubblewrap.failure(python):
    print(json.dumps({"skip": missing}))
    raise SystemExit
if "Landlock" not in request["walls"]:
    sandbox.containment.landlock_abi = lambda: 0
elif not sandbox.containment.landlock_abi():
    print(json.dumps({"skip": "the kernel has no Landlock"}))
    raise SystemExit

def left():
    deadline = time.monotonic() + 5
    while (found := running()) and time.monotonic() < deadline:
        time.sleep(0.01)  # killed, and on its way out
    return found

def running():
    found = []
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                folder = os.readlink(f"/proc/{process}/cwd")
            except OSError:
                continue
            if folder.startswith(os.environ["TMPDIR"]) and "example-" in folder:
                found.append(process)
    return found

def run(case):
    code, limits, _ = case
    limits = Limits(**limits)
    if not request["warm"]:
        return vars(run_code(code, limits, python))
    warm = idle.get()
    try:
        return vars(warm.run(code, limits))
    finally:
        idle.put(warm)

threads = 4
idle = SimpleQueue()
with ExitStack() as stack:
    for _ in range(threads if request["warm"] else 0):
        idle.put(stack.enter_context(Warm(imports=["json", "urllib.request"], python=python)))
    # The kernel counts by user: without bubblewrap a bomb uses up what others at work for the same user may start.
    bombs = {name: run(case) for name, case in request["cases"].items() if name.endswith("bomb")}
    others = {name: case for name, case in request["cases"].items() if name not in bombs}
    with ThreadPoolExecutor(threads) as executor:
        outcomes = bombs | dict(zip(others, executor.map(run, others.values())))
    outcomes["left"] = left()
outcomes["folders"] = os.listdir(os.environ["TMPDIR"])
outcomes["walls"] = explain(python)
print(json.dumps(outcomes))
"""

EVERY = "bubblewrap + Landlock + seccomp"
WAYS = [
    ("this user", EVERY, "fresh"),
    ("this user", EVERY, "warm"),
    ("this user", "Landlock + seccomp", "warm"),
    ("this user", "bubblewrap + seccomp", "warm"),
    ("nobody", EVERY, "warm"),
    ("nobody", "Landlock + seccomp", "warm"),
    ("nobody", "bubblewrap + seccomp", "warm"),
]


@pytest.fixture(scope="module", params=WAYS, ids=", ".join)
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What became of every case, run by one process under one set of walls."""
    who, walls, how = request.param
    if who == "nobody" and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="boffin-test-"))
    try:
        outside, temporary = folder / "outside", folder / "tmp"
        for path in (folder, outside, temporary):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
        (outside / "victim").write_text("untouched")
        (outside / "victim").chmod(0o666)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            cases = {
                name: (code.replace("OUTSIDE", str(outside)).replace("PORT", port), limits, reason)
                for name, (code, limits, reason) in CASES.items()
            }
            asked = {"user": NOBODY if who == "nobody" else 0, "walls": walls, "warm": how == "warm", "cases": cases}
            done = subprocess.run(
                [sys.executable, "-c", RUNNER],
                input=json.dumps(asked),
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(temporary), "SECRET": "kept"},
            )
            assert done.returncode == 0, done.stderr
            server.settimeout(0)
            with pytest.raises(BlockingIOError):
                server.accept()
        result = json.loads(done.stdout)
        if "skip" in result:
            pytest.skip(result["skip"])
        assert result["walls"].startswith(walls)
        result["outside"] = {path.name: path.read_text() for path in outside.iterdir()}
        result["mode"] = (outside / "victim").stat().st_mode & 0o777
        yield result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", CASES)
def test_the_reason_is_right(outcomes: dict[str, Any], name: str) -> None:
    # Bubblewrap puts the example's own folder into its place.
    own = name == "shared-memory" and "bubblewrap" in outcomes["walls"]
    assert outcomes[name]["reason"] == ("ok" if own else CASES[name][2]), outcomes[name]


def test_nothing_is_left_running(outcomes: dict[str, Any]) -> None:
    assert outcomes["left"] == []


def test_nothing_outside_was_touched_and_no_folder_is_left(outcomes: dict[str, Any]) -> None:
    assert outcomes["outside"] == {"victim": "untouched"}
    assert outcomes["mode"] == 0o666
    assert outcomes["folders"] == []
    assert not Path("/dev/shm/boffin-test").exists()


def test_output_and_traceback_come_back(outcomes: dict[str, Any]) -> None:
    assert outcomes["normal"]["stdout"] == '{"answer": 42}\n'
    assert outcomes["normal"]["stderr"] == ""
    assert outcomes["leaves-a-child"]["stdout"] == "parent\n"
    assert outcomes["exit-code"]["exit_code"] == 3
    # Without Landlock's sixth version not even the signal to itself is allowed, and the C library crashes otherwise.
    assert outcomes["crash"]["exit_code"] in (-6, -11)
    trace = outcomes["exception"]["stderr"]
    assert trace.startswith(
        'Traceback (most recent call last):\n  File "example.py", line 4, in <module>\n    divide(1)\n'
    )
    assert trace.endswith("ZeroDivisionError: division by zero\n")
    assert outcomes["exception"]["exit_code"] == 1


def test_limits_hold_in_time_and_size(outcomes: dict[str, Any]) -> None:
    assert 0.4 <= outcomes["endless-loop"]["seconds"] < 3
    assert len(outcomes["endless-output"]["stdout"]) == 5000
    assert len(outcomes["endless-errors"]["stderr"]) == 5000
