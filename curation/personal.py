"""Personal data in text: e-mail addresses, phone and card numbers, public IPv4 addresses, user names in paths.

What documentation makes up is left alone: reserved domains (RFC 2606), reserved addresses (RFC 5737) and fictitious
phone numbers, and the names that everybody uses for nobody. Knows nothing about keys and passwords.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from curation.secrets import begins_word
from curation.span import Span

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"@((?:{_LABEL}\.){{1,6}}([A-Za-z]{{2,18}}))(?![\w@\[(:=-]|\.\w)")
_MAILBOX = re.compile(r"[A-Za-z0-9](?:[\w.+-]{0,62}\w)?\Z")
# A matrix product such as a@b.mean looks like an address but for its last part: these and the countries' two letters.
_TOP = frozenset({"com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "dev", "app", "email", "xyz"})
_RESERVED = frozenset({"example", "test", "invalid", "localhost", "local", "internal", "lan"})
_NOBODY = re.compile(
    r"(?:user(?:name)?|you|your\w*|my\w*|me|name|someone|somebody|anyone|nobody|foo\w*|bar|baz|spam|eggs|test\w*|example"
    r"|no-?reply|git|svn|ssh|first\.?last|j(?:ohn|ane)?[._]?(?:doe|smith))\d*",
    re.IGNORECASE,
)
_NOWHERE = re.compile(
    r"(?:.*\.)?(?:(?:my|your|some|a)?-?(?:example|domain|company|site|host|server|mail|email|test|foo|bar|acme)s?\d*)",
    re.IGNORECASE,
)

_INTERNATIONAL = re.compile(
    r"(?P<value>\+(?<![\w.+*/)\]-]\+)[1-9]\d{0,2}[ -](?:\(\d{1,4}\)|\d{1,4})(?:[ -]\d{2,8}){1,4})(?![\w-]|\.\d)"
)
_AMERICAN = re.compile(r"(?P<value>[(2-9](?<![\w.,-][(2-9])(?:(?<=\()\d{3}\) ?|\d\d-)[2-9]\d\d-\d{4})(?![\w-]|\.\d)")
_CALLED = re.compile(
    r"\b(?:phone|tel|telephone|mobile|cell|call|fax|sms|whatsapp)\b[^\n\d]{0,20}?(?P<value>\+?\d{9,15})(?!\w|\.\d)",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"\d{9}")
_FICTITIOUS = re.compile(r"555")

_IP = re.compile(r"\d(?<![\w.-]\d)\d{0,2}(?:\.\d{1,3}){3}(?![\w-]|\.\w|/\d)")
_VERSION = re.compile(
    r"(?:\bv(?:er(?:sion)?)?|\brelease|[=<>~!]=|\b(?:since|build|chapter|sec(?:tion|\.))|§)[\s:=\"'(]*$", re.IGNORECASE
)
_RESOLVERS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4"})

_GROUPED_CARD = re.compile(
    r"(?P<value>\d(?<![\w.-]\d)\d{3}(?:(?P<a>[ -])\d{4}(?P=a)\d{4}(?P=a)\d{4}|(?P<b>[ -])\d{6}(?P=b)\d{5}))"
    r"(?![\w-]|\.\d| \d)"
)
_PLAIN_CARD = re.compile(
    r"(?:[\"']|\b(?:card|visa|mastercard|amex|credit|payment)\b[^\n\d]{0,30})(?P<value>\d{15,16})(?!\w|\.\d)",
    re.IGNORECASE,
)
_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|6(?:011|5)")

_HOME = re.compile(
    r"(?<![\w.~}-])(?:/home/|/Users/|[A-Za-z]:(?:\\{1,2}|/)(?:Users|Documents and Settings)(?:\\{1,2}|/))"
    r"(?P<value>[A-Za-z][\w-]{1,31})(?![\w.-]*\.\w|[\w<>{}$*-])"
)
_FOLDERS = ("/home/", "Users", "Documents and Settings")
_ANYBODY = re.compile(
    r"(?:user(?:name)?|users?\d|you|your\w*|my\w*|me|name|someone|foo|bar|baz|test\w*|example|shared|public|default"
    r"|runner|ubuntu|debian|root|vagrant|jovyan|app|admin|docker|pi|ec2-user|linuxbrew|index|page|home|guest)",
    re.IGNORECASE,
)


def find_personal(text: str) -> Iterator[Span]:
    """Yield the personal data of a text, in no order; they may overlap."""
    if "@" in text:
        yield from _emails(text)
    long = _LONG_NUMBER.search(text) is not None
    yield from _phones(text, long)
    for match in _IP.finditer(text):
        if _is_public(match.group()) and not _VERSION.search(text[max(0, match.start() - 24) : match.start()]):
            yield Span(match.start(), match.end(), "IP address", "192.0.2.1")
    for form in (_GROUPED_CARD, _PLAIN_CARD) if long else (_GROUPED_CARD,):
        for match in form.finditer(text):
            digits = re.sub(r"\D", "", match["value"])
            if _ISSUER.match(digits) and _luhn(digits):
                yield Span(match.start("value"), match.end("value"), "card number", "0000 0000 0000 0000")
    for match in _HOME.finditer(text) if any(folder in text for folder in _FOLDERS) else ():
        if not _ANYBODY.fullmatch(match["value"]):
            yield Span(match.start("value"), match.end("value"), "user name", "user")


def _emails(text: str) -> Iterator[Span]:
    for match in _HOST.finditer(text):
        begin = max(0, match.start() - 64)
        before = _MAILBOX.search(text[begin : match.start()])
        if before is None:
            continue
        name, start = before.group(), begin + before.start()
        if not begins_word(text, start):
            # In a string its first letter may be that of an escape, as in "\\nanna@…".
            start, name = start + 1, name[1:]
        top, domain = match[2].lower(), match[1].lower().rpartition(".")[0]
        if top in _RESERVED or not (top in _TOP or len(top) == 2) or not name or not begins_word(text, start):
            continue
        if domain.rpartition(".")[2] == "example" or _NOWHERE.fullmatch(domain) or _NOBODY.fullmatch(name):
            continue
        yield Span(start, match.end(), "e-mail address", "user@example.com")


def _phones(text: str, long: bool) -> Iterator[Span]:
    for form in (_INTERNATIONAL, _AMERICAN, _CALLED) if long else (_INTERNATIONAL, _AMERICAN):
        for match in form.finditer(text):
            digits = re.sub(r"\D", "", match["value"])
            if 9 <= len(digits) <= 15 and not _FICTITIOUS.search(digits):
                yield Span(match.start("value"), match.end("value"), "phone number", "+1 202-555-0100")


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    # Small numbers are rather a version or a section than an address.
    small = address.packed[0] < 10 and max(address.packed) < 100
    return address.is_global and not address.is_multicast and not small and text not in _RESOLVERS


def _luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1)."""
    doubled = [int(one) * (2 if place % 2 else 1) for place, one in enumerate(reversed(digits))]
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0
