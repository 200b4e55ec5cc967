"""What an edge shows and keeps: releases, the objects of its cache, and what it never serves."""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket

import pytest

from conftest import Ferry
from disks import SmallDisk
from edges import Edge
from publisher import Publisher, copy_tree, object_path
from servers import FaultServer, NginxCache
from waiting import kill, until

PIECE = 8 << 20
SIZE = "9M"         # of a model: two pieces


class World:
    """A publisher with models, whose tree is behind a server of which an edge knows."""

    def __init__(self, work, make_gguf, models=("one",)):
        self.work = work
        self.ferry = Ferry(work)
        self.publisher = Publisher(self.ferry, work)
        self.make_gguf = make_gguf
        for seed, name in enumerate(models):
            self.add(name, seed)
        self.publisher.sign()
        self.tree = self.publisher.tree
        self.upstream = FaultServer(self.tree).start()

    def add(self, name, seed):
        path = self.work / f"{name}.gguf"
        self.make_gguf(path, "--size", SIZE, "--seed", seed)
        self.ferry("prepare", "-q", name, path, "--set", "license.id=MIT")
        self.publisher.add(self.work / "models" / name)

    @property
    def version(self):
        path = self.tree / "metadata" / "timestamp.json"
        return json.loads(path.read_text())["signed"]["version"]

    def edge(self, more="", **options):
        client = self.publisher.client(self.upstream.url)
        return Edge(self.ferry, client, "log = access.log\n" + more, **options)

    def release(self):
        """Another one, with another model."""
        self.add("another", 99)
        self.publisher.sign()

    def model(self, name):
        return object_path(self.tree, f"{name}-*.gguf")

    def key(self, name):
        return "/" + str(self.model(name).relative_to(self.tree))

    def blob(self, name):
        return self.ferry.store / "blobs" / "sha256" / self.model(name).name.split(".")[0]

    def shown(self, edge, name):
        return edge.get(self.key(name)).body == self.model(name).read_bytes()

    def cached(self, edge, name):
        """Reads it until that was a hit: its last byte may be there before it is a file."""
        def lines():
            path = edge.dir / "access.log"
            all = path.read_text().splitlines() if path.exists() else []
            return [n for n in all if self.model(name).name in n]

        def hit():
            count = len(lines())
            assert self.shown(edge, name)
            return json.loads(until(lambda: lines()[count:], edge.process)[0]).get("hit") == "hit"
        until(hit, edge.process)

    def sent(self, name):
        return self.upstream.sent("*" + self.model(name).name)


@pytest.fixture
def world(work, make_gguf):
    with contextlib.ExitStack() as stack:
        def make(*models):
            world = World(work, make_gguf, models or ("one",))
            stack.callback(world.upstream.stop)
            return world
        yield make


def refresh(edge):
    edge.process.send_signal(signal.SIGHUP)


# -- releases --------------------------------------------------------------------------------

def test_a_new_release_is_shown_and_clients_of_the_earlier_one_go_on(world):
    w = world()
    before = set((w.tree / "metadata").iterdir())
    with w.edge() as edge:
        edge.shows(w.version)
        w.add("two", 7)
        w.publisher.sign()
        assert edge.get(w.key("two")).status == 404
        refresh(edge)
        edge.shows(w.version)
        assert w.shown(edge, "two")
        after = set((w.tree / "metadata").iterdir())
        assert after - before
        for path in after:
            if edge.get(f"/metadata/{path.name}").status == 404:
                # Of a release that the edge has never seen.
                assert path in before and int(path.name.split(".")[0]) < w.version - 1
            else:
                assert edge.get(f"/metadata/{path.name}").body == path.read_bytes(), path
        first = w.version - 1
        assert edge.get(f"/metadata/{first}.snapshot.json").status == 200
        assert edge.get(f"/metadata/{w.version + 1}.snapshot.json").status == 404
        # The three releases before the newest stay.
        for seed, status in (8, 200), (9, 200), (10, 404):
            w.add(f"model-{seed}", seed)
            w.publisher.sign()
            refresh(edge)
            edge.shows(w.version)
            assert edge.get(f"/metadata/{first}.snapshot.json").status == status
        assert w.version == first + 4


