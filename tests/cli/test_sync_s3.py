"""ferry sync between buckets of a real S3 (radosgw)."""

import pytest

from published import PIECE, mirror, publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER
from waiting import kill, until


def bucket_mirror(name, region, bucket):
    return mirror(name, kind="s3", endpoint=region.endpoint, region=region.name, bucket=bucket)


class Buckets:
    """Two buckets, us and us2, of one server, and eu of another, as mirrors; us has the
    release."""

    def __init__(self, publisher, radosgw):
        self.publisher = publisher
        us, eu = radosgw.region("us-east-1"), radosgw.region("eu-west-1")
        self.regions = {"us": us, "us2": us, "eu": eu}
        self.buckets = {name: region.bucket() for name, region in self.regions.items()}
        publisher.configure(*[bucket_mirror(n, self.regions[n], b)
                              for n, b in self.buckets.items()])
        self("push", "--mirror", "us")

    def __call__(self, *args, **options):
        return self.publisher(*args, env=PUBLISHER.env, **options)

    def keys(self, name):
        return self.regions[name].keys_of(self.buckets[name])

    def body(self, name, key):
        return self.regions[name].body(self.buckets[name], key)

    def damage(self, name, pattern, at):
        [key] = [k for k in self.keys(name) if pattern in k and k.endswith(".gguf")]
        body = bytearray(self.body(name, key))
        body[at] ^= 1
        self.regions[name].client().put_object(Bucket=self.buckets[name], Key=key,
                                               Body=bytes(body))
        return key


def sent(proxy):
    """The parts of the model `second` that the server has got."""
    return proxy.of("UploadPart", "*second*", 200)


@pytest.fixture
def buckets(publisher, radosgw):
    return Buckets(publisher, radosgw)


def test_objects_are_copied_by_the_server_if_both_buckets_are_there(buckets):
    result = buckets("sync", "us", "us2", "--json")
    assert result.json["outcome"] == "done"
    # This server reports no SHA-256 of a copy: each piece is read once, to compare it.
    assert result.json["copied_bytes"] > PIECE and result.json["read_bytes"] > PIECE
    assert buckets.keys("us2") == buckets.keys("us")
    buckets("verify", "--full", "--mirror", "us2")
    assert buckets("sync", "us", "us2", "--json").json["outcome"] == "up-to-date"


def test_objects_are_sent_to_the_bucket_of_another_server(buckets):
    result = buckets("sync", "us", "eu", "--json")
    assert result.json["outcome"] == "done"
    assert result.json["copied_bytes"] == 0 and result.json["read_bytes"] > PIECE
    assert buckets.keys("eu") == buckets.keys("us")
    buckets("verify", "--full", "--mirror", "eu")
    assert buckets.regions["eu"].uploads(buckets.buckets["eu"]) == []


def test_a_corrupt_piece_of_a_bucket_is_named_and_not_copied(buckets):
    key = buckets.damage("us", "tiny", PIECE + 9)
    result = buckets("sync", "us", "eu", "--json", check=6)
    [failed] = result.json["failed"]
    assert failed["key"] == key
    assert f"piece 1 (bytes {PIECE} to " in failed["message"] and "mirror us" in failed["message"]
    assert key not in buckets.keys("eu")
    assert not [k for k in buckets.keys("eu") if not k.startswith("targets/")]


def test_a_corrupt_piece_is_not_copied_by_the_server_either(buckets):
    buckets.damage("us", "tiny", PIECE + 9)
    result = buckets("sync", "us", "us2", "--json", check=6)
    assert "mirror us: " in result.json["failed"][0]["message"]
    assert not [k for k in buckets.keys("us2") if not k.startswith("targets/") or "tiny" in k
                and k.endswith(".gguf")]
    buckets.damage("us", "tiny", PIECE + 9)                     # mended
    buckets("sync", "us", "us2")
    buckets("verify", "--full", "--mirror", "us2")


def test_of_a_model_with_changed_metadata_only_the_first_piece_is_sent(buckets):
    buckets.publisher.add_model("second", size="40M", seed=2)
    buckets("push", "--mirror", "us")
    buckets.publisher.add_model("second", size="40M", seed=2,
                                options=("--name", "longer " * 30))
    [us] = buckets("push", "--mirror", "us", "--json").json["mirrors"]
    assert us["copied_bytes"] >= 3 * PIECE
    assert us["written_bytes"] - us["copied_bytes"] < PIECE + (1 << 20)
    buckets("verify", "--full", "--mirror", "us")


def test_a_killed_sync_is_continued_with_the_parts_that_are_missing(buckets, s3_proxy):
    buckets.publisher.add_model("second", size="40M", seed=2)
    buckets("push", "--mirror", "us")
    proxy = s3_proxy(buckets.regions["eu"])
    buckets.publisher.configure(bucket_mirror("us", buckets.regions["us"], buckets.buckets["us"]),
                                bucket_mirror("eu", proxy.region, buckets.buckets["eu"]))
    size = buckets.publisher.on("repository", "*second*.gguf").stat().st_size
    held = proxy.add("UploadPart", key="*second*", skip=2, hold=True)
    process = buckets.publisher.ferry.start("sync", "us", "eu", env=PUBLISHER.env)
    until(lambda: held.hits and len(sent(proxy)) == 2, process)
    kill(process)
    held.release()
    proxy.settle()
    result = buckets("sync", "us", "eu", "--json")
    assert result.json["outcome"] == "done"
    assert len(sent(proxy)) == -(-size // PIECE)
    buckets("verify", "--full", "--mirror", "eu")
    assert buckets.regions["eu"].uploads(buckets.buckets["eu"]) == []
