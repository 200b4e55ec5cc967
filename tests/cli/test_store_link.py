"""Models of the store in the folders of engines: what llama.cpp reads, a real llama.cpp loads; the
cache of the Hugging Face Hub is read by Hugging Face's own client; the others are compared with what
their sources say (src/handoff/*.c cite them)."""

import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import threading

import pytest

import engine
import node_servers
import small_gguf
from conftest import Ferry
from disks import SmallDisk, read_only
from kills import Moments
from publisher import Publisher
from test_engine import libraries  # noqa: F401
from test_poor_file_systems import lacking
from waiting import PATIENCE

MODEL, SHARDS, SEER = "phi-2", "big", "seer"
FOLDERS = {"llama.cpp": ".local/share/llama.cpp/models", "huggingface": ".cache/huggingface/hub",
           "ollama": ".ollama/models", "lmstudio": ".lmstudio/models"}
ENGINES = [*FOLDERS, "directory"]


@pytest.fixture(scope="session")
def shop(tmp_path_factory, make_gguf):
    """A model of one file, one of three, one with a projector and an adapter, and a client's store
    that has them."""
    work = tmp_path_factory.mktemp("link")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    for model, sources in ((MODEL, [make_gguf(work / "phi-2-q8_0.gguf", "--type", "q8_0")]),
                           (SHARDS, None)):
        if sources is None:
            make_gguf(work / "big-f16.gguf", "--type", "f16", "--shards", "3", "--seed", "2")
            sources = sorted(work.glob("big-f16-*.gguf"))
        ferry("prepare", model, *sources, "--set", "license.id=MIT",
              "--set", "source.url=https://huggingface.co/acme/Phi-2-GGUF" if model == MODEL
              else "title=Big")
        publisher.add(work / "models" / model)
    small_gguf.projector(work / "eyes.gguf")
    small_gguf.adapter(work / "polite.gguf")
    make_gguf(work / "seer-f32.gguf", "--seed", "3", "--type", "f32")
    ferry("prepare", SEER, work / "seer-f32.gguf", "--projector", work / "eyes.gguf", "--adapter",
          work / "polite.gguf", "--set", "license.id=MIT")
    publisher.add(work / "models" / SEER)
    publisher.sign()
    (work / "ferry.conf").write_text(publisher.client())
    ferry("fetch", MODEL, SHARDS, SEER)
    return work, publisher


def copy_store(source, to):
    """Blobs are the same files: nobody writes into them."""
    def one(a, b):
        return os.link(a, b) if "/blobs/" in a else shutil.copy2(a, b, follow_symlinks=False)
    shutil.copytree(source, to, symlinks=True, copy_function=one)


@pytest.fixture
def client(shop, ferry, work):
    copy_store(shop[0] / "store", ferry.store)
    shutil.copy(shop[0] / "ferry.conf", work / "ferry.conf")
    return ferry


def link(client, name, model=MODEL, /, **options):
    """The entry of --json."""
    more = ["--to", client.work / "folder"] if name == "directory" else []
    for option, value in options.items():
        more += [f"--{option}", *([] if value is True else [value])]
    return client("store", "link", model, "--engine", name, *more, "--json").json["links"][0]


def folder(client, name):
    return client.work / "folder" if name == "directory" else client.home / FOLDERS[name]


