"""The posts of a Stack Exchange site: from a data dump's Posts.xml, or from the API's JSON. Streams.

The dump's schema: https://meta.stackexchange.com/questions/2677; the API's: https://api.stackexchange.com/docs.
Knows nothing about entries, tags that are wanted, or which answer is the best.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation.collectors.json_objects import read_objects
from curation.entries import Dropped

MAX_ROW = 1_000_000
"""Bytes beyond which a row of XML is hostile; a post has 30,000 characters at most."""
MAX_BODY = 200_000
"""Characters of HTML beyond which a post is left out."""
HOSTILE = "hostile-xml"
_BLOCK = 65_536
_QUESTION, _ANSWER = "1", "2"


class Post(BaseModel):
    """A question or an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(gt=0, lt=2**63)
    question: int = Field(default=0, ge=0, lt=2**63)
    """For an answer: the number of its question; 0 for a question."""
    title: str = Field(default="", max_length=1000)
    """As plain text."""
    body: str = Field(max_length=MAX_BODY)
    """As HTML."""
    tags: tuple[str, ...] = Field(default=(), max_length=50)
    score: int = Field(default=0, gt=-(2**31), lt=2**31)
    accepted_answer: int = Field(default=0, ge=0, lt=2**63)
    """For a question: the number of the accepted answer, where there is one."""
    accepted: bool = False
    """For an answer: whether it says of itself that it is accepted."""
    owner: str = Field(default="", max_length=200)
    """The display name of who wrote it; empty where it is found elsewhere, or nowhere."""
    owner_number: int = Field(default=0, gt=-(2**63), lt=2**63)
    """The user's number; 0 where the user is gone."""
    licence: str = Field(default="", max_length=100)
    """As an SPDX identifier."""
    site: str = Field(default="", max_length=253)
    """The site's host; empty where the post doesn't say."""


class _TooLarge(Exception):
    pass


class _Meter:
    """A file that refuses to be read on when too much was read since `since` was set to 0."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.since = 0

    def read(self, size: int = _BLOCK) -> bytes:
        block = self._handle.read(min(size, _BLOCK))
        self.since += len(block)
        if self.since > MAX_ROW:
            raise _TooLarge
        return block


def read_rows(path: Path) -> Iterator[Mapping[str, str] | Dropped]:
    """Yield the attributes of the rows of a dump's file, in constant memory.

    Yields:
        rows, and at most one `Dropped`, which ends the file: `hostile-xml` for a document type or entities, elements
        within rows, or a row without an end; `broken-file` where the XML is broken or breaks off.
    """
    with path.open("rb") as handle:
        meter = _Meter(handle)
        above: list[Element] = []
        number = 0
        try:
            for event, element in iterparse(meter, events=("start", "end"), forbid_dtd=True):
                if event == "end":
                    above.pop()
                    for root in above:
                        root.clear()
                    continue
                above.append(element)
                if len(above) > 2:
                    yield Dropped(code=HOSTILE, detail=f"an element within row {number}", where=path.name)
                    return
                if len(above) == 2:
                    number += 1
                    meter.since = 0
                    yield element.attrib
        except DefusedXmlException as error:
            found = type(error).__name__
            yield Dropped(code=HOSTILE, detail=f"a document type or an entity ({found})", where=path.name)
        except _TooLarge:
            detail = f"more than {MAX_ROW:,} bytes without a further row after row {number}"
            yield Dropped(code=HOSTILE, detail=detail, where=path.name)
        except (ParseError, ValueError, LookupError) as error:
            yield Dropped(code="broken-file", detail=f"{error}, after row {number}", where=path.name)


def read_dump(path: Path, questions: bool) -> Iterator[Post | Dropped]:
    """Yield the questions of a Posts.xml, or its answers; deleted posts and those of other types are passed over.

    A fault of the file itself is told with the questions.
    """
    wanted = _QUESTION if questions else _ANSWER
    for row in read_rows(path):
        if isinstance(row, Dropped):
            if questions:
                yield row
        elif row.get("PostTypeId") == wanted and not row.get("DeletionDate"):
            values = {
                "number": row.get("Id"),
                "question": row.get("ParentId", 0),
                "title": " ".join(row.get("Title", "").split()),
                "body": row.get("Body", ""),
                "tags": tuple(re.findall(r"[^<>|]+", row.get("Tags", ""))),
                "score": row.get("Score", 0),
                "accepted_answer": row.get("AcceptedAnswerId", 0),
                "owner": row.get("OwnerDisplayName", ""),
                "owner_number": row.get("OwnerUserId", 0),
                "licence": _licence(row.get("ContentLicense")),
            }
            yield _post(values, f"{path.name}, post {row.get('Id', '?')[:20]}")


def read_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the users of a dump's Users.xml: number and display name; what is broken or hostile is not read."""
    for row in read_rows(path):
        if not isinstance(row, Dropped) and re.fullmatch(r"-?\d{1,18}", row.get("Id", "")):
            yield int(row["Id"]), row.get("DisplayName", "")[:200]


def read_api(path: Path, questions: bool) -> Iterator[Post | Dropped]:
    """Yield the questions of a JSON file as the API answers, or the answers: those in questions, and those apart.

    A fault of the file itself is told with the questions.
    """
    for page in read_objects(path):
        if isinstance(page, Dropped):
            if questions:
                yield page
            continue
        items = page.get("items", [page])
        for item in items if isinstance(items, list) else [items]:
            for one in _with_answers(item):
                if ("answer_id" in one) is not questions:
                    yield _api_post(one, path.name)


def _with_answers(item: Any) -> Iterator[dict[str, Any]]:
    whole = item if isinstance(item, dict) else {}
    answers = whole.get("answers")
    yield whole
    yield from (one for one in answers if isinstance(one, dict)) if isinstance(answers, list) else ()


def _api_post(item: Mapping[str, Any], name: str) -> Post | Dropped:
    is_answer = "answer_id" in item
    owner = item.get("owner") if isinstance(item.get("owner"), dict) else {}
    assert isinstance(owner, dict)
    values = {
        "number": item.get("answer_id" if is_answer else "question_id"),
        "question": item.get("question_id", 0) if is_answer else 0,
        "title": " ".join(html.unescape(str(item.get("title", ""))).split()),
        "body": item.get("body"),
        "tags": item.get("tags", ()),
        "score": item.get("score", 0),
        "accepted_answer": item.get("accepted_answer_id", 0),
        "accepted": item.get("is_accepted", False),
        "owner": html.unescape(str(owner.get("display_name", ""))),
        "owner_number": owner.get("user_id", 0),
        "licence": _licence(item.get("content_license")),
        "site": _host(item.get("link")),
    }
    return _post(values, f"{name}, {'answer' if is_answer else 'question'} {str(values['number'])[:20]}")


def _post(values: Mapping[str, Any], where: str) -> Post | Dropped:
    body = values["body"]
    if isinstance(body, str) and len(body) > MAX_BODY:
        detail = f"{len(body):,} characters; at most {MAX_BODY:,}"
        return Dropped(code="too-large", detail=detail, where=where)
    try:
        return Post.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        return Dropped(code="invalid-entry", detail=detail, where=where)


def _licence(text: Any) -> str:
    """`CC BY-SA 4.0`, as posts have it, as an SPDX identifier."""
    return text.strip().replace(" ", "-") if isinstance(text, str) else ""


def _host(link: Any) -> str:
    try:
        return (urlsplit(link).hostname or "") if isinstance(link, str) else ""
    except ValueError:
        return ""
