"""Where the cost calculator's inputs come from: settings, artefacts, prices; and what a mistake is told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import EvaluationError, SettingsError
from evaluation.cost import measured as module
from evaluation.cost.inputs import Inputs, gather
from evaluation.cost.measured import TEMPLATE_TOKENS, Measured, Measurement, measure, read_benchmark
from evaluation.cost.prices import load_prices
from evaluation.cost.settings import CostSettings
from evaluation.estimate import Difference, Estimate
from evaluation.report import Report
from evaluation.stage import ANSWERS

PRICES = load_prices()
MEASURED = Measured(
    prompt_tokens=Measurement(80, "evaluation, p"),
    answer_tokens=Measurement(120, "evaluation, a"),
    tokens_a_second=Measurement(60, "evaluation, s"),
    training_hours=Measurement(2, "adapter"),
    examples=Measurement(1455, "dataset"),
)


def inputs(measured: Measured = MEASURED, benchmark: Measurement | None = None, **given: Any) -> Inputs:
    return gather(CostSettings.model_validate(given), PRICES, measured, benchmark)


def test_what_is_given_wins_over_what_is_measured_over_what_is_assumed() -> None:
    found = inputs(answer_tokens=300, queries_a_month=5e6)
    assert (found.case.answer_tokens, found.origins["answer_tokens"]) == (300, "given")
    assert (found.case.prompt_tokens, found.origins["prompt_tokens"]) == (80, "evaluation, p")
    assert (found.case.queries_a_month, found.origins["queries_a_month"]) == (5e6, "given")
    assert found.origins["curation_hours"] == "assumed" and found.examples == 1455
    nothing = inputs(Measured())
    assert (nothing.case.prompt_tokens, nothing.case.answer_tokens) == (500, 500)
    assert (nothing.case.requests_a_minute, nothing.origins["requests_a_minute"]) == (100, "assumed")
    assert nothing.examples is None


def test_throughput_is_given_or_a_benchmark_or_the_evaluation() -> None:
    benchmark = Measurement(900, "benchmark")
    assert inputs().case.tokens_a_second == 60
    assert inputs(benchmark=benchmark).case.tokens_a_second == 900
    assert inputs(benchmark=benchmark, tokens_a_second=7).case.tokens_a_second == 7
    given = inputs(benchmark=benchmark, requests_a_minute=3).case
    assert (given.requests_a_minute, given.tokens_a_second) == (3, 0)
    with pytest.raises(SettingsError, match="both given; leave one of them out"):
        inputs(requests_a_minute=1, tokens_a_second=1)
    with pytest.raises(SettingsError, match="`tokens_a_second` and `benchmark` are both given"):
        gather(CostSettings(tokens_a_second=1, benchmark="b.json"), PRICES, MEASURED, benchmark)


def test_hardware_is_rented_or_bought() -> None:
    rented = inputs().case
    assert rented.rent_usd_an_hour == PRICES.find_card("rtx-4090").usd_an_hour > 0
    assert rented.purchase_usd == rented.load_watts == 0 and rented.training_usd_an_hour == rented.rent_usd_an_hour
    bought = inputs(card="own-rtx-4090")
    assert bought.case.rent_usd_an_hour == 0 < bought.case.purchase_usd and bought.case.load_watts == 550
    assert bought.case.training_usd_an_hour == pytest.approx(0.55 * bought.case.usd_a_kwh)
    assert "tomsguide.com, 2022-10-12" in bought.origins["load_watts"]
    mine = inputs(purchase_usd=900)
    assert (mine.case.purchase_usd, mine.case.load_watts, mine.origins["load_watts"]) == (900, 450, "assumed")
    assert inputs(purchase_usd=900, load_watts=65).case.load_watts == 65
    with pytest.raises(SettingsError, match="leave one of them out"):
        inputs(purchase_usd=900, rent_usd_an_hour=1)


def test_a_cards_watts_count_where_its_price_is_given() -> None:
    mine = inputs(card="own-rtx-4090", purchase_usd=900)
    assert (mine.case.purchase_usd, mine.case.load_watts, mine.case.idle_watts) == (900, 550, 75)
    assert inputs(card="own-rtx-4090", rent_usd_an_hour=1).case.load_watts == 550
    assert inputs(rent_usd_an_hour=1).case.load_watts == 0
    with pytest.raises(SettingsError, match="no card 'abacus'"):
        inputs(card="abacus", purchase_usd=900)


def test_idle_takes_no_more_than_load() -> None:
    assert inputs(purchase_usd=900, load_watts=40).case.idle_watts == 40
    for given in ({"purchase_usd": 900, "idle_watts": 500}, {"idle_watts": 20}, {"load_watts": 50, "idle_watts": 51}):
        with pytest.raises(SettingsError, match=r"`idle_watts` is \d+ \(given\), more than `load_watts`"):
            inputs(**given)


def test_a_name_that_is_no_price() -> None:
    with pytest.raises(
        SettingsError, match=r"no hosted model 'gpt-4o-mni' among the prices; did you mean gpt-4o-mini\?"
    ):
        inputs(against="gpt-4o-mni")
    with pytest.raises(SettingsError, match="no card 'abacus' among the prices; there are rtx-4090"):
        inputs(card="abacus")


def test_every_shipped_price_has_a_date_and_a_place() -> None:
    entries = [*PRICES.hosted, *PRICES.cards, PRICES.electricity]
    assert len(entries) > 6
    for entry in entries:
        assert entry is not None and entry.source.startswith("https://") and entry.taken < date(2100, 1, 1)
    assert {price.name for price in PRICES.hosted} >= {"gpt-4", "gpt-4o", "gpt-4o-mini"}


def test_own_prices_come_before_the_shipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[hosted]]\nname = "GPT-4o"\nusd_a_request = 1\ntaken = 2030-01-01\nsource = "an offer"\n'
        '[[cards]]\nname = "attic"\nusd = 50\nload_watts = 40\ntaken = 2030-01-01\nsource = "attic"\n'
    )
    prices = load_prices(path)
    assert (
        prices.find_hosted("gpt-4o").usd_a_request == 1
        and prices.find_hosted("gpt-4o").origin == "an offer, 2030-01-01"
    )
    assert [price.name.lower() for price in prices.hosted].count("gpt-4o") == 1
    assert prices.find_card("attic").usd == 50 and prices.find_card("rtx-4090") and prices.electricity


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[cards]\n", "not valid TOML"),
        ('[[cards]]\nname = "x"\nusd = 1\nusd_an_hour = 1\ntaken = 2030-01-01\nsource = "y"', "either usd_an_hour"),
        ('[[cards]]\nname = "x"\nusd = 1\nsource = "y"', "`cards.0.taken`"),
        (
            '[[cards]]\nname = "x"\nusd = 1\nload_watts = 5\nidle_watts = 6\ntaken = 2030-01-01\nsource = "y"',
            "more idle_watts than load_watts",
        ),
        ('[[hosted]]\nname = "x"\nusd_a_request = -1\ntaken = 2030-01-01\nsource = "y"', "`hosted.0.usd_a_request`"),
        ('[[hosted]]\nname = "x"\nusd_a_request = inf\ntaken = 2030-01-01\nsource = "y"', "`hosted.0.usd_a_request`"),
        ('[[hosted]]\nname = "x"\n"\\u001b[31m" = 1', "hosted"),
        ('[[hosted]]\nname = "x"\nusd_a_request = 1e-300\ntaken = 2030-01-01\nsource = "y"', "0 or at least 1e-09"),
        ('[[hosted]]\nname = "x"\nusd_a_request = 1e300\ntaken = 2030-01-01\nsource = "y"', "`hosted.0.usd_a_request`"),
        ('[[hosted]]\nname = "x"\ntaken = 2030-01-01\nsource = "y"', "`hosted.0`: Value error, give a price"),
        *(
            (f'[[cards]]\nname = "{name}"\nusd = 1\ntaken = 2030-01-01\nsource = "y"', "`cards.0.name`")
            for name in ("", "  ", r"\u00a0\t", r"\u001b")
        ),
        (2 * '[[hosted]]\nname = "x"\nusd_a_request = 1\ntaken = 2030-01-01\nsource = "y"\n', "two are called 'x'"),
        (
            "".join(
                f'[[cards]]\nname = "{name}"\nusd = 1\ntaken = 2030-01-01\nsource = "y"\n'
                for name in ("Attic", "attic ")
            ),
            "two are called 'attic'",
        ),
        ("currency = 1", "`currency`"),
        (f"currency = {'9' * 5000}", "not valid TOML"),
        (f"currency = {'[' * 50_000}", "not valid TOML"),
    ],
    ids=lambda text: text[-24:],
)
def test_a_price_file_with_a_mistake(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_prices(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_no_price_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_prices(tmp_path / "none.toml")
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    for name in ("loop.toml", "n" * 300):
        with pytest.raises(SettingsError, match=r"can't be read \(.+\); name a TOML file of prices"):
            load_prices(tmp_path / name)


def estimate(mean: float) -> Estimate:
    return Estimate(mean=mean, low=mean, high=mean)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A report, an adapter and a dataset, as the stages leave them."""
    for name in ("report", "adapter", "dataset"):
        (tmp_path / name).mkdir()
    metrics = {"tokens": estimate(40), "tokens_per_second": estimate(90)}
    report = Report(
        candidates={"base": {"tokens": estimate(300), "tokens_per_second": estimate(50)}, "tuned": metrics},
        pairs={"tokens": Difference(difference=-1, low=-1, high=-1, p=0.5)},
        order=["base", "tuned"],
        models={"base": "b", "tuned": "t"},
        questions=2,
        held_out=2,
        seed=0,
        sampling={},
        concurrency=4,
        seconds=1,
        dataset_digest="",
        template_digest="",
    )
    (tmp_path / "report" / "report.json").write_text(report.model_dump_json())
    answers = [
        {"candidate": "tuned", "question": "q" * 60, "answer": "a" * 200, "tokens": 50, "seed": 1},
        {"candidate": "tuned", "question": "q" * 100, "answer": "a" * 120, "tokens": 30, "seed": 2},
        {"candidate": "base", "question": "q" * 999, "answer": "a", "tokens": 1, "seed": 1},
    ]
    (tmp_path / "report" / ANSWERS).write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    (tmp_path / "adapter" / "summary.json").write_text('{"seconds": 5400, "steps": 7}')
    (tmp_path / "dataset" / "train.jsonl").write_text("{}\n" * 1200)
    return tmp_path


