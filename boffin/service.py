"""`boffin service`: the expert as a service of this user, which starts with the session and again after a fault.

On Linux a unit of systemd's user manager, on a Mac an agent of launchd. Writes one file, and asks the system's own
program to take it up; knows nothing about serving.
"""

from __future__ import annotations

import os
import platform
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from boffin.served import find_bundle
from boffin.settings_file import FILE
from bundle.atomic import write_text
from bundle.errors import SettingsError
from bundle.manifest import load_manifest

GRACE = 10
"""Seconds that the system waits beyond the server's own grace before it kills it."""


@dataclass(frozen=True)
class Service:
    """What is to run."""

    name: str
    """The expert's."""
    command: tuple[str, ...]
    """The program and its arguments, every path whole."""
    folder: Path
    """Where it runs."""
    grace: float
    """Seconds that its running answers get when it is stopped."""


def describe(folder: Path, assignments: Sequence[str], bundle: Path | None) -> Service:
    """The service of a project, or of a bundle that was named.

    Raises:
        BundleError: there is no bundle.
        SettingsError: the settings can't be used.
    """
    served = find_bundle(folder, assignments, bundle)
    # A project's service finds its bundle at each start, so that a new one is served after a restart.
    there = [f"--bundle={served.bundle}"] if bundle is not None else [f"--directory={folder.resolve()}"]
    flags = [f"--set={assignment}" for assignment in assignments]
    command = (sys.executable, "-P", "-m", "boffin", "serve", *there, *flags)
    where = folder.resolve() if (folder / FILE).exists() else Path.home()
    return Service(load_manifest(served.bundle).name, command, where, served.settings.limits.grace)


def unit(service: Service) -> str:
    """The service as a unit of systemd (systemd.service(5))."""
    return "\n".join(
        (
            "[Unit]",
            f"Description=Boffin: the expert {_escaped(service.name)}",
            "",
            "[Service]",
            f"ExecStart={' '.join(_quoted(part) for part in service.command)}",
            f"WorkingDirectory={_escaped(str(service.folder))}",
            "Restart=on-failure",
            "RestartSec=5",
            f"TimeoutStopSec={int(service.grace) + GRACE}",
            "NoNewPrivileges=yes",
            "LimitCORE=0",
            "UMask=0077",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        )
    )


def agent(service: Service) -> str:
    """The service as an agent of launchd (launchd.plist(5))."""
    log = str(Path.home() / "Library" / "Logs" / f"boffin-{service.name}.log")
    told = {
        "Label": _label(service.name),
        "ProgramArguments": list(service.command),
        "WorkingDirectory": str(service.folder),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": int(service.grace) + GRACE,
        "ProcessType": "Interactive",  # else it is throttled as what nobody waits for
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(told, sort_keys=False).decode()


def install(service: Service, *, only_show: bool) -> None:
    """Write the service's file, or only print it, and start it.

    Raises:
        SettingsError: this system has neither systemd nor launchd, or it refuses.
    """
    mac = platform.system() == "Darwin"
    text = agent(service) if mac else unit(service)
    if only_show:
        typer.echo(text, nl=False)
        return
    path = _path(service.name, mac)
    program = _program(mac)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    if mac:
        _ask(program, "bootout", f"{_domain()}/{_label(service.name)}", may_fail=True)
        _ask(program, "bootstrap", _domain(), str(path))
        see = f"tail -f ~/Library/Logs/boffin-{service.name}.log"
    else:
        _ask(program, "--user", "daemon-reload")
        _ask(program, "--user", "enable", path.name)
        _ask(program, "--user", "restart", path.name)
        see = f"journalctl --user -fu {path.stem}"
    typer.echo(f"{path} is written and started; {see} shows its log.")
    if not mac:
        typer.echo("It stops when you log out, unless `loginctl enable-linger` lets it go on.")


def remove(service: Service) -> None:
    """Stop the service and take its file away.

    Raises:
        SettingsError: there is none.
    """
    mac = platform.system() == "Darwin"
    path = _path(service.name, mac)
    if not path.exists():
        raise SettingsError(f"{path}: no such service; `boffin service install` makes it")
    if mac:
        _ask(_program(mac), "bootout", f"{_domain()}/{_label(service.name)}", may_fail=True)
    else:
        _ask(_program(mac), "--user", "disable", "--now", path.name, may_fail=True)
    path.unlink()
    if not mac:
        _ask(_program(mac), "--user", "daemon-reload")
    typer.echo(f"{path} is stopped and removed.")


def _path(name: str, mac: bool) -> Path:
    if mac:
        return Path.home() / "Library" / "LaunchAgents" / f"{_label(name)}.plist"
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "systemd" / "user" / f"boffin-{name}.service"


def _program(mac: bool) -> str:
    name = "launchctl" if mac else "systemctl"
    program = shutil.which(name)
    if program is None:
        raise SettingsError(f"there is no {name} here; let whatever starts programs run `boffin serve`")
    return program


def _ask(program: str, *arguments: str, may_fail: bool = False) -> None:
    """Run the system's own program."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise SettingsError(f"{Path(program).name} {' '.join(arguments)}: {said}")


def _label(name: str) -> str:
    return f"boffin.{name}"


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _escaped(text: str) -> str:
    """A text as units have it: `%` begins a specifier."""
    return text.replace("%", "%%")


def _quoted(part: str) -> str:
    """A word of a unit's command line."""
    escaped = _escaped(part).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
