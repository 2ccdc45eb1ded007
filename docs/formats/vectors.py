"""Computes vectors.json independently of the service, with Python's own libraries.

    python3 -m venv venv && venv/bin/pip install blake3 cryptography
    venv/bin/python vectors.py > vectors.json

All inputs are fixed, so the output never changes. A difference means that a format changed.
"""

import base64
import hashlib
import hmac
import json
import uuid
import zlib

import blake3
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
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


# XAES-256-GCM (C2SP)

def xaes(key, nonce, data, aad):
    block = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update
    double = int.from_bytes(block(bytes(16)), "big") << 1
    subkey = (double ^ 0x87 if double >> 128 else double) & (2**128 - 1)
    derived = b""
    for counter in (1, 2):
        message = b"\x00" + bytes([counter]) + b"X\x00" + nonce[:12]
        derived += block((int.from_bytes(message, "big") ^ subkey).to_bytes(16, "big"))
    return nonce + AESGCM(derived).encrypt(nonce[12:], data, aad)


# Users' keys

def prefixed(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def choices(stream, values):
    words = [int.from_bytes(stream[i:i + 4], "big") for i in range(0, len(stream), 4)]
    positions = [word // (2**32 // len(values)) for word in words]
    return [values[p] for p in positions if p < len(values)]


def rejection(words, count):
    stream = b"".join(word.to_bytes(4, "big") for word in words)
    return {"stream": stream.hex(), "count": count, "positions": choices(stream, range(count))}


def user_number(number):
    return uuid.UUID(bytes=hashlib.sha256(b"user %d" % number).digest()[:16])


class UserKey:
    def __init__(self, number, version=1, client="acme", user=None):
        self.secret = hashlib.sha256(b"user key %d" % number).digest()
        self.key_id = hashlib.sha256(b"key id %d" % number).digest()[:8]
        self.user = user or user_number(number)
        self.client, self.version = client, version

    def derive(self, purpose, length):
        info = prefixed(b"caas:v2", purpose.encode(), self.client.encode(), self.user.bytes,
                        self.version.to_bytes(4, "big"))
        return expand(extract(bytes(64), self.secret), info, length)

    def choices(self, purpose, values, count):
        return choices(self.derive(purpose, 1024), values)[:count]

    def select(self, ciphers, salt_lengths):
        [cipher] = self.choices("cipher", ciphers, 1)
        [salt_length] = self.choices("salt-length", salt_lengths, 1)
        return cipher, salt_length

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

    def seal(self, nonce, data, context):
        version = self.version.to_bytes(4, "big")
        aad = prefixed(b"caas:v2", self.client.encode(), self.user.bytes, version, self.key_id,
                       context)
        sealed = xaes(self.derive("values", 32), nonce, data, aad)
        value = self.user.bytes + version + self.key_id + sealed
        return "caas:v2:" + base64.urlsafe_b64encode(value).decode().rstrip("=")


def identity(key):
    return {"secret": key.secret.hex(), "key_id": key.key_id.hex(), "client": key.client,
            "user": str(key.user), "version": key.version}


DATA = ["", "078-05-1120", "Zoë <zoë@example.org> ✓", "x" * 100, "0123456789" * 300,
        "e\u0301"]


def digests(cipher, key):
    for salt_length in SALT_LENGTHS:
        yield identity(key) | {
            "cipher": cipher, "salt_length": salt_length,
            "digests": [key.digest(cipher, salt_length, text.encode()) for text in DATA],
        }


def selection(key, ciphers, salt_lengths):
    cipher, salt_length = key.select(ciphers, salt_lengths)
    return identity(key) | {
        "ciphers": ",".join(ciphers), "salt_lengths": ",".join(map(str, salt_lengths)),
        "cipher": cipher, "salt_length": salt_length,
    }


def value(key, data, context):
    nonce = hashlib.sha256(b"nonce" + data.encode()).digest()[:24]
    return identity(key) | {"data": data, "context": context,
                            "value": key.seal(nonce, data.encode(), context.encode())}


# Users' records

CREATED_AT = 1_760_000_000


def subject(client, user):
    return hashlib.sha256(prefixed(client.encode(), user.bytes)).hexdigest()


def document(client, user, wrapped_key, rest):
    return json.dumps({"format": "caas-user-key:v2", "client": client, "user": str(user),
                       "wrapped_key": base64.b64encode(wrapped_key).decode()} | rest,
                      separators=(",", ":"))


def record(client, number, versions, highest):
    user, name = user_number(number), b"record %d" % number
    record_key, wrapped_key = hashlib.sha256(name).digest(), hashlib.shake_128(name).digest(184)
    plaintext, listed = highest.to_bytes(4, "big"), []
    for version in versions:
        key = UserKey(100 + version, version, client, user)
        cipher, salt_length = key.select(CIPHERS, SALT_LENGTHS)
        plaintext += (version.to_bytes(4, "big") + key.key_id + key.secret
                      + bytes([CIPHERS.index(cipher) + 1, salt_length])
                      + (CREATED_AT + version).to_bytes(8, "big"))
        listed.append({"version": version, "key_id": key.key_id.hex(), "cipher": cipher,
                       "salt_length": salt_length, "created_at": CREATED_AT + version,
                       "digest": key.digest(cipher, salt_length, b"datum")})
    aad = prefixed(b"caas-user-key:v2", client.encode(), user.bytes)
    body = xaes(record_key, hashlib.sha256(b"nonce" + name).digest()[:24], plaintext, aad)
    return {
        "client": client, "user": str(user), "record_key": record_key.hex(),
        "encryption_context": {"caas:purpose": "user-key", "caas:client": client,
                               "caas:subject": subject(client, user)},
        "record": document(client, user, wrapped_key,
                           {"body": base64.b64encode(body).decode()}),
        "highest": highest, "versions": listed,
    }


def tombstone(client, number, highest):
    user, name = user_number(number), b"tombstone %d" % number
    return {
        "client": client, "user": str(user),
        "encryption_context": {"caas:purpose": "tombstone", "caas:client": client,
                               "caas:subject": subject(client, user),
                               "caas:shredded-up-to": str(highest)},
        "record": document(client, user, hashlib.shake_128(name).digest(184),
                           {"shredded_up_to": highest}),
    }


# Session files

def session_file(plaintext):
    key = hashlib.sha256(b"session key" + plaintext).digest()
    nonce = hashlib.sha256(b"session nonce" + plaintext).digest()[:12]
    return {"key": base64.urlsafe_b64encode(key).decode().rstrip("="),
            "plaintext": plaintext.hex(),
            "file": (nonce + AESGCM(key).encrypt(nonce, plaintext, None)).hex()}


# Upload tokens

PART_SIZE = 8 << 20


def upload_token(name, upload_id, size, part_size=PART_SIZE):
    object_key = f"acme/0191b9c4-7f3e-8caa-9c1d-2f6f0d5c8e11/{name}"
    metadata = stored_object(object_key, 0)["metadata"]
    header = b"".join(base64.b64decode(metadata[field])
                      for field in ["x-amz-d", "x-amz-i", "x-amz-3"])
    token = (size.to_bytes(8, "big") + part_size.to_bytes(8, "big")
             + prefixed(object_key.encode(), upload_id.encode(), header))
    stored = size + 16
    return {
        "object_key": object_key, "upload_id": upload_id, "size": size, "part_size": part_size,
        "part_lengths": [min(part_size, stored - begin) for begin in range(0, stored, part_size)],
        "metadata": metadata,
        "token": "caas-upload:v1:" + base64.urlsafe_b64encode(token).decode().rstrip("="),
    }


# API keys

def api_key(number):
    random = hashlib.sha256(b"api key %d" % number).digest()
    text = "caas_" + base64.urlsafe_b64encode(random).decode().rstrip("=")
    crc, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        checksum = ALPHABET[digit] + checksum
    return {"api_key": text + checksum,
            "sha256": hashlib.sha256((text + checksum).encode()).hexdigest()}


# Client records

def client_record(number, admits=True, **changes):
    record = {"format": "caas-client:v1", "client": "acme", "scopes": ["values:encrypt", "files:read"],
              "created": "2026-11-21T09:30:00Z", "expires_at": "2027-02-19T09:30:00Z", "disabled": False,
              "note": "the web shop, production"} | changes
    record = {name: value for name, value in record.items() if value != "absent"}
    return {"key": f"clients/{api_key(number)['sha256']}.json", "record": json.dumps(record), "admits": admits}


print(json.dumps({
    "stored": [stored_object(f"acme/{n}.bin", n) for n in [0, 1, 15, 16, 17, 1000]],
    "data": DATA,
    "digests": [d for n, c in enumerate(CIPHERS) for d in digests(c, UserKey(n, version=n + 1))],
    "selections":
        [selection(UserKey(n, client="b-2"), CIPHERS, SALT_LENGTHS) for n in range(24)]
        + [selection(UserKey(n), CIPHERS[:2:-1], [32, 16, 8]) for n in range(12)]
        + [selection(UserKey(n, version=2**32 - 1), ["sha512"], [64]) for n in range(2)],
    "choices": [rejection([2**32 - 1, 2**32 - 6, 0, 2**32 - 7, 429496728, 429496729], 10),
                rejection([2**32 - 1, 2**32 - 4, 2**32 - 5, 69273665, 69273666], 62)],
    "values": [value(UserKey(n, version=v), data, context) for n, v, data, context in [
        (0, 1, "", ""), (1, 7, "ada@example.org", "email"),
        (2, 2**32 - 1, "Zoë ✓" * 20, "Grüße"), (3, 1, "x", "c" * 1024)]],
    "records": [record("acme", 0, [1], 1), record("b-2", 1, range(7, 11), 10),
                record("acme", 2, range(1, 101), 120)],
    "tombstones": [tombstone("acme", 3, 1), tombstone("b-2", 4, 2**32 - 1)],
    "session_files": [session_file(bytes(range(n))) for n in [0, 1, 16, 100]],
    "upload_tokens": [
        upload_token("film.mp4", "VXBsb2FkIElE.x_y-z", 20_000_000),
        upload_token("Grüße ✓.txt", "!" * 1024, 0, 5_000_000_000),
        upload_token("a", "~", 2**36 - 32, 2**32)],
    "api_keys": [api_key(n) for n in range(4)],
    "client_records": [
        client_record(0), client_record(1, expires_at=None, note="", scopes=[], client="b-2"),
        client_record(2, note="Zoë ✓", created="2026-11-21T10:30:00+01:00"),
        client_record(3, False, disabled=True), client_record(3, False, format="caas-client:v2"),
        client_record(3, False, scopes=["files:all"]), client_record(3, False, scope="files:read"),
        client_record(3, False, expires_at="absent"), client_record(3, False, client="Acme"),
        client_record(3, False, created=1795253400), client_record(3, False, note="x" * 1025)],
}, indent=1))
