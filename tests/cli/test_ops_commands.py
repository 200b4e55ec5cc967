"""Every command that operators are told to run exists, with the options that it is given: in the
alerts, the units, the crontab and ferry-operations(7)."""

import functools
import re
import shlex
import subprocess

import pytest
import yaml

from conftest import BIN, ROOT
from test_ops_units import commands

OPS = ROOT / "scripts" / "ops"
PAGE = (ROOT / "man" / "ferry-operations.7.scd").read_text()
RULES = yaml.safe_load((OPS / "prometheus" / "ferry.rules.yml").read_text())


def in_rules():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            for text in re.findall(r"`(ferry [^`]*)`", rule["annotations"]["description"]):
                yield rule["alert"], re.sub(r"\{\{.*?\}\}", "NAME", text)


def in_page():
    literal = "\n".join(PAGE.split("\n```\n")[1::2])
    for line in literal.splitlines():
        if line.startswith("ferry "):
            yield "ferry-operations(7)", line.split("  #")[0]
    prose = " ".join(PAGE.split("\n```\n")[0::2]).replace("\n", " ").replace("\t", "")
    for text in re.findall(r"\*(ferry [a-z][^*]*)\*", prose):
        yield "ferry-operations(7)", text


EVERYTHING = sorted({(where, part.strip()) for where, text in
                     [*commands(), *in_rules(), *in_page()]
                     for part in re.split(r"&&|;", text)})


@functools.cache
def help_of(*words):
    done = subprocess.run([BIN / "ferry", *words, "--help"], text=True, capture_output=True)
    return done.stdout if done.returncode == 0 else None


def split(command):
    """The words that name a command, its help, and the rest."""
    words, at = shlex.split(command)[1:], 0
    while at < len(words) and re.fullmatch("[a-z]+", words[at]) and help_of(*words[:at + 1]):
        text = help_of(*words[:at + 1])
        at += 1
        if "\nCommands:\n" not in text:
            break
    return words[:at], help_of(*words[:at]) or "", words[at:]


def test_there_are_many():
    assert {w for w, _ in EVERYTHING} > {"crontab", "ferry-health.service", "ferry-operations(7)"}
    assert len(EVERYTHING) > 60


@pytest.mark.parametrize("where, command", EVERYTHING)
def test_a_command_that_operators_are_told_to_run_exists(where, command):
    names, text, rest = split(command)
    assert names, command
    given = [w.split("=")[0] for w in rest if w.startswith("-") and w != "-"]
    for option in given:
        assert re.search(rf"^ .*{option}\b", text, re.M), f"{command}: no {option}"
    if "\nCommands:\n" in text:
        assert f"  ferry {' '.join(names)} [OPTION…]" in text, f"{command}: which command?"
        assert not rest or rest[0].startswith("-"), f"{command}: no such command"


def test_every_alert_is_in_the_manual():
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
    assert set(re.findall(r"\*(Ferry\w+)\*", PAGE)) == alerts


def test_the_files_that_the_manual_names_are_installed():
    for name in re.findall(r"^cp (.*) /etc/\S*$", PAGE, re.M):
        for pattern in name.split():
            assert list(OPS.glob(pattern)), pattern
