"""Runs the README's commands: `cargo run` as printed, and every block marked `<!-- ci -->`.

Blocks run in one shell, in their order, in an empty folder that shares the data folder. Python blocks
that follow one another are one program.
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
MARKED = re.compile(r"<!-- ci -->\n```(sh|python|js)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = {"python": "python {}", "js": "node --input-type=module < {}"}


def blocks():
    readme = (ROOT / "README.md").read_text()
    assert "```sh\ncargo run\n```" in readme, "the README no longer says `cargo run`"
    found = MARKED.findall(readme)
    assert len(found) == readme.count("<!-- ci -->"), "a marked block that is not sh, python or js"
    return found


def script(folder):
    lines = ["set -euo pipefail"]
    for number, (language, group) in enumerate(itertools.groupby(blocks(), lambda block: block[0])):
        code = "".join(text for _, text in group)
        if language == "sh":
            lines.append(code)
        else:
            path = folder / f"block-{number}.{language}"
            path.write_text(code)
            lines.append(RUN[language].format(path))
    return "\n".join(lines)


def wait_until_healthy(server):
    deadline = time.monotonic() + 1200  # a first build takes its time
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit("`cargo run` ended by itself")
        try:
            return urllib.request.urlopen("http://localhost:5000/health").close()
        except OSError:
            time.sleep(0.2)
    sys.exit("`cargo run` does not serve")


def main():
    server = subprocess.Popen(["cargo", "run"], cwd=ROOT, start_new_session=True)
    try:
        wait_until_healthy(server)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / ".caas").symlink_to(ROOT / ".caas")
            command = ["bash", "-c", script(folder)]
            subprocess.run(command, cwd=folder, env=os.environ, check=True, timeout=600)
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(60)
    print(f"README: {len(blocks())} blocks ran")


main()
