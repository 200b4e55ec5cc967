"""`ferry store gc --max-size` and `--unused`, `ferry store remove`: least recently used first, and
never what is needed."""

import os

import pytest

from stocked import ALPHA, DAY, SPLIT, TWIN, configured, made_once, stock  # noqa: F401
from test_poor_file_systems import EVERYTHING, lacking


def gc(ferry, *options):
    return ferry("store", "gc", "--json", *options).json


def names(rows):
    return [f"{r['model']}:{r['variant']}" for r in rows]


def ages(stock, **days):  # noqa: F811
    for model, n in days.items():
        stock.use(f"{model}:f32", n)


# -- what goes -----------------------------------------------------------------------------


def test_gc_removes_what_was_not_used_for_the_longest_time_first(
        ferry, stock, validate):  # noqa: F811
    ages(stock, alpha=1, twin=2, split=3)
    size = ferry("store", "du", "--json").json["total"]
    document = gc(ferry, "--max-size", str(size - 1))
    validate(document, "output-store-gc")
    assert names(document["models"]) == [SPLIT] and document["kept"] == []
    assert document["bytes"] == document["models"][0]["bytes"] > 500000
    assert document["size"] == ferry("store", "du", "--json").json["total"] < size
    assert stock.has(ALPHA) and not stock.has(SPLIT)
    assert gc(ferry, "--max-size", str(size - 1))["models"] == []


def test_gc_removes_what_was_not_used_for_the_time(ferry, stock):  # noqa: F811
    ages(stock, alpha=10, twin=9, split=1)
    result = ferry("store", "gc", "--unused", "9d")
    assert not stock.has(ALPHA) and not stock.has(TWIN) and stock.has(SPLIT)
    first, second, last = result.out.splitlines()
    assert last.startswith("removed 2 models, 0 files without a model, ")
    assert first.startswith("removed: demo/alpha:f32, last used ")
    assert second.startswith("removed: demo/twin:f32, last used ")
    assert "kept:" not in result.err
    ferry("store", "verify")


def test_a_dry_run_of_gc_says_the_same_and_removes_nothing(ferry, stock):  # noqa: F811
    ages(stock, alpha=1, twin=2, split=3)
    (ferry.store / "blobs/sha256" / ("1" * 64)).write_bytes(bytes(20000))
    dry = gc(ferry, "--max-size", "0", "--dry-run")
    assert dry["dry_run"] and names(dry["models"]) == [SPLIT, TWIN, ALPHA]
    assert all(map(stock.has, (ALPHA, TWIN, SPLIT)))
    shown = ferry("store", "gc", "--max-size", "0", "-n", "-q").out
    assert shown.startswith("would remove: demo/split:f32, last used ")
    wet = gc(ferry, "--max-size", "0")
    assert {**wet, "dry_run": True, "size": dry["size"]} == dry and wet["size"] <= dry["size"]


def test_gc_without_these_options_removes_no_model(ferry, stock):  # noqa: F811
    ages(stock, alpha=1000, twin=1000, split=1000)
    document = gc(ferry)
    assert document["models"] == document["kept"] == [] and "size" not in document
    assert all(map(stock.has, (ALPHA, TWIN, SPLIT)))


@pytest.mark.parametrize("command", [
    ("fetch", "alpha"), ("fetch", "--offline", "alpha"), ("store", "path", "alpha"),
    ("run", "alpha", "--", "test", "-f", "{}"),
    ("run", "--offline", "alpha", "--", "test", "-f", "{}")])
def test_what_counts_as_a_use(ferry, stock, command):  # noqa: F811
    ages(stock, alpha=20, twin=10, split=5)
    ferry(*command)
    assert names(gc(ferry, "--unused", "4d", "--dry-run")["models"]) == [TWIN, SPLIT]


def test_looking_at_the_store_is_no_use(ferry, stock):  # noqa: F811
    ages(stock, alpha=20)
    for command in ("store", "list"), ("store", "verify"), ("store", "du"), ("list",), \
            ("show", "alpha"):
        ferry(*command)
    assert names(gc(ferry, "--unused", "19d", "--dry-run")["models"]) == [ALPHA]


def test_a_store_without_records_of_use_goes_by_the_time_of_the_fetch(ferry, stock):  # noqa: F811
    for model in ALPHA, TWIN, SPLIT:
        stock.used(model).unlink()
    record = stock.used(TWIN, ".variant.json")
    text = record.read_text()
    start = text.index('"fetched": "') + len('"fetched": "')
    record.write_text(text[:start] + "2020" + text[start + 4:])
    assert names(gc(ferry, "--unused", "30d")["models"]) == [TWIN]


# -- what stays ----------------------------------------------------------------------------


@pytest.fixture
def running(ferry, stock):  # noqa: F811
    """A program on alpha, that `ferry run` became."""
    script = 'echo started >&2; read x'
    process = ferry.start("run", "alpha", "--", "sh", "-c", script, "{}", stdin=-1)
    while "started" not in process.stderr.readline():
        assert process.poll() is None
    yield process
    process.communicate()


def test_gc_and_remove_leave_what_a_program_uses(ferry, stock, running):  # noqa: F811
    ages(stock, alpha=3, twin=2, split=1)
    result = ferry("store", "gc", "--max-size", "0")
    # The twin has the same file.
    assert result.err.count("a program uses it") == 2
    assert "nothing else can be removed" in result.err
    assert stock.has(ALPHA) and stock.has(TWIN) and not stock.has(SPLIT)
    refused = ferry("store", "remove", "alpha", check=8)
    assert "a program uses demo/alpha:f32" in refused.err and "--force" in refused.err
    assert stock.has(ALPHA)
    assert ferry("run", "alpha", "--", "test", "-f", "{}").code == 0
    running.communicate("\n")
    assert {*names(gc(ferry, "--max-size", "0")["models"])} == {TWIN, ALPHA}


