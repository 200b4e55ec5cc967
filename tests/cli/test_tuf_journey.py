"""One repository of ours through all the changes that it can go through, read after each by npm's
TUF client: by one that followed all the way, by one that has only the first root, and by ours."""
import hashlib
import itertools
import random
import subprocess

import pytest

import publisher
import tuf_js
import tuf_simulator
from conftest import TOOLS
from test_tuf_interop import first_root, paths, prepare
from tuf_fixtures import tufjs   # noqa: F401 (fixture)

ROLES = ("timestamp", "snapshot", "targets", "root")


class Journey:
    def __init__(self, tufjs, ferry, work, nginx, make_gguf):
        self.tufjs, self.work, self.make_gguf = tufjs, work, make_gguf
        self.publisher = publisher.Publisher(ferry, work)
        self.server = nginx(self.publisher.tree)
        self.root = first_root(self.publisher)
        self.count = itertools.count()
        self.ours = tuf_simulator.Client(TOOLS / "tuf-client", work / "ours", self.server)
        assert self.ours.init(self.root) == 0

    def catalog(self, *arguments, check=0):
        return self.publisher.ferry("catalog", *arguments, "-q", cwd=self.publisher.dir,
                                    check=check)

    def key(self, name, kind="ed25519", folder=None):
        """A key of the folder; RSA ones are made elsewhere and imported."""
        folder = folder or self.publisher.dir / "keys"
        if kind != "rsa":
            self.catalog("key", "new", name, "--type", kind, "--unencrypted", "--keys", folder)
            return folder / f"{name}.pub"
        pem = self.work / f"{name}-rsa.pem"
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt",
                        "rsa_keygen_bits:2048", "-out", pem], check=True, capture_output=True)
        self.catalog("key", "import", pem, name, "--unencrypted", "--keys", folder)
        return folder / f"{name}.pub"

    def add(self, name, role=None, shards=1):
        source = self.make_gguf(self.work / f"{name}.gguf", "--seed", name, "--shards", shards)
        if shards > 1:
            source = source.with_name(f"{name}-00001-of-{shards:05}.gguf")
        prepared = prepare(self.publisher, source, name)
        self.catalog("add", *(["--role", role] if role else []), prepared)

    def read(self, *only):
        """By all three: the same versions and the same contents. Returns the versions."""
        signed = paths(self.publisher)
        wanted = only or list(signed)
        seen = []
        for folder, root in [("followed", self.root if not (self.work / "followed").exists()
                              else None), (f"fresh-{next(self.count)}", self.root)]:
            seen.append(self.tufjs.fetch(f"{self.server.url}/metadata", f"{self.server.url}/targets",
                                         self.work / folder, *wanted, root=root))
            for path in wanted:
                content = seen[-1]["targets"][path]["content"]
                assert len(content) == signed[path]["length"]
                assert hashlib.sha256(content).hexdigest() == signed[path]["hashes"]["sha256"]
        assert self.ours.download(*wanted) == 0, self.ours.error
        versions = {f"{r}.json": v for r, v in self.ours.trusted().items()}
        for role in ROLES:
            assert {s["versions"][f"{role}.json"] for s in seen} == {versions[f"{role}.json"]}
        return versions

    def refused(self, path, words="nobody lists"):
        with pytest.raises(tuf_js.Failed, match=words):
            self.tufjs.fetch(f"{self.server.url}/metadata", f"{self.server.url}/targets",
                             self.work / f"refused-{next(self.count)}", path, root=self.root)
        assert self.ours.download(path) == 1


@pytest.fixture
def journey(tufjs, ferry, work, nginx, make_gguf):     # noqa: F811
    return Journey(tufjs, ferry, work, nginx, make_gguf)


def test_rotations_of_every_role_to_every_kind_of_key(journey):
    journey.add("tiny")
    journey.catalog("sign")
    journey.read()
    present = {role: role for role in ROLES}
    for number, kind in enumerate(("ecdsa-p256", "rsa", "ed25519"), 1):
        for role in ROLES:
            name = f"{role}-{number}"
            journey.key(name, kind)
            journey.catalog("rotate", role, "--add", name, "--remove", present[role])
            present[role] = name
        assert journey.read()["root.json"] == 1 + 4 * number
    journey.catalog("refresh")
    journey.read()


