"""A day of an operator with everything real: a hundred models on three mirrors (nginx, a bucket of
radosgw behind nginx as its CDN, nginx with TLS), readers with ferry, curl and aria2c, and each mirror
with a fault of its own. `ferry health` names each fault; its alerts, and those of the rules in a real
Prometheus, go out once and recover once; `ferry stats` counts what the readers did.

The tests of this file are the hours of one day: they run in their order."""

import collections
import contextlib
import datetime
import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

import s3_servers
import shared
from access_logs import moment
from bucket_mirrors import Bucket
from conftest import ROOT, Ferry
from ops_site import make_certificate
from postgres import Postgres
from prometheus_servers import Alertmanager, Exporter, Prometheus
from published import Publisher, flip, mirror
from schemas import validate
from servers import Nginx
from small_gguf import llama_keys, write
from test_ops_live import SERVED, Receiver, hasty, impatient
from waiting import PATIENCE, until

MODELS = [f"m{i:02}" for i in range(100)]
BIG = "m00"
DAY = 86400
MIDNIGHT = int(datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc).timestamp())
LOG_FORMAT = (ROOT / "scripts/ops/nginx-log.conf").read_text()
# What S3 would write for the same request. radosgw writes no such log.
S3_FORMAT = """
    map $uri $s3_key { ~^/(?<rest>.*)$ $rest; }
    log_format s3 '79a59d models [$time_local] $remote_addr - $request_id REST.$request_method.OBJECT '
                  '$s3_key "$request" $status - $body_bytes_sent - 12 7 "-" "$http_user_agent" - id= - '
                  'ECDHE-RSA-AES128-GCM-SHA256 - models.s3.amazonaws.com TLSv1.2 - -';
"""
HOOK = """#!/bin/sh
set -eu
echo told >> called
cat > "told-$(wc -l < called)"
"""
STALE = "> 3600"      # seconds after which a mirror that is behind is an alert


def make_models(publisher):
    def prepare(name):
        gguf = publisher.dir / f"{name}.gguf"
        rows = 3 << 12 if name == BIG else 1
        write(gguf, llama_keys(name=name), [("token_embd.weight", [256, rows], "q8_0")])
        publisher("prepare", "-q", name, gguf, "--set", "license.id=MIT")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, MODELS))
    publisher("catalog", "add", "-q", *[f"models/{m}" for m in MODELS])


def rules(folder):
    path = impatient(folder / "rules.yml")
    text = yaml.safe_load(path.read_text())
    for rule in (r for group in text["groups"] for r in group["rules"]):
        if rule["alert"] == "FerryMirrorStale":
            assert STALE in rule["expr"]
            rule["expr"] = rule["expr"].replace(STALE, "> 0")
    path.write_text(yaml.safe_dump(text))
    return path


