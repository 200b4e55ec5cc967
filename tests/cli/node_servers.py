"""Servers that speak S3 and run on Node, pinned by tests/js/package-lock.json:

Miniflare  Cloudflare's own simulation of R2, behind a small Worker (tests/js/r2-worker.mjs)
S3rver     an incomplete S3: no ListParts, no copies of parts, ignores checksums

Both are started once a run (shared.py).
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess

import shared
from waiting import PATIENCE

ROOT = pathlib.Path(__file__).resolve().parents[2]
JS = ROOT / "tests" / "js"


def install(folder=ROOT / "build" / "npm"):
    """Installs what the lock file names below `folder` unless it is there; returns where."""
    wanted = (JS / "package-lock.json").read_text()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists() or done.read_text() != wanted:
            if not shutil.which("npm"):
                raise RuntimeError("npm is missing: run scripts/install-deps test")
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(JS / name, folder / name)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                            "--loglevel=error", "--cache", str(folder / "cache")], cwd=folder,
                           check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
            trim(folder)
            done.write_text(wanted)
    return folder


def trim(folder):
    """Removes what no test reads: GitHub's descriptions of its other servers, 380 MB, and all but
    the types of Cloudflare's library."""
    kept = "api.github.com.json"
    for path in (folder / "node_modules/@octokit/openapi/generated").glob("*.json"):
        if path.name != kept:
            path.unlink()
    for path in (folder / "node_modules/cloudflare").rglob("*"):
        if path.is_file() and not path.name.endswith((".d.ts", ".d.mts", "package.json")):
            path.unlink()


class NodeServer:
    NAME, OPTIONS = None, []

    def __init__(self, folder):
        self.folder = folder / "data"
        self.process = None

    def start(self):
        self.folder.mkdir()
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen(
            ["node", *self.OPTIONS, str(JS / "server.cjs"), str(install()), self.NAME, str(self.folder)],
            env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            preexec_fn=lambda: shared.die_with_parent(signal.SIGTERM))
        self.endpoint = self.process.stdout.readline().strip()
        if not self.endpoint:
            raise RuntimeError(f"{self.NAME} did not start")
        return self

    def where(self):
        return self.endpoint

    def stop(self):
        if self.process:
            self.process.terminate()    # it ends its own children
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
            self.process.stdout.close()


class Miniflare(NodeServer):
    NAME = "miniflare"


class S3rver(NodeServer):
    NAME = "s3rver"
    # The markers of its lists are encrypted with DES.
    OPTIONS = ["--openssl-legacy-provider"]
