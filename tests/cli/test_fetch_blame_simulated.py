"""Who is blamed for a wrong piece of a SIMULATED mirror, and what follows."""

import pytest

from fault_tests import MODEL, mirrors  # noqa: F401 (fixture)
from faulty_simulated import PIECE
from test_fetch import (MIB, claimed, client, faults, prepared, publisher,  # noqa: F401 (fixtures)
                        signed)

pytestmark = pytest.mark.usefixtures("no_pauses")

LAST = 3
LATE = LAST * PIECE + MIB


def source(document, id):
    [found] = [s for s in document["sources"] if s["id"] == id]
    return found


def detail(document, id, fault):
    [text] = [f["detail"] for f in source(document, id)["faults"] if f["fault"] == fault]
    return text


def test_who_sends_a_wrong_piece_is_banned_for_the_run(mirrors, publisher, prepared):
    """Of neither model does anything count that it sends."""
    publisher.add(prepared("other", "4M"))
    bad, good = mirrors.start("bad", "good")
    lie = bad.add(MODEL, flip_at=MIB)
    good.add(MODEL, until=lambda: lie.hits)
    result = mirrors.fetched("other")
    found = source(result.json, "bad")
    assert found["banned"] and "piece 0, at byte 0" in detail(result.json, "bad", "wrong-bytes")
    assert "this source is not used again" in result.err
    assert not source(result.json, "good")["banned"] and not faults(result.json)["good"]


def test_a_piece_that_is_wrong_everywhere_ends_the_fetch_and_tells_who_sent_what(ferry, mirrors):
    servers = mirrors.start("one", "two", "three")
    for i, server in enumerate(servers):
        server.add(MODEL, flip_at=LATE + i, until=lambda: claimed(ferry) == LAST)
    result = mirrors.failed(6)
    for id in ("one", "two", "three"):
        assert f"{id}: wrong bytes (piece 3, at byte 25165824)" in result.json["error"]["message"]
        assert source(result.json, id)["banned"]
    assert claimed(ferry) == LAST
    for server in servers:
        server.mend()
    [model] = mirrors.fetched().json["models"]
    assert model["resumed"] == LAST * PIECE


def test_a_mirror_that_did_no_wrong_is_not_blamed_for_the_others(ferry, mirrors):
    """One is incomplete, one is forbidden: not everything that failed is a lie."""
    liar, gone, forbidden = mirrors.start("liar", "gone", "forbidden")
    liar.add(MODEL, flip_at=LATE)
    gone.add(MODEL, status=404)
    forbidden.add(MODEL, status=403)
    result = mirrors.failed(4, "liar: wrong bytes (piece 3", "gone: missing", "forbidden: refused")
    assert [s["id"] for s in result.json["sources"] if s["banned"]] == ["liar"]


def test_nobody_is_blamed_for_a_piece_that_came_from_two(mirrors):
    """The first sends a wrong byte and ends; the second goes on with the same piece."""
    first, second = mirrors.start("first", "second")
    cut = first.add(MODEL, flip_at=1000, drop_after=MIB, times=1)
    second.add(MODEL, until=lambda: cut.hits)
    result = mirrors.fetched()
    assert cut.hits == 1 and faults(result.json)["second"] == {}
    assert not source(result.json, "second")["banned"]
