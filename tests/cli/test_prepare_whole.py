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
