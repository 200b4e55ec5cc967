"""Proxies in front of a real S3 server that log every request, and can make requests fail.

S3Proxy forwards what it gets, unchanged: a signature is for the proxy's name, which the server
sees. R2Proxy is SIMULATED: it also refuses what the documentation of Cloudflare's R2 says that R2
refuses.

    with S3Proxy(region) as proxy:                  # an s3_servers.Region
        proxy.region.client().put_object(…)         # the same server, through the proxy
        proxy.add("UploadPart", times=2, slow_down=True)
        …
        assert len(proxy.of("UploadPart")) == 7

What can go wrong, with add(operation, key="*", skip=0, times=None, …):

    slow_down       503 SlowDown; the request is not performed
    error           another code of S3 ("InternalError"); not performed
    ok_with_error   200 with this code in its body; not performed
    cut_after       the connection ends after so many bytes of the body, towards both
    lost            performed, and the connection ends before the answer
    flip            the first byte of the body arrives changed
    skew            403 RequestTimeTooSkewed, as for a clock that is wrong by so many seconds
    hold            waits for release() before it is performed
    drop            waits for release(); not performed, and the connection ends
    hold_answer     performed; the answer waits for release()
    gate            closes this Gate
"""

import email.utils
import fnmatch
import http.client
import threading
import time
import urllib.parse

import s3_servers
import s3_wire
from s3_wire import Asked, Handler, Refused, Server
from servers import Turns
from waiting import PATIENCE, until

HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "te", "upgrade"}
CHUNK = 256 << 10


class Gate:
    """Shared by proxies: a fault with gate=… closes it when it hits a request, and from then on
    every other request is dropped, too."""

    def __init__(self):
        self.closed = threading.Event()


class Fault(Turns):
    KNOWN = {"slow_down", "error", "ok_with_error", "cut_after", "lost", "flip", "skew", "hold",
             "hold_answer", "drop", "gate"}

    def __init__(self, operation, key="*", skip=0, times=None, **what):
        if set(what) - self.KNOWN or not what:
            raise TypeError(f"unknown faults {set(what) - self.KNOWN}")
        super().__init__(skip, times)
        self.operation, self.key, self.what = operation, key, what
        self.reached = threading.Event()        # a request is held
        self.released = threading.Event()

    def applies(self, asked):
        if not (fnmatch.fnmatchcase(asked.operation, self.operation) and
                fnmatch.fnmatchcase(asked.key, self.key)):
            return False
        return self.takes_a_turn()

    def release(self):
        """Lets held requests continue, and holds no more."""
        self.times = 0
        self.released.set()


class _Ended(Exception):
    """The connection to the client ends without an answer."""


