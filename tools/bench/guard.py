"""Counts the instructions of the hot paths in tools/bench/examples/guard.rs, and compares them with guard.json.

    cargo build --release -p caas-bench --example guard
    python tools/bench/guard.py [--update] [--runs N]

Fails if a path takes 3 % more than guard.json says, or 3 % less: then it needs `--update`, so that what was gained stays.
The processor is valgrind's own, which has AES-NI and PCLMULQDQ but neither VAES nor AVX-512, so the figures do not depend
on the machine. What happens only once (starting, connections, the first request) cancels: a path is run N and 2·N times.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent
FIGURES = BENCH / "guard.json"
TOLERANCE = 0.03
# How often each path is run: enough to exceed what varies from start to start.
PATHS = {
    "health": 400,
    "encrypt a file of 64 KiB": 40,
    "decrypt a file of 64 KiB": 40,
    "encrypt a datum of 100 bytes": 400,
    "encrypt a batch of 100": 40,
    "decrypt a value of 100 bytes": 400,
    "seal a stream of 1 MiB": 4,
    "seal 100 bytes under a new key": 2000,
}


def instructions(program, path, count):
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, path, str(count)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{path}: {ended.stderr}")
    return int(re.search(r"I\s+refs:\s+([\d,]+)", ended.stderr)[1].replace(",", ""))


def measure(program):
    """Instructions of each path, once."""
    runs = [(path, times * count) for path, count in PATHS.items() for times in (1, 2)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(lambda run: instructions(program, *run), runs))
    return {
        path: round((counts[2 * index + 1] - counts[2 * index]) / count) for index, (path, count) in enumerate(PATHS.items())
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write guard.json")
    parser.add_argument("--runs", type=int, default=1, help="measure several times and print the spread")
    arguments = parser.parse_args()
    if platform.machine() != "x86_64":
        print("the figures are those of x86-64: nothing is compared")
        return
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", BENCH.parent.parent / "target"))
    program = str(target / "release" / "examples" / "guard")
    runs = [measure(program) for _ in range(arguments.runs)]
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    changed = []
    for path in PATHS:
        counts = [run[path] for run in runs]
        change = counts[0] / known[path] - 1 if path in known else 0
        spread = f", {arguments.runs} runs within {(max(counts) / min(counts) - 1) * 100:.2f} %" if len(runs) > 1 else ""
        print(f"{path:34}{counts[0]:>12,} instructions, {change * 100:+.2f} %{spread}")
        if abs(change) > TOLERANCE or path not in known:
            changed.append(path)
    if arguments.update:
        FIGURES.write_text(json.dumps(runs[0], indent=4) + "\n")
    elif changed:
        sys.exit(f"more than {TOLERANCE:.0%} from {FIGURES.name}: {', '.join(changed)}. If that is intended: --update")


if __name__ == "__main__":
    main()
