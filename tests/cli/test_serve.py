"""`ferry serve` as a plain mirror: what clients get, and how it starts and stops."""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

import schemas
from conftest import Ferry
from edges import Edge, Unix
from publisher import Publisher, object_path
from servers import FaultServer
from small_gguf import llama_keys, llama_tensors, write
from waiting import PATIENCE, until

MODEL = "tiny-f32.gguf"


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_gguf):
    """A publisher with a model of three pieces, and an edge that follows it."""
    work = tmp_path_factory.mktemp("serve")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    make_gguf(work / "tiny.gguf", "--size", "20M")
    ferry("prepare", "-q", "tiny", work / "tiny.gguf", "--set", "license.id=MIT")
    publisher.add(work / "models" / "tiny")
    publisher.sign()
    ferry.publisher = publisher
    ferry.model = object_path(publisher.tree, "*.gguf")
    ferry.key = "/" + str(ferry.model.relative_to(publisher.tree))
    ferry.bytes = ferry.model.read_bytes()
    return ferry


@pytest.fixture(scope="module")
def edge(world):
    with Edge(world, world.publisher.client(), "log = access.log\nfronts = 127.0.0.1") as e:
        yield e


def client_of(tmp_path, world, url):
    """A machine that knows nothing but the edge."""
    ferry = Ferry(tmp_path)
    (tmp_path / "ferry.conf").write_text(world.publisher.client(url))
    return ferry


def log_lines(edge):
    path = edge.dir / "access.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def logged(edge, agent):
    """Waits for the line of the request with this agent."""
    def found():
        return [n for n in log_lines(edge) if n.get("http_user_agent") == agent]
    return until(found, edge.process)[0]


# -- what clients get ------------------------------------------------------------------------

def test_ferry_fetches_a_model_of_which_only_the_edge_knows(edge, world, tmp_path):
    client = client_of(tmp_path, world, edge.url + "/demo/")
    result = client("fetch", "tiny", "--json")
    path = result.json["files"][0]["path"] if "files" in result.json else \
        client("store", "path", "tiny").out.strip()
    assert hashlib.sha256(open(path, "rb").read()).digest() == \
        hashlib.sha256(world.bytes).digest()


def test_every_file_of_the_release_is_under_its_key(edge, world):
    tree = world.publisher.tree
    files = [tree / "metadata" / name for name in (
        "1.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json")]
    files += [p for p in (tree / "targets" / "models").rglob("*") if p.is_file()]
    assert len(files) > 6
    for path in files:
        key = path.relative_to(tree)
        assert edge.get(f"/{key}").body == path.read_bytes(), key
        assert edge.get(f"/demo/{key}").status == 200, key
    assert edge.get("/catalog.json").body == (tree / "catalog.json").read_bytes()


def test_what_belongs_to_no_release_is_not_there(edge):
    for path in ("/demo", "/demo/", "/other/metadata/timestamp.json", "/metadata/9.root.json",
                 "/ferry.conf", "/.lock", "/cards/tiny.card.json", "/drafts/x"):
        answer = edge.get(path)
        assert (answer.status, answer["Cache-Control"]) == (404, "no-store"), path


