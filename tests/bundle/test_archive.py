"""The archive: whole, the same every time, and every trick that a tar archive can play is refused in its own line."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bundle.archive import unpack_archive, verify_archive, write_archive
from bundle.errors import BundleError
from bundle.manifest import CARD, COMPANIONS, MANIFEST, MAX_MANIFEST, SIGNATURE, load_manifest, seal, verify
from bundle.stage import silent

BESIDE = {CARD: b"# A card\n", SIGNATURE: b"a signature"}


def anyone(manifest: bytes, companions: Mapping[str, bytes]) -> None:
    """A check that refuses nothing."""


def pack(bundle: Path, companions: Mapping[str, bytes] = BESIDE) -> bytes:
    stream = io.BytesIO()
    write_archive(bundle, (bundle / MANIFEST).read_bytes(), companions, stream, silent)
    return stream.getvalue()


def refused(data: bytes, into: Path) -> str:
    """The one line with which an archive is refused; checking and unpacking say the same, and nothing is left."""
    lines = []
    for read in (
        lambda: verify_archive(io.BytesIO(data), "here", anyone, silent),
        lambda: unpack_archive(io.BytesIO(data), "here", into / "new", anyone, silent),
    ):
        with pytest.raises(BundleError) as caught:
            read()
        lines.append(str(caught.value))
    assert lines[0] == lines[1] and lines[0].startswith("here: ") and lines[0].isprintable()
    assert not (into / "new").exists() and not list(into.glob(".new*"))
    return lines[0].removeprefix("here: ")


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, size: int | None = None, link: str = ""
) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data) if size is None else size, link
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def members(bundle: Path) -> dict[str, bytes]:
    """Each member of the bundle's archive, to be put together in another way."""
    names = [MANIFEST, *sorted(load_manifest(bundle).files)]
    return {name: member(name, (bundle / name).read_bytes()) for name in names}


def test_what_was_packed_comes_out_again(bundle: Path, tmp_path: Path) -> None:
    (bundle / ".stamp.json").write_text("{}")  # of no use elsewhere
    data = pack(bundle)
    seen: list[tuple[bytes, Mapping[str, bytes]]] = []
    packed = unpack_archive(io.BytesIO(data), "here", tmp_path / "a" / "b", lambda *given: seen.append(given), silent)
    out = tmp_path / "a" / "b"
    assert verify(out) == packed.manifest == load_manifest(bundle)
    assert seen == [((bundle / MANIFEST).read_bytes(), BESIDE)]
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there == {MANIFEST, *BESIDE, *packed.manifest.files}
    for name in (MANIFEST, *packed.manifest.files):
        assert (out / name).read_bytes() == (bundle / name).read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert verify_archive(io.BytesIO(data), "here", anyone, silent) == packed


def test_other_programs_read_it_too(bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(bundle)), mode="r:") as archive:
        assert archive.getnames()[:3] == [MANIFEST, CARD, SIGNATURE]
        archive.extractall(tmp_path / "out", filter="data")
    assert verify(tmp_path / "out") == load_manifest(bundle)


