"""How an edge gets what it does not have: once for all who ask, the piece that is asked for first,
never a wrong byte, and on where it stopped; and how several edges share that."""

import concurrent.futures
import hashlib
import http.client
import http.server
import json
import threading

import pytest

from conftest import Ferry
from edges import Edge
from publisher import Publisher, object_path
from servers import FaultServer, NginxCache, free_port
from small_gguf import llama_keys, llama_tensors, shards
from waiting import until

PIECE = 8 << 20
READERS = 200


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_gguf):
    """A model of five pieces, the last of which is short."""
    work = tmp_path_factory.mktemp("pulls")
    ferry = Ferry(work)
    ferry.publisher = Publisher(ferry, work)
    make_gguf(work / "tiny.gguf", "--size", "36M")
    ferry("prepare", "-q", "tiny", work / "tiny.gguf", "--set", "license.id=MIT")
    ferry.publisher.add(work / "models" / "tiny")
    ferry.publisher.sign()
    model = object_path(ferry.publisher.tree, "*.gguf")
    ferry.key = "/" + str(model.relative_to(ferry.publisher.tree))
    ferry.bytes = model.read_bytes()
    ferry.digest = hashlib.sha256(ferry.bytes).hexdigest()
    assert len(ferry.bytes) // PIECE == 4
    return ferry


@pytest.fixture
def upstream(world):
    with FaultServer(world.publisher.tree) as server:
        yield server


def start(world, place, *servers, more="", args=()):
    """An edge with a store of its own, in this folder."""
    place.mkdir(exist_ok=True)
    ferry = Ferry(place)
    edge = Edge(ferry, world.publisher.client(*[n.url for n in servers]), more, args)
    edge.ferry = ferry
    return edge


def read(edge, world, span=""):
    headers = {"Range": f"bytes={span}"} if span else {}
    return edge.ask("GET", world.key, headers).body


def asked(upstream):
    """The offsets in the model that were asked for, in order."""
    ranges = [n["range"] for n in upstream.log if n["path"].endswith(".gguf")]
    return [int(n.split("=")[1].split("-")[0]) if n else 0 for n in ranges]


# -- one edge ---------------------------------------------------------------------------------

def test_two_hundred_clients_at_once_cost_the_mirror_one_read(world, upstream, tmp_path):
    with start(world, tmp_path, upstream) as edge:
        size = len(world.bytes)

        def reader(i):
            first = i * (size - 70000) // READERS
            return read(edge, world, f"{first}-{first + 65535}") == \
                world.bytes[first:first + 65536]
        with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
            assert all(pool.map(reader, range(READERS)))
        assert hashlib.sha256(read(edge, world)).hexdigest() == world.digest
        assert upstream.sent("*.gguf") == size


def test_the_piece_that_is_asked_for_comes_first(world, upstream, tmp_path):
    hold = upstream.add(path="*.gguf", hold_after=3 * PIECE)
    with start(world, tmp_path, upstream) as edge:
        # After three pieces nothing more comes: in the order of the file, it would never be there.
        assert read(edge, world, "-1000") == world.bytes[-1000:]
        assert PIECE not in asked(upstream)[:asked(upstream).index(4 * PIECE)]
        hold.release()
        assert read(edge, world) == world.bytes


def test_of_a_lying_mirror_no_byte_reaches_a_client(world, upstream, tmp_path):
    upstream.add(path="*.gguf", flip_at=PIECE + 17)
    with start(world, tmp_path, upstream) as edge:
        with pytest.raises(http.client.IncompleteRead) as short:
            read(edge, world)
        got = short.value.partial
        assert got == world.bytes[:len(got)] and len(got) <= PIECE
        # Another mirror has it right.
        assert edge.ask("GET", world.key, {"Range": f"bytes={PIECE}-{PIECE + 9}"}).status == 502
    with FaultServer(world.publisher.tree) as good, \
            start(world, tmp_path / "two", upstream, good) as edge:
        assert read(edge, world) == world.bytes


