"""What is said of one stored model by several commands: pins, recalls, links for engines, status."""

import os

import pytest

from test_fetch import (client, prepared, publisher, signed)  # noqa: F401 (fixtures)
from test_libferry_calls import library  # noqa: F401 (fixture)
from test_old_versions import publish, versions  # noqa: F401 (fixture)


@pytest.fixture
def behind(ferry, client, publish):
    """Version 1 is in the store; the catalog has version 2, and the client knows it."""
    ferry("fetch", "-q", "tiny")
    publish(2)
    ferry("outdated")


@pytest.fixture
def recalled(ferry, behind, publisher):
    """Version 1 was withdrawn, too."""
    publisher.ferry("catalog", "withdraw", "-q", "--reason", "wrong weights", "tiny@1",
                    cwd=publisher.dir)
    publisher.sign()
    ferry("outdated")


def records(ferry):
    return [v["variant"] for v in ferry("store", "list", "--json").json["variants"]]


def status(ferry):
    document = ferry("status", "--json").json
    return document["updates"], [n["command"].split(" demo/")[0] for n in document["next"]]


def test_status_counts_what_update_would_change(ferry, behind):
    assert status(ferry) == (1, ["ferry update", "ferry run"])
    ferry("pin", "tiny")
    assert status(ferry) == (0, ["ferry run"])
    ferry("unpin", "tiny")
    ferry("update")
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    assert status(ferry) == (0, ["ferry run"])


def test_status_tells_to_update_a_withdrawn_version_and_not_to_run_it(ferry, recalled):
    assert status(ferry) == (1, ["ferry update"])


def test_outdated_and_update_say_that_a_version_was_withdrawn(ferry, recalled):
    assert "withdrawn: wrong weights; " in ferry("outdated").out
    ferry("pin", "tiny")
    assert "stays: pinned at version 1, which was withdrawn: wrong weights\n" in \
        ferry("update").err


def test_a_withdrawn_version_by_its_number_has_no_update(ferry, recalled):
    assert "  withdrawn; update, " in ferry("store", "list").out
    ferry("update")
    plain, numbered = ferry("store", "list").out.splitlines()
    assert plain.endswith("  ok") and numbered.endswith("  withdrawn")


@pytest.mark.parametrize("command", [("update",), ("update", "--remove-old"), ("fetch", "tiny")])
def test_links_that_lead_to_the_replaced_version_are_named(ferry, behind, work, command):
    link = ("store", "link", "tiny", "--engine", "directory", "--to", "engine")
    ferry(*link)
    result = ferry(*command)
    assert f"{work}/engine for directory still leads to version 1 of demo/tiny:q8_0: the same " \
        "`ferry store link` command leads it to the new one\n" in result.err
    assert versions(ferry) == {"q8_0": 2, "q8_0@1": 1}
    ferry(*link)
    assert (work / "engine/tiny-q8_0.gguf").samefile(ferry("store", "path", "tiny").out.strip())


def test_show_of_a_model_that_left_the_catalog_says_that_the_store_has_it(ferry, behind, publisher):
    publisher.ferry("catalog", "remove", "-q", "tiny", cwd=publisher.dir)
    publisher.sign()
    error = ferry("show", "tiny", check=3).err
    assert "demo/tiny:q8_0 is in the store, and can still be used" in error
    assert "in the store" not in ferry("show", "tinier", check=3).err


def test_status_runs_the_plain_name_and_not_a_version_that_was_fetched_later(ferry, behind):
    ferry("update")
    ferry("store", "remove", "-q", "tiny@1")
    ferry("fetch", "-q", "tiny@1")
    record, = (ferry.store / "models/demo/tiny/q8_0").glob(".variant.json")
    record.write_text(record.read_text().replace('"fetched": "20', '"fetched": "19'))
    assert "ferry run demo/tiny:q8_0 -- " in ferry("status").out


def test_a_damaged_record_is_incomplete_for_every_command(ferry, behind):
    (ferry.store / "models/demo/tiny/q8_0/.variant.json").write_text("junk")
    assert "incomplete: fetch it again" in ferry("store", "list").out
    assert "incomplete: `ferry fetch demo/tiny:q8_0`" in ferry("outdated").out
    assert "stays: incomplete" in ferry("update").err
    assert "ferry fetch demo/tiny:q8_0\n" in ferry("status").out


def test_gc_removes_what_a_killed_link_left_of_its_record(ferry, behind):
    ferry("store", "link", "tiny", "--engine", "directory", "--to", "engine")
    left = ferry.store / "links/.0123456789abcdef.json.abcdef.tmp"
    left.write_text("{")
    ferry("store", "gc")
    assert left.exists()
    os.utime(left, (0, 0))
    ferry("store", "gc")
    assert not left.exists() and len(list(left.parent.glob("*.json"))) == 1


@pytest.mark.parametrize("do", ["resolve", "plan", "fetch"])
def test_libferry_resolves_plans_and_fetches_the_pinned_version(ferry, behind, work, library, do):
    ferry("pin", "tiny")
    _, done = library({"conf": str(work / "ferry.conf")}, {"do": do, "references": ["tiny", "tiny@2"]})
    assert [(i["variant"], i["version"]) for i in done["items"]] == [("q8_0", 1), ("q8_0", 2)]


def test_the_list_of_links_has_its_folders_last(ferry, behind, work):
    """A folder can be long, and the terminal shortens all columns but the last."""
    ferry("store", "link", "tiny", "--engine", "directory", "--to", "engine")
    assert ferry("store", "link").out.splitlines()[-1].split() == [
        "demo/tiny:q8_0", "directory", "tiny-q8_0", "ok", f"{work}/engine"]


def test_remove_of_a_version_leaves_the_plain_name_that_leads_to_it(ferry, behind):
    ferry("update")
    ferry("pin", "tiny@1")
    ferry("unpin", "tiny")
    assert records(ferry) == ["q8_0", "q8_0@1", "q8_0@2"]
    ferry("store", "remove", "tiny@1")
    assert records(ferry) == ["q8_0", "q8_0@2"]


def test_a_store_with_numbered_versions_only_is_not_called_empty(ferry, client):
    assert "the store has no models" in ferry("update").err
    ferry("fetch", "-q", "tiny@1")
    for command in "update", "outdated":
        error = ferry(command).err
        assert "only under the numbers of their versions" in error and "no models" not in error
