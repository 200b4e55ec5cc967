"""ferry prepare --quantize with a real llama.cpp: its quantizer makes the file, and its
loader, which generates, takes it."""

import json
import shutil
import subprocess
import sys

import pytest

import engine
from conftest import ROOT

QUANTIZER = ROOT / "tests" / "cli" / "llama_quantize.py"


@pytest.fixture(scope="session")
def libraries():
    return engine.install(ROOT / "build" / "engine")


@pytest.fixture
def real(ferry, work, libraries):
    (work / "ferry.conf").write_text(f"[prepare]\nllama-quantize = {QUANTIZER}\n")
    ferry.env["LLAMA_LIBRARIES"] = str(libraries)
    return ferry


@pytest.mark.parametrize("kind", ["Q4_K_M", "Q6_K", "Q8_0"])
def test_what_the_real_quantizer_makes_is_valid_and_loads(real, work, make_gguf, libraries, validate,
                                                          kind):
    source = make_gguf(work / "m.gguf", "--type", "f16")
    result = real("prepare", "m", source, "--quantize", kind, "--json").json
    validate(result, "output-prepare")
    assert result["quantized"] and result["quantization"] == kind and result["warnings"] == []
    seen = engine.load(libraries, work / result["files"][0]["path"])
    assert len(seen["tokens"]) == engine.PREDICT
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["parameters"] == seen["parameters"]


def test_the_real_quantizer_joins_shards(real, work, make_gguf, libraries):
    make_gguf(work / "x.gguf", "--type", "f16", "--shards", 3)
    result = real("prepare", "m", work / "x-00001-of-00003.gguf", "--quantize", "Q4_K_M", "--json").json
    assert len(result["files"]) == 1
    engine.load(libraries, work / result["files"][0]["path"])


def test_the_real_quantizer_refuses_what_is_quantized(real, work, make_gguf, libraries):
    """So that our question before it is the same as its own."""
    source = make_gguf(work / "m.gguf")
    process = subprocess.run([sys.executable, QUANTIZER, source, work / "out.gguf", "Q4_K_M"],
                             capture_output=True, text=True, env=real.env)
    assert process.returncode == 1 and "requantizing from type q8_0 is disabled" in process.stderr
    assert (work / "out.gguf").exists()         # it leaves a partial file
    assert "--allow-requantize" in real("prepare", "m", source, "--quantize", "Q4_K_M", check=2).err
    real("prepare", "m", source, "--quantize", "Q4_K_M", "--allow-requantize")


def test_real_fallbacks_are_reported(real, work, libraries):
    """Rows of 288 are no multiple of 256; the folder is converted by the SIMULATED converter."""
    shutil.copytree(ROOT / "tests" / "simulated", work / "tools", ignore=shutil.ignore_patterns("_*"))
    with (work / "ferry.conf").open("a") as conf:
        conf.write(f"convert-hf-to-gguf = {work}/tools/convert_hf_to_gguf.py\n")
    folder = work / "odd"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(
        {"architectures": ["LlamaForCausalLM"], "hidden_size": 288}))
    header = b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    result = real("prepare", "m", folder, "--quantize", "Q4_K_M", "--json")
    fallbacks = [w["text"] for w in result.json["warnings"] if w["code"] == "fallback"]
    assert any("q5_0" in text for text in fallbacks)
