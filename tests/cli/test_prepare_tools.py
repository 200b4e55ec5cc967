"""ferry prepare with llama.cpp's tools. The tools here are SIMULATED (tests/simulated): small
programs that behave, and misbehave, as the real ones do."""

import json
import signal
import struct
import tarfile

import pytest
import small_gguf
from conftest import ROOT
from waiting import communicate, gone, kill, until

SIMULATED = ROOT / "tests" / "simulated"


@pytest.fixture
def tools(ferry):
    """The simulated tools on PATH."""
    ferry.env["PATH"] = f"{SIMULATED}:{ferry.env['PATH']}"
    ferry.env["PYTHONDONTWRITEBYTECODE"] = "1"
    return ferry


@pytest.fixture(scope="session")
def f16(tmp_path_factory, make_gguf):
    return make_gguf(tmp_path_factory.mktemp("f16") / "f16.gguf", "--type", "f16")


@pytest.fixture(scope="session")
def q8(tmp_path_factory, make_gguf):
    return make_gguf(tmp_path_factory.mktemp("q8") / "q8.gguf")


def no_leftovers(work, name="m"):
    folder = work / "models" / name
    return not list((folder / ".ferry-prepare").glob("scratch.*"))


def nothing_visible(work, name="m"):
    folder = work / "models" / name
    return not folder.exists() or [p.name for p in folder.iterdir()] in ([], [".ferry-prepare"])


# -- quantize ---------------------------------------------------------------------------

def test_quantize_makes_another_variant(tools, work, f16, validate):
    result = tools("prepare", "m", f16, "--quantize", "q4_k_m", "--json").json
    validate(result, "output-prepare")
    assert result["quantized"] and result["variant"] == "q4_k_m" and result["quantization"] == "Q4_K_M"
    assert result["llama_quantize_build"] == "8123 (51m01a7)"
    assert result["warnings"] == []
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["variants"][0]["id"] == "q4_k_m" and no_leftovers(work)
    again = tools("prepare", "m", f16, "--quantize", "q4_k_m", "--json").json
    assert not again["made"]


def test_silent_fallbacks_are_reported(tools, work):
    # Rows of 288 are no multiple of 256.
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 288}
    folder = hf_folder(work / "odd", config)
    result = tools("prepare", "m", folder, "--quantize", "Q4_K_M", "--json")
    codes = [w["code"] for w in result.json["warnings"]]
    assert "fallback" in codes
    assert "warning:" in result.err and "q5_0" in result.err


@pytest.mark.parametrize("mode, code, words", [
    ("fail", 6, "ended with status 1: llama_model_quantize: failed to quantize: tensor blk.0"),
    ("abort", 7, "SIGABRT"),
    ("garbage", 6, "the output of llama-quantize"),
    ("silent", 6, "wrote no file"),
    ("full", 7, "the disk is full"),
])
def test_failures_of_the_tool_leave_nothing(tools, work, f16, mode, code, words):
    result = tools("prepare", "m", f16, "--quantize", "Q4_K_M", env={"SIMULATE": mode}, check=code)
    assert words in result.err and "hint:" in result.err
    assert nothing_visible(work) and no_leftovers(work)
    if mode == "abort":
        assert "GGML_ASSERT(n_head > 0)" in result.err
    # What the tool said last is shown without -v.
    if mode == "fail":
        assert "main: failed to quantize model" in result.err
    tools("prepare", "m", f16, "--quantize", "Q4_K_M")


def test_quantized_sources_need_a_word(tools, work, q8):
    result = tools("prepare", "m", q8, "--quantize", "Q4_K_M", check=2)
    assert "already quantized (Q8_0)" in result.err and "--allow-requantize" in result.err
    tools("prepare", "m", q8, "--quantize", "Q4_K_M", "--allow-requantize")
    result = tools("prepare", "n", q8, "--quantize", "Q8_0")
    assert "nothing to quantize" in result.err
    assert (work / "models/n/n-q8_0.gguf").read_bytes() == q8.read_bytes()


def test_an_importance_matrix_is_passed_through(tools, work, f16):
    assert "No such file" in tools("prepare", "m", f16, "--quantize", "Q4_K_M", "--imatrix", "no.dat",
                                   check=3).err
    (work / "i.dat").write_bytes(b"x")
    tools("prepare", "m", f16, "--quantize", "Q4_K_M", "--imatrix", "i.dat")
    assert "importance matrix" in tools("prepare", "m", f16, "--quantize", "IQ2_XS", check=2).err
    assert "--keep-imatrix belongs to --quantize and --imatrix" in tools(
        "prepare", "m", f16, "--imatrix", "i.dat", "--keep-imatrix", check=2).err


