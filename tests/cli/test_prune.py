"""`ferry push --prune`: old files go when no reader can need them any more. Files keep the time when
they were written, and the clock of the commands is moved forward."""

import hashlib
import json
import os
import shutil
import time

import pytest

from conftest import preloaded
from kills import Moments
from published import mirror, publisher, signed_base  # noqa: F401

DAY = 86400


class Reader:
    """A client that refreshed from a mirror on some day, and has its metadata since."""

    def __init__(self, publisher, name="a"):
        self.publisher = publisher
        self.folder = publisher.dir / f"reader-{id(self)}"
        shutil.copytree(publisher.mirror(name) / "metadata", self.folder / "metadata")
        (self.folder / "targets").mkdir()
        for document in (publisher.mirror(name) / "targets").glob("*.json*"):
            shutil.copy(document, self.folder / "targets")

    def newest(self, role):
        found = list((self.folder / "metadata").glob(f"*.{role}.json"))
        return max(found, key=lambda path: int(path.name.partition(".")[0]))

    def keys(self):
        """Key → SHA-256 of every object that its metadata names."""
        targets = json.loads(self.newest("targets").read_text())["signed"]["targets"]
        found = {}
        for path, target in targets.items():
            folder, _, name = path.rpartition("/")
            digest = target["hashes"]["sha256"]
            found["/".join(filter(None, ["targets", folder, f"{digest}.{name}"]))] = digest
        return found

    def missing(self, name="a"):
        """The objects that it cannot get from a mirror."""
        def is_there(key, digest):
            path = self.publisher.mirror(name) / key
            return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
        return {k for k, d in self.keys().items() if not is_there(k, d)}

    def fetch(self, model, at, check=0):
        """The client of this project: metadata as it was then, files from the mirrors."""
        conf = self.folder / "ferry.conf"
        conf.write_text(f"[repository.test]\nmetadata = file://{self.folder}\n"
                        f"root = metadata/1.root.json\n")
        shutil.rmtree(self.publisher.ferry.store, ignore_errors=True)
        return self.publisher("fetch", "--config", conf, model, at=at, check=check)


@pytest.fixture
def replaced(publisher):
    """A release with the models tiny and second was replaced by one without tiny, today."""
    publisher.add_model("second", seed=2)
    publisher("push")
    publisher.old = Reader(publisher)
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    publisher("push")
    return publisher


def push(publisher, day, *options, check=0):
    """A push on a later day, with metadata that is valid then."""
    at = f"+{day} days"
    publisher("catalog", "refresh", at=at)
    return publisher("push", "--prune", "--json", *options, at=at, check=check)


def removed(result):
    """Mirror → keys that were removed."""
    return {m["mirror"]: {i["key"] for i in m["items"] if i["removed"]}
            for m in result.json["pruned"]}


def objects(publisher, name="a"):
    return {str(p.relative_to(publisher.mirror(name)))
            for p in (publisher.mirror(name) / "targets").rglob("*") if p.is_file()}


def assert_complete(publisher, at):
    """The current release is whole on every mirror."""
    result = publisher("verify", "--full", "--json", at=at)
    assert {m["result"] for m in result.json["mirrors"]} == {"ok"}


def test_readers_of_old_metadata_get_every_object_until_the_grace_time_is_over(replaced):
    """Snapshots are valid for 30 days, and the grace time is 30 days."""
    readers = {0: replaced.old, 1: Reader(replaced)}
    for day in (0, 3, 13, 29, 31, 45, 59):
        assert removed(push(replaced, day)) == {"a": set(), "b": set(), "c": set()}
        assert not any(reader.missing() for reader in readers.values())
        assert_complete(replaced, f"+{day} days")
    old = replaced.old.keys().keys() - Reader(replaced).keys().keys()
    assert sum("tiny" in key for key in old) == 4
    result = push(replaced, 61)
    for name in "abc":
        assert {k for k in removed(result)[name] if k.startswith("targets/")} == old
        assert replaced.old.missing(name) == old
        assert_complete(replaced, "+61 days")
    assert all(m["removed_bytes"] > 8 << 20 for m in result.json["pruned"])
    assert removed(push(replaced, 62))["a"] & old == set()


def test_a_client_with_old_metadata_fetches_during_the_grace_time(replaced):
    push(replaced, 13)
    replaced.old.fetch("tiny", at="+13 days")
    push(replaced, 61)
    replaced.old.fetch("second", at="+13 days")
    assert "tiny" in replaced.old.fetch("tiny", at="+13 days", check=None).err


