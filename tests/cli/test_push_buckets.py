"""ferry push and verify on buckets: faults of servers, two publishers, clients of others, and what
is refused."""

import hashlib
import json
import shutil

import pytest

from aws_signature import Account
from published import mirror, publisher, signed_base  # noqa: F401
from s3_servers import (PUBLISHER, READER, SMALL, STRANGER, WRONG_KEY, WRONG_SECRET, Keys, Region,
                        rclone)
from bucket_mirrors import Bucket
from waiting import communicate, until

# -- faults -----------------------------------------------------------------------------

@pytest.fixture
def us(publisher, radosgw, s3_proxy, no_pauses):
    """One mirror, us, in a bucket of radosgw behind a proxy."""
    region = radosgw.region("us-east-1")
    publisher.ferry.env.update(PUBLISHER.env)
    bucket = Bucket("us", region, s3_proxy(region))
    publisher.configure(bucket.section())
    bucket.push = publisher
    return bucket


FAULTS = [
    ("UploadPart", "*", 2, {"slow_down": True}),
    ("UploadPart", "*", 1, {"cut_after": 3 << 20}),
    ("UploadPart", "*", 1, {"lost": True}),
    ("UploadPart", "*", 1, {"error": "InternalError"}),
    ("CreateMultipartUpload", "*", 1, {"slow_down": True}),
    ("CreateMultipartUpload", "*", 1, {"lost": True}),
    ("CompleteMultipartUpload", "*", 1, {"ok_with_error": "InternalError"}),
    ("CompleteMultipartUpload", "*", 1, {"slow_down": True}),
    ("CompleteMultipartUpload", "*", 1, {"lost": True}),
    ("PutObject", "targets/*", 1, {"cut_after": 100}),
    ("PutObject", "targets/*", 1, {"lost": True}),
    ("PutObject", "metadata/timestamp.json", 1, {"slow_down": True}),
    ("PutObject", "metadata/timestamp.json", 1, {"lost": True}),
    ("HeadObject", "*", 2, {"error": "ServiceUnavailable"}),
    ("List*", "*", 1, {"error": "InternalError"}),
]


def test_a_push_succeeds_after_each_of_many_faults(us):
    us.push("push")
    us.push.add_model("second", "26M", seed=2)
    us.push("push")
    for seed, (operation, key, times, what) in enumerate(FAULTS, 3):
        for name in us.region.keys_of(us.bucket):
            if "second" in name or name.startswith("metadata/") or "catalog" in name:
                us.client.delete_object(Bucket=us.bucket, Key=name)
        fault = us.proxy.add(operation, key, times=times, **what)
        result = us.push("push", "--json")
        where = f"{operation} {what}: {result.err}"
        assert fault.hits == times and result.json["mirrors"][0]["outcome"] == "done", where
        us.proxy.heal()
        assert us.region.uploads(us.bucket) == [], where
        us.push("verify", "--full")


def test_a_part_that_arrives_changed_is_sent_again(us):
    fault = us.proxy.add("UploadPart", times=1, flip=True)
    us.push("push")
    assert fault.hits == 1
    us.push("verify", "--full")


@pytest.mark.parametrize("what", [{"ok_with_error": "InternalError"}, {"lost": True},
                                  {"slow_down": True}])
def test_a_copied_part_is_right_whatever_the_server_answers(us, what):
    us.push.add_model("large", "40M", seed=5)
    us.push("push")
    us.push.add_model("large", "40M", seed=5, options=("--revision", "1"))
    fault = us.proxy.add("UploadPartCopy", times=1, **what)
    result = us.push("push", "--json").json["mirrors"][0]
    assert fault.hits == 1 and result["outcome"] == "done" and result["copied_bytes"] > 0
    assert us.region.uploads(us.bucket) == []
    us.push("verify", "--full")


