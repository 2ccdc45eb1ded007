"""Opens every vector in vectors.json as README.md describes the formats, and checks that damaged ones are refused.

Needs Python 3.9 or later with the packages cryptography and blake3. Exits with 1 if anything disagrees."""

import base64
import hashlib
import hmac
import json
import re
import struct
import sys
import uuid
import zlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHERS = {1: "blake2b-512", 2: "blake2s-256", 3: "blake3", 4: "md5", 5: "ripemd160",
           6: "sha1", 7: "sha224", 8: "sha256", 9: "sha384", 10: "sha512"}
SALT_LENGTHS = (8, 16, 32, 64)
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE, RECORD, UPLOAD = "caas:v2", "caas-user-key:v2", "caas-upload:v1"


class Disagreement(Exception):
    pass


def agree(what, found, expected):
    if found != expected:
        raise Disagreement(f"{what} is {found!r}, not {expected!r}")


def require(what, condition):
    if not condition:
        raise Disagreement(what)


# Notation

def u32(number):
    return struct.pack(">I", number)


def octets(part):
    return part.encode() if isinstance(part, str) else part


def prefixed(*parts):
    return b"".join(u32(len(octets(part))) + octets(part) for part in parts)


def from_base64(text):
    data = base64.b64decode(text)
    agree("base64", base64.b64encode(data).decode(), text)
    return data


