"""The checker: what a check sees, how it ends, and that an answer can't forge a pass."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from bundle.errors import EvaluationError
from evaluation.suite.checker import Checker, Verdict
from evaluation.suite.question import Check, Question, Symbol
from sandbox import explain

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox's walls are Linux's")


def question(after: str, before: str = "") -> Question:
    return Question("x-y", "basic-usage", "x", "How?", (Symbol("a"),), "", Check(after, before))


def block(code: str) -> str:
    return f"Like so:\n\n```python\n{code}\n```\n"


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    with Checker(workers=1, seconds=10) as checker:
        yield checker


@pytest.fixture(scope="module")
def numpy_checker() -> Iterator[Checker]:
    with Checker(imports=("numpy",), workers=1) as checker:
        yield checker


def run(checker: Checker, after: str, code: str, before: str = "") -> Verdict:
    (verdict,) = checker.check([(question(after, before), block(code))])
    return verdict


PASSES = {
    "output": ("assert output == '42\\n'", "print(42)", ""),
    "names": ("assert double(4) == 8", "def double(x):\n    return 2 * x", ""),
    "results": ("assert 8 in results and len(results) == 1", "from math import pi\nimport json\ny = 2 * x", "x = 4"),
    "changed": ("assert x == 5 and results == [5]", "x += 1", "x = 4"),
    "one namespace": ("def give():\n    return 2\nassert double() == 4", "def double():\n    return 2 * give()", ""),
    "patched before": ("assert asked == ['?']", "input('?')", "asked = []\nimport builtins\n"
    "builtins.input = asked.append"),
    "main": ("assert output", "if __name__ == '__main__':\n    print(1)", ""),
    "exit": ("assert 'done' in output", "import sys\nprint('done')\nsys.exit(0)", ""),
    "thread": (
        "assert output == 'late\\n'",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
        "",
    ),
    "pickle": ("assert back == P(1)", "import pickle\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n"
    "    x: int\n"
               "back = pickle.loads(pickle.dumps(P(1)))", ""),
    "own source": ("assert 'def f' in text", "import inspect\ndef f(): pass\ntext = inspect.getsource(f)", ""),
    "process": ("assert '7' in output", "import subprocess, sys\n"
                "print(subprocess.run([sys.executable, '-c', 'print(7)'], capture_output=True, text=True).stdout)", ""),
    "shadowed by accident": ("assert any(v == 6 for v in results) and sum([1]) == 1", "sum = 6\nany = []", ""),
    "traced by the check": (
        "import sys\nsys.settrace(lambda f, e, a: seen.append(f.f_code.co_name))\nf()\nsys.settrace(None)\n"
        "assert 'f' in seen",
        "def f(): pass",
        "seen = []",
    ),
    "doctest": ("assert tried == (1, 0)", "import doctest\ndef f():\n    '>>> f()\\n1'\n    return 1\n"
                "tried = (lambda r: (r.attempted, r.failed))(doctest.testmod())", ""),
    "traces nothing": ("assert True", "import sys\nsys.settrace(None)\nfrom sys import settrace\nsettrace(None)", ""),
    "logging": ("assert True", "import logging\nlogging.basicConfig()\nlogging.warning('a')", ""),
    "printed traceback": ("assert True", "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n"
                          "    traceback.print_exc()", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", PASSES)
def test_a_right_answer_passes(checker: Checker, case: str) -> None:
    after, code, before = PASSES[case]
    assert run(checker, after, code, before) == Verdict("passed", "", pytest.approx(0, abs=10))


def test_all_blocks_run_in_order_as_one_script(checker: Checker) -> None:
    (verdict,) = checker.check([(question("assert y == 3"), block("x = 1") + block("y = x + 2"))])
    assert verdict.result == "passed"


FUTURE = "from __future__ import annotations"


@pytest.mark.parametrize(
    ("first", "second", "result", "detail"),
    [
        ("x = 1", f"{FUTURE}\ny: Nothing = x + 2", "passed", ""),
        (f"'One.'\n{FUTURE}\nx = 1", f"'Two.'; {FUTURE}; y: Nothing = x + 2", "passed", ""),
        (
            f"{FUTURE}\nx = 1",
            "from __future__ import (\n    division,\n    annotations as a,\n)\na\ny = 3",
            "passed",
            "",
        ),
        ("x = 1", f"{FUTURE}\ny = 3 / 0", "error", "ZeroDivisionError: division by zero, in 'y = 3 / 0'"),
        ("x = 1", f"y = 3\n{FUTURE}", "error", "SyntaxError"),
        ("x = (", f"{FUTURE}\ny = 3", "error", "SyntaxError"),
    ],
)
def test_a_block_may_begin_with_what_comes(checker: Checker, first: str, second: str, result: str, detail: str) -> None:
    (verdict,) = checker.check([(question("assert y == 3"), block(first) + block(second))])
    assert verdict.result == result and verdict.detail.startswith(detail), verdict


@pytest.mark.parametrize(
    "code",
    [
        "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as pool:\n"
        "    print(*pool.map(abs, [-7]))",
        "import multiprocessing\nwith multiprocessing.Pool(2) as pool:\n    print(*pool.map(abs, [-7]))",
        "from multiprocessing import Process, Queue\nq = Queue()\np = Process(target=q.put, args=(7,))\np.start()\n"
        "print(q.get())\np.join()",
        "from multiprocessing.shared_memory import SharedMemory\nm = SharedMemory(create=True, size=9)\nm.buf[0] = 7\n"
        "print(m.buf[0])\nm.close()\nm.unlink()",
    ],
)
def test_processes_share_memory_within_bubblewrap(checker: Checker, code: str) -> None:
    verdict = run(checker, "assert output == '7\\n'", code)
    assert verdict.result == ("passed" if "bubblewrap +" in explain() else "refused"), verdict


def test_httpbin_answers(checker: Checker) -> None:
    code = "import requests\nr = requests.get('https://httpbin.org/status/404', timeout=5)"
    assert run(checker, "assert r.status_code == 404", code).result == "passed"


FAILS = {
    "assertion": ("assert output, 'nothing is printed'", "x = 1", "failed", "assert output, .*nothing is printed"),
    "in the check's function": ("def see():\n    assert x == 2\nsee()", "x = 1", "failed", "assert x == 2"),
    "name missing": ("assert double(2) == 4", "pass", "failed", "NameError.*double"),
    "exception": ("assert True", "x = 1\ny = x / 0", "error", "ZeroDivisionError: .*, in 'y = x / 0'"),
    "syntax": ("assert True", "x = (", "error", "SyntaxError"),
    "prompt": ("assert True", ">>> 1", "error", "SyntaxError"),
    "exit code": ("assert True", "raise SystemExit(3)", "error", "SystemExit: 3"),
    "memory": ("assert True", "x = bytearray(10 * 2**30)", "error", "MemoryError"),
    "crash": ("assert True", "import os\nos.abort()", "error", "killed"),
    "loop": ("assert True", "while True: pass", "timed out", "longer than"),
    "loop in the check": ("f()\nassert True", "def f():\n    while True: pass", "timed out", "longer than"),
    "network": ("assert True", "import urllib.request\nurllib.request.urlopen('http://example.com')", "refused", "URL"),
    "file outside": ("assert True", "open('/etc/passwd')", "refused", "passwd"),
}


@pytest.mark.parametrize("case", FAILS)
def test_how_a_wrong_answer_ends(case: str) -> None:
    after, code, result, detail = FAILS[case]
    with Checker(workers=1, seconds=1.5 if "loop" in case else 10) as checker:
        verdict = run(checker, after, code)
    assert verdict.result == result, verdict
    assert re.search(detail, verdict.detail), verdict.detail


def test_what_is_not_run(checker: Checker) -> None:
    plain = Question("x-y", "basic-usage", "x", "How?", (Symbol("a"),), "", None)
    verdicts = checker.check([
        (plain, block("x = 1")),
        (question("assert True"), "No code."),
        (question("assert True", "1 / 0"), block("x = 1")),
        (question("assert True"), block("x = 1\n" * 100_000)),
    ])  # fmt: skip
    assert [verdict.result for verdict in verdicts] == ["not checked", "error", "not checked", "error"]
    assert "before the answer fails: ZeroDivisionError" in verdicts[2].detail


def test_details_are_safe_to_show(checker: Checker) -> None:
    detail = run(checker, "assert True", "raise ValueError('\\x1b[31m' + 'x' * 10**6)").detail
    assert "\x1b" not in detail and len(detail) <= 300


def test_warnings_are_errors_where_that_is_asked() -> None:
    code = "import warnings\nwarnings.warn('old', DeprecationWarning)"
    for strict, result in ((False, "passed"), (True, "error")):
        with Checker(workers=1, strict=strict) as checker:
            assert run(checker, "assert True", code).result == result


def test_names_that_are_not_there_are_found(checker: Checker) -> None:
    names = ["json.loads", "json.lods", "nothing.at.all", "sorted", "pathlib.Path.is_file", "KeyError", "sortd"]
    assert checker.unknown(names) == {"json.lods", "nothing.at.all", "sortd"}


def test_an_interpreter_that_is_not_there_is_one_line() -> None:
    with pytest.raises(EvaluationError, match="no such program"), Checker("/no/python") as checker:
        run(checker, "assert True", "x = 1")


AFTER = """\
for number in range(500_000):
    something = [number]  # time for what the answer left behind
