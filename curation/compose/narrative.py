"""Drafts from sections of narrative pages: the heading as a question, the prose, the code with its set-up carried in.

Knows nothing about documented objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import takewhile

from bundle.sentences import closed, sentences
from curation.compose.correct import Correct
from curation.compose.errors import with_article
from curation.compose.mutations import mutations
from curation.compose.phrasings import Phrasings, choice, load_phrasings
from curation.compose.prose import MAX_SENTENCE, is_statement
from curation.compose.script import Example, Script
from curation.compose.subject import MAX_LEAD, MAX_POINT, provenance
from curation.compose.used import best_symbol
from curation.draft import Draft
from curation.entries import Origin, Prose, SectionEntry, Snippet
from curation.markup import is_clean, promises
from symbols.introspect import STDLIB
from symbols.table import BUILTINS, SymbolTable

MAX_SIZE = 760
"""Characters that a script has at most, with the output that the page shows."""
MAX_SENTENCES = 4
MIN_SENTENCE = 3
"""Words of a sentence of the prose."""
ENOUGH = 480
"""Characters beyond which no further statement is added."""
_NAMES = frozenset({"Python", "Unicode", "Windows", "Unix", "Linux", "Mac", "English", "Gregorian", "Series", "Index"})
_POINTING = re.compile(
    r"(?:This|These|That|Those|It|They|He|She|Here|Then|But|And|Or|However|So|Now|Also|Yes|No|Note|Again|Instead|Both|"
    r"Thus|Therefore|Hence|Otherwise|Similarly|Likewise|Moreover|Furthermore|Additionally|Finally|Afterwards|"
    r"Because of|In (?:this|that|these|such)|As an? (?:result|example|consequence)|For (?:example|instance|this|that)|"
    r"The (?:problem|solution|reason|first|second|third|last|latter|former|same|other|above|previous|"
    r"opposite|reverse)|(?:\w+ ){1,3}(?:similar|another|other))\b"
)
_ELSEWHERE = re.compile(
    r"\b(?:(?-i:I)(?:[’'](?:ll|m|ve)| haven[’']t| will| want)|let[’']s|let us|as (?:you|we)|"
    r"notice (?:that|how)|previous(?:ly)?|earlier|(?:we|you)(?:[’'](?:ll|ve|d))? "
    r"(?:(?:can|will|may|might|just|already|have|now) )*(?:saw|seen|see|notice\w*)|"
    r"later on|(?:this|that|next|last|these|the) (?:sections?|chapters?)|(?:the|our|these) examples?|introduced|"
    r"this (?:article|document|tutorial|guide|page|module|example|howto)|reproduced|would have printed|sample output|"
    r"has already been|availability|in the `\w+` example|don[’']t try)\b|\(see\b|^see\b|\?$",
    re.I,
)
"""What speaks of other parts of the page, or with the reader, rather than of the subject."""
_LEANING = re.compile(r"\b(?:also|these|those)\b")
"""What leans on something before it, in a sentence that is to be the first."""
_VAGUE = re.compile(
    r"\b(more|basics?|miscellaneous|odds|remarks?|usage|uses?|examples?|faq|how ?to|tutorials?|guide|recipes?|"
    r"properties|introduction|overview|minutiae?|steps|defaults?|limitations?|issues|idiomatic|advanced|surpris\w+|"
    r"edge cases|additional|fancier|further|notes|conclusions?|versus|objects?|support|other|getting)\b",
    re.I,
)
_ITS_OBJECT = re.compile(r"(?:an?|the|its|it|this|every|each|all|any|what|how|whether|by|in|with)\b")
"""What makes an imperative of a word before it that may be a noun: `hash a password`, but `hash algorithms`."""
_EMPTY_HEADING = re.compile(
    r"^(introduction|overview|examples?|notes?|see also|usage|basics?|summary|references?|details|more|miscellaneous|"
    r"footnotes|changelog|background|conclusion|getting started|quick ?start|table of contents|contents|api|tutorial|"
    r"recipes?|motivation|what'?s new.*|other|faq|caveats|limitations)$",
    re.I,
)


class Narrative:
    """Composes the drafts of one section."""

    def __init__(self, entry: SectionEntry, example: Example, own: range, table: SymbolTable, seed: int) -> None:
        """`example` has the statements of the page up to the section's last; `own` are the section's among them."""
        self._entry = entry
        self._example = example
        self._own = own
        self._table = table
        self._seed = seed
        self._words: Phrasings = load_phrasings()
        self._key = f"{seed} {entry.origin.url} {' / '.join(entry.headings)}"

    def drafts(self) -> Iterator[Draft]:
        """The section's draft, and for a written page one about its code made wrong."""
        question = self._question()
        lead, points = prose_of(self._entry.content)
        script = first_script(self._example, self._own, MAX_SIZE)
        if script is None:
            return
        symbol = best_symbol(script.code, self._entry.origin.package, self._table)
        if question and lead:
            about = provenance(self._entry.origin, symbol, "section", False)
            yield Draft(question, lead, script.code, points, about)
        if self._entry.origin.written and symbol:
            yield from self._wrong(script, symbol, lead)

    def _question(self) -> str:
        heading = next((one for one in reversed(self._entry.headings) if not _EMPTY_HEADING.match(one.strip())), "")
        heading = re.sub(r"^[\d.]+\s+|[¶#]+$", "", heading).strip().rstrip(".:")
        above = self._entry.headings[0]
        return question_of(heading, above, self._entry.origin, self._words, self._key)

    def _wrong(self, script: Script, symbol: str, lead: str) -> Iterator[Draft]:
        correct = Correct(
            script.code, symbol, "function", (), frozenset(), dict(self._words.wrong_names), self._table, 0.37
        )
        spoken = symbol.removeprefix(f"{BUILTINS}.")
        for found in mutations(correct, lambda key: float(int(choice(f"{self._key} {key}", "123456789"))) / 10):
            what = "class" if found.right[:1].isupper() else "function"
            names = {"wrong": found.wrong, "right": found.right, "owner": found.owner, "what": what}
            cause = choice(self._key, self._words.causes[found.cause]).format(symbol=spoken, **names)
            template = choice(f"{self._key} error", self._words.questions["error"])
            question = template.format(symbol=spoken, error=f"`{found.expects}`", a_error=with_article(found.expects))
            about = provenance(self._entry.origin, symbol, "error", True)
            points = (self._words.tips[found.cause],)
            if is_clean(cause):
                yield Draft(question, cause, script.code, points, about, found.failing, found.expects)
            return


