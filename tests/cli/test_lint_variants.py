"""ferry catalog lint: variants of one card that contradict themselves or each other."""

import pytest

from small_gguf import llama_keys, llama_tensors, write
from test_catalog import Desk


@pytest.fixture
def desk(ferry, work, make_gguf, validate):
    desk = Desk(ferry, work, make_gguf, validate)
    desk.init()
    return desk


def warnings(desk, *files):
    """Prepares each (variant, file) for one card and adds it; what lint says, card's gaps aside."""
    for variant, file in files:
        desk.ferry("prepare", f"m:{variant}", file)
    desk.catalog("add", "models/m")
    gaps = ("missing", "license")
    return {(f["where"], f["text"]) for f in desk.json("lint")["findings"]
            if f["where"] != "mirrors" and not any(word in f["text"] for word in gaps)}


def test_an_id_that_names_another_quantization_is_told(desk):
    write(desk.work / "a.gguf", llama_keys(file_type=7), llama_tensors(kind="q8_0"))
    write(desk.work / "b.gguf", llama_keys(), llama_tensors())
    assert warnings(desk, ("chat-q4_k_m", "a.gguf"), ("small", "b.gguf")) == {
        ("m:chat-q4_k_m", "quantization: the id says Q4_K_M, but the variant is Q8_0")}


def test_variants_with_the_same_bytes_are_told(desk):
    write(desk.work / "a.gguf", llama_keys(), llama_tensors())
    same = "files: the same bytes as those of the variant 'f32'"
    assert warnings(desk, ("f32", "a.gguf"), ("one", "a.gguf"), ("two", "a.gguf")) == {
        ("m:one", same), ("m:two", same)}


def test_variants_of_other_architectures_and_sizes_are_told(desk):
    write(desk.work / "a.gguf", llama_keys("phi2"), llama_tensors())
    write(desk.work / "b.gguf", llama_keys("llama"), llama_tensors(kind="f16"))
    write(desk.work / "c.gguf", llama_keys("phi2", blocks=2), llama_tensors((0, 1)))
    assert warnings(desk, ("a", "a.gguf"), ("b", "b.gguf"), ("c", "c.gguf")) == {
        ("m:b", "its architecture is llama, but that of the variant 'a' is phi2: is it the same "
                "model?"),
        ("m:c", "it has 140032 parameters, but the variant 'a' has 74240: is it the same model?")}


def test_forms_of_one_model_are_fine(desk):
    # The second stores the embeddings twice, the third has a small table more.
    more = llama_tensors() + [("output.weight", [256, 32], "f32")]
    table = llama_tensors() + [("rope_freqs.weight", [64], "f32")]
    write(desk.work / "a.gguf", llama_keys(), llama_tensors())
    write(desk.work / "b.gguf", llama_keys(), more)
    write(desk.work / "c.gguf", llama_keys(), table)
    write(desk.work / "d.gguf", llama_keys(file_type=7), llama_tensors(kind="q8_0"))
    assert warnings(desk, ("f32", "a.gguf"), ("tied", "b.gguf"), ("table", "c.gguf"),
                    ("q8_0", "d.gguf")) == set()
