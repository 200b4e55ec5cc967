"""Downloads that ferry, curl and aria2 really make from two mirrors are counted as they were made;
what publishers and operators read is not counted."""

import json
import re
import subprocess

import pytest

from conftest import ROOT, Ferry
from published import mirror, publisher, signed_base    # noqa: F401
from servers import Nginx
from waiting import PATIENCE

LOG_FORMAT = (ROOT / "scripts" / "ops" / "nginx-log.conf").read_text()


class Mirrors:
    """Two servers that log as the operator's manual says, and a reader."""

    def __init__(self, publisher):     # noqa: F811
        self.publisher, self.servers = publisher, {}
        for name in "ab":
            publisher.mirror(name).mkdir(parents=True)
            self.servers[name] = Nginx(publisher.dir, publisher.mirror(name), http=LOG_FORMAT,
                                       extra=f"access_log {self.log(name)} ferry_json;").start()
        publisher.configure(*[mirror(n, url=s.url + "/") for n, s in self.servers.items()])
        publisher("catalog", "sign")
        publisher("push")
        home = publisher.dir / "reader"
        home.mkdir()
        self.reader = Ferry(home)
        self.reader("repository", "add", "lab", self.servers["a"].url, "--root",
                    publisher.tree / "metadata" / "1.root.json")
        self.file = publisher.on("a", "*q8_0.gguf").relative_to(publisher.mirror("a"))

    def log(self, name):
        return self.publisher.dir / f"{name}.access.log"

    def run(self, *words):
        subprocess.run([str(w) for w in words], check=True, capture_output=True, timeout=PATIENCE,
                       cwd=self.reader.work)

    def fetch(self, **env):
        self.reader("fetch", "tiny", env=env)
        self.reader("store", "remove", "tiny")

    def close(self):
        for server in self.servers.values():
            server.stop()

    def agents(self):
        """Of requests for the model."""
        lines = [json.loads(line) for name in self.servers
                 for line in self.log(name).read_text().splitlines()]
        return {x["http_user_agent"] for x in lines if x["request_uri"] == f"/{self.file}"}


@pytest.fixture
def mirrors(publisher):     # noqa: F811
    made = Mirrors(publisher)
    yield made
    made.close()


def test_what_was_downloaded_is_what_is_counted(mirrors):
    url = f"{mirrors.servers['a'].url}/{mirrors.file}"
    size = mirrors.publisher.on("a", "*q8_0.gguf").stat().st_size
    mirrors.fetch()
    mirrors.fetch()
    mirrors.fetch(DO_NOT_TRACK="1")
    mirrors.run("curl", "-sS", "-o", "whole", url)
    mirrors.run("curl", "-sS", "-A", "resumed", "-r", f"0-{size // 2}", "-o", "half", url)
    mirrors.run("curl", "-sS", "-A", "resumed", "-C", "-", "-o", "half", url)
    mirrors.run("aria2c", "-q", "-x4", "-s4", "-k1M", "--no-conf", "-d", ".", "-o", "many", url,
                f"{mirrors.servers['b'].url}/{mirrors.file}")
    mirrors.run("curl", "-sS", "-A", "torn", "-r", "0-999", "-o", "torn", url)
    mirrors.run("curl", "-sS", "-I", url)
    mirrors.publisher("verify", "--full", "--url", mirrors.servers["b"].url)
    mirrors.publisher("health", check=None)
    mirrors.close()
    told = mirrors.publisher("stats", "import", "--json", *[f"{n}={mirrors.log(n)}" for n in "ab"])
    assert told.json["lines"]["own"] > 0 and told.json["lines"]["method"] == 1
    (row,) = mirrors.publisher("stats", "show", "--json").json["rows"]
    assert (row["name"], row["downloads"], row["open"]) == ("tiny", 6, 1)
    assert row["bytes"] == 6 * size + 1000
    clients = mirrors.publisher("stats", "show", "--by", "client", "--json").json["rows"]
    assert {r["name"]: r["downloads"] for r in clients} == \
        {"ferry": 3, "curl": 1, "aria2": 1, "other": 1}


def test_a_machine_that_only_watches_counts_what_health_has_fetched(mirrors):
    mirrors.fetch()
    logs = [mirrors.log(name) for name in "ab"]
    told = mirrors.reader("stats", "import", *logs, check=2)
    assert "no catalog is known" in told.err and "`ferry health`" in told.err
    mirrors.reader("health", "--no-audit", check=None)
    mirrors.reader("stats", "import", *logs)
    (row,) = mirrors.reader("stats", "show", "--json").json["rows"]
    assert (row["name"], row["downloads"]) == ("tiny", 1)


def test_each_fetch_has_a_token_of_its_own_unless_nobody_wants_one(mirrors):
    token = re.compile(r"ferry/\S+ \(fetch; t=[0-9a-f]{16}\)")
    mirrors.fetch()
    mirrors.fetch()
    seen = mirrors.agents()
    assert len(seen) == 2 and all(token.fullmatch(agent) for agent in seen)
    mirrors.fetch(DO_NOT_TRACK="1")
    (plain,) = mirrors.agents() - seen
    assert re.fullmatch(r"ferry/[0-9.]+", plain)
    conf = mirrors.reader.home / ".config" / "ferry" / "ferry.conf"
    conf.write_text(conf.read_text() + "[fetch]\ntoken = no\n")
    mirrors.fetch()
    assert mirrors.agents() == seen | {plain}
