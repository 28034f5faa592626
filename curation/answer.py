"""The parts of an answer: its code, and its words. Knows nothing about what they are compared with."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

from bundle.records import Record

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks_of(record: Record) -> list[str]:
    """The contents of an answer's ```python blocks."""
    return _BLOCK.findall(record.output)


def code_of(record: Record) -> str:
    """The code of an answer: its first ```python block, or nothing."""
    return next(iter(blocks_of(record)), "")


def prose_of(record: Record) -> str:
    """An answer without its code."""
    return _BLOCK.sub("", record.output, count=1)


@lru_cache(maxsize=1 << 14)
def normalised(code: str) -> str:
    """Code in one form, whatever its comments, white space and quotes; what isn't Python with single blanks."""
    try:
        return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(code.split())
