"""What can be said of the images without an engine: the Dockerfile, what is sent to the builder, the compose file."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.engine.disk import DiskStats
from appliance.settings import ApplianceSettings
from scripts.locks import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("trainer", "convert", "appliance", "appliance-cuda")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@dataclass
class Stage:
    """A stage of the Dockerfile: what it is built from, and its instructions in order."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.instructions if key == name]


def read_dockerfile() -> tuple[str, dict[str, Stage]]:
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    stages: dict[str, Stage] = {}
    current = Stage("")
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "FROM":
            base, _, stage = value.partition(" AS ")
            stages[stage] = current = Stage(base)
        elif name:
            current.instructions.append((name, value.strip()))
    return text, stages


TEXT, STAGES = read_dockerfile()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def lineage(target: str) -> list[Stage]:
    """A target's stages, from its base image on."""
    stage = STAGES[target]
    return [*(lineage(stage.base) if stage.base in STAGES else []), stage]


def extras(target: str) -> set[str]:
    found = re.search(r"pip install \"\.\[([a-z,]+)\]\"", " ".join(STAGES[f"{target}-build"].all("RUN")))
    assert found
    return set(found[1].split(","))


def test_base_images_come_by_argument_and_nothing_else_is_pulled() -> None:
    assert not re.search(r"^#\s*syntax\s*=", TEXT, re.MULTILINE)
    cuda = {"${CUDA_DEVEL_IMAGE}", "${CUDA_RUNTIME_IMAGE}"}
    assert {stage.base for stage in STAGES.values()} - STAGES.keys() == {"${PYTHON_IMAGE}", "scratch"} | cuda
    assert re.search(r"^ARG PYTHON_IMAGE=python:\S+$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_installs_extras_that_exist_under_the_constraints(target: str) -> None:
    assert extras(target) <= PROJECT["project"]["optional-dependencies"].keys()
    assert target.removesuffix("-cuda") in extras(target)
    environment = " ".join(value for stage in lineage(f"{target}-build") for value in stage.all("ENV"))
    assert "PIP_CONSTRAINT=/src/constraints.txt" in environment


@pytest.mark.parametrize("name", EXTRAS)
def test_what_a_target_installs_is_locked_in_the_tested_versions(name: str) -> None:
    text = (ROOT / "deploy/locks" / f"{name}.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    tested = {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in pins}
    # One that isn't among the tested is of another system, or belongs to the tool that lists packages alone.
    assert {package: tested.get(package, version) for package, version in locked.items()} == locked
    for entry in re.split(r"\n(?=\S)", text.strip())[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *(line for extra in EXTRAS[name] for line in extras[extra])]
    named = {re.sub(r"[-_.]+", "-", re.split(r"[ >=<~;\[]", line)[0]).lower() for line in wanted if EXTRAS[name]}
    assert named - {"torch", "llama-cpp-python"} <= locked.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_is_installed_by_its_digests_before_anything_else(target: str) -> None:
    name = target.removesuffix("-cuda")
    assert extras(target) == set(EXTRAS[name])
    instructions = STAGES[f"{target}-build"].instructions
    copied = instructions.index(("COPY", f"deploy/locks/{name}.txt lock.txt"))
    install = next(value for _, value in instructions[copied:] if ".[" in value)
    assert re.search(r"pip install --require-hashes --no-deps --requirement lock\.txt +&& pip install", install)
    assert "/opt/boffin/sbom.cdx.json" in instructions[-1][1]


def test_the_trainer_curates_and_evaluates_too() -> None:
    assert {"trainer", "curation", "evaluation"} <= extras("trainer")
    installed = " ".join(STAGES["trainer"].all("RUN")).split()
    assert {"bubblewrap", "libseccomp2"} <= set(installed)  # the sandbox's walls


def test_the_appliance_brings_no_torch() -> None:
    wanted = [
        *PROJECT["project"]["dependencies"],
        *(line for extra in extras("appliance") for line in PROJECT["project"]["optional-dependencies"][extra]),
    ]
    names = {re.split(r"[ >=<~;\[]", line)[0] for line in wanted}
    assert not names & {"torch", "transformers", "peft", "trl", "bitsandbytes", "datasets"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_final_image_is_small_in_rights_and_has_no_compiler(target: str) -> None:
    stages = lineage(target)
    instructions = [pair for stage in stages for pair in stage.instructions]
    commands = " ".join(value for name, value in instructions if name == "RUN")
    assert "build-essential" not in commands and "pip" not in commands
    assert [value for name, value in instructions if name == "USER"] == ["1000:1000"]
    assert ("STOPSIGNAL", "SIGTERM") in instructions
    assert ("ENTRYPOINT", '["boffin"]') in instructions
    labels = " ".join(value for name, value in instructions if name == "LABEL")
    for label in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_llama_cpp_is_not_tied_to_the_machine_that_builds_it() -> None:
    assert "-DGGML_NATIVE=OFF" in " ".join(STAGES["llama"].all("ENV"))
    variants = re.findall(r"(-D\w+=\w+)", " ".join(STAGES["llama-variants"].all("ENV")))
    assert {"-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON"} <= set(variants)
    # pip's cache doesn't look at CMAKE_ARGS: another kind of build must not come out of it.
    for stage in ("llama-variants", "llama-cuda"):
        assert "pip wheel --no-cache-dir" in " ".join(STAGES[stage].all("RUN"))


def test_our_own_code_rebuilds_neither_llama_cpp_nor_the_dependencies() -> None:
    assert all("--from=llama-version" in copy for copy in STAGES["compiler"].all("COPY"))
    assert not STAGES["llama"].all("COPY") and not STAGES["llama-variants"].all("COPY")
    for target in TARGETS:
        instructions = STAGES[f"{target}-build"].instructions
        dependencies = next(i for i, (_, value) in enumerate(instructions) if ".[" in value)
        assert instructions.index(("COPY", ". .")) > dependencies


def test_only_what_the_images_are_made_of_is_sent_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line[0] == "!"}
    rooms = {pattern.rstrip("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    files = {"LICENSE", "README.md", "constraints.txt", "deploy/locks", "pyproject.toml", "scripts/install_llama.py"}
    assert allowed == rooms | files
    assert all((ROOT / path).exists() for path in allowed)


@pytest.mark.parametrize(("answer", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_health_check_tells_a_ready_server_from_another(answer: int | None, healthy: bool) -> None:
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer or 0)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    command = json.loads(STAGES["appliance"].all("HEALTHCHECK")[0].partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        port = server.server_port
        if answer is None:
            server.server_close()
        else:
            threading.Thread(target=server.handle_request, daemon=True).start()
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={**os.environ, "BOFFIN_APPLIANCE__PORT": str(port)},
            capture_output=True,
            check=False,
        )
    assert (done.returncode == 0) is healthy
    assert asked == ([] if answer is None else ["/health"])


def test_the_images_commands_and_variables_are_real() -> None:
    from typer.main import get_command

    from boffin.cli import app
    from boffin.serving_settings import load_appliance_settings

    known = get_command(app).commands  # type: ignore[attr-defined]
    serve = json.loads(STAGES["appliance"].all("CMD")[0])
    commands = [serve, *(service["command"] for service in OURS.values() if "command" in service)]
    for name, *options in commands:
        have = {option for parameter in known[name].params for option in parameter.opts}
        assert {option for option in options if option.startswith("-")} <= have
    for target in ("appliance", "appliance-cuda"):
        variables = (value for value in STAGES[target].all("ENV") if value.startswith("BOFFIN_"))
        settings = load_appliance_settings(environment=dict(value.split("=", 1) for value in variables))
        assert (settings.port, settings.offline) == (ApplianceSettings().port, True)


def test_every_service_builds_a_target_and_drops_its_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # On the host's network the server itself listens on loopback.
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    # Caddy's program carries this capability: without it the kernel refuses to start it.
    assert {name: service["cap_add"] for name, service in COMPOSE["services"].items() if "cap_add" in service} == {
        "proxy": ["NET_BIND_SERVICE"]
    }
    for name, service in OURS.items():
        assert service["build"]["target"] in TARGETS, name
    for name in ("appliance", "cuda", "replica"):
        assert OURS[name]["read_only"] and OURS[name]["restart"] == "unless-stopped", name
        assert OURS[name]["deploy"]["resources"]["limits"]["memory"], name


def test_every_profile_is_whole() -> None:
    profiles = {service["profiles"][0] for service in COMPOSE["services"].values()}
    assert profiles == {"train", "appliance", "cuda", "scale", "monitoring", "llama", "vllm"}
    for service in COMPOSE["services"].values():
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (ROOT / source).is_file(), source


def test_what_watches_asks_for_metrics_that_there_are() -> None:
    from appliance.engine.stats import SECONDS, EngineStats, Histogram
    from appliance.server.metrics import HttpCounts, exposition

    caches = DiskStats(**{field.name: 0 for field in fields(DiskStats)})
    none = Histogram((0,) * (len(SECONDS) + 1), 0.0)
    numbers = {
        field.name: none if field.name.endswith(("first_token", "between_tokens")) else 0
        for field in fields(EngineStats)
    }
    page = exposition(EngineStats(**numbers), HttpCounts(), {"answers": caches}, 0)
    there = set(re.findall(r"^# TYPE (boffin_\w+)", page, re.MULTILINE))
    rules = yaml.safe_load((ROOT / "deploy/rules.yml").read_text())["groups"][0]["rules"]
    made = {rule["record"] for rule in rules if "record" in rule}
    board = json.loads((ROOT / "deploy/grafana/boffin.json").read_text())
    asked = [rule["expr"] for rule in rules] + [each["expr"] for panel in board["panels"] for each in panel["targets"]]
    for expression in asked:
        names = set(re.findall(r"\bboffin[_:][\w:]+", expression))
        known = there | made | {f"{name}_bucket" for name in there}
        assert names <= known, names - known


def test_the_train_profile_runs_the_stages_in_turn_with_one_card() -> None:
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if service["profiles"] == ["train"]] == [
        "curate",
        "train",
        "convert",
    ]
    for name, before in (("train", "curate"), ("convert", "train")):
        assert services[name]["depends_on"] == {before: {"condition": "service_completed_successfully"}}
    (card,) = services["train"]["deploy"]["resources"]["reservations"]["devices"]
    assert (card["driver"], card["count"], card["capabilities"]) == ("nvidia", 1, ["gpu"])
    assert services["train"]["volumes"] == services["convert"]["volumes"]


def test_the_appliance_stays_on_the_hosts_loopback_and_cannot_change_its_bundle() -> None:
    service = COMPOSE["services"]["appliance"]
    assert service["network_mode"] == "host" and "command" not in service
    assert "ports" not in service
    (volume,) = service["volumes"]
    assert volume.endswith(":/bundle:ro")
