"""Who may have what of an edge: keys, tokens, scopes, limits, fronts."""

import base64
import json
import re
import statistics
import time

import pytest
import tokens
from conftest import Ferry
from edges import Edge
from publisher import Publisher, object_path
from redis_servers import Redis
from waiting import until


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_gguf):
    """A publisher with two models."""
    work = tmp_path_factory.mktemp("auth")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    for name, size in ("tiny", "9M"), ("secret", "1M"):
        make_gguf(work / f"{name}.gguf", "--size", size)
        ferry("prepare", "-q", name, work / f"{name}.gguf", "--set", "license.id=MIT")
        publisher.add(work / "models" / name)
    publisher.sign()
    ferry.publisher = publisher
    ferry.keys = {n: "/demo/" + str(object_path(publisher.tree, f"{n}-*.gguf")
                                    .relative_to(publisher.tree)) for n in ("tiny", "secret")}
    return ferry


def new_key(ferry, path, name, *scopes, **options):
    more = [w for s in scopes for w in ("--scope", s)]
    more += [w for k, v in options.items() for w in (f"--{k}", v)]
    return ferry("serve", "key", "new", "--keys", path, name, *more).out.strip()


def own_store(world, name):
    """Edges that run at the same time have a store each."""
    return {"FERRY_HOME": world.work / f"store-{name}"}


