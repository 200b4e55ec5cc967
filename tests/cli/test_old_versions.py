"""Versions that were replaced: they are kept, found again, counted, and removed when told."""

import pathlib
import shutil
import signal
import subprocess

import pytest

from disks import read_only
from kills import Moments
from test_fetch import (client, prepared, publisher, sha256, signed)  # noqa: F401 (fixtures)
from test_poor_file_systems import EVERYTHING, lacking

KEPT = "{0} is kept: {1}; `ferry store remove {0}` removes it"


def versions(ferry):
    """{"q8_0": 2, "q8_0@1": 1}: what is in the store, and complete."""
    found = {}
    for v in ferry("store", "list", "--json").json["variants"]:
        model, = ferry("fetch", "--json", "--offline", f"{v['model']}:{v['variant']}"
                       ).json["models"]
        found[v["variant"]] = model["version"]
        assert v["complete"]
    return found


def fetched(ferry, *args):
    model, = ferry("fetch", "--json", *args).json["models"]
    return model


@pytest.fixture
def publish(publisher, prepared):
    """publish(3) publishes version 3, and so on, of 4 MiB each; version 1 has 30 MiB."""
    def sign(version):
        publisher.add(prepared("tiny", "4M", "--seed", str(version)))
        publisher.sign()
    return sign


@pytest.fixture
def replaced(ferry, client, publish):
    """Version 1 was fetched, and then version 2."""
    ferry("fetch", "-q", "tiny")
    publish(2)
    return ferry("fetch", "tiny")


# -- kept ------------------------------------------------------------------------------------------

def test_a_version_that_is_replaced_is_kept_and_fetch_says_what_it_takes(ferry, replaced):
    assert KEPT.format("demo/tiny:q8_0@1", "30.0 MiB") in replaced.err
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    ferry("store", "verify")
    ferry("store", "gc")
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}


def test_the_document_of_fetch_has_the_version_that_is_kept(ferry, client, publish):
    first = fetched(ferry, "tiny")
    publish(2)
    second = fetched(ferry, "tiny")
    assert "kept_version" not in first
    assert second["kept_version"] == {"version": 1, "bytes": first["size"]}
    assert "kept_version" not in fetched(ferry, "tiny")


def test_going_back_and_forth_downloads_nothing_that_is_there(ferry, replaced, publish):
    for reference, version in ("tiny@1", 1), ("tiny@2", 2), ("tiny", 2), ("tiny:q8_0@1", 1):
        model = fetched(ferry, reference)
        assert (model["version"], model["fetched"]) == (version, 0)
    publish(3)
    ferry("fetch", "-q", "tiny")
    assert versions(ferry) == {"q8_0": 3, "q8_0@2": 2, "q8_0@1": 1}
    assert fetched(ferry, "tiny@2")["fetched"] == 0


def test_the_plain_name_leads_to_the_newest_and_the_number_to_its_version(ferry, replaced):
    plain = pathlib.Path(ferry("store", "path", "tiny").out.strip())
    old = pathlib.Path(ferry("store", "path", "tiny@1").out.strip())
    assert plain.parent.name == "q8_0" and old.parent.name == "q8_0@1"
    assert sha256(plain) != sha256(old)


def test_a_kept_version_is_found_when_it_has_left_the_catalog(ferry, publisher, replaced):
    publisher.ferry("catalog", "prune", "-q", cwd=publisher.dir)
    publisher.sign()
    result = ferry("fetch", "tiny@1")
    assert "using the model in the store" in result.err
    assert result.out == ferry("store", "path", "tiny@1").out


def test_what_two_versions_share_is_not_counted_for_the_old_one(ferry, publisher, prepared, client):
    """The shards without the last block are the same in both."""
    publisher.add(prepared("split", "12M", "--shards", "3"))
    publisher.sign()
    first = fetched(ferry, "split")
    publisher.add(prepared("split", "12M", "--shards", "3", "--revision", "1"))
    publisher.sign()
    second = fetched(ferry, "split")
    shared = {f["sha256"] for f in first["files"]} & {f["sha256"] for f in second["files"]}
    own = sum(f["size"] for f in first["files"] if f["sha256"] not in shared)
    assert shared and second["kept_version"]["bytes"] == own


def test_in_a_read_only_store_a_kept_version_is_used_and_nothing_can_be_pinned(
        ferry, replaced):
    path = ferry("store", "path", "tiny@1").out
    with read_only(ferry.store) as confine:
        def run(*args):
            return subprocess.run(confine(ferry.command(*args)), cwd=ferry.work, text=True,
                                  env=ferry.environment(None), capture_output=True)
        found = run("fetch", "tiny@1")
        assert (found.returncode, found.stdout) == (0, path)
        assert "using the model in the store" not in found.stderr
        refused = run("pin", "tiny")
        assert refused.returncode == 7 and ".pinned" in refused.stderr


# -- removing --------------------------------------------------------------------------------------

def test_keep_versions_says_how_many_stay(ferry, client, publish):
    client(extra="\n[fetch]\nkeep-versions = 1\n")
    ferry("fetch", "-q", "tiny")
    publish(2)
    assert KEPT.format("demo/tiny:q8_0@1", "30.0 MiB") in ferry("fetch", "tiny").err
    publish(3)
    third = ferry("fetch", "tiny")
    assert "1 earlier version of demo/tiny:q8_0 removed, as keep-versions of ferry.conf says: " \
        "30.0 MiB freed" in third.err
    assert versions(ferry) == {"q8_0": 3, "q8_0@2": 2}


