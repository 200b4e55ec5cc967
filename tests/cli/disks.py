"""Disks that are small or cannot be written to. Real file systems where the tests may mount
them; elsewhere (in a container, as an ordinary user) a library that is preloaded simulates
the small one, and permissions make the other."""

import contextlib
import os
import subprocess

from conftest import preloaded
from published import plain_user


class SmallDisk:
    """A folder with room for `size` bytes, for what runs with `env`."""

    def __init__(self, folder, size):
        self.path = folder
        self.path.mkdir(exist_ok=True)
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
            capture_output=True).returncode == 0
        self.env = {}
        if not self.mounted:
            self.env = preloaded("disk", SIMULATED_DISK=folder)
            self.resize(size)

    def resize(self, size):
        if self.mounted:
            subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)
        else:
            self.path.with_name(self.path.name + ".size").write_text(str(size))

    def fill(self):
        """Somebody else takes all the room that is left."""
        if not self.mounted:
            self.resize(1)
            return
        with contextlib.suppress(OSError), open(self.path / "eater", "wb") as eater:
            while True:
                eater.write(bytes(1 << 20))

    def free(self, size):
        """The others' files go away, and the disk grows to so many bytes."""
        (self.path / "eater").unlink(missing_ok=True)
        self.resize(size)

    def empty(self, size):
        """It goes away again."""
        if self.mounted:
            (self.path / "eater").unlink()
        else:
            self.resize(size)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)


@contextlib.contextmanager
def read_only(folder):
    """Yields what turns a command into one that cannot write to the folder."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"'
    space = ["unshare", "-m", "sh", "-c"]
    if subprocess.run([*space, mount, folder], capture_output=True).returncode == 0:
        yield lambda command: [*space, f'{mount} && exec "$@"', folder, *command]
        return
    paths = [folder, *(p for p in folder.rglob("*") if not p.is_symlink())]
    modes = [p.stat().st_mode for p in paths]
    for path, mode in zip(paths, modes):
        path.chmod(mode & ~0o222)
    try:
        yield plain_user
    finally:
        for path, mode in zip(paths, modes):
            path.chmod(mode)
