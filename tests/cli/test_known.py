"""What is verified and stored is used when the network fails; no mirror, lock or slow peer holds
everything up."""

import json
import os
import shutil

import pytest

from publisher import Publisher
from test_endpoints import silent, states  # noqa: F401 (fixture)
from test_fetch import (client, faults, prepared, publisher, sha256,  # noqa: F401 (fixtures)
                        signed)
from waiting import communicate, locked, until

pytestmark = pytest.mark.usefixtures("no_pauses")

DOWN = "http://127.0.0.1:1/"


@pytest.fixture
def second(publisher, work):
    """A mirror that only the signed catalog names."""
    mirror = work / "second"
    publisher.sign(second=f"file://{mirror}")
    publisher.copy(mirror)
    return mirror


def renew(publisher, mirror):
    shutil.rmtree(mirror)
    publisher.copy(mirror)


# -- the catalog's mirrors ---------------------------------------------------------------------

def test_a_mirror_of_the_catalog_is_asked_when_the_configured_one_is_down(
        ferry, publisher, prepared, client, second):
    ferry("list")
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    renew(publisher, second)
    client(DOWN)
    document = ferry("list", "--json").json
    assert [m["id"] for m in document["models"]] == ["other", "tiny"]
    assert "unrefreshed" not in document["repositories"][0]
    document = ferry("fetch", "--json", "other").json
    assert states(document) == {DOWN: "down", f"file://{second}": "ok"}


def test_a_mirror_of_the_catalog_is_not_asked_when_the_configured_one_is_well(
        ferry, publisher, client, second):
    ferry("list")
    document = ferry("fetch", "--json", "tiny").json
    assert list(states(document)) == [f"file://{publisher.tree}"]


@pytest.mark.parametrize("fault", [{"status": 403}, {"html": True}, {"flip_at": 60}])
def test_a_mirror_of_the_catalog_is_asked_whatever_the_configured_one_answers(
        ferry, publisher, client, second, fault_server, fault):
    server = fault_server(publisher.tree)
    client(server.url)
    ferry("list")
    server.add(path="metadata/timestamp.json", **fault)
    document = ferry("fetch", "--json", "tiny").json
    assert states(document)[f"file://{second}"] == "ok"


def test_status_shows_the_mirrors_of_the_catalog(ferry, publisher, client, second):
    ferry("list")
    client(DOWN)
    document = ferry("repository", "status", "--json").json
    [status] = document["repositories"]
    assert status["state"] == "ok"
    assert states(status) == {DOWN: "down", f"file://{second}": "ok"}
    shutil.rmtree(second)
    assert ferry("repository", "status", check=4).out.count("\n") > 4


# -- the metadata that was verified before --------------------------------------------------------

def test_unexpired_metadata_is_used_and_said_to_be_old_when_nobody_answers(ferry, client):
    ferry("list")
    ferry("show", "tiny")
    client(DOWN)
    result = ferry("list", "--json")
    [repository] = result.json["repositories"]
    assert "unreachable" in repository["unrefreshed"] and not repository["offline"]
    assert "demo: the catalog could not be refreshed" in result.err
    assert "verified before, which is valid until 20" in result.err
    assert "tiny" in ferry("show", "tiny").out


def test_expired_metadata_is_not_listed_and_the_hint_says_what_to_do(ferry, work, prepared):
    p = Publisher(ferry, work, expires={"timestamp": "2d"})
    p.add(prepared("tiny", "30M"))
    p.sign()
    (work / "ferry.conf").write_text(p.client())
    ferry("list")
    (work / "ferry.conf").write_text(p.client(DOWN))
    result = ferry("list", check=4, at="+3 days")
    assert "--offline uses what was verified before" in result.err
    assert "tiny" in ferry("list", "--offline", at="+3 days").out


