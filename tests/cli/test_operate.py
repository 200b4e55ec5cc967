"""What runs an edge can ask it: /healthz, /metrics, /v1/stats, /v1/events, and what they can have it do."""

import hashlib
import json
import subprocess

import pytest
import yaml

import schemas
from conftest import ROOT, Ferry
from edges import Edge, Unix
from ops_metrics import EDGE, values_in
from prometheus_servers import Prometheus
from publisher import Publisher, object_path
from servers import free_port, hold_port
from test_ops_grafana import queries
from test_ops_metrics import filled
from waiting import until


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_gguf):
    """A publisher with two models, and the keys of an edge."""
    ferry = Ferry(tmp_path_factory.mktemp("operate"))
    publisher = Publisher(ferry, ferry.work)
    for name, seed in (("tiny", 1), ("other", 2)):
        make_gguf(ferry.work / f"{name}.gguf", "--size", "1M", "--seed", seed)
        ferry("prepare", "-q", name, ferry.work / f"{name}.gguf", "--set", "license.id=MIT")
        publisher.add(ferry.work / "models" / name)
    publisher.sign()
    ferry.publisher = publisher
    ferry.keys = {
        scope: ferry("serve", "key", "new", scope.replace(":", "-").replace("/", "-"), "--scope", scope,
                     "--keys", ferry.work / "keys", "--json").json["secret"]
        for scope in ("pull", "metrics", "admin", "preload:demo/tiny")}
    return ferry


@pytest.fixture(scope="module")
def edge(world):
    with Edge(world, world.publisher.client(), f"keys = {world.work / 'keys'}\nlog = access.log\nsize = 1GB") as e:
        e.shows(release_of(world.publisher))
        yield e


def release_of(publisher):
    return json.loads((publisher.tree / "metadata/timestamp.json").read_text())["signed"]["version"]


def bearer(world, scope):
    return {"Authorization": f"Bearer {world.keys[scope]}"}


def sha256_of(world, name):
    path = object_path(world.publisher.tree, f"{name}*.gguf")
    return hashlib.sha256(path.read_bytes()).hexdigest(), "/" + str(path.relative_to(world.publisher.tree))


