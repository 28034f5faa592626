"""The digests of files that were read before, so that a large model isn't read whole at every start.

A file is the same while its inode, its size and both of its times are: writing to it changes the time of its last
change, which programs can't set at will. Knows nothing about bundles.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from appliance.engine.measured import recall
from bundle.atomic import write_json
from bundle.digests import digest_file

log = logging.getLogger(__name__)

CHECKED = "checked.json"
"""The file's name in the cache folder: path → what identified the file, and its digest."""
_SETTLED = 2.0
"""Seconds after its last change from which on a file's times tell the next one."""


def checked_digest(path: Path, cache_dir: Path) -> str:
    """SHA-256 of a file, read anew only where it isn't the one that was read before."""
    path = path.resolve()
    mark = _mark(path)
    known = recall(cache_dir / CHECKED)
    entry = known.get(str(path))
    if isinstance(entry, dict) and entry.get("mark") == mark and isinstance(entry.get("digest"), str):
        digest: str = entry["digest"]
        return digest
    digest = digest_file(path)
    if mark == _mark(path) and time.time() - path.stat().st_ctime > _SETTLED:
        there = {name: entry for name, entry in known.items() if Path(name).exists()}
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            write_json(cache_dir / CHECKED, {**there, str(path): {"mark": mark, "digest": digest}})
        except OSError as error:
            log.warning("%s: can't be written (%s); the model is read whole at every start", cache_dir, error.strerror)
    return digest


def _mark(path: Path) -> list[int]:
    """What a file can't keep when it is changed."""
    stat = path.stat()
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
