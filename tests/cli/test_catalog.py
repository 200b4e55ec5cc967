"""The publisher's catalog, from init to gc, and what it says when something is wrong."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import BIN, ROOT
from kills import Moments, at
from waiting import communicate

EXAMPLE = ROOT / "catalog"


class Desk:
    """A publisher in a folder with a ferry.conf and a reader in another."""

    def __init__(self, ferry, work, make_gguf, validate):
        self.ferry, self.work, self.make_gguf, self.validate = ferry, work, make_gguf, validate
        self.tree = work / "repository"

    def catalog(self, *args, **options):
        return self.ferry("catalog", *args, **options)

    def json(self, *args, **options):
        """Runs with --json and validates what it prints by the command's schema."""
        result = self.catalog(*args, "--json", **options)
        name = result.json["command"].replace(" ", "-")
        self.validate(result.json, "error" if "error" in result.json else f"output-{name}")
        return result.json

    def init(self, *args):
        self.started = self.json("init", "lab", "--unencrypted", *args)
        reader = self.work / "reader"
        reader.mkdir()
        (reader / "ferry.conf").write_text(self.started["client_configuration"])
        return self.started

    def prepare(self, model, seed=1, kind="q8_0"):
        source = self.make_gguf(self.work / f"{model}-{kind}-{seed}.gguf", "--seed", seed,
                                "--type", kind)
        self.ferry("prepare", model, source, "-o", self.work / "models" / model,
                   "--set", "license.id=MIT")
        return self.work / "models" / model

    def seen(self):
        """What a reader who trusts the first root sees: the names of all variants."""
        result = self.ferry("list", "--json", cwd=self.work / "reader",
                            env={"FERRY_HOME": self.work / "reader-store"})
        return {(m["id"], v["id"]) for m in models_of(result.json) for v in m["variants"]}

    def published(self):
        return json.loads((self.tree / "catalog.json").read_text())


def models_of(document):
    return document["models"] if "models" in document else \
        [m for r in document["repositories"] for m in r["models"]]


@pytest.fixture
def desk(ferry, work, make_gguf, validate):
    return Desk(ferry, work, make_gguf, validate)


# -- the usual way -----------------------------------------------------------------------


def test_from_init_to_a_reader(desk):
    started = desk.init("--title", "The Lab")
    assert started["configuration"] == "ferry.conf"
    assert (desk.work / started["root"]["path"]).is_file()
    assert desk.json("list")["models"] == []
    assert desk.seen() == set()

    folder = desk.prepare("tiny")
    added = desk.json("add", folder)["changes"]
    assert [(c["model"], c["variant"], c["change"]) for c in added] == [("tiny", "q8_0", "added")]
    assert desk.json("list")["models"][0]["variants"][0]["state"] == "new"
    assert desk.seen() == set()

    signed = desk.json("sign")
    assert signed["changed"] and signed["published"]
    assert (signed["models"], signed["variants"]) == (1, 1)
    assert signed["roles"]["targets"]["version"] == 2
    assert desk.seen() == {("tiny", "q8_0")}
    assert desk.json("list")["models"][0]["variants"][0]["state"] == "signed"
    assert desk.catalog("list").out.split()[0] == "tiny:q8_0"

    document = desk.published()
    desk.validate(document, "catalog")
    desk.validate(document["models"][0], "card")
    assert document["title"] == "The Lab"

    again = desk.json("sign")
    assert not again["changed"]
    assert again["roles"] == signed["roles"]
    assert "nothing changed: version 2" in desk.catalog("sign").out

    desk.catalog("remove", "tiny:q8_0")
    assert desk.json("list")["models"][0]["variants"][0]["state"] == "removed"
    assert desk.json("sign")["models"] == 0
    assert desk.seen() == set()


