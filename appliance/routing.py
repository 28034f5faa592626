"""Which library a conversation is about, for who has an adapter for it.

The best passage of the documentation says so. Within a conversation it stays as it was, unless another library is named
or nothing more is found of it. Knows nothing about adapters or prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

from bundle.documentation import Documentation
from bundle.retrieval import Found, find

_TURNS = 3
"""How many of the last turns count."""
_PASSAGES = 5
"""How many passages are looked at for each."""


def library_of(documentation: Documentation, turns: Sequence[str]) -> str:
    """The library that what a person said is about; empty where nothing is found.

    Raises:
        BundleError: the index is damaged.
    """
    library = ""
    for end in range(max(1, len(turns) - _TURNS + 1), len(turns) + 1):
        library = _next(library, find(documentation, turns[:end], _PASSAGES))
    return library


def _next(before: str, found: Sequence[Found]) -> str:
    if not found:
        return before
    best = found[0]
    stays = not best.named and any(one.passage.package == before for one in found)
    return before if stays else best.passage.package
