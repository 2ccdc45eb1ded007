"""Runs what needs a running service: `cargo run` as the README prints it, every block of the README and the
guide that is marked `<!-- ci -->`, generated requests and clients, the events through cargo lambda, the
interoperation with AWS's own client, and large files in constant memory.

Each page runs in its own shell, in an empty folder that shares the data folder. Consecutive Python blocks
are one program.
"""

import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
MARKED = re.compile(r"<!-- ci -->\n```(sh|python|js)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROBLEMS = ROOT / "docs" / "guide" / "errors.md"  # asks for a problem on purpose
RUN = {"python": "python {}", "js": "node --input-type=module < {}"}


def blocks(page):
    text = page.read_text()
    found = MARKED.findall(text)
    assert len(found) == text.count("<!-- ci -->"), f"{page}: a marked block that is not sh, python or js"
    return found


def script(blocks, folder):
    lines = ["set -euo pipefail"]
    for number, (language, group) in enumerate(itertools.groupby(blocks, lambda block: block[0])):
        code = "".join(text for _, text in group)
        if language == "sh":
            lines.append(code)
        else:
            path = folder / f"block-{number}.{language}"
            path.write_text(code)
            lines.append(RUN[language].format(path))
    return "\n".join(lines)


def run_blocks(page):
    found = blocks(page)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for shared in [".caas", "examples"]:
            (folder / shared).symlink_to(ROOT / shared)
        environment = dict(os.environ)
        if page != PROBLEMS:
            (folder / ".curlrc").write_text("fail-with-body\n")
            environment["CURL_HOME"] = name
        command = ["bash", "-c", script(found, folder)]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=600)
    print(f"{page.relative_to(ROOT)}: {len(found)} blocks ran", flush=True)


def interrupted_transfer():
    """Interrupts examples/large_file.py in its upload and in its download, and lets it go on."""
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        source, copy = pathlib.Path(name, "source"), pathlib.Path(name, "copy")
        source.write_bytes(os.urandom(1 << 20) * 300)
        command = ["bash", "-c", f"source .caas/env && exec python examples/large_file.py {source} {copy}"]
        for file, size in [(f"{source}.journal", 1000), (f"{copy}.part", 1 << 20)]:
            transfer = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
            while not (os.path.exists(file) and os.path.getsize(file) > size):
                assert transfer.poll() is None, "the transfer ended before it was interrupted"
            transfer.send_signal(signal.SIGINT)
            assert transfer.wait(120) != 0
        subprocess.run(command, cwd=ROOT, check=True, timeout=600)
        assert copy.read_bytes() == source.read_bytes()
        assert sorted(os.listdir(name)) == ["copy", "source"]
    print("examples/large_file.py: interrupted twice, and finished", flush=True)


def healthy():
    try:
        urllib.request.urlopen("http://localhost:5000/health").close()
        return True
    except OSError:
        return False


def wait_until_healthy(server):
    deadline = time.monotonic() + 1200  # a first build takes its time
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit("`cargo run` ended by itself")
        if healthy():
            return
        time.sleep(0.2)
    sys.exit("`cargo run` does not serve")


def main():
    readme = PAGES[0].read_text()
    assert "```sh\ncargo run\n```" in readme, "the README no longer says `cargo run`"
    if healthy():
        sys.exit("something else serves on port 5000 already")
    # With the features that `cargo test` builds it with.
    subprocess.run(["cargo", "build", "--quiet", "--workspace", "--bin", "caas"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    os.environ["PATH"] = f"{(ROOT / target / 'debug').resolve()}:{os.environ['PATH']}"
    server = subprocess.Popen(["cargo", "run"], cwd=ROOT, start_new_session=True)
    try:
        wait_until_healthy(server)
        for page in PAGES:
            run_blocks(page)
        interrupted_transfer()
        commands = [
            "python .ci/session.py README.md",
            "caas keys new acme > /dev/null && caas doctor",
            "python tools/bench/command_line.py caas 256",
            ".ci/schemathesis",
            "tests/clients/run",
            ".ci/events",
            "CAAS=caas python tests/interop/interop.py",
            "PYTHON=python cargo run --quiet -p caas-bench --example transfers -- 256",
        ]
        for command in commands:
            command = ["bash", "-c", f"source .caas/env && {command}"]
            subprocess.run(command, cwd=ROOT, check=True, timeout=1200)
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(60)


main()
