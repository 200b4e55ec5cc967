"""The checks of brief.py, first part: from the source of a model to mirrors and their readers. Each
function is a check, and gets the World of brief_world.py."""

import hashlib
import json
import shlex
import urllib.error

import pytest

import s3_servers
from conftest import ROOT
from published import mirror
from test_pipelines import make_checkout
from test_prepare_tools import hf_folder
from test_stats_counters_simulated import CloudWatchSimulated

CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


# -- models ----------------------------------------------------------------------------------------


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prepared(w, name):
    """The file, and its variant in the card."""
    card = json.loads((w.work / f"models/{name}/{name}.card.json").read_text())
    [variant] = card["variants"]
    return w.work / f"models/{name}/{name}-{variant['id']}.gguf", variant


@check
def downloads_the_original(w):
    w.make_gguf(w.work / "files/phi-2.gguf", "--type", "f16")
    found = w.ferry("prepare", "phi-2-mobile", f"{w.source.url}/phi-2.gguf", "--quantize", "q4_k_m",
                    "--set", "license.id=MIT", "--json").json
    assert found["quantized"] and found["quantization"] == "Q4_K_M"


@check
def converts_to_gguf(w):
    found = w.ferry("prepare", "tiny-chat", hf_folder(w.work / "Tiny Chat"), "--outtype", "f16",
                    "--json").json
    assert found["converted"] and prepared(w, "tiny-chat")[0].read_bytes()[:4] == b"GGUF"


@check
def quantizes(w):
    assert prepared(w, "phi-2-mobile")[1]["quantization"] == "Q4_K_M"


@check
def knows_the_digest(w):
    path, variant = prepared(w, "phi-2-mobile")
    assert variant["files"][0]["sha256"] == sha256(path)
    w.ferry("manifest", "check", path)


@check
def makes_a_card(w):
    w.ferry("catalog", "init", "-q")
    for name in ("phi-2-mobile", "tiny-chat"):
        w.ferry("catalog", "add", "-q", f"models/{name}")
    for name in ("phi-2-mobile", "tiny-chat"):
        path, variant = prepared(w, name)
        [file] = variant["files"]
        assert file["path"].endswith("/" + path.name) and file["size"] == path.stat().st_size
        card = json.loads((w.publisher.tree / f"cards/{name}.card.json").read_text())
        assert card["created"] and card["updated"]


# -- mirrors ---------------------------------------------------------------------------------------


@check
def makes_the_buckets(w):
    found = w.once("set_up")
    assert {name: states["bucket"] for name, states in found.items()} == dict.fromkeys(
        ["cdn", "s3-us", "s3-eu"], "changed")
    places = {name: w.region_of(name).client().get_bucket_location(Bucket=w.buckets[name])[
        "LocationConstraint"] for name in ("s3-us", "s3-eu")}
    assert places["s3-eu"] == "eu-west-1" and places["s3-us"] in (None, "", "us-east-1", "default")


@check
def sets_cors(w):
    [rule] = w.us.client().get_bucket_cors(Bucket=w.buckets["cdn"])["CORSRules"]
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD"} and rule["AllowedOrigins"] == ["*"]
    assert rule["AllowedHeaders"] == ["*"] and rule["MaxAgeSeconds"] == 3600


def has_the_models(w, name):
    keys = w.keys(name)
    for files in w.models().values():
        for path in files:
            key = str(path.relative_to(w.publisher.tree))
            assert key in keys and w.body(name, key) == path.read_bytes()


@check
def has_the_models_on_r2(w):
    assert w.once("pushed")["cdn"] == "done"
    has_the_models(w, "cdn")


@check
def has_the_catalog_on_r2(w):
    assert json.loads(w.body("cdn", "catalog.json"))["format"] == "model-ferry-catalog"


@check
def serves_through_the_cdn(w):
    found = w.ferry("mirror", "probe", "-m", "cdn", "--json", check=None).json["mirrors"]
    assert found[0]["id"] == "cdn" and "error" not in found[0]
    for path in w.publisher.tree.rglob("*.gguf"):
        assert w.read("cdn", path)[1] == path.read_bytes()


