"""An adapter a library: which one answers what, whom clients are told, and what a bundle is refused for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.client import Delta, Done
from appliance.direct import Direct
from appliance.engine.expert import Expert
from appliance.launch import LocalServer
from appliance.routing import library_of
from appliance.settings import ApplianceSettings
from bundle.documentation import Documentation, write_index
from bundle.errors import BundleError
from bundle.passages import DOCUMENTATION, Passage

from .adapters import write_adapter

ZOO, BANK, AQUARIUM = "How do I use `zoo.feed`?", "How do I use `bank.save_money`?", "What does `aquarium.fill` do?"
BRIEF = {"max_tokens": 8, "temperature": 0}
FILES = {"zoo": "pocket-zoo.gguf", "bank": "pocket-bank.gguf"}


def passage(package: str, name: str, summary: str) -> Passage:
    symbol = f"{package}.{name}"
    return Passage(symbol=symbol, title=symbol, kind="function", summary=summary, package=package, version="1")


PASSAGES = [
    passage("zoo", "feed", "Feed an animal of the zoo with hay or meat."),
    passage("zoo", "animals", "List the animals, the hungry ones first."),
    passage("bank", "save_money", "Put money into an account, with interest."),
    passage("bank", "interest", "The interest of an account, a year."),
    passage("aquarium", "fill", "Fill the tank with water."),
]


@pytest.fixture(scope="module")
def special(sealed: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with documentation of three libraries, and adapters for two of them."""
    folder = tmp_path_factory.mktemp("beside")
    write_index(folder / DOCUMENTATION, PASSAGES)
    for seed, file in enumerate(FILES.values()):
        write_adapter(folder / file, seed, {"blk.0.attn_q.weight": (576, 576)})
    return sealed(beside=folder, specialists=FILES)


@pytest.fixture(scope="module")
def served(special: Path, settings: ApplianceSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with LocalServer(special, settings, tmp_path_factory.mktemp("cache")) as server:
        yield server.url


def post(url: str, path: str, **body: Any) -> Any:
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        return client.post(path, json=body).raise_for_status().json()


def chat(url: str, *said: str, **more: Any) -> tuple[str, str]:
    """Who answered a person's turns, and what."""
    messages = [{"role": "user", "content": text} for text in said]
    reply = post(url, "/v1/chat/completions", messages=messages, **BRIEF, **more)
    return reply["adapter"], reply["choices"][0]["message"]["content"]


def test_the_library_of_the_best_passage_picks_who_answers(served: str) -> None:
    answers = {}
    for question, library in ((ZOO, "zoo"), (BANK, "bank"), (AQUARIUM, ""), ("Bonjour!", "")):
        adapter, answers[question] = chat(served, question)
        assert adapter == library
    # It is that adapter's answer, and the expert's own is another one.
    assert chat(served, ZOO, model="pocket:zoo") == ("zoo", answers[ZOO])
    assert chat(served, ZOO, model="pocket:bank")[1] != answers[ZOO]
    assert chat(served, ZOO, model="pocket")[0] == "zoo"


def test_every_protocol_routes_and_tells(served: str) -> None:
    asked = {"model": "pocket", "stream": False, "options": {"num_predict": 4}}
    assert post(served, "/api/chat", messages=[{"role": "user", "content": BANK}], **asked)["adapter"] == "bank"
    assert post(served, "/v1/responses", input=BANK, max_output_tokens=4)["adapter"] == "bank"
    models = httpx.get(f"{served}/v1/models", trust_env=False).json()["data"]
    assert [model["id"] for model in models] == ["pocket", "pocket:zoo", "pocket:bank"]


def test_one_process_alone_routes_as_a_server_does(special: Path, settings: ApplianceSettings, tmp_path: Path) -> None:
    texts = []
    for one in (settings, settings.model_copy(update={"routing": False})):
        with Direct(special, one, tmp_path) as direct:
            for question in (ZOO, AQUARIUM):
                *deltas, done = direct.chat([{"role": "user", "content": question}], max_tokens=8, temperature=0)
                assert isinstance(done, Done)
                texts.append("".join(delta.text for delta in deltas if isinstance(delta, Delta)))
    routed, unrouted, alone, as_before = texts
    assert routed != alone
    assert unrouted == as_before


def test_without_routing_the_expert_answers_alone(
    special: Path, bundle: Path, settings: ApplianceSettings, tmp_path: Path
) -> None:
    messages = [{"role": "user", "content": ZOO}]
    alone = settings.model_copy(update={"routing": False})
    with Expert(special, alone, tmp_path) as expert:
        assert expert.specialist(messages) == ""
        assert list(expert.adapters) == ["zoo", "bank"]  # who names one still gets it
    with Expert(bundle, settings, tmp_path) as expert:
        assert expert.specialist(messages) == ""


@pytest.mark.parametrize(
    ("turns", "library"),
    [
        ([], ""),
        (["Bonjour!"], ""),
        ([ZOO], "zoo"),
        ([ZOO, "And what if there is no hay or meat?"], "zoo"),
        ([ZOO, "Thanks!"], "zoo"),
        # Words that another library has, too, change nothing as long as something of the first is found.
        ([ZOO, "Which animals have an account with interest?"], "zoo"),
        ([ZOO, BANK], "bank"),
        ([ZOO, BANK, "How much interest, a year?"], "bank"),
        ([BANK, ZOO, "Thanks!"], "zoo"),
    ],
)
def test_a_conversation_stays_until_another_library_is_named(tmp_path: Path, turns: list[str], library: str) -> None:
    write_index(tmp_path / DOCUMENTATION, PASSAGES)
    with Documentation(tmp_path / DOCUMENTATION) as documentation:
        assert library_of(documentation, turns) == library


def test_an_adapter_that_was_not_sealed_is_refused(special: Path, settings: ApplianceSettings, tmp_path: Path) -> None:
    for name, damage in (("gone", None), ("other", b"GGUF")):
        copy = tmp_path / name
        shutil.copytree(special, copy, copy_function=lambda source, target: Path(target).hardlink_to(source))
        (copy / FILES["bank"]).unlink()
        if damage:
            (copy / FILES["bank"]).write_bytes(damage)
        with pytest.raises(BundleError, match=r"pocket-bank\.gguf: (missing from|not the file)"):
            Expert(copy, settings, tmp_path / "cache")
