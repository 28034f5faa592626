"""The stage: adapter and base in, a sealed bundle out.

Merge, convert, quantise, prove, seal: each step is a file of its own here. Intermediate files lie in a hidden folder of
the output, which is gone before the manifest is written. Knows nothing about where its inputs came from.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from bundle.digests import digest_file, digest_value
from bundle.errors import ConvertError, DatasetError
from bundle.manifest import SYMBOLS, Manifest, ModelFile, seal
from bundle.records import EVAL, TRAIN, read_records
from bundle.stage import Progress, StageResult
from bundle.template import PromptTemplate
from convert.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from convert.checkpoint import dress
from convert.extras import check_extras, write_extras
from convert.gguf import OUTTYPES, convert_to_gguf
from convert.licences import base_licence, library_licences
from convert.llama_source import converter_script, llama_version
from convert.merge import merge
from convert.metadata import metadata
from convert.proof import prove
from convert.quantise import known_types, quantise
from convert.settings import ConvertSettings

_WORK = ".work"
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_MARGIN = 1.1


def run(
    settings: ConvertSettings,
    name: str,
    base_model: str,
    base_revision: str,
    base: Path,
    adapter: Path | None,
    template: PromptTemplate,
    dataset: Path | None,
    out: Path,
    progress: Progress,
) -> StageResult:
    """Make a bundle in the empty folder `out`.

    `base` is a Hugging Face folder. Without an `adapter` the bundle is the base itself. Of the `dataset` the symbol
    table is carried over, and its held-out records are the prompts of the proof.

    Raises:
        ConvertError: a setting or an input can't be used, or the proof failed; the bundle isn't sealed then.
        DatasetError: the dataset is incomplete or damaged.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConvertError(f"{name!r}: not a name for files; use letters, digits, dots and dashes")
    types = known_types(settings.quantisations)
    converter_script()
    check_extras(settings.also, adapter, template)
    _check_room(base, settings, adapter is not None, len(types), out)
    if dataset and not (dataset / SYMBOLS).is_file():
        raise DatasetError(f"{dataset / SYMBOLS}: missing from the dataset; run `boffin curate` to make it anew")
    records = list(read_records(dataset / TRAIN)) if dataset else []
    held_out = list(read_records(dataset / EVAL)) if dataset else []
    licences = library_licences([*records, *held_out]) | {"base": base_licence(base)}
    dataset_digest = _digest(dataset, (TRAIN, EVAL))
    adapter_digest = _digest(adapter, (ADAPTER_CONFIG, ADAPTER_WEIGHTS))

    clock = _Clock()
    models = []
    work = out / _WORK
    work.mkdir()
    try:
        folder, unquantised = work / "model", work / "model.gguf"
        folder.mkdir()
        if adapter:
            progress(f"Merging the adapter into {base_model} ({settings.merge_dtype})")
            merge(base, adapter, folder, settings.merge_dtype, progress)
            clock.note("adapter merged")
        dress(folder, base, template, licences["base"])
        about = metadata(
            name, base_model, base_revision, dataset_digest, adapter_digest, settings.merge_dtype, llama_version()
        )
        convert_to_gguf(folder, unquantised, settings.merge_dtype, name, base_model, progress, about)
        clock.note("converted")
        for file_type in types:
            path = out / f"{name}-{file_type}.gguf"
            progress(f"Writing {path.name}")
            if file_type == OUTTYPES[settings.merge_dtype].upper():
                os.link(unquantised, path)
            else:
                quantise(unquantised, path, file_type, os.cpu_count() or 1)
            models.append(ModelFile(file=path.name, quantisation=file_type, bytes=path.stat().st_size))
            clock.note(f"{path.name} written")
        first = out / models[0].file
        write_extras(settings.also, folder, base, adapter, template, first, name, settings.merge_dtype, progress)
    finally:
        shutil.rmtree(work)
    prove([out / model.file for model in models], base, template, held_out, progress)
    clock.note("proved")
    if dataset:
        shutil.copyfile(dataset / SYMBOLS, out / SYMBOLS)
    progress("Sealing the bundle")
    seal(
        out,
        Manifest(
            name=name,
            base_model=base_model,
            base_revision=base_revision,
            template=template,
            template_digest=template.digest,
            dataset_digest=dataset_digest,
            adapter_digest=adapter_digest,
            llama_cpp=llama_version(),
            licences=licences,
            models=models,
        ),
    )
    return StageResult(
        came_in=f"{base_model} and its adapter" if adapter else base_model,
        went_out="; ".join(f"{model.file}, {model.bytes / 1e6:,.0f} MB" for model in models),
        notes=tuple(clock.notes),
    )


class _Clock:
    """Seconds between the notes taken."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._last = time.monotonic()

    def note(self, what: str) -> None:
        now = time.monotonic()
        self.notes.append(f"{what} in {now - self._last:.1f} s")
        self._last = now


def _digest(folder: Path | None, names: Sequence[str]) -> str:
    """One digest over the files that matter of a folder, or `` without one."""
    return digest_value({name: digest_file(folder / name) for name in names}) if folder else ""


def _check_room(base: Path, settings: ConvertSettings, merging: bool, files: int, out: Path) -> None:
    """Refuse early when the disk can't hold the intermediate files and the bundle, each at its largest."""
    try:
        parameters = sum(_parameters(file) for file in base.glob("*.safetensors"))
    except (OSError, SafetensorError) as error:
        raise ConvertError(f"{base}: the base's weights can't be read ({error}); fetch it anew") from None
    if not parameters:
        raise ConvertError(f"{base}: no weights (*.safetensors) here; fetch the base model anew")
    full = parameters * _BYTES[settings.merge_dtype]
    need, room = (full * (merging + 1) + files * full) * _MARGIN, shutil.disk_usage(out).free
    if room < need:
        raise ConvertError(
            f"{out}: converting may take {need / 1e6:,.0f} MB and {room / 1e6:,.0f} MB are free; free some space"
        )


def _parameters(file: Path) -> int:
    with safe_open(file, framework="numpy") as weights:
        shapes = (weights.get_slice(name).get_shape() for name in weights.keys())  # noqa: SIM118  (not a mapping)
        return sum(math.prod(shape) for shape in shapes)
