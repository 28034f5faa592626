"""Atomic writes: readers see the old or the new, never a part."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.atomic import BUILDS, adopt_folder, atomic_open, published_folder, write_json

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from bundle.atomic import published_folder
with published_folder(Path(sys.argv[1])) as out:
    (out / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"old": True})
    with pytest.raises(RuntimeError), atomic_open(path) as handle:
        handle.write("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "old": true\n}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_a_folder_is_published_whole(tmp_path: Path) -> None:
    link = tmp_path / "dataset"
    with published_folder(link) as out:
        (out / "one").write_text("1")
        assert not link.exists()
    assert (link / "one").read_text() == "1"


def test_a_reader_of_the_old_folder_can_finish(tmp_path: Path) -> None:
    link = tmp_path / "dataset"
    for version in ("1", "2"):
        with published_folder(link) as out:
            (out / "one").write_text(version)
        if version == "1":
            reader = link.resolve()
    assert (reader / "one").read_text() == "1"
    assert (link / "one").read_text() == "2"


def test_old_folders_do_not_pile_up(tmp_path: Path) -> None:
    link = tmp_path / "dataset"
    for version in range(5):
        with published_folder(link) as out:
            (out / "one").write_text(str(version))
    assert len(list((tmp_path / BUILDS).iterdir())) == 2


def test_an_exception_publishes_nothing(tmp_path: Path) -> None:
    link = tmp_path / "dataset"
    with pytest.raises(RuntimeError), published_folder(link) as out:
        (out / "one").write_text("half")
        raise RuntimeError
    assert not link.exists()
    assert list((tmp_path / BUILDS).iterdir()) == []


def test_a_killed_writer_publishes_nothing_and_the_next_clears_up(tmp_path: Path) -> None:
    link = tmp_path / "dataset"
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(link)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not link.exists()
    with published_folder(link) as out:
        (out / "one").write_text("1")
    assert [entry.name for entry in (tmp_path / BUILDS).iterdir()] == [link.resolve().name]


def test_a_real_folder_is_never_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "dataset"
    mine.mkdir()
    with pytest.raises(FileExistsError), published_folder(mine):
        pass
    assert mine.is_dir() and not mine.is_symlink()


def publish(link: Path, text: str) -> Path:
    """Publish a folder with one file; returns where it lies."""
    with published_folder(link) as out:
        (out / "one").write_text(text)
    return link.resolve()


def test_a_folder_made_elsewhere_takes_the_place(tmp_path: Path) -> None:
    link = tmp_path / "bundle"
    publish(link, "1")
    reader = publish(link, "2")
    made = publish(tmp_path / "refresh" / "bundle", "3")
    adopt_folder(made, link)
    assert (link / "one").read_text() == "3" and (reader / "one").read_text() == "2"
    assert link.resolve().name == made.name and not made.exists()
    assert len(list((tmp_path / BUILDS).iterdir())) == 2
    publish(link, "4")
    assert (link / "one").read_text() == "4"


def test_adopting_can_be_repeated_wherever_it_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "bundle"
    publish(link, "1")
    made = publish(tmp_path / "refresh" / "bundle", "2")
    for cut in ("rename", "replace"):

        def killed(*arguments: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, cut, killed)
            adopt_folder(made, link)
        assert (link / "one").read_text() == "1"
    for _ in range(2):
        adopt_folder(made, link)
        assert (link / "one").read_text() == "2"


def test_a_link_leaves_the_builds_of_another_whose_name_begins_alike(tmp_path: Path) -> None:
    publish(tmp_path / "base-bundle", "1")
    for version in "12":
        publish(tmp_path / "base", version)
    assert (tmp_path / "base-bundle" / "one").read_text() == "1"
