"""What operations cost as files, users, clients and waiting drops grow."""

import contextlib
import datetime
import hashlib
import http.client
import json
import statistics
import subprocess
import tempfile
import time
import uuid

from . import limits
from .page import goal, lines, number, section
from .processes import binary, emulator, functions, new_api_key
from .servers import BOUNDARY

BLOCK = 20
VERSIONS = [1, 10, 100]
DATUM = "x" * 100
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n{"x" * 1024}\r\n--{BOUNDARY}--\r\n'
).encode()
# Nothing is due: a sweep then lists, and seals nothing.
VARIABLES = {"SWEEP_AGE_SECONDS": "86400", "USER_KEY_CACHE_SECONDS": "3600"}


class Client:
    """One client of the functions on one connection, and what its operations cost."""

    def __init__(self, cloud, function, api_key):
        self.cloud, self.function, self.api_key, self.costs = cloud, function, api_key, {}
        self.connection = http.client.HTTPConnection("127.0.0.1", function.port)
        # What happens only once: connections to S3 and KMS, certificates.
        self.upload()
        self.encrypt(str(uuid.uuid4()))

    def send(self, method, path, body=None, headers=None, api_key=None, expected=(200, 201, 204)):
        headers = {"X-Api-Key": api_key or self.api_key, "Content-Type": "application/json"} | (headers or {})
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        assert response.status in expected, f"{method} {path}: {response.status} {content[:200]}"
        return content

    def upload(self):
        return self.send("POST", "/api/upload/", FORM, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})

    def encrypt(self, user):
        body = {"userUUID": user, "sensitiveData": DATUM}
        return json.loads(self.send("POST", "/encrypt", json.dumps(body)))["encrypted_data"]

    def verify(self, user, digest):
        body = {"userUUID": user, "sensitiveData": DATUM, "encryptedData": digest}
        return self.send("POST", "/verify", json.dumps(body))

    def seal(self, number):
        random = number * 0x9E3779B97F4A7C15 % 2**64  # as in examples/compare/fill.rs
        key = f"local/{random >> 32:08x}-{random & 0xFFFF:04x}-4000-8000-{number:012x}/drop"
        record = {"s3": {"bucket": {"name": "inbox"}, "object": {"key": key, "size": 100}}}
        assert self.function.ask(json.dumps({"Records": [record]}))["report"]["sealed"] == 1

    def measure(self, name, operation, items):
        """Runs the operation with each of the items; keeps requests, CPU and latency of each. Returns the results."""
        before, used, times, results = self.cloud.ask(), self.function.cpu(), [], []
        for item in items:
            begun = time.monotonic()
            results.append(operation(item))
            times.append(time.monotonic() - begun)
        used, after = self.function.cpu() - used, self.cloud.ask()
        requests = {call: (count - before.get(call, 0)) / len(times) for call, count in after.items()}
        cost = self.costs.setdefault(name, {"requests": [], "cpu": [], "seconds": []})
        cost["requests"].append({call: count for call, count in requests.items() if count})
        cost["cpu"].append(used / len(times))
        cost["seconds"] += times
        return results

    def cost(self, name, what):
        return statistics.median(self.costs[name][what])

    def relative(self, name, other):
        """CPU relative to another stack's, block by block: the median, since a machine's speed changes meanwhile."""
        pairs = zip(self.costs[name]["cpu"], other.costs[name]["cpu"], strict=True)
        return statistics.median(mine / its for mine, its in pairs)

    def requests(self, name):
        """Requests of one operation: the median of the blocks, so that the record of an API key, read again once a minute
        whatever is asked, does not count."""
        counted = self.costs[name]["requests"]
        calls = sorted({call for each in counted for call in each})
        medians = {call: statistics.median(each.get(call, 0) for each in counted) for call in calls}
        return {call: count for call, count in medians.items() if count}


