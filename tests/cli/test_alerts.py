"""`ferry health` tells people and programs what has changed: once, and once that it is over."""

import json
import os
import shutil
import socket
import stat

import pytest

from alertmanager import Alertmanager, Receiver
from published import publisher, signed_base  # noqa: F401 (fixtures)
from schemas import validate
from waiting import until

# A command that keeps each document, and what it was called with. `killer`: kills its parent, which
# is `ferry health`, before that can record anything.
HOOK = """#!/bin/sh
set -eu
echo "$# $*" >> called
env > environment
cat > "told-$(wc -l < called)"
[ ! -e broken ] || { echo 'no signal' >&2; exit 3; }
if [ -e killer ]; then rm killer; kill -9 $PPID; fi
"""


class Health:
    def __init__(self, publisher):  # noqa: F811
        self.publisher, self.dir = publisher, publisher.dir
        (self.dir / "hook").write_text(HOOK)
        (self.dir / "hook").chmod(0o755)
        self.configure("[alert.ops]\nkind = command\ncommand = ./hook --now\n")
        publisher("push")

    def configure(self, alerts):
        self.publisher.configure(more="[health]\nplace = lab\n" + alerts)

    def __call__(self, *args, **options):
        return self.publisher("health", "--no-audit", *args, **options)

    def outcomes(self, **options):
        return {a["name"]: a["outcome"] for a in self("--json", check=None, **options).json["alerts"]}

    def hide(self, name="b"):
        shutil.move(self.publisher.mirror(name), self.dir / "hidden")

    def show(self, name="b"):
        shutil.move(self.dir / "hidden", self.publisher.mirror(name))

    def told(self):
        """The documents that the command got, in order."""
        found = sorted(self.dir.glob("told-*"), key=lambda p: int(p.name.split("-")[1]))
        documents = [json.loads(p.read_text()) for p in found]
        for document in documents:
            validate(document, "alert")
        return documents


@pytest.fixture
def health(publisher):  # noqa: F811
    return Health(publisher)


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def changes(document):
    return [(c["event"], c.get("mirror"), c["check"]) for c in document["changes"]]


def secret(health, url, mode=0o600):
    (health.dir / "url").write_text(url + "\n")
    (health.dir / "url").chmod(mode)


def test_a_command_is_told_once_of_a_problem_and_once_of_its_end(health):
    assert health.outcomes() == {"ops": "quiet"}
    health.hide()
    assert health.outcomes() == {"ops": "sent"}
    [document] = health.told()
    assert changes(document) == [("problem", "b", "reach")] and document["place"] == "lab"
    assert document["changes"][0]["state"] == "critical" and document["active"]
    assert health.outcomes() == {"ops": "quiet"}
    health.show()
    assert health.outcomes() == {"ops": "sent"}
    assert health.outcomes() == {"ops": "quiet"}
    [_, over] = health.told()
    assert changes(over) == [("recovered", "b", "reach")] and over["active"] == []
    assert (health.dir / "called").read_text() == "1 --now\n" * 2
    assert document["changes"][0]["reason"] not in (health.dir / "environment").read_text()


def test_a_command_that_fails_is_told_by_the_next_run_and_the_failure_is_said(health):
    health.hide()
    (health.dir / "broken").touch()
    result = health("--prometheus", "metrics", check=1)
    assert "alert ops: the command ended with status 3: no signal" in result.err
    assert 'ferry_alert_failures_total{alert="ops"} 1\n' in (health.dir / "metrics").read_text()
    (health.dir / "broken").unlink()
    assert health.outcomes() == {"ops": "sent"}
    first, second = health.told()
    assert first["id"] == second["id"] and changes(second) == [("problem", "b", "reach")]


def test_a_run_that_is_killed_after_sending_sends_again_with_the_same_id(health):
    health.hide()
    (health.dir / "killer").touch()
    health(check=-9)
    assert health.outcomes() == {"ops": "sent"}
    first, second = health.told()
    assert first["id"] == second["id"]
    assert [c["id"] for c in first["changes"]] == [c["id"] for c in second["changes"]]
    assert health.outcomes() == {"ops": "quiet"}


def test_a_silenced_mirror_is_told_of_when_the_silence_is_over(health):
    health.publisher("health", "silence", "b", "--for", "2h")
    health.hide()
    assert health.outcomes() == {"ops": "quiet"}
    assert health.outcomes(at="+1 hour") == {"ops": "quiet"}
    assert health.outcomes(at="+3 hours") == {"ops": "sent"}
    assert ("problem", "b", "reach") in changes(health.told()[0])


def test_a_run_of_one_mirror_does_not_end_the_problems_of_others(health):
    health.hide()
    health(check=1)
    health("--mirror", "a")
    assert len(health.told()) == 1
    health.show()
    assert health.outcomes() == {"ops": "sent"}


