"""Servers that speak S3 and run on Node, pinned by tests/js/package-lock.json:

Miniflare  Cloudflare's own simulation of R2, behind a small Worker (tests/js/r2-worker.mjs)
S3rver     an incomplete S3: no ListParts, no copies of parts, ignores checksums

Both are started once a run (shared.py).
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile

import shared
from waiting import PATIENCE

ROOT = pathlib.Path(__file__).resolve().parents[2]
JS = ROOT / "tests" / "js"

# Packages of hundreds of megabytes of which the tests read a few files: these.
PARTS = {
    "@octokit/openapi": r"generated/api\.github\.com\.json",
    "cloudflare": r"package\.json|(resources/(logpush|rulesets|workers)|core|internal)/.*\.d\.mts"
                  r"|(pagination|resource)\.d\.mts",
}


def install(folder=ROOT / "build" / "npm"):
    """Installs what the lock file names below `folder` unless it is there; returns where."""
    wanted = (JS / "package-lock.json").read_text() + repr(PARTS)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists() or done.read_text() != wanted:
            if not shutil.which("npm"):
                raise RuntimeError("npm is missing: run scripts/install-deps test")
            packages = without_parts(folder)
            npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            for name in PARTS:
                unpack(folder, name, packages[f"node_modules/{name}"])
            shutil.rmtree(folder / "cache")
            done.write_text(wanted)
    return folder


def npm(folder, *words):
    subprocess.run(["npm", *words, "--loglevel=error", "--cache", str(folder / "cache")], cwd=folder,
                   check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)


def without_parts(folder):
    """Writes what npm shall install; returns the packages of the lock file."""
    package, lock = (json.loads((JS / f"{name}.json").read_text())
                     for name in ("package", "package-lock"))
    packages = dict(lock["packages"])
    for name in PARTS:
        del package["dependencies"][name], lock["packages"][f"node_modules/{name}"]
    lock["packages"][""]["dependencies"] = package["dependencies"]
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return packages


def unpack(folder, name, locked):
    """The files of a package that are wanted, after a check of its archive by the lock file."""
    npm(folder, "pack", f"{name}@{locked['version']}")
    [archive] = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert locked["integrity"] == f"sha512-{digest}", f"{name} is not what the lock file names"
    with tarfile.open(archive) as members:
        for member in members:
            path = member.name.partition("/")[2]
            if member.isfile() and re.fullmatch(PARTS[name], path):
                to = folder / "node_modules" / name / path
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(members.extractfile(member).read())
    archive.unlink()


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
