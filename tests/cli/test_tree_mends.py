"""An object in the tree that is damaged, missing or blocked is found, and what the hint says to do
repairs it."""

import os
import shutil

import pytest

from test_catalog import Desk
from test_takeover import changes, objects, rewrite, tiny  # noqa: F401


@pytest.fixture
def desk(ferry, work, make_gguf, validate):
    return Desk(ferry, work, make_gguf, validate)


def add_mirror(desk):
    conf = desk.work / "ferry.conf"
    conf.write_text(conf.read_text() + "\n[mirror.web]\nkind = file\npath = web\n")
    (desk.work / "web").mkdir()


def rot(path):
    """Other bytes with the same size, time and inode, as a failing disk gives."""
    was = path.stat()
    rewrite(path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def separate(desk):
    """The object, as an inode of its own, known to the tree."""
    target, = objects(desk)
    shutil.copy(target, desk.work / "copy")
    target.unlink()
    shutil.copy(desk.work / "copy", target)
    desk.catalog("sign")
    return target


def test_add_repairs_an_object_that_push_found_damaged_with_the_same_mark(desk, tiny):
    add_mirror(desk)
    target = separate(desk)
    rot(target)
    assert changes(desk, tiny) == [("unchanged", None)]
    assert "ferry catalog add" in desk.ferry("push", check=6).err
    assert changes(desk, tiny) == [("repaired", None)]
    desk.ferry("push")


def test_the_way_out_of_a_prepared_file_that_rotted_leads_out(desk, tiny):
    add_mirror(desk)
    target, = objects(desk)
    file, = tiny.glob("*.gguf")
    assert file.stat().st_ino == target.stat().st_ino
    rot(file)
    desk.ferry("push", check=6)
    assert "remove it and prepare it again" in desk.catalog("add", tiny, check=6).err
    file.unlink()
    desk.prepare("tiny")
    assert changes(desk, tiny) == [("repaired", None)]
    desk.ferry("push")


def test_an_object_that_is_gone_is_repaired(desk, tiny):
    objects(desk)[0].unlink()
    assert changes(desk, tiny) == [("repaired", None)]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("nowhere", p)])
def test_what_is_no_file_in_the_place_of_an_object_is_replaced(desk, tiny, make):
    target, = objects(desk)
    target.unlink()
    make(target)
    assert "add" in desk.catalog("lint", check=1).out
    assert changes(desk, tiny) == [("repaired", None)]
    assert target.is_file() and not target.is_symlink()


def test_a_folder_with_files_in_the_place_of_an_object_is_not_removed(desk, tiny):
    target, = objects(desk)
    target.unlink()
    target.mkdir()
    (target / "notes").write_text("x")
    result = desk.catalog("add", tiny, check=7)
    assert "is not a file and cannot be removed" in result.err and "move it out" in result.err
    assert (target / "notes").exists()


def test_a_file_with_another_name_is_not_shared_with_the_tree(desk, tiny):
    other = desk.work / "other"
    ino = next(tiny.glob("*.gguf")).stat().st_ino
    shutil.copytree(tiny, other, copy_function=os.link)
    objects(desk)[0].unlink()
    result = desk.catalog("add", other)
    assert "have other names" in result.err
    assert objects(desk)[0].stat().st_ino != ino


@pytest.mark.parametrize("pattern", ["*.catalog.json", "models/*/*.manifest.json"])
def test_lint_finds_a_signed_file_that_is_damaged_and_sign_writes_it_again(desk, tiny, pattern):
    for path in (desk.tree / "targets").glob(pattern):
        path.chmod(0o644)
        path.write_text("{}")
    result = desk.catalog("lint", check=1)
    assert "is missing or damaged; `ferry catalog sign` writes it again" in result.out
    desk.catalog("sign")
    assert "damaged" not in desk.catalog("lint").out


def test_status_tells_of_an_object_that_moved_until_it_is_hashed(desk, tiny):
    target, = objects(desk)
    assert desk.json("status")["moved"] == []
    os.utime(target, (1, 1))
    moved, = desk.json("status")["moved"]
    assert moved.endswith(target.name)
    assert "has changed since it was verified" in desk.catalog("status").err
    desk.catalog("sign")
    assert desk.json("status")["moved"] == []
    target.unlink()
    assert len(desk.json("status")["moved"]) == 1


def test_status_does_not_read_cards_that_have_not_changed(desk, tiny):
    target, = objects(desk)
    card, = (desk.tree / "cards").glob("*.card.json")
    was = card.stat()
    with open(card, "r+") as f:     # no card any more, but as it was from outside
        f.write("x" * was.st_size)
    os.utime(card, ns=(was.st_atime_ns, was.st_mtime_ns))
    os.utime(target, (1, 1))
    assert len(desk.json("status")["moved"]) == 1
