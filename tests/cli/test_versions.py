"""Versions of variants, and recall: what the publisher changes or withdraws, and what readers get."""

import json

import pytest

from test_fetch import (client, prepared, publisher, signed)  # noqa: F401 (fixtures)


@pytest.fixture
def two(publisher, prepared):
    """tiny:q8_0 in two versions; the digests of their files."""
    first = digest_of(publisher.tree, "tiny")
    publisher.add(prepared("tiny", "4M", "--seed", "2"))
    publisher.sign()
    return first, digest_of(publisher.tree, "tiny")


def digest_of(tree, model):
    card = card_of(tree, model)
    return card["variants"][0]["files"][0]["sha256"]


def card_of(tree, model):
    cards = sorted(tree.glob(f"targets/models/{model}/*.card.json"),
                   key=lambda p: p.stat().st_mtime_ns)
    return json.loads(cards[-1].read_text())


def stored(ferry):
    return {v["variant"] for v in ferry("store", "list", "--json").json["variants"]}


def fetched(ferry, reference, *options):
    model, = ferry("fetch", "--json", reference, *options).json["models"]
    return model


# -- versions ----------------------------------------------------------------------------------

def test_other_bytes_under_a_variant_are_a_new_version_and_the_old_one_stays(
        ferry, publisher, two, client):
    card = card_of(publisher.tree, "tiny")
    variant, = card["variants"]
    old, = variant["superseded"]
    assert (variant["version"], old["version"]) == (2, 1)
    assert (old["files"][0]["sha256"], variant["files"][0]["sha256"]) == two
    assert variant["files"][0]["path"] == "models/tiny/tiny-q8_0.v2.gguf"
    assert variant["files"][0]["name"] == "tiny-q8_0.gguf"
    now = fetched(ferry, "tiny")
    assert (now["version"], now["files"][0]["sha256"]) == (2, two[1])
    assert now["path"].endswith("/tiny/q8_0/tiny-q8_0.gguf")


@pytest.mark.parametrize("version", ["1", "sha256"])
def test_an_earlier_version_is_fetched_by_its_number_or_digest(
        ferry, publisher, two, client, version):
    name = f"sha256:{two[0][:16]}" if version == "sha256" else version
    old = fetched(ferry, f"tiny@{name}")
    assert (old["version"], old["files"][0]["sha256"]) == (1, two[0])
    assert fetched(ferry, "tiny")["files"][0]["sha256"] == two[1]
    assert stored(ferry) == {"q8_0", "q8_0@1"}
    again = fetched(ferry, "tiny:q8_0@1", "--offline")
    assert (again["fetched"], again["path"]) == (0, old["path"])


def test_what_was_asked_for_is_told_with_its_version(ferry, publisher, two, client):
    assert "demo/tiny:q8_0@1: 30.0 MiB fetched and verified" in ferry("fetch", "tiny@1").err
    assert "demo/tiny:q8_0@1 is already in the store" in ferry("fetch", "tiny@1", "--offline").err
    assert "demo/tiny:q8_0: " in ferry("fetch", "tiny").err


def test_a_version_has_the_publishers_label(ferry, publisher, prepared, client):
    publisher.ferry("catalog", "add", "-q", "--label", "2026-11", prepared("tiny", "4M", "--seed", "3"),
                    cwd=publisher.dir)
    publisher.sign()
    assert fetched(ferry, "tiny@2026-11")["version"] == 2
    error = ferry("fetch", "tiny@2026-10", check=3)
    assert "tiny:q8_0 has no version '2026-10'" in error.err
    assert "available: 2 (2026-11), 1" in error.err


def test_the_same_bytes_are_no_new_version(ferry, publisher, prepared, two, client):
    changes = publisher.ferry("catalog", "add", "--json", prepared("tiny", "4M", "--seed", "2"),
                              cwd=publisher.dir).json["changes"]
    assert [(c["change"], c["version"]) for c in changes] == [("unchanged", 2)]


def test_going_back_to_old_bytes_is_a_new_version_with_the_old_path(
        ferry, publisher, prepared, two, client):
    publisher.add(prepared("tiny", "30M"))
    publisher.sign()
    variant, = card_of(publisher.tree, "tiny")["variants"]
    assert variant["version"] == 3
    assert variant["files"][0]["sha256"] == two[0]
    assert variant["files"][0]["path"] == "models/tiny/tiny-q8_0.gguf"
    assert fetched(ferry, "tiny")["files"][0]["sha256"] == two[0]


