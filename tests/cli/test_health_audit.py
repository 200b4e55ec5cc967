"""The rolling audit of `ferry health`: bytes that rot are found in the time that it promises, and what
it knows of a mirror survives from run to run."""

import datetime
import re
import sqlite3

import pytest

from published import flip, publisher, signed_base   # noqa: F401 (fixtures)

PIECE = 8 << 20
CONF = """
[mirror.web]
kind = http
url = {url}

[health]
audit = {budget}
coverage-warning = 90
"""


class Audited:
    """A mirror that a real nginx serves, and runs of `ferry health` that look at it alone, so many
    days from now. Its release expires meanwhile, which is another matter."""

    def __init__(self, publisher, nginx):   # noqa: F811
        self.publisher, self.files = publisher, publisher.mirror("a")
        publisher("push", "-m", "a")
        self.server = nginx(self.files)
        self.set(budget="8M")

    def set(self, budget, more=""):
        self.publisher.configure(CONF.format(url=self.server.url, budget=budget), more=more)

    def run(self, day, *options):
        result = self.publisher("health", "--json", "-m", "web", *options, at=f"+{day} days", check=None)
        assert result.code in (0, 1), result.err
        [found] = result.json["repositories"][0]["mirrors"]
        self.err = result.err
        self.reasons = {f["check"]: f"{f['state']}: {f['reason']}" for f in found["findings"]}
        return found["audit"]

    @property
    def model(self):
        return self.publisher.on("a", "*.gguf")


@pytest.fixture
def audited(publisher, nginx):   # noqa: F811
    return Audited(publisher, nginx)


def test_a_wrong_byte_is_found_as_soon_as_promised_and_its_recovery_is_seen(audited):
    audit = audited.run(0)
    promised = audit["promise_days"]
    assert 3 <= promised <= 8 and audit["total_bytes"] > 10 << 20
    for day in range(1, promised + 1):
        audit = audited.run(day)
    assert audit["coverage_percent"] == "100.00"
    flip(audited.model, PIECE + 4711)
    for day in range(promised + 1, 2 * promised + 1):
        audit = audited.run(day)
        if audit["wrong_pieces"]:
            break
    last = audited.model.stat().st_size - 1
    assert audited.reasons["integrity"] == \
        f"critical: wrong bytes in {audited.model.relative_to(audited.files)}: " \
        f"piece 1 (bytes {PIECE}-{last})"
    flip(audited.model, PIECE + 4711)
    audit = audited.run(day + 1)
    assert (audit["wrong_pieces"], audit["mended"]) == (0, 1)
    assert audited.reasons["integrity"].startswith("ok: ")


def test_what_is_known_survives_and_coverage_is_told(audited):
    first = audited.run(0)
    assert 0 < first["bytes"] <= 8 << 20 and first["never_bytes"] > 0
    assert re.fullmatch(r"ok: \d+ % of all bytes were verified in the last 30 days, \d+ % not yet",
                        audited.reasons["coverage"])
    second = audited.run(1)
    assert second["began"] == first["began"]
    assert second["counted"]["bytes"] == first["bytes"] + second["bytes"]
    for day in range(2, first["promise_days"] + 1):
        last = audited.run(day)
    assert last["never_bytes"] == 0
    assert re.fullmatch(r"ok: 100 % of all bytes were verified in the last 30 days, the oldest "
                        r"check is .+ old", audited.reasons["coverage"])
    late = audited.run(90, "--no-audit")
    assert late["verified_bytes"] == 0 and late["pieces"] == 0
    assert re.fullmatch(r"warning: 0 % of all bytes .+, the oldest check is [89]\d days old",
                        audited.reasons["coverage"])


def test_a_damaged_state_is_begun_anew_with_a_warning(audited):
    first = audited.run(0)
    with sqlite3.connect(audited.publisher.ferry.home / ".local/state/ferry/ops.db") as db:
        [[state]] = db.execute("SELECT audit FROM health_mirrors WHERE mirror = 'web'")
        damaged = bytes([*state[:40], state[40] ^ 1, *state[41:]])
        db.execute("UPDATE health_mirrors SET audit = ? WHERE mirror = 'web'", (damaged,))
    db.close()
    again = audited.run(1)
    assert "mirror web: the audit starts anew: the state of the rolling audit is damaged" in \
        audited.err
    assert again["began"] > first["began"] and again["counted"]["bytes"] == again["bytes"]
    assert audited.run(2)["began"] == again["began"] and "anew" not in audited.err


def test_a_day_s_budget_is_spent_once_and_nothing_with_no_audit(audited):
    assert audited.run(0)["pieces"] > 0
    for options in ([], [], ["--no-audit"]):
        assert audited.run(0, *options)["pieces"] == 0


def log_of(files, model, clients):
    """What nginx writes of complete downloads, three days ago."""
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3)
    return "".join(
        f'192.0.2.{i} - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "GET /{model.relative_to(files)} '
        f'HTTP/1.1" 200 {model.stat().st_size} "-" "curl/8"\n' for i in range(clients))


def test_what_people_fetch_is_read_first(audited):
    """One of three models is fetched; it is read before anything else, again and again."""
    publisher = audited.publisher   # noqa: F811
    publisher.configure()
    for seed in (2, 3):
        publisher.add_model(f"more{seed}", "6M", seed=seed)
    publisher("push", "-m", "a")
    hot = publisher.on("a", "*more2*.gguf")
    audited.set(budget="16M", more="[stats]\nkeep = 1y\n")
    log = publisher.dir / "access.log"
    log.write_text(log_of(audited.files, hot, 9))
    publisher("stats", "import", "--mirror", "web", log)
    for day in (0, 2):
        before = len(audited.server.requests())
        audited.run(day)
        read = [r.split() for r in audited.server.requests()[before:]]
        # Other checks ask for 32 bytes of an object.
        pieces = [r[1] for r in read if r[0] == "GET" and "/targets/" in r[1] and r[4] != "32"]
        assert pieces[0] == f"/{hot.relative_to(audited.files)}"
        assert len(pieces) > 1
