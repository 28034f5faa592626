from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.errors import SourceError
from curation.collectors import archive
from curation.collectors.archive import ArchivePages
from curation.collectors.folder import FolderPages
from curation.collectors.pages import MAX_PAGE, Page
from curation.entries import Dropped

PAGES = Path(__file__).with_name("pages") / "furo"


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)
    else:
        kind = path.suffix.removeprefix(".").replace("tar", "")
        with tarfile.open(path, f"w:{kind}") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def documentation(prefix: str = "weir-1.2.3/html/") -> dict[str, bytes]:
    return {prefix + path.name: path.read_bytes() for path in sorted(PAGES.iterdir())}


def read(path: Path) -> tuple[list[Page], dict[str, str]]:
    """The pages of an archive, and the reasons for what was left out by name."""
    pages = ArchivePages(path)
    pages.inventory()
    found = list(pages.pages())
    dropped = {one.where: one.code for one in found if isinstance(one, Dropped)}
    return [one for one in found if isinstance(one, Page)], dropped


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.tar.bz2", "d.tar.xz"])
def test_an_archive_has_what_the_folder_has(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / name, documentation())
    pages = ArchivePages(path)
    assert pages.inventory() == FolderPages(PAGES).inventory()
    assert list(pages.pages()) == list(FolderPages(PAGES).pages())
    assert [one.name for one in tmp_path.iterdir()] == [name]  # nothing was unpacked


UNSAFE = ["../../evil.html", "/etc/evil.html", "a/../../evil.html", "..\\evil.html", "C:/evil.html"]


@pytest.mark.parametrize("name", ["d.zip", "d.tar.gz"])
def test_names_that_lead_out_are_left_out(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / name, documentation("") | dict.fromkeys(UNSAFE, b"<main><h1>T</h1><p>evil</p></main>"))
    pages, dropped = read(path)
    assert len(pages) == 4
    assert len(dropped) == len(UNSAFE) and set(dropped.values()) == {"unsafe-path"}
    assert not list(tmp_path.rglob("evil*")) and not list(tmp_path.parent.glob("evil*"))


def test_links_in_a_zip_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo("link.html")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    assert read(path) == ([], {"link.html": "unsafe-path"})


def test_links_and_devices_in_a_tar_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "d.tar.gz"
    kinds = {"s": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE, "f": tarfile.FIFOTYPE}
    with tarfile.open(path, "w:gz") as tar:
        for name, kind in kinds.items():
            info = tarfile.TarInfo(f"{name}.html")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read(path) == ([], {f"{name}.html": "unsafe-path" for name in kinds})


def test_a_page_that_is_a_bomb(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "d.zip", documentation("") | {"bomb.html": bytes(9 * 2**20), "large.html": bytes(11 * 2**20)}
    )
    pages, dropped = read(path)
    assert len(pages) == 4
    assert dropped == {"bomb.html": "archive-bomb", "large.html": "archive-bomb"}
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_STORED) as file:
        file.writestr("large.html", bytes(MAX_PAGE + 1))
    assert read(tmp_path / "s.zip") == ([], {"large.html": "too-large"})


def zeros(path: Path, megabytes: int) -> None:
    """A tar archive with one large file of zeros, of which gzip leaves next to nothing."""
    info = tarfile.TarInfo("zeros.html")
    info.size = megabytes * 2**20
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(megabytes):
            file.write(bytes(2**20))


def long_header(path: Path, megabytes: int) -> None:
    """A tar archive whose first header claims to go on for megabytes, which a reader would hold in memory."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, megabytes * 2**20
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(megabytes):
            file.write(b"9" * 2**20)


@pytest.mark.parametrize("bomb", [zeros, long_header])
def test_a_tar_that_fills_memory_is_refused(bomb: Callable[[Path, int], None], tmp_path: Path) -> None:
    path = tmp_path / "d.tar.gz"
    bomb(path, 300)
    with pytest.raises(SourceError, match="fill memory"):
        read(path)


@pytest.mark.parametrize("name", ["d.zip", "d.tar"])
def test_the_number_of_members_is_bounded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    with pytest.raises(SourceError, match="more than 3 members"):
        read(pack(tmp_path / name, documentation()))


def test_the_list_of_members_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 100)
    with pytest.raises(SourceError, match="list of members"):
        read(pack(tmp_path / "d.zip", documentation()))


def test_the_whole_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_TOTAL", 1000)
    for name in ("d.zip", "d.tar.xz"):
        with pytest.raises(SourceError, match="fill memory"):
            read(pack(tmp_path / name, documentation()))


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.tar.bz2", "d.tar.xz"])
def test_what_is_cut_or_no_archive_is_one_line(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / name, documentation())
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"<html>404</html>" * 100):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="can't be read as an archive") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_a_damaged_member_costs_that_page(tmp_path: Path) -> None:
    path = pack(tmp_path / "d.zip", documentation(""))
    content = bytearray(path.read_bytes())
    at = content.index(b"faq.html") + 200
    content[at : at + 40] = b"x" * 40
    path.write_bytes(content)
    pages, dropped = read(path)
    assert len(pages) == 3 and dropped == {"faq.html": "broken-page"}
