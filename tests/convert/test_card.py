"""A bundle's model card: what it says, that the hub can read its head, and that text of others stays text."""

from __future__ import annotations

from typing import Any

import yaml
from markdown_it import MarkdownIt
from pydantic import BaseModel

from bundle.manifest import Manifest, ModelFile
from bundle.template import PromptTemplate
from convert.card import Background, card

HOSTILE = "MIT\n---\nlicense: gpl\n# Free <script>alert(1)</script> | [win](https://evil.example) `x` ```\u202e"
TEMPLATE = PromptTemplate(source="", system_prompt="Be brief.")
MANIFEST = Manifest(
    name="my-expert",
    base_model="org/tiny@main",
    base_revision="c" * 40,
    template=TEMPLATE,
    template_digest=TEMPLATE.digest,
    dataset_digest="d" * 64,
    adapter_digest="a" * 64,
    llama_cpp="0.3.36",
    licences={"base": "apache-2.0", "numpy": "BSD-3-Clause"},
    models=[
        ModelFile(file="my-expert-Q4_K_M.gguf", quantisation="Q4_K_M", bytes=104_000_000),
        ModelFile(file="my-expert-Q8_0.gguf", quantisation="Q8_0", bytes=145_000_000),
    ],
)


NOTHING = Background()


def rendered(background: Background = NOTHING, **changes: Any) -> tuple[dict[str, Any], str]:
    """The card's metadata and its text."""
    text = card(MANIFEST.model_copy(update=changes), background)
    begin, metadata, body = text.split("---\n", 2)
    assert begin == ""
    return yaml.safe_load(metadata), body


def test_the_card_says_what_it_is_and_how_it_is_used() -> None:
    metadata, body = rendered(Background("me/my-expert", 1234, 56, "| measure | base |\n|---|---|\n| loss | 1 |"))
    assert metadata == {
        "base_model": "org/tiny",
        "base_model_relation": "finetune",
        "library_name": "gguf",
        "license": "apache-2.0",
        "pipeline_tag": "text-generation",
        "tags": ["gguf", "llama.cpp", "boffin"],
    }
    assert "llama-cli -hf me/my-expert:Q4_K_M -cnv" in body
    assert "ollama run hf.co/me/my-expert:Q4_K_M" in body
    assert "boffin chat --bundle ./my-expert" in body
    assert "| 1,234 to train on, 56 held out |" in body and "| loss | 1 |" in body
    assert "Be brief\\." in body and "d" * 64 in body and "c" * 40 in body
    html = MarkdownIt("gfm-like", {"linkify": False}).render(body)
    assert html.count("<table>") == 4 and html.count("<pre>") == 3
    assert '<td>my-expert-Q4_K_M.gguf</td>\n<td>Q4_K_M</td>\n<td style="text-align:right">104.0</td>' in html
    assert "<td>texts about numpy</td>\n<td>BSD-3-Clause</td>" in html


def test_without_a_hub_it_tells_how_to_use_the_files() -> None:
    metadata, body = rendered(base_model="/home/someone/models/tiny", base_revision="", licences={}, dataset_digest="")
    assert "base_model" not in metadata and "license" not in metadata
    assert "someone" not in body and "base model | tiny |" in body
    assert "llama-cli -m my-expert-Q4_K_M.gguf -cnv" in body and "FROM ./my-expert-Q4_K_M.gguf" in body
    assert "dataset" not in body and "Evaluation" not in body and "records in it" not in body


def test_a_base_alone_is_not_called_tuned() -> None:
    metadata, body = rendered(adapter_digest="")
    assert metadata["base_model_relation"] == "quantized"
    assert "fine-tuned" not in body and "org\\/tiny as it is, in GGUF files" in body


def test_whatever_was_measured_of_each_type_becomes_a_table() -> None:
    class Row(BaseModel):
        quantisation: str
        kept: bool
        held_out_loss: float
        decode: float | None
        remark: str

    class Evidence(BaseModel):
        rows: list[Row]

    class Measured(Manifest):
        evidence: Evidence

    rows = [
        Row(quantisation="Q8_0", kept=True, held_out_loss=0.123456, decode=1234.5, remark=HOSTILE),
        Row(quantisation="Q4_0", kept=False, held_out_loss=2, decode=None, remark=""),
    ]
    text = card(Measured(**MANIFEST.model_dump(exclude={"evidence"}), evidence=Evidence(rows=rows)), Background())
    assert "## Quantisation" in text
    assert "| quantisation | kept | held out loss | decode | remark |\n|---" in text.replace("| --- |", "|--- |")
    assert "| Q8\\_0 | yes | 0.1235 | 1,234 | MIT" in text
    assert "| Q4\\_0 | no | 2 | – |  |" in text


def test_text_of_others_stays_text() -> None:
    template = PromptTemplate(source=HOSTILE, system_prompt=HOSTILE)
    metadata, body = rendered(
        name=HOSTILE,
        base_model=HOSTILE,
        template=template,
        licences={"base": HOSTILE, HOSTILE: HOSTILE},
        llama_cpp=HOSTILE,
        models=[ModelFile(file=HOSTILE, quantisation=HOSTILE, bytes=1)],
    )
    assert metadata["license"] == "other" and "base_model" not in metadata
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body)
    assert "<script" not in html and "href" not in html and "\u202e" not in html
    assert html.count("<h1") == 1 and html.count("<h2") == 3 and html.count("<pre>") == 3
    assert html.count("<table") == 3 and "&lt;script&gt;alert(1)" in html


def test_a_name_in_a_command_is_one_word() -> None:
    _, body = rendered(name="x; rm -rf $HOME", models=[ModelFile(file="-a b`c`.gguf", quantisation="Q8_0", bytes=1)])
    assert "boffin verify ./x__rm_-rf__HOME" in body and "llama-cli -m a_b_c_.gguf -cnv" in body
