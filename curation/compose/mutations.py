"""Mutations: correct code made wrong in the ways in which people get it wrong.

misspelt            an attribute, or a name in an import, is misspelt
wrong-keyword       a keyword argument has another name
missing-argument    a required argument is left out
missing-import      an import is left out
wrong-place         a name is looked for in the package above its module
property-called     a property is called like a method
missing-key         a column's name is misspelt
ragged              a row or a column of literal data is one item short
undefined-variable  an assignment is left out
keyword-by-position a keyword-only argument is passed by position
text-for-number     a number stands in quotes

Each takes correct code and gives the wrong code with what makes it fail, or None where it doesn't apply. Nothing is
run: the traceback is recorded later. Knows nothing about questions.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from curation.compose.calls import Text, dotted, full_name
from curation.compose.correct import Correct, Mutation
from curation.compose.examples import imported


def misspelling(word: str, salt: float) -> str:
    """A word with two letters swapped, one left out or one doubled; the first letter stays."""
    place = 1 + int(salt * 997) % (len(word) - 2)
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    options = [word[:place] + word[place + 1 :], word[: place + 1] + word[place:]]
    if swapped != word:
        options += [swapped, swapped]
    return options[int(salt * 9973) % len(options)]


def misspelt(correct: Correct) -> Mutation | None:
    """The symbol's own name is misspelt."""
    word = correct.last
    if len(word) < 4 or not correct.uses or word.startswith("_"):
        return None
    wrong = misspelling(word, correct.salt)
    first = correct.uses[0]
    owner = correct.symbol.rpartition(".")[0]
    if isinstance(first, ast.Attribute):
        _, end = Text(correct.code).span(first)
        failing = Text(correct.code).cut(end - len(word), end, wrong)
        if correct.on_instances:
            return Mutation(failing, "AttributeError", "misspelt-attribute", wrong, word)
        if correct.table.exists(f"{owner}.{wrong}"):
            return None
        return Mutation(failing, "AttributeError", "misspelt-member", wrong, word, owner)
    if correct.table.exists(f"{owner}.{wrong}") or not re.search(rf"import\b.*\b{word}\b", correct.code):
        return None
    failing = re.sub(rf"(?<![\w.]){word}(?!\w)", wrong, correct.code)
    return Mutation(failing, "ImportError", "misspelt-import", wrong, word, owner)


def wrong_keyword(correct: Correct) -> Mutation | None:
    """A keyword argument has another name."""
    known = {one.name for one in correct.parameters}
    if not known or any(one.kind == "var_keyword" for one in correct.parameters):
        return None
    for call in correct.calls:
        for keyword in call.node.keywords:
            name = keyword.arg
            if name not in known or name is None or len(name) < 2:
                continue
            wrong = correct.wrong_names.get(name, "")
            if not wrong or wrong in known:
                wrong = f"{name}s" if len(name) < 4 else misspelling(name, correct.salt)
            if wrong in known:
                continue
            text = Text(correct.code)
            start, _ = text.span(keyword)
            return Mutation(text.cut(start, start + len(name), wrong), "TypeError", "wrong-keyword", wrong, name)
    return None


def missing_argument(correct: Correct) -> Mutation | None:
    """The last required argument is left out."""
    required = {one.name for one in correct.parameters if one.required}
    for call in correct.calls:
        if any(isinstance(one, ast.Starred) for one in call.node.args):
            continue
        if any(one.arg is None for one in call.node.keywords):
            continue
        last = next(iter(reversed([name for name in call.passed if name not in call.keywords])), "")
        for name in (last, *(one for one in call.passed if one in call.keywords)):
            if name not in required:
                continue
            value = call.passed[name]
            argument = next((one for one in call.node.keywords if one.value is value), value)
            if argument is value and len(call.node.args) > len(call.passed) - len(call.keywords):
                continue
            failing = Text(correct.code).without_argument(call.node, argument)
            if failing is not None:
                return Mutation(failing, "TypeError", "missing-argument", "", name)
    return None


