"""reStructuredText in docstrings to plain Markdown, and clean prose. Knows nothing about sections or records."""

from __future__ import annotations

import re
import textwrap

_ROLE = re.compile(r":[\w:+-]+:`([^`]+)`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]+>`_{1,2}")
_NAMED_LINK = re.compile(r"`([^`]+)`_{1,2}(?!\w)")
_FOOTNOTE = re.compile(r"\s*\[[\w#*-]+\]_(?!\w)")
_DIRECTIVE = re.compile(r"^\s*\.\.(\s|$)")
_ADMONITION = re.compile(r"^\s*\.\. (?:note|tip|hint|important|warning|caution|attention)::\s*(.*)$")
# A word that stands twice, an article before another, a full stop left out: slips of the documentation's pen.
_SLIP = re.compile(
    r"\b(the|an?|of|to|in|is|and|or|for|with|by|from|at|on|are|be|it) \1\b|\b(?:the|an?) (?:the|an)\b"
    r"|\b(?:the|an) a\b(?! (?:priori|posteriori))|\b(\w{3,}) an? \2\b|\b(?!long\b|very\b)(\w{4,}) \3\b"
    r"|(?<=[a-z)`]) (?:This (?:is|function|method)|Defaults? (?:is|to)|Returns? (?:an?|the))\b"
)
_SEVERAL = r"(?:two|three|four|five|six|several|various|many|some|a few|a number of|different) (?:\w+ ){0,2}"
_PROMISE = re.compile(
    rf"(?::|\b{_SEVERAL}(?:ways|forms|steps|cases|factors|reasons|parts|possibilities|variants)\b[^.]*"
    rf"|\bthere (?:are|is) {_SEVERAL}\w+[^.]*"
    r"|\b(?:solution (?:to|of)|defined (?:as|by|via)|given by) (?:the |an? )?(?:\w+ ){0,3}"
    r"(?:equations?|formulas?|relations?|problems?|systems?|integrals?))[.:]?$",
    re.I,
)


def without_directives(lines: list[str]) -> list[str]:
    """Lines without `.. directive::` blocks and what is indented below them; notes go with them."""
    kept: list[str] = []
    inside: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or indent > inside):
            continue
        inside = None
        if _DIRECTIVE.match(line):
            inside = indent
            continue
        kept.append(line)
    return kept


def admonitions(lines: list[str]) -> list[str]:
    """The first paragraphs of the notes, tips and warnings among lines, as Markdown."""
    found: list[str] = []
    for number, line in enumerate(lines):
        if match := _ADMONITION.match(line):
            indent = len(line) - len(line.lstrip())
            below: list[str] = []
            for other in lines[number + 1 :]:
                if other.strip() and len(other) - len(other.lstrip()) <= indent:
                    break
                below.append(other)
            text = "\n".join([match.group(1), textwrap.dedent("\n".join(below))]).strip()
            found.append(to_markdown(re.split(r"\n\s*\n", text)[0]))
    return [text for text in found if text]


def to_markdown(text: str) -> str:
    """One paragraph's markup as Markdown, on one line: roles and literals become code, links their text."""
    text = " ".join(text.split())
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    text = re.sub(r":math:`([^`]+)`", r"$\1$", text)
    text = _ROLE.sub(_role_text, text)
    text = _LINK.sub(r"\1", text)
    text = _NAMED_LINK.sub(r"\1", text)
    text = _FOOTNOTE.sub("", text)
    text = re.sub(r"\\([*_`|\\])", r"\1", text)
    text = re.sub(r"(?<![\w*`])\*(\w+)\*(?![\w*`])", r"\1", text)
    text = re.sub(r"\s*\(see [^()]*\)", "", text, flags=re.IGNORECASE)
    return text.replace(" -- ", " – ").strip()


def _role_text(match: re.Match[str]) -> str:
    text = match.group(1).strip()
    if "<" in text:
        text = text.partition("<")[0].strip()
    if text.startswith("~"):
        text = text.rpartition(".")[2]
    return f"`{text.lstrip('!')}`"


def promises(sentence: str) -> bool:
    """Whether a sentence announces something that would have to follow it: `It can be made in several ways.`"""
    return _PROMISE.search(re.sub(r"`[^`]*`", "`x`", sentence)) is not None


def is_clean(text: str) -> bool:
    """Whether a sentence reads as prose: whole, balanced, without slips, left-over markup and prompts."""
    whole = text.count("`") % 2 == 0
    text = re.sub(r"`[^`~]*`", "`x`", text)
    return bool(
        text
        and whole
        and text.count("(") == text.count(")")
        and text.count("[") == text.count("]")
        and text[-1] in ".!?"
        and not text.endswith(("e.g.", "i.e."))
        and not _SLIP.search(text)
        and not re.search(r"::|>>>|\\|\|\w|`~|:\w+:|\.\. |__|\$|={3}|-{3}|\+-|^\W*$|\b(TODO|FIXME|XXX)\b", text)
        and not re.search(r"\b(using|with|by|as|is|are|the|an?|of|to|and|or|for|in|like|from|if)\W*$", text)
        and not re.search(
            r"\b(following|below|above|as follows|see also|see notes|refer to|for full documentation)\b",
            text,
            re.IGNORECASE,
        )
    )
