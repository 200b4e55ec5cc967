"""Mirrors of kind github, on a simulated GitHub: push, publish, resume, and fetch from releases."""

import threading
import urllib.request

import pytest

from published import mirror, publisher, signed_base  # noqa: F401
from waiting import PATIENCE, until

NAME = "octo/models"

@pytest.fixture
def token(github):
    github.repository(NAME)
    return github.token("octo")

@pytest.fixture
def configure(publisher, github):
    def run(**options):
        settings = {"owner": "octo", "repo": "models", "api": github.api, "holds": "objects",
                    "url": github.url(NAME), "part-size": "8MiB", **options}
        publisher.configure(mirror("a"), mirror("hub", kind="github", **settings))
        publisher("catalog", "sign")
    return run

@pytest.fixture
def push(publisher, token):
    """push(…) gives the report of the push; of the mirror hub alone: push(…)["hub"]."""
    def run(*args, check=0, **env):
        result = publisher("push", "--json", *args, env={"GH_TOKEN": token, **env}, check=check)
        report = result.json
        return {m["id"]: m for m in report["mirrors"]} | {"all": report}
    return run

def assets(github, tag="models-tiny"):
    return sorted(a["name"].split(".", 1)[1] for a in github.release_of(NAME, tag)["assets"])

def test_a_push_makes_a_release_for_each_model(publisher, github, configure, push):
    publisher.add_model("second", "1M", seed=2)
    configure()
    assert push()["hub"]["outcome"] == "done"
    releases = {r["tag_name"]: r for r in github.releases(NAME)}
    assert set(releases) == {"models-tiny", "models-second"}
    assert not any(r["draft"] for r in releases.values())
    assert assets(github) == ["tiny-q8_0.gguf.001", "tiny-q8_0.gguf.002", "tiny.pack"]
    assert assets(github, "models-second") == ["second-q8_0.gguf", "second.pack"]
    assert push()["hub"]["outcome"] == "up-to-date"

def test_a_fetch_from_releases_alone(publisher, github, configure, push, ferry, nginx):
    configure(priority=1)
    push()
    server = nginx(publisher.dir / "mirrors" / "a")
    for gguf in (publisher.dir / "mirrors" / "a").rglob("*.gguf"):
        gguf.unlink()
    ferry("repository", "add", "demo", server.url, "--root",
          publisher.tree / "metadata/1.root.json")
    github.forget_requests()
    assert "warning: mirror hub" not in ferry("fetch", "demo/tiny").err
    assert [r["operation"] for r in github.requests() if r["operation"] == "download"]
    assert github.requests("get-release-asset") == []

def test_a_fetch_from_a_private_repository_needs_a_token(publisher, github, configure, push, ferry,
                                                         nginx, token):
    configure(priority=1)
    push()
    github.change(NAME, private=True)
    server = nginx(publisher.dir / "mirrors" / "a")
    for gguf in (publisher.dir / "mirrors" / "a").rglob("*.gguf"):
        gguf.unlink()
    ferry("repository", "add", "demo", server.url, "--root",
          publisher.tree / "metadata/1.root.json")
    assert "hub: missing" in ferry("fetch", "demo/tiny", check=4).err
    # A catalog cannot have the token sent to any server that it names.
    assert "hub: missing" in ferry("fetch", "demo/tiny", env={"GH_TOKEN": token}, check=4).err
    ferry("fetch", "demo/tiny", env={"GH_TOKEN": token, "GH_HOST": "127.0.0.1"})
    assert github.requests("get-release-asset")

def test_verify_reads_releases(publisher, github, configure, push, token):
    configure()
    push()
    publisher("verify", "--full", env={"GH_TOKEN": token})
    publisher("verify", "--quick", env={"GH_TOKEN": token})


# -- what goes wrong -----------------------------------------------------------------------


def total_uploads(github):
    return len([r for r in github.requests("upload-release-asset") if r["status"] == 201])


def complete(github, publisher, token):
    """Nothing is missing, and nothing is left over."""
    publisher("verify", "--full", env={"GH_TOKEN": token})
    for release in github.releases(NAME):
        assert not release["draft"]
        assert all(a["state"] == "uploaded" and not a["name"].endswith(".partial")
                   for a in release["assets"])


