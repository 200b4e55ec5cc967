"""The repositories that `ferry catalog` makes, read by npm's TUF client; the simulated ones
of our own tests, read by it as well, so that these tests are known to mean TUF; and a
repository that npm's tools made, read by ours."""
import hashlib
import json
import shutil
import subprocess

import pytest

import publisher
import tuf_js
import tuf_simulator
from conftest import TOOLS
from tuf_fixtures import repo, tuf_server, tufjs   # noqa: F401 (fixtures)
from tuf_simulator import DAY, now, when

REST = ("targets", "snapshot", "timestamp")


# -- what we make, read by npm's client --------------------------------------------------------

@pytest.fixture
def demo(ferry, work, make_gguf):
    """A publisher with one model, signed."""
    publishing = publisher.Publisher(ferry, work)
    model = make_gguf(work / "tiny.gguf", "--seed", 7)
    add_model(publishing, model, "tiny")
    return publishing


def prepare(publishing, model, name):
    prepared = publishing.dir / f"prepared-{name}"
    publishing.ferry("prepare", "-q", name, model, "--set", "license.id=MIT",
                     "--set", "summary=For tests", "-o", prepared, cwd=publishing.dir)
    return prepared


def add_model(publishing, model, name):
    publishing.add(prepare(publishing, model, name))
    publishing.sign()


def first_root(publishing):
    return (publishing.tree / "metadata" / "1.root.json").read_bytes()


def paths(publishing):
    """All paths that are signed now."""
    def signed(name):
        return json.loads((publishing.tree / "metadata" / name).read_text())["signed"]
    snapshot = signed(f"{signed('timestamp.json')['meta']['snapshot.json']['version']}"
                      ".snapshot.json")
    return {path: entry for name, meta in snapshot["meta"].items()
            for path, entry in signed(f"{meta['version']}.{name}")["targets"].items()}


def assert_read(tufjs, publishing, server, work, root):
    wanted = paths(publishing)
    assert wanted
    seen = tufjs.fetch(f"{server.url}/metadata", f"{server.url}/targets", work, *wanted, root=root)
    for path, entry in wanted.items():
        target = seen["targets"][path]
        assert target["length"] == entry["length"] == len(target["content"])
        assert hashlib.sha256(target["content"]).hexdigest() == entry["hashes"]["sha256"]
        assert target["custom"] == entry.get("custom", {})
    return seen


def test_our_repository_is_read(tufjs, demo, nginx, work):
    seen = assert_read(tufjs, demo, nginx(demo.tree), work / "js", first_root(demo))
    assert set(seen["versions"]) == {"root.json", "timestamp.json", "snapshot.json",
                                     "targets.json"}
    assert any(path.endswith(".gguf") for path in seen["targets"])


def test_what_changes_is_followed(tufjs, demo, nginx, work, make_gguf):
    server = nginx(demo.tree)
    before = assert_read(tufjs, demo, server, work / "js", first_root(demo))
    add_model(demo, make_gguf(work / "other.gguf", "--seed", 8), "other")
    demo.ferry("catalog", "refresh", "-q", cwd=demo.dir)
    after = assert_read(tufjs, demo, server, work / "js", None)
    assert after["versions"]["targets.json"] == before["versions"]["targets.json"] + 1
    assert after["versions"]["timestamp.json"] > before["versions"]["timestamp.json"]
    assert len(after["targets"]) > len(before["targets"])


def test_cards_the_index_and_old_versions_are_read(tufjs, demo, nginx, work, make_gguf):
    def add(seed, *options):
        model = make_gguf(work / f"tiny-{seed}.gguf", "--seed", seed)
        demo.ferry("catalog", "add", "-q", *options, prepare(demo, model, "tiny"), cwd=demo.dir)
        shutil.rmtree(demo.dir / "prepared-tiny")
        demo.sign()
    shutil.rmtree(demo.dir / "prepared-tiny")
    add(8)
    seen = assert_read(tufjs, demo, nginx(demo.tree), work / "js", first_root(demo))["targets"]
    card = json.loads(seen["models/tiny/tiny.card.json"]["content"])
    variant, = card["variants"]
    old, = variant["superseded"]
    assert (variant["version"], old["version"]) == (2, 1)
    for version, path in [(variant, "models/tiny/tiny-q8_0.v2.gguf"),
                          (old, "models/tiny/tiny-q8_0.gguf")]:
        file, = version["files"]
        assert file["path"] == path
        assert hashlib.sha256(seen[path]["content"]).hexdigest() == file["sha256"]
    text = subprocess.run(["zstd", "-d", "-c"], input=seen["index.jsonl.zst"]["content"],
                          capture_output=True, check=True).stdout
    header, model = map(json.loads, text.splitlines())
    assert (header["format"], header["models"]) == ("model-ferry-index", 1)
    assert (model["id"], model["variants"][0]["version"]) == ("tiny", 2)
    assert json.loads(seen["repository.json"]["content"])["name"] == "demo"


