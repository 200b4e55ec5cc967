"""Who is blamed when a request fails: the proxy, the network's login page, this machine, the
certificate, or the mirror."""

import contextlib
import resource
import subprocess

import pytest

import clocks
import servers
from access import Authority
from proxies import Microsocks, SimulatedProxy, Socat, Tinyproxy
from publisher import Publisher
from test_fetch import (client, faults, prepared, publisher,  # noqa: F401 (fixtures)
                        signed)
from waiting import communicate

pytestmark = pytest.mark.usefixtures("no_pauses")

MIRROR = "http://models.invalid/"
SECURE = "https://models.invalid/"
PAGE = b"<!DOCTYPE html><html><title>Access denied</title></html>"


@pytest.fixture
def tinyproxy(work):
    with contextlib.ExitStack() as stack:
        yield lambda extra="": stack.enter_context(Tinyproxy(work, extra))


@pytest.fixture
def simulated_proxy():
    with contextlib.ExitStack() as stack:
        yield lambda *answer: stack.enter_context(SimulatedProxy(*answer))


@pytest.fixture
def refused():
    """A port that refuses connections."""
    port = servers.free_port()
    with servers.hold_port(port):
        yield f"127.0.0.1:{port}"


def blames(ferry, mirror, env, code, *words):
    """`ferry list` of this mirror fails: the one source has the fault "proxy"."""
    result = ferry("list", env=env, check=code)
    for word in words:
        assert word in result.err, result.err
    assert "unreachable" not in result.err and "secret" not in result.err
    return result


# -- real proxies ------------------------------------------------------------------------------

def test_a_proxy_carries_the_requests(ferry, publisher, client, nginx, tinyproxy):
    server, proxy = nginx(publisher.tree), tinyproxy()
    client(server.url)
    ferry("list", env={"http_proxy": proxy.url})
    assert "metadata/timestamp.json" in proxy.log


@pytest.mark.parametrize("variable, mirror", [
    ("http_proxy", MIRROR), ("all_proxy", MIRROR), ("ALL_PROXY", SECURE),
    ("https_proxy", SECURE), ("HTTPS_PROXY", SECURE)])
def test_a_proxy_that_refuses_connections_is_named_with_its_variable(
        ferry, client, refused, variable, mirror):
    client(mirror)
    result = blames(ferry, mirror, {variable: f"http://user:secret@{refused}"}, 4,
                    f"the proxy http://***@{refused} ({variable}) cannot be used",
                    f"check {variable} and whether the proxy runs")
    assert "no_proxy=models.invalid" in result.err


def test_a_real_proxy_that_wants_a_password_is_named(ferry, client, tinyproxy):
    proxy = tinyproxy("BasicAuth somebody something")
    for mirror, variable in ((MIRROR, "http_proxy"), (SECURE, "https_proxy")):
        client(mirror)
        blames(ferry, mirror, {variable: proxy.url}, 5,
               f"the proxy {proxy.url} ({variable}) needs credentials (HTTP 407)",
               f"set them in {variable}")


def test_a_real_proxy_whose_policy_forbids_the_mirror_is_named(ferry, work, client, tinyproxy):
    (work / "filter").write_text("^models\\.invalid$\n")
    proxy = tinyproxy(f'Filter "{work}/filter"\n')
    for mirror, variable in ((MIRROR, "http_proxy"), (SECURE, "https_proxy")):
        client(mirror)
        blames(ferry, mirror, {variable: proxy.url}, 5,
               f"the proxy {proxy.url} ({variable}) does not allow models.invalid (HTTP 403)")


def test_a_real_proxy_that_cannot_reach_the_mirror_is_named(ferry, client, tinyproxy):
    proxy = tinyproxy()
    for mirror, variable in ((MIRROR, "http_proxy"), (SECURE, "https_proxy")):
        client(mirror)
        blames(ferry, mirror, {variable: proxy.url}, 4,
               f"the proxy {proxy.url} ({variable}) could not reach models.invalid (HTTP 50")


# -- simulated proxies -------------------------------------------------------------------------

@pytest.mark.parametrize("status, code, words", [
    (407, 5, "needs credentials"), (511, 4, "requires a login"), (403, 5, "does not allow models.invalid (HTTP 403)"),
    (502, 4, "could not reach models.invalid (HTTP 502)"),
    (None, 4, "cannot be used")])
def test_a_simulated_proxy_that_refuses_the_tunnel_is_named(
        ferry, client, simulated_proxy, status, code, words):
    proxy = simulated_proxy(status)
    client(SECURE)
    blames(ferry, SECURE, {"https_proxy": proxy.url}, code,
           f"the proxy {proxy.url} (https_proxy) {words}")
    assert all(line.startswith("CONNECT models.invalid:443") for line in proxy.asked)


