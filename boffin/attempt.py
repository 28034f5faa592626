"""An attempt at a refresh: its own folder in the workspace, what it began with, and how its artefacts are published.

    workspace/refresh/attempt.json   what it began with, and how it ended
    workspace/refresh/publish.json   what is being published: it is there from the gate's consent until all is done

Publishing moves one artefact after the other. A kill in between leaves `publish.json`, and whichever command next takes
the workspace's lock moves the rest before it does anything else, so that no command sees a new dataset with an old
adapter and trains from scratch for it. Each artefact is one link: a reader has the old one or the new one.
Knows nothing about what is in the artefacts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from boffin.workspace import Workspace
from bundle.atomic import BUILDS, adopt_folder, sync_folder, write_json

REFRESH = "refresh"
_ATTEMPT, _PUBLISH = "attempt.json", "publish.json"

Ending = Literal["", "nothing new", "stopped by the gate"]
"""How an attempt ended; empty while it hasn't."""


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    began_with: str
    ending: Ending = ""


@dataclass(frozen=True)
class Attempt:
    """A refresh that is being made."""

    folder: Path
    began_with: str
    """Digest of what it goes on from: another one makes its artefacts worthless."""
    ended: bool
    """Whether an earlier run came to an ending that wasn't a publication."""

    def end(self, ending: Ending) -> None:
        """Note how it ended."""
        write_json(self.folder / _ATTEMPT, {"began_with": self.began_with, "ending": ending})

    def publish(self, workspace: Workspace, artefacts: Sequence[str]) -> None:
        """Put artefacts of the attempt in the place of the workspace's, in this order. The caller holds its lock."""
        builds = [[name, (self.folder / name).resolve().name] for name in artefacts]
        write_json(self.folder / _PUBLISH, builds)
        _move(workspace)


def begin(workspace: Workspace, began_with: str, *, anew: bool) -> Attempt:
    """Begin an attempt, or go on with one that began with the same, unless it is to begin `anew`."""
    folder = workspace.folder / REFRESH
    state = _read(folder)
    if anew or state is None or state.began_with != began_with:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        state = _State(began_with=began_with)
        write_json(folder / _ATTEMPT, state.model_dump())
    return Attempt(folder, began_with, bool(state.ending))


def complete(workspace: Workspace) -> bool:
    """Finish the publication of an attempt that was killed in it, if there is one. The caller holds the lock."""
    if not (workspace.folder / REFRESH / _PUBLISH).is_file():
        return False
    _move(workspace)
    discard(workspace)
    return True


def discard(workspace: Workspace) -> None:
    """Remove all that is left of an attempt. The caller holds the lock."""
    shutil.rmtree(workspace.folder / REFRESH, ignore_errors=True)


def standing_of(workspace: Workspace) -> str:
    """How the last attempt stands, in words; empty where nothing is left of one."""
    folder = workspace.folder / REFRESH
    if (folder / _PUBLISH).is_file():
        return "is being published"
    state = _read(folder)
    if state is None:
        return ""
    return state.ending or "not done; `boffin refresh` goes on with it"


def _move(workspace: Workspace) -> None:
    folder = workspace.folder / REFRESH
    for name, build in json.loads((folder / _PUBLISH).read_bytes()):
        adopt_folder(folder / BUILDS / build, workspace.path(name))
    (folder / _PUBLISH).unlink()
    sync_folder(folder)


def _read(folder: Path) -> _State | None:
    try:
        return _State.model_validate_json((folder / _ATTEMPT).read_bytes())
    except (OSError, ValidationError):
        return None
