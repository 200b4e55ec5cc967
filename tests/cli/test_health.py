"""`ferry health`: every mirror is looked at as a reader would, and what is wrong has a reason."""

import re
import shutil

import pytest

from published import flip, mirror, publisher, signed_base      # noqa: F401 (fixtures)
from screen import on_screen
from waiting import locked


def mirrors(result):
    return {m["id"]: m for r in result.json["repositories"] for m in r["mirrors"]}


def findings(one):
    return {f["check"]: f for f in one["findings"]}


def states(result):
    return {name: m["state"] for name, m in mirrors(result).items()}


@pytest.fixture
def health(publisher):      # noqa: F811
    """Runs `ferry health`; mirrors a, b and c show the release."""
    publisher("push")

    def run(*args, **options):
        return publisher("health", *args, **options)
    run.publisher = publisher
    return run


def test_mirrors_that_show_the_release_are_ok(health):
    result = health("--json")
    assert states(result) == {"a": "ok", "b": "ok", "c": "ok"}
    assert result.json["state"] == "ok" and result.json["history"] is True
    [repository] = result.json["repositories"]
    assert (repository["release"], repository["from"]) == (2, "tree")
    assert (repository["models"], repository["variants"]) == (1, 1)
    assert {r["role"] for r in repository["roles"]} >= {"root", "targets", "snapshot", "timestamp"}
    assert findings(mirrors(result)["a"])["release"]["reason"] == "shows release 2"


def test_a_mirror_that_is_gone_is_critical_and_named_first(health):
    shutil.rmtree(health.publisher.mirror("b"))
    result = health("--json", check=1)
    assert next(iter(mirrors(result))) == "b"
    assert states(result) == {"b": "critical", "a": "ok", "c": "ok"}
    assert mirrors(result)["b"]["up"] is False
    assert findings(mirrors(result)["b"])["reach"]["state"] == "critical"
    lines = health(check=1).out.splitlines()
    assert lines[0].startswith("test: release 2, 3 mirrors: 1 critical, 2 ok")
    assert re.match(r"b +critical", lines[1]) and lines[2].startswith("  reach ")


def test_a_mirror_that_is_behind_is_a_warning_and_says_how_far(health):
    publisher = health.publisher  # noqa: F811
    publisher.add_model("more", "1M", seed=2)
    publisher("push", "--mirror", "a", "--mirror", "b")
    result = health("--json", check=1)
    behind = mirrors(result)["c"]
    assert (behind["state"], behind["release"], behind["lag"]) == ("warning", 2, 1)
    assert "1 behind" in findings(behind)["release"]["reason"]


def test_a_release_that_is_not_pushed_is_no_fault_of_the_mirrors(health):
    health.publisher.add_model("more", "1M", seed=2)
    result = health("--json", check=1)
    assert states(result) == {"a": "ok", "b": "ok", "c": "ok"}
    [repository] = result.json["repositories"]
    assert repository["state"] == "warning"
    assert "ferry push" in findings(repository)["release"]["reason"]


def test_a_wrong_byte_is_found_by_the_audit(health):
    flip(health.publisher.on("c", "*.gguf"), 12345)
    result = health("--json", check=1)
    assert states(result) == {"a": "ok", "b": "ok", "c": "critical"}
    audit = mirrors(result)["c"]["audit"]
    assert audit["wrong_pieces"] == 1 and audit["promise_days"] >= 1
    assert "piece 0" in findings(mirrors(result)["c"])["integrity"]["reason"]
    again = health("--json", "--no-audit", check=1)
    assert states(again)["c"] == "critical"
    assert mirrors(again)["c"]["audit"]["pieces"] == 0


def test_the_metadata_of_any_mirror_is_enough(health, ferry):
    """A machine without the tree: the newest of the mirrors is what is expected of the others."""
    publisher = health.publisher  # noqa: F811
    publisher.add_model("more", "1M", seed=2)
    publisher("push", "--mirror", "b")
    root = publisher.tree / "metadata" / "1.root.json"
    (publisher.dir / "away").mkdir()
    (publisher.dir / "away" / "ferry.conf").write_text(
        f"[repository.test]\nroot = {root}\nmetadata = file://{publisher.mirror('a')} "
        f"file://{publisher.mirror('b')}\n")
    result = ferry("health", "--json", cwd=publisher.dir / "away", check=1)
    [repository] = result.json["repositories"]
    assert (repository["release"], repository["from"]) == (3, "mirror")
    assert {n: m["release"] for n, m in mirrors(result).items()} == {"a": 2, "b": 3, "c": 2}
    assert {m["origin"] for m in mirrors(result).values()} == {"catalog"}
    shutil.rmtree(publisher.dir / "mirrors")
    result = ferry("health", "--json", cwd=publisher.dir / "away", check=1)
    assert result.json["repositories"][0]["from"] == "copy"


