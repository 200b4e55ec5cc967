"""scripts/ops/prometheus: each rule fires, does not fire, and recovers (promtool); the configurations
are valid, and alerts are routed as they should be."""

import re
import shutil
import subprocess

import pytest
import yaml

from conftest import ROOT
from ops_metrics import unknown_words
from waiting import PATIENCE

FOLDER = ROOT / "scripts" / "ops" / "prometheus"
RULES = {rule["alert"]: rule for group in yaml.safe_load((FOLDER / "ferry.rules.yml").read_text())["groups"]
         for rule in group["rules"]}
WHERE = 'job="ferry",instance="ops"'
MIRROR = f'repository="ai",mirror="m",{WHERE}'
DAY = 86400


def steps(*parts):
    """promtool's notation of a series with a value each minute: (value, minutes), …"""
    return " ".join(f"{value}x{minutes - 1}" if minutes > 1 else str(value) for value, minutes in parts)


def fault(bad, good, minutes=30):
    """Good for 10 minutes, bad for some, good again."""
    return steps((good, 10), (bad, minutes), (good, 60))


def mirror(name, values, more=""):
    return {f"ferry_mirror_{name}{{{MIRROR}{more}}}": values}


def edge(name, values, labels=""):
    return {f"ferry_serve_{name}{{{labels}{WHERE}}}": values}


def release(name, values):
    return edge(f"release_{name}", values, 'repository="ai",')


def role(name):
    return f'ferry_role_expiry_timestamp_seconds{{repository="ai",role="{name}",{WHERE}}}'