@pytest.mark.parametrize("type", ["ed25519", "ecdsa-p256"])
def test_our_rotations_are_followed(tufjs, demo, nginx, work, type):
    """From the first root, and from what was trusted before."""
    server = nginx(demo.tree)
    assert_read(tufjs, demo, server, work / "js", first_root(demo))
    for role in ("timestamp", "snapshot", "targets", "root"):
        demo.ferry("catalog", "rotate", role, "--type", type, "--unencrypted", "-q",
                   cwd=demo.dir)
    demo.ferry("catalog", "refresh", "-q", cwd=demo.dir)
    for name, root in [("js", None), ("fresh", first_root(demo))]:
        seen = assert_read(tufjs, demo, server, work / name, root)
        assert seen["versions"]["root.json"] == 5
    client = tuf_simulator.Client(TOOLS / "tuf-client", work / "client", server)
    assert client.init(first_root(demo)) == 0
    assert client.refresh() == 0, client.error
    assert {f"{role}.json": version for role, version in client.trusted().items()} == \
        seen["versions"]


def test_our_thresholds_are_followed(tufjs, demo, nginx, work):
    """Two of two keys sign root and targets; a root that only one of them signed is not
    published, and what is published stays readable."""
    server, keys = nginx(demo.tree), demo.dir / "keys"
    for name in ("second-root", "second-targets"):
        demo.ferry("catalog", "key", "new", name, "--unencrypted", "-q", "--keys", keys,
                   cwd=demo.dir)
    for role in ("root", "targets"):
        demo.ferry("catalog", "rotate", role, "--add", f"second-{role}", "--threshold", "2", "-q",
                   cwd=demo.dir)
    seen = assert_read(tufjs, demo, server, work / "js", first_root(demo))
    assert seen["versions"]["root.json"] == 3
    third = json.loads((demo.tree / "metadata" / "3.root.json").read_text())
    assert third["signed"]["roles"]["targets"]["threshold"] == 2
    assert len(third["signatures"]) == 2
    (keys / "second-root.pem").rename(work / "elsewhere.pem")
    demo.ferry("catalog", "rotate", "timestamp", "--unencrypted", "-q", cwd=demo.dir, check=1)
    assert_read(tufjs, demo, server, work / "js", None)
    assert not (demo.tree / "metadata" / "4.root.json").exists()
    (work / "elsewhere.pem").rename(keys / "second-root.pem")
    demo.ferry("catalog", "sign", "-q", cwd=demo.dir)
    assert assert_read(tufjs, demo, server, work / "js", None)["versions"]["root.json"] == 4


def test_our_delegations_are_followed(tufjs, demo, nginx, work, make_gguf):
    server, theirs = nginx(demo.tree), work / "theirs"
    demo.ferry("catalog", "key", "new", "community", "--unencrypted", "-q", "--keys", theirs)
    demo.ferry("catalog", "delegate", "community", "-q", "--paths", "models/community-*/*",
               "--key", theirs / "community.pub", "--terminating", cwd=demo.dir)
    model = prepare(demo, make_gguf(work / "other.gguf", "--seed", 8), "community-a")
    demo.ferry("catalog", "add", "-q", "--role", "community", model, cwd=demo.dir)
    demo.ferry("catalog", "sign", "-q", "--role", "community", "--keys", theirs, cwd=demo.dir)
    demo.sign()
    seen = assert_read(tufjs, demo, server, work / "js", first_root(demo))
    assert any(path.startswith("models/community-a/") for path in seen["targets"])
    demo.ferry("catalog", "undelegate", "-q", "community", "--adopt", cwd=demo.dir)
    demo.sign()
    name = next(path for path in seen["targets"] if path.startswith("models/community-a/"))
    for folder, root in [("js", None), ("fresh", first_root(demo))]:
        seen = tufjs.fetch(f"{server.url}/metadata", f"{server.url}/targets", work / folder, name,
                           root=root)
        assert seen["targets"][name]["content"]


