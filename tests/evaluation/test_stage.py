import json

import pytest

from bundle.errors import DatasetError, EvaluationError
from bundle.stage import silent
from evaluation.candidate import Candidate
from evaluation.questions import draw_questions, held_out
from evaluation.report import load_report
from evaluation.settings import EvaluationSettings
from evaluation.stage import run

GOOD = "```python\nimport json\njson.dumps(1)\n```"
METRICS = {
    "loss",
    "python_block",
    "valid_python",
    "existing_symbols",
    "unknown_symbols",
    "deprecated",
    "uses_symbol",
    "runs",
    "ends_by_itself",
    "repetition",
    "tokens",
    "tokens_per_second",
    "seconds",
    "megabytes",
}


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def evaluate(template, out):
    def evaluate(dataset, candidates, **settings):
        seen = []
        result = run(
            EvaluationSettings(**settings), template, candidates, dataset, out, lambda *call, **_: seen.append(call)
        )
        return result, load_report(out), seen

    return evaluate


def by_number(answers):
    """Answers a question by the number in it, in turn."""
    return lambda body: answers[int(body["messages"][0]["content"].split()[-1][:-1]) % len(answers)]


def test_a_report_from_known_answers(make_endpoint, make_dataset, evaluate, replies, out):
    chat, score = replies
    base, tuned = make_endpoint(), make_endpoint()
    base.chat = by_number(
        [
            chat("No code.", "length", 40),
            chat("```python\njson.dumps(\n```", tokens=20),
            chat("```python\nimport json\njson.dumps(1)\njson.dumpz(1)\n```", tokens=20),
            chat("```python\nimport json\njson.loads('1')\n```", tokens=20),
        ]
    )
    tuned.chat = lambda body: chat(GOOD, tokens=10)
    base.score = lambda body: score(body, lambda token: -2.0)
    tuned.score = lambda body: score(body, lambda token: -0.5)
    candidates = [
        Candidate("base", base.url, "pocket-base", "Q8_0", 145_000_000),
        Candidate("tuned", tuned.url, "pocket", "Q8_0", 145_000_000),
    ]
    result, report, seen = evaluate(make_dataset(12), candidates, questions=12, examples=2)

    assert set(report.candidates["base"]) == set(report.candidates["tuned"]) == METRICS
    expected = {
        "loss": (2.0, 0.5),
        "python_block": (0.75, 1),
        "valid_python": (0.5, 1),
        "existing_symbols": (0.25, 1),
        "unknown_symbols": (0.25, 0),
        "deprecated": (0, 0),
        "uses_symbol": (0.25, 1),
        "runs": (0, 1),
        "ends_by_itself": (0.75, 1),
        "repetition": (0, 0),
        "tokens": (25, 10),
        "megabytes": (145, 145),
    }
    for metric, means in expected.items():
        assert (report.candidates["base"][metric].mean, report.candidates["tuned"][metric].mean) == means, metric
    assert report.pairs["valid_python"].difference == 0.5 and report.pairs["valid_python"].clear
    assert report.pairs["loss"].high == -1.5
    for estimates in report.candidates.values():
        assert all(value.low <= value.mean <= value.high for value in estimates.values())
        assert estimates["tokens_per_second"].mean > 0 and 0 < estimates["seconds"].mean <= report.seconds
    assert result.came_in == "12 of 12 held-out records, 2 candidates"
    assert result.went_out == "held-out loss 2.00 → 0.50, valid Python 50 → 100 %, ends by itself 75 → 100 %"
    assert result.notes == ()
    assert ("asking tuned", 12, 12, "questions") in seen and ("scoring base", 8, 12, "reference answers") in seen

    assert sorted(path.name for path in out.iterdir()) == ["answers.jsonl", "report.html", "report.json", "report.md"]
    answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert {answer["prompt_tokens"] for answer in answers} == {3}
    assert [answer["candidate"] for answer in answers] == ["base"] * 12 + ["tuned"] * 12
    assert {answer["answer"] for answer in answers[12:]} == {GOOD}
    assert {name for answer in answers[:12] for name in answer["unknown"]} == {"json.dumpz"}
    assert {(answer["uses_symbol"], answer["runs"]) for answer in answers} == {
        (False, False),
        (True, False),
        (True, True),
    }
    fails = [answer for answer in answers if answer["run_detail"]]
    assert len(fails) == 3 and "has no attribute 'dumpz'" in fails[0]["run_detail"]
    page = (out / "report.md").read_text()
    assert page.count("\n### ") == 2 and page.count(GOOD) == 2 and "| **0.50** |" in page


def test_code_is_not_run_without_its_library(endpoint, make_dataset, evaluate, replies):
    chat, _ = replies
    dataset = make_dataset(4)
    text = (dataset / "eval.jsonl").read_text()
    changed = text.replace('"stdlib"', '"elsewhere"').replace('"json.dumps"', '"elsewhere.json.dumps"')
    (dataset / "eval.jsonl").write_text(changed)
    endpoint.chat = lambda body: chat(GOOD)
    result, report, _ = evaluate(dataset, [Candidate("one", endpoint.url, "one")], questions=4)
    assert "runs" not in report.candidates["one"]
    assert result.notes == ("the code of the answers was not run: elsewhere can't be imported here",)


