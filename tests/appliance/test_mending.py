"""Code that goes on otherwise where it names what doesn't exist: what is told when, and what may come instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from appliance.client import Client, Delta, Done, Health
from appliance.direct import Direct
from appliance.engine.bindings import native
from appliance.engine.expert import Expert
from appliance.engine.request import SamplingParams
from appliance.engine.sampler import Sampler
from appliance.launch import LocalServer
from appliance.mending import MOST, Detour, Mender
from appliance.settings import ApplianceSettings
from symbols.check import check_code
from symbols.finding import Finding
from symbols.table import SymbolTable


@pytest.fixture(scope="module")
def check(table: SymbolTable) -> Callable[[str], Sequence[Finding]]:
    return partial(check_code, table=table)


def follow(mender: Mender, text: str, size: int, instead: Sequence[str]) -> tuple[str, list[Detour]]:
    """What is told of a text that comes in pieces, if at each detour it goes on with the next of `instead`."""
    told, detours, rest = "", list[Detour](), list(instead)
    while True:
        for piece in [*(text[at : at + size] for at in range(0, len(text), size)), None]:
            more, detour = mender.end() if piece is None else mender.feed(piece)
            told += more
            if detour:
                assert detour.kept.startswith(told)  # nothing of what was told is taken back
                detours.append(detour)
                text = rest.pop(0)
                break
        else:
            return told, detours


HEAD = "Like this:\n\n```python\nimport json\n"


WRONG = [
    ("print(json.dumpz(1))\n", "print(json", ".dumps(1))\n"),
    ("from json import loads, dumpz\n", "from json import loads,", " dumps\n"),
    ("json.JSONEncoder(\n    indant=2,\n)\n", "json.JSONEncoder(", "\n    indent=2,\n)\n"),
    ("text = json.dumps(1)\nprint(text.uper())\n", "text = json.dumps(1)\nprint(text", ".upper())\n"),
    ("json.JSONDecoder.decoder\nif 1:\n    json.loads(1)\n", "json.JSONDecoder", ".decode\n"),
]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(("wrong", "kept", "right"), WRONG)
def test_a_name_that_there_is_not_is_taken_back_before_it_is_told(
    check: Callable[[str], Sequence[Finding]], size: int, wrong: str, kept: str, right: str
) -> None:
    end = "x = 1\n```\nThat is all.\n"
    told, detours = follow(Mender(check), HEAD + wrong + end, size, [right + end])
    assert [one.kept for one in detours] == [HEAD + kept]
    assert told == HEAD + kept + right + end


@pytest.mark.parametrize("size", [1, 7])
def test_what_is_no_python_is_taken_back_once(check: Callable[[str], Sequence[Finding]], size: int) -> None:
    wrong = "x = 1\nprint(json.dumps(x)\n# 1\n```\nEnd."
    told, detours = follow(Mender(check), HEAD + wrong, size, ["print(x)\n```\nEnd."])
    assert told == HEAD + "x = 1\nprint(x)\n```\nEnd."
    assert detours == [Detour(HEAD + "x = 1\n")]
    told, detours = follow(Mender(check), HEAD + wrong, size, ["print(x\n```\nEnd."])
    assert told == HEAD + "x = 1\nprint(x\n```\nEnd." and len(detours) <= 1


def test_what_was_begun_says_whether_a_line_is_code(check: Callable[[str], Sequence[Finding]]) -> None:
    assert Mender(check, "It is").feed(" so") == (" so", None)
    assert Mender(check, HEAD + "x").feed(" = 1") == ("", None)


def test_an_answer_that_is_cut_off_stays_as_it_is(check: Callable[[str], Sequence[Finding]]) -> None:
    mender = Mender(check)
    told = mender.feed(HEAD + "json.dumpz(1")[0]
    assert told + mender.end(cut_off=True)[0] == HEAD + "json.dumpz(1"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_there_is_comes_as_it_is(check: Callable[[str], Sequence[Finding]], size: int) -> None:
    text = f"{HEAD}print(json.dumps(1))\n```\n```text\njson.dumpz\n```\n`json.dumpz`\n```python\nif x:\n    y\n```\n"
    mender = Mender(check)
    assert follow(mender, text, size, []) == (text, [])
    assert not mender.mended


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("No code", "No code"),
        ("No code.\nSo ", "No code.\nSo "),
        ("```python", "```python"),
        (HEAD, HEAD),
        (HEAD + "x = 1\ny =", HEAD + "x = 1\n"),
        (HEAD + "if x:\n", HEAD),
        (HEAD + "x = [\n1,\n", HEAD),
    ],
)
def test_code_is_told_statement_by_statement(check: Callable[[str], Sequence[Finding]], text: str, told: str) -> None:
    mender = Mender(check)
    assert "".join(mender.feed(character)[0] for character in text) == told
    assert told + mender.end(cut_off=True)[0] == text


@pytest.mark.parametrize("end", ["\r", "\x0c", "\u2028", "\x00", "\ud800"])
def test_odd_characters_break_nothing(check: Callable[[str], Sequence[Finding]], end: str) -> None:
    text = f"{HEAD}x = 1{end}y = 2{end}json.dumpz(1){end}\n```\n"
    told, detours = follow(Mender(check), text, 3, [f".dumps(1){end}\n```\n"] * 2)
    assert told.startswith(HEAD) and told.endswith(f"(1){end}\n```\n") and len(detours) <= 1


def test_only_so_many_names_are_mended_and_none_for_ever(check: Callable[[str], Sequence[Finding]]) -> None:
    worse = [".dumpz()\njson.dumpz()\n"] * 20
    told, detours = follow(Mender(check), HEAD + "json.dumpz()\njson.dumpz()\n", 1000, worse)
    assert len(detours) == MOST and told.endswith(".dumpz()\n")


def test_what_was_begun_stays(check: Callable[[str], Sequence[Finding]]) -> None:
    begun = HEAD + "json.dumpz()\n"
    told, detours = follow(Mender(check, begun), "json.loadz()\n```\n", 4, [".loads()\n```\n"])
    assert [one.kept for one in detours] == [begun + "json"]
    assert told == "json.loads()\n```\n"


def test_a_module_that_there_is_not_stays(check: Callable[[str], Sequence[Finding]]) -> None:
    text = "```python\nimport jsn\njsn.load()\n```\n"
    assert follow(Mender(check), text, 5, []) == (text, [])


@pytest.mark.parametrize("size", [1, 1000])
def test_what_was_imported_instead_is_used_instead(check: Callable[[str], Sequence[Finding]], size: int) -> None:
    wrong = "from json import dumpz\nprint(dumpz(1))\n"
    told, detours = follow(
        Mender(check), HEAD + wrong, size, [" dumps\nprint(dumpz(1), dumpz)\n", "(1), dumpz)\n", ")\n"]
    )
    assert told == HEAD + "from json import dumps\nprint(dumps(1), dumps)\n"
    assert [one.grammar == "" for one in detours] == [False, True, True]


@pytest.mark.parametrize("size", [1, 1000])
def test_a_library_that_is_used_is_imported(check: Callable[[str], Sequence[Finding]], size: int) -> None:
    for begin, use in (("x = 1\nfor y in [x]:\n", "    print(json.dumps(y))\n"), ("", "@json.loads\nclass A: pass\n")):
        told, detours = follow(Mender(check), f"```python\n{begin}{use}```\n", size, [f"{use}```\n"])
        indent = use[: len(use) - len(use.lstrip())]
        assert told == f"```python\n{begin}{indent}import json\n{use}```\n"
        assert [one.grammar for one in detours] == [""]


@pytest.mark.parametrize(
    "code",
    [
        "print(x.dumps(y))\n",  # the person's own
        "print(json)\n",
        "json.dumpz(1)\n",  # may be no module at all
        "try:\n    json.dumps(1)\nexcept NameError:\n    pass\n",
        "def write():\n    return json.dumps(1)\nimport json\n",
        "from json import *\ndumps(1)\n",
        "json = object()\njson.dumps(1)\n",
        "class One:\n    x = 1\n    y = x\n",
        "if 1:\n    x = 1\nelse: json.dumps(1)\n",  # where no import can stand
        "print(sys.argv)\n",  # of no library of the bundle's
    ],
)
def test_other_names_that_nothing_binds_stay(check: Callable[[str], Sequence[Finding]], code: str) -> None:
    text = f"```python\n{code}```\n"
    assert follow(Mender(check), text, 5, []) == (text, [])


INSTEAD = [
    ("json.dumpz(1)\n", "", [".dump(", ".dumps(1)\njson.dumpz"], [".dumpz(1)", ".dumpsy", "(", " .dumps(", ".loads"]),
    ("json.write(1)\n", "Is it json.loads?", [".loads("], [".dump(", ".write"]),
    (
        "json.write(1)\n",
        "Is it json.wrote?",
        [".dump(", ".loads(1)\njson.write", ".decoder."],
        [".write(1)", ".loadsy", "("],
    ),
    ("from json import dumps, dumpz\n", "", [" dump\n"], [" dumps"]),
    ("from json import dumpz\n", "", [" dump, loads\n", " dumps as d"], [" dumpz", " dumps.x", " dumps(1)", "dumps"]),
    (
        "json.JSONEncoder(indant=2)\n",
        "",
        ["indent=4)", ")\n"],
        ["indant=2", "indent)", "1)", " indent=2", "skipkeys=1"],
    ),
    ("json.JSONEncoder(indent=2, indant=2)\n", "", [" skipkeys=x", " )"], [" indent=2"]),
    ("json.JSONEncoder().iterencode([], indant=2)\n", "", [" )"], [" o=1", " self=1", " _one_shot=1"]),
    ("''.isalpha(b=1)\n", "", [")\n"], ["b=1", "b"]),
]


@pytest.mark.parametrize(("code", "about", "fits", "others"), INSTEAD)
def test_only_what_there_is_may_come_instead(
    expert: Expert, check: Callable[[str], Sequence[Finding]], code: str, about: str, fits: list[str], others: list[str]
) -> None:
    _, detour = Mender(check, about=about).feed(f"```python\nimport json\n{code}")
    assert detour

    def takes(text: str) -> bool:
        sampler = Sampler(SamplingParams(0, 1, 1, grammar=detour.grammar), expert.model, ())
        for character in text:
            logits = np.zeros(expert.model.n_vocab, np.float32)
            (wanted,) = expert.model.tokenize(character)
            logits[wanted] = 1
            if sampler._matching(logits) != wanted:
                return False
            native.llama_sampler_accept(sampler._grammar, wanted)
        return True

    assert [text for text in [*fits, *others] if takes(text)] == fits


def test_a_library_of_many_names_makes_a_grammar_that_can_be_read(expert: Expert) -> None:
    names = tuple(f"name_{number:x}_{'x' * (number % 90)}" for number in range(5000))
    found = [Finding(1, "big.nothing", "no-such-attribute", "", ("no name", "ünï", *names))]
    _, detour = Mender(lambda code: found).feed("```python\nbig.nothing\n")
    assert detour
    Sampler(SamplingParams(0, 1, 1, grammar=detour.grammar), expert.model, ())


@pytest.fixture(scope="module")
def poor(sealed: Callable[..., Path], table: SymbolTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose libraries know no `json.dumps` and no `json.dump`."""
    beside = tmp_path_factory.mktemp("beside")
    scope = table.scopes[table.roots["json"]]
    members = {name: number for name, number in scope.members.items() if not name.startswith("dump")}
    scopes = [replace(one, members=members) if one is scope else one for one in table.scopes]
    replace(table, scopes=scopes).save(beside / "symbols.json")
    return sealed(beside=beside)


