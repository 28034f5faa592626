"""Candidates beside base and tuned: recorded, at an endpoint, asked otherwise; and an evaluation that goes on."""

import dataclasses
import json
from contextlib import contextmanager

import pytest

from bundle.errors import EvaluationError, SettingsError
from bundle.stage import silent
from evaluation import connection
from evaluation.bill import Bill
from evaluation.candidate import Candidate, Recording, Remote, Served
from evaluation.cost.case import Hosted
from evaluation.cost.prices import load_prices
from evaluation.cost.settings import CostSettings
from evaluation.interview import interview
from evaluation.questions import draw_questions, held_out
from evaluation.report import load_report
from evaluation.settings import EvaluationSettings
from evaluation.stage import run
from evaluation.transcript import FILE, Entry, Transcript

GOOD = "```python\nimport json\njson.dumps(1)\n```"
SETTINGS = EvaluationSettings(suite="", concurrency=2)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(connection, "PAUSE", 0)


@pytest.fixture
def evaluate(template, tmp_path):
    def evaluate(dataset, candidates, name="out", settings=SETTINGS, **more):
        out = tmp_path / name
        out.mkdir()
        run(settings, template, candidates, dataset, out, silent, **more)
        return load_report(out)

    return evaluate


def chat_requests(endpoint):
    return endpoint.bodies("/v1/chat/completions")


