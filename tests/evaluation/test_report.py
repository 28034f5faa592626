import io
import json
from html.parser import HTMLParser

import pytest
from rich.console import Console

from bundle.errors import EvaluationError
from evaluation.bootstrap import Series
from evaluation.escape import fenced, markdown, one_line, visible
from evaluation.estimate import Estimate, estimate
from evaluation.metric import METRICS
from evaluation.page import Example, ExampleAnswer, render_page
from evaluation.report import Report, SuiteReport, load_report, print_table, summary
from evaluation.suite.changes import Changes
from evaluation.web import render_html

HOSTILE = "a|b`c\x1b[2J\n[bold]<script>**\u202e"
QUESTIONS = 40


def make_report(names=("base", "tuned"), shares=(20, 30)):
    series = {
        name: {
            "valid_python": Series.of([float(question < good) for question in range(QUESTIONS)]),
            "loss": Series([20.0 - good * 0.3] * QUESTIONS, [10.0] * QUESTIONS),
            "tokens": Series.of([float(100 + question) for question in range(QUESTIONS)]),
        }
        for name, good in zip(names, shares, strict=True)
    }
    single = {name: {"seconds": 12.0, "tokens_per_second": 80.0} for name in names}
    single[names[0]]["megabytes"] = 144.8
    candidates, pairs = estimate(series, single, QUESTIONS, seed=0)
    return Report(
        candidates=candidates,
        pairs=pairs,
        order=list(names),
        models=dict.fromkeys(names, "pocket Q8_0"),
        questions=QUESTIONS,
        held_out=412,
        seed=0,
        sampling={"temperature": 0.3, "max_tokens": 512},
        concurrency=4,
        seconds=30.5,
        dataset_digest="0" * 64,
        template_digest="1" * 64,
    )


def printed(tmp_path, report, width=80):
    path = tmp_path / "report.json"
    path.write_text(report.model_dump_json())
    stream = io.StringIO()
    print_table(path, Console(file=stream, width=width, color_system=None))
    return stream.getvalue()


def test_estimates_and_differences():
    report = make_report()
    base, tuned = report.candidates["base"], report.candidates["tuned"]
    assert base["valid_python"].mean == 0.5 and tuned["valid_python"].mean == 0.75
    assert base["loss"].mean == pytest.approx(1.4) and tuned["loss"].mean == pytest.approx(1.1)
    assert base["valid_python"].low < 0.5 < base["valid_python"].high
    assert base["seconds"].low == base["seconds"].mean == base["seconds"].high == 12
    pair = report.pairs["valid_python"]
    assert pair.difference == 0.25 and 0 < pair.low < 0.25 < pair.high and pair.clear
    assert pair.p == 2 / 2**10 and report.pairs["tokens"].p == 1
    assert set(report.pairs) == {"valid_python", "loss", "tokens"}
    paired, alone = pair.high - pair.low, base["valid_python"].high - base["valid_python"].low
    assert paired < alone  # question by question: the 20 that both get right don't blur the difference
    assert summary(report) == "held-out loss 1.40 → 1.10, valid Python 50 → 75 %"


def test_twins_tie(tmp_path):
    report = make_report(shares=(20, 20))
    assert all(
        pair.difference == pair.low == pair.high == 0 and pair.p == 1 and not pair.clear
        for pair in report.pairs.values()
    )
    assert "*" not in printed(tmp_path, report).split("held-out questions")[0]


def test_one_candidate_has_no_pairs(tmp_path):
    report = make_report(["tuned"], [30])
    assert not report.pairs and summary(report) == "held-out loss 1.10, valid Python 75 %"
    assert "tuned" in printed(tmp_path, report) and "| measure | tuned |\n" in render_page(report, [])


def test_the_terminal_table_marks_the_better_value(tmp_path):
    lines = printed(tmp_path, make_report()).splitlines()
    rows = {metric.title: line for metric in METRICS for line in lines if line.lstrip().startswith(metric.title)}
    assert set(rows) == {
        "held-out loss",
        "valid Python",
        "tokens an answer",
        "tokens a second",
        "seconds in all",
        "size",
    }
    loss = rows["held-out loss"].split()
    assert loss[2:] == ["1.40", "1.10*", "-0.30", "(-0.30,", "-0.30)"]
    valid = rows["valid Python"]
    assert valid.index("50 %") < valid.index("75 %") < valid.index("*") < valid.index("+25 (+1")
    assert "*" not in rows["tokens an answer"] and "*" not in rows["seconds in all"] and "–" in rows["size"]
    assert "tuned − base" in lines[0] and max(map(len, lines)) <= 80


def test_several_candidates_have_a_line_each_with_the_best_marked(tmp_path):
    lines = printed(tmp_path, make_report(["base", "tuned", "tuned Q4_0", HOSTILE], [20, 30, 25, 10])).splitlines()
    assert max(map(len, lines)) <= 80 and not set("".join(lines)) & {"\x1b", "\u202e"}
    rows = [line.split() for line in lines if line.startswith(("base ", "tuned "))]
    assert [row[-2:] for row in rows[:3]] == [["1.40", "50"], ["1.10*", "75*"], ["1.25", "62"]]
    assert rows[-3][-1] == "145" and rows[-2][-1] == rows[-1][-1] == "–"


