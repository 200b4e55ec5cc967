"""Probes of single mirrors: a real nginx, with and without TLS, real folders, and SIMULATED faulty
servers. tests/tools/probe-mirror.c calls what `ferry health` calls."""

import json
import shutil
import socket
import subprocess

import pytest

from conftest import TOOLS, preloaded
from faulty_simulated import dead_address
from published import mirror, publisher, rewrite, signed_base  # noqa: F401 (fixtures)
from servers import FaultServer, Nginx, free_port
from test_proxies import certificate
from waiting import PATIENCE

TIMESTAMP = "metadata/timestamp.json"


@pytest.fixture(scope="module")
def tree(signed_base):
    """The release that every mirror here should hold."""
    return signed_base / "repository"


@pytest.fixture
def probe(ferry, tree):
    """probe("URL" or CONF, SECTION, …): what was found, as JSON."""
    def run(*args, env=None, release=True):
        done = subprocess.run(
            [str(TOOLS / "probe-mirror"), *(["--tree", str(tree)] if release else []),
             *map(str, args)], env=ferry.environment(env), capture_output=True, text=True,
            timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return run


def assert_found(result, check, state, *words):
    assert check in result["findings"], result
    found, reason = result["findings"][check]
    assert found == state and all(w in reason for w in words), result["findings"]


def states(result):
    return {check: state for check, (state, _) in result["findings"].items()}


# -- what works -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(tmp_path_factory, tree):
    """A real nginx that serves the release."""
    with Nginx(tmp_path_factory.mktemp("web"), tree) as server:
        yield server


@pytest.fixture(scope="module")
def bad(tree):
    """A SIMULATED faulty server; each test adds its faults."""
    with FaultServer(tree) as server:
        yield server


@pytest.fixture
def faulty(bad):
    bad.mend()
    return bad


def test_a_complete_mirror_is_ok_in_every_check(probe, web):
    result = probe(web.url)
    assert states(result) == dict.fromkeys(
        ["reach", "release", "catalog", "objects", "ranges", "headers", "clock"], "ok")
    assert result["up"] and result["version"] > 0 and result["missing"] == 0
    assert result["checked"] == result["objects"] > 5
    assert 0 < result["first_byte_us"] <= result["total_us"] and result["tls_us"] == 0


def test_a_folder_needs_no_server(probe, work, tree):
    shutil.copytree(tree, work / "copy")
    result = probe(f"file://{work / 'copy'}")
    assert states(result) == dict.fromkeys(["reach", "release", "catalog", "objects"], "ok")
    [gguf] = (work / "copy" / "targets").rglob("*.gguf")
    gguf.unlink()
    assert_found(probe(f"file://{work / 'copy'}"), "objects", "critical", gguf.name, "is missing")


def test_the_folder_of_a_web_server_is_seen_from_both_sides(probe, work, tree, web):
    """The objects are listed in the folder; readers see another place, where one is missing."""
    shutil.copytree(tree, work / "copy")
    (work / "ferry.conf").write_text(mirror("disk", path="copy", url=web.url))
    result = probe(work / "ferry.conf", "disk")
    assert set(states(result).values()) == {"ok"} and result["first_byte_us"] > 0
    [gguf] = (work / "copy" / "targets").rglob("*.gguf")
    gguf.unlink()
    assert_found(probe(work / "ferry.conf", "disk"), "objects", "critical", gguf.name)


def test_without_a_release_a_mirror_is_still_reached(probe, web):
    result = probe(web.url, release=False)
    assert result["up"] and result["version"] > 0
    assert_found(result, "release", "unknown", "not known")


# -- certificates -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    done = {}

    def make(*how):
        if how not in done:
            done[how] = certificate(tmp_path_factory.mktemp("tls"), *how)
        return done[how]
    return make


def test_a_certificate_that_expires_soon_is_critical(probe, nginx, tree, made):
    cert, key = made("IP:127.0.0.1")
    server = nginx(tree, tls=(cert, key))
    result = probe(server.url, env={"SSL_CERT_FILE": cert})
    assert result["up"] and result["tls_us"] > 0
    assert_found(result, "certificate", "critical", "the certificate expires in")
    end = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-enddate", "-dateopt",
                          "iso_8601"], capture_output=True, text=True, check=True).stdout
    at = subprocess.run(["date", "-u", "-d", end.strip().partition("=")[2], "+%s"],
                        capture_output=True, text=True, check=True).stdout
    assert result["certificate_expires_s"] == int(at)


