"""`boffin models`: the bases that Boffin knows, what they take to train and to serve, and what fits this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boffin.catalogue import KnownBase, find_known, known_bases
from boffin.footprint import CONTEXT, serving_bytes, training_bytes
from boffin.hardware import Hardware, find_hardware
from trainer.recipe import Recipe, load_recipe
from trainer.settings import TrainerSettings

QLORA, LORA = "llama3-8b-qlora", "llama3.2-3b-lora"
"""The shipped recipes whose batch, length, rank and optimiser the memory to train is reckoned with."""
QUANTISATIONS = ("Q4_K_M", "Q8_0")
USABLE = 0.9
"""Share of the memory that is reckoned with; the rest is the libraries' and what the allocator can't use again."""


@dataclass(frozen=True)
class Needs:
    """What a base needs, in bytes, and what of it this machine has."""

    base: KnownBase
    train: dict[str, int]
    """QLoRA and LoRA → bytes, in 16 bits."""
    serve: dict[str, int]
    """Quantisation → bytes."""
    fits: tuple[str, ...]
    """Which of all these fit."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        facts = self.base.model_dump(mode="json") | {"access": list(self.base.access)}
        return facts | {"train_bytes": self.train, "serve_bytes": self.serve, "fits": list(self.fits)}


def show_models(name: str, as_json: bool) -> None:
    """Print all bases, or the one of a name in full; as JSON a list of objects, or one object.

    Raises:
        SettingsError: no base is called so.
    """
    hardware = find_hardware()
    recipes = {"QLoRA": _recipe(QLORA), "LoRA": _recipe(LORA)}
    if name:
        needs = needs_of(find_known(name), recipes, hardware)
        if as_json:
            typer.echo(json.dumps(needs.as_json(), indent=2))
        else:
            _print_one(needs, hardware)
        return
    found = [needs_of(base, recipes, hardware) for base in known_bases()]
    if as_json:
        typer.echo(json.dumps([needs.as_json() for needs in found], indent=2))
    else:
        _print_all(found, recipes, hardware)


def needs_of(base: KnownBase, recipes: dict[str, Recipe], hardware: Hardware) -> Needs:
    """What a base needs by these recipes in 16 bits, and what fits this hardware: a processor trains in 32 bits."""
    train = {way: training_bytes(base, recipe) for way, recipe in recipes.items()}
    serve = {quantisation: serving_bytes(base, quantisation) for quantisation in QUANTISATIONS}
    width = 2 if hardware.accelerated else 4
    fits = [
        way
        for way, recipe in recipes.items()
        if training_bytes(base, recipe, width) <= USABLE * hardware.training_room
        and not (hardware.metal and recipe.quantise_base == "nf4")  # bitsandbytes has no Metal kernels
    ]
    fits += [way for way, need in serve.items() if need <= USABLE * hardware.serving_room]
    return Needs(base, train, serve, tuple(fits))


def _recipe(name: str) -> Recipe:
    return load_recipe(TrainerSettings(recipe=name))


def _print_all(found: list[Needs], recipes: dict[str, Recipe], hardware: Hardware) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for title in ("", "size", "licence", "gated"):
        table.add_column(title, justify="right" if title == "size" else "left", no_wrap=True)
    for title in (*recipes, *QUANTISATIONS):
        table.add_column(title, justify="right", no_wrap=True)
    for needs in found:
        base = needs.base
        numbers = [
            Text(f"{_gigabytes(need)}*", style="green") if way in needs.fits else Text(f"{_gigabytes(need)} ")
            for way, need in (needs.train | needs.serve).items()
        ]
        licence = base.licence.removesuffix(" License").removesuffix(" Community").removesuffix(" of Use")
        table.add_row(base.name, _size(base), licence, base.gated, *numbers)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)  # a script or a pager gets whole lines
    console.print(table)
    batches = ", ".join(f"{way} {one.batch_size} x {one.sequence_length:,}" for way, one in recipes.items())
    notes = (
        f"GB to train in 16 bits ({batches} tokens a batch) and to serve ({CONTEXT:,} tokens), reckoned, not measured.",
        f"* fits the memory of this machine: {hardware.describe()}."
        + ("" if hardware.accelerated else " A processor trains in 32 bits, which is reckoned with."),
        "`boffin models NAME` tells more, with the steps to get access.",
    )
    for note in notes:
        console.print(Text(note, style="dim"))


def _print_one(needs: Needs, hardware: Hardware) -> None:
    base = needs.base
    typer.echo(f"{base.name}: {base.why}\n")
    terms = f". {base.terms}" if base.terms else ""
    rows = {
        "size": f"{base.parameters:,} parameters, {base.layers} layers of {base.hidden:,}; "
        f"{base.parameters * 2 / 1e9:.1f} GB to fetch",
        "context": f"{base.context:,} tokens",
        "licence": f"{base.licence}{terms}",
        "gated": base.gated,
        "to train": ", ".join(f"{way} {_gigabytes(need)} GB" for way, need in needs.train.items()) + " in 16 bits",
        "to serve": ", ".join(f"{way} {_gigabytes(need)} GB" for way, need in needs.serve.items())
        + f" with {CONTEXT:,} tokens",
        "fits here": f"{', '.join(needs.fits) or 'nothing'} ({hardware.describe()})",
        "source": base.source,
    }
    for title, value in rows.items():
        typer.echo(f"  {title:<10} {value}")
    if base.access:
        typer.echo("\nTo get access:")
        for number, step in enumerate(base.access, start=1):
            typer.echo(f"  {number}. {step}")
    typer.echo(f'\nIn boffin.toml:\n  [project]\n  base = "{base.hub}"')
    if base.revision:
        typer.echo(f'  revision = "{base.revision}"')


def _size(base: KnownBase) -> str:
    billions = base.parameters / 1e9
    return f"{billions:.1f} B" if billions >= 0.95 else f"{base.parameters / 1e6:.0f} M"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f}"
