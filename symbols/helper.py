"""The helper: asks jedi what is at places of a piece of code, which it parses and never runs.

Run by path, `python -I helper.py PYTHON FOLDER`: PYTHON is the interpreter whose libraries are meant, FOLDER an empty
one for jedi's cache. Reads and writes JSON lines; a request has `code` and `places`, each a line (from 1), a column in
characters and whether the place is called; the answer has a list of class names for each place, or null.

Jedi parses source files, but imports compiled modules, in a process of PYTHON. It finds both only where PYTHON itself
looks, whatever the code does to `sys.path`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MEMORY_BYTES = 4 * 2**30


def main(python: str, folder: str) -> None:
    """Answer requests until there are no more."""
    import jedi  # it takes most of a second, and only this process ever needs it

    limit_memory()
    jedi.settings.cache_directory = str(Path(folder) / "cache")
    jedi.settings.auto_import_modules = []
    environment = jedi.create_environment(python, safe=False)
    project = jedi.Project(
        folder, sys_path=environment.get_sys_path(), smart_sys_path=False, load_unsafe_extensions=False
    )
    for line in sys.stdin:
        request = json.loads(line)
        script = jedi.Script(request["code"], project=project, environment=environment)
        answers = [classes_at(script, *place) for place in request["places"]]
        sys.stdout.write(json.dumps(answers) + "\n")
        sys.stdout.flush()


def classes_at(script: Any, line: int, column: int, called: bool) -> list[str] | None:
    """Full names of the classes that what is there may be an instance of; None where jedi can't tell."""
    try:
        names = script.infer(line, column)
        if called:
            names = [one for name in names for one in name.execute()]
        classes = {str(name.full_name) if name.type == "instance" and name.full_name else "" for name in names}
    except Exception:  # jedi fails on what its authors never met
        return None
    return sorted(classes) if classes and "" not in classes else None


def limit_memory() -> None:
    """Bound this process's address space, where the system has such a bound."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