def look(folder: Path, system_prompt: str = "") -> Measured:
    return measure(folder / "report", folder / "adapter", folder / "dataset", system_prompt)


def test_the_tuned_models_own_answers_are_what_is_measured(workspace: Path) -> None:
    assert module.ANSWERS == ANSWERS
    found = look(workspace, "s" * 20)
    assert found.answer_tokens == Measurement(40, "evaluation, tuned, 2 answers")
    assert found.tokens_a_second and found.tokens_a_second.value == 90
    # 320 characters in 80 tokens: 4 a token; 80 of the question, 20 of the system prompt.
    assert found.prompt_tokens and found.prompt_tokens.value == pytest.approx(100 / 4 + TEMPLATE_TOKENS)
    assert found.training_hours and found.training_hours.value == 1.5
    assert found.examples and found.examples.value == 1200


def test_prompts_that_were_counted_are_not_estimated(workspace: Path) -> None:
    path = workspace / "report" / ANSWERS
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    held_out = [{**line, "set": "held-out", "prompt_tokens": 300 + 20 * n} for n, line in enumerate(lines)]
    suite = {**lines[0], "set": "suite", "prompt_tokens": 9000, "question": "q" * 9999}
    path.write_text("".join(json.dumps(line) + "\n" for line in [*held_out, suite]))
    assert look(workspace).prompt_tokens == Measurement(310, "evaluation, tuned, 2 prompts")
    held_out[1]["prompt_tokens"] = None
    path.write_text("".join(json.dumps(line) + "\n" for line in [*held_out, suite]))
    found = look(workspace).prompt_tokens
    assert found and found.value == pytest.approx(80 / 4 + TEMPLATE_TOKENS)
    assert found.origin == "evaluation, estimated from 2 questions at 4.0 characters a token"


