"""Uploads a file of any size encrypted, and downloads it again: large_file.py FILE COPY

After Ctrl-C the same command goes on. FILE.journal holds what an upload in parts needs for that, and no key;
COPY.part holds the ciphertext that has arrived.
"""
import base64, collections, fcntl, hashlib, http.client, json, os, sys
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PART_SIZE, CONNECTIONS, ATTEMPTS = 8 << 20, 4, 5

class Over(Exception):
    """The key of this upload must not encrypt again, or the upload is gone."""

def caas(path, **fields):
    headers = {"x-api-key": os.environ["CAAS_API_KEY"], "content-type": "application/json"}
    return json.load(urlopen(Request(os.environ["CAAS_URL"] + path, json.dumps(fields).encode(), headers)))

def start(encryption, direction):
    key, iv, aad = (base64.b64decode(encryption[name]) for name in ("key", "iv", "aad"))
    gcm = getattr(Cipher(algorithms.AES(key), modes.GCM(iv)), direction)()
    gcm.authenticate_additional_data(aad)
    return gcm

def private(path, flags):
    file = os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two processes could encrypt different bytes
    return file

def stamp_of(file):
    status = os.stat(file.fileno())
    return [status.st_size, status.st_mtime_ns]

def sealed(file, gcm):
    before = stamp_of(file)
    yield from map(gcm.update, iter(lambda: file.read(1 << 20), b""))
    if [file.tell(), before[1]] != before or stamp_of(file) != before:
        raise Over("the file changed")
    yield gcm.finalize() + gcm.tag

def parts_of(chunks, part_size):
    part = bytearray()
    for chunk in chunks:
        part += chunk
        while len(part) >= part_size:
            yield bytes(part[:part_size])
            del part[:part_size]
    if part:
        yield bytes(part)

def upload_in_one(file, name):
    begun = caas("/api/uploads", name=name, size=stamp_of(file)[0], mode="client")
    body = sealed(file, start(begun["encryption"], "encryptor"))
    urlopen(Request(begun["url"], body, begun["headers"], method=begun["method"])).close()
    return begun["id"]

class Journal:
    """A line of JSON for the upload, for each digest and for each ETag. If one is unreadable, none counts."""
    def __init__(self, path):
        self.file = open(private(path, os.O_APPEND), "r+")

    def read(self):
        begun, *records = map(json.loads, self.file)
        digests = {record["part"]: record["sha256"] for record in records if "sha256" in record}
        return begun, digests, {record["part"]: record["etag"] for record in records if "etag" in record}

    def record(self, **fields):
        self.file.write(json.dumps(fields) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

def begin(file, name, journal):
    journal.file.truncate(0)
    size = stamp_of(file)[0]
    response = caas("/api/uploads", name=name, size=size, mode="client", part_size=PART_SIZE)
    encryption = response.pop("encryption")
    begun = {"stamp": stamp_of(file), "upload": response["upload"], **response["parts"]}
    journal.record(**begun)
    return begun, {}, {}, encryption

def resume(file, journal):
    try:
        begun, digests, etags = journal.read()
        if begun["stamp"] != stamp_of(file):
            raise Over("the file changed")
        asked = [
            caas("/api/uploads/parts", upload=begun["upload"], resume=first == 1, count=min(100, begun["count"] + 1 - first),
                 **{"from": first})
            for first in range(1, begun["count"] + 1, 100)
        ]
    except HTTPError as error:
        if error.code != 404 or len(etags) < begun["count"]:
            raise
        return begun, digests, etags, None  # perhaps it is complete
    except (ValueError, KeyError, TypeError) as error:
        raise Over("the journal is empty or damaged") from error
    if any(held["number"] not in digests for part in asked for held in part["held"]):
        raise Over("the journal has lost a part")
    return begun, digests, etags, asked[0]["encryption"]

def send(upload, number, body):
    for attempt in range(ATTEMPTS):
        try:
            part = caas("/api/uploads/parts", upload=upload, count=1, **{"from": number})["parts"][0]
            with urlopen(Request(part["url"], body, part["headers"], method=part["method"])) as response:
                return response.headers["etag"]
        except (OSError, http.client.HTTPException):
            if attempt == ATTEMPTS - 1:
                raise

def send_all(file, journal, begun, digests, etags, encryption):
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        sending = collections.deque()
        def finish():
            number, sent = sending.popleft()
            etags[number] = sent.result()
            journal.record(part=number, etag=etags[number])
        parts = parts_of(sealed(file, start(encryption, "encryptor")), begun["part_size"]) if encryption else ()
        for number, part in enumerate(parts, 1):
            digest = hashlib.sha256(part).hexdigest()
            if number not in digests:
                journal.record(part=number, sha256=digest)  # durably, before a byte of it leaves
            elif digests[number] != digest:
                raise Over("the file changed")  # other bytes under one key give away both
            if number in etags:
                continue
            if len(sending) == CONNECTIONS:
                finish()
            sending.append((number, pool.submit(send, begun["upload"], number, part)))
        while sending:
            finish()
    parts = [{"number": number, "etag": etags[number]} for number in sorted(etags)]
    return caas("/api/uploads/complete", upload=begun["upload"], parts=parts)["id"]

def upload_in_parts(file, name, journal):
    try:
        return send_all(file, journal, *resume(file, journal))
    except Over as reason:
        print(f"begins anew: {reason}", file=sys.stderr)
    except HTTPError as error:
        if error.code not in (400, 404, 409, 422):
            raise
    file.seek(0)
    return send_all(file, journal, *begin(file, name, journal))

def download(id, copy):
    grant = caas(f"/api/files/{id}/grant")
    header = (json.dumps([id, grant["etag"]]) + "\n").encode()
    with open(private(copy + ".part", 0), "r+b") as part:
        if part.readline() not in (b"", header):
            sys.exit(f"{copy}.part belongs to another version: remove it")
        if not part.seek(0, os.SEEK_END):
            part.write(header)
        for attempt in range(ATTEMPTS):
            have = part.tell() - len(header)
            if have >= grant["size"] + 16:
                break
            try:
                with urlopen(Request(grant["url"], headers={"range": f"bytes={have}-"})) as body:
                    while chunk := body.read(1 << 20): part.write(chunk)
            except (OSError, http.client.HTTPException):
                if attempt == ATTEMPTS - 1:
                    raise
                grant = caas(f"/api/files/{id}/grant")
                if header != (json.dumps([id, grant["etag"]]) + "\n").encode():
                    sys.exit("the file was replaced while it was downloaded")
        part.seek(len(header))
        gcm, left = start(grant["encryption"], "decryptor"), grant["size"]
        with open(private(copy + ".part.open", os.O_TRUNC), "wb") as plain:
            while chunk := part.read(min(1 << 20, left)):
                left -= plain.write(gcm.update(chunk))
            try:
                gcm.finalize_with_tag(part.read())  # raises unless every byte is what was uploaded
            except (InvalidTag, ValueError):
                os.remove(copy + ".part")
                os.remove(copy + ".part.open")
                raise
    os.replace(copy + ".part.open", copy)
    os.remove(copy + ".part")

name, copy = sys.argv[1:]
with open(name, "rb") as file:
    if stamp_of(file)[0] <= 64 << 20:
        download(upload_in_one(file, name), copy)
    else:
        journal = Journal(name + ".journal")
        download(upload_in_parts(file, name, journal), copy)
        os.remove(name + ".journal")
