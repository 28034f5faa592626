"""The curation stage: sources in; corpus, records, rejections, symbol table and report out.

Streams: only the symbol table and the kept records' digests and places are in memory together with the kept records
themselves, whose number the balance between libraries depends on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from bundle.atomic import atomic_open, write_json
from bundle.errors import DatasetError
from bundle.records import EVAL, REJECTED, REPORT, SYMBOLS, TRAIN, Record, Rejection
from bundle.stage import Progress, StageResult
from curation.collectors import Collector, PackageCollector
from curation.compose import compose
from curation.entries import CORPUS, read_corpus
from curation.filters import RecordFilter
from curation.report import Report
from curation.settings import CurationSettings
from curation.split import caps, is_held_out, position
from symbols.table import SymbolTable


def run(settings: CurationSettings, out: Path, progress: Progress) -> StageResult:
    """Make a dataset of the sources in the empty folder `out`.

    Raises:
        SourceError: a source can't be read, or has nothing in it.
        DatasetError: no record was kept on one of the two sides.
    """
    began = time.monotonic()
    report = Report()
    collectors = [PackageCollector(source) for source in settings.sources]
    table = collect(collectors, out / CORPUS, report, progress)
    table.save(out / SYMBOLS)
    with atomic_open(out / REJECTED) as rejected:
        kept = choose(settings, table, out / CORPUS, rejected, report, progress)
        kept = balance(kept, settings.max_share, rejected, report)
    write_split(kept, settings.held_out, out, report)
    report.seconds = time.monotonic() - began
    write_json(out / REPORT, report.to_json())
    if not report.train or not report.eval:
        raise DatasetError(
            f"curation kept {report.train} records to train on and {report.eval} held out; "
            "both need at least one, so add packages to `curation.sources` or loosen `curation.filters`"
        )
    shares = ", ".join(f"{name} {count:,}" for name, count in report.by_library.most_common())
    notes = [f"by library: {shares}", *(note for collector in collectors for note in collector.notes)]
    return StageResult(
        came_in=f"{report.entries:,} entries of {', '.join(collector.name for collector in collectors)}",
        went_out=f"{report.train:,} records to train on, {report.eval:,} held out",
        notes=tuple(notes),
    )


def collect(collectors: Iterable[Collector], corpus: Path, report: Report, progress: Progress) -> SymbolTable:
    """Write every source's entries to the corpus; returns what exists in all of them."""
    table: SymbolTable | None = None
    with atomic_open(corpus) as handle:
        for collector in collectors:
            progress(f"reading {collector.name}")
            for entry in collector.collect():
                handle.write(entry.model_dump_json() + "\n")
                report.entries += 1
                progress(f"reading {collector.name}", report.entries, 0, "entries")
            if collector.table is not None:
                table = collector.table if table is None else table.merged(collector.table)
    return table or SymbolTable({}, frozenset(), {}, frozenset(), (), ())


def choose(
    settings: CurationSettings,
    table: SymbolTable,
    corpus: Path,
    rejected: TextIO,
    report: Report,
    progress: Progress,
) -> list[Record]:
    """The best record of each entry that passes the filters; the others tried are written as rejections."""
    judge = RecordFilter(settings.filters, table)
    kept: list[Record] = []
    for number, entry in enumerate(read_corpus(corpus), start=1):
        for record in compose(entry, table):
            report.raw += 1
            reason = judge.judge(record, entry)
            if reason is None:
                kept.append(record)
                break
            _reject(rejected, report, Rejection(code=reason.code, detail=reason.detail, record=record))
        progress("composing records", number, report.entries, "entries")
    return kept


def balance(kept: Sequence[Record], share: float, rejected: TextIO, report: Report) -> list[Record]:
    """The kept records without what a library has beyond its cap.

    Those with a documented example stay before others, and names near the top of a library (`re.sub`) before those deep
    inside (`xml.sax.handler.ContentHandler.skippedEntity`); a hash decides among equals.
    """
    limits = caps(Counter(record.provenance.package for record in kept), share)
    taken: Counter[str] = Counter()
    chosen: set[str] = set()
    for record in sorted(kept, key=_rank):
        library = record.provenance.package
        if taken[library] < limits[library]:
            taken[library] += 1
            chosen.add(record.provenance.symbol)
        else:
            detail = f"{library} has its {limits[library]:,} records"
            _reject(rejected, report, Rejection(code="balance", detail=detail, record=record))
    return [record for record in kept if record.provenance.symbol in chosen]


def _rank(record: Record) -> tuple[bool, int, float]:
    symbol = record.provenance.symbol
    return record.provenance.kind != "usage", symbol.count("."), position(symbol, "balance")


def write_split(kept: Iterable[Record], share: float, out: Path, report: Report) -> None:
    """Write each kept record to its side, and count it."""
    with ExitStack() as stack:
        train = stack.enter_context(atomic_open(out / TRAIN))
        held_out = stack.enter_context(atomic_open(out / EVAL))
        for record in kept:
            if is_held_out(record.provenance.symbol, share):
                held_out.write(record.model_dump_json() + "\n")
                report.eval += 1
            else:
                train.write(record.model_dump_json() + "\n")
                report.train += 1
            report.kept += 1
            report.by_library[record.provenance.package] += 1
            report.by_kind[record.provenance.kind] += 1
            report.lengths.append(len(record.output))


def _reject(rejected: TextIO, report: Report, rejection: Rejection) -> None:
    rejected.write(rejection.model_dump_json() + "\n")
    report.rejected[rejection.code] += 1
