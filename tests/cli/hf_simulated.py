"""SIMULATED: a Hugging Face Hub with models, and the CDN that its large files come from, on two
ports. It answers as the Hub's documentation and its own clients have it
(huggingface.co/docs/hub/api, huggingface_hub, @huggingface/hub), and test_hf_simulated.py drives
it with Hugging Face's own client.

    with HubSimulated(folder) as hub:
        repo = hub.add("org/model-GGUF", {"model-Q4_K_M.gguf": b"…"}, license="mit")
        first = repo.head
        repo.commit({"README.md": b"new"})          # main moves on; None removes a file
        hub.rename("org/model-GGUF", "org/new")     # redirects, as after a rename
        repo.gated, repo.members = "manual", ["hf_member"]
        repo.private = True
        hub.page = 2                                # entries in each page of a list
        hub.limit("api", 1, t=7)                    # so many more requests, then 429
        hub.cdn.add(path="*", flip_at=99)           # a servers.FaultServer: faults, log, sent()
        hub.env                                     # HF_ENDPOINT and no token

A token is known if it is in hub.tokens. The CDN refuses Authorization, as signed URLs do, and
its URLs end with hub.expire().
"""

import fnmatch
import hashlib
import json
import pathlib
import re
import time
import urllib.parse

import servers
from s3_wire import Handler, Server

LFS_FROM = 10 << 20         # the Hub's own limit; names below are always in LFS
LFS_NAMES = ("*.gguf", "*.safetensors", "*.bin", "*.imatrix")
WINDOW = 300


def blob_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class File:
    def __init__(self, name, data):
        self.name, self.data = name, data
        self.lfs = len(data) >= LFS_FROM or any(fnmatch.fnmatchcase(name, n) for n in LFS_NAMES)
        self.sha256 = hashlib.sha256(data).hexdigest()
        pointer = (f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
                   f"size {len(data)}\n").encode()
        self.pointer_size = len(pointer)
        self.oid = blob_sha1(pointer if self.lfs else data)

    def entry(self):
        """In a list of files."""
        told = {"type": "file", "oid": self.oid, "size": len(self.data), "path": self.name}
        if self.lfs:
            told["lfs"] = {"oid": self.sha256, "size": len(self.data),
                           "pointerSize": self.pointer_size}
            told["xetHash"] = hashlib.sha256(b"xet" + self.data).hexdigest()
        return told

    def sibling(self, blobs):
        told = {"rfilename": self.name}
        if blobs:
            told.update(size=len(self.data), blobId=self.oid)
            if self.lfs:
                told["lfs"] = {"sha256": self.sha256, "size": len(self.data),
                               "pointerSize": self.pointer_size}
        return told


class Repo:
    def __init__(self, name, files, card):
        self.name, self.card = name, card
        self.private, self.gated, self.members = False, False, []
        self.commits, self.refs = {}, {}
        self.commit(files)

    @property
    def head(self):
        return self.refs["main"]

    def commit(self, changes, branch="main"):
        """A new commit on the branch, whose id is returned. A new branch begins at main."""
        before = self.refs.get(branch) or self.refs.get("main")
        files = dict(self.commits.get(before, {}))
        for name, data in changes.items():
            if data is None:
                del files[name]
            else:
                data = data.read_bytes() if isinstance(data, pathlib.Path) else data
                files[name] = File(name, data)
        text = json.dumps([self.name, before, {n: f.oid for n, f in files.items()}])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = files
        self.refs[branch] = commit
        return commit

    def resolve(self, revision):
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    def info(self, commit, blobs):
        files = self.commits[commit]
        card = {k: v for k, v in self.card.items() if v is not None}
        tags = [f"license:{card['license']}"] if "license" in card else []
        return {
            "_id": hashlib.sha1(self.name.encode()).hexdigest()[:24], "id": self.name,
            "private": self.private, "tags": ["gguf", *card.get("tags", []), *tags],
            "downloads": 12, "likes": 3, "modelId": self.name,
            "author": self.name.partition("/")[0], "sha": commit,
            "lastModified": "2026-05-04T03:02:01.000Z", "gated": self.gated, "disabled": False,
            "createdAt": "2026-01-02T03:04:05.000Z", "trendingScore": 1.5,
            **({"cardData": card} if card else {}),
            "siblings": [files[n].sibling(blobs) for n in sorted(files)],
            "usedStorage": sum(len(f.data) for f in files.values()),
        }


class Refused(Exception):
    def __init__(self, status, code, message, headers=None):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


