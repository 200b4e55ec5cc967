"""What stands in front of a mirror, as `ferry mirror config` prints its configuration: the real nginx
and HAProxy, on free ports.

    with FrontNginx(ferry, "eu") as front:
        get(front, "metadata/timestamp.json").headers
"""

import contextlib
import http.client
import os
import pathlib
import subprocess
import tempfile
import urllib.parse

from servers import free_port, wait_for_port
from waiting import PATIENCE

NGINX = """
daemon off;
master_process off;
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    include {dir}/ferry.conf;
}}
"""


class Front:
    """In a `with`: runs. .url is that of the mirror, .log the file of its requests."""

    def __init__(self, ferry, mirror, *settings):
        self.ferry, self.mirror, self.settings, self.process = ferry, mirror, settings, None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.PROGRAM}-", dir=ferry.work))
        self.log = self.dir / "access.log"

    def configuration(self, *settings):
        words = [w for s in (*self.settings, *settings) for w in ("--set", s)]
        return self.ferry("mirror", "config", self.PROGRAM, "--mirror", self.mirror, *words).out

    def __enter__(self):
        url = urllib.parse.urlsplit([m["url"] for m in self.ferry("mirror", "list", "--json").json[
            "mirrors"] if m["id"] == self.mirror][0])
        self.host, self.prefix = url.netloc, url.path
        for _ in range(5):
            self.port = free_port()
            self.launch()
            with contextlib.suppress(RuntimeError):
                wait_for_port(self.port, self.process)
                return self
            self.stop()
        raise RuntimeError(f"{self.PROGRAM} does not start: see {self.dir}")

    def __exit__(self, *ignored):
        self.stop()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE)


class FrontNginx(Front):
    PROGRAM = "nginx"

    def launch(self):
        text = self.configuration(f"listen=127.0.0.1:{self.port}", f"log={self.log}")
        (self.dir / "ferry.conf").write_text(text)
        (self.dir / "nginx.conf").write_text(NGINX.format(
            dir=self.dir, user="user root;" if os.geteuid() == 0 else ""))
        command = ["nginx", "-p", self.dir, "-c", self.dir / "nginx.conf", "-e",
                   self.dir / "error.log"]
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class FrontHaproxy(Front):
    PROGRAM = "haproxy"

    def launch(self):
        path = self.dir / "haproxy.cfg"
        path.write_text(self.configuration(f"listen=127.0.0.1:{self.port}", "log=stdout"))
        subprocess.run(["haproxy", "-c", "-f", path], check=True, capture_output=True)
        with open(self.log, "wb") as log, open(self.dir / "errors", "wb") as errors:
            self.process = subprocess.Popen(["haproxy", "-f", path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=errors)


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()


class Asker:
    """One connection to the front."""

    def __init__(self, front):
        self.front = front
        self.connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=PATIENCE)

    def __call__(self, path, method="GET", **headers):
        """Headers have '_' for '-'."""
        self.connection.request(method, f"{self.front.prefix}/{path}", headers={
            "Host": self.front.host, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return Answer(self.connection.getresponse())

    def start(self, path, **headers):
        """Until the answer begins, which stays open."""
        self.connection.request("GET", f"{self.front.prefix}/{path}", headers={
            "Host": self.front.host, **{k.replace("_", "-"): v for k, v in headers.items()}})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def close(self):
        self.connection.close()
        if hasattr(self, "answer"):
            self.answer.close()
