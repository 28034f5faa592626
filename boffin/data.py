"""`boffin data`: look at records, find them with what became of them, compare two versions of the dataset.

What records hold was written by strangers: nothing of it reaches a terminal but as visible text. Knows nothing about
how a dataset is made.
"""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule
from rich.text import Text

from boffin.artefacts import DATASET
from boffin.project import open_project
from bundle.atomic import BUILDS
from bundle.errors import DatasetError, SettingsError
from bundle.records import TRAIN
from curation.browse import Item, Wanted, items
from curation.diff import Difference, compare
from curation.escape import one_line, visible

_MAX_COUNT = 6
"""Digits of the largest number of records that can be asked for."""
_STYLES = {"train": "green", "eval": "cyan", "rejected": "yellow"}


def find_dataset(folder: Path, dataset: Path | None) -> Path:
    """The dataset's folder: the one that is named, or the project's.

    Raises:
        SettingsError: there is no project in `folder`.
        DatasetError: there is no dataset.
    """
    path = dataset or open_project(folder).workspace.path(DATASET)
    if not (path / TRAIN).is_file():
        raise DatasetError(f"{path}: no dataset here; run `boffin curate` first, or name one with --dataset")
    return path.resolve()


def wanted(words: Sequence[str], symbol: str, kind: str, library: str, side: str) -> Wanted:
    """What is asked for on the command line.

    Raises:
        DatasetError: there is no such side.
    """
    if side not in ("", *_STYLES):
        raise DatasetError(f"--side {one_line(side, 40)}: no such side; there are {', '.join(_STYLES)}")
    return Wanted(tuple(words), symbol, kind, library, side)


def show(dataset: Path, which: Sequence[str], wanted: Wanted, as_json: bool) -> None:
    """Print records in full: those with these names, or so many that a hash picks.

    Args:
        dataset: the dataset's folder.
        which: one number, or names of records or their beginnings; nothing for three records.
        wanted: which records there are to pick from; names are looked for everywhere.
        as_json: one JSON object a line, for scripts.

    Raises:
        DatasetError: no record is so.
    """
    count = 3 if not which else int(which[0]) if len(which) == 1 and _is_count(which[0]) else 0
    if count:
        found = heapq.nsmallest(
            count,
            (item for item in items(dataset, rejected=wanted.side == "rejected") if wanted.matches(item)),
            key=lambda item: item.name,
        )
        missing = "no record is so" if not found else ""
    else:
        found = [item for item in items(dataset, rejected=True) if item.name.startswith(tuple(which))]
        lacking = [name for name in which if not any(item.name.startswith(name) for item in found)]
        missing = f"no record is called {one_line(lacking[0], 40)}" if lacking else ""
    if missing:
        raise DatasetError(f"{dataset}: {missing}; `boffin data search` finds records by symbol and words")
    if as_json:
        _print_json(found)
    else:
        _print_records(found)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_COUNT and int(text) > 0


def search(dataset: Path, wanted: Wanted, limit: int, as_json: bool) -> None:
    """Print what is asked for, kept or left out, a line or two each; what was left out with the reason.

    Args:
        dataset: the dataset's folder.
        wanted: what is asked for.
        limit: items that are shown at most; 0 for all.
        as_json: one JSON object a line, for scripts.

    Raises:
        DatasetError: nothing is so.
    """
    found = (item for item in items(dataset, rejected=wanted.side in ("", "rejected")) if wanted.matches(item))
    shown = list(islice(found, limit or None))
    if not shown:
        raise DatasetError(f"{dataset}: nothing is so, neither kept nor left out; ask for fewer words")
    more = sum(1 for _ in found)
    if as_json:
        _print_json(shown)
        return
    console = _console()
    for item in shown:
        console.print(_head(item))
        if item.record:
            console.print(Text(f"  {one_line(item.record.instruction)}"))
        if item.rejection:
            console.print(Text(f"  {_why(item)}", style="yellow"))
    if more:
        console.print(Text(f"… and {more:,} more; --limit 0 shows all", style="dim"))


def diff(folder: Path, old: str, new: str, limit: int, as_json: bool) -> None:
    """Print what differs between two versions.

    Args:
        folder: the project's folder.
        old: a dataset's folder, or the name of a build in the workspace; empty for the build before this one.
        new: the same; empty for the project's dataset.
        limit: records of each list that are shown; 0 for all.
        as_json: one JSON object with all of it, for scripts.

    Raises:
        DatasetError: a version isn't there or is damaged.
        SettingsError: a version isn't named by its folder, and there is no project in `folder`.
    """
    newer = _version(folder, new) if new else find_dataset(folder, None)
    older = _version(folder, old) if old else _before(folder, newer)
    difference = compare(older, newer)
    if as_json:
        typer.echo(json.dumps({"old": str(older), "new": str(newer), **difference.to_json()}, indent=2))
        return
    _print_difference(difference, older, newer, limit)


