"""Cleaning: drafts masked and judged, one line of JSON each; where they are many, in a second process.

Run as a module it is that process: standard input has the filters and the table, then the drafts, pickled by the
first; standard output is the file that their lines go to. It ends with its input, so with the process that started it.
Knows nothing about how a draft was composed.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from curation.draft import Draft
from curation.filters import Cleaning
from curation.masking import mask_draft
from curation.reason import Reason
from curation.settings import Filters
from symbols.table import SymbolTable

_FEW = 500
"""Drafts that are cleaned sooner than a process is started."""


class Drafted(BaseModel):
    """A draft, and what was found in it."""

    model_config = ConfigDict(frozen=True)

    draft: Draft
    masked: tuple[str, ...] = ()
    """Secrets and personal data that were masked, by their kind."""
    reason: Reason | None = None
    """Why it isn't clean."""


def write_cleaned(drafts: Iterable[Draft], settings: Filters, table: SymbolTable, file: BinaryIO) -> None:
    """Write each draft's `Drafted` as a line of JSON.

    Args:
        drafts: as they are composed; what composes them and what cleans them take turns of two processors.
        settings: the filters'.
        table: that of all libraries.
        file: a file of the system's, at its end.

    Raises:
        RuntimeError: the second process failed; its own words stand on standard error.
    """
    stream = iter(drafts)
    _write(islice(stream, _FEW), Cleaning(settings, table), file)
    file.flush()
    if (following := next(stream, None)) is None:
        return
    command = [sys.executable, "-P", "-X", "utf8", "-m", "curation.cleaning"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file.fileno()) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:
            for one in chain(((settings, table), following), stream):
                pickle.dump(one, process.stdin)
    if process.returncode:
        raise RuntimeError(f"cleaning ended with {process.returncode}; run the command again")


def _write(drafts: Iterable[Draft], cleaning: Cleaning, file: BinaryIO) -> None:
    for draft in drafts:
        masked, found = mask_draft(draft)
        drafted = Drafted(draft=masked, masked=tuple(found), reason=cleaning.judge(masked))
        file.write(drafted.model_dump_json().encode() + b"\n")


def _main(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    # The first process hears it, too, and then there is nothing more to read.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _write(_drafts(incoming), Cleaning(*pickle.load(incoming)), outgoing)
    outgoing.flush()


def _drafts(incoming: BinaryIO) -> Iterator[Draft]:
    with suppress(EOFError):
        while True:
            yield pickle.load(incoming)


if __name__ == "__main__":
    _main(sys.stdin.buffer, sys.stdout.buffer)
