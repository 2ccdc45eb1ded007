"""The rules for template.yaml: who may do what, to which resource, on which condition, and how every bucket, key,
function and log is configured."""

import itertools
import json
import re

from rendered import ACCOUNT, TEMPLATE, resolved

KMS_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
INBOX = "arn:aws:s3:::caas-inbox-0a1b2c3d-stack"
VAULT = "arn:aws:s3:::vault"
USER_KEYS = "arn:aws:s3:::userkeys"
CLIENTS = "arn:aws:s3:::clients"
FILE_KEY = KMS_KEY + "filekey"
USER_KEY = KMS_KEY + "userkey"
DEAD_LETTERS = f"arn:aws:sqs:us-east-1:{ACCOUNT}:deadletters"

SUITE = {"StringEquals": {"kms:EncryptionContext:aws:x-amz-cek-alg": "115"}}
PURPOSES = ["user-key", "tombstone"]
PURPOSE = {"StringEquals": {"kms:EncryptionContext:caas:purpose": PURPOSES}}

# Each function's permissions: resource, condition, actions. The comment on an action names the request that needs
# it. S3 reports an absent object as absent, not as forbidden, only to those who may list.
PERMISSIONS = {
    "EncryptFile": [],
    "UploadFile": [
        (VAULT + "/*", None, [
            "s3:PutObject",  # PutObject and the parts of a multipart upload; URLs for a client's PUT
            "s3:AbortMultipartUpload",  # AbortMultipartUpload of an upload that failed, or that a client gives up
            "s3:ListMultipartUploadParts",  # ListParts: what a client has sent
            "s3:GetObject",  # GetObject, HeadObject
            "s3:GetObjectVersion",  # URLs for a client's GET, of one version
            "s3:DeleteObject",  # DeleteObject: a file that stays recoverable
            "s3:DeleteObjectVersion",  # DeleteObject with a version: `purge`
        ]),
        (VAULT, None, [
            "s3:ListBucket",  # ListObjectsV2; absent, not forbidden
            "s3:ListBucketMultipartUploads",  # ListMultipartUploads: a file deleted while it is being sent
            "s3:ListBucketVersions",  # ListObjectVersions: `purge`
        ]),
        (INBOX + "/*", None, [
            "s3:PutObject",  # URLs for a client's PUT
            "s3:DeleteObject",  # DeleteObject: a file deleted while it is being sealed
            "s3:DeleteObjectVersion",  # DeleteObject with a version: a file deleted before it is sealed
        ]),
        (INBOX, None, [
            "s3:ListBucketVersions",  # ListObjectVersions: the same
        ]),
        (FILE_KEY, SUITE, [
            "kms:GenerateDataKey",
            "kms:Decrypt",
        ]),
    ],
    "EncryptData": [
        (USER_KEYS + "/*", None, [
            "s3:GetObject",  # GetObject
            "s3:PutObject",  # PutObject: a new record, a changed one, a tombstone
            "s3:DeleteObjectVersion",  # DeleteObject with a version: older records of an erased user
        ]),
        (USER_KEYS, None, [
            "s3:ListBucket",  # absent, not forbidden
            "s3:ListBucketVersions",  # ListObjectVersions: older records of an erased user
        ]),
        (USER_KEY, PURPOSE, [
            "kms:GenerateDataKey",
            "kms:Decrypt",
        ]),
    ],
    "SealObject": [
        (INBOX + "/*", None, [
            "s3:GetObject",  # GetObject
            "s3:DeleteObjectVersion",  # DeleteObject with a version, once it is sealed
        ]),
        (INBOX, None, [
            "s3:ListBucket",  # absent, not forbidden
            "s3:ListBucketVersions",  # ListObjectVersions: what is waiting
            "s3:ListBucketMultipartUploads",  # ListMultipartUploads: those from before a deletion
        ]),
        (VAULT + "/*", None, [
            "s3:PutObject",  # PutObject and the parts of a multipart upload
            "s3:AbortMultipartUpload",  # AbortMultipartUpload of an upload that failed or was abandoned
            "s3:GetObject",  # S3 requires it for If-Match
            "s3:GetObjectVersion",  # HeadObject with a version: what was stored
            "s3:DeleteObject",  # DeleteObject: a file that its user deleted meanwhile
        ]),
        (VAULT, None, [
            "s3:ListBucket",  # absent, not forbidden
            "s3:ListBucketVersions",  # ListObjectVersions: what the vault holds, and what was deleted
            "s3:ListBucketMultipartUploads",  # ListMultipartUploads: abandoned uploads
        ]),
        (FILE_KEY, SUITE, [
            "kms:GenerateDataKey",
        ]),
        (DEAD_LETTERS, None, [
            "sqs:SendMessage",  # Lambda itself, for an invocation that failed three times
        ]),
    ],
}
# Every function that is called with an API key: the registry, which none may change.
for function in ["EncryptFile", "UploadFile", "EncryptData"]:
    PERMISSIONS[function] += [
        (CLIENTS + "/*", None, ["s3:GetObject"]),  # GetObject: the record of a key
        (CLIENTS, None, ["s3:ListBucket"]),  # absent, not forbidden
    ]
