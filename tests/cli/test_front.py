"""ferry mirror config nginx and haproxy: the real servers accept what is printed, and serve a mirror
as its readers need it."""

import contextlib
import json
import shutil
import subprocess

import pytest

from conftest import Ferry
from fronts import Asker, FrontHaproxy, FrontNginx
from ops_site import make_certificate
from published import Publisher, mirror, signed_base  # noqa: F401
from waiting import until

HOST = "http://models.example.org"
IMMUTABLE = "public, max-age=31536000, immutable"
# Nobody comes from one address here but the tests of limits.
SECTION = """[front]
requests = 2000
connections = 500
proxies = 127.0.0.1
"""


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, signed_base):  # noqa: F811
    """A release on mirror a, whose URL has a path, and a small site."""
    ferry = Ferry(tmp_path_factory.mktemp("front"))
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    publisher = Publisher(ferry)
    publisher.configure(mirror("a", url=f"{HOST}/models"), more=SECTION)
    publisher("catalog", "sign")
    publisher("push")
    site = publisher.mirror("a") / "site"
    (site / "assets").mkdir(parents=True)
    (site / "index.html").write_text("<p>" + "all models " * 500)
    (site / "404.html").write_text("<p>no such page")
    (site / "feed.xml").write_text("<feed/>")
    (site / "assets/site.0123456789abcdef.css").write_text("p { color: red }")
    (publisher.mirror("a") / "targets/.hidden").write_text("hidden")
    publisher.key = str(publisher.on("a", "*.gguf").relative_to(publisher.mirror("a")))
    return publisher


@pytest.fixture(scope="module")
def fronts(pushed):
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(FrontNginx(pushed.ferry, "a"))
        servers = f"servers=127.0.0.1:{nginx.port}"
        made = {"nginx": nginx, "haproxy": stack.enter_context(
            FrontHaproxy(pushed.ferry, "a", servers))}
        ask = Asker(made["haproxy"])
        until(lambda: ask("catalog.json").status == 200, made["haproxy"].process)
        ask.close()
        yield made


@pytest.fixture(params=["nginx", "haproxy"])
def front(fronts, request):
    return fronts[request.param]


@pytest.fixture
def ask(front):
    asker = Asker(front)
    yield asker
    asker.close()


def test_ranges_and_types(ask, pushed):
    size = pushed.on("a", "*.gguf").stat().st_size
    part = ask(pushed.key, Range="bytes=1000-1999")
    assert part.status == 206
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{size}"
    assert part.body == pushed.on("a", "*.gguf").read_bytes()[1000:2000]
    assert part.headers["Content-Type"] == "application/octet-stream"
    assert part.headers["Content-Disposition"].endswith('filename="tiny-q8_0.gguf"')
    assert "Content-Encoding" not in ask("catalog.json", Accept_Encoding="gzip").headers
    head = ask(pushed.key, method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(size))


def test_what_never_changes_is_cached_and_the_rest_is_asked_for_again(ask, pushed):
    for path, cache in [
            (pushed.key, IMMUTABLE), ("metadata/1.root.json", IMMUTABLE),
            ("metadata/timestamp.json", "no-cache"), ("catalog.json", "no-cache"),
            ("site/", "no-cache"), ("site/feed.xml", "no-cache"),
            ("site/assets/site.0123456789abcdef.css", IMMUTABLE)]:
        answer = ask(path)
        assert (answer.status, answer.headers.get_all("Cache-Control")) == (200, [cache]), path
        etag = answer.headers["ETag"]
        assert ask(path, If_None_Match=etag).status == 304
    missing = ask("metadata/2.root.json")
    assert (missing.status, missing.headers.get_all("Cache-Control")) == (404, ["no-store"])


@pytest.mark.parametrize("path", [
    ".ferry/lock", "targets/.hidden", "targets/%2ehidden", "targets/%2e%2e/.ferry/lock",
    "metadata/", "targets/", "targets/models", "ferry.conf", "keys/root.json", "site/.git/config",
    "site/assets/", "..%2fferry.conf"])
def test_nothing_else_is_served(ask, path):
    answer = ask(path)
    assert answer.status in (400, 404, 301), (path, answer.status)
    assert b"hidden" not in answer.body and b"<a " not in answer.body


def test_pages_of_other_sites_may_read_ranges(ask, pushed):
    origin = {"Origin": "https://example.com"}
    asked = ask(pushed.key, "OPTIONS", Access_Control_Request_Method="GET",
                Access_Control_Request_Headers="range", **origin)
    assert asked.status == 204
    assert asked.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert "Range" in asked.headers["Access-Control-Allow-Headers"]
    answer = ask(pushed.key, Range="bytes=0-9", **origin)
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    exposed = {h.strip() for h in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"Content-Range", "ETag", "Retry-After"} <= exposed
    for method in ("POST", "PUT", "DELETE"):
        assert ask(pushed.key, method).status == 405


