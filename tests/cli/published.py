"""A signed repository and its mirrors, for the tests of push and verify."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import ROOT, Ferry

PIECE = 8 << 20

CONF = """
[repository.test]
title = Test models
path = repository
keys = keys
{repository}
{mirrors}
{more}
"""


def outcomes(result):
    return {m["id"]: m["outcome"] for m in result.json["mirrors"]}


def mirror(name, **options):
    """The section of a mirror in the folder mirrors/NAME."""
    settings = {"kind": "file", **options}
    if settings["kind"] == "file":
        settings.setdefault("path", f"mirrors/{name}")
    return f"[mirror.{name}]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items())


class Publisher:
    """A folder with ferry.conf, keys and repository; runs commands in it."""

    def __init__(self, ferry):
        self.ferry = ferry
        self.dir = ferry.work
        self.tree = self.dir / "repository"

    def configure(self, *mirrors, more="", repository=""):
        mirrors = mirrors or [mirror(n) for n in "abc"]
        (self.dir / "ferry.conf").write_text(
            CONF.format(mirrors="\n".join(mirrors), more=more, repository=repository))

    def __call__(self, *args, **options):
        return self.ferry(*args, **options)

    def mirror(self, name="a"):
        return self.dir / "mirrors" / name

    def forget(self, name):
        """The mirror, and that it ever held a release."""
        shutil.rmtree(self.mirror(name), ignore_errors=True)
        shutil.rmtree(self.ferry.home / ".local/state/ferry", ignore_errors=True)

    def on(self, name, pattern):
        """The one file below targets/ of a mirror (or "repository") that matches."""
        base = self.tree if name == "repository" else self.mirror(name)
        found = sorted((base / "targets").rglob(pattern))
        assert len(found) == 1, found
        return found[0]

    def release(self, name):
        """The version that readers of the mirror see, or None."""
        path = self.mirror(name) / "metadata" / "timestamp.json"
        return json.loads(path.read_text())["signed"]["version"] if path.exists() else None

    def add_model(self, name, size="4M", seed=1, options=()):
        gguf = self.dir / f"{name}.gguf"
        subprocess.run([str(ROOT / "scripts" / "make-test-gguf"), "-o", str(gguf),
                        "--size", size, "--seed", str(seed), *options],
                       check=True, stdout=subprocess.DEVNULL)
        self("prepare", name, gguf, "--set", "license.id=MIT", "--set", "summary=For tests",
             "--set", "source.url=https://example.org/model")
        gguf.unlink()
        self("catalog", "add", f"models/{name}")
        shutil.rmtree(self.dir / "models" / name)
        self("catalog", "sign")


@pytest.fixture(scope="session")
def signed_base(tmp_path_factory):
    """Made once: a repository with one model of 2 pieces, signed."""
    made = Publisher(Ferry(tmp_path_factory.mktemp("published")))
    made.configure()
    made("catalog", "init", "--unencrypted")
    made.add_model("tiny", "10M")
    return made.dir


@pytest.fixture
def publisher(signed_base, ferry):
    """A copy of it, with mirrors a, b and c in folders."""
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    made = Publisher(ferry)
    made.configure()
    return made


def flip(path, at):
    """Changes one byte of a file, as a failing disk would."""
    path = pathlib.Path(path)
    path.chmod(0o644)
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 0xFF]))


def rewrite(path, data):
    path = pathlib.Path(path)
    path.unlink()
    path.write_bytes(data)


def plain_user(command):
    """The command, such that permissions hold for it although the tests run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