def files_below(path):
    """Relative path → bytes, of all that is not a folder. Links are followed."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*"))
            if not p.is_dir()}


def records(client):
    return [json.loads(p.read_text()) for p in (client.store / "links").glob("*.json")]


def stored(client, model=MODEL):
    return [pathlib.Path(p) for p in client("store", "path", model).out.split()]


# -- a real llama.cpp --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tokens(shop, libraries):  # noqa: F811
    """What llama.cpp generates from the files that were published."""
    return {model: engine.load(libraries, shop[0] / file)["tokens"] for model, file in (
        (MODEL, "phi-2-q8_0.gguf"), (SHARDS, "big-f16-00001-of-00003.gguf"),
        (SEER, "seer-f32.gguf"))}


@pytest.mark.parametrize("model, name", [
    *((MODEL, name) for name in ENGINES), *((SHARDS, n) for n in ENGINES if n != "ollama"),
    (SEER, "llama.cpp"), (SEER, "ollama")])
def test_llama_cpp_generates_through_each_layout(client, libraries, tokens, model, name):  # noqa: F811
    made = link(client, name, model)
    assert made["result"] == "linked" and made["copied"] == 0
    assert made["open"].startswith(str(folder(client, name)))
    assert engine.load(libraries, made["open"])["tokens"] == tokens[model]


# -- each layout -------------------------------------------------------------------------------


def test_llama_cpp_has_a_folder_for_each_model(client):
    """As load_from_models_dir() in llama.cpp's common/preset.cpp looks: a sub-folder is one model,
    and the first shard, or the only other file, is what it opens."""
    for model in (MODEL, SHARDS):
        made = link(client, "llama.cpp", model)
        assert made["use"] == f"llama-server --models-dir {folder(client, 'llama.cpp')}"
    found = sorted(str(p.relative_to(folder(client, "llama.cpp")))
                   for p in folder(client, "llama.cpp").rglob("*.gguf"))
    assert found == [*(f"big-f16/big-f16-0000{i}-of-00003.gguf" for i in (1, 2, 3)),
                     "phi-2-q8_0/phi-2-q8_0.gguf"]


def test_the_hubs_own_client_finds_the_model_in_its_cache(client):
    link(client, "huggingface")
    link(client, "huggingface", SHARDS)
    out = subprocess.run(
        ["node", node_servers.JS / "hub-cache.mjs", node_servers.install(),
         folder(client, "huggingface")], check=True, capture_output=True, text=True,
        timeout=PATIENCE).stdout
    seen = json.loads(out)
    assert seen["warnings"] == []
    repos = {r["id"]["name"]: r for r in seen["repos"]}
    assert set(repos) == {"acme/Phi-2-GGUF", f"demo/{SHARDS}"}
    for name, model in (("acme/Phi-2-GGUF", MODEL), (f"demo/{SHARDS}", SHARDS)):
        revision, = repos[name]["revisions"]
        assert revision["refs"] == ["main"]
        assert sorted((pathlib.Path(f["path"]).name, f["size"]) for f in revision["files"]) == \
            sorted((p.name, p.stat().st_size) for p in stored(client, model))


def test_the_cache_of_the_hub_is_as_huggingface_hub_looks_a_file_up(client):
    """try_to_load_from_cache() in huggingface_hub's file_download.py: refs/main without a newline,
    then snapshots/<commit>/<file>. Its blobs are named by their SHA-256."""
    made = link(client, "huggingface")
    root = folder(client, "huggingface") / "models--acme--Phi-2-GGUF"
    commit = (root / "refs/main").read_text()
    assert len(commit) == 40 and int(commit, 16) >= 0
    path = root / "snapshots" / commit / "phi-2-q8_0.gguf"
    assert made["open"] == str(path)
    assert os.readlink(path).startswith("../../blobs/")
    blob = path.parent / os.readlink(path)
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert made["use"] == "llama-server -hf acme/Phi-2-GGUF:q8_0 --offline"


def test_a_cleaned_cache_of_the_hub_leaves_the_store_as_it_was(client):
    """huggingface_hub before 1.0 removes a revision by what its links lead to in the end."""
    made = link(client, "huggingface")
    pathlib.Path(made["open"]).resolve().unlink()
    client("store", "path", MODEL)
    assert client("store", "verify").code == 0


def test_ollama_finds_manifest_config_and_blob(client):
    """As GetModel() in ollama's server/images.go reads them."""
    made = link(client, "ollama")
    root = folder(client, "ollama")
    manifest = json.loads((root / "manifests/registry.ollama.ai/library/phi-2/q8_0").read_text())
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "application/vnd.ollama.image.model"]
    for part in (manifest["config"], *manifest["layers"]):
        blob = root / "blobs" / part["digest"].replace(":", "-")
        assert blob.stat().st_size == part["size"]
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == part["digest"].split(":")[1]
    config = json.loads(
        (root / "blobs" / manifest["config"]["digest"].replace(":", "-")).read_text())
    assert config["model_format"] == "gguf" and config["file_type"] == "Q8_0"
    assert config["model_family"] == "llama" and config["model_families"] == ["llama"]
    assert config["model_type"].endswith("M")
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert made["use"] == "ollama run phi-2:q8_0"


