"""What cron runs, and what it must not do: `catalog refresh` and `catalog status`."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import urllib.parse

import pytest

from ceremony import PEOPLE, first_lab, lab  # noqa: F401 (fixtures)
from conftest import preloaded
from kills import at
from waiting import locked


def keys_of(lab, folder, *names):
    """A folder of keys with these alone, as the machine that runs cron has it."""
    folder = lab.work / folder
    folder.mkdir(exist_ok=True)
    for name in names:
        for suffix in ("pem", "pub"):
            shutil.copy(lab.keys / f"{name}.{suffix}", folder)
    return folder


def offline(lab, *names):
    """Takes the private parts of keys away from the desk."""
    folder = keys_of(lab, "offline", *names)
    for name in names:
        (lab.keys / f"{name}.pem").unlink()
    return folder


def timestamp(lab):
    return json.loads((lab.tree / "metadata/timestamp.json").read_text())["signed"]


def published_catalog(lab):
    """The digest that the published targets have of catalog.json."""
    snapshot = timestamp(lab)["meta"]["snapshot.json"]["version"]
    meta = json.loads((lab.tree / f"metadata/{snapshot}.snapshot.json").read_text())["signed"]["meta"]
    version = meta["targets.json"]["version"]
    targets = json.loads((lab.tree / f"metadata/{version}.targets.json").read_text())["signed"]
    return targets["targets"]["catalog.json"]["hashes"]["sha256"]


def plain_catalog(lab):
    return hashlib.sha256((lab.tree / "catalog.json").read_bytes()).hexdigest()


def minisign_accepts(lab):
    lab("export", "minisign-key", "-o", "key.pub")
    return subprocess.run(["minisign", "-Vm", lab.tree / "catalog.json", "-p",
                           lab.work / "key.pub"], capture_output=True).returncode == 0


def change_card(lab, summary):
    path = lab.tree / "cards/tiny.card.json"
    card = json.loads(path.read_text())
    card["summary"] = summary
    path.write_text(json.dumps(card))


@pytest.mark.parametrize("have", [["timestamp"], ["snapshot"]])
def test_a_refresh_that_publishes_nothing_says_so(lab, have):
    before = timestamp(lab)
    told = lab.json("refresh", "--keys", keys_of(lab, "cron", *have), check=1)
    assert not told["published"]
    missing = {k["name"] for r in told["waiting_roles"] for k in r["keys"]
               if not k["signed"] and "name" in k} | {r["role"] for r in told["waiting_roles"]
                                                      if not r["complete"]}
    assert {"snapshot", "timestamp"} - set(have) <= missing
    assert timestamp(lab) == before
    refused = lab("refresh", "--keys", lab.work / "cron", check=1)
    assert "nothing was published" in refused.err and "waits: 0 of 1" in refused.out
    assert lab("refresh").code == 0 and timestamp(lab)["version"] == before["version"] + 1
    assert lab.status()[1] == []


def test_a_refresh_goes_on_until_the_new_keys_are_there(lab):
    """Root has all signatures for other online keys, and cron still has the old ones."""
    cron = keys_of(lab, "cron", "snapshot", "timestamp")
    root = offline(lab, "root")
    lab("rotate", "timestamp", "snapshot", check=1)
    fresh = offline(lab, "timestamp-2", "snapshot-2")
    lab("sign", "--role", "root", "--key", root / "root.pem")
    for _ in range(2):
        version = timestamp(lab)["version"]
        assert lab.json("refresh", "--keys", cron)["published"]
        assert timestamp(lab)["version"] == version + 1 and lab.root()["version"] == 1
        lab.verify()
    roles, _ = lab.status(check=1)
    assert roles["root"]["waiting"] and not roles["timestamp"]["waiting"]
    # Then they are brought: root goes into force in the same step.
    assert lab.json("refresh", "--keys", fresh)["published"]
    assert lab.root()["version"] == 2
    lab.verify()
    assert lab.status()[1] == []


def test_a_refresh_signs_nothing_else(lab):
    """One key for all the online roles and targets: a change of targets waits for `sign`."""
    for role in ("snapshot", "timestamp"):
        lab("rotate", role, "--add", "targets", "--remove", role)
    key = offline(lab, "targets")
    lab("renew", "targets", check=1)
    before = published_catalog(lab)
    roles, _ = lab.status(check=1)
    assert roles["targets"]["waiting"]
    assert lab.json("refresh", "--keys", key)["published"]
    roles, _ = lab.status(check=1)
    assert roles["targets"]["waiting"] and roles["targets"]["signatures"] == 0
    assert published_catalog(lab) == before == plain_catalog(lab)
    shutil.copy(key / "targets.pem", lab.keys)
    change_card(lab, "changed")
    lab("sign")
    assert published_catalog(lab) == plain_catalog(lab) != before


def test_a_refresh_opens_no_other_key(lab, work):
    """Neither root nor targets: not even to look whether they fit."""
    lab("refresh", env=preloaded("kill", SIMULATED_OPENS=work / "opens"))
    opened = set(re.findall(r"([a-z]+)\.pem", (work / "opens").read_text()))
    assert opened == {"snapshot", "timestamp"}


def test_what_a_refresh_publishes_is_plain_to_see(lab):
    """Two sign targets, one of them elsewhere; the online keys are those of cron alone."""
    cron = keys_of(lab, "cron", "snapshot", "timestamp")
    lab("key", "new", "second", "--unencrypted")
    lab("rotate", "targets", "--add", "second", "--threshold", 2)
    second = offline(lab, "second")
    change_card(lab, "changed")
    lab("sign", check=1)
    copy = lab.copy()
    lab("sign", "--repository", copy, "--role", "targets", "--key", second / "second.pem")
    before = published_catalog(lab)
    lab("merge", copy, check=1)
    assert lab.json("refresh", "--keys", cron)["published"]
    assert published_catalog(lab) == plain_catalog(lab) != before
    assert minisign_accepts(lab)
    lab.verify()
    assert lab.status()[1] == []


def test_a_signature_by_a_key_that_goes_does_not_stay(lab):
    cron = keys_of(lab, "cron", "snapshot", "timestamp")
    root = offline(lab, "root")
    lab("rotate", "targets", check=1)
    fresh = offline(lab, "targets-2")
    lab("sign", "--role", "root", "--key", root / "root.pem")
    assert lab.json("refresh", "--keys", cron)["published"]
    assert lab.root()["version"] == 2
    # Of the new key there is a signature only where it signed the catalog.
    signature = lab.tree / "catalog.json.minisig"
    assert not signature.exists() or minisign_accepts(lab)
    lab("sign", "--key", fresh / "targets-2.pem", "--key", "snapshot", "--key", "timestamp")
    assert minisign_accepts(lab)


def test_only_the_role_that_was_asked_for_is_signed(lab):
    """Alice has a key of root and of targets, and is asked for root."""
    alice = lab.person("alice")
    lab("rotate", "root", "--add", alice)
    lab("rotate", "targets", "--add", alice)
    keys = offline(lab, "root", "targets")
    lab("renew", "root", "targets", check=1)
    stick = lab.copy()
    lab.sign_root("alice", stick, check=0)
    left = json.loads((stick / "drafts/targets.json").read_text())["signatures"]
    assert left == []
    lab("merge", stick, check=1)
    roles, _ = lab.status(check=1)
    assert roles["targets"]["signatures"] == 0
    lab("sign", "--role", "targets", "--key", keys / "targets.pem")
    lab("sign")
    lab.verify()


def test_a_key_that_is_of_no_use_for_a_renewal_is_refused(lab):
    error = lab.json("renew", "targets", "--key", "root", check=2)["error"]
    assert "may not sign targets; it may sign root" in error["message"]
    assert not (lab.tree / "drafts").exists()
    # Without the key at hand it is a draft, for who has it; not a mistake.
    offline(lab, "targets")
    told = lab("renew", "targets", check=1)
    assert "`ferry catalog sign --role targets --key FILE` with the key of targets" in told.out


def test_a_copy_cannot_be_signed_as_a_whole(lab):
    """It has no cards: that would be an empty catalog."""
    keys = offline(lab, "root", "targets")
    lab("renew", "root", "targets", check=1)
    stick = lab.copy()
    for more in ([], ["--name", "lab"]):
        error = lab.json("sign", "--repository", stick, "--keys", keys, *more, check=2)["error"]
        assert "no catalog can be built" in error["message"]
        assert f"--repository {stick} --role ROLE --key FILE" in error["hint"]
    assert sorted(p.name for p in stick.iterdir()) == ["drafts", "metadata"]
    nothing = lab.work / "nothing"
    nothing.mkdir()
    which = lab("sign", "--repository", stick, "--role", "root", cwd=nothing, check=2)
    assert "--key FILE" in which.err
    # The name of a key will do where its public part was left behind.
    (keys / "root.pub").unlink()
    assert "1 new signature" in lab("sign", "--repository", stick, "--role", "root", "--keys",
                                    keys).out


# -- status ------------------------------------------------------------------------------


def test_status_of_a_tree_that_cannot_be_written(lab):
    """A medium that is read-only, and another publisher at work."""
    listing = sorted(lab.tree.rglob("*"))
    (lab.tree / ".lock").unlink()
    before = lab("status")
    assert not (lab.tree / ".lock").exists(), "status writes nothing"
    assert len(sorted(lab.tree.rglob("*"))) == len(listing) - 1
    with locked(lab.tree / ".lock"):
        assert lab("status").out == before.out
        assert "when the other one has finished" in lab("sign", check=8).err


def test_status_tells_the_expiry_that_readers_see(lab):
    """A renewal that waits does not keep the root that is published from expiring."""
    lab("renew", "root", "--expires", "root=20d")
    offline(lab, "root")
    lab("renew", "root", "--expires", "root=300d", check=1)
    now = lab.status(check=1)
    assert [(n["role"], n["what"]) for n in now[1]] == [("root", "signatures")]
    document = lab.json("status", check=1, at="+25 days")
    root = document["roles"][0]
    assert root["expired"] and root["published_expires"] < root["expires"]
    need = [n for n in document["needs"] if n["role"] == "root"][0]
    assert need["what"] == "expired" and re.search(r"root 2 expired at .*version 3 waits",
                                                   need["text"])


def test_status_names_people_and_the_command(lab):
    lab.three_roots()
    lab("renew", "root", check=1)
    text = lab("status", check=1).out
    next_step = re.search(r"`ferry catalog sign --role root --key FILE` "
                          r"with the key of (.*) \(2 of them\),", text)
    assert set(next_step[1].split(", ")) == set(PEOPLE)
    stick = lab.copy()
    signed = lab.sign_root("alice", stick, check=1).out
    assert "signed" in signed and "alice" in signed, "the key has the name of its file"
    assert f"--repository {stick} --role root --key FILE` with the key of" in signed
    assert "take this copy back" in signed
    soon = lab("status", "--within", "400d", check=1).out
    assert "run `ferry catalog renew targets`; it needs 1 of the keys of targets" in soon


def test_who_signs_targets_sees_what_changes(lab):
    """The second of two has nothing but the copy."""
    second = lab.person("second")
    lab("rotate", "targets", "--add", second, "--threshold", 2, "--key", "root", "--key", "targets",
        "--key", "snapshot", "--key", "timestamp", "--key", lab.work / "second/second.pem")
    for name in ("more", *(f"m{i}" for i in range(5))):
        gguf = lab.make_gguf(lab.work / f"{name}.gguf", "--seed", 7)
        lab.ferry("prepare", name, gguf, "-o", lab.work / "models" / name, "--set",
                  "license.id=MIT")
        lab("add", lab.work / "models" / name)
    lab("sign", check=1)
    stick = lab.copy()
    told = lab.json("status", "--repository", stick, check=1)["waiting_roles"]
    files = [r["files"] for r in told if r["role"] == "targets"][0]
    assert len(files["added"]) == 24
    assert files["changed"] == ["catalog.json", "index.jsonl.zst", "repository.json"]
    assert files["removed"] == [] and "delegations_changed" not in told[0]
    text = lab("status", "--repository", stick, check=1).out
    assert "  adds models/m0/" in text and "  adds 14 more; --json lists all" in text
    assert "  changes catalog.json" in text
    lab("discard")
    lab("delegate", "community", "--paths", "models/c-*/*", "--key", second)
    assert "  changes its delegations" in lab("status", check=1).out


def resign(path, change):
    """A draft that somebody made who wants to be signed for what is not seen."""
    document = json.loads(path.read_text())
    change(document["signed"])
    path.write_text(json.dumps(document))


def test_a_draft_cannot_pass_one_key_off_as_another(lab):
    """The root "changes no keys", says its list of key ids: the key under one of them is another."""
    lab.three_roots()
    lab("renew", "root", check=1)
    stick = lab.copy()
    lab.person("thief")
    thief = lab.json("key", "list", "--keys", lab.work / "thief")["keys"][0]["id"]
    spare = lab.copy("spare")
    lab("rotate", "root", "--add", lab.work / "thief/thief.pub", check=1)
    theirs = json.loads((lab.tree / "drafts/root.json").read_text())["signed"]["keys"][thief]

    def swap(signed):
        signed["keys"][signed["roles"]["targets"]["keyids"][0]] = theirs
    resign(stick / "drafts/root.json", swap)
    for command in (["status"], ["sign", "--role", "root", "--key", lab.work / "alice/alice.pem"]):
        error = lab.json(*command, "--repository", stick, check=6)["error"]
        assert "is a different key" in error["message"] and "do not sign it" in error["hint"]
    # In place of a key of root itself, too.
    resign(spare / "drafts/root.json",
           lambda signed: signed["keys"].update({signed["roles"]["root"]["keyids"][0]: theirs}))
    assert "is a different key" in lab("status", "--repository", spare, check=6).err


def test_a_copy_of_another_repository_is_refused(lab):
    """Its published root is the thief's, beside which the root that waits looks harmless."""
    lab("renew", "root", check=None)
    pin = hashlib.sha256((lab.tree / "metadata/1.root.json").read_bytes()).hexdigest()
    other = lab.work / "other"
    other.mkdir()
    lab("init", "lab", "--unencrypted", cwd=other)
    for command in (["status"], ["sign", "--role", "root", "--keys", lab.keys]):
        assert lab(*command, "--root-sha256", pin).code == 0
        error = lab.json(*command, "--root-sha256", pin, "--repository", other / "repository",
                         check=6)["error"]
        assert "not the first root" in error["message"] and "do not sign" in error["hint"]
        assert "64 hex" in lab(*command, "--root-sha256", "12", check=2).err


