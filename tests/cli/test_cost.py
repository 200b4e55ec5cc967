"""`ferry cost`: bills that were computed by hand, from the tree, the statistics and prices."""

import re
import subprocess
from decimal import Decimal

import pytest

from ops_metrics import COST, values_in
from screen import on_screen
from published import mirror, publisher, signed_base    # noqa: F401

GB = 10**9

# One bucket at Amazon's prices of 2026 (in round numbers, and larger by 10^6, so that the small
# models of tests cost something), one at Cloudflare, one folder that nobody charges.
PRICES = """
[price.amazon]
source = by hand
storage = 23000
write = 500000
read = 400000
egress = 0 to 1MB, 90000 to 10MB, 85000
minimum = 30d
"""
MIRRORS = (mirror("main", kind="r2", account="0" * 32, bucket="models", priority=10),
           mirror("spare", kind="s3", bucket="models", region="us-east-1", price="amazon", priority=20),
           mirror("disk", priority=30))


def money(text):
    assert re.fullmatch(r"[0-9]+\.[0-9]{2,9}", text)
    return Decimal(text)


@pytest.fixture
def shop(publisher):    # noqa: F811
    publisher.configure(*MIRRORS, more=PRICES)
    return publisher


@pytest.fixture
def cost(shop, validate):
    def run(*options, check=0):
        done = shop("cost", "--json", *options, check=check)
        validate(done.json, "output-cost")
        return done.json
    return run


def of(document, name):
    return next(m for m in document["mirrors"] if m["id"] == name)


def models_of(shop):
    return [p.stat().st_size for p in (shop.tree / "targets").rglob("*.gguf")]


def stored(shop):
    """What a mirror that holds everything has of the tree."""
    drop = {"cards", "drafts", "keys", ".ferry", ".lock"}
    files = [p for p in shop.tree.rglob("*") if p.is_file()
             and p.relative_to(shop.tree).parts[0] not in drop]
    return sum(p.stat().st_size for p in files)


def log(shop, name, *lines):
    (shop.dir / name).write_text("".join(lines))


def request(shop, at):
    """A line of the log of a server, for a model file."""
    path = next((shop.tree / "targets").rglob("*.gguf"))
    return (f'203.0.113.5 - - [{at} +0000] "GET /{path.relative_to(shop.tree)} HTTP/1.1" 200 '
            f'{path.stat().st_size} "-" "ferry/1.0"\n')


def test_storage_is_that_of_the_release_on_each_mirror_at_its_price(shop, cost):
    document = cost("--downloads", "0")
    size = of(document, "spare")["stored_bytes"]
    assert 0 < size <= stored(shop)
    assert money(of(document, "spare")["cost"]["storage"]) == (
        Decimal(size) * 23000 / GB).quantize(Decimal(10) ** -9)
    # Within the 10 GB that are free.
    assert money(of(document, "main")["cost"]["total"]) == 0
    assert "developers.cloudflare.com/r2/pricing" in of(document, "main")["source"]
    assert "cost" not in of(document, "disk") and document["unpriced"] == ["disk"]
    assert money(document["cost"]["total"]) == money(of(document, "spare")["cost"]["total"])


def test_an_estimate_is_of_downloads_from_the_first_mirror_and_says_so(shop, cost):
    sizes = models_of(shop)
    document = cost("--downloads", "1000", "--order", "spare")
    assert document["basis"] == "estimate" and "from" not in document
    assert document["download_bytes"] == round(sum(sizes) / len(sizes))
    egress = 1000 * sum(sizes) // len(sizes)
    assert of(document, "main")["egress_bytes"] == egress
    assert of(document, "spare")["egress_bytes"] == 0
    # 1 MB free, 9 MB at 90,000 for a GB, the rest at 85,000.
    dear = Decimal(9 * 10**6) * 90000 / GB + Decimal(egress - 10**7) * 85000 / GB
    other = document["reordered"]
    assert other["order"] == ["spare", "main", "disk"]
    assert money(other["cost"]["egress"]) == dear
    assert money(other["added"]) == money(other["cost"]["total"]) - money(document["cost"]["total"])
    assert money(other["saved"]) == 0
    text = shop("cost", "--downloads", "1000", "--order", "spare").out
    assert "Estimate: 1000 downloads of " in text and "In the order spare, main, disk: " in text


