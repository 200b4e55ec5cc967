"""`ferry doctor`: whether everything is ready, and what to do where not."""

import shutil
import socket

import pytest

from conftest import ROOT
from published import flip, mirror, publisher, signed_base      # noqa: F401 (fixtures)
from screen import on_screen
from servers import Nginx
from waiting import until


def checks(result):
    return {c["check"]: c for c in result.json["checks"]}


def verdicts(result):
    return {name: c["verdict"] for name, c in checks(result).items()}


@pytest.fixture
def doctor(publisher):      # noqa: F811
    """Runs `ferry doctor`; mirrors a, b and c show the release."""
    publisher("catalog", "sign", "-q")      # the mirrors are in another folder now
    publisher("push", "-q")

    def run(*args, **options):
        return publisher("doctor", *args, **options)
    run.publisher = publisher
    return run


def test_what_is_ready_passes(doctor):
    result = doctor("--json", "settings", "catalog", "expiry", "primary", "mirrors", "servers")
    assert set(verdicts(result).values()) == {"pass"}
    assert checks(result)["primary"]["text"] == "a has all 13 files of release 3"
    assert "2 other mirrors are in step" in checks(result)["mirrors"]["text"]
    assert (result.json["passed"], result.json["failed"]) == (6, 0)


def test_a_file_that_is_missing_on_the_primary_fails_with_the_command_that_mends_it(doctor):
    doctor.publisher.on("a", "*.gguf").unlink()
    result = doctor("--json", "primary", "mirrors", check=1)
    assert verdicts(result) == {"primary": "fail", "mirrors": "pass"}
    primary = checks(result)["primary"]
    assert primary["details"][0].startswith("a: 1 file is wrong; the first: ")
    assert primary["next"] == ["ferry push --mirror a"]
    doctor.publisher(*primary["next"][0].split()[1:], "-q")
    assert verdicts(doctor("--json", "primary")) == {"primary": "pass"}


def test_a_mirror_that_is_behind_or_gone_fails_and_the_primary_does_not(doctor):
    shutil.rmtree(doctor.publisher.mirror("b"))
    doctor.publisher.add_model("more", "1M", seed=2)
    doctor.publisher("push", "-q", "--mirror", "a")
    result = doctor("--json", "primary", "mirrors", check=1)
    assert verdicts(result) == {"primary": "pass", "mirrors": "fail"}
    assert {d.split(":")[0] for d in checks(result)["mirrors"]["details"]} == {"b", "c"}
    assert "ferry push --mirror c" in checks(result)["mirrors"]["next"]


def test_a_mirror_that_readers_do_not_know_of_is_named(doctor):
    doctor.publisher.configure(mirror("a"), mirror("b"), mirror("d"))
    doctor.publisher("push", "-q")
    result = checks(doctor("--json", "servers", check=1))["servers"]
    assert result["details"] == ["d: readers do not know of it, or of where it is",
                                 "c: is signed, but not in ferry.conf"]
    assert result["next"] == ["ferry catalog sign && ferry push"]
    for command in result["next"][0].split(" && "):
        doctor.publisher(*command.split()[1:], "-q")
    assert verdicts(doctor("--json", "servers")) == {"servers": "pass"}


def test_what_expires_soon_fails_before_clients_notice(doctor):
    result = doctor("--json", "expiry", check=1, at="+13 days 12 hours")
    assert "timestamp expires in" in checks(result)["expiry"]["details"][0]
    assert checks(result)["expiry"]["next"] == ["ferry catalog refresh && ferry push"]


def test_keys_that_others_can_use_fail(doctor):
    result = checks(doctor("--json", "keys", check=1))["keys"]
    assert "ferry catalog key passphrase root" in result["next"]
    assert not any("timestamp" in command for command in result["next"])
    key = doctor.publisher.dir / "keys/timestamp.pem"
    key.chmod(0o640)
    result = checks(doctor("--json", "keys", check=1))["keys"]
    assert "chmod 600 ./keys/timestamp.pem" in result["next"]


def test_a_root_without_a_spare_key_is_not_passed_over(doctor):
    result = checks(doctor("--json", "spare-key"))["spare-key"]
    assert (result["verdict"], result["next"]) == ("skip", ["ferry catalog rotate root --add KEY"])


def test_settings_that_no_command_of_the_day_reads_are_checked(doctor):
    with open(doctor.publisher.dir / "ferry.conf", "a") as f:
        f.write("[health]\ndeadline = soon\n")
    result = checks(doctor("--json", "settings", check=1))["settings"]
    assert "deadline" in result["text"]


