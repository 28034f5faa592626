"""Drafts about one parameter: a documented call that passes it, and where it can be had the same call without.

Knows nothing about other kinds of question.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bundle.sentences import sentences
from curation.compose.calls import Call, Text
from curation.compose.prose import MAX_SENTENCE, about_parameter, type_sentence
from curation.compose.script import Script, without_comment
from curation.compose.subject import MAX_LEAD, MAX_SIZE, Subject
from curation.compose.usage import show
from curation.draft import Draft
from curation.markup import is_clean, promises

_CONDITION = re.compile(
    r"(If|When|Where|Only|Controls|Specif(y|ies)|Determines?|Indicates?|Sets?|How|What|Which|By default)\b"
)
_PRINT = re.compile(r"p?print\(")
MOST = 2
"""Parameters of a symbol that drafts are made about."""


def parameters(subject: Subject) -> Iterator[Draft]:
    """The drafts about a symbol's parameters."""
    made = 0
    for name, number, call in _passed(subject):
        lead = _lead(subject, name)
        script, written = _script(subject, name, number, call) if lead else (None, False)
        if script is None:
            continue
        draft = subject.draft(
            "parameter", _question(subject, name), lead, script.code, _points(subject, name), written=written, name=name
        )
        if draft is not None:
            yield draft
            made += 1
        if made == MOST:
            return


def _question(subject: Subject, name: str) -> str:
    parameter = subject.parameters.get(name)
    return "parameter_required" if parameter is None or parameter.required else "parameter"


def _passed(subject: Subject) -> list[tuple[str, int, Call]]:
    """Described parameters, each with the first statement that passes it: those passed by name first."""
    found: dict[str, tuple[str, int, Call]] = {}
    for by_name in (True, False):
        for number in subject.shows:
            for call in subject.calls(number):
                first = next(iter(subject.parameters), "")
                for name in call.passed:
                    if name in found or name not in subject.doc.parameters or (name in call.keywords) != by_name:
                        continue
                    if by_name or name != first:
                        found[name] = (name, number, call)
    return sorted(found.values(), key=lambda one: (one[0] not in one[2].keywords, subject.position(one[0])))


def _lead(subject: Subject, name: str) -> str:
    text = subject.doc.parameters[name].text
    lead = about_parameter(name, text, subject.words)
    if not lead:
        return ""
    if lead.startswith(f"`{name}`: "):
        if not _CONDITION.match(text):
            return ""
        lead = f"`{subject.spoken}` takes `{name}`: {lead.removeprefix(f'`{name}`: ')}"
    else:
        lead = f"In `{subject.spoken}`, {lead}"
    for one in sentences(text)[1:3]:
        if (
            not is_clean(one)
            or promises(one)
            or one.startswith(("Default", "Optional"))
            or len(one) > MAX_SENTENCE
            or len(lead) + len(one) > MAX_LEAD
        ):
            break
        lead = f"{lead} {one}"
    return lead


def _points(subject: Subject, name: str) -> list[str]:
    points = [type_sentence(name, subject.doc.parameters[name].type)]
    parameter = subject.parameters.get(name)
    if parameter is not None and parameter.default is not None and 0 < len(parameter.default) <= 40:
        if not parameter.default.startswith(("<", "...")):
            points.append(f"Its default is `{parameter.default}`.")
    elif parameter is not None and parameter.required:
        points.append(f"`{name}` has no default, so every call has to give it.")
    if parameter is not None and parameter.kind == "keyword_only":
        points.append(f"`{name}` can only be passed by its name.")
    if subject.lead and subject.position(name) < 0.5:
        points.append(subject.lead)
    return [point for point in points if point]


def _script(subject: Subject, name: str, number: int, call: Call) -> tuple[Script | None, bool]:
    """The script, and whether it has a statement that the documentation lacks."""
    step = subject.example.steps[number]
    needed = subject.example.needed(number)
    if not subject.all_usable(needed):
        return None, False
    plain = _plain_statement(subject, name, number, call)
    if plain is not None:
        earlier = _documented_twin(subject, number, plain)
        if earlier is not None:
            script = subject.script([earlier, number])
            if script is not None:
                return script, False
        parameter = subject.parameters.get(name)
        once = len(subject.calls(number)) == 1
        if parameter is not None and not parameter.required and once:
            lines = [one if _PRINT.match(one) else f"print({one})" for one in (plain, without_comment(step.source))]
            script = subject.example.script(needed, {number: lines})
            if script is not None and script.size + min(len(step.output), 300) <= MAX_SIZE:
                return script, True
    return show(subject, [number]), False


def _plain_statement(subject: Subject, name: str, number: int, call: Call) -> str | None:
    """The statement without the parameter, for an expression that a prompt would show."""
    step = subject.example.steps[number]
    argument = next((one for one in call.node.keywords if one.arg == name), None)
    if argument is None or not isinstance(step.tree, ast.Expr) or not step.prints:
        return None
    text = Text(step.source).without_argument(call.node, argument)
    return None if text is None else without_comment(text)


def _documented_twin(subject: Subject, number: int, plain: str) -> int | None:
    """The documentation's own statement that is the same without the parameter."""
    wanted = ast.dump(ast.parse(plain))
    for other in subject.own:
        step = subject.example.steps[other]
        shown = other != number and step.prints and isinstance(step.tree, ast.Expr) and subject.usable(step)
        if shown and ast.dump(ast.parse(without_comment(step.source))) == wanted:
            return other
    return None
