"""The models that the tests are made of are real: llama.cpp loads them and generates. And
what we say of a model is what llama.cpp says of it."""

import subprocess

import pytest

import engine
from conftest import ROOT, TOOLS

MIB = 1 << 20


@pytest.fixture(scope="session")
def libraries():
    return engine.install(ROOT / "build" / "engine")


def ram(context, *files):
    out = subprocess.run([TOOLS / "gguf-ram", str(context), *files], check=True,
                         capture_output=True, text=True).stdout
    return [int(n) for n in out.split()]


@pytest.mark.parametrize("kind", ["f32", "f16", "q8_0"])
def test_model_loads_and_generates(libraries, make_gguf, work, kind):
    model = make_gguf(work / "m.gguf", "--type", kind)
    seen = engine.load(libraries, model)
    assert len(seen["tokens"]) == engine.PREDICT
    assert all(token > 2 for token in seen["tokens"])     # no control token
    assert seen["template"].startswith("{{ bos_token }}")
    assert seen["parameters"] > 1_000_000
    again = make_gguf(work / "n.gguf", "--type", kind)
    assert model.read_bytes() == again.read_bytes()


def test_shards_are_the_same_model(libraries, make_gguf, work):
    whole = engine.load(libraries, make_gguf(work / "m.gguf"))
    make_gguf(work / "s.gguf", "--shards", "3")
    first = work / "s-00001-of-00003.gguf"
    assert engine.load(libraries, first)["tokens"] == whole["tokens"]
    (work / "s-00003-of-00003.gguf").unlink()
    with pytest.raises(RuntimeError, match="s-00003-of-00003.gguf"):
        engine.load(libraries, first)


def test_revision_changes_the_last_block_only(libraries, make_gguf, work):
    one = make_gguf(work / "1.gguf", "--layers", "3").read_bytes()
    two = make_gguf(work / "2.gguf", "--layers", "3", "--revision", "1").read_bytes()
    assert len(one) == len(two) and one != two
    same = next(i for i in range(len(one)) if one[i] != two[i])
    assert same > len(one) // 2
    engine.load(libraries, work / "2.gguf")


@pytest.mark.parametrize("size", [3 * MIB, 48 * MIB])
def test_size_is_met(libraries, make_gguf, work, size):
    model = make_gguf(work / "m.gguf", "--size", str(size))
    assert abs(model.stat().st_size - size) < size / 50
    engine.load(libraries, model)


@pytest.mark.parametrize("options, context", [
    ([], 512), ([], 8192), (["--layers", "5", "--embedding", "1024"], 4096),
    (["--size", "24M", "--type", "f16"], 2048)])
def test_memory_is_what_llama_cpp_takes(libraries, make_gguf, work, options, context):
    model = make_gguf(work / "m.gguf", *options)
    weights, cache, overhead = ram(context, model)
    buffers = engine.load(libraries, model, context)["buffers"]
    assert abs(cache / MIB - buffers["kv"]) < 0.01
    assert abs(weights / MIB - buffers["model"]) < 0.1
    taken = buffers["compute"] + buffers["output"]
    assert taken <= overhead / MIB + 0.05 <= 2 * taken


def test_damaged_model_is_refused_by_both(libraries, ferry, make_gguf, work):
    model = make_gguf(work / "m.gguf")
    with open(model, "r+b") as f:
        f.truncate(model.stat().st_size // 2)
    with pytest.raises(RuntimeError):
        engine.load(libraries, model)
    result = ferry("prepare", "--check", model, check=6)
    assert "truncated" in result.out + result.err