class Events:
    """What GET /v1/events sends, event by event."""

    def __init__(self, edge, after=None):
        self.connection = Unix(edge.admin)
        self.connection.request("GET", "/v1/events", headers={"Last-Event-ID": after} if after else {})
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        assert self.response.headers["Content-Type"] == "text/event-stream"
        assert self.response.readline() == b":\n"       # it is connected
        self.response.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self, *kinds):
        """(number, kind, data) of the next event of these kinds; None: it is over."""
        found = {}
        for line in iter(self.response.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                found[name] = value
            elif found.get("event") in kinds:
                return found["id"] if "id" in found else None, found["event"], json.loads(found["data"])
            else:
                found = {}
        return None


# -- is it well ------------------------------------------------------------------------------


def test_anybody_may_know_that_it_is_well_and_nothing_more(edge):
    answer = edge.get("/healthz")
    checks = {"release": "ok", "upstreams": "ok", "disk": "ok"}
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok", "checks": checks})
    assert answer["Cache-Control"] == "no-store"
    assert edge.head("/healthz").status == 200
    assert edge.get("/healthz", Authorization="Bearer ferry_wrong_wrong").status == 200


def test_without_a_release_it_lives_but_is_not_ready(world, tmp_path):
    port = free_port()
    with hold_port(port):
        client = world.publisher.client(f"http://127.0.0.1:{port}")
        with Edge(Ferry(tmp_path), client) as edge:
            answer = edge.get("/healthz")
            document = json.loads(answer.body)
            assert (answer.status, document["status"]) == (503, "starting")
            assert document["checks"]["release"] == "missing"
            until(lambda: json.loads(edge.get("/healthz").body)["checks"]["upstreams"] == "failing",
                  edge.process)
            assert edge.get("/healthz?live").status == 200
            stats = json.loads(edge.as_admin("GET", "/v1/stats").body)
            schemas.validate(stats, "edge-stats")
            assert "release" not in stats["repositories"][0]


# -- numbers ---------------------------------------------------------------------------------


def metrics_of(edge):
    return edge.as_admin("GET", "/metrics").body.decode()


def value(text, line):
    [found] = [row for row in text.splitlines() if row.startswith(line + " ")]
    return float(found.rpartition(" ")[2])


def test_metrics_are_those_of_the_table_and_promtool_finds_no_fault(edge):
    text = metrics_of(edge)
    assert {name: tuple(rows[0]) for name, rows in values_in(text).items()} == EDGE
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_requests_and_bytes_are_counted_the_same_in_metrics_and_statistics(edge, world):
    before = metrics_of(edge)
    assert edge.get("/metadata/1.root.json").status == 200
    assert edge.get("/metadata/no.json").status == 404
    size = (world.publisher.tree / "metadata/1.root.json").stat().st_size

    def grown(line):
        return value(metrics_of(edge), line) - value(before, line)
    until(lambda: grown('ferry_serve_requests_total{class="4xx"}') == 1)
    assert grown("ferry_serve_sent_bytes_total") >= size
    stats = json.loads(edge.as_admin("GET", "/v1/stats").body)
    schemas.validate(stats, "edge-stats")
    assert stats["repositories"][0]["release"] == release_of(world.publisher)
    assert stats["requests"]["4xx"] == value(metrics_of(edge), 'ferry_serve_requests_total{class="4xx"}')


def test_an_object_is_a_miss_then_a_hit_and_its_first_byte_is_timed(edge, world):
    _, key = sha256_of(world, "tiny")
    before = metrics_of(edge)
    line = 'ferry_serve_cache_requests_total{result="hit"}'
    # Who reads while it is on its way joins.
    until(lambda: edge.get(key).status == 200 and value(metrics_of(edge), line) > value(before, line))
    after = metrics_of(edge)
    assert value(after, "ferry_serve_first_byte_seconds_count") > value(before, "ferry_serve_first_byte_seconds_count")
    assert value(after, 'ferry_serve_first_byte_seconds_bucket{le="+Inf"}') == \
        value(after, "ferry_serve_first_byte_seconds_count")


def test_each_query_of_the_dashboard_has_a_result_with_the_job_and_the_key_of_the_examples(edge, world):
    config = yaml.safe_load((ROOT / "scripts/ops/prometheus/prometheus.yml").read_text())
    [job] = [j for j in config["scrape_configs"] if j["job_name"] == "ferry-edge"]
    job["static_configs"][0]["targets"] = [f"127.0.0.1:{edge.port}"]
    assert edge.get(sha256_of(world, "other")[1]).status == 200
    prometheus = Prometheus(world.work, {}, jobs=[job])
    (prometheus.dir / job["authorization"]["credentials_file"]).write_text(world.keys["metrics"])
    with prometheus:
        until(lambda: prometheus.query("increase(ferry_serve_requests_total[1m])"), prometheus.process)
        of_board = [(title, query) for title, query in queries() if title.startswith("edge:")]
        assert len(of_board) > 30
        for title, query in of_board:
            assert prometheus.query(filled(query)), f"{title}: nothing for {query}"


# -- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method, path, scope, status", [
    ("GET", "/metrics", "metrics", 200), ("GET", "/v1/stats", "metrics", 200),
    ("DELETE", "/v1/cache/" + "0" * 64, "admin", 404),
    ("POST", "/v1/preload", "preload:demo/tiny", 400)])
def test_each_of_them_needs_its_own_scope(edge, world, method, path, scope, status):
    assert edge.ask(method, path).status == 401
    for other in world.keys:
        wanted = status if other == scope else 403
        assert edge.ask(method, path, bearer(world, other)).status == wanted, other


def test_other_methods_are_refused(edge):
    assert edge.ask("POST", "/metrics").status == 405
    assert edge.ask("GET", "/v1/preload").status == 405


# -- what they have it do --------------------------------------------------------------------


