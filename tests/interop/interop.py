"""Checks that the service and AWS's own S3 Encryption Client read each other's files.

    pip install -r tests/interop/requirements.txt
    . <data-dir>/env && CAAS_URL=http://localhost:5000 CAAS_API_KEY=... python tests/interop/interop.py

Needs a running service, and AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_KMS, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, VAULT_BUCKET and FILE_KEY_ID of the S3 and KMS that it uses.
With CAAS="cargo run -p caas-cli --" or the path of `caas`, it checks `caas s3` too.
Prints what passed, and exits with status 1 at the first failure.
"""

import base64
import hashlib
import io
import json
import os
import shlex
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.exceptions import S3EncryptionClientError
from s3_encryption.materials.kms_keyring import KmsKeyring
from s3_encryption.materials.materials import AlgorithmSuite, CommitmentPolicy

SIZES = [0, 1, 15, 16, 17, 1 << 20, 4 << 20, 20 << 20]

URL = os.environ["CAAS_URL"].rstrip("/")
API_KEY = os.environ["CAAS_API_KEY"]
BUCKET = os.environ["VAULT_BUCKET"]
KMS_KEY = os.environ["FILE_KEY_ID"]
REGION = os.environ["AWS_REGION"]

PATH_STYLE = Config(s3={"addressing_style": "path"})
S3 = boto3.client("s3", region_name=REGION, config=PATH_STYLE)
KMS = boto3.client("kms", region_name=REGION)


def official_client(**config):
    """AWS's client, around its own S3 client, which it modifies."""
    s3 = boto3.client("s3", region_name=REGION, config=PATH_STYLE)
    keyring = KmsKeyring(KMS, KMS_KEY)
    return S3EncryptionClient(s3, S3EncryptionClientConfig(keyring=keyring, **config))


def context_of(key):
    """The documented encryption context of an object."""
    return {"caas:object": hashlib.sha256(key.encode()).hexdigest()}


