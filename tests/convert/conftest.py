"""A tiny Llama with the pocket model's real tokenizer, an adapter for it, a dataset, and the bundle made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from bundle.manifest import MANIFEST
from bundle.records import Provenance, Record, write_records
from bundle.stage import StageResult
from bundle.template import PromptTemplate
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