def test_the_grace_time_is_set_in_the_configuration(replaced):
    replaced.configure(more="[publish]\nprune-after = 2d\n")
    assert not removed(push(replaced, 31))["a"]
    assert any("tiny" in key for key in removed(push(replaced, 33))["a"])
    replaced.configure(more="[publish]\nprune-after = soon\n")
    assert "prune-after" in replaced("push", check=2).err


def test_old_metadata_goes_and_roots_stay(replaced):
    replaced("catalog", "rotate", "timestamp")
    result = push(replaced, 61)
    metadata = {p.name for p in (replaced.mirror() / "metadata").iterdir()}
    assert {"1.root.json", "2.root.json", "timestamp.json"} <= metadata
    old = replaced.old.newest("snapshot").name
    assert old not in metadata and f"metadata/{old}" in removed(result)["a"]
    assert f"metadata/{replaced.old.newest('targets').name}" in removed(result)["a"]


def test_a_dry_run_shows_what_would_go_and_removes_nothing(replaced):
    replaced("catalog", "refresh", at="+61 days")
    before = objects(replaced)
    result = replaced("push", "--prune", "--dry-run", "--json", at="+61 days")
    assert objects(replaced) == before
    pruned = result.json["pruned"][0]
    assert pruned["files"] == len(pruned["items"]) > 2 and pruned["removed"] == 0
    assert sum(i["size"] for i in pruned["items"]) == pruned["bytes"]
    text = replaced("push", "--prune", "--dry-run", at="+61 days").out
    assert "would be removed" in text and "tiny" in text
    assert any("tiny" in key for key in removed(push(replaced, 61))["a"])


def test_nothing_is_removed_without_the_option(replaced):
    before = objects(replaced)
    replaced("catalog", "refresh", at="+100 days")
    result = replaced("push", "--json", at="+100 days")
    assert "pruned" not in result.json and objects(replaced) == before


def test_files_of_others_are_left_alone(replaced):
    for name in ("targets/models/notes.txt", "targets/README", "metadata/own.txt", "index.html"):
        path = replaced.mirror() / name
        path.write_text("mine")
    push(replaced, 61)
    for name in ("targets/models/notes.txt", "targets/README", "metadata/own.txt", "index.html"):
        assert (replaced.mirror() / name).read_text() == "mine"


def test_young_objects_that_no_release_names_stay(replaced):
    """Another publisher puts objects first, and the release that names them last."""
    young = replaced.mirror() / "targets/models/next" / ("0" * 64 + ".next.gguf")
    young.parent.mkdir()
    young.write_bytes(b"in the making")
    assert not removed(push(replaced, 29))["a"]
    assert young.exists()
    push(replaced, 61)
    assert not young.exists()


def test_what_a_mirror_that_lags_shows_stays_on_the_others(replaced):
    """Clients take metadata from one mirror and objects from another."""
    replaced.configure(*[mirror(n) for n in "abc"], more="[publish]\nquorum = 1\n")
    shutil.rmtree(replaced.mirror("c"))
    shutil.copytree(replaced.mirror("b"), replaced.mirror("c"))
    shutil.rmtree(replaced.mirror("c") / "metadata")
    shutil.copytree(replaced.old.folder / "metadata", replaced.mirror("c") / "metadata")
    result = push(replaced, 61, "-m", "a", "-m", "b")
    assert not any("tiny" in key for key in removed(result)["a"])
    assert not replaced.old.missing("a")
    replaced("push", at="+61 days")
    for path in (replaced.mirror("c") / "metadata").iterdir():
        if not (replaced.old.folder / "metadata" / path.name).exists():
            moment = time.time() + 61 * DAY
            os.utime(path, (moment, moment))
    assert not any("tiny" in key for key in removed(push(replaced, 90))["a"])
    assert any("tiny" in key for key in removed(push(replaced, 92))["a"])


def test_a_mirror_that_cannot_be_read_stops_the_pruning(replaced):
    (replaced.dir / "file").write_text("in the way")
    replaced.configure(mirror("a"), mirror("z", kind="git", remote="nowhere"),
                       more="[publish]\nquorum = 1\n")
    before = objects(replaced)
    result = push(replaced, 61, check=2)
    assert objects(replaced) == before
    assert not any(removed(result).values())
    result = replaced("push", "--prune", "-m", "a", at="+61 days", check=2)
    assert "nothing was removed, because mirror z cannot be read" in result.err