def test_a_draft_cannot_turn_consistent_snapshots_off(lab):
    offline(lab, "root")
    lab("renew", "root", check=1)
    resign(lab.tree / "drafts/root.json",
           lambda signed: signed.update(consistent_snapshot=False))
    error = lab.json("status", check=6)["error"]
    assert "consistent_snapshot" in error["message"]


def test_nothing_of_a_draft_reaches_the_terminal_as_it_is(lab):
    lab("delegate", "community", "--paths", "models/c-*/*", "--key", lab.keys / "root.pub")
    evil = "\x1b[2Kevil\n\u202ename"

    def rename(signed):
        signed["delegations"]["roles"][0]["name"] = evil
        signed["delegations"]["roles"][0]["keyids"] = ["\x1b[31mkey\n"]
    resign(lab.tree / "drafts/targets.json", rename)
    (lab.tree / "drafts/community.json").rename(
        lab.tree / "drafts" / (urllib.parse.quote(evil, safe="") + ".json"))
    shown = lab("status", check=1).out
    assert "\\x1b[2Kevil\\x0a" in shown
    assert not set("\x1b\u202e") & set(shown)
    assert "evil" not in [line[:4] for line in shown.split("\n")]


# -- stopped midway ------------------------------------------------------------------------


def killed(lab, call, when, *command):
    """Runs it, and kills it just before its call number `when`."""
    done = lab(*command, check=None, env=at(when, call))
    return done.code == -signal.SIGKILL


