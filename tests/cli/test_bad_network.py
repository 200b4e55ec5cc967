"""A network that is bad in other ways than test_known.py has: who is waited for, for how long, and
what an unreachable repository leaves to the others."""

import shutil

import pytest

from publisher import Publisher
from test_endpoints import silent  # noqa: F401 (fixture)
from test_fetch import client, prepared, publisher, signed  # noqa: F401 (fixtures)
from waiting import locked

pytestmark = pytest.mark.usefixtures("no_pauses")

DOWN = "http://127.0.0.1:1/"


# -- pauses and silence ------------------------------------------------------------------------

@pytest.mark.parametrize("trust", ["kept", "lost"])
def test_a_stored_model_does_not_wait_for_a_pause_that_a_server_asks_for(
        ferry, publisher, client, fault_server, trust):
    server = fault_server(publisher.tree)
    client(server.url)
    path = ferry("fetch", "tiny").out
    if trust == "lost":
        shutil.rmtree(ferry.store / "trust")
    fault = server.add(status=429, retry_after=30)
    result = ferry("run", "tiny", "echo", "{}")
    assert result.out == path
    assert fault.hits == 1 and "waiting" not in result.err


def test_a_wait_for_a_server_names_it_and_its_length(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    client(server.url)
    server.add(path="metadata/timestamp.json", status=429, retry_after=30, times=1)
    assert f"{server.url} asks for a pause of 30 seconds: waiting" in ferry("list").err
    server.add(path="targets/*.gguf", status=503, retry_after=20, times=1)
    assert "waiting for the servers; trying again in" in ferry("fetch", "tiny").err


def test_a_stored_model_without_trusted_metadata_does_not_wait_for_a_silent_mirror(
        ferry, client, silent):     # noqa: F811
    path = ferry("fetch", "tiny").out
    shutil.rmtree(ferry.store / "trust")
    client(silent.url, extra="[fetch]\ntimestamp-deadline = 1s")
    result = ferry("run", "tiny", "echo", "{}")
    assert result.out == path and "within 1000 ms" in result.err


def test_a_stored_model_does_not_wait_for_a_manifest(ferry, publisher, prepared, client,
                                                     fault_server):
    """The publisher has a new version, and its mirror is half dead."""
    server = fault_server(publisher.tree)
    client(server.url, extra="[fetch]\ntimestamp-deadline = 1s")
    path = ferry("fetch", "tiny").out
    publisher.add(prepared("tiny", "30M", "--seed", "7"))
    publisher.sign()
    server.add(path="targets/*.manifest.json", stall_after=10)
    result = ferry("run", "tiny", "echo", "{}")
    assert result.out == path and "using the model in the store" in result.err


def test_a_stored_model_is_used_when_another_process_holds_the_lock_of_its_lost_metadata(
        ferry, client):
    path = ferry("fetch", "tiny").out
    for file in (ferry.store / "trust" / "demo").glob("*.json"):
        file.unlink()
    with locked(ferry.store / "trust" / "demo" / "lock"):
        result = ferry("run", "tiny", "echo", "{}")
        ferry("list", check=8)
    assert result.out == path and "is locked by" in result.err


# -- several repositories ------------------------------------------------------------------------

@pytest.fixture
def two(ferry, work, publisher, prepared):
    """The tiny model is in the store from "demo", which is down now and whose catalog is not
    known; "other" has a model of that name, too."""
    (work / "ferry.conf").write_text(publisher.client())
    path = ferry("fetch", "tiny").out
    other = Publisher(ferry, work, "other")
    other.add(prepared("tiny", "4M", "--seed", "3"))
    other.sign()
    shutil.rmtree(ferry.store / "trust" / "demo")
    (work / "ferry.conf").write_text(publisher.client(DOWN) + other.client())
    return path


@pytest.mark.parametrize("command", [("fetch",), ("run",)])
def test_what_an_unreachable_repository_gave_is_not_replaced_by_another_of_that_name(
        ferry, two, command):
    tail = ("echo", "{}") if command == ("run",) else ()
    result = ferry(*command, "tiny", *tail, check=2)
    assert "several repositories have tiny: other, and demo" in result.err
    assert "for example demo/tiny" in result.err
    assert ferry(*command, "demo/tiny", *tail).out == two
    assert "/other/" in ferry(*command, "other/tiny", *tail).out


def test_offline_the_only_model_of_that_name_in_the_store_is_meant(ferry, two):
    assert ferry("run", "--offline", "tiny", "echo", "{}").out == two
