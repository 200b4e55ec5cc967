"""A model is in the store when its record and all its files are there, in whatever version: every
command says so alike. How it stands to the catalog is said beside it."""

import dataclasses
import json
import os
import shutil

import pytest

from publisher import Publisher
from test_fetch import (client, prepared, publisher, signed)  # noqa: F401 (fixtures)
from test_versions import withdraw


@dataclasses.dataclass
class Situation:
    """What the commands are to say of a model."""
    state: str                  # of store list; None: it is not there
    words: str = "ok"           # in the table of store list
    usable: bool = True         # store path has it
    stored: bool = True         # the star of list
    listed: str = "models"      # in list --json; "no": the command fails
    note: str = ""              # of fetch and run
    exit: int = 0               # of fetch and run --offline
    asked: str = "tiny:q8_0"
    stored_as: str = "q8_0"
    update: bool = False


SITUATIONS = {}


def situation(name, **expected):
    def add(prepare):
        SITUATIONS[name] = prepare, Situation(**expected)
        return prepare
    return add


class Stage:
    """A reader who has fetched tiny:q8_0, and its publisher."""

    def __init__(self, ferry, publisher, prepared, work):
        self.ferry, self.publisher, self.prepared, self.work = ferry, publisher, prepared, work

    def publish(self, name, seed):
        self.publisher.add(self.prepared(name, "4M", "--seed", seed))
        self.publisher.sign()

    def remove(self, reference):
        self.publisher.ferry("catalog", "remove", "-q", reference, cwd=self.publisher.dir)
        self.publisher.sign()

    def refresh(self):
        """The reader learns what the catalog has now."""
        self.ferry("list")

    def dir(self, variant="q8_0"):
        return self.ferry.store / f"models/demo/tiny/{variant}"


@situation("current", state="current")
def current(stage):
    pass


@situation("replaced", state="outdated", words="update, 4.0 MiB", update=True,
           note="the catalog has version 2")
def replaced(stage):
    stage.publish("tiny", "2")
    stage.refresh()


@situation("withdrawn", state="withdrawn", words="withdrawn", exit=6, note="wrong weights")
def withdrawn(stage):
    withdraw(stage.publisher, "--reason", "wrong weights", "tiny")
    stage.refresh()


@situation("an earlier version was withdrawn", state="withdrawn", update=True,
           words="withdrawn; update, 4.0 MiB", exit=6, note="wrong weights")
def withdrawn_before(stage):
    stage.publish("tiny", "2")
    withdraw(stage.publisher, "--reason", "wrong weights", "tiny@1")
    stage.refresh()


@situation("the model left the catalog", state="unlisted", words="not in the catalog",
           listed="unlisted", note="has no model 'tiny'; using the model in the store")
def unlisted_model(stage):
    stage.publish("other", "3")
    stage.remove("tiny")
    stage.refresh()


@situation("the variant left the catalog", state="unlisted", words="not in the catalog",
           listed="unlisted", note="using the model in the store")
def unlisted_variant(stage):
    card = stage.publisher.tree / "cards/tiny.card.json"
    document = json.loads(card.read_text())
    document["variants"][0]["id"] = "q8"
    card.write_text(json.dumps(document))
    stage.publisher.sign()
    stage.refresh()


@situation("another model has the same bytes", state=None, stored=False, usable=False,
           asked="twin:q8_0")
def same_bytes(stage):
    twin(stage)
    stage.refresh()
    stage.ferry("show", "twin")


def twin(stage):
    """A model whose file has the bytes of tiny:q8_0."""
    work = stage.work / "twin"
    shutil.copytree(stage.prepared("tiny", "30M"), work / "models/twin")
    for path in sorted((work / "models/twin").iterdir()):
        name = path.name.replace("tiny", "twin")
        if name.endswith(".json"):
            path.write_text(path.read_text().replace("tiny", "twin"))
        path.rename(path.with_name(name))
    stage.publisher.add(work / "models/twin")
    stage.publisher.sign()


@situation("a file is missing", state="incomplete", words="incomplete: fetch it again",
           stored=False, usable=False, exit=3, note="is not in the store")
def incomplete(stage):
    blob, = (stage.ferry.store / "blobs/sha256").iterdir()
    blob.unlink()


@situation("the record is damaged", state="incomplete", words="incomplete: fetch it again",
           stored=False, usable=False)
def damaged_record(stage):
    (stage.dir() / ".variant.json").write_text("{")


@situation("only a version that was asked for by number", state="older", words="older version",
           stored_as="q8_0@1", update=True, note="the catalog has version 2")
def by_number(stage):
    stage.publish("tiny", "2")
    stage.ferry("fetch", "-q", "tiny@1")
    shutil.rmtree(stage.dir())
    stage.refresh()


@situation("nothing is configured", state="unknown", listed="no",
           note="no repository is configured")