class Day:
    """The publisher's machine, the three mirrors, and who watches them."""

    def __init__(self, work, region, stack):
        self.ferry = Ferry(work)
        self.publisher, self.dir, self.stack = Publisher(self.ferry), work, stack
        self.tls = make_certificate(work)
        self.trust = work / "trusted.pem"
        shutil.copy(self.tls[0], self.trust)
        self.ferry.env.update(region.keys.env, CURL_CA_BUNDLE=str(self.trust))
        self.bucket = Bucket("bucket", region)
        region.publish(self.bucket.bucket)
        self.servers = {
            "plain": self.serve("plain", SERVED, "ferry_json", LOG_FORMAT),
            "bucket": self.serve("bucket", f"""location / {{
                proxy_pass {region.endpoint}/{self.bucket.bucket}/; proxy_http_version 1.1;
                proxy_set_header Connection ""; }}""", "s3", S3_FORMAT),
            "tls": self.serve("tls", SERVED, "ferry_json", LOG_FORMAT, tls=self.tls)}
        self.urls = {name: server.url for name, server in self.servers.items()}
        self.metrics = work / "textfile"
        self.metrics.mkdir()
        (work / "hook").write_text(HOOK)
        (work / "hook").chmod(0o755)

    def serve(self, name, extra, form, http, **options):
        self.publisher.mirror(name).mkdir(parents=True)
        return self.stack.enter_context(Nginx(
            self.dir, self.publisher.mirror(name), http=http, **options,
            extra=f"{extra}\naccess_log {self.log(name)} {form};"))

    def log(self, name):
        return self.dir / f"{name}.access.log"

    def publish(self):
        self.receiver = self.stack.enter_context(Receiver())
        self.alertmanager = self.stack.enter_context(
            Alertmanager(self.dir, hasty(self.receiver.url)))
        logs = " ".join(f"{name}={self.log(name)}" for name in self.servers)
        self.publisher.configure(
            mirror("plain", url=self.urls["plain"], priority=1),
            self.bucket.section(url=self.urls["bucket"], priority=2),
            mirror("tls", url=self.urls["tls"], priority=3),
            repository="expires-timestamp = 60d\nexpires-snapshot = 60d",
            more=f"[stats]\nlogs = {logs}\n"
                 f"[alert.am]\nkind = alertmanager\nurl = {self.alertmanager.url}\non = warning\n"
                 "[alert.ops]\nkind = command\ncommand = ./hook\non = warning\n")
        self.publisher("catalog", "init", "--unencrypted", "-q")
        make_models(self.publisher)
        self.publisher("catalog", "sign", "-q")
        self.publisher("push", "-q")
        self.paths = {m: self.publisher.on("repository", f"*.{m}-*.gguf").relative_to(
            self.publisher.tree) for m in MODELS}
        self.sizes = {m: (self.publisher.tree / p).stat().st_size for m, p in self.paths.items()}

    def watch(self):
        exporter = self.stack.enter_context(Exporter(self.dir, self.metrics))
        self.prometheus = self.stack.enter_context(Prometheus(
            self.dir, {"ferry": exporter.port}, [rules(self.dir)], self.alertmanager))

    def settled_log(self, name):
        """All lines: nginx writes one when the answer is already on its way."""
        server = self.servers[name]
        server.marks += 1
        mark = f"/-mark-{server.marks}-"
        subprocess.run(["curl", "-sS", "-I", "-A", "ferry-health/1.0", "-o", "head", "--cacert",
                        self.trust, self.urls[name] + mark], check=True, cwd=self.dir)
        until(lambda: mark in self.log(name).read_text(), server.process)
        return self.log(name).read_text().splitlines(keepends=True)

    # -- what cron does

    def health(self, check):
        """{mirror: {check: (state, reason)}} of what is wrong. What is unknown could not be asked."""
        ran = self.publisher("health", "--json", "--prometheus", self.metrics / "health.prom",
                             check=check)
        [repository] = ran.json["repositories"]
        assert [f for f in repository["findings"] if f["state"] != "ok"] == []
        assert {m["id"] for m in repository["mirrors"]} == set(self.servers)
        assert {a["outcome"] for a in ran.json["alerts"]} <= {"sent", "quiet"}
        return {m["id"]: {f["check"]: (f["state"], f["reason"]) for f in m["findings"]
                          if f["state"] in ("warning", "critical")} for m in repository["mirrors"]}

    def count(self):
        self.publisher("stats", "import", "-q", "--prometheus", self.metrics / "stats.prom")

    def told(self):
        """What the command was told, document by document."""
        documents = [json.loads(path.read_text()) for path in sorted(
            self.dir.glob("told-*"), key=lambda p: int(p.name.split("-")[1]))]
        for document in documents:
            validate(document, "alert")
        return [sorted((c["event"], c.get("mirror"), c["check"]) for c in d["changes"])
                for d in documents]

    def firing(self):
        """(alert, mirror) of what the rules say, in Prometheus; the same must be in Alertmanager."""
        def pairs(alerts):
            return {(a["labels"]["alertname"], a["labels"].get("mirror"))
                    for same in alerts.values() for a in same} - {("FerryWatchdog", None)}
        fired = pairs(self.prometheus.alerts())
        return fired if fired <= pairs(self.alertmanager.alerts()) else None

    def becomes(self, *alerts):
        until(lambda: self.firing() == set(alerts), self.prometheus.process)

    def heard(self, name, mirror):
        """What whoever is on call heard of an alert, in order."""
        return [status for _, alert, status, of in self.receiver.told if (alert, of) == (name, mirror)]

    def went_out_and_recovered_once(self, *alerts):
        for alert in alerts:
            until(lambda a=alert: "resolved" in self.heard(*a), self.alertmanager.process)
            assert self.heard(*alert) == ["firing", "resolved"], alert