def write_lines(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class TestRecorded:
    def test_a_recording_of_the_same_answers_ties(self, endpoint, make_dataset, evaluate, replies, tmp_path):
        script = [GOOD, "No code.", GOOD, "```python\nimport json\njson.dumpz(1)\n```"]
        endpoint.chat = lambda body: replies[0](script[body["seed"] % 4], tokens=10 + body["seed"])
        dataset = make_dataset(12)
        own = [Candidate(name, endpoint.url, "m") for name in ("base", "tuned")]
        evaluate(dataset, own)
        recording = Recording(tmp_path / "out" / "answers.jsonl", "tuned")
        again = Candidate("before", "", "answers from a file", recording=recording)
        report = evaluate(dataset, [*own, again], "again")
        tuned, before = report.candidates["tuned"], report.candidates["before"]
        shared = {"python_block", "valid_python", "existing_symbols", "uses_symbol", "ends_by_itself", "tokens"}
        assert all(tuned[metric] == before[metric] for metric in shared)
        assert set(tuned) - set(before) == {"loss", "seconds", "tokens_per_second"}
        assert set(report.further) == {"before"} and shared <= set(report.further["before"])
        for pair in [*report.further["before"].values(), *report.pairs.values()]:
            assert pair.difference == pair.low == pair.high == 0 and pair.p == 1
        page = (tmp_path / "again" / "report.md").read_text()
        assert "| measure | base | tuned | tuned − base | p | before |" in page
        assert "## Against tuned" in page and "| valid Python | +0 (+0, +0) | 1.000 |" in page

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_answers_are_found_by_question_or_by_id(self, make_dataset, template, tmp_path, mark):
        records = draw_questions(held_out(make_dataset(2)), 2, 0)
        path = write_lines(
            tmp_path / "answers.jsonl",
            {"id": records[1].digest, "answer": "by id"},
            {"question": records[0].question, "answer": "by question", "finish_reason": "length", "tokens": 3},
        )
        path.write_bytes(mark + path.read_bytes())
        candidate = Candidate("x", "", "m", recording=Recording(path))
        first, second = interview(candidate, records, template, SETTINGS, silent).answers
        assert (first.text, first.finish_reason, first.tokens) == ("by question", "length", 3)
        assert (second.text, second.finish_reason, second.length) == ("by id", "stop", ())

    @pytest.mark.parametrize(
        ("lines", "what"),
        [
            (["{"], r"a\.jsonl:1: can't be used at the line"),
            (['{"question": "q"}'], r"a\.jsonl:1: can't be used at answer"),
            (['{"answer": "x"}'], "neither `question` nor `id`"),
            (['{"question": "q", "answer": 5}'], r"a\.jsonl:1: can't be used at answer"),
            (
                ['{"question": "q", "answer": "a"}', '{"question": "q", "answer": "b"}'],
                r"a\.jsonl:2: another answer to",
            ),
            (['{"question": "q", "answer": "a"}'], r"no answer to 2 of 2 questions, e\.g\. 'How do I dump"),
            (['{"question": "q", "answer": "a", "candidate": "b"}'], "no answer to 2 of 2"),
            (['{"question": "q", "answer": "\\ud800"}'], r"a\.jsonl:1: can't be used"),
            ([], "no answer to 2 of 2"),
        ],
    )
    def test_what_can_not_be_used_is_one_line(self, endpoint, make_dataset, evaluate, tmp_path, lines, what):
        path = tmp_path / "a.jsonl"
        path.write_text("\n".join(lines))
        candidates = [Candidate("tuned", endpoint.url, "m"), Candidate("x", "", "m", recording=Recording(path))]
        with pytest.raises(EvaluationError, match=what) as caught:
            evaluate(make_dataset(2), candidates)
        assert "\n" not in str(caught.value) and not endpoint.requests  # told before anybody is asked

    def test_a_missing_file_and_somebody_elses_answers(self, make_dataset, evaluate, tmp_path):
        path = tmp_path / "none.jsonl"
        dataset = make_dataset(1)
        with pytest.raises(EvaluationError, match=r"none\.jsonl: no such file"):
            evaluate(dataset, [Candidate("x", "", "m", recording=Recording(path))])
        write_lines(path, {"question": "q", "answer": "a", "candidate": "base"})
        with pytest.raises(EvaluationError, match="nothing of candidate tuned; it has base"):
            evaluate(dataset, [Candidate("x", "", "m", recording=Recording(path, "tuned"))], "other")


class TestRemote:
    def test_it_gets_the_fields_of_openai_alone_and_the_key(self, endpoint, make_dataset, evaluate, replies):
        endpoint.chat = lambda body: replies[0](f"Bearer sk-secret. {GOOD}", tokens=30)
        remote = Remote("sk-secret", Hosted("hosted", 2.5, 10))
        candidates = [
            Candidate("base", endpoint.url, "m"),
            Candidate("hosted", endpoint.url + "/v1", "gpt-4", system="Be brief.", greedy=True, remote=remote),
        ]
        report = evaluate(make_dataset(3), candidates)
        own, asked = (
            [(headers, body) for _, headers, body in endpoint.requests if body["model"] == model]
            for model in ("m", "gpt-4")
        )
        assert len(asked) == 3  # no scores are asked for
        headers, body = asked[0]
        assert headers["authorization"] == "Bearer sk-secret"
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert set(body) == {"model", "messages", "seed", "stream", "temperature", "top_p", "max_tokens"}
        assert body["temperature"] == 0
        assert not any("authorization" in headers for headers, _ in own)
        assert "repeat_penalty" in own[-1][1] and own[-1][1]["temperature"] == 0.3
        hosted = report.candidates["hosted"]
        assert hosted["usd_a_million_tokens"].mean == pytest.approx((3 * 2.5 + 30 * 10) / 33)
        assert "loss" not in hosted and "usd_a_million_tokens" not in report.candidates["base"]
        assert report.models["hosted"] == f"gpt-4 at {endpoint.url}/v1, greedy"

    def test_the_key_is_nowhere_in_the_report(self, endpoint, make_dataset, evaluate, replies, tmp_path):
        endpoint.chat = lambda body: replies[0](f"Your key is sk-secret. {GOOD}")
        evaluate(make_dataset(2), [Candidate("hosted", endpoint.url, "m", remote=Remote("sk-secret"))], kept=tmp_path)
        written = [*(tmp_path / "out").iterdir(), tmp_path / FILE]
        assert len(written) == 5 and not any("sk-secret" in path.read_text() for path in written)
        endpoint.chat = lambda body: (401, {"error": {"message": "no such key: sk-secret"}})
        dataset = tmp_path / "dataset"
        with pytest.raises(EvaluationError, match="no such key: …"):
            evaluate(dataset, [Candidate("hosted", endpoint.url, "m", remote=Remote("sk-secret"))], "again")

    def test_its_routes_may_lie_below_another_path(self, endpoint, make_dataset, evaluate):
        dataset = make_dataset(1)
        for number, (path, expected) in enumerate(
            {"": "/v1", "/v1/": "/v1", "/api/v1": "/api/v1", "/openai": "/openai"}.items()
        ):
            candidate = Candidate("x", endpoint.url + path, "m", remote=Remote())
            with pytest.raises(EvaluationError) if path in ("/api/v1", "/openai") else contextmanager(iter)([None]):
                evaluate(dataset, [candidate], f"out{number}")
            assert endpoint.requests[-1][0] == f"{expected}/chat/completions"

    def test_a_hostile_one_is_survived(self, endpoint, make_dataset, evaluate, replies, tmp_path):
        hostile = "</pre><script>alert(1)</script>\x1b]0;t\x07\u202e | `````\n"
        endpoint.chat = lambda body: replies[0](
            hostile, "\x1b[31m", timings={"prompt_ms": 1e300, "x": []}, tokens=10**12
        )
        evaluate(make_dataset(2), [Candidate("hosted", endpoint.url, "m", remote=Remote())])
        page = (tmp_path / "out" / "report.html").read_text()
        assert "<script" not in page and "\x1b" not in page and "\u202e" not in page


class TestResuming:
    def test_after_an_endpoint_went_down_only_the_rest_is_asked(
        self, make_endpoint, make_dataset, evaluate, replies, tmp_path
    ):
        base, hosted = make_endpoint(), make_endpoint()
        up = [True]
        hosted.chat = lambda body: replies[0](GOOD) if up[0] and len(hosted.requests) <= 8 else None
        candidates = [
            Candidate("base", base.url, "m"),
            Candidate("hosted", hosted.url, "m", remote=Remote()),
        ]
        dataset, kept = make_dataset(20), tmp_path / "kept"
        with pytest.raises(EvaluationError, match=r"candidate hosted at .*; the answers so far are kept: run it again"):
            evaluate(dataset, candidates, kept=kept)
        assert not list((tmp_path / "out").iterdir())
        lines = (kept / FILE).read_text().splitlines()
        assert sum('"answer":{' in line for line in lines) == 20 + 8
        (kept / FILE).write_text("\n".join(lines)[:-20])  # a kill in the middle of a line
        asked = len(base.requests)
        hosted.requests.clear()
        hosted.chat = lambda body: replies[0](GOOD)
        report = evaluate(dataset, candidates, "again", kept=kept)
        assert len(base.requests) == asked and len(chat_requests(hosted)) == 20 - 7
        assert report.candidates["hosted"]["valid_python"].mean == 1
        assert report.candidates["base"]["seconds"].mean > 0

    def test_another_question_seed_or_model_is_asked_anew(self, endpoint, make_dataset, evaluate, tmp_path):
        dataset, kept = make_dataset(4), tmp_path / "kept"
        candidate = Candidate("tuned", endpoint.url, "m")
        evaluate(dataset, [candidate], "a", kept=kept)
        assert len(chat_requests(endpoint)) == 4
        evaluate(dataset, [candidate], "b", kept=kept)
        assert len(chat_requests(endpoint)) == 4
        for name, changed in {"c": {"model": "n"}, "d": {"system": ""}, "e": {"greedy": True}}.items():
            before = len(chat_requests(endpoint))
            evaluate(dataset, [dataclasses.replace(candidate, **changed)], name, kept=kept)
            assert len(chat_requests(endpoint)) == before + 4
        evaluate(dataset, [candidate], "f", SETTINGS.model_copy(update={"seed": 9}), kept=kept)
        assert len(chat_requests(endpoint)) == 5 * 4

    def test_a_server_runs_only_while_something_is_asked(self, endpoint, make_dataset, evaluate, tmp_path):
        started = []

        @contextmanager
        def serve():
            started.append("up")
            yield Served(endpoint.url, lambda: 5_000_000)
            started.append("down")

        dataset, kept = make_dataset(2), tmp_path / "kept"
        candidate = Candidate("tuned", "", "m", serve=serve)
        assert evaluate(dataset, [candidate], "a", kept=kept).candidates["tuned"]["peak_megabytes"].mean == 5
        assert started == ["up", "down"]
        assert evaluate(dataset, [candidate], "b", kept=kept).candidates["tuned"]["peak_megabytes"].mean == 5
        assert started == ["up", "down"]

    def test_a_transcript_survives_what_was_cut_off(self, tmp_path):
        Transcript(tmp_path).put(Entry(memory=1), "a")
        with (tmp_path / FILE).open("a") as handle:
            handle.write('\n{"key": "x", "entry": {"mem')
        Transcript(tmp_path).put(Entry(memory=2), "b")
        found = Transcript(tmp_path)
        assert [entry and entry.memory for entry in map(found.get, "abc")] == [1, 2, None]


def test_without_its_system_prompt_it_is_asked_and_scored_so(endpoint, make_dataset, template):
    template = template.model_copy(update={"system_prompt": "Expert."})
    records = held_out(make_dataset(1))
    for system, sent, scored in ((None, "user", "Expert."), ("", "system", "")):
        candidate = Candidate("tuned", endpoint.url, "m", system=system)
        interview(candidate, records, template, SETTINGS, silent)
        assert chat_requests(endpoint)[-1]["messages"][0]["role"] == sent
        prompt = endpoint.bodies("/v1/completions")[-1]["prompt"][0]
        assert prompt.startswith(f"<|im_start|>system\n{scored}<|im_end|>\n<|im_start|>user\nHow do I dump 0?")
        assert prompt.endswith("Call it like this.<|im_end|>")


def test_candidates_of_the_same_weights_are_scored_once(endpoint, make_dataset, evaluate):
    first = Candidate("tuned", endpoint.url, "m", weights="a")
    others = [
        dataclasses.replace(first, name="repaired", repair=True),
        dataclasses.replace(first, name="no prompt", system=""),
        dataclasses.replace(first, name="Q4_0", weights="b"),
    ]
    report = evaluate(make_dataset(2), [first, *others])
    scored = [body["prompt"] for body in endpoint.bodies("/v1/completions")]
    assert len(scored) == 3 and scored[0] == scored[2] != scored[1]
    assert report.candidates["repaired"]["loss"] == report.candidates["tuned"]["loss"]
    assert len(chat_requests(endpoint)) == 4 * 2


def test_the_first_token_is_told_where_the_endpoint_tells_it(endpoint, make_dataset, evaluate, replies):
    endpoint.chat = lambda body: replies[0](GOOD, timings={"prompt_ms": 100 + 100 * (body["seed"] % 2)})
    report = evaluate(make_dataset(4), [Candidate("tuned", endpoint.url, "m")])
    wait = report.candidates["tuned"]["first_token"]
    assert wait.mean == pytest.approx(0.15) and wait.low < wait.mean < wait.high


def test_what_is_served_here_costs_what_the_calculator_says(endpoint, make_dataset, evaluate, replies, tmp_path):
    endpoint.chat = lambda body: replies[0](GOOD, tokens=97)
    cost = CostSettings(rent_usd_an_hour=1, curation_hours=10, upkeep_hours_a_month=0, queries_a_month=1000)
    candidates = [
        Candidate("base", endpoint.url, "m", bytes=100_000_000, trained=False),
        Candidate("tuned", endpoint.url, "m", bytes=100_000_000),
        Candidate("tuned Q4_0", endpoint.url, "m", bytes=50_000_000),
    ]
    dataset = make_dataset(4)
    report = evaluate(dataset, candidates, bill=Bill(cost, load_prices()))
    base, tuned = (report.candidates[name]["usd_a_million_tokens"].mean for name in ("base", "tuned"))
    assert base == pytest.approx(720 / 1000 / (3 + 97) * 1e6)
    assert tuned == pytest.approx(base + (10 * 60 + 3) / 12 / 1000 / 100 * 1e6)
    html = (tmp_path / "out" / "report.html").read_text()
    assert "Quality against size" in html and "Quality against cost" in html
    thousand = report.candidates["base"]["usd_a_thousand_questions"].mean
    assert thousand == pytest.approx(720)
    other = cost.model_copy(update={"prompt_tokens": 2000.0, "answer_tokens": 20.0})
    again = evaluate(dataset, candidates, "again", bill=Bill(other, load_prices())).candidates["base"]
    assert again["usd_a_thousand_questions"].mean == pytest.approx(thousand)
    assert again["usd_a_million_tokens"].mean == pytest.approx(base)
    with pytest.raises(SettingsError, match="no card 'none'"):
        Bill(CostSettings(card="none"), load_prices())


def test_quality_against_size_needs_different_sizes(endpoint, make_dataset, evaluate, replies, tmp_path):
    endpoint.chat = lambda body: replies[0](GOOD)
    candidates = [
        Candidate("base", endpoint.url, "m", bytes=100_000_000, trained=False),
        Candidate("tuned", endpoint.url, "m", bytes=100_000_123),
    ]
    evaluate(make_dataset(4), candidates)
    assert "Quality against size" not in (tmp_path / "out" / "report.html").read_text()
