"""Several metadata endpoints: the newest that verifies wins, whatever the others do."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile

import pytest

from conftest import Ferry
from edges import Edge
from test_fetch import client, faults, prepared, publisher, signed  # noqa: F401 (fixtures)
from test_mirror_contract import certificate  # noqa: F401 (fixture)
from waiting import until

pytestmark = pytest.mark.usefixtures("no_pauses")

GARBAGE = b'{"signed": {"_type": "timestamp", "version": 4000000000}, "signatures": []}'


class Silent(socket.socket):
    def __init__(self):
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.listen(64)
        self.setblocking(False)
        self.url = f"http://127.0.0.1:{self.getsockname()[1]}/"

    def connections(self):
        """How many there were since the last call."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self.accept()[0].close()
                count += 1
        return count


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with Silent() as s:
        yield s


def states(document):
    return {e["url"]: e["state"] for e in document["endpoints"]}


def test_down_stale_garbage_slow_and_one_good(ferry, work, publisher, prepared, client,
                                              nginx, fault_server, silent, validate):
    old = nginx(publisher.copy(work / "old"))
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    liar = fault_server(publisher.tree)
    liar.add(path="metadata/timestamp.json", status=200, body=GARBAGE)
    good = nginx(publisher.tree)
    down = "http://127.0.0.1:1/"
    for deadline in (1, 10, 100):       # on a busy machine, others than the silent one are slow
        shutil.rmtree(ferry.store, ignore_errors=True)
        silent.connections()
        before = len(old.requests())
        client(down, old.url, liar.url, silent.url, good.url,
               extra=f"[fetch]\ntimestamp-deadline = {deadline}s")
        result = ferry("fetch", "-v", "--json", "other")
        if list(states(result.json).values()).count("slow") == 1:
            break
    # The deadline is waited for once, whatever is asked afterwards.
    assert silent.connections() == 1
    document = result.json
    validate(document, "output-fetch")
    assert states(document) == {down: "down", old.url: "stale", liar.url: "rejected",
                                silent.url: "slow", good.url: "ok"}
    assert document["models"][0]["model"] == "other"
    by_url = {e["url"]: e for e in document["endpoints"]}
    assert by_url[old.url]["version"] == 2 and by_url[good.url]["version"] == 3
    assert by_url[old.url]["fault"] == "timestamp version 2, the newest is 3"
    assert by_url[liar.url]["version"] == 4000000000
    assert "signed" in by_url[liar.url]["fault"]
    assert f"within {deadline}000 ms" in by_url[silent.url]["fault"]
    assert "fault" not in by_url[good.url] and "version" not in by_url[down]
    for url, words in {down: "down", old.url: "stale, timestamp version 2",
                       liar.url: "rejected", silent.url: "slow", good.url: "ok"}.items():
        assert f"endpoint {url}: {words}" in result.err
    # The stale one is asked what all are asked, and nothing more.
    assert [line.split()[1] for line in old.requests()[before:]] == [
        f"/metadata/{name}.json" for name in ("1.root", "2.root", "timestamp")]


def test_nobody_can_be_reached(ferry, publisher, client):
    urls = ["http://127.0.0.1:1/", "http://127.0.0.1:2/"]
    client(*urls)
    result = ferry("fetch", "--json", "tiny", check=4)
    for url in urls:
        assert url in result.json["error"]["message"]


def add_root(publisher, version):
    """Signs a next root: what a rotation of keys leaves behind."""
    metadata = publisher.tree / "metadata"
    root = json.loads((metadata / f"{version - 1}.root.json").read_text())
    root["signed"]["version"] = version
    signed = json.dumps(root["signed"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    with tempfile.NamedTemporaryFile("w") as message:
        message.write(signed)
        message.flush()
        sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey",
                              str(publisher.dir / "keys" / "root.pem"), "-in", message.name],
                             check=True, capture_output=True).stdout
    [key] = root["signed"]["roles"]["root"]["keyids"]
    root["signatures"] = [{"keyid": key, "sig": sig.hex()}]
    (metadata / f"{version}.root.json").write_text(json.dumps(root))


