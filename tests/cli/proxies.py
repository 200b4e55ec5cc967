"""Proxies for the end-to-end tests, on loopback.

Tinyproxy is the real one. Microsocks and Socat are real, too, the
latter in front of it for TLS. SimulatedProxy answers every request itself, as a proxy does whose
policy forbids a site.
"""

import contextlib
import http.server
import pathlib
import subprocess
import threading

import servers

CONFIG = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 20
LogFile "{dir}/log"
{extra}
"""


class Tinyproxy:
    """A real tinyproxy; `extra` goes into its configuration."""

    def __init__(self, work, extra=""):
        self.dir = pathlib.Path(work)
        self.extra = extra
        self.process = None

    def __enter__(self):
        for _ in range(5):
            self.port = servers.free_port()
            self.folder = self.dir / f"tinyproxy-{self.port}"
            self.folder.mkdir()
            conf = self.folder / "conf"
            conf.write_text(CONFIG.format(port=self.port, dir=self.folder, extra=self.extra))
            self.process = subprocess.Popen(
                ["tinyproxy", "-d", "-c", str(conf)], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with contextlib.suppress(RuntimeError):
                servers.wait_for_port(self.port, self.process)
                return self
        raise RuntimeError("tinyproxy cannot listen on any port")

    def __exit__(self, *ignored):
        self.process.terminate()
        self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self):
        return (self.folder / "log").read_text()


class Program:
    """A server that is a program on a port of 127.0.0.1; `command` makes its words."""

    def __init__(self, command):
        self.command, self.process = command, None

    def __enter__(self):
        for _ in range(5):
            self.port = servers.free_port()
            self.process = subprocess.Popen(
                self.command(self.port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            with contextlib.suppress(RuntimeError):
                servers.wait_for_port(self.port, self.process)
                return self
        raise RuntimeError("the server cannot listen on any port")

    def __exit__(self, *ignored):
        self.process.terminate()
        self.process.wait()

    def url(self, scheme, userinfo=""):
        return f"{scheme}://{userinfo}127.0.0.1:{self.port}"


class Socat(Program):
    """Debian's socat: what comes to `listen`, with {port} in it, goes to `to`."""

    def __init__(self, listen, to):
        super().__init__(lambda port: [
            "socat", listen.format(port=port) + ",bind=127.0.0.1,reuseaddr,fork", to])


class Microsocks(Program):
    """A real SOCKS5 proxy."""

    def __init__(self, *options):
        super().__init__(lambda port: ["microsocks", "-i", "127.0.0.1", "-p", str(port), *options])


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *ignored):
        pass

    def answer(self):
        what = self.server.answer
        self.server.asked.append(f"{self.command} {self.path}")
        if what is None:
            return self.connection.close()
        status, headers, body = what
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_CONNECT = do_PUT = answer


class SimulatedProxy(http.server.ThreadingHTTPServer):
    """Answers all that it is asked in this way; status None: closes the connection."""

    daemon_threads = True

    def __init__(self, status, headers=None, body=b""):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = (status, headers or {}, body) if status else None
        self.asked = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"