def test_what_a_web_server_shows_is_needed_too(replaced, nginx):
    """A mirror that can only be read has an old release; when it is down, nobody knows."""
    public = replaced.dir / "public"
    shutil.copytree(replaced.old.folder / "metadata", public / "metadata")
    web = nginx(public)
    replaced.configure(mirror("a"), mirror("w", kind="http", url=web.url))
    assert not any("tiny" in key for key in removed(push(replaced, 61))["a"])
    (public / "metadata").rename(public / "moved")
    replaced.configure(mirror("a"), mirror("w", kind="http", url="http://127.0.0.1:1/"))
    replaced.ferry.env.update(preloaded("clock"))
    before = objects(replaced)
    push(replaced, 62, check=4)
    assert objects(replaced) == before
    replaced.configure(mirror("a"), mirror("w", kind="http", url=web.url))
    assert any("tiny" in key for key in removed(push(replaced, 62))["a"])


def test_metadata_that_cannot_be_read_keeps_all_objects(replaced):
    """Nobody knows what the readers of that metadata need."""
    name = replaced.old.newest("targets").name
    for folder in (replaced.tree, *(replaced.mirror(n) for n in "abc")):
        (folder / "metadata" / name).unlink()
    before = objects(replaced)
    result = push(replaced, 20, check=3)
    assert f"metadata/{name}" in result.json["error"]["message"]
    assert objects(replaced) == before
    push(replaced, 61)                      # no reader can need it any more
    assert objects(replaced) < before


def test_metadata_is_read_from_any_mirror_that_has_it(replaced):
    name = replaced.old.newest("targets").name
    for folder in (replaced.tree, replaced.mirror("a"), replaced.mirror("b")):
        (folder / "metadata" / name).unlink()
    (replaced.mirror("b") / "metadata" / name).write_text("damaged")
    assert not removed(push(replaced, 20))["a"]
    assert not replaced.old.missing("a")


def test_a_mirror_of_another_publisher_is_not_pruned(replaced):
    shutil.copytree(replaced.tree, replaced.dir / "theirs")
    replaced("catalog", "refresh", "--repository", "theirs", "--keys", "keys", at="+61 days")
    replaced("catalog", "refresh", "--repository", "theirs", "--keys", "keys", at="+61 days")
    replaced("push", "--repository", "theirs", "-m", "b", at="+61 days")
    before = {name: objects(replaced, name) for name in "abc"}
    push(replaced, 61, check=8)
    assert {name: objects(replaced, name) for name in "abc"} == before
    result = replaced("push", "--prune", "-m", "a", at="+61 days", check=8)
    assert "another publisher" in result.err
    assert {name: objects(replaced, name) for name in "abc"} == before


def test_a_mirror_of_objects_alone_is_pruned_too(replaced):
    replaced.configure(mirror("a"), mirror("b", holds="objects"), mirror("c"))
    assert not removed(push(replaced, 29))["b"]
    result = removed(push(replaced, 61))
    assert any("tiny" in key for key in result["b"])
    assert not any(key.startswith("metadata/") for key in result["b"])


def test_a_release_that_is_not_shown_prunes_nothing(replaced):
    folder = replaced.mirror("broken") / "targets"
    folder.mkdir(parents=True)
    (folder / "models").write_text("in the way of a folder")
    replaced.configure(mirror("a"), mirror("b", path="mirrors/broken"))
    before = objects(replaced)
    result = push(replaced, 61, check=7)
    assert {m["outcome"] for m in result.json["mirrors"]} == {"held-back", "failed"}
    assert result.json["pruned"] == [] and objects(replaced) == before


@pytest.mark.parametrize("options", [["--plan", "plan.json"], ["--apply", "plan.json"]])
def test_a_plan_does_not_prune(publisher, options):
    assert "--prune" in publisher("push", "--prune", *options, check=2).err


def test_killed_at_any_moment_the_release_is_whole_and_the_next_run_finishes(replaced):
    replaced.configure(mirror("a"))
    replaced("catalog", "refresh", at="+61 days")
    replaced("push", at="+61 days")
    seed = replaced.dir / "seed"
    shutil.copytree(replaced.mirror(), seed)

    def prune(env=None, check=0):
        return replaced("push", "--prune", env=env, at="+61 days", check=check)
    moments = Moments(replaced.dir, lambda env: prune(env))
    left = objects(replaced)
    killed = 0
    for env in moments.some(12):
        shutil.rmtree(replaced.mirror())
        shutil.copytree(seed, replaced.mirror())
        killed += prune(env, check=None).code != 0
        assert_complete(replaced, "+61 days")
        prune()
        assert objects(replaced) == left
    assert killed >= 6
