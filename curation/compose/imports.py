"""Where the names come from that an example takes for granted. Knows nothing about what examples do with them."""

from __future__ import annotations

import sys

from curation.compose.phrasings import Phrasings
from symbols.table import BUILTINS, OPAQUE, SymbolTable

# Modules of the standard library whose names are as often variables.
_AMBIGUOUS = frozenset(
    {"code", "this", "test", "token", "string", "array", "copy", "select", "types", "symbol", "parser"}
)


class Imports:
    """The imports that the documentation of one module takes for granted."""

    def __init__(self, module: str, table: SymbolTable, words: Phrasings) -> None:
        """`module` is the one that is documented, e.g. `numpy.linalg`; empty where there is none."""
        self._module = module
        self._root = module.partition(".")[0]
        self._table = table
        self._words = words

    def line(self, name: str) -> str | None:
        """The import that gives a name; None where none is known to."""
        for module, alias in self._words.aliases.items():
            if name == alias and (module.partition(".")[0] in self._table.known | set(self._table.roots)):
                return f"import {module} as {alias}"
        for module in dict.fromkeys((self._module, self._root)):
            if module and module != BUILTINS and self._has(module, name):
                return f"from {module} import {name}"
        if self._module and name == self._module.rpartition(".")[2] and "." in self._module:
            return f"from {self._module.rpartition('.')[0]} import {name}"
        if name in self._words.names:
            return self._words.names[name]
        standard = name in sys.stdlib_module_names and name not in _AMBIGUOUS and len(name) > 1
        return f"import {name}" if name in self._table.roots or standard or name == self._root else None

    def starred(self, module: str, name: str) -> str | None:
        """The import of a name that `from module import *` gives."""
        return f"from {module} import {name}" if self._table.resolve(f"{module}.{name}") not in (None, OPAQUE) else None

    def _has(self, module: str, name: str) -> bool:
        """Whether a name is one of the module's, and no module that it merely imports."""
        reference = self._table.resolve(module)
        if reference is None or reference < 0 or name in self._table.roots:
            return False
        return self._table.member(reference, name) is not None
