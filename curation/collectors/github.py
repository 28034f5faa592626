"""Closed issues and answered discussions of GitHub repositories: problem, cause and fix.

Read are the lists of the REST API (with each issue's comments in it, or the comments in further files), what
`gh issue list --json number,title,body,comments,state,url,author` writes, and discussions by GraphQL. The answer is
the one that was marked, else the last comment of a maintainer with Python in it. Pull requests and open issues are
passed over, and so is what bots say.

no-answer       nobody answered, as far as can be told
too-large       a text, or a piece of JSON, is too long
invalid-entry   an issue or a comment that isn't what the format says
broken-file     JSON that is broken or breaks off; what stood before the fault is used

Knows nothing about the code in the texts.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bundle.errors import SourceError
from curation.collectors.json_objects import read_objects
from curation.collectors.post_markdown import read_markdown
from curation.collectors.subject import subject
from curation.entries import Dropped, Origin, Prose, QuestionEntry, Snippet
from curation.settings import GitHubSource

MAX_TEXT = 70_000
"""Characters of an issue or a comment beyond which it is left out; GitHub takes 65,536."""
_MAINTAINERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_JSON = (".json", ".jsonl", ".json.gz")
_PREFIX = re.compile(
    r"^(?:\[[\w /-]{1,30}\]|(?:bug|doc|docs|enh|qst|question|perf|regr|api|help)\b ?:)\s*", re.IGNORECASE
)
_SCHEMA = """
CREATE TABLE issue (place TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE comment (place TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX by_issue ON comment (place);
"""


def _name(value: Any) -> Any:
    """An account's name: an object with `login`; null where the account is gone."""
    if not isinstance(value, dict):
        return ""
    login = value.get("login") or ""
    bot = value.get("type") == "Bot" or value.get("is_bot") or value.get("__typename") == "Bot"
    return f"{login}[bot]" if bot and not str(login).endswith("[bot]") else login


def _nodes(value: Any) -> Any:
    """A list, which GraphQL wraps in `nodes`, and for which REST gives its length where it is to be fetched apart."""
    if isinstance(value, dict):
        value = value.get("nodes")
    return value if isinstance(value, list) else []


def _labels(value: Any) -> Any:
    return [one.get("name", "") if isinstance(one, dict) else one for one in _nodes(value)]


def _text(value: Any) -> Any:
    return "" if value is None else value


_Login = Annotated[str, BeforeValidator(_name), Field(max_length=100)]
_Text = Annotated[str, BeforeValidator(_text), Field(max_length=MAX_TEXT)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    body: _Text = ""
    url: str = Field(default="", validation_alias=AliasChoices("html_url", "url"), max_length=1000)
    author: _Login = Field(default="", validation_alias=AliasChoices("user", "author"))

    @property
    def by_bot(self) -> bool:
        return self.author.endswith("[bot]")


class _Comment(_Part):
    association: str = Field(default="", validation_alias=AliasChoices("author_association", "authorAssociation"))
    hidden: bool = Field(default=False, validation_alias=AliasChoices("isMinimized", "is_minimized"))
    marked: bool = Field(default=False, validation_alias="isAnswer")


class _Issue(_Part):
    number: int = Field(ge=0, lt=2**63)
    title: str = Field(max_length=1000)
    state: str = "closed"
    labels: Annotated[tuple[str, ...], BeforeValidator(_labels), Field(max_length=100)] = ()
    comments: Annotated[tuple[_Comment, ...], BeforeValidator(_nodes), Field(max_length=2000)] = ()
    pull_request: Any = None
    answer: _Comment | None = None
    answer_url: str | None = Field(default=None, validation_alias="answer_html_url")

    @property
    def is_pull_request(self) -> bool:
        return self.pull_request is not None or "/pull/" in self.url


class GitHubCollector:
    """Reads issues and discussions as JSON."""

    def __init__(self, source: GitHubSource, folder: Path) -> None:
        """`folder` is the project's, to which a relative path belongs."""
        self._source = source
        self._path = folder / Path(source.path).expanduser()

    @property
    def name(self) -> str:
        """The file or the folder."""
        return self._source.path

    def collect(self) -> Iterator[QuestionEntry | Dropped]:
        """Yield what was left out while reading, then the issues by their address.

        Raises:
            SourceError: there is no such file, or neither issue nor discussion in it.
        """
        # An empty name stands for a database in a temporary file, which SQLite removes by itself.
        with closing(sqlite3.connect("", isolation_level=None)) as index:
            index.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
            for path in self._files():
                yield from _store(index, path)
            if index.execute("SELECT 1 FROM issue").fetchone() is None:
                raise SourceError(f"curation.sources: {self.name} has neither issues nor discussions; look at `path`")
            for place, value in index.execute("SELECT place, value FROM issue ORDER BY place"):
                apart = index.execute("SELECT value FROM comment WHERE place = ? ORDER BY rowid LIMIT 2000", (place,))
                entry = self._entry(place, json.loads(value), [json.loads(one) for (one,) in apart])
                if entry is not None:
                    yield entry

    def _files(self) -> list[Path]:
        path = self._path
        files = [path] if path.is_file() else []
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if one.name.endswith(_JSON))
        if not files:
            raise SourceError(f"curation.sources: {path} is no JSON file and has none in it; look at `path`")
        return files

    def _entry(self, place: str, value: dict[str, Any], apart: list[Any]) -> QuestionEntry | Dropped | None:
        try:
            issue = _Issue.model_validate({**value, "comments": [*_nodes(value.get("comments")), *apart]})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
            code = "too-large" if first["type"] in ("string_too_long", "too_long") else "invalid-entry"
            return Dropped(code=code, detail=detail, where=place)
        is_open = issue.state.lower() == "open" and issue.answer is None and not issue.answer_url
        if issue.is_pull_request or issue.by_bot or is_open:
            return None
        comment, content = _answer(issue)
        if comment is None:
            detail = "no marked answer, and no comment of a maintainer with Python in it"
            return Dropped(code="no-answer", detail=detail, where=place)
        repository = re.search(r"^https?://[^/]+/[^/]+/([^/]+)/", issue.url)
        names = [*([repository.group(1)] if repository else []), *issue.labels]
        origin = Origin(
            source=self._source.kind,
            package=subject(self._source.packages, names, content),
            version="",
            licence=self._source.licence,
            url=issue.url or place,
            attribution=f"question by {issue.author or 'ghost'}, answer by {comment.author or 'ghost'}, on GitHub",
        )
        return QuestionEntry(
            origin=origin,
            title=_PREFIX.sub("", " ".join(issue.title.split())),
            body=read_markdown(issue.body),
            answer=content,
            tags=issue.labels,
            accepted=comment.marked or issue.answer is not None or comment.url == issue.answer_url,
        )


def _store(index: sqlite3.Connection, path: Path) -> Iterator[Dropped]:
    for whole in read_objects(path):
        if isinstance(whole, Dropped):
            yield whole
            continue
        for one in _unwrapped(whole):
            address = one.get("html_url") or one.get("url")
            place = str(address).partition("#")[0] if address else f"{path.name}:{one.get('number', '?')}"
            # Written as ASCII, so that half characters, which JSON can hold, get through to their check.
            value = json.dumps(one)
            if "title" not in one and "issue_url" in one:
                index.execute("INSERT INTO comment VALUES (?, ?)", (place, value))
            elif "title" in one and "number" in one:
                index.execute("INSERT OR REPLACE INTO issue VALUES (?, ?)", (place, value))
            else:
                yield Dropped(code="invalid-entry", detail="neither an issue nor a discussion", where=place[:200])


def _unwrapped(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of a GraphQL answer or of a search's; any other object itself."""
    inner: Any = value.get("items")
    if isinstance(value.get("data"), dict):
        top = value["data"]
        below = top.get("repository") if isinstance(top.get("repository"), dict) else top
        found = [one.get("nodes") for one in below.values() if isinstance(one, dict)]
        inner = [node for nodes in found if isinstance(nodes, list) for node in nodes]
    yield from (one for one in inner if isinstance(one, dict)) if isinstance(inner, list) else [value]


def _answer(issue: _Issue) -> tuple[_Comment | None, tuple[Prose | Snippet, ...]]:
    """The comment that answers an issue, and what it says."""
    usable = [one for one in issue.comments if not one.by_bot and not one.hidden]
    marked = [one for one in usable if one.marked or (one.url and one.url == issue.answer_url)]
    if issue.answer is not None:
        marked.insert(0, issue.answer)
    if marked:
        return marked[0], read_markdown(marked[0].body)
    for comment in reversed(usable):
        if comment.association in _MAINTAINERS:
            content = read_markdown(comment.body)
            if any(isinstance(piece, Snippet) for piece in content):
                return comment, content
    return None, ()
