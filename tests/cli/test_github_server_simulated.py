"""The SIMULATED GitHub itself: it does what GitHub documents, and sees what is not as GitHub
describes it."""

import hashlib
import json
import os
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

import node_servers
from waiting import PATIENCE, until

REPOSITORY = "octo/models"


class Answer:
    def __init__(self, status, headers, data):
        self.status, self.headers, self.data = status, headers, data

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def errors(self):
        """What GitHub says of a request that it does not accept."""
        return [{k: v for k, v in e.items() if k != "resource"} for e in self.json["errors"]]


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *ignored):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)


def ask(url, method="GET", token=None, body=None, data=None, **headers):
    """headers: with _ for -."""
    sent = {"User-Agent": "ferry-tests", "Accept": "application/vnd.github+json"}
    sent.update({k.replace("_", "-"): v for k, v in headers.items()})
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None:
        data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with OPENER.open(request) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Publisher:
    """A user of the API with a token."""

    def __init__(self, github, token, repository=REPOSITORY):
        self.github, self.token = github, token
        self.base = f"{github.api}/repos/{repository}"

    def __call__(self, path, method="GET", **more):
        url = path if path.startswith("http") else self.base + path
        return ask(url, method, self.token, **more)

    def create(self, tag="v1", draft=True, **more):
        return self("/releases", "POST", body={"tag_name": tag, "draft": draft, **more})

    def publish(self, release, **more):
        return self(f"/releases/{release['id']}", "PATCH", body={"draft": False, **more})

    def upload(self, release, name, data=b"data", **more):
        query = urllib.parse.urlencode({"name": name, **more.pop("query", {})})
        url = release["upload_url"].replace("{?name,label}", f"?{query}")
        return self(url, "POST", data=data, Content_Type="application/octet-stream", **more)

    def assets(self, release):
        return self(f"/releases/{release['id']}/assets?per_page=100").json


@pytest.fixture
def octo(github):
    github.repository(REPOSITORY)
    return Publisher(github, github.token("octo"))


def published(octo, *names, tag="v1"):
    release = octo.create(tag).json
    for name in names:
        assert octo.upload(release, name, name.encode() * 100).status == 201
    return octo.publish(release).json


def test_a_draft_is_seen_by_publishers_only_and_has_no_tag(github, octo):
    draft = octo.create(name="One", body="Notes").json
    assert draft["draft"] and draft["html_url"].rpartition("/")[2].startswith("untagged-")
    assert octo("/releases/tags/v1").status == 404
    assert [r["id"] for r in octo("/releases").json] == [draft["id"]]
    stranger = Publisher(github, github.token("stranger"))
    assert stranger("/releases").json == []
    assert stranger(f"/releases/{draft['id']}").status == 404
    shown = octo.publish(draft).json
    assert not shown["draft"] and shown["published_at"]
    assert stranger("/releases/tags/v1").json["id"] == draft["id"]
    assert stranger("/releases/latest").json["id"] == draft["id"]


def test_two_drafts_may_have_one_tag_and_the_second_cannot_be_published(octo):
    first, second = octo.create().json, octo.create().json
    assert octo.publish(first).status == 200
    refused = octo.publish(second)
    assert refused.status == 422
    assert refused.errors == [{"code": "already_exists", "field": "tag_name"}]
    assert octo.create(draft=False).errors == refused.errors
    assert octo.create(draft=True).status == 201


def test_an_asset_has_a_digest_a_label_and_one_name(github, octo):
    release = octo.create().json
    made = octo.upload(release, "weights.gguf", query={"label": "targets/weights.gguf"})
    assert made.status == 201
    asset = made.json
    assert asset["state"] == "uploaded" and asset["label"] == "targets/weights.gguf"
    assert asset["digest"] == "sha256:" + hashlib.sha256(b"data").hexdigest()
    assert octo.assets(release) == [asset]
    again = octo.upload(release, "weights.gguf", b"other")
    assert again.status == 422 and again.errors == [{"code": "already_exists", "field": "name"}]
    github.limits(digests=False)
    assert octo.upload(release, "older").json["digest"] is None


