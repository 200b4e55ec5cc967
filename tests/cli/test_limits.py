"""Limits that several processes share over a real Redis."""

import json
import subprocess

import pytest
from conftest import BIN
from redis_servers import Redis
from waiting import PATIENCE, until

RATE, BURST = 200, 100


class Load:
    """tests/tools/limit-load: one process of a fleet, under full load of one client."""

    def __init__(self, place, client="key team", wait_ms=0):
        self.process = subprocess.Popen(
            [BIN.parent / "tests" / "limit-load", str(place), str(RATE), str(BURST), client,
             str(wait_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.stdin:
            self.end()

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        last, _ = self.process.communicate(timeout=PATIENCE)
        self.process.stdin = None
        assert self.process.returncode == 0
        return json.loads(last)


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path) as server:
        yield server


def test_two_processes_admit_together_what_one_may(redis):
    # However busy the machine is, Redis is waited for.
    with Load(redis.url, wait_ms=60000) as one, Load(redis.url, wait_ms=60000) as other:
        until(lambda: one.ask()["admitted"] + other.ask()["admitted"] > 500)
        ends = [one.end(), other.end()]
    seconds = (max(e["now_us"] for e in ends) - min(e["start_us"] for e in ends)) / 1e6
    limit = BURST + RATE * seconds
    admitted = sum(e["admitted"] for e in ends)
    assert admitted <= 1.05 * limit
    assert admitted >= 0.95 * limit
    assert all(e["refused"] for e in ends)
    assert not any(e["without_redis"] for e in ends)
    # What Redis has of it goes away by itself.
    assert 0 < int(redis.ask("-n", "1", "PTTL", "ferry:limit:requests:key team")) < 60000


def test_a_clock_of_redis_that_is_set_back_stops_nobody(redis):
    hour_later_us = (int(redis.ask("TIME").split()[0]) + 3600) * 1000000
    redis.ask("-n", "1", "SET", "ferry:limit:requests:key team", hour_later_us)
    with Load(redis.url, wait_ms=60000) as load:
        until(lambda: load.ask()["admitted"] > 0)
        end = load.end()
    # What it had used up before is not given to it once more.
    seconds = (end["now_us"] - end["start_us"]) / 1e6
    assert end["admitted"] <= 1.05 * RATE * seconds + 1
    assert not end["without_redis"]


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_without_redis_no_request_fails_and_none_waits(redis, fault):
    with Load(redis.url) as load:
        until(lambda: load.ask()["admitted"] > BURST)
        getattr(redis, fault)()
        # Each would wait for 50 ms without the breaker: a thousand for most of a minute.
        until(lambda: load.ask()["without_redis"] > 1000)
        said = load.ask()
        assert said["open"] and said["fault"].startswith("redis: ")
        assert said["longest_us"] < 1000000
        if fault == "hang":
            redis.kill()
        # Both count on in the meantime: what one process admits alone is its limit, too.
        seconds = (said["now_us"] - said["start_us"]) / 1e6
        assert said["admitted"] <= 1.1 * (BURST + RATE * seconds) + BURST
        redis.start()
        until(lambda: not load.ask()["open"])


def test_a_wrong_password_is_said_and_leaves_each_process_its_own_limits(tmp_path):
    with Redis(tmp_path, password="secret") as server, Load(server.url) as load:
        until(lambda: load.ask()["admitted"] >= BURST)
        said = load.ask()
        assert said["open"] and "NOAUTH" in said["fault"]
