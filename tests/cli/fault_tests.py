"""What the tests of a fetch with SIMULATED faults share: mirrors, and what must hold after each."""

import contextlib

import pytest

from faulty_simulated import Faulty
from publisher import object_path
from test_fetch import TINY, claimed, sha256

MODEL = "*.gguf"


class Mirrors:
    """Mirrors of the tiny model, in order of priority; the first is also the client's endpoint."""

    def __init__(self, ferry, publisher, client):
        self.ferry, self.publisher, self.client = ferry, publisher, client
        self.stack = contextlib.ExitStack()
        self.size = object_path(publisher.tree, TINY).stat().st_size

    def serve(self, **options):
        return self.stack.enter_context(Faulty(self.publisher.tree, **options))

    def start(self, *names, conf="", **urls):
        """Servers with these names; urls are mirrors of others, which come first."""
        servers = {name: self.serve() for name in names}
        self.publisher.sign(**urls, **{name: s.url for name, s in servers.items()})
        self.client(servers[names[0]].url, extra=f"[fetch]\n{conf}\n")
        return servers.values()

    def alone(self, conf=""):
        """One, whose id in reports is its URL."""
        server = self.serve()
        self.client(server.url, extra=f"[fetch]\n{conf}\n")
        return server

    def holds_only_verified_files(self):
        for blob in (self.ferry.store / "blobs" / "sha256").glob("*"):
            assert sha256(blob) == blob.name

    def fetched(self, *args):
        """A fetch that succeeds: what it printed as JSON."""
        result = self.ferry("fetch", "--json", "tiny", *args)
        for model in result.json["models"]:
            published = object_path(self.publisher.tree, model["files"][0]["name"])
            assert sha256(model["path"]) == published.name.split(".")[0]
        self.holds_only_verified_files()
        assert claimed(self.ferry) == 0
        return result

    def failed(self, code, *words):
        """A fetch that does not; the words are in its error."""
        result = self.ferry("fetch", "--json", "tiny", check=code)
        error = result.json["error"]
        for word in words:
            assert word in error["message"], error
        assert error["hint"], error
        assert not list((self.ferry.store / "blobs" / "sha256").glob("*"))
        return result

    def goes_on(self, server, kept):
        """The next fetch takes over so many bytes, and downloads the others."""
        before = server.sent(MODEL)
        [model] = self.fetched().json["models"]
        assert model["resumed"] == kept and model["fetched"] == self.size - kept
        assert server.sent(MODEL) - before == self.size - kept


@pytest.fixture
def mirrors(ferry, publisher, client):
    m = Mirrors(ferry, publisher, client)
    with m.stack:
        yield m
