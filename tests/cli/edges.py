"""A running `ferry serve`, for the tests of the edge.

    with Edge(ferry, publisher.client()) as edge:
        edge.get("/metadata/timestamp.json").status
"""

import http.client
import json
import pathlib
import signal
import socket

from waiting import PATIENCE, Log, kill, until

SETTINGS = "\n[serve]\nlisten = 127.0.0.1:0\nadmin = {admin}\n"


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = response.headers

    def __getitem__(self, name):
        return self.headers.get(name)


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Edge:
    """`client` is the text of ferry.conf with the repositories, `more` what else stands in
    [serve], `args` are further options."""

    def __init__(self, ferry, client, more="", args=(), name="edge", env=None, **options):
        self.dir = pathlib.Path(ferry.work) / name
        self.dir.mkdir(exist_ok=True)
        self.admin = self.dir / "admin.sock"
        self.conf = self.dir / "ferry.conf"
        self.conf.write_text(client + SETTINGS.format(admin=self.admin) + more + "\n")
        self.log = Log(self.dir / "stderr")
        self.process = ferry.start("serve", "--json", *args, cwd=self.dir, env=env,
                                   stderr=self.log.open(), **options)
        self.document = self._read_document()
        self.urls = [n["url"] for n in self.document["listening"] if not n["admin"]]
        self.url = self.urls[0]
        self.port = int(self.url.rsplit(":", 1)[1]) if "unix:" not in self.url else None

    def _read_document(self):
        """It is there as soon as the edge serves."""
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n" and "listening" in (document := json.loads(text)):
                return document
        self.process.wait()         # what it printed, if anything, is an error
        raise AssertionError(f"exit {self.process.returncode}: {text}{self.log.text}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def stop(self, number=signal.SIGTERM):
        """The exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        return code

    def kill(self):
        kill(self.process)

    def connect(self):
        """A connection of http.client, which stays open."""
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def ask(self, method, path, headers=None, body=None, connection=None):
        own = connection or self.connect()
        own.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            own.putheader(name, value)
        if body is not None:
            own.putheader("Content-Length", str(len(body)))
        own.endheaders(body)
        response = own.getresponse()
        answer = Answer(response, response.read())
        if not connection:
            own.close()
        return answer

    def get(self, path, **headers):
        """headers: their names with '_' for '-'."""
        return self.ask("GET", path, {k.replace("_", "-"): v for k, v in headers.items()})

    def head(self, path, **headers):
        return self.ask("HEAD", path, {k.replace("_", "-"): v for k, v in headers.items()})

    def as_admin(self, method, path, body=None):
        connection = Unix(self.admin)
        try:
            return self.ask(method, path, body=body, connection=connection)
        finally:
            connection.close()

    def shows(self, version, repository=None):
        """Waits until it shows this release."""
        path = f"/{repository}/metadata/timestamp.json" if repository else \
            "/metadata/timestamp.json"

        def there():
            answer = self.get(path)
            return answer.status == 200 and \
                json.loads(answer.body)["signed"]["version"] == version
        until(there, self.process)
