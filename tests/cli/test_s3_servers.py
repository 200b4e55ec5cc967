"""The S3 servers of the tests, used by clients of others: what they say is what S3 says."""

import json
import os
import subprocess

import botocore.exceptions
import pytest

import s3_servers
import s3_wire
import shared
from s3_servers import refused
from waiting import PATIENCE, gone, until

MIB = 1 << 20


def test_a_server_of_the_run_is_shared_and_ends_with_the_run(work):
    """However the run ends: here the process that stands for it is killed."""
    stands_for_run = subprocess.Popen(["sleep", "1000"])
    keeper = shared.keep(work, "test_s3_servers:Sleeper", stands_for_run.pid)
    sleeper = json.loads((work / "where.json").read_text())
    assert not gone(sleeper) and not gone(keeper.pid)
    stands_for_run.kill()
    stands_for_run.wait()
    keeper.wait(PATIENCE)
    until(lambda: gone(sleeper))


def test_a_server_ends_with_its_keeper(work):
    keeper = shared.keep(work, "test_s3_servers:Sleeper", os.getpid())
    sleeper = json.loads((work / "where.json").read_text())
    keeper.kill()
    keeper.wait(PATIENCE)
    until(lambda: gone(sleeper))


class Sleeper:
    """A server that a keeper keeps, and that serves nothing."""

    def __init__(self, folder):
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["sleep", "1000"], preexec_fn=shared.die_with_parent)

    def where(self):
        return self.process.pid

    def stop(self):
        self.process.kill()
        self.process.wait()


def test_radosgw_has_two_regions_and_users_with_different_rights(radosgw):
    us, eu = radosgw.region("us-east-1"), radosgw.region("eu-west-1")
    bucket, other = us.bucket(), eu.bucket()
    put = {"Bucket": bucket, "Key": "k", "Body": b"content"}
    us.client().put_object(**put)
    assert us.body(bucket, "k") == us.body(bucket, "k", s3_servers.READER) == b"content"
    assert refused(us.client(s3_servers.READER).put_object, **put) == (403, "AccessDenied")
    assert refused(us.client(s3_servers.STRANGER).get_object, Bucket=bucket,
                   Key="k") == (403, "AccessDenied")
    assert refused(us.client(s3_servers.WRONG_SECRET).put_object,
                   **put) == (403, "SignatureDoesNotMatch")
    assert refused(us.client(s3_servers.WRONG_KEY).put_object,
                   **put) == (403, "InvalidAccessKeyId")
    assert refused(us.client().list_objects_v2, Bucket=other) == (404, "NoSuchBucket")
    assert eu.keys_of(other) == []
    small = us.bucket(s3_servers.SMALL)
    limit = s3_servers.QUOTA_KIB << 10
    us.client(s3_servers.SMALL).put_object(Bucket=small, Key="fits", Body=bytes(limit - MIB))
    assert refused(us.client(s3_servers.SMALL).put_object, Bucket=small, Key="more",
                   Body=bytes(2 * MIB)) == (403, "QuotaExceeded")


def test_radosgw_keeps_what_rclone_writes(radosgw, work):
    us = radosgw.region("us-east-1")
    bucket = us.bucket()
    file = work / "file.bin"
    file.write_bytes(bytes(range(256)) * (9 * MIB // 256))
    s3_servers.rclone(us, "copyto", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi", file,
                      f"{bucket}/file.bin")
    assert us.keys_of(bucket) == ["file.bin"] and us.uploads(bucket) == []
    assert us.client().head_object(Bucket=bucket, Key="file.bin")["ETag"].endswith('-2"')
    assert us.body(bucket, "file.bin") == file.read_bytes()
    listed = s3_servers.rclone(us, "lsf", "--format", "ps", bucket)
    assert listed == f"file.bin;{9 * MIB}\n"


# -- the proxies ------------------------------------------------------------------------

def upload(s3, bucket, key, sizes):
    """A multipart upload of parts of these sizes, up to Complete; returns how to complete it."""
    which = {"Bucket": bucket, "Key": key}
    which["UploadId"] = s3.create_multipart_upload(**which)["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(**which, PartNumber=n,
                                                      Body=bytes([n]) * size)["ETag"]}
             for n, size in enumerate(sizes, 1)]
    return {**which, "MultipartUpload": {"Parts": parts}}


