"""Preference training: TRL's DPOTrainer on top of a trained adapter, from people's votes to an adapter folder.

Written: the PEFT adapter that takes the place of the one that it began with, `recipe.json`, `template.json`,
`training.jsonl` (the log), `margin.svg` (the reward margin's picture), `tensorboard/` (where TensorBoard is installed)
and `summary.json`. A run that was stopped or killed goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoTokenizer, set_seed

from bundle.atomic import write_json, write_text
from bundle.errors import RecipeError
from bundle.preferences import read_preferences
from bundle.records import EVAL, read_records
from bundle.stage import Progress, StageResult, announce
from bundle.template import PromptTemplate
from trainer.arguments import make_budget
from trainer.checkpoints import Checkpoint, Sealing, latest_checkpoint, remove_others
from trainer.curve import curve
from trainer.device import base_dtype, check_device, device_name
from trainer.dpo import PreferenceTrainer, dpo_arguments
from trainer.interruption import Interruption
from trainer.log import EVENTS, LOG, TrainingLog
from trainer.memory import until_it_fits
from trainer.model import load_base
from trainer.pairs import Pairs, as_dataset, as_examples, make_pairs
from trainer.preference_recipe import PreferenceRecipe
from trainer.preference_summary import PreferenceSummary
from trainer.preflight import check_texts
from trainer.preview import preview, wants_colours
from trainer.settings import TrainerSettings
from trainer.sft import LossNotFinite
from trainer.stage import quieten
from trainer.summary import peak_memory_mb

ADAPTER = "default"
"""PEFT's name of the adapter that is trained; TRL adds the frozen copy of it as `ref`."""


@dataclass(frozen=True)
class _Inputs:
    """What is trained on what."""

    base: Path
    adapter: Path
    device: str
    tokenizer: Any
    pairs: Pairs


@dataclass(frozen=True)
class _Trained:
    """A run at its end."""

    trainer: PreferenceTrainer
    log: TrainingLog
    resumed: Checkpoint | None
    seconds: float
    after: dict[str, float]
    """What TRL measured on the held-out pairs."""


