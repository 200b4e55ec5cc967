"""ferry prepare, except for what external tools do (test_prepare_tools.py)."""

import bz2
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import lzma
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import threading
import zipfile

import pytest

from disks import SmallDisk
from kills import Moments
from waiting import communicate, kill, locked, until


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, make_gguf):
    return make_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="session")
def big(tmp_path_factory, make_gguf):
    """About 24 MiB: long enough to be interrupted."""
    return make_gguf(tmp_path_factory.mktemp("big") / "big.gguf", "--size", "24M")


def nothing_visible(folder):
    """No model, manifest or card; only the work folder may be there."""
    folder = pathlib.Path(folder)
    return not folder.exists() or [p.name for p in folder.iterdir()] in ([], [".ferry-prepare"])


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def prepared(work, name="m", variant="q8_0"):
    return work / "models" / name / f"{name}-{variant}.gguf"


# -- local files ------------------------------------------------------------------------

def test_a_local_file_gets_its_name_manifest_and_card(ferry, work, tiny, validate):
    source = work / "source.gguf"
    shutil.copy(tiny, source)
    source.chmod(0o640)
    before = source.stat()
    result = ferry("prepare", "m", source, "--set", "license.id=MIT", "--set", "tags=chat,small",
                   "--json").json
    validate(result, "output-prepare")
    assert result["made"] and result["variant"] == "q8_0" and result["quantization"] == "Q8_0"
    file = result["files"][0]
    assert file["sha256"] == sha256(tiny) == sha256(prepared(work))
    assert file["target"] == "models/m/m-q8_0.gguf"
    manifest = json.loads((work / file["manifest"]).read_text())
    assert manifest["sha256"] == file["sha256"] and manifest["name"] == "m-q8_0.gguf"
    card = json.loads((work / "models/m/m.card.json").read_text())
    validate(card, "card")
    assert card["license"] == {"id": "MIT"} and card["tags"] == ["chat", "small"]
    assert card["title"] == "Ferry Test" and card["context_length"] == 2048
    variant = card["variants"][0]
    assert variant["ram"]["context"] == 2048 and variant["ram"]["bytes"] > variant["size"]
    # The source is as it was, and another file.
    after = source.stat()
    assert (after.st_mtime_ns, after.st_mode, after.st_size) == \
        (before.st_mtime_ns, before.st_mode, before.st_size)
    assert after.st_ino != prepared(work).stat().st_ino
    assert prepared(work).stat().st_mode & 0o777 == 0o444
    assert ferry("prepare", "m", source).out.splitlines()[-1] == "Next: ferry catalog add models/m"


def test_a_reference_names_model_and_variant(ferry, work, tiny, validate):
    result = ferry("prepare", "m:small", tiny, "--json")
    validate(result.json, "output-prepare")
    assert (result.json["name"], result.json["variant"]) == ("m", "small")
    assert prepared(work, "m", "small").exists()
    assert ferry("prepare", "m", tiny, "--variant", "small", "--json").json["made"] is False


def test_the_second_run_does_nothing(ferry, work, tiny):
    ferry("prepare", "m", tiny)
    files = {p: p.stat().st_mtime_ns for p in (work / "models/m").iterdir() if p.is_file()}
    result = ferry("prepare", "m", tiny, "--json").json
    assert not result["made"] and not result["card_changed"]
    assert result["files"][0]["sha256"] == sha256(tiny)
    assert files == {p: p.stat().st_mtime_ns for p in (work / "models/m").iterdir() if p.is_file()}
    assert "already prepared: nothing to do" in ferry("prepare", "m", tiny).out
    # The card alone can be changed.
    result = ferry("prepare", "m", tiny, "--set", "title=New", "--json").json
    assert not result["made"] and result["card_changed"]
    # What was touched is made again.
    prepared(work).unlink()
    assert ferry("prepare", "m", tiny, "--json").json["made"]


def test_a_second_variant_joins_the_card_that_a_person_edited(ferry, work, tiny, make_gguf, validate):
    ferry("prepare", "m", tiny)
    path = work / "models/m/m.card.json"
    card = json.loads(path.read_text())
    card["summary"] = "written by hand"
    card["variants"][0]["title"] = "Eight bits"
    path.write_text(json.dumps(card))
    ferry("prepare", "m", make_gguf(work / "f16.gguf", "--type", "f16"))
    card = json.loads(path.read_text())
    validate(card, "card")
    assert [v["id"] for v in card["variants"]] == ["q8_0", "f16"]
    assert card["summary"] == "written by hand" and card["variants"][0]["title"] == "Eight bits"


