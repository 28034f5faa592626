"""Sentences made of what documentation says: summaries, descriptions of parameters and of results.

All texts are Markdown on one line. Knows nothing about code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from bundle.sentences import closed, first_sentence, sentences
from curation.compose.phrasings import Phrasings, base_form, load_phrasings, third_person
from curation.docstring import Section
from curation.markup import is_clean, promises

MAX_SENTENCE = 230
"""Longest sentence that is taken from the documentation, in characters."""
_ARTICLE = re.compile(r"(?:The|An?|One|Any|Either|Every|Each|Another)\b")
_FINITE = re.compile(
    r"\b(is|are|will|must|can|should|has|have|may|might|was|were|do|does|specif(?:y|ies)|determines?|controls?|gives?|"
    r"defaults?|cannot|contains?|indicates?|needs?|applies|refers?|computes?|returns?|represents?|uses|takes|converts|"
    r"allows|provides|performs|means|works|tells|could|would|(?<!to )(?:define|describe|contain|indicate|represent|"
    r"determine|control|depend)s?)\b"
)
_RELATIVE = re.compile(r"\b(that|which|whose|where|who|when|if)\b")
_HEAD = re.compile(
    r"The ((?:[\w`-]+ )*?[\w`-]+)(?= (?:of|to|in|for|on|at|with|from|used|which|that|by|along|where)\b|[ ]?[.,;:(])"
)
_DEMAND = re.compile(r"(?<!which )(?<!that )\b(will|must|should)\b")
_OBJECT = re.compile(r"(?:the|an?|its|this|all|each|every|any|if|whether)\b")
"""What may stand after a verb, but not after the first word of a noun phrase without an article."""
_AFTER_PLURAL = re.compile(
    r"(?:of|for|to|in|on|at|from|by|with|between|along|over|that|which|whose|as|and|or|\w+ed|used|given|such)\b|\W*$"
)
_ITSELF = re.compile(
    r"(?:This|The) (?:function|method|class|routine|object|property|attribute|decorator|exception|operator) (?=\w+ )"
    r"|This (?=\w+s )"
)
_STATING = frozenset({"is", "has", "can", "will", "does", "may", "must", "should"})
# What a property's summary may begin with as a verb: `Format string of …` is no command.
_PROPERTY_VERBS = frozenset({"return", "get", "give", "indicate", "check", "tell", "compute", "determine", "access"})


def summary_of(paragraphs: Sequence[str], name: str) -> str:
    """The first sentence of a description, without the object's own name before it; `name` is its last part."""
    text = paragraphs[0] if paragraphs else ""
    text = re.sub(rf"^(\([^)]*\)|`?{re.escape(name)}`?(\(\))?\s*(:|-+|–)\s)\s*", "", text)
    return first_sentence(text)


def sentence_about(spoken: str, summary: str, kind: str, words: Phrasings) -> str:
    """A summary as a sentence whose subject is the symbol."""
    name = spoken.rpartition(".")[2]
    own = re.match(rf"`{re.escape(name)}((?:\([^`]*\))?` .*)", summary)
    if own and _FINITE.match(own.group(1).partition("` ")[2]):
        return f"`{spoken}{own.group(1)}"
    itself = re.match(rf"(?:\w+\.)*{re.escape(name)} |{_ITSELF.pattern}", summary)
    if itself and _states(summary[itself.end() :], words):
        return f"`{spoken}` {summary[itself.end() :]}"
    predicate = _predicate(summary, kind, words)
    if predicate:
        return f"`{spoken}` {predicate}"
    return f"`{spoken}`: {summary[0].upper() + summary[1:] if re.match(r'[a-z]+ ', summary) else summary}"


def _states(text: str, words: Phrasings) -> bool:
    """Whether a text begins with a verb in the third person."""
    first = text.partition(" ")[0]
    return first in _STATING or first in words.verbs


def _predicate(summary: str, kind: str, words: Phrasings) -> str:
    """A summary as what is said of the symbol; empty where it can't be."""
    first, _, rest = summary.partition(" ")
    verb = _verb(first, rest, words)
    gives = "gives" if kind in ("function", "method") else "is"
    predicate = ""
    if not rest:
        return predicate
    commands = re.match(r"[^,]+, (\w+) (?!of\b)", rest) if first == "For" else None
    if commands and words.verb(commands[1]) is not None:
        return predicate
    if first in words.copula:
        predicate = f"{words.copula[first]} {rest}"
    elif first in ("True", "False") and kind != "property":
        predicate = f"returns {summary}"
    elif verb is not None and (kind != "property" or verb[0] in _PROPERTY_VERBS):
        if re.match(r"(?!True|False|None)[A-Z][a-z]+ (than|of|to|or|division|power|and)\b", rest):
            rest = lowered(rest)
        predicate = f"{verb[1]} {_conjugated(rest, words)}"
    elif first.endswith("ly") and words.verb(rest.partition(" ")[0]) is not None:
        acts, _, rest = rest.partition(" ")
        predicate = f"{first.lower()} {(words.verb(acts) or ('', acts))[1]} {_conjugated(rest, words)}"
    elif _is_noun_phrase(summary):
        predicate = f"{gives} {lowered(summary)}"
    elif gives == "gives" and len(first) > 3 and _is_bare_noun_phrase(summary, words):
        predicate = f"gives the {lowered(summary)}"
    elif words.nouns.get(first.lower()) == "is" and kind in ("property", "class") and not is_statement(summary):
        predicate = f"is the {lowered(summary)}"
    return predicate


