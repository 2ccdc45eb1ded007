"""Removes each permission of a deployed function in turn, and expects the function to fail."""

import copy

import drive
from ministack import attempts

STEPS = {
    "EncryptFile": [drive.clients],
    "EncryptData": [drive.clients, drive.encrypt_data],
    "UploadFile": [drive.clients, drive.upload_file, drive.presigned, drive.in_parts],
    "SealObject": [drive.seal_object],
}

# Permissions whose removal goes unnoticed here, each with the reason. The run fails if the list is wrong.
UNSEEN = {
    # Without it, S3 returns 403 instead of 404 for an absent object; ministack returns 404.
    ("EncryptFile", "TellUnknownFromForbidden", "s3:ListBucket"),
    ("EncryptData", "TellUnknownFromForbidden", "s3:ListBucket"),
    ("UploadFile", "TellUnknownFromForbidden", "s3:ListBucket"),
    ("EncryptData", "ListAndTellAbsentFromForbidden", "s3:ListBucket"),
    ("SealObject", "FindWhatWaitsAndTellAbsentFromForbidden", "s3:ListBucket"),
    ("SealObject", "ListAndTellAbsentFromForbidden", "s3:ListBucket"),
    # No upload fails half-way.
    ("SealObject", "StoreCheckAndTakeBackFiles", "s3:AbortMultipartUpload"),
    # Nobody deletes a file at the very moment it is sealed.
    ("SealObject", "StoreCheckAndTakeBackFiles", "s3:DeleteObject"),
    # S3 requires it for writes and deletions with If-Match; ministack does not.
    ("SealObject", "StoreCheckAndTakeBackFiles", "s3:GetObject"),
    # Lambda does this in the function's role; ministack uses its own.
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
    assert unseen == UNSEEN, f"unnoticed: {unseen - UNSEEN}; noticed after all: {UNSEEN - unseen}"
    print(f"permissions, each removed from a deployed function: {seen} noticed, {len(unseen)} cannot be")


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
    """Seals what a failed step left in the inbox, and empties the queue."""
    for _ in attempts(180):
        drive.dead_letters(stack)
        try:
            report = drive.sweep(stack)
        except AssertionError:
            continue  # Another run is working on the same file.
        if report["sealed"] == report["failed"] == 0 and not drive.dead_letters(stack):
            return
    raise AssertionError("the inbox is never empty")
