"""A fetch from SIMULATED mirrors of which one is much slower than the other, or silent."""

import json

import pytest

from fault_tests import MODEL, mirrors  # noqa: F401 (fixture)
from faulty_simulated import PIECE
from test_fetch import (MIB, client, faults, prepared, publisher,  # noqa: F401 (fixtures)
                        sha256, signed)
from waiting import Log, communicate

LAST = 3
LATE = LAST * PIECE + MIB

SLOW = {
    "no byte of the body": {"stall_after": 0},
    "a stall in the body": {"stall_after": MIB},
    "a byte a second": {"rate": 1},
    "two KB a second": {"rate": 2048},
}


@pytest.mark.parametrize("name", SLOW)
def test_a_mirror_far_below_the_other_is_demoted_and_named(mirrors, name):
    """Long before it would count as stalled."""
    slow, good = mirrors.start("slow", "good", conf="stall-time = 10m")
    hit = slow.add(MODEL, **SLOW[name])
    good.add(MODEL, until=lambda: hit.hits)
    result = mirrors.fetched()
    assert hit.hits and good.sent(MODEL) >= mirrors.size - PIECE
    assert set(faults(result.json)["slow"]) == {"slow"} and faults(result.json)["good"] == {}
    assert "mirror slow: slow" in result.err


def test_a_lie_as_late_duplicate_is_found_before_it_counts(ferry, work, mirrors):
    """The last piece is under way from both: the lie is complete first."""
    good, liar = mirrors.start("good", "liar")
    log = Log(work / "log")
    late = good.add(MODEL, at=LATE + MIB, until=lambda: "not used again" in log.text)
    lie = liar.add(MODEL, flip_at=LATE, until=lambda: late.hits)
    process = ferry.start("fetch", "--json", "tiny", stderr=log.open())
    out, _ = communicate(process)
    document = json.loads(out)
    assert lie.hits and late.hits and process.returncode == 0
    assert sha256(document["models"][0]["path"]) == document["models"][0]["files"][0]["sha256"]
    found = faults(document)
    assert found["liar"]["wrong-bytes"] == 1 and set(found["good"]) <= {"slow"}
    assert [s["id"] for s in document["sources"] if s["banned"]] == ["liar"]
