"""The checks of brief.py, second part: who watches the mirrors, counts, and keeps them well."""

import json
import re
import xml.etree.ElementTree
from decimal import Decimal

from brief_checks import check
from conftest import ROOT
from test_ops_grafana import BOARDS
from test_ops_metrics import filled
from test_stats_bucket import line as line_of_s3
from waiting import kill, until

# -- statistics --------------------------------------------------------------------------------------


@check
def counts_by_model(w):
    rows = w.counted("model")
    assert set(rows) == set(w.models())
    assert all(row["downloads"] >= 1 for row in rows.values())
    assert max(row["downloads"] for row in rows.values()) >= 5      # with those at Cloudflare


@check
def counts_by_mirror(w):
    rows = w.counted("mirror")
    assert rows["cdn"]["bytes"] >= sum(f.stat().st_size for files in w.models().values() for f in files)


@check
def shows_countries(w):
    rows = w.counted("country")
    assert rows["DE"]["downloads"] == 2 and rows["FR"]["downloads"] == 1
    assert query(w, "geomap")


@check
def shows_success(w):
    w.counted("model")
    w.ferry("stats", "show", "--by", "status", "--since", "1d")
    rows = w.counted("status")
    good = sum(row["requests"] for name, row in rows.items() if name.startswith("2"))
    assert good > 0.95 * sum(row["requests"] for row in rows.values())


@check
def reads_logs_of_s3(w):
    path = w.models()["phi-2-mobile"][0].relative_to(w.publisher.tree)
    before = w.counted("mirror").get("s3-us", {}).get("bytes", 0)
    w.us.client().put_object(Bucket=w.buckets["logs"], Key="2026-11-29-00-12-34-0123456789ABCDEF",
                             Body="".join(line_of_s3(str(path), n) for n in range(1, 6)).encode())
    told = w.ferry("stats", "import", "--json", "--prometheus", w.metrics("stats")).json
    assert told["failed_logs"] == []
    assert w.counted("mirror")["s3-us"]["bytes"] > before


# -- dashboards and alerts -----------------------------------------------------------------------------


def query(w, kind, title=""):
    """What the first panel of this kind shows, of those with this in the title."""
    server = w.once("prometheus")
    [panel, *_] = [p for p in BOARDS["downloads"]["panels"] if p["type"] == kind and
                   title.lower() in p["title"].lower()]
    return until(lambda: server.query(filled(panel["targets"][0]["expr"])), server.process)


@check
def shows_downloads_by_model(w):
    w.once("readers_came")
    found = query(w, "bargauge", "model")
    assert {r["metric"]["model"] for r in found} == set(w.models())


@check
def fills_the_dashboards(w):
    assert w.health() == dict.fromkeys(w.health(), {})
    server = w.once("prometheus")
    until(lambda: len(server.query("ferry_mirror_up == 1")) >= 6, server.process)


@check
def raises_failing_downloads(w):
    def failing():
        lines = w.log.read_text().splitlines()
        bad = [re.sub(r'"status":\d+,"body_bytes_sent":\d+', '"status":503,"body_bytes_sent":0', text)
               for text in lines if ".gguf" in text][:1] * 30
        with open(w.log, "a") as f:
            f.writelines(text + "\n" for text in bad)
        w.ferry("stats", "import", "-q", "--prometheus", w.metrics("stats"))
        return "FerryDownloadsFail" in w.once("prometheus").alerts()
    w.once("readers_came")
    until(failing, w.once("prometheus").process)
    until(lambda: "FerryDownloadsFail" not in w.once("prometheus").alerts(), w.once("prometheus").process)


@check
def raises_a_primary_that_is_down(w):
    w.becomes()
    before = len(w.told("alerted"))
    w.fronts["cdn"].refuse()
    found = w.health(check=1)
    assert found.pop("cdn")["reach"].startswith("critical") and not any(found.values())
    w.becomes("FerryPrimaryMirrorDown")
    w.fronts["cdn"].held.close()
    w.fronts["cdn"].start()
    w.health()
    w.becomes()
    changes = [[(c["event"], c["mirror"]) for c in d["changes"]] for d in w.told("alerted")[before:]]
    assert changes == [[("problem", "cdn")], [("recovered", "cdn")]]


@check
def tests_the_alert(w):
    before = len(w.told("alerted"))
    w.ferry("health", "--test-alert")
    assert doctor(w, "--test-alerts", "alerts")[0] == {"alerts": "pass"}
    assert len(w.told("alerted")) == before + 2


# -- costs ---------------------------------------------------------------------------------------------

GB = 10**9
DOWNLOADS = 100_000


def estimate(w, *options, check=0):
    return w.ferry("cost", "--json", "--downloads", DOWNLOADS, *options, check=check).json


def costs(document):
    """{mirror: {what: amount}}"""
    return {m["id"]: {what: Decimal(amount) for what, amount in m["cost"].items()}
            for m in document["mirrors"] if "cost" in m}


