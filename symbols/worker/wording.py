"""Reads what numpydoc docstrings say of results as types: `ndarray of ints or None`.

A phrase counts only where every word of it is understood. Knows nothing about functions.
"""

from __future__ import annotations

import collections.abc
import re
import sys

from .reader import Reader
from .unions import SELF, Type, of_class, union, without_none

MAX_PHRASE = 200
_RETURNS = re.compile(r"^( *)Returns\n\1-{3,}\n((?:\1.*\n|\s*\n)+)", re.MULTILINE)
_CONDITION = re.compile(r"(, |; |\. )?\b(see|if|when|where|depending|same length|unless)\b.*")
_DETAIL = re.compile(r"\b(of|with|in|that|which|containing|same shape|shape)\b.*?(?=\bor\b|,|\||$)")
_ARTICLE = re.compile(r"\b(an?|the|optional|new|scalar or|n-dimensional)\b")
_CALLER = re.compile(r"same type as (caller|input|the caller|self)|type of caller|caller")
# What numpydoc calls things. Where numpy is there, numbers may be its own.
_WORDS = {
    "str": "str",
    "string": "str",
    "strings": "str",
    "bytes": "bytes",
    "int": "int",
    "ints": "int",
    "integer": "int",
    "float": "float",
    "floats": "float",
    "complex": "complex",
    "bool": "bool",
    "boolean": "bool",
    "list": "list",
    "tuple": "tuple",
    "dict": "dict",
    "dictionary": "dict",
    "set": "set",
    "none": "None",
}
_ARRAYS = frozenset({"array", "arrays", "ndarray", "ndarrays"})
_NUMBERS = frozenset({"int", "float", "complex", "bool"})


class Wording:
    """Understands phrases with the names of a module."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def returned(self, docstring: str, module: str, is_method: bool) -> Type:
        """The type in a docstring's section on what is returned; unknown where it has none."""
        found = _RETURNS.search(docstring + "\n")
        heads: list[str] = []
        for line in found.group(2).splitlines() if found else ():
            if heads and re.match(r"\s*-{3,}\s*$", line):
                heads.pop()
                break
            if found and line.strip() and len(line) - len(line.lstrip()) == len(found.group(1)):
                heads.append(line.strip()[:MAX_PHRASE])
        parts = [self._phrase(head.rpartition(" : ")[2] or head, module, is_method) for head in heads]
        if len(parts) > 1:  # unpacked like a tuple; often a named one, or of another length on demand
            return of_class(collections.abc.Sequence, *parts)
        return without_none(parts[0]) if parts else None

    def _phrase(self, text: str, module: str, is_method: bool) -> Type:
        text = re.sub(r"[({\[][^)}\]]*[)}\]]", " ", text.strip("`. "))
        text = _DETAIL.sub(" ", _CONDITION.sub(" ", text))
        text = _ARTICLE.sub(" ", text.replace("`", "").replace(":class:", ""))
        words = [word.strip().lstrip("~") for word in re.split(r"\bor\b|\band\b|,|\||/", text)]
        parts = [self._word(word, module, is_method) for word in words if word]
        return union(parts) if parts else None

    def _word(self, word: str, module: str, is_method: bool) -> Type:
        if is_method and _CALLER.fullmatch(word):
            return ((SELF, ()),)
        numpy = sys.modules.get("numpy")
        numbers = [of_class(getattr(numpy, one)) for one in ("ndarray", "generic")] if numpy else []
        if word.lower() in _ARRAYS:
            return union(numbers)
        known = _WORDS.get(word.lower())
        if known is not None:
            plain = self._reader.text(known, self._reader.spaces.module("builtins"))
            return union([plain, *(numbers if known in _NUMBERS else [])])
        if not re.fullmatch(r"[A-Z]\w*|[a-z]\w*(\.\w+)+", word):
            return None
        homes = dict.fromkeys([module, module.rpartition(".")[0], module.partition(".")[0]])
        found = (self._reader.text(word, self._reader.spaces.module(home)) for home in homes if home)
        return next((one for one in found if one is not None), None)
