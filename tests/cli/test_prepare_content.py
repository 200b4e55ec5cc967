"""ferry prepare: names, endings and labels are hints; the content says what a file is."""

import json
import tarfile

import pytest

from publisher import Publisher
import small_gguf
from small_gguf import adapter, imatrix, llama_keys, llama_tensors, projector, shards, write

TWO = llama_keys(blocks=2), llama_tensors((0, 1))


def model(path, **keys):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, llama_keys(**keys), llama_tensors())


def control_vector(path):
    return write(path, {"general.architecture": ("str", "controlvector"),
                        "controlvector.model_hint": ("str", "llama")},
                 [("direction.1", [256], "f32")])


def digests(result):
    return [f["sha256"] for f in result.json["files"]]


# -- which file of a folder -------------------------------------------------------------

def test_a_model_with_imatrix_in_its_name_is_taken(ferry, work):
    model(work / "d" / "Foo-7B-imatrix-Q4_K_M.gguf")
    assert len(digests(ferry("prepare", "m", "d", "--json"))) == 1


def test_what_belongs_to_a_model_is_passed_over_whatever_it_is_called(ferry, work):
    path = model(work / "d" / "b.gguf", name="The model")
    projector(path.with_name("a.gguf"))
    adapter(path.with_name("c.gguf"))
    imatrix(path.with_name("d.gguf"))
    control_vector(path.with_name("e.gguf"))
    ferry("prepare", "m", "d")
    assert json.loads((work / "models/m/m.card.json").read_text())["title"] == "The model"


def test_a_folder_with_sub_folders_is_taken_like_its_archive(ferry, work):
    (work / "repo" / "Q4_K_M").mkdir(parents=True)
    (work / "repo" / "config.json").write_text("{}")
    (work / "repo" / "README.md").write_text("x")
    shards(work / "repo" / "Q4_K_M", "m", *TWO)
    with tarfile.open(work / "repo.tar", "w") as tar:
        tar.add(work / "repo", ".")
    folder = ferry("prepare", "a", "repo", "--json")
    archive = ferry("prepare", "b", "repo.tar", "--json")
    assert digests(folder) == digests(archive) and len(digests(folder)) == 2
    # The second run knows the folder again, and a change in the sub-folder.
    assert ferry("prepare", "a", "repo", "--json").json["made"] is False
    shards(work / "repo" / "Q4_K_M", "m", llama_keys(blocks=2, name="New"), TWO[1])
    assert ferry("prepare", "a", "repo", "--json").json["made"] is True


@pytest.mark.parametrize("pack", [False, True])
def test_several_quantizations_in_sub_folders_are_listed(ferry, work, pack):
    model(work / "repo" / "Q4_K_M" / "m.gguf")
    model(work / "repo" / "Q8_0" / "m.gguf")
    if pack:
        with tarfile.open(work / "repo.tar", "w") as tar:
            tar.add(work / "repo", ".")
    result = ferry("prepare", "m", "repo.tar" if pack else "repo", check=2)
    assert "contains several models: Q4_K_M/m.gguf, Q8_0/m.gguf" in result.err


def test_what_was_prepared_in_a_folder_is_no_source_of_the_next_run(ferry, work):
    model(work / "m.gguf")
    ferry("prepare", "a", ".")
    ferry("prepare", "b", ".")


# -- shards -----------------------------------------------------------------------------

def test_shards_with_an_ending_in_capitals_are_found(ferry, work):
    for path in shards(work, "M", *TWO):
        path.rename(work / path.name.replace(".gguf", ".GGUF"))
    names = ["M-00001-of-00002.GGUF", "M-00002-of-00002.GGUF"]
    both = digests(ferry("prepare", "a", *names, "--json"))
    assert digests(ferry("prepare", "b", names[0], "--json")) == both
    (work / "up").mkdir()
    for name in names:
        (work / name).rename(work / "up" / name)
    assert digests(ferry("prepare", "c", "up", "--json")) == both
    urls = [(work / "up" / name).as_uri() for name in names]
    assert digests(ferry("prepare", "d", urls[0], "--json")) == both


def test_a_merged_file_with_the_name_of_a_shard_is_taken_with_a_warning(ferry, work):
    model(work / "m-00001-of-00003.gguf")
    result = ferry("prepare", "m", "m-00001-of-00003.gguf", "--json")
    assert len(result.json["files"]) == 1
    assert [w["code"] for w in result.json["warnings"]] == ["shard-name"]
    assert "its name is that of shard 1 of 3, but it is not a shard" in result.err


def test_shards_under_other_names_are_called_by_them(ferry, work):
    (work / "d").mkdir()
    for i, path in enumerate(shards(work, "m", *TWO)):
        path.rename(work / "d" / f"hf-m-{i}-e3b5.gguf")
    result = ferry("prepare", "m", "d/hf-m-0-e3b5.gguf", check=6)
    assert "hf-m-0-e3b5.gguf belongs to a model with 2 shards, but 1 is given" in result.err
    assert "give all shards of the model" in result.err
    both = digests(ferry("prepare", "m", "d/hf-m-1-e3b5.gguf", "d/hf-m-0-e3b5.gguf", "--json"))
    assert digests(ferry("prepare", "n", "d", "--json")) == both


