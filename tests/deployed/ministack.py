"""template.yaml deployed to ministack, which runs the packages as Lambda would and evaluates the roles' policies
for every request (AUTH=true).

This module alone works around what ministack 1.5.33 lacks:

- It does not import methods named `x-amazon-apigateway-any-method`; API Gateway's own API creates them.
- It does not read `*~1*` as the media type `*/*`.
- It discards the gateway responses of an imported API; only tests/template checks them.
- It never satisfies conditions on KMS's encryption context; they are removed from the roles and the keys
  (tests/template checks them).
- It serves plain HTTP only; the buckets' policies, which require TLS 1.2, are removed. So is who may write API keys
  (tests/template checks it).
- The checksum of a multipart upload is always one of the parts' checksums; for CRC-64/NVME, AWS only knows the whole
  object's.
- The roles of two stacks with one name have the same names, in every region: a stack in another region has another name.
- Retries of asynchronous invocations take seconds instead of minutes (with its own option).
"""

import json
import os
import pathlib
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import boto3
import requests
from botocore.exceptions import ClientError

with socket.create_server(("127.0.0.1", 0)) as free:
    PORT = free.getsockname()[1]
URL = f"http://127.0.0.1:{PORT}"
STACK = "caas"
REGION = "us-east-1"
SAM_CONFIG = pathlib.Path(__file__).resolve().parents[2] / "samconfig.toml"
# Its credentials for the account's root. They are not secret.
ROOT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


SERVER = """
import sys
from ministack.app import main
from ministack.services import s3

composite = s3._composite_checksum

def checksum(algorithm, parts):
    if algorithm != "CRC64NVME":
        return composite(algorithm, parts)
    bodies = sys._getframe(1).f_locals["combined_parts"]
    return s3._compute_s3_checksum(algorithm, b"".join(bodies))

s3._composite_checksum = checksum
sys.argv = ["ministack"]
sys.exit(main())
"""


class Ministack:
    """A server that runs until the end of a `with` block."""

    def __init__(self, **variables):
        self.variables = variables

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self.folder.name, "log").open("w+b")
        variables = {
            **os.environ, **ROOT, "AUTH": "true", "AWS_ENDPOINT_URL": URL, "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(PORT), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.05", "TMPDIR": self.folder.name, **self.variables,
        }
        python = pathlib.Path(shutil.which("ministack")).resolve().with_name("python")
        self.process = subprocess.Popen(
            [python, "-c", SERVER], cwd=self.folder.name, env=variables, stdout=self.log, stderr=self.log
        )
        for _ in attempts(180):
            if self.process.poll() is not None:
                sys.exit(self.log_text())
            try:
                if requests.get(f"{URL}/_ministack/health", timeout=5).ok:
                    return self
            except requests.ConnectionError:
                pass
        sys.exit("ministack does not serve")

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(180)
        self.log.close()
        self.folder.cleanup()


def attempts(seconds):
    """Yields for at most so many seconds, for a loop that waits for something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.1)


def aws(service, region=REGION):
    """An AWS client with the credentials of the account's root."""
    return boto3.client(
        service, endpoint_url=URL, region_name=region,
        aws_access_key_id=ROOT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ROOT["AWS_SECRET_ACCESS_KEY"],
    )


def deploy(template, region=REGION, name=STACK, **parameters):
    """Runs `sam deploy` without its questions, then adds what ministack lacks."""
    command = [
        "sam", "deploy", "--template-file", template, "--stack-name", name, "--resolve-s3",
        "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--region", region,
        "--parameter-overrides", *(f"{parameter}={value}" for parameter, value in parameters.items()),
    ]
    environment = {**os.environ, **ROOT, "AWS_ENDPOINT_URL": URL, "AWS_REGION": region}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    stack = Stack(region, name)
    stack.import_methods()
    stack.forget_conditions()
    return stack


