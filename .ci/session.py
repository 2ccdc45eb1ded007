"""Runs the terminal session of a Markdown page with a running service, and compares what it prints with the page.

A session is the block after `<!-- session -->`: commands after `$ `, and what they print. Ids, times and
sizes of time differ from run to run, and are compared without their digits. `--write` puts what was printed into
the page.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(sys.argv[1])
SESSION = re.compile(r"(?<=<!-- session -->\n```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
ID = re.compile(r"\b([A-Za-z0-9_-]{8})[A-Za-z0-9_-]{16,}(?:…)?")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?")


def masked(text):
    return TIME.sub("2026-01-31 12:00", ID.sub(r"\1…", text))


def run(commands):
    """All commands in one shell, in an empty folder; what each prints on either stream."""
    end = "--end-of-command--"
    script = "exec 2>&1\n" + "".join(f"{command}\necho; echo {end}\n" for command in commands)
    with tempfile.TemporaryDirectory() as folder:
        shell = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True)
    assert shell.returncode == 0, shell.stdout
    return [output.strip("\n") for output in shell.stdout.split(end)[:-1]]


def main():
    page = PAGE.read_text()
    (before,) = SESSION.findall(page)
    commands = [line[2:] for line in before.splitlines() if line.startswith("$ ")]
    lines = []
    for command, output in zip(commands, run(commands), strict=True):
        lines += [f"$ {command}", *masked(output).splitlines()]
    after = "\n".join(lines) + "\n"
    if "--write" in sys.argv:
        PAGE.write_text(page.replace(before, after))
    elif re.sub(r"\b\S{8}…", "ID…", after) != re.sub(r"\b\S{8}…", "ID…", before):
        sys.exit(f"{PAGE}: the session prints\n{after}")
    print(f"{PAGE.name}: {len(commands)} commands of the session ran")


main()
