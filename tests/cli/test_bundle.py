"""A release as one file: `push --bundle`, and reading it without a network."""

import fcntl
import fnmatch
import hashlib
import json
import shutil
import subprocess

import pytest

from conftest import Ferry
from kills import Moments
from published import Publisher, flip, mirror, publisher, signed_base  # noqa: F401 (fixtures)


@pytest.fixture(scope="session")
def three(signed_base, tmp_path_factory):  # noqa: F811
    """Made once: a repository of three models, one of two pieces, and its bundle."""
    made = Publisher(Ferry(tmp_path_factory.mktemp("three")))
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, made.dir / name)
    made.configure("# no mirrors")
    made.add_model("second", "1M", seed=2)
    made.add_model("third", "1M", seed=3)
    made("push", "--bundle", "all.ferry-bundle")
    return made


@pytest.fixture
def bundle(three, work):
    return shutil.copy(three.dir / "all.ferry-bundle", work / "copy.ferry-bundle")


@pytest.fixture
def reader(three, work):
    """Somebody elsewhere who knows nothing but the SHA-256 of the root."""
    home = work / "reader"
    home.mkdir()
    made = Ferry(home)
    made.pin = hashlib.sha256((three.tree / "metadata/1.root.json").read_bytes()).hexdigest()
    return made


def index_of(path):
    shown = subprocess.run(["tar", "-xOf", path, "ferry-bundle.json"], check=True,
                           capture_output=True)
    return json.loads(shown.stdout)


