"""The cost calculator's arithmetic: formulas say what was reckoned, and the figures hang together."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace

import pytest

from evaluation.cost.advice import FEWEST_EXAMPLES, FEWEST_QUERIES, reasons_against
from evaluation.cost.case import Case, Hosted
from evaluation.cost.figure import Figure, dollars, number, percent, usd
from evaluation.cost.own import own_cost
from evaluation.cost.sensitivity import INPUTS, swings
from evaluation.cost.versus import Versus, against

RENTED = Case(
    queries_a_month=300_000,
    prompt_tokens=420,
    answer_tokens=310,
    requests_a_minute=80,
    cache_hit_share=0.15,
    idle_share=0.4,
    rent_usd_an_hour=0.5,
    curation_hours=20,
    upkeep_hours_a_month=3,
    work_usd_an_hour=55,
    upkeep_usd_a_month=10,
    training_hours=1.5,
    training_runs=2,
    training_usd_an_hour=0.8,
    training_usd=12,
)
BOUGHT = replace(
    RENTED,
    requests_a_minute=0,
    tokens_a_second=180,
    rent_usd_an_hour=0,
    purchase_usd=2_400,
    load_watts=500,
    idle_watts=70,
    usd_a_kwh=0.31,
)
SERVERLESS = Hosted("serverless", usd_a_request=0.0004)
BIG = Hosted("big", 2.5, 10)
SMALL = Hosted("small", 0.15, 0.6)
CASES = [RENTED, BOUGHT, replace(BOUGHT, queries_a_month=9_000_000), replace(RENTED, queries_a_month=1)]
HOSTED = [BIG, SMALL, SERVERLESS, Hosted("mixed", 1, 2, 0.001), Hosted("free")]
LOADS = [1, 50, 999, 10_000, 77_777, 400_000, 2_500_000, 30_000_000]


def evaluated(formula: str) -> float:
    """A formula, read as the arithmetic that it is; words are units."""
    text = formula.replace("×", "*").replace("−", "-").replace("$", "").replace(",0", "0")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\b(?!ceil|max\b)[a-z]+\b", "", text)
    return float(eval(text, {"__builtins__": {}}, {"ceil": math.ceil, "max": max}))


def month(case: Case, load: float) -> float:
    return float(own_cost(replace(case, queries_a_month=load)).month)


@pytest.mark.parametrize("hosted", HOSTED, ids=lambda one: one.name)
@pytest.mark.parametrize("case", CASES, ids=["rented", "bought", "many cards", "one query"])
def test_every_formula_gives_its_figure(case: Case, hosted: Hosted) -> None:
    versus = against(own_cost(case), hosted)
    figures = [*versus.own.figures, *versus.figures]
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        if figure.value is None:
            assert not re.search(r"\d", figure.formula) and figure.shown == "never"
        else:
            assert evaluated(figure.formula) == pytest.approx(figure.value, rel=2e-4, abs=1e-9), figure
    assert sum(figure.value is None for figure in figures) <= 5


def test_the_figures_by_hand() -> None:
    own = own_cost(BOUGHT)
    served, a_minute = 255_000, 180 * 60 / 310
    assert float(own.capacity) == pytest.approx(a_minute * 60 * 720)
    assert float(own.cards) == math.ceil(served / (a_minute * 60 * 720 * 0.6)) == 1
    used = served / (a_minute * 60 * 720)
    power = 720 * (70 + 430 * used) / 1000 * 0.31
    assert float(own.running) == pytest.approx(power + 3 * 55 + 10)
    once = 20 * 55 + 1.5 * 2 * 0.8 + 12
    assert float(own.month) == pytest.approx(power + 175 + once / 12 + 2_400 / 36)
    versus = against(own, BIG)
    query = (420 * 2.5 + 310 * 10) / 1e6
    assert float(versus.month) == pytest.approx(300_000 * query)
    months = (once + 2_400) / (300_000 * query - power - 175)
    assert float(versus.break_even_days) == pytest.approx(30 * months)
    assert float(versus.break_even_queries) == pytest.approx(300_000 * months)


@pytest.mark.parametrize("case", [RENTED, BOUGHT], ids=["rented", "bought"])
def test_cost_rises_with_the_queries_and_the_cost_of_one_falls_on_a_card(case: Case) -> None:
    months = [month(case, load) for load in LOADS]
    assert months == sorted(months)
    cards = [float(own_cost(replace(case, queries_a_month=load)).cards) for load in LOADS]
    assert cards == sorted(cards) and cards[0] == 1 < cards[-1]
    on_one = [load for load, count in zip(LOADS, cards, strict=True) if count == 1]
    queries = [month(case, load) / load for load in on_one]
    assert len(on_one) > 3 and queries == sorted(queries, reverse=True)
    for load in LOADS:
        own = own_cost(replace(case, queries_a_month=load))
        assert 0 < float(own.used) <= 1 - case.idle_share + 1e-9


@pytest.mark.parametrize("field", [field.name for field in fields(Case)])
def test_dearer_inputs_never_make_it_cheaper(field: str) -> None:
    falling = {"requests_a_minute", "tokens_a_second", "cache_hit_share", "write_off_years", "model_life_months"}
    # Longer prompts cost a hosted model alone; more hours are more capacity as well as more rent.
    same = {"prompt_tokens"}
    for case in (RENTED, BOUGHT):
        value = getattr(case, field)
        more = own_cost(replace(case, **{field: min(value * 1.2, 0.95) if field.endswith("share") else value * 1.2}))
        change = float(more.month) - float(own_cost(case).month)
        assert change == 0 if field in same else change <= 0 if field in falling else change >= 0


def outlay(versus: Versus, months: float) -> float:
    """What is spent at once until then: the expert made anew after each life, the hardware replaced."""
    case, own = versus.own.case, versus.own
    lives = max(1, math.ceil(months / case.model_life_months - 1e-9))
    years = max(1, math.ceil(months / 12 / case.write_off_years - 1e-9))
    return lives * float(own.once) + years * float(own.cards) * case.purchase_usd


@pytest.mark.parametrize("hosted", [BIG, SMALL, SERVERLESS], ids=lambda one: one.name)
@pytest.mark.parametrize("case", [RENTED, BOUGHT], ids=["rented", "bought"])
def test_at_the_break_even_both_ways_have_cost_the_same(case: Case, hosted: Hosted) -> None:
    reached = 0
    for load in LOADS:
        versus = against(own_cost(replace(case, queries_a_month=load)), hosted)
        if versus.break_even_months.value is None:
            assert float(versus.saved) <= 0 and float(versus.first_year) < 0
            continue
        reached += 1
        months = versus.break_even_months.value
        paid = outlay(versus, months) + months * float(versus.own.running)
        assert paid == pytest.approx(months * float(versus.month))
        assert versus.break_even_queries.value == pytest.approx(months * load)
        assert (float(versus.first_year) >= 0) == (months <= 12)
    assert reached


@pytest.mark.parametrize("hosted", [BIG, SMALL, SERVERLESS], ids=lambda one: one.name)
@pytest.mark.parametrize("case", [RENTED, BOUGHT], ids=["rented", "bought"])
def test_it_is_cheaper_from_the_load_that_is_named_and_not_before(case: Case, hosted: Hosted) -> None:
    load = against(own_cost(case), hosted).pays_from.value
    assert load is not None
    at = against(own_cost(replace(case, queries_a_month=load * 1.0001)), hosted)
    assert float(at.saved) >= 0
    for share in (0.999, 0.9, 0.5, 0.1, 0.01):
        before = against(own_cost(replace(case, queries_a_month=max(1, load * share))), hosted)
        assert float(before.saved) < 0


def test_what_is_due_again_before_it_has_come_back_never_pays() -> None:
    case = replace(RENTED, curation_hours=200)
    versus = against(own_cost(case), BIG)
    assert float(versus.no_longer_paid) > 0 and float(versus.own.once) > 12 * float(versus.no_longer_paid)
    assert versus.break_even_days.shown == versus.break_even_queries.shown == "never"
    assert "made anew every 12 months" in next(
        one.text for one in reasons_against(versus, (), None) if one.code == "pays-too-late"
    )
    longer = against(own_cost(replace(case, model_life_months=36)), BIG)
    assert longer.break_even_months.value == pytest.approx(float(versus.own.once) / float(versus.no_longer_paid))


@pytest.mark.parametrize(
    ("changes", "made", "bought"),
    [
        ({}, 1, 1),
        ({"model_life_months": 1}, 12, 1),
        ({"model_life_months": 5}, 3, 1),
        ({"model_life_months": 24, "write_off_years": 0.5}, 1, 2),
    ],
)
def test_a_year_has_as_many_makings_and_purchases_as_fall_into_it(
    changes: dict[str, float], made: int, bought: int
) -> None:
    versus = against(own_cost(replace(BOUGHT, **changes)), BIG)
    spent = made * float(versus.own.once) + bought * 2_400
    assert float(versus.first_year) == pytest.approx(12 * float(versus.no_longer_paid) - spent)
    assert evaluated(versus.first_year.formula) == pytest.approx(float(versus.first_year), rel=1e-4)


def test_a_break_even_after_a_life_has_paid_for_the_next() -> None:
    case = replace(BOUGHT, purchase_usd=20_000, write_off_years=5, model_life_months=6)
    versus = against(own_cost(case), BIG)
    months = versus.break_even_months.value
    assert months is not None and 12 < months < 60
    assert months * float(versus.no_longer_paid) == pytest.approx(outlay(versus, months))
    for earlier in range(1, math.floor(months)):
        assert earlier * float(versus.no_longer_paid) < outlay(versus, earlier)
    assert evaluated(versus.break_even_days.formula) == pytest.approx(30 * months, rel=1e-4)


def test_work_that_one_card_cant_earn_back_takes_several() -> None:
    case = replace(RENTED, upkeep_usd_a_month=5_000)
    versus = against(own_cost(case), Hosted("cheap", usd_a_request=0.0008))
    load = versus.pays_from.value
    assert load is not None and float(own_cost(replace(case, queries_a_month=load)).cards) > 2
    assert float(against(own_cost(replace(case, queries_a_month=load + 2)), versus.hosted).saved) >= 0


@pytest.mark.parametrize("queries", [2_200_000, 4_400_000])
def test_a_card_more_makes_it_dearer_again_until_the_next_load_that_pays(queries: float) -> None:
    case = Case(queries, 500, 500, requests_a_minute=100, idle_share=0.5, rent_usd_an_hour=0.8)
    versus = against(own_cost(case), SMALL)
    least = against(own_cost(replace(case, queries_a_month=1_000)), SMALL).pays_from.value
    load = versus.pays_from.value
    assert least and load and least < queries < load and float(versus.saved) < 0
    assert float(against(own_cost(replace(case, queries_a_month=least)), SMALL).saved) == pytest.approx(0)
    for share, saves in ((0.999, False), (1.001, True)):
        assert (float(against(own_cost(replace(case, queries_a_month=load * share)), SMALL).saved) > 0) == saves
    (reason,) = reasons_against(versus, (), None)
    assert f"it pays from {versus.pays_from.shown} queries" in reason.text
    assert evaluated(versus.pays_from.formula) == pytest.approx(load, rel=1e-4)


def test_what_a_full_card_costs_more_than_hosted_never_pays() -> None:
    versus = against(own_cost(replace(RENTED, queries_a_month=50_000_000)), Hosted("cheap", usd_a_request=0.0001))
    assert versus.pays_from.value is None and versus.break_even_queries.shown == "never"
    assert float(versus.saved) < 0


def codes(versus: Versus, *others: Versus, examples: int | None = 5_000) -> set[str]:
    return {one.code for one in reasons_against(versus, others, examples)}


def test_when_not_to_is_said() -> None:
    good = against(own_cost(RENTED), BIG)
    assert codes(good) == set()
    few = against(own_cost(replace(RENTED, queries_a_month=FEWEST_QUERIES - 1)), BIG)
    assert "few-queries" in codes(few) and {"hosted-is-cheaper", "hardly-used"} <= codes(few)
    assert "few-queries" not in codes(against(own_cost(replace(RENTED, queries_a_month=FEWEST_QUERIES)), BIG))
    assert codes(good, examples=FEWEST_EXAMPLES - 1) == {"few-examples"}
    assert codes(good, examples=FEWEST_EXAMPLES) == codes(good, examples=None) == set()
    assert codes(against(own_cost(RENTED), SMALL)) == {"hosted-is-cheaper"}
    assert codes(good, against(own_cost(RENTED), SMALL)) == {"another-is-cheaper"}
    dear = against(own_cost(replace(BOUGHT, purchase_usd=60_000)), BIG)
    assert dear.break_even_months.value is None and "pays-too-late" in codes(dear)
    late = against(own_cost(replace(BOUGHT, purchase_usd=35_400, model_life_months=24)), BIG)
    assert late.break_even_months.value is not None and late.break_even_months.value > 36
    assert codes(late) == {"pays-too-late"}
    slow = against(own_cost(replace(RENTED, curation_hours=500, model_life_months=60)), BIG)
    assert slow.break_even_months.value is not None and codes(slow) == {"pays-too-late"}


def test_reasons_name_the_figures() -> None:
    versus = against(own_cost(RENTED), SMALL)
    (reason,) = reasons_against(versus, (), None)
    assert versus.month.shown in reason.text and versus.own.month.shown in reason.text
    assert versus.pays_from.shown in reason.text


@pytest.mark.parametrize("case", [RENTED, BOUGHT], ids=["rented", "bought"])
def test_sensitivity_is_sorted_and_is_what_a_new_reckoning_gives(case: Case) -> None:
    base = against(own_cost(case), BIG)
    found = swings(base)
    effects = [swing.effect(base) for swing in found]
    assert effects == sorted(effects, reverse=True) and effects[0] > 0
    used = {name for name in INPUTS if getattr(case, name)}
    assert {swing.name for swing in found} == used | {"hosted_prices"}
    for swing in found:
        if swing.name in used:
            value = getattr(case, swing.name)
            again = against(own_cost(replace(case, **{swing.name: value * swing.doubled_by})), BIG)
            assert swing.doubled.saved == again.saved
            assert swing.doubled.break_even_days == again.break_even_days
    idle = next(swing for swing in found if swing.name == "idle_share")
    assert idle.doubled.own.case.idle_share == pytest.approx(0.8)
    hours = next(swing for swing in found if swing.name == "hours_a_month")
    assert hours.doubled.own.case.hours_a_month == pytest.approx(744)


def test_every_input_of_a_case_is_varied() -> None:
    assert set(INPUTS) == {field.name for field in fields(Case)}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (60_000, "$60,000"),
        (208.8, "$208.80"),
        (999.999, "$1,000"),
        (-12, "−$12.00"),
        (0, "$0.00"),
        (0.045, "$0.045"),
        (0.6, "$0.60"),
        (0.9999, "$1.00"),
        (0.0000483333, "$0.0000483"),
    ],
)
def test_amounts_as_people_read_them(value: float, shown: str) -> None:
    assert dollars(value) == shown


def test_numbers_in_formulas_and_shares() -> None:
    assert [number(value) for value in (0, 1_000_000, 0.000117074, 61.09664, -2.5)] == [
        "0",
        "1,000,000",
        "0.000117074",
        "61.0966",
        "(−2.5)",
    ]
    assert [usd(value) for value in (208.8, -3, 0.000375)] == ["$208.80", "(−$3)", "$0.000375"]
    assert [percent(value) for value in (0.99652, 0.914, 0.91, 0.0002, -0.5)] == [
        "99.65 %",
        "91.4 %",
        "91 %",
        "0.02 %",
        "−50 %",
    ]
    assert [percent(value) for value in (1, 0.9999999, 0.99996, 0.00001, 0.00005, 0)] == [
        "100 %",
        "99.99 %",
        "99.99 %",
        "< 0.01 %",
        "0.01 %",
        "0 %",
    ]
    assert [Figure("x", "x", days, "days", "").shown for days in (0, 0.001, 0.05, 7, 100.4)] == [
        "0",
        "< 0.1",
        "0.1",
        "7",
        "100",
    ]
    assert Figure("x", "x", 116.2, "queries", "").shown == "117"
    assert Figure("x", "x", 117.0000000001, "queries", "").shown == "117"
