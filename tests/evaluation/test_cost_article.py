"""Every number of the reference article's cost section comes out of its own inputs, or is shown to be rounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.errors import SettingsError
from evaluation.cost.scenario import FOLDER, Checked, Scenario, load_scenario

SAID = {
    "GPT-4 at $60 a million tokens": (60_000, 1_000_000 * 1_000 * 60 / 1e6, "exact"),
    "capacity of the rented card": (4_320_000, 100 * 60 * 24 * 30, "exact"),
    "rented card at $0.29 an hour": (210, 0.29 * 24 * 30, "rounded"),  # $208.80
    "saved against GPT-4": (0.9965, (60_000 - 208.80) / 60_000, "rounded"),  # 99.652 %
    "GPT-4o-mini, a million tokens, low": (0.15, 0.15, "exact"),
    "GPT-4o-mini, a million tokens, high": (0.60, 0.60, "exact"),
    "serverless, a request, low": (0.0002, 0.0002, "exact"),
    "serverless, a request, high": (0.0005, 0.0005, "exact"),
    "queries": (117, 7 / 0.06, "rounded"),  # 116.67, with a card that costs nothing
    "before: GPT-4": (3_000, 50_000 * 0.06, "exact"),
    "after: the card": (210, 208.80, "rounded"),
    "after: upkeep": (50, 50, "exact"),
    "saved": (0.91, (3_000 - 208.80 - 50) / 3_000, "rounded"),  # 91.37 %
}
BESIDE = {
    "a query at the card's capacity": 208.80 / 4_320_000,
    "GPT-4 at its list price, $30 and $60": 1_000_000 * (500 * 30 + 500 * 60) / 1e6,  # $45,000
    "break-even, the card's rent included": 7 / (60_000 - 208.80) * 1_000_000,  # 117.07: the 118th query
    "queries from which the card pays, a month": 208.80 / 0.06,  # 3,480
    "queries that pay for the first month": (208.80 + 7) / 0.06,  # 3,596.67
    "GPT-4o-mini at a million queries, low": 150,
    "GPT-4o-mini at a million queries, high": 600,
    "GPT-4o-mini at a million queries": 375,
    "saved against GPT-4o-mini": (375 - 208.80) / 375,  # 44.3 %
    "serverless at a million queries, low": 200,
    "serverless at a million queries, high": 500,
    "the case study with GPT-4o-mini": 18.75,
    "the case study, serverless, high": 25,
    "capacity that the case study uses": 50_000 / 4_320_000,
}


@pytest.fixture(scope="module")
def article() -> Scenario:
    return load_scenario("article")


@pytest.fixture(scope="module")
def rows(article: Scenario) -> dict[str, Checked]:
    assert len({one.row.what for one in article.checked}) == len(article.checked)
    return {one.row.what: one for one in article.checked}


@pytest.mark.parametrize("what", SAID)
def test_what_the_article_says(rows: dict[str, Checked], what: str) -> None:
    said, real, verdict = SAID[what]
    assert rows[what].row.said == said
    assert rows[what].figure.value == pytest.approx(real)
    assert rows[what].verdict == verdict


@pytest.mark.parametrize("what", BESIDE)
def test_what_its_inputs_say_beside_that(rows: dict[str, Checked], what: str) -> None:
    assert rows[what].figure.value == pytest.approx(BESIDE[what])
    assert rows[what].verdict == ""


def test_nothing_else_is_in_the_tables(rows: dict[str, Checked]) -> None:
    assert rows.keys() == SAID.keys() | BESIDE.keys()


def test_whole_queries_are_counted_up(rows: dict[str, Checked]) -> None:
    shown = {what: one.figure.shown for what, one in rows.items()}
    assert shown["queries"] == "117"
    assert shown["break-even, the card's rent included"] == "118"
    assert shown["queries that pay for the first month"] == "3,597"


def test_the_articles_own_rounding_gives_the_same_shares() -> None:
    assert round((60_000 - 210) / 60_000, 4) == 0.9965
    assert round((3_000 - 210 - 50) / 3_000, 2) == 0.91


def copy(tmp_path: Path, old: str, new: str) -> str:
    text = (FOLDER / "article.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    return str(path)


def test_a_number_that_is_wrong_is_off(tmp_path: Path) -> None:
    mine = load_scenario(copy(tmp_path, "said = 60_000", "said = 59_000"))
    assert [one.row.what for one in mine.checked if one.verdict == "off"] == ["GPT-4 at $60 a million tokens"]
    mine = load_scenario(copy(tmp_path, "said = 210\nto = 10", "said = 210\nto = 1"))
    assert [one.row.what for one in mine.checked if one.verdict == "off"] == ["rented card at $0.29 an hour"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('case = "million"', 'case = "milion"', "names no case 'milion'"),
        ('against = "GPT-4"', 'against = "GPT-44"', "no hosted model 'GPT-44' among the prices; did you mean gpt-4?"),
        ('figure = "hosted_usd_a_month"', 'figure = "hosted_usd_month"', "did you mean `hosted_usd_a_month`?"),
        ('inherits = "million"', 'inherits = "full"', "`cases.full` inherits from no other case"),
        ("idle_share = 0", "idle_share = 3", "`cases.million.idle_share`"),
        ("idle_share = 0", "idl_share = 0", "`cases.million.idl_share`"),
        ('inherits = "million"', 'inherits = ["million"]', "`cases.full` inherits from no other case"),
        ("said = 60_000", "said = nan", "`rows.0.said`"),
        ("said = 60_000", "said = 1e300", "`rows.0.said`"),
        ("taken = 2024-01-01", 'taken = "then"', "`prices.hosted.0.taken`"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_scenario(copy(tmp_path, old, new))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_no_such_scenario() -> None:
    with pytest.raises(SettingsError, match="no scenario 'articel'; there is article"):
        load_scenario("articel")
