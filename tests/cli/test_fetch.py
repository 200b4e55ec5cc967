"""The client end to end: fetch, list, show, store, run, against file trees, nginx and the
simulated broken mirror."""

import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest

from conftest import BIN, Ferry, preloaded
from disks import SmallDisk, read_only
from kills import Moments
from publisher import Publisher, object_path
from waiting import Log, communicate, kill, stopped, until

MIB = 1 << 20
PIECE = 8 * MIB
TINY = "tiny-q8_0.gguf"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(4 * MIB):
            digest.update(block)
    return digest.hexdigest()


# -- what is fetched, made once --------------------------------------------------------------

@pytest.fixture(scope="session")
def prepared(tmp_path_factory, make_gguf):
    """prepared("tiny", "30M") is the folder of a prepared model of about this size."""
    base = tmp_path_factory.mktemp("prepared")
    made = {}

    def prepare(name, size, *options):
        key = (name, size, *options)
        if key not in made:
            work = base / f"{name}-{len(made)}"
            work.mkdir()
            make_gguf(work / f"{name}.gguf", "--size", size, *options)
            sources = sorted(work.glob("*.gguf"))
            Ferry(work)("prepare", "-q", name, *sources, "--set", "license.id=MIT",
                        "--set", f"title=The {name} one")
            for source in sources:
                source.unlink()
            made[key] = work / "models" / name
        return made[key]
    return prepare


@pytest.fixture(scope="session")
def signed(tmp_path_factory, prepared):
    work = tmp_path_factory.mktemp("signed")
    p = Publisher(Ferry(work), work)
    p.add(prepared("tiny", "30M"))
    p.sign()
    return p


@pytest.fixture
def publisher(ferry, work, signed):
    return signed.again(ferry, work)


@pytest.fixture
def client(ferry, work, publisher):
    """client(*endpoints, …) writes the ferry.conf of the client."""
    def write(*endpoints, **options):
        (work / "ferry.conf").write_text(publisher.client(*endpoints, **options))
    write()
    return write


# Pieces come one after the other.
ONE = "[fetch]\nconnections = 1"


def faults(document):
    return {s["id"]: {f["fault"]: f["count"] for f in s["faults"]} for s in document["sources"]}


def parts(ferry):
    """A killed process may also leave a file with which it probed the file system."""
    return sorted(p.name for p in (ferry.store / "partial").iterdir()
                  if not p.name.startswith(".probe."))


# -- the main job ----------------------------------------------------------------------------

