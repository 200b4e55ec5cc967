"""Two publishers of one repository on a SIMULATED GitHub, where drafts of the same tag do not exclude
each other."""

import json
import urllib.parse
import urllib.request

import pytest

from github_mirrors import REPOSITORY, Releases
from published import publisher, signed_base  # noqa: F401


@pytest.fixture
def hub(publisher, github, no_pauses):
    return Releases(publisher, github)


def post(hub, url, data, content_type):
    request = urllib.request.Request(url, data=data, method="POST", headers={
        "Authorization": f"Bearer {hub.token}", "Content-Type": content_type,
        "Accept": "application/vnd.github+json"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def second_draft(hub, tag):
    """What another publisher leaves who began at the same time: a draft with one of the files."""
    asset = next(a for a in hub.releases()[tag]["assets"] if a["name"].endswith(".pack"))
    draft = post(hub, f"{hub.github.enterprise}/repos/{REPOSITORY}/releases",
                 json.dumps({"tag_name": tag, "draft": True}).encode(), "application/json")
    query = urllib.parse.urlencode({"name": asset["name"], "label": asset["label"]})
    post(hub, draft["upload_url"].partition("{")[0] + "?" + query, hub.github.content(asset),
         "application/octet-stream")
    return draft["id"]


def test_a_draft_of_a_published_tag_does_not_stop_later_pushes(hub, github):
    hub.push()
    draft = second_draft(hub, "models-tiny")
    hub.publisher.add_model("tiny", "10M", seed=9)
    hub.push()
    # Nobody uses it, and `mirror cleanup` takes it away.
    assert draft in [r["id"] for r in github.releases(REPOSITORY) if r["draft"]]
    hub.publisher("mirror", "cleanup", "-m", "gh", "--older-than", "0s")
    assert not any(r["draft"] for r in github.releases(REPOSITORY))
    hub.verify("--full")