def test_remove_with_force_takes_what_a_program_uses(ferry, stock, running):  # noqa: F811
    ferry("store", "remove", "--force", "alpha")
    assert not stock.has(ALPHA) and stock.has(TWIN)
    running.communicate("\n")
    assert running.returncode == 0


def test_gc_leaves_what_a_fetch_waits_for(ferry, stock):  # noqa: F811
    ages(stock, alpha=3, twin=2, split=1)
    record = stock.used(SPLIT, ".variant.json")
    stock.used(SPLIT, ".pending.json").write_text(record.read_text())
    document = gc(ferry, "--max-size", "0")
    assert [(k["model"], k["reason"]) for k in document["kept"]] == [("split", "waiting")]
    assert "its download is not finished" in ferry("store", "gc", "--max-size", "0").err
    # One that nobody waits for any more.
    path = stock.used(SPLIT, ".pending.json")
    os.utime(path, (path.stat().st_mtime - 2 * DAY,) * 2)
    assert names(gc(ferry, "--max-size", "0", "--partials", "1d")["models"]) == [SPLIT]


def test_gc_leaves_what_is_pinned_until_it_is_unpinned(ferry, stock):  # noqa: F811
    # A pin that cannot be read is one, too.
    stock.used(ALPHA, ".pinned").write_text("{")
    document = gc(ferry, "--max-size", "0")
    assert [(k["model"], k["reason"]) for k in document["kept"]] == [("alpha", "pinned")]
    assert names(document["models"]) == [SPLIT, TWIN]
    assert "it is pinned; `ferry unpin`" in ferry("store", "gc", "--max-size", "0").err
    assert "ferry unpin" in ferry("store", "remove", "--force", "alpha", check=8).err
    stock.used(ALPHA, ".pinned").unlink()
    assert names(gc(ferry, "--max-size", "0")["models"]) == [ALPHA]


def test_gc_leaves_what_an_engine_has_links_to(ferry, work, stock):  # noqa: F811
    ferry("store", "link", "split", "--engine", "directory", "--to", "engine")
    document = gc(ferry, "--max-size", "0")
    assert [(k["model"], k["reason"]) for k in document["kept"]] == [("split", "linked")]
    refused = ferry("store", "remove", "split", check=8).err
    assert "an engine's folder has links to demo/split:f32" in refused
    assert "`ferry store unlink demo/split:f32`" in refused
    ferry("store", "unlink", "split")
    assert names(gc(ferry, "--max-size", "0")["models"]) == [SPLIT]


def test_gc_leaves_a_model_whose_record_is_damaged_and_remove_takes_it(
        ferry, stock):  # noqa: F811
    stock.used(SPLIT, ".variant.json").write_text("{")
    document = gc(ferry, "--max-size", "0")
    assert [(k["model"], k["reason"]) for k in document["kept"]] == [("split", "damaged")]
    assert len(list((ferry.store / "blobs/sha256").iterdir())) == 2
    ferry("store", "remove", "split")
    ferry("store", "gc")
    assert not list((ferry.store / "blobs/sha256").iterdir())


# -- poor file systems -----------------------------------------------------------------------


@pytest.mark.parametrize("words", ["locks", EVERYTHING])
def test_without_simulated_locks_gc_leaves_what_was_used_within_the_hour(
        ferry, stock, words):  # noqa: F811
    ferry.env.update(lacking(words))
    ages(stock, alpha=1, twin=1, split=1)
    ferry("run", "alpha", "--", "test", "-f", "{}")
    document = gc(ferry, "--max-size", "0")
    assert [(k["model"], k["reason"]) for k in document["kept"]] == [("alpha", "used-lately")]
    assert names(document["models"]) == [SPLIT, TWIN]
    assert "within the last hour" in ferry("store", "gc", "--max-size", "0").err
    # Whoever names it means it.
    ferry("store", "remove", "alpha")
    assert not stock.has(ALPHA)


@pytest.mark.parametrize("words", ["locks", "links", EVERYTHING])
def test_gc_and_remove_free_all_on_a_simulated_poor_file_system(
        ferry, configured, words):  # noqa: F811
    """Of a store that was made there."""
    ferry.env.update(lacking(words))
    ferry("fetch", "alpha", "split", "twin")
    assert all(line.startswith("ok ") for line in ferry("store", "verify").out.splitlines())
    blobs = ferry.store / "blobs/sha256"
    before = ferry("store", "du", "--json").json
    freed = ferry("store", "remove", "split", "--json").json["freed"]
    after = ferry("store", "du", "--json").json
    assert before["total"] - after["total"] >= freed > 500000 and len(list(blobs.iterdir())) == 1
    for used in (ferry.store / "models").rglob(".used"):
        os.utime(used, (0, 0))
    assert len(gc(ferry, "--unused", "1d")["models"]) == 2
    assert not list(blobs.iterdir())
    assert not [p for p in (ferry.store / "models").rglob("*") if p.is_file()]


def test_where_times_cannot_be_set_the_use_is_that_of_the_simulated_file_system(
        ferry, stock):  # noqa: F811
    ages(stock, alpha=9, twin=9, split=9)
    ferry("store", "path", "alpha", env=lacking("times"))
    assert names(gc(ferry, "--unused", "8d")["models"]) == [SPLIT, TWIN]
