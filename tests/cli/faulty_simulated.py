"""SIMULATED: mirrors with every fault that a download must survive. FaultServer (servers.py) serves a
folder and knows the simple faults; Faulty adds TLS, faults of a single piece or byte, chains of
redirects, and links that expire. Each request is in `log`: path, query, range, headers, status.

    with Faulty(tree) as bad:
        fault = bad.add("*.gguf", at=26 * MIB, then="reset", until=lambda: claimed(ferry) == 3)

Nothing depends on the order in which a client asks for the pieces, nor on the number of its
connections: a fault belongs to bytes of the object, and can wait for what it shall follow.
"""

import contextlib
import gzip
import os
import secrets
import socket
import ssl
import struct
import time
import urllib.parse

import servers

PIECE = 8 << 20


class Fault(servers.Fault):
    """Beside those of servers.Fault:

    piece          only requests whose range has bytes of this piece (a number, from 0)
    etag           the object has this ETag
    gzip           the body is compressed, which nobody asked for
    content_range  this Content-Range; "": none
    at, then       what happens at this byte of the object: "drop" (the connection ends), "reset",
                   "stall", or a function, which gets the request before the connection ends. These
                   faults, and flip_at, belong to requests for a range that has the byte
    until          a condition: the fault waits for it; with `at` or `flip_at`, only there
    close          the connection ends without an answer
    chain          redirects with these statuses, one after the other, until the object comes
    loop           a redirect with this status to the same place
    links          a Links: redirects to a signed link
    signed         a Links: only its links that have not expired are answered
    """
    KNOWN = servers.Fault.KNOWN | {"etag", "gzip", "content_range", "at", "then", "until", "close",
                                   "chain", "loop", "links", "signed"}

    def __init__(self, path="*", piece=None, **options):
        super().__init__(path, **options)
        self.piece = piece

    def matches(self, entry):
        at = self.what.get("at", self.what.get("flip_at"))
        return super().matches(entry) and (at is None or touches(entry["range"], at, at + 1)) and \
            (self.piece is None or
             touches(entry["range"], self.piece * PIECE, (self.piece + 1) * PIECE))


def touches(text, start, end):
    """Is one of these bytes in a Range header (None: all bytes)?"""
    first, _, last = (text or "bytes=0-").removeprefix("bytes=").partition("-")
    return int(first) < end and (not last or int(last) >= start)


def token(query):
    return query.partition("X-Amz-Signature=")[2]


class Links:
    """Links to files at `base` that nobody can guess."""

    def __init__(self, base):
        self.base = base
        self.good, self.made = set(), 0

    def to(self, path):
        fresh = secrets.token_hex(8)
        self.good.add(fresh)
        self.made += 1
        return f"{self.base}/{path}?X-Amz-Signature={fresh}"

    def expire(self, entry):
        """That of this request."""
        self.good.remove(token(entry["query"]))

    def admits(self, query):
        return token(query) in self.good


class _Handler(servers._Handler):
    def handle(self):
        if self.server.tls:
            try:
                self.connection.do_handshake()
            except (OSError, ssl.SSLError):
                return
        super().handle()

    def perform(self, path, what, with_body):
        split = urllib.parse.urlsplit(self.path)
        self.entry["query"] = split.query
        if "at" not in what and "flip_at" not in what:
            self.wait(what)
        if what.get("close"):
            raise servers._Dropped
        if "chain" in what or "loop" in what or "links" in what:
            status, location = self.next_hop(split, path, what)
            if status:
                return self.small(status, b"moved\n", [("Location", location)], what, with_body)
        if "signed" in what and not what["signed"].admits(split.query):
            return self.small(403, b"<Error><Code>AccessDenied</Code></Error>",
                              [("Content-Type", "application/xml")], what, with_body)
        if what.get("gzip"):
            body = gzip.compress(bytes(1000))
            return self.small(200, body, [("Content-Encoding", "gzip")], what, with_body)
        super().perform(path, what, with_body)

    def next_hop(self, split, path, what):
        """(status, Location); status 0: the object is here."""
        if "links" in what:
            return 302, what["links"].to(path)
        if "loop" in what:
            return what["loop"], split.path
        hop = int(split.query.removeprefix("hop=") or 0)
        if hop == len(what["chain"]):
            return 0, None
        return what["chain"][hop], f"{split.path}?hop={hop + 1}"

    def wait(self, what):
        """As long as the client stays."""
        while "until" in what and not what["until"]() and not self.server.ending.is_set():
            time.sleep(0.002)

    def content_range(self, first, last, size, what):
        text = what.get("content_range")
        if text is None:
            return super().content_range(first, last, size, what)
        return [("Content-Range", text)] if text else []

    def send_span(self, f, first, end, what):
        at = what.get("at", what.get("flip_at", -1))
        if not first <= at < end:
            return super().send_span(f, first, end, what)
        super().send_span(f, first, at, what)
        self.wait(what)
        if "then" not in what:
            return super().send_span(f, at, end, what)
        then = what["then"]
        if then == "stall":
            self.server.wait_for_end(self.connection)
        elif then == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            self.connection.close()
        elif then != "drop":
            then(self.entry)
        raise servers._Dropped

    def send_file(self, f, at, end, what):
        if not self.server.tls:
            return super().send_file(f, at, end, what)
        while at < end:
            data = os.pread(f.fileno(), min(end - at, 1 << 20), at)
            self.connection.sendall(data)
            self.count(len(data))
            at += len(data)


class Faulty(servers.FaultServer):
    """tls: (certificate, key), files."""
    fault = Fault

    def __init__(self, root, tls=None, host="127.0.0.1"):
        super().__init__(root, _Handler)
        self.host, self.tls = host, None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:    # the handshake is made by the connection's own thread
            connection = self.tls.wrap_socket(connection, server_side=True,
                                              do_handshake_on_connect=False)
        return connection, address

    def asked(self, path="*.gguf"):
        """The requests for these files, as in the log."""
        entry = Fault(path)
        return [e for e in list(self.log) if entry.matches(e)]


@contextlib.contextmanager
def dead_address(port):
    """Nobody answers at [::1]:port: neither a connection nor a refusal comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("::1", port))
        listener.listen(0)
        for _ in range(4):      # more than its queue holds
            waiting = stack.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            waiting.connect_ex(("::1", port))
        yield
