"""SIMULATED: a mirror that speaks HTTP/2 and ends sessions and streams (tests/js/http2-simulated.cjs)."""

import json
import pathlib
import subprocess

from waiting import PATIENCE

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "js" / "http2-simulated.cjs"


class Http2:
    def __init__(self, work, root, certificate, **fault):
        self.log = pathlib.Path(work) / "http2.log"
        self.command = ["node", PROGRAM, root, *certificate, self.log, json.dumps(fault)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().strip()
        assert self.url, "node did not start"
        return self

    def __exit__(self, *ignored):
        self.process.communicate(timeout=PATIENCE)

    def lines(self, start):
        return [line for line in self.log.read_text().splitlines() if line.startswith(start)]
