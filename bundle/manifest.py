"""The bundle's manifest: what is in it, what it was made from, and every file's digest.

The manifest is written last, so its existence means that the bundle is complete. What a single file has to be is
inspection.py's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.atomic import write_text
from bundle.digests import digest_files, digest_value
from bundle.errors import BundleError
from bundle.evidence import Evidence
from bundle.inspection import REMEDY, Expected, inspect
from bundle.names import check_names
from bundle.stage import Progress, silent
from bundle.template import PromptTemplate

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
CARD = "README.md"
COMPANIONS = {SIGNATURE: 64 << 10, CARD: 1 << 20}
"""What may lie in a bundle besides the manifest and the files that it names, and how many bytes each may have."""
SYMBOLS = "symbols.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a bundle may be called: files are named after it."""
MAX_MANIFEST = 16 << 20
"""Bytes of a manifest beyond which it isn't read."""
PICTURE = "quantisations.svg"
"""The measured quantisations, drawn."""


class ModelFile(BaseModel):
    """One GGUF file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Its name in the bundle."""
    quantisation: str
    """llama.cpp's name of its type, e.g. `Q8_0`."""
    bytes: int
    """Its size in bytes."""


class Reading(BaseModel):
    """How much of the documentation stood before the questions that an expert was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passages: int = Field(ge=1, le=20)
    """How many passages at most."""
    tokens: int = Field(ge=1)
    """How long they were together, at most."""


class Manifest(BaseModel):
    """What a bundle is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    """The manifest's own version."""
    name: str
    """The expert's name, which is also its model name in the HTTP interface."""
    base_model: str
    """The base model as the project names it."""
    base_revision: str = ""
    """Its revision, where it came from a hub."""
    template: PromptTemplate
    """The prompt template that it was trained with."""
    template_digest: str
    """SHA-256 of the template."""
    dataset_digest: str = ""
    """Digest of the dataset that it was trained on; empty for a base model's own bundle."""
    adapter_digest: str = ""
    """Digest of the adapter that is merged in; empty for a base model's own bundle."""
    llama_cpp: str
    """The llama-cpp-python version whose converter and quantiser wrote the files."""
    licences: dict[str, str] = {}
    """Licence of the base model (`base`) and of each documented library."""
    models: list[ModelFile]
    """The GGUF files, the default one first."""
    specialists: dict[str, str] = {}
    """The GGUF file of each library that has a LoRA adapter of its own, to be put on the models."""
    reading: Reading | None = None
    """What the expert reads before it answers, unless told otherwise; None where it wasn't trained to read."""
    evidence: Evidence | None = None
    """What was measured before it was sealed; None in the bundle of a base model, and in older ones."""
    files: dict[str, str] = {}
    """SHA-256 of each file but the manifest itself."""
    sizes: dict[str, int] = {}
    """Bytes of each of these files."""

    def model(self, quantisation: str = "") -> ModelFile:
        """The GGUF file of a quantisation, or the default one.

        Raises:
            BundleError: the bundle has no such quantisation.
        """
        for candidate in self.models:
            if not quantisation or candidate.quantisation.upper() == quantisation.upper():
                return candidate
        have = ", ".join(candidate.quantisation for candidate in self.models)
        raise BundleError(f"the bundle {self.name} has no {quantisation}; it has {have}")

    @property
    def served_digest(self) -> str:
        """One digest over everything that answers depend on: not over what was measured, which differs each time."""
        values = self.model_dump(exclude={"evidence": True, "files": {PICTURE}, "sizes": {PICTURE}})
        return digest_value(values)

    @property
    def digest(self) -> str:
        """One digest that stands for the whole bundle."""
        return digest_value(self.model_dump())

    def expected(self, name: str) -> Expected:
        """What a file of a complete manifest has to be."""
        model = any(model.file == name for model in self.models)
        return Expected(name, self.sizes[name], self.files[name], self.template.source if model else None)


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Digest every file in `folder` and write the manifest, last; returns it with its `files`."""
    files = digest_files(folder, without=[MANIFEST, *COMPANIONS])
    sizes = {name: (folder / name).stat().st_size for name in files}
    sealed = manifest.model_copy(update={"files": files, "sizes": sizes})
    write_text(folder / MANIFEST, sealed.model_dump_json(indent=2) + "\n")
    return sealed


def load_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest; the files themselves are checked by `verify`.

    Raises:
        BundleError: there is no bundle, it was never sealed, or its manifest can't be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder}: no bundle here (no {MANIFEST}); run `boffin build` first")
    with path.open("rb") as handle:
        return parse_manifest(handle.read(MAX_MANIFEST + 1), path)


def parse_manifest(data: bytes, where: object) -> Manifest:
    """A manifest from its bytes; `where` is how it is called in an error.

    Raises:
        BundleError: it can't be read, or a name in it isn't safe.
    """
    if len(data) > MAX_MANIFEST:
        raise BundleError(f"{where}: a manifest of more than {MAX_MANIFEST:,} bytes isn't read; do not use this bundle")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        at = "".join(letter if letter.isprintable() else "\ufffd" for letter in ".".join(map(str, first["loc"])))
        raise BundleError(f"{where}: damaged at {at[:80] or 'its start'} ({first['msg']}); convert anew") from None
    if not NAME.fullmatch(manifest.name):
        raise BundleError(f"{where}: has an unsafe name ({manifest.name[:80]!r}); do not use this bundle")
    named = [*manifest.files, *manifest.sizes, *(model.file for model in manifest.models)]
    named += [*manifest.specialists, *manifest.specialists.values()]
    check_names(dict.fromkeys(named), (MANIFEST, *COMPANIONS), where)
    return manifest


def check_complete(manifest: Manifest, where: object) -> None:
    """Check what a manifest says of the bundle by itself, without looking at a file.

    Raises:
        BundleError: something is missing, or two things don't agree.
    """
    sizes = manifest.sizes
    wrong = next((name for name, digest in manifest.files.items() if not re.fullmatch("[0-9a-f]{64}", digest)), None)
    unsized = next((name for name in manifest.files.keys() ^ sizes.keys()), None)
    models = [model.file for model in manifest.models]
    if not models:
        fault = "it names no model"
    elif missing := [name for name in (*models, *manifest.specialists.values()) if name not in manifest.files]:
        fault = f"it has no digest of {missing[0]!r}"
    elif wrong is not None:
        fault = f"its digest of {wrong!r} is none"
    elif unsized is not None:
        fault = f"it has no size of {unsized!r}, or no digest"
    elif negative := [name for name, size in sizes.items() if size < 0]:
        fault = f"its size of {negative[0]!r} is below zero"
    elif other := [model.file for model in manifest.models if model.bytes != sizes[model.file]]:
        fault = f"it has two sizes of {other[0]!r}"
    else:
        fault = ""
    if fault:
        raise BundleError(f"{where}: not complete ({fault}); convert anew")
    if manifest.template.digest != manifest.template_digest:
        raise BundleError(f"{where}: the prompt template is not the one that was sealed; convert anew")


def verify(folder: Path, progress: Progress = silent) -> Manifest:
    """Check every file of a bundle against the manifest, and that there are no others.

    Hidden files are passed over, as they are when the bundle is sealed; so are the `COMPANIONS`.

    Raises:
        BundleError: names the first file that is missing, cut short, changed, or not of this bundle.
    """
    manifest = load_manifest(folder)
    check_complete(manifest, folder / MANIFEST)
    for name, size in manifest.sizes.items():
        _check_size(folder / name, size)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if not hidden and not path.is_dir() and name not in (MANIFEST, *COMPANIONS, *manifest.files):
            raise BundleError(f"{path}: not a file of this bundle; take it away, or do not use this bundle")
    done, total = 0, sum(manifest.sizes.values())

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress(f"Checking {manifest.name}", done / 1e6, total / 1e6, "MB")

    for name in manifest.files:
        with (folder / name).open("rb", buffering=0) as handle:
            inspect(manifest.expected(name), str(folder / name), handle, None, tick)
    return manifest


def _check_size(path: Path, size: int) -> None:
    """Tell what needs no reading of the file, so that a large bundle is refused at once."""
    if not path.is_file():
        raise BundleError(f"{path}: missing from the bundle; {REMEDY}")
    there = path.stat().st_size
    if there < size:
        raise BundleError(f"{path}: cut short, {there:,} of {size:,} bytes are there; {REMEDY}")
    if there > size:
        raise BundleError(f"{path}: not the file that was sealed ({there:,} bytes and not {size:,}); {REMEDY}")
