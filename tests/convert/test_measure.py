"""The measured choice: figures that are right, the fastest that is good enough, the picture, how answers end."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from appliance.engine.request import TOP_K as SERVED_TOP_K
from appliance.engine.sampler import PENALISED as SERVED_PENALISED
from appliance.settings import Sampling
from bundle.errors import ConvertError
from bundle.evidence import Evidence, FreeRun, Measurement
from bundle.manifest import verify
from bundle.stage import silent
from convert import freerun
from convert.candidates import Candidate, kept_types
from convert.freerun import loops, run_freely
from convert.inference import Inference
from convert.measure import measure, pick
from convert.picture import picture
from convert.quantise import FILE_TYPES, bits_of, quantise
from convert.settings import ConvertSettings
from convert.stage import run
from convert.table import lines

from .conftest import Trained


@pytest.fixture(scope="module")
def rows(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> list[Measurement]:
    folder = tmp_path_factory.mktemp("quantised")
    candidates = [Candidate(name, folder / f"{name}.gguf") for name in ("Q8_0", "Q4_0", "Q2_K")]
    for candidate in candidates:
        quantise(trained.file, candidate.path, candidate.quantisation, 2)
    return measure(Candidate("F16", trained.file), candidates, trained.passages, 5.0, silent)


def test_every_type_is_measured_against_the_unquantised_file(trained: Trained, rows: list[Measurement]) -> None:
    assert [row.quantisation for row in rows] == ["F16", "Q8_0", "Q4_0", "Q2_K"]
    assert [row.reference for row in rows] == [True, False, False, False]
    full, eight, four, _ = rows
    assert full.divergence == full.divergence_99 == 0 and full.same_top == 1
    assert 0 < eight.divergence < four.divergence
    assert eight.divergence <= eight.divergence_99
    assert eight.survival == pytest.approx(1 - eight.divergence / 5)
    assert full.perplexity == pytest.approx(math.exp(full.loss))
    assert full.bytes == trained.file.stat().st_size
    assert full.bits == pytest.approx(16, abs=0.1)
    assert eight.bits == pytest.approx(8.5, abs=0.1)
    assert all(row.prefill > 0 and row.decode > 0 and row.answer_seconds > 0 for row in rows)


def test_the_loss_is_that_of_the_answers_alone(trained: Trained, rows: list[Measurement]) -> None:
    total = count = 0.0
    with Inference(trained.file, 512) as inference:
        for passage in trained.passages:
            for row, target in zip(inference.logits(passage.tokens, passage.first), passage.targets, strict=True):
                total += math.log(np.exp(row.astype(np.float64) - row[target]).sum())
                count += 1
    assert rows[0].loss == pytest.approx(total / count, rel=1e-3)


def _row(name: str, loss: float, seconds: float, *, reference: bool = False) -> Measurement:
    return Measurement(
        quantisation=name,
        reference=reference,
        bytes=1000,
        bits=4.5,
        loss=loss,
        divergence=0.01,
        divergence_99=0.1,
        same_top=0.9,
        prefill=100,
        decode=10,
        answer_seconds=seconds,
    )


FULL = _row("F16", 1.0, 3.0, reference=True)


def test_the_fastest_that_is_good_enough_is_picked() -> None:
    table = [FULL, _row("Q8_0", 1.0, 2.0), _row("Q4_K_M", 1.0199, 1.0), _row("Q4_1", 1.01, 9.0), _row("Q2_K", 1.3, 0.5)]
    assert pick(table, 0.02)[0] == "Q4_K_M"
    assert pick(table, 0.5)[0] == "Q2_K"
    assert pick(table, 0.005)[0] == "Q8_0"


def test_where_none_is_good_enough_the_least_loss_is_served_with_a_warning() -> None:
    name, why = pick([FULL, _row("Q4_0", 1.2, 1.0), _row("Q2_K", 1.3, 0.5)], 0.02)
    assert name == "Q4_0"
    assert why.startswith("warning: ") and "20.0%" in why


def test_the_picture_shows_every_type(rows: list[Measurement]) -> None:
    tree = ElementTree.fromstring(picture(rows, "Q8_0"))
    shown = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert {"Q8_0", "Q4_0", "Q2_K"} <= set(shown) and "F16" not in shown
    circles = [element for element in tree.iter() if element.tag.endswith("circle")]
    assert len(circles) == 3
    assert [one.get("class") for one in circles].count("pick") == 1


def test_one_type_alone_has_a_picture_too() -> None:
    assert ElementTree.fromstring(picture([FULL, _row("Q8_0", 1.0, 2.0)], "Q8_0")) is not None


def test_the_table_has_a_line_a_type(rows: list[Measurement]) -> None:
    told = lines(Evidence(quantisations=rows, free_run=FreeRun(answers=10, tokens=256, ended=3, looped=5)))
    assert [line.split()[0] for line in told[:5]] == ["type", "F16", "Q8_0", "Q4_0", "Q2_K"]
    assert told[-1].startswith("warning: 3 of 10 free-running answers end")


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("Q8_0", 8),
        ("Q6_K", 6),
        ("Q5_K_M", 5),
        ("IQ4_XS", 4),
        ("MXFP4_MOE", 4),
        ("TQ1_0", 1),
        ("F16", None),
        ("BF16", None),
    ],
)
def test_bits_are_those_in_the_name(name: str, bits: int | None) -> None:
    assert name in FILE_TYPES
    assert bits_of(name) == bits


def test_what_is_kept_has_to_be_made() -> None:
    assert kept_types(ConvertSettings(keep=("q8_0",)), ["Q8_0", "Q4_0"]) == ("Q8_0",)
    with pytest.raises(ConvertError, match=r"Q6_K isn't among convert\.quantisations"):
        kept_types(ConvertSettings(keep=("Q6_K",)), ["Q8_0", "Q4_0"])


@pytest.mark.parametrize(
    ("tokens", "looping"),
    [
        ([1, 2, 3, *[7] * 40], True),
        ([5, *[1, 2, 3, 4, 5, 6, 7, 8, 9] * 4], True),
        (list(range(100)), False),
        ([7] * 12, False),
        ([*[1, 2, 3] * 20, 4], False),
    ],
    ids=["one token", "a piece", "none", "too short", "gone on from"],
)
def test_a_loop_is_told(tokens: list[int], looping: bool) -> None:
    assert loops(tokens) is looping


def test_answers_are_sampled_as_the_appliance_does() -> None:
    served = Sampling()
    assert (served.temperature, served.top_p, served.repeat_penalty) == (
        freerun.TEMPERATURE,
        freerun.TOP_P,
        freerun.PENALTY,
    )
    assert (SERVED_TOP_K, SERVED_PENALISED) == (freerun.TOP_K, freerun.PENALISED)


def test_a_model_that_learned_to_end_ends(trained: Trained) -> None:
    run_of_trained = run_freely(trained.file, trained.passages, silent)
    assert (run_of_trained.answers, run_of_trained.ended) == (4, 4)


def test_the_bundle_has_what_was_measured_and_only_what_is_kept(trained: Trained, tmp_path: Path) -> None:
    settings = ConvertSettings(quantisations=("Q2_K", "Q8_0", "Q4_0"), keep=("Q4_0",), loss_rise=0.0)
    inputs = ("tiny", "org/tiny", "", trained.base, trained.adapter, trained.template, trained.dataset)
    result = run(settings, *inputs, tmp_path, silent)
    manifest = verify(tmp_path)
    evidence = manifest.evidence
    assert evidence and evidence.proof and evidence.free_run
    measured = {row.quantisation: row for row in evidence.quantisations}
    assert list(measured) == ["F16", "Q2_K", "Q8_0", "Q4_0"]
    picked = pick(evidence.quantisations, 0.0)[0]
    assert manifest.models[0].quantisation == picked
    assert {model.quantisation for model in manifest.models} == {picked, "Q4_0"}
    assert {name for name, row in measured.items() if row.kept} == {picked, "Q4_0"}
    assert {name for name, row in measured.items() if row.importance} == {"Q2_K", "Q4_0"}
    ggufs = {model.file for model in manifest.models}
    assert set(manifest.files) == {*ggufs, "imatrix.gguf", "quantisations.svg", "symbols.json"}
    assert any(line.startswith("type") for line in result.notes)
