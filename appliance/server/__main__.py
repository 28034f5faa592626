"""`python -m appliance.server --bundle DIR`: serves a bundle.

Knows the command line's form; everything else is `serve`'s.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from appliance.server.process import serve
from appliance.settings import ApplianceSettings
from bundle.errors import BoffinError

DEFAULT_CACHE = Path("~/.cache/boffin")


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; the exit code is 0 then, 1 where something must be mended first."""
    gc.set_threshold(20_000)  # what a start makes stays: looking for garbage in it took a tenth of the time
    options = _parser().parse_args(arguments)
    until = _stdin_closes if options.until_stdin_closes else None
    try:
        serve(options.bundle, _settings(options), options.cache_dir.expanduser(), until=until)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        print(f"error: appliance.{name}: {first['msg']}", file=sys.stderr)
        return 2
    except BoffinError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _stdin_closes() -> None:
    """Returns when standard input ends."""
    # Not through sys.stdin: a thread that waits inside it makes the interpreter abort when it shuts down.
    while os.read(0, 65536):
        pass


def _settings(options: argparse.Namespace) -> ApplianceSettings:
    """The settings given as JSON, with the flags over them."""
    given = ApplianceSettings.model_validate_json(options.settings)
    names = ("host", "port", "quantisation", "slots", "context", "queue", "threads", "gpu_layers")
    flags = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.no_cache:
        flags["cache"] = given.cache.model_copy(update={"enabled": False})
    return ApplianceSettings.model_validate({**dict(given), **flags})


def _layers(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m appliance.server", description="Serve a bundle over HTTP.")
    parser.add_argument("--bundle", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--settings", default="{}", help="the settings of the appliance as JSON; flags go over them")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="TCP port; 0 takes any free one")
    parser.add_argument("--quantisation", help="which of the bundle's GGUF files; its first unless given")
    parser.add_argument("--slots", type=int, help="answers generated at once")
    parser.add_argument("--context", type=int, help="longest prompt plus answer, in tokens")
    parser.add_argument("--queue", type=int, help="requests that may wait")
    parser.add_argument("--threads", type=int, help="threads for llama.cpp; 0 takes every core")
    parser.add_argument("--gpu-layers", type=_layers, help="layers on the GPU: auto, all, none or a number")
    parser.add_argument("--no-cache", action="store_true", help="keep no answers on disk")
    parser.add_argument("--cache-dir", type=Path, default=DEFAULT_CACHE, help=f"for answers ({DEFAULT_CACHE})")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when standard input ends, e.g. with the parent process"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
