"""Pairs of answers out of answers.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import EvaluationError
from evaluation.pairs import Pair, read_pairs


def write(folder: Path, lines: list[dict[str, Any]]) -> Path:
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def line(candidate: str, kind: str, question: str, answer: str) -> dict[str, Any]:
    return {"candidate": candidate, "set": kind, "question": question, "reference": "R", "answer": answer, "tokens": 3}


def test_the_first_two_candidates_question_by_question(tmp_path: Path) -> None:
    lines = [
        line(name, kind, f"{kind} {number}", f"{name} {number}")
        for kind in ("held-out", "suite")
        for name in ("base", "tuned", "third")
        for number in range(2)
    ]
    pairs = read_pairs(write(tmp_path, lines))
    assert {(pair.question, pair.first, pair.second) for pair in pairs} == {
        (f"{kind} {number}", f"base {number}", f"tuned {number}") for kind in ("held-out", "suite") for number in (0, 1)
    }
    assert [pair.digest for pair in pairs] == sorted(pair.digest for pair in pairs)
    assert len({Pair("q", "r", "a", "b").digest, Pair("q", "r", "b", "a").digest, Pair("q", "", "a", "b").digest}) == 3


def test_the_same_question_with_the_same_answers_is_one_pair(tmp_path: Path) -> None:
    lines = [line(name, "held-out", "Q", name) for name in ("base", "base", "tuned", "tuned")]
    assert len(read_pairs(write(tmp_path, lines))) == 1


def test_what_makes_no_pairs_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no answers here; run `boffin evaluate`"):
        read_pairs(tmp_path)
    with pytest.raises(EvaluationError, match="answers of one candidate"):
        read_pairs(write(tmp_path, [line("base", "suite", "Q", "A")]))
    with pytest.raises(EvaluationError, match="asked other questions"):
        read_pairs(write(tmp_path, [line("base", "suite", "Q", "A"), line("tuned", "suite", "P", "A")]))
    older = line("base", "suite", "Q", "A")
    del older["reference"]
    with pytest.raises(EvaluationError, match=r"answers\.jsonl:1: damaged at reference; run `boffin evaluate --force`"):
        read_pairs(write(tmp_path, [older]))
