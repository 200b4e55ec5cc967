"""SIMULATED: an S3 like AWS's own, in memory, for what no server here has: SHA-256 COMPOSITE
checksums, GetObjectAttributes, the set-up of buckets (replication, logging, metrics, the block of
public access), redirects between regions, all of AWS's errors about signatures.

It answers as AWS's documentation says (docs.aws.amazon.com/AmazonS3/latest/API), and
test_s3_servers.py drives it with AWS's own boto3.

    with AwsSimulated() as aws:
        aws.region.client().put_object(…)       # boto3; aws.region.bucket() makes a bucket
        aws.accounts[TEMPORARY.access] = Account(TEMPORARY, owner=PUBLISHER.access, token="t")
        aws.page = 3                            # entries in each page of a list
        aws.now = lambda: time.time() + 3600    # its clock
        aws.buckets["eu"].region = "eu-west-1"  # requests signed for another region: 301
"""

import base64
import collections
import email.utils
import fnmatch
import hashlib
import json
import re
import secrets
import time
import urllib.parse
import xml.etree.ElementTree

import aws_signature
import s3_servers
from aws_signature import Account
from s3_wire import Asked, Handler, Many, Refused, Server, document, element

MIB = 1 << 20
KEPT = ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Type", "Expires")
READS = ("Get", "Head", "List")


def b64(data):
    return base64.b64encode(data).decode()


def stamp(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))


class Object:
    def __init__(self, body, headers, checksum=None, etag=None, parts=()):
        self.body = body
        self.headers = {name: headers[name] for name in KEPT if name in headers}
        self.meta = {k: v for k, v in headers.items() if k.lower().startswith("x-amz-meta-")}
        self.checksum = checksum        # as told: base64, "-N" behind it if COMPOSITE
        self.etag = etag or hashlib.md5(body).hexdigest()
        self.parts = list(parts)        # (number, size, checksum)
        self.modified = time.time()
        self.version = secrets.token_hex(16)
        self.removed = False            # a delete marker

    @property
    def checksum_type(self):
        return "COMPOSITE" if "-" in (self.checksum or "") else "FULL_OBJECT"

    def described(self, with_checksum):
        headers = {"ETag": f'"{self.etag}"', "Accept-Ranges": "bytes", **self.headers, **self.meta,
                   "Last-Modified": email.utils.formatdate(self.modified, usegmt=True)}
        headers.setdefault("Content-Type", "binary/octet-stream")
        if with_checksum and self.checksum:
            headers["x-amz-checksum-sha256"] = self.checksum
            headers["x-amz-checksum-type"] = self.checksum_type
        return headers


class Upload:
    def __init__(self, key, headers):
        self.key, self.headers = key, dict(headers)
        self.algorithm = headers.get("x-amz-checksum-algorithm")
        self.id = secrets.token_hex(24)
        self.begun = time.time()
        self.parts = {}                 # number: Object


class Bucket:
    def __init__(self, owner, region):
        self.owner, self.region = owner, region
        self.objects = {}               # key: [Object], the newest last
        self.uploads = {}               # id: Upload
        self.done = {}                  # id: the answer to its Complete
        # New buckets of AWS are closed to the public.
        self.settings = {"PublicAccessBlock": (
            "<PublicAccessBlockConfiguration>" + "".join(
                f"<{name}>true</{name}>" for name in (
                    "BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy",
                    "RestrictPublicBuckets")) + "</PublicAccessBlockConfiguration>").encode()}
        self.metrics = {}

    @property
    def versioned(self):
        return b"<Status>Enabled</Status>" in self.settings.get("BucketVersioning", b"")

    def current(self, key):
        versions = self.objects.get(key)
        return versions[-1] if versions and not versions[-1].removed else None

    def store(self, key, obj):
        if self.versioned:
            self.objects.setdefault(key, []).append(obj)
        else:
            self.objects[key] = [obj]

    def is_public(self, key):
        block = self.settings.get("PublicAccessBlock", b"")
        if b"<RestrictPublicBuckets>true" in block or "BucketPolicy" not in self.settings:
            return False
        return any(
            s.get("Effect") == "Allow" and s.get("Principal") in ("*", {"AWS": "*"}) and
            "s3:GetObject" in many(s["Action"]) and
            any(fnmatch.fnmatchcase(key, r.partition("/")[2]) for r in many(s["Resource"]))
            for s in many(json.loads(self.settings["BucketPolicy"])["Statement"]))


