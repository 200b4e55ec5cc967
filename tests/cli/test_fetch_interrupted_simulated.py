"""A fetch whose process or machine has trouble: signals, a full disk, a store that cannot be written
to, a clock that is set back. The mirrors are SIMULATED: they hold a request at a certain byte."""

import os
import pathlib
import signal
import subprocess
import threading

import pytest

import clocks
from disks import SmallDisk, read_only
from fault_tests import MODEL, mirrors  # noqa: F401 (fixture)
from faulty_simulated import PIECE, touches
from test_fetch import (MIB, claimed, client, prepared,  # noqa: F401 (fixtures)
                        publisher, sha256, signed)
from waiting import communicate, kill, stopped, until

LAST = 3        # the last piece of the tiny model
LATE = LAST * PIECE + MIB


class Held:
    """A mirror that sends all pieces but the last one, and waits in the middle of that."""

    def __init__(self, ferry, server):
        self.ferry, self.server = ferry, server
        self.go = threading.Event()
        self.fault = server.add(MODEL, times=1, at=LATE, until=self.go.is_set)

    def start(self, **options):
        """A fetch that has come so far."""
        process = self.ferry.start("fetch", "tiny", start_new_session=True, **options)
        until(lambda: claimed(self.ferry) == LAST, process)
        return process

    def completes(self, process):
        """The process goes on to the end."""
        self.go.set()
        out, err = communicate(process)
        assert process.returncode == 0, err
        path = pathlib.Path(out.removesuffix("\n"))
        assert sha256(path) == path.resolve().name
        return err


@pytest.fixture
def held(ferry, mirrors):
    return Held(ferry, mirrors.alone())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_costs_only_what_was_on_its_way(mirrors, held, number):
    process = held.start()
    os.killpg(process.pid, number)
    communicate(process)
    assert process.returncode == -number
    held.server.mend()
    held.go.set()
    held.server.wait_until_quiet()
    mirrors.goes_on(held.server, LAST * PIECE)


@pytest.mark.parametrize("then", [None, "drop", "reset"])
def test_a_process_that_is_stopped_for_a_while_goes_on(mirrors, held, then):
    """Meanwhile the mirror may have lost its patience."""
    if then:
        held.fault.what["then"] = then
    process = held.start()
    process.send_signal(signal.SIGSTOP)
    stopped(process)
    held.go.set()
    if then:
        until(lambda: any(e.get("over") for e in held.server.asked()
                          if touches(e["range"], LATE, LATE + 1)))
    process.send_signal(signal.SIGCONT)
    held.completes(process)


def test_a_clock_that_is_set_back_in_mid_file_does_no_harm(work, held):
    clock = work / "clock"
    clock.write_text("+0")
    env = {"FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1",
           "LD_PRELOAD": library() + ":" + held.ferry.env["LD_PRELOAD"]}
    process = held.start(env=env)
    clock.write_text("-400d")
    held.completes(process)


@pytest.mark.parametrize("at", ["-1 day", "-400 days"])
def test_pieces_count_after_the_clock_was_set_back(ferry, held, mirrors, at):
    kill(held.start())
    held.server.mend()
    model = ferry("fetch", "--json", "tiny", at=at).json["models"][0]
    assert model["resumed"] == LAST * PIECE and sha256(model["path"]) == model["files"][0]["sha256"]


def test_a_disk_that_fills_up_costs_no_verified_piece(ferry, held, mirrors):
    disk = SmallDisk(ferry.store, 40 * MIB)
    try:
        process = held.start(env=disk.env)
        disk.fill()
        held.go.set()
        _, err = communicate(process)
        assert process.returncode == 7, err
        assert "No space left on device" in err or "the disk is filling up" in err
        assert not list((ferry.store / "blobs" / "sha256").iterdir())
        disk.free(80 * MIB)
        ferry.env.update(disk.env)
        mirrors.goes_on(held.server, LAST * PIECE)
    finally:
        disk.close()


def test_what_can_be_resumed_stays_in_a_store_that_cannot_be_written_to(ferry, held, mirrors):
    kill(held.start())
    held.server.mend()
    with read_only(ferry.store) as confine:
        process = subprocess.run(confine(ferry.command("fetch", "tiny")), cwd=ferry.work, text=True,
                                 env=ferry.environment(None), capture_output=True)
        assert process.returncode == 7 and "read-only" in process.stderr, process.stderr
    mirrors.goes_on(held.server, LAST * PIECE)


def library():
    """faketime's, which follows a file."""
    shown = subprocess.run([*clocks.showing("-1 day", "-m"), "printenv", "LD_PRELOAD"], text=True,
                           check=True, capture_output=True).stdout
    return shown.strip()
