"""ferry repository: add, list, status, remove."""

import json
import os
import shutil
import signal
import stat
import subprocess

import pytest

import tuf_simulator
from conftest import Ferry, preloaded
from disks import read_only
from kills import Moments
from publisher import Publisher
from test_endpoints import states
from test_fetch import client, prepared, publisher, signed  # noqa: F401 (fixtures)
from waiting import communicate, until


@pytest.fixture
def root(work, publisher):
    """The publisher's root, as a user has received it."""
    shutil.copy(publisher.tree / "metadata" / "1.root.json", work / "received.json")
    return work / "received.json"


@pytest.fixture
def user(ferry, work):
    """A ferry in an empty folder, whose configuration is the user's own."""
    (work / "here").mkdir()
    made = Ferry(work)
    made.work = work / "here"
    made.env.update(preloaded("clock"))
    return made


def conf(user):
    return user.home / ".config" / "ferry" / "ferry.conf"


def trust(user, name="demo"):
    return user.store / "trust" / name


def nothing_was_written(user):
    return not conf(user).exists() and not list(conf(user).parent.glob("*")) and \
        not trust(user).exists() and not list(user.store.glob(".adding-*"))


# -- add ---------------------------------------------------------------------------------------------

def test_a_root_of_a_scheme_that_is_not_known_is_not_asked_for_again(ferry, work):
    repository = tuf_simulator.Repository()
    key = tuf_simulator.Key()
    key.object |= {"keytype": "ml-dsa", "scheme": "ml-dsa-65"}
    repository.role("root")["keyids"].clear()
    repository.signers["root"].clear()
    repository.trust("root", key)
    repository.publish("root")
    root = max((n for n in repository.files if n.endswith(".root.json")),
               key=lambda n: int(n.split("/")[1].split(".")[0]))
    (work / "root.json").write_bytes(repository.files[root])
    (work / "mirror").mkdir()
    result = ferry("repository", "add", "theirs", work / "mirror", "--root", "root.json", check=6)
    assert "cannot verify signatures of the scheme ml-dsa-65" in result.err
    assert "a scheme that this version knows" in result.err
    assert "again" not in result.err and "another" not in result.err


def test_add_with_a_root_file(user, publisher, root, nginx, validate):
    a, b = nginx(publisher.tree), nginx(publisher.tree)
    result = user("repository", "add", "demo", a.url, b.url, "--root", root, "--json")
    document = result.json
    validate(document, "output-repository-add")
    assert document["title"] == "Models for tests" and document["models"] == 1
    signed = json.loads(root.read_text())["signed"]
    assert document["root"].items() >= {"version": 1, "threshold": 1,
                                        "keys": signed["roles"]["root"]["keyids"]}.items()
    assert states(document) == {a.url: "ok", b.url: "ok"}
    assert conf(user).read_text() == (f"[repository.demo]\nmetadata =\n    {a.url}\n    {b.url}\n"
                                      "root = demo.root.json\n")
    pin = conf(user).parent / "demo.root.json"
    assert document["root_file"] == str(pin) and pin.read_bytes() == root.read_bytes()
    assert (trust(user) / "timestamp.json").exists() and not list(user.store.glob(".adding-*"))
    # It survives the file that it was given in, and the store.
    root.unlink()
    shutil.rmtree(user.store)
    assert user("list").out.startswith("tiny")
    assert os.path.isfile(user("fetch", "-q", "tiny").out.strip())


def test_add_with_a_hash_for_people(user, publisher, root):
    result = user("repository", "add", "mine", f"file://{publisher.tree}", "--root-sha256",
                  publisher.root_sha256.upper())
    assert "mine: Models for tests, 1 model" in result.out
    key = json.loads(root.read_text())["signed"]["roles"]["root"]["keyids"][0]
    assert "root version 1; 1 of these keys" in result.out and f"  {key}\n" in result.out
    assert conf(user).read_text() == (f"[repository.mine]\nmetadata = file://{publisher.tree}\n"
                                      f"root-sha256 = {publisher.root_sha256}\n")
    assert "mine/tiny:q8_0" in user("fetch", "mine/tiny").err


