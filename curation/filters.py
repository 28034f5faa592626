"""Filters: each says why a record is not to be kept, under a reason code. Knows nothing about how it was composed.

deprecated          the symbol says of itself that it is deprecated
too-short, too-long the answer's length
no-python-block     the answer has no ```python block, or more than one
low-quality         broken markup, placeholders, too little or unfinished prose
syntax              the code is not valid Python
symbol-not-used     the code doesn't use the symbol asked about
unknown-symbol      the code names a module, attribute or keyword that doesn't exist
duplicate           the same question, code or prose was kept before
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass

from bundle.digests import digest_text
from bundle.records import Record
from curation.entries import Entry
from curation.markup import is_clean
from curation.settings import Filters
from symbols.check import check_code
from symbols.table import SymbolTable

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EMPTY_PHRASES = re.compile(
    r"\b(alias for field number|see help\(type|subclass and implement|override (this|in subclass)|must be overridden"
    r"|internal use|for internal|not documented|undocumented|help\(|placeholder|lorem ipsum|not implemented"
    r"|implement (me|this)|special (type|form|typing)|scalar (method|attribute) identical)\b|\?\?|^`[^`]+`: ?\W*$",
    re.IGNORECASE,
)
MIN_PROSE_WORDS = 4


@dataclass(frozen=True)
class Reason:
    """Why a record is not kept."""

    code: str
    """One of the codes in the module's docstring."""
    detail: str
    """What exactly was found."""


def python_blocks(text: str) -> list[str]:
    """The contents of an answer's ```python blocks."""
    return _BLOCK.findall(text)


class RecordFilter:
    """Judges records one by one; what it let through before is what duplicates are measured by."""

    def __init__(self, settings: Filters, table: SymbolTable) -> None:
        self._settings = settings
        self._table = table
        self._seen: dict[str, str] = {}

    def judge(self, record: Record, entry: Entry) -> Reason | None:
        """Why the record of this entry is not kept, or None where it is."""
        checks: tuple[Callable[[Record, Entry], Reason | None], ...] = (
            self._deprecated,
            self._length,
            self._block,
            self._quality,
            self._code,
            self._duplicate,
        )
        return next((reason for check in checks if (reason := check(record, entry))), None)

    def _deprecated(self, record: Record, entry: Entry) -> Reason | None:
        return Reason("deprecated", record.provenance.symbol) if entry.documented.deprecated else None

    def _length(self, record: Record, entry: Entry) -> Reason | None:
        length = len(record.output)
        if length < self._settings.min_characters:
            return Reason("too-short", f"{length} characters; at least {self._settings.min_characters}")
        if length > self._settings.max_characters:
            return Reason("too-long", f"{length} characters; at most {self._settings.max_characters}")
        return None

    def _block(self, record: Record, entry: Entry) -> Reason | None:
        blocks = python_blocks(record.output)
        if len(blocks) == 1 and blocks[0].strip():
            return None
        return Reason("no-python-block", f"{len(blocks)} blocks")

    def _quality(self, record: Record, entry: Entry) -> Reason | None:
        prose = record.output.partition("\n\n```")[0]
        if found := _EMPTY_PHRASES.search(prose):
            return Reason("low-quality", f"says nothing: {found.group(0)!r}")
        if not is_clean(prose):
            return Reason("low-quality", f"broken or unfinished prose: {prose[:120]!r}")
        words = re.sub(r"`[^`]*`:?", "", prose, count=1).split()
        if len(words) < MIN_PROSE_WORDS:
            return Reason("low-quality", f"too little prose: {prose[:120]!r}")
        if re.search(r"^(>>>|\.\.\. )", record.output, re.MULTILINE):
            return Reason("low-quality", "left-over prompts")
        return None

    def _code(self, record: Record, entry: Entry) -> Reason | None:
        code = python_blocks(record.output)[0]
        try:
            tree = ast.parse(code)
            findings = check_code(code, self._table)
        except (SyntaxError, ValueError) as error:
            return Reason("syntax", str(error))
        if findings:
            first = findings[0]
            near = f"; nearest {first.nearest}" if first.nearest else ""
            return Reason("unknown-symbol", f"{first.problem}: {first.name}{near}")
        if not uses_symbol(tree, record.provenance.symbol):
            return Reason("symbol-not-used", record.provenance.symbol)
        return None

    def _duplicate(self, record: Record, entry: Entry) -> Reason | None:
        code = python_blocks(record.output)[0]
        keys = [digest_text(f"question {record.question}"), digest_text(f"code {code}")]
        for key in keys:
            if key in self._seen:
                return Reason("duplicate", f"the same {'question' if key == keys[0] else 'code'} as {self._seen[key]}")
        self._seen.update(dict.fromkeys(keys, record.provenance.symbol))
        return None


def uses_symbol(tree: ast.AST, symbol: str) -> bool:
    """Whether code uses the last part of a dotted name, other than by importing it."""
    name = symbol.rpartition(".")[2]
    return any(
        (isinstance(node, ast.Attribute) and node.attr == name) or (isinstance(node, ast.Name) and node.id == name)
        for node in ast.walk(tree)
    )
