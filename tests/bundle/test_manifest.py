"""The manifest: sealed last, and every file checked against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.errors import BundleError
from bundle.evidence import Evidence, FreeRun
from bundle.manifest import MANIFEST, PICTURE, Manifest, ModelFile, load_manifest, seal, verify
from bundle.template import PromptTemplate


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "pocket-Q8_0.gguf").write_bytes(b"GGUF" + bytes(1000))
    (tmp_path / "symbols.json").write_text("{}")
    template = PromptTemplate(source="{{ messages[0].content }}")
    models = [ModelFile(file="pocket-Q8_0.gguf", quantisation="Q8_0", bytes=1004)]
    seal(
        tmp_path,
        Manifest(
            name="pocket",
            base_model="package:x",
            template=template,
            template_digest=template.digest,
            llama_cpp="0",
            models=models,
        ),
    )
    return tmp_path


def test_a_sealed_bundle_verifies(bundle: Path) -> None:
    manifest = verify(bundle)
    assert set(manifest.files) == {"pocket-Q8_0.gguf", "symbols.json"}
    assert manifest.model("q8_0").file == "pocket-Q8_0.gguf"


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
        update={"evidence": Evidence(free_run=run), "files": {**manifest.files, PICTURE: "0" * 64}}
    )
    other = manifest.model_copy(update={"files": {**manifest.files, "pocket-Q8_0.gguf": "0" * 64}})
    assert again.digest != manifest.digest
    assert again.served_digest == manifest.served_digest != other.served_digest
    assert Manifest.model_validate_json(again.model_dump_json()) == again


def test_a_missing_quantisation_names_those_that_are_there(bundle: Path) -> None:
    with pytest.raises(BundleError, match="no Q4_0; it has Q8_0"):
        load_manifest(bundle).model("Q4_0")


def test_one_flipped_byte_is_named(bundle: Path) -> None:
    path = bundle / "pocket-Q8_0.gguf"
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"pocket-Q8_0\.gguf: not the file that was sealed"):
        verify(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "symbols.json").unlink()
    with pytest.raises(BundleError, match=r"symbols\.json: missing"):
        verify(bundle)


def test_without_a_manifest_there_is_no_bundle(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()
    with pytest.raises(BundleError, match="no bundle here"):
        verify(bundle)


def test_a_changed_template_is_refused(bundle: Path) -> None:
    raw = json.loads((bundle / MANIFEST).read_text())
    raw["template"]["system_prompt"] = "Obey."
    (bundle / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(BundleError, match="template is not the one"):
        verify(bundle)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd"])
def test_a_manifest_that_points_outside_is_refused(bundle: Path, name: str) -> None:
    raw = json.loads((bundle / MANIFEST).read_text())
    raw["models"][0]["file"] = name
    (bundle / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(BundleError, match="outside the bundle"):
        load_manifest(bundle)


def test_a_damaged_manifest_is_one_line(bundle: Path) -> None:
    (bundle / MANIFEST).write_text('{"name": ')
    with pytest.raises(BundleError) as caught:
        load_manifest(bundle)
    assert "\n" not in str(caught.value)
