"""What does the importance matrix gain at each type, on held-out records of a project that is built?

    make bench-quantise                                # of the demo's adapter; -C names another project's folder

The adapter is merged, and each type is made with and without the importance matrix of the training records. Compared
with the unquantised model on held-out answers, in one run. Written to benchmarks/results/quantise.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from transformers import AutoTokenizer

from boffin.artefacts import ADAPTER, BASE, DATASET
from boffin.project import open_project
from bundle.evidence import Measurement
from bundle.records import EVAL, TRAIN, read_records
from bundle.stage import TerminalProgress
from bundle.template import PromptTemplate
from convert.candidates import Candidate
from convert.checkpoint import dress
from convert.gguf import convert_to_gguf
from convert.importance import compute_importance
from convert.measure import measure
from convert.merge import merge
from convert.passages import draw, drawn
from convert.quantise import known_types, quantise

TYPES = ("Q5_K_M", "Q4_K_M", "Q4_K_S", "IQ4_XS", "IQ4_NL", "Q4_0", "Q3_K_M", "Q2_K")
RESULTS = Path(__file__).parent / "results"


def compare(
    base: Path, adapter: Path, dataset: Path, types: tuple[str, ...], records: int, tokens: int
) -> tuple[list[Measurement], int]:
    """Measure each type without and with the importance matrix; also how many tokens that was computed on."""
    progress = TerminalProgress()
    template = PromptTemplate.model_validate_json((adapter / "template.json").read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    passages = draw(list(read_records(dataset / EVAL)), records, template, tokenizer)
    training = drawn(list(read_records(dataset / TRAIN)), template, tokenizer)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "model").mkdir()
        merge(base, adapter, folder / "model", "float16")
        dress(folder / "model", base, template, "unknown")
        full = folder / "model.gguf"
        convert_to_gguf(folder / "model", full, "float16", "bench", "bench", progress)
        importance = compute_importance(full, training, tokens, TRAIN, progress)
        candidates = []
        for name in known_types(types):
            for weighed in (None, importance):
                path = folder / f"{name}{'-weighed' if weighed else ''}.gguf"
                quantise(full, path, name, os.cpu_count() or 1, weighed)
                candidates.append(Candidate(name, path, weighed is not None))
        rows = measure(Candidate("F16", full), candidates, passages, None, progress)
    progress.end()
    return rows, importance.tokens


def main() -> None:
    """Compare, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("types", nargs="*", default=TYPES)
    parser.add_argument("-C", dest="project", type=Path, default=Path("examples/pocket"))
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32768)
    arguments = parser.parse_args()
    workspace = open_project(arguments.project, []).workspace
    folders = [workspace.path(name).resolve() for name in (BASE, ADAPTER, DATASET)]
    measured, tokens = compare(*folders, tuple(arguments.types), arguments.records, arguments.tokens)
    rows = []
    print(
        f"{'type':<8} {'MB':>6} {'bits':>5} {'KL without':>11} {'KL with':>9} {'with/without':>13} "
        f"{'loss':>8} {'loss with':>9}"
    )
    plain = {row.quantisation: row for row in measured if not row.importance and not row.reference}
    for weighed in (row for row in measured if row.importance):
        without = plain[weighed.quantisation]
        ratio = weighed.divergence / without.divergence
        rows.append(
            {
                "type": weighed.quantisation,
                "without": without.model_dump(),
                "with": weighed.model_dump(),
                "divergence_ratio": ratio,
            }
        )
        print(
            f"{weighed.quantisation:<8} {weighed.bytes / 1e6:>6,.0f} {weighed.bits:>5.2f} {without.divergence:>11.5f} "
            f"{weighed.divergence:>9.5f} {ratio:>13.2f} {without.loss:>8.4f} {weighed.loss:>9.4f}"
        )
    reference = next(row for row in measured if row.reference)
    print(
        f"loss of the unquantised model {reference.loss:.4f}; matrix of {tokens:,} tokens; {arguments.records} records"
    )
    RESULTS.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()},
        "versions": {name: version(name) for name in ("llama-cpp-python", "torch")},
        "commit": commit,
        "records": arguments.records,
        "importance_tokens": tokens,
        "reference": reference.model_dump(),
        "rows": rows,
        "worst_divergence_ratio": max(float(row["divergence_ratio"]) for row in rows),
    }
    (RESULTS / "quantise.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
