"""Measures time and memory of AWS's own client for one sealed put: BUCKET KEY LENGTH."""

import hashlib
import resource
import sys
import time

import boto3
from botocore.config import Config
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring

bucket, key, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
s3 = boto3.client("s3", region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
keyring = KmsKeyring(boto3.client("kms", region_name="us-east-1"), key)
client = S3EncryptionClient(s3, S3EncryptionClientConfig(keyring=keyring))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Source:
    """Zeros, generated as they are read."""

    left = length

    def read(self, count=-1):
        count = self.left if count < 0 else min(count, self.left)
        self.left -= count
        return bytes(count)


context = {"caas:object": hashlib.sha256(b"bench/python").hexdigest()}
client.put_object(Bucket=bucket, Key="bench/python", Body=b"x", EncryptionContext=context)
for name, put in [
    ("upload_fileobj", lambda: client.upload_fileobj(Source(), bucket, "bench/python", EncryptionContext=context)),
    ("put_object", lambda: client.put_object(Bucket=bucket, Key="bench/python", Body=Source().read(), EncryptionContext=context)),
]:
    start, begun = peak(), time.monotonic()
    put()
    seconds = time.monotonic() - begun
    above = (peak() - start) / 1024
    print(f"AWS's Python client, {name}: {seconds:.2f} s ({length / seconds / 2**20:.0f} MiB/s), peak {above:.1f} MiB above its start")
