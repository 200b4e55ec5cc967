"""Private mirrors for the end-to-end tests: certificates of an authority of one's own, and sections
[access.NAME] of a client's ferry.conf."""

import contextlib
import pathlib
import socket
import socketserver
import ssl
import subprocess
import threading

import servers

TOKEN = "hush-this-is-a-token"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates for 127.0.0.1, and for clients; .pem is its own."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.pem, self.key = self.dir / "ca.pem", self.dir / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "2", "-subj", "/CN=The authority", "-keyout", self.key, "-out",
                self.pem)

    def pair(self, name, extension="subjectAltName=IP:127.0.0.1,DNS:localhost"):
        """(certificate, key)"""
        cert, key, request = (self.dir / f"{name}.{end}" for end in ("pem", "key", "csr"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-subj", f"/CN={name}", "-addext", extension, "-keyout", key, "-out",
                request)
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-days", "2",
                "-copy_extensions", "copyall", "-out", cert)
        return cert, key

    def encrypted(self, key, passphrase):
        to = key.with_suffix(".encrypted")
        openssl("pkcs8", "-topk8", "-in", key, "-out", to, "-passout", f"pass:{passphrase}")
        return to


def secret(path, text, mode=0o600):
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


def section(server, name="lab", **keys):
    """[access.NAME] for a server."""
    lines = [f"{key.replace('_', '-')} = {value}" for key, value in keys.items()]
    return "\n".join([f"[access.{name}]", f"url = {server.url}/", *lines])


def wants(header):
    """The setting of an nginx that refuses requests without this header."""
    return f'if ($http_authorization != "{header}") {{ return 401; }}'


def with_ipv6(nginx, root, extra=""):
    """A server on ::1 alone beside that on 127.0.0.1: its URL has the name of both addresses."""
    for _ in range(5):
        port = servers.free_port()
        try:
            nginx(root, extra=f"listen [::1]:{port}; {extra}")
        except RuntimeError:
            continue
        return f"http://localhost:{port}"
    raise RuntimeError("no port is free on ::1")


class _Handshake(socketserver.BaseRequestHandler):
    """Waits for the client's end after the alert: a reset could overtake that."""

    def handle(self):
        with self.server.context.wrap_socket(self.request, server_side=True,
                                             do_handshake_on_connect=False) as tls:
            with contextlib.suppress(ssl.SSLError):
                tls.do_handshake()
            with contextlib.suppress(OSError):
                while socket.socket.recv(tls, 4096):
                    pass


class PickyServer(socketserver.ThreadingTCPServer):
    """Ends the handshake with every client that has no certificate (OpenSSL, TLS 1.3)."""

    daemon_threads = True

    def __init__(self, authority, pair):
        super().__init__(("127.0.0.1", 0), _Handshake)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.context.load_verify_locations(authority.pem)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.url = f"https://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()