def test_ollama_does_not_get_shards(client):
    result = client("store", "link", SHARDS, "--engine", "ollama", check=2)
    assert "3 files" in result.err and "llama-gguf-split --merge" in result.err
    assert not folder(client, "ollama").exists()


def test_lm_studio_has_publisher_and_model(client):
    link(client, "lmstudio")
    assert list(files_below(folder(client, "lmstudio"))) == ["demo/phi-2-q8_0/phi-2-q8_0.gguf"]


def test_projector_and_adapter_are_where_each_engine_looks_for_them(client):
    """llama.cpp and LM Studio know a projector by "mmproj" in its name, and take any other file
    beside the model for a model."""
    notes = {name: link(client, name, SEER)["notes"] for name in ENGINES}
    names = [p.name for p in stored(client, SEER)]
    model, eyes, polite = contents = [p.read_bytes() for p in stored(client, SEER)]
    assert "mmproj" in names[1]
    assert files_below(folder(client, "llama.cpp")) == {
        f"seer-f32/{names[0]}": model, f"seer-f32/{names[1]}": eyes,
        f"seer-f32/adapter/{names[2]}": polite}
    assert files_below(folder(client, "lmstudio")) == {
        f"demo/seer-f32/{names[0]}": model, f"demo/seer-f32/{names[1]}": eyes}
    assert files_below(folder(client, "directory")) == dict(zip(names, contents))
    snapshot, = folder(client, "huggingface").glob("models--demo--seer/snapshots/*")
    assert files_below(snapshot) == {names[0]: model, names[1]: eyes}
    for name, told in notes.items():
        assert (f"{names[2]} (adapter) is left out" in " ".join(told)) == \
            (name in ("lmstudio", "huggingface"))
    root = folder(client, "ollama")
    manifest = json.loads((root / "manifests/registry.ollama.ai/library/seer/f32").read_text())
    assert [(layer["mediaType"].rsplit(".", 1)[1],
             (root / "blobs" / layer["digest"].replace(":", "-")).read_bytes())
            for layer in manifest["layers"]] == [
                ("model", model), ("projector", eyes), ("adapter", polite)]
    config = root / "blobs" / manifest["config"]["digest"].replace(":", "-")
    assert json.loads(config.read_text())["model_families"] == ["llama", "clip"]
    client("store", "unlink", SEER)
    for name in ENGINES:
        assert files_below(folder(client, name)) == {}


def test_a_name_can_be_given(client):
    assert link(client, "ollama", name="me/small:1")["use"] == "ollama run me/small:1"
    assert link(client, "huggingface", name="me/small")["use"].startswith("llama-server -hf me/small:")
    link(client, "lmstudio", name="me/small")
    link(client, "llama.cpp", name="small")
    assert (folder(client, "ollama") / "manifests/registry.ollama.ai/me/small/1").exists()
    assert (folder(client, "huggingface") / "models--me--small").exists()
    assert (folder(client, "lmstudio") / "me/small/phi-2-q8_0.gguf").exists()
    assert (folder(client, "llama.cpp") / "small/phi-2-q8_0.gguf").exists()
    client("store", "link", MODEL, SHARDS, "--engine", "llama.cpp", "--name", "x", check=2)
    for name in ("..", "a/../b", "-x", "x\n"):
        client("store", "link", MODEL, "--engine", "ollama", "--name", name, check=2)


def test_the_engines_own_variables_say_where(client, work):
    for name, variable in (("llama.cpp", "LLAMA_ARG_MODELS_DIR"), ("huggingface", "HF_HUB_CACHE"),
                           ("ollama", "OLLAMA_MODELS")):
        client.env[variable] = work / name
        assert link(client, name)["root"] == str(work / name)


def test_a_cache_of_llama_cpps_own_is_pointed_out(client, work):
    client.env["LLAMA_CACHE"] = work / "cache"
    assert "LLAMA_CACHE is set" in link(client, "huggingface")["notes"][0]
    assert link(client, "huggingface", to=work / "cache")["notes"] == []


def test_folders_with_odd_names_work(client, work, libraries, tokens):  # noqa: F811
    odd = work / "an odd 'folder'\n\"ü\\$x"
    made = client("store", "link", MODEL, "--engine", "llama.cpp", "--to", odd, "--json").json
    assert engine.load(libraries, made["links"][0]["open"])["tokens"] == tokens[MODEL]
    shown = client("store", "link").out
    assert "\\x0a" in shown
    client("store", "unlink", MODEL)
    assert list(odd.iterdir()) == []
    name = os.fsencode(work) + b"/\xff"
    client("store", "link", MODEL, "--engine", "llama.cpp", "--to", os.fsdecode(name), check=2)


