"""scripts/ops/alerts: examples of commands for [alert.NAME]."""

import email
import email.policy
import json
import os
import subprocess

from conftest import ROOT

ALERTS = ROOT / "scripts" / "ops" / "alerts"
CHANGE = {
    "id": "1" * 32, "event": "problem", "repository": "lab", "mirror": "eu", "check": "reach",
    "state": "critical", "was": "ok", "since": "2026-01-01T00:00:00Z",
    "reason": "$(touch hit)`touch hit`", "text": "critical: mirror eu of lab: reach: $(touch hit)`touch hit`",
}
DOCUMENT = {
    "format": "model-ferry-alert", "version": 1, "id": "ab" * 16, "alert": "mail",
    "time": "2026-01-01T00:00:00Z", "test": False, "summary": "1 problem, 1 active",
    "changes": [CHANGE], "active": [], "text": "Model Ferry: 1 problem, 1 active\nsomething with ü\n",
}


def keeper(work, name):
    """A program that keeps its arguments and its standard input."""
    program = work / name
    program.write_text(f'#!/bin/sh\necho "$@" > {work}/arguments\ncat > {work}/input\n')
    program.chmod(0o755)
    return str(program)


def run(work, name, *args, **environment):
    subprocess.run([ALERTS / name, *args], input=json.dumps(DOCUMENT), text=True, check=True,
                   cwd=work, env={**os.environ, **environment})
    assert not (work / "hit").exists()
    return (work / "arguments").read_text().split(), (work / "input").read_bytes()


def test_a_mail_has_the_text_and_the_id_of_the_notification(work):
    arguments, sent = run(work, "mail", "a@example.org", "b@example.org",
                          SENDMAIL=keeper(work, "sendmail"))
    mail = email.message_from_bytes(sent, policy=email.policy.default)
    assert arguments == ["-i", "-t"]
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Subject"] == "Model Ferry CRITICAL: 1 problem, 1 active"
    assert mail["Message-ID"] == f"<{'ab' * 16}@model-ferry.invalid>"
    assert mail.get_content() == DOCUMENT["text"]


def test_syslog_gets_a_line_for_each_change(work):
    arguments, sent = run(work, "syslog", LOGGER=keeper(work, "logger"))
    assert arguments[:2] == ["-t", "ferry-health"]
    assert sent.decode() == CHANGE["text"] + "\n"
