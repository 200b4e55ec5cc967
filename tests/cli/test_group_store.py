"""A store that several users share: a group that may write it, and anybody who may read it."""

import fcntl
import os
import pathlib
import stat

import pytest

from published import mirror, signed_base  # noqa: F401
from published import publisher as pushing  # noqa: F401
from test_fetch import PIECE, client, prepared, publisher, signed  # noqa: F401
from users import GROUP, User, group_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")

ALICE, BOB, EVE = 4301, 4302, 4303


@pytest.fixture
def configured(ferry, publisher, prepared, client):  # noqa: F811
    """What every user is to have as a configuration: two models, one of them in two versions."""
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    client()
    return (ferry.work / "ferry.conf").read_text()


@pytest.fixture
def people(ferry, configured):
    """people(umask) → alice, bob, who share a group, and eve, who is not in it."""
    def make(umask):
        users = [User(ferry, number, umask) for number in (ALICE, BOB, EVE)]
        users[2].groups = []
        for user in users:
            user.configure(configured)
        return users
    return make


def mode(path):
    return stat.S_IMODE(pathlib.Path(path).stat().st_mode)


def own_by(number, path):
    return {p for p in path.rglob("*") if p.lstat().st_uid == number}


def test_a_group_fetches_runs_and_cleans_in_one_store(ferry, people):
    alice, bob, eve = people(0o002)
    group_folder(ferry.store)
    path = alice("fetch", "tiny").out.strip()
    assert {mode(p) for p in ferry.store.rglob("*") if p.is_dir()} == {0o2775}
    assert {p.stat().st_gid for p in ferry.store.rglob("*") if not p.is_symlink()} == {GROUP}
    assert bob("run", "tiny", "--", "head", "-c4", "{}").out == "GGUF"
    fetched = bob("fetch", "other")
    assert "warning" not in fetched.err
    assert alice("fetch", "other").out == fetched.out
    assert bob("store", "path", "tiny").out.strip() == path
    bob("store", "verify")
    bob("store", "gc")
    bob("store", "remove", "tiny")
    alice("fetch", "tiny")
    # Who is not in the group reads, and writes nothing.
    before = own_by(EVE, ferry.store)
    assert eve("run", "tiny", "--", "head", "-c4", "{}").out == "GGUF"
    assert eve("fetch", "tiny").out.strip() == path
    assert own_by(EVE, ferry.store) == before == set()


def test_what_one_member_has_fetched_spares_another_the_download_of_a_new_version(
        ferry, people, publisher, prepared):  # noqa: F811
    alice, bob, _ = people(0o002)
    group_folder(ferry.store)
    alice("fetch", "tiny")
    publisher.add(prepared("tiny", "30M", "--template", "{{ messages[0]['content'] }}" * 9))
    publisher.sign()
    model, = bob("fetch", "--json", "tiny").json["models"]
    assert model["version"] == 2 and model["reused"] > model["size"] * 0.95
    assert model["fetched"] + model["reused"] == model["size"]
    bob("store", "verify")


def test_lock_files_of_a_group_are_for_the_group_and_for_nobody_else(ferry, people):
    alice, bob, _ = people(0o002)
    group_folder(ferry.store)
    alice("list")
    lock = ferry.store / "trust/demo/lock"
    assert mode(lock) == 0o660 and lock.stat().st_gid == GROUP
    bob("list")
    assert mode(lock) == 0o660


@pytest.mark.parametrize("shared", [False, True])
def test_a_readable_model_is_used_by_whoever_cannot_write_the_store(ferry, people, shared):
    """shared: the folders within were made by a version, or with a umask, that did not let the
    group write."""
    alice, bob, _ = people(0o022)
    if shared:
        group_folder(ferry.store)
    else:
        ferry.store.mkdir()
        os.chown(ferry.store, ALICE, ALICE)
    path = alice("fetch", "tiny").out
    assert mode(ferry.store / "partial") & 0o777 == 0o755
    assert bob("store", "path", "tiny").out == path
    assert bob("run", "tiny", "--", "head", "-c4", "{}").out == "GGUF"
    fetched = bob("fetch", "tiny")
    assert fetched.out == path and "read-only; using only what it contains" in fetched.err
    assert "read-only" in bob("fetch", "other", check=7).err
    assert not own_by(BOB, ferry.store)