@pytest.mark.parametrize("fault", [
    {"status": 502}, {"status": 502, "nth": 3}, {"status": 500, "leaves": "nothing"},
    {"lost": True}, {"lost": True, "nth": 2}, {"cut": 100000, "name": ".002"},
    {"secondary": True, "retry_after": 1}])
def test_an_upload_that_fails_is_repeated(publisher, github, configure, push, token, fault):
    configure()
    github.fault("upload-release-asset", **fault)
    assert push()["hub"]["outcome"] == "done"
    complete(github, publisher, token)


@pytest.mark.parametrize("operation", ["create-release", "update-release", "update-release-asset"])
@pytest.mark.parametrize("fault", [{"status": 502}, {"lost": True}])
def test_a_change_that_fails_is_repeated(publisher, github, configure, push, token, operation,
                                         fault):
    configure()
    github.fault(operation, **fault)
    assert push()["hub"]["outcome"] == "done"
    complete(github, publisher, token)
    assert len(github.releases(NAME)) == 1


def test_bytes_that_change_on_their_way_are_noticed(publisher, github, configure, push, token):
    configure()
    github.fault("upload-release-asset", name=".002", flip=5)
    assert "other bytes" in str(push(check=6)["hub"])
    assert push()["hub"]["outcome"] == "done"
    complete(github, publisher, token)


def test_what_an_earlier_push_left_is_not_sent_again(publisher, github, configure, push, token):
    configure()
    github.fault("upload-release-asset", name=".002", status=403, body='{"message": "No"}',
                 headers={"content-type": "application/json"}, leaves="nothing")
    push(check=5)
    [first] = [a for a in github.release_of(NAME, "models-tiny")["assets"] if ".001" in a["name"]]
    assert first["name"].endswith(".001.partial")
    assert push()["hub"]["outcome"] == "done"
    assert first["id"] in [a["id"] for a in github.release_of(NAME, "models-tiny")["assets"]]
    complete(github, publisher, token)


def test_drafts_of_an_earlier_push_are_published(publisher, github, configure, push, token):
    configure()
    github.fault("update-release", times=9, status=403, body='{"message": "No"}',
                 headers={"content-type": "application/json"})
    push(check=5)
    assert all(r["draft"] for r in github.releases(NAME))
    sent = len(github.requests("upload-release-asset"))
    github.fault("update-release", nth=99, status=500)
    for _ in range(9):
        if push(check=None)["hub"]["outcome"] == "done":
            break
    assert len(github.requests("upload-release-asset")) == sent
    complete(github, publisher, token)


def test_a_token_that_is_revoked_in_the_middle(publisher, github, configure, push, token):
    configure()
    github.revoke(token, after=8)
    assert "Bad credentials" in str(push(check=5)["hub"])
    new = github.token("octo")
    assert push(GH_TOKEN=new)["hub"]["outcome"] == "done"
    complete(github, publisher, new)


def test_a_token_that_may_only_read(publisher, github, configure, push):
    configure()
    reader = github.token("friend", permissions={"contents": "read"}, repositories=[NAME])
    assert "contents=write" in str(push(check=5, GH_TOKEN=reader))
    assert github.releases(NAME) == []


def test_a_repository_that_was_renamed_is_named(publisher, github, configure, push):
    configure()
    github.rename(NAME, "octo/weights")
    assert "octo/models is now octo/weights" in str(push(check=2))


def test_an_empty_repository_is_noticed_before_anything_is_sent(publisher, github, configure, push):
    github.repository("octo/empty", empty=True)
    configure(repo="empty")
    assert "first commit" in str(push(check=2))
    assert github.releases("octo/empty") == []


