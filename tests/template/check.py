"""Checks that template.yaml follows the rules, and that the rules are tight: removing any permission, condition or
setting breaks a rule, and so does adding or widening any permission.

    python tests/template/check.py
"""

import copy
import json
import sys

from audit import audit_trail
from facts import facts_in_two_places
from rendered import REPLICA_KEYS, rendered, resolved, written
from rules import (
    PERMISSIONS, check, events_as_sent, kept_state, many, other_parameters, parts_of, replica_keys, rules_in_words,
)


def changed(template, change):
    """A copy of the template with `change` applied."""
    template = copy.deepcopy(template)
    change(template["Resources"])
    return template


def policies(resources):
    """Every policy, as a resource's name and a function that finds it."""
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        for index, _ in enumerate(properties.get("Policies", [])):
            yield name, lambda r, n=name, i=index: r[n]["Properties"]["Policies"][i]["PolicyDocument"]
        for policy in ["PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument"]:
            if policy in properties:
                yield name, lambda r, n=name, p=policy: r[n]["Properties"][p]


def without_one(template):
    """Every change that removes one permission, one condition, or one resource of a permission."""
    resources = template["Resources"]
    for name, policy in policies(resources):
        for index, statement in enumerate(policy(resources)["Statement"]):
            def drop_statement(r, policy=policy, index=index):
                del policy(r)["Statement"][index]

            yield f"{name}: {statement.get('Sid')}", drop_statement
            if "Condition" in statement:
                def drop_condition(r, policy=policy, index=index):
                    del policy(r)["Statement"][index]["Condition"]

                yield f"{name}: {statement.get('Sid')}, condition", drop_condition
            for field in ["Action", "Resource"]:
                values = statement.get(field)
                for place in range(len(values)) if isinstance(values, list) else ():
                    def drop_value(r, policy=policy, index=index, field=field, place=place):
                        del policy(r)["Statement"][index][field][place]

                    yield f"{name}: {values[place]}", drop_value
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::Lambda::Permission", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
            yield name, lambda r, name=name: r.pop(name)
        for field in ["SourceArn", "SourceAccount"]:
            if field in resource.get("Properties", {}):
                yield f"{name}: {field}", lambda r, n=name, f=field: r[n]["Properties"].pop(f)
        for place, _ in enumerate(resource.get("Properties", {}).get("ManagedPolicyArns", [])):
            yield f"{name}: managed policy", lambda r, n=name, p=place: (
                r[n]["Properties"]["ManagedPolicyArns"].pop(p)
            )


def with_one_more(template):
    """Every change that grants a function one more permission, or widens one."""
    resources = template["Resources"]
    functions = [f + "Role" for f in PERMISSIONS]

    def statements(r, role):
        return r[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]

    effective = resolved(template)

    def has(role, other, place):
        wanted = parts_of(statements(effective, other)[place])
        return wanted <= parts_of(*statements(effective, role))

    known = {}
    for role in functions:
        for statement in statements(resources, role):
            for action in many(statement["Action"]):
                known.setdefault(action.split(":")[0], set()).add(action)
    known["s3"] |= {"s3:*", "s3:GetObjectAcl", "s3:PutBucketPolicy", "s3:PutReplicationConfiguration"}
    known["kms"] |= {"kms:*", "kms:CreateGrant", "kms:ReEncryptFrom", "kms:ScheduleKeyDeletion"}
    for role in functions:
        for statement in statements(resources, role):
            for action in sorted(known[many(statement["Action"])[0].split(":")[0]]):
                if action in many(statement["Action"]):
                    continue

                def add(r, role=role, sid=statement["Sid"], action=action):
                    (found,) = [s for s in statements(r, role) if s["Sid"] == sid]
                    found["Action"] = many(found["Action"]) + [action]

                yield f"{role}: {statement['Sid']} and {action}", add
            if statement["Resource"] != "*":
                def widen(r, role=role, sid=statement["Sid"]):
                    (found,) = [s for s in statements(r, role) if s["Sid"] == sid]
                    found["Resource"] = "*"

                yield f"{role}: {statement['Sid']} everywhere", widen
        for other in functions:
            for place, statement in enumerate(statements(resources, other)):
                if not has(role, other, place):
                    def lend(r, role=role, statement=statement):
                        statements(r, role).append(copy.deepcopy(statement))

                    yield f"{role} as {other}: {statement['Sid']}", lend
        for arn in ["AdministratorAccess", "service-role/AWSLambdaBasicExecutionRole"]:
            yield f"{role}: {arn}", lambda r, role=role, arn=arn: r[role]["Properties"].update(
                ManagedPolicyArns=[f"arn:aws:iam::aws:policy/{arn}"]
            )
    for role in functions:
        for place, statement in enumerate(statements(resources, role)):
            for operator, condition in statement.get("Condition", {}).items():
                for variable in condition:
                    def other_value(r, role=role, place=place, o=operator, variable=variable):
                        statements(r, role)[place]["Condition"][o][variable] = "114"

                    yield f"{role}: {variable} of another value", other_value