# Every function: its own log, and X-Ray, which has no resource-level permissions.
for function, permissions in PERMISSIONS.items():
    log = f"{LOGS}{function.lower()}logs:*"
    permissions.append((log, None, ["logs:CreateLogStream", "logs:PutLogEvents"]))
    permissions.append(("*", None, ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]))

ENVIRONMENT = {
    "EncryptFile": ["PUBLIC_ENCRYPT_FILE"],
    "UploadFile": ["FILE_KEY_ID", "INBOX_BUCKET", "INBOX_MAX_BYTES", "UPLOAD_DAYS", "VAULT_BUCKET"],
    "EncryptData": [
        "CIPHER_POOL", "SALT_POOL", "USER_KEYS_BUCKET", "USER_KEY_CACHE_SECONDS", "USER_KEY_ID",
    ],
    "SealObject": [
        "FILE_KEY_ID", "INBOX_BUCKET", "INBOX_MAX_BYTES", "SWEEP_AGE_SECONDS", "VAULT_BUCKET",
    ],
}
HTTP_ENVIRONMENT = [
    "ALLOWED_ORIGINS", "API_KEYS", "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "CLIENTS_BUCKET", "MAX_BODY_BYTES",
]

# For how many days a bucket keeps deleted and replaced objects.
BUCKETS = {"Inbox": 1, "Vault": 30, "UserKeys": 1, "Clients": 365}
# For how many days uploads that are not completed live. In the vault, clients send files in parts.
UPLOAD_DAYS = {"Inbox": 1, "Vault": 7, "UserKeys": 1, "Clients": 1}
KEYS = {
    "FileKey": ("kms:EncryptionContext:aws:x-amz-cek-alg", "115"),
    "UserKey": ("kms:EncryptionContext:caas:purpose", PURPOSES),
}
ALARMS = ["DeadLetters", "InboxAge", "IntegrityFailures", "KmsThrottles", "ServerErrors", "Values"]
PROBLEMS = {
    "BAD_REQUEST_BODY": "invalid-request", "REQUEST_TOO_LARGE": "too-large",
    "THROTTLED": "rate-limited", "DEFAULT_5XX": "internal",
    "INTEGRATION_FAILURE": "dependency-unavailable", "INTEGRATION_TIMEOUT": "dependency-unavailable",
}
# Each problem's status and title by its type, of the registry in shared/http.
REGISTRY = {
    uri: (int(status), title)
    for uri, status, title in re.findall(
        r"^\| `(/problems/[a-z-]+)` \| (\d+) \| (.+?) \|",
        (TEMPLATE.parent / "docs/problems.md").read_text(), re.MULTILINE,
    )
}