def test_our_bins_are_followed(tufjs, demo, nginx, work, make_gguf):
    """From one file of targets to 16 bins, to 32, and to others with the key rotated."""
    server = nginx(demo.tree)
    assert_read(tufjs, demo, server, work / "js", first_root(demo))
    demo.ferry("catalog", "delegate", "--bins", "16", "-q", cwd=demo.dir)
    demo.sign()
    assert_read(tufjs, demo, server, work / "js", None)
    add_model(demo, make_gguf(work / "other.gguf", "--seed", 8), "other")
    assert_read(tufjs, demo, server, work / "js", None)
    demo.ferry("catalog", "rotate", "targets", "--unencrypted", "-q", cwd=demo.dir)
    demo.ferry("catalog", "delegate", "shelf", "--bins", "32", "-q", cwd=demo.dir)
    demo.sign()
    wanted = [path for path in paths(demo) if path.startswith("models/other/")]
    assert len(wanted) == 4
    for folder, root in [("js", None), ("fresh", first_root(demo))]:
        seen = tufjs.fetch(f"{server.url}/metadata", f"{server.url}/targets", work / folder,
                           *wanted, root=root)
        assert set(seen["targets"]) == set(wanted)


def test_a_damaged_object_of_ours_is_refused(tufjs, demo, nginx, work):
    model = publisher.object_path(demo.tree, "*.gguf")
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.chmod(0o644)
    model.unlink()
    model.write_bytes(data)
    server = nginx(demo.tree)
    name = next(p for p in paths(demo) if p.endswith(".gguf"))
    with pytest.raises(tuf_js.Failed, match="hash"):
        tufjs.fetch(f"{server.url}/metadata", f"{server.url}/targets", work / "js", name,
                    root=first_root(demo))


def test_a_replayed_timestamp_of_ours_is_refused(tufjs, demo, nginx, work):
    server = nginx(demo.tree)
    old = (demo.tree / "metadata" / "timestamp.json").read_bytes()
    demo.ferry("catalog", "refresh", "-q", cwd=demo.dir)
    assert_read(tufjs, demo, server, work / "js", first_root(demo))
    file = demo.tree / "metadata" / "timestamp.json"
    file.unlink()
    file.write_bytes(old)
    with pytest.raises(tuf_js.Failed, match="version 2 is less than current version 3"):
        tufjs.fetch(f"{server.url}/metadata", f"{server.url}/targets", work / "js")


# -- the simulated repositories, read by npm's client ----------------------------------------

def js_fetch(tufjs, repo, work, *wanted):
    return tufjs.fetch(f"{repo.url}/metadata", f"{repo.url}/targets", work, *wanted,
                       root=repo.versions["root"][0])


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_simulated_keys_and_rotations(tufjs, repo, work, kind):
    for role in ("root", *REST):
        old = list(repo.signers[role])
        repo.rotate(role, kind)
        if role == "root":
            new = list(repo.signers[role])
            repo.signers[role] = old + new
    repo.root["custom"] = {"ü": ["\n", '"', "\\", 1, True, None]}
    repo.target("targets", "dir/file.txt", b"content", custom={"a": 1})
    repo.publish("root", *REST)
    seen = js_fetch(tufjs, repo, work / "js", "dir/file.txt")
    assert seen["targets"]["dir/file.txt"]["content"] == b"content"
    assert seen["versions"]["root.json"] == 2
    client = tuf_simulator.Client(TOOLS / "tuf-client", work / "client", repo)
    assert client.init() == 0
    repo.requests.clear()
    assert client.download("dir/file.txt") == 0, client.error
    for role in ("root", *REST):
        assert client.stored(role) == (work / "js" / "metadata" / f"{role}.json").read_bytes()