@pytest.mark.parametrize("section, message", [
    ("[front]\nrequests = many\n", "requests"),
    ("[front.a]\nservers = nowhere\n", "servers"),
    ("[front.d]\nrequests = 5\n", "[front.d]: there is no [mirror.d]")])
def test_settings_of_what_stands_in_front_are_checked(doctor, section, message):
    path = doctor.publisher.dir / "ferry.conf"
    text = path.read_text()
    path.write_text(text + "[front]\nrequests = 5\n[front.a]\nservers = s:80\n")
    assert verdicts(doctor("--json", "settings")) == {"settings": "pass"}
    path.write_text(text + section)
    assert message in checks(doctor("--json", "settings", check=1))["settings"]["text"]


def test_a_mistyped_check_is_an_error_with_the_nearest_name(doctor):
    assert "did you mean 'mirrors'" in doctor("mirors", check=2).err


def test_changes_that_are_not_signed_are_pointed_out(doctor):
    assert "not signed" not in str(checks(doctor("--json", "catalog"))["catalog"]["details"])
    doctor.publisher("catalog", "withdraw", "tiny", "--reason", "Broken.")
    found = checks(doctor("--json", "catalog"))["catalog"]
    assert found["verdict"] == "pass"
    assert "1 model has changes that are not signed: ferry catalog list" in found["details"]


def test_a_check_that_is_not_for_this_machine_is_refused_instead_of_passed(doctor):
    result = doctor("endpoints", check=2)
    assert "the check 'endpoints' is for machines that fetch models" in result.err
    assert "the check 'primary' is for machines that publish models" in doctor.publisher.ferry(
        "doctor", "settings", "primary", cwd=doctor.publisher.dir.parent, check=2).err


def test_before_the_first_signature_only_the_catalog_fails_and_says_what_to_run(publisher):  # noqa: F811
    shutil.rmtree(publisher.tree)
    result = publisher("doctor", "--json", check=1)
    assert [n for n, v in verdicts(result).items() if v == "fail"] == ["catalog"]
    assert checks(result)["catalog"]["next"] == ["ferry catalog init"]
    assert checks(result)["mirrors"]["text"] == "needs a catalog that is signed"
    # Without the check of the catalog, nothing would fail.
    assert verdicts(publisher("doctor", "--json", "mirrors", check=1)) == {"mirrors": "fail"}


def test_people_get_marks_and_commands_within_80_columns(doctor):
    doctor.publisher.on("a", "*.gguf").unlink()
    out = doctor("catalog", "primary", "spare-key", check=1).out
    assert "  \u2713  catalog" in out and "  \u2717  primary" in out and "  \u2013  spare-key" in out
    assert "$ ferry push --mirror a\n" in out
    assert "1 passed, 1 failed, 1 skipped" in out
    plain = doctor("catalog", "primary", check=1, env={"LC_ALL": "C"}).out
    assert "  ok catalog" in plain and "  !! primary" in plain


def test_nothing_is_changed_and_no_scratch_is_left(doctor):
    """Neither tree, keys and mirrors, nor what is kept of earlier runs."""
    base = doctor.publisher.dir
    scratch = base / "scratch"
    scratch.mkdir()

    def files():
        return {p: (p.stat().st_mtime_ns, p.stat().st_ino, p.read_bytes())
                for p in base.rglob("*") if p.is_file()}
    doctor.publisher("health")
    before = files()
    doctor("-q", "--drill", check=None, env={"TMPDIR": scratch})
    assert files() == before and not list(scratch.iterdir())


def test_a_terminal_gets_colours_and_no_line_over_80_columns(doctor):
    doctor.publisher.on("a", "*.gguf").unlink()
    shown = on_screen(doctor.publisher.ferry, ["doctor"], rows=60)
    print(shown.screen.text)
    assert shown.code == 1 and max(map(len, shown.screen.text.splitlines())) <= 80
    assert "\x1b[1;31m\u2717" in shown.screen.raw and "\x1b[32m\u2713" in shown.screen.raw


# -- what watches the mirrors --------------------------------------------------------------------

def test_a_backup_with_the_key_of_root_is_needed_and_not_too_old(doctor):
    ferry = doctor.publisher
    result = checks(doctor("--json", "backup", check=1))["backup"]
    assert result["next"] == ["ferry catalog backup --with-keys /OTHER/DISK/test.tar.zst"]
    ferry("catalog", "backup", "-q", "saved.tar.zst")
    result = checks(doctor("--json", "backup", check=1))["backup"]
    assert "has no keys" in result["text"]
    ferry("catalog", "backup", "-q", "--plain-keys", "with-keys.tar.zst")
    result = checks(doctor("--json", "backup"))["backup"]
    assert result["details"] == [f"it was written to {ferry.dir}/with-keys.tar.zst"]
    assert "made" in checks(doctor("--json", "backup", check=1, at="+93 days"))["backup"]["text"]
    ferry("catalog", "renew", "root", "-q")
    assert "root has changed" in checks(doctor("--json", "backup", check=1))["backup"]["text"]


