"""A real Redis for tests: on a Unix socket in a scratch folder and on a free port, without a disk."""

import pathlib
import signal
import subprocess

from servers import free_port
from waiting import PATIENCE, until


class Redis:
    def __init__(self, folder, password=None):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "redis.sock"
        self.port = free_port()
        self.password = password
        self.process = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/1"

    def start(self):
        options = ["--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket,
                   "--save", "", "--appendonly", "no", "--dir", self.folder]
        if self.password:
            options += ["--requirepass", self.password]
        self.process = subprocess.Popen(["redis-server", *map(str, options)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.ask("PING") == "PONG")
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def ask(self, *words):
        secret = ["-a", self.password, "--no-auth-warning"] if self.password else []
        done = subprocess.run(["redis-cli", "-s", str(self.socket), *secret, *map(str, words)],
                              capture_output=True, text=True, check=False, timeout=PATIENCE)
        return done.stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)