def test_a_card_that_an_editor_saved_with_a_byte_order_mark(ferry, work, tiny):
    ferry("prepare", "m", tiny)
    path = work / "models/m/m.card.json"
    text = path.read_text().replace("\n", "\r\n")
    path.write_bytes(text.encode("utf-8-sig"))
    ferry("prepare", "m", tiny, "--set", "title=New")
    assert json.loads(path.read_text(encoding="utf-8"))["title"] == "New"
    (work / "given.json").write_bytes(text.encode("utf-8-sig"))
    ferry("prepare", "m", tiny, "--card", "given.json")
    (work / "given.json").write_bytes(text.encode("utf-16"))
    ferry("prepare", "m", tiny, "--card", "given.json", "--set", "title=Newer")
    assert json.loads(path.read_text(encoding="utf-8"))["title"] == "Newer"


def test_a_given_card_wins(ferry, work, tiny):
    (work / "my.json").write_text(json.dumps({
        "format": "model-ferry-card", "version": 1, "id": "m", "title": "Mine",
        "summary": "short", "variants": []}))
    ferry("prepare", "m", tiny, "--card", "my.json")
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["title"] == "Mine" and card["family"] == "llama" and len(card["variants"]) == 1
    result = ferry("prepare", "other", tiny, "--card", "my.json", check=2)
    assert "is the card of 'm', not of 'other'" in result.err


def test_shards_are_found_ordered_and_named(ferry, work, make_gguf):
    (work / "x").mkdir()
    make_gguf(work / "x/x.gguf", "--shards", 3)
    shards = sorted((work / "x").glob("*.gguf"))
    assert len(shards) == 3
    files = ferry("prepare", "m", shards[0], "--json").json["files"]
    assert [pathlib.Path(f["path"]).name for f in files] == \
        [f"m-q8_0-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    assert [f["sha256"] for f in files] == [sha256(s) for s in shards]
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert len(card["variants"][0]["files"]) == 3
    # In any order, from the whole folder, too.
    again = ferry("prepare", "n", shards[2], shards[0], shards[1], "--json").json["files"]
    assert [f["sha256"] for f in again] == [f["sha256"] for f in files]
    assert len(ferry("prepare", "o", work / "x", "--json").json["files"]) == 3


def test_missing_and_foreign_shards_are_refused(ferry, work, make_gguf):
    make_gguf(work / "x.gguf", "--shards", 3)
    shards = sorted(work.glob("x-*.gguf"))
    result = ferry("prepare", "m", shards[0], shards[1], check=6)
    assert "belongs to a model with 3 shards, but 2 are given" in result.err
    result = ferry("prepare", "m", shards[0], shards[1], shards[1], check=6)
    assert "are both shard 2" in result.err
    shards[1].unlink()
    assert "x-00002-of-00003.gguf is missing" in ferry("prepare", "m", shards[0], check=3).err
    assert nothing_visible(work / "models/m")


def test_a_wrong_digest_gives_nothing(ferry, work, tiny):
    result = ferry("prepare", "m", tiny, "--sha256", "0" * 64, check=6)
    assert sha256(tiny) in result.err and "not the expected file" in result.err
    assert nothing_visible(work / "models/m")
    ferry("prepare", "m", tiny, "--sha256", sha256(tiny).upper())
    assert "1 file" in ferry("prepare", "m", tiny, *["--sha256", "0" * 64] * 2, check=2).err


def test_what_is_no_model_is_named(ferry, work, tiny):
    cases = {
        "page.gguf": (b"<!DOCTYPE html><html>Sign in</html>", "is an HTML page"),
        "pointer.gguf": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
                         "is a Git LFS pointer"),
        "error.gguf": (b'{"error":"Repository not found"}', "starts with: {\"error\":"),
        "denied.gguf": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
                        "is XML, not a model"),
        "empty.gguf": (b"", "is empty"),
        "old.bin": (b"tjgg\1\0\0\0" + b"x" * 100, "older than GGUF"),
        "model.bin": (b"\x80\x02}q\0", "Python pickle"),
        "cut.gguf": (tiny.read_bytes()[:500000], "the file is truncated"),
    }
    for name, (data, words) in cases.items():
        (work / name).write_bytes(data)
        result = ferry("prepare", "m", work / name, check=6)
        assert words in result.err, (name, result.err)
        assert "hint:" in result.err
        assert nothing_visible(work / "models/m")
    assert "no-such" in ferry("prepare", "m", "no-such.gguf", check=3).err


