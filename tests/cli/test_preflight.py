"""What `ferry push` checks before its first byte."""

import pathlib
import resource
import subprocess

from conftest import BIN
from disks import SmallDisk
from published import mirror, outcomes, plain_user, publisher, signed_base  # noqa: F401


def checks(result, state=None):
    """(mirror, check) → row; those in this state."""
    return {(c.get("mirror"), c["check"]): c for c in result.json["checks"]
            if state in (None, c["state"])}


def in_the_way(publisher, name="b"):
    """A mirror whose folder cannot exist."""
    (publisher.dir / "file").write_text("in the way")
    return mirror(name, path="file/below")


def written(publisher):
    """Files on the mirrors, but for those of our own."""
    return [p for p in (publisher.dir / "mirrors").rglob("*")
            if p.is_file() and ".ferry" not in p.parts]


def test_a_preflight_shows_all_checks_and_writes_nothing(publisher):
    result = publisher("push", "--preflight", "--json")
    found = checks(result)
    assert {("a", "write"), ("a", "space"), ("c", "write"), (None, "expiry")} <= found.keys()
    assert not checks(result, "fault")
    assert result.json["changed"] is False
    assert not publisher.mirror().exists()
    text = publisher("push", "--preflight").out
    assert "space" in text and "can be pushed" in text
    publisher("push")
    again = publisher("push", "--preflight", "--json")
    assert {m for m, check in checks(again) if check == "space"} == {"a", "b", "c"}


def test_all_problems_of_all_mirrors_come_at_once_and_nothing_is_written(publisher):
    disk = SmallDisk(publisher.dir / "small", 1 << 20)
    publisher.ferry.env.update(disk.env)
    try:
        publisher.configure(mirror("a"), in_the_way(publisher), mirror("c", path="small/c"))
        for options in ([], ["--preflight"]):
            result = publisher("push", "--json", *options, check=7)
            faults = checks(result, "fault")
            assert faults.keys() == {("b", "write"), ("c", "space")}
            assert "is not a folder" in faults["b", "write"]["text"]
            assert "not enough space" in faults["c", "space"]["text"]
            assert faults["c", "space"]["hint"].startswith("free some space")
            assert faults["c", "space"]["class"] == "system"
            assert not written(publisher) and not (disk.path / "c").exists()
        assert outcomes(publisher("push", "--json", check=7)) == \
            {"a": "not-started", "b": "failed", "c": "failed"}
        text = publisher("push", check=7)
        assert "nothing was written" in text.err
        assert "is not a folder" in text.out and "free some space" in text.out
    finally:
        disk.close()


def test_a_mirror_with_a_fault_is_left_out_if_the_quorum_can_be_reached(publisher):
    publisher.configure(mirror("a"), in_the_way(publisher), mirror("c"),
                        more="[publish]\nquorum = 2\n")
    result = publisher("push", "--json", check=7)
    assert outcomes(result) == {"a": "done", "b": "failed", "c": "done"}
    assert publisher.release("a") == publisher.release("c") == result.json["release"]
    assert checks(result, "fault").keys() == {("b", "write")}


def test_a_fault_of_a_mirror_that_does_not_count_stops_nothing(publisher):
    publisher.configure(mirror("a"), in_the_way(publisher), more="[mirror.m]\nkind = file\n"
                        "path = file/m\nholds = metadata\n[publish]\nquorum = 1\n")
    result = publisher("push", "--json", check=7)
    assert outcomes(result) == {"a": "done", "b": "failed", "m": "failed"}


def test_a_folder_that_cannot_be_written_is_found_before_the_first_byte(publisher):
    publisher("push", "-m", "a")
    (publisher.mirror() / "targets").chmod(0o555)
    publisher.add_model("second", seed=2)
    process = subprocess.run(plain_user([str(BIN / "ferry-push")]), cwd=publisher.dir,
                             env=publisher.ferry.environment(None), capture_output=True, text=True)
    (publisher.mirror() / "targets").chmod(0o755)
    assert process.returncode == 7, process.stderr
    assert "mirrors/a/targets" in process.stderr and "ermission denied" in process.stderr
    assert not publisher.mirror("b").exists()


def test_a_limit_of_the_size_of_files_is_found_before_the_first_byte(publisher):
    limit = 8 << 20
    process = subprocess.run(
        [str(BIN / "ferry-push")], cwd=publisher.dir, env=publisher.ferry.environment(None),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True)
    assert process.returncode == 7
    assert "8.0 MiB" in process.stderr and "ulimit -f" in process.stderr
    assert not written(publisher)


def test_an_upload_that_was_interrupted_needs_only_the_rest_of_its_space(publisher):
    model = publisher.on("repository", "*tiny*.gguf").stat().st_size
    disk = SmallDisk(publisher.dir / "small", model + (2 << 20))
    publisher.ferry.env.update(disk.env)
    try:
        publisher.configure(mirror("a", path="small/a"))
        partial = disk.path / "a" / ".ferry" / "partial"
        partial.mkdir(parents=True)
        source = publisher.on("repository", "*tiny*.gguf")
        digest = source.name.partition(".")[0]
        (partial / f"{digest}.part").write_bytes(source.read_bytes()[:8 << 20])
        publisher("push")
    finally:
        disk.close()


def test_an_expired_release_is_not_pushed(publisher):
    result = publisher("push", "--json", check=6, at="+15 days")
    assert checks(result, "fault").keys() == {(None, "expiry")}
    assert "metadata/timestamp.json expired" in result.json["error"]["message"]
    assert "catalog refresh" in result.json["error"]["hint"]
    assert set(outcomes(result).values()) == {"not-started"}
    assert not written(publisher)


def test_a_repair_and_single_models_do_not_need_a_release_that_is_valid(publisher):
    publisher("push")
    publisher.on("a", "*tiny*.gguf").unlink()
    publisher("push", check=6, at="+15 days")
    publisher("push", "--repair", at="+15 days")
    publisher.on("a", "*tiny*.gguf").unlink()
    publisher("push", "--only", "tiny", at="+15 days")
    publisher.on("a", "*tiny*.gguf")


def test_a_release_that_expires_soon_is_a_warning(publisher):
    publisher("catalog", "refresh", "--expires", "timestamp=2h")
    result = publisher("push", "--json")
    soon = checks(result, "warning")[None, "expiry"]
    assert soon["text"].startswith("metadata/timestamp.json expires in ")
    assert "class" not in soon


def test_a_release_that_expires_before_the_push_ends_is_not_pushed(publisher):
    speeds = pathlib.Path(publisher.tree / ".ferry" / "speed")
    speeds.mkdir(parents=True)
    (speeds / "b").write_text("8\n")        # bytes per second
    result = publisher("push", "--json", check=6)
    assert "the push is likely to take" in result.json["error"]["message"]
    assert checks(result)["b", "time"]["text"].startswith("about ")
    assert not written(publisher)
    (speeds / "b").write_text("80000000\n")
    publisher("push")


def test_a_mirror_that_is_down_is_among_the_problems(publisher):
    publisher.configure(mirror("a"), mirror("z", kind="github", owner="o/o", repo="r"))
    result = publisher("push", "--preflight", "--json", check=2)
    assert ("z", "access") in checks(result, "fault")