def test_with_keep_versions_0_the_replaced_version_is_removed_at_once(ferry, client, publish):
    client(extra="\n[fetch]\nkeep-versions = 0\n")
    size = fetched(ferry, "tiny")["size"]
    publish(2)
    model = fetched(ferry, "tiny")
    assert model["removed_versions"] == {"versions": 1, "bytes": size}
    assert "kept_version" not in model
    assert versions(ferry) == {"q8_0": 2}


def test_a_version_that_somebody_asked_for_is_not_removed_by_keep_versions(
        ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("fetch", "-q", "tiny")
    ferry("fetch", "-q", "tiny@1")      # it was only kept, until now
    client(extra="\n[fetch]\nkeep-versions = 0\n")
    publish(3)
    ferry("fetch", "-q", "tiny")
    assert versions(ferry) == {"q8_0": 3, "q8_0@1": 1}


def test_a_version_that_a_program_uses_is_not_removed_by_keep_versions(ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    client(extra="\n[fetch]\nkeep-versions = 0\n")
    running = ferry.start("run", "--offline", "tiny", "--", "sh", "-c", "echo on; read line",
                          "{}", stdin=subprocess.PIPE)
    try:
        assert running.stdout.readline() == "on\n"
        ferry("fetch", "-q", "tiny")
        assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    finally:
        running.communicate("\n")


def test_a_version_that_an_engines_folder_has_links_to_is_not_removed_by_keep_versions(
        ferry, work, client, publish):
    ferry("fetch", "-q", "tiny")
    ferry("store", "link", "-q", "tiny", "--engine", "directory", "--to", work / "engine")
    client(extra="\n[fetch]\nkeep-versions = 0\n")
    publish(2)
    ferry("fetch", "-q", "tiny")
    linked, = (work / "engine").rglob("*.gguf")
    assert sha256(linked) == sha256(ferry("store", "path", "tiny@1").out.strip())
    ferry("store", "unlink", "-q", "tiny")
    publish(3)
    ferry("fetch", "-q", "tiny")
    assert versions(ferry) == {"q8_0": 3}


def test_keep_versions_must_be_a_number_or_all(ferry, client):
    client(extra="\n[fetch]\nkeep-versions = few\n")
    assert "keep-versions" in ferry("fetch", "tiny", check=2).err


# -- killed ----------------------------------------------------------------------------------------

def test_a_kill_at_any_step_loses_no_version(ferry, work, client, publish):
    ferry("fetch", "-q", "tiny")
    before = work / "before"
    shutil.copytree(ferry.store, before, symlinks=True)
    publish(2)

    def reset():
        shutil.rmtree(ferry.store)
        shutil.copytree(before, ferry.store, symlinks=True)
    moments = Moments(work, lambda env: ferry("fetch", "-q", "tiny", env=env))
    killed = 0
    for env in moments.some(12):
        reset()
        result = ferry("fetch", "-q", "tiny", check=None, env=env)
        killed += result.code == -signal.SIGKILL
        ferry("store", "gc")
        # Version 1 has one of its names, or both, whatever happened.
        assert ferry("fetch", "--offline", "-q", "tiny@1").out
        ferry("fetch", "-q", "tiny")
        assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    assert killed >= 4


def test_two_processes_that_replace_the_same_version_keep_it_once(ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    both = [ferry.start("fetch", "-q", "tiny") for _ in range(2)]
    assert [p.wait() for p in both] == [0, 0], [p.communicate() for p in both]
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    for p in both:
        p.communicate()


# -- poor file systems -----------------------------------------------------------------------------

def test_a_version_is_kept_on_a_simulated_file_system_that_lacks_everything(
        ferry, client, publish):
    ferry.env.update(lacking(EVERYTHING))
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("fetch", "-q", "tiny")
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    assert fetched(ferry, "tiny@1")["fetched"] == 0
    ferry("store", "remove", "-q", "tiny@1")
    assert versions(ferry) == {"q8_0": 2}


def test_shards_of_a_kept_version_are_together_on_a_simulated_file_system_without_links(
        ferry, publisher, prepared, client):
    ferry.env.update(lacking(EVERYTHING))
    for revision in "12":
        publisher.add(prepared("split", "12M", "--shards", "3", "--revision", revision))
        publisher.sign()
        ferry("fetch", "-q", "split")
    paths = [pathlib.Path(p) for p in ferry("store", "path", "split@1").out.split()]
    assert len(paths) == 3 and {p.parent.name for p in paths} == {"q8_0@1"}
    assert all(p.is_file() for p in paths)


# -- store remove ----------------------------------------------------------------------------------

def test_remove_without_a_version_leaves_the_versions_beside_it_and_says_so(ferry, replaced):
    result = ferry("store", "remove", "tiny")
    assert "not removed: 1 other version of it" in result.err and "--all-versions" in result.err
    assert versions(ferry) == {"q8_0@1": 1}


def test_remove_all_versions_removes_what_is_beside_it_too(ferry, replaced):
    document = ferry("store", "remove", "--all-versions", "--json", "tiny").json
    assert [v["variant"] for v in document["removed"]] == ["q8_0", "q8_0@1"]
    assert document["left"] == [] and versions(ferry) == {}
    assert not list((ferry.store / "blobs/sha256").iterdir())


def test_remove_of_a_number_leaves_the_current_version(ferry, replaced):
    assert ferry("store", "remove", "--json", "tiny@1").json["left"] == []
    assert versions(ferry) == {"q8_0": 2}