def graph(repo):
    repo.delegate("targets", "A", paths=["a/*"])
    repo.delegate("A", "deep", paths=["a/*.txt"], terminating=True)
    repo.delegate("targets", "../odd name", prefixes=[hashlib.sha256(b"odd").hexdigest()[:4]])
    repo.delegate("targets", "bins", paths=["b/*"])
    names = repo.bins("bins", 5, "bin")
    repo.target("deep", "a/x.txt", b"deep")
    repo.target("../odd name", "odd", b"odd")
    place = names[int(hashlib.sha256(b"b/y").hexdigest()[:8], 16) >> 27]
    repo.target(place, "b/y", b"bin")
    repo.publish("deep", "A", "../odd name", "bins", *names, *REST)


def test_simulated_delegations(tufjs, repo, work):
    """Both clients find the same, with the same requests."""
    graph(repo)
    wanted = {"a/x.txt": b"deep", "odd": b"odd", "b/y": b"bin"}
    seen = js_fetch(tufjs, repo, work / "js", *wanted)
    assert {path: target["content"] for path, target in seen["targets"].items()} == wanted
    asked = repo.requests[:]
    repo.requests.clear()
    client = tuf_simulator.Client(TOOLS / "tuf-client", work / "client", repo)
    assert client.init() == 0
    assert client.download(*wanted) == 0, client.error
    assert client.downloaded() == list(wanted.values())
    assert repo.requests == asked


FAULTS = {
    "expired": lambda repo: repo.body["timestamp"].update(expires=when(now() - DAY)),
    "unsigned": lambda repo: repo.signers["timestamp"].clear(),
    "a snapshot too few": lambda repo: repo.body["timestamp"]["meta"]["snapshot.json"].update(
        version=9),
    "a signature of another key": lambda repo: repo.signers.update(
        timestamp=[tuf_simulator.spare(400)]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_both_clients_refuse_the_same(tufjs, repo, work, fault):
    FAULTS[fault](repo)
    repo.publish("timestamp")
    with pytest.raises(tuf_js.Failed):
        js_fetch(tufjs, repo, work / "js")
    client = tuf_simulator.Client(TOOLS / "tuf-client", work / "client", repo)
    assert client.init() == 0
    assert client.refresh() == 1


# -- what npm's tools make, read by our client ---------------------------------------------------

def mocked(tufjs, nginx, work, **targets):
    folder = work / "mock"
    tufjs.mock(folder, **targets)
    server = nginx(folder)
    client = tuf_simulator.Client(TOOLS / "tuf-client", work / "client", server)
    return folder, server, client


def test_their_repository_is_read(tufjs, nginx, work):
    # (Beyond ASCII its own lengths are wrong: it counts characters for bytes.)
    targets = {"one.txt": "content of one", "a b.txt": "", "c+d.txt": "three"}
    folder, server, client = mocked(tufjs, nginx, work, **targets)
    root = (folder / "metadata" / "1.root.json").read_bytes()
    assert client.init(root) == 0, client.error
    assert client.refresh() == 0, client.error
    assert client.download(*targets) == 0, client.error
    assert client.downloaded() == [text.encode() for text in targets.values()]
    for role in ("timestamp", "snapshot", "targets"):
        assert client.stored(role) == (folder / "metadata" / f"{role}.json").read_bytes()
    assert server.requests()[0].startswith("GET /metadata/2.root.json - 404")


def test_their_repository_is_refused_when_it_is_damaged(tufjs, nginx, work):
    folder, _, client = mocked(tufjs, nginx, work, **{"one.txt": "content of one"})
    assert client.init((folder / "metadata" / "1.root.json").read_bytes()) == 0, client.error
    (folder / "targets" / "one.txt").write_text("content of 0ne")
    assert client.download("one.txt") == 1
    assert "sha256 differs from the signed one" in client.error
    assert client.downloaded() == []
    file = folder / "metadata" / "targets.json"
    file.write_text(file.read_text().replace("one.txt", "two.txt"))
    assert client.refresh() == 0        # it has the signed one already
    (client.metadata / "targets.json").unlink()
    assert client.refresh() == 1
