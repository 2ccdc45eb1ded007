"""Deploys a built template to ministack and uses every route.

    python tests/deployed/deployed.py .aws-sam/build/template.yaml (arm64|x86_64)
"""

import hashlib
import sys

import drive
import permissions
from ministack import Ministack, deploy

PARAMETERS = {
    "ApiKeys": f"{drive.CLIENT}:{hashlib.sha256(drive.API_KEY.encode()).hexdigest()}",
    # The sweep seals waiting files at once.
    "SweepAgeSeconds": 0,
}


def main():
    template, architecture = sys.argv[1:]
    with Ministack() as server:
        try:
            stack = deploy(template, Architecture=architecture, **PARAMETERS)
            for step in [
                drive.front_door, drive.problems, drive.clients, drive.encrypt_file, drive.encrypt_data,
                drive.upload_file, drive.presigned, drive.in_parts, drive.seal_object, drive.logs,
            ]:
                step(stack)
                print(f"{step.__name__}: ok", flush=True)
            permissions.each_is_needed(stack)
        except BaseException:
            print(server.log_text()[-5000:], file=sys.stderr)
            raise


main()