def run(
    recipe: PreferenceRecipe,
    base: Path,
    adapter: Path,
    dataset: Path,
    preferences: Path,
    out: Path,
    progress: Progress,
    checkpoints: Path | None = None,
    settings: TrainerSettings | None = None,
) -> StageResult:
    """Train the adapter in the folder `adapter` on the pairs of the file `preferences`, into the empty folder `out`.

    The prompt template is the adapter's own. Verdicts on held-out records of the `dataset` are left out. `checkpoints`
    is a folder that outlives a run that doesn't come to its end; None keeps nothing. Of the `settings` only what may be
    left out counts.

    Raises:
        RecipeError: the recipe can't be run here, or the loss stopped being finite.
        DatasetError: a line of the preferences is damaged, or too few are left to learn from.
        TemplateError: what would be trained isn't what the appliance sends.
        BaseModelError: the base can't be loaded.
        Interrupted: Ctrl+C; the run is saved in `checkpoints`.
    """
    quieten()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError("preference training runs in one process; run the same command without the launcher")
    settings = settings or TrainerSettings()
    device = device_name()
    check_device(recipe, device)
    template = PromptTemplate.model_validate_json((adapter / "template.json").read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    questions = [record.question for record in read_records(dataset / EVAL)]
    pairs = make_pairs(read_preferences(preferences), questions, template, tokenizer, recipe.sequence_length)
    notes = pairs.check(preferences, recipe.sequence_length, settings.allow_too_long)
    train, held_out = as_examples(pairs.train), as_examples(pairs.held_out)
    check_texts(train, held_out, template, tokenizer, preferences, recipe.sequence_length, settings.allow_too_long)
    notes += _other_base(adapter, recipe)
    shown = preview(train.examples[::2], tokenizer, colours=wants_colours(sys.stderr))
    announce("\n".join([*notes, "Of each pair, the answer that is to become the likelier one:", shown]))

    folder = checkpoints or out / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    inputs = _Inputs(base, adapter, device, tokenizer, pairs)
    try:
        recipe, trained = until_it_fits(recipe, lambda one: _train(one, inputs, folder, progress), announce)
    except LossNotFinite as error:
        lines = [
            pair.line for pair in pairs.train if any(row[: len(ids)] == ids for row in error.rows for ids in pair.rows)
        ]
        advice = "lower learning_rate or beta, or train in float32 or bfloat16; if it stays, look at the batch's pairs"
        raise RecipeError(f"{error}; {advice}: {preferences}, line {', '.join(map(str, sorted(lines)))}") from None

    summary = _summary(recipe, inputs, trained)
    trained.trainer.model.save_pretrained(out, selected_adapters=[ADAPTER])
    (out / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    write_json(out / "recipe.json", recipe.model_dump(mode="json"))
    write_text(out / "template.json", template.model_dump_json(indent=2) + "\n")
    write_text(
        out / "margin.svg", curve(trained.log.margins, trained.log.held_out_margins, "reward margin", "nats x beta")
    )
    summary.write(out / "summary.json")
    shutil.copy2(folder / LOG, out / LOG)
    if (folder / EVENTS).is_dir():
        shutil.copytree(folder / EVENTS, out / EVENTS)
    if checkpoints is None:
        shutil.rmtree(folder)
    return summary.result(recipe, notes)


def _train(recipe: PreferenceRecipe, inputs: _Inputs, folder: Path, progress: Progress) -> _Trained:
    """Train to the end, from the last checkpoint in `folder` where there is one."""
    set_seed(recipe.seed)
    budget = make_budget(recipe, len(inputs.pairs.train))
    dtype = base_dtype(recipe, inputs.device)
    resumed = latest_checkpoint(folder, budget.max_steps)
    budget.spent = resumed.seconds if resumed else 0.0
    options = dpo_arguments(recipe, budget, folder, dtype, inputs.device)
    options.eval_on_start = resumed is None

    log = TrainingLog(folder, budget, progress, resumed.step if resumed else None)
    interruption = Interruption(processes=1)
    progress("loading the base model and the adapter")
    trainer = PreferenceTrainer(
        model=load_adapted(inputs.base, inputs.adapter, recipe, dtype, inputs.device),
        args=options,
        train_dataset=as_dataset(inputs.pairs.train),
        eval_dataset=as_dataset(inputs.pairs.held_out),
        processing_class=inputs.tokenizer,
        callbacks=[log, Sealing(budget), interruption],
        budget=budget,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.check_batch()
    remove_others(folder, resumed)
    log.open()
    try:
        progress(f"going on from step {resumed.step}" if resumed else "held-out reward margin before")
        with interruption.watched():
            trainer.train(resume_from_checkpoint=str(resumed.folder) if resumed else None)
        seconds = budget.elapsed
        progress("held-out reward margin after")
        after = trainer.evaluate()
    finally:
        log.close()
    return _Trained(trainer, log, resumed, seconds, after)


def load_adapted(base: Path, adapter: Path, recipe: PreferenceRecipe, dtype: Any, device: str) -> PeftModel:
    """The base with its trained adapter on it, which goes on being trained.

    Raises:
        BaseModelError: the base can't be loaded.
        RecipeError: the adapter doesn't fit it.
    """
    loaded = load_base(base, recipe, dtype, device)
    try:
        return PeftModel.from_pretrained(loaded, adapter, adapter_name=ADAPTER, is_trainable=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = next((line for line in lines if "mismatch" in line), lines[0])  # below torch's headline
    raise RecipeError(f"{adapter}: can't be put onto its base ({said}); run `boffin build --force train`")


def _other_base(adapter: Path, recipe: PreferenceRecipe) -> list[str]:
    """A note where the adapter was trained on the base in another number of bits."""
    before = json.loads((adapter / "recipe.json").read_text(encoding="utf-8")).get("quantise_base", "none")
    if before == recipe.quantise_base:
        return []
    return [
        f"The adapter was trained with quantise_base = {before!r} and goes on with {recipe.quantise_base!r}: the same "
        "value in both recipes is nearer to what was trained"
    ]


def _summary(recipe: PreferenceRecipe, inputs: _Inputs, trained: _Trained) -> PreferenceSummary:
    trainer, log, pairs = trained.trainer, trained.log, inputs.pairs
    parameters, every = trainer.model.get_nb_trainable_parameters()
    return PreferenceSummary(
        device=inputs.device,
        dtype=str(base_dtype(recipe, inputs.device)).removeprefix("torch."),
        steps=trainer.state.global_step,
        went_on_from=trained.resumed.step if trained.resumed else None,
        stopped_by=log.stopped_by,
        pairs_available=len(pairs.train),
        pairs_seen=min(
            trainer.state.global_step * recipe.batch_size * recipe.gradient_accumulation,
            round(len(pairs.train) * recipe.epochs),
        ),
        pairs_held_out=len(pairs.held_out),
        pairs_leaked=pairs.leaked,
        pairs_same=pairs.same,
        pairs_too_long=pairs.too_long,
        tokens_seen=int(trainer.state.num_input_tokens_seen),
        seconds=trained.seconds,
        peak_memory_mb=peak_memory_mb(inputs.device),
        trained_parameters=parameters,
        trained_share=parameters / (every - parameters),  # the frozen copy is as large, and isn't part of the model
        loss_first=log.losses[0][1] if log.losses else None,
        loss_last=log.losses[-1][1] if log.losses else None,
        held_out_loss_before=log.held_out[0][1],
        held_out_loss_after=float(trained.after["eval_loss"]),
        reward_margin_before=log.held_out_margins[0][1],
        reward_margin_after=float(trained.after["eval_rewards/margins"]),
        reward_accuracy_after=float(trained.after["eval_rewards/accuracies"]),
    )
