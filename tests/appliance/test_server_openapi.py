"""Requests that /openapi.json allows, and many that it doesn't, against a real server: none may break it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from appliance.launch import LocalServer
from appliance.settings import ApplianceSettings, Sampling

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15
"""Of each route, right ones and wrong ones each."""


@pytest.fixture(scope="module")
def url(tiny_gguf: Path, sealed: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tiny model, whose answers take next to no time."""
    few = Sampling(max_tokens=8)
    settings = ApplianceSettings(slots=4, context=256, threads=1, gpu_layers="none", sampling=few)
    with LocalServer(sealed(tiny_gguf), settings, tmp_path_factory.mktemp("cache")) as server:
        yield server.url


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_breaks_the_server_or_its_own_description(url: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @seed(1)
        @given(case=operation.as_strategy(generation_mode=mode))
        @examples(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def one(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(base_url=url, checks=CHECKS, timeout=60)

        with suppress(Unsatisfiable):  # a route that takes nothing can't be asked wrongly
            one()
    assert asked > 100