def first_script(example: Example, own: range, most: int) -> Script | None:
    """The script of a section's statements, as many from the first as fit, with what they need."""
    best: Script | None = None
    chosen: set[int] = set()
    for number in own:
        step = example.steps[number]
        if step.imports or step.raised or step.skipped:
            continue
        wanted = chosen | example.needed(number)
        if any(example.steps[one].raised or example.steps[one].skipped for one in wanted):
            continue
        script = example.script(wanted)
        if script is None or script.size > (most if best is None else ENOUGH):
            if best is not None:
                break
            continue
        chosen, best = wanted, script
    return best if best is not None and shows_something(best, example) else None


def shows_something(script: Script, example: Example) -> bool:
    """Whether the code prints or draws at its top level, so that a reader sees what it does."""
    drawn = any(step.draws_picture and step.source in script.body for step in example.steps)
    return drawn or any(re.match(r"(#.*\n)*(?!(async )?def|class|@)[^#]*\bp?print\(", one) for one in script.body)


def question_of(heading: str, above: str, origin: Origin, words: Phrasings, key: str) -> str:
    """A heading as a question; empty where it isn't about anything."""
    unfit = len(heading) < 4 or len(heading) > 90 or re.match(r"(?:don[’']t|do not|never) ", heading, re.I)
    if unfit or not re.search(r"[A-Za-z]{3}", heading):
        return ""
    if heading.endswith("?"):
        return without_title_case(heading)
    module = re.match(r"`?([a-z_]\w*(?:\.\w+)*)`?\s+[—–-]", above)
    library = words.libraries.get(origin.package, origin.package) if origin.package != STDLIB else "Python"
    if origin.package == STDLIB and module:
        library = f"`{module.group(1)}`"
    heading = without_title_case(re.sub(r"\s+examples?$|\s*\([^)]*\)$", "", heading, flags=re.I))
    said = re.search(rf"\b{re.escape(library)}\b", heading, re.I)
    with_ = "" if said else f"with {library}" if library != "Python" else "in Python"
    task = _task(heading, origin.written, words)
    if task:
        template = choice(key, words.questions["section_task"])
        return re.sub(r"\s+(?=[?.])", "", template.format(heading=task, **{"with": with_}))
    topic = _topic(heading, words)
    if not topic:
        return ""
    template = choice(key, words.questions["section_topic"])
    asked = template.format(heading=topic, **{"with": "" if said else f"in {library}"})
    return re.sub(r"\s+(?=[?.,:])", "", asked).replace("  ", " ")


def _task(heading: str, written: bool, words: Phrasings) -> str:
    """A heading as something that one does, e.g. `read a file`; empty for others.

    A heading that was `written` for this purpose and begins with a known verb is taken for a command; in others, a verb
    that isn't in the -ing form has to have an object that no noun could have behind it.
    """
    how = re.match(r"how (?:to|do (?:i|you|we)|can (?:i|you|we)) (.+)", heading, re.I)
    if how:
        return how.group(1)
    first, _, rest = heading.partition(" ")
    lower = first.lower()
    base = _imperative(lower, words)
    gerund = lower.endswith("ing") and base != lower
    if not rest or rest.startswith("of ") or re.search(r"[—–:]", heading) or (not written and _VAGUE.search(heading)):
        return ""
    if base and gerund:
        second = re.match(r"(and|or) (\w+ing)\b", rest)
        other = _imperative(second.group(2).lower(), words) if second else ""
        return f"{base} {rest}" if not second else f"{base} {second[1]} {other}{rest[second.end() :]}" if other else ""
    if _ITS_OBJECT.match(rest) and not gerund and re.fullmatch(r"[A-Z][a-z-]+", first):
        return f"{lower} {rest}" if base or (written and lower not in words.no_nouns) else ""
    return f"{base} {rest}" if base and written else ""


