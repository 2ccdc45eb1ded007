"""Compares the numbers in template.yaml with the constants in the code."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def constant(path, name):
    """The value of a constant in a Rust source file; of a duration, its seconds."""
    source = (ROOT / path).read_text()
    value = re.search(rf"const {name}: \w+ =\s*(?:Duration::from_secs\()?([\d_ *]+)\)?;", source)
    assert value, f"{path} has no constant {name}"
    product = 1
    for factor in value.group(1).split("*"):
        product *= int(factor)
    return product


def pools():
    """The ciphers and the salt lengths that the code knows."""
    source = (ROOT / "shared/crypto/src/pool.rs").read_text()
    ciphers = re.findall(r'Self::\w+ => "(.+?)"', source)
    (salts,) = re.findall(r"const ALL: \[Self; \d\] = \[((?:Self\(\d+\)(?:, )?)+)\]", source)
    return {"CipherPool": ciphers, "SaltPool": re.findall(r"\d+", salts)}


def facts_in_two_places(template):
    """Every number that differs between the template and the code."""
    parameters = template["Parameters"]
    body = constant("shared/http/src/config.rs", "DEFAULT_MAX_BODY_BYTES")
    put = constant("shared/vault/src/part.rs", "MAX_PUT_BYTES")
    sweep = constant("shared/inbox/src/settings.rs", "SWEEP_PERIOD")
    cache = constant("shared/users/src/settings.rs", "DEFAULT_CACHE")
    deleted = constant("tools/local/src/cloud.rs", "DELETED_FILE_DAYS")
    upload_days = constant("functions/upload-file/src/config.rs", "DEFAULT_UPLOAD_DAYS")
    longest_upload = constant("functions/upload-file/src/config.rs", "MAX_UPLOAD_DAYS")
    longest_cache = constant("shared/users/src/settings.rs", "MAX_CACHE_SECONDS")
    expected = {
        "MaxBodyBytes": {"Default": body, "MaxValue": body},
        "InboxMaxBytes": {"Default": put, "MaxValue": put},
        "SweepAgeSeconds": {"Default": sweep},
        "DeletedFileDays": {"Default": deleted},
        "UploadDays": {"Default": upload_days, "MaxValue": longest_upload},
        "UserKeyCacheSeconds": {"Default": cache, "MaxValue": longest_cache},
    }
    faults = [
        f"{name}.{field} is {parameters[name][field]}, in the code {value}"
        for name, fields in expected.items()
        for field, value in fields.items()
        if parameters[name][field] != value
    ]
    for name, values in pools().items():
        parameter = parameters[name]
        one = f"({'|'.join(values)})"
        if parameter["Default"] != ",".join(values) or not parameter["AllowedPattern"].endswith(f"{one}(,{one})*$"):
            faults.append(f"{name} is not what the code knows: {values}")
    limits = [template["Resources"]["SealObject"]["Properties"]["Timeout"]]
    limits *= constant("shared/inbox/src/model.rs", "RUNS_IN_AN_HOUR")
    limits.append(template["Globals"]["Function"]["Timeout"])
    if sum(limits) >= constant("shared/inbox/src/settings.rs", "LONGEST_RUN"):
        faults.append(f"a delete marker is forgotten before runs of {limits} seconds are over")
    events = template["Resources"]["SealObject"]["Properties"]["Events"].values()
    schedules = [event["Properties"]["Schedule"] for event in events if event["Type"] == "Schedule"]
    if schedules != [f"rate({sweep // 60} minutes)"]:
        faults.append(f"the sweep runs at {schedules}, in the code every {sweep} seconds")
    return faults
