"""Publisher, people with keys and readers, for the tests of ceremonies and refreshes."""

import copy
import json
import os
import shutil
import subprocess

import pytest

from conftest import TOOLS, Ferry
from waiting import PATIENCE

PEOPLE = ("alice", "bob", "carol")


class Lab:
    """A publisher with a model, three people with a folder of keys each, and readers."""

    def __init__(self, ferry, work, make_gguf, validate):
        self.ferry, self.work, self.validate = ferry, work, validate
        self.tree = work / "repository"
        self.keys = work / "lab-keys"
        started = self.json("init", "lab", "--unencrypted")
        self.followers = work / "follower"
        self.followers.mkdir()
        (self.followers / "ferry.conf").write_text(started["client_configuration"])
        self.first_root = work / "first.root.json"
        shutil.copy(self.tree / "metadata/1.root.json", self.first_root)
        self.visits = 0
        self.make_gguf = make_gguf
        self.add("tiny", 1)

    def again(self, ferry, work, serve):
        """One that has done the same, in another folder; and what it publishes is served."""
        other = copy.copy(self)
        other.ferry, other.work = ferry, work
        other.tree, other.keys = work / "repository", work / "lab-keys"
        other.followers, other.first_root = work / "follower", work / "first.root.json"
        shutil.copytree(self.work, work, dirs_exist_ok=True)
        conf = other.followers / "ferry.conf"
        conf.write_text(conf.read_text().replace(str(self.work), str(work)))
        other.server = serve(other.tree)
        return other

    def __call__(self, *args, **options):
        return self.ferry("catalog", *args, **options)

    def json(self, *args, **options):
        result = self(*args, "--json", **options)
        document = result.json
        name = "error" if "error" in document else \
            "output-" + document["command"].replace(" ", "-")
        self.validate(document, name)
        return document

    def add(self, model, seed):
        gguf = self.make_gguf(self.work / f"{model}.gguf", "--seed", seed)
        self.ferry("prepare", model, gguf, "-o", self.work / "models" / model,
                   "--set", "license.id=MIT")
        self("add", self.work / "models" / model)
        self("sign")

    def verify(self, models=("tiny",)):
        """The reader who has followed, and one who starts with the first root now."""
        seen = self.ferry("list", "--json", cwd=self.followers,
                          env={"FERRY_HOME": self.work / "followed"}).json
        found = seen["models"] if "models" in seen else \
            [m for r in seen["repositories"] for m in r["models"]]
        assert {m["id"] for m in found} == set(models)
        self.visits += 1
        trust = self.work / f"visit-{self.visits}"
        trust.mkdir()
        for command in (["init", self.first_root],
                        ["--metadata-url", f"{self.server.url}/metadata/", "refresh"],
                        ["--metadata-url", f"{self.server.url}/metadata/",
                         "--target-base-url", f"{self.server.url}/targets/",
                         "--target-dir", trust, "--target-name", "catalog.json", "download"]):
            subprocess.run([TOOLS / "tuf-client", "--metadata-dir", trust, *command], check=True,
                           timeout=PATIENCE)

    def root(self, version=None):
        versions = sorted(self.tree.glob("metadata/*.root.json"),
                          key=lambda p: int(p.name.split(".")[0]))
        path = self.tree / f"metadata/{version}.root.json" if version else versions[-1]
        return json.loads(path.read_text())["signed"]

    def status(self, **options):
        document = self.json("status", **options)
        return {r["role"]: r for r in document["roles"]}, document["needs"]

    def person(self, name, *args, passphrase=False):
        """A key of their own, in a folder of their own."""
        how = [] if passphrase else ["--unencrypted"]
        self("key", "new", name, "--keys", self.work / name, *how, *args)
        return self.work / name / f"{name}.pub"

    def copy(self, name="stick"):
        """What is carried to an offline machine: nothing but metadata/ and drafts/."""
        stick = self.work / name
        shutil.rmtree(stick, ignore_errors=True)
        for folder in ("metadata", "drafts"):
            shutil.copytree(self.tree / folder, stick / folder)
        return stick

    def sign_root(self, name, stick, check):
        """On their own machine: no ferry.conf, no keys but their own."""
        offline = self.work / name
        return self("sign", "--repository", stick, "--role", "root",
                    "--key", f"{name}.pem", cwd=offline, check=check)

    def gather(self, *names):
        """One stick goes from person to person; the last one completes root."""
        for i, name in enumerate(names):
            stick = self.copy()
            self.sign_root(name, stick, 0 if i == len(names) - 1 else 1)
            merged = self("merge", stick, check=None)
        return merged

    def three_roots(self, **options):
        for name in PEOPLE:
            self.person(name, **options)
        adds = [a for n in PEOPLE for a in ("--add", self.work / n / f"{n}.pub")]
        self("rotate", "root", *adds, "--remove", "root", "--threshold", 2, check=1)
        assert self.gather("alice", "bob").code == 0
        os.rename(self.keys / "root.pem", self.work / "old-root.pem")


@pytest.fixture(scope="session")
def first_lab(tmp_path_factory, make_gguf, validate):
    work = tmp_path_factory.mktemp("lab")
    return Lab(Ferry(work), work, make_gguf, validate)


@pytest.fixture
def lab(first_lab, ferry, work, nginx):
    return first_lab.again(ferry, work, nginx)