@check
def estimates_r2(w):
    """All that readers take is free, and so are the first 10 GB and 10 million requests."""
    document = estimate(w)
    [cdn] = [m for m in document["mirrors"] if m["id"] == "cdn"]
    assert cdn["egress_bytes"] == DOWNLOADS * document["download_bytes"] > 500 * GB
    assert costs(document)["cdn"]["total"] == 0 and "developers.cloudflare.com" in cdn["source"]


@check
def estimates_s3(w):
    document = estimate(w)
    stored = {m["id"]: m["stored_bytes"] for m in document["mirrors"]}
    for name in ("s3-us", "s3-eu"):
        assert costs(document)[name]["storage"] == (
            Decimal(stored[name]) * 23 / 1000 / GB).quantize(Decimal(10) ** -9) > 0


@check
def saves_egress(w):
    document = estimate(w, "--order", "s3-us,s3-eu,cdn")
    taken = DOWNLOADS * document["download_bytes"]
    assert Decimal(document["reordered"]["cost"]["egress"]) == Decimal(taken - 100 * GB) * 9 / 100 / GB
    assert Decimal(document["reordered"]["added"]) > Decimal(document["cost"]["total"])


@check
def keeps_within_the_budget(w):
    month = max(w.counted("day"))[:len("2026-11")]
    document = w.ferry("cost", "--json", "--month", month, "--prometheus", w.metrics("cost")).json
    assert document["over"] is False and document["basis"] == "statistics"
    assert Decimal(document["cost"]["total"]) == sum(c["total"] for c in costs(document).values())
    assert "ferry_cost_month" in w.metrics("cost").read_text()
    assert estimate(w, "--budget", "0", check=1)["over"] is True


@check
def needs_no_other_service(w):
    """Statistics are a file of this machine, and so are metrics."""
    w.counted("model")
    w.ferry("stats", "export", "--prometheus", w.metrics("stats"))
    assert "ferry_downloads_total" in w.metrics("stats").read_text()


# -- Cloudflare ----------------------------------------------------------------------------------------


@check
def limits_at_cloudflare(w):
    """And the rules of others are still there."""
    rules = w.once("cloudflare").rules("http_ratelimit")
    [own] = [r for r in rules if "ratelimit" in r]
    assert own["action"] == "block" and own["ratelimit"]["requests_per_period"] > 0
    assert '"/models/' in own["expression"] and '"cdn.aibrother.app"' in own["expression"]
    assert len(rules) == 3


@check
def has_logpush(w):
    [job] = w.once("cloudflare").jobs
    fields = set(job["output_options"]["field_names"])
    assert job["dataset"] == "http_requests" and job["enabled"]
    assert fields >= {"ClientRequestPath", "EdgeResponseStatus", "EdgeResponseBodyBytes", "ClientCountry"}


@check
def has_a_worker(w):
    api = w.once("cloudflare")
    [(metadata, script)] = api.scripts.values()
    assert "writeDataPoint" in script and metadata["bindings"][0]["dataset"] == "downloads"
    assert [r["pattern"] for r in api.routes] == ["cdn.aibrother.app/models/targets/*"]


# -- limits --------------------------------------------------------------------------------------------


@check
def limits_requests(w):
    """At our own server. Those of buckets stand at Cloudflare, or are too high to be met; GitHub's
    are not ours to set."""
    _, [found] = doctor(w, "--rate-limits", "500", "rate-limits")
    own = [d for d in found["details"] if re.fullmatch("own: 429 after [0-9]+ requests, with Retry-After", d)]
    assert len(own) == 1 and len(found["details"]) == 4, found


# -- the site -------------------------------------------------------------------------------------------


def pages(w, path):
    """What readers get of the site, the same from each mirror."""
    found = {w.curl(f"{w.urls[name]}/site/{path}", "browser")[1] for name in ("cdn", "s3-us", "s3-eu", "own")}
    assert len(found) == 1
    return found.pop().decode()


@check
def shows_a_site(w):
    w.health()
    w.counted("model")
    made = w.ferry("site", "--push", "--json").json
    assert made["health"] and made["statistics"] and made["models"] == len(w.models())
    assert {m["outcome"] for m in made["mirrors"]} == {"sent", "left-out"}
    for model in w.models():
        assert model in pages(w, "index.html")


@check
def has_a_feed(w):
    feed = pages(w, "feed.xml")
    entries = xml.etree.ElementTree.fromstring(feed).findall("{http://www.w3.org/2005/Atom}entry")
    for model in w.models():
        assert f"/{model}.html" in feed
    assert set(w.models()) == {m["id"] for m in json.loads(pages(w, "models.json"))["models"]}


# -- checklists -----------------------------------------------------------------------------------------


@check
def has_all_on_the_primary(w):
    w.ferry("push", "--preflight")
    planned = w.ferry("push", "--dry-run", "--json").json["mirrors"]
    assert {m["outcome"] for m in planned} == {"up-to-date"}


@check
def verifies_in_step(w):
    found = w.ferry("verify", "--json").json["mirrors"]
    # Quick: of folders, git and split assets only sizes are known.
    assert {m["result"] for m in found} <= {"ok", "unverified"} and len(found) == 7


