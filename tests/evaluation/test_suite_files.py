"""Suites as people write them, and as somebody hostile would."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from bundle.errors import SuiteError
from evaluation.suite.folder import load_suite, read_suite
from evaluation.suite.question import Check, Handled, Idea, Question, Symbol, Written

GOOD = """\
---
category: error-handling
library: requests   # a comment
must:
  - symbol: requests.get
    keywords: [timeout]
  - exception: requests.exceptions.Timeout
  - idea: a timeout is always given
    any: ["timeout", 3.10, yes]
  - code: it is a number
    any: ["timeout=5"]
---
How do I stop waiting, with requests?

```python
## not a heading
```

## Reference answer

Give a `timeout`.

```python
x = 1
```

- A point

## Check

```python before
y = 1
```

```python after
assert x
```
"""
PLAIN = """\
id: numpy-sum
category: basic-usage
library: numpy
question: How?
must:
- symbol: numpy.sum
reference: |
  So:

  ```python
  x = 1
  ```
check: {after: assert x}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        stem, _, suffix = name.rpartition("__")
        (folder / f"{stem.replace('_', '-')}.{suffix}").write_text(text)
    return folder


def mistakes(folder: Path, **files: str) -> tuple[str, ...]:
    return read_suite(write(folder, **files)).mistakes


def test_a_markdown_file_is_a_question(tmp_path: Path) -> None:
    write(tmp_path, requests_stop__md=GOOD, README__md="# Notes")
    assert load_suite(tmp_path).questions == (
        Question(
            "requests-stop",
            "error-handling",
            "requests",
            "How do I stop waiting, with requests?\n\n```python\n## not a heading\n```",
            (
                Symbol("requests.get", ("timeout",)),
                Handled("requests.exceptions.Timeout"),
                Idea("a timeout is always given", ("timeout", "3.10", "yes")),
                Written("it is a number", ("timeout=5",)),
            ),
            "Give a `timeout`.\n\n```python\nx = 1\n```\n\n- A point",
            Check("assert x", "y = 1"),
        ),
    )


def test_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path: Path) -> None:
    write(tmp_path, requests_stop__md=GOOD)
    plain = load_suite(tmp_path)
    (tmp_path / "requests-stop.md").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_suite(tmp_path) == plain


def test_yaml_holds_one_question_or_a_list(tmp_path: Path) -> None:
    other = PLAIN.replace("numpy-sum", "numpy-max").replace("How?", "How, then?")
    items = "".join("- " + textwrap.indent(text, "  ")[2:] for text in (PLAIN, other))
    write(tmp_path, one__yaml=PLAIN.replace("numpy-sum", "numpy-min").replace("How?", "What?"), many__yml=items)
    questions = load_suite(tmp_path).questions
    assert [question.id for question in questions] == ["numpy-max", "numpy-min", "numpy-sum"]
    assert questions[0].check == Check("assert x") and questions[0].reference.startswith("So:\n\n```python")


def test_drafts_are_apart(tmp_path: Path) -> None:
    write(tmp_path, requests_stop__md=GOOD.replace("---\n", "---\ndraft: true\n", 1), one__yaml=PLAIN)
    suite = load_suite(tmp_path)
    assert [question.id for question in suite.drafts] == ["requests-stop"]
    assert [question.id for question in suite.questions] == ["numpy-sum"]