def test_a_mirror_with_wrong_settings_is_unknown_and_does_not_stop_the_others(health):
    health.publisher.configure(mirror("a"), mirror("b"), mirror("c"), mirror("s", kind="s3"))
    result = health("--json", check=1)
    assert states(result) == {"s": "unknown", "a": "ok", "b": "ok", "c": "ok"}
    assert "bucket" in findings(mirrors(result)["s"])["reach"]["reason"]


def test_only_some_mirrors(health):
    assert set(states(health("--json", "-m", "a", "-m", "c"))) == {"a", "c"}
    assert "did you mean 'a'" in health("-m", "aa", check=2).err
    assert "unknown command 'silnce'" in health("silnce", check=2).err


def test_with_q_nothing_is_said_while_all_is_well(health):
    assert health("-q").out == ""
    shutil.rmtree(health.publisher.mirror("b"))
    assert "b " in health("-q", check=1).out


def test_a_second_run_says_who_runs_and_ends(health):
    with locked(health.publisher.ferry.home / ".local/state/ferry/health.lock"):
        result = health(check=8)
    assert "process" in result.err and "another `ferry health` is running" in result.err
    assert result.out == ""


def test_a_mirror_that_stays_behind_becomes_critical(health):
    publisher = health.publisher  # noqa: F811
    publisher.add_model("more", "1M", seed=2)
    publisher("push", "-m", "a", "-m", "b")
    assert states(health("--json", check=1))["c"] == "warning"
    result = health("--json", check=1, at="+2 hours")
    behind = mirrors(result)["c"]
    assert (behind["state"], states(result)["a"]) == ("critical", "ok")
    assert re.search(r"for (2h 00m|1h 59m)", findings(behind)["release"]["reason"])


def test_a_release_that_was_seen_before_and_is_gone_is_critical(health):
    publisher = health.publisher  # noqa: F811
    shutil.copytree(publisher.tree, publisher.dir / "earlier")
    publisher.add_model("more", "1M", seed=2)
    publisher("push")
    health()
    for name in ("repository", *(f"mirrors/{n}" for n in "abc")):
        shutil.rmtree(publisher.dir / name)
    shutil.copytree(publisher.dir / "earlier", publisher.tree)
    publisher("push", "--new-mirror")
    [repository] = health("--json", check=1).json["repositories"]
    assert "release 3 was seen before" in findings(repository)["release"]["reason"]
    assert repository["state"] == "critical"


def test_roles_that_expire_soon_are_the_repositorys_fault(health):
    [repository] = health("--json", check=1, at="+370 days").json["repositories"]
    found = findings(repository)["expiry"]
    assert found["state"] == "critical" and "expired" in found["reason"]


def test_several_repositories_have_a_part_of_the_report_each(health):
    publisher = health.publisher  # noqa: F811
    shutil.copytree(publisher.tree, publisher.dir / "second")
    publisher.configure(
        mirror("a", repository="test"), mirror("d", repository="other"),
        more="[repository.other]\npath = second\n")
    result = health("--json", "-m", "a", "-m", "d", check=1)
    assert [(r["name"], r["state"]) for r in result.json["repositories"]] == [
        ("test", "ok"), ("other", "critical")]
    assert states(result)["d"] == "critical"
    assert states(health("--json", "-m", "a", "--name", "test")) == {"a": "ok"}
    values = health("--nagios", check=2).out.partition("|")[2]
    assert "'test/a up'=1" in values and "'other/d up'=0" in values
    assert "there is no mirror 'e'" in health("-m", "e", check=2).err
    assert "did you mean 'other'" in health("--name", "othre", check=3).err


def test_on_a_terminal_no_line_is_wider_than_it(health):
    shutil.rmtree(health.publisher.mirror("b"))
    shown = on_screen(health.publisher.ferry, ["health"])
    assert shown.code == 1
    lines = shown.text.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  coverage ") for line in lines)
    assert "  reach       critical  " in shown.text