@pytest.mark.parametrize("args, words", [
    (["Phi 2", "x.gguf"], "is not valid"),
    (["../m", "x.gguf"], "is not valid"),
    (["m"], "a SOURCE is missing"),
    (["m", "ftp://host/x.gguf"], "is not supported"),
    (["m", "x.gguf", "https://host/x.gguf"], "either files or URLs"),
    (["m", "x.gguf", "--sha256", "12"], "is not a SHA-256"),
    (["m", "x.gguf", "--quantize", "Q4KM"], "unknown type"),
    (["m", "x.gguf", "--set", "titel=x"], "did you mean 'title'"),
    (["m", "x.gguf", "--set", "license.id"], "key=value"),
    (["m", "x.gguf", "--variant", "Q 4"], "is not valid"),
    (["m:Q 4", "x.gguf"], "is not valid"),
    (["m:a", "x.gguf", "--variant", "b"], "the variant is named twice"),
    (["m", ""], "a SOURCE is empty"),
    (["m", "s3://user:secret@host/x.gguf"], "s3://***@host"),
    (["--check", "x.gguf", "--quantize", "Q8_0"], "--check only validates"),
])
def test_mistakes_are_found_before_anything_is_done(ferry, work, args, words):
    result = ferry("prepare", *args, check=2)
    assert words in result.err + result.out
    assert not (work / "models").exists()


@pytest.fixture
def small_disk(ferry, work):
    """A file system of 8 MiB."""
    disk = SmallDisk(work / "small", 8 << 20)
    ferry.env.update(disk.env)
    yield disk.path
    disk.close()


def test_a_full_disk_is_told_before_the_work(ferry, big, small_disk):
    result = ferry("prepare", "m", big, "-o", small_disk / "m", check=7)
    assert "not enough space" in result.err
    assert nothing_visible(small_disk / "m")
    assert not list((small_disk / "m/.ferry-prepare").glob("scratch.*"))


def test_an_archive_that_unpacks_to_more_than_there_is_room(ferry, work, big, small_disk):
    tar_of(work / "big.tar", "w", ("big.gguf", big.read_bytes()))
    subprocess.run(["zstd", "-q", "-1", work / "big.tar"], check=True)
    result = ferry("prepare", "m", work / "big.tar.zst", "-o", small_disk / "m", check=7)
    assert "not enough space" in result.err and nothing_visible(small_disk / "m")
    assert not list((small_disk / "m/.ferry-prepare").glob("scratch.*"))


def test_folders_that_cannot_be_written_to(ferry, work, tiny):
    (work / "file").write_text("x")
    for folder in ("file", "file/m", "/proc/m"):
        result = ferry("prepare", "m", tiny, "-o", folder, check=7)
        assert folder in result.err
    assert (work / "file").read_text() == "x"


def test_the_output_folder_may_be_that_of_the_source(ferry, work, tiny):
    shutil.copy(tiny, work / "m-q8_0.gguf")
    ferry("prepare", "m", "m-q8_0.gguf", "-o", ".")
    assert sha256(work / "m-q8_0.gguf") == sha256(tiny)
    assert (work / "m-q8_0.gguf.manifest.json").exists() and (work / "m.card.json").exists()
    assert not ferry("prepare", "m", "m-q8_0.gguf", "-o", ".", "--json").json["made"]


def test_two_at_once_do_not_meet(ferry, work, tiny):
    ferry("prepare", "m", tiny)
    lock = work / "models/m/.ferry-prepare/lock"
    with locked(lock):
        assert "another process is preparing" in ferry("prepare", "m", tiny, check=8).err


# -- URLs -------------------------------------------------------------------------------

@pytest.fixture
def tree(work, tiny, big):
    root = work / "www"
    (root / "a").mkdir(parents=True)
    shutil.copy(tiny, root / "a/tiny.gguf")
    shutil.copy(big, root / "a/big.gguf")
    return root


def test_a_url_is_downloaded_and_named_in_the_card(ferry, work, tree, tiny, nginx, validate):
    server = nginx(tree)
    url = server.url + "/a/tiny.gguf"
    result = ferry("prepare", "m", url, "--json").json
    validate(result, "output-prepare")
    assert result["received"] == tiny.stat().st_size
    assert sha256(prepared(work)) == sha256(tiny)
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["source"] == {"url": url, "sha256": sha256(tiny)}
    assert not list((work / "models/m/.ferry-prepare").glob("download/*"))
    again = ferry("prepare", "m", url, "--json").json
    assert not again["made"] and again["received"] == 0
    assert sum(r.startswith("GET") for r in server.requests()) == 1
    # Another version on the server is another source.
    os.utime(tree / "a/tiny.gguf", (1, 1))
    assert ferry("prepare", "m", url, "--json").json["made"]


