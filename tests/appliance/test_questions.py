"""What goes along with a question: files that it names, commands that stand for one; and the code of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.attachment import MAX_FILE, attach, fenced
from appliance.code_blocks import CodeBlock, code_blocks
from appliance.phrases import PHRASES, spelt_out
from bundle.errors import AttachmentError


def test_a_named_file_goes_along(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = '```'\n\x1b[2J")
    (tmp_path / "b c.txt").write_text("two\n")
    attached = attach('Why does @a.py, @"b c.txt" and @a.py fail?', tmp_path)
    assert attached.files == ("a.py", "b c.txt")
    assert attached.text == (
        'Why does @a.py, @"b c.txt" and @a.py fail?'
        "\n\nFile a.py:\n\n````py\nx = '```'\n␛[2J\n````\n\nFile b c.txt:\n\n```txt\ntwo\n```"
    )


ODD = ["@property", "me@example.org", "@", "@/", "@.", "a @missing.py b", "@" + "x" * 5000, "@a\0b"]


@pytest.mark.parametrize("text", ODD)
def test_what_names_no_file_stays(tmp_path: Path, text: str) -> None:
    assert attach(text, tmp_path).text == text


def test_a_file_that_cant_go_along_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (MAX_FILE + 1))
    (tmp_path / "binary").write_bytes(b"\x7fELF\0")
    (tmp_path / "latin").write_bytes(b"\xe9t\xe9")
    for name, said in (("big", "larger than 200 kB"), ("binary", "not a text file"), ("latin", "not a text file")):
        with pytest.raises(AttachmentError, match=said):
            attach(f"@{name}", tmp_path)


def test_no_fence_inside_ends_the_block() -> None:
    assert fenced("````\n```", "c++", "Head:") == "Head:\n\n`````\n````\n```\n`````"


def test_a_command_stands_for_a_question() -> None:
    assert spelt_out("/explain requests.Session", PHRASES).endswith("when to use it:\n\nrequests.Session")
    assert spelt_out("/debug\nTraceback\n  {}", PHRASES).endswith("\n\nTraceback\n  {}")
    assert spelt_out("/tests x", {"tests": "Write tests."}) == "Write tests.\n\nx"
    for text in ("/usr/bin/python fails", "/unknown x", "a /explain b", "", "/"):
        assert spelt_out(text, PHRASES) == text


def test_code_blocks_are_found_in_order() -> None:
    text = "```python title=x\na\n```\n\n- item\n  ```sh\n  b\n  ```\n\ntext\n\n    indented\n\n~~~\nunfinished"
    blocks = code_blocks(text)
    assert [block.code for block in blocks] == ["a\n", "b\n", "indented\n", "unfinished"]
    assert [block.suffix for block in blocks] == [".py", ".sh", ".txt", ".txt"]
    assert code_blocks("only `inline`") == []
    assert CodeBlock("a\nb", "").lines == 2
