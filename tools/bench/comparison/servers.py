"""The sections about requests over HTTP: values, files, uploads."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from .page import bars, goal, number, section, spread
from .processes import (
    BENCH, CONNECTIONS, Load, Server, binary, caas_local, emulator, free_port, functions, gunicorn, in_turns, new_api_key,
    timed,
)

BOUNDARY = "b0undary"
FORM = [f"Content-Type: multipart/form-data; boundary={BOUNDARY}"]
JSON = ["Content-Type: application/json"]

# What a new user cost before this comparison was used to improve anything, as a multiple of its requests alone. Inferred:
# with the emulator, a program from then took 1,847 µs and one from after the first improvements 1,894 µs in one run.
NEW_USER_BEFORE = 1.6


def form(length):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    return head.encode() + os.urandom(length) + f"\r\n--{BOUNDARY}--\r\n".encode()


def rows(loads, base):
    """A table of loads, with ratios to the first."""
    table = [["", "CPU per request, µs", "relative", "requests/s", "p99, ms", "peak memory, MiB"]]
    for load in loads:
        table.append([
            load.name, spread(load, "cpu", 1e6), number(load.median("cpu") / base.median("cpu")),
            spread(load, "rate"), number(load.median("p99")), number(load.server.peak_mib()),
        ])
    return table


def cpu_bars(file, title, loads):
    values = [(load.name, load.median("cpu") * 1e6, *(each * 1e6 for each in load.spread("cpu"))) for load in loads]
    return bars(file, title, "µs of CPU per request", values)


def ratio(one, other):
    return one.median("cpu") / other.median("cpu")


def values(options):
    """/encrypt of 100 bytes."""
    datum = "x" * 100
    with contextlib.ExitStack() as stack:
        service, variables = stack.enter_context(caas_local())
        floor = stack.enter_context(Server([binary("floors")]))
        django = stack.enter_context(gunicorn("django_values"))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        cloud = stack.enter_context(emulator(folder))
        api_key = new_api_key()
        apart = stack.enter_context(functions(cloud.info, api_key))
        requests = stack.enter_context(Server([binary("compare"), "requests"], cloud.info))

        def body(key, user="123e4567-e89b-12d3-a456-426614174000"):
            return json.dumps({"apiKey": key, "userUUID": user, "sensitiveData": datum}).encode()

        warm = Load("caas-local, warm", service, "/encrypt", body(variables["CAAS_API_KEY"]), JSON)
        health = Load("caas-local, /health", service, "/health", method="GET")
        constant = Load("bare axum, a constant", floor, "/constant", body(api_key), JSON)
        peer = Load("Django under gunicorn", django, "/encrypt", body("the key"), JSON)
        warm_apart = Load("function, warm", apart, "/encrypt", body(api_key), JSON)
        new = Load("function, new users", apart, "/encrypt", body(api_key, "USER"), JSON)
        alone = Load("their requests to S3 and KMS alone", requests, "/new-user")
        loads, users = [warm, health, constant, peer], [warm_apart, new, alone]
        in_turns([*loads, *users], options.rounds, options.seconds)
        tables = [rows(loads, warm), rows(users, warm_apart)]
        goals = [
            goal(
                "warm `/encrypt` 100 B, CPU per request", "bare axum, a constant", "at most 1.6 times",
                f"{ratio(warm, constant):.2f} times", ratio(warm, constant) <= 1.6,
                f"`/health` alone takes {ratio(health, constant):.2f} times: the log line, the request's id and the headers; "
                "the rest is JSON, the API key's hash and the digest",
            ),
            goal(
                "warm `/encrypt` 100 B, CPU per request", "Django", "25 times less", f"{ratio(peer, warm):.1f} times", ratio(peer, warm) >= 25,
                "receiving and sending over HTTP is most of a request, and the floor sets a limit: bare axum's constant is "
                f"{ratio(peer, constant):.1f} times less",
            ),
            goal(
                "`/encrypt` for new users, CPU, emulator apart", "warm", "stated, and halved",
                f"{new.median('cpu') * 1e6:.0f} µs, {ratio(new, warm_apart):.1f} times; "
                f"{ratio(new, alone):.2f} times its requests alone, before {NEW_USER_BEFORE}",
                ratio(new, alone) <= NEW_USER_BEFORE / 2,
                "three requests by the AWS SDK (look for a record, make a data key, write the record if there is still none) "
                f"take {ratio(alone, new):.0%} of it",
            ),
        ]
        plots = [cpu_bars("values.svg", "/encrypt, 100 bytes", [warm, constant, peer, new, alone])]
    text = f"""
`/encrypt` of 100 bytes over {CONNECTIONS} connections. The Django view (`tools/bench/peers/django_values.py`) selects a
hash and a salt by the user's UUID, without middleware, database or log. "New users" sends a new UUID in each request, to
the functions in their own process, with S3 and KMS in another. The last row sends only the three requests to S3 and KMS
that a new user takes.
"""
    return section("Users' values", text, tables, goals, plots)


def files(options):
    """/encrypt_file of 64 KiB, and 1 GiB by command-line tools."""
    body = form(64 << 10)
    with contextlib.ExitStack() as stack:
        service, _ = stack.enter_context(caas_local())
        floor = stack.enter_context(Server([binary("floors")]))
        flask = stack.enter_context(gunicorn("flask_files"))
        ours = Load("caas-local", service, "/encrypt_file", body, FORM)
        bare = Load("bare axum, the same work", floor, "/encrypt_file", body, FORM)
        fernet = Load("Flask + Fernet under gunicorn", flask, "/encrypt_file", body, FORM)
        loads = [ours, bare, fernet]
        in_turns(loads, options.rounds, options.seconds)
        table = rows(loads, ours)
        goals = [
            goal(
                "`/encrypt_file` 64 KiB, CPU per request", "bare axum, the same crates", "at most 1.3 times",
                f"{ratio(ours, bare):.2f} times", ratio(ours, bare) <= 1.3,
                "the log line, limits, headers, and that keys are wiped",
            ),
            goal(
                "`/encrypt_file` 64 KiB, CPU per request", "Flask + Fernet", "15 times less", f"{ratio(fernet, ours):.1f} times", ratio(fernet, ours) >= 15,
                "copying 64 KiB in and out of the kernel costs both the same; bare axum itself is "
                f"{ratio(fernet, bare):.1f} times less",
            ),
        ]
        plots = [cpu_bars("files.svg", "/encrypt_file, 64 KiB", loads)]
    local, local_plot = whole_files(options)
    text = f"""
