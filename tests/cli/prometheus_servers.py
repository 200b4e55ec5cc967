"""Debian's Prometheus, Alertmanager and node_exporter, each on a free port, as the tests of
scripts/ops use them.

    with Exporter(work, folder) as exporter, Prometheus(work, {"ferry": exporter.port}) as prometheus:
        until(lambda: prometheus.query("ferry_mirror_up"))
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import shared
import yaml
from servers import free_port, wait_for_port
from waiting import PATIENCE, until


class Program:
    """A server as a child process, with a folder of its own."""
    NAME, READY = None, "/-/ready"

    def __init__(self, work):
        self.port = free_port()
        self.dir = pathlib.Path(work) / f"{self.NAME}-{self.port}"
        self.dir.mkdir(parents=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def __enter__(self):
        with open(self.dir / "log", "w") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": str(self.dir)},
                preexec_fn=lambda: shared.die_with_parent(signal.SIGKILL))
        try:
            wait_for_port(self.port, self.process)
            until(self.ready, self.process)
        except BaseException as e:
            self.stop()
            raise RuntimeError((self.dir / "log").read_text()[-3000:]) from e
        return self

    def __exit__(self, *ignored):
        self.stop()

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def ready(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(
                self.url + self.READY, timeout=PATIENCE) as answer:
            return answer.status == 200
        return False

    def get(self, path, **query):
        """The JSON that it answers; also that of an error."""
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            return json.load(e)


class Exporter(Program):
    """node_exporter with nothing but the files *.prom of a folder."""
    NAME, READY = "node-exporter", "/metrics"

    def __init__(self, work, folder):
        super().__init__(work)
        self.folder = folder

    def command(self):
        return ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.port}",
                "--collector.disable-defaults", "--collector.textfile", "--web.disable-exporter-metrics",
                f"--collector.textfile.directory={self.folder}"]


class Alertmanager(Program):
    NAME = "prometheus-alertmanager"

    def __init__(self, work, config):
        super().__init__(work)
        (self.dir / "alertmanager.yml").write_text(yaml.safe_dump(config))

    def command(self):
        return ["prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]

    def alerts(self):
        """{alertname: [alert]} of those that fire."""
        found = {}
        for alert in self.get("/api/v2/alerts", active="true"):
            found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found


class Prometheus(Program):
    """Scrapes, and evaluates rules, several times a second. `jobs` are whole entries of
    scrape_configs; their files are in .dir."""
    NAME = "prometheus"

    def __init__(self, work, ports, rules=(), alertmanager=None, interval="200ms", jobs=()):
        super().__init__(work)
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval,
                       "evaluation_interval": interval},
            "rule_files": [str(r) for r in rules],
            "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                               for job, port in ports.items()] + list(jobs)}
        if alertmanager:
            config["alerting"] = {"alertmanagers": [
                {"static_configs": [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]}]}
        (self.dir / "prometheus.yml").write_text(yaml.safe_dump(config))

    def command(self):
        # What it tells before it has found Alertmanager is lost until it tells it again.
        return ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                "--rules.alert.resend-delay=1s", f"--web.listen-address=127.0.0.1:{self.port}"]

    def query(self, expression, **more):
        """The result of an instant query."""
        answer = self.get("/api/v1/query", query=expression, **more)
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        return answer["data"]["result"]

    def alerts(self):
        """{alertname: [alert]} of those that fire."""
        found = {}
        for alert in self.get("/api/v1/alerts")["data"]["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found
