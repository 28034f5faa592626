"""Code that records what each of its statements prints, and the recorded output as comments in the code.

The recording runs one top-level statement after another in one namespace, writes a mark after each, and collects the
warnings that the code itself causes. Knows nothing about sandboxes: it makes source text and reads standard output.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

MAX_LINES = 10
"""Lines of output that are shown below one statement."""
MAX_CHARACTERS = 500
"""Characters of output that are shown below one statement."""
_CUT = "# ..."
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
_PATH = re.compile(r"(?:boffin-sandbox-|site-packages|/lib/python3|\bexample\.py\b)")
_WHERE = re.compile(r"/[^\s'\"()]*/(?:site-packages|lib/python3[\d.]*)/")
_CLOCK = re.compile(
    r"\b(?:now|utcnow|today|time_ns|perf_counter\w*|monotonic\w*|process_time\w*|getpid|getlogin|gethostname|cpu_count"
    r"|uname|getcwd|cwd|localtime|gmtime|ctime|timeit|uuid1|uuid4|urandom|token_\w+)\(|\btime\.time\(|\bsys\.(?:path|argv|executable)\b"
)
_PROGRAM = """\
def _record(names):
    import ast, json, sys, warnings

    def note(message, category, filename, lineno, file=None, line=None):
        if filename == "example.py":
            changing = issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))
            found.append([category.__name__, changing, str(message)[:300]])

    def mark(text):
        out.write("\\x1e{nonce}:" + text + "\\x1e")
        out.flush()

    del names["_record"]
    found, out = [], sys.stdout
    warnings.simplefilter("always")
    warnings.showwarning = note
    for number, statement in enumerate(ast.parse({source!r}).body):
        exec(compile(ast.Module([statement], []), "example.py", "exec", dont_inherit=True), names)
        mark(str(number))
    mark("w" + json.dumps(found))

_record(globals())
"""


@dataclass(frozen=True)
class Recording:
    """What a run of a recording printed."""

    outputs: tuple[str, ...]
    """Standard output of each top-level statement."""
    deprecations: tuple[str, ...]
    """Warnings, caused by the code itself, that something is deprecated or will change."""


def recorder(code: str, nonce: str) -> str:
    """A program that runs `code` and marks what each of its top-level statements printed.

    Args:
        code: valid Python.
        nonce: letters and digits that the code doesn't print.
    """
    return _PROGRAM.format(source=code, nonce=nonce)


def read_recording(stdout: str, nonce: str) -> Recording | None:
    """The recording in a recorder's standard output; None where it doesn't have its end."""
    parts = re.split(rf"\x1e{nonce}:(\d+|w\[[^\x1e]*\])\x1e", stdout)
    if len(parts) < 3 or not parts[-2].startswith("w"):
        return None
    try:
        found = json.loads(parts[-2][1:])
        deprecations = tuple(f"{name}: {text}" for name, deprecated, text in found if deprecated)
    except (ValueError, TypeError):
        return None
    return Recording(tuple(parts[0 : len(parts) - 3 : 2]), deprecations)


def unstable(code: str, first: Sequence[str], second: Sequence[str]) -> frozenset[int]:
    """Numbers of the statements whose output is another each time, or depends on the machine or the clock."""
    if len(first) != len(second) or _CLOCK.search(code):
        return frozenset(range(max(len(first), len(second))))
    return frozenset(
        number
        for number, (one, other) in enumerate(zip(first, second, strict=True))
        if one != other or _ADDRESS.search(one) or _PATH.search(one)
    )


def with_output(code: str, outputs: Sequence[str], hidden: Collection[int] = ()) -> str:
    """The code with what each top-level statement printed as comments below it.

    Args:
        code: valid Python.
        outputs: standard output of each top-level statement.
        hidden: numbers of the statements whose output isn't shown.
    """
    lines = code.rstrip("\n").splitlines()
    body = ast.parse(code).body
    for number in range(len(body) - 1, -1, -1):
        if number in hidden or number >= len(outputs):
            continue
        shown = _comments(outputs[number])
        end = body[number].end_lineno or 0
        shares_line = number + 1 < len(body) and body[number + 1].lineno == end
        if shown and not shares_line:
            compound = isinstance(body[number], ast.For | ast.While | ast.With | ast.Try | ast.If)
            lines[end:end] = [*shown, *([""] if compound and end < len(lines) and lines[end].strip() else [])]
    return "\n".join(lines)


def _comments(output: str) -> list[str]:
    lines = [line.rstrip() for line in output.rstrip().splitlines()]
    while lines and not lines[0]:
        lines.pop(0)
    if not all(line.isprintable() for line in lines):
        return []
    shown: list[str] = []
    room = MAX_CHARACTERS
    for line in lines[:MAX_LINES]:
        if len(line) > room:
            break
        room -= len(line)
        shown.append(f"# {line}".rstrip())
    return shown + ([_CUT] if shown and len(shown) < len(lines) else [])


def last_lines(stderr: str) -> str:
    """The traceback in standard error as it is shown: the code's own frames and the error, without the libraries'.

    Empty where there is no traceback.
    """
    start = stderr.rfind("Traceback (most recent call last):")
    if start < 0:
        return ""
    head, *rest = stderr[start:].rstrip().splitlines()
    frames: list[list[str]] = []
    error: list[str] = []
    for line in rest:
        if line.startswith("  File "):
            frames.append([line])
        elif line.startswith("  ") and frames and not error:
            frames[-1].append(line)
        else:
            error.append(line)
    own = [frame for frame in frames if frame[0].startswith('  File "example.py"')]
    shown = [line for frame in own for line in frame]
    if len(own) < len(frames):
        shown.append("  ...")
    # Where libraries lie is this machine's affair.
    return _WHERE.sub(".../", "\n".join([head, *shown, *error[:4]]))


def error_name(traceback: str) -> str:
    """The exception that a traceback ends with, by its last name; empty for none."""
    for line in reversed(traceback.splitlines()):
        if match := re.match(r"([A-Za-z_][\w.]*)(?::|$)", line):
            return match.group(1).rpartition(".")[2]
    return ""
