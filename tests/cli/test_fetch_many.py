"""Several models in one call: one run, in which the files of all arrive at the same time."""

import json
import os
import pathlib
import shutil

import pytest

from conftest import Ferry
from disks import SmallDisk
from kills import Moments
from publisher import Publisher, object_path
from test_fetch import sha256
from waiting import Log, communicate, kill, until

MIB = 1 << 20
NAMES = [f"m{i}" for i in range(6)]


def publish(work, make_gguf, names, twins=()):
    """A signed repository of small models; twins have the file of the first one."""
    p = Publisher(Ferry(work), work)
    for seed, name in enumerate([*names, *twins]):
        gguf = work / f"{name}.gguf"
        make_gguf(gguf, "--size", "40K", "--seed", 0 if name in twins else seed,
                  "--name", "same" if name in twins or name == names[0] else name)
        p.ferry("prepare", "-q", name, gguf.name, "--set", "license.id=MIT")
        gguf.unlink()
        p.add(work / "models" / name)
    p.sign()
    return p


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_gguf):
    return publish(tmp_path_factory.mktemp("many"), make_gguf, NAMES, ("twin",))


@pytest.fixture
def publisher(ferry, work, made):
    return made.again(ferry, work)


@pytest.fixture
def client(ferry, work, publisher):
    def write(*endpoints, **options):
        (work / "ferry.conf").write_text(publisher.client(*endpoints, **options))
    write()
    return write


def models(document):
    return [m["model"] for m in document["models"]]


def is_right(ferry, publisher, name):
    path = pathlib.Path(ferry("store", "path", name).out.strip())
    return sha256(path) == object_path(publisher.tree, path.name).name.split(".")[0]


def nothing_left(ferry):
    """No file of the store is unfinished or has a name for a while."""
    return [p for p in ferry.store.rglob("*")
            if p.name.endswith((".tmp", ".part", ".journal", ".lock", ".pending.json"))
            and "trust" not in p.parts] == []


# -- what is printed -------------------------------------------------------------------------

def test_results_are_in_the_order_of_the_operands(ferry, publisher, client):
    asked = list(reversed(NAMES))
    paths = ferry("fetch", *asked).out.splitlines()
    assert [pathlib.Path(p).parents[1].name for p in paths] == asked
    for name in NAMES:
        assert is_right(ferry, publisher, name)
    assert nothing_left(ferry)
    again = ferry("fetch", *NAMES, "--json").json
    assert models(again) == NAMES and {m["fetched"] for m in again["models"]} == {0}


def test_cards_and_manifests_are_requested_once_each(ferry, publisher, client, nginx):
    server = nginx(publisher.tree)
    client(server.url)
    ferry("fetch", *NAMES)
    asked = [line.split()[1] for line in server.requests()]
    for end in (".card.json", ".manifest.json", ".gguf"):
        found = [path for path in asked if path.endswith(end)]
        assert len(found) == len(set(found)) == len(NAMES), end


def test_small_files_are_on_their_way_at_the_same_time(ferry, publisher, client, fault_server):
    """Each answer is held until another one is held, too."""
    for end in ("*.card.json", "*.gguf"):
        shutil.rmtree(ferry.store, ignore_errors=True)
        server = fault_server(publisher.tree)
        held = server.add(path=end, hold_after=100)
        client(server.url)
        process = ferry.start("fetch", *NAMES[:3])
        until(lambda h=held: h.hits >= 2, process)
        held.release()
        communicate(process)
        assert process.returncode == 0


def test_a_model_is_told_while_another_one_is_still_on_its_way(ferry, work, publisher, client,
                                                               fault_server):
    server = fault_server(publisher.tree)
    held = server.add(path="*m2*.gguf", hold_after=100)
    client(server.url)
    log = Log(work / "log")
    process = ferry.start("fetch", "m0", "m1", "m2", "m3", "--progress=none", stderr=log.open())
    until(lambda: all(f"demo/{m}:" in log.text for m in ("m0", "m1", "m3")), process)
    assert "demo/m2:" not in log.text
    linked = ferry.store / "models" / "demo" / "m3"
    assert list(linked.rglob(".variant.json"))
    held.release()
    out, _ = communicate(process)
    assert process.returncode == 0
    assert [pathlib.Path(p).parents[1].name for p in out.splitlines()] == ["m0", "m1", "m2", "m3"]


