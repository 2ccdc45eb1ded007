"""One large file through AWS's Python clients: CLIENT put|get BUCKET KEY LENGTH. Prints the seconds, and by how many
KiB it raised the peak memory. `s3ec` is the S3 Encryption Client; `esdk` is the Encryption SDK with boto3's transfers."""

import hashlib
import json
import os
import resource
import sys
import tempfile
import time

import boto3
from botocore.config import Config

client, what, bucket, key, length = *sys.argv[1:5], int(sys.argv[5])
KEY = os.environ["FILE_KEY_ID"]
S3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
KMS = boto3.client("kms")
CONTEXT = {"caas:object": hashlib.sha256(key.encode()).hexdigest()}
CHUNK = 1 << 20


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Source:
    """Zeros, generated as they are read."""

    def __init__(self, length):
        self.left = length

    def read(self, count=-1):
        count = self.left if count is None or count < 0 else min(count, self.left)
        self.left -= count
        return bytes(count)


def s3ec():
    from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
    from s3_encryption.materials.kms_keyring import KmsKeyring

    # As a stream. Otherwise the client holds the whole file in memory.
    config = S3EncryptionClientConfig(keyring=KmsKeyring(KMS, KEY), enable_delayed_authentication=True)
    aws = S3EncryptionClient(S3, config)

    def put(length, name=key):
        aws.upload_fileobj(Source(length), bucket, name, EncryptionContext=CONTEXT)

    def get(file):
        body = aws.get_object(Bucket=bucket, Key=key, EncryptionContext=CONTEXT)["Body"]
        while chunk := body.read(CHUNK):
            file.write(chunk)

    return put, get


def esdk():
    import aws_encryption_sdk
    import botocore.session

    aws = aws_encryption_sdk.EncryptionSDKClient()
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(
        key_ids=[KEY], botocore_session=botocore.session.get_session()
    )

    def put(length, name=key):
        # Frames of 64 KiB, since those of 4 KiB, its default, take longer.
        stream = aws.stream(
            mode="e", source=Source(length), source_length=length, key_provider=provider, encryption_context=CONTEXT,
            frame_length=64 << 10,
        )
        S3.upload_fileobj(stream, bucket, name)

    def get(file):
        body = S3.get_object(Bucket=bucket, Key=key)["Body"]
        with aws.stream(mode="d", source=body, key_provider=provider) as stream:
            while chunk := stream.read(CHUNK):
                file.write(chunk)

    return put, get


put, get = {"s3ec": s3ec, "esdk": esdk}[client]()
put(1000, "bench/warm-up")
with tempfile.TemporaryFile() as file:
    start, begun = peak(), time.monotonic()
    put(length) if what == "put" else get(file)
    seconds = time.monotonic() - begun
    assert what == "put" or file.tell() == length, file.tell()
print(json.dumps({"seconds": seconds, "above_kib": peak() - start}))