def test_it_resumes_after_kill_nine(ferry, work, tree, big, fault_server):
    server = fault_server(tree)
    url = server.url + "/a/big.gguf"
    size = big.stat().st_size
    part = work / "models/m/.ferry-prepare/download/big.gguf.part"
    for _ in range(3):
        server.mend()
        server.add(path="*.gguf", hold_after=5 << 20)
        begin = size_of(part)
        process = ferry.start("prepare", "m", url, start_new_session=True)
        until(lambda: size_of(part) >= begin + (4 << 20), process)
        kill(process)
        server.wait_until_quiet()
        assert nothing_visible(work / "models/m")
    server.mend()
    result = ferry("prepare", "m", url)
    assert "continuing at" in result.err
    assert sha256(prepared(work)) == sha256(big)
    # What was in flight at each kill is lost, no more.
    assert server.sent("*.gguf") <= size + 3 * (1 << 20)
    assert any(entry["range"] for entry in server.log)


def test_a_file_that_changed_is_not_mixed_with_the_old_one(ferry, work, tree, fault_server, make_gguf):
    server = fault_server(tree)
    server.add(path="*.gguf", hold_after=9 << 20)
    url = server.url + "/a/big.gguf"
    process = ferry.start("prepare", "m", url, start_new_session=True)
    part = work / "models/m/.ferry-prepare/download/big.gguf.part"
    until(lambda: size_of(part) >= 4 << 20, process)
    kill(process)
    make_gguf(tree / "a/big.gguf", "--size", "24M", "--seed", "another")
    server.mend()
    ferry("prepare", "m", url)
    assert sha256(prepared(work)) == sha256(tree / "a/big.gguf")


@pytest.mark.parametrize("changed", [False, True])
def test_without_etags_what_is_there_is_compared(ferry, work, tree, big, nginx, make_gguf, changed):
    slow = work / "slow"
    slow.touch()
    server = nginx(tree, extra="etag off; limit_rate_after 8m; "
                   f"if (-f {slow}) {{ set $limit_rate 1; }}")
    url = server.url + "/a/big.gguf"
    process = ferry.start("prepare", "m", url, start_new_session=True)
    part = work / "models/m/.ferry-prepare/download/big.gguf.part"
    until(lambda: size_of(part) >= 4 << 20, process)
    kill(process)
    slow.unlink()
    if changed:
        make_gguf(tree / "a/big.gguf", "--size", "24M", "--seed", "another")
    result = ferry("prepare", "m", url)
    assert ("starting over" in result.err) == changed
    assert sha256(prepared(work)) == sha256(tree / "a/big.gguf")
    ranges = [r.split()[2] for r in server.requests() if r.startswith("GET")]
    assert any(r.startswith("bytes=") for r in ranges)


@pytest.mark.usefixtures("no_pauses")
def test_cut_connections_are_mended(ferry, work, tree, big, fault_server):
    server = fault_server(tree)
    server.add(path="*.gguf", drop_every=5 << 20)
    result = ferry("prepare", "m", server.url + "/a/big.gguf", "--json")
    assert sha256(prepared(work)) == sha256(big)
    assert "continuing at" in result.err and "the connection dropped 4 times" in result.err
    assert result.json["received"] == big.stat().st_size


@pytest.mark.usefixtures("no_pauses")
def test_urls_are_fallbacks_for_each_other(ferry, work, tree, tiny, fault_server):
    dead, page, good = fault_server(tree), fault_server(tree), fault_server(tree)
    dead.add(status=404)
    page.add(html=True)
    result = ferry("prepare", "m", dead.url + "/a/tiny.gguf", page.url + "/a/tiny.gguf",
                   good.url + "/a/tiny.gguf")
    assert sha256(prepared(work)) == sha256(tiny)
    assert "404" in result.err and "is an HTML page" in result.err
    assert result.err.count("trying the next source") == 2
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["source"]["url"].startswith(good.url)


@pytest.mark.usefixtures("no_pauses")
def test_a_fallback_continues_what_another_began(ferry, work, tree, big, fault_server):
    first, second = fault_server(tree), fault_server(tree)
    first.add(path="*.gguf", methods=["GET"], drop_after=10 << 20, times=1)
    first.add(path="*.gguf", methods=["GET"], skip=1, status=404)
    ferry("prepare", "m", first.url + "/a/big.gguf", second.url + "/a/big.gguf")
    assert sha256(prepared(work)) == sha256(big)
    assert second.sent() <= big.stat().st_size - (10 << 20) + (1 << 20)