def test_what_another_member_keeps_to_himself_is_named_with_a_way_out(ferry, people):
    alice, bob, _ = people(0o002)
    group_folder(ferry.store)
    alice("fetch", "other", umask=0o022)
    (ferry.store / "trust/demo").chmod(0o2775)
    for name in ("trust", "partial", "models", "blobs/sha256", "trust/demo/cache"):
        (ferry.store / name).chmod(0o2775)
    refused = bob("fetch", "tiny", check=7)
    assert "umask 002" in refused.err and "g+rwxs" in refused.err


def test_trusted_metadata_that_cannot_be_written_are_used_as_they_are(ferry, people):
    alice, bob, _ = people(0o002)
    group_folder(ferry.store)
    path = alice("fetch", "tiny").out
    (ferry.store / "trust/demo").chmod(0o2755)
    fetched = bob("fetch", "tiny")
    assert fetched.out == path
    assert f"the store {ferry.store}/trust/demo is read-only" in fetched.err


@pytest.mark.parametrize("writable", [True, False])
def test_a_download_of_another_member_is_continued(ferry, people, publisher, client,  # noqa: F811
                                                   fault_server, writable):
    server = fault_server(publisher.tree)
    client(server.url)
    alice, bob, _ = people(0o002)
    for user in (alice, bob):
        user.configure((ferry.work / "ferry.conf").read_text())
    group_folder(ferry.store)
    alice("list")
    broken = server.add(path="*.gguf", flip_at=PIECE + 1)
    alice("fetch", "tiny", check=6)
    part, = (ferry.store / "partial").glob("*.part")
    assert mode(part) == 0o664 and part.stat().st_uid == ALICE and broken.hits
    if not writable:
        part.chmod(0o644)
        part.with_suffix(".journal").chmod(0o644)
    server.mend()
    model, = bob("fetch", "tiny", "--json").json["models"]
    assert model["resumed"] >= PIECE
    assert bob("store", "verify").code == 0


def test_gc_leaves_a_download_whose_lock_another_user_holds(ferry, people, publisher, client,  # noqa: F811
                                                            fault_server):
    server = fault_server(publisher.tree)
    client(server.url)
    alice, bob, _ = people(0o002)
    for user in (alice, bob):
        user.configure((ferry.work / "ferry.conf").read_text())
    group_folder(ferry.store)
    alice("list")
    server.add(path="*.gguf", flip_at=PIECE + 1)
    alice("fetch", "tiny", check=6)
    part, = (ferry.store / "partial").glob("*.part")
    lock = part.with_suffix(".lock")
    lock.touch()
    os.chown(lock, ALICE, GROUP)
    lock.chmod(0o600)
    bob("store", "gc", "--partials", "0")
    assert part.exists()
    lock.chmod(0o660)
    bob("store", "gc", "--partials", "0")
    assert not part.exists()


# -- a mirror of several publishers --------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True])
def test_an_upload_that_another_publisher_left_for_himself_does_not_stop_a_push(
        ferry, pushing, busy):  # noqa: F811
    bob = User(ferry, BOB, 0o002)
    pushing.configure(mirror("a"))
    for path in (ferry.work, *ferry.work.rglob("*")):
        os.chown(path, BOB, BOB, follow_symlinks=False)
    pushing.mirror().parent.mkdir()
    left = pushing.mirror() / ".ferry/partial"
    for folder in (pushing.mirror(), left.parent, left):
        group_folder(folder)
    digest = pushing.on("repository", "*.tiny-q8_0.gguf").name.split(".")[0]
    part = left / f"{digest}.part"
    part.write_bytes(b"left")
    os.chown(part, ALICE, GROUP)
    part.chmod(0o644)
    with part.open() as held:
        if busy:
            fcntl.flock(held, fcntl.LOCK_EX)
            refused = bob("-C", pushing.dir, "push", check=8)
            assert "is being written by another process" in refused.err and part.exists()
            return
    bob("-C", pushing.dir, "push")
    assert not part.exists()
    assert pushing.on("a", "*.tiny-q8_0.gguf").stat().st_uid == BOB
    bob("-C", pushing.dir, "verify", "--full")