@pytest.mark.parametrize("asked,given", [
    ("plain-1.0_x.gguf", "plain-1.0_x.gguf"), ("My App 1.0.exe", "My.App.1.0.exe"),
    ("a~b:c(d).deb", "a.b.c.d.deb"), ("erick%%%%%!!!zhao.txt", "erick.zhao.txt"),
    (".config", "default.config"), ("end.", "end"), ("a+b@c", "a+b@c"), ("Upper", "Upper"),
])
def test_names_are_rewritten_as_reported(octo, asked, given):
    release = octo.create().json
    assert octo.upload(release, asked).json["name"] == given


def test_a_listing_has_pages(octo):
    release = octo.create().json
    names = [f"part-{n}" for n in range(5)]
    for name in names:
        octo.upload(release, name)
    seen, url = [], f"/releases/{release['id']}/assets?per_page=2"
    while url:
        page = octo(url)
        seen += [a["name"] for a in page.json]
        links = dict(reversed(one.split("; ")) for one in (page.headers["Link"] or "").split(", ")
                     if one)
        url = links.get('rel="next"', "").strip("<>")
    assert seen == names


def test_sizes_and_numbers_are_limited(github, octo):
    github.limits(asset_size=8, assets=2, body=10)
    release = octo.create().json
    size = {"code": "custom", "field": "size"}
    assert octo.upload(release, "a", b"x" * 9).errors == [
        {**size, "message": "size must be less than or equal to 8"}]
    assert octo.upload(release, "a", b"x" * 8).status == 422
    assert octo.upload(release, "a", b"").errors == [
        {**size, "message": "size must be greater than or equal to 1"}]
    assert [octo.upload(release, name, b"x" * 7).status for name in "abc"] == [201, 201, 422]
    assert octo.upload(release, "c").errors == [
        {"code": "custom", "field": "file_count",
         "message": "file_count limited to 2 assets per release"}]
    assert octo.create("v2", body="x" * 11).errors[0]["field"] == "body"


def test_a_public_asset_is_at_a_signed_url_of_another_host(github, octo):
    release = published(octo, "weights.gguf")
    [asset] = release["assets"]
    data = b"weights.gguf" * 100
    url = f"{github.url(REPOSITORY)}/v1/weights.gguf"
    assert asset["browser_download_url"] == url
    found = ask(url)
    place = found.headers["Location"]
    assert found.status == 302 and place.startswith(github.objects)
    assert ask(f"{github.web}/{REPOSITORY}/releases/latest/download/weights.gguf").headers[
        "Location"] == url
    whole = ask(place)
    assert whole.data == data and whole.headers["Accept-Ranges"] == "bytes"
    part = ask(place, Range="bytes=5-9")
    assert (part.status, part.data) == (206, data[5:10])
    assert part.headers["Content-Range"] == f"bytes 5-9/{len(data)}"
    etag = part.headers["ETag"]
    assert ask(place, Range="bytes=5-9", If_Range=etag).status == 206
    assert ask(place, Range="bytes=5-9", If_Range='"other"').status == 200
    beyond = ask(place, Range=f"bytes={len(data)}-")
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{len(data)}"
    head = ask(place, "HEAD")
    assert head.status == 200 and head.headers["Content-Length"] == str(len(data))
    assert ask(place.replace("sig=", "sig=x")).status == 403
    github.expire()
    assert ask(place).status == 403
    assert ask(ask(url).headers["Location"]).data == data


def test_drafts_and_private_repositories_have_no_public_downloads(github, octo):
    release = octo.create().json
    asset = octo.upload(release, "weights.gguf").json
    url = f"{github.url(REPOSITORY)}/v1/weights.gguf"
    assert ask(url).status == 404
    octo.publish(release)
    github.change(REPOSITORY, private=True)
    assert ask(url).status == 404 and ask(asset["url"]).status == 404
    found = octo(asset["url"], Accept="application/octet-stream")
    assert found.status == 302 and ask(found.headers["Location"]).data == b"data"


def test_the_token_is_refused_at_the_signed_url_and_that_is_recorded(github, octo):
    [asset] = published(octo, "weights.gguf")["assets"]
    place = octo(asset["url"], Accept="application/octet-stream").headers["Location"]
    assert octo(place).status == 400
    assert ["host of the objects" in text for text in github.violations()] == [True]
    github.forgive()


