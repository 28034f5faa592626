"""Clients that aren't ours read a bundle's GGUF file: the prompt that they make is the one that was trained on."""

from __future__ import annotations

import ctypes
from pathlib import Path

import gguf
import llama_cpp
import pytest
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from transformers import AutoTokenizer

from bundle.manifest import load_manifest
from bundle.records import EVAL, read_records
from bundle.template import Message, PromptTemplate
from convert.proof import NASTY

from .conftest import Made


@pytest.fixture
def conversations(made: Made, dataset: Path) -> list[list[Message]]:
    """Every held-out prompt and every text at which tokenizers differ, with the system message, some with a past."""
    system = {"role": "system", "content": load_manifest(made.folder).template.system_prompt}
    questions = [record.question for record in read_records(dataset / EVAL)] + list(NASTY)
    past = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "np.ones(3)\n"}]
    asked: list[list[Message]] = [[system, {"role": "user", "content": question}] for question in questions]
    return [*asked, *([system, *past, *turns[1:]] for turns in asked)]


@pytest.fixture(params=["tiny-F16.gguf", "tiny-Q4_0.gguf"])
def file(made: Made, request: pytest.FixtureRequest) -> Path:
    return made.folder / str(request.param)


def test_llama_cpps_own_renderer_agrees(
    file: Path, conversations: list[list[Message]], template: PromptTemplate
) -> None:
    model = llama_cpp.Llama(str(file), vocab_only=True, verbose=False)
    source = llama_cpp.llama_model_chat_template(model.model, None)
    assert source is not None and source.decode() == template.source
    for messages in conversations:
        chat = (llama_cpp.llama_chat_message * len(messages))(
            *(llama_cpp.llama_chat_message(one["role"].encode(), one["content"].encode()) for one in messages)
        )
        room = 4 * sum(len(one["content"].encode()) + 100 for one in messages)
        buffer = ctypes.create_string_buffer(room)
        length = llama_cpp.llama_chat_apply_template(source, chat, len(messages), True, buffer, room)
        assert buffer.raw[:length].decode() == template.render(messages)
    model.close()


def test_llama_cpp_pythons_formatter_agrees(
    file: Path, conversations: list[list[Message]], template: PromptTemplate
) -> None:
    model = llama_cpp.Llama(str(file), vocab_only=True, verbose=False)
    told = model.metadata
    model.close()
    formatter = Jinja2ChatFormatter(told["tokenizer.chat_template"], template.eos_token, template.bos_token)
    for messages in conversations:
        assert formatter(messages=[dict(one) for one in messages]).prompt == template.render(messages)


def test_transformers_agrees(made: Made, conversations: list[list[Message]], template: PromptTemplate) -> None:
    tokenizer = AutoTokenizer.from_pretrained(made.folder, gguf_file="tiny-F16.gguf")
    for messages in conversations:
        rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert rendered == template.render(messages)


def test_the_gguf_package_reads_all_tensors(made: Made) -> None:
    reader = gguf.GGUFReader(made.folder / "tiny-Q4_0.gguf")
    names = {str(tensor.name) for tensor in reader.tensors}
    assert {"token_embd.weight", "blk.0.attn_q.weight", "blk.1.ffn_down.weight"} <= names
    assert reader.get_field("general.architecture").contents() == "llama"
