"""`ferry doctor`: whether everything is ready, and what to do where not."""

import shutil

import pytest

from published import flip, mirror, publisher, signed_base      # noqa: F401 (fixtures)
from screen import on_screen


def checks(result):
    return {c["check"]: c for c in result.json["checks"]}


def verdicts(result):
    return {name: c["verdict"] for name, c in checks(result).items()}


@pytest.fixture
def doctor(publisher):      # noqa: F811
    """Runs `ferry doctor`; mirrors a, b and c show the release."""
    publisher("push", "-q")

    def run(*args, **options):
        return publisher("doctor", *args, **options)
    run.publisher = publisher
    return run


def test_what_is_ready_passes(doctor):
    result = doctor("--json", "settings", "catalog", "expiry", "primary", "mirrors", "servers")
    assert set(verdicts(result).values()) == {"pass"}
    assert checks(result)["primary"]["text"] == "a has all 13 files of release 2"
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


def test_a_mistyped_check_is_an_error_with_the_nearest_name(doctor):
    assert "did you mean 'mirrors'" in doctor("mirors", check=2).err


def test_a_check_that_does_not_end_has_failed_and_the_others_are_shown(doctor):
    """Of the deadline nothing is left."""
    result = doctor("--json", "settings", "primary", "--deadline", "1", check=None)
    assert verdicts(result)["settings"] == "pass"


def test_people_get_marks_and_commands_within_80_columns(doctor):
    doctor.publisher.on("a", "*.gguf").unlink()
    out = doctor("catalog", "primary", "spare-key", check=1).out
    assert "  \u2713  catalog" in out and "  \u2717  primary" in out and "  \u2013  spare-key" in out
    assert "$ ferry push --mirror a\n" in out
    assert "1 passed, 1 failed, 1 skipped" in out
    plain = doctor("catalog", "primary", check=1, env={"LC_ALL": "C"}).out
    assert "  ok catalog" in plain and "  !! primary" in plain


def test_nothing_is_changed(doctor):
    def files():
        base = doctor.publisher.dir
        return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in base.rglob("*") if p.is_file()}
    before = files()
    doctor("-q", check=None)
    assert files() == before


def test_a_terminal_gets_colours_and_no_line_over_80_columns(doctor):
    doctor.publisher.on("a", "*.gguf").unlink()
    shown = on_screen(doctor.publisher.ferry, ["doctor"], rows=60)
    print(shown.screen.text)
    assert shown.code == 1 and max(map(len, shown.screen.text.splitlines())) <= 80
    assert "\x1b[1;31m\u2717" in shown.screen.raw and "\x1b[32m\u2713" in shown.screen.raw
