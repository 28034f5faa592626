"""The trainer's stage: TRL's SFTTrainer with a LoRA adapter, from a dataset and a recipe to an adapter folder.

Written: the PEFT adapter, `recipe.json` (the recipe as run), `template.json` (the prompt template that the texts were
rendered with), `training.jsonl` (the log), `loss.svg` (its picture), `tensorboard/` (its events, where TensorBoard is
installed), `summary.json` (what it took, as measured), and `lineage.json` with `held-out.jsonl` (what it was trained on
and is measured with, so that a later run can go on from it). A run that was stopped or killed goes on from its last
checkpoint. Started in several processes by torchrun or `accelerate launch`, they train together and the first writes.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import shutil
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import transformers
from transformers import AutoTokenizer, EarlyStoppingCallback, set_seed

from bundle.atomic import write_json, write_text
from bundle.errors import DatasetError, RecipeError
from bundle.records import EVAL, TRAIN, Record, read_records
from bundle.stage import Progress, StageResult, announce
from bundle.template import PromptTemplate
from trainer.arguments import arguments, make_budget
from trainer.batches import name_of, records_of
from trainer.checkpoints import Checkpoint, Sealing, latest_checkpoint, remove_others
from trainer.continuing import WARMUP_SHARE, Chosen, check_adapter, choose
from trainer.curve import curve
from trainer.device import base_dtype, check_device, device_name
from trainer.encoding import Encoded, encode
from trainer.interruption import Interruption
from trainer.lineage import Lineage, fingerprint, write_lineage
from trainer.log import EVENTS, LOG, TrainingLog
from trainer.memory import until_it_fits
from trainer.model import load_base, load_weights, lora
from trainer.packing import pack
from trainer.preflight import check_model, check_texts
from trainer.preview import preview, wants_colours
from trainer.probe import Probe
from trainer.recipe import Recipe
from trainer.settings import TrainerSettings
from trainer.sft import BudgetTrainer, LossNotFinite
from trainer.summary import Summary, peak_memory_mb

_NAMED = 4
"""Records of a batch that an error names."""


@dataclass(frozen=True)
class _Inputs:
    """What is trained on what."""

    base: Path
    device: str
    tokenizer: Any
    train: Encoded
    held_out: Encoded
    group: int
    """Records of like length that stay together, however the batch is cut."""
    before: Path | None
    """The adapter that training goes on from, or None."""
    chosen: Chosen | None
    """What is trained on of the new dataset, where training goes on."""


@dataclass(frozen=True)
class _Trained:
    """A run at its end."""

    trainer: BudgetTrainer
    log: TrainingLog
    resumed: Checkpoint | None
    rows: int
    seconds: float
    held_out_loss: float | None


def run(
    recipe: Recipe,
    base: Path,
    dataset: Path,
    template: PromptTemplate,
    out: Path,
    progress: Progress,
    checkpoints: Path | None = None,
    settings: TrainerSettings | None = None,
    before: Path | None = None,
    library: str = "",
) -> StageResult:
    """Train an adapter for the base model in the folder `base` on `dataset`, into the empty folder `out`.

    `checkpoints` is a folder that outlives a run that doesn't come to its end; what an earlier attempt with the same
    recipe, base, dataset and template left there is gone on from. None keeps nothing.

    Of the `settings` only those count that are no part of a recipe: what may be left out, how training goes on from an
    adapter, and what the machine costs.

    `before` is the folder of an adapter to go on from, with what is new to it in the dataset and a draw of the rest; or
    with all records of a `library` and no others, which makes a specialist of it.

    Raises:
        RecipeError: the recipe can't be run here or go on from the adapter before, or the loss stopped being finite.
        DatasetError: there is nothing (new) to train on, too much is too long for it, or a record has no answer.
        TemplateError: what would be trained isn't what the appliance sends.
        BaseModelError: the base can't be loaded, or its adapter could not be merged.
        Interrupted: Ctrl+C; the run is saved in `checkpoints`.
    """
    quieten()
    settings = settings or TrainerSettings()
    device = device_name()
    check_device(recipe, device)
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    lineage = check_adapter(before, base, recipe, template) if before else None
    records = _records(dataset / TRAIN, library)
    if not records and library:
        raise DatasetError(f"{dataset / TRAIN}: no record is about {library}; leave it out of trainer.specialists")
    train = encode(records, template, tokenizer, recipe.sequence_length)
    held_out = encode(_records(dataset / EVAL, library), template, tokenizer, recipe.sequence_length)
    if not train.examples:
        raise DatasetError(
            f"{dataset / TRAIN}: no record fits into {recipe.sequence_length} tokens; raise sequence_length"
        )
    limits = (recipe.sequence_length, settings.allow_too_long)
    notes = check_texts(train, held_out, template, tokenizer, dataset, *limits)
    digests = [record.digest for record in records]
    chosen = None
    if lineage:
        recipe = recipe.model_copy(update={"epochs": min(recipe.epochs, settings.continuing.epochs)})
    if lineage and not library:
        chosen = choose(train.examples, digests, lineage, settings.continuing.replay, recipe.seed)
        train = replace(train, examples=chosen.examples)
        notes.append(f"Going on from the adapter before, with {chosen}.")
    _say("\n".join([*notes, preview(train.examples, tokenizer, colours=wants_colours(sys.stderr))]))
    inputs = _Inputs(base, device, tokenizer, train, held_out, recipe.batch_size, before, chosen)
    folder = checkpoints or out / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        recipe, trained = until_it_fits(recipe, lambda one: _train(one, inputs, folder, progress, settings), _say)
    except LossNotFinite as error:
        faulty = list(records_of(error.rows, records, template, tokenizer))
        names = ", ".join(name_of(record) for record in faulty[:_NAMED])
        more = f" and {len(faulty) - _NAMED} more" if len(faulty) > _NAMED else ""
        advice = "lower learning_rate, or train in float32 or bfloat16; if it stays, look at the batch's records"
        raise RecipeError(f"{error}; {advice}: {names}{more}") from None

    trainer = trained.trainer
    # Sharded weights are gathered by all processes together; otherwise PEFT finds the adapter's by itself.
    weights = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None
    summary = _summary(recipe, inputs, trained)
    if trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(out, state_dict=weights)
        _write(recipe, template, trained, folder, out)
        summary.write(out / "summary.json")
        continued = lineage.continued + 1 if lineage else 0
        made_from = Lineage(base=fingerprint(base), records=tuple(sorted(digests)), continued=continued)
        write_lineage(out, made_from, _records(dataset / EVAL, library))
    if checkpoints is None:
        shutil.rmtree(folder)
    return summary.result(recipe)


def _records(file: Path, library: str) -> list[Record]:
    """A file's records; of a library, where one is named, its own alone."""
    return [record for record in read_records(file) if library in ("", record.provenance.package)]