@pytest.mark.parametrize("status, headers", [
    (403, {"X-Squid-Error": "ERR_ACCESS_DENIED 0"}), (403, {"Server": "squid/5.7"}),
    (503, {"Proxy-Status": "gw; error=connection_refused"})])
def test_an_answer_that_a_simulated_proxy_signs_is_not_the_mirrors(
        ferry, client, simulated_proxy, status, headers):
    proxy = simulated_proxy(status, {"Content-Type": "text/html", **headers}, PAGE)
    client(MIRROR)
    blames(ferry, MIRROR, {"http_proxy": proxy.url}, 5 if status == 403 else 4,
           f"the proxy {proxy.url} (http_proxy) ")


@pytest.mark.parametrize("status, code", [(403, 5), (200, 6)])
def test_a_page_that_comes_through_a_simulated_proxy_says_so(
        ferry, client, simulated_proxy, status, code):
    proxy = simulated_proxy(status, {"Content-Type": "text/html"}, PAGE)
    client(MIRROR)
    result = ferry("list", env={"http_proxy": proxy.url}, check=code)
    assert f"through the proxy {proxy.url} (http_proxy)" in result.err


def test_what_is_no_url_of_a_proxy_is_a_matter_of_configuration(ferry, client):
    client(MIRROR)
    result = ferry("list", env={"http_proxy": "gopher://somewhere"}, check=2)
    assert "the proxy gopher://somewhere (http_proxy): this is not the URL of a proxy" \
        in result.err
    assert "write http_proxy=http://host:port" in result.err


def test_hosts_in_no_proxy_are_not_blamed_on_the_proxy(ferry, client, refused):
    for exempt in ("*", "invalid", ".invalid", "other.example, models.invalid"):
        client(MIRROR)
        result = ferry("list", env={"http_proxy": f"http://{refused}", "no_proxy": exempt},
                       check=4)
        assert "proxy" not in result.err and "Could not resolve host" in result.err


def test_addresses_in_no_proxy_are_not_blamed_on_the_proxy(ferry, client, refused):
    env = {"http_proxy": "http://127.0.0.1:9"}
    for mirror, exempt, proxied in (
            (refused, "127.0.0.0/8", False), (refused, "127.0.0.1", False),
            (refused, "127.0.1.0/24", True), ("[::1]:9", "::/8", False),
            ("[::1]:9", "127.0.0.1", True)):
        client(f"http://{mirror}/")
        result = ferry("list", env={**env, "no_proxy": exempt}, check=4)
        assert ("the proxy" in result.err) == proxied, (exempt, result.err)


def test_a_name_that_only_ends_like_one_in_no_proxy_goes_through_the_proxy(
        ferry, client, refused):
    client(MIRROR)
    blames(ferry, MIRROR, {"http_proxy": f"http://{refused}", "no_proxy": "dels.invalid"}, 4,
           "(http_proxy) cannot be used")


def test_of_a_proxy_in_HTTP_PROXY_it_is_said_that_it_is_not_read(ferry, client, refused):
    client(MIRROR)
    result = ferry("list", env={"HTTP_PROXY": f"http://{refused}"}, check=4)
    assert "only http_proxy is read, not HTTP_PROXY" in result.err


def test_another_mirror_is_used_when_the_proxy_forbids_one(
        ferry, publisher, client, simulated_proxy):
    proxy = simulated_proxy(403, {"Server": "squid"})
    client(MIRROR, f"file://{publisher.tree}")
    document = ferry("fetch", "--json", "tiny", env={"http_proxy": proxy.url}).json
    assert set(faults(document)[MIRROR]) == {"proxy"}


# -- login pages of networks -----------------------------------------------------------------------

def test_a_simulated_portal_with_status_511_is_called_one(ferry, publisher, client, fault_server):
    server = fault_server(publisher.tree)
    server.add(status=511)
    client(server.url)
    result = ferry("list", check=4)
    assert "login page" in result.err and "log in to the network" in result.err


def test_a_redirect_to_a_simulated_login_page_is_a_portal(
        ferry, publisher, client, fault_server, work):
    portal, server = fault_server(work), fault_server(publisher.tree)
    portal.add(html=True)
    server.add(redirect=f"{portal.url}/login?next={{path}}&token=secret")
    client(server.url)
    result = ferry("list", check=4)
    assert f"redirected to a web page: {portal.url}/login" in result.err
    assert "open the page in a browser" in result.err and "secret" not in result.err
    document = ferry("repository", "status", "--json", check=4).json
    assert [e["state"] for e in document["repositories"][0]["endpoints"]] == ["down"]


# -- certificates ------------------------------------------------------------------------------

