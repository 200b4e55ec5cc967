"""Keys and the people who hold them: rotations, thresholds, offline signatures, commands that
sign, and what is said when something is wrong. After each step two readers verify, one who has
followed from the first root on and one who starts with it now."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from ceremony import PEOPLE, first_lab, lab  # noqa: F401 (fixtures)
from conftest import BIN, ROOT
from published import mirror
from waiting import PATIENCE


# -- the ceremony ------------------------------------------------------------------------


def test_a_full_ceremony(lab):
    lab.verify()
    # The first has a passphrase, the others have none: most of the time goes into passphrases.
    pubs = [lab.person("alice", passphrase=True), lab.person("bob", "--type", "ecdsa-p256"), lab.person("carol")]

    # Three people are to hold root, two of them enough.
    adds = [a for pub in pubs for a in ("--add", pub)]
    rotated = lab.json("rotate", "root", *adds, "--remove", "root", "--threshold", 2, check=1)
    assert rotated["changed"] and not rotated["published"]
    assert [k["name"] for k in rotated["added"]] == list(PEOPLE)
    assert [k["name"] for k in rotated["removed"]] == ["root"]
    waiting = rotated["waiting_roles"][0]
    assert (waiting["role"], waiting["version"], waiting["threshold"], waiting["signatures"],
            waiting["old_threshold"], waiting["old_signatures"]) == ("root", 2, 2, 0, 1, 1)
    assert {k["name"]: (k["signed"], k["old"], k["new"]) for k in waiting["keys"]} == {
        "root": (True, True, False), "alice": (False, False, True),
        "bob": (False, False, True), "carol": (False, False, True)}
    assert [(c["role"], [k["name"] for k in c["added"]], [k["name"] for k in c["removed"]],
             c["old_threshold"], c["threshold"]) for c in waiting["changes"]] == \
        [("root", list(PEOPLE), ["root"], 1, 2)]
    lab.verify()

    # The first goes away with a copy, sees what it changes, signs, and comes back.
    stick = lab.copy()
    assert sorted(p.name for p in stick.iterdir()) == ["drafts", "metadata"]
    shown = lab("status", "--repository", stick, check=1).out
    assert re.search(r"for root: adds [0-9a-f]{16}.*threshold 2 instead of 1", shown)
    signed = lab.sign_root("alice", stick, check=1)
    assert "1 new signature" in signed.out and "1 of 2 signatures by its own keys" in signed.out
    merged = lab.json("merge", stick, check=1)
    assert merged["signatures"] == 1 and not merged["published"]
    assert lab.json("merge", stick, check=1)["signatures"] == 0
    roles, needs = lab.status(check=1)
    assert {k["name"]: k["signed"] for k in roles["root"]["keys"]} == {
        "alice": True, "bob": False, "carol": False, "root": True}
    assert [(n["role"], n["what"]) for n in needs] == [("root", "signatures")]
    text = lab("status", check=1).out
    assert re.search(r"signed +[0-9a-f]{16}  alice, added by this version", text)
    assert re.search(r"missing +[0-9a-f]{16}  carol, added by this version", text)
    assert "ferry catalog sign --role root --key FILE" in text
    lab.verify()

    # The second completes it.
    stick = lab.copy()
    assert "complete: take this copy back" in lab.sign_root("bob", stick, check=0).out
    merged = lab.json("merge", stick)
    assert merged["published"] and merged["roles"]["root"]["version"] == 2
    assert lab.status() and not (lab.tree / "drafts").exists()
    assert lab.root()["roles"]["root"]["threshold"] == 2
    assert merged["roles"]["timestamp"]["version"] == 2     # nothing but root changed
    lab.verify()

    # A leaked timestamp key. The release engineer holds no root key any more.
    old = lab.root()["roles"]["timestamp"]["keyids"]
    rotated = lab.json("rotate", "timestamp", check=1)
    assert [k["name"] for k in rotated["added"]] == ["timestamp-2"]
    assert lab.json("refresh")["roles"]["timestamp"]["version"] == 3    # goes on meanwhile
    lab.verify()
    assert lab.gather("bob", "carol").code == 1     # the new timestamp key is the engineer's
    assert "wait" in lab("status", check=1).out
    lab.verify()
    assert lab.json("sign")["published"]
    assert lab.root()["version"] == 3
    assert not set(old) & set(lab.root()["keys"])
    lab.verify()
    (lab.keys / "timestamp.pem").unlink()
    lab("refresh")
    lab.verify()

    # A leaked targets key: what it signed is signed anew with its successor.
    rotated = lab.json("rotate", "targets", "--type", "ecdsa-p256", check=1)
    assert {w["role"] for w in rotated["waiting_roles"]} >= {"root", "targets"}
    lab.gather("carol", "alice")
    lab("sign")
    (lab.keys / "targets.pem").unlink()
    lab.verify()
    lab.add("other", 2)
    lab.verify(("tiny", "other"))

    # Carol loses her key; the other two give root another third.
    shutil.rmtree(lab.work / "carol")
    carol = lab.person("carol")
    shutil.copy(carol, lab.work / "carol-new.pub")
    lab("rotate", "root", "--add", "carol-new.pub", "--remove", "carol", check=1)
    assert lab.gather("alice", "bob").code == 0
    assert lab.root()["version"] == 5 and len(lab.root()["roles"]["root"]["keyids"]) == 3
    lab.verify(("tiny", "other"))

    # About once a year. Everything is in place for it, with the new third.
    lab("renew", "root", check=1)
    assert lab.gather("carol", "bob").code == 0
    assert lab.root()["version"] == 6
    lab.verify(("tiny", "other"))
    roles, needs = lab.status()
    assert needs == [] and roles["root"]["signatures"] == 2


def test_one_person_rotates_everything(lab):
    """All keys in one folder: one command each, published at once."""
    for i, roles in enumerate((["timestamp"], ["snapshot", "timestamp"], ["targets"], ["root"])):
        done = lab.json("rotate", *roles)
        assert done["published"] and done["changes"] == roles
        assert len(done["added"]) == len(done["removed"]) == len(roles)
        assert lab.root()["version"] == i + 2
        lab.verify()
    keys = {k["name"]: k for k in lab.json("key", "list")["keys"]}
    assert keys["root-2"]["roles"] == ["root"] and keys["root"]["roles"] == []
    assert keys["timestamp-3"]["roles"] == ["timestamp"]
    assert keys["timestamp-3"]["encrypted"] and not keys["timestamp"]["encrypted"]
    assert stat.S_IMODE((lab.keys / "root-2.pem").stat().st_mode) == 0o600
    # The signature for minisign is of the new targets key, too.
    comment, sig = (lab.tree / "catalog.json.minisig").read_text().splitlines()[:2]
    lab("sign")
    assert (lab.tree / "catalog.json.minisig").read_text().splitlines()[:2] == [comment, sig]
    lab.add("other", 2)
    lab.verify(("tiny", "other"))


def test_signatures_come_from_separate_copies_and_as_one_file(lab):
    lab.three_roots()
    lab("rotate", "snapshot", check=1)
    one, two = lab.copy("one"), lab.copy("two")
    lab.sign_root("alice", one, check=1)
    lab.sign_root("carol", two, check=1)
    mailed = lab.work / "root-by-carol.json"
    shutil.copy(two / "drafts/root.json", mailed)
    merged = lab.json("merge", one, mailed, check=1)
    assert merged["signatures"] == 2
    assert [(w["role"], w["complete"]) for w in merged["waiting_roles"]][0] == ("root", True)
    assert lab.json("sign")["published"]
    lab.verify()


def test_signing_in_the_tree_itself(lab):
    lab.three_roots()
    lab("renew", "root", check=1)
    first = lab.json("sign", "--role", "root", "--key", lab.work / "alice/alice.pem", check=1)
    assert not first["published"] and first["waiting_roles"][0]["signatures"] == 1
    again = lab("sign", "--role", "root", "--key", lab.work / "alice/alice.pem", check=1)
    assert "nothing new to sign" in again.out
    done = lab.json("sign", "--role", "root", "--key", lab.work / "bob/bob.pem")
    assert done["published"] and done["waiting_roles"] == []
    assert "no draft waits" in lab("sign", "--role", "root", "--key",
                                  lab.work / "bob/bob.pem").out
    lab.verify()


def test_changes_can_be_thrown_away(lab):
    lab.three_roots()
    before = lab.root()
    lab("rotate", "root", "--threshold", 3, check=1)
    assert lab.json("discard")["discarded"] == ["root"]
    assert lab.json("discard")["discarded"] == []
    assert lab.status() and lab.root() == before
    lab.verify()


def test_a_change_of_what_waits_drops_its_signatures_and_says_so(lab):
    lab.three_roots()
    lab("rotate", "root", "--threshold", 3, check=1)
    lab("sign", "--role", "root", "--key", lab.work / "alice/alice.pem", check=1)
    changed = lab("rotate", "root", "--threshold", 1, check=1)
    assert "1 signature was lost" in changed.err
    assert lab.gather("alice", "bob").code == 0
    assert lab.root()["roles"]["root"]["threshold"] == 1
    lab.verify()


# -- an HSM ------------------------------------------------------------------------------


def make_hsm(lab, name="hsm", algorithm=("-algorithm", "ec", "-pkeyopt",
                                         "ec_paramgen_curve:P-256"), script=None):
    """A script with a key of its own stands for an HSM; returns the folder of it."""
    hsm = lab.work / "slot"
    hsm.mkdir(exist_ok=True)
    subprocess.run(["openssl", "genpkey", *algorithm, "-out", hsm / "hidden.pem"], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", hsm / "hidden.pem", "-pubout", "-out",
                    lab.keys / f"{name}.pub"], check=True)
    tool = hsm / "tool"
    tool.write_text(script or '#!/bin/sh\necho "slot $2" >> used\ntest -z "$FERRY_PASSPHRASE" '
                    '&& exec openssl dgst -sha256 -sign "$1"\n')
    tool.chmod(0o755)
    (lab.keys / f"{name}.command").write_text(
        f"# signs with the key in slot 7\n{tool}\n{hsm}/hidden.pem\n$(slot) 7; x\n")
    return hsm


def test_a_command_signs_in_place_of_a_key_file(lab):
    hsm = make_hsm(lab)
    key = {k["name"]: k for k in lab.json("key", "list")["keys"]}["hsm"]
    assert key["kind"] == "command" and key["type"] == "ECDSA P-256" and not key["encrypted"]
    assert lab.json("key", "check", "hsm", "targets")["checked"] == ["hsm", "targets"]
    assert lab.json("rotate", "targets", "--add", "hsm", "--remove", "targets")["published"]
    # No shell has seen the words.
    assert set((lab.keys / "used").read_text().splitlines()) == {"slot $(slot) 7; x"}
    lab.verify()
    lab.add("other", 2)
    lab.verify(("tiny", "other"))
    assert lab.json("key", "list") and lab.root()["roles"]["targets"]["keyids"] == [key["id"]]
    assert hsm.exists()


def test_a_command_that_fails_changes_nothing(lab):
    make_hsm(lab)
    lab("rotate", "targets", "--add", "hsm", "--remove", "targets")
    before = sorted(p.name for p in (lab.tree / "metadata").iterdir())
    lab.add_later = lab.make_gguf(lab.work / "m.gguf", "--seed", 5)
    lab.ferry("prepare", "m", lab.add_later, "-o", lab.work / "models/m", "--set",
              "license.id=MIT")
    lab("add", lab.work / "models/m")
    tool = lab.work / "slot/tool"
    for script, told in (
            ("echo 'CKR_PIN_LOCKED' >&2; exit 4", "ended with status 4: CKR_PIN_LOCKED"),
            ("exit 0", "wrote no signature"),
            ("head -c 70 /dev/urandom", "does not verify"),
            ("cat /dev/zero", "wrote more output than allowed")):
        tool.write_text(f"#!/bin/sh\n{script}\n")
        failed = lab.json("sign", check=2)
        assert told in failed["error"]["message"]
    (lab.keys / "hsm.command").chmod(0o666)
    assert "other users can" in lab("sign", check=2).err
    assert sorted(p.name for p in (lab.tree / "metadata").iterdir()) == before
    lab.verify()


def test_a_command_of_ed25519_from_the_first_root_on(lab, ferry, work):
    """An HSM may hold root before there is a repository."""
    other = work / "other"
    (other / "keys").mkdir(parents=True)
    fake = type("L", (), {"work": other, "keys": other / "keys"})()
    make_hsm(fake, "root", ("-algorithm", "ed25519"),
             '#!/bin/sh\ncat > in\nexec openssl pkeyutl -sign -rawin -in in -inkey "$1"\n')
    ferry("catalog", "init", "second", "--keys", "keys", "--unencrypted", cwd=other)
    assert not (other / "keys/root.pem").exists()
    ferry("catalog", "renew", "root", cwd=other)
    assert (other / "repository/metadata/2.root.json").exists()


# -- keys --------------------------------------------------------------------------------


def openssl(*args):
    subprocess.run(["openssl", *[str(a) for a in args]], check=True, capture_output=True)


def test_keys_are_imported(lab):
    work = lab.work
    openssl("genpkey", "-algorithm", "ed25519", "-out", work / "plain.pem")
    openssl("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-aes256", "-pass", "pass:other", "-out", work / "locked.pem")
    (work / "other").write_text("other\n")
    (work / "plain.pem").chmod(0o644)
    assert "chmod 600" in lab("key", "import", "plain.pem", "dora", check=2).err
    (work / "plain.pem").chmod(0o600)
    key = lab.json("key", "import", "plain.pem", "dora")["key"]
    assert key["encrypted"] and key["type"] == "Ed25519" and key["roles"] == []
    stored = lab.keys / "dora.pem"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert stored.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    public = subprocess.run(["openssl", "pkey", "-in", work / "plain.pem", "-pubout"],
                            capture_output=True, text=True, check=True).stdout
    assert lab("key", "export", "dora").out == public
    opened = subprocess.run(["openssl", "pkey", "-in", stored, "-passin", "pass:correct horse",
                             "-pubout"], capture_output=True, text=True, check=True).stdout
    assert opened == public
    # Never over another one.
    before = stored.read_bytes()
    assert "dora.pem exists already" in lab("key", "import", "plain.pem", "dora", check=8).err
    assert stored.read_bytes() == before
    assert "wrong passphrase" in lab("key", "import", "locked.pem", "emil", check=2).err
    locked = lab.json("key", "import", "locked.pem", "emil", "--old-passphrase-file", "other")
    assert locked["key"]["type"] == "ECDSA P-256"
    lab("key", "check", "dora", "emil")
    assert lab.json("rotate", "targets", "--add", "dora", "--add", "emil", "--threshold",
                    2)["published"]
    lab.verify()


def test_what_is_no_key_is_not_imported(lab):
    work = lab.work
    openssl("genrsa", "-out", work / "short.pem", "1024")
    openssl("ecparam", "-genkey", "-name", "prime256v1", "-out", work / "old.pem")
    for name in ("short.pem", "old.pem"):
        (work / name).chmod(0o600)
    assert "2048 bits" in lab("key", "import", "short.pem", "x", check=2).err
    assert "openssl pkcs8 -topk8" in lab("key", "import", "old.pem", "x", check=2).err
    assert "is a public key; a private key is needed" in lab("key", "import", lab.keys / "root.pub", "x", check=2).err
    (work / "none.pem").write_text("hello")
    assert "not a private key" in lab("key", "import", "none.pem", "x", check=2).err
    assert "no-such" in lab("key", "import", "no-such.pem", "x", check=3).err
    assert "is not a valid name for a key" in lab("key", "import", lab.keys / "root.pem", "../x",
                                      check=2).err
    assert not (lab.keys / "x.pub").exists()


def test_a_public_part_of_another_key_is_noticed(lab):
    lab("key", "new", "dora", "--unencrypted")
    shutil.copy(lab.keys / "root.pub", lab.keys / "dora.pub")
    assert "another key" in lab("key", "check", "dora", check=2).err


# -- too few, wrong, stale, damaged ------------------------------------------------------


def test_wrong_keys_are_refused_with_those_that_fit(lab):
    lab.three_roots()
    lab("renew", "root", check=1)
    wrong = lab.json("sign", "--role", "root", "--key", lab.keys / "targets.pem",
                     check=2)["error"]
    assert "targets.pem" in wrong["message"] and "may not sign root" in wrong["message"]
    assert "it may sign targets" in wrong["message"]
    assert all(name in wrong["hint"] for name in PEOPLE)
    lab.person("mallory", passphrase=True)
    stranger = lab("sign", "--role", "root", "--key", "mallory/mallory.pem", check=2)
    assert "nothing in this repository" in stranger.err
    # Without its public part a key is known only when it was opened.
    (lab.work / "mallory/mallory.pub").unlink()
    assert "may not sign root" in lab("sign", "--role", "root", "--key",
                                      "mallory/mallory.pem", check=2).err
    assert "is a public key, which cannot sign" in lab("sign", "--role", "root", "--key", "carol", check=2).err
    nobody = lab("sign", "--role", "root", check=2)
    assert "may sign root" in nobody.err and "alice" in nobody.err
    assert "no file of that name" in lab("sign", "--role", "root", "--key", "x.pem", check=2).err
    assert 'no role "boot"' in lab("sign", "--role", "boot", "--key", lab.work /
                                   "alice/alice.pem", check=2).err
    roles, _ = lab.status(check=1)
    assert roles["root"]["signatures"] == 0


def test_a_wrong_passphrase_adds_no_signature(lab):
    lab.three_roots(passphrase=True)
    lab("renew", "root", check=1)
    stick = lab.copy()
    wrong = lab("sign", "--repository", stick, "--role", "root", "--key", "alice/alice.pem",
                check=2, env={"FERRY_PASSPHRASE": "wrong"})
    assert re.search(r"wrong passphrase for .*alice\.pem", wrong.err)
    assert json.loads((stick / "drafts/root.json").read_text())["signatures"] == []
    before = sorted(p.name for p in lab.keys.iterdir())
    # Nor does a rotation leave a key behind that nothing lists.
    lab("key", "passphrase", "targets", env={"FERRY_PASSPHRASE": None}, check=2)
    (lab.work / "new").write_text("new one\n")
    lab("discard")
    lab("key", "passphrase", "snapshot", "--new-passphrase-file", "new")
    shutil.copy(lab.work / "alice/alice.pem", lab.keys)
    shutil.copy(lab.work / "bob/bob.pem", lab.keys)
    failed = lab("rotate", "timestamp", check=2, env={"FERRY_PASSPHRASE": "wrong"})
    assert "wrong passphrase" in failed.err
    assert sorted(p.name for p in lab.keys.iterdir()) == \
        sorted([*before, "alice.pem", "bob.pem"])
    assert lab.root()["version"] == 2


def test_thresholds_that_cannot_be_met_are_refused(lab):
    few = lab.json("rotate", "root", "--threshold", 2, check=2)["error"]
    assert "root has 1 key, but its threshold is 2" in few["message"]
    assert "has 0 keys" in lab("rotate", "snapshot", "--remove", "snapshot", check=2).err
    assert "has no key" in lab("rotate", "snapshot", "--remove", "root", check=2).err
    assert "several" not in lab("rotate", "snapshot", "--remove", "00000000", check=2).err
    assert "no role" in lab("rotate", "boot", check=2).err
    assert "one role" in lab("rotate", "root", "targets", "--threshold", 1, check=2).err
    lab.three_roots()
    unclear = lab("rotate", "root", check=2)
    assert "root has 3 keys" in unclear.err and "--remove" in unclear.err
    assert not (lab.tree / "drafts").exists()
    lab.verify()


def test_what_is_about_to_expire(lab):
    assert "no spare key" in lab("status").err
    lab("refresh", "--expires", "timestamp=20h")
    _, needs = lab.status(check=1)
    assert [(n["role"], n["what"]) for n in needs] == [("timestamp", "renewal")]
    assert "ferry catalog refresh" in needs[0]["text"]
    roles, needs = lab.status(check=1, at="+21 hours")
    assert roles["timestamp"]["expired"] and needs[0]["what"] == "expired"
    assert "expired" in lab("sign", at="+21 hours").err
    lab("refresh")
    assert lab.status()[1] == []
    soon = lab("status", "--within", "400d", check=1)
    assert "run `ferry catalog renew root`" in soon.out
    lab("renew", "root", "--expires", "root=10d")
    assert [n["role"] for n in lab.status(check=1)[1]] == ["root"]
    lab("renew", "root", "targets")
    assert lab.status()[1] == []
    lab.verify()


def test_a_stale_copy_never_overwrites(lab):
    """Two copies of the tree, two publishers."""
    conf = lab.work / "ferry.conf"
    conf.write_text(conf.read_text() + mirror("a"))
    lab.ferry("push")
    stale = lab.work / "stale"
    shutil.copytree(lab.tree, stale / "repository")
    shutil.copytree(lab.keys, stale / "lab-keys")
    (stale / "ferry.conf").write_text(conf.read_text().replace(
        "path = mirrors/a", f"path = {lab.work}/mirrors/a"))

    def stale_catalog(*args, **options):
        return lab.ferry("catalog", *args, cwd=stale, **options)
    lab.add("other", 2)
    lab.ferry("push")
    shown = (lab.work / "mirrors/a/metadata/timestamp.json").read_bytes()
    stale_catalog("rotate", "timestamp")
    for _ in range(4):
        # At the same version, a lower one, and higher ones.
        refused = lab.ferry("push", "--json", cwd=stale, check=8)
        assert "another publisher" in refused.out
        assert (lab.work / "mirrors/a/metadata/timestamp.json").read_bytes() == shown
        stale_catalog("refresh")
    lab.verify(("tiny", "other"))


def forge(lab, path, key, version):
    """What a thief of one key makes: the same document with a far higher version."""
    document = json.loads(path.read_text())
    document["signed"]["version"] = version
    (lab.work / "body").write_text(json.dumps(document["signed"], sort_keys=True,
                                              separators=(",", ":")))
    sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-in", lab.work / "body",
                          "-inkey", key], capture_output=True, check=True).stdout
    document["signatures"] = [{"keyid": document["signatures"][0]["keyid"], "sig": sig.hex()}]
    path.write_text(json.dumps(document))


def test_readers_and_mirrors_recover_from_a_stolen_timestamp_key(lab):
    """The thief has put a timestamp of version 9000 on the mirror, and readers took it."""
    conf = lab.work / "ferry.conf"
    conf.write_text(conf.read_text() + mirror("a"))
    lab.ferry("push")
    reader = lab.work / "reader"
    reader.mkdir()
    client = (lab.followers / "ferry.conf").read_text()
    (reader / "ferry.conf").write_text(client.replace("/repository", "/mirrors/a"))
    shown = lab.work / "mirrors/a/metadata/timestamp.json"

    def read():
        lab.ferry("list", cwd=reader, env={"FERRY_HOME": lab.work / "read"})
        return json.loads((lab.work / "read/trust/lab/timestamp.json").read_text())["signed"]
    shown.chmod(0o644)
    forge(lab, shown, lab.keys / "timestamp.pem", 9000)
    assert read()["version"] == 9000
    assert "newer" in lab.ferry("push", check=8).err + lab.ferry("push", check=8).out
    lab("rotate", "timestamp")
    lab.ferry("push")
    assert read()["version"] == json.loads(
        (lab.tree / "metadata/timestamp.json").read_text())["signed"]["version"] < 9000


def test_drafts_of_another_change_are_not_merged(lab):
    lab.three_roots()
    shutil.copytree(lab.tree, lab.work / "second")
    lab("rotate", "snapshot", check=1)
    other = ["--repository", lab.work / "second", "--keys", lab.keys]
    lab("renew", "root", *other, check=1)
    conflict = lab.json("merge", lab.work / "second", check=8)["error"]
    assert "version 3 of root differs from the one that waits here" in conflict["message"]
    assert "fresh copy" in conflict["hint"]
    # The other one is complete first, and its metadata comes here: the draft is stale.
    for name in ("alice", "bob"):
        lab("sign", *other, "--role", "root", "--key", lab.work / name / f"{name}.pem",
            check=None)
    shutil.copy(lab.work / "second/metadata/3.root.json", lab.tree / "metadata")
    late = lab.json("status", check=8)["error"]
    assert "ferry catalog discard" in late["hint"]
    for command in (["sign"], ["refresh"], ["rotate", "snapshot"]):
        assert lab.json(*command, check=8)["error"]["class"] == "conflict"
    assert "root" in lab.json("discard")["discarded"]
    assert lab.status() and lab.root()["version"] == 3
    lab.verify()


def test_foreign_and_forged_documents_are_not_merged(lab):
    lab.three_roots()
    lab("renew", "root", check=1)
    stick = lab.copy()
    lab.sign_root("alice", stick, check=1)
    draft = stick / "drafts/root.json"
    good = json.loads(draft.read_text())

    def merged(document, check):
        draft.write_text(json.dumps(document))
        return lab("merge", draft, check=check)
    forged = json.loads(json.dumps(good))
    sig = forged["signatures"][0]["sig"]
    forged["signatures"][0]["sig"] = ("0" if sig[0] != "0" else "1") + sig[1:]
    assert "does not verify" in merged(forged, 6).err
    changed = json.loads(json.dumps(good))
    changed["signed"]["roles"]["root"]["threshold"] = 1
    assert "differs from the one that waits here" in merged(changed, 8).err
    stranger = {**good, "signatures": [{"keyid": "00" * 32, "sig": sig}]}
    assert "0 new signatures" in merged(stranger, 1).out
    draft.write_text("{")
    assert lab("merge", draft, check=6).err.count("root.json")
    draft.write_text('{"signed": {}}')
    assert "is not TUF metadata" in lab("merge", draft, check=6).err
    assert "neither drafts/ nor metadata/" in lab("merge", lab.keys, check=3).err
    assert "no-such" in lab("merge", "no-such", check=3).err
    assert "1 new signature" in merged(good, 1).out


@pytest.mark.parametrize("damage, told", [
    (lambda p: p.write_bytes(p.read_bytes()[:-40]), "but the signed size is"),
    (lambda p: p.write_bytes(p.read_bytes().replace(b'"version":2', b'"version":3')), "sha256"),
    (lambda p: p.unlink(), "No such file")])
def test_damaged_metadata_in_the_tree(lab, damage, told):
    good = lab.work / "good"
    shutil.copytree(lab.tree / "metadata", good)
    damage(lab.tree / "metadata/2.targets.json")
    for command in (["status"], ["sign"], ["refresh"], ["rotate", "timestamp"], ["renew", "root"],
                    ["merge", "."], ["sign", "--role", "root"]):
        error = lab.json(*command, check=6)["error"]
        assert "2.targets.json" in error["message"] and told in error["message"]
        assert "copy the file back from metadata/ on a mirror" in error["hint"]
    shutil.rmtree(lab.tree / "metadata")
    shutil.copytree(good, lab.tree / "metadata")
    assert lab.status()
    lab.verify()


def test_a_lost_timestamp_is_no_fresh_start(lab):
    (lab.tree / "metadata/timestamp.json").unlink()
    for command in (["sign"], ["refresh"], ["init", "lab"]):
        assert "timestamp.json is missing" in lab(*command, check=6).err
    assert sorted(p.name for p in (lab.tree / "metadata").glob("*.targets.json")) == \
        ["1.targets.json", "2.targets.json"]


def test_damaged_drafts_are_told_and_can_be_discarded(lab):
    lab.three_roots()
    lab("renew", "root", check=1)
    (lab.tree / "drafts/root.json").write_text("{")
    error = lab.json("status", check=6)["error"]
    assert "drafts/root.json" in error["message"] and "catalog discard" in error["hint"]
    lab("discard")
    assert lab.status()


# -- the manual --------------------------------------------------------------------------


def manual_commands(title):
    """The code of the blocks in a section of ferry-keys(7) that begin with a comment."""
    text = (ROOT / "man/ferry-keys.7.scd").read_text()
    section = text.split(f"\n# {title}\n", 1)[1].split("\n\n# ", 1)[0]
    blocks = re.findall(r"```\n# [^\n]*\n(.*?)```", section, re.S)
    assert blocks
    return [re.sub(r" *\\\\\n *", " ", block) for block in blocks]


def test_the_commands_of_the_manual(lab):
    """The ceremony, then a leaked timestamp key and a lost root key, as they are written."""
    stick = lab.work / "stick"
    stick.mkdir()

    def run(code, name="alice", check=0):
        home = lab.work / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        code = code.replace("alice.pem", f"{name}.pem").replace("/media/stick", str(stick))
        env = lab.ferry.environment({"HOME": home, "PATH": f"{BIN}:{os.environ['PATH']}"})
        done = subprocess.run(["bash", "-ec", code], cwd=lab.work, env=env, text=True,
                              capture_output=True, timeout=PATIENCE)
        assert done.returncode == check, (code, done.stdout, done.stderr)
        return done

    def all_but_the_rotation(code):
        """bash -e stops at its exit code 1, which is what it is to tell."""
        rotate, rest = code.split("\n", 1)
        assert "signatures" in run(rotate, check=1).stdout
        run(rest)

    make, propose, sign, finish = manual_commands("KEY CEREMONY")
    for name in PEOPLE:
        run(make.replace("new alice", f"new {name}").replace("alice.pub", f"{name}.pub"), name)
    all_but_the_rotation(propose)
    for name, last in (("alice", False), ("bob", True)):
        status, signing = sign.strip().split("\n")
        assert "for root: adds" in run(status, name, check=1).stdout
        run(signing, name, check=0 if last else 1)
    conf = lab.work / "ferry.conf"
    conf.write_text(conf.read_text() + mirror("a"))
    run(finish)
    assert lab.root()["version"] == 2 and lab.root()["roles"]["root"]["threshold"] == 2
    lab.verify()
    (lab.keys / "root.pem").unlink()

    timestamp, targets, again, root = manual_commands("A KEY LEAKED")
    copy = propose.strip().split("\n")[-1]

    def gather(*names):
        shutil.rmtree(stick / "root")
        run(copy)
        for name in names:
            run(sign.strip().split("\n")[1], name, check=0 if name == names[-1] else 1)
        run("ferry catalog merge /media/stick/root || test $? = 1")
    for leaked in (timestamp, targets):
        run(leaked, check=1)
        gather("carol", "alice")
        run(again)
        lab.verify()
    assert lab.root()["version"] == 4
    run(make.replace("new alice", "new carol-2").replace("alice.pub", "carol-2.pub"), "carol")
    run(root, check=1)
    gather("alice", "bob")
    assert lab.root()["version"] == 5
    lab.verify()
    assert lab.status()[1] == []