def root_version(ferry):
    trust = ferry("show", "--json", "tiny").json["trust"]
    return [r["version"] for r in trust if r["role"] == "root"]


def test_next_root_is_found_behind_a_stale_endpoint(ferry, work, publisher, client, fault_server):
    old = publisher.copy(work / "old")
    add_root(publisher, 2)
    liar = fault_server(publisher.tree)
    liar.add(path="metadata/2.root.json", flip_at=60)
    client(f"file://{old}", liar.url, f"file://{publisher.tree}")
    assert root_version(ferry) == [2]
    # Whom no one can bring a newer root, the stale one cannot take it away from.
    add_root(publisher, 3)
    client(f"file://{old}")
    assert root_version(ferry) == [2]
    client(f"file://{old}", f"file://{publisher.tree}")
    assert root_version(ferry) == [3]


def test_rotated_keys_take_the_word_from_those_who_stay_behind(ferry, work, publisher, client):
    """What the old timestamp key signed counts for nothing once an endpoint tells of the new
    one, be its version as high as it may."""
    ferry("list")
    for _ in range(3):
        ferry("catalog", "refresh", "-q", cwd=publisher.dir)
    ahead = publisher.copy(work / "ahead")
    client(f"file://{ahead}")
    ferry("list")
    ferry("catalog", "rotate", "timestamp", "snapshot", "-q", cwd=publisher.dir)
    assert (publisher.tree / "metadata" / "2.root.json").exists()
    for _ in range(2):
        ferry("catalog", "refresh", "-q", cwd=publisher.dir)
    client(f"file://{ahead}", f"file://{publisher.tree}")
    assert root_version(ferry) == [2]
    document = ferry("fetch", "--json", "tiny").json
    assert states(document)[f"file://{publisher.tree}"] == "ok"
    assert states(document)[f"file://{ahead}"] in ("stale", "rejected")
    # Who stays behind for good is not believed alone any more.
    client(f"file://{ahead}")
    result = ferry("list")
    assert "timestamp.json" in result.err and "another mirror" in result.err
    ferry("repository", "status", check=6)


def test_credentials_of_an_endpoint_are_not_shown(ferry, publisher, client):
    client("http://anna:geheim@127.0.0.1:1/", f"file://{publisher.tree}")
    result = ferry("fetch", "-v", "--json", "tiny")
    assert "geheim" not in result.out + result.err
    assert states(result.json)[f"file://{publisher.tree}"] == "ok"
    assert sorted(states(result.json).values()) == ["down", "ok"]


def test_deadline_is_checked(ferry, publisher, client):
    for value in ("0", "11m", "soon"):
        client(extra=f"[fetch]\ntimestamp-deadline = {value}")
        result = ferry("list", check=2)
        assert "timestamp-deadline" in result.err


def test_snapshot_is_taken_from_another_endpoint(ferry, work, publisher, client):
    """The one with the newest timestamp lost a file: the others help out."""
    partial = publisher.copy(work / "partial")
    for name in ("2.snapshot.json", "2.targets.json"):
        (partial / "metadata" / name).unlink()
    shutil.rmtree(partial / "targets")
    client(f"file://{partial}", f"file://{publisher.tree}")
    document = json.loads(ferry("fetch", "--json", "tiny").out)
    assert states(document) == {f"file://{partial}": "incomplete",
                                f"file://{publisher.tree}": "ok"}
    assert document["endpoints"][0]["fault"] == "2.targets.json: not found"