@check
def verifies_every_byte(w):
    found = w.ferry("verify", "--full", "--json").json["mirrors"]
    assert {m["result"] for m in found} == {"ok"} and len(found) == 7


def doctor(w, *options):
    """{check: verdict}, and what failed."""
    found = w.ferry("doctor", "--json", *options, check=None).json
    return ({c["check"]: c["verdict"] for c in found["checks"]},
            [c for c in found["checks"] if c["verdict"] == "fail"])


@check
def passes_the_doctor(w):
    w.counted("model")
    w.ferry("catalog", "backup", "--with-keys", w.work / "first.tar.zst")
    verdicts, wrong = doctor(w, "--metrics", w.metrics("health"), "--metrics", w.metrics("stats"))
    assert wrong == [], wrong
    assert verdicts["primary"] == verdicts["mirrors"] == verdicts["metrics"] == "pass"


@check
def drills(w):
    """Each mirror alone is enough."""
    verdicts, wrong = doctor(w, "--drill", "fallbacks")
    assert verdicts == {"fallbacks": "pass"}, wrong


@check
def lints(w):
    w.ferry("catalog", "lint")
    w.ferry("catalog", "status")


@check
def measures_from_several_places(w):
    reports = []
    for place in ("eu", "us"):
        conf = w.work / f"{place}.conf"
        conf.write_text((w.work / "ferry.conf").read_text() + f"\n[health]\nplace = {place}\n")
        reports.append(w.work / f"{place}.json")
        reports[-1].write_text(w.ferry("health", "--json", "--config", conf, check=None).out)
    joined = w.ferry("health", "--json", "--merge", *reports, check=None).json
    assert {p["place"] for p in joined["places"]} == {"eu", "us"}


@check
def measures_the_mirrors(w):
    w.health()
    seen = w.work / "watched"
    with seen.open("w") as out:
        process = w.ferry.start("health", "--watch", "30s", stdout=out, stderr=out)
    until(lambda: "cdn" in seen.read_text(), process)
    kill(process)
    w.ran.append(["health", "--watch", "30s"])
    text = w.metrics("health").read_text()
    assert 'ferry_probe_duration_seconds{repository="test",mirror="cdn"' in text


@check
def keeps_a_history(w):
    found = w.ferry("health", "history", "--by-day", "--json").json
    assert "cdn" in json.dumps(found)


@check
def fails_over(w):
    w.ferry("health", "silence", "cdn", "--for", "1h", "--reason", "failover test")
    w.fronts["cdn"].refuse()
    w.health()
    reader = w.reader("failover", w.urls["own"])
    to = w.work / "failover"
    to.mkdir()
    reader("fetch", "-q", "phi-2-mobile", "--exclude-mirror", "cdn", "--output", f"{to}/")
    [copy] = to.iterdir()
    assert copy.read_bytes() == w.models()["phi-2-mobile"][0].read_bytes()
    w.fronts["cdn"].held.close()
    w.fronts["cdn"].start()
    w.ferry("health", "silence", "cdn", "--end")


@check
def removes_old_versions(w):
    rules = w.us.client().get_bucket_lifecycle_configuration(Bucket=w.buckets["s3-us"])["Rules"]
    days = [r["NoncurrentVersionExpiration"]["NoncurrentDays"] for r in rules
            if "NoncurrentVersionExpiration" in r]
    assert days == [30]
    w.ferry("push", "--prune", "--dry-run")


@check
def moves_to_a_new_mirror(w):
    """From the primary, without the publisher's tree."""
    w.ferry("mirror", "add", "new", "--kind", "file", "--path", "mirrors/new")
    w.ferry("mirror", "setup", "-m", "new")
    w.ferry("sync", "cdn", "new")
    assert w.publisher.release("new") == w.publisher.release("own")
    w.ferry("verify", "--full", "-m", "new")
    w.ferry("mirror", "remove", "new")


@check
def cleans_up(w):
    found = w.ferry("mirror", "cleanup", "--dry-run", "--json").json
    assert "error" not in found


@check
def audits_the_keys(w):
    w.ferry("catalog", "key", "list")
    w.ferry("catalog", "key", "check", "root", "targets", "snapshot", "timestamp")
    w.ferry("catalog", "status", "--within", "120d", check=None)
    w.ferry("catalog", "backup", w.work / "backup.tar.zst")
    w.ferry("catalog", "restore", "--dry-run", w.work / "backup.tar.zst")


@check
def documents_what_was_done(w):
    """Every command that the man page has from the launch to the quarter was run here."""
    w.ferry("catalog", "renew", "root", "targets")
    w.ferry("push", "-q")
    w.show_git()
    page = (ROOT / "man/ferry-operations.7.scd").read_text()
    page = page[page.index("# LAUNCH"):page.index("# SEE ALSO")]
    lines = re.findall(r"^ferry .*", page, re.M)
    assert len(lines) > 30
    missing = [line for line in lines if not w.has_run(line, operands=False)]
    assert missing == [], missing
