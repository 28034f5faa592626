"""Every shipped recipe takes real steps on a stand-in of its model; every option of LoRA reaches the library."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedConfig, Qwen2Config

from bundle.errors import RecipeError
from bundle.preferences import Preference
from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from bundle.stage import silent
from trainer.arguments import arguments, make_budget
from trainer.base import base_template
from trainer.device import check_device
from trainer.model import load_base, lora
from trainer.preference_recipe import load_preference_recipe
from trainer.preference_stage import run as prefer
from trainer.recipe import SHIPPED, Recipe, load_recipe
from trainer.settings import TrainerSettings
from trainer.sft import BudgetTrainer
from trainer.stage import run

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml") if not path.stem.endswith("-dpo"))
PREFERRING = sorted(path.stem for path in SHIPPED.glob("*-dpo.toml"))
SIZES: dict[str, Any] = {
    "vocab_size": 49152,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
STAND_INS: dict[str, PreTrainedConfig] = {
    "meta-llama/Meta-Llama-3-8B": LlamaConfig(**SIZES, tie_word_embeddings=False),
    "meta-llama/Llama-3.2-3B-Instruct": LlamaConfig(**SIZES, tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE),
    "Qwen/Qwen2.5-Coder-1.5B-Instruct": Qwen2Config(**SIZES, tie_word_embeddings=True),
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "HuggingFaceTB/SmolLM2-135M-Instruct": LlamaConfig(**SIZES, tie_word_embeddings=True),
}
"""The shipped recipes' models, in their own architecture and far smaller."""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory, tokenizer_files: list[Path]) -> Callable[[str], Path]:
    """The folder of a model's stand-in."""

    def make(model: str) -> Path:
        folder = tmp_path_factory.mktemp("stand-in")
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(STAND_INS[model]).save_pretrained(folder)
        for file in tokenizer_files:
            (folder / file.name).write_bytes(file.read_bytes())
        return folder

    return make


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    origin = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")
    records = [
        Record(instruction=f"How are {n} numbers summed?", output=f"With `np.sum`, {n} at once.", provenance=origin)
        for n in range(34)
    ]
    write_records(folder / TRAIN, records[:32])
    write_records(folder / EVAL, records[32:])
    return folder


def two_steps(recipe: Recipe, base: Path, dataset: Path, out: Path) -> list[float]:
    """Train for two steps; the losses."""
    out.mkdir()
    run(recipe, base, dataset, base_template(base, "Be brief."), out, silent)
    assert json.loads((out / "summary.json").read_text())["steps"] == 2
    entries = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    return [entry["loss"] for entry in entries if "loss" in entry]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_takes_two_steps(
    name: str, stand_in: Callable[[str], Path], dataset: Path, tmp_path: Path
) -> None:
    shipped = load_recipe(TrainerSettings(recipe=name))
    recipe = shipped.model_copy(
        update={"max_steps": 2, "gradient_accumulation": 2, "sequence_length": 128, "logging_steps": 1}
    )
    base = stand_in(shipped.model)
    losses = two_steps(recipe, base, dataset, tmp_path / "adapter")
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")
    config = adapted.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (recipe.rank, recipe.alpha, recipe.dropout)
    modules = {name.rsplit(".", 1)[-1] for name, module in adapted.named_modules() if hasattr(module, "lora_A")}
    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    every = attention | {"gate_proj", "up_proj", "down_proj"}
    assert modules == (every if recipe.target_modules == "all-linear" else set(recipe.target_modules))
    moved = [value for key, value in adapted.named_parameters() if "lora_B" in key]
    assert moved and all(value.abs().max() > 0 for value in moved)


@pytest.mark.parametrize("name", PREFERRING)
def test_a_shipped_recipe_for_preferences_takes_two_steps(
    name: str, stand_in: Callable[[str], Path], dataset: Path, tmp_path: Path
) -> None:
    shipped = load_preference_recipe(TrainerSettings(preference_recipe=name))
    base, adapter, out = stand_in(shipped.model), tmp_path / "adapter", tmp_path / "preferred"
    out.mkdir()
    two_steps(OPTIONS.model_copy(update={"quantise_base": shipped.quantise_base}), base, dataset, adapter)
    votes = [Preference(prompt=f"What is {n} + 1?", chosen=f"It is {n + 1}.", rejected="No idea.") for n in range(20)]
    file = tmp_path / "preferences.jsonl"
    file.write_text("".join(vote.model_dump_json(exclude_defaults=True) + "\n" for vote in votes))
    recipe = shipped.model_copy(update={"max_steps": 2, "gradient_accumulation": 2, "sequence_length": 128})
    prefer(recipe, base, adapter, dataset, file, out, silent)
    entries = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, out))
    assert before.keys() == after.keys() and any(not torch.equal(before[key], after[key]) for key in before)
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out)


def test_the_reference_run_is_exact() -> None:
    recipe = load_recipe(TrainerSettings(recipe="llama3-8b-qlora"))
    config = lora(recipe)
    assert (config.r, config.lora_alpha, config.lora_dropout, config.bias) == (16, 16, 0.05, "none")
    assert set(config.target_modules) == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert not (config.use_dora or config.use_rslora or recipe.packing or recipe.neftune_alpha or recipe.keep_best)
    budget = make_budget(recipe, 5_000)
    assert (budget.max_steps, budget.warmup_steps, budget.schedule) == (1000, 100, "linear")
    given = arguments(recipe, budget, Path("out"), torch.float32, "cpu")
    assert (given.per_device_train_batch_size, given.gradient_accumulation_steps) == (4, 4)
    assert (given.learning_rate, given.optim, given.gradient_checkpointing) == (2e-4, "adamw_8bit", True)
    assert (recipe.sequence_length, recipe.quantise_base, recipe.dtype) == (2048, "nf4", "auto")