def _verb(first: str, rest: str, words: Phrasings) -> tuple[str, str] | None:
    """A summary's first word as base form and third person, where it is a verb: a known one, or one with an object."""
    known = words.verb(first.rstrip(","))
    if known is not None or not _OBJECT.match(rest) or not re.fullmatch(r"[A-Z][a-z]+(-[a-z]+)?", first):
        return known
    word = first.lower()
    if word in words.no_nouns or word.endswith(("ing", "ed", "ly")):
        return None
    if word.endswith("s") and not word.endswith("ss"):
        return base_form(word), word
    return word, third_person(word)


def _is_noun_phrase(sentence: str) -> bool:
    """Whether a sentence is no sentence but something that a thing can be: `The axis along which …`."""
    if not _ARTICLE.match(sentence):
        return False
    return not is_statement(sentence)


def is_statement(sentence: str) -> bool:
    """Whether a sentence says something by a verb of its own, rather than by one in a relative clause."""
    sentence = re.sub(r"\([^)]*\)|`[^`]*`", "x", sentence)
    finite = _FINITE.search(sentence)
    relative = _RELATIVE.search(sentence)
    within = relative is not None and finite is not None and relative.start() < finite.start()
    return _DEMAND.search(sentence) is not None or (finite is not None and not within)


def _is_bare_noun_phrase(sentence: str, words: Phrasings) -> bool:
    """Whether it is a noun phrase without an article: `Number of samples to generate.`"""
    first = re.split(r"[\s,.]", sentence, maxsplit=1)[0].lower()
    known = words.nouns.get(first)
    rest = sentence[len(first) :].lstrip(" ,")
    if is_statement(sentence) or first in words.no_nouns or not re.match(r"[A-Z][a-z-]+[ ,.]", sentence):
        return False
    if _OBJECT.match(rest):
        return False
    if known is None and first.endswith("s") and not first.endswith(("ss", "us", "is")) and first != "series":
        return _AFTER_PLURAL.match(rest) is not None
    return known is not None or (words.verb(first) is None and not first.endswith(("ly", "ing", "ed")))


def lowered(sentence: str) -> str:
    """A sentence as it stands after other words: its first letter small, unless the word is a name."""
    first = sentence.partition(" ")[0]
    if re.match(r"[A-Z]-[a-z]", first):
        return sentence
    if re.split(r"\W", first)[0].lower() in load_phrasings().proper:
        return sentence
    return sentence if first[1:] != first[1:].lower() or not first[:1].isupper() else sentence[0].lower() + sentence[1:]


def _conjugated(rest: str, words: Phrasings) -> str:
    """The rest of a command after its verb, with further verbs in the third person: `and merge it` → `merges`."""

    def third(match: re.Match[str]) -> str:
        verb = words.verb(match.group(2))
        before = rest[: match.start()]
        clear = match.group(3) is not None or match.group(2) in words.commands
        aims = any(words.verb(one) is not None for one in re.findall(r"\bto (\w+)", before))
        if verb is None or not clear or aims or re.search(r"\b(that|which|whether|if|when)\b", before):
            return match.group(0)
        link = " and" if match.group(1) == "," else match.group(1)
        return f"{link} {verb[1]}"

    rest = re.sub(r"\b(otherwise|else) return\b", r"\1 returns", rest)
    objects = r"(?=( (?:an?|the|it|all|them|its|their|this|that|any|each|if|whether)\b)?)"
    return re.sub(rf"((?:^|\b)(?:and|or|then|but)|,) (\w+)\b{objects}", third, rest)


def goal_of(summary: str, words: Phrasings) -> str:
    """The summary as something that a developer wants, e.g. `compute the mean of groups`; empty where it isn't."""
    parts = summary.rstrip(".").split()
    verb = _verb(parts[0], " ".join(parts[1:]), words) if parts else None
    goal = " ".join(parts)
    unfit = re.search(r"[`:;=$]|\b(self|this|these|it)\b", goal) or not is_clean(f"{goal}.")
    if verb is None or not 4 <= len(parts) <= 14 or unfit:
        return ""
    base = "get" if verb[0] == "return" else verb[0]
    return f"{base} {re.sub(r'(?<= and )([a-z]+s)(?= )', partial(_commanded, words), ' '.join(parts[1:]))}"


def _commanded(words: Phrasings, match: re.Match[str]) -> str:
    """A verb in the third person as the command that stands beside another: `take a text and returns` → `return`."""
    base = words.verbs.get(match.group(1), "")
    return base if base in words.commands else match.group(1)


def clean_sentences(paragraphs: Sequence[str], most: int) -> list[str]:
    """The first sentences that read well by themselves, up to the first that doesn't; the last promises nothing."""
    found = _clean_sentences(paragraphs, most)
    while len(found) > 1 and promises(found[-1]):
        found.pop()
    return found