@pytest.mark.parametrize("what", [{"slow_down": True}, {"lost": True}])
def test_a_damaged_object_that_reports_the_right_digest_is_replaced(us, what):
    us.push.add_model("second", "26M", seed=2)
    us.push("push")
    [model] = [k for k in us.region.keys_of(us.bucket) if k.endswith("second-q8_0.gguf")]
    body = bytearray(us.read(model))
    body[9 << 20] ^= 1
    said = us.client.head_object(Bucket=us.bucket, Key=model)["Metadata"]
    assert said["sha256"]
    us.client.put_object(Bucket=us.bucket, Key=model, Body=bytes(body), Metadata=said)
    us.push("verify", "--full", check=1)
    fault = us.proxy.add("CompleteMultipartUpload", times=1, **what)
    us.push("push")
    assert fault.hits == 1
    us.push("verify", "--full")


def test_an_object_that_was_replaced_since_it_was_verified_is_read_back(us):
    us.push("push")
    [model] = [k for k in us.region.keys_of(us.bucket) if k.endswith(".gguf")]
    body = bytearray(us.read(model))
    body[len(body) // 2] ^= 1
    said = us.client.head_object(Bucket=us.bucket, Key=model)["Metadata"]
    us.client.put_object(Bucket=us.bucket, Key=model, Body=bytes(body), Metadata=said)
    [mirror] = us.push("push", "--dry-run", "--json").json["mirrors"]
    assert [(s["action"], s["because"]) for s in mirror["steps"]] == \
        [("check", "changed since it was verified")]
    us.push("push")
    us.push("verify", "--full")
    assert us.push("push", "--json").json["changed"] is False


def test_a_server_that_fails_for_good_shows_nothing(us):
    us.proxy.add("UploadPart", slow_down=True)
    result = us.push("push", "--json", check=4)
    assert result.json["mirrors"][0]["outcome"] == "failed"
    assert us.release() is None
    us.proxy.heal()
    us.push("push")
    us.push("verify", "--full")
    assert us.region.uploads(us.bucket) == []


# -- two publishers ---------------------------------------------------------------------

@pytest.fixture
def two(publisher, request, s3_proxy):
    """two("radosgw"): a bucket, and two publishers with different releases of one version, each
    with a proxy of its own."""
    def make(name):
        places = Places(request)
        kind, region = places.find(name)
        publisher.ferry.env.update(region.keys.env)
        bucket = Bucket("m", region, kind=kind, bucket=places.bucket)
        bucket.a, bucket.b = s3_proxy(region), s3_proxy(region)
        publisher.configure(bucket.section())
        publisher("push")
        while not sign_two(publisher):
            pass
        bucket.publisher = publisher
        return bucket
    return make


def sign_two(publisher):
    """Signs a and b, in the same second if it can be: then they differ in timestamp.json alone."""
    for tree, days in (("a", "10d"), ("b", "20d")):
        shutil.rmtree(publisher.dir / tree, ignore_errors=True)
        shutil.copytree(publisher.tree, publisher.dir / tree)
        publisher("catalog", "refresh", "--repository", tree, "--keys", "keys", "--expires",
                  f"timestamp={days}")
    return differences(publisher.dir / "a", publisher.dir / "b") == ["timestamp.json"]


def differences(a, b):
    """The names of metadata files that differ."""
    one, other = ({p.name: p.read_bytes() for p in (tree / "metadata").iterdir()}
                  for tree in (a, b))
    return sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))


class Places:
    """A server by its name, and an empty bucket of it."""

    CONDITIONAL = ["radosgw", "simulated R2", "miniflare", "simulated AWS"]

    def __init__(self, request):
        self.get = request.getfixturevalue

    def find(self, name):
        """(kind of the mirror, Region)"""
        if name == "simulated R2":
            us = self.get("radosgw").region("us-east-1")
            self.bucket = us.bucket()
            return "r2", self.get("r2_proxy")(us, seconds_between_writes=0).region
        region = {"radosgw": lambda: self.get("radosgw").region("us-east-1"),
                  "miniflare": lambda: self.get("miniflare"),
                  "s3rver": lambda: self.get("s3rver"),
                  "simulated AWS": lambda: self.get("aws").region}[name]()
        self.bucket = region.bucket()
        return "r2" if name == "miniflare" else "s3", region


