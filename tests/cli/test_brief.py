"""The whole brief of model distribution as one run: each of its lines is done by a command, and checked
where it must show. What is SIMULATED, brief_world.py says."""

import traceback

import pytest

import brief_watch  # noqa: F401, more checks
from brief import BRIEF
from brief_checks import CHECKS
from brief_world import World

LINES = [line for lines in BRIEF.values() for line in lines]


@pytest.fixture
def world(work, radosgw, r2_proxy, github, aws, make_gguf):
    with World(work, radosgw, r2_proxy, github, aws, make_gguf) as made:
        yield made


def test_each_line_has_a_check_and_each_check_a_line():
    assert {line.check for line in LINES} == set(CHECKS)


def outcome(line, world, outcomes):
    """None, or what is wrong. A check of several lines is made once."""
    if line.check not in outcomes:
        try:
            outcomes[line.check] = CHECKS[line.check](world)
        except Exception:       # the others are to be seen, too
            outcomes[line.check] = traceback.format_exc()
    if outcomes[line.check] is None and not world.has_run(line.command):
        return f"{line.command} was not run"
    return outcomes[line.check]


def test_the_whole_brief_in_one_run_with_simulated_vendors(world):
    outcomes, wrong = {}, {}
    for section, lines in BRIEF.items():
        print(f"\n{section}")
        for line in lines:
            why = outcome(line, world, outcomes)
            print(f"  {'✗' if why else '✓'} {line.text:<52} {line.command}")
            if why:
                wrong.setdefault(why, f"{section}: {line.text}: {line.check}")
    assert not wrong, "\n\n".join(f"{name}\n{why}" for why, name in wrong.items())