class Readers:
    """They download, and keep account: .sessions is what must be counted."""

    def __init__(self, day):
        self.day, self.sessions = day, []
        self.home = day.dir / "reader"
        self.home.mkdir()
        self.ferry = Ferry(self.home)
        self.ferry.env["CURL_CA_BUNDLE"] = str(day.trust)
        self.ferry("repository", "add", "lab", day.urls["plain"], "--root",
                   day.publisher.tree / "metadata/1.root.json")
        self.evening = True
        self.parts = {}

    def account(self, model, client, outcome="downloads", got=None):
        got = self.day.sizes[model] if got is None else got
        self.sessions.append((model, client, outcome, got, "2026-03-01" if self.evening
                              else "2026-03-02"))

    def url(self, model, at):
        return f"{self.day.urls[at]}/{self.day.paths[model]}"

    def run(self, *words):
        return subprocess.run([str(w) for w in words], capture_output=True, text=True,
                              timeout=PATIENCE, cwd=self.home, check=True)

    def fetch(self, *models, **env):
        self.ferry("fetch", "-q", *models, env=env)
        self.ferry("store", "remove", *models)
        for model in models:
            self.account(model, "ferry")

    def curl(self, *words):
        return self.run("curl", "-sS", "--cacert", self.day.trust, *words)

    def aria(self, *words):
        self.run("aria2c", "-q", "--no-conf", f"--ca-certificate={self.day.trust}", "-d", ".", *words)

    def in_the_evening(self):
        self.fetch(*MODELS)
        self.fetch(BIG, *MODELS[10:15])
        self.fetch("m20", DO_NOT_TRACK="1")
        for at in self.day.servers:
            for model in MODELS[30:35]:
                self.curl("-A", f"curl/8 ({at})", "-o", "whole", self.url(model, at))
                self.account(model, "curl")
        self.aria("-x4", "-s4", "-k1M", "-o", "many", self.url(BIG, "plain"), self.url(BIG, "tls"))
        self.account(BIG, "aria2")
        self.curl("-A", "torn", "-r", "0-999", "-o", "torn", self.url(BIG, "tls"))
        self.account(BIG, "other", "partial", 1000)
        gone = self.day.publisher.mirror("plain") / self.day.paths["m40"]
        gone.rename(gone.with_suffix(".away"))
        for i in range(3):
            assert "404" in self.curl("-A", f"curl/8 (gone {i})", "-o", "gone", "-w", "%{http_code}",
                                      self.url("m40", "plain")).stdout
            self.account("m40", "curl", "failed", 0)
        gone.with_suffix(".away").rename(gone)
        self.curl("-I", self.url("m41", "plain"))
        self.day.publisher("verify", "-q", "--full", "--url", self.day.urls["plain"])
        # These go on after midnight, from another mirror.
        half = self.day.sizes[BIG] // 2
        for name, at in ("one", "plain"), ("two", "bucket"), ("three", "tls"):
            self.curl("-A", name, "-r", f"0-{half - 1}", "-o", name, self.url(BIG, at))
            self.account(BIG, "other")

    def after_midnight(self):
        self.evening = False
        self.curl("-A", "one", "-C", "-", "-o", "one", self.url(BIG, "bucket"))
        self.aria("-U", "two", "-c", "-o", "two", self.url(BIG, "tls"))
        self.curl("-A", "three", "-C", "-", "-o", "three", self.url(BIG, "plain"))
        for name in ("one", "two", "three"):
            assert (self.home / name).read_bytes() == \
                (self.day.publisher.tree / self.day.paths[BIG]).read_bytes()
        self.fetch(*MODELS[50:60])
        self.curl("-A", "curl/8 (late)", "-o", "whole", self.url("m70", "bucket"))
        self.account("m70", "curl")

    def counted(self, by):
        """The account, in the form of `ferry stats show`."""
        column = {"model": 0, "client": 1, "day": 4}[by]
        found = collections.defaultdict(collections.Counter)
        for session in self.sessions:
            found[session[column]].update({session[2]: 1, "bytes": session[3]})
        return {name: dict(+counter) for name, counter in found.items()}