def start(bucket, who):
    """A push of the tree of this publisher, through its proxy."""
    proxy = getattr(bucket, who)
    return bucket.publisher.ferry.start("push", "-q", "--repository", who,
                                        env={"FERRY_ENDPOINT_M": proxy.endpoint})


def shows(bucket, who):
    return bucket.read("metadata/timestamp.json") == \
        (bucket.publisher.dir / who / "metadata/timestamp.json").read_bytes()


@pytest.mark.parametrize("name", Places.CONDITIONAL)
def test_of_two_publishers_at_once_one_wins(two, name):
    bucket = two(name)
    held = bucket.a.add("PutObject", "metadata/timestamp.json", hold=True)
    late = start(bucket, "a")
    until(held.reached.is_set, late)
    assert communicate(start(bucket, "b"))[1] == "" and shows(bucket, "b")
    held.release()
    _, said = communicate(late)
    assert late.returncode == 8, said
    assert shows(bucket, "b")
    bucket.publisher("verify", "--full", "--repository", "b")
    # Nothing of the other one is lost: it can be signed anew, and pushed.
    bucket.publisher("push", "--repository", "a", check=8)


def test_without_conditional_writes_the_other_publisher_is_found_by_reading(two):
    bucket = two("s3rver")
    written = bucket.a.add("PutObject", "metadata/timestamp.json", hold_answer=True)
    early = start(bucket, "a")
    until(written.reached.is_set, early)
    late = start(bucket, "b")
    assert "another publisher" in communicate(late)[1] and late.returncode == 8
    assert shows(bucket, "a")
    written.release()
    communicate(early)
    assert early.returncode == 0


def test_without_conditional_writes_who_is_overwritten_finds_it_by_reading_back(two):
    bucket = two("s3rver")
    waits = bucket.b.add("PutObject", "metadata/timestamp.json", hold=True)
    late = start(bucket, "b")
    until(waits.reached.is_set, late)
    written = bucket.a.add("PutObject", "metadata/timestamp.json", hold_answer=True)
    early = start(bucket, "a")
    until(written.reached.is_set, early)
    waits.release()
    assert (communicate(late)[1], late.returncode) == ("", 0)
    written.release()
    assert "another publisher" in communicate(early)[1] and early.returncode == 8
    assert shows(bucket, "b")


# -- clients of others ------------------------------------------------------------------

def published_files(tree):
    found = [p.relative_to(tree) for p in tree.rglob("*") if p.is_file()]
    return [p for p in found if not p.parts[0].startswith(".")]


def test_what_is_pushed_is_what_rclone_and_boto3_read(us, work):
    us.push.add_model("second", "26M", seed=2)
    us.push("push")
    rclone(us.region, "copy", us.bucket, work / "copy")
    keys = [k for k in us.region.keys_of(us.bucket) if not k.startswith(".")]
    assert keys == sorted(map(str, published_files(work / "copy"))) and len(keys) >= 9
    for path in keys:
        assert (work / "copy" / path).read_bytes() == (us.push.tree / path).read_bytes()
    [model] = [k for k in us.region.keys_of(us.bucket) if k.endswith("second-q8_0.gguf")]
    head = us.client.head_object(Bucket=us.bucket, Key=model)
    digest = hashlib.sha256((us.push.tree / model).read_bytes()).hexdigest()
    assert head["Metadata"]["sha256"] == digest and "immutable" in head["CacheControl"]
    assert head["ContentType"] == "application/octet-stream"
    assert "second-q8_0.gguf" in head["ContentDisposition"]
    assert digest not in head["ContentDisposition"]
    short = us.client.head_object(Bucket=us.bucket, Key="metadata/timestamp.json")
    assert "immutable" not in short["CacheControl"] and short["ContentType"] == "application/json"


