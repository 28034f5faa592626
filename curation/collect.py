"""Collecting: every source's entries into one corpus, from the disk where the source hasn't changed.

What a page's collector says of an object is joined with what introspection found under that name. Knows nothing about
how a source is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bundle.atomic import atomic_open
from bundle.digests import digest_value
from bundle.errors import SourceError
from bundle.stage import Progress
from curation.collectors import Collector
from curation.entries import ApiEntry, Dropped, Entry, read_corpus
from curation.fingerprint import content, is_address
from curation.libraries import Library
from curation.settings import AnySource
from symbols.introspect import Entry as Documented
from symbols.table import BUILTINS

FORMAT = 3
"""Raised when a collector would yield something else from the same source."""


def collector_of(source: AnySource, library: Library, folder: Path, cache: Path) -> Collector:
    """The collector that reads a source.

    Args:
        source: the source's settings.
        library: its packages, looked at already.
        folder: the project's folder, to which relative paths belong.
        cache: a folder for downloads.
    """
    collector: Collector
    match source.kind:
        case "package":
            from curation.collectors.package import PackageCollector

            collector = PackageCollector(source, library)
        case "sphinx":
            from curation.collectors.sphinx import SphinxCollector

            collector = SphinxCollector(source, folder, cache)
        case "readthedocs":
            from curation.collectors.readthedocs import ReadTheDocsCollector

            collector = ReadTheDocsCollector(source, folder, cache)
        case "markdown":
            from curation.collectors.markdown import MarkdownCollector

            collector = MarkdownCollector(source, folder)
        case "stackexchange":
            from curation.collectors.stackexchange import StackExchangeCollector

            collector = StackExchangeCollector(source, folder)
        case "github":
            from curation.collectors.github import GitHubCollector

            collector = GitHubCollector(source, folder)
        case "jsonl":
            from curation.collectors.jsonl import JsonlCollector

            collector = JsonlCollector(source, folder)
    return collector


def collect(source: AnySource, library: Library, folder: Path, cache: Path, progress: Progress) -> Path:
    """The file with a source's entries, and with what was left out; read anew only where the source has changed.

    Raises:
        SourceError: the source can't be read, or has nothing in it.
    """
    collector = collector_of(source, library, folder, cache / "downloads")
    path = getattr(source, "path", "")
    parts = [FORMAT, source.model_dump(mode="json"), library.digest, content(path, folder) if path else ""]
    corpus = cache / "corpora" / f"{digest_value(parts)[:16]}.jsonl"
    remote = is_address(path) or source.kind == "readthedocs"
    if corpus.is_file() and not remote:
        return corpus
    corpus.parent.mkdir(parents=True, exist_ok=True)
    joined = _joined(collector, library) if source.kind != "package" else collector.collect()
    what, count, empty = f"reading {collector.name}", 0, True
    progress(what)
    with atomic_open(corpus) as handle:
        for entry in joined:
            handle.write(entry.model_dump_json() + "\n")
            empty = False
            count += not isinstance(entry, Dropped)
            progress(what, count, 0, "entries")
        if empty:
            raise SourceError(f"curation.sources: nothing was found in {collector.name}; look at its settings")
    return corpus


def _joined(collector: Collector, library: Library) -> Iterator[Entry | Dropped]:
    known: Mapping[str, Documented] = {}
    for entry in collector.collect():
        if not isinstance(entry, ApiEntry):
            yield entry
            continue
        known = known or {one.symbol: one for one in library.documented()}
        symbol = entry.documented.symbol
        found = known.get(symbol) or known.get(f"{BUILTINS}.{symbol}")
        if found is None:
            where = f"{entry.origin.url or collector.name}"
            detail = f"introspection finds no {symbol} in the installed version"
            yield Dropped(code="unknown-symbol", detail=detail, where=where)
            continue
        _check_version(entry, found)
        origin = entry.origin.model_copy(update={"version": found.version})
        deprecated = entry.deprecated or found.deprecated
        yield entry.model_copy(update={"origin": origin, "documented": found, "deprecated": deprecated})


def _check_version(entry: ApiEntry, found: Documented) -> None:
    """A dataset has one version of a library: that which its code runs on. `3.11` documents `3.11.9`."""
    told, installed = entry.origin.version.split("."), found.version.split(".")
    length = min(len(told), len(installed))
    if entry.origin.version and told[:length] != installed[:length]:
        raise SourceError(
            f"curation.sources: the documentation is of {found.package} {entry.origin.version}, but {found.version} is "
            "installed; install that version in an environment and name its interpreter as `python`"
        )


def pages(corpus: Path) -> Iterator[list[Entry] | Dropped]:
    """The entries of a corpus page by page, in order; an entry without an address is a page of its own."""
    page: list[Entry] = []
    for entry in read_corpus(corpus):
        if isinstance(entry, Dropped):
            yield entry
            continue
        if page and (not entry.origin.page or entry.origin.page != page[0].origin.page):
            yield page
            page = []
        page.append(entry)
    if page:
        yield page
