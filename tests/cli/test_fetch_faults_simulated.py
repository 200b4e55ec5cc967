"""A fetch from SIMULATED mirrors that fail, one fault after the other: beside a good mirror, it ends
with the right bytes and names the bad one with the reason; alone, it ends with an error that says
why, and the next fetch goes on with the verified pieces."""

import pytest

from fault_tests import MODEL, mirrors  # noqa: F401 (fixture)
from faulty_simulated import PIECE, Links, dead_address, touches
from test_fetch import (MIB, claimed, client, faults, prepared,  # noqa: F401 (fixtures)
                        publisher, signed)

pytestmark = pytest.mark.usefixtures("no_pauses")

LAST = 3        # the last piece of the tiny model; three full ones are before it
LATE = LAST * PIECE + MIB


def reasons(document, id):
    [source] = [s for s in document["sources"] if s["id"] == id]
    return {f["fault"]: f["detail"] for f in source["faults"]}


# -- beside a good mirror ----------------------------------------------------------------------

BESIDE = {
    "flipped bytes": ({"flip_at": MIB}, "wrong-bytes", "piece 0, at byte 0"),
    "a short file": ({"truncate": 2 * MIB}, "wrong-answer", "bytes there"),
    "truncation": ({"drop_after": MIB}, "dropped", "connection dropped"),
    "a reset in the body": ({"at": MIB, "then": "reset"}, "dropped", "dropped"),
    "a connection that ends without an answer": ({"close": True}, "unreachable", ""),
    "another range": ({"shift_range": 4096}, "wrong-answer", "answered with"),
    "a range of nothing": ({"content_range": ""}, "wrong-answer", "Content-Range"),
    "a malformed range": ({"content_range": "bytes 5-2/x"}, "wrong-answer", "Content-Range"),
    "a range of a longer file": ({"content_range": "bytes 0-8388607/999999999999"},
                                 "wrong-answer", ""),
    "gzip": ({"gzip": True}, "wrong-answer", "content encoding 'gzip'"),
    "an HTML page": ({"html": True}, "wrong-answer", "answered with an HTML page"),
    "a loop of 301": ({"loop": 301}, "wrong-answer", "more than 8 redirects"),
    "a loop of 302": ({"loop": 302}, "wrong-answer", "more than 8 redirects"),
    "a loop of 307": ({"loop": 307}, "wrong-answer", "more than 8 redirects"),
    "a loop of 308": ({"loop": 308}, "wrong-answer", "more than 8 redirects"),
    "a chain of nine redirects": ({"chain": [302] * 9}, "wrong-answer", "more than 8 redirects"),
    "a redirect to another protocol": ({"redirect": "ftp://127.0.0.1/{path}"}, "wrong-answer",
                                       "not an http or https URL"),
    "400": ({"status": 400}, "unusable", "HTTP 400"),
    "401": ({"status": 401}, "refused", "HTTP 401"),
    "403": ({"status": 403}, "refused", "HTTP 403"),
    "404": ({"status": 404}, "missing", "HTTP 404"),
    "410": ({"status": 410}, "missing", "HTTP 410"),
    "416": ({"status": 416}, "wrong-answer", "HTTP 416"),
    "429": ({"status": 429}, "unreachable", "HTTP 429: too many requests"),
    "429 with Retry-After": ({"status": 429, "retry_after": 90}, "unreachable", "HTTP 429"),
    "500": ({"status": 500}, "unreachable", "HTTP 500"),
    "502": ({"status": 502}, "unreachable", "HTTP 502"),
    "503": ({"status": 503}, "unreachable", "HTTP 503"),
    "503 with Retry-After": ({"status": 503, "retry_after": 90}, "unreachable", "HTTP 503"),
    "504": ({"status": 504}, "unreachable", "HTTP 504"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_another_mirror_is_used_and_the_bad_one_is_named(mirrors, name):
    what, fault, text = BESIDE[name]
    bad, good = mirrors.start("bad", "good")
    hit = bad.add(MODEL, **what)

    def has_answered():
        return hit.hits and any(e.get("over") for e in bad.asked())

    good.add(MODEL, until=has_answered)
    result = mirrors.fetched()
    found = reasons(result.json, "bad")
    assert set(found) == {fault} and text in found[fault], found
    assert reasons(result.json, "good") == {}
    assert "mirror bad: " in result.err


def test_chains_of_redirects_are_followed(mirrors):
    server = mirrors.alone()
    server.add(MODEL, chain=[301, 302, 307, 308, 301, 302, 307, 308])
    result = mirrors.fetched()
    assert faults(result.json) == {server.url: {}}
    assert {e["status"] for e in server.asked()} == {301, 302, 307, 308, 206}


def test_a_login_page_that_a_redirect_leads_to_is_called_one(mirrors):
    bad, good = mirrors.start("bad", "good")
    portal = mirrors.serve()
    portal.add(html=True)
    hit = bad.add(MODEL, redirect=f"{portal.url}/login?next={{path}}")
    good.add(MODEL, until=lambda: hit.hits)
    result = mirrors.fetched()
    assert "redirected to a web page" in reasons(result.json, "bad")["portal"]


def test_credentials_do_not_follow_a_redirect_to_another_host(mirrors, publisher, client):
    server, other = mirrors.serve(), mirrors.serve()
    client(server.url.replace("//", "//somebody:secret@"))
    server.add(MODEL, redirect=f"{other.url}/{{path}}")
    result = mirrors.fetched()
    assert all(e["headers"]["Authorization"].startswith("Basic ") for e in server.log)
    assert other.asked() and not any("Authorization" in e["headers"] for e in other.log)
    assert "secret" not in result.err + result.out


def test_a_signed_link_that_expires_in_mid_file_is_asked_for_again(mirrors):
    server, storage = mirrors.alone(), mirrors.serve()
    links = Links(storage.url)
    server.add(MODEL, links=links)
    storage.add(MODEL, signed=links)
    expiry = storage.add(MODEL, times=1, at=PIECE + MIB, then=links.expire)
    result = mirrors.fetched()
    assert expiry.hits == 1 and links.made >= 2
    assert set(faults(result.json)[server.url]) <= {"dropped", "refused"}
    assert "X-Amz-Signature" not in result.err + result.out


def test_a_signed_link_that_has_expired_is_named_without_its_signature(mirrors):
    bad, good = mirrors.start("bad", "good")
    storage = mirrors.serve()
    links = Links(storage.url)
    hit = bad.add(MODEL, links=links)
    storage.add(MODEL, status=403)
    good.add(MODEL, until=lambda: hit.hits)
    result = mirrors.fetched()
    assert "HTTP 403" in reasons(result.json, "bad")["refused"]
    assert "X-Amz-Signature" not in result.err + result.out


# -- ranges and versions ------------------------------------------------------------------------

def test_a_server_without_ranges_is_read_from_the_start(mirrors):
    server = mirrors.alone()
    server.add(MODEL, ignore_range=True)
    result = mirrors.fetched()
    assert faults(result.json) == {server.url: {"no-ranges": 1}}
    assert f"mirror {server.url}: cannot resume" in result.err
    # What the other connections read until the first one knew, and what sockets hold.
    assert server.sent(MODEL) < 3 * mirrors.size


def test_what_a_server_without_ranges_drops_is_read_again(mirrors):
    server = mirrors.alone()
    server.add(MODEL, ignore_range=True)
    server.add(MODEL, skip=1, times=1, at=LATE, then="drop")
    mirrors.fetched()


def test_another_etag_with_the_same_bytes_is_no_fault(mirrors):
    """As of several servers behind one name."""
    server = mirrors.alone()
    server.add(MODEL, etag='"first"')
    server.add(MODEL, times=1, at=PIECE + MIB, then="drop")
    server.add(MODEL, skip=1, etag='"second"')
    result = mirrors.fetched()
    assert set(faults(result.json)[server.url]) == {"dropped"}


def test_a_file_that_is_replaced_in_mid_file_is_found_by_its_bytes(mirrors):
    server = mirrors.alone()
    server.add(MODEL, etag='"first"')
    drop = server.add(MODEL, times=1, at=PIECE + MIB, then="drop")
    server.add(MODEL, skip=1, etag='"second"', flip_at=PIECE + 2 * MIB)
    mirrors.failed(6, server.url, "wrong bytes (piece 1, at byte 8388608)")
    assert drop.hits == 1
    server.mend()
    [model] = mirrors.fetched().json["models"]
    assert model["resumed"] + model["fetched"] == mirrors.size and model["resumed"] >= PIECE


# -- alone: nothing is lost ---------------------------------------------------------------------

ALONE = {
    "truncation": ({"at": LATE, "then": "drop"}, 4, "connection dropped"),
    "a reset": ({"at": LATE, "then": "reset"}, 4, "dropped"),
    "flipped bytes": ({"flip_at": LATE}, 6, "wrong bytes (piece 3, at byte 25165824)"),
}


@pytest.mark.parametrize("name", ALONE)
def test_verified_pieces_are_kept(ferry, mirrors, name):
    what, code, text = ALONE[name]
    server = mirrors.alone(conf="retries = 2")
    server.add(MODEL, until=lambda: claimed(ferry) == LAST, **what)
    mirrors.failed(code, server.url, text)
    assert claimed(ferry) == LAST
    server.mend()
    mirrors.goes_on(server, LAST * PIECE)


@pytest.mark.parametrize("name", ["truncation", "flipped bytes"])
def test_pieces_that_arrived_behind_the_bad_one_are_kept(mirrors, name):
    what, code, text = ALONE[name]
    bad = {"at": PIECE + MIB, "then": "drop"} if "at" in what else {"flip_at": PIECE + MIB}
    server = mirrors.alone(conf="retries = 2")

    def others():
        """Have all of the other pieces been sent?"""
        return sum(e["sent"] for e in server.asked()
                   if not touches(e["range"], PIECE, 2 * PIECE)) == mirrors.size - PIECE
    server.add(MODEL, until=others, **bad)
    mirrors.failed(code, server.url)
    server.mend()
    mirrors.goes_on(server, mirrors.size - PIECE)


STATUS = {401: (5, "needs credentials"), 403: (5, "forbidden"), 404: (4, "not found"),
          410: (4, "gone"), 416: (6, "HTTP 416"), 429: (4, "too many requests"),
          500: (4, "HTTP 500"), 502: (4, "HTTP 502"), 503: (4, "HTTP 503"), 504: (4, "HTTP 504")}


@pytest.mark.parametrize("status", STATUS)
def test_an_error_status_after_some_pieces_is_named_and_they_are_kept(ferry, mirrors, status):
    code, text = STATUS[status]
    server = mirrors.alone(conf="retries = 2")
    server.add(MODEL, piece=LAST, status=status, until=lambda: claimed(ferry) == LAST)
    mirrors.failed(code, server.url, text)
    assert claimed(ferry) == LAST
    server.mend()
    mirrors.goes_on(server, LAST * PIECE)


@pytest.mark.parametrize("what, seconds", [
    ({"status": 429}, None), ({"status": 429, "retry_after": 20}, 20), ({"status": 503}, None),
    ({"status": 503, "retry_after": 20}, 20), ({"status": 500}, None), ({"close": True}, None)])
def test_servers_that_are_down_and_come_back_are_waited_for(mirrors, what, seconds):
    servers = mirrors.start("first", "second")
    down = [s.add(MODEL, times=2, **what) for s in servers]
    result = mirrors.fetched()
    assert sum(fault.hits for fault in down) >= 3
    for found in faults(result.json).values():
        assert set(found) <= {"unreachable", "slow"}
    if seconds:
        assert "waiting for the servers; trying again in" in result.err


# -- names and addresses ------------------------------------------------------------------------

def test_a_mirror_whose_name_is_not_known_is_named(mirrors):
    [good] = mirrors.start("good", bad="http://nowhere.invalid/")
    result = mirrors.fetched()
    assert "nowhere.invalid" in reasons(result.json, "bad")["unreachable"]
    assert faults(result.json)["good"] == {} and good.asked()


def test_a_mirror_that_refuses_connections_is_named(mirrors):
    down = mirrors.serve()
    down.refuse()
    mirrors.start("good", bad=down.url)
    result = mirrors.fetched()
    assert "(Connection refused)" in reasons(result.json, "bad")["unreachable"]


def test_a_dead_address_of_a_host_with_two_does_not_stop_a_fetch(mirrors, client):
    """localhost is [::1], where nobody answers, and 127.0.0.1."""
    server = mirrors.serve(host="localhost")
    client(server.url)
    with dead_address(server.port):
        result = mirrors.fetched()
    assert faults(result.json) == {server.url: {}}
