"""Runs every program of examples/clients against the real server, and writes docs/clients.md with what each printed.

The programs are run as they stand, so the server listens on the port that they name. Used by `make clients`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from appliance.settings import ApplianceSettings
from benchmarks.servers import Work, boffin
from bundle.atomic import write_text
from bundle.manifest import load_manifest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "examples" / "clients"
PACKAGES = ("openai", "llm", "langchain-openai", "langchain-ollama", "ollama")
HEAD = """# Programs that speak to it

Written by `make clients`; don't edit.

`boffin serve` speaks OpenAI's protocol and Ollama's, so programs for either need an address and, where there are keys,
a key. Below are whole programs (in examples/clients) and what each of them printed, run against the demo's expert,
its stored answers off.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="of the environment with the clients' packages")
    options = parser.parse_args()
    bundle: Path = options.bundle.resolve()
    file = load_manifest(bundle).model("Q8_0")
    work = Work(bundle, file.quantisation, bundle / file.file, 4, 1024, os.cpu_count() or 1)
    port = ApplianceSettings().port
    parts = [HEAD, f"\nVersions: {_versions(options.python)}.\n"]
    with boffin(work, port=port), tempfile.TemporaryDirectory() as home:
        path = f"{options.python.absolute().parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "HOME": home, "LLM_USER_PATH": home}
        for program in sorted(PROGRAMS.iterdir()):
            command = ["python" if program.suffix == ".py" else "sh", str(program)]
            run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
            if run.returncode:
                sys.exit(f"{program.name}: ended with {run.returncode}: {run.stderr.strip()[-2000:]}")
            print(f"{program.name}: {len(run.stdout)} characters")
            language = "python" if program.suffix == ".py" else "sh"
            # Four marks: answers have blocks of code with three.
            parts.append(
                f"\n## {program.name}\n\n```{language}\n{program.read_text().rstrip()}\n```\n\n"
                f"printed\n\n````text\n{run.stdout.rstrip()}\n````\n"
            )
    write_text(ROOT / "docs" / "clients.md", "".join(parts))


def _versions(python: Path) -> str:
    code = f"import importlib.metadata as m; print(', '.join(f'{{n}} {{m.version(n)}}' for n in {PACKAGES}))"
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() + (
        f", curl {curl}"
    )


if __name__ == "__main__":
    main()
