"""The mirror contract against real servers, and what only a real server shows: TLS, a proxy,
redirects across protocols."""

import os
import subprocess

import pytest

from conftest import TOOLS
from waiting import PATIENCE


@pytest.fixture
def contract(ferry):
    """contract(*args, env=…) runs mirror-contract and gives the finished process."""
    def run(*args, env=None):
        return subprocess.run([str(TOOLS / "mirror-contract"), *map(str, args)],
                              env=ferry.environment(env), capture_output=True, text=True,
                              timeout=PATIENCE)
    return run


@pytest.fixture
def tree(work, contract):
    path = work / "tree"
    path.mkdir()
    assert contract("--tree", path).returncode == 0
    return path


def passed(process):
    assert process.returncode == 0, process.stdout + process.stderr
    lines = process.stdout.splitlines()
    assert lines and all(line.startswith("ok ") for line in lines)
    return len(lines)


def failed(process, *texts):
    assert process.returncode == 1
    for text in texts:
        assert text in process.stdout, process.stdout


def test_nginx_keeps_it(contract, tree, nginx):
    server = nginx(tree)
    assert passed(contract(server.url)) >= 9
    # Ranges are asked as ranges, not read over.
    server.stop()
    assert any(" bytes=1048576-2097151 206 1048576" in line for line in server.requests())


def test_a_configured_mirror_keeps_it(contract, tree, nginx, work):
    server = nginx(tree)
    conf = work / "ferry.conf"
    conf.write_text(f"[mirror.web]\nkind = http\nurl = {server.url}/\n\n"
                    f"[mirror.disk]\nkind = file\npath = disk\n")
    (work / "disk").mkdir()
    passed(contract(conf, "web"))
    assert passed(contract(conf, "disk")) >= 17
    # Nothing is left behind but the mirror's own folder.
    assert sorted(p.name for p in (work / "disk").iterdir()) == [".ferry"]


def test_a_server_without_head_keeps_it(contract, tree, nginx):
    server = nginx(tree, extra="if ($request_method = HEAD) { return 405; }")
    passed(contract(server.url))


def test_a_server_without_ranges_keeps_it(contract, tree, nginx):
    server = nginx(tree, extra="max_ranges 0;")
    passed(contract(server.url))


def test_a_simulated_server_keeps_it(contract, tree, fault_server):
    server = fault_server(tree)
    passed(contract(server.url))
    server.add(no_length=True)      # as a stream without a length, too
    passed(contract(server.url))
    server.add(ignore_range=True)   # but then nothing tells a length any more
    failed(contract(server.url), "stat_tells_the_size", "does not report the size of the object")


@pytest.mark.parametrize("fault, texts", [
    ({"status": 503}, ["network", "HTTP 503: server error"]),
    ({"status": 401}, ["auth", "HTTP 401: needs credentials"]),
    ({"html": True}, ["integrity", "an HTML page instead of the file"]),
    ({"drop_after": 100}, ["network", "connection dropped after 100 of"]),
    ({"shift_range": 1}, ["integrity", "were requested"]),
    ({"headers": {"Content-Encoding": "gzip"}}, ["integrity", "'gzip'"]),
])
def test_faults_are_named(contract, tree, fault_server, fault, texts):
    server = fault_server(tree)
    server.add(**fault)
    failed(contract(server.url), *texts)


def test_a_name_that_does_not_resolve(contract):
    failed(contract("http://nothing.invalid/"), "network", "Could not resolve host")


# -- TLS ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", str(key), "-out", str(cert)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own(contract, tree, nginx, certificate, variable):
    server = nginx(tree, tls=certificate)
    passed(contract(server.url, env={variable: certificate[0]}))


def test_an_unknown_certificate_is_not_trusted(contract, tree, nginx, certificate):
    server = nginx(tree, tls=certificate)
    failed(contract(server.url), "integrity", "certificate")


def test_redirects_never_leave_tls(contract, tree, nginx, certificate):
    plain = nginx(tree)
    trusted = {"SSL_CERT_FILE": certificate[0]}
    secure = nginx(tree, tls=certificate, extra=f"return 302 {plain.url}$request_uri;")
    failed(contract(secure.url, env=trusted), "integrity", "it leads from https to http")
    target = nginx(tree, tls=certificate)
    upgrade = nginx(tree, extra=f"return 302 {target.url}$request_uri;")
    passed(contract(upgrade.url, env=trusted))


