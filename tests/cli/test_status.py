"""`ferry` without a command: what this machine has, and what to do next; words of other tools."""

import pytest

from test_fetch_many import publish


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_gguf):
    return publish(tmp_path_factory.mktemp("status"), make_gguf, ["one"])


@pytest.fixture
def follower(ferry, work, made):
    """Follows a repository from which nothing was fetched yet."""
    publisher = made.again(ferry, work)
    (work / "ferry.conf").write_text(publisher.client(f"file://{publisher.tree}"))
    return publisher


def commands(ferry):
    return [n["command"] for n in ferry("status", "--json").json["next"]]


def test_a_new_machine_is_told_to_follow_a_repository_and_stays_as_it_is(ferry, work):
    done = ferry()
    assert "repositories  none" in done.out and "ferry repository add 'https://" in done.out
    assert "`ferry help` lists the commands" in done.out
    assert done.out == ferry("status").out
    assert not ferry.store.exists()
    assert all(len(line) <= 80 for line in done.out.splitlines()[2:])


def test_who_follows_a_repository_is_told_to_look_at_its_models(ferry, follower):
    assert "nothing was fetched from it yet" in ferry().out
    assert commands(ferry) == ["ferry list"]


def test_who_has_a_model_is_told_how_to_run_a_program_on_it(ferry, follower):
    ferry("fetch", "one")
    document = ferry("status", "--json").json
    assert document["store"]["models"] == 1 and document["store"]["bytes"] > 0
    assert document["repositories"][0]["known"]
    assert [n["command"] for n in document["next"]][-1].startswith("ferry run demo/one:")


def test_an_unfinished_download_comes_first(ferry, follower, fault_server, work, make_gguf):
    gguf = work / "large.gguf"
    make_gguf(gguf, "--size", "20M", "--seed", 9, "--name", "large")
    ferry("prepare", "-q", "large", gguf.name, "--set", "license.id=MIT")
    follower.add(work / "models" / "large")
    follower.sign()
    bad = fault_server(follower.tree)
    bad.add(path="*large*.gguf", flip_at=12 << 20)
    (work / "ferry.conf").write_text(follower.client(bad.url))
    ferry("fetch", "large", check=6)
    document = ferry("status", "--json").json
    (download,) = document["downloads"]
    assert download["model"] == "large" and not download["running"]
    assert 0 < download["there"] < download["size"]
    assert document["next"][0]["command"].startswith("ferry fetch demo/large:")


def test_a_publisher_is_told_to_look_at_the_catalog(ferry, follower):
    done = ferry("status", "--json", cwd=follower.dir)
    assert "ferry catalog status" in [n["command"] for n in done.json["next"]]


def test_nothing_is_asked_from_the_network(ferry, follower, nginx, work):
    server = nginx(follower.tree)
    (work / "ferry.conf").write_text(follower.client(server.url))
    ferry()
    assert not server.requests()


@pytest.mark.parametrize("word, meant", [
    ("pull", "fetch"), ("upgrade", "update"), ("du", "store du")])
def test_words_of_other_tools_are_the_commands(ferry, word, meant):
    assert ferry(word, "--help").out == ferry(*meant.split(), "--help").out
    assert ferry("-C", ".", word, "--no-such", check=2).err == \
        ferry("-C", ".", *meant.split(), "--no-such", check=2).err


@pytest.mark.parametrize("word, hint", [
    ("ls", "ferry store list"), ("rm", "ferry store remove"), ("install", "ferry fetch"),
    ("ps", "ferry run"), ("import", "ferry store import"), ("link", "ferry store link")])
def test_other_words_get_a_hint(ferry, word, hint):
    assert hint in ferry(word, check=2).err
