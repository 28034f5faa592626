"""Code that goes on otherwise where it names what doesn't exist.

An answer's code is looked at statement by statement, and told only when that was done. A name that there isn't, and
what followed it, is taken back; from there the model goes on, under a grammar that leaves it, for this one name, only
names that there are: those spelt much alike, else those that the question or the documentation has, else all. A name
that was replaced where it was imported is replaced where it is used, and a library that is used without its import is
imported. What is no Python is taken back, too, once. Knows nothing about engines or HTTP.
"""

from __future__ import annotations

import difflib
import itertools
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from appliance.checking import Block, BlockReader, Check, Checker
from bundle.grounding import Grounding
from bundle.template import Message
from bundle.words import ALIASES, names
from symbols.finding import Finding
from symbols.unbound import Unbound, unbound

MOST = 16
"""Times that an answer goes on otherwise; what is wrong after them is only told of."""
_NAMES, _LONGEST = 1_000, 60
"""Most names to choose from, and their most characters: a grammar has its bounds."""
_NAME = re.compile(rf"[A-Za-z]\w{{,{_LONGEST - 1}}}", re.ASCII)
_BRANCH = re.compile(r"\s*(elif|else|except|finally|case)\b")
"""Lines that no other statement can stand before."""
_NEAR, _ALIKE = 8, 0.7
"""How many names are left to choose from where some are spelt much alike, and how much (difflib's ratio)."""


@dataclass(frozen=True)
class Detour:
    """Where an answer is to go on otherwise."""

    kept: str
    """The answer so far: what of it stays, and what comes instead as far as there is no choice."""
    grammar: str = ""
    """What may come after it, in llama.cpp's GBNF; anything where it is empty."""


@dataclass(frozen=True)
class _Way:
    """A way past something that is wrong."""

    place: int
    """Where it is in the text."""
    detour: Detour
    imported: str = ""
    """The name that there isn't, where it is imported."""