def test_old_metadata_is_not_used_once_newer_is_known(ferry, publisher, client, fault_server):
    """A mirror that gives a new timestamp and keeps the snapshot back."""
    server = fault_server(publisher.tree)
    client(server.url)
    ferry("list")
    publisher.sign()
    ferry("catalog", "refresh", "-q", cwd=publisher.dir)
    server.add(path="metadata/*.snapshot.json", status=404)
    result = ferry("list", check=4)
    assert "--offline uses what was verified before" in result.err


# -- a model in the store ----------------------------------------------------------------------------

@pytest.mark.parametrize("fault, words", [
    ({"html": True}, "HTML page"),
    ({"status": 401}, "HTTP 401"),
    ({"status": 403}, "HTTP 403"),
    ({"status": 451}, "HTTP 451"),
    ({"status": 503}, "HTTP 503"),
    ({"body": b"{}", "status": 200}, "2.root.json"),
])
@pytest.mark.parametrize("late", [None, "+3 days"])
def test_a_stored_model_is_used_whatever_the_mirror_answers(ferry, work, prepared, fault_server,
                                                            fault, words, late):
    p = Publisher(ferry, work, expires={"timestamp": "2d"})
    p.add(prepared("tiny", "30M"))
    p.sign()
    server = fault_server(p.tree)
    (work / "ferry.conf").write_text(p.client(server.url))
    path = ferry("fetch", "tiny").out
    server.add(path="metadata/*", **fault)
    for command in (["fetch", "tiny"], ["run", "tiny", "echo", "{}"]):
        result = ferry(*command, at=late)
        assert result.out == path
        assert "warning" in result.err and words in result.err


def test_a_stored_model_is_used_when_the_metadata_has_expired(ferry, work, prepared, make_gguf):
    """The publisher missed a week. Which variant is the default one is known from the catalog."""
    p = Publisher(ferry, work, expires={"timestamp": "2d"})
    p.add(prepared("tiny", "30M"))
    p.sign()
    (work / "ferry.conf").write_text(p.client())
    path = ferry("fetch", "tiny").out
    for command in (["fetch", "tiny"], ["run", "tiny", "echo", "{}"]):
        result = ferry(*command, at="+3 days")
        assert result.out == path
        assert "has expired" in result.err and "using the model in the store" in result.err
    document = ferry("fetch", "--json", "tiny", at="+3 days").json
    assert "has expired" in document["models"][0]["fallback"]
    output = work / "copy.gguf"
    assert ferry("fetch", "-o", output, "tiny", at="+3 days").out == f"{output}\n"
    assert sha256(output) == sha256(path.rstrip("\n"))
    assert ferry("fetch", "--verify", "tiny", at="+3 days").out == path


def test_a_stored_model_that_left_the_catalog_is_used(ferry, publisher, prepared, client):
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    path = ferry("fetch", "other").out
    ferry("catalog", "remove", "-q", "other", cwd=publisher.dir)
    publisher.sign()
    assert "other  q8_0*   4.0 MiB  -    (not in the catalog)" in ferry("list").out
    for command in (["fetch", "other"], ["run", "other", "echo", "{}"],
                    ["fetch", "--offline", "other"], ["store", "path", "other"]):
        assert ferry(*command).out == path
    assert "using the model in the store" in ferry("fetch", "other").err


def test_a_stored_model_is_used_when_the_repository_cannot_be_written(ferry, client, publisher):
    path = ferry("fetch", "tiny").out
    publisher.sign()
    trust = ferry.store / "trust" / "demo" / "snapshot.json"
    trust.unlink()
    trust.mkdir()
    assert ferry("run", "tiny", "echo", "{}").out == path
    ferry("list", check=7)


def test_a_stored_model_does_not_wait_for_a_silent_mirror(ferry, client, silent):
    path = ferry("fetch", "tiny").out
    client(silent.url, extra="[fetch]\ntimestamp-deadline = 1s")
    result = ferry("run", "tiny", "echo", "{}")
    assert result.out == path and "could not be refreshed" in result.err
    assert silent.connections() <= 3
    assert ferry("fetch", "tiny").out == path


