"""What the S3 servers and proxies of the tests share: reading requests, and S3's errors."""

import http.server
import re
import threading
import time
import urllib.parse
import xml.sax.saxutils

from servers import free_port

NS = "http://s3.amazonaws.com/doc/2006-03-01/"

# What each query parameter without a value makes of a request to a bucket or an object.
BUCKET = {
    "accelerate": "BucketAccelerateConfiguration", "acl": "BucketAcl",
    "analytics": "BucketAnalyticsConfiguration", "cors": "BucketCors",
    "encryption": "BucketEncryption", "intelligent-tiering": "BucketIntelligentTiering",
    "inventory": "BucketInventoryConfiguration", "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation", "logging": "BucketLogging",
    "metrics": "BucketMetricsConfiguration", "notification": "BucketNotification",
    "object-lock": "ObjectLockConfiguration", "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy", "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "PublicAccessBlock", "replication": "BucketReplication",
    "requestPayment": "BucketRequestPayment", "tagging": "BucketTagging",
    "versioning": "BucketVersioning", "website": "BucketWebsite",
}
OBJECT = {"acl": "ObjectAcl", "attributes": "ObjectAttributes", "legal-hold": "ObjectLegalHold",
          "retention": "ObjectRetention", "tagging": "ObjectTagging", "torrent": "ObjectTorrent"}
VERB = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}


class Asked:
    """One request: .operation as AWS calls it, .bucket, .key, .query (a dict), .headers."""

    def __init__(self, method, target, headers, hosted=None):
        """hosted: the bucket that the name of the host tells, in virtual-host style."""
        split = urllib.parse.urlsplit(target)
        self.method, self.headers = method, headers
        self.raw_path, self.raw_query = split.path, split.query
        self.query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        path = urllib.parse.unquote(split.path)[1:]
        self.bucket, _, self.key = (hosted, "", path) if hosted else path.partition("/")
        self.operation = self.name()

    def name(self):
        if not self.bucket:
            return "ListBuckets"
        if self.key:
            return self.of_object()
        for word, name in BUCKET.items():
            if word in self.query:
                return VERB[self.method] + name
        for word, name in (("uploads", "ListMultipartUploads"), ("versions", "ListObjectVersions"),
                           ("delete", "DeleteObjects")):
            if word in self.query:
                return name
        if self.method == "GET":
            return "ListObjectsV2" if self.query.get("list-type") == "2" else "ListObjects"
        return {"PUT": "CreateBucket"}.get(self.method, VERB.get(self.method, "?") + "Bucket")

    def of_object(self):
        copies = "x-amz-copy-source" in self.headers
        for word, name in OBJECT.items():
            if word in self.query:
                return VERB[self.method] + name
        if "uploads" in self.query:
            return "CreateMultipartUpload"
        if "uploadId" in self.query:
            return {"PUT": "UploadPartCopy" if copies else "UploadPart",
                    "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload",
                    "GET": "ListParts"}.get(self.method, "?")
        if self.method == "PUT" and copies:
            return "CopyObject"
        return VERB.get(self.method, "?") + "Object"

    @property
    def writes_object(self):
        """Does it change what readers see under the key?"""
        return self.operation in ("PutObject", "CopyObject", "CompleteMultipartUpload",
                                  "DeleteObject")

    @property
    def part(self):
        return int(self.query["partNumber"])

    @property
    def upload(self):
        return self.bucket, self.key, self.query.get("uploadId")


