"""SHA-256 of files, folders and values. Knows nothing about what they mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_value(value: Any) -> str:
    """SHA-256 of a JSON value in one canonical form (sorted keys, no spaces)."""
    return digest_text(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def digest_files(folder: Path, without: Iterable[str] = ()) -> dict[str, str]:
    """SHA-256 of each file below `folder`: relative path (POSIX form) → digest, hidden files left out."""
    left_out = set(without)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files}
    return {
        name: digest_file(path)
        for path, name in names.items()
        if name not in left_out and not any(part.startswith(".") for part in name.split("/"))
    }
