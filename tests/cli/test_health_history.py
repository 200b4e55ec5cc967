"""What `ferry health` remembers: thresholds, silences, uptime; and what it does without a memory."""

import contextlib
import re
import shutil
import signal
import sqlite3

import pytest

from disks import SmallDisk
from published import mirror, publisher, signed_base    # noqa: F401 (fixtures)
from test_health import findings, health, mirrors, states   # noqa: F401 (fixture)
from waiting import until


@pytest.fixture
def state(health):      # noqa: F811
    return health.publisher.ferry.home / ".local/state/ferry"


def gone(health, name="b"):     # noqa: F811
    shutil.move(health.publisher.mirror(name), health.publisher.dir / f"{name}.away")


def back(health, name="b"):     # noqa: F811
    shutil.move(health.publisher.dir / f"{name}.away", health.publisher.mirror(name))


def configure(health, settings):    # noqa: F811
    health.publisher.configure(more=f"[health]\n{settings}\n")


# -- thresholds --------------------------------------------------------------------------------

def test_a_fault_counts_after_so_many_runs_in_a_row(health):    # noqa: F811
    configure(health, "after = 3")
    health("--no-audit")
    gone(health)
    for runs in (1, 2):
        result = health("--json", "--no-audit")
        assert result.json["state"] == "ok"
        found = findings(mirrors(result)["b"])["reach"]
        assert (found["state"], found["found"], found["runs"]) == ("ok", "critical", runs)
    assert states(health("--json", "--no-audit", check=1))["b"] == "critical"
    back(health)
    assert states(health("--json", "--no-audit"))["b"] == "ok"


@pytest.mark.parametrize("setting, message", [
    ("after = 0", "ferry.conf:21: after: must be 1 to 1000 runs"),
    ("deadline = 0", "deadline: must be at least 1s"),
    ("coverage-warning = 101%", "'101%' is not a percentage"),
    ("audit = 10K", "audit: must be 0, or at least 1MiB"),
    ("place = Here", "place: at most 64 characters"),
    ("dedline = 1s", "did you mean 'deadline'?"),
])
def test_settings_that_cannot_be_used_name_their_line(health, setting, message):    # noqa: F811
    configure(health, setting)
    error = health(check=2).err
    assert message.split(": ", 1)[-1] in error and re.search(r"ferry.conf:\d+: ", error)


# -- silences ----------------------------------------------------------------------------------

def test_a_silenced_mirror_is_shown_but_counts_for_nobody(health):      # noqa: F811
    gone(health)
    health(check=1)
    assert health("silence", "b", "--for", "2h", "--reason", "new disks").out.startswith(
        "b: silenced until 20")
    result = health("--json")
    assert states(result)["b"] == "critical" and result.json["state"] == "ok"
    assert mirrors(result)["b"]["silenced"]["reason"] == "new disks"
    assert list(mirrors(result)) == ["a", "c", "b"]
    assert "silenced until" in health().out
    [listed] = health("silence", "--list", "--json").json["silences"]
    assert (listed["mirror"], listed["reason"]) == ("b", "new disks")
    health("silence", "b", "--end")
    assert health("silence", "--list", "--json").json["silences"] == []
    assert health("--json", check=1).json["state"] == "critical"


def test_a_silence_ends_by_itself(health):      # noqa: F811
    gone(health)
    health("silence", "b", "--for", "1h")
    health()
    health(check=1, at="+2 hours")


@pytest.mark.parametrize("args, message", [
    (["x", "--for", "2h"], "there is no mirror 'x'"),
    (["b"], "one of --for DURATION, --end and --list is needed"),
    (["--for", "2h"], "name the mirror"),
    (["b", "--end", "--reason", "x"], "--reason"),
    (["b", "--for", "2y"], "at most 365d"),
])
def test_a_silence_needs_a_mirror_and_a_time(health, args, message):    # noqa: F811
    assert message in health("silence", *args, check=3 if args[0] == "x" else 2).err


# -- uptime ------------------------------------------------------------------------------------

