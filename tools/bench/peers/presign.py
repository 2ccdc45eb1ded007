"""Presigned requests that put and get one object, as JSON, for whatever S3 the environment names."""

import json

import boto3
from botocore.config import Config

S3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
if "plain" not in [bucket["Name"] for bucket in S3.list_buckets()["Buckets"]]:
    S3.create_bucket(Bucket="plain")
S3.put_object(Bucket="plain", Key="object", Body=bytes(10 << 10))
sign = S3.generate_presigned_url
print(json.dumps({
    "PUT": sign("put_object", {"Bucket": "plain", "Key": "written"}),
    "GET": sign("get_object", {"Bucket": "plain", "Key": "object"}),
}))