def at(line):
    """The time of a line, in seconds, and the same line at another time."""
    found = re.search(r'"time_iso8601":"([^"]*)"', line)
    if found:
        time = datetime.datetime.fromisoformat(found[1])
        form = "%Y-%m-%dT%H:%M:%S+00:00"
    else:
        found = re.search(r"\[([^]]*)\]", line)
        form = "%d/%b/%Y:%H:%M:%S +0000"
        time = datetime.datetime.strptime(found[1], "%d/%b/%Y:%H:%M:%S %z")

    def moved(new):
        then = datetime.datetime.fromtimestamp(new, datetime.timezone.utc).strftime(form)
        return line[:found.start(1)] + then + line[found.end(1):]
    return int(time.timestamp()), moved


def around_midnight(evening, lines):
    """(evening, morning): the log as if midnight had been after so many lines of it."""
    times = [at(line) for line in lines]
    before, after = times[:evening], times[evening:]
    last = max(time for time, _ in before)
    first = min(time for time, _ in after)
    return ("".join(moved(MIDNIGHT - 1 + time - last) for time, moved in before),
            "".join(moved(MIDNIGHT + time - first) for time, moved in after))


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    work = tmp_path_factory.mktemp("day")
    where = shared.server(tmp_path_factory, "s3_servers:Radosgw")
    with s3_servers.Regions(where) as regions, contextlib.ExitStack() as stack:
        made = Day(work, regions.region("us-east-1"), stack)
        made.publish()
        yield made


@pytest.fixture(scope="module")
def readers(day):
    """They have read; .logs are the two days of each mirror's log."""
    made = Readers(day)
    made.in_the_evening()
    lines = {name: len(day.settled_log(name)) for name in day.servers}
    made.after_midnight()
    made.logs = {}
    for name, evening in lines.items():
        texts = around_midnight(evening, day.settled_log(name))
        made.logs[name] = [day.dir / f"{name}-{when}.log" for when in ("evening", "morning")]
        for path, text in zip(made.logs[name], texts):
            path.write_text(text)
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, work, tmp_path_factory):
    if request.param == "sqlite":
        yield work / "ops.db"
        return
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server.url()


