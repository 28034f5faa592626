"""The image of convert, run under a Docker Engine: it makes a sealed bundle and packs it, without rights or network.

Skipped where there is no engine or no image: `make images` builds it.
CONVERT_IMAGE names another.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from boffin.artefacts import ADAPTER, DATASET
from boffin.build import inputs_of
from boffin.project import Project, open_project
from boffin.stages import STAGES
from boffin.workspace import Stamp, now, write_stamp
from bundle.documentation import write_index
from bundle.manifest import load_manifest, verify
from bundle.passages import DOCUMENTATION
from bundle.records import Provenance, Record, write_records
from tests.containers.conftest import OWNER, give, need
from trainer.base import base_template

IMAGE = os.environ.get("CONVERT_IMAGE", "boffin-convert")
PROJECT = """
[project]
name = "mini"
base = "base"

[[curation.sources]]
kind = "package"
packages = ["json"]

[convert]
quantisations = ["Q8_0", "F16"]
"""


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    need(IMAGE)


@pytest.fixture(scope="module")
def project(make_base: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose dataset and adapter are built, by hand but with PEFT's own files."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "boffin.toml").write_text(PROJECT)
    base = shutil.copytree(make_base(), folder / "base")
    opened = open_project(folder)
    dataset, adapter = opened.workspace.path(DATASET), opened.workspace.path(ADAPTER)
    dataset.mkdir(parents=True)
    provenance = Provenance(
        source="package", package="json", version="1", symbol="json.x", kind="usage", licence="PSF-2.0"
    )
    record = Record(instruction="How do I read JSON?", output="With `json.loads`.", provenance=provenance)
    write_records(dataset / "train.jsonl", [record] * 3)
    write_records(dataset / "eval.jsonl", [record])
    (dataset / "symbols.json").write_text('{"packages": {}}')
    write_index(dataset / DOCUMENTATION, [])
    torch.manual_seed(2)
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM"),
    )
    model.save_pretrained(adapter)
    (adapter / "template.json").write_text(base_template(base, "Be brief.").model_dump_json())
    for artefact in (DATASET, ADAPTER):
        _stamp(opened, artefact)
    return folder


def _stamp(project: Project, artefact: str) -> None:
    stage, folder = STAGES[artefact], project.workspace.path(artefact)
    stamp = Stamp(
        stage=stage.name,
        inputs=inputs_of(project, stage),
        content=stage.content(folder),
        came_in="",
        went_out="",
        seconds=1,
        finished=now(),
    )
    write_stamp(folder, stamp)


def docker(*arguments: str, options: Sequence[str] = ()) -> str:
    command = ["docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL", "--read-only", "--tmpfs", "/tmp"]
    command += ["--security-opt", "no-new-privileges:true", "--env", "HOME=/tmp", *options]
    command += ["--user", f"{OWNER[0]}:{OWNER[1]}"]
    run = subprocess.run([*command, IMAGE, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_it_makes_a_sealed_bundle_and_packs_it(project: Path) -> None:
    give(project)
    mounted = ("--volume", f"{project}:/project")
    docker("convert", options=mounted)
    bundle = (project / "workspace" / "bundle").resolve()
    manifest = verify(bundle)
    assert [model.quantisation for model in manifest.models] == ["Q8_0", "F16"]
    assert manifest.adapter_digest and manifest.licences["json"] == "PSF-2.0"
    assert load_manifest((project / "workspace" / "base-bundle").resolve()).adapter_digest == ""

    assert "all as sealed; not signed" in docker("verify", options=mounted)
    docker("bundle", "pack", "mini.tar.zst", options=mounted)
    docker("bundle", "unpack", "mini.tar.zst", "there", options=mounted)
    assert verify(project / "there") == manifest
    assert "3 to train on, 1 held out" in (project / "there" / "README.md").read_text()


def test_converter_and_runtime_are_of_one_revision_and_nobody_is_root() -> None:
    code = (
        "import json, os; from importlib.metadata import version\n"
        "from convert.llama_source import converter_script, llama_version\n"
        "print(json.dumps([llama_version(), version('llama-cpp-python'), str(converter_script()), os.getuid()]))"
    )
    shown = docker("-c", code, options=["--entrypoint", "python"])
    converter, runtime, script, user = json.loads(shown)
    assert converter == runtime and script.endswith("convert_hf_to_gguf.py") and user != 0
