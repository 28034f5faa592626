"""How many of a model's layers go onto the GPU: what each takes, its memory of tokens included, against what is free.

llama.cpp offloads the output first, then the layers from the last one on, each with its part of the memory; the
embeddings stay with the processor. Plain arithmetic on the GGUF file's header: knows nothing about devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.settings import GpuLayers, KvType
from bundle.errors import BundleError
from bundle.gguf import GgufFault, read_header

KV_BYTES: dict[KvType, float] = {"F16": 2.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}
"""Bytes of a value in the memory of tokens, by its type."""
SPARE = 512 * 2**20
"""Bytes that are left free for what llama.cpp computes in, and for the driver."""


@dataclass(frozen=True)
class Shape:
    """What of a model decides where it fits."""

    layers: tuple[int, ...]
    """Bytes of each layer's weights."""
    output: int
    """Bytes of the output; those of the embeddings where it is the same."""
    embeddings: int
    """Bytes of the embeddings, which stay with the processor."""
    values: int
    """Numbers that a token takes in a layer's memory, keys and values together."""


@dataclass(frozen=True)
class Plan:
    """What goes where; sizes in bytes."""

    layers: int
    """As llama.cpp counts them: the output is one, too."""
    of: int
    gpu: int
    processor: int
    memory: int
    """Of all tokens, on both."""
    free: int
    """On the GPU, before."""

    @property
    def fits(self) -> bool:
        """Whether the GPU has room for its part."""
        return not self.layers or self.gpu + SPARE <= self.free

    def describe(self) -> str:
        """The plan in a line."""
        where = f"{self.layers} of {self.of} layers on the GPU ({self.gpu / 1e9:.2f} of {self.free / 1e9:.2f} GB)"
        rest = f"{self.processor / 1e9:.2f} GB on the processor, memory of tokens {self.memory / 1e9:.2f} GB"
        return f"{where if self.free else 'no GPU'}, {rest}" + ("" if self.fits else "; that doesn't fit")


def plan(shape: Shape, wanted: GpuLayers, cells: int, kv: KvType, free: int) -> Plan:
    """Where a model goes with memory for `cells` tokens, when a GPU has `free` bytes.

    `auto` takes as many layers as fit, `all` and a number what is said, whether it fits or not.
    """
    most = len(shape.layers) + 1 if free else 0
    if wanted == "auto":
        plans = (_plan(shape, count, cells, kv, free) for count in range(most, -1, -1))
        return next(one for one in plans if one.fits)
    count = {"all": most, "none": 0}[wanted] if isinstance(wanted, str) else min(wanted, most)
    return _plan(shape, count, cells, kv, free)


def _plan(shape: Shape, count: int, cells: int, kv: KvType, free: int) -> Plan:
    layers = len(shape.layers)
    memory = kv_bytes(shape, cells, kv)
    there = shape.layers[layers - max(0, count - 1) :]
    gpu = sum(there) + memory * len(there) // layers + (shape.output if count else 0)
    weights = sum(shape.layers) + shape.embeddings + (shape.output if shape.output != shape.embeddings else 0)
    here = weights + memory - gpu + (shape.output if count and shape.output == shape.embeddings else 0)
    return Plan(count, layers + 1, gpu, here, memory, free)


def kv_bytes(shape: Shape, cells: int, kv: KvType) -> int:
    """Bytes of the memory of `cells` tokens, in all layers."""
    return round(len(shape.layers) * cells * shape.values * KV_BYTES[kv])


def shape_of(path: Path) -> Shape:
    """The shape of a GGUF file's model.

    Raises:
        BundleError: its header can't be read, or it doesn't say what is needed.
    """
    try:
        with path.open("rb") as handle:
            header = read_header(handle, path.stat().st_size)
    except GgufFault as error:
        raise BundleError(f"{path}: not a sound GGUF file: {error}") from None
    architecture = header.metadata.get("general.architecture")

    def number(*names: str) -> int:
        found = (header.metadata.get(f"{architecture}.{name}") for name in names)
        value = next((one for one in found if isinstance(one, int)), 0)
        if value <= 0:
            raise BundleError(f"{path}: it doesn't say its {names[0]}; set appliance.gpu_layers to a number")
        return value

    heads = number("attention.head_count")
    width = number("embedding_length") // heads
    lengths = [header.metadata.get(f"{architecture}.attention.{name}_length", width) for name in ("key", "value")]
    sizes = [0] * number("block_count")
    rest = 0
    for name, size in header.weights.items():
        kind, _, place = name.partition(".")
        layer = place.partition(".")[0]
        if kind == "blk" and layer.isdigit() and int(layer) < len(sizes):
            sizes[int(layer)] += size
        elif name != "token_embd.weight":
            rest += size
    embeddings = header.weights.get("token_embd.weight", 0)
    tied = "output.weight" not in header.weights
    values = number("attention.head_count_kv", "attention.head_count") * sum(int(length) for length in lengths)
    return Shape(tuple(sizes), embeddings if tied else rest, embeddings, values)
