"""File systems that lack modes, links, locks or large files: what they lack is no error, except
that a private key must be private."""

import errno
import os
import pathlib
import resource
import stat
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from conftest import preloaded
from disks import SmallDisk
from test_fetch import (MIB, PIECE, TINY, claimed, client, prepared, publisher,  # noqa: F401
                        sha256, signed)
from waiting import kill, until

ERRORS = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL]
EVERYTHING = "chmod times links locks exclusive sync"


def lacking(words, error=errno.EPERM):
    return preloaded("lacks", SIMULATED_LACKS=words, SIMULATED_ERRNO=error)


# -- a whole journey -----------------------------------------------------------------------


@pytest.mark.parametrize("error", ERRORS)
def test_everything_works_on_a_simulated_file_system_that_lacks_everything(
        ferry, work, make_gguf, error):
    ferry.env.update(lacking(EVERYTHING, error))
    source = make_gguf(work / "source.gguf", "--size", "2M")
    (work / "ferry.conf").write_text(
        "[repository.demo]\npath = repository\nkeys = keys\n"
        "metadata = " + (work / "mirror").as_uri() + "\nroot = repository/metadata/1.root.json\n"
        "[mirror.m]\nkind = file\npath = mirror\n")
    ferry("catalog", "init", "--unencrypted")
    ferry("prepare", "tiny", source, "--set", "license.id=MIT")
    ferry("catalog", "add", "models/tiny")
    ferry("catalog", "sign")
    ferry("push")
    ferry("verify", "--full")
    path = pathlib.Path(ferry("fetch", "tiny").out.strip())
    assert sha256(path) == sha256(source)
    assert ferry("run", "tiny", "--", "head", "-c4", "{}").out == "GGUF"
    ferry("store", "verify")
    ferry("store", "remove", "tiny")
    ferry("store", "gc")
    keys = list((work / "keys").glob("*.pem"))
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_what_a_simulated_file_system_lacks_is_told_once_to_who_asks(
        ferry, publisher, client):  # noqa: F811
    ferry.env.update(lacking("chmod links locks"))
    told = ferry("fetch", "-v", "tiny").err
    assert told.count(f"the file system of {ferry.store} has no symbolic links, hard links, "
                      "locks, modes") == 1
    assert "file system" not in ferry("fetch", "tiny").err


# -- keys ----------------------------------------------------------------------------------


def test_no_key_is_written_where_a_simulated_file_system_cannot_keep_it_private(ferry, work):
    refused = ferry("catalog", "init", "--unencrypted", "demo", env=lacking("chmod modes"),
                    check=7)
    assert "other users could read it" in refused.err
    assert "--keys DIR" in refused.err
    assert not list(work.rglob("*.pem"))
    (work / "ferry.conf").chmod(0o644)
    ferry("catalog", "init", "--unencrypted", "demo")


# -- names without links -------------------------------------------------------------------


def test_one_file_is_handed_out_as_the_blob_where_there_are_no_simulated_links(
        ferry, publisher, client):  # noqa: F811
    ferry.env.update(lacking("links"))
    path = pathlib.Path(ferry("fetch", "tiny").out.strip())
    assert path.parent == ferry.store / "blobs/sha256" and path.name == sha256(path)
    for again in (("fetch", "tiny"), ("store", "path", "tiny"), ("fetch", "--offline", "tiny")):
        result = ferry(*again)
        assert result.out.strip() == str(path) and "warning" not in result.err
    model, = ferry("store", "list", "--json").json["variants"]
    assert model["complete"] and model["files"][0]["path"] == str(path)
    assert ferry("run", "tiny", "--", "sha256sum", "{}").out.split()[0] == path.name
    size = path.stat().st_size
    assert sum(p.stat().st_size for p in ferry.store.rglob("*") if p.is_file()) < 1.1 * size
    # With links again, the name comes back.
    ferry.env.update(preloaded())
    assert ferry("fetch", "tiny").out.strip().endswith(TINY)


def test_shards_are_copied_to_have_their_names_where_there_are_no_simulated_links(
        ferry, publisher, prepared, client):  # noqa: F811
    publisher.add(prepared("split", "30M", "--shards", "3"))
    publisher.sign()
    ferry.env.update(lacking("links"))
    result = ferry("fetch", "split")
    paths = [pathlib.Path(p) for p in result.out.split()]
    assert len(paths) > 1 and len({p.parent for p in paths}) == 1
    assert all("-of-" in p.name and p.is_file() for p in paths)
    assert "has no links: the files are copied to get their names, which takes another" in \
        result.err
    disk = SmallDisk(ferry.work / "small", 2 * sum(p.stat().st_size for p in paths) - MIB)
    try:
        full = ferry("fetch", "split", check=7,
                     env={**lacking("links"), "FERRY_HOME": disk.path / "store",
                          **(disk.env and preloaded("lacks", "disk", SIMULATED_LACKS="links",
                                                    SIMULATED_DISK=disk.path))})
        assert "not enough space" in full.err
        assert not list(disk.path.rglob("*.part"))
    finally:
        disk.close()


