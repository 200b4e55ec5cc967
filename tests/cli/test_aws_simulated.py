"""The SIMULATED AWS, driven by AWS's own boto3: what the simulation says, AWS's client
understands."""

import base64
import hashlib
import json
import socket
import time
import urllib.error

import pytest

import s3_servers
from aws_signature import Account
from s3_servers import PUBLISHER, READER, STRANGER, Keys
from s3_servers import refused

MIB = 1 << 20
TEMPORARY = Keys("ASIATEMPORARY0000000", "temporary/secret+of=forty-chars")


def sha256(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def composite(*parts):
    digests = b"".join(hashlib.sha256(p).digest() for p in parts)
    return f"{sha256(digests)}-{len(parts)}"


def upload(s3, bucket, key, parts):
    which = {"Bucket": bucket, "Key": key}
    which["UploadId"] = s3.create_multipart_upload(**which, ChecksumAlgorithm="SHA256",
                                                   Metadata={"note": "n"})["UploadId"]
    done = []
    for number, body in enumerate(parts, 1):
        part = s3.upload_part(**which, PartNumber=number, Body=body, ChecksumSHA256=sha256(body))
        done.append({"PartNumber": number, "ETag": part["ETag"],
                     "ChecksumSHA256": part["ChecksumSHA256"]})
    return which, done


def test_multipart_objects_have_composite_checksums(aws):
    s3, bucket = aws.region.client(), aws.region.bucket()
    parts = [b"a" * 5 * MIB, b"b" * 5 * MIB, b"c"]
    which, done = upload(s3, bucket, "k", parts)
    aws.page = 2
    listed = [p for page in s3.get_paginator("list_parts").paginate(**which)
              for p in page["Parts"]]
    assert [p["ChecksumSHA256"] for p in listed] == [sha256(p) for p in parts]
    without = [{k: v for k, v in p.items() if k != "ChecksumSHA256"} for p in done]
    assert refused(s3.complete_multipart_upload, **which,
                   MultipartUpload={"Parts": without}) == (400, "InvalidRequest")
    assert refused(s3.complete_multipart_upload, **which,
                   MultipartUpload={"Parts": done[::-1]}) == (400, "InvalidPartOrder")
    made = s3.complete_multipart_upload(**which, MultipartUpload={"Parts": done})
    assert made["ChecksumSHA256"] == composite(*parts)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == composite(*parts) and head["Metadata"] == {"note": "n"}
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="k")
    told = s3.get_object_attributes(Bucket=bucket, Key="k",
                                    ObjectAttributes=["Checksum", "ObjectParts", "ObjectSize"])
    assert told["Checksum"]["ChecksumSHA256"] == composite(*parts).partition("-")[0]
    assert told["ObjectParts"]["TotalPartsCount"] == 3 and told["ObjectSize"] == 10 * MIB + 1
    assert [p["ChecksumSHA256"] for p in told["ObjectParts"]["Parts"]] == [
        sha256(p) for p in parts[:2]]
    assert aws.region.uploads(bucket) == []


def test_wrong_digests_are_refused(aws):
    s3, bucket = aws.region.client(), aws.region.bucket()
    put = {"Bucket": bucket, "Key": "k", "Body": b"content"}
    assert refused(s3.put_object, **put, ChecksumSHA256=sha256(b"x")) == (400, "BadDigest")
    assert refused(s3.put_object, **put,
                   ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==") == (400, "BadDigest")
    which, done = upload(s3, bucket, "k", [b"1"])
    assert refused(s3.upload_part, **which, PartNumber=2, Body=b"2") == (400, "InvalidRequest")
    s3.put_object(**put, ChecksumAlgorithm="SHA256")
    assert s3.head_object(Bucket=bucket, Key="k",
                          ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256(b"content")


def test_copies_of_parts_have_checksums(aws):
    s3, bucket = aws.region.client(), aws.region.bucket()
    old = b"a" * 5 * MIB + b"b" * 5 * MIB
    s3.put_object(Bucket=bucket, Key="old", Body=old)
    which, done = upload(s3, bucket, "new", [b"c" * 5 * MIB])
    copied = s3.upload_part_copy(
        **which, PartNumber=2, CopySource={"Bucket": bucket, "Key": "old"},
        CopySourceRange=f"bytes={5 * MIB}-{10 * MIB - 1}")["CopyPartResult"]
    assert copied["ChecksumSHA256"] == sha256(old[5 * MIB:])
    done.append({"PartNumber": 2, "ETag": copied["ETag"],
                 "ChecksumSHA256": copied["ChecksumSHA256"]})
    s3.complete_multipart_upload(**which, MultipartUpload={"Parts": done})
    assert aws.region.body(bucket, "new") == b"c" * 5 * MIB + old[5 * MIB:]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "new"})
    assert aws.region.body(bucket, "copy") == aws.region.body(bucket, "new")