`/encrypt_file` of 64 KiB over {CONNECTIONS} connections; then {options.local_mib} MiB by command-line tools, from the
page cache to nowhere. `openssl enc` authenticates nothing.
"""
    return section("Session files", text, [table, local], goals, plots + [local_plot])


def whole_files(options):
    with tempfile.TemporaryDirectory() as folder:
        source = f"{folder}/source"
        with open(source, "wb") as file:
            for _ in range(options.local_mib):
                file.write(os.urandom(1 << 20))
        commands = {"`caas encrypt`": [binary("caas"), "--quiet", "encrypt", source, "-o", "-", "--key-file", f"{folder}/key"]}
        if shutil.which("age"):
            identity = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
            recipient = next(line for line in identity.splitlines() if "public key" in line).split()[-1]
            commands["`age`"] = ["age", "-r", recipient, source]
        if shutil.which("openssl"):
            commands["`openssl enc -aes-256-ctr`"] = [
                "openssl", "enc", "-aes-256-ctr", "-K", "01" * 32, "-iv", "02" * 16, "-in", source,
            ]
        measured = {name: [] for name in commands}
        for _ in range(options.rounds_local):
            for name, command in commands.items():
                quoted = " ".join(f"'{word}'" for word in command)
                measured[name].append(timed(["sh", "-c", f"exec {quoted} > /dev/null"]))
                with contextlib.suppress(FileNotFoundError):
                    os.remove(f"{folder}/key")
    table = [["", "seconds", "CPU seconds", "peak memory, MiB"]]
    values = []
    for name, runs in measured.items():
        columns = {what: sorted(run[what] for run in runs) for what in ["seconds", "cpu", "peak"]}
        middle = len(runs) // 2

        def cell(what):
            column = columns[what]
            return f"{column[middle]:.2f} ({column[0]:.2f}–{column[-1]:.2f})"

        table.append([name, cell("seconds"), cell("cpu"), number(columns["peak"][-1])])
        values.append((name.strip("`"), columns["cpu"][middle], columns["cpu"][0], columns["cpu"][-1]))
    return table, bars("whole-files.svg", f"Encrypting {options.local_mib} MiB", "CPU seconds", values)


def uploads(options):
    """/api/upload/ of 1 MiB, and the emulator beside moto."""
    body, api_key = form(1 << 20), new_api_key()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        cloud = stack.enter_context(emulator(folder))
        ours = stack.enter_context(functions(cloud.info, api_key))
        django = stack.enter_context(gunicorn("django_uploads", cloud.info))
        few = {"connections": 4}
        function = Load("upload-file", ours, "/api/upload/", body, [*FORM, f"X-Api-Key: {api_key}"], **few)
        peer = Load("Django + boto3 under gunicorn", django, "/api/upload/", body, FORM, **few)
        loads = [function, peer]
        # Each second stores some hundred MiB.
        in_turns(loads, options.rounds, min(options.seconds, 2))
        table = rows(loads, function)
        times = ratio(peer, function)
        goals = [goal(
            "`/api/upload/` 1 MiB, CPU of the function", "Django + boto3, same S3 and KMS", "10 times less", f"{times:.1f} times",
            times >= 10, "both spend most of it on moving 1 MiB through the kernel twice, on its checksum and on AES, where "
            "boto3 and cryptography run C, too",
        )]
        plots = [cpu_bars("uploads.svg", "/api/upload/, 1 MiB", loads)]
    text = """
`/api/upload/` of 1 MiB over 4 connections. Each has its own process, and both use one S3 and KMS in a third, whose CPU
does not count. The second table compares that emulator with moto: objects of 10 KiB by presigned requests.
"""
    return section("Stored files", text, [table, moto(options)], goals, plots)


def moto(options):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(emulator(folder))
        port = free_port()
        command = [shutil.which("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        peer = stack.enter_context(Server(command, announces=False, port=port))
        aws = ours.info | {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}
        loads = []
        for name, server, variables in [("the emulator", ours, ours.info), ("moto", peer, aws)]:
            urls = json.loads(timed([sys.executable, str(BENCH / "peers" / "presign.py")], variables)["output"])
            for method, url in urls.items():
                port, path = url.removeprefix("http://127.0.0.1:").split("/", 1)
                content = os.urandom(10 << 10) if method == "PUT" else b""
                # Under load, moto breaks a connection now and then.
                loads.append(Load(
                    f"{name}, {method}", server, f"/{path}", content, method=method, connections=4, port=port,
                    strict=server is ours,
                ))
        loads.sort(key=lambda load: load.method, reverse=True)
        in_turns(loads, min(options.rounds, 3), min(options.seconds, 1))
        return rows(loads, loads[0])