# -- the same file -----------------------------------------------------------------------------

def test_two_models_with_one_file_fetch_it_once(ferry, publisher, client):
    document = ferry("fetch", "twin", "m0", "--json").json
    twin, first = document["models"]
    assert twin["files"][0]["sha256"] == first["files"][0]["sha256"]
    assert twin["fetched"] == twin["size"] and first["fetched"] == 0
    for model in (twin, first):
        assert sha256(model["path"]) == model["files"][0]["sha256"]


def test_one_model_asked_for_twice_is_fetched_once(ferry, publisher, client):
    document = ferry("fetch", "m1", "demo/m1", "m1", "--json").json
    assert models(document) == ["m1"] * 3
    assert sum(m["fetched"] for m in document["models"]) == document["models"][0]["size"]
    assert len({m["path"] for m in document["models"]}) == 1


# -- one fails ---------------------------------------------------------------------------------

def test_one_that_no_mirror_has_does_not_stop_the_others(ferry, publisher, client):
    object_path(publisher.tree, object_name(publisher, "m1")).unlink()
    result = ferry("fetch", "m0", "m1", "m2", "--json", check=4)
    assert models(result.json) == ["m0", "m2"]
    assert [f["operand"] for f in result.json["failed"]] == ["m1"]
    [line] = [text for text in result.err.splitlines() if "every source failed" in text]
    assert "m1" in line and "1 of 3 failed" in result.err


