"""Computes known_answers.json independently of the crate, with Python's own libraries.

    python3 -m venv venv && venv/bin/pip install blake3 cryptography
    venv/bin/python known_answers.py > known_answers.json

All inputs are fixed, so the output never changes. A difference means that a format changed.
"""

import base64
import hashlib
import hmac
import json
import uuid

import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHERS = ["blake2b-512", "blake2s-256", "blake3", "md5", "ripemd160",
           "sha1", "sha224", "sha256", "sha384", "sha512"]
SALT_LENGTHS = [8, 16, 32, 64]
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


# HKDF-SHA512 (RFC 5869)

def extract(salt, secret):
    return hmac.digest(salt, secret, "sha512")


def expand(prk, info, length):
    output, block = b"", b""
    for counter in range(1, -(-length // 64) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha512")
        output += block
    return output[:length]


# Stored objects

def stored_object(name, length):
    data_key = hashlib.sha256(b"data key" + name.encode()).digest()
    message_id = hashlib.sha256(b"message id" + name.encode()).digest()[:28]
    wrapped_key = hashlib.shake_128(name.encode()).digest(184)
    plaintext = hashlib.shake_128(b"plaintext").digest(length)
    context = {"aws:x-amz-cek-alg": "115",
               "caas:object": hashlib.sha256(name.encode()).hexdigest()}

    suite = b"\x00\x73"
    prk = extract(message_id, data_key)
    commitment = expand(prk, suite + b"COMMITKEY", 28)
    content_key = expand(prk, suite + b"DERIVEKEY", 32)
    body = AESGCM(content_key).encrypt(b"\x01" * 12, plaintext, suite)
    return {
        "object_key": name,
        "data_key": data_key.hex(),
        "plaintext": plaintext.hex(),
        "metadata": {
            "x-amz-c": "115",
            "x-amz-3": base64.b64encode(wrapped_key).decode(),
            "x-amz-w": "12",
            "x-amz-t": json.dumps(context, separators=(",", ":")),
            "x-amz-d": base64.b64encode(commitment).decode(),
            "x-amz-i": base64.b64encode(message_id).decode(),
        },
        "body": body.hex(),
    }


# Users' keys

def prefixed(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class UserKey:
    def __init__(self, number, version=1, client="acme"):
        self.secret = hashlib.sha256(b"user key %d" % number).digest()
        self.user = uuid.UUID(bytes=hashlib.sha256(b"user %d" % number).digest()[:16])
        self.client, self.version = client, version

    def derive(self, purpose, length):
        info = prefixed(b"caas:v1", purpose.encode(), self.client.encode(), self.user.bytes)
        prk = extract(bytes(64), self.secret)
        return expand(prk, info + self.version.to_bytes(4, "big"), length)

    def choices(self, purpose, values, count):
        stream = self.derive(purpose, 1024)
        words = [int.from_bytes(stream[i:i + 4], "big") for i in range(0, 1024, 4)]
        positions = [word // (2**32 // len(values)) for word in words]
        return [values[p] for p in positions if p < len(values)][:count]

    def configuration(self, ciphers, salt_lengths, created_at):
        [cipher] = self.choices("cipher", ciphers, 1)
        [salt_length] = self.choices("salt-length", salt_lengths, 1)
        configuration = prefixed(cipher.encode(), salt_length.to_bytes(4, "big"),
                                 created_at.to_bytes(8, "big"))
        mac = hmac.digest(self.derive("record", 64), configuration, "sha512")
        return cipher, salt_length, mac.hex()

    def digest(self, cipher, salt_length, data):
        message = "".join(self.choices("salt", ALPHABET, salt_length)).encode() + data
        key = self.derive("mac", 64)
        match cipher:
            case "blake2b-512":
                return hashlib.blake2b(message, key=key).hexdigest()
            case "blake2s-256":
                return hashlib.blake2s(message, key=key[:32]).hexdigest()
            case "blake3":
                return blake3.blake3(message, key=key[:32]).hexdigest()
            case _:
                return hmac.new(key, message, cipher).hexdigest()

    def seal(self, nonce, data):
        version = self.version.to_bytes(4, "big")
        aad = prefixed(b"caas:v1", self.client.encode(), self.user.bytes, version)
        sealed = AESGCM(self.derive("aes", 32)).encrypt(nonce, data, aad)
        text = base64.urlsafe_b64encode(version + nonce + sealed).decode().rstrip("=")
        return "caas:v1:" + text


def identity(key):
    return {"user_key": key.secret.hex(), "client": key.client,
            "user": str(key.user), "version": key.version}


DATA = ["", "078-05-1120", "Zoë <zoë@example.org> ✓", "x" * 100, "0123456789" * 300]


def digests(cipher, key):
    for salt_length in SALT_LENGTHS:
        _, _, mac = key.configuration([cipher], [salt_length], 1_760_000_000)
        yield identity(key) | {
            "cipher": cipher, "salt_length": salt_length, "created_at": 1_760_000_000, "mac": mac,
            "digests": [key.digest(cipher, salt_length, text.encode()) for text in DATA],
        }


def selection(key, ciphers, salt_lengths):
    cipher, salt_length, mac = key.configuration(ciphers, salt_lengths, 0)
    return identity(key) | {
        "ciphers": ",".join(ciphers), "salt_lengths": ",".join(map(str, salt_lengths)),
        "cipher": cipher, "salt_length": salt_length, "mac": mac,
    }


def reversible(key, data):
    nonce = hashlib.sha256(b"nonce" + data.encode()).digest()[:12]
    return identity(key) | {"data": data, "value": key.seal(nonce, data.encode())}


print(json.dumps({
    "stored": [stored_object(f"acme/{n}.bin", n) for n in [0, 1, 15, 16, 17, 1000]],
    "data": DATA,
    "digests": [d for n, c in enumerate(CIPHERS) for d in digests(c, UserKey(n, version=n + 1))],
    "selections":
        [selection(UserKey(n, client="b-2"), CIPHERS, SALT_LENGTHS) for n in range(24)]
        + [selection(UserKey(n), CIPHERS[:2:-1], [32, 16, 8]) for n in range(12)]
        + [selection(UserKey(n, version=2**32 - 1), ["sha512"], [64]) for n in range(2)],
    "reversible": [reversible(UserKey(n, version=v), data) for n, v, data in [
        (0, 1, ""), (1, 7, "ada@example.org"), (2, 2**32 - 1, "Zoë ✓" * 20)]],
}, indent=1))
