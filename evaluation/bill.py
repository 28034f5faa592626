"""What a million tokens of a candidate cost: by its price list, or by the calculator with the speed measured here.

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


def usd_a_million_tokens(spoken: Interview, bill: Bill | None) -> float | None:
    """The cost of a million tokens of prompts and answers, in the proportion of the held-out questions.

    None where it isn't known: without a price, without a bill, or where tokens weren't counted.
    """
    count = len(spoken.answers)
    prompt = sum(answer.prompt_tokens for answer in spoken.answers) / count
    said = sum(answer.tokens for answer in spoken.answers) / count
    if not (prompt and said):
        return None
    candidate = spoken.candidate
    if candidate.remote:
        price = candidate.remote.price
        if price is None:
            return None
        paid = prompt * price.usd_a_million_prompt_tokens + said * price.usd_a_million_answer_tokens
        return paid / (prompt + said)
    if bill is None or not spoken.seconds:
        return None
    origin = "this evaluation"
    speed = Measurement(said * count / spoken.seconds, origin)
    tokens = Measurement(prompt, origin), Measurement(said, origin)
    case = gather(bill.settings, bill.prices, Measured(*tokens, speed, bill.training_hours)).case
    if not candidate.trained:
        case = replace(case, curation_hours=0, training_hours=0, training_usd=0)
    return float(own_cost(case).million_tokens)
