"""A reviewer's verdicts: a file of JSON lines that only grows, synced after each.

A later line about the same pair counts instead of an earlier one; one without a verdict takes it back. The lines hold
digests and marks, no text of a question or an answer: there is nothing in them to learn from. Knows nothing about
terminals.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from bundle.errors import EvaluationError
from evaluation.verdict import Part, Verdict

_NAME = re.compile(r"[^\W_][\w.-]{0,39}")
"""At most 40 letters, so that the file's name isn't too long in any script."""


class _Line(Part):
    pair: str
    verdict: Verdict | None
    when: datetime


def name_from(login: str) -> str:
    """A reviewer's name made of a login's: what no name has in it is a dash."""
    return re.sub(r"[^\w.-]+", "-", login).strip("-._")[:40] or "reviewer"


class Log:
    """One reviewer's file, to be used as a context manager; nobody else may write it meanwhile."""

    def __init__(self, folder: Path, reviewer: str) -> None:
        """Open the file, made where it isn't there.

        Raises:
            EvaluationError: the name is none, a line is damaged, a folder has that name, or somebody is reviewing
                under it.
        """
        if not _NAME.fullmatch(reviewer):
            raise EvaluationError("--reviewer: a name has letters, digits, dots, dashes and underscores, at most 40")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{reviewer}.jsonl"
        self.path = path
        _no_folder(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.verdicts = _read(path)
            # What a kill left of a line was never a verdict.
            content = path.read_bytes()
            os.ftruncate(self._descriptor, content.rfind(b"\n") + 1)
        except BlockingIOError:
            os.close(self._descriptor)
            raise EvaluationError(f"{path}: {reviewer} is reviewing in another terminal; go on there") from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def keep(self, pair: str, verdict: Verdict | None) -> None:
        """Write a verdict on a pair, by its digest, to the disk; None takes the last one back."""
        line = (_Line(pair=pair, verdict=verdict, when=datetime.now(UTC)).model_dump_json() + "\n").encode()
        if os.write(self._descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        os.fsync(self._descriptor)
        if verdict:
            self.verdicts[pair] = verdict
        else:
            self.verdicts.pop(pair, None)


def read_reviews(folder: Path) -> dict[str, dict[str, Verdict]]:
    """Reviewer → pair's digest → verdict, of all files in a folder; none where there is no such folder.

    Raises:
        EvaluationError: a line is damaged, or a folder has a reviewer's name.
    """
    return {path.stem: _read(path) for path in sorted(folder.glob("*.jsonl"))}


def _read(path: Path) -> dict[str, Verdict]:
    _no_folder(path)
    verdicts: dict[str, Verdict] = {}
    for number, text in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            line = _Line.model_validate_json(text)
        except ValidationError:
            raise EvaluationError(f"{path}:{number}: damaged; delete that line, the others stay") from None
        if line.verdict:
            verdicts[line.pair] = line.verdict
        else:
            verdicts.pop(line.pair, None)
    return verdicts


def _no_folder(path: Path) -> None:
    if path.is_dir():
        raise EvaluationError(f"{path}: a folder where a reviewer's file belongs; move it elsewhere")
