"""ferry prepare looks at the whole thing: all blocks, all parts, the data, and what contradicts."""

import hashlib
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


def test_check_judges_shards_together_when_all_are_given(ferry, work, validate):
    shards(work, "whole", llama_keys(blocks=3), llama_tensors((0, 1, 2)))
    hole = [p.name for p in shards(work, "hole", llama_keys(blocks=3), llama_tensors((0, 2)))]
    result = ferry("prepare", "--check", *hole, *sorted(work.glob("whole-*")))
    assert "hole-00001-of-00002.gguf and 1 more together: warnings" in result.out
    assert "whole-00001-of-00002.gguf and 1 more together: ok" in result.out
    document = ferry("prepare", "--check", "--json", *hole).json
    validate(document, "output-prepare-check")
    assert [(m["paths"], m["verdict"]) for m in document["models"]] == [(hole, "warnings")]
    assert MISSING in document["models"][0]["findings"][0]["text"]
    alone = ferry("prepare", "--check", hole[1])
    assert "only 1 of 2 shards were given" in alone.out
    # The last shard of another model, under the name that fits.
    (work / hole[1]).write_bytes((work / "whole-00002-of-00002.gguf").read_bytes())
    wrong = ferry("prepare", "--check", "--json", *hole, check=6).json
    validate(wrong, "output-prepare-check")
    assert wrong["models"][0]["verdict"] == "refused"


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


@pytest.mark.parametrize("case", BAD_DATA)
def test_check_reads_the_data_when_asked(ferry, work, validate, case):
    kind, data, code, said = BAD_DATA[case]
    path = with_data(work / "m.gguf", kind, data)
    assert ferry("prepare", "--check", path).out.startswith(f"{path}: ok")
    document = ferry("prepare", "--check", "--data", "--json", path).json
    validate(document, "output-prepare-check")
    file = document["files"][0]
    assert file["verdict"] == "warnings" and document["warnings"] == 1
    assert [said in f["text"] for f in file["findings"] if f["code"] == code] == [True]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_data_is_an_option_of_check(ferry, work):
    assert "--data belongs to --check" in ferry("prepare", "m", "x.gguf", "--data", check=2).err


# -- contradictions ---------------------------------------------------------------------

def codes(result):
    return [w["code"] for w in result.json["warnings"]]


def test_a_file_name_of_another_quantization_is_told(ferry, work):
    write(work / "m-Q4_K_M.gguf", llama_keys(file_type=7), llama_tensors(kind="q8_0"))
    result = ferry("prepare", "m", "m-Q4_K_M.gguf", "--json")
    assert codes(result) == ["quantization"]
    assert "the file name says Q4_K_M, but the file is Q8_0" in result.err
    assert result.json["variant"] == "q8_0"


def test_a_variant_with_the_name_of_another_quantization_is_told(ferry, work):
    write(work / "m.gguf", llama_keys(file_type=7), llama_tensors(kind="q8_0"))
    result = ferry("prepare", "m:q4_k_m", "m.gguf", "--json")
    assert codes(result) == ["variant"] and "the model is Q8_0" in result.err
    assert codes(ferry("prepare", "m:small", "m.gguf", "-o", "other", "--json")) == []


def test_a_model_of_another_family_or_size_that_joins_a_card_is_told(ferry, work):
    write(work / "phi.gguf", llama_keys("phi2"), llama_tensors())
    write(work / "llama.gguf", llama_keys(file_type=1), llama_tensors(kind="f16"))
    write(work / "large.gguf", llama_keys("phi2", blocks=3, file_type=7),
          llama_tensors((0, 1, 2), kind="q8_0"))
    assert codes(ferry("prepare", "phi-2", "phi.gguf", "--json")) == []
    other = ferry("prepare", "phi-2", "llama.gguf", "--json")
    assert codes(other) == ["family"]
    assert "architecture is llama, but it joins a card of the family phi2" in other.err
    assert codes(ferry("prepare", "phi-2", "large.gguf", "--json")) == ["parameters"]


def test_a_family_that_a_person_wrote_is_no_contradiction(ferry, work):
    write(work / "a.gguf", llama_keys("phi2"), llama_tensors())
    write(work / "b.gguf", llama_keys("phi2", file_type=1), llama_tensors(kind="f16"))
    ferry("prepare", "m", "a.gguf", "--set", "family=Phi-2 (base)")
    assert codes(ferry("prepare", "m", "b.gguf", "--json")) == []


def test_the_same_bytes_as_two_variants_are_told(ferry, work):
    write(work / "m.gguf", llama_keys(), llama_tensors())
    ferry("prepare", "m:one", "m.gguf")
    result = ferry("prepare", "m:two", "m.gguf", "--json")
    assert codes(result) == ["same-files"] and "the variant 'one' has the same files" in result.err


# -- what is no model, and what is told once --------------------------------------------

def test_a_vocabulary_has_no_quantization_and_no_memory_figure(ferry, work, validate):
    write(work / "vocab.gguf", llama_keys(file_type=1), [])
    assert "vocab.gguf: warnings (llama, no tensors, " in \
        ferry("prepare", "--check", "vocab.gguf").out
    document = ferry("prepare", "--check", "--json", "vocab.gguf").json
    validate(document, "output-prepare-check")
    file = document["files"][0]
    assert "quantization" not in file and "quantization" not in file["gguf"]
    result = ferry("prepare", "m", "vocab.gguf", "--json").json
    validate(result, "output-prepare")
    assert "quantization" not in result and result["ram"] == {"unknown": "it has no tensors"}
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert "quantization" not in card["variants"][0] and "bytes" not in card["variants"][0]["ram"]


def test_check_infers_the_quantization_as_prepare_does(ferry, work):
    keys = llama_keys()
    del keys["general.file_type"]
    write(work / "m.gguf", keys, llama_tensors(kind="q8_0"))
    assert "m.gguf: ok (llama, Q8_0, " in ferry("prepare", "--check", "m.gguf").out
    assert ferry("prepare", "m", "m.gguf", "--json").json["quantization"] == "Q8_0"


def test_missing_padding_at_the_end_is_said_once(ferry, work):
    tensors = llama_tensors()
    tensors[-1] = ("output_norm.weight", [250], "f32")
    said = "24 bytes of padding are missing"
    for path in shards(work, "m", llama_keys(), tensors):
        path.write_bytes(path.read_bytes()[:-24] if "-00002-of" in path.name else path.read_bytes())
    result = ferry("prepare", "--check", "m-00002-of-00002.gguf")
    assert ": ok (" in result.out and result.out.count(said) == 1
    assert ferry("prepare", "m", "m-00001-of-00002.gguf").err.count(said) == 1


def test_check_gives_the_hints_that_prepare_gives(ferry, work):
    (work / "page.gguf").write_text("<html>")
    hint = ferry("prepare", "m", "page.gguf", check=6).err.split("hint: ")[1].splitlines()[0]
    assert f"  hint: {hint}" in ferry("prepare", "--check", "page.gguf", check=6).out


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
