"""--limit-rate and limit-rate of ferry.conf. The clock of the commands is simulated: pauses pass at
once, so that the speed that a push records is that of its limit, on any machine."""

import json
import time

import pytest

from conftest import preloaded
from published import mirror, publisher, signed_base  # noqa: F401

LIMIT = 8 << 20


@pytest.fixture
def large(publisher):
    publisher.add_model("large", "24M", seed=4)
    publisher.ferry.env.update(preloaded("clock"))
    return publisher


def speeds(publisher):
    """Mirror → bytes per second of the last push."""
    return {p.name: int(p.read_text()) for p in (publisher.tree / ".ferry/speed").iterdir()}


def slow(speed):
    return speed < LIMIT * 1.1


@pytest.mark.parametrize("limit", ["8MiB", "00:00,8M 12:00,8192K", "mon-00:00,8M thu-00:00,8M"])
def test_a_push_keeps_its_limit(large, limit):
    large.configure(mirror("a"))
    large("push", "--limit-rate", limit)
    assert slow(speeds(large)["a"])


def test_without_a_limit_a_push_is_faster(large):
    large.configure(mirror("a"))
    large("push", "--limit-rate", "off")
    assert not slow(speeds(large)["a"])


def test_all_mirrors_share_the_limit(large):
    large("push", "--limit-rate", "8MiB")
    assert speeds(large).keys() == {"a", "b", "c"}
    # Each is that of its own time, and one that begins later has fewer beside it at the end.
    assert sum(speeds(large).values()) < LIMIT * 1.3


def test_the_configuration_limits_and_the_option_wins(large):
    large.configure(mirror("a"), more="[publish]\nlimit-rate = 8M\n[fetch]\nlimit-rate = 1M\n")
    large("push")
    assert LIMIT / 4 < speeds(large)["a"] < LIMIT * 1.1
    large.configure(mirror("b"), more="[publish]\nlimit-rate = 8M\n")
    large("push", "--limit-rate", "off")
    assert not slow(speeds(large)["b"])


def test_a_mirror_has_a_limit_of_its_own(large):
    large.configure(mirror("a", **{"limit-rate": "8M"}))
    large("push", "--limit-rate", "4GB")
    assert slow(speeds(large)["a"])


def test_a_verification_keeps_the_limit(large):
    large.configure(mirror("a"))
    large("push", "--limit-rate", "off")
    large.ferry.env.update(preloaded())     # the real clock
    began = time.monotonic()
    large("verify", "--full", "--limit-rate", "60M")
    assert time.monotonic() - began > 0.4


@pytest.mark.parametrize("section", ["[publish]", "[fetch]", "[mirror.d]\nkind = file\npath = d"])
def test_a_wrong_limit_in_the_configuration_names_its_line(publisher, section):
    publisher.configure(more=f"{section}\nlimit-rate = 26:00,1M\n")
    result = publisher("push", "--json", check=2)
    assert "limit-rate: '26:00,1M' is not a size" in json.dumps(result.json)


def test_a_wrong_limit_is_a_usage_error(publisher):
    for command in ("push", "verify"):
        result = publisher(command, "--limit-rate", "08:00", check=2)
        assert "--limit-rate: '08:00'" in result.err
