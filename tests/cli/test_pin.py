"""`ferry pin` and `ferry unpin`: a model keeps its version, whatever the catalog has."""

import shutil

import pytest

from kills import Moments
from test_fetch import (client, prepared, publisher, signed)  # noqa: F401 (fixtures)
from test_old_versions import fetched, publish, versions  # noqa: F401 (fixture)

NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture
def pinned(ferry, client, publish):
    """Version 1 is in the store and pinned; the catalog has version 2."""
    ferry("fetch", "-q", "tiny")
    ferry("pin", "-q", "tiny")
    publish(2)


def test_a_pinned_model_is_fetched_in_its_version_and_fetch_says_so(ferry, pinned):
    result = ferry("fetch", "tiny")
    assert "demo/tiny:q8_0 is pinned at version 1; the catalog has version 2" in result.err
    model = fetched(ferry, "tiny")
    assert (model["version"], model["fetched"], model["pinned"]) == (1, 0, True)
    assert versions(ferry) == {"q8_0": 1}


def test_run_and_offline_use_the_pinned_version(ferry, client, pinned):
    ferry("fetch", "-q", "tiny@2")
    path = ferry("store", "path", "tiny").out
    assert ferry("run", "tiny", "--", "echo", "{}").out == path
    client(NOWHERE)
    assert fetched(ferry, "tiny", "--offline")["version"] == 1
    assert fetched(ferry, "tiny", "--offline")["pinned"]


def test_another_version_can_be_fetched_by_its_number(ferry, pinned):
    assert fetched(ferry, "tiny@2")["version"] == 2
    assert versions(ferry) == {"q8_0": 1, "q8_0@2": 2}


def test_update_leaves_a_pinned_model_and_says_so(ferry, pinned):
    result = ferry("update")
    assert "demo/tiny:q8_0 stays: pinned at version 1" in result.err
    [left] = ferry("update", "--json").json["left"]
    assert left["pinned"] and left["update"]["version"] == 2
    assert versions(ferry) == {"q8_0": 1}
    assert "pinned at version 1; " in ferry("outdated").out
    assert ferry("outdated", "--json").json["updates"] == 0


def test_store_list_says_what_is_pinned(ferry, pinned):
    ferry("outdated")
    [variant] = ferry("store", "list", "--json").json["variants"]
    assert variant["pinned"] and variant["state"] == "outdated"
    assert ", pinned\n" in ferry("store", "list").out


def test_an_unpinned_model_is_updated_and_its_version_kept(ferry, pinned):
    assert "demo/tiny:q8_0 is no longer pinned" in ferry("unpin", "tiny").err
    ferry("update", "-q")
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}


