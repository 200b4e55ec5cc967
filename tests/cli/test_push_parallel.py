"""ferry push to a real S3 (radosgw): what is under way at the same time, and what it takes."""

import subprocess

from conftest import BIN
from published import PIECE, mirror, publisher, signed_base  # noqa: F401
from s3_proxy import S3Proxy
from s3_servers import PUBLISHER
from waiting import communicate, until


def bucket_mirror(publisher, region, bucket, **options):
    publisher.configure(mirror("a", kind="s3", endpoint=region.endpoint, region=region.name,
                               bucket=bucket, **options))


def start_push(publisher):
    return subprocess.Popen([str(BIN / "ferry-push"), "--progress=none"], cwd=publisher.dir,
                            env=publisher.ferry.environment(PUBLISHER.env),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def held_up(publisher, radosgw, operation, connections):
    """A push is held up at these requests; returns when so many are under way at once."""
    region = radosgw.region("us-east-1")
    with S3Proxy(region) as proxy:
        bucket_mirror(publisher, proxy.region, region.bucket(), connections=connections)
        fault = proxy.add(operation, "targets/*", hold=True)
        process = start_push(publisher)
        until(lambda: fault.hits == connections, process)
        fault.release()
        _, err = communicate(process)
        assert process.returncode == 0, err
        assert fault.hits == connections
        publisher("verify", "--full", env=PUBLISHER.env)


def test_pieces_of_an_object_are_sent_at_the_same_time(publisher, radosgw):
    publisher.add_model("large", "40M", seed=5)
    held_up(publisher, radosgw, "UploadPart", 5)


def test_several_objects_are_sent_at_the_same_time(publisher, radosgw):
    publisher.add_model("second", seed=2)
    held_up(publisher, radosgw, "PutObject", 3)


def test_the_estimate_of_requests_is_near_what_it_takes(publisher, radosgw, validate):
    region = radosgw.region("us-east-1")
    bucket_mirror(publisher, region, region.bucket())
    plan = publisher("push", "--dry-run", "--json", env=PUBLISHER.env)
    validate(plan.json, "output-push")
    planned = plan.json["mirrors"][0]
    assert planned["planned_requests"] == planned["planned"] - 1 + 5     # one file of 2 pieces
    assert "about" in publisher("push", "--dry-run", env=PUBLISHER.env).out
    result = publisher("push", "--json", env=PUBLISHER.env)
    validate(result.json, "output-push")
    pushed = result.json["mirrors"][0]
    # The bucket is looked at, too, before and after.
    assert planned["planned_requests"] <= pushed["requests"] < 6 * planned["planned_requests"]
    assert pushed["written_bytes"] > PIECE and pushed["retries"] == 0