@check
def lets_everybody_read_s3(w):
    for name in ("s3-us", "s3-eu"):
        for path in w.publisher.tree.rglob("*.gguf"):
            assert w.read(name, path)[1] == path.read_bytes()
        with pytest.raises(urllib.error.HTTPError) as caught:     # but not list it
            w.curl(w.urls[name] + "/", "curl/8")
        assert caught.value.code == 403


@check
def has_both_regions_in_step(w):
    assert w.keys("s3-us") == w.keys("s3-eu")
    for name in ("s3-us", "s3-eu"):
        has_the_models(w, name)
        assert w.body(name, "catalog.json") == w.body("cdn", "catalog.json")


@check
def sets_up_what_only_aws_has(w):
    """SIMULATED: radosgw has no replication, no logs and no metrics."""
    common = {"kind": "s3", "endpoint": w.aws.endpoint, "versioning": "yes"}
    conf = w.work / "aws.conf"
    conf.write_text(
        mirror("us", bucket="models-us", region="us-east-1", logging="logs/us/", metrics="yes", **common)
        + mirror("eu", bucket="models-eu", region="eu-west-1", **common, **{
            "replicate-to": "us", "replication-role": "arn:aws:iam::123456789012:role/copy"}))
    w.aws.region.client().create_bucket(Bucket="logs")
    w.ferry("mirror", "setup", "--config", conf)
    eu = s3_servers.client(w.aws.endpoint, region="eu-west-1")
    [rule] = eu.get_bucket_replication(Bucket="models-eu")["ReplicationConfiguration"]["Rules"]
    assert rule["Destination"]["Bucket"] == "arn:aws:s3:::models-us" and rule["Status"] == "Enabled"
    us = w.aws.region.client()
    assert us.get_bucket_logging(Bucket="models-us")["LoggingEnabled"]["TargetPrefix"] == "us/"
    us.get_bucket_metrics_configuration(Bucket="models-us", Id="EntireBucket")


@check
def reads_what_aws_counts(w):
    """SIMULATED: CloudWatch."""
    conf = w.work / "aws.conf"
    conf.write_text("[repository.x]\npath = .\n" + mirror(
        "s3", kind="s3", bucket="models", region="us-east-1", **{"request-metrics": "EntireBucket"}))
    with CloudWatchSimulated() as server:
        found = w.ferry("stats", "counters", "--json", "--config", conf,
                        env={"AWS_ENDPOINT_URL_CLOUDWATCH": server.url()}).json
    assert [row["mirror"] for row in found["cloudwatch"]] == ["s3"]


# -- GitHub ----------------------------------------------------------------------------------------


@check
def publishes_by_a_workflow(w):
    """The workflow that people copy, with a staging environment and an announcement."""
    w.make_gguf(w.work / "files/gemma.gguf", "--seed", "7", "--size", "20M")
    before = len(w.ran)
    runner = w.runner(make_checkout(w.publisher, "origin"), {
        "github.sha": "main", "vars.PUBLISHER_DIR": w.work, "vars.STAGE_MIRROR": "stage",
        "secrets.FERRY_PASSPHRASE": w.ferry.env["FERRY_PASSPHRASE"], "inputs.model": "gemma-mobile",
        "inputs.source": f"{w.source.url}/gemma.gguf", "inputs.license": "MIT"})
    runner.job(ROOT / "ci/github/publish.yml", "publish")
    w.show_git()
    steps = [line[:2] for line in w.ran[before:]]
    order = [["prepare", "gemma-mobile"], ["catalog", "add"], ["catalog", "sign"], ["push", "--stage"],
             ["verify", "--full"], ["push"], ["verify"], ["announce"]]
    assert [step for step in steps if step in order] == order
    [document] = w.told("announced")
    assert {m["id"] for m in document["models"]} == {"phi-2-mobile", "tiny-chat", "gemma-mobile"}
    assert w.publisher.release("own") == w.publisher.release("stage")


@check
def has_releases(w):
    releases = {r["tag_name"]: r for r in w.github.releases("aibrother/model-catalog")}
    assert set(releases) == {f"models-{model}" for model in w.models()}
    for model, files in w.models().items():
        sizes = [a["size"] for a in releases[f"models-{model}"]["assets"]]
        assert sum(sizes) >= sum(path.stat().st_size for path in files)
    assert not any(r["draft"] for r in releases.values())