def no_configuration(stage):
    (stage.work / "ferry.conf").unlink()


@situation("the store is read-only", state="current")
def read_only(stage):
    stage.refresh()
    for folder, _, files in os.walk(stage.ferry.store):
        for name in files:
            if not os.path.islink(f"{folder}/{name}"):
                os.chmod(f"{folder}/{name}", 0o444)
        os.chmod(folder, 0o555)


@pytest.fixture(params=list(SITUATIONS))
def case(request, ferry, publisher, prepared, client, work):
    ferry("fetch", "-q", "tiny")
    prepare, expected = SITUATIONS[request.param]
    prepare(Stage(ferry, publisher, prepared, work))
    yield expected
    for folder, _, _ in os.walk(ferry.store):
        os.chmod(folder, 0o755)


def offline(ferry, *args):
    return ferry(args[0], "--offline", *args[1:], check=None)


def test_every_command_says_the_same_of_what_is_in_the_store(ferry, case):
    check_list(ferry, case)
    check_search(ferry)
    check_show(ferry, case)
    check_store_list(ferry, case)
    check_store_path(ferry, case)
    check_use(ferry, case)


def check_list(ferry, case):
    result = offline(ferry, "list", "--json")
    if case.listed == "no":
        assert result.code == 2
        return
    model, variant = case.asked.split(":")
    found, = [v for m in result.json[case.listed] if m["id"] == model for v in m["variants"]
              if v["id"] == variant]
    assert found["in_store"] is case.stored
    assert found.get("state") == case.state
    assert ("update" in found) is case.update
    text = "".join(x for x in offline(ferry, "list").out.splitlines() if x.startswith(model))
    assert (f"{variant}*" in text) is case.stored
    assert ("(not in the catalog)" in text) is (case.listed == "unlisted")
    assert ("(update, 4.0 MiB)" in text) is (case.state == "outdated")
    assert ("(withdrawn)" in text) is (case.words == "withdrawn")
    assert ("(withdrawn; update, 4.0 MiB)" in text) is (case.state == "withdrawn" and case.update)


def check_search(ferry):
    listed, found = (offline(ferry, *args, "--json") for args in (["list"], ["search", "t"]))
    assert listed.code == found.code
    if listed.code == 0:
        named = [[m for m in d["models"] if "t" in m["id"]] for d in (listed.json, found.json)]
        assert sorted(named[0], key=lambda m: m["id"]) == sorted(named[1], key=lambda m: m["id"])
        assert listed.json["unlisted"] == found.json["unlisted"]


def check_show(ferry, case):
    model, variant = case.asked.split(":")
    result = offline(ferry, "show", "--json", model)
    if case.listed == "no":
        assert result.code == 2
    elif case.listed == "unlisted" and result.code == 0:
        assert variant not in result.json["in_store"]      # of the variants of the card
        assert case.state in [s["state"] for s in result.json["stored"]]
    elif case.listed == "unlisted":
        assert result.code == 3
    else:
        assert (variant in result.json["in_store"]) is case.stored
        states = {s["variant"]: s["state"] for s in result.json["stored"]}
        assert states.get(case.stored_as) == case.state
        text = offline(ferry, "show", model).out
        assert ("  in the store: " in text) is (case.state is not None)
        assert ("its bytes are" in text) is (case.state is None)


def check_store_list(ferry, case):
    model, _ = case.asked.split(":")
    found = {v["variant"]: v for v in ferry("store", "list", "--json").json["variants"]
             if v["model"] == model}
    if case.state is None:
        assert not found
        return
    stored = found[case.stored_as]
    assert (stored["state"], stored["complete"]) == (case.state, case.stored)
    assert ("update" in stored) is case.update
    line, = [x for x in ferry("store", "list").out.splitlines()
             if x.startswith(f"demo/{model}:{case.stored_as} ")]
    assert line.endswith("  " + case.words)


def check_store_path(ferry, case):
    result = ferry("store", "path", case.asked, check=0 if case.usable else 3)
    if case.usable:
        assert os.path.exists(result.out.strip())


def check_use(ferry, case):
    """Last, because a fetch may link what is not in the store yet."""
    for command, program in (["run", ["--", "ls", "{}"]], ["fetch", []]):
        result = offline(ferry, command, case.asked, *program)
        assert result.code == case.exit, result.err
        assert case.note in result.err
        if case.exit == 0:
            assert os.path.exists(result.out.strip())


# -- more than the table ---------------------------------------------------------------------------

@pytest.fixture
def stage(ferry, publisher, prepared, client, work):
    ferry("fetch", "-q", "tiny")
    return Stage(ferry, publisher, prepared, work)