def test_the_root_says_what_this_is_and_where_the_faces_are(edge):
    answer = edge.get("/")
    assert (answer.status, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    text = answer.body.decode()
    assert text.startswith("This is an edge of Model Ferry")
    for face in ("/NAME/targets/", "/v2/", "/api/models", "/healthz"):
        assert face in text
    assert "demo" not in text  # the name of a repository is not for everybody
    assert edge.ask("POST", "/").status == 405


def test_a_range_is_a_part_of_the_file(edge, world):
    size = len(world.bytes)
    for range, first, last in (("0-0", 0, 0), ("8388600-8388700", 8388600, 8388700),
                               (f"{size - 5}-", size - 5, size - 1), ("-7", size - 7, size - 1),
                               (f"100-{size * 2}", 100, size - 1)):
        answer = edge.get(world.key, Range=f"bytes={range}")
        assert answer.status == 206
        assert answer["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert answer.body == world.bytes[first:last + 1]
    answer = edge.get(world.key, Range=f"bytes={size}-")
    assert (answer.status, answer["Content-Range"]) == (416, f"bytes */{size}")
    assert edge.get(world.key, Range="bytes=0-1,5-6").body == world.bytes


def test_an_entity_tag_is_the_digest_and_conditions_hold(edge, world):
    tag = f'"{hashlib.sha256(world.bytes).hexdigest()}"'
    head = edge.head(world.key)
    assert (head.status, head["ETag"], head.body) == (200, tag, b"")
    assert head["Content-Length"] == str(len(world.bytes))
    assert head["Accept-Ranges"] == "bytes"
    assert "immutable" in head["Cache-Control"]
    same = edge.get(world.key, If_None_Match=tag)
    assert (same.status, same["ETag"], same.body) == (304, tag, b"")
    assert edge.get(world.key, If_Match='"other"').status == 412
    assert edge.get(world.key, If_Range=tag, Range="bytes=1-2").body == world.bytes[1:3]
    assert edge.get(world.key, If_Range='"x"', Range="bytes=1-2").status == 200


@pytest.mark.parametrize("files", [128, 600])
def test_a_burst_of_more_connections_than_it_can_have_waits(world, files):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    seen = []
    def all_came(edge):
        seen.append(len(os.listdir(f"/proc/{edge.process.pid}/fd")))
        return len(seen) > 4 and len(set(seen[-4:])) == 1

    home = {"FERRY_HOME": world.work / f"store-{files}"}
    with Edge(world, world.publisher.client(), "threads = 1", name=f"files-{files}", env=home,
              preexec_fn=limit) as edge:
        edge.get(world.key, Range="bytes=0-9")
        request = "GET {} HTTP/1.1\r\nHost: edge\r\nRange: bytes=0-9\r\n\r\n"
        burst = [edge.socket() for _ in range(300)]
        for one in burst:
            one.sendall(request.format("/metadata/timestamp.json").encode())
        # Those that came in have what they need, also descriptors for files.
        for one in burst[:20]:
            one.settimeout(PATIENCE)
            assert one.recv(4096).startswith(b"HTTP/1.1 206")
        until(lambda: all_came(edge), edge.process)
        burst[0].sendall(request.format(world.key).encode())
        assert burst[0].recv(4096).startswith(b"HTTP/1.1 206")
        for one in burst:
            one.close()
        # The thread still serves.
        later = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=PATIENCE)
        later.request("GET", world.key)
        assert later.getresponse().read() == world.bytes
        later.close()


def test_a_connection_is_used_for_several_requests(edge, world):
    connection = edge.connect()
    for i in range(5):
        answer = edge.ask("GET", world.key, {"Range": f"bytes={i}-{i + 9}"},
                          connection=connection)
        assert answer.body == world.bytes[i:i + 10]
    port = connection.sock.getsockname()[1]
    assert edge.ask("GET", "/none", connection=connection).status == 404
    assert edge.ask("HEAD", world.key, connection=connection).status == 200
    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_aria2_reads_it_with_several_connections(edge, world, tmp_path):
    subprocess.run(["aria2c", "-q", "-x4", "-s4", "-k1M", "--no-conf", "-d", str(tmp_path), "-o",
                    "m.gguf", edge.url + world.key], check=True)
    assert (tmp_path / "m.gguf").read_bytes() == world.bytes


def test_pages_of_every_origin_may_read_it(edge, world):
    asked = edge.ask("OPTIONS", world.key, {"Origin": "https://app.example",
                                            "Access-Control-Request-Method": "GET",
                                            "Access-Control-Request-Headers": "range"})
    assert asked.status == 204
    assert "Range" in asked["Access-Control-Allow-Headers"]
    assert edge.get(world.key, Range="bytes=0-0")["Access-Control-Allow-Origin"] == "*"
    assert "Content-Range" in edge.get("/none")["Access-Control-Expose-Headers"]


# -- what callers do wrong -------------------------------------------------------------------

@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "FOO"])
def test_only_reading_is_allowed(edge, world, method):
    answer = edge.ask(method, world.key, body=b"x" if method == "POST" else None)
    assert (answer.status, answer["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", [
    "/targets/../metadata/timestamp.json", "/targets/..%2fmetadata/timestamp.json",
    "/%2e%2e/%2e%2e/etc/passwd", "/metadata/./timestamp.json", "/metadata/timestamp.json%00",
    "/metadata/timestamp.json%0a", "/%", "/%zz", "/metadata/%c0%ae%c0%ae/x/..", "/..",
])
def test_a_path_that_could_mean_two_things_is_refused(edge, path):
    assert edge.get(path).status == 400


def test_backslashes_and_empty_parts_lead_nowhere(edge):
    for path in "//metadata/timestamp.json", "/metadata//timestamp.json", \
            "/metadata\\timestamp.json", "/demo/../metadata\\..\\x/y":
        assert edge.get(path).status in (400, 404), path


def test_an_absolute_target_is_the_same(edge):
    assert edge.get(edge.url + "/metadata/timestamp.json").status == 200


def answer_to(edge, data):
    """The status line of the answer to these bytes; "" if the connection just ends."""
    with edge.socket() as s:
        got = b""
        with contextlib.suppress(OSError):      # it may answer and close before all is sent
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while b"\r\n" not in got and (more := s.recv(4096)):
                got += more
        return got.split(b"\r\n")[0].decode()


@pytest.mark.parametrize("more, version", [
    ("Host: y", "1.1"), ("Content-Length: 4\r\nContent-Length: 44", "1.1"),
    ("Content-Length: 4\r\nTransfer-Encoding: chunked", "1.1"),
    ("Content-Length : 4", "1.1"), ("Transfer-Encoding : chunked", "1.1"),
    ("Transfer-Encoding: identity", "1.1"),
    ("Transfer-Encoding: gzip, chunked", "1.1"), ("Transfer-Encoding: xchunked", "1.1"),
    ("Transfer-Encoding: chunked\r\nConnection: keep-alive", "1.0"),
])
def test_a_request_that_a_front_may_read_differently_ends_the_connection(edge, more, version):
    """Else what one caller sends as a body would be the next request of another one."""
    with edge.socket() as s:
        s.sendall(f"GET /metadata/timestamp.json HTTP/{version}\r\nHost: x\r\n{more}\r\n\r\n"
                  "0\r\n\r\nGET /catalog.json HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while more := s.recv(4096):
                got += more
    assert got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert got.count(b"HTTP/1.") == 1


def test_requests_that_are_too_large_or_no_requests_are_refused(edge):
    head = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: x\r\n"
    assert " 431 " in answer_to(edge, head + b"X: " + b"a" * 40000 + b"\r\n\r\n")
    assert answer_to(edge, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n").split()[1:2] in \
        (["414"], ["431"])
    assert " 400 " in answer_to(edge, head.replace(b"Host: x\r\n", b"") + b"\r\n")
    # Without the empty line, the door may wait for more: libmicrohttpd can miss the end of what is
    # sent when it comes with the last bytes, and closes the connection only when its time is up.
    tls = b"\x16\x03\x01\x02\x00\x01\x00" * 20 + b"\r\n\r\n"
    assert " 200 " not in answer_to(edge, tls)
    assert edge.get("/metadata/timestamp.json").status == 200


@pytest.mark.parametrize("size", [4000, 5000, 5300, 5700, 6000, 6200])
def test_what_may_leave_no_room_for_an_answer_is_answered_too(edge, world, size):
    """A token may have 5,000 bytes; what is longer is refused and said, not just cut off."""
    fill, late = "a" * size, "414" if size > 5500 else "404"
    for target, header, status in (world.key, f"Authorization: Bearer {fill}", "431"), \
            (world.key, f"X: {fill}", "431"), (f"/{fill}", "X: y", late):
        got = answer_to(edge, f"GET {target} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
        wanted = [status] if size > 5500 else ["200", "401", "404"]
        assert got.split()[1:2] and (got.split()[1] in wanted or 5000 < size < 5700), (got, header)


def test_a_body_that_nobody_wants_is_not_read_to_its_end(edge):
    answer = edge.ask("POST", "/metadata/timestamp.json", body=b"x" * 100000)
    assert answer.status == 405
    with edge.socket() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n")
        with pytest.raises(OSError):
            while True:
                s.sendall(b"x" * 65536)


# -- the log ---------------------------------------------------------------------------------

def test_the_log_says_what_was_sent_and_only_fronts_say_for_whom(edge, world):
    before = time.time() - 0.001  # msec has no more digits
    edge.get(world.key + "?token=s3cret", Range="bytes=10-19", User_Agent='we"ird\\\x80',
             X_Forwarded_For="1.2.3.4, 203.0.113.9, 127.0.0.1")
    line = logged(edge, 'we"ird\\\x80')
    assert line["remote_addr"] == "203.0.113.9"
    assert line["sent_http_content_range"] == f"bytes 10-19/{len(world.bytes)}"
    assert (line["status"], line["body_bytes_sent"]) == (206, 10)
    assert line["request_uri"].startswith(world.key) and "s3cret" not in line["request_uri"]
    assert line["face"] == "plain" and line["hit"] in ("hit", "miss")
    assert before <= line["msec"] <= time.time()
    text = (edge.dir / "access.log").read_text()
    assert "s3cret" not in text and text.isascii()


def test_who_leaves_in_the_middle_of_a_request_is_logged_as_nginx_does(edge):
    with edge.socket() as s:
        s.sendall(b"POST /v1/preload HTTP/1.1\r\nHost: x\r\nUser-Agent: leaves\r\n"
                  b"Content-Length: 9\r\n\r\n{")
    line = logged(edge, "leaves")
    assert (line["status"], line["body_bytes_sent"]) == (499, 0)


def test_a_new_log_is_begun_after_a_hangup(edge):
    edge.get("/none", User_Agent="before")
    logged(edge, "before")
    os.rename(edge.dir / "access.log", edge.dir / "access.log.1")
    edge.process.send_signal(signal.SIGHUP)
    until(lambda: (edge.dir / "access.log").exists(), edge.process)
    edge.get("/none", User_Agent="after")
    logged(edge, "after")
    assert "after" not in (edge.dir / "access.log.1").read_text()


# -- starting and stopping -------------------------------------------------------------------

@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A publisher of one small file, for edges that are started and stopped."""
    work = tmp_path_factory.mktemp("small")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    write(work / "a.gguf", llama_keys(), llama_tensors())
    ferry("prepare", "-q", "a", work / "a.gguf", "--set", "license.id=MIT")
    publisher.add(work / "models" / "a")
    publisher.sign()
    ferry.publisher = publisher
    return ferry


def edge_of(small, more="", **options):
    return Edge(small, small.publisher.client(), more, **options)


def test_what_it_prints_is_as_its_schema_says_and_a_signal_ends_it_well(small):
    edge = edge_of(small)
    schemas.validate_output(edge.document)
    assert edge.admin.exists()
    assert (edge.admin.stat().st_mode & 0o777) == 0o700
    assert edge.stop() == 0
    assert not edge.admin.exists()


def test_a_second_edge_at_the_same_address_is_a_conflict(small):
    with edge_of(small) as edge:
        address = edge.url.removeprefix("http://")
        result = small("serve", "--no-admin", "--listen", address, cwd=edge.dir, check=8)
        assert address in result.err


def test_where_it_listens_everywhere_it_prints_a_url_to_open(small):
    with edge_of(small, args=("--listen", "*:0")) as edge:
        schemas.validate_output(edge.document)
        assert edge.url == f"http://localhost:{edge.port}"
        assert edge.document["listening"][0]["everywhere"]
        with urllib.request.urlopen(edge.url + "/healthz") as answer:
            assert answer.status == 200
        assert f"serving at {edge.url}, and at every other address" in edge.log.text
        result = small("serve", "--no-admin", "--listen", f"*:{edge.port}", cwd=edge.dir, check=8)
        assert f"another program listens on *:{edge.port}" in result.err


def test_what_another_edge_left_behind_is_no_conflict(small):
    edge = edge_of(small)
    edge.kill()
    assert edge.admin.exists()
    with edge_of(small) as again:
        assert again.as_admin("GET", "/v1/version").status == 200


def test_a_caller_who_sends_no_request_is_sent_away(small):
    with edge_of(small, "timeout = 1s") as edge, edge.socket() as silent, \
            edge.socket() as slow, edge.socket() as slower:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        slower.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        assert silent.recv(1) == b""
        for s in slow, slower:
            with contextlib.suppress(ConnectionResetError):
                while s.recv(100):
                    pass
        assert edge.get("/none").status == 404


def test_systemd_hears_ready_when_healthz_says_it_and_waits_until_then(small):
    told, mirror = small.work / "ready", small.work / "later"
    client = small.publisher.client(f"file://{mirror}")
    # A store of its own: with an earlier release in it, an edge is ready at once.
    env = small.environment({"NOTIFY_SOCKET": told, "FERRY_HOME": small.work / "waiting"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(told))
        with Edge(small, client, name="waits", more="refresh = 1s", env=env) as edge:
            assert notify.recv(200).startswith(b"EXTEND_TIMEOUT_USEC=")
            assert edge.get("/healthz").status == 503
            edge.process.send_signal(signal.SIGHUP)
            mirror.symlink_to(small.publisher.tree)
            while not notify.recv(200).startswith(b"READY=1"):
                pass
            assert edge.get("/healthz").status == 200
            # Type=notify-reload waits for both, and for the time in the first.
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            edge.process.send_signal(signal.SIGHUP)
            while not (reloading := notify.recv(200)).startswith(b"RELOADING=1\nMONOTONIC_USEC="):
                pass
            assert int(reloading.rpartition(b"=")[2]) >= before
            while not notify.recv(200).startswith(b"READY=1"):
                pass


def status_over(connection, path="/v1/stats"):
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("address, status", [("127.0.0.1", 200), ("0.0.0.0", 401)])
def test_systemd_hands_over_sockets_and_an_idle_edge_ends(small, address, status):
    """sd_listen_fds(3), sd_notify(3): as systemd does it."""
    told = small.work / f"notify-{status}"
    (small.work / "edge").mkdir(exist_ok=True)
    admin, unused = small.work / f"handed-{status}.sock", small.work / "unused.sock"
    with socket.socket() as a, socket.socket(socket.AF_UNIX) as b, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        a.bind((address, 0))
        b.bind(str(admin))
        a.listen()
        b.listen()
        notify.bind(str(told))
        (small.work / "edge" / "ferry.conf").write_text(
            small.publisher.client() + f"[serve]\nadmin = {unused}\nidle-exit = 1s\n")
        log = small.work / f"log-{status}"
        fds = [fcntl.fcntl(s, fcntl.F_DUPFD, 10) for s in (a, b)]
        process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&{} 4<&{} {}<&- {}<&-; '.format(*fds, *fds) +
             'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=http:admin exec "$@"',
             "bash", *small.command("serve", "-q")],
            cwd=small.work / "edge", env=small.environment({"NOTIFY_SOCKET": told}), pass_fds=fds,
            stderr=log.open("w"))
        for fd in fds:
            os.close(fd)
        assert notify.recv(100) == b"READY=1"
        # The one with this name is for administration; the edge makes none of its own.
        assert status_over(Unix(admin)) == 200 and not unused.exists()
        tcp = "127.0.0.1", a.getsockname()[1]
        assert status_over(http.client.HTTPConnection(*tcp)) == 401
        # Without "anonymous", strangers may pull only on addresses of this machine: also on those
        # that systemd listens on.
        assert status_over(http.client.HTTPConnection(*tcp), "/metadata/timestamp.json") == status
        assert ("nobody may pull" in log.read_text()) == (status == 401)
        with socket.create_connection(tcp) as s:
            s.sendall(b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: x\r\n\r\n")
            assert s.recv(12).startswith(b"HTTP/1.1 ")
        assert notify.recv(100) == b"STOPPING=1"
        assert process.wait() == 0


def begin_transfer(edge, world):
    """A client that has read the start of the model, and no more yet."""
    s = edge.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.sendall(f"GET {world.key} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    got = s.recv(4096)
    while b"\r\n\r\n" not in got:
        got += s.recv(4096)
    return s, got.split(b"\r\n\r\n", 1)[1]


def rest_of(s, got):
    while more := s.recv(1 << 20):
        got += more
    return got


def test_a_stop_lets_transfers_end(world):
    edge = Edge(world, world.publisher.client(), name="stopping", env={"FERRY_HOME": world.work / "other"})
    s, got = begin_transfer(edge, world)
    edge.process.send_signal(signal.SIGTERM)
    with pytest.raises(OSError):
        while True:
            edge.socket().close()
    assert edge.process.poll() is None
    assert rest_of(s, got) == world.bytes
    assert edge.wait() == 0


def test_after_the_grace_transfers_end_short(world):
    edge = Edge(world, world.publisher.client(), "grace = 0", name="stopping",
                env={"FERRY_HOME": world.work / "other"})
    s, got = begin_transfer(edge, world)
    edge.process.send_signal(signal.SIGTERM)
    assert edge.wait() == 0
    try:
        got = rest_of(s, got)
    except ConnectionResetError:
        pass
    assert len(got) < len(world.bytes)


# -- what has to wait ------------------------------------------------------------------------

@pytest.fixture
def upstream(world):
    with FaultServer(world.publisher.tree) as server:
        yield server


@pytest.fixture
def cold(world, upstream, tmp_path):
    """cold("grace = 0") is an edge with an empty store, over the upstream."""
    def start(more=""):
        return Edge(Ferry(tmp_path), world.publisher.client(upstream.url), more)
    return start


def test_who_leaves_while_a_piece_is_on_its_way_disturbs_nobody(world, upstream, cold):
    held = upstream.add(path="*.gguf", hold_after=1000)
    with cold() as edge:
        leaving, staying = edge.socket(), edge.socket()
        for s in leaving, staying:
            s.sendall(f"GET {world.key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        until(lambda: held.passed, edge.process)
        leaving.close()
        assert edge.get("/metadata/timestamp.json").status == 200
        held.release()
        assert rest_of(staying, b"").split(b"\r\n\r\n", 1)[1] == world.bytes
        staying.close()


def test_a_stop_does_not_wait_for_a_mirror_that_sends_nothing(world, upstream, cold):
    held = upstream.add(path="*.gguf", hold_after=1000)
    edge = cold("grace = 0")
    with edge.socket() as s:
        s.sendall(f"GET {world.key} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until(lambda: held.passed, edge.process)
        assert edge.stop() == 0
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = rest_of(s, b"")
        assert b" 200 " not in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("fault, status", [
    ({"status": 500}, 503), ({"status": 404}, 503), ({"flip_in": 5}, 502)])
def test_while_no_mirror_has_it_right_an_error_is_said(world, upstream, cold, fault, status):
    upstream.add(path="*.gguf", **fault)
    with cold() as edge:
        answer = edge.get(world.key, Range="bytes=0-9")
        assert (answer.status, answer["Cache-Control"]) == (status, "no-store")
        assert answer["Retry-After"] or status == 502
        upstream.mend()
        assert edge.head(world.key).status == 200


def test_before_the_first_release_is_known_clients_are_asked_to_come_again(world, upstream, cold):
    held = upstream.add(path="*timestamp.json", hold_after=0)
    with cold() as edge:
        answer = edge.get("/metadata/timestamp.json")
        assert answer.status == 503 and answer["Retry-After"]
        held.release()
        edge.shows(2)


# -- what it is told -------------------------------------------------------------------------

@pytest.mark.parametrize("conf, message", [
    ("", "no repository to serve"),
    ("[repository.x]\npath = tree\n", "no repository to serve"),
    ("[repository.x]\npath = tree\n[serve]\nrepository = x\n", "has no metadata"),
    ("[serve]\nrepository = y\n", "y"),
    ("[serve]\nlisten = nowhere\n", "ferry.conf:2: listen"),
])
def test_settings_that_cannot_work_are_told(small, tmp_path, conf, message):
    (tmp_path / "ferry.conf").write_text(conf)
    assert message in small("serve", "--no-admin", cwd=tmp_path, check=2).err