def test_a_record_of_a_backup_is_not_part_of_a_backup(doctor):
    for name in ("1.tar.zst", "2.tar.zst"):
        doctor.publisher("catalog", "backup", "-q", name)
    assert (doctor.publisher.dir / "1.tar.zst").read_bytes() == \
        (doctor.publisher.dir / "2.tar.zst").read_bytes()


def test_runs_of_health_and_what_its_audit_found(doctor):
    result = doctor("--json", "health", "digests", check=1)
    assert verdicts(result) == {"health": "fail", "digests": "skip"}
    doctor.publisher("health")
    result = doctor("--json", "health", "digests")
    assert verdicts(result) == {"health": "pass", "digests": "pass"}
    assert "the audit of 3 mirrors" in checks(result)["digests"]["text"]
    assert verdicts(doctor("--json", "health", check=1, at="+3 hours")) == {"health": "fail"}
    late = checks(doctor("--json", "digests", check=1, at="+31 days"))["digests"]
    assert {d.split(" audited ")[0] for d in late["details"]} == {"a: last", "b: last", "c: last"}
    flip(doctor.publisher.on("c", "*.gguf"), 12345)
    shutil.rmtree(doctor.publisher.ferry.home / ".local")
    doctor.publisher("health", check=1)
    result = doctor("--json", "digests", check=1)
    assert checks(result)["digests"]["details"][0].startswith("c: ")


def test_alerts_that_do_not_arrive(doctor):
    ferry = doctor.publisher
    assert verdicts(doctor("--json", "alerts")) == {"alerts": "skip"}
    hook = ferry.dir / "hook"
    hook.write_text("#!/bin/sh\ncat > told\n")
    hook.chmod(0o755)
    ferry.configure(more="[alert.ops]\nkind = command\ncommand = ./hook\n")
    assert "none has failed" in checks(doctor("--json", "alerts"))["alerts"]["text"]
    assert not (ferry.dir / "told").exists()
    assert verdicts(doctor("--json", "alerts", "--test-alerts")) == {"alerts": "pass"}
    assert '"test":true' in (ferry.dir / "told").read_text()
    hook.write_text("#!/bin/sh\nexit 3\n")
    result = checks(doctor("--json", "alerts", "--test-alerts", check=1))["alerts"]
    assert result["details"][0].startswith("ops: ")
    shutil.rmtree(ferry.mirror("b"))
    ferry("health", check=1)
    result = checks(doctor("--json", "alerts", check=1))["alerts"]
    assert "nothing could be sent for" in result["details"][0]


def test_metrics_that_are_old_or_missing(doctor):
    assert verdicts(doctor("--json", "metrics")) == {"metrics": "skip"}
    doctor.publisher("health", "--prometheus", "ferry.prom")
    assert verdicts(doctor("--json", "metrics", "--metrics", "ferry.prom")) == {"metrics": "pass"}
    result = doctor("--json", "metrics", "--metrics", "ferry.prom", "--metrics", "none.prom",
                    check=1, at="+3 hours")
    [old, missing] = checks(result)["metrics"]["details"]
    assert "was written" in old and missing == "none.prom is not there"
    (doctor.publisher.dir / "empty.prom").touch()
    result = doctor("--json", "metrics", "--metrics", "empty.prom", check=1)
    assert checks(result)["metrics"]["details"] == ["empty.prom has no metrics"]
    result = doctor("--json", "metrics", "--metrics", "ferry.prom", check=1, at="-3 hours")
    assert checks(result)["metrics"]["details"] == ["ferry.prom has a time in the future"]


def test_costs_are_compared_with_the_budget(doctor):
    price = "[price.disk]\nstorage = 1000000\n"
    mirrors = [mirror(name, price="disk") for name in "abc"]
    doctor.publisher.configure(*mirrors, more=price)
    result = checks(doctor("--json", "cost"))["cost"]
    assert result["verdict"] == "skip" and "no budget is set" in result["text"]
    doctor.publisher.configure(*mirrors, more=price + "[cost]\nbudget = 10\n")
    result = checks(doctor("--json", "cost", check=1))["cost"]
    assert "more than the budget of 10.00" in result["text"]
    assert "ferry cost" in result["next"]
    doctor.publisher.configure(*mirrors, more=price + "[cost]\nbudget = 1000000\n")
    assert verdicts(doctor("--json", "cost")) == {"cost": "pass"}


