"""What is asked of the engine, and the events that come back.

Knows nothing about where requests come from or how events travel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from appliance.engine.errors import EngineError

TOP_K = 40
"""How many tokens may be drawn from at all, as in llama.cpp's own server. Without it top-p has to sort the whole
vocabulary: of 49,152 tokens that took 8 ms a token, as much as computing it, where this takes half a millisecond."""

FinishReason = Literal["stop", "length", "deadline"]


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is chosen."""

    temperature: float
    """0 is greedy."""
    top_p: float
    """Share of probability that is kept."""
    repeat_penalty: float
    """Penalty on the last 64 tokens of prompt and answer; 1 is none."""
    seed: int | None = None
    """Equal seeds give equal answers; None draws one for each answer."""
    top_k: int = TOP_K
    """How many of the likeliest tokens may be drawn from; 0 is all of them, which costs milliseconds a token."""
    min_p: float = 0.0
    """Least probability of a token that may be drawn, as a share of the likeliest one's; 0 is none."""
    frequency_penalty: float = 0.0
    """Taken off a token's logit for each time it is among the last 64 tokens of prompt and answer."""
    presence_penalty: float = 0.0
    """Taken off a token's logit if it is among them at all."""
    dry_multiplier: float = 0.0
    """Strength of the DRY penalty on tokens that would go on with a sequence said before; 0 is none."""
    dry_base: float = 1.75
    """How fast that penalty grows with the sequence's length."""
    dry_allowed_length: int = 2
    """Longest sequence that may be repeated for nothing."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Tokens and what is added to their logits before all else; -inf forbids one."""
    grammar: str = ""
    """A grammar in llama.cpp's GBNF, whose `root` the answer matches; empty for none."""


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt and what is wanted of it."""

    tokens: tuple[int, ...]
    """The prompt."""
    max_tokens: int
    """Longest answer, in tokens; 0 asks for no answer, only for the prompt's scores."""
    sampling: SamplingParams
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""
    logprobs: int | None = None
    """How many of the likeliest tokens to tell at each place, 0 for only the chosen one's score; None for no scores."""
    score_prompt: bool = False
    """Whether the prompt's own tokens are scored, too."""
    adapter: str = ""
    """The name of the LoRA adapter that answers; empty for the model alone."""
    client: str = ""
    """Who asks; waiting clients take turns."""
    deadline: float | None = None
    """Seconds from now after which the answer ends as it is then, or fails if it hasn't begun; None for never."""


@dataclass(frozen=True)
class TokenScore:
    """A token and how likely it was at its place, before any sampling setting."""

    token: int
    logprob: float | None
    """Natural logarithm of its probability; None for the first token of a prompt."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens at this place and their log-probabilities, the best first."""


@dataclass(frozen=True)
class Timings:
    """What an answer took, under llama.cpp's names; times in milliseconds."""

    cache_n: int = 0
    """Prompt tokens that an earlier request left in memory."""
    prompt_n: int = 0
    """Prompt tokens that were computed."""
    prompt_ms: float = 0.0
    """From leaving the queue to the first token of the answer."""
    prompt_per_second: float = 0.0
    predicted_n: int = 0
    """Tokens generated, with the one that ended the answer."""
    predicted_ms: float = 0.0
    """From the first token of the answer to its last."""
    predicted_per_second: float = 0.0
    """Rate between the first token and the last."""


@dataclass(frozen=True)
class PromptScored:
    """Scores of the next tokens of the prompt."""

    scores: tuple[TokenScore, ...]


@dataclass(frozen=True)
class Piece:
    """The next piece of the answer; its text may be empty when it only carries a score."""

    text: str
    score: TokenScore | None = None


@dataclass(frozen=True)
class Finished:
    """The answer is complete."""

    reason: FinishReason
    """`stop`: it ended by itself or at a stop string; `length`: at `max_tokens` or at the end of the context;
    `deadline`: its time was up."""
    prompt_tokens: int
    completion_tokens: int
    """Tokens generated, with the one that ended the answer."""
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True)
class Failed:
    """There will be no (further) answer."""

    error: EngineError


Event = PromptScored | Piece | Finished | Failed
"""What a request gets: scores and pieces, and at the end either `Finished` or `Failed`."""