def test_what_came_and_went_while_a_webhook_was_down_is_one_message(health, receiver, no_pauses):
    secret(health, f"{receiver.url}/services/s3cr3t")
    health.configure("[alert.hook]\nkind = webhook\nurl-file = url\n")
    receiver.status = 500
    health.hide()
    result = health(check=1)
    assert "alert hook:" in result.err and "s3cr3t" not in result.err
    assert len(receiver.got) > 1    # it was tried again at once
    health.show()
    assert "alert hook:" in health(check=1).err     # nothing else is wrong
    receiver.status = 200
    assert health.outcomes() == {"hook": "sent"}
    assert health.outcomes() == {"hook": "quiet"}
    validate(receiver.got[-1], "alert")
    assert changes(receiver.got[-1]) == [("passed", "b", "reach")]
    assert set(receiver.paths) == {"/services/s3cr3t"}


def test_no_redirect_is_followed(health, receiver):
    other = Receiver()
    health.configure("[alert.hook]\nkind = webhook\nurl-env = HOOK\n")
    receiver.status, receiver.location = 307, f"{other.url}/s3cr3t"
    health.hide()
    result = health(check=1, env={"HOOK": receiver.url})
    other.close()
    assert "redirect (status 307), which is not followed" in result.err
    assert "s3cr3t" not in result.err and other.got == []


def test_a_webhook_that_never_answers_does_not_keep_others_from_being_told(health):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        secret(health, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        health.configure("[alert.hook]\nkind = webhook\nurl-file = url\ntimeout = 1s\n"
                         "[alert.ops]\nkind = command\ncommand = ./hook\n")
        health.hide()
        assert health.outcomes() == {"hook": "failed", "ops": "sent"}


def test_slack_gets_blocks_whose_text_is_not_parsed(health, receiver):
    secret(health, f"{receiver.url}/services/T0/B0/s3cr3t")
    health.configure("[alert.chat]\nkind = slack\nurl-file = url\non = critical\n")
    health.hide()
    assert health.outcomes() == {"chat": "sent"}
    [message] = receiver.got
    assert message["text"] == "Model Ferry (lab): 1 problem, 1 active"
    header, section = message["blocks"]
    assert header["type"] == "header"
    assert section["text"]["verbatim"] is True
    assert section["text"]["text"].startswith(":red_circle: critical: mirror b of test: reach")


def test_a_url_that_others_can_read_is_not_used_and_the_way_out_is_said(health, receiver):
    secret(health, f"{receiver.url}/s3cr3t", 0o644)
    health.configure("[alert.hook]\nkind = webhook\nurl-file = url\n")
    assert stat.S_IMODE(os.stat(health.dir / "url").st_mode) == 0o644
    health.hide()
    result = health(check=1)
    assert "other users can read this file" in result.err and "chmod 600 " in result.err
    assert "s3cr3t" not in result.err and receiver.got == []


def test_an_alertmanager_fires_and_resolves(health, work):
    manager = Alertmanager(work)
    try:
        health.configure(f"[alert.am]\nkind = alertmanager\nurl = {manager.url}\n")
        health.hide()
        assert health.outcomes() == {"am": "sent"}
        until(lambda: manager.told() == [("firing", "FerryMirrorReach", "b")], manager.process)
        [alert] = manager.alerts().values()
        assert alert["labels"] == {"alertname": "FerryMirrorReach", "repository": "test",
                                   "mirror": "b", "place": "lab", "check": "reach",
                                   "severity": "critical"}
        assert alert["annotations"]["description"]
        assert health.outcomes() == {"am": "sent"}      # each run confirms what lasts
        [again] = manager.alerts().values()
        assert again["startsAt"] == alert["startsAt"] and again["endsAt"] >= alert["endsAt"]
        health.show()
        assert health.outcomes() == {"am": "sent"}
        until(lambda: len(manager.told()) == 2, manager.process)
        assert manager.told()[1] == ("resolved", "FerryMirrorReach", "b")
        assert health.outcomes() == {"am": "quiet"} and manager.alerts() == {}
    finally:
        manager.close()


def test_test_alert_sends_a_test_to_one_or_to_all(health, receiver):
    health.configure("[alert.hook]\nkind = webhook\nurl-env = HOOK\n"
                     "[alert.ops]\nkind = command\ncommand = ./hook\n")
    env = {"HOOK": receiver.url}
    result = health.publisher("health", "--test-alert", "ops", "--json")
    assert [(a["name"], a["outcome"]) for a in result.json["alerts"]] == [("ops", "sent")]
    assert receiver.got == [] and health.told()[0]["test"] is True
    assert health.publisher("health", "--test-alert", env=env).out == "hook: sent\nops: sent\n"
    receiver.status = 404
    result = health.publisher("health", "--test-alert", "hook", env=env, check=1)
    assert result.out == "hook: failed\n" and "not found" in result.err
    result = health.publisher("health", "--test-alert", "nobody", check=2)
    assert "[alert.nobody]" in result.err


def test_without_a_history_alerts_are_sent_all_the_same(health):
    database = health.publisher.ferry.home / ".local/state/ferry/ops.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(b"no database at all" * 1000)
    health.hide()
    result = health(check=1)
    assert "alerts are repeated" in result.err
    assert len(health.told()) == 1


def test_mirrors_that_there_are_not_are_pointed_out(health):
    health.configure("[alert.ops]\nkind = command\ncommand = ./hook\nmirrors = a bc\n")
    result = health(check=None)
    assert "[alert.ops]: mirrors: no mirror is called 'bc' (did you mean 'b'?)" in result.err
    assert "'a'" not in result.err
