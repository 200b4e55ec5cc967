"""ferry push, verify and fetch with a mirror in the releases of a SIMULATED GitHub, whatever
happens on the way. At the end of each test, what was asked and answered is checked to be as
GitHub's published description has it (github_simulated.py)."""

import shutil

import pytest

from github_mirrors import MIB, Releases, outcome, said
from published import publisher, signed_base  # noqa: F401
from waiting import communicate, kill, until

UPLOAD = "upload-release-asset"


@pytest.fixture
def hub(publisher, github, no_pauses):
    return Releases(publisher, github)


# -- publishing ---------------------------------------------------------------------------

def test_a_push_publishes_releases_that_anybody_can_fetch_from(hub):
    hub.push()
    tiny = hub.releases()["models-tiny"]
    assert not tiny["draft"] and "tiny" in tiny["body"]
    # 10 MiB with parts of 8 MiB; every asset says what it is.
    parts = hub.of("tiny-q8_0.gguf")
    assert [p["size"] > 8 * MIB - 1 for p in parts] == [True, False]
    assert all(p["label"].startswith("targets/models/tiny/") for p in parts)
    assert {a["state"] for a in hub.assets().values()} == {"uploaded"}
    hub.verify("--full")
    hub.fetch("tiny")
    # The reader had no token, and asked the web's host and that of the objects only.
    assert hub.github.requests("download") and hub.github.requests("object")


def test_readers_see_nothing_until_all_is_there(hub, github):
    github.fault(UPLOAD, hold=1 * MIB, name="gguf")
    push = hub.publisher.ferry.start("push")
    until(github.held, push)
    assert hub.shown() is None
    assert all(r["draft"] for r in hub.releases().values())
    github.release()
    communicate(push)
    assert push.returncode == 0
    assert not any(r["draft"] for r in hub.releases().values())
    hub.fetch("tiny")


def test_a_second_push_changes_nothing(hub, github):
    hub.push()
    github.forget_requests()
    assert hub.push("--json").json["changed"] is False
    assert hub.writes() == []


def test_a_new_model_comes_in_a_release_of_its_own_and_old_ones_stay(hub):
    hub.push()
    before = hub.releases()["models-tiny"]
    hub.publisher.add_model("second", "3M", seed=2)
    hub.push()
    after = hub.releases()
    assert {a["id"] for a in before["assets"]} <= {a["id"] for a in after["models-tiny"]["assets"]}
    assert not after["models-second"]["draft"]
    hub.verify("--full")
    for name in ("tiny", "second"):
        hub.fetch(name)


# -- faults -------------------------------------------------------------------------------

FAULTS = [
    (UPLOAD, {"status": 502}),
    (UPLOAD, {"status": 502, "leaves": "nothing"}),
    (UPLOAD, {"status": 502, "done": True}),
    (UPLOAD, {"lost": True}),
    (UPLOAD, {"cut": 1 * MIB, "name": "gguf"}),
    (UPLOAD, {"cut": 10}),
    (UPLOAD, {"secondary": True, "retry_after": 1}),
    ("create-release", {"status": 502}),
    ("create-release", {"lost": True}),
    ("list-releases", {"status": 500}),
    ("list-release-assets", {"status": 502}),
    ("update-release", {"status": 502}),
    ("update-release", {"lost": True}),
    ("update-release-asset", {"lost": True}),
    ("get", {"status": 503}),
]


def test_a_push_succeeds_after_each_of_many_faults(hub, github):
    for operation, what in FAULTS:
        hub.wipe()
        github.fault(operation, **what)
        result = hub.push("--json")
        where = f"{operation} {what}: {result.err}"
        assert outcome(result) == "done" and github.met() == [operation], where
        releases = github.releases(hub.repository)
        assert sorted(hub.releases()) == sorted(r["tag_name"] for r in releases), where
        assert not any(r["draft"] for r in releases), where
        assert {a["state"] for a in hub.assets().values()} == {"uploaded"}, where
        hub.verify("--quick")
    hub.verify("--full")
    hub.fetch("tiny")


def test_a_push_waits_for_the_primary_limit_to_be_lifted(hub, github):
    github.exhaust(seconds=1, refusals=2)
    hub.push()
    hub.verify("--full")


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_killed_push_is_finished_by_the_next(hub, github, nth):
    github.fault(UPLOAD, hold=1, nth=nth)
    push = hub.publisher.ferry.start("push")
    until(github.held, push)
    whole = {name: a["id"] for name, a in hub.assets("uploaded").items()}
    kill(push)
    github.release()
    assert hub.shown() is None
    hub.push()
    hub.verify("--full")
    # What was whole was not sent again; of what was on its way, GitHub may have got all.
    names = [r["query"]["name"].removesuffix(".partial") for r in github.requests(UPLOAD)
             if r["status"] == 201]
    assert all(names.count(name.removesuffix(".partial")) == 1 for name in whole)
    assert {a["state"] for a in hub.assets().values()} == {"uploaded"}
    assert set(whole.values()) <= {a["id"] for a in hub.assets().values()}
    hub.fetch("tiny")


def test_a_server_that_went_away_is_a_network_error_and_the_next_push_finishes(hub, github):
    github.fault(UPLOAD, cut=1, nth=2, times=1000)
    result = hub.push("--json", check=4)
    assert outcome(result) == "failed"
    assert hub.shown() is None
    github.restart()
    github.clear_faults()
    hub.push()
    hub.verify("--full")
    hub.fetch("tiny")


