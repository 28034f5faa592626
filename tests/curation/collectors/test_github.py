"""GitHub's issues and discussions, as the REST API, `gh` and GraphQL give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import SourceError
from curation.collectors.github import MAX_TEXT, GitHubCollector
from curation.entries import Dropped, Prose, QuestionEntry, Snippet
from curation.settings import GitHubSource

ISSUE = "https://github.com/pandas-dev/pandas/issues/"
FIX = "Pass `sort=False`:\n\n```python\nimport pandas as pd\npd.concat([], sort=False)\n```\n"
FIXED = (
    Prose(text="Pass `sort=False`:"),
    Snippet(source="import pandas as pd\npd.concat([], sort=False)", form="script"),
)
ASKED = """<!-- Please fill in this form. -->
### Reproducible example
- [x] I have checked that this is new.

It fails:

```pytb
Traceback (most recent call last):
  File "a.py", line 1, in <module>
ValueError: no objects
```

> You wrote this.

On Monday, Ann wrote:
"""


def rest(number: int, **changes: Any) -> dict[str, Any]:
    """An issue as GET /repos/{owner}/{repo}/issues lists it."""
    return {
        "url": f"https://api.github.com/repos/pandas-dev/pandas/issues/{number}",
        "html_url": f"{ISSUE}{number}",
        "number": number,
        "state": "closed",
        "state_reason": "completed",
        "title": "BUG: concat fails on nothing",
        "body": ASKED,
        "user": {"login": "ann", "type": "User"},
        "labels": [{"name": "Reshaping", "color": "02d7e1"}],
        "comments": 2,
        "author_association": "NONE",
        **changes,
    }


def rest_comment(number: int, body: str, **changes: Any) -> dict[str, Any]:
    """A comment as GET /repos/{owner}/{repo}/issues/comments lists it."""
    return {
        "html_url": f"{ISSUE}{number}#issuecomment-1",
        "issue_url": f"https://api.github.com/repos/pandas-dev/pandas/issues/{number}",
        "user": {"login": "bo", "type": "User"},
        "body": body,
        "author_association": "MEMBER",
        **changes,
    }


def exported(**changes: Any) -> dict[str, Any]:
    """An issue as `gh issue list --json number,title,body,comments,labels,state,url,author,closedAt` writes it."""
    return {
        "author": {"id": "U_1", "is_bot": False, "login": "ann", "name": "Ann"},
        "body": ASKED,
        "closedAt": "2024-05-02T10:11:12Z",
        "comments": [
            _gh("ann", "NONE", "Same here."),
            _gh("bo", "MEMBER", FIX),
            _gh("bo", "MEMBER", "You're welcome."),
        ],
        "labels": [{"id": "L_1", "name": "Reshaping", "description": "", "color": "02d7e1"}],
        "number": 5,
        "state": "CLOSED",
        "title": "BUG: concat fails on nothing",
        "url": f"{ISSUE}5",
        **changes,
    }


def _gh(login: str, association: str, body: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "IC_1",
        "author": {"login": login},
        "authorAssociation": association,
        "body": body,
        "createdAt": "2024-05-02T10:11:12Z",
        "isMinimized": False,
        "minimizedReason": "",
        "url": f"{ISSUE}5#issuecomment-1",
        **changes,
    }


def discussion(**changes: Any) -> dict[str, Any]:
    """A discussion as a GraphQL query for it answers."""
    return {
        "number": 8,
        "title": "How do I concat?",
        "body": "It doesn't go.",
        "url": "https://github.com/pandas-dev/pandas/discussions/8",
        "author": {"__typename": "User", "login": "ann"},
        "answer": {"author": {"login": "cy"}, "authorAssociation": "NONE", "body": FIX, "url": "https://x/8#c-2"},
        "comments": {"nodes": [_gh("bo", "MEMBER", "```python\nimport os\n```")]},
        **changes,
    }


def collect(folder: Path, value: object, name: str = "issues.json") -> list[QuestionEntry | Dropped]:
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return list(
        GitHubCollector(GitHubSource(path=".", packages=("numpy", "pandas"), licence="BSD-3-Clause"), folder).collect()
    )


def only(found: list[QuestionEntry | Dropped]) -> QuestionEntry:
    [entry] = found
    assert isinstance(entry, QuestionEntry), entry
    return entry


def test_an_export_has_problem_cause_and_fix(tmp_path: Path) -> None:
    entry = only(collect(tmp_path, [exported()]))
    assert entry.title == "concat fails on nothing"
    assert entry.body == (Prose(text="It fails:"), Prose(text="`ValueError: no objects`"))
    assert entry.answer == FIXED
    assert (entry.tags, entry.accepted) == (("Reshaping",), False)
    assert (entry.origin.package, entry.origin.licence, entry.origin.url) == ("pandas", "BSD-3-Clause", f"{ISSUE}5")
    assert entry.origin.attribution == "question by ann, answer by bo, on GitHub"


def test_rest_comments_stand_apart_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "comments.json").write_text(json.dumps([rest_comment(3, FIX), rest_comment(4, "No code.")]))
    found = collect(tmp_path, [rest(3), rest(4)])
    entry, dropped = found
    assert isinstance(entry, QuestionEntry)
    assert entry.answer == FIXED
    assert isinstance(dropped, Dropped)
    assert (dropped.code, dropped.where) == ("no-answer", f"{ISSUE}4")


def test_pages_in_a_row_and_lines_are_read(tmp_path: Path) -> None:
    one, two = exported(), exported(number=6, url=f"{ISSUE}6")
    assert len(collect(tmp_path, json.dumps([one]) + json.dumps([two]))) == 2
    assert len(collect(tmp_path, json.dumps(one) + "\n" + json.dumps(two))) == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_discussions_marked_answer_is_taken(tmp_path: Path, wrapped: bool) -> None:
    value: Any = discussion()
    entry = only(
        collect(tmp_path, {"data": {"repository": {"discussions": {"nodes": [value]}}}} if wrapped else [value])
    )
    assert (entry.answer, entry.accepted) == (FIXED, True)
    assert entry.origin.attribution == "question by ann, answer by cy, on GitHub"


def test_an_answer_may_be_marked_on_its_comment_or_named_by_its_address(tmp_path: Path) -> None:
    asides = _gh("bo", "MEMBER", "```python\nimport os\n```", url="https://x/1")
    marked = discussion(answer=None, comments={"nodes": [_gh("cy", "NONE", FIX, isAnswer=True), asides]})
    assert only(collect(tmp_path, [marked])).answer == FIXED
    named = rest(
        8, state="open", comments=[_gh("cy", "NONE", FIX, url="https://x/2"), asides], answer_html_url="https://x/2"
    )
    assert only(collect(tmp_path, [named])).answer == FIXED


@pytest.mark.parametrize(
    "issue",
    [
        rest(1, pull_request={"url": "https://api.github.com/repos/pandas-dev/pandas/pulls/1"}),
        exported(url="https://github.com/pandas-dev/pandas/pull/5"),
        exported(state="OPEN"),
        rest(1, state="open"),
        rest(1, user={"login": "dependabot[bot]", "type": "Bot"}),
        exported(author={"is_bot": True, "login": "app/renovate"}),
    ],
)
def test_pull_requests_open_issues_and_bots_are_passed_over(tmp_path: Path, issue: dict[str, Any]) -> None:
    assert collect(tmp_path, [issue]) == []


@pytest.mark.parametrize(
    "comment",
    [
        _gh("cy", "NONE", FIX),
        _gh("cy", "CONTRIBUTOR", FIX),
        _gh("bo", "MEMBER", "Closing."),
        _gh("bo", "MEMBER", FIX, isMinimized=True),
        _gh("github-actions[bot]", "MEMBER", FIX),
        _gh("bo", "MEMBER", "> " + FIX.replace("\n", "\n> ")),
        _gh("bo", "MEMBER", f"<!-- {FIX} -->"),
        _gh("bo", "MEMBER", "```bash\nimport os\n```"),
    ],
)
def test_what_no_maintainer_says_in_python_is_no_answer(tmp_path: Path, comment: dict[str, Any]) -> None:
    [dropped] = collect(tmp_path, [exported(comments=[comment])])
    assert isinstance(dropped, Dropped)
    assert dropped.code == "no-answer"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (exported(title=None), "invalid-entry"),
        (exported(number=-1), "invalid-entry"),
        (exported(title="\ud800"), "invalid-entry"),
        (exported(comments=[{"body": 3}]), "invalid-entry"),
        (exported(body="x" * (MAX_TEXT + 1)), "too-large"),
        ({"message": "Not Found", "documentation_url": "https://docs.github.com"}, "invalid-entry"),
    ],
)
def test_faulty_ones_are_told_and_the_rest_goes_on(tmp_path: Path, value: dict[str, Any], code: str) -> None:
    found = collect(tmp_path, [value, exported(number=6, url=f"{ISSUE}6")])
    assert [one.code for one in found if isinstance(one, Dropped)] == [code]
    assert sum(isinstance(one, QuestionEntry) for one in found) == 1


def test_a_file_that_breaks_off_is_told_and_what_stood_before_used(tmp_path: Path) -> None:
    broken, entry = collect(tmp_path, json.dumps([exported(), exported(number=6)])[:-40])
    assert isinstance(broken, Dropped)
    assert broken.code == "broken-file"
    assert isinstance(entry, QuestionEntry)


@pytest.mark.parametrize("path", ["none.json", "."])
def test_what_is_not_there_is_one_line(tmp_path: Path, path: str) -> None:
    with pytest.raises(SourceError, match="look at `path`") as caught:
        list(GitHubCollector(GitHubSource(path=path, packages=("pandas",)), tmp_path).collect())
    assert "\n" not in str(caught.value)
