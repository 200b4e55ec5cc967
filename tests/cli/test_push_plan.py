"""`ferry push --plan` and `--apply`: what a second person has reviewed is done, or nothing."""

import json
import shutil

import pytest

from kills import Moments
from published import flip, mirror, outcomes, publisher, rewrite, signed_base  # noqa: F401


def plan(publisher, *options, file="plan.json"):
    publisher("push", "--plan", file, *options)
    return json.loads((publisher.dir / file).read_text())


def state(publisher):
    """Every file on the mirrors, but for those of our own."""
    return {p.relative_to(publisher.dir): p.read_bytes()
            for p in (publisher.dir / "mirrors").rglob("*")
            if p.is_file() and ".ferry" not in p.parts}


def moved(result):
    return {(m.get("mirror"), m["what"]) for m in result.json["moved"]}


def refused(publisher, *options):
    before = state(publisher)
    result = publisher("push", "--apply", "plan.json", "--json", *options, check=8)
    assert result.json["changed"] is False and state(publisher) == before
    assert result.json["error"]["message"].startswith("nothing was written")
    assert "--plan" in result.json["error"]["hint"]
    return moved(result)


def test_a_plan_tells_what_is_done_and_apply_does_exactly_that(publisher, validate):
    document = plan(publisher)
    validate(document, "push-plan")
    assert not publisher.mirror().exists()
    for planned in document["mirrors"]:
        assert planned["shows"]["state"] == "none"
        assert planned["puts"] == len(planned["steps"]) == 13
        assert planned["put_bytes"] == sum(s["size"] for s in planned["steps"])
        assert planned["place"].endswith(f"/mirrors/{planned['id']}")
    result = publisher("push", "--apply", "plan.json", "--json", "-v")
    assert outcomes(result) == {"a": "done", "b": "done", "c": "done"}
    for planned, done in zip(document["mirrors"], result.json["mirrors"]):
        assert {s["key"] for s in planned["steps"]} == \
            {s["key"] for s in done["steps"] if s["written"]}
    publisher("verify", "--full")


def test_a_plan_can_be_read_by_people(publisher):
    text = publisher("push", "--plan", "plan.json").out
    assert "metadata/timestamp.json" in text and "missing" in text
    assert "ferry push --apply plan.json" in text


def test_a_plan_that_was_applied_has_nothing_more_to_do(publisher):
    plan(publisher)
    publisher("push", "--apply", "plan.json")
    again = publisher("push", "--apply", "plan.json", "--json")
    assert again.json["changed"] is False
    assert set(outcomes(again).values()) == {"up-to-date"}


def test_an_update_is_planned_with_what_the_mirrors_show(publisher, validate):
    publisher("push")
    old = publisher.release("a")
    publisher.add_model("second", seed=2)
    document = plan(publisher, "-m", "a")
    validate(document, "push-plan")
    assert document["only"] == ["a"]
    assert [m["id"] for m in document["mirrors"]] == ["a"]
    shows = document["mirrors"][0]["shows"]
    assert shows["state"] == "older" and shows["version"] == old and shows["etag"]
    steps = {s["key"]: s for s in document["mirrors"][0]["steps"]}
    assert steps["metadata/timestamp.json"]["action"] == "replace"
    assert {s["action"] for k, s in steps.items() if k.startswith("targets/")} == {"put"}
    assert not any("tiny" in key or key.endswith("root.json") for key in steps)
    publisher("push", "--apply", "plan.json")
    assert publisher.release("a") > old == publisher.release("b")


def test_a_plan_for_the_stage_stays_on_the_stage(publisher):
    publisher.configure(mirror("a"), mirror("s", stage="yes"))
    document = plan(publisher, "--stage")
    assert document["stage"] is True
    publisher("push", "--apply", "plan.json")
    assert publisher.release("s") is not None and publisher.release("a") is None
    publisher.on("a", "*tiny*.gguf")


def test_a_new_release_is_not_what_was_planned(publisher):
    plan(publisher)
    publisher("catalog", "refresh")
    assert {(None, "release"), (None, "timestamp.json")} <= refused(publisher)


@pytest.mark.parametrize("change, what", [
    (dict(more="[publish]\nquorum = 1\n"), {(None, "quorum")}),
    (dict(mirrors=[mirror("a"), mirror("b")]), {("c", "mirror")}),
    (dict(mirrors=[mirror(n) for n in "abcd"]), {("d", "mirror")}),
    (dict(mirrors=[mirror("a"), mirror("b"), mirror("c", path="mirrors/other")]),
     {("c", "place"), ("c", "path")}),
    (dict(mirrors=[mirror("a"), mirror("b"), mirror("c", stage="yes")]), {("c", "stage")}),
    (dict(mirrors=[mirror("a"), mirror("b"), mirror("c", region="eu")]), {("c", "region")}),
    (dict(mirrors=[mirror("a", holds="objects"), mirror("b"), mirror("c")]), {("a", "holds")}),
])
def test_another_configuration_is_not_what_was_planned(publisher, change, what):
    plan(publisher)
    publisher.configure(*change.get("mirrors", ()), more=change.get("more", ""))
    assert what <= refused(publisher)