def test_the_bytes_of_another_model_are_linked_without_a_download(ferry, stage):
    same_bytes(stage)
    model, = ferry("fetch", "--offline", "--json", "twin").json["models"]
    assert (model["fetched"], model["path"].rsplit("/", 1)[1]) == (0, "twin-q8_0.gguf")
    assert ferry("store", "path", "twin").out.strip() == model["path"]
    assert ferry("list", "--offline").out.count("q8_0*") == 2


def test_an_older_version_that_is_used_offline_is_a_note_not_a_warning(ferry, stage):
    replaced(stage)
    result = ferry("fetch", "--offline", "--json", "tiny")
    model, = result.json["models"]
    assert model["version"] == 1
    assert "using version 1, which is in the store" in result.err
    assert "warning" not in result.err


def test_an_older_version_that_is_used_after_a_failure_is_a_warning(ferry, stage, client):
    replaced(stage)
    client("http://127.0.0.1:1/")
    result = ferry("run", "tiny", "--", "ls", "{}")
    assert "warning" in result.err and "the catalog has version 2" in result.err


def test_a_withdrawn_version_is_outdated_by_no_download(ferry, stage):
    """Version 2 was withdrawn, and version 1 is here."""
    stage.publish("tiny", "2")
    withdraw(stage.publisher, "--reason", "wrong weights", "tiny@2")
    stage.refresh()
    variant, = ferry("store", "list", "--json").json["variants"]
    assert variant["state"] == "current" and "update" not in variant
    for options in ["--offline"], []:
        result = ferry("fetch", "--json", "tiny", *options)
        model, = result.json["models"]
        assert model["version"] == 1
        assert "withdrawn tiny:q8_0@2: wrong weights; using the model in the store" in result.err
        ferry("fetch", "tiny@2", *options, check=6)


def test_list_reads_only_the_cards_of_what_is_in_the_store(ferry, stage):
    """So that an update is known afterwards without a network."""
    stage.publish("other", "3")
    replaced(stage)
    cache = ferry.store / "trust/demo/cache"
    cards = [p.read_bytes() for p in cache.iterdir()]
    assert any(b'"tiny"' in c and b'"superseded"' in c for c in cards)
    assert not any(b'"id": "other"' in c or b'"id":"other"' in c for c in cards)


def test_filters_hold_for_what_left_the_catalog_too(ferry, stage):
    unlisted_model(stage)
    for args, found in [([], True), (["tiny"], True), (["other"], False), (["--max-size", "1M"], False),
                        (["--kind", "adapter"], False)]:
        assert bool(ferry("list", "--json", *args).json["unlisted"]) is found, args
    result = ferry("list", "tiny")
    assert "q8_0*" in result.out and "no model matches" not in result.err


def test_a_state_by_a_catalog_that_has_expired_says_so(ferry, stage):
    result = ferry("store", "list", "--json", at="+90 days")
    catalog, = result.json["catalogs"]
    assert catalog["repository"] == "demo" and catalog["expired"]
    assert "has expired: `ferry list` refreshes it" in ferry("store", "list", at="+90 days").err
    assert "expired" not in ferry("store", "list").err


def test_a_repository_that_is_no_longer_configured_leaves_the_state_unknown(ferry, stage, work):
    conf = work / "ferry.conf"
    conf.write_text(conf.read_text().replace("repository.demo", "repository.more"))
    variant, = ferry("store", "list", "--json").json["variants"]
    assert variant["state"] == "unknown"
    assert ferry("store", "list").out.strip().endswith("  ok")


def test_a_broken_ferry_conf_does_not_keep_store_list_from_listing(ferry, stage, work):
    (work / "ferry.conf").write_text("[repository")
    variant, = ferry("store", "list", "--json").json["variants"]
    assert variant["state"] == "unknown"


def test_show_of_an_earlier_version_says_whether_it_is_there(ferry, stage):
    replaced(stage)
    assert "  in the store\n" in ferry("show", "tiny@1").out
    assert "  in the store\n" not in ferry("show", "tiny@2").out


def test_remove_takes_nothing_that_was_not_named(ferry, stage):
    by_number(stage)
    ferry("store", "path", "tiny:q8_0")
    assert "did you mean" in ferry("store", "remove", "tiny:q8_0", check=3).err
    ferry("store", "remove", "tiny:q8_0@1")


def test_of_several_versions_by_number_the_highest_is_used(ferry, stage):
    for seed in "2", "3":
        stage.publish("tiny", seed)
    for version in "1", "2":
        ferry("fetch", "-q", f"tiny@{version}")
    shutil.rmtree(stage.dir())
    stage.refresh()
    assert "/q8_0@2/" in ferry("store", "path", "tiny:q8_0").out
    assert "/q8_0@2/" in ferry("store", "path", "tiny").out
    assert "/q8_0@2/" in ferry("fetch", "--offline", "tiny").out
    assert "q8_0* (version 2)" in ferry("list", "--offline").out
