"""The worker: imports packages, looks at what is there, and writes it as JSON lines to standard output.

Run by path in any interpreter from Python 3.10 on, `python -I worker/__main__.py STUBS PACKAGE…`. STUBS is a folder
with stubs of the standard library, or empty; `stdlib` stands for the standard library among the packages. Uses the
standard library alone and knows nothing of Boffin; as it is run by path, its parts import each other relatively. Each
line is an object with one key:

    importing   the module that is imported next
    missing     a package that can't be imported, and why
    entry       one documented public object, under its shortest public name
    table       what exists, for the symbol table; the last line
"""

from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    # Its modules come under a name that no package has: on the path they would be in the way of others.
    import importlib.util

    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "_boffin_worker", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["_boffin_worker"] = importlib.util.module_from_spec(spec)
    __package__ = "_boffin_worker"

from .documented import STDLIB, describe, distribution_of, find_objects
from .graph import Graph
from .modules import Modules, is_public

# Imported, these open a browser, print, start a program, or are tests; or they are tools rather than a library.
STDLIB_LEFT_OUT = frozenset(
    [
        "antigravity",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "test",
        "this",
        "turtle",
        "turtledemo",
        "venv",
        "distutils",
    ]
)


def importable_roots() -> list[str]:
    """The names of all top-level modules that this interpreter can import, as far as they can be listed."""
    installed = {found.name for found in pkgutil.iter_modules()}
    with contextlib.suppress(Exception):  # damaged metadata
        installed |= {name for name in metadata.packages_distributions() if name.isidentifier()}
    return sorted(installed | set(sys.stdlib_module_names))


def main(stubs: str, packages: list[str]) -> None:
    """Walk the packages; standard output is the channel, so what they print goes nowhere."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115

    def say(line: dict[str, Any]) -> None:
        channel.write(json.dumps(line, ensure_ascii=True) + "\n")
        channel.flush()

    warnings.simplefilter("ignore")
    modules = Modules(say)
    walked: list[tuple[str, list[str]]] = []
    for package in packages:
        before = len(modules.names)
        stdlib = sorted(set(sys.stdlib_module_names) - STDLIB_LEFT_OUT)
        for name in [one for one in stdlib if not one.startswith("_")] if package == STDLIB else [package]:
            modules.add(name)
        if package == STDLIB:
            modules.names.append("os.path")  # the walk meets it as posixpath or ntpath only
        walked.append((package, modules.names[before:]))
    versions: dict[str, str] = {}
    for package, names in walked:
        distribution = distribution_of(package)
        versions.update({name.partition(".")[0]: distribution[1] for name in names})
        for found in find_objects(names):
            say({"entry": describe(found, distribution, modules.deprecated)})
    graph = Graph(modules, stubs)
    roots = {name: graph.scope(sys.modules[name]) for name in sorted(versions)}
    loaded = {name for name in sys.modules if name.partition(".")[0] in roots and is_public(name)}
    table = {
        "packages": versions,
        "known": importable_roots(),
        "roots": roots,
        "modules": sorted(loaded | set(modules.names) | set(modules.left_out) | set(modules.skipped)),
        "keywords": graph.keyword_lists,
        "leaves": graph.leaves,
        "types": graph.types,
        "scopes": graph.scopes,
    }
    say({"table": table, "skipped": len(modules.skipped)})
    channel.close()
    os._exit(0)  # packages' own exit handlers and threads have no say


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
