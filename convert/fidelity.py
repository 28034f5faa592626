"""Proves that the unquantised GGUF file is the model that was trained, before anything is made of it.

Compared are the file, as llama.cpp computes it, and the base with its adapter unmerged, as PEFT does, at each token of
held-out answers: so an adapter that is missing, merged twice or damaged shows, and an end of turn that got lost. Knows
nothing about tokenizers or quantisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bundle.errors import ConvertError
from bundle.evidence import Proof
from bundle.stage import Progress
from convert.divergence import difference, log_probabilities, losses
from convert.inference import Inference
from convert.passages import LONGEST, Passage
from convert.reference import Reference

SAME_TOP = 0.99
"""Least share of tokens with the same likeliest token."""
DIVERGENCE = 0.005
"""Most mean KL(trained‖file), in nats."""
FOUND = 0.8
"""Least share of the drop in loss that the file has."""
ENDS = 0.02
"""By what share of the answers fewer the end may be the likeliest token; one answer always may."""
_ROUNDING = 1e-4
"""Divergence in nats that a file may have whatever the adapter does: an adapter that changed less can't be told."""
_LOOKED_AT = 8
"""Passages that a fault is looked for on."""
_REMEDY = "nothing was sealed; run `boffin build --force convert`"


@dataclass
class _Seen:
    """Sums over the passages so far."""

    records: int = 0
    tokens: int = 0
    same: int = 0
    divergence: float = 0.0
    learned: float = 0.0
    loss: dict[str, float] = field(default_factory=lambda: {"base": 0.0, "trained": 0.0, "file": 0.0})
    ends: dict[str, int] = field(default_factory=lambda: {"trained": 0, "file": 0})
    first: str = ""
    """The first token at which the two differ, in words."""
    first_end: str = ""
    """The first answer that the trained model ends and the file doesn't."""

    def add(self, passage: Passage, base: Tensor, trained: Tensor, file: Tensor, tokenizer: Any) -> None:
        """Take in the log-probabilities of one passage."""
        found = difference(trained, file)
        self.records += 1
        self.tokens += len(found.same)
        self.same += int(found.same.sum())
        self.divergence += float(found.divergence.double().sum())
        self.learned += float(difference(base, file).divergence.double().sum())
        for name, rows in (("base", base), ("trained", trained), ("file", file)):
            self.loss[name] += float(losses(rows, passage.targets).double().sum())
        at, end = passage.end - passage.first, passage.tokens[passage.end]
        ended = {name: int(rows[at].argmax()) == end for name, rows in (("trained", trained), ("file", file))}
        for name, did in ended.items():
            self.ends[name] += did
        if ended["trained"] and not ended["file"] and not self.first_end:
            self.first_end = f"{_token(tokenizer, file[at])} in place of the end of {passage.name}"
        if not self.first and not bool(found.same.all()):
            place = int((~found.same).int().argmax())
            self.first = (
                f"{_token(tokenizer, file[place])} in place of {_token(tokenizer, trained[place])} "
                f"at token {place + 1} of the answer to {passage.name}"
            )

    def proof(self, adapted: bool) -> Proof:
        """The figures."""
        return Proof(
            records=self.records,
            tokens=self.tokens,
            same_top=self.same / self.tokens,
            divergence=self.divergence / self.tokens,
            learned=self.learned / self.tokens if adapted else None,
            loss_base=self.loss["base"] / self.tokens,
            loss_trained=self.loss["trained"] / self.tokens,
            loss_file=self.loss["file"] / self.tokens,
            ends_trained=self.ends["trained"],
            ends_file=self.ends["file"],
        )


def prove_fidelity(
    file: Path,
    base: Path,
    adapter: Path | None,
    passages: Sequence[Passage],
    tokenizer: Any,
    progress: Progress,
    lora: Path | None = None,
) -> Proof:
    """Compare `file` with `base` and `adapter` on `passages`, of which there is at least one; returns the figures.

    `lora` is an adapter to be put on the file, as a GGUF file.

    Raises:
        ConvertError: they differ by more than rounding; the text says what is most likely wrong, and where it shows.
    """
    progress("Loading the trained model")
    reference = Reference(base, adapter)
    seen = _Seen()
    with Inference(file, LONGEST, lora=lora) as inference:
        for number, passage in enumerate(passages, start=1):
            progress("Proving that it is the trained model", number - 1, len(passages), "records")
            trained = log_probabilities(reference.trained(passage.tokens, passage.first))
            alone = log_probabilities(reference.base(passage.tokens, passage.first)) if adapter else trained
            served = log_probabilities(inference.logits(passage.tokens, passage.first))
            seen.add(passage, alone, trained, served, tokenizer)
        proof = seen.proof(adapter is not None)
        fault = judge(proof, seen.first, seen.first_end)
        if fault and adapter and (twice := _from_twice(reference, inference, passages[:_LOOKED_AT])) <= DIVERGENCE:
            fault = (
                "the adapter is merged twice: its predictions are those of the base with twice the adapter "
                f"({twice:.4f} nats a token apart, and {proof.divergence:.4f} from the trained model's)"
            )
    if fault:
        raise ConvertError(f"{fault}; {_REMEDY}")
    return proof


def judge(proof: Proof, first: str = "", first_end: str = "") -> str:
    """What is wrong, in one line, or `` when all holds; `first` and `first_end` name where it shows first."""
    if proof.learned is not None and proof.divergence > max(_ROUNDING, 2 * proof.learned):
        return (
            "the adapter is not in it: its predictions are those of the base model "
            f"({proof.learned:.4f} nats a token apart, and {proof.divergence:.4f} from the trained model's)"
        )
    if proof.ends_file < proof.ends_trained - max(1, ENDS * proof.records):
        return (
            f"the end of the turn got lost: it is the likeliest token at the end of {proof.ends_file} of "
            f"{proof.records} held-out answers, and of {proof.ends_trained} in the trained model{_first(first_end)}"
        )
    found = proof.adapter_found
    if found is not None and found < FOUND:
        return (
            f"the adapter is washed out: {max(found, 0):.0%} of the drop in held-out loss that training reached "
            f"({proof.loss_base:.3f} → {proof.loss_trained:.3f}) are left, at least {FOUND:.0%} have to be"
            f"{_first(first)}"
        )
    if proof.same_top < SAME_TOP:
        return (
            f"it is not the trained model: {proof.same_top:.1%} of {proof.tokens:,} tokens of held-out answers have "
            f"the same likeliest token, at least {SAME_TOP:.0%} have to{_first(first)}"
        )
    if proof.divergence > DIVERGENCE:
        return (
            f"it is not the trained model: its predictions diverge by {proof.divergence:.4f} nats a token, at most "
            f"{DIVERGENCE} may be (a merge_dtype of more bits rounds less){_first(first)}"
        )
    return ""


def _from_twice(reference: Reference, inference: Inference, passages: Sequence[Passage]) -> float:
    """How far the file is from the base with twice the adapter, in nats a token."""
    every = []
    with reference.doubled():
        for passage in passages:
            expected = log_probabilities(reference.trained(passage.tokens, passage.first))
            found = log_probabilities(inference.logits(passage.tokens, passage.first))
            every.append(difference(expected, found).divergence)
    return float(torch.cat(every).double().mean())


def _first(where: str) -> str:
    return f"; first {where}" if where else ""


def _token(tokenizer: Any, row: Tensor) -> str:
    return repr(tokenizer.decode([int(row.argmax())]))
