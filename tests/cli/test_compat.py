"""Version 0.1 and this version: each reads the repositories of the other. Those of 0.1 are frozen
in tests/data/0.1 and signed on by this version; its client is built by `make old-client`."""

import hashlib
import json
import pathlib
import shutil
import tarfile

import pytest

import small_gguf
from conftest import BIN, ROOT, Ferry
from publisher import copy_tree

FROZEN = ROOT / "tests/data/0.1/tree.tar.xz"
OLD = ROOT / "build/0.1"
KEYS, TENSORS = small_gguf.llama_keys(file_type=7), small_gguf.llama_tensors(kind="q8_0")
MODELS = {"tiny": 2, "other": 1, "community-a": 1}      # and how many files each has


class Client(Ferry):
    """The client of a version, with a home and a store of its own."""

    def __init__(self, work, version):
        folder = pathlib.Path(work) / f"client-{version}"
        folder.mkdir()
        super().__init__(folder)
        self.version, self.validates = version, version == "new"
        self.bin = BIN if version == "new" else OLD / "bin"

    def follow(self, desk):
        root = hashlib.sha256((desk.tree / "metadata/1.root.json").read_bytes()).hexdigest()
        (self.work / "ferry.conf").write_text(
            f"[repository.{desk.name}]\nmetadata = {desk.tree.as_uri()}\nroot-sha256 = {root}\n")

    def listed(self, *options):
        return {m["id"]: m for m in self("list", "--json", *options).json["models"]}

    def fetched(self, reference, *options):
        model, = self("fetch", "--json", reference, *options).json["models"]
        return model


class Desk:
    """A folder of a publisher; commands are those of this version."""

    def __init__(self, folder, name="old"):
        self.dir, self.name = pathlib.Path(folder), name
        self.tree = self.dir / "repository"

    def again(self, work):
        return Desk(copy_tree(self.dir, pathlib.Path(work) / self.dir.name), self.name)

    def __call__(self, *args, **options):
        work = self.dir / "work"
        work.mkdir(exist_ok=True)
        return Ferry(work)("catalog", *args, cwd=self.dir, **options)

    def add(self, name, seed=0, *options):
        """A model, whose bytes depend on the seed."""
        work = self.dir / f"prepare-{name}-{seed}"
        work.mkdir()
        keys = {**KEYS, "general.name": ("str", f"{name} {seed}" if seed else name)}
        files = small_gguf.shards(work, f"{name}-q8_0", keys, TENSORS) if name == "tiny" else [
            small_gguf.write(work / f"{name}-q8_0.gguf", keys, TENSORS)]
        Ferry(work)("prepare", "-q", name, *files, "--set", "license.id=MIT",
                    "--set", f"title=The {name} one", "--set", "summary=For tests")
        self("add", "-q", *options, work / "models" / name)

    def sign(self, *options):
        self("sign", "-q", *options)

    def targets(self, role="targets"):
        newest = max(self.tree.glob(f"metadata/*.{role}.json"),
                     key=lambda p: int(p.name.split(".")[0]))
        return json.loads(newest.read_text())["signed"]["targets"]


# -- clients and trees ---------------------------------------------------------------------------

@pytest.fixture(scope="session")
def frozen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    with tarfile.open(FROZEN) as tree:
        tree.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def trees(frozen, tmp_path_factory):
    """trees(name): made when it is asked for first."""
    base, made = tmp_path_factory.mktemp("trees"), {}

    def new():
        desk = Desk(base / "new", "fresh")
        desk.dir.mkdir()
        (desk.dir / "ferry.conf").write_text(
            "[repository.fresh]\npath = repository\nkeys = keys\n")
        desk("init", "-q", "--unencrypted", "fresh")
        desk.add("tiny", 1)
        desk.add("other")
        desk.sign()
        desk("key", "new", "-q", "community", "--unencrypted", "--keys", "community")
        desk("delegate", "-q", "community", "--paths", "models/community-*/*", "--key",
             "community/community.pub")
        desk.sign()
        desk.add("community-a", 0, "--role", "community")
        desk.sign("--role", "community", "--keys", "community")
        desk.add("tiny", 2)
        desk.sign()
        return desk

    def bins():
        desk = Desk(base / "new-bins", "fresh")
        desk.dir.mkdir()
        (desk.dir / "ferry.conf").write_text(
            "[repository.fresh]\npath = repository\nkeys = keys\n")
        desk("init", "-q", "--unencrypted", "fresh")
        desk("delegate", "-q", "--bins", "4")
        desk.add("tiny", 1)
        desk.add("other")
        desk.sign()
        return desk

    def upgraded(folder):
        desk = Desk(copy_tree(frozen / folder, base / f"upgraded-{folder}"))
        desk.sign()
        return desk
    makers = {"0.1": lambda: Desk(frozen / "publisher"), "0.1, bins": lambda: Desk(frozen / "bins"),
              "new": new, "new, bins": bins, "signed on": lambda: upgraded("publisher"),
              "signed on, bins": lambda: upgraded("bins")}

    def tree(name):
        if name not in made:
            made[name] = makers[name]()
        return made[name]
    return tree


