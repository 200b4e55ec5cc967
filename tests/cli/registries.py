"""Registries: Debian's docker-registry, a token server of the tests' own, and a proxy in between.

    with Registry(work) as registry:                        # with htpasswd
        publisher.configure(registry.mirror("hub", "acme/models"))

    with TokenServer(work) as tokens, Registry(work, tokens=tokens) as registry: …

    with RegistryProxy(registry) as proxy:                  # logs requests, and breaks some
        proxy.add("PATCH", status=416)

RegistryProxy without faults forwards what it gets. With them it SIMULATES a registry that lies or
breaks, because no real one does so on demand.
"""

import base64
import contextlib
import datetime
import http.client
import http.server
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from published import mirror
from servers import Turns, free_port, wait_for_port
from waiting import PATIENCE

USER, PASSWORD = "pusher", "only-for-the-test"
CREDENTIALS = {"FERRY_OCI_USERNAME": USER, "FERRY_OCI_PASSWORD": PASSWORD}
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json",
             "application/vnd.docker.distribution.manifest.v2+json")

CONFIG = """
version: 0.1
log: {{ level: error, accesslog: {{ disabled: true }} }}
storage:
  filesystem: {{ rootdirectory: {dir}/data }}
  maintenance: {{ uploadpurging: {{ enabled: false }} }}
http: {{ addr: "127.0.0.1:{port}", secret: the-same-after-a-restart }}
auth:
{auth}
"""


class Registry:
    """A real docker-registry. Without a token server, htpasswd has USER."""

    def __init__(self, work, tokens=None):
        self.port = free_port()
        self.dir = pathlib.Path(work) / f"registry-{self.port}"
        self.tokens = tokens
        self.process = None
        self.up = threading.Event()

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def mirror(self, name, image, **options):
        return mirror(name, kind="oci", image=f"{self.host}/{image}",
                      url=f"http://{self.host}/v2/{image}", **options)

    def set_password(self, password):
        lines = subprocess.run(["htpasswd", "-nbB", "-C", "4", USER, password], check=True,
                               capture_output=True, text=True).stdout
        (self.dir / "htpasswd").write_text(lines)

    def start(self):
        self.dir.mkdir(exist_ok=True)
        if self.tokens:
            auth = (f"  token:\n    realm: {self.tokens.url}/token\n    service: it\n"
                    f"    issuer: the-tests\n    rootcertbundle: {self.tokens.certificate}\n")
        else:
            self.set_password(PASSWORD)
            auth = f"  htpasswd:\n    realm: it\n    path: {self.dir}/htpasswd\n"
        config = self.dir / "config.yml"
        config.write_text(CONFIG.format(dir=self.dir, port=self.port, auth=auth))
        self.launch()
        return self

    def launch(self):
        self.process = subprocess.Popen(
            ["docker-registry", "serve", str(self.dir / "config.yml")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=(self.dir / "log").open("a"))
        wait_for_port(self.port, self.process)
        self.up.set()

    def kill(self):
        self.up.clear()
        self.process.kill()
        self.process.wait()

    __enter__ = start

    def __exit__(self, *_):
        self.kill()

    def ask(self, path, method="GET", headers=(), data=None, to=None):
        """(status, headers, body) as USER sees it; redirects are followed."""
        request = urllib.request.Request(f"http://{to or self.host}/v2/{path}", method=method,
                                         data=data)
        for name, value in dict(headers).items():
            request.add_header(name, value)
        if self.tokens:
            token = self.tokens.token(path.split("/manifests/")[0].split("/blobs/")[0]
                                      .split("/tags/")[0], "pull,push")
            request.add_header("Authorization", f"Bearer {token}")
        else:
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            request.add_header("Authorization", f"Basic {basic}")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def manifest(self, image, tag, accept=", ".join(MANIFESTS)):
        status, _, body = self.ask(f"{image}/manifests/{tag}", headers={"Accept": accept})
        return json.loads(body) if status == 200 else None

    def tags(self, image):
        status, _, body = self.ask(f"{image}/tags/list")
        return sorted(json.loads(body)["tags"]) if status == 200 else []


# -- tokens ------------------------------------------------------------------------------


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server:
    """A threading HTTP server on loopback."""

    handler = None

    def __enter__(self):
        owner = self

        class Handler(self.handler):
            server_owner = owner
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None      # a client that went away
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}"