def test_a_proxy_hands_on_what_it_gets_and_logs_it(radosgw, s3_proxy):
    us = radosgw.region("us-east-1")
    proxy, bucket = s3_proxy(us), us.bucket()
    s3 = proxy.region.client()
    s3.complete_multipart_upload(**upload(s3, bucket, "a key/+%.bin", [5 * MIB, 100]))
    assert us.body(bucket, "a key/+%.bin") == bytes([1]) * 5 * MIB + bytes([2]) * 100
    assert s3.get_object(Bucket=bucket, Key="a key/+%.bin",
                         Range="bytes=5242879-5242880")["Body"].read() == bytes([1, 2])
    assert [(e["operation"], e["status"]) for e in proxy.log] == [
        ("CreateMultipartUpload", 200), ("UploadPart", 200), ("UploadPart", 200),
        ("CompleteMultipartUpload", 200), ("GetObject", 206)]
    assert [e["received"] for e in proxy.of("UploadPart")] == [5 * MIB, 100]
    assert proxy.of("GetObject")[0]["sent"] == 2


def test_what_goes_wrong_at_a_proxy(radosgw, s3_proxy):
    us = radosgw.region("us-east-1")
    proxy, bucket = s3_proxy(us), us.bucket()
    s3 = proxy.region.client()

    def put(key):
        return s3.put_object(Bucket=bucket, Key=key, Body=bytes(2 * MIB))
    proxy.add("PutObject", "slow", times=1, slow_down=True)
    assert refused(put, "slow") == (503, "SlowDown")
    proxy.add("PutObject", "skewed", skew=3600)
    assert refused(put, "skewed") == (403, "RequestTimeTooSkewed")
    proxy.add("PutObject", "flipped", flip=True)
    assert refused(put, "flipped") == (400, "XAmzContentSHA256Mismatch")
    for key, what in (("cut", {"cut_after": MIB}), ("lost", {"lost": True})):
        proxy.add("PutObject", key, **what)
        with pytest.raises((botocore.exceptions.ConnectionError,
                            botocore.exceptions.HTTPClientError)):
            put(key)
    proxy.settle()
    assert proxy.of("PutObject", "cut")[0]["received"] == MIB
    assert us.keys_of(bucket) == ["lost"]
    completes = upload(s3, bucket, "parts", [5 * MIB])
    proxy.add("CompleteMultipartUpload", times=1, ok_with_error="InternalError")
    with pytest.raises(botocore.exceptions.ClientError):
        s3.complete_multipart_upload(**completes)
    assert proxy.of("CompleteMultipartUpload", status=200) and us.keys_of(bucket) == ["lost"]
    put("slow")
    assert us.keys_of(bucket) == ["lost", "slow"]


R2_VERDICTS = [
    ([6 * MIB, 5 * MIB, 1], (400, "InvalidPart")),
    ([5 * MIB, 6 * MIB], (400, "InvalidPart")),
    ([MIB, MIB], (400, "EntityTooSmall")),
    ([5 * MIB, 5 * MIB, 1], None),
    ([1], None),
]


@pytest.mark.parametrize("sizes, verdict", R2_VERDICTS)
@pytest.mark.parametrize("which", ["miniflare", "simulated"])
def test_both_r2s_have_the_same_verdicts_on_parts(radosgw, r2_proxy, miniflare, which, sizes,
                                                  verdict):
    us = radosgw.region("us-east-1")
    region = miniflare if which == "miniflare" else r2_proxy(us).region
    s3, bucket = region.client(), (miniflare if which == "miniflare" else us).bucket()
    parts = upload(s3, bucket, "key", sizes)
    if verdict:
        assert refused(s3.complete_multipart_upload, **parts) == verdict
    else:
        s3.complete_multipart_upload(**parts)
        assert len(region.body(bucket, "key")) == sum(sizes)