SETTINGS = {
    "AWS::S3::Bucket": [
        "PublicAccessBlockConfiguration", "OwnershipControls", "VersioningConfiguration",
        "BucketEncryption", "LifecycleConfiguration", "CorsConfiguration", "ObjectLockEnabled",
        "ObjectLockConfiguration",
    ],
    "AWS::KMS::Key": ["EnableKeyRotation", "MultiRegion"],
    "AWS::Logs::LogGroup": ["RetentionInDays"],
    "AWS::Logs::SubscriptionFilter": ["LogGroupName", "FilterPattern", "DestinationArn", "RoleArn"],
    "AWS::KinesisFirehose::DeliveryStream": [
        "DeliveryStreamType", "DeliveryStreamEncryptionConfigurationInput", "ExtendedS3DestinationConfiguration",
    ],
    "AWS::SQS::Queue": ["SqsManagedSseEnabled", "MessageRetentionPeriod"],
    "AWS::Lambda::EventInvokeConfig": ["DestinationConfig", "MaximumRetryAttempts"],
    "AWS::Lambda::Function": ["TracingConfig"],
    "AWS::ApiGateway::Stage": ["AccessLogSetting"],
    "AWS::ApiGateway::RestApi": ["SecurityPolicy", "EndpointAccessMode"],
    "AWS::ApiGateway::DomainName": ["SecurityPolicy", "EndpointAccessMode"],
}


def without_one_setting(template):
    for name, resource in template["Resources"].items():
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"]:
            if "Retain" in resource.get(policy, ""):
                yield f"{name}: {policy}", lambda r, n=name, p=policy: r[n].pop(p)
        for setting in SETTINGS.get(resource["Type"], []):
            if setting not in resource["Properties"]:
                continue
            yield f"{name}: {setting}", lambda r, n=name, s=setting: r[n]["Properties"].pop(s)
        if resource["Type"] in ("AWS::S3::Bucket", "AWS::KMS::Key"):
            for policy in ["DeletionPolicy", "UpdateReplacePolicy"]:
                yield f"{name}: {policy}", lambda r, n=name, p=policy: r[n].pop(p)
        if resource["Type"] == "AWS::S3::Bucket":
            yield f"{name}: replicated", lambda r, n=name: r[n]["Properties"].update(
                ReplicationConfiguration={"Role": "role", "Rules": []}
            )
            for setting in resource["Properties"]["PublicAccessBlockConfiguration"]:
                yield f"{name}: {setting}", lambda r, n=name, s=setting: (
                    r[n]["Properties"]["PublicAccessBlockConfiguration"].pop(s)
                )


def with_other_problems(template):
    """Every template in which one response of the gateway differs from the registry of problems."""
    for name, resource in template["Resources"].items():
        responses = resource.get("Properties", {}).get("Body", {})
        for kind in responses.get("x-amazon-apigateway-gateway-responses", {}):
            for member, other in [("type", "/problems/other"), ("status", 418), ("title", "Other")]:
                def replace(r, name=name, kind=kind, member=member, other=other):
                    body = r[name]["Properties"]["Body"]
                    response = body["x-amazon-apigateway-gateway-responses"][kind]
                    templates = response["responseTemplates"]
                    problem = json.loads(templates["application/json"])
                    templates["application/json"] = json.dumps(problem | {member: other})

                yield f"{kind}: {member}", replace


def faults_of(template):
    return check(template) or other_parameters(template) or kept_state(template) or audit_trail(template)


def main():
    template, replicas = rendered(written()), written(REPLICA_KEYS)
    faults = faults_of(template) + rules_in_words(template) + facts_in_two_places(written())
    faults += replica_keys(replicas) + events_as_sent()
    for fault in faults:
        print(f"rule broken: {fault}")
    if faults:
        sys.exit(1)
    for kind, original, broken, changes in [
        ("permissions and conditions, each removed", template, faults_of, without_one(template)),
        ("permissions, each added or widened", template, faults_of, with_one_more(template)),
        ("settings, each removed", template, faults_of, without_one_setting(template)),
        ("the gateway's problems, each changed", template, faults_of, with_other_problems(template)),
        ("replica keys: permissions and conditions, each removed", replicas, replica_keys, without_one(replicas)),
        ("replica keys: settings, each removed", replicas, replica_keys, without_one_setting(replicas)),
    ]:
        changes = list(changes)
        for what, change in changes:
            if not broken(changed(original, change)):
                sys.exit(f"no rule notices this change: {what}")
        print(f"{kind}: {len(changes)}, all noticed")


main()