def test_the_site_has_its_headers_and_its_own_page_for_what_is_missing(ask, front):
    page = ask("site/", Accept_Encoding="gzip")
    assert page.headers["Content-Type"] == "text/html"
    [policy] = page.headers.get_all("Content-Security-Policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Content-Encoding"] == "gzip"
    assert ask("site/feed.xml").headers["Content-Type"] == "application/atom+xml"
    missing = ask("site/models/none/")
    assert (missing.status, missing.body) == (404, b"<p>no such page")
    assert missing.headers["Content-Security-Policy"] == policy
    start = ask("")
    assert (start.status, start.headers["Location"]) == (302, f"{front.prefix}/site/")


def test_a_reader_fetches_through_it_and_stats_counts_it(front, pushed, tmp_path):
    url = f"http://127.0.0.1:{front.port}{front.prefix}"
    reader = Ferry(tmp_path)
    root = (pushed.tree / "metadata/1.root.json")
    reader("repository", "add", "lab", url, "--root", root, "--yes")
    before = len(front.log.read_text())
    reader("fetch", "tiny")
    until(lambda: "(fetch" in front.log.read_text()[before:], front.process)
    log = tmp_path / "access.log"

    def told():
        log.write_text(front.log.read_text()[before:].rpartition("\n")[0] + "\n")
        (tmp_path / "ops.db").unlink(missing_ok=True)
        return pushed("stats", "import", "--json", "--database", tmp_path / "ops.db", "--catalog",
                      pushed.tree / "catalog.json", log).json["lines"]
    until(lambda: told()["counted"], front.process)
    assert told()["malformed"] == 0
    [row] = pushed("stats", "show", "--json", "--database", tmp_path / "ops.db").json["rows"]
    assert row["downloads"] == 1


# -- limits ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def limited(pushed, fronts):
    """One request a second of a client, but 5 at once."""
    server = f"servers=127.0.0.1:{fronts['nginx'].port}"
    with contextlib.ExitStack() as stack:
        yield {"nginx": stack.enter_context(FrontNginx(pushed.ferry, "a", "requests=1")),
               "haproxy": stack.enter_context(
                   FrontHaproxy(pushed.ferry, "a", "requests=1", server))}


def ask_for_too_much(ask, client):
    """Asks until a 429, which a machine of any speed gets sooner or later."""
    answered = 0
    while (answer := ask("catalog.json", X_Forwarded_For=client)).status != 429:
        assert answer.status == 200
        answered += 1
    return answered, answer


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_a_client_that_asks_for_too_much_gets_a_429(limited, program):
    ask = Asker(limited[program])
    for client, neighbour, other in [
            ("198.51.100.1", None, "198.51.100.2"),
            ("2001:db8:1:1::a", "2001:db8:1:1:2:3:4:5", "2001:db8:1:2::a")]:
        answered, refused = ask_for_too_much(ask, client)
        assert answered >= 5
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Cache-Control"] == "no-store"
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        if neighbour:
            # It has used up the requests of its network; one may come back each second.
            assert ask_for_too_much(ask, neighbour)[0] < answered + 5
        assert ask("catalog.json", X_Forwarded_For=other).status == 200
    ask.close()


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_a_client_has_only_so_many_connections_and_the_bandwidth_of_each(pushed, program):
    """Answers last, because the server sends so slowly."""
    with contextlib.ExitStack() as stack:
        own = ("requests=0", "limit-rate=10000",
               f"connections={2 if program == 'nginx' else 0}")
        front = stack.enter_context(FrontNginx(pushed.ferry, "a", *own))
        if program == "haproxy":
            front = stack.enter_context(FrontHaproxy(
                pushed.ferry, "a", "requests=0", "connections=2",
                f"servers=127.0.0.1:{front.port}"))
        busy = [Asker(front) for _ in range(2)]
        for asker in busy:
            stack.callback(asker.close)
            asker.start(pushed.key, X_Forwarded_For="198.51.100.1")
        last = Asker(front)
        stack.callback(last.close)
        assert last("catalog.json", X_Forwarded_For="198.51.100.1").status == 429
        assert last("catalog.json", X_Forwarded_For="198.51.100.2").status == 200
        busy[0].close()

        def again():
            return last("catalog.json", X_Forwarded_For="198.51.100.1").status == 200
        until(again, front.process)


# -- settings --------------------------------------------------------------------------------

def test_haproxy_leaves_out_a_server_that_is_down(pushed, fronts):
    """Its checks find that out before a reader does."""
    with contextlib.ExitStack() as stack:
        second = stack.enter_context(FrontNginx(pushed.ferry, "a", "connections=501"))
        front = stack.enter_context(FrontHaproxy(
            pushed.ferry, "a",
            f"servers=127.0.0.1:{fronts['nginx'].port} 127.0.0.1:{second.port}"))
        ask = Asker(front)
        stack.callback(ask.close)
        paths = ["catalog.json", "metadata/1.root.json", "metadata/timestamp.json", "site/",
                 "site/feed.xml", pushed.key]
        until(lambda: all(ask(p, method="HEAD").status == 200 for p in paths), front.process)
        second.stop()
        assert [ask(p, method="HEAD").status for p in paths] == [200] * len(paths)


