"""The whole path on a tiny model: killed in the middle of each stage, built all the same, never read by halves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors import safe_open

from boffin.workspace import STAMP
from bundle.atomic import BUILDS
from bundle.manifest import Reading, verify
from bundle.records import EVAL, SYMBOLS, TRAIN, read_records
from bundle.stage import silent
from convert.gguf import convert_to_gguf

PROJECT = """
[project]
name = "tiny"
base = "tiny.gguf"

[[curation.sources]]
kind = "package"
packages = ["requests"]

[curation.grounded]
share = 0.5
passages = 2
characters = 300

[trainer]
recipe = "tiny.toml"
allow_too_long = 1.0

[convert]
quantisations = ["F16"]
held_out_records = 4
measured_records = 1
free_answers = 1

[evaluation]
suite = ""
questions = 2
max_tokens = 8

[appliance]
port = 0
slots = 2
context = 512
"""
RECIPE = 'inherits = "smollm2-135m-cpu"\nmax_steps = 2\nbatch_size = 1\nheld_out_records = 1\n'
ARTEFACTS = ["base", "dataset", "adapter", "base-bundle", "bundle", "report"]
DEADLINE = 180.0
"""Seconds in which a stage has to begin, on a machine that is busy."""


@pytest.fixture(scope="module")
def project(make_base: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose base model is a tiny GGUF file."""
    folder = tmp_path_factory.mktemp("project")
    convert_to_gguf(make_base(), folder / "tiny.gguf", "float32", "tiny", "tiny", silent)
    (folder / "boffin.toml").write_text(PROJECT)
    (folder / "tiny.toml").write_text(RECIPE)
    return folder


def boffin(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "boffin", *arguments, "-C", str(folder)]


def read_whole(artefact: str, folder: Path) -> None:
    """Read an artefact as its readers do; raises if any part of it is missing or damaged."""
    assert (folder / STAMP).is_file()
    match artefact:
        case "dataset":
            assert list(read_records(folder / TRAIN)) and list(read_records(folder / EVAL))
            json.loads((folder / SYMBOLS).read_text())
        case "base" | "adapter":
            with safe_open(next(folder.glob("*.safetensors")), framework="numpy") as weights:
                assert all(weights.get_slice(name).get_shape() for name in weights.keys())  # noqa: SIM118
        case "bundle" | "base-bundle":
            # What a model was trained to read goes along with it.
            assert verify(folder).reading == Reading(passages=2, tokens=100)
        case "report":
            assert json.loads((folder / "report.json").read_text())["candidates"].keys() == {"base", "tuned"}


class Reader(threading.Thread):
    """Reads every artefact over and over, as soon as it is there; keeps what went wrong."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(daemon=True)
        self.workspace = workspace
        self.problems: list[str] = []
        self.reads = dict.fromkeys(ARTEFACTS, 0)
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            for artefact in ARTEFACTS:
                if (self.workspace / artefact).exists():
                    try:
                        read_whole(artefact, (self.workspace / artefact).resolve())
                    except Exception as error:
                        self.problems.append(f"{artefact}: {error!r}")
                    self.reads[artefact] += 1


@pytest.fixture
def reader(project: Path) -> Iterator[Reader]:
    thread = Reader(project / "workspace")
    thread.start()
    yield thread
    thread.done.set()
    thread.join()


def wait_until_begun(workspace: Path, artefact: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a stage is at work: its unfinished folder is there, and its first file where it writes one early."""
    first = {"bundle": ".work/model", "base-bundle": ".work/model"}.get(artefact, "")
    # While it trains, the log lies with the checkpoints; it gets into the adapter when all else is done.
    begun = "checkpoints/*/training.jsonl" if artefact == "adapter" else f"{BUILDS}/{artefact}-*.partial/{first}"
    deadline = time.monotonic() + DEADLINE
    while not any(workspace.glob(begun)):
        assert process.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_in_every_stage_and_built_all_the_same(project: Path, reader: Reader) -> None:
    workspace = project / "workspace"
    for artefact in ARTEFACTS:
        process = subprocess.Popen(boffin(project, "build"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until_begun(workspace, artefact, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (workspace / artefact).exists()
    finished = subprocess.run(boffin(project, "build"), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for artefact in ARTEFACTS:
        read_whole(artefact, (workspace / artefact).resolve())
    assert reader.problems == []
    assert all(reader.reads[artefact] for artefact in ARTEFACTS[:-1])
    assert not list(workspace.glob(f"{BUILDS}/*.partial"))


def test_then_everything_is_up_to_date(project: Path) -> None:
    again = subprocess.run(boffin(project, "build"), capture_output=True, text=True, check=True)
    assert again.stdout.count("up to date") == len(ARTEFACTS)
    status = json.loads(
        subprocess.run(boffin(project, "status", "--json"), capture_output=True, text=True, check=True).stdout
    )
    for artefact in ("dataset", "adapter", "bundle", "report"):
        assert Path(status[artefact]).is_dir()
    assert all(stage["current"] for stage in status["stages"])


def test_the_expert_answers_and_pipes_well(project: Path) -> None:
    asked = subprocess.run(
        boffin(project, "ask", "Why?", "--set", "appliance.sampling.max_tokens=8"),
        input="Traceback: no\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.endswith("\n") and asked.stderr == ""
    assert "\x1b" not in asked.stdout


def test_a_write_that_fails_leaves_the_old_artefact(project: Path) -> None:
    """A stage that fails on the way: here the evaluation, whose held-out records are gone."""
    report = (project / "workspace" / "report").resolve()
    dataset = (project / "workspace" / "dataset").resolve()
    kept = (dataset / EVAL).read_bytes()
    (dataset / EVAL).write_bytes(b"")
    try:
        failed = subprocess.run(boffin(project, "evaluate", "--force"), capture_output=True, text=True, check=False)
    finally:
        (dataset / EVAL).write_bytes(kept)
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert (project / "workspace" / "report").resolve() == report
    read_whole("report", report)
