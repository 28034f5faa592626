"""A small package in an environment of its own, and the symbol table of real libraries."""

from __future__ import annotations

import sys
import textwrap
import venv
from pathlib import Path

import pytest

from symbols.introspect import walk_packages
from symbols.table import SymbolTable

FILES = {
    "gadgets/__init__.py": '''
        """Gadgets."""
        print("gadgets talks to standard output while it is imported")
        from gadgets._parts import BrokenGadget, Wheel, spin
        RADIUS = 3
        __all__ = ["BrokenGadget", "RADIUS", "Wheel", "old_spin", "spin", "turn"]
        turn = spin

        def old_spin(wheel):
            """Spin the old way.

            .. deprecated:: 1.2
               Use `spin`.
            """
    ''',
    "gadgets/_parts.py": '''
        class Base:
            """Base of all gadgets."""

            def stop(self, gently=True) -> None:
                """Stop the gadget."""

        class Wheel(Base):
            """A wheel."""

            def __init__(self, radius, *, spokes=8):
                self.radius = radius

            @property
            def area(self):
                """Area of the wheel."""

            @classmethod
            def unit(cls, name="unit"):
                """Make a wheel of radius 1."""

            def _hidden(self):
                """Not for others."""

        class BrokenGadget(Exception):
            """Raised when a gadget breaks."""

        def spin(wheel, turns=1, *, backwards=False):
            """Spin a wheel.

            Parameters
            ----------
            turns : int
                How often.

                .. deprecated:: 1.1
                   Pass it by name.
            """
    ''',
    "gadgets/broken.py": "raise RuntimeError('does not import')",
    "gadgets/leaving.py": "import sys; sys.exit(3)",
    "gadgets/tools.py": 'def open_box(box, **options):\n    """Open a box."""\n',
    "crashing/__init__.py": "import os; os._exit(9)",
    "empty/__init__.py": "",
    "gadgets-1.4.dist-info/METADATA": "Metadata-Version: 2.4\nName: gadgets\nVersion: 1.4\nLicense-Expression: MIT\n",
    "gadgets-1.4.dist-info/top_level.txt": "gadgets\n",
    "gadgets-1.4.dist-info/RECORD": "gadgets/__init__.py,,\n",
}


@pytest.fixture(scope="session")
def gadgets_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has the packages above."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name, text in FILES.items():
        path = site / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip() if "METADATA" not in name else text)
    return str(Path(folder) / "bin" / "python")


@pytest.fixture(scope="session")
def table() -> SymbolTable:
    """What exists in numpy, requests and some of the standard library."""
    walk = walk_packages(["numpy", "requests", "builtins", "os", "posixpath", "json", "collections", "datetime", "xml"])
    for _ in walk:
        pass
    return walk.table
