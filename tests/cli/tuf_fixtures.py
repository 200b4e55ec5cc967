"""Fixtures of the tests that drive tuf-client against the simulated TUF repository."""
import pytest

import tuf_js
import tuf_simulator
from conftest import ROOT, TOOLS


@pytest.fixture(scope="session")
def tufjs():
    with tuf_js.TufJs(tuf_js.install(ROOT / "build" / "tuf-js")) as started:
        yield started


@pytest.fixture(scope="module")
def tuf_server():
    with tuf_simulator.Server() as server:
        yield server


@pytest.fixture
def repo(tuf_server, request):
    """A repository at version 1. Its name has what pytest puts into names: brackets, spaces."""
    return tuf_server.add(request.node.name)


@pytest.fixture
def client(repo, tmp_path):
    """The client, which trusts the first root."""
    client = tuf_simulator.Client(TOOLS / "tuf-client", tmp_path / "client", repo)
    assert client.init() == 0, client.error
    return client