def test_tokens_may_what_their_scopes_say(github, octo):
    draft = octo.create().json
    patch = (f"/releases/{draft['id']}", "PATCH")

    def status(token):
        return Publisher(github, token)(*patch, body={"name": "New"}).status

    one = {"repositories": [REPOSITORY]}
    assert status(None) == 401
    assert status("ghp_never") == 401
    assert status(github.token("octo", scopes=[])) == 404
    assert status(github.token("stranger")) == 404
    assert status(github.token("octo", permissions={"contents": "read"}, **one)) == 403
    assert status(github.token("octo", permissions={"contents": "write"},
                               repositories=["octo/other"])) == 403
    assert status(github.token("octo", permissions={"contents": "write"}, **one)) == 200
    assert status(github.token("octo", scopes=["public_repo"])) == 200
    assert status(github.token("octo", expires="2020-01-01T00:00:00Z")) == 401
    github.change(REPOSITORY, private=True)
    assert status(None) == 404
    assert status(github.token("octo", scopes=["public_repo"])) == 404
    assert octo("").json["permissions"]["push"] and octo("").json["private"]


def test_a_token_can_be_revoked_after_some_requests(github, octo):
    github.revoke(octo.token, after=2)
    answers = [octo(f"{github.api}/user") for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 401]
    assert answers[2].json["message"] == "Bad credentials"


def test_a_renamed_repository_redirects_by_its_number(github, octo):
    release = published(octo, "weights.gguf")
    github.rename(REPOSITORY, "octo/weights")
    moved = octo("/releases/tags/v1")
    assert moved.status == 301 and "/repositories/" in moved.headers["Location"]
    assert octo(moved.headers["Location"]).json["id"] == release["id"]
    assert octo(f"/releases/{release['id']}", "PATCH", body={"name": "x"}).status == 307
    page = ask(f"{github.url(REPOSITORY)}/v1/weights.gguf")
    assert page.headers["Location"] == f"{github.url('octo/weights')}/v1/weights.gguf"
    assert ask(page.headers["Location"]).status == 302


def test_an_immutable_release_keeps_its_assets_and_its_tag(github, octo):
    assert octo("/immutable-releases").status == 404
    github.change(REPOSITORY, immutable=True)
    assert octo("/immutable-releases").json["enabled"]
    release = published(octo, "weights.gguf")
    assert release["immutable"]
    refused = octo.upload(release, "more")
    assert refused.status == 422
    assert refused.json["message"] == "Cannot upload assets to an immutable release."
    asset = f"/releases/assets/{release['assets'][0]['id']}"
    assert octo(asset, "DELETE").status == octo(asset, "PATCH", body={"name": "x"}).status == 422
    assert octo(f"/releases/{release['id']}", "PATCH", body={"body": "New notes"}).status == 200
    assert octo(f"/releases/{release['id']}", "DELETE").status == 204
    again = octo.create().json
    assert octo.publish(again).errors[0]["message"] == "tag_name was used by an immutable release"


def test_an_empty_repository_takes_drafts_and_publishes_none(github, octo):
    assert [b["name"] for b in octo("/branches").json] == ["main"]
    github.change(REPOSITORY, empty=True)
    assert octo("/branches").json == []
    draft = octo.create()
    assert draft.status == 201
    assert octo.publish(draft.json).errors[0]["message"] == "Repository is empty."


def test_assets_are_renamed_and_deleted(octo):
    release = octo.create().json
    first, second = (octo.upload(release, name).json for name in ("a", "b"))
    at = f"/releases/assets/{first['id']}"
    assert octo(at, "PATCH", body={"name": "b"}).errors == [
        {"code": "already_exists", "field": "name"}]
    assert octo(at, "PATCH", body={"name": "c", "label": "sea"}).json["name"] == "c"
    assert octo(at, "DELETE").status == 204
    assert octo(at).status == 404
    assert octo.assets(release) == [second]


def test_a_502_in_an_upload_leaves_a_starter_that_holds_the_name(github, octo):
    release = octo.create().json
    github.fault("upload-release-asset", status=502)
    assert octo.upload(release, "weights.gguf").status == 502
    [left] = octo.assets(release)
    assert (left["state"], left["size"], left["digest"]) == ("starter", 0, None)
    assert octo.upload(release, "weights.gguf").status == 422
    assert octo(f"/releases/assets/{left['id']}", "DELETE").status == 204
    assert octo.upload(release, "weights.gguf").status == 201