@pytest.mark.parametrize("command", [("prepare", "m"), ("prepare", "--check")])
def test_shards_that_were_joined_with_cat_are_called_so(ferry, work, command):
    paths = shards(work, "m", *TWO)
    (work / "cat.gguf").write_bytes(b"".join(p.read_bytes() for p in paths))
    result = ferry(*command, "cat.gguf", check=6)
    said = result.out + result.err
    assert "joined with cat" in said
    assert "--check" in command or "llama-gguf-split --merge" in said


# -- what it is -------------------------------------------------------------------------

KINDS = {"adapter": (adapter, "a LoRA adapter"), "projector": (projector, "a projector"),
         "control-vector": (control_vector, "a control vector")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_model_is_named_and_its_card_says_so(ferry, work, validate, kind):
    make, said = KINDS[kind]
    make(work / "x.gguf")
    assert f"it is {said}" in ferry("prepare", "--check", "x.gguf").out
    result = ferry("prepare", "m", "x.gguf", "--json")
    validate(result.json, "output-prepare")
    assert f"it is {said}" in result.err and result.json["kind"] == kind
    card = json.loads((work / "models/m/m.card.json").read_text())
    validate(card, "card")
    variant, = card["variants"]
    assert variant["kind"] == kind and variant["id"].startswith(kind)
    assert "unknown" in variant["ram"] and "parameters" not in card


def test_a_projector_does_not_replace_the_model_of_its_type(ferry, work):
    projector(work / "mmproj-f16.gguf")
    write(work / "m.gguf", llama_keys(file_type=1), llama_tensors(kind="f16"))
    ferry("prepare", "m", "mmproj-f16.gguf")
    ferry("prepare", "m", "m.gguf")
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert [(v["id"], v.get("kind")) for v in card["variants"]] == [
        ("projector-f16", "projector"), ("f16", None)]
    assert card["family"] == "llama"


def test_an_importance_matrix_is_refused(ferry, work):
    imatrix(work / "x.gguf")
    assert "it is an importance matrix" in ferry("prepare", "--check", "x.gguf").out
    result = ferry("prepare", "m", "x.gguf", check=6)
    assert "x.gguf is an importance matrix, not a model" in result.err and "--imatrix" in result.err
    assert not (work / "models/m/m.card.json").exists()


def test_readers_are_told_what_is_no_model(ferry, work, validate):
    adapter(work / "lora.gguf")
    model(work / "m.gguf")
    for source in ("lora.gguf", "m.gguf"):
        ferry("prepare", "m", source, "--set", "license.id=MIT")
    p = Publisher(ferry, work)
    p.add(work / "models" / "m")
    p.sign()
    (work / "ferry.conf").write_text(p.client())
    assert "adapter-f32 (adapter)" in ferry("list").out
    listed = ferry("list", "--json").json
    validate(listed, "output-list")
    assert [(v["id"], v.get("kind"), v["default"]) for v in listed["models"][0]["variants"]] == [
        ("adapter-f32", "adapter", False), ("f32", None, True)]
    assert "adapter: it is used together with a model" in ferry("show", "m").out
    assert "not a model" not in ferry("fetch", "m").err
    fetched = ferry("fetch", "m:adapter-f32", "--json")
    validate(fetched.json, "output-fetch")
    assert "not a model" in fetched.err and fetched.json["models"][0]["kind"] == "adapter"
    assert "not a model" in ferry("run", "m:adapter-f32", "--", "test", "-s", "{}").err


# -- the label --------------------------------------------------------------------------

def quantized(path, seed=0, kind="q4_K", file_type=15):
    return write(path, llama_keys(file_type=file_type, name=f"Tiny {seed}"),
                 llama_tensors(kind=kind))


def test_three_labels_of_one_file_type_are_three_variants(ferry, work):
    for i, label in enumerate(["Q4_K_M", "UD-Q4_K_XL", "Q4_K_L"]):
        quantized(work / f"m-{label}.gguf", i)
        result = ferry("prepare", "m", f"m-{label}.gguf", "--json").json
        assert result["quantization"] == label and result["warnings"] == []
        # The second run knows the label as well.
        again = ferry("prepare", "m", f"m-{label}.gguf", "--json").json
        assert not again["made"] and again["quantization"] == label
    card = json.loads((work / "models/m/m.card.json").read_text())
    assert [(v["id"], v["quantization"]) for v in card["variants"]] == [
        ("q4_k_m", "Q4_K_M"), ("ud-q4_k_xl", "UD-Q4_K_XL"), ("q4_k_l", "Q4_K_L")]


@pytest.mark.parametrize("name, label", [
    ("m-Q8_0.gguf", "Q4_K_M"), ("m-Q4_K.gguf", "Q4_K_M"), ("m-Q5_K_L.gguf", "Q4_K_M"),
    ("m.i1-Q4_K_M.gguf", "i1-Q4_K_M"), ("m.gguf", "Q4_K_M"),
])
def test_a_label_counts_only_where_it_says_more_than_the_content(ferry, work, name, label):
    quantized(work / name)
    result = ferry("prepare", "m", name, "--json").json
    assert (result["quantization"], result["variant"]) == (label, label.lower())


def test_the_label_of_a_link_is_that_of_the_link(ferry, work):
    (work / "blobs").mkdir()
    quantized(work / "blobs" / "0123")
    (work / "m-UD-Q4_K_XL.gguf").symlink_to("blobs/0123")
    assert ferry("prepare", "m", "m-UD-Q4_K_XL.gguf", "--json").json["variant"] == "ud-q4_k_xl"


def test_other_bytes_under_the_same_name_are_told(ferry, work, validate):
    quantized(work / "a.gguf", 1)
    quantized(work / "b.gguf", 2)
    before, = digests(ferry("prepare", "m", "a.gguf", "--json"))
    result = ferry("prepare", "m", "b.gguf", "--json")
    validate(result.json, "output-prepare")
    warning, = result.json["warnings"]
    assert warning["code"] == "replaced" and before in warning["text"]
    assert f"replaces other bytes of m:q4_k_m, with the SHA-256 {before}" in result.err
    # The file may be gone, but the card still has it.
    (work / "models/m/m-q4_k_m.gguf").unlink()
    assert "replaces other bytes" in ferry("prepare", "m", "a.gguf").err
    assert "replaces" not in ferry("prepare", "m", "a.gguf").err
    (work / "models/m/m-q4_k_m.gguf").unlink()
    assert "replaces" not in ferry("prepare", "m", "a.gguf").err


# -- tensor types of forks --------------------------------------------------------------

@pytest.fixture
def forks(monkeypatch):
    """The types of forks that tests write; rows of iq4_ks have 4 bytes more than their blocks."""
    for name, row in {"iq4_k": (139, 256, 144), "iq4_ks": (144, 256, 140), "i2_s": (36, 4, 1),
                      "unknown": (90, 1, 1)}.items():
        monkeypatch.setitem(small_gguf.BLOCKS, name, row)


FORKS = [("iq4_k", "ik_llama.cpp"), ("iq4_ks", "ik_llama.cpp"), ("i2_s", "bitnet.cpp")]


@pytest.mark.parametrize("kind, fork", FORKS)
def test_types_of_a_fork_are_refused_by_its_name(ferry, work, forks, kind, fork):
    write(work / "m.gguf", llama_keys(), llama_tensors(kind=kind))
    assert f"of the type {kind}, which only {fork} has" in \
        ferry("prepare", "--check", "m.gguf", check=6).out
    result = ferry("prepare", "m", "m.gguf", check=6)
    assert f"of the type {kind}, which only {fork} has" in result.err
    assert "--allow-foreign-types" in result.err


@pytest.mark.parametrize("kind, fork", FORKS)
def test_types_of_a_fork_can_be_accepted_and_the_card_says_so(ferry, work, validate, forks, kind,
                                                              fork):
    keys = llama_keys()
    del keys["general.file_type"]
    write(work / "m.gguf", keys, llama_tensors(kind=kind))
    result = ferry("prepare", "m", "m.gguf", "--allow-foreign-types", "--json")
    validate(result.json, "output-prepare")
    assert result.json["variant"] == kind
    assert "foreign-types" in [w["code"] for w in result.json["warnings"]]
    card = json.loads((work / "models/m/m.card.json").read_text())
    validate(card, "card")
    assert card["variants"][0]["engine"] == fork
    assert not ferry("prepare", "m", "m.gguf", "--allow-foreign-types", "--json").json["made"]
    p = Publisher(ferry, work)
    p.add(work / "models" / "m")
    p.sign()
    (work / "ferry.conf").write_text(p.client())
    said = f"of all engines, only {fork} can load it"
    assert said in ferry("show", "m").out and said in ferry("fetch", "m").err


def test_a_foreign_tensor_that_is_cut_off_is_refused(ferry, work, forks):
    path = write(work / "m.gguf", llama_keys(), [("token_embd.weight", [256, 32], "iq4_k")])
    path.write_bytes(path.read_bytes()[:-600])
    result = ferry("prepare", "m", "m.gguf", "--allow-foreign-types", check=6)
    assert "the file is truncated" in result.err


def test_a_type_that_nobody_knows_is_refused_even_so(ferry, work, forks):
    write(work / "m.gguf", llama_keys(), llama_tensors(kind="unknown"))
    result = ferry("prepare", "m", "m.gguf", "--allow-foreign-types", check=6)
    assert "type 90 is not a ggml type" in result.err