def test_a_million_downloads_of_400_gigabytes_do_not_wrap_around(shop, cost):
    shop.configure(*MIRRORS, more=PRICES.replace("90000", "0.09").replace("85000", "0.085"))
    document = cost("--downloads", str(4 * 10**10), "--order", "spare")
    egress = of(document, "main")["egress_bytes"]
    assert egress >= 400 * GB * 10**6
    assert money(document["reordered"]["cost"]["egress"]) == (
        Decimal(9 * 10**6) * 9 / 100 / GB + Decimal(egress - 10**7) * 85 / 1000 / GB)
    assert of(cost("--downloads", str(2**64 - 2)), "main")["egress_bytes"] == 2**63 - 1


def test_readers_are_those_of_the_statistics_of_a_month(shop, cost):
    size = models_of(shop)[0]
    log(shop, "cdn.log", request(shop, "02/Nov/2026:00:00:00"))
    log(shop, "access.log", request(shop, "31/Oct/2026:23:59:59"), request(shop, "01/Nov/2026:00:00:00"),
        request(shop, "30/Nov/2026:23:59:59"), request(shop, "01/Dec/2026:00:00:00"))
    shop("stats", "import", "-q", "spare=access.log", "cdn=cdn.log", at="2026-12-05 12:00:00")
    document = shop("cost", "--json", "--month", "2026-11", at="2026-12-05 12:00:00").json
    spare = of(document, "spare")
    assert (document["basis"], document["from"], document["to"]) == ("statistics", "2026-11-01", "2026-11-30")
    assert (spare["egress_bytes"], spare["read_requests"]) == (2 * size, 2)
    assert document["unknown"] == ["cdn"]
    # The 30 days before the first day of the statistics have none, and it is said which month has.
    early = " ".join(shop("cost", at="2026-10-31 12:00:00").out.split())
    assert "the statistics begin on 2026-10-31; --month 2026-10 counts that month." in early
    assert money(spare["cost"]["reads"]) == Decimal("0.8")
    assert "begin" not in document
    # Statistics that begin within the month are not taken for those of all of it.
    october = shop("cost", "--json", "--month", "2026-10", at="2026-12-05 12:00:00").json
    assert october["begin"] == "2026-10-31"
    told = shop("cost", "--month", "2026-10", at="2026-12-05 12:00:00").out
    assert "of 2026-10-01 to 2026-10-31, which begin on 2026-10-31." in told
    # The last 30 days before the fifth: without the first of November.
    document = shop("cost", "--json", at="2026-12-05 12:00:00").json
    assert (document["from"], document["to"]) == ("2026-11-05", "2026-12-04")
    assert of(document, "spare")["egress_bytes"] == 2 * size
    # A month that goes on ends today.
    document = shop("cost", "--json", "--month", "2026-12", at="2026-12-05 12:00:00").json
    assert (document["to"], of(document, "spare")["egress_bytes"]) == ("2026-12-05", size)


def test_without_statistics_no_database_is_made_and_it_is_said(shop, cost):
    assert cost()["basis"] == "none"
    assert not (shop.ferry.home / ".local/state/ferry/ops.db").exists()
    assert "no statistics of that time" in shop("cost").out
    assert "there is no such database" in shop("cost", "--database", "x.db", check=3).err


def test_without_a_price_no_amount_is_claimed(shop):
    shop.configure(mirror("a"), more="[cost]\nbudget = 5\n")
    told = shop("cost").out
    assert "Not counted, because no price is known: a." in told
    assert "A month costs" not in told and "is left" not in told