@pytest.mark.parametrize("who", ["rclone", "boto3"])
def test_what_others_wrote_is_verified(us, who):
    us.push.add_model("second", "26M", seed=2)
    tree = us.push.tree
    if who == "rclone":
        rclone(us.region, "copy", "--exclude", ".*/**", "--exclude", ".*", tree, us.bucket,
               "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi")
    else:
        for path in published_files(tree):
            us.client.upload_file(str(tree / path), us.bucket, str(path))
    us.push("verify", "--full")
    quick = us.push("verify", "--quick", "--json")
    assert quick.json["mirrors"][0]["counts"]["unverified"] >= 1, quick.out
    [model] = [k for k in us.region.keys_of(us.bucket) if k.endswith("second-q8_0.gguf")]
    body = bytearray(us.read(model))
    body[9 << 20] ^= 1
    us.client.put_object(Bucket=us.bucket, Key=model, Body=bytes(body))
    found = us.push("verify", "--full", "--json", check=1).json["mirrors"][0]
    [bad] = [f for f in found["files"] if f["verdict"] == "corrupt"]
    assert bad["key"] == model and [p["index"] for p in bad["bad_pieces"]] == [1]
    us.push("push")
    us.push("verify", "--full")


# -- bad input --------------------------------------------------------------------------

def fails(us, code, *words, section=None, env=None):
    """A push that fails so, and leaves nothing that readers see."""
    if section:
        us.push.configure(section)
    result = us.push("push", "--json", check=code, env=env)
    said = json.dumps(result.json) + result.err
    for word in words:
        assert word in said, said
    assert "Traceback" not in said and "<?xml" not in said
    assert us.release() is None
    return result


def test_wrong_keys_are_named_before_the_first_byte(us):
    fails(us, 5, "SignatureDoesNotMatch", env=WRONG_SECRET.env)
    fails(us, 5, "InvalidAccessKeyId", env=WRONG_KEY.env)
    fails(us, 5, "AWS_ACCESS_KEY_ID", env={"AWS_ACCESS_KEY_ID": None,
                                           "AWS_SECRET_ACCESS_KEY": None})
    assert us.region.keys_of(us.bucket) == []


def test_keys_that_may_only_read_or_are_of_somebody_else_write_nothing(us):
    fails(us, 5, "AccessDenied", env=READER.env)
    fails(us, 5, "AccessDenied", env=STRANGER.env)
    assert us.region.keys_of(us.bucket) == []


def test_a_bucket_that_is_missing_is_named(us):
    at = Bucket("us", us.region, bucket="test-none-such")
    fails(us, 2, "the bucket does not exist", "ferry mirror setup", section=at.section())


def test_a_wrong_clock_is_named(us):
    us.proxy.add("*", skew=3600)
    fails(us, 5, "the clock of this machine is 1h 00m behind the server's",
          "set the clock")
    us.proxy.heal()
    assert us.region.keys_of(us.bucket) == []


def test_a_full_server_shows_nothing(us):
    region = Region(us.region.endpoint, us.region.name, SMALL)
    us.region.made += [(region.bucket(), SMALL)]
    at = Bucket("us", region, bucket=region.made[0][0])
    us.push.configure(at.section())
    result = us.push("push", "--json", check=5, env=SMALL.env)
    assert "the quota is used up" in result.out and "--prune" in result.out
    assert at.release() is None


def test_a_web_server_is_no_s3(us, nginx, work):
    server = nginx(work)
    section = mirror("us", kind="s3", endpoint=server.url, bucket="models")
    fails(us, 2, "the endpoint does not answer as an S3 server does", "check the endpoint",
          section=section)


def test_an_expired_token_is_named_simulated(us, aws):
    token = Keys("ASIATEMPORARY0000000", "temporary/secret", token="t")
    aws.accounts[token.access] = Account(token, owner=PUBLISHER.access, token="t", expired=True)
    at = Bucket("us", aws.region)
    us.push.configure(at.section())
    result = us.push("push", "--json", check=5, env=token.env)
    assert "the session of the credentials has expired" in result.out and aws.region.keys_of(at.bucket) == []