def test_nothing_built_is_nothing_measured(tmp_path: Path) -> None:
    assert look(tmp_path) == Measured()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("report/answers.jsonl", '{"candidate": "tuned"}\n', "answers.jsonl:1: damaged at question"),
        ("report/answers.jsonl", "\x1b[31m\n", "answers.jsonl:1: damaged"),
        ("report/report.json", "{}", "report.json: damaged"),
        ("adapter/summary.json", '{"seconds": -1}', "summary.json: damaged at seconds"),
        ("adapter/summary.json", '{"seconds": NaN}', "summary.json: damaged at seconds"),
        ("adapter/summary.json", '{"seconds": 1e-320}', "summary.json: damaged at seconds"),
        (
            "report/answers.jsonl",
            f'{{"candidate": "tuned", "question": "q", "answer": "a", "tokens": 1{"0" * 400}}}',
            "answers.jsonl:1: damaged at tokens",
        ),
    ],
)
def test_a_damaged_artefact_is_one_line(workspace: Path, file: str, text: str, said: str) -> None:
    (workspace / file).write_text(text)
    with pytest.raises(EvaluationError) as caught:
        look(workspace)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["tokens", "tokens_per_second"])
@pytest.mark.parametrize("mean", ["1e400", "1e300", "1e-320", "-5"])
def test_a_mean_that_cant_be_is_a_damage(workspace: Path, name: str, mean: str) -> None:
    path = workspace / "report" / "report.json"
    report = json.loads(path.read_text())
    report["candidates"]["tuned"][name]["mean"] = 0
    path.write_text(json.dumps(report))
    assert look(workspace).training_hours
    report["candidates"]["tuned"][name]["mean"] = float(mean)
    path.write_text(json.dumps(report))
    with pytest.raises(EvaluationError, match=rf"damaged at candidates\.tuned\.{name} "):
        look(workspace)