def test_who_may_do_what(aws):
    bucket = aws.region.bucket()
    put = {"Bucket": bucket, "Key": "k", "Body": b"content"}
    aws.region.client().put_object(**put)
    assert aws.region.body(bucket, "k", READER) == b"content"
    assert refused(aws.region.client(READER).put_object, **put) == (403, "AccessDenied")
    assert refused(aws.region.client(STRANGER).get_object, Bucket=bucket,
                   Key="k") == (403, "AccessDenied")
    assert refused(aws.region.client(s3_servers.WRONG_SECRET).put_object,
                   **put) == (403, "SignatureDoesNotMatch")
    assert refused(aws.region.client(s3_servers.WRONG_KEY).put_object,
                   **put) == (403, "InvalidAccessKeyId")
    aws.accounts[TEMPORARY.access] = Account(TEMPORARY, owner=PUBLISHER.access, token="right")
    assert refused(aws.region.client(TEMPORARY).put_object, **put) == (400, "InvalidToken")
    with_token = Keys(TEMPORARY.access, TEMPORARY.secret, token="right")
    aws.region.client(with_token).put_object(**put)
    aws.accounts[TEMPORARY.access].expired = True
    assert refused(aws.region.client(with_token).put_object, **put) == (400, "ExpiredToken")
    aws.now = lambda: time.time() + 3600
    assert refused(aws.region.client().put_object, **put) == (403, "RequestTimeTooSkewed")


def test_presigned_urls_work_until_they_expire(aws):
    s3, bucket = aws.region.client(), aws.region.bucket()
    s3.put_object(Bucket=bucket, Key="a key", Body=b"content")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a key"},
                                    ExpiresIn=60)
    assert s3_servers.opener().open(url).read() == b"content"
    for changed, now in ((url + "0", time.time()), (url, time.time() + 120)):
        aws.now = lambda: now
        with pytest.raises(urllib.error.HTTPError, match="403"):
            s3_servers.opener().open(changed)


def test_lists_have_pages(aws):
    s3, bucket = aws.region.client(), aws.region.bucket()
    keys = sorted(["a", "b/1", "b/2", "b c/+%&.bin", "é"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    uploads = sorted((k, s3.create_multipart_upload(Bucket=bucket, Key=k)["UploadId"])
                     for k in ("x", "x", "y"))
    aws.page = 2
    assert aws.region.keys_of(bucket) == keys
    assert len(aws.of("ListObjectsV2")) == 3
    assert aws.region.uploads(bucket) == uploads
    folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/", StartAfter="a")
    assert [p["Prefix"] for p in folders["CommonPrefixes"]] == ["b c/", "b/"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
    assert aws.region.keys_of(bucket) == []


def test_a_client_is_sent_to_the_region_of_the_bucket(aws):
    bucket = aws.region.bucket()
    aws.buckets[bucket].region = "eu-west-1"
    assert aws.region.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert [e["status"] for e in aws.of("ListObjectsV2")] == [301, 200]


def test_the_name_of_the_host_may_be_the_bucket(aws, monkeypatch):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more: resolve(
        "127.0.0.1" if host.endswith(".localhost") else host, *more))
    bucket = aws.region.bucket()
    s3 = s3_servers.client(aws.endpoint.replace("127.0.0.1", "localhost"), style="virtual")
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    assert aws.region.body(bucket, "k") == b"content"


def test_the_set_up_of_a_bucket(aws):
    s3, bucket = aws.region.client(), aws.region.bucket()
    eu = s3_servers.Region(aws.endpoint, "eu-west-1")
    copy = eu.bucket()
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert eu.client().get_bucket_location(Bucket=copy)["LocationConstraint"] == "eu-west-1"
    # New buckets are closed to the public.
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == (403, "AccessDenied")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={
        "BlockPublicPolicy": False, "RestrictPublicBuckets": False})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    assert s3_servers.opener().open(f"{aws.endpoint}/{bucket}/k").read() == b"content"
    cors = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 60}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors
    rules = [{"ID": "uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
              "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]
    assert refused(s3.get_bucket_lifecycle_configuration,
                   Bucket=bucket)[1] == "NoSuchLifecycleConfiguration"
    s3.put_bucket_lifecycle_configuration(Bucket=bucket,
                                          LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    replication = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": [{
        "ID": "eu", "Status": "Enabled", "Prefix": "",
        "Destination": {"Bucket": f"arn:aws:s3:::{copy}"}}]}

    def replicate():
        return s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=replication)
    for one, region in ((bucket, aws.region), (copy, eu)):
        assert refused(replicate) == (400, "InvalidRequest")
        region.client().put_bucket_versioning(Bucket=one,
                                              VersioningConfiguration={"Status": "Enabled"})
    replicate()
    assert s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"] == replication
    s3.put_bucket_metrics_configuration(Bucket=bucket, Id="all", MetricsConfiguration={
        "Id": "all"})
    assert [m["Id"] for m in s3.list_bucket_metrics_configurations(
        Bucket=bucket)["MetricsConfigurationList"]] == ["all"]
    logging = {"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": "logs/"}}
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=logging)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == logging["LoggingEnabled"]
    s3.delete_object(Bucket=bucket, Key="k")
    versions = s3.list_object_versions(Bucket=bucket)
    assert len(versions["Versions"]) == 1 and len(versions["DeleteMarkers"]) == 1
