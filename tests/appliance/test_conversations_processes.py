"""The store among processes: one that is killed in the middle of an answer, and two that write at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from appliance.conversations import Store, Thread
from appliance.conversations.search import search

ROOT = Path(__file__).resolve().parents[2]
ANSWER = """
import sys, time
from pathlib import Path
from appliance.conversations import Store, Thread, draft
draft.EVERY = 0
store = Store(Path(sys.argv[1]))
answer = Thread(store).ask("How?")
for number in range(100):
    answer.feed(f"word{number} ")
print("written", flush=True)
time.sleep(60)
"""
TALK = """
import sys
from pathlib import Path
from appliance.conversations import Store, Thread
with Store(Path(sys.argv[1])) as store:
    for number in range(30):
        thread = Thread(store)
        for turn in range(3):
            draft = thread.ask(f"{sys.argv[2]} asks {number}")
            draft.feed("word")
            thread.end(draft, "whole")
"""


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_what_was_written_survives_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    writer = run(ANSWER, str(path))
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    with Store(path) as store:
        (conversation,) = store.conversations()
        assert Thread.open(store, conversation.id).path[1].state == "writing", "its writer is alive"
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        answer = Thread.open(store, conversation.id).path[1]
        assert answer.state == "stopped"
        assert answer.text == "".join(f"word{number} " for number in range(100))
        assert len(search(store, "word99")) == 1
        assert list((tmp_path / "writers").iterdir()) == [tmp_path / "writers" / store._claimed().name]


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    writers = [run(TALK, str(path), name) for name in ("ann", "bob")]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    with Store(path) as store:
        assert len(store.conversations()) == 60
        assert store.rows("SELECT count(*) FROM message WHERE state = 'whole'")[0][0] == 360
        assert store.rows("PRAGMA integrity_check")[0][0] == "ok"
        for name in ("ann", "bob"):
            assert len(search(store, f"{name} 29")) == 4
