"""Progress and messages on standard error: on a terminal, in a file, and as JSON."""

import json
import re
import signal
import subprocess

import pytest

import schemas
from screen import on_screen


def sparse(path, size):
    with path.open("wb") as f:
        f.truncate(size)


# -- on a terminal ---------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [80, 40])
def test_a_long_name_and_a_wide_one_stay_on_their_line(ferry, work, columns):
    name = "模型-大きい-me\u0301lange-of-many-kinds-q8_0-00001-of-00003.bin"
    sparse(work / name, 16 << 30)
    shown = on_screen(ferry, ["manifest", "create", name], columns,
                      until=lambda text: "ETA" in text)
    assert shown.code == -signal.SIGINT
    last = [line for line in shown.screen.raw.split("\r") if "ETA" in line][-1]
    assert "0003.bin" in last and "%" in last


def test_the_terminal_is_clean_after_ctrl_c(ferry, work):
    sparse(work / "large.bin", 16 << 30)
    shown = on_screen(ferry, ["manifest", "create", "large.bin"],
                      until=lambda text: "%" in text)
    assert shown.code == -signal.SIGINT
    assert shown.text.splitlines()[0] == \
        "ferry manifest create: stopped by signal 2 (Interrupt)"
    assert "%" not in shown.text


def test_a_terminal_that_is_made_narrower_is_filled_anew(ferry, work):
    sparse(work / "large.bin", 16 << 30)
    shown = on_screen(ferry, ["manifest", "create", "large.bin"], resize=(30, 5),
                      until=lambda text: "ETA" in text)
    assert shown.code == -signal.SIGINT
    assert "%" not in shown.text


def test_a_job_of_the_background_does_not_draw(ferry, work):
    """A shell with job control runs it; the terminal belongs to the shell meanwhile."""
    sparse(work / "large.bin", 64 << 20)
    line = " ".join(ferry.command("manifest", "create", "large.bin"))
    shown = on_screen(ferry, None, shell=f"{line} & wait $!")
    assert shown.code == 0, shown.text
    assert "%" not in shown.screen.raw


@pytest.mark.parametrize("env, coloured", [
    ({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "vt100"}, False),
], ids=lambda v: str(v))
def test_colour_is_only_where_the_terminal_has_it_and_it_is_wanted(ferry, work, env, coloured):
    shown = on_screen(ferry, ["manifest", "create", "missing.bin"], env=env)
    assert shown.code == 3
    assert shown.text.startswith("ferry manifest create: missing.bin")
    assert bool(shown.screen.colours) == coloured
    sparse(work / "large.bin", 16 << 30)
    shown = on_screen(ferry, ["manifest", "create", "large.bin"], env=env,
                      until=lambda text: "%" in text)
    assert bool(shown.screen.colours) == coloured


def test_what_is_no_terminal_gets_no_colour(ferry):
    assert "\x1b" not in ferry("manifest", "create", "missing.bin", check=3).err


# -- as JSON ---------------------------------------------------------------------------------

def events(text):
    """Nothing but events: one in each line."""
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        schemas.validate(event, "progress")
    return found


@pytest.mark.parametrize("line, code", [
    ("fetch --progress=json --nope", 2), ("fetch --nope --progress json", 2),
    ("--progress=json fetsh", 2), ("--progress=json", 2), ("catalog --progress=json", 2),
    ("completion --progress=json sh", 2), ("manifest create --progress=json", 2),
    ("manifest create missing.bin --progress=json", 3),
    ("manifest create --progress=json a.bin missing.bin", 3),
    ("fetch --progress=json --json no-such-model", 2),
    ("-C nowhere fetch --progress=json x", 2),
])
def test_an_error_is_json_too(ferry, work, line, code):
    sparse(work / "a.bin", 1000)
    told = events(ferry(*line.split(), check=code).err)
    assert told[-1]["event"] == "error"
    assert told[-1]["exit"] == code and told[-1]["class"] in ("usage", "not-found")
    assert told[-1]["message"]


def test_a_hint_is_a_member_of_its_error(ferry):
    told = events(ferry("--progress=json", "fetsh", check=2).err)
    assert told == [{"event": "error", "class": "usage", "exit": 2,
                     "message": "unknown command 'fetsh'",
                     "hint": "did you mean 'ferry fetch'?"}]


def test_what_ctrl_c_ends_closes_with_json(ferry, work):
    sparse(work / "large.bin", 16 << 30)
    process = ferry.start("manifest", "create", "--progress=json", "large.bin")
    line = process.stderr.readline()
    assert json.loads(line) == {"event": "begin", "task": "large.bin", "bytes": 0,
                                "total": 16 << 30}
    process.send_signal(signal.SIGINT)
    told = events(process.communicate()[1])
    assert process.returncode == -signal.SIGINT
    assert told[-1]["event"] == "error" and told[-1]["class"] == "cancelled"
    assert told[-1]["exit"] == 130


def test_an_advance_tells_the_rate_and_the_time_that_is_left(ferry, work):
    sparse(work / "large.bin", 16 << 30)
    process = ferry.start("manifest", "create", "--progress=json", "large.bin")
    for line in process.stderr:
        event = json.loads(line)
        assert event["bytes"] <= event["total"]
        if "eta" in event:
            break
    assert event["event"] == "advance" and event["rate"] > 0 and event["eta"] > 0
    process.terminate()
    process.communicate()


def test_nobody_is_asked_where_nothing_but_json_may_be_printed(ferry, work):
    """The same command that asks on a terminal."""
    shown = on_screen(ferry, ["catalog", "init", "--progress=json"],
                      env={"FERRY_PASSPHRASE": None})
    assert shown.code == 2
    told = events(shown.text.replace("\n", ""))
    assert told[-1]["event"] == "error"


# -- elsewhere -------------------------------------------------------------------------------

def test_a_file_gets_lines_without_control_characters(ferry, work):
    sparse(work / "large.bin", 64 << 20)
    with (work / "log").open("w") as log:
        subprocess.run(ferry.command("manifest", "create", "-v", "large.bin"), cwd=work,
                       env=ferry.environment(None), stderr=log, check=True)
    text = (work / "log").read_text()
    assert re.search(r"^ferry manifest create: large.bin: 64.0 MiB in ", text, re.M)
    assert not re.search("[\r\x1b]", text)