@pytest.mark.parametrize("which", ["miniflare", "simulated"])
def test_both_r2s_have_the_same_verdicts_on_writes(radosgw, r2_proxy, miniflare, which):
    us = radosgw.region("us-east-1")
    proxy = r2_proxy(us, seconds_between_writes=0)
    region = miniflare if which == "miniflare" else proxy.region
    s3, bucket = region.client(), (miniflare if which == "miniflare" else us).bucket()

    def put(**headers):
        """With headers that boto3 of Debian 12 does not know."""
        def add(request, **ignored):
            for name, value in headers.items():
                request.headers[name.replace("_", "-")] = value.encode()
        s3.meta.events.register("before-send.s3.PutObject", add)
        try:
            return s3.put_object(Bucket=bucket, Key="k", Body=b"content")
        finally:
            s3.meta.events.unregister("before-send.s3.PutObject", add)
    put(if_none_match="*")
    assert refused(put, if_none_match="*") == (412, "PreconditionFailed")
    assert refused(put, if_match='"0123456789abcdef0123456789abcdef"')[0] == 412
    assert refused(put, x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")[0] == 501
    for call in (s3.get_bucket_policy, s3.get_bucket_versioning, s3.get_bucket_logging,
                 s3.get_bucket_replication, s3.get_bucket_acl, s3.list_object_versions):
        assert refused(call, Bucket=bucket) == (501, "NotImplemented")
    assert refused(s3.get_object_attributes, Bucket=bucket, Key="k",
                   ObjectAttributes=["Checksum"]) == (501, "NotImplemented")
    assert region.keys_of(bucket) == ["k"]


def test_the_simulated_r2_refuses_copied_parts_of_different_sizes(radosgw, r2_proxy):
    us = radosgw.region("us-east-1")
    s3, bucket = r2_proxy(us).region.client(), us.bucket()
    us.client().put_object(Bucket=bucket, Key="source", Body=bytes(6 * MIB))
    copy = {"Bucket": bucket, "Key": "copy"}
    copy["UploadId"] = s3.create_multipart_upload(**copy)["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part_copy(
        **copy, PartNumber=n, CopySource={"Bucket": bucket, "Key": "source"},
        CopySourceRange=f"bytes=0-{size - 1}")["CopyPartResult"]["ETag"]}
        for n, size in ((1, 5 * MIB), (2, 6 * MIB))]
    assert refused(s3.complete_multipart_upload, **copy,
                   MultipartUpload={"Parts": parts}) == (400, "InvalidPart")


def test_the_simulated_r2_takes_one_write_a_second_for_each_key(radosgw, r2_proxy):
    us = radosgw.region("us-east-1")
    s3, bucket = r2_proxy(us, seconds_between_writes=1000).region.client(), us.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object(Bucket=bucket, Key="another", Body=b"1")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2") == (429, "TooManyRequests")


def test_s3rver_is_a_poor_s3(s3rver):
    s3, bucket = s3rver.client(), s3rver.bucket()
    parts = upload(s3, bucket, "k", [5 * MIB, 1])
    which = {name: parts[name] for name in ("Bucket", "Key", "UploadId")}
    assert refused(s3.list_parts, **which) == (405, "MethodNotAllowed")
    assert refused(s3.list_multipart_uploads, Bucket=bucket) == (501, "NotImplemented")
    s3.complete_multipart_upload(**parts)
    assert s3rver.body(bucket, "k") == bytes([1]) * 5 * MIB + bytes([2])


def test_a_rate_is_kept_by_all_that_share_it(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(s3_wire.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(s3_wire.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    rate = s3_wire.Rate(1000, burst_s=0)
    for _ in range(50):
        rate.take(100)
    assert now[0] == pytest.approx(5.0)
