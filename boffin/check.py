"""`boffin check`: one's own code, held to what exists in the libraries that an expert knows.

The libraries needn't be installed: the bundle's symbol table says what exists. The code is read, never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from appliance.checking import BlockReader
from appliance.library import Library
from boffin.served import find_bundle
from bundle.errors import BundleError, SettingsError
from bundle.manifest import load_manifest
from symbols.check import check_code
from symbols.finding import Finding
from symbols.table import SymbolTable

MAX_BYTES = 4_000_000
"""Bytes of a file beyond which it isn't read."""
_MARKDOWN = (".md", ".markdown")


def check_files(files: Sequence[Path], folder: Path, assignments: Sequence[str], bundle: Path | None) -> int:
    """Tell what in some files does not exist, a line a finding; returns how many findings there are.

    Of a Markdown file the Python blocks are checked, of any other all of it.

    Raises:
        BundleError: there is no bundle, or it has no symbol table.
        SettingsError: a file can't be read, or isn't Python.
    """
    served = find_bundle(folder, assignments, bundle)
    library = Library(served.bundle, load_manifest(served.bundle))
    library.close()
    if library.table is None:
        raise BundleError(f"{served.bundle}: has no table of what exists; build the bundle from documentation")
    count = 0
    for file in files:
        for finding in _findings(file, library.table):
            near = f"; did it mean {finding.nearest}?" if finding.nearest else ""
            typer.echo(f"{file}:{finding.line}: {finding.name} does not exist{near}")
            count += 1
    typer.echo(f"{count} findings in {len(files)} files", err=True)
    return count


def _findings(file: Path, table: SymbolTable) -> Iterator[Finding]:
    for code, before in _pieces(file):
        try:
            found = check_code(code, table)
        except SyntaxError as error:
            line = (error.lineno or 1) + before
            raise SettingsError(f"{file}:{line}: not Python ({error.msg}); mend it first") from None
        for one in found:
            yield Finding(one.line + before, one.name, one.problem, one.nearest)


def _pieces(file: Path) -> list[tuple[str, int]]:
    """The code of a file, with the number of lines before it."""
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise SettingsError(f"{file}: can't be read ({reason}); name a file of code") from None
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{file}: more than {MAX_BYTES:,} bytes; name a file of code")
    if file.suffix.lower() not in _MARKDOWN:
        return [(text, 0)]
    reader = BlockReader()
    return [(block.code, text.count("\n", 0, block.start)) for block in [*reader.feed(text), *reader.end()]]
