"""scripts/ops/fronts: the real nginx and HAProxy, with TLS and HTTP/2, in front of an edge."""

import contextlib
import hashlib
import json
import os
import re
import subprocess

import pytest

from access import Authority
from conftest import ROOT, Ferry
from edges import Edge
from fronts import NGINX
from publisher import Publisher, object_path
from servers import free_port, wait_for_port
from waiting import PATIENCE, until

FRONTS = ROOT / "scripts/ops/fronts"
HOST = "edge.example.org"
BURST = 12
SETTINGS = f"""keys = {{keys}}
anonymous = no
fronts = 127.0.0.1
log = access.log
requests = 1/1h
burst = {BURST}"""
# A key of its own for each client that is limited.
SCOPES = {"reader": "pull", "ranger": "pull", "watcher": "admin", "eager-nginx": "pull", "eager-haproxy": "pull"}


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_gguf):
    ferry = Ferry(tmp_path_factory.mktemp("fronts"))
    publisher = Publisher(ferry, ferry.work)
    make_gguf(ferry.work / "tiny.gguf", "--size", "1M", "--seed", 1)
    ferry("prepare", "-q", "tiny", ferry.work / "tiny.gguf", "--set", "license.id=MIT")
    publisher.add(ferry.work / "models/tiny")
    publisher.sign()
    ferry.publisher, ferry.keys = publisher, {}
    for name, scope in SCOPES.items():
        made = ferry("serve", "key", "new", name, "--scope", scope, "--keys", ferry.work / "keys", "--json")
        ferry.keys[name] = made.json["secret"]
    ferry.authority = Authority(ferry.work)
    certificate, key = ferry.authority.pair("front", f"subjectAltName=DNS:{HOST}")
    ferry.certificate, ferry.key = certificate, key
    (ferry.work / "both.pem").write_text(certificate.read_text() + key.read_text())
    return ferry


@pytest.fixture(scope="module")
def edge(world):
    with Edge(world, world.publisher.client(), SETTINGS.format(keys=world.work / "keys")) as edge:
        until(lambda: edge.get("/healthz").status == 200, edge.process)
        yield edge


def adapted(text, *pairs):
    """The example with what a test has instead; each must be in it."""
    for pattern, by in pairs:
        text, count = re.subn(pattern, by, text, flags=re.M)
        assert count, pattern
    return text


def start_nginx(world, edge, port, folder):
    (folder / "ferry.conf").write_text(adapted(
        (FRONTS / "edge-nginx.conf").read_text(), (r"^    listen (80|\[::\].*);\n", ""),
        (r"listen 443", f"listen 127.0.0.1:{port}"), (r"/etc/letsencrypt/\S+/fullchain.pem", str(world.certificate)),
        (r"/etc/letsencrypt/\S+/privkey.pem", str(world.key)), (r"server 127.0.0.1:8480", f"server {edge.url[7:]}"),
        # This one would take port 80.
        (r"^server \{\n    server_name(.*\n)*?\}\n", "")))
    (folder / "nginx.conf").write_text(NGINX.format(dir=folder, user="user root;" if os.geteuid() == 0 else ""))
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]


def start_haproxy(world, edge, port, folder):
    (folder / "haproxy.cfg").write_text(adapted(
        (FRONTS / "edge-haproxy.cfg").read_text(), (r"^    bind :80\n", ""), (r"bind :443", f"bind 127.0.0.1:{port}"),
        (r"/etc/haproxy/certs/\S+", str(world.work / "both.pem")),
        (r"server edge-1 127.0.0.1:8480", f"server edge-1 {edge.url[7:]}")))
    return ["haproxy", "-f", folder / "haproxy.cfg"]


class Answer:
    def __init__(self, head, body):
        self.version, self.status = head.splitlines()[0].split()[:2]
        self.headers = {n.lower(): v for n, v in re.findall(r"^([\w-]+): (.*?)\r?$", head, re.M)}
        self.body = body


