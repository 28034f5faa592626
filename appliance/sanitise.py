"""Makes text from outside fit for a terminal: no escape sequences, no invisible direction changes, no endless lines.

Works on characters alone: knows nothing about Markdown, markup or widgets.
"""

from __future__ import annotations

import unicodedata

MAX_LINE = 2_000
"""Characters after which a line is broken: laying out an endless line would freeze the screen."""
TAB = "    "
REPLACEMENT = "\ufffd"


class _Fit(dict[int, str]):
    """Maps code points for `str.translate`, each worked out when it is first met.

    C0 controls become their pictures (ESC is shown as ␛), other controls and lone surrogates the replacement
    character; format characters (bidi overrides, zero-width characters, tags) and carriage returns go away.
    """

    def __missing__(self, code: int) -> str:
        fit = self[code] = self._fit(code)
        return fit

    @staticmethod
    def _fit(code: int) -> str:
        character = chr(code)
        match unicodedata.category(character):
            case "Cc" if code < 0x20:
                return {"\n": "\n", "\r": "", "\t": TAB}.get(character, chr(0x2400 + code))
            case "Cc" | "Cs":
                return REPLACEMENT
            case "Zl" | "Zp":
                return "\n"
            case "Cf":
                return ""
        return character


_FIT = _Fit()


class Sanitiser:
    """Sanitises a text that comes in pieces; cutting it elsewhere gives the same result."""

    def __init__(self) -> None:
        self._column = 0

    def feed(self, text: str) -> str:
        """The next piece, fit for a terminal."""
        return "\n".join(self._break(line, fresh=number > 0) for number, line in enumerate(_fit(text).split("\n")))

    def _break(self, line: str, *, fresh: bool) -> str:
        room = MAX_LINE - (0 if fresh else self._column)
        if len(line) <= room:
            self._column = MAX_LINE - room + len(line)
            return line
        pieces = [line[:room], *(line[start : start + MAX_LINE] for start in range(room, len(line), MAX_LINE))]
        self._column = len(pieces[-1])
        return "\n".join(pieces)


def _fit(text: str) -> str:
    return text.translate(_FIT)


def clean(text: str) -> str:
    """A whole text, fit for a terminal."""
    return Sanitiser().feed(text)


def clean_line(text: str, limit: int = 300) -> str:
    """A text as one line of at most `limit` characters: names, addresses, errors."""
    line = " ".join(_fit(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
