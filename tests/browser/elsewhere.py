"""What other programs make of the page's files.

    python elsewhere.py get KEY     an object of the vault, as AWS's S3 Encryption Client reads it
    python elsewhere.py put KEY     stores standard input with AWS's S3 Encryption Client
    python elsewhere.py open FILE_KEY    the content of the session file on standard input
    python elsewhere.py seal FILE_KEY    standard input as a session file
"""

import base64
import hashlib
import os
import sys


def official():
    import boto3
    from botocore.config import Config
    from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
    from s3_encryption.materials.kms_keyring import KmsKeyring

    region = os.environ["AWS_REGION"]
    s3 = boto3.client("s3", region, config=Config(s3={"addressing_style": "path"}))
    keyring = KmsKeyring(boto3.client("kms", region), os.environ["FILE_KEY_ID"])
    return S3EncryptionClient(s3, S3EncryptionClientConfig(keyring=keyring))


def place(key):
    context = {"caas:object": hashlib.sha256(key.encode()).hexdigest()}
    return {"Bucket": os.environ["VAULT_BUCKET"], "Key": key, "EncryptionContext": context}


def cipher(file_key):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(base64.urlsafe_b64decode(file_key + "="))


def main(command, key):
    given = sys.stdin.buffer.read()
    if command == "get":
        answer = official().get_object(**place(key))["Body"].read()
    elif command == "put":
        official().put_object(**place(key), Body=given)
        answer = b""
    elif command == "open":
        answer = cipher(key).decrypt(given[:12], given[12:], None)
    elif command == "seal":
        nonce = os.urandom(12)
        answer = nonce + cipher(key).encrypt(nonce, given, None)
    sys.stdout.buffer.write(answer)


main(*sys.argv[1:])
