"""`boffin doctor`: what this machine and this project have and lack, a line each, with the exact remedy.

Each check is a function that yields findings; none changes anything, and none stops the others.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import psutil
import typer

from boffin.artefacts import BUNDLE
from boffin.failure import one_line
from boffin.hardware import apple_silicon, nvidia_cards
from boffin.project import Project, open_project
from bundle.errors import BoffinError
from bundle.manifest import load_manifest

GIGABYTE = 1e9
EXTRAS = ("curation", "trainer", "convert", "evaluation", "appliance")
_BACKENDS = (
    "import json; from appliance.engine.backend import loaded_backends;"
    "print(json.dumps([[d.backend, d.name] for d in loaded_backends()]))"
)


_FREE = (
    "from appliance.engine.backend import loaded_backends;print(sum(d.memory_free for d in loaded_backends() if d.gpu))"
)


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    state: Literal["ok", "warning", "failure"]
    what: str
    remedy: str = ""
    """What to do; empty where nothing has to be done."""


Check = Callable[[Project | None], Iterator[Finding]]


def examine(folder: Path, assignments: Sequence[str]) -> int:
    """Run every check and print its lines; returns the exit code, 1 if there was a failure."""
    findings = []
    project = None
    try:
        project = open_project(folder, assignments)
        findings.append(Finding("ok", f"project {project.settings.project.name} in {project.folder}"))
    except BoffinError as error:
        present = (folder / "boffin.toml").exists()
        findings.append(Finding("failure" if present else "warning", str(error)))
    for check in CHECKS:
        try:
            findings.extend(check(project))
        except (BoffinError, OSError) as error:
            findings.append(Finding("failure", one_line(error) or str(error)))
    colours = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "failure": typer.colors.RED}
    for finding in findings:
        typer.echo(f"{typer.style(f'{finding.state:<8}', fg=colours[finding.state])} {finding.what}")
        if finding.remedy:
            typer.echo(f"         → {finding.remedy}")
    return int(any(finding.state == "failure" for finding in findings))


def check_python(_: Project | None) -> Iterator[Finding]:
    """The interpreter."""
    yield Finding(
        "ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    )


def check_packages(_: Project | None) -> Iterator[Finding]:
    """What each room's extra asks for."""
    wanted: dict[str, list[str]] = {extra: [] for extra in EXTRAS}
    for line in requires("boffin") or []:
        requirement, _semicolon, marker = line.partition(";")
        for extra in EXTRAS:
            if f'extra == "{extra}"' in marker and ("sys_platform" not in marker or sys.platform in marker):
                wanted[extra].append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    for extra, names in wanted.items():
        missing = [name for name in names if not _installed(name)]
        if missing:
            yield Finding("warning", f"{extra}: {', '.join(missing)} not installed", f"pip install 'boffin[{extra}]'")
        else:
            yield Finding("ok", f"{extra}: {len(names)} packages")


def check_sandbox(_: Project | None) -> Iterator[Finding]:
    """What contains the examples that curation runs."""
    from sandbox import SandboxError, explain

    try:
        yield Finding("ok", f"sandbox: {explain(http=True)}")
    except SandboxError as error:
        remedy = "install what is missing, or set `curation.verification.allow_mere_limits` for code that you trust"
        yield Finding("warning", f"sandbox: {error}", remedy)


def check_backend(_: Project | None) -> Iterator[Finding]:
    """Which llama.cpp back end was really loaded, against the hardware that is there."""
    run = subprocess.run([sys.executable, "-c", _BACKENDS], capture_output=True, text=True, check=False)
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        yield Finding("failure", f"llama.cpp can't be loaded: {reason}", "run `make setup` to build it anew")
        return
    devices: list[tuple[str, str]] = [(backend, name) for backend, name in json.loads(run.stdout)]
    shown = ", ".join(f"{backend} ({name})" for backend, name in devices)
    backends = {backend.upper() for backend, _name in devices}
    cards = nvidia_cards()
    if cards and "CUDA" not in backends:
        remedy = (
            "run `make setup`" if shutil.which("nvcc") else "install the CUDA toolkit (nvcc), then run `make setup`"
        )
        yield Finding("failure", f"llama.cpp runs on {shown}, but there is {cards[0].name}", remedy)
    elif apple_silicon() and not backends & {"METAL", "MTL"}:
        yield Finding(
            "failure", f"llama.cpp runs on {shown}, but this Mac has Metal", "run `make setup` outside Docker"
        )
    else:
        yield Finding("ok", f"llama.cpp {version('llama-cpp-python')} runs on {shown}")