def test_only_so_many_versions_are_kept(ferry, publisher, prepared, two, client):
    conf = publisher.dir / "ferry.conf"
    conf.write_text(conf.read_text().replace("keys = keys", "keys = keys\nkeep-versions = 1"))
    publisher.ferry("catalog", "add", "-q", prepared("tiny", "4M", "--seed", "3"), cwd=publisher.dir)
    publisher.ferry("catalog", "sign", "-q", cwd=publisher.dir)
    error = ferry("fetch", "tiny@1", check=3)
    assert "available: 3, 2" in error.err
    assert fetched(ferry, "tiny@2")["files"][0]["sha256"] == two[1]


def test_prune_removes_versions_from_the_cards_and_gc_their_files(
        ferry, publisher, prepared, two, client):
    objects = publisher.tree.glob("targets/models/tiny/*.gguf")
    assert len(list(objects)) == 2
    young = publisher.ferry("catalog", "prune", "--json", "--older-than", "30d",
                            cwd=publisher.dir).json
    assert young["versions"] == []
    dry = publisher.ferry("catalog", "prune", "--json", "--dry-run", cwd=publisher.dir).json
    done = publisher.ferry("catalog", "prune", "--json", cwd=publisher.dir).json
    assert dry["versions"] == done["versions"]
    assert [(v["model"], v["variant"], v["version"]) for v in done["versions"]] == [
        ("tiny", "q8_0", 1)]
    # The live snapshot still names it.
    publisher.ferry("catalog", "gc", "--keep", "0", cwd=publisher.dir)
    assert fetched(ferry, "tiny@1")["files"][0]["sha256"] == two[0]
    publisher.sign()
    publisher.ferry("catalog", "gc", "--keep", "0", cwd=publisher.dir)
    assert len(list(publisher.tree.glob("targets/models/tiny/*.gguf"))) == 1
    # Who has it may use it: that it is not in the catalog only warns.
    assert "tiny:q8_0 has no version '1'; using the model in the store" in ferry("fetch", "tiny@1").err
    ferry("store", "remove", "-q", "tiny@1")
    assert "has no version '1'" in ferry("fetch", "tiny@1", check=3).err


@pytest.mark.parametrize("gone", ["the variant", "the model"])
def test_a_model_that_was_removed_and_is_added_again_goes_on_counting(
        ferry, publisher, prepared, two, client, gone):
    fetched(ferry, "tiny")
    operand = "tiny" if gone == "the model" else "tiny:q8_0"
    publisher.ferry("catalog", "remove", "-q", operand, cwd=publisher.dir)
    publisher.sign()
    publisher.add(prepared("tiny", "4M", "--seed", "3"))
    publisher.sign()
    variant, = card_of(publisher.tree, "tiny")["variants"]
    assert variant["version"] == 3 and "superseded" not in variant
    assert variant["files"][0]["path"] == "models/tiny/tiny-q8_0.v3.gguf"
    assert fetched(ferry, "tiny")["version"] == 3


def test_the_number_of_a_removed_model_outlives_gc(ferry, publisher, prepared, two, client):
    publisher.ferry("catalog", "remove", "-q", "tiny", cwd=publisher.dir)
    publisher.sign()
    for _ in range(2):      # the second one has nothing to note
        publisher.ferry("catalog", "gc", "-q", "--keep", "0", cwd=publisher.dir)
    assert not list(publisher.tree.glob("targets/models/tiny/*"))
    publisher.add(prepared("tiny", "30M"))
    publisher.sign()
    variant, = card_of(publisher.tree, "tiny")["variants"]
    assert variant["version"] == 3
    assert fetched(ferry, "tiny")["version"] == 3


def test_an_addition_to_a_restored_card_is_the_version_after_the_one_that_was_signed(
        ferry, publisher, prepared, two, client):
    path = publisher.tree / "cards/tiny.card.json"
    card = json.loads(path.read_text())
    variant = card["variants"][0]
    old = variant.pop("superseded")[0]
    variant.update(version=1, files=old["files"], size=old["size"])
    path.write_text(json.dumps(card))
    publisher.add(prepared("tiny", "4M", "--seed", "3"))
    publisher.sign()
    assert fetched(ferry, "tiny")["version"] == 3


