"""`ferry outdated` and `ferry update`: what is new, what changed, what it takes, and what stays."""

import pytest

from publisher import Publisher
from test_consent import ASKS, snapshot
from test_fetch import (client, prepared, publisher, signed)  # noqa: F401 (fixtures)
from test_old_versions import publish, versions  # noqa: F401 (fixture)
from typed import answered

NOWHERE = "http://127.0.0.1:1/"


def outdated(ferry, *args, **options):
    return ferry("outdated", "--json", *args, **options).json


def update(ferry, *args, **options):
    return ferry("update", "--json", *args, **options).json


@pytest.fixture
def second(publisher, prepared):
    """A second model, "nano", in two variants of the same size; it is signed."""
    publisher.add(prepared("nano", "2M", "--seed", "5"))
    publisher.sign()


@pytest.fixture
def behind(ferry, client, second, publisher, prepared):
    """Both models are in the store, and both have a newer version."""
    ferry("fetch", "-q", "tiny", "nano")
    publisher.add(prepared("tiny", "30M", "--revision", "1"))
    publisher.add(prepared("nano", "2M", "--seed", "6"))
    publisher.sign()


# -- outdated --------------------------------------------------------------------------------------

def test_outdated_lists_what_is_new_what_it_takes_and_what_changed(ferry, behind):
    nano, tiny = (line.split(maxsplit=5) for line in ferry("outdated").out.splitlines())
    assert nano[:3] == ["demo/nano:q8_0", "1", "2"] and tiny[:3] == ["demo/tiny:q8_0", "1", "2"]
    assert "tensors" in tiny[5]


def test_outdated_counts_only_what_is_to_be_downloaded(ferry, behind):
    """Of tiny only the last block is new."""
    nano, tiny = outdated(ferry)["models"]
    assert 0 < tiny["update"]["bytes"] < 20 << 20
    assert nano["update"]["bytes"] > 1 << 20
    document = outdated(ferry)
    assert document["download"] == nano["update"]["bytes"] + tiny["update"]["bytes"]
    assert (document["updates"], document["current"]) == (2, 0)


def test_outdated_changes_nothing_and_ends_with_0(ferry, behind):
    before = snapshot(ferry)
    ferry("outdated")
    assert snapshot(ferry) == before


def test_outdated_knows_the_changes_of_all_versions_since(ferry, client, publisher, prepared):
    ferry("fetch", "-q", "tiny")
    for seed in "23":
        publisher.add(prepared("tiny", "4M", "--seed", seed))
        publisher.sign()
    [model] = outdated(ferry)["models"]
    card = ferry("show", "--json", "tiny").json["model"]
    variant, = card["variants"]
    wanted = variant["changes"] + variant["superseded"][0]["changes"]
    assert model["update"]["version"] == 3 and model["changes"] == wanted


def test_outdated_offline_compares_with_the_catalog_that_is_known(ferry, client, behind):
    ferry("outdated")
    client(NOWHERE)
    assert len(outdated(ferry, "--offline")["models"]) == 2
    assert "demo" in ferry("outdated").err      # a warning: it is of the catalog that is known


def test_outdated_says_when_nothing_is(ferry, client):
    assert "the store has no models" in ferry("outdated").err
    ferry("fetch", "-q", "tiny")
    result = ferry("outdated")
    assert result.out == "" and "nothing is outdated" in result.err


def test_operands_choose_and_one_that_names_nothing_does_not_stop_the_others(ferry, behind):
    [model] = outdated(ferry, "nano")["models"]
    assert model["model"] == "nano"
    result = ferry("outdated", "--json", "nano", "missing", check=3)
    assert result.json["failed"][0]["operand"] == "missing"
    assert [m["model"] for m in result.json["models"]] == ["nano"]
    assert "names a version, which never changes" in ferry("outdated", "tiny@1", check=2).err


def test_a_version_fetched_by_its_number_is_not_outdated(ferry, client, publish):
    ferry("fetch", "-q", "tiny@1")
    publish(2)
    assert outdated(ferry)["models"] == []
    assert "only under the number of its version" in ferry("update", "tiny", check=3).err


# -- update ----------------------------------------------------------------------------------------

def test_update_brings_all_newer_versions_and_says_what_changed(ferry, behind):
    result = ferry("update")
    assert "demo/tiny:q8_0  version 1 to 2, " in result.out
    assert "  " + outdated_change(ferry) in result.out
    assert "demo/tiny:q8_0: version 2, " in result.err
    assert "demo/tiny:q8_0@1 is kept: " in result.err
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    assert outdated(ferry)["models"] == []


def outdated_change(ferry):
    variant, = ferry("show", "--json", "tiny").json["model"]["variants"]
    return variant["changes"][0]


def test_the_document_of_update(ferry, behind):
    document = update(ferry)
    assert [m["model"] for m in document["models"]] == ["nano", "tiny"]
    for model in document["models"]:
        assert (model["version"], model["update"]["version"]) == (1, 2)
        assert model["fetched"] == model["update"]["bytes"]
        assert model["fetched"] + model["reused"] == model["size"]
        assert model["kept_version"]["version"] == 1
    assert document["download"] == sum(m["fetched"] for m in document["models"])


def test_update_of_one_model_leaves_the_others(ferry, behind):
    assert [m["model"] for m in update(ferry, "nano")["models"]] == ["nano"]
    assert [m["model"] for m in outdated(ferry)["models"]] == ["tiny"]


def test_update_with_nothing_to_do_says_so(ferry, client):
    assert "the store has no models" in ferry("update").err
    ferry("fetch", "-q", "tiny")
    result = ferry("update")
    assert result.out == "" and "nothing to update" in result.err
    assert update(ferry)["current"] == 1


