"""scripts/ops: systemd units, crontab, logrotate and nginx's log format, each judged by the program
that reads it."""

import json
import os
import pwd
import re
import subprocess
import urllib.request

import pytest

from conftest import BIN, ROOT
from servers import Nginx
from waiting import PATIENCE, until

OPS = ROOT / "scripts" / "ops"
SYSTEMD = OPS / "systemd"
SERVICES = sorted(SYSTEMD.glob("*.service"))
TIMERS = sorted(SYSTEMD.glob("*.timer"))
SOCKETS = sorted(SYSTEMD.glob("*.socket"))
# Those that are not started at times, but run, or are started by a connection.
SERVERS = ["ferry-serve"]
# Of 100: systemd calls everything up to 20 safe ("OK").
EXPOSURE = 15


def run(*command, cwd=None):
    return subprocess.run([str(c) for c in command], cwd=cwd, text=True, capture_output=True,
                          timeout=PATIENCE)


def commands():
    """(file, command) of all that the units and the crontab run."""
    found = [(path.name, line) for path in SERVICES if path.stem not in SERVERS
             for line in re.findall(r"^ExecStart=(.*)$", path.read_text(), re.M)]
    for line in crontab_lines():
        command = line.split(None, 6)[6].removesuffix(" >/dev/null")
        found += [("crontab", c.strip()) for c in re.split(r"&&|;", command)]
    return found


def crontab_lines():
    text = (OPS / "crontab").read_text()
    return [line for line in text.splitlines() if re.match(r"[*\d]", line)]


# -- systemd ---------------------------------------------------------------------------------------


def test_each_service_has_a_timer_or_a_socket():
    assert [p.stem for p in SERVICES if p.stem not in SERVERS] == [p.stem for p in TIMERS]
    assert [p.stem for p in SOCKETS] == SERVERS and len(TIMERS) >= 6


def test_systemd_finds_no_fault_in_the_units(work):
    units = SERVICES + TIMERS + SOCKETS
    for path in units:
        text = path.read_text().replace("ExecStart=ferry ", f"ExecStart={BIN.resolve()}/ferry ")
        (work / path.name).write_text(text)
    done = run("systemd-analyze", "verify", "--man=no", *[work / p.name for p in units])
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("path", SERVICES, ids=lambda p: p.stem)
def test_a_service_may_do_little_more_than_it_needs(path):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", path)
    assert done.returncode == 0, done.stdout
    # Without its settings it would not pass.
    assert run("systemd-analyze", "security", "--offline=true", "--threshold=5", path).returncode != 0


def test_the_services_are_confined_alike():
    sections = {re.sub(r"\n\[Install\].*", "", path.read_text().split("# What it may do")[1], flags=re.S)
                for path in SERVICES}
    assert len(sections) == 1


def test_the_user_and_the_folders_of_the_services_can_be_made(work):
    root = work / "root"
    (root / "etc").mkdir(parents=True)
    done = run("systemd-sysusers", f"--root={root}", SYSTEMD / "ferry.sysusers.conf")
    assert done.returncode == 0, done.stderr
    passwd = (root / "etc/passwd").read_text()
    user, home = re.search(r"^(ferry):.*:(.*):.*$", passwd, re.M).groups()
    for path in SERVICES:
        assert f"\nUser={user}\n" in path.read_text()
        assert f"\nStateDirectory={os.path.basename(home)}\n" in path.read_text()
    done = run("systemd-tmpfiles", "--create", f"--root={root}", SYSTEMD / "ferry.tmpfiles.conf")
    assert done.returncode == 0, done.stderr
    writes = " ".join(re.findall(r"^ReadWritePaths=(.*)$", "".join(p.read_text() for p in SERVICES), re.M))
    for folder in re.findall(r"^d (\S+)", (SYSTEMD / "ferry.tmpfiles.conf").read_text(), re.M):
        assert (root / folder.lstrip("/")).is_dir() and f"-{folder}" in writes.split()


