"""Moves a large file with `caas` and, over as many connections, with curl; kills `caas` at half and lets it go on.

    source .caas/env
    python tools/bench/command_line.py target/release/caas [MIB [RUNS]]

Fails if a copy differs or if `caas` takes more than 64 MiB of memory; prints the speed as a ratio to curl's.
"""

import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

MAX_MEMORY = 64 << 10  # KiB
PART = 8 << 20
CONNECTIONS = 4
ASKED = 100  # parts in a request at most

CAAS = shutil.which(sys.argv[1])
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 256
RUNS = int(sys.argv[3]) if len(sys.argv) > 3 else 1
SIZE = MIB << 20
URL, API_KEY = os.environ["CAAS_URL"], os.environ["CAAS_API_KEY"]


def timed(command):
    """Runs it; returns its output, seconds and peak memory in KiB."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    assert process.returncode == 0, f"{command[0]}: exit {process.returncode}"
    return output.decode(), took, usage.ru_maxrss


def caas(*arguments):
    output, took, memory = timed([CAAS, "--json", *arguments])
    assert memory <= MAX_MEMORY, f"{memory} KiB of memory"
    return json.loads(output or "{}"), took, memory


def request(method, path, body=None):
    body = None if body is None else json.dumps(body).encode()
    headers = {"x-api-key": API_KEY, "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(URL + path, body, headers, method=method)) as response:
        return json.loads(response.read() or "{}")


def curl_up(parts):
    """Sends the bytes of the source in place of ciphertext and tag. They do not open."""
    begun = request("POST", "/api/uploads", {"name": "x", "size": SIZE - 16, "mode": "client", "part_size": PART})
    token, count = begun["upload"], begun["parts"]["count"]
    command = ["curl", "-fsSZ", "--no-progress-meter", "--parallel-max", str(CONNECTIONS), "-w", "%{urlnum} %header{etag}\n"]
    for first in range(1, count + 1, ASKED):
        asked = {"upload": token, "from": first, "count": min(ASKED, count + 1 - first)}
        for part in request("POST", "/api/uploads/parts", asked)["parts"]:
            command += ["-T", parts[part["number"] - 1], "-o", "/dev/null", part["url"]]
    sent, _, _ = timed(command)
    etags = dict(line.split(" ", 1) for line in sent.splitlines())
    etags = [{"number": number + 1, "etag": etags[str(number)]} for number in range(count)]
    request("POST", "/api/uploads/complete", {"upload": token, "parts": etags})
    return begun["id"]


def curl_down(id, folder):
    """Fetches the ciphertext, an equal share over each connection, and waits until it is on the disk."""
    url = request("POST", f"/api/files/{id}/grant")["url"]
    command, copies = ["curl"], []
    for number in range(CONNECTIONS):
        first, end = ((SIZE + 16) * share // CONNECTIONS for share in (number, number + 1))
        copies.append(str(folder / f"curl{number}"))
        command += ["--next"] if number else []
        command += ["-fsSZ", "--no-progress-meter", "-r", f"{first}-{end - 1}", "-o", copies[-1], url]
    timed(command)
    timed(["sync", *copies])
    for copy in copies:
        os.remove(copy)


def seconds_of(function, *arguments):
    began = time.monotonic()
    result = function(*arguments)
    return result, time.monotonic() - began


def killed(is_half, *arguments):
    """Kills `caas` at half; false if it was faster."""
    process = subprocess.Popen([CAAS, "--quiet", *arguments], stdout=subprocess.DEVNULL)
    while process.poll() is None and not is_half():
        pass
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        source, copy = folder / "source", folder / "copy"
        with source.open("wb") as file:
            for _ in range(MIB):
                file.write(os.urandom(1 << 20))
        subprocess.run(["split", "-b", str(PART), "-a", "5", "-d", source, folder / "part"], check=True)
        parts = sorted(str(part) for part in folder.glob("part*"))
        same = lambda: subprocess.run(["cmp", source, copy], check=True)

        times = {what: [] for what in ["put", "curl up", "get", "curl down"]}
        memory = {"put": 0, "get": 0}
        for run in range(RUNS):
            for ours in [run % 2 == 0, run % 2 != 0]:
                if ours:
                    stored, took, peak = caas("put", str(source))
                    times["put"].append(took)
                    memory["put"] = max(memory["put"], peak)
                else:
                    id, took = seconds_of(curl_up, parts)
                    times["curl up"].append(took)
                    request("DELETE", f"/api/files/{id}?purge=true")
            for ours in [run % 2 == 0, run % 2 != 0]:
                if ours:
                    _, took, peak = caas("get", stored["id"], "-o", str(copy))
                    times["get"].append(took)
                    memory["get"] = max(memory["get"], peak)
                    same()
                    copy.unlink()
                else:
                    times["curl down"].append(seconds_of(curl_down, stored["id"], folder)[1])
            request("DELETE", f"/api/files/{stored['id']}?purge=true")
        for ours, theirs in [("put", "curl up"), ("get", "curl down")]:
            mine, curls = statistics.median(times[ours]), statistics.median(times[theirs])
            print(
                f"caas {ours}: {mine:.2f} s ({MIB / mine:.0f} MiB/s), {memory[ours] / 1024:.1f} MiB of memory; "
                f"curl {curls:.2f} s: {curls / mine:.2f} of its speed",
                flush=True,
            )

        journals = folder / "state" / "caas" / "uploads"
        half = len(parts) // 2
        # A journal has two lines a part.
        sent = lambda: sum(path.read_bytes().count(b"\n") for path in journals.glob("*")) // 2
        assert killed(lambda: sent() > half, "put", str(source)), "the upload was over before it was killed"
        stored = caas("put", str(source))[0]
        part = pathlib.Path(f"{copy}.part")
        arrived = lambda: part.stat().st_size // PART if part.exists() else 0
        assert killed(lambda: arrived() > half, "get", stored["id"], "-o", str(copy)), "the download was over"
        assert not copy.exists()
        caas("get", stored["id"], "-o", str(copy))
        same()
        request("DELETE", f"/api/files/{stored['id']}?purge=true")
        print("killed at half, and resumed: identical", flush=True)


main()
