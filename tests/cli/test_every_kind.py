"""One release on mirrors of every kind at once: folder, S3, R2 (simulated), GitHub (simulated), git
and a registry. Every push goes to all of them; each alone serves readers."""

import base64
import collections
import hashlib
import random
import shutil

import pytest

import kills
from bucket_mirrors import Bucket
from conftest import Ferry
from git_servers import GitHost
from github_simulated import github, github_server  # noqa: F401
from published import Publisher, mirror, outcomes, signed_base  # noqa: F401
from registries import CREDENTIALS, PASSWORD, USER, Registry
from s3_servers import PUBLISHER
from test_push_s3 import add_shards

MIB = 1 << 20
PART = 8 * MIB        # the lowered limit of GitHub: larger models are split


class Place:
    """A mirror, and the nginx through which its readers come, or what takes its place."""
    holds_objects = True

    def __init__(self, name, front=None):
        self.name, self.front = name, front

    def up(self):
        self.front.launch()
        self.front.has_bound()

    def down(self):
        self.front.stop()


class Folder(Place):
    def __init__(self, publisher, nginx):
        (publisher.dir / "mirrors/folder").mkdir(parents=True)
        super().__init__("folder", nginx(publisher.mirror("folder")))
        self.section = mirror("folder", url=self.front.url)


class InBucket(Place):
    def __init__(self, name, publisher, region, proxy, nginx, kind="s3"):
        bucket = Bucket(name, region, proxy, kind=kind)
        region.publish(bucket.bucket)
        at = f"location / {{ proxy_pass {region.endpoint}/{bucket.bucket}/; }}"
        super().__init__(name, nginx(publisher.dir / "empty", extra=at))
        self.section = bucket.section(url=self.front.url)


class Git(Place):
    holds_objects = False

    def __init__(self, publisher, nginx):
        self.host = GitHost(publisher.dir)
        self.host.create()
        self.checkout = publisher.dir / "raw"
        self.checkout.mkdir()
        super().__init__("git", nginx(self.checkout))
        self.section = mirror("git", kind="git", remote=self.host.path("models"),
                              url=self.front.url)

    def up(self):
        """As raw.githubusercontent.com shows the branch."""
        self.host.check_out(self.checkout)


class Github(Place):
    def __init__(self, publisher, github):
        super().__init__("releases")
        self.github = github
        github.repository("octo/models")
        github.limits(asset_size=PART + 1, primary=1000000, content_minute=1000000)
        publisher.ferry.env["GH_TOKEN"] = github.token("octo")
        self.section = mirror("releases", kind="github", owner="octo", repo="models",
                              api=github.api, url=github.url("octo/models"), holds="objects",
                              **{"part-size": "8MiB"})

    def check_that_no_asset_was_sent_twice(self, kills):
        """But those that were on their way when a push was killed: GitHub may have got all of one,
        and the next push come before that. Nothing is left of uploads that were cut, and no
        release is a draft."""
        sent = collections.Counter(r["query"]["name"].removesuffix(".partial")
                                   for r in self.github.requests("upload-release-asset")
                                   if r["status"] == 201)
        releases = self.github.releases("octo/models")
        there = [a for r in releases for a in r["assets"]]
        assert {a["name"] for a in there} == set(sent)
        assert sum(sent.values()) - len(sent) <= kills
        assert {a["state"] for a in there} == {"uploaded"}
        assert not any(r["draft"] for r in releases)

    def up(self):
        self.github.up()

    def down(self):
        self.github.down()


class InRegistry(Place):
    def __init__(self, publisher, registry, nginx):
        user = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        at = f"""location / {{
            limit_except GET HEAD {{ deny all; }}
            proxy_pass http://{registry.host};
            proxy_set_header Host $http_host;
            proxy_set_header Authorization "Basic {user}"; }}"""
        super().__init__("registry", nginx(publisher.dir / "empty", extra=at))
        publisher.ferry.env.update(CREDENTIALS)
        image = "octo/" + hashlib.sha256(str(publisher.dir).encode()).hexdigest()[:12]
        self.section = mirror("registry", kind="oci", image=f"{registry.host}/{image}",
                              url=f"{self.front.url}/v2/{image}")


