"""A store that was copied, or moved to another disk, goes on."""

import os
import pathlib
import shutil
import subprocess

import pytest

from disks import SmallDisk
from stocked import MODELS, made_once, stock  # noqa: F401
from test_fetch import MIB, sha256

FILES = 4


def run(*command):
    subprocess.run(list(map(str, command)), check=True)


def moved(source, to):
    run("mv", source, to)


def copied(source, to):
    run("cp", "-r", source, to)


def copied_with_times(source, to):
    run("cp", "-a", source, to)


def copied_without_links(source, to):
    """As to FAT: what is a link is left out."""
    shutil.copytree(source, to, symlinks=True)
    for path in to.rglob("*"):
        if path.is_symlink():
            path.unlink()


def copied_through_links(source, to):
    run("cp", "-rL", source, to)


def archived(source, to):
    """With whole seconds."""
    to.mkdir()
    run("sh", "-c", f"tar -C {source} -cf - . | tar -C {to} -xf -")


WAYS = [moved, copied, copied_with_times, copied_without_links, copied_through_links, archived]


def check(ferry, right):
    listed = ferry("store", "list", "--json").json["variants"]
    assert len(listed) == len(MODELS) and all(v["complete"] for v in listed)
    assert all(v["dir"].startswith(str(ferry.store)) for v in listed)
    paths = []
    for model in MODELS:
        paths += ferry("store", "path", model).out.split()
        assert ferry("fetch", "--offline", model).out.split() == paths[-1:] or \
            model.startswith("split")
        ferry("run", "--offline", model, "--", "test", "-r", "{}")
    assert [sha256(p) for p in paths] == right
    assert all(pathlib.Path(p).is_relative_to(ferry.store) for p in paths)
    lines = ferry("store", "verify").out.splitlines()
    assert len(lines) == FILES and all(line.startswith("ok ") for line in lines)


def paths_of(ferry):
    return [p for model in MODELS for p in ferry("store", "path", model).out.split()]


@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_was_moved_or_copied_goes_on(ferry, work, stock, way):  # noqa: F811
    right = [sha256(p) for p in paths_of(ferry)]
    to = work / "elsewhere"
    way(ferry.store, to)
    shutil.rmtree(ferry.store, ignore_errors=True)
    ferry.store, ferry.env["FERRY_HOME"] = to, str(to)
    check(ferry, right)
    # Hashed once: what is known now is known.
    assert "hashing it" not in ferry("store", "list").err
    assert "is already in the store" in ferry("fetch", "alpha").err
    ferry("store", "remove", "twin")
    ferry("store", "gc", "--max-size", "0")
    assert not list((to / "blobs/sha256").iterdir())


def test_a_store_goes_on_on_another_disk(ferry, work, stock):  # noqa: F811
    right = [sha256(p) for p in paths_of(ferry)]
    disk = SmallDisk(work / "disk", 16 * MIB)
    try:
        ferry.env.update(disk.env)
        moved(ferry.store, disk.path / "store")
        ferry.store = disk.path / "store"
        ferry.env["FERRY_HOME"] = str(ferry.store)
        check(ferry, right)
    finally:
        disk.close()


def test_a_store_goes_on_below_a_link_to_another_folder(ferry, work, stock):  # noqa: F811
    right = [sha256(p) for p in paths_of(ferry)]
    moved(ferry.store, work / "elsewhere")
    ferry.store.symlink_to(work / "elsewhere")
    check(ferry, right)
    total = ferry("store", "du", "--json").json["total"]
    out = subprocess.run(["du", "-sD", "-B1", ferry.store], capture_output=True, text=True)
    assert total == int(out.stdout.split()[0])


def test_a_store_whose_blobs_are_on_another_disk_is_found_again(ferry, work, stock):  # noqa: F811
    """The folder blobs/ is a link."""
    right = [sha256(p) for p in paths_of(ferry)]
    moved(ferry.store / "blobs", work / "large")
    (ferry.store / "blobs").symlink_to(work / "large")
    check(ferry, right)


def test_a_damaged_copy_is_noticed_at_its_first_use(ferry, work, stock):  # noqa: F811
    to = work / "elsewhere"
    copied(ferry.store, to)
    ferry("store", "verify")
    to_marks = to / "marks"
    shutil.copytree(ferry.store / "marks", to_marks, dirs_exist_ok=True)
    ferry.env["FERRY_HOME"] = str(to)
    blob = to / "blobs/sha256" / stock.files["split", "split-f32-00001-of-00002.gguf"].name
    blob.chmod(0o644)
    with open(blob, "r+b") as f:
        f.seek(-1, os.SEEK_END)
        f.write(b"?")
    assert "damaged" in ferry("store", "path", "split", check=3).err
    assert ferry("fetch", "split").out.count("\n") == 2
