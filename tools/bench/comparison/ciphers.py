"""The sections about sealing: a large file in the vault, bulk AES-GCM, set-up, and cold starts."""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import cold_start

from .page import bars, goal, number, section
from .processes import BENCH, RELEASE, binary, emulator, timed

MIB = 1 << 20
# Bytes of one call.
LENGTHS = {"large": 16 * MIB, "small": 100}


def vault(options):
    """256 MiB put and got, beside AWS's clients."""
    length, runs = options.vault_mib * MIB, options.rounds
    peer = [sys.executable, str(BENCH / "peers" / "transfer.py")]
    ours = [binary("compare"), "transfer"]
    object_of = {"s3ec": "bench/s3ec", "esdk": "bench/esdk"}
    ways = {
        "put: caas-vault": [*ours, "put", "plain", "bench/ours", str(length)],
        "put: plain multipart put, same client": [*ours, "plain", "plain", "bench/floor", str(length)],
        "put: S3 Encryption Client (Python)": [*peer, "s3ec", "put", "plain", object_of["s3ec"], str(length)],
        "put: Encryption SDK (Python) + boto3": [*peer, "esdk", "put", "plain", object_of["esdk"], str(length)],
        "get: caas-vault": [*ours, "get", "plain", "bench/ours", str(length)],
        "get: S3 Encryption Client (Python)": [*peer, "s3ec", "get", "plain", object_of["s3ec"], str(length)],
        "get: Encryption SDK (Python) + boto3": [*peer, "esdk", "get", "plain", object_of["esdk"], str(length)],
    }
    measured = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder, emulator(folder) as cloud:
        for _ in range(runs):
            for name, command in ways.items():
                run = timed(command, cloud.info)
                measured[name].append(run | json.loads(run["output"]))
    rows = [["", "seconds", "MiB/s", "CPU of the process, s", "peak memory, MiB", "above its start, MiB"]]
    middle = {}
    for name, each in measured.items():
        seconds = sorted(run["seconds"] for run in each)
        middle[name] = statistics.median(seconds)
        rows.append([
            name, f"{middle[name]:.2f} ({seconds[0]:.2f}–{seconds[-1]:.2f})", number(options.vault_mib / middle[name]),
            f"{statistics.median(run['cpu'] for run in each):.2f}", number(max(run["peak"] for run in each)),
            number(max(run["above_kib"] for run in each) / 1024),
        ])
    times = {
        what: middle[f"{what}: S3 Encryption Client (Python)"] / middle[f"{what}: caas-vault"] for what in ["put", "get"]
    }
    peaks = {what: max(run["peak"] for run in measured[f"{what}: caas-vault"]) for what in ["put", "get"]}
    floor = middle["put: plain multipart put, same client"] / middle["put: caas-vault"]
    goals = [
        goal(
            f"vault {what} {options.vault_mib} MiB", "AWS's Python client, same endpoints", "3 times faster, under 64 MiB",
            f"{times[what]:.1f} times, {peaks[what]:.0f} MiB", times[what] >= 3 and peaks[what] < 64, reason,
        )
        for what, reason in [
            ("put", f"the emulator shares the cores; the plain put is the floor, of whose speed the sealed put has {floor:.2f}"),
            ("get", "caas-vault syncs the file to the disk before the file has its name; AWS's client neither syncs nor waits for the tag"),
        ]
    ]
    values = [(name, middle[name], *(f(run["seconds"] for run in measured[name]) for f in (min, max))) for name in ways]
    text = f"""
{options.vault_mib} MiB, each in a new process, against one emulator in its own process; seconds without the start of the process
and without a warm-up. Put: from memory. Get: into a file. caas-vault verifies the whole file before it has its name;
AWS's clients write plaintext before they have verified it (`enable_delayed_authentication`), or else keep all of it in memory.
"""
    return section("The vault", text, [rows], goals, [bars("vault.svg", f"{options.vault_mib} MiB", "seconds", values)])


def measured(what, seconds):
    """Median CPU seconds of one call, by library; with the 5th and 95th percentiles where they are known."""
    output = subprocess.run([binary("compare"), "ciphers", what, str(seconds)], check=True, capture_output=True, text=True)
    ways = json.loads(output.stdout)
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/openssl"
        built = subprocess.run(
            ["cc", "-O2", "-o", program, str(BENCH / "peers" / "openssl.c"), "-lcrypto"], capture_output=True, check=False
        )
        if built.returncode == 0:
            output = subprocess.run([program, what, str(seconds / 5)], check=True, capture_output=True, text=True)
            median = float(output.stdout)
            ways["OpenSSL"] = {"median": median, "p5": median, "p95": median}
    return ways


