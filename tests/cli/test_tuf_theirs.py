"""Repositories that npm's TUF packages made and signed, read by our clients: the one of the
conformance suite, and `ferry` itself.

A description of a repository (tuf_js.js makes it) has:
    top             role → {keys: kinds, threshold}; one Ed25519 key unless said otherwise
    roots           how many versions of root there are, each with new keys for every role
    consistent      consistent snapshots? yes unless false
    delegations     [{from, name, keys, threshold, paths or prefixes, terminating}], or hash bins
                    with {name, bins: bits}
    targets         [{path, content or file, role}]; the bin of hash bins is found
    extra           what stands in every metadata file besides
"""
import hashlib
import json

import pytest

import publisher
import tuf_simulator
from conftest import TOOLS
from tuf_fixtures import tufjs   # noqa: F401 (fixture)

KINDS = ["ed25519", "ecdsa", "ecdsa-sha2-nistp256", "rsa"]
EXTRA = {"\u00fc\U0001f600 \u007f": ["\n\t\"\\/", -1, 0, 2**53 - 1, True, False, None, {}, []]}
FILES = {"one.txt": "content of one", "dir/a b.txt": "two", "dir/c+d&e=?#.txt": "three",
         "dir/\u00fc/\U0001f600.txt": "four", "empty": ""}


@pytest.fixture
def theirs(tufjs, nginx, work):
    """theirs(**description): the folder, and our client with its first root."""
    def make(**description):
        folder = work / "theirs"
        tufjs.make(folder, extra=EXTRA, **description)
        server = nginx(folder)
        client = tuf_simulator.Client(TOOLS / "tuf-client", work / "client", server)
        assert client.init((folder / "metadata" / "1.root.json").read_bytes()) == 0, client.error
        return folder, client
    return make


def targets(files, role=None):
    return [{"path": path, "content": content, "role": role} for path, content in files.items()]


def assert_reads(client, files):
    assert client.download(*files) == 0, client.error
    assert client.downloaded() == [content.encode() for content in files.values()]


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key(theirs, kind, consistent):
    top = {role: {"keys": [kind]} for role in ("root", "timestamp", "snapshot", "targets")}
    folder, client = theirs(top=top, consistent=consistent, targets=targets(FILES))
    assert_reads(client, FILES)
    names = {"root": "1.root"} | {role: f"1.{role}" if consistent else role
                                  for role in ("snapshot", "targets")}
    for role, name in names.items():
        assert client.stored(role) == (folder / "metadata" / f"{name}.json").read_bytes()


def test_rotations_and_thresholds_of_mixed_keys(theirs):
    folder, client = theirs(
        roots=4, targets=targets(FILES),
        top={"root": {"keys": KINDS, "threshold": 3}, "targets": {"keys": KINDS, "threshold": 4},
             "timestamp": {"keys": ["rsa", "ecdsa"], "threshold": 2}})
    assert_reads(client, FILES)
    assert client.trusted()["root"] == 4
    last = folder / "metadata" / "4.root.json"
    root = json.loads(last.read_text())
    assert len(root["signatures"]) == 8     # of both roots


@pytest.mark.parametrize("role", ["2.root", "1.targets", "timestamp"])
def test_signatures_below_the_threshold(theirs, role):
    """Of four keys of four kinds all must sign, and one does not."""
    four = {"keys": KINDS, "threshold": 4}
    folder, client = theirs(roots=2, targets=targets(FILES),
                            top={name: four for name in ("root", "targets", "timestamp")})
    file = folder / "metadata" / f"{role}.json"
    document = json.loads(file.read_text())
    document["signatures"][0]["sig"] = document["signatures"][1]["sig"]
    file.write_text(json.dumps(document))
    assert client.download("one.txt") == 1
    assert client.downloaded() == []