def test_a_lying_source_is_left_for_the_next_when_the_digest_is_known(ferry, work, tree, tiny,
                                                                      fault_server):
    liar, good = fault_server(tree), fault_server(tree)
    liar.add(path="*.gguf", flip_at=700000)
    result = ferry("prepare", "m", liar.url + "/a/tiny.gguf", good.url + "/a/tiny.gguf",
                   "--sha256", sha256(tiny))
    assert sha256(prepared(work)) == sha256(tiny)
    assert "not the expected file" in result.err
    result = ferry("prepare", "n", liar.url + "/a/tiny.gguf", "--sha256", sha256(tiny), check=6)
    assert "not the expected file" in result.err and nothing_visible(work / "models/n")


@pytest.mark.usefixtures("no_pauses")
def test_what_servers_send_instead_of_a_model(ferry, work, tree, fault_server):
    server = fault_server(tree)
    (tree / "a/pointer.gguf").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    (tree / "a/error.gguf").write_text('{"error": "gated"}')
    server.add(path="a/tiny.gguf", html=True)
    server.add(path="a/big.gguf", status=401)
    for name, code, words in (("tiny", 6, "is an HTML page"), ("pointer", 6, "Git LFS pointer"),
                              ("error", 6, "gated"), ("big", 5, "401"), ("none", 3, "404")):
        result = ferry("prepare", "m", f"{server.url}/a/{name}.gguf", check=code)
        assert words in result.err
        assert nothing_visible(work / "models/m")


@pytest.mark.usefixtures("no_pauses")
def test_a_server_out_of_reach_is_a_network_error(ferry, work, tree, fault_server):
    server = fault_server(tree)
    server.add(status=503)
    result = ferry("prepare", "m", server.url + "/a/tiny.gguf", server.url + "/a/x.gguf", check=4)
    assert "503" in result.err and "run the same command again later" in result.err


def test_a_shortened_answer_is_found(ferry, work, tree, fault_server):
    server = fault_server(tree)
    server.add(path="*.gguf", truncate=600000, no_length=True)
    result = ferry("prepare", "m", server.url + "/a/tiny.gguf", check=6)
    assert "the file is truncated" in result.err and nothing_visible(work / "models/m")
    # It is not taken for the file by the next run.
    server.mend()
    ferry("prepare", "m", server.url + "/a/tiny.gguf")


def test_the_source_can_be_kept_for_another_variant(ferry, work, tree, fault_server):
    server = fault_server(tree)
    url = server.url + "/a/tiny.gguf"
    ferry("prepare", "m", url, "--keep-source")
    sent = server.sent("*.gguf")
    result = ferry("prepare", "m", url, "--variant", "other", "--json")
    assert "already downloaded" in result.err
    assert result.json["made"] and result.json["received"] == 0 and server.sent("*.gguf") == sent
    assert not (work / "models/m/.ferry-prepare/download").exists()


@pytest.mark.usefixtures("no_pauses")
def test_one_shard_by_url_brings_the_others(ferry, work, make_gguf, fault_server):
    root = work / "www"
    root.mkdir()
    make_gguf(root / "x.gguf", "--shards", 3)
    a, b = fault_server(root), fault_server(root)
    b.add(path="*00002*", status=500)
    files = ferry("prepare", "m", b.url + "/x-00001-of-00003.gguf",
                  a.url + "/x-00001-of-00003.gguf", "--json").json["files"]
    assert [f["sha256"] for f in files] == [sha256(p) for p in sorted(root.glob("*.gguf"))]


def test_a_file_url_is_a_source_and_a_fallback(ferry, work, tiny, tree, fault_server):
    server = fault_server(tree)
    server.add(status=404)
    ferry("prepare", "m", server.url + "/a/tiny.gguf", f"file://{tiny}")
    assert sha256(prepared(work)) == sha256(tiny)
    assert "url" not in json.loads((work / "models/m/m.card.json").read_text()).get("source", {})
    assert "No such file" in ferry("prepare", "n", "file:///no/such.gguf", check=3).err


