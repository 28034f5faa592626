"""The stage: adapter and base in, a sealed bundle out.

Merge, convert, prove, quantise, measure, seal: each step is a file of its own here. Intermediate files lie in a hidden
folder of the output, which is gone before the manifest is written. Knows nothing about where its inputs came from.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from bundle.atomic import write_text
from bundle.digests import digest_file, digest_value
from bundle.errors import ConvertError, DatasetError
from bundle.evidence import Evidence, Proof
from bundle.manifest import NAME, PICTURE, SYMBOLS, Manifest, ModelFile, Reading, seal
from bundle.passages import DOCUMENTATION
from bundle.records import EVAL, TRAIN, Record, read_records
from bundle.stage import Progress, StageResult
from bundle.template import PromptTemplate
from convert.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from convert.candidates import Candidate, kept_types, make_candidates
from convert.checkpoint import dress
from convert.extras import check_extras, write_extras
from convert.fidelity import prove_fidelity
from convert.freerun import run_freely
from convert.gguf import OUTTYPES, convert_to_gguf
from convert.licences import base_licence, library_licences
from convert.llama_source import converter_script, llama_version
from convert.measure import measure, pick
from convert.merge import merge
from convert.metadata import metadata
from convert.passages import LONGEST, Passage, draw, drawn
from convert.picture import picture
from convert.proof import prove
from convert.quantise import known_types
from convert.room import check_room
from convert.settings import ConvertSettings
from convert.specialists import check_specialists, write_specialists
from convert.table import lines

_WORK, _FOLDER = ".work", "model"


@dataclass(frozen=True)
class _Inputs:
    """What a bundle is made of."""

    settings: ConvertSettings
    name: str
    base_model: str
    base_revision: str
    base: Path
    adapter: Path | None
    template: PromptTemplate
    tokenizer: Any
    records: Sequence[Record]
    """The training records; none without a dataset."""
    held_out: Sequence[Record]
    passages: Sequence[Passage]
    """What it is proven and measured on; nothing without an adapter or a dataset."""
    licences: dict[str, str]
    dataset_digest: str
    """Of what the adapter was trained on; empty for the base's own bundle."""
    adapter_digest: str


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
    reading: Reading | None = None,
    specialists: Mapping[str, Path] | None = None,
) -> StageResult:
    """Make a bundle in the empty folder `out`.

    `base` is a Hugging Face folder. Of the `dataset` the symbol table and the documentation are carried over; its
    held-out records are what the bundle is proven and measured on, its training records what the importance matrix is
    computed on.

    `reading` goes into the manifest as it is. `specialists` are the folders of adapters for single libraries, trained
    on from `adapter`.

    Without an `adapter` the bundle is the base itself, of every type that the tuned one may be compared in. Only its
    tokens are proven; the dataset, if there is one, gives it the same importance matrix and documentation.

    Raises:
        ConvertError: a setting or an input can't be used, or the proof failed; the bundle isn't sealed then.
        DatasetError: the dataset is incomplete or damaged.
    """
    if not NAME.fullmatch(name):
        raise ConvertError(f"{name!r}: not a name for files; use letters, digits, dots and dashes")
    types = known_types(settings.quantisations)
    kept = kept_types(settings, types) if adapter else types
    converter_script()
    check_extras(settings.also, adapter, template)
    if adapter:
        check_specialists(adapter, specialists or {})
    check_room(base, settings, adapter is not None, len(types), out)
    inputs = _read(settings, name, base_model, base_revision, base, adapter, template, dataset)

    clock = _Clock()
    work = out / _WORK
    work.mkdir()
    try:
        unquantised = _convert(inputs, work, clock, progress)
        proof = _prove(inputs, unquantised, clock, progress)
        training = drawn(inputs.records, template, inputs.tokenizer) if inputs.records else None
        candidates = make_candidates(settings, unquantised, types, training, name, out, progress)
        clock.note(f"{len(types)} quantisations made")
        special = _specialists(inputs, specialists or {}, unquantised, out, clock, progress)
        evidence, picked, why = _measure(inputs, unquantised, candidates, proof, out, clock, progress)
        served = next(one.path for one in candidates if one.quantisation == picked)
        write_extras(
            settings.also, work / _FOLDER, base, adapter, template, served, name, settings.merge_dtype, progress
        )
    finally:
        shutil.rmtree(work)
    left = [one for one in candidates if one.quantisation in {picked, *kept}]
    for candidate in candidates:
        if candidate not in left:
            candidate.path.unlink()
    left.sort(key=lambda one: one.quantisation != picked)
    prove([one.path for one in left], base, template, inputs.held_out, progress)
    if asked := inputs.passages[: settings.free_answers]:
        evidence = evidence.model_copy(update={"free_run": run_freely(left[0].path, asked, progress)})
        clock.note(f"{len(asked)} questions answered freely")
    models = [
        ModelFile(file=one.path.name, quantisation=one.quantisation, bytes=one.path.stat().st_size) for one in left
    ]
    if dataset:
        _carry(dataset, (SYMBOLS, DOCUMENTATION) if adapter else (DOCUMENTATION,), out)
    progress("Sealing the bundle")
    seal(
        out,
        Manifest(
            name=name,
            base_model=base_model,
            base_revision=base_revision,
            template=template,
            template_digest=template.digest,
            dataset_digest=inputs.dataset_digest,
            adapter_digest=inputs.adapter_digest,
            llama_cpp=llama_version(),
            licences=inputs.licences,
            models=models,
            specialists=special,
            reading=reading,
            evidence=evidence if inputs.passages else None,
        ),
    )
    return StageResult(
        came_in=f"{base_model} and its adapter" if adapter else base_model,
        went_out="; ".join(f"{model.file}, {model.bytes / 1e6:,.0f} MB" for model in models),
        notes=(*clock.notes, *lines(evidence), *filter(None, [why])),
    )