def test_equal_bundles_give_equal_bytes(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy", copy_function=shutil.copyfile)  # other times
    for path in copy.rglob("*"):
        path.chmod(0o700)
    assert pack(copy) == pack(bundle)


def test_a_reader_that_gives_little_at_a_time_is_enough(bundle: Path, tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            return super().read(min(count or 0, 1000))

    verify_archive(Pipe(pack(bundle)), "here", anyone, silent)


@pytest.mark.parametrize("file", ["pocket-Q8_0.gguf", "symbols.json"])
def test_a_bundle_that_is_not_whole_is_not_packed(bundle: Path, file: str) -> None:
    data = bytearray((bundle / file).read_bytes())
    data[-1] ^= 1
    (bundle / file).write_bytes(data)
    with pytest.raises(BundleError, match=f"{file}: not the file that was sealed"):
        pack(bundle)
    (bundle / file).write_bytes(bytes(data[:-1]))
    with pytest.raises(BundleError, match=f"{file}: cut short"):
        pack(bundle)
    (bundle / file).write_bytes(bytes(data) + b"more")
    with pytest.raises(BundleError, match=f"{file}: not the file that was sealed"):
        pack(bundle)
    (bundle / file).unlink()
    with pytest.raises(BundleError, match=f"{file}: missing from the bundle"):
        pack(bundle)


def test_a_name_too_long_for_an_archive_is_told(bundle: Path) -> None:
    (bundle / ("x" * 101)).write_text("")
    seal(bundle, load_manifest(bundle))
    with pytest.raises(BundleError, match="too long for an archive"):
        pack(bundle)


def test_a_flipped_byte_is_refused_wherever_it_is(bundle: Path, tmp_path: Path) -> None:
    data = pack(bundle)
    for at in range(0, len(data), 997):
        changed = bytearray(data)
        changed[at] ^= 0x41
        if b"A card" in data[at - 20 : at + 20] or b"a signature" in data[at - 20 : at + 20]:
            continue  # not sealed: zstd's own checksum and the signature's check are for these
        with pytest.raises(BundleError):
            verify_archive(io.BytesIO(bytes(changed)), "here", anyone, silent)


def test_a_flipped_byte_of_a_file_names_the_file(bundle: Path, tmp_path: Path) -> None:
    data = pack(bundle).replace(b"measured", b"measureD")
    assert refused(data, tmp_path) == "notes/quality.txt: not the file that was sealed; convert or copy it anew"
    data = pack(bundle).replace(b"token 7", b"token 8")
    assert refused(data, tmp_path) == "pocket-Q8_0.gguf: not the file that was sealed; convert or copy it anew"


def test_an_archive_cut_off_anywhere_is_refused(bundle: Path, tmp_path: Path) -> None:
    data = pack(bundle)
    lines = {refused(data[:size], tmp_path) for size in [*range(0, len(data), 24_001), len(data) - 1, len(data) - 512]}
    assert any("cut short" in line for line in lines) and any("ends in the middle of its end" in line for line in lines)


def test_a_changed_manifest_is_refused(bundle: Path, tmp_path: Path) -> None:
    digest = load_manifest(bundle).files["symbols.json"].encode()
    data = pack(bundle).replace(digest, b"0" * 64)
    assert refused(data, tmp_path).startswith("symbols.json: not the file that was sealed")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "notes/../../outside", ".bashrc", "more.txt", "a\x1b[2Jb"]
)
def test_a_file_that_the_manifest_does_not_name_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    data = members(bundle)[MANIFEST] + member(name, b"planted")
    assert "which its manifest doesn't name; do not use this archive" in refused(data, tmp_path)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (tarfile.GNUTYPE_LONGNAME, "no plain file"),
        (tarfile.XHDTYPE, "no plain file"),
        (tarfile.XGLTYPE, "no plain file"),
    ],
)
def test_what_is_no_plain_file_is_refused(bundle: Path, tmp_path: Path, kind: bytes, says: str) -> None:
    beginning = members(bundle)[MANIFEST]
    for data in (
        beginning + member("symbols.json", kind=kind, link="/etc/passwd", size=1 << 40),
        member(MANIFEST, kind=kind, link="/etc/passwd"),
    ):
        assert refused(data, tmp_path).endswith(f"in it is {says}; do not use this archive")


