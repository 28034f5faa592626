"""Questions and answers of a Stack Exchange site, each question with its accepted or its best answer.

The file is read twice, for the questions and then for their answers, because an answer may stand anywhere; what is
chosen waits in a temporary database on the disk, so that gigabytes pass in constant memory.

no-answer       no answer is accepted, or has the score that is asked for
too-large       a post, or a piece of JSON, is too long
invalid-entry   a post that isn't what the format says
broken-file     a file that is broken or breaks off; what stood before the fault is used
hostile-xml     a document type, entities, nested elements, endless rows; nothing of the file is used

Knows nothing about the code in the posts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bundle.errors import SourceError
from curation.collectors.post_html import read_html
from curation.collectors.stack_posts import HOSTILE, Post, read_api, read_dump, read_names
from curation.collectors.subject import subject
from curation.entries import Dropped, Origin, QuestionEntry
from curation.settings import StackExchangeSource

POSTS = "Posts.xml"
USERS = "Users.xml"
_JSON = (".json", ".jsonl", ".json.gz")
_SCHEMA = """
CREATE TABLE question (number INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, post TEXT NOT NULL);
CREATE TABLE answer (
    question INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, score INTEGER NOT NULL, number INTEGER NOT NULL,
    post TEXT NOT NULL
);
CREATE TABLE owner (number INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');
"""
_BETTER = """
INSERT INTO answer VALUES (?, ?, ?, ?, ?) ON CONFLICT (question) DO UPDATE
SET accepted = excluded.accepted, score = excluded.score, number = excluded.number, post = excluded.post
WHERE (excluded.accepted, excluded.score, -excluded.number) > (accepted, score, -number)
"""


class StackExchangeCollector:
    """Reads a data dump, or JSON as the API answers."""

    def __init__(self, source: StackExchangeSource, folder: Path) -> None:
        """`folder` is the project's, to which a relative path belongs."""
        self._source = source
        self._path = folder / Path(source.path).expanduser()

    @property
    def name(self) -> str:
        """The file or the folder."""
        return self._source.path

    def collect(self) -> Iterator[QuestionEntry | Dropped]:
        """Yield what was left out while reading, then the questions by their number.

        Raises:
            SourceError: there is no such file, or no question in it has one of the tags.
        """
        files = self._files()
        # An empty name stands for a database in a temporary file, which SQLite removes by itself.
        with closing(sqlite3.connect("", isolation_level=None)) as index:
            index.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
            for dropped in self._choose_questions(index, files):
                yield dropped
                if dropped.code == HOSTILE:
                    return
            if index.execute("SELECT 1 FROM question").fetchone() is None:
                tags = ", ".join(self._source.tags)
                raise SourceError(f"curation.sources: {self.name} has no question tagged {tags}; look at `tags`")
            yield from self._choose_answers(index, files)
            self._find_names(index, files)
            yield from self._entries(index)

    def _files(self) -> list[Path]:
        path = self._path
        if path.is_dir():
            dump = path / POSTS
            files = [dump] if dump.is_file() else sorted(one for one in path.iterdir() if one.name.endswith(_JSON))
            if files:
                return files
            raise SourceError(f"curation.sources: {path} has neither a {POSTS} nor .json files; look at `path`")
        if path.suffix == ".7z":
            raise SourceError(f"curation.sources: {path} is packed; unpack it with 7z and name its {POSTS}")
        if not path.is_file():
            raise SourceError(f"curation.sources: {path} is not there; look at `path`")
        return [path]

    def _read(self, files: list[Path], questions: bool) -> Iterator[Post | Dropped]:
        for path in files:
            yield from (read_dump if path.suffix == ".xml" else read_api)(path, questions)

    def _choose_questions(self, index: sqlite3.Connection, files: list[Path]) -> Iterator[Dropped]:
        wanted = set(self._source.tags)
        for post in self._read(files, questions=True):
            if isinstance(post, Dropped):
                yield post
            elif wanted.intersection(post.tags):
                values = (post.number, post.accepted_answer, post.model_dump_json())
                index.execute("INSERT OR REPLACE INTO question VALUES (?, ?, ?)", values)

    def _choose_answers(self, index: sqlite3.Connection, files: list[Path]) -> Iterator[Dropped]:
        for post in self._read(files, questions=False):
            if isinstance(post, Dropped):
                yield post
                continue
            found = index.execute("SELECT accepted FROM question WHERE number = ?", (post.question,)).fetchone()
            if found is None or post.score < self._source.min_score:
                continue
            accepted = post.accepted or post.number == found[0]
            if accepted or not self._source.accepted_only:
                values = (post.question, accepted, post.score, post.number, post.model_dump_json())
                index.execute(_BETTER, values)

    def _find_names(self, index: sqlite3.Connection, files: list[Path]) -> None:
        """Look the answers' and the questions' owners up in the dump's users, which stand beside its posts."""
        users = files[0].with_name(USERS)
        if files[0].suffix != ".xml" or not users.is_file():
            return
        for table in ("question", "answer"):
            index.execute(
                f"INSERT OR IGNORE INTO owner (number) SELECT json_extract(post, '$.owner_number') FROM {table}"
            )
        for number, name in read_names(users):
            index.execute("UPDATE owner SET name = ? WHERE number = ?", (name, number))

    def _entries(self, index: sqlite3.Connection) -> Iterator[QuestionEntry | Dropped]:
        rows = index.execute(
            "SELECT question.post, answer.post, answer.accepted FROM question"
            " LEFT JOIN answer ON answer.question = question.number ORDER BY question.number"
        )
        for asked, answered, accepted in rows:
            question = Post.model_validate_json(asked)
            if answered is None:
                kind = "accepted answer" if self._source.accepted_only else "answer"
                detail = f"no {kind} with a score of {self._source.min_score} or more"
                where = f"https://{self._site(question)}/q/{question.number}"
                yield Dropped(code="no-answer", detail=detail, where=where)
                continue
            yield self._entry(index, question, Post.model_validate_json(answered), bool(accepted))

    def _entry(self, index: sqlite3.Connection, question: Post, answer: Post, accepted: bool) -> QuestionEntry:
        content = read_html(answer.body)
        licences = dict.fromkeys(one.licence for one in (question, answer) if one.licence)
        asker, author = self._owner(index, question), self._owner(index, answer)
        origin = Origin(
            source=self._source.kind,
            package=subject(self._source.packages, question.tags, content),
            version="",
            licence=self._source.licence or " AND ".join(licences),
            url=f"https://{self._site(question)}/a/{answer.number}",
            attribution=f"question by {asker}, answer by {author}, on {self._site(question)}",
        )
        return QuestionEntry(
            origin=origin,
            title=question.title,
            body=read_html(question.body),
            answer=content,
            tags=question.tags,
            score=answer.score,
            accepted=accepted,
        )

    def _owner(self, index: sqlite3.Connection, post: Post) -> str:
        found = index.execute("SELECT name FROM owner WHERE number = ?", (post.owner_number,)).fetchone()
        name = " ".join((post.owner or (found[0] if found else "")).split())
        return name or (f"user {post.owner_number}" if post.owner_number else "a former user")

    def _site(self, post: Post) -> str:
        return post.site or self._source.site
