"""What is taken over from a person: the bytes, checked, and never the person's own inode."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from disks import SmallDisk
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


def has_reflinks(source):
    clone = source.with_name("clone")
    return subprocess.run(["cp", "--reflink=always", source, clone],
                          capture_output=True).returncode == 0


def test_prepare_says_what_a_copy_takes_and_link_takes_none(ferry, work, source):
    said = ferry("prepare", "m", source).err
    assert ("the source is copied, which takes" in said) != has_reflinks(source)
    mode = source.stat().st_mode
    linked = ferry("prepare", "n", source, "--link").err
    assert "copied" not in linked
    assert prepared(work, "n").stat().st_ino == source.stat().st_ino
    assert source.stat().st_mode == mode


def test_a_source_that_is_a_link_is_linked_itself_with_link(ferry, work, source):
    (work / "alias.gguf").symlink_to(source)
    ferry("prepare", "m", work / "alias.gguf", "--link")
    assert not prepared(work).is_symlink()
    assert prepared(work).stat().st_ino == source.stat().st_ino


# -- catalog add -------------------------------------------------------------------------


def objects(desk, model="tiny"):
    return sorted((desk.tree / "targets/models" / model).glob("*.gguf"))


def changes(desk, *args):
    return [(c["change"], c.get("card_members")) for c in desk.json("add", *args)["changes"]]


@pytest.fixture
def tiny(desk):
    """The folder of a model that is added and signed."""
    desk.init()
    folder = desk.prepare("tiny")
    desk.catalog("add", folder)
    desk.catalog("sign")
    return folder


def test_add_refuses_a_prepared_file_that_was_damaged_or_is_gone(desk, tiny):
    file = tiny / "tiny-q8_0.gguf"
    assert changes(desk, tiny) == [("unchanged", None)]
    copy = desk.work / "copy"
    shutil.copy(file, copy)
    file.unlink()
    copy.rename(file)
    rewrite(file)
    assert "does not match its manifest" in desk.catalog("add", tiny, check=6).err
    file.unlink()
    assert "listed in the card, but missing" in desk.catalog("add", tiny, check=3).err


def test_add_repairs_an_object_that_is_wrong(desk, tiny):
    """Whatever was wrong with it: its bytes, its length, or that it was a link."""
    right = tiny / "tiny-q8_0.gguf"
    [target] = objects(desk)

    def replace_by(make):
        target.unlink()
        make()
        desk.catalog("sign", check=6)
        assert desk.json("lint", check=1)["errors"] == 1
        assert changes(desk, tiny) == [("repaired", None)]
        assert sha256(target) == sha256(right) and not target.is_symlink()
        desk.catalog("sign")
        assert desk.json("lint")["errors"] == 0

    def damaged():
        shutil.copy(right, target)
        rewrite(target)
    replace_by(damaged)
    replace_by(lambda: target.write_bytes(b"short"))
    replace_by(lambda: target.symlink_to(right))


def test_sign_and_lint_find_an_object_that_was_damaged(desk, tiny):
    [target] = objects(desk)
    rewrite(target)
    result = desk.catalog("sign", check=6)
    assert target.name in result.err and "ferry catalog add" in result.err
    findings = desk.json("lint", check=1)["findings"]
    assert [f["where"] for f in findings if f["level"] == "error"] == ["tiny:q8_0"]


def test_an_object_that_only_moved_is_hashed_and_accepted(desk, tiny):
    [target] = objects(desk)
    os.utime(target, (1, 1))
    assert desk.json("lint")["errors"] == 0
    assert not desk.json("sign")["changed"]
    copy = target.with_name("copy")
    shutil.copy(target, copy)
    copy.rename(target)
    assert desk.json("lint")["errors"] == 0
    assert changes(desk, tiny) == [("unchanged", None)]


def test_a_damaged_record_of_what_was_seen_only_costs_a_second_look(desk, tiny):
    seen = desk.tree / ".ferry/seen"
    text = seen.read_text()
    for broken in ["", "x", text[:-5], text + "00 1\n", text.replace(" ", "  "), "\0" * 100]:
        seen.write_text(broken)
        assert desk.json("lint")["errors"] == 0
        assert changes(desk, tiny) == [("unchanged", None)]
    [target] = objects(desk)
    rewrite(target)
    desk.catalog("lint", check=1)


def test_add_says_what_changed_in_the_card_and_what_the_tree_keeps(desk, tiny):
    path = tiny / "tiny.card.json"
    card = json.loads(path.read_text())
    card["summary"] = "A small one."
    card["variants"][0]["title"] = "Eight bits"
    path.write_text(json.dumps(card))
    assert changes(desk, tiny) == [("updated", "summary, title")]
    card["summary"] = "Another summary."
    path.write_text(json.dumps(card))
    result = desk.catalog("add", tiny)
    assert result.out.startswith("unchanged tiny:q8_0")
    assert "keeps its own summary" in result.err


def test_a_link_in_place_of_a_prepared_file_becomes_a_file_in_the_tree(desk):
    desk.init()
    folder = desk.prepare("tiny")
    elsewhere = desk.work / "larger-disk.gguf"
    (folder / "tiny-q8_0.gguf").rename(elsewhere)
    (folder / "tiny-q8_0.gguf").symlink_to(elsewhere)
    desk.catalog("add", folder)
    [target] = objects(desk)
    assert not target.is_symlink() and target.stat().st_ino != elsewhere.stat().st_ino
    before = sha256(target)
    rewrite(elsewhere)
    assert sha256(target) == before


@pytest.mark.parametrize("option", [None, "--copy", "--link"])
def test_a_file_that_others_may_write_to_is_shared_with_the_tree_only_on_request(desk, option):
    desk.init()
    folder = desk.prepare("tiny")
    file = folder / "tiny-q8_0.gguf"
    file.chmod(0o644)
    desk.catalog("add", folder, *([option] if option else []))
    [target] = objects(desk)
    assert sha256(target) == sha256(file)
    if option != "--link":
        assert target.stat().st_ino != file.stat().st_ino
        assert target.stat().st_mode & 0o777 == 0o444 and file.stat().st_mode & 0o777 == 0o644
    assert "exclude each other" in desk.catalog("add", folder, "--copy", "--link", check=2).err


def test_all_objects_are_read_only(desk, tiny):
    files = [p for p in (desk.tree / "targets").rglob("*") if p.is_file()]
    assert len(files) >= 3 and {p.stat().st_mode & 0o777 for p in files} == {0o444}


def test_a_signed_release_survives_a_rewrite_of_the_source(desk, tiny):
    [target] = objects(desk)
    before = sha256(target)
    rewrite(next(desk.work.glob("tiny-q8_0-*.gguf")))
    assert sha256(target) == before
    assert changes(desk, tiny) == [("unchanged", None)]


def test_push_refuses_a_damaged_object_and_add_is_the_way_out(desk, tiny):
    conf = desk.work / "ferry.conf"
    conf.write_text(conf.read_text() + "\n[mirror.web]\nkind = file\npath = web\n")
    (desk.work / "web").mkdir()
    [target] = objects(desk)
    right = desk.work / "right"
    shutil.copy(target, right)
    target.unlink()
    shutil.copy(right, target)
    rewrite(target)
    assert "ferry catalog add" in desk.ferry("push", check=6).err
    result = desk.catalog("add", tiny)
    assert result.out.startswith("repaired") and "ferry push" in result.err
    desk.ferry("push")
    desk.ferry("verify", "--full")


def test_the_space_for_copies_is_checked_before_the_first(desk, ferry, work, make_gguf):
    disk = SmallDisk(work / "small", 12 << 20)
    try:
        desk.init()
        ferry.env.update(disk.env)
        source = make_gguf(work / "big.gguf", "--size", "24M")
        ferry("prepare", "big", source, "-o", work / "models/big", "--set", "license.id=MIT")
        next((work / "models/big").glob("*.gguf")).chmod(0o644)
        shutil.move(desk.tree, disk.path / "repository")
        result = desk.catalog("add", work / "models/big", "--repository",
                              disk.path / "repository", check=7)
        assert "not enough space" in result.err
        assert not [p for p in (disk.path / "repository/targets").rglob("*") if "gguf" in p.name]
    finally:
        disk.close()


# -- the store ---------------------------------------------------------------------------


@pytest.fixture
def reader(desk, tiny):
    """reader(…) runs ferry as a reader of the model tiny, which is fetched."""
    def run(*args, **options):
        return desk.ferry(*args, cwd=desk.work / "reader",
                          env={"FERRY_HOME": desk.work / "reader-store"}, **options)
    run.fetched = Path(run("fetch", "tiny").out.strip())
    run.blob = run.fetched.resolve()
    return run


def state(reader):
    [variant] = reader("store", "list", "--json").json["variants"]
    return variant["complete"]


def test_an_edited_second_name_of_a_blob_is_found_before_it_is_called_ok(desk, reader):
    before = sha256(reader.blob)
    mine = desk.work / "mine.gguf"
    os.link(reader.blob, mine)
    assert state(reader)
    rewrite(mine)
    edited = sha256(mine)
    listed = reader("store", "list")
    assert "incomplete" in listed.out and "is damaged" in listed.err
    assert reader("store", "path", "tiny", check=3).out == ""
    reader("fetch", "tiny")
    assert sha256(reader.fetched) == before and state(reader)
    assert sha256(mine) == edited


def test_run_and_fetch_do_not_give_out_an_edited_blob(desk, reader):
    before = sha256(reader.blob)
    rewrite(reader.blob)
    out = reader("run", "tiny", "--", "sha256sum", "{}").out
    assert out.split()[0] == before
    rewrite(reader.fetched.resolve())
    assert sha256(Path(reader("fetch", "tiny").out.strip())) == before


def test_a_blob_of_which_only_the_time_changed_is_hashed_once_and_kept(reader):
    os.utime(reader.blob, (1, 1))
    assert "hashing it" in reader("store", "list").err
    assert "hashing it" not in reader("store", "list").err
    assert state(reader)


def test_a_store_that_was_copied_is_used_as_it_is(desk, reader):
    """By a tool that keeps only whole seconds; the second look finds it recorded."""
    copy = desk.work / "copied-store"
    shutil.copytree(desk.work / "reader-store", copy, symlinks=True)
    for path in (copy / "blobs/sha256").iterdir():
        os.utime(path, (int(path.stat().st_mtime),) * 2)
    home = {"FERRY_HOME": copy}
    where = desk.work / "reader"
    for _ in range(2):
        listed = desk.ferry("store", "list", "--json", cwd=where, env=home)
        assert listed.json["variants"][0]["complete"]
    assert "hashing" not in listed.err


def test_links_that_fetch_made_are_no_change(desk, reader):
    reader("fetch", "tiny", "-o", desk.work / "out.gguf")
    result = reader("store", "list")
    assert "hashing" not in result.err and "ok" in result.out
    assert (desk.work / "out.gguf").stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write to a read-only file")
def test_output_for_root_is_a_file_of_its_own(desk, reader):
    out = desk.work / "out.gguf"
    reader("fetch", "tiny", "-o", out)
    assert out.stat().st_ino != reader.blob.stat().st_ino
    rewrite(out)
    assert state(reader) and "hashing" not in reader("store", "list").err


def test_gc_and_remove_leave_no_records_behind(desk, reader):
    marks = desk.work / "reader-store/marks"
    assert [p.name for p in marks.iterdir()] == [reader.blob.name]
    (marks / ("0" * 64)).write_text("1 2 3")
    reader("store", "gc")
    assert [p.name for p in marks.iterdir()] == [reader.blob.name]
    reader("store", "remove", "tiny")
    assert not list(marks.iterdir())


def test_a_damaged_record_of_a_blob_only_costs_a_second_look(desk, reader):
    [mark] = (desk.work / "reader-store/marks").iterdir()
    for broken in ["", "x y z", "1 2", "\0" * 200, "9" * 30 + " 1 1"]:
        mark.write_text(broken)
        assert state(reader)
