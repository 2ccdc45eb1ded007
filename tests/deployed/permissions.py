"""Takes one permission after the other from a deployed function, and expects its work to fail."""

import copy

import drive
from ministack import attempts

STEPS = {
    "EncryptData": [drive.encrypt_data],
    "UploadFile": [drive.upload_file, drive.presigned],
    "SealObject": [drive.seal_object],
}

# Those whose absence does not show here, each with the reason. Where one shows after all, or another does
# not, the run fails.
UNSEEN = {
    # S3 answers 403 instead of 404 for what is absent; ministack answers 404.
    ("EncryptData", "ListAndTellAbsentFromForbidden", "s3:ListBucket"),
    ("SealObject", "FindWhatWaitsAndTellAbsentFromForbidden", "s3:ListBucket"),
    ("SealObject", "ListAndTellAbsentFromForbidden", "s3:ListBucket"),
    # No upload fails in the middle.
    ("UploadFile", "StoreReadAndDeleteFiles", "s3:AbortMultipartUpload"),
    ("SealObject", "StoreCheckAndTakeBackFiles", "s3:AbortMultipartUpload"),
    # Nobody deletes a file at the moment at which it is sealed.
    ("SealObject", "StoreCheckAndTakeBackFiles", "s3:DeleteObject"),
    # S3 asks for it where a write or deletion has If-Match; ministack does not.
    ("SealObject", "StoreCheckAndTakeBackFiles", "s3:GetObject"),
    # Lambda's own doing in the role of the function, which ministack does in its own.
    ("SealObject", "ReportDeadLetters", "sqs:SendMessage"),
}
LAMBDAS_OWN = ("OwnLogs", "OwnTraces")


def each_is_needed(stack):
    seen, unseen = 0, set()
    for function, steps in STEPS.items():
        granted = stack.policy(function)
        for sid, action, rest in without_one(granted):
            stack.put_policy(function, rest)
            try:
                for step in steps:
                    step(stack)
                unseen.add((function, sid, action))
            except AssertionError:
                seen += 1
            finally:
                stack.put_policy(function, granted)
            if function == "SealObject":
                clean_up(stack)
    assert unseen == UNSEEN, f"not noticed: {unseen - UNSEEN}; noticed after all: {UNSEEN - unseen}"
    print(f"permissions, each taken from a deployed function: {seen} noticed, {len(unseen)} cannot be")


def without_one(policy):
    for place, statement in enumerate(policy["Statement"]):
        if statement["Sid"] in LAMBDAS_OWN:
            continue
        actions = statement["Action"]
        actions = actions if isinstance(actions, list) else [actions]
        for action in actions:
            rest = copy.deepcopy(policy)
            rest["Statement"][place]["Action"] = [a for a in actions if a != action]
            if len(actions) == 1:
                del rest["Statement"][place]
            yield statement["Sid"], action, rest


def clean_up(stack):
    """Seals what a failed step has left in the inbox, and empties the queue."""
    for _ in attempts(60):
        drive.dead_letters(stack)
        try:
            report = drive.sweep(stack)
        except AssertionError:
            continue  # Another run works on the same.
        if report["sealed"] == report["failed"] == 0 and not drive.dead_letters(stack):
            return
    raise AssertionError("the inbox does not become empty")
