"""What verify proves wrong, a plain push puts right, and a damaged file is nobody else's."""

import os

import pytest

from test_catalog import Desk


@pytest.fixture
def published(ferry, work, make_gguf, validate):
    """A desk with one published model; its mirror is the folder web."""
    desk = Desk(ferry, work, make_gguf, validate)
    desk.init()
    conf = work / "ferry.conf"
    conf.write_text(conf.read_text() + "\n[mirror.web]\nkind = file\npath = web\n")
    (work / "web").mkdir()
    desk.catalog("add", desk.prepare("tiny"))
    desk.catalog("sign")
    ferry("push")
    return desk


def test_push_repairs_what_verify_found_even_if_size_and_time_are_as_before(published):
    [path] = (published.work / "web/targets/models/tiny").glob("*.gguf")
    before = path.stat()
    right = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(right[:-4] + b"ROT!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = published.ferry("verify", "--full", check=1)
    assert "`ferry push` replaces what is wrong: 1 file." in found.out
    assert "Nothing to do" not in published.ferry("push").out
    assert path.read_bytes() == right
    assert "ferry push" not in published.ferry("verify", "--full").out


def test_a_folder_in_the_place_of_an_object_is_not_removed_but_told(published):
    [path] = (published.work / "web/targets/models/tiny").glob("*.gguf")
    path.unlink()
    path.mkdir()
    assert "missing" in published.ferry("verify", "--full", check=1).out
    assert "a folder has its name: remove it" in published.ferry("push", check=7).err
    path.rmdir()
    published.ferry("push")
    published.ferry("verify", "--full")


def test_metadata_with_other_line_ends_is_damaged_and_replaced(published):
    """A mirror that is a git checkout with core.autocrlf."""
    web = published.work / "web"
    files = [*(web / "metadata").glob("*.json"), web / "catalog.json"]
    right = {path: path.read_bytes() for path in files}
    for path, text in right.items():
        path.chmod(0o644)
        path.write_bytes(text.replace(b"\n", b"\r\n"))
    found = published.ferry("verify", check=1)
    assert "another publisher" not in found.out + found.err and "ferry push" in found.out
    result = published.ferry("push")
    assert "another publisher" not in result.out + result.err
    assert {path: path.read_bytes() for path in files} == right
    published.ferry("verify", "--full")


@pytest.mark.parametrize("role", ["snapshot", "targets", "root"])
def test_one_versioned_file_with_other_line_ends_is_replaced(published, role):
    path = max((published.work / "web/metadata").glob(f"*.{role}.json"))
    right = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(right.replace(b"\n", b"\r\n"))
    published.ferry("push")
    assert path.read_bytes() == right
