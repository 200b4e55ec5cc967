"""Ends a command at a step of its own work: just before its Nth change to a file or a folder.
What a kill can leave on the disk is what is there between two changes, so that these are all
the moments there are; and the Nth change comes on a slow machine as on a fast one.

    moments = Moments(work, lambda env: ferry("fetch", "tiny", env=env))
    for env in moments.some(20):
        ferry("fetch", "tiny", check=None, env=env)
"""

import random
import signal

from conftest import preloaded


def at(n, call="change", number=signal.SIGKILL):
    """The environment that sends a command the signal just before its Nth call: a change, step
    (a change, but writes in a row are one), send (to a socket), rename, unlink or read."""
    return preloaded("kill", SIMULATED_KILL=f"{call}:{n}", SIMULATED_SIGNAL=int(number))


class Moments:
    """Of a command that run(environment) runs once, to its end, to count its changes."""

    def __init__(self, work, run, seed=1):
        self.chance = random.Random(seed)
        file = work / "changes"
        run(preloaded("kill", SIMULATED_CHANGES=file))
        counts = [tuple(map(int, line.split())) for line in file.read_text().splitlines()]
        file.unlink()
        self.changes, self.steps, _ = max(counts)
        self.sends = max(sends for _, _, sends in counts)
        assert self.steps > 1

    def some(self, count, number=signal.SIGKILL):
        """So many environments, in any order. Half of them are spread over all changes, most of
        which are often writes of one large file; half over the steps between."""
        found = []
        for total, call, share in ((self.changes, "change", count // 2),
                                   (self.steps, "step", count - count // 2)):
            for i in range(share):
                n = 1 + (total * i + self.chance.randrange(total)) // share
                found.append(at(n, call, number))
        self.chance.shuffle(found)
        return found

    def of_sends(self, count, number=signal.SIGKILL):
        """So many environments, spread over all that the command sends to servers, in order."""
        assert self.sends >= count
        return [at(1 + (self.sends * i + self.chance.randrange(self.sends)) // count, "send", number)
                for i in range(count)]