def certificate(folder, name, at=None):
    """`at`: what the clock shows when it is made."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run([*clocks.showing(at), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=test", "-addext", f"subjectAltName={name}",
                    "-keyout", str(key), "-out", str(cert)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


@pytest.mark.parametrize("name, made, trusted, words", [
    ("IP:127.0.0.1", (), False, ("from an authority that this machine does not know",
                                 "set SSL_CERT_FILE")),
    ("DNS:other.example", (), True, ("the server's certificate is for another name",
                                     "another server may be answering for 127.0.0.1")),
    ("IP:127.0.0.1", ("-30 days",), True, ("certificate has expired",
                                           "the clock of this machine says 20")),
    ("IP:127.0.0.1", ("+30 days",), True, ("certificate is not valid yet",
                                           "the clock of this machine says 20")),
])
def test_a_certificate_that_does_not_verify_is_explained(
        ferry, publisher, client, nginx, work, name, made, trusted, words):
    cert, key = certificate(work, name, *made)
    server = nginx(publisher.tree, tls=(cert, key))
    client(server.url)
    env = {"SSL_CERT_FILE": cert} if trusted else {}
    result = ferry("list", env=env, check=6)
    for word in words:
        assert word in result.err, result.err
    assert "not trusted" in result.err and "metadata that does not verify" not in result.err


# -- this machine ------------------------------------------------------------------------------

@pytest.mark.parametrize("mirror", ["http://127.0.0.1:9/", MIRROR])
def test_too_many_open_files_are_not_called_a_failure_of_the_network(ferry, client, mirror):
    client(mirror)

    def run(files):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        process = ferry.start("list", preexec_fn=limit)
        _, err = communicate(process)
        return process.returncode, err
    found = [run(files) for files in range(4, 14)]
    local = [err for code, err in found if code == 7]
    assert any("cannot open a connection: Too many open files" in err and
               "raise the limit of open files" in err for err in local), found
    assert found[-1][0] == 4


def test_a_connection_that_fails_says_why(ferry, client, refused):
    client(f"http://{refused}/")
    assert "(Connection refused)" in ferry("list", check=4).err


# -- what verify says ----------------------------------------------------------------------------

def test_verify_says_that_a_site_of_web_pages_is_no_mirror(publisher, fault_server, ferry):
    server = fault_server(publisher.tree)
    server.add(html=True)
    result = ferry("verify", "--url", server.url, cwd=publisher.dir, check=1)
    assert f"{server.url}: not a mirror: metadata/timestamp.json: answered with an HTML page" \
        in result.out
    assert "unreachable" not in result.out and "fault" in result.out
    document = ferry("verify", "--json", "--url", server.url, cwd=publisher.dir, check=1).json
    assert {f["verdict"] for f in document["mirrors"][0]["files"]} == {"foreign"}
    assert document["mirrors"][0]["result"] == "fault"


def test_verify_says_which_file_is_a_web_page(publisher, fault_server, ferry):
    server = fault_server(publisher.tree)
    server.add(path="*.gguf", html=True)
    result = ferry("verify", "--url", server.url, cwd=publisher.dir, check=1)
    assert ".gguf: foreign" in result.out
    assert "answered with an HTML page instead of the file" in " ".join(result.out.split())


def test_verify_behind_a_simulated_portal_says_nothing_about_the_mirror(
        publisher, fault_server, ferry, work):
    portal, server = fault_server(work), fault_server(publisher.tree)
    portal.add(html=True)
    server.add(redirect=portal.url + "/login")
    result = ferry("verify", "--url", server.url, cwd=publisher.dir, check=4)
    assert f"unreachable: metadata/timestamp.json: redirected to a web page: {portal.url}/login" \
        in result.out


def test_verify_does_not_call_a_mirror_corrupt_because_of_its_certificate(
        publisher, nginx, ferry, work):
    server = nginx(publisher.tree, tls=certificate(work, "IP:127.0.0.1"))
    result = ferry("verify", "--url", server.url, cwd=publisher.dir, check=6)
    assert "corrupt" not in result.out and "authority that this machine does not know" in result.out


@pytest.mark.parametrize("ours, theirs", [(1, 1), (1, 3), (3, 1)])
def test_verify_says_that_a_mirror_holds_another_repository(ferry, work, ours, theirs):
    def published(name, times):
        p = Publisher(ferry, work, name)
        for _ in range(times):
            p.sign()
            ferry("catalog", "refresh", "-q", cwd=p.dir)
        return p
    mine, other = published("mine", ours), published("other", theirs)
    mine.sign(place=f"file://{other.tree}")
    result = ferry("verify", cwd=mine.dir, check=1)
    assert "place: holds another repository: check its path" in result.out
    assert "corrupt" not in result.out and "replaces what is wrong" not in result.out
    assert "(another repository)" in result.out
    document = ferry("verify", "--json", cwd=mine.dir, check=1).json
    [mirror] = document["mirrors"]
    assert mirror["release"]["state"] == "other" and mirror["counts"]["corrupt"] == 0


# -- buckets and mirror probe ------------------------------------------------------------------------------

def test_mirror_probe_fails_with_the_status_that_push_would_have(
        ferry, work, refused, simulated_proxy):
    (work / "ferry.conf").write_text(f"[mirror.web]\nkind = http\nurl = http://{refused}/m\n")
    assert "mirror web could not be probed" in ferry("mirror", "probe", check=4).err
    proxy = simulated_proxy(403, {"Server": "squid"})
    result = ferry("mirror", "probe", "--json", env={"http_proxy": proxy.url}, check=5)
    [mirror] = result.json["mirrors"]
    assert f"the proxy {proxy.url} (http_proxy) does not allow" in mirror["findings"][0]["text"]
    assert result.json["error"]["exit"] == 5


def test_a_bucket_behind_a_simulated_portal_is_not_called_broken(ferry, work, fault_server):
    portal, server = fault_server(work), fault_server(work)
    portal.add(html=True)
    server.add(redirect=portal.url + "/login")
    ferry.env.update(AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="secret-key")
    (work / "ferry.conf").write_text(
        f"[mirror.main]\nkind = s3\nbucket = models\nendpoint = {server.url}\n"
        "path-style = yes\n")
    [mirror] = ferry("mirror", "probe", "--quick", "--json", check=4).json["mirrors"]
    said = str(mirror)
    assert "redirected to a web page" in said and "does not answer as an S3 server" not in said


# -- SOCKS, and proxies over TLS ---------------------------------------------------------------

@pytest.fixture
def microsocks():
    with contextlib.ExitStack() as stack:
        yield lambda *options: stack.enter_context(Microsocks(*options))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("proxy-authority"))


@pytest.fixture
def secure_proxy(authority, tinyproxy):
    """A proxy that is spoken to over TLS; its .inner has the log."""
    cert, key = authority.pair("proxy")
    inner = tinyproxy()
    with Socat(f"OPENSSL-LISTEN:{{port}},cert={cert},key={key},verify=0",
               f"TCP:127.0.0.1:{inner.port}") as outer:
        outer.inner = inner
        yield outer


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_carries_the_requests(ferry, publisher, client, nginx, microsocks, scheme):
    server, proxy = nginx(publisher.tree), microsocks("-u", "me", "-P", "hush")
    client(server.url)
    ferry("fetch", "tiny", env={"all_proxy": proxy.url(scheme, "me:hush@")})
    assert any("tiny-q8_0.gguf" in line for line in server.requests())
    # It does go through the proxy: with a wrong password, nothing comes.
    result = ferry("repository", "status", env={"all_proxy": proxy.url(scheme, "me:secret@")},
                   check=None)
    assert result.code != 0 and "the proxy" in result.out + result.err
    assert "secret" not in result.out + result.err


def test_a_socks_proxy_that_is_not_there_is_named(ferry, client, refused):
    client(SECURE)
    blames(ferry, SECURE, {"https_proxy": f"socks5://me:secret@{refused}"}, 4,
           f"the proxy socks5://***@{refused} (https_proxy) cannot be used",
           "no_proxy=models.invalid")


def test_a_socks_proxy_that_cannot_reach_the_mirror_is_named(ferry, client, microsocks):
    proxy = microsocks()
    client("http://127.0.0.1:1/")
    blames(ferry, MIRROR, {"all_proxy": proxy.url("socks5h")}, 4,
           f"the proxy {proxy.url('socks5h')} (all_proxy)")


def test_no_proxy_goes_around_a_socks_proxy(ferry, publisher, client, nginx, refused):
    client(nginx(publisher.tree).url)
    ferry("list", env={"all_proxy": f"socks5://{refused}", "no_proxy": "127.0.0.1"})


def test_a_proxy_over_tls_carries_the_requests(
        ferry, publisher, client, nginx, authority, secure_proxy):
    server = nginx(publisher.tree)
    client(server.url, extra=f"[fetch]\nca = {authority.pem}")
    ferry("list", env={"http_proxy": secure_proxy.url("https")})
    assert "metadata/timestamp.json" in secure_proxy.inner.log
    client(server.url)
    ferry("repository", "status", env={"http_proxy": secure_proxy.url("https"),
                                       "SSL_CERT_FILE": authority.pem})


def test_a_proxy_over_tls_that_is_not_trusted_is_named(ferry, client, secure_proxy):
    client(MIRROR)
    blames(ferry, MIRROR, {"http_proxy": secure_proxy.url("https")}, 4,
           f"the proxy {secure_proxy.url('https')} (http_proxy) cannot be used",
           "give that with --cacert or in SSL_CERT_FILE")
