"""Training that goes on from the last adapter: what is new to it, and which old records are replayed beside that.

A record is new if the digest of its texts isn't among those that the adapter was trained on; a corrected record is new,
and its old text is gone. Old records are drawn from the new dataset alone, so that what was removed is never replayed.
Replay keeps a model from forgetting (Rolnick et al. 2019; for language models with the learning rate warmed up and let
fall again, as here: Ibrahim et al. 2024). Knows nothing about weights, and imports no torch.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bundle.digests import digest_value
from bundle.errors import DatasetError, RecipeError
from bundle.template import PromptTemplate
from trainer.encoding import Example
from trainer.lineage import SCRATCH, Lineage, fingerprint, load_lineage
from trainer.recipe import Recipe

WARMUP_SHARE = 0.1
"""Largest share of a continuing run's steps in which the learning rate rises: a recipe's warm-up is for a long run."""
_SAME = ("rank", "alpha", "target_modules", "dora", "rslora")
"""Values of a recipe that say what an adapter's weights mean."""


@dataclass(frozen=True)
class Changes:
    """A dataset's training records against what an adapter was trained on, as sets of digests."""

    new: frozenset[str]
    old: frozenset[str]
    """Records that are still there."""
    removed: frozenset[str]
    """Digests of records that are gone, or whose text is another one now."""

    def __str__(self) -> str:
        return f"{len(self.new):,} new records, {len(self.old):,} old ones, {len(self.removed):,} gone"


@dataclass(frozen=True)
class Chosen:
    """What a continuing run trains on."""

    examples: list[Example]
    new: int
    """How many of them are new."""
    old: int
    """How many old ones there were to draw the others from."""

    def __str__(self) -> str:
        replayed = len(self.examples) - self.new
        return f"{self.new:,} new records and {replayed:,} of {self.old:,} old ones"


def compare(lineage: Lineage, digests: Iterable[str]) -> Changes:
    """What has changed since an adapter was trained; `digests` are those of the dataset's training records."""
    now, then = frozenset(digests), frozenset(lineage.records)
    return Changes(new=now - then, old=now & then, removed=then - now)


def choose(examples: Iterable[Example], digests: list[str], lineage: Lineage, replay: float, seed: int) -> Chosen:
    """Of the examples that fit, the new ones and a draw of the old ones, in the dataset's order.

    `digests` are the records' by their lines, `replay` is how many old ones are drawn for each new one. The draw
    depends on the seed and on what is new, and not on the records' order.

    Raises:
        DatasetError: none of them is new.
    """
    fitting = {digests[example.line - 1]: example for example in examples}
    changes = compare(lineage, fitting)
    if not changes.new:
        raise DatasetError("no record is new to the adapter (or none that fits its sequence_length): nothing to train")
    pool = sorted(changes.old)
    drawn = random.Random(f"{seed} {digest_value(sorted(changes.new))}").sample(
        pool, min(len(pool), round(replay * len(changes.new)))
    )
    chosen = changes.new.union(drawn)
    return Chosen([one for digest, one in fitting.items() if digest in chosen], len(changes.new), len(pool))


def check_adapter(adapter: Path, base: Path, recipe: Recipe, template: PromptTemplate) -> Lineage:
    """Check that training can go on from an adapter, with this base, recipe and template; returns its lineage.

    Raises:
        RecipeError: the adapter is of another base, shape or template, or doesn't tell what it was trained on.
        BaseModelError: the base's weights can't be read.
    """
    lineage = load_lineage(adapter)
    try:
        before = Recipe.model_validate(json.loads((adapter / "recipe.json").read_bytes()))
        rendered = PromptTemplate.model_validate_json((adapter / "template.json").read_bytes())
    except (OSError, ValueError):
        raise RecipeError(f"{adapter}: its recipe.json or template.json is missing or damaged; {SCRATCH}") from None
    for name in _SAME:
        then, now = getattr(before, name), getattr(recipe, name)
        if _unordered(then) != _unordered(now):
            raise RecipeError(
                f"{adapter}: trained with {name} = {_shown(then)}, and the recipe has {_shown(now)} now; "
                f"set it back, or {SCRATCH}"
            )
    if lineage.base != fingerprint(base):
        raise RecipeError(
            f"{adapter}: trained on another base model than {base}; set `project.base` back, or {SCRATCH}"
        )
    if rendered.digest != template.digest:
        raise RecipeError(
            f"{adapter}: trained with another prompt template; set `project.system_prompt` back, or {SCRATCH}"
        )
    return lineage


def _unordered(value: object) -> object:
    return frozenset(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)