class Stack:
    """S3, KMS and the functions, with `count` each of files, users, clients and waiting drops."""

    def __init__(self, count, samples, exits):
        self.count = count
        self.folder = exits.enter_context(tempfile.TemporaryDirectory())
        self.api_key, self.keys = new_api_key(), [new_api_key() for _ in range(samples)]
        self.users = [str(uuid.uuid4()) for _ in range(samples)]
        self._prepare()
        begun = time.monotonic()
        self.cloud = exits.enter_context(emulator(self.folder))
        self.restart_seconds = time.monotonic() - begun
        self.resident_mib = self.cloud.resident_mib()
        self.function = exits.enter_context(functions(self.cloud.info, self.api_key, **VARIABLES))
        self.client = Client(self.cloud, self.function, self.api_key)

    def _prepare(self):
        """Users and API keys to measure with, then everything else."""
        with emulator(self.folder) as cloud:
            with functions(cloud.info, self.api_key, **VARIABLES) as function:
                client = Client(cloud, function, self.api_key)
                for user in self.users:
                    client.encrypt(user)
            _put_keys(cloud.info, self.keys)
            begun = time.monotonic()
            for bucket, prefix, suffix in [
                ("vault", "local/", "/file"), ("user-keys", "local/", ".json"), ("clients", "clients/", ".json"),
                ("inbox", "local/", "/drop"),
            ]:
                fill = [binary("compare"), "fill", bucket, prefix, suffix, str(self.count)]
                subprocess.run(fill, env=cloud.info, check=True)
            self.fill_seconds = time.monotonic() - begun

    def sweep(self):
        self.client.measure("sweep", self.function.ask, ['{"sweep": true}'])

    def block(self, number):
        """Every operation, some times each. Yields after each, so that stacks take turns at all of them."""
        client, send = self.client, self.client.send
        mine = range(number * BLOCK, (number + 1) * BLOCK)
        files = client.measure("upload 1 KiB", lambda _: client.upload(), mine)
        yield
        paths = [f"/api/files/{json.loads(file)['file']['id']}" for file in files]
        users = [str(uuid.uuid4()) for _ in mine]
        # Refused for its scope, so that nothing but the registry is asked.
        refused = lambda key: send("GET", f"/users/{users[0]}", api_key=key, expected=[403])
        for name, operation, items in [
            ("download", lambda path: send("GET", path), paths),
            ("describe (`HEAD`)", lambda path: send("HEAD", path), paths),
            ("grant", lambda path: send("POST", path + "/grant"), paths),
            ("delete a file", lambda path: send("DELETE", path), paths),
            ("list 100 files", lambda _: send("GET", "/api/files"), mine),
            ("`/encrypt`, new user", client.encrypt, users),
            ("`/encrypt`, known user, key not in memory", client.encrypt, self.users[mine.start : mine.stop]),
            ("`/encrypt`, warm", client.encrypt, users),
            ("rotate a user's key", lambda user: send("POST", f"/users/{user}/rotate"), users),
            ("shred a user", lambda user: send("DELETE", f"/users/{user}"), users),
            ("first request of an API key", refused, self.keys[mine.start : mine.stop]),
            ("later requests of it", refused, self.keys[mine.start : mine.stop]),
            ("seal a dropped file", client.seal, mine),
        ]:
            client.measure(name, operation, items)
            yield