# -- again, and after an update ----------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_the_same_command_again_changes_nothing(client, name):
    link(client, name)
    before = files_below(folder(client, name))
    times = {p: p.lstat().st_mtime_ns for p in folder(client, name).rglob("*")}
    again = link(client, name)
    assert again["result"] == "unchanged"
    assert {f["action"] for f in again["files"]} == {"keep"}
    assert files_below(folder(client, name)) == before
    assert {p: p.lstat().st_mtime_ns for p in folder(client, name).rglob("*")} == times


@pytest.mark.parametrize("name", ENGINES)
def test_unlink_removes_what_link_made_and_no_more(client, name):
    root = folder(client, name)
    root.mkdir(parents=True)
    (root / "of mine").write_text("mine")
    made = link(client, name)
    result = client("store", "unlink", MODEL, "--engine", name, "--json").json["unlinked"][0]
    assert result["removed"] == len(made["files"]) and result["kept"] == []
    assert list(root.rglob("*")) == [root / "of mine"]
    assert records(client) == []
    client("store", "verify")
    assert "is not linked" in client("store", "unlink", MODEL, check=3).err


def test_unlink_without_an_engine_removes_all(client):
    for name in ENGINES:
        link(client, name)
    link(client, "llama.cpp", SHARDS)
    assert len(client("store", "unlink", MODEL, "--json").json["unlinked"]) == len(ENGINES)
    assert [r["model"] for r in records(client)] == [SHARDS]


def test_a_dry_run_makes_nothing(client):
    for name in ENGINES:
        planned = link(client, name, **{"dry-run": True})
        assert planned["result"] == "planned"
        assert {f["action"] for f in planned["files"]} == {"make"}
        assert not folder(client, name).exists()
    assert records(client) == []


def test_after_an_update_the_same_command_leads_to_the_new_version(client, shop, work, make_gguf):
    publisher = shop[1].again(client, work)
    (work / "ferry.conf").write_text(publisher.client())
    for name in ENGINES:
        link(client, name)
    old = stored(client)[0].read_bytes()
    source = make_gguf(work / "phi-2-q8_0.gguf", "--type", "q8_0", "--revision", "1")
    client("prepare", MODEL, source, "--set", "license.id=MIT",
           "--set", "source.url=https://huggingface.co/acme/Phi-2-GGUF")
    publisher.add(work / "models" / MODEL)
    publisher.sign()
    client("fetch", MODEL)
    for name in ENGINES:
        root = folder(client, name)
        assert old in files_below(root).values()        # until it is linked again
        made = link(client, name)
        assert {f["action"] for f in made["files"]} <= {"replace", "make", "keep"}
        assert pathlib.Path(made["open"]).read_bytes() == source.read_bytes()
        assert old not in files_below(root).values()


def test_the_links_of_two_variants_of_a_model_stand_side_by_side(client, shop, work, make_gguf):
    publisher = shop[1].again(client, work)
    (work / "ferry.conf").write_text(publisher.client())
    source = make_gguf(work / "phi-2-f16.gguf", "--type", "f16")
    client("prepare", MODEL, source, "--set", "license.id=MIT",
           "--set", "source.url=https://huggingface.co/acme/Phi-2-GGUF")
    publisher.add(work / "models" / MODEL)
    publisher.sign()
    client("fetch", f"{MODEL}:f16")
    for name in ENGINES:
        link(client, name, f"{MODEL}:q8_0")
        link(client, name, f"{MODEL}:f16")
        client("store", "unlink", f"{MODEL}:q8_0", "--engine", name)
        assert source.read_bytes() in files_below(folder(client, name)).values()
    root = folder(client, "huggingface") / "models--acme--Phi-2-GGUF"
    commit = (root / "refs/main").read_text()
    assert [p.name for p in (root / "snapshots" / commit).iterdir()] == ["phi-2-f16.gguf"]


# -- what others have ----------------------------------------------------------------------------