def test_of_a_corrupt_mirror_a_cache_serves_what_it_got_and_an_edge_does_not(tmp_path):
    """One piece in a hundred is wrong there: a model in a hundred files of a piece each."""
    ferry = Ferry(tmp_path)
    publisher = Publisher(ferry, tmp_path)
    parts = shards(tmp_path, "many", llama_keys(blocks=49), llama_tensors(range(49)), 100)
    ferry("prepare", "-q", "many", parts[0], "--set", "license.id=MIT")
    publisher.add(tmp_path / "models" / "many")
    publisher.sign()
    files = sorted(publisher.tree.glob("targets/models/many/*.gguf"))
    assert len(files) == 100
    right = {f"/{n.relative_to(publisher.tree)}": n.read_bytes() for n in files}
    with FaultServer(publisher.tree) as corrupt, FaultServer(publisher.tree) as other, \
            NginxCache(tmp_path, corrupt.url) as cache, \
            concurrent.futures.ThreadPoolExecutor(8) as pool:
        wrong, *good = right
        corrupt.add(path="*" + wrong.rpartition("/")[2], flip_at=1000)
        assert [n for n in right if cache.read(n) != right[n]] == [wrong]
        with Edge(ferry, publisher.client(corrupt.url), name="alone") as edge:
            answers = dict(zip(good, pool.map(edge.get, good)))
            assert all(answers[n].body == right[n] for n in good)
            assert edge.get(wrong).status == 502
            assert json.loads(edge.as_admin("GET", "/v1/stats").body)["cache"]["wrong_pieces"] == 1
        other_store = {"FERRY_HOME": str(tmp_path / "other")}
        client = publisher.client(corrupt.url, other.url)
        with Edge(ferry, client, name="both", env=other_store) as edge:
            answers = pool.map(edge.get, right)
            assert all(n.body == right[key] for n, key in zip(answers, right))


def test_a_killed_edge_goes_on_where_it_was_and_so_does_fetch(world, upstream, tmp_path):
    upstream.add(path="*.gguf", hold_after=3 * PIECE)
    edge = start(world, tmp_path, upstream)
    assert read(edge, world, f"{PIECE}-{2 * PIECE}") == world.bytes[PIECE:2 * PIECE + 1]
    edge.kill()
    upstream.mend()
    with start(world, tmp_path, upstream) as edge:
        before = len(upstream.log)
        assert read(edge, world) == world.bytes
        again = sum(n["sent"] for n in upstream.log[before:] if n["path"].endswith(".gguf"))
        assert again <= len(world.bytes) - 2 * PIECE
    # The store is that of every command.
    (tmp_path / "ferry.conf").write_text(world.publisher.client(upstream.url))
    upstream.log.clear()
    edge.ferry("fetch", "-q", "tiny")
    assert upstream.sent("*.gguf") == 0


# -- a fleet ----------------------------------------------------------------------------------

