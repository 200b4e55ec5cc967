"""What is no file in the place of a file of the store: nothing waits for it, nothing is read from
it, and a new file takes its place."""

import os
import socket

import pytest

from publisher import object_path
from test_fetch import client, prepared, publisher, signed  # noqa: F401 (fixtures)
from test_fetch import TINY, sha256

MODEL = "models/demo/tiny/q8_0"


def make_socket(path):
    """A path of a socket is short, so it is made from within its folder."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


KINDS = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", ["blobs/sha256/*", "marks/*", "trust/demo/cache/*",
                                   f"{MODEL}/.variant.json", f"{MODEL}/{TINY}"])
def test_what_is_no_file_in_the_store_is_replaced(ferry, publisher, client, names, kind):
    path = ferry("fetch", "tiny").out.removesuffix("\n")
    for odd in list(ferry.store.glob(names)):
        odd.unlink()
        KINDS[kind](odd)
    assert ferry("fetch", "tiny").out == f"{path}\n"
    assert sha256(path) == sha256(object_path(publisher.tree, TINY))
    assert "ok" in ferry("store", "verify").out


def test_a_record_that_cannot_be_read_does_not_hide_the_others(ferry, publisher, prepared, client):
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    ferry("fetch", "tiny")
    path = ferry("fetch", "other").out
    record = ferry.store / MODEL / ".variant.json"
    record.unlink()
    record.mkdir()
    listed = ferry("store", "list")
    assert "other" in listed.out and f"{record}: Is a directory" in listed.err
    assert ferry("run", "--offline", "other", "echo", "{}").out == path


def test_a_socket_in_the_place_of_a_configuration_is_refused_as_what_it_is(ferry, work):
    make_socket(work / "ferry.conf")
    assert "not a regular file" in ferry("list", check=2).err
