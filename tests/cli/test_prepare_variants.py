"""ferry prepare: further forms of what people give it: other folders, names, kinds and holes."""

import json
import os
import struct

import pytest

import small_gguf
from small_gguf import llama_keys, llama_tensors, shards, write
from test_prepare import sha256
from test_prepare_content import adapter, digests, model, projector
from test_prepare_whole import with_data


def prepared(work):
    file, = (work / "models" / "m").glob("*.gguf")
    return file


def codes(result):
    return [w["code"] for w in result.json["warnings"]]


# -- folders ----------------------------------------------------------------------------

def test_a_link_to_a_folder_elsewhere_is_followed(ferry, work):
    model(work / "big" / "Q4" / "m.gguf")
    (work / "repo").mkdir()
    (work / "repo" / "Q4").symlink_to("../big/Q4")
    assert len(digests(ferry("prepare", "m", "repo", "--json"))) == 1
    assert ferry("prepare", "m", "repo", "--json").json["made"] is False


def test_links_that_lead_back_are_not_followed(ferry, work):
    model(work / "repo" / "m.gguf")
    for name, to in {"self": ".", "up": "..", "a": "../other", "twice": "../other"}.items():
        (work / "repo" / name).symlink_to(to)
    (work / "other").mkdir()
    (work / "other" / "back").symlink_to("../repo")
    assert len(digests(ferry("prepare", "m", "repo", "--json"))) == 1


def test_pipes_and_devices_in_a_folder_are_passed_over(ferry, work):
    path = model(work / "repo" / "m.gguf")
    os.mkfifo(path.with_name("a.gguf"))
    path.with_name("b.gguf").symlink_to("/dev/zero")
    assert len(digests(ferry("prepare", "m", "repo", "--json"))) == 1


def test_a_folder_of_other_files_only_is_no_folder_of_models(ferry, work):
    (work / "d").mkdir()
    adapter(work / "d" / "a.gguf")
    projector(work / "d" / "b.gguf")
    assert "d contains no model, but several files that belong to one: a.gguf, b.gguf" in \
        ferry("prepare", "m", "d", check=2).err


# -- what was prepared ------------------------------------------------------------------

def test_what_was_said_of_the_data_is_said_again_by_the_next_run(ferry, work):
    with_data(work / "m-Q4_K_M.gguf", "q8_0", b"\xff" * (256 * 8 * 34))
    first = ferry("prepare", "m", "m-Q4_K_M.gguf", "--json")
    again = ferry("prepare", "m", "m-Q4_K_M.gguf", "--json")
    assert codes(first) == ["quantization", "not-finite"] and first.json["made"]
    assert again.json["warnings"] == first.json["warnings"] and not again.json["made"]
    assert "NaN" in again.err


@pytest.mark.parametrize("damaged", [False, True])
def test_a_prepared_file_with_another_inode_is_hashed_before_it_is_kept(ferry, work, damaged):
    source = model(work / "m.gguf")
    ferry("prepare", "m", source)
    file = prepared(work)
    other = file.with_name("copy")
    data = bytearray(file.read_bytes())
    if damaged:
        data[-100] ^= 1
    other.write_bytes(data)
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert ferry("prepare", "m", source, "--json").json["made"] == damaged
    assert sha256(file) == sha256(source)
    assert ferry("prepare", "m", source, "--json").json["made"] is False


def test_without_link_what_was_linked_becomes_a_file_of_its_own(ferry, work):
    source = model(work / "m.gguf")
    ferry("prepare", "m", source, "--link")
    assert prepared(work).stat().st_ino == source.stat().st_ino
    ferry("prepare", "m", source)
    assert prepared(work).stat().st_ino != source.stat().st_ino


# -- names ------------------------------------------------------------------------------

@pytest.mark.parametrize("name, said", [
    ("Q4_K_M.gguf", "Q4_K_M"), ("m_Q4_K_M.gguf", "Q4_K_M"), ("m-Q6_K_L.gguf", "Q6_K_L"),
    ("m-Q4_K_M-imat.gguf", "Q4_K_M"), ("m-IQ4_KSS.gguf", "IQ4_KSS"), ("m-FP16.gguf", "FP16"),
    ("m-Q4_0_8_8.gguf", "Q4_0_8_8"),
])
def test_a_name_of_another_quantization_is_told_however_it_is_written(ferry, work, name, said):
    write(work / name, llama_keys(file_type=7), llama_tensors(kind="q8_0"))
    result = ferry("prepare", "m", name, "--json")
    assert codes(result) == ["quantization"]
    assert f"the file name says {said}, but the file is Q8_0" in result.err


