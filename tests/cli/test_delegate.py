"""Delegations, from both sides: a community that signs its own models, and hash bins."""

import hashlib
import json
import shutil

import pytest
from publisher import Publisher


class Desk:
    """The publisher of targets, and a community with a key folder of its own."""

    def __init__(self, ferry, work, make_gguf, validate):
        self.ferry, self.work, self.make_gguf, self.validate = ferry, work, make_gguf, validate
        self.publisher = Publisher(ferry, work)
        self.tree = self.publisher.tree
        self.theirs = work / "community"
        self.theirs.mkdir()
        self.ferry("catalog", "key", "new", "community", "--unencrypted", "-q", "--keys",
                   self.theirs / "keys")
        self.public = self.theirs / "keys" / "community.pub"
        self.clients = 0

    def catalog(self, *args, **options):
        return self.ferry("catalog", *args, cwd=self.publisher.dir, **options)

    def json(self, *args, **options):
        result = self.catalog(*args, "--json", **options)
        name = result.json["command"].replace(" ", "-")
        self.validate(result.json, "error" if "error" in result.json else f"output-{name}")
        return result.json

    def refused(self, exit, *args):
        error = self.json(*args, check=exit)["error"]
        return error["message"] + " | " + error.get("hint", "")

    def prepare(self, model, seed=1, kind="q8_0"):
        folder = self.work / f"{model}-{kind}-{seed}"
        if not folder.exists():
            source = self.make_gguf(self.work / f"{model}-{kind}-{seed}.gguf", "--seed", seed,
                                    "--type", kind)
            self.ferry("prepare", model, source, "-o", folder, "--set", "license.id=MIT")
        return folder

    def delegate(self, *options):
        return self.json("delegate", "community", "--paths", "models/community-*/*", "--key",
                         self.public, *options)

    def sign_as_community(self, **options):
        """On their machine there is nothing but their own key."""
        return self.catalog("sign", "--role", "community", "--keys", self.theirs / "keys",
                            **options)

    def sign(self, **options):
        return self.json("sign", **options)

    def client(self):
        self.clients += 1
        home = self.work / f"client-{self.clients}"
        home.mkdir()
        (home / "ferry.conf").write_text(self.publisher.client())
        return home

    def fetch(self, model, home=None, check=0):
        home = home or self.client()
        return self.ferry("fetch", model, "-q", cwd=home, check=check,
                          env={"FERRY_HOME": home / "store"})

    def models(self):
        document = json.loads((self.tree / "catalog.json").read_text())
        return [m["id"] for m in document["models"]]

    def metadata(self, name):
        return json.loads((self.tree / "metadata" / name).read_text())["signed"]

    def newest(self, role):
        files = {int(p.name.split(".")[0]): p.name
                 for p in (self.tree / "metadata").glob(f"*.{role}.json")}
        return max(files), self.metadata(files[max(files)])


@pytest.fixture
def desk(ferry, work, make_gguf, validate):
    return Desk(ferry, work, make_gguf, validate)


# -- a community ----------------------------------------------------------------------


def test_a_community_signs_its_own_models(desk):
    desk.catalog("add", desk.prepare("official"))
    desk.sign()
    made = desk.delegate()
    assert made["role"] == "community" and made["threshold"] == 1 and not made["terminating"]
    added = desk.json("add", "--role", "community", desk.prepare("community-a"))
    assert added["role"] == "community"
    # Nobody has signed it: the publisher's sign shows what it can.
    signed = desk.sign()
    assert (signed["published"], signed["models"], signed["waiting_models"]) == (True, 1, 1)
    assert desk.models() == ["official"]
    desk.fetch("official")

    desk.sign_as_community()
    assert desk.models() == ["official"]
    signed = desk.sign()
    assert (signed["published"], signed["models"], signed["waiting_models"]) == (True, 2, 0)
    assert desk.models() == ["community-a", "official"]
    version, role = desk.newest("community")
    assert version == 1
    assert sorted(role["targets"]) == ["models/community-a/community-a-q8_0.gguf",
                                       "models/community-a/community-a-q8_0.gguf.manifest.json",
                                       "models/community-a/community-a-q8_0.gguf.provenance.json",
                                       "models/community-a/community-a.card.json"]
    assert sorted(desk.newest("targets")[1]["targets"]) == [
        "catalog.json", "index.jsonl.zst", "models/official/official-q8_0.gguf",
        "models/official/official-q8_0.gguf.manifest.json",
        "models/official/official-q8_0.gguf.provenance.json",
        "models/official/official.card.json", "repository.json"]
    path = desk.fetch("community-a").out.strip()
    wanted = role["targets"]["models/community-a/community-a-q8_0.gguf"]["hashes"]["sha256"]
    with open(path, "rb") as f:
        assert hashlib.sha256(f.read()).hexdigest() == wanted
    assert desk.json("sign")["changed"] is False


