"""What a caller sees of a deployed stack, route by route, and what happens to a file in the inbox."""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import uuid
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import quote

import requests
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from ministack import ROOT, STACK, URL, attempts

PUBLIC = pathlib.Path(__file__).resolve().parents[2] / "web" / "public"
CLIENT = "acme"
API_KEY = "caas_" + "k" * 43 + "3bNw0e"  # and its checksum
HEADERS = {"x-api-key": API_KEY}
# Must not appear in any log.
CANARY = "canary"


def call(stack, method, path, status, headers=HEADERS, **rest):
    response = requests.request(method, stack.url + path, headers=headers, timeout=120, **rest)
    assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:300]}"
    assert response.headers["cache-control"] == "no-store", f"{method} {path} may be cached"
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json", f"{method} {path}"
        problem = response.json()
        assert problem["status"] == status and problem["type"].startswith("/problems/"), problem
        assert problem["instance"] == response.headers["x-request-id"], problem
    return response


def front_door(stack):
    assert call(stack, "GET", "/health", 200).json()["limits"]["max_body_bytes"] == 4_500_000
    api = call(stack, "GET", "/openapi.json", 200).json()
    assert "/api/files" in api["paths"]
    assert {} not in api["paths"]["/encrypt_file"]["post"]["security"], "public by mistake"
    call(stack, "GET", "/", 200)


def page(stack):
    """What a browser loads at first, and where the page may send requests."""
    html = requests.get(stack.url + "/", headers={"accept": "text/html"}, timeout=60)
    assert html.headers["content-type"] == "text/html; charset=utf-8", html.headers
    policy = html.headers["content-security-policy"]
    for bucket in ["Vault", "Inbox"]:
        assert f" https://{stack.names[bucket]}.s3." in policy, policy
    links = re.findall(r'(?:src|href)="/Prod/([0-9a-f]+)/([^"]+)"', html.text)
    (version,) = {version for version, _ in links}
    names = {name for _, name in links} | {"wasm/caas_wasm_bg.wasm"}
    assert "page/main.mjs" in names, names
    for name in names:
        file = requests.get(f"{stack.url}/{version}/{name}", timeout=60)
        assert (file.status_code, file.content == (PUBLIC / name).read_bytes()) == (200, True), name


def nobody_gets_in(stack):
    """Of a stack without an API key."""
    for method, path in [("POST", "/encrypt_file"), ("GET", "/api/files"), ("GET", f"/users/{uuid.uuid4()}")]:
        call(stack, method, path, 401, headers={"x-api-key": "wrong"})


def problems(stack):
    call(stack, "GET", "/nothing/here", 404)
    call(stack, "GET", "/api/nothing", 404)
    call(stack, "GET", "/users/nobody", 400)
    call(stack, "GET", "/encrypt", 405)
    call(stack, "POST", "/encrypt", 400, data=b"{", headers={"content-type": "application/json"})
    call(stack, "POST", "/encrypt", 415, data=b"{}", headers={"content-type": "text/plain"})
    call(stack, "POST", "/api/upload/", 413, files={"file": bytes(4_600_000)})
    call(stack, "POST", "/api/upload/", 400, data=b"--x", headers={
        **HEADERS, "content-type": "multipart/form-data; boundary=x",
    })
    # Without a key, with a wrong one, with a truncated one: the same response.
    for headers in [{}, {"x-api-key": "wrong"}, {"x-api-key": API_KEY[:-1]}]:
        for method, path in [
            ("POST", "/encrypt_file"), ("POST", "/decrypt_file"), ("POST", "/api/upload/"),
            ("GET", "/api/files"), ("GET", "/api/files/YQ"), ("DELETE", "/api/files/YQ"),
            ("GET", f"/users/{uuid.uuid4()}"), ("DELETE", f"/users/{uuid.uuid4()}"),
        ]:
            call(stack, method, path, 401, headers=headers, **(
                {"files": {"file": b"x"}} if method == "POST" else {}
            ))
    body = {"apiKey": "wrong", "userUUID": str(uuid.uuid4()), "sensitiveData": CANARY}
    for path in ["/encrypt", "/verify", "/decrypt"]:
        call(stack, "POST", path, 401, headers={}, json=body)


