"""What a bundle holds on request: merged safetensors, the adapter alone, a Modelfile: it works or is refused early."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoTokenizer, LlamaForCausalLM

from bundle.errors import ConvertError
from bundle.manifest import verify
from bundle.stage import silent
from bundle.template import REFERENCE_TEMPLATE, Message, PromptTemplate
from convert.ollama import modelfile
from convert.settings import ConvertSettings
from convert.stage import run

from .runtime import logits_of

LLAMA_3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def uneven(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter whose scales differ from module to module."""
    torch.manual_seed(3)
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        use_rslora=True,
        target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={"v_proj": 2},
        alpha_pattern={"down_proj": 3},
    )
    wrapped = get_peft_model(LlamaForCausalLM.from_pretrained(base), config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    folder = tmp_path_factory.mktemp("uneven")
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def extended(
    base: Path, uneven: Path, template: PromptTemplate, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("extended")
    settings = ConvertSettings(quantisations=("F16",), also=("safetensors", "lora", "ollama"))
    run(settings, "tiny", "org/tiny", "abc", base, uneven, template, dataset, out, silent)
    return out


@pytest.fixture(scope="module")
def expected(base: Path, uneven: Path, template: PromptTemplate) -> tuple[list[int], np.ndarray, np.ndarray]:
    """A prompt's tokens, and the logits of the base and of the base with its adapter unmerged."""
    prompt = template.render([{"role": "user", "content": "How do I sort 3 lists in numpy 2?"}])
    tokens = AutoTokenizer.from_pretrained(base)(prompt, add_special_tokens=False).input_ids
    with torch.no_grad():
        plain = LlamaForCausalLM.from_pretrained(base)
        untrained = plain(torch.tensor([tokens])).logits[0].numpy()
        trained = PeftModel.from_pretrained(plain, uneven)(torch.tensor([tokens])).logits[0].numpy()
    return tokens, untrained, trained


def test_all_of_it_is_sealed(extended: Path) -> None:
    files = verify(extended).files
    assert {"Modelfile", "tiny-F16.gguf", "tiny-lora.gguf", "symbols.json"} <= set(files)
    assert {"safetensors/model.safetensors", "safetensors/config.json", "safetensors/tokenizer.json"} <= set(files)
    assert not any(path.is_symlink() for path in extended.rglob("*"))


def test_the_safetensors_are_the_trained_model(
    extended: Path, template: PromptTemplate, expected: tuple[list[int], np.ndarray, np.ndarray]
) -> None:
    tokens, untrained, trained = expected
    tokenizer = AutoTokenizer.from_pretrained(extended / "safetensors")
    messages = [{"role": "system", "content": template.system_prompt}, {"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == template.render(
        messages
    )
    model = LlamaForCausalLM.from_pretrained(extended / "safetensors", dtype=torch.float32)
    with torch.no_grad():
        found = model(torch.tensor([tokens])).logits[0].numpy()
    assert np.abs(found - trained).max() < 0.02 * np.abs(trained - untrained).max()


def test_the_adapter_alone_makes_of_the_base_the_trained_model(
    extended: Path,
    base: Path,
    template: PromptTemplate,
    tmp_path: Path,
    expected: tuple[list[int], np.ndarray, np.ndarray],
) -> None:
    tokens, untrained, trained = expected
    run(ConvertSettings(quantisations=("F16",)), "base", "org/tiny", "", base, None, template, None, tmp_path, silent)
    found = logits_of(tmp_path / "base-F16.gguf", tokens, extended / "tiny-lora.gguf")
    assert np.abs(found - trained).max() < 0.02 * np.abs(trained - untrained).max()


def _as_ollama_renders(text: str, messages: Sequence[Message]) -> str:
    """The Modelfile's template for a conversation: the few words of Go's language in it, as jinja2 has them."""
    found = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
    system = re.search(r'SYSTEM """(.*?)"""', text, re.DOTALL)
    assert found
    source = found[1]
    for go, jinja in (
        ("{{- range .Messages }}", "{%- for m in messages %}"),
        ('{{ if eq .Role "system" }}', "{% if m.role == 'system' %}"),
        ('{{ else if eq .Role "user" }}', "{% elif m.role == 'user' %}"),
        ("{{ else }}", "{% else %}"),
        ("{{ end }}{{ end }}", "{% endif %}{% endfor %}"),
        ("{{ end }}", "{% endfor %}"),
        ("{{ .Role }}", "{{ m.role }}"),
        ("{{ .Content }}", "{{ m.content }}"),
    ):
        source = source.replace(go, jinja)
    turns = [*messages]
    if system and messages[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system[1]})
    return jinja2.Environment(keep_trailing_newline=True).from_string(source).render(messages=turns)


CONVERSATIONS: list[list[Message]] = [
    [{"role": "user", "content": "How do I take a norm? 🙂"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Sort\nthis"}],
    [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "```python\nprint({1: 2})\n```"},
        {"role": "user", "content": "Two"},
    ],
]


@pytest.mark.parametrize("system", ["Answer with code.", ""])
@pytest.mark.parametrize("adds_start", [False, True])
@pytest.mark.parametrize(
    ("source", "bos", "eos"),
    [
        (CHATML, "", "<|im_end|>"),
        (LLAMA_3, "<|begin_of_text|>", "<|eot_id|>"),
        (REFERENCE_TEMPLATE, "<s>", "</s>"),
    ],
    ids=["ChatML", "Llama 3", "reference"],
)
def test_ollama_renders_the_trained_prompt(source: str, bos: str, eos: str, adds_start: bool, system: str) -> None:
    template = PromptTemplate(source=source, bos_token=bos, eos_token=eos, system_prompt=system)
    if adds_start and not bos:
        with pytest.raises(ConvertError, match="BOS token"):
            modelfile(template, "tiny.gguf", adds_start)
        return
    if source == REFERENCE_TEMPLATE and not system:
        # Without a system message the reference run's prompt has no BOS token, which Ollama can't leave out.
        with pytest.raises(ConvertError, match="leave `ollama` out"):
            modelfile(template, "tiny.gguf", adds_start)
        return
    text = modelfile(template, "tiny.gguf", adds_start)
    assert text.startswith("FROM ./tiny.gguf\n")
    assert f'PARAMETER stop "{eos}"' in text
    for messages in CONVERSATIONS:
        rendered = _as_ollama_renders(text, messages)
        assert (bos if adds_start else "") + rendered == template.render(messages)


def test_the_bundles_modelfile_has_the_trained_template(extended: Path, template: PromptTemplate) -> None:
    text = (extended / "Modelfile").read_text()
    assert text.startswith("FROM ./tiny-F16.gguf\n") and 'PARAMETER stop "<|im_end|>"' in text
    for messages in CONVERSATIONS:
        assert _as_ollama_renders(text, messages) == template.render(messages)


def test_a_base_models_own_system_message_is_kept(base: Path) -> None:
    from trainer.base import base_template

    own = base_template(base, "")  # its template puts "You are a helpful AI assistant named SmolLM …" first
    text = modelfile(own, "tiny.gguf", False)
    assert "named SmolLM" in text
    for messages in CONVERSATIONS:
        assert _as_ollama_renders(text, messages) == own.render(messages)


def test_another_template_is_refused_before_the_work(base: Path, adapter: Path, tmp_path: Path) -> None:
    source = CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'")
    settings = ConvertSettings(also=("ollama",))
    with pytest.raises(ConvertError, match="Ollama's template language can't say this") as caught:
        run(settings, "tiny", "org/tiny", "", base, adapter, PromptTemplate(source=source), None, tmp_path, silent)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lora", "says"),
    [
        ({"use_dora": True}, "q_proj has DoRA"),
        ({"modules_to_save": ["norm"]}, r"it replaces model\..*norm\.weight as a whole"),
    ],
)
def test_an_adapter_that_no_gguf_lora_can_hold_is_refused_before_the_work(
    base: Path, template: PromptTemplate, tmp_path: Path, lora: dict[str, object], says: str
) -> None:
    model = LlamaForCausalLM.from_pretrained(base)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], **lora)).save_pretrained(tmp_path / "adapter")
    out = tmp_path / "out"
    out.mkdir()
    settings = ConvertSettings(also=("lora",))
    with pytest.raises(ConvertError, match=says) as caught:
        run(settings, "tiny", "org/tiny", "", base, tmp_path / "adapter", template, None, out, silent)
    assert "\n" not in str(caught.value)
    assert not list(out.iterdir())
