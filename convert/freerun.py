"""Lets a GGUF file answer by itself and looks at how the answers end: with their end of turn, in a loop, or not at all.

Sampled as the appliance samples unless it is told otherwise. Knows nothing about what the answers say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from bundle.evidence import FreeRun
from bundle.stage import Progress
from convert.inference import BATCH, Inference
from convert.passages import LONGEST, Passage

TEMPERATURE, TOP_P, TOP_K, PENALTY, PENALISED = 0.3, 0.9, 40, 1.1, 64
"""The appliance's defaults."""
MOST_TOKENS = 256
"""Longest answer."""
AT_ONCE = 8
"""Answers written side by side."""
_PERIOD = 64
"""Longest piece, in tokens, whose repetition counts as a loop."""
_REPEATS, _LEAST = 4, 32
"""How often a piece has to come at the end of an answer, and how many tokens they have to be together."""


def run_freely(file: Path, passages: Sequence[Passage], progress: Progress) -> FreeRun:
    """Answer each passage's prompt, and count how the answers end."""
    ended = looped = 0
    with Inference(file, LONGEST + MOST_TOKENS, sequences=AT_ONCE) as inference:
        for start in range(0, len(passages), AT_ONCE):
            progress(f"Letting {file.name} answer", start, len(passages), "answers")
            for answer in _answers(inference, passages[start : start + AT_ONCE]):
                stopped = bool(answer) and bool(llama_cpp.llama_vocab_is_eog(inference.vocab, answer[-1]))
                ended += stopped
                looped += not stopped and loops(answer)
    return FreeRun(answers=len(passages), tokens=MOST_TOKENS, ended=ended, looped=looped)


def loops(tokens: Sequence[int]) -> bool:
    """Whether an answer ends with the same piece again and again."""
    for period in range(1, _PERIOD + 1):
        span = max(_REPEATS * period, _LEAST)
        tail = tokens[-span:]
        if len(tail) == span and all(tail[at] == tail[at - period] for at in range(period, span)):
            return True
    return False


def _answers(inference: Inference, passages: Sequence[Passage]) -> list[list[int]]:
    """The answers' tokens, side by side; an answer that ended has its end as its last token."""
    inference.forget()
    answers: list[list[int]] = [[] for _ in passages]
    samplers = [_sampler(inference.vocabulary, seed) for seed in range(len(passages))]
    running = list(range(len(passages)))
    try:
        for number in running:
            prompt = passages[number].tokens[: passages[number].first]
            for token in prompt[-PENALISED:]:
                llama_cpp.llama_sampler_accept(samplers[number], token)
            last = _read(inference, prompt, number)
            answers[number].append(llama_cpp.llama_sampler_sample(samplers[number], inference.handle, last))
        while running := [number for number in running if _goes_on(inference, answers[number])]:
            inference.begin()
            for number in running:
                place = passages[number].first + len(answers[number]) - 1
                inference.add(answers[number][-1], place, number, output=True)
            inference.compute()
            for index, number in enumerate(running):
                token = llama_cpp.llama_sampler_sample(samplers[number], inference.handle, index)
                answers[number].append(token)
    finally:
        for sampler in samplers:
            llama_cpp.llama_sampler_free(sampler)
    return answers


def _read(inference: Inference, prompt: Sequence[int], sequence: int) -> int:
    """Read a prompt; returns the index of its last token in the batch that was computed last."""
    last = 0
    for start in range(0, len(prompt), BATCH):
        inference.begin()
        for place, token in enumerate(prompt[start : start + BATCH], start):
            last = inference.add(token, place, sequence, output=place == len(prompt) - 1)
        inference.compute()
    return last


def _goes_on(inference: Inference, answer: Sequence[int]) -> bool:
    return len(answer) < MOST_TOKENS and not llama_cpp.llama_vocab_is_eog(inference.vocab, answer[-1])


def _sampler(vocabulary: int, seed: int) -> Any:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    for sampler in (
        llama_cpp.llama_sampler_init_penalties(vocabulary, PENALISED, PENALTY, 0.0, 0.0),
        llama_cpp.llama_sampler_init_top_k(TOP_K),
        llama_cpp.llama_sampler_init_top_p(TOP_P, 1),
        llama_cpp.llama_sampler_init_temp(TEMPERATURE),
        llama_cpp.llama_sampler_init_dist(seed),
    ):
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    return chain