def check(template):
    """Every rule that the rendered template breaks, as a sentence."""
    faults = []

    def expect(truth, fault):
        if not truth:
            faults.append(fault)

    resources = resolved(template)
    roles(resources, expect)
    callers(resources, expect)
    functions(resources, expect)
    buckets(resources, expect)
    keys(resources, expect)
    logs(resources, expect)
    failures(resources, expect)
    api(resources, expect)
    alarms(resources, expect)
    return faults


def of_type(resources, kind):
    found = resources.items()
    return {name: r.get("Properties", {}) for name, r in found if r["Type"] == kind}


def many(value):
    return value if isinstance(value, list) else [value]


def flat(policy):
    """A policy as a set of (action, resource, rest)."""
    parts = set()
    for statement in policy["Statement"]:
        rest = {k: v for k, v in statement.items() if k not in ("Sid", "Action", "Resource")}
        for action, resource in itertools.product(
            many(statement["Action"]), many(statement.get("Resource"))
        ):
            parts.add((action, resource, json.dumps(rest, sort_keys=True)))
    return parts


def parts_of(*statements):
    return flat({"Statement": statements})


def nobody_writes_clients(condition=None):
    """Nobody writes the registry, unless a parameter names who does."""
    return parts_of({
        "Effect": "Deny", "Principal": "*", "Resource": CLIENTS + "/*",
        "Action": [
            "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject", "s3:ReplicateDelete", "s3:ReplicateObject",
        ],
    } | ({"Condition": condition} if condition else {}))


def trust(service):
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}


def roles(resources, expect):
    found = of_type(resources, "AWS::IAM::Role")
    gateway = found.pop("ApiGatewayLogRole", {})
    expect(set(found) == {f + "Role" for f in PERMISSIONS}, "each function has one role")
    for name, role in found.items():
        function = name.removesuffix("Role")
        needed = [
            {"Effect": "Allow", "Action": actions, "Resource": resource}
            | ({"Condition": condition} if condition else {})
            for resource, condition, actions in PERMISSIONS.get(function, [])
        ]
        policies = role.get("Policies", [])
        granted = set().union(*(flat(p["PolicyDocument"]) for p in policies))
        expect(granted == parts_of(*needed), f"{function} has its permissions and no others")
        assumed = flat(role["AssumeRolePolicyDocument"])
        expect(assumed == parts_of(trust("lambda.amazonaws.com")), f"only Lambda assumes the role of {function}")
        expect(not role.get("ManagedPolicyArns"), f"{function} has no managed policies")
    other = ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::User"]
    for kind in other:
        expect(not of_type(resources, kind), f"no permission hides in an {kind}")

    # What AWS documents for the account's setting. No function has this role.
    push = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    expect(gateway.get("ManagedPolicyArns") == [push], "API Gateway may write logs")
    expect(not gateway.get("Policies"), "API Gateway may do nothing else")
    assumed = flat(gateway.get("AssumeRolePolicyDocument", {"Statement": []}))
    expect(assumed == parts_of(trust("apigateway.amazonaws.com")), "only API Gateway assumes the role for its logs")


def callers(resources, expect):
    """Who may invoke a function: the API's routes, the inbox, the schedule."""
    found = set()
    for permission in of_type(resources, "AWS::Lambda::Permission").values():
        expect(permission["Action"] == "lambda:InvokeFunction", "a Lambda permission only invokes")
        found.add((
            permission["FunctionName"], permission["Principal"],
            permission.get("SourceArn"), permission.get("SourceAccount"),
        ))
    api = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api/*/*/"
    routes = {
        "encryptfile": ["", "*"],
        "uploadfile": ["api/*"],
        "encryptdata": ["encrypt", "verify", "decrypt", "users/*"],
    }
    sweep = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/sealobjectsweep"
    expected = {
        ("sealobject", "s3.amazonaws.com", INBOX, ACCOUNT),
        ("sealobject", "events.amazonaws.com", sweep, None),
    } | {
        (function, "apigateway.amazonaws.com", api + path, None)
        for function, paths in routes.items()
        for path in paths
    }
    expect(found == expected, "a function is invoked by its routes or its events alone")
    inbox = resources["Inbox"]["Properties"]
    notified = inbox.get("NotificationConfiguration", {})
    seal = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:sealobject"
    created = {"LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": seal}]}
    expect(notified == created, "a drop in the inbox invokes seal-object")
    (rule,) = of_type(resources, "AWS::Events::Rule").values()
    (target,) = rule["Targets"]
    expect(rule["ScheduleExpression"] == "rate(5 minutes)", "the sweep runs every five minutes")
    expect(json.loads(target["Input"]) == {"sweep": True}, "the schedule sends the sweep event")
    expect(target["Arn"] == seal, "the schedule invokes seal-object")


