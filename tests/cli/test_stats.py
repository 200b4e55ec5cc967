"""Downloads are counted exactly: in any order of logs, over midnight, from several mirrors, with
ranges and resumes, once even if a log is imported twice or an import is killed."""

import contextlib
import fcntl
import gzip
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import termios

import pytest

import kills
import mmdb_file
from access_logs import CLIENTS, DAY, FIRST, Client, Request, World, by_day, by_variant, combined, \
    counted, fetch, moment
from disks import SmallDisk
from ops_metrics import STATS
from postgres import Postgres
from waiting import PATIENCE, until

# The last window has ended, and the first salt is not due for an hour: the clock goes on from here.
SETTLED = moment(FIRST + 4 * DAY - 3600)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, work):
    if request.param == "sqlite":
        return work / "ops.db"
    return request.getfixturevalue("postgres").url()

# How faketime ends when the command that it runs is killed.
FAKETIME_KILLED = 1


class Stats:
    def __init__(self, ferry, database, folder):
        self.ferry, self.database, self.folder = ferry, database, folder

    def load(self, *logs, at=SETTLED, **options):
        return self.ferry("stats", "import", "--json", "--database", self.database, "--catalog",
                          self.folder / "catalog.json", *logs, at=at, **options)

    def show(self, by):
        return counted(self.ferry("stats", "show", "--json", "--by", by, "--database",
                                  self.database))

    def is_true(self, world):
        assert self.show("variant") == world.sessions(by_variant)
        assert self.show("day") == world.sessions(by_day)


@pytest.fixture
def stats(ferry, database, work):
    return Stats(ferry, database, work)


@pytest.fixture
def local(ferry, work):
    return Stats(ferry, work / "ops.db", work)


def words(written):
    return [f"{mirror}={path}" for path, mirror in written.items()]


@pytest.mark.parametrize("seed", [1, 2])
def test_downloads_are_counted_exactly_in_any_order_of_logs(stats, work, seed):
    world = World(seed)
    logs = words(world.write(work))
    world.chance.shuffle(logs)
    while logs:
        count = world.chance.randrange(1, 5)
        stats.load(*logs[:count])
        logs = logs[count:]
    stats.is_true(world)
    # The same when their salts are destroyed.
    closed = stats.load(work / "eu-0.log", at=moment(FIRST + 30 * DAY))
    assert closed.json["days_closed"] >= 3
    stats.is_true(world)


def test_old_logs_are_counted_when_they_come_together(stats, work):
    world = World(3)
    done = stats.load(*words(world.write(work)), at=moment(FIRST + 400 * DAY))
    assert done.json["lines"]["late"] == 0 and done.json["open"] == 0
    stats.is_true(world)
    # What comes after that is counted as bytes, and said.
    before = stats.ferry("stats", "show", "--by", "mirror", "--json", "--database",
                         stats.database).json["rows"]
    late = World(4, downloads=5)
    (work / "late").mkdir()
    told = stats.load(*words(late.write(work / "late")), at=moment(FIRST + 400 * DAY)).json
    assert told["lines"]["late"] == len(late.requests)
    stats.is_true(world)
    after = stats.ferry("stats", "show", "--by", "mirror", "--json", "--database",
                        stats.database).json["rows"]
    sent = sum(r.size for r in late.requests if r.status < 400)
    assert sum(r["bytes"] for r in after) == sum(r["bytes"] for r in before) + sent


def test_a_log_counts_once_and_one_that_grows_is_read_on(local, work):
    world = World(5)
    logs = world.write(work, files=1)
    local.load(*words(logs))
    again = local.load(*words(logs)).json
    assert again["unchanged"] == len(logs) and again["total"] == 0
    local.is_true(world)
    o, client = world.objects[0], CLIENTS[4]
    more = Request(FIRST + DAY, o, client, "eu", 200, 0, o.size)
    with (work / "eu-0.log").open("a") as f:
        f.write(world.line(more) + "\n" + world.line(more)[:40])
    world.requests.append(more)
    grown = local.load("eu=eu-0.log").json
    assert grown["total"] == 1 and grown["torn"] == 1
    local.is_true(world)


