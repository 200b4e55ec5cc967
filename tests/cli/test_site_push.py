"""ferry site --push: what reaches the mirrors, in which order, and what stays when it does not."""

import hashlib
import json
import os
import re
import shutil

import pytest

from bucket_mirrors import Bucket
from git_servers import host     # noqa: F401 (fixture)
from kills import Moments
from published import mirror, publisher, signed_base    # noqa: F401 (fixtures)
from s3_servers import PUBLISHER
from test_site import LIST, contents

PAGE = re.compile(r'(?:href|src)="(?!https?:|data:|#)([^"#]+)')


def pages(publisher):   # noqa: F811
    made = contents(publisher.tree / "site")
    del made[LIST]
    return made


def site_of(publisher, name="a"):   # noqa: F811
    folder = publisher.mirror(name) / "site"
    return contents(folder) if folder.exists() else {}


def mirrors(result):
    return {m["id"]: m for m in result.json["mirrors"]}


def dead_links(folder):
    """What a reader of the folder, who begins at its first page, does not find."""
    seen, todo, dead = set(), ["index.html"], set()
    while todo:
        page = todo.pop()
        path = folder / page
        if not path.exists():
            dead.add(page)
        if page in seen or not path.exists():
            continue
        seen.add(page)
        if not page.endswith(".html"):
            continue
        for link in PAGE.findall(path.read_text()):
            target = os.path.normpath(os.path.join(os.path.dirname(page), link.partition("?")[0]))
            if (folder / target).is_dir() or link.endswith("/"):
                target = os.path.join(target, "index.html")
            if not target.startswith(".."):
                todo.append(target)
    assert len(seen) > 3
    return dead


# -- folders -------------------------------------------------------------------------------------


def test_the_site_reaches_every_mirror_that_can_have_it(publisher, validate):   # noqa: F811
    publisher.configure(mirror("a"), mirror("b", stage="yes"), mirror("c", holds="objects"),
                        mirror("d", kind="http", url="https://d.example.org/"),
                        mirror("e", kind="github", owner="o", repo="r"), mirror("f"))
    publisher("push", "-m", "a", "-m", "f", check=None)
    result = publisher("site", "--push", "--json")
    validate(result.json, "output-site")
    found = mirrors(result)
    assert {name: m["outcome"] for name, m in found.items()} == {
        "a": "sent", "c": "left-out", "d": "left-out", "e": "left-out", "f": "sent"}
    assert site_of(publisher) == site_of(publisher, "f") == pages(publisher)
    assert "read-only" in found["d"]["reason"] and "github" in found["e"]["reason"]
    assert "objects only" in found["c"]["reason"]
    assert found["a"]["written"] == result.json["files"] == len(pages(publisher))
    assert dead_links(publisher.mirror() / "site") == set()
    again = mirrors(publisher("site", "--push", "--json"))
    assert again["a"]["written"] <= 2      # what shows the time of the build
    text = publisher("site", "--push", "-m", "d", check=2).err
    assert "no mirror can have the site" in text and "read-only" in text


@pytest.fixture
def one(publisher):     # noqa: F811
    publisher.configure(mirror("a"))
    publisher("push")
    return publisher


def test_only_what_changed_is_sent(one):
    one("site", "--push")
    for path in one.mirror().rglob("*"):
        os.utime(path, (1, 1))
    shutil.rmtree(one.tree / ".ferry/push")     # the record: a folder reports no digests
    assert mirrors(one("site", "--push", "--json"))["a"]["written"] == len(pages(one))
    one.add_model("second", seed=2)
    one("push")
    result = mirrors(one("site", "--push", "--json"))["a"]
    assert 0 < result["written"] < len(pages(one))
    assert pages(one).items() <= site_of(one).items()


def test_what_somebody_changed_on_the_mirror_is_sent_again(one):
    one("site", "--push")
    page = one.mirror() / "site/models/tiny.html"
    right = page.read_bytes()
    page.unlink()
    page.write_bytes(right.replace(b"tiny", b"evil"))
    one("site", "--push")
    assert page.read_bytes() == right


