"""The names in the store lead to what was verified, and -o counts the room for all of its copies."""

import subprocess

import pytest

from disks import SmallDisk, read_only
from publisher import Publisher
from small_gguf import llama_keys, llama_tensors, shards, write
from test_prepare import sha256
from test_prepare_content import adapter


@pytest.fixture
def publisher(ferry, work):
    return Publisher(ferry, work)


@pytest.fixture
def name(ferry, work, publisher):
    """The name in the store of a model that was fetched."""
    write(work / "m.gguf", llama_keys(), llama_tensors())
    publish(ferry, work, publisher, "m", "m.gguf")
    return work / ferry("fetch", "m").out.strip()


def publish(ferry, work, publisher, model, source):
    ferry("prepare", model, source, "--set", "license.id=MIT")
    publisher.add(work / "models" / model)
    publisher.sign()
    (work / "ferry.conf").write_text(publisher.client())


def other_bytes(path):
    data = bytearray(path.read_bytes())
    data[-1000:] = bytes(1000)
    return bytes(data)


def put_a_file(path, work):
    data = other_bytes(path)
    path.unlink()
    path.write_bytes(data)


def put_a_link(path, work):
    (work / "elsewhere").write_bytes(other_bytes(path))
    path.unlink()
    path.symlink_to(work / "elsewhere")


WAYS = [put_a_file, put_a_link, lambda path, work: path.unlink()]
COMMANDS = [("run", "m"), ("run", "--offline", "m"), ("fetch", "m"), ("fetch", "--offline", "m"),
            ("store", "path", "m")]


def given(ferry, command):
    """The digest of what the command gives out."""
    if command[0] == "run":
        return ferry(*command, "--", "sha256sum", "{}").out.split()[0]
    return sha256(ferry(*command).out.strip())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_in_the_store_that_leads_elsewhere_is_not_given_out(ferry, work, name, way, command):
    right = sha256(name)
    way(name, work)
    assert given(ferry, command) == right
    assert name.is_symlink() and sha256(name) == right


def test_in_a_store_that_cannot_be_written_the_blob_itself_is_given_out(ferry, work, name):
    right, blob = sha256(name), name.resolve()
    put_a_file(name, work)
    with read_only(ferry.store) as confine:
        result = subprocess.run(confine(ferry.command("fetch", "--offline", "m")), cwd=work,
                                env=ferry.environment(None), capture_output=True, text=True)
    assert result.stdout.strip() == str(blob) and sha256(blob) == right
    assert "do not lead to the verified files: using the blobs" in result.stderr


def test_the_room_for_copies_of_all_shards_is_checked_before_the_first(ferry, work, publisher):
    big = [("token_embd.weight", [256, 32], "f32"), ("blk.0.attn_q.weight", [1024, 2048], "f32"),
           ("blk.1.attn_q.weight", [1024, 2048], "f32"), ("output_norm.weight", [256], "f32")]
    publish(ferry, work, publisher, "m", shards(work, "s", llama_keys(blocks=2), big)[0])
    ferry("fetch", "m")
    disk = SmallDisk(work / "small", 12 << 20)
    try:
        result = ferry("fetch", "m", "-o", disk.path, env=disk.env, check=7)
        assert "not enough space" in result.err
        assert not [p for p in disk.path.rglob("*") if "gguf" in p.name]
    finally:
        disk.close()


def test_readers_are_told_what_is_no_model_without_a_catalog_too(ferry, work, publisher):
    adapter(work / "lora.gguf")
    publish(ferry, work, publisher, "l", "lora.gguf")
    ferry("fetch", "l")
    for path in (ferry.store / "trust/demo").rglob("*.json"):
        path.unlink()
    fetched = ferry("fetch", "--offline", "l", "--json")
    assert "of the kind 'adapter', not a model" in fetched.err
    assert fetched.json["models"][0]["kind"] == "adapter"
    ran = ferry("run", "--offline", "l", "--", "test", "-s", "{}")
    assert "of the kind 'adapter', not a model" in ran.err