class Fleet:
    """Edges that have the same list of all of them, each with a store of its own."""

    def __init__(self, world, place, upstream, count):
        self.world, self.edges = world, []
        ports = [free_port() for _ in range(count)]
        peers = " ".join(f"http://127.0.0.1:{n}" for n in ports)
        for port in ports:
            self.edges.append(start(world, place / str(port), upstream, more=f"peers = {peers}",
                                    args=("--listen", f"127.0.0.1:{port}")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for edge in self.edges:
            edge.__exit__()

    def has_begun(self, i):
        path = f"/v1/have/{self.world.digest}"
        until(lambda: self.edges[i].get(path).status == 200, self.edges[i].process)


def peers_of(edge):
    return sum(json.loads(edge.as_admin("GET", "/v1/stats").body)["peers"].values())


def begin_on_each(fleet, upstream, pool):
    """One after the other, so that each can know of those before it. Nothing comes yet."""
    hold = upstream.add(path="*.gguf", hold_after=0)
    reading = []
    for i, edge in enumerate(fleet.edges):
        reading.append(pool.submit(read, edge, fleet.world))
        fleet.has_begun(i)
    until(lambda: len(asked(upstream)) >= len(fleet.edges))
    return hold, reading


def test_each_piece_comes_from_the_mirror_about_once(world, upstream, tmp_path):
    with Fleet(world, tmp_path, upstream, 3) as fleet, \
            concurrent.futures.ThreadPoolExecutor(3) as pool:
        hold, reading = begin_on_each(fleet, upstream, pool)
        for edge in fleet.edges:    # each recognises itself in the list
            until(lambda e=edge: peers_of(e) == 2, edge.process)
        hold.release()
        assert all(n.result() == world.bytes for n in reading)
        # Three edges would have read it three times.
        assert upstream.sent("*.gguf") <= len(world.bytes) + 2 * PIECE


def test_the_loss_of_a_peer_only_costs_time(world, upstream, tmp_path):
    with Fleet(world, tmp_path, upstream, 3) as fleet, \
            concurrent.futures.ThreadPoolExecutor(3) as pool:
        hold, reading = begin_on_each(fleet, upstream, pool)
        fleet.edges[0].kill()
        hold.release()
        assert all(n.result() == world.bytes for n in reading[1:])
        assert reading[0].exception()


def test_what_a_peer_has_does_not_come_from_the_mirror(world, upstream, tmp_path):
    with Fleet(world, tmp_path, upstream, 2) as fleet:
        assert read(fleet.edges[0], world) == world.bytes
        assert upstream.sent("*.gguf") == len(world.bytes)
        assert read(fleet.edges[1], world) == world.bytes
        assert upstream.sent("*.gguf") == len(world.bytes)
        stats = json.loads(fleet.edges[1].as_admin("GET", "/v1/stats").body)
        assert stats["peers"] == {"up": 1, "down": 0}


def test_a_peer_does_not_ask_on_behalf_of_a_peer(world, upstream, tmp_path):
    with start(world, tmp_path, upstream) as edge:
        assert edge.get(world.key, Ferry_Peer="1").status == 404
        assert edge.get(f"/v1/have/{world.digest}").status == 404
        assert asked(upstream) == []
        assert edge.get("/v1/have/xyz").status == 404


def test_a_peer_may_have_what_one_of_the_models_allows_that_have_it(make_gguf, tmp_path):
    ferry = Ferry(tmp_path)
    ferry.publisher = Publisher(ferry, tmp_path)
    make_gguf(tmp_path / "model.gguf", "--size", "1M")
    for name in "first", "second":
        ferry("prepare", "-q", name, tmp_path / "model.gguf", "--set", "license.id=MIT")
        ferry.publisher.add(tmp_path / "models" / name)
    ferry.publisher.sign()
    keys = tmp_path / "keys.json"
    one, two, other = [ferry("serve", "key", "new", "--keys", keys, name, "--scope",
                             f"pull:demo/{name}*").out.strip()
                       for name in ("first", "second", "third")]
    with Edge(ferry, ferry.publisher.client(), f"anonymous = no\nkeys = {keys}") as edge:
        path = "/" + str(object_path(ferry.publisher.tree, "second*.gguf")
                         .relative_to(ferry.publisher.tree))
        body = edge.get(path, Authorization=f"Bearer {two}").body
        have = f"/v1/have/{hashlib.sha256(body).hexdigest()}"
        assert [edge.get(have, Authorization=f"Bearer {key}").status
                for key in (one, two, other)] == [200, 200, 404]


def test_the_key_goes_to_the_peer_that_is_configured(world, upstream, tmp_path):
    seen = []

    class Peer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["Authorization"], self.headers["Ferry-Peer"]))
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    key = tmp_path / "peer.key"
    key.write_text("ferry_abc_secret\n")
    key.chmod(0o600)
    more = f"peers = http://127.0.0.1:{server.server_port}\npeer-key-file = {key}"
    with start(world, tmp_path, upstream, more=more) as edge:
        assert read(edge, world) == world.bytes
        assert seen[0] == (f"/v1/have/{world.digest}", "Bearer ferry_abc_secret", "1")
        assert "secret" not in edge.log.text
    server.shutdown()
    server.server_close()
