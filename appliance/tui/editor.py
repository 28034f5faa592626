"""The user's own editor, for a question that is longer than a few lines. Knows nothing about the terminal's state."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from appliance.sanitise import clean
from bundle.errors import SettingsError


def editor(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The command that opens a file: $VISUAL, $EDITOR, or what is usually there.

    Raises:
        SettingsError: there is none.
    """
    for named in (environment.get("VISUAL"), environment.get("EDITOR"), "nano", "vi"):
        try:
            command = shlex.split(named or "")
        except ValueError:
            continue
        if command and shutil.which(command[0]):
            return command
    raise SettingsError("no editor was found; name one in $EDITOR")


def edited(text: str, command: list[str]) -> str:
    """The text as the editor left it.

    Raises:
        SettingsError: the editor failed.
    """
    with tempfile.TemporaryDirectory(prefix="boffin-") as folder:
        path = Path(folder) / "question.md"
        path.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*command, str(path)], check=True)
            return clean(path.read_text(encoding="utf-8", errors="replace")).rstrip("\n")
        except (OSError, subprocess.SubprocessError) as error:
            raise SettingsError(f"the editor failed ({error}); the question is as it was") from None