def test_a_card_whose_version_goes_back_is_not_signed(publisher, two):
    path = publisher.tree / "cards/tiny.card.json"
    card = json.loads(path.read_text())
    variant = card["variants"][0]
    old = variant.pop("superseded")[0]
    variant.update(version=1, files=old["files"], size=old["size"])
    path.write_text(json.dumps(card))
    error = publisher.ferry("catalog", "sign", cwd=publisher.dir, check=8)
    assert "the card says version 1, but version 2 is signed already" in error.err


def test_a_version_is_not_signed_with_other_files(publisher, two):
    path = publisher.tree / "cards/tiny.card.json"
    card = json.loads(path.read_text())
    variant = card["variants"][0]
    old = variant.pop("superseded")[0]
    variant.update(files=old["files"], size=old["size"])
    path.write_text(json.dumps(card))
    error = publisher.ferry("catalog", "sign", cwd=publisher.dir, check=8)
    assert "version 2 is signed already, with other files" in error.err


# -- recall ------------------------------------------------------------------------------------

def withdraw(publisher, *args):
    publisher.ferry("catalog", "withdraw", "-q", *args, cwd=publisher.dir)
    publisher.sign()


@pytest.mark.parametrize("reference", ["tiny", "tiny:q8_0", "tiny:q8_0@1"])
def test_a_withdrawn_model_is_refused_with_the_reason_and_the_replacement(
        ferry, publisher, client, reference):
    withdraw(publisher, "--reason", "Its template leaks prompts.", "--replacement", "other",
             reference)
    for command in (["fetch", "tiny"], ["run", "tiny", "--", "cat", "{}"]):
        error = ferry(*command, check=6)
        assert "the publisher has withdrawn tiny:q8_0@1: Its template leaks prompts." in error.err
        assert "use other instead" in error.err
    assert fetched(ferry, "tiny", "--withdrawn")["version"] == 1
    model, = ferry("list", "--json").json["models"]
    assert model["variants"][0]["withdrawn"]


def test_a_withdrawn_model_in_the_store_is_refused_without_a_network_too(ferry, publisher, client):
    fetched(ferry, "tiny")
    withdraw(publisher, "--reason", "wrong weights", "tiny")
    ferry("list")
    ferry("fetch", "tiny", check=6)
    client("http://127.0.0.1:1/")
    for options in ([], ["--offline"]):
        error = ferry("fetch", "tiny", *options, check=6)
        assert "wrong weights" in error.err
        assert "--offline uses" not in error.err
    assert fetched(ferry, "tiny", "--offline", "--withdrawn")["fetched"] == 0


def test_a_stored_version_that_the_withdrawn_card_no_longer_lists_is_refused_too(
        ferry, publisher, prepared, client):
    fetched(ferry, "tiny")
    publisher.add(prepared("tiny", "4M", "--seed", "2"))
    publisher.ferry("catalog", "prune", "-q", cwd=publisher.dir)
    withdraw(publisher, "--reason", "wrong weights", "tiny")
    ferry("show", "tiny")
    client("http://127.0.0.1:1/")
    assert "wrong weights" in ferry("fetch", "tiny", "--offline", check=6).err
    assert "wrong weights" in ferry("fetch", "tiny", check=6).err


def test_only_the_named_version_is_withdrawn(ferry, publisher, two, client):
    withdraw(publisher, "--reason", "wrong weights", "tiny:q8_0@1")
    assert fetched(ferry, "tiny")["version"] == 2
    assert "withdrawn tiny:q8_0@1" in ferry("fetch", "tiny@1", check=6).err


def test_a_new_version_of_a_withdrawn_variant_can_be_used(ferry, publisher, prepared, client):
    withdraw(publisher, "--reason", "wrong weights", "tiny:q8_0")
    publisher.add(prepared("tiny", "4M", "--seed", "2"))
    publisher.sign()
    assert fetched(ferry, "tiny")["version"] == 2
    ferry("fetch", "tiny@1", check=6)


def test_a_recall_can_be_taken_back(ferry, publisher, client):
    withdraw(publisher, "--reason", "wrong weights", "tiny")
    withdraw(publisher, "--undo", "tiny")
    assert fetched(ferry, "tiny")["version"] == 1