def test_a_name_is_compared_with_the_weights_if_the_file_does_not_say(ferry, work):
    keys = llama_keys()
    del keys["general.file_type"]
    write(work / "m-Q4_K_M.gguf", keys, llama_tensors(kind="q8_0"))
    assert codes(ferry("prepare", "m", "m-Q4_K_M.gguf", "--json")) == ["quantization"]


def test_a_variant_of_another_label_is_told(ferry, work):
    write(work / "m.gguf", llama_keys(file_type=7), llama_tensors(kind="q8_0"))
    assert codes(ferry("prepare", "m:q6_k_l", "m.gguf", "--json")) == ["variant"]
    assert codes(ferry("prepare", "n:fp16", "m.gguf", "--json")) == ["variant"]
    assert codes(ferry("prepare", "o:q8_k_xl", "m.gguf", "--json")) == []


@pytest.mark.parametrize("name, variant", [
    ("m-fp16.gguf", "f16"), ("m-F16-imat.gguf", "imat-f16"), ("m.imatrix.F16.gguf", "imatrix-f16"),
])
def test_labels_of_one_content_get_names_of_their_own(ferry, work, name, variant):
    write(work / name, llama_keys(file_type=1), llama_tensors(kind="f16"))
    assert ferry("prepare", "m", name, "--json").json["variant"] == variant


@pytest.mark.parametrize("name", ["m.gguf.part", "m.gguf.crdownload", "m.gguf.incomplete"])
def test_the_name_of_an_unfinished_download_is_told(ferry, work, name):
    model(work / "d" / name)
    assert codes(ferry("prepare", "m", "d", "--json")) == ["unfinished"]
    assert "unfinished download" in ferry("prepare", "--check", f"d/{name}").out


def test_a_download_that_aria2_has_not_finished_is_told(ferry, work):
    model(work / "m.gguf")
    (work / "m.gguf.aria2").write_bytes(b"\0\1")
    result = ferry("prepare", "m", "m.gguf", "--json")
    assert codes(result) == ["unfinished"] and "m.gguf.aria2 is beside it" in result.err


# -- kinds ------------------------------------------------------------------------------

LORA = [("blk.0.attn_q.weight.lora_a", [256, 8], "f32"),
        ("blk.0.attn_q.weight.lora_b", [8, 256], "f32")]
IMATRIX = [("blk.0.attn_q.weight.in_sum2", [256, 1], "f32"),
           ("blk.0.attn_q.weight.counts", [1, 1], "f32")]
LLAMA = {"general.architecture": ("str", "llama"), "general.type": ("str", "model")}


@pytest.mark.parametrize("keys, tensors, kind", [
    (LLAMA, LORA + [("token_embd.weight", [256, 32], "f32")], "adapter"),
    ({"general.architecture": ("str", "qwen2vl"), "clip.has_vision_encoder": ("u32", 1)},
     [("v.blk.0.attn_q.weight", [64, 64], "f32")], "projector"),
    ({"general.architecture": ("str", "llama")}, [("direction.1", [256], "f32")],
     "control-vector"),
])
def test_the_content_tells_what_it_is_where_the_type_does_not(ferry, work, keys, tensors, kind):
    write(work / "x.gguf", keys, tensors)
    assert ferry("prepare", "m", "x.gguf", "--json").json["kind"] == kind


@pytest.mark.parametrize("keys", [LLAMA, {"general.type": ("str", "IMATRIX")}, {}])
def test_an_importance_matrix_is_known_by_its_tensors(ferry, work, keys):
    write(work / "x.gguf", keys, IMATRIX + [("blk.0.attn_q.weight.in_sum", [256, 1], "f32")])
    assert "is an importance matrix" in ferry("prepare", "m", "x.gguf", check=6).err


def test_an_importance_matrix_in_the_old_format_is_called_so(ferry, work):
    name = b"blk.0.attn_q.weight"
    (work / "imatrix.dat").write_bytes(struct.pack("<II", 2, len(name)) + name + bytes(100))
    result = ferry("prepare", "m", "imatrix.dat", check=6)
    assert "an importance matrix in the format before GGUF" in result.err
    assert "--imatrix" in result.err


def test_a_type_that_nobody_knows_is_told(ferry, work):
    write(work / "x.gguf", {**llama_keys(), "general.type": ("str", "dataset")}, llama_tensors())
    result = ferry("prepare", "m", "x.gguf", "--json")
    assert codes(result) == ["type"] and "general.type is 'dataset'" in result.err


