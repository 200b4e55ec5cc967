"""ferry manifest: against sha256sum and a second implementation of the pieces, on what is
damaged, missing, too much or unreadable, and when the disk is full."""

import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys

import pytest
from conftest import BIN
from kills import at
from waiting import communicate, stopped

PIECE = 8 << 20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def noise(size, seed=1):
    """Bytes without a period that a piece could hide."""
    block = b"".join(hashlib.sha256(struct.pack("<QQ", seed, i)).digest() for i in range(4096))
    parts = [struct.pack("<QQ", seed, i) + block for i in range(size // len(block) + 1)]
    return b"".join(parts)[:size]


def flip(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ 1]))


def statuses(result):
    return {f["path"]: f["status"] for f in result.json["files"]}


@pytest.fixture(scope="module")
def big():
    return noise(3 * PIECE + 5)


@pytest.fixture
def model(work, make_gguf):
    return make_gguf(work / "tiny.gguf")


# -- create ------------------------------------------------------------------------------

def test_manifest_of_a_gguf_is_right_to_the_tensor(ferry, work, validate, model):
    result = ferry("manifest", "create", model)
    assert result.out == f"{model}.manifest.json\n"
    document = json.loads((work / "tiny.gguf.manifest.json").read_text())
    validate(document, "manifest")
    data = model.read_bytes()
    assert document["name"] == "tiny.gguf"
    assert document["size"] == len(data)
    assert document["sha256"] == sha256(data) == document["pieces"][0]
    gguf = document["gguf"]
    assert gguf["architecture"] == "llama"
    assert gguf["tensor_count"] == len(gguf["tensors"]) > 10
    assert gguf["header"]["sha256"] == sha256(data[:gguf["header"]["size"]])
    end = gguf["header"]["size"]
    for tensor in gguf["tensors"]:
        assert tensor["offset"] >= end
        end = tensor["offset"] + tensor["size"]
        assert tensor["sha256"] == sha256(data[tensor["offset"]:end]), tensor["name"]
    assert end <= len(data)


def test_pieces_and_their_root(ferry, work, validate, big):
    (work / "plain.bin").write_bytes(big)
    result = ferry("manifest", "create", "--json", "plain.bin")
    validate(result.json, "output-manifest-create")
    assert result.json["files"][0] == {
        "path": "plain.bin", "manifest": "plain.bin.manifest.json", "size": len(big),
        "sha256": sha256(big), "piece_length": PIECE, "pieces": 4, "gguf": False}
    document = json.loads((work / "plain.bin.manifest.json").read_text())
    validate(document, "manifest")
    pieces = [sha256(big[i:i + PIECE]) for i in range(0, len(big), PIECE)]
    assert document["pieces"] == pieces
    assert document["pieces_sha256"] == sha256(b"".join(map(bytes.fromhex, pieces)))
    assert "gguf" not in document


def test_empty_file(ferry, work, validate):
    (work / "empty").touch()
    document = json.loads(ferry("manifest", "create", "--stdout", "empty").out)
    validate(document, "manifest")
    assert document["size"] == 0 and document["pieces"] == []
    assert document["sha256"] == document["pieces_sha256"] == sha256(b"")
    assert not (work / "empty.manifest.json").exists()


def test_output_goes_where_it_is_told(ferry, work, model):
    (work / "out").mkdir()
    ferry("manifest", "create", "-o", "out/m.manifest.json", model)
    assert sorted(p.name for p in (work / "out").iterdir()) == ["m.manifest.json"]
    assert not (work / "tiny.gguf.manifest.json").exists()
    twice = ferry("manifest", "create", "--stdout", model).out
    assert twice == (work / "out" / "m.manifest.json").read_text()


@pytest.mark.parametrize("arguments, message", [
    (["--stdout", "-o", "x", "tiny.gguf"], "exclude each other"),
    (["--stdout", "--json", "tiny.gguf"], "exclude each other"),
    (["--stdout", "tiny.gguf", "tiny.gguf"], "--stdout takes one FILE only"),
    (["-o", "x", "tiny.gguf", "tiny.gguf"], "--output takes one FILE only"),
    (["-o", "tiny.gguf", "tiny.gguf"], "would replace the file itself"),
    (["--sums", "tiny.gguf", "tiny.gguf"], "tiny.gguf"),
    (["-o", ".", "tiny.gguf"], "is a folder"),
    (["."], "not a regular file"),
    (["--sums", "home/SUMS", "tiny.gguf"], "is not below the folder of"),
    ([], "operands are missing"),
])
def test_create_usage(ferry, model, arguments, message):
    before = model.read_bytes()
    result = ferry("manifest", "create", *arguments, check=None)
    assert result.code in (2, 6)
    assert message in result.err
    assert model.read_bytes() == before


