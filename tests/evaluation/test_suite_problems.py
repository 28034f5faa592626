"""Problem sets in HumanEval's and MBPP's format: read, drawn, and run through the suite's own runner."""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from boffin.evaluation_stage import evaluation_depends
from boffin.init import write_project
from boffin.project import open_project
from bundle.errors import SuiteError
from evaluation.measures.blocks import python_blocks
from evaluation.suite.checker import Checker
from evaluation.suite.draw import draw_suite
from evaluation.suite.fields import fields_of
from evaluation.suite.folder import load_suite, read_suite
from evaluation.suite.json_records import MAX_BYTES
from evaluation.suite.must import completeness
from evaluation.suite.place import SHIPPED
from evaluation.suite.proof import prove
from evaluation.suite.question import Question

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox's walls are Linux's")

TWICE = {
    "task_id": "HumanEval/7",
    "prompt": "from typing import List\n\n\ndef double(x: int) -> int:\n    return 2 * x\n\n\n"
    'def doubled(numbers: List[int]) -> List[int]:\n    """Double each.\n    >>> doubled([1])\n    [2]\n    """\n',
    "entry_point": "doubled",
    "canonical_solution": "    return [double(number) for number in numbers]\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [double(1), 4]\n"
    "    assert candidate([]) == []\n\n",
}
AREA = {
    "text": "Write a function for the area of a box.",
    "code": "class Box(object):\r\n\tdef __init__(self, side):\r\n\t\tself.side = side\r\n\r\n"
    "def area (box):\r\n\treturn box.side ** 2\r\n",
    "task_id": 3,
    "test_setup_code": "box = Box(3)\r\n",
    "test_list": ["assert area(box) == 9", "assert area(Box(0)) == 0"],
    "challenge_test_list": ["assert False"],
}
ROOT = {
    "source_file": "x",
    "task_id": "Mbpp/4",
    "prompt": "Write a function for the root.",
    "code": "import math\ndef root(x):\n  return math.sqrt(x)",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(root(2), 1.41421356, rel_tol=1e-6)"],
}
SET = (TWICE, AREA, ROOT)


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    return write(tmp_path / "set.jsonl", *SET)


@linux
def test_each_reference_passes_its_check_and_doing_nothing_does_not(problems: Path) -> None:
    suite = read_suite(problems)
    assert not suite.mistakes
    with Checker(workers=1, strict=True) as checker:
        proofs = prove(suite.questions, checker)
    assert [(proof.question.id, proof.verdict.result, proof.faults) for proof in proofs] == [
        ("python-humaneval-7", "passed", ()),
        ("python-mbpp-3", "passed", ()),
        ("python-mbpp-4", "passed", ()),
    ]


@linux
def test_an_answer_gives_the_function_alone_or_all(problems: Path) -> None:
    twice, area, root = load_suite(problems).questions
    answers = [
        (twice, "def doubled(numbers: List[int]):\n    return [double(n) for n in numbers]"),
        (twice, python_blocks(twice.reference)[0] + "\nprint(doubled([3]))"),
        (twice, "def doubled(numbers):\n    return numbers"),
        (twice, "def check(candidate):\n    pass\ndoubled = check"),
        (area, "class Box:\n    def __init__(self, a):\n        self.a = a\narea = lambda box: box.a * box.a"),
        (root, "def root(x):\n    return x"),
    ]
    with Checker(workers=1) as checker:
        verdicts = checker.check([(question, f"```python\n{code}\n```") for question, code in answers])
    assert [one.result for one in verdicts] == ["passed", "passed", "failed", "failed", "passed", "failed"]
    complete = [completeness(question, f"```python\n{code}\n```").share for question, code in answers]
    assert complete == [1, 1, 1, 1, 1, 1]
    assert completeness(area, "```python\ndef area(box): ...\n```").share == 0.5
    assert completeness(area, "It begins with `class Box` and `def area(`.").share == 0


def test_it_is_asked_as_a_person_would_ask(problems: Path) -> None:
    twice, area, _ = load_suite(problems).questions
    assert twice.text.startswith("Complete this function.") and twice.text.endswith('[2]\n    """\n```')
    assert twice.check and twice.check.before.endswith("return 2 * x")
    assert area.text == (
        "Write a function for the area of a box.\n\nThe code has to pass these tests:\n\n"
        "```python\nbox = Box(3)\n\nassert area(box) == 9\nassert area(Box(0)) == 0\n```"
    )
    assert area.category == "basic-usage" and area.library == "python"


