"""The S3 servers of the tests, used by clients of others: what they say is what S3 says."""

import json
import os
import subprocess

import botocore.exceptions
import pytest

import s3_servers
import shared
from waiting import PATIENCE, gone, until

MIB = 1 << 20


def refused(call, *args, **named):
    """(status, code) of the error that the call gives."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*args, **named)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


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
