"""A fetch over TLS from SIMULATED mirrors: certificates that do not verify, and connections that end."""

import pytest

from fault_tests import MODEL, mirrors  # noqa: F401 (fixture)
from faulty_simulated import PIECE
from test_fetch import (MIB, claimed, client, faults, prepared, publisher,  # noqa: F401 (fixtures)
                        signed)
from test_proxies import certificate

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """made("IP:127.0.0.1", "-30 days"): (certificate, key), made once."""
    done = {}

    def make(*how):
        if how not in done:
            done[how] = certificate(tmp_path_factory.mktemp("tls"), *how)
        return done[how]
    return make


@pytest.mark.parametrize("how, trusted, text", [
    (("IP:127.0.0.1",), False, "from an authority that this machine does not know"),
    (("DNS:other.example",), True, "certificate is for another name"),
    (("IP:127.0.0.1", "-30 days"), True, "certificate has expired"),
    (("IP:127.0.0.1", "+30 days"), True, "certificate is not valid yet"),
], ids=["unknown", "another name", "expired", "not valid yet"])
def test_a_mirror_whose_certificate_does_not_verify_is_named_and_gets_no_request(
        ferry, mirrors, made, how, trusted, text):
    bad = mirrors.serve(tls=made(*how))
    if trusted:
        ferry.env["SSL_CERT_FILE"] = made(*how)[0]
    [good] = mirrors.start("good", bad=bad.url)
    result = mirrors.fetched()
    [source] = [s for s in result.json["sources"] if s["id"] == "bad"]
    [tls] = [f for f in source["faults"] if f["fault"] != "slow"]   # a busy machine is
    assert tls["fault"] == "tls" and source["banned"]
    assert text in tls["detail"] and "mirror bad: not trusted" in result.err
    assert bad.log == [] and faults(result.json)["good"] == {}


@pytest.fixture
def secure(ferry, mirrors, made, client):
    """A mirror with TLS."""
    ferry.env["SSL_CERT_FILE"] = made("IP:127.0.0.1")[0]
    server = mirrors.serve(tls=made("IP:127.0.0.1"))
    client(server.url)
    return server


@pytest.mark.parametrize("then", ["drop", "reset"])
def test_a_connection_that_ends_is_continued(mirrors, secure, then):
    cut = secure.add(MODEL, times=2, at=2 * PIECE + MIB, then=then)
    result = mirrors.fetched()
    assert cut.hits == 2 and set(faults(result.json)[secure.url]) == {"dropped"}


def test_a_wrong_piece_is_found(ferry, mirrors, secure):
    secure.add(MODEL, flip_at=2 * PIECE + MIB, until=lambda: claimed(ferry) == 2)
    mirrors.failed(6, secure.url, "wrong bytes (piece 2, at byte 16777216)")


def test_a_redirect_from_https_to_http_is_refused(mirrors, secure, publisher):
    plain = mirrors.serve()
    secure.add(MODEL, redirect=f"{plain.url}/{{path}}")
    mirrors.failed(6, secure.url, "it leads from https to http")
    assert plain.log == []