def test_an_older_release_is_never_shown_again(world):
    w = world()
    older = copy_tree(w.tree, w.work / "older")
    w.release()
    newest = w.version
    with w.edge() as edge:
        edge.shows(newest)
        w.upstream.root = older
        w.upstream.log.clear()
        refresh(edge)
        until(lambda: any("timestamp.json" in n["path"] for n in w.upstream.log), edge.process)
        edge.shows(newest)
    # Not even if its copies are lost: what was trusted is remembered.
    for copy in "0", "1":
        shutil.rmtree(w.ferry.store / "edge" / "demo" / copy, ignore_errors=True)
    with w.edge() as edge:
        until(lambda: "rollback" in edge.log.text, edge.process)
        assert edge.get("/metadata/timestamp.json").status == 503


def test_of_several_mirrors_the_newest_that_verifies_counts(world, work):
    w = world()
    older = copy_tree(w.tree, work / "older")
    lying = copy_tree(w.tree, work / "lying")
    path = lying / "metadata" / "timestamp.json"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace(f'"version":{w.version}', '"version":999'))
    assert path.read_text() != text
    w.release()
    with FaultServer(older) as first, FaultServer(lying) as second:
        client = w.publisher.client(first.url, second.url, w.upstream.url)
        with Edge(w.ferry, client) as edge:
            edge.shows(w.version)
            assert any("timestamp.json" in n["path"] for n in second.log)
            # Nothing newer is there: the liar is no reason to forget the release.
            refresh(edge)
            edge.shows(w.version)


def test_it_starts_without_a_network(world):
    w = world()
    with w.edge() as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
    w.upstream.refuse()
    with w.edge() as edge:
        edge.shows(w.version)
        assert f"release {w.version}, which it had before" in edge.log.text
        assert w.shown(edge, "one")
        assert edge.get(w.key("one") + ".manifest.json").status == 404


def test_a_copy_that_was_not_completed_is_not_used(world):
    """As a kill in the middle leaves it: the other copy stays the current one."""
    w = world()
    with w.edge() as edge:
        edge.shows(w.version)
    complete = w.version
    w.release()
    fault = w.upstream.add("*.json", skip=3, hold_after=10)
    with w.edge() as edge:
        until(lambda: fault.hits, edge.process)
        edge.kill()
    fault.release()
    w.upstream.refuse()
    with w.edge() as edge:
        edge.shows(complete)


def test_a_withdrawn_model_is_refused_though_it_is_in_the_cache(world):
    w = world("one", "two")
    with w.edge() as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
        w.ferry("catalog", "withdraw", "-q", "one", "--reason", "it is wrong", cwd=w.publisher.dir)
        w.publisher.sign()
        refresh(edge)
        edge.shows(w.version)
        assert w.blob("one").exists()
        answer = edge.get(w.key("one"))
        assert answer.status in (403, 404, 410) and len(answer.body) < 1000
        assert w.shown(edge, "two")


# -- wrong bytes -----------------------------------------------------------------------------

def flip(path):
    """A byte near the end; the time of the content stays, as if nobody had been there."""
    before = path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(-1000, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1000, os.SEEK_END)
        file.write(bytes([byte ^ 0x40]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path):
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size - 1000)


@pytest.mark.parametrize("harm", [flip, cut])
def test_a_file_that_changes_while_it_is_sent_ends_the_transfer(world, harm):
    """A range that the kernel sends from the file: most of it is not sent yet."""
    w = world()
    with w.edge() as edge, socket.socket() as s:
        edge.shows(w.version)
        w.cached(edge, "one")
        right = w.model("one").read_bytes()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        s.connect(("127.0.0.1", edge.port))
        first = len(right) - PIECE
        s.sendall(f"GET {w.key('one')} HTTP/1.1\r\nHost: x\r\nRange: bytes={first}-\r\n"
                  "\r\n".encode())
        got = s.recv(1000)
        assert got.startswith(b"HTTP/1.1 206 ")
        harm(w.blob("one"))
        with contextlib.suppress(ConnectionError):
            while more := s.recv(65536):
                got += more
        body = got.partition(b"\r\n\r\n")[2]
        assert len(body) < PIECE and body == right[first:first + len(body)]
        assert w.shown(edge, "one")