def test_another_pinned_root_is_a_reason_against_a_stored_model(ferry, work, client, publisher):
    ferry("fetch", "tiny")
    other = Publisher(ferry, work, "other")
    client(pin=f"root-sha256 = {other.root_sha256}")
    for command in (["fetch", "tiny"], ["run", "tiny", "echo", "{}"]):
        result = ferry(*command, check=8)
        assert "but root-sha256 is now" in result.err
        assert "use it with --offline" in result.err and "ferry store path" in result.err


def test_an_older_version_is_given_offline_by_every_command(ferry, work, publisher, prepared,
                                                            client, make_gguf):
    path = ferry("fetch", "tiny").out
    before = sha256(path.rstrip("\n"))
    publisher.add(prepared("tiny", "30M", "--seed", "7"))
    publisher.sign()
    ferry("list")
    for command in (["fetch", "--offline", "tiny"], ["run", "--offline", "tiny", "echo", "{}"],
                    ["store", "path", "tiny"]):
        result = ferry(*command)
        assert result.out == path
    assert "using version 1, which is in the store" in ferry("fetch", "--offline", "tiny").err
    assert sha256(path.rstrip("\n")) == before
    ferry("fetch", "tiny")
    assert sha256(path.rstrip("\n")) != before


# -- two configurations ------------------------------------------------------------------------------

def test_a_configuration_for_publishing_does_not_hide_the_persons_own(ferry, publisher, client):
    client()
    own = ferry.home / ".config" / "ferry" / "ferry.conf"
    own.parent.mkdir(parents=True)
    (ferry.work / "ferry.conf").rename(own)
    here = {"cwd": publisher.dir}
    assert (publisher.dir / "ferry.conf").exists()
    assert "tiny" in ferry("list", **here).out
    assert ferry("fetch", "tiny", **here).out
    assert "is for publishing, so" in ferry("list", "-v", **here).err
    # Both of one name: the client's part is taken from where it is.
    [listed] = ferry("repository", "list", "--json", **here).json["repositories"]
    assert listed["name"] == "demo"
    # A configuration for a client is the only one, and so is that of --config.
    (ferry.work / "ferry.conf").write_text(publisher.client(DOWN).replace(".demo", ".there"))
    assert "tiny" not in ferry("list", check=4).out
    ferry("list", "--config", publisher.dir / "ferry.conf", check=2, **here)
    # It must be right, as any other.
    own.write_text("[repository.demo]\nmetadat = x\n")
    assert "ferry.conf:2" in ferry("list", check=2, **here).err


# -- locks and slow peers --------------------------------------------------------------------------

def test_whoever_holds_the_trust_lock_is_named_and_holds_nobody_up(ferry, publisher, prepared,
                                                                   client):
    ferry("list")
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    lock = ferry.store / "trust" / "demo" / "lock"
    with locked(lock):
        lock.write_text("4711\n")
        result = ferry("list")
    assert "locked by process 4711" in result.err and "could not be refreshed" in result.err
    assert "other" not in result.out
    assert "other" in ferry("list").out
    assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["metadata/*.snapshot.json", "metadata/*.targets.json",
                                  "targets/*.repository.json", "targets/*.manifest.json"])
def test_a_slow_mirror_is_left_for_another(ferry, publisher, client, fault_server, path):
    """A body that goes on and on: while another mirror is there, it is not waited for."""
    slow = fault_server(publisher.tree)
    client(slow.url, f"file://{publisher.tree}", extra="[fetch]\ntimestamp-deadline = 5s")
    held = slow.add(path=path, rate=20)
    result = ferry("fetch", "--json", "tiny")
    assert held.hits == 1
    assert faults(result.json)[slow.url]["stalled"] == 1


@pytest.mark.parametrize("path", ["metadata/1.root.json", "metadata/timestamp.json",
                                  "metadata/*.snapshot.json", "targets/*.repository.json"])