def test_a_link_cannot_be_written_through(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    parts = members(bundle)
    data = parts[MANIFEST] + member("notes", kind=tarfile.SYMTYPE, link=str(tmp_path / "outside"))
    refused(data + parts["notes/quality.txt"], tmp_path)
    assert not list((tmp_path / "outside").iterdir())


def test_a_file_that_comes_twice_is_refused(bundle: Path, tmp_path: Path) -> None:
    parts = members(bundle)
    twice = parts["symbols.json"] * 2
    assert refused(parts[MANIFEST] + twice, tmp_path) == "holds 'symbols.json' twice; do not use this archive"
    assert "holds 'manifest.json' twice" in refused(parts[MANIFEST] * 2, tmp_path)
    assert "holds 'README.md' twice" in refused(parts[MANIFEST] + member(CARD, b"x") * 2, tmp_path)


def test_a_file_that_is_left_out_is_named(bundle: Path, tmp_path: Path) -> None:
    parts = members(bundle)
    del parts["symbols.json"]
    assert "ends without 'symbols.json'" in refused(b"".join(parts.values()) + bytes(1024), tmp_path)


def test_what_comes_after_the_end_is_refused(bundle: Path, tmp_path: Path) -> None:
    assert "goes on after its end" in refused(pack(bundle) + b"x", tmp_path)
    assert "goes on after its end" in refused(b"".join(members(bundle).values()) + bytes(512) + b"x" * 512, tmp_path)


@pytest.mark.parametrize("size", [0, 15, 17, 1 << 33, 1 << 62])
def test_a_size_that_is_not_the_manifests_is_refused(bundle: Path, tmp_path: Path, size: int) -> None:
    data = members(bundle)[MANIFEST] + member("symbols.json", size=size)
    assert refused(data, tmp_path) == f"symbols.json: has {size:,} bytes and not 16; do not use this archive"


@pytest.mark.parametrize(("name", "most"), [(MANIFEST, MAX_MANIFEST), *COMPANIONS.items()])
def test_what_is_kept_in_memory_is_bounded(bundle: Path, tmp_path: Path, name: str, most: int) -> None:
    beginning = b"" if name == MANIFEST else members(bundle)[MANIFEST]
    line = refused(beginning + member(name, size=most + 1), tmp_path)
    assert line == f"{name} in it claims {most + 1:,} bytes, and {most:,} are taken; do not use this archive"


@pytest.mark.parametrize("data", [b"x" * 512, member("symbols.json", b"{}"), bytes(1024)])
def test_what_is_no_archive_of_a_bundle_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "no archive of a bundle" in refused(data, tmp_path)


def test_a_check_that_refuses_comes_before_any_file(bundle: Path, tmp_path: Path) -> None:
    def refuse(manifest: bytes, companions: Mapping[str, bytes]) -> None:
        raise BundleError("not signed")

    data = pack(bundle)[: len((bundle / MANIFEST).read_bytes()) + 4096]  # no file is in this part
    with pytest.raises(BundleError, match="not signed"):
        unpack_archive(io.BytesIO(data), "here", tmp_path / "new", refuse, silent)
    assert not (tmp_path / "new").exists()


def test_what_is_there_already_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    data = pack(bundle)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    (tmp_path / "link").symlink_to("mine")
    for taken in ("mine", "link", "mine/thesis.txt"):
        with pytest.raises(BundleError, match="is there already"):
            unpack_archive(io.BytesIO(data), "here", tmp_path / taken, anyone, silent)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    (tmp_path / "empty").mkdir()
    unpack_archive(io.BytesIO(data), "here", tmp_path / "empty", anyone, silent)
    verify(tmp_path / "empty")


def test_a_disk_without_room_is_found_before_the_work(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BundleError, match="needs 0 MB and 0 are free"):
        unpack_archive(io.BytesIO(pack(bundle)), "here", tmp_path / "new", anyone, silent)
    assert not list(tmp_path.glob("*new*"))


def test_what_a_killed_run_left_is_removed_unless_it_lives(bundle: Path, tmp_path: Path) -> None:
    data = pack(bundle)
    (tmp_path / ".new.00000000.partial").mkdir()
    inner: list[bool] = []

    def meanwhile(what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        if not inner:
            inner.append(True)
            assert len(list(tmp_path.glob(".new.*"))) == 1
            unpack_archive(io.BytesIO(data), "here", tmp_path / "new", anyone, silent)  # a second one, which wins

    with pytest.raises(BundleError, match="put there meanwhile"):
        unpack_archive(io.BytesIO(data), "here", tmp_path / "new", anyone, meanwhile)
    verify(tmp_path / "new")
    assert not list(tmp_path.glob(".new.*"))
