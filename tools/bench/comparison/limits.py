"""Where AWS's limits are reached: a model of published quotas and of the requests that were counted."""

from .page import goal, section

KMS = "https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"
SCALING = "https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html"
S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"
GATEWAY = "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"

# Per second. KMS's quota depends on the region and can be raised; Lambda's is executions.
KMS_REQUESTS = 10_000
EXECUTIONS = 1_000
REQUESTS_PER_EXECUTION = 10
GATEWAY_REQUESTS = 10_000
PARTITION_WRITES, PARTITION_READS = 3_500, 5_500

WRITES = {"PutObject", "CopyObject", "DeleteObject", "DeleteObjects"}
FILES, USERS = 10**9, 10**8

# The model's own numbers: (KMS requests, S3 writes, S3 reads) of one operation.
EXPECTED = {
    "upload 1 KiB": (1, 1, 0),
    "download": (1, 0, 1),
    "grant": (1, 0, 1),
    "list 100 files": (0, 0, 1),
    "`/encrypt`, new user": (1, 1, 1),
    "`/encrypt`, known user, key not in memory": (1, 0, 1),
    "`/encrypt`, warm": (0, 0, 0),
    "first request of an API key": (0, 0, 1),
}


def tally(requests):
    """KMS requests, S3 writes, S3 reads."""
    kms = sum(count for call, count in requests.items() if call.startswith("kms:"))
    s3 = {call.partition(":")[2]: count for call, count in requests.items() if call.startswith("s3:")}
    writes = sum(count for call, count in s3.items() if call in WRITES)
    return kms, writes, sum(s3.values()) - writes


def bounds(kms, writes, reads, by_api=True):
    """How many operations a second each limit allows; S3's for one partition."""
    limits = {"KMS": KMS_REQUESTS / kms if kms else None}
    limits["S3, one partition"] = min(
        [rate / count for rate, count in [(PARTITION_WRITES, writes), (PARTITION_READS, reads)] if count], default=None
    )
    if by_api:
        limits["Lambda"] = EXECUTIONS * REQUESTS_PER_EXECUTION
        limits["API Gateway"] = GATEWAY_REQUESTS
    return {name: limit for name, limit in limits.items() if limit}


def hours(seconds):
    return f"{seconds / 3600:,.0f} hours" if seconds < 4 * 86400 else f"{seconds / 86400:,.0f} days"


def model(counted):
    """A section about 10⁹ files and 10⁸ users; `counted` has the requests of one operation, by name."""
    rows = [["operation", "KMS", "S3 writes", "S3 reads", "operations/s of one client", "spread over S3's partitions", "first to bend"]]
    of = {name: tally(requests) for name, requests in counted.items()}
    for name, (kms, writes, reads) in of.items():
        limits = bounds(kms, writes, reads, by_api=name != "seal a dropped file")
        spread = {limit: rate for limit, rate in limits.items() if not limit.startswith("S3")} or limits
        first = min(limits, key=limits.get)
        rows.append([
            name, f"{kms:g}", f"{writes:g}", f"{reads:g}", f"{min(limits.values()):,.0f}", f"{min(spread.values()):,.0f}", first,
        ])
    wrong = [name for name, expected in EXPECTED.items() if of.get(name) != expected]
    upload, download = of["upload 1 KiB"], of["download"]
    new, known = of["`/encrypt`, new user"], of["`/encrypt`, known user, key not in memory"]
    one_client = min(bounds(*upload).values())
    all_clients = min(rate for limit, rate in bounds(*upload).items() if not limit.startswith("S3"))
    store = [
        ["", "takes at these quotas", "what bends"],
        ["storing 10⁹ files of one client", hours(FILES / one_client), "S3: new keys begin with the time, so they are at the end of the client's prefix, one partition until S3 splits it"],
        ["storing 10⁹ files of many clients", hours(FILES / all_clients), "KMS, Lambda and API Gateway alike"],
        ["reading each of 10⁹ files once", hours(FILES / min(KMS_REQUESTS / download[0], GATEWAY_REQUESTS)), "KMS: one `Decrypt` each, cached nowhere, by design"],
        ["listing 10⁹ files, 1,000 a page", f"{FILES // 1000:,} requests", "nothing but patience: use S3 Inventory"],
        ["finding one of 10⁹ files", f"{sum(download):g} requests", "nothing: by its key, without an index"],
        ["a sweep with 10⁵ waiting drops", "100 listings", "nothing; it lists for two minutes at most, then goes on with other keys the next time"],
        ["creating 10⁸ users", hours(USERS / (KMS_REQUESTS / new[0])), "KMS, Lambda and API Gateway alike; records are spread by UUID, so S3 splits them well"],
        [
            "10⁸ users, each active once a minute", f"{USERS / 60 * known[0]:,.0f} KMS requests/s",
            f"KMS: {USERS / 60 * known[0] / KMS_REQUESTS:,.0f} times the quota. A key is kept in memory for a minute, so "
            f"{KMS_REQUESTS * 60 / known[0]:,.0f} different users a minute fit, counted once for each process that sees them",
        ],
    ]
    goals = [goal(
        "the model of AWS's limits", "counted requests", "the same", "the same" if not wrong else f"not for {', '.join(wrong)}",
        not wrong, "the model or the code has changed",
    )]
    text = f"""
A model of quotas as AWS publishes them, not a measurement: [KMS]({KMS}) {KMS_REQUESTS:,} symmetric requests a second, shared by the account
(it differs by region and can be raised); [Lambda]({LAMBDA}) {EXECUTIONS:,} concurrent executions with {REQUESTS_PER_EXECUTION} requests a second each,
growing by [1,000 every 10 seconds]({SCALING}); [API Gateway]({GATEWAY}) {GATEWAY_REQUESTS:,} requests a second; [S3]({S3}) {PARTITION_WRITES:,} writes and {PARTITION_READS:,} reads a second for each
partitioned prefix. The requests of one operation are those counted above. They do not depend on how much is stored, so
rates bend, never sizes; every one of these quotas is per account, and clients can be spread over accounts.
"""
    return section("Where AWS's limits bend", text, [rows, store], goals)