@pytest.mark.parametrize("args, message", [
    (["tiny"], "--reason is missing"),
    (["--reason", "x", "nano"], "there is no card for the model 'nano'"),
    (["--reason", "x", "tiny:q4"], "has no variant 'q4'"),
    (["--reason", "x", "tiny:q8_0@7"], "has no version '7'"),
    (["--reason", "x\ny", "tiny"], "control character"),
    (["--reason", "x", "--replacement", "a/b", "tiny"], "of this repository"),
])
def test_a_recall_that_cannot_be_is_refused(publisher, args, message):
    error = publisher.ferry("catalog", "withdraw", *args, cwd=publisher.dir, check=None)
    assert error.code in (2, 3)
    assert message in error.err


def test_who_removes_what_is_withdrawn_is_told_that_the_recall_goes_with_it(publisher, two):
    withdraw(publisher, "--reason", "wrong weights", "tiny@1")

    def warned(*args):
        return publisher.ferry("catalog", *args, cwd=publisher.dir).err
    assert "tiny:q8_0@1 was withdrawn: once it is removed" in warned("prune", "--dry-run")
    card = publisher.tree / "cards/tiny.card.json"
    before = card.read_bytes()
    for args in ("prune",), ("remove", "tiny:q8_0"), ("remove", "tiny"):
        assert "readers who have it are only warned" in warned(*args)
        card.write_bytes(before)
    publisher.ferry("catalog", "withdraw", "-q", "--undo", "tiny@1", cwd=publisher.dir)
    assert "withdrawn" not in warned("remove", "tiny")


def test_mere_absence_from_the_catalog_only_warns(ferry, publisher, client):
    fetched(ferry, "tiny")
    publisher.ferry("catalog", "remove", "-q", "tiny", cwd=publisher.dir)
    publisher.sign()
    model = fetched(ferry, "tiny")
    assert "fallback" in model


# -- versions in the store -----------------------------------------------------------------------

@pytest.fixture
def kept(ferry, two, client):
    """Both versions in the store, and nobody who answers."""
    paths = {2: fetched(ferry, "tiny")["path"], 1: fetched(ferry, "tiny@1")["path"]}
    client("http://127.0.0.1:1/")
    return paths


def test_the_store_finds_versions(ferry, kept, two):
    for reference, version in [("tiny", 2), ("tiny:q8_0@1", 1), ("tiny@1", 1), ("tiny:q8_0@2", 2),
                               (f"tiny@sha256:{two[0][:12]}", 1)]:
        assert ferry("store", "path", reference).out == kept[version] + "\n"
    assert "tiny@3 is not in the store" in ferry("store", "path", "tiny@3", check=3).err
    assert "versions in the store have numbers and digests, but no labels" in \
        ferry("store", "path", "tiny@2026-11", check=3).err
    ferry("store", "remove", "-q", "tiny:q8_0@1")
    assert stored(ferry) == {"q8_0"}
    ferry("store", "remove", "-q", "tiny@2")
    assert stored(ferry) == set()


def test_a_version_in_the_store_is_used_when_the_metadata_has_expired(ferry, kept, two):
    for reference, version in [("tiny", 2), ("tiny@1", 1), ("tiny:q8_0@2", 2),
                               (f"tiny@sha256:{two[0]}", 1)]:
        result = ferry("fetch", "--json", reference, at="+90 days")
        model, = result.json["models"]
        assert (model["version"], model["path"]) == (version, kept[version])
        assert "using the model in the store" in result.err
    assert ferry("fetch", "tiny@3", at="+90 days", check=None).code in (4, 6)


# -- what people see of them -----------------------------------------------------------------------

@pytest.fixture
def labelled(publisher, prepared):
    """tiny:q8_0 in the versions 1, 2 (label 2026-11, changed, and withdrawn) and 3."""
    def add(seed, *options):
        publisher.ferry("catalog", "add", "-q", *options, prepared("tiny", "4M", "--seed", seed),
                        cwd=publisher.dir)

    add("2", "--label", "2026-11")
    path = publisher.tree / "cards/tiny.card.json"
    card = json.loads(path.read_text())
    card["variants"][0]["changes"] = ["The template is another one."]
    path.write_text(json.dumps(card))
    publisher.sign()
    add("3")
    withdraw(publisher, "--reason", "wrong weights", "--replacement", "tiny@3", "tiny:q8_0@2")


