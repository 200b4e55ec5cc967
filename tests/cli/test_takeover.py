"""What is taken over from a person: the bytes, checked, and never the person's own inode."""

import json
import os
import shutil

import pytest

from test_catalog import Desk
from test_prepare import prepared, sha256


@pytest.fixture
def desk(ferry, work, make_gguf, validate):
    return Desk(ferry, work, make_gguf, validate)


@pytest.fixture
def source(work, make_gguf):
    return make_gguf(work / "source.gguf")


def rewrite(path):
    """Other bytes of the same size in the same inode, as a program writes that opens with
    O_TRUNC."""
    data = bytearray(path.read_bytes())
    data[-1000:] = bytes(1000)
    path.chmod(path.stat().st_mode | 0o200)
    path.write_bytes(data)


# -- prepare -----------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_of_links_is_prepared_as_the_files_are(ferry, work, source, absolute):
    (work / "hub/blobs").mkdir(parents=True)
    snapshot = work / "hub/snapshots" / ("0123456789" * 4)
    snapshot.mkdir(parents=True)
    blob = work / "hub/blobs/aa"
    source.rename(blob)
    (snapshot / "model.gguf").symlink_to(blob if absolute else "../../blobs/aa")
    ferry("prepare", "m", snapshot)
    assert not prepared(work).is_symlink() and sha256(prepared(work)) == sha256(blob)
    assert prepared(work).stat().st_ino != blob.stat().st_ino


def test_what_was_prepared_survives_a_rewrite_of_the_source(ferry, work, source):
    before = sha256(source)
    ferry("prepare", "m", source)
    rewrite(source)
    assert sha256(prepared(work)) == before != sha256(source)
    assert prepared(work).stat().st_mode & 0o777 == 0o444
    ferry("manifest", "check", "models/m")


def test_prepare_says_what_a_copy_takes_and_link_takes_none(ferry, work, source):
    """On a file system without reflinks; on another there is no copy to speak of."""
    said = ferry("prepare", "m", source).err
    mode = source.stat().st_mode
    linked = ferry("prepare", "n", source, "--link").err
    assert "copied" not in linked
    assert prepared(work, "n").stat().st_ino == source.stat().st_ino
    assert source.stat().st_mode == mode
    shares = prepared(work).stat().st_blocks and "copied, which takes" not in said
    assert shares or "--link" in said


def test_a_source_that_is_a_link_is_linked_itself_with_link(ferry, work, source):
    (work / "alias.gguf").symlink_to(source)
    ferry("prepare", "m", work / "alias.gguf", "--link")
    assert not prepared(work).is_symlink()
    assert prepared(work).stat().st_ino == source.stat().st_ino