@pytest.mark.parametrize("stored", [False, True])
def test_output_with_room_for_one_and_a_half_is_moved_out_of_the_store(
        ferry, work, publisher, client, stored):  # noqa: F811
    size = next(publisher.tree.glob(f"targets/models/*/*.{TINY}")).stat().st_size
    disk = SmallDisk(work / "stick", size * 3 // 2)
    env = lacking("links")
    if disk.env:
        env = preloaded("lacks", "disk", SIMULATED_LACKS="links", SIMULATED_DISK=disk.path)
    ferry.env.update(env)
    ferry.env["FERRY_HOME"] = store = disk.path / "store"
    output = disk.path / "out/model.gguf"
    try:
        if stored:
            ferry("fetch", "tiny")
        result = ferry("fetch", "tiny", "-o", output, *(["--offline"] if stored else []))
        assert result.out.strip() == str(output)
        assert "the model is moved out of the store" in result.err
        assert sha256(output) == next(
            publisher.tree.glob(f"targets/models/*/*.{TINY}")).name.split(".")[0]
        assert not list((store / "blobs/sha256").iterdir())
        assert ferry("store", "list", "--json").json["variants"] == []
        assert not list(store.rglob(".pending.json"))
        # Once more, as in a start script: there is no room, and nothing to do.
        again = ferry("fetch", "tiny", "-o", output, "--json").json["models"][0]
        assert again["path"] == str(output) and again["fetched"] == 0
        output.chmod(0o644)
        output.write_bytes(bytes(size))
        assert "not enough space" in ferry("fetch", "tiny", "-o", output, check=7).err
    finally:
        disk.close()


# -- large files ---------------------------------------------------------------------------


class Huge(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(5 << 30))
        self.end_headers()
        self.wfile.write(b"GGUF" + bytes(1 << 20))
        self.close_connection = True

    def log_message(self, *ignored):
        pass


def test_a_download_that_is_too_large_for_simulated_fat_is_refused_before_it_starts(ferry, work):
    server = HTTPServer(("127.0.0.1", 0), Huge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        refused = ferry("prepare", "huge", f"http://127.0.0.1:{server.server_port}/huge.gguf",
                        env=lacking("fat"), check=7)
    finally:
        server.shutdown()
        server.server_close()
    assert "the file has 5.0 GiB, but this file system allows at most 4.0 GiB" in refused.err
    assert "llama-gguf-split" in refused.err and "exFAT" in refused.err
    assert not [p for p in work.rglob("*.part") if p.stat().st_size]


def test_a_file_that_is_too_large_to_be_copied_is_refused_before_it_is_read(ferry, work, make_gguf):
    make_gguf(work / "m.gguf", "--size", "2M")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))  # noqa: E731
    process = ferry.start("prepare", "m", "m.gguf", preexec_fn=limit)
    _, err = process.communicate()
    assert process.returncode == 7
    assert "the file has 2.0 MiB, but the shell's limit (ulimit -f) allows at most 1.0 MiB" in err
    assert "--link" in err and not list((work / "models").rglob("*.gguf"))


def test_an_unfinished_file_is_not_filled_with_zeros_on_simulated_fat(
        ferry, publisher, client, fault_server):  # noqa: F811
    server = fault_server(publisher.tree)
    # One piece after the other, so that the file ends behind the first one.
    client(server.url, extra="[fetch]\nconnections = 1")
    size = next(publisher.tree.glob(f"targets/models/*/*.{TINY}")).stat().st_size
    for words, length in (("sync", size), ("fat", PIECE)):
        ferry("store", "gc", "--partials", "0")
        server.add(path="*.gguf", skip=1, hold_after=1000)
        process = ferry.start("fetch", "tiny", env=lacking(words), start_new_session=True)
        until(lambda: claimed(ferry) == 1, process)
        kill(process)
        server.mend()
        part, = (ferry.store / "partial").glob("*.part")
        assert part.stat().st_size == length
    model, = ferry("fetch", "tiny", "--json", env=lacking("fat")).json["models"]
    assert model["resumed"] >= PIECE
    ferry("store", "verify")


# -- time and inodes -----------------------------------------------------------------------


@pytest.mark.parametrize("kind, hashed", [("links fat", False), ("links", True)])
def test_inode_numbers_that_a_simulated_fat_made_up_are_no_change(
        ferry, publisher, client, kind, hashed):  # noqa: F811
    """As after the medium was taken out and in again."""
    ferry.env.update(lacking(kind))
    blob = pathlib.Path(ferry("fetch", "tiny").out.strip())
    other = blob.with_name("other")
    other.write_bytes(blob.read_bytes())
    os.utime(other, ns=(0, blob.stat().st_mtime_ns))
    other.replace(blob)
    assert ("hashing it" in ferry("store", "list").err) == hashed