def test_a_mirror_gets_no_site_of_a_release_that_it_does_not_show(one):
    one("site", "--push")
    old = site_of(one)
    one.add_model("second", seed=2)
    result = one("site", "--push", "--json", check=3)
    assert mirrors(result)["a"]["outcome"] == "failed"
    assert "ferry push" in result.json["error"]["hint"] and site_of(one) == old
    one("push")
    one("site", "--push")
    assert "models/second.html" in site_of(one)


def test_a_dry_run_sends_nothing(one):
    result = one("site", "--push", "--dry-run", "--json")
    found = mirrors(result)["a"]
    assert (found["outcome"], found["planned"]) == ("planned", result.json["files"])
    assert not (one.mirror() / "site").exists() and not (one.tree / "site").exists()


def test_an_interrupted_push_leaves_readers_a_site_that_works(one):
    one("site", "--push")
    copy = one.dir / "copy"
    shutil.copytree(one.mirror() / "site", copy)
    one.add_model("second", seed=2)
    one("push")
    moments = Moments(one.dir, lambda env: one("site", "--push", env=env))
    for environment in moments.some(16):
        shutil.rmtree(one.mirror() / "site")
        shutil.copytree(copy, one.mirror() / "site")
        one("site", "--push", env=environment, check=None)
        assert dead_links(one.mirror() / "site") == set()
    one("site", "--push")
    assert pages(one).items() <= site_of(one).items()


def test_the_release_is_not_disturbed(one):
    def release():
        return {k: v for k, v in contents(one.mirror()).items()
                if not k.startswith(("site/", ".ferry/"))}
    before = release()
    one("site", "--push")
    assert release() == before
    assert one("push", "--json").json["changed"] is False
    one("verify", "--full")
    one("health", "--mirror", "a")
    one.configure(mirror("a"), mirror("b"))
    one("sync", "a", "b")
    assert one.release("b") == one.release("a") and not site_of(one, "b")
    one("push", "--prune", at="+20 days", check=None)
    assert site_of(one) == pages(one)


# -- pruning -------------------------------------------------------------------------------------


@pytest.fixture
def shrunk(one):
    """A mirror with the site of a model that is gone, and a file of somebody in site/."""
    one.add_model("second", seed=2)
    one("push")
    one("site", "--push")
    one("catalog", "remove", "second")
    one("catalog", "sign")
    one("push")
    (one.mirror() / "sitemap.txt").write_text("not below site/")
    (one.mirror() / "site/notes.txt").write_text("of somebody")
    return one


def test_pages_of_earlier_sites_go_after_the_grace_time(shrunk):
    def prune(day, *options):
        shrunk("catalog", "refresh", at=f"+{day} days")
        shrunk("push", at=f"+{day} days")
        return mirrors(shrunk("site", "--push", "--prune", "--json", *options,
                              at=f"+{day} days"))["a"]
    assert prune(1)["removed"] == 0
    assert "models/second.html" in site_of(shrunk)
    other = {k for k in contents(shrunk.mirror()) if not k.startswith(("site/", ".ferry/"))}
    planned = prune(20, "--dry-run")
    assert planned["old"] == 0
    found = prune(40, "--dry-run")
    assert found["old"] > 0 and found["removed"] == 0
    assert prune(40)["removed"] == found["old"]
    assert site_of(shrunk) == pages(shrunk)
    assert other <= set(contents(shrunk.mirror()))
    assert dead_links(shrunk.mirror() / "site") == set()


def test_push_prunes_the_site_only_where_it_is_the_current_one(shrunk):
    """Else a page that readers still find by links would go."""
    shrunk("site", at="+39 days")
    shrunk("catalog", "refresh", at="+40 days")
    shrunk("push", "--prune", at="+40 days")
    assert "models/second.html" in site_of(shrunk)
    shrunk("site", "--push", at="+40 days")
    result = shrunk("push", "--prune", "--json", at="+40 days")
    assert "models/second.html" not in site_of(shrunk)
    assert site_of(shrunk) == pages(shrunk)
    keys = {i["key"] for m in result.json["pruned"] for i in m["items"]}
    assert "site/models/second.html" in keys


# -- buckets and branches -------------------------------------------------------------------------


@pytest.fixture
def bucket(publisher, radosgw, s3_proxy, no_pauses):    # noqa: F811
    region = radosgw.region("us-east-1")
    publisher.ferry.env.update(PUBLISHER.env)
    made = Bucket("us", region, s3_proxy(region))
    publisher.configure(made.section())
    made.ferry = publisher
    publisher("push")
    return made


