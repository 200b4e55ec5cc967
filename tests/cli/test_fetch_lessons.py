"""What users of other downloaders suffer, and what is to happen instead."""

import json
import os
import subprocess

from disks import SmallDisk
from publisher import object_path
from test_consent import dry, interrupt, snapshot
from test_fetch import (PIECE, TINY, claimed, client, prepared,  # noqa: F401 (fixtures)
                        publisher, sha256, signed)
from waiting import communicate, until

MIB = 1 << 20


def events(err):
    return [json.loads(line) for line in err.splitlines()]


def test_the_progress_of_a_resumed_download_does_not_begin_at_zero(ferry, publisher, client,
                                                                   fault_server):
    """ollama#8675"""
    server = fault_server(publisher.tree)
    client(server.url)
    interrupt(ferry, server, "tiny")
    server.wait_until_quiet()
    sent = server.sent("*.gguf")
    result = ferry("fetch", "--json", "--progress=json", "tiny")
    model = result.json["models"][0]
    assert model["resumed"] >= PIECE
    assert model["resumed"] + model["fetched"] == model["size"]
    assert server.sent("*.gguf") - sent <= model["fetched"]
    seen = [e["bytes"] for e in events(result.err) if e.get("task") == TINY and "bytes" in e]
    assert seen and max(seen) <= model["size"]


def test_the_next_start_keeps_what_was_downloaded(ferry, publisher, client, fault_server):
    """ollama#12507: another command, and a fetch of another model, prune nothing."""
    server = fault_server(publisher.tree)
    client(server.url)
    interrupt(ferry, server, "tiny")
    before = snapshot(ferry)
    for command in (["list"], ["store", "list"], ["store", "gc"], ["fetch", "nothing"]):
        ferry(*command, check=None)
    assert snapshot(ferry) == before
    assert dry(ferry, "tiny")["models"][0]["kept"] >= PIECE


def test_a_disk_that_others_fill_stops_a_fetch_before_it_is_full(ferry, publisher, client,
                                                                 fault_server):
    """ollama#14255: it says how much is missing, and keeps the pieces."""
    server = fault_server(publisher.tree)
    client(server.url)
    held = server.add(path="*.gguf", hold_after=12 * MIB)
    disk = SmallDisk(ferry.store, 60 * MIB)
    try:
        process = ferry.start("fetch", "tiny", env=disk.env)
        until(lambda: claimed(ferry) >= 1, process)
        disk.resize(28 * MIB)
        held.release()
        _, err = communicate(process)
        assert process.returncode == 7, err
        assert "the disk is filling up" in err and "are missing" in err
        assert "all verified pieces are kept" in err
        disk.resize(60 * MIB)
        model = ferry("fetch", "--json", "tiny", env=disk.env).json["models"][0]
        assert model["resumed"] >= PIECE and model["resumed"] + model["fetched"] == model["size"]
    finally:
        disk.close()


def test_a_file_of_the_right_size_with_wrong_bytes_is_no_success(ferry, publisher, client,
                                                                 fault_server):
    """hub#3643, and ollama#941: what was right of it is kept."""
    server = fault_server(publisher.tree)
    client(server.url)
    server.add(path="*.gguf", flip_at=20 * MIB)
    ferry("fetch", "tiny", check=6)
    assert not list((ferry.store / "blobs").rglob("*-*"))
    assert not list((ferry.store / "models").rglob("*.gguf"))
    server.mend()
    ferry("fetch", "tiny")
    [blob] = (ferry.store / "blobs" / "sha256").iterdir()
    assert sha256(blob) == blob.name


def test_a_copy_for_the_user_takes_no_second_space(ferry, client):
    """ollama#1450: the file is the blob, or shares its bytes."""
    ferry("fetch", "tiny")
    path = ferry.store / "models" / "demo" / "tiny" / "q8_0" / TINY
    [blob] = (ferry.store / "blobs" / "sha256").iterdir()
    assert os.path.samefile(path, blob)


def test_a_fetch_has_bounded_memory(ferry, publisher, client, prepared):
    """xet-core#927: a container with 1 GiB is enough, whatever the size of the model."""
    publisher.add(prepared("big", "100M"))
    publisher.sign()
    client()
    # From a small process: a peak is at least that of the parent at the start.
    measure = ("import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); "
               "_, status, usage = os.wait4(pid, 0); "
               "print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)")
    done = subprocess.run(["/usr/bin/python3", "-c", measure,
                           *map(str, ferry.command("fetch", "-q", "big"))], cwd=ferry.work,
                          env=ferry.environment(None), capture_output=True, text=True, check=True)
    code, peak_kib = map(int, done.stdout.split()[-2:])
    assert code == 0
    assert peak_kib < 128 << 10


def test_two_writers_do_not_make_a_file_of_twice_the_size(ferry, publisher, client):
    """llama.cpp#12207"""
    processes = [ferry.start("fetch", "-q", "tiny") for _ in range(3)]
    ends = [communicate(p) for p in processes]
    assert [p.returncode for p in processes] == [0, 0, 0], ends
    assert len({out for out, _ in ends}) == 1
    [blob] = (ferry.store / "blobs" / "sha256").iterdir()
    assert blob.stat().st_size == object_path(publisher.tree, TINY).stat().st_size
    assert sha256(blob) == blob.name


def test_a_wrong_piece_costs_a_piece_and_not_the_file(ferry, publisher, client, fault_server):
    """aria2#1257: with one digest for the whole file, all of it is downloaded again."""
    bad, good = fault_server(publisher.tree), fault_server(publisher.tree)
    bad.add(path="*.gguf", flip_at=PIECE + 5)
    publisher.sign(bad=bad.url, good=good.url)
    client()
    document = ferry("fetch", "--json", "tiny").json
    size = document["models"][0]["size"]
    wasted = sum(s["wasted"] for s in document["sources"])
    assert document["models"][0]["fetched"] == size
    assert wasted < size


def test_an_update_is_not_downloaded_without_the_bytes_being_said(ferry, publisher, client,
                                                                  prepared):
    """unsloth PR #7209: the template is another one; the weights are reused."""
    ferry("fetch", "tiny")
    publisher.add(prepared("tiny", "30M", "--name", "Another name"))
    publisher.sign()
    [model] = dry(ferry, "tiny")["models"]
    assert model["replaces"] == 1 and 0 < model["download"] < model["size"] / 2