def test_fetch_prints_the_path_of_a_verified_file(ferry, publisher, client, validate):
    result = ferry("fetch", "tiny")
    path = pathlib.Path(result.out.removesuffix("\n"))
    assert path == ferry.store / "models" / "demo" / "tiny" / "q8_0" / TINY
    published = object_path(publisher.tree, TINY)
    assert sha256(path) == sha256(published) == published.name.split(".")[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert "30.0 MiB fetched and verified" in result.err
    assert parts(ferry) == []

    again = ferry("fetch", "--json", "demo/tiny:q8_0").json
    validate(again, "output-fetch")
    assert again["models"][0]["path"] == str(path)
    assert again["models"][0]["fetched"] == 0
    assert again["sources"] == []


def test_json_tells_what_came_from_where(ferry, publisher, client, validate):
    document = ferry("fetch", "--json", "Tiny:Q8_0").json
    validate(document, "output-fetch")
    size = object_path(publisher.tree, TINY).stat().st_size
    assert document["models"][0]["fetched"] == size
    [source] = document["sources"]
    assert source["endpoint"] and source["bytes"] > size and source["faults"] == []


def test_list_and_show(ferry, publisher, client, validate):
    line = ferry("list").out
    assert line.split() == ["tiny", "q8_0", "30.0", "MiB", "MIT", "The", "tiny", "one"]
    ferry("fetch", "-q", "tiny")
    assert "q8_0*" in ferry("list", "--offline").out
    assert ferry("list", "nothing-like-it").out == ""
    assert ferry("list", "ti*").out and ferry("list", "ONE").out

    document = ferry("list", "--json").json
    validate(document, "output-list")
    assert document["models"][0]["variants"][0]["in_store"] is True
    document = ferry("show", "--json", "tiny").json
    validate(document, "output-show")
    assert document["in_store"] == ["q8_0"]
    assert [r["version"] for r in document["trust"]] == [1, 2, 2, 2]
    text = ferry("show", "tiny").out
    assert "MIT" in text and object_path(publisher.tree, TINY).name.split(".")[0] in text


def test_store_commands(ferry, client, validate):
    for command in ("list", "verify"):
        validate(ferry("store", command, "--json").json, f"output-store-{command}")
    path = ferry("fetch", "-q", "tiny").out
    document = ferry("store", "list", "--json").json
    validate(document, "output-store-list")
    assert document["variants"][0]["complete"]
    assert ferry("store", "list").out.startswith("demo/tiny:q8_0  30.0 MiB")
    assert ferry("store", "path", "tiny").out == path
    validate(ferry("store", "path", "tiny", "--json").json, "output-store-path")
    document = ferry("store", "verify", "--json", "tiny").json
    validate(document, "output-store-verify")
    assert document["files"][0]["verdict"] == "ok"
    result = ferry("store", "path", "tyni", check=3)
    assert "did you mean 'tiny'?" in result.err
    document = ferry("store", "remove", "--json", "tiny").json
    validate(document, "output-store-remove")
    assert document["freed"] > 29 * MIB
    assert not list((ferry.store / "blobs" / "sha256").iterdir())
    ferry("store", "remove", "tiny", check=3)
    validate(ferry("store", "gc", "--json", "--partials", "1d").json, "output-store-gc")


def test_shards_lie_side_by_side(ferry, work, publisher, prepared, client):
    publisher.add(prepared("split", "30M", "--shards", "3"))
    publisher.sign()
    paths = ferry("fetch", "split").out.splitlines()
    assert len(paths) == 3
    assert len({os.path.dirname(p) for p in paths}) == 1
    assert paths == sorted(paths) and "-00001-of-00003.gguf" in paths[0]
    assert ferry("run", "-q", "split", "echo", "{}").out == paths[0] + "\n"

    out = ferry("fetch", "-q", "split", "-o", "here").out.splitlines()
    assert [os.path.dirname(p) for p in out] == [str(work / "here")] * 3
    assert [sha256(p) for p in out] == [sha256(p) for p in paths]


def test_output_places_the_file(ferry, work, client):
    out = ferry("fetch", "-q", "tiny", "-o", "sub/model.gguf").out
    assert out == f"{work}/sub/model.gguf\n"
    [blob] = (ferry.store / "blobs" / "sha256").iterdir()
    assert sha256(work / "sub" / "model.gguf") == blob.name
    # A folder that is there; the same again; over an older file.
    assert ferry("fetch", "-q", "tiny", "-o", "sub").out == f"{work}/sub/{TINY}\n"
    ferry("fetch", "-q", "tiny", "-o", "sub")
    (work / "old.gguf").write_text("old")
    ferry("fetch", "-q", "tiny", "-o", "old.gguf")
    assert sha256(work / "old.gguf") == blob.name
    assert not list(work.glob("**/.*.tmp"))
    result = ferry("fetch", "tiny", "-o", "/proc/none/x", check=None)
    assert result.code == 7 and "/proc/none" in result.err


def test_several_models_at_once(ferry, publisher, prepared, client):
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    paths = ferry("fetch", "-q", "tiny", "demo/other").out.splitlines()
    assert [os.path.basename(p) for p in paths] == [TINY, "other-q8_0.gguf"]
    ferry("fetch", "tiny", "other", "-o", "x", check=2)


# -- wrong names, wrong configuration ------------------------------------------------------------

def test_typos_get_suggestions(ferry, client, validate):
    result = ferry("fetch", "tinny", check=3)
    assert "did you mean 'tiny'?" in result.err
    result = ferry("fetch", "tiny:q8_1", check=3)
    assert "q8_0" in result.err
    result = ferry("fetch", "demmo/tiny", check=3)
    assert "demmo" in result.err
    ferry("fetch", "not a name", check=2)
    ferry("fetch", check=2)
    assert "--offline" in ferry("fetch", "--ofline", "tiny", check=2).err
    validate(ferry("fetch", "--json", "tinny", check=3).json, "output-fetch")


def test_typo_in_the_key_that_makes_a_client(ferry, work, client):
    text = (work / "ferry.conf").read_text()
    (work / "ferry.conf").write_text(text.replace("metadata", "metdata"))
    assert "did you mean 'metadata'?" in ferry("list", check=2).err
    (work / "ferry.conf").write_text(text + "[store]\npath = x\n")
    assert "unknown section [store]" in ferry("list", check=2).err


def test_output_needs_a_name(ferry, client):
    assert "--output: the name is empty" in ferry("fetch", "tiny", "-o", "", check=2).err


def test_configuration_is_needed(ferry, work, publisher, client):
    (work / "ferry.conf").unlink()
    result = ferry("fetch", "tiny", check=2)
    assert "ferry.conf" in result.err and "ferry repository add" in result.err
    (work / "ferry.conf").write_text("[repository.demo]\nmetdata = file:///x\n")
    result = ferry("fetch", "demo/tiny", check=2)
    assert "ferry.conf:2" in result.err and "did you mean 'metadata'?" in result.err
    client(extra="[fetch]\nlimit-rate = fast")
    assert "limit-rate" in ferry("fetch", "tiny", check=2).err
    client("ftp://example.org/")
    assert "ftp://" in ferry("fetch", "tiny", check=2).err


def test_trust_begins_with_a_pin_only(ferry, work, publisher, client):
    client(pin="")
    result = ferry("fetch", "tiny", check=2)
    assert "root-sha256 = HEX" in result.err
    client(pin=f"root-sha256 = {'0' * 64}")
    result = ferry("fetch", "tiny", check=6)
    assert publisher.root_sha256 in result.err
    client(pin="root-sha256 = abc")
    ferry("fetch", "tiny", check=2)
    client(pin="root = missing.json")
    ferry("fetch", "tiny", check=2)
    shutil.copy(publisher.tree / "metadata" / "1.root.json", work / "root.json")
    client(pin="root = root.json")
    ferry("fetch", "tiny")
    # Once begun, the file is not needed; another digest is a conflict.
    (work / "root.json").unlink()
    ferry("fetch", "tiny")
    client(pin=f"root-sha256 = {'0' * 64}")
    assert "but root-sha256 is now" in ferry("fetch", "tiny", check=8).err


# -- mirrors that fail -----------------------------------------------------------------------------

@pytest.mark.usefixtures("no_pauses")
def test_a_large_model_from_a_liar_and_a_dropper(ferry, work, publisher, prepared, client,
                                                 fault_server, validate):
    """One mirror serves a flipped byte, the other drops the connection every 5 MiB."""
    publisher.add(prepared("big", "100M"))
    liar, dropper = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(liar=liar.url, dropper=dropper.url)
    published = object_path(publisher.tree, "big-q8_0.gguf")
    liar.add(path="*.gguf", flip_in=12345)
    dropper.add(path="*.gguf", drop_every=5 * MIB)
    shutil.move(publisher.tree / "targets" / "models", work / "models")
    os.symlink(work / "models", publisher.tree / "targets" / "models")

    # The endpoint has metadata only: the model can come from these two alone.
    endpoint = work / "endpoint"
    shutil.copytree(publisher.tree, endpoint, ignore=shutil.ignore_patterns("*.gguf"))
    client(f"file://{endpoint}")
    result = ferry("fetch", "--json", "big")
    document = result.json
    validate(document, "output-fetch")
    model = document["models"][0]
    assert sha256(model["path"]) == published.name.split(".")[0]
    found = faults(document)
    assert set(found["liar"]) - {"slow"} == {"wrong-bytes"}
    assert found["dropper"]["dropped"] >= 8
    assert re.search(r"mirror liar: wrong bytes (\d+ times )?\((first: )?piece \d+, at byte \d+\)", result.err)
    assert "mirror dropper: connection dropped" in result.err
    by_id = {s["id"]: s for s in document["sources"]}
    assert by_id["liar"]["banned"] and not by_id["dropper"]["banned"]
    assert by_id["liar"]["wasted"] >= PIECE and by_id["liar"]["bytes"] == 0
    assert by_id["liar"]["share"] + by_id["dropper"]["share"] in (99, 100, 101)
    assert re.search(r"^ferry fetch: from liar     +\d+ %  .*  [\d.]+ MiB wasted$",
                     result.err, re.M)
    assert re.search(r"^ferry fetch: from dropper  +\d+ %  +[\d.]+ MiB", result.err, re.M)
    # Nothing but the pieces of the liar came twice.
    wasted = by_id["liar"]["wasted"] + by_id["dropper"]["wasted"]
    assert liar.sent("*.gguf") + dropper.sent("*.gguf") <= model["size"] + wasted + 8 * MIB
    assert wasted <= 8 * PIECE


@pytest.mark.usefixtures("no_pauses")
def test_missing_on_one_and_refused_by_another(ferry, publisher, client, fault_server, nginx):
    a, b = fault_server(publisher.tree), fault_server(publisher.tree)
    c = nginx(publisher.tree)
    publisher.sign(a=a.url, b=b.url, c=c.url)
    a.add(path="*.gguf", status=404)
    b.add(path="*.gguf", status=403)
    result = ferry("fetch", "--json", "tiny")
    found = faults(result.json)
    assert found["a"] == {"missing": 1} and found["b"] == {"refused": 1} and found["c"] == {}
    assert "mirror a: missing" in result.err and "mirror b: refused" in result.err


def test_a_stalled_mirror_is_left(ferry, publisher, client, fault_server):
    slow, good = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(slow=slow.url, good=good.url)
    slow.add(path="*.gguf", stall_after=1000)
    for seconds in (1, 10, 100):        # on a busy machine, the good one is slow, too
        client(extra=f"[fetch]\nstall-time = {seconds}s")
        before = good.sent("*.gguf")
        found = faults(ferry("fetch", "--json", "tiny").json)
        if not found["good"]:
            break
        ferry("store", "remove", "tiny")
    assert found["slow"] and set(found["slow"]) <= {"stalled", "slow"}
    assert good.sent("*.gguf") - before <= 30 * MIB


@pytest.mark.usefixtures("no_pauses")
def test_every_mirror_down(ferry, work, publisher, client, fault_server, validate):
    a, b = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(a=a.url, b=b.url)
    endpoint = work / "endpoint"
    shutil.copytree(publisher.tree, endpoint, ignore=shutil.ignore_patterns("*.gguf"))
    client(f"file://{endpoint}", extra="[fetch]\nretries = 2")
    a.add(path="*.gguf", status=503)
    b.refuse()
    result = ferry("fetch", "--json", "tiny", check=4)
    validate(result.json, "output-fetch")
    assert result.json["error"]["class"] == "network"
    for id in ("a: unreachable 2 times", "b: unreachable 2 times", "missing"):
        assert id in result.json["error"]["message"]
    # Metadata, too.
    client("http://127.0.0.1:1/", "http://127.0.0.1:2/")
    result = ferry("fetch", "tiny", check=4)
    assert "127.0.0.1:1" in result.err and "127.0.0.1:2" in result.err


@pytest.mark.usefixtures("no_pauses")
def test_only_wrong_bytes_is_a_matter_of_integrity(ferry, work, publisher, client, fault_server):
    bad = fault_server(publisher.tree)
    bad.add(path="*.gguf", flip_at=20 * MIB)
    client(bad.url)
    result = ferry("fetch", "tiny", check=6)
    assert "wrong bytes (piece 2" in result.err
    assert not list((ferry.store / "blobs" / "sha256").iterdir())
    # The good pieces were kept.
    bad.mend()
    before = bad.sent("*.gguf")
    model = ferry("fetch", "--json", "tiny").json["models"][0]
    assert model["resumed"] >= 2 * PIECE
    assert bad.sent("*.gguf") - before == model["size"] - model["resumed"]


@pytest.mark.usefixtures("no_pauses")
def test_truncated_html_and_shifted_answers(ferry, publisher, client, fault_server):
    servers = {f"m{i}": fault_server(publisher.tree) for i in range(5)}
    publisher.sign(**{id: s.url for id, s in servers.items()})
    servers["m0"].add(path="*.gguf", truncate=MIB)
    servers["m1"].add(path="*.gguf", html=True)
    servers["m2"].add(path="*.gguf", shift_range=4096)
    servers["m3"].add(path="*.gguf", ignore_range=True, drop_after=PIECE + 5)
    document = ferry("fetch", "--json", "tiny").json
    assert sha256(document["models"][0]["path"]) == document["models"][0]["files"][0]["sha256"]
    found = faults(document)
    assert set(servers) - {"m4"} <= {i for i, f in found.items() if f}
    # None of them gave a wrong byte of the model.
    for id in ("m0", "m1", "m2"):
        assert set(found[id]) == {"wrong-answer"}


def test_endpoint_that_is_a_mirror_has_the_mirrors_name(ferry, publisher, client, fault_server):
    server, other = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(north=server.url, south=other.url)
    client(server.url + "/")
    server.add(path="*.gguf", flip_in=9)
    result = ferry("fetch", "--json", "tiny")
    found = faults(result.json)
    assert set(found["north"]) - {"slow"} == {"wrong-bytes"}
    assert result.json["sources"][0]["endpoint"] is True
    assert re.search(r"mirror north: wrong bytes (\d+ times )?\((first: )?piece \d", result.err)


# -- endpoints -------------------------------------------------------------------------------------

def test_stale_lying_and_dead_endpoints_are_named(ferry, work, publisher, prepared, client,
                                                  fault_server):
    old = publisher.copy(work / "old")
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    lying = fault_server(publisher.tree)
    lying.add(path="metadata/timestamp.json", flip_at=60)
    client(f"file://{old}", lying.url, "http://127.0.0.1:1/", f"file://{publisher.tree}")
    result = ferry("fetch", "--json", "other")
    found = faults(result.json)
    assert found[f"file://{old}"] == {"stale": 1}
    assert list(found[lying.url]) == ["bad-metadata"]
    assert list(found["http://127.0.0.1:1/"]) == ["unreachable"]
    assert "timestamp version 2, the newest is 3" in result.err


def test_rollback_is_refused(ferry, work, publisher, prepared, client):
    old = publisher.copy(work / "old")
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    ferry("list")
    client(f"file://{old}")
    result = ferry("list")
    assert "rollback of timestamp from version 3 to 2" in result.err and "other" in result.out
    ferry("repository", "status", check=6)


def test_expired_metadata_is_refused_and_listed_offline(ferry, work, prepared):
    p = Publisher(ferry, work, expires={"timestamp": "2d"})
    p.add(prepared("tiny", "30M"))
    p.sign()
    (work / "ferry.conf").write_text(p.client())
    ferry("fetch", "tiny")
    result = ferry("list", check=6, at="+3 days")
    assert "expired" in result.err and "--offline uses what was verified before" in result.err
    ferry("fetch", "other", check=6, at="+3 days")
    result = ferry("fetch", "--offline", "tiny", at="+3 days")
    assert result.out and "expired" in result.err
    document = ferry("list", "--offline", "--json", at="+3 days").json
    assert document["repositories"][0]["expired"] == "timestamp"


def test_offline(ferry, work, publisher, client):
    result = ferry("list", "--offline", check=None)
    assert result.code in (2, 3) and "offline" in result.err + "offline"
    ferry("list")
    result = ferry("fetch", "--offline", "tiny", check=3)
    assert "without --offline" in result.err
    path = ferry("fetch", "tiny").out
    shutil.move(publisher.tree, work / "gone")
    assert ferry("fetch", "--offline", "tiny").out == path
    assert ferry("show", "--offline", "tiny").out
    assert ferry("fetch", "tiny").out == path
    ferry("store", "remove", "tiny")
    ferry("fetch", "tiny", check=4)


def test_damaged_trust_is_mended(ferry, publisher, client):
    ferry("fetch", "tiny")
    trust = ferry.store / "trust" / "demo"
    for name in ("timestamp", "snapshot", "targets", "root"):
        file = trust / f"{name}.json"
        good = file.read_bytes()
        file.write_bytes(good[:len(good) // 2])
        assert ferry("list", "--offline", check=None).code in (3, 6)
        ferry("list")
        assert file.read_bytes() == good
    for cached in (trust / "cache").iterdir():
        cached.write_bytes(b"x" * cached.stat().st_size)
    ferry("list", "--offline", check=3)
    assert ferry("list").out
    assert ferry("list", "--offline").out


# -- interruptions -----------------------------------------------------------------------------------

def claimed(ferry):
    """Pieces that the journal of the only partial file claims."""
    sizes = [p.stat().st_size for p in (ferry.store / "partial").glob("*.journal")]
    return max(0, sizes[0] - 64) // 16 if sizes else 0


def test_kill_twenty_times(ferry, publisher, prepared, client, fault_server):
    """Each run goes on where the one before was killed, but for the piece in flight."""
    publisher.add(prepared("big", "100M"))
    publisher.sign()
    server = fault_server(publisher.tree)
    client(server.url, extra=ONE)
    size = object_path(publisher.tree, "big-q8_0.gguf").stat().st_size
    chance = random.Random(20)

    for _ in range(20):
        begin, before = claimed(ferry), server.sent("*.gguf")
        # Where it is killed: somewhere in this piece or in the next one.
        arrived = chance.randrange(1, 3 * PIECE // 2)
        server.mend()
        server.add(path="*.gguf", hold_after=arrived)
        process = ferry.start("fetch", "-q", "big", start_new_session=True)
        until(lambda: server.sent("*.gguf") == before + arrived
              and claimed(ferry) == begin + arrived // PIECE, process)
        kill(process)
        server.wait_until_quiet()
        last = [e for e in server.log if e["path"].endswith(".gguf")][-1]
        assert last["range"].startswith(f"bytes={(begin + arrived // PIECE) * PIECE}-")
    server.mend()
    before, kept = server.sent("*.gguf"), claimed(ferry)
    assert kept > 3
    model = ferry("fetch", "--json", "big").json["models"][0]
    assert sha256(model["path"]) == model["files"][0]["sha256"]
    assert model["resumed"] == kept * PIECE
    assert server.sent("*.gguf") - before == size - kept * PIECE
    assert parts(ferry) == []
    ferry("store", "verify")


def test_kill_around_the_commit(ferry, work, publisher, client, validate):
    """Kills that hit every step: trust, pin, pieces, commit, link."""
    moments = Moments(work, lambda env: ferry("fetch", "-q", "tiny", env=env))
    shutil.rmtree(ferry.store)
    killed = 0
    for env in moments.some(20):
        result = ferry("fetch", "-q", "tiny", check=None, env=env)
        killed += result.code == -signal.SIGKILL
        for line in ferry("store", "list").out.splitlines():
            assert "incomplete" not in line
        ferry("store", "verify")
        if moments.chance.random() < 0.3:
            ferry("store", "gc")
        if result.code == 0:
            ferry("store", "remove", "tiny")
            shutil.rmtree(ferry.store / "trust")
    assert killed >= 5
    assert ferry("fetch", "tiny").out
    assert parts(ferry) == []
    assert not list((ferry.store / "models").glob("**/.pending.json"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_cleanly(ferry, publisher, client, fault_server, number, validate):
    server = fault_server(publisher.tree)
    server.add(path="*.gguf", hold_after=12 * MIB)
    client(server.url, extra=ONE)
    process = ferry.start("fetch", "--json", "tiny", start_new_session=True)
    until(lambda: claimed(ferry) == 1, process)
    os.killpg(process.pid, number)
    out, err = communicate(process)
    assert process.returncode == -number
    document = json.loads(out)
    validate(document, "output-fetch")
    assert document["error"]["exit"] == 128 + number
    assert document["error"]["message"].startswith("stopped by signal")
    assert "run the same command again" in document["error"]["hint"]
    server.mend()
    model = ferry("fetch", "--json", "tiny").json["models"][0]
    assert model["resumed"] == PIECE


def waits(ferry, log, *args):
    """A second process, once it waits for the first."""
    process = ferry.start("fetch", *args, "tiny", stderr=log.open())
    until(lambda: "is fetching this file" in log.text, process)
    return process


def test_two_at_once_share_the_work(ferry, work, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    held = server.add(path="*.gguf", hold_after=12 * MIB)
    client(server.url, extra=ONE)
    size = object_path(publisher.tree, TINY).stat().st_size
    first = ferry.start("fetch", "tiny")
    until(lambda: claimed(ferry) == 1, first)
    second = waits(ferry, Log(work / "log"))
    held.release()
    ends = [communicate(p) for p in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    assert ends[0][0] == ends[1][0]
    assert server.sent("*.gguf") == size


def test_waiting_process_takes_over_from_a_killed_one(ferry, work, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    held = server.add(path="*.gguf", hold_after=12 * MIB)
    client(server.url, extra=ONE)
    first = ferry.start("fetch", "tiny", start_new_session=True)
    until(lambda: claimed(ferry) == 1, first)
    second = waits(ferry, Log(work / "log"), "--json")
    server.mend()
    kill(first)
    out, _ = communicate(second)
    assert second.returncode == 0
    assert json.loads(out)["models"][0]["resumed"] == PIECE
    assert held.hits == 2


def test_a_stopped_process_is_named_and_not_waited_for_for_ever(ferry, work, publisher, client,
                                                                fault_server):
    server = fault_server(publisher.tree)
    held = server.add(path="*.gguf", hold_after=12 * MIB)
    client(server.url, extra=ONE)
    first = ferry.start("fetch", "tiny", start_new_session=True)
    until(lambda: claimed(ferry) == 1, first)
    lock = next((ferry.store / "partial").glob("*.lock"))
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    first.send_signal(signal.SIGSTOP)
    stopped(first)
    server.mend()
    result = ferry("fetch", "tiny", env=preloaded("clock"))
    assert f"process {first.pid} is fetching this file; waiting for it" in result.err
    assert f"warning: {TINY}: process {first.pid} has received nothing" in result.err
    path = pathlib.Path(result.out.removesuffix("\n"))
    assert sha256(path) == object_path(publisher.tree, TINY).name.split(".")[0]
    # Whoever goes on later finds the file, and does no harm to it.
    first.send_signal(signal.SIGCONT)
    held.release()
    communicate(first)
    assert sha256(path) == object_path(publisher.tree, TINY).name.split(".")[0]
    assert ferry("store", "verify").code == 0


# -- the disk ------------------------------------------------------------------------------------------

def test_full_disk_is_seen_before_the_start(ferry, publisher, client):
    disk = SmallDisk(ferry.store, 20 * MIB)
    try:
        result = ferry("fetch", "tiny", env=disk.env, check=7)
    finally:
        disk.close()
    assert "not enough space: 30.0 MiB needed" in result.err
    assert "hint:" in result.err


def test_disk_that_fills_up_is_no_fault_of_a_mirror(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    held = server.add(path="*.gguf", hold_after=12 * MIB)
    client(server.url, extra=ONE)
    disk = SmallDisk(ferry.store, 40 * MIB)
    try:
        process = ferry.start("fetch", "tiny", env=disk.env)
        until(lambda: claimed(ferry) == 1, process)
        disk.fill()
        held.release()
        _, err = communicate(process)
    finally:
        disk.close()
    assert process.returncode == 7, err
    assert "No space left on device" in err or "the disk is filling up" in err
    assert "mirror" not in err and "hint: free some space" in err


def test_file_size_limit_is_an_error(ferry, publisher, client):
    import resource
    process = subprocess.run(
        ferry.command("fetch", "tiny"), cwd=ferry.work, env=ferry.environment(None),
        capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10 * MIB, 10 * MIB)))
    assert process.returncode == 7
    assert "allows at most 10.0 MiB" in process.stderr and "llama-gguf-split" in process.stderr
    assert not list((ferry.store / "partial").iterdir())
    assert ferry("fetch", "tiny").out


def test_read_only_store_is_used_and_not_written(ferry, publisher, prepared, client):
    path = ferry("fetch", "tiny").out
    publisher.add(prepared("other", "4M"))
    publisher.sign()

    def run(confine, *args, check):
        process = subprocess.run(confine(ferry.command(*args)), cwd=ferry.work, text=True,
                                 env=ferry.environment(None), capture_output=True)
        assert process.returncode == check, process.stderr
        return process

    with read_only(ferry.store) as confine:
        result = run(confine, "fetch", "tiny", check=0)
        assert result.stdout == path and "read-only" in result.stderr
        assert "tiny" in run(confine, "list", check=0).stdout
        run(confine, "store", "verify", check=0)
        # What is not known yet cannot come, and neither can what is known.
        run(confine, "fetch", "other", check=3)
    ferry("list")
    with read_only(ferry.store) as confine:
        result = run(confine, "fetch", "other", check=7)
        assert "read-only" in result.stderr
        run(confine, "store", "remove", "tiny", check=7)


def test_damaged_blob_is_found_and_replaced(ferry, publisher, client, validate):
    path = pathlib.Path(ferry("fetch", "-q", "tiny").out.strip())
    blob = path.resolve()
    blob.chmod(0o644)
    with blob.open("r+b") as f:
        f.seek(9 * MIB)
        f.write(b"damage")
    result = ferry("store", "verify", "--json", check=1)
    validate(result.json, "output-store-verify")
    assert result.json["files"][0]["verdict"] == "damaged"
    assert "renamed to *.damaged" in result.err
    assert "incomplete" in ferry("store", "list").out
    ferry("store", "path", "tiny", check=3)
    # Only the piece that is wrong comes again.
    model = ferry("fetch", "--json", "tiny").json["models"][0]
    assert model["path"] == str(path) and model["fetched"] == PIECE
    assert ferry("store", "verify").code == 0
    assert not list(blob.parent.glob("*.damaged"))

    # In one go. A file with a second name is left as it is.
    os.link(blob, ferry.work / "mine.gguf")
    blob.chmod(0o644)
    with blob.open("r+b") as f:
        f.write(b"damage")
    result = ferry("fetch", "--verify", "tiny")
    assert "damaged" in result.err
    assert (ferry.work / "mine.gguf").read_bytes()[:6] == b"damage"
    assert "1 leftovers" in ferry("store", "gc").out
    assert sha256(path) == blob.name


def test_gc_keeps_what_can_be_resumed(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    server.add(path="*.gguf", flip_at=20 * MIB)
    client(server.url)
    ferry("fetch", "tiny", check=6)
    assert len(parts(ferry)) == 3
    ferry("store", "gc")
    assert len(parts(ferry)) == 3
    assert "would remove" in ferry("store", "gc", "--dry-run", "--partials", "0").out
    assert len(parts(ferry)) == 3
    assert "1 unfinished" in ferry("store", "gc", "--partials", "0").out
    assert parts(ferry) == []


# -- limits, run -----------------------------------------------------------------------------------------

def test_limit_rate_is_kept(ferry, client):
    began = time.monotonic()
    ferry("fetch", "--limit-rate", "60M", "tiny")
    assert time.monotonic() - began > 0.4


def test_run_becomes_the_program(ferry, work, publisher, client):
    result = ferry("run", "tiny", "--", "sha256sum", "{}")
    digest, path = result.out.split()
    assert digest == object_path(publisher.tree, TINY).name.split(".")[0]
    assert ferry("run", "tiny", "echo", "a{}b{}", "$HOME; ls").out == \
        f"a{path}b{path} $HOME; ls\n"
    assert ferry("run", "tiny", "--", "sh", "-c", "exit 7", "sh", "{}", check=7).out == ""
    assert ferry("run", "tiny", "--", "sh", "-c", "kill -9 $$", "sh", "{}", check=-9)
    # Options of the program are its own.
    assert ferry("run", "tiny", "echo", "--json", "-q", "{}").out == f"--json -q {path}\n"
    assert "no-such-program is not on PATH" in ferry("run", "tiny", "--", "no-such-program", "{}",
                                                     check=3).err
    assert "missing" in ferry("run", "tiny", check=2).err
    (work / "no-program").write_text("x")
    ferry("run", "tiny", "--", work / "no-program", "{}", check=7)
    # When nobody answers, the store has it.
    shutil.move(publisher.tree, work / "gone")
    result = ferry("run", "tiny", "echo", "{}")
    assert result.out == f"{path}\n" and "could not be refreshed" in result.err
    assert ferry("run", "--offline", "tiny", "echo", "{}").out == f"{path}\n"
    (work / "ferry.conf").unlink()
    assert ferry("run", "--offline", "tiny", "echo", "{}").out == f"{path}\n"
    assert "use it with --offline" in ferry("run", "tiny", "echo", "{}", check=2).err


def test_run_does_not_start_a_program_without_a_name(ferry):
    """As in `ferry run phi-2 -- "$ENGINE" {}`; it is said before anything is downloaded."""
    result = ferry("run", "phi-2", "--", "", "{}", check=2)
    assert "the name of the program is empty" in result.err and "variable" in result.err


def test_run_refuses_a_program_that_would_not_get_the_model(ferry, client):
    """Before anything is fetched."""
    result = ferry("run", "tiny", "--", "llama-server", "--port", "8080", check=2)
    assert "no argument of llama-server has {}, so it would not get the model" in result.err
    assert "ferry run tiny -- llama-server -m {}" in result.err and "--without-path" in result.err
    # The program's own name is no argument.
    assert "has {}" in ferry("run", "tiny", "--", "{}", check=2).err
    assert ferry("store", "list").out == ""
    result = ferry("run", "tiny", "--offline", "--", "echo", "{}", check=2)
    assert "options of ferry run must come before the model" in result.err
    assert ferry("run", "--without-path", "tiny", "--", "echo", "x").out == "x\n"
    path = ferry("store", "path", "tiny").out
    assert ferry("run", "tiny", "--", "sh", "-c", 'echo "$1"', "sh", "{}").out == path


def test_run_does_not_pass_the_passphrase_on(ferry, client):
    assert ferry.env["FERRY_PASSPHRASE"]
    ferry.env["LLAMA_API_KEY"] = "kept"
    out = ferry("run", "--without-path", "tiny", "--", "env").out
    assert "FERRY_PASSPHRASE" not in out and "LLAMA_API_KEY=kept" in out


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("suffix", [".part", ".journal", ".lock"])
def test_a_link_in_the_store_is_not_written_through(ferry, work, publisher, client, kind, suffix):
    ferry("store", "list")
    victim = work / "victim"
    victim.write_bytes(b"mine")
    digest = object_path(publisher.tree, TINY).name.split(".")[0]
    name = ferry.store / "partial" / (digest + suffix)
    victim.chmod(0o444)
    name.symlink_to(victim) if kind == "symbolic" else os.link(victim, name)
    ferry("fetch", "tiny")
    assert victim.read_bytes() == b"mine" and stat.S_IMODE(victim.stat().st_mode) == 0o444


def test_a_path_is_escaped_for_a_terminal_alone(ferry, work, client):
    name = "x\u202efugg.\u009b31m"
    assert ferry("fetch", "tiny", "-o", work / name).out == f"{work / name}\n"
    master, slave = os.openpty()
    process = ferry.start("fetch", "-q", "tiny", "-o", work / name, stdout=slave)
    os.close(slave)
    communicate(process)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert "x\\u{202e}fugg.\\u{9b}31m" in shown and "\u202e" not in shown


def test_run_passes_signals(ferry, client):
    process = ferry.start("run", "-q", "--without-path", "tiny", "--", "sh", "-c",
                          "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = communicate(process)
    assert out == "caught\n" and process.returncode == 3


# -- several repositories -----------------------------------------------------------------------------------

def test_model_in_two_repositories_must_be_told_apart(ferry, work, publisher, prepared):
    second = Publisher(ferry, work, "second")
    second.add(prepared("tiny", "30M"))
    second.add(prepared("other", "4M"))
    second.sign()
    (work / "ferry.conf").write_text(publisher.client() + second.client())
    result = ferry("fetch", "tiny", check=2)
    assert "demo and second" in result.err
    ferry("fetch", "second/tiny")
    assert ferry("fetch", "other").out
    assert "second/other" in ferry("list").out
    # One that is down does not keep the other from working.
    shutil.move(publisher.tree, work / "gone")
    result = ferry("fetch", "other")
    assert "warning" in result.err and "demo" in result.err
    assert "could not be refreshed" in ferry("fetch", "demo/tiny").err
    assert len(ferry("store", "list").out.splitlines()) == 3


def test_programs_link_no_publisher_libraries():
    for name in ("fetch", "list", "show", "store", "run", "repository"):
        linked = subprocess.run(["ldd", BIN / f"ferry-{name}"], capture_output=True,
                                text=True, check=True).stdout
        assert "libcurl" in linked or name == "store"
        for library in ("libgit2", "libarchive", "libexpat"):
            assert library not in linked, name
