"""What outlives a stack: after its deletion, a new one over the same buckets and keys has everything again; and so has
one in another region, over copies of the buckets and replicas of the keys."""

import os
import uuid

import drive
from ministack import aws, deploy

OTHER_REGION = "eu-west-1"
KEPT = {
    "VaultBucketName": "VaultBucket", "UserKeysBucketName": "UserKeysBucket", "ClientsBucketName": "ClientsBucket",
    "FileKeyArn": "FileKeyArn", "UserKeyArn": "UserKeyArn",
}


def remains(stack):
    """Checks what a deleted stack leaves: buckets with their policies, and usable keys."""
    for bucket in ["Inbox", "Vault", "UserKeys", "Clients"]:
        policy = stack.aws("s3").get_bucket_policy(Bucket=stack.names[bucket])["Policy"]
        assert "NoPlainHttp" in policy, f"{bucket} has lost its policy"
    for key in ["FileKeyArn", "UserKeyArn"]:
        metadata = stack.aws("kms").describe_key(KeyId=stack.outputs[key])["KeyMetadata"]
        assert metadata["KeyState"] == "Enabled", f"{key}: {metadata['KeyState']}"


class State:
    """A file, a user's values, and a key of the registry, made with one stack and used with another."""

    def __init__(self, stack):
        self.content = os.urandom(100_000)
        files = {"file": ("kept.bin", self.content)}
        self.file = drive.call(stack, "POST", "/api/upload/", 201, files=files).json()["file"]["id"]
        self.user = {"apiKey": drive.API_KEY, "userUUID": str(uuid.uuid4())}
        self.digest = self.values(stack, "encrypt", sensitiveData="kept")["encrypted_data"]
        self.value = self.values(stack, "encrypt", sensitiveData="kept", cipher="aes-256-gcm")["encrypted_data"]
        self.api_key = drive.keys("new", drive.CLIENT, "--scope", "files:read").strip()

    def values(self, stack, route, **fields):
        return drive.call(stack, "POST", f"/{route}", 200, headers={}, json={**self.user, **fields}).json()

    def is_readable(self, stack):
        headers = {"x-api-key": self.api_key}
        read = drive.call(stack, "GET", f"/api/files/{self.file}", 200, headers=headers)
        assert read.content == self.content
        assert self.values(stack, "decrypt", encryptedData=self.value) == {"sensitive_data": "kept"}
        assert self.values(stack, "verify", sensitiveData="kept", encryptedData=self.digest)["valid"] is True
        assert self.values(stack, "encrypt", sensitiveData="kept")["encrypted_data"] == self.digest


def redeployed(stack, template, **parameters):
    """Deletes the stack and deploys it again over what it leaves."""
    state = State(stack)
    kept = {parameter: stack.outputs[output] for parameter, output in KEPT.items()}
    inbox = stack.names["Inbox"]
    begin = {"name": "late.bin", "size": 1, "mode": "inbox"}
    late = drive.call(stack, "POST", "/api/uploads", 201, json=begin).json()
    stack = deploy(template, **parameters, CloseInbox="true")
    assert stack.names["Inbox"] == inbox
    drive.send(late, b"x", 403)
    stack.delete()
    drive.send(late, b"x", 403)
    stack = deploy(template, **parameters, **kept)
    assert {parameter: stack.outputs[output] for parameter, output in KEPT.items()} == kept
    assert stack.names["Inbox"] != inbox, "the inbox is named after the stack"
    made = {name for name in ["FileKey", "UserKey", "VaultPolicy", "UserKeysPolicy", "ClientsPolicy"] if name in stack.names}
    assert not made, f"made again: {made}"
    state.is_readable(stack)
    drive.drop(stack, f"{drive.CLIENT}/{uuid.uuid4()}", b"new")
    return stack


def failed_over(stack, template, **parameters):
    """Deploys in another region, over copies of the buckets and replicas of the keys.

    ministack has no AWS::KMS::ReplicaKey: KMS's own API makes the replicas (tests/template checks replica-keys.yaml).
    """
    state = State(stack)
    replicas = {name: replica(stack, name) for name in ["FileKey", "UserKey"]}
    other = deploy(
        template, region=OTHER_REGION, name="caas-other", **parameters,
        **{f"{name}Arn": arn for name, arn in replicas.items()},
        **{f"{name}BucketName": copied(stack, name) for name in ["Vault", "UserKeys", "Clients"]},
    )
    assert other.outputs["FileKeyArn"] == replicas["FileKey"] != stack.outputs["FileKeyArn"]
    state.is_readable(other)
    drive.drop(other, f"{drive.CLIENT}/{uuid.uuid4()}", b"dropped again")
    other.delete()


def replica(stack, name):
    """The ARN of a new replica of this key, with the same policy."""
    primary = stack.outputs[name + "Arn"]
    assert primary.rsplit("/", 1)[1].startswith("mrk-"), f"{name} cannot be replicated"
    policy = stack.aws("kms").get_key_policy(KeyId=primary, PolicyName="default")["Policy"]
    made = stack.aws("kms").replicate_key(KeyId=primary, ReplicaRegion=OTHER_REGION, Policy=policy)
    return made["ReplicaKeyMetadata"]["Arn"]


def copied(stack, name):
    """The name of a bucket in the other region with copies of this bucket's current objects."""
    source, target = stack.aws("s3"), aws("s3", OTHER_REGION)
    bucket = f"copy-{uuid.uuid4()}"
    target.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": OTHER_REGION})
    target.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for listed in source.list_objects_v2(Bucket=stack.names[name]).get("Contents", []):
        found = source.get_object(Bucket=stack.names[name], Key=listed["Key"])
        target.put_object(
            Bucket=bucket, Key=listed["Key"], Body=found["Body"].read(), Metadata=found["Metadata"],
            ContentType=found["ContentType"],
        )
    return bucket
