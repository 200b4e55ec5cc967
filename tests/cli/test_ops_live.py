"""A mirror goes down and comes back, as an operator sees it: `ferry health` writes metrics, a real
node_exporter and a real Prometheus read them, the rules of scripts/ops fire, and a real Alertmanager
tells whoever is to know, once each time."""

import contextlib
import http.server
import json
import shutil
import threading
import time

import pytest
import yaml

from conftest import ROOT, Ferry
from prometheus_servers import Alertmanager, Exporter, Prometheus
from published import Publisher, flip, mirror, signed_base    # noqa: F401
from servers import Nginx
from waiting import until

OPS = ROOT / "scripts" / "ops" / "prometheus"
# What a server in front of a mirror should say, so that no check warns.
SERVED = 'location /targets/ { add_header Cache-Control "public, max-age=31536000, immutable"; }'


def impatient(path):
    """The rules, with what lasts minutes there lasting a second, and five minutes of requests five."""
    rules = yaml.safe_load((OPS / "ferry.rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            if rule.get("for", "0m").endswith("m"):
                rule["for"] = "1s"
            rule["expr"] = rule["expr"].replace("[5m]", "[5s]")
    path.write_text(yaml.safe_dump(rules))
    return path


def hasty(url):
    """The configuration of Alertmanager, without its pauses; its receivers are a webhook."""
    config = yaml.safe_load((OPS / "alertmanager.yml").read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route.update(group_wait="0s", group_interval="1s")
    config["receivers"] = [{"name": r["name"], "webhook_configs": [
        {"url": f"{url}/{r['name']}", "send_resolved": True}]} for r in config["receivers"]]
    return config


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook: .told is a list of (receiver, alert, status, mirror)."""
    daemon_threads = True

    def __init__(self):
        self.told = []
        super().__init__(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()

    def of(self, alert):
        return [told for told in self.told if told[1] == alert]


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in message["alerts"]:
            self.server.told.append((self.path.strip("/"), alert["labels"]["alertname"], alert["status"],
                                     alert["labels"].get("mirror")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *ignored):
        pass


class Site:
    """Two mirrors behind nginx, `ferry health` on demand, and all that reads its metrics."""

    def __init__(self, publisher, servers, metrics, prometheus, alertmanager, receiver):
        self.publisher, self.servers, self.metrics = publisher, servers, metrics
        self.prometheus, self.alertmanager, self.receiver = prometheus, alertmanager, receiver

    def health(self, check):
        return self.publisher("health", "--prometheus", self.metrics, check=check)

    def firing(self):
        """The alerts that fire in Prometheus and that Alertmanager has, but for the watchdog."""
        both = set(self.prometheus.alerts()), set(self.alertmanager.alerts())
        return [a - {"FerryWatchdog"} for a in both]

    def becomes(self, *alerts):
        wanted = [set(alerts)] * 2
        until(lambda: self.firing() == wanted, self.prometheus.process)


@contextlib.contextmanager
def a_site(ferry, signed_base, wrong=False):  # noqa: F811
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    publisher = Publisher(ferry)
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in "ab":
            publisher.mirror(name).mkdir(parents=True)
            servers[name] = stack.enter_context(Nginx(ferry.work, publisher.mirror(name), extra=SERVED))
        publisher.configure(mirror("a", url=servers["a"].url, priority=1),
                            mirror("b", url=servers["b"].url, priority=2),
                            more="[stats]\nlogs = a=logs")
        publisher("catalog", "sign")
        publisher("push")
        folder = ferry.work / "textfile"
        folder.mkdir()
        receiver = stack.enter_context(Receiver())
        alertmanager = stack.enter_context(Alertmanager(ferry.work, hasty(receiver.url)))
        exporter = stack.enter_context(Exporter(ferry.work, folder))
        made = Site(publisher, servers, folder / "ferry-health.prom", None, alertmanager, receiver)
        if wrong:       # before the first audit
            flip(publisher.on("b", "*.gguf"), 9 << 20)
        made.health(1 if wrong else 0)
        made.prometheus = stack.enter_context(
            Prometheus(ferry.work, {"ferry": exporter.port}, [impatient(ferry.work / "rules.yml")],
                       alertmanager))
        until(lambda: len(made.prometheus.query("ferry_mirror_up == 1")) == 2, made.prometheus.process)
        yield made


@pytest.fixture(scope="module")
def site(signed_base, tmp_path_factory):  # noqa: F811
    """Each test finds both mirrors well, and leaves them so."""
    with a_site(Ferry(tmp_path_factory.mktemp("site")), signed_base) as made:
        yield made


def test_a_wrong_byte_is_an_alert_until_it_is_mended(ferry, signed_base):  # noqa: F811
    with a_site(ferry, signed_base, wrong=True) as site:
        site.becomes("FerryWrongBytes")
        alert = site.prometheus.alerts()["FerryWrongBytes"][0]
        assert alert["labels"]["mirror"] == "b"
        assert alert["annotations"]["summary"] == \
            "The mirror b of test serves wrong or missing bytes (pieces: 1)"
        flip(site.publisher.on("b", "*.gguf"), 9 << 20)
        site.health(0)      # known faults are read again first
        site.becomes()
        until(lambda: len(site.receiver.of("FerryWrongBytes")) > 1, site.alertmanager.process)
        assert [told[2] for told in site.receiver.of("FerryWrongBytes")] == ["firing", "resolved"]


def test_healthy_mirrors_raise_no_alert_but_the_watchdog(site):
    until(lambda: "FerryWatchdog" in site.alertmanager.alerts(), site.alertmanager.process)
    evaluated = {rule["name"] for group in site.prometheus.get("/api/v1/rules")["data"]["groups"]
                 for rule in group["rules"] if rule["health"] == "ok"}
    assert "FerryPrimaryMirrorDown" in evaluated and len(evaluated) > 30
    site.becomes()
    until(lambda: site.receiver.of("FerryWatchdog"), site.alertmanager.process)
    assert {told[0] for told in site.receiver.of("FerryWatchdog")} == {"watchdog"}


def test_a_primary_mirror_that_is_taken_down_is_told_once_and_its_return_once(site):
    site.servers["a"].stop()
    site.health(1)
    site.becomes("FerryPrimaryMirrorDown")
    alert = site.prometheus.alerts()["FerryPrimaryMirrorDown"][0]
    assert alert["labels"]["mirror"] == "a" and alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "The primary mirror a of test is down"
    site.servers["a"].start()
    site.health(0)
    site.becomes()
    until(lambda: len(site.receiver.of("FerryPrimaryMirrorDown")) > 1, site.alertmanager.process)
    assert site.receiver.of("FerryPrimaryMirrorDown") == [
        ("on-call", "FerryPrimaryMirrorDown", "firing", "a"),
        ("on-call", "FerryPrimaryMirrorDown", "resolved", "a")]


def test_a_silenced_mirror_that_is_down_is_no_alert(site):
    site.publisher("health", "silence", "b", "--for", "2h", "--reason", "new disks")
    site.servers["b"].stop()
    site.health(0)
    until(lambda: site.prometheus.query("ferry_mirror_up == 0 and ferry_mirror_silenced == 1"),
          site.prometheus.process)
    site.becomes()
    site.servers["b"].start()
    site.publisher("health", "silence", "b", "--end")
    site.health(0)
    until(lambda: not site.prometheus.query("ferry_mirror_silenced == 1"), site.prometheus.process)
    site.becomes()
    assert not site.receiver.of("FerryMirrorDown")


def test_downloads_that_fail_are_an_alert_as_long_as_they_do(site):
    log = site.publisher.dir / "logs" / "access.log"
    log.parent.mkdir()
    path = site.publisher.on("a", "*.gguf").relative_to(site.publisher.mirror("a"))

    def imported(good, bad):
        """So many requests come, and the import of the next minute."""
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        with open(log, "a") as f:
            for status, size in [(200, 1000)] * good + [(503, 0)] * bad:
                f.write(f'192.0.2.1 - - [{now}] "GET /{path} HTTP/1.1" {status} {size} "-" "reader/1.0"\n')
        site.publisher("stats", "import", "--quiet", "--prometheus", site.metrics.with_name("ferry-stats.prom"))
        until(lambda: sum(float(r["value"][1]) for r in site.prometheus.query("ferry_requests_total"))
              == log.read_text().count("\n"), site.prometheus.process)

    imported(good=30, bad=1)
    imported(good=30, bad=1)    # less than 5 %
    assert site.firing() == [set(), set()]
    both = {"FerryDownloadsFail", "FerryMirrorDownloadsFail"}
    until(lambda: imported(good=20, bad=20) or site.firing() == [both, both], site.prometheus.process)
    alert = site.prometheus.alerts()["FerryMirrorDownloadsFail"][0]
    assert alert["labels"]["mirror"] == "a"
    site.becomes()
    assert ("operators", "FerryDownloadsFail", "firing", None) in site.receiver.told


def test_no_text_of_an_alert_is_an_error(site):
    """What stands between {{ and }} in the rules is evaluated by Prometheus only when they fire."""
    for alerts in site.prometheus.alerts().values():
        for alert in alerts:
            assert not any("error" in text for text in alert["annotations"].values()), alert


def test_that_health_no_longer_runs_is_an_alert(site):
    kept = site.metrics.read_text()
    site.metrics.unlink()
    site.becomes("FerryHealthMissing")
    site.metrics.write_text(kept)
    site.becomes()