def own_path(client, name):
    """The file that decides what an engine sees, where another program might have one."""
    paths = [f["path"] for f in link(client, name, **{"dry-run": True})["files"]]
    return pathlib.Path(paths[-1])


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", ["file", "link", "broken link", "folder"])
def test_what_another_program_made_is_left_alone(client, work, name, kind):
    path = own_path(client, name)
    path.parent.mkdir(parents=True)
    (work / "theirs").write_bytes(b"theirs")
    if kind == "file":
        path.write_bytes(b"theirs")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(work / "theirs" if kind == "link" else work / "nothing")
    before = (stat.S_IFMT(path.lstat().st_mode), path.lstat().st_ino)
    result = client("store", "link", MODEL, "--engine", name,
                    *(["--to", work / "folder"] if name == "directory" else []), check=8)
    assert str(path) in result.err and "hint: " in result.err
    assert (stat.S_IFMT(path.lstat().st_mode), path.lstat().st_ino) == before
    assert (work / "theirs").read_bytes() == b"theirs"
    assert [p for p in folder(client, name).rglob("*") if not p.is_dir()] == \
        ([] if kind == "folder" else [path])
    assert records(client) == []


@pytest.mark.parametrize("version", ["manifests", "manifests-v2"])
def test_a_manifest_of_ollamas_own_is_left_alone(client, version):
    path = folder(client, "ollama") / version / "registry.ollama.ai/library/phi-2/q8_0"
    path.parent.mkdir(parents=True)
    path.write_text('{"schemaVersion":2}')
    result = client("store", "link", MODEL, "--engine", "ollama", check=8)
    assert "ollama rm" in result.err and "--name" in result.err
    assert path.read_text() == '{"schemaVersion":2}'
    link(client, "ollama", name="phi-2:mine")


def test_a_blob_that_ollama_has_already_is_used_and_stays(client):
    path = pathlib.Path(link(client, "ollama", **{"dry-run": True})["files"][0]["path"])
    path.parent.mkdir(parents=True)
    shutil.copyfile(stored(client)[0], path)
    made = link(client, "ollama")
    assert [f["action"] for f in made["files"]] == ["use", "make", "make"]
    client("store", "unlink", MODEL)
    assert [p for p in folder(client, "ollama").rglob("*") if p.is_file()] == [path]


def test_a_damaged_blob_in_the_folder_of_ollama_is_not_used(client):
    path = pathlib.Path(link(client, "ollama", **{"dry-run": True})["files"][0]["path"])
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(stored(client)[0].stat().st_size))
    client("store", "link", MODEL, "--engine", "ollama", check=8)


def test_a_download_of_the_hub_is_kept(client):
    root = folder(client, "huggingface") / "models--acme--Phi-2-GGUF"
    commit = "00112233445566778899aabbccddeeff00112233"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text(commit)
    (root / "snapshots" / commit).mkdir(parents=True)
    (root / "snapshots" / commit / "config.json").write_text("{}")
    before = files_below(root)
    result = client("store", "link", MODEL, "--engine", "huggingface", check=8)
    assert "--name" in result.err
    assert files_below(root) == before
    made = link(client, "huggingface", name="acme/mine")
    assert pathlib.Path(made["open"]).exists()
    # It has the same file: then there is nothing to do.
    shutil.copyfile(stored(client)[0], root / "snapshots" / commit / "phi-2-q8_0.gguf")
    made = link(client, "huggingface")
    assert made["result"] == "unchanged" and made["open"].startswith(str(root / "snapshots" / commit))


def test_what_another_program_has_changed_stays(client):
    made = link(client, "huggingface")
    ref = pathlib.Path(made["files"][-1]["path"])
    ref.write_text("00112233445566778899aabbccddeeff00112233")      # llama.cpp was online
    shown = client("store", "link", "--json").json["links"][0]
    assert shown["state"] == "changed"
    result = client("store", "unlink", MODEL, "--json")
    assert result.json["unlinked"][0]["kept"] == [str(ref)]
    assert "another program has changed it" in result.err
    assert ref.exists() and not pathlib.Path(made["open"]).exists()


def test_ollama_rm_leaves_the_store_as_it_was(client):
    """It removes manifest and blobs by their paths: RemoveNamed() in ollama's manifest.go."""
    for f in link(client, "ollama")["files"]:
        os.remove(f["path"])
    client("store", "verify")
    assert client("store", "link", "--json").json["links"][0]["state"] == "gone"
    assert client("store", "unlink", MODEL, "--json").json["unlinked"][0]["gone"] == 3