def _train(recipe: Recipe, inputs: _Inputs, folder: Path, progress: Progress, settings: TrainerSettings) -> _Trained:
    """Train to the end, from the last checkpoint in `folder` where there is one."""
    set_seed(recipe.seed)
    rows = _as_dataset(inputs.train, len(inputs.train.examples))
    if recipe.packing:
        rows = pack(rows, recipe.sequence_length)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    budget = make_budget(recipe, len(rows), processes)
    if inputs.before:
        budget.warmup_steps = min(budget.warmup_steps, int(budget.max_steps * WARMUP_SHARE))
    measured = bool(inputs.held_out.examples and recipe.held_out_records)
    dtype = base_dtype(recipe, inputs.device)
    options = arguments(recipe, budget, folder, dtype, inputs.device, held_out=measured)
    with options.main_process_first(local=False):
        resumed = latest_checkpoint(folder, budget.max_steps)
    budget.spent = resumed.seconds if resumed else 0.0
    # The loss before training is measured inside of it: a model that has been evaluated isn't wrapped for several
    # processes any more, and each would silently train alone.
    options.eval_on_start = measured and resumed is None

    log = TrainingLog(folder, budget, progress, resumed.step if resumed else None)
    interruption = Interruption(processes)
    callbacks = [log, Sealing(budget), interruption]
    if recipe.early_stopping and measured:
        callbacks.append(EarlyStoppingCallback(recipe.early_stopping))
    progress("loading the base model")
    trainer = BudgetTrainer(
        model=load_base(inputs.base, recipe, dtype, inputs.device),
        args=options,
        train_dataset=rows,
        eval_dataset=_as_dataset(inputs.held_out, recipe.held_out_records) if measured else None,
        processing_class=inputs.tokenizer,
        peft_config=lora(recipe),
        callbacks=callbacks,
        budget=budget,
        lengths=[len(ids) for ids in rows["input_ids"]] if recipe.group_by_length and not recipe.packing else (),
        group=inputs.group,
        lora_plus_ratio=recipe.lora_plus_ratio,
    )
    if inputs.before:
        load_weights(trainer.model, inputs.before)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(Probe(trainer, settings, inputs.device))
    for note in check_model(trainer, inputs.base, recipe):
        _say(note)
    if trainer.is_world_process_zero():
        remove_others(folder, resumed)
        log.open()
    try:
        if resumed:
            progress(f"going on from step {resumed.step}")
        elif measured:
            progress("held-out loss before")
        with interruption.watched():
            trainer.train(resume_from_checkpoint=str(resumed.folder) if resumed else None)
        seconds = budget.elapsed
        held_out_loss = None
        if measured:
            progress("held-out loss after")
            held_out_loss = round(float(trainer.evaluate()["eval_loss"]), 5)
    finally:
        log.close()
    return _Trained(trainer, log, resumed, len(rows), seconds, held_out_loss)


