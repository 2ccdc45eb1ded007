"""Servers, what they cost, and the load."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import zlib

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RELEASE = TARGET / "release"
CONNECTIONS = 16
# On a busy machine a short round may end without a response.
ATTEMPTS = 5
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def binary(name):
    """A program of the release build."""
    for path in [RELEASE / name, RELEASE / "examples" / name]:
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{name} is not built")


def build():
    """Everything that is measured. The benchmarks come separately, so that what only they need is in no other program."""
    programs = ["caas-cli", "caas-local", "encrypt-data", "encrypt-file", "seal-object", "upload-file"]
    for targets in [
        ["--bins", *(f"--package={name}" for name in programs)],
        ["--package=caas-bench", "--example=compare", "--example=floors", "--example=guard"],
    ]:
        subprocess.run(["cargo", "build", "--release", "--locked", *targets], cwd=ROOT, check=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def tree(pid):
    """The process and its descendants."""
    try:
        threads = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for thread in threads for child in thread.read_text().split()]
    except FileNotFoundError:
        return []
    return [pid] + [each for child in children for each in tree(child)]


def cpu(pid):
    """User and system time of the process and its descendants, in seconds."""
    # The clock of a process: Linux's MAKE_PROCESS_CPUCLOCK with CPUCLOCK_SCHED, to the nanosecond.
    return sum(time.clock_gettime(~each << 3 | 2) for each in tree(pid))


class Server:
    """A process that serves until the end of a `with` block. If it prints a line of JSON, that is `self.info`."""

    def __init__(self, command, environment=None, announces=True, port=None):
        environment = os.environ | {"NO_PROXY": "127.0.0.1,localhost"} | (environment or {})
        self.process = subprocess.Popen(
            command, env=environment, cwd=BENCH, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        self.info = json.loads(self.process.stdout.readline() or "null") if announces else {}
        if self.info is None:
            raise RuntimeError(f"{command[0]} ended by itself")
        self.port = port or self.info.get("port")
        if port:
            self._wait_until_it_listens(command[0])

    def _wait_until_it_listens(self, name):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"{name} does not serve")

    def ask(self, line=""):
        """Sends a line and reads one of JSON."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def cpu(self):
        return cpu(self.process.pid)

    def peak_mib(self):
        return self._memory("VmHWM")

    def resident_mib(self):
        return self._memory("VmRSS")

    def _memory(self, name):
        statuses = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in tree(self.process.pid)]
        return sum(int(re.search(rf"{name}:\s+(\d+)", status)[1]) for status in statuses) / 1024

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def emulator(folder):
    """S3 and KMS in their own process; `info` is the environment of their users."""
    return Server([binary("compare"), "emulator", folder])


def functions(aws, api_key, **variables):
    """The functions in their own process, on that S3 and KMS."""
    own = {
        "API_KEYS": "local:" + hashlib.sha256(api_key.encode()).hexdigest(), "MAX_BODY_BYTES": str(64 << 20),
        "PUBLIC_ENCRYPT_FILE": "true", "SWEEP_AGE_SECONDS": "0",
    }
    return Server([binary("compare"), "service"], aws | own | variables)


@contextlib.contextmanager
def caas_local():
    """The whole service, as `cargo run --release` starts it. Yields it and its environment."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        ports = [f"--port={port}", "--s3-port=0", "--kms-port=0"]
        command = [binary("caas-local"), *ports, f"--data-dir={folder}/data"]
        with Server(command, announces=False, port=port) as server:
            path = pathlib.Path(folder, "data", "env")
            while not path.exists() or "CAAS_API_KEY" not in path.read_text():
                time.sleep(0.02)
            lines = path.read_text().splitlines()
            lines = [line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines if "=" in line]
            yield server, dict(lines)


def gunicorn(module, environment=None):
    """A Python peer: as many workers as cores, with threads, so that connections are kept."""
    port = free_port()
    command = [
        shutil.which("gunicorn"), "--bind", f"127.0.0.1:{port}", "--workers", str(os.cpu_count()),
        "--worker-class", "gthread", "--threads", str(CONNECTIONS), "--keep-alive", "60", "--log-level", "critical",
        # So that it listens only when it can serve.
        "--preload", "--chdir", str(BENCH / "peers"), f"{module}:application",
    ]
    return Server(command, environment, announces=False, port=port)


class Load:
    """The same request over and over, by wrk: bounded by time, over 16 connections."""

    def __init__(
        self, name, server, path, body=b"", headers=(), method="POST", connections=CONNECTIONS, port=None, strict=True
    ):
        self.name, self.server, self.method, self.connections, self.strict = name, server, method, connections, strict
        self.url = f"http://127.0.0.1:{port or server.port}{path}"
        self.headers = "\n".join(headers)
        self.body = tempfile.NamedTemporaryFile()
        self.body.write(body)
        self.body.flush()
        self.rounds, self.runs, self.errors = [], 0, 0

    def run(self, seconds):
        """One round; its figures join the others'."""
        self.runs += 1
        variables = {
            "METHOD": self.method, "HEADERS": self.headers, "BODY": self.body.name, "RUN": str(self.runs),
        }
        script = str(BENCH / "comparison" / "load.lua")
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script, self.url]
        for _ in range(ATTEMPTS):
            before = self.server.cpu()
            output = subprocess.run(command, env=os.environ | variables, check=True, capture_output=True, text=True)
            used = self.server.cpu() - before
            figures = json.loads(output.stdout.strip().splitlines()[-1])
            self.errors += figures["errors"]
            if self.strict and self.errors:
                raise RuntimeError(f"{self.name}: {figures}")
            if figures["requests"] > 0:
                break
        else:
            raise RuntimeError(f"{self.name}: no responses")
        self.rounds.append({
            "cpu": used / figures["requests"], "rate": figures["requests"] / figures["seconds"], "p99": figures["p99"] / 1e6,
        })

    def median(self, figure):
        return statistics.median(each[figure] for each in self.rounds)

    def spread(self, figure):
        values = [each[figure] for each in self.rounds]
        return min(values), max(values)


def in_turns(loads, rounds, seconds):
    """A B C A B C …, after a short warm-up of each."""
    for load in loads:
        load.run(1)
        load.rounds.clear()
    for _ in range(rounds):
        for load in loads:
            load.run(seconds)


def timed(command, environment=None):
    """Runs a program; its seconds, CPU seconds, peak memory in MiB and output."""
    begun = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=subprocess.PIPE, text=True)
    # The kernel's own peak of a child, ru_maxrss, begins with the size of its parent.
    peak, ended = 0, threading.Event()

    def watch():
        nonlocal peak
        while not ended.wait(0.005):
            with contextlib.suppress(OSError, TypeError):
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, int(re.search(r"VmHWM:\s+(\d+)", status)[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - begun
    ended.set()
    watcher.join()
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(f"{command[0]}: exit {process.returncode}")
    return {"seconds": took, "cpu": usage.ru_utime + usage.ru_stime, "peak": peak / 1024, "output": output}


def new_api_key():
    """A key with its checksum, as `caas keys new` makes it."""
    text = "caas_" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    crc, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        checksum = DIGITS[digit] + checksum
    return text + checksum
