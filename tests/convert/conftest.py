"""A tiny Llama with the pocket model's real tokenizer, an adapter for it, a dataset, and the bundle made of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, LlamaForCausalLM

from bundle.documentation import write_index
from bundle.manifest import MANIFEST
from bundle.passages import DOCUMENTATION, Passage
from bundle.records import Provenance, Record, write_records
from bundle.stage import StageResult, silent
from bundle.template import PromptTemplate
from convert.checkpoint import dress
from convert.gguf import convert_to_gguf
from convert.merge import merge
from convert.passages import Passage as Measured
from convert.passages import draw
from convert.settings import ConvertSettings
from convert.stage import run
from trainer.base import base_template


def save_adapter(model: LlamaForCausalLM, folder: Path, targets: list[str]) -> None:
    """Save a LoRA adapter whose effect is not zero."""
    torch.manual_seed(2)
    wrapped = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name or "lora_embedding_A" in name:  # the halves that PEFT begins with zeros
            torch.nn.init.normal_(parameter, std=0.3)
    wrapped.save_pretrained(folder)


@pytest.fixture(scope="session")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture(scope="session")
def template(base: Path) -> PromptTemplate:
    return base_template(base, "Answer with code.")


@pytest.fixture(scope="session")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(LlamaForCausalLM.from_pretrained(base), folder, ["q_proj", "v_proj", "down_proj"])
    return folder


def record(question: str, answer: str, package: str = "numpy", licence: str = "BSD-3-Clause") -> Record:
    provenance = Provenance(
        source="package", package=package, version="1", symbol=f"{package}.f", kind="usage", licence=licence
    )
    return Record(instruction=question, output=answer, provenance=provenance)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_records(folder / "train.jsonl", [record("q", "a"), record("q2", "a", "requests", "Apache-2.0")])
    write_records(
        folder / "eval.jsonl", [record("How do I take a norm? 🙂", "```python\nnp.linalg.norm([3, 4])\n# 5.0\n```")]
    )
    (folder / "symbols.json").write_text('{"packages": {}}')
    passage = Passage(symbol="numpy.f", title="numpy.f", kind="function", summary="F.", package="numpy", version="1")
    write_index(folder / DOCUMENTATION, [passage])
    return folder


@dataclass
class Made:
    """A bundle as the stage made it, and what a reader would have seen meanwhile."""

    folder: Path
    result: StageResult
    seen: list[tuple[str, bool]] = field(default_factory=list)
    """Each message of progress, and whether the bundle counted as complete at that moment."""


@pytest.fixture(scope="session")
def made(
    base: Path, adapter: Path, template: PromptTemplate, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    out = tmp_path_factory.mktemp("bundle")
    seen: list[tuple[str, bool]] = []

    def watch(what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        seen.append((what, (out / MANIFEST).exists()))

    settings = ConvertSettings(quantisations=("q8_0", "F16", "Q4_0", "Q8_0"))
    result = run(settings, "tiny", "org/tiny", "abc", base, adapter, template, dataset, out, watch)
    return Made(out, result, seen)


ANSWERS = {
    "How do I sort?": "Use `sorted(x)`.",
    "How do I sum?": "Use `sum(x)`.",
    "How do I count?": "Call `len(x)`.",
    "How do I reverse?": "Use `reversed(x)`.",
}
"""What the tiny model is really trained on."""


@dataclass
class Trained:
    """A tiny model that learned a few answers by heart, as the stage gets it, and its unquantised GGUF file."""

    base: Path
    adapter: Path
    template: PromptTemplate
    tokenizer: Any
    passages: list[Measured]
    dataset: Path
    file: Path
    """The base with its adapter merged in."""
    base_file: Path
    """The base alone."""


@pytest.fixture(scope="session")
def trained(
    make_base: Callable[..., Path], template: PromptTemplate, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    folder, base = tmp_path_factory.mktemp("trained"), make_base()
    model = LlamaForCausalLM.from_pretrained(base)
    torch.manual_seed(3)
    with torch.no_grad():  # the end of turn is the padding token too, and begins with zeros: it could never be likely
        model.get_input_embeddings().weight[2].normal_(std=0.3)
    model.save_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    records = [record(question, answer) for question, answer in ANSWERS.items()]
    passages = draw(records, len(records), template, tokenizer)
    (folder / "dataset").mkdir()
    write_records(folder / "dataset" / "train.jsonl", records)
    write_records(folder / "dataset" / "eval.jsonl", records)
    (folder / "dataset" / "symbols.json").write_text('{"packages": {}}')
    _train(base, passages, folder / "adapter")
    files = []
    for name, adapter in (("merged", folder / "adapter"), ("base", None)):
        (folder / name).mkdir()
        if adapter:
            merge(base, adapter, folder / name, "float16")
        dress(folder / name, base, template, "apache-2.0")
        files.append(folder / f"{name}.gguf")
        convert_to_gguf(folder / name, files[-1], "float16", "tiny", "org/tiny", silent)
    return Trained(base, folder / "adapter", template, tokenizer, passages, folder / "dataset", *files)


def _train(base: Path, passages: list[Measured], out: Path) -> None:
    torch.manual_seed(3)
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(base), LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    )
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-2, weight_decay=0)
    for _ in range(100):
        worst = 0.0
        for passage in passages:
            kept = len(passage.targets) + 1
            logits = model(input_ids=torch.tensor([passage.tokens]), logits_to_keep=kept).logits[0, :-1]
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(passage.targets), reduction="none")
            loss.mean().backward()
            worst = max(worst, float(loss.detach().max()))
        if worst < 0.5:
            break
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(out)


@pytest.fixture
def planted(tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of a GGUF file and changes it in place."""

    def plant(file: Path, change: Callable[[gguf.GGUFReader], object]) -> Path:
        copy = tmp_path / "planted.gguf"
        shutil.copyfile(file, copy)
        reader = gguf.GGUFReader(copy, "r+")
        change(reader)
        reader.data.flush()
        return copy

    return plant
