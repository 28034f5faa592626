"""The bundle's manifest: what is in it, what it was made from, and every file's digest.

The manifest is written last, so its existence means that the bundle is complete. Knows nothing about GGUF.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.atomic import write_text
from bundle.digests import digest_files, digest_value
from bundle.errors import BundleError
from bundle.evidence import Evidence
from bundle.template import PromptTemplate

MANIFEST = "manifest.json"
SYMBOLS = "symbols.json"
PICTURE = "quantisations.svg"
"""The measured quantisations, drawn."""


class ModelFile(BaseModel):
    """One GGUF file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: str
    """Its name in the bundle."""
    quantisation: str
    """llama.cpp's name of its type, e.g. `Q8_0`."""
    bytes: int
    """Its size in bytes."""


class Manifest(BaseModel):
    """What a bundle is."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
    evidence: Evidence | None = None
    """What was measured before it was sealed; None in the bundle of a base model, and in older ones."""
    files: dict[str, str] = {}
    """SHA-256 of each file but the manifest itself."""

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
        files = {name: digest for name, digest in self.files.items() if name != PICTURE}
        return digest_value(self.model_copy(update={"evidence": None, "files": files}).model_dump())

    @property
    def digest(self) -> str:
        """One digest that stands for the whole bundle."""
        return digest_value(self.model_dump())


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Digest every file in `folder` and write the manifest, last; returns it with its `files`."""
    sealed = manifest.model_copy(update={"files": digest_files(folder, without=[MANIFEST])})
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
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: damaged at {where or 'its start'} ({first['msg']}); convert anew") from None
    for name in [*manifest.files, *(model.file for model in manifest.models)]:
        parts = Path(name).parts
        if Path(name).is_absolute() or ".." in parts or not parts:
            raise BundleError(f"{path}: names a file outside the bundle ({name!r}); do not use this bundle")
    return manifest


def verify(folder: Path) -> Manifest:
    """Check every file of a bundle against its digest.

    Raises:
        BundleError: names the first file that is missing or changed.
    """
    manifest = load_manifest(folder)
    found = digest_files(folder, without=[MANIFEST])
    for name, digest in manifest.files.items():
        if name not in found:
            raise BundleError(f"{folder / name}: missing from the bundle; convert or copy it anew")
        if found[name] != digest:
            raise BundleError(f"{folder / name}: not the file that was sealed; convert or copy it anew")
    if manifest.template.digest != manifest.template_digest:
        raise BundleError(f"{folder / MANIFEST}: the prompt template is not the one that was sealed; convert anew")
    return manifest
