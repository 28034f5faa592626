"""Drafts about the difference between two symbols that the documentation names together.

What is needed of each symbol is kept in an index while the pages are composed: a summary and one short script, no
more. Knows nothing about pages and entries beyond that.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from curation.compose.phrasings import choice, load_phrasings
from curation.compose.prose import about_returns
from curation.compose.script import Script, pruned
from curation.compose.subject import MAX_POINT, Subject, provenance
from curation.compose.usage import first_examples, show
from curation.draft import Draft
from curation.entries import Origin
from curation.markup import is_clean
from symbols.table import BUILTINS

MAX_SYMBOLS = 100_000
"""Symbols that are kept at most."""
MAX_SCRIPT = 330
MAX_RELATED = 6
MOST = 1
_COMMON = re.compile(r"the|and|for|with|from|that|this|are|its|which|into|returns?|given|using")
"""Drafts that a symbol gives at most."""


@dataclass(frozen=True)
class _Known:
    origin: Origin
    lead: str
    script: Script
    related: tuple[str, ...]
    returns: str
    kind: str


class Comparisons:
    """Symbols with what is needed to compare them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[str, _Known] = {}
        self._words = load_phrasings()

    def add(self, subject: Subject) -> None:
        """Keep what a comparison needs, where the symbol has it."""
        if not subject.lead or len(subject.lead) > 200 or len(self._known) >= MAX_SYMBOLS:
            return
        scripts = (show(subject, [number], MAX_SCRIPT) for number in subject.shows[:3])
        script = next((one for one in scripts if one is not None), None) or first_examples(subject)[0]
        if script is None or script.size > MAX_SCRIPT:
            return
        related = [name for one in subject.doc.see_also for name in _candidates(one, subject)]
        told = about_returns(subject.spoken, subject.doc.returns) if subject.doc.returns is not None else ""
        self._known.setdefault(
            subject.symbol,
            _Known(
                subject.entry.origin,
                subject.lead,
                script,
                tuple(dict.fromkeys(related))[:MAX_RELATED],
                told if len(told) <= MAX_POINT else "",
                subject.documented.kind,
            ),
        )

    def drafts(self) -> Iterator[Draft]:
        """The drafts about all pairs of which both symbols are known, in the symbols' order."""
        done: set[tuple[str, str]] = set()
        for symbol in sorted(self._known):
            made = 0
            for other in self._known[symbol].related:
                pair = (min(symbol, other), max(symbol, other))
                if other not in self._known or other == symbol or pair in done or made == MOST:
                    continue
                done.add(pair)
                draft = self._draft(symbol, other)
                if draft is not None:
                    made += 1
                    yield draft

    def _draft(self, symbol: str, other: str) -> Draft | None:
        one, two = self._known[symbol], self._known[other]
        spoken, also = symbol.removeprefix(f"{BUILTINS}."), other.removeprefix(f"{BUILTINS}.")
        if one.script.body == two.script.body or one.kind != two.kind or not _comparable(one, two, spoken, also):
            return None
        lead = f"{one.lead} {two.lead}"
        if not is_clean(lead):
            return None
        code = _joined((spoken, one.script), (also, two.script))
        points = (one.returns, two.returns) if one.returns and two.returns else ()
        template = choice(f"{self._seed} {symbol} {other} difference", self._words.questions["difference"])
        return Draft(
            template.format(symbol=spoken, other=also),
            lead,
            code,
            points if len(lead) + len(code) < 650 and _words(one.returns) != _words(two.returns) else (),
            provenance(one.origin, symbol, "difference", False),
        )


def _comparable(one: _Known, two: _Known, spoken: str, also: str) -> bool:
    """Whether the two do something alike and yet not the same, as far as names and summaries tell."""
    first, second = _words(one.lead), _words(two.lead)
    names = difflib.SequenceMatcher(None, spoken.rpartition(".")[2], also.rpartition(".")[2]).ratio()
    alike = len(first & second) / max(1, len(first | second))
    return first != second and (alike >= 0.2 or (names >= 0.6 and alike > 0))


def _words(text: str) -> frozenset[str]:
    """The words of a text that say something, without what it quotes as code."""
    words = re.findall(r"[a-z]{3,}", re.sub(r"`[^`]*`", "", text.lower()))
    return frozenset(word for word in words if not _COMMON.fullmatch(word))


def _candidates(name: str, subject: Subject) -> Iterator[str]:
    """The full names that a name in a See Also section may stand for, the most likely first."""
    table = subject.table
    aliases = {alias: module for module, alias in subject.words.aliases.items()}
    root, _, rest = name.partition(".")
    name = f"{aliases[root]}.{rest}" if root in aliases and rest else name
    one = subject.documented
    for scope in (one.receiver, one.module, one.module.partition(".")[0], ""):
        full = f"{scope}.{name}" if scope else name
        if (scope or "." in name) and table.exists(full):
            yield full
            return


def _joined(first: tuple[str, Script], second: tuple[str, Script]) -> str:
    """Both scripts under one head of imports, each below the name that it shows; set-up that both have stands once."""
    one, two = list(first[1].body), list(second[1].body)
    shared = 0
    while shared < min(len(one), len(two)) - 1 and one[shared] == two[shared]:
        shared += 1
    parts = [*one[:shared], f"# {first[0]}", *one[shared:], "", f"# {second[0]}", *(two[shared:] if shared else two)]
    body = "\n".join(parts)
    return "\n".join([*pruned([*first[1].imports, *second[1].imports], body), "", body]).lstrip("\n")
