"""The rules for the audit trail, which exists where AuditRetentionDays is not 0."""

import re

from rendered import ACCOUNT, TEMPLATE, resolved
from rules import LOGS, PERMISSIONS, flat, of_type, parts_of, retained, trust

BUCKET = "arn:aws:s3:::audit"
STREAM = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/auditdelivery"
DELIVERY = f"arn:aws:iam::{ACCOUNT}:role/auditdeliveryrole"
SUBSCRIPTION = f"arn:aws:iam::{ACCOUNT}:role/auditsubscriptionrole"
TAGS = '{ ($.audit = "intent") || ($.audit = "outcome") }'
OF_THIS_ACCOUNT = {
    "AuditDeliveryRole": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    "AuditSubscriptionRole": {"StringLike": {"aws:SourceArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:*"}},
}
SERVICES = {"AuditDeliveryRole": "firehose.amazonaws.com", "AuditSubscriptionRole": "logs.amazonaws.com"}
# What each role may do; the comment on an action names the request that needs it.
GRANTED = {
    "AuditDeliveryRole": [
        (BUCKET + "/*", [
            "s3:PutObject",  # a delivery
            "s3:AbortMultipartUpload",  # a large delivery that failed
        ]),
        (BUCKET, [
            "s3:GetBucketLocation",  # where to deliver
            "s3:ListBucket",  # a failed delivery is tried again: what is there
            "s3:ListBucketMultipartUploads",  # the same
        ]),
    ],
    "AuditSubscriptionRole": [
        (STREAM, [
            "firehose:PutRecord",  # lines
            "firehose:PutRecordBatch",  # many lines
        ]),
    ],
}
ADDED = {
    "Audit", "AuditPolicy", "AuditDelivery", "AuditDeliveryRole", "AuditSubscriptionRole", "AuditDeliveryAlarm",
    "EncryptFileAudit", "UploadFileAudit", "EncryptDataAudit", "SealObjectAudit",
}


def audit_trail(template):
    """Every rule for the audit trail that the rendered template breaks, as a sentence."""
    faults = []

    def expect(truth, fault):
        if not truth:
            faults.append(fault)

    without = resolved(template)
    for lock in ["GOVERNANCE", "COMPLIANCE"]:
        resources = resolved(template, AuditRetentionDays=400, AuditLock=lock)
        expect(set(resources) - set(without) == ADDED, "by default there is no archive of the trail")
        bucket(resources, lock, expect)
    roles(resources, expect)
    delivery(resources, expect)
    return faults


def bucket(resources, lock, expect):
    found = resources.get("Audit", {}).get("Properties", {})
    public = found.get("PublicAccessBlockConfiguration", {})
    expect(len(public) == 4 and all(public.values()), "the trail is not public")
    owner = found.get("OwnershipControls", {}).get("Rules")
    expect(owner == [{"ObjectOwnership": "BucketOwnerEnforced"}], "the trail has no ACLs")
    expect(found.get("VersioningConfiguration") == {"Status": "Enabled"}, "the trail is versioned")
    expect("BucketEncryption" in found, "the trail is encrypted at rest")
    expect(found.get("ObjectLockEnabled") is True, "the trail can be locked")
    locked = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": lock, "Days": 400}}}
    expect(found.get("ObjectLockConfiguration") == locked, "the trail is locked for its days")
    expect("ReplicationConfiguration" not in found, "the trail is not copied elsewhere")
    rules = found.get("LifecycleConfiguration", {}).get("Rules", [])
    rules = [{k: v for k, v in rule.items() if k != "Id"} for rule in rules]
    expect(rules == [
        {"Status": "Enabled", "ExpirationInDays": 400, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ], "the trail goes when its days are over")
    if "Audit" in resources:
        retained("Audit", resources, expect)
        retained("AuditPolicy", resources, expect)
    policy = resources.get("AuditPolicy", {}).get("Properties", {})
    refused = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, BUCKET + "/*"]}
    expected = parts_of(
        refused | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        refused | {"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        {
            "Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:ReplicateObject"],
            "Resource": BUCKET + "/*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": DELIVERY}},
        },
        # A lock does not prevent delete markers, which hide deliveries.
        {
            "Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject", "s3:ReplicateDelete"],
            "Resource": BUCKET + "/*",
        },
    )
    expect(policy.get("Bucket") == "audit", "the trail has a policy")
    written = flat(policy.get("PolicyDocument", {"Statement": []}))
    expect(written == expected, "only Firehose writes the trail, nobody hides it, and TLS 1.2 is required of everybody")


def roles(resources, expect):
    for name, grants in GRANTED.items():
        role = resources.get(name, {}).get("Properties", {})
        needed = [{"Effect": "Allow", "Action": actions, "Resource": on} for on, actions in grants]
        granted = set().union(*(flat(p["PolicyDocument"]) for p in role.get("Policies", [])))
        expect(granted == parts_of(*needed), f"{name} has its permissions and no others")
        assumed = flat(role.get("AssumeRolePolicyDocument", {"Statement": []}))
        expected = parts_of(trust(SERVICES[name]) | {"Condition": OF_THIS_ACCOUNT[name]})
        expect(assumed == expected, f"only {SERVICES[name]} assumes {name}, for this account")
        expect(not role.get("ManagedPolicyArns"), f"{name} has no managed policies")


def delivery(resources, expect):
    stream = resources.get("AuditDelivery", {}).get("Properties", {})
    expect(stream.get("DeliveryStreamType") == "DirectPut", "CloudWatch Logs writes to the stream")
    encryption = stream.get("DeliveryStreamEncryptionConfigurationInput")
    expect(encryption == {"KeyType": "AWS_OWNED_CMK"}, "the stream is encrypted")
    to = stream.get("ExtendedS3DestinationConfiguration", {})
    expect((to.get("BucketARN"), to.get("RoleARN")) == (BUCKET, DELIVERY), "the stream ends in the bucket")
    place = (TEMPLATE.parent / "tools/cli/src/commands/audit/place.rs").read_text()
    (prefix,) = re.findall(r'const PREFIX: &str = "(.+)";', place)
    expect(to.get("Prefix") == prefix + "!{timestamp:yyyy/MM/dd/HH}/", "`caas audit` finds the trail")
    expect(not to.get("ErrorOutputPrefix", prefix).startswith(prefix), "errors are elsewhere")
    sources = {
        (s.get("LogGroupName"), s.get("FilterPattern"), s.get("DestinationArn"), s.get("RoleArn"))
        for s in of_type(resources, "AWS::Logs::SubscriptionFilter").values()
    }
    logs = {f"{LOGS}{f.lower()}logs:*".removeprefix(LOGS).removesuffix(":*") for f in PERMISSIONS}
    expect(sources == {(log, TAGS, STREAM, SUBSCRIPTION) for log in logs}, "every function's trail is delivered")
    alarm = resources.get("AuditDeliveryAlarm", {}).get("Properties", {})
    expect(alarm.get("MetricName") == "DeliveryToS3.DataFreshness", "an alarm says that the trail is late")
    expect(bool(alarm.get("AlarmActions")), "the alarm sends a notification")
