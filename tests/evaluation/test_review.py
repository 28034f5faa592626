"""Reviewing by scripted keys: what is kept, what is taken back, what a terminal is shown."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import termios
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from rich.console import Console, ConsoleDimensions

from bundle.errors import EvaluationError
from evaluation.pairs import Pair
from evaluation.review.keys import keys
from evaluation.review.log import Log, name_from, read_reviews
from evaluation.review.review import review
from evaluation.review.session import Session
from evaluation.verdict import Marks

PAIRS = [Pair(f"Question {n}?", f"Reference {n}.", f"Base says {n}.", f"Tuned says {n}.") for n in range(12)]


def sit(
    folder: Path,
    pressed: Iterable[str],
    pairs: list[Pair] = PAIRS,
    reviewer: str = "ada",
    width: int = 120,
    height: int = 40,
) -> str:
    """Review by keys; returns what the terminal was sent."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with Log(folder, reviewer) as log:
        review(Session(pairs, log, reviewer), pressed, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def left(folder: Path, number: int, reviewer: str = "ada") -> str:
    with Log(folder / "elsewhere", reviewer) as log:
        return Session([PAIRS[number]], log, reviewer).left


def test_two_keys_are_a_verdict_and_nine_are_one_with_marks(tmp_path: Path) -> None:
    sit(tmp_path, "a\nb51423324t\nq")
    kept = read_reviews(tmp_path)["ada"]
    assert list(kept) == [pair.digest for pair in PAIRS[:3]]
    first, second, third = kept.values()
    assert first.better == left(tmp_path, 0) == first.left and first.first is None
    a, b = (
        Marks(clarity=5, code_quality=4, accuracy=3, completeness=2),
        Marks.model_validate({"clarity": 1, "code_quality": 2, "accuracy": 3, "completeness": 4}),
    )
    assert second.better != left(tmp_path, 1) and second.better != "tie"
    assert (second.first, second.second) == ((a, b) if second.left == "first" else (b, a))
    assert third.better == "tie"


def test_a_session_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    sit(tmp_path, "t\nt\nq")
    shown = sit(tmp_path, "t\nq")
    assert "3 of 12" in shown and "Question 2?" in shown and "Question 0?" not in shown
    assert list(read_reviews(tmp_path)["ada"]) == [pair.digest for pair in PAIRS[:3]]
    assert "Question 0?" in sit(tmp_path, "q", reviewer="ben")


def test_undo_takes_back_a_mark_a_choice_and_a_verdict(tmp_path: Path) -> None:
    sit(tmp_path, "t\n" + "a12u3" + "uu" + "u" + "u" + "b\nq")
    kept = read_reviews(tmp_path)["ada"]
    # Taken back: the marks and the choice on the second pair, then the first pair's verdict, which was given anew.
    sides = {"first": "second", "second": "first"}
    assert list(kept) == [PAIRS[0].digest] and kept[PAIRS[0].digest].better == sides[left(tmp_path, 0)]
    lines = [json.loads(line) for line in (tmp_path / "ada.jsonl").read_text().splitlines()]
    assert [bool(line["verdict"]) for line in lines] == [True, False, True]


def test_skipped_pairs_come_again_and_idle_keys_do_nothing(tmp_path: Path) -> None:
    shown = sit(tmp_path, "sx7\nA\x1b" + "t\nq")
    assert list(read_reviews(tmp_path)["ada"]) == [PAIRS[1].digest] and "Question 2?" in shown
    assert "Question 0?" in sit(tmp_path, "q")


def test_the_end_can_be_taken_back(tmp_path: Path) -> None:
    shown = sit(tmp_path, "t\nt\nu" + "a\n" + "tq", PAIRS[:2])
    assert "2 of 2 judged, no more to show." in shown
    assert [verdict.better == "tie" for verdict in read_reviews(tmp_path)["ada"].values()] == [True, False]


def test_the_order_is_drawn_by_reviewer_and_pair(tmp_path: Path) -> None:
    drawn = {name: [left(tmp_path, n, name) for n in range(12)] for name in ("ada", "ben", "eve")}
    assert drawn["ada"] == [left(tmp_path, n) for n in range(12)]
    assert len({tuple(own) for own in drawn.values()}) == 3 and all(len(set(own)) == 2 for own in drawn.values())


def test_it_is_blind_and_no_text_reaches_the_file(tmp_path: Path) -> None:
    pairs = [Pair("How?", "So.", "One way.", "Another way.")]
    shown = sit(tmp_path, "a\n", pairs)
    assert "base" not in shown and "tuned" not in shown
    written = (tmp_path / "ada.jsonl").read_text()
    assert not any(text in written for text in ("How?", "So.", "One way.", "Another way."))


@pytest.mark.parametrize("width", [60, 120])
def test_what_an_answer_holds_does_nothing_to_the_terminal(tmp_path: Path, width: int) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m [bold]mark[/bold] \u202egnp.exe\r over"
    shown = sit(tmp_path, "q", [Pair(hostile, hostile, hostile, hostile)], width=width)
    ours = re.sub(r"\x1b\[(?:2J|H|2K|[\d;]*m)", "", shown)
    assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e]", ours) and "owned" in ours
    assert "[bold]mark[/bold]" in ours
    assert max(len(line) for line in ours.replace("\r", "\n").split("\n")) <= width


def test_narrow_terminals_have_the_answers_below_each_other(tmp_path: Path) -> None:
    def together(shown: str) -> bool:
        return any("Base says 0." in line and "Tuned says 0." in line for line in shown.splitlines())

    assert together(sit(tmp_path, "q", width=120)) and not together(sit(tmp_path, "q", width=80))


