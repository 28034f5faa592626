"""`boffin bundle pack --with-runtime`: one file with a bundle and all that serves it, for a machine without a network.

A tar archive, which any system opens: the bundle's archive, wheels of what is installed here, licences, checksums and
a script that installs them. It is for machines of this one's kind, with its Python.
"""

from __future__ import annotations

import platform
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import typer

from boffin.archive_file import PIPE, SUFFIX
from boffin.bundles import Named, pack_bundle
from boffin.wheels import closure, licences, write_wheel
from bundle.atomic import atomic_bytes
from bundle.digests import digest_files
from bundle.errors import SettingsError
from bundle.manifest import load_manifest

SCRIPT = "install.sh"
SUMS = "SHA256SUMS"
_ENDING = "-offline.tar"


def pack_with_runtime(bundle: Named, out: str, key: Path | None) -> None:
    """Write the file: `out`, or a name of its own in that folder.

    Raises:
        BundleError: the bundle isn't whole.
        SettingsError: it can't be written there, or what serves a bundle is not installed here.
    """
    if out == PIPE:
        raise SettingsError("with --with-runtime it is made of many files; name one for it instead of -")
    name = load_manifest(bundle.folder).name
    target = Path(out or ".")
    target = target / f"{name}{_ENDING}" if target.is_dir() else target
    if not target.absolute().parent.is_dir():
        raise SettingsError(f"{target.absolute().parent}: no such folder; make it, or name another file")
    # Beside its place, since /tmp may be small.
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=f".{target.name}.") as temporary:
        folder = Path(temporary)
        _fill(folder, bundle, name, key)
        _sum_up(folder)
        with atomic_bytes(target) as handle, tarfile.open(fileobj=handle, mode="w") as archive:
            archive.add(folder, arcname=f"{name}-offline", filter=_plain)
    size = target.stat().st_size / 1e6
    typer.echo(
        f"{target}: {size:,.1f} MB, for {platform.system()} {platform.machine()} with Python {_python()}. There: "
        f"tar xf {target.name} && {name}-offline/{SCRIPT}",
        err=True,
    )


def _fill(folder: Path, bundle: Named, name: str, key: Path | None) -> None:
    archive = f"{name}{SUFFIX}"
    pack_bundle(bundle, str(folder / archive), key)
    wheels, notices = folder / "wheels", folder / "licences"
    wheels.mkdir()
    # pip takes itself along, so that the other machine needs Python and nothing else of it.
    for installed in [*closure("boffin", ["appliance"]), *closure("pip", [])]:
        write_wheel(installed, wheels)
        for place, path in licences(installed):
            (notices / place).parent.mkdir(parents=True, exist_ok=True)
            (notices / place).write_bytes(path.read_bytes())
    if not list(wheels.glob("llama_cpp_python-*")):
        raise SettingsError(
            "llama.cpp is not installed here, which is what answers; run `pip install 'boffin[appliance]'`"
        )
    told = {"python": _python(), "system": platform.system(), "machine": platform.machine(), "bundle": archive}
    (folder / SCRIPT).write_text(_script(told), encoding="utf-8")
    (folder / SCRIPT).chmod(0o755)


def _script(told: Mapping[str, str]) -> str:
    text = Path(__file__).with_name(SCRIPT).read_text(encoding="utf-8")
    for name, value in told.items():
        text = text.replace(f"@{name}@", value)
    return text


def _sum_up(folder: Path) -> None:
    """Write the digest of every file, as sha256sum reads them."""
    lines = [f"{digest}  {name}\n" for name, digest in digest_files(folder).items()]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry without who made it and when."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
