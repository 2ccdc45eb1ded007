"""Calls every operation through the client that openapi-python-client generated, `caas_client`.

    python client.py openapi.json
"""

import importlib
import inspect
import json
import os
import pathlib
import sys
import uuid
from io import BytesIO

import caas_client
from caas_client import AuthenticatedClient, Client, models
from caas_client.types import File

DOCUMENT = json.loads(pathlib.Path(sys.argv[1]).read_text())
OPERATIONS = {
    operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()
}
URL = DOCUMENT["servers"][0]["url"]
API_KEY = os.environ["CAAS_API_KEY"]
CALLED = set()


def call(operation, status, *arguments, api_key=API_KEY, **rest):
    """Calls an operation, with the API key if the generated function takes a client that has one."""
    package = pathlib.Path(caas_client.__file__).parent
    (module,) = package.glob(f"api/*/{operation}.py")
    name = ".".join(["caas_client", *module.relative_to(package).with_suffix("").parts])
    function = importlib.import_module(name).sync_detailed
    options = {"raise_on_unexpected_status": True, "timeout": 60}
    if inspect.signature(function).parameters["client"].annotation is AuthenticatedClient:
        client = AuthenticatedClient(URL, token=api_key, **options)
    else:
        client = Client(URL, **options)
    response = function(*arguments, client=client, **rest)
    assert response.status_code == status, f"{operation}: {response.status_code} {response.content}"
    CALLED.add(operation)
    return response


def file(content, name="report.txt"):
    return File(payload=BytesIO(content), file_name=name, mime_type="text/plain")


def service():
    assert "running" in call("get_index", 200).parsed
    assert call("get_health", 200).parsed.status == "ok"
    assert call("get_problem", 200, "too-large").parsed.status == 413
    assert call("get_openapi", 200).parsed["openapi"] == DOCUMENT["openapi"]


def users():
    user = uuid.uuid4()
    body = models.EncryptDataBody(user_uuid=user, sensitive_data="a secret")
    digest = call("encrypt_data", 200, body=body).parsed.encrypted_data
    body = models.VerifyDataBody(
        user_uuid=user, sensitive_data=["a secret", "another"], encrypted_data=[digest, digest]
    )
    assert call("verify_data", 200, body=body).parsed.valid == [True, False]
    cipher = models.ReversibleCipher.AES_256_GCM
    body = models.EncryptDataBody(user_uuid=user, sensitive_data="a secret", cipher=cipher)
    value = call("encrypt_data", 200, body=body).parsed.encrypted_data
    assert call("rotate_user", 200, user).parsed.version == 2
    versions = call("get_user", 200, user).parsed.versions
    assert [version.version for version in versions] == [1, 2]
    body = models.DecryptDataBody(user_uuid=user, encrypted_data=value)
    assert call("decrypt_data", 200, body=body).parsed.sensitive_data == "a secret"
    call("delete_user", 200, user)
    problem = call("decrypt_data", 422, body=body).parsed
    assert problem.type_ == "/problems/integrity-failure"


def session_files():
    body = models.EncryptFileBody(file=file(b"my notes"))
    sealed = call("encrypt_file", 200, body=body)
    body = models.DecryptFileBody(
        file=file(sealed.content, "report.txt.enc"), key=sealed.headers["Encryption-Key"]
    )
    assert call("decrypt_file", 200, body=body).parsed.payload.read() == b"my notes"


def stored_files():
    body = models.UploadFileBody(file=file(b"annual report"))
    stored = call("upload_file", 201, body=body, idempotency_key=str(uuid.uuid4())).parsed.file
    assert stored.id in [entry.id for entry in call("list_files", 200, limit=1000).parsed.files]
    found = call("get_file", 200, stored.id)
    assert found.parsed.payload.read() == b"annual report"
    call("head_file", 304, stored.id, if_none_match=found.headers["ETag"])
    assert call("grant_file", 200, stored.id).parsed.size == len(b"annual report")
    call("delete_file", 200, stored.id, purge=True)
    assert call("get_file", 404, stored.id).parsed.type_ == "/problems/not-found"
    for mode in models.UploadMode:
        body = models.BeginUploadBody(name="film.mp4", size=1_000_000, mode=mode)
        assert call("begin_upload", 201, body=body).parsed.method == "PUT"
    mode = models.UploadMode.CLIENT
    body = models.BeginUploadBody(name="film.mp4", size=8_400_000, mode=mode, part_size=8_388_608)
    upload = call("begin_upload", 201, body=body).parsed
    assert upload.parts.count == 2
    body = models.UploadPartsBody(upload=upload.upload, from_=1, count=2, resume=True)
    parts = call("upload_parts", 200, body=body).parsed
    assert [part.method for part in parts.parts] == ["PUT", "PUT"] and parts.held == []
    assert parts.encryption.key == upload.encryption.key
    sent = [models.SentPart(number=number, etag=f'"{"0" * 32}"') for number in (1, 2)]
    body = models.CompleteUploadBody(upload=upload.upload, parts=sent)
    assert call("complete_upload", 409, body=body).parsed.type_ == "/problems/upload-conflict"
    call("abort_upload", 204, body=models.AbortUploadBody(upload=upload.upload))
    assert call("list_files", 401, api_key="wrong").parsed.type_ == "/problems/unauthorized"


for step in [service, users, session_files, stored_files]:
    step()
assert CALLED == OPERATIONS, f"not called: {OPERATIONS - CALLED}"
print(f"openapi-python-client: called {len(CALLED)} operations")
