"""The store of conversations: trees, branches, deletion with undo, search, migrations, and whose file it is."""

from __future__ import annotations

import random
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.conversations import Message, Options, Store, Thread, default_place
from appliance.conversations.database import open_database
from appliance.conversations.migrations import MIGRATIONS
from appliance.conversations.search import MARK, UNMARK, match_query, search
from appliance.conversations.store import KEPT
from bundle.errors import ConversationError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data" / "conversations.db") as store:
        yield store


def talk(store: Store, *turns: tuple[str, str]) -> Thread:
    thread = Thread(store)
    for question, answer in turns:
        draft = thread.ask(question, "pocket")
        draft.feed(answer)
        thread.end(draft, "whole")
    return thread


def texts(thread: Thread) -> list[str]:
    return [message.text for message in thread.path]


def number(thread: Thread) -> int:
    assert thread.conversation is not None
    return thread.conversation.id


def test_it_lies_in_the_users_data_folder() -> None:
    assert default_place({"XDG_DATA_HOME": "/data"}) == Path("/data/boffin/conversations.db")
    assert default_place({"XDG_DATA_HOME": "relative"}) == Path("~/.local/share/boffin/conversations.db").expanduser()


def test_nobody_else_can_read_it(store: Store) -> None:
    talk(store, ("one", "1"))
    files = list(store.path.parent.iterdir())
    assert {file.name for file in files} >= {"conversations.db", "conversations.db-wal", "writers"}
    for file in (store.path.parent, *files):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_a_conversation_is_named_by_its_first_question_and_begins_with_it(store: Store) -> None:
    thread = Thread(store, options=Options(temperature=0.0))
    assert store.conversations() == []
    thread.ask("How do I\n\tsort?\x1b[31m " + "x" * 200)
    (conversation,) = store.conversations()
    assert conversation.title.startswith("How do I sort?␛[31m xxx")
    assert len(conversation.title) == 80
    assert conversation.options == Options(temperature=0.0)


def test_what_was_said_is_there_when_it_is_opened_again(store: Store) -> None:
    thread = talk(store, ("one", "1"), ("two", "2"))
    again = Thread.open(store, number(thread))
    assert texts(again) == ["one", "1", "two", "2"]
    assert again.path == thread.path


def test_an_edited_question_is_a_branch_beside_it(store: Store) -> None:
    thread = talk(store, ("one", "1"), ("two", "2"))
    draft = thread.edit(thread.path[0], "uno")
    draft.feed("I")
    thread.end(draft, "whole")
    assert texts(thread) == ["uno", "I"]
    assert thread.branches(thread.path[0]) == (2, 2)
    assert thread.switch(thread.path[0], -1)
    assert texts(thread) == ["one", "1", "two", "2"]
    assert not thread.switch(thread.path[0], -1)
    assert texts(Thread.open(store, number(thread))) == texts(thread)
    assert texts(Thread.open(store, number(thread), at=draft.message)) == ["uno", "I"]


def test_another_answer_is_a_branch_beside_the_first(store: Store) -> None:
    thread = talk(store, ("one", "1"), ("two", "2"))
    draft = thread.again(thread.path[1])
    assert thread.sent(draft) == [{"role": "user", "content": "one"}]
    draft.feed("I")
    answer = thread.end(draft, "whole")
    assert texts(thread) == ["one", "I"]
    assert thread.branches(answer) == (2, 2)
    thread.switch(answer, -1)
    assert texts(thread) == ["one", "1", "two", "2"]


def test_an_answer_is_gone_on_with(store: Store) -> None:
    thread = Thread(store, options=Options(system="Be brief."))
    draft = thread.ask("one")
    draft.feed("first ha")
    draft = thread.go_on(thread.end(draft, "cut"))
    assert [message["role"] for message in thread.sent(draft)] == ["system", "user", "assistant"]
    draft.feed("lf")
    assert thread.end(draft, "whole").text == "first half"
    assert texts(thread) == ["one", "first half"]


def test_a_question_without_an_answer_is_not_sent_again(store: Store) -> None:
    thread = talk(store, ("one", "1"), ("lost", ""))
    draft = thread.ask("two")
    assert thread.sent(draft) == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
    ]


def test_the_list_has_the_pinned_first_and_then_the_newest(store: Store) -> None:
    threads = [talk(store, (name, "…")) for name in ("a", "b", "c")]
    store.pin(number(threads[0]), True)
    assert [one.title for one in store.conversations()] == ["a", "c", "b"]
    assert [one.pinned for one in store.conversations()] == [True, False, False]
    newest = store.newest()
    assert newest and newest.title == "c"
    store.rename(number(threads[1]), " Bee\n")
    store.rename(number(threads[2]), "  ")
    assert [one.title for one in store.conversations()] == ["a", "c", "Bee"]


def test_a_deleted_conversation_can_be_had_back_for_a_while(store: Store) -> None:
    thread = talk(store, ("needle", "1"))
    store.delete(number(thread))
    assert store.conversations() == [] and search(store, "needle") == []
    with pytest.raises(ConversationError, match="no longer there"):
        Thread.open(store, number(thread))
    store.restore(number(thread))
    assert texts(Thread.open(store, number(thread))) == ["needle", "1"]
    store.delete(number(thread))
    with store.writing():
        store._connection.execute("UPDATE conversation SET deleted = ?", (time.time() - KEPT - 1,))
    with Store(store.path) as later:
        later.restore(number(thread))
        assert later.conversations() == []
        assert later.rows("SELECT * FROM message") == []
        assert later.rows("SELECT * FROM message_text WHERE message_text MATCH 'needle'") == []


