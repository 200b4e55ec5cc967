"""An nginx with the log format of scripts/ops, whose log the real logrotate rotates by the rules of
scripts/ops, and `ferry stats import` again and again: each download is counted once."""

import re
import urllib.request

import pytest

from conftest import ROOT
from ops_metrics import values_in
from published import mirror, publisher, signed_base    # noqa: F401
from servers import Nginx
from test_ops_units import rotation
from waiting import PATIENCE, until

OPS = ROOT / "scripts" / "ops"


class Served:
    """The mirror a behind nginx; .made counts the downloads, .counted() what statistics know."""

    def __init__(self, publisher, server, log):  # noqa: F811
        self.publisher, self.server, self.log = publisher, server, log
        self.metrics = publisher.dir / "stats.prom"
        self.path = publisher.on("a", "*.gguf").relative_to(publisher.mirror("a"))
        self.made = 0

    def download(self, ranges=(None,)):
        """By a client of its own, in so many ranges."""
        self.made += 1
        before = self.log.read_text().count("\n") if self.log.exists() else 0
        for part in ranges:
            request = urllib.request.Request(f"{self.server.url}/{self.path}", headers={
                "User-Agent": f"client-{self.made}/1.0", **({"Range": f"bytes={part}"} if part else {})})
            urllib.request.urlopen(request, timeout=PATIENCE).read()
        until(lambda: self.log.read_text().count("\n") == before + len(ranges), self.server.process)

    def counted(self):
        self.publisher("stats", "import", "--quiet", "--prometheus", self.metrics)
        found = re.findall(r'^ferry_downloads_total\{.*outcome="complete".*\} (\d+)$',
                           self.metrics.read_text(), re.M)
        return sum(map(int, found))

    def lines(self):
        text = self.metrics.read_text()
        return sum(map(int, re.findall(r"^ferry_stats_lines_total\{.*\} (\d+)$", text, re.M)))


@pytest.fixture
def served(publisher, work):  # noqa: F811
    publisher.mirror("a").mkdir(parents=True)
    log = work / "log" / "access.log"
    log.parent.mkdir()
    with Nginx(work, publisher.mirror("a"), http=(OPS / "nginx-log.conf").read_text(),
               extra=f"access_log {log} ferry_json;") as server:
        publisher.configure(mirror("a", url=server.url), more=f"[stats]\nlogs = a={log.parent}")
        publisher("catalog", "sign")
        publisher("push")
        yield Served(publisher, server, log)


def test_each_download_is_counted_once_whatever_logrotate_does_with_the_log(served, work):
    rotate = rotation(work, served.log, served.server.dir / "nginx.pid")
    size = served.publisher.on("a", "*.gguf").stat().st_size
    parts = [f"0-{size // 3}", f"{size // 3 + 1}-{size // 2}", f"{size // 2 + 1}-"]
    lines = 0
    for imports_before_rotation in (True, False, True, False):
        served.download()
        served.download(parts)
        lines += 1 + len(parts)
        if imports_before_rotation:
            assert served.counted() == served.made
            served.download()
            lines += 1
        assert rotate().returncode == 0
        until(lambda: served.log.exists() and served.log.stat().st_size == 0)
        served.download(parts)
        lines += len(parts)
    names = {p.name for p in served.log.parent.iterdir()}
    assert names == {"access.log", "access.log.1", "access.log.2.gz", "access.log.3.gz", "access.log.4.gz"}
    assert served.counted() == served.made == 14
    assert served.counted() == served.made      # again: nothing is new
    assert served.lines() == lines
    assert values_in(served.metrics.read_text())["ferry_requests_total"][0]["mirror"] == "a"
