"""A fetch over HTTP/2 whose sessions and streams end: nginx, which ends a session after so many
requests, and a SIMULATED server, which does so in the middle of a file."""

import re

import pytest

from fault_tests import mirrors  # noqa: F401 (fixture)
from http2_simulated import Http2
from test_fetch import (MIB, client, faults, prepared, publisher,  # noqa: F401 (fixtures)
                        signed)
from test_mirror_contract import certificate  # noqa: F401 (fixture)

pytestmark = pytest.mark.usefixtures("no_pauses")

RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d+)")


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_nginx_may_end_the_session_after_any_request(ferry, mirrors, publisher, client, nginx,
                                                     certificate, requests):
    only = 'if ($server_protocol != "HTTP/2.0") { return 426; }'
    server = nginx(publisher.tree, tls=certificate, extra=f"keepalive_requests {requests}; {only}")
    client(server.url)
    ferry.env["SSL_CERT_FILE"] = certificate[0]
    assert faults(mirrors.fetched().json) == {server.url: {}}


@pytest.mark.parametrize("what, found", [
    ({"what": "goaway"}, {}),
    ({"what": "end"}, {"dropped"}),
    ({"what": "refuse"}, {"dropped"}),
    ({"what": "rst"}, {"dropped"}),
    ({"what": "rst", "code": 0}, {"dropped"}),
    ({"what": "rst", "code": 7}, {"dropped"}),
    ({"what": "rst", "code": 11}, {"dropped"}),
], ids=["GOAWAY", "GOAWAY and the end of the connection", "GOAWAY that drops the streams",
        "INTERNAL_ERROR", "NO_ERROR", "REFUSED_STREAM", "ENHANCE_YOUR_CALM"])
def test_simulated_ends_of_sessions_and_streams_lose_nothing(ferry, work, mirrors, publisher, client,
                                                             certificate, what, found):
    ferry.env["SSL_CERT_FILE"] = certificate[0]
    with Http2(work, publisher.tree, certificate, after=12 * MIB, times=2, **what) as server:
        client(server.url)
        result = mirrors.fetched()
        assert set(faults(result.json)[server.url]) <= set(found)
        assert len(server.lines("fault")) == 2
        # Of each fault, not more comes again than what was on its way: a piece in each stream.
        ranges = [RANGE.search(line) for line in server.lines("GET") if ".gguf " in line]
        asked = sum(int(r["last"]) + 1 - int(r["first"]) for r in ranges)
        assert asked <= mirrors.size + 2 * 4 * 8 * MIB