def clients(stack):
    """A key of the registry, in each function: with its scope, without it, revoked; made as an operator makes it."""
    for path, scope, rest in [
        ("/encrypt_file", "sessions", {"files": {"file": b"x"}}),
        ("/api/upload/", "files:write", {"files": {"file": b"x"}}),
        ("/encrypt", "values:encrypt", {"json": {"userUUID": str(uuid.uuid4()), "sensitiveData": "x"}}),
    ]:
        def status(key):
            return requests.post(stack.url + path, headers={"x-api-key": key}, timeout=120, **rest).status_code

        allowed, other, revoked = (keys("new", CLIENT, "--scope", s).strip() for s in (scope, "users:admin", scope))
        keys("revoke", "-", standard_input=revoked)
        statuses = status(allowed), status(other), status(revoked)
        assert statuses in [(200, 403, 401), (201, 403, 401)], f"{path}: {statuses}"


def keys(*arguments, standard_input=""):
    """What `caas keys` prints."""
    command = [os.environ["CAAS"], "keys", "--stack", STACK, *arguments]
    environment = {**os.environ, **ROOT, "AWS_ENDPOINT_URL": URL}
    done = subprocess.run(command, input=standard_input, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def doctor(stack):
    """That `caas doctor` reads the settings. Nobody subscribes to the alarms yet, and the emulator is at another URL than
    API Gateway, returns neither the buckets' policies nor what TLS the API accepts, and cuts some responses."""
    command = [os.environ["CAAS"], "--json", "doctor", "--stack", STACK, stack.url]
    connection = {"CAAS_URL": stack.url, "CAAS_API_KEY": API_KEY}
    environment = {**os.environ, **ROOT, **connection, "AWS_ENDPOINT_URL": URL}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    steps = {step["step"]: step["outcome"] for step in map(json.loads, done.stdout.splitlines())}
    good = ["stack", "UserKeyArn"]
    assert [step for step in good if steps.get(step) != "ok"] == [], done.stdout + done.stderr
    bad = ["URL of the stack", "API endpoint", "AlarmTopic"]
    assert [step for step in bad if steps.get(step) != "failed"] == [], done.stdout + done.stderr


def encrypt_file(stack):
    content = bytes(range(256)) * 4096
    response = call(stack, "POST", "/encrypt_file", 200, files={"file": (CANARY + ".bin", content)})
    key = response.headers["Encryption-Key"]
    nonce, ciphertext = response.content[:12], response.content[12:]
    assert AESGCM(urlsafe_b64decode(key + "=")).decrypt(nonce, ciphertext, None) == content
    assert f'"{CANARY}.bin.enc"' in response.headers["Content-Disposition"]
    files = {"file": (CANARY + ".bin.enc", response.content)}
    opened = call(stack, "POST", "/decrypt_file", 200, files=files, data={"key": key})
    assert opened.content == content
    changed = {"file": response.content[:-1] + bytes([response.content[-1] ^ 1])}
    call(stack, "POST", "/decrypt_file", 422, files=changed, data={"key": key})


def encrypt_data(stack):
    user = str(uuid.uuid4())
    body = {"apiKey": API_KEY, "userUUID": user}

    def ask(path, **fields):
        return call(stack, "POST", path, 200, headers={}, json={**body, **fields}).json()

    call(stack, "GET", f"/users/{user}", 404)
    digest = ask("/encrypt", sensitiveData=CANARY)["encrypted_data"]
    bytes.fromhex(digest)
    assert ask("/encrypt", sensitiveData=CANARY)["encrypted_data"] == digest
    assert ask("/verify", sensitiveData=CANARY, encryptedData=digest)["valid"] is True
    assert ask("/verify", sensitiveData="another", encryptedData=digest)["valid"] is False

    value = ask("/encrypt", sensitiveData=CANARY, cipher="aes-256-gcm")["encrypted_data"]
    assert ask("/decrypt", encryptedData=value) == {"sensitive_data": CANARY}
    call(stack, "POST", "/decrypt", 422, headers={}, json={**body, "encryptedData": digest})

    assert call(stack, "POST", f"/users/{user}/rotate", 200).json() == {"version": 2}
    assert ask("/encrypt", sensitiveData=CANARY)["encrypted_data"] != digest
    assert ask("/verify", sensitiveData=CANARY, encryptedData=digest)["valid"] is True
    assert ask("/decrypt", encryptedData=value) == {"sensitive_data": CANARY}
    versions = call(stack, "GET", f"/users/{user}", 200).json()["versions"]
    assert [version["version"] for version in versions] == [1, 2]

    receipt = call(stack, "DELETE", f"/users/{user}", 200).json()
    assert receipt["versions_removed"] == 2, receipt
    again = call(stack, "DELETE", f"/users/{user}", 200).json()
    assert (again["versions_removed"], again["subject"]) == (0, receipt["subject"]), again
    call(stack, "POST", "/decrypt", 422, headers={}, json={**body, "encryptedData": value})
    assert ask("/verify", sensitiveData=CANARY, encryptedData=digest)["valid"] is False
    listed = versions_in(stack, "UserKeys", f"{CLIENT}/{user}.json")
    assert len(listed) == 1, "older records of an erased user remain"


def upload_file(stack):
    content = os.urandom(1_000_000)
    name = CANARY + " +ä.bin"
    response = call(stack, "POST", "/api/upload/", 201, files={"file": (name, content)})
    assert response.json()["message"] == "File uploaded and encrypted successfully."
    file = response.json()["file"]
    assert (file["name"], file["size"]) == (name, len(content))
    key = f"{CLIENT}/" + urlsafe_b64decode(file["id"] + "==").decode()
    stored = stack.aws("s3").get_object(Bucket=stack.names["Vault"], Key=key)["Body"].read()
    assert len(stored) == len(content) + 16 and content[:64] not in stored

    path = f"/api/files/{file['id']}"
    opened = call(stack, "GET", path, 200)
    assert opened.content == content
    assert call(stack, "HEAD", path, 200).headers["caas-size"] == str(len(content))
    if_none_match = {**HEADERS, "if-none-match": opened.headers["etag"]}
    call(stack, "GET", path, 304, headers=if_none_match)
    listed = call(stack, "GET", "/api/files?limit=1000", 200).json()["files"]
    assert file["id"] in [f["id"] for f in listed]
    once = {**HEADERS, "idempotency-key": str(uuid.uuid4())}
    first = call(stack, "POST", "/api/upload/", 201, headers=once, files={"file": b"1"})
    again = call(stack, "POST", "/api/upload/", 201, headers=once, files={"file": b"1"})
    assert again.json()["file"]["id"] == first.json()["file"]["id"]

    call(stack, "DELETE", path, 204)
    call(stack, "GET", path, 404)
    assert len(versions_in(stack, "Vault", key)) == 2, "a deleted file cannot be recovered"
    receipt = call(stack, "DELETE", path + "?purge=true", 200).json()
    assert receipt["subject"] == hashlib.sha256(key.encode()).hexdigest(), receipt
    assert receipt["versions_removed"] == 1, receipt
    assert not versions_in(stack, "Vault", key), "a purged file remains"
    call(stack, "DELETE", path, 404)

    # Deleted before it is sealed: sealing takes longer than the request.
    key = f"{CLIENT}/{uuid.uuid4()}"
    stack.aws("s3").put_object(Bucket=stack.names["Inbox"], Key=key, Body=bytes(20_000_000))
    call(stack, "DELETE", "/api/files/" + file_id(key), 204)
    wait_until_gone(stack, "/api/files/" + file_id(key))


def wait_until_gone(stack, path):
    """Waits. A file that was being sealed when it was deleted stays visible for a moment."""
    for _ in attempts(180):
        if requests.head(stack.url + path, headers=HEADERS, timeout=120).status_code == 404:
            return
    raise AssertionError("a deleted file came back")


def presigned(stack):
    content = os.urandom(5_000_000)
    begin = {"name": CANARY + ".mp4", "size": len(content), "content_type": "video/mp4"}
    upload = call(stack, "POST", "/api/uploads", 201, json={**begin, "mode": "client"}).json()
    sealed = aes_gcm(upload["encryption"], "encrypt", content)
    send(upload, sealed, 200)
    send(upload, sealed, 412)
    grant = call(stack, "POST", f"/api/files/{upload['id']}/grant", 200).json()
    assert (grant["size"], grant["content_type"]) == (len(content), "video/mp4")
    fetched = requests.get(grant["url"], timeout=120)
    assert fetched.status_code == 200, fetched.text
    assert aes_gcm(grant["encryption"], "decrypt", fetched.content) == content

    upload = call(stack, "POST", "/api/uploads", 201, json={**begin, "mode": "inbox"}).json()
    send(upload, content, 200)
    wait_until_sealed(stack, f"{CLIENT}/" + urlsafe_b64decode(upload["id"] + "==").decode())
    head = call(stack, "HEAD", "/api/files/" + upload["id"], 200)
    assert head.headers["caas-size"] == str(len(content))


def in_parts(stack):
    """An upload in two parts, sent in reverse, and uploads that end before that."""
    part_size = 8 << 20
    content = os.urandom(part_size + 1000)
    begin = {"name": CANARY + ".mp4", "size": len(content), "mode": "client", "part_size": part_size}

    def begun():
        upload = call(stack, "POST", "/api/uploads", 201, json=begin).json()
        assert upload["parts"] == {"part_size": part_size, "count": 2}
        return upload

    def ask(route, status, upload, **fields):
        body = {"upload": upload["upload"], **fields}
        return call(stack, "POST", f"/api/uploads/{route}", status, json=body)

    upload = begun()
    sealed = aes_gcm(upload["encryption"], "encrypt", content)
    etags = {}
    for part in reversed(ask("parts", 200, upload, **{"from": 1, "count": 2}).json()["parts"]):
        first = (part["number"] - 1) * part_size
        response = send(part, sealed[first:first + part_size], 200)
        etags[part["number"]] = response.headers["etag"]
    resumed = ask("parts", 200, upload, **{"from": 1, "count": 2}, resume=True).json()
    assert [held["number"] for held in resumed["held"]] == [1, 2], resumed["held"]
    assert resumed["encryption"] == upload["encryption"]
    call(stack, "GET", "/api/files/" + upload["id"], 404)
    named = [{"number": number, "etag": etags[number]} for number in (1, 2)]
    for _ in range(2):
        assert ask("complete", 200, upload, parts=named).json()["size"] == len(content)
    grant = call(stack, "POST", f"/api/files/{upload['id']}/grant", 200).json()
    fetched = requests.get(grant["url"], timeout=120)
    assert aes_gcm(grant["encryption"], "decrypt", fetched.content) == content
    ask("parts", 404, upload, **{"from": 1, "count": 1}, resume=True)

    aborted, deleted = begun(), begun()
    ask("abort", 204, aborted)
    call(stack, "DELETE", "/api/files/" + deleted["id"], 204)
    for ended in (aborted, deleted):
        ask("complete", 404, ended, parts=named)


def send(upload, body, status):
    response = requests.request(
        upload["method"], upload["url"], headers=upload["headers"], data=body, timeout=120
    )
    assert response.status_code == status, f"{response.status_code} {response.text}"
    return response


def aes_gcm(encryption, direction, content):
    key, iv, aad = (b64decode(encryption[name]) for name in ("key", "iv", "aad"))
    return getattr(AESGCM(key), direction)(iv, content, aad)


def seal_object(stack):
    # The second is sealed in parts.
    for size in [100_000, 9_000_000]:
        content = os.urandom(size)
        key = f"{CLIENT}/reports/2026/{CANARY} a+b {uuid.uuid4()}.pdf"
        drop(stack, key, content, ContentType="application/pdf")
        path = "/api/files/" + file_id(key)
        head = call(stack, "HEAD", path, 200)
        assert head.headers["caas-size"] == str(size)
        assert head.headers["content-type"] == "application/pdf"
        if size < 4_500_000:
            assert call(stack, "GET", path, 200).content == content
        stored = stack.aws("s3").get_object(Bucket=stack.names["Vault"], Key=key)["Body"].read()
        assert len(stored) == size + 16 and content[:64] not in stored

    # Again under the same key: the newer one counts.
    key = f"{CLIENT}/{uuid.uuid4()}"
    for content in [b"one", b"two"]:
        drop(stack, key, content)
        assert call(stack, "GET", "/api/files/" + file_id(key), 200).content == content

    # A file without a client stays in the inbox and raises the alarm.
    key = CANARY + str(uuid.uuid4())
    stack.aws("s3").put_object(Bucket=stack.names["Inbox"], Key=key, Body=b"whose?")
    assert any(quote(key) in letter for letter in wait_for_dead_letters(stack))
    assert versions_in(stack, "Inbox", key)
    (version,) = versions_in(stack, "Inbox", key)
    stack.aws("s3").delete_object(Bucket=stack.names["Inbox"], Key=key, VersionId=version)

    # The sweep finds what no event announced.
    report = sweep(stack)
    assert report["failed"] == 0, report


def drop(stack, key, content, **rest):
    """Drops a file in the inbox and waits until it is sealed."""
    stack.aws("s3").put_object(Bucket=stack.names["Inbox"], Key=key, Body=content, **rest)
    wait_until_sealed(stack, key)


def wait_until_sealed(stack, key):
    for _ in attempts(180):
        if not versions_in(stack, "Inbox", key):
            return
        if letters := dead_letters(stack):
            raise AssertionError(f"not sealed: {letters[0][:300]}")
    raise AssertionError("a dropped file is not sealed")


def sweep(stack):
    response = stack.aws("lambda").invoke(FunctionName=stack.names["SealObject"], Payload=b'{"sweep": true}')
    payload = response["Payload"].read()
    assert "FunctionError" not in response, payload
    return json.loads(payload)


def file_id(key):
    path = key.removeprefix(CLIENT + "/")
    return urlsafe_b64encode(path.encode()).decode().rstrip("=")


def versions_in(stack, bucket, key):
    listed = stack.aws("s3").list_object_versions(Bucket=stack.names[bucket], Prefix=key)
    found = listed.get("Versions", []) + listed.get("DeleteMarkers", [])
    return [version["VersionId"] for version in found if version["Key"] == key]


def dead_letters(stack):
    """The events that failed three times; each is returned once."""
    queue = {"QueueUrl": stack.names["DeadLetters"]}
    letters = stack.aws("sqs").receive_message(**queue, MaxNumberOfMessages=10).get("Messages", [])
    for letter in letters:
        stack.aws("sqs").delete_message(**queue, ReceiptHandle=letter["ReceiptHandle"])
    return [letter["Body"] for letter in letters]


def wait_for_dead_letters(stack):
    for _ in attempts(180):
        if letters := dead_letters(stack):
            return letters
    raise AssertionError("an event that failed three times is not in the queue")


def logs(stack):
    """Checks that every function logs, and that no log contains anything that was sent."""
    for function in ["EncryptFile", "UploadFile", "EncryptData", "SealObject"]:
        lines = stack.logged(function)
        text = "\n".join(lines)
        wanted = '"oldest_seconds":' if function == "SealObject" else '"status":'
        assert wanted in text, f"{function} logs nothing: {text[-500:]}"
        for secret in [CANARY, API_KEY, quote(CANARY + " a"), "reports"]:
            assert secret not in text, f"{function} logs {secret!r}"
        seen = {}
        for line in lines:
            if '"audit":"' not in line:
                continue
            record = json.loads(line[line.index("{"):])
            seen.setdefault(record["process"], []).append(record["seq"])
            metrics = record.get("_aws", {}).get("CloudWatchMetrics", [])
            assert len(metrics) == (record["audit"] == "outcome"), record
            assert all(metric["Namespace"].startswith("CaaS/") for metric in metrics), record
        assert seen, f"{function} has no audit trail"
        for numbers in seen.values():
            assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"{function}'s audit trail has gaps: {numbers}"


def alarms(stack):
    """Checks that alarms, and what endangers a key, reach a subscriber, and other keys' administration does not."""
    may_send = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    queue = stack.aws("sqs").create_queue(QueueName="subscriber", Attributes={"Policy": policy})["QueueUrl"]
    of = {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}
    arn = stack.aws("sqs").get_queue_attributes(**of)["Attributes"]["QueueArn"]
    topic = stack.outputs["AlarmTopic"]
    subscription = stack.aws("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}, ReturnSubscriptionArn=True
    )["SubscriptionArn"]

    def told():
        for _ in attempts(180):
            for message in stack.aws("sqs").receive_message(QueueUrl=queue).get("Messages", []):
                stack.aws("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                return message["Body"]
        raise AssertionError("nobody is told")

    alarm = stack.names["ServerErrorsAlarm"]
    stack.aws("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    assert alarm in told()
    events, rule = stack.aws("events"), stack.names["KmsAdministration"]
    pattern = json.loads(events.describe_rule(Name=rule)["EventPattern"])
    file_key, user_key = stack.outputs["FileKeyArn"], stack.outputs["UserKeyArn"]
    for operation, key, matches in [
        ("DisableKey", file_key, True), ("ScheduleKeyDeletion", user_key, True), ("PutKeyPolicy", user_key, True),
        ("CreateGrant", file_key, True), ("GetKeyPolicy", file_key, False), ("DisableKey", file_key + "0", False),
    ]:
        event = {
            "id": "1", "account": "000000000000", "source": "aws.kms", "time": "2026-01-01T00:00:00Z",
            "region": "us-east-1", "resources": [], "detail-type": "AWS API Call via CloudTrail",
            "detail": administration(operation, key),
        }
        result = events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"]
        assert result == matches, f"{operation} of {key}: {result}"
    # Nobody but AWS can send an event of `aws.kms`.
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern | {"source": ["test"]}))
    detail = json.dumps(administration("DisableKey", file_key))
    events.put_events(Entries=[{"Source": "test", "DetailType": pattern["detail-type"][0], "Detail": detail}])
    message = told()
    assert f"role/somebody requested DisableKey for {file_key} at 2026-01-01T00:00:00Z." in message, message
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    stack.aws("sns").unsubscribe(SubscriptionArn=subscription)


def administration(operation, key):
    """What CloudTrail reports."""
    return {
        "eventSource": "kms.amazonaws.com", "eventName": operation, "eventTime": "2026-01-01T00:00:00Z",
        "userIdentity": {"arn": "arn:aws:iam::000000000000:role/somebody"}, "requestParameters": {"keyId": key},
        "resources": [{"ARN": key}],
    }