ENCODINGS = {
    "gzipped": lambda text: gzip.compress(text.encode()),
    "with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Windows lines": lambda text: text.replace("\n", "\r\n").encode(),
    "blank lines": lambda text: ("\n" + text.replace("\n", "\n \n")).encode(),
    "one list": lambda text: json.dumps([json.loads(line) for line in text.splitlines()], indent=1).encode(),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_its_encoding_makes_no_difference(problems: Path, tmp_path: Path, case: str) -> None:
    plain = load_suite(problems)
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(ENCODINGS[case](problems.read_text()))
    assert load_suite(other) == plain


def test_problems_are_asked_whatever_the_libraries_are(problems: Path) -> None:
    drawn, available = draw_suite(problems, {"numpy"}, 2, seed=0)
    assert available == 3 and len(drawn) == 2 and all(question.check for question in drawn)


def test_what_a_suite_holds_can_be_written_as_records(tmp_path: Path) -> None:
    shipped = load_suite(SHIPPED)
    file = write(tmp_path / "questions.jsonl", *map(fields_of, shipped.questions))
    assert load_suite(file) == shipped


def test_one_file_of_a_suite_is_a_suite() -> None:
    file = sorted(SHIPPED.glob("*.md"))[0]
    (question,) = load_suite(file).questions
    assert isinstance(question, Question) and question.id == file.stem


def but(record: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {key: value for key, value in (record | values).items() if value is not ...}


BROKEN = {
    "no JSON": ("{'a': 1}", "no JSON: Expecting property name enclosed in double quotes, at character 2"),
    "no object": ([1, 2], "has to be a JSON object"),
    "unknown keys": ({"task_id": 1, "question": "?"}, "unknown keys: there are HumanEval's (task_id, prompt"),
    "no id": (but(TWICE, task_id=...), "task_id is missing"),
    "an id of another kind": (but(AREA, task_id=True), "task_id: has to be a text or a whole number"),
    "an id of nothing": (but(TWICE, task_id="/"), "id 'python': has to begin with its library, python-"),
    "no solution": (but(TWICE, canonical_solution=...), "canonical_solution is missing"),
    "a test of another kind": (but(TWICE, test=["assert 1"]), "test: has to be a text"),
    "another entry point": (but(TWICE, entry_point="double.*"), "prompt: the function 'double.*', its entry_point"),
    "a test that asserts nothing": (but(TWICE, test="def check(f): f([])"), "check, after: it asserts nothing"),
    "a test that is no Python": (but(TWICE, test="assert ("), "check, after: no valid Python in its line 1"),
    "a prompt that is no Python": (but(TWICE, prompt="?\ndef doubled(): ..."), "check, before: no valid Python"),
    "no text": (but(AREA, text=...), "prompt is missing"),
    "tests of another kind": (but(AREA, test_list="assert 1"), "test_list: has to be a list of texts"),
    "no tests": (but(AREA, test_list=[], test_setup_code=""), "test_list: the tests use nothing that the code defines"),
    "tests of something else": (but(ROOT, test_list=["assert other(1)"]), "test_list: the tests use nothing"),
    "the same again": (TWICE, "the id python-humaneval-7 comes twice"),
    "half a character": (but(ROOT, prompt="\ud800"), "has half a character"),
    "deep nesting": ("[" * 100_000, "nested too deeply"),
    "a very long number": ("9" * 100_000, "Exceeds the limit"),
    "a very long test": (but(TWICE, test="assert 1\n" * 10_000), "check, after: more than 50,000 characters"),
    "control characters": ('"\x1b[31m"', "no JSON: Invalid control character"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, case: str) -> None:
    record, expected = BROKEN[case]
    file = tmp_path / "set.jsonl"
    line = record if isinstance(record, str) else json.dumps(record)
    file.write_text(f"{json.dumps(TWICE)}\n\n{line}\n{json.dumps(AREA)}\n")
    suite = read_suite(file)
    (found,) = suite.mistakes
    assert found.startswith(f"{file}:3: ") and expected in found and found.isprintable() and len(found) < 400, found
    assert len(suite.questions) == 2
    with pytest.raises(SuiteError):
        load_suite(file)


FILES = {
    "a broken archive": (gzip.compress(b"{}")[:-4], ": can't be read (Compressed file ended before"),
    "an archive that grows": (gzip.compress(b" " * (MAX_BYTES + 1)), ": more than 67,108,864 bytes"),
    "no text": (b'{"a": "\xff"}\n', ": not UTF-8, from byte 7 in line 1 on"),
    "a list that is broken": (b"[{}\n, ", ": no JSON: Expecting value, at line 2, character 3"),
    "an entry of a list": (b'[{"must": 1}]', ", entry 1: id is missing"),
    "many records": (b"1\n" * 3000, ": more than 2,000 records; split it"),
}


@pytest.mark.parametrize("case", FILES)
def test_hostile_files_are_refused_quickly(tmp_path: Path, case: str) -> None:
    content, expected = FILES[case]
    file = tmp_path / "set.jsonl"
    file.write_bytes(content)
    began = time.monotonic()
    found = read_suite(file).mistakes[-1]
    assert found.startswith(f"{file}{expected}") and found.isprintable(), found
    assert time.monotonic() - began < 20


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no such folder or file"):
        read_suite(tmp_path / "none.jsonl")


def test_a_change_of_the_file_is_a_change_of_what_the_stages_depend_on(problems: Path, tmp_path: Path) -> None:
    write_project(tmp_path / "project", "pocket")
    project = open_project(tmp_path / "project", [f'evaluation.suite="{problems}"'])
    before = evaluation_depends(project)
    assert evaluation_depends(project) == before
    write(problems, TWICE)
    assert evaluation_depends(project) != before