@check
def checks_a_submission(w):
    """scripts/submission, as the job for pull requests runs it: without keys."""
    file = w.make_gguf(w.work / "files/community-new.gguf", "--seed", "9")
    folder = w.work / "submissions/community-new"
    folder.mkdir(parents=True)
    for digest, fails in (sha256(file), False), ("0" * 64, True):
        (folder / "community-new.card.json").write_text(json.dumps({
            "format": "model-ferry-card", "version": 1, "id": "community-new", "title": "Theirs",
            "license": {"id": "MIT"}, "variants": [],
            "source": {"url": f"{w.source.url}/{file.name}", "sha256": digest}}))
        w.script([ROOT / "scripts/submission", "check", folder], fails=fails, SOURCES=w.source.url)


# -- endpoints and readers ---------------------------------------------------------------------------


@check
def lists_from_each_endpoint(w):
    for name in ("cdn", "s3-us", "git", "own"):
        reader = w.reader(f"of-{name}", w.urls[name])
        found = reader("list", "--json").json["models"]
        assert {m["id"] for m in found} == set(w.models())


@check
def updates_every_mirror_at_once(w):
    found = w.once("pushed")
    assert set(found.values()) == {"done"} and len(found) == 7


@check
def has_the_same_catalog_everywhere(w):
    own = (w.publisher.tree / "catalog.json").read_bytes()
    for name in w.urls:
        assert w.curl(w.urls[name] + "/catalog.json", "curl/8")[1] == own


@check
def describes_models(w):
    user = w.once("user")
    found = user("show", "--json", "phi-2-mobile").json
    text = json.dumps(found)
    assert '"MIT"' in text and sha256(w.models()["phi-2-mobile"][0]) in text


@check
def lists_mirrors_by_region(w):
    found = w.ferry("mirror", "list", "--json").json["mirrors"]
    assert {m.get("region") for m in found} >= {"eu", "us"} and len(found) == 7


@check
def verifies_what_was_fetched(w):
    w.once("readers_came")
    user = w.once("user")
    user("store", "verify", "--json")
    have = {path.name for path in (user.work / "store/blobs/sha256").iterdir()}
    assert have >= {sha256(files[0]) for files in w.models().values()}


@check
def fetches_without_the_primary(w):
    """From each of the others alone."""
    others = ("s3-us", "s3-eu", "releases", "own")
    reader = w.reader("without", w.urls["own"])
    reader.env.update(GH_HOST="127.0.0.1")
    for name in others:
        found = reader("fetch", "--json", "phi-2-mobile", "--exclude-mirror", "cdn", "--mirror", name).json
        assert name in json.dumps(found)
        reader("store", "remove", "phi-2-mobile")


@check
def invites_users(w):
    line = shlex.join(w.ferry("catalog", "invite", "--json").json["client_command"])
    assert w.urls["cdn"] in line, line
    user = w.reader("invited", line=line + " --yes")
    assert {m["id"] for m in user("list", "--json").json["models"]} == set(w.models())


@check
def downloads_only_what_changed(w):
    """A new version of a model: only pieces that are new are downloaded."""
    user = w.once("user")
    file = w.work / "files/gemma.gguf"
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    w.ferry("prepare", "gemma-mobile", file, "--set", "license.id=MIT")
    w.ferry("catalog", "add", "-q", "models/gemma-mobile")
    w.ferry("catalog", "sign", "-q")
    w.ferry("push", "-q")
    w.show_git()
    [model] = user("update", "--yes", "--json", "gemma-mobile").json["models"]
    assert model["reused"] > model["size"] / 2 > model["fetched"] > 0


@check
def lets_caches_keep_what_never_changes(w):
    model = w.models()["phi-2-mobile"][0]
    for name in ("cdn", "s3-us", "s3-eu", "own"):
        assert "immutable" in w.read(name, model)[0]["Cache-Control"]
    for name in ("cdn", "s3-us", "s3-eu"):
        age = w.curl(w.urls[name] + "/metadata/timestamp.json", "curl/8")[0]["Cache-Control"]
        assert "immutable" not in age
