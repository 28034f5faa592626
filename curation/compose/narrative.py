"""Drafts from sections of narrative pages: the heading as a question, the prose, the code with its set-up carried in.

Knows nothing about documented objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
from curation.markup import closed, is_clean, sentences
from symbols.introspect import STDLIB
from symbols.table import BUILTINS, SymbolTable

MAX_SIZE = 760
"""Characters that a script has at most, with the output that the page shows."""
ENOUGH = 480
"""Characters beyond which no further statement is added."""
_NAMES = frozenset({"Python", "Unicode", "Windows", "Unix", "Linux", "Mac", "English", "Gregorian", "Series", "Index"})
_POINTING = re.compile(
    r"(This|These|That|Those|It|They|He|She|Here|Then|But|And|Or|However|So|Now|Also|Yes|No|Note|Again|Instead|Both)\b"
)
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
    if len(heading) < 4 or len(heading) > 90 or not re.search(r"[A-Za-z]{3}", heading):
        return ""
    if heading.endswith("?"):
        return without_title_case(heading)
    module = re.match(r"`?([a-z_]\w*(?:\.\w+)*)`?\s+[—–-]", above)
    library = words.libraries.get(origin.package, origin.package) if origin.package != STDLIB else "Python"
    if origin.package == STDLIB and module:
        library = f"`{module.group(1)}`"
    heading = re.sub(r"^(The|An?) |\s+examples?$", "", heading, flags=re.I)
    heading = without_title_case(heading)
    said = re.search(rf"\b{re.escape(library)}\b", heading, re.I)
    first, _, rest = heading.partition(" ")
    lower = first.lower()
    base = _imperative(lower, words)
    if base and rest:
        task = f"{base} {rest}"
        with_ = "" if said else f"with {library}" if library != "Python" else "in Python"
        template = choice(key, words.questions["section_task"])
        return re.sub(r"\s+(?=[?.])", "", template.format(heading=task, **{"with": with_}))
    how = re.match(r"how (?:to|do (?:i|you|we)|can (?:i|you|we)) (.+)", heading, re.I)
    if how:
        return f"How do I {how.group(1)}{'' if said else f' with {library}' if library != 'Python' else ' in Python'}?"
    if "`" in heading or re.search(r"[(_]|\w\.\w", heading):
        return ""
    topic = heading if re.search(r"[A-Z]", first[1:]) else f"{lower} {rest}".strip()
    with_ = "" if said else f"in {library}"
    template = choice(key, words.questions["section_topic"])
    return re.sub(r"\s+(?=[?.,:])", "", template.format(heading=topic, **{"with": with_})).replace("  ", " ")


def without_title_case(heading: str) -> str:
    """A heading in title case with small letters, as it stands in a sentence; names keep theirs."""
    parts = heading.split()
    capital = [part for part in parts[1:] if re.match(r"[A-Z][a-z]+$", part) and part not in _NAMES]
    if len(capital) < 0.5 * max(1, len([part for part in parts[1:] if len(part) > 3])):
        return heading
    return " ".join([parts[0], *(part.lower() if part in capital else part for part in parts[1:])])


def _imperative(word: str, words: Phrasings) -> str:
    """The base form of a gerund or an imperative, e.g. `reading` → `read`; empty for other words."""
    verb = words.verb(word)
    if verb is not None and not word.endswith("s"):
        return verb[0]
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


def _fits(sentence: str, first: bool) -> bool:
    """Whether a sentence reads well; the first of its paragraph has to stand by itself."""
    announces = sentence.endswith(":") and re.search(
        r"\b(this|these|here|like|such as|example|follows)\b", sentence, re.I
    )
    clean = is_clean(re.sub(r":$", ".", sentence)) and len(sentence) <= MAX_SENTENCE + 40 and not announces
    clean = clean and not sentence.endswith("..")
    return clean and re.match(r"[A-Z`]", sentence) is not None and not (first and _POINTING.match(sentence))


def prose_of(content: Sequence[Prose | Snippet]) -> tuple[str, tuple[str, ...]]:
    """The first sentences that read well by themselves, and key points from items and notes."""
    kept: list[str] = []
    for one in content:
        if isinstance(one, Prose) and one.role == "text":
            for number, sentence in enumerate(closed(text) for text in sentences(one.text)):
                if not _fits(sentence, not kept or number == 0) or len(" ".join([*kept, sentence])) > MAX_LEAD:
                    break
                kept.append(re.sub(r":$", ".", sentence))
        if len(kept) >= 3:
            break
    points = [
        closed(one.text)
        for one in content
        if isinstance(one, Prose) and one.role in ("item", "note") and 20 <= len(one.text) <= MAX_POINT
    ]
    lead = " ".join(kept[:3])
    return (lead if len(lead.split()) >= 5 else ""), tuple(point for point in points if _is_point(point))[:3]