def test_old_versions_are_what_the_bill_has_more_with_them(shop, cost):
    before = of(cost("--downloads", "0"), "spare")
    assert before["old_bytes"] == 0 and money(before["old_versions"]) == 0
    shop.add_model("tiny", size="6M", seed=9)
    shop("catalog", "sign", "-q")
    document = cost("--downloads", "0")
    spare = of(document, "spare")
    assert spare["old_bytes"] > 0
    assert money(spare["old_versions"]) == (
        Decimal(spare["old_bytes"]) * 23000 / GB).quantize(Decimal(10) ** -9)
    # They are younger than the 30 days for which they are charged in any case.
    assert spare["bound_bytes"] == spare["old_bytes"]
    later = shop("cost", "--json", "--downloads", "0", at="+40 days").json
    assert of(later, "spare")["bound_bytes"] == 0
    assert "Of this, old versions of models: " in shop("cost").out


def test_listed_mirrors_are_charged_for_what_they_hold(shop, cost):
    shop.configure(mirror("a", price="amazon"), mirror("b", price="amazon"), more=PRICES)
    shop("push", "-q")
    before = of(cost("--downloads", "0"), "a")
    listed = of(cost("--downloads", "0", "--list"), "a")
    assert (before["listed"], listed["listed"]) == (False, True)
    assert listed["stored_bytes"] == before["stored_bytes"] and listed["other_bytes"] == 0
    (shop.mirror() / "targets" / ("0" * 64 + ".old.gguf")).write_bytes(bytes(1000))
    document = cost("--downloads", "0", "--list")
    a = of(document, "a")
    assert (a["other_bytes"], a["files"]) == (1000, listed["files"] + 1)
    assert a["stored_bytes"] == before["stored_bytes"] + 1000
    assert money(a["others"]) == money(document["others"]) == Decimal(1000) * 23000 / GB
    assert "Of this, files that are not of this release: 0.02 USD." in shop("cost", "--list").out


def test_a_mirror_that_cannot_be_listed_is_a_warning(shop, cost):
    release = of(cost("--downloads", "0"), "spare")["stored_bytes"]
    done = shop("cost", "--list", "--json", "--downloads", "0")      # there are no access keys
    assert "mirror spare cannot be listed, so only the release's files are counted: " in done.err
    assert of(done.json, "spare")["stored_bytes"] == release and not of(done.json, "spare")["listed"]


def test_uploads_are_those_of_versions_that_came_out_in_the_time(shop):
    now = shop("cost", "--json", "--downloads", "0", at="+1 days").json
    # A model of two pieces: these, and to look for an earlier upload, begin and complete it.
    assert of(now, "spare")["write_requests"] == 5
    assert money(of(now, "spare")["cost"]["writes"]) == Decimal("2.5")
    later = shop("cost", "--json", "--downloads", "0", at="+40 days").json
    assert of(later, "spare")["write_requests"] == 0


def test_audits_are_thirty_days_of_their_budget_on_each_server(shop, cost):
    shop.configure(*MIRRORS, more=PRICES + "[health]\naudit = 8MiB\n")
    document = cost("--downloads", "0")
    audited = 30 * (8 << 20)
    assert [of(document, m)["audit_bytes"] for m in ("main", "spare", "disk")] == [audited, audited, 0]
    egress = Decimal(9 * 10**6) * 90000 / GB + Decimal(audited - 10**7) * 85000 / GB
    assert money(of(document, "spare")["audits"]) == egress + 30 * Decimal("0.4")
    assert money(document["audits"]) == egress + 12


def test_a_month_that_costs_more_than_the_budget_is_a_fault(shop, cost):
    total = money(cost("--downloads", "0")["cost"]["total"])
    document = cost("--downloads", "0", "--budget", str(total))
    assert document["over"] is False
    shop.configure(*MIRRORS, more=f"{PRICES}[cost]\nbudget = {total - Decimal('0.000000001')}\n")
    document = cost("--downloads", "0", check=1)
    assert document["over"] is True
    assert "is exceeded by <0.01." in shop("cost", "-q", "--downloads", "0", check=1).out
    assert shop("cost", "-q", "--downloads", "0", "--budget", "99999").out == ""