# -- file systems --------------------------------------------------------------------------------


@pytest.mark.parametrize("words, how", [
    ("", "symlink"), ("symbolic", "hardlink")])
def test_a_simulated_file_system_without_links_gets_the_next_best(client, words, how):
    client.env.update(lacking(words))
    made = link(client, "directory")
    assert [f["how"] for f in made["files"]] == [how]
    assert link(client, "directory")["result"] == "unchanged"
    assert client("store", "link", "--json").json["links"][0]["state"] == "ok"
    client("store", "unlink", MODEL)
    assert files_below(folder(client, "directory")) == {}


@pytest.mark.parametrize("name", ENGINES)
def test_nothing_is_copied_on_a_simulated_file_system_without_links_unless_asked(client, name):
    client.env.update(lacking("links"))
    more = ["--to", client.work / "folder"] if name == "directory" else []
    result = client("store", "link", MODEL, "--engine", name, *more, check=7)
    assert "--copy copies the files: 1.4 MiB" in result.err
    assert not folder(client, name).exists() or files_below(folder(client, name)) == {}
    assert records(client) == []
    made = link(client, name, copy=True)
    assert made["copied"] >= stored(client)[0].stat().st_size
    assert pathlib.Path(made["open"]).read_bytes() == stored(client)[0].read_bytes()
    assert link(client, name, copy=True)["result"] == "unchanged"
    assert client("store", "unlink", MODEL, "--json").json["unlinked"][0]["removed"] == \
        len(made["files"])
    assert files_below(folder(client, name)) == {}


def test_a_copy_that_does_not_fit_leaves_nothing(client, work):
    disk = SmallDisk(work / "small", 1 << 20)
    try:
        client.env.update({**disk.env, **({} if disk.env else lacking("links"))})
        client("store", "link", MODEL, "--engine", "directory", "--to", disk.path / "m", "--copy",
               check=7)
        assert list((disk.path).rglob("*")) in ([], [disk.path / "m"])
        assert records(client) == []
    finally:
        disk.close()


def test_links_to_another_disk_are_symbolic(client, work):
    disk = SmallDisk(work / "other", 1 << 20)
    try:
        made = client("store", "link", MODEL, "--engine", "huggingface", "--to",
                      disk.path / "hub", "--json").json["links"][0]
        assert made["files"][0]["how"] == ("symlink" if disk.mounted else "hardlink")
        assert pathlib.Path(made["open"]).read_bytes() == stored(client)[0].read_bytes()
        client("store", "unlink", MODEL)
        assert files_below(disk.path / "hub") == {}
    finally:
        disk.close()


