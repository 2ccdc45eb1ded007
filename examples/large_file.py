"""Uploads a file of any size encrypted, and downloads it again: large_file.py FILE COPY"""
import base64, json, os, sys
from urllib.request import Request, urlopen
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

def caas(path, **fields):
    headers = {"x-api-key": os.environ["CAAS_API_KEY"], "content-type": "application/json"}
    return json.load(urlopen(Request(os.environ["CAAS_URL"] + path, json.dumps(fields).encode(), headers)))

def start(encryption, direction):
    key, iv, aad = (base64.b64decode(encryption[name]) for name in ("key", "iv", "aad"))
    gcm = getattr(Cipher(algorithms.AES(key), modes.GCM(iv)), direction)()
    gcm.authenticate_additional_data(aad)
    return gcm

def sealed(file, gcm):
    yield from map(gcm.update, iter(lambda: file.read(1 << 20), b""))
    yield gcm.finalize() + gcm.tag

name, copy = sys.argv[1:]
upload = caas("/api/uploads", name=name, size=os.path.getsize(name), mode="client")
with open(name, "rb") as file:
    body = sealed(file, start(upload["encryption"], "encryptor"))
    urlopen(Request(upload["url"], body, upload["headers"], method=upload["method"])).close()
grant = caas(f"/api/files/{upload['id']}/grant")
gcm = start(grant["encryption"], "decryptor")
with urlopen(grant["url"]) as body, open(copy + ".part", "wb") as part:
    while chunk := body.read(min(1 << 20, grant["size"] - part.tell())): part.write(gcm.update(chunk))
    gcm.finalize_with_tag(body.read())  # raises unless every byte is what was uploaded
os.replace(copy + ".part", copy)
