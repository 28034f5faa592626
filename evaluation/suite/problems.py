"""Problems of the sets that others made, HumanEval's and MBPP's and what has their keys, as fields of a question.

They are asked as a person would ask: for the whole function, in a block, not for the rest of a text. What stands in
HumanEval's prompt before the function (imports, helpers that the tests call) is there before the answer's code; MBPP's
tests are part of the question, as in its paper. Knows nothing about files, or about how an answer is judged.

HumanEval: Chen et al. 2021, Evaluating Large Language Models Trained on Code. MBPP: Austin et al. 2021, Program
Synthesis with Large Language Models.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.escape import fenced
from evaluation.suite.fields import MAX_TEXT, FieldError
from evaluation.suite.question import GENERAL

_CATEGORY = "basic-usage"


def problem_fields(record: Any) -> Mapping[str, Any]:
    """The fields of the question that a record makes; one that has a question's own keys already is handed back.

    Raises:
        FieldError: it has the keys of none of them, or a value that can't be used.
    """
    if not isinstance(record, dict):
        raise FieldError("has to be a JSON object")
    if "must" in record:
        return record
    if "entry_point" in record:
        return _human_eval(record)
    if "test_list" in record:
        return _mbpp(record)
    raise FieldError(
        "unknown keys: there are HumanEval's (task_id, prompt, entry_point, canonical_solution, test), "
        "MBPP's (task_id, text or prompt, code, test_list) and a suite's own (id, category, library, question, must, …)"
    )


def _human_eval(record: Mapping[str, Any]) -> dict[str, Any]:
    prompt, name, solution, test = (
        _text(record, key) for key in ("prompt", "entry_point", "canonical_solution", "test")
    )
    begins = [found.start() for found in re.finditer(rf"^(async )?def {re.escape(name)}\b", prompt, re.MULTILINE)]
    if not begins:
        raise FieldError(f"prompt: the function {name[:60]!r}, its entry_point, doesn't begin in it")
    return _fields(
        record,
        f"Complete this function. Answer with all of it.\n\n{_block(prompt)}",
        prompt + solution,
        [name],
        {"before": prompt[: begins[-1]], "after": f"{test}\n\ncheck({name})"},
    )


def _mbpp(record: Mapping[str, Any]) -> dict[str, Any]:
    asked, code = _text(record, "text" if "text" in record else "prompt"), _text(record, "code")
    setup = _text(record, "test_setup_code") if record.get("test_setup_code") else ""
    after = "\n".join([*_texts(record, "test_imports"), setup, *_texts(record, "test_list")]).strip("\n")
    if not (names := _wanted(code, after)):
        raise FieldError("test_list: the tests use nothing that the code defines")
    question = f"{asked}\n\nThe code has to pass these tests:\n\n{_block(after)}"
    return _fields(record, question, code, names, {"before": "", "after": after})


def _fields(
    record: Mapping[str, Any], question: str, code: str, names: Sequence[str], check: Mapping[str, str]
) -> dict[str, Any]:
    task = record.get("task_id")
    if isinstance(task, bool) or not isinstance(task, int | str) or task == "":
        raise FieldError("task_id is missing" if task in (None, "") else "task_id: has to be a text or a whole number")
    words = re.findall(r"[a-z0-9]+", str(task)[:200].lower())
    return {
        "id": "-".join([GENERAL, *(["mbpp"] if isinstance(task, int) else []), *words]),
        "category": _CATEGORY,
        "library": GENERAL,
        "question": question,
        "must": [
            {"code": f"{name} is there", "any": [f"def {name}(", f"def {name} (", f"class {name}", f"{name} ="]}
            for name in names
        ],
        "reference": _block(code),
        "check": {part: code for part, code in check.items() if code.strip()},
    }


def _wanted(code: str, tests: str) -> list[str]:
    """The names at the top of the code that the tests use; none where either is no Python."""
    try:
        defined, used = ast.parse(code).body, ast.walk(ast.parse(tests))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names = {node.id for node in used if isinstance(node, ast.Name)}
    found = [node.name for node in defined if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    found += [
        one.id for node in defined if isinstance(node, ast.Assign) for one in node.targets if isinstance(one, ast.Name)
    ]
    return [name for name in dict.fromkeys(found) if name in names]


def _block(code: str) -> str:
    return fenced(code.strip("\n"), "python", MAX_TEXT)


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise FieldError(f"{key} is missing" if value in (None, "") else f"{key}: has to be a text")
    return value.replace("\r\n", "\n")


def _texts(record: Mapping[str, Any], key: str) -> list[str]:
    value = record.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise FieldError(f"{key}: has to be a list of texts")
    return [one.replace("\r\n", "\n") for one in value]