STATUS = {
    "AccessDenied": 403, "BadDigest": 400, "BucketAlreadyOwnedByYou": 409,
    "BucketAlreadyExists": 409, "BucketNotEmpty": 409, "ConditionalRequestConflict": 409,
    "EntityTooLarge": 400, "EntityTooSmall": 400, "ExpiredToken": 400, "InternalError": 500,
    "InvalidAccessKeyId": 403, "InvalidArgument": 400, "InvalidBucketName": 400,
    "InvalidLocationConstraint": 400, "InvalidPart": 400, "InvalidPartOrder": 400,
    "InvalidRange": 416, "InvalidRequest": 400, "InvalidToken": 400, "MalformedPolicy": 400,
    "MalformedXML": 400, "MethodNotAllowed": 405, "NoSuchBucket": 404, "NoSuchBucketPolicy": 404,
    "NoSuchConfiguration": 404, "NoSuchCORSConfiguration": 404, "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404, "NoSuchPublicAccessBlockConfiguration": 404,
    "NoSuchUpload": 404, "NotImplemented": 501, "PermanentRedirect": 301,
    "PreconditionFailed": 412, "ReplicationConfigurationNotFoundError": 404,
    "RequestTimeTooSkewed": 403, "RequestTimeout": 400, "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403, "SlowDown": 503, "TemporaryRedirect": 307,
    "TooManyRequests": 429, "XAmzContentSHA256Mismatch": 400, "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400, "InvalidDigest": 400, "NoSuchVersion": 404,
}


class Refused(Exception):
    """One of S3's errors."""

    def __init__(self, code, message="", headers=None, **elements):
        super().__init__(code)
        self.code, self.message = code, message or code
        self.status = STATUS[code]
        self.headers = dict(headers or {})
        self.elements = elements

    def xml(self):
        return document("Error", Code=self.code, Message=self.message, **self.elements)


class Many(list):
    """Elements of one name in a row."""


def element(name, value):
    """XML of a value: None: nothing, a dict: its elements, Many: repeated, else text."""
    if value is None:
        return ""
    if isinstance(value, Many):
        return "".join(element(name, v) for v in value)
    if isinstance(value, dict):
        inner = "".join(element(k, v) for k, v in value.items())
    elif isinstance(value, bool):
        inner = "true" if value else "false"
    else:
        inner = xml.sax.saxutils.escape(str(value))
    return f"<{name}>{inner}</{name}>"


def document(root, **elements):
    space = "" if root == "Error" else f' xmlns="{NS}"'
    inner = "".join(element(k, v) for k, v in elements.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{space}>{inner}</{root}>'.encode()


def parts_of(body):
    """[(number, ETag)] of a CompleteMultipartUpload."""
    found = []
    for part in re.findall(r"<Part>(.*?)</Part>", body.decode(), re.S):
        number = re.search(r"<PartNumber>\s*(\d+)\s*</PartNumber>", part)
        etag = re.search(r"<ETag>(.*?)</ETag>", part, re.S)
        found.append((int(number[1]), xml.sax.saxutils.unescape(
            etag[1].strip(), {"&quot;": '"', "&#34;": '"'}) if etag else ""))
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    """Every method goes to serve(), which answers with reply()."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *ignored):
        pass

    def handle_expect_100(self):
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def do(self):
        try:
            self.serve()
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do

    def reply(self, status, body=b"", headers=(), kind="application/xml"):
        headers = {"Content-Type": kind, **dict(headers)} if body else dict(headers)
        self.send_response_only(status)
        headers.setdefault("Date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304) and "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass


class Server(http.server.ThreadingHTTPServer):
    """On a free port of its own; stop() ends it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler):
        for attempt in range(5):
            self.port = free_port()
            try:
                super().__init__(("127.0.0.1", self.port), handler)
                break
            except OSError:
                if attempt == 4:
                    raise
        self.guard = threading.RLock()
        self.thread = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def handle_error(self, *ignored):
        pass

    def start(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def stop(self):
        if self.thread:
            self.shutdown()
            self.thread.join()
            self.thread = None
        self.server_close()

    __enter__ = start

    def __exit__(self, *ignored):
        self.stop()


class Rate:
    """A limit of bytes per second, for all that share it."""

    def __init__(self, bytes_per_s, burst_s=0.1):
        self.speed, self.burst = bytes_per_s, burst_s
        self.lock = threading.Lock()
        self.free_at = time.monotonic()

    def take(self, count):
        """Waits until this number of bytes may pass."""
        with self.lock:
            now = time.monotonic()
            self.free_at = max(self.free_at, now - self.burst) + count / self.speed
            wait = self.free_at - now
        if wait > 0:
            time.sleep(wait)
