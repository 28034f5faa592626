"""Passages for the index of the documentation, from the corpus and the examples that were run.

An API entry gives a passage, and so does a section of a guide or an answered question; of a symbol that several sources
document the one with an address is taken. What speaks to a model rather than to a reader is left out, as it is among
the records. Knows nothing about how the index finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bundle.documentation import write_index
from bundle.passages import DOCUMENTATION, LONGEST, Passage, cut
from bundle.records import Record
from bundle.sentences import closed, sentences
from curation.answer import code_of
from curation.collect import pages
from curation.compose.examples import read_snippets
from curation.compose.page import with_examples
from curation.compose.subject import Subject
from curation.compose.usage import first_examples
from curation.entries import CORPUS, ApiEntry, Dropped, Origin, Prose, SectionEntry, Snippet
from curation.injections import leaked_prompt
from symbols.introspect import Parameter
from symbols.table import SymbolTable

_BESIDE = ("difference", "error", "raises", "signature")
"""Kinds of record whose code shows something else than how the symbol is used."""
_SENTENCES = 3
_STATEMENTS = 8
_SHORTEST = 80
"""Characters of prose that make a section or an answer worth finding."""


def examples(records: Iterable[Record]) -> dict[str, str]:
    """The shortest verified code by symbol that shows how it is used, with what it prints; its usage goes first."""
    found: dict[str, tuple[bool, int, str]] = {}
    for record in records:
        symbol, code = record.provenance.symbol, code_of(record).strip()
        if not symbol or not code or len(code) > LONGEST["example"] or record.provenance.kind in _BESIDE:
            continue
        rank = (record.provenance.kind != "usage", len(code), code)
        found[symbol] = min(found.get(symbol, rank), rank)
    return {symbol: code for symbol, (_, _, code) in found.items()}


def write_documentation(dataset: Path, records: Iterable[Record], table: SymbolTable) -> str:
    """Write the index of a dataset whose corpus is there; returns a line on it.

    Args:
        dataset: the dataset's folder.
        records: verified records, of which examples are taken.
        table: what exists.
    """
    path = dataset / DOCUMENTATION
    found = passages(dataset / CORPUS, examples(records), table)
    write_index(path, found)
    shown = sum(one.verified for one in found)
    size = f"{len(found):,} passages, {path.stat().st_size / 1e6:.1f} MB"
    return f"documentation to read before answering: {size}; {shown:,} with an example that was run"


def passages(corpus: Path, verified: Mapping[str, str], table: SymbolTable) -> list[Passage]:
    """The passages of a corpus file, by library and title.

    Args:
        corpus: the file.
        verified: code that was run, by symbol.
        table: what exists.
    """
    kept: dict[tuple[str, str], Passage] = {}
    shown = (one for page in pages(corpus) if not isinstance(page, Dropped) for one in with_examples(page, table))
    for entry, example, own in shown:
        if isinstance(entry, ApiEntry):
            made = _of_object(Subject(entry, example, own, table, 0), verified.get(entry.documented.symbol, ""))
        elif isinstance(entry, SectionEntry):
            made = _of_text(entry.origin, "section", " › ".join(entry.headings), entry.content)
        else:
            made = _of_text(entry.origin, "question", entry.title, entry.answer)
        if made is None or leaked_prompt(made.text()):
            continue
        key = (made.symbol, made.title if made.symbol else f"{made.title} {made.url}")
        if key not in kept or (made.url and not kept[key].url):
            kept[key] = made
    return sorted(kept.values(), key=lambda one: (one.package, one.title, one.url))


def _of_object(subject: Subject, verified: str) -> Passage | None:
    entry, symbol, doc = subject.entry, subject.symbol, subject.doc
    said = [sentence for paragraph in doc.paragraphs for sentence in sentences(paragraph)][:_SENTENCES]
    summary = " ".join(closed(one) for one in said)
    if doc.returns and len(summary) < LONGEST["summary"] // 2 and doc.returns.text:
        summary += f" Returns: {closed(sentences(doc.returns.text)[0])}"
    if not summary:
        return None
    lines = [f"{name}: {closed(sentences(one.text)[0])}" for name, one in doc.parameters.items() if one.text]
    origin = entry.origin
    return Passage(
        symbol=symbol,
        title=cut(subject.spoken, LONGEST["title"]),
        kind=entry.documented.kind,
        signature=cut(_signature(entry.documented.parameters), LONGEST["signature"]),
        summary=cut(f"Deprecated. {summary}" if entry.deprecated else summary, LONGEST["summary"]),
        parameters=cut("\n".join(lines), LONGEST["parameters"]),
        example=verified or _own(subject),
        verified=bool(verified),
        package=origin.package,
        version=origin.version,
        licence=origin.licence,
        attribution=origin.attribution,
        url=origin.url,
    )


def _of_text(origin: Origin, kind: str, title: str, content: Sequence[Prose | Snippet]) -> Passage | None:
    prose = " ".join(one.text for one in content if isinstance(one, Prose))
    if len(prose) < _SHORTEST:
        return None
    return Passage(
        title=cut(title, LONGEST["title"]),
        kind=kind,
        summary=cut(prose, LONGEST["summary"]),
        example=_shown([one for one in content if isinstance(one, Snippet)]),
        package=origin.package,
        version=origin.version,
        licence=origin.licence,
        attribution=origin.attribution,
        url=origin.url,
    )


def _own(subject: Subject) -> str:
    """The documentation's own example: complete, with values printed as its prompt shows them; else as it stands."""
    script, _ = first_examples(subject)
    return script.code if script and len(script.code) <= LONGEST["example"] else _shown(subject.entry.snippets)


def _shown(snippets: Iterable[Snippet]) -> str:
    """The first statements that the documentation shows, as far as there is room."""
    steps = [step for step in read_snippets(list(snippets))[: _STATEMENTS * 2] if not (step.skipped or step.raised)]
    return cut("\n".join(step.source for step in steps[:_STATEMENTS]), LONGEST["example"])


def _signature(parameters: Iterable[Parameter] | None) -> str:
    return "" if parameters is None else f"({', '.join(_parts(parameters))})"


def _parts(parameters: Iterable[Parameter]) -> Iterator[str]:
    """The parameters as a signature has them."""
    before = ""
    for one in parameters:
        if before == "positional_only" and one.kind != "positional_only":
            yield "/"
        if one.kind == "keyword_only" and before not in ("keyword_only", "var_positional"):
            yield "*"
        star = {"var_positional": "*", "var_keyword": "**"}.get(one.kind, "")
        default = "" if one.default is None or star else f"={one.default}"
        yield f"{star}{one.name}{default}"
        before = one.kind
    if before == "positional_only":
        yield "/"