def put_foreign(github, token, release, name):
    """Somebody else's file under this name."""
    request = urllib.request.Request(
        f"{github.uploads}/repos/{NAME}/releases/{release['id']}/assets?name={name}", b"other",
        {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"})
    github.opener.open(request).close()


def test_another_file_under_the_name_is_a_conflict(publisher, github, configure, push, token):
    github.repository("octo/other")
    configure(repo="other", url=github.url("octo/other"))
    push()
    [release] = github.releases("octo/other")
    [pack] = [a["name"] for a in release["assets"] if a["name"].endswith(".pack")]
    configure()
    github.fault("upload-release-asset", before=True, name=".pack")
    report = {}
    thread = threading.Thread(target=lambda: report.update(push(check=8)))
    thread.start()
    until(github.held)
    put_foreign(github, token, github.release_of(NAME, "models-tiny"), pack)
    github.release()
    thread.join(PATIENCE)
    assert "somebody else has put another file there" in str(report["hub"])


def test_two_publishers_of_one_release_at_once(publisher, github, configure, push, token):
    """Both make a draft; the second finds the first one's release published."""
    configure()
    github.fault("update-release", before=True)
    report = {}
    thread = threading.Thread(target=lambda: report.update(push(check=8)))
    thread.start()
    until(github.held)
    [mine] = github.releases(NAME)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    github.opener.open(urllib.request.Request(
        f"{github.api}/repos/{NAME}/releases", b'{"tag_name": "models-tiny"}', headers)).close()
    github.release()
    thread.join(PATIENCE)
    assert report["hub"]["error"]["class"] == "conflict"
    assert "another publisher" in str(report["hub"])
    assert mine["draft"]


# -- releases that take no more --------------------------------------------------------------


def test_what_a_full_release_does_not_take_goes_to_the_next(publisher, github, configure, push,
                                                            token):
    configure()
    github.limits(assets=2)
    report = push(check=8)
    assert "the release models-tiny is full" in str(report["hub"])
    assert "ferry catalog sign" in str(report["hub"])
    publisher("catalog", "sign")
    assert push()["hub"]["outcome"] == "done"
    assert {r["tag_name"] for r in github.releases(NAME)} >= {"models-tiny", "models-tiny+2"}
    publisher("verify", "--full", env={"GH_TOKEN": token})


def test_what_is_added_to_an_immutable_release_goes_to_the_next(publisher, github, configure, push,
                                                                token):
    github.repository("octo/fixed", immutable=True)
    configure(repo="fixed", url=github.url("octo/fixed"))
    assert push()["hub"]["outcome"] == "done"
    publisher.add_model("tiny", "1M", seed=7)
    report = push(check=None)
    if report["hub"]["outcome"] != "done":
        assert "models-tiny is immutable" in str(report["hub"])
        publisher("catalog", "sign")
        assert push()["hub"]["outcome"] == "done"
    assert "models-tiny+2" in [r["tag_name"] for r in github.releases("octo/fixed")]
    publisher("verify", "--full", env={"GH_TOKEN": token})


def test_assets_without_a_digest_are_read_back(publisher, github, configure, push, token):
    configure()
    github.limits(digests=False)
    assert push()["hub"]["outcome"] == "done"
    assert github.requests("get-release-asset")
    publisher("verify", "--full", env={"GH_TOKEN": token})


# -- mirror commands ------------------------------------------------------------------------


def test_leftovers_are_listed_and_removed(publisher, github, configure, push, token):
    configure()
    github.fault("upload-release-asset", name=".002", status=403, body='{"message": "No"}',
                 headers={"content-type": "application/json"}, leaves="nothing")
    push(check=5)
    clean = ["mirror", "cleanup", "--mirror", "hub", "--older-than", "0s", "--json"]
    env = {"GH_TOKEN": token}
    assert "tiny-q8_0.gguf" in str(publisher(*clean, "--dry-run", env=env).json)
    assert assets(github) != []
    publisher(*clean, env=env)
    assert github.releases(NAME) == []


def test_probe_and_setup_say_what_there_is(publisher, github, configure, token):
    configure()
    env = {"GH_TOKEN": token}
    probe = publisher("mirror", "probe", "--mirror", "hub", "--json", env=env)
    assert "from GH_TOKEN" in probe.out and "public" in probe.out
    publisher("mirror", "setup", "--mirror", "hub", env=env)
    assert github.releases(NAME) == []


def test_setup_of_an_empty_repository_says_what_to_do(publisher, github, configure, token):
    github.repository("octo/empty", empty=True)
    configure(repo="empty")
    said = publisher("mirror", "setup", "--mirror", "hub", env={"GH_TOKEN": token}, check=2)
    assert "first commit" in said.out + said.err


def test_preflight_says_that_the_token_ends_soon(publisher, github, configure, push, token):
    configure()
    soon = github.token("octo", expires="2030-01-01T00:00:00Z")
    said = publisher("mirror", "probe", "--mirror", "hub", env={"GH_TOKEN": soon})
    assert "token's end" in said.out
