"""`boffin models`: the facts hold together, the memory is reckoned as documented, and the command prints it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boffin.catalogue import KnownBase, find_known, known_bases
from boffin.footprint import adapter_parameters, serving_bytes, training_bytes
from boffin.hardware import Card, Hardware, read_card
from boffin.models import needs_of, show_models
from bundle.errors import SettingsError
from trainer.recipe import SHIPPED, load_recipe, read_recipe
from trainer.settings import TrainerSettings

QLORA = load_recipe(TrainerSettings(recipe="llama3-8b-qlora"))
LORA = load_recipe(TrainerSettings(recipe="llama3.2-3b-lora"))
BASES = {base.name: base for base in known_bases()}
FAMILIES = {"HuggingFaceTB/SmolLM3": "smollm3", "Qwen": "qwen2", "mistralai": "mistral", "google": "gemma3_text"}


def _counted(base: KnownBase) -> int:
    """The parameters that transformers gives a model of that architecture, without any weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    family = next((kind for prefix, kind in FAMILIES.items() if base.hub.startswith(prefix)), "llama")
    text = {
        "vocab_size": base.vocabulary,
        "hidden_size": base.hidden,
        "intermediate_size": base.intermediate,
        "num_hidden_layers": base.layers,
        "num_attention_heads": base.heads,
        "num_key_value_heads": base.kv_heads,
        "head_dim": base.head_size,
        "tie_word_embeddings": base.parameters < 7e9,
    }
    if base.name == "gemma3-4b":  # with its eyes
        vision = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
        vision |= {"image_size": 896, "patch_size": 14, "vision_use_head": False}
        config = AutoConfig.for_model("gemma3", text_config={"model_type": family, **text}, vision_config=vision)
    else:
        config = AutoConfig.for_model(family, **text)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum({id(parameter): parameter.numel() for parameter in model.parameters()}.values())


@pytest.mark.parametrize("name", BASES)
def test_the_architecture_has_the_parameters_that_are_named(name: str) -> None:
    assert _counted(BASES[name]) == BASES[name].parameters


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_every_base_says_where_it_is_from_and_how_to_get_it(base: KnownBase) -> None:
    assert base.source == f"https://huggingface.co/{base.hub}"
    assert re.fullmatch(r"([0-9a-f]{40})?", base.revision)
    assert base.licence and base.why.endswith(".")
    assert bool(base.access) == (base.gated != "no")
    assert base.gated != "yes" or any("HF_TOKEN" in step for step in base.access)


def test_the_recipes_and_templates_name_bases_that_are_known() -> None:
    hubs = {base.hub: base for base in known_bases()}
    for path in SHIPPED.glob("*.toml"):
        values = read_recipe(path.stem, path.parent).values
        if "model" in values:
            assert values.get("revision", "") in ("", hubs[values["model"]].revision), path.stem
    named = re.findall(r'^base = "([^:"]+)"', "".join(path.read_text() for path in _templates()), re.MULTILINE)
    assert len(named) == 2 and set(named) <= hubs.keys()


def _templates() -> list[Path]:
    from boffin.init import TEMPLATES

    return list(TEMPLATES.glob("*.toml"))


def test_the_memory_to_train_is_weights_adapter_and_activations() -> None:
    base = BASES["llama3-8b"]
    adapter = 16 * 32 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
    assert adapter_parameters(base, QLORA) == adapter
    linear = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    weights = linear * 4.127 / 8 + (base.parameters - linear) * 2
    tokens = 4 * 2048
    activations = 34 * tokens * 4096 + 32 * tokens * 4096 * 2
    assert training_bytes(base, QLORA) == pytest.approx(weights + adapter * 10 + activations, abs=1)
    whole = QLORA.model_copy(
        update={"gradient_checkpointing": False, "quantise_base": "none", "optimiser": "adamw_torch"}
    )
    assert training_bytes(base, whole) == base.parameters * 2 + adapter * 16 + 32 * 34 * tokens * 4096
    assert training_bytes(base, LORA, width=4) > 1.5 * training_bytes(base, LORA)


def test_the_memory_to_serve_is_weights_and_cache() -> None:
    base = BASES["llama3.1-8b"]
    cache = 2 * 32 * 8 * 128 * 4096 * 2
    assert serving_bytes(base, "Q8_0") == pytest.approx(7.95 * 2**30 + cache, rel=0.002)  # llama.cpp's own table
    assert serving_bytes(base, "Q4_K_M") == pytest.approx(4.58 * 2**30 + cache, rel=0.002)
    pocket = BASES["smollm2-135m"]
    weights = serving_bytes(pocket, "Q4_K_M", context=0)
    assert weights * 8 / pocket.parameters == pytest.approx(6.17, rel=0.02)  # as llama.cpp really wrote it


def test_what_fits_depends_on_the_machine() -> None:
    base = BASES["llama3-8b"]
    recipes = {"QLoRA": QLORA, "LoRA": LORA}

    def fits(hardware: Hardware) -> tuple[str, ...]:
        return needs_of(base, recipes, hardware).fits

    small = Hardware(8_000_000_000)
    assert fits(small) == ("Q4_K_M",)
    card = Hardware(8_000_000_000, cards=(Card("A", 24 << 30), Card("B", 12 << 30)))
    assert fits(card) == ("QLoRA", "LoRA", "Q4_K_M", "Q8_0")
    assert fits(Hardware(64_000_000_000, metal=True)) == ("LoRA", "Q4_K_M", "Q8_0")  # no NF4 on Metal
    unknown = Hardware(64_000_000_000, cards=(Card("Unified", 0),))
    assert "QLoRA" in fits(unknown) and unknown.training_room == 64_000_000_000


@pytest.mark.parametrize(
    ("line", "card"),
    [
        ("NVIDIA A10G, 23028", Card("NVIDIA A10G", 23028 << 20)),
        ("NVIDIA GB10, [N/A]", Card("NVIDIA GB10", 0)),
    ],
)
def test_a_line_of_the_driver(line: str, card: Card) -> None:
    assert read_card(line) == card


def test_the_table_has_a_line_a_base(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("", as_json=False)
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line and line.split()[0] in BASES}
    assert rows.keys() == BASES.keys()
    assert re.search(r"494 M +Apache-2.0 +no +\d+\.\d", rows["qwen2.5-coder-0.5b"])
    assert max(map(len, rows.values())) <= 80


def test_one_in_full_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("META-LLAMA/llama-3.2-1b-instruct", as_json=False)
    said = capsys.readouterr().out
    assert "1. Log in at huggingface.co" in said and "set HF_TOKEN" in said
    assert 'base = "meta-llama/Llama-3.2-1B-Instruct"' in said
    assert f'revision = "{BASES["llama3.2-1b"].revision}"' in said


def test_json_is_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("", as_json=True)
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(BASES)
    show_models("smollm3-3b", as_json=True)
    one = json.loads(capsys.readouterr().out)
    assert one["train_bytes"]["QLoRA"] < one["train_bytes"]["LoRA"] and one["access"] == []


def test_a_name_that_is_none() -> None:
    with pytest.raises(SettingsError, match=r"'gemma3-4'; did you mean gemma3-4b\?"):
        find_known("gemma3-4")


def test_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['boffin', 'models', '--json']\n"
        "from boffin.cli import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.partition("LOADED")[2].split())
    assert "boffin.models" in loaded
    assert not loaded & {"torch", "transformers", "peft", "llama_cpp", "huggingface_hub", "textual"}
