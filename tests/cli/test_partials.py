"""Unfinished downloads: what is kept, who may use it, and what removes it."""

import os
import pathlib
import subprocess

import pytest

from conftest import preloaded
from disks import SmallDisk, read_only
from kills import Moments
from publisher import object_path
from test_fetch import (MIB, PIECE, TINY, claimed, client, parts, prepared, publisher,  # noqa: F401
                        sha256, signed)
from waiting import communicate, kill, until

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def broken(ferry, publisher, client, fault_server):  # noqa: F811
    """A mirror whose piece 2 is wrong, so that two pieces of tiny are kept."""
    server = fault_server(publisher.tree)
    client(server.url)
    server.add(path="*.gguf", flip_at=20 * MIB)
    return server


@pytest.fixture
def unfinished(ferry, broken):
    ferry("fetch", "tiny", check=6)
    return broken


def digest(publisher):  # noqa: F811
    return object_path(publisher.tree, TINY).name.split(".")[0]


# -- the list ------------------------------------------------------------------------------


def test_partials_lists_what_a_fetch_goes_on_with(ferry, publisher, unfinished, validate):
    document = ferry("store", "partials", "--json").json
    validate(document, "output-store-partials")
    one, = document["partials"]
    assert one["models"] == [{"repository": "demo", "model": "tiny", "variant": "q8_0",
                              "file": TINY}]
    assert one["sha256"] == digest(publisher) and one["there"] >= 2 * PIECE
    assert one["size"] == object_path(publisher.tree, TINY).stat().st_size
    assert "held_by" not in one and pathlib.Path(one["path"]).exists()
    assert document["bytes"] == one["there"] and not document["removed"]
    line = ferry("store", "partials").out
    assert "demo/tiny:q8_0" in line and TINY in line and "resumable" in line
    for name in ("tiny", "demo/tiny", "tiny:q8_0", "sha256:" + one["sha256"],
                 "sha256:" + one["sha256"][:8]):
        named, = ferry("store", "partials", name, "--json").json["partials"]
        assert {**named, "age": one["age"]} == one
    assert "no unfinished download belongs to other" in \
        ferry("store", "partials", "other", check=3).err
    assert "at least 8 digits" in ferry("store", "partials", "sha256:abc", check=2).err
    unfinished.mend()
    ferry("fetch", "tiny")
    assert ferry("store", "partials").out == ""


def test_list_and_gc_mention_what_can_be_resumed(ferry, unfinished, validate):
    listed = ferry("store", "list")
    assert "1 unfinished download, " in listed.err and "`ferry store partials`" in listed.err
    document = ferry("store", "list", "--json").json
    validate(document, "output-store-list")
    assert document["partials"] == 1 and document["partial_bytes"] >= 2 * PIECE
    kept = ferry("store", "gc")
    assert "kept: 1 unfinished download" in kept.err and "--partials AGE" in kept.err
    document = ferry("store", "gc", "--json", "--partials", "0").json
    validate(document, "output-store-gc")
    assert document["partials"] == 1 and document["partials_kept"] == 0
    assert "unfinished" not in ferry("store", "list").err


def test_one_whose_model_is_forgotten_is_named_by_its_digest(ferry, publisher, unfinished):
    for pin in ferry.store.rglob(".pending.json"):
        pin.unlink()
    name = "sha256:" + digest(publisher)
    assert ferry("store", "partials").out.split()[0] == name
    ferry("store", "partials", "--remove", name)
    assert parts(ferry) == []


# -- removing ------------------------------------------------------------------------------


def test_remove_takes_only_what_is_named(ferry, publisher, prepared, unfinished,  # noqa: F811
                                         validate):
    publisher.add(prepared("other", "20M"))
    publisher.sign()
    unfinished.mend()
    unfinished.add(path="*other*.gguf", flip_at=10 * MIB)
    ferry("fetch", "other", check=6)
    assert len(ferry("store", "partials").out.splitlines()) == 2
    refused = ferry("store", "partials", "--remove", check=2)
    assert "ferry store gc --partials 0" in refused.err
    document = ferry("store", "partials", "--remove", "--json", "tiny").json
    validate(document, "output-store-partials")
    assert document["removed"] and len(document["partials"]) == 1
    assert document["bytes"] >= 2 * PIECE
    assert [p for p in parts(ferry) if p.startswith(digest(publisher))] == []
    assert "demo/other" in ferry("store", "partials").out
    several = ferry("store", "partials", "--remove", "--json", "other", "tiny", check=3).json
    validate(several, "output-store-partials")
    assert several["failed"][0]["operand"] == "tiny" and len(several["partials"]) == 1
    assert parts(ferry) == []


