"""What this machine has to compute with: its memory and its accelerators, found without torch or llama.cpp.

Knows nothing about models.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass

import psutil

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Card:
    """An NVIDIA card."""

    name: str
    memory: int
    """All of its memory, in bytes; 0 where the driver doesn't say (cards that share the machine's)."""


@dataclass(frozen=True)
class Hardware:
    """A machine, as far as it decides which models fit."""

    memory: int
    """The machine's own memory, in bytes."""
    cards: tuple[Card, ...] = ()
    metal: bool = False
    """Whether it is Apple silicon, whose GPU shares the machine's memory."""

    @property
    def training_room(self) -> int:
        """Memory that a training run can have, in bytes: the largest card's, or the machine's where there is none."""
        return max((card.memory for card in self.cards), default=0) or self.memory

    @property
    def serving_room(self) -> int:
        """Memory that a served model can have, in bytes: llama.cpp runs on the card or on the processor."""
        return max(self.training_room, self.memory)

    @property
    def accelerated(self) -> bool:
        """Whether it trains in 16 bits: there is a card, or Metal."""
        return bool(self.cards) or self.metal

    def describe(self) -> str:
        """The machine in half a line."""
        cards = [f"{card.name} with {card.memory / 1e9:.0f} GB" if card.memory else card.name for card in self.cards]
        return ", ".join([*cards, f"{self.memory / 1e9:.0f} GB of {'unified ' if self.metal else ''}memory"])


def find_hardware() -> Hardware:
    """Look at this machine."""
    return Hardware(psutil.virtual_memory().total, tuple(nvidia_cards()), apple_silicon())


def nvidia_cards() -> list[Card]:
    """The cards that NVIDIA's driver lists; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    run = subprocess.run(query, capture_output=True, text=True, check=False)
    return [read_card(line) for line in run.stdout.splitlines() if line.strip()] if run.returncode == 0 else []


def read_card(line: str) -> Card:
    """A line of nvidia-smi's list, e.g. `NVIDIA A10G, 23028` (MiB; `[N/A]` where it doesn't know)."""
    name, _, mebibytes = line.rpartition(",")
    return Card(name.strip(), int(mebibytes) * _MEBIBYTE if mebibytes.strip().isdigit() else 0)


def apple_silicon() -> bool:
    """Whether this is a Mac whose GPU is Metal's."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"