BROKEN = {
    "no front matter": (GOOD[4:], ":1: has to begin with front matter"),
    "front matter without end": ("---\ncategory: x\n", ":1: the front matter has no end"),
    "unknown key": (GOOD.replace("category", "categorie"), ":2: front matter: unknown key 'categorie'; there"),
    "id in front matter": (GOOD.replace("---\n", "---\nid: a\n", 1), "unknown key 'id'"),
    "key twice": (GOOD.replace("must:", "library: x\nmust:"), ":4: front matter: the key 'library' comes twice"),
    "no yaml": (GOOD.replace("[timeout]", "[timeout"), ":7: front matter: no YAML"),
    "text for keys": ("---\nhello\n---\nx", ":2: front matter: has to be keys"),
    "category": (GOOD.replace("error-handling", "errors"), ": category 'errors': there are basic-usage, "),
    "library missing": (GOOD.replace("library: requests", "# "), ": library is missing"),
    "library of another id": (GOOD.replace("library: requests", "library: numpy"), ": id 'requests-stop': has to"),
    "no must": (GOOD.replace("must:", "must: []\ndraft: false\nx:"), "unknown key 'x'"),
    "must is a text": (PLAIN.replace("\n- symbol: numpy.sum", " hello"), ": must: has to be a list"),
    "must entry of nothing": (GOOD.replace("- exception:", "- excepting:"), ": must, entry 2: has to be one of"),
    "must entry of two": (GOOD.replace("    keywords", "    idea"), ": must, entry 1: has to be one of symbol"),
    "unknown key in must": (GOOD.replace("keywords", "keyword"), ": must, entry 1: unknown key 'keyword'; there"),
    "keywords are a text": (GOOD.replace("[timeout]", "timeout"), ": must, entry 1, keywords: has to be a list"),
    "keyword of two words": (GOOD.replace("[timeout]", "[time out]"), ": must, entry 1: keywords have to be names"),
    "symbol in words": (GOOD.replace("requests.get", "the get call"), ": must, entry 1: 'the get call' is no"),
    "idea without texts": (GOOD.replace('    any: ["timeout", 3.10, yes]\n', ""), ": must, entry 3: `any` is"),
    "code without texts": (GOOD.replace('    any: ["timeout=5"]\n', ""), ": must, entry 4: `any` is missing"),
    "any with an empty text": (GOOD.replace("yes]", '""]'), ": must, entry 3, any is missing"),
    "no question": (GOOD.replace("How do I stop waiting, with requests?\n\n```python\n## not a heading\n```", ""),
                    ": question is missing"),
    "no reference": (GOOD.replace("## Reference answer", ""), ": the section '## Reference answer' is missing"),
    "unknown section": (GOOD.replace("## Check", "## Checks"), ":29: unexpected section '## Checks'"),
    "check before reference": (GOOD.replace("## Check", "## X").replace("## Reference answer", "## Check")
                               .replace("## X", "## Reference answer"), "unexpected"),
    "prose in the check": (GOOD + "So it is.\n", ":38: only blocks of code belong here"),
    "block of another name": (GOOD.replace("python after", "python later"), ":35: a check is one block"),
    "block twice": (GOOD.replace("python before", "python after"), ":35: a check is one block"),
    "open block": (GOOD[:-4], ":35: the block that begins here has no end"),
    "nothing asserted": (GOOD.replace("assert x", "print(x)"), ": check, after: it asserts nothing"),
    "check of no python": (GOOD.replace("assert x", "assert ("), ": check, after: no valid Python in its line 1"),
    "nothing to run": (GOOD.replace("```python\nx = 1\n```", "x"), ": check: the reference answer has no python block"),
    "no after": (GOOD.replace("```python after\nassert x\n```", ""), ": check: `after` is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, case: str) -> None:
    text, expected = BROKEN[case]
    (found,) = mistakes(tmp_path, **{"a__yaml" if text.startswith("id:") else "requests_stop__md": text})
    assert expected in found and found.startswith(str(tmp_path)) and "\n" not in found, found
    with pytest.raises(SuiteError):
        load_suite(tmp_path)


@pytest.mark.parametrize("name", ["Requests-stop", "requests_stop", "requests-", "requests-ä"])
def test_a_name_is_plain(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.md").write_text(GOOD)
    (found,) = read_suite(tmp_path).mistakes
    assert "only lower-case letters, digits and hyphens" in found


def test_doubles_are_told(tmp_path: Path) -> None:
    assert "the id numpy-sum comes twice" in mistakes(tmp_path, a__yaml=PLAIN, b__yaml=PLAIN)[0]
    (found,) = mistakes(tmp_path, b__yaml=PLAIN.replace("numpy-sum", "numpy-x").replace("How?", '"how?  "'))
    assert "the same question as numpy-sum" in found


def test_every_mistake_is_told_and_the_rest_is_there(tmp_path: Path) -> None:
    write(tmp_path, a__yaml=f"{PLAIN}x: 1\n", b__yaml=PLAIN, requests_stop__md="")
    suite = read_suite(tmp_path)
    assert len(suite.mistakes) == 2 and [question.id for question in suite.questions] == ["numpy-sum"]
    with pytest.raises(SuiteError, match="1 more"):
        load_suite(tmp_path)


def test_no_folder_and_no_questions_are_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no such folder"):
        load_suite(tmp_path / "none")
    with pytest.raises(SuiteError, match="no questions here"):
        load_suite(tmp_path)


LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
HOSTILE = {
    "a billion laughs": (LAUGHS, ":1: anchors and aliases"),
    "an alias to itself": ("must: &x [*x]", "anchors and aliases"),
    "a merge key": ("<<: {id: a}", "unknown key '<<'"),
    "an object": ("id: !!python/object/apply:os.system ['touch hit']", ":1: tags"),
    "another tag": ("id: !hello x", "tags"),
    "a list as a key": ("? [a]\n: b", "a key has to be a plain text"),
    "a very long number": ("id: " + "9" * 500_000, "id: more than"),
    "a number to the base of sixty": ("id: " + "1:" * 200_000 + "1", "id: more than"),
    "deep nesting": ("id: " + "[" * 100_000, "nested more than"),
    "deep blocks": ("".join(" " * n + "- \n" for n in range(400)), ":21: nested more than 20 deep"),
    "two documents": (f"{PLAIN}---\n{PLAIN}", "no YAML"),
    "too large": ("#" * 1_000_001, "more than 1,000,000 bytes"),
    "no text": ("\udcff", "not UTF-8, from byte 0"),
    "control characters": ("id: \x1b[31m", "no YAML"),
    "escape sequences": ('id: "\\x1b[31m"', "id"),
    "a number": ("5", "has to be keys with values"),
    "nothing": ("", "has to be keys with values"),
    "an empty list": ("[]", "has to hold one question"),
    "many questions": ("[" + "a," * 3000 + "]", "has to hold one question"),
    "deep code": (PLAIN.replace("assert x", "assert " + "(" * 3000), "no valid Python"),
    "a null byte in code": (PLAIN.replace("assert x", '"assert x\\0"'), "no valid Python"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_yaml_is_refused_quickly(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, expected = HOSTILE[case]
    (tmp_path / "a.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    began = time.monotonic()
    (found, *_) = read_suite(tmp_path).mistakes
    assert expected in found and found.isprintable() and len(found) < 400, found
    assert time.monotonic() - began < 20
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize("line", ["~" * 49_000 + "`", "`" * 49_000 + "x`"], ids=["tildes", "backticks"])
def test_long_lines_are_read_quickly(tmp_path: Path, line: str) -> None:
    began = time.monotonic()
    assert not mistakes(tmp_path, requests_stop__md=GOOD.replace("How do I", f"{line}\nHow do I"))
    assert time.monotonic() - began < 5


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "numpy-a.md").mkdir()
    (tmp_path / "numpy-b.md").symlink_to(tmp_path / "none")
    (tmp_path / ".numpy-c.md").write_text("hidden")
    assert len(read_suite(tmp_path).mistakes) == 2


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    for number in range(2001):
        (tmp_path / f"numpy-{number}.md").touch()
    with pytest.raises(SuiteError, match="more than 2,000 files"):
        read_suite(tmp_path)
