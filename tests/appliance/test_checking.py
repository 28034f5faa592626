"""Code of an answer, held to what exists: blocks as they close, and what clients are told of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from appliance.checking import MAX_CODE, BlockReader, Checker
from appliance.client import Client, CodeCheck, Done
from appliance.direct import Direct
from appliance.engine.expert import Expert
from appliance.launch import LocalServer
from appliance.settings import ApplianceSettings
from bundle.errors import BundleError
from symbols.check import check_code
from symbols.table import SymbolTable

FIRST, SECOND = "import json\n\nprint(json.dumpz([1]))", "json.JSONEncoder(indant=2)"
ANSWER = (
    f"Like this:\n\n```python\n{FIRST}\n```\n\nor 1.\n   ~~~py\n   {SECOND}\n   ~~~\n\n```text\njson.nothing\n```\n"
    "```python\nif x\n```\nand ```python\njson.dump"
)


@pytest.mark.parametrize("size", [1, 3, 7, len(ANSWER)])
def test_blocks_are_found_however_the_text_is_cut(size: int) -> None:
    reader = BlockReader()
    found = [block for at in range(0, len(ANSWER), size) for block in reader.feed(ANSWER[at : at + size])]
    found += reader.end()
    assert [block.code for block in found] == [FIRST, SECOND, "if x"]
    assert ANSWER[found[0].start : found[0].end] == found[0].code
    assert ANSWER[found[1].start : found[1].end].strip() == found[1].code


def test_a_block_that_is_never_closed_ends_with_the_answer() -> None:
    reader = BlockReader()
    text = "```python\nimport os\nprint(1"
    assert reader.feed(text) == []
    (block,) = reader.end()
    assert block.code == "import os\nprint(1" and text[block.start : block.end] == block.code
    assert BlockReader().end() == []


def test_what_does_not_exist_is_told_with_the_nearest_name(table: SymbolTable) -> None:
    checker = Checker(partial(check_code, table=table))
    first, second, third = [checker.check(block) for block in [*checker.feed(ANSWER), *checker.end()]]
    assert [(one.line, one.name, one.nearest) for one in first.findings] == [(3, "json.dumpz", "json.dump")]
    assert [(one.line, one.problem) for one in second.findings] == [
        (1, "no-such-keyword")
    ]  # the first one imports json
    assert third.error.startswith("line 1: ") and not third.findings


def test_too_much_code_is_not_read(table: SymbolTable) -> None:
    checker = Checker(partial(check_code, table=table))
    text = f"```python\nimport json\njson.dumpz()\n{'x = 1 ' * MAX_CODE}\n```\n"
    (block,) = checker.feed(text)
    assert not checker.check(block).findings


@pytest.fixture(scope="module")
def served(
    sealed: Callable[..., Path],
    table: SymbolTable,
    settings: ApplianceSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    beside = tmp_path_factory.mktemp("beside")
    table.save(beside / "symbols.json")
    with LocalServer(sealed(beside=beside), settings, tmp_path_factory.mktemp("cache")) as server:
        yield server.url


GRAMMAR = 'root ::= "```python\\nimport json\\njson.dumpz(1)\\n```\\nSo."'
ASKED = {"messages": [{"role": "user", "content": "How?"}], "grammar": GRAMMAR, "max_tokens": 60}
FOUND = {"line": 2, "name": "json.dumpz", "problem": "no-such-attribute", "nearest": "json.dump"}


def test_clients_are_told_while_the_stream_goes_on(served: str) -> None:
    with httpx.Client(base_url=served, timeout=120, trust_env=False) as http:
        (choice,) = http.post("/v1/chat/completions", json=ASKED).json()["choices"]
        text = choice["message"]["content"]
        (check,) = choice["checks"]
        assert check["findings"] == [FOUND] and text[check["start"] : check["end"]] == "import json\njson.dumpz(1)"
        lines = http.post("/v1/chat/completions", json={**ASKED, "cache": False, "stream": True}).text.splitlines()
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        told = [bool(choice.get("checks")) for chunk in chunks for choice in chunk["choices"]]
        assert told.count(True) == 1 and not told[-1]
        after = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks[told.index(True) :])
        assert after.endswith("So.")
        (choice,) = http.post("/v1/chat/completions", json={**ASKED, "check": "off"}).json()["choices"]
        assert choice["checks"] == []
        body = {"model": "pocket", "messages": ASKED["messages"], "options": {"grammar": GRAMMAR, "num_predict": 60}}
        last = json.loads(http.post("/api/chat", json=body).text.splitlines()[-1])
        assert [one["findings"] for one in last["checks"]] == [[FOUND]]
        answer = http.post(
            "/v1/responses", json={"input": "How?", "grammar": GRAMMAR, "max_output_tokens": 60, "stream": False}
        )
        assert [one["findings"] for one in answer.json()["checks"]] == [[FOUND]]


def test_code_that_was_begun_before_is_checked_whole(served: str) -> None:
    begun = "```python\nimport json\njson.dumpz(1)\n```\n\n```python\njson."
    talk = [*ASKED["messages"], {"role": "assistant", "content": begun}]
    body = {
        "messages": talk,
        "continue_final_message": True,
        "max_tokens": 60,
        "grammar": 'root ::= "loadz(2)\\n```\\n"',
    }
    with httpx.Client(base_url=served, timeout=120, trust_env=False) as http:
        (choice,) = http.post("/v1/chat/completions", json=body).json()["choices"]
    whole = begun + choice["message"]["content"]
    assert [[one["name"] for one in check["findings"]] for check in choice["checks"]] == [
        ["json.dumpz"],
        ["json.loadz"],
    ]
    assert whole[choice["checks"][1]["start"] : choice["checks"][1]["end"]] == "json.loadz(2)"


def test_a_sealed_table_that_is_none_is_told_by_a_server_at_once_and_else_where_code_is(
    sealed: Callable[..., Path], settings: ApplianceSettings, tmp_path: Path
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "symbols.json").write_text("{}")
    bundle = sealed(beside=beside)
    with pytest.raises(BundleError, match=r"symbols\.json: .*; convert or copy it anew"):
        Expert(bundle, settings, tmp_path)
    code = [*ASKED["messages"], {"role": "assistant", "content": "```python\nimport json\n```\n"}]
    with Direct(bundle, settings, tmp_path) as expert:
        assert list(expert.chat(ASKED["messages"], max_tokens=1))
        with pytest.raises(BundleError, match=r"symbols\.json: .*; convert or copy it anew"):
            list(expert.chat(code, continue_final_message=True, max_tokens=1))


def test_the_client_gives_checks_as_events(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.client._body", lambda messages, options: {**ASKED, "stream": True})
    with Client(served) as client:
        *events, done = client.chat([])
    checks = [event for event in events if isinstance(event, CodeCheck)]
    assert isinstance(done, Done) and done.checks == tuple(checks)
    assert [finding.nearest for check in checks for finding in check.findings] == ["json.dump"]
