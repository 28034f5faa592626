"""Entries to records: for each symbol its candidates, the best first. A symbol gives one record at most.

An answer is one or two sentences, a ```python block and a few key points, always in this form. The code is the
documentation's own example where there is one, else the call with its real parameters. Nothing is run here, and
nothing is judged: `curation.filters` does that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from bundle.records import Record
from curation.docstring import Docstring, parse_docstring
from curation.entries import Entry
from curation.examples import read_steps, write_script
from curation.forms import Form
from curation.markup import closed, first_sentence, is_clean, sentences
from curation.phrasings import Phrasings, choice, load_phrasings
from symbols.introspect import Entry as Documented
from symbols.table import BUILTINS, SymbolTable

MAX_ANSWER = 900
"""Characters that an answer has at most: prose and key points are cut at sentence ends to fit."""
MAX_SENTENCE = 220
MAX_POINT = 150
MAX_POINTS = 5
_HOW = {
    "property": "It is read without parentheses.",
    "exception": "Catch it with `except`, around the call that may raise it.",
}
# What a property's summary may begin with as a verb: `Format string of …` is no command.
_PROPERTY_VERBS = frozenset({"return", "get", "give", "indicate", "check", "tell", "compute", "determine", "access"})


def compose(entry: Entry, table: SymbolTable) -> Iterator[Record]:
    """Yield the records that an entry can give, the best first; none for an entry without a docstring."""
    if entry.documented.docstring:
        yield from Composer(entry.documented, table).records(entry)


class Composer:
    """Composes the records of one symbol."""

    def __init__(self, entry: Documented, table: SymbolTable) -> None:
        self._entry = entry
        self._table = table
        self._words: Phrasings = load_phrasings()
        self._doc: Docstring = parse_docstring(entry.docstring)
        self._form = Form(entry, self._words)
        self._spoken = entry.symbol.removeprefix(f"{BUILTINS}.")

    def records(self, entry: Entry) -> Iterator[Record]:
        """The symbol's records, the best first."""
        usage = self._usage_code()
        if usage is not None:
            yield self._record(entry, "usage", usage)
        call = self._form.code(self._mentioned(), self._returns())
        if call is not None:
            yield self._record(entry, self._call_kind(), call)

    def _record(self, entry: Entry, kind: str, code: str) -> Record:
        return Record(
            instruction=self._question(kind), output=self._answer(kind, code), provenance=entry.provenance(kind)
        )

    def _call_kind(self) -> str:
        if self._entry.kind in ("class", "exception", "property"):
            return self._entry.kind
        described = [
            name for name in self._doc.parameters if name in {one.name for one in self._entry.parameters or ()}
        ]
        return choice("kind " + self._entry.symbol, ["call", "signature"]) if len(described) >= 2 else "call"

    # Code

    def _usage_code(self) -> str | None:
        steps = read_steps(self._entry.docstring)
        return write_script(steps, self._entry.symbol, bool(self._entry.receiver), self._import_for)

    def _import_for(self, name: str) -> str | None:
        """The import that gives a name which the documentation takes for granted."""
        for module, alias in self._words.aliases.items():
            if name == alias:
                return f"import {module} as {alias}"
        module = self._entry.module
        if module != BUILTINS and self._table.resolve(f"{module}.{name}") not in (None,) and self._own(module, name):
            return f"from {module} import {name}"
        root = module.partition(".")[0]
        if name in (root, module.rpartition(".")[2]) or (name in self._table.roots and name != "os"):
            return f"import {name}" if name in self._table.roots else f"from {module.rpartition('.')[0]} import {name}"
        return "import os" if name == "os" else None

    def _own(self, module: str, name: str) -> bool:
        """Whether a name is one of the module's, and no module that it merely imports."""
        return name in self._table.members(self._table.resolve(module) or 0) and name not in self._table.roots

    # Prose

    def _returns(self) -> bool:
        if self._entry.returns in ("None", "'None'"):
            return False
        if self._doc.returns is not None:
            return not self._doc.returns.type.lower().startswith("none")
        if self._summary.startswith(("True ", "False ")):
            return True
        told = re.search(r"\b(?:return(?:s|ed)?|yields?)\b(?! None)", " ".join(self._doc.paragraphs), re.IGNORECASE)
        verb = self._words.verb(self._summary.partition(" ")[0])
        return bool(told or self._entry.returns or (verb is not None and verb[0] in self._words.giving))

    @cached_property
    def _summary(self) -> str:
        text = self._doc.paragraphs[0] if self._doc.paragraphs else ""
        last = re.escape(self._entry.symbol.rpartition(".")[2])
        return first_sentence(re.sub(rf"^(\([^)]*\)|`?{last}`?(\(\))?\s*(:|-+|–)\s)\s*", "", text))

    def _lead(self) -> str:
        """The first sentence of the answer, whose subject is the symbol."""
        summary = self._summary
        first, _, rest = summary.partition(" ")
        verb = self._words.verb(first.rstrip(","))
        if rest and first in self._words.copula:
            return f"`{self._spoken}` {self._words.copula[first]} {rest}"
        if rest and first in ("True", "False") and self._entry.kind != "property":
            return f"`{self._spoken}` returns {summary}"
        if verb is not None and rest and (self._entry.kind != "property" or verb[0] in _PROPERTY_VERBS):
            return f"`{self._spoken}` {verb[1]} {self._conjugated(rest)}"
        if self._entry.kind in ("class", "property") and re.match(r"(An?|The) ", summary):
            return f"`{self._spoken}` is {summary[0].lower()}{summary[1:]}"
        summary = summary[0].upper() + summary[1:] if re.match(r"[a-z]+ ", summary) else summary
        return f"`{self._spoken}`: {summary}"

    def _conjugated(self, rest: str) -> str:
        """The rest of a command after its verb, with further verbs in the third person: `and merge it` → `merges`."""

        def third(match: re.Match[str]) -> str:
            verb = self._words.verb(match.group(2))
            infinitive = re.search(r"\bto\b", rest[: match.start()])
            return match.group(0) if verb is None or infinitive else f"{match.group(1)} {verb[1]}"

        objects = r"(?= (?:an?|the|it|all|them|its|their|this|that|any|each|if|whether)\b)"
        return re.sub(rf"((?:^|\b)(?:and|or|then)) (\w+){objects}", third, rest)

    def _more(self) -> list[str]:
        """Further sentences of the description that can stand after the first."""
        found: list[str] = []
        for number, paragraph in enumerate(self._doc.paragraphs[:3]):
            parts = [closed(one) for one in sentences(paragraph)]
            for one in parts[1:] if number == 0 else parts:
                if not is_clean(one) or len(one) > MAX_SENTENCE or not re.match(r"(?![\w/ ]{1,20}:)[A-Z`]", one):
                    return found
                found.append(one)
        return found

    def _question(self, kind: str) -> str:
        goal = self._goal()
        templates = list(self._words.questions[kind])
        if goal and kind in ("usage", "call"):
            templates += self._words.questions["goal"]
        template = choice(self._entry.symbol, templates)
        return template.format(symbol=self._spoken, goal=goal, library=self._library())

    def _goal(self) -> str:
        """The summary as something that a developer wants, e.g. `compute the mean of groups`; empty where it isn't."""
        words = self._summary.rstrip(".").split()
        verb = self._words.verb(words[0]) if words else None
        goal = " ".join(words)
        if verb is None or not 4 <= len(words) <= 14 or re.search(r"[`:;=]|\b(self|this|these|it)\b", goal):
            return ""
        base = "get" if verb[0] == "return" else verb[0]
        return " ".join([base, *words[1:]])

    def _library(self) -> str:
        entry = self._entry
        if entry.receiver:
            return f"`{entry.receiver.removeprefix(BUILTINS + '.')}`"
        key = BUILTINS if entry.module == BUILTINS else entry.package
        library = entry.package if "." not in entry.module else f"`{entry.module}`"
        return self._words.libraries.get(key, library).format(module=entry.module)

    # Key points

    def _mentioned(self) -> set[str]:
        names = {one.name for one in self._entry.parameters or ()}
        words = set(re.findall(r"\w+", self._entry.docstring))
        return {name for name in names if name in self._doc.parameters or (len(name) > 2 and name in words)}

    def _points(self, kind: str, code: str) -> list[str]:
        points: list[str] = []
        signature = self._entry.signature
        if kind in ("property", "exception"):
            points.append(_HOW[kind])
        elif kind != "usage" and signature == "()":
            points.append("It takes no arguments.")
        elif kind != "usage" and signature is not None and len(signature) <= MAX_POINT:
            points.append(f"Signature: `{self._spoken}{signature}`")
        used = set(re.findall(r"\w+", code))
        names = [one for one in self._entry.parameters or () if one.name in self._doc.parameters]
        names.sort(key=lambda one: (not one.required, one.name not in used))
        described: dict[str, list[str]] = {}
        for one in names:
            section = self._doc.parameters[one.name]
            text = first_sentence(section.text)
            if not is_clean(text) or len(text) > MAX_POINT:
                text = closed(section.type) if section.type and len(section.type) <= 60 else ""
            if text:
                described.setdefault(text, []).append(f"`{one.name}`")
        for text, together in list(described.items())[: 4 if kind == "signature" else 3]:
            points.append(f"{', '.join(together)}: {text}")
        if self._doc.returns is not None:
            text = first_sentence(self._doc.returns.text)
            if not is_clean(text) or len(text) > MAX_POINT:
                text = closed(self._doc.returns.type)
            if text and is_clean(text) and len(text) <= MAX_POINT and text.lower() != "none.":
                again = re.match(r"Returns? ", text)
                points.append(f"Returns {text[again.end() :]}" if again else f"Returns: {text}")
        for name, reason in list(self._doc.raises.items())[:1]:
            text = first_sentence(reason)
            if is_clean(text) and len(text) <= MAX_POINT:
                points.append(f"Raises `{name}`: {text}")
        return points[:MAX_POINTS]

    def _answer(self, kind: str, code: str) -> str:
        """The whole answer, as much of it as fits: first the lead and the code, then points, then more prose."""
        block = f"```python\n{code}\n```"
        lead = self._lead()
        kept: list[str] = []
        room = MAX_ANSWER - len(lead) - len(block) - 4
        for point in self._points(kind, code):
            if len(point) + 3 <= room:
                kept.append(point)
                room -= len(point) + 3
        more = self._fitting(self._more()[:2], room, MAX_SENTENCE * 2 - len(lead))
        parts = [" ".join([lead, *more]), block]
        if kept:
            parts.append("\n".join(f"- {point}" for point in kept))
        return "\n\n".join(parts)

    @staticmethod
    def _fitting(texts: Sequence[str], *rooms: int) -> list[str]:
        kept: list[str] = []
        room = min(rooms)
        for text in texts:
            if len(text) + 1 > room:
                break
            kept.append(text)
            room -= len(text) + 1
        return kept
