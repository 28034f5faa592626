"""The private folder of one run: made with the code in it, removed whatever the code did to it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.child import CODE


@contextmanager
def private_folder(code: str = "") -> Iterator[Path]:
    """A new folder that only this user enters, with the code as a file."""
    folder = Path(tempfile.mkdtemp(prefix="boffin-sandbox-")).resolve()
    try:
        (folder / CODE).write_bytes(code.encode("utf-8", "surrogatepass"))
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    # Folders without rights, or thousands deep, defeat shutil; the system's own commands manage both.
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
        return
    subprocess.run(["chmod", "-R", "u+rwx", folder], capture_output=True, check=False)
    subprocess.run(["rm", "-rf", folder], capture_output=True, check=False)