def test_secrets_in_urls_are_not_told(ferry, work, tree, fault_server):
    server = fault_server(tree)
    url = server.url.replace("//", "//user:hunter2@") + "/a/tiny.gguf?X-Amz-Signature=s3cr3t"
    result = ferry("prepare", "m", url, "-v")
    told = result.err + result.out + (work / "models/m/m.card.json").read_text()
    told += "".join(p.read_text() for p in (work / "models/m/.ferry-prepare").glob("*.json"))
    assert "hunter2" not in told and "s3cr3t" not in told


def test_an_interrupted_download_is_ended_by_the_signal(ferry, work, tree, fault_server):
    server = fault_server(tree)
    server.add(path="*.gguf", hold_after=4 << 20)
    process = ferry.start("prepare", "m", server.url + "/a/big.gguf")
    part = work / "models/m/.ferry-prepare/download/big.gguf.part"
    until(lambda: size_of(part) > 0, process)
    process.send_signal(signal.SIGINT)
    out, err = communicate(process)
    assert process.returncode == -signal.SIGINT and out == ""
    assert nothing_visible(work / "models/m")
    server.mend()
    assert "continuing at" in ferry("prepare", "m", server.url + "/a/big.gguf").err


def test_killed_at_any_moment_it_is_never_half_visible(ferry, work, big, fault_server):
    root = work / "www"
    root.mkdir()
    tar_of(root / "big.tar", "w", ("big.gguf", big.read_bytes()))
    server = fault_server(root)
    folder = work / "models/m"
    url = server.url + "/big.tar"
    moments = Moments(work, lambda env: ferry("prepare", "m", url, env=env))
    shutil.rmtree(folder)
    killed = 0
    for env in moments.some(12):
        result = ferry("prepare", "m", url, check=None, env=env)
        killed += result.code == -signal.SIGKILL
        for model in folder.glob("*.gguf"):
            assert sha256(model) == sha256(big)
        if (folder / "m.card.json").exists():
            assert (folder / "m-q8_0.gguf").exists()
            assert (folder / "m-q8_0.gguf.manifest.json").exists()
        if result.code == 0:
            shutil.rmtree(folder)
    assert killed > 6
    leftover = folder / ".m.card.json.abcdef.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    leftover.write_text("{")
    os.utime(leftover, (1, 1))
    ferry("prepare", "m", url)
    assert sha256(prepared(work)) == sha256(big) and not leftover.exists()
    assert not list((folder / ".ferry-prepare").glob("scratch.*"))


@pytest.mark.parametrize("fault", [{}, {"no_length": True}])
def test_a_disk_that_is_too_small_for_the_download(ferry, work, tree, fault_server, small_disk, fault):
    server = fault_server(tree)
    server.add(path="*.gguf", methods=["GET"], **fault)
    result = ferry("prepare", "m", server.url + "/a/big.gguf", "-o", small_disk / "m", check=7)
    assert "not enough space" in result.err or "No space left" in result.err
    assert "hint:" in result.err and nothing_visible(small_disk / "m")
    # Known beforehand, nothing is downloaded at all; a few blocks may be on the way.
    if not fault:
        assert server.sent("*.gguf") < 12 << 20


# -- archives ---------------------------------------------------------------------------

def tar_of(path, mode, *members):
    """Members are (name, bytes) or TarInfo."""
    quick = {"preset": 0} if mode == "w:xz" else {}
    with tarfile.open(path, mode, **quick) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz", "tar.bz2", "tar.zst", "zip", "gguf.gz",
                                    "gguf.xz", "gguf.bz2", "gguf.zst"])
def test_archives_of_each_kind(ferry, work, tiny, ending):
    data, path = tiny.read_bytes(), work / f"tiny.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.md", "hello")
            archive.writestr("x/tiny.gguf", data)
    elif ending == "tar.zst":
        tar_of(work / "t.tar", "w", ("x/tiny.gguf", data))
        subprocess.run(["zstd", "-q", work / "t.tar", "-o", path], check=True)
    elif ending.startswith("tar"):
        tar_of(path, "w" + ending[3:].replace(".", ":"), ("README.md", b"hello"), ("x/tiny.gguf", data))
    elif ending == "gguf.zst":
        subprocess.run(["zstd", "-q", tiny, "-o", path], check=True)
    else:
        pack = {"gguf.gz": gzip.compress, "gguf.bz2": bz2.compress,
                "gguf.xz": lambda data: lzma.compress(data, preset=0)}[ending]
        path.write_bytes(pack(data))
    ferry("prepare", "m", path)
    assert sha256(prepared(work)) == sha256(tiny)
    assert not list((work / "models/m/.ferry-prepare").glob("scratch.*"))


