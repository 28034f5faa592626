"""A question's fields, checked: from what a file says to a `Question`, and back.

Every mistake is said with its place: `must, entry 2: unknown key 'keyword'; …`. Knows nothing about files and formats.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from typing import Any

from evaluation.escape import one_line
from evaluation.measures.blocks import python_blocks
from evaluation.suite.question import CATEGORIES, Check, Handled, Idea, Must, Question, Symbol, Written

MAX_TEXT = 50_000
"""Characters of a question, a reference answer or a part of a check."""
MAX_ENTRIES = 50
"""Entries of a must list, keywords of a symbol, texts of an idea or of code."""
MAX_PLAIN = 300
"""Characters of an idea, of what code shows, and of each of their texts."""
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LIBRARY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_KINDS = {
    "symbol": ("symbol", "keywords"),
    "exception": ("exception",),
    "idea": ("idea", "any"),
    "code": ("code", "any"),
}
_FIELDS = ("id", "category", "library", "question", "must", "reference", "check", "draft")
_NEEDED = ("category", "library", "question", "must", "reference")


class FieldError(Exception):
    """What is wrong with a field, and where."""


def question_of(fields: Any) -> Question:
    """The question that these fields make: `id`, `category`, `library`, `question`, `must`, `reference`; perhaps
    `check` (`before`, `after`) and `draft`.

    Raises:
        FieldError: a field is missing, unknown or can't be used.
    """
    mapping = _mapping(fields, "question", _FIELDS)
    name = _text(mapping.get("id"), "id", 80)
    if not _ID.fullmatch(name):
        raise FieldError(f"id {one_line(name, 60)!r}: only lower-case letters, digits and hyphens between them")
    if missing := [key for key in _NEEDED if key not in mapping]:
        raise FieldError(f"{missing[0]} is missing")
    category, library = _text(mapping["category"], "category", 80), _text(mapping["library"], "library", 80)
    if category not in CATEGORIES:
        raise FieldError(f"category {one_line(category, 60)!r}: there are {', '.join(CATEGORIES)}")
    if not _LIBRARY.fullmatch(library):
        raise FieldError(f"library {one_line(library, 60)!r}: give its name in lower case, e.g. numpy")
    slug = re.sub(r"[._]", "-", library)
    if not name.startswith(f"{slug}-"):
        raise FieldError(f"id {name!r}: has to begin with its library, {slug}-")
    draft = _text(mapping.get("draft", "false"), "draft", 10)
    if draft not in ("true", "false"):
        raise FieldError(f"draft {one_line(draft, 10)!r}: true or false")
    reference = _text(mapping["reference"], "reference answer")
    return Question(
        id=name,
        category=category,
        library=library,
        text=_text(mapping["question"], "question"),
        must=_must_list(mapping["must"]),
        reference=reference,
        check=_check(mapping["check"], reference) if "check" in mapping else None,
        draft=draft == "true",
    )


def fields_of(question: Question) -> dict[str, Any]:
    """The fields that `question_of` makes this question of."""
    check = question.check
    parts = {"before": check.before, "after": check.after} if check else {}
    return {
        "id": question.id,
        "category": question.category,
        "library": question.library,
        "question": question.text,
        "must": [_entry_fields(entry) for entry in question.must],
        "reference": question.reference,
        **({"check": {part: code for part, code in parts.items() if code}} if check else {}),
        **({"draft": "true"} if question.draft else {}),
    }


def _entry_fields(entry: Must) -> dict[str, Any]:
    if isinstance(entry, Idea):
        return {"idea": entry.text, "any": list(entry.any)}
    if isinstance(entry, Written):
        return {"code": entry.text, "any": list(entry.any)}
    if isinstance(entry, Handled):
        return {"exception": entry.name}
    return {"symbol": entry.name} | ({"keywords": list(entry.keywords)} if entry.keywords else {})


def _must_list(value: Any) -> tuple[Must, ...]:
    entries = _list(value, "must")
    found = tuple(_must(entry, f"must, entry {number}") for number, entry in enumerate(entries, start=1))
    if len(set(map(str, found))) < len(found):
        raise FieldError("must: an entry comes twice")
    return found


def _must(value: Any, where: str) -> Must:
    if not isinstance(value, Mapping) or len(kinds := [key for key in value if key in _KINDS]) != 1:
        raise FieldError(f"{where}: has to be one of symbol, exception, idea or code")
    kind = kinds[0]
    entry = _mapping(value, where, _KINDS[kind])
    text = _text(entry[kind], f"{where}, {kind}", MAX_PLAIN)
    if kind in ("idea", "code"):
        if "any" not in entry:
            raise FieldError(f"{where}: `any` is missing, the texts of which one has to occur")
        texts = tuple(_text(one, f"{where}, any", MAX_PLAIN) for one in _list(entry["any"], f"{where}, any"))
        return Idea(text, texts) if kind == "idea" else Written(text, texts)
    if not _DOTTED.fullmatch(text):
        raise FieldError(f"{where}: {one_line(text, 60)!r} is no dotted name such as requests.get")
    if kind == "exception":
        return Handled(text)
    keywords = _list(entry["keywords"], f"{where}, keywords") if "keywords" in entry else []
    for keyword in keywords:
        if not isinstance(keyword, str) or not keyword.isidentifier():
            raise FieldError(f"{where}: keywords have to be names of arguments")
    return Symbol(text, tuple(keywords))


def _check(value: Any, reference: str) -> Check:
    parts = _mapping(value, "check", ("before", "after"))
    if "after" not in parts:
        raise FieldError("check: `after` is missing, the code that asserts")
    after = _code(parts["after"], "check, after")
    if not any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(after[1])):
        raise FieldError("check, after: it asserts nothing, so any answer would pass")
    if not python_blocks(reference):
        raise FieldError("check: the reference answer has no python block to run")
    return Check(after[0], _code(parts["before"], "check, before")[0] if "before" in parts else "")


def _code(value: Any, where: str) -> tuple[str, ast.Module]:
    code = _text(value, where)
    try:
        with warnings.catch_warnings(action="ignore"):
            return code, ast.parse(code)
    except SyntaxError as error:
        raise FieldError(f"{where}: no valid Python in its line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise FieldError(f"{where}: no valid Python") from None


def _mapping(value: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FieldError(f"{where}: has to be keys with values")
    if unknown := [key for key in value if key not in known]:
        raise FieldError(f"{where}: unknown key {one_line(str(unknown[0]), 60)!r}; there are {', '.join(known)}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise FieldError(f"{where}: has to be a list with at least one entry")
    if len(value) > MAX_ENTRIES:
        raise FieldError(f"{where}: more than {MAX_ENTRIES} entries")
    return value


def _text(value: Any, where: str, most: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FieldError(f"{where} is missing" if value in (None, "") else f"{where}: has to be a text")
    if len(value) > most:
        raise FieldError(f"{where}: more than {most:,} characters")
    return value.strip() if "\n" not in value else value.strip("\n")