def test_every_candidate_is_asked_the_same_with_the_cache_off(make_endpoint, make_dataset, evaluate):
    servers = [make_endpoint(), make_endpoint()]
    candidates = [Candidate(name, server.url, name) for name, server in zip("ab", servers, strict=True)]
    evaluate(make_dataset(20), candidates, questions=10, seed=7, concurrency=3)
    asked = [
        sorted(
            (body["seed"], body["messages"][0]["content"], body["temperature"], body["top_p"], body["repeat_penalty"])
            for body in server.bodies("/v1/chat/completions")
        )
        for server in servers
    ]
    assert asked[0] == asked[1] and [one[0] for one in asked[0]] == list(range(7, 17))
    assert len({one[1] for one in asked[0]}) == 10 and {one[2:] for one in asked[0]} == {(0.3, 0.9, 1.1)}
    scored = [[body["prompt"] for body in server.bodies("/v1/completions")] for server in servers]
    assert scored[0] == scored[1] and [len(prompts) for prompts in scored[0]] == [8, 2]
    assert all(
        text.startswith("<|im_start|>user\nHow do I dump ")
        and text.endswith("<|im_end|>\n<|im_start|>assistant\nCall it like this.<|im_end|>")
        for prompts in scored[0]
        for text in prompts
    )
    for server in servers:
        assert all(headers["cache-control"] == "no-store" and not body["cache"] for _, headers, body in server.requests)


def test_the_same_model_twice_ties(endpoint, make_dataset, evaluate, replies):
    endpoint.chat = by_number([replies[0](GOOD), replies[0]("No code.", "length", 512)])
    twins = [Candidate(name, endpoint.url, "pocket") for name in ("one", "other")]
    _, report, _ = evaluate(make_dataset(16), twins)
    assert report.candidates["one"]["valid_python"].mean == 0.5
    assert all(pair.low <= 0 <= pair.high for pair in report.pairs.values())
    assert "megabytes" not in report.candidates["one"]


def test_what_got_worse_is_said(make_endpoint, make_dataset, evaluate, replies):
    base, tuned = make_endpoint(), make_endpoint()
    base.chat = lambda body: replies[0](GOOD)
    tuned.chat = lambda body: replies[0]("again and again and " * 20, "length")
    result, _, _ = evaluate(make_dataset(8), [Candidate("base", base.url, "b"), Candidate("tuned", tuned.url, "t")])
    assert len(result.notes) == 1
    assert result.notes[0].startswith("tuned is worse than base in: has a python block, valid Python, ")
    assert "repetition" in result.notes[0] and "loss" not in result.notes[0]


def test_the_draw_depends_on_seed_and_records_alone(make_dataset):
    dataset = make_dataset(30)
    records = held_out(dataset)
    drawn = draw_questions(records, 10, seed=1)
    assert len(records) == 30 and len({record.instruction for record in drawn}) == 10
    lines = (dataset / "eval.jsonl").read_text().splitlines(keepends=True)
    (dataset / "eval.jsonl").write_text("".join(lines[::-1]))
    assert held_out(dataset) == records and draw_questions(records, 10, seed=1) == drawn
    assert draw_questions(records, 10, seed=2) != drawn and len(draw_questions(records, 99, seed=1)) == 30


def test_a_dataset_without_records_or_symbols_is_one_line(make_dataset, evaluate, endpoint):
    dataset = make_dataset(1)
    candidates = [Candidate("tuned", endpoint.url, "pocket")]
    (dataset / "symbols.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"symbols\.json: not a symbol table"):
        evaluate(dataset, candidates)
    (dataset / "symbols.json").unlink()
    with pytest.raises(DatasetError, match=r"symbols\.json: no symbol table here"):
        evaluate(dataset, candidates)
    (dataset / "eval.jsonl").write_text("")
    with pytest.raises(DatasetError, match="no held-out records"):
        evaluate(dataset, candidates)
    (dataset / "eval.jsonl").unlink()
    with pytest.raises(DatasetError, match=r"eval\.jsonl"):
        evaluate(dataset, candidates)
    assert not endpoint.requests


def test_candidates_need_names_of_their_own(make_dataset, template, out):
    dataset = make_dataset(1)
    for candidates in [], [Candidate("a", "http://127.0.0.1:1", "m")] * 2:
        with pytest.raises(EvaluationError, match="each with its own name"):
            run(EvaluationSettings(), template, candidates, dataset, out, silent)


def test_trouble_in_the_middle_of_the_answers_stops_the_stage(endpoint, make_dataset, evaluate, out, replies):
    broken = (500, {"error": {"message": "broken"}})
    endpoint.chat = lambda body: replies[0](GOOD) if len(endpoint.requests) < 8 else broken
    with pytest.raises(EvaluationError, match=r"candidate tuned at http.*500 \(broken\)"):
        evaluate(make_dataset(40), [Candidate("tuned", endpoint.url, "pocket")], concurrency=2)
    assert len(endpoint.bodies("/v1/chat/completions")) < 40 and not list(out.iterdir())


def test_hostile_answers_are_survived(endpoint, make_dataset, evaluate, out, replies):
    endpoint.chat = by_number(
        [
            replies[0]("x | y\n" * 170_000, "length", 512),
            replies[0]("```\n\x1b]0;title\x07\x1b[2J</details>\n````", "\x1b[31m", 5),
            replies[0]("", "stop", 0),
            replies[0]("```python\n" + "(" * 200_000, "length", 512),
        ]
    )
    _, report, _ = evaluate(make_dataset(4), [Candidate("tuned", endpoint.url, "pocket")])
    assert report.candidates["tuned"]["ends_by_itself"].mean == 0.25
    page = (out / "report.md").read_text()
    assert "\x1b" not in page and len(page) < 80_000 and page.count("\n### ") == 4
    assert len((out / "answers.jsonl").read_text().splitlines()) == 4
