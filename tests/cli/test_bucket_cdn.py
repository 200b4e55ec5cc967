"""Readers of a bucket come through nginx, which stands for a public CDN."""

import hashlib

import pytest

from bucket_mirrors import Bucket
from published import publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER
from waiting import kill, until


class Site:
    """A public bucket on radosgw that is pushed to through a proxy, and read through nginx."""

    def __init__(self, publisher, region, s3_proxy, nginx):
        self.publisher = publisher
        self.bucket = Bucket("us", region, s3_proxy(region))
        region.publish(self.bucket.bucket)
        (publisher.dir / "empty").mkdir()
        self.cdn = nginx(publisher.dir / "empty", extra=f"""
            location / {{
                proxy_pass {region.endpoint}/{self.bucket.bucket}/;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_hide_header x-amz-request-id;
            }}""")
        publisher.ferry.env.update(PUBLISHER.env)
        publisher.configure(self.bucket.section(url=self.cdn.url))
        root = (publisher.tree / "metadata/1.root.json").read_bytes()
        self.reader = publisher.dir / "reader"
        self.reader.mkdir()
        (self.reader / "ferry.conf").write_text(
            f"[repository.test]\nmetadata = {self.cdn.url}\n"
            f"root-sha256 = {hashlib.sha256(root).hexdigest()}\n")

    def names(self):
        """The models that a reader sees; the commands need no keys."""
        env = dict.fromkeys(PUBLISHER.env)
        models = self.publisher("list", "--json", cwd=self.reader, env=env).json["models"]
        return sorted(m["id"] for m in models)

    def fetch(self, name):
        env = dict.fromkeys(PUBLISHER.env)
        path = self.reader / f"{name}.gguf"
        self.publisher("fetch", name, "-o", path, cwd=self.reader, env=env)
        return path.read_bytes()


@pytest.fixture
def site(publisher, radosgw, s3_proxy, nginx):
    return Site(publisher, radosgw.region("us-east-1"), s3_proxy, nginx)


def test_readers_fetch_in_ranges_what_was_pushed_to_the_bucket(site):
    site.publisher("push")
    original = site.publisher.on("repository", "*tiny*.gguf")
    assert site.fetch("tiny") == original.read_bytes()
    lines = site.cdn.requests()
    assert any(original.name in line and " 206 " in line for line in lines)
    assert any(line.startswith("GET /metadata/timestamp.json ") for line in lines)


def test_readers_see_the_old_release_until_the_new_one_is_whole(site):
    site.publisher("push")
    site.publisher.add_model("second", "20M", seed=2)
    proxy = site.bucket.proxy
    for operation, key in (("UploadPart", "*"), ("CompleteMultipartUpload", "*"),
                           ("PutObject", "metadata/timestamp.json")):
        held = proxy.add(operation, key, drop=True)
        push = site.publisher.ferry.start("push")
        until(held.reached.is_set, push)
        assert site.names() == ["tiny"]
        kill(push)
        proxy.heal()
    site.publisher("push")
    assert site.names() == ["second", "tiny"]
    assert site.fetch("second") == site.publisher.on("repository", "*second*.gguf").read_bytes()
