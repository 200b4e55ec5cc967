"""Servers for the end-to-end tests, on loopback, each on a free port of its own.

Nginx is the real one. FaultServer is SIMULATED: a small server that serves a folder the way a
broken mirror would, because no real server breaks on demand.

    with Nginx(work, root=tree) as server:
        ferry("fetch", …, server.url)

    with FaultServer(tree) as bad:
        bad.add(path="*.gguf", flip_at=123456)
        bad.add(path="*.gguf", drop_every=64 << 20)

Fixtures `nginx` and `fault_server` (conftest.py) start any number of them and stop them all.
"""

import contextlib
import email.utils
import fnmatch
import http.client
import http.server
import os
import pathlib
import random
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from waiting import PATIENCE, until

LEAST_PORT = 11000      # browsers refuse some below


def free_port():
    """One that the system gives to nobody by itself, neither to a connection nor to a socket that
    takes any port: it stays free until a server listens on it."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(LEAST_PORT, first) if first > 2 * LEAST_PORT else 0
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return s.getsockname()[1]


def hold_port(port):
    """A socket that nobody listens on, so that no other server gets the port meanwhile."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


def wait_for_port(port, process=None):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


# -- nginx ----------------------------------------------------------------------------

CONFIG = """
daemon off;
master_process off;
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    default_type application/octet-stream;
    types {{ application/json json; text/html html; }}
    log_format bytes '$request_method $uri $http_range $status $body_bytes_sent';
    access_log {dir}/access.log bytes;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 5;
    {http}
    server {{
        listen 127.0.0.1:{port}{tls};
        {certificates}
        root {root};
        {extra}
    }}
}}
"""


class Nginx:
    """A real nginx that serves `root`. `extra` goes into its server block, `http` into the http block
    around it; tls is a pair of files (certificate, key)."""

    def __init__(self, work, root, extra="", tls=None, http=""):
        self.port = free_port()
        self.dir = pathlib.Path(work) / f"nginx-{self.port}"
        self.root = pathlib.Path(root)
        self.extra = extra
        self.http = http
        self.tls = tls
        self.process = None
        self.marks = 0

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        self.dir.mkdir(exist_ok=True)
        for _ in range(5):
            self.launch()
            if self.has_bound():
                wait_for_port(self.port, self.process)
                return self
            self.stop()
            self.port = free_port()
        raise RuntimeError(f"nginx cannot listen on port {self.port}")

    def launch(self):
        certificates = ""
        if self.tls:
            certificates = f"ssl_certificate {self.tls[0]}; ssl_certificate_key {self.tls[1]};"
        config = self.dir / "nginx.conf"
        config.write_text(CONFIG.format(
            dir=self.dir, root=self.root, port=self.port, extra=self.extra, http=self.http,
            tls=" ssl http2" if self.tls else "", certificates=certificates,
            user="user root;" if os.geteuid() == 0 else ""))
        (self.dir / "nginx.pid").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["nginx", "-p", str(self.dir), "-c", str(config), "-e", str(self.dir / "error.log")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def has_bound(self):
        """nginx writes its pid once it listens. Somebody else may have taken the port since it
        was found free: then another server would answer in this one's place."""
        pid = self.dir / "nginx.pid"
        until(lambda: pid.exists() or self.process.poll() is not None)
        return pid.exists()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def refuse(self):
        """Stops; connections are refused from now on."""
        self.stop()
        self.held = hold_port(self.port)

    def requests(self):
        """The access log: "METHOD /path bytes=RANGE status bytes-sent" for each request."""
        path, mark = self.dir / "access.log", f"/-mark-{self.marks}-"
        if self.process.poll() is None:
            # Who has the answer may be faster than the log: but not than one more request.
            self.marks += 1
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(self.url + mark, timeout=PATIENCE,
                                       context=ssl._create_unverified_context()).close()
            until(lambda: mark in path.read_text(), self.process)
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if " /-mark-" not in line]

    __enter__ = start

    def __exit__(self, *ignored):
        self.stop()


PROXY_CACHE = """
location / {{
    proxy_pass {url};
    proxy_cache edge;
    proxy_cache_valid 200 1h;
}}
"""


class NginxCache(Nginx):
    """A real nginx that caches, in the folder `cache`, what a server behind it sends: what an edge
    is compared with."""

    def __init__(self, work, url, cache=None):
        self.cache = pathlib.Path(cache or work) / "nginx-cache"
        zone = f"proxy_cache_path {self.cache} keys_zone=edge:1m use_temp_path=off;"
        super().__init__(work, work, extra=PROXY_CACHE.format(url=url), http=zone)

    def files(self, least):
        """Of at least this size: the bodies, not those of small objects."""
        return [n for n in self.cache.rglob("*") if n.is_file() and n.stat().st_size > least]

    def got(self, key):
        """What a client has in the end, with a status of 200: perhaps less than all."""
        try:
            return self.read(key)
        except http.client.IncompleteRead as e:
            return e.partial
        except (urllib.error.HTTPError, ConnectionError, http.client.RemoteDisconnected):
            return b""

    def read(self, key):
        with urllib.request.urlopen(self.url + key, timeout=PATIENCE) as answer:
            return answer.read()