def test_catalog_list_shows_each_version_and_why_it_was_withdrawn(publisher, labelled):
    rows = publisher.ferry("catalog", "list", "--versions", cwd=publisher.dir).out.splitlines()
    assert [row.split()[0] for row in rows] == ["tiny:q8_0@3", "tiny:q8_0@2", "tiny:q8_0@1"]
    assert rows[0].split()[1] == "-" and "signed" in rows[0]
    assert rows[1].split()[1] == "2026-11" and "superseded, withdrawn" in rows[1]
    assert rows[1].endswith("wrong weights; The template is another one.")
    assert "30.0 MiB  superseded" in rows[2]
    models = publisher.ferry("catalog", "list", "--versions", "--json", cwd=publisher.dir).json
    variant, = models["models"][0]["variants"]
    assert variant["version"] == 3
    assert variant["versions"][0].pop("changes")[0].startswith("The values of ")
    assert [(v["version"], v.get("label"), v.get("withdrawn"), v.get("changes"))
            for v in variant["versions"]] == [
        (3, None, None, None),
        (2, "2026-11", {"reason": "wrong weights", "replacement": "tiny@3"},
         ["The template is another one."]),
        (1, None, None, None)]
    assert all(v["released"].endswith("Z") for v in variant["versions"])
    plain = publisher.ferry("catalog", "list", "--json", cwd=publisher.dir).json
    assert "versions" not in plain["models"][0]["variants"][0]


def test_catalog_list_says_what_is_withdrawn(publisher):
    publisher.ferry("catalog", "withdraw", "-q", "--reason", "x", "tiny", cwd=publisher.dir)
    assert "changed, withdrawn" in publisher.ferry("catalog", "list", cwd=publisher.dir).out


def test_show_names_the_versions_and_how_to_fetch_them(ferry, publisher, labelled, client):
    fetched(ferry, "tiny@1")
    lines = ferry("show", "tiny").out.splitlines()
    assert any(line.startswith("  version 3, released 20") for line in lines)
    second, why, first = (line.strip() for line in lines[lines.index(next(
        line for line in lines if line.startswith("  earlier: "))):][:3])
    assert second.startswith("earlier: tiny:q8_0@2  4") and "version 2 (2026-11), released" in second
    assert why == "withdrawn: wrong weights; use tiny@3"
    assert first.startswith("earlier: tiny:q8_0@1  30.0 MiB  version 1, released")
    assert first.endswith("(in the store)")
    for reference in (second.split()[1], first.split()[1]):
        assert fetched(ferry, reference, "--withdrawn")["variant"].startswith("q8_0")


@pytest.mark.parametrize("reference, number", [
    ("tiny", 3), ("tiny@2", 2), ("tiny@2026-11", 2), ("tiny:q8_0@1", 1)])
def test_show_takes_a_version(ferry, publisher, labelled, client, reference, number):
    assert ferry("show", "--json", reference).json["version"] == number
    out = ferry("show", reference).out
    assert f"  version {number}" in out
    assert ("  withdrawn: wrong weights; use tiny@3" in out) == (number in (2, 3))
    assert ("  changed: The template is another one." in out) == (number == 2)
    assert ("  changed: The values of " in out) == (number == 3)
    assert ("earlier:" in out) == (number == 3)
    error = ferry("show", "tiny@7", check=3)
    assert "available: 3, 2 (2026-11), 1" in error.err


def test_show_and_list_say_that_a_model_is_withdrawn(ferry, publisher, client):
    withdraw(publisher, "--reason", "wrong weights", "--replacement", "other", "tiny")
    assert "withdrawn    wrong weights; use other" in ferry("show", "tiny").out
    for command in (["list"], ["search", "tiny"]):
        assert ferry(*command).out.endswith("The tiny one (withdrawn)\n")
    withdraw(publisher, "--undo", "tiny")
    withdraw(publisher, "--reason", "wrong weights", "tiny:q8_0")
    assert "  withdrawn: wrong weights" in ferry("show", "tiny").out
    assert ferry("list").out.endswith("The tiny one (withdrawn)\n")
