"""Compares the cold start of every function with a Python function that has boto3 clients for S3 and KMS: from
exec to the first request for work, against a stand-in for Lambda's runtime API on loopback.

    sam build --parameter-overrides Architecture=x86_64
    python tools/bench/cold_start.py [RUNS]

The Python function's bootstrap is a bare loop, which costs less than Lambda's own. The runs are interleaved.
The program fails if a goal in docs/MEASUREMENTS.md is missed. `compare.py cold` measures the same.
"""

import http.server
import io
import os
import pathlib
import queue
import re
import signal
import statistics
import sys
import threading
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PACKAGES = ROOT / ".aws-sam" / "build"
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/Cargo.toml"))
NEXT = "/2018-06-01/runtime/invocation/next"

TIMES_LESS_CPU = 80
MOST_RSS_MIB = 9
MOST_ZIPPED_BYTES = 5_000_000

PYTHON = "Python + boto3"
PYTHON_FUNCTION = """
import http.client, os
import boto3

s3 = boto3.client("s3")
kms = boto3.client("kms")

while True:
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    api.getresponse()
"""

# What Lambda and the template set. The functions send no request before there is work, so the resources need
# not exist.
VARIABLES = {
    "API_KEYS": "acme:" + "0" * 64,
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH": "true",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "FILE_KEY_ID": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "INBOX_BUCKET": "inbox",
    "PATH": "/usr/bin:/bin",
    "USER_KEYS_BUCKET": "user-keys",
    "USER_KEY_ID": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "VAULT_BUCKET": "vault",
}


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Records each request for work, and keeps it waiting until `done` is set."""

    daemon_threads = True

    def __init__(self):
        self.asked, self.done = queue.Queue(), threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.put((time.monotonic(), self.path))
        self.server.done.wait()

    def log_message(self, *_):
        pass


def start(command):
    """Measures from exec to the first request for work: CPU in ms, wall time in ms, resident memory in MiB."""
    api = RuntimeApi()
    variables = VARIABLES | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"}
    begun = time.monotonic()
    process = os.posix_spawn(command[0], command, variables)
    try:
        asked, path = api.asked.get(timeout=60)
        assert path == NEXT, path
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        resident = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # the peak of this process alone
    finally:
        os.kill(process, signal.SIGKILL)
        _, _, usage = os.wait4(process, 0)
        api.done.set()
        api.shutdown()
        api.server_close()
    return (usage.ru_utime + usage.ru_stime) * 1000, (asked - begun) * 1000, resident / 1024


def zipped(binary):
    """The length of the package for Lambda: the binary as `bootstrap`, deflated."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(binary, "bootstrap")
    return package.tell()


def bootstrap(name):
    """The binary of the template's function with this name."""
    return PACKAGES / name.title().replace("-", "") / "bootstrap"


def measure(commands, runs):
    """Medians of what `start` measures, by name: of these commands and of the Python function, in turns."""
    commands = commands | {PYTHON: [sys.executable, "-c", PYTHON_FUNCTION]}
    measured = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            figures = start(command)
            if run > 0:  # the first run fills the page cache and compiles Python's modules
                measured[name].append(figures)
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in measured.items()}


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    commands = {name: [str(bootstrap(name))] for name in FUNCTIONS}
    median = measure(commands, runs)
    print(f"from exec to the first request for work, median of {runs}")
    print(f"{'':16}{'CPU':>9}{'of Python':>11}{'wall':>10}{'peak RSS':>11}{'zipped':>12}")
    missed = []
    for name, (cpu, wall, resident) in median.items():
        row = f"{name:16}{cpu:6.1f} ms"
        if name == PYTHON:
            print(f"{row}{'':11}{wall:7.1f} ms{resident:7.1f} MiB")
            continue
        times, package = median[PYTHON][0] / cpu, zipped(commands[name][0])
        print(f"{row}{'1/' + format(times, '.0f'):>11}{wall:7.1f} ms{resident:7.1f} MiB{package / 1e6:9.2f} MB")
        if times < TIMES_LESS_CPU:
            missed.append(f"{name}: {times:.0f} times less CPU than Python, not {TIMES_LESS_CPU}")
        if resident > MOST_RSS_MIB:
            missed.append(f"{name}: {resident:.1f} MiB resident, over {MOST_RSS_MIB}")
        if package > MOST_ZIPPED_BYTES:
            missed.append(f"{name}: a package of {package} bytes, over {MOST_ZIPPED_BYTES}")
    sys.exit("\n".join(missed) or None)


if __name__ == "__main__":
    main()