def test_only_chosen_origins(pushed):
    with FrontNginx(pushed.ferry, "a", "cors=https://a.example https://b.example") as front:
        ask = Asker(front)
        for method in ("GET", "OPTIONS"):
            told = ask("catalog.json", method, Origin="https://b.example").headers
            assert told["Access-Control-Allow-Origin"] == "https://b.example"
            assert "Origin" in told["Vary"]
            for other in ("https://c.example", "https://b.example.evil.example"):
                told = ask("catalog.json", method, Origin=other).headers
                assert told.get("Access-Control-Allow-Origin") is None
        ask.close()


def test_tls_and_http2(pushed, tmp_path):
    """A URL with https: the redirect of port 80 is left out where `listen` says where to listen."""
    cert, key = make_certificate(tmp_path)
    pushed.configure(mirror("a", url="https://127.0.0.1:8443/"), more=SECTION)
    try:
        text = pushed("mirror", "config", "nginx").out
        assert "return 301 https://127.0.0.1$request_uri;" in text
        assert 'ssl_certificate "/etc/letsencrypt/live/127.0.0.1/fullchain.pem";' in text
        with FrontNginx(pushed.ferry, "a", f"certificate={cert}", f"certificate-key={key}") as front:
            told = subprocess.run(
                ["curl", "-sS", "--cacert", cert, "--http2", "-o", tmp_path / "got", "-w",
                 "%{http_version} %{http_code}", f"https://127.0.0.1:{front.port}/catalog.json"],
                check=True, capture_output=True, text=True).stdout
            assert told == "2 200"
            assert json.loads((tmp_path / "got").read_text())["models"]
    finally:
        pushed.configure(mirror("a", url=f"{HOST}/models"), more=SECTION)


@pytest.mark.parametrize("settings, message", [
    (["requests=many"], "[front.a]: requests: 'many' is not a whole number"),
    (["requests=100001"], "must be at most 100000"),
    (["speed=1"], "unknown key 'speed'"),
    (["listen=80; include /etc/passwd"], "is not PORT or ADDRESS:PORT"),
    (["proxies=10.0.0.0/33"], "is not an address or a network"),
    (["servers=a"], "is not HOST:PORT"),
    (["servers=a:80 b'c:80"], "is not HOST:PORT"),
    (["cors=https://a.example/"], "is not '*' or an origin"),
    (["cors=* https://a.example"], "'*' stands alone"),
    (["root=/srv/$host"], "a path with a '$'"),
    (["log=/var/log/$uri"], "is not a path"),
    (["nothing"], "must be KEY=VALUE"),
    (["cors=a\nb"], "control character")])
def test_settings_that_a_configuration_cannot_have_are_refused(pushed, settings, message):
    words = [w for s in settings for w in ("--set", s)]
    result = pushed("mirror", "config", "nginx", *words, check=2)
    assert message in result.err and not result.out


def test_paths_are_quoted(pushed, tmp_path):
    """A folder whose name is a piece of configuration is a folder."""
    odd = tmp_path / "a\"; }'{ #b c"
    (odd / "metadata").mkdir(parents=True)
    (odd / "metadata/timestamp.json").write_text("{}")
    with FrontNginx(pushed.ferry, "a", f"root={odd}") as front:
        ask = Asker(front)
        assert ask("metadata/timestamp.json").body == b"{}"
        ask.close()


def test_what_is_missing_is_said(ferry, work, validate):
    def told(*words, conf):
        (work / "ferry.conf").write_text(conf)
        return ferry("mirror", "config", *words, check=2).err
    a, b = mirror("a", url=HOST), mirror("b")
    bucket = mirror("s", kind="http", url=HOST)
    assert "there are several mirrors" in told("nginx", conf=a + b)
    assert "there is no [mirror.c]" in told("nginx", "--mirror", "c", conf=a)
    assert "has no url that readers use" in told("nginx", conf=b)
    assert "no folder that nginx could serve" in told("nginx", conf=bucket)
    assert "no servers are named" in told("haproxy", conf=a)
    assert "did you mean 'nginx'?" in told("ngnix", conf=a)
    assert "path with other characters" in told("nginx", conf=mirror("a", url=f"{HOST}/a;b"))
    assert "[front.x]: there is no [mirror.x]" in told("nginx", conf=a + "[front.x]\nlog = l\n")
    (work / "ferry.conf").write_text(a + "[stats]\nlogs = a=/srv/logs\n")
    document = ferry("mirror", "config", "nginx", "--json").json
    validate(document, "output-mirror-config")
    assert 'access_log "/srv/logs/access.log" ferry_a;' in document["config"]