def test_lint_wants_no_quantization_of_a_vocabulary(ferry, work):
    write(work / "vocab.gguf", llama_keys(), [])
    ferry("prepare", "m", "vocab.gguf", "--set", "license.id=MIT")
    ferry("catalog", "init", "lab", "--unencrypted")
    ferry("catalog", "add", "models/m")
    assert "quantization" not in ferry("catalog", "lint").out


def test_check_accepts_the_types_of_forks_on_request(ferry, work, monkeypatch):
    monkeypatch.setitem(small_gguf.BLOCKS, "iq4_k", (139, 256, 144))
    write(work / "m.gguf", llama_keys(), llama_tensors(kind="iq4_k"))
    ferry("prepare", "--check", "m.gguf", check=6)
    result = ferry("prepare", "--check", "--allow-foreign-types", "m.gguf")
    assert "only ik_llama.cpp can load it" in result.out


# -- holes ------------------------------------------------------------------------------

def block(index, *parts, prefix="blk."):
    return [(f"{prefix}{index}.{part}.weight", [256, 256], "f32") for part in parts]


ENDS = [("token_embd.weight", [256, 32], "f32"), ("output_norm.weight", [256], "f32")]
NORMS = [(f"blk.{i}.attn_norm.weight", [256], "f32") for i in range(3)]
HOLES = {
    "part of a block": ("llama", ENDS + block(0, "attn_q", "ffn_up") + block(1, "attn_q") +
                        block(2, "attn_q", "ffn_up"),
                        "block 1 has only 1 of the 2 tensors that other blocks have; "
                        "'ffn_up.weight' is missing"),
    "the embeddings": ("llama", ENDS[1:] + NORMS, "no tensor 'token_embd.weight'"),
    "the last norm": ("llama", ENDS[:1] + NORMS, "no tensor 'output_norm.weight'"),
    "the decoder": ("t5", ENDS + sum((block(i, "attn_q", prefix="enc.blk.") for i in range(3)), []),
                    "no tensors of blocks 0 to 2 of the decoder"),
    "all blocks": ("llama", ENDS + [("rope_factors_1.weight", [64], "f32")],
                   "no tensors of blocks 0 to 2"),
}
WHOLE = {
    "hybrid": ("jamba", ENDS + block(0, "ssm_in") + block(1, "attn_q", "ffn_up") +
               block(2, "ssm_in")),
    "dense first": ("deepseek2", ENDS + block(0, "attn_q", "ffn_up") +
                    block(1, "attn_q", "ffn_up_exps", "ffn_gate_inp") +
                    block(2, "attn_q", "ffn_up_exps", "ffn_gate_inp")),
    "encoder only": ("t5encoder", ENDS +
                     sum((block(i, "attn_q", prefix="enc.blk.") for i in range(3)), [])),
    "other names": ("bert", [(f"encoder.layer.{i}.query.weight", [256, 256], "f32")
                             for i in range(3)]),
}


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("case", HOLES)
def test_a_part_that_is_missing_is_told(ferry, work, case, split):
    architecture, tensors, said = HOLES[case]
    keys = llama_keys(architecture, blocks=3)
    paths = shards(work, "m", keys, tensors) if split else [write(work / "m.gguf", keys, tensors)]
    result = ferry("prepare", "m", paths[0], "--json")
    assert [said in w["text"] for w in result.json["warnings"]] == [True]


@pytest.mark.parametrize("case", WHOLE)
def test_a_model_that_is_whole_by_its_own_design_is_fine(ferry, work, case):
    architecture, tensors = WHOLE[case]
    write(work / "m.gguf", llama_keys(architecture, blocks=3), tensors)
    assert codes(ferry("prepare", "m", "m.gguf", "--json")) == []


@pytest.mark.parametrize("blocks", [(0, 1), (2,), (0, 1, 2)])
def test_blocks_for_further_tokens_may_be_left_out_or_alone(ferry, work, blocks):
    keys = llama_keys("glm4moe", blocks=3, glm4moe__nextn_predict_layers=("u32", 1))
    write(work / "m.gguf", keys, llama_tensors(blocks))
    assert codes(ferry("prepare", "m", "m.gguf", "--json")) == []


def test_a_quarter_of_a_small_matrix_without_numbers_is_told(ferry, work):
    size = 256 * 8 * 34
    with_data(work / "m.gguf", "q8_0", b"\1" * (size - size // 4) + bytes(size // 4))
    result = ferry("prepare", "m", "m.gguf", "--json")
    assert codes(result) == ["zeros"] and "17.0 KiB of zeros" in result.err
    assert json.loads((work / "models/m/m.card.json").read_text())["family"] == "llama"
