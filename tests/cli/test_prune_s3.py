"""Plans and pruning on a bucket of a real S3 (radosgw)."""

import json
import shutil

import pytest

from published import mirror, publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER


class Bucket:
    """A bucket as the mirror "s3"."""

    def __init__(self, publisher, region):
        self.publisher, self.region, self.name = publisher, region, region.bucket()
        self.configure()

    def configure(self, more=""):
        self.publisher.configure(mirror("s3", kind="s3", endpoint=self.region.endpoint,
                                        region=self.region.name, bucket=self.name), more=more)

    def __call__(self, *args, **options):
        return self.publisher(*args, env=PUBLISHER.env, **options)

    def keys(self):
        return set(self.region.keys_of(self.name))

    def copy(self, tree):
        """Somebody copies a tree there with another program."""
        for path in tree.rglob("*"):
            key = str(path.relative_to(tree))
            if path.is_file() and key.startswith(("targets/", "metadata/", "catalog.json")):
                self.region.client().put_object(Bucket=self.name, Key=key, Body=path.read_bytes())


@pytest.fixture
def bucket(publisher, radosgw):
    return Bucket(publisher, radosgw.region("us-east-1"))


def test_a_plan_for_a_bucket_is_applied_or_refused(bucket, validate):
    bucket("push", "--plan", "plan.json")
    plan = json.loads((bucket.publisher.dir / "plan.json").read_text())
    validate(plan, "push-plan")
    assert bucket.keys() == set()
    assert plan["mirrors"][0]["settings"]["bucket"] == bucket.name
    bucket("push", "--apply", "plan.json")
    assert bucket.keys() == {s["key"] for s in plan["mirrors"][0]["steps"]}
    assert bucket("push", "--apply", "plan.json", "--json").json["changed"] is False
    bucket.publisher.add_model("second", seed=2)
    bucket("push", "--plan", "plan.json")
    [lost] = [k for k in bucket.keys() if "tiny" in k and k.endswith(".gguf")]
    bucket.region.client().delete_object(Bucket=bucket.name, Key=lost)
    refused = bucket("push", "--apply", "plan.json", "--json", check=8)
    assert refused.json["moved"] == [{"mirror": "s3", "what": lost, "planned": "keep",
                                      "now": "put (missing)"}]


def test_old_objects_of_a_bucket_are_pruned(bucket):
    """The old release was signed 40 days ago, with a snapshot for 30 days."""
    publisher = bucket.publisher
    publisher.add_model("second", seed=2)
    publisher("catalog", "refresh", at="-40 days")
    publisher("catalog", "gc", "--keep", "0")
    shutil.copytree(publisher.tree, publisher.dir / "old")
    bucket.copy(publisher.dir / "old")
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    bucket.configure(more="[publish]\nprune-after = 1d\n")
    assert bucket("push", "--prune", "--json").json["pruned"][0]["removed"] == 0
    old = {k for k in bucket.keys() if "tiny" in k}
    assert len(old) == 4
    bucket.configure(more="[publish]\nprune-after = 0s\n")
    result = bucket("push", "--prune", "--json")
    removed = {i["key"] for i in result.json["pruned"][0]["items"] if i["removed"]}
    assert old <= removed and not removed & bucket.keys()
    assert any(key.endswith(".snapshot.json") for key in removed)
    bucket("verify", "--full")