def many(value):
    return value if isinstance(value, list) else [value]


# The root of each configuration, and the error when there is none (None: an empty document).
SETTINGS = {
    "BucketCors": ("CORSConfiguration", "NoSuchCORSConfiguration"),
    "BucketLifecycleConfiguration": ("LifecycleConfiguration", "NoSuchLifecycleConfiguration"),
    "BucketLogging": ("BucketLoggingStatus", None),
    "BucketReplication": ("ReplicationConfiguration", "ReplicationConfigurationNotFoundError"),
    "BucketVersioning": ("VersioningConfiguration", None),
    "PublicAccessBlock": ("PublicAccessBlockConfiguration",
                          "NoSuchPublicAccessBlockConfiguration"),
}
# Where AWS requires a digest of the body besides the signature.
NEEDS_MD5 = {"PutBucketCors", "PutBucketLifecycleConfiguration", "PutBucketReplication",
             "DeleteObjects"}


class Page:
    """A page of a sorted list: .entries, .truncated, .last."""

    def __init__(self, entries, after, wanted, limit, place):
        entries = [e for e in entries if after is None or place(e) > after]
        count = min(int(wanted or limit), limit)
        self.entries, self.truncated = entries[:count], len(entries) > count
        self.last = place(self.entries[-1]) if self.entries else after