# The clock of these tests begins at 0, so that a time is that many seconds after the start.
# alert: (series, minutes at which it is quiet, minutes at which it fires)
CASES = {
    "FerryPrimaryMirrorDown": (
        {**mirror("up", fault(0, 1)), **mirror("primary", "1x100")}, [0, 9, 10, 40, 60], [11, 39]),
    "FerryMirrorDown": (
        {**mirror("up", fault(0, 1)), **mirror("primary", "0x100")}, [9, 11, 19, 40], [20, 39]),
    "FerryAllMirrorsDown": (
        {**mirror("up", fault(0, 1)), f'ferry_mirror_up{{repository="ai",mirror="n",{WHERE}}}': fault(0, 1, 20)},
        [9, 11, 30], [12, 29]),
    "FerryMirrorStale": (
        {**mirror("release_lag", fault(2, 0, 100)), **mirror("metadata_timestamp_seconds", "0x200")},
        [5, 60, 65, 110], [66, 109]),
    "FerryMirrorVeryStale": (
        {**mirror("release_lag", fault(2, 0, 100)),
         **mirror("metadata_timestamp_seconds", f"{-2 * DAY + 1200}x200")},
        [5, 20, 25, 110], [26, 109]),
    "FerryCertificateExpiresSoon": (
        mirror("certificate_expiry_timestamp_seconds", steps((14 * DAY + 600, 40), (90 * DAY, 20))),
        [0, 10, 15, 40], [16, 39]),
    "FerryCertificateExpires": (
        mirror("certificate_expiry_timestamp_seconds", steps((3 * DAY + 600, 40), (90 * DAY, 20))),
        [0, 10, 15, 40], [16, 39]),
    "FerryWrongBytes": (mirror("bad_pieces", fault(1, 0)), [9, 40], [10, 39]),
    "FerryObjectsMissing": (mirror("missing_objects", fault(1, 0)), [9, 14, 40], [15, 39]),
    "FerryCoverageLow": (
        mirror("audit_coverage_ratio", steps((0.9, 10), (0.89, 2000), (0.9, 60))),
        [9, 10 + 1439, 2010], [10 + 1440, 2009]),
    "FerryAuditOld": (
        mirror("audit_oldest_check_timestamp_seconds", steps((-90 * DAY + 600, 2000), (0, 60))),
        [10, 11 + 1439, 2000], [11 + 1440, 1999]),
    "FerryClockSkew": (mirror("clock_skew_seconds", fault(-61, 60)), [9, 24, 40], [25, 39]),
    "FerryQuotaLow": (
        {f"ferry_github_api_remaining{{{MIRROR}}}": fault(499, 500),
         f"ferry_github_api_limit{{{MIRROR}}}": "5000x100"}, [9, 14, 40], [15, 39]),
    "FerryMirrorCheckCritical": (
        mirror("check_state", fault(2, 1), ',check="ranges"'), [9, 14, 40], [15, 39]),
    "FerryMirrorCheckWarning": (
        mirror("check_state", fault(1, 0, 80), ',check="headers"'), [9, 69, 90], [70, 89]),
    "FerryMirrorCheckUnknown": (
        mirror("check_state", fault(3, 0, 80), ',check="quota"'), [9, 69, 90], [70, 89]),
    "FerryMirrorSlow": (
        {f'ferry_probe_duration_seconds{{{MIRROR},phase="total"}}': fault(5.1, 5),
         f'ferry_probe_duration_seconds{{{MIRROR},phase="tls"}}': "9x100"}, [9, 24, 40], [25, 39]),
    "FerrySilenceForgotten": (
        mirror("silenced", steps((0, 10), (1, 3000), (0, 60))), [9, 10 + 2879, 3010], [10 + 2880, 3009]),
    "FerryOnlineRoleExpiresSoon": (
        {role("snapshot"): steps((2 * DAY + 600, 40), (14 * DAY, 20))}, [10, 25, 40], [26, 39]),
    "FerryOnlineRoleExpires": (
        {role("timestamp"): steps((DAY // 2 + 600, 40), (14 * DAY, 20))}, [10, 15, 40], [16, 39]),
    "FerryRoleExpiresSoon": (
        {role("community"): steps((30 * DAY + 600, 40), (365 * DAY, 20)), role("timestamp"): f"{14 * DAY}x100"},
        [10, 25, 40], [26, 39]),
    "FerryRoleExpires": (
        {role("root"): steps((7 * DAY + 600, 40), (365 * DAY, 20)), role("timestamp"): f"{6 * DAY}x100"},
        [10, 15, 40], [16, 39]),
    "FerryRefreshMissing": (
        {f'ferry_repository_release_seen_timestamp_seconds{{repository="ai",{WHERE}}}':
         steps((-2 * DAY + 600, 40), (2400, 20))}, [10, 25, 40], [26, 39]),
    # 100 requests a minute, then 6 of them fail: more than 5 % of those of five minutes.
    "FerryDownloadsFail": (
        {f'ferry_requests_total{{mirror="m",outcome="success",{WHERE}}}': "0+94x60",
         f'ferry_requests_total{{mirror="m",outcome="failure",{WHERE}}}': "0+0x9 6+6x20 126+0x60",
         f'ferry_requests_total{{mirror="m",outcome="other",{WHERE}}}': "0+900x60"},
        [9, 14, 15, 37], [20, 30]),
    "FerryMirrorDownloadsFail": (
        {f'ferry_requests_total{{mirror="m",outcome="success",{WHERE}}}': "0+74x60",
         f'ferry_requests_total{{mirror="m",outcome="failure",{WHERE}}}': "0+0x9 26+26x20 546+0x60",
         f'ferry_requests_total{{mirror="n",outcome="success",{WHERE}}}': "0+9000x60"},
        [9, 14, 15, 37], [20, 30]),
    "FerryHealthNotRunning": (
        {f'ferry_health_last_run_timestamp_seconds{{repository="ai",{WHERE}}}': steps((0, 30), (1800, 10))},
        [0, 15, 16, 30], [17, 29]),
    "FerryHealthMissing": (
        {f'ferry_health_last_run_timestamp_seconds{{repository="ai",{WHERE}}}': "0x9 _x40 3000x20"},
        [9, 14, 29, 50], [30, 49]),
    "FerryStatsNotRunning": (
        {f"ferry_stats_last_import_timestamp_seconds{{{WHERE}}}": steps((0, 90), (5400, 10))},
        [60, 65, 90], [66, 89]),
    "FerryStatsMissing": (
        {f"ferry_stats_last_import_timestamp_seconds{{{WHERE}}}": "0x9 _x40 3000x20"},
        [9, 14, 29, 50], [30, 49]),
    "FerryLogsOld": (
        {f'ferry_stats_newest_request_timestamp_seconds{{mirror="m",{WHERE}}}':
         steps((-2 * DAY + 600, 120), (7200, 20))}, [10, 70, 120], [71, 119]),
    "FerryEdgeNoRelease": (release("up", fault(0, 1)), [9, 14, 40], [15, 39]),
    # One that has no release has no time of it, either.
    "FerryEdgeReleaseExpires": (
        {**release("expiry_timestamp_seconds", steps((DAY // 2 + 600, 40), (14 * DAY, 30), (0, 30))),
         **release("up", steps((1, 70), (0, 30)))}, [10, 25, 40, 99], [26, 39]),
    "FerryEdgeUpstreamsDown": (
        {**release("asked_timestamp_seconds", steps((600, 90), (5400, 30), (0, 30))),
         **release("up", steps((1, 120), (0, 30)))}, [70, 75, 90, 149], [76, 89]),
    "FerryEdgeDiskFull": (
        {**edge("disk_free_bytes", fault(899, 900)), **edge("disk_reserve_bytes", "1000x100")},
        [9, 24, 40], [25, 39]),
    "FerryEdgeWrongPieces": (edge("wrong_pieces_total", "0x9 1x200"), [9, 90], [11, 68]),
    "FerryEdgeRottenFiles": (
        {**edge("damaged_objects_total", "0x9 1x200", 'how="rotten",'),
         **edge("damaged_objects_total", "0+1x200", 'how="changed",')}, [9, 90], [11, 68]),
    "FerryEdgeRedisDown": (edge("redis_breaker_open", fault(1, 0)), [9, 14, 40], [15, 39]),
    # Of 10 requests a minute 3 are refused for a while, for two reasons.
    "FerryEdgeRefusesMany": (
        {**edge("requests_total", "0+7x100", 'class="2xx",'), **edge("requests_total", "0+3x100", 'class="4xx",'),
         **edge("refused_requests_total", "0x9 0+2x40 80x50", 'reason="limit",'),
         **edge("refused_requests_total", "0x9 0+1x40 40x50", 'reason="credentials",')},
        [9, 18, 80], [30, 50]),
    "FerryEdgeScrubBehind": (
        {**edge("scrub_oldest_timestamp_seconds", steps((600, 200), (12000, 60))),
         **edge("scrub_period_seconds", "3600x300")}, [100, 159, 200], [161, 199]),
    "FerryNodeModelNotReady": (
        {f'ferry_node_model_ready{{name="chat",{WHERE}}}': fault(0, 1)}, [9, 24, 40], [25, 39]),
    "FerryNodeEngineDown": (
        {f'ferry_node_engine_up{{name="chat",{WHERE}}}': fault(0, 1)}, [9, 14, 40], [15, 39]),
    "FerryNodeApplyFails": (
        {f"ferry_node_last_apply_faults{{{WHERE}}}": fault(2, 0, 90)}, [9, 69, 100], [70, 99]),
    "FerryNodeApplyOverdue": (
        {f"ferry_node_last_apply_timestamp_seconds{{{WHERE}}}":
         steps((-6 * 3600 + 600, 40), (2400, 20))}, [10, 25, 40], [26, 39]),
    "FerryAlertsNotDelivered": (
        {f'ferry_alert_failures_total{{alert="ops",{WHERE}}}': "0x9 1x90"}, [9, 41, 60], [11, 38]),
    # Two mirrors together.
    "FerryCostOverBudget": (
        {f'ferry_cost_month{{repository="ai",mirror="m",{WHERE}}}': fault(60.5, 10),
         f'ferry_cost_month{{repository="ai",mirror="n",{WHERE}}}': "40x100",
         f'ferry_cost_budget{{repository="ai",{WHERE}}}': "100x100"},
        [9, 24, 40], [25, 39]),
    "FerryWatchdog": ({}, [], [0, 100]),
}
SILENT = [a for a, rule in RULES.items()
          if "mirror" in rule["annotations"]["summary"] and "silenced == 1" in rule["expr"]
          and a != "FerrySilenceForgotten"]


def promtool(*args, cwd=FOLDER):
    return subprocess.run(["promtool", *map(str, args)], cwd=cwd, text=True, capture_output=True,
                          timeout=PATIENCE)


def run(work, name, series, quiet, fires):
    """The rule, evaluated each minute over the series, fires at these minutes and at those not."""
    (work / "rule.yml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [RULES[name]]}]}))
    query = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    wanted = [{"expr": query, "eval_time": f"{m}m", "exp_samples": [{"labels": "{}", "value": 1}]}
              for m in fires]
    wanted += [{"expr": query, "eval_time": f"{m}m", "exp_samples": []} for m in quiet]
    given = [{"series": s, "values": v} for s, v in series.items()]
    (work / "test.yml").write_text(yaml.safe_dump({
        "rule_files": ["rule.yml"], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": wanted}]}))
    return promtool("test", "rules", work / "test.yml")


def test_every_rule_has_a_case():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_does_not_fire_and_recovers(work, name):
    series, quiet, fires = CASES[name]
    done = run(work, name, series, quiet, fires)
    assert done.returncode == 0, done.stdout + done.stderr
    if series:
        assert min(quiet) < min(fires) and max(quiet) > max(fires)      # before, and after


def test_a_silenced_mirror_raises_no_alert(work):
    assert len(SILENT) > 12
    for name in SILENT:
        series, _, fires = CASES[name]
        done = run(work, name, {**series, **mirror("silenced", "1x3000")}, fires, [])
        assert done.returncode == 0, done.stdout + done.stderr


def test_few_failures_of_few_requests_are_no_alert(work):
    """One of four downloads fails: a person with a bad line."""
    series = {f'ferry_requests_total{{mirror="m",outcome="success",{WHERE}}}': "0x10 3x60",
              f'ferry_requests_total{{mirror="m",outcome="failure",{WHERE}}}': "0x10 1x60"}
    for name in ("FerryDownloadsFail", "FerryMirrorDownloadsFail"):
        done = run(work, name, series, list(range(0, 40)), [])
        assert done.returncode == 0, done.stdout + done.stderr


def test_few_requests_that_an_edge_refuses_are_no_alert(work):
    """Somebody mistypes a key."""
    series = {**edge("requests_total", "0x10 9x60", 'class="4xx",'),
              **edge("refused_requests_total", "0x10 9x60", 'reason="credentials",')}
    done = run(work, "FerryEdgeRefusesMany", series, list(range(0, 60)), [])
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_edge_without_files_or_scrub_is_not_behind(work):
    for oldest, period in ((0, 3600), (600, 0)):
        series = {**edge("scrub_oldest_timestamp_seconds", f"{oldest}x300"),
                  **edge("scrub_period_seconds", f"{period}x300")}
        done = run(work, "FerryEdgeScrubBehind", series, list(range(0, 300, 10)), [])
        assert done.returncode == 0, done.stdout + done.stderr


def test_rules_name_only_metrics_and_labels_that_the_commands_write():
    for name, rule in RULES.items():
        assert unknown_words(rule["expr"]) == [], name


def test_every_alert_says_what_happened_and_what_to_do():
    for name, rule in RULES.items():
        assert rule["labels"]["severity"] in ("warning", "critical", "none"), name
        summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
        assert not summary.endswith(".") and description.endswith("."), name
        # The labels in the text are those that the result of the expression has.
        used = set(re.findall(r"\$labels\.(\w+)", summary + description))
        aggregated = re.match(r"(?:sum|max) by \(([^)]*)\)", rule["expr"])
        if aggregated:
            assert used <= set(re.findall(r"\w+", aggregated.group(1))), name


def test_the_configurations_are_valid(work):
    for name in ("ferry.rules.yml", "prometheus.yml", "alertmanager.yml"):
        shutil.copyfile(FOLDER / name, work / name)
    (work / "edge.key").write_text("ferry_id_secret\n")
    done = promtool("check", "config", "prometheus.yml", cwd=work)
    assert done.returncode == 0 and f"{len(RULES)} rules found" in done.stdout, done.stderr
    done = subprocess.run(["amtool", "check-config", "alertmanager.yml"], cwd=work, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("alert, receiver", [
    ("FerryPrimaryMirrorDown", "on-call"), ("FerryClockSkew", "operators"), ("FerryWatchdog", "watchdog")])
def test_alerts_are_routed_by_severity(alert, receiver):
    severity = RULES[alert]["labels"]["severity"]
    done = subprocess.run(["amtool", "config", "routes", "test", "--config.file=alertmanager.yml",
                           f"alertname={alert}", f"severity={severity}"], cwd=FOLDER, text=True,
                          capture_output=True)
    assert done.stdout.split() == [receiver], done.stderr


def test_inhibit_rules_name_alerts_that_exist():
    config = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    for rule in config["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            pattern = re.fullmatch(r'alertname =~? "(.*)"', matcher).group(1)
            found = [a for a in RULES if re.fullmatch(pattern, a)]
            assert len(found) >= 1 + pattern.count("|"), matcher
