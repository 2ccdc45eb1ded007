"""template.yaml as CloudFormation would see it: with SAM's transform applied, and every intrinsic function
replaced by its value in an imaginary account."""

import logging
import os
import pathlib
import re

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

logging.disable(logging.WARNING)
from samtranslator.translator.transform import transform  # noqa: E402 (it reads the region)
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "template.yaml"
REPLICA_KEYS = TEMPLATE.with_name("replica-keys.yaml")

ACCOUNT = "111122223333"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackId": f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/caas/0a1b2c3d-stack",
    "AWS::StackName": "caas",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": None,
}
ARNS = {
    "AWS::ApiGateway::RestApi": "arn:aws:apigateway:us-east-1::/restapis/{}",
    "AWS::Events::Rule": "arn:aws:events:us-east-1:" + ACCOUNT + ":rule/{}",
    "AWS::IAM::Role": "arn:aws:iam::" + ACCOUNT + ":role/{}",
    "AWS::KinesisFirehose::DeliveryStream": "arn:aws:firehose:us-east-1:" + ACCOUNT + ":deliverystream/{}",
    "AWS::KMS::Key": "arn:aws:kms:us-east-1:" + ACCOUNT + ":key/{}",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:" + ACCOUNT + ":function:{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:" + ACCOUNT + ":log-group:{}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SNS::Topic": "arn:aws:sns:us-east-1:" + ACCOUNT + ":{}",
    "AWS::WAFv2::WebACL": "arn:aws:wafv2:us-east-1:" + ACCOUNT + ":regional/webacl/{}",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:" + ACCOUNT + ":{}",
}


class NoManagedPolicies:
    """SAM's lookup of AWS's managed policies. The functions use none."""

    def load(self):
        return {}


def written(path=TEMPLATE):
    """A template as it is in the file."""
    return yaml_parse(path.read_text())


def rendered(template=None):
    """The template with SAM's resources replaced by CloudFormation's."""
    template = template or written()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    return transform(template, {}, NoManagedPolicies())


def resolved(template, **parameters):
    """The resources by name, fully resolved. Parameters have their defaults unless given."""
    return _Resolver(template, parameters).resources()


def refused(template, **parameters):
    """What the template's rules say against these parameters."""
    resolver = _Resolver(template, parameters)
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values() if resolver.value(rule.get("RuleCondition", True))
        for assertion in rule["Assertions"] if not resolver.value(assertion["Assert"])
    ]


class _Resolver:
    def __init__(self, template, parameters):
        self.template = template
        defaults = {name: p.get("Default") for name, p in template["Parameters"].items()}
        self.known = {**PSEUDO, **defaults, **parameters}

    def resources(self):
        found = self.template["Resources"].items()
        return {name: self.value(r) for name, r in found if self.holds(r.get("Condition"))}

    def holds(self, condition):
        return condition is None or self.value(self.template["Conditions"][condition])

    def value(self, value):
        if isinstance(value, list):
            return [v for v in map(self.value, value) if v is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), = value.items()
            function = getattr(self, name.replace("Fn::", "fn_").lower(), None)
            if function and (name == "Ref" or name.startswith("Fn::")):
                return function(argument)
        values = {key: self.value(v) for key, v in value.items()}
        return {key: v for key, v in values.items() if v is not None}

    def ref(self, name):
        if name in self.known:
            return self.known[name]
        resource = self.template["Resources"][name]
        assert self.holds(resource.get("Condition")), f"{name} is referred to, but not created"
        named = resource.get("Properties", {}).get("BucketName")
        return self.value(named) if named else name.lower()

    def fn_getatt(self, argument):
        name, attribute = argument if isinstance(argument, list) else argument.split(".")
        if attribute != "Arn":
            return self.ref(name)
        return ARNS[self.template["Resources"][name]["Type"]].format(self.ref(name))

    def fn_sub(self, argument):
        text, own = argument if isinstance(argument, list) else (argument, {})

        def replace(match):
            name = match.group(1)
            if name in own:
                return self.value(own[name])
            return str(self.fn_getatt(name) if "." in name else self.ref(name))

        return re.sub(r"\$\{([^!}]+)\}", replace, text)

    def fn_select(self, argument):
        return self.value(argument[1])[int(argument[0])]

    def fn_split(self, argument):
        return self.value(argument[1]).split(argument[0])

    def fn_if(self, argument):
        return self.value(argument[1 if self.holds(argument[0]) else 2])

    def fn_equals(self, argument):
        return str(self.value(argument[0])) == str(self.value(argument[1]))

    def fn_not(self, argument):
        return not self.value(argument[0])