def test_targets_metadata_beyond_its_ceiling(ferry, client):
    """Nothing of it is asked for: the snapshot tells the size."""
    def limit(size):
        client()
        conf = ferry.work / "ferry.conf"
        conf.write_text(conf.read_text().replace("metadata =", f"targets-max-size = {size}\n"
                                                 "metadata =", 1))
    limit("100")
    result = ferry("list", "--json", check=6)
    assert "more than the limit of 100" in result.json["error"]["message"]
    assert "raise targets-max-size" in result.json["error"]["hint"]
    limit("2M")
    assert "tiny" in ferry("list").out
    limit("2G")
    assert "targets-max-size" in ferry("list", check=2).err


@pytest.mark.parametrize("path", ["metadata/1.root.json", "metadata/2.snapshot.json",
                                  "targets/*.repository.json", "targets/*.manifest.json"])
def test_a_bad_line_is_tried_again(ferry, publisher, client, fault_server, path):
    """The only mirror drops the connection, and then drops it again."""
    server = fault_server(publisher.tree)
    client(server.url)
    fault = server.add(path=path, drop_after=20, times=2)
    ferry("fetch", "tiny")
    assert fault.hits == 2
    # There is an end to it.
    ferry("store", "remove", "tiny")
    shutil.rmtree(ferry.store / "trust")
    endless = server.add(path=path, drop_after=20)
    result = ferry("fetch", "--json", "tiny", check=4)
    assert "dropped 3 times" in result.json["error"]["message"]
    assert endless.hits == 3


def test_what_is_missing_is_not_asked_for_again(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    client(server.url)
    missing = server.add(path="targets/*.repository.json", status=404)
    result = ferry("list", check=4)
    assert missing.hits == 1
    assert "the mirrors are incomplete" in result.err


def test_a_certificate_of_nobody_is_named(ferry, publisher, client, nginx, certificate):
    server = nginx(publisher.tree, tls=certificate)
    client(server.url)
    result = ferry("list", check=6)
    assert server.url in result.err and "certificate" in result.err
    assert "set SSL_CERT_FILE" in result.err
    # The way out works.
    ferry("list", env={"SSL_CERT_FILE": certificate[0]})


@pytest.mark.parametrize("name", ["1.root.json", "2.root.json", "timestamp.json", "2.snapshot.json",
                                  "2.targets.json"])
def test_a_body_of_any_length_is_cut(ferry, work, publisher, client, fault_server, name):
    """A mirror that pours without saying how much, beside a good one and alone."""
    tree = publisher.copy(work / "flood")
    with open(tree / "metadata" / name, "ab") as f:
        f.truncate(48 << 20)
    flood = fault_server(tree)
    flood.add(path=f"metadata/{name}", no_length=True)
    client(flood.url, f"file://{publisher.tree}")
    result = ferry("fetch", "--json", "tiny")
    assert states(result.json)[flood.url] == "rejected"
    assert "larger than" in next(e["fault"] for e in result.json["endpoints"]
                                 if e["url"] == flood.url)
    shutil.rmtree(ferry.store)
    client(flood.url)
    result = ferry("list", check=6)
    assert f"{name}: the object is larger than" in result.err
    assert flood.sent(f"metadata/{name}") < 32 << 20      # what sockets hold included


def test_without_the_mirrors_of_the_catalog_nothing_else_is_asked(ferry, work, publisher, client,
                                                                  fault_server):
    """Neither by a client, nor by the edge that it reads from."""
    chosen, mirror = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(other=mirror.url)
    only = {"extra": "catalog-mirrors = no"}
    near = work / "near"
    near.mkdir()
    with Edge(Ferry(near), publisher.client(chosen.url, **only)) as edge:
        until(lambda: edge.get("/healthz").status == 200, edge.process)
        client(f"{edge.url}/{publisher.name}/", **only)
        assert [s["url"] for s in ferry("fetch", "tiny", "--json").json["sources"]] == \
            [f"{edge.url}/{publisher.name}/"]
        assert [e["url"] for e in ferry("repository", "status", "--json").json["repositories"][0]
                ["endpoints"]] == [f"{edge.url}/{publisher.name}/"]
    assert chosen.sent("*.gguf") > 0
    assert mirror.log == []
