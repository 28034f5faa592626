"""Drafts that show a symbol at work: its usage, what it returns, what it takes. Knows nothing about errors."""

from __future__ import annotations

import ast
import re

from bundle.sentences import first_sentence
from curation.compose.prose import about_returns
from curation.compose.script import Script
from curation.compose.subject import MAX_POINT, MAX_SIZE, Subject
from curation.draft import Draft
from curation.markup import is_clean

FIRST_SIZE = 520
"""Characters beyond which no further statement is added to a usage script."""
SHORT = 6
"""Words below which what a symbol returns is told together with what it does."""
SIGNATURES = 0.5
"""Share of the symbols without an example, but with described parameters, whose signature is printed."""


def usage(subject: Subject) -> tuple[Draft | None, Script | None]:
    """How the symbol is used, from the first of its examples that fits; and the script."""
    script, numbers = first_examples(subject)
    if script is None or not subject.lead:
        return None, None
    kind = subject.documented.kind
    points = [*_how(kind), *subject.parameter_points(subject.passed_first(numbers), 3), *result_points(subject)]
    if kind == "property":
        if not any("print(" in statement for statement in script.body):
            return None, script
        return subject.draft("property", "property", subject.with_more(subject.lead), script.code, points), script
    verb = subject.words.verb(subject.summary.partition(" ")[0])
    called = re.search(r"\bfunctions?\b", subject.summary) or (verb is not None and verb[0] in subject.words.giving)
    made = kind == "exception" or (kind == "class" and not called)
    question = kind if made and subject.position("class") < 0.6 else "usage"
    return subject.draft("usage", question, subject.with_more(subject.lead, 2), script.code, points), script


def _how(kind: str) -> list[str]:
    if kind == "property":
        return ["It is read without parentheses."]
    return ["Catch it with `except`, around the call that may raise it."] if kind == "exception" else []


def first_examples(subject: Subject) -> tuple[Script | None, list[int]]:
    """The script of the first statements that show the symbol and print, and their numbers; up to three that fit."""
    script, numbers = _first(subject, [number for number in subject.shows if _shows_value(subject, number)])
    return (script, numbers) if script is not None else _first(subject, subject.shows)


def _shows_value(subject: Subject, number: int) -> bool:
    return subject.example.steps[number].prints or subject.example.showing(number) is not None


def _first(subject: Subject, shows: list[int]) -> tuple[Script | None, list[int]]:
    best: Script | None = None
    taken: list[int] = []
    for number in shows:
        step = subject.example.steps[number]
        if best is not None and not step.prints:
            continue
        script = show(subject, [*taken, number], MAX_SIZE if best is None else FIRST_SIZE)
        if script is not None:
            best, taken = script, [*taken, number]
        if len(taken) == 3:
            break
    return best, taken


def show(subject: Subject, numbers: list[int], most: int = MAX_SIZE) -> Script | None:
    """The script of some statements, with those that show what they made; where there is none, with a print of it."""
    wanted = list(numbers)
    for number in numbers:
        later = None if subject.example.steps[number].prints else subject.example.showing(number)
        if later is not None:
            wanted.append(later)
    script = subject.script(wanted, most)
    made = numbers[-1]
    step = subject.example.steps[made]
    target = assigned_name(step.tree)
    shown = step.prints or len(wanted) > len(numbers) or step.draws_picture
    if script is None or shown or not target or subject.documented.kind in ("class", "exception"):
        return script
    if any(call for call in subject.calls(made) if getattr(step.tree, "value", None) is call.node):
        return Script(script.imports, (*script.body, f"print({target})"), script.shown + 80)
    return script


def assigned_name(tree: ast.stmt) -> str:
    """The one name that a statement assigns to; empty where it is no such statement."""
    if isinstance(tree, ast.Assign) and len(tree.targets) == 1 and isinstance(tree.targets[0], ast.Name):
        return tree.targets[0].id
    return ""


def result_points(subject: Subject) -> list[str]:
    """Sentences about what the symbol returns and raises."""
    points = []
    if subject.doc.returns is not None and subject.documented.kind in ("function", "method"):
        text = about_returns("It", subject.doc.returns).replace("`It` returns", "It returns")
        if text and len(text) <= MAX_POINT:
            points.append(text)
    for name, reason in list(subject.doc.raises.items())[:1]:
        text = raised_sentence("It", name, reason)
        if text:
            points.append(text)
    return points