def _clean_sentences(paragraphs: Sequence[str], most: int) -> list[str]:
    found: list[str] = []
    for paragraph in paragraphs:
        for text in sentences(paragraph):
            one = closed(text)
            if found and one != text:
                return found  # what follows it, a formula or a list, is left out
            about_text = re.search(r"\b(documentation|docstring|docs|section|page|chapter)\b", one, re.I)
            if len(found) == most or not is_clean(one) or len(one) > MAX_SENTENCE or about_text:
                return found
            if not re.match(r"(?![\w/ ]{1,20}:)[A-Z`]", one):
                return found
            found.append(one)
    return found


def about_parameter(name: str, text: str, words: Phrasings) -> str:
    """A parameter's description as a sentence about it; empty where the description is unusable."""
    text = first_sentence(re.sub(r"^\(optional\)\s*", "", text))
    if (
        not is_clean(text)
        or len(text) > MAX_SENTENCE
        or len(text.split()) < 2
        or text.startswith(("This ", "These ", "It "))
    ):
        return ""
    if re.match(rf"{re.escape(name)} (is|are|must|can|should|may|has|will|specifies|determines)\b", text, re.I):
        return f"`{name}` {text[len(name) + 1 :]}"
    if text.startswith(("Whether ", "whether ")):
        return f"`{name}` tells {lowered(text)}"
    if _is_noun_phrase(text):
        head = _HEAD.match(text)
        plural = head is not None and re.search(r"(?<![suia])s$", head.group(1)) is not None
        return f"`{name}` {'gives' if plural else 'is'} {lowered(text)}"
    if _is_bare_noun_phrase(text, words):
        return f"`{name}` gives the {lowered(text)}"
    return f"`{name}`: {text[0].upper() + text[1:]}"


def about_parameters(names: Sequence[str], text: str, words: Phrasings) -> str:
    """What parameters have in common as a sentence about all of them, where that reads well, else about the first."""
    about = about_parameter(names[0], text, words)
    match = re.match(r"`[^`]*`(?:( give)s\b|(:))", about)
    if match is None or not 1 < len(names) < 5:
        return about
    listed = ", ".join(f"`{name}`" for name in names[:-1])
    return f"{listed} and `{names[-1]}`{match[1] or match[2]}{about[match.end() :]}"


def type_sentence(name: str, type_: str) -> str:
    """What a parameter may be given, as a sentence; empty where that is not said in few words."""
    choices = re.match(r"^\{([^{}]+)\}", type_)
    if choices:
        values = ", ".join(
            f"`{one.strip().strip('`')}`" for one in choices.group(1).replace("‘", "'").replace("’", "'").split(",")
        )
        return f"The choices for `{name}` are {values}." if len(values) < 120 else ""
    type_ = re.sub(r",?\s*\(?(optional|default\b.*|keyword[- ]only)\)?.*$", "", type_).strip(" ,`")
    if not re.fullmatch(r"[\w.\[\], |-]{2,50}", type_) or type_.count("[") != type_.count("]"):
        return ""
    return f"The type of `{name}` is `{type_}`."


def about_returns(spoken: str, section: Section) -> str:
    """What a call returns, as a sentence; empty where the documentation doesn't say it well."""
    text = re.sub(r"^Returns? ", "", first_sentence(section.text))
    if not is_clean(text) or len(text) > MAX_SENTENCE:
        text = ""
    type_ = section.type.strip("` ,")
    plain = re.fullmatch(r"[A-Za-z][\w.]*", type_) is not None and type_.lower() not in (
        "none",
        "self",
        "out",
        "y",
        "x",
    )
    if text and (_is_noun_phrase(text) or text.startswith(("True ", "False ", "None "))):
        return f"`{spoken}` returns {lowered(text) if text[0] in 'TAEO' and not text.startswith('True') else text}"
    if plain:
        article = "an" if type_[0].lower() in "aeio" or type_.startswith("nd") else "a"
        return _with_text(f"`{spoken}` returns {article} `{type_}`", text)
    if re.fullmatch(r"[\w.]+(?:(?:, | or |, or )[\w.]+)+", type_):
        listed = re.sub(
            r"[\w.]+", lambda match: match.group(0) if match.group(0) == "or" else f"`{match.group(0)}`", type_
        )
        return _with_text(f"`{spoken}` returns {listed}", text)
    return f"`{spoken}` returns {lowered(text)}" if text and text.split()[0].lower() in _RESULT_NOUNS else ""


def _with_text(told: str, text: str) -> str:
    """What was told with a description of it: a statement becomes a second sentence, a noun phrase follows a colon."""
    if not re.match(r"[A-Z`]", text) or re.fullmatch(r"`?[\w.]+`?( object| instance)?\.", text):
        return f"{told}."
    statement = is_statement(text) and not text.startswith("Whether ")
    return f"{told}. {text}" if statement else f"{told}: {lowered(text)}"


_RESULT_NOUNS = frozenset({"array", "list", "string", "tuple", "number", "values", "indices", "samples", "dictionary"})