@pytest.mark.parametrize("how, trusted, text", [
    (("IP:127.0.0.1",), False, "the certificate is self-signed"),
    (("DNS:other.example",), True, "the certificate is for another name"),
    (("IP:127.0.0.1", "-30 days"), True, "the certificate has expired"),
    (("IP:127.0.0.1", "+30 days"), True, "the certificate is not valid yet"),
], ids=["self-signed", "another name", "expired", "not valid yet"])
def test_each_fault_of_a_certificate_has_its_own_reason(probe, nginx, tree, made, how, trusted, text):
    cert, key = made(*how)
    server = nginx(tree, tls=(cert, key))
    result = probe(server.url, env={"SSL_CERT_FILE": cert} if trusted else {})
    assert_found(result, "certificate", "critical", text)
    assert not result["up"] and states(result)["reach"] == "critical"
    assert states(result)["release"] == "unknown"


def test_a_missing_intermediate_certificate_is_named(probe, nginx, tree, work):
    """A leaf that an intermediate authority has issued, which the server does not send."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=work, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "30", "-subj", "/CN=authority", "-keyout", "ca.key", "-out",
            "ca.pem")
    for name, issuer, extension in (("middle", "ca", "basicConstraints=critical,CA:TRUE"),
                                    ("leaf", "middle", "subjectAltName=IP:127.0.0.1")):
        (work / "extension").write_text(extension + "\n")
        openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey",
                f"{issuer}.key", "-CAcreateserial", "-days", "30", "-extfile", "extension", "-out",
                f"{name}.pem")
    env = {"SSL_CERT_FILE": work / "ca.pem"}
    alone = nginx(tree, tls=(work / "leaf.pem", work / "leaf.key"))
    assert_found(probe(alone.url, env=env), "certificate", "critical", "intermediate")
    chain = work / "chain.pem"
    chain.write_text((work / "leaf.pem").read_text() + (work / "middle.pem").read_text())
    whole = nginx(tree, tls=(chain, work / "leaf.key"))
    assert_found(probe(whole.url, env=env), "certificate", "ok", "the certificate expires in")


# -- what readers find ----------------------------------------------------------------------


def test_a_stale_mirror_says_how_far_behind_it_is(probe, publisher, nginx):
    shutil.copytree(publisher.tree, publisher.dir / "old")
    server = nginx(publisher.dir / "old")
    publisher("catalog", "refresh")
    result = probe("--tree", publisher.tree, server.url)
    assert_found(result, "release", "warning", "1 behind")
    assert result["lag"] == 1
    assert states(result)["objects"] == states(result)["catalog"] == "unknown"


def test_new_metadata_without_its_objects_is_found_at_once(probe, publisher, nginx):
    """Of the budget, what is new comes first."""
    shutil.copytree(publisher.tree, publisher.dir / "copy")
    server = nginx(publisher.dir / "copy")
    state = publisher.dir / "state"
    how = ("--tree", publisher.tree, "--state", state, server.url)
    assert states(probe(*how))["objects"] == "ok"
    publisher.add_model("second", "1M", seed=2)
    for name in ("metadata", "catalog.json", "catalog.json.minisig"):
        subprocess.run(["cp", "-r", publisher.tree / name, publisher.dir / "copy"], check=True)
    # What is new and there, which is metadata, does not take all of it.
    result = probe("--objects", "8", *how)
    assert result["checked"] == 8 < result["objects"]
    assert_found(result, "objects", "critical", "is missing")


def test_a_catalog_that_is_not_the_signed_one_is_critical(probe, publisher, nginx):
    shutil.copytree(publisher.tree, publisher.dir / "copy")
    server = nginx(publisher.dir / "copy")
    for name in ("catalog.json.minisig", "catalog.json"):
        path = publisher.dir / "copy" / name
        good = path.read_bytes()
        rewrite(path, good.replace(b"a", b"b", 1))
        assert_found(probe("--tree", publisher.tree, server.url), "catalog", "critical",
                     f"{name} is not the one that is signed")
        rewrite(path, good)
    (publisher.dir / "copy" / "catalog.json").unlink()
    assert_found(probe("--tree", publisher.tree, server.url), "catalog", "warning",
                 "it has no catalog.json")


def test_a_whole_file_in_answer_to_a_range_is_a_warning_that_says_so(probe, faulty):
    faulty.add("*.gguf", ignore_range=True)
    result = probe(faulty.url)
    assert_found(result, "ranges", "warning", "ranges are ignored", ".gguf", "(status 200)")
    assert states(result)["objects"] == "ok"


def test_wrong_bytes_of_a_range_are_critical(probe, faulty):
    faulty.add("targets/*.json", methods=("GET",), flip_in=3)
    assert_found(probe(faulty.url), "ranges", "critical", "has wrong bytes")


def test_web_pages_in_place_of_files_are_named(probe, faulty):
    faulty.add(html=True)
    result = probe(faulty.url)
    assert_found(result, "reach", "critical", "HTML page")
    assert not result["up"]
    faulty.mend()
    faulty.add("targets/*", html=True)
    result = probe(faulty.url)
    assert result["up"] and states(result)["release"] == "ok"
    assert_found(result, "objects", "critical", "is a web page")


def test_a_domain_that_leads_to_a_web_page_is_critical(probe, faulty, work, nginx):
    (work / "sold").mkdir()
    (work / "sold" / "index.html").write_text("<!DOCTYPE html><title>For sale</title>")
    faulty.add(redirect=nginx(work / "sold").url + "/index.html")
    assert_found(probe(faulty.url), "reach", "critical", "redirected to a web page")


def test_an_object_of_another_size_is_critical(probe, faulty):
    faulty.add("*.gguf", truncate=1000)
    result = probe(faulty.url)
    assert result["missing"] == 1
    assert_found(result, "objects", "critical", ".gguf has another size")


def test_objects_that_readers_may_not_read_are_critical(probe, faulty):
    faulty.add("targets/*", status=403)
    result = probe(faulty.url)
    assert_found(result, "objects", "critical", "HTTP 403")
    assert states(result)["release"] == "ok"


def test_a_server_that_throttles_is_a_warning(probe, faulty):
    faulty.add(status=429, retry_after=60)
    result = probe(faulty.url)
    assert_found(result, "reach", "warning", "fewer requests", "a pause of 60 seconds")
    assert result["up"] and states(result)["release"] == "unknown"


def test_a_wrong_clock_is_a_warning(probe, tree):
    with FaultServer(tree) as ahead:
        ahead.RequestHandlerClass = type("Ahead", (ahead.RequestHandlerClass,), {
            "date_time_string": lambda self, timestamp=None: "Fri, 01 Jan 2100 00:00:00 GMT"})
        result = probe(ahead.url)
    assert_found(result, "clock", "warning", "days ahead of ours")
    assert result["clock_skew_s"] > 86400


def test_headers_are_judged_if_they_are_expected(probe, faulty):
    assert_found(probe(faulty.url), "headers", "ok")
    result = probe("--cache-control", "--cors", faulty.url)
    assert_found(result, "headers", "warning", "no Cache-Control")
    faulty.add("*.json", headers={"Cache-Control": "public, max-age=60",
                                  "Access-Control-Allow-Origin": "*"})
    result = probe("--cache-control", "--cors", faulty.url)
    assert_found(result, "headers", "warning", "caches do not keep model files")
    faulty.add("*.gguf", headers={"Cache-Control": "public, max-age=31536000, immutable",
                                  "Access-Control-Allow-Origin": "*"})
    result = probe("--cache-control", "--cors", faulty.url)
    assert_found(result, "headers", "warning", "Access-Control-Expose-Headers")
    faulty.add("*.gguf", headers={"Cache-Control": "public, max-age=31536000, immutable",
                                  "Access-Control-Allow-Origin": "*",
                                  "Access-Control-Expose-Headers": "Content-Range, ETag"})
    assert_found(probe("--cache-control", "--cors", faulty.url), "headers", "ok")


def test_a_hostile_error_text_stays_one_short_line(probe, faulty):
    faulty.add(status=503, body=b"\x1b]0;owned\x07\n" * 10000,
               headers={"X-Long": "\\x1b[2J" * 500})
    state, reason = probe(faulty.url)["findings"]["reach"]
    assert state == "critical" and "503" in reason
    assert len(reason) < 600 and "\n" not in reason and "\x1b" not in reason


# -- silence ----------------------------------------------------------------------------------


def test_a_refused_connection_is_critical(probe):
    result = probe(f"http://127.0.0.1:{free_port()}")
    assert_found(result, "reach", "critical", "refused")
    assert not result["up"]


def test_a_name_that_does_not_exist_is_critical(probe):
    assert_found(probe("http://no-such-mirror.invalid"), "reach", "critical", "resolve")


def within(result, deadline_ms):
    """Requests end by themselves after 30 seconds without data: the deadline was sooner."""
    return result["took_us"] < (deadline_ms + 20000) * 1000


@pytest.mark.parametrize("fault", [
    {"stall_after": 0}, {"stall_after": 10}, {"rate": 20},
], ids=["silent", "silent after some bytes", "slow for ever"])
def test_a_server_that_does_not_come_to_an_end_costs_the_deadline(probe, faulty, fault):
    faulty.add(TIMESTAMP, **fault)
    result = probe("--deadline", "700", faulty.url)
    assert_found(result, "reach", "critical", "no complete answer within")
    assert within(result, 700) and not result["up"]
    assert {s for c, s in states(result).items() if c not in ("reach", "clock")} == {"unknown"}


def test_an_address_that_swallows_packets_costs_the_deadline(probe):
    port = free_port()
    with dead_address(port):
        result = probe("--deadline", "700", f"http://[::1]:{port}")
    assert_found(result, "reach", "critical", "no connection within")
    assert within(result, 700)


@pytest.mark.parametrize("settings", [
    {"kind": "s3", "endpoint": "{url}", "bucket": "models"},
    {"kind": "github", "owner": "octo", "repo": "models", "api": "{url}", "holds": "objects"},
    {"kind": "oci", "image": "{host}/octo/models"},
    {"kind": "git", "remote": "{url}/models.git", "url": "{url}/raw"},
], ids=lambda s: s["kind"])
def test_a_server_of_any_kind_that_says_nothing_costs_the_deadline(probe, ferry, work, settings):
    ferry.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="none",
                     GH_TOKEN="ghp_simulated")
    with socket.create_server(("127.0.0.1", 0)) as silent:      # it never accepts
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        filled = {k: v.format(url=f"http://{host}", host=host) for k, v in settings.items()}
        (work / "ferry.conf").write_text(mirror("silent", **filled))
        result = probe("--deadline", "700", work / "ferry.conf", "silent")
    assert_found(result, "reach", "critical", "no complete answer within 700 ms")
    assert within(result, 700)


def test_a_name_server_that_says_nothing_costs_the_deadline(probe):
    result = probe("--deadline", "700", "http://mirror.example", env=preloaded("resolver"))
    assert_found(result, "reach", "critical", "no connection within 700 ms")
    assert within(result, 700)


def test_objects_that_are_silent_cost_the_rest_of_the_deadline(probe, faulty):
    faulty.add("targets/*", methods=("HEAD",), status=405)
    faulty.add("targets/*", methods=("GET",), stall_after=0)
    result = probe("--deadline", "3000", faulty.url)
    assert result["up"] and states(result)["release"] == "ok"
    assert "ok" not in (states(result)["ranges"], states(result)["objects"])
    assert within(result, 3000)
