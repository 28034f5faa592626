"""How fast is the chat in the terminal: from a key, and from a token, to the screen; to the first prompt; in memory?

    make bench-chat

Drives the real `boffin chat` in a pseudo-terminal, in front of a server that sends tokens at a given rate and notes
when. Every key and token is a character that occurs nowhere else; it has arrived when the terminal gets it. The floor
is a bare text area of Textual's, typed into in the same way. Written to benchmarks/results/chat.json.
"""

from __future__ import annotations

import argparse
import codecs
import json
import os
import pty
import select
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ
from typing import Any

import psutil

from benchmarks.machine import origin

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
SIZE = (30, 100)
"""Rows and columns."""
RATE = 200
"""Tokens a second."""
FIRST = 0x3400
"""Where the characters begin that mark keys and tokens: no interface has these."""
PATIENCE = 120.0
BARE = """
from textual.app import App
from textual.widgets import TextArea
class Bare(App):
    def compose(self):
        yield TextArea(placeholder="Ask a question")
Bare().run()
"""


class Server(ThreadingHTTPServer):
    """Answers with `tokens` marks at `RATE`, and notes when each was sent."""

    daemon_threads = True

    def __init__(self, marks: Iterator[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.marks = marks
        self.tokens = 1
        self.sent: dict[str, float] = {}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        health = {"status": "ok", "model": "scripted", "quantisation": "Q8_0", "backend": "CPU", "context": 8192}
        body = json.dumps({"data": [{"id": "scripted"}]} if self.path == "/v1/models" else health).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        began = time.perf_counter()
        for number in range(self.server.tokens):
            # A paragraph every forty words, code every three paragraphs.
            text = mark = next(self.server.marks)
            text += " word" + ("\n\n" if number % 40 == 39 else " ")
            text += "```python\nx = 1\n```\n\n" if number % 120 == 119 else ""
            time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            self.server.sent[mark] = time.perf_counter()
            self._send({"choices": [{"delta": {"content": text}}]})
        self._send({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"total_tokens": 9}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Terminal:
    """A program in a pseudo-terminal, and when each mark came out of it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.began = time.perf_counter()
        self.process_id, self._terminal = pty.fork()
        if self.process_id == 0:
            ioctl(0, TIOCSWINSZ, pack("HHHH", *SIZE, 0, 0))
            os.execvpe(command[0], command, environment)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._seen = ""
        self.came: dict[str, float] = {}

    def write(self, text: str) -> None:
        """Type."""
        os.write(self._terminal, text.encode())

    def read(self, wait: float) -> None:
        """Take what the program draws within `wait` seconds, or the next piece of it."""
        if not select.select([self._terminal], [], [], wait)[0]:
            return
        text = self._decoder.decode(os.read(self._terminal, 1 << 20))
        now = time.perf_counter()
        self._seen = (self._seen + text)[-20_000:]
        for character in text:
            if FIRST <= ord(character) < 0x9FFF:
                self.came.setdefault(character, now)

    def until(self, *texts: str) -> float:
        """Wait until the texts were drawn; returns when, in seconds since the program's start."""
        deadline = time.monotonic() + PATIENCE
        while not all(text in self.came or text in self._seen for text in texts):
            if time.monotonic() > deadline:
                sys.exit(f"bench-chat: waited in vain for {texts}; the terminal got {self._seen[-2000:]!r}")
            self.read(0.05)
        return time.perf_counter() - self.began

    def memory(self) -> float:
        """The program's memory, in MB."""
        return float(psutil.Process(self.process_id).memory_info().rss) / 1e6


@contextmanager
def terminal(command: list[str], folder: Path) -> Iterator[Terminal]:
    """A program that has drawn its prompt."""
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    opened = Terminal(command, environment | {"PYTHONPATH": str(ROOT)})
    try:
        yield opened
    finally:
        opened.write("\x11")
        with suppress(OSError):
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                opened.read(1)
            os.kill(opened.process_id, signal.SIGKILL)
        os.waitpid(opened.process_id, 0)


def typed(opened: Terminal, marks: Iterator[str], keys: int) -> list[float]:
    """Milliseconds from each key to the screen, one key after the other."""
    times = []
    for _ in range(keys):
        mark = next(marks)
        began = time.perf_counter()
        opened.write(mark)
        opened.until(mark)
        times.append((opened.came[mark] - began) * 1000)
    return times


def streamed(opened: Terminal, server: Server, tokens: int) -> list[float]:
    """Milliseconds from each token's sending to the screen."""
    server.tokens = tokens
    server.sent.clear()
    opened.write("\x15go on\r")
    while len(server.sent) < tokens or not set(server.sent) <= set(opened.came):
        opened.read(0.05)
    return [(opened.came[mark] - sent) * 1000 for mark, sent in server.sent.items()]


def talked(opened: Terminal, server: Server, turns: int) -> None:
    """Ask so many questions of one word, each when the answer before has come."""
    server.tokens = 1
    for turn in range(turns):
        server.sent.clear()
        opened.write(f"question {turn}\r")
        asked = time.monotonic()
        while not server.sent:
            opened.read(0.02)
            # The answer before had come, but not its end: the chat keeps the question.
            if time.monotonic() - asked > 1:
                opened.write("\r")
                asked = time.monotonic()
        opened.until(*server.sent)


def summary(name: str, unit: str, values: list[float]) -> dict[str, Any]:
    """A row of the table."""
    cuts = statistics.quantiles(values, n=20) if len(values) > 1 else values * 20
    ends = {"min": min(values), "max": max(values)}
    return {"what": name, "unit": unit, "n": len(values), "p50": statistics.median(values), "p95": cuts[18], **ends}


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=500, help="questions; each and its answer are two messages")
    asked = parser.parse_args()
    marks = map(chr, count(FIRST))
    server = Server(marks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    chat = [sys.executable, "-m", "boffin", "chat", "--url", url]
    starts: dict[str, list[float]] = {"the chat": [], "a bare text area": []}
    commands = {"the chat": chat, "a bare text area": [sys.executable, "-c", BARE]}
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for number in range(asked.starts + 1):
            for name, command in commands.items():
                with terminal(command, Path(place) / str(number)) as opened:
                    opened.until("sk a question")  # before that a terminal shows keys by itself
                    opened.write(mark := next(marks))
                    opened.until(mark)
                    if number:  # the first one warms the file cache
                        starts[name].append(opened.came[mark] - opened.began)
        rows += [summary(f"start to the first key shown: {name}", "s", times) for name, times in starts.items()]
        with terminal(commands["a bare text area"], Path(place)) as opened:
            opened.until("sk a question")
            typed(opened, marks, 10)
            rows.append(summary("key to screen: a bare text area", "ms", typed(opened, marks, asked.keys)))
        with terminal(chat, Path(place)) as opened:
            opened.until("sk a question", "Q8_0")
            typed(opened, marks, 10)
            rows.append(summary("key to screen: the chat", "ms", typed(opened, marks, asked.keys)))
            rows.append(summary(f"token to screen at {RATE} tokens/s", "ms", streamed(opened, server, asked.tokens)))
            rows.append(summary("memory after a question", "MB", [opened.memory()]))
            talked(opened, server, asked.turns)
            rows.append(summary(f"memory after {2 * asked.turns + 2:,} messages", "MB", [opened.memory()]))
            rows.append(summary("key to screen after them", "ms", typed(opened, marks, asked.keys)))
    print(f"{'':<48} {'unit':>4} {'n':>5} {'p50':>8} {'p95':>8} {'min':>8} {'max':>8}")
    for row in rows:
        figures = " ".join(f"{row[name]:>8.2f}" for name in ("p50", "p95", "min", "max"))
        print(f"{row['what']:<48} {row['unit']:>4} {row['n']:>5} {figures}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "chat.json").write_text(json.dumps({**origin("textual"), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
