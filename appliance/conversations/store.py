"""The store: conversations, their trees of messages, and the answers that are being written.

Calls take milliseconds and may be made from any one thread at a time. Knows nothing about HTTP or about what is shown.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from appliance.conversations.claim import Claim
from appliance.conversations.database import one_line_errors, open_database, writing
from appliance.conversations.draft import Draft
from appliance.conversations.evidence import Evidence
from appliance.conversations.message import MAX_TITLE, Conversation, Figures, Message, Options, State
from appliance.sanitise import clean, clean_line
from bundle.errors import ConversationError

KEPT = 24 * 3600.0
"""Seconds that a deleted conversation can be had back; then it is gone when the store is next opened."""
_CONVERSATION = "SELECT id, title, created, changed, pinned, options FROM conversation"
_MESSAGE = "SELECT id, parent, role, text, state, model, figures, evidence, vote, better, created FROM message"


class Store:
    """All conversations of one file; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            ConversationError: it can't be used.
        """
        self.path = path
        self._connection = open_database(path)
        self._claim: Claim | None = None
        with self.writing():
            self._connection.execute("DELETE FROM conversation WHERE deleted < ?", (time.time() - KEPT,))
        self.recover()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction, in which no other process writes."""
        with one_line_errors(self.path), writing(self._connection):
            yield

    def rows(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        """What a query gives."""
        with one_line_errors(self.path):
            return self._connection.execute(query, parameters).fetchall()

    def recover(self) -> int:
        """Mark as stopped what a process that is no more was writing; returns how many answers that were."""
        writers = [row["writer"] for row in self.rows("SELECT DISTINCT writer FROM message WHERE state = 'writing'")]
        dead = [writer for writer in writers if not self._claimed().is_alive(writer)]
        if not dead:
            return 0
        with self.writing():
            return sum(
                self._connection.execute(
                    "UPDATE message SET state = 'stopped' WHERE state = 'writing' AND writer = ?", (writer,)
                ).rowcount
                for writer in dead
            )

    def conversations(self, limit: int = 1_000) -> list[Conversation]:
        """The pinned ones, then the others, each with the newest first."""
        rows = self.rows(
            f"{_CONVERSATION} WHERE deleted IS NULL ORDER BY pinned DESC, changed DESC, id DESC LIMIT ?", limit
        )
        return [_conversation(row) for row in rows]

    def newest(self) -> Conversation | None:
        """The conversation that was last gone on with."""
        rows = self.rows(f"{_CONVERSATION} WHERE deleted IS NULL ORDER BY changed DESC, id DESC LIMIT 1")
        return _conversation(rows[0]) if rows else None

    def conversation(self, number: int) -> Conversation:
        """One conversation.

        Raises:
            ConversationError: there is none of that number, or it was deleted.
        """
        rows = self.rows(f"{_CONVERSATION} WHERE id = ? AND deleted IS NULL", number)
        if not rows:
            raise ConversationError("this conversation is no longer there; it may have been deleted in another window")
        return _conversation(rows[0])

    def messages(self, conversation: int) -> list[Message]:
        """All messages of a conversation, of all branches, in the order of their making."""
        return [_message(row) for row in self.rows(f"{_MESSAGE} WHERE conversation = ? ORDER BY id", conversation)]

    def leaf(self, conversation: int) -> int | None:
        """The last message of the branch that was last read."""
        rows = self.rows("SELECT leaf FROM conversation WHERE id = ?", conversation)
        return rows[0]["leaf"] if rows else None

    def begin(self, question: str, options: Options | None = None) -> Conversation:
        """A new conversation, named by its first question."""
        now = time.time()
        title = clean_line(question, MAX_TITLE) or "Untitled"
        number = self._change(
            "INSERT INTO conversation (title, created, changed, options) VALUES (?, ?, ?, ?)",
            title,
            now,
            now,
            (options or Options()).model_dump_json(),
        )
        return self.conversation(number)

    def rename(self, conversation: int, title: str) -> None:
        """Give it another name; an empty one changes nothing."""
        if title := clean_line(title, MAX_TITLE):
            self._change("UPDATE conversation SET title = ? WHERE id = ?", title, conversation)

    def pin(self, conversation: int, pinned: bool) -> None:
        """Keep it at the top of the list, or no longer."""
        self._change("UPDATE conversation SET pinned = ? WHERE id = ?", pinned, conversation)

    def set_options(self, conversation: int, options: Options) -> None:
        """Change what it asks of its answers from now on."""
        self._change("UPDATE conversation SET options = ? WHERE id = ?", options.model_dump_json(), conversation)

    def set_leaf(self, conversation: int, message: int | None) -> None:
        """Remember which branch is being read."""
        self._change("UPDATE conversation SET leaf = ? WHERE id = ?", message, conversation)

    def delete(self, conversation: int) -> None:
        """Delete it; `restore` takes that back."""
        self._change("UPDATE conversation SET deleted = ? WHERE id = ?", time.time(), conversation)

    def restore(self, conversation: int) -> None:
        """Have a deleted conversation back."""
        self._change("UPDATE conversation SET deleted = NULL WHERE id = ?", conversation)

    def add(self, conversation: int, message: Message) -> Message:
        """Add a message after `message.parent`; its number is given here.

        Raises:
            ConversationError: the conversation is gone.
        """
        return self._add(conversation, message, "")

    def add_all(self, conversations: Sequence[tuple[Conversation, Sequence[Message]]]) -> list[int]:
        """Add whole conversations, each with its messages, parents first; returns their numbers. All, or none."""
        added = []
        with self.writing():
            for conversation, messages in conversations:
                now = time.time()
                changed = max([conversation.created, *(message.created for message in messages)])
                number = self._connection.execute(
                    "INSERT INTO conversation (title, created, changed, pinned, options) VALUES (?, ?, ?, ?, ?)",
                    (
                        conversation.title,
                        conversation.created or now,
                        changed or now,
                        conversation.pinned,
                        conversation.options.model_dump_json(),
                    ),
                ).lastrowid
                numbers: dict[int | None, int | None] = {None: None}
                for message in messages:
                    placed = message.model_copy(update={"parent": numbers[message.parent]})
                    numbers[message.id] = _insert(self._connection, number or 0, placed, "", message.created or now)
                added.append(number or 0)
        return added

    def begin_answer(self, conversation: int, question: int, model: str) -> tuple[Message, Draft]:
        """Open an answer for writing."""
        empty = Message(id=0, parent=question, role="assistant", text="", state="writing", model=model)
        message = self._add(conversation, empty, self._claimed().name)
        return message, Draft(message.id, "", self._write)

    def reopen(self, answer: Message) -> Draft:
        """Open an answer once more, to go on with it."""
        self._change("UPDATE message SET state = 'writing', writer = ? WHERE id = ?", self._claimed().name, answer.id)
        return Draft(answer.id, answer.text, self._write)

    def message(self, number: int) -> Message:
        """One message.

        Raises:
            ConversationError: there is none of that number.
        """
        rows = self.rows(f"{_MESSAGE} WHERE id = ?", number)
        if not rows:
            raise ConversationError("this message is no longer there; it may have been deleted in another window")
        return _message(rows[0])

    def remove(self, message: int) -> None:
        """Remove a message, and what follows it."""
        self._change("DELETE FROM message WHERE id = ?", message)

    def questions(self, limit: int = 200) -> list[str]:
        """What was asked last, in any conversation, each question once; the newest last."""
        rows = self.rows(
            "SELECT text FROM message JOIN conversation ON conversation.id = conversation"
            " WHERE role = 'user' AND deleted IS NULL GROUP BY text ORDER BY max(message.id) DESC LIMIT ?",
            limit,
        )
        return [row["text"] for row in reversed(rows)]

    def vote(self, answer: int, vote: Literal[-1, 0, 1], better: str = "") -> None:
        """Keep a person's verdict on an answer: good (1), bad (-1), with a better answer or without, or none (0)."""
        self._change(
            "UPDATE message SET vote = ?, better = ?, voted = ? WHERE id = ?", vote, clean(better), time.time(), answer
        )

    def _claimed(self) -> Claim:
        if self._claim is None:
            self._claim = Claim(self.path.with_name("writers"))
        return self._claim

    def _add(self, conversation: int, message: Message, writer: str) -> Message:
        now = message.created or time.time()
        with self.writing():
            number = _insert(self._connection, conversation, message, writer, now)
            self._connection.execute(
                "UPDATE conversation SET changed = max(changed, ?), leaf = ? WHERE id = ?", (now, number, conversation)
            )
        return message.model_copy(update={"id": number, "created": now})

    def _write(self, message: int, text: str, state: State, figures: Figures, evidence: Evidence) -> None:
        self._change(
            "UPDATE message SET text = ?, state = ?, figures = ?, evidence = ? WHERE id = ?",
            text,
            state,
            figures.model_dump_json(),
            evidence.model_dump_json(),
            message,
        )

    def _change(self, statement: str, *parameters: object) -> int:
        with self.writing():
            return self._connection.execute(statement, parameters).lastrowid or 0


def _insert(connection: sqlite3.Connection, conversation: int, message: Message, writer: str, now: float) -> int:
    try:
        row = connection.execute(
            "INSERT INTO message"
            " (conversation, parent, role, text, state, writer, model, figures, evidence, vote, better, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                conversation,
                message.parent,
                message.role,
                message.text,
                message.state,
                writer,
                message.model,
                message.figures.model_dump_json(),
                message.evidence.model_dump_json(),
                message.vote,
                message.better,
                now,
            ),
        )
    except sqlite3.IntegrityError:
        raise ConversationError("this conversation is no longer there; begin a new one") from None
    return row.lastrowid or 0


def _conversation(row: sqlite3.Row) -> Conversation:
    values: dict[str, Any] = dict(row)
    return Conversation.model_validate(values | {"options": Options.model_validate_json(values["options"])})


def _message(row: sqlite3.Row) -> Message:
    values: dict[str, Any] = dict(row)
    figures, evidence = Figures.model_validate_json(values["figures"]), Evidence.read(values["evidence"])
    return Message.model_validate(values | {"figures": figures, "evidence": evidence})
