"""Wheels of what is installed here: so what was tested is what is taken along, and no registry is asked for it.

A wheel is a zip archive of a distribution's files with their digests (PyPA's specification of binary distributions);
pip keeps all that it takes. Knows nothing about bundles.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from bundle.errors import SettingsError

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""Files beside the metadata that tell of the installation here."""


def closure(name: str, extras: Sequence[str]) -> list[Distribution]:
    """What is installed of a distribution with some of its extras and of all that they need, by name.

    A requirement for other systems is not installed here, and so not in it.

    Raises:
        SettingsError: something that an extra asks for by name is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(name, ("", *extras))]
    while waiting:
        one, wanted = waiting.pop()
        key = _normal(one)
        installed = found.get(key) or _distribution(one)
        if installed is None:
            continue
        found[key] = installed
        new = [extra for extra in wanted if (key, extra) not in seen]
        seen.update((key, extra) for extra in new)
        for line in installed.requires or []:
            requirement, _semicolon, marker = line.partition(";")
            asked = _EXTRA.search(marker)
            if (asked[1] if asked else "") in new and (match := _REQUIREMENT.match(requirement.strip())):
                waiting.append((match[1], ("", *(part.strip() for part in (match[2] or "").split(",") if part))))
    if _normal(name) not in found:
        raise SettingsError(f"{name} is not installed here; install it first")
    return [found[key] for key in sorted(found)]


def write_wheel(installed: Distribution, folder: Path) -> Path:
    """Write a wheel of an installed distribution into a folder.

    Raises:
        SettingsError: its files are not those that were installed, or it wasn't installed as a wheel.
    """
    name, metadata = installed.metadata["Name"], installed.read_text("WHEEL")
    if metadata is None or installed.files is None:
        raise SettingsError(f"{name} was not installed by pip; install it anew")
    tags = [line.partition(":")[2].strip() for line in metadata.splitlines() if line.startswith("Tag:")]
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{installed.version}"
    wheel = folder / f"{stem}-{_common(tags)}.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        home = ""
        for place, path in _files(installed):
            data = path.read_bytes()
            info = zipfile.ZipInfo(place)  # of no date, so that equal files make equal wheels
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (path.stat().st_mode & 0o777 | 0o100000) << 16
            archive.writestr(info, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{_quoted(place)},sha256={digest},{len(data)}")
            home = place.partition("/")[0] if place.endswith(".dist-info/METADATA") else home
        archive.writestr(zipfile.ZipInfo(f"{home}/RECORD"), "\n".join([*record, f"{home}/RECORD,,", ""]))
    return wheel


def licences(installed: Distribution) -> Iterator[tuple[str, Path]]:
    """The files of a distribution that tell its licence, each with a name to keep it under."""
    for place, path in _files(installed):
        inner = PurePosixPath(place)
        if ".dist-info/" in place and re.search(r"(?i)licen[cs]e|copying|notice|authors", "/".join(inner.parts[1:])):
            yield f"{installed.metadata['Name']}-{installed.version}/{inner.name}", path


def _files(installed: Distribution) -> Iterator[tuple[str, Path]]:
    """Its files, by their places in a wheel. Where it is an editable one its packages lie elsewhere."""
    editable = '"editable": true' in (installed.read_text("direct_url.json") or "")
    for file in sorted(installed.files or []):
        place, path = file.as_posix(), Path(str(file.locate()))
        if place.startswith("../") or file.suffix == ".pyc" or not path.is_file():
            continue  # the programs in bin/ are made from the entry points
        if ".dist-info/" in place:
            if file.name not in _LEFT_OUT:
                yield place, path
        elif not editable:
            yield place, path
    if editable:
        root = Path(__file__).parents[1]
        for package in (installed.read_text("top_level.txt") or "").split():
            for path in sorted((root / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path.relative_to(root).as_posix(), path


def _common(tags: Sequence[str]) -> str:
    """The tags of a wheel as its name has them, e.g. `py2.py3-none-any` for two of them."""
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(part)) for part in parts)


def _quoted(place: str) -> str:
    return f'"{place}"' if "," in place else place


def _distribution(name: str) -> Distribution | None:
    """What is installed under a name: of several that are found pip's, since a checkout has metadata of its own."""
    found = list(distributions(name=name))
    return next((one for one in found if one.read_text("WHEEL")), next(iter(found), None))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