@pytest.mark.parametrize("name", ["llama.cpp", "ollama"])
def test_a_folder_that_is_read_only_says_what_to_do(client, name):
    root = folder(client, name)
    root.mkdir(parents=True)
    with read_only(root) as wrap:
        command = wrap(client.command("store", "link", MODEL, "--engine", name))
        result = subprocess.run(command, cwd=client.work, env=client.environment(None),
                                capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 7, result.stderr
    assert str(root) in result.stderr and "hint: " in result.stderr
    assert list(root.iterdir()) == [] and records(client) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_the_folder_of_ollamas_user_says_what_to_do(client):
    root = folder(client, "ollama")
    root.mkdir(parents=True)
    os.chown(root, 65534, 65534)
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
               *client.command("store", "link", MODEL, "--engine", "ollama")]
    result = subprocess.run(command, cwd=client.work, env=client.environment(None),
                            capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 7, result.stderr
    assert "usermod -aG nobody" in result.stderr and "OLLAMA_MODELS" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_what_another_users_server_reads_is_no_link_into_this_users_store(client):
    root = folder(client, "ollama")
    root.mkdir(parents=True)
    os.chown(root, 65534, 65534)
    made = link(client, "ollama")
    assert [f["how"] for f in made["files"]] == ["hardlink", "written", "written"]
    blob, *written = [pathlib.Path(f["path"]) for f in made["files"]]
    assert blob.stat().st_uid == 0 and {p.stat().st_uid for p in written} == {65534}
    for path in (blob, *written):
        assert path.stat().st_mode & 0o004
    folders = [p for p in root.rglob("*") if p.is_dir()]
    assert {(p.stat().st_uid, p.stat().st_mode & 0o005) for p in folders} == {(65534, 0o005)}
    client("store", "unlink", MODEL)
    assert list(root.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_what_another_users_server_could_not_read_is_copied_if_asked(client):
    root = folder(client, "ollama")
    root.mkdir(parents=True)
    os.chown(root, 65534, 65534)
    copied = client.store / "blobs" / "sha256" / stored(client)[0].resolve().name
    data = copied.read_bytes()
    copied.unlink()
    copied.write_bytes(data)
    copied.chmod(0o400)
    result = client("store", "link", MODEL, "--engine", "ollama", check=7)
    assert "the server's user cannot read" in result.err and "--copy" in result.err
    assert list(root.iterdir()) == []
    made = link(client, "ollama", copy=True)
    assert made["files"][0]["how"] == "copy"
    path = pathlib.Path(made["files"][0]["path"])
    assert path.stat().st_uid == 65534 and path.stat().st_mode & 0o004


def test_links_in_a_store_that_cannot_be_written_to_are_refused(client):
    with read_only(client.store) as wrap:
        command = wrap(client.command("store", "link", MODEL, "--engine", "lmstudio"))
        result = subprocess.run(command, cwd=client.work, env=client.environment(None),
                                capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 7 and "could not be recorded" in result.stderr
    assert not folder(client, "lmstudio").exists()


def test_after_the_store_was_moved_the_links_are_broken_until_they_are_made_again(client, work):
    for name in ("lmstudio", "ollama", "huggingface"):
        link(client, name)
    shutil.move(client.store, work / "moved")
    client.env["FERRY_HOME"] = work / "moved"
    client.store = work / "moved"
    shown = {i["engine"]: i["state"] for i in client("store", "link", "--json").json["links"]}
    assert shown == {"lmstudio": "broken", "ollama": "broken", "huggingface": "ok"}
    assert "broken" in client("store", "link").out
    made = link(client, "lmstudio")
    assert made["result"] == "linked" and made["files"][0]["action"] == "replace"
    assert str(work / "moved") in os.readlink(made["open"])
    assert client("store", "unlink", MODEL, "--engine", "ollama", "--json").json["unlinked"][0] \
        ["removed"] == 3
    assert files_below(folder(client, "ollama")) == {}


def test_store_list_says_that_links_lead_nowhere(client, work):
    link(client, "lmstudio")
    assert "nowhere" not in client("store", "list").err
    shutil.move(client.store, work / "moved")
    client.env["FERRY_HOME"] = work / "moved"
    assert "1 of the models that are linked for engines leads nowhere" in client("store", "list").err


@pytest.mark.parametrize("name", ["lmstudio", "huggingface"])
def test_what_an_engine_uses_is_not_removed_from_the_store(client, name):
    made = link(client, name)
    result = client("store", "remove", MODEL, check=8)
    assert "ferry store unlink demo/phi-2:q8_0" in result.err
    client("store", "gc")
    assert pathlib.Path(made["open"]).exists()
    client("store", "unlink", MODEL)
    client("store", "remove", MODEL)


def test_a_copy_needs_no_file_of_the_store(client):
    client.env.update(lacking("links"))
    made = link(client, "lmstudio", copy=True)
    client("store", "remove", MODEL)
    assert pathlib.Path(made["open"]).exists()
    client("store", "unlink", MODEL)
    assert not pathlib.Path(made["open"]).exists()


# -- interrupted ---------------------------------------------------------------------------------


def sees(client, name):
    """What the engine would take for a model, if anything: as its sources look."""
    root = folder(client, name)
    if name == "ollama":
        return [p for p in (root / "manifests").rglob("*") if p.is_file() and p.name[0] != "."]
    if name == "huggingface":
        return list(root.glob("*/refs/main"))
    return [p for p in root.rglob("*.gguf") if p.name[0] != "."]


@pytest.mark.parametrize("name", ["ollama", "huggingface", "lmstudio"])
@pytest.mark.parametrize("options", [{}, {"copy": True}])
def test_a_kill_at_any_step_leaves_nothing_half(client, work, name, options):
    if options:
        client.env.update(lacking("links"))

    def run(env, check=0):
        words = ["store", "link", MODEL, "--engine", name, *(f"--{o}" for o in options)]
        preload = ":".join(filter(None, [env.get("LD_PRELOAD"), client.env["LD_PRELOAD"]]))
        return client(*words, env={**env, "LD_PRELOAD": preload}, check=check)

    moments = Moments(work, run)
    whole = files_below(folder(client, name))
    client("store", "unlink", MODEL)
    for env in moments.some(8):
        run(env, check=None)
        for path in sees(client, name):
            assert path.exists()
            if name != "lmstudio":
                assert set(whole) <= set(files_below(folder(client, name)))
        client("store", "unlink", MODEL, check=None)
        assert files_below(folder(client, name)) == {}
        assert records(client) == []
    run(moments.some(2)[0], check=None)
    run({})
    assert files_below(folder(client, name)) == whole


def test_a_kill_of_unlink_at_any_step_leaves_what_it_can_go_on_with(client, work):
    def run(env, check=0):
        preload = ":".join([env["LD_PRELOAD"], client.env["LD_PRELOAD"]])
        return client("store", "unlink", MODEL, env={**env, "LD_PRELOAD": preload}, check=check)

    link(client, "ollama")
    for env in Moments(work, run).some(6):
        link(client, "ollama")
        run(env, check=None)
        if sees(client, "ollama"):
            assert len(files_below(folder(client, "ollama"))) == 3
        client("store", "unlink", MODEL, check=None)
        assert files_below(folder(client, "ollama")) == {} and records(client) == []


def test_two_processes_that_link_at_once_get_along(client):
    results = []

    def run(name):
        results.append(client("store", "link", MODEL, SHARDS, "--engine", name, check=None).code)

    threads = [threading.Thread(target=run, args=(name,))
               for name in ("llama.cpp", "llama.cpp", "huggingface", "huggingface")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [0, 0, 0, 0]
    assert {i["state"] for i in client("store", "link", "--json").json["links"]} == {"ok"}


# -- the command ---------------------------------------------------------------------------------


def test_without_arguments_the_engines_of_this_machine_are_listed(client):
    (client.home / ".ollama/models").mkdir(parents=True)
    listed = client("store", "link", "--json").json
    assert {i["engine"]: i["found"] for i in listed["engines"]} == {
        "llama.cpp": False, "huggingface": False, "ollama": True, "lmstudio": False}
    assert listed["links"] == []
    hint = client("store", "link", MODEL, check=2).err
    assert "--engine is missing" in hint and "this machine has ollama" in hint


def test_what_is_not_in_the_store_cannot_be_linked(client):
    assert "did you mean 'phi-2'" in client("store", "link", "phi-3", "--engine", "ollama",
                                            check=3).err
    client("store", "link", MODEL, "--engine", "directory", check=2)
    blob = stored(client)[0].resolve()
    blob.unlink()
    assert "ferry fetch" in client("store", "link", MODEL, "--engine", "lmstudio", check=3).err


def test_a_damaged_blob_is_not_linked(client, work):
    blob = stored(client)[0].resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.unlink()
    blob.write_bytes(data)
    client("store", "link", MODEL, "--engine", "lmstudio", check=3)
    assert not folder(client, "lmstudio").exists()


def test_a_damaged_record_is_reported(client):
    made = link(client, "lmstudio")
    record, = (client.store / "links").glob("*.json")
    record.write_text("{")
    result = client("store", "link", "--json")
    assert result.json["links"] == [] and str(record) in result.err
    assert str(record) in client("store", "link", MODEL, "--engine", "lmstudio", check=6).err
    assert pathlib.Path(made["open"]).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_paths_in_the_record_of_another_user_are_not_removed(client):
    made = link(client, "lmstudio")
    record, = (client.store / "links").glob("*.json")
    os.chown(record, 65534, 65534)
    assert "another user" in client("store", "unlink", MODEL, check=8).err
    assert pathlib.Path(made["open"]).exists()


@pytest.mark.parametrize("words, way", [
    (["--engine", "ollama"], "`ferry store list`"),
    ([MODEL, SHARDS, "--engine", "llama.cpp", "--name", "x"], "one after the other"),
    ([MODEL, "--engine", "directory"], "--to DIR"), ([MODEL], "--engine")])
def test_what_is_missing_is_said_with_the_way_out(client, words, way):
    err = client("store", "link", *words, check=2).err
    assert way in err[err.index("hint: "):]
    assert records(client) == []