def _read(
    settings: ConvertSettings,
    name: str,
    base_model: str,
    base_revision: str,
    base: Path,
    adapter: Path | None,
    template: PromptTemplate,
    dataset: Path | None,
) -> _Inputs:
    """Everything that is read, and what the bundle is proven on: drawn from the held-out records, where there are any.

    Raises:
        DatasetError: the dataset is incomplete or damaged.
        ConvertError: none of its records can be used, so nothing could be proven.
    """
    if dataset and not (dataset / SYMBOLS).is_file():
        raise DatasetError(f"{dataset / SYMBOLS}: missing from the dataset; run `boffin curate` to make it anew")
    records = list(read_records(dataset / TRAIN)) if dataset else []
    held_out = list(read_records(dataset / EVAL)) if dataset else []
    licences = library_licences([*records, *held_out]) | {"base": base_licence(base)}
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    passages = draw(held_out or records, settings.held_out_records, template, tokenizer) if adapter else []
    if adapter and dataset and not passages:
        raise ConvertError(
            f"{dataset / EVAL}: no record fits into {LONGEST} tokens, so the bundle can't be proven; add shorter ones"
        )
    return _Inputs(
        settings=settings,
        name=name,
        base_model=base_model,
        base_revision=base_revision,
        base=base,
        adapter=adapter,
        template=template,
        tokenizer=tokenizer,
        records=records,
        held_out=held_out,
        passages=passages,
        licences=licences,
        dataset_digest=_digest(dataset if adapter else None, (TRAIN, EVAL)),
        adapter_digest=_digest(adapter, (ADAPTER_CONFIG, ADAPTER_WEIGHTS)),
    )


def _carry(dataset: Path, names: Sequence[str], out: Path) -> None:
    """Put files of the dataset into the bundle; one that was made by hand may have no documentation."""
    for name in names:
        if (dataset / name).is_file():
            shutil.copyfile(dataset / name, out / name)


def _convert(inputs: _Inputs, work: Path, clock: _Clock, progress: Progress) -> Candidate:
    """The unquantised GGUF file, with or without the adapter merged in."""
    folder, dtype = work / _FOLDER, inputs.settings.merge_dtype
    folder.mkdir()
    if inputs.adapter:
        progress(f"Merging the adapter into {inputs.base_model} ({dtype})")
        merge(inputs.base, inputs.adapter, folder, dtype, progress)
        clock.note("adapter merged")
    dress(folder, inputs.base, inputs.template, inputs.licences["base"])
    path = work / "model.gguf"
    about = metadata(
        inputs.name,
        inputs.base_model,
        inputs.base_revision,
        inputs.dataset_digest,
        inputs.adapter_digest,
        dtype,
        llama_version(),
    )
    convert_to_gguf(folder, path, dtype, inputs.name, inputs.base_model, progress, about)
    clock.note("converted")
    return Candidate(OUTTYPES[dtype].upper(), path)


def _prove(inputs: _Inputs, unquantised: Candidate, clock: _Clock, progress: Progress) -> Proof | None:
    """Prove tokens, and weights where there is something to prove them on, before anything is made of the file."""
    prove([unquantised.path], inputs.base, inputs.template, inputs.held_out, progress)
    if not inputs.passages:
        return None
    proof = prove_fidelity(unquantised.path, inputs.base, inputs.adapter, inputs.passages, inputs.tokenizer, progress)
    clock.note("proven to be the trained model")
    return proof


def _specialists(
    inputs: _Inputs,
    specialists: Mapping[str, Path],
    unquantised: Candidate,
    out: Path,
    clock: _Clock,
    progress: Progress,
) -> dict[str, str]:
    """Write the adapters of single libraries into the bundle, proven."""
    if not inputs.adapter or not specialists:
        return {}
    files = write_specialists(
        specialists,
        inputs.adapter,
        unquantised.path,
        inputs.base,
        inputs.passages[: inputs.settings.measured_records],
        inputs.tokenizer,
        inputs.name,
        inputs.settings.merge_dtype,
        out,
        progress,
    )
    clock.note(f"{len(files)} specialists made and proven")
    return files


def _measure(
    inputs: _Inputs,
    unquantised: Candidate,
    candidates: Sequence[Candidate],
    proof: Proof | None,
    out: Path,
    clock: _Clock,
    progress: Progress,
) -> tuple[Evidence, str, str]:
    """Measure the candidates and draw the picture; what was found, which one is to be served, and why."""
    passages = inputs.passages[: inputs.settings.measured_records]
    if not passages:
        return Evidence(proof=proof), candidates[0].quantisation, ""
    rows = measure(unquantised, candidates, passages, proof.learned if proof else None, progress)
    picked, why = pick(rows, inputs.settings.loss_rise)
    stay = {picked, *kept_types(inputs.settings, [one.quantisation for one in candidates])}
    marked = [row.model_copy(update={"kept": not row.reference and row.quantisation in stay}) for row in rows]
    write_text(out / PICTURE, picture(rows, picked))
    clock.note(f"measured on {len(passages)} records")
    return Evidence(proof=proof, quantisations=marked), picked, why


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