def test_a_bucket_gets_types_and_cache_times(bucket):
    bucket.ferry("site", "--push")
    keys = {k.removeprefix("site/") for k in bucket.region.keys_of(bucket.bucket)
            if k.startswith("site/")}
    assert keys == set(pages(bucket.ferry))
    for key in keys:
        head = bucket.client.head_object(Bucket=bucket.bucket, Key=f"site/{key}")
        cached = "immutable" if key.startswith("assets/") else "max-age=60"
        assert cached in head["CacheControl"], key
        kind = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
                "js": "text/javascript; charset=utf-8", "json": "application/json",
                "svg": "image/svg+xml", "txt": "text/plain; charset=utf-8"}
        assert head["ContentType"] == kind.get(key.rpartition(".")[2], head["ContentType"]), key
        assert head["ContentType"] != "application/octet-stream", key
        assert "ContentDisposition" not in head, key


def test_a_bucket_gets_assets_first_and_the_first_page_last(bucket):
    begin = len(bucket.proxy.log)
    bucket.ferry("site", "--push")
    sent = [r["key"].removeprefix("site/") for r in bucket.proxy.log[begin:]
            if r["operation"] == "PutObject"]
    order = ["assets/", "models/", ("page/", "by/"), ("mirrors/", "statistics/")]
    def rank(path):
        if path == "index.html":
            return 9
        return next((i for i, start in enumerate(order) if path.startswith(start)), 5)
    assert [rank(p) for p in sent] == sorted(rank(p) for p in sent)
    assert sent[-1] == "index.html" and rank(sent[0]) == 0


def test_another_machine_sends_only_what_differs(bucket):
    """It has no record of what was sent: the bucket keeps the digests."""
    bucket.ferry("site", "--push")
    shutil.rmtree(bucket.ferry.tree / ".ferry")
    assert mirrors(bucket.ferry("site", "--push", "--json"))["us"]["written"] <= 2


def test_a_fault_of_the_server_is_tried_again(bucket):
    fault = bucket.proxy.add("PutObject", "site/*", times=2, slow_down=True)
    bucket.ferry("site", "--push")
    assert fault.hits == 2
    bucket.proxy.add("PutObject", "site/index.html", error="InternalError")
    bucket.ferry.add_model("second", seed=2)
    bucket.ferry("push")
    result = bucket.ferry("site", "--push", "--json", check=4)
    assert mirrors(result)["us"]["outcome"] == "failed"
    bucket.proxy.heal()
    bucket.ferry("site", "--push")
    assert bucket.read("site/index.html") == (bucket.ferry.tree / "site/index.html").read_bytes()


def test_a_bucket_with_the_rules_of_r2_gets_it(publisher, radosgw, r2_proxy):    # noqa: F811
    region = radosgw.region("us-east-1")
    publisher.ferry.env.update(PUBLISHER.env)
    bucket = Bucket("r2", region, r2_proxy(region, seconds_between_writes=0), kind="r2")
    publisher.configure(bucket.section())
    publisher("push")
    assert mirrors(publisher("site", "--push", "--json"))["r2"]["outcome"] == "sent"
    assert bucket.read("site/index.html") == (publisher.tree / "site/index.html").read_bytes()


def test_a_branch_gets_the_site_in_one_commit(publisher, host):     # noqa: F811
    host.create()
    publisher.configure(mirror("meta", kind="git", remote=host.path("models")), mirror("a"))
    publisher("push")
    before = len(host.commits())
    publisher("site", "--push", "-m", "meta")
    assert len(host.commits()) == before + 1
    assert host.at("log", "-1", "--format=%s", "main").startswith("site: release ")
    there = {f.removeprefix("site/") for f in host.files() if f.startswith("site/")}
    assert there == set(pages(publisher))
    index = host.show("site/index.html")
    assert hashlib.sha256(index.encode()).hexdigest() == pages(publisher)["index.html"] or \
        index.strip() == (publisher.tree / "site/index.html").read_text().strip()
    publisher("verify", "--quick", "-m", "meta")
    assert json.loads(publisher("push", "--json").out)["changed"] is False
