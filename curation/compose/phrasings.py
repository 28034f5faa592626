"""The words of composed drafts, from phrasings.toml. Knows nothing about what is composed of them."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources


def choice(key: str, options: Sequence[str]) -> str:
    """One of the options, always the same for a key."""
    return options[int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % len(options)]


@dataclass(frozen=True)
class Phrasings:
    """The contents of phrasings.toml."""

    questions: Mapping[str, Sequence[str]]
    """Question templates by kind."""
    verbs: Mapping[str, str]
    """Third person → base form."""
    giving: frozenset[str]
    """Base forms of verbs whose functions give a value."""
    copula: Mapping[str, str]
    """First words of summaries that are no verbs, and what they become after the symbol."""
    receivers: Mapping[str, str]
    """Class → variable name of an instance."""
    aliases: Mapping[str, str]
    """Module → the name that it is imported as."""
    libraries: Mapping[str, str]
    """Library → its name in words."""
    names: Mapping[str, str]
    """Name of the standard library → the import that gives it."""
    nouns: Mapping[str, str]
    """Noun → `is` or `are`, for descriptions that begin with a noun without an article."""
    no_nouns: frozenset[str]
    """Words that never begin a noun phrase without an article."""
    proper: frozenset[str]
    """Names that keep their capital, in small letters."""
    commands: frozenset[str]
    """Base forms that are verbs wherever they stand after `and`, `or` and commas."""
    wrong_names: Mapping[str, str]
    """Keyword → what people call it by mistake."""
    causes: Mapping[str, Sequence[str]]
    """Mutation → why the code fails, as templates."""
    tips: Mapping[str, str]
    """Mutation → what is worth knowing about such an error."""

    def verb(self, word: str) -> tuple[str, str] | None:
        """A summary's first word as base form and third person; None where it is no known verb."""
        word = word.lower()
        if word in self.verbs:
            return self.verbs[word], word
        third = third_person(word)
        return (word, third) if self.verbs.get(third) == word else None


def third_person(verb: str) -> str:
    """The third person of a regular verb."""
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


def base_form(third: str) -> str:
    """The base form of a regular verb in the third person, in small letters."""
    if third.endswith("ies"):
        return third[:-3] + "y"
    return third[:-2] if third.endswith(("sses", "xes", "zzes", "ches", "shes", "oes")) else third[:-1]


@cache
def load_phrasings() -> Phrasings:
    """The phrasings that ship with Boffin."""
    data = tomllib.loads(resources.files("curation.compose").joinpath("phrasings.toml").read_text(encoding="utf-8"))
    verbs = {third_person(verb): verb for verb in data["verbs"]["regular"].split()}
    verbs |= {third: verb for verb, third in data["verbs"]["irregular"].items()}
    return Phrasings(
        questions=data["questions"],
        verbs=verbs,
        giving=frozenset(data["verbs"]["giving"].split()),
        copula=data["copula"],
        receivers=data["receivers"],
        aliases=data["aliases"],
        libraries=data["libraries"],
        names=data["names"],
        nouns={
            **dict.fromkeys(data["nouns"]["plural"].split(), "are"),
            **dict.fromkeys(data["nouns"]["singular"].split(), "is"),
        },
        no_nouns=frozenset(data["nouns"]["none"].split()),
        proper=frozenset(data["nouns"]["proper"].split()),
        commands=frozenset(data["verbs"]["commands"].split()),
        wrong_names=data["wrong_names"],
        causes=data["causes"],
        tips=data["tips"],
    )
