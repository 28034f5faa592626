"""The proof that the GGUF file is the trained model: each planted fault is refused, by its own line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from bundle.errors import BundleError, ConvertError
from bundle.evidence import Proof
from bundle.manifest import load_manifest
from bundle.stage import silent
from convert.fidelity import judge, prove_fidelity
from convert.settings import ConvertSettings
from convert.stage import run

from .conftest import Trained


def _refused(trained: Trained, file: Path) -> str:
    with pytest.raises(ConvertError) as caught:
        prove_fidelity(file, trained.base, trained.adapter, trained.passages, trained.tokenizer, silent)
    assert "\n" not in str(caught.value)
    assert "nothing was sealed" in str(caught.value)
    return str(caught.value)


def test_the_trained_model_is_proven(trained: Trained) -> None:
    proof = prove_fidelity(trained.file, trained.base, trained.adapter, trained.passages, trained.tokenizer, silent)
    assert proof.records == 4
    assert proof.tokens == sum(len(passage.targets) for passage in trained.passages)
    assert proof.same_top == 1
    assert proof.divergence < 0.001
    assert proof.learned is not None and proof.learned > 1
    assert proof.loss_trained < proof.loss_base / 2
    assert proof.adapter_found == pytest.approx(1, abs=0.01)
    assert proof.ends_trained == proof.ends_file == 4


def test_a_base_without_adapter_is_proven_against_itself(trained: Trained) -> None:
    proof = prove_fidelity(trained.base_file, trained.base, None, trained.passages, trained.tokenizer, silent)
    assert proof.learned is proof.adapter_found is None
    assert proof.loss_base == proof.loss_trained == pytest.approx(proof.loss_file, abs=0.01)


def test_a_dropped_adapter_is_refused(trained: Trained) -> None:
    assert "the adapter is not in it" in _refused(trained, trained.base_file)


def _again(file: Path, base: Path) -> Callable[[gguf.GGUFReader], None]:
    """Adds what the adapter changed once more to each matrix: W + 2 Δ = 2 (W + Δ) - W."""

    def change(reader: gguf.GGUFReader) -> None:
        before = {tensor.name: tensor.data for tensor in gguf.GGUFReader(base).tensors}
        for tensor in reader.tensors:
            once = tensor.data.astype(np.float32)
            tensor.data[...] = (2 * once - before[tensor.name].astype(np.float32)).astype(tensor.data.dtype)

    return change


def test_an_adapter_merged_twice_is_refused(trained: Trained, planted: Callable[..., Path]) -> None:
    file = planted(trained.file, _again(trained.file, trained.base_file))
    assert "the adapter is merged twice" in _refused(trained, file)


def _forget_the_end(reader: gguf.GGUFReader) -> None:
    """Empty the output's row of `<|im_end|>`, as where a converter cut the vocabulary and filled it up again."""
    tensor = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    tensor.data[2] = 0


def test_an_end_of_turn_that_got_lost_is_refused(trained: Trained, planted: Callable[..., Path]) -> None:
    line = _refused(trained, planted(trained.file, _forget_the_end))
    assert "the end of the turn got lost: it is the likeliest token at the end of" in line
    assert "How do I" in line


def _spoil_a_layer(reader: gguf.GGUFReader) -> None:
    tensor = next(tensor for tensor in reader.tensors if tensor.name == "blk.1.ffn_down.weight")
    tensor.data[...] = np.roll(tensor.data, 1, axis=0)


def test_a_damaged_layer_is_refused_and_the_first_difference_is_named(
    trained: Trained, planted: Callable[..., Path]
) -> None:
    line = _refused(trained, planted(trained.file, _spoil_a_layer))
    assert "first" in line and "in place of" in line


GOOD = Proof(
    records=100,
    tokens=1000,
    same_top=0.999,
    divergence=0.0001,
    learned=0.4,
    loss_base=1.8,
    loss_trained=1.4,
    loss_file=1.4,
    ends_trained=90,
    ends_file=90,
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ends_file": 87}, "the end of the turn got lost: .* 87 of 100 .* 90 in the trained"),
        ({"loss_file": 1.49}, "washed out: 77% of the drop"),
        ({"same_top": 0.9899}, "99.0% of 1,000 tokens"),
        ({"divergence": 0.0051}, "diverge by 0.0051 nats"),
        ({"learned": 0.00001, "divergence": 0.002}, "the adapter is not in it: .* 0.0020 from the trained model's"),
    ],
    ids=["end", "adapter", "top", "divergence", "small adapter"],
)
def test_each_bound_is_kept(change: dict[str, float], says: str) -> None:
    assert judge(GOOD) == ""
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(judge(GOOD.model_copy(update=change)))


@pytest.mark.parametrize(
    "change",
    [
        {"ends_file": 88},
        {"loss_file": 1.47},
        {"same_top": 0.99},
        {"divergence": 0.005},
        {"loss_trained": 2.0},
        {"loss_trained": 1.799, "loss_file": 1.8},
        {"learned": 0.00001, "divergence": 0.00001},
    ],
)
def test_what_is_just_good_enough_passes(change: dict[str, float]) -> None:
    assert judge(GOOD.model_copy(update=change)) == ""


def test_the_stage_seals_nothing_that_is_not_the_trained_model(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert_the_base(folder: Path, out: Path, *_: object) -> None:
        out.write_bytes(trained.base_file.read_bytes())

    monkeypatch.setattr("convert.stage.convert_to_gguf", convert_the_base)
    inputs = ("tiny", "org/tiny", "", trained.base, trained.adapter, trained.template, trained.dataset)
    with pytest.raises(ConvertError, match="the adapter is not in it"):
        run(ConvertSettings(), *inputs, tmp_path, silent)
    assert not list(tmp_path.iterdir())
    with pytest.raises(BundleError, match="no bundle here"):
        load_manifest(tmp_path)
