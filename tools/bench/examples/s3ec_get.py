"""Decrypts uploads with AWS's own S3 Encryption Client. Called by transfers.rs.

    python s3ec_get.py FILE ID...

Reads VAULT_BUCKET, FILE_KEY_ID and the AWS SDKs' variables from the environment.
"""

import base64
import hashlib
import os
import sys

import boto3
from botocore.config import Config
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring

REGION = os.environ["AWS_REGION"]
BUCKET = os.environ["VAULT_BUCKET"]
S3 = boto3.client("s3", region_name=REGION, config=Config(s3={"addressing_style": "path"}))
KEYRING = KmsKeyring(boto3.client("kms", region_name=REGION), os.environ["FILE_KEY_ID"])
# As a stream, because cryptography accepts less than 2 GiB in one piece. The digest is compared at the end.
CONFIG = S3EncryptionClientConfig(keyring=KEYRING, enable_delayed_authentication=True)
OFFICIAL = S3EncryptionClient(S3, CONFIG)


def digest(reader):
    hash = hashlib.sha256()
    while chunk := reader.read(1 << 20):
        hash.update(chunk)
    return hash.hexdigest()


def key_of(file_id):
    """The S3 key, of any client, with the path that the ID encodes."""
    path = base64.urlsafe_b64decode(file_id + "=" * (-len(file_id) % 4)).decode()
    pages = S3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))
    return next(key for key in keys if key.partition("/")[2] == path)


with open(sys.argv[1], "rb") as file:
    expected = digest(file)
for file_id in sys.argv[2:]:
    key = key_of(file_id)
    context = {"caas:object": hashlib.sha256(key.encode()).hexdigest()}
    response = OFFICIAL.get_object(Bucket=BUCKET, Key=key, EncryptionContext=context)
    assert digest(response["Body"]) == expected, "the content differs from the upload"
    print("AWS's client decrypts the upload")
