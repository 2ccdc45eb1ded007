"""Drops sixty files in the inbox, kills the service in the middle and restarts it. All files must be sealed,
and readable through the API and with AWS's own S3 Encryption Client, and the inbox must be empty.

    pip install -r tests/interop/requirements.txt
    cargo build && python tests/interop/killed.py target/debug/caas-local

Starts the program itself, on free ports and in its own folder.
"""

import base64
import concurrent.futures
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring

DROPS = 60
DEADLINE = 120


def start(program, folder):
    """Starts the program, and returns it and its variables once it serves."""
    options = ["--port", "0", "--s3-port", "0", "--kms-port", "0", "--data-dir", folder]
    quiet = {**os.environ, "LOG": "warn"}
    server = subprocess.Popen([program, *options], env=quiet, stdout=subprocess.PIPE, text=True)
    while "/openapi.json" not in server.stdout.readline():
        assert server.poll() is None, "the service exited by itself"
    lines = (pathlib.Path(folder) / "env").read_text().splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
    return server, {name: value.strip("'") for name, value in pairs}


def client(service, env):
    return boto3.client(
        service,
        region_name=env["AWS_REGION"],
        endpoint_url=env[f"AWS_ENDPOINT_URL_{service.upper()}"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )


def content_of(number):
    size = 9 << 20 if number % 20 == 19 else number * 1_000
    return hashlib.shake_128(str(number).encode()).digest(size)


def read(env, path):
    """The file's content through the API, or None while there is none."""
    file_id = base64.urlsafe_b64encode(path.encode()).rstrip(b"=").decode()
    url = f"{env['CAAS_URL']}/api/files/{file_id}"
    request = urllib.request.Request(url, headers={"x-api-key": env["CAAS_API_KEY"]})
    try:
        return urllib.request.urlopen(request, timeout=30).read()
    except urllib.error.HTTPError as error:
        assert error.code == 404, error.code
        return None


def eventually(ask):
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        result = ask()
        if result is not None:
            return result
        time.sleep(0.05)
    sys.exit(f"not done within {DEADLINE} s")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        server, env = start(program, folder)
        s3 = client("s3", env)
        paths = [f"drops/ä {number}+%.bin" for number in range(DROPS)]

        def drop(number):
            key = f"local/{paths[number]}"
            s3.put_object(Bucket=env["INBOX_BUCKET"], Key=key, Body=content_of(number))

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(drop, range(DROPS)))
        server.send_signal(signal.SIGKILL)
        server.wait()

        server, env = start(program, folder)
        try:
            s3 = client("s3", env)
            waiting = s3.list_object_versions(Bucket=env["INBOX_BUCKET"]).get("Versions", [])
            keyring = KmsKeyring(client("kms", env), env["FILE_KEY_ID"])
            official = S3EncryptionClient(client("s3", env), S3EncryptionClientConfig(keyring=keyring))
            for number, path in enumerate(paths):
                assert eventually(lambda: read(env, path)) == content_of(number), path
                key = f"local/{path}"
                context = {"caas:object": hashlib.sha256(key.encode()).hexdigest()}
                opened = official.get_object(
                    Bucket=env["VAULT_BUCKET"], Key=key, EncryptionContext=context
                )
                assert opened["Body"].read() == content_of(number), path
            listing = lambda: s3.list_object_versions(Bucket=env["INBOX_BUCKET"])
            eventually(lambda: None if listing().get("Versions") else True)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    print(f"{DROPS} drops and a SIGKILL that left {len(waiting)} waiting: all sealed, the inbox empty")


main()
