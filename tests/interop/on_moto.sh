#!/bin/sh
# Runs interop.py against moto's S3 and KMS instead of our emulator:
#
#     tests/interop/on_moto.sh
#
# PYTHON and MOTO_SERVER name the programs; they need moto[server,s3,kms] and requirements.txt.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
moto_server=${MOTO_SERVER:-moto_server}

cargo build --quiet -p upload-file --example serve
serve=${CARGO_TARGET_DIR:-target}/debug/examples/serve

port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
moto_port=$(port)
"$moto_server" -H 127.0.0.1 -p "$moto_port" >/dev/null 2>&1 &
moto=$!
service=
trap 'kill $moto $service 2>/dev/null' EXIT

export AWS_ENDPOINT_URL_S3="http://127.0.0.1:$moto_port" AWS_ENDPOINT_URL_KMS="http://127.0.0.1:$moto_port"
export AWS_ACCESS_KEY_ID=moto AWS_SECRET_ACCESS_KEY=moto AWS_REGION=us-east-1 VAULT_BUCKET=vault
FILE_KEY_ID=$("$python" - <<'PYTHON'
import time, boto3
s3, kms = boto3.client("s3", region_name="us-east-1"), boto3.client("kms", region_name="us-east-1")
for attempt in range(100):
    try:
        s3.create_bucket(Bucket="vault")
        break
    except Exception:
        time.sleep(0.2)
versioning = {"Status": "Enabled"}
s3.put_bucket_versioning(Bucket="vault", VersioningConfiguration=versioning)
print(kms.create_key()["KeyMetadata"]["Arn"])
PYTHON
)
export FILE_KEY_ID
CAAS_API_KEY=caas_interop-only-interop-only-interop-only-inte2jEv8L
API_KEYS="interop:$(printf %s "$CAAS_API_KEY" | sha256sum | cut -d' ' -f1)"
service_port=$(port)
CAAS_URL="http://127.0.0.1:$service_port"
export CAAS_API_KEY CAAS_URL API_KEYS MAX_BODY_BYTES=67108864
"$serve" "127.0.0.1:$service_port" &
service=$!
"$python" - <<'PYTHON'
import os, time, urllib.error, urllib.request
for attempt in range(100):
    try:
        urllib.request.urlopen(os.environ["CAAS_URL"])
    except urllib.error.HTTPError:
        break
    except OSError:
        time.sleep(0.1)
PYTHON
"$python" tests/interop/interop.py
