"""ferry sync: one mirror brings another to its release, without the tree and without keys."""

import hashlib
import shutil
import signal

import pytest

from conftest import preloaded
from kills import Moments, at
from published import (PIECE, Publisher, flip, mirror, publisher, rewrite,  # noqa: F401
                       signed_base)
from waiting import communicate


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("[!.]*/**/*")
            if p.is_file()} | {p.name: p.read_bytes() for p in folder.glob("catalog.json*")}


def cached(publisher):
    """What sync keeps on this machine."""
    return [p for p in (publisher.dir / "home").rglob("ferry/sync/**/*") if p.is_file()]


@pytest.fixture
def pushed(publisher):
    """The release is on mirror a; b is empty."""
    publisher("push", "--mirror", "a")
    return publisher


# -- the normal course ------------------------------------------------------------------


def test_a_mirror_is_brought_to_the_release_of_another(pushed, validate):
    result = pushed("sync", "a", "b", "--json")
    validate(result.json, "output-sync")
    assert result.json["outcome"] == "done"
    assert result.json["copied_bytes"] > PIECE and result.json["read_bytes"] == 0
    assert result.json["release"] == pushed.release("b") == pushed.release("a")
    assert files(pushed.mirror("b")) == files(pushed.mirror("a"))
    pushed("verify", "--full", "--mirror", "b")
    again = pushed("sync", "a", "b", "--json")
    assert (again.json["outcome"], again.json["changed"]) == ("up-to-date", False)
    assert again.json["read_back"] == 0
    assert "is up to date" in pushed("sync", "a", "b").out


def test_a_new_release_copies_only_what_is_new(pushed):
    pushed("sync", "a", "b")
    pushed.add_model("second", seed=2)
    pushed("push", "--mirror", "a")
    result = pushed("sync", "a", "b", "--json")
    assert 0 < result.json["written_bytes"] < 6 << 20       # of 16 MiB
    assert files(pushed.mirror("b")).keys() <= files(pushed.mirror("a")).keys()
    pushed("verify", "--full", "--mirror", "b")


def test_neither_the_tree_nor_keys_are_needed_and_no_model_is_stored_here(pushed, nginx):
    """FROM is a web server; only its URL and the first root are known."""
    server = nginx(pushed.mirror("a"))
    root = pushed.dir / "1.root.json"
    shutil.copy(pushed.tree / "metadata/1.root.json", root)
    shutil.rmtree(pushed.tree)
    shutil.rmtree(pushed.dir / "keys")
    (pushed.dir / "ferry.conf").write_text(mirror("b"))
    result = pushed("sync", server.url, "b", "--root", root, "--json")
    assert result.json["from"] == server.url
    assert result.json["read_bytes"] > PIECE
    assert files(pushed.mirror("b")) == files(pushed.mirror("a"))
    kept = cached(pushed)
    assert kept and not [p for p in kept if p.name.endswith(".gguf")]
    assert sum(p.stat().st_size for p in kept) < 1 << 20


def test_a_mirror_of_ferry_conf_may_be_read_only(pushed, nginx):
    server = nginx(pushed.mirror("a"))
    pushed.configure(mirror("web", kind="http", url=server.url), mirror("b"))
    pushed("sync", "web", "b")
    assert files(pushed.mirror("b")) == files(pushed.mirror("a"))
    assert "read-only" in pushed("sync", "b", "web", check=2).err


def test_the_root_may_be_known_by_its_digest(pushed):
    digest = hashlib.sha256((pushed.tree / "metadata/1.root.json").read_bytes()).hexdigest()
    conf = "[repository.test]\nmetadata = https://unused.example/\nroot-sha256 = {}\n{}{}"
    (pushed.dir / "ferry.conf").write_text(conf.format(digest, mirror("a"), mirror("b")))
    pushed("sync", "a", "b")
    assert pushed.release("b") == pushed.release("a")
    (pushed.dir / "ferry.conf").write_text(conf.format("0" * 64, mirror("a"), mirror("b")))
    err = pushed("sync", "a", "b", check=6).err
    assert f"has the SHA-256 {digest}, but the pinned root-sha256 is {'0' * 64}" in err


def test_a_dry_run_tells_and_writes_nothing(pushed, validate):
    result = pushed("sync", "a", "b", "--dry-run", "--json")
    validate(result.json, "output-sync")
    assert result.json["outcome"] == "planned"
    assert result.json["planned"] == len(files(pushed.mirror("a")))
    assert not pushed.mirror("b").exists()
    text = pushed("sync", "a", "b", "-n").out
    assert "metadata/timestamp.json" in text and "Nothing was written" in text


def test_a_rotated_root_is_copied_with_all_before_it(pushed):
    pushed("catalog", "rotate", "timestamp")
    pushed("push", "--mirror", "a")
    pushed("sync", "a", "b")
    assert (pushed.mirror("b") / "metadata/2.root.json").exists()
    assert files(pushed.mirror("b")) == files(pushed.mirror("a"))
    pushed("verify", "--full", "--mirror", "b")