def test_update_dry_run_says_the_bytes_and_changes_nothing(ferry, behind):
    before = snapshot(ferry)
    document = update(ferry, "--dry-run")
    assert document["dry_run"] and document["download"] > 1 << 20
    assert [m["update"]["version"] for m in document["models"]] == [2, 2]
    assert "demo/nano:q8_0  version 1 to 2, " in ferry("update", "-n").out
    assert snapshot(ferry) == before


def test_update_goes_over_versions_in_between(ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    publish(3)
    assert update(ferry)["models"][0]["update"]["version"] == 3
    assert versions(ferry) == {"q8_0": 3, "q8_0@1": 1}


def test_one_model_that_fails_does_not_stop_the_others(ferry, publisher, behind):
    for blob in publisher.tree.glob("targets/models/nano/*.gguf"):
        blob.unlink()
    result = ferry("update", "--json", check=None)
    assert result.code != 0
    assert [m["model"] for m in result.json["models"]] == ["tiny"]
    assert [f["operand"] for f in result.json["failed"]] == ["demo/nano:q8_0"]
    assert "1 of 2 failed; the others are done" in result.err


def test_remove_old_removes_what_was_replaced_now_and_before(ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("update", "-q")
    publish(3)
    result = ferry("update", "--remove-old")
    assert "2 earlier versions removed: " in result.err and "is kept" not in result.err
    assert versions(ferry) == {"q8_0": 3}


def test_remove_old_works_with_nothing_to_update(ferry, client, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("update", "-q")
    removed = update(ferry, "--remove-old")["removed_versions"]
    assert removed["versions"] == 1 and removed["bytes"] > 1 << 20
    assert versions(ferry) == {"q8_0": 2}


# -- what stays ------------------------------------------------------------------------------------

def left(ferry):
    return {m["model"]: m for m in update(ferry)["left"]}


def test_a_withdrawn_model_is_named_with_its_replacement(ferry, client, second, publisher):
    ferry("fetch", "-q", "tiny", "nano")
    publisher.ferry("catalog", "withdraw", "-q", "--reason", "wrong weights", "--replacement",
                    "nano", "tiny", cwd=publisher.dir)
    publisher.sign()
    assert left(ferry)["tiny"]["state"] == "withdrawn"
    assert "demo/tiny:q8_0 stays: withdrawn: wrong weights; use nano instead" in \
        ferry("update").err
    assert "withdrawn: wrong weights; use nano instead" in ferry("outdated").out


def test_a_withdrawn_version_with_a_newer_one_is_updated(ferry, client, publisher, publish):
    ferry("fetch", "-q", "tiny")
    publish(2)
    publisher.ferry("catalog", "withdraw", "-q", "--reason", "wrong weights", "tiny@1",
                    cwd=publisher.dir)
    publisher.sign()
    [model] = update(ferry)["models"]
    assert model["reason"] == "wrong weights"
    assert versions_of(ferry) == 2


def versions_of(ferry):
    return ferry("fetch", "--json", "--offline", "tiny").json["models"][0]["version"]


def test_a_model_that_left_the_catalog_stays(ferry, client, second, publisher):
    ferry("fetch", "-q", "tiny", "nano")
    publisher.ferry("catalog", "remove", "-q", "nano", cwd=publisher.dir)
    publisher.sign()
    assert left(ferry)["nano"]["remark"] == "not in the catalog"
    assert ferry("store", "path", "nano").out


def test_a_model_whose_repository_was_removed_stays(ferry, work, client, publisher):
    ferry("fetch", "-q", "tiny")
    conf = work / "ferry.conf"
    conf.write_text(conf.read_text().replace("[repository.demo]", "[repository.other]"))
    assert left(ferry)["tiny"]["remark"] == "not known: its repository is not in ferry.conf"


# -- without a network -----------------------------------------------------------------------------

def test_update_without_a_network_is_an_error_that_says_what_there_is(ferry, client, behind):
    ferry("outdated")
    client(NOWHERE)
    result = ferry("update", check=4)
    assert result.err.count("so nothing is updated from there") == 1
    assert "ferry outdated --offline" in result.err
    assert versions_of(ferry) == 1


def test_a_repository_that_cannot_be_reached_does_not_stop_the_others(
        ferry, work, publisher, prepared, behind):
    lab = Publisher(ferry, work, "lab")
    lab.add(prepared("nano", "2M", "--seed", "5"))
    lab.sign()
    conf = work / "ferry.conf"
    conf.write_text(publisher.client() + lab.client())
    ferry("fetch", "-q", "lab/nano")
    conf.write_text(publisher.client() + lab.client(NOWHERE))
    result = ferry("update", "--json", check=4)
    assert [m["model"] for m in result.json["models"]] == ["nano", "tiny"]
    assert [f["operand"] for f in result.json["failed"]] == ["lab"]
    assert {m["model"] for m in outdated(ferry)["models"]} == set()


# -- asking ----------------------------------------------------------------------------------------

def test_without_a_terminal_a_large_update_needs_yes(ferry, client, behind):
    client(extra=ASKS)
    before = snapshot(ferry)
    result = ferry("update", check=2)
    assert "The update needs a download of " in result.err and "--yes downloads it" in result.err
    assert snapshot(ferry) == before
    ferry("update", "--yes")
    assert outdated(ferry)["models"] == []


@pytest.mark.parametrize("answer, code, version", [("y", 0, 2), ("", 2, 1)])
def test_on_a_terminal_a_large_update_is_asked_about(ferry, client, behind, answer, code, version):
    client(extra=ASKS)
    result = answered(ferry, ["update"], [("Download it? [y/N]", answer)])
    assert result.code == code, result.err
    assert versions_of(ferry) == version