def test_an_import_that_is_killed_at_any_moment_counts_nothing_twice(local, work):
    world = World(6)
    logs = words(world.write(work))

    def run(env):
        for file in work.glob("ops.db*"):
            file.unlink()
        return local.load(*logs, env=env, check=None)

    moments = kills.Moments(work, run)
    for env in moments.some(16):
        ended = run(env)
        assert ended.code == 0 or (ended.code, ended.out, ended.err) == (FAKETIME_KILLED, "", "Caught Killed\n")
        local.load(*logs)
        local.is_true(world)


def test_an_import_that_is_killed_at_any_request_to_postgresql_counts_nothing_twice(
        ferry, postgres, work):
    world = World(21)
    logs = words(world.write(work))

    def run(env):
        run.stats = Stats(ferry, postgres.url(), work)
        return run.stats.load(*logs, env=env, check=None)

    moments = kills.Moments(work, run)
    for env in moments.of_sends(6):
        run(env)
        run.stats.load(*logs)
        run.stats.is_true(world)


def test_one_fetch_from_three_mirrors_over_midnight_is_one_download(local, work):
    world = World(7, downloads=0)
    o, client = world.objects[1], Client(fetch("feedfacefeedface"), "192.0.2.1", "2001:db8::1")
    for i, mirror in enumerate(["eu", "us", "asia"]):
        world.requests.append(Request(FIRST + DAY - 30 + 25 * i, o, client, mirror, 206,
                                      i * 1400, min(1400, o.size - i * 1400)))
    local.load(*words(world.write(work)))
    assert local.show("variant") == {"m2:q8_0": {"downloads": 1, "bytes": 4096}}
    assert local.show("day") == {"2026-03-01": {"downloads": 1, "bytes": 4096}}
    rows = local.ferry("stats", "show", "--by", "mirror", "--csv", "--database",
                       local.database).out
    assert rows.splitlines()[0] == "name,downloads,partial,failed,open,bytes,requests,failures"
    assert sorted(line.split(",")[:2] for line in rows.splitlines()[1:]) == \
        [["asia", "1"], ["eu", "1"], ["us", "1"]]


def test_a_session_is_open_until_its_day_is_over(local, work):
    world = World(8, downloads=0)
    o = world.objects[0]
    world.requests.append(Request(FIRST + 100, o, CLIENTS[2], "us", 206, 0, 400))
    local.load(*words(world.write(work)), at=moment(FIRST + 200))

    def row():
        (found,) = local.ferry("stats", "show", "--json", "--database", local.database).json["rows"]
        return found["open"], found["partial"], found["downloads"]
    assert row() == (1, 0, 0)
    local.load("us=us-0.log", at=moment(FIRST + DAY + 50))
    assert row() == (1, 0, 0)
    local.load("us=us-0.log", at=moment(FIRST + DAY + 101))
    assert row() == (0, 1, 0)
    # A late log makes it complete.
    late = Request(FIRST + 300, o, CLIENTS[2], "us", 206, 400, 600)
    (work / "late.log").write_text(world.line(late) + "\n")
    local.load("us=late.log", at=moment(FIRST + DAY + 200))
    assert row() == (0, 0, 1)


def test_what_is_no_download_is_told_apart(local, work):
    world = World(9, downloads=0)
    o = world.objects[0]
    r = Request(FIRST, o, CLIENTS[2], "eu", 200, 0, o.size)
    lines = [
        combined(r, "192.0.2.1", "Googlebot/2.1"),
        combined(r, "192.0.2.1", "ferry-verify/1.0"),
        combined(r, "192.0.2.1", "ferry-health/1.0"),
        combined(r, "192.0.2.1", "curl/8").replace("GET", "HEAD"),
        combined(r._replace(status=416, size=0), "192.0.2.1", "curl/8"),
        combined(r._replace(status=304, size=0), "192.0.2.1", "curl/8"),
        combined(r._replace(time=FIRST + 9 * DAY), "192.0.2.1", "curl/8"),
        combined(r, "192.0.2.1", "curl/8", path="/wp-login.php"),
        combined(r, "192.0.2.1", "curl/8", path="/models/metadata/timestamp.json"),
        combined(r, "192.0.2.1", "curl/8", path=o.url.replace("m1", "m2")),
        "\x1b[31mno line of a log",
    ]
    world.write(work)
    (work / "eu.log").write_text("".join(line + "\n" for line in lines))
    told = local.load("eu=eu.log").json["lines"]
    assert told == {"counted": 0, "late": 0, "future": 1, "foreign": 1, "document": 2, "method": 1,
                    "range": 1, "status": 1, "bot": 1, "own": 2, "malformed": 1}
    assert local.show("model") == {}