def test_installed_units_run_the_installed_program(work):
    done = run("make", "-s", "install-ops", f"DESTDIR={work}", "PREFIX=/opt/x", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    ops = work / "opt/x/share/model-ferry/ops"
    assert sorted(p.relative_to(ops) for p in ops.rglob("*") if p.is_file()) == sorted(
        p.relative_to(OPS) for p in OPS.rglob("*") if p.is_file())
    for path in SERVICES:
        starts = re.findall(r"^ExecStart=(\S+)", (ops / "systemd" / path.name).read_text(), re.M)
        assert set(starts) == {"/opt/x/bin/ferry"}
    assert "\nPATH=/opt/x/bin:" in (ops / "crontab").read_text()
    assert "path: /opt/x/share/model-ferry/ops/grafana\n" in (ops / "grafana/provisioning.yml").read_text()


# -- cron ------------------------------------------------------------------------------------------


def test_the_crontab_has_the_jobs_of_the_units():
    for line in crontab_lines():
        minute, hour, day, month, weekday, user, command = line.split(None, 6)
        assert all(re.fullmatch(r"\*(/15)?|\d+", f) for f in (minute, hour, day, month, weekday))
        assert user == "ferry" and command.startswith("ferry ")
        assert "%" not in command       # cron would end the line there
    names = {re.sub(r'"?(\S*/|\$METRICS/)([\w-]+\.prom)"?', r"\2", c) for f, c in commands() if f == "crontab"}
    for file, command in commands():
        if file != "crontab":
            assert re.sub(r"\S*/([\w-]+\.prom)", r"\1", command) in names, command


# -- nginx and logrotate ---------------------------------------------------------------------------


@pytest.fixture
def logging_nginx(work):
    """With the log format of scripts/ops; .log is its access log."""
    folder = work / "served"
    folder.mkdir()
    (folder / "model").write_bytes(bytes(1000))
    log = work / "access.log"
    with Nginx(work, folder, http=(OPS / "nginx-log.conf").read_text(),
               extra=f"access_log {log} ferry_json;") as server:
        server.log = log
        yield server


def test_each_line_of_the_log_is_an_object_with_the_range_that_was_sent(logging_nginx):
    agent = 'a "quoted" agent\\ with {brackets}'
    request = urllib.request.Request(f"{logging_nginx.url}/model?token=x",
                                     headers={"Range": "bytes=100-199", "User-Agent": agent})
    assert len(urllib.request.urlopen(request, timeout=PATIENCE).read()) == 100
    lines = until(lambda: logging_nginx.log.read_text().splitlines(), logging_nginx.process)
    seen = json.loads(lines[-1])
    assert seen["status"] == 206 and seen["body_bytes_sent"] == 100
    assert seen["sent_http_content_range"] == "bytes 100-199/1000"
    assert seen["http_user_agent"] == agent and seen["request_method"] == "GET"
    assert seen["remote_addr"] == "127.0.0.1" and seen["request_uri"] == "/model?token=x"


def rotation(work, log, pid):
    """The rules of scripts/ops for a log of this test."""
    user = pwd.getpwuid(os.getuid()).pw_name
    text = (OPS / "logrotate").read_text()
    text = re.sub(r"^/\S+ \{", f"{log} {{", text, flags=re.M)
    text = re.sub(r"create 0640 \S+ \S+", f"create 0640 {user}", text)
    text = text.replace("/run/nginx.pid", str(pid))
    (work / "logrotate").write_text(text)
    (work / "logrotate").chmod(0o644)
    return lambda: run("logrotate", "--force", f"--state={work}/state", work / "logrotate")


def test_logrotate_keeps_the_log_and_the_server_goes_on_in_a_new_one(work, logging_nginx):
    log = logging_nginx.log
    rotate = rotation(work, log, logging_nginx.dir / "nginx.pid")

    def logged():
        urllib.request.urlopen(f"{logging_nginx.url}/model", timeout=PATIENCE).read()
        return log.exists() and log.read_text()
    for _ in range(3):
        until(logged, logging_nginx.process)
        done = rotate()
        assert done.returncode == 0, done.stderr
    until(logged, logging_nginx.process)
    assert sorted(p.name for p in work.glob(log.name + "*")) == [
        log.name, f"{log.name}.1", f"{log.name}.2.gz", f"{log.name}.3.gz"]
