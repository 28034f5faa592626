"""Composing: entries in, drafts out. Nothing is run and nothing is judged here.

    compose_page    the drafts of one page's entries
    Comparisons     what is kept of documented objects meanwhile, and the drafts about two of them

Every draft's code is complete: imports and the page's earlier set-up are carried in. Choices among phrasings, examples
and mutations depend on the symbol and the seed alone.
"""

from curation.compose.comparisons import Comparisons
from curation.compose.page import compose_page

__all__ = ["Comparisons", "compose_page"]
