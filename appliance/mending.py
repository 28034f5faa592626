"""Code that goes on otherwise where it names what doesn't exist.

An answer's code is looked at statement by statement, and told only when that was done. A name that there isn't, and
what followed it, is taken back; from there the model goes on, under a grammar that leaves it, for this one name, only
names that there are. Knows nothing about engines or HTTP.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.checking import Block, BlockReader, Check, Checker
from symbols.finding import Finding

MOST = 8
"""Names of an answer that are mended; those after them are only told of."""
_NAMES, _LONGEST = 1_000, 60
"""Most names to choose from, and their most characters: a grammar has its bounds."""
_NAME = re.compile(rf"[A-Za-z]\w{{,{_LONGEST - 1}}}", re.ASCII)


@dataclass(frozen=True)
class Detour:
    """Where an answer is to go on otherwise."""

    kept: str
    """The answer so far, without the name that there isn't and what followed it."""
    grammar: str
    """What may come next, in llama.cpp's GBNF."""


class Mender:
    """Follows one answer."""

    def __init__(self, check: Check, begun: str = "") -> None:
        """What of the answer has `begun` already stays as it is."""
        self._check = check
        self._text = begun
        self._told = self._sure = len(begun)
        self._cut = len(begun) - 1
        """Where the answer went on otherwise last; it doesn't once more there, nor before."""
        self._open = True
        self._left = MOST

    @property
    def mended(self) -> bool:
        """Whether the answer has gone on otherwise anywhere."""
        return self._left < MOST

    def feed(self, text: str) -> tuple[str, Detour | None]:
        """Take the next piece of the answer: what of it may be told now, and whether it is to go on otherwise.

        After a detour, pieces are those of what comes instead. Takes milliseconds where a line ends.
        """
        self._text += text
        if "\n" in text:
            return self._look(last=False)
        return "" if self._open else self._tell(len(self._text)), None

    def end(self) -> tuple[str, Detour | None]:
        """The answer has ended: the rest of what is told, and whether it is to go on otherwise after all."""
        return self._look(last=True)

    def _look(self, *, last: bool) -> tuple[str, Detour | None]:
        reader = BlockReader()
        blocks = reader.feed(self._text) + (reader.end() if last else [])
        unfinished = None if last else reader.open
        self._open = unfinished is not None
        checker = Checker(self._check)
        for block in blocks + ([unfinished] if unfinished else []):
            checked = checker.check(block)
            if block.end <= self._sure:
                continue
            if checked.error and block is unfinished:  # half a statement, as far as one can tell
                break
            if detour := self._detour(block, checked.findings):
                self._text, self._cut, self._left = detour.kept, len(detour.kept), self._left - 1
                self._open = True
                return "", detour
            self._sure = block.end
        return self._tell(max(self._sure, unfinished.start) if unfinished else len(self._text)), None

    def _tell(self, end: int) -> str:
        told, self._told = self._text[self._told : end], max(self._told, end)
        return told

    def _detour(self, block: Block, findings: Sequence[Finding]) -> Detour | None:
        """The way past the first of a block's findings that there is a way past."""
        found = [one for one in (self._past(block, finding) for finding in findings) if one] if self._left else []
        return min(found, key=lambda one: len(one.kept), default=None)

    def _past(self, block: Block, finding: Finding) -> Detour | None:
        keyword = finding.problem == "no-such-keyword"
        name = re.escape(finding.name.rstrip(")").rpartition("(" if keyword else ".")[2])
        lines = self._text[block.start : block.end].split("\n")
        begin = block.start + sum(len(line) + 1 for line in lines[: finding.line - 1])
        # White space before a name belongs to its first token.
        form = rf"(?<=[(,])\s*\b{name}\s*=(?!=)" if keyword else rf"\.{name}\b"
        imported = re.match(r"\s*from\s.*?\simport\b", lines[finding.line - 1])
        if imported:
            form, begin = rf"[ \t]*\b{name}\b", begin + imported.end()
        begin = len(self._text[:begin].rstrip()) if keyword else begin
        place = re.compile(form).search(self._text, max(begin, self._sure, self._cut + 1), block.end)
        names = [one for one in finding.others if _NAME.fullmatch(one)][:_NAMES]
        if place is None or not (names or keyword):
            return None
        lead = place[0][: len(place[0]) - len(place[0].lstrip(". \t\r\n"))]
        after = r"[ ,;)#\n]" if imported else "[^A-Za-z0-9_]"
        return Detour(self._text[: place.start()], _grammar(lead, names, after, keyword=keyword))


def _grammar(lead: str, names: Sequence[str], after: str, *, keyword: bool) -> str:
    """What comes next: what led to the name, one of the names, a character that may be after it, and then anything.

    For a keyword this is its sign, and the call may end instead.
    """
    begin = '"' + lead.replace("\n", r"\n").replace("\t", r"\t").replace("\r", r"\r") + '"'
    chosen = _choice(sorted(set(names)))
    if not keyword:
        return rf"root ::= {begin} ({chosen}) ({after} [^\x00]*)?"
    ways = [f'({chosen}) "="', '")"'] if names else ['")"']
    return rf"root ::= {begin} ({' | '.join(ways)}) [^\x00]*"


def _choice(texts: Sequence[str]) -> str:
    """One of some texts, which are sorted. What several begin with stands there once: the fewer ways, the faster."""
    groups = [list(group) for _, group in itertools.groupby(texts, key=lambda text: text[:1])]
    ways = []
    for group in groups:
        pairs = zip(group[0], group[-1], strict=False)
        begin = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        rest = _choice([text[len(begin) :] for text in group]) if len(group) > 1 else ""
        ways.append(f'"{begin}" ({rest})' if rest else f'"{begin}"')
    return " | ".join(ways)