def test_what_readers_did_is_counted_exactly_over_midnight_and_late_with_a_simulated_s3_log(
        day, readers, database):
    def load(when, *logs):
        return day.publisher("stats", "import", "--json", "--database", database, *logs,
                             at=moment(MIDNIGHT + when)).json

    def counted(by):
        rows = day.publisher("stats", "show", "--json", "--by", by, "--database", database).json
        return {r["name"]: {k: r[k] for k in ("downloads", "partial", "failed", "bytes") if r[k]}
                for r in rows["rows"]}

    evening, morning = zip(*[[f"{name}={path}" for path in paths]
                             for name, paths in readers.logs.items()])
    load(3600, *morning)
    # Late, but not too late; the morning's, another time.
    told = load(3 * DAY - 3600, *evening, *morning)
    assert told["unchanged"] == len(morning) and told["lines"]["late"] == 0
    assert told["lines"]["own"] > 100 and told["lines"]["malformed"] == 0
    for by in ("model", "client", "day"):
        assert counted(by) == readers.counted(by), by
    # Too late: what is left of a log.
    text = readers.logs["plain"][0].read_text()
    rest = day.dir / "rest.log"
    rest.write_text(text.replace('"remote_addr":"127.', '"remote_addr":"128.'))
    assert load(4 * DAY, *morning)["days_closed"] > 0
    told = load(4 * DAY, *morning, *evening, f"plain={rest}")
    assert told["lines"]["late"] > 10 and told["unchanged"] == 6 and told["lines"]["counted"] == 0
    assert {n: r.get("downloads") for n, r in counted("model").items()} == \
        {n: r.get("downloads") for n, r in readers.counted("model").items()}


def test_faults_are_named_in_one_run_told_once_and_recover_once(day, readers):
    in_the_morning_a_byte_is_wrong_and_a_certificate_ends_in_days(day)
    at_noon_a_mirror_is_down_and_one_is_stale_and_then_one_serves_pages(day)
    in_the_afternoon_downloads_fail(day, readers)


def in_the_morning_a_byte_is_wrong_and_a_certificate_ends_in_days(day):
    wrong = day.publisher.mirror("plain") / day.paths["m77"]
    flip(wrong, 1000)
    day.watch()
    found = day.health(1)
    assert {m: {c: s for c, (s, _) in f.items()} for m, f in found.items()} == {
        "plain": {"integrity": "critical"}, "tls": {"certificate": "warning"}, "bucket": {}}
    assert wrong.name in found["plain"]["integrity"][1]
    assert re.search(r"\b(9|10) (d|days)\b", found["tls"]["certificate"][1])
    both = ("FerryWrongBytes", "plain"), ("FerryCertificateExpiresSoon", "tls")
    day.becomes(*both)
    day.health(1)       # nothing new
    flip(wrong, 1000)
    renew(day)
    assert day.health(0) == {"plain": {}, "bucket": {}, "tls": {}}
    day.becomes()
    day.went_out_and_recovered_once(*both, ("FerryMirrorIntegrity", "plain"),
                                    ("FerryMirrorCertificate", "tls"))
    changed = [("plain", "integrity"), ("tls", "certificate")]
    assert day.told() == [[("problem", *c) for c in changed], [("recovered", *c) for c in changed]]


def renew(day):
    cert, key = day.tls
    subprocess.run(["openssl", "req", "-x509", "-key", key, "-days", "90", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert],
                   check=True, capture_output=True)
    shutil.copy(cert, day.trust)
    day.servers["tls"].stop()
    day.servers["tls"].start()


def at_noon_a_mirror_is_down_and_one_is_stale_and_then_one_serves_pages(day):
    before = len(day.told())
    add_release(day)
    day.servers["plain"].refuse()
    found = day.health(1)
    assert {m: {c: s for c, (s, _) in f.items()} for m, f in found.items()} == {
        "plain": {"reach": "critical"}, "bucket": {"release": "warning"}, "tls": {}}
    assert "refused" in found["plain"]["reach"][1]
    assert "1 behind" in found["bucket"]["release"][1]
    noon = ("FerryPrimaryMirrorDown", "plain"), ("FerryMirrorStale", "bucket")
    day.becomes(*noon)
    day.health(1)       # nothing new
    day.servers["plain"].held.close()
    day.servers["plain"].start()
    day.publisher("push", "-q", "--mirror", "bucket")
    with pages_of(day.servers["tls"]):
        found = day.health(1)
        assert {m: {c: s for c, (s, _) in f.items()} for m, f in found.items()} == {
            "plain": {}, "bucket": {}, "tls": {"reach": "critical"}}
        assert "an HTML page instead of the file" in found["tls"]["reach"][1]
        day.becomes(("FerryMirrorDown", "tls"))
    assert day.health(0) == {"plain": {}, "bucket": {}, "tls": {}}
    day.becomes()
    day.went_out_and_recovered_once(
        *noon, ("FerryMirrorDown", "tls"), ("FerryMirrorReach", "plain"),
        ("FerryMirrorReach", "tls"), ("FerryMirrorRelease", "bucket"))
    down, stale, parked = ("plain", "reach"), ("bucket", "release"), ("tls", "reach")
    assert day.told()[before:] == [
        [("problem", *stale), ("problem", *down)],
        [("problem", *parked), ("recovered", *stale), ("recovered", *down)],
        [("recovered", *parked)]]


