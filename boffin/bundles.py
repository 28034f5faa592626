"""`boffin verify` and `boffin bundle`: a bundle checked, packed, unpacked, signed and pushed for a person.

Needs neither torch nor llama.cpp. What is on standard output is the archive alone, where that is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from boffin.archive_file import PIPE, SUFFIX, is_archive, reading, shown, writing
from boffin.artefacts import BUNDLE, DATASET, REPORT
from boffin.project import Project, open_project
from boffin.stages import STAGES
from boffin.upload import upload
from bundle.archive import unpack_archive, verify_archive, write_archive
from bundle.atomic import write_text
from bundle.digests import digest_file, digest_value
from bundle.errors import BundleError, SettingsError
from bundle.manifest import CARD, COMPANIONS, MANIFEST, MAX_MANIFEST, SIGNATURE, Manifest, load_manifest, verify
from bundle.records import EVAL, TRAIN, read_records
from bundle.stage import Progress, TerminalProgress
from convert.card import Background, card


@dataclass(frozen=True)
class Named:
    """A bundle's folder, and the project that it is of, if it is a project's."""

    folder: Path
    project: Project | None = None


def find_bundle(folder: Path, assignments: Sequence[str], bundle: Path | None) -> Named:
    """The bundle that was named, or else the project's.

    Raises:
        BundleError: there is none.
        SettingsError: the project's settings can't be used.
    """
    if bundle is not None:
        return Named(bundle.resolve())
    project = open_project(folder, assignments)
    return Named(project.workspace.path(BUNDLE).resolve(), project)


def verify_bundle(named: str, folder: Path, assignments: Sequence[str], signer: Path | None) -> None:
    """Check a bundle's folder, an archive, `-` for one on standard input, or the project's bundle.

    Raises:
        BundleError: says which file is bad, and how; or that the signature is missing or wrong.
    """
    gate = _Gate(signer)
    with _progress() as progress:
        if named == PIPE or is_archive(Path(named)):
            with reading(named) as stream:
                manifest = verify_archive(stream, shown(named), gate.of(shown(named)), progress).manifest
        elif named and Path(named).is_file():
            raise BundleError(f"{named}: neither a bundle's folder nor an archive of one; check its name")
        else:
            place = find_bundle(folder, assignments, Path(named) if named else None).folder
            manifest = load_manifest(place)
            gate.of(str(place))(_manifest_bytes(place), _companions(place))
            verify(place, progress)
    typer.echo(f"{_sum(manifest)}, all as sealed; {gate.result}")


def pack_bundle(bundle: Named, out: str, key: Path | None) -> None:
    """Write an archive of a bundle, with its model card, signed where a key is given.

    Raises:
        BundleError: the bundle isn't whole; there is no archive then.
        SettingsError: the key or the archive's name can't be used.
    """
    manifest, data = load_manifest(bundle.folder), _manifest_bytes(bundle.folder)
    companions = _companions(bundle.folder) | {CARD: card(manifest, _background(bundle, "")).encode()}
    _Gate(None).of(str(bundle.folder))(data, companions)  # a signature that is wrong is told before it travels
    if key:
        from boffin.signature import sign

        companions[SIGNATURE] = sign(data, key)
    if out != PIPE and (not out or Path(out).is_dir()):
        out = str(Path(out) / f"{manifest.name}{SUFFIX}")
    with _progress() as progress, writing(out) as stream:
        write_archive(bundle.folder, data, companions, stream, progress)
    where = "standard output" if out == PIPE else f"{out}, {Path(out).stat().st_size / 1e6:,.1f} MB"
    typer.echo(f"{_sum(manifest)}, packed into {where}{', signed' if SIGNATURE in companions else ''}", err=out == PIPE)


def unpack_bundle(archive: str, target: Path | None, signer: Path | None) -> None:
    """Unpack an archive into a new folder, by default called as the archive without its endings.

    Raises:
        BundleError: it is damaged, not what it says, or not signed as asked; or the folder is there already.
    """
    if target is None:
        if archive == PIPE:
            raise SettingsError("an archive from standard input has no name; say which folder it is to become")
        stem = Path(archive).name.removesuffix(SUFFIX)
        target = Path(stem if stem != Path(archive).name else f"{stem}.bundle")
    gate = _Gate(signer)
    with _progress() as progress, reading(archive) as stream:
        packed = unpack_archive(stream, shown(archive), target, gate.of(shown(archive)), progress)
    typer.echo(f"{_sum(packed.manifest)}, unpacked into {target}; {gate.result}")


def sign_bundle(bundle: Named, key: Path) -> None:
    """Check a bundle and put a signature of its manifest beside it.

    Raises:
        BundleError: the bundle isn't whole.
        SettingsError: the key can't be used.
    """
    from boffin.signature import check, sign

    data = _manifest_bytes(bundle.folder)
    signature = sign(data, key)
    with _progress() as progress:
        verify(bundle.folder, progress)
    write_text(bundle.folder / SIGNATURE, signature.decode())
    typer.echo(f"Signed by {check(data, signature, SIGNATURE)}: {bundle.folder / SIGNATURE}")


def push_bundle(bundle: Named, repository: str, *, private: bool) -> None:
    """Check a bundle and upload it to the model hub, with its model card.

    Raises:
        BundleError: the bundle isn't whole.
        HubError: the hub refuses, or can't be reached.
    """
    from tempfile import TemporaryDirectory

    with _progress() as progress:
        manifest = verify(bundle.folder, progress)
    _Gate(None).of(str(bundle.folder))(_manifest_bytes(bundle.folder), _companions(bundle.folder))

    with TemporaryDirectory() as scratch:

        def files(there: str) -> Mapping[str, Path]:
            written = Path(scratch) / CARD
            write_text(written, card(manifest, _background(bundle, there)))
            beside = [SIGNATURE] if (bundle.folder / SIGNATURE).is_file() else []
            return {CARD: written} | {name: bundle.folder / name for name in [*manifest.files, *beside, MANIFEST]}

        address = upload(
            repository or manifest.name,
            files,
            f"Bundle of {manifest.name}, made by Boffin",
            private=private,
            asked="bundle push",
        )
    typer.echo(f"Pushed to {address}")


class _Gate:
    """What a signature has to be, and what was found of it."""

    def __init__(self, signer: Path | None) -> None:
        self._signers = None
        self.result = "not signed"
        if signer:
            from boffin.signature import public_keys

            self._signers = public_keys(signer)

    def of(self, where: str) -> Callable[[bytes, Mapping[str, bytes]], None]:
        """The check of a manifest and what lies beside it; `where` is how the bundle is called."""

        def check(manifest: bytes, companions: Mapping[str, bytes]) -> None:
            if SIGNATURE not in companions:
                if self._signers is not None:
                    raise BundleError(f"{where}: not signed, and a signature was asked for; ask its signer for one")
                return
            from boffin.signature import check

            name = check(manifest, companions[SIGNATURE], f"{where}: {SIGNATURE}", self._signers)
            known = "" if self._signers is not None else ", whoever that is: name them with --signer"
            self.result = f"signed by {name}{known}"

        return check


def _manifest_bytes(folder: Path) -> bytes:
    load_manifest(folder)
    with (folder / MANIFEST).open("rb") as handle:
        return handle.read(MAX_MANIFEST)


def _companions(folder: Path) -> dict[str, bytes]:
    """The signature beside a manifest, if there is one; a card is written anew each time."""
    path = folder / SIGNATURE
    if not path.is_file():
        return {}
    with path.open("rb") as handle:
        return {SIGNATURE: handle.read(COMPANIONS[SIGNATURE])}


def _background(bundle: Named, repository: str) -> Background:
    """What the project knows of its bundle: the dataset and the report, if they are those of this very bundle."""
    if bundle.project is None:
        return Background(repository)
    workspace, manifest = bundle.project.workspace, load_manifest(bundle.folder)
    dataset, records, held_out, report = workspace.path(DATASET), 0, 0, ""
    if (dataset / TRAIN).is_file() and (dataset / EVAL).is_file():
        digest = digest_value({name: digest_file(dataset / name) for name in (TRAIN, EVAL)})
        if digest == manifest.dataset_digest:
            records, held_out = (sum(1 for _ in read_records(dataset / name)) for name in (TRAIN, EVAL))
    stamp = workspace.stamp(REPORT)
    if stamp and stamp.inputs.get(BUNDLE) == STAGES[BUNDLE].content(bundle.folder):
        from evaluation.escape import markdown
        from evaluation.page import table
        from evaluation.report import LEGEND, load_report

        found = load_report(workspace.path(REPORT))
        written = f" and, under “suite”, {found.suite.questions:,} written ones" if found.suite else ""
        who = "\n".join(f"- {markdown(name)}: {markdown(what, 1000)}" for name, what in found.models.items())
        asked = f"{found.questions:,} held-out questions{written}. Bold: the better value. {LEGEND}"
        report = f"{table(found)}\n\n{asked}\n\n{who}"
    return Background(repository, records, held_out, report)


def _sum(manifest: Manifest) -> str:
    return f"{manifest.name}: {len(manifest.files)} files, {sum(manifest.sizes.values()) / 1e6:,.1f} MB"


@contextmanager
def _progress() -> Iterator[Progress]:
    progress = TerminalProgress(sys.stderr)
    try:
        yield progress
    finally:
        progress.end()