@pytest.fixture(scope="module")
def served(poor: Path, settings: ApplianceSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with LocalServer(poor, settings, tmp_path_factory.mktemp("cache")) as server:
        yield server.url


MESSAGES = [
    {"role": "user", "content": "How do I write a list as JSON?"},
    {"role": "assistant", "content": "```python\nimport json\n\nx = [1, 2]\ntext = json"},
]
ASKED = {
    "messages": MESSAGES,
    "continue_final_message": True,
    "temperature": 0,
    "max_tokens": 60,
    "stop": ["\n"],
}


def test_an_answer_goes_on_with_names_that_there_are(served: str) -> None:
    def names(reply: dict[str, Any]) -> list[str]:
        return [finding["name"] for check in reply["choices"][0]["checks"] for finding in check["findings"]]

    def said(reply: dict[str, Any]) -> str:
        return str(reply["choices"][0]["message"]["content"])

    with httpx.Client(base_url=served, timeout=120, trust_env=False) as http:
        flagged = http.post("/v1/chat/completions", json=ASKED).json()
        assert "json.dumps" in names(flagged) and not flagged["repaired"]
        repaired = http.post("/v1/chat/completions", json={**ASKED, "check": "repair"}).json()
        assert repaired["repaired"] and not repaired["cached"]
        assert names(repaired) == [] and "dump" not in said(repaired)
        assert repaired["usage"]["prompt_tokens"] == flagged["usage"]["prompt_tokens"]
        assert repaired["usage"]["completion_tokens"] <= 60
        assert repaired["timings"]["predicted_n"] == repaired["usage"]["completion_tokens"]
        again = http.post("/v1/chat/completions", json={**ASKED, "check": "repair"}).json()
        assert again["cached"] and again["repaired"] and said(again) == said(repaired)
        no_question = {**ASKED, "messages": MESSAGES[1:], "max_tokens": 2, "check": "repair"}
        assert http.post("/v1/chat/completions", json=no_question).status_code == 200
        # Both policies' answers are in the cache, each under its own.
        assert said(http.post("/v1/chat/completions", json=ASKED).json()) == said(flagged)
        body = {**ASKED, "check": "repair", "stream": True, "cache": False}
        lines = http.post("/v1/chat/completions", json=body).text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    pieces = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "".join(pieces) == said(repaired)
    assert chunks[-1]["repaired"]


def test_an_expert_in_this_process_repairs_as_a_server_does(
    poor: Path, served: str, settings: ApplianceSettings, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {**ASKED, "check": "repair"}
    with httpx.Client(base_url=served, timeout=120, trust_env=False) as http:
        reply = http.post("/v1/chat/completions", json=asked).json()
    messages = asked.pop("messages")
    with Client(served) as client:
        *_, done = client.chat(messages, **asked)
        assert isinstance(done, Done) and done.repaired
    with Direct(poor, settings, tmp_path) as expert:
        *_, done = expert.chat(messages[1:], **{**asked, "max_tokens": 2})  # to no question at all
        assert isinstance(done, Done)
        for cached in (False, True):
            *deltas, done = expert.chat(messages, **asked)
            assert isinstance(done, Done)
            assert (
                "".join(one.text for one in deltas if isinstance(one, Delta))
                == reply["choices"][0]["message"]["content"]
            )
            assert done.usage.completion_tokens == reply["usage"]["completion_tokens"]
            assert done.repaired and (done.cached, [check.findings for check in done.checks]) == (cached, [()])
        *_, done = expert.chat(messages, **{**asked, "check": "off"})
        assert isinstance(done, Done) and done.checks == ()


def test_a_client_that_leaves_leaves_nothing_running(served: str, wait_for_health: Callable[..., Health]) -> None:
    asked: dict[str, Any] = {**ASKED, "check": "repair", "max_tokens": 400, "stop": [], "cache": False}
    messages = asked.pop("messages")
    with Client(served) as client:
        for _ in range(3):
            answer = client.chat(messages, **asked)
            next(answer)
            assert client.health().slots_busy == 1
            answer.close()
            wait_for_health(lambda health: not health.slots_busy, served)


@pytest.mark.parametrize("bound", [{"grammar": 'root ::= ".dumps(x)"'}, {"n": 2}, {"logprobs": True}])
def test_answers_that_have_a_form_or_are_several_or_scored_are_as_they_come(served: str, bound: dict[str, Any]) -> None:
    with httpx.Client(base_url=served, timeout=120, trust_env=False) as http:
        reply = http.post("/v1/chat/completions", json={**ASKED, **bound, "check": "repair"}).json()
    assert not reply["repaired"] and "json.dumps" in str(reply["choices"][0]["checks"])