def test_pinning_an_earlier_version_gives_it_the_plain_name_without_a_download(
        ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("fetch", "-q", "tiny")
    assert "demo/tiny:q8_0 is pinned at version 1" in ferry("pin", "tiny@1").err
    model = fetched(ferry, "tiny")
    assert (model["version"], model["fetched"]) == (1, 0)
    assert versions(ferry) == {"q8_0": 1, "q8_0@1": 1, "q8_0@2": 2}
    ferry("unpin", "-q", "tiny")
    model = fetched(ferry, "tiny")
    assert (model["version"], model["fetched"]) == (2, 0)


def test_a_pin_moves_to_another_version(ferry, pinned):
    ferry("fetch", "-q", "tiny@2")
    ferry("pin", "-q", "tiny@2")
    assert ferry("pin", "--json").json["pinned"] == [
        {"repository": "demo", "model": "tiny", "variant": "q8_0", "version": 2}]
    assert fetched(ferry, "tiny")["version"] == 2


def test_a_pinned_version_is_not_removed(ferry, pinned):
    error = ferry("store", "remove", "tiny", check=8)
    assert "demo/tiny:q8_0 is pinned" in error.err and "ferry unpin demo/tiny:q8_0" in error.err
    ferry("store", "gc")
    ferry("unpin", "-q", "tiny")
    ferry("store", "remove", "-q", "tiny")


def test_a_pinned_version_that_left_the_catalog_stays(ferry, publisher, pinned):
    publisher.ferry("catalog", "prune", "-q", cwd=publisher.dir)
    publisher.sign()
    result = ferry("fetch", "tiny")
    assert "tiny:q8_0 is pinned at version 1, which is not in the catalog; using the model in " \
        "the store" in result.err
    publisher.ferry("catalog", "remove", "-q", "tiny", cwd=publisher.dir)
    publisher.sign()
    assert fetched(ferry, "tiny")["version"] == 1
    assert ferry("pin", "--json").json["pinned"][0]["version"] == 1


def test_a_pinned_version_that_was_withdrawn_is_refused(ferry, publisher, pinned):
    publisher.ferry("catalog", "withdraw", "-q", "--reason", "wrong weights", "tiny@1",
                    cwd=publisher.dir)
    publisher.sign()
    err = ferry("fetch", "tiny", check=6).err
    assert "wrong weights" in err and "`ferry unpin tiny:q8_0` lets it change" in err


def test_a_pinned_version_with_a_missing_file_is_fetched_again(ferry, pinned):
    for blob in (ferry.store / "blobs/sha256").iterdir():
        blob.unlink()
    model = fetched(ferry, "tiny")
    assert model["version"] == 1 and model["fetched"] > 0
    assert ferry("pin", "--json").json["pinned"]


def test_what_is_not_in_the_store_cannot_be_pinned(ferry, client, publish):
    assert "`ferry fetch tiny` fetches it" in ferry("pin", "tiny", check=3).err
    ferry("fetch", "-q", "tiny")
    publish(2)
    error = ferry("pin", "tiny@2", check=3)
    assert "tiny@2 is not in the store" in error.err and "`ferry fetch tiny@2`" in error.err


def test_only_a_numbered_version_must_be_named(ferry, client):
    ferry("fetch", "-q", "tiny@1")
    error = ferry("pin", "tiny", check=3)
    assert "only under the number" in error.err and "demo/tiny:q8_0@1" in error.err
    ferry("pin", "-q", "tiny@1")
    assert versions(ferry) == {"q8_0": 1, "q8_0@1": 1}


def test_unpin_of_what_is_not_pinned_says_so(ferry, client, pinned):
    ferry("fetch", "-q", "tiny@2")
    assert "was not pinned at this version" in ferry("unpin", "tiny@2").err
    assert ferry("unpin", "--json", "tiny@1").json["unpinned"][0]["version"] == 1
    assert "was not pinned" in ferry("unpin", "tiny").err
    assert "nothing is pinned" in ferry("pin").err


def test_a_damaged_pin_keeps_the_version_and_is_reported(ferry, pinned):
    (ferry.store / "models/demo/tiny/q8_0/.pinned").write_text("{")
    result = ferry("fetch", "tiny")
    assert ".pinned cannot be read" in result.err
    ferry("update")
    assert versions(ferry) == {"q8_0": 1}
    ferry("unpin", "-q", "tiny")
    ferry("update", "-q")
    assert versions(ferry)["q8_0"] == 2


def test_a_kill_at_any_step_of_a_pin_loses_no_version(ferry, work, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("fetch", "-q", "tiny")
    before = work / "before"
    shutil.copytree(ferry.store, before, symlinks=True)
    moments = Moments(work, lambda env: ferry("pin", "-q", "tiny@1", env=env))
    killed = 0
    for env in moments.some(6):
        shutil.rmtree(ferry.store)
        shutil.copytree(before, ferry.store, symlinks=True)
        killed += ferry("pin", "-q", "tiny@1", check=None, env=env).code < 0
        ferry("store", "gc")
        assert fetched(ferry, "--offline", "tiny@2")["version"] == 2
        ferry("pin", "-q", "tiny@1")
        assert versions(ferry) == {"q8_0": 1, "q8_0@1": 1, "q8_0@2": 2}
    assert killed