def test_a_changed_file_is_a_new_version_and_gc_drops_one_that_was_pruned(desk):
    desk.init()
    desk.catalog("add", desk.prepare("tiny", seed=1))
    desk.catalog("sign")
    desk.catalog("add", desk.prepare("tiny", seed=2))
    assert desk.json("list")["models"][0]["variants"][0]["state"] == "changed"
    desk.catalog("sign")
    objects = list((desk.tree / "targets/models/tiny").glob("*.gguf"))
    assert len(objects) == 2
    desk.json("gc", "--keep", "0")
    assert len(list((desk.tree / "targets/models/tiny").glob("*.gguf"))) == 2
    desk.catalog("prune")
    desk.catalog("sign")
    kept = desk.json("gc")
    assert kept["objects"] == 0
    dry = desk.json("gc", "--keep", "0", "--dry-run")
    assert dry["dry_run"] and dry["objects"] >= 2
    assert len(list((desk.tree / "targets/models/tiny").glob("*.gguf"))) == 2
    assert desk.json("gc", "--keep", "0")["objects"] == dry["objects"]
    left = list((desk.tree / "targets/models/tiny").glob("*.gguf"))
    assert len(left) == 1
    sha256 = desk.published()["models"][0]["variants"][0]["files"][0]["sha256"]
    assert left[0].name.startswith(sha256)
    assert desk.seen() == {("tiny", "q8_0")}


def test_mirrors_of_the_configuration_are_signed(desk):
    desk.init()
    conf = desk.work / "ferry.conf"
    conf.write_text(conf.read_text() + """
[mirror.web]
kind = http
url = https://models.example.org/
priority = 10
[mirror.disk]
kind = file
path = mirror
[mirror.test]
kind = file
path = stage
stage = yes
""")
    assert desk.json("sign")["changed"]
    mirrors = desk.published()["mirrors"]
    assert [m["id"] for m in mirrors] == ["web", "disk"]
    assert mirrors[1]["url"] == f"file://{desk.work}/mirror"
    desk.validate(desk.published(), "catalog")
    # Without the configuration they stay as they are.
    assert not desk.json("sign", "--repository", "repository", "--keys", "lab-keys",
                         "--config", "/dev/null")["changed"]


def test_refresh_renews_snapshot_and_timestamp_only(desk):
    desk.init()
    (desk.work / "lab-keys" / "root.pem").unlink()
    (desk.work / "lab-keys" / "targets.pem").unlink()
    def in_two_days():
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2 * 86400))
    before = in_two_days()
    roles = desk.json("refresh", "--expires", "timestamp=2d")["roles"]
    assert [roles[r]["version"] for r in ("root", "targets", "snapshot", "timestamp")] == \
        [1, 1, 2, 2]
    status = {r["role"]: r for r in desk.json("status")["roles"]}
    assert status["timestamp"]["version"] == 2 and not status["timestamp"]["expired"]
    assert before <= status["timestamp"]["expires"] <= in_two_days()
    assert desk.seen() == set()


def test_an_existing_configuration_says_where(desk):
    (desk.work / "ferry.conf").write_text(
        "[repository.here]\npath = a/tree\nkeys = b/keys\ntitle = Here\n")
    made = desk.json("init", "--unencrypted")
    assert made["name"] == "here" and "configuration" not in made
    assert (desk.work / "a/tree/metadata/1.root.json").is_file()
    assert (desk.work / "b/keys/root.pem").stat().st_mode & 0o777 == 0o600
    assert "[repository.here]" in made["client_configuration"]
    assert made["client_command"] == [
        "ferry", "repository", "add",
        f"file://{desk.work}/a/tree#sha256={made['root']['sha256']}"]
    assert desk.json("list")["name"] == "here"


