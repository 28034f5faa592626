"""Drafts about failing: why mutated code fails, and which exception a symbol raises when.

Knows nothing about how code is made wrong.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator
from functools import partial

from bundle.sentences import closed, sentences
from curation.compose.correct import Correct, Mutation
from curation.compose.mutations import missing_argument, mutations
from curation.compose.script import Script, without_comment
from curation.compose.subject import MAX_SIZE, Subject
from curation.compose.usage import raised_sentence, show
from curation.draft import Draft
from curation.markup import is_clean
from symbols.table import BUILTINS

SECOND = 0.25
"""Share of the symbols that give two drafts about failing code; the others give one."""
TRIED = 0.25
"""Share of the symbols for which a call without a required argument is shown with the exception that it raises."""
_NUMBER = re.compile(r"^(int|float|scalar|number|integer|double|non-negative int|positive int)\b")


def errors(subject: Subject, used: Script | None) -> Iterator[Draft]:
    """Why does this fail: the usage script made wrong, or the script of another example."""
    codes = [used.code] if used is not None else []
    for number in sorted(subject.shows, key=lambda one: subject.position(f"error {one}"))[:4]:
        script = show(subject, [number], MAX_SIZE - 200)
        if script is not None:
            codes.append(script.code)
    most = 2 if subject.position("second error") < SECOND else 1
    made: set[str] = set()
    for code in sorted(dict.fromkeys(codes), key=lambda code: subject.position(f"code {code}")):
        for mutation in mutations(_correct(subject, code), partial(_position, subject, code)):
            draft = _error(subject, code, mutation) if mutation.cause not in made else None
            if draft is not None:
                made.add(mutation.cause)
                yield draft
                break
        if len(made) == most:
            return


def _position(subject: Subject, code: str, key: str) -> float:
    return subject.position(f"{key} {code}")


def _correct(subject: Subject, code: str) -> Correct:
    numbers = {name for name, one in subject.doc.parameters.items() if _NUMBER.match(one.type.strip("`"))}
    return Correct(
        code,
        subject.known_as,
        subject.documented.kind,
        tuple(subject.documented.parameters or ()),
        frozenset(numbers - {name for name in numbers if "str" in subject.doc.parameters[name].type}),
        dict(subject.words.wrong_names),
        subject.table,
        subject.position(f"salt {code}"),
    )


def _error(subject: Subject, code: str, mutation: Mutation) -> Draft | None:
    names = {
        "wrong": mutation.wrong,
        "right": mutation.right.removeprefix(f"{BUILTINS}."),
        "owner": mutation.owner,
        "what": subject.documented.kind,
        "symbol": subject.spoken,
    }
    lead = subject.pick(f"cause {mutation.cause}", subject.words.causes[mutation.cause]).format(**names)
    points = subject.parameter_points([mutation.right], 1) if mutation.right in subject.parameters else []
    points.append(subject.words.tips[mutation.cause])
    if subject.lead and subject.position(f"about {code}") < 0.7:
        points.append(subject.lead)
    return subject.draft(
        "error",
        "error",
        lead,
        code,
        points,
        written=True,
        failing=mutation.failing,
        expects=mutation.expects,
        error=f"`{mutation.expects}`",
        a_error=with_article(mutation.expects),
    )


def with_article(exception: str) -> str:
    """An exception's name with its article, as code."""
    return f"{'an' if exception[0] in 'AEIOU' else 'a'} `{exception}`"


def raises(subject: Subject) -> Draft | None:
    """Which exception when: an example that the documentation shows to fail, else a call made wrong."""
    return _documented(subject) or _tried(subject)


def _documented(subject: Subject) -> Draft | None:
    for number in subject.own:
        step = subject.example.steps[number]
        if not step.raised or step.skipped or step.imports or not subject.shown_by(number):
            continue
        needed = subject.example.needed(number)
        if not subject.all_usable(needed - {number}):
            continue
        code = caught(without_comment(step.source), step.raised)
        script = subject.example.script(needed, {number: [code]})
        lead = _when(subject, step.raised, step.lead)
        if script is not None and script.size <= MAX_SIZE and lead:
            points = [subject.lead, *subject.parameter_points(subject.passed_first([number]), 2)]
            draft = subject.draft("raises", "raises", lead, script.code, points, name=step.raised)
            if draft is not None:
                return draft
    return None


def _when(subject: Subject, exception: str, before: str) -> str:
    """The sentence that says when it is raised: from the description of exceptions, or from the prose before."""
    for name, reason in subject.doc.raises.items():
        if name.rpartition(".")[2] == exception:
            text = raised_sentence(f"`{subject.spoken}`", exception, reason)
            if text:
                return text
    nearest = before.rsplit("\n\n", maxsplit=1)[-1].replace("``", "`")
    told = [closed(" ".join(one.split()).rstrip(":")) for one in sentences(nearest)]
    general = f"`{subject.spoken}` raises {with_article(exception)} when it is called as below."
    last = told[-1] if told else ""
    return f"{last} {general.replace(' as below', ' like this')}" if is_clean(last) and len(last) < 200 else ""


def caught(source: str, exception: str) -> str:
    """A statement whose exception is caught and printed."""
    name = exception if hasattr(builtins, exception) else "Exception"
    body = textwrap.indent(source, "    ")
    return f'try:\n{body}\nexcept {name} as error:\n    print(f"{{type(error).__name__}}: {{error}}")'


def _tried(subject: Subject) -> Draft | None:
    if subject.position("tried") >= TRIED or subject.documented.kind == "property":
        return None
    for number in subject.shows:
        step = subject.example.steps[number]
        if not isinstance(step.tree, ast.Expr | ast.Assign) or step.draws_picture:
            continue
        correct = _correct(subject, without_comment(step.source))
        correct.names.update(
            {name: full for name, full in subject.example.names.items() if full != f"{BUILTINS}.{name}"}
        )
        mutation = missing_argument(correct)
        if mutation is None:
            continue
        needed = subject.example.needed_by(ast.parse(mutation.failing).body[0], number) | {number}
        script = subject.example.script(needed, {number: [caught(mutation.failing, mutation.expects)]})
        if script is None or script.size > MAX_SIZE or not subject.all_usable(needed):
            continue
        right = mutation.right
        lead = f"`{subject.spoken}` raises a `TypeError` without `{right}`, because that parameter is required."
        points = [*subject.parameter_points([right], 1), subject.lead]
        return subject.draft("raises", "raises_missing", lead, script.code, points, written=True, name=right)
    return None
