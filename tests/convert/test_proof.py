"""The proof: a planted fault of each kind is refused by its own line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from bundle.errors import ConvertError
from bundle.stage import silent
from bundle.template import PromptTemplate
from convert.proof import prove

from .conftest import Made, record


@pytest.fixture
def changed_base(make_base: Callable[..., Path]) -> Callable[[Callable[[dict], None]], Path]:
    """A base whose tokenizer.json was changed after the GGUF was made."""

    def make(change: Callable[[dict], None]) -> Path:
        folder = make_base()
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        change(tokenizer)
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        return folder

    return make


def _swap(tokenizer: dict) -> None:
    vocab = tokenizer["model"]["vocab"]
    vocab["Ġzebra"], vocab["Ġviolin"] = vocab["Ġviolin"], vocab["Ġzebra"]


def _join_digits(tokenizer: dict) -> None:
    tokenizer["pre_tokenizer"] = tokenizer["pre_tokenizer"]["pretokenizers"][1]


def test_the_same_tokenizer_is_proven(made: Made, base: Path, template: PromptTemplate) -> None:
    prove([made.folder / "tiny-Q4_0.gguf"], base, template, [record("A zebra and a violin?", "Yes.")], silent)


def test_one_wrong_token_id_is_found_in_a_held_out_record(
    made: Made, changed_base: Callable[..., Path], template: PromptTemplate
) -> None:
    with pytest.raises(ConvertError, match=r"token .* is .* where the model was trained") as caught:
        prove([made.folder / "tiny-Q8_0.gguf"], changed_base(_swap), template, [record("A zebra?", "No.")], silent)
    assert "\n" not in str(caught.value)


def test_another_way_of_splitting_text_is_found_without_a_dataset(
    made: Made, changed_base: Callable[..., Path], template: PromptTemplate
) -> None:
    with pytest.raises(ConvertError, match="where the model was trained"):
        prove([made.folder / "tiny-Q8_0.gguf"], changed_base(_join_digits), template, [], silent)


def test_a_changed_template_is_found(made: Made, base: Path, template: PromptTemplate) -> None:
    other = template.model_copy(update={"source": template.source.replace("SmolLM", "Other")})
    with pytest.raises(ConvertError, match="prompt template is not the trained one"):
        prove([made.folder / "tiny-Q8_0.gguf"], base, other, [], silent)


def test_an_end_that_llama_cpp_does_not_know_is_found(base: Path, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + ' STOP' }}{% endfor %}" + (
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    monkeypatch.setattr("convert.vocabulary.Vocabulary.chat_template", source)
    with pytest.raises(ConvertError, match="would not stop at 'STOP'"):
        prove([made.folder / "tiny-Q8_0.gguf"], base, PromptTemplate(source=source), [], silent)


def _swap_in_the_file(reader: gguf.GGUFReader) -> None:
    """Two words of one length change their ids."""
    tokens = reader.fields["tokenizer.ggml.tokens"]
    one, other = (tokens.parts[tokens.data[token]] for token in _ids(tokens, "Ġzebra", "Ġtiger"))
    kept = one.copy()
    one[:], other[:] = other.copy(), kept


def _ids(tokens: gguf.ReaderField, *texts: str) -> list[int]:
    every = tokens.contents()
    return [every.index(text) for text in texts]


def test_one_wrong_token_id_in_the_file_is_found(
    made: Made, base: Path, template: PromptTemplate, planted: Callable[..., Path]
) -> None:
    file = planted(made.folder / "tiny-Q8_0.gguf", _swap_in_the_file)
    with pytest.raises(ConvertError, match=r"token \d+ of .* is \[\d+\] where the model was trained and"):
        prove([file], base, template, [record("A zebra?", "No.")], silent)


def _change_the_template(reader: gguf.GGUFReader) -> None:
    text = reader.fields["tokenizer.chat_template"].parts[-1]
    text[text.tobytes().index(b"assistant")] = ord("A")


def test_a_changed_template_in_the_file_is_found(
    made: Made, base: Path, template: PromptTemplate, planted: Callable[..., Path]
) -> None:
    file = planted(made.folder / "tiny-Q8_0.gguf", _change_the_template)
    with pytest.raises(ConvertError, match=r"prompt template is not the trained one \(from character \d+\)"):
        prove([file], base, template, [], silent)


@pytest.mark.parametrize(
    ("key", "says"), [("eos_token_id", "token 5 ends a sequence"), ("bos_token_id", "token 5 begins a sequence")]
)
def test_another_token_for_beginning_or_end_is_found(
    made: Made, base: Path, template: PromptTemplate, planted: Callable[..., Path], key: str, says: str
) -> None:
    def change(reader: gguf.GGUFReader) -> None:
        reader.fields[f"tokenizer.ggml.{key}"].parts[-1][0] = 5

    with pytest.raises(ConvertError, match=says) as caught:
        prove([planted(made.folder / "tiny-Q8_0.gguf", change)], base, template, [], silent)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_line(made: Made, base: Path, template: PromptTemplate, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes((made.folder / "tiny-Q8_0.gguf").read_bytes()[:5000])
    with pytest.raises(ConvertError, match=r"short\.gguf: llama\.cpp can't load it") as caught:
        prove([short], base, template, [], silent)
    assert "\n" not in str(caught.value)
