"""Opens the file: for its owner alone, in WAL mode, brought up to date; several processes may have it open at once.

Knows SQLite, and nothing about conversations.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.conversations.migrations import MIGRATIONS
from bundle.errors import ConversationError

PATIENCE = 10.0
"""Seconds to wait while another process writes."""


def open_database(path: Path, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """The open file, made where there is none.

    Raises:
        ConversationError: it can't be made or opened, isn't a database, or a newer program wrote it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here, so that it is never readable by others, not even for a moment; SQLite's own files take its mode.
        # One that is there isn't opened: closing it would let go of the locks that this process has on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if not path.is_file():
            raise OSError(errno.EINVAL, "Not a file")
        path.chmod(0o600)
    except OSError as error:
        raise ConversationError(f"{path}: {(error.strerror or 'unusable').lower()}; no conversation is kept") from None
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        with one_line_errors(path), _alone(path.parent):
            # SQLite waits for nobody here: two that begin a file at once would be told that it is locked.
            connection.execute("PRAGMA journal_mode = WAL")
            # A process that is killed loses nothing; a power cut may take the last seconds.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of all processes, only one at a time is in here with the same folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    if _version(connection) == len(migrations):
        return
    with writing(connection):
        # Once more: another process may have done it while this one waited.
        version = _version(connection)
        if version > len(migrations):
            raise ConversationError(f"{path}: a newer boffin wrote this file; update this one")
        for number, script in enumerate(migrations[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one: `executescript` would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that may write, from its beginning: all of it is done, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Where the disk is full SQLite has rolled back by itself.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
        raise


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line each."""
    try:
        yield
    except sqlite3.Error as error:
        busy = "locked" in str(error)
        remedy = "close the program that holds it" if busy else "move the file away, and a new one is begun"
        raise ConversationError(f"{path}: {error}; {remedy}") from None