def test_an_update_shows_when_it_is_signed(desk):
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    desk.sign_as_community()
    desk.sign()
    before = desk.newest("community")[1]["targets"]
    desk.catalog("add", "--role", "community", desk.prepare("community-a", seed=2))
    # Until then readers have the one before, and can fetch it.
    assert desk.sign()["waiting_models"] == 1
    assert desk.newest("community")[1]["targets"] == before
    desk.fetch("community-a")
    desk.sign_as_community()
    assert desk.sign()["waiting_models"] == 0
    assert desk.newest("community") [0] == 2
    assert desk.newest("community")[1]["targets"] != before
    desk.fetch("community-a")


def test_one_person_with_all_keys_signs_at_once(desk):
    shutil.copytree(desk.theirs / "keys", desk.publisher.dir / "keys", dirs_exist_ok=True)
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    signed = desk.sign()
    assert (signed["published"], signed["waiting_models"]) == (True, 0)
    assert desk.models() == ["community-a"]
    desk.fetch("community-a")
    keys = {k["name"]: k["roles"] for k in desk.json("key", "list")["keys"]}
    assert keys["community"] == ["community"] and keys["targets"] == ["targets"]


def test_paths_are_kept_apart(desk):
    desk.delegate()
    said = desk.refused(2, "add", "--role", "community", desk.prepare("official"))
    assert "is not below a path of the role community" in said
    assert "models/community-*/*" in said
    said = desk.refused(2, "add", desk.prepare("community-a"))
    assert "belongs to the delegated role community" in said and "--role community" in said
    said = desk.refused(2, "add", "--role", "comunity", desk.prepare("community-a"))
    assert "does not delegate to a role 'comunity'" in said and "did you mean 'community'" in said
    assert desk.json("list")["models"] == []


def test_another_key_is_of_no_use(desk):
    desk.ferry("catalog", "key", "new", "stranger", "--unencrypted", "-q", "--keys",
               desk.work / "stranger")
    desk.delegate()
    desk.sign()
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    result = desk.catalog("sign", "--role", "community", "--keys", desk.work / "stranger", check=2)
    assert "community" in result.err or "key" in result.err
    assert desk.sign()["waiting_models"] == 1
    assert desk.models() == []


def test_undelegate_takes_the_models_along(desk):
    desk.catalog("add", desk.prepare("official"))
    desk.delegate("--terminating")
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    desk.sign_as_community()
    desk.sign()
    home = desk.client()
    desk.fetch("community-a", home)
    gone = desk.json("undelegate", "community")
    assert gone == {"command": "catalog undelegate", "role": "community", "adopted": False,
                    "models": ["community-a"]}
    desk.sign()
    assert desk.models() == ["official"]
    assert "delegations" not in desk.newest("targets")[1]
    desk.fetch("official", home)
    desk.fetch("community-a", check=3)
    assert "does not delegate" in desk.refused(3, "undelegate", "community")
    # The same name once more: its versions go on.
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare("community-b"))
    desk.sign_as_community()
    desk.sign()
    assert desk.newest("community")[0] == 2
    desk.fetch("community-b", home)


def test_undelegate_can_adopt(desk):
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    desk.sign_as_community()
    desk.sign()
    home = desk.client()
    desk.fetch("community-a", home)
    assert desk.json("undelegate", "community", "--adopt")["models"] == ["community-a"]
    desk.sign()
    assert desk.models() == ["community-a"]
    assert "models/community-a/community-a-q8_0.gguf" in desk.newest("targets")[1]["targets"]
    desk.fetch("community-a", home)
    desk.fetch("community-a")


def test_a_community_removes_what_it_had(desk):
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    desk.catalog("add", "--role", "community", desk.prepare("community-b"))
    desk.sign_as_community()
    desk.sign()
    desk.json("remove", "--role", "community", "community-a")
    desk.sign_as_community()
    desk.sign()
    assert desk.models() == ["community-b"]
    assert all("community-a" not in path for path in desk.newest("community")[1]["targets"])
    desk.fetch("community-b")


def test_a_community_withdraws_its_own_models_and_the_publisher_is_told_how(desk):
    desk.delegate()
    for name in ("community-a", "community-b"):
        desk.catalog("add", "--role", "community", desk.prepare(name))
    said = desk.refused(2, "withdraw", "community-a", "--reason", "wrong")
    assert "belongs to the delegated role community" in said
    assert "with --role community, its own people sign the change" in said
    desk.json("withdraw", "--role", "community", "community-a", "--reason", "wrong")
    desk.sign_as_community()
    desk.sign()
    assert "withdrawn" in desk.fetch("community-a", check=6).err
    desk.fetch("community-b")


