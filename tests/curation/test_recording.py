"""Recording what statements print, with real runs in the sandbox."""

from __future__ import annotations

import ast

from curation.verify.recording import (
    Recording,
    error_name,
    last_lines,
    read_recording,
    recorder,
    unstable,
    with_output,
)
from sandbox import run_code

CODE = """\
import warnings

def double(x):
    return 2 * x

print(double(4))
for i in range(2):
    print(i)
total = 3; print(total)
print("a\\nb")
"""


def record(code: str) -> Recording | None:
    return read_recording(run_code(recorder(code, "n1")).stdout, "n1")


def test_output_is_written_below_the_statement_that_printed_it() -> None:
    recording = record(CODE)
    assert recording is not None
    assert recording.outputs == ("", "", "8\n", "0\n1\n", "", "3\n", "a\nb\n")
    written = with_output(CODE, recording.outputs)
    assert "print(double(4))\n# 8\n" in written
    assert "    print(i)\n# 0\n# 1\n\ntotal = 3; print(total)\n# 3\n" in written
    assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(CODE))


def test_a_recorded_program_sees_itself_as_a_script() -> None:
    code = (
        "import sys\nprint(__name__, __file__, sys.modules['__main__'].__dict__ is globals())\nprint(sorted(globals()))"
    )
    recording = record(code)
    assert recording is not None
    assert recording.outputs[1] == "__main__ example.py True\n"
    assert "_record" not in recording.outputs[2] and "'json'" not in recording.outputs[2]


def test_an_early_exit_is_no_recording() -> None:
    assert record("print(1)\nraise SystemExit(0)") is None


def test_output_that_looks_like_a_mark_is_output() -> None:
    recording = record("print('\\x1eother:0\\x1e')")
    assert recording is not None
    assert recording.outputs == ("\x1eother:0\x1e\n",)


def test_only_the_codes_own_deprecations_count() -> None:
    recording = record("import warnings\nwarnings.warn('old', DeprecationWarning)\nwarnings.warn('x', UserWarning)")
    assert recording is not None
    assert recording.deprecations == ("DeprecationWarning: old",)
    elsewhere = "import types, warnings\nexec(compile(\"warnings.warn('old', DeprecationWarning)\", 'lib.py', 'exec'))"
    found = record(elsewhere)
    assert found is not None and found.deprecations == ()


def test_what_changes_or_depends_on_the_machine_is_not_shown() -> None:
    assert unstable("print(x)", ["1\n"], ["2\n"]) == {0}
    assert unstable(
        "print(object())", ["<object object at 0x7f0011223344>\n"] * 1, ["<object object at 0x7f0011223344>\n"]
    ) == {0}
    assert unstable("import time\nprint(time.time())", ["", "1\n"], ["", "1\n"]) == {0, 1}
    assert unstable("print(1)", ["1\n"], ["1\n"]) == frozenset()
    assert with_output("print(1)\nprint(2)", ["1\n", "2\n"], {0}) == "print(1)\nprint(2)\n# 2"


def test_long_output_is_cut_and_unprintable_output_left_out() -> None:
    written = with_output("print(x)", ["\n".join(map(str, range(40)))])
    assert written.splitlines()[-1] == "# ..." and len(written.splitlines()) == 12
    assert with_output("print(x)", ["\x1b[31mred\x1b[0m\n"]) == "print(x)"


def test_a_traceback_keeps_the_codes_own_frames() -> None:
    outcome = run_code("import json\n\ndef read(text):\n    return json.loads(text)\n\nread('{')\n")
    shown = last_lines(outcome.stderr)
    assert shown.splitlines()[0] == "Traceback (most recent call last):"
    assert "line 6, in <module>" in shown and "json/decoder" not in shown and "  ..." in shown
    assert error_name(shown) == "JSONDecodeError"
    named = run_code("from json import lods")
    # Python 3.12 goes on with what was meant.
    assert "ImportError: cannot import name 'lods' from 'json' (.../json/__init__.py)" in last_lines(named.stderr)
    assert last_lines("no traceback here") == "" and error_name("") == ""
