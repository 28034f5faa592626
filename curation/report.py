"""The dataset's report: what came in, what was dropped where and why, what was kept. Its JSON form is report.json.

Counted while the stage runs. Knows nothing about how it is shown: see `curation.pages`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, computed_field

from bundle.atomic import write_json
from bundle.errors import DatasetError
from bundle.records import REPORT, Provenance, Record, Rejection
from curation.escape import one_line

STAGES = ("collect", "compose", "clean", "verify", "teacher", "judge", "balance")
"""Where something can be left out; from `clean` on, it was a record already and counted as raw."""
DUPLICATES = ("duplicate", "near-duplicate", "code-repeated", "leak")
BIN = 100
"""Width of a bar of the lengths, in characters."""
_BAR = 30
_PARTS = " ▏▎▍▌▋▊▉"


class Ran(BaseModel):
    """Records whose code was run."""

    ran: int = 0
    passed: int = 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rate(self) -> float:
        """The share that passed."""
        return round(self.passed / self.ran, 4) if self.ran else 0.0


class Lengths(BaseModel):
    """Characters of the kept answers."""

    shortest: int = 0
    median: int = 0
    p95: int = 0
    longest: int = 0
    histogram: dict[int, int] = {}
    """How many answers have from so many characters on, in steps of 100."""


class Report(BaseModel):
    """What happened on the way from the sources to the dataset."""

    model_config = ConfigDict(extra="ignore")

    entries: int = 0
    """Raw entries in the corpus."""
    raw: int = 0
    """Composed records, before any filter."""
    kept: int = 0
    train: int = 0
    eval: int = 0
    raw_by_library: Counter[str] = Counter()
    by_library: Counter[str] = Counter()
    """Kept records by library."""
    by_kind: Counter[str] = Counter()
    """Kept records by kind of question."""
    by_source: Counter[str] = Counter()
    """Kept records by kind of source."""
    licences: Counter[str] = Counter()
    """Kept records by licence."""
    versions: dict[str, str] = {}
    """The version of each library that has kept records."""
    written: int = 0
    """Kept records whose code was written or changed for this purpose."""
    varies: int = 0
    """Kept records whose code gives another output each time, which is not shown."""
    masked: Counter[str] = Counter()
    """Secrets and personal data that were masked, by their kind."""
    rejected: Counter[str] = Counter()
    """What was dropped, by reason code."""
    rejected_by_stage: dict[str, Counter[str]] = {}
    """Stage → reason code → count."""
    runs: dict[str, Ran] = {}
    """By library: records whose code was run, and those among them that passed."""
    lengths: Lengths = Lengths()
    seconds: float = 0.0
    """Wall time of the stage."""
    seconds_cold: float | None = None
    """Wall time of a run from nothing, where it was measured."""
    seconds_warm: float | None = None
    """Wall time of a second run on the same sources, where it was measured."""
    peak_memory_mb: float | None = None
    """Most memory that was used at once, with all processes, where it was measured."""
    rerun_pass_rate: float | None = None
    """Share of the kept code blocks that pass in a fresh process each, where it was measured."""
    _lengths: list[int] = PrivateAttr(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def clean(self) -> int:
        """Records that passed the static filters."""
        return self.after("clean")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def duplicates(self) -> dict[str, int]:
        """Records that were dropped because of others."""
        return {code: self.rejected[code] for code in DUPLICATES}

    def after(self, stage: str) -> int:
        """How many records were left after a stage, `clean` or a later one."""
        passed = STAGES[STAGES.index("clean") : STAGES.index(stage) + 1]
        return self.raw - sum(sum(self.rejected_by_stage.get(one, {}).values()) for one in passed)

    @property
    def funnel(self) -> list[tuple[str, int]]:
        """What was left after each step, in order."""
        return [
            ("raw", self.raw),
            ("clean", self.clean),
            ("runs", self.after("verify")),
            ("judged", self.after("judge")),
            ("kept", self.kept),
        ]

    def composed(self, provenance: Provenance) -> None:
        """Count a raw record."""
        self.raw += 1
        self.raw_by_library[provenance.package] += 1

    def ran(self, library: str, passed: bool) -> None:
        """Count a record whose code was run."""
        runs = self.runs.setdefault(library, Ran())
        runs.ran += 1
        runs.passed += passed

    def reject(self, rejection: Rejection) -> None:
        """Count what was left out."""
        self.rejected[rejection.code] += 1
        self.rejected_by_stage.setdefault(rejection.stage, Counter())[rejection.code] += 1

    def keep(self, record: Record, held_out: bool) -> None:
        """Count a record of the dataset."""
        provenance = record.provenance
        self.kept += 1
        if held_out:
            self.eval += 1
        else:
            self.train += 1
        self.by_library[provenance.package] += 1
        self.by_kind[provenance.kind] += 1
        self.by_source[provenance.source] += 1
        self.licences[provenance.licence] += 1
        self.versions[provenance.package] = provenance.version
        self.written += provenance.written
        self.varies += provenance.varies
        self._lengths.append(len(record.output))

    def save(self, folder: Path) -> None:
        """Write report.json into a dataset's folder."""
        if self._lengths:
            self.lengths = _lengths(self._lengths)
        write_json(folder / REPORT, self.model_dump(mode="json", exclude_none=True))


def load_report(folder: Path) -> Report:
    """Read the report of a dataset's folder.

    Raises:
        DatasetError: there is none, or it can't be read.
    """
    path = folder / REPORT
    try:
        return Report.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; run `boffin curate` first") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its start"
        raise DatasetError(f"{path}: damaged at {where}; run `boffin curate --force`") from None


def quantile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least this share of the values don't exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))] if ordered else 0


def largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts from the largest down, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def summary(report: Report) -> tuple[str, ...]:
    """The funnel in a few lines of plain text, for the end of a run."""
    most = max((count for _, count in report.funnel), default=0)
    lines = [f"{name:<7}{count:>8,}  {_bar(count, most)}".rstrip() for name, count in report.funnel]
    lines.append(f"{'split':<7}{report.train:>8,} to train on, {report.eval:,} held out")
    if report.rejected:
        worst = ", ".join(f"{one_line(code, 40)} {count:,}" for code, count in largest(report.rejected)[:6])
        rest = len(report.rejected) - 6
        lines.append("dropped: " + worst + (f", {rest} more reasons" if rest > 0 else ""))
    if report.kept:
        shares = ", ".join(
            f"{one_line(name, 40)} {count / report.kept:.0%}" for name, count in largest(report.by_library)
        )
        lines.append(f"kept of: {shares}")
    return tuple(lines)


def _bar(count: int, most: int) -> str:
    eighths = round(8 * _BAR * count / most) if most else 0
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()


def _lengths(values: Sequence[int]) -> Lengths:
    bins = Counter(value // BIN * BIN for value in values)
    return Lengths(
        shortest=min(values),
        median=quantile(values, 0.5),
        p95=quantile(values, 0.95),
        longest=max(values),
        histogram=dict(sorted(bins.items())),
    )