def test_a_token_that_is_revoked_in_the_middle_publishes_nothing(hub, github):
    hub.publisher.add_model("second", "3M", seed=2)
    github.revoke(hub.token, after=6)
    result = hub.push("--json", check=5)
    assert "GH_TOKEN" in said(result) and hub.token not in said(result)
    assert hub.shown() is None
    assert all(r["draft"] for r in hub.releases().values())
    hub.use(github.token("octo"))
    hub.push()
    hub.verify("--full")
    hub.fetch("second")


# -- verify -------------------------------------------------------------------------------

def test_verify_finds_an_asset_that_is_gone_and_push_mends_it(hub, github):
    hub.push()
    [first, _] = hub.of("tiny-q8_0.gguf")
    github.remove_asset(first)
    result = hub.verify("--json", check=1)
    [bad] = [m for m in result.json["mirrors"] if m["id"] == "gh"]
    assert [f["verdict"] for f in bad["files"] if f["verdict"] != "ok"] == ["missing"]
    hub.push()
    hub.verify("--full")
    hub.fetch("tiny")


def test_verify_reads_only_what_has_no_digest(hub, github):
    hub.push()
    github.forget_requests()
    hub.verify()
    assert github.requests("object") == []
    github.forget_digests()
    hub.verify("--full")
    assert github.requests("object") != []


# -- readers ------------------------------------------------------------------------------

def test_a_private_repository_is_read_with_a_token_that_stays_at_the_api(publisher, github,
                                                                         no_pauses):
    hub = Releases(publisher, github, private=True)
    hub.push()
    hub.verify("--full")
    friend = github.token("friend")
    github.change(hub.repository, roles={"friend": "pull"})
    refused = hub.fetch("tiny", check=4)
    assert "gh" in refused.err
    hub.fetch("tiny", token=friend)
    assert {r["authorized"] for r in github.requests("object")} == {False}


def test_links_that_expired_are_asked_for_again(hub, github):
    hub.push()
    github.fault("object", hold=1 * MIB, name="gguf")
    fetch = hub.start_fetch("tiny")
    until(github.held, fetch)
    github.expire()
    github.release()
    communicate(fetch)
    assert fetch.returncode == 0


def test_a_download_that_was_cut_goes_on_where_it_was(hub, github):
    hub.push()
    github.fault("object", cut=3 * MIB)
    hub.fetch("tiny")


def test_bytes_that_were_changed_on_their_way_are_not_used(hub, github):
    hub.push()
    github.fault("object", flip=4 * MIB, times=1000)
    assert "wrong bytes" in hub.fetch("tiny", check=4).err


# -- what cannot work ---------------------------------------------------------------------

def fails(hub, code, *words, **options):
    """A push that fails so, and shows nothing."""
    result = hub.push("--json", check=code, **options)
    for word in words:
        assert word in said(result), said(result)
    assert "<html" not in said(result) and hub.token not in said(result)
    assert hub.shown() is None
    assert not [r for r in hub.releases().values() if not r["draft"]]
    return result


def test_no_token_a_wrong_one_and_one_that_may_not_write_are_named(hub, github):
    hub.use(None)
    fails(hub, 5, "GH_TOKEN")
    hub.use("ghp_wrong")
    fails(hub, 5, "GH_TOKEN")
    hub.use(github.token("octo", permissions={"contents": "read"}))
    fails(hub, 5)
    hub.use(github.token("stranger"))
    fails(hub, 5)
    assert hub.assets() == {}


def test_a_repository_that_is_missing_is_named(hub, github):
    hub.publisher.configure(hub.meta(), hub.section(repo="nothing"))
    fails(hub, 2, "octo/nothing")


def test_a_part_size_that_github_refuses_is_named(hub, github):
    github.limits(asset_size=1 * MIB)
    fails(hub, 2, "size")
    github.limits(asset_size=2 << 30)
    hub.push()
    hub.verify("--full")


# -- immutable releases --------------------------------------------------------------------

def test_what_comes_after_an_immutable_release_is_placed_in_another_at_once(publisher, github,
                                                                            no_pauses):
    hub = Releases(publisher, github, immutable=True)
    hub.push()
    assert hub.releases()["models-tiny"]["immutable"]
    old = hub.assets()
    publisher.add_model("tiny", "3M", seed=7)
    hub.push()
    assert "models-tiny+2" in hub.releases()
    hub.verify("--full")
    assert {a["id"] for a in old.values()} <= {a["id"] for a in hub.assets().values()}
    hub.fetch("tiny", original="*.v2.gguf")


# -- two publishers -----------------------------------------------------------------------

def test_two_pushes_at_once_leave_everything_whole(hub, github):
    """The second takes what the first is sending for the rest of a killed push, and sends it anew.
    The first is told that its upload is gone, and finds that all is there."""
    github.fault(UPLOAD, hold=1 * MIB, name="gguf")
    first = hub.publisher.ferry.start("push")
    until(github.held, first)
    second = hub.push(check=None, env={"XDG_STATE_HOME": hub.publisher.dir / "other"})
    github.release()
    communicate(first)
    assert (second.code, first.returncode) == (0, 0)
    hub.push()
    hub.verify("--full")
    assert {a["state"] for a in hub.assets().values()} == {"uploaded"}
    hub.fetch("tiny")
