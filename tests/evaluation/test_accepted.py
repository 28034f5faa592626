"""`boffin evaluate --gate` and `--accept`, through the command, on a report of recorded answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from boffin.artefacts import REPORT
from boffin.build import inputs_of
from boffin.project import open_project
from boffin.stages import STAGES
from boffin.workspace import Stamp, now, write_stamp
from bundle.atomic import published_folder
from bundle.errors import EvaluationError
from bundle.records import read_records
from bundle.stage import silent
from bundle.template import PromptTemplate
from evaluation.accepted import accept, check
from evaluation.candidate import Candidate, Recording
from evaluation.settings import EvaluationSettings, GateSettings
from evaluation.stage import run

PROJECT = """
[project]
name = "mini"
base = "hub/model"

[[curation.sources]]
kind = "package"
packages = ["json"]

[evaluation]
suite = ""
"""
GOOD = "```python\nimport json\njson.dumps(1)\n```"
QUESTIONS = 40


@pytest.fixture
def project(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    """A project with a dataset beside it, of which nothing is built yet."""
    make_dataset(QUESTIONS)
    (tmp_path / "boffin.toml").write_text(PROJECT)
    return tmp_path


@pytest.fixture
def report(project: Path, template: PromptTemplate) -> Callable[..., Path]:
    """Publishes the report of a tuned model with so many good answers; returns its folder."""

    def report(good: int) -> Path:
        candidates = []
        for name, count in (("base", 10), ("tuned", good)):
            path = project / f"{name}.jsonl"
            records = sorted(read_records(project / "dataset" / "eval.jsonl"), key=lambda record: record.question)
            answers = [GOOD] * count + ["No code."] * (QUESTIONS - count)
            lines = [{"question": one.question, "answer": said} for one, said in zip(records, answers, strict=True)]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            candidates.append(Candidate(name, "", "m", recording=Recording(path)))
        opened = open_project(project, ())
        opened.workspace.create()
        for artefact in STAGES[REPORT].reads:
            folder = opened.workspace.path(artefact)
            folder.mkdir(exist_ok=True)
            write_stamp(folder, a_stamp({}))
        with published_folder(opened.workspace.path(REPORT)) as out:
            run(opened.settings.evaluation, template, candidates, project / "dataset", out, silent)
            write_stamp(out, a_stamp(inputs_of(opened, STAGES[REPORT])))
        return opened.workspace.path(REPORT)

    return report


def a_stamp(inputs: dict[str, str]) -> Stamp:
    return Stamp(stage="x", inputs=inputs, content="c", came_in="", went_out="", seconds=0, finished=now())


def evaluate(folder: Path, *flags: str) -> tuple[int, str, list[str]]:
    """Exit code, what it says, and its lines about the gate."""
    command = [sys.executable, "-m", "boffin", "evaluate", "-C", str(folder), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("gate: ")]
    return done.returncode, done.stdout + done.stderr, lines


def test_the_gate_stops_a_worse_model_and_lets_the_same_pass(project: Path, report: Callable[..., Path]) -> None:
    report(40)
    code, said, _ = evaluate(project, "--gate")
    assert code == 1 and "accepted.jsonl: no such file, so the gate has nothing to compare with" in said
    code, said, _ = evaluate(project, "--accept")
    assert code == 0 and f"Accepted: {QUESTIONS} answers in " in said
    accepted = (project / "accepted.jsonl").read_text()
    assert accepted.count("\n") == QUESTIONS and '"candidate": "base"' not in accepted

    code, said, lines = evaluate(project, "--gate")
    assert code == 0 and not lines and f"The gate lets it pass: 3 metrics of {QUESTIONS} questions against " in said

    report(30)
    code, said, lines = evaluate(project, "--gate", "--accept")
    assert code == 1 and "boffin: the gate stopped it for 2 metrics; see " in said
    assert [line.split(" (")[0] for line in lines] == [
        "gate: valid Python fell from 100 to 75 %",
        "gate: existing symbols fell from 100 to 75 %",
    ]
    assert all(line.endswith("; 5 allowed), on 40 questions") for line in lines)
    assert (project / "accepted.jsonl").read_text() == accepted  # not accepted where it is stopped
    assert evaluate(project)[0] == 0  # without the flag it says nothing of it

    drops = "evaluation.gate.drops={valid_python=0.3, existing_symbols=0.3}"
    assert evaluate(project, "--gate", "--set", drops)[0] == 0


def test_limits_need_nothing_accepted(project: Path, report: Callable[..., Path]) -> None:
    report(39)
    flags = ["--gate", "--set", "evaluation.gate.limits={valid_python=0.98}"]
    code, said, lines = evaluate(project, *flags)
    assert code == 1 and lines == ["gate: valid Python is 97.5 %, below its limit 98.0 %"]
    report(30)
    flags[-1] = "evaluation.gate.limits={valid_python=0.75, repetition=0.1}"
    code, said, _ = evaluate(project, *flags)
    assert code == 0 and "The gate lets it pass: 2 limits." in said
    flags[-1] = "evaluation.gate.limits={valid_python=0.8, repetition=-0.1, suite_passes=0.2}"
    code, said, lines = evaluate(project, *flags)
    assert code == 1 and lines == [
        "gate: valid Python is 75 %, below its limit 80 %",
        "gate: repetition is 0 %, above its limit -10 %",
        "gate: suite: code passes has a limit and wasn't measured",
    ]


@pytest.mark.parametrize(("limit", "lines"), [(0.5, 0), (0.9, 1)], ids=["the gate lets it pass", "the gate stops it"])
def test_the_gate_is_asked_where_the_judge_is_gone(
    project: Path, report: Callable[..., Path], limit: float, lines: int
) -> None:
    report(30)
    settings = [f"evaluation.gate.limits={{valid_python={limit}}}", "evaluation.judge.model=j"]
    settings += ["evaluation.judge.url=http://127.0.0.1:9/v1"]
    code, said, stopped = evaluate(project, "--gate", *(part for one in settings for part in ("--set", one)))
    assert code == 1 and "In full, with answers: " in said and len(stopped) == lines
    assert ("The gate lets it pass: " in said) == (not lines)
    assert said.count("boffin: evaluation.judge at http://127.0.0.1:9/v1: nothing answers there") == 1


def test_what_may_be_chance_passes(project: Path, report: Callable[..., Path]) -> None:
    accept(report(40), project / "accepted.jsonl")
    outcome = check(report(37), project / "accepted.jsonl", EvaluationSettings())
    assert outcome.compared == 3 and outcome.failed == []  # 7.5 points, and perhaps none
    strict = EvaluationSettings(gate=GateSettings(limits={"valid_python": 0.95}))
    assert len(check(report(37), project / "accepted.jsonl", strict).failed) == 1


@pytest.mark.parametrize("metric", ["unknown_symbols", "runs", "uses_symbol", "deprecated", "python_block"])
def test_each_metric_of_answers_can_be_held(project: Path, report: Callable[..., Path], metric: str) -> None:
    folder, accepted = report(40), project / "accepted.jsonl"
    accept(folder, accepted)
    lines = [json.loads(line) for line in accepted.read_text().splitlines()]
    worse = {
        "unknown": ["json.x"],
        "deprecated": ["json.y"],
        "runs": False,
        "uses_symbol": False,
        "python_block": False,
    }
    own = [json.loads(line) | {"runs": True} for line in (folder / "answers.jsonl").read_text().splitlines()]
    accepted.write_text("".join(json.dumps(line | {"runs": True}) + "\n" for line in lines))
    (folder / "answers.jsonl").write_text("".join(json.dumps(line | worse) + "\n" for line in own))
    (stopped,) = [
        line
        for line in check(folder, accepted, EvaluationSettings(gate=GateSettings(drops={metric: 0.1}))).failed
        if "valid Python" not in line
    ]
    assert "on 40 questions" in stopped


def test_what_may_not_drop_has_to_be_there(project: Path, report: Callable[..., Path]) -> None:
    folder, accepted = report(40), project / "accepted.jsonl"
    accept(folder, accepted)
    settings = EvaluationSettings(gate=GateSettings(drops={"suite_passes": 0.1}))
    assert check(folder, accepted, settings).failed == ["suite_passes may not drop and can't be compared"]


def test_other_questions_can_not_be_compared(project: Path, report: Callable[..., Path]) -> None:
    folder, accepted = report(40), project / "accepted.jsonl"
    accept(folder, accepted)
    text = accepted.read_text()
    accepted.write_text(text.replace("How do I dump", "How did I dump"))
    with pytest.raises(EvaluationError, match="no question of it is among these"):
        check(folder, accepted, EvaluationSettings())
    limited = EvaluationSettings(gate=GateSettings(limits={"valid_python": 0.1}))
    with pytest.raises(EvaluationError, match="no question of it is among these"):
        check(folder, accepted, limited)
    few = "".join(text.splitlines(keepends=True)[:5])
    accepted.write_text(few)
    assert check(folder, accepted, EvaluationSettings()).compared == 3
    accepted.write_text(few + '{"candidate": "tuned"}\n')
    with pytest.raises(EvaluationError, match=r"accepted\.jsonl:6: damaged at set .*`--accept`"):
        check(folder, accepted, EvaluationSettings())
