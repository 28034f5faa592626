"""`boffin ask` and `boffin chat --plain`, as processes in front of a scripted back end."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from boffin.rendering import BlockPrinter

from ..appliance.tui.scripted import CODE, Server, start

Run = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server() -> Iterator[Server]:
    server = start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def boffin(server: Server, tmp_path: Path) -> Run:
    """Runs boffin in front of the server, in a data folder of its own."""
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}

    def begin(*arguments: str, **options: Any) -> Any:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-m", "boffin", *arguments, "--url", server.url]
        return subprocess.Popen(command, cwd=tmp_path, text=True, **{"env": environment, **pipes, **options})

    return begin


def test_a_pipe_gets_plain_text(boffin: Run, server: Server) -> None:
    server.script = [[CODE, "\x1b[2J"]]
    out, err = boffin("ask", "How?").communicate("Traceback", timeout=60)
    assert (out, err) == (CODE + "␛[2J\n", "")
    assert server.requests[0]["messages"] == [{"role": "user", "content": "How?\n\nTraceback"}]


def test_cut_off_it_reaches_a_server_of_this_machine_and_no_other(boffin: Run, server: Server) -> None:
    server.script = [["Here."]]
    alone: dict[str, Any] = {"env": {**os.environ, "BOFFIN_APPLIANCE__OFFLINE": "true", "PYTHONPATH": str(ROOT)}}
    assert boffin("ask", "How?", **alone).communicate("", timeout=60) == ("Here.\n", "")
    command = [sys.executable, "-m", "boffin", "ask", "How?", "--url", "http://203.0.113.1"]
    elsewhere = subprocess.run(command, **alone, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert elsewhere.returncode == 1 and "offline: refused to reach 203.0.113.1" in elsewhere.stderr


def test_only_the_code(boffin: Run, server: Server) -> None:
    server.script = [[CODE + "\n```\nsecond\n```\n"], ["None."]]
    out, err = boffin("ask", "-x", "How?").communicate("", timeout=60)
    assert (out, err) == ("import numpy as np\nnp.dot(a, b)\n", "")
    process = boffin("ask", "-x", "How?")
    out, err = process.communicate("", timeout=60)
    assert (out, process.returncode) == ("", 1)
    assert err == "boffin: the answer has no code block; ask without -x to read it\n"


def test_the_last_conversation_is_gone_on_with(boffin: Run, server: Server) -> None:
    server.script = [["One."], ["Two."]]
    process = boffin("ask", "-c", "1")
    assert "ask without -c first" in process.communicate("", timeout=60)[1]
    boffin("ask", "1").communicate("", timeout=60)
    out, _ = boffin("ask", "-c", "--json", "2").communicate("", timeout=60)
    said = json.loads(out)
    assert (said["question"], said["answer"], said["model"], said["state"]) == ("2", "Two.", "pocket", "whole")
    assert said["figures"]["tokens"] == 136 and said["conversation"] == 1
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["1", "One.", "2"]


def test_ctrl_c_stops_it_and_what_came_is_kept(boffin: Run, server: Server) -> None:
    server.script = [["Half", threading.Event()], ["Rest."]]
    process = boffin("ask", "How?")
    process.stdin.close()
    assert process.stdout.read(4) == "Half"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()
    boffin("ask", "-c", "And?").communicate("", timeout=60)
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["How?", "Half", "And?"]


def test_a_terminal_gets_it_rendered(boffin: Run, server: Server) -> None:
    server.script = [list("# Head\n\nUse **it** so [here](http://x).\n\n" + CODE)]
    ours, theirs = pty.openpty()
    process = boffin("ask", "How?", stdout=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    process.communicate(timeout=60)
    text = shown.decode()
    assert "**" not in text and "```" not in text and "import" in text and "\x1b[" in text
    assert "\x1b]8" not in text


def test_a_block_is_printed_once_it_is_whole() -> None:
    written = io.StringIO()
    printer = BlockPrinter(Console(file=written, width=60))
    for character in "One\ntwo\n\n- a\n\n- b\n\n```py\nx\n\ny\n```\n\nEnd\n":
        printer.feed(character)
    before = written.getvalue()
    assert "y" in before and "End" not in before
    printer.finish()
    assert written.getvalue().startswith(before)
    lines = [line.strip() for line in written.getvalue().splitlines() if line.strip()]
    assert lines == ["One two", "• a", "• b", "x", "y", "End"]


def test_the_plain_chat_converses_on_lines(boffin: Run, server: Server, tmp_path: Path) -> None:
    server.script = [["One.\x1b[2J"], ["Two."], ["Three."]]
    (tmp_path / "a.txt").write_text("text")
    lines = [
        "/help",
        "first \\",
        "line @a.txt",
        "/again",
        "/go-on",
        "/list",
        "/new",
        "second",
        "/open 1",
        "/open 99",
        "/quit",
    ]
    process = boffin("chat", "--plain")
    out, err = process.communicate("\n".join(lines) + "\n", timeout=60)
    assert (err, process.returncode) == ("", 0)
    assert "One.␛[2J\n" in out and "Two.\n" in out and "Three.\n" in out
    assert "There is nothing to do that with." in out and "    1  first line @a.txt" in out
    assert "✖ this conversation is no longer there" in out
    assert server.requests[0]["messages"][0]["content"].startswith("first \nline @a.txt\n\nFile a.txt:")
    assert server.requests[1]["cache"] is False
    assert server.requests[2]["messages"] == [{"role": "user", "content": "second"}]


def test_the_plain_chat_survives_its_server(boffin: Run, server: Server) -> None:
    server.script = [["One."], ["Two."]]
    server.refusal = "no"
    process = boffin("chat", "--plain")
    process.stdin.write("first\n")
    process.stdin.flush()
    line = process.stdout.readline()
    assert line.startswith("✖ ") and "no (HTTP 400)" in line
    server.refusal = ""
    out, _ = process.communicate("second\n", timeout=60)
    assert "One." in out


def test_a_chat_without_a_terminal_says_so(boffin: Run) -> None:
    process = boffin("chat", start_new_session=True)
    assert "use `boffin chat --plain` or `boffin ask` in scripts" in process.communicate("", timeout=60)[1]


def test_the_key_comes_from_the_environment(boffin: Run, server: Server) -> None:
    server.script = [["One."]]
    environment = {**os.environ, "BOFFIN_API_KEY": "s3cret", "PYTHONPATH": str(ROOT)}
    out, err = boffin("ask", "How?", env=environment).communicate("", timeout=60)
    assert (out, err, server.keys) == ("One.\n", "", ["Bearer s3cret"])
