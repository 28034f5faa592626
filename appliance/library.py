"""What a bundle knows of its libraries beside the model: their documentation, and what exists in them.

Both files are held to the manifest before they are read. Knows nothing about models or HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from appliance.routing import library_of
from bundle.digests import digest_file, digest_value
from bundle.documentation import Documentation
from bundle.errors import BundleError
from bundle.grounding import Grounding, ground, turns_of
from bundle.manifest import SYMBOLS, Manifest
from bundle.passages import DOCUMENTATION
from bundle.template import Message
from symbols.finding import Finding
from symbols.table import SymbolTable, SymbolTableError

_Found = TypeVar("_Found")
_RECENT = 256
"""Conversations whose passages are kept, and pieces of code whose findings are: a stored answer comes with both."""


class Library:
    """The documentation and the symbol table of a bundle, each where it has one; to be closed."""

    def __init__(self, bundle: Path, manifest: Manifest) -> None:
        """Check the files and open the documentation; the table is read when it is first needed.

        Raises:
            BundleError: one is missing or damaged, or isn't the one that was sealed.
        """
        index, self._symbols = (_sealed(bundle, manifest, name) for name in (DOCUMENTATION, SYMBOLS))
        self.checks = self._symbols is not None
        """Whether there is a symbol table, so that code can be checked."""
        self.documentation = Documentation(index) if index else None
        self.check = lru_cache(maxsize=_RECENT)(self._check)
        """What some code names that does not exist. Raises SyntaxError where it is no Python; needs the table."""
        self._groundings = _Recent[Grounding]()
        self._libraries = _Recent[str]()

    def close(self) -> None:
        """Close the files."""
        if self.documentation:
            self.documentation.close()

    @cached_property
    def table(self) -> SymbolTable | None:
        """What exists; None where the bundle has no table. Raises BundleError where it is damaged."""
        try:
            return SymbolTable.load(self._symbols) if self._symbols else None
        except SymbolTableError as error:
            raise BundleError(f"{error}; convert or copy it anew") from None

    def _check(self, code: str) -> tuple[Finding, ...]:
        from symbols.check import check_code  # with the first code, for whoever waits for a first answer

        assert self.table is not None
        return tuple(check_code(code, self.table))

    def about(self, turns: Sequence[str]) -> str:
        """The library that what a person said is about; empty where nothing is found, and without documentation.

        Raises:
            BundleError: the index is damaged.
        """
        if (documentation := self.documentation) is None:
            return ""
        return self._libraries.get(list(turns), lambda: library_of(documentation, turns))

    def ground(
        self, messages: Sequence[Message], room: Callable[[], int], measure: Callable[[str], int], most: int
    ) -> Grounding:
        """The passages for a conversation, as `bundle.grounding.ground` picks them; none without documentation.

        The last ones are kept, so that a question whose answer is stored isn't searched for again: `room`, which tells
        how many tokens they may have, and `measure` have to give the same each time.

        Raises:
            BundleError: the index is damaged.
        """
        if (documentation := self.documentation) is None:
            return Grounding()

        def exists(name: str) -> bool:
            return self.table is not None and self.table.exists(name)

        def find() -> Grounding:
            return ground(documentation, turns_of(messages), room(), measure, most=most, exists=exists)

        return self._groundings.get([list(messages), most], find)


class _Recent(Generic[_Found]):
    """What was found lately, by the digest of what it was found for."""

    def __init__(self) -> None:
        self._known: dict[str, _Found] = {}
        self._lock = threading.Lock()

    def get(self, asked: Any, find: Callable[[], _Found]) -> _Found:
        """What is known for a JSON value, or else what is found for it now."""
        key = digest_value(asked)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                return known
        found = find()
        with self._lock:
            if len(self._known) >= _RECENT:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return found


def _sealed(bundle: Path, manifest: Manifest, name: str) -> Path | None:
    """A file of the bundle, after it was found to be the sealed one; None where the bundle has none of the name."""
    digest = manifest.files.get(name)
    if digest is None:
        return None
    path = bundle / name
    if not path.is_file():
        raise BundleError(f"{path}: missing from the bundle; convert or copy it anew")
    if digest_file(path) != digest:
        raise BundleError(f"{path}: not the file that was sealed; convert or copy it anew")
    return path