def test_missing_file_and_missing_folder(ferry, model):
    assert "none.gguf: No such file" in ferry("manifest", "create", model, "none.gguf",
                                              check=3).err
    assert os.path.exists(f"{model}.manifest.json"), "the others are done"
    assert "none/x" in ferry("manifest", "create", "-o", "none/x", model, check=3).err


def test_what_calls_itself_gguf_must_be_one(ferry, work, validate):
    (work / "page.gguf").write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    result = ferry("manifest", "create", "--json", "page.gguf", check=6)
    validate(result.json, "error")
    assert "page.gguf" in result.err
    assert not (work / "page.gguf.manifest.json").exists()
    (work / "cut.bin").write_bytes(b"GGUF\x03\0\0\0")
    ferry("manifest", "create", "cut.bin", check=6)


# -- SHA256SUMS --------------------------------------------------------------------------

def test_sha256sum_reads_what_we_write(ferry, work, model):
    (work / "sub").mkdir()
    names = ["a b", "back\\slash", "new\nline", "-dash", "sub/deep", "\u00e4\u20ac"]
    for name in names:
        (work / name).write_bytes(name.encode())
    ferry("manifest", "create", "--sums", "SHA256SUMS", "--", "tiny.gguf", "sub/deep", check=0)
    for name in names:
        # Names that no mirror could hold are for sha256sum to list, and for us to read.
        if "\\" in name or "\n" in name:
            ferry("manifest", "create", "--sums", "SHA256SUMS", "--", name, check=2)
        else:
            ferry("manifest", "create", "--sums", "SHA256SUMS", "--", name)
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=work, check=True,
                   stdout=subprocess.DEVNULL)
    assert len((work / "SHA256SUMS").read_text().splitlines()) == 5


@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]])
def test_we_read_what_sha256sum_writes(ferry, work, options):
    names = ["plain", "a b", "back\\slash", "new\nline", "./dotted", "x) = y"]
    for name in names:
        (work / name).write_bytes(name.encode())
    listing = subprocess.run(["sha256sum", *options, *names], cwd=work, check=True,
                             capture_output=True).stdout
    (work / "SHA256SUMS").write_bytes(listing)
    result = ferry("manifest", "check", "--json", "SHA256SUMS")
    assert statuses(result) == {n.removeprefix("./"): "ok" for n in names}
    flip(work / "new\nline", 0)
    result = ferry("manifest", "check", "SHA256SUMS", check=1)
    assert "new\\x0aline: content: its SHA-256 is wrong\n" in result.out
    assert result.out.count(": ok\n") == 5


def test_entries_of_other_files_stay_in_the_list(ferry, work):
    for name in "abc":
        (work / name).write_text(name)
    ferry("manifest", "create", "--sums", "SHA256SUMS", "a", "b")
    (work / "a").write_text("changed")
    ferry("manifest", "create", "--sums", "SHA256SUMS", "c", "a")
    assert (work / "SHA256SUMS").read_text() == "".join(
        f"{sha256(t.encode())}  {n}\n" for n, t in [("a", "changed"), ("b", "b"), ("c", "c")])


def test_a_list_that_is_none_is_left_alone(ferry, work, model):
    (work / "SHA256SUMS").write_text("do not touch\n")
    result = ferry("manifest", "create", "--sums", "SHA256SUMS", model, check=6)
    assert "SHA256SUMS has no SHA-256 of a file: line 1 is 'do not touch'" in result.err
    assert (work / "SHA256SUMS").read_text() == "do not touch\n"
    assert not (work / "tiny.gguf.manifest.json").exists()


def test_a_list_that_leads_out_of_its_folder(ferry, work, validate):
    (work / "sub").mkdir()
    (work / "sub" / "SHA256SUMS").write_text(f"{sha256(b'')}  ../secret\n")
    result = ferry("manifest", "check", "--json", "sub", check=1)
    validate(result.json, "output-manifest-check")
    (item,) = result.json["files"]
    assert item["status"] == "invalid"
    assert "leads out of the folder" in item["reason"]


def test_a_list_with_a_manifest_beside_the_file_names_the_piece(ferry, work, big):
    (work / "big.bin").write_bytes(big)
    ferry("manifest", "create", "--sums", "SHA256SUMS", "big.bin")
    flip(work / "big.bin", 2 * PIECE)
    (item,) = ferry("manifest", "check", "--json", "SHA256SUMS", check=1).json["files"]
    assert (item["status"], item["piece"], item["offset"]) == ("content", 2, 2 * PIECE)


# -- check -------------------------------------------------------------------------------

