"""`ferry health` for programs: Nagios, Prometheus, reports of several places; and --watch."""

import json
import re
import shutil
import signal
import subprocess

import pytest

from ops_metrics import HEALTH
from published import flip, mirror, publisher, signed_base      # noqa: F401 (fixtures)
from test_health import health, mirrors     # noqa: F401 (fixture)
from waiting import until

# A plug-in's line: https://nagios-plugins.org/doc/guidelines.html
LINE = re.compile(r"FERRY (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+ \| "
                  r"((?:'[^']+'|[^ =']+)=[0-9.]+s?(?:;[0-9]*){0,4} ?)+\n")


@pytest.mark.parametrize("fault, code, word", [
    (lambda p: None, 0, "OK"),
    (lambda p: (p.add_model("more", "1M", seed=2), p("push", "-m", "a", "-m", "b")), 1, "WARNING"),
    (lambda p: shutil.rmtree(p.mirror("b")), 2, "CRITICAL"),
    (lambda p: (p.dir / "ferry.conf").write_text("[health]\nafter = x\n"), 3, "UNKNOWN"),
])
def test_nagios_gets_one_line_and_its_own_exit_codes(health, fault, code, word):    # noqa: F811
    fault(health.publisher)
    result = health("--nagios", check=code)
    assert result.out.startswith(f"FERRY {word} - ") and result.out.count("\n") == 1
    if code < 3:
        assert LINE.fullmatch(result.out), result.out
        assert re.search(r"mirrors=3;;;0 ok=\d;;;0", result.out)


def test_metrics_are_those_that_are_documented_and_promtool_accepts_them(health):   # noqa: F811
    flip(health.publisher.on("c", "*.gguf"), 1)
    health("--prometheus", "ferry.prom", check=1)
    text = (health.publisher.dir / "ferry.prom").read_text()
    found = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    assert set(found) == set(HEALTH)
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.M):
        assert tuple(re.findall(r'(\w+)="', labels)) == HEALTH[name], name
    assert 'ferry_mirror_up{repository="test",mirror="a"} 1\n' in text
    assert 'ferry_mirror_bad_pieces{repository="test",mirror="c"} 1\n' in text
    assert 'ferry_mirror_check_state{repository="test",mirror="c",check="integrity"} 2\n' in text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                             capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (health.publisher.dir / "ferry.prom").stat().st_mode & 0o777 == 0o644


def test_a_file_for_metrics_that_cannot_be_written_is_an_error(health):     # noqa: F811
    assert "--prometheus" in health("--prometheus", "no/such/folder/x", check=None).err


# -- several places ----------------------------------------------------------------------------

@pytest.fixture
def reports(health, work):      # noqa: F811
    """What is seen from Paris, where all is well, and from Tokyo, which does not reach b."""
    def report(place, check):
        health.publisher.configure(more=f"[health]\nplace = {place}\n")
        (work / f"{place}.json").write_text(health("--json", check=check).out)
    report("paris", 0)
    shutil.rmtree(health.publisher.mirror("b"))
    report("tokyo", 1)
    return ["paris.json", "tokyo.json"]


def test_reports_of_several_places_are_joined(health, reports):     # noqa: F811
    result = health("--merge", *reports, "--json", check=1)
    assert [p["place"] for p in result.json["places"]] == ["paris", "tokyo"]
    [repository] = result.json["repositories"]
    first = repository["mirrors"][0]
    assert (first["id"], first["state"], first["up_at"]) == ("b", "critical", 1)
    assert [(p["place"], p["state"]) for p in first["places"]] == [
        ("paris", "ok"), ("tokyo", "critical")]
    assert first["places"][1]["findings"][0]["check"] == "reach"
    assert first["places"][0]["read_bytes_per_second"] > 0
    text = health("--merge", *reports, check=1).out
    assert re.search(r"b +critical +up at 1 of 2 places\n  from paris: ok .*\n"
                     r"  from tokyo: critical\n  reach +critical +", text)
    assert "not checked in this run" not in text


@pytest.mark.parametrize("change, message", [
    (lambda r: r.update(command="verify"), "is not a report of `ferry health --json`"),
    (lambda r: r.update(place="paris"), "is a second report of the place paris"),
    (lambda r: r["repositories"][0]["mirrors"][0].update(state="fine"), "is not a state"),
    (lambda r: r["repositories"][0]["mirrors"][0].pop("id"), "id"),
    (lambda r: r.update(repositories=7), "repositories"),
])
def test_a_report_that_is_none_is_named(health, reports, work, change, message):    # noqa: F811
    report = json.loads((work / "tokyo.json").read_text())
    change(report)
    (work / "tokyo.json").write_text(json.dumps(report))
    result = health("--merge", *reports, check=None)
    assert result.code in (2, 6) and message in result.err and "tokyo.json" in result.err


def test_options_that_do_not_go_together_are_refused(health):       # noqa: F811
    for args in (["--merge"], ["--merge", "x", "--nagios"], ["--watch", "1m", "--json"],
                 ["--nagios", "--json"]):
        health(*args, check=3 if "--nagios" in args else 2)


# -- again and again ---------------------------------------------------------------------------

def test_watch_runs_until_it_is_stopped_and_shows_what_changes(health):     # noqa: F811
    process = health.publisher.ferry.start("health", "--watch", "1s", "--no-audit")
    seen = []

    def read():
        seen.append(process.stdout.readline())
        return seen[-1]
    until(lambda: re.match(r"c +ok", read()), process)
    shutil.rmtree(health.publisher.mirror("b"))
    until(lambda: re.match(r"b +critical", read()), process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z: ok\n", seen[0])
