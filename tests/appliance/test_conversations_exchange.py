"""Conversations as files: what is exported comes back, a stranger's file is checked, votes become preferences."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.conversations import Options, Store, Thread
from appliance.conversations.exchange import as_json, as_markdown, export, import_file
from appliance.conversations.votes import preferences, save_preferences
from bundle.errors import ConversationError, DatasetError
from bundle.preferences import read_preferences


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "conversations.db") as store:
        yield store


def say(thread: Thread, question: str, answer: str) -> None:
    draft = thread.ask(question, "pocket")
    draft.feed(answer)
    thread.end(draft, "whole")


def branched(store: Store) -> Thread:
    thread = Thread(store, options=Options(system="Be brief.", temperature=0.5))
    say(thread, "one", "1\n\n```python\nx\n```\n")
    say(thread, "two", "2")
    draft = thread.again(thread.path[3])
    draft.feed("zwei")
    thread.end(draft, "stopped")
    thread.vote(thread.path[3], -1, "II")
    return thread


def test_what_is_exported_comes_back_whole(store: Store, tmp_path: Path) -> None:
    thread = branched(store)
    assert thread.conversation is not None
    store.pin(thread.conversation.id, True)
    export(Thread.open(store, thread.conversation.id), tmp_path / "all.json")
    with Store(tmp_path / "other.db") as other:
        (number,) = import_file(other, tmp_path / "all.json")
        again = Thread.open(other, number)
        assert again.options == thread.options
        assert [message.text for message in again.path] == ["one", "1\n\n```python\nx\n```\n", "two", "zwei"]
        assert again.branches(again.path[3]) == (2, 2)
        assert again.path[3].state == "stopped" and again.path[3].better == "II"
        first, second = as_json(store, store.conversations()), as_json(other, other.conversations())
        assert json.loads(first)["conversations"][0]["title"] == json.loads(second)["conversations"][0]["title"]
        assert len(json.loads(second)["conversations"][0]["messages"]) == 5


def test_markdown_is_one_branch_for_people(store: Store, tmp_path: Path) -> None:
    thread = branched(store)
    export(thread, tmp_path / "one.md")
    text = (tmp_path / "one.md").read_text()
    assert text == as_markdown(thread)
    assert text.startswith("# one\n\n## Question\n\none\n\n## Answer\n\n1\n\n```python\nx\n```\n\n## Question\n\ntwo")
    assert text.endswith("## Answer (stopped)\n\nzwei\n")


def test_an_export_that_cant_be_written_is_one_line(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConversationError, match="nothing to export"):
        export(Thread(store), tmp_path / "a.md")
    with pytest.raises(ConversationError, match=r"a\.md: no such file"):
        export(branched(store), tmp_path / "nowhere" / "a.md")


def message(number: int, parent: int | None, role: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "parent": parent, "role": role, "text": "x"} | more


GOOD = [message(1, None, "user"), message(2, 1, "assistant")]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([message(1, None, "assistant")], "must take turns"),
        ([message(1, None, "user"), message(2, 1, "user")], "must take turns"),
        ([message(2, 1, "assistant"), message(1, None, "user")], "comes before its parent"),
        ([message(1, 1, "user")], "comes before its parent"),
        ([message(1, None, "user"), message(1, 1, "assistant")], "two messages have the id 1"),
        ([message(1, None, "system")], "Input should be 'user' or 'assistant'"),
        ([*GOOD[:1], message(2, 1, "assistant", vote=7)], "Input should be -1, 0 or 1"),
        ([*GOOD[:1], message(2, 1, "assistant", figures={"tokens": -1})], "greater than or equal to 0"),
        ([message(1, None, "user", created="1e400")], "finite|less than"),
        ([message(1, None, "user", extra=1)], "Extra inputs"),
    ],
)
def test_a_file_with_a_mistake_adds_nothing(store: Store, tmp_path: Path, messages: list[Any], said: str) -> None:
    file = tmp_path / "bad.json"
    good = {"title": "good", "messages": GOOD}
    file.write_text(json.dumps({"conversations": [good, {"title": "bad", "messages": messages}]}))
    with pytest.raises(ConversationError, match=said) as caught:
        import_file(store, file)
    assert "\n" not in str(caught.value)
    assert store.conversations() == []


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"conversations": 1}', b'{"version": 2}', b"[" * 100_000])
def test_what_is_no_such_file_is_one_line(store: Store, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(data)
    with pytest.raises(ConversationError, match="not a file of conversations"):
        import_file(store, file)
    with pytest.raises(ConversationError, match="no such file"):
        import_file(store, tmp_path / "missing.json")


@pytest.mark.parametrize("seed", range(20))
def test_an_imported_text_cant_steer_a_terminal(store: Store, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    hostile = "".join(chance.choices("\x1b[]0;\x07\x9b\u202e\u2066\x00\r\n\t\b\x7fab", k=300))
    file = tmp_path / "hostile.json"
    turns = [message(1, None, "user", text=hostile), message(2, 1, "assistant", text=hostile, better=hostile)]
    turns[1]["model"] = hostile
    options = {"system": hostile, "model": hostile[:200]}
    file.write_text(json.dumps({"conversations": [{"title": hostile, "messages": turns, "options": options}]}))
    (number,) = import_file(store, file)
    thread = Thread.open(store, number)
    assert thread.conversation is not None
    shown = [
        thread.conversation.title,
        thread.options.system,
        thread.options.model,
        *(one.text + one.better + one.model for one in thread.path),
    ]
    assert all(character.isprintable() or character in "\n\ue000" for character in "".join(shown))


def test_an_answer_that_was_being_written_has_stopped(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    turns = [*GOOD[:1], message(2, 1, "assistant", state="writing")]
    file.write_text(json.dumps({"conversations": [{"title": "", "messages": turns}]}))
    (number,) = import_file(store, file)
    thread = Thread.open(store, number)
    assert thread.path[1].state == "stopped"
    assert thread.conversation and thread.conversation.title == "Untitled"


def test_votes_become_pairs(store: Store, tmp_path: Path) -> None:
    thread = Thread(store)
    say(thread, "What is 1?", "Two.")
    thread.vote(thread.path[1], -1, "One.")
    draft = thread.again(thread.path[1], "pocket")
    draft.feed("It is one.")
    thread.vote(thread.end(draft, "whole"), 1)
    say(thread, "And 2?", "Three.")
    thread.vote(thread.path[3], -1, "Two.")
    unsaid = Thread(store)
    say(unsaid, "What is 3?", "Four.")
    unsaid.vote(unsaid.path[1], -1)
    pairs = [(pair.prompt, pair.chosen, pair.rejected) for pair in preferences(store, "pocket")]
    assert pairs == [("What is 1?", "One.", "Two."), ("What is 1?", "It is one.", "Two.")]
    assert list(preferences(store, "another")) == []


def test_the_trainers_file_only_gains_lines(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "preferences.jsonl"
    mine = '{"prompt": "mine", "chosen": "a", "rejected": "b"}'
    file.write_text(mine)
    thread = Thread(store)
    say(thread, "What is 1?", "Two.")
    thread.vote(thread.path[1], -1, "One.")
    assert save_preferences(store, "pocket", file) == 1
    assert save_preferences(store, "pocket", file) == 0
    (_, first), (_, second) = read_preferences(file)
    assert first.prompt == "mine" and file.read_text().startswith(mine + "\n")
    assert (second.prompt, second.chosen, second.rejected, second.model) == ("What is 1?", "One.", "Two.", "pocket")
    assert second.when is not None and second.when.tzinfo is not None
    thread.vote(thread.path[1], -1, "Uno.")
    file.write_text("damaged\n")
    with pytest.raises(DatasetError, match="not a preference"):
        save_preferences(store, "pocket", file)
    assert file.read_text() == "damaged\n"