def test_wrong_root_or_hash_is_refused_and_nothing_written(user, work, publisher, root,
                                                            fault_server):
    other = Publisher(Ferry(work), work, "other")
    foreign = other.tree / "metadata" / "1.root.json"
    url = f"file://{publisher.tree}"
    result = user("repository", "add", "demo", url, "--root", foreign, check=6)
    assert f"the root that was given, {foreign}, has" in result.err
    assert nothing_was_written(user)
    result = user("repository", "add", "demo", url, "--root-sha256", "0" * 64, check=6)
    assert f"but the pinned root-sha256 is {'0' * 64}" in result.err
    assert "what the publisher announces" in result.err
    assert nothing_was_written(user)
    # Cut, changed, no root at all.
    good = root.read_text()
    for bad in (good[:len(good) // 2], good.replace('"version": 1', '"version": 2')
                if '"version": 1' in good else good.replace('"version":1', '"version":2'),
                "hello", "{}"):
        root.write_text(bad)
        result = user("repository", "add", "demo", url, "--root", root, check=6)
        assert "get the root file from the publisher again" in result.err
        assert str(root) in result.err
        assert nothing_was_written(user)
    # A mirror that gives wrong metadata.
    root.write_text(good)
    bad = fault_server(publisher.tree)
    bad.add(path="metadata/*.targets.json", flip_at=100)
    result = user("repository", "add", "demo", bad.url, "--root", root, check=6)
    assert "2.targets.json" in result.err and nothing_was_written(user)
    result = user("repository", "add", "demo", "http://127.0.0.1:1/", "--root", root, check=4)
    assert "127.0.0.1:1" in result.err and nothing_was_written(user)


def test_bad_usage(user, publisher, root, validate):
    url = f"file://{publisher.tree}"
    for args, text in [
            (["demo"], "neither a URL nor a folder"),
            (["demo", url], "--root FILE or --root-sha256 HEX"),
            (["demo", url, "--root", root, "--root-sha256", "0" * 64], "both given"),
            (["De mo", url, "--root", root], "is not a valid name for a repository"),
            (["../x", url, "--root", root], "is not a valid name for a repository"),
            (["demo", "nowhere", "--root", root], "neither a URL nor a folder"),
            (["demo", "ftp://example.org/", "--root", root], "http"),
            (["demo", "https://example.org/?x=1", "--root", root], "must not have a query"),
            (["demo", "https://example.org/ root = x", "--root", root], "must not contain blanks"),
            (["demo", "https://u:geheim@example.org/", "--root", root], "must not contain secrets"),
            (["demo", url, "--root", "gone.json"], "give the 1.root.json of the publisher"),
            (["demo", url, "--root", publisher.tree], "give the 1.root.json of the publisher"),
            (["demo", url, "--root-sha256", "abc"], "not a SHA-256")]:
        result = user("repository", "add", "--json", *args, check=2)
        assert text in result.err and "geheim" not in result.err
        validate(result.json, "error")
        assert nothing_was_written(user)


def test_everything_else_in_the_file_stays(user, publisher, root):
    before = ("# my repositories\r\n[fetch]\nlimit-rate = 100M ; fast\n\n\n"
              "  # indented\n[repository.work]\nmetadata = https://models.example.org/\n"
              "root-sha256 = " + "1" * 64 + "\n# the end, without newline")
    conf(user).parent.mkdir(parents=True)
    conf(user).write_bytes(before.encode())
    conf(user).chmod(0o600)
    user("repository", "add", "demo", publisher.tree, "--root", root)
    text = conf(user).read_bytes().decode()
    assert text == before + (f"\n\n[repository.demo]\nmetadata = file://{publisher.tree}\n"
                             "root = demo.root.json\n")
    assert stat.S_IMODE(conf(user).stat().st_mode) == 0o600
    result = user("repository", "add", "demo", publisher.tree, "--root", root, check=8)
    assert "the repository demo already exists" in result.err
    assert "`ferry repository remove demo` first" in result.err
    user("repository", "remove", "demo")
    assert conf(user).read_bytes().decode() == before + "\n"


def test_the_file_in_force_is_the_one_that_is_changed(user, work, publisher, root):
    url = f"file://{publisher.tree}"
    local = user.work / "ferry.conf"
    local.write_text("[fetch]\nretries = 3\n")
    user("repository", "add", "demo", url, "--root", root)
    assert "[repository.demo]" in local.read_text() and not conf(user).exists()
    assert (user.work / "demo.root.json").exists()
    user("repository", "add", "demo", url, "--root", root, "--config", "new/mine.conf")
    assert "[repository.demo]" in (user.work / "new" / "mine.conf").read_text()
    assert user("list", "--config", "new/mine.conf").out
    # A link stays a link.
    real = work / "dotfiles.conf"
    real.write_text("")
    local.unlink()
    local.symlink_to(real)
    user("repository", "add", "again", url, "--root", root)
    assert local.is_symlink() and "[repository.again]" in real.read_text()


def test_another_root_of_that_name_is_not_replaced(user, work, publisher, root):
    url = f"file://{publisher.tree}"
    user("repository", "add", "demo", url, "--root", root)
    user("repository", "remove", "demo")
    other = Publisher(Ferry(work), work, "other")
    foreign = other.tree / "metadata" / "1.root.json"
    result = user("repository", "add", "demo", f"file://{other.tree}", "--root", foreign, check=8)
    assert "demo.root.json already exists" in result.err
    (conf(user).parent / "demo.root.json").unlink()
    result = user("repository", "add", "demo", f"file://{other.tree}", "--root", foreign, check=8)
    assert "trusted root of a different repository" in result.err and str(trust(user)) in result.err
    result = user("repository", "add", "demo", f"file://{other.tree}", "--root-sha256",
                  other.root_sha256, check=8)
    assert str(trust(user)) in result.err
    # The same one again goes on where it was: an older state is a rollback.
    old = publisher.copy(work / "old")
    publisher.sign()
    ferry = publisher.ferry
    ferry("catalog", "refresh", "-q", cwd=publisher.dir)
    user("repository", "add", "demo", url, "--root", root)
    user("repository", "remove", "demo")
    result = user("repository", "add", "demo", f"file://{old}", "--root", root, check=6)
    assert "rollback of timestamp" in result.err
    user("repository", "remove", "--purge", "demo")
    user("repository", "add", "demo", f"file://{old}", "--root", root)


def test_killed_at_any_time(user, work, publisher, root):
    """Either the repository is there and works, or adding it again does."""
    url = f"file://{publisher.tree}"
    add = ["repository", "add", "demo", url, "--root", root]

    def start_again():
        user("repository", "remove", "demo", "--purge")
        conf(user).unlink()
    user(*add)
    start_again()       # the store is there from now on, each time
    moments = Moments(work, lambda env: user(*add, env=env))
    start_again()
    for env in moments.some(12):
        assert user(*add, check=None, env=env).code == -signal.SIGKILL
        if conf(user).exists():
            assert user("list").out.startswith("tiny")
        else:
            user(*add)
        start_again()
    for left in user.store.glob(".adding-*"):
        os.utime(left, (1, 1))
    user(*add)
    assert not list(user.store.glob(".adding-*"))


def test_two_at_once_lose_nothing(user, publisher, root):
    url = f"file://{publisher.tree}"
    running = [user.start("repository", "add", f"r{i}", url, "--root", root, env=preloaded())
               for i in range(6)]
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, err
    names = {r["name"] for r in user("repository", "list", "--json").json["repositories"]}
    assert names == {f"r{i}" for i in range(6)}


# -- list and remove -----------------------------------------------------------------------------------

def test_no_trust_begins_in_a_read_only_store(user, publisher, root):
    user("repository", "list")
    user.store.mkdir(exist_ok=True)
    with read_only(user.store) as wrap:
        process = subprocess.run(wrap(user.command("repository", "add", "demo", publisher.tree,
                                                   "--root", root)),
                                 cwd=user.work, text=True, env=user.environment(None),
                                 capture_output=True)
    assert process.returncode == 7, process.stderr
    assert "no repository can be added" in process.stderr and "FERRY_HOME" in process.stderr
    assert nothing_was_written(user)


@pytest.mark.parametrize("what", ["trust", "section"])
def test_what_came_meanwhile_is_kept(user, work, publisher, root, fault_server, what):
    """While one verifies, another begins the same trust, or takes the same name."""
    slow = fault_server(publisher.tree)
    held = slow.add(path="targets/*.repository.json", hold_after=0)
    first = user.start("repository", "add", "demo", slow.url, "--root", root)
    until(lambda: held.hits, first)
    if what == "trust":
        user("--config", work / "other.conf", "repository", "add", "demo", publisher.tree,
             "--root", root)
    else:
        conf(user).parent.mkdir(parents=True)
        conf(user).write_text("[repository.demo]\nmetadata = https://example.org/\n")
    held.release()
    _, err = communicate(first)
    assert first.returncode == 8, err
    if what == "trust":
        assert "another process created it meanwhile" in err and not conf(user).exists()
        slow.mend()
        user("repository", "add", "demo", slow.url, "--root", root)     # the way out
    else:
        assert "the repository demo already exists" in err
        assert conf(user).read_text() == "[repository.demo]\nmetadata = https://example.org/\n"
    assert not list(user.store.glob(".adding-*"))


def test_list(user, publisher, root, validate):
    result = user("repository", "list")
    assert result.out == "" and "ferry repository add" in result.err
    validate(user("repository", "list", "--json").json, "output-repository-list")
    user("repository", "add", "demo", publisher.tree, "--root", root)
    with conf(user).open("a") as f:
        f.write("\n[repository.far]\nmetadata = https://u:geheim@far.example.org/\n"
                f"root-sha256 = {'2' * 64}\n\n[repository.own]\npath = tree\n")
    document = user("repository", "list", "--json").json
    validate(document, "output-repository-list")
    assert [(r["name"], r["trusted"]) for r in document["repositories"]] == [
        ("demo", True), ("far", False)]
    text = user("repository", "list").out
    assert "not fetched yet" in text and "geheim" not in text + json.dumps(document)


def test_remove(user, publisher, root, validate):
    user("repository", "add", "demo", publisher.tree, "--root", root)
    result = user("repository", "remove", "deno", check=3)
    assert "did you mean 'demo'?" in result.err
    result = user("repository", "remove", "demo", "--json")
    validate(result.json, "output-repository-remove")
    assert conf(user).read_text() == ""
    pin = conf(user).parent / "demo.root.json"
    assert result.json["removed"] and result.json["kept"] == [str(trust(user)), str(pin)]
    user("repository", "remove", "demo", check=3)
    # What is left can still be purged.
    document = user("repository", "remove", "--purge", "demo", "--json").json
    assert not document["removed"] and document["purged"] == [str(trust(user)), str(pin)]
    assert not pin.exists() and not trust(user).exists()
    user("repository", "remove", "--purge", "demo", check=3)
    user("repository", "remove", "../trust", "--purge", check=2)


def test_a_pin_that_another_section_names_is_kept(user, publisher, root):
    user("repository", "add", "demo", publisher.tree, "--root", root)
    with conf(user).open("a") as f:
        f.write(f"[repository.twin]\nmetadata = file://{publisher.tree}\nroot = demo.root.json\n")
    user("list", "-q")
    user("repository", "remove", "demo", "--purge")
    assert not trust(user).exists() and (conf(user).parent / "demo.root.json").exists()
    shutil.rmtree(trust(user, "twin"))
    user("list")
    user("repository", "remove", "twin", "--purge")
    assert not trust(user, "twin").exists()


def test_a_publishers_section_is_not_removed(user, publisher):
    conf(user).parent.mkdir(parents=True)
    for text, why in [("[repository.demo]\nmetadata = https://x.example.org/\ntitle = T\n",
                       "it has 'title'"),
                      ("[repository.demo]\nmetadata = https://x.example.org/\n"
                       "[mirror.m]\nkind = file\nrepository = demo\npath = p\n",
                       "it has a [mirror.m]")]:
        conf(user).write_text(text)
        result = user("repository", "remove", "demo", check=2)
        assert why in result.err and "by hand" in result.err
        assert conf(user).read_text() == text


def test_remove_takes_the_section_and_nothing_else(user):
    conf(user).parent.mkdir(parents=True)
    before = ("[fetch]\nretries = 3\n\n[repository.a]\n# about a\nmetadata =\n"
              "    https://a.example.org/\n    https://b.example.org/\n"
              f"root-sha256 = {'3' * 64}\n\n# about b\n[repository.b]\n"
              "metadata = https://c.example.org/\n")
    conf(user).write_text(before)
    user("repository", "remove", "a")
    assert conf(user).read_text() == ("[fetch]\nretries = 3\n\n# about b\n[repository.b]\n"
                                      "metadata = https://c.example.org/\n")


# -- status ----------------------------------------------------------------------------------------------

def test_status(user, work, publisher, prepared, root, nginx, fault_server, validate):
    old = nginx(publisher.copy(work / "old"))
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    good, liar = nginx(publisher.tree), fault_server(publisher.tree)
    user("repository", "add", "demo", good.url, old.url, liar.url, "http://127.0.0.1:1/",
         "--root", root)
    document = user("repository", "status", "--json").json
    validate(document, "output-repository-status")
    [status] = document["repositories"]
    assert status["state"] == "ok" and status["problems"] == []
    assert [(r["role"], r["version"]) for r in status["roles"]] == [
        ("root", 1), ("timestamp", 3), ("snapshot", 3), ("targets", 3)]
    assert states(status) == {good.url: "ok", old.url: "stale", liar.url: "ok",
                              "http://127.0.0.1:1/": "down"}
    text = user("repository", "status", "demo").out
    assert text.startswith("demo: ok, Models for tests\n")
    assert "timestamp version 2, the newest is 3" in text
    # Lies need a person.
    liar.add(path="metadata/timestamp.json", flip_at=60)
    result = user("repository", "status", "--json", check=1)
    validate(result.json, "output-repository-status")
    assert result.json["repositories"][0]["state"] == "attention"
    assert "does not verify" in user("repository", "status", check=1).out
    # So does what expires soon, whatever soon is.
    liar.mend()
    result = user("repository", "status", "--soon", "20d", check=1)
    assert "attention: timestamp expires at" in result.out
    assert "attention: snapshot" not in result.out


def test_status_when_nobody_answers(user, publisher, root, nginx, validate):
    server = nginx(publisher.tree)
    user("repository", "add", "demo", server.url, "--root", root)
    server.refuse()
    result = user("repository", "status", "--json", check=4)
    validate(result.json, "output-repository-status")
    [status] = result.json["repositories"]
    assert status["state"] == "unreachable" and states(status) == {server.url: "down"}
    # What was trusted before is shown all the same.
    assert [r["version"] for r in status["roles"]][:2] == [1, 2]
    result = user("repository", "status", check=4)
    assert "down" in result.out and server.url in result.err
    user("repository", "status", "none", check=3)


def test_status_of_expired_metadata(user, work, prepared):
    p = Publisher(Ferry(work), work, expires={"timestamp": "1h"})
    p.add(prepared("tiny", "30M"))
    p.sign()
    user("repository", "add", "demo", p.tree, "--root-sha256", p.root_sha256)
    result = user("repository", "status", check=1)
    assert "attention: timestamp expires at" in result.out
    late = "+2 hours"
    result = user("repository", "status", "--json", check=1, at=late)
    assert result.json["repositories"][0]["state"] == "attention"
    assert "has expired at" in result.json["repositories"][0]["problems"][0]
    assert "ask the publisher to refresh" in user("repository", "status", check=1, at=late).err
    # For everybody else it is a matter of trust.
    result = user("fetch", "tiny", check=6, at=late)
    assert "has expired at" in result.err and "ask the publisher to refresh" in result.err
    result = user("repository", "add", "more", p.tree, "--root-sha256", p.root_sha256, check=6,
                  at=late)
    assert "has expired at" in result.err


def test_status_without_repositories(user):
    result = user("repository", "status", check=3)
    assert "ferry repository add" in result.err


# -- damage ------------------------------------------------------------------------------------------------

def test_first_fetch_without_a_pin_is_refused(user, publisher):
    result = user("fetch", "tiny", check=2)
    assert "ferry repository add 'URL#sha256=HEX'" in result.err
    conf(user).parent.mkdir(parents=True)
    conf(user).write_text(f"[repository.demo]\nmetadata = file://{publisher.tree}\n")
    for command in (["fetch", "tiny"], ["list"], ["repository", "status"]):
        result = user(*command, check=2)
        assert "has no root, so nothing can be verified" in result.err
        assert "ferry repository add demo 'URL#sha256=HEX'" in result.err
        assert not trust(user).exists()


@pytest.mark.parametrize("fault, code, words, hint", [
    ({"status": 403}, 5, "HTTP 403", "your access rights"),
    ({"status": 401}, 5, "HTTP 401", "your access rights"),
    ({"status": 404}, 4, "HTTP 404", "check the URL of the mirror"),
    ({"status": 503}, 4, "HTTP 503", "check the network"),
    ({"html": True}, 6, "HTML page", "open the mirror's URL in a browser"),
    ({"redirect": "file:///etc/passwd"}, 6, "not an http or https URL", "add another endpoint"),
    ({"body": b"", "status": 200}, 6, "line 1", "add the URL of another mirror"),
])
def test_what_is_to_be_done_about_a_mirror(user, publisher, root, fault_server, validate, fault,
                                           code, words, hint):
    mirror = fault_server(publisher.tree)
    user("repository", "add", "demo", mirror.url, "--root", root)
    broken = mirror.add(path="metadata/timestamp.json", **fault)
    # What was verified before is used, and what to do is said.
    result = user("list")
    assert "tiny" in result.out and "could not be refreshed: timestamp.json" in result.err
    assert mirror.url in result.err and words in result.err and hint in result.err
    shutil.rmtree(trust(user))
    broken.hits = 0
    result = user("list", "--json", check=code)
    error = result.json["error"]
    assert mirror.url in error["message"] and words in error["message"]
    assert "timestamp.json" in error["message"] and hint in error["hint"]
    # Only who may answer better a second later is asked again.
    assert (broken.hits > 1) == (fault.get("status") in (401, 403, 503)), broken.hits
    # The ways out: another mirror, or the same one when it is mended.
    with conf(user).open() as f:
        text = f.read()
    conf(user).write_text(text.replace(mirror.url, f"{mirror.url} file://{publisher.tree}"))
    user("list")
    conf(user).write_text(text)
    mirror.mend()
    user("list")


@pytest.mark.parametrize("role", ["timestamp", "2.snapshot", "2.targets", "1.root"])
@pytest.mark.parametrize("harm", ["flip_at", "truncate"])
def test_damaged_on_the_mirror(user, publisher, root, fault_server, role, harm):
    bad = fault_server(publisher.tree)
    good = f"file://{publisher.tree}"
    bad.add(path=f"metadata/{role}.json", **{harm: 100})
    pin = ["--root", root] if role != "1.root" else ["--root-sha256", publisher.root_sha256]
    result = user("repository", "add", "demo", bad.url, *pin, check=6)
    assert f"{role}.json" in result.err and "hint:" in result.err
    assert "publisher" in result.err or "another mirror" in result.err
    assert nothing_was_written(user)
    # Another endpoint is the way out, and the bad one is named.
    result = user("repository", "add", "demo", bad.url, good, *pin, "--json")
    assert states(result.json) == {bad.url: "rejected", good: "ok"}
    assert f"{role}.json" in result.json["endpoints"][0]["fault"]
    # What is stored already is not asked for again.
    user("repository", "status", check=1 if role == "timestamp" else 0)


@pytest.mark.parametrize("how", ["root", "hash"])
@pytest.mark.parametrize("harm", [b"", b"{", b"\0" * 500, None])
def test_damaged_trust_folder(user, publisher, root, how, harm):
    pin = ["--root", root] if how == "root" else ["--root-sha256", publisher.root_sha256]
    user("repository", "add", "demo", publisher.tree, *pin)
    for role in ("root", "timestamp", "snapshot", "targets"):
        file = trust(user) / f"{role}.json"
        good = file.read_bytes()
        file.write_bytes(good[:-20] if harm is None else harm)
        result = user("list", "--offline", check=6)
        assert str(file) in result.err
        assert "once without --offline" in result.err if role != "root" else "damaged" in result.err
        # With the network it mends itself, from the pin where need be.
        user("list")
        assert file.read_bytes() == good
    # No pin is left to begin from: the message says what to do.
    conf(user).write_text(f"[repository.demo]\nmetadata = file://{publisher.tree}\n")
    (trust(user) / "root.json").write_bytes(b"{")
    for command in (["list"], ["repository", "status"]):
        result = user(*command, check=6)
        assert "is damaged" in result.err and str(trust(user)) in result.err


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_damaged_trust_folder_in_a_read_only_store(user, publisher, root, role):
    """"Without --offline" would be no way out: the store is why nothing is fetched."""
    user("repository", "add", "demo", publisher.tree, "--root", root)
    file = trust(user) / f"{role}.json"
    good = file.read_bytes()
    file.write_bytes(b"{}")
    with read_only(user.store) as wrap:
        process = subprocess.run(wrap(user.command("list", "--json")), cwd=user.work, text=True,
                                 env=user.environment(None), capture_output=True)
    assert process.returncode == 6, process.stderr
    error = json.loads(process.stdout)["error"]
    assert str(file) in error["message"]
    hint = error["hint"]
    assert "--offline" not in hint
    assert ("is damaged" if role == "root" else "make it writable") in hint
    # The way out works.
    user("list")
    assert file.read_bytes() == good


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_no_file_in_the_trust_folder(user, publisher, root, role):
    user("repository", "add", "demo", publisher.tree, "--root", root)
    file = trust(user) / f"{role}.json"
    good = file.read_bytes()
    file.unlink()
    os.mkfifo(file)
    assert "is not a file" in user("list", "--offline", check=6).err
    user("list")
    assert file.read_bytes() == good
    file.unlink()
    file.mkdir()
    result = user("list", check=7)
    assert str(file) in result.err and "remove that folder" in result.err
    file.rmdir()
    user("list")
    assert file.read_bytes() == good
