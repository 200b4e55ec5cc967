"""ferry push: what reaches the mirrors, in which state, whatever happens."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import BIN, TOOLS, Ferry, preloaded
from disks import SmallDisk
from kills import Moments, at
from published import (PIECE, Publisher, flip, mirror, outcomes, plain_user,  # noqa: F401
                       publisher, rewrite, signed_base)
from waiting import communicate, locked


# -- the normal course ------------------------------------------------------------------


def test_push_publishes_and_a_second_one_does_nothing(publisher, validate):
    result = publisher("push", "--json")
    validate(result.json, "output-push")
    assert outcomes(result) == {"a": "done", "b": "done", "c": "done"}
    assert result.json["changed"] is True
    assert result.json["holding"] == result.json["quorum"] == 3
    for name in "abc":
        assert publisher.release(name) == result.json["release"]
        copies = [p for p in publisher.mirror(name).glob("[!.]*/**/*") if p.is_file()]
        assert len(copies) == 11
        for copy in copies:
            original = publisher.tree / copy.relative_to(publisher.mirror(name))
            assert copy.read_bytes() == original.read_bytes()
    before = {p: p.stat().st_ino for p in publisher.mirror().rglob("*") if p.is_file()}
    again = publisher("push", "--json")
    validate(again.json, "output-push")
    assert again.json["changed"] is False
    assert set(outcomes(again).values()) == {"up-to-date"}
    assert sum(m["read_back"] for m in again.json["mirrors"]) == 0
    assert {p: p.stat().st_ino for p in publisher.mirror().rglob("*") if p.is_file()} == before
    assert "Nothing to do" in publisher("push").out


def test_a_dry_run_tells_and_writes_nothing(publisher, validate):
    result = publisher("push", "--dry-run", "--json")
    validate(result.json, "output-push")
    steps = result.json["mirrors"][0]["steps"]
    assert steps[-1]["key"] == "metadata/timestamp.json"
    assert {s["because"] for s in steps} == {"missing"}
    assert not any(s["written"] for s in steps)
    assert set(outcomes(result).values()) == {"planned"}
    assert not publisher.mirror().exists()
    text = publisher("push", "--dry-run").out
    assert "metadata/timestamp.json" in text and "Nothing was written" in text


def test_a_new_release_sends_only_what_is_new(publisher, validate):
    publisher("push")
    publisher.add_model("second", seed=2)
    result = publisher("push", "--json", "-v")
    validate(result.json, "output-push")
    steps = {s["key"]: s for s in result.json["mirrors"][0]["steps"]}
    sent = [k for k, s in steps.items() if s["written"]]
    assert not any("tiny" in key for key in sent)
    assert sum("second" in key for key in sent) == 4
    assert steps["metadata/1.root.json"]["because"] == "verified before"
    assert publisher.release("a") == result.json["release"]


def test_of_a_model_with_changed_metadata_only_the_first_piece_is_sent(publisher, validate):
    publisher.add_model("second", size="40M", seed=2)
    publisher("push")
    publisher.add_model("second", size="40M", seed=2, options=("--name", "longer " * 30))
    result = publisher("push", "--json")
    for m in result.json["mirrors"]:
        assert m["outcome"] == "done"
        assert m["copied_bytes"] >= 3 * PIECE
        assert m["written_bytes"] - m["copied_bytes"] < PIECE + (1 << 20)
    publisher("verify", "--full")


@pytest.fixture
def changed_model(publisher):
    """A mirror has a model of 5 pieces; the tree has a version with another last block."""
    publisher.configure(mirror("a"))
    publisher.add_model("large", "40M", seed=5)
    publisher("push")
    publisher.older = publisher.on("a", "*large*.gguf")
    publisher.add_model("large", "40M", seed=5, options=("--revision", "1"))
    return publisher


def test_pieces_of_an_older_version_are_copied_on_the_mirror(changed_model, validate):
    result = changed_model("push", "--json")
    validate(result.json, "output-push")
    pushed = result.json["mirrors"][0]
    assert 2 * PIECE <= pushed["copied_bytes"] < pushed["written_bytes"]
    changed_model("verify", "--full")
    changed_model.add_model("large", "40M", seed=5, options=("--revision", "2"))
    assert "copied there" in changed_model("push").out


def test_a_damaged_older_version_spoils_nothing(changed_model):
    changed_model("catalog", "prune")
    changed_model("catalog", "sign")
    whole = changed_model("push", "--dry-run", "--json").json["mirrors"][0]["planned_bytes"]
    for piece in range(5):
        flip(changed_model.older, piece * PIECE + 5000)
    result = changed_model("push", "--json").json["mirrors"][0]
    assert result["copied_bytes"] == 0 and result["written_bytes"] >= whole
    changed_model("verify", "--full")


def test_parts_go_where_they_are_held(publisher):
    publisher.configure(mirror("a"), mirror("b", holds="objects"), mirror("c", holds="metadata"))
    publisher("push")
    assert not (publisher.mirror("b") / "metadata").exists()
    # With the documents that lead from the metadata to the models and to other mirrors.
    assert sorted(p.name.split(".", 1)[1] for p in (publisher.mirror("c") / "targets").iterdir()) \
        == ["catalog.json", "index.jsonl.zst", "repository.json"]
    assert publisher.release("c") == publisher.release("a") is not None


def test_stage_first_then_promotion(publisher, validate):
    publisher.configure(mirror("a"), mirror("s", stage="yes"))
    publisher("push")
    old = publisher.release("a")
    publisher.add_model("second", seed=2)
    result = publisher("push", "--stage", "--json")
    validate(result.json, "output-push")
    assert outcomes(result) == {"a": "objects-only", "s": "done"}
    assert publisher.release("a") == old
    assert publisher.release("s") == result.json["release"] > old
    publisher.on("a", "*second*.gguf")
    publisher("verify", "--mirror", "s")
    promoted = publisher("push", "--json")
    assert outcomes(promoted) == {"a": "done", "s": "up-to-date"}
    stage, production = (publisher.mirror(n) / "metadata/timestamp.json" for n in "sa")
    assert stage.read_bytes() == production.read_bytes()


def test_stage_without_a_stage_is_a_usage_error(publisher):
    assert "no mirror is marked as stage" in publisher("push", "--stage", check=2).err


# -- mending ----------------------------------------------------------------------------


def test_damage_and_loss_are_mended(publisher):
    publisher("push")
    flip(publisher.on("a", "*tiny*.gguf"), 9_000_000)
    publisher.on("b", "*tiny*.gguf").unlink()
    publisher.on("c", "*.manifest.json").write_text("cut")
    publisher("verify", "--full", check=1)
    result = publisher("push", "--json")
    written = {m["id"]: m["written"] for m in result.json["mirrors"]}
    assert written == {"a": 1, "b": 1, "c": 1}
    publisher("verify", "--full")


def test_what_verify_found_wrong_is_mended_by_a_plain_push(publisher, validate):
    """A failing disk changes no times, so that push alone would trust its record."""
    publisher("push")
    path = publisher.on("b", "*tiny*.gguf")
    times = path.stat()
    flip(path, 5)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert publisher("push", "--json").json["changed"] is False
    publisher("verify", "--full", check=1)
    plan = publisher("push", "--dry-run", "--json")
    validate(plan.json, "output-push")
    assert [(s["key"].rpartition("/")[2], s["action"], s["because"])
            for m in plan.json["mirrors"] for s in m["steps"]] == \
        [(path.name, "check", "recorded as wrong")]
    result = publisher("push", "--json")
    assert {m["id"]: m["written"] for m in result.json["mirrors"]} == {"a": 0, "b": 1, "c": 0}
    publisher("verify", "--full")
    assert publisher("push", "--json").json["mirrors"][1]["read_back"] == 0


def test_damage_that_kept_its_time_is_mended_by_a_recheck(publisher):
    """A failing disk changes no times: without digests only reading everything finds it."""
    publisher("push")
    path = publisher.on("a", "*tiny*.gguf")
    times = path.stat()
    flip(path, 5)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    result = publisher("push", "--recheck", "--json")
    assert {m["id"]: m["written"] for m in result.json["mirrors"]} == {"a": 1, "b": 0, "c": 0}
    publisher("verify", "--full")


def test_a_damaged_timestamp_is_mended_not_a_conflict(publisher):
    publisher("push")
    path = publisher.mirror() / "metadata/timestamp.json"
    document = json.loads(path.read_text())
    document["signed"]["version"] += 1000
    rewrite(path, json.dumps(document).encode())
    publisher("push")
    assert publisher.release("a") == publisher.release("b")


def test_a_damaged_targets_file_is_mended_not_a_conflict(publisher):
    publisher("push")
    path = next((publisher.mirror() / "metadata").glob("*.targets.json"))
    rewrite(path, path.read_bytes().replace(b"tiny", b"tinx"))
    publisher("push")
    publisher("verify", "--full")


# -- a part of it ---------------------------------------------------------------------------


def names_on(publisher, name):
    return sorted(p.name.partition(".")[2] for p in publisher.mirror(name).rglob("*")
                  if p.is_file() and "targets/models" in str(p))


@pytest.mark.parametrize("pattern", ["second", "second:q8_0", "sec*", "*/second-q8_0.gguf"])
def test_only_sends_the_objects_of_a_model_and_shows_nothing(publisher, validate, pattern):
    publisher.add_model("second", seed=2)
    result = publisher("push", "--only", pattern, "--json")
    validate(result.json, "output-push")
    assert result.json["partial"] is True
    assert set(outcomes(result).values()) == {"objects-only"}
    for name in "abc":
        card = [] if "/" in pattern else ["second.card.json"]
        assert names_on(publisher, name) == [
            "second-q8_0.gguf", "second-q8_0.gguf.manifest.json",
            "second-q8_0.gguf.provenance.json", *card]
        assert not (publisher.mirror(name) / "metadata").exists()
    text = publisher("push", "--only", pattern).out
    assert "no new release until `ferry push` sends everything" in text
    full = publisher("push", "--json")
    assert {m["outcome"] for m in full.json["mirrors"]} == {"done"}
    assert publisher.release("a") == full.json["release"]
    publisher("verify", "--full")


def test_only_names_models_that_exist(publisher):
    assert "has no model 'tyni'" in publisher("push", "--only", "tyni", check=3).err
    assert "no file of a model matches 'x*'" in publisher("push", "--only", "x*", check=3).err
    assert not publisher.mirror().exists()


@pytest.mark.parametrize("options", [("--stage",), ("--prune",), ("--plan", "p")])
def test_only_and_repair_are_alone(publisher, options):
    for first in (("--only", "tiny"), ("--repair",)):
        assert "cannot be combined" in publisher("push", *first, *options, check=2).err
    assert "exclude each other" in publisher("push", "--only", "tiny", "--repair", check=2).err


def damage(publisher):
    """On a, a wrong byte that verify has found; b lacks a file, and c its catalog."""
    path = publisher.on("a", "*tiny*.gguf")
    times = path.stat()
    flip(path, 9_000_000)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    publisher.on("b", "*tiny*.gguf").unlink()
    (publisher.mirror("c") / "catalog.json").unlink()
    publisher("verify", "--full", check=1)


def test_repair_mends_the_release_that_the_mirrors_show(publisher, validate):
    publisher("push")
    damage(publisher)
    result = publisher("push", "--repair", "--json")
    validate(result.json, "output-push")
    assert {m["id"]: (m["written"], m["left_out"]) for m in result.json["mirrors"]} == \
        {"a": (1, 0), "b": (1, 0), "c": (1, 0)}
    publisher("verify", "--full")
    assert "Nothing to repair" in publisher("push", "--repair").out


def test_repair_publishes_nothing_new(publisher):
    publisher("push")
    old = publisher.release("a")
    damage(publisher)
    shutil.copytree(publisher.tree, publisher.dir / "first")
    publisher.add_model("second", seed=2)
    result = publisher("push", "--repair", "--json")
    written = {m["id"]: m["written"] for m in result.json["mirrors"]}
    # What is missing on b may be new, and catalog.json is.
    assert written == {"a": 1, "b": 0, "c": 0}
    assert all(m["left_out"] for m in result.json["mirrors"])
    for name in "abc":
        assert publisher.release(name) == old
        assert not [n for n in names_on(publisher, name) if "second" in n]
    publisher("verify", "--full", "--mirror", "a", "--repository", "first")
    assert "of a release that it does not show left out" in publisher("push", "--repair").out


def test_repair_of_an_empty_mirror_sends_nothing(publisher):
    result = publisher("push", "--repair", "--json")
    assert result.json["changed"] is False
    assert not publisher.mirror().exists()


def test_repair_mends_a_damaged_timestamp_of_a_complete_release(publisher):
    publisher.configure(mirror("a"), mirror("o", holds="objects"))
    publisher("push")
    rewrite(publisher.mirror() / "metadata/timestamp.json", b"{")
    publisher.on("o", "*tiny*.gguf").unlink()
    publisher("push", "--repair")
    publisher("verify", "--full")


# -- what must not be published -----------------------------------------------------------


def test_a_damaged_local_object_is_not_published(publisher, validate):
    path = publisher.on("repository", "*tiny*.gguf")
    flip(path, 9_000_000)
    result = publisher("push", "--json", check=6)
    validate(result.json, "output-push")
    assert result.json["error"]["class"] == "integrity"
    assert path.name in result.json["error"]["message"]
    assert "piece 1" in result.json["error"]["message"]
    for name in "abc":
        assert publisher.release(name) is None
        assert not list(publisher.mirror(name).glob("targets/**/*.gguf"))


def test_an_unsigned_tree_is_not_published(publisher):
    (publisher.tree / "metadata/timestamp.json").unlink()
    assert "timestamp.json is missing" in publisher("push", check=6).err
    for path in (publisher.tree / "metadata").iterdir():
        if path.name != "1.root.json":
            path.unlink()
    assert "catalog sign" in publisher("push", check=3).err


def test_another_publisher_is_a_conflict(publisher, validate):
    shutil.copytree(publisher.tree, publisher.dir / "old")
    publisher.add_model("second", seed=2)
    publisher("push")
    new = publisher.release("a")
    result = publisher("push", "--repository", "old", "--json", check=8)
    validate(result.json, "output-push")
    assert "newer" in result.json["error"]["message"]
    assert [publisher.release(n) for n in "abc"] == [new] * 3


def test_the_same_version_of_another_publisher_is_a_conflict(publisher):
    for name in ("one", "two"):
        shutil.copytree(publisher.tree, publisher.dir / name)
    for name, seconds in (("one", "timestamp=10d"), ("two", "timestamp=20d")):
        publisher("catalog", "refresh", "--repository", name, "--keys", "keys",
                  "--expires", seconds)
    publisher("push", "--repository", "one")
    held = (publisher.mirror() / "metadata/timestamp.json").read_bytes()
    publisher("push", "--repository", "two", check=8)
    assert (publisher.mirror() / "metadata/timestamp.json").read_bytes() == held


def test_a_mirror_of_another_repository_is_a_conflict(publisher, tmp_path_factory):
    publisher("push")
    other = Publisher(Ferry(tmp_path_factory.mktemp("other")))
    other.configure(mirror("a", path=publisher.mirror("a")))
    other("catalog", "init")
    other.add_model("third")
    result = other("push", check=8)
    assert "holds another repository" in result.err or "newer" in result.err


# -- several mirrors ----------------------------------------------------------------------


def broken(publisher, name="b"):
    """A mirror that looks good until a model is written to it."""
    folder = publisher.mirror("broken") / "targets"
    folder.mkdir(parents=True)
    (folder / "models").write_text("in the way of a folder")
    return mirror(name, path="mirrors/broken")


def test_one_bad_mirror_holds_the_release_back(publisher, validate):
    publisher.configure(mirror("a"), broken(publisher), mirror("c"))
    result = publisher("push", "--json", check=7)
    validate(result.json, "output-push")
    assert outcomes(result) == {"a": "held-back", "b": "failed", "c": "held-back"}
    assert result.json["holding"] == 2 and result.json["quorum"] == 3
    behind = {m["id"]: m["behind"] for m in result.json["mirrors"]}
    assert (behind["a"], behind["c"]) == (4, 4) and behind["b"] > 4
    assert re.search(r"^a +held-back +4 files behind, ", publisher("push", check=7).out)
    publisher.on("a", "*tiny*.gguf")
    assert publisher.release("a") is None
    publisher.configure()
    again = publisher("push", "--json")
    assert {m["id"]: m["written_bytes"] > PIECE for m in again.json["mirrors"]} == \
        {"a": False, "b": True, "c": False}


def test_a_new_root_is_held_back_with_its_release(publisher, nginx):
    """Readers follow a root at once, and would refuse the timestamp of the key that it removes."""
    publisher("push")
    reader = publisher.dir / "reader"
    reader.mkdir()
    root = publisher.tree / "metadata/1.root.json"
    shutil.copy(root, reader)

    def read():
        tool = [TOOLS / "tuf-client", "--metadata-dir", reader / "trust"]
        shutil.rmtree(reader / "trust", ignore_errors=True)
        (reader / "trust").mkdir()
        subprocess.run([*tool, "init", reader / "1.root.json"], check=True)
        return subprocess.run([*tool, "--metadata-url", f"{web.url}/metadata/", "refresh"],
                              capture_output=True, text=True)
    web = nginx(publisher.mirror("a"))
    assert read().returncode == 0
    publisher("catalog", "rotate", "timestamp")
    publisher.configure(mirror("a"), broken(publisher), mirror("c"))
    result = publisher("push", "--json", check=7)
    assert outcomes(result) == {"a": "held-back", "b": "failed", "c": "held-back"}
    assert not (publisher.mirror("a") / "metadata/2.root.json").exists()
    kept = read()
    assert kept.returncode == 0, kept.stderr
    publisher.configure(mirror("a"), mirror("c"))
    publisher("push")
    assert (publisher.mirror("a") / "metadata/2.root.json").exists()
    assert read().returncode == 0


def test_with_a_quorum_the_others_go_on(publisher):
    publisher.configure(mirror("a"), broken(publisher), mirror("c"), more="[publish]\nquorum = 2\n")
    result = publisher("push", check=7)
    assert "1 of 3 mirrors failed" in result.err
    assert publisher.release("a") is not None
    assert publisher.release("c") is not None


def test_a_named_mirror_alone(publisher):
    publisher("push", "--mirror", "b")
    assert publisher.release("b") is not None
    assert not publisher.mirror("a").exists()


def test_mirrors_that_are_not_named_count_for_the_quorum(publisher):
    publisher.configure(more="[publish]\nquorum = 2\n")
    result = publisher("push", "-m", "a", check=3)
    assert publisher.release("a") is None
    assert "1 of the 2 required mirrors" in result.err
    publisher("push", "-m", "a", "-m", "b")
    publisher("push", "-m", "a")


def test_a_read_only_kind_is_left_out(publisher):
    publisher.configure(mirror("a"), mirror("w", kind="http", url="http://127.0.0.1:1/"))
    result = publisher("push", "--json")
    assert outcomes(result) == {"a": "done", "w": "read-only"}
    assert "read-only" in publisher("push", "-m", "w", check=2).err


# -- usage --------------------------------------------------------------------------------


def test_an_unknown_mirror_is_named_with_the_nearest(publisher):
    publisher.configure(mirror("north"), mirror("south"))
    result = publisher("push", "--mirror", "nort", check=2)
    assert "there is no mirror 'nort'" in result.err
    assert "did you mean 'north'" in result.err


def test_without_configuration_it_says_what_to_do(ferry):
    result = ferry("push", check=2)
    assert "there is no ferry.conf" in result.err
    assert "--config" in result.err


def test_without_mirrors_it_says_what_to_add(publisher):
    (publisher.dir / "ferry.conf").write_text("[repository.test]\npath = repository\n")
    result = publisher("push", check=2)
    assert "has no mirror" in result.err and "ferry mirror add" in result.err


@pytest.mark.parametrize("section, says", [
    ("[publish]\nquorum = 9\n", "the quorum is 9"),
    ("[publish]\nquorum = 0\n", "at least 1"),
    ("[publish]\nquorun = 1\n", "did you mean 'quorum'"),
])
def test_a_wrong_publish_section_is_a_usage_error(publisher, section, says):
    publisher.configure(more=section)
    assert says in publisher("push", check=2).err
    assert not publisher.mirror().exists()


def test_a_mirror_that_cannot_be_opened_fails_alone(publisher):
    publisher.configure(mirror("a"), mirror("z", kind="github", owner="o/o", repo="r"),
                        more="[publish]\nquorum = 1\n")
    result = publisher("push", check=2)
    assert "'o/o' is not a valid name of an owner" in result.err
    assert publisher.release("a") is not None


# -- the local system -----------------------------------------------------------------------


def test_a_read_only_folder_is_an_error_of_the_system(publisher):
    publisher.mirror().mkdir(parents=True)
    publisher.mirror().chmod(0o555)
    publisher.configure(mirror("a"))
    process = subprocess.run(plain_user([str(BIN / "ferry-push")]), cwd=publisher.dir,
                             env=publisher.ferry.environment(None), capture_output=True, text=True)
    publisher.mirror().chmod(0o755)
    assert process.returncode in (5, 7), process.stderr
    assert "mirrors/a" in process.stderr and "ermission denied" in process.stderr


def test_a_full_disk_is_said_and_survived(publisher):
    disk = SmallDisk(publisher.dir / "small", 9 << 20)
    publisher.ferry.env.update(disk.env)
    try:
        publisher.configure(mirror("a", path="small/a"))
        result = publisher("push", check=7)
        assert "not enough space" in result.err
        assert "free some space" in result.err
        assert not (disk.path / "a/metadata/timestamp.json").exists()
        disk.resize(40 << 20)
        publisher("push")
        publisher("verify", "--full")
    finally:
        disk.close()


# -- interruption ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_releases(tmp_path_factory):
    """Trees of two releases, the second with a model of 40 MB more, and a mirror that has the
    first."""
    made = Publisher(Ferry(tmp_path_factory.mktemp("two")))
    made.configure(mirror("a"))
    made("catalog", "init")
    made.add_model("tiny")
    shutil.copytree(made.tree, made.dir / "first")
    made("push")
    shutil.copytree(made.mirror(), made.dir / "seed")
    made.add_model("large", "40M", seed=5)
    return made


def fresh_mirror(made):
    shutil.rmtree(made.mirror())
    shutil.copytree(made.dir / "seed", made.mirror())


def start_push(made, env=None):
    return subprocess.Popen([str(BIN / "ferry-push"), "--progress=none"], cwd=made.dir,
                            env=made.ferry.environment(env), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish_and_count(process):
    """Waits; returns the exit code and the bytes that it passed to write()."""
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    counters = pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines()
    written = dict(line.split(": ") for line in counters)["wchar"]
    return process.wait(), int(written)


def large_bytes(made):
    """What is on the mirror of the large model: finished, or in the making."""
    parts = list((made.mirror() / ".ferry/partial").glob("*.part"))
    done = list((made.mirror() / "targets").rglob("*large*.gguf"))
    return sum(p.stat().st_size for p in parts + done)


def assert_reader_sees_one_release(made):
    version = made.release("a")
    old = json.loads((made.dir / "first/metadata/timestamp.json").read_text())
    tree = "first" if version == old["signed"]["version"] else "repository"
    result = made("verify", "--repository", tree, "--json", check=None)
    bad = [f for m in result.json["mirrors"] for f in m["files"]
           if f["verdict"] not in ("ok", "unverified")]
    # The plain catalog.json and its signature go just before timestamp.json; no TUF client
    # reads them.
    assert [f for f in bad if not f["key"].startswith("catalog.json")] == []


@pytest.fixture(scope="module")
def moments(two_releases):
    """Those of a push to the mirror that has the first release."""
    two_releases("push")
    fresh_mirror(two_releases)
    return Moments(two_releases.dir, lambda env: two_releases("push", env=env))


def test_killed_at_twenty_random_moments(two_releases, moments):
    made = two_releases
    fresh_mirror(made)
    code, everything = finish_and_count(start_push(made))
    assert code == 0
    interrupted = 0
    for env in moments.some(20):
        fresh_mirror(made)
        process = start_push(made, env)
        process.communicate()
        if process.returncode == 0:     # what it remembers makes it a little shorter
            continue
        interrupted += 1
        assert process.returncode == -signal.SIGKILL
        assert_reader_sees_one_release(made)
        there = large_bytes(made)
        code, written = finish_and_count(start_push(made))
        assert code == 0
        # What was on the disk is not written again, but for the piece in flight.
        assert written <= everything - there + PIECE
        assert_reader_sees_one_release(made)
        assert made.release("a") == json.loads(
            (made.tree / "metadata/timestamp.json").read_text())["signed"]["version"]
    assert interrupted >= 15
    assert made("verify", "--full", "--json").json["mirrors"][0]["result"] == "ok"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_the_next_push_goes_on(two_releases, moments, number):
    made = two_releases
    fresh_mirror(made)
    made.configure(mirror("a", connections=1))      # then the files are sent in their order
    process = start_push(made, at(moments.changes * 2 // 5, number=number))
    _, err = process.communicate()
    made.configure(mirror("a"))
    assert process.returncode == -number
    assert PIECE <= large_bytes(made) < 44 << 20
    assert "stopped by signal" in err
    assert re.search(r"[1-9] of 17 files, [0-9.]+ [KM]iB of 44.0 MiB are on every mirror; "
                     r"`ferry push --progress=none` continues", err)
    assert_reader_sees_one_release(made)
    made("push")
    assert_reader_sees_one_release(made)


def test_two_pushes_at_once_do_no_harm(two_releases):
    made = two_releases
    fresh_mirror(made)
    both = [start_push(made) for _ in range(2)]
    codes = [p.wait() for p in both if communicate(p)]
    # Each may find an object that the other one is sending: then both are refused.
    assert set(codes) <= {0, 8}
    if 0 in codes:
        assert_reader_sees_one_release(made)
    made("push")
    assert_reader_sees_one_release(made)
    assert made("verify", "--full", "--json").json["mirrors"][0]["result"] == "ok"


def test_whoever_holds_the_lock_of_a_mirror_is_named_and_not_waited_for_for_ever(publisher):
    publisher.configure(mirror("a"))
    publisher("push")
    lock = publisher.mirror("a") / ".ferry" / "lock"
    publisher("catalog", "refresh")
    with locked(lock):
        lock.write_text("4711\n")
        result = publisher("push", check=8, env=preloaded("clock"))
    assert "locked by process 4711" in result.err and "end it if it hangs" in result.err
    assert lock.stat().st_mode & 0o777 == 0o600
    publisher("push")


def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(publisher):
    publisher.configure(mirror("a"))
    publisher("push")
    records = [p for p in (publisher.tree / ".ferry/push").rglob("*") if p.is_file()]
    assert records
    for record in records:
        record.unlink()
        os.mkfifo(record)
    publisher("verify", "--full")
    publisher("push")
