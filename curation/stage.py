"""The curation stage: sources in; corpus, records, rejections, symbols, index of passages and report out.

    collect → compose → mask and clean → verify → teach → judge → split → balance → report

What was read, looked at and run before is taken from the cache folder, so that a second run does only what is new.
What none of the steps' own modules rejects:

no-example   an entry that shows code, or answers a question, gave no draft
deprecated   a source, perhaps a later one, says that the symbol is deprecated

Entries stream; the drafts that were found clean, and then the kept records, are in memory together.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from bundle.atomic import atomic_open
from bundle.digests import digest_value
from bundle.errors import DatasetError
from bundle.records import EVAL, REJECTED, SYMBOLS, TRAIN, Record, Rejection, write_records
from bundle.stage import Progress, StageResult
from curation.balance import balance
from curation.card import write_card
from curation.collect import collect
from curation.draft import Draft, to_record
from curation.drafting import Drafting
from curation.duplicates import Duplicates
from curation.entries import CORPUS, ApiEntry, Dropped, read_entry, read_lines, shown_by
from curation.filters import too_long_or_short
from curation.grounded import ground_records
from curation.leaks import prove
from curation.libraries import Libraries, Library
from curation.masking import mask, mask_json
from curation.pages import write_pages
from curation.passages import examples, write_documentation
from curation.reason import Reason
from curation.report import Report, summary
from curation.settings import CurationSettings
from curation.shown import showable, worth_running
from curation.split import Split, split
from curation.teacher import Teacher
from curation.verify.store import Store
from curation.verify.verifier import Environment, Verifier
from symbols.table import SymbolTable

_BATCH = 256
_NO_EXAMPLE = Reason("no-example", "no code in it that stands by itself, or no prose that tells what it does")
SPARE = 1.15
"""How many times as many drafts are run as records may be kept: for what fails, and for what repeats another."""
_IMPORT = re.compile(r"^(?:import|from) ([\w.]+)(?: import (\w+))?", re.MULTILINE)
_WARM = 0.005
"""Share of the drafts from which on a module that they import is imported beforehand."""


def run(
    settings: CurationSettings,
    name: str,
    folder: Path,
    cache: Path,
    out: Path,
    progress: Progress,
    suite: Collection[str] = (),
) -> StageResult:
    """Make a dataset of the sources in the empty folder `out`.

    Args:
        settings: curation's settings, with absolute interpreters.
        name: the dataset's.
        folder: the project's folder, to which the sources' paths belong.
        cache: where what was read and run is kept from one run to the next.
        out: an empty folder.
        progress: told what is being done.
        suite: texts of the suite that the expert will be asked; what is near one of them is left out.

    Raises:
        SourceError: a source can't be read, or has nothing in it; code can't be contained.
        DatasetError: no record was kept on one of the two sides.
    """
    began = time.monotonic()
    libraries = Libraries(settings.sources, cache / "libraries")
    for library in libraries.all():
        library.look(progress)
    table = libraries.table()
    table.save(out / SYMBOLS)
    report = Report()
    with atomic_open(out / REJECTED) as rejected:
        way = _Way(settings, folder, cache, out, table, _Log(rejected, report), progress, suite)
        sides = way.go(libraries)
    documented = write_documentation(out, showable(way.ran, sides.held_out, settings.held_out), table)
    train = ground_records(sides.train, out, table, settings.grounded, settings.held_out)
    write_records(out / TRAIN, train)
    write_records(out / EVAL, sides.held_out)
    for records, held_out in ((train, False), (sides.held_out, True)):
        for record in records:
            report.keep(record, held_out)
    report.seconds = round(time.monotonic() - began, 1)
    report.save(out)
    write_pages(out, settings.seed)
    write_card(out, report, name)
    if not sides.train or not sides.held_out:
        raise DatasetError(
            f"curation kept {len(sides.train)} records to train on and {len(sides.held_out)} held out; "
            "both need at least one, so add packages to `curation.sources` or loosen `curation.filters`"
        )
    prove(out, suite, settings.filters.similarity)
    skipped = sum(library.skipped for library in libraries.all())
    notes = [*summary(report), *way.notes, documented]
    if skipped:
        notes.append(f"{skipped} modules could not be imported and were skipped")
    return StageResult(
        came_in=f"{report.entries:,} entries of {', '.join(name for one in libraries.all() for name in one.packages)}",
        went_out=f"{len(sides.train):,} records to train on, {len(sides.held_out):,} held out",
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Log:
    """Writes down and counts what is left out."""

    rejected: TextIO
    report: Report

    def reject(self, stage: str, reason: Reason, record: Record | None = None, where: str = "") -> None:
        rejection = Rejection(code=reason.code, stage=stage, detail=reason.detail, where=where, record=record)
        self.rejected.write(rejection.model_dump_json() + "\n")
        self.report.reject(rejection)


@dataclass
class _Way:
    """The way from the sources to the two sides."""

    settings: CurationSettings
    folder: Path
    cache: Path
    out: Path
    table: SymbolTable
    log: _Log
    progress: Progress
    suite: Collection[str]
    notes: list[str] = field(default_factory=list)
    ran: list[Record] = field(default_factory=list)
    """What held when it was run, kept or not."""
    spare: dict[Library, list[Draft]] = field(default_factory=dict)
    """What the bound on the dataset's size left out before it was run."""

    def go(self, libraries: Libraries) -> Split:
        drafts = self._bounded(self._clean(libraries))
        records: list[Record] = []
        with Store(self.cache / "examples.sqlite") as store:
            for library, own in drafts.items():
                records += self._verified(library, own, store)
            self.ran = records + self._shown(records, store)
        duplicates = Duplicates(self.settings.filters)
        records = self._passing("judge", self._taught(records), self._too_long, duplicates.reason)
        similarity = self.settings.filters.similarity
        sides = self._apart(split(records, self.settings.held_out, similarity, self.suite))
        balanced = balance([*sides.train, *sides.held_out], self.settings)
        for record, reason in balanced.dropped:
            self.log.reject("balance", reason, record)
        # A phrase that many records had may now be in a few, and then it counts.
        return self._apart(split(balanced.kept, self.settings.held_out, similarity, self.suite))

    def _apart(self, sides: Split) -> Split:
        """The sides as they are, with what was dropped between them written down."""
        for record, reason in sides.leaked:
            self.log.reject("judge", reason, record)
        return sides

    def _clean(self, libraries: Libraries) -> dict[Library, list[Draft]]:
        """The clean drafts of all sources, by the libraries that their code runs on."""
        digest = digest_value([library.digest for library in libraries.all()])
        drafting = Drafting(self.settings, self.table, digest, self.cache / "drafts")
        clean: dict[Library, list[Draft]] = {library: [] for library in libraries.all()}
        deprecated: set[str] = set()
        report = self.log.report
        with atomic_open(self.out / CORPUS) as corpus:
            for source in self.settings.sources:
                library = libraries.of(source)
                found = collect(source, library, self.folder, self.cache, self.progress)
                unused: dict[str, None] = {}
                before = report.entries
                for line in read_lines(found):
                    entry = read_entry(line)
                    if isinstance(entry, Dropped):
                        self.log.reject("collect", Reason(entry.code, mask(entry.detail)[0]), where=entry.where)
                        continue
                    report.entries += 1
                    corpus.write(mask_json(line) + "\n")
                    if name := shown_by(entry):
                        unused[name] = None
                    if isinstance(entry, ApiEntry) and entry.deprecated:
                        deprecated.add(entry.documented.symbol)
                for one in drafting.drafts(found, self.progress):
                    report.composed(one.draft.provenance)
                    report.masked.update(one.masked)
                    unused.pop(one.draft.provenance.url or one.draft.provenance.symbol, None)
                    if one.reason:
                        self.log.reject("clean", one.reason, to_record(one.draft, one.draft.code))
                    else:
                        clean[library].append(one.draft)
                for name in unused:
                    self.log.reject("compose", _NO_EXAMPLE, where=name)
                if report.entries == before:
                    name = getattr(source, "path", ", ".join(source.packages))
                    self.notes.append(f"nothing of {name} could be used; {REJECTED} says why")
        return {library: self._current(drafts, deprecated) for library, drafts in clean.items()}

    def _current(self, drafts: Sequence[Draft], deprecated: Collection[str]) -> list[Draft]:
        """The drafts about symbols that no source, whichever came last, calls deprecated."""
        for draft in drafts:
            if draft.provenance.symbol in deprecated:
                self.log.reject("clean", Reason("deprecated", draft.provenance.symbol), to_record(draft, draft.code))
        return [draft for draft in drafts if draft.provenance.symbol not in deprecated]

    def _bounded(self, drafts: dict[Library, list[Draft]]) -> dict[Library, list[Draft]]:
        """Where the dataset's size is bounded: the drafts that are worth a run."""
        if not self.settings.max_records:
            return drafts
        most = int(self.settings.max_records * SPARE)
        records = {id(draft): to_record(draft, draft.code) for own in drafts.values() for draft in own}
        balanced = balance(list(records.values()), self.settings.model_copy(update={"max_records": most}))
        for record, reason in balanced.dropped:
            self.log.reject("verify", reason, record)
        staying = {id(record) for record in balanced.kept}
        self.spare = {
            library: [draft for draft in own if id(records[id(draft)]) not in staying]
            for library, own in drafts.items()
        }
        return {
            library: [draft for draft in own if id(records[id(draft)]) in staying] for library, own in drafts.items()
        }

    def _shown(self, records: Sequence[Record], store: Store) -> list[Record]:
        """Records of what was left out, for the index alone: how symbols are used that no record shows."""
        shown, room = set(examples(records)), self.settings.max_records
        found: list[Record] = []
        for library, spare in self.spare.items():
            drafts = worth_running(spare, shown, self.settings.held_out, room)
            room -= len(drafts)
            outcomes = self._run(library, drafts, store, "more examples").values()
            found += [outcome for outcome in outcomes if isinstance(outcome, Record)]
        return found

    def _verified(self, library: Library, drafts: Sequence[Draft], store: Store) -> list[Record]:
        """The records of the drafts whose code holds, in the drafts' order."""
        found = self._run(library, drafts, store, "examples")
        records: list[Record] = []
        for number, draft in enumerate(drafts):
            outcome = found[number]
            self.log.report.ran(draft.provenance.package, isinstance(outcome, Record))
            if isinstance(outcome, Reason):
                self.log.reject("verify", outcome, to_record(draft, draft.code))
            else:
                records.append(outcome)
        return records

    def _run(self, library: Library, drafts: Sequence[Draft], store: Store, what: str) -> dict[int, Record | Reason]:
        """Each draft's number → its record, or why its code doesn't hold.

        The drafts of one library share interpreters that have imported what these need, and no more: the less an
        interpreter holds, the faster it forks.
        """
        found: dict[int, Record | Reason] = {}
        groups: dict[str, list[int]] = {}
        for number, draft in enumerate(drafts):
            groups.setdefault(draft.provenance.package, []).append(number)
        for package, numbers in groups.items():
            environment = Environment(library.python, library.digest, self._imports([drafts[one] for one in numbers]))
            with Verifier(self.settings.verification, environment, store) as verifier:
                for start in range(0, len(numbers), _BATCH):
                    batch = numbers[start : start + _BATCH]
                    found.update(zip(batch, verifier.verify([drafts[one] for one in batch]), strict=True))
                    self.progress(f"running {what} of {package}", start + len(batch), len(numbers), "examples")
        return found

    def _imports(self, drafts: Sequence[Draft]) -> tuple[str, ...]:
        """The modules that enough drafts import, so that they are imported once for all."""
        counts: Counter[str] = Counter()
        for draft in drafts:
            for module, name in _IMPORT.findall(draft.code):
                below = f"{module}.{name}"
                counts.update({module, below} if below in self.table.modules else {module})
        least = max(5, len(drafts) * _WARM)
        known = self.table.modules | self.table.known | self.table.roots.keys()
        return tuple(sorted(name for name, count in counts.items() if count >= least and name in known))

    def _taught(self, records: list[Record]) -> Iterable[Record]:
        if not self.settings.teacher.url:
            return records
        with Teacher(self.settings.teacher, self.cache / "teacher") as teacher:
            taught = list(teacher.rewrite(records, self.progress))
            self.notes += teacher.notes
        return taught

    def _passing(
        self, stage: str, records: Iterable[Record], *checks: Callable[[Record], Reason | None]
    ) -> list[Record]:
        """The records that no check has a reason against."""
        kept = []
        for number, record in enumerate(records, start=1):
            reason = next((found for check in checks if (found := check(record))), None)
            if reason:
                self.log.reject(stage, reason, record)
            else:
                kept.append(record)
            self.progress("judging records", number, 0, "records")
        return kept

    def _too_long(self, record: Record) -> Reason | None:
        return too_long_or_short(record, self.settings.filters)