@pytest.fixture(params=["old", "new"])
def client(request, work):
    if request.param == "old" and not (OLD / "built").exists():
        pytest.fail("build/0.1 is missing: run `make old-client`")
    return Client(work, request.param)


def models_of(name):
    return {m: n for m, n in MODELS.items() if "bins" not in name or m != "community-a"}


# -- the four combinations -----------------------------------------------------------------------

@pytest.mark.parametrize("name", ["0.1", "0.1, bins", "signed on", "signed on, bins", "new",
                                  "new, bins"])
def test_both_clients_read_the_trees_of_both(client, trees, name):
    desk = trees(name)
    client.follow(desk)
    wanted = models_of(name)
    assert set(client.listed()) == set(wanted)
    assert {m["title"] for m in client.listed("--offline").values()} == {
        f"The {m} one" for m in wanted}
    for model, files in wanted.items():
        assert f"The {model} one" in client("show", model).out
        got = client.fetched(model)
        assert len(got["files"]) == files and got["fetched"] > 0
        for file in got["files"]:
            with open(file["path"], "rb") as f:
                assert hashlib.sha256(f.read()).hexdigest() == file["sha256"]
            assert pathlib.Path(file["path"]).name == file["name"]
            assert ".v2." not in file["name"]
        again = client.fetched(model, "--offline")
        assert (again["fetched"], again["path"]) == (0, got["path"])
        ran = client("run", "--offline", model, "--", "echo", "{}")
        assert ran.out == got["path"] + "\n"
    assert {m for m, v in client.listed().items() if v["variants"][0]["in_store"]} == set(wanted)


def test_both_clients_begin_with_repository_add(client, trees):
    for number, name in enumerate(["0.1", "new"]):
        desk = trees(name)
        root = desk.tree / "metadata/1.root.json"
        client("repository", "add", f"r{number}", desk.tree.as_uri(), "--root", root)
    assert client.fetched("r0/tiny")["fetched"] > 0
    assert client.fetched("r1/tiny")["fetched"] > 0


def test_both_clients_get_the_newest_version(client, trees):
    desk = trees("new")
    client.follow(desk)
    variant, = json.loads((desk.tree / "cards/tiny.card.json").read_text())["variants"]
    assert variant["version"] == 2
    got = client.fetched("tiny")["files"]
    assert [f["sha256"] for f in got] == [f["sha256"] for f in variant["files"]]
    # Only the first shard changed, and has a new path; 0.1 names a file by that.
    assert [f["path"] for f in variant["files"]] == [
        "models/tiny/tiny-q8_0.v2-00001-of-00002.gguf", "models/tiny/tiny-q8_0-00002-of-00002.gguf"]
    names = ["tiny-q8_0-00001-of-00002.gguf", "tiny-q8_0-00002-of-00002.gguf"]
    if client.version == "old":
        names[0] = "tiny-q8_0.v2-00001-of-00002.gguf"
    assert [f["name"] for f in got] == names


def test_both_clients_open_the_model_of_a_variant_with_companions(client, work):
    """0.1 does not know roles: it gets all the files, the model first."""
    desk = Desk(work / "desk", "fresh")
    desk.dir.mkdir()
    (desk.dir / "ferry.conf").write_text("[repository.fresh]\npath = repository\nkeys = keys\n")
    desk("init", "-q", "--unencrypted", "fresh")
    model = small_gguf.write(work / "m.gguf", KEYS, TENSORS)
    projector = small_gguf.projector(work / "mmproj.gguf")
    Ferry(work)("prepare", "-q", "tiny", model, "--projector", projector, "--set",
                "license.id=MIT")
    desk("add", "-q", work / "models/tiny")
    desk.sign()
    client.follow(desk)
    got = client.fetched("tiny")
    assert [pathlib.Path(f["path"]).read_bytes() for f in got["files"]] == [
        model.read_bytes(), projector.read_bytes()]
    assert client("run", "--offline", "tiny", "--", "echo", "{}").out == got["path"] + "\n"
    assert [f.get("role") for f in got["files"]] == [
        None, "projector" if client.version == "new" else None]
    # What 0.1 put into the store has its roles once this version has seen the card.
    newer = Client(work, "new") if client.version == "old" else client
    newer.follow(desk)
    newer.env["FERRY_HOME"] = client.env["FERRY_HOME"]
    again = newer.fetched("tiny")
    assert again["fetched"] == 0 and again["files"][1]["role"] == "projector"
    assert newer("run", "--offline", "tiny", "--", "echo", "{}", "{projector}").out.split() == [
        f["path"] for f in again["files"]]


# -- what changes under a client that follows ----------------------------------------------------