def test_a_benchmarks_best_row_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    rows: list[dict[str, Any]] = [{"tokens_per_second": 120.5}, {"tokens_per_second": 260}, {"other": 1}]
    path.write_text(json.dumps({"rows": rows}))
    assert read_benchmark(path) == Measurement(260, "benchmark, serve.json")
    path.write_text(json.dumps({"rows": {"one": rows[0], "two": rows[1]}}))
    assert read_benchmark(path).value == 260


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"rows": 3}',
        '{"rows": [1]}',
        *(f'{{"rows": [{{"tokens_per_second": {rate}}}]}}' for rate in ("true", "1e-320", "1e300", "1" + "0" * 400)),
    ],
)
def test_a_benchmark_that_measured_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(
        EvaluationError, match=r"no row has a `tokens_per_second`; name .*serve\.json \(`make bench-serve`\)"
    ):
        read_benchmark(path)


def test_a_benchmark_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no such file"):
        read_benchmark(tmp_path / "none.json")
    with pytest.raises(EvaluationError, match="can't be read"):
        read_benchmark(tmp_path / ("n" * 300))
    for text in ("no", "[" * 100_000, "9" * 5000):
        (tmp_path / "none.json").write_text(text)
        with pytest.raises(EvaluationError, match="not JSON"):
            read_benchmark(tmp_path / "none.json")
