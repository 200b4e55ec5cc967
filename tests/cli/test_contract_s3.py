"""The mirror contract against buckets: of a real S3, of what is like AWS or R2, of a poor S3."""

import subprocess

import pytest

import s3_servers
from conftest import TOOLS
from published import mirror
from waiting import PATIENCE

# What a server cannot do, and how the contract's test of it ends.
NO_LISTS = "not implemented by this server (NotImplemented)"
NO_ABORT = "not allowed by this server (MethodNotAllowed)"
LACKS = {
    "radosgw": {}, "simulated R2": {}, "simulated AWS": {},
    "miniflare": {
        "a_closed_upload_is_found_again": "u->missing == 2",
        "a_leftover_is_listed_and_removed": NO_LISTS,
        "a_committed_upload_is_no_leftover": NO_LISTS,
    },
    "s3rver": {
        "get_gives_ranges": "answered with bytes 0-3158072, but 0-0 were requested",
        "a_closed_upload_is_found_again": "u->missing == 2",
        "an_abandoned_upload_leaves_nothing": NO_ABORT,
        "a_leftover_is_listed_and_removed": NO_LISTS,
        "a_committed_upload_is_no_leftover": NO_LISTS,
        "an_upload_with_gaps_is_not_committed": NO_ABORT,
        "list_is_sorted_and_whole": "a-b=4 a.b=3 a/b/c=5",     # sorted in another order
    },
}


class Place:
    def __init__(self, region, kind="s3", bucket=None):
        self.region, self.kind = region, kind
        self.bucket = bucket or region.bucket()

    def section(self, name="m", **options):
        return mirror(name, kind=self.kind, endpoint=self.region.endpoint, bucket=self.bucket,
                      **({"region": self.region.name} if self.kind == "s3" else {}), **options)


@pytest.fixture
def place(request):
    """place("radosgw"), … : an empty bucket on a server of this name."""
    def make(name):
        def get(fixture):
            return request.getfixturevalue(fixture)
        if name == "radosgw":
            return Place(get("radosgw").region("us-east-1"))
        if name == "simulated R2":
            us = get("radosgw").region("us-east-1")
            return Place(get("r2_proxy")(us, seconds_between_writes=0).region, "r2", us.bucket())
        if name == "miniflare":
            return Place(get("miniflare"), "r2")
        if name == "s3rver":
            return Place(get("s3rver"))
        return Place(get("aws").region)
    return make


@pytest.mark.parametrize("name", LACKS)
def test_buckets_keep_the_contract(ferry, work, place, name):
    at = place(name)
    (work / "ferry.conf").write_text(at.section(prefix="a folder/in it"))
    env = ferry.environment(at.region.keys.env)
    if LACKS[name]:     # a test that ends early frees nothing
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    done = subprocess.run([str(TOOLS / "mirror-contract"), work / "ferry.conf", "m"], env=env,
                          capture_output=True, text=True, timeout=PATIENCE)
    said = dict(line.split(" ", 1)[1].partition(": ")[::2] for line in done.stdout.splitlines()
                if line.startswith("FAILED "))
    assert set(said) == set(LACKS[name]), done.stdout + done.stderr
    for test, words in LACKS[name].items():
        assert words in said[test]
    assert done.stdout.count("ok ") + len(said) >= 25
    # Nothing is left but the mirror's own folder.
    assert name == "s3rver" or [k for k in at.region.keys_of(at.bucket) if "/.ferry/" not in k] == []
