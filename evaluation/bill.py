"""What a candidate costs: by its price list, or by the calculator with the speed measured here.

Knows nothing about files, or where prices come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evaluation.cost.inputs import gather
from evaluation.cost.measured import Measured, Measurement
from evaluation.cost.own import own_cost
from evaluation.cost.prices import Prices
from evaluation.cost.settings import CostSettings
from evaluation.interview import Interview


@dataclass(frozen=True)
class Bill:
    """What serving it oneself is reckoned with."""

    settings: CostSettings
    prices: Prices
    training_hours: Measurement | None = None

    def __post_init__(self) -> None:
        """Find out before anybody is asked whether it can be reckoned at all.

        Raises:
            SettingsError: two settings contradict each other, or name a price that isn't there.
        """
        gather(self.settings, self.prices, Measured())


def cost_of(spoken: Interview, bill: Bill | None) -> dict[str, float]:
    """The cost of a million tokens and of a thousand questions such as the held-out ones, by the names of the metrics.

    Empty where it isn't known: without a price, without a bill, or where tokens weren't counted.
    """
    count = len(spoken.answers)
    prompt = sum(answer.prompt_tokens for answer in spoken.answers) / count
    said = sum(answer.tokens for answer in spoken.answers) / count
    question = _question(spoken, prompt, said, bill) if prompt and said else None
    if question is None:
        return {}
    return {
        "usd_a_million_tokens": question / (prompt + said) * 1e6,
        "usd_a_thousand_questions": question * 1000,
    }


def _question(spoken: Interview, prompt: float, said: float, bill: Bill | None) -> float | None:
    """The cost of one question, in as many tokens of prompt and answer as were counted."""
    candidate = spoken.candidate
    if candidate.remote:
        price = candidate.remote.price
        if price is None:
            return None
        return (prompt * price.usd_a_million_prompt_tokens + said * price.usd_a_million_answer_tokens) / 1e6
    if bill is None or not spoken.seconds:
        return None
    origin = "this evaluation"
    speed = Measurement(said * len(spoken.answers) / spoken.seconds, origin)
    tokens = Measurement(prompt, origin), Measurement(said, origin)
    settings = bill.settings.model_copy(update={"prompt_tokens": None, "answer_tokens": None})
    case = gather(settings, bill.prices, Measured(*tokens, speed, bill.training_hours)).case
    if not candidate.trained:
        case = replace(case, curation_hours=0, training_hours=0, training_usd=0)
    return float(own_cost(case).query)
