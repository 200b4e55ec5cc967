"""ferry push to buckets of real servers, whatever happens on the way."""

import collections
import hashlib
import json
import shutil
import subprocess

import pytest

from bucket_mirrors import Bucket
from conftest import ROOT
from published import mirror, publisher, signed_base  # noqa: F401
from s3_proxy import Gate
from s3_servers import PUBLISHER
from waiting import kill, until


def add_shards(publisher, name, size, count):
    """A model in several files."""
    folder = publisher.dir / "shards"
    folder.mkdir()
    subprocess.run([str(ROOT / "scripts" / "make-test-gguf"), "-o", str(folder / f"{name}.gguf"),
                    "--size", size, "--shards", str(count)], check=True,
                   stdout=subprocess.DEVNULL)
    publisher("prepare", name, *sorted(folder.iterdir()), "--set", "license.id=MIT",
              "--set", "summary=For tests", "--set", "source.url=https://example.org/model")
    publisher("catalog", "add", f"models/{name}")
    shutil.rmtree(folder)
    shutil.rmtree(publisher.dir / "models" / name)
    publisher("catalog", "sign")


class Folder:
    def __init__(self, publisher, name):
        self.name, self.path = name, publisher.mirror(name)

    def section(self):
        return mirror(self.name)

    def read(self, key):
        path = self.path / key
        return path.read_bytes() if path.exists() else None

    def size(self, key):
        return (self.path / key).stat().st_size


class Reader:
    """Follows a mirror's metadata as a client does, and looks at all that it names. What was
    whole once is not read again: objects never change."""

    def __init__(self):
        self.whole = set()

    def release(self, at):
        """The version that readers see; fails unless all of it is there."""
        timestamp = json.loads(at.read("metadata/timestamp.json"))["signed"]
        snapshot = self.metadata(at, timestamp["meta"]["snapshot.json"], "snapshot.json")
        for name, meta in snapshot["meta"].items():
            role = self.metadata(at, meta, name)
            for path, target in role.get("targets", {}).items():
                folder, _, base = path.rpartition("/")
                self.object(at, f"targets/{folder}{'/' if folder else ''}"
                            f"{target['hashes']['sha256']}.{base}", target)
        return timestamp["version"]

    def metadata(self, at, meta, name):
        body = at.read(f"metadata/{meta['version']}.{name}")
        assert body is not None, f"{at.name}: {name} is missing"
        wanted = meta.get("hashes", {}).get("sha256")
        assert wanted in (None, hashlib.sha256(body).hexdigest()), f"{at.name}: {name}"
        return json.loads(body)["signed"]

    def object(self, at, key, target):
        if (at.name, key) not in self.whole:
            assert at.size(key) == target["length"]
            assert hashlib.sha256(at.read(key)).hexdigest() == target["hashes"]["sha256"]
            self.whole.add((at.name, key))


# -- kills ------------------------------------------------------------------------------

# Where the push is killed: at the first request like this to any server, which is not performed,
# or whose answer does not come.
POINTS = [("PutObject", "targets/*.manifest.json", "hold_answer"),
          ("CreateMultipartUpload", "*", "hold_answer"), ("CreateMultipartUpload", "*", "drop"),
          *[("UploadPart", "*", "drop"), ("UploadPart", "*", "hold_answer")] * 3,
          *[("CompleteMultipartUpload", "*", "drop"),
            ("CompleteMultipartUpload", "*", "hold_answer")] * 2,
          ("CompleteMultipartUpload", "*", "drop"),
          *[("PutObject", key, how)
            for key in ("metadata/[0-9]*", "catalog.json", "metadata/timestamp.json")
            for how in ("drop", "hold_answer")]]
assert len(POINTS) == 20


@pytest.fixture
def cloud(publisher, radosgw, s3_proxy, r2_proxy):
    """Mirrors in a folder, in buckets of two regions and on the SIMULATED R2."""
    us, eu = radosgw.region("us-east-1"), radosgw.region("eu-west-1")
    publisher.ferry.env.update(PUBLISHER.env)
    publisher.buckets = [Bucket("us", us, s3_proxy(us)), Bucket("eu", eu, s3_proxy(eu)),
                         Bucket("r2", us, r2_proxy(us, seconds_between_writes=0.1), "r2")]
    publisher.all = [Folder(publisher, "disk"), *publisher.buckets]
    publisher.configure(*[m.section() for m in publisher.all])
    return publisher


def kill_at(cloud, operation, key, how, look):
    """Starts a push, and kills it at a request. look() is called while that is held, and all that
    come after it."""
    gate = Gate()
    for bucket in cloud.buckets:
        bucket.proxy.gate = gate
    faults = [b.proxy.add(operation, key, times=1, gate=gate, **{how: True})
              for b in cloud.buckets]
    with open(cloud.dir / "log", "w") as log:
        process = cloud.ferry.start("push", stdout=log, stderr=log)
        until(lambda: any(f.reached.is_set() for f in faults) or process.poll() is not None)
        assert any(f.reached.is_set() for f in faults), (cloud.dir / "log").read_text()
        look()
        kill(process)
    for bucket in cloud.buckets:
        bucket.proxy.heal()
        bucket.proxy.settle()


def test_a_push_to_four_mirrors_survives_twenty_kills_simulated_r2(cloud):
    cloud("push")
    old = cloud.buckets[0].release()
    cloud.add_model("second", "26M", seed=2)
    add_shards(cloud, "split", "36M", 3)
    new = json.loads((cloud.tree / "metadata/timestamp.json").read_bytes())["signed"]["version"]
    reader, shown = Reader(), {}

    def look():
        for at in cloud.all:
            version = reader.release(at)
            assert shown.get(at.name, old) <= version and version in (old, new)
            shown[at.name] = version
    known = {}
    for point in POINTS:
        kill_at(cloud, *point, look)
        for bucket in cloud.buckets:
            known[bucket.name] = {**known.get(bucket.name, {}), **bucket.parts()}
            sent = [(e["query"]["uploadId"], int(e["query"]["partNumber"]))
                    for e in bucket.proxy.of("UploadPart", status=200)]
            # What the server had was never sent again.
            counted = collections.Counter(sent)
            assert not [part for part in known[bucket.name] if counted[part] > 1]
    result = cloud("push", "--json")
    assert {m["outcome"] for m in result.json["mirrors"]} <= {"done", "up-to-date"}
    look()
    assert set(shown.values()) == {new}
    cloud("verify", "--full")
    for bucket in cloud.buckets:
        assert bucket.region.uploads(bucket.bucket) == []
        assert known[bucket.name]       # some parts did wait for the next push