class Everywhere:
    """A publisher with all these mirrors."""

    def __init__(self, publisher, radosgw, s3_proxy, r2_proxy, nginx, github, registry):
        self.publisher = publisher
        publisher.ferry.env.update(PUBLISHER.env)
        (publisher.dir / "empty").mkdir()
        us = radosgw.region("us-east-1")
        r2 = r2_proxy(us, seconds_between_writes=0)
        self.places = [
            Folder(publisher, nginx),
            InBucket("s3", publisher, us, s3_proxy(us), nginx),
            InBucket("r2", publisher, us, r2, nginx, kind="r2"),
            Github(publisher, github),
            Git(publisher, nginx),
            InRegistry(publisher, registry, nginx),
        ]
        publisher.configure(*(p.section for p in self.places))

    def __getitem__(self, name):
        return next(p for p in self.places if p.name == name)

    def read_alone(self, name, models):
        """A new reader fetches the models while only this mirror has objects for readers."""
        for place in self.places:
            if place.holds_objects and place.name != name:
                place.down()
        self["git"].up()
        reader = self.publisher.dir / f"reader-{name}"
        shutil.rmtree(reader, ignore_errors=True)
        reader.mkdir()
        root = (self.publisher.tree / "metadata/1.root.json").read_bytes()
        (reader / "ferry.conf").write_text(
            f"[repository.test]\nmetadata = {self['git'].front.url}\n"
            f"root-sha256 = {hashlib.sha256(root).hexdigest()}\n")
        client = Ferry(reader)
        for model in models:
            client("fetch", model, cwd=reader)
        store = {p.name for p in (reader / "store/blobs/sha256").iterdir()}
        signed = {p.name.split(".")[0] for p in self.publisher.tree.rglob("*.gguf")}
        assert store == signed
        for place in self.places:
            if place.holds_objects and place.name != name:
                place.up()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def everywhere(signed_base, ferry, radosgw, s3_proxy, r2_proxy, nginx, github, registry):
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    publisher = Publisher(ferry)
    publisher.configure()
    add_shards(publisher, "sharded", "6M", 3)
    publisher.add_model("large", "20M", seed=7)
    return Everywhere(publisher, radosgw, s3_proxy, r2_proxy, nginx, github, registry)


MODELS = ["tiny", "sharded", "large"]


def test_one_push_reaches_every_kind_and_each_alone_serves_readers(everywhere):
    push = everywhere.publisher
    push("catalog", "sign")
    assert set(outcomes(push("push", "--json")).values()) == {"done"}
    assert set(outcomes(push("push", "--json")).values()) == {"up-to-date"}
    verified = push("verify", "--full", "--json").json["mirrors"]
    assert [m["result"] for m in verified] == ["ok"] * 6
    for place in everywhere.places:
        if place.holds_objects:
            everywhere.read_alone(place.name, MODELS)


def test_a_push_that_is_killed_again_and_again_ends_with_every_mirror_whole(everywhere):
    push = everywhere.publisher
    push("catalog", "sign")
    chance, killed = random.Random(11), 0
    moments = kills.Moments(push.dir, lambda env: push("push", "--dry-run", env=env))
    first = moments.sends           # what a run asks before it changes anything
    ended = collections.Counter()
    while killed < 20:
        n = first + chance.randrange(1, 60)
        result = push("push", check=None, env=kills.at(n, "send"))
        ended[result.code] += 1
        assert result.code in (-9, 137, 0), result.err
        killed += result.code != 0
        if result.code == 0:        # it was done before: there is more to do
            push.add_model(f"more-{ended[0]}", "9M", seed=100 + ended[0])
    push("push")
    verified = push("verify", "--full", "--json").json["mirrors"]
    assert [m["result"] for m in verified] == ["ok"] * 6
    everywhere["releases"].check_that_no_asset_was_sent_twice(killed)
    names = MODELS + [f"more-{i + 1}" for i in range(ended[0])]
    for place in everywhere.places:
        if place.holds_objects:
            everywhere.read_alone(place.name, names)
