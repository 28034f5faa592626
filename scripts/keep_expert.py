"""Keeps the adapter that `make expert` trained in the demo's project, for the demo to go on from.

    python scripts/keep_expert.py examples/pocket

Copied are the weights, in 16 bits, what a run needs to go on from them, the sealed manifest and the report. Nothing in
them names this machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from bundle.atomic import new_folder, write_json

WORKSPACE, KEPT = "workspace-reading", "expert"
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
OF_ADAPTER = ("recipe.json", "template.json", "lineage.json", "summary.json", "loss.svg")
OF_REPORT = ("report.json", "report.md")


def keep(project: Path) -> Path:
    """Copy what is kept of the project's full-size expert; returns the folder."""
    workspace, kept = project / WORKSPACE, project / KEPT
    adapter = (workspace / "adapter").resolve()
    shutil.rmtree(kept, ignore_errors=True)  # git has the one before
    with new_folder(kept) as out:
        half = {name: tensor.to(torch.float16) for name, tensor in load_file(adapter / WEIGHTS).items()}
        save_file(half, out / WEIGHTS, {"format": "pt"})
        (out / WEIGHTS).chmod(0o644)
        config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
        recipe = json.loads((adapter / "recipe.json").read_text(encoding="utf-8"))
        write_json(out / CONFIG, config | {"base_model_name_or_path": recipe["model"]})
        for name in OF_ADAPTER:
            shutil.copy(adapter / name, out / name)
        shutil.copy((workspace / "bundle").resolve() / "manifest.json", out / "manifest.json")
        for name in OF_REPORT:
            shutil.copy((workspace / "report").resolve() / name, out / name)
    return kept


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("project", type=Path, help="the demo's project")
    kept = keep(parser.parse_args().project)
    size = sum(file.stat().st_size for file in kept.iterdir())
    print(f"Kept in {kept}: {size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
