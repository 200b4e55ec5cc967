"""ferry mirror setup of buckets: what it makes, what it keeps, what it takes back. On radosgw, and on
simulated servers for what that lacks."""

import json
import shutil
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

import s3_servers
from conftest import ROOT
from git_servers import host  # noqa: F401
from github_simulated import github, github_server  # noqa: F401
from s3_proxy import R2Proxy
from s3_servers import PUBLISHER, STRANGER
from test_frame import terminal

ALL = {"cors": "*", "public": "yes", "abort-uploads": "7d", "keep-versions": "30d"}


@pytest.fixture
def us(radosgw, ferry):
    ferry.env.update(PUBLISHER.env)
    return radosgw.region("us-east-1")


def configure(ferry, region, bucket, name="main", **settings):
    text = {"kind": "s3", "bucket": bucket, "endpoint": region.endpoint, "region": region.name,
            **settings}
    (ferry.work / "ferry.conf").write_text(
        f"[mirror.{name}]\n" + "".join(f"{k} = {v}\n" for k, v in text.items()))


def set_up(ferry, *args, check=0, **options):
    """What → (state, text), of the one mirror."""
    result = ferry("mirror", "setup", *args, "--json", check=check, **options)
    [mirror] = result.json["mirrors"]
    assert "error" not in mirror, mirror["error"]
    return {f["what"]: (f["state"], f["text"]) for f in mirror["findings"]}


def states(found):
    return {what: state for what, (state, _) in found.items()}