def test_a_token_is_only_a_key_and_one_of_many_addresses_is_told(local, work):
    world = World(10, downloads=0)
    o = world.objects[0]
    one = Client(fetch("0000000000000000"), *[f"198.51.100.{i}" for i in range(64)])
    forged = [Client(f"ferry/1.2 (fetch; t={t})", "192.0.2.1")
              for t in ("0123456789ABCDEF", "012345678", "x" * 16, "0123456789abcdef; t=1")]
    for i, client in enumerate([one] * 64 + forged):
        world.requests.append(Request(FIRST + i, o, client, "eu", 200, 0, o.size))
    told = local.load(*words(world.write(work))).json
    assert told["shared_tokens"] == 1
    assert local.show("model") == {"m1": {"downloads": 5, "bytes": 5000}}


def test_neither_addresses_nor_agents_are_stored_and_salts_are_destroyed(stats, work, request):
    world = World(11)
    stats.load(*words(world.write(work)))
    if "postgresql" in str(stats.database):
        name = stats.database.rsplit("/", 1)[1]
        sql = request.getfixturevalue("postgres").sql
        assert sql("SELECT COUNT(*) FROM stats_day WHERE salt IS NOT NULL", name).strip() == "3"
        stats.load("us=us-0.log", at=moment(FIRST + 30 * DAY))
        assert sql("SELECT COUNT(*) FROM stats_day WHERE salt IS NOT NULL", name).strip() == "0"
        assert sql("SELECT COUNT(*) FROM stats_open", name).strip() == "0"
        return
    stored = b"".join(p.read_bytes() for p in work.glob("ops.db*"))
    for client in CLIENTS:
        for text in (client.agent, *client.addresses):
            assert len(text) < 4 or text.encode() not in stored
    salts = salts_of(work / "ops.db")
    assert len(salts) == 3
    stats.load("us=us-0.log", at=moment(FIRST + 30 * DAY))
    assert salts_of(work / "ops.db") == []
    stored = b"".join(p.read_bytes() for p in work.glob("ops.db*"))
    assert not any(salt in stored for salt in salts)