def test_metadata_of_delegated_roles_is_copied(pushed):
    pushed("catalog", "delegate", "--bins", 4)
    pushed.add_model("second", seed=2)
    pushed("push", "--mirror", "a")
    pushed("sync", "a", "b")
    assert len(list(pushed.mirror("b").glob("metadata/*bin*.json"))) == 4
    pushed("verify", "--full", "--mirror", "b")


def test_a_limit_of_the_rate_is_kept(pushed, nginx):
    """The clock is simulated: the pauses of the limit pass at once."""
    pushed.add_model("second", size="20M", seed=2)
    pushed("push", "--mirror", "a")
    server = nginx(pushed.mirror("a"))
    pushed.configure(mirror("web", kind="http", url=server.url), mirror("b"), mirror("c"))
    pushed("sync", "web", "b", "--limit-rate", "4MiB", env=preloaded("clock"))
    pushed("sync", "web", "c", "--limit-rate", "off", env=preloaded("clock"))
    speed = {p.name: int(p.read_text()) for p in cached(pushed) if p.parent.name == "speed"}
    assert speed["b"] < 4.4 * (1 << 20) < speed["c"]
    assert "--limit-rate" in pushed("sync", "web", "b", "--limit-rate", "fast", check=2).err


# -- what is wrong ----------------------------------------------------------------------


def test_a_corrupt_piece_is_named_and_not_copied(pushed):
    bad = pushed.on("a", "*tiny*.gguf")
    flip(bad, PIECE + 5)
    result = pushed("sync", "a", "b", check=6)
    key = str(bad.relative_to(pushed.mirror("a")))
    assert f"piece 1 (bytes {PIECE} to {bad.stat().st_size - 1})" in result.err
    assert f"mirror a: {key}" in result.err
    assert not list(pushed.mirror("b").rglob("targets/**/*.gguf"))
    assert pushed.release("b") is None
    flip(bad, PIECE + 5)
    pushed("sync", "a", "b")
    pushed("verify", "--full", "--mirror", "b")


def test_the_other_objects_are_copied_and_all_that_failed_are_named(pushed, nginx, validate):
    for seed, name in enumerate(("second", "third"), 2):
        pushed.add_model(name, seed=seed)
    pushed("push", "--mirror", "a")
    for name in ("tiny", "third"):
        flip(pushed.on("a", f"*{name}*.gguf"), 1000)
    server = nginx(pushed.mirror("a"))
    pushed.configure(mirror("a"), mirror("web", kind="http", url=server.url), mirror("b"))
    result = pushed("sync", "web", "b", "--json", check=6)
    validate(result.json, "output-sync")
    failed = {f["key"]: f["message"] for f in result.json["failed"]}
    assert sorted(k.split("/")[2] for k in failed) == ["third", "tiny"]
    assert all("mirror web" in m and "piece 0 (bytes 0 to " in m for m in failed.values())
    assert pushed.on("b", "*second*.gguf").read_bytes() == \
        pushed.on("a", "*second*.gguf").read_bytes()
    text = pushed("sync", "web", "b", check=6)
    assert text.out.count("not copied: ") == 2 and "2 objects were not copied" in text.err
    assert pushed.release("b") is None


def test_an_object_that_is_missing_is_named(pushed):
    lost = pushed.on("a", "*tiny*.gguf")
    lost.unlink()
    result = pushed("sync", "a", "b", check=3)
    assert lost.name in result.err and "mirror a" in result.err
    assert pushed.release("b") is None


def test_a_newer_release_is_not_changed(pushed):
    pushed("sync", "a", "b")
    pushed.add_model("second", seed=2)
    pushed("push", "--mirror", "b")
    before = files(pushed.mirror("b"))
    result = pushed("sync", "a", "b", check=8)
    assert "newer" in result.err
    assert files(pushed.mirror("b")) == before


def test_another_repository_is_not_changed(pushed):
    other = pushed.mirror("b") / "metadata" / "1.root.json"
    other.parent.mkdir(parents=True)
    pushed("catalog", "init", "--unencrypted", "--repository", pushed.dir / "other",
           "--keys", pushed.dir / "other-keys", "other")
    shutil.copy(pushed.dir / "other/metadata/1.root.json", other)
    assert "another repository" in pushed("sync", "a", "b", check=8).err


def test_another_root_is_refused(pushed):
    pushed("catalog", "init", "--unencrypted", "--repository", pushed.dir / "other",
           "--keys", pushed.dir / "other-keys", "other")
    result = pushed("sync", "a", "b", "--root", pushed.dir / "other/metadata/1.root.json",
                    check=6)
    assert "mirror a" in result.err
    assert not pushed.mirror("b").exists()