def nothing(call, **named):
    """The code with which boto3 says that there is none."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**named)
    return caught.value.response["Error"]["Code"]


def new_name(region):
    """Of a bucket that is not there, and is removed after the test."""
    name = region.bucket()
    region.client().delete_bucket(Bucket=name)
    region.made.append((name, PUBLISHER))
    return name


def test_setup_makes_the_bucket_and_all_that_the_configuration_says(ferry, us):
    bucket = new_name(us)
    configure(ferry, us, bucket, **ALL)
    would = set_up(ferry, "--dry-run")
    whats = {"bucket", "versioning", "public read", "CORS", "lifecycle"}
    assert states(would) == {what: "would-change" for what in whats}
    assert nothing(us.client().get_bucket_cors, Bucket=bucket) == "NoSuchBucket"
    assert states(set_up(ferry)) == {what: "changed" for what in whats}
    s3 = us.client()
    [rule] = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == ["*"] and set(rule["AllowedMethods"]) == {"GET", "HEAD"}
    assert rule["MaxAgeSeconds"] == 3600 and "Content-Range" in rule["ExposeHeaders"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules = {r["ID"]: r for r in
             s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert rules["model-ferry-uploads"]["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": 7}
    assert rules["model-ferry-old-versions"]["NoncurrentVersionExpiration"][
        "NoncurrentDays"] == 30
    s3.put_object(Bucket=bucket, Key="a", Body=b"for everybody")
    with urllib.request.urlopen(f"{us.endpoint}/{bucket}/a") as answer:
        assert answer.read() == b"for everybody"


def test_setup_that_finds_everything_in_order_changes_nothing(ferry, us):
    configure(ferry, us, us.bucket(), **ALL, prefix="models")
    set_up(ferry)
    again = set_up(ferry)
    assert set(states(again).values()) == {"ok"}, again


def test_setup_shows_the_difference_and_changes_only_that(ferry, us):
    bucket = us.bucket()
    configure(ferry, us, bucket, **ALL)
    set_up(ferry)
    configure(ferry, us, bucket, **{**ALL, "abort-uploads": "3d"})
    would = set_up(ferry, "-n")
    assert would["lifecycle"] == (
        "would-change", "uploads that were not completed are removed after 3 days (now after 7), "
                        "old versions are removed after 30 days")
    assert states(set_up(ferry)) == {**{what: "ok" for what in would}, "lifecycle": "changed"}
    days = {r["ID"]: r for r in us.client().get_bucket_lifecycle_configuration(
        Bucket=bucket)["Rules"]}["model-ferry-uploads"]["AbortIncompleteMultipartUpload"]
    assert days == {"DaysAfterInitiation": 3}


def test_setup_keeps_what_others_have_set(ferry, us):
    bucket = us.bucket()
    s3 = us.client()
    cors = {"ID": "theirs", "AllowedOrigins": ["https://a.example"], "AllowedMethods": ["PUT"]}
    rule = {"ID": "theirs", "Filter": {"Prefix": "tmp/"}, "Status": "Enabled",
            "Expiration": {"Days": 3}}
    statement = ('{"Version":"2012-10-17","Statement":[{"Sid":"theirs","Effect":"Deny",'
                 '"Principal":"*","Action":"s3:DeleteBucket",'
                 f'"Resource":"arn:aws:s3:::{bucket}"}}]}}')
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [cors]})
    s3.put_bucket_lifecycle_configuration(Bucket=bucket,
                                          LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_policy(Bucket=bucket, Policy=statement)

    def theirs():
        return ([r for r in s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
                 if r.get("ID") == "theirs"],
                [r for r in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
                 if r["ID"] == "theirs"],
                "theirs" in s3.get_bucket_policy(Bucket=bucket)["Policy"])

    before = theirs()
    configure(ferry, us, bucket, **ALL)
    set_up(ferry)
    assert theirs() == before and before[2]
    assert len(s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 2
    configure(ferry, us, bucket, **{key: "no" for key in ALL}, versioning="yes")
    assert states(set_up(ferry))["CORS"] == "changed"
    assert theirs() == before
    assert len(s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 1
    s3.delete_bucket_policy(Bucket=bucket)      # it would keep the bucket


def test_no_takes_back_what_setup_had_made(ferry, us):
    bucket = us.bucket()
    s3 = us.client()
    configure(ferry, us, bucket, **ALL)
    set_up(ferry)
    configure(ferry, us, bucket, **{key: "no" for key in ALL}, versioning="no")
    assert set(states(set_up(ferry)).values()) == {"ok", "changed"}
    assert nothing(s3.get_bucket_cors, Bucket=bucket).startswith("NoSuchCORS")
    assert nothing(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    assert nothing(s3.get_bucket_lifecycle_configuration,
                   Bucket=bucket) == "NoSuchLifecycleConfiguration"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    s3.put_object(Bucket=bucket, Key="a", Body=b"for us")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{us.endpoint}/{bucket}/a")
    assert set(states(set_up(ferry)).values()) == {"ok"}


def test_a_key_that_is_missing_leaves_the_bucket_as_it_is(ferry, us):
    bucket = us.bucket()
    configure(ferry, us, bucket, **ALL)
    set_up(ferry)
    configure(ferry, us, bucket)
    assert set_up(ferry) == {"bucket": ("ok", bucket)}
    assert us.client().get_bucket_cors(Bucket=bucket)["CORSRules"]


def test_what_the_server_lacks_is_to_be_done_by_hand(ferry, us):
    """Radosgw answers some of these with the listing of the bucket, and status 200."""
    bucket = us.bucket()
    configure(ferry, us, bucket, **ALL, logging="logs/eu/", metrics="yes",
              **{"replicate-to": "other", "replication-role": "arn:aws:iam::1:role/r"})
    with (ferry.work / "ferry.conf").open("a") as conf:
        conf.write("[mirror.other]\nkind = s3\nbucket = another\n")
    found = set_up(ferry, "--mirror", "main", check=1)
    assert {what for what, state in states(found).items() if state == "by-hand"} == {
        "logging", "metrics", "replication"}
    assert states(found)["CORS"] == "changed"
    assert "ferry sync" in found["replication"][1]


def test_a_poor_server_says_what_it_lacks(ferry, s3rver):
    ferry.env.update(s3rver.keys.env)
    bucket = new_name(s3rver)
    configure(ferry, s3rver, bucket, **ALL, logging="logs/eu/", metrics="yes")
    found = set_up(ferry, check=1)
    assert states(found) == {"bucket": "changed", "CORS": "changed", **dict.fromkeys(
        ["versioning", "public read", "lifecycle", "logging", "metrics"], "by-hand")}


def test_what_is_to_be_done_by_hand_is_shown_whole_on_a_narrow_terminal(ferry, us):
    configure(ferry, us, us.bucket(), metrics="yes", logging="logs/eu/")
    command = ["env", *(f"{k}={v}" for k, v in ferry.env.items()), *ferry.command("mirror", "setup")]
    code, text = terminal(command, ferry.work, 40)
    assert code == 1
    assert text.count("this server does not log to buckets: use what its provider offers instead "
                      "(Cloudflare: Logpush)\n") == 1


def test_the_bucket_of_somebody_else_is_refused(ferry, us):
    bucket = us.bucket(STRANGER)
    configure(ferry, us, bucket, **ALL)
    result = ferry("mirror", "setup", "--json", check=5)
    [finding] = result.json["mirrors"][0]["findings"]
    assert finding["what"] == "bucket" and finding["state"] == "lacks"
    assert "is not open to these credentials" in finding["text"] and finding["hint"]


def test_without_credentials_nothing_is_made(ferry, us):
    ferry.env.update(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    configure(ferry, us, "not-there", **ALL)
    found = set_up(ferry, check=5)
    assert states(found) == {"bucket": "lacks"}


@pytest.mark.parametrize("settings, text", [
    ({"cors": "example.org"}, "cors: must be"),
    ({"public": "maybe"}, "public"),
    ({"abort-uploads": "90m"}, "abort-uploads: must be whole days"),
    ({"keep-versions": "30d", "versioning": "no"}, "keep-versions and replicate-to need it"),
    ({"logging": "/eu"}, "logging: must be BUCKET/PREFIX"),
    ({"replicate-to": "nowhere"}, "'nowhere' is not another mirror with a bucket"),
    ({"replicate-to": "main"}, "'main' is not another mirror with a bucket"),
    ({"replicate-to": "no", "keep-versions": "0"}, None),
])
def test_the_settings_are_checked_before_any_request(ferry, settings, text):
    (ferry.work / "ferry.conf").write_text(
        "[mirror.main]\nkind = s3\nbucket = abc\nendpoint = http://127.0.0.1:1\n" +
        "".join(f"{k} = {v}\n" for k, v in settings.items()))
    [mirror] = ferry("mirror", "list", "--json").json["mirrors"]
    if text:
        assert text in mirror["error"]["message"] and "ferry.conf:" in mirror["error"]["message"]
    else:
        assert mirror["usable"]


# -- add, probe and cleanup of a bucket --------------------------------------------------


def test_add_setup_and_probe_make_a_bucket_that_readers_reach(ferry, us, validate):
    bucket = new_name(us)
    url = f"{us.endpoint}/{bucket}"
    added = ferry("mirror", "add", "main", "--kind", "s3", "--bucket", bucket, "--endpoint",
                  us.endpoint, "--url", url, "--set", "public=yes", "--set", "cors=*", "--json")
    assert added.json["next"] == "ferry mirror setup --mirror main"
    assert "does not exist" in added.json["mirrors"][0]["findings"][0]["text"]
    assert states(set_up(ferry)) == {"bucket": "changed", "public read": "changed",
                                     "CORS": "changed"}
    probed = ferry("mirror", "probe", "--json", check=None)
    validate(probed.json, "output-mirror-probe")
    [mirror] = probed.json["mirrors"]
    found = {f["what"]: f["state"] for f in mirror["findings"]}
    assert all(found[what] == "ok" for what in (
        "upload", "download", "latency", "public read", "public ranges", "public CORS"))
    can, measured = mirror["can"], mirror["measured"]
    assert can["public-read"] and can["public-ranges"] and can["public-cors"] and can["write"]
    assert all(measured[n] > 0 for n in ("upload-bytes-per-s", "download-bytes-per-s"))
    assert us.keys_of(bucket) == [] and us.uploads(bucket) == []


def test_add_leads_to_setup_when_there_is_something_to_set_up(ferry, us):
    """Probing does not see that CORS is missing."""
    add = ["mirror", "add", "--kind", "s3", "--endpoint", us.endpoint, "--bucket", us.bucket(),
           "--json"]
    added = ferry(*add, "cors", "--set", "cors=*")
    assert added.json["next"] == "ferry mirror setup --mirror cors"
    ready = {f["what"]: f["state"] for f in added.json["mirrors"][0]["findings"]}
    assert ready["upload"] == "ok"


def test_probe_says_that_readers_do_not_reach_a_private_bucket(ferry, us):
    bucket = us.bucket()
    configure(ferry, us, bucket, url=f"{us.endpoint}/{bucket}")
    [mirror] = ferry("mirror", "probe", "--json", check=1).json["mirrors"]
    found = {f["what"]: f["state"] for f in mirror["findings"]}
    assert found["upload"] == "ok" and found["public read"] == "lacks"
    assert mirror["can"]["public-read"] is False


def test_cleanup_removes_old_uploads_and_old_versions_of_a_bucket(ferry, us, validate):
    bucket = us.bucket()
    s3 = us.client()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="targets/a", Body=body)
    s3.create_multipart_upload(Bucket=bucket, Key="targets/b")
    configure(ferry, us, bucket)

    def left(*args, **options):
        result = ferry("mirror", "cleanup", *args, "--json", **options)
        validate(result.json, "output-mirror-cleanup")
        return {(x["kind"], x["key"]): x["state"]
                for x in result.json["mirrors"][0]["leftovers"]}

    assert left() == {("upload", "targets/b"): "kept"}
    assert left("--old-versions", "-n", "--older-than", "0") == {
        ("upload", "targets/b"): "would-remove", ("old-version", "targets/a"): "would-remove"}
    assert us.uploads(bucket) != []
    assert left("--older-than", "0") == {("upload", "targets/b"): "removed"}
    assert us.uploads(bucket) == []
    assert left("--old-versions", "--older-than", "0") == {
        ("old-version", "targets/a"): "removed"}
    assert left("--old-versions", "--older-than", "0") == {}
    assert us.body(bucket, "targets/a") == b"two"


# -- the example of the catalog -----------------------------------------------------------


@pytest.fixture
def r2(us):
    with R2Proxy(us, seconds_between_writes=0.1) as proxy:
        yield proxy


def test_what_r2_lacks_is_to_be_done_by_hand_simulated(ferry, us, r2, nginx):
    """R2 has CORS and lifecycle rules, but no policies and no versions."""
    bucket = us.bucket()
    public = nginx(ferry.work, extra=f"location /m/ {{ proxy_pass {us.endpoint}/{bucket}/; }}")
    (ferry.work / "ferry.conf").write_text(f"""[mirror.main]