@contextlib.contextmanager
def pages_of(server):
    """The domain is parked: whatever is asked for is a page."""
    usual = server.extra
    server.stop()
    server.extra = usual[usual.index("access_log"):] + """
        location / { default_type text/html;
                     return 200 "<!DOCTYPE html><html><body>For sale</body></html>"; }"""
    server.start()
    yield
    server.stop()
    server.extra = usual
    server.start()


def add_release(day):
    """One that the bucket does not get yet."""
    day.publisher("catalog", "remove", "-q", MODELS[-1])
    day.publisher("catalog", "sign", "-q")
    day.publisher("push", "-q", "--mirror", "plain", "--mirror", "tls")


def in_the_afternoon_downloads_fail(day, readers):
    day.count()
    until(lambda: day.prometheus.query("ferry_requests_total{outcome='failure'} > 0"),
          day.prometheus.process)
    day.becomes()
    good, bad = day.dir / "good", day.dir / "bad"
    url = readers.url("m42", "bucket")
    good.write_text(f'url = "{url}"\noutput = "whole"\n' * 1000)
    bad.write_text(f'url = "{url}"\noutput = "gone"\n' * 30)
    key = str(day.paths["m42"])
    body = day.bucket.read(key)
    day.bucket.client.delete_object(Bucket=day.bucket.bucket, Key=key)
    readers.curl("-K", bad)
    day.settled_log("bucket")
    day.count()
    fired = ("FerryDownloadsFail", None), ("FerryMirrorDownloadsFail", "bucket")
    day.becomes(*fired)
    day.bucket.client.put_object(Bucket=day.bucket.bucket, Key=key, Body=body)
    readers.curl("-K", good)
    day.settled_log("bucket")
    day.count()
    day.becomes()
    day.went_out_and_recovered_once(*fired)


def test_at_any_hour_a_wrong_byte_is_found_within_the_promise_of_the_audit(day, readers, work):
    """Another place, with a small budget: all that it has is the metadata on the mirror."""
    away = Ferry(work)
    (work / "ferry.conf").write_text(
        f"[repository.test]\nroot = {day.publisher.tree}/metadata/1.root.json\n"
        f"metadata = {day.urls['plain']}\n"
        "[health]\naudit = 40MiB\nclock-skew = 60d\ncertificate-warning = 1s\n")

    def audit(days):
        ran = away("health", "--json", "-m", "plain", at=f"+{days} days", check=None)
        [repository] = ran.json["repositories"]
        [found] = repository["mirrors"]
        return found["audit"], {f["check"]: f["state"] for f in found["findings"]}

    first, states = audit(0)
    assert states["integrity"] == "ok" and 0 < first["pieces"] < 3 * len(MODELS)    # of 4 a model
    promise = first["promise_days"]
    assert 3 <= promise <= 10
    flip(day.publisher.mirror("plain") / day.paths["m63"], 1000)
    runs = [audit(n)[1]["integrity"] for n in range(1, promise + 1)]     # cron, once a day
    flip(day.publisher.mirror("plain") / day.paths["m63"], 1000)
    assert "critical" in runs and set(runs) <= {"ok", "critical"}
