"""The words and the names in a text, as the index of the documentation has them.

A dotted name is one word, and so is each of its parts and of theirs: `np.read_csvFiles` gives `np.read_csvfiles`,
`np`, `read_csvfiles`, `read`, `csv` and `fil`, which is what `files`, `file` and `filing` have in common. Knows nothing
about which names exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

LONGEST_TEXT = 20_000
"""Characters of a text that are looked at; of a longer one half from its beginning, half from its end."""
ALIASES = {"np": "numpy", "pd": "pandas", "df": "DataFrame", "plt": "matplotlib.pyplot", "tf": "tensorflow"}
"""What names that everybody gives stand for."""
_CHUNK = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*|\d+")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_PLACE = re.compile(r'File "[^"\n]*", line \d+(?:, in \S+)?|File "[^"\n]*"|https?://\S+')
_NAME = re.compile(r"(?<![\w.])@?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Za-z_]\w*)(?P<call>\()?")
_TICKS = re.compile(r"`{1,2}\.?([A-Za-z_][\w.]*)(?:\([^`]*\))?`{1,2}")
_SUFFIXES = (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", ""))
_FENCED = re.compile(r"^(`{3,}+|~{3,}+).*?(?:^\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_TRACEBACK = re.compile(
    r"^[ \t]*Traceback \(most recent call last\):\n(?P<frames>(?:[ \t]+.*\n|\n)*)(?P<error>.*)", re.MULTILINE
)
_NO_ATTRIBUTE = re.compile(r"(?:module )?'([\w.]+)' (?:object )?has no attribute '(\w+)'")
_NO_IMPORT = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_COMMON_WORDS = """
    a about an and any are argument arguments as at attribute be by can code difference do does error example examples
    explain fix for from function get give given happens have help how i if in into is it its like make me method module
    my need of on one or parameter parameters pass please python return returns should show some than that the them
    there these this to use used using value values want way we what when where which why will with work works would
    write you your most recent call last traceback print
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_SYNONYMS = """
    add append; average mean; axis axes; biggest highest largest max maximum; calculate compute; cast convert;
    choose pick select; clip limit; combine concatenate join merge; command process shell subprocess;
    compare equal; concurrent parallel thread; count frequency occurrence; cumulative running; dataframe table;
    date datetime timestamp; decode parse; delete erase remove; dict dictionary; dir directory folder;
    discard drop; distinct unique; dump save store write; env environ environment; flip reverse;
    index indices; int integer; inverse invert; interval range; load read; lowest min minimum smallest;
    matrices matrix; missing na nan null; moving rolling; multiply product; order sort; output stdout;
    pattern regex regular; random shuffle; repeat tile; replace substitute; sample draw;
    separate split; delimiter separator; list sequence; str string text; sum total; swap transpose
"""
"""What people call the same thing, also where documentation has another word for it than they."""


def looked_at(text: str) -> str:
    """The part of a text that is looked at."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]}\n{text[-half:]}"


def words(text: str, without: frozenset[str] = frozenset()) -> list[str]:
    """All words of a text in lower case and by their stems, in order, with repetitions; of a name also its parts."""
    found: list[str] = []
    for chunk in _CHUNK.findall(_PLACE.sub(" ", looked_at(text))):
        parts = chunk.split(".")
        found += [chunk.lower()] if len(parts) > 1 else []
        for part in parts:
            pieces = _PART.findall(part)
            several = [piece.lower() for piece in pieces] if len(pieces) > 1 else []
            found += [stem(word) for word in (part.lower(), *several) if word not in without]
    return found


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """What the forms of an English word in lower case have in common, roughly; names and short words stay."""
    if len(word) < 4 or not word.isalpha():
        return word
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def synonyms(word: str) -> list[str]:
    """Other words for the same thing, by their stems, in order; mostly none."""
    return _synonyms().get(word, [])


@lru_cache(maxsize=1)
def _synonyms() -> dict[str, list[str]]:
    groups = [[stem(word) for word in group.split()] for group in _SYNONYMS.split(";")]
    return {word: [other for other in group if other != word] for group in groups for word in group}


def asked_words(text: str) -> list[str]:
    """The words of a question that say something, each once, in order: those of its prose, and of its errors."""
    text = looked_at(text)
    prose = _TRACEBACK.sub(" ", _FENCED.sub(" ", text))
    said = f"{prose}\n{errors(text)}" if prose.strip() else text
    return [word for word in dict.fromkeys(words(said, _COMMON)) if len(word) > 1]


def errors(text: str) -> str:
    """The last lines of the tracebacks in a text, which say what went wrong."""
    return "\n".join(match["error"] for match in _TRACEBACK.finditer(looked_at(text)))


def names(text: str) -> list[str]:
    """The names of code in a text, each once, in order: dotted, called, in backticks, with an underscore or CamelCase.

    Aliases are spelt out (`np.sort` → `numpy.sort`). Of a traceback those come first that were at fault: what the error
    says to be missing (`DataFrame.srt`), then what the innermost lines name. File names and addresses are none.
    """
    text = looked_at(text)
    found = [*_at_fault(text), *_names(_PLACE.sub(" ", text))]
    return list(dict.fromkeys(_spelt(name) for name in found))


def _at_fault(text: str) -> Iterator[str]:
    for match in _TRACEBACK.finditer(text):
        yield from (f"{missing[1]}.{missing[2]}" for missing in _NO_ATTRIBUTE.finditer(match["error"]))
        yield from (f"{missing[2]}.{missing[1]}" for missing in _NO_IMPORT.finditer(match["error"]))
        for line in reversed(_PLACE.sub(" ", match["frames"]).splitlines()):
            yield from _names(line)


def _names(text: str) -> Iterator[str]:
    ticks = [(match.start(), match[1].strip(".")) for match in _TICKS.finditer(text)]
    found = [(match.start(), match[1]) for match in _NAME.finditer(text) if _is_code(match[1], bool(match["call"]))]
    yield from (name for _, name in sorted([*ticks, *found]) if name)


def _is_code(name: str, called: bool) -> bool:
    last = name.rpartition(".")[2]
    shaped = "." in name or "_" in name.strip("_") or (len(_PART.findall(last)) > 1 and not last.isupper())
    return (called or shaped) and name.lower() not in _COMMON


def _spelt(name: str) -> str:
    first, dot, rest = name.partition(".")
    return f"{ALIASES.get(first, first)}{dot}{rest}"