class Front:
    """Asked with curl, as clients are."""

    def __init__(self, name, world, port):
        self.name, self.world, self.port = name, world, port

    def command(self, path, key=None, *more):
        words = ["curl", "-sS", "--cacert", self.world.authority.pem, "--resolve", f"{HOST}:{self.port}:127.0.0.1"]
        if key:
            words += ["-H", f"Authorization: Bearer {self.world.keys[key]}"]
        return [*map(str, words), *more, f"https://{HOST}:{self.port}{path}"]

    def get(self, path, key=None, *more):
        done = subprocess.run(self.command(path, key, "-i", *more), check=True, capture_output=True, timeout=PATIENCE)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        return Answer(head.decode(), body)


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def front(request, world, edge):
    folder = world.work / request.param
    folder.mkdir()
    for _ in range(5):
        port = free_port()
        command = globals()[f"start_{request.param}"](world, edge, port, folder)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=open(folder / "stderr", "w"))
        with contextlib.suppress(RuntimeError):
            wait_for_port(port, process)
            break
    front = Front(request.param, world, port)
    until(lambda: front.get("/healthz").status == "200", process)
    yield front
    process.terminate()
    process.wait(PATIENCE)


def key_of(world):
    path = object_path(world.publisher.tree, "tiny*.gguf")
    return "/" + str(path.relative_to(world.publisher.tree)), path.read_bytes()


@pytest.mark.parametrize("version, shown", [("--http2", "HTTP/2"), ("--http1.1", "HTTP/1.1")])
def test_a_file_is_had_over_tls_with_a_key(front, world, version, shown):
    path, data = key_of(world)
    answer = front.get(path, "reader", version)
    assert (answer.version, answer.status) == (shown, "200")
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()
    assert front.get(path, None, version).status == "401"


def test_ranges_and_conditions_are_answered_by_the_edge(front, world):
    path, data = key_of(world)
    answer = front.get(path, "ranger", "-r", "1000-1999")
    assert (answer.status, answer.body) == ("206", data[1000:2000])
    assert answer.headers["content-range"] == f"bytes 1000-1999/{len(data)}"
    tag = answer.headers["etag"]
    assert front.get(path, "ranger", "-H", f"If-None-Match: {tag}").status == "304"
    assert front.get(path, "ranger", "-r", f"{len(data)}-").status == "416"
    head = front.get(path, "ranger", "-I")
    assert (head.status, head.headers["content-length"]) == ("200", str(len(data)))


def test_a_registry_sends_its_clients_to_https(front):
    assert 'realm="https://edge.example.org' in front.get("/v2/").headers["www-authenticate"]


def test_a_client_that_asks_for_too_much_is_told_when_to_come_again(front):
    answers = [front.get("/metadata/1.root.json", f"eager-{front.name}") for _ in range(BURST + 1)]
    assert [a.status for a in answers] == ["200"] * BURST + ["429"]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "ratelimit" in answers[-1].headers and "ratelimit-policy" in answers[-1].headers


def logged(edge, agent):
    """remote_addr of the one request of this agent."""
    def rows():
        lines = (edge.dir / "access.log").read_text().splitlines()
        return [r for r in map(json.loads, lines) if r.get("http_user_agent") == agent]
    until(rows, edge.process)
    [row] = rows()
    return row["remote_addr"]


def test_an_address_counts_as_the_front_gives_it_and_as_nobody_else_does(front, edge):
    forged = ("-H", "X-Forwarded-For: 192.0.2.9")
    front.get("/metadata/1.root.json", "reader", "--interface", "127.0.0.7", "-A", f"{front.name}/1", *forged)
    assert logged(edge, f"{front.name}/1") == "127.0.0.7"
    subprocess.run(["curl", "-sS", "--interface", "127.0.0.8", "-A", f"{front.name}/2", *forged,
                    f"{edge.url}/metadata/1.root.json"], check=True, capture_output=True)
    assert logged(edge, f"{front.name}/2") == "127.0.0.8"


def test_events_arrive_as_they_happen(front):
    watching = subprocess.Popen(front.command("/v1/events", "watcher", "-N"), stdout=subprocess.PIPE)
    try:
        assert watching.stdout.readline() == b":\n"      # and the answer has no end
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
