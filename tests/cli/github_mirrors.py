"""A mirror in the releases of a repository of the SIMULATED GitHub, for the tests of push, verify
and fetch."""

import hashlib
import json

from published import mirror

REPOSITORY = "octo/models"
MIB = 1 << 20


class Releases:
    """The mirror "gh" of a publisher, whose metadata is in the folder of the mirror "meta".

    Its API is below /api/v3 of the web's host, where a reader looks for it."""

    def __init__(self, publisher, github, repository=REPOSITORY, **options):
        self.publisher, self.github, self.repository = publisher, github, repository
        github.repository(repository, **options)
        self.token = github.token(repository.partition("/")[0])
        self.use(self.token)
        publisher.configure(self.meta(), self.section())
        publisher("catalog", "sign")

    def use(self, token):
        self.publisher.ferry.env["GH_TOKEN"] = token

    def meta(self):
        return mirror("meta", holds="metadata", url=f"file://{self.publisher.mirror('meta')}")

    def section(self, name="gh", **options):
        owner, repo = self.repository.split("/")
        return mirror(name, **{
            "kind": "github", "owner": owner, "repo": repo, "api": self.github.enterprise,
            "url": self.github.url(self.repository), "holds": "objects", "part-size": "8MiB",
            **options})

    def push(self, *args, **options):
        return self.publisher("push", *args, **options)

    def verify(self, *args, **options):
        return self.publisher("verify", *args, **options)

    # --- what is there

    def releases(self):
        return {r["tag_name"]: r for r in self.github.releases(self.repository)}

    def assets(self, state=None):
        """All assets, by name."""
        return {a["name"]: a for r in self.github.releases(self.repository) for a in r["assets"]
                if state in (None, a["state"])}

    def of(self, pattern):
        """The assets whose names have this in them."""
        return [a for name, a in sorted(self.assets().items()) if pattern in name]

    def writes(self):
        """Requests that changed something."""
        return [r for r in self.github.requests() if r["method"] not in ("GET", "HEAD") and
                r["status"] and r["status"] < 300]

    def shown(self):
        """The version of the metadata that readers see, or None."""
        return self.publisher.release("meta")

    def wipe(self):
        """As if nothing was ever pushed."""
        self.github.wipe(self.repository)
        self.publisher.forget("meta")

    # --- a reader

    def reader(self, name="reader"):
        folder = self.publisher.dir / name
        folder.mkdir(exist_ok=True)
        root = (self.publisher.tree / "metadata/1.root.json").read_bytes()
        (folder / "ferry.conf").write_text(
            f"[repository.test]\nmetadata = file://{self.publisher.mirror('meta')}\n"
            f"root-sha256 = {hashlib.sha256(root).hexdigest()}\n")
        return folder

    def start_fetch(self, name):
        folder = self.reader()
        env = {"GH_TOKEN": None, "FERRY_HOME": str(folder / "store")}
        return self.publisher.ferry.start("fetch", name, cwd=folder, env=env)

    def fetch(self, name, check=0, token=None, original=None):
        """As somebody who has not published: `token` or none. original: a pattern, where the
        model has several files."""
        folder = self.reader()
        path = folder / f"{name}.gguf"
        env = {"GH_TOKEN": token, "GH_HOST": "127.0.0.1",
               "FERRY_HOME": str(folder / "store")}
        result = self.publisher("fetch", name, "-o", path, cwd=folder, env=env, check=check)
        if check == 0:
            found = self.publisher.on("repository", original or f"*{name}*.gguf")
            assert path.read_bytes() == found.read_bytes()
            path.unlink()
        return result


def outcome(result, name="gh"):
    [found] = [m for m in result.json["mirrors"] if m["id"] == name]
    return found["outcome"]


def said(result):
    """All that a command told, as one text."""
    return (json.dumps(result.json) if result.out.startswith("{") else result.out) + result.err
