"""The manifest: sealed last, every file checked against it, each fault told by its own line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import BundleError
from bundle.evidence import Evidence, FreeRun
from bundle.manifest import CARD, MANIFEST, MAX_MANIFEST, PICTURE, SIGNATURE, Manifest, load_manifest, seal, verify

from ..conftest import seal_bundle, write_gguf

FILES = ["pocket-Q8_0.gguf", "symbols.json", "notes/quality.txt"]


def change(bundle: Path, edit: Callable[[Any], None]) -> None:
    """Edit the manifest as someone would who knows nothing about seals."""
    raw = json.loads((bundle / MANIFEST).read_text())
    edit(raw)
    (bundle / MANIFEST).write_text(json.dumps(raw))


def refused(bundle: Path) -> str:
    with pytest.raises(BundleError) as caught:
        verify(bundle)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(str(bundle))
    return line.removeprefix(f"{bundle}/")


def test_a_sealed_bundle_verifies(bundle: Path) -> None:
    told: list[tuple[str, float, float]] = []
    manifest = verify(bundle, lambda what, done=0, total=0, unit="": told.append((what, done, total)))
    assert set(manifest.files) == set(manifest.sizes) == set(FILES)
    assert manifest.model("q8_0").file == "pocket-Q8_0.gguf"
    assert {what for what, _, _ in told} == {"Checking pocket"} and told[-1][1] == told[-1][2] > 0


def test_what_may_lie_beside_the_files_is_passed_over(bundle: Path) -> None:
    for name in (CARD, SIGNATURE, ".stamp.json"):
        (bundle / name).write_text("something")
    verify(bundle)
    sealed = seal(bundle, load_manifest(bundle))
    assert set(sealed.files) == set(FILES)


def test_a_manifest_without_evidence_is_read(bundle: Path) -> None:
    path = bundle / MANIFEST
    values = json.loads(path.read_text())
    del values["evidence"]  # as Boffin wrote it before it measured
    path.write_text(json.dumps(values))
    assert load_manifest(bundle).evidence is None


def test_what_was_measured_changes_no_answer(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    run = FreeRun(answers=4, tokens=256, ended=4, looped=0)
    again = manifest.model_copy(
        update={
            "evidence": Evidence(free_run=run),
            "files": {**manifest.files, PICTURE: "0" * 64},
            "sizes": {**manifest.sizes, PICTURE: 7},
        }
    )
    other = manifest.model_copy(update={"files": {**manifest.files, "pocket-Q8_0.gguf": "0" * 64}})
    assert again.digest != manifest.digest
    assert again.served_digest == manifest.served_digest != other.served_digest
    assert Manifest.model_validate_json(again.model_dump_json()) == again


def test_a_missing_quantisation_names_those_that_are_there(bundle: Path) -> None:
    with pytest.raises(BundleError, match="no Q4_0; it has Q8_0"):
        load_manifest(bundle).model("Q4_0")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_one_flipped_byte_is_named(bundle: Path, file: str, where: float) -> None:
    data = bytearray((bundle / file).read_bytes())
    data[round(where * (len(data) - 1))] ^= 1
    (bundle / file).write_bytes(data)
    assert refused(bundle) == f"{file}: not the file that was sealed; convert or copy it anew"


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_cut_short_says_by_how_much(bundle: Path, file: str) -> None:
    size = (bundle / file).stat().st_size
    os.truncate(bundle / file, size - 1)
    line = refused(bundle)
    assert line == f"{file}: cut short, {size - 1:,} of {size:,} bytes are there; convert or copy it anew"


def test_a_file_that_grew_is_named(bundle: Path) -> None:
    with (bundle / "symbols.json").open("ab") as handle:
        handle.write(b"\n")
    assert refused(bundle).startswith("symbols.json: not the file that was sealed (17 bytes and not 16)")


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(bundle: Path, file: str) -> None:
    (bundle / file).unlink()
    assert refused(bundle) == f"{file}: missing from the bundle; convert or copy it anew"


@pytest.mark.parametrize("file", ["pocket-Q4_0.gguf", "notes/more.txt"])
def test_a_file_that_is_not_of_the_bundle_is_named(bundle: Path, file: str) -> None:
    (bundle / file).write_text("planted")
    assert refused(bundle).startswith(f"{file}: not a file of this bundle")


def test_a_dangling_link_is_not_of_the_bundle_either(bundle: Path) -> None:
    (bundle / "more").symlink_to("nowhere")
    assert refused(bundle).startswith("more: not a file of this bundle")


def test_files_may_be_links_to_the_same_content(bundle: Path, tmp_path: Path) -> None:
    kept = shutil.move(bundle / "pocket-Q8_0.gguf", tmp_path / "blob")  # as the model hub's cache has them
    (bundle / "pocket-Q8_0.gguf").symlink_to(kept)
    verify(bundle)


def test_without_a_manifest_there_is_no_bundle(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()
    with pytest.raises(BundleError, match="no bundle here"):
        verify(bundle)


def test_a_changed_template_is_refused(bundle: Path) -> None:
    change(bundle, lambda raw: raw["template"].update(system_prompt="Obey."))
    assert "template is not the one that was sealed" in refused(bundle)


def test_a_template_that_is_not_the_models_is_refused_though_it_was_sealed(bundle: Path) -> None:
    seal_bundle(bundle, template="{{ messages[-1].content }}")
    line = refused(bundle)
    assert line.startswith("pocket-Q8_0.gguf: ") and "its prompt template is not the manifest's" in line


def test_a_model_that_is_no_gguf_file_is_refused_though_it_was_sealed(bundle: Path) -> None:
    (bundle / "pocket-Q8_0.gguf").write_bytes(b"PK\3\4" + bytes(100))
    seal_bundle(bundle)
    assert "not a sound GGUF file, though it was sealed so (it doesn't begin with GGUF)" in refused(bundle)


def test_a_gguf_file_that_is_no_model_needs_no_template(bundle: Path) -> None:
    write_gguf(bundle / "notes" / "importance.gguf", template="another")
    seal_bundle(bundle)
    assert "notes/importance.gguf" in verify(bundle).files


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda raw: raw.update(models=[]), "it names no model"),
        (lambda raw: raw["files"].pop("pocket-Q8_0.gguf"), "it has no digest of 'pocket-Q8_0.gguf'"),
        (lambda raw: raw["files"].update({"symbols.json": "abc"}), "its digest of 'symbols.json' is none"),
        (lambda raw: raw["sizes"].pop("symbols.json"), "it has no size of 'symbols.json', or no digest"),
        (lambda raw: raw["sizes"].update({"more": 3}), "it has no size of 'more', or no digest"),
        (lambda raw: raw["sizes"].update({"symbols.json": -1}), "its size of 'symbols.json' is below zero"),
        (lambda raw: raw["models"][0].update(bytes=1), "it has two sizes of 'pocket-Q8_0.gguf'"),
    ],
)
def test_a_manifest_that_is_not_complete_says_what_it_lacks(
    bundle: Path, edit: Callable[[Any], None], says: str
) -> None:
    change(bundle, edit)
    assert refused(bundle) == f"{MANIFEST}: not complete ({says}); convert anew"


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a//b", "", "a/../b"])
def test_a_manifest_that_points_outside_is_refused(bundle: Path, name: str) -> None:
    change(bundle, lambda raw: raw["models"][0].update(file=name))
    with pytest.raises(BundleError, match="outside the bundle"):
        load_manifest(bundle)


@pytest.mark.parametrize("name", ["C:\\x", "a\nb", "\x1b[2J", ".hidden", "notes/.x", "end.", "x" * 256, "a\u202eb"])
def test_a_name_that_is_not_safe_is_refused(bundle: Path, name: str) -> None:
    change(bundle, lambda raw: raw["files"].update({name: "0" * 64}))
    line = refused(bundle)
    assert "unsafe file name" in line and line.isprintable()


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "\x1b[2Jpocket", "-x"])
def test_a_bundle_whose_own_name_is_not_safe_is_refused(bundle: Path, name: str) -> None:
    change(bundle, lambda raw: raw.update(name=name))
    line = refused(bundle)
    assert "has an unsafe name" in line and line.isprintable()


def test_what_is_told_of_a_damaged_manifest_is_safe_to_show(bundle: Path) -> None:
    change(bundle, lambda raw: raw["files"].update({"\x1b[2J" * 100: 1}))
    line = refused(bundle)
    assert "damaged at files." in line and line.isprintable() and len(line) < 300


@pytest.mark.parametrize("name", ["Symbols.json", "notes", "symbols.json/x", "Manifest.json", "readme.md", SIGNATURE])
def test_two_names_that_would_be_one_file_are_refused(bundle: Path, name: str) -> None:
    change(bundle, lambda raw: raw["files"].update({name: "0" * 64}))
    assert "which can't both be" in refused(bundle)


@pytest.mark.parametrize("text", ['{"name": ', "", "[" * 100_000, "{}", "\0"])
def test_a_damaged_manifest_is_one_line(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_text(text)
    assert "damaged at" in refused(bundle)


def test_a_manifest_without_end_is_not_read(bundle: Path) -> None:
    os.truncate(bundle / MANIFEST, MAX_MANIFEST + 1)
    assert "isn't read" in refused(bundle)
