"""Pieces of bytes as text."""

from __future__ import annotations

import pytest

from appliance.engine.text import TextStream


def _stream(text: str, stops: list[str]) -> tuple[list[str], TextStream]:
    """Push a text byte by byte; what left after each, and the stream."""
    stream = TextStream(stops)
    out = [stream.push(bytes([byte])) for byte in text.encode()]
    return [*out, stream.end()], stream


def test_characters_leave_whole() -> None:
    out, _ = _stream("né €😀!", [])
    assert "".join(out) == "né €😀!"
    assert [part for part in out if part] == list("né €😀!")


def test_broken_bytes_become_replacement_characters() -> None:
    stream = TextStream()
    assert stream.push(b"a\xf0\x9f") + stream.end() == "a\ufffd"


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one STOP two", ["STOP"], "one "),
        ("one STO two", ["STOP"], "one STO two"),
        ("ends with STO", ["STOP"], "ends with STO"),
        ("aab", ["ab"], "a"),
        ("x\n\ny", ["\n\n", "y"], "x"),
        ("later first", ["first", "ter"], "la"),
        ("no stops é", [""], "no stops é"),
        ("cut é here", ["é"], "cut "),
    ],
)
def test_stop_strings_never_leave_in_part(text: str, stops: list[str], expected: str) -> None:
    out, stream = _stream(text, stops)
    assert "".join(out) == expected
    assert stream.stopped == (expected != text)


def test_only_what_could_begin_a_stop_string_is_held_back() -> None:
    stream = TextStream(["</end>"])
    assert stream.push(b"code </e") == "code "
    assert stream.push(b"m>") == "</em>"
    assert stream.push(b"a</end>b") == "a"
    assert stream.stopped
    assert stream.push(b"more") == stream.end() == ""