def test_one_with_wrong_bytes_does_not_stop_the_others(ferry, publisher, client):
    """From the only source there is; what it has of the others is still tried first."""
    path = object_path(publisher.tree, object_name(publisher, "m2"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    path.write_bytes(data)
    result = ferry("fetch", "m0", "m1", "m2", "--json", check=6)
    assert "m2" in [f["operand"] for f in result.json["failed"]]
    assert not list((ferry.store / "models" / "demo" / "m2").rglob(".variant.json"))
    for model in result.json["models"]:
        assert sha256(model["path"]) == model["files"][0]["sha256"]


def test_one_that_was_withdrawn_does_not_stop_the_others(ferry, publisher, client):
    publisher.ferry("catalog", "withdraw", "m1", "--reason", "wrong weights", "-q",
                    cwd=publisher.dir)
    publisher.sign()
    result = ferry("fetch", "m0", "m1", "m2", "--json", check=6)
    assert models(result.json) == ["m0", "m2"]
    assert "wrong weights" in result.json["failed"][0]["error"]["message"]


def test_a_card_with_wrong_bytes_bans_the_mirror_and_another_one_serves(ferry, work, publisher,
                                                                        client):
    liar = publisher.copy(work / "liar")
    for card in liar.glob("targets/models/*/*.card.json"):
        data = bytearray(card.read_bytes())
        data[10] ^= 1
        card.unlink()
        card.write_bytes(data)
    client(f"file://{liar}", f"file://{publisher.tree}")
    document = ferry("fetch", *NAMES, "--json").json
    assert models(document) == NAMES
    [faulty] = [s for s in document["sources"] if s["faults"]]
    assert faulty["banned"] and "liar" in faulty["url"]
    assert [f["fault"] for f in faulty["faults"]] == ["wrong-bytes"]


def test_if_there_is_no_space_for_all_none_is_begun(ferry, publisher, client, fault_server):
    """One alone would fit; one that is in the store already needs nothing."""
    server = fault_server(publisher.tree)
    client(server.url)
    disk = SmallDisk(ferry.store, 3 * MIB)
    try:
        ferry("fetch", "m0", env=disk.env)
        before = server.sent("*.gguf")
        result = ferry("fetch", "m0", *NAMES[1:5], "--json", env=disk.env, check=7)
    finally:
        disk.close()
    assert models(result.json) == ["m0"]
    assert [f["operand"] for f in result.json["failed"]] == NAMES[1:5]
    assert "not enough space" in result.json["failed"][0]["error"]["message"]
    assert server.sent("*.gguf") == before


# -- the store, other repositories ----------------------------------------------------------------

def test_offline_several_are_taken_from_the_store(ferry, publisher, client):
    ferry("fetch", "m0", "m1")
    document = ferry("fetch", "m1", "m0", "--offline", "--json").json
    assert models(document) == ["m1", "m0"]
    result = ferry("fetch", "m0", "m2", "m1", "--offline", "--json", check=3)
    assert models(result.json) == ["m0", "m1"]


def test_models_of_two_repositories_come_in_one_call(ferry, work, publisher, client,
                                                     tmp_path_factory, make_gguf):
    (work / "other").mkdir()
    other = Publisher(ferry, work / "other", name="other")
    make_gguf(work / "far.gguf", "--size", "40K", "--seed", 77)
    ferry("prepare", "-q", "far", "far.gguf", "--set", "license.id=MIT")
    other.add(work / "models" / "far")
    other.sign()
    (work / "ferry.conf").write_text(publisher.client() + other.client())
    document = ferry("fetch", "m0", "far", "m1", "--json").json
    assert [(m["repository"], m["model"]) for m in document["models"]] == \
        [("demo", "m0"), ("other", "far"), ("demo", "m1")]
    assert nothing_left(ferry)


def test_several_models_and_an_output_are_refused(ferry, publisher, client):
    result = ferry("fetch", "m0", "m1", "-o", "here", check=2)
    assert "--output takes one model at a time" in result.err


def test_an_output_for_one_small_model(ferry, work, publisher, client):
    ferry("fetch", "m0", "-o", "here.gguf")
    assert sha256(work / "here.gguf") == object_path(
        publisher.tree, object_name(publisher, "m0")).name.split(".")[0]


# -- interrupted -----------------------------------------------------------------------------------

def test_killed_at_any_step_and_run_again_it_has_all_models(ferry, work, publisher, client):
    asked = NAMES[:3]
    moments = Moments(work, lambda env: ferry("fetch", *asked, env=env))
    for env in moments.some(8):
        shutil.rmtree(ferry.store)
        ferry("fetch", *asked, env=env, check=None)
        for blob in (ferry.store / "blobs/sha256").glob("?" * 64):
            assert sha256(blob) == blob.name
        document = ferry("fetch", *asked, "--json").json
        assert models(document) == asked
        for model in document["models"]:
            assert sha256(model["path"]) == model["files"][0]["sha256"]


def test_what_was_complete_before_a_kill_is_not_fetched_again(ferry, work, publisher, client,
                                                              fault_server):
    server = fault_server(publisher.tree)
    server.add(path="*m2*.gguf", hold_after=100)
    client(server.url)
    log = Log(work / "log")
    process = ferry.start("fetch", "m0", "m1", "m2", "--progress=none", stderr=log.open())
    until(lambda: "demo/m0:" in log.text and "demo/m1:" in log.text, process)
    kill(process)
    client()
    document = ferry("fetch", "m0", "m1", "m2", "--json").json
    assert [m["fetched"] > 0 for m in document["models"]] == [False, False, True]


def test_small_files_get_the_modes_that_the_umask_allows(ferry, publisher, client):
    before = os.umask(0o027)
    try:
        document = ferry("fetch", "m0", "--json").json
    finally:
        os.umask(before)
    path = pathlib.Path(document["models"][0]["path"]).resolve()
    assert path.stat().st_mode & 0o777 == 0o440 and path.stat().st_nlink == 1


def object_name(publisher, model):
    card = json.loads(next(publisher.tree.glob(f"targets/models/{model}/*.card.json")).read_text())
    return card["variants"][0]["files"][0]["path"].rsplit("/", 1)[-1]