def test_the_importance_matrix_of_quantize_is_kept_on_request(tools, work, f16):
    small_gguf.old_imatrix(work / "i.dat")
    options = ("--quantize", "Q4_K_M", "--imatrix", "i.dat")
    alone, = tools("prepare", "m", f16, *options, "--json").json["files"]
    kept = tools("prepare", "m", f16, *options, "--keep-imatrix", "--json").json["files"]
    assert [f.get("role") for f in kept] == [None, "imatrix"]
    assert kept[0]["sha256"] == alone["sha256"]


def test_shards_are_quantized_into_one_file(tools, work, make_gguf):
    make_gguf(work / "x.gguf", "--type", "f16", "--shards", 2)
    # The simulated tool reads the first shard only, as a whole model.
    tools("prepare", "m", work / "x-00001-of-00002.gguf", "--quantize", "Q4_K_M", check=None)
    assert no_leftovers(work)


def test_a_type_that_the_tool_does_not_know(tools, f16):
    result = tools("prepare", "m", f16, "--quantize", "Q6_K", check=2)
    assert "this llama-quantize does not support Q6_K" in result.err


def test_absent_tools_say_what_to_install(ferry, work, f16):
    (work / "bin").mkdir()
    env = {"PATH": str(work / "bin")}
    result = ferry("prepare", "m", f16, "--quantize", "Q4_K_M", env=env, check=3)
    assert "llama-quantize is not installed" in result.err
    assert "llama.cpp" in result.err and "[prepare]" in result.err
    folder = hf_folder(work / "hf")
    result = ferry("prepare", "m", folder, env=env, check=3)
    assert "convert_hf_to_gguf.py is not installed" in result.err
    assert nothing_visible(work)


def test_tools_can_be_configured(ferry, work, f16):
    conf = work / "ferry.conf"
    conf.write_text(f"[prepare]\nllama-quantize = {SIMULATED}/llama-quantize\n")
    ferry("prepare", "m", f16, "--quantize", "Q4_K_M")
    conf.write_text("[prepare]\nllama-quantize = ./no-such\n")
    result = ferry("prepare", "n", f16, "--quantize", "Q4_K_M", check=2)
    assert "ferry.conf:2: llama-quantize:" in result.err and "is missing" in result.err
    conf.write_text("[prepare]\nllama-quantise = x\n")
    assert "did you mean 'llama-quantize'" in ferry("prepare", "n", f16, check=2).err
    conf.write_text("[prepare]\nllama-quantize = /bin/echo\n")
    assert "does not behave like llama-quantize" in \
        ferry("prepare", "n", f16, "--quantize", "Q4_K_M", check=2).err


def test_an_interrupt_ends_the_tool_too(tools, work, f16):
    pid_file = work / "pid"
    process = tools.start("prepare", "m", f16, "--quantize", "Q4_K_M",
                          env={"SIMULATE": "slow", "SIMULATE_PID_FILE": pid_file})
    until(lambda: pid_file.exists() and pid_file.read_text(), process)
    process.send_signal(signal.SIGINT)
    communicate(process)
    assert process.returncode == -signal.SIGINT
    assert gone(int(pid_file.read_text()))
    assert nothing_visible(work) and no_leftovers(work)


def test_the_tool_does_not_outlive_a_killed_prepare(tools, work, f16):
    pid_file = work / "pid"
    process = tools.start("prepare", "m", f16, "--quantize", "Q4_K_M",
                          env={"SIMULATE": "slow", "SIMULATE_PID_FILE": pid_file})
    until(lambda: pid_file.exists() and pid_file.read_text(), process)
    kill(process)
    until(lambda: gone(int(pid_file.read_text())))
    assert nothing_visible(work)
    # What it left is taken away by the next run.
    assert not no_leftovers(work)
    tools("prepare", "m", f16, "--quantize", "Q4_K_M")
    assert no_leftovers(work)


# -- convert ----------------------------------------------------------------------------

def safetensors(path, size=1000):
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))


def hf_folder(path, config=None, parts=1):
    path.mkdir()
    config = config or {"architectures": ["LlamaForCausalLM"], "hidden_size": 256}
    (path / "config.json").write_text(json.dumps(config))
    (path / "tokenizer.json").write_text("{}")
    if parts == 1:
        safetensors(path / "model.safetensors")
        return path
    names = [f"model-{i:05}-of-{parts:05}.safetensors" for i in range(1, parts + 1)]
    for name in names:
        safetensors(path / name)
    (path / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {"total_size": 1e3}, "weight_map": {f"w{i}": n for i, n in enumerate(names)}}))
    return path