def test_metrics_are_for_the_textfile_collector(shop):
    shop("cost", "-q", "--downloads", "0", "--budget", "99999.5", "--prometheus", "cost.prom")
    text = (shop.dir / "cost.prom").read_text()
    values = values_in(text)
    assert set(values) == set(COST)
    for metric, rows in values.items():
        assert all(set(labels) == set(COST[metric]) for labels in rows)
    assert {labels["mirror"] for labels in values["ferry_cost_month"]} == {"main", "spare"}
    assert 'ferry_cost_budget{repository="test"} 99999.5\n' in text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("options, message", [
    (["--month", "2026-13"], "--month: '2026-13' is not a month"),
    (["--month", "2026-1"], "is not a month"),
    (["--month", "1969-12"], "is not a month"),
    (["--month", "2999-12"], "has not begun yet"),
    (["--budget", "many"], "--budget: 'many' is not an amount"),
    (["--order", "spar"], "did you mean 'spare'?"),
    (["--order", "main,main"], "main is named twice"),
    (["--downloads", "1", "--month", "2026-01"], "cannot be combined"),
])
def test_what_cannot_be_computed_is_said(shop, options, message):
    assert message in shop("cost", *options, check=2).err


def test_the_table_fits_a_terminal_of_80_columns(shop):
    shown = on_screen(shop.ferry, ["cost", "--downloads", "1000000", "--order", "spare"], rows=40)
    assert shown.code == 0
    lines = shown.text.splitlines()
    assert lines[0].split() == ["MIRROR", "PRICE", "STORED", "READ", "STORAGE", "REQUESTS", "EGRESS", "TOTAL"]
    assert [line.split()[0] for line in lines[1:5]] == ["main", "spare", "disk", "A"]


def test_a_dry_run_of_push_says_what_storage_will_cost(shop, validate):
    shop.configure(mirror("a", price="amazon"), mirror("b"), more=PRICES)
    done = shop("push", "--dry-run", "--json").json
    validate(done, "output-push")
    a, b = done["mirrors"]
    assert "cost" not in b
    size = Decimal(a["planned_bytes"])
    assert money(a["cost"]["storage_before"]) == 0
    assert money(a["cost"]["storage"]) == (size * 23000 / GB).quantize(Decimal(10) ** -9)
    # Each of these files is one request, and the model five.
    assert money(a["cost"]["upload"]) == Decimal("0.5") * (a["planned"] + 4)
    rows = [line.split() for line in shop("push", "--dry-run").out.splitlines()]
    assert [row for row in rows if row[-1] == "USD"] == [
        ["a", f"{money(a['cost']['storage']):.2f}", f"{money(a['cost']['storage']):.2f}",
         f"{money(a['cost']['upload']):.2f}", "USD"]]
    shop("push", "-q")
    done = shop("push", "--dry-run", "--json").json["mirrors"][0]
    assert done["cost"]["storage_before"] == done["cost"]["storage"] and money(done["cost"]["upload"]) == 0


def test_the_doctor_compares_a_month_with_the_budget(shop):
    def doctor(budget, **options):
        shop.configure(*MIRRORS, more=f"{PRICES}[cost]\n{budget}")
        return shop("doctor", "--json", "cost", **options).json["checks"][0]
    assert doctor("budget = 100000")["verdict"] == "pass"
    dear = doctor("budget = 0", check=1)
    assert (dear["verdict"], dear["next"]) == ("fail", ["ferry cost"])
    assert re.search("a month costs [0-9.]+ USD, more than the budget of 0.00", dear["text"])
    assert doctor("")["verdict"] == "skip"
    shop.configure(mirror("a"))
    nothing = shop("doctor", "--json", "cost").json["checks"][0]
    assert (nothing["verdict"], nothing["text"]) == ("skip", "no price of a mirror is known")


def test_a_price_that_there_is_not_stops_a_dry_run(shop):
    shop.configure(mirror("a", price="nobody"))
    for command in (["cost"], ["push", "--dry-run"]):
        assert "price: there is no [price.nobody]" in shop(*command, check=2).err