def test_the_uptime_is_the_part_of_the_runs_in_which_a_mirror_answered(health):     # noqa: F811
    for _ in range(3):
        health("--no-audit")
    gone(health)
    health("--no-audit", check=1)
    shown = {m["mirror"]: m for m in health("history", "--json").json["mirrors"]}
    assert shown["a"]["uptime_percent"] == "100.00" and shown["a"]["runs"] == 4
    assert (shown["b"]["uptime_percent"], shown["b"]["up"]) == ("75.00", 3)
    assert shown["b"]["critical"] == 1 and len(shown["b"]["days"]) == 1
    assert re.search(r"b +75.00 %", health("history").out)
    assert re.search(r"b +\d{4}-\d\d-\d\d +75.00 %", health("history", "--by-day", "-m", "b").out)
    [change] = [c for c in health("history", "--changes", "--json").json["changes"]
                if c["check"] == "reach"]
    assert (change["mirror"], change["from"], change["to"]) == ("b", "ok", "critical")
    assert "reach ok → critical" in health("history", "--changes").out
    nothing = health("history", "--mirror", "bb", check=3)
    assert "no run in this time has checked a mirror 'bb'" in nothing.err


# -- without a memory --------------------------------------------------------------------------

def test_a_damaged_history_is_left_alone_and_the_checks_are_made(health, state):    # noqa: F811
    health()
    for name in ("ops.db-wal", "ops.db-shm"):
        (state / name).unlink(missing_ok=True)
    (state / "ops.db").write_bytes(b"notes of somebody\n" * 100)
    result = health("--json")
    assert result.json["history"] is False and states(result)["a"] == "ok"
    assert "the history cannot be kept" in result.err and "move it away" in result.err
    gone(health)
    assert health(check=1).out.startswith("test: ")
    assert (state / "ops.db").read_bytes().startswith(b"notes of somebody\n")


def test_a_full_disk_keeps_no_check_from_being_made(health, work):      # noqa: F811
    with contextlib.closing(SmallDisk(work / "state", 2 << 20)) as disk:
        env = {"XDG_STATE_HOME": disk.path, **disk.env}
        health("--no-audit", env=env)
        disk.fill()
        result = health("--json", "--no-audit", env=env, check=None)
        assert states(result) == {"a": "ok", "b": "ok", "c": "ok"}
        assert result.json["history"] is False
        assert "cannot be kept" in result.err


def test_a_history_that_somebody_else_holds_keeps_no_check_from_being_made(     # noqa: F811
        health, state, no_pauses):
    health("--no-audit")
    db = sqlite3.connect(state / "ops.db", isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    result = health("--json", "--no-audit")
    db.close()
    assert states(result) == {"a": "ok", "b": "ok", "c": "ok"}
    assert result.json["history"] is False
    assert "another process" in result.err


def test_a_run_that_is_stopped_leaves_nothing_and_ends_by_the_signal(health, state, fault_server):  # noqa: F811,E501
    health("--no-audit")
    server = fault_server(health.publisher.mirror("a"))
    held = server.add(path="metadata/timestamp.json", hold_after=10)
    health.publisher.configure(
        mirror("a"), mirror("b"), mirror("c"),
        mirror("web", kind="http", url=server.url))
    with sqlite3.connect(state / "ops.db") as db:
        before = db.execute("SELECT count(*), max(start_s) FROM health_runs").fetchone()
    process = health.publisher.ferry.start("health", "--no-audit")
    until(lambda: any("timestamp" in r["path"] for r in list(server.log)), process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    held.release()
    assert process.returncode == -signal.SIGINT
    with sqlite3.connect(state / "ops.db") as db:
        assert db.execute("SELECT count(*), max(start_s) FROM health_runs").fetchone() == before


def test_silent_mirrors_cost_no_more_than_the_deadline(health, fault_server):       # noqa: F811
    server = fault_server(health.publisher.mirror("a"))
    server.add(path="*", stall_after=0)
    health.publisher.configure(
        *[mirror(f"silent{i}", kind="http", url=f"{server.url}/{i}") for i in range(5)],
        more="[health]\ndeadline = 1s\n")
    result = health("--json", check=1)
    [repository] = result.json["repositories"]
    assert set(states(result).values()) == {"critical"}
    assert all(not m["up"] for m in mirrors(result).values())