def missing_import(correct: Correct) -> Mutation | None:
    """An import is left out."""
    imports = [node for node in correct.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        line = ast.unparse(node)
        bound = imported(line)
        if len(bound) == 1 and line in correct.code.splitlines():
            name, full = next(iter(bound.items()))
            if correct.symbol.startswith(full):
                failing = correct.code.replace(f"{line}\n", "", 1).lstrip("\n")
                return Mutation(failing, "NameError", "missing-import", name, line)
    return None


def wrong_place(correct: Correct) -> Mutation | None:
    """The symbol is looked for in the package above its module."""
    module, _, name = correct.symbol.rpartition(".")
    above, _, below = module.rpartition(".")
    if (
        not above
        or correct.on_instances
        or module not in correct.table.modules
        or correct.table.exists(f"{above}.{name}")
    ):
        return None
    if re.search(rf"^from {re.escape(module)} import {name}$", correct.code, re.MULTILINE):
        failing = correct.code.replace(f"from {module} import {name}\n", f"from {above} import {name}\n", 1)
        return Mutation(failing, "ImportError", "wrong-place", f"{above}.{name}", correct.symbol, above)
    first = next(iter(correct.uses), None)
    if isinstance(first, ast.Attribute) and full_name(dotted(first.value), correct.names) == module:
        text = Text(correct.code)
        piece = text.piece(first)
        if piece.endswith(f".{below}.{name}"):
            failing = text.replaced(first, piece.replace(f".{below}.{name}", f".{name}"))
            return Mutation(failing, "AttributeError", "wrong-place", f"{above}.{name}", correct.symbol, above)
    return None


def property_called(correct: Correct) -> Mutation | None:
    """A property is called like a method."""
    if correct.kind != "property":
        return None
    parents = {id(child): node for node in ast.walk(correct.tree) for child in ast.iter_child_nodes(node)}
    for use in correct.uses:
        parent = parents.get(id(use))
        if not isinstance(parent, ast.Attribute) and not (isinstance(parent, ast.Call) and parent.func is use):
            text = Text(correct.code)
            return Mutation(
                text.replaced(use, f"{text.piece(use)}()"), "TypeError", "property-called", "", correct.last
            )
    return None


def missing_key(correct: Correct) -> Mutation | None:
    """The name of a column that is read is misspelt."""
    if not any(full.startswith("pandas") for full in correct.names.values()):
        return None
    for node in ast.walk(correct.tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
            continue
        key = node.slice
        if not isinstance(node.value, ast.Name) or not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            continue
        if len(key.value) >= 4 and key.value.isidentifier() and "df" in node.value.id:
            wrong = misspelling(key.value, correct.salt)
            failing = Text(correct.code).replaced(key, repr(wrong))
            return Mutation(failing, "KeyError", "missing-key", wrong, key.value)
    return None


def ragged(correct: Correct) -> Mutation | None:
    """A row or a column of literal data is one item short."""
    for node in ast.walk(correct.tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        data, name = node.args[0], full_name(dotted(node.func), correct.names)
        if name == "numpy.array" and isinstance(data, ast.List):
            rows = [row for row in data.elts if isinstance(row, ast.List)]
            shorter = _shortened(correct.code, rows) if len(rows) == len(data.elts) else None
            if shorter is not None:
                return Mutation(shorter, "ValueError", "ragged-array", "", str(len(rows[0].elts)))
        if name == "pandas.DataFrame" and isinstance(data, ast.Dict):
            columns = [one for one in data.values if isinstance(one, ast.List)]
            shorter = _shortened(correct.code, columns) if len(columns) == len(data.values) else None
            key = data.keys[-1] if data.keys else None
            if shorter is not None and isinstance(key, ast.Constant):
                right = str(len(columns[0].elts))
                return Mutation(shorter, "ValueError", "ragged-columns", str(key.value), right)
    return None


def _shortened(code: str, lists: list[ast.List]) -> str | None:
    """Code with the last item of the last list left out; None where the lists are no table of constants."""
    lengths = {len(one.elts) for one in lists}
    flat = all(isinstance(item, ast.Constant | ast.UnaryOp) for one in lists for item in one.elts)
    if len(lists) < 2 or len(lengths) != 1 or min(lengths) < 2 or not flat:
        return None
    text = Text(code)
    before, gone = lists[-1].elts[-2:]
    return text.cut(text.span(before)[1], text.span(gone)[1])


def undefined_variable(correct: Correct) -> Mutation | None:
    """An assignment is left out whose variable the next statement uses."""
    body = [node for node in correct.tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    for node, following in pairwise(body):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name) or len(node.targets) > 1:
            continue
        name = node.targets[0].id
        used = {one.id for one in ast.walk(following) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
        if any(use in ast.walk(node) for use in correct.uses):
            continue
        if name in used and correct.code.count(f"\n{name} = ") == 1 and not hasattr(builtins, name):
            text = Text(correct.code)
            start, end = text.span(node)
            return Mutation(text.cut(start, end + 1), "NameError", "undefined-variable", name, name)
    return None


def keyword_by_position(correct: Correct) -> Mutation | None:
    """A keyword-only argument is passed by position."""
    keyword_only = {one.name for one in correct.parameters if one.kind == "keyword_only"}
    if any(one.kind == "var_positional" for one in correct.parameters):
        return None
    places = sum(one.kind.startswith("positional") for one in correct.parameters)
    for call in correct.calls:
        first = next(iter(call.node.keywords), None)
        if first is not None and first.arg in keyword_only and len(call.node.args) == places:
            text = Text(correct.code)
            start, _ = text.span(first)
            failing = text.cut(start, text.span(first.value)[0])
            return Mutation(failing, "TypeError", "keyword-by-position", "", str(first.arg))
    return None


def text_for_number(correct: Correct) -> Mutation | None:
    """A number stands in quotes."""
    for call in correct.calls:
        for name, value in call.passed.items():
            number = isinstance(value, ast.Constant) and type(value.value) in (int, float)
            if number and name in correct.numbers:
                text = Text(correct.code)
                wrong = f'"{text.piece(value)}"'
                return Mutation(text.replaced(value, wrong), "TypeError", "text-for-number", f"`{wrong}`", name)
    return None


MUTATIONS: dict[Callable[[Correct], Mutation | None], float] = {
    misspelt: 2,
    wrong_keyword: 4,
    missing_argument: 4,
    missing_import: 0.4,
    wrong_place: 1,
    property_called: 4,
    missing_key: 2,
    ragged: 2,
    undefined_variable: 0.5,
    keyword_by_position: 4,
    text_for_number: 2,
}
"""All mutations, and how often each is preferred where several apply."""


def mutations(correct: Correct, position: Callable[[str], float]) -> Iterator[Mutation]:
    """The mutations that apply, in an order drawn by `position` (a key → a number from 0 to 1) and their weights."""
    order = sorted(MUTATIONS, key=lambda one: -(position(one.__name__) ** (1 / MUTATIONS[one])))
    for mutate in order:
        found = mutate(correct)
        if found is not None and found.failing != correct.code:
            yield found