LONG = Pair(
    "How do I read it?\nSo that all is read.",
    *("\n".join(f"{text} line {n}." for n in range(40)) for text in ("Reference", "First", "Second")),
)


def screens(shown: str) -> list[list[str]]:
    """The lines of each screen that was drawn, without those after the last."""
    return [re.sub(r"\x1b\[[\d;]*m", "", screen).split("\n") for screen in shown.split("\x1b[2J\x1b[H")[1:]]


@pytest.mark.parametrize(("width", "height", "length"), [(80, 24, 130), (120, 40, 88)])
@pytest.mark.parametrize(("key", "times"), [(" ", 8), ("page down", 8), ("j", 110), ("down", 110)])
def test_all_of_a_long_pair_can_be_read(
    tmp_path: Path, width: int, height: int, length: int, key: str, times: int
) -> None:
    drawn = screens(sit(tmp_path, [key] * times, [LONG], width=width, height=height))
    drawn[-1].pop()  # the end's own line
    assert {len(screen) for screen in drawn} == {height}
    seen = "\n".join(line for screen in drawn for line in screen)
    assert all(f"{text} line {n}." in seen for text in ("Reference", "First", "Second") for n in range(40))
    for screen in drawn:
        assert screen[0].startswith("1 of 1  How do I read it? So that all is read.") and "of " in screen[0][-12:]
        assert screen[-2].startswith("Which is better?") and "Space/- a page" in screen[-1]
        assert re.match("╭─ (question|reference answer|A|B) ─", screen[1])
    assert drawn[-1][0].endswith(f" of {length}") and f"–{length} of" in drawn[-1][0]


@pytest.mark.parametrize("there_and_back", [" -", ["page down", "page up"], "jk", ["down", "up"], "a jju--"])
def test_it_scrolls_back_and_keeps_its_place(tmp_path: Path, there_and_back: Iterable[str]) -> None:
    drawn = screens(sit(tmp_path, [*there_and_back], [LONG], height=24))
    assert drawn[0] == drawn[-1][:-1] and drawn[1] != drawn[0]


def test_the_next_pair_is_shown_from_its_top(tmp_path: Path) -> None:
    other = Pair("Next?", LONG.reference, LONG.first, LONG.second)
    drawn = screens(sit(tmp_path, " t\n", [LONG, other], height=24))
    assert "lines 1–" not in drawn[2][0] and "Next?" in drawn[-1][0] and "lines 1–" in drawn[-1][0]


def test_what_fits_is_not_scrolled(tmp_path: Path) -> None:
    drawn = screens(sit(tmp_path, "j", PAIRS[:1]))
    assert drawn[0] == drawn[1][:-1] and "a page" not in drawn[0][-1] and "lines" not in drawn[0][0]


def test_it_is_drawn_anew_in_the_size_that_the_terminal_has(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None)

    def pressed() -> Iterator[str]:
        console.size = ConsoleDimensions(80, 24)
        yield "resized"

    console.size = ConsoleDimensions(120, 40)
    with Log(tmp_path, "ada") as log:
        review(Session([LONG], log, "ada"), pressed(), console)
    assert isinstance(console.file, io.StringIO)
    before, after = screens(console.file.getvalue())
    assert (len(before), len(before[1])) == (40, 120) and (len(after) - 1, len(after[1])) == (24, 80)


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path: Path) -> None:
    sit(tmp_path, "t\nt\nq")
    path = tmp_path / "ada.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert list(read_reviews(tmp_path)["ada"]) == [PAIRS[0].digest]
    sit(tmp_path, "t\nt\nq")
    assert len(read_reviews(tmp_path)["ada"]) == 3 and len(path.read_text().splitlines()) == 3


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    sit(tmp_path, "t\nq")
    with (tmp_path / "ada.jsonl").open("a") as handle:
        handle.write('{"pair": 5}\n')
    for call in (lambda: read_reviews(tmp_path), lambda: Log(tmp_path, "ada")):
        with pytest.raises(EvaluationError, match=r"ada\.jsonl:2: damaged"):
            call()


def test_one_reviewer_sits_at_one_terminal(tmp_path: Path) -> None:
    with Log(tmp_path, "ada"), pytest.raises(EvaluationError, match="another terminal"):
        Log(tmp_path, "ada")
    Log(tmp_path, "ada").__exit__(None, None, None)


@pytest.mark.parametrize(
    ("login", "name"),
    [
        ("jörg", "jörg"),
        ("corp\\ann b", "corp-ann-b"),
        ("_svc$", "svc"),
        ("../x", "x"),
        ("", "reviewer"),
        ("ü" * 99, "ü" * 40),
    ],
)
def test_a_login_makes_a_name(tmp_path: Path, login: str, name: str) -> None:
    assert name_from(login) == name
    Log(tmp_path, name).__exit__(None, None, None)


@pytest.mark.parametrize("name", ["", "../ada", ".ada", "a b", "a" * 41, "ada\n", "a/b"])
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvaluationError, match="--reviewer"):
        Log(tmp_path, name)


def test_keys_from_a_real_terminal() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with keys(slave) as pressed:
        os.write(master, b"a\x1b[A\x1bOB5\r\xc3\xa9\x1b[1;5C\x1b[5~\x1b[6~")
        expected = ["a", "up", "down", "5", "\n", "é", "page up", "page down"]
        assert [next(pressed) for _ in expected] == expected
        signal.raise_signal(signal.SIGWINCH)
        assert next(pressed) == "resized"
        os.write(master, b"q")
        assert next(pressed) == "q"
        os.write(master, b"\x04")
        assert list(pressed) == []
    assert termios.tcgetattr(slave) == before and signal.getsignal(signal.SIGWINCH) == signal.SIG_DFL
    os.close(master)
    os.close(slave)
