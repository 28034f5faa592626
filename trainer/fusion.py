"""A frozen layer and its LoRA matrices as one operation, on the processor.

PyTorch records each addition, scaling and activation apart, keeps what went into it and makes a pass over memory for
it. Here the derivatives are written out, as Unsloth does on a card: the matrix products add up in place, and only a
layer's inputs are kept. The gradients are the same up to rounding; what it gives is in docs/training-speed.md.

A module is replaced only where that computes the same: a frozen float32 layer with one LoRA adapter that has no
dropout, DoRA or bias of its own; a norm or an activation that gives the same numbers. Knows nothing about records,
losses or optimisers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import nn

_Gradients = tuple[torch.Tensor | None, ...]
_Forward = Callable[[torch.Tensor], torch.Tensor]


def fuse(model: nn.Module) -> int:
    """Fuse what can be in a model with an adapter; returns how many modules were."""
    fused: dict[nn.Module, _Forward] = {}
    for module in model.modules():
        for kind in (_Gated, _Layer, _Norm):
            if made := kind.of(module):
                fused[module] = made
                break
    for module, forward in fused.items():
        module.forward = forward
    return len(fused)


@dataclass(frozen=True)
class _Layer:
    """A linear layer with its adapter: y = x W' + bias + scale · x A' B'."""

    layer: LoraLinear
    name: str
    """The adapter's."""
    otherwise: _Forward

    @classmethod
    def of(cls, module: nn.Module) -> _Layer | None:
        if not isinstance(module, LoraLinear) or len(module.active_adapters) != 1 or module.fan_in_fan_out:
            return None
        name, base = module.active_adapters[0], module.get_base_layer()
        plain = (
            type(base) is nn.Linear
            and name in module.lora_A
            and name not in module.lora_variant
            and not module.lora_bias[name]
            and isinstance(module.lora_dropout[name], nn.Identity)
        )
        if not plain:
            return None
        weights = [base.weight, module.lora_A[name].weight, module.lora_B[name].weight]
        if base.weight.requires_grad or any(weight.dtype != torch.float32 for weight in weights):
            return None
        return cls(module, name, module.forward)

    @property
    def whole(self) -> bool:
        """Whether the adapter is to be used, and isn't in the weights."""
        return not self.layer.disable_adapters and not self.layer.merged

    @property
    def weights(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
        """W (out × in), A (rank × in), B (out × rank) and the scale."""
        layer, name = self.layer, self.name
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        return layer.get_base_layer().weight, a, b, layer.scaling[name]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not self.whole:
            return self.otherwise(x)
        made: torch.Tensor = _AdaptedLinear.apply(x, self.layer.get_base_layer().bias, *self.weights)
        return made


@dataclass(frozen=True)
class _Gated:
    """A gated feed-forward block (SwiGLU): down(silu(gate(x)) · up(x)), each of the three with its adapter."""

    gate: _Layer
    up: _Layer
    down: _Layer
    otherwise: _Forward

    @classmethod
    def of(cls, module: nn.Module) -> _Gated | None:
        layers = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
        found = [one for layer in layers if isinstance(layer, nn.Module) and (one := _Layer.of(layer))]
        if len(found) < 3 or any(part.layer.get_base_layer().bias is not None for part in found):
            return None
        made = cls(found[0], found[1], found[2], module.forward)
        return made if _same(module, made, found[0].layer.in_features) else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.gate.whole and self.up.whole and self.down.whole):
            return self.otherwise(x)
        made: torch.Tensor = _AdaptedGated.apply(x, *self.gate.weights, *self.up.weights, *self.down.weights)
        return made


@dataclass(frozen=True)
class _Norm:
    """A root-mean-square norm with a frozen weight."""

    weight: torch.Tensor
    epsilon: float

    @classmethod
    def of(cls, module: nn.Module) -> _Norm | None:
        weight, epsilon = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
        if not isinstance(weight, torch.Tensor) or epsilon is None or weight.requires_grad:
            return None
        made = cls(weight, epsilon)
        return made if weight.dtype == torch.float32 and _same(module, made, len(weight)) else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = _RootMeanSquare.apply(x, self.weight, self.epsilon)
        return made