def test_a_community_prunes_the_versions_of_its_models_at_once(desk):
    desk.delegate()
    for seed in (1, 2):
        for name in ("community-a", "community-b"):
            desk.catalog("add", "--role", "community", desk.prepare(name, seed))
    assert desk.json("prune")["versions"] == []
    said = desk.refused(2, "prune", "--role", "comunity")
    assert "did you mean 'community'" in said
    dry = desk.json("prune", "--role", "community", "--dry-run")["versions"]
    done = desk.json("prune", "--role", "community")["versions"]
    assert dry == done
    assert [(v["model"], v["version"]) for v in done] == [("community-a", 1), ("community-b", 1)]
    desk.sign_as_community()
    desk.sign()
    listed = desk.newest("community")[1]["targets"]
    assert sorted(p for p in listed if p.endswith(".gguf")) == [
        f"models/{name}/{name}-q8_0.v2.gguf" for name in ("community-a", "community-b")]


def test_a_delegation_that_cannot_be(desk):
    desk.catalog("add", desk.prepare("official"))
    said = desk.refused(2, "delegate", "all", "--paths", "models/*/*", "--key", desk.public)
    assert "is already in the catalog" in said and "official" in said
    for pattern in ("models/*", "*", "catalog.json", "models/a/b/c", "other/*/*"):
        said = desk.refused(2, "delegate", "x", "--paths", pattern, "--key", desk.public)
        assert "cannot match a model file" in said
    assert "give the name of the role" in desk.refused(2, "delegate", "--paths", "models/a/*")
    assert "at least one --key" in desk.refused(2, "delegate", "x", "--paths", "models/a/*")
    assert "needs --paths" in desk.refused(2, "delegate", "x", "--key", desk.public)
    said = desk.refused(2, "delegate", "x", "--paths", "models/a/*", "--key",
                        desk.theirs / "keys" / "community.pem")
    assert "community.pem" in said
    said = desk.refused(3, "delegate", "x", "--paths", "models/a/*", "--key", "missing.pub")
    assert "missing.pub" in said and "key export" in said
    said = desk.refused(2, "delegate", "x", "--paths", "models/a/*", "--key", desk.public,
                        "--threshold", "2")
    assert "threshold" in said
    said = desk.refused(2, "delegate", "x", "--paths", "models/a/*", "--key", desk.public,
                        "--key", desk.public, "--threshold", "2")
    assert "are the same key" in said
    for name in ("targets", "a/b", "../x"):
        desk.refused(2, "delegate", name, "--paths", "models/a/*", "--key", desk.public)
    desk.delegate()
    assert "already" in desk.refused(2, "delegate", "community", "--paths", "models/a/*", "--key",
                                     desk.public)
    # Nobody could ever add a model to it.
    for pattern in ("models/community-*/*", "models/community-x*/*", "models/community-a/?.gguf"):
        said = desk.refused(2, "delegate", "late", "--paths", pattern, "--key", desk.public)
        assert "role community already has all of it, with models/community-*/*" in said
    desk.catalog("delegate", "late", "--paths", "models/c*/*", "--key", desk.public)


# -- hash bins ------------------------------------------------------------------------


def bin_of(path, bits):
    number = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") >> (32 - bits)
    return f"bin-{number:0{(bits + 3) // 4}x}"


def test_files_move_into_bins_and_back(desk):
    for model in ("one", "two"):
        desk.catalog("add", desk.prepare(model))
    desk.sign()
    home = desk.client()
    desk.fetch("one", home)
    made = desk.json("delegate", "--bins", "16")
    assert (made["role"], made["bins"], made["terminating"]) == ("bin", 16, True)
    # Nothing is signed yet.
    desk.fetch("two", home)
    signed = desk.sign()
    assert (signed["published"], signed["bins"]) == (True, 16)
    targets = desk.newest("targets")[1]
    assert sorted(targets["targets"]) == ["catalog.json", "index.jsonl.zst", "repository.json"]
    assert targets["delegations"]["succinct_roles"]["bit_length"] == 4
    for model in ("one", "two"):
        path = f"models/{model}/{model}-q8_0.gguf"
        for name in (path, f"{path}.manifest.json", f"{path}.provenance.json",
                     f"models/{model}/{model}.card.json"):
            assert name in desk.newest(bin_of(name, 4))[1]["targets"]
    (home / "store" / "blobs").rename(home / "old-blobs")
    desk.fetch("one", home)
    desk.fetch("two")

    # Another file: its bins, and no other, get a version.
    desk.catalog("add", desk.prepare("three"))
    desk.sign()
    path = "models/three/three-q8_0.gguf"
    changed = {bin_of(path, 4), bin_of(f"{path}.manifest.json", 4),
               bin_of(f"{path}.provenance.json", 4), bin_of("models/three/three.card.json", 4)}
    for number in range(16):
        name = f"bin-{number:x}"
        assert desk.newest(name)[0] == (2 if name in changed else 1)
    before = {p.name for p in (desk.tree / "metadata").iterdir()}
    assert desk.json("refresh")["bins"] == 16
    after = {p.name for p in (desk.tree / "metadata").iterdir()}
    assert {name.split(".", 1)[1] for name in after - before} == {"snapshot.json"}
    desk.fetch("three", home)

    rows = {r["role"]: r for r in desk.json("status")["roles"]}
    assert set(rows) == {"root", "targets", "bin", "snapshot", "timestamp"}
    assert (rows["bin"]["bins"], rows["bin"]["version"], rows["bin"]["signatures"]) == (16, 2, 1)

    # Removing takes it out of its bin.
    desk.catalog("remove", "three")
    desk.sign()
    assert path not in desk.newest(bin_of(path, 4))[1]["targets"]

    desk.json("undelegate", "bin")
    desk.sign()
    assert "models/one/one-q8_0.gguf" in desk.newest("targets")[1]["targets"]
    shutil.rmtree(home / "store" / "blobs")
    desk.fetch("one", home)


