"""A documented object as a subject of drafts: its examples, its names, and what every draft about it has in common.

Knows nothing about the kinds of question.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from bundle.records import Provenance
from curation.compose.calls import Call, calls_of, full_name, is_symbol
from curation.compose.examples import Step
from curation.compose.phrasings import choice, load_phrasings
from curation.compose.prose import about_parameters, clean_sentences, goal_of, is_statement, sentence_about, summary_of
from curation.compose.script import Example, Script
from curation.draft import Draft, Kind
from curation.entries import ApiEntry, Origin
from curation.markup import is_clean
from symbols.table import BUILTINS, SymbolTable

MAX_ANSWER = 900
"""Characters that an answer has at most without its outputs: prose and key points are cut to fit."""
MAX_LEAD = 420
MIN_WORDS = 4
"""Words that a lead has at least beside the symbol."""
MAX_POINTS = 5
MAX_POINT = 170
MAX_SIZE = 760
"""Characters that a script has at most, with the output that the documentation shows."""

_REFERRING = re.compile(r"(?:See|Refer|Here|Please|Same as above)\b")
"""How summaries begin that say nothing by themselves."""


def provenance(origin: Origin, symbol: str, kind: Kind, written: bool) -> Provenance:
    """The provenance of a draft that is made from an entry of this origin."""
    return Provenance(
        source=origin.source,
        package=origin.package,
        version=origin.version,
        symbol=symbol,
        kind=kind,
        licence=origin.licence,
        url=origin.url,
        attribution=origin.attribution,
        written=origin.written or written,
    )


class Subject:
    """A documented object."""

    def __init__(self, entry: ApiEntry, example: Example, own: range, table: SymbolTable, seed: int) -> None:
        """`example` has the statements of the page up to the entry's last; `own` are the entry's among them."""
        self.entry = entry
        self.documented = entry.documented
        self.doc = entry.doc
        self.example = example
        self.own = own
        self.table = table
        self.seed = seed
        self.words = load_phrasings()
        self.symbol = entry.documented.symbol
        self.spoken = self.symbol.removeprefix(f"{BUILTINS}.")
        self.last = self.symbol.rpartition(".")[2]
        self.on_instances = bool(entry.documented.receiver)
        self.parameters = {one.name: one for one in entry.documented.parameters or ()}
        self._reference = table.resolve(self.symbol)
        self._calls: dict[int, list[Call]] = {}

    # Code

    @cached_property
    def shows(self) -> list[int]:
        """The entry's own statements that use the symbol and are to be relied on, in order."""
        return [number for number in self.own if self.usable(self.example.steps[number]) and self.shown_by(number)]

    @staticmethod
    def usable(step: Step) -> bool:
        """Whether a statement can be expected to run."""
        return not (step.imports or step.raised or step.skipped)

    def all_usable(self, numbers: Iterable[int]) -> bool:
        """Whether all of some statements, imports aside, can be expected to run."""
        steps = (self.example.steps[number] for number in numbers)
        return all(step.imports or self.usable(step) for step in steps)

    def shown_by(self, number: int) -> bool:
        """Whether a statement uses the symbol."""
        step = self.example.steps[number]
        if not any(chain.rpartition(".")[2] == self.last for chain in step.chains):
            return False
        return any(self._is_mine(node) for node in ast.walk(step.tree) if isinstance(node, ast.Attribute | ast.Name))

    def _is_mine(self, node: ast.expr) -> bool:
        return is_symbol(node, self.known_as, self.on_instances, self.example.names)

    @cached_property
    def known_as(self) -> str:
        """The full name under which the examples use the symbol: mostly its own, else another way to the same."""
        if self.on_instances:
            return self.symbol
        chains = {chain for number in self.own for chain in self.example.steps[number].chains}
        full = {full_name(chain, self.example.names) for chain in chains}
        same = sorted(
            name
            for name in full
            if name.rpartition(".")[2] == self.last
            and name.partition(".")[0] == self.symbol.partition(".")[0]
            and self._reference is not None
            and self.table.resolve(name) == self._reference
        )
        return self.symbol if self.symbol in full or not same else same[0]

    def calls(self, number: int) -> list[Call]:
        """The calls of the symbol in a statement."""
        if number not in self._calls:
            tree = self.example.steps[number].tree
            found = calls_of(tree, self.known_as, self.on_instances, self.example.names, self.documented.parameters)
            self._calls[number] = list(found)
        return self._calls[number]

    def script(self, numbers: Iterable[int], most: int = MAX_SIZE) -> Script | None:
        """The script of some statements with what they need; None where it is too long or lacks something."""
        chosen: set[int] = set()
        for number in numbers:
            chosen |= self.example.needed(number)
        if not self.all_usable(chosen):
            return None
        script = self.example.script(chosen)
        return script if script is not None and script.size <= most else None

    # Prose

    @cached_property
    def summary(self) -> str:
        """The first sentence of the description."""
        return summary_of(self.doc.paragraphs, self.last)

    @cached_property
    def lead(self) -> str:
        """The summary as a sentence about the symbol; empty where it doesn't read well."""
        if len(self.summary.split()) < 3 or self.summary.endswith("?") or _REFERRING.match(self.summary):
            return ""
        text = sentence_about(self.spoken, self.summary, self.documented.kind, self.words)
        other = text.startswith((f"`{self.spoken}`: The ", f"`{self.spoken}`: `")) and self.last not in self.summary
        if other and is_statement(self.summary):
            return ""  # it says something of a parameter, or of a part
        return text if is_clean(text) and len(text) <= MAX_LEAD else ""

    @cached_property
    def more(self) -> list[str]:
        """Further sentences of the description that can stand after the first."""
        first, *others = self.doc.paragraphs[:3] or [""]
        return clean_sentences([first, *others], 4)[1:] if clean_sentences([first], 1) else []

    @cached_property
    def goal(self) -> str:
        """What a developer wants who needs the symbol; empty where the summary is no aim."""
        return goal_of(self.summary, self.words)

    @property
    def library(self) -> str:
        """The library in words; for a method its class."""
        one = self.documented
        if one.receiver:
            return f"`{one.receiver.removeprefix(BUILTINS + '.')}`"
        key = BUILTINS if one.module == BUILTINS else one.package
        library = one.package if "." not in one.module else f"`{one.module}`"
        return self.words.libraries.get(key, library).format(module=one.module)

    @property
    def asked(self) -> str:
        """The symbol as a person would name it: in full, by the library's usual alias, or by its class."""
        names = [self.spoken, self.spoken]
        root, _, rest = self.spoken.partition(".")
        if root in self.words.aliases and rest:
            names.append(f"{self.words.aliases[root]}.{rest}")
        if self.on_instances and self.documented.receiver.count("."):
            names.append(self.spoken.removeprefix(f"{self.documented.module}."))
        return self.pick("asked", names)

    def parameter_points(self, names: Iterable[str], most: int) -> list[str]:
        """Sentences about parameters; those that share a description are told once."""
        together: dict[str, list[str]] = {}
        for name in names:
            if name in self.doc.parameters:
                together.setdefault(self.doc.parameters[name].text, []).append(name)
        points: list[str] = []
        for description, sharing in together.items():
            text = about_parameters(sharing, description, self.words)
            if text and len(text) <= MAX_POINT and len(points) < most:
                points.append(text)
        return points

    def passed_first(self, numbers: Iterable[int]) -> list[str]:
        """The parameters' names, those first that calls in these statements pass."""
        passed = {name for number in numbers for call in self.calls(number) for name in call.passed}
        return sorted(self.parameters, key=lambda name: name not in passed)

    # Drafts

    def pick(self, key: str, options: Sequence[str]) -> str:
        """One of the options, always the same for the symbol, the seed and the key."""
        return choice(f"{self.seed} {self.symbol} {key}", options)

    def position(self, key: str) -> float:
        """A number from 0 to 1 that depends on the symbol, the seed and the key alone."""
        digest = hashlib.sha256(f"{self.seed} {self.symbol} {key}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48

    def draft(
        self,
        kind: Kind,
        question: str,
        lead: str,
        code: str,
        points: Sequence[str] = (),
        *,
        written: bool = False,
        failing: str = "",
        expects: str = "",
        **names: str,
    ) -> Draft | None:
        """A draft about the symbol; None where the lead doesn't read well.

        Args:
            kind: the kind of question.
            question: the key of its templates.
            lead: the prose before the code.
            code: the answer's code.
            points: key points, the best first; as many are taken as fit.
            written: whether the code was changed.
            failing: the code that the question is about.
            expects: the exception that it ends with.
            names: what templates name beside the symbol.
        """
        if not is_clean(lead) or len(lead) > MAX_LEAD or len(re.sub(r"^`[^`]*`:?", "", lead).split()) < MIN_WORDS:
            return None
        templates = list(self.words.questions[question])
        if self.goal and question == "usage" and self.position("goal") < 0.6:
            templates = list(self.words.questions["goal_method" if self.on_instances else "goal"])
        template = self.pick(" ".join([question, *names.values()]), templates)
        instruction = template.format(symbol=self.asked, goal=self.goal, library=self.library, **names)
        room = MAX_ANSWER - len(lead) - len(code)
        kept: list[str] = []
        for point in points:
            if len(point) <= min(room, MAX_POINT) and is_clean(point) and len(kept) < MAX_POINTS and point not in lead:
                kept.append(point)
                room -= len(point) + 3
        about = provenance(self.entry.origin, self.symbol, kind, written)
        return Draft(instruction, lead, code, tuple(kept), about, failing, expects)

    def with_more(self, lead: str, most: int = 1) -> str:
        """A lead with further sentences of the description, as many as read well after it."""
        for sentence in self.more[:most]:
            if len(lead) + len(sentence) < MAX_LEAD - 60:
                lead = f"{lead} {sentence}"
        return lead
