"""The private folders: one an interpreter, in it one an example; removed whatever the code did to them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.child import CODE

SHARED = "shm"
"""Beside an example's folder, the link to it that stands for /dev/shm: shared memory is files of the example's own."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder in which others can list nothing."""
    folder = Path(tempfile.mkdtemp(prefix="boffin-sandbox-")).resolve()
    # Root's forks go by other ids, and must come through to the folders that are theirs.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        _remove(folder)


@contextmanager
def example_folder(writable: Path, code: str) -> Iterator[Path]:
    """A new folder in `writable` with the code as a file; afterwards `writable` is empty."""
    folder = Path(tempfile.mkdtemp(prefix="example-", dir=writable))
    try:
        (folder / CODE).write_bytes(code.encode("utf-8", "surrogatepass"))
        (writable / SHARED).symlink_to(folder)
        yield folder
    finally:
        for entry in os.scandir(writable):
            _remove(Path(entry))


def _remove(path: Path) -> None:
    # Folders without rights, or thousands deep, defeat shutil; the system's own commands manage both.
    with contextlib.suppress(OSError, RecursionError):
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path)
        return
    subprocess.run(["chmod", "-R", "u+rwx", path], capture_output=True, check=False)
    subprocess.run(["rm", "-rf", path], capture_output=True, check=False)
