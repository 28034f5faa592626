"""The report, its pages and the card: figures that add up, hostile records that stay text, data that loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from markdown_it import MarkdownIt

from bundle.errors import DatasetError
from bundle.records import EVAL, REJECTED, REPORT, SYMBOLS, TRAIN, Provenance, Record, Rejection, write_records
from curation.card import CARD, write_card
from curation.pages import HTML, MARKDOWN, SAMPLES, pick, write_pages
from curation.pictures import Bar, bars, columns
from curation.report import Report, load_report, summary

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> ![p](http://tracker.example/p.png) "
    "[go](javascript:alert(1)) </article> \x1b[31mred \u202egnp | pipe {{ 7 * 7 }}\n"
    "````\n# A heading that isn't\n\n```python\nprint('</code></pre><script>alert(2)</script>')\n```"
)


def record(number: int, package: str = "numpy", output: str = "", **changes: object) -> Record:
    values: dict[str, object] = {
        "source": "package",
        "package": package,
        "version": "2.0",
        "symbol": f"{package}.f{number}",
        "kind": "usage",
        "licence": "BSD-3-Clause",
    }
    return Record(
        instruction=f"How do I use f{number}?",
        output=output or f"It is `f{number}`.\n\n```python\nprint({number})\n```\n\n- A point.",
        provenance=Provenance.model_validate({**values, **changes}),
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    train = [record(n, "numpy" if n % 3 else "pandas") for n in range(30)]
    train += [record(90, "evil|<b>lib</b>\n", HOSTILE, licence='Own "licence"\n: x', kind="<i>", url="javascript:x")]
    train += [record(91, written=True, varies=True)]
    held_out = [record(n, "pandas", licence="Apache-2.0") for n in range(100, 104)]
    rejected = [
        Rejection(code="too-large", stage="collect", detail="100 MB", where="a.html"),
        Rejection(code="syntax", stage="clean", detail="x", record=record(200)),
        Rejection(code="run-exception", stage="verify", detail="x", record=record(201)),
        Rejection(code="near-duplicate", stage="judge", detail="x", record=record(202)),
        Rejection(code="balance", stage="balance", detail="x", record=record(203)),
        Rejection(code="<u>own</u>", stage="balance", detail="x", record=record(204)),
    ]
    report = Report(entries=50)
    for one in [*train, *held_out, *(rejection.record for rejection in rejected)]:
        if one:
            report.composed(one.provenance)
            report.ran(one.provenance.package, one.instruction != "How do I use f201?")
    for rejection in rejected:
        report.reject(rejection)
    for side, held in ((train, False), (held_out, True)):
        for one in side:
            report.keep(one, held)
    report.seconds = 1.5
    write_records(tmp_path / TRAIN, train)
    write_records(tmp_path / EVAL, held_out)
    write_records(tmp_path / REJECTED, rejected)
    (tmp_path / SYMBOLS).write_text("{}")
    report.save(tmp_path)
    write_pages(tmp_path)
    write_card(tmp_path, report, "tiny")
    return tmp_path


def test_the_figures_add_up(dataset: Path) -> None:
    value = json.loads((dataset / REPORT).read_text())
    assert value["raw"] == 41 and value["clean"] == 40 and value["kept"] == 36
    assert value["kept"] == value["train"] + value["eval"] == sum(value["by_library"].values())
    assert value["kept"] == sum(value["by_kind"].values()) == sum(value["licences"].values())
    assert value["rejected"]["too-large"] == 1 and sum(value["rejected"].values()) == 6
    assert value["rejected_by_stage"]["balance"] == {"balance": 1, "<u>own</u>": 1}
    assert value["duplicates"] == {"duplicate": 0, "near-duplicate": 1, "code-repeated": 0, "leak": 0}
    assert value["runs"]["numpy"] == {"ran": 26, "passed": 25, "rate": 0.9615}
    assert (value["written"], value["varies"]) == (1, 1)
    assert sum(value["lengths"]["histogram"].values()) == 36
    assert value["lengths"]["shortest"] <= value["lengths"]["median"] <= value["lengths"]["p95"]
    assert "seconds_cold" not in value
    assert load_report(dataset).funnel == [("raw", 41), ("clean", 40), ("runs", 39), ("judged", 38), ("kept", 36)]


def test_figures_that_were_measured_later_are_shown(dataset: Path) -> None:
    assert "in a fresh process" not in (dataset / HTML).read_text()
    value = json.loads((dataset / REPORT).read_text())
    value |= {"rerun_pass_rate": 0.998, "seconds_cold": 1432.4, "seconds_warm": 41, "peak_memory_mb": 900, "more": {}}
    (dataset / REPORT).write_text(json.dumps(value))
    write_pages(dataset)
    for name in (HTML, MARKDOWN):
        text = (dataset / name).read_text()
        assert "99.8%" in text and "1,432" in text and "41" in text and "900" in text


@pytest.mark.parametrize("text", ["", "{", '{"raw": "many"}'])
def test_a_damaged_report_is_one_line(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / REPORT).write_text(text)
    with pytest.raises(DatasetError, match=r"report\.json: (no such file|damaged)") as caught:
        load_report(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_summary_is_a_few_plain_lines(dataset: Path) -> None:
    lines = summary(load_report(dataset))
    assert 6 <= len(lines) <= 8 and all("\n" not in line for line in lines)
    assert lines[0].split()[:2] == ["raw", "41"] and lines[4].split()[:2] == ["kept", "36"]
    assert len(lines[0]) > len(lines[4]), "the bar grows with the count"
    assert summary(Report()) == ("raw           0", "clean         0", "runs          0", "judged        0",
                                 "kept          0", "split         0 to train on, 0 held out")  # fmt: skip


class _Page(HTMLParser):
    """Collects tags, and attributes by name."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "rect", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag, f"{tag} closes something else"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_records_stay_text_in_html(dataset: Path) -> None:
    write_records(dataset / TRAIN, [record(90, "evil<b>lib</b>", HOSTILE, kind="<i>", url="javascript:x")])
    write_pages(dataset)
    source = (dataset / HTML).read_text()
    page = _Page()
    page.feed(source)
    assert not {"script", "img", "a", "b", "i", "u", "iframe", "link"} & (set(page.tags) - {"b", "i"})
    assert page.tags.count("i") == 1 and page.tags.count("b") == source.count('<div class="tile">')
    assert not any(name.startswith("on") or name in ("href", "src") for name, _ in page.attributes)
    assert "<script>alert(1)</script>" in page.text and "</code></pre><script>alert(2)" in page.text
    assert "{{ 7 * 7 }}" in page.text and "<u>own</u>" in page.text
    assert "\x1b" not in source and "\u202e" not in source
    assert "default-src 'none'" in source and "prefers-color-scheme: dark" in source
    styles = "".join(re.findall(r"<style>(.*?)</style>", source, re.DOTALL))
    assert styles and not re.search(r"@import|url\(", styles)
    assert page.open == []


