"""Servers that are slow to start: started once a run, and used by all its tests, also with the
workers of pytest-xdist.

The first worker that wants one starts a keeper: this file as a program, which starts the server
and writes down where it is. The keeper ends, and the server with it, when the run does: however
the run ends, it notices.

    where = shared.server(tmp_path_factory, "s3_servers:Radosgw")   # what its where() returned
"""

import ctypes
import importlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys

from waiting import locked, until


def run_of(tmp_path_factory):
    """The folder that all workers of this run share, and the id of the process that ends last."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        return base.parent, os.getppid()
    return base, os.getpid()


def server(tmp_path_factory, name):
    """Where the server is. name: "module:Class"; started unless it is there."""
    base, run = run_of(tmp_path_factory)
    folder = base / "shared" / name.replace(":", "-")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        if not (folder / "where.json").exists():
            keep(folder, name, run)
    return json.loads((folder / "where.json").read_text())


def keep(folder, name, run):
    """Starts a keeper, and returns it when its server is ready."""
    log = folder / "keeper.log"
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    for path in own.values():
        os.makedirs(path, exist_ok=True)
    keeper = subprocess.Popen(
        [sys.executable, __file__, name, str(folder), str(run)], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log.open("w"),
        env={**os.environ, **own})
    until(lambda: (folder / "where.json").exists() or keeper.poll() is not None)
    if not (folder / "where.json").exists():
        raise RuntimeError(f"{name} did not start:\n{log.read_text()[-4000:]}")
    return keeper


def die_with_parent(number=signal.SIGKILL):
    """For preexec_fn: the kernel sends this signal when the parent ends."""
    ctypes.CDLL(None).prctl(1, number)      # PR_SET_PDEATHSIG


def main(name, folder, run):
    watch = os.pidfd_open(int(run))
    module, _, kind = name.partition(":")
    kept = getattr(importlib.import_module(module), kind)(pathlib.Path(folder))
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(0))
    try:
        kept.start()
        new = pathlib.Path(folder) / "where.new"
        new.write_text(json.dumps(kept.where()))
        new.rename(new.with_name("where.json"))
        poll = select.poll()        # select() has a limit of 1024 for the number
        poll.register(watch, select.POLLIN)
        poll.poll()
    finally:
        kept.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