class Hub(Handler):
    def serve(self):
        hub = self.server.hub
        split = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(split.path).strip("/")
        self.query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        bearer = self.headers.get("Authorization", "")
        self.token = bearer.partition(" ")[2] if bearer.startswith("Bearer ") else None
        with self.server.guard:
            hub.log.append({"method": self.command, "path": path, "query": self.query,
                            "token": self.token, "headers": dict(self.headers)})
        self.kind = "api" if path.startswith("api/") and "resolve-cache" not in path \
            else "resolvers"
        try:
            self.count(hub)
            self.route(hub, split.path.strip("/"))
        except Refused as e:
            body = json.dumps({"error": e.message}).encode()
            code = {"X-Error-Code": e.code} if e.code else {}
            self.send(e.status, body, {**code, "X-Error-Message": e.message, **e.headers})

    def send(self, status, body=b"", headers=(), kind="application/json; charset=utf-8"):
        limit = self.server.hub.limits.get(self.kind)
        told = {"RateLimit": f'"{self.kind}";r={max(limit[0], 0)};t={limit[1]}',
                "RateLimit-Policy": f'"fixed window";"{self.kind}";q=500;w={WINDOW}'} \
            if limit else {}
        self.reply(status, body, {**told, **dict(headers)}, kind)

    def count(self, hub):
        limit = hub.limits.get(self.kind)
        if limit is None:
            return
        with self.server.guard:
            if limit[0] <= 0 and limit[2] > 0:
                limit[2] -= 1
                if limit[2] == 0:
                    limit[0] = WINDOW      # the next window begins
                raise Refused(429, None, "We had to rate limit your IP.", dict(limit[3]))
            limit[0] -= 1

    def route(self, hub, path):
        """path: percent-encoded, so that a revision may have slashes."""
        for pattern, serve in (
                (r"api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self.model),
                (r"api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/(.+))?", self.tree),
                (r"api/resolve-cache/models/([^/]+/[^/]+)/([^/]+)/(.+)", self.cached),
                (r"([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.resolve)):
            found = re.fullmatch(pattern, path)
            if found and not (serve == self.model and "/tree/" in path):
                return self.of(hub, path, serve, *(g and urllib.parse.unquote(g)
                                                   for g in found.groups()))
        raise Refused(404, None, "Sorry, we can't find the page you are looking for.")

    def of(self, hub, path, serve, name, *rest):
        if name in hub.renamed:
            to = path.replace(name, hub.renamed[name], 1)
            query = urllib.parse.urlsplit(self.path).query
            return self.send(307, b"", {"Location": "/" + to +
                                        (f"?{query}" if query else "")})
        if self.token is not None and self.token not in hub.tokens:
            raise Refused(401, None, "Invalid credentials in Authorization header")
        repo = hub.repos.get(name)
        if repo is None or (repo.private and self.token not in repo.members):
            # Without a token, the Hub does not tell whether there is a private one.
            raise Refused(404 if self.token else 401, "RepoNotFound", "Repository not found")
        return serve(hub, repo, *rest)

    def commit_of(self, repo, revision):
        commit = repo.resolve(revision or "main")
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def model(self, hub, repo, revision=None):
        commit = self.commit_of(repo, revision)
        info = repo.info(commit, self.query.get("blobs") == "true")
        info = hub.change("model", info)
        self.send(200, json.dumps(info).encode(), {"X-Repo-Commit": commit})

    def tree(self, hub, repo, revision, folder=None):
        commit = self.commit_of(repo, revision)
        files = repo.commits[commit]
        entries, folders = [], set()
        for name in sorted(files):
            parts = name.split("/")
            folders |= {"/".join(parts[:i]) for i in range(1, len(parts))}
            entries.append(files[name].entry())
        entries += [{"type": "directory", "oid": hashlib.sha1(f.encode()).hexdigest(), "size": 0,
                     "path": f} for f in sorted(folders)]
        inside = f"{folder}/" if folder else ""
        entries = [e for e in entries if e["path"].startswith(inside) and (
            self.query.get("recursive") in ("true", "1") or "/" not in e["path"][len(inside):])]
        first = int(self.query.get("cursor") or 0)
        size = min(int(self.query.get("limit") or 1000), hub.page)
        page, headers = entries[first:first + size], {"X-Repo-Commit": commit}
        if first + size < len(entries):
            query = urllib.parse.urlencode({**self.query, "cursor": first + size})
            # The Hub's own address, also behind a mirror of it.
            headers["Link"] = f'<{hub.address}{self.path.partition("?")[0]}?{query}>; rel="next"'
        self.send(200, json.dumps(hub.change("tree", page)).encode(), headers)

    def need_access(self, repo):
        if repo.gated and self.token not in repo.members:
            raise Refused(403 if self.token else 401, "GatedRepo",
                          f"Access to model {repo.name} is restricted and you are not in the "
                          f"authorized list. Visit https://huggingface.co/{repo.name} to ask for "
                          f"access.")

    def file_of(self, repo, commit, name):
        if name not in repo.commits[commit]:
            raise Refused(404, "EntryNotFound", "Entry not found")
        return repo.commits[commit][name]

    def resolve(self, hub, repo, revision, name):
        self.need_access(repo)
        commit = self.commit_of(repo, revision)
        file = self.file_of(repo, commit, name)
        told = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if file.lfs:
            return self.send(302, b"", {**told, "X-Linked-Size": str(len(file.data)),
                                        "X-Linked-ETag": f'"{file.sha256}"',
                                        "Location": hub.signed(file)})
        to = urllib.parse.quote(f"/api/resolve-cache/models/{repo.name}/{commit}/{name}")
        return self.send(307, b"", {**told, "ETag": f'"{file.oid}"',
                                    "Location": f"{to}?etag=%22{file.oid}%22"})

    def cached(self, hub, repo, revision, name):
        self.need_access(repo)
        file = self.file_of(repo, self.commit_of(repo, revision), name)
        data = hub.changed.get(name, file.data)
        headers = {"X-Repo-Commit": revision, "ETag": f'"{file.oid}"', "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            first = int(asked[1])
            last = min(int(asked[2] or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return self.send(206, data[first:last + 1], headers, "text/plain")
        return self.send(200, data, headers, "text/plain; charset=utf-8")


class _Cdn(servers._Handler):
    def perform(self, path, what, with_body):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if "Authorization" in self.headers:
            return self.small(400, b"Only one auth mechanism allowed", [], what, with_body)
        if query.get("Signature") != self.server.signature:
            return self.small(403, b"AccessDenied", [("Content-Type", "text/plain")], what,
                              with_body)
        return super().perform(path, what, with_body)


class Cdn(servers.FaultServer):
    """Serves the large files under their SHA-256."""

    def __init__(self, root):
        super().__init__(root)
        self.RequestHandlerClass = _Cdn
        self.signature = "s-1"


class HubSimulated:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "hub-lfs"
        self.repos, self.renamed, self.tokens = {}, {}, {"hf_member", "hf_stranger"}
        self.log, self.limits, self.changed, self.changes = [], {}, {}, {}
        self.page, self.address = 1000, None
        self.server = self.cdn = None

    def start(self):
        self.folder.mkdir(exist_ok=True)
        self.cdn = Cdn(self.folder).start()
        self.server = Server(Hub)
        self.server.hub = self
        self.server.start()
        self.address = self.address or self.url
        return self

    def stop(self):
        self.server.stop()
        self.cdn.stop()

    __enter__ = start

    def __exit__(self, *ignored):
        self.stop()

    @property
    def url(self):
        return self.server.endpoint

    @property
    def env(self):
        return {"HF_ENDPOINT": self.url}

    def add(self, name, files, **card):
        self.repos[name] = Repo(name, files, card)
        return self.repos[name]

    def rename(self, name, to):
        repo = self.repos[to] = self.repos.pop(name)
        repo.name = to
        self.renamed[name] = to

    def limit(self, kind, left, t=7, refusals=1, headers=()):
        """After `left` more requests of this kind, so many are refused. With None: no limit."""
        self.limits[kind] = [left, t, refusals, dict(headers)]

    def change(self, kind, answer):
        """A test may change answers: hub.changes["tree"] = lambda entries: …"""
        return self.changes[kind](answer) if kind in self.changes else answer

    def signed(self, file):
        path = self.folder / file.sha256
        if not path.exists():
            path.write_bytes(file.data)
        return f"{self.cdn.url}/{file.sha256}?Expires={int(time.time()) + 3600}" \
               f"&Signature={self.cdn.signature}"

    def expire(self):
        """The URLs that were given so far are worth nothing any more."""
        self.cdn.signature = f"s-{int(self.cdn.signature[2:]) + 1}"

    def asked(self, path="*"):
        """["GET path"] of the requests to the Hub whose paths match."""
        return [f"{e['method']} {e['path']}" for e in self.log
                if fnmatch.fnmatchcase(e["path"], path)]
