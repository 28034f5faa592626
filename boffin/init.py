"""`boffin init`: writes a commented boffin.toml from one of the templates in `boffin/templates/`."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from bundle.atomic import write_text
from bundle.errors import SettingsError

TEMPLATES = Path(__file__).parent / "templates"


def write_project(folder: Path, template: str) -> Path:
    """Write `folder`/boffin.toml, with the folder's name as the expert's.

    Raises:
        SettingsError: there is one already, or there is no such template.
    """
    names = sorted(path.stem for path in TEMPLATES.glob("*.toml"))
    if template not in names:
        near = difflib.get_close_matches(template, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise SettingsError(f"--template {template}: no such template; {hint}")
    path = folder / "boffin.toml"
    if path.exists():
        raise SettingsError(f"{path}: is there already; edit it, or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "expert"
    text = (TEMPLATES / f"{template}.toml").read_text(encoding="utf-8")
    write_text(path, text.replace('name = "expert"', f'name = "{name[:64]}"', 1))
    return path