def test_what_is_preloaded_is_there_before_anybody_reads_it_until_it_is_dropped(edge, world):
    sha256, key = sha256_of(world, "tiny")
    edge.as_admin("DELETE", f"/v1/cache/{sha256}")
    blob = world.store / "blobs" / "sha256" / sha256
    with Events(edge) as events:
        answer = edge.ask("POST", "/v1/preload", bearer(world, "preload:demo/tiny"),
                          b'{"models": ["demo/tiny"]}')
        size = (world.publisher.tree / key[1:]).stat().st_size
        assert (answer.status, json.loads(answer.body)) == (202, {"objects": 1, "bytes": size})
        states = []
        while not states or states[-1]["state"] not in ("done", "failed"):
            _, _, data = events.next("pull")
            states.append(data)
        assert states[0]["state"] == "begun" and states[-1]["state"] == "done"
        assert states[-1]["size"] == size
    until(lambda: value(metrics_of(edge), 'ferry_serve_pulls{state="running"}') == 0)
    assert blob.exists()
    assert edge.ask("DELETE", f"/v1/cache/{sha256}", bearer(world, "admin")).status == 204
    assert not blob.exists()
    assert edge.ask("DELETE", f"/v1/cache/{sha256}", bearer(world, "admin")).status == 404
    assert hashlib.sha256(edge.get(key).body).hexdigest() == sha256


@pytest.mark.parametrize("body, status", [
    (b'{"models": ["tiny", "demo/other"]}', 404),       # not of the key's scope
    (b'{"models": ["missing"]}', 404), (b'{"models": ["tiny:missing"]}', 404),
    (b'{"models": [1]}', 400), (b'{"models": "tiny"}', 400), (b'{}', 400), (b'', 400),
    (b'{"models": ["../x"]}', 400), (b'{"models": [' + b'"tiny",' * 300 + b'"tiny"]}', 400)])
def test_of_a_preload_with_a_fault_nothing_is_begun(edge, world, body, status):
    def work():
        cache = json.loads(edge.as_admin("GET", "/v1/stats").body)["cache"]
        return cache["objects"], cache["fetched_bytes"], cache["pulling"] + cache["queued"]
    edge.as_admin("DELETE", f"/v1/cache/{sha256_of(world, 'tiny')[0]}")
    until(lambda: work()[2] == 0, edge.process)
    before = work()
    answer = edge.ask("POST", "/v1/preload", bearer(world, "preload:demo/tiny"), body)
    assert answer.status == status
    assert json.loads(answer.body)["error"]["message"]
    assert work() == before


def test_what_is_no_digest_is_not_dropped(edge):
    for name in ("x", "0" * 63, "0" * 65, ""):
        assert edge.as_admin("DELETE", f"/v1/cache/{name}").status == 400


# -- events ----------------------------------------------------------------------------------


def test_a_new_release_is_an_event_also_for_those_who_come_back_and_a_stop_ends_them(world, tmp_path, make_gguf):
    publisher = world.publisher.again(Ferry(tmp_path), tmp_path)
    with Edge(publisher.ferry, publisher.client(), "refresh = 1s\ngrace = 10m") as edge:
        edge.shows(release_of(publisher))
        with Events(edge) as events:
            publisher.sign(late="https://mirror.example")
            number, _, data = events.next("release")
            assert (data["repository"], data["release"]) == ("demo", release_of(publisher))
            with Events(edge, after=str(int(number) - 1)) as again:
                assert again.next("release")[0] == number
            assert edge.stop() == 0     # and does not wait for those who watch
            assert events.next("release") is None


# -- the log ---------------------------------------------------------------------------------


def test_statistics_count_what_the_edge_logged_exactly(world, tmp_path):
    ferry = Ferry(tmp_path)
    _, tiny = sha256_of(world, "tiny")
    _, other = sha256_of(world, "other")
    with Edge(ferry, world.publisher.client(), "log = access.log") as edge:
        edge.shows(release_of(world.publisher))
        for agent in ("reader/1", "reader/2"):
            assert edge.get(tiny, User_Agent=agent).status == 200
        for part in ("bytes=0-499999", "bytes=500000-"):
            assert edge.get(other, User_Agent="reader/1", Range=part).status == 206
        edge.head(tiny, User_Agent="reader/3")
        assert edge.get(other, User_Agent="reader/4", Range="bytes=0-99").status == 206
    log = edge.dir / "access.log"
    publisher = world.publisher.again(ferry, tmp_path)
    publisher.ferry("stats", "import", "-q", f"edge={log}", cwd=publisher.dir)
    shown = ferry("stats", "show", "--json", cwd=publisher.dir).json
    sizes = {key: (world.publisher.tree / key[1:]).stat().st_size for key in (tiny, other)}
    rows = {row["name"]: (row["downloads"], row["bytes"]) for row in shown["rows"]}
    assert rows == {"tiny": (2, 2 * sizes[tiny]), "other": (1, sizes[other] + 100)}
