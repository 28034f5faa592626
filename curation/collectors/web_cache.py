"""Documents of one site on the disk, with what it takes to ask whether they have changed.

A document is written before what is said of it, each atomically, so that a killed run leaves whole documents or none.
Which run had a document is kept too: a run that goes on where one was killed asks for nothing twice. Never touches the
network.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from time import time

from bundle.atomic import write_json, write_text
from curation.collectors.web import Answer

RUN_SECONDS = 24 * 3600.0
"""How long after its beginning a run that didn't end can go on; later, documents may have changed."""
_RUN = "run"


@dataclass(frozen=True)
class Kept:
    """A document that is there."""

    answer: Answer
    this_run: bool
    """Whether this run had it, or the one that it goes on with."""


class WebCache:
    """The documents of one site."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the site's own; begins a run, or goes on with the one that didn't end."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        run = folder / _RUN
        if run.is_file() and time() - run.stat().st_mtime < RUN_SECONDS:
            self._run = run.read_text(encoding="utf-8")
        else:
            self._run = uuid.uuid4().hex
            write_text(run, self._run)

    def load(self, url: str) -> Kept | None:
        """The document of an address; None where it isn't there, or damaged."""
        about, content = self._paths(url)
        try:
            facts = json.loads(about.read_bytes())
            body = content.read_bytes()
            if facts["sha256"] != hashlib.sha256(body).hexdigest():
                return None
            answer = Answer(str(facts["found"]), body, str(facts["etag"]), str(facts["modified"]))
            return Kept(answer, facts["run"] == self._run)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, url: str, answer: Answer) -> None:
        """Keep the document of an address, whose body is not None."""
        about, content = self._paths(url)
        body = answer.body or b""
        partial = content.with_suffix(".partial")
        partial.write_bytes(body)
        partial.replace(content)
        write_json(
            about,
            {
                "url": url,
                "found": answer.url,
                "etag": answer.etag,
                "modified": answer.modified,
                "sha256": hashlib.sha256(body).hexdigest(),
                "run": self._run,
            },
        )

    def end(self) -> None:
        """The run is complete: the next one asks anew whether documents have changed."""
        (self._folder / _RUN).unlink(missing_ok=True)

    def _paths(self, url: str) -> tuple[Path, Path]:
        name = hashlib.sha256(url.encode()).hexdigest()[:40]
        return self._folder / f"{name}.json", self._folder / f"{name}.body"