def test_a_mirror_that_somebody_pushed_to_is_not_what_was_planned(publisher):
    publisher("push")
    shutil.copytree(publisher.tree, publisher.dir / "theirs")
    publisher.add_model("second", seed=2)
    plan(publisher)
    publisher("catalog", "refresh", "--repository", "theirs", "--keys", "keys")
    publisher("push", "--repository", "theirs", "-m", "b")
    assert any(mirror == "b" for mirror, _ in refused(publisher))


def test_a_file_that_disappeared_or_appeared_is_not_what_was_planned(publisher):
    publisher("push")
    publisher.add_model("second", seed=2)
    document = plan(publisher)
    lost = publisher.on("c", "*tiny*.gguf")
    data = lost.read_bytes()
    lost.unlink()
    key = str(lost.relative_to(publisher.mirror("c")))
    assert refused(publisher) == {("c", key)}
    lost.write_bytes(data)
    new = next(s["key"] for s in document["mirrors"][1]["steps"] if s["key"].endswith(".gguf"))
    path = publisher.mirror("b") / new
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"something else")
    assert ("b", new) in refused(publisher)


def test_a_step_that_was_struck_out_is_not_done(publisher):
    document = plan(publisher)
    key = document["mirrors"][1]["steps"].pop()["key"]
    (publisher.dir / "plan.json").write_text(json.dumps(document))
    assert refused(publisher) == {("b", key)}


def test_a_digest_that_was_changed_is_not_what_is_there(publisher):
    document = plan(publisher)
    step = document["mirrors"][0]["steps"][0]
    step["sha256"] = "0" * 64
    (publisher.dir / "plan.json").write_text(json.dumps(document))
    assert refused(publisher) == {("a", step["key"])}


def test_what_moved_is_shown_to_people(publisher):
    plan(publisher)
    publisher.configure(more="[publish]\nquorum = 2\n")
    result = publisher("push", "--apply", "plan.json", check=8)
    assert "quorum is now 2, but 0 in the plan" in result.err
    assert result.out.splitlines()[0].split() == ["-", "quorum", "0", "2"]


def test_a_planned_check_reads_back_and_mends(publisher):
    """What was recorded is planned to be read back; what is wrong then is replaced."""
    publisher("push")
    document = plan(publisher, "--recheck")
    assert {s["action"] for s in document["mirrors"][0]["steps"]} == {"check"}
    flip(publisher.on("b", "*tiny*.gguf"), 9_000_000)
    result = publisher("push", "--apply", "plan.json", "--json")
    assert {m["id"]: m["written"] for m in result.json["mirrors"]} == {"a": 0, "b": 1, "c": 0}
    publisher("verify", "--full")


def test_an_apply_that_was_killed_can_be_applied_again(publisher):
    publisher.configure(mirror("a"), mirror("b"))
    plan(publisher)

    def fresh():
        publisher.forget("a")
        publisher.forget("b")
        shutil.rmtree(publisher.tree / ".ferry", ignore_errors=True)
    moments = Moments(publisher.dir, lambda env: publisher("push", "--apply", "plan.json", env=env))
    killed = 0
    for env in moments.some(20):
        fresh()
        killed += publisher("push", "--apply", "plan.json", env=env, check=None).code != 0
        publisher("push", "--apply", "plan.json")
        publisher("verify", "--full")
    assert killed >= 15


def test_a_mirror_that_is_down_does_not_stop_the_others(publisher):
    publisher.configure(more="[publish]\nquorum = 2\n")
    plan(publisher)
    publisher.mirror("c").parent.mkdir()
    publisher.mirror("c").write_text("in the way")
    result = publisher("push", "--apply", "plan.json", "--json", check=7)
    assert outcomes(result) == {"a": "done", "b": "done", "c": "failed"}


def test_no_plan_is_made_while_a_mirror_is_down(publisher):
    publisher("push", "-m", "a")
    publisher.configure(mirror("a"), mirror("z", kind="github", owner="o/o", repo="r"))
    publisher("push", "--plan", "plan.json", check=2)
    assert not (publisher.dir / "plan.json").exists()


@pytest.mark.parametrize("text, code", [
    ("", 6), ("[]", 6), ('{"format": "model-ferry-card"}', 6),
    ('{"format": "model-ferry-push-plan", "version": 2}', 6),
])
def test_what_is_no_plan_is_refused(publisher, text, code):
    (publisher.dir / "plan.json").write_text(text)
    assert "plan.json" in publisher("push", "--apply", "plan.json", check=code).err


def test_a_plan_that_is_missing_is_named(publisher):
    assert "plan.json" in publisher("push", "--apply", "plan.json", check=3).err


@pytest.mark.parametrize("options", [["-m", "a"], ["--stage"], ["--recheck"],
                                     ["--plan", "other.json"]])
def test_options_that_contradict_the_plan_are_a_usage_error(publisher, options):
    plan(publisher)
    publisher("push", "--apply", "plan.json", *options, check=2)


def test_an_apply_can_be_tried_without_writing(publisher):
    plan(publisher)
    result = publisher("push", "--apply", "plan.json", "--dry-run", "--json")
    assert set(outcomes(result).values()) == {"planned"}
    assert not publisher.mirror().exists()
    rewrite(publisher.dir / "ferry.conf",
            (publisher.dir / "ferry.conf").read_bytes() + b"[publish]\nquorum = 1\n")
    publisher("push", "--apply", "plan.json", "--dry-run", check=8)