def test_what_users_are_given_works_in_their_shell(desk):
    place = desk.work / "it's a place"
    told = desk.catalog("init", "lab", "--unencrypted", "--repository", place / "tree",
                        "--keys", place / "keys").out
    command = told.partition("On this machine it is:\n\n")[2].partition("\n")[0]
    reader = desk.work / "reader"
    reader.mkdir()
    path = f"{BIN}:{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], cwd=reader, check=True, capture_output=True,
                   env=desk.ferry.environment({"PATH": path, "FERRY_HOME": reader / "home"}))
    listed = desk.ferry("repository", "list", "--json", cwd=reader).json
    assert [r["name"] for r in listed["repositories"]] == ["lab"]


# -- keys --------------------------------------------------------------------------------


def test_keys_are_listed_made_and_exported(desk):
    desk.init()
    keys = {k["name"]: k for k in desk.json("key", "list")["keys"]}
    assert {n: k["roles"] for n, k in keys.items()} == {
        r: [r] for r in ("root", "targets", "snapshot", "timestamp")}
    assert not keys["root"]["encrypted"]
    new = desk.json("key", "new", "alice", "--type", "ecdsa-p256")["key"]
    assert new["type"] == "ECDSA P-256" and new["encrypted"] and new["roles"] == []
    assert desk.json("key", "export", "alice")["public"] == \
        (desk.work / "lab-keys" / "alice.pub").read_text()
    assert desk.catalog("key", "new", "alice", check=8).err.count("alice.pem")
    assert "did you mean 'alice'?" in desk.catalog("key", "export", "alcie", check=3).err
    text = (desk.work / "lab-keys" / "alice.pem").read_text()
    assert text.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_a_passphrase_can_be_changed(desk):
    desk.json("init", "lab")
    (desk.work / "new").write_text("another one\n")
    names = ["targets", "snapshot", "timestamp"]
    assert "--new-passphrase-file" in desk.catalog("key", "passphrase", *names, check=2).err
    assert desk.json("key", "passphrase", *names, "--new-passphrase-file",
                     "new")["changed"] == names
    wrong = desk.catalog("refresh", check=2)
    assert "wrong passphrase" in wrong.err
    desk.json("refresh", "--passphrase-file", "new")
    assert desk.json("refresh", env={"FERRY_PASSPHRASE": "another one"})["changed"]


def test_a_wrong_passphrase_changes_nothing(desk):
    desk.json("init", "lab")
    desk.catalog("add", desk.prepare("tiny"))
    before = desk.published()
    result = desk.catalog("sign", check=2, env={"FERRY_PASSPHRASE": "wrong"})
    assert re.search(r"wrong passphrase for .*\.pem", result.err)
    assert "wrong" not in result.err.replace("wrong passphrase", "")
    assert desk.published() == before
    assert desk.json("sign")["changed"]


def test_a_wrong_passphrase_tells_where_it_came_from(desk):
    desk.json("init", "lab")
    result = desk.catalog("refresh", check=2, env={"FERRY_PASSPHRASE": "other"})
    assert "FERRY_PASSPHRASE" in result.err and "--passphrase-file" in result.err


def test_no_terminal_and_no_passphrase(desk):
    desk.json("init", "lab")
    result = desk.ferry.start("catalog", "refresh", env={"FERRY_PASSPHRASE": None},
                              start_new_session=True)
    _, err = communicate(result)
    assert result.returncode == 2
    assert "--passphrase-file" in err


def test_init_without_a_passphrase_leaves_nothing(desk):
    result = desk.catalog("init", "lab", check=2, env={"FERRY_PASSPHRASE": ""})
    assert "passphrase is empty" in result.err
    assert sorted(os.listdir(desk.work)) == ["home"]


# -- trouble -----------------------------------------------------------------------------


def test_where_there_is_nothing(desk):
    assert "ferry catalog init" in desk.catalog("list", check=2).err
    assert "needs a name" in desk.catalog("init", check=2).err
    assert "is not a valid name" in desk.catalog("init", "A B", check=2).err
    (desk.work / "repository").mkdir()
    unsigned = desk.catalog("sign", "--repository", "repository", "--keys", "k", check=3)
    assert "no root yet" in unsigned.err and "ferry catalog init" in unsigned.err
    assert desk.json("status", "--repository", "repository", check=3)["error"]["exit"] == 3
    assert "needs" not in desk.catalog("--help").err