def test_without_a_root_nothing_is_trusted(pushed):
    (pushed.dir / "ferry.conf").write_text(mirror("a") + mirror("b"))
    assert "--root FILE" in pushed("sync", "a", "b", check=2).err


def test_an_expired_release_is_refused(pushed):
    assert "expired" in pushed("sync", "a", "b", check=6, at="+500 days").err
    assert not pushed.mirror("b").exists()


def test_a_source_that_went_back_is_refused(pushed):
    old = pushed.dir / "old"
    shutil.copytree(pushed.mirror("a"), old)
    pushed.add_model("second", seed=2)
    pushed("push", "--mirror", "a")
    pushed("sync", "a", "b")
    shutil.rmtree(pushed.mirror("a"))
    shutil.copytree(old, pushed.mirror("a"))
    pushed("sync", "a", "c", check=6)
    assert not pushed.mirror("c").exists()


def test_metadata_that_does_not_fit_together_is_refused(pushed):
    rewrite(pushed.mirror("a") / "catalog.json.minisig", b"untrusted comment: x\nnonsense\n")
    result = pushed("sync", "a", "b", check=6)
    assert "mirror a" in result.err
    assert not pushed.mirror("b").exists()


def test_one_mirror_is_no_pair(pushed):
    assert "the same mirror" in pushed("sync", "a", "a", check=2).err
    assert "no mirror 'x'" in pushed("sync", "a", "x", check=2).err
    pushed("sync", "a", check=2)


# -- interruptions ----------------------------------------------------------------------


def test_a_killed_sync_is_continued_and_readers_see_whole_releases(pushed, nginx):
    server = nginx(pushed.mirror("a"))
    pushed.configure(mirror("web", kind="http", url=server.url), mirror("b"))

    def run(env):
        pushed.forget("b")
        pushed("sync", "web", "b", env=env, check=None)

    for env in Moments(pushed.dir, run).some(12):
        run(env)
        if pushed.release("b"):
            pushed("verify", "--full", "--mirror", "b")
        pushed("sync", "web", "b")
        pushed("verify", "--full", "--mirror", "b")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_says_how_it_goes_on(pushed, nginx, number):
    server = nginx(pushed.mirror("a"))
    pushed.configure(mirror("web", kind="http", url=server.url), mirror("b"))
    moments = Moments(pushed.dir, lambda env: pushed("sync", "web", "b", env=env))
    pushed.forget("b")
    process = pushed.ferry.start("sync", "web", "b", env=at(moments.changes // 2, number=number))
    _, err = communicate(process)
    assert process.returncode == -number
    assert "stopped by signal" in err and "`ferry sync web b` continues" in err
    assert pushed.release("b") is None
    pushed("sync", "web", "b")
    pushed("verify", "--full", "--mirror", "b")


def test_the_command_that_continues_it_shows_no_password(pushed, nginx):
    url = nginx(pushed.mirror("a")).url.replace("://", "://user:hunter2@")
    pushed.configure(mirror("b"))
    moments = Moments(pushed.dir, lambda env: pushed("sync", url, "b", env=env))
    pushed.forget("b")
    process = pushed.ferry.start("sync", url, "b",
                                 env=at(moments.changes // 2, number=signal.SIGINT))
    out, err = communicate(process)
    assert process.returncode == -signal.SIGINT
    assert "`ferry sync http://***@" in err and "hunter2" not in out + err


def test_what_arrived_before_a_kill_is_not_read_again(pushed, fault_server):
    server = fault_server(pushed.mirror("a"))
    server.add(path="*.gguf", status=500, skip=1)
    pushed.configure(mirror("web", kind="http", url=server.url), mirror("b"))
    pushed("sync", "web", "b", check=4)
    assert pushed.release("b") is None
    server.mend()
    result = pushed("sync", "web", "b", "--json")
    assert result.json["read_bytes"] < PIECE
    pushed("verify", "--full", "--mirror", "b")


# -- shares -----------------------------------------------------------------------------


def test_shares_together_are_everything_and_the_last_run_shows_it(pushed, validate):
    pushed.add_model("second", seed=2)
    pushed("push", "--mirror", "a")
    written = 0
    for i in (1, 2, 3):
        result = pushed("sync", "a", "b", "--shard", f"{i}/3", "--json")
        validate(result.json, "output-sync")
        assert result.json["outcome"] == "objects-only"
        written += result.json["written"]
        assert pushed.release("b") is None
    assert not (pushed.mirror("b") / "metadata").exists()
    assert written == len(files(pushed.mirror("b"))) == 11
    last = pushed("sync", "a", "b", "--json")
    assert last.json["read_bytes"] == last.json["read_back"] == 0
    assert pushed.release("b") == last.json["release"]
    pushed("verify", "--full", "--mirror", "b")


def test_a_share_must_be_one_of_all(pushed):
    assert "not a share" in pushed("sync", "a", "b", "--shard", "4/3", check=2).err
