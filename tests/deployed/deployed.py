"""Deploys a built template to ministack and uses every route, deletes the stack, deploys it again over what it leaves,
and once more in another region.

    python tests/deployed/deployed.py .aws-sam/build/template.yaml (arm64|x86_64)
"""

import hashlib
import pathlib
import sys

import drive
import kept
import permissions
import yaml
from ministack import Ministack, deploy, deploy_guided

PARAMETERS = {
    "ApiKeys": f"{drive.CLIENT}:{hashlib.sha256(drive.API_KEY.encode()).hexdigest()}",
    # The sweep seals waiting files at once.
    "SweepAgeSeconds": 0,
    "MultiRegionKeys": "true",
}


def without_metric_math(template):
    """The emulator refuses an alarm on an expression; tests/template checks it."""
    path = pathlib.Path(template)
    content = yaml.safe_load(path.read_text())
    content["Resources"].pop("ClientValuesAlarm", None)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def main():
    template, architecture = sys.argv[1:]
    without_metric_math(template)
    parameters = {"Architecture": architecture, **PARAMETERS}
    with Ministack() as server:
        try:
            stack = deploy_guided(template)
            assert stack.tags["application"] == "caas", stack.tags
            drive.front_door(stack)
            drive.nobody_gets_in(stack)
            stack.delete()
            kept.remains(stack)

            stack = deploy(template, **parameters)
            for step in [
                drive.front_door, drive.page, drive.problems, drive.clients, drive.doctor, drive.encrypt_file,
                drive.encrypt_data, drive.upload_file, drive.presigned, drive.in_parts, drive.seal_object, drive.logs, drive.alarms,
            ]:
                step(stack)
                print(f"{step.__name__}: ok", flush=True)
            kept.failed_over(stack, template, **parameters)
            print("another region: ok", flush=True)
            stack = kept.redeployed(stack, template, **parameters)
            print("deleted and deployed again: ok", flush=True)
            permissions.each_is_needed(stack)
        except BaseException:
            print(server.log_text()[-5000:], file=sys.stderr)
            raise


main()
