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
    "gadgets/workshop.py": '''
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from gadgets._parts import Wheel, spin
        if TYPE_CHECKING:
            from gadgets._parts import BrokenGadget

        class Workshop:
            """A place for gadgets."""
            name: str

            def __init__(self):
                self.wheels = []
                self._tools = {}

            def wheel(self) -> Wheel:
                """Make a wheel."""

            def wheels_by_size(self) -> dict[str, list[Wheel]]:
                """All wheels."""

            def broken(self) -> BrokenGadget | None:
                """The last broken one."""

            def copy(self):
                """Copy it.

                Returns
                -------
                same type as caller
                """

            def spin(self, *args, **kwargs):
                """Spin a wheel of it."""
                kwargs.setdefault("fast", True)
                return spin(*args, **kwargs)

        class Anything:
            """Has any attribute."""
            def __getattr__(self, name):
                return name

        class Filled:
            """Is given attributes by name."""
            def __init__(self, **values):
                for name, value in values.items():
                    setattr(self, name, value)

        class Special(Workshop):
            """Has more."""
            def extra(self):
                """Something of its own."""

        def open_workshop() -> Workshop:
            """Open the workshop."""

        def measure(wheel):
            """Measure a wheel.

            Returns
            -------
            radius : float
                The radius.
            parts : Wheel or None
                The parts.
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
    """What exists in numpy, pandas, requests and some of the standard library."""
    modules = ["builtins", "os", "posixpath", "json", "collections", "datetime", "xml", "re", "pathlib", "io", "typing"]
    walk = walk_packages(["numpy", "pandas", "requests", "types", *modules])
    for _ in walk:
        pass
    return walk.table