def test_faults_cut_lose_and_hold(github, octo):
    release = octo.create().json
    github.fault("upload-release-asset", cut=1)
    github.fault("upload-release-asset", lost=True, nth=2)
    for name in ("cut", "lost"):
        with pytest.raises(OSError):
            octo.upload(release, name, b"x" * 100000)
    assert [(a["name"], a["state"]) for a in octo.assets(release)] == [
        ("cut", "starter"), ("lost", "uploaded")]
    github.fault("upload-release-asset", hold=1)
    done = []
    thread = threading.Thread(target=lambda: done.append(octo.upload(release, "held").status))
    thread.start()
    until(github.held)
    assert done == []
    github.release()
    thread.join()
    assert done == [201]
    github.fault("upload-release-asset", flip=2)
    assert octo.upload(release, "flipped").json["digest"] == (
        "sha256:" + hashlib.sha256(b"daua").hexdigest())
    github.fault("update-release", status=500, done=True)
    assert octo.publish(release).status == 500
    assert not octo(f"/releases/{release['id']}").json["draft"]


def test_an_object_can_be_cut_and_changed_on_its_way(github, octo):
    published(octo, "weights.gguf")
    github.fault("object", cut=10)
    github.fault("object", flip=3, nth=2)
    place = ask(f"{github.url(REPOSITORY)}/v1/weights.gguf").headers["Location"]
    with pytest.raises(Exception, match="IncompleteRead"):
        ask(place)
    assert ask(place).data == b"weifhts.gguf" + b"weights.gguf" * 99
    assert ask(place).data == b"weights.gguf" * 100


def test_limits_are_told_and_enforced(github, octo):
    github.limits(primary=3)
    first = octo("/releases")
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("3", "2")
    assert octo(f"{github.api}/rate_limit").json["rate"]["remaining"] == 2
    octo("/releases"), octo("/releases")
    over = octo("/releases")
    assert over.status == 403 and over.headers["X-RateLimit-Remaining"] == "0"
    assert "API rate limit exceeded" in over.json["message"]
    github.limits(primary=5000)
    github.exhaust(status=429, refusals=2)
    assert [octo("/releases").status for _ in range(3)] == [429, 429, 200]
    github.limits(content_hour=1, retry_after=7, content_refusals=1)
    assert octo.create("v1").status == 201
    blocked = octo.create("v2")
    assert blocked.status == 403 and blocked.headers["Retry-After"] == "7"
    assert octo.create("v2").status == 201
    github.fault("list-releases", secondary=True, status=429)
    slower = octo("/releases")
    assert slower.status == 429 and "secondary rate limit" in slower.json["message"]
    assert "Retry-After" not in slower.headers


def test_an_enterprise_server_has_all_on_one_host(github, octo):
    octo.base = octo.base.replace(github.api, github.enterprise)
    release = published(octo, "a", "b")
    assert release["url"].startswith(github.enterprise)
    assert release["upload_url"].startswith(f"{github.web}/api/uploads/repos/")
    page = octo(f"/releases/{release['id']}/assets?per_page=1")
    assert f"<{github.enterprise}/repositories/" in page.headers["Link"]
    github.rename(REPOSITORY, "octo/weights")
    assert octo("").headers["Location"].startswith(f"{github.enterprise}/repositories/")


def test_a_restart_keeps_what_was_there(github, octo):
    published(octo, "weights.gguf")
    before = octo("/releases").json
    github.restart()
    assert octo("/releases").json == before
    place = ask(f"{github.url(REPOSITORY)}/v1/weights.gguf").headers["Location"]
    github.down()
    with pytest.raises(OSError):
        ask(place)
    github.up()
    assert ask(place).data == b"weights.gguf" * 100


def test_what_github_does_not_describe_is_recorded(github, octo):
    def said(*parts):
        [text] = github.violations()
        github.forgive()
        return all(part in text for part in parts)

    octo.create(drft=True)
    assert said("POST api", "drft")
    octo("/releases", "POST", body={"tag_name": "v1", "draft": "yes"})
    assert said("/draft must be boolean")
    octo("/releases?per_page=many")
    assert said("per_page", "integer")
    octo("/releases?pages=2")
    assert said("pages", "not in the description")
    octo("/releases/1/files")
    assert said("no such operation")
    ask(f"{github.api}/repos/{REPOSITORY}", User_Agent="")
    assert said("User-Agent")
    octo("/releases", "POST", data=b'{"tag_name": "v9"}', Content_Type="text/plain")
    assert said("Content-Type is text/plain")
    release = octo.create().json
    octo(release["upload_url"].replace("{?name,label}", ""), "POST", data=b"x",
         Content_Type="text/plain")
    assert said("name is missing")