BAD_ARCHIVES = {
    "traversal": ([("x/../../evil.gguf", b"GGUF")], "leads out of the archive's folder"),
    "absolute": ([("{work}/evil.gguf", b"GGUF")], "has an absolute name"),
    "symlink": ([special("m.gguf", tarfile.SYMTYPE, "/etc/passwd")], "is a symbolic link"),
    "hardlink": ([("a", b""), special("m.gguf", tarfile.LNKTYPE, "a")], "is a hard link"),
    "device": ([special("m.gguf", tarfile.CHRTYPE)], "is a device"),
    "fifo": ([special("m.gguf", tarfile.FIFOTYPE)], "is a FIFO"),
    "twice": ([("m.gguf", b"GGUF"), ("m.gguf", b"GGUF")], "appears twice"),
    "bomb": ([("m.gguf", bytes(64 << 20))], "it is an archive bomb"),
    "many": ([(f"{i}", b"") for i in range(4097)], "more than 4096 entries"),
    "nothing": ([("README.md", b"hi"), ("LICENSE", b"hi")], "contains no model"),
    "pickles": ([("x/config.json", b"{}"), ("x/pytorch_model.bin", b"PK")], "Python pickles"),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archives_are_refused_and_leave_nothing(ferry, work, name):
    members, words = BAD_ARCHIVES[name]
    if name == "absolute":
        members = [(path.format(work=work), data) for path, data in members]
    path = tar_of(work / "bad.tar.gz", "w:gz", *members)
    result = ferry("prepare", "m", path, check=6)
    assert words in result.err and "hint:" in result.err
    assert nothing_visible(work / "models/m")
    assert not list((work / "models/m/.ferry-prepare").glob("scratch.*"))
    assert not (work / "evil.gguf").exists()


def test_truncated_encrypted_and_foreign_archives_are_named(ferry, work, tiny):
    whole = tar_of(work / "w.tar.gz", "w:gz", ("m.gguf", tiny.read_bytes())).read_bytes()
    (work / "cut.tar.gz").write_bytes(whole[:len(whole) // 2])
    assert "ends early" in ferry("prepare", "m", "cut.tar.gz", check=6).err
    # A zip entry with the flag of encryption.
    with zipfile.ZipFile(work / "e.zip", "w") as archive:
        archive.writestr("m.gguf", tiny.read_bytes()[:5000])
    data = bytearray((work / "e.zip").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    (work / "e.zip").write_bytes(data)
    assert "is encrypted" in ferry("prepare", "m", "e.zip", check=6).err
    (work / "x.rar").write_bytes(b"Rar!\x1a\x07\x01\0" + b"x" * 100)
    assert "is a RAR archive" in ferry("prepare", "m", "x.rar", check=6).err
    # Damage that only a checksum shows.
    with zipfile.ZipFile(work / "d.zip", "w") as archive:
        archive.writestr("m.gguf", tiny.read_bytes())
    data = bytearray((work / "d.zip").read_bytes())
    data[1000000] ^= 1
    (work / "d.zip").write_bytes(data)
    assert "CRC" in ferry("prepare", "m", "d.zip", check=6).err


def test_several_models_in_one_archive_are_listed(ferry, work, tiny):
    data = tiny.read_bytes()
    path = tar_of(work / "a.tar", "w", ("a.gguf", data), ("b.gguf", data))
    result = ferry("prepare", "m", path, check=2)
    assert "contains several models: a.gguf, b.gguf" in result.err
    # A projector beside it, and what macOS leaves, do not count.
    path = tar_of(work / "b.tar", "w", ("a.gguf", data), ("mmproj-a.gguf", data),
                  ("__MACOSX/._a.gguf", b"x"))
    ferry("prepare", "m", path)


def test_an_archive_by_url_and_its_digest(ferry, work, tiny, fault_server):
    root = work / "www"
    root.mkdir()
    path = tar_of(root / "m.tar.xz", "w:xz", ("m.gguf", tiny.read_bytes()))
    server = fault_server(root)
    ferry("prepare", "m", server.url + "/m.tar.xz", "--sha256", sha256(path))
    assert sha256(prepared(work)) == sha256(tiny)
    assert ferry("prepare", "n", path, "--sha256", "0" * 64, check=6)
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["source"] == {"url": server.url + "/m.tar.xz"}


def test_the_size_limit_of_archives_is_configured(ferry, work, tiny):
    path = tar_of(work / "a.tar", "w", ("a.gguf", tiny.read_bytes()))
    (work / "ferry.conf").write_text("[prepare]\narchive-max-size = 1M\n")
    assert "unpacks to more than 1.0 MiB" in ferry("prepare", "m", path, check=6).err


def test_a_download_without_a_length_has_a_ceiling(ferry, work):
    """A server that never ends is simulated."""
    class Endless(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(b"GGUF\3\0\0\0")
                while True:
                    self.wfile.write(bytes(1 << 16))

        do_HEAD = do_GET

        def log_message(self, *ignored):
            pass

    (work / "ferry.conf").write_text("[prepare]\ndownload-max-size = 3M\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/m.gguf"
        result = ferry("prepare", "m", url, check=6)
        server.shutdown()
    assert "gives no length, and sends more than 3.0 MiB" in result.err
    assert "download-max-size" in result.err
    kept = [p.stat().st_size for p in (work / "models/m").rglob("*.part")]
    assert sum(kept) == 0


def test_urls_as_people_paste_them(ferry, work, tiny, fault_server):
    root = work / "www"
    root.mkdir()
    shutil.copy(tiny, root / "m.gguf")
    url = fault_server(root).url
    ferry("prepare", "m", "  " + url.replace("http:", "HTTP:") + "/m.gguf\n")
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["source"]["url"] == url + "/m.gguf"
    ferry("prepare", "n", f"File://{tiny}")


@pytest.mark.parametrize("url, shown, hint", [
    ("http://h/my model.gguf", "http://h/my model.gguf: ", "%20"),
    ("http://u:p@ss@h/a.gguf", "http://***@h/a.gguf: ", "%40"),
    ("http://u:p/ss@h/a.gguf", "http://***@h/a.gguf: ", "%2F"),
    ("http://u:p#ss@h/a.gguf", "http://***@h/a.gguf: ", "%23"),
])
def test_a_malformed_url_is_said_once_with_a_hint(ferry, work, url, shown, hint):
    result = ferry("prepare", "m", url, check=2)
    assert result.err.count(shown) == 1 and result.err.count("://") == 1
    assert f"as {hint}" in result.err or f"{hint}\n" in result.err
    assert "ss@" not in result.err and not (work / "models").exists()


@pytest.mark.parametrize("source", ["127.0.0.1:1/a.gguf", "example.org/a.gguf", "localhost:80/a"])
def test_a_url_without_its_scheme_gets_a_hint(ferry, source):
    result = ferry("prepare", "m", source, check=3)
    assert "write https:// in front" in result.err
    assert "https://" not in ferry("prepare", "m", "./a.gguf", check=3).err


# -- --check ----------------------------------------------------------------------------

def test_check_gives_a_line_for_each_file(ferry, work, tiny, validate):
    shutil.copy(tiny, work / "good.gguf")
    (work / "page.gguf").write_text("<html>")
    (work / "long.gguf").write_bytes(tiny.read_bytes() + b"\0" * 100)
    result = ferry("prepare", "--check", "good.gguf", "page.gguf", "long.gguf", check=6)
    lines = result.out.splitlines()
    assert lines[0] == "good.gguf: ok (llama, Q8_0, 1.4 MiB)"
    assert lines[1].startswith("page.gguf: refused: ") and "HTML" in lines[1]
    assert lines[2].startswith("  hint: ")
    assert lines[3].startswith("long.gguf: warnings (") and lines[4].startswith("  warning: ")
    assert "1 of 3 files are refused" in result.err
    document = ferry("prepare", "--check", "--json", "good.gguf", "page.gguf", "long.gguf",
                     check=6).json
    validate(document, "output-prepare-check")
    assert [f["verdict"] for f in document["files"]] == ["ok", "refused", "warnings"]
    assert document["refused"] == 1 and document["error"]["exit"] == 6
    assert document["files"][0]["gguf"]
    assert not (work / "models").exists()


def test_check_of_good_files_is_zero_and_of_missing_ones_three(ferry, work, tiny, validate):
    ferry("prepare", "--check", tiny)
    result = ferry("prepare", "--check", tiny, "no-such.gguf", check=3)
    assert "no-such.gguf: unreadable: No such file" in result.out
    validate(ferry("prepare", "--check", "--json", tiny, "no-such.gguf", check=3).json,
             "output-prepare-check")
    ferry("prepare", "--check", check=2)


def test_a_refused_connection_is_not_said_to_be_continued_at_nothing(ferry, no_pauses):
    result = ferry("prepare", "tiny", "http://127.0.0.1:9/tiny.gguf", "-v", check=4)
    assert "trying again" in result.err and "continuing at" not in result.err
