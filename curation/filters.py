"""The static filters: each says why a draft is not to be kept, under a reason code. Runs nothing.

prompt-injection    text that speaks to a model rather than to a reader
too-short, too-long the answer's length
no-python-block     there is no code
low-quality         broken markup, placeholders, too little or unfinished prose
syntax              the code is not valid Python
symbol-not-used     the code doesn't use the symbol asked about
unknown-symbol      the code names a module, attribute or keyword that doesn't exist

What passes them is clean. Knows nothing about how a draft was composed, nor about other drafts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import lru_cache

from bundle.records import Record
from curation.answer import blocks_of
from curation.draft import Draft, to_record
from curation.injections import leaked_prompt
from curation.markup import is_clean
from curation.reason import Reason
from curation.receivers import of_another_class
from curation.settings import Filters
from symbols.check import check_code
from symbols.table import SymbolTable

_EMPTY_PHRASES = re.compile(
    r"\b(alias for field number|see help\(type|subclass and implement|override (this|in subclass)|must be overridden"
    r"|internal use|for internal|not documented|undocumented|help\(|placeholder|lorem ipsum|not implemented"
    r"|implement (me|this)|special (type|form|typing)|scalar (method|attribute) identical)\b|\?\?|^`[^`]+`: ?\W*$",
    re.IGNORECASE,
)
MIN_PROSE_WORDS = 4


class Cleaning:
    """Judges drafts one by one."""

    def __init__(self, settings: Filters, table: SymbolTable) -> None:
        self._settings = settings
        self._table = table
        # The drafts of one page share their code.
        self._findings = lru_cache(maxsize=64)(lambda code: check_code(code, table))

    def judge(self, draft: Draft) -> Reason | None:
        """Why the draft is not clean, or None where it is."""
        checks: tuple[Callable[[Draft], Reason | None], ...] = (
            self._injection,
            self._block,
            self._length,
            self._quality,
            self._code,
        )
        return next((reason for check in checks if (reason := check(draft))), None)

    def _injection(self, draft: Draft) -> Reason | None:
        text = "\n".join([draft.instruction, draft.lead, *draft.points, draft.code, draft.failing])
        found = leaked_prompt(text)
        return Reason("prompt-injection", found) if found else None

    def _length(self, draft: Draft) -> Reason | None:
        return too_long_or_short(to_record(draft, draft.code), self._settings)

    def _block(self, draft: Draft) -> Reason | None:
        if draft.code.strip() and len(blocks_of(to_record(draft, draft.code))) == 1:
            return None
        return Reason("no-python-block", "the answer has no code, or more than one block")

    def _quality(self, draft: Draft) -> Reason | None:
        prose = draft.lead
        if found := _EMPTY_PHRASES.search(prose):
            return Reason("low-quality", f"says nothing: {found.group(0)!r}")
        if not is_clean(prose):
            return Reason("low-quality", f"broken or unfinished prose: {prose[:120]!r}")
        words = re.sub(r"`[^`]*`:?", "", prose, count=1).split()
        if len(words) < MIN_PROSE_WORDS:
            return Reason("low-quality", f"too little prose: {prose[:120]!r}")
        if re.search(r"^(>>>|\.\.\. )", "\n".join([prose, draft.code, *draft.points]), re.MULTILINE):
            return Reason("low-quality", "left-over prompts")
        return None

    def _code(self, draft: Draft) -> Reason | None:
        try:
            tree = ast.parse(draft.code)
            ast.parse(draft.failing)
            findings = self._findings(draft.code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return Reason("syntax", str(error))
        if findings:
            first = findings[0]
            near = f"; nearest {first.nearest}" if first.nearest else ""
            return Reason("unknown-symbol", f"{first.problem}: {first.name}{near}")
        symbol = draft.provenance.symbol
        if symbol and not uses_symbol(tree, symbol):
            return Reason("symbol-not-used", symbol)
        if symbol and (other := of_another_class(tree, symbol, self._table)):
            return Reason("symbol-not-used", f"{symbol}: the code uses that of {other}")
        return None


def too_long_or_short(record: Record, settings: Filters) -> Reason | None:
    """Why the answer's length is wrong, or None."""
    length = len(record.output)
    if length < settings.min_characters:
        return Reason("too-short", f"{length} characters; at least {settings.min_characters}")
    if length > settings.max_characters:
        return Reason("too-long", f"{length} characters; at most {settings.max_characters}")
    return None


def uses_symbol(tree: ast.AST, symbol: str) -> bool:
    """Whether code uses the last part of a dotted name, other than by importing it."""
    name = symbol.rpartition(".")[2]
    return any(
        (isinstance(node, ast.Attribute) and node.attr == name) or (isinstance(node, ast.Name) and node.id == name)
        for node in ast.walk(tree)
    )