OPTIONS = Recipe(description="test", batch_size=4, max_steps=2, learning_rate=1e-2, held_out_records=0, seed=3)


@pytest.fixture(scope="module")
def plain(
    stand_in: Callable[[str], Path], dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[float]]:
    """A base, and the losses of two steps without any option."""
    base = stand_in("HuggingFaceTB/SmolLM2-135M-Instruct")
    return base, two_steps(OPTIONS, base, dataset, tmp_path_factory.mktemp("plain") / "adapter")


@pytest.mark.parametrize(
    ("option", "written"),
    [
        ({"dora": True}, {"use_dora": True}),
        ({"rslora": True}, {"use_rslora": True}),
        ({"neftune_alpha": 5.0}, {}),
        ({"lora_plus_ratio": 16.0}, {}),
    ],
    ids=["dora", "rslora", "neftune", "lora-plus"],
)
def test_an_option_changes_the_training(
    option: dict[str, object],
    written: dict[str, object],
    plain: tuple[Path, list[float]],
    dataset: Path,
    tmp_path: Path,
) -> None:
    base, without = plain
    losses = two_steps(OPTIONS.model_copy(update=option), base, dataset, tmp_path / "adapter")
    # Noise is there from the first step; the others begin where plain LoRA does, since B is zero.
    assert (losses[0] == pytest.approx(without[0], rel=1e-4)) == ("neftune_alpha" not in option)
    assert losses[1] != pytest.approx(without[1], rel=1e-5)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config | written == config
    with safe_open(tmp_path / "adapter" / "adapter_model.safetensors", "pt") as tensors:
        assert any("lora_magnitude_vector" in key for key in tensors.keys()) == ("dora" in option)  # noqa: SIM118


def trainer_of(recipe: Recipe, base: Path, out: Path, dtype: torch.dtype = torch.float32) -> BudgetTrainer:
    budget = make_budget(recipe, 1)
    return BudgetTrainer(
        model=load_base(base, recipe, dtype, "cpu"),
        args=arguments(recipe, budget, out, dtype, "cpu"),
        train_dataset=Dataset.from_list([{"input_ids": [5, 6, 7], "labels": [-100, 6, 7]}]),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=lora(recipe),
        budget=budget,
        lora_plus_ratio=recipe.lora_plus_ratio,
    )


@pytest.mark.parametrize("optimiser", ["adamw_torch", "adamw_torch_fused", "adamw_8bit"])
def test_lora_plus_has_the_optimiser_and_two_rates(
    optimiser: str, plain: tuple[Path, list[float]], tmp_path: Path
) -> None:
    recipe = OPTIONS.model_copy(update={"optimiser": optimiser, "lora_plus_ratio": 16.0, "weight_decay": 0.1})
    trainer = trainer_of(recipe, plain[0], tmp_path)
    made = trainer.create_optimizer()
    assert isinstance(made, bitsandbytes.optim.AdamW if optimiser == "adamw_8bit" else torch.optim.AdamW)
    rates = {id(value): group["lr"] for group in made.param_groups for value in group["params"]}
    decays = {group["weight_decay"] for group in made.param_groups if group["params"]}
    names = {name: rates[id(value)] for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert len(names) == 28  # A and B of seven projections in two layers
    assert names == pytest.approx({name: 0.16 if "lora_B" in name else 0.01 for name in names})
    assert decays == {0.1}


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_float16_scales_gradients_in_float32(
    dtype: torch.dtype, plain: tuple[Path, list[float]], tmp_path: Path
) -> None:
    recipe = OPTIONS.model_copy(update={"quantise_base": "nf4"})
    model = trainer_of(recipe, plain[0], tmp_path, dtype).model
    kinds = {value.dtype for value in model.parameters() if value.requires_grad}
    assert kinds == {torch.float32 if dtype == torch.float16 else torch.bfloat16}  # the second is TRL's choice


def test_evaluation_and_noise_reach_the_arguments(tmp_path: Path) -> None:
    recipe = OPTIONS.model_copy(update={"evaluation_steps": 7, "held_out_records": 2, "neftune_alpha": 5.0})
    given = arguments(recipe, make_budget(recipe, 8), tmp_path, torch.float32, "cpu")
    assert (str(given.eval_strategy.value), given.eval_steps, given.neftune_noise_alpha) == ("steps", 7, 5.0)
    without = arguments(recipe, make_budget(recipe, 8), tmp_path, torch.float32, "cpu", held_out=False)
    assert without.eval_strategy.value == "no"


@pytest.mark.parametrize(
    ("device", "values", "said"),
    [
        ("mps", {"quantise_base": "nf4"}, "use the recipe mac-mps"),
        ("mps", {"optimiser": "adamw_8bit"}, "use the recipe mac-mps"),
        ("cpu", {"dtype": "float16"}, "float16 needs a GPU"),
    ],
)
def test_what_a_device_has_no_kernels_for_is_refused(device: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        check_device(OPTIONS.model_copy(update=values), device)
    check_device(OPTIONS, device)


def test_eight_bit_adamw_runs_on_the_processor(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(64, 128))
    optimiser = bitsandbytes.optim.AdamW([weight], lr=0.1, optim_bits=8)
    for _ in range(3):
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step()
    assert optimiser.state[weight]["state1"].dtype == torch.uint8
    assert weight.max() < 0.8
