"""Recipes: how to train, as data.

A recipe is a TOML file; the ones that ship lie in `trainer/recipes/`, each with the command that runs it in its
header. A user's own recipe names the one it inherits from and gives only what it changes. Knows nothing about torch.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from bundle.errors import RecipeError
from bundle.settings import SettingsPart
from trainer.settings import TrainerSettings

SHIPPED = Path(__file__).parent / "recipes"
DPO = "dpo"
"""The `method` of a recipe that learns from preferences; one without a `method` learns from records."""
FITTED = frozenset(
    {
        "model",
        "revision",
        "dtype",
        "quantise_base",
        "batch_size",
        "gradient_accumulation",
        "sequence_length",
        "optimiser",
        "gradient_checkpointing",
    }
)
"""What a recipe for preferences takes over from one for records: what fits the model and the machine."""

_Kind = TypeVar("_Kind", bound="RunRecipe")


class RunRecipe(SettingsPart):
    """The values of every training run, whatever it learns from."""

    description: str
    """What the recipe is for, in one line."""
    model: str = ""
    """The hub model that the recipe was written for; the one that is really trained is `project.base`."""
    revision: str = ""
    """That model's hub commit; the one that is really fetched is `project.revision`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the base model; `auto`: bfloat16 where the device has it, float16 on other cards, or float32."""
    quantise_base: Literal["none", "nf4"] = "none"
    """`nf4` holds the frozen base in 4 bits, with double quantisation (QLoRA, Dettmers et al. 2023)."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after the warm-up, over the steps or the time budget, whichever is used up first."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps in which the learning rate rises to its peak."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimiser steps; empty for as many as `epochs` gives."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the records, if neither steps nor time stop the run before."""
    time_budget: float | None = Field(default=None, gt=0)
    """Stop after so many seconds of training."""
    batch_size: int = Field(default=4, ge=1)
    """Records a forward pass."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Forward passes an optimiser step."""
    sequence_length: int = Field(default=2048, ge=16)
    """Longest prompt plus answer, in tokens; a longer record is left out, since an answer cut short never ends."""
    optimiser: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit"] = "adamw_torch"
    """AdamW, fused or with 8-bit states (bitsandbytes)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's weight decay."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""
    gradient_checkpointing: bool = False
    """Trades time for memory: activations are computed again in the backward pass."""
    evaluation_steps: int = Field(default=0, ge=0)
    """Optimiser steps between two measurements on what is held out; 0: only before and after training."""
    checkpoint_steps: int = Field(default=0, ge=0)
    """Optimiser steps between two checkpoints, from which a run that was killed goes on; 0 for none."""
    logging_steps: int = Field(default=1, ge=1)
    """Optimiser steps between two lines of the log."""
    seed: int = Field(default=0, ge=0)
    """Seed of the records' order and of the adapter's first values."""


class Recipe(RunRecipe):
    """Every value of a run that learns from records."""

    rank: int = Field(default=16, ge=1)
    """Rank of the LoRA matrices (Hu et al. 2021)."""
    alpha: float = Field(default=16, gt=0)
    """LoRA's scale is alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout before the LoRA matrices."""
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the linear layers that get an adapter."""
    dora: bool = False
    """DoRA: the adapted weights' lengths are trained apart from their directions (Liu et al. 2024); slower."""
    rslora: bool = False
    """rsLoRA: LoRA's scale is alpha / √rank, so that a high rank still learns (Kalajdzievski 2023)."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Peak learning rate."""
    lora_plus_ratio: float = Field(default=1.0, ge=1)
    """LoRA+: the B matrices learn at so many times the rate (Hayou et al. 2024, who take 16); 1 for plain LoRA."""
    neftune_alpha: float = Field(default=0.0, ge=0)
    """NEFTune: strength of the noise on the embeddings while training (Jain et al. 2023, who take 5); 0 for none."""
    group_by_length: bool = True
    """Records of like length share a batch, so that little of it is padding; the batches' order stays random."""
    packing: bool = False
    """Rows of at most `sequence_length` hold several records, blind to each other; `batch_size` then counts rows."""
    held_out_records: int = Field(default=32, ge=0)
    """Held-out records whose loss is measured before and after training, and every `evaluation_steps`."""
    early_stopping: int = Field(default=0, ge=0)
    """Stop after so many measurements in a row without a lower held-out loss; 0: never."""
    keep_best: bool = False
    """The adapter is that of the checkpoint with the lowest held-out loss, instead of the last step's."""

    @model_validator(mode="after")
    def _what_needs_what(self) -> Self:
        measured = self.evaluation_steps and self.held_out_records
        if (self.early_stopping or self.keep_best) and not measured:
            raise ValueError("early_stopping and keep_best need evaluation_steps and held_out_records above 0")
        if self.keep_best and (not self.checkpoint_steps or self.checkpoint_steps % self.evaluation_steps):
            raise ValueError("keep_best needs checkpoint_steps, a multiple of evaluation_steps")
        return self


