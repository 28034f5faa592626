"""The base models that Boffin knows: facts from `models.toml`, which names its sources.

Knows nothing about this machine, and fetches nothing: a base that isn't listed works just as well.
"""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bundle.errors import SettingsError

DATA = Path(__file__).parent / "models.toml"


class KnownBase(BaseModel):
    """A base model, as its publisher describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """What `boffin models` calls it."""
    hub: str
    """Its name on the hub, for `project.base`."""
    revision: str = ""
    """A hub commit of it, for `project.revision`; empty where none is known."""
    parameters: int
    """All of its parameters; an embedding that is also the output counts once."""
    layers: int
    """Transformer blocks."""
    hidden: int
    """Width of the residual stream."""
    intermediate: int
    """Width inside a block's MLP."""
    heads: int
    """Attention heads."""
    kv_heads: int
    """Heads that have keys and values of their own."""
    head_size: int
    """Width of a head."""
    vocabulary: int
    """Rows of the embedding."""
    context: int
    """Longest context, in tokens, without stretching its positions."""
    licence: str
    """Its licence, by name."""
    terms: str = ""
    """What of the licence is worth knowing beforehand."""
    gated: Literal["yes", "no", "unclear"]
    """Whether the hub asks for consent before it hands out the files."""
    why: str
    """Why one would take it."""
    source: str
    """Its model card's address."""

    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one block: name → inputs, outputs."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def access(self) -> tuple[str, ...]:
        """The steps to get access; none where it isn't gated."""
        return () if self.gated == "no" else _read().access[self.hub.partition("/")[0]]


class _Data(BaseModel):
    """The data file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access: dict[str, tuple[str, ...]]
    bases: tuple[KnownBase, ...]


def known_bases() -> tuple[KnownBase, ...]:
    """All of them, in the file's order."""
    return _read().bases


def find_known(name: str) -> KnownBase:
    """The base of a name, ours or the hub's, in any case.

    Raises:
        SettingsError: none is called so.
    """
    by_name = {key.lower(): base for base in known_bases() for key in (base.hub, base.name)}
    if name.lower() in by_name:
        return by_name[name.lower()]
    near = difflib.get_close_matches(name.lower(), by_name, n=1, cutoff=0.4)
    hint = f"did you mean {by_name[near[0]].name}?" if near else "`boffin models` lists what there is"
    raise SettingsError(f"boffin models: none is called {name!r}; {hint}")


@cache
def _read() -> _Data:
    return _Data.model_validate(tomllib.loads(DATA.read_text(encoding="utf-8")))