def test_one_that_a_process_uses_is_not_removed(ferry, publisher, client,  # noqa: F811
                                                fault_server):
    server = fault_server(publisher.tree)
    client(server.url)
    process, _ = began(ferry, server)
    holder = f"process {process.pid}"
    one, = ferry("store", "partials", "--json").json["partials"]
    assert one["held_by"] == holder
    assert f"in use by {holder}" in ferry("store", "partials").out
    refused = ferry("store", "partials", "--remove", "tiny", check=8)
    assert holder in refused.err and "stop it first" in refused.err
    ferry("store", "gc", "--partials", "0")
    assert claimed(ferry) >= 1
    kill(process)
    ferry("store", "partials", "--remove", "tiny")
    assert parts(ferry) == []


def test_files_of_others_beside_them_are_left_alone(ferry, work, unfinished):
    folder = ferry.store / "partial"
    victim = work / "victim.gguf"
    victim.write_bytes(b"mine")
    strange = folder / "notes.txt"
    strange.write_text("mine")
    link = folder / ("0" * 64 + ".part")
    link.symlink_to(victim)
    os.link(victim, folder / ("1" * 64 + ".part"))
    assert len(ferry("store", "partials").out.splitlines()) == 1
    ferry("store", "gc", "--partials", "0")
    assert victim.read_bytes() == b"mine" and strange.exists()


# -- journals ------------------------------------------------------------------------------


def broken_journals():
    yield "another mark", lambda b: b"x" + b[1:]
    yield "another version", lambda b: b[:8] + b"\2" + b[9:]
    yield "another size", lambda b: b[:16] + b"\xff" + b[17:]
    yield "another digest", lambda b: b[:40] + b"\0\0\0\0" + b[44:]
    yield "zeros", lambda b: bytes(len(b))
    yield "text", lambda b: b"not a journal at all\n" * 10


@pytest.mark.parametrize("harm", [h for _, h in broken_journals()],
                         ids=[name for name, _ in broken_journals()])
def test_a_journal_that_is_none_is_set_aside_and_the_pieces_are_found(ferry, unfinished, harm):
    journal, = (ferry.store / "partial").glob("*.journal")
    wrong = harm(journal.read_bytes())
    journal.write_bytes(wrong)
    told = ferry("fetch", "tiny", check=6).err
    bad = journal.with_suffix(".journal.bad")
    assert f"renamed to {bad}" in told and bad.read_bytes() == wrong
    unfinished.mend()
    model, = ferry("fetch", "tiny", "--json").json["models"]
    assert model["resumed"] >= 2 * PIECE
    assert model["fetched"] + model["resumed"] == model["size"]
    assert parts(ferry) == []


@pytest.mark.parametrize("harm", ["missing", "header cut", "record cut", "record wrong", "no record"])
def test_a_journal_that_lost_something_costs_no_piece(ferry, unfinished, harm):
    journal, = (ferry.store / "partial").glob("*.journal")
    data = journal.read_bytes()
    if harm == "missing":
        journal.unlink()
    else:
        journal.write_bytes({"header cut": data[:63], "record cut": data[:-5],
                             "record wrong": data[:70] + b"\xff" + data[71:],
                             "no record": data[:64]}[harm])
    unfinished.mend()
    result = ferry("fetch", "tiny", "--json")
    model, = result.json["models"]
    assert "journal" not in result.err and model["resumed"] >= 2 * PIECE
    assert model["fetched"] + model["resumed"] == model["size"]


def test_damaged_pieces_of_an_earlier_run_are_downloaded_again(ferry, publisher,  # noqa: F811
                                                               unfinished):
    part, = (ferry.store / "partial").glob("*.part")
    with part.open("r+b") as f:
        f.seek(PIECE + 5)
        f.write(b"damage")
    unfinished.mend()
    path = pathlib.Path(ferry("fetch", "-q", "tiny").out.strip())
    assert sha256(path) == digest(publisher)


# -- several processes ---------------------------------------------------------------------


NO_LOCKS = {"SIMULATED_LACKS": "locks", "SIMULATED_ERRNO": 38}


def began(ferry, server, env=None):
    """A fetch that has one piece, and waits for the others."""
    held = server.add(path="*.gguf", skip=1, hold_after=1000)
    process = ferry.start("fetch", "-q", "tiny", env=env, start_new_session=True)
    until(lambda: claimed(ferry) >= 1, process)
    server.mend()
    return process, held


