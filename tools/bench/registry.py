"""How much a large registry of API keys costs: start, memory and requests, with 1,000 records and with many.

    python tools/bench/registry.py target/release/caas-local [RECORDS]
"""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib

import boto3
from botocore.config import Config

REQUESTS = 1000
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_api_key():
    text = "caas_" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    crc, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        checksum = DIGITS[digit] + checksum
    return text + checksum


class Service:
    def __init__(self, binary, folder):
        began = time.perf_counter()
        ports = ["--port=0", "--s3-port=0", "--kms-port=0"]
        self.process = subprocess.Popen(
            [binary, *ports, "--data-dir", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        while "/openapi.json" not in self.process.stdout.readline():
            assert self.process.poll() is None, "the service ended"
        self.start_seconds = time.perf_counter() - began
        lines = (pathlib.Path(folder) / "env").read_text().splitlines()
        self.env = dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines)

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def requests(self, keys):
        """Milliseconds of one request with each key, on one connection."""
        address = urllib.parse.urlsplit(self.env["CAAS_URL"])
        connection, times = http.client.HTTPConnection("127.0.0.1", address.port), []
        for key in keys:
            began = time.perf_counter()
            connection.request("GET", "/users/0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11", headers={"x-api-key": key})
            response = connection.getresponse()
            response.read()
            assert response.status == 403, response.status
            times.append((time.perf_counter() - began) * 1e3)
        return times

    def stop(self):
        self.process.terminate()
        self.process.wait()


def fill(service, keys):
    s3 = boto3.client(
        "s3", endpoint_url=service.env["AWS_ENDPOINT_URL_S3"], region_name=service.env["AWS_REGION"],
        aws_access_key_id=service.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=service.env["AWS_SECRET_ACCESS_KEY"],
        config=Config(max_pool_connections=16, request_checksum_calculation="when_required"),
    )

    def put(numbered):
        number, key = numbered
        # A scope that the request lacks: the response says so, and nothing but the registry is asked.
        record = {
            "format": "caas-client:v1", "client": f"client-{number}", "scopes": ["sessions"],
            "created": "2026-11-21T09:30:00Z", "expires_at": None, "disabled": False, "note": "",
        }
        name = f"clients/{hashlib.sha256(key.encode()).hexdigest()}.json"
        s3.put_object(Bucket=service.env["CLIENTS_BUCKET"], Key=name, Body=json.dumps(record))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(put, enumerate(keys)))


def measure(binary, records):
    keys = [new_api_key() for _ in range(records)]
    with tempfile.TemporaryDirectory() as folder:
        service = Service(binary, folder)
        fill(service, keys)
        service.stop()
        service = Service(binary, folder)
        idle = service.resident_mib()
        cold = service.requests(keys[:REQUESTS])
        warm = service.requests([keys[0]] * REQUESTS)
        after = service.resident_mib()
        service.stop()
    median = statistics.median
    print(f"{records} records: ready after {service.start_seconds:.2f} s with {idle:.0f} MiB; "
          f"a key's first request {median(cold):.2f} ms, later ones {median(warm):.2f} ms (medians); "
          f"{after:.0f} MiB after {len(cold)} keys", flush=True)


def main():
    binary, records = sys.argv[1], int((sys.argv[2:] or [100_000])[0])
    measure(binary, REQUESTS)
    measure(binary, records)


main()