def test_search_finds_what_was_said_and_tells_where(store: Store) -> None:
    first = talk(store, ("How do I sort a DataFrame?", "Call `df.sort_values('a')`, naïvely."), ("And down?", "No."))
    talk(store, ("How do I group?", "Call groupby."))
    (hit,) = search(store, "sort_val")
    assert (hit.conversation, hit.message) == (number(first), first.path[1].id)
    assert f"{MARK}sort_values{UNMARK}" in hit.excerpt
    assert [one.message for one in search(store, "CALL naive")] == [first.path[1].id]
    assert [one.message for one in search(store, '"a dataframe"')] == [None, first.path[0].id]
    assert search(store, '"dataframe a"') == []
    assert search(store, "sort groupby") == []
    store.rename(number(first), "100% sorted")
    assert [(one.title, one.message) for one in search(store, "100%")] == [("100% sorted", None)]
    assert search(store, "1_0") == []


def test_an_answer_is_found_once_it_has_ended(store: Store) -> None:
    thread = Thread(store)
    draft = thread.ask("one")
    draft.feed("needle")
    assert search(store, "needle") == []
    answer = thread.end(draft, "whole")
    assert len(search(store, "needle")) == 1
    draft = thread.go_on(answer)
    assert search(store, "needle") == []
    draft.feed(" and thread")
    thread.end(draft, "whole")
    assert [len(search(store, word)) for word in ("needle", "thread")] == [1, 1]
    with store.writing():
        store._connection.execute("INSERT INTO message_text (message_text) VALUES ('integrity-check')")


ODD = [
    '"',
    "'",
    "*",
    "(",
    ")",
    "^",
    ":",
    "-",
    "+",
    "{",
    "}",
    "NEAR",
    "AND",
    "OR",
    "NOT",
    "text:",
    "\0",
    "\x1b",
    "\ud83d",
]
ODD += ["%", "_", "\\", ",", ".", " ", "\n", "é", "数", "\u202e", "🙂", "a", "b_c", "\ue000", ";--", "\uffff"]


@pytest.mark.parametrize("seed", range(40))
def test_nothing_that_is_typed_is_syntax(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    talk(store, ("NEAR AND text: a b_c", "数 é"))
    for _ in range(25):
        typed = "".join(chance.choices(ODD, k=chance.randint(0, 14)))
        for hit in search(store, typed):
            assert hit.conversation
    assert match_query('a "b c') == '"a" "b c"*'
    assert match_query('* " -') == ""


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_kept_as_it_came(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    question = "".join(chance.choices(ODD, k=200))
    thread = Thread(store)
    draft = thread.ask(question)
    pieces = ["".join(chance.choices(ODD[:-1], k=9)).replace("\ud83d", "") for _ in range(50)]
    for piece in pieces:
        draft.feed(piece)
    thread.end(draft, "whole")
    again = Thread.open(store, number(thread))
    assert texts(again) == texts(thread)
    assert again.path[1].text == "".join(pieces)
    assert not set(again.path[0].text) & {"\x1b", "\0", "\u202e"}


def test_a_vote_is_taken_back_by_giving_it_again(store: Store) -> None:
    thread = talk(store, ("one", "1"))
    assert thread.vote(thread.path[1], 1).vote == 1
    assert thread.vote(thread.path[1], -1, "uno").better == "uno"
    assert thread.vote(thread.path[1], -1).vote == 0
    assert Thread.open(store, number(thread)).path[1].vote == 0


def test_an_old_file_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    plain = open_database(path, MIGRATIONS[:1])
    plain.execute("INSERT INTO conversation (title, created, changed, leaf) VALUES ('old', 1, 1, 1)")
    plain.execute(
        "INSERT INTO message (conversation, role, text, state, created) VALUES (1, 'user', 'before', 'whole', 1)"
    )
    plain.close()
    with Store(path) as store:
        assert [message.text for message in Thread.open(store, 1).path] == ["before"]
        talk(store, ("needle", "1"))
        assert len(search(store, "needle")) == 2
    with Store(path) as store:
        assert store.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with pytest.raises(ConversationError, match="no such table"):
        open_database(path, [*MIGRATIONS, "CREATE TABLE more (a);\nINSERT INTO nowhere VALUES (1);\n"])
    plain = sqlite3.connect(path)
    assert plain.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    plain.close()


def test_a_file_that_cant_be_used_is_one_line(tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    plain = sqlite3.connect(newer)
    plain.execute("PRAGMA user_version = 99")
    plain.close()
    damaged = tmp_path / "damaged.db"
    damaged.write_text("not a database, but long enough to look like one " * 40)
    for path, said in ((newer, "newer boffin"), (damaged, "not a database"), (tmp_path, "no conversation is kept")):
        with pytest.raises(ConversationError, match=said) as caught:
            Store(path)
        assert "\n" not in str(caught.value)


def test_two_thousand_messages_are_read_at_once(store: Store) -> None:
    turns = [
        Message(id=place + 1, parent=place or None, role="assistant" if place % 2 else "user", text="word " * 100)
        for place in range(2_000)
    ]
    (added,) = store.add_all([(store.begin("long"), turns)])
    began = time.perf_counter()
    assert len(Thread.open(store, added).path) == 2_000
    assert time.perf_counter() - began < 1
