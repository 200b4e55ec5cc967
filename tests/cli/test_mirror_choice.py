"""Which mirrors a fetch asks: by --mirror, --exclude-mirror and --prefer-region, and by what they
did before."""

import json
import shutil

import pytest

from test_fetch import (TINY, client, faults, prepared, publisher, sha256,  # noqa: F401 (fixtures)
                        signed)

pytestmark = pytest.mark.usefixtures("no_pauses")

MODEL = f"*{TINY}"


@pytest.fixture
def mirrors(work, publisher, client, fault_server):
    """The mirrors first and second of the catalog; the metadata comes from a folder."""
    first, second = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(first=first.url, second=second.url)
    conf = publisher.dir / "ferry.conf"
    conf.write_text(conf.read_text().replace("[mirror.first]", "[mirror.first]\nregion = us-east")
                    .replace("[mirror.second]", "[mirror.second]\nregion = eu-west"))
    publisher.ferry("catalog", "sign", "-q", cwd=publisher.dir)
    client()
    return first, second


def asked(mirror):
    return [e for e in mirror.log if e["path"].endswith(TINY)]


def forget(ferry):
    shutil.rmtree(ferry.store)


def bytes_of(result):
    return {s["id"]: s["bytes"] for s in result.json["sources"]}


# -- the choice ------------------------------------------------------------------------------

def test_only_the_mirror_that_is_named_is_asked(ferry, mirrors):
    first, second = mirrors
    result = ferry("fetch", "--json", "--mirror", "second", "tiny")
    assert first.log == [] and asked(second)
    assert bytes_of(result)["second"] >= result.json["models"][0]["size"]


def test_a_mirror_that_is_excluded_is_not_asked(ferry, mirrors):
    first, second = mirrors
    ferry("fetch", "--exclude-mirror", "first", "tiny")
    assert first.log == [] and asked(second)


def test_run_has_the_same_choice(ferry, mirrors):
    ferry("run", "--exclude-mirror", "second", "--exclude-mirror", f"file://{ferry.work}/x",
          "tiny", "--", "cat", "{}", check=2)
    ferry("run", "--mirror", "first", "tiny", "--", "test", "-s", "{}")
    assert asked(mirrors[0]) and mirrors[1].log == []


def test_a_metadata_url_can_be_excluded_for_models(ferry, publisher, client, mirrors):
    first, _ = mirrors
    client(first.url)
    ferry("fetch", "--exclude-mirror", "first", "tiny")
    assert first.log and not asked(first)


@pytest.mark.parametrize("option", ["--mirror", "--exclude-mirror"])
def test_an_unknown_mirror_is_an_error_that_lists_the_right_ones(ferry, mirrors, option):
    result = ferry("fetch", option, "secnd", "tiny", check=2)
    assert f"{option} secnd: there is no such mirror" in result.err
    assert "did you mean 'second'?" in result.err
    result = ferry("fetch", option, "elsewhere", "tiny", check=2)
    assert "the mirrors are first, second" in result.err


def test_a_choice_that_leaves_no_mirror_is_an_error(ferry, publisher, mirrors):
    result = ferry("fetch", "--mirror", "first", "--exclude-mirror", "first", "tiny", check=2)
    assert "leave no mirror to fetch from" in result.err


def test_a_choice_and_one_place_exclude_each_other(ferry, publisher, mirrors):
    result = ferry("fetch", "--from", publisher.tree, "--mirror", "first", "tiny", check=2)
    assert "--from reads from one place" in result.err


def test_a_region_that_no_mirror_has_is_told_with_those_that_there_are(ferry, mirrors):
    result = ferry("fetch", "--prefer-region", "mars", "tiny")
    assert "no mirror is in the region mars; the regions are: us-east, eu-west" in result.err
    forget(ferry)
    assert "is in the region" not in ferry("fetch", "--prefer-region", "eu", "tiny").err


def test_completion_offers_the_mirrors_of_the_catalog(ferry, mirrors):
    ferry("list")
    offered = ferry("--complete", "fetch", "--mirror", "").out
    assert "first" in offered.split() and "second" in offered.split()


# -- limits ----------------------------------------------------------------------------------

@pytest.mark.parametrize("extra, options, most", [
    ("", ["--connections", "1"], 1),
    ("[fetch]\nconnections = 2", [], 2),
    ("[fetch]\nconnections = 1", ["--connections", "2"], 2),
    ("[fetch]\nconnections = 9\n[access.a]\nurl = {url}\nconnections = 1", [], 1),
])
def test_a_mirror_gets_no_more_connections_than_allowed(
        ferry, client, mirrors, extra, options, most):
    first, _ = mirrors
    client(extra=extra.format(url=first.url))
    ferry("fetch", "tiny", "--mirror", "first", *options)
    assert 1 <= first.peak <= most


# -- the past --------------------------------------------------------------------------------

def history(ferry):
    return sorted((ferry.home / ".local/state/ferry/history").glob("*"))


def test_a_mirror_with_wrong_bytes_is_asked_last_until_that_is_forgotten(ferry, mirrors):
    first, _ = mirrors
    first.add(path=MODEL, flip_at=1 << 20)
    result = ferry("fetch", "--json", "tiny", "--mirror", "first", check=6)
    assert "wrong-bytes" in json.dumps(result.json)
    first.mend()
    result = ferry("fetch", "-v", "tiny")
    assert "mirror first sent wrong bytes at " in result.err
    assert "it is asked last" in result.err
    [path] = [p for p in history(ferry) if first.url in p.read_text()]
    assert str(path) in result.err
    path.unlink()
    assert "wrong bytes" not in ferry("fetch", "-v", "--verify", "tiny").err


def test_what_mirrors_did_is_remembered(ferry, mirrors):
    ferry("fetch", "tiny", "--mirror", "first")
    remembered = [p.read_text() for p in history(ferry)]
    assert any(mirrors[0].url in text for text in remembered)
    assert not any(mirrors[1].url in text for text in remembered)


@pytest.mark.parametrize("broken", [b"", b"\0" * 40, b"9\n1 2 3 4\nx\n", b"1\nx\n",
                                    b"1" * 100000])
def test_a_broken_history_counts_as_none(ferry, mirrors, broken):
    ferry("fetch", "tiny", "--mirror", "first")
    for path in history(ferry):
        path.write_bytes(broken)
    forget(ferry)
    ferry("fetch", "tiny")


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(ferry, work, mirrors):
    (work / "nothing").write_text("")
    ferry("fetch", "tiny", env={"XDG_STATE_HOME": work / "nothing"})


def test_nothing_is_remembered_without_a_network(ferry, mirrors):
    ferry("list")
    shutil.rmtree(ferry.home / ".local/state/ferry", ignore_errors=True)
    ferry("list", "--offline")
    assert history(ferry) == []