# -- proxy ----------------------------------------------------------------------------

def test_a_proxy_is_used_unless_told_otherwise(contract, tree, fault_server, nginx):
    proxy = fault_server(tree)      # answers absolute request lines as its own
    passed(contract("http://models.invalid/", env={"http_proxy": proxy.url}))
    assert proxy.log
    count = len(proxy.log)
    server = nginx(tree)
    passed(contract(server.url, env={"http_proxy": proxy.url, "no_proxy": "127.0.0.1"}))
    assert len(proxy.log) == count
    failed(contract("http://models.invalid/", env={"http_proxy": "http://127.0.0.1:9"}), "network")


# -- configuration --------------------------------------------------------------------

@pytest.mark.parametrize("section, text", [
    ("kind = http\nurl = http://h/\nulr = x", "ulr"),
    ("kind = http", "needs 'url'"),
    ("kind = file", "needs 'path'"),
    ("kind = github\nowner = a\nrepo = b\nholds = all",
     "holds: a github mirror holds only objects"),
    ("kind = github\nholds = objects\nrepo = b", "a mirror of kind github needs 'owner'"),
    ("kind = github\nholds = objects\nowner = a", "a mirror of kind github needs 'repo'"),
    ("kind = github\nholds = objects\nowner = a/b\nrepo = c", "not a valid name of an owner"),
    ("kind = github\nholds = objects\nowner = a\nrepo = b\ntag = A", "tag: must consist of"),
    ("kind = github\nholds = objects\nowner = a\nrepo = b\npart-size = 9MiB",
     "must be a power of two"),
    ("kind = github\nholds = objects\nowner = a\nrepo = b\napi = http://git.example",
     "must begin with https://"),
    ("kind = s3\nurl = https://h/", "a mirror of kind s3 needs 'bucket'"),
    ("kind = s3\nbucket = a/b", "'a/b' is not a valid bucket name"),
    ("kind = s3\nbucket = models\nprefix = /x", "'/x' is not a valid prefix"),
    ("kind = s3\nbucket = models\nendpoint = ftp://h/", "only http and https"),
    ("kind = s3\nbucket = models\nendpoint = https://u:p@h/", "has a user name"),
    ("kind = r2\nbucket = models", "a mirror of kind r2 needs 'account'"),
    ("kind = r2\nbucket = models\naccount = other.example/", "is not a valid account"),
    ("kind = r2\nbucket = models\naccount = abc\njurisdiction = e/u", "not a valid jurisdiction"),
    ("kind = s3\nbucket = models\nregion = other.example/", "not a valid region name"),
    ("kind = htpp\nurl = https://h/", "unknown kind 'htpp'"),
    ("url = https://h/", "needs 'kind'"),
    ("kind = http\nurl = https://h/?x=1", "has a query"),
    ("kind = http\nurl = ftp://h/", "only http and https"),
    ("kind = http\nurl = https://h/\nholds = most", "all, objects or metadata"),
])
def test_bad_sections_are_refused(contract, work, section, text):
    conf = work / "ferry.conf"
    conf.write_text(f"[mirror.m]\n{section}\n")
    process = contract(conf, "m")
    assert process.returncode == 2
    assert text in process.stderr, process.stderr


def test_a_rate_limit_and_credentials_from_netrc(contract, tree, nginx, work, ferry):
    users = work / "users"
    users.write_text("reader:{PLAIN}secret\n")
    server = nginx(tree, extra=f'auth_basic "models"; auth_basic_user_file {users};')
    conf = work / "ferry.conf"
    conf.write_text(f"[mirror.m]\nkind = http\nurl = {server.url}\nnetrc = yes\n")
    failed(contract(conf, "m"), "auth", "HTTP 401")
    (ferry.home / ".netrc").write_text("machine 127.0.0.1 login reader password secret\n")
    os.chmod(ferry.home / ".netrc", 0o600)
    passed(contract(conf, "m"))
    port = server.port
    passed(contract(f"http://reader:secret@127.0.0.1:{port}/"))