def _topic(heading: str, words: Phrasings) -> str:
    """A heading as a noun phrase that stands well in a question; empty for jargon, and where an article is missing."""
    first, _, rest = heading.partition(" ")
    if not rest or _VAGUE.search(heading) or re.search(r"[`(_,;:/—–]|\w\.\w|\s-\s|\bor\b|\band\b.*\band\b", heading):
        return ""
    lower = first.lower()
    if _imperative(lower, words) and not re.match(r"(the|an?)\b", lower) and not lower.endswith(("ed", "s")):
        return ""
    head = re.split(r" (?:of|in|for|with|within|on|that|as|to|from|by) ", heading)[0]
    whole = lower in ("the", "a", "an") or re.search(r"(?<![sui])s$|ing$", head) is not None
    if not whole:
        return ""
    return heading if first in _NAMES or re.search(r"[A-Z]", first[1:]) else f"{lower} {rest}"


def without_title_case(heading: str) -> str:
    """A heading in title case with small letters, as it stands in a sentence; names keep theirs."""
    parts = heading.split()
    capital = [part for part in parts[1:] if re.match(r"[A-Z][a-z]+(-[A-Za-z][a-z]+)*$", part) and part not in _NAMES]
    if len(capital) < 0.5 * max(1, len([part for part in parts[1:] if len(part) > 3])):
        return heading
    return " ".join([parts[0], *(part.lower() if part in capital else part for part in parts[1:])])


def _imperative(word: str, words: Phrasings) -> str:
    """The base form of a gerund or an imperative, e.g. `reading` → `read`; empty for other words."""
    verb = words.verb(word)
    if verb is not None and verb[0] == word:
        return word
    if word.endswith("ing") and len(word) >= 5:
        stem = word[:-3]
        for base in (stem, f"{stem}e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem):
            if words.verb(base) is not None:
                return base
    return ""


def _is_point(text: str) -> bool:
    """Whether a list item or a note is a sentence that reads well by itself."""
    whole = is_clean(text) and re.match(r"[A-Z`]", text) is not None and not re.search(r"[?!.]\.$", text)
    return whole and is_statement(text) and not _POINTING.match(text)


def _fits(sentence: str, words: Phrasings) -> bool:
    """Whether a sentence reads well among others of its paragraph."""
    if sentence.endswith(":"):
        announces = re.search(r"\b(this|these|here|like|such as|example|follows|e\.g)\b", sentence, re.I)
        does = is_statement(sentence) or words.verb(sentence.partition(" ")[0]) is not None
        sentence = sentence[:-1] + "." if does and not announces else sentence
    return (
        is_clean(sentence)
        and len(sentence) <= MAX_SENTENCE + 40
        and len(sentence.split()) >= MIN_SENTENCE
        and re.match(r"(?!\w+(?: usage| note)?:)[A-Z`]", sentence) is not None
        and not sentence.endswith("..")
        and not _ELSEWHERE.search(sentence)
    )


def prose_of(content: Sequence[Prose | Snippet]) -> tuple[str, tuple[str, ...]]:
    """The first sentences, as far as each of them reads well, and key points from items and notes.

    Nothing between two of them is left out, and nothing is taken from below code where there is prose above it.
    """
    lead = " ".join(_run(content, load_phrasings()))
    points = [
        closed(one.text)
        for one in content
        if isinstance(one, Prose) and one.role in ("item", "note") and 20 <= len(one.text) <= MAX_POINT
    ]
    return (lead if len(lead.split()) >= 5 else ""), tuple(point for point in points if _is_point(point))[:3]


def _run(content: Sequence[Prose | Snippet], words: Phrasings) -> list[str]:
    kept: list[str] = []
    for one in content:
        if not isinstance(one, Prose) or one.role != "text":
            if kept:
                break
            continue
        found = [closed(text) for text in sentences(one.text)]
        before = len(kept)
        for sentence in takewhile(partial(_fits, words=words), found):
            if len(kept) == MAX_SENTENCES or len(" ".join([*kept, sentence])) > MAX_LEAD:
                break
            kept.append(re.sub(r":$", ".", sentence))
        if len(kept) - before < len(found):
            break
    while kept and promises(kept[-1]):
        kept.pop()
    return kept if kept and not _POINTING.match(kept[0]) and not _LEANING.search(kept[0]) else []
