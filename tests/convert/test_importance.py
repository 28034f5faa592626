"""The importance matrix: what is summed, the file that llama.cpp reads, and what the quantiser makes of it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from bundle.errors import ConvertError
from bundle.stage import silent
from convert import ggml_tensor
from convert.importance import ImportanceMatrix, compute_importance
from convert.inference import Inference
from convert.passages import Passage
from convert.quantise import quantise

from .conftest import Trained


@pytest.fixture(scope="module")
def importance(trained: Trained) -> ImportanceMatrix:
    return compute_importance(trained.file, trained.passages, 10_000, "four answers", silent)


def test_every_matrix_has_the_mean_square_of_its_inputs(trained: Trained, importance: ImportanceMatrix) -> None:
    matrices = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}
    wanted = {f"blk.{layer}.{matrix}.weight" for layer in (0, 1) for matrix in matrices}
    assert set(importance.entries) == {*wanted, "token_embd.weight"}
    assert importance.tokens == sum(len(passage.tokens) for passage in trained.passages)

    model = LlamaForCausalLM.from_pretrained(trained.file.parent / "merged", dtype=torch.float32)
    inputs: list[torch.Tensor] = []
    model.model.layers[0].mlp.gate_proj.register_forward_hook(lambda _, given, __: inputs.append(given[0][0]))
    with torch.inference_mode():
        for passage in trained.passages:
            model(torch.tensor([passage.tokens[:-1]]))
    expected = torch.cat(inputs).square().mean(dim=0).numpy()
    entry = importance.entries["blk.0.ffn_gate.weight"]
    assert entry.count == sum(len(passage.tokens) - 1 for passage in trained.passages)
    np.testing.assert_allclose(entry.means, expected, rtol=0.02)
    # The last layer is only computed where a token of an answer is predicted.
    assert importance.entries["blk.1.ffn_gate.weight"].count == sum(len(one.targets) for one in trained.passages)


def test_the_file_is_of_the_form_that_llama_cpp_reads(importance: ImportanceMatrix, tmp_path: Path) -> None:
    importance.write(tmp_path / "imatrix.gguf")
    reader = gguf.GGUFReader(tmp_path / "imatrix.gguf")
    assert reader.fields["general.type"].contents() == "imatrix"
    assert reader.fields["imatrix.datasets"].contents() == ["four answers"]
    assert reader.fields["imatrix.chunk_count"].contents() == importance.chunks
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert set(tensors) == {f"{name}.{part}" for name in importance.entries for part in ("in_sum2", "counts")}
    entry = importance.entries["blk.1.ffn_down.weight"]
    assert list(tensors["blk.1.ffn_down.weight.in_sum2"].shape) == [128, 1]
    assert list(tensors["blk.1.ffn_down.weight.counts"].shape) == [1, 1]
    assert float(tensors["blk.1.ffn_down.weight.counts"].data.item()) == entry.count
    np.testing.assert_allclose(tensors["blk.1.ffn_down.weight.in_sum2"].data[0], entry.squares, rtol=1e-6)


def test_reading_stops_when_enough_tokens_are_read(trained: Trained) -> None:
    few = compute_importance(trained.file, trained.passages, 1, "one", silent)
    assert few.tokens == len(trained.passages[0].tokens)


def test_the_quantiser_takes_it_and_says_so(trained: Trained, importance: ImportanceMatrix, tmp_path: Path) -> None:
    quantise(trained.file, tmp_path / "plain.gguf", "Q4_0", 2)
    quantise(trained.file, tmp_path / "weighed.gguf", "Q4_0", 2, importance)
    plain, weighed = (gguf.GGUFReader(tmp_path / f"{name}.gguf") for name in ("plain", "weighed"))
    assert "quantize.imatrix.dataset" not in plain.fields
    assert weighed.fields["quantize.imatrix.dataset"].contents() == "four answers"
    assert weighed.fields["quantize.imatrix.entries_count"].contents() == len(importance.entries)

    def errors(reader: gguf.GGUFReader) -> float:
        """Error of a matrix's outputs on the records, per output."""
        exact = next(one for one in gguf.GGUFReader(trained.file).tensors if one.name == "blk.0.ffn_down.weight")
        made = next(one for one in reader.tensors if one.name == exact.name)
        change = gguf.dequantize(made.data, made.tensor_type) - exact.data.astype(np.float32)
        return float((np.square(change) * importance.entries[exact.name].means).sum())

    assert errors(weighed) < errors(plain)


def test_another_layout_of_tensors_is_refused(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    class Longer(ctypes.Structure):
        _fields_ = (*ggml_tensor._Tensor._fields_, ("more", ctypes.c_int64))

    monkeypatch.setattr(ggml_tensor, "_Tensor", Longer)
    with pytest.raises(ConvertError, match=r"lays out its tensors otherwise.*importance_bits"):
        compute_importance(trained.file, trained.passages, 10, "x", silent)


def test_values_that_are_no_numbers_are_refused(trained: Trained, planted: Callable[..., Path]) -> None:
    def spoil(reader: gguf.GGUFReader) -> None:
        tensor = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.attn_norm.weight")
        tensor.data[...] = float("nan")

    with pytest.raises(ConvertError, match="no numbers"):
        compute_importance(planted(trained.file, spoil), trained.passages, 10, "x", silent)


def test_logits_are_those_of_transformers_beyond_one_batch(trained: Trained) -> None:
    tokens = tuple((7 * place) % 1000 + 300 for place in range(700))
    passage = Passage(tokens, 500, 699, "long")
    with Inference(trained.base_file, 1024) as inference:
        rows = inference.logits(passage.tokens, passage.first)
        late = inference.logits(passage.tokens, 600)
    with torch.inference_mode():
        model = LlamaForCausalLM.from_pretrained(trained.base, dtype=torch.float32)
        expected = model(torch.tensor([tokens])).logits[0, 499:-1].numpy()
    assert rows.shape == expected.shape == (200, 49152)
    assert late.shape == (100, 49152)
    assert (rows.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.98
    np.testing.assert_allclose(late, rows[100:], atol=1e-4)