def from_base64url(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    agree("base64url", base64.urlsafe_b64encode(data).rstrip(b"=").decode(), text)
    return data


def hkdf_extract(salt, secret):
    return hmac.digest(salt, secret, "sha512")


def hkdf_expand(prk, info, length):
    output, block = b"", b""
    for counter in range(1, -(-length // 64) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha512")
        output += block
    return output[:length]


def open_xaes(key, nonce, sealed, aad):
    """XAES-256-GCM of C2SP: CMAC of two blocks makes a key for AES-256-GCM, with half of the nonce each."""
    aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    l = int.from_bytes(aes.update(bytes(16)), "big")
    k1 = (l << 1) % 2**128 ^ (0x87 if l >> 127 else 0)
    blocks = (bytes([0, i]) + b"X\x00" + nonce[:12] for i in (1, 2))
    derived = b"".join(aes.update((int.from_bytes(block, "big") ^ k1).to_bytes(16, "big")) for block in blocks)
    return AESGCM(derived).decrypt(nonce[12:], sealed, aad)


# A user's key

class Version(NamedTuple):
    client: str
    user: bytes
    number: int
    key_id: bytes
    secret: bytes
    cipher: str = ""
    salt_length: int = 0
    created_at: int = 0

    def derive(self, purpose, length):
        info = prefixed(VALUE, purpose, self.client, self.user, u32(self.number))
        return hkdf_expand(hkdf_extract(bytes(64), self.secret), info, length)


def version_of(vector):
    return Version(vector["client"], user_of(vector), vector["version"], bytes.fromhex(vector["key_id"]),
                   bytes.fromhex(vector["secret"]), vector.get("cipher", ""), vector.get("salt_length", 0))


def user_of(vector):
    return uuid.UUID(vector["user"]).bytes


def select(stream, pool):
    """Chooses from the pool again and again, until the words are used up."""
    for (word,) in struct.iter_unpack(">I", stream):
        position = word // (2**32 // len(pool))
        if position < len(pool):
            yield pool[position]


def check_selection(vector):
    version = version_of(vector)
    ciphers, lengths = vector["ciphers"].split(","), [int(n) for n in vector["salt_lengths"].split(",")]
    agree("cipher", next(select(version.derive("cipher", 1024), ciphers)), vector["cipher"])
    agree("salt length", next(select(version.derive("salt-length", 1024), lengths)), vector["salt_length"])


def check_choices(vector):
    chosen = select(bytes.fromhex(vector["stream"]), range(vector["count"]))
    agree("positions", list(chosen), vector["positions"])


# Digests

def digest(version, datum):
    characters = select(version.derive("salt", 1024), BASE62)
    message = "".join(next(characters) for _ in range(version.salt_length)).encode() + datum.encode()
    key = version.derive("mac", 64)
    if version.cipher == "blake2b-512":
        return hashlib.blake2b(message, key=key).hexdigest()
    if version.cipher == "blake2s-256":
        return hashlib.blake2s(message, key=key[:32]).hexdigest()
    if version.cipher == "blake3":
        return blake3(message, key=key[:32]).hexdigest()
    return hmac.new(key, message, version.cipher).hexdigest()


def check_digests(vector, data):
    agree("digests", [digest(version_of(vector), datum) for datum in data], vector["digests"])


# Reversible values

def open_value(text, version, context):
    require("prefix of the value", text.startswith(VALUE + ":"))
    content = from_base64url(text[len(VALUE) + 1:])
    user, number, key_id, nonce, sealed = (content[a:b] for a, b in ((0, 16), (16, 20), (20, 28), (28, 52), (52, None)))
    agree("fields", (user, number, key_id), (version.user, u32(version.number), version.key_id))
    aad = prefixed(VALUE, version.client, user, number, key_id, context)
    return open_xaes(version.derive("values", 32), nonce, sealed, aad).decode()


def check_value(vector):
    version, context, text = version_of(vector), vector["context"], vector["value"]
    require("context is too long", len(context.encode()) <= 1024)
    agree("datum", open_value(text, version, context), vector["data"])
    content = from_base64url(text[8:])
    refused(InvalidTag, open_value, "caas:v2:" + base64url(flipped(content, 52)), version, context)
    refused(InvalidTag, open_value, text, version, context + "x")
    refused(InvalidTag, open_value, text, version._replace(client="another"), context)
    refused(Disagreement, open_value, "caas:v1:" + text[8:], version, context)


# User records

def read_record(text, vector, *last):
    fields = json.loads(text)
    agree("fields", list(fields), ["format", "client", "user", "wrapped_key", *last])
    agree("record", text, json.dumps(fields, separators=(",", ":"), ensure_ascii=False))
    agree("head", (fields["format"], fields["client"], fields["user"]), (RECORD, vector["client"], vector["user"]))
    require("user is not in lower case with hyphens", fields["user"] == str(uuid.UUID(fields["user"])))
    require("client", re.fullmatch("[a-z0-9-]{1,32}", fields["client"]))
    require("length of wrapped_key", 1 <= len(from_base64(fields["wrapped_key"])) <= 6144)
    return fields


def open_record(text, vector):
    client, user = vector["client"], user_of(vector)
    body = from_base64(read_record(text, vector, "body")["body"])
    aad = prefixed(RECORD, client, user)
    plaintext = open_xaes(bytes.fromhex(vector["record_key"]), body[:24], body[24:], aad)
    highest, versions = int.from_bytes(plaintext[:4], "big"), []
    for number, key_id, secret, code, salt_length, created_at in struct.iter_unpack(">I8s32sBBQ", plaintext[4:]):
        require(f"cipher code {code}, salt length {salt_length}", code in CIPHERS and salt_length in SALT_LENGTHS)
        versions.append(Version(client, user, number, key_id, secret, CIPHERS[code], salt_length, created_at))
    numbers = [version.number for version in versions]
    require("count of versions", 1 <= len(numbers) <= 100)
    require("order of versions", numbers == sorted(set(numbers)) and 1 <= numbers[0] and numbers[-1] <= highest)
    return highest, versions


def encryption_context(purpose, vector):
    subject = hashlib.sha256(prefixed(vector["client"], user_of(vector))).hexdigest()
    return {"caas:purpose": purpose, "caas:client": vector["client"], "caas:subject": subject}


def check_record(vector):
    highest, versions = open_record(vector["record"], vector)
    agree("highest", highest, vector["highest"])
    agree("versions", [{"version": v.number, "key_id": v.key_id.hex(), "cipher": v.cipher, "salt_length": v.salt_length,
                        "created_at": v.created_at, "digest": digest(v, "datum")} for v in versions],
          vector["versions"])
    agree("encryption context", encryption_context("user-key", vector), vector["encryption_context"])
    body = json.loads(vector["record"])["body"]
    damaged = base64.b64encode(flipped(from_base64(body), 24)).decode()
    refused(InvalidTag, open_record, vector["record"].replace(body, damaged), vector)
    refused(Disagreement, open_record, vector["record"].replace(":", ": ", 1), vector)
    refused(Disagreement, open_record, vector["record"], {**vector, "client": "another"})


def check_tombstone(vector):
    number = read_record(vector["record"], vector, "shredded_up_to")["shredded_up_to"]
    require("shredded_up_to", type(number) is int and 1 <= number < 2**32)
    context = {**encryption_context("tombstone", vector), "caas:shredded-up-to": str(number)}
    agree("encryption context", context, vector["encryption_context"])
    refused(Disagreement, open_record, vector["record"], vector)


# Stored objects

def open_object(vector):
    metadata, suite = vector["metadata"], b"\x00\x73"
    agree("metadata", sorted(metadata), ["x-amz-3", "x-amz-c", "x-amz-d", "x-amz-i", "x-amz-t", "x-amz-w"])
    agree("algorithms", (metadata["x-amz-c"], metadata["x-amz-w"]), ("115", "12"))
    subject = hashlib.sha256(vector["object_key"].encode()).hexdigest()
    agree("encryption context", json.loads(metadata["x-amz-t"]), {"aws:x-amz-cek-alg": "115", "caas:object": subject})
    data_key, message_id = bytes.fromhex(vector["data_key"]), from_base64(metadata["x-amz-i"])
    require("wrapped data key", from_base64(metadata["x-amz-3"]))
    agree("lengths", (len(data_key), len(message_id)), (32, 28))
    prk = hkdf_extract(message_id, data_key)
    agree("commitment", hkdf_expand(prk, suite + b"COMMITKEY", 28), from_base64(metadata["x-amz-d"]))
    content_key = hkdf_expand(prk, suite + b"DERIVEKEY", 32)
    return AESGCM(content_key).decrypt(b"\x01" * 12, bytes.fromhex(vector["body"]), suite)


def check_object(vector):
    agree("plaintext", open_object(vector).hex(), vector["plaintext"])
    refused(InvalidTag, open_object, {**vector, "body": flipped(bytes.fromhex(vector["body"]), 0).hex()})
    refused(Disagreement, open_object, {**vector, "data_key": flipped(bytes.fromhex(vector["data_key"]), 0).hex()})
    refused(Disagreement, open_object, {**vector, "object_key": vector["object_key"] + "x"})


# Session files

def open_session_file(key, file):
    agree("length of the key", len(key), 43)
    return AESGCM(from_base64url(key)).decrypt(file[:12], file[12:], None)


def check_session_file(vector):
    file = bytes.fromhex(vector["file"])
    agree("plaintext", open_session_file(vector["key"], file).hex(), vector["plaintext"])
    refused(InvalidTag, open_session_file, vector["key"], flipped(file, 12))


# Upload tokens

def read_upload_token(text, client):
    require("prefix of the token", text.startswith(UPLOAD + ":"))
    content = from_base64url(text[len(UPLOAD) + 1:])
    size, part_size = struct.unpack(">QQ", content[:16])
    require("size", size <= 2**36 - 32)
    require("part size", 2**23 <= part_size <= 5_000_000_000)
    parts, rest = [], content[16:]
    for _ in range(3):
        require("length of a part", len(rest) >= 4)
        length = int.from_bytes(rest[:4], "big")
        parts.append(rest[4:4 + length])
        require("part", len(parts[-1]) == length)
        rest = rest[4 + length:]
    require("end of the token", not rest)
    key, upload_id, header = parts[0].decode(), parts[1].decode(), parts[2]
    uuid_pattern = "[0-9a-f]{8}-[0-9a-f]{4}-8caa-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    require("object key", re.fullmatch(f"{client}/{uuid_pattern}/[^/]+", key))
    require("upload id", re.fullmatch("[!-~]{1,1024}", upload_id))
    require("length of the header", 57 <= len(header) <= 56 + 6144)
    return key, upload_id, size, part_size, header


def check_upload_token(vector):
    key, upload_id, size, part_size, header = read_upload_token(vector["token"], "acme")
    agree("fields", (key, upload_id, size, part_size),
          tuple(vector[field] for field in ("object_key", "upload_id", "size", "part_size")))
    fields = b"".join(from_base64(vector["metadata"][name]) for name in ("x-amz-d", "x-amz-i", "x-amz-3"))
    agree("header", header, fields)
    subject = hashlib.sha256(key.encode()).hexdigest()
    agree("encryption context", json.loads(vector["metadata"]["x-amz-t"])["caas:object"], subject)
    lengths = vector["part_lengths"]
    agree("length of the parts", sum(lengths), size + 16)
    require("lengths of the parts", set(lengths[:-1]) <= {part_size} and 1 <= lengths[-1] <= part_size)
    refused(Disagreement, read_upload_token, vector["token"], "another")
    content = from_base64url(vector["token"][len(UPLOAD) + 1:])
    for place in (0, 8, 16):
        changed = UPLOAD + ":" + base64url(content[:place] + b"\xff" + content[place + 1:])
        refused(Disagreement, read_upload_token, changed, "acme")
    refused(Disagreement, read_upload_token, UPLOAD + ":" + base64url(content + b"x"), "acme")


# API keys

def read_api_key(key):
    text, number = key[:-6], zlib.crc32(key[:-6].encode())
    agree("checksum", key[-6:], "".join(BASE62[number // 62**place % 62] for place in range(5, -1, -1)))
    require("prefix", text.startswith("caas_"))
    agree("length of the random part", len(from_base64url(text[5:])), 32)
    return hashlib.sha256(key.encode()).hexdigest()


def check_api_key(vector):
    key = vector["api_key"]
    agree("length", len(key), 54)
    agree("hash", read_api_key(key), vector["sha256"])
    for place in range(5, 54):
        refused(Disagreement, read_api_key, key[:place] + ("a" if key[place] != "a" else "b") + key[place + 1:])


SCOPES = {"values:encrypt", "values:verify", "values:decrypt", "users:admin", "files:write", "files:read",
          "files:delete", "sessions"}


def reads_client_record(text):
    """Whether the record admits its client, before it expires."""
    def once(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("repeated")
        return dict(pairs)

    try:
        record = json.loads(text, object_pairs_hook=once)
        times = [record.pop("created")] + [time for time in [record.pop("expires_at")] if time is not None]
        for time in times:
            datetime.fromisoformat(time.replace("Z", "+00:00"))
        fields = (record.pop("format"), record.pop("disabled"))
        client, scopes, note = record.pop("client"), record.pop("scopes"), record.pop("note")
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return (fields == ("caas-client:v1", False) and not record and len(text.encode()) <= 4096
            and re.fullmatch("[a-z0-9-]{1,32}", client) is not None and set(scopes) <= SCOPES
            and len(note.encode()) <= 1024)


def check_client_record(vector):
    agree("form of the S3 key", re.fullmatch("clients/[0-9a-f]{64}.json", vector["key"]) is not None, True)
    agree("admits", reads_client_record(vector["record"]), vector["admits"])


# Damage

def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def flipped(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1:]


def refused(error, opens, *arguments):
    try:
        opens(*arguments)
    except error:
        return
    raise Disagreement(f"{opens.__name__} accepts what it should refuse")


def main():
    vectors = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
    data = vectors.pop("data")
    checks = {"stored": check_object, "digests": lambda vector: check_digests(vector, data),
              "selections": check_selection, "choices": check_choices, "values": check_value, "records": check_record,
              "tombstones": check_tombstone, "session_files": check_session_file, "api_keys": check_api_key,
              "client_records": check_client_record, "upload_tokens": check_upload_token}
    if sorted(vectors) != sorted(checks) or not all(vectors.values()):
        sys.exit(f"kinds of vectors: {sorted(vectors)}")
    failures = []
    for kind, check in checks.items():
        for position, vector in enumerate(vectors[kind]):
            try:
                check(vector)
            except Exception as error:
                failures.append(f"{kind}[{position}]: {type(error).__name__}: {error}")
    if failures:
        sys.exit("\n".join(failures))
    print("agree: " + ", ".join(f"{len(vectors[kind])} {kind}" for kind in checks))


if __name__ == "__main__":
    main()
