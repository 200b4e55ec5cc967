"""ferry push --only, --stage, --repair, and releases on a SIMULATED GitHub: what is not whole is not
published."""

import pytest

from github_mirrors import MIB, Releases
from published import mirror, publisher, signed_base  # noqa: F401
from waiting import kill, until

UPLOAD = "upload-release-asset"


@pytest.fixture
def hub(publisher, github, no_pauses):
    return Releases(publisher, github)


def cut_off(hub, github):
    """A push was killed while it sent the model "second", before its files were complete."""
    hub.publisher.add_model("second", "20M", seed=4)
    github.fault(UPLOAD, hold=1 * MIB, name="second-q8_0.gguf.002")
    push = hub.publisher.ferry.start("push")
    until(github.held, push)
    kill(push)
    github.release()
    github.clear_faults()
    assert hub.releases()["models-second"]["draft"]


def test_what_an_earlier_push_left_unfinished_stays_a_draft(hub, github):
    hub.push()
    hub.publisher.add_model("third", "1M", seed=5)
    cut_off(hub, github)
    hub.push("--only", "third")
    drafts = {tag: r["draft"] for tag, r in hub.releases().items()}
    assert drafts["models-second"] and not drafts["models-third"]
    hub.push()
    second = hub.releases()["models-second"]
    assert not second["draft"] and "second" in second["body"]
    hub.fetch("second")
    hub.fetch("third")


def test_while_a_release_is_only_on_stage_mirrors_github_has_drafts(hub):
    hub.publisher.configure(hub.meta(), hub.section(), mirror("s", stage="yes"))
    hub.push("--stage")
    assert hub.publisher.release("s") and hub.shown() is None
    assert {tag: r["draft"] for tag, r in hub.releases().items()}["models-tiny"]
    hub.push()
    assert not hub.releases()["models-tiny"]["draft"]
    hub.fetch("tiny")


def test_a_repair_publishes_no_release_that_is_not_whole(hub, github):
    hub.push()
    cut_off(hub, github)
    hub.push("--repair")
    assert hub.releases()["models-second"]["draft"]
    hub.push()
    hub.fetch("second")
