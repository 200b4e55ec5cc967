"""Waiting for what is observed, never for a time: no test depends on the machine's speed.

    process = ferry.start("fetch", "tiny", stderr=log.open("w"))
    until(lambda: "another process" in log.read_text(), process)

`until` returns as soon as the condition holds. A command that is to be caught at work is held
up: a FaultServer with hold_after=N sends so many bytes and waits for `release()`. To end a
command at a certain step, see kills.py.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time

# Seconds. The limit for what else would hang for ever; what works comes nowhere near it.
PATIENCE = 900


def until(condition, process=None):
    """Waits until condition() is true, and returns its value. Fails if the process ends first."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = process is not None and process.poll() is not None
        value = condition()
        if value:
            return value
        assert not ended, f"the process ended with {process.returncode}"
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def kill(process):
    """SIGKILL to a process, and to its group if it was started with start_new_session=True."""
    if process.poll() is None:
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()


def gone(pid):
    """Has the process ended? A zombie that nobody has asked about yet counts."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def stopped(process):
    """Waits until the process is stopped by a signal."""
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


@contextlib.contextmanager
def locked(path):
    """Holds the lock that a command takes on the file, as another process at work would."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Log:
    """A file for the standard error of a process, which can be read while the process runs.

        log = Log(work / "log")
        process = ferry.start(…, stderr=log.open())
        until(lambda: "waiting" in log.text, process)
    """

    def __init__(self, path):
        self.path = path

    def open(self):
        return open(self.path, "w")

    @property
    def text(self):
        return self.path.read_text()


def communicate(process):
    """What the process writes until its end."""
    try:
        return process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