def test_a_tree_without_a_configuration(desk):
    place = ["--repository", "repository", "--keys", "lab-keys"]
    desk.init()
    (desk.work / "ferry.conf").unlink()
    desk.catalog("add", desk.prepare("tiny"), "--repository", "repository")
    assert desk.json("sign", *place)["models"] == 1
    assert desk.published()["name"] == "lab"
    assert desk.json("sign", *place, "--name", "new-name")["changed"]
    assert desk.published()["name"] == "new-name"
    assert "[repository.NAME]" in desk.catalog("sign", check=2).err


def test_init_twice_is_a_conflict(desk):
    desk.init()
    result = desk.json("init", "--unencrypted", check=8)
    assert result["error"]["class"] == "conflict"


def test_keys_inside_the_tree_are_refused(desk):
    result = desk.catalog("init", "lab", "--keys", "repository/keys", "--unencrypted", check=2)
    assert "inside the tree" in result.err
    assert not (desk.work / "repository").exists()


def test_missing_keys_are_named(desk):
    desk.init()
    desk.catalog("add", desk.prepare("tiny"))
    os.rename(desk.work / "lab-keys", desk.work / "away")
    result = desk.catalog("sign", check=2)
    assert "lab-keys" in result.err and "no key in" in result.err
    assert desk.seen() == set()
    os.rename(desk.work / "away", desk.work / "lab-keys")
    assert desk.json("sign")["published"]
    assert desk.seen() == {("tiny", "q8_0")}


