"""A stand-in for the model hub: an HTTP server on loopback with the endpoints that huggingface-hub really calls."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_standin"


@dataclass
class Repository:
    """A model on the hub."""

    files: dict[str, bytes] = field(default_factory=dict)
    commit: str = "c" * 40
    tags: tuple[str, ...] = ("main",)
    gated: bool = False
    granted: bool = False
    private: bool = False


@dataclass
class Hub:
    """The stand-in: what it has, what it was asked, and where it is to break off."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, and the Range header."""
    payloads: dict[str, Any] = field(default_factory=dict)
    """The last body that was sent to each of the endpoints, by its name."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    """SHA-256 → bytes that were uploaded."""
    break_off: str = ""
    """A file that breaks off in the middle, the first time."""
    failing: bool = False
    """Whether everything is answered with 503."""

    def add(self, name: str, files: dict[str, bytes]) -> Repository:
        """Put a model on the hub."""
        self.repositories[name] = Repository(files=dict(files))
        return self.repositories[name]


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.serve()

    def do_HEAD(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range") or ""))
        if self.hub.failing:
            self.answer(503, {"error": "down"})
        elif self.command in ("POST", "PUT"):
            self.write(path, body)
        else:
            self.read(path)

    def read(self, path: str) -> None:
        parts = path.removeprefix("/api/models").strip("/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        repository = self.hub.repositories.get(name)
        if repository is None:
            self.refuse(404, "RepoNotFound")
        elif (
            rest and rest[0] in ("revision", "tree", "resolve") and rest[1] not in (*repository.tags, repository.commit)
        ):
            self.refuse(404, "RevisionNotFound")
        elif path.startswith("/api/models/") and (not rest or rest[0] == "revision"):
            siblings = [{"rfilename": file} for file in repository.files]
            facts = {"id": name, "sha": repository.commit, "private": repository.private, "siblings": siblings}
            self.answer(200, facts)
        elif path.startswith("/api/models/"):
            self.answer(
                200,
                [
                    {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for file, data in repository.files.items()
                ],
            )
        elif repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "GatedRepo")
        elif repository.gated and not repository.granted:
            self.refuse(403, "GatedRepo")
        else:
            self.file("/".join(rest[2:]), repository)

    def file(self, file: str, repository: Repository) -> None:
        data = repository.files[file]
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if file == self.hub.break_off:
            self.hub.break_off = ""
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.write(data[start:])

    def write(self, path: str, body: bytes) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" and not path.startswith("/upload/"):
            self.answer(401, {"error": "Invalid credentials in Authorization header"})
            return
        if path == "/api/repos/create":
            self.create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.hub.payloads["yaml"] = json.loads(body)
            self.answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = self.hub.payloads["preupload"] = json.loads(body)["files"]
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".gguf")) else "regular",
                    "shouldIgnore": False,
                }
                for one in files
            ]
            self.answer(200, {"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                one | {"actions": {"upload": {"href": f"{self.hub.address}/upload/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.answer(200, {"transfer": "basic", "objects": objects})
        elif path.startswith("/upload/"):
            self.hub.uploads[path.removeprefix("/upload/")] = body
            self.answer(200, {})
        else:
            self.commit(path, [json.loads(line) for line in body.splitlines()])

    def create(self, payload: dict[str, Any]) -> None:
        self.hub.payloads["create"] = payload
        name = f"{payload['organization'] or 'me'}/{payload['name']}"
        address = f"{self.hub.address}/{name}"
        if payload["organization"] == "others":
            self.answer(403, {"error": "You don't have the rights to create a model under this namespace"})
        elif name in self.hub.repositories:
            self.answer(409, {"error": "You already created this model repo", "url": address})
        else:
            self.hub.repositories[name] = Repository(private=payload["visibility"] == "private")
            self.answer(200, {"url": address, "id": name, "name": name})

    def commit(self, path: str, lines: list[dict[str, Any]]) -> None:
        name = path.removeprefix("/api/models/").partition("/commit/")[0]
        self.hub.payloads["commit"] = lines
        files = self.hub.repositories[name].files
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                files[line["value"]["path"]] = self.hub.uploads[line["value"]["oid"]]
        commit = "d" * 40
        self.answer(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit})

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """The stand-in, running."""
    hub = Hub()
    handler = type("Bound", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield hub
        server.shutdown()


@pytest.fixture
def with_hub(hub: Hub, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python command in a process that takes the stand-in for the hub, with a cache of its own."""

    def run(*arguments: str, prefix: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment = clean | {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_DISABLE_XET": "1",  # the stand-in speaks plain HTTP
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
            **variables,
        }
        return subprocess.run(
            [*prefix, sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    return run
