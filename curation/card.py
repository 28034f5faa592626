"""The dataset card: README.md in the dataset's folder, with the front matter that Hugging Face's tools read.

With it `datasets.load_dataset(FOLDER)` finds the two splits, and takes nothing else for data. Tells no times, so that
the same records give the same card. Knows nothing about how the records came about.
"""

from __future__ import annotations

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bundle.atomic import write_text
from bundle.records import EVAL, TRAIN
from curation.escape import markdown, one_line
from curation.report import Report, largest

CARD = "README.md"
_KNOWN = """
apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0 isc
zlib unlicense artistic-2.0 bsl-1.0 epl-2.0 postgresql ncsa pddl wtfpl
"""
"""The licences that Hugging Face has names for, among those that documentation comes under."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(dataset: Path, report: Report, name: str = "") -> None:
    """Write the card of a dataset, under its name where it has one."""
    write_text(dataset / CARD, render_card(report, name))


def render_card(report: Report, name: str = "") -> str:
    """The card's text."""
    front = {
        "pretty_name": one_line(name) or "Questions and answers about Python libraries",
        "license": _licences(report),
        "language": ["en"],
        "task_categories": ["text-generation", "question-answering"],
        "size_categories": [next((size for most, size in _SIZES if report.kept < most), "n>1M")],
        "tags": ["code", "python", "documentation", *map(one_line, sorted(report.by_library))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": TRAIN}, {"split": "eval", "path": EVAL}],
            }
        ],
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown, "n": lambda value: f"{value:,}", "percent": lambda value: f"{value:.1%}"}
    # A JSON value is a YAML value, too, and JSON's quotes hold whatever a library may call itself.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()]
    return environment.get_template("card.md.jinja").render(
        front="\n".join(lines), title=front["pretty_name"], report=report, largest=largest, train=TRAIN, eval=EVAL
    )


def _licences(report: Report) -> list[str]:
    found = {name.lower() if name.lower() in _KNOWN.split() else "other" for name in report.licences}
    return sorted(found) or ["other"]
