"""Preferences: a vote a line, and a damaged line is one error that names it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bundle.errors import DatasetError
from bundle.preferences import Preference, read_preferences

VOTE = {"prompt": "What is 1?", "chosen": "One.", "rejected": "Two."}


def test_votes_are_read_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "preferences.jsonl"
    full = Preference.model_validate(VOTE | {"model": "mini", "when": datetime(2026, 1, 2, tzinfo=UTC)})
    file.write_text(f"{json.dumps(VOTE)}\n\n{full.model_dump_json()}\n")
    assert list(read_preferences(file)) == [(1, Preference.model_validate(VOTE)), (3, full)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"prompt": "What', "line: Invalid JSON"),
        (b"\xff\xfe", "line: Invalid JSON"),
        (json.dumps(VOTE | {"chosen": " \n"}).encode(), "chosen: is empty"),
        (json.dumps({"prompt": "What is 1?", "chosen": "One."}).encode(), "rejected: Field required"),
        (json.dumps(VOTE | {"score": 3}).encode(), "score: Extra inputs"),
        (json.dumps(VOTE | {"when": "2026-01-02T03:04:05"}).encode(), "when: Input should have timezone"),
        (json.dumps(VOTE | {"prompt": ["What is 1?"]}).encode(), "prompt: Input should be a valid string"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    file = tmp_path / "preferences.jsonl"
    file.write_bytes(json.dumps(VOTE).encode() + b"\n" + line + b"\n")
    with pytest.raises(DatasetError) as caught:
        list(read_preferences(file))
    text = str(caught.value)
    assert text.startswith(f"{file}:2: not a preference ({said}") and text.endswith("mend or remove the line")
    assert "\n" not in text


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such file; `trainer\.preferences` names"):
        list(read_preferences(tmp_path / "preferences.jsonl"))
