"""A person at the terminal of a command, who answers its questions."""

import fcntl
import os
import pty
import select
import subprocess
import termios

from waiting import PATIENCE

END = "\x04"        # Ctrl-D


class Typed:
    """What came of it: exit code, standard output and error, and what the terminal showed."""

    def __init__(self, process, shown):
        self.out, self.err = (text.decode() for text in process.communicate())
        self.code, self.shown = process.returncode, shown


def answered(ferry, args, answers, env=None):
    """Runs a command whose terminal gives these answers, each to the question that it is for."""
    screen, own = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(own, termios.TIOCSCTTY)

    process = subprocess.Popen(ferry.command(*args), cwd=ferry.work, env=ferry.environment(env),
                               stdin=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=take_terminal)
    os.close(own)
    shown = ""
    try:
        for question, answer in answers:
            before = len(shown)
            while not shown[before:].endswith(question + ": "):
                ready, _, _ = select.select([screen], [], [], PATIENCE)
                assert ready, f"no question after {PATIENCE} s: {shown}"
                shown += os.read(screen, 1000).decode()
            os.write(screen, answer.encode() + (b"" if answer == END else b"\n"))
        return Typed(process, shown)
    finally:
        process.kill()
        process.wait()
        os.close(screen)
