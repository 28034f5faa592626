"""A code block of a post: whether it is Python, and in which form; what else it may tell. Runs nothing.

Posts seldom say what their blocks are: most are code, many are output, tracebacks or shell commands. Knows nothing
about HTML and Markdown.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings

from curation.entries import Prose, Snippet

MAX_BLOCK = 20_000
"""Characters beyond which a block is left out."""
PYTHON = frozenset({"python", "py", "python3", "py3", "pycon", "ipython", "ipython3", "python-repl"})
"""What blocks of Python are marked with."""
_MAX_ERROR = 300
_PROMPT = re.compile(r"^>>> ", re.MULTILINE)
_IPYTHON = (
    (re.compile(r"^In \[\d+\]: ?"), ">>> "),
    (re.compile(r"^ *\.{3,}: ?"), "... "),
    (re.compile(r"^Out\[\d+\]: ?"), ""),
)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\)|^-{20,}\n\w+ +Traceback", re.MULTILINE)
_ERROR_LINE = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Warning|Interrupt|Exit)\b(?::.*)?$")


def read_block(text: str, language: str = "") -> Snippet | Prose | None:
    """What a block has: Python as a snippet, of a traceback its last line, nothing of anything else.

    Args:
        text: the block's text.
        language: what it is marked with, e.g. `python`; empty where it isn't. Marked code is taken as it is; other
            code is Python if Python can read it.
    """
    text = textwrap.dedent(text.expandtabs(4)).strip("\n").rstrip()
    if not text or len(text) > MAX_BLOCK:
        return None
    if language and language not in PYTHON:
        return _error(text)
    text = "\n".join(_without_ipython(line) for line in text.splitlines())
    if _PROMPT.search(text):
        return Snippet(source=text, form="session")
    if _TRACEBACK.search(text):
        return _error(text)
    if language in PYTHON or is_code(text):
        return Snippet(source=text, form="script")
    return _error(text)


def is_code(text: str) -> bool:
    """Whether Python can read a text, and it is more than values such as `[1, 2]`, which are rather output."""
    try:
        with warnings.catch_warnings(action="ignore"):
            body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not (isinstance(one, ast.Expr) and _is_value(one.value)) for one in body)


def _is_value(node: ast.expr) -> bool:
    inner = ast.Constant | ast.Name | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.UnaryOp | ast.unaryop | ast.Load
    return all(isinstance(one, inner) for one in ast.walk(node))


def _without_ipython(line: str) -> str:
    for prompt, ours in _IPYTHON:
        if match := prompt.match(line):
            return ours + line[match.end() :]
    return line


def _error(text: str) -> Prose | None:
    """The line that names an exception, where a text ends with one."""
    last = text.splitlines()[-1].strip()
    if len(last) > _MAX_ERROR or "`" in last or not _ERROR_LINE.match(last):
        return None
    return Prose(text=f"`{last}`")