def test_a_server_that_asks_for_a_long_pause_is_not_asked_again(ferry, publisher, client,
                                                                fault_server, path):
    server = fault_server(publisher.tree)
    client(server.url)
    fault = server.add(path=path, status=429, retry_after=3600)
    result = ferry("list", check=4)
    assert fault.hits == 1
    assert "asks for a pause of 3600 seconds" in result.err
    # A short pause is waited for.
    server.mend()
    shutil.rmtree(ferry.store / "trust", ignore_errors=True)
    shutil.rmtree(ferry.home / ".local/state/ferry/pauses")
    short = server.add(path=path, status=429, retry_after=2, times=1)
    assert "tiny" in ferry("list").out
    assert short.hits == 1


# -- pipes ----------------------------------------------------------------------------------------

def test_a_pipe_in_the_place_of_a_file_is_refused_where_nobody_named_it(ferry, work, client):
    ferry("fetch", "tiny")
    record = next((ferry.store / "models").glob("**/.variant.json"))
    record.unlink()
    os.mkfifo(record)
    assert "damaged" in ferry("store", "verify", check=1).err
    ferry("store", "list")
    (work / "ferry.conf").unlink()
    os.mkfifo(work / "ferry.conf")
    assert "not a regular file" in ferry("list", check=2).err


def test_a_pipe_in_the_place_of_a_draft_is_refused(ferry, publisher, client):
    drafts = publisher.tree / "drafts"
    drafts.mkdir()
    os.mkfifo(drafts / "targets.json")
    for command in ("status", "sign"):
        result = ferry("catalog", command, cwd=publisher.dir, check=None)
        assert result.code > 0 and "targets.json is not a regular file" in result.err


# -- servers that ask for a pause ----------------------------------------------------------------

def test_a_pause_that_a_server_asked_for_holds_for_the_next_run(
        ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    server.add(status=429, retry_after=3000)
    client(server.url)
    ferry("list", check=4)
    server.mend()
    asked = len(server.log)
    result = ferry("list", check=4)
    assert len(server.log) == asked
    assert "in an earlier run it asked for a pause until 20" in result.err
    [pause] = (ferry.home / ".local/state/ferry/pauses").iterdir()
    assert f"to ask now, remove {pause}" in result.err
    pause.unlink()
    ferry("list")


def test_a_pause_ends_and_is_never_longer_than_an_hour(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    server.add(status=503, retry_after=10**9)
    client(server.url)
    ferry("list", check=4)
    server.mend()
    ferry("list", check=4, at="+50 minutes")
    ferry("list", at="+61 minutes")
    assert list((ferry.home / ".local/state/ferry/pauses").iterdir()) == []


def test_a_pause_of_one_server_is_not_another_ones(ferry, publisher, client, fault_server):
    server, other = fault_server(publisher.tree), fault_server(publisher.tree)
    server.add(status=429, retry_after=3000)
    client(server.url, other.url)
    ferry("list")
    asked = len(server.log)
    document = ferry("fetch", "--json", "tiny").json
    assert len(server.log) == asked
    assert states(document) == {server.url: "down", other.url: "ok"}


def test_a_damaged_note_of_a_pause_is_no_pause(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    server.add(status=429, retry_after=3000)
    client(server.url)
    ferry("list", check=4)
    server.mend()
    [pause] = (ferry.home / ".local/state/ferry/pauses").iterdir()
    for text in ("", "soon", "9" * 40, "-1", "99999999999999"):
        pause.write_text(text)
        ferry("list")


# -- several repositories --------------------------------------------------------------------------

def test_repositories_are_asked_at_the_same_time(ferry, work, publisher, fault_server):
    other = Publisher(ferry, work, "other")
    other.sign()
    servers = [fault_server(publisher.tree), fault_server(other.tree)]
    held = [s.add(path="metadata/*", hold_after=0) for s in servers]
    (work / "ferry.conf").write_text(publisher.client(servers[0].url) +
                                     other.client(servers[1].url))
    process = ferry.start("list", "--json")
    until(lambda: all(s.log for s in servers), process)
    for fault in held:
        fault.release()
    out, err = communicate(process)
    assert process.returncode == 0, err
    assert [r["name"] for r in json.loads(out)["repositories"]] == ["demo", "other"]
