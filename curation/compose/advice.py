"""Drafts from documented advice: notes, tips and warnings about speed, pitfalls and what to prefer.

The advice is the documentation's own sentence; the code is an example that uses what it speaks of. Knows nothing about
other kinds of question.
"""

from __future__ import annotations

import re
from typing import Literal

from bundle.sentences import sentences
from curation.compose.script import Script
from curation.compose.subject import MAX_LEAD, Subject
from curation.compose.usage import show
from curation.draft import Draft
from curation.markup import is_clean, promises

_SPEED = re.compile(
    r"\b(faster|fastest|slower|slow|speeds? (?:ups?|it)|efficiently|quicker|more quickly|"
    r"(?:more|less|most|very) efficient|"
    r"(?:improves?|improved|better|poor|not for|reduces?|degrades?)(?: the)? performance)\b",
    re.I,
)
_ADVICE = re.compile(
    r"\b(prefer(?:red|able)?|recommend(?:ed)?|avoid using|should be avoided|discouraged|must (?:not|be)|careful|beware|"
    r"should (?:not|be|always|never|only)|caution|note that|make sure|ensure that|instead of|rather than|only works|"
    r"only if|unlike|to avoid)\b",
    re.I,
)
_UNFIT = re.compile(
    r"\b(this (?:example|section|page|note|module|section)|deprecated|version \d|removed in|new in|changed in|\[\d+\]|"
    r"refs?\.|see | - |respectively|(?:first|second|third) (?:definition|case|form)|"
    r"<|documentation|implementation|wikipedia|paper|algorithm described|former|latter|numpy 1\.|"
    r"future (?:version|release))\b",
    re.I,
)
_DANGLING = re.compile(
    r"\b(this|these|those|such)\b"
    r"(?! (function|method|class|routine|argument|parameter|object|option|property|attribute))",
    re.I,
)
_POINTING = re.compile(
    r"^(?:However|Additionally|Furthermore|Again|Here|Therefore|Thus|Hence|Moreover|Also|But|And|So|Otherwise|"
    r"For example|Then|These|Those|It|They|He)\b"
)


def advice(subject: Subject, used: Script | None) -> Draft | None:
    """What to keep in mind: the best piece of advice, with an example that uses what it speaks of."""
    sentence, speed = _best(subject)
    if not sentence:
        return None
    script = _script(subject, sentence, used)
    if script is None:
        return None
    lead = sentence
    if not re.search(rf"\b{re.escape(subject.last)}\b", sentence) or len(sentence) < 90:
        lead = f"{subject.lead} {sentence}" if subject.lead else sentence
    if len(lead) > MAX_LEAD:
        lead = sentence
    kind: Literal["faster", "practice"] = "faster" if speed else "practice"
    return subject.draft(kind, kind, lead, script.code, subject.parameter_points(list(subject.parameters), 2))


def _best(subject: Subject) -> tuple[str, bool]:
    """The first sentence with advice on speed, else the first with other advice; and whether it is on speed."""
    other = ""
    for paragraph in subject.doc.notes + subject.doc.paragraphs[1:]:
        found = sentences(paragraph)
        for number, one in enumerate(found):
            if not is_clean(one) or promises(one) or not 40 <= len(one) <= 260 or _UNFIT.search(one):
                continue
            whole = one
            if _POINTING.match(one) or _DANGLING.search(one):
                before = found[number - 1] if number else ""
                if not is_clean(before) or _POINTING.match(before) or _UNFIT.search(before):
                    continue
                if _DANGLING.search(before):
                    continue
                whole = f"{before} {one}"
            if len(whole) > MAX_LEAD - 40:
                continue
            if _SPEED.search(one):
                return whole, True
            if not other and _ADVICE.search(one):
                other = whole
    return other, False


def _script(subject: Subject, sentence: str, used: Script | None) -> Script | None:
    """An example whose code has a name that the sentence quotes; the usage script where it quotes none of its own."""
    quoted = set(re.findall(r"`\.?([\w.]+?)(?:\(\))?`", sentence)) - {
        subject.last,
        subject.spoken,
        "None",
        "True",
        "False",
    }
    quoted = {name.rpartition(".")[2] for name in quoted}
    for number in subject.shows:
        words = set(re.findall(r"\w+", subject.example.steps[number].source))
        if quoted & words:
            script = show(subject, [number])
            if script is not None:
                return script
    recommends = re.search(r"\b(instead|rather than|prefer|recommend)", sentence, re.I)
    return None if quoted and recommends else used