def test_a_locked_tree(desk):
    desk.init()
    with open(desk.tree / "cards" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (["sign"], ["refresh"], ["gc"], ["remove", "x"], ["add", "."]):
            result = desk.json(*command, check=8)
            assert "another process" in result["error"]["message"]
        assert desk.json("list")["models"] == []
    desk.json("refresh")


def test_a_damaged_tree_is_not_signed_over(desk):
    desk.init()
    timestamp = desk.tree / "metadata" / "timestamp.json"
    timestamp.write_text(timestamp.read_text().replace('"sig":"', '"sig":"00', 1))
    for command in ("sign", "refresh", "gc", "list"):
        assert desk.json(command, check=6)["error"]["class"] == "integrity"


def test_bad_cards_and_bad_configuration(desk):
    desk.init()
    cards = desk.tree / "cards"
    (cards / "bad.card.json").write_text('{"format": "model-ferry-card", "version": 1, '
                                         '"id": "bad", "variants": [{"id": "x"}]}')
    lint = desk.json("lint", check=1)
    assert lint["errors"] == 1
    assert lint["findings"][0]["where"] == "bad.card.json"
    assert "variants[0].files" in lint["findings"][0]["text"]
    assert "bad.card.json" in desk.catalog("sign", check=6).err
    (cards / "bad.card.json").unlink()
    conf = desk.work / "ferry.conf"
    good = conf.read_text()
    conf.write_text(good + "[mirror.a]\nkind = http\nulr = https://x.org\n")
    result = desk.catalog("sign", check=2)
    assert re.search(r"ferry\.conf:\d+: unknown key 'ulr'; did you mean 'url'\?", result.err)
    conf.write_text(good)
    for expires in ("timestamp", "timestam=2d", "timestamp=soon", "root=0"):
        assert "--expires" in desk.catalog("sign", "--expires", expires, check=2).err


def test_add_refuses_damaged_files(desk):
    desk.init()
    folder = desk.prepare("tiny")
    model = next(folder.glob("*.gguf"))
    data = bytearray(model.read_bytes())
    data[-10] ^= 1
    model.unlink()
    model.write_bytes(data)
    error = desk.json("add", folder, check=6)["error"]
    assert "does not match its manifest; the first wrong piece is 0" in error["message"]
    assert not list((desk.tree / "targets").glob("models/*/*"))
    assert desk.json("list")["models"] == []
    assert "no *.card.json" in desk.catalog("add", desk.work / "reader", check=3).err


def test_add_and_lint_say_what_they_want(desk):
    desk.init()
    model = desk.make_gguf(desk.work / "tiny.gguf")
    result = desk.catalog("add", model, check=2)
    assert "is not a model card" in result.err and "ferry prepare" in result.err
    missing = desk.catalog("lint", "no-such.json", check=3)
    assert missing.err.count("no-such.json") == 1
    (desk.work / "bad.json").write_text("{")
    assert desk.catalog("lint", "bad.json", check=1).out.count("bad.json") == 1
    assert "1 error, 0 warnings" in desk.catalog("lint", "bad.json", check=1).err


def test_a_name_that_is_not_configured_is_the_same_everywhere(desk):
    desk.init()
    for command in (["catalog", "list"], ["push"], ["verify"], ["mirror", "list"]):
        (desk.work / "ferry.conf").write_text(
            "[repository.lab]\npath = repository\n[mirror.a]\nkind = file\npath = a\n")
        result = desk.ferry(*command, "--name", "nosuch", check=2)
        assert "there is no [repository.nosuch]" in result.err


@pytest.mark.usefixtures("no_pauses")
def test_passwords_in_the_configuration_are_not_told(desk):
    desk.init()
    (desk.work / "ferry.conf").write_text(
        "[repository.lab]\npath = repository\nkeys = lab-keys\n[mirror.a]\nkind = http\n"
        "url = http://user:hunter2@127.0.0.1:1/m?sig=hunter3\n")
    for command in (["mirror", "list"], ["mirror", "list", "--json"], ["push"], ["push", "--json"],
                    ["verify"], ["verify", "--json"], ["catalog", "lint"],
                    ["catalog", "sign", "--json"],
                    ["verify", "--url", "http://user:hunter2@127.0.0.1:1/"],
                    ["verify", "--json", "--url", "http://user:hunter2@127.0.0.1:1/"],
                    ["verify", "--url", "ftp://user:hunter2@127.0.0.1:1/"]):
        result = desk.ferry(*command, check=None)
        assert "hunter" not in result.out + result.err, command


def test_lint_of_cards_alone(desk):
    card = desk.work / "x.card.json"
    card.write_text('{"format":"model-ferry-card","version":1,"id":"x","titel":"X","variants":[]}')
    lint = desk.json("lint", card)
    assert lint["errors"] == 0 and lint["warnings"] > 0
    assert any("did you mean 'title'?" in f["text"] for f in lint["findings"])
    assert desk.catalog("lint", "--strict", card, check=1)


# -- kill -9 -----------------------------------------------------------------------------


def test_kill_during_sign_twenty_times(desk):
    desk.init()
    folders = [desk.prepare("tiny", seed=i) for i in (1,)] + [desk.prepare("other")]
    for folder in folders:
        desk.catalog("add", folder)
    moments = Moments(desk.work, lambda env: desk.catalog("sign", env=env))
    card = desk.tree / "cards" / "tiny.card.json"
    killed = 0
    for round_, env in enumerate(moments.some(20)):
        document = json.loads(card.read_text())
        document["title"] = f"Round {round_}"
        card.write_text(json.dumps(document))
        killed += desk.catalog("sign", check=None, env=env).code == -signal.SIGKILL
        # Old or new, but whole: the reader verifies everything down to the catalog.
        assert desk.seen() == {("tiny", "q8_0"), ("other", "q8_0")}
        if round_ % 4 == 3:
            desk.json("sign")
            assert desk.published()["models"][1]["title"] == f"Round {round_}"
            assert not desk.json("sign")["changed"]
    desk.catalog("sign")
    assert desk.published()["models"][1]["title"] == "Round 19"
    assert desk.json("gc", "--keep", "0")
    assert desk.seen() == {("tiny", "q8_0"), ("other", "q8_0")}
    assert killed > 10


def test_kill_during_init_and_add(desk):
    """The same command again completes what was begun."""
    elsewhere = ["--repository", "r", "--keys", "k"]
    moments = Moments(desk.work, lambda env: desk.catalog("init", "lab", "--unencrypted",
                                                          *elsewhere, env=env))
    (desk.work / "ferry.conf").unlink()
    for env in moments.some(6):
        if desk.catalog("init", "lab", "--unencrypted", check=None, env=env).code == 0:
            break
    started = desk.catalog("init", "lab", "--unencrypted", check=None)
    assert started.code in (0, 8), started.err
    assert not list((desk.work / "lab-keys").glob(".*"))
    keys = desk.json("key", "list")["keys"]
    assert sorted(k["roles"] for k in keys) == [["root"], ["snapshot"], ["targets"],
                                                ["timestamp"]]
    folder = desk.prepare("tiny")
    scratch = desk.work / "scratch"
    shutil.copytree(desk.tree, scratch)
    moments = Moments(desk.work, lambda env: desk.catalog("add", "--repository", scratch, folder,
                                                          env=env))
    for env in moments.some(6):
        assert desk.catalog("add", folder, check=None, env=env).code in (0, -signal.SIGKILL)
    desk.catalog("add", folder)
    assert desk.json("sign")["models"] == 1
    assert desk.published()["name"] == "lab"


def test_a_signal_that_comes_too_late_does_not_hide_what_init_made(desk):
    """Either it is stopped and the next init completes it, or it is done and says so."""
    def init(i, **options):
        return desk.catalog("init", "lab", "--unencrypted", "--repository", f"r{i}", "--keys",
                            f"k{i}", **options)
    moments = Moments(desk.work, lambda env: init("x", env=env))
    (desk.work / "ferry.conf").unlink()
    late = [at(moments.changes - i, number=signal.SIGTERM) for i in range(4)]
    for i, env in enumerate([*moments.some(8, signal.SIGTERM), *late]):
        result = init(i, check=None, env=env)
        if (desk.work / f"r{i}" / "metadata" / "timestamp.json").exists():
            assert result.code == 0, result.err
            assert "#sha256=" in result.out
        else:
            assert result.code == -signal.SIGTERM
            init(i)
        (desk.work / "ferry.conf").unlink()


# -- the example -------------------------------------------------------------------------


def test_the_example_catalog_passes_lint(desk):
    result = desk.ferry("-C", EXAMPLE, "catalog", "lint", "--strict", "--json")
    desk.validate(result.json, "output-catalog-lint")
    assert result.json["errors"] == result.json["warnings"] == 0
    for card in (EXAMPLE / "cards").glob("*.card.json"):
        desk.validate(json.loads(card.read_text()), "card")
    models = desk.ferry("-C", EXAMPLE, "catalog", "list", "--json").json["models"]
    assert "phi-2-mobile" in [m["id"] for m in models] and len(models) >= 3
    assert not (EXAMPLE / "targets").exists()


def test_the_example_catalog_can_be_signed(desk, work):
    subprocess.run(["cp", "-r", EXAMPLE, work / "example"], check=True)
    desk.ferry("-C", "example", "catalog", "init", "--unencrypted", "--keys", work / "keys")
    document = json.loads((work / "example" / "catalog.json").read_text())
    desk.validate(document, "catalog")
    assert document["models"] == []
    assert {m["id"]: m["kind"] for m in document["mirrors"]} == {
        "cdn": "r2", "cloudflare": "http", "s3-us": "s3", "s3-eu": "s3", "releases": "github",
        "git": "git"}
