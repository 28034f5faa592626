"""Downloading one large file into a folder: bounded, in pieces that a killed run leaves behind for the next one.

Asks whether a file that is there has changed. Knows nothing about what is in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bundle.atomic import write_json
from bundle.errors import SourceError
from curation.collectors.web import Web, WebError, timed

MAX_BYTES = 2 * 1024**3
"""Bytes that a file may have."""


def download(url: str, web: Web, folder: Path, suffix: str = "") -> Path:
    """Download a file, or go on with it, unless it is there and hasn't changed.

    Args:
        url: its address.
        web: the client.
        folder: where it is kept, under a name of its own; it may be shared.
        suffix: what its name is to end with; empty takes that of the address.

    Raises:
        SourceError: it can't be had, or is larger than the bound.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suffix = suffix or "".join(re.findall(r"\.tar\.\w+$|\.\w+$", urlsplit(url).path))
    file = folder / (hashlib.sha256(url.encode()).hexdigest()[:40] + suffix)
    partial, about = file.with_name(file.name + ".partial"), file.with_name(file.name + ".json")
    try:
        for _ in range(2):
            if _fetch(url, web, file, partial, about):
                return file
            partial.unlink(missing_ok=True)  # what is there doesn't fit what the host has
    except WebError as error:
        raise SourceError(f"{url}: {error}; look at the address, or run it again later to go on") from None
    raise SourceError(f"{url}: the host doesn't send what it promises; download it yourself and set `path` to the file")


def _fetch(url: str, web: Web, file: Path, partial: Path, about: Path) -> bool:
    """Whether the file is complete; not where the host refuses to go on with what is there."""
    facts = _facts(about)
    have = partial.stat().st_size if partial.is_file() else 0
    validator = facts.get("etag") or facts.get("modified") or ""
    headers = {"Accept-Encoding": "identity"}
    if have and validator and not validator.startswith("W/"):
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    elif file.is_file() and validator and not partial.is_file():
        headers |= {"If-None-Match": validator} if facts.get("etag") else {"If-Modified-Since": validator}
    with web.stream(url, headers) as response:
        if response.status_code == 304 and file.is_file():
            return True
        if response.status_code == 416:
            return False
        if response.status_code not in (200, 206):
            raise WebError("http-error", f"status {response.status_code}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise WebError("http-error", "packed, which wasn't asked for")
        goes_on = response.status_code == 206 and _start(response) == have
        if response.status_code == 206 and not goes_on:
            return False
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        size = have if goes_on else 0
        with partial.open("ab" if goes_on else "wb") as handle:
            write_json(about, {"url": url, "etag": etag, "modified": modified})
            for piece in timed(response):
                size += len(piece)
                if size > MAX_BYTES:
                    raise WebError("too-large", f"more than {MAX_BYTES // 2**20:,} MB")
                handle.write(piece)
    partial.replace(file)
    return True


def _start(response: httpx.Response) -> int:
    match = re.match(r"bytes (\d{1,15})-", response.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else -1


def _facts(about: Path) -> dict[str, str]:
    try:
        facts = json.loads(about.read_bytes())
        return {str(key): str(value) for key, value in facts.items()}
    except (OSError, ValueError, AttributeError):
        return {}
