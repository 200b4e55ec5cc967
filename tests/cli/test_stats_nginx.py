"""The same requests in three formats of logs of a real nginx tell the same: combined, combined with
the range behind it (ferry-logs(7)), and the JSON lines of scripts/ops."""

import gzip
import http.client
import json
import pathlib
import re

import pytest

from access_logs import Object, catalog
from servers import Nginx

ROOT = pathlib.Path(__file__).parents[2]
SIZE = 100_000
OBJECT = Object(7, SIZE)
AGENTS = ["curl/7.88.1", 'a "quoted" agent', "back\\slash \\x22", "ümläut €", "a\ttab", '"', "\\"]


def ranges():
    """The log_format of the man page."""
    text = (ROOT / "man/ferry-logs.7.scd").read_text()
    return re.search(r"^log_format ranges '.*?;$", text, re.M | re.S).group(0)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder with combined.log, ranges.log and json.log of the same requests."""
    folder = tmp_path_factory.mktemp("logs")
    root = folder / "www"
    path = root / OBJECT.url[1:]
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(SIZE))
    formats = (ROOT / "scripts/ops/nginx-log.conf").read_text() + "\n" + ranges()
    with Nginx(folder, root, http=formats, extra=f"""
            access_log {folder}/combined.log combined;
            access_log {folder}/ranges.log ranges;
            access_log {folder}/json.log ferry_json;""") as server:
        ask = http.client.HTTPConnection("127.0.0.1", server.port)

        def get(agent, method="GET", url=OBJECT.url, **headers):
            ask.putrequest(method, url, skip_accept_encoding=True)
            ask.putheader("User-Agent", agent.encode())
            for name, value in headers.items():
                ask.putheader(name, value)
            ask.endheaders()
            ask.getresponse().read()

        for agent in AGENTS:
            get(agent)
        # Half of it twice is no download, where the log has the range.
        for _ in range(2):
            get("halves/1", Range=f"bytes=0-{SIZE // 2 - 1}")
        get("resumed/1", Range="bytes=0-9999")
        get("resumed/1", Range="bytes=10000-")
        get("head/1", method="HEAD")
        get("missing/1", url="/models/none")
        get("query/1", url=OBJECT.url + "?download=1")
        ask.close()
    (folder / "catalog.json").write_text(json.dumps(catalog([OBJECT])))
    return folder


def load(ferry, work, logs, log):
    database = work / f"{log.name}.db"
    told = ferry("stats", "import", "--json", "--database", database, "--catalog",
                 logs / "catalog.json", log).json
    [row] = ferry("stats", "show", "--json", "--database", database).json["rows"]
    return told["lines"], row


def test_formats_of_nginx_tell_the_same(ferry, work, logs):
    told = {name: load(ferry, work, logs, logs / f"{name}.log")
            for name in ("combined", "ranges", "json")}
    for lines, row in told.values():
        assert lines["malformed"] == 0 and lines["method"] == 1
        assert lines["counted"] == len(AGENTS) + 5
    # One session for each agent; query/1 and resumed/1 are complete, too.
    assert told["ranges"] == told["json"]
    assert told["json"][1]["downloads"] == len(AGENTS) + 2
    # Without ranges, twice the first half may be the whole.
    assert told["combined"][1]["downloads"] == len(AGENTS) + 3


def test_damaged_and_hostile_lines_are_counted_and_stop_nothing(ferry, work, logs):
    good = (logs / "json.log").read_bytes()
    junk = [b"\0" * 500 + good.splitlines(True)[0], b"\xff\xfe\x01 binary\n", b"x" * 100_000 + b"\n",
            b'{"status":200,"time_iso8601":"2099-01-01T00:00:00Z","request_method":"GET",'
            b'"body_bytes_sent":5,"request_uri":"' + OBJECT.url.encode() + b'"}\n',
            b'{"status":' + b"[" * 5000 + b"\n", b"\x1b]0;title\x07\x1b[31m\n", good[:100]]
    (work / "bad.log").write_bytes(good + b"".join(junk))
    told, row = load(ferry, work, logs, work / "bad.log")
    assert told["malformed"] == 4 and told["future"] == 1
    assert row["downloads"] == len(AGENTS) + 2
    # The same, compressed, is the same log: nothing is counted again. Its torn line cannot grow.
    (work / "bad.log.1.gz").write_bytes(gzip.compress((work / "bad.log").read_bytes()))
    more = ferry("stats", "import", "--json", "--database", work / "bad.log.db",
                 work / "bad.log.1.gz").json
    assert more["total"] == 1 and more["lines"]["malformed"] == 1