@pytest.mark.parametrize("width", [20, 80])
def test_a_hostile_name_breaks_neither_terminal_nor_page(tmp_path, width):
    report = make_report([HOSTILE, "tuned"])
    text = printed(tmp_path, report, width)
    assert not set(text) & {"\x1b", "\u202e"} and max(map(len, text.splitlines())) <= width
    table = [line for line in render_page(report, []).splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    assert {line.replace("\\|", "").count("|") for line in table} == {6}


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "damaged"), ("{}", "damaged at candidates"), (None, "boffin evaluate"), ("order", "damaged at order")],
)
def test_a_missing_or_damaged_report_is_one_line(tmp_path, text, what):
    if text == "order":
        text = json.dumps(make_report().model_dump() | {"order": ["base"]})
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(EvaluationError, match=what) as caught:
        load_report(tmp_path)
    assert "\n" not in str(caught.value)


def code_blocks(page):
    """The contents of the page's fenced blocks as CommonMark reads them, and the lines outside them."""
    blocks, outside, fence = [], [], ""
    for line in page.split("\n"):
        run = len(line) - len(line.lstrip("`"))
        if fence:
            if run >= len(fence) and not line.strip("`"):
                fence = ""
            else:
                blocks[-1].append(line)
        elif run >= 3:
            fence = "`" * run
            blocks.append([])
        else:
            outside.append(line)
    assert not fence
    return ["\n".join(block) for block in blocks], outside


@pytest.mark.parametrize(
    "answer",
    [
        "```python\nx\n```",
        "`````\n# Not a heading\n",
        "```",
        "| a | b |\n|---|---|",
        "</details><script>",
        "\r```\r# x",
    ],
)
def test_an_answer_can_not_leave_its_fence(answer):
    example = Example("json.dumps", "How?\n```\nx", [ExampleAnswer("tuned", answer, "7 tokens, unknown: a|b")])
    blocks, outside = code_blocks(render_page(make_report(), [example]))
    assert blocks == ["How?\n```\nx", visible(answer)]
    assert [line for line in outside if line.startswith("#")] == [
        "# Evaluation",
        "## How it was measured",
        "## Answers in full",
        "### 1. json.dumps",
    ]
    assert "**tuned** · 7 tokens, unknown: a\\|b" in outside


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags |= {tag, *(name for name, _ in attributes if name.startswith("on") or name in ("src", "href"))}

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "answer", ["</pre><script>alert(1)</script>", "<img src=x onerror=y>", "\x1b]0;t\x07", "{{ 7 }}"]
)
def test_nothing_from_outside_is_a_part_of_the_page_for_browsers(answer):
    example = Example("json.dumps", f"How? {answer}", [ExampleAnswer(HOSTILE, answer, answer)])
    page = Tags(render_html(make_report([HOSTILE, "tuned"]), [example], Changes()))
    assert not page.tags & {"script", "img", "src", "href", "onerror", "link", "iframe"}
    assert visible(answer) in page.text and "\x1b" not in page.text
    assert {"svg", "table"} <= page.tags


def test_a_page_of_one_candidate_has_no_differences():
    assert '<th class="right">p</th>' not in render_html(make_report(["tuned"], [30]), [], Changes())


@pytest.mark.parametrize(
    ("passes", "runs", "complete", "shown"),
    [
        ((0.0, 0.3), (0.1, 0.8), (0.1, 0.8), "suite: code passes"),
        ((0.0, 0.01), (0.7, 0.72), (0.1, 0.8), "suite: complete"),
        ((0.0, 0.01), (0.7, 0.72), (0.08, 0.12), "suite: code passes"),
        ((0.0, 0.0), (0.7, 0.72), (0.08, 0.12), "uses it and runs"),
    ],
)
def test_quality_in_a_picture_is_what_tells_two_apart_or_else_what_anybody_has(passes, runs, complete, shown):
    measured = {"suite_passes": passes, "runs": runs, "suite_complete": complete, "megabytes": (145.0, 92.0)}
    candidates = {
        name: {
            metric: Estimate(mean=means[position], low=max(means[position] - 0.05, 0), high=means[position] + 0.05)
            for metric, means in measured.items()
        }
        for position, name in enumerate(("base", "tuned"))
    }
    suite = SuiteReport(name="python", questions=100, available=100, checked=100, digest="0" * 64, by={})
    report = make_report().model_copy(update={"candidates": candidates, "suite": suite})
    html = render_html(report, [], Changes())
    assert f"<title>{shown} by size</title>" in html


def test_escapes():
    assert visible("a\x1b[31m\x00\tb\r\nc\rd\u2028\u202e") == "a\ufffd[31m\ufffd\tb\nc\nd\ufffd\ufffd"
    assert one_line(" a\n\n b ") == "a b" and len(one_line("x" * 1_000_000)) == 200
    assert markdown("a|b_c`*\\") == "a\\|b\\_c\\`\\*\\\\"
    assert fenced("a````b", "text") == "`````text\na````b\n`````"
    shown = fenced("x" * 1_000_000, "text")
    assert len(shown) < 21_000 and "980,000 more characters" in shown


def test_metrics_are_shown_as_they_are_meant():
    by_name = {metric.name: metric for metric in METRICS}
    assert by_name["valid_python"].with_unit(by_name["valid_python"].number(0.975)) == "98 %"
    assert by_name["loss"].number(-0.001, signed=True) == "+0.00"
    assert by_name["loss"].best({"base": 1.44, "tuned": 0.99}) == "tuned"
    assert by_name["loss"].best({"base": 1.441, "tuned": 1.439}) == ""
    assert by_name["tokens"].best({"base": 1, "tuned": 2}) == ""
    assert by_name["loss"].is_gain(-0.1) and by_name["valid_python"].is_gain(0.1)
