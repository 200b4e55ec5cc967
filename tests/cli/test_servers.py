"""The servers themselves: a test that uses them must be able to trust them."""

import http.client
import urllib.error
import urllib.request

import pytest

from waiting import PATIENCE


def get(url, **headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE)


def test_nginx_serves_ranges(nginx, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.bin").write_bytes(bytes(range(256)))
    server = nginx(tmp_path / "tree")
    answer = get(server.url + "/a.bin", Range="bytes=5-9")
    assert answer.status == 206
    assert answer.read() == bytes([5, 6, 7, 8, 9])
    server.stop()
    assert server.requests() == ["GET /a.bin bytes=5-9 206 5"]


def test_nothing_is_wrong_without_a_fault(fault_server, tmp_path):
    data = bytes(range(256)) * 4096
    (tmp_path / "a.bin").write_bytes(data)
    server = fault_server(tmp_path)
    assert get(server.url + "/a.bin").read() == data
    assert get(server.url + "/a.bin", Range="bytes=1000-").read() == data[1000:]
    assert server.sent("a.bin") == 2 * len(data) - 1000
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(server.url + "/a.bin", Range=f"bytes={len(data)}-")
    assert refused.value.code == 416


def test_a_flipped_byte_and_dropped_connections(fault_server, tmp_path):
    data = bytes(1 << 20)
    (tmp_path / "a.bin").write_bytes(data)
    server = fault_server(tmp_path)
    server.add(path="a.bin", flip_at=70000)
    got = get(server.url + "/a.bin").read()
    assert [i for i in range(len(got)) if got[i]] == [70000]
    server.mend()
    server.add(drop_every=300000)
    with pytest.raises(http.client.IncompleteRead) as cut:
        get(server.url + "/a.bin").read()
    assert len(cut.value.partial) == 300000


def test_a_large_body_is_sent_in_portions(fault_server, tmp_path):
    with (tmp_path / "big").open("wb") as f:
        f.truncate(32 << 20)
    server = fault_server(tmp_path)
    server.add(flip_at=20 << 20)
    answer = get(server.url + "/big")
    total = flipped = 0
    while chunk := answer.read(1 << 20):
        total += len(chunk)
        flipped += any(chunk)
    assert (total, flipped) == (32 << 20, 1)


def test_what_is_held_goes_on_when_it_is_released(fault_server, tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(100))
    server = fault_server(tmp_path)
    held = server.add(hold_after=40)
    answer = get(server.url + "/a.bin")
    assert answer.read(40) == bytes(40) and server.sent() == 40
    held.release()
    assert answer.read() == bytes(60)


def test_a_port_that_refuses_stays_taken(fault_server, nginx, tmp_path):
    for server in (fault_server(tmp_path), nginx(tmp_path)):
        server.refuse()
        with pytest.raises(urllib.error.URLError, match="refused"):
            get(server.url + "/a.bin")
