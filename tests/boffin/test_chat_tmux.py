"""`boffin chat` in a real terminal, tmux's: what is typed, shown, copied, and there again after a restart."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..appliance.tui.scripted import CODE, Server, start

TMUX = shutil.which("tmux")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
pytestmark = pytest.mark.skipif(not TMUX, reason="there is no tmux")


class Terminal:
    """A tmux server of its own with one window, in which `boffin chat` runs."""

    def __init__(self, folder: Path, url: str) -> None:
        self._socket = folder / "tmux"
        self._data = folder / "data"
        self._url = url
        self._folder = folder

    def tmux(self, *arguments: str) -> str:
        """Run a tmux command; returns what it prints."""
        command = [str(TMUX), "-S", str(self._socket), "-f", os.devnull, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def open(self, width: int, height: int, **environment: str) -> None:
        """Start the chat, alone in a terminal of this size."""
        told = {"XDG_DATA_HOME": str(self._data), "PYTHONPATH": str(ROOT), "COLORTERM": "", **environment}
        chat = shlex.join(["env", *(f"{name}={value}" for name, value in told.items())])
        chat += " " + shlex.join([sys.executable, "-m", "boffin", "chat", "--url", self._url])
        size = ("-x", str(width), "-y", str(height))
        self.tmux("new-session", "-d", *size, "-c", str(self._folder), chat, ";", "set", "-s", "set-clipboard", "on")

    def close(self) -> None:
        """End whatever still runs."""
        subprocess.run([str(TMUX), "-S", str(self._socket), "kill-server"], check=False, capture_output=True)

    def press(self, *keys: str) -> None:
        """Press keys, under tmux's names."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type letters."""
        self.tmux("send-keys", "-l", text)

    def shown(self, *, colours: bool = False) -> str:
        """What is on the screen."""
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def until(self, condition: Callable[[str], object]) -> str:
        """Wait for the screen to be so; returns it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(shown := self.shown()):
            assert time.monotonic() < deadline, f"waited in vain; the screen shows\n{shown}"
            time.sleep(0.05)
        return shown

    def quit(self) -> None:
        """Leave the chat by its key, and wait for the terminal to close with it."""
        self.press("C-q")
        deadline = time.monotonic() + PATIENCE
        while self._socket_answers():
            assert time.monotonic() < deadline, self.shown()
            time.sleep(0.05)

    def _socket_answers(self) -> bool:
        command = [str(TMUX), "-S", str(self._socket), "ls"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def server() -> Iterator[Server]:
    server = start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def terminal(tmp_path: Path, server: Server) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, server.url)
    yield terminal
    terminal.close()


def test_a_day_in_a_terminal(terminal: Terminal, server: Server) -> None:
    server.script = [[CODE], ["The beginning of a long story", threading.Event()]]
    terminal.open(100, 30)
    terminal.until(lambda shown: "Ask a question" in shown and "Q8_0" in shown)
    terminal.type("How do I multiply?")
    terminal.press("Enter")
    terminal.until(lambda shown: "np.dot(a, b)" in shown and "83.1 tok/s" in shown)
    # Copied through the terminal, which here is tmux, by OSC 52.
    terminal.press("C-y")
    terminal.until(lambda shown: "2 lines of code" in shown)
    assert terminal.tmux("show-buffer") == "import numpy as np\nnp.dot(a, b)\n"
    terminal.type("Tell me about zebras")
    terminal.press("Enter")
    terminal.until(lambda shown: "a long story" in shown)
    terminal.press("Escape")
    terminal.until(lambda shown: "stopped" in shown)
    assert server.hung_up.wait(PATIENCE), "the server is told"
    terminal.press("C-o")
    terminal.until(lambda shown: "just now" in shown)
    terminal.type("zebras")
    terminal.until(lambda shown: "1 hit" in shown)
    terminal.press("Enter")
    terminal.until(lambda shown: "a long story" in shown and "1 hit" not in shown)
    terminal.quit()
    terminal.open(100, 30)
    terminal.until(lambda shown: "Ask a question" in shown)
    terminal.press("C-o")
    terminal.until(lambda shown: "How do I multiply?" in shown)
    terminal.type("numpy")
    terminal.until(lambda shown: "1 hit" in shown)
    terminal.press("Enter")
    terminal.until(lambda shown: "np.dot(a, b)" in shown)
    terminal.press("End", "PageDown")
    terminal.until(lambda shown: "a long story" in shown and "stopped" in shown)
    terminal.quit()


def test_a_small_terminal_with_sixteen_colours(terminal: Terminal, server: Server) -> None:
    server.script = [[CODE]]
    terminal.open(80, 24, TERM="xterm-16color")
    terminal.until(lambda shown: "Ask a question" in shown and "Q8_0" in shown)
    terminal.type("How do I multiply?")
    terminal.press("Enter")
    shown = terminal.until(lambda shown: "np.dot(a, b)" in shown and "83.1 tok/s" in shown)
    for text in ("How do I multiply?", "That is all.", "136 of 2,048 tok", "Commands"):
        assert text in shown
    coloured = terminal.shown(colours=True)
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
    assert not re.search(r"[34]8;[25];", coloured), "no colour beyond the sixteen"
    terminal.press("F1")
    terminal.until(lambda shown: "prompt.send" in shown)
    terminal.press("Escape")
    terminal.until(lambda shown: "prompt.send" not in shown)
    terminal.quit()
