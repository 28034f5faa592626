"""The workspace: where a project's artefacts lie, the stamp in each, and the lock against a second build.

    workspace/base         the base model as a Hugging Face folder (only where it comes as a GGUF file)
    workspace/dataset      curation's result
    workspace/adapter      the trainer's result
    workspace/preferred    preference training's result (only where `trainer.preferences` is set)
    workspace/base-bundle  the base model as a bundle, to compare with
    workspace/bundle       convert's result: the expert
    workspace/report       the evaluation's result
    workspace/reviews      what people said of the answers, a file a reviewer; no stage reads it
    workspace/gate         the last refresh against the expert before it
    workspace/refresh      a refresh that isn't done, or that the gate stopped: artefacts of its own
    workspace/checkpoints  what a training run that was stopped or killed goes on from
    workspace/cache        the appliance's answers, curation's entries, answers of an evaluation that was stopped

Each artefact is a link that is moved onto a complete folder. Knows nothing about what the stages do.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.atomic import write_text
from bundle.errors import WorkspaceError

STAMP = ".stamp.json"


class Stamp(BaseModel):
    """What an artefact was built from, written into it before it is published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    """The stage that built it."""
    inputs: dict[str, str]
    """Digest of each input: settings, other artefacts, the stage's format number."""
    content: str
    """Digest of what other stages read of it."""
    came_in: str
    """The stage's summary: what came in."""
    went_out: str
    """The stage's summary: what went out."""
    seconds: float
    """How long the stage took."""
    finished: datetime
    """When it ended (UTC)."""


@dataclass(frozen=True)
class Workspace:
    """The folder of a project's artefacts."""

    folder: Path
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    """Artefacts that are read from another place, where a refresh shares those of the project."""

    def path(self, name: str) -> Path:
        """Where an artefact lies, built or not."""
        return self.elsewhere.get(name, self.folder / name)

    def stamp(self, name: str) -> Stamp | None:
        """The stamp of an artefact, or None where it isn't built (or its stamp can't be read)."""
        try:
            return Stamp.model_validate_json((self.path(name) / STAMP).read_bytes())
        except (OSError, ValidationError):
            return None

    def create(self) -> None:
        """Make the folder.

        Raises:
            WorkspaceError: something else is in its place.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise WorkspaceError(f"{self.folder}: is not a folder; move it away or set `project.workspace`") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace for writing; the lock ends with the process, however it ends.

        Raises:
            WorkspaceError: another process holds it.
        """
        self.create()
        descriptor = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WorkspaceError(
                    f"{self.folder}: another boffin is building here; wait for it, or stop it"
                ) from None
            yield
        finally:
            os.close(descriptor)


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Put the stamp into an artefact that is about to be published."""
    write_text(folder / STAMP, stamp.model_dump_json(indent=2) + "\n")


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