def salts_of(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [s for (s,) in db.execute("SELECT salt FROM stats_day WHERE salt IS NOT NULL")]


def test_a_second_import_says_which_process_is_running(local, work):
    world = World(12, downloads=1)
    world.write(work)
    first = local.ferry.start("stats", "import", "--database", local.database, "--catalog",
                              work / "catalog.json", "-", stdin=subprocess.PIPE)
    lock = work / "ops.db.import.lock"
    until(lambda: lock.exists() and lock.read_text().strip(), first)
    second = local.load("-", check=8)
    first.stdin.close()
    assert first.wait() == 0
    assert f"process {first.pid}" in second.err and "another import" in second.err


def unread(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


# What waits is the start, a pipe that nobody writes, and a compressed log that does not go on.
@pytest.mark.parametrize("where", ["-", "pipe", "compressed"])
def test_an_import_that_waits_for_a_pipe_can_be_stopped(local, work, where):
    World(12, downloads=1).write(work)
    os.mkfifo(work / "pipe")
    running = local.ferry.start("stats", "import", "--database", local.database, "--catalog",
                                work / "catalog.json", "pipe" if where == "pipe" else "-",
                                stdin=subprocess.PIPE)
    if where == "compressed":
        running.stdin.buffer.write(gzip.compress(os.urandom(4096))[:2048])
        running.stdin.buffer.flush()
        until(lambda: not unread(running.stdin), running)
    lock = work / "ops.db.import.lock"
    until(lambda: lock.exists() and lock.read_text().strip(), running)
    running.send_signal(signal.SIGINT)
    running.wait(PATIENCE)      # its standard input is open
    told = running.communicate()[1]
    assert running.returncode == -signal.SIGINT and "warning" not in told, told


@pytest.mark.parametrize("reads", [["show"], ["export", "--prometheus", "-"]])
def test_a_mistyped_database_is_not_made_by_reading(ferry, work, reads):
    told = ferry("stats", *reads, "--database", work / "absent.db", check=3)
    assert "absent.db: there is no such database" in told.err and "import" in told.err
    assert not (work / "absent.db").exists()


def test_a_damaged_database_is_left_alone(local, work):
    world = World(13, downloads=3)
    logs = words(world.write(work))
    local.load(*logs)
    path = work / "ops.db"
    data = bytearray(path.read_bytes())
    data[:4096] = b"no longer a database " * 195 + b"x"
    path.write_bytes(data)
    told = local.load(*logs, check=6)
    assert "ops.db" in told.err and "begin anew" in told.err
    assert path.read_bytes() == data
    shutil.move(path, work / "aside")
    for more in work.glob("ops.db-*"):
        more.unlink()
    local.load(*logs)
    local.is_true(world)


def test_metrics_are_those_that_rules_and_dashboards_may_name(local, work):
    world = World(14)
    local.load(*words(world.write(work)), "--prometheus", work / "stats.prom")
    text = (work / "stats.prom").read_text()
    names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert names == set(STATS)
    for name, labels in re.findall(r"^(ferry_\w+)(?:\{(.*)\})? \S+$", text, re.M):
        assert tuple(re.findall(r'(\w+)="', labels)) == STATS[name]
    exported = local.ferry("stats", "export", "--json", "--database", local.database,
                           "--prometheus", work / "again.prom").json
    assert exported["values"] == len([x for x in text.splitlines() if not x.startswith("#")])
    assert (work / "again.prom").read_text() == text


@pytest.mark.parametrize("form", [lambda c: {"country": {"iso_code": c}},
                                  lambda c: {"country_code": c}], ids=["nested", "flat"])
def test_countries_are_those_of_the_file_that_the_operator_names(local, work, form):
    world = World(15, downloads=0)
    o = world.objects[0]
    for i, address in enumerate(["192.0.2.7", "192.0.2.8", "2001:db8:1:2::3", "203.0.113.1"]):
        world.requests.append(Request(FIRST + i, o, Client("curl/8", address), "us", 200, 0,
                                      o.size))
    logs = words(world.write(work))
    mmdb_file.write(work / "countries.mmdb", {"192.0.2.0/24": form("DE"),
                                              "2001:db8::/32": form("FR")})
    (work / "ferry.conf").write_text("[stats]\ncountry = countries.mmdb\n")
    local.load(*logs)
    assert {name: row["downloads"] for name, row in local.show("country").items()} == \
        {"DE": 2, "FR": 1, "unknown": 1}
    (work / "no.mmdb").write_text("no database")
    told = local.load(*logs, "--country", work / "no.mmdb", check=2)
    assert "no.mmdb" in told.err and "MaxMind DB" in told.err


def test_after_a_full_disk_nothing_is_counted_twice(ferry, work):
    world = World(16, downloads=1000)
    logs = words(world.write(work))
    with contextlib.closing(SmallDisk(work / "disk", "1200k")) as disk:
        stats = Stats(ferry, disk.path / "ops.db", work)
        ferry.env.update(disk.env)
        stats.load("us=/dev/null")
        disk.fill()
        failed = stats.load(*logs, check=7)
        assert "ops.db" in failed.err and "free some space" in failed.err
        # With a little more room it gets a little further.
        disk.free("9m")
        size = sum(file.stat().st_size for file in disk.path.iterdir()) >> 10
        runs, ended = 0, None
        while ended != 0:
            size, runs = size + 24, runs + 1
            disk.resize(f"{size}k")
            ended = stats.load(*logs, check=None).code
            assert ended in (0, 7)
        assert runs > 3
        stats.load(*logs)
        stats.is_true(world)


def test_two_machines_that_import_at_the_same_time_count_everything(ferry, postgres, work):
    world = World(17, downloads=200)
    logs = words(world.write(work))
    stats = Stats(ferry, postgres.url(), work)
    stats.load("us=/dev/null")
    running = [ferry.start("stats", "import", "--database", stats.database, "--catalog",
                           work / "catalog.json", *share, env={"XDG_STATE_HOME": work / name})
               for name, share in (("one", logs[::2]), ("two", logs[1::2]))]
    assert [process.wait() for process in running] == [0, 0]
    lines = sum(int(row["requests"]) for row in ferry(
        "stats", "show", "--by", "mirror", "--json", "--database", stats.database).json["rows"])
    assert lines == len(world.requests)


def test_counters_never_go_back_when_late_logs_change_what_was_counted(local, work):
    world = World(18, downloads=0)
    o, client = world.objects[0], CLIENTS[2]
    world.requests.append(Request(FIRST, o, client, "us", 206, 0, 400))
    world.write(work)

    def totals():
        text = (work / "stats.prom").read_text()
        return {outcome: int(n) for outcome, n in re.findall(
            r'ferry_downloads_total\{model="m1",outcome="(\w+)"\} (\d+)', text)}

    prometheus = ["--prometheus", work / "stats.prom"]
    local.load("us=us-0.log", *prometheus)
    assert totals() == {"partial": 1, "complete": 0, "failed": 0}
    late = Request(FIRST + 300, o, client, "us", 206, 400, 600)
    (work / "late.log").write_text(world.line(late) + "\n")
    local.load("us=late.log", *prometheus)
    assert totals() == {"partial": 1, "complete": 1, "failed": 0}
    # The next partial one is the first that is.
    other = Request(FIRST + 900, o, CLIENTS[4], "us", 206, 0, 10)
    (work / "other.log").write_text(world.line(other) + "\n")
    local.load("us=other.log", *prometheus)
    assert totals() == {"partial": 1, "complete": 1, "failed": 0}
    assert local.show("model") == {"m1": {"downloads": 1, "partial": 1, "bytes": 1010}}


def test_logs_and_their_mirrors_can_be_named_in_ferry_conf(ferry, work):
    world = World(19, downloads=20)
    bucket = work / "bucket" / "access"
    bucket.mkdir(parents=True)
    world.write(bucket, files=1)
    (bucket / "catalog.json").rename(work / "catalog.json")
    (work / "logs").mkdir()
    (bucket / "eu-0.log").rename(work / "logs" / "eu-0.log")
    (work / "ferry.conf").write_text(
        "[stats]\ndatabase = statistics.db\ncatalogs = catalog.json\nkeep = 30d\n"
        "logs = eu=logs us=bucket:access/us asia=bucket:access/asia\n"
        "[mirror.bucket]\nkind = file\npath = bucket\n")
    for expected in (len(world.requests), 0):
        told = ferry("stats", "import", "--json", at=SETTLED).json
        assert told["total"] == expected and told["failed_logs"] == []
    stats = Stats(ferry, work / "statistics.db", work)
    stats.is_true(world)
    assert set(stats.show("mirror")) == {"eu", "us", "asia"}
    # Old days become one row, and the sums stay.
    ferry("stats", "import", at=moment(FIRST + 90 * DAY))
    assert set(stats.show("day")) == {"earlier"}
    assert stats.show("variant") == world.sessions(by_variant)


def test_a_log_that_is_gone_keeps_no_other_from_being_read(stats, work):
    world = World(21, downloads=5)
    logs = words(world.write(work))
    told = stats.load("gone.log", *logs, check=1)
    assert [f["log"] for f in told.json["failed_logs"]] == ["gone.log"]
    assert "gone.log: No such file" in told.err
    assert "[logs.NAME]" in stats.load("gone:prefix", *logs, check=1).err
    stats.is_true(world)
    assert stats.load("gone.log", check=3).json["error"]["class"] == "not-found"


def test_what_is_published_has_no_row_of_few_sessions(local, work):
    world = World(20, downloads=0)
    for i, o in enumerate(world.objects[:3]):
        for k in range((6, 3, 2)[i]):
            world.requests.append(Request(FIRST, o, Client("curl/8", f"192.0.2.{k}"), "us", 200, 0,
                                          o.size))
    local.load(*words(world.write(work)))
    rows = local.ferry("stats", "show", "--by", "variant", "--public", "--csv", "--database",
                       local.database).out.splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["m1:q8_0", "6"], ["other", "5"]]
