"""The numbers that template.yaml and the code both contain: each is one constant in the code."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def constant(path, name):
    """The value of a number, or of a duration in seconds, in a Rust source file."""
    source = (ROOT / path).read_text()
    value = re.search(rf"const {name}: \w+ =\s*(?:Duration::from_secs\()?([\d_ *]+)\)?;", source)
    assert value, f"{path} has no constant {name}"
    product = 1
    for factor in value.group(1).split("*"):
        product *= int(factor)
    return product


def facts_in_two_places(template):
    """What the template says differently from the code."""
    parameters = template["Parameters"]
    body = constant("shared/http/src/config.rs", "DEFAULT_MAX_BODY_BYTES")
    put = constant("shared/vault/src/part.rs", "MAX_PUT_BYTES")
    sweep = constant("shared/inbox/src/settings.rs", "SWEEP_PERIOD")
    cache = constant("shared/users/src/settings.rs", "DEFAULT_CACHE")
    longest_cache = constant("shared/users/src/settings.rs", "MAX_CACHE_SECONDS")
    expected = {
        "MaxBodyBytes": {"Default": body, "MaxValue": body},
        "InboxMaxBytes": {"Default": put, "MaxValue": put},
        "SweepAgeSeconds": {"Default": sweep},
        "UserKeyCacheSeconds": {"Default": cache, "MaxValue": longest_cache},
    }
    faults = [
        f"{name}.{field} is {parameters[name][field]}, in the code {value}"
        for name, fields in expected.items()
        for field, value in fields.items()
        if parameters[name][field] != value
    ]
    events = template["Resources"]["SealObject"]["Properties"]["Events"].values()
    schedules = [event["Properties"]["Schedule"] for event in events if event["Type"] == "Schedule"]
    if schedules != [f"rate({sweep // 60} minutes)"]:
        faults.append(f"the sweep runs at {schedules}, in the code every {sweep} seconds")
    return faults
