"""Drafts whose code runs, fails, warns, varies or hangs, in the real sandbox; and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bundle.records import Provenance, Record
from curation.draft import Draft
from curation.reason import Reason
from curation.settings import Verification
from curation.verify.store import Store
from curation.verify.verifier import Environment, Verifier

SETTINGS = Verification(seconds=3.0, workers=1)
ENVIRONMENT = Environment(python="", digest="here")
DRAFT = Draft(
    instruction="How do I double it?",
    lead="Multiply by two.",
    code="print(2 * 4)",
    points=("It is short.",),
    provenance=Provenance(source="jsonl", package="", version="", symbol="", kind="record", licence=""),
)


def verify(folder: Path, *drafts: Draft) -> list[Record | Reason]:
    with Store(folder / "s.sqlite") as store, Verifier(SETTINGS, ENVIRONMENT, store) as verifier:
        return verifier.verify(drafts)


def test_output_is_recorded_not_copied(tmp_path: Path) -> None:
    (record,) = verify(tmp_path, DRAFT)
    assert isinstance(record, Record)
    assert record.output == "Multiply by two.\n\n```python\nprint(2 * 4)\n# 8\n```\n\n- It is short."
    assert not record.provenance.varies


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print(1 / 0)", "run-exception"),
        ("raise SystemExit(3)", "run-exception"),
        ("while True: pass", "run-timeout"),
        ("x = 'x' * 10**11", "run-memory"),
        ("while True: print('x' * 10**5)", "run-output"),
        ("import os\nos.fork()", "run-processes"),
        ("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)", "run-network"),
        ("open('/etc/passwd').read()", "run-refused"),
        ("import os\nos.abort()", "run-killed"),
        ("import warnings\nwarnings.warn('gone soon', DeprecationWarning)", "deprecation-warning"),
        ("import warnings\nwarnings.warn('other soon', FutureWarning)", "deprecation-warning"),
    ],
)
def test_code_that_does_not_hold(tmp_path: Path, code: str, reason: str) -> None:
    (found,) = verify(tmp_path, replace(DRAFT, code=code))
    assert isinstance(found, Reason) and found.code == reason, found


def test_what_varies_is_marked_and_not_shown(tmp_path: Path) -> None:
    (record,) = verify(tmp_path, replace(DRAFT, code="import os\nprint(os.urandom(4))\nprint(5)"))
    assert isinstance(record, Record) and record.provenance.varies
    assert "print(5)" in record.output and "# b" not in record.output


def test_failing_code_brings_its_real_traceback(tmp_path: Path) -> None:
    failing = replace(DRAFT, failing="x = [1]\nx.apend(2)", expects="AttributeError")
    (record,) = verify(tmp_path, failing)
    assert isinstance(record, Record)
    assert record.input.startswith("```python\nx = [1]\nx.apend(2)\n```\n\n```text\nTraceback (most recent call last):")
    assert "AttributeError: 'list' object has no attribute 'apend'" in record.input


@pytest.mark.parametrize("failing", ["x = 1", "int('x')", "raise SystemExit(1)"])
def test_failing_code_has_to_fail_as_expected(tmp_path: Path, failing: str) -> None:
    (found,) = verify(tmp_path, replace(DRAFT, failing=failing, expects="AttributeError"))
    assert isinstance(found, Reason) and found.code == "wrong-error"


def test_nothing_runs_twice_for_two_drafts_or_two_runs(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        with Verifier(SETTINGS, ENVIRONMENT, store) as verifier:
            verifier.verify([DRAFT, replace(DRAFT, instruction="How else?")])
            assert verifier.ran == 1
        with Verifier(SETTINGS, ENVIRONMENT, store) as verifier:
            (record,) = verifier.verify([DRAFT])
            assert verifier.ran == 0 and isinstance(record, Record)
        with Verifier(SETTINGS, replace(ENVIRONMENT, digest="a newer library"), store) as verifier:
            verifier.verify([DRAFT])
            assert verifier.ran == 1


def test_a_damaged_store_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"SQLite format 3\0" + b"junk" * 500)
    (record,) = verify(tmp_path, DRAFT)
    assert isinstance(record, Record)


def test_httpbin_stands_in_for_the_real_one(tmp_path: Path) -> None:
    code = (
        "import requests\n\nprint(requests.get('https://httpbin.org/get', params={'a': 1}, timeout=5).json()['args'])"
    )
    (record,) = verify(tmp_path, replace(DRAFT, code=code))
    assert isinstance(record, Record) and "# {'a': '1'}" in record.output