def gcm(options):
    """16 MiB on one thread."""
    ways = measured("large", options.seconds * options.rounds)
    one = ways["stream"]["median"]
    rows = [["", "GiB/s", "relative to aws-lc-rs", "5th to 95th percentile, ms"]]
    best = ways["aws-lc-rs"]["median"]
    for name, each in ways.items():
        rows.append([
            name, f"{LENGTHS['large'] / each['median'] / 2**30:.2f}", f"{best / each['median']:.2f}",
            f"{each['p5'] * 1e3:.2f}–{each['p95'] * 1e3:.2f}",
        ])
    hash_share = ways["ghash alone"]["median"] / best
    relative = best / one
    goals = [goal(
        "streaming seal 16 MiB, one thread", "aws-lc-rs, one-shot", "0.4, aim 0.6", f"{relative:.2f}", relative >= 0.4,
        f"`ghash` alone takes {hash_share:.1f} times as long as all of aws-lc-rs, because `polyval` has code for 128-bit "
        "registers only; aws-lc-rs multiplies four blocks at once (VPCLMULQDQ) and interleaves that with AES",
    )]
    text = f"""
AES-256-GCM over 16 MiB in place; `stream` is ours, in chunks of 64 KiB. The libraries take turns; CPU time of the thread.
GHASH alone, on the 128-bit path that `ghash` has, takes {hash_share:.2f} of the time in which aws-lc-rs does everything, AES-CTR alone
{ways["AES-CTR alone"]["median"] / best:.2f}: that bounds what a stream of these crates can reach, {best / (ways["ghash alone"]["median"] + ways["AES-CTR alone"]["median"]):.2f} without interleaving.
"""
    values = [(name, LENGTHS["large"] / each["median"] / 2**30) + tuple(LENGTHS["large"] / each[p] / 2**30 for p in ("p95", "p5")) for name, each in ways.items()]
    return section("AES-256-GCM, bulk", text, [rows], goals, [bars("gcm.svg", "AES-256-GCM, 16 MiB, one thread", "GiB/s", values)])


def small(options):
    """Set-up and 100 bytes."""
    ways = measured("small", options.seconds * options.rounds / 2)
    peers = {name: ways[name]["median"] for name in ["aws-lc-rs", "ring", "OpenSSL"] if name in ways}
    best = min(peers, key=peers.get)
    rows = [["", "ns", f"relative to {best}"]]
    for name in ["stream", "aes-gcm", *peers]:
        rows.append([name, number(ways[name]["median"] * 1e9), f"{peers[best] / ways[name]['median']:.2f}"])
    relative = peers[best] / ways["aes-gcm"]["median"]
    goals = [goal(
        "set-up and 100 bytes", f"the best of {', '.join(peers)}: {best}", "1.0", f"{relative:.2f}", relative >= 1,
        "setting up the key schedule and the powers for GHASH is most of it",
    )]
    text = """
A new key, then 100 bytes. `aes-gcm` is what seals values and session files of this size; `stream` is what seals larger
ones, with its wiped stack.
"""
    return section("AES-256-GCM, set-up and 100 bytes", text, [rows], goals)


def cold(options):
    """From exec to the first request for work."""
    packaged = cold_start.PACKAGES.exists()
    program = cold_start.bootstrap if packaged else RELEASE.joinpath
    commands = {name: [str(program(name))] for name in cold_start.FUNCTIONS}
    medians = cold_start.measure(commands, options.cold_runs)
    python = medians[cold_start.PYTHON]
    rows = [["", "CPU, ms", "less than Python", "wall, ms", "peak memory, MiB", "zipped, MB"]]
    goals = []
    for name, (cpu, wall, resident) in medians.items():
        if name == cold_start.PYTHON:
            rows.append([name, f"{cpu:.0f}", "1", f"{wall:.0f}", f"{resident:.1f}", ""])
            continue
        times, size = python[0] / cpu, cold_start.zipped(pathlib.Path(commands[name][0])) / 1e6
        rows.append([name, f"{cpu:.2f}", f"{times:.0f} times", f"{wall:.2f}", f"{resident:.1f}", f"{size:.2f}"])
        most = 3.0 if name in ("encrypt-data", "upload-file") else None
        at_least = "80 times less" + (f", under {most:.1f} ms" if most else "")
        goals.append(goal(
            f"cold start CPU of {name}", cold_start.PYTHON, at_least, f"{times:.0f} times, {cpu:.2f} ms",
            times >= 80 and cpu < (most or cpu + 1),
            "mapping and relocating the program and its page faults are most of it, and a busy machine raises them",
        ))
    text = f"""
From exec to the first request for work, against a stand-in for Lambda's runtime API: medians of {options.cold_runs} runs, in turns, of
{"the packages that `sam build` made" if packaged else "native builds; after `sam build`, its packages are measured"}. The Python
function imports boto3, creates clients for S3 and KMS, and is a bare loop, lighter than Lambda's own.
"""
    return section("Cold start", text, [rows], goals)