# -- simulated faults -----------------------------------------------------------------

class Turns:
    """Of the requests that a fault matches, the first `skip` pass, and the next `times` are hit
    (None: all)."""

    def __init__(self, skip, times):
        self.skip, self.times, self.hits = skip, times, 0

    def takes_a_turn(self):
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        self.hits += 1
        return True


class Fault(Turns):
    """What goes wrong on requests whose path matches. All of the given things at once.

    path           glob on the decoded path without its first slash ("*" crosses slashes)
    methods        e.g. ("HEAD",); None: all
    skip, times    so many matching requests pass first; then so many are hit (None: all)
    flip_at        the byte at this offset of the object has a bit turned
    flip_in        the byte at this offset of every body
    drop_every     the connection is closed whenever it carried so many body bytes
    drop_after     the connection is closed after so many bytes of this body
    stall_after    nothing more comes after so many bytes of this body
    hold_after     after so many bytes of all the bodies that it hits, nothing more comes until
                   release()
    truncate       the object looks this long
    status         an error status; with retry_after, body
    html           a web page with status 200 instead of the object
    ignore_range   the whole object with status 200, whatever was asked
    shift_range    Content-Range tells other bytes than were asked, by so many
    redirect       a Location; "{path}" stands for the path asked
    headers        additional headers
    no_length      HTTP/1.0 style: no Content-Length, the end of the connection ends the body
    rate           bytes per second
    """
    KNOWN = {"flip_at", "flip_in", "drop_every", "drop_after", "stall_after", "hold_after", "truncate",
             "status", "retry_after", "body", "html", "ignore_range", "shift_range",
             "redirect", "headers", "no_length", "rate"}

    def __init__(self, path="*", methods=None, skip=0, times=None, **what):
        if set(what) - self.KNOWN:
            raise TypeError(f"unknown faults {set(what) - self.KNOWN}")
        super().__init__(skip, times)
        self.path, self.methods, self.what = path, methods, what
        self.released = threading.Event()
        self.passed = 0
        if "hold_after" in what:
            what["holder"] = self

    def release(self):
        """Lets go on what was held, and holds nothing more."""
        self.released.set()

    def matches(self, entry):
        return fnmatch.fnmatchcase(entry["path"], self.path) and \
            (not self.methods or entry["method"] in self.methods)

    def applies(self, entry):
        """entry: of the request, as in the server's log."""
        return self.matches(entry) and self.takes_a_turn()


