"""A small model of a terminal, and commands that run on it."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import unicodedata

from waiting import PATIENCE


class Screen:
    """What a person sees. A sequence that is not known is a fault, and so is a line of the display
    (one that ends with "erase the rest of the line") that is wrapped."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines, self.top, self.row, self.column = [[]], 0, 0, 0
        self.wrapped = False        # the line that is written now
        self.colours = set()
        self.raw = ""

    def feed(self, text):
        self.raw += text
        at = 0
        while at < len(text):
            at += self.sequence(text[at + 2:]) if text.startswith("\x1b[", at) \
                else self.character(text[at])

    def sequence(self, rest):
        digits = len(rest) - len(rest.lstrip("0123456789;"))
        number, kind = rest[:digits], rest[digits]
        if kind == "A":
            self.row -= int(number)
            assert self.row >= self.top, "the cursor is above the terminal"
        elif kind == "m":
            self.colours.add(number)
        else:
            assert kind in "JK" and not number, rest[:20]
            assert not self.wrapped, "a line is too wide"
            del self.lines[self.row][self.column:]
            if kind == "J":
                del self.lines[self.row + 1:]
        return digits + 3

    def character(self, c):
        if c == "\r":
            self.column = 0
            self.wrapped = False
        elif c == "\n":
            self.next_row()
            self.wrapped = False
        else:
            assert c.isprintable(), repr(c)
            self.put(c)
        return 1

    def next_row(self):
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.lines):
            self.lines.append([])
        self.top = max(self.top, self.row - self.rows + 1)

    def resize(self, columns, rows):
        """As most terminals do, wraps the lines that are too wide now."""
        self.columns, self.rows = columns, rows
        lines, before = [], 0
        for i, line in enumerate(self.lines):
            parts = range(0, max(len(line), 1), columns)
            before += len(parts) - 1 if i <= self.row else 0
            lines += [line[at:at + columns] for at in parts]
        self.lines = lines
        self.row += before
        self.column = min(self.column, columns - 1)
        self.top = max(self.top, self.row - rows + 1)

    def put(self, c):
        cells = [c, ""] if unicodedata.east_asian_width(c) in "WF" else [c]
        if unicodedata.combining(c):
            self.lines[self.row][self.column - 1] += c
            return
        if self.column + len(cells) > self.columns:
            self.wrapped = True
            self.next_row()
        line = self.lines[self.row]
        line.extend(" " * (self.column - len(line)))
        line[self.column:self.column + len(cells)] = cells
        self.column += len(cells)

    @property
    def text(self):
        return "".join("".join(line).rstrip() + "\n" for line in self.lines).rstrip("\n") + "\n"


class Shown:
    """A command that ran on a terminal: its exit code and the screen."""

    def __init__(self, code, screen):
        self.code, self.screen, self.text = code, screen, screen.text


def on_screen(ferry, args, columns=80, rows=24, until=None, then=signal.SIGINT, env=None,
              resize=None, shell=None):
    """Runs the command; once until(text) is true, it gets the signal. resize: (columns, rows) that
    the terminal has then instead, and until() is asked again. shell: a line for a shell with job
    control, in place of a command."""
    master, own = pty.openpty()
    screen = Screen(columns, rows)

    def size(columns, rows):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        screen.resize(columns, rows)

    size(columns, rows)
    command = ["sh", "-m", "-c", shell] if shell else ferry.command(*args)

    def take_terminal():
        os.setsid()
        fcntl.ioctl(own, termios.TIOCSCTTY)

    process = subprocess.Popen(command, cwd=ferry.work,
                               env=ferry.environment({"TERM": "xterm", **(env or {})}),
                               stdin=own, stdout=own, stderr=own, preexec_fn=take_terminal)
    os.close(own)
    try:
        with contextlib.suppress(OSError):      # at its end
            while select.select([master], [], [], PATIENCE)[0]:
                screen.feed(os.read(master, 65536).decode())
                if until and until(screen.text):
                    if resize:
                        size(*resize)
                        resize = None
                    else:
                        process.send_signal(then)
                        until = None
            raise AssertionError(f"nothing comes; on the screen:\n{screen.text}")
        return Shown(process.wait(), screen)
    finally:
        process.kill()
        process.wait()
        os.close(master)
