"""A SIMULATED TUF repository, made and served by the tests, that can be broken in every way.
It shares no code with the client, so that both can only agree by following TUF 1.0.34.

    with Server() as server:
        repo = server.add("name")           # root, timestamp, snapshot, targets, version 1
        repo.target("targets", "a.txt", b"content")
        repo.publish("targets", "snapshot", "timestamp")
        client = Client(work, repo)
        client.init()
        assert client.download("a.txt") == 0

What a role says is a plain dictionary, repo.body[role], and may be changed freely: publish()
signs it with repo.signers[role] and serves it. What is served can be changed, too:
repo.files maps the path of a request, as it is sent, to bytes, a status or an Answer.
"""
import collections
import datetime
import functools
import hashlib
import http.server
import itertools
import json
import pathlib
import subprocess
import threading
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

import clocks
from waiting import PATIENCE

TOP = ("root", "timestamp", "snapshot", "targets")
DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def when(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def quote(name):
    return urllib.parse.quote(name, safe="")


def canonical(value):
    """OLPC canonical JSON."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    raise TypeError(f"canonical JSON has no {type(value)}")


# -- keys -------------------------------------------------------------------------------

class Key:
    """One key pair. `kind` is ed25519, ecdsa, ecdsa-p384, rsa (PSS) or rsa-pkcs1v15; `members` are put into
    the key object."""

    def __init__(self, kind="ed25519", id=None, **members):
        encoding = serialization.Encoding.PEM
        if kind == "ed25519":
            self.private, scheme = ed25519.Ed25519PrivateKey.generate(), "ed25519"
            public = self.private.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
        else:
            if kind == "ecdsa":
                self.private = ec.generate_private_key(ec.SECP256R1())
                scheme = "ecdsa-sha2-nistp256"
            elif kind == "ecdsa-p384":
                self.private = ec.generate_private_key(ec.SECP384R1())
                scheme = "ecdsa-sha2-nistp384"
            else:
                self.private = rsa.generate_private_key(65537, members.pop("bits", 2048))
                scheme = "rsassa-pss-sha256" if kind == "rsa" else "rsa-pkcs1v15-sha256"
            public = self.private.public_key().public_bytes(
                encoding, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        self.kind = kind
        self.object = {"keytype": kind.partition("-")[0], "scheme": scheme,
                       "keyval": {"public": public}, **members}
        self.id = id or hashlib.sha256(canonical(self.object).encode()).hexdigest()

    def alias(self, id):
        """The same key under another id."""
        other = object.__new__(Key)
        other.__dict__.update(self.__dict__, id=id)
        return other

    def sign(self, data, salt=32):
        if self.kind == "ed25519":
            return self.private.sign(data).hex()
        if self.kind == "ecdsa":
            return self.private.sign(data, ec.ECDSA(hashes.SHA256())).hex()
        if self.kind == "ecdsa-p384":
            return self.private.sign(data, ec.ECDSA(hashes.SHA384())).hex()
        if self.kind == "rsa-pkcs1v15":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256()).hex()
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        return self.private.sign(data, pss, hashes.SHA256()).hex()


@functools.lru_cache(None)
def spare(number, kind="ed25519"):
    """Key `number` of a kind, made once for all tests."""
    return Key(kind)


# -- repositories -----------------------------------------------------------------------

class Answer:
    """status (None: the server hangs up without a word), body (bytes, or an iterable of bytes
    without an end) and whether it has a Content-Length."""

    def __init__(self, body=b"", status=200, length=None, headers=()):
        self.body, self.status, self.length, self.headers = body, status, length, headers


class Repository:
    def __init__(self, consistent=True, kind="ed25519", numbers=None):
        self.files = {}             # "metadata/2.root.json" → bytes, status or Answer
        self.requests = []          # the paths that were asked for, as they were sent
        self.sent = collections.Counter()       # body bytes for each
        self.with_hashes = False    # snapshot and timestamp list lengths and hashes
        self.expires = now() + 30 * DAY
        self.body, self.signers, self.versions = {}, {}, collections.defaultdict(list)
        self.numbers = numbers or itertools.count()
        for role in TOP:
            self.body[role] = self.new_body(role)
            self.signers[role] = []
        root = self.body["root"]
        root.update(consistent_snapshot=consistent, keys={},
                    roles={role: {"keyids": [], "threshold": 1} for role in TOP})
        for role in TOP:
            self.trust(role, self.new_key(kind))
        self.publish("targets", "snapshot", "timestamp", "root")

    def new_body(self, role):
        kind = role if role in TOP else "targets"
        body = {"_type": kind, "spec_version": "1.0.34", "version": 1,
                "expires": when(self.expires)}
        if kind == "targets":
            body["targets"] = {}
        elif kind != "root":
            body["meta"] = {}
        return body

    def new_key(self, kind="ed25519"):
        return spare(next(self.numbers), kind)

    @property
    def root(self):
        return self.body["root"]

    @property
    def consistent(self):
        return self.root["consistent_snapshot"]

    # -- who may sign --

    def role(self, name, parent=None):
        """What is said of a role by root, or by the delegator."""
        if name in TOP and parent is None:
            return self.root["roles"][name]
        delegations = self.body[parent or "targets"]["delegations"]
        if "succinct_roles" in delegations:
            return delegations["succinct_roles"]
        return next(r for r in delegations["roles"] if r["name"] == name)

    def trust(self, name, key, parent=None, sign=True):
        """Lists the key for the role, and lets it sign from now on."""
        place = self.root if name in TOP and parent is None \
            else self.body[parent or "targets"]["delegations"]
        place["keys"][key.id] = key.object
        self.role(name, parent)["keyids"].append(key.id)
        if sign:
            self.signers.setdefault(name, []).append(key)
        return key

    def rotate(self, name, kind="ed25519"):
        """Other keys, as many as the threshold."""
        self.role(name)["keyids"].clear()
        self.signers[name].clear()
        for _ in range(self.role(name)["threshold"]):
            self.trust(name, self.new_key(kind))

    def delegate(self, parent, name, paths=("*",), terminating=False, threshold=1, key=None,
                 prefixes=None):
        delegations = self.body[parent].setdefault("delegations", {"keys": {}, "roles": []})
        entry = {"name": name, "keyids": [], "threshold": threshold, "terminating": terminating}
        if prefixes is not None:
            entry["path_hash_prefixes"] = list(prefixes)
        else:
            entry["paths"] = list(paths)
        delegations["roles"].append(entry)
        self.body.setdefault(name, self.new_body(name))
        return self.trust(name, key or self.new_key(), parent)

    def bins(self, parent, bits, prefix):
        """Succinct roles; returns their names."""
        key = self.new_key()
        self.body[parent]["delegations"] = {
            "keys": {key.id: key.object},
            "succinct_roles": {"keyids": [key.id], "threshold": 1, "bit_length": bits,
                               "name_prefix": prefix}}
        digits = (bits + 3) // 4
        names = [f"{prefix}-{n:0{digits}x}" for n in range(1 << bits)]
        for name in names:
            self.body[name] = self.new_body(name)
            self.signers[name] = [key]
        return names

    # -- publishing --

    def envelope(self, role):
        body = self.body[role]
        data = canonical(body).encode()
        return {"signatures": [{"keyid": k.id, "sig": k.sign(data)} for k in self.signers[role]],
                "signed": json.loads(json.dumps(body))}

    def publish(self, *roles, bump=True):
        """Signs and serves the roles, in this order, with the next version each; their
        versions are put into snapshot and timestamp as these stand."""
        for role in roles:
            if bump and self.versions[role]:
                self.body[role]["version"] += 1
            self.serve(role, self.envelope(role))

    def serve(self, role, what, version=None):
        """An envelope or raw bytes, as the role's file."""
        raw = what if isinstance(what, bytes) else json.dumps(what, indent=1).encode()
        version = version or self.body[role]["version"]
        self.versions[role].append(raw)
        self.files[self.path(role, version)] = raw
        entry = {"version": self.body[role]["version"]}
        if self.with_hashes:
            entry.update(length=len(raw), hashes={"sha256": hashlib.sha256(raw).hexdigest()})
        if role == "snapshot":
            self.body["timestamp"]["meta"]["snapshot.json"] = entry
        elif role not in ("root", "timestamp"):
            self.body["snapshot"]["meta"][f"{role}.json"] = entry

    def path(self, role, version):
        if role == "timestamp" or (role != "root" and not self.consistent):
            return f"metadata/{quote(role)}.json"
        return f"metadata/{version}.{quote(role)}.json"

    def latest(self, role):
        return self.versions[role][-1]

    def alter(self, role, change, version=None):
        """Serves the latest file of the role with its envelope changed, signatures as they
        are."""
        envelope = json.loads(self.latest(role))
        change(envelope)
        self.serve(role, envelope, version)

    # -- targets --

    def target(self, role, path, content, algorithms=("sha256",), **members):
        digests = {name: hashlib.new(name, content).hexdigest() for name in algorithms}
        self.body[role]["targets"][path] = {"length": len(content), "hashes": digests, **members}
        self.put_target(path, content, digests.values())

    def put_target(self, path, content, digests=None):
        """What is served for the path, whatever is signed."""
        folder, _, name = path.rpartition("/")
        names = [f"{d}.{name}" for d in digests or self.signed_hashes(path)] \
            if self.consistent else [name]
        for name in names:
            path = urllib.parse.quote(f"{folder}/{name}" if folder else name,
                                      safe="%/!$&'()*+,;=:@")
            self.files[f"targets/{path}"] = content

    def signed_hashes(self, path):
        for body in self.body.values():
            if path in body.get("targets", {}):
                return body["targets"][path]["hashes"].values()
        raise KeyError(path)

    # -- what was asked --

    def metadata_requests(self):
        """[("2.root", …)]: names without folder and ".json"."""
        return [p[len("metadata/"):-len(".json")] for p in self.requests
                if p.startswith("metadata/")]

    def target_requests(self):
        return [p[len("targets/"):] for p in self.requests if p.startswith("targets/")]


# -- the server -------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.0, GET only; Range is ignored."""

    def log_message(self, *ignored):
        pass

    def do_GET(self):
        name, _, path = self.path.lstrip("/").partition("/")
        repo = self.server.repositories.get(name)
        if repo is None:
            return self.send_error(404)
        repo.requests.append(path)
        what = repo.files.get(path, 404)
        answer = what if isinstance(what, Answer) else \
            Answer(status=what) if isinstance(what, int) else Answer(what, length=len(what))
        if answer.status is None:
            return None
        self.send_response(answer.status)
        for header, value in answer.headers:
            self.send_header(header, value)
        if answer.length is not None:
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        for chunk in [answer.body] if isinstance(answer.body, bytes) else answer.body:
            try:
                self.wfile.write(chunk)
            except OSError:
                return
            repo.sent[path] += len(chunk)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories = {}
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def add(self, name, **options):
        repo = Repository(**options)
        self.repositories[quote(name)] = repo
        repo.url = f"http://127.0.0.1:{self.server_address[1]}/{quote(name)}"
        return repo

    def handle_error(self, *ignored):
        pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.thread.join(5)
        self.server_close()


# -- the client under test --------------------------------------------------------------

class Client:
    """Runs the tuf-client on one repository. The exit code is what each call gives; what it
    said on stderr is in `error`."""

    def __init__(self, program, work, repo):
        self.program, self.repo = str(program), repo
        self.metadata = pathlib.Path(work) / "metadata"
        self.targets = pathlib.Path(work) / "targets"
        self.metadata.mkdir(parents=True)
        self.targets.mkdir()
        self.first_root = pathlib.Path(work) / "first-root.json"
        self.error = ""

    def run(self, *arguments, at=None):
        """`at`: what the clock shows when it starts."""
        process = subprocess.run([*clocks.showing(at), self.program, *map(str, arguments)],
                                 capture_output=True, text=True, timeout=PATIENCE)
        self.error = process.stderr
        assert process.returncode in (0, 1), (process.returncode, process.stderr)
        assert (process.returncode == 0) == (process.stderr == ""), process.stderr
        return process.returncode

    def init(self, root=None):
        self.first_root.write_bytes(root or self.repo.versions["root"][0])
        return self.run("--metadata-dir", self.metadata, "init", self.first_root)

    def refresh(self, at=None):
        return self.run("--metadata-url", f"{self.repo.url}/metadata/", "--metadata-dir",
                        self.metadata, "refresh", at=at)

    def download(self, *paths, at=None):
        names = [option for path in paths for option in ("--target-name", path)]
        return self.run("--metadata-url", f"{self.repo.url}/metadata/", "--metadata-dir",
                        self.metadata, *names, "--target-dir", self.targets,
                        "--target-base-url", f"{self.repo.url}/targets/", "download", at=at)

    def trusted(self):
        """Role, as its file is named, to version."""
        return {p.name[:-len(".json")]: json.loads(p.read_bytes())["signed"]["version"]
                for p in self.metadata.glob("*.json")}

    def stored(self, role):
        path = self.metadata / f"{quote(role)}.json"
        return path.read_bytes() if path.exists() else None

    def downloaded(self):
        """Contents, in the order in which they were written."""
        files = [p for p in self.targets.rglob("*") if p.is_file()]
        return [p.read_bytes() for p in sorted(files, key=lambda p: p.stat().st_mtime_ns)]
