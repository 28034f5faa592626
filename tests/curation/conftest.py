"""A small documented package in an environment of its own, and entries made by hand."""

from __future__ import annotations

import sys
import textwrap
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.docstring import parse_docstring
from curation.entries import ApiEntry, Origin, Snippet
from symbols.introspect import Entry as Documented
from symbols.introspect import Parameter, walk_packages
from symbols.table import SymbolTable

HEAD = '''
"""Gadgets."""
__all__ = ["Gadget", "gone", "broken", *(f"turn{n}" for n in range(40))]

class Gadget:
    """A gadget that turns."""

    def halt(self, gently):
        """Halt the gadget at once, or slowly."""

def gone(x):
    """Turn a gadget the old way.

    .. deprecated:: 1.0
    """

def broken(x):
    """See::"""
'''
FUNCTION = '''
def turn{n}(gadget, times=1):
    """Turn a gadget {n} times over its axis.

    Args:
        gadget: The gadget to turn.
        times: How often it is turned.

    Returns:
        The angle in degrees.

    Example:
        >>> turn{n}("top")
        {n}60
    """
'''


@pytest.fixture(scope="session")
def gadgets_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the package `gadgets` and the package `empty`."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    functions = "".join(FUNCTION.format(n=n) for n in range(40))
    (site / "gadgets.py").write_text(textwrap.dedent(HEAD).lstrip() + functions)
    (site / "empty.py").write_text("")
    return str(Path(folder) / "bin" / "python")


@pytest.fixture(scope="session")
def table() -> SymbolTable:
    """What exists in requests and some of the standard library."""
    walk = walk_packages(["requests", "builtins", "json", "math", "pathlib"])
    for _ in walk:
        pass
    return walk.table


@pytest.fixture
def entry() -> Callable[..., ApiEntry]:
    """Makes an entry; what is not given is that of `math.sqrt`."""

    def make(**changes: Any) -> ApiEntry:
        values: dict[str, Any] = {
            "symbol": "math.sqrt",
            "module": "math",
            "receiver": "",
            "kind": "function",
            "parameters": (Parameter("x", "positional_only", None),),
            "returns": "",
            "docstring": "Return the square root of x.",
            "deprecated": False,
            "package": "stdlib",
            "version": "3.11",
            "licence": "PSF-2.0",
        }
        documented = Documented(**{**values, **changes})
        names = ("package", "version", "licence")
        return ApiEntry(
            origin=Origin(source="package", **{name: getattr(documented, name) for name in names}),
            documented=documented,
            doc=parse_docstring(documented.docstring),
            snippets=(Snippet(source=documented.docstring, form="session"),),
            deprecated=documented.deprecated,
        )

    return make
