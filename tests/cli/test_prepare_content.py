"""ferry prepare: names, endings and labels are hints; the content says what a file is."""

import json
import tarfile

import pytest

from small_gguf import llama_keys, llama_tensors, shards, write

TWO = llama_keys(blocks=2), llama_tensors((0, 1))


def model(path, **keys):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, llama_keys(**keys), llama_tensors())


def adapter(path):
    return write(path, {"general.architecture": ("str", "llama"),
                        "general.type": ("str", "adapter"), "adapter.type": ("str", "lora"),
                        "adapter.lora.alpha": ("f32", 16.0)},
                 [("blk.0.attn_q.weight.lora_a", [256, 8], "f32"),
                  ("blk.0.attn_q.weight.lora_b", [8, 256], "f32")])


def projector(path):
    return write(path, {"general.architecture": ("str", "clip"),
                        "general.type": ("str", "mmproj"), "general.file_type": ("u32", 1),
                        "clip.vision.block_count": ("u32", 1)}, [("mm.0.weight", [64, 64], "f16")])


def control_vector(path):
    return write(path, {"general.architecture": ("str", "controlvector"),
                        "controlvector.model_hint": ("str", "llama")},
                 [("direction.1", [256], "f32")])


def imatrix(path):
    return write(path, {"general.type": ("str", "imatrix"), "imatrix.chunk_count": ("u32", 1)},
                 [("blk.0.attn_q.weight.in_sum2", [256, 1], "f32"),
                  ("blk.0.attn_q.weight.counts", [1, 1], "f32")])


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