def test_all_is_well(ferry, work, validate, model):
    (work / "models").mkdir()
    model = model.rename(work / "models" / "tiny.gguf")
    ferry("manifest", "create", model)
    for operands in (["models"], ["models/tiny.gguf"], ["models/tiny.gguf.manifest.json"],
                     ["models/", "models/tiny.gguf"]):
        result = ferry("manifest", "check", "--json", *operands)
        validate(result.json, "output-manifest-check")
        assert statuses(result) == {"models/tiny.gguf": "ok"}
        assert result.json["ok"] is True
    result = ferry("manifest", "check", cwd=work / "models")
    assert result.out == "tiny.gguf: ok\n"
    assert "1 file, 1 ok" in result.err
    assert ferry("manifest", "check", "-q", "models").out == ""


@pytest.mark.parametrize("offset, piece", [(0, 0), (PIECE - 1, 0), (PIECE, 1), (3 * PIECE + 4, 3)])
def test_first_difference_is_named(ferry, work, validate, big, offset, piece):
    (work / "big.bin").write_bytes(big)
    ferry("manifest", "create", "big.bin")
    flip(work / "big.bin", offset)
    result = ferry("manifest", "check", "--json", "big.bin", check=1)
    validate(result.json, "output-manifest-check")
    (item,) = result.json["files"]
    assert (item["status"], item["piece"], item["pieces"]) == ("content", piece, 4)
    assert item["offset"] == piece * PIECE
    assert result.json["ok"] is False and result.json["summary"]["content"] == 1
    result = ferry("manifest", "check", "big.bin", check=1)
    assert result.out == (f"big.bin: content: the first wrong piece is {piece}, "
                          f"at byte {piece * PIECE}\n")


def test_missing_extra_and_size(ferry, work, validate):
    folder = work / "models"
    folder.mkdir()
    for name in ("gone", "short", "long", "fine"):
        (folder / name).write_bytes(noise(1000))
    ferry("manifest", "create", *(folder / n for n in ("gone", "short", "long", "fine")))
    (folder / "gone").unlink()
    os.truncate(folder / "short", 999)
    os.truncate(folder / "long", 1001)
    (folder / "stranger").touch()
    (folder / "sub").mkdir()
    (folder / "sub" / "stranger").touch()
    (folder / ".hidden").touch()
    (folder / "x.card.json").write_text("{}")
    result = ferry("manifest", "check", "--json", "models", check=1)
    validate(result.json, "output-manifest-check")
    assert statuses(result) == {
        "models/fine": "ok", "models/gone": "missing", "models/long": "size",
        "models/short": "size", "models/stranger": "extra", "models/sub/stranger": "extra"}
    text = ferry("manifest", "check", "-q", "models", check=1).out
    assert text == ("models/gone: missing\n"
                    "models/long: size: 1001 bytes, not 1000\n"
                    "models/short: size: 999 bytes, not 1000\n"
                    "models/stranger: extra: not in any manifest or list\n"
                    "models/sub/stranger: extra: not in any manifest or list\n")
    result = ferry("manifest", "check", "--json", "--ignore-extra", "models", check=1)
    assert "extra" not in statuses(result).values()
    assert ferry("manifest", "check", "models/gone", check=1).out == "models/gone: missing\n"


def test_quick_looks_at_sizes_only(ferry, work, validate):
    (work / "a.bin").write_bytes(noise(1000))
    (work / "b.bin").write_bytes(noise(1000))
    ferry("manifest", "create", "a.bin", "b.bin")
    flip(work / "a.bin", 5)
    os.truncate(work / "b.bin", 5)
    result = ferry("manifest", "check", "--json", "--quick", "a.bin", "b.bin", check=1)
    validate(result.json, "output-manifest-check")
    assert statuses(result) == {"a.bin": "unverified", "b.bin": "size"}
    assert ferry("manifest", "check", "--quick", "a.bin").out == (
        "a.bin: unverified: the size is right\n")


def test_a_repository_names_its_files_by_digest(ferry, work):
    data = noise(1000)
    (work / f"{sha256(data)}.m.bin").write_bytes(data)
    (work / "m.bin").write_bytes(data)
    document = ferry("manifest", "create", "--stdout", "m.bin").out.encode()
    (work / "m.bin").unlink()
    (work / f"{sha256(document)}.m.bin.manifest.json").write_bytes(document)
    result = ferry("manifest", "check", "--json", "--ignore-extra")
    assert statuses(result) == {f"{sha256(data)}.m.bin": "ok"}