def _write(recipe: Recipe, template: PromptTemplate, trained: _Trained, folder: Path, out: Path) -> None:
    """Write what belongs to the weights, and copy the log from `folder`, where the run kept it."""
    (out / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    write_json(out / "recipe.json", recipe.model_dump(mode="json"))
    write_text(out / "template.json", template.model_dump_json(indent=2) + "\n")
    write_text(out / "loss.svg", curve(trained.log.losses, trained.log.held_out))
    shutil.copy2(folder / LOG, out / LOG)
    if (folder / EVENTS).is_dir():
        shutil.copytree(folder / EVENTS, out / EVENTS)


def _summary(recipe: Recipe, inputs: _Inputs, trained: _Trained) -> Summary:
    trainer, log = trained.trainer, trained.log
    parameters, every = trainer.accelerator.unwrap_model(trainer.model).get_nb_trainable_parameters()
    steps, records = trainer.state.global_step, len(inputs.train.examples)
    a_step = recipe.batch_size * recipe.gradient_accumulation * trainer.args.world_size * records / trained.rows
    early = steps < trainer.budget.max_steps and log.stopped_by == "steps"
    return Summary(
        device=inputs.device,
        dtype=str(base_dtype(recipe, inputs.device)).removeprefix("torch."),
        processes=trainer.args.world_size,
        steps=steps,
        went_on_from=trained.resumed.step if trained.resumed else None,
        stopped_by="held-out loss" if early else log.stopped_by,
        records_available=records,
        records_seen=min(round(steps * a_step), math.ceil(records * recipe.epochs)),
        records_new=inputs.chosen.new if inputs.chosen else None,
        records_too_long=inputs.train.too_long,
        tokens_seen=int(trainer.state.num_input_tokens_seen),
        seconds=trained.seconds,
        peak_memory_mb=peak_memory_mb(inputs.device),
        trained_parameters=parameters,
        trained_share=parameters / every,
        loss_first=log.losses[0][1] if log.losses else None,
        loss_last=log.losses[-1][1] if log.losses else None,
        held_out_records=min(recipe.held_out_records, len(inputs.held_out.examples)),
        held_out_loss_before=log.held_out[0][1] if log.held_out else None,
        held_out_loss_after=trained.held_out_loss,
    )


def _say(text: str) -> None:
    """Tell a person something that stays on the screen; one of several processes does."""
    if os.environ.get("RANK", "0") == "0":
        announce(text)


def quieten() -> None:
    """The libraries' own bars and notices would garble the progress line."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|peft|bitsandbytes)\.")


def _as_dataset(encoded: Encoded, at_most: int) -> datasets.Dataset:
    examples = itertools.islice(encoded.examples, at_most)
    return datasets.Dataset.from_list([{"input_ids": item.input_ids, "labels": item.labels} for item in examples])
