"""Personal data and secrets, masked: each is replaced by a stand-in of its own kind, so that the text goes on working.

What is looked for is told by `curation.secrets` and `curation.personal`. In code only strings and comments are
touched, and no stand-in has a quote or a backslash in it, so that valid Python stays valid. Knows nothing about names
of people in prose, nor about licences' attributions, which have to stay.
"""

from __future__ import annotations

import io
import json
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from curation.draft import Draft
from curation.personal import find_personal
from curation.secrets import find_secrets
from curation.span import Span

_QUOTING = frozenset({tokenize.STRING, tokenize.COMMENT})
# From Python 3.12 on an f-string is many tokens, from 3.14 on a t-string, too.
_BEGINS, _ENDS = (
    frozenset(getattr(tokenize, kind + end) for kind in ("FSTRING", "TSTRING") if hasattr(tokenize, kind + end))
    for end in ("_START", "_END")
)


@dataclass(frozen=True)
class _Masker:
    """Masks texts, and collects the names of what was masked."""

    names: dict[str, None]

    def prose(self, text: str) -> str:
        return self._apply(text, _find(text))

    def code(self, code: str) -> str:
        spans: Iterable[Span] = _find(code)
        quoted = _quoted(code) if spans else None
        if quoted is not None:
            spans = [span for span in spans if any(a <= span.start and span.end <= b for a, b in quoted)]
        return self._apply(code, spans)

    def _apply(self, text: str, spans: Iterable[Span]) -> str:
        parts: list[str] = []
        end = 0
        for span in spans:
            parts += text[end : span.start], span.stand_in
            end = span.end
            self.names[span.name] = None
        return "".join([*parts, text[end:]])


def mask(text: str) -> tuple[str, list[str]]:
    """Mask what is personal or secret in prose.

    Returns:
        the text, and the names of what was masked, e.g. `e-mail address`, each once.
    """
    masker = _Masker({})
    return masker.prose(text), list(masker.names)


def mask_json(text: str) -> str:
    """Mask what is personal or secret in the strings of a JSON value, given and returned as text."""
    if not mask(text)[1]:
        return text
    masker = _Masker({})

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return masker.prose(value)
        if isinstance(value, list):
            return [masked(one) for one in value]
        return {key: masked(one) for key, one in value.items()} if isinstance(value, dict) else value

    return json.dumps(masked(json.loads(text)), ensure_ascii=False, separators=(",", ":"))


def mask_draft(draft: Draft) -> tuple[Draft, list[str]]:
    """Mask what is personal or secret in a draft's prose and code; its provenance stays.

    Returns:
        the draft, and the names of what was masked, each once.
    """
    masker = _Masker({})
    masked = replace(
        draft,
        instruction=masker.prose(draft.instruction),
        lead=masker.prose(draft.lead),
        code=masker.code(draft.code),
        points=tuple(masker.prose(point) for point in draft.points),
        failing=masker.code(draft.failing),
    )
    return (masked, list(masker.names)) if masker.names else (draft, [])


@lru_cache(maxsize=256)
def _find(text: str) -> tuple[Span, ...]:
    """What is to be masked, from left to right; of two that overlap, the one that begins first, or is longer.

    The drafts of one page share their sentences and their code.
    """
    found: list[Span] = []
    end = 0
    for span in sorted([*find_secrets(text), *find_personal(text)], key=lambda one: (one.start, -one.end)):
        if span.start >= end:
            found.append(span)
            end = span.end
    return tuple(found)


def _quoted(code: str) -> Sequence[tuple[int, int]] | None:
    """Where the strings and comments of code begin and end; None for what isn't Python."""
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[tuple[int, int]] = []
    begun: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            start, end = (starts[line - 1] + column for line, column in (token.start, token.end))
            if token.type in _BEGINS:
                begun.append(start)
            elif token.type in _ENDS:
                start = begun.pop()
            if not begun and token.type in _QUOTING | _ENDS:
                found.append((start, end))
        return found
    except (tokenize.TokenError, SyntaxError, IndexError):
        return None
