"""The folder of a mirror that is gone, or empty because its disk is not mounted."""

import os
import shutil

import pytest

from published import mirror, publisher, signed_base  # noqa: F401

pytestmark = pytest.mark.usefixtures("no_pauses")

IS_IT_MOUNTED = "is its disk mounted?"


@pytest.fixture
def pushed(publisher):  # noqa: F811
    publisher.configure(mirror("a"))
    publisher("push")
    return publisher


def unmount(p, how):
    """As if the disk with the folder was taken away: "gone", or an empty mount point is left."""
    away = p.dir / "away"
    shutil.move(p.mirror(), away)
    if how == "empty":
        p.mirror().mkdir()
    return away


def is_untouched(p, how):
    return (list(p.mirror().iterdir()) if how == "empty" else p.mirror().exists()) in ([], False)


@pytest.mark.parametrize("how, words", [("gone", "held a release before, and is gone"),
                                        ("empty", "held a release before, and has no metadata/")])
@pytest.mark.parametrize("command", [
    ("push",), ("push", "--dry-run"), ("push", "--recheck"), ("push", "--repair"),
    ("push", "--prune"), ("verify",), ("verify", "--full"), ("mirror", "cleanup"),
    ("mirror", "probe", "--quick")])
def test_a_folder_that_held_a_release_is_not_written_or_judged_while_it_is_away(
        pushed, how, words, command):
    unmount(pushed, how)
    result = pushed(*command, check=7)
    said = result.out + result.err
    assert words in said and IS_IT_MOUNTED in said and "--new-mirror" in said, said
    assert is_untouched(pushed, how)


def test_a_folder_that_comes_back_is_as_it_was(pushed):
    away = unmount(pushed, "empty")
    pushed("push", check=7)
    pushed.mirror().rmdir()
    shutil.move(away, pushed.mirror())
    assert "Nothing to do" in pushed("push").err + pushed("push").out


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_mirror_that_is_said_to_be_new_is_written(pushed, how):
    unmount(pushed, how)
    pushed("push", "--new-mirror")
    assert pushed.release("a") == pushed.release("a") is not None
    shutil.rmtree(pushed.mirror())
    pushed("push", check=7)


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_mirror_that_is_set_up_again_is_new(pushed, how):
    unmount(pushed, how)
    pushed("mirror", "setup", "--dry-run", check=None)
    pushed("push", check=7)
    pushed("mirror", "setup")
    pushed("push")
    assert pushed.release("a")


def test_a_mirror_that_never_held_a_release_is_made(publisher):  # noqa: F811
    publisher.configure(mirror("a"))
    assert not publisher.mirror().exists()
    publisher("push")


def test_sync_refuses_a_folder_that_is_away(pushed):
    pushed.configure(mirror("a"), mirror("b"))
    pushed("sync", "a", "b")
    shutil.rmtree(pushed.mirror("b"))
    result = pushed("sync", "a", "b", check=7)
    assert "held a release before, and is gone" in result.err
    assert not pushed.mirror("b").exists()
    pushed("sync", "--new-mirror", "a", "b")
    assert pushed.release("b") == pushed.release("a")


def test_the_other_mirrors_are_pushed_to(pushed):
    pushed.configure(mirror("a"), mirror("b"), more="[publish]\nquorum = 1")
    unmount(pushed, "gone")
    result = pushed("push", check=7)
    assert "mirror a" in result.err and pushed.release("b")


def test_the_first_push_below_a_place_for_mounts_waits_for_the_disk(publisher):  # noqa: F811
    if os.stat("/mnt").st_dev != os.stat("/").st_dev:
        pytest.skip("something is mounted at /mnt")
    absent = f"/mnt/ferry-test-{os.getpid()}/models"
    publisher.configure(f"[mirror.a]\nkind = file\npath = {absent}\nurl = https://a.example/\n")
    result = publisher("push", "--dry-run", check=7)
    assert "no disk is mounted there" in result.err and IS_IT_MOUNTED in result.err
    publisher("push", "--dry-run", "--new-mirror")
    assert not os.path.exists(absent)


def test_a_url_in_the_place_of_a_folder_is_refused_and_makes_none(publisher):  # noqa: F811
    publisher.configure("[mirror.a]\nkind = file\npath = file:///srv/models\n")
    assert "path is a URL" in publisher("push", check=2).err
    assert not (publisher.dir / "file:").exists()