def functions(resources, expect):
    found = of_type(resources, "AWS::Lambda::Function")
    expect(set(found) == set(ENVIRONMENT), "there are four functions")
    for name, function in found.items():
        role = f"arn:aws:iam::{ACCOUNT}:role/{name.lower()}role"
        variables = function["Environment"]["Variables"]
        http = HTTP_ENVIRONMENT if name != "SealObject" else []
        expected = ENVIRONMENT.get(name, []) + http
        expect(function["Role"] == role, f"{name} has its role")
        expect(function["Runtime"] == "provided.al2023", f"{name} runs on Amazon Linux 2023")
        expect(function["Architectures"] == ["arm64"], f"{name} runs on arm64")
        expect(sorted(variables) == sorted(expected), f"{name} has its variables and no others")
        expect(function["LoggingConfig"].get("LogFormat") == "JSON", f"{name} logs JSON")
        log = function["LoggingConfig"].get("LogGroup")
        expect(log == name.lower() + "logs", f"{name} has its own log")
        expect(function.get("TracingConfig") == {"Mode": "Active"}, f"{name} is traced")
        expect(function["Timeout"] == (29 if http else 900), f"{name} has its timeout")
        expect("ReservedConcurrentExecutions" not in function, f"{name} reserves no concurrency by default")
        inbox, vault = variables.get("INBOX_BUCKET"), variables.get("VAULT_BUCKET")
        expect(inbox is None or inbox != vault, f"{name}'s inbox is not the vault")
        expect(inbox in (None, INBOX.rsplit(":", 1)[-1]), f"{name}'s inbox is the inbox")
        expect(vault in (None, "vault"), f"{name}'s vault is the vault")
        expect(variables.get("CLIENTS_BUCKET") in (None, "clients"), f"{name}'s registry is the registry")
        for variable, key in [("FILE_KEY_ID", FILE_KEY), ("USER_KEY_ID", USER_KEY)]:
            expect(variables.get(variable) in (None, key), f"{name}'s key is its key")