kind = r2
account = 0123456789abcdef
bucket = {bucket}
url = {public.url}/m
cors = *
public = yes
abort-uploads = 7d
keep-versions = 30d
""")
    ferry.env["FERRY_ENDPOINT_MAIN"] = r2.endpoint
    found = set_up(ferry, check=1)
    assert states(found) == {"bucket": "ok", "versioning": "by-hand", "public read": "by-hand",
                             "CORS": "changed", "lifecycle": "changed"}
    assert "Custom Domains" in found["public read"][1]
    # Once a person has done that, and probing has seen it, nothing is left to do.
    us.publish(bucket)
    text = (ferry.work / "ferry.conf").read_text().replace("keep-versions = 30d\n", "")
    (ferry.work / "ferry.conf").write_text(text)
    ferry("mirror", "probe", check=None)
    assert states(set_up(ferry)) == {"bucket": "ok", "public read": "ok", "CORS": "ok",
                                     "lifecycle": "ok"}


def test_the_example_of_the_catalog_is_set_up_and_pushed_to_simulated(ferry, us, r2, aws, github,
                                                                      host, make_gguf):
    """AI Brother's own ferry.conf: R2 with CORS, S3 with a policy, S3 with replication, releases on
    GitHub, git. Only the servers are others."""
    shutil.copytree(ROOT / "catalog", ferry.work / "example")
    github.repository("aibrother/model-catalog")
    ferry.env.update(FERRY_ENDPOINT_CDN=r2.endpoint, FERRY_ENDPOINT_S3_US=aws.endpoint,
                     FERRY_ENDPOINT_S3_EU=aws.endpoint, CLOUDFLARE_ACCOUNT_ID="0123456789abcdef",
                     FERRY_ENDPOINT_RELEASES=github.api, GH_TOKEN=github.token("aibrother"),
                     FERRY_ENDPOINT_GIT=str(host.path("models")))
    us.made.append(("aibrother-models", PUBLISHER))
    aws.region.client().create_bucket(Bucket="aibrother-logs")
    names = [word for name in ("cdn", "s3-us", "s3-eu") for word in ("--mirror", name)]

    def ferry_there(*args, **options):
        return ferry("-C", "example", *args, **options)

    def set_up_all():
        result = ferry_there("mirror", "setup", *names, "--json", check=1)
        return {m["id"]: {f["what"]: f["state"] for f in m["findings"]}
                for m in result.json["mirrors"]}

    common = ["bucket", "versioning", "public access block", "public read", "CORS", "lifecycle"]
    assert set_up_all() == {
        "cdn": {"bucket": "changed", "public read": "by-hand", "CORS": "changed",
                "lifecycle": "changed"},
        "s3-us": dict.fromkeys([*common, "logging", "metrics"], "changed"),
        "s3-eu": dict.fromkeys([*common, "replication"], "changed")}
    again = set_up_all()
    assert {state for found in again.values() for state in found.values()} == {"ok", "by-hand"}
    # As AWS's own client sees it.
    s3 = aws.region.client()
    [statement] = json.loads(s3.get_bucket_policy(Bucket="aibrother-models")["Policy"])["Statement"]
    assert statement["Resource"] == "arn:aws:s3:::aibrother-models/*"
    assert s3.get_bucket_metrics_configuration(Bucket="aibrother-models", Id="EntireBucket")[
        "MetricsConfiguration"]["Id"] == "EntireBucket"
    assert s3.get_bucket_logging(Bucket="aibrother-models")["LoggingEnabled"] == {
        "TargetBucket": "aibrother-logs", "TargetPrefix": "s3-us/"}
    eu = s3_servers.client(aws.endpoint, region="eu-west-1")
    replication = eu.get_bucket_replication(Bucket="aibrother-models-eu")[
        "ReplicationConfiguration"]
    assert replication["Role"].startswith("arn:aws:iam::")
    assert replication["Rules"][0]["Destination"] == {"Bucket": "arn:aws:s3:::aibrother-models"}
    assert aws.buckets["aibrother-models-eu"].region == "eu-west-1"
    assert us.client().get_bucket_cors(Bucket="aibrother-models")["CORSRules"][0][
        "AllowedOrigins"] == ["*"]
    # And the release reaches all of them.
    ferry_there("catalog", "init", "--unencrypted")
    gguf = make_gguf(ferry.work / "phi-2.gguf", "--size", "10M")
    ferry_there("prepare", "phi-2-mobile", gguf)
    ferry_there("catalog", "add", "models/phi-2-mobile")
    ferry_there("catalog", "sign")
    pushed = ferry_there("push", "--json")
    assert {m["id"]: m["outcome"] for m in pushed.json["mirrors"]} == {
        "cdn": "done", "cloudflare": "read-only", "s3-us": "done", "s3-eu": "done",
        "releases": "done", "git": "done"}
    keys = us.keys_of("aibrother-models")
    assert "metadata/timestamp.json" in keys and any(k.endswith(".gguf") for k in keys)
    assert not any(k.startswith((".ferry/", "ferry-probe/")) for k in keys)
    assert aws.region.keys_of("aibrother-models") == keys
    assert s3_servers.Region(aws.endpoint, "eu-west-1").keys_of("aibrother-models-eu") == keys
    assert aws.buckets["aibrother-models"].is_public("metadata/timestamp.json")
    assert {r["tag_name"]: r["draft"] for r in github.releases("aibrother/model-catalog")} == {
        "models-phi-2-mobile": False}
    # The catalog is the same on all of its endpoints.
    catalog = (ferry.work / "example/catalog.json").read_text()
    assert us.body("aibrother-models", "catalog.json") == catalog.encode()
    assert aws.region.body("aibrother-models", "catalog.json") == catalog.encode()
    assert host.show("catalog.json") == catalog.strip()
    urls = {m["id"]: m["url"] for m in json.loads(catalog)["mirrors"]}
    assert urls["releases"] == "https://github.com/aibrother/model-catalog/releases/download"
    assert urls["git"] == "https://raw.githubusercontent.com/aibrother/model-catalog/main"
    readable = [n for name in ("cdn", "s3-us", "s3-eu", "git")
                for n in ("--mirror", name)]
    verified = ferry_there("verify", "--full", *readable, "--json").json["mirrors"]
    assert [m["result"] for m in verified] == ["ok"] * 4


def test_a_policy_that_was_blocked_is_allowed_without_touching_the_rest_simulated(ferry, aws):
    """AWS blocks public policies of new buckets."""
    ferry.env.update(PUBLISHER.env)
    aws.region.client().create_bucket(Bucket="models")
    configure(ferry, aws.region, "models", public="yes")
    assert states(set_up(ferry, "-n")) == {"bucket": "ok", "public access block": "would-change",
                                           "public read": "would-change"}
    assert not aws.buckets["models"].is_public("a")
    assert states(set_up(ferry)) == {"bucket": "ok", "public access block": "changed",
                                     "public read": "changed"}
    assert aws.buckets["models"].is_public("a")
    block = aws.region.client().get_public_access_block(Bucket="models")[
        "PublicAccessBlockConfiguration"]
    assert block == {"BlockPublicAcls": True, "IgnorePublicAcls": True,
                     "BlockPublicPolicy": False, "RestrictPublicBuckets": False}


def test_the_bucket_of_another_account_is_not_taken_for_ours_simulated(ferry, aws):
    ferry.env.update(PUBLISHER.env)
    aws.region.client(STRANGER).create_bucket(Bucket="models")
    configure(ferry, aws.region, "models", cors="*")
    found = set_up(ferry, check=5)
    assert states(found) == {"bucket": "lacks"}
    assert "the bucket models exists, but is not open to these credentials" in found["bucket"][1]
    assert aws.of("PutBucketCors") == aws.of("CreateBucket")[1:] == []


def test_a_bucket_is_made_in_its_region_simulated(ferry, aws):
    ferry.env.update(PUBLISHER.env)
    configure(ferry, s3_servers.Region(aws.endpoint, "eu-west-1"), "models-eu", cors="*")
    assert states(set_up(ferry)) == {"bucket": "changed", "CORS": "changed"}
    assert aws.buckets["models-eu"].region == "eu-west-1"
    configure(ferry, aws.region, "models-us")
    assert states(set_up(ferry)) == {"bucket": "changed"}
    assert aws.buckets["models-us"].region == "us-east-1"


def test_what_the_server_refuses_is_a_fault_and_stops_nothing_else_simulated(ferry, aws):
    """The bucket for the logs is not there."""
    ferry.env.update(PUBLISHER.env)
    configure(ferry, aws.region, "models", cors="*", logging="nowhere/x", metrics="yes")
    found = set_up(ferry, check=2)
    assert states(found) == {"bucket": "changed", "CORS": "changed", "logging": "lacks",
                             "metrics": "changed"}
    assert "target bucket" in found["logging"][1]
    configure(ferry, aws.region, "models", cors="no", logging="no", metrics="no")
    assert states(set_up(ferry)) == {"bucket": "ok", "CORS": "changed", "logging": "ok",
                                     "metrics": "changed"}
    assert states(set_up(ferry)) == {"bucket": "ok", "CORS": "ok", "logging": "ok",
                                     "metrics": "ok"}
