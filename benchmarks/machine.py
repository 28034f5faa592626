"""The machine, the versions and the commit that figures belong to. Knows nothing about what is measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_SETS = ("sse4", "avx", "amx", "f16c", "fma", "asimd", "sve")
"""How the instruction sets begin that matter for arithmetic."""


def origin(*packages: str) -> dict[str, Any]:
    """`machine`, `versions` of the packages and of Python, and `commit`, as a results file has them."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=False).stdout
    return {
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "machine": platform.machine(),
            "system": platform.system(),
            "instruction_sets": _instruction_sets(Path("/proc/cpuinfo")),
        },
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "commit": commit + (" with changes" if changed.strip() else ""),
    }


def _instruction_sets(cpuinfo: Path) -> list[str]:
    """Those that Linux lists; none elsewhere."""
    if not cpuinfo.is_file():
        return []
    lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith(("flags", "Features"))]
    return sorted({flag for flag in lines[0].split() if flag.startswith(_SETS)}) if lines else []
