"""How long does `boffin --help` take, against the start of Python itself; and `boffin ask`, to its first character?

    make bench-startup

They run in turn in one run; the bound of the help is three times Python's own start plus 0.2 s. `ask` is told with no
server running, its answer not stored; it wants the demo's bundle (`make demo`). Written to
benchmarks/results/startup.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15
POCKET = Path("examples/pocket")
BOFFIN = str(Path(sys.executable).with_name("boffin"))
RESULTS = Path(__file__).parent / "results"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "boffin --help": [BOFFIN, "--help"],
}
ASK = [BOFFIN, "ask", "-C", str(POCKET), "--set", "appliance.cache.enabled=false", "--set", "appliance.port=0", "Why?"]
if (POCKET / "workspace/bundle").exists():
    COMMANDS["boffin ask"] = ASK


def seconds(command: list[str]) -> float:
    """Wall seconds of one run of a command; of `ask` to the first character of its answer."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        heard = time.perf_counter() - began
        while process.stdout.read(65536):
            pass
    if process.returncode:
        sys.exit(f"{command}: exit code {process.returncode}")
    return heard if command is ASK else time.perf_counter() - began


def main() -> None:
    """Time both commands in turn, print the table and write the results."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # warm the file cache
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    bound = 3 * medians["python -c pass"] + 0.2
    print(f"{'command':<16} {'median s':>9} {'min':>7} {'max':>7}")
    for name, values in times.items():
        print(f"{name:<16} {medians[name]:>9.3f} {min(values):>7.3f} {max(values):>7.3f}")
    print(f"boffin --help takes {medians['boffin --help'] / bound:.2f} of its bound, {bound:.3f} s")
    RESULTS.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    rows = [
        {"command": name, "median": medians[name], "min": min(values), "max": max(values)}
        for name, values in times.items()
    ]
    result = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()},
        "versions": {"python": platform.python_version()},
        "commit": commit,
        "runs": RUNS,
        "rows": rows,
        "bound_seconds": bound,
        "ratio_to_bound": medians["boffin --help"] / bound,
    }
    (RESULTS / "startup.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
