"""The benchmarks of the fetch and of the start, with small files. Their figures are not looked at."""

import os
import subprocess
import sys

import pytest

from conftest import BIN, ROOT, TOOLS

sys.dont_write_bytecode = True
ROWS = {
    "one": ["times the faster rclone", "times curl -o", "times curl and openssl dgst",
            "times aria2c -x8 --checksum", "CPU seconds per GiB"],
    "tls": ["times the faster curl -o"],
    "mirrors": ["times aria2c, unverified"],
    "corrupt": ["times the two good ones alone"],
    "many": ["times aria2c -i"],
    "resume": ["bytes that were there", "times a fetch of all"],
    "template": ["bytes downloaded"],
    "mix": ["of the model"],
    "grid": ["fetch-grid"],
}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A build folder with these programs, and files of its own."""
    folder = tmp_path_factory.mktemp("build")
    (folder / "bin").symlink_to(BIN)
    (folder / "tests").symlink_to(TOOLS)
    return folder


def bench(*args):
    done = subprocess.run([str(ROOT / "scripts" / "bench-fetch"), *map(str, args)],
                          capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("row", ROWS)
def test_the_bench_of_the_fetch_measures_each_row(build, row):
    code, out, err = bench("--quick", build, row)
    assert code == 0, err
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    for what in ROWS[row]:
        assert any(line.startswith(f"| {what}") or line.startswith(f"|   {what}")
                   for line in lines), out
    assert any(line.startswith(f"| {row} ") and "MiB" in line and "at most 128 MiB" in line
               for line in lines), out
    assert not list((build / "bench" / "fetch").glob("nginx-*")), "a server's folder is left"


def test_a_row_that_is_not_there_is_refused(build):
    code, out, err = bench("--quick", build, "nothing")
    assert code == 2 and "no row nothing: one, tls, mirrors" in err


def test_the_way_from_nothing_to_an_engine_is_measured(build):
    done = subprocess.run([ROOT / "scripts" / "bench-start", "--quick", build], text=True,
                          capture_output=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    for what in ("ferry: repository add", "ferry: run MODEL -- ENGINE {}", "  3 commands",
                 "aria2c --checksum", "ferry store link --engine ollama"):
        assert f"\n| {what}" in done.stdout
    assert [p.name for p in (build / "bench" / "start").iterdir()] == ["repository-3M"]


def test_the_import_of_logs_is_measured_beside_goaccess(build):
    done = subprocess.run([ROOT / "scripts" / "bench-stats", "--quick", build], text=True,
                          capture_output=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    for what in ("GoAccess", "ferry stats import", "ferry stats import, a second time"):
        assert f"\n| {what} " in done.stdout
    assert (build / "bench" / "stats" / "access-20000.log").exists()


def test_the_health_of_many_mirrors_is_measured(build):
    done = subprocess.run(
        [str(ROOT / "scripts" / "bench-health"), str(build), "12"], capture_output=True, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "MIRRORS": "2", "DEADLINE": "1"})
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert "2 ok; " in rows[1] and "coverage from 100 %" in rows[1], done.stdout
    assert "2 silent mirrors, deadline 1 s" in rows[4] and "2 critical" in rows[4]


def test_the_bench_of_the_site_measures_each_row_and_pages_are_light(build):
    done = subprocess.run([str(ROOT / "scripts" / "bench-site"), str(build), "120"],
                          capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    rows = {cells[1].strip(): cells[2].strip()
            for cells in (line.split("|") for line in done.stdout.splitlines()) if len(cells) > 2}
    assert {"all of it", "again, nothing changed", "after one model changed",
            "with --push to a folder", "the same after one model changed"} <= set(rows)
    weights = [float(value.split()[0]) for what, value in rows.items() if "first paint" in what]
    assert len(weights) == 2 and all(0 < kilobytes < 100 for kilobytes in weights), rows