def test_hostile_records_stay_text_in_markdown(dataset: Path) -> None:
    write_records(dataset / TRAIN, [record(90, "evil|<b>lib</b>", HOSTILE, kind="<i>")])
    write_pages(dataset)
    for name in (MARKDOWN, CARD):
        source = (dataset / name).read_text()
        tokens = (
            MarkdownIt("commonmark")
            .enable("table")
            .parse(source.removeprefix("---\n").partition("\n---\n")[2] or source)
        )
        inside = [child for token in tokens for child in token.children or []]
        assert not any(token.type in ("html_block", "image") for token in [*tokens, *inside])
        assert not any(token.type in ("html_inline", "link_open") for token in inside)
        assert "\x1b" not in source and "\u202e" not in source
        headings = [inside.content for mark, inside in pairwise(tokens) if mark.type == "heading_open"]
        assert "A heading that isn't" not in headings and len(headings) > 5


def test_ten_records_are_picked_by_the_seed_alone(dataset: Path) -> None:
    first = pick(dataset, SAMPLES, 0)
    assert len(first) == SAMPLES and first == pick(dataset, SAMPLES, 0) != pick(dataset, SAMPLES, 1)
    train = (dataset / TRAIN).read_text().splitlines()
    (dataset / TRAIN).write_text("\n".join(reversed(train)) + "\n")
    assert pick(dataset, SAMPLES, 0) == first
    assert (dataset / HTML).read_text().count("<article>") == SAMPLES


def test_pictures_are_well_formed_whatever_the_labels() -> None:
    rows = [Bar('<x> & "y"\x1b', 10, "10", 3), Bar("none", 0, "0")]
    for picture in (bars("T <&>", rows), bars("", []), columns("C", [(0, 3), (300, 1)], 100), columns("", [], 100)):
        root = ElementTree.fromstring(picture)
        for box in root.iter("{http://www.w3.org/2000/svg}rect"):
            assert float(box.attrib["x"]) >= 0 and float(box.attrib["width"]) >= 0
            assert float(box.attrib["x"]) + float(box.attrib["width"]) <= 720.1
    empty = [column for column in columns("C", [(0, 3), (300, 1)], 100).splitlines() if ": 0<" in column]
    assert len(empty) == 2


def test_the_card_has_front_matter(dataset: Path) -> None:
    front, _, text = (dataset / CARD).read_text().removeprefix("---\n").partition("\n---\n")
    value = yaml.safe_load(front)
    assert value["license"] == ["apache-2.0", "bsd-3-clause", "other"]
    assert value["size_categories"] == ["n<1K"] and value["pretty_name"] == "tiny"
    assert value["configs"][0]["data_files"] == [
        {"split": "train", "path": TRAIN},
        {"split": "eval", "path": EVAL},
    ]
    assert "evil|<b>lib</b>" in value["tags"]
    assert "36 questions" in text and "1.5" not in text, "no times"


LOAD = """
import sys
from datasets import load_dataset
folder = sys.argv[1]
whole = load_dataset(folder)
named = load_dataset("json", data_files={"train": f"{folder}/train.jsonl", "eval": f"{folder}/eval.jsonl"})
for found in (whole, named):
    print(sorted(found), [found[name].num_rows for name in sorted(found)], found["train"].column_names)
    print(found["train"][0]["provenance"]["symbol"], found["train"][31]["provenance"]["varies"])
"""


def test_it_loads_with_datasets(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("datasets")
    cache = tmp_path_factory.mktemp("cache")
    environment = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(dataset)], capture_output=True, text=True, check=False, env=environment
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert (
        run.stdout.splitlines()
        == [
            "['eval', 'train'] [4, 32] ['instruction', 'input', 'output', 'documentation', 'provenance']",
            "pandas.f0 True",
        ]
        * 2
    )