class Mender:
    """Follows one answer."""

    def __init__(self, check: Check, begun: str = "", about: str = "") -> None:
        """What of the answer has `begun` already stays as it is; it is `about` the names in some text."""
        self._check = check
        self._about = set(re.findall(r"\w+", about))
        self._text = begun
        self._told = self._sure = len(begun)
        self._cut = len(begun) - 1
        """Where the answer went on otherwise last; it doesn't once more there, nor before."""
        self._left = MOST
        self._imported: dict[str, int] = {}
        """Names that there weren't, and where in the text those are that were imported instead."""
        self._read()

    @property
    def mended(self) -> bool:
        """Whether the answer has gone on otherwise anywhere."""
        return self._left < MOST

    def feed(self, text: str) -> tuple[str, Detour | None]:
        """Take the next piece of the answer: what of it may be told now, and whether it is to go on otherwise.

        After a detour, pieces are those of what comes after `kept`. Takes milliseconds where a line ends.
        """
        self._text += text
        if "\n" in text:
            return self._look(last=False)
        return "" if self._open else self._tell(len(self._text)), None

    def end(self, *, cut_off: bool = False) -> tuple[str, Detour | None]:
        """The answer has ended, by itself or because it was `cut_off`: the rest of what is told, and whether it is to
        go on otherwise after all."""
        return (self._tell(len(self._text)), None) if cut_off else self._look(last=True)

    def _read(self, *, last: bool = False) -> tuple[list[Block], Block | None]:
        """The blocks of the text so far, and the one that it is in."""
        reader = BlockReader()
        blocks = reader.feed(self._text) + (reader.end() if last else [])
        unfinished = None if last else reader.open
        self._open = unfinished is not None
        return blocks, unfinished

    def _look(self, *, last: bool) -> tuple[str, Detour | None]:
        blocks, unfinished = self._read(last=last)
        checker, before = Checker(self._check), ""
        for block in blocks + ([unfinished] if unfinished else []):
            checked = checker.check(block)
            if checked.error and block is unfinished:  # half a statement, as far as one can tell
                break
            if block.end > self._sure:
                if detour := self._anew(block) if checked.error else self._detour(block, checked.findings, before):
                    self._text, self._open, self._left = detour.kept, True, self._left - 1
                    return "", detour
                self._sure = block.end
            before += "" if checked.error else f"{block.code}\n\n"
        return self._tell(max(self._sure, unfinished.start) if unfinished else len(self._text)), None

    def _tell(self, end: int) -> str:
        told, self._told = self._text[self._told : end], max(self._told, end)
        return told

    def _detour(self, block: Block, findings: Sequence[Finding], before: str) -> Detour | None:
        """The way past the first thing in a block that there is a way past; `before` is the code of earlier blocks."""
        if not self._left:
            return None
        lines = before.count("\n")
        ways = [self._past(block, one) for one in findings]
        with suppress(SyntaxError), warnings.catch_warnings(action="ignore"):
            ways += [self._bound(block, one, lines) for one in unbound(before + block.code) if one.line > lines]
        way = min(filter(None, ways), key=lambda one: one.place, default=None)
        if way is None:
            return None
        self._cut = way.place
        if way.imported:
            self._imported[way.imported] = way.place
        return way.detour

    def _anew(self, block: Block) -> Detour | None:
        """Back to before what is no Python in a block that is; once."""
        place = max(self._sure, block.start)
        if not self._left or place <= self._cut:
            return None
        self._cut = place
        return Detour(self._text[:place])

    def _past(self, block: Block, finding: Finding) -> _Way | None:
        """The way past a name that there isn't."""
        keyword = finding.problem == "no-such-keyword"
        name = finding.name.rstrip(")").rpartition("(" if keyword else ".")[2]
        begin, line = self._line(block, finding.line)
        # White space before a name belongs to its first token.
        form = rf"(?<=[(,])\s*\b{re.escape(name)}\s*=(?!=)" if keyword else rf"\.{re.escape(name)}\b"
        begin = len(self._text[:begin].rstrip()) if keyword else begin
        imported = re.match(r"\s*from\s.*?\simport\b", line)
        if imported:
            form, begin = rf"[ \t]*\b{re.escape(name)}\b", begin + imported.end()
        place = self._find(form, begin, block)
        others = [one for one in finding.others if _NAME.fullmatch(one)][:_NAMES]
        if place is None or not (others or keyword):
            return None
        lead = place[0][: len(place[0]) - len(place[0].lstrip(". \t\r\n"))]
        if imported:  # once is enough
            there = re.findall(r"\w+", self._text[begin : place.start()])
            others = [one for one in others if one not in there] or others
        about = [one for one in others if one in self._about]
        others = difflib.get_close_matches(name, others, _NEAR, _ALIKE) or about or others
        after = r"[ ,;)#\n]" if imported else "[^A-Za-z0-9_]"
        detour = Detour(self._text[: place.start()], _grammar(lead, others, after, keyword=keyword))
        return _Way(place.start(), detour, name if imported else "")

    def _bound(self, block: Block, use: Unbound, lines: int) -> _Way | None:
        """The way past a name that nothing binds; `lines` are those of earlier blocks."""
        begin, line = self._line(block, use.line - lines)
        if use.name in self._imported:
            place = self._find(rf"(?<![\w.]){re.escape(use.name)}\b", begin, block)
            instead = re.compile(r"\s*(\w+)").match(self._text, self._imported[use.name])
            if place is None or instead is None:
                return None
            return _Way(place.start(), Detour(self._text[: place.start()] + instead[1]))
        imports = self._import(use)
        if not imports or _BRANCH.match(line) or begin <= max(self._cut, self._sure - 1):
            return None
        indent = line[: len(line) - len(line.lstrip())]
        return _Way(begin, Detour(f"{self._text[:begin]}{indent}{imports}\n"))

    def _import(self, use: Unbound) -> str:
        """The line that imports a library by the name which is used, where one has what is used of it."""
        module = ALIASES.get(use.name, use.name)
        imports = f"import {module}" if module == use.name else f"import {module} as {use.name}"

        def has(attribute: str) -> bool:
            return not self._check(f"{imports}\n{use.name}.{attribute}\n")

        return imports if use.attribute and has(use.attribute) and not has(f"no_{use.attribute}_here") else ""

    def _line(self, block: Block, number: int) -> tuple[int, str]:
        """Where a line of a block begins in the text, and the line; Python ends some where Markdown doesn't."""
        lines = self._text[block.start : block.end].split("\n")
        return block.start + sum(len(line) + 1 for line in lines[: number - 1]), "".join(lines[number - 1 : number])

    def _find(self, form: str, begin: int, block: Block) -> re.Match[str] | None:
        return re.compile(form).search(self._text, max(begin, self._sure, self._cut + 1), block.end)


def named(messages: Sequence[Message], grounding: Grounding) -> str:
    """The names that an answer is about: those of the last message, and of the documentation that is read for it."""
    asked = messages[-1]["content"] if messages else ""  # an answer that was begun may be all there is
    return " ".join([*names(asked), *(source.passage.symbol for source in grounding.sources)])


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