def object_at(path, pattern):
    """Where an object begins in the file: its offset counts from the end of the index."""
    with open(path, "rb") as f:
        length = int(f.read(512)[124:135], 8)
    base = 512 + -(-length // 512) * 512
    found = [o for o in index_of(path)["objects"] if fnmatch.fnmatch(o["key"], pattern)]
    assert len(found) == 1, found
    return base + found[0]["offset"]


def test_a_machine_without_a_network_adds_a_bundle_and_fetches_from_it(bundle, reader):
    reader("repository", "add", "acme", bundle, "--root-sha256", reader.pin)
    for name in ("tiny", "second", "third"):
        got = reader("fetch", name, "--json").json
        assert got["models"][0]["fetched"] == got["models"][0]["size"]
        assert [s["url"] for s in got["sources"]] == [f"file://{bundle}"]
    assert [m["id"] for m in reader("list", "--json").json["models"]] == ["second", "third", "tiny"]


def test_fetch_from_a_bundle_asks_nobody_else(bundle, reader, nginx, three):
    with_server = nginx(three.tree)
    reader("repository", "add", "acme", with_server.url, "--root-sha256", reader.pin)
    before = len(with_server.requests())
    reader("fetch", "tiny", "--from", bundle)
    assert len(with_server.requests()) == before
    assert "no such file" in reader("fetch", "tiny", "--from", "nowhere", check=3).err
    assert "exclude" in reader("fetch", "tiny", "--offline", "--from", bundle, check=2).err


def test_the_same_release_is_the_same_bundle_which_tar_unpacks_to_a_mirror(three, work, ferry):
    three("push", "--bundle", work / "again.ferry-bundle")
    assert (work / "again.ferry-bundle").read_bytes() == \
        (three.dir / "all.ferry-bundle").read_bytes()
    (work / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", work / "again.ferry-bundle", "-C", work / "unpacked"], check=True)
    url = f"file://{work / 'unpacked'}"
    assert three("verify", "--full", "--url", url, "--json").json["mirrors"][0]["result"] == "ok"


def test_verify_reads_a_bundle_as_any_mirror(three, bundle):
    assert three("verify", "--full", "--url", f"file://{bundle}", "--json").json["mirrors"][0][
        "result"] == "ok"
    flip(bundle, object_at(bundle, "*/tiny/*.gguf") + (9 << 20))
    bad = three("verify", "--full", "--url", f"file://{bundle}", "--json", check=1).json
    assert [f["verdict"] for f in bad["mirrors"][0]["files"] if f["verdict"] != "ok"] == ["corrupt"]


def test_a_bundle_can_be_a_mirror_of_ferry_conf_for_verify_but_not_for_push(publisher):  # noqa: F811
    publisher("push", "--bundle", "x.ferry-bundle")
    publisher.configure(mirror("b", kind="bundle", path="x.ferry-bundle"))
    assert publisher("verify", "--mirror", "b", "--full", "--json").json["mirrors"][0][
        "result"] == "ok"
    assert "read-only" in publisher("push", "--mirror", "b", check=2).err
    assert "release" in publisher("mirror", "probe", "--mirror", "b").out


def test_a_damaged_object_is_refused_and_a_truncated_bundle_is_incomplete(bundle, reader):
    reader("repository", "add", "acme", bundle, "--root-sha256", reader.pin)
    flip(bundle, object_at(bundle, "*/tiny/*.gguf") + 5000)
    assert "wrong bytes" in reader("fetch", "tiny", check=6).err
    with open(bundle, "r+b") as f:
        f.truncate(object_at(bundle, "*/timestamp.json") + 10)
    refused = reader("fetch", "second", "--from", bundle, check=6)
    assert "incomplete" in refused.err


@pytest.mark.parametrize("content", [b"", b"x" * 4000, b"\0" * 10240])
def test_a_file_that_is_no_bundle_says_so(reader, work, content):
    other = work / "other"
    other.write_bytes(content)
    refused = reader("repository", "add", "acme", other, "--root-sha256", reader.pin, check=6)
    assert "is not a bundle" in refused.err


def test_an_index_that_leads_elsewhere_is_caught_by_the_signed_digests(bundle, reader):
    """The index is not trusted: with the offsets of two objects swapped, nothing verifies."""
    with open(bundle, "r+b") as f:
        length = int(f.read(512)[124:135], 8)
        index = json.loads(f.read(length))
        a, b = (o for o in index["objects"] if fnmatch.fnmatch(o["key"], "*/[st]*d/*.gguf"))
        a["offset"], b["offset"] = b["offset"], a["offset"]
        f.seek(512)
        f.write(json.dumps(index, separators=(",", ":")).ljust(length).encode())
    reader("repository", "add", "acme", bundle, "--root-sha256", reader.pin)
    reader("fetch", "second", check=6)


def test_an_old_bundle_is_refused_after_newer_metadata(three, bundle, reader, work):
    reader("repository", "add", "acme", three.tree, "--root-sha256", reader.pin)
    newer = work / "newer"
    newer.mkdir()
    for name in ("repository", "keys", "ferry.conf"):
        source = three.dir / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, newer / name)
    three("catalog", "refresh", cwd=newer)
    three("push", "--bundle", "new.ferry-bundle", cwd=newer)
    reader("fetch", "second", "--from", newer / "new.ferry-bundle")
    refused = reader("fetch", "tiny", "--from", bundle, check=6)
    assert "rollback of timestamp" in refused.err


def test_only_some_models_go_into_a_bundle(three, work, reader):
    made = three("push", "--bundle", work / "one.ferry-bundle", "--only", "second", "--json").json
    keys = [o["key"] for o in index_of(work / "one.ferry-bundle")["objects"]]
    assert made["partial"] and made["bundle"]["objects"] == len(keys)
    assert {k.split("/")[2] for k in keys if k.startswith("targets/models/")} == {"second"}
    reader("repository", "add", "acme", work / "one.ferry-bundle", "--root-sha256", reader.pin)
    reader("fetch", "second")
    assert "the bundle does not have it" in reader("fetch", "tiny", check=4).err


def test_a_killed_run_is_continued_and_never_leaves_a_bundle(publisher, work):  # noqa: F811
    publisher("push", "--bundle", "whole.ferry-bundle")
    whole = (work / "whole.ferry-bundle").read_bytes()
    part = work / "x.ferry-bundle.part"
    # What a killed run leaves: the first piece, and half of the second, which is wrong.
    begin = object_at(work / "whole.ferry-bundle", "*/tiny/*.gguf")
    part.write_bytes(whole[:begin + (8 << 20)] + b"?" * 1000)
    done = publisher("push", "--bundle", "x.ferry-bundle", "--json").json["bundle"]
    assert (work / "x.ferry-bundle").read_bytes() == whole
    assert 8 << 20 <= done["kept"] < 9 << 20
    assert not part.exists()


def test_a_bundle_is_complete_or_not_there_whenever_the_command_is_killed(publisher, work):  # noqa: F811
    def write(env, **options):
        return publisher("push", "--bundle", "x.ferry-bundle", env=env, **options)
    moments = Moments(work, write).some(8)
    whole = (work / "x.ferry-bundle").read_bytes()
    (work / "x.ferry-bundle").unlink()
    for env in moments:
        for name in ("x.ferry-bundle", "x.ferry-bundle.part"):
            (work / name).unlink(missing_ok=True)
        assert write(env, check=None).code == -9
        assert not (work / "x.ferry-bundle").exists() or \
            (work / "x.ferry-bundle").read_bytes() == whole
    write(None)
    assert (work / "x.ferry-bundle").read_bytes() == whole


def test_two_processes_do_not_write_the_same_bundle(publisher, work):  # noqa: F811
    with open(work / "x.ferry-bundle.part", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process" in publisher("push", "--bundle", "x.ferry-bundle", check=8).err


def test_a_file_that_is_no_bundle_is_not_replaced(publisher, work):  # noqa: F811
    (work / "precious").write_text("mine")
    assert "no bundle" in publisher("push", "--bundle", "precious", check=2).err
    assert (work / "precious").read_text() == "mine"
    for more in (["--stage"], ["--mirror", "a"], ["--repair"], ["--plan", "p"]):
        publisher("push", "--bundle", "b", *more, check=2)
    assert "would write" in publisher("push", "--bundle", "b", "--dry-run").out
    assert not (work / "b").exists() and not (work / "b.part").exists()


def test_a_damaged_tree_gives_no_bundle(publisher, work):  # noqa: F811
    flip(publisher.on("repository", "*.gguf"), 9 << 20)
    publisher("push", "--bundle", "x.ferry-bundle", check=6)
    assert not (work / "x.ferry-bundle").exists()


def test_sync_copies_from_a_bundle_to_a_mirror(publisher, work):  # noqa: F811
    publisher("push", "--bundle", "x.ferry-bundle")
    publisher("sync", f"file://{work / 'x.ferry-bundle'}", "a")
    assert publisher.release("a")