def check_offload(project: Project | None) -> Iterator[Finding]:
    """What of the served model goes onto the GPU, and what its memory of tokens takes."""
    bundle = project.workspace.path(BUNDLE) if project else None
    if project is None or bundle is None or not bundle.exists():
        return
    from appliance.engine.offload import plan, shape_of

    settings = project.settings.appliance
    run = subprocess.run([sys.executable, "-c", _FREE], capture_output=True, text=True, check=False)
    free = int(run.stdout) if run.returncode == 0 else 0
    file = load_manifest(bundle).model(settings.quantisation).file
    cells = settings.memory or settings.slots * settings.context
    found = plan(shape_of(bundle / file), settings.gpu_layers, cells, settings.kv_type, free)
    remedy = "" if found.fits else 'set appliance.gpu_layers to "auto"'
    yield Finding("ok" if found.fits else "warning", f"offload of {file}: {found.describe()}", remedy)


def check_docker(_: Project | None) -> Iterator[Finding]:
    """Whether containers can have the card that is here."""
    docker, cards = shutil.which("docker"), nvidia_cards()
    if docker is None or not (cards or apple_silicon()):
        return
    if apple_silicon():
        yield Finding(
            "warning",
            "Docker is here, and containers on a Mac reach no Metal",
            "use it for `docker compose --profile train` of a CPU recipe at most; serve with `boffin service install`",
        )
        return
    try:
        command = [docker, "info", "--format", "{{json .Runtimes}}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        yield Finding("warning", "Docker's engine doesn't answer", "start it: sudo systemctl start docker")
        return
    if run.returncode:
        said = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        yield Finding(
            "warning", f"Docker's engine can't be asked: {said}", "start it, and add yourself to group docker"
        )
    elif '"nvidia"' not in run.stdout:
        yield Finding(
            "warning",
            f"Docker has no GPU runtime, so that containers don't see {cards[0].name}",
            "install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker "
            "&& sudo systemctl restart docker",
        )
    else:
        yield Finding("ok", f"Docker's containers can have {cards[0].name}")


def check_memory(project: Project | None) -> Iterator[Finding]:
    """The machine's free memory against the served model."""
    memory = psutil.virtual_memory()
    have = f"{memory.available / GIGABYTE:.1f} of {memory.total / GIGABYTE:.1f} GB memory are free"
    bundle = project.workspace.path(BUNDLE) if project else None
    if project is None or bundle is None or not bundle.exists():
        yield Finding("ok", have)
        return
    model = load_manifest(bundle).model(project.settings.appliance.quantisation)
    if model.bytes * 1.2 > memory.available:
        yield Finding(
            "failure",
            f"{have}, but {model.file} alone takes {model.bytes / GIGABYTE:.1f} GB",
            "close other programs, or serve a smaller type with appliance.quantisation",
        )
    else:
        yield Finding("ok", f"{have}; {model.file} takes {model.bytes / GIGABYTE:.1f} GB")


def check_disk(project: Project | None) -> Iterator[Finding]:
    """Free space where the workspace lies."""
    folder = project.workspace.folder if project else Path.cwd()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    state: Literal["ok", "warning"] = "ok" if free > 5 * GIGABYTE else "warning"
    remedy = "" if state == "ok" else "a build of the pocket project takes 3 GB; free some space"
    yield Finding(state, f"{free / GIGABYTE:.1f} GB are free in {folder}", remedy)
    if not os.access(folder, os.W_OK):
        yield Finding("failure", f"{folder} can't be written to", "check who owns it, or set project.workspace")


def check_port(project: Project | None) -> Iterator[Finding]:
    """The port of `boffin serve`."""
    if project is None or not project.settings.appliance.port:
        return
    host, port = project.settings.appliance.host, project.settings.appliance.port
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex((host, port)) == 0
    if not taken:
        yield Finding("ok", f"port {port} is free")
        return
    from appliance.client import Client
    from bundle.errors import ServerError

    try:
        with Client(f"http://{host}:{port}") as client:
            yield Finding("ok", f"port {port}: {client.health().model} is being served there")
    except ServerError:
        yield Finding("warning", f"port {port} is taken by another program", "choose another with appliance.port")


CHECKS: tuple[Check, ...] = (
    check_python,
    check_packages,
    check_sandbox,
    check_backend,
    check_offload,
    check_docker,
    check_memory,
    check_disk,
    check_port,
)


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
