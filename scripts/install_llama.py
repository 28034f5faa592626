"""Installs llama.cpp for the accelerator that is there, and the converter of that very revision.

    python scripts/install_llama.py [--backend cuda|metal|cpu] [--no-converter]

llama-cpp-python comes from its source package, which carries all of llama.cpp: it is built for CUDA, Metal or this
machine's CPU, and llama.cpp's own converter is taken from the same package, so that converter and runtime can't
drift apart. Run by `make setup` with the interpreter it is to install into; does nothing when all is in place.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONVERTER = ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "conversion", "gguf-py", "LICENSE")
CMAKE = {"cuda": {"GGML_CUDA": "ON"}, "metal": {"GGML_METAL": "ON"}, "cpu": {}}


def pinned_version() -> str:
    """The version of llama-cpp-python in constraints.txt."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("llama-cpp-python=="):
            return line.split("==")[1].split()[0]
    sys.exit("constraints.txt: no line for llama-cpp-python; put it back")


def detect() -> str:
    """The accelerator of this machine: `cuda` (a card and its compiler), `metal` (Apple silicon) or `cpu`."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "metal"
    nvidia_smi = shutil.which("nvidia-smi")
    if nvidia_smi and subprocess.run([nvidia_smi, "-L"], capture_output=True, check=False).returncode == 0:
        if shutil.which("nvcc"):
            return "cuda"
        print("An NVIDIA card is here but nvcc is not: install the CUDA toolkit and run `make setup` again to use it.")
    return "cpu"


def loaded_backend() -> str:
    """The back end that the installed llama.cpp really has, or `` when it can't be loaded."""
    code = (
        "import llama_cpp, platform\n"
        "gpu = llama_cpp.llama_supports_gpu_offload()\n"
        "print('cpu' if not gpu else 'metal' if platform.system() == 'Darwin' else 'cuda')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ""


def installed_version() -> str:
    """The installed version of llama-cpp-python, or ``."""
    try:
        return importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        return ""


def pip(*arguments: str) -> None:
    """Run pip in this interpreter's environment, under the project's constraints."""
    command = [
        sys.executable,
        "-m",
        "pip",
        *arguments,
        "--disable-pip-version-check",
        "-c",
        str(ROOT / "constraints.txt"),
    ]
    environment = {**os.environ, "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1)}
    if subprocess.run(command, env=environment, check=False).returncode:
        sys.exit(f"llama.cpp could not be installed; what pip said is above (command: {' '.join(command)})")


def install(version: str, backend: str) -> None:
    """Build and install llama-cpp-python; pip's cache may hold a build for another back end, so look and rebuild."""
    if installed_version() == version and loaded_backend() == backend:
        print(f"llama.cpp ({version}) is built for {backend}.")
        return
    print(f"Building llama.cpp ({version}) for {backend}; this takes minutes, once.", flush=True)
    # The vision projector is not used, and half of the build.
    defines = {"LLAVA_BUILD": "OFF", **CMAKE[backend]}
    settings = [part for key, value in defines.items() for part in ("-C", f"cmake.define.{key}={value}")]
    wanted = f"llama-cpp-python=={version}"
    pip("install", "--quiet", *settings, wanted)
    if loaded_backend() != backend:
        pip("install", "--quiet", "--no-cache-dir", "--force-reinstall", "--no-deps", *settings, wanted)
    if loaded_backend() != backend:
        sys.exit(f"llama.cpp was built for {backend} but loads as {loaded_backend() or 'nothing'}; see `boffin doctor`")


def install_converter(version: str) -> None:
    """Unpack llama.cpp's converter from the source package into the environment's share folder."""
    target = Path(sys.prefix) / "share" / "boffin" / f"llama.cpp-{version}"
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary)
        pip(
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            "llama-cpp-python",
            "-d",
            str(folder),
            f"llama-cpp-python=={version}",
        )
        source = next(folder.glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(source) as archive:
            prefix = f"{source.name.removesuffix('.tar.gz')}/vendor/llama.cpp/"
            wanted = [
                member
                for member in archive.getmembers()
                if member.name.startswith(prefix) and member.name.removeprefix(prefix).split("/")[0] in CONVERTER
            ]
            # Python before 3.11.4 has no filter against odd paths; only the converter's own members are taken.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
            archive.extractall(folder, members=wanted)
        (folder / prefix).rename(target)
    print(f"llama.cpp's converter is in {target}.")


def main() -> None:
    """Install what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=sorted(CMAKE), default=os.environ.get("BOFFIN_BACKEND") or detect())
    parser.add_argument("--no-converter", action="store_true", help="for an appliance, which converts nothing")
    arguments = parser.parse_args()
    version = pinned_version()
    install(version, arguments.backend)
    if not arguments.no_converter:
        install_converter(version)


if __name__ == "__main__":
    main()
