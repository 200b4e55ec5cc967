"""ferry prepare looks at the whole thing: all blocks, all parts, the data, and what contradicts."""

import json
import struct

import pytest

from small_gguf import llama_keys, llama_tensors, shards, write

MISSING = "there are no tensors of block"


def safetensors(path):
    header = json.dumps({"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))


# -- blocks and parts -------------------------------------------------------------------

@pytest.mark.parametrize("there, said", [
    ((0, 2), "block_count is 3, but there are no tensors of block 1"),
    ((0, 1), "block_count is 3, but there are no tensors of block 2"),
    ((), "block_count is 3, but there are no tensors of blocks 0 to 2"),
])
def test_a_block_without_tensors_is_warned_of(ferry, work, there, said):
    write(work / "m.gguf", llama_keys(blocks=3), llama_tensors(there))
    assert said in ferry("prepare", "--check", "m.gguf").out
    assert said in ferry("prepare", "m", "m.gguf").err


@pytest.mark.parametrize("there", [(0, 2), (0, 1)])
def test_a_hole_is_seen_over_all_shards(ferry, work, there):
    shards(work, "whole", llama_keys(blocks=3), llama_tensors((0, 1, 2)))
    shards(work, "hole", llama_keys(blocks=3), llama_tensors(there))
    assert MISSING not in ferry("prepare", "a", "whole-00001-of-00002.gguf").err
    assert ferry("prepare", "b", "hole-00001-of-00002.gguf").err.count(MISSING) == 1


def test_a_safetensors_part_that_the_names_count_is_missed_without_an_index(ferry, work):
    folder = work / "hf"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    safetensors(folder / "model-00001-of-00003.safetensors")
    safetensors(folder / "model-00003-of-00003.safetensors")
    result = ferry("prepare", "m", folder, check=6)
    assert "model-00002-of-00003.safetensors is missing" in result.err
    assert not (work / "models" / "m" / "m.card.json").exists()


# -- the data ---------------------------------------------------------------------------

FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}
BAD_DATA = {
    "one NaN": ("f32", b"\1\0\xc0\x7f" + b"\1" * (256 * 1024 - 4), "not-finite",
                "tensor 'blk.0.attn_q.weight' (f32) has 1 number that is NaN or infinite"),
    "infinite at the end": ("f16", b"\1" * (128 * 1024 - 4) + b"\0\x7c\0\xfc", "not-finite",
                            "has 2 numbers that are NaN or infinite"),
    "block scales": ("q8_0", b"\xff" * (256 * 8 * 34), "not-finite",
                     "has 2048 numbers that are NaN or infinite"),
    "a hole": ("f32", bytes(100 * 1024) + b"\1" * (156 * 1024), "zeros",
               "has 100 KiB of zeros in a row"),
    "nothing written": ("q8_0", bytes(256 * 8 * 34), "zeros",
                        "has 68.0 KiB of zeros in a row, all of it"),
}


def with_data(path, kind, data):
    tensors = llama_tensors(kind=kind)
    tensors[1] = ("blk.0.attn_q.weight", [256, 256], kind, data)
    return write(path, llama_keys(file_type=FILE_TYPES[kind]), tensors)


@pytest.mark.parametrize("case", BAD_DATA)
def test_numbers_that_are_none_and_zeros_are_found_while_it_is_hashed(ferry, work, case):
    kind, data, code, said = BAD_DATA[case]
    with_data(work / "m.gguf", kind, data)
    result = ferry("prepare", "m", "m.gguf", "--json")
    assert [w["code"] for w in result.json["warnings"]] == [code]
    assert said in result.json["warnings"][0]["text"] and said in result.err


# -- chat templates ---------------------------------------------------------------------

@pytest.mark.parametrize("template, suspicious", [
    ("{%- if tools or messages[0]['role'] in ['system'] -%}x{%- endif -%}", False),
    ("{{ roles['system'] + message['content'] }}", False),
    ("{{ '<|__unused__|>' }}", False),
    ("{{ x['system']('id') }}", True),
])
def test_a_role_named_system_is_not_access_to_the_system(ferry, work, template, suspicious):
    keys = llama_keys(tokenizer__chat_template=("str", template))
    write(work / "m.gguf", keys, llama_tensors())
    assert ("suspicious" in ferry("prepare", "--check", "m.gguf").out) == suspicious
