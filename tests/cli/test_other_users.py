"""Files that other users left, or can write: which of them are obeyed, and what is said."""

import os
import pathlib

import pytest

from conftest import preloaded

STRANGER = 4242


@pytest.fixture
def stranger(ferry):
    """stranger(path) makes a file, a link or a folder another user's; a SIMULATED other user where
    the tests may not give files away."""
    def give_away(path):
        if os.geteuid() == 0:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        else:
            ferry.env.update(preloaded("user"))
    return give_away


@pytest.fixture
def conf(work):
    path = work / "ferry.conf"
    path.write_text("[mirror.m]\nkind = file\npath = copy\n")
    return path


def own_configuration(ferry, text):
    path = ferry.home / ".config/ferry/ferry.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refused(ferry, *args):
    result = ferry(*args, check=2)
    assert "ferry.conf belongs to another user" in result.err, result.err
    assert "safe-directory" in result.err and "--config" in result.err
    return result


@pytest.mark.parametrize("args", [
    ("list",), ("fetch", "m"), ("prepare", "m", "x.gguf"), ("push",), ("verify",),
    ("catalog", "refresh"), ("catalog", "sign"), ("mirror", "list"), ("repository", "list"),
    ("repository", "add", "x", "https://mirror.invalid/", "--root-sha256", "0" * 64),
])
def test_a_configuration_of_another_user_in_the_current_folder_is_not_obeyed(
        ferry, conf, stranger, args):
    stranger(conf)
    refused(ferry, *args)
    assert not (ferry.work / "models").exists()


def test_the_name_of_the_owner_is_told(ferry, conf, stranger):
    stranger(conf)
    if os.geteuid() == 0:
        os.chown(conf, 65534, 65534)
        assert "another user, nobody" in refused(ferry, "list").err
        os.chown(conf, STRANGER, STRANGER)
        assert f"another user, number {STRANGER}" in refused(ferry, "list").err
    else:
        refused(ferry, "list")


def test_a_link_of_another_user_to_a_good_file_is_not_obeyed(ferry, work, conf, stranger):
    conf.rename(work / "elsewhere.conf")
    conf.symlink_to("elsewhere.conf")
    stranger(conf)
    refused(ferry, "list")


def test_a_folder_that_is_changed_to_is_the_current_folder(ferry, work, stranger):
    (work / "shared").mkdir()
    path = work / "shared/ferry.conf"
    path.write_text("[fetch]\n")
    stranger(path)
    refused(ferry, "-C", "shared", "list")


def test_a_configuration_that_is_given_is_obeyed(ferry, conf, stranger):
    stranger(conf)
    assert ferry("mirror", "list", "--config", "ferry.conf", "--json").json["mirrors"]


@pytest.mark.parametrize("safe", ["{work}", "{parent}", "/nowhere {work}/", "~/..", "*"])
def test_a_safe_directory_of_the_own_configuration_is_trusted(ferry, work, conf, stranger, safe):
    stranger(conf)
    text = safe.format(work=work, parent=work.parent)
    own_configuration(ferry, f"[security]\nsafe-directory = {text}\n")
    assert ferry("mirror", "list", "--json").json["mirrors"]


@pytest.mark.parametrize("safe", ["{work}x", "{work}/home", "/nowhere", ""])
def test_another_safe_directory_changes_nothing(ferry, work, conf, stranger, safe):
    stranger(conf)
    own_configuration(ferry, f"[security]\nsafe-directory = {safe.format(work=work)}\n")
    refused(ferry, "list")


def test_a_safe_directory_that_the_stranger_names_changes_nothing(ferry, conf, stranger):
    conf.write_text("[security]\nsafe-directory = *\n" + conf.read_text())
    stranger(conf)
    refused(ferry, "list")


