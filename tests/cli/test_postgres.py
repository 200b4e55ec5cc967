"""PostgreSQL fulfils the contract that SQLite fulfils, and its failures are told."""

import os
import pathlib
import subprocess

import pytest
from conftest import BIN
from postgres import Postgres
from servers import free_port
from waiting import PATIENCE

TOOLS = pathlib.Path(BIN).parent / "tests"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("database")) as server:
        yield server


def contract(where):
    return subprocess.run([str(TOOLS / "db-contract"), str(where)], capture_output=True, text=True,
                          timeout=PATIENCE, env=os.environ)


def test_it_fulfils_the_contract(postgres):
    done = contract(postgres.url())
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout and done.stdout.count("ok ") >= 8


def test_a_server_that_is_down_is_named(work):
    done = contract(f"postgresql://ferry@127.0.0.1:{free_port()}/ops")
    assert done.returncode == 1
    assert "Connection refused" in done.stdout and "postgresql://ferry@127.0.0.1:" in done.stdout


def test_an_unknown_database_is_named(postgres):
    url = postgres.url().rsplit("/", 1)[0] + "/absent"
    done = contract(url)
    assert 'database "absent" does not exist' in done.stdout
