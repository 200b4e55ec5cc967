"""The metrics that `ferry health` and `ferry stats` really write are those that rules and dashboards
may name, with their labels; promtool finds no fault in them, and each query of each panel of the
dashboards has a result in a real Prometheus that has scraped them."""

import re
import subprocess

import pytest

from conftest import Ferry
from ops_metrics import HEALTH, STATS, values_in
from ops_site import Site
from prometheus_servers import Exporter, Prometheus
from published import signed_base    # noqa: F401
from test_ops_grafana import NAMES, queries
from waiting import until

# What the rolling windows of Grafana are here; "All" of a variable is the regular expression .*
WINDOWS = {"$__rate_interval": "1m", "$__range": "1m"}


@pytest.fixture(scope="module")
def site(signed_base, github_server, tmp_path_factory):  # noqa: F811
    github_server.reset()
    with Site(Ferry(tmp_path_factory.mktemp("site")), signed_base, github_server) as site:
        site.read()
        site.health()
        site.stats()
        yield site
    github_server.reset()


@pytest.fixture(scope="module")
def files(site):
    """{"health": text, "stats": text}"""
    return {name: (site.metrics / f"ferry-{name}.prom").read_text() for name in ("health", "stats")}


@pytest.mark.parametrize("name, table", [("health", HEALTH), ("stats", STATS)])
def test_the_metrics_of_a_command_are_those_of_the_table_with_its_labels(files, name, table):
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", files[name], re.M))
    assert set(types) == set(table)
    for metric, kind in types.items():
        assert kind == ("counter" if metric.endswith("_total") else "gauge"), metric
    values = values_in(files[name])
    assert set(values) <= set(table)
    for metric, rows in values.items():
        for labels in rows:
            assert set(labels) == set(table[metric]), metric


def test_a_site_with_all_kinds_of_mirrors_has_a_value_for_every_metric(files):
    assert set(HEALTH) - set(values_in(files["health"])) == set()
    assert set(STATS) - set(values_in(files["stats"])) == set()


@pytest.mark.parametrize("name", ["health", "stats"])
def test_promtool_finds_no_fault_in_the_metrics(files, name):
    done = subprocess.run(["promtool", "check", "metrics"], input=files[name], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


# -- the dashboards ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prometheus(site, files):
    """Has seen the metrics before and after more readers came."""
    with Exporter(site.folder, site.metrics) as exporter, \
            Prometheus(site.folder, {"ferry": exporter.port}) as server:
        for metric in ("ferry_requests_total", "ferry_mirror_up"):
            until(lambda metric=metric: server.query(metric), server.process)
        site.read()
        site.health()
        site.stats()
        until(lambda: server.query("sum(increase(ferry_requests_total[1m])) > 0"), server.process)
        yield server


def filled(query):
    for name, value in WINDOWS.items():
        query = query.replace(name, value)
    return re.sub(r"\$\w+", ".*", query)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "edge"])     # test_operate.py has that one
def test_each_query_of_each_panel_has_a_result(prometheus, name):
    of_board = [(title, query) for title, query in queries() if title.startswith(f"{name}:")]
    assert len(of_board) > 15
    for title, query in of_board:
        assert prometheus.query(filled(query)), f"{title}: nothing for {query}"
