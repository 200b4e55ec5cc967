"""What `ferry fetch` shows while it works, on a small model of a terminal, and its last report."""

import json
import re
import shutil
import signal

import pytest

import schemas
from screen import on_screen
from test_fetch import client, prepared, publisher, signed      # noqa: F401 (fixtures)

MIB = 1 << 20


@pytest.fixture
def mirrors(publisher, fault_server, client):       # noqa: F811
    """Two mirrors with one model of 30 MiB; the endpoint has it, too."""
    both = [fault_server(publisher.tree) for _ in range(2)]
    publisher.sign(**{"eu-west": both[0].url, "us-east": both[1].url})
    client(f"file://{publisher.tree}")
    return both


def last_frame(screen):
    """The lines that were drawn last before the display was erased for good."""
    frames = re.split(r"\x1b\[\d+A|\r(?!\n)", screen.raw.rpartition("\x1b[J")[0])
    drawn = [f for f in frames if "\x1b[K" in f]
    return [re.sub(r"\x1b\[[0-9;]*[a-zA-Z]|\r", "", line) for line in drawn[-1].splitlines()]


@pytest.mark.parametrize("columns, file, mirror", [
    (80, r"^tiny-q8_0.gguf +\[=* *\] +\d+ %  +[\d.]+ of 30.0 MiB +[\d.]+ [KM]iB/s  ETA \d+",
     r"^  eu-west +\d+ %  +[\d.]+ [KM]iB"),
    (40, r"^tiny-q8_0.gguf +\d+ %  ETA \d+", r"^  eu-west +\d+ %$"),
])
def test_each_mirror_has_a_line_below_the_file(ferry, mirrors, columns, file, mirror):
    shown = on_screen(ferry, ["fetch", "tiny", "--limit-rate", "4M"], columns,
                      until=lambda text: "ETA" in text and "eu-west" in text)
    assert shown.code == -signal.SIGINT
    lines = last_frame(shown.screen)
    assert re.search(file, lines[0]), lines
    assert any(re.search(mirror, line) for line in lines[1:]), lines
    assert max(map(len, lines)) <= columns - 3


def test_after_ctrl_c_only_the_error_is_left_on_the_screen(ferry, mirrors):
    shown = on_screen(ferry, ["fetch", "tiny", "--limit-rate", "4M"],
                      until=lambda text: "%" in text)
    assert shown.code == -signal.SIGINT
    assert shown.text == ("ferry fetch: stopped by signal 2 (Interrupt)\n"
                          "  hint: run the same command again: verified pieces are kept\n")


def test_the_report_says_what_came_from_which_mirror(ferry, mirrors):
    result = ferry("fetch", "tiny", "--json")
    sources = {s["id"]: s for s in result.json["sources"]}
    assert sum(s["share"] for s in sources.values()) in (99, 100, 101)
    told = dict(re.findall(r"^ferry fetch: from (\S+) +(\d+) %  ", result.err, re.M))
    for name in ("eu-west", "us-east"):
        if sources.get(name, {}).get("bytes", 0) >= MIB:
            assert sources[name]["rate"] > 0
            assert int(told[name]) == sources[name]["share"]
    assert len(told) != 1


def test_one_mirror_without_faults_takes_one_line(ferry, publisher, client):        # noqa: F811
    client(f"file://{publisher.tree}")
    result = ferry("fetch", "tiny")
    assert "wasted" not in result.err and "ferry fetch: from " not in result.err
    assert "ferry fetch: demo/tiny:q8_0: 30.0 MiB fetched and verified\n" in result.err
    model = ferry("fetch", "tiny", "--json").json["models"][0]
    assert model["fetched"] == model["reused"] == model["hashed_twice"] == 0


@pytest.mark.usefixtures("no_pauses")
def test_events_name_the_mirror_that_lies_and_every_line_is_json(ferry, work, publisher, client,
                                                                 mirrors):     # noqa: F811
    endpoint = work / "endpoint"
    shutil.copytree(publisher.tree, endpoint, ignore=shutil.ignore_patterns("*.gguf"))
    client(f"file://{endpoint}")
    for piece in range(4):
        mirrors[0].add(path="*.gguf", flip_at=8 * MIB * piece + 5)
    held = mirrors[1].add(path="*.gguf", hold_after=1000)
    process = ferry.start("fetch", "tiny", "--progress=json")
    told = []
    for line in process.stderr:
        told.append(json.loads(line))
        if told[-1].get("state") == "banned":
            held.release()
    assert process.wait() == 0
    for event in told:
        schemas.validate(event, "progress")
        assert event["event"] != "advance" or event["bytes"] <= event["total"]
    last = {e["source"]: e["state"] for e in told if e["event"] == "source"}
    assert last["eu-west"] == "banned" and last["us-east"] not in ("banned", "failed")
    assert any(e["event"] == "warning" and "mirror eu-west: wrong bytes" in e["text"] for e in told)
    process.communicate()