assert any(v == 42 for v in results), 'no 42'
assert isinstance(output, str) and '42' in output
done = True
"""
HONEST = "answer = 42\nprint(answer)"
SPEAK = "def say(x):\n    for n in range(64):\n        try: os.write(n, x)\n        except OSError: pass\n"
FIND = (
    "import re\ndef hunt(x):\n    found = re.findall(r'\\b[0-9a-f]{32}\\b', repr(x))\n"
    "    for one in found: say(one.encode())\n    if found: os._exit(0)\n"
)
ATTACKS = {
    "prints what a pass may look like": "print('passed')\nprint('[\"after\", \"passed\", \"\", 0]')\nprint('0' * 32)",
    "writes to every descriptor": "import os\n" + SPEAK + "say(b'passed\\n' + b'0' * 32)",
    "sys.exit": "import sys\nsys.exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "prints and exits": "import os\n" + SPEAK + "say(b'passed')\nos._exit(0)",
    "exits inside the check": "import os\nclass Out(int):\n    __eq__ = lambda *a: os._exit(0)\nx = Out()",
    "exits inside an assertion": "import os\nclass Evil:\n    def __eq__(self, other): os._exit(0)\nx = Evil()",
    "raises SystemExit inside an assertion": "class Evil:\n    def __eq__(self, other): raise SystemExit(0)\n"
    "x = Evil()",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\natexit.register(print, 'passed')",
    "exit hook of threading": "import os, threading\nthreading._register_atexit(os._exit, 0)",
    "defines the builtins' names": "print(42)\nany = isinstance = lambda *a: True",
    "patches builtins": "print(42)\nimport builtins\nbuiltins.any = lambda *a: True",
    "replaces its builtins": "print(42)\nimport builtins\n__builtins__ = {**vars(builtins), 'any': lambda *a: True}",
    "patches exec": "import builtins\nbuiltins.exec = builtins.compile = lambda *a, **k: None",
    "defines results and output": "results, output = [42], '42'",
    "patches os": "import os, sys\nos.write = os._exit = os.pread = sys.exit = lambda *a: b'42'",
    "other exceptions": "import builtins\nbuiltins.AssertionError = AssertionError = StopIteration",
    "closes descriptors": "import os\nos.closerange(3, 64)",
    "takes standard output": "import os\nr, w = os.pipe()\nos.dup2(w, 1)\nos.write(1, b'42')",
    "swaps sys.stdout": "import sys\nclass Out:\n    def write(self, x): return 1\n    def flush(self): pass\n"
    "sys.stdout = Out()\n"
    "print(42)",
    "reads the program's file": "import os\n" + SPEAK + FIND + "hunt(open('example.py').read())",
    "reads the program's source": "import inspect, os, sys\n"
    "" + SPEAK + FIND + "hunt(inspect.getsource(sys._getframe(1)))",
    "reads its callers' variables": "import os, sys\n" + SPEAK + FIND + "f = sys._getframe()\n"
    "while f:\n    hunt((f.f_locals, f.f_globals))\n    f = f.f_back\n",
    "reads its callers' constants": "import os, sys\n" + SPEAK + FIND + "f = sys._getframe()\n"
    "while f:\n    hunt(f.f_code.co_consts)\n    f = f.f_back\n",
    "reads constants through a traceback": "import os\n" + SPEAK + FIND + "try:\n    1 / 0\nexcept Exception as e:\n"
    "    f = e.__traceback__.tb_frame\n    while f:\n        hunt(f.f_code.co_consts)\n        f = f.f_back\n",
    "asks the collector": "import gc, os\n" + SPEAK + FIND + "for o in gc.get_objects():\n"
    "    c = getattr(o, '__code__', None)\n    hunt(c.co_consts if c else ())",
    "asks a thread's frames": "import os, sys, threading\n" + SPEAK + FIND + "def spy():\n"
    "    for f in sys._current_frames().values():\n        while f:\n"
    "            hunt(f.f_code.co_consts); f = f.f_back\n"
    "t = threading.Thread(target=spy); t.start(); t.join()",
    "jumps over assertions": "import sys\ndef trace(f, e, a):\n"
    "    if f.f_code.co_filename == 'check.py' and e == 'line':\n"
    "        f.f_lineno = 5\n    return trace\nsys.settrace(trace)",
    "traces behind its back": "import sys\ndef trace(f, e, a):\n    if e == 'line': f.f_lineno = 5\n    return trace\n"
    "sys.settrace(None)\nsys.settrace.__defaults__[0](trace)",
    "traces under the check's name": "import sys\ndef trace(f, e, a):\n    if e == 'line': f.f_lineno = 5\n"
    "    return trace\nexec(compile('sys.settrace(trace)', 'check.py', 'exec'))",
    "traces from within": HONEST + "import sys\nanswer = 1\nclass Evil:\n    def __eq__(self, o):\n"
    "        sys.settrace(lambda *a: None); return True\nx = Evil()",
    "hooks the audit": "import sys\nsys.addaudithook(lambda *a: None)",
    "a timer": "import signal\ndef late(n, f):\n    globals().update(results=[42], output='42')\n"
    "signal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
    "signal.setitimer = lambda *a: None",
    "a thread": "import threading\ng = globals()\ndef spin():\n    while True:\n"
    "        g.update(results=[42], output='42')\n"
    "        b = g['__builtins__']\n        if isinstance(b, dict): b['any'] = lambda *a: True\n"
    "threading.Thread(target=spin, daemon=True).start()",
    "the collector's callbacks": "import gc\n"
    "gc.callbacks.append(lambda *a: globals().update(results=[42], output='42'))\n"
    "gc.set_threshold(1)",
    "a dying name": "print(42)\nclass Evil:\n    def __del__(self):\n"
    "        g['__builtins__']['any'] = lambda *a: True\n"
    "g = globals()\nany = Evil()\noutput = Evil()",
    "a codec": "import codecs\ncodecs.register_error('replace', lambda e: ('42', e.end))\nimport os\n"
    "os.write(1, b'\\xff')",
    "forks": "import os\nif os.fork() == 0:\n    os._exit(0)\nos.wait()",
    "runs on in a fork": "import os\nos.fork()\nprint(42)",
    "profiles": "import sys\nsys.setprofile(lambda f, e, a: globals().update(results=[42], output='42'))",
}  # fmt: skip


def test_the_honest_answer_to_the_attacked_check_passes(checker: Checker) -> None:
    assert run(checker, AFTER, HONEST).result == "passed"


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_answer_cannot_forge_a_pass(checker: Checker, attack: str) -> None:
    verdict = run(checker, AFTER, ATTACKS[attack])
    assert verdict.result in ("failed", "error", "refused", "timed out"), verdict


@pytest.mark.parametrize(
    "code",
    [
        "np.allclose = lambda *a, **k: True",
        "import sys, types\nsys.modules['numpy'] = fake = types.ModuleType('numpy')\nfake.allclose = lambda *a: True",
        "np.testing.assert_allclose = lambda *a: None",
        "import numpy.testing as t\nt.assert_allclose = lambda *a: None",
        "np.linalg = type('L', (), {'norm': lambda *a: 0})",
        "np.poly1d.__call__ = lambda *a: 0",
        "class M(type(np)):\n    def __setattr__(self, *a): pass\nnp.__class__ = M\nnp.allclose = lambda *a: True",
        "np = None",
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        "assert np.allclose(x, 2)",
        "import numpy\nassert numpy.allclose(x, 2)",
        "import numpy.testing\nnumpy.testing.assert_allclose(x, 2)\nassert x",
        "from numpy.testing import assert_allclose\nassert_allclose(x, 2)\nassert x",
        "import numpy\nassert numpy.linalg.norm(numpy.array([x, 0])) == 0",
        "import numpy\nassert numpy.poly1d([1, 2])(x) == 0",
    ],
)
def test_what_an_answer_patches_in_a_library_is_undone(numpy_checker: Checker, code: str, after: str) -> None:
    verdict = run(numpy_checker, after, f"x = 1\n{code}", "import numpy as np\nimport numpy.testing")
    assert verdict.result == "failed", verdict


def test_what_a_check_patches_before_the_answer_stays(numpy_checker: Checker) -> None:
    before = "import numpy as np\ncalls = []\nnp.mean = lambda *a, **k: calls.append(a)"
    assert (
        run(numpy_checker, "import numpy\nassert len(calls) == 1", "import numpy\nnumpy.mean([1])", before).result
        == "passed"
    )
