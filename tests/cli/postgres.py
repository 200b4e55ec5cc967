"""A real PostgreSQL server for tests: in a scratch folder, on a Unix socket and a free port of
loopback, without fsync.

    with Postgres(work) as server:
        ferry(…)                    # with [stats] database = server.url()
"""

import os
import pathlib
import shutil
import subprocess

from servers import free_port
from users import reachable
from waiting import PATIENCE

SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 20
shared_buffers = 16MB
"""


def program(name):
    """Debian keeps them beside each version; others have them on PATH."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name)


class Postgres:
    def __init__(self, work):
        self.folder = pathlib.Path(work) / "postgres"
        self.port = free_port()
        self.databases = 0
        self.process = None

    def _as_user(self, *args):
        """The server refuses to be run by root."""
        if os.geteuid() == 0:
            args = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *args)
        return [str(a) for a in args]

    def _run(self, *args):
        done = subprocess.run(self._as_user(*args), capture_output=True, text=True,
                              timeout=PATIENCE, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self):
        self.folder.mkdir(parents=True)
        reachable(self.folder)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run(program("initdb"), "-D", self.folder / "data", "-A", "trust", "-U", "ferry",
                  "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        with (self.folder / "data/postgresql.conf").open("a") as f:
            f.write(SETTINGS + f"port = {self.port}\n"
                    f"unix_socket_directories = '{self.folder}'\n")
        self._run(program("pg_ctl"), "-D", self.folder / "data", "-w", "-t", PATIENCE,
                  "-l", self.folder / "log", "start")
        return self

    def __exit__(self, *_):
        subprocess.run(self._as_user(program("pg_ctl"), "-D", self.folder / "data", "-m",
                                     "immediate", "-w", "stop"),
                       capture_output=True, timeout=PATIENCE, check=False, cwd=self.folder)

    def sql(self, text, database="postgres"):
        """Runs it; the rows, without headings."""
        return self._run(program("psql"), "-h", "127.0.0.1", "-p", self.port, "-U", "ferry",
                         "-d", database, "-At", "-v", "ON_ERROR_STOP=1", "-c", text)

    def url(self, user="ferry"):
        """A new, empty database."""
        self.databases += 1
        name = f"ops{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"