def _put_keys(aws, keys):
    import boto3
    from botocore.config import Config

    s3 = boto3.client(
        "s3", endpoint_url=aws["AWS_ENDPOINT_URL_S3"], region_name=aws["AWS_REGION"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"], aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number, key in enumerate(keys):
        record = {
            "format": "caas-client:v1", "client": f"client-{number}", "scopes": ["sessions"], "created": now,
            "expires_at": None, "disabled": False, "note": "",
        }
        name = f"clients/{hashlib.sha256(key.encode()).hexdigest()}.json"
        s3.put_object(Bucket="clients", Key=name, Body=json.dumps(record))


def shown(requests):
    """Requests of one operation, as text."""
    return ", ".join(f"{count:g} {call.partition(':')[2]}" for call, count in requests.items()) or "none"


def scale(options):
    """Every operation among few and many objects."""
    with contextlib.ExitStack() as exits:
        stacks = [Stack(count, options.blocks * BLOCK, exits) for count in options.counts]
        # First, since a sweep goes on with what the blocks delete.
        for _ in range(3):
            for stack in stacks:
                stack.sweep()
        for block in range(options.blocks):
            in_order = stacks if block % 2 else stacks[::-1]
            for _ in zip(*(stack.block(block) for stack in in_order), strict=True):
                pass
        versions = key_versions(stacks[0], options)
        for stack in stacks:
            stack.peak_mib = stack.function.peak_mib()
    few, many = stacks[0], stacks[-1]
    head = [f"{stack.count:,}" for stack in stacks]

    def each(name, what, factor):
        return [stack.client.cost(name, what) * factor for stack in stacks]

    names = [name for name in few.client.costs if name != "sweep"]
    requests = {name: few.client.requests(name) for name in names}
    different = [name for name in names if any(stack.client.requests(name) != requests[name] for stack in stacks)]
    ratios = {name: many.client.relative(name, few.client) for name in names}
    cost = [[
        "operation", "requests to S3 and KMS", *(f"CPU at {count}, µs" for count in head),
        *(f"latency at {count}, ms" for count in head), "CPU, most to least",
    ]]
    for name in names:
        cost.append([
            name, shown(requests[name]), *map(number, each(name, "cpu", 1e6)), *map(number, each(name, "seconds", 1e3)),
            f"{ratios[name]:.2f}",
        ])
    around = [
        ["", *head],
        ["fill, objects/s", *(number(4 * stack.count / stack.fill_seconds) for stack in stacks)],
        ["restart of the emulator, s", *(f"{stack.restart_seconds:.2f}" for stack in stacks)],
        ["its resident memory after that, MiB", *(number(stack.resident_mib) for stack in stacks)],
        ["peak memory of the functions, MiB", *(number(stack.peak_mib) for stack in stacks)],
        ["a sweep that finds nothing due, s", *(f"{seconds:.3f}" for seconds in each("sweep", "seconds", 1))],
        ["its requests", *(shown(stack.client.requests("sweep")) for stack in stacks)],
    ]
    worst = max(ratios, key=ratios.get)
    sizes = f"{head[-1]} against {head[0]} files, users, clients, drops"
    goals = [
        goal(
            "requests to S3 and KMS of every operation", sizes, "the same", "not the same" if different else "the same",
            not different, ", ".join(different),
        ),
        goal(
            "CPU of every operation", sizes, "1.1", f"at most {ratios[worst]:.2f} ({worst})", ratios[worst] <= 1.1,
            "the requests are the same, so it is the machine's noise or its caches",
        ),
    ]
    counts = [stack.count for stack in stacks]
    drawn = [
        "upload 1 KiB", "download", "list 100 files", "`/encrypt`, new user", "`/encrypt`, warm",
        "first request of an API key", "seal a dropped file",
    ]
    plots = [
        lines(file, title, unit, counts, {name.replace("`", ""): each(name, what, factor) for name in drawn})
        for file, title, unit, what, factor in [
            ("scale.svg", "CPU of one operation, by files, users, clients and drops", "µs", "cpu", 1e6),
            ("scale-latency.svg", "Latency of one operation, emulator included", "ms", "seconds", 1e3),
        ]
    ]
    plots.append(lines("scale-emulator.svg", "The emulator after a restart, and a sweep", "s; MiB", counts, {
        "restart, s": [stack.restart_seconds for stack in stacks],
        "memory, MiB": [stack.resident_mib for stack in stacks],
        "sweep, s": each("sweep", "seconds", 1),
    }))
    text = f"""
One client has this many files and users, as many drops wait in its inbox, and the registry has as many API keys,
all at once. One stack per column, {options.blocks} blocks of {BLOCK} operations over one connection, each operation in
turns. CPU is the functions' alone, and its ratio the median of the blocks'; latency includes the emulator. Requests leave
out the record of the API key, read once a minute whatever is asked. A sweep lists what waits, 1,000 a request, and seals
what is due at the cost of "seal a dropped file". The last table is about users whose key has many versions.
"""
    page = section("Scale", text, [cost, around, versions], goals, plots)
    return [page, limits.model({name: many.client.requests(name) for name in names})]


def key_versions(stack, options):
    """A user's key with many versions, read from its record."""
    users = {count: [str(uuid.uuid4()) for _ in range(options.version_users)] for count in VERSIONS}
    digests = {}
    for count, some in users.items():
        for user in some:
            digests[user] = stack.client.encrypt(user)
            for _ in range(count - 1):
                stack.client.send("POST", f"/users/{user}/rotate")
    rows = [["versions of a key", "operation, key not in memory", "requests to S3 and KMS", "CPU, µs", "latency, ms"]]
    with functions(stack.cloud.info, stack.api_key, **VARIABLES) as function:
        client = Client(stack.cloud, function, stack.api_key)
        for count, some in users.items():
            half = len(some) // 2
            for what, operation, mine in [
                ("`/encrypt`", client.encrypt, some[:half]),
                ("`/verify` against the first version", lambda user: client.verify(user, digests[user]), some[half:]),
            ]:
                name = f"{what} {count}"
                client.measure(name, operation, mine)
                rows.append([
                    str(count), what, shown(client.requests(name)), number(client.cost(name, "cpu") * 1e6),
                    number(client.cost(name, "seconds") * 1e3),
                ])
    return rows