def load_recipe(settings: TrainerSettings, project: Path | None = None) -> Recipe:
    """The recipe of a project, with what the project changes in it.

    `settings.recipe` is a shipped recipe's name or a file, relative to the folder `project`.

    Raises:
        RecipeError: there is no such recipe, or a value in it can't be used; one line names the file and the key.
    """
    read = read_recipe(settings.recipe, project or Path.cwd())
    if read.method == DPO:
        raise RecipeError(
            f"trainer.recipe: {settings.recipe} learns from preferences; name it in `trainer.preference_recipe`, or "
            f"run `boffin train --recipe {settings.recipe}`"
        )
    changed = {name: getattr(settings, name) for name in ("max_steps", "time_budget", "seed")}
    return read.validated(Recipe, {name: value for name, value in changed.items() if value is not None})


@dataclass(frozen=True)
class RecipeFile:
    """What a recipe file says, with what it inherits."""

    path: Path
    method: str
    """`sft`, or `dpo` where the file or one that it inherits from says so."""
    values: Mapping[str, Any]

    def validated(self, kind: type[_Kind], changed: Mapping[str, Any]) -> _Kind:
        """The recipe, with values that a project changes in it.

        Raises:
            RecipeError: a value can't be used; one line names the file and the key.
        """
        try:
            return kind.model_validate({**self.values, **changed})
        except ValidationError as error:
            first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, kind.model_fields, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else "; see the shipped recipes"
            raise RecipeError(f"{self.path}: a recipe{self._for()} has no `{key}`{hint}")
        said = first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{self.path}: `{key}`: {said}" if key else f"{self.path}: {said}")

    def _for(self) -> str:
        return " for preferences" if self.method == DPO else ""


def read_recipe(name: str, project: Path, setting: str = "trainer.recipe") -> RecipeFile:
    """Read a shipped recipe by its name, or a file relative to the folder `project`; `setting` is what named it.

    Raises:
        RecipeError: there is no such recipe, or it isn't TOML.
    """
    path = _find(name, project, setting)
    values = _inherit(path, ())
    method = values.pop("method", "sft")
    if method not in ("sft", DPO):
        raise RecipeError(f"{path}: `method`: {method!r} is neither 'sft' nor '{DPO}'")
    return RecipeFile(path, method, values)


def _find(name: str, project: Path, setting: str) -> Path:
    if name.endswith(".toml"):
        path = project / name
        if not path.is_file():
            raise RecipeError(f"{path}: no such recipe file; set `{setting}` to a file or a shipped recipe's name")
        return path
    shipped = sorted(path.stem for path in SHIPPED.glob("*.toml"))
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the shipped ones are {', '.join(shipped)}"
        raise RecipeError(f"{setting}: no recipe is called {name!r}; {hint}")
    return SHIPPED / f"{name}.toml"


def _inherit(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The values of a recipe file over those of the recipe that it inherits from."""
    if path in seen:
        raise RecipeError(f"{path}: inherits from itself; remove the `inherits` line of one of the files")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    parent = values.pop("inherits", None)
    if parent is None:
        return values
    inherited = _inherit(_find(str(parent), path.parent, f"{path}: inherits"), (*seen, path))
    if values.get("method") == DPO != inherited.get("method"):
        inherited = {name: value for name, value in inherited.items() if name in FITTED}
    return inherited | values