def raised_sentence(who: str, name: str, reason: str) -> str:
    """When an exception is raised, as a sentence; empty where the documentation doesn't say it well."""
    text = first_sentence(reason)
    last = name.rpartition(".")[2]
    article = "an" if last[0] in "AEIOU" else "a"
    for start in ("Raised ", "raised "):
        text = text.removeprefix(start)
    if text[:3].lower() in ("if ", "whe", "in ", "for", "on ", "is "):
        text = f"{who} raises {article} `{last}` {text[0].lower()}{text[1:]}"
        return text if is_clean(text) and text[len(who) + 8 : len(who) + 12] != " is " else ""
    return ""


def returns(subject: Subject) -> Draft | None:
    """What a call gives: its value and its type, printed."""
    if subject.documented.kind not in ("function", "method"):
        return None
    lead = about_returns(subject.spoken, subject.doc.returns) if subject.doc.returns is not None else ""
    told = subject.summary.lower().startswith(("return ", "returns ", "true if", "true when"))
    if not lead and not told:
        return None
    lead = lead or subject.lead
    if len(lead.split()) < SHORT and subject.lead.startswith(f"`{subject.spoken}` "):
        lead = f"{lead} It {subject.lead.removeprefix(f'`{subject.spoken}` ')}"
    for number in subject.shows:
        step = subject.example.steps[number]
        value = step.tree.value if isinstance(step.tree, ast.Assign | ast.Expr) else None
        if not any(call.node is value for call in subject.calls(number)) or not isinstance(value, ast.expr):
            continue
        target = assigned_name(step.tree)
        if not step.prints and not target:
            continue
        if target and target in step.uses:
            continue
        source = ast.get_source_segment(step.source, value) or ""
        name = target or ("result" if "result" not in step.uses else "value")
        lines = [f"{name} = {source}", f"print({name})", f"print(type({name}))"]
        if step.output.startswith("array("):
            lines.append(f"print({name}.shape, {name}.dtype)")
        script = subject.example.script(subject.example.needed(number), {number: lines})
        if script is None or script.size > MAX_SIZE:
            continue
        if not subject.all_usable(subject.example.needed(number)):
            continue
        points = subject.parameter_points(subject.passed_first([number]), 2)
        return subject.draft("returns", "returns", lead, script.code, points)
    return None


def signature(subject: Subject) -> Draft | None:
    """What the symbol takes: an example that passes most, and the parameters explained."""
    if len(subject.parameters) < 2 or subject.documented.kind not in ("function", "method", "class"):
        return None
    lead = taken_sentence(subject)
    calls = [(len(call.passed), number) for number in subject.shows for call in subject.calls(number)]
    for count, number in sorted(calls, key=lambda one: (-one[0], one[1])):
        points = subject.parameter_points(subject.passed_first([number]), 5)
        script = show(subject, [number]) if count >= 2 and len(points) >= 2 else None
        if script is not None:
            return subject.draft("signature", "signature", lead, script.code, points)
    return None


def printed_signature(subject: Subject) -> Draft | None:
    """For a symbol without an example: its signature, printed, and the parameters explained."""
    one = subject.documented
    if one.kind not in ("function", "class") or one.deprecated or subject.position("signature") >= SIGNATURES:
        return None
    points = subject.parameter_points(list(subject.parameters), 5)
    text = one.signature or ""
    if len(points) < 2 or len(text) > 240 or not subject.lead:
        return None
    root, _, below = one.module.partition(".")
    imports, prefix = f"import {one.module}", f"{one.module}."
    if root in subject.words.aliases and "." not in below:
        alias = subject.words.aliases[root]
        imports, prefix = f"import {root} as {alias}", f"{alias}.{below}." if below else f"{alias}."
    code = (
        f"import inspect\n\n{imports}\n\nprint(inspect.signature({prefix}{one.symbol.removeprefix(one.module + '.')}))"
    )
    return subject.draft(
        "signature", "signature", f"{subject.lead} {taken_sentence(subject, 'It')}", code, points, written=True
    )


def taken_sentence(subject: Subject, who: str = "") -> str:
    """Which parameters are required and which are not, as a sentence."""
    who = who or f"`{subject.spoken}`"
    required = [one.name for one in subject.parameters.values() if one.required]
    optional = [one.name for one in subject.parameters.values() if not one.required and not one.kind.startswith("var_")]
    needs = f"{who} needs {_listed(required)}" if required else f"{who} needs no argument"
    if not optional:
        return f"{needs}."
    if len(optional) > 5:
        return f"{needs}; {_listed(optional[:4])} and {len(optional) - 4} more parameters are optional.".replace(
            f"`{optional[2]}` and `", f"`{optional[2]}`, `"
        )
    return f"{needs}; {_listed(optional)} {'is' if len(optional) == 1 else 'are'} optional."


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