def test_a_mirror_that_never_answers_ends_at_the_deadline_and_delays_no_other_check(doctor):
    publisher = doctor.publisher    # noqa: F811
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        publisher.configure(mirror("a"), mirror(
            "b", kind="http", url=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
        result = doctor("--json", "catalog", "primary", "mirrors", "servers", "--deadline", "3s",
                        check=1)
    assert verdicts(result) == {"catalog": "pass", "primary": "pass", "mirrors": "fail",
                                "servers": "fail"}
    assert checks(result)["mirrors"]["details"] == ["b: did not answer in time"]
    assert result.json["checks"][-1]["details"][0].startswith("b: ")


# -- readers -------------------------------------------------------------------------------------

LIMIT = """location / { limit_req zone=readers burst=5 nodelay; limit_req_status 429;
    add_header Retry-After 1 always; }"""


@pytest.fixture
def served(doctor):
    """Mirror a is served by nginx, with a limit of requests; b by one without, and with a log."""
    publisher = doctor.publisher    # noqa: F811
    dir = publisher.dir
    form = (ROOT / "scripts/ops/nginx-log.conf").read_text()
    with Nginx(dir, publisher.mirror("a"), extra=LIMIT,
               http="limit_req_zone $binary_remote_addr zone=readers:1m rate=1r/s;") as a, \
            Nginx(dir, publisher.mirror("b"), http=form,
                  extra=f"access_log {dir}/b.log ferry_json;") as b:
        publisher.configure(mirror("a", url=a.url), mirror("b", url=b.url),
                            more=f"[stats]\nlogs = b={dir}/b.log\n")
        publisher("catalog", "sign", "-q")
        publisher("push", "-q")
        doctor.servers = {"a": a, "b": b}
        yield doctor


def test_limits_of_requests_are_tried_until_the_first_429(served):
    assert verdicts(served("--json", "rate-limits")) == {"rate-limits": "skip"}
    result = checks(served("--json", "rate-limits", "--rate-limits", "40", check=1))["rate-limits"]
    served.publisher(*result["next"][0].split()[1:])
    limited, free = sorted(result["details"])
    assert limited.startswith("a: 429 after ") and limited.endswith("with Retry-After")
    assert int(limited.split()[3]) < 20
    assert free == "b: no limit within 40 requests"
    assert result["next"] == ["ferry mirror config nginx --mirror b"]
    assert (served.publisher.dir / "b.log").read_text().count('"GET') <= 60
    # A server that does not answer is not one without limits.
    served.servers["b"].stop()
    result = checks(served("--json", "rate-limits", "--rate-limits", "40", check=1))["rate-limits"]
    assert result["text"] == "1 of 2 web servers could not be asked"
    assert result["next"] == ["ferry health --no-audit --mirror b"]


def test_servers_whose_limits_are_not_ours_are_not_asked(served):
    publisher, b = served.publisher, served.servers["b"]
    publisher.configure(mirror("a", url=b.url),
                        mirror("b", kind="git", remote=f"{publisher.dir}/b.git", url=b.url))
    publisher("catalog", "sign", "-q")
    before = (publisher.dir / "b.log").read_text().count('"GET')
    result = checks(served("--json", "rate-limits", "--rate-limits", "9", check=1))["rate-limits"]
    assert result["details"] == ["a: no limit within 9 requests"]
    assert (publisher.dir / "b.log").read_text().count('"GET') < before + 20


def test_logs_that_arrive_and_that_do_not(served):
    assert verdicts(served("--json", "logs", check=1)) == {"logs": "fail"}
    served("speed")
    log = served.publisher.dir / "b.log"
    until(lambda: "targets/" in log.read_text())
    assert "ferry-doctor/" in log.read_text()
    served.publisher("stats", "import", "-q")
    result = served("--json", "logs", check=None)
    assert checks(result)["logs"]["details"][0].startswith("b: newest request ")
    assert verdicts(result) == {"logs": "pass"}
    assert verdicts(served("--json", "logs", check=1, at="+3 days")) == {"logs": "fail"}
    path = served.publisher.dir / "ferry.conf"
    path.write_text(path.read_text().replace("logs = b=", "logs = a=/var/empty/none b="))
    result = checks(served("--json", "logs", check=1))["logs"]
    assert result["details"][-1] == "a: no log has arrived yet"


def test_each_mirror_is_measured(served):
    result = checks(served("--json", "speed"))["speed"]
    assert {d.split(":")[0] for d in result["details"]} == {"a", "b"}
    assert "/s, first byte after" in result["details"][0] and "--merge" in result["hint"]
    served.servers["b"].stop()
    result = checks(served("--json", "speed", check=1))["speed"]
    assert any(d.startswith("b: ") and "/s" not in d for d in result["details"])


def test_the_drill_fetches_from_each_mirror_alone(served):
    """What the servers saw: one that lacks the file is not helped by the other."""
    result = checks(served("--json", "fallbacks"))["fallbacks"]
    assert (result["verdict"], result["next"]) == ("skip", ["ferry doctor --drill fallbacks"])
    served.publisher.on("b", "*.gguf").rename(served.publisher.dir / "kept")
    served.publisher.configure(
        mirror("b", url=served.servers["b"].url), mirror("c"))
    served.publisher("catalog", "sign", "-q")
    served.publisher("push", "-q", "--mirror", "c")
    result = checks(served("--json", "fallbacks", "--drill", check=1))["fallbacks"]
    assert {d.split(":")[0]: "every source failed" in d or "timestamp" in d
            for d in result["details"]} == {"b": True, "c": False}
    assert result["next"] == ["ferry verify --mirror b"]


# -- a user's machine ----------------------------------------------------------------------------

@pytest.fixture
def user(served, ferry):
    """A machine that fetches from a and b."""
    away = served.publisher.dir / "away"
    away.mkdir()
    root = served.publisher.tree / "metadata" / "1.root.json"
    (away / "ferry.conf").write_text(
        f"[repository.test]\nroot = {root}\nmetadata = {served.servers['b'].url}\n")

    def run(*args, **options):
        return ferry(*args, cwd=away, **options)
    run.servers, run.dir = served.servers, away
    return run


def test_a_machine_before_and_after_its_first_fetch(user):
    result = user("doctor", "--json")
    assert verdicts(result) == {
        "settings": "pass", "trust": "skip", "endpoints": "pass", "clock": "pass", "disk": "pass",
        "fallbacks": "skip", "store": "skip", "owners": "skip", "proxies": "skip"}
    assert not (user.dir.parent / "store").exists()
    user("fetch", "-q", "test/tiny")
    result = user("doctor", "--json", "trust", "store", "owners", "endpoints")
    assert set(verdicts(result).values()) == {"pass"}
    assert "root 1 is trusted" in checks(result)["trust"]["text"]
    assert {d.split(":")[0] for d in checks(result)["endpoints"]["details"]} == {"a", "b"}


def test_a_url_with_a_slash_more_is_no_second_place(user):
    conf = user.dir / "ferry.conf"
    url = user.servers["b"].url
    conf.write_text(conf.read_text().replace(url, url.rstrip("/") + "/"))
    user("fetch", "-q", "test/tiny")
    result = user("doctor", "--json", "endpoints")
    assert {d.split(":")[0] for d in checks(result)["endpoints"]["details"]} == {"a", "b"}


def test_what_keeps_a_machine_from_fetching_is_named(user):
    user("fetch", "-q", "test/tiny")
    user.servers["b"].stop()
    [blob] = (user.dir.parent / "store/blobs/sha256").iterdir()
    blob.unlink()
    (user.dir.parent / "store").chmod(0o777)
    result = user("doctor", "--json", "endpoints", "store", "owners", "proxies", check=1,
                  env={"https_proxy": "http://user:xyzzy/plugh@127.0.0.1:1"})
    assert set(verdicts(result).values()) == {"fail"}
    assert checks(result)["endpoints"]["details"][1].startswith("b: ")
    assert checks(result)["store"]["next"] == ["ferry fetch test/tiny:q8_0"]
    assert checks(result)["owners"]["next"][0].startswith("chmod go-w ")
    assert "https_proxy=http://127.0.0.1:1/" in checks(result)["proxies"]["details"][0]
    assert "xyzzy" not in result.out and "plugh" not in result.out


def test_metadata_that_has_expired_and_a_clock_that_is_wrong(user):
    user("fetch", "-q", "test/tiny")
    result = user("doctor", "--json", "trust", "clock", check=1, at="+20 days")
    assert verdicts(result) == {"trust": "fail", "clock": "fail"}
    assert "has expired" in checks(result)["trust"]["text"]
    assert "the clock is ahead by" in checks(result)["clock"]["text"]


def test_a_machine_without_settings_is_told_to_add_a_repository(ferry):
    result = ferry("doctor", "--json")
    assert checks(result)["settings"]["verdict"] == "skip"
    assert checks(result)["settings"]["next"][0].startswith("ferry repository add ")
    assert verdicts(result)["disk"] == "pass"