def test_bins_with_a_key_of_their_own(desk):
    desk.catalog("add", desk.prepare("one"))
    desk.sign()
    desk.json("delegate", "shelf", "--bins", "4", "--key", desk.public)
    # Without their key neither bins nor targets are published.
    assert desk.sign(check=1)["published"] is False
    assert desk.newest("targets")[0] == 2
    desk.fetch("one")
    shutil.copytree(desk.theirs / "keys", desk.publisher.dir / "keys", dirs_exist_ok=True)
    assert desk.sign()["published"] is True
    assert desk.newest("shelf-0")[0] == 1
    desk.fetch("one")


def test_bins_follow_the_keys_of_targets(desk):
    desk.catalog("add", desk.prepare("one"))
    desk.json("delegate", "--bins", "4")
    desk.sign()
    home = desk.client()
    desk.fetch("one", home)
    old = desk.newest("targets")[1]["delegations"]["succinct_roles"]["keyids"]
    desk.catalog("rotate", "targets", "--unencrypted", "-q")
    delegations = desk.newest("targets")[1]["delegations"]
    assert delegations["succinct_roles"]["keyids"] != old
    assert list(delegations["keys"]) == delegations["succinct_roles"]["keyids"]
    assert [desk.newest(f"bin-{i}")[0] for i in range(4)] == [2, 2, 2, 2]
    shutil.rmtree(home / "store" / "blobs")
    desk.fetch("one", home)
    assert desk.json("sign")["changed"] is False


def test_another_number_of_bins(desk):
    for model in ("one", "two", "three"):
        desk.catalog("add", desk.prepare(model))
    home = desk.client()
    for bins in (2, 64, 8):
        desk.json("delegate", "--bins", str(bins))
        desk.sign()
        assert desk.newest("targets")[1]["delegations"]["succinct_roles"]["bit_length"] == \
            bins.bit_length() - 1
        for model in ("one", "two", "three"):
            desk.fetch(model, home)
        shutil.rmtree(home / "store" / "blobs")


def test_bins_that_cannot_be(desk):
    for bins in ("1", "3", "8192"):
        assert "a power of two from 2 to 4096" in desk.refused(2, "delegate", "--bins", bins)
    assert "always terminating" in desk.refused(2, "delegate", "--bins", "4", "--paths", "models/*/*")
    desk.json("delegate", "--bins", "4")
    said = desk.refused(2, "delegate", "community", "--paths", "models/a/*", "--key", desk.public)
    assert "hash bins" in said
    desk.json("undelegate", "bin")
    desk.delegate()
    assert "cannot have hash bins" in desk.refused(2, "delegate", "--bins", "4")


def test_bins_are_pushed_and_verified(desk, ferry):
    desk.catalog("add", desk.prepare("one"))
    desk.json("delegate", "--bins", "256")
    desk.sign()
    mirror = desk.work / "mirror"
    mirror.mkdir()
    with open(desk.publisher.dir / "ferry.conf", "a", encoding="utf-8") as f:
        f.write(f"[mirror.m]\nkind = file\npath = {mirror}\n")
    ferry("push", "-q", cwd=desk.publisher.dir)
    assert len(list((mirror / "metadata").glob("1.bin-*.json"))) == 256
    ferry("verify", "--full", "-q", cwd=desk.publisher.dir)
    (mirror / "metadata" / "1.bin-7f.json").unlink()
    ferry("verify", "-q", cwd=desk.publisher.dir, check=1)
    ferry("push", "-q", cwd=desk.publisher.dir)
    ferry("verify", "-q", cwd=desk.publisher.dir)