class _Forward(Handler):
    upstream = None

    def serve(self):
        asked = Asked(self.command, self.path, self.headers)
        entry = {"operation": asked.operation, "bucket": asked.bucket, "key": asked.key,
                 "query": asked.query, "headers": dict(self.headers), "status": 0,
                 "received": 0, "sent": 0}
        self.asked, self.entry = asked, entry
        self.left = int(self.headers.get("Content-Length", 0))
        with self.server.guard:
            self.server.log.append(entry)
            self.what, self.hit = self.find_faults(asked)
        self.wait_for(self.held("hold") + self.held("drop"))
        try:
            self.refuse_by_fault()
            self.server.rules(asked)
            self.forward()
        except Refused as refused:
            self.drain()
            self.answer(refused.status, refused.xml(), refused.headers)
        except (_Ended, http.client.HTTPException):
            self.close_connection = True
        finally:
            entry["ended"] = True
            if self.close_connection and self.upstream:
                self.upstream.close()

    def find_faults(self, asked):
        """What is to go wrong, and the faults that say so."""
        server, what = self.server, {}
        if server.gate and server.gate.closed.is_set():
            return server.closed.what, [server.closed]
        hit = [fault for fault in server.faults if fault.applies(asked)]
        for fault in hit:
            what.update(fault.what)
            if "gate" in what:
                what["gate"].closed.set()
        return what, hit

    def held(self, how):
        return [fault for fault in self.hit if how in fault.what]

    def wait_for(self, faults):
        for fault in faults:
            fault.reached.set()
            fault.released.wait(PATIENCE)

    def answer(self, status, body, headers=()):
        self.entry["status"], self.entry["sent"] = status, len(body)
        self.reply(status, body, headers)

    def refuse_by_fault(self):
        what = self.what
        if "drop" in what:
            raise _Ended
        if "slow_down" in what:
            raise Refused("SlowDown", "Please reduce your request rate.")
        if "error" in what:
            raise Refused(what["error"])
        if "skew" in what:
            now = time.time() + what["skew"]
            raise Refused("RequestTimeTooSkewed", "The difference between the request time and "
                          "the server's time is too large.",
                          {"Date": email.utils.formatdate(now, usegmt=True)},
                          ServerTime=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
                          MaxAllowedSkewMilliseconds=900000)
        if "ok_with_error" in what:
            self.drain()
            refused = Refused(what["ok_with_error"])
            refused.status = 200
            raise refused

    def receive(self, count):
        """The next bytes of the body; less only at its end."""
        data = self.rfile.read(min(count, self.left))
        if not data and self.left:
            raise _Ended        # the client has gone
        self.left -= len(data)
        self.entry["received"] += len(data)
        self.server.pass_by(len(data))
        return data

    def drain(self):
        while self.left:
            self.receive(CHUNK)

    def connect(self):
        if not self.upstream:
            host = urllib.parse.urlsplit(self.server.upstream)
            self.upstream = http.client.HTTPConnection(host.hostname, host.port, timeout=PATIENCE)
            self.upstream.blocksize = CHUNK
        return self.upstream

    def forward(self):
        up = self.connect()
        # The body of CompleteMultipartUpload is small, and rules need it.
        small = self.receive(self.left) if self.command == "POST" else None
        if small is not None:
            self.server.rules_of_body(self.asked, small)
        up.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                up.putheader(name, value)
        up.endheaders()
        if small:
            up.send(small)
        self.send_body(up)
        self.hand_back(up.getresponse())

    def send_body(self, up):
        size = self.left
        while self.left:
            cut = self.what.get("cut_after", size)
            data = self.receive(min(CHUNK, max(1, cut - (size - self.left))))
            if "flip" in self.what and size - self.left == len(data):
                data = bytes([data[0] ^ 1]) + data[1:]
            up.send(data)
            if size - self.left >= cut and self.left:
                raise _Ended

    def hand_back(self, answer):
        self.entry["status"] = answer.status
        self.wait_for(self.held("hold_answer"))
        if "lost" in self.what:
            answer.read()
            raise _Ended
        headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP]
        length = answer.getheader("Content-Length")
        self.server.seen(self.asked, answer.status, self.entry)
        if length is None:
            return self.answer(answer.status, answer.read(), headers)
        self.send_response_only(answer.status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        while data := answer.read(CHUNK):
            self.server.pass_by(len(data))
            self.wfile.write(data)
            self.entry["sent"] += len(data)


class S3Proxy(Server):
    """rate: of both directions, an s3_wire.Rate."""

    def __init__(self, region, rate=None):
        super().__init__(_Forward)
        self.upstream, self.rate = region.endpoint, rate
        self.region = s3_servers.Region(self.endpoint, region.name, region.keys)
        self.log, self.faults = [], []
        self.gate, self.closed = None, Fault("*", drop=True)

    def add(self, operation, key="*", **how):
        fault = Fault(operation, key, **how)
        with self.guard:
            self.faults.append(fault)
        return fault

    def heal(self):
        with self.guard:
            for fault in self.faults:
                fault.release()
            self.faults = []
            self.closed.release()
            self.gate, self.closed = None, Fault("*", drop=True)

    def of(self, operation, key="*", status=None):
        """The requests of an operation (a pattern), in the order in which they came."""
        with self.guard:
            return [e for e in self.log if fnmatch.fnmatchcase(e["operation"], operation) and
                    fnmatch.fnmatchcase(e["key"], key) and status in (None, e["status"])]

    def settle(self):
        """Waits until no request is under way."""
        until(lambda: all("ended" in e for e in list(self.log)))

    def pass_by(self, count):
        if self.rate:
            self.rate.take(count)

    def stop(self):
        self.heal()
        super().stop()

    def rules(self, asked):
        """Refuses what the vendor refuses."""

    def rules_of_body(self, asked, body):
        """The same, for requests with a small body."""

    def seen(self, asked, status, entry):
        """A request was performed."""


class R2Proxy(S3Proxy):
    """SIMULATED: R2's rules, from Cloudflare's documentation (developers.cloudflare.com/r2/api)."""

    LACKS = {"acl", "accelerate", "analytics", "attributes", "intelligent-tiering", "inventory",
             "legal-hold", "logging", "metrics", "notification", "object-lock",
             "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication",
             "requestPayment", "retention", "tagging", "torrent", "versioning", "versions",
             "website"}
    LACKS_HEADERS = ("x-amz-acl", "x-amz-tagging", "x-amz-object-lock-mode")
    LARGEST_PART = (5 << 30) - (5 << 20)

    def __init__(self, region, rate=None, seconds_between_writes=1.0):
        super().__init__(region, rate)
        self.seconds_between_writes = seconds_between_writes
        self.parts = {}         # (bucket, key, upload): {number: size}
        self.written = {}       # (bucket, key): when

    def rules(self, asked):
        for word in self.LACKS & set(asked.query):
            raise Refused("NotImplemented", f"{word} not implemented")
        for name in self.LACKS_HEADERS:
            if name in asked.headers:
                raise Refused("NotImplemented", f"Header '{name}' not implemented")
        if asked.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            raise Refused("NotImplemented", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD not implemented")
        size = int(asked.headers.get("Content-Length", 0))
        if asked.operation in ("UploadPart", "PutObject") and size > self.LARGEST_PART:
            raise Refused("EntityTooLarge", "Your proposed upload exceeds the maximum allowed "
                          "object size.")
        if asked.writes_object:
            self.one_write_a_second(asked)

    def one_write_a_second(self, asked):
        now = time.monotonic()
        with self.guard:
            last = self.written.get((asked.bucket, asked.key))
            if last is not None and now - last < self.seconds_between_writes:
                raise Refused("TooManyRequests", "Reduce your concurrent request rate for the "
                              "same object.")
            self.written[asked.bucket, asked.key] = now

    def rules_of_body(self, asked, body):
        if asked.operation != "CompleteMultipartUpload":
            return
        known = self.parts.get(asked.upload, {})
        sizes = [known.get(number) for number, _ in s3_wire.parts_of(body)]
        if None in sizes:
            raise Refused("InvalidPart", "One or more of the specified parts could not be found.")
        if len(set(sizes[:-1])) > 1 or (sizes and sizes[-1] > sizes[0]):
            raise Refused("InvalidPart", "All non-trailing parts must have the same length.")

    def seen(self, asked, status, entry):
        if status != 200 or asked.operation not in ("UploadPart", "UploadPartCopy"):
            return
        size = int(asked.headers.get("Content-Length", 0))
        if asked.operation == "UploadPartCopy":
            first, _, last = asked.headers.get(
                "x-amz-copy-source-range", "bytes=0--1").rpartition("=")[2].partition("-")
            size = int(last) - int(first) + 1
        with self.guard:
            self.parts.setdefault(asked.upload, {})[asked.part] = size