@pytest.mark.parametrize("locks", [True, False])
def test_a_killed_fetch_is_gone_on_with(ferry, publisher, client, fault_server,  # noqa: F811
                                        locks):
    env = None if locks else preloaded("lacks", **NO_LOCKS)
    server = fault_server(publisher.tree)
    client(server.url)
    process, _ = began(ferry, server, env)
    kill(process)
    # The next run may have locks again, or none any more.
    for other in (env, preloaded("lacks", **NO_LOCKS)):
        server.add(path="*.gguf", status=404)
        ferry("fetch", "tiny", env=other, check=None)
        server.mend()
        one, = ferry("store", "partials", "--json").json["partials"]
        assert one["there"] >= PIECE and "held_by" not in one
    model, = ferry("fetch", "tiny", "--json").json["models"]
    assert model["resumed"] >= PIECE and parts(ferry) == []


def test_two_processes_without_locks_write_to_two_files_and_say_so(
        ferry, publisher, client, fault_server):  # noqa: F811
    env = preloaded("lacks", **NO_LOCKS)
    server = fault_server(publisher.tree)
    client(server.url)
    first, held = began(ferry, server, env)
    second = ferry("fetch", "tiny", env=env)
    assert f"process {first.pid} is fetching this file, too" in second.err
    assert "has no locks that work: it is downloaded twice" in second.err
    blob = ferry.store / "blobs/sha256" / digest(publisher)
    inode = blob.stat().st_ino
    held.release()
    out, err = communicate(first)
    assert first.returncode == 0 and out == second.out, err
    # Programs that have the first one open and those that come later share it.
    assert blob.stat().st_ino == inode and sha256(blob) == blob.name
    assert parts(ferry) == []


def test_a_lying_mirror_of_a_second_process_without_locks_harms_nobody(
        ferry, publisher, client, fault_server):  # noqa: F811
    env = preloaded("lacks", **NO_LOCKS)
    good, lying = fault_server(publisher.tree), fault_server(publisher.tree)
    lying.add(path="*.gguf", flip_at=1000)
    lying.add(path="*.gguf", flip_at=20 * MIB)
    client(good.url)
    first, held = began(ferry, good, env)
    client(lying.url)
    ferry("fetch", "tiny", env=env, check=6)
    assert not list((ferry.store / "blobs/sha256").iterdir())
    held.release()
    out, err = communicate(first)
    assert first.returncode == 0, err
    assert sha256(pathlib.Path(out.strip())) == digest(publisher)
    assert parts(ferry) == []


def test_kills_at_many_moments_without_locks_lose_nothing(ferry, work, publisher, client):  # noqa: F811
    def without_locks(env):
        return {**env, **preloaded("lacks", "kill", **NO_LOCKS)}

    moments = Moments(work, lambda env: ferry("fetch", "-q", "tiny", env=without_locks(env)))
    ferry("store", "remove", "tiny")
    most = 0
    for env in moments.some(10):
        result = ferry("fetch", "-q", "tiny", check=None, env=without_locks(env))
        document = ferry("store", "partials", "--json").json
        assert not [p for p in document["partials"] if "held_by" in p]
        now = max((p["there"] for p in document["partials"]), default=0)
        if result.code == 0 or (ferry.store / "blobs/sha256" / digest(publisher)).exists():
            ferry("store", "verify")
            ferry("store", "remove", "tiny", check=None)
            ferry("store", "gc", "--partials", "0")
            now = 0
        assert now >= most or now == 0
        most = now
    ferry("fetch", "tiny")
    ferry("store", "verify")
    assert parts(ferry) == []


# -- the disk ------------------------------------------------------------------------------


def test_after_a_full_disk_the_same_command_goes_on(ferry, publisher, client,  # noqa: F811
                                                    fault_server):
    server = fault_server(publisher.tree)
    client(server.url)
    disk = SmallDisk(ferry.store, 40 * MIB)
    try:
        process, held = began(ferry, server, disk.env)
        disk.fill()
        held.release()
        _, err = communicate(process)
        assert process.returncode == 7, err
        # It looks from time to time, and else learns it by the next write.
        assert "the disk is filling up: " in err or \
            "No space left on device: it needs another " in err and " is free" in err
        assert "free some space, then run the same command again" in err
        disk.empty(40 * MIB)
        model, = ferry("fetch", "tiny", "--json", env=disk.env).json["models"]
        assert model["resumed"] >= PIECE
        assert sha256(model["path"]) == digest(publisher)
    finally:
        disk.close()


def test_partials_of_a_read_only_store_are_listed_and_not_removed(ferry, unfinished):
    def run(confine, *args):
        return subprocess.run(confine(ferry.command("store", "partials", *args)), cwd=ferry.work,
                              text=True, env=ferry.environment(None), capture_output=True)

    with read_only(ferry.store) as confine:
        listed = run(confine)
        assert listed.returncode == 0 and "demo/tiny:q8_0" in listed.stdout, listed.stderr
        assert run(confine, "--remove", "tiny").returncode == 7
    assert claimed(ferry) >= 2
