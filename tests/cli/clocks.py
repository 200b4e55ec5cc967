"""Commands that see another date, by the real faketime."""

import contextlib
import pathlib

SHARED = pathlib.Path("/dev/shm")


def showing(at, *options):
    """The words before a command for which the clock shows `at` ("+3 days"; None: the real date).

    faketime shares memory with its command under the number of its process, and leaves it behind
    when it is killed: a later process of this number would end before it runs anything."""
    if at is None:
        return []
    for pattern in ("faketime_shm_*", "sem.faketime_sem_*"):
        for left in SHARED.glob(pattern):
            if not pathlib.Path("/proc", left.name.rpartition("_")[2]).exists():
                with contextlib.suppress(OSError):      # removed by another test
                    left.unlink()
    return ["faketime", *options, str(at)]
