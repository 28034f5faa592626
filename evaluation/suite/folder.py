"""A suite on disk: a folder with a Markdown file a question, or YAML files with one question or a list of them.

It may be one such file, too, or a JSON file of problems (`problems.py`).
Files are taken as strangers' work: their size is bounded, and each mistake is one line that names file and place.
Knows nothing about how answers are judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.errors import SuiteError
from evaluation.escape import one_line
from evaluation.suite.fields import FieldError, question_of
from evaluation.suite.json_records import read_records
from evaluation.suite.markdown import MarkdownError, read_markdown
from evaluation.suite.problems import problem_fields
from evaluation.suite.question import Question
from evaluation.suite.strict_yaml import MAX_CHARACTERS, StrictYamlError, read_yaml

MAX_QUESTIONS = 2000
"""Questions of a suite, and files of its folder."""
_MAX_BYTES = MAX_CHARACTERS
_SUFFIXES = (".md", ".yaml", ".yml")
_README = "readme.md"


@dataclass(frozen=True)
class Suite:
    """What a folder or a file holds."""

    questions: tuple[Question, ...]
    """By their id; without the drafts."""
    drafts: tuple[Question, ...]
    """Those that somebody still has to edit."""
    mistakes: tuple[str, ...]
    """What can't be used, one line each."""


def load_suite(path: Path) -> Suite:
    """Read a suite that is to be used: without a mistake, with at least one question.

    Raises:
        SuiteError: the first thing that is wrong with it.
    """
    suite = read_suite(path)
    if suite.mistakes:
        more = f" (and {len(suite.mistakes) - 1} more: `boffin suite check`)" if len(suite.mistakes) > 1 else ""
        raise SuiteError(suite.mistakes[0] + more)
    if not suite.questions:
        raise SuiteError(f"{path}: no questions here; `boffin suite new` writes one to begin with")
    return suite


def read_suite(path: Path) -> Suite:
    """Read all that is in a folder or a file, what is wrong included.

    Raises:
        SuiteError: there is no such folder or file, or it has more than a suite may have.
    """
    if not path.exists():
        raise SuiteError(f"{path}: no such folder or file; `boffin suite new` makes one")
    found: dict[str, Question] = {}
    texts: dict[str, str] = {}
    mistakes: list[str] = []
    for file in _files(path) if path.is_dir() else [path]:
        for place, fields in _fields(file, mistakes):
            try:
                question = question_of(fields)
            except FieldError as error:
                mistakes.append(f"{place}: {error}")
                continue
            same = " ".join(question.text.casefold().split())
            if question.id in found:
                mistakes.append(f"{place}: the id {question.id} comes twice")
            elif same in texts:
                mistakes.append(f"{place}: the same question as {texts[same]}")
            else:
                found[question.id], texts[same] = question, question.id
        if len(found) > MAX_QUESTIONS:
            raise SuiteError(f"{path}: more than {MAX_QUESTIONS:,} questions; split it")
    ordered = [found[name] for name in sorted(found)]
    return Suite(
        tuple(question for question in ordered if not question.draft),
        tuple(question for question in ordered if question.draft),
        tuple(mistakes),
    )


def _files(folder: Path) -> list[Path]:
    files = []
    for path in folder.iterdir():
        if path.suffix.lower() in _SUFFIXES and path.name.lower() != _README and not path.name.startswith("."):
            files.append(path)
        if len(files) > MAX_QUESTIONS:
            raise SuiteError(f"{folder}: more than {MAX_QUESTIONS:,} files; split it")
    return sorted(files)


def _fields(file: Path, mistakes: list[str]) -> Iterator[tuple[str, Any]]:
    """What each question of a file is, with where it stands; mistakes in the file's form are added to `mistakes`."""
    if file.suffix.lower() not in _SUFFIXES:
        for place, record in read_records(file, MAX_QUESTIONS, mistakes):
            try:
                yield place, problem_fields(record)
            except FieldError as error:
                mistakes.append(f"{place}: {error}")
        return
    shown = one_line(str(file))
    try:
        text = _read(file)
        if file.suffix.lower() == ".md":
            yield shown, read_markdown(text, file.stem)
            return
        value = read_yaml(text)
    except (MarkdownError, StrictYamlError) as error:
        mistakes.append(f"{shown}:{error.line}: {error}" if error.line else f"{shown}: {error}")
        return
    except FieldError as error:
        mistakes.append(f"{shown}: {error}")
        return
    if not isinstance(value, list):
        yield shown, value
        return
    if not value or len(value) > MAX_QUESTIONS:
        mistakes.append(f"{shown}: has to hold one question, or a list of at most {MAX_QUESTIONS:,}")
        return
    for number, fields in enumerate(value, start=1):
        name = fields.get("id") if isinstance(fields, dict) else None
        yield f"{shown}, question {number}" + (f" ({one_line(str(name), 60)})" if name else ""), fields


def _read(file: Path) -> str:
    """A file's text.

    Raises:
        FieldError: it is no plain file, too large, or no text.
    """
    if not file.is_file():
        raise FieldError("not a plain file")
    try:
        with file.open("rb") as handle:
            content = handle.read(_MAX_BYTES + 1)
    except OSError as error:
        raise FieldError(f"can't be read ({error.strerror})") from None
    if len(content) > _MAX_BYTES:
        raise FieldError(f"more than {_MAX_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FieldError(f"not UTF-8, from byte {error.start} on") from None
