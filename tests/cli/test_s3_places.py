"""How buckets are addressed: by path, by host name, in the region where they are (SIMULATED AWS)."""

import subprocess

from bucket_mirrors import Bucket
from conftest import TOOLS
from published import mirror, publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER
from waiting import PATIENCE


def hosts(aws):
    return {e["headers"]["Host"].partition(":")[0] for e in aws.log}


def test_the_name_of_the_host_is_the_bucket_simulated_aws(ferry, work, aws):
    bucket = aws.region.bucket()
    aws.log.clear()
    (work / "ferry.conf").write_text(mirror(
        "m", kind="s3", bucket=bucket, **{"path-style": "no"},
        endpoint=aws.endpoint.replace("127.0.0.1", "localhost")))
    done = subprocess.run([str(TOOLS / "mirror-contract"), work / "ferry.conf", "m"],
                          env=ferry.environment(PUBLISHER.env), capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hosts(aws) == {f"{bucket}.localhost"}


def test_a_bucket_in_another_region_is_found_simulated_aws(publisher, aws):
    at = Bucket("m", aws.region)
    aws.buckets[at.bucket].region = "eu-west-1"
    publisher.ferry.env.update(PUBLISHER.env)
    publisher.configure(at.section())
    publisher("push")
    publisher("verify", "--full")
    # It was sent there once for each command, not for each request.
    redirects = [e for e in aws.log if e["status"] == 301]
    assert 1 <= len(redirects) <= 2 * 8 and len(aws.log) > 3 * len(redirects)
    assert any(k.endswith(".gguf") for k in aws.buckets[at.bucket].objects)


def test_what_is_pushed_has_composite_checksums_simulated_aws(publisher, aws):
    at = Bucket("m", aws.region)
    publisher.ferry.env.update(PUBLISHER.env)
    publisher.configure(at.section())
    publisher("push")
    [model] = [k for k in aws.buckets[at.bucket].objects if k.endswith(".gguf")]
    obj = aws.buckets[at.bucket].current(model)
    assert obj.checksum.endswith("-2") and len(obj.parts) == 2
    aws.log.clear()
    quick = publisher("verify", "--quick", "--json").json["mirrors"][0]
    [found] = [f for f in quick["files"] if f["key"] == model]
    assert found["verdict"] == "ok" and found["how"] == "composite"
    assert not [e for e in aws.of("GetObject") if e["key"] == model]
    # Other bytes are found, though what was written beside the object says otherwise.
    body = bytearray(obj.body)
    body[5] ^= 1
    aws.region.client().put_object(Bucket=at.bucket, Key=model, Body=bytes(body),
                                   Metadata={"sha256": obj.meta["x-amz-meta-sha256"]},
                                   ChecksumAlgorithm="SHA256")
    publisher("verify", "--quick", check=1)
