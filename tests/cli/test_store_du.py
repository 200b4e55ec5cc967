"""`ferry store du`: what the store takes on the disk, and who needs it."""

import os
import subprocess

import pytest

from stocked import made_once, stock  # noqa: F401
from test_poor_file_systems import EVERYTHING, lacking

FILES = 4


def by_du(folder):
    out = subprocess.run(["du", "-s", "-B1", folder], capture_output=True, check=True, text=True)
    return int(out.stdout.split()[0])


def blocks(path):
    return path.lstat().st_blocks * 512


def rows(document):
    return {(r["model"], r["variant"]): r for r in document["rows"]}


def du(ferry, *options):
    document = ferry("store", "du", "--json", *options).json
    assert document["total"] == sum(document["parts"].values()) == by_du(ferry.store)
    return document


def test_the_total_of_du_is_what_the_disk_has(ferry, stock, validate):  # noqa: F811
    ferry("store", "verify")
    (ferry.store / "partial" / ("0" * 64 + ".part")).write_bytes(bytes(10000))
    (ferry.store / "blobs/sha256" / ("1" * 64)).write_bytes(bytes(20000))
    (ferry.store / "blobs/sha256" / ("1" * 64 + ".damaged")).write_bytes(bytes(30000))
    (ferry.store / "notes").write_text("somebody's")
    document = du(ferry)
    validate(document, "output-store-du")
    parts = document["parts"]
    assert parts["unused"] >= 20000 and parts["damaged"] >= 30000 and parts["trust"]
    assert parts["unfinished"] >= 10000
    ferry("store", "gc", "--partials", "0")
    after = du(ferry)
    assert after["parts"]["unused"] == after["parts"]["damaged"] == 0
    assert after["parts"]["models"] == parts["models"]


def test_du_says_what_a_variant_has_alone_and_with_others(ferry, stock):  # noqa: F811
    blob = {model: blocks(path) for (model, _), path in stock.files.items()}
    found = rows(du(ferry))
    for model in "alpha", "twin":
        row = found[model, "f32"]
        assert row["bytes"] - row["own"] == blob[model] and row["complete"]
    split = found["split", "f32"]
    assert split["bytes"] == split["own"]
    by_model = {r["model"]: r for r in du(ferry, "--by", "model")["rows"]}
    assert by_model["split"]["own"] == split["own"] and "variant" not in by_model["split"]
    whole, = du(ferry, "--by", "repository")["rows"]
    assert whole["repository"] == "demo" and whole["own"] == whole["bytes"]
    assert whole["own"] == du(ferry)["parts"]["models"]
    before = by_du(ferry.store)
    ferry("store", "remove", "twin")
    # And the folder of the model, which is empty now.
    assert before - by_du(ferry.store) >= found["twin", "f32"]["own"]
    assert rows(du(ferry))["alpha", "f32"]["own"] > blob["alpha"]


def test_du_counts_versions_that_are_kept_beside_the_current_ones(ferry, stock):  # noqa: F811
    ferry("fetch", "split@1")
    versions = du(ferry)["versions"]
    assert versions["count"] == 1 and 0 < versions["own"] < versions["bytes"]
    told = ferry("store", "du").err
    assert "1 version of models besides the current ones" in told
    assert "`ferry store remove MODEL:VARIANT@VERSION`" in told


def test_du_prints_a_table_that_ends_with_the_total(ferry, stock):  # noqa: F811
    table = ferry("store", "du").out.splitlines()
    assert table[0].startswith("demo/alpha:f32")
    assert table[-1].split()[0] == "total"
    assert any(line.startswith("(metadata and catalogs)") for line in table)
    assert not any("unfinished" in line for line in table)


def test_du_of_an_empty_store(ferry):
    document = du(ferry)
    assert document["rows"] == [] and document["versions"]["count"] == 0


@pytest.mark.parametrize("words", ["links", EVERYTHING])
def test_du_counts_the_copies_of_shards_where_there_are_no_simulated_links(
        ferry, stock, words):  # noqa: F811
    plain = rows(du(ferry))["split", "f32"]["own"]
    ferry.env.update(lacking(words))
    ferry("store", "remove", "split")
    ferry("fetch", "split")
    row = rows(du(ferry))["split", "f32"]
    assert row["own"] == row["bytes"] > 1.8 * plain


def test_du_counts_a_hard_link_once(ferry, stock):  # noqa: F811
    before = du(ferry)["parts"]["models"]
    for name in (ferry.store / "models").rglob("*.gguf"):
        blob = name.resolve()
        name.unlink()
        os.link(blob, name)
    # A symbolic link may have had a block of its own.
    after = du(ferry)["parts"]["models"]
    assert before - FILES * 4096 <= after <= before
    ferry("store", "verify")
    assert ferry("fetch", "--offline", "alpha").out