def test_a_hugging_face_folder_is_converted(tools, work, validate):
    folder = hf_folder(work / "My Model", parts=2)
    result = tools("prepare", "m", folder, "--json").json
    validate(result, "output-prepare")
    assert result["converted"] and not result["quantized"] and result["variant"] == "f16"
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert card["title"] == "My Model" and card["license"]["id"] == "Apache-2.0"
    assert not tools("prepare", "m", folder, "--json").json["made"]
    result = tools("prepare", "m", folder, "--outtype", "f32", "--json").json
    assert result["variant"] == "f32"
    result = tools("prepare", "m", folder, "--quantize", "Q4_K_M", "--json").json
    assert result["converted"] and result["quantized"] and result["variant"] == "q4_k_m"
    assert no_leftovers(work)


@pytest.mark.parametrize("members", [
    '"time_step_limit": [0.0, Infinity]',
    '"x": NaN, "y": -Infinity, "z": 1e999',
    '"model_max_length": 1000000000000000019884624838656',
    '"torch_dtype": "float16", "torch_dtype": "bfloat16"',
    '"name": "\\ud83d\\u0000"\r\n\t\r\n',
], ids=["infinity", "nan", "large", "twice", "strings"])
def test_what_python_reads_in_a_config_json_stops_no_conversion(tools, work, members):
    folder = hf_folder(work / "x", parts=2)
    (folder / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "hidden_size": 256, ' + members + "}\r\n\r\n")
    index = folder / "model.safetensors.index.json"
    document = json.loads(index.read_text())
    document["metadata"] = {"total_parameters": float("inf"), "total_size": 10**30}
    index.write_text("\ufeff" + json.dumps(document), encoding="utf-8")
    assert tools("prepare", "m", folder, "--json").json["converted"]


@pytest.mark.parametrize("text, message", [
    (b'{"architectures": ["Llama', "line 1, column"),
    (b"<!DOCTYPE html><html>Sign in</html>", "HTML"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "LFS"),
    (b"", "it is empty"),
])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_json_that_is_none_is_found_before_the_conversion(tools, work, name, text, message):
    folder = hf_folder(work / "x", parts=2)
    (folder / name).write_bytes(text)
    result = tools("prepare", "m", folder, check=6)
    assert result.err.count(name) == 1 and message in result.err


def test_a_folder_in_an_archive_takes_the_name_of_the_model(tools, work):
    folder = hf_folder(work / "x")
    with tarfile.open(work / "x.tar.gz", "w:gz") as tar:
        for path in folder.iterdir():
            tar.add(path, path.name)
    tools("prepare", "m", work / "x.tar.gz")
    assert json.loads((work / "models/m/m.card.json").read_text())["title"] == "m"


def test_a_snapshot_in_the_cache_of_hugging_face(tools, work):
    """Links to blobs, in a folder that is named by a commit."""
    folder = hf_folder(work / ("0123456789" * 4))
    (work / "blobs").mkdir()
    for path in list(folder.iterdir()):
        path.rename(work / "blobs" / path.name)
        path.symlink_to(work / "blobs" / path.name)
    tools("prepare", "m", folder)
    assert json.loads((work / "models/m/m.card.json").read_text())["title"] == "m"


def test_incomplete_folders_are_refused_before_the_conversion(tools, work):
    folder = hf_folder(work / "a", parts=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors is missing" in \
        tools("prepare", "m", folder, check=6).err
    folder = hf_folder(work / "b")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "is truncated" in tools("prepare", "m", folder, check=6).err
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    result = tools("prepare", "m", folder, check=6)
    assert "is a Git LFS pointer" in result.err and "git lfs pull" in result.err
    path.unlink()
    assert "without *.safetensors" in tools("prepare", "m", folder, check=6).err
    (folder / "pytorch_model.bin").write_bytes(b"PK")
    assert "Python pickles" in tools("prepare", "m", folder, check=6).err
    assert nothing_visible(work)


def test_failures_of_the_converter_are_explained(tools, work):
    folder = hf_folder(work / "a")
    result = tools("prepare", "m", folder, env={"SIMULATE": "no-torch"}, check=3)
    assert "lacks the module 'torch'" in result.err and "requirements.txt" in result.err
    result = tools("prepare", "m", folder, env={"SIMULATE": "partial"}, check=6)
    assert "ValueError: Can not map tensor" in result.err
    other = hf_folder(work / "b", {"architectures": ["WeirdForCausalLM"], "hidden_size": 256})
    result = tools("prepare", "m", other, check=6)
    assert "Model WeirdForCausalLM is not supported" in result.err
    assert nothing_visible(work) and no_leftovers(work)


def test_options_that_do_not_apply(tools, work, f16):
    assert "--outtype is for Hugging Face folders" in \
        tools("prepare", "m", f16, "--outtype", "f16", check=2).err
    assert "unknown type 'q4_k_m'" in tools("prepare", "m", f16, "--outtype", "q4_k_m", check=2).err
    folder = hf_folder(work / "a")
    assert "--sha256 is for files" in tools("prepare", "m", folder, "--sha256", "0" * 64, check=2).err