def test_a_rotation_that_was_killed_is_finished(lab):
    """At each rename. Readers may have to wait, but no later than for the next `sign`."""
    alice = lab.person("alice")
    start = lab.work / "start"
    shutil.copytree(lab.tree, start)
    command = ["rotate", "targets", "--add", alice, "--remove", "targets"]
    for key in ("root", "snapshot", "timestamp", lab.work / "alice/alice.pem"):
        command += ["--key", key]
    midway = 0
    for when in range(1, 40):
        shutil.rmtree(lab.tree)
        shutil.copytree(start, lab.tree)
        if not killed(lab, "rename", when, *command):
            break
        (lab.keys / "alice.pub").unlink(missing_ok=True)
        status = lab("status", check=None)
        midway += "not signed with the current keys" in status.out
        if "not signed" in status.out:
            assert status.code == 1 and "run `ferry catalog sign`" in status.out
        again = lab(*command, check=None)
        if "not signed" in status.out:
            assert "run `ferry catalog sign` to finish" in again.err
        if lab.root()["version"] == 2:
            lab("sign", "--key", "snapshot", "--key", "timestamp", "--key",
                lab.work / "alice/alice.pem")
        assert again.code == 0 or "targets has no key" in again.err, again.err
        assert lab.root()["version"] == 2
        lab.verify()
        assert lab.status()[1] == []
    assert midway and when > 4


def test_bins_that_were_killed_when_they_were_done(lab):
    """The draft that began them is there still, and is not what was published in the end."""
    start = lab.work / "start"
    lab("delegate", "--bins", 4)
    shutil.copytree(lab.tree, start)
    for when in range(1, 40):
        shutil.rmtree(lab.tree)
        shutil.copytree(start, lab.tree)
        if not killed(lab, "rename", when, "sign"):
            break
        lab("sign")
        assert lab.status()[1] == []
        lab.verify()
    shutil.rmtree(lab.tree)
    shutil.copytree(start, lab.tree)
    assert killed(lab, "unlink", 1, "sign")
    lab("sign")
    assert lab.status()[1] == []
    lab.verify()