def call(method, path, body=None, headers=None):
    """Sends a request to the service and returns status, headers and body."""
    headers = {"x-api-key": API_KEY, **(headers or {})}
    request = urllib.request.Request(URL + path, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def upload(name, content):
    """Stores a file through the service and returns its ID."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={boundary}"
    status, _, response = call("POST", "/api/upload/", body, {"content-type": content_type})
    assert status == 201, (status, response)
    return json.loads(response)["file"]["id"]


def path_of(file_id):
    return base64.urlsafe_b64decode(file_id + "=" * (-len(file_id) % 4)).decode()


def id_of(path):
    return base64.urlsafe_b64encode(path.encode()).rstrip(b"=").decode()


def client_name():
    """The client that the API key belongs to, which is the prefix of its uploads."""
    file_id = upload("whoami", b"")
    pages = S3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    [key] = [key for key in keys if key.split("/", 1)[1] == path_of(file_id)]
    call("DELETE", f"/api/files/{file_id}?purge=true")
    return key.split("/", 1)[0]


def refused(operation, **arguments):
    try:
        operation(**arguments)["Body"].read()
    except S3EncryptionClientError:
        return
    raise AssertionError("the official client decrypted what it must not")


def what_we_store_the_official_client_opens(official, size):
    content = os.urandom(size)
    file_id = upload(f"Ü {size}.bin", content)
    key = f"{CLIENT}/{path_of(file_id)}"
    context = context_of(key)
    opened = official.get_object(Bucket=BUCKET, Key=key, EncryptionContext=context)
    assert opened["Body"].read() == content
    other = context_of(key + "x")
    refused(official.get_object, Bucket=BUCKET, Key=key, EncryptionContext=other)
    call("DELETE", f"/api/files/{file_id}?purge=true")


def what_the_official_client_stores_we_serve(official, size, multipart):
    content = os.urandom(size)
    path = f"interop/{uuid.uuid4()}/{size}.bin"
    key = f"{CLIENT}/{path}"
    context = context_of(key)
    if multipart:
        official.upload_fileobj(io.BytesIO(content), BUCKET, key, EncryptionContext=context)
    else:
        official.put_object(Bucket=BUCKET, Key=key, Body=content, EncryptionContext=context)
    status, headers, body = call("GET", f"/api/files/{id_of(path)}")
    assert (status, body == content) == (200, True), (status, body[:300])
    assert headers["caas-size"] == str(size), headers["caas-size"]

    # Without the documented context it is not an object of this vault.
    official.put_object(Bucket=BUCKET, Key=key, Body=content, EncryptionContext={"other": "x"})
    status, _, body = call("GET", f"/api/files/{id_of(path)}")
    assert status == 422 and json.loads(body)["type"] == "/problems/integrity-failure", status
    call("DELETE", f"/api/files/{id_of(path)}?purge=true")


def what_a_client_seals_and_opens_by_itself(official, size):
    content = os.urandom(size)
    asked = json.dumps({"name": "Ü.bin", "size": size, "mode": "client"}).encode()
    status, _, response = call("POST", "/api/uploads", asked, {"content-type": "application/json"})
    assert status == 201, (status, response)
    begun = json.loads(response)
    key, iv, aad = binary(begun["encryption"])
    sealed = AESGCM(key).encrypt(iv, content, aad)
    request = urllib.request.Request(begun["url"], sealed, begun["headers"], method=begun["method"])
    urllib.request.urlopen(request, timeout=60).close()

    s3_key = f"{CLIENT}/{path_of(begun['id'])}"
    context = context_of(s3_key)
    opened = official.get_object(Bucket=BUCKET, Key=s3_key, EncryptionContext=context)
    assert opened["Body"].read() == content
    status, _, body = call("GET", f"/api/files/{begun['id']}")
    assert (status, body == content) == (200, True), status

    # A grant opens what the official client stores.
    official.put_object(Bucket=BUCKET, Key=s3_key, Body=content[::-1], EncryptionContext=context)
    status, _, response = call("POST", f"/api/files/{begun['id']}/grant")
    assert status == 200, (status, response)
    grant = json.loads(response)
    key, iv, aad = binary(grant["encryption"])
    with urllib.request.urlopen(grant["url"], timeout=60) as body:
        assert AESGCM(key).decrypt(iv, body.read(), aad) == content[::-1]
    call("DELETE", f"/api/files/{begun['id']}?purge=true")


def binary(encryption):
    return [base64.b64decode(encryption[name]) for name in ("key", "iv", "aad")]


def an_object_without_key_commitment_is_refused():
    official = official_client(
        encryption_algorithm=AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF,
        commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT,
    )
    path = f"interop/{uuid.uuid4()}/v2.bin"
    key = f"{CLIENT}/{path}"
    context = context_of(key)
    official.put_object(Bucket=BUCKET, Key=key, Body=b"version 2", EncryptionContext=context)
    status, _, body = call("GET", f"/api/files/{id_of(path)}")
    assert status == 422 and b"version 2" not in body, status
    call("DELETE", f"/api/files/{id_of(path)}?purge=true")


def the_command_line_and_the_official_client_open_each_others(caas, official, size):
    content, key = os.urandom(size), f"interop/{uuid.uuid4()}"
    context = {"department": "sales", "year": "2026"}
    pairs = [f"--context={name}={value}" for name, value in context.items()]
    with tempfile.TemporaryDirectory() as folder:
        source, copy = os.path.join(folder, "source"), os.path.join(folder, "copy")
        with open(source, "wb") as file:
            file.write(content)
        put = [source, f"s3://{BUCKET}/{key}", "--kms-key", KMS_KEY]
        subprocess.run([*caas, "s3", "put", *put, *pairs], check=True, stdout=subprocess.DEVNULL)
        opened = official.get_object(Bucket=BUCKET, Key=key, EncryptionContext=context)
        assert opened["Body"].read() == content
        refused(official.get_object, Bucket=BUCKET, Key=key, EncryptionContext={})

        official.put_object(Bucket=BUCKET, Key=key, Body=content[::-1], EncryptionContext=context)
        get = [*caas, "s3", "get", f"s3://{BUCKET}/{key}", "-o", copy]
        assert subprocess.run(get, stderr=subprocess.DEVNULL).returncode == 3
        assert not os.path.exists(copy)
        subprocess.run([*get, *pairs], check=True, stdout=subprocess.DEVNULL)
        with open(copy, "rb") as file:
            assert file.read() == content[::-1]
    S3.delete_object(Bucket=BUCKET, Key=key)


CLIENT = client_name()


def main():
    official = official_client()
    for size in SIZES:
        what_we_store_the_official_client_opens(official, size)
        print(f"ok: stored by the service, opened by the official client, {size} bytes")
    for size in SIZES:
        what_the_official_client_stores_we_serve(official, size, multipart=False)
        print(f"ok: stored by the official client, served by the service, {size} bytes")
    what_the_official_client_stores_we_serve(official, 20 << 20, multipart=True)
    print(f"ok: the same as a multipart upload, {20 << 20} bytes")
    for size in SIZES:
        what_a_client_seals_and_opens_by_itself(official, size)
        print(f"ok: sealed by a client, opened by the official client and by a grant, {size} bytes")
    an_object_without_key_commitment_is_refused()
    print("ok: an object in version 2 of the format is refused")
    if caas := shlex.split(os.environ.get("CAAS", "")):
        for size in SIZES:
            the_command_line_and_the_official_client_open_each_others(caas, official, size)
            print(f"ok: `caas s3` and the official client open each other's, {size} bytes")


if __name__ == "__main__":
    main()
