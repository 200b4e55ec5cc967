"""Hosts of git repositories, on loopback, each on a free port of its own: Debian's sshd, and
`git http-backend` behind nginx, with TLS and tokens. What serves a branch as
raw.githubusercontent.com would is SIMULATED: nginx with a checkout.

    host = GitHost(work)                    # folder with the repositories
    host.create("models")
    with GitWeb(host, nginx, certificate) as web:
        web.allow("publisher-token")
        remote = web.remote("models")
"""

import contextlib
import getpass
import os
import pathlib
import signal
import subprocess

import pytest

from servers import free_port, wait_for_port
from waiting import until

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "somebody@example.org",
       "GIT_COMMITTER_NAME": "Somebody", "GIT_COMMITTER_EMAIL": "somebody@example.org"}


def git(*args, cwd=None, check=True):
    return subprocess.run(["git", *map(str, args)], cwd=cwd, env={**os.environ, **GIT},
                          capture_output=True, text=True, check=check).stdout.strip()


class GitHost:
    """A folder with bare repositories."""

    def __init__(self, work):
        self.dir = pathlib.Path(work) / "git-host"
        self.dir.mkdir()

    def path(self, name):
        return self.dir / f"{name}.git"

    def create(self, name="models"):
        git("init", "-q", "--bare", self.path(name))
        for setting in ("receive.autogc=false", "core.fsync=none"):
            git("config", *setting.split("="), cwd=self.path(name))
        return self.path(name)

    def at(self, *args, name="models", check=True):
        """git ARGS in the repository."""
        return git(*args, cwd=self.path(name), check=check)

    def commits(self, branch="main", name="models"):
        return self.at("log", "--format=%H", branch, "--", name=name, check=False).split()

    def files(self, branch="main", name="models"):
        return self.at("ls-tree", "-r", "--name-only", branch, name=name, check=False).split("\n")

    def show(self, key, branch="main", name="models"):
        return self.at("show", f"{branch}:{key}", name=name)

    def hook(self, text, name="models", hook="pre-receive"):
        path = self.path(name) / "hooks" / hook
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def somebody(self, work, branch="main", name="models"):
        """A checkout of somebody who works with git."""
        at = pathlib.Path(work) / "somebody"
        git("clone", "-q", "-b", branch, self.path(name), at)
        return at

    def check_out(self, to, branch="main", name="models"):
        """What a host shows as raw files, or a web server with a checkout of the branch."""
        to.mkdir(exist_ok=True)
        git(f"--git-dir={self.path(name)}", f"--work-tree={to}", "checkout", "-q", "-f", branch,
            "--", ".")


# -- ssh ------------------------------------------------------------------------------

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/host
PidFile {dir}/pid
AuthorizedKeysFile {dir}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
LogLevel VERBOSE
"""


def new_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path],
                   check=True)
    return path


class Sshd:
    """Debian's sshd, with a host key, users and known hosts of its own."""

    def __init__(self, host):
        self.host = host
        self.dir = host.dir / "sshd"
        self.dir.mkdir()
        self.key = new_key(self.dir / "id")
        self.known_hosts = self.dir / "known_hosts"
        self.process = None

    def start(self):
        if os.geteuid() == 0:       # as Debian's own start of sshd does
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        new_key(self.dir / "host")
        self.allow(self.key)
        for _ in range(5):
            self.port = free_port()
            self.launch()
            if self.process.poll() is None:
                break
        self.known_hosts.write_text(self.known_line())
        return self

    def launch(self):
        (self.dir / "config").write_text(SSHD.format(dir=self.dir, port=self.port))
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", self.dir / "config", "-E", self.dir / "log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid = self.dir / "pid"
        until(lambda: pid.exists() or self.process.poll() is not None)
        if self.process.poll() is None:
            wait_for_port(self.port, self.process)

    def allow(self, *keys):
        (self.dir / "authorized_keys").write_text(
            "".join(pathlib.Path(f"{key}.pub").read_text() for key in keys))

    def known_line(self):
        kind, key = (self.dir / "host.pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def remote(self, name="models"):
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.host.path(name)}"

    def options(self, **more):
        """Keys of ferry.conf."""
        return {"remote": self.remote(), "ssh-key": self.key, "known-hosts": self.known_hosts,
                **more}

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()

    __enter__ = start

    def __exit__(self, *ignored):
        self.stop()


# -- https ----------------------------------------------------------------------------

BACKEND = """
client_max_body_size 0;
{extra}
location ~ ^/git(/.*)$ {{
    {auth}
    fastcgi_pass unix:{dir}/fcgi.socket;
    fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
    fastcgi_param GIT_PROJECT_ROOT {root};
    fastcgi_param GIT_HTTP_EXPORT_ALL 1;
    fastcgi_param PATH_INFO $1;
    fastcgi_param REMOTE_USER publisher;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
}}
"""


class GitWeb:
    """`git http-backend` behind nginx: everybody may read; who writes needs a token. That of a
    push itself is looked up in another file than that of the question before, so that a token
    can be revoked in between."""

    def __init__(self, host, start_nginx, tls=None, private=False, extra=""):
        self.host, self.start_nginx, self.tls = host, start_nginx, tls
        self.private, self.extra = private, extra
        self.dir = host.dir / "web"
        self.dir.mkdir(exist_ok=True)
        self.process = None

    def start(self):
        socket = self.dir / "fcgi.socket"
        self.process = subprocess.Popen(
            ["/usr/sbin/fcgiwrap", "-f", "-s", f"unix:{socket}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, env={**os.environ, **GIT}, start_new_session=True,
            stderr=open(self.dir / "log", "w"))
        until(socket.exists, self.process)
        self.allow("token")
        users = self.dir / "users"
        who = "$uri ~ ." if self.private else "$arg_service = git-receive-pack"
        extra = f"""
            set $realm "off";
            set $users {users};
            if ({who}) {{ set $realm "git"; }}
            if ($uri ~ git-receive-pack$) {{ set $realm "git"; set $users {users}-push; }}
            {self.extra}"""
        self.nginx = self.start_nginx(self.host.dir, tls=self.tls, extra=BACKEND.format(
            dir=self.dir, root=self.host.dir, extra=extra,
            auth="auth_basic $realm; auth_basic_user_file $users;"))
        return self

    def allow(self, *tokens, push=None):
        """These tokens are good; `push`: others, for the push itself."""
        for name, good in (("users", tokens), ("users-push", tokens if push is None else push)):
            (self.dir / name).write_text("".join(f"x-access-token:{{PLAIN}}{t}\n" for t in good))

    @property
    def url(self):
        return f"{self.nginx.url}/git"

    def remote(self, name="models"):
        return f"{self.url}/{name}.git"

    def requests(self):
        return self.nginx.requests()

    def stop(self):
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()

    __enter__ = start

    def __exit__(self, *ignored):
        self.stop()


# -- fixtures -------------------------------------------------------------------------


@pytest.fixture
def host(work):
    made = GitHost(work)
    made.create()
    return made


@pytest.fixture
def sshd(host):
    with Sshd(host) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed pair (certificate, key), as of an authority of one's own."""
    folder = tmp_path_factory.mktemp("git-tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def web(host, nginx, certificate):
    """web() starts one over https; its certificate is web.tls[0]."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            GitWeb(host, nginx, tls=certificate, **options))
