"""Files that are used together with a model (a projector, adapters, a draft model, an importance
matrix) are of one variant: prepared, signed, pushed, verified, fetched, run and removed together."""

import json
import pathlib
import shutil

import pytest

import small_gguf
from conftest import Ferry
from publisher import Publisher, copy_tree
from small_gguf import llama_keys, llama_tensors, write

ROLES = ["projector", "adapter", "adapter", "draft", "imatrix"]


def model(path, name="Tiny", **keys):
    return write(path, llama_keys(name=name, **keys), llama_tensors())


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The sources; tests do not change them."""
    folder = tmp_path_factory.mktemp("sources")
    model(folder / "model.gguf")
    model(folder / "draft.gguf", "Draft")
    small_gguf.projector(folder / "mmproj.gguf")
    small_gguf.adapter(folder / "a.gguf")
    small_gguf.adapter(folder / "b.gguf", seed=2)
    small_gguf.imatrix(folder / "i.gguf")
    small_gguf.old_imatrix(folder / "imatrix.dat")
    return folder


def prepare(ferry, files, *options, model="model.gguf", name="tiny", **more):
    return ferry("prepare", "-q", name, files / model, "--set", "license.id=MIT", *options, **more)


def every(files):
    return ["--imatrix", files / "i.gguf", "--draft", files / "draft.gguf", "--adapter",
            files / "a.gguf", "--projector", files / "mmproj.gguf", "--adapter", files / "b.gguf"]


def variant_of(ferry, name="tiny"):
    variant, = json.loads((ferry.work / f"models/{name}/{name}.card.json").read_text())["variants"]
    return variant


@pytest.fixture(scope="session")
def signed(tmp_path_factory, files):
    """A repository with a model that has a file of each role, and one that has none."""
    work = tmp_path_factory.mktemp("companions")
    ferry = Ferry(work)
    made = Publisher(ferry, work)
    prepare(ferry, files, *every(files))
    prepare(ferry, files, name="plain")
    made.add(work / "models/tiny")
    made.add(work / "models/plain")
    made.sign()
    return made


@pytest.fixture
def publisher(signed, ferry, work):
    return signed.again(ferry, work)


@pytest.fixture
def client(publisher, ferry, work):
    (work / "ferry.conf").write_text(publisher.client())
    return ferry


def fetched(ferry, reference, *options):
    found, = ferry("fetch", "--json", reference, *options).json["models"]
    return found


def roles(found):
    return [f.get("role") for f in found["files"]]


# -- prepare -------------------------------------------------------------------------------------

def test_companions_follow_the_model_in_the_card_whatever_the_order_of_the_options(ferry, files):
    result = prepare(ferry, files, *every(files), "--json").json
    assert roles(result) == [None, *ROLES]
    variant = variant_of(ferry)
    assert roles(variant) == [None, *ROLES]
    assert [pathlib.Path(f["path"]).name for f in variant["files"]] == [
        "tiny-f32.gguf", "mmproj-tiny-f32.gguf", "adapter-tiny-f32.gguf",
        "adapter-2-tiny-f32.gguf", "draft-tiny-f32.gguf", "imatrix-tiny-f32.gguf"]
    assert variant["size"] == sum(f["size"] for f in variant["files"])
    for file in result["files"]:
        manifest = json.loads(pathlib.Path(ferry.work / file["manifest"]).read_text())
        assert manifest["sha256"] == file["sha256"]
    assert result["warnings"] == []


def test_a_second_run_with_the_same_companions_does_nothing(ferry, files):
    prepare(ferry, files, *every(files))
    before = variant_of(ferry)
    result = prepare(ferry, files, *every(files), "--json").json
    assert not result["made"] and not result["card_changed"]
    assert roles(result) == [None, *ROLES] and variant_of(ferry) == before


def test_without_companions_the_card_has_no_roles(ferry, files):
    prepare(ferry, files)
    file, = variant_of(ferry)["files"]
    assert set(file) == {"path", "size", "sha256"}


def test_the_memory_of_projector_adapters_and_draft_is_counted(ferry, files):
    def bytes_with(*options):
        result = prepare(ferry, files, *options, "--json").json
        assert variant_of(ferry)["ram"]["bytes"] == result["ram"]["bytes"]
        return result["ram"]["bytes"]
    alone = bytes_with()
    projector = bytes_with("--projector", files / "mmproj.gguf") - alone
    adapters = bytes_with("--adapter", files / "a.gguf", "--adapter", files / "b.gguf") - alone
    draft = bytes_with("--draft", files / "draft.gguf") - alone
    assert projector == 64 * 64 * 2
    assert adapters == 2 * 4 * 2 * 256 * 8
    assert draft == alone
    assert bytes_with("--imatrix", files / "i.gguf") == alone


def test_the_memory_is_unknown_when_that_of_the_draft_is(ferry, files, work):
    write(work / "d.gguf", {**llama_keys(), "llama.ssm.state_size": ("u32", 4)}, llama_tensors())
    ram = prepare(ferry, files, "--draft", "d.gguf", "--json").json["ram"]
    assert "of the draft model" in ram["unknown"] and "recurrent" in ram["unknown"]


def test_sources_of_companions_may_be_urls_and_archives(ferry, files, work):
    shutil.make_archive(work / "packed", "zip", files, "mmproj.gguf")
    (work / "other").mkdir()
    shutil.copy(files / "draft.gguf", work / "other/model.gguf")
    prepare(ferry, files, "--projector", "packed.zip", "--draft",
            (work / "other/model.gguf").as_uri())
    assert roles(variant_of(ferry)) == [None, "projector", "draft"]
    assert not list((work / "models/tiny/.ferry-prepare").glob("*-[0-9]"))


@pytest.mark.parametrize("option, source, said", [
    ("--projector", "a.gguf", "is a LoRA adapter, not a projector"),
    ("--projector", "model.gguf", "is a model, not a projector"),
    ("--adapter", "mmproj.gguf", "is a projector for images or sound, not a LoRA adapter"),
    ("--draft", "a.gguf", "is a LoRA adapter, not a model"),
    ("--imatrix", "model.gguf", "is a model, not an importance matrix"),
    ("--projector", "imatrix.dat", "an importance matrix in the format before GGUF"),
])
def test_a_file_of_another_kind_is_refused_and_the_option_named(
        ferry, files, option, source, said):
    result = prepare(ferry, files, option, files / source, check=6)
    assert f"{option}: " in result.err and said in result.err
    assert not (ferry.work / "models/tiny/tiny.card.json").exists()


def test_an_adapter_of_another_architecture_is_refused(ferry, files, work):
    small_gguf.adapter(work / "x.gguf", "gemma")
    err = prepare(ferry, files, "--adapter", "x.gguf", check=6).err
    assert "is an adapter for the architecture gemma, but the model is llama" in err


@pytest.mark.parametrize("more, taken", [(128, True), (129, False)])
def test_the_vocabulary_of_a_draft_may_differ_by_what_llama_cpp_allows(
        ferry, files, work, more, taken):
    count = 32 + more
    tokens = {"tokenizer__ggml__tokens": ("str", [f"t{i}" for i in range(count)]),
              "tokenizer__ggml__scores": ("f32", [0.0] * count),
              "tokenizer__ggml__token_type": ("i32", [1] * count)}
    tensors = [("token_embd.weight", [256, count], "f32"), *llama_tensors()[1:]]
    write(work / "d.gguf", llama_keys(**tokens), tensors)
    result = prepare(ferry, files, "--draft", "d.gguf", check=0 if taken else 6)
    assert taken or f"has a vocabulary of {count} tokens, but the model one of 32" in result.err


def test_a_draft_with_another_tokenizer_is_refused(ferry, files, work):
    model(work / "d.gguf", tokenizer__ggml__model=("str", "gpt2"))
    err = prepare(ferry, files, "--draft", "d.gguf", check=6).err
    assert "the tokenizer of the draft model d.gguf is gpt2, but that of the model is llama" in err


def test_an_importance_matrix_in_the_old_format_is_taken(ferry, files):
    prepare(ferry, files, "--imatrix", files / "imatrix.dat")
    file = variant_of(ferry)["files"][1]
    assert (file["role"], file["path"]) == ("imatrix", "models/tiny/imatrix-tiny-f32.dat")


def test_a_companion_must_be_one_file_of_a_model(ferry, files, work):
    parts = small_gguf.shards(work, "d", llama_keys(), llama_tensors())
    err = prepare(ferry, files, "--draft", parts[0], check=2).err
    assert "has 2 shards, but a draft must be one file" in err
    err = prepare(ferry, files, "--projector", files / "mmproj.gguf", model="a.gguf", check=2).err
    assert "the source is a LoRA adapter, and only a model can have one" in err


def test_a_missing_companion_is_said_before_anything_is_made(ferry, files):
    err = prepare(ferry, files, "--projector", "no.gguf", check=3).err
    assert "--projector: no.gguf" in err
    assert not list((ferry.work / "models/tiny").glob("*.gguf"))


def test_a_companion_that_is_left_out_is_warned_of(ferry, files):
    prepare(ferry, files, "--projector", files / "mmproj.gguf")
    result = prepare(ferry, files, "--json").json
    warning, = result["warnings"]
    assert warning["code"] == "companion" and "'projector'" in warning["text"]
    assert roles(variant_of(ferry)) == [None]


def test_the_record_of_provenance_names_the_companions(ferry, files, work):
    prepare(ferry, files, "--projector", files / "mmproj.gguf", "--adapter", files / "a.gguf")
    record, = (work / "models/tiny").glob("*.provenance.json")
    statement = json.loads(record.read_text())
    build = statement["predicate"]["buildDefinition"]
    card = variant_of(ferry)["files"]
    assert [s["digest"]["sha256"] for s in statement["subject"]] == [f["sha256"] for f in card]
    assert build["externalParameters"]["companions"] == [
        {"role": "projector", "source": "mmproj.gguf"}, {"role": "adapter", "source": "a.gguf"}]
    assert build["internalParameters"]["command"][4:] == [
        "--projector", "mmproj.gguf", "--adapter", "a.gguf"]
    assert [d["digest"]["sha256"] for d in build["resolvedDependencies"]] == [
        f["sha256"] for f in card]


# -- the catalog ---------------------------------------------------------------------------------

def test_lint_has_no_error_for_companions_and_names_bad_roles(publisher, ferry, work):
    result = ferry("catalog", "lint", "--json", cwd=publisher.dir).json
    assert result["errors"] == 0
    path = publisher.tree / "cards/tiny.card.json"
    card = json.loads(path.read_text())
    files = card["variants"][0]["files"]
    files[2]["role"] = "projector"
    files[3]["role"] = "adaptor"
    path.write_text(json.dumps(card))
    found = ferry("catalog", "lint", path, "--json", check=1).json["findings"]
    assert any(f["level"] == "error" and "both have the role 'projector'" in f["text"]
               for f in found)
    assert any(f["level"] == "warning" and "did you mean 'adapter'" in f["text"] for f in found)
    files.reverse()
    path.write_text(json.dumps(card))
    assert "must come first" in ferry("catalog", "lint", path, check=1).out
    assert "must come first" in ferry("catalog", "sign", cwd=publisher.dir, check=6).err


def test_another_projector_alone_is_a_new_version_and_alone_is_downloaded(
        publisher, ferry, client, files, work):
    first = fetched(client, "tiny")
    small_gguf.projector(work / "p.gguf", seed=2)
    options = [o if o != files / "mmproj.gguf" else "p.gguf" for o in every(files)]
    prepare(ferry, files, *options)
    publisher.add(work / "models/tiny")
    publisher.sign()
    second = fetched(client, "tiny")
    assert (first["version"], second["version"]) == (1, 2)
    changed = [f for f in second["files"] if f["fetched"] or f["reused"]]
    assert [f["role"] for f in changed] == ["projector"]
    assert second["fetched"] + second["reused"] == second["files"][1]["size"]
    assert [f["name"] for f in second["files"]] == [f["name"] for f in first["files"]]
    assert roles(second) == [None, *ROLES]
    assert roles(fetched(client, "tiny@1")) == [None, *ROLES]


def test_add_and_list_name_the_roles_and_what_changed(publisher, ferry, files, work):
    roles_of = "projector, adapter, adapter, draft, imatrix"
    text = ferry("catalog", "list", cwd=publisher.dir).out
    assert f"(with {roles_of})" in text
    listed = {m["id"]: m["variants"][0] for m in ferry(
        "catalog", "list", "--json", cwd=publisher.dir).json["models"]}
    assert listed["tiny"]["roles"] == ROLES and "roles" not in listed["plain"]
    small_gguf.projector(work / "p.gguf", seed=2)
    prepare(ferry, files, "--projector", "p.gguf", "--draft", files / "draft.gguf")
    text = ferry("catalog", "add", work / "models/tiny", cwd=publisher.dir).out
    assert "the model with projector, draft" in text
    change, = ferry("catalog", "list", "--versions", "--json", cwd=publisher.dir).json[
        "models"][1]["variants"][0]["versions"][:1]
    assert change["changes"][:3] == [
        "Changed beside the model: projector.", "No longer beside the model: adapter.",
        "No longer beside the model: imatrix."]


def test_a_projector_of_its_own_kind_stays_a_variant_beside_one_with_roles(
        publisher, ferry, client, files, work):
    prepare(ferry, files, *every(files))
    ferry("prepare", "-q", "tiny", files / "mmproj.gguf")
    publisher.add(work / "models/tiny")
    assert ferry("catalog", "lint", "--json", cwd=publisher.dir).json["errors"] == 0
    publisher.sign()
    kinds = {v["id"]: v.get("kind") for v in client(
        "show", "tiny", "--json").json["model"]["variants"]}
    assert kinds == {"f32": None, "projector-f16": "projector"}
    assert roles(fetched(client, "tiny:projector-f16")) == [None]
    assert roles(fetched(client, "tiny")) == [None, *ROLES]


def test_push_and_verify_look_at_the_companions(signed, ferry, work):
    desk = signed.again(ferry, work)
    with (desk.dir / "ferry.conf").open("a") as conf:
        conf.write("[mirror.disk]\nkind = file\npath = mirror\n")
    ferry("push", "-q", cwd=desk.dir)
    ferry("verify", "-q", cwd=desk.dir)
    on_mirror, = (desk.dir / "mirror").glob("targets/models/tiny/*.mmproj-tiny-f32.gguf")
    on_mirror.chmod(0o644)
    data = bytearray(on_mirror.read_bytes())
    data[-1] ^= 1
    on_mirror.unlink()
    on_mirror.write_bytes(data)
    assert "mmproj-tiny-f32.gguf" in ferry("verify", "--full", cwd=desk.dir, check=1).out


# -- fetch, show and the store --------------------------------------------------------------------

def test_everything_is_fetched_together_the_model_first(client):
    found = fetched(client, "tiny")
    assert roles(found) == [None, *ROLES]
    assert found["path"] == found["files"][0]["path"]
    assert len({pathlib.Path(f["path"]).parent for f in found["files"]}) == 1
    for file in found["files"]:
        assert pathlib.Path(file["path"]).stat().st_size == file["size"]
    lines = client("fetch", "tiny").out.splitlines()
    assert lines == [f["path"] for f in found["files"]]
    stored, = client("store", "path", "tiny", "--json").json["variant"]["files"][1:2]
    assert stored["role"] == "projector"
    assert roles(fetched(client, "tiny", "--offline")) == [None, *ROLES]


def test_a_dry_run_lists_the_roles(client):
    found = fetched(client, "tiny", "--dry-run")
    assert roles(found) == [None, *ROLES]


def test_the_output_of_fetch_has_all_files_beside_each_other(client, work):
    lines = client("fetch", "tiny", "-o", "out").out.splitlines()
    assert lines[0] == str(work / "out/tiny-f32.gguf")
    assert {pathlib.Path(line).name for line in lines} == {p.name for p in (work / "out").iterdir()}
    assert len(lines) == 6


def test_show_lists_files_with_roles_and_sizes(client):
    text = client("show", "tiny").out
    assert "mmproj-tiny-f32.gguf  projector" in text and "8448 bytes" in text
    assert "\n  tiny-f32.gguf  " in text
    card = client("show", "tiny", "--json").json["model"]
    assert roles(card["variants"][0]) == [None, *ROLES]


def test_a_damaged_companion_is_found_and_fetched_again(client):
    found = fetched(client, "tiny")
    blob = pathlib.Path(found["files"][1]["path"]).resolve()
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    client("store", "verify", "tiny", check=1)
    again = fetched(client, "tiny")
    assert [f["role"] for f in again["files"] if f["fetched"] or f["reused"]] == ["projector"]


def test_companions_are_removed_with_the_model(client, work):
    found = fetched(client, "tiny")
    blobs = [pathlib.Path(f["path"]).resolve() for f in found["files"]]
    client("store", "remove", "tiny")
    assert not any(b.exists() for b in blobs)


# -- run -----------------------------------------------------------------------------------------

def run(ferry, reference, *args, options=(), **more):
    return ferry("run", *options, reference, "--", "printf", "%s\\n", *args, **more)


def test_placeholders_are_the_paths_of_the_roles(client):
    result = run(client, "tiny", "{}", "--mmproj={projector}", "{draft}", "{imatrix}", "{}{draft}",
                 "{other}", "{", "")
    paths = [f["path"] for f in fetched(client, "tiny", "--offline")["files"]]
    assert result.out.splitlines() == [
        paths[0], f"--mmproj={paths[1]}", paths[4], paths[5], paths[0] + paths[4], "{other}", "{",
        ""]


def test_several_adapters_are_joined_by_commas(client, work):
    result = run(client, "tiny", "{}", "--lora", "{adapter}")
    paths = [f["path"] for f in fetched(client, "tiny", "--offline")["files"]]
    assert result.out.splitlines()[2] == f"{paths[2]},{paths[3]}"
    client.env["FERRY_HOME"] = str(work / 'a,"b')
    first, second = run(client, "tiny", "{}", "{adapter}").out.splitlines()[1][1:-1].split('","')
    assert first == f'{work}/a,""b/models/demo/tiny/f32/adapter-tiny-f32.gguf'
    assert second.endswith("/adapter-2-tiny-f32.gguf")


@pytest.mark.parametrize("options", [(), ("--offline",)])
def test_a_placeholder_that_the_variant_does_not_have_is_refused_before_the_download(
        client, options):
    client("show", "plain")
    err = run(client, "plain", "{}", "{projector}", options=options, check=2).err
    assert "an argument has {projector}, but plain:f32 has no file with this role" in err
    assert client("store", "list", "--json").json["variants"] == []
    fetched(client, "plain")
    err = run(client, "plain", "{}", "{projector}", options=options, check=2).err
    assert "plain:f32 has no file with this role" in err and "only the model itself" in err


def test_a_placeholder_is_checked_when_the_store_is_all_there_is(client, publisher):
    fetched(client, "plain")
    fetched(client, "tiny")
    publisher.tree.rename(publisher.dir / "gone")
    assert run(client, "tiny", "{}", "{projector}").out.count("\n") == 2
    err = run(client, "plain", "{}", "{draft}", check=2).err
    assert "an argument has {draft}, but plain:f32 has no file with this role" in err


def test_a_placeholder_of_a_role_does_not_replace_that_of_the_model(client):
    assert "no argument of printf has {}" in run(client, "tiny", "{projector}", check=2).err
