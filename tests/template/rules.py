"""The rules for template.yaml: who may do what, to which resource, on which condition, and how every bucket, key,
function and log is configured."""

import itertools
import json
import re

from rendered import ACCOUNT, REPLICA_KEYS, TEMPLATE, refused, resolved, written

KMS_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
INBOX = "arn:aws:s3:::caas-inbox-0a1b2c3d-stack"
VAULT = "arn:aws:s3:::vault"
USER_KEYS = "arn:aws:s3:::userkeys"
CLIENTS = "arn:aws:s3:::clients"
FILE_KEY = KMS_KEY + "filekey"
USER_KEY = KMS_KEY + "userkey"
STORAGE_ORIGINS = ",".join(
    f"https://{arn.rsplit(':', 1)[-1]}.s3.us-east-1.amazonaws.com" for arn in [VAULT, INBOX]
)
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
# Every function: its own log.
for function, permissions in PERMISSIONS.items():
    log = f"{LOGS}{function.lower()}logs:*"
    permissions.append((log, None, ["logs:CreateLogStream", "logs:PutLogEvents"]))
# With the parameter `Tracing`, every function: X-Ray, which has no resource-level permissions.
TRACES = {"Effect": "Allow", "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Resource": "*"}

ENVIRONMENT = {
    "EncryptFile": ["PUBLIC_ENCRYPT_FILE", "STORAGE_ORIGINS"],
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
ALARMS = [
    "ClientValues", "DeadLetters", "InboxAge", "IntegrityFailures", "KeysUnusable", "KmsThrottles", "MissingScope",
    "ServerErrors", "Unauthorized", "Values",
]
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
# Alarms, and EventBridge's rule for KMS's keys. Nobody else publishes to the topic.
PUBLISHERS = [
    ("cloudwatch.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
    ("events.amazonaws.com", {"ArnEquals": {
        "aws:SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/kmsadministration",
    }}),
]
TLS = {"SecurityPolicy": "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "EndpointAccessMode": "STRICT"}
PROBLEMS = {
    "BAD_REQUEST_BODY": "invalid-request", "REQUEST_TOO_LARGE": "too-large",
    "THROTTLED": "rate-limited", "WAF_FILTERED": "rate-limited", "DEFAULT_5XX": "dependency-unavailable",
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
    kms_administration(resources, expect)
    parameters(template, expect)
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
    for name in ["ApiGatewayLogRole", "ApiGatewayLogAccount"]:
        policies = {resources[name].get(policy) for policy in ["DeletionPolicy", "UpdateReplacePolicy"]}
        expect(policies == {"Retain"}, f"{name} outlives the stack, even one that is rolled back")


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
    rule = of_type(resources, "AWS::Events::Rule")["SealObjectSweep"]
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
        expected = ENVIRONMENT.get(name, []) + http + ["METRICS_NAMESPACE"]
        expect(variables["METRICS_NAMESPACE"] == "CaaS/caas", f"{name}'s metrics are the stack's own")
        expect(function["Role"] == role, f"{name} has its role")
        expect(function["Runtime"] == "provided.al2023", f"{name} runs on Amazon Linux 2023")
        expect(function["Architectures"] == ["arm64"], f"{name} runs on arm64")
        expect(sorted(variables) == sorted(expected), f"{name} has its variables and no others")
        expect(function["LoggingConfig"].get("LogFormat") == "JSON", f"{name} logs JSON")
        log = function["LoggingConfig"].get("LogGroup")
        expect(log == name.lower() + "logs", f"{name} has its own log")
        expect(function.get("TracingConfig") == {"Mode": "PassThrough"}, f"{name} is not traced by default")
        expect(function["Timeout"] == (29 if http else 900), f"{name} has its timeout")
        expect("ReservedConcurrentExecutions" not in function, f"{name} reserves no concurrency by default")
        inbox, vault = variables.get("INBOX_BUCKET"), variables.get("VAULT_BUCKET")
        expect(inbox is None or inbox != vault, f"{name}'s inbox is not the vault")
        expect(inbox in (None, INBOX.rsplit(":", 1)[-1]), f"{name}'s inbox is the inbox")
        expect(vault in (None, "vault"), f"{name}'s vault is the vault")
        expect(variables.get("CLIENTS_BUCKET") in (None, "clients"), f"{name}'s registry is the registry")
        storage = variables.get("STORAGE_ORIGINS")
        expect(storage in (None, STORAGE_ORIGINS), f"{name} lets the page reach the vault and the inbox")
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
        cors = bucket.get("CorsConfiguration")
        expect(cors == page_requests(name), f"{name} lets pages send presigned requests, or nothing")
        retained(name, resources, expect)
        retained(name + "Policy", resources, expect)

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


def page_requests(bucket):
    """What a web page may send to this bucket, presigned. The page's origin does not matter."""
    methods, headers = {
        "Inbox": (["PUT"], ["ETag"]),
        "Vault": (["GET", "HEAD", "PUT"], ["Content-Range", "ETag"]),
    }.get(bucket, (None, None))
    return methods and {"CorsRules": [{
        "AllowedOrigins": ["*"], "AllowedMethods": methods, "AllowedHeaders": ["*"], "ExposedHeaders": headers,
        "MaxAge": 300,
    }]}


def keys(resources, expect):
    found = of_type(resources, "AWS::KMS::Key")
    expect(set(found) == set(KEYS), "there are two keys")
    for name, key in found.items():
        variable, value = KEYS.get(name, ("", ""))
        expect(key.get("EnableKeyRotation") is True, f"{name} rotates")
        expect(key.get("MultiRegion") is False, f"{name} stays in its region by default")
        wraps_only = wraps(variable, value)
        expect(flat(key["KeyPolicy"]) == wraps_only, f"{name} wraps only {value}, whoever asks")
        retained(name, resources, expect)
    aliases = {alias["AliasName"]: alias["TargetKeyId"] for alias in of_type(resources, "AWS::KMS::Alias").values()}
    expected = {"alias/caas/caas/file": FILE_KEY, "alias/caas/caas/user": USER_KEY}
    expect(aliases == expected, "each key has its alias")


def wraps(variable, value):
    """The policy of a key that wraps only with this value of this condition variable."""
    return parts_of(
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


def replica_keys(template):
    """Every rule that replica-keys.yaml breaks."""
    faults = []

    def expect(truth, fault):
        if not truth:
            faults.append(fault)

    primaries = {"PrimaryFileKeyArn": FILE_KEY, "PrimaryUserKeyArn": USER_KEY}
    resources = resolved(template, **primaries)
    expect(set(resources) == set(KEYS), "there are two replica keys and nothing else")
    for name, key in of_type(resources, "AWS::KMS::ReplicaKey").items():
        expect(key["PrimaryKeyArn"] == primaries[f"Primary{name}Arn"], f"{name} is the replica of its key")
        expect(flat(key["KeyPolicy"]) == wraps(*KEYS[name]), f"the replica of {name} wraps what {name} wraps")
        retained(name, resources, expect)
    outputs = {name: output["Value"] for name, output in template["Outputs"].items()}
    expected = {f"{name}Arn": {"Fn::GetAtt": [name, "Arn"]} for name in KEYS}
    expect(outputs == expected, "the outputs are what template.yaml takes")
    return faults



def retained(name, resources, expect):
    resource = resources.get(name, {})
    expect(resource.get("DeletionPolicy") == "RetainExceptOnCreate", f"{name} outlives the stack")
    expect(resource.get("UpdateReplacePolicy") == "Retain", f"{name} outlives its replacement")


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
        expect("Retry-After" in str(headers) or int(response["statusCode"]) < 429, f"{kind} says when to try again")
        expect("Access-Control" not in str(headers), f"{kind} is for no page by default")
    for setting, value in TLS.items():
        expect(rest.get(setting) == value, f"the API has the {setting} {value}")
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
    expect(set(found) == {a + "Alarm" for a in ALARMS}, "there are ten alarms")
    ours = set()
    for name, alarm in found.items():
        expect(alarm.get("AlarmActions") in (["alarms"], [TOPIC]), f"{name} sends a notification")
        expect(alarm.get("OKActions") == alarm.get("AlarmActions"), f"{name} sends a notification when it is over")
        silence = "breaching" if name == "InboxAgeAlarm" else "notBreaching"
        expect(alarm.get("TreatMissingData") == silence, f"{name} treats missing data as it should")
        if alarm.get("Namespace") == "CaaS/caas":
            ours.add(alarm["MetricName"])
    sources = {
        ("uploadfilelogs", "{ $.status = 422 }", "IntegrityFailures", "1"),
        ("encryptdatalogs", '{ $.level = "ERROR" }', "IntegrityFailures", "1"),
        ("uploadfilelogs", '{ $.cause = "throttled" }', "KmsThrottles", "1"),
        ("encryptdatalogs", '{ $.cause = "throttled" }', "KmsThrottles", "1"),
        ("sealobjectlogs", '{ $.cause = "throttled" }', "KmsThrottles", "1"),
        ("uploadfilelogs", '{ $.cause = "key *" }', "KeysUnusable", "1"),
        ("encryptdatalogs", '{ $.cause = "key *" }', "KeysUnusable", "1"),
        ("sealobjectlogs", '{ $.cause = "key *" }', "KeysUnusable", "1"),
        ("apilogs", '{ $.status = "401" }', "Unauthorized", "1"),
        ("sealobjectlogs", "{ $.oldest_seconds >= 0 }", "InboxAge", "$.oldest_seconds"),
        ("encryptdatalogs", "{ $.items >= 0 }", "Values", "$.items"),
        ("encryptdatalogs", "{ $.items >= 0 }", "ValuesByClient", "$.items"),
    }
    filters = set()
    for metric in of_type(resources, "AWS::Logs::MetricFilter").values():
        (made,) = metric["MetricTransformations"]
        expect(made["MetricNamespace"] == "CaaS/caas", "metrics are the stack's own")
        pattern = metric["FilterPattern"]
        filters.add((metric["LogGroupName"], pattern, made["MetricName"], made["MetricValue"]))
    expect(filters == sources, "each metric is counted from the right log lines")
    (query,) = found["ClientValuesAlarm"]["Metrics"]
    ours |= set(re.findall(r'SUM\((\w+)\) FROM SCHEMA\("CaaS/caas", Client\)', query["Expression"]))
    refused = found["MissingScopeAlarm"].get("Dimensions")
    expect(refused == [{"Name": "outcome", "Value": "missing-scope"}], "an alarm counts keys without the scope")
    alarming = {source[2] for source in sources} | {"requests"}
    expect(ours == alarming, "every metric has an alarm")


def kms_administration(resources, expect):
    """Who disables, deletes or grants access to a key is reported, and nobody but AWS's two services can report."""
    rule = resources["KmsAdministration"]["Properties"]
    pattern = rule["EventPattern"]
    detail = pattern["detail"]
    expect((pattern["source"], pattern["detail-type"], detail["eventSource"]) == (
        ["aws.kms"], ["AWS API Call via CloudTrail"], ["kms.amazonaws.com"],
    ), "the rule is for KMS's requests")
    dangerous = ["CreateGrant", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"]
    expect(detail["eventName"] == dangerous, "the rule is for what endangers a key")
    expect(detail["resources"] == {"ARN": [FILE_KEY, USER_KEY]}, "the rule is for the service's keys")
    expect([target["Arn"] for target in rule["Targets"]] == ["alarms"], "the rule sends a notification")
    policy = resources.get("AlarmsPolicy", {}).get("Properties", {"Topics": [], "PolicyDocument": {"Statement": []}})
    allowed = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "alarms"}
    expected = parts_of(*(
        allowed | {"Principal": {"Service": service}, "Condition": condition} for service, condition in PUBLISHERS
    ))
    expect(policy["Topics"] == ["alarms"], "the topic has a policy")
    expect(flat(policy["PolicyDocument"]) == expected, "only alarms and the rule publish to the topic")


# For each parameter with a pattern, what it must accept and refuse.
VALUES = {
    "ApiKeys": (
        ["", "acme:" + "0f" * 32, f"a-1:{'0' * 64},{'a' * 32}:{'9' * 64}"],
        ["acme", "acme:" + "0" * 63, "Acme:" + "0" * 64, "acme:" + "F" * 64, f"a:{'0' * 64},", f"a:{'0' * 64}, b:{'0' * 64}",
         f"{'a' * 33}:{'0' * 64}"],
    ),
    "KeyAdministratorArn": (
        ["", "arn:aws:iam::111122223333:role/a/b", "arn:aws-cn:iam::111122223333:user/a"],
        ["admin", "arn:aws:iam::111122223333:root", "arn:aws:iam::1:role/a"],
    ),
    "AllowedOrigins": (
        ["", "https://a.example", "http://localhost:3000,https://b.example:8443", "http://a:443,https://[::1]:80"],
        ["*", "https://*.example", "a.example", "https://a.example/", "https://A.example", "ftp://a",
         "https://a.example,", "https://a.example, https://b.example", "https://u@a.example", "https://a:443",
         "http://a:80,http://b"],
    ),
    "CipherPool": (["sha256", "blake2b-512,sha512"], ["", "sha-256", "SHA256", "sha256,", "sha256, sha512", "sha1,md5,sha1"]),
    "SaltPool": (["8", "16,32,64"], ["", "12", "8,", "8, 16", "64,64", "8,16,8"]),
    "RequestsPerIp": (["0", "10", "2000", "999999999"], ["", "-1", "1", "9", "05", "1e3"]),
    "DomainName": (["", "api.example.com"], ["https://api.example.com", "api.example.com/", "API.example.com", "api"]),
    "CertificateArn": (
        ["", f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0a1b-2c"],
        ["0a1b", f"arn:aws:iam::{ACCOUNT}:server-certificate/a"],
    ),
} | {
    name: (["", "caas-vault-1a2b"], ["A", "ab", "a.b", "s3://vault", "arn:aws:s3:::vault", "vault_", "a" * 64])
    for name in ["VaultBucketName", "UserKeysBucketName", "ClientsBucketName"]
} | {
    name: (
        ["", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/mrk-0a1b", FILE_KEY],
        ["alias/a", "0a1b", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"],
    )
    for name in ["FileKeyArn", "UserKeyArn"]
}


# Parameters that are wrong without another one.
NEEDS = {"DomainName": "CertificateArn", "VaultBucketName": "FileKeyArn", "UserKeysBucketName": "UserKeyArn"}


def parameters(template, expect):
    """`sam deploy --guided` asks for every parameter: Enter must do, and a typo must fail before anything changes."""
    found = template["Parameters"]
    for name, parameter in found.items():
        expect("Default" in parameter and not parameter.get("NoEcho"), f"Enter is enough for {name}")
    patterns = {name: p["AllowedPattern"] for name, p in found.items() if "AllowedPattern" in p}
    expect(set(patterns) == set(VALUES), "every pattern is tested")
    for name, (good, bad) in VALUES.items():
        accepts = [bool(re.fullmatch(patterns.get(name, ""), value)) for value in good + bad]
        expect(accepts == [True] * len(good) + [False] * len(bad), f"{name} accepts what it should: {accepts}")
    free = {n for n, p in found.items() if p["Type"] == "String" and not {"AllowedPattern", "AllowedValues"} & set(p)}
    expect(free == {"AlarmEmail"}, f"{free} accept anything")
    expect(refused(template) == [], "the defaults are accepted")
    for name, other in NEEDS.items():
        expect(refused(template, **{name: "given"}) == [f"{name} needs {other}"], f"{name} is refused without {other}")
        expect(refused(template, **{name: "given", other: "given"}) == [], f"{name} is accepted with {other}")
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    expect(sorted(grouped) == sorted(found), "each parameter is in one group")


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
            if resource == "*":
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
        "KeyAdministratorArn": f"arn:aws:iam::{ACCOUNT}:role/key-administrator", "Tracing": "true",
        "CloseInbox": "true", "RequestsPerIp": "500", "DomainName": "api.example.com", "CertificateArn": "certificate",
    }
    resources = resolved(template, **names)
    (traces,) = of_type(resources, "AWS::IAM::Policy").values()
    if flat(traces["PolicyDocument"]) != parts_of(TRACES):
        faults.append("traces need two permissions")
    if sorted(traces["Roles"]) != sorted(f.lower() + "role" for f in PERMISSIONS):
        faults.append("every function may send traces")
    closed = parts_of({
        "Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:ReplicateObject"], "Resource": INBOX + "/*",
    })
    if not closed <= flat(resources["InboxPolicy"]["Properties"]["PolicyDocument"]):
        faults.append("a closed inbox takes no files")
    (limit,) = of_type(resources, "AWS::WAFv2::WebACL").values()
    (rule,) = limit["Rules"]
    by_ip = {"AggregateKeyType": "IP", "EvaluationWindowSec": 300, "Limit": "500"}
    if (rule["Statement"], rule["Action"]) != ({"RateBasedStatement": by_ip}, {"Block": {}}):
        faults.append("WAF limits the requests of an address")
    if any(part["VisibilityConfig"]["SampledRequestsEnabled"] for part in (limit, rule)):
        faults.append("WAF keeps no samples, because they contain paths")
    (limited,) = of_type(resources, "AWS::WAFv2::WebACLAssociation").values()
    if limited["ResourceArn"] != "arn:aws:apigateway:us-east-1::/restapis/api/stages/apiprodstage":
        faults.append("WAF limits the requests to the stage")
    (domain,) = of_type(resources, "AWS::ApiGateway::DomainName").values()
    if not (TLS | {"RegionalCertificateArn": "certificate"}).items() <= domain.items():
        faults.append("the domain has its certificate, and the API's TLS")
    (mapping,) = of_type(resources, "AWS::ApiGateway::BasePathMapping").values()
    if mapping != {"DomainName": "domain", "RestApiId": "api", "Stage": "apiprodstage"}:
        faults.append("the domain leads to the stage")
    (rest,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    for kind, response in rest["Body"]["x-amazon-apigateway-gateway-responses"].items():
        if response["responseParameters"].get("gatewayresponse.header.Access-Control-Allow-Origin") != "'*'":
            faults.append(f"pages can read {kind}")
    others = {"ArnNotEquals": {"aws:PrincipalArn": names["KeyAdministratorArn"]}}
    if not nobody_writes_clients(others) <= flat(resources["ClientsPolicy"]["Properties"]["PolicyDocument"]):
        faults.append("only the administrator writes API keys")
    functions = of_type(resources, "AWS::Lambda::Function")
    for name, function in functions.items():
        allowed = function["Environment"]["Variables"].get("ALLOWED_ORIGINS")
        if name != "SealObject" and allowed != names["AllowedOrigins"]:
            faults.append(f"{name} allows the allowed origins")
        if function["ReservedConcurrentExecutions"] != (7 if name == "SealObject" else 5):
            faults.append(f"{name} has its reserved concurrency")
        if function["TracingConfig"] != {"Mode": "Active"}:
            faults.append(f"{name} is traced on demand")
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


def kept_state(template):
    """A stack over the buckets and keys of an earlier one has the same permissions, and creates only an inbox."""
    faults = []

    def expect(truth, fault):
        if not truth:
            faults.append(f"over kept state: {fault}")

    resources = resolved(
        template, VaultBucketName="vault", UserKeysBucketName="userkeys", ClientsBucketName="clients",
        FileKeyArn=FILE_KEY, UserKeyArn=USER_KEY,
    )
    roles(resources, expect)
    callers(resources, expect)
    functions(resources, expect)
    kms_administration(resources, expect)
    made = {kind: list(of_type(resources, kind)) for kind in ["AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key"]}
    expected = {"AWS::S3::Bucket": ["Inbox"], "AWS::S3::BucketPolicy": ["InboxPolicy"], "AWS::KMS::Key": []}
    expect(made == expected, "only the inbox is new")
    return faults


def events_as_sent():
    """Every event that differs from what the deployed API would send, by its route."""
    api = written()["Resources"]
    routes = {
        event["Properties"]["Path"]: name
        for name in ENVIRONMENT
        for event in api[name]["Properties"]["Events"].values()
        if event["Type"] == "Api"
    }
    faults = []
    for path in sorted((TEMPLATE.parent / "events").glob("*/*.json")):
        event = json.loads(path.read_text())
        if "resource" not in event:
            continue
        called = event["path"]
        fitting = [r for r in routes if r == called or r.endswith("{proxy+}") and called.startswith(r[:-8]) and called != r[:-8]]
        route = max(fitting, key=lambda r: (r == called, len(r)))
        proxy = {"proxy": called[len(route) - 8:]} if route.endswith("{proxy+}") else None
        sent = (event["resource"], event["requestContext"]["resourcePath"], event["pathParameters"])
        function = path.parent.name.title().replace("-", "")
        if sent != (route, route, proxy) or routes[route] != function:
            faults.append(f"{path.parent.name}/{path.name}: the API sends {route} and {proxy} to {routes[route]}")
    return faults