def test_the_system_may_name_safe_directories(ferry, work, conf, stranger):
    stranger(conf)
    (work / "system.conf").write_text(f"[security]\nsafe-directory = {work}\n")
    ferry("mirror", "list", env={"FERRY_SYSTEM_CONF": work / "system.conf"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away and is called by sudo")
def test_the_files_of_the_caller_of_sudo_are_obeyed(ferry, conf):
    os.chown(conf, STRANGER, STRANGER)
    conf.chmod(0o664)
    sudo = {"SUDO_UID": STRANGER, "SUDO_GID": STRANGER}
    ferry("mirror", "list", env=sudo)
    ferry("mirror", "list", env={**sudo, "SUDO_UID": STRANGER + 1}, check=2)


def test_a_configuration_that_others_can_write_is_not_obeyed(ferry, work, conf):
    conf.chmod(0o666)
    assert "other users can write this file" in ferry("mirror", "list", check=2).err
    ferry("mirror", "list", "--config", "ferry.conf")
    own_configuration(ferry, f"[security]\nsafe-directory = {work}\n")
    ferry("mirror", "list")


def test_a_group_may_write_it_if_it_is_the_own_one(ferry, conf):
    os.chown(conf, -1, os.getegid())
    conf.chmod(0o664)
    ferry("mirror", "list")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to any group")
def test_a_group_may_write_it_if_the_folder_is_shared_on_purpose(ferry, work, conf):
    os.chown(conf, -1, STRANGER)
    conf.chmod(0o664)
    assert "other users can write" in ferry("mirror", "list", check=2).err
    os.chown(work, -1, STRANGER)
    work.chmod(0o2775)
    ferry("mirror", "list")


# -- programs that sign ----------------------------------------------------------------------

@pytest.fixture
def signing(ferry, work):
    """A repository whose timestamp is signed by a program that notes that it ran."""
    (work / "ferry.conf").write_text("[repository.r]\npath = repository\nkeys = keys\n")
    ferry("catalog", "init", "--unencrypted", "-q", "r")
    (work / "tool").write_text(f"#!/bin/sh\ntouch {work}/ran\nexit 1\n")
    (work / "tool").chmod(0o755)
    (work / "keys/timestamp.pem").unlink()
    command = work / "keys/timestamp.command"
    command.write_text("../tool\n")
    return command


def test_a_signing_program_of_another_user_is_not_run(ferry, work, signing, stranger):
    stranger(signing)
    if os.geteuid() == 0:       # else ferry.conf is the stranger's, too
        result = ferry("catalog", "refresh", check=2)
        assert "timestamp.command belongs to another user" in result.err
        assert not (work / "ran").exists()
    own_configuration(ferry, f"[security]\nsafe-directory = {work}\n")
    assert "ended with status 1" in ferry("catalog", "refresh", check=2).err
    assert (work / "ran").exists()


def test_a_signing_program_of_the_owner_of_the_given_configuration_is_run(
        ferry, work, signing, stranger):
    stranger(signing)
    stranger(work / "ferry.conf")
    assert "ended with status 1" in ferry("catalog", "refresh", "--config", "ferry.conf",
                                          check=2).err
    assert (work / "ran").exists()


def test_a_signing_program_that_others_can_write_is_not_run(ferry, work, signing):
    signing.chmod(0o666)
    for extra in ((), ("--config", "ferry.conf")):
        assert "other users can write this file" in ferry("catalog", "refresh", *extra,
                                                          check=2).err
    assert not (work / "ran").exists()


# -- the store -------------------------------------------------------------------------------

def test_a_store_of_another_user_is_warned_of(ferry, work, stranger):
    ferry("store", "list")
    stranger(ferry.store)
    result = ferry("store", "list")
    assert result.err.count("belongs to another user") == 1 and str(ferry.store) in result.err
    own_configuration(ferry, f"[security]\nsafe-directory = {ferry.store}\n")
    assert "warning" not in ferry("store", "list").err


def test_a_store_that_everybody_can_write_is_warned_of(ferry):
    ferry("store", "list")
    ferry.store.chmod(0o777)
    assert ferry("store", "list").err.count("other users can write this folder") == 1


def test_a_store_that_a_group_shares_is_not_warned_of(ferry):
    ferry("store", "list")
    ferry.store.chmod(0o2775)
    assert "warning" not in ferry("store", "list").err


def test_trusted_metadata_that_others_can_write_are_warned_of(ferry):
    ferry("store", "list")
    trust = pathlib.Path(ferry.store) / "trust/demo"
    trust.mkdir()
    trust.chmod(0o777)
    assert f"{trust}: other users can write this folder" in ferry("store", "list").err


def test_a_pipe_in_the_place_of_ferry_conf_is_no_matter_of_trust(ferry, work):
    os.mkfifo(work / "ferry.conf")
    result = ferry("list", check=2)
    assert "not a regular file" in result.err and "move it away" in result.err
    assert "trust" not in result.err
