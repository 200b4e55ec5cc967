"""npm's TUF client (tuf-js) and repository maker (@tufjs/repo-mock), pinned to the newest
versions that run on Node 18, and installed into a folder of the build."""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess

from waiting import PATIENCE

PACKAGES = {"tuf-js": "3.1.0", "@tufjs/repo-mock": "3.0.1"}
SCRIPT = pathlib.Path(__file__).with_name("tuf_js.js")


def install(folder):
    """Installs the packages below `folder` unless they are there; returns where."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    modules = folder / "node_modules"

    def there(name):
        manifest = modules / name / "package.json"
        return manifest.exists() and json.loads(manifest.read_text())["version"] == PACKAGES[name]
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(map(there, PACKAGES)):
            if not shutil.which("npm"):
                raise RuntimeError("npm is missing: run scripts/install-deps test")
            (folder / "package.json").write_text('{"private": true}\n')
            # Optional packages want a newer Node, and are not needed.
            subprocess.run(
                ["npm", "install", "--no-save", "--no-package-lock", "--ignore-scripts",
                 "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error",
                 "--cache", str(folder / "cache"),
                 *[f"{name}@{version}" for name, version in PACKAGES.items()]],
                cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    return modules


class Failed(Exception):
    """What tuf-js said."""


class TufJs:
    """One process of Node, which takes long to start, for all calls. A call shares nothing with
    another but the folders that both name."""

    def __init__(self, modules):
        # All servers are on loopback: a proxy has no business there.
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen(["node", str(SCRIPT), str(modules)], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.communicate()

    def run(self, *call):
        self.process.stdin.write(json.dumps([str(a) for a in call]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def fetch(self, metadata_url, targets_url, work, *paths, root=None):
        """Refreshes, and downloads the paths below `work`. root: what is trusted at first.
        Returns versions by file name, and for each path what was signed and the content."""
        work = pathlib.Path(work)
        for name in ("metadata", "targets"):
            (work / name).mkdir(parents=True, exist_ok=True)
        if root is not None:
            (work / "metadata" / "root.json").write_bytes(root)
        seen = self.run("fetch", metadata_url, targets_url, work, *paths)
        for target in seen["targets"].values():
            target["content"] = pathlib.Path(target["file"]).read_bytes()
        return seen

    def mock(self, folder, **targets):
        """Writes a repository of its own: metadata/ and targets/ below `folder`."""
        self.run("mock", folder, *[f"{name}={content}" for name, content in targets.items()])

    def make(self, folder, **description):
        """Writes a repository of the shape that is described, see test_tuf_theirs.py."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "description.json"
        file.write_text(json.dumps(description))
        self.run("make", folder, file)
