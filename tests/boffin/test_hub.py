"""A base model from the hub: what is fetched, how it goes on, what works offline, and each refusal in one line."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE

from boffin.base import base_digest, find_base, hub_reference
from bundle.errors import BaseModelError

NAME = "org/tiny"
COMMIT = "c" * 40
WEIGHTS = random.Random(0).randbytes(300_000)
WANTED = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "README.md": b"---\nlicense: mit\n---\n",
}
UNWANTED = {
    "pytorch_model.bin": b"pickle",
    "training_args.bin": b"pickle",
    "modeling_tiny.py": b"raise SystemExit",
    "consolidated.safetensors": WEIGHTS,
    "original/params.json": b"{}",
    "original/consolidated.00.pth": b"pickle",
    "onnx/model.safetensors": WEIGHTS,
}
FIND = """
import sys
from pathlib import Path
from boffin.base import find_base
from bundle.errors import BoffinError
try:
    source = find_base(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
except BoffinError as error:
    sys.exit(f"ERROR {error}")
print(source.path, source.revision)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def model(hub: Any) -> Any:
    return hub.add(NAME, WANTED | UNWANTED)


@pytest.fixture
def find(with_hub: Run, tmp_path: Path) -> Callable[..., tuple[Path, str]]:
    def found(name: str = NAME, revision: str = "", **variables: Any) -> tuple[Path, str]:
        run = with_hub("-c", FIND, name, revision, str(tmp_path), **variables)
        assert run.returncode == 0, run.stderr
        path, commit = run.stdout.split()
        return Path(path), commit

    return found


@pytest.fixture
def refused(with_hub: Run, tmp_path: Path) -> Callable[..., str]:
    def line(name: str = NAME, revision: str = "", **variables: Any) -> str:
        run = with_hub("-c", FIND, name, revision, str(tmp_path), **variables)
        said = run.stderr.partition("ERROR ")[2].strip()
        assert run.returncode == 1 and said and "\n" not in said and "Traceback" not in run.stderr, run.stderr
        assert said.startswith("project.base")
        return said

    return line


def fetched(hub: Any) -> list[tuple[str, str]]:
    """File and Range of each download, in order."""
    return [
        (path.rpartition("/")[2], span)
        for method, path, span in hub.requests
        if method == "GET" and "/resolve/" in path
    ]


def test_what_is_fetched_is_data_and_no_more(hub: Any, find: Any) -> None:
    folder, commit = find(f"{NAME}@main")
    assert commit == COMMIT
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == WANTED
    hub.requests.clear()
    assert find(NAME, COMMIT) == (folder, COMMIT)  # a commit is for ever: nothing has to be asked
    assert not fetched(hub)


def test_a_download_that_breaks_goes_on_where_it_broke(hub: Any, model: Any, find: Any) -> None:
    weights = model.files["model.safetensors"] = random.Random(1).randbytes(2 * DOWNLOAD_CHUNK_SIZE + 5000)
    hub.break_off = "model.safetensors"
    folder, _ = find()
    assert (folder / "model.safetensors").read_bytes() == weights
    spans = [span for file, span in fetched(hub) if file == "model.safetensors"]
    assert spans == ["", f"bytes={DOWNLOAD_CHUNK_SIZE}-"]  # whole pieces count


def test_a_fetch_that_failed_fetches_only_the_rest(hub: Any, model: Any, refused: Any, find: Any) -> None:
    del model.files["model.safetensors"]
    assert "has no .safetensors file, and pickled weights are never loaded" in refused()
    model.files |= WANTED
    model.commit = "e" * 40
    hub.requests.clear()
    folder, commit = find()
    assert commit == "e" * 40 and (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert [file for file, _ in fetched(hub)] == ["model.safetensors"]  # the others' contents are in the cache


def test_the_cache_is_enough_offline(hub: Any, find: Any, refused: Any) -> None:
    expected = find()
    hub.requests.clear()
    assert find(HF_HUB_OFFLINE="1") == expected
    assert not hub.requests
    (expected[0] / "model.safetensors").unlink()
    assert "HF_HUB_OFFLINE is set, and it isn't whole" in refused(HF_HUB_OFFLINE="1")


def test_a_cache_made_elsewhere_is_enough_offline(find: Any, tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "hub" / "models--org--carried"
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name, data in WANTED.items():
        (snapshot / name).write_bytes(data)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    assert find("org/carried", HF_HUB_OFFLINE="1") == (snapshot, COMMIT)


def test_a_gated_model(model: Any, refused: Any, find: Any) -> None:
    model.gated = True
    line = refused()
    assert f"{NAME} is gated; ask for access on http://127.0.0.1" in line and "set HF_TOKEN" in line
    assert "your token has no access yet" in refused(HF_TOKEN="hf_standin")
    model.granted = True
    assert find(HF_TOKEN="hf_standin")[1] == COMMIT


def test_what_the_hub_does_not_have(refused: Any) -> None:
    assert "the hub has no model org/nothing, or it is private; check the name" in refused("org/nothing")
    assert f"{NAME} has no revision 'v9'; http://127.0.0.1" in refused(revision="v9")
    assert "has no revision" in refused(f"{NAME}@{'a' * 40}")


def test_a_model_that_is_none(model: Any, refused: Any) -> None:
    del model.files["config.json"]
    assert "has no config.json" in refused()


def test_no_hub_there(hub: Any, refused: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    line = refused(HF_ENDPOINT=f"http://127.0.0.1:{port}")
    assert "can't be fetched" in line and "check the network" in line
    hub.failing = True
    assert "check the network and run the command again" in refused()


def test_a_full_disk(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    mount = f'mount -t tmpfs -o size=128k tmpfs "{tmp_path}/hub" && exec "$@"'
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    prefix = ("unshare", "--mount", *user, "sh", "-c", mount, "sh")
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no private mount")
    assert "the disk is full; free some space" in refused(prefix=prefix)


def test_a_revision_is_written_in_one_place(tmp_path: Path) -> None:
    assert hub_reference("org/name@v1.0", "", tmp_path) == hub_reference("org/name", "v1.0", tmp_path)
    assert hub_reference("org/name", "", tmp_path) == ("org/name", "")
    assert base_digest("org/name@v1", "", tmp_path) == base_digest("org/name", "v1", tmp_path)
    assert base_digest("org/name@v1", "", tmp_path) != base_digest("org/name", "v2", tmp_path)
    with pytest.raises(BaseModelError, match=r"the revision v1, but project\.revision is v2; keep one"):
        hub_reference("org/name@v1", "v2", tmp_path)


def test_a_folder_goes_before_the_hub(tmp_path: Path) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "config.json").write_text("{}")
    assert find_base("org/name", "", tmp_path).path == tmp_path / "org" / "name"
    assert hub_reference("org/name", "", tmp_path) is None
    for name in ("../name", "models/base.gguf", "a/b/c", "package:llm"):
        assert hub_reference(name, "", tmp_path) is None
