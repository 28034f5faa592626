"""Which of a source's packages a question is about. Knows nothing about where the question comes from."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

from curation.entries import Prose, Snippet
from symbols.introspect import STDLIB

_IMPORT = re.compile(r"^(?:>>> |\.\.\. )?\s*(?:import|from) (\w+)", re.MULTILINE)


def subject(packages: Sequence[str], names: Iterable[str], content: Iterable[Prose | Snippet]) -> str:
    """The package that is named (by tags, or by a repository), else one that the code imports, else the first.

    Args:
        packages: the source's packages, by their import names.
        names: what the question is filed under, the most telling first.
        content: the answer.
    """
    by_name = {_plain(package): package for package in packages}
    for name in names:
        if _plain(name) in by_name:
            return by_name[_plain(name)]
    for piece in content:
        for root in _IMPORT.findall(piece.source) if isinstance(piece, Snippet) else ():
            if root in packages:
                return str(root)
            if root in sys.stdlib_module_names and STDLIB in packages and root != "__future__":
                return STDLIB
    return packages[0]


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(".", "")