class Guarded:
    """An edge that wants keys, its log, and some of the keys."""

    def __init__(self, world, name, more=""):
        folder = world.work / name
        folder.mkdir()
        self.path = folder / "keys.json"
        self.all = new_key(world, self.path, "all")
        self.some = new_key(world, self.path, "some", "pull:demo/tiny*")
        self.edge = Edge(world, world.publisher.client(), name=name, env=own_store(world, name),
                         more=f"anonymous = no\nkeys = keys.json\nlog = access.log\n{more}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.edge.__exit__()

    def get(self, path, key=None, **headers):
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return self.edge.get(path, **headers)

    def log(self):
        return [json.loads(n) for n in
                (self.edge.dir / "access.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def guarded(world):
    with Guarded(world, "guarded") as g:
        yield g


# -- keys ------------------------------------------------------------------------------------

def test_without_a_key_or_with_a_wrong_one_there_is_nothing(guarded, world):
    wrong = guarded.all[:-1] + ("0" if guarded.all[-1] != "0" else "1")
    for path in (world.keys["tiny"], "/demo/metadata/timestamp.json", "/v2/", "/v2/_catalog",
                 "/api/models", "/nothing", "/v1/version"):
        for key in (None, wrong, "ferry_", "eyJhbGciOiJub25lIn0.e30."):
            answer = guarded.get(path, key)
            assert answer.status == 401, (path, key)
            assert answer["WWW-Authenticate"].startswith("Bearer realm=")
            assert not key or key not in answer.body.decode()
    assert guarded.get("/demo/metadata/timestamp.json", guarded.all).status == 200


def test_the_root_is_the_same_for_everybody(guarded, world):
    answers = [guarded.get("/"), guarded.get("/", Authorization="Bearer wrong")]
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].body == answers[1].body


def test_a_key_also_comes_as_the_password_of_basic(guarded):
    pair = base64.b64encode(f"anybody:{guarded.all}".encode()).decode()
    answer = guarded.get("/demo/metadata/timestamp.json", Authorization=f"Basic {pair}")
    assert answer.status == 200


def test_ferry_fetches_with_a_key(guarded, world, tmp_path):
    client = Ferry(tmp_path)
    token = tmp_path / "key"
    token.write_text(guarded.all)
    token.chmod(0o600)
    url = guarded.edge.url
    (tmp_path / "ferry.conf").write_text(world.publisher.client(f"{url}/demo/") +
                                         f"[access.edge]\nurl = {url}/\ntoken-file = key\n")
    client("fetch", "tiny", "--json")


def test_a_key_is_made_and_revoked_while_the_edge_runs(guarded, world):
    made = world("serve", "key", "new", "--keys", guarded.path, "short-lived", "--scope",
                 "pull:demo", "--scope", "metrics", "--expires", "90d", "--json")
    key = made.json["secret"]
    path = "/demo/metadata/timestamp.json"
    until(lambda: guarded.get(path, key).status == 200)
    listed = world("serve", "key", "list", "--keys", guarded.path, "--json")
    found = next(k for k in listed.json["keys"] if k["name"] == "short-lived")
    assert found == made.json["key"] and found["scopes"] == ["pull:demo", "metrics"]
    assert key not in listed.out and key not in guarded.path.read_text()
    revoked = world("serve", "key", "revoke", "--keys", guarded.path, found["id"], "--json")
    assert revoked.json["revoked"] == ["short-lived"]
    until(lambda: guarded.get(path, key).status == 401)
    assert guarded.get(path, guarded.all).status == 200


def test_a_broken_file_of_keys_is_said_and_changes_nothing(world):
    with Guarded(world, "broken") as g:
        good = g.path.read_bytes()
        g.path.write_text("{")
        until(lambda: "keys.json" in g.edge.log.text)
        path = "/demo/metadata/timestamp.json"
        assert g.get(path, g.all).status == 200
        g.path.write_bytes(good)
        late = new_key(world, g.path, "late")
        until(lambda: g.get(path, late).status == 200)


def test_what_cannot_be_a_key_is_refused(world, tmp_path):
    path = tmp_path / "keys.json"
    new_key(world, path, "a")
    assert "already" in world("serve", "key", "new", "--keys", path, "a", check=8).err
    assert "scope 'all'" in world("serve", "key", "new", "--keys", path, "b", "--scope", "all",
                                  check=2).err
    assert "name of a key" in world("serve", "key", "new", "--keys", path, "A B", check=2).err
    assert "no key" in world("serve", "key", "revoke", "--keys", path, "none", check=3).err
    assert "keys = FILE" in world("serve", "key", "list", cwd=tmp_path, check=2).err
    assert path.stat().st_mode & 0o077 == 0


def test_a_scope_for_a_repository_that_nobody_knows_here_is_doubtful(world, tmp_path):
    (tmp_path / "ferry.conf").write_text(world.publisher.client("http://127.0.0.1:1/"))
    path = tmp_path / "keys.json"

    def told(name, scope):
        return world("serve", "key", "new", "--keys", path, name, "--scope", scope,
                     cwd=tmp_path).err
    assert "no repository 'tiny'" in told("model", "pull:tiny")
    for name, scope in ("a", "pull:demo/tiny"), ("b", "pull:*/tiny"), ("c", "metrics"):
        assert "warning" not in told(name, scope)


def test_an_edge_from_which_nobody_may_pull_says_so(world, tmp_path):
    client = world.publisher.client("http://127.0.0.1:1/")

    def told(more):
        with Edge(world, client, more, name="nobody",
                  env=own_store(world, "nobody")) as edge:
            return edge.log.text
    keys = f"keys = {tmp_path / 'keys.json'}\n"
    assert "neither keys nor jwks" in told("anonymous = no")
    assert "ferry serve key new NAME" in told("anonymous = no\n" + keys)
    new_key(world, tmp_path / "keys.json", "a")
    assert "nobody may pull" not in told("anonymous = no\n" + keys)
    assert "nobody may pull" not in told("")


def test_no_key_gets_into_a_log(guarded):
    guarded.get("/v1/version", guarded.all, User_Agent="of-the-key")
    until(lambda: any(n.get("http_user_agent") == "of-the-key" for n in guarded.log()))
    line = next(n for n in guarded.log() if n.get("http_user_agent") == "of-the-key")
    assert line["who"] == "all"
    for text in (guarded.edge.dir / "access.log").read_text(), guarded.edge.log.text:
        for key in guarded.all, guarded.some:
            assert key[-40:] not in text


# -- scopes ----------------------------------------------------------------------------------

def paths_of(guarded, world, model):
    """Everything that there is of a model, on each face."""
    manifest = f"/v2/demo/{model}/manifests/latest"
    document = json.loads(guarded.get(manifest, guarded.all).body)
    digests = [document["config"]["digest"], *(n["digest"] for n in document["layers"])]
    info = json.loads(guarded.get(f"/api/models/demo/{model}", guarded.all).body)
    files = [n["rfilename"] for n in info["siblings"]]
    return [world.keys[model], manifest, f"/v2/demo/{model}/tags/list",
            *(f"/v2/demo/{model}/blobs/{d}" for d in digests), f"/api/models/demo/{model}",
            f"/api/models/demo/{model}/tree/main",
            *(f"/demo/{model}/resolve/main/{n}" for n in files)]


def test_a_scope_holds_on_every_face(guarded, world):
    for path in paths_of(guarded, world, "tiny"):
        assert guarded.get(path, guarded.some).status == 200, path
    for path in paths_of(guarded, world, "secret"):
        assert guarded.get(path, guarded.all).status == 200, path
        forbidden = guarded.get(path, guarded.some)
        assert forbidden.status == 404, path
        # As what does not exist: nothing but the name differs.
        missing = guarded.get(path.replace("secret", "absent"), guarded.some)
        assert missing.status == 404, path
        assert missing.body.decode().replace("absent", "secret") == forbidden.body.decode()
        assert {k for k in missing.headers} == {k for k in forbidden.headers}


def test_a_listing_names_only_what_the_scope_allows(guarded):
    for path in "/v2/_catalog", "/api/models":
        assert "secret" in guarded.get(path, guarded.all).body.decode()
        some = guarded.get(path, guarded.some).body.decode()
        assert "demo/tiny" in some and "secret" not in some
    # Metadata names all models: it needs the whole repository.
    for path in "metadata/timestamp.json", "metadata/1.root.json", "catalog.json":
        assert guarded.get(f"/demo/{path}", guarded.some).status == 404
        assert guarded.get(f"/demo/{path}", guarded.all).status == 200


def test_a_blob_comes_only_through_a_model_that_has_it(guarded):
    document = json.loads(guarded.get("/v2/demo/secret/manifests/latest", guarded.all).body)
    digest = document["layers"][0]["digest"]
    assert guarded.get(f"/v2/demo/secret/blobs/{digest}", guarded.all).status == 200
    assert guarded.get(f"/v2/demo/tiny/blobs/{digest}", guarded.all).status == 404
    assert guarded.get(f"/v2/demo/tiny/blobs/{digest}", guarded.some).status == 404


def test_what_is_forbidden_takes_as_long_as_what_is_missing(guarded, world):
    """The medians of what is asked for in turn: whatever else the machine does, it does to both."""
    forbidden = world.keys["secret"]
    missing = forbidden.replace("secret-", "absent-")
    times = {forbidden: [], missing: []}
    connection = guarded.edge.connect()
    headers = {"Authorization": f"Bearer {guarded.some}"}
    for i in range(600):
        path = (forbidden, missing)[i % 2]
        start = time.perf_counter()
        assert guarded.edge.ask("GET", path, headers, connection=connection).status == 404
        times[path].append(time.perf_counter() - start)
    connection.close()
    one, other = (statistics.median(t) for t in times.values())
    assert max(one, other) < 1.5 * min(one, other)


def test_a_call_needs_a_scope_for_it(guarded, world):
    metrics = new_key(world, guarded.path, "scraper", "metrics")
    loader = new_key(world, guarded.path, "loader", "preload:demo/tiny*")
    until(lambda: guarded.get("/v1/version", loader).status != 401)
    for path, key, status in (("/metrics", guarded.all, 403), ("/metrics", metrics, 200),
                              ("/metrics", None, 401), ("/v1/stats", loader, 403),
                              ("/v1/stats", metrics, 200), ("/v1/events", metrics, 403),
                              (world.keys["tiny"], metrics, 404), ("/healthz", None, 200)):
        assert guarded.get(path, key).status == status, (path, status)

    def call(method, path, key, body=None):
        return guarded.edge.ask(method, path, {"Authorization": f"Bearer {key}"}, body)
    assert call("DELETE", "/v1/cache/" + "0" * 64, guarded.all).status == 403
    answers = {}
    for name in "tiny", "secret", "absent":
        body = json.dumps({"models": [f"demo/{name}"]}).encode()
        assert call("POST", "/v1/preload", guarded.all, body).status == 403
        answers[name] = call("POST", "/v1/preload", loader, body)
    assert answers["tiny"].status < 300
    # What it may not preload is as if it were not there.
    assert answers["secret"].status == answers["absent"].status == 404
    assert answers["absent"].body.replace(b"absent", b"secret") == answers["secret"].body


# -- tokens ----------------------------------------------------------------------------------

def test_a_token_is_as_good_as_a_key(world, tmp_path):
    made = tokens.make()
    path = tokens.write_set(tmp_path / "set.json", made["jwks"])
    by_name = {t["name"]: t["token"] for t in made["tokens"]}
    more = f"jwks = {path}\nissuer = {tokens.ISSUER}\naudience = {tokens.AUDIENCE}"
    with Guarded(world, "tokens", more) as g:
        key = world.keys["tiny"]
        for alg in "HS256", "RS256", "ES256", "EdDSA":
            token = by_name[f"{alg}: good"]
            # It allows pull:main/phi-*, of a repository that is not here, and admin.
            assert g.get(key, token).status == 404
            assert g.get("/v1/version", token).status == 200
            assert g.get(key, by_name[f"{alg}: expired"]).status == 401
        assert g.get(key, g.all).status == 200
        until(lambda: any(n["who"] == "token:node-7" for n in g.log()))
        assert not any(by_name["RS256: good"][-40:] in json.dumps(n) for n in g.log())


# -- what needs credentials upstream ----------------------------------------------------------

@pytest.mark.parametrize("public", [False, True])
def test_what_came_with_credentials_is_for_callers_with_credentials(world, nginx, tmp_path,
                                                                    public):
    """The mirror wants a token; the edge has one. Callers without credentials may pull in general,
    but not that, unless it was said to be public."""
    origin = nginx(world.publisher.copy(tmp_path / "mirror"), extra="""
        if ($http_authorization != "Bearer upstream") { return 401; }""")
    (tmp_path / "token").write_text("upstream")
    (tmp_path / "token").chmod(0o600)
    keys = tmp_path / "keys.json"
    key = new_key(world, keys, "all")
    conf = world.publisher.client(origin.url, extra=f"[access.up]\nurl = {origin.url}\n"
                                  f"token-file = {tmp_path / 'token'}\n")
    more = f"anonymous = yes\nkeys = {keys}\n" + ("public = yes\n" if public else "")
    with Edge(world, conf, more=more, name=f"private-{public}",
              env=own_store(world, f"private-{public}")) as edge:
        path = "/demo/metadata/timestamp.json"
        headers = {"Authorization": f"Bearer {key}"}
        until(lambda: edge.ask("GET", path, headers).status == 200, edge.process)
        for path in path, "/demo/metadata/none.json", "/v2/demo/tiny/tags/list", "/none/x":
            known, nobody = edge.ask("GET", path, headers), edge.get(path)
            assert nobody.status == (known.status if public else 401), path
        listed = json.loads(edge.get("/api/models").body)
        assert bool(listed) is public


# -- limits ----------------------------------------------------------------------------------

def test_who_asks_too_often_gets_a_429_that_says_when_to_come_again(world):
    more = "requests = 20/10m\nburst = 10\nfronts = 127.0.0.1"
    with Edge(world, world.publisher.client(), more=more, name="limited",
              env=own_store(world, "limited")) as edge:
        path = "/demo/metadata/timestamp.json"

        def ask(*clients):
            """The values of so many headers."""
            connection = edge.connect()
            connection.putrequest("GET", path)
            for c in clients:
                connection.putheader("X-Forwarded-For", c)
            connection.endheaders()
            response = connection.getresponse()
            response.read()
            connection.close()
            return response
        answers = [ask("198.51.100.1") for _ in range(11)]
        assert [a.status for a in answers] == [200] * 10 + [429]
        assert answers[0].headers["RateLimit-Policy"] == '"requests";q=10;w=300'
        assert answers[0].headers["RateLimit"].startswith('"requests";r=9;t=')
        assert answers[10].headers["RateLimit"].startswith('"requests";r=0;t=')
        assert 1 <= int(answers[10].headers["Retry-After"]) <= 30
        # Others are not concerned, whatever the one claims in front of the header of the front.
        assert ask("198.51.100.2").status == 200
        assert ask("203.0.113.5, 198.51.100.1").status == 429
        assert ask("203.0.113.5", "198.51.100.1").status == 429
        assert ask("::ffff:198.51.100.1").status == 429
        # The addresses of a /64 are one client.
        v6 = [ask(f"2001:db8::{i}").status for i in range(11)]
        assert v6 == [200] * 10 + [429]
        assert ask("2001:db8:0:1::1").status == 200


def test_a_header_of_a_stranger_does_not_change_who_it_is(world):
    with Guarded(world, "stranger", "requests = 20/10m\nburst = 10") as g:
        path = "/demo/metadata/timestamp.json"
        seen = [g.get(path, "ferry_wrong", X_Forwarded_For=f"198.51.100.{i}").status
                for i in range(12)]
        # Attempts with wrong keys count; and those with a right one are not the same client.
        assert seen == [401] * 10 + [429] * 2
        assert [g.get(path, g.all).status for _ in range(11)] == [200] * 10 + [429]
        assert g.edge.as_admin("GET", path).status == 200
        until(lambda: len(g.log()) >= 24)
        assert {n["remote_addr"] for n in g.log()} <= {"127.0.0.1", "unix"}


def test_requests_that_are_wrong_count_like_others(world):
    """Whoever only sends what is refused is slowed down, too, and gets the same headers."""
    with Edge(world, world.publisher.client(), more="requests = 20/10m\nburst = 10",
              name="wrong", env=own_store(world, "wrong")) as edge:
        path = "/demo/metadata/timestamp.json"
        wrong = [("GET", "/..", {}, 400), ("OPTIONS", path, {}, 204), ("PUT", path, {}, 405),
                 ("GET", path, {"Transfer-Encoding": "x"}, 400),
                 ("GET", path, {"X": "a" * 5600}, 431), ("OPTIONS", "/healthz", {}, 204),
                 ("PUT", "/healthz", {}, 405)]
        for method, target, headers, status in wrong:
            assert edge.ask(method, target, headers).status == status, (method, target)
        assert edge.ask("POST", "/v1/preload", body=b"x" * 70000).status == 413
        assert [edge.get(path).status for _ in range(3)] == [200, 200, 429]
        for method, target, headers, _ in wrong:
            answer = edge.ask(method, target, headers)
            assert (answer.status, answer["Retry-After"] is not None) == (429, "X" not in headers)
        assert edge.get("/healthz").status == 200
        assert edge.as_admin("PUT", path).status == 405


def test_a_key_has_only_so_many_connections(world):
    with Guarded(world, "connections", "connections = 2\nrate = 1M") as g:
        def begin():
            connection = g.edge.connect()
            connection.request("GET", world.keys["tiny"],
                               headers={"Authorization": f"Bearer {g.all}"})
            return connection, connection.getresponse()
        held = [begin(), begin()]
        assert [r.status for _, r in held] == [200, 200]
        connection, third = begin()
        assert third.status == 429 and third.headers["Retry-After"]
        for c in held[0][0], connection:
            c.close()
        held[0][1].close()

        def again():
            c, r = begin()
            r.close()
            c.close()
            return r.status == 200
        until(again)
        held[1][1].close()
        held[1][0].close()


def test_bytes_come_at_the_rate_of_the_client(world):
    with Edge(world, world.publisher.client(), more="rate = 4M", name="slow",
              env=own_store(world, "slow")) as edge:
        start = time.monotonic()
        body = edge.get(world.keys["tiny"]).body
        # A second's worth comes at once.
        assert time.monotonic() - start >= (len(body) - 4 * 2 ** 20) / (4 * 2 ** 20) * 0.9


def test_a_redis_that_goes_away_fails_no_request_and_is_seen(world, tmp_path, validate):
    with Redis(tmp_path) as redis:
        more = f"requests = 1000\nburst = 2000\nredis = {redis.url}"
        with Edge(world, world.publisher.client(), more=more, name="shared",
              env=own_store(world, "shared")) as edge:
            path = "/demo/metadata/timestamp.json"
            until(lambda: edge.get(path).status == 200 and
                  redis.ask("-n", "1", "KEYS", "ferry:limit:requests:*"))

            def health():
                return json.loads(edge.get("/healthz").body)
            assert health()["checks"]["redis"] == "ok"
            redis.kill()
            assert all(edge.get(path).status == 200 for _ in range(200))
            until(lambda: edge.get(path).status == 200 and health()["checks"]["redis"] == "failing")
            assert health()["status"] == "degraded"
            stats = json.loads(edge.as_admin("GET", "/v1/stats").body)
            validate(stats, "edge-stats")
            redis_of = stats["limits"]["redis"]
            assert redis_of["breaker_open"] and redis_of["failed"] and redis_of["fault"]
            assert redis_of["without_redis"]
            metrics = edge.as_admin("GET", "/metrics").body.decode()
            assert "\nferry_serve_redis_breaker_open 1\n" in metrics
            assert int(re.search(r"\nferry_serve_limited_without_redis_total (\d+)\n", metrics)[1]) \
                >= redis_of["without_redis"]


@pytest.fixture
def shared_connections(world, tmp_path):
    """Two edges that let a client have three connections, over one Redis."""
    with Redis(tmp_path) as redis:
        more = f"connections = 3\nredis = {redis.url}"
        with Edge(world, world.publisher.client(), more=more, name="first",
                  env=own_store(world, "first")) as first, \
             Edge(world, world.publisher.client(), more=more, name="second",
                  env=own_store(world, "second")) as second:
            yield redis, first, second


def hold(edge):
    """A connection that stays open, and the status of a request over it."""
    connection = edge.connect()
    connection.request("GET", "/demo/metadata/timestamp.json")
    response = connection.getresponse()
    response.read()
    return connection, response.status


def status_of(edge):
    connection, status = hold(edge)
    connection.close()
    return status


def test_edges_share_the_limit_of_connections(shared_connections):
    redis, first, second = shared_connections
    held = [hold(first) for _ in range(3)]
    assert [status for _, status in held] == [200] * 3
    # The first one is let in before the others are known.
    until(lambda: status_of(second) == 429)
    assert status_of(second) == 429
    assert status_of(first) == 429
    key, = redis.ask("-n", "1", "KEYS", "ferry:limit:connections:*").splitlines()
    # An edge that is gone is forgotten.
    assert 0 < int(redis.ask("-n", "1", "PTTL", key)) <= 12000
    for connection, _ in held:
        connection.close()
    until(lambda: status_of(second) == 200)
    until(lambda: redis.ask("-n", "1", "EXISTS", key) == "0")
    # One that holds three, and tells of it again and again, as edges do.
    now_ms = int(redis.ask("TIME").split()[0]) * 1000
    def is_refused():
        redis.ask("-n", "1", "HSET", key, "0123456789abcdef", f"3 {now_ms + 11000}")
        return status_of(first) == 429
    until(is_refused)
    # The same too late, and one that told before Redis' clock was set back.
    redis.ask("-n", "1", "HSET", key, "0123456789abcdef", "3 1")
    until(lambda: status_of(first) == 200)
    redis.ask("-n", "1", "HSET", key, "0123456789abcdef", f"3 {now_ms + 3600_000}")
    until(lambda: status_of(first) == 200 and redis.ask(
        "-n", "1", "HEXISTS", key, "0123456789abcdef") == "0")


def test_without_redis_each_edge_limits_connections_on_its_own(shared_connections):
    redis, first, second = shared_connections
    held = [hold(first) for _ in range(3)]
    until(lambda: status_of(second) == 429)
    redis.kill()
    until(lambda: status_of(second) == 200)
    others = [hold(second) for _ in range(2)]
    assert [status for _, status in others] == [200] * 2
    # Those that last are told again to the Redis that comes back, which has forgotten them.
    redis.start()
    until(lambda: status_of(second) == 429)
    for connection, _ in held + others:
        connection.close()