def test_unreadable_and_invalid_do_not_end_the_check(ferry, work, validate):
    folder = work / "models"
    folder.mkdir()
    for name in ("loop", "folder", "torn", "fine", "zz"):
        (folder / name).write_bytes(noise(100))
    ferry("manifest", "create", *folder.iterdir())
    (folder / "loop").unlink()
    (folder / "loop").symlink_to("loop")
    (folder / "folder").unlink()
    (folder / "folder").mkdir()
    (folder / "torn.manifest.json").write_text('{"format": "model-ferry-mani')
    result = ferry("manifest", "check", "--json", "--ignore-extra", "models", check=1)
    validate(result.json, "output-manifest-check")
    assert statuses(result) == {
        "models/loop": "unreadable", "models/folder": "invalid", "models/fine": "ok",
        "models/torn.manifest.json": "invalid", "models/zz": "ok"}
    reasons = {f["path"]: f.get("reason", "") for f in result.json["files"]}
    assert "Too many levels of symbolic links" in reasons["models/loop"]
    assert "not a regular file" in reasons["models/folder"]
    assert "line 1, column" in reasons["models/torn.manifest.json"]


def test_manifest_and_list_that_disagree(ferry, work):
    (work / "a").write_text("a")
    ferry("manifest", "create", "a")
    (work / "SHA256SUMS").write_text(f"{sha256(b'b')}  a\n")
    (item,) = ferry("manifest", "check", "--json", ".", check=1,
                    cwd=work).json["files"][:1]
    assert item["status"] == "invalid" and "different digests" in item["reason"]


def test_check_usage(ferry, work, model):
    (work / "empty").mkdir()
    assert "there is nothing to check" in ferry("manifest", "check", "empty", check=3).err
    assert "No such file" in ferry("manifest", "check", "none.gguf", check=3).err
    assert "No such file" in ferry("manifest", "check", "x.manifest.json", check=3).err
    assert "there is no manifest beside" in ferry("manifest", "check", model, check=2).err
    assert "a command is missing" in ferry("manifest", check=2).err


def test_foreign_names_reach_no_terminal(ferry, work):
    name = "evil\x1b[31m"
    (work / "SHA256SUMS").write_text(f"{sha256(b'')}  {name}\n")
    result = ferry("manifest", "check", "SHA256SUMS", check=1)
    assert "\x1b" not in result.out
    assert "evil\\x1b[31m: missing" in result.out


# -- a bad day ---------------------------------------------------------------------------

def limited(limit):
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return set_limit


def test_full_disk_leaves_the_old_manifest(ferry, work, model):
    ferry("manifest", "create", model)
    before = (work / "tiny.gguf.manifest.json").read_text()
    process = ferry.start("manifest", "create", model, preexec_fn=limited(1000))
    _, err = process.communicate()
    assert process.returncode == 7
    assert "tiny.gguf.manifest.json: File too large" in err
    assert (work / "tiny.gguf.manifest.json").read_text() == before
    assert [p.name for p in work.iterdir() if p.name.startswith(".")] == []


def test_full_standard_output(ferry, model):
    with open("/dev/full", "w") as full:
        process = ferry.start("manifest", "create", "--stdout", model, stdout=full)
        _, err = process.communicate()
    assert process.returncode == 7
    assert "standard output: No space left on device" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_and_leaves_nothing(ferry, work, number):
    with open(work / "hole.bin", "wb") as f:
        f.truncate(1 << 40)
    process = ferry.start("manifest", "create", "hole.bin", "--progress=json")
    process.stderr.readline()
    process.send_signal(number)
    communicate(process)
    assert process.returncode == -number
    assert sorted(p.name for p in work.iterdir()) == ["hole.bin", "home"]


def test_a_file_that_grows_while_it_is_read(ferry, work):
    with open(work / "hole.bin", "wb") as f:
        f.truncate(32 << 20)
    process = ferry.start("manifest", "create", "hole.bin", env=at(4, "read", signal.SIGSTOP))
    stopped(process)
    os.truncate(work / "hole.bin", (32 << 20) + 1)
    process.send_signal(signal.SIGCONT)
    _, err = communicate(process)
    assert process.returncode == 6
    assert "hole.bin changed while it was read" in err


def test_memory_stays_bounded(ferry, work):
    with open(work / "hole.bin", "wb") as f:
        f.truncate(256 << 20)
    # A process counts what its parent had when it was forked: so from a small one.
    measure = ("import os, sys\n"
               "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)\n"
               "_, status, usage = os.wait4(pid, 0)\n"
               "print(status, usage.ru_maxrss)\n")
    command = [sys.executable, "-S", "-c", measure, str(BIN / "ferry-manifest"), "create", "-q",
               "hole.bin"]
    out = subprocess.run(command, cwd=work, env=ferry.env, capture_output=True, text=True,
                         check=True).stdout
    status, peak_kib = map(int, out.splitlines()[-1].split())
    assert status == 0
    sanitized = b"__asan_init" in (BIN / "ferry-manifest").read_bytes()
    assert peak_kib < 64 * 1024 or sanitized
