"""Compares the service with what a user would run instead, and writes docs/PERFORMANCE.md with its plots.

    pip install -r tools/bench/requirements.txt   (in a virtual environment; wrk, and for more rows age, cc, libssl-dev)
    python tools/bench/compare.py [--quick] [--no-build] [values files uploads vault gcm small cold scale]

Peers and the service get the same load in turns. Every section can run alone; the page then keeps the other sections of
earlier runs. With --quick the figures are rough, and the page goes to the folder of build output instead.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time
import types

from comparison import ciphers, page, scale, servers
from comparison.processes import ROOT, TARGET, build

SECTIONS = {
    "values": servers.values, "files": servers.files, "uploads": servers.uploads, "vault": ciphers.vault,
    "gcm": ciphers.gcm, "small": ciphers.small, "cold": ciphers.cold, "scale": scale.scale,
}
FULL = {
    "rounds": 5, "seconds": 3, "local_mib": 1024, "rounds_local": 3, "vault_mib": 256, "cold_runs": 20,
    "counts": [1_000, 10_000, 100_000], "blocks": 24, "version_users": 10,
}
QUICK = {
    "rounds": 2, "seconds": 1, "local_mib": 64, "rounds_local": 1, "vault_mib": 32, "cold_runs": 3,
    "counts": [100, 1_000], "blocks": 2, "version_users": 2,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=" ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="rough figures in a few minutes")
    parser.add_argument("--no-build", action="store_true", help="measure what is already built")
    parser.add_argument("--million", action="store_true", help="scale to a million, too: half an hour more, and 20 GB")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    # The programs of the virtual environment, also if it is not activated.
    os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed")
    options = types.SimpleNamespace(**(QUICK if arguments.quick else FULL))
    if arguments.million:
        options.counts = [*options.counts, 1_000_000]
    if not arguments.no_build:
        build()

    folder = TARGET / "compare" / ("quick" if arguments.quick else "full")
    folder.mkdir(parents=True, exist_ok=True)
    facts = page.machine()
    failed = []
    for name in arguments.sections or SECTIONS:
        begun = time.monotonic()
        try:
            measured = SECTIONS[name](options)
        except Exception as error:  # the other sections' figures are still worth having
            failed.append(name)
            print(f"== {name}: failed: {error!r}\n", flush=True)
            continue
        sections = measured if isinstance(measured, list) else [measured]
        (folder / f"{name}.json").write_text(json.dumps({"facts": facts, "sections": sections}))
        show(name, sections, time.monotonic() - begun)
    stored = [folder / f"{name}.json" for name in SECTIONS]
    stored = [json.loads(path.read_text()) for path in stored if path.exists()]
    destination = folder if arguments.quick else ROOT / "docs"
    sections = [section for each in stored for section in each["sections"]]
    page.write(destination, facts, sections)
    missed = [each for section in sections for each in section["goals"] if not each["met"]]
    print(f"PERFORMANCE.md is written; {len(missed)} goals missed")
    sys.exit(f"failed: {', '.join(failed)}" if failed else None)


def show(name, sections, seconds):
    for each in sections:
        print(f"== {each['title']}")
        for rows in each["tables"]:
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            for row in rows:
                print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
            print()
        for goal in each["goals"]:
            verdict = "met" if goal["met"] else f"MISSED: {goal['reason']}"
            print(f"{goal['what']} / {goal['against']}: {goal['measured']} (goal {goal['goal']}): {verdict}")
    print(f"== {name} took {seconds:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