def _version(folder: Path, named: str) -> Path:
    path = Path(named)
    if (path / TRAIN).is_file():
        return path.resolve()
    try:
        build = _builds(folder) / named
    except SettingsError:
        build = path
    if not (build / TRAIN).is_file():
        raise DatasetError(f"{named}: no dataset here; name a dataset's folder or a build such as `dataset-1a2b3c`")
    return build.resolve()


def _builds(folder: Path) -> Path:
    return open_project(folder).workspace.folder / BUILDS


def _before(folder: Path, current: Path) -> Path:
    builds = _builds(folder)
    others = [one for one in builds.glob(f"{DATASET}-*") if (one / TRAIN).is_file() and one.resolve() != current]
    complete = [one for one in others if one.suffix != ".partial"]
    if not complete:
        raise DatasetError(f"{builds}: no earlier version of the dataset; name its folder: `boffin data diff OLD`")
    return max(complete, key=lambda one: (one.stat().st_mtime_ns, one.name)).resolve()


def _print_json(found: Iterable[Item]) -> None:
    for item in found:
        typer.echo(json.dumps(item.to_json()))


def _print_records(found: Iterable[Item]) -> None:
    console = _console()
    for number, item in enumerate(found):
        if number:
            console.print()
        console.print(_head(item))
        if item.rejection:
            console.print(Text(_why(item), style="yellow"))
        if item.record is None:
            continue
        origin = item.record.provenance
        told = [origin.source, origin.licence, origin.url, origin.attribution, "written" if origin.written else ""]
        console.print(Text(" · ".join(one_line(one) for one in told if one), style="dim"))
        for text in (item.record.question, item.record.output):
            console.print()
            if console.is_terminal:
                console.print(Markdown(visible(text), hyperlinks=False, code_theme="ansi_dark"))
            else:
                console.out(visible(text), highlight=False)
        if console.is_terminal:
            console.print(Rule(style="dim"))


def _head(item: Item) -> Text:
    line = Text.assemble((item.name, "bold"), "  ", (item.side, _STYLES[item.side]))
    if item.record:
        origin = item.record.provenance
        told = [origin.symbol or "no symbol", origin.kind, f"{origin.package} {origin.version}"]
        line.append("  " + "  ".join(one_line(one) for one in told))
    return line


def _why(item: Item) -> str:
    rejection = item.rejection
    assert rejection is not None
    where = f" ({one_line(rejection.where)})" if rejection.where else ""
    return f"{one_line(rejection.code)} at {one_line(rejection.stage)}: {one_line(rejection.detail)}{where}"


def _print_difference(difference: Difference, old: Path, new: Path, limit: int) -> None:
    console = _console()
    console.print(Text(f"{old} → {new}", style="dim"))
    for library, (before, after) in difference.versions.items():
        console.print(Text(one_line(f"{library} {before or 'not there'} → {after or 'gone'}")))
    console.print(
        f"records {difference.old:,} → {difference.new:,}: {len(difference.added):,} added, "
        f"{len(difference.changed):,} changed, {len(difference.removed):,} removed"
    )
    console.print(f"symbols: {len(difference.symbols_added):,} added, {len(difference.symbols_removed):,} removed")
    changed = [(change.new, f" ({', '.join(change.parts)})") for change in difference.changed]
    lists = [
        ("added", "+", "green", [(item, "") for item in difference.added]),
        ("changed", "~", "yellow", changed),
        ("removed", "-", "red", [(item, "") for item in difference.removed]),
    ]
    for what, sign, style, entries in lists:
        if not entries:
            continue
        console.print(Text(f"\n{what}", style="bold"))
        for item, note in entries[: limit or None]:
            if item.record:
                told = f"{item.record.provenance.symbol or 'no symbol'}: {item.record.instruction}"
                console.print(Text(f"{sign} {item.name}  {one_line(told)}{note}", style=style))
        if limit and len(entries) > limit:
            console.print(Text(f"… and {len(entries) - limit:,} more; --limit 0 shows all", style="dim"))


def _console() -> Console:
    # Lines aren't wrapped where a program reads them.
    return Console(file=sys.stdout, soft_wrap=not sys.stdout.isatty(), highlight=False, markup=False, emoji=False)