def test_a_flipped_byte_is_never_served_but_by_a_proxy(world, work):
    w = world()
    with w.edge() as edge, NginxCache(work, w.upstream.url) as nginx:
        edge.shows(w.version)
        right = w.model("one").read_bytes()
        w.cached(edge, "one")
        assert nginx.read(w.key("one")) == right
        flip(w.blob("one"))
        for path in nginx.files(len(right)):
            flip(path)
        sent = w.sent("one")
        assert nginx.read(w.key("one")) != right
        assert w.shown(edge, "one")
        # Only the wrong piece was fetched again.
        assert 0 < w.sent("one") - sent <= PIECE


def test_a_file_that_was_cut_is_whole_again_but_not_at_a_proxy(world, work):
    w = world()
    with w.edge() as edge, NginxCache(work, w.upstream.url) as nginx:
        edge.shows(w.version)
        right = w.model("one").read_bytes()
        w.cached(edge, "one")
        assert nginx.read(w.key("one")) == right
        cut(w.blob("one"))
        for path in nginx.files(len(right)):
            cut(path)
        assert w.shown(edge, "one")
        for _ in range(2):
            assert nginx.got(w.key("one")) != right


@pytest.mark.parametrize("harm", [flip, cut, os.remove])
def test_whatever_happens_to_a_file_clients_get_the_right_bytes(world, harm):
    w = world()
    with w.edge() as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
        harm(w.blob("one"))
        w.cached(edge, "one")
    # While no edge ran.
    harm(w.blob("one"))
    with w.edge() as edge:
        edge.shows(w.version)
        assert w.shown(edge, "one")
        assert hashlib.sha256(w.blob("one").read_bytes()).hexdigest() == w.blob("one").name


@pytest.mark.parametrize("kept", ["whole", "wrong"])
def test_a_file_that_nobody_verified_is_hashed_before_it_is_sent(world, kept):
    """Somebody copied it into the store, or an edge was killed before it could note it."""
    w = world()
    with w.edge() as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
        marks = w.ferry.store / "marks" / w.blob("one").name
        copy = w.work / "copy"
        shutil.copyfile(w.blob("one"), copy)
        if kept == "wrong":
            flip(copy)
        edge.as_admin("DELETE", f"/v1/cache/{w.blob('one').name}")
        assert not marks.exists()
        os.rename(copy, w.blob("one"))
        sent = w.sent("one")
        assert w.shown(edge, "one")
        assert (w.sent("one") == sent) == (kept == "whole")


def test_a_touched_file_is_hashed_and_not_fetched_again(world):
    w = world()
    with w.edge() as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
        sent = w.sent("one")
        os.utime(w.blob("one"))
        assert w.shown(edge, "one")
        assert w.sent("one") == sent