class _TokenHandler(_Quiet):
    def do_GET(self):
        owner = self.server_owner
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        basic = base64.b64encode(f"{USER}:{owner.password}".encode()).decode()
        given = self.headers.get("Authorization")
        owner.asked.append(query)
        if given and given != f"Basic {basic}":
            return self.answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
        access = []
        for scope in query.get("scope", []):
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            allowed = [a for a in actions.split(",") if given or a == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        body = {"token": owner.sign(access), "expires_in": owner.expires_s}
        return self.answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _segment(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class TokenServer(_Server):
    """Issues the tokens that docker-registry takes; anybody may pull, USER may push, too."""

    handler = _TokenHandler

    def __init__(self, work, expires_s=300):
        self.dir = pathlib.Path(work)
        self.expires_s = expires_s
        self.password = PASSWORD
        self.asked = []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests")])
        now = datetime.datetime(2020, 1, 1)
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                .public_key(self.key.public_key()).serial_number(1).not_valid_before(now)
                .not_valid_after(now + datetime.timedelta(days=36500))
                .sign(self.key, hashes.SHA256()))
        self.der = made.public_bytes(serialization.Encoding.DER)
        self.certificate = self.dir / "token.pem"
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def sign(self, access):
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self.der).decode()]}
        claims = {"iss": "the-tests", "sub": USER, "aud": "it", "exp": now + 3600,
                  "nbf": now - 60, "iat": now, "jti": str(len(self.asked)), "access": access}
        text = ".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_segment(signature)}"

    def token(self, name, actions):
        return self.sign([{"type": "repository", "name": name, "actions": actions.split(",")}])


# -- a proxy -----------------------------------------------------------------------------


class Fault(Turns):
    """What happens to the requests whose "METHOD PATH" matches the pattern."""

    KNOWN = {"status", "headers", "body", "call", "after", "cut_after", "whole", "shifted"}

    def __init__(self, pattern, skip=0, times=None, least=0, **what):
        if set(what) - self.KNOWN or not what:
            raise TypeError(f"unknown faults {set(what) - self.KNOWN}")
        super().__init__(skip, times)
        self.pattern, self.least, self.what = re.compile(pattern), least, what

    def applies(self, line, length):
        return bool(self.pattern.search(line)) and length >= self.least and self.takes_a_turn()


class _ProxyHandler(_Quiet):
    def serve(self):
        owner = self.server_owner
        line = f"{self.command} {self.path}"
        length = int(self.headers.get("Content-Length", 0))
        with owner.lock:
            owner.requests.append((line, dict(self.headers)))
            fault = next((f for f in owner.faults if f.applies(line, length)), None)
        what = fault.what if fault else {}
        if "call" in what:
            what["call"]()
        if "status" in what:
            self.rfile.read(length)
            return self.answer(what["status"], what.get("body", b""), what.get("headers", {}))
        if "cut_after" in what:
            self.rfile.read(min(length, what["cut_after"]))
            if "after" in what:
                what["after"]()
            self.close_connection = True
            return None
        return self.forward(what, length)

    def forward(self, what, length):
        owner = self.server_owner
        headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
        if what.get("whole"):
            headers.pop("Range", None)
        owner.registry.up.wait(PATIENCE)
        upstream = http.client.HTTPConnection("127.0.0.1", owner.registry.port)
        with contextlib.closing(upstream):
            upstream.putrequest(self.command, self.path, skip_host=True,
                                skip_accept_encoding=True)
            for name, value in headers.items():
                upstream.putheader(name, value)
            upstream.endheaders()
            while length:
                block = self.rfile.read(min(length, 256 << 10))
                if not block:
                    return
                upstream.send(block)
                length -= len(block)
            answer = upstream.getresponse()
            try:
                body = answer.read()
            except http.client.IncompleteRead as short:     # its 416 promises a blob
                body, self.close_connection = short.partial, True
            if "after" in what:
                what["after"]()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if what.get("shifted") and name.lower() == "content-range":
                    value = value.replace("bytes ", "bytes 1", 1)
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            if answer.getheader("Content-Length") is None:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve


class RegistryProxy(_Server):
    """In front of a registry. What can go wrong, with add(pattern, skip=0, times=None, least=0, …),
    where `least` is the size of the request's body:

        status, headers, body   this answer; the request is not performed
        cut_after               the connection ends after so many bytes of the request's body
        call, after             this function is called before, or before the answer is sent
        whole                   SIMULATED: a range is answered with everything
        shifted                 SIMULATED: Content-Range is that of other bytes
    """

    handler = _ProxyHandler

    def __init__(self, registry):
        self.registry = registry
        self.lock = threading.Lock()
        self.faults, self.requests = [], []

    def add(self, pattern, **what):
        fault = Fault(pattern, **what)
        with self.lock:
            self.faults.append(fault)
        return fault

    def of(self, pattern):
        with self.lock:
            return [line for line, _ in self.requests if re.search(pattern, line)]

    def mirror(self, name, image, **options):
        return mirror(name, kind="oci", image=f"{self.host}/{image}",
                      url=f"http://{self.host}/v2/{image}", **options)