class _Answers(Handler):
    def serve(self):
        host = self.headers.get("Host", "").rpartition(":")[0]
        hosted = host[:-len(".localhost")] if host.endswith(".localhost") else None
        asked = Asked(self.command, self.path, self.headers, hosted)
        self.asked, self.aws = asked, self.server
        asked.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.guard:
            entry = {"operation": asked.operation, "bucket": asked.bucket, "key": asked.key,
                     "headers": dict(self.headers), "received": len(asked.body)}
            self.server.log.append(entry)
            try:
                answer = self.perform(asked)
            except Refused as refused:
                answer = refused.status, refused.xml(), refused.headers
        status, body, headers = (*answer, {}, {})[:3] if isinstance(answer, tuple) else (
            200, answer or b"", {})
        entry["status"] = status
        kind = "application/json" if asked.operation == "GetBucketPolicy" else "application/xml"
        self.reply(status, body, {"x-amz-request-id": "SIMULATED", **headers}, kind)

    def perform(self, asked):
        self.account, region = aws_signature.verify(asked, self.aws.accounts, self.aws.now())
        self.check_body(asked)
        act = getattr(self, asked.operation, None)
        setting = asked.operation[3:].removeprefix("ete")       # Get…, Put…, Delete…
        if setting in SETTINGS:
            act = self.setting
        if act is None:
            raise Refused("NotImplemented", f"{asked.operation}: not simulated")
        self.bucket = self.aws.buckets.get(asked.bucket)
        if asked.operation not in ("CreateBucket", "ListBuckets"):
            self.may(asked, region)
        return act(asked, setting) if setting in SETTINGS else act(asked)

    def check_body(self, asked):
        told = asked.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        if told.startswith("STREAMING-"):
            raise Refused("NotImplemented", f"{told}: not simulated")
        digest = hashlib.sha256(asked.body)
        if told != "UNSIGNED-PAYLOAD" and told != digest.hexdigest():
            raise Refused("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' "
                          "header does not match what was computed.")
        checksum = asked.headers.get("x-amz-checksum-sha256")
        asked.sha256 = b64(digest.digest())
        if checksum and asked.operation in ("PutObject", "UploadPart") and \
                checksum != asked.sha256:
            raise Refused("BadDigest", "The SHA256 you specified did not match the calculated "
                          "checksum.")
        md5 = asked.headers.get("Content-MD5")
        if md5 and md5 != b64(hashlib.md5(asked.body).digest()):
            raise Refused("BadDigest", "The Content-MD5 you specified did not match what we "
                          "received.")
        if asked.operation in NEEDS_MD5 and not md5 and not checksum:
            raise Refused("InvalidRequest", "Missing required header for this request: "
                          "Content-MD5 OR x-amz-checksum-*")

    def may(self, asked, region):
        if self.bucket is None:
            raise Refused("NoSuchBucket", "The specified bucket does not exist",
                          BucketName=asked.bucket)
        reads = asked.operation.startswith(READS)
        if self.account is None or self.account.owner != self.bucket.owner:
            allowed = asked.operation in ("GetObject", "HeadObject") and \
                self.bucket.is_public(asked.key)
        else:
            allowed = self.account.rights == "all" or (self.account.rights == "read" and reads)
        if region and region != self.bucket.region:
            raise Refused("PermanentRedirect", "The bucket you are attempting to access must be "
                          "addressed using the specified endpoint.",
                          {"x-amz-bucket-region": self.bucket.region},
                          Endpoint=self.headers["Host"], Bucket=asked.bucket)
        if not allowed:
            raise Refused("AccessDenied", "Access Denied")

    # -- buckets ----------------------------------------------------------------------

    def ListBuckets(self, asked):
        if self.account is None:
            raise Refused("AccessDenied", "Access Denied")
        mine = [{"Name": n, "CreationDate": stamp(0)} for n, b in sorted(self.aws.buckets.items())
                if b.owner == self.account.owner]
        return document("ListAllMyBucketsResult", Owner={"ID": self.account.owner},
                        Buckets={"Bucket": Many(mine)})

    def CreateBucket(self, asked):
        if self.account is None or self.account.rights != "all":
            raise Refused("AccessDenied", "Access Denied")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", asked.bucket):
            raise Refused("InvalidBucketName", "The specified bucket is not valid.")
        if self.bucket is not None:
            raise Refused("BucketAlreadyOwnedByYou" if self.bucket.owner == self.account.owner
                          else "BucketAlreadyExists")
        found = re.search(rb"<LocationConstraint>([^<]*)<", asked.body)
        region = found[1].decode() if found else "us-east-1"
        if found and region == "us-east-1":
            raise Refused("InvalidLocationConstraint",
                          "The specified location-constraint is not valid")
        self.aws.buckets[asked.bucket] = Bucket(self.account.owner, region)
        return 200, b"", {"Location": f"/{asked.bucket}"}

    def HeadBucket(self, asked):
        return 200, b"", {"x-amz-bucket-region": self.bucket.region}

    def DeleteBucket(self, asked):
        if self.bucket.objects:
            raise Refused("BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.aws.buckets[asked.bucket]
        return 204, b""

    def GetBucketLocation(self, asked):
        region = "" if self.bucket.region == "us-east-1" else self.bucket.region
        return document("LocationConstraint").replace(b"></", f">{region}</".encode())

    def setting(self, asked, name):
        root, missing = SETTINGS[name]
        if asked.method == "DELETE":
            self.bucket.settings.pop(name, None)
            return 204, b""
        if asked.method == "GET":
            if name not in self.bucket.settings and missing:
                raise Refused(missing)
            return self.bucket.settings.get(name, document(root))
        try:
            tree = xml.etree.ElementTree.fromstring(asked.body)
        except xml.etree.ElementTree.ParseError:
            raise Refused("MalformedXML", "The XML you provided was not well-formed") from None
        if tree.tag.rpartition("}")[2] != root:
            raise Refused("MalformedXML", f"{root} was expected")
        if name == "BucketReplication":
            self.check_replication(tree)
        if name == "BucketLogging":
            self.check_logging(tree)
        self.bucket.settings[name] = asked.body
        return b""

    def check_replication(self, tree):
        if not self.bucket.versioned:
            raise Refused("InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply "
                          "a replication configuration")
        texts = [(e.tag.rpartition("}")[2], e.text or "") for e in tree.iter()]
        named = collections.defaultdict(list)
        for tag, text in texts:
            named[tag].append(text)
        if not named["Role"][:1] or not named["Role"][0].startswith("arn:aws:iam::"):
            raise Refused("MalformedXML", "a Role is needed")
        for arn in named["Bucket"]:
            to = self.aws.buckets.get(arn.removeprefix("arn:aws:s3:::"))
            if to is None:
                raise Refused("InvalidRequest", "Destination bucket must exist.")
            if not to.versioned:
                raise Refused("InvalidRequest", "Destination bucket must have versioning enabled.")

    def check_logging(self, tree):
        for e in tree.iter():
            if e.tag.rpartition("}")[2] == "TargetBucket" and e.text not in self.aws.buckets:
                raise Refused("InvalidRequest", "The target bucket for logging does not exist")

    def PutBucketPolicy(self, asked):
        try:
            statements = many(json.loads(asked.body)["Statement"])
        except (ValueError, KeyError):
            raise Refused("MalformedPolicy", "Policies must be valid JSON") from None
        for s in statements:
            if not all(r.startswith(f"arn:aws:s3:::{asked.bucket}") for r in many(s["Resource"])):
                raise Refused("MalformedPolicy", "Policy has invalid resource")
            if s.get("Principal") in ("*", {"AWS": "*"}) and b"<BlockPublicPolicy>true" in \
                    self.bucket.settings.get("PublicAccessBlock", b""):
                raise Refused("AccessDenied", "public policies are blocked by the "
                              "BlockPublicPolicy block public access setting.")
        self.bucket.settings["BucketPolicy"] = asked.body
        return 204, b""

    def GetBucketPolicy(self, asked):
        if "BucketPolicy" not in self.bucket.settings:
            raise Refused("NoSuchBucketPolicy", "The bucket policy does not exist")
        return self.bucket.settings["BucketPolicy"]

    def DeleteBucketPolicy(self, asked):
        self.bucket.settings.pop("BucketPolicy", None)
        return 204, b""

    def PutBucketMetricsConfiguration(self, asked):
        if f"<Id>{asked.query.get('id')}</Id>".encode() not in asked.body:
            raise Refused("MalformedXML", "The Id differs from that of the request")
        self.bucket.metrics[asked.query["id"]] = asked.body
        return b""

    def GetBucketMetricsConfiguration(self, asked):
        name = asked.query.get("id")
        if name is not None:
            if name not in self.bucket.metrics:
                raise Refused("NoSuchConfiguration", "The specified configuration does not exist.")
            return self.bucket.metrics[name]
        inner = b"".join(re.sub(rb"<\?xml.*?\?>\s*", b"", m) for m in self.bucket.metrics.values())
        return document("ListMetricsConfigurationsResult", IsTruncated=False).replace(
            b"</ListM", inner + b"</ListM")

    def DeleteBucketMetricsConfiguration(self, asked):
        self.bucket.metrics.pop(asked.query.get("id"), None)
        return 204, b""

    # -- objects ----------------------------------------------------------------------

    def conditions(self, asked):
        """412, unless the condition of a write holds."""
        current = self.bucket.current(asked.key)
        if asked.headers.get("If-None-Match") == "*" and current:
            raise Refused("PreconditionFailed", "At least one of the pre-conditions you "
                          "specified did not hold", Condition="If-None-Match")
        wanted = asked.headers.get("If-Match")
        if wanted and not current:
            raise Refused("NoSuchKey", "The specified key does not exist.")
        if wanted and wanted.strip('"') != current.etag:
            raise Refused("PreconditionFailed", "At least one of the pre-conditions you "
                          "specified did not hold", Condition="If-Match")

    def PutObject(self, asked):
        self.conditions(asked)
        if len(asked.key.encode()) > 1024:
            raise Refused("InvalidArgument", "Your key is too long")
        obj = Object(asked.body, asked.headers, asked.headers.get("x-amz-checksum-sha256"))
        self.bucket.store(asked.key, obj)
        return self.stored(obj, {"ETag": f'"{obj.etag}"'})

    def stored(self, obj, headers):
        if obj.checksum:
            headers["x-amz-checksum-sha256"] = obj.checksum
        if self.bucket.versioned:
            headers["x-amz-version-id"] = obj.version
        return 200, b"", headers

    def found(self, asked, bucket=None, key=None):
        bucket, key = bucket or self.bucket, asked.key if key is None else key
        version = asked.query.get("versionId")
        if version:
            for obj in bucket.objects.get(key, []):
                if version == obj.version:
                    return obj
            raise Refused("NoSuchVersion")
        obj = bucket.current(key)
        if not obj:
            raise Refused("NoSuchKey", "The specified key does not exist.", Key=key)
        return obj

    def GetObject(self, asked):
        obj = self.found(asked)
        headers = obj.described(asked.headers.get("x-amz-checksum-mode") == "ENABLED")
        if asked.headers.get("If-Match", f'"{obj.etag}"').strip('"') != obj.etag:
            raise Refused("PreconditionFailed")
        if asked.headers.get("If-None-Match", "").strip('"') == obj.etag:
            return 304, b"", {"ETag": headers["ETag"]}
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.headers.get("Range", ""))
        body, status = obj.body, 200
        if span and span[0] != "bytes=-":
            first, last = self.span(span, len(obj.body))
            body, status = obj.body[first:last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{len(obj.body)}"
            headers.pop("x-amz-checksum-sha256", None)
            headers.pop("x-amz-checksum-type", None)
        if asked.method == "HEAD":
            headers["Content-Length"] = str(len(body))
        return status, body, headers

    HeadObject = GetObject

    @staticmethod
    def span(match, size):
        if match[1] == "":
            return max(0, size - int(match[2])), size - 1
        first = int(match[1])
        if first >= size:
            raise Refused("InvalidRange", "The requested range is not satisfiable",
                          {"Content-Range": f"bytes */{size}"})
        return first, min(int(match[2] or size - 1), size - 1)

    def GetObjectAttributes(self, asked):
        obj = self.found(asked)
        wanted = {w.strip() for w in asked.headers.get("x-amz-object-attributes", "").split(",")}
        answer = {}
        if "ETag" in wanted:
            answer["ETag"] = obj.etag
        if "Checksum" in wanted and obj.checksum:
            # Without the number of parts, unlike everywhere else.
            answer["Checksum"] = {"ChecksumSHA256": obj.checksum.partition("-")[0],
                                  "ChecksumType": obj.checksum_type}
        if "ObjectParts" in wanted and obj.parts:
            page = Page(obj.parts, int(asked.headers.get("x-amz-part-number-marker", 0)),
                        asked.headers.get("x-amz-max-parts"), self.aws.page, lambda p: p[0])
            answer["ObjectParts"] = {
                "PartsCount": len(obj.parts), "IsTruncated": page.truncated,
                "NextPartNumberMarker": page.last, "MaxParts": self.aws.page,
                "Part": Many([{"PartNumber": n, "Size": s, "ChecksumSHA256": c}
                              for n, s, c in page.entries if obj.checksum])}
        if "ObjectSize" in wanted:
            answer["ObjectSize"] = len(obj.body)
        return document("GetObjectAttributesResponse", **answer)

    def DeleteObject(self, asked):
        return self.delete(asked.key, asked.query.get("versionId"))

    def delete(self, key, version=None):
        versions = self.bucket.objects.get(key, [])
        if version:
            versions[:] = [v for v in versions if v.version != version]
        elif self.bucket.versioned:
            marker = Object(b"", {})
            marker.removed = True
            self.bucket.objects.setdefault(key, versions).append(marker)
            return 204, b"", {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version}
        else:
            versions.clear()
        if not versions:
            self.bucket.objects.pop(key, None)
        return 204, b"", {}

    def DeleteObjects(self, asked):
        tree = xml.etree.ElementTree.fromstring(re.sub(rb'\sxmlns="[^"]*"', b"", asked.body))
        gone = []
        for one in tree.findall("Object"):
            self.delete(one.findtext("Key"), one.findtext("VersionId"))
            gone.append({"Key": one.findtext("Key")})
        quiet = tree.findtext("Quiet") == "true"
        return document("DeleteResult", Deleted=Many([] if quiet else gone))

    def source(self, asked):
        """(Object, first byte, end) of what is copied."""
        path, _, version = asked.headers["x-amz-copy-source"].partition("?versionId=")
        name, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        bucket = self.aws.buckets.get(name)
        if bucket is None:
            raise Refused("NoSuchBucket", BucketName=name)
        if bucket.owner != self.account.owner and not bucket.is_public(key):
            raise Refused("AccessDenied", "Access Denied")
        obj = self.found(asked, bucket, key)
        wanted = asked.headers.get("x-amz-copy-source-if-match")
        if wanted and wanted.strip('"') != obj.etag:
            raise Refused("PreconditionFailed")
        text = asked.headers.get("x-amz-copy-source-range")
        if not text:
            return obj, 0, len(obj.body)
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", text)
        if not span or not int(span[1]) <= int(span[2]) < len(obj.body):
            raise Refused("InvalidArgument", "Range specified is not valid for source object")
        if len(obj.body) <= 5 * MIB:
            raise Refused("InvalidRequest", "The specified copy source is not supported as a "
                          "byte-range copy source")
        return obj, int(span[1]), int(span[2]) + 1

    def CopyObject(self, asked):
        self.conditions(asked)
        source, first, end = self.source(asked)
        replace = asked.headers.get("x-amz-metadata-directive") == "REPLACE"
        headers = asked.headers if replace else {**source.headers, **source.meta}
        # Copied in one go: its checksum, if it has one, is of the whole.
        checksum = b64(hashlib.sha256(source.body).digest()) if source.checksum else None
        obj = Object(source.body[first:end], headers, checksum)
        self.bucket.store(asked.key, obj)
        return document("CopyObjectResult", ETag=f'"{obj.etag}"', LastModified=stamp(obj.modified),
                        ChecksumSHA256=obj.checksum)

    # -- lists ------------------------------------------------------------------------

    def shown(self, asked, text):
        return urllib.parse.quote(text, safe="/-._~") if \
            asked.query.get("encoding-type") == "url" else text

    def grouped(self, asked, keys):
        """The keys with the prefix; those with the delimiter behind it as one, once."""
        prefix, delimiter = asked.query.get("prefix", ""), asked.query.get("delimiter", "")
        for key in sorted(keys, key=lambda k: k.encode()):
            if key.startswith(prefix):
                head, found, _ = key[len(prefix):].partition(delimiter) if delimiter else (
                    "", "", "")
                yield (prefix + head + found, True) if found else (key, False)

    def ListObjectsV2(self, asked):
        q = asked.query
        names = dict(self.grouped(asked, [k for k in self.bucket.objects
                                          if self.bucket.current(k)]))
        after = q.get("start-after")
        if "continuation-token" in q:
            after = base64.urlsafe_b64decode(q["continuation-token"]).decode()
        page = Page(list(names.items()), after, q.get("max-keys"), self.aws.page, lambda e: e[0])
        return document(
            "ListBucketResult", Name=asked.bucket, Prefix=self.shown(asked, q.get("prefix", "")),
            KeyCount=len(page.entries), MaxKeys=q.get("max-keys", 1000),
            EncodingType=q.get("encoding-type"), IsTruncated=page.truncated,
            NextContinuationToken=base64.urlsafe_b64encode(page.last.encode()).decode()
            if page.truncated else None,
            Contents=Many([{"Key": self.shown(asked, k), **self.listed(self.bucket.current(k))}
                           for k, folder in page.entries if not folder]),
            CommonPrefixes=Many([{"Prefix": self.shown(asked, k)}
                                 for k, folder in page.entries if folder]))

    @staticmethod
    def listed(obj):
        return {"LastModified": stamp(obj.modified), "ETag": f'"{obj.etag}"',
                "ChecksumAlgorithm": "SHA256" if obj.checksum else None,
                "Size": len(obj.body), "StorageClass": "STANDARD"}

    def ListObjectVersions(self, asked):
        q = asked.query
        entries = [(key, -i, v) for key, _ in self.grouped(asked, self.bucket.objects)
                   for i, v in reversed(list(enumerate(self.bucket.objects[key])))]
        after = None
        if "key-marker" in q:
            ids = {v.version: -i for i, v in enumerate(self.bucket.objects.get(
                q["key-marker"], []))}
            after = (q["key-marker"], ids.get(q.get("version-id-marker"), 0))
        page = Page(entries, after, q.get("max-keys"), self.aws.page, lambda e: e[:2])
        last = page.entries[-1] if page.truncated else None
        inner = "".join(element("DeleteMarker" if v.removed else "Version", {
            "Key": self.shown(asked, key), "VersionId": v.version,
            "IsLatest": v is self.bucket.objects[key][-1],
            **(self.listed(v) if not v.removed else {"LastModified": stamp(v.modified)})})
            for key, _, v in page.entries)
        return document(
            "ListVersionsResult", Name=asked.bucket, IsTruncated=page.truncated,
            EncodingType=q.get("encoding-type"),
            NextKeyMarker=self.shown(asked, last[0]) if last else None,
            NextVersionIdMarker=last[2].version if last else None).replace(
                b"</ListV", inner.encode() + b"</ListV")

    def ListMultipartUploads(self, asked):
        q = asked.query
        entries = sorted((u.key, u.id) for u in self.bucket.uploads.values()
                         if u.key.startswith(q.get("prefix", "")))
        after = (q["key-marker"], q.get("upload-id-marker", "~")) if q.get("key-marker") else None
        page = Page(entries, after, q.get("max-uploads"), self.aws.page, lambda e: e)
        key, id = page.last if page.truncated else (None, None)
        return document(
            "ListMultipartUploadsResult", Bucket=asked.bucket, IsTruncated=page.truncated,
            EncodingType=q.get("encoding-type"),
            NextKeyMarker=self.shown(asked, key) if key else None, NextUploadIdMarker=id,
            Upload=Many([{"Key": self.shown(asked, k), "UploadId": i,
                          "Initiated": stamp(self.bucket.uploads[i].begun),
                          "ChecksumAlgorithm": self.bucket.uploads[i].algorithm}
                         for k, i in page.entries]))

    # -- multipart uploads ------------------------------------------------------------

    def upload(self, asked):
        upload = self.bucket.uploads.get(asked.query.get("uploadId"))
        if upload is None or upload.key != asked.key:
            raise Refused("NoSuchUpload", "The specified multipart upload does not exist.")
        return upload

    def CreateMultipartUpload(self, asked):
        upload = Upload(asked.key, asked.headers)
        kind = asked.headers.get("x-amz-checksum-type", "COMPOSITE")
        if upload.algorithm not in (None, "SHA256"):
            raise Refused("NotImplemented", f"{upload.algorithm}: not simulated")
        if upload.algorithm and kind != "COMPOSITE":
            raise Refused("InvalidRequest", "The FULL_OBJECT checksum type cannot be used with "
                          "the sha256 checksum algorithm.")
        self.bucket.uploads[upload.id] = upload
        headers = {"x-amz-checksum-algorithm": "SHA256",
                   "x-amz-checksum-type": "COMPOSITE"} if upload.algorithm else {}
        return 200, document("InitiateMultipartUploadResult", Bucket=asked.bucket, Key=asked.key,
                             UploadId=upload.id), headers

    def UploadPart(self, asked):
        upload = self.upload(asked)
        if not 1 <= asked.part <= 10000:
            raise Refused("InvalidArgument", "Part number must be an integer between 1 and 10000, "
                          "inclusive")
        told = asked.headers.get("x-amz-checksum-sha256")
        if bool(told) != bool(upload.algorithm):
            raise Refused("InvalidRequest", "Checksum Type mismatch occurred, expected checksum "
                          f"Type: {upload.algorithm}, actual checksum Type: "
                          f"{'sha256' if told else 'null'}")
        part = Object(asked.body, {}, told)
        upload.parts[asked.part] = part
        headers = {"ETag": f'"{part.etag}"'}
        if told:
            headers["x-amz-checksum-sha256"] = told
        return 200, b"", headers

    def UploadPartCopy(self, asked):
        upload = self.upload(asked)
        source, first, end = self.source(asked)
        body = source.body[first:end]
        checksum = b64(hashlib.sha256(body).digest()) if upload.algorithm else None
        upload.parts[asked.part] = part = Object(body, {}, checksum)
        return document("CopyPartResult", ETag=f'"{part.etag}"', ChecksumSHA256=checksum,
                        LastModified=stamp(part.modified))

    def ListParts(self, asked):
        upload = self.upload(asked)
        page = Page(sorted(upload.parts.items()), int(asked.query.get("part-number-marker", 0)),
                    asked.query.get("max-parts"), self.aws.page, lambda e: e[0])
        return document(
            "ListPartsResult", Bucket=asked.bucket, Key=asked.key, UploadId=upload.id,
            IsTruncated=page.truncated, ChecksumAlgorithm=upload.algorithm,
            NextPartNumberMarker=page.last if page.entries else 0,
            Part=Many([{"PartNumber": n, "ETag": f'"{p.etag}"', "Size": len(p.body),
                        "LastModified": stamp(p.modified), "ChecksumSHA256": p.checksum}
                       for n, p in page.entries]))

    def AbortMultipartUpload(self, asked):
        self.upload(asked)
        del self.bucket.uploads[asked.query["uploadId"]]
        return 204, b""

    def CompleteMultipartUpload(self, asked):
        if asked.query["uploadId"] in self.bucket.done:
            return self.bucket.done[asked.query["uploadId"]]
        upload = self.upload(asked)
        tree = xml.etree.ElementTree.fromstring(re.sub(rb'\sxmlns="[^"]*"', b"", asked.body))
        told = [(int(p.findtext("PartNumber")), p.findtext("ETag").strip('"'),
                 p.findtext("ChecksumSHA256")) for p in tree.findall("Part")]
        parts = [self.part(upload, *one) for one in told]
        if [n for n, _, _ in told] != sorted({n for n, _, _ in told}) or not told:
            raise Refused("InvalidPartOrder" if told else "MalformedXML")
        if any(len(p.body) < self.aws.least_part for p in parts[:-1]):
            raise Refused("EntityTooSmall", "Your proposed upload is smaller than the minimum "
                          "allowed object size.")
        checksum = None
        if upload.algorithm:
            digests = b"".join(base64.b64decode(p.checksum) for p in parts)
            checksum = f"{b64(hashlib.sha256(digests).digest())}-{len(parts)}"
            wanted = asked.headers.get("x-amz-checksum-sha256")
            if wanted and wanted.partition("-")[0] != checksum.partition("-")[0]:
                raise Refused("BadDigest", "The sha256 you specified did not match the "
                              "calculated checksum.")
        self.conditions(asked)
        etag = hashlib.md5(b"".join(bytes.fromhex(p.etag) for p in parts)).hexdigest()
        obj = Object(b"".join(p.body for p in parts), upload.headers, checksum,
                     f"{etag}-{len(parts)}",
                     [(n, len(p.body), p.checksum) for (n, _, _), p in zip(told, parts)])
        self.bucket.store(asked.key, obj)
        del self.bucket.uploads[upload.id]
        self.bucket.done[upload.id] = document(
            "CompleteMultipartUploadResult", Bucket=asked.bucket, Key=asked.key,
            ETag=f'"{obj.etag}"', ChecksumSHA256=checksum,
            ChecksumType="COMPOSITE" if checksum else None)
        return self.bucket.done[upload.id]

    @staticmethod
    def part(upload, number, etag, checksum):
        part = upload.parts.get(number)
        if part is None or part.etag != etag:
            raise Refused("InvalidPart", "One or more of the specified parts could not be found.",
                          PartNumber=number)
        if upload.algorithm and not checksum:
            raise Refused("InvalidRequest", "The upload was created using a sha256 checksum. The "
                          "complete request must include the checksum for each part. It was "
                          f"missing for part {number} in the request.")
        if checksum and checksum != part.checksum:
            raise Refused("InvalidPart", f"The checksum of part {number} differs.")
        return part


class AwsSimulated(Server):
    def __init__(self, region="us-east-1"):
        super().__init__(_Answers)
        self.buckets, self.log = {}, []
        self.page, self.least_part = 1000, 5 * MIB
        self.now = time.time
        self.region = s3_servers.Region(self.endpoint, region)
        self.accounts = {a.access: a for a in (
            Account(s3_servers.PUBLISHER),
            Account(s3_servers.READER, owner=s3_servers.PUBLISHER.access, rights="read"),
            Account(s3_servers.STRANGER))}

    def of(self, operation):
        """The requests of an operation (a pattern), in the order in which they came."""
        with self.guard:
            return [e for e in self.log if fnmatch.fnmatchcase(e["operation"], operation)]
