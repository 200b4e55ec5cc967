"""Several real users of one machine, for tests that run as root."""

import os
import shutil
import stat
import subprocess

from conftest import BIN, Result
from waiting import PATIENCE

GROUP = 4200


def reachable(path):
    """Every user may pass through the folders above it."""
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & 0o001:
            folder.chmod(mode | 0o011)


class User:
    """Runs `ferry ARGS…` as the user with this number, who is in GROUP besides a group of their
    own, with the store of `ferry`."""

    def __init__(self, ferry, number, umask):
        self.ferry, self.number, self.umask = ferry, number, umask
        self.groups = [GROUP]
        self.home = ferry.work / f"home-{number}"
        self.home.mkdir()
        os.chown(self.home, number, number)
        reachable(self.home)
        self.programs = ferry.work / "programs"     # the build may be in a folder of root's alone
        if not self.programs.exists():
            shutil.copytree(BIN, self.programs)

    def configure(self, text):
        path = self.home / ".config/ferry/ferry.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def __call__(self, *args, check=0, env=None, umask=None):
        merged = self.ferry.environment({"HOME": self.home, "LD_PRELOAD": None, **(env or {})})
        process = subprocess.run(
            [self.programs / "ferry", *map(str, args)], cwd=self.home, env=merged, capture_output=True,
            text=True, timeout=PATIENCE, user=self.number, group=self.number,
            extra_groups=self.groups, umask=self.umask if umask is None else umask)
        assert process.returncode == check, (args, process.returncode, process.stderr)
        return Result(process)


def group_folder(path):
    """As an administrator makes one: set-group-ID, and writable for the group."""
    path.mkdir()
    os.chown(path, 0, GROUP)
    path.chmod(0o2775)