@torch.no_grad()
def _same(module: nn.Module, made: _Forward, width: int) -> bool:
    """Whether a module and what takes its place give the same for two rows of numbers."""
    rows = torch.linspace(-2, 2, 2 * width).view(1, 2, width)
    return torch.allclose(module(rows), made(rows), rtol=1e-4, atol=1e-5)


def _forward(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float) -> Any:
    """y (n × out) and x A' (n × rank) of x (n × in)."""
    low = x @ a.t()
    return (x @ w.t()).addmm_(low, b.t(), alpha=scale), low


def _backward(
    dy: torch.Tensor, x: torch.Tensor, low: torch.Tensor, weights: Any, dx: torch.Tensor | None, needed: bool
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """The gradients of x, where it is `needed`, of A and of B; that of x is added to `dx` where there is one."""
    w, a, b, scale = weights
    dlow = (dy @ b).mul_(scale)
    if needed:
        dx = dy @ w if dx is None else dx.addmm_(dy, w)
        dx.addmm_(dlow, a)
    return dx, dlow.t() @ x, (low.t() @ dy).mul_(scale).t()  # this way round it is twice as fast


class _AdaptedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, bias: torch.Tensor | None, *weights: Any) -> torch.Tensor:
        rows = x.flatten(0, -2)
        y, low = _forward(rows, *weights)
        if bias is not None:
            y += bias
        ctx.shape, ctx.scale = x.shape, weights[3]
        ctx.save_for_backward(rows, low, *weights[:3])
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> _Gradients:
        rows, low, *weights = ctx.saved_tensors
        needed = ctx.needs_input_grad[0]
        dx, da, db = _backward(outer[0].flatten(0, -2), rows, low, (*weights, ctx.scale), None, needed)
        return None if dx is None else dx.view(ctx.shape), None, None, da, db, None


class _AdaptedGated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, *weights: Any) -> torch.Tensor:
        rows, down = x.flatten(0, -2), weights[8:]
        gate, low_gate = _forward(rows, *weights[:4])
        up, low_up = _forward(rows, *weights[4:8])
        y, low_down = _forward(nn.functional.silu(gate).mul_(up), *down)
        ctx.shape, ctx.scales = x.shape, weights[3::4]
        tensors = [weight for place, weight in enumerate(weights) if place % 4 != 3]
        ctx.save_for_backward(rows, gate, up, low_gate, low_up, low_down, *tensors)
        return y.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> _Gradients:
        rows, gate, up, low_gate, low_up, low_down, *tensors = ctx.saved_tensors
        of_gate, of_up, of_down = ((*tensors[at : at + 3], ctx.scales[at // 3]) for at in (0, 3, 6))
        needed = ctx.needs_input_grad[0]
        active = nn.functional.silu(gate)
        inner, da_down, db_down = _backward(outer[0].flatten(0, -2), active * up, low_down, of_down, None, True)
        assert inner is not None
        dup = active.mul_(inner)
        dgate = torch.ops.aten.silu_backward(inner.mul_(up), gate)
        dx, da_gate, db_gate = _backward(dgate, rows, low_gate, of_gate, None, needed)
        dx, da_up, db_up = _backward(dup, rows, low_up, of_up, dx, needed)
        return (
            None if dx is None else dx.view(ctx.shape),
            *(None, da_gate, db_gate, None),
            *(None, da_up, db_up, None),
            *(None, da_down, db_down, None),
        )


class _RootMeanSquare(torch.autograd.Function):
    """y = w · x / √(mean(x²) + ε) (Zhang and Sennrich 2019)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        mean = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        inverse = mean.add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> _Gradients:
        x, weight, inverse = ctx.saved_tensors
        scaled = outer[0] * weight
        along = (scaled * x).sum(-1, keepdim=True).mul_(inverse.pow(3).div_(-x.shape[-1]))
        return scaled.mul_(inverse).addcmul_(x, along), None, None