def buckets(resources, expect):
    found = of_type(resources, "AWS::S3::Bucket")
    expect(set(found) == set(BUCKETS), "there are four buckets")
    for name, bucket in found.items():
        public = bucket.get("PublicAccessBlockConfiguration", {})
        expect(len(public) == 4 and all(public.values()), f"{name} is not public")
        owner = bucket.get("OwnershipControls", {}).get("Rules")
        expect(owner == [{"ObjectOwnership": "BucketOwnerEnforced"}], f"{name} has no ACLs")
        versioning = bucket.get("VersioningConfiguration")
        expect(versioning == {"Status": "Enabled"}, f"{name} is versioned")
        encryption = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration")
        sse_s3 = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        expect(encryption == sse_s3, f"{name} is encrypted at rest")
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        rules = [{k: v for k, v in rule.items() if k not in ("Id", "Status")}
                 for rule in rules if rule.get("Status") == "Enabled"]
        days = {"NoncurrentDays": BUCKETS.get(name)}
        noncurrent = {"NoncurrentVersionExpiration": days}
        # The sweep needs the inbox's delete markers for a while, and then removes them.
        if name != "Inbox":
            noncurrent["ExpiredObjectDeleteMarker"] = True
        abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS.get(name)}}
        expect(rules == [noncurrent, abort], f"{name} keeps current objects, and others for its number of days")
        for copy_maker in ["ReplicationConfiguration", "ObjectLockConfiguration", "ObjectLockEnabled"]:
            expect(copy_maker not in bucket, f"{name} has no {copy_maker}")
        expect("CorsConfiguration" not in bucket, f"{name} has no CORS without allowed origins")
        retained(name, resources, expect)

        # Every bucket requires TLS 1.2 of everybody.
        policy = of_type(resources, "AWS::S3::BucketPolicy").get(name + "Policy", {})
        arn = "arn:aws:s3:::" + bucket.get("BucketName", name.lower())
        refused = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, arn + "/*"]}
        expect(policy.get("Bucket") == arn.rsplit(":", 1)[-1], f"{name} has a policy")
        statements = policy.get("PolicyDocument", {"Statement": []})
        expected = nobody_writes_clients() if name == "Clients" else set()
        expected = expected | parts_of(
            refused | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            refused | {"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        )
        expect(flat(statements) == expected, f"{name} requires TLS 1.2")
    policies = of_type(resources, "AWS::S3::BucketPolicy")
    expect(set(policies) == {b + "Policy" for b in BUCKETS}, "each bucket has one policy")


def keys(resources, expect):
    found = of_type(resources, "AWS::KMS::Key")
    expect(set(found) == set(KEYS), "there are two keys")
    for name, key in found.items():
        variable, value = KEYS.get(name, ("", ""))
        expect(key.get("EnableKeyRotation") is True, f"{name} rotates")
        expect(key.get("MultiRegion") is False, f"{name} stays in its region by default")
        expected = parts_of(
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                "Resource": "*",
                "Condition": {"StringNotEquals": {variable: value}},
            },
        )
        expect(flat(key["KeyPolicy"]) == expected, f"{name} wraps only {value}, whoever asks")
        retained(name, resources, expect)


def retained(name, resources, expect):
    expect(resources[name].get("DeletionPolicy") == "RetainExceptOnCreate", f"{name} outlives the stack")
    expect(resources[name].get("UpdateReplacePolicy") == "Retain", f"{name} outlives its replacement")


def logs(resources, expect):
    found = of_type(resources, "AWS::Logs::LogGroup")
    expect(set(found) == {f + "Logs" for f in [*PERMISSIONS, "Api"]}, "there are five logs")
    for name, log in found.items():
        expect(log.get("RetentionInDays") == 30, f"{name} expires after 30 days")


def failures(resources, expect):
    (queue,) = of_type(resources, "AWS::SQS::Queue").values()
    expect(queue.get("SqsManagedSseEnabled") is True, "dead letters are encrypted")
    expect(queue.get("MessageRetentionPeriod") == 14 * 86400, "dead letters are kept for 14 days")
    expect("RedrivePolicy" not in queue, "dead letters are not forwarded")
    (invoke,) = of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    expect(invoke["FunctionName"] == "sealobject", "seal-object is invoked asynchronously")
    expect(invoke.get("MaximumRetryAttempts") == 2, "an event is tried three times")
    to = invoke.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    expect(to == DEAD_LETTERS, "a failed event is a dead letter")


def api(resources, expect):
    (rest,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    body = rest["Body"]
    expect(body["x-amazon-apigateway-binary-media-types"] == ["*/*"], "every body is binary")
    routes = {
        "/": "encryptfile", "/{proxy+}": "encryptfile", "/api/{proxy+}": "uploadfile",
        "/encrypt": "encryptdata", "/verify": "encryptdata", "/decrypt": "encryptdata",
        "/users/{proxy+}": "encryptdata",
    }
    found = {}
    for path, methods in body["paths"].items():
        expect(list(methods) == ["x-amazon-apigateway-any-method"], f"{path} takes every method")
        integration = methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
        expect(integration["type"] == "aws_proxy", f"{path} invokes a function")
        found[path] = integration["uri"].split(":function:")[1].split("/")[0]
    expect(found == routes, "each route reaches its function, and every other path the catch-all")
    responses = body["x-amazon-apigateway-gateway-responses"]
    expect(set(responses) == set(PROBLEMS), "the gateway's own errors are known")
    for kind, response in responses.items():
        uri = f"/problems/{PROBLEMS.get(kind)}"
        status, title = REGISTRY.get(uri, (None, None))
        headers = response["responseParameters"]
        expect(str(response["statusCode"]) == str(status), f"{kind} is a {status}")
        content_type = headers.get("gatewayresponse.header.Content-Type")
        expect(content_type == "'application/problem+json'", f"{kind} is a problem document")
        problem = json.loads(response["responseTemplates"]["application/json"])
        members = ["detail", "instance", "status", "title", "type"]
        expect(sorted(problem) == members, f"{kind} is complete")
        registered = {"type": uri, "status": status, "title": title}
        expect(registered.items() <= problem.items(), f"{kind} is as in the registry of problems")
    settings, = stage["MethodSettings"]
    expect(settings.get("LoggingLevel") == "OFF", "the gateway logs no executions, because they contain paths")
    expect(settings.get("DataTraceEnabled") is False, "the gateway logs no bodies")
    expect(settings.get("ThrottlingRateLimit") == 100, "the rate is limited")
    expect(settings.get("ThrottlingBurstLimit") == 200, "bursts are limited")
    expect(not stage.get("TracingEnabled"), "the gateway does not trace, because traces contain paths")
    access = stage.get("AccessLogSetting", {})
    expect(access.get("DestinationArn") == f"{LOGS}apilogs:*", "there is an access log")
    logged = [v for v in json.loads(access.get("Format", "{}")).values()]
    expect(logged == [
        "$context.requestId", "$context.httpMethod", "$context.resourcePath", "$context.status",
        "$context.error.responseType", "$context.responseLatency", "$context.integrationLatency",
    ], "the access log has routes, not paths, and nothing about the caller")


def alarms(resources, expect):
    found = of_type(resources, "AWS::CloudWatch::Alarm")
    expect(set(found) == {a + "Alarm" for a in ALARMS}, "there are six alarms")
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
    ours = set()
    for name, alarm in found.items():
        expect(alarm.get("AlarmActions") in (["alarms"], [topic]), f"{name} sends a notification")
        expect(alarm.get("OKActions") == alarm.get("AlarmActions"), f"{name} sends a notification when it is over")
        silence = "breaching" if name == "InboxAgeAlarm" else "notBreaching"
        expect(alarm.get("TreatMissingData") == silence, f"{name} treats missing data as it should")
        if alarm["Namespace"] == "CaaS/caas":
            ours.add(alarm["MetricName"])
    sources = {
        ("uploadfilelogs", "{ $.status = 422 }", "IntegrityFailures", "1"),
        ("encryptdatalogs", '{ $.level = "ERROR" }', "IntegrityFailures", "1"),
        ("uploadfilelogs", '{ $.cause = "throttled" }', "KmsThrottles", "1"),
        ("encryptdatalogs", '{ $.cause = "throttled" }', "KmsThrottles", "1"),
        ("sealobjectlogs", '{ $.cause = "throttled" }', "KmsThrottles", "1"),
        ("sealobjectlogs", "{ $.oldest_seconds >= 0 }", "InboxAge", "$.oldest_seconds"),
        ("encryptdatalogs", "{ $.values >= 0 }", "Values", "$.values"),
        ("encryptdatalogs", "{ $.values >= 0 }", "ValuesByClient", "$.values"),
    }
    filters = set()
    for metric in of_type(resources, "AWS::Logs::MetricFilter").values():
        (made,) = metric["MetricTransformations"]
        expect(made["MetricNamespace"] == "CaaS/caas", "metrics are the stack's own")
        pattern = metric["FilterPattern"]
        filters.add((metric["LogGroupName"], pattern, made["MetricName"], made["MetricValue"]))
    expect(filters == sources, "each metric is counted from the right log lines")
    alarming = {source[2] for source in sources} - {"ValuesByClient"}
    expect(ours == alarming, "every metric has an alarm, except the one that says whose values they are")


def rules_in_words(template):
    """The most important rules, stated again without the table."""
    faults = []
    resources = resolved(template)
    granted = {
        name.removesuffix("Role"): [
            part for p in role.get("Policies", []) for part in flat(p["PolicyDocument"])
        ]
        for name, role in of_type(resources, "AWS::IAM::Role").items()
    }
    readers = {f for f, parts in granted.items() if any(p[0] == "kms:Decrypt" for p in parts)}
    if readers != {"UploadFile", "EncryptData"}:
        faults.append(f"kms:Decrypt is granted to {sorted(readers)}")
    for function, parts in granted.items():
        for action, resource, rest in parts:
            if "*" in action:
                faults.append(f"{function} may {action}")
            if resource == "*" and not action.startswith("xray:Put"):
                faults.append(f"{function} may {action} everywhere")
            if action.startswith("kms:") and "kms:EncryptionContext:" not in rest:
                faults.append(f"{function} may {action} in any context")
            if resource == FILE_KEY and '"115"' not in rest:
                faults.append(f"{function} may {action} in another suite")
    return faults


def other_parameters(template):
    """What parameters other than the defaults change."""
    faults = []
    names = {
        "AllowedOrigins": "https://a.example,https://b.example", "AlarmEmail": "ops@example.com",
        "HttpConcurrency": 5, "SealConcurrency": 7, "MultiRegionKeys": "true",
        "ConfigureApiGatewayLogs": "false", "DeletedFileDays": 90, "UploadDays": 21, "Architecture": "x86_64",
        "KeyAdministratorArn": f"arn:aws:iam::{ACCOUNT}:role/key-administrator",
    }
    resources = resolved(template, **names)
    for bucket, methods in [("Inbox", ["PUT"]), ("Vault", ["GET", "HEAD", "PUT"])]:
        (rule,) = resources[bucket]["Properties"]["CorsConfiguration"]["CorsRules"]
        if rule["AllowedOrigins"] != names["AllowedOrigins"].split(","):
            faults.append(f"{bucket} allows the allowed origins")
        if rule["AllowedMethods"] != methods:
            faults.append(f"{bucket} allows pages the right methods")
    if "CorsConfiguration" in resources["UserKeys"]["Properties"]:
        faults.append("no page may reach users' keys")
    others = {"ArnNotEquals": {"aws:PrincipalArn": names["KeyAdministratorArn"]}}
    if not nobody_writes_clients(others) <= flat(resources["ClientsPolicy"]["Properties"]["PolicyDocument"]):
        faults.append("only the administrator writes API keys")
    functions = of_type(resources, "AWS::Lambda::Function")
    for name, function in functions.items():
        if function["ReservedConcurrentExecutions"] != (7 if name == "SealObject" else 5):
            faults.append(f"{name} has its reserved concurrency")
        if function["Architectures"] != ["x86_64"]:
            faults.append(f"{name} runs on x86_64")
    lifecycle = resources["Vault"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = [rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") for rule in lifecycle]
    if days != [None, 21]:
        faults.append("uploads live for their number of days")
    if functions["UploadFile"]["Environment"]["Variables"]["UPLOAD_DAYS"] != 21:
        faults.append("upload-file says for how many days uploads live")
    for key in KEYS:
        if resources[key]["Properties"]["MultiRegion"] is not True:
            faults.append(f"{key} can be replicated")
    if "ApiGatewayLogRole" in resources or "ApiGatewayLogAccount" in resources:
        faults.append("the account's setting must stay unchanged")
    if resources["AlarmsByEmail"]["Properties"]["Endpoint"] != "ops@example.com":
        faults.append("alarms are sent by e-mail")
    return faults
