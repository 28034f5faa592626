"""Measures each quantisation against the unquantised file and says which one is to be served.

Quality on the answers of held-out records, speed on this machine. Knows nothing about how the files were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil
import torch
from torch import Tensor

from bundle.evidence import Measurement
from bundle.stage import Progress
from convert.candidates import Candidate
from convert.divergence import difference, log_probabilities, losses
from convert.inference import Inference
from convert.passages import LONGEST, Passage
from convert.speed import Speed, time_in_turn

_ROOM = 0.6
"""The share of free memory that the files which are compared at once may take."""


@dataclass
class _Seen:
    """What was seen of one candidate."""

    losses: list[Tensor] = field(default_factory=list)
    divergences: list[Tensor] = field(default_factory=list)
    same: list[Tensor] = field(default_factory=list)
    bits: float = 0.0
    speed: Speed = field(default_factory=lambda: Speed(0.0, 0.0))

    def add(self, reference: Tensor, rows: Tensor, passage: Passage) -> None:
        found = difference(reference, rows)
        self.losses.append(losses(rows, passage.targets))
        self.divergences.append(found.divergence)
        self.same.append(found.same)


def measure(
    unquantised: Candidate,
    candidates: Sequence[Candidate],
    passages: Sequence[Passage],
    learned: float | None,
    progress: Progress,
) -> list[Measurement]:
    """Measure `unquantised`, which comes first in the result, and each of the `candidates` against it.

    `learned` is KL(base‖unquantised), None without an adapter. There is at least one passage.
    """
    found: dict[str, Measurement] = {}
    for group in _groups(unquantised, candidates):
        for candidate, seen in _compare([unquantised, *group], passages, progress):
            found.setdefault(str(candidate.path), _measurement(candidate, seen, passages, learned))
    first = found.pop(str(unquantised.path))
    return [first.model_copy(update={"reference": True}), *found.values()]


def pick(rows: Sequence[Measurement], rise: float) -> tuple[str, str]:
    """The type to serve among measured ones, and why, in words.

    The fastest whose loss rises by at most `rise`, as a share of the unquantised file's; where none does, the one with
    the least loss.
    """
    reference = next(row for row in rows if row.reference)
    candidates = [row for row in rows if not row.reference]
    good = [row for row in candidates if row.loss <= reference.loss * (1 + rise)]
    if good:
        best = min(good, key=lambda row: row.answer_seconds)
        return best.quantisation, f"{best.quantisation} is served: the fastest whose loss rises by at most {rise:.1%}"
    best = min(candidates, key=lambda row: row.loss)
    change = best.loss / reference.loss - 1
    return best.quantisation, (
        f"warning: every type raises the held-out loss by more than {rise:.1%}; {best.quantisation} is served, which "
        f"raises it by {change:.1%}"
    )


def _groups(unquantised: Candidate, candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """The candidates in groups that fit into memory together, beside the unquantised file; at least one a group."""
    room = psutil.virtual_memory().available * _ROOM - unquantised.path.stat().st_size
    group: list[Candidate] = []
    taken = 0.0
    for candidate in candidates:
        size = candidate.path.stat().st_size
        if group and taken + size > room:
            yield group
            group, taken = [], 0.0
        group.append(candidate)
        taken += size
    yield group


def _compare(
    files: Sequence[Candidate], passages: Sequence[Passage], progress: Progress
) -> Iterator[tuple[Candidate, _Seen]]:
    """Read every passage with every file in turn; the first file is what the others are compared with."""
    seen = {candidate: _Seen() for candidate in files}
    with ExitStack() as stack:
        loaded = {file: stack.enter_context(Inference(file.path, LONGEST)) for file in files}
        names = ", ".join(file.quantisation for file in files[1:]) or files[0].quantisation
        for number, passage in enumerate(passages):
            progress(f"Measuring {names}", number, len(passages), "records")
            reference: Tensor | None = None
            for file, inference in loaded.items():
                rows = log_probabilities(inference.logits(passage.tokens, passage.first))
                reference = rows if reference is None else reference
                seen[file].add(reference, rows, passage)
        progress(f"Timing {names}")
        speeds = time_in_turn({str(file.path): loaded[file] for file in files}, passages[0].tokens)
        for file, inference in loaded.items():
            seen[file].bits, seen[file].speed = inference.bits, speeds[str(file.path)]
    yield from seen.items()


def _measurement(candidate: Candidate, seen: _Seen, passages: Sequence[Passage], learned: float | None) -> Measurement:
    every = torch.cat(seen.divergences).double()
    mean = float(every.mean())
    prompt = sum(passage.first for passage in passages) / len(passages)
    answer = sum(len(passage.targets) for passage in passages) / len(passages)
    size = candidate.path.stat().st_size
    return Measurement(
        quantisation=candidate.quantisation,
        importance=candidate.importance,
        bytes=size,
        bits=seen.bits,
        loss=float(torch.cat(seen.losses).double().mean()),
        divergence=mean,
        divergence_99=float(torch.quantile(every, 0.99)),
        same_top=float(torch.cat(seen.same).double().mean()),
        survival=max(0.0, 1 - mean / learned) if learned else None,
        prefill=seen.speed.prefill,
        decode=seen.speed.decode,
        answer_seconds=seen.speed.seconds(prompt, answer),
    )