def test_thresholds_of_several_kinds_of_keys(journey):
    journey.add("tiny")
    journey.catalog("sign")
    for role in ROLES:
        for kind in ("ecdsa-p256", "rsa"):
            journey.key(f"{role}-{kind}", kind)
        journey.catalog("rotate", role, "--add", f"{role}-ecdsa-p256", "--add", f"{role}-rsa",
                        "--threshold", "3")
    journey.read()
    journey.add("other")
    journey.catalog("sign")
    journey.catalog("refresh")
    assert journey.read()["root.json"] == 5
    for role in ROLES:
        journey.catalog("rotate", role, "--remove", role, "--threshold", "2")
    journey.read()
    journey.catalog("renew", "root", "targets")
    assert journey.read()["root.json"] == 10


@pytest.mark.parametrize("kind", ["ecdsa-p256", "rsa"])
def test_a_delegation_from_beginning_to_end(journey, kind):
    theirs = journey.work / "theirs"
    public = journey.key("community", kind, theirs)
    journey.add("tiny")
    journey.catalog("delegate", "community", "--paths", "models/community-*/*", "--key", public)
    journey.catalog("sign")
    journey.read()
    for name in ("community-a", "community-b"):
        journey.add(name, role="community")
        journey.catalog("sign", "--role", "community", "--keys", theirs, check=None)
        journey.catalog("sign")
        assert any(path.startswith(f"models/{name}/") for path in paths(journey.publisher))
        journey.read()
    gone = "models/community-a/community-a-q8_0.gguf"
    journey.catalog("remove", "--role", "community", "community-a")
    journey.catalog("sign", "--role", "community", "--keys", theirs, check=None)
    journey.catalog("sign")
    journey.read()
    journey.refused(gone)
    journey.catalog("rotate", "targets", "--unencrypted")
    journey.read()
    journey.catalog("renew", "community", "--keys", theirs, check=None)
    journey.catalog("sign")
    journey.read()
    journey.catalog("undelegate", "community", "--adopt")
    journey.catalog("sign")
    kept = "models/community-b/community-b-q8_0.gguf"
    journey.read("catalog.json", kept, "models/tiny/tiny-q8_0.gguf")
    journey.catalog("remove", "community-b")
    journey.catalog("sign")
    journey.refused(kept)


def test_numbers_of_bins(journey):
    """Twenty files by chance in each, and one that is not there."""
    journey.add("many", shards=11)
    journey.add("tiny")
    journey.catalog("sign")
    files = sorted(paths(journey.publisher))
    assert len(files) == 3 + 2 * 12 + 2 + 2
    chance = random.Random(7)
    for number in (8, 256, 2):
        journey.catalog("delegate", "--bins", str(number))
        journey.catalog("sign")
        journey.read(*chance.sample(files, 20))
        for missing in ("models/none/none.gguf", "models/many/many-q8_0-00012-of-00011.gguf"):
            journey.refused(missing)
    journey.catalog("rotate", "targets", "--type", "ecdsa-p256", "--unencrypted")
    journey.read(*chance.sample(files, 20))
    journey.catalog("remove", "tiny")
    journey.catalog("sign")
    journey.refused("models/tiny/tiny-q8_0.gguf")
    journey.catalog("undelegate", "bin")
    journey.catalog("sign")
    journey.read(*(f for f in files if "tiny" not in f))


def test_what_expired_is_refused_and_renewed(journey):
    """A year ago all was signed, and nobody came back since."""
    def ago(*arguments):
        journey.publisher.ferry("catalog", *arguments, "-q", cwd=journey.publisher.dir,
                                at="400 days ago")
    journey.add("tiny")
    ago("sign")
    ago("renew", "root", "targets")
    file = "models/tiny/tiny-q8_0.gguf"
    journey.refused(file, "expired")
    journey.catalog("refresh")
    journey.refused(file, "expired")
    journey.catalog("renew", "root")
    journey.refused(file, "expired")
    journey.catalog("sign")
    journey.read(file, "catalog.json")