def test_after_a_kill_nothing_is_wrong_and_little_is_fetched_again(world):
    w = world()
    held = w.upstream.add("*.gguf", hold_after=PIECE + 1000)
    with w.edge() as edge:
        edge.shows(w.version)
        with edge.socket() as s:
            s.sendall(f"GET {w.key('one')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            got = 0
            while got < PIECE:
                got += len(s.recv(1 << 20))
            edge.kill()
    held.release()
    w.upstream.mend()
    with w.edge() as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
        edge.kill()
    sent = w.sent("one")
    with w.edge() as edge:
        edge.shows(w.version)
        assert w.shown(edge, "one")
        assert w.sent("one") == sent


# What was held back may still be sent to the one that was killed: it counts.
def test_after_a_kill_an_edge_fetches_less_again_than_a_proxy(world, work):
    w = world()
    size = w.model("one").stat().st_size

    def begin(port):
        """The second piece does not arrive."""
        held = w.upstream.add("*.gguf", hold_after=PIECE + 1000)
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(f"GET {w.key('one')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            got = 0
            while got < PIECE // 2:     # a proxy keeps back the end of what it has
                got += len(s.recv(1 << 20)) or pytest.fail("it sends nothing more")
            yield
        held.release()
        w.upstream.mend()
        yield w.sent("one")

    with w.edge() as edge:
        edge.shows(w.version)
        steps = begin(edge.port)
        next(steps)
        edge.kill()
        before = next(steps)
    with w.edge() as edge:
        edge.shows(w.version)
        assert w.shown(edge, "one")
        assert w.sent("one") - before < size - PIECE // 2
    with NginxCache(work, w.upstream.url) as nginx:
        steps = begin(nginx.port)
        next(steps)
        kill(nginx.process)
        before = next(steps)
    with nginx:
        assert nginx.got(w.key("one")) == w.model("one").read_bytes()
        assert w.sent("one") - before >= size


# -- room ------------------------------------------------------------------------------------

def there(w, *names):
    return [name for name in names if w.blob(name).exists()]


def test_what_was_used_longest_ago_makes_room(world):
    w = world("one", "two", "three")
    with w.edge("size = 20M") as edge:
        edge.shows(w.version)
        w.cached(edge, "one")
        w.cached(edge, "two")
        w.cached(edge, "one")
        w.cached(edge, "three")
        assert there(w, "one", "two", "three") == ["one", "three"]
    # The order is remembered.
    with w.edge("size = 20M") as edge:
        edge.shows(w.version)
        w.cached(edge, "two")
        assert there(w, "one", "two", "three") == ["two", "three"]


def test_models_of_the_store_are_hits_and_stay(world):
    w = world("one", "two", "three")
    (w.work / "ferry.conf").write_text(w.publisher.client(w.upstream.url))
    w.ferry("fetch", "-q", "one")
    sent = w.sent("one")
    with w.edge("size = 10M") as edge:
        edge.shows(w.version)
        assert w.shown(edge, "one")
        assert w.sent("one") == sent
        w.cached(edge, "two")
        w.cached(edge, "three")
        assert there(w, "one", "two", "three") == ["one", "three"]
    parts = w.ferry("store", "du", "--json").json["parts"]
    assert parts["edge"] > 9 << 20 and parts["unused"] == 0
    kept = w.ferry("store", "gc", "--json").json
    assert kept["edge_kept"] >= 1 and there(w, "one", "three") == ["one", "three"]
    w.ferry("store", "gc", "--edge", "--json")
    assert there(w, "one", "two", "three") == ["one"]


def outcome(w, edge, name):
    """True: the right bytes; False: an error, or cut off. Nothing else is ever allowed."""
    try:
        answer = edge.get(w.key(name))
    except http.client.HTTPException:
        return False
    assert answer.status >= 500 or answer.body == w.model(name).read_bytes()
    return answer.status == 200


def test_a_full_disk_ends_no_transfer_wrongly(world, work):
    w = world("one", "two")
    disk = SmallDisk(work / "disk", 30 << 20)
    try:
        w.ferry.store = disk.path / "store"
        w.ferry.env.update(FERRY_HOME=str(w.ferry.store), **disk.env)
        with w.edge("keep-free = 1M") as edge, \
                NginxCache(work, w.upstream.url, disk.path) as nginx:
            edge.shows(w.version)
            assert w.shown(edge, "one")
            disk.fill()
            health = json.loads(edge.get("/healthz").body)
            assert (health["status"], health["checks"]["disk"]) == ("degraded", "full")
            assert not outcome(w, edge, "two")
            assert edge.get(w.key("two")).status == 507
            assert w.model("two").read_bytes().startswith(nginx.got(w.key("two")))
            disk.free(30 << 20)
            until(lambda: outcome(w, edge, "two"), edge.process)
            assert w.shown(edge, "two")
    finally:
        disk.close()