def deploy_guided(template):
    """Runs `sam deploy --guided` on a terminal as after `sam build`, and presses Enter at every prompt."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(SAM_CONFIG, folder)
        built = pathlib.Path(folder, ".aws-sam", "build")
        built.parent.mkdir()
        built.symlink_to(pathlib.Path(template).resolve().parent)
        ours, theirs = pty.openpty()
        sam = subprocess.Popen(
            ["sam", "deploy", "--guided"], cwd=folder, start_new_session=True,
            env={**os.environ, **ROOT, "AWS_ENDPOINT_URL": URL, "AWS_REGION": REGION, "COLUMNS": "200"},
            stdin=theirs, stdout=theirs, stderr=theirs,
        )
        os.close(theirs)
        shown, prompts = "", 0
        while piece := read_terminal(ours):
            shown += piece
            if shown.endswith("]: ") or shown.endswith(": ") and "\n" not in piece.strip():
                prompts += 1
                assert prompts < 100, shown
                os.write(ours, b"\n")
        os.close(ours)
    assert sam.wait(60) == 0, shown
    print(f"sam deploy --guided: Enter at {prompts} prompts", flush=True)
    stack = Stack(REGION, STACK)
    stack.import_methods()
    return stack


def read_terminal(terminal):
    """What a program writes to its terminal; empty when it has ended."""
    try:
        return os.read(terminal, 1 << 16).decode(errors="replace")
    except OSError:
        return ""


class Stack:
    """The deployed stack."""

    def __init__(self, region, name):
        self.region, self.name = region, name
        cloudformation = self.aws("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        self.tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        found = cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        self.names = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found}
        # Buckets that an earlier stack left are in the outputs alone.
        for bucket in ["Vault", "UserKeys", "Clients"]:
            self.names[bucket] = self.outputs[bucket + "Bucket"]
        self.api_id = self.names["Api"]
        self.url = f"{URL}/restapis/{self.api_id}/Prod/_user_request_"

    def aws(self, service):
        return aws(service, self.region)

    def delete(self):
        cloudformation = self.aws("cloudformation")
        cloudformation.delete_stack(StackName=self.name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )

    def import_methods(self):
        gateway = self.aws("apigateway")
        functions = {}
        for statement in self.permissions():
            path = statement["Condition"]["ArnLike"]["AWS:SourceArn"].split("/*/*/", 1)[1]
            functions["/" + path.replace("*", "{proxy+}")] = statement["Resource"]
        for resource in gateway.get_resources(restApiId=self.api_id, limit=500)["items"]:
            function = functions.pop(resource["path"], None)
            if function is None:
                continue
            of = {"restApiId": self.api_id, "resourceId": resource["id"], "httpMethod": "ANY"}
            gateway.put_method(**of, authorizationType="NONE")
            path = f"lambda:path/2015-03-31/functions/{function}/invocations"
            gateway.put_integration(
                **of, type="AWS_PROXY", integrationHttpMethod="POST",
                uri=f"arn:aws:apigateway:{self.region}:{path}",
            )
        assert not functions, f"routes without a resource: {functions}"
        every_type = {"op": "replace", "path": "/binaryMediaTypes", "value": ["*/*"]}
        # boto3 cannot send a list here. ministack does not check the root's signatures.
        scope = f"test/20260101/{self.region}/apigateway/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        response = requests.patch(
            f"{URL}/restapis/{self.api_id}", json={"patchOperations": [every_type]},
            headers={"Authorization": signed}, timeout=60,
        )
        response.raise_for_status()

    def permissions(self):
        """API Gateway's permissions: which route invokes which function."""
        functions = self.aws("lambda")
        for name in ["EncryptFile", "UploadFile", "EncryptData"]:
            policy = functions.get_policy(FunctionName=self.names[name])["Policy"]
            yield from json.loads(policy)["Statement"]

    def forget_conditions(self):
        for bucket in ["Inbox", "Vault", "UserKeys", "Clients"]:
            of = {"Bucket": self.names[bucket]}
            try:
                policy = json.loads(self.aws("s3").get_bucket_policy(**of)["Policy"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                    raise
                continue  # Removed before, and unchanged by this deployment.
            policy["Statement"] = [s for s in policy["Statement"] if s["Sid"] == "Closed"]
            self.aws("s3").delete_bucket_policy(**of)
            if policy["Statement"]:
                self.aws("s3").put_bucket_policy(**of, Policy=json.dumps(policy))
        for key in ["FileKeyArn", "UserKeyArn"]:
            of = {"KeyId": self.outputs[key], "PolicyName": "default"}
            policy = json.loads(self.aws("kms").get_key_policy(**of)["Policy"])
            policy["Statement"] = [s for s in policy["Statement"] if s["Effect"] == "Allow"]
            self.aws("kms").put_key_policy(**of, Policy=json.dumps(policy))
        for function in ["UploadFile", "EncryptData", "SealObject"]:
            policy = self.policy(function)
            for statement in policy["Statement"]:
                statement.pop("Condition", None)
            self.put_policy(function, policy)

    def policy(self, function):
        """The policy of a function's role."""
        role = self.names[function + "Role"]
        return self.aws("iam").get_role_policy(RoleName=role, PolicyName=function)["PolicyDocument"]

    def put_policy(self, function, policy):
        role = self.names[function + "Role"]
        self.aws("iam").put_role_policy(
            RoleName=role, PolicyName=function, PolicyDocument=json.dumps(policy)
        )

    def logged(self, function):
        """The lines of a function's log."""
        events = self.aws("logs").filter_log_events(logGroupName=self.names[function + "Logs"])["events"]
        return [event["message"] for event in events]
