"""ferry verify of buckets: what a server reports is proof, no proof, or nothing."""

import base64
import hashlib

import pytest

from published import PIECE, mirror, publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER, rclone

pytestmark = pytest.mark.usefixtures("no_pauses")


class Bucket:
    """A mirror m in a bucket that has the release."""

    def __init__(self, publisher, region):
        self.publisher, self.region = publisher, region
        self.name = region.bucket()
        publisher.configure(mirror("m", kind="s3", endpoint=region.endpoint, region=region.name,
                                   bucket=self.name))
        self("push")
        [self.model] = [k for k in region.keys_of(self.name) if k.endswith(".gguf")]
        self.body = region.body(self.name, self.model)

    def __call__(self, *args, **options):
        return self.publisher(*args, env=PUBLISHER.env, **options)

    def verify(self, *options, check=0):
        """What is said about the model."""
        [m] = self("verify", "--json", *options, check=check).json["mirrors"]
        return next(f for f in m["files"] if f["key"] == self.model)

    def put(self, body, size=None, **how):
        """Another client's upload of the model, in parts of this size."""
        s3, which = self.region.client(), {"Bucket": self.name, "Key": self.model}
        if not size:
            s3.put_object(**which, Body=body)
            return
        which["UploadId"] = s3.create_multipart_upload(**which, **how)["UploadId"]
        done = []
        for number, at in enumerate(range(0, len(body), size), 1):
            part, more = body[at:at + size], {}
            if how:
                digest = hashlib.sha256(part).digest()
                more["ChecksumSHA256"] = base64.b64encode(digest).decode()
            answer = s3.upload_part(**which, PartNumber=number, Body=part, **more)
            done.append({"PartNumber": number, "ETag": answer["ETag"], **more})
        s3.complete_multipart_upload(**which, MultipartUpload={"Parts": done})


@pytest.fixture
def bucket(publisher, radosgw):  # noqa: F811
    return Bucket(publisher, radosgw.region("us-east-1"))


@pytest.fixture
def aws_bucket(publisher, aws):  # noqa: F811
    return Bucket(publisher, aws.region)


def test_a_stored_digest_is_proof_for_quick(bucket):
    told = bucket.verify("--quick")
    assert (told["verdict"], told["how"]) == ("ok", "digest")
    assert "not checked" not in bucket("verify").out


def test_what_another_client_wrote_is_unverified_until_it_is_read(bucket):
    bucket.put(bucket.body, 5 << 20)
    told = bucket.verify("--quick")
    assert told["verdict"] == "unverified" and "how" not in told
    assert told["message"] == "size only: content not checked"
    assert bucket("verify").out.splitlines()[-1].startswith("The content of 1 file on 1 mirror ")
    assert bucket.verify("--full")["how"] == "bytes"
    told = bucket.verify("--sample", 1, "--seed", 1)
    assert (told["how"], told["pieces_checked"]) == ("sample", 1)


def test_what_rclone_wrote_is_read_and_right(bucket, work):
    (work / "copy.gguf").write_bytes(bucket.body)
    rclone(bucket.region, "copyto", work / "copy.gguf", f"{bucket.name}/{bucket.model}")
    told = bucket.verify("--full")
    assert (told["verdict"], told["how"]) == ("ok", "bytes")


def test_a_damaged_object_of_the_right_size_is_found_by_reading(bucket):
    damaged = bytearray(bucket.body)
    damaged[PIECE + 7] ^= 1
    bucket.put(bytes(damaged))
    assert bucket.verify("--quick")["verdict"] == "unverified"
    told = bucket.verify("--full", check=1)
    assert told["verdict"] == "corrupt" and told["bad_pieces"][0]["index"] == 1
    text = bucket("verify", "--full", check=1).out
    assert f"corrupt\n  piece 1 (bytes {PIECE}-" in text


def test_shards_of_a_bucket_are_merged(bucket, work):
    whole = bucket("verify", "--full", "--json").json
    paths = []
    for i in (1, 2, 3):
        paths.append(work / f"report-{i}.json")
        paths[-1].write_text(bucket("verify", "--full", "--shard", f"{i}/3", "--json").out)
    assert bucket("verify", "--merge", "--json", *paths).json == whole


def test_simulated_aws_composite_checksums_are_proof_or_nothing(aws_bucket):
    """Of our pieces it is proof; of other parts it proves nothing, neither way."""
    bucket = aws_bucket
    bucket.put(bucket.body, PIECE, ChecksumAlgorithm="SHA256")
    told = bucket.verify("--quick")
    assert (told["verdict"], told["how"]) == ("ok", "composite")
    bucket.put(bucket.body, 5 << 20, ChecksumAlgorithm="SHA256")
    told = bucket.verify("--quick")
    assert told["verdict"] == "unverified" and told["other_parts"] is True
    assert "composite checksum of other parts" in told["message"]
    assert bucket.verify("--full")["how"] == "bytes"