@pytest.fixture
def desk(frozen, work):
    """A copy of the frozen tree, to be signed on."""
    return Desk(frozen / "publisher").again(work)


def test_a_client_that_followed_a_tree_of_0_1_goes_on(client, desk):
    client.follow(desk)
    assert set(client.listed()) == set(MODELS)
    first = client.fetched("other")
    desk.sign()
    assert client.fetched("other")["fetched"] == 0
    desk.add("other", 2)
    desk.add("third")
    desk.sign()
    assert set(client.listed()) == {*MODELS, "third"}
    second = client.fetched("other")
    assert second["files"][0]["sha256"] != first["files"][0]["sha256"]
    assert client.fetched("third")["fetched"] > 0
    if client.version == "new":
        assert client.fetched("other@1")["files"][0]["sha256"] == first["files"][0]["sha256"]


def test_signing_a_tree_of_0_1_again_changes_no_card_and_no_file(desk):
    before = {p: v["hashes"] for p, v in desk.targets().items()}
    assert json.loads(desk("sign", "--json").out)["changed"]
    after = {p: v["hashes"] for p, v in desk.targets().items()}
    assert {p: h for p, h in after.items() if p in before} == before
    assert set(after) - set(before) == {
        "index.jsonl.zst", "repository.json", "models/tiny/tiny.card.json",
        "models/other/other.card.json"}
    assert not json.loads(desk("sign", "--json").out)["changed"]


def test_a_role_of_0_1_has_a_card_once_its_people_sign_with_this_version(client, desk):
    client.follow(desk)
    desk.sign()
    assert "models/community-a/community-a.card.json" not in desk.targets("community")
    client.fetched("community-a")
    desk.add("community-a", 2, "--role", "community")
    desk.sign("--role", "community", "--keys", "community")
    desk.sign()
    assert "models/community-a/community-a.card.json" in desk.targets("community")
    assert client.fetched("community-a")["fetched"] > 0
    assert client.fetched("community-a", "--offline")["fetched"] == 0
    assert set(client.listed()) == set(MODELS)


def test_what_was_fetched_by_0_1_is_found_by_this_version(client, trees, work):
    """And the other way round: both use one store."""
    client.follow(trees("signed on"))
    first = client.fetched("tiny")
    other = Client(work, "new" if client.version == "old" else "old")
    other.follow(trees("signed on"))
    other.env["FERRY_HOME"] = client.env["FERRY_HOME"]
    assert other.fetched("tiny")["fetched"] == 0
    assert other.fetched("tiny", "--offline")["path"] == first["path"]
    stored, = other("store", "list", "--json").json["variants"]
    assert (stored["model"], stored["complete"]) == ("tiny", True)


def test_only_this_version_understands_that_a_model_is_withdrawn(client, desk):
    client.follow(desk)
    desk("withdraw", "-q", "other", "--reason", "wrong weights")
    desk.sign()
    if client.version == "old":
        assert client.fetched("other")["fetched"] > 0
        return
    assert "wrong weights" in client("fetch", "other", check=6).err
    assert client.fetched("tiny")["fetched"] > 0


def test_the_mirrors_of_a_tree_are_used_by_both(client, desk, work):
    """The endpoint has only metadata and documents."""
    mirror = copy_tree(desk.tree, work / "mirror")
    conf = desk.dir / "ferry.conf"
    conf.write_text(conf.read_text() + f"[mirror.one]\nkind = file\npath = {mirror}\n"
                    f"url = {mirror.as_uri()}\n")
    desk.sign()
    shutil.rmtree(mirror)
    copy_tree(desk.tree, mirror)
    client.follow(desk)
    client.listed()
    for file in desk.tree.glob("targets/models/*/*.gguf"):
        file.unlink()
    assert client.fetched("tiny")["fetched"] > 0


def test_a_stub_in_the_place_of_the_catalog_has_the_models_without_cards(client, desk):
    """Those of a role whose people sign with 0.1; of the others, 0.1 sees nothing."""
    def stub():
        document = json.loads((desk.tree / "catalog.json").read_text())
        assert document["complete"] is False
        return [m["id"] for m in document["models"]]
    client.follow(desk)
    conf = desk.dir / "ferry.conf"
    conf.write_text(conf.read_text() + "catalog-max-size = 1k\n")
    desk.sign()
    assert stub() == ["community-a"]
    assert set(client.listed()) == (set(MODELS) if client.version == "new" else {"community-a"})
    assert client.fetched("community-a")["fetched"] > 0
    if client.version == "new":
        assert client.fetched("tiny")["fetched"] > 0
    # It stays there when another model changes, and goes with the first card of the role.
    desk.add("other", 2)
    desk.sign()
    assert stub() == ["community-a"]
    desk.add("community-a", 2, "--role", "community")
    desk.sign("--role", "community", "--keys", "community")
    desk.sign()
    assert stub() == []