class _Dropped(Exception):
    pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = None      # a time-out would make the socket non-blocking, and sendfile fail

    def setup(self):
        super().setup()
        self.carried = 0
        with self.server.guard:
            self.server.connections += 1
            self.server.peak = max(self.server.peak, self.server.connections)

    def finish(self):
        with self.server.guard:
            self.server.connections -= 1
        with contextlib.suppress(ConnectionError):
            super().finish()

    def log_message(self, *ignored):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        entry = {"method": self.command, "path": path, "range": self.headers.get("Range"),
                 "status": 0, "sent": 0, "headers": dict(self.headers)}
        with self.server.guard:
            self.server.log.append(entry)
            what = {}
            for fault in self.server.faults:
                if fault.applies(entry):
                    what.update(fault.what)
        self.entry = entry
        try:
            self.perform(path, what, with_body)
        except (_Dropped, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            entry["over"] = True

    def head(self, status, length, headers, what):
        self.entry["status"] = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        for name, value in (what.get("headers") or {}).items():
            self.send_header(name, value)
        if what.get("no_length"):
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()

    def small(self, status, body, headers, what, with_body):
        self.head(status, len(body), headers, what)
        if with_body:
            self.entry["sent"] += len(body)
            self.wfile.write(body)

    def perform(self, path, what, with_body):
        if "status" in what:
            headers = [("Content-Type", "text/plain")]
            if "retry_after" in what:
                headers.append(("Retry-After", str(what["retry_after"])))
            return self.small(what["status"], what.get("body", b"simulated\n"), headers, what,
                              with_body)
        if "redirect" in what:
            return self.small(302, b"", [("Location", what["redirect"].format(path=path))], what,
                              with_body)
        if what.get("html"):
            return self.small(200, b"<!DOCTYPE html><html><title>Sign in</title></html>",
                              [("Content-Type", "text/html; charset=utf-8")], what, with_body)
        file = self.server.root / path
        if ".." in path.split("/") or not file.is_file():
            return self.small(404, b"not found\n", [("Content-Type", "text/plain")], what,
                              with_body)
        with file.open("rb") as f:
            self.object(f, what, with_body)

    def asked(self, size):
        """(first, last) of a Range header, or None."""
        text = self.headers.get("Range", "")
        if not text.startswith("bytes=") or "," in text:
            return None
        first, _, last = text[6:].partition("-")
        if first == "":
            return max(0, size - int(last)), size - 1
        return int(first), min(int(last), size - 1) if last else size - 1

    def object(self, f, what, with_body):
        stat = os.fstat(f.fileno())
        size = min(stat.st_size, what.get("truncate", stat.st_size))
        kind = "application/json" if f.name.endswith(".json") else "application/octet-stream"
        tag = what.get("etag", f'"{stat.st_mtime_ns:x}-{size:x}"')
        headers = [("Content-Type", kind), ("ETag", tag),
                   ("Last-Modified", email.utils.formatdate(stat.st_mtime, usegmt=True))]
        span = None if what.get("ignore_range") else self.asked(size)
        condition = self.headers.get("If-Range")
        if condition and condition != tag:
            span = None
        if span is None:
            self.head(200, size, headers, what)
            first, last = 0, size - 1
        else:
            first, last = span
            if first > last:
                return self.small(416, b"", [("Content-Range", f"bytes */{size}")], what,
                                  with_body)
            headers += self.content_range(first, last, size, what)
            self.head(206, last - first + 1, headers, what)
        if with_body:
            self.send_span(f, first, last + 1, what)

    def content_range(self, first, last, size, what):
        shift = what.get("shift_range", 0)
        return [("Content-Range", f"bytes {first + shift}-{last + shift}/{size}")]

    def send_span(self, f, first, end, what):
        if "flip_in" in what:
            what = {**what, "flip_at": first + what["flip_in"]}
        stops = []
        if "drop_after" in what:
            stops.append((first + what["drop_after"], "drop"))
        if "drop_every" in what:
            stops.append((first + what["drop_every"] - self.carried, "drop"))
        if "stall_after" in what:
            stops.append((first + what["stall_after"], "stall"))
        stop, action = min(stops, default=(end + 1, None))
        limit = min(end, stop)
        holder = what.get("holder")
        hold = limit
        if holder:
            hold = min(limit, first + max(0, what["hold_after"] - holder.passed))
            holder.passed += hold - first
        self.send_flipped(f, first, hold, what)
        if hold < limit:
            self.server.wait_for_end(self.connection, holder.released)
        self.send_flipped(f, hold, limit, what)
        if stop > end or (stop == end and action != "drop"):
            return
        if action == "stall":
            self.server.wait_for_end(self.connection)
        raise _Dropped

    def send_flipped(self, f, at, end, what):
        flip = what.get("flip_at", -1)
        if at <= flip < end:
            self.send_file(f, at, flip, what)
            byte = os.pread(f.fileno(), 1, flip)
            self.connection.sendall(bytes([byte[0] ^ 1]))
            self.count(1)
            at = flip + 1
        self.send_file(f, at, end, what)

    def count(self, n):
        self.carried += n
        self.entry["sent"] += n

    def send_file(self, f, at, end, what):
        rate = what.get("rate")
        while at < end:
            want = min(end - at, max(1, rate // 20) if rate else 8 << 20)
            self.entry["sending"] = True
            try:
                n = os.sendfile(self.connection.fileno(), f.fileno(), at, want)
                self.count(n)
            finally:
                self.entry["sending"] = False
            if n == 0:
                raise _Dropped
            at += n
            if rate:
                time.sleep(n / rate)


class FaultServer(http.server.ThreadingHTTPServer):
    """SIMULATED faults: serves a folder like a broken mirror. Understands ranges and
    If-Range; `log` has an entry for each request."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    fault = Fault

    def __init__(self, root, handler=_Handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.root = pathlib.Path(root)
        self.faults, self.log = [], []
        self.connections = self.peak = 0        # now, and the most at a time
        self.guard = threading.Lock()
        self.ending = threading.Event()
        self.port = self.server_address[1]
        self.thread = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def add(self, path="*", **options):
        fault = self.fault(path, **options)
        with self.guard:
            self.faults.append(fault)
        return fault

    def mend(self):
        with self.guard:
            self.faults.clear()

    def sent(self, path="*"):
        """Body bytes sent so far for matching paths."""
        def of(entries):
            return [e for e in entries if fnmatch.fnmatchcase(e["path"], path)]

        # Who has the bytes may be faster than who counts them; who waits for a reader is not
        # waited for much longer.
        deadline = time.monotonic() + 10
        while any(e.get("sending") for e in of(list(self.log))) and time.monotonic() < deadline:
            time.sleep(0.002)
        return sum(e["sent"] for e in of(list(self.log)))

    def wait_until_quiet(self):
        """Until it has noticed that the clients, which were killed, are gone."""
        deadline, quiet_since = time.monotonic() + PATIENCE, None
        while quiet_since is None or time.monotonic() < quiet_since + 0.05:
            assert time.monotonic() < deadline, "a connection is still open"
            if self.connections:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            time.sleep(0.005)

    def wait_for_end(self, connection, released=None):
        """Until the client goes away, this server ends or `released` is set."""
        while not self.ending.is_set() and not (released and released.is_set()):
            readable, _, _ = select.select([connection], [], [], 0.02)
            if readable:
                return

    def handle_error(self, *ignored):
        pass

    def start(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.ending.set()
        if self.thread:
            self.shutdown()
            self.thread.join(5)
            self.thread = None
        self.server_close()

    def refuse(self):
        """Stops; connections are refused from now on."""
        self.stop()
        self.held = hold_port(self.port)

    __enter__ = start

    def __exit__(self, *ignored):
        self.stop()
