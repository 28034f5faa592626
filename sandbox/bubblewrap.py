"""Bubblewrap, the outer wall where it works: namespaces in which only the interpreter and one folder exist.

The interpreter gets its own processes, users, network (a loopback interface and nothing else) and file tree: what it
needs to run, read-only, one folder to write in, which stands for shared memory, too, four devices, no /proc. Knows
nothing about the code that is run. The tool: https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox import confine
from sandbox.folder import SHARED, private_folder
from sandbox.outcome import SandboxError

_NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
_ROOT_KEEPS = ("CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_READ_SEARCH")
"""What the interpreter needs to give its forks ids of their own, and to end them; the forks keep the last alone."""
_PROBE_SECONDS = 30.0
_FIRST_KERNEL_THAT_COUNTS_APART = (5, 14)
_MOST_LINKS = 40


def command(python: str, home: Path, writable: Path) -> list[str]:
    """What is put before the command line of an interpreter.

    Args:
        python: the interpreter, an absolute path.
        home: a folder that can be read, beside what the interpreter needs.
        writable: a folder in it that can be written, and where the interpreter starts.
    """
    arguments = [_program() or "bwrap", *_NAMESPACES, "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        # In a namespace of its own this user would be root under another name, whose processes are never counted.
        for capability in _ROOT_KEEPS:
            arguments += ["--cap-add", capability]
    else:
        arguments += ["--unshare-user"]
    for folder in reversed(home.parents[:-1]):
        # Bubblewrap would close them to others, as `home` is, and a program that the code starts couldn't come through.
        arguments += ["--dir", str(folder)]
    mounted: list[Path] = []
    wanted = [Path(__file__).parent, *map(Path, roots(python))]
    for root in sorted({*wanted, *(path.resolve() for path in wanted)}):
        if root.exists() and not any(root.is_relative_to(other) for other in mounted):
            mounted.append(root)
            arguments += ["--ro-bind", str(root), str(root)]
    for link, target in _links(Path(python)):
        if not any(link.is_relative_to(other) for other in mounted):
            arguments += ["--symlink", target, str(link)]
    for device in confine.DEVICES:
        arguments += ["--dev-bind", device, device]
    arguments += ["--symlink", str(writable / SHARED), "/dev/shm"]
    arguments += ["--ro-bind", str(home), str(home), "--bind", str(writable), str(writable)]
    return [*arguments, "--remount-ro", "/", "--chdir", str(writable), "--"]


def counts_apart() -> bool:
    """Whether the kernel counts this user's processes inside apart from those outside."""
    version = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    return os.geteuid() != 0 and version >= _FIRST_KERNEL_THAT_COUNTS_APART


@functools.cache
def failure(python: str) -> str:
    """Why bubblewrap doesn't hold this interpreter here; empty where it does. Tried once."""
    if not _program():
        return "bubblewrap isn't installed"
    try:
        with private_folder() as folder:
            done = subprocess.run(
                [*command(python, folder, folder), python, "-I", "-c", ""],
                capture_output=True,
                text=True,
                env={},
                check=False,
                timeout=_PROBE_SECONDS,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap doesn't work here: {error}"
    last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
    return f"bubblewrap doesn't work here: {last[0][:200]}" if done.returncode else ""


@functools.cache
def roots(python: str) -> Sequence[str]:
    """What an interpreter says that it needs to go on importing.

    Raises:
        SandboxError: it can't be started.
    """
    ask = f"import json, runpy; print(json.dumps(runpy.run_path({confine.__file__!r})['readable_roots']()))"
    try:
        done = subprocess.run(
            [python, "-I", "-c", ask], capture_output=True, text=True, env={}, check=False, timeout=_PROBE_SECONDS
        )
        return tuple(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't one"
        raise SandboxError(f"{python}: can't be started ({reason}); name another Python interpreter") from None


def _program() -> str | None:
    return shutil.which("bwrap")


def _links(path: Path) -> Iterator[tuple[Path, str]]:
    """The symbolic links that are met on the way to a file, its folders' included."""
    for _ in range(_MOST_LINKS):
        link = next((part for part in (*reversed(path.parents), path) if part.is_symlink()), None)
        if link is None:
            return
        target = link.readlink()
        yield link, str(target)
        path = Path(os.path.normpath(link.parent / target)) / path.relative_to(link)