def test_a_fault_that_does_not_exist_is_refused(github):
    with pytest.raises(urllib.error.HTTPError):
        github.fault("upload-release-asset", drops=True)


def test_an_answer_that_github_would_not_give_is_recorded(github, octo):
    octo.create()
    github.limits(body=10)
    github.control("spoil", repository=REPOSITORY)
    octo("/releases")
    assert any("our answer 200" in text and "tag_name" in text for text in github.violations())
    github.forgive()


def fixtures(name):
    folder = node_servers.install() / "node_modules/@octokit/fixtures/scenarios/api.github.com"
    return json.loads((folder / name / "normalized-fixture.json").read_text())


def shape(value):
    """The types of a JSON value, without what GitHub has added since it was recorded."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return [shape(v) for v in value[:1]] if isinstance(value, list) else type(value)


def covers(ours, theirs):
    """Has ours all members of theirs, of the same types? null fits each."""
    if isinstance(theirs, dict):
        return all(k in ours and covers(ours[k], v) for k, v in theirs.items())
    return type(None) in (ours, theirs) or isinstance(theirs, list) or ours == theirs


def test_answers_have_the_shape_of_recorded_ones(octo):
    """The records of @octokit/fixtures are of the real GitHub."""
    release = published(octo, "test-upload.txt")
    recorded = {(r["method"], r["path"].partition("?")[0].rpartition("/")[2].rstrip("0123456789")): r
                for r in fixtures("release-assets")}
    theirs = recorded["get", "v1.0."]
    ours = octo("/releases/tags/v1")
    assert covers(shape(ours.json), shape(theirs["response"]))
    assert covers(shape(ours.json["assets"][0]), shape(recorded["post", "assets"]["response"]))
    headers = {k.lower() for k in ours.headers}
    assert {h for h in theirs["headers"] if h.startswith("x-ratelimit")} <= headers
    assert release["upload_url"].endswith(recorded["get", "v1.0."]["response"]["upload_url"][-13:])


def test_conflicts_have_the_shape_of_recorded_ones(octo):
    recorded = [r for r in fixtures("release-assets-conflict") if r["status"] == 422]
    release = octo.create().json
    octo.upload(release, "test-upload.txt")
    ours = octo.upload(release, "test-upload.txt").json
    assert ours["errors"] == recorded[0]["response"]["errors"]
    assert ours["message"] == recorded[0]["response"]["message"]


def test_a_renamed_repository_is_answered_as_recorded(github, octo):
    recorded = [r for r in fixtures("rename-repository") if r["status"] in (301, 307)]
    github.rename(REPOSITORY, "octo/weights")
    ours = octo("")
    theirs = recorded[0]["response"]
    assert ours.status == recorded[0]["status"] and ours.json["message"] == theirs["message"]
    assert shape(ours.json) == shape(theirs)
    assert ours.json["url"] == ours.headers["Location"]


def test_github_s_own_client_understands_it(github, octo):
    """Octokit publishes, pages, downloads through the redirect, and sees both limits."""
    github.fault("list-releases", secondary=True, retry_after=7)
    github.limits(primary=15)
    owner, name = REPOSITORY.split("/")
    process = subprocess.run(
        ["node", node_servers.JS / "github-simulated/octokit.mjs", node_servers.install(),
         github.api, owner, name], capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "GH_TOKEN": octo.token})
    assert process.returncode == 0, process.stderr
    told = json.loads(process.stdout)
    assert told["again"]["status"] == 422 and "already_exists" in told["again"]["message"]
    assert told["assets"] == ["a", "b", "c"] and told["latest"] == "v1"
    assert told["digest"] == "sha256:" + told["sha256"]
    assert told["sha256"] == hashlib.sha256(b"content of a").hexdigest()
    assert [e["status"] for e in told["limited"]] == [403, 403]
    assert [kind for kind, _ in told["waits"]] == ["secondary", "primary"]
    assert told["waits"][0][1] == 7
