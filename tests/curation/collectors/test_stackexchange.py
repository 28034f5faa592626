"""Stack Exchange: rows as the data dump has them, the API's JSON, constant memory, and hostile XML."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from html import escape
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import SourceError
from curation.collectors.post_html import MAX_LOOKED, read_html
from curation.collectors.stack_posts import MAX_BODY, MAX_ROW
from curation.collectors.stackexchange import StackExchangeCollector
from curation.entries import Dropped, Prose, QuestionEntry, Snippet
from curation.settings import StackExchangeSource

CODE = "import pandas as pd\nprint(pd.Series([1, 2]).sum())\n"
BODY = f'<p>Use <code>sum</code> &amp; go.</p>\n<pre class="lang-py prettyprint-override"><code>{CODE}</code></pre>'


def row(**attributes: object) -> str:
    """A row as the dump writes it: line breaks as references, since XML would take them for blanks."""
    escaped = {key: escape(str(value)).replace("\n", "&#xA;") for key, value in attributes.items()}
    return "  <row " + " ".join(f'{key}="{value}"' for key, value in escaped.items()) + " />\n"


def question(number: int, accepted: int = 0, **changes: object) -> str:
    values: dict[str, object] = {
        "Id": number,
        "PostTypeId": 1,
        **({"AcceptedAnswerId": accepted} if accepted else {}),
        "CreationDate": "2019-05-02T10:11:12.123",
        "Score": 12,
        "ViewCount": 345,
        "Body": "<p>I have a series.</p>",
        "OwnerUserId": 7,
        "LastActivityDate": "2019-05-02T10:11:12.123",
        "Title": "How do I sum a Series & why?",
        "Tags": "<python><pandas>",
        "AnswerCount": 2,
        "ContentLicense": "CC BY-SA 4.0",
    }
    return row(**{**values, **changes})


def answer(number: int, parent: int, score: int = 3, **changes: object) -> str:
    values: dict[str, object] = {
        "Id": number,
        "PostTypeId": 2,
        "ParentId": parent,
        "CreationDate": "2019-05-02T11:11:12.123",
        "Score": score,
        "Body": BODY,
        "OwnerUserId": 8,
        "ContentLicense": "CC BY-SA 3.0",
    }
    return row(**{**values, **changes})


def dump(folder: Path, *rows: str, head: str = "") -> None:
    text = f'\ufeff<?xml version="1.0" encoding="utf-8"?>\n{head}<posts>\n{"".join(rows)}</posts>'
    (folder / "Posts.xml").write_text(text, encoding="utf-8")


def collect(folder: Path, path: str = "Posts.xml", **changes: Any) -> list[QuestionEntry | Dropped]:
    values: dict[str, Any] = {"path": path, "packages": ("numpy", "pandas"), "tags": ("pandas",), **changes}
    return list(StackExchangeCollector(StackExchangeSource(**values), folder).collect())


def test_a_question_has_its_answer_licence_and_attribution(tmp_path: Path) -> None:
    dump(tmp_path, question(10, accepted=11), answer(11, 10))
    (tmp_path / "Users.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<users>\n'
        '  <row Id="7" Reputation="1" DisplayName="Ann &amp; Co" />\n  <row Id="8" DisplayName="Bo" />\n</users>'
    )
    [entry] = collect(tmp_path)
    assert isinstance(entry, QuestionEntry)
    assert entry.title == "How do I sum a Series & why?"
    assert entry.body == (Prose(text="I have a series."),)
    assert entry.answer == (Prose(text="Use `sum` & go."), Snippet(source=CODE.rstrip(), form="script"))
    assert (entry.tags, entry.score, entry.accepted) == (("python", "pandas"), 3, True)
    assert entry.origin.package == "pandas"
    assert entry.origin.licence == "CC-BY-SA-4.0 AND CC-BY-SA-3.0"
    assert entry.origin.url == "https://stackoverflow.com/a/11"
    assert entry.origin.attribution == "question by Ann & Co, answer by Bo, on stackoverflow.com"


@pytest.mark.parametrize(
    ("accepted", "changes", "chosen"),
    [
        (3, {}, 3),
        (0, {}, 5),
        (3, {"min_score": 2}, 5),
        (3, {"accepted_only": True}, 3),
        (3, {"accepted_only": True, "min_score": 2}, 0),
        (0, {"accepted_only": True}, 0),
        (0, {"min_score": 100}, 0),
    ],
)
def test_the_accepted_answer_or_the_best_is_chosen_wherever_it_stands(
    tmp_path: Path, accepted: int, changes: dict[str, Any], chosen: int
) -> None:
    rows = [
        answer(2, 4, 7),
        answer(3, 4, 1),
        question(4, accepted),
        answer(5, 4, 9),
        answer(6, 4, 9),
        answer(7, 99, 50),
    ]
    dump(tmp_path, *rows)
    [found] = collect(tmp_path, **changes)
    if chosen:
        assert isinstance(found, QuestionEntry)
        assert found.origin.url.endswith(f"/a/{chosen}")
    else:
        assert isinstance(found, Dropped)
        assert (found.code, found.where) == ("no-answer", "https://stackoverflow.com/q/4")


def test_other_tags_other_types_and_deleted_posts_are_passed_over(tmp_path: Path) -> None:
    rows = [
        question(1, Tags="<pandas-profiling>"),
        question(2, Tags="|python|pandas|"),
        answer(3, 2),
        row(Id=4, PostTypeId=5, Body="a tag's wiki", Tags="<pandas>"),
        question(5, DeletionDate="2020-01-01T00:00:00.000"),
    ]
    dump(tmp_path, *rows)
    assert [one.origin.url for one in collect(tmp_path) if isinstance(one, QuestionEntry)] == [
        "https://stackoverflow.com/a/3"
    ]


def test_faulty_posts_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    dump(tmp_path, question(1), answer(2, 1, Body="x" * (MAX_BODY + 1)), answer("x", 1), answer(4, 1))  # type: ignore[arg-type]
    large, invalid, entry = collect(tmp_path)
    assert isinstance(large, Dropped)
    assert isinstance(invalid, Dropped)
    assert (large.code, invalid.code) == ("too-large", "invalid-entry")
    assert isinstance(entry, QuestionEntry)


HOSTILE = {
    "entities": ('<!DOCTYPE posts [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n', [question(1)]),
    "an outer entity": ('<!DOCTYPE posts [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n', [question(1)]),
    "a document type": ('<!DOCTYPE posts SYSTEM "http://127.0.0.1:9/x.dtd">\n', [question(1)]),
    "depth": ("", [question(1), "<a>" * 1000 + "</a>" * 1000]),
    "an endless attribute": ("", [question(1), f'<row Id="2" Body="{"x" * (MAX_ROW * 3)}" />']),
    "endless text": ("", [question(1), "x" * (MAX_ROW * 3)]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml_is_refused_and_nothing_of_it_used(tmp_path: Path, kind: str) -> None:
    head, rows = HOSTILE[kind]
    dump(tmp_path, answer(9, 1), *rows, head=head)
    [found] = collect(tmp_path)
    assert isinstance(found, Dropped)
    assert (found.code, found.where) == ("hostile-xml", "Posts.xml")


def test_what_stands_before_a_break_is_used(tmp_path: Path) -> None:
    dump(tmp_path, question(1), answer(2, 1), "<row Id='3' & />")
    broken, entry = collect(tmp_path)
    assert isinstance(broken, Dropped)
    assert broken.code == "broken-file"
    assert isinstance(entry, QuestionEntry)


def test_a_body_of_endlessly_many_blocks_is_cut() -> None:
    paragraph = "<p>What is said at last.</p>"
    assert read_html("<pre>-</pre>" * (MAX_LOOKED - 1) + paragraph) == (
        Prose(text="What is said at last.", role="text"),
    )
    assert read_html("<pre>-</pre>" * MAX_LOOKED + paragraph) == ()


@pytest.mark.parametrize("packed", [False, True])
def test_the_apis_json_is_read(tmp_path: Path, packed: bool) -> None:
    page = {
        "items": [
            {
                "tags": ["pandas"],
                "owner": {"user_id": 7, "display_name": "Ann &amp; Co", "link": "https://x"},
                "is_answered": True,
                "accepted_answer_id": 2,
                "score": 4,
                "question_id": 1,
                "content_license": "CC BY-SA 4.0",
                "link": "https://datascience.stackexchange.com/questions/1/how",
                "title": "How do I &quot;sum&quot;?",
                "body": "<p>I have it.</p>",
                "answers": [
                    {"answer_id": 3, "question_id": 1, "score": 40, "is_accepted": False, "body": "<p>No.</p>"},
                    {
                        "answer_id": 2,
                        "question_id": 1,
                        "score": 5,
                        "is_accepted": True,
                        "body": BODY,
                        "owner": {"display_name": "Bo"},
                        "content_license": "CC BY-SA 4.0",
                    },
                ],
            }
        ],
        "has_more": False,
        "quota_remaining": 299,
    }
    content = json.dumps(page).encode()
    name = "page.json.gz" if packed else "page.json"
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    [entry] = collect(tmp_path, name)
    assert isinstance(entry, QuestionEntry)
    assert (entry.title, entry.accepted, entry.score) == ('How do I "sum"?', True, 5)
    assert entry.origin.url == "https://datascience.stackexchange.com/a/2"
    assert entry.origin.licence == "CC-BY-SA-4.0"
    assert entry.origin.attribution == "question by Ann & Co, answer by Bo, on datascience.stackexchange.com"


def test_answers_may_be_in_another_file_of_a_folder(tmp_path: Path) -> None:
    asked = {"question_id": 1, "tags": ["pandas"], "title": "How?", "body": "<p>It.</p>"}
    answered = {"answer_id": 2, "question_id": 1, "score": 5, "body": BODY}
    (tmp_path / "1.json").write_text(json.dumps({"items": [answered]}))
    (tmp_path / "2.json").write_text(json.dumps({"items": [asked]}))
    [entry] = collect(tmp_path, ".")
    assert isinstance(entry, QuestionEntry)


@pytest.mark.parametrize(
    "content", ['{"items": [', '{"items": 3}', "<html>", '[{"question_id": 1}, 3]', '{"a":' * 90_000]
)
def test_broken_json_is_told(tmp_path: Path, content: str) -> None:
    good = {"items": [{"question_id": 9, "tags": ["pandas"], "title": "How?", "body": "<p>It.</p>"}]}
    (tmp_path / "1.json").write_text(json.dumps(good))
    (tmp_path / "2.json").write_text(content)
    assert {one.code for one in collect(tmp_path, ".") if isinstance(one, Dropped)} > {"no-answer"}


@pytest.mark.parametrize("path", ["none.xml", ".", "dump.7z"])
def test_what_is_not_there_is_one_line(tmp_path: Path, path: str) -> None:
    (tmp_path / "dump.7z").write_bytes(b"7z")
    with pytest.raises(SourceError) as caught:
        collect(tmp_path, path)
    assert "\n" not in str(caught.value)


def test_tags_that_nobody_uses_are_one_line(tmp_path: Path) -> None:
    dump(tmp_path, question(1), answer(2, 1))
    with pytest.raises(SourceError, match="no question tagged polars; look at `tags`"):
        collect(tmp_path, tags=("polars",))


MEASURED = """
import re, sys
from pathlib import Path
from curation.collectors.stackexchange import StackExchangeCollector
from curation.settings import StackExchangeSource
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
source = StackExchangeSource(path="Posts.xml", packages=("pandas",), tags=("pandas",))
before = peak()
count = sum(1 for _ in StackExchangeCollector(source, Path(sys.argv[1])).collect())
print(count, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
def test_fifty_megabytes_pass_in_constant_memory(tmp_path: Path) -> None:
    padding = f"<p>{'word ' * 600}</p>"
    with (tmp_path / "Posts.xml").open("w", encoding="utf-8") as handle:
        handle.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for number in range(1, 16_000, 2):
            tags = "<pandas>" if number % 20 == 1 else "<numpy>"
            handle.write(question(number, number + 1, Body=padding, Tags=tags))
            handle.write(answer(number + 1, number, Body=padding + BODY))
        handle.write("</posts>")
    assert (tmp_path / "Posts.xml").stat().st_size > 50_000_000
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path], capture_output=True, text=True, check=True, timeout=120
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 800
    assert 0 < kilobytes < 25_000
    assert time.monotonic() - began < 60
