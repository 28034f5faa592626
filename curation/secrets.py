"""Keys, tokens and passwords in text, by the forms that their issuers give them, or by the names beside them.

The forms are those that secret scanners use (https://github.com/gitleaks/gitleaks, https://github.com/Yelp/detect-secrets).
A value beside a name such as `password` is one only if it looks real: documentation is full of `password="secret"`.
Knows nothing about personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.span import Span

STAND_IN = "REDACTED"

# What a token may follow: no word, but an escape such as \n in a string.
_BEFORE = re.compile(r"(?:^|\\[abfnrtv]|[^\w\\])\Z")

# Name, what each such token has (looked for first, which is much faster), form.
_FORMS = tuple(
    (name, heads.split(), re.compile(pattern))
    for name, heads, pattern in (
        ("AWS key", "AKIA ASIA AGPA AIDA AROA", r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}(?!\w)"),
        ("GitHub token", "ghp_ gho_ ghs_ ghu_ ghr_", r"gh[opsur]_[A-Za-z0-9]{36,255}"),
        ("GitHub token", "github_pat_", r"github_pat_\w{22,255}"),
        ("GitLab token", "glpat-", r"glpat-[\w-]{20,255}"),
        ("Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
        ("Slack token", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[\w/]{20,255}"),
        ("Anthropic key", "sk-ant-", r"sk-ant-[\w-]{20,255}"),
        ("OpenAI key", "sk-", r"sk-(?:proj-|svcacct-|admin-)?(?=[\w-]{0,60}\d)(?=[\w-]{0,60}[A-Z])[\w-]{20,255}"),
        ("OpenAI key", "sk-", r"sk-[a-z0-9]{32,64}(?!\w)"),
        ("Google key", "AIza", r"AIza[\w-]{35}"),
        ("Google token", "ya29.", r"ya29\.[\w-]{20,1000}"),
        ("Stripe key", "k_live_ k_test_ whsec_", r"(?:[rs]k_(?:live|test)_|whsec_)[A-Za-z0-9]{10,255}"),
        ("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,64}(?!\w)"),
        ("PyPI token", "pypi-", r"pypi-[\w-]{50,1000}"),
        ("npm token", "npm_", r"npm_[A-Za-z0-9]{36}(?!\w)"),
        ("SendGrid key", "SG.", r"SG\.[\w-]{20,24}\.[\w-]{39,50}"),
        ("DigitalOcean token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
        ("JSON web token", "eyJ", r"eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{0,2000}"),
    )
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_MAX_KEY = 16_000
_KEY_LINE = re.compile(r"(?:(?<=\\[nr])|(?<![\w+/=\\]))[\w+/]{16,}={0,2}")

_NAMED = re.compile(
    r"(?P<name>pass(?:word|wd|phrase)|\bpwd|secret|token|credentials?"
    r"|(?:api|access|auth|private|account|signing|encryption)[_ -]?key)"
    r"(?:[_-]?(?:key|value|id|hash|access[_-]?key))?[\"']?\s{0,3}(?::|=>|={1,2})\s{0,3}"
    r"(?:[brfu]{0,2}(?P<quote>[\"'])(?P<quoted>[^\s\"'\\{}<>$%]{6,500})(?P=quote)"
    r"|(?P<bare>[^\s\"'`\\{}<>$%()\[\],;]{8,500}))",
    re.IGNORECASE,
)
# The same without its value, in text without capitals: what a text needs to have any, and much faster to look for.
_NAME = re.compile(r"(?:pass(?:word|wd|phrase)|pwd|secret|token|credentials?|key)[\w-]{0,12}[\"']?\s{0,3}[:=]")
_BEARER = re.compile(
    r"\b(?:bearer|authorization: ?(?:token|basic)) +(?P<value>[\w.~+/-]{16,2000}={0,2})", re.IGNORECASE
)
_ADDRESS = re.compile(r"://[^\s:/@\"'\\{}<>]{1,64}:(?P<value>[^\s:/@\"'\\{}<>$]{6,200})@[\w\[]")
_MADE_UP = re.compile(
    r"pass|secret|token|key|user|admin|example|sample|dummy|fake|placeholder|change|your|my[_-]|test|foo|bar|xxx|\*\*|\.\.\."
    r"|redacted|none|null|true|false|abcd|qwert|12345|https?:",
    re.IGNORECASE,
)
_ONE_CHARACTER = re.compile(r"(\w)\1{7}")


def find_secrets(text: str) -> Iterator[Span]:
    """Yield the keys, tokens and passwords of a text, in no order; they may overlap."""
    for name, heads, form in _FORMS:
        for match in form.finditer(text) if any(head in text for head in heads) else ():
            made_up = _ONE_CHARACTER.search(match.group()) or "EXAMPLE" in match.group()
            if not made_up and begins_word(text, match.start()):
                yield Span(match.start(), match.end(), name, STAND_IN)
    for head in _PRIVATE_KEY.finditer(text):
        end = text.find("-----END", head.end(), head.end() + _MAX_KEY)
        for line in _KEY_LINE.finditer(text, head.end(), end if end >= 0 else head.end() + _MAX_KEY):
            yield Span(line.start(), line.end(), "private key", STAND_IN)
    lowered = text.casefold()
    for match in _NAMED.finditer(text) if _NAME.search(lowered) else ():
        group = "quoted" if match["quote"] else "bare"
        is_password = match["name"].lower().startswith(("pass", "pwd"))
        if _looks_real(match[group], 6 if is_password else 12, bare=group == "bare"):
            name = "password" if is_password else "secret"
            yield Span(match.start(group), match.end(group), name, STAND_IN)
    bearers = _BEARER.finditer(text) if "bearer" in lowered or "authorization" in lowered else ()
    for name, matches in (("bearer token", bearers), ("password", _ADDRESS.finditer(text))):
        for match in matches:
            if _looks_real(match["value"], 6):
                yield Span(match.start("value"), match.end("value"), name, STAND_IN)


def begins_word(text: str, place: int) -> bool:
    """Whether a word may begin at a place: no other is going on there, an escape such as `\\n` left out."""
    return bool(_BEFORE.search(text[max(0, place - 2) : place]))


def _looks_real(value: str, shortest: int, bare: bool = False) -> bool:
    """Whether a value looks like a secret rather than like a word, a name in code, or a stand-in for a secret.

    Args:
        value: the value.
        shortest: characters below which it isn't one.
        bare: whether it stands without quotes, where it may be code or the next word of a sentence.
    """
    if len(value) < shortest or _MADE_UP.search(value) or value.startswith(("/", "~", "./")):
        return False
    kinds = [any(map(test, value)) for test in (str.isdigit, str.islower, str.isupper)]
    if not kinds[0] or len(set(value)) < 5:
        return False
    if bare and re.fullmatch(r"[A-Za-z_][\w.]*", value) and not (all(kinds) and len(value) >= 12):
        return False
    return kinds[1] or kinds[2]