@pytest.mark.parametrize("kind", KINDS)
def test_delegations_by_path_and_by_hash(theirs, kind):
    names = {"a/x.txt": "x", "a/deep/y.txt": "y", "odd": "z"}
    prefix = hashlib.sha256(b"odd").hexdigest()[:3]
    _, client = theirs(
        delegations=[
            {"name": "first", "keys": [kind], "paths": ["a/*.txt"]},
            {"name": "second", "keys": [kind, "ed25519"], "threshold": 2, "paths": ["a/*/*"]},
            {"name": "../odd name", "keys": [kind], "prefixes": [prefix], "terminating": True},
            {"from": "second", "name": "third", "keys": [kind], "paths": ["a/deep/?.txt"]}],
        targets=[*targets(FILES), {"path": "a/x.txt", "content": "x", "role": "first"},
                 {"path": "a/deep/y.txt", "content": "y", "role": "third"},
                 {"path": "odd", "content": "z", "role": "../odd name"},
                 {"path": "a/not.here", "content": "w", "role": "first"}])
    assert_reads(client, names)
    assert client.download("a/not.here") == 1   # its role may not speak for it
    assert client.download("a/none.txt") == 1
    assert client.download("one.txt") == 0


@pytest.mark.parametrize("bits", [1, 3, 8, 10])
def test_hash_bins(theirs, bits):
    files = {f"models/{i}/file {i}.gguf": f"content {i}" for i in range(20)}
    _, client = theirs(delegations=[{"name": "bin", "bins": bits, "keys": ["ecdsa"]}],
                       targets=targets(files, "bins"))
    assert_reads(client, files)
    assert client.download("models/20/file 20.gguf") == 1
    assert len(client.downloaded()) == 20


@pytest.mark.parametrize("shape", ["plain", "delegated", "bins", "not consistent"])
def test_ferry_fetches_a_model_from_it(ferry, work, make_gguf, tufjs, nginx, shape):
    """What our publisher signed, signed by theirs instead."""
    ours = publisher.Publisher(ferry, work)
    gguf = make_gguf(work / "tiny.gguf", "--size", "9M")
    ferry("prepare", "-q", "tiny", gguf, "--set", "license.id=MIT", "--set", "summary=s", "-o",
          ours.dir / "tiny", cwd=ours.dir)
    ours.add(ours.dir / "tiny")
    theirs = nginx(work / "theirs")
    ours.sign(theirs=theirs.url)
    signed = json.loads(next(ours.tree.glob("metadata/2.targets.json")).read_text())["signed"]
    files = []
    for path, entry in signed["targets"].items():
        folder, _, name = f"targets/{path}".rpartition("/")
        files.append({"path": path, "file": str(
            ours.tree / folder / f"{entry['hashes']['sha256']}.{name}")})
    how = {"plain": {"top": {"root": {"keys": ["rsa"]}, "targets": {"keys": ["ecdsa"]}}, "roots": 3},
           "delegated": {"delegations": [{"name": "models", "keys": ["rsa"],
                                          "paths": ["models/*/*"]}]},
           "bins": {"delegations": [{"name": "bin", "bins": 4, "keys": ["ecdsa", "rsa"],
                                     "threshold": 2}]},
           "not consistent": {"consistent": False}}[shape]
    for file in files:
        if file["path"].startswith("models/"):
            file["role"] = {"delegated": "models", "bins": "bins"}.get(shape)
    tufjs.make(work / "theirs", targets=files, **how)
    home = work / "reader"
    home.mkdir()
    root = work / "theirs" / "metadata" / "1.root.json"
    (home / "ferry.conf").write_text(
        f"[repository.demo]\nmetadata = {theirs.url}\nroot = {root}\n")
    ferry("fetch", "tiny", "-q", "-o", home / "out.gguf", cwd=home,
          env={"FERRY_HOME": home / "store"})
    assert (home / "out.gguf").read_bytes() == publisher.object_path(
        ours.tree, "tiny-q8_0.gguf").read_bytes()
