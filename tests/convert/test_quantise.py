"""Names of file types, and what llama.cpp's quantiser refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.errors import ConvertError
from convert.llama_source import converter_script
from convert.quantise import known_types, quantise

from .conftest import Made


def test_names_are_llama_cpps_own() -> None:
    assert known_types(("q4_k_m", "Q8_0", "F16", "iq4_xs", "Q4_K_M")) == ("Q4_K_M", "Q8_0", "F16", "IQ4_XS")


@pytest.mark.parametrize(("name", "nearest"), [("Q8", "Q8_0"), ("Q4KM", "Q4_K_M"), ("fp16", "F16")])
def test_an_unknown_name_gets_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConvertError, match=name) as caught:
        known_types((name,))
    assert f"did you mean '{nearest}'?" in str(caught.value)


def test_what_llama_cpp_refuses_is_one_line(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"Q4_0: llama\.cpp can't quantise") as caught:
        quantise(made.folder / "tiny-Q8_0.gguf", tmp_path / "out.gguf", "Q4_0", 1)
    assert "requantiz" in str(caught.value)


def test_a_missing_converter_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(ConvertError, match="make setup"):
        converter_script()
