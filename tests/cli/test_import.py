"""`ferry store import`: files that other programs have become models of the store, without a copy."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from conftest import Ferry, preloaded
from disks import SmallDisk, read_only
from kills import Moments, at
from publisher import Publisher, object_path
from published import flip, plain_user
from test_fetch import parts, prepared, sha256  # noqa: F401 (a fixture)
from test_poor_file_systems import lacking
from test_search import card, variant
from waiting import communicate

ONE = "one-q8_0.gguf"
SHARDS = [f"split-q8_0-0000{i}-of-00003.gguf" for i in (1, 2, 3)]


@pytest.fixture(scope="session")
def small(tmp_path_factory, prepared):  # noqa: F811
    work = tmp_path_factory.mktemp("importable")
    p = Publisher(Ferry(work), work)
    p.add(prepared("one", "1M"))
    p.add(prepared("split", "2M", "--shards", "3"))
    p.sign()
    return p


@pytest.fixture
def publisher(ferry, work, small):
    made = small.again(ferry, work)
    (work / "ferry.conf").write_text(made.client())
    return made


@pytest.fixture
def theirs(work, small):
    """theirs(name, "a/b.gguf") puts a copy of a published file there, as another program would."""
    def put(name, to):
        path = work / "theirs" / to
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(object_path(small.tree, name), path)
        path.chmod(0o644)
        return path
    return put


@pytest.fixture
def no_downloads(publisher):
    """The publisher's models are gone: what is used now was not downloaded."""
    for path in publisher.tree.glob("targets/models/*/*.gguf"):
        path.unlink()


def imported(ferry, *args, **options):
    document = ferry("store", "import", "--json", *args, **options).json
    return document, {pathlib.Path(f["path"]).name: f["state"] for f in document["files"]}


def blob(ferry, path):
    return ferry.store / "blobs/sha256" / sha256(path)


def pending(ferry):
    return [p.parent.name for p in ferry.store.rglob(".pending.json")]


def hub(work, *files):
    """The cache of Hugging Face: blobs, and a snapshot of links to them."""
    model = work / "theirs/hub/models--org--name"
    snapshot = model / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (model / "blobs").mkdir()
    for source in files:
        (model / "blobs" / sha256(source)).write_bytes(source.read_bytes())
        (snapshot / source.name).symlink_to(f"../../blobs/{sha256(source)}")
    return model


# -- without a copy ------------------------------------------------------------------------------


def test_a_file_becomes_a_model_by_a_hard_link_and_nothing_is_downloaded(
        ferry, publisher, theirs, no_downloads):
    path = theirs(ONE, "downloads/model.gguf")
    document, states = imported(ferry, path)
    assert states == {"model.gguf": "imported"}
    assert [(m["model"], m["variant"], m["state"]) for m in document["models"]] == \
        [("one", "q8_0", "complete")]
    assert document["files"][0]["how"] == "link" and document["copied_bytes"] == 0
    assert blob(ferry, path).samefile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    stored = pathlib.Path(ferry("store", "path", "one").out.strip())
    assert stored.name == ONE and stored.samefile(path)
    assert ferry("run", "--offline", "-q", "one", "--", "head", "-c4", "{}").out == "GGUF"
    assert ferry("store", "verify").out.startswith("ok")
    assert pending(ferry) == []


def test_a_simulated_clone_is_preferred_and_leaves_the_file_writable(
        ferry, publisher, theirs, no_downloads):
    path = theirs(ONE, "model.gguf")
    document, _ = imported(ferry, path, env=preloaded("clones"))
    assert document["files"][0]["how"] == "clone"
    assert not blob(ferry, path).samefile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    was = blob(ferry, path)
    flip(path, 1000)
    assert sha256(was) == was.name
    ferry("store", "verify")


def test_the_table_and_the_notes_say_what_was_done(ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    result = ferry("store", "import", path.parent)
    assert result.out.split()[0] == "linked" and "demo/one:q8_0" in result.out
    assert str(path) in result.out
    assert "1 file is now read-only and shared with the store" in result.err
    assert "imported 1 file, 1012 KiB, without a copy" in result.err
    again = ferry("store", "import", path.parent)
    assert "nothing was imported" in again.err
    assert again.out.startswith("in the store already") and "read-only" not in again.err


def test_who_writes_through_the_other_name_of_a_linked_file_is_noticed(
        ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    imported(ferry, path)
    flip(path, 1000)
    noticed = ferry("fetch", "--offline", "one", check=3)
    assert "has changed since it was verified" in noticed.err
    assert ferry("fetch", "-q", "one").out
    ferry("store", "verify")


# -- what other programs have --------------------------------------------------------------------


def test_the_folders_of_ollama_lm_studio_and_hugging_face_are_read_as_they_are(
        ferry, work, publisher, theirs, no_downloads):
    source = theirs(ONE, ONE)
    ollama = work / "theirs/ollama"
    (ollama / "blobs").mkdir(parents=True)
    (ollama / "manifests/registry.ollama.ai/library/one").mkdir(parents=True)
    (ollama / f"blobs/sha256-{sha256(source)}").write_bytes(source.read_bytes())
    (ollama / "blobs/sha256-00partial-0").write_bytes(b"x" * 100)
    (ollama / "manifests/registry.ollama.ai/library/one/latest").write_text("{}")
    document, states = imported(ferry, ollama)
    assert states == {f"sha256-{sha256(source)}": "imported"}
    ferry("store", "remove", "one")

    document, states = imported(ferry, hub(work, source))
    assert states == {ONE: "imported"} and len(document["files"]) == 1
    ferry("store", "remove", "one")

    studio = work / "theirs/studio/publisher/model"
    studio.mkdir(parents=True)
    source.rename(studio / "file.GGUF")
    assert imported(ferry, studio.parent.parent)[1] == {"file.GGUF": "imported"}
    assert ferry("store", "path", "one").out


def test_a_snapshot_of_hugging_face_alone_leads_to_its_blobs(ferry, work, publisher, theirs):
    source = theirs(ONE, ONE)
    snapshots = hub(work, source) / "snapshots"
    source.unlink()
    assert imported(ferry, snapshots)[1] == {ONE: "imported"}


def test_manifests_of_ollama_are_not_even_read(ferry, work, publisher, theirs):
    source = theirs(ONE, ONE)
    source.rename(source.with_name(f"sha256-{sha256(source)}"))
    manifests = work / "theirs/manifests/registry.ollama.ai/library/one"
    manifests.mkdir(parents=True)
    (manifests / "deep").write_text("[" * 1_000_000)
    (manifests / "wrong").write_text('{"layers": 7, "schemaVersion": [], "config": "../../../x"}')
    (manifests / "traversal").write_text(json.dumps(
        {"layers": [{"digest": "sha256:../../../../etc/passwd", "size": -1}]}))
    (manifests / "latest").symlink_to("/etc/passwd")
    document, states = imported(ferry, work / "theirs")
    assert list(states.values()) == ["imported"]


@pytest.mark.parametrize("program, settings, folder", [
    ("ollama", {}, "home/.ollama/models/blobs"),
    ("ollama", {"OLLAMA_MODELS": "else/where"}, "else/where/blobs"),
    ("huggingface", {}, "home/.cache/huggingface/hub/models--a--b/snapshots/c"),
    ("huggingface", {"HF_HOME": "hf"}, "hf/hub/models--a--b/snapshots/c"),
    ("huggingface", {"HF_HOME": "hf", "HF_HUB_CACHE": "cache"}, "cache/models--a--b"),
    ("lmstudio", {}, "home/.lmstudio/models/publisher/model"),
])
def test_from_looks_where_the_program_keeps_its_models(
        ferry, work, publisher, theirs, program, settings, folder):
    env = {name: work / value for name, value in settings.items()}
    missing = ferry("store", "import", "--from", program, env=env, check=3)
    assert "has no folder" in missing.err and "name that folder" in missing.err
    (work / folder).mkdir(parents=True)
    theirs(ONE, ONE).rename(work / folder / ONE)
    document, states = imported(ferry, "--from", program, env=env)
    assert states == {ONE: "imported"}


def test_without_a_path_or_with_an_unknown_program_import_says_what_there_is(ferry, publisher):
    assert "--from with one of ollama huggingface lmstudio" in \
        ferry("store", "import", check=2).err
    assert "these are: ollama" in ferry("store", "import", "--from", "notepad", check=2).err


def test_what_store_link_laid_out_is_in_the_store_already(ferry, work, publisher):
    ferry("fetch", "-q", "one")
    ferry("store", "link", "one", "--engine", "huggingface")
    document, states = imported(ferry, "--from", "huggingface")
    assert set(states.values()) == {"stored"} and document["imported"] == 0


def test_a_name_that_has_a_digest_proves_nothing(ferry, work, publisher, theirs):
    source = theirs(ONE, ONE)
    true = sha256(source)
    liar = work / "theirs/blobs" / f"sha256-{true}"
    liar.parent.mkdir()
    source.rename(liar)
    flip(liar, 5000)
    document, states = imported(ferry, liar.parent)
    assert states == {liar.name: "differs"}
    assert not (ferry.store / "blobs/sha256" / true).exists()
    assert document["models"] == [] and pending(ferry) == []
    assert stat.S_IMODE(liar.stat().st_mode) & 0o200


def test_every_shard_is_found_under_whatever_name(ferry, publisher, theirs, no_downloads):
    for i, name in enumerate(SHARDS):
        theirs(name, f"part{i}/{i}.gguf")
    document, states = imported(ferry, ferry.work / "theirs")
    assert set(states.values()) == {"imported"} and len(states) == 3
    assert [m["state"] for m in document["models"]] == ["complete"]
    paths = ferry("store", "path", "split").out.splitlines()
    assert [pathlib.Path(p).name for p in paths] == SHARDS


def test_with_some_of_its_shards_a_model_waits_and_fetch_downloads_only_the_rest(
        ferry, publisher, theirs):
    for name in SHARDS[:2]:
        theirs(name, name)
    result = ferry("store", "import", ferry.work / "theirs")
    assert "demo/split:q8_0 lacks 1 of its 3 files" in result.err
    assert "`ferry fetch demo/split:q8_0` fetches the rest" in result.err
    assert pending(ferry) == ["q8_0"]
    document, _ = imported(ferry, ferry.work / "theirs")
    assert document["models"][0]["state"] == "incomplete"
    assert document["models"][0]["missing"] == [SHARDS[2]]
    ferry("store", "gc")
    ferry("store", "path", "split", check=3)
    rest = object_path(publisher.tree, SHARDS[2]).stat().st_size
    fetched = ferry("fetch", "--json", "split").json["models"][0]
    assert fetched["fetched"] == rest
    assert pending(ferry) == []


# -- what is left alone ----------------------------------------------------------------------------


def test_what_the_catalog_does_not_know_is_listed_and_not_touched(ferry, work, publisher, theirs):
    unknown = work / "theirs/mine.gguf"
    unknown.parent.mkdir()
    unknown.write_bytes(b"GGUF" + bytes(1000))
    (work / "theirs/notes.txt").write_text("notes")
    before = os.stat(unknown)
    result = ferry("store", "import", work / "theirs")
    assert result.out.split() == ["not", "in", "the", "catalog", "1004", "B", "-", str(unknown)]
    after = os.stat(unknown)
    assert (after.st_mode, after.st_nlink, after.st_mtime_ns) == \
        (before.st_mode, before.st_nlink, before.st_mtime_ns)


def test_links_out_of_the_folder_pipes_and_sockets_are_not_followed(
        ferry, work, publisher, theirs):
    outside = theirs(ONE, "outside.gguf")
    inside = work / "inside"
    inside.mkdir()
    (inside / "one.gguf").symlink_to(outside)
    (inside / "folder").symlink_to(outside.parent)
    (inside / "up").symlink_to("..")
    (inside / "nothing.gguf").symlink_to("nowhere")
    os.mkfifo(inside / "pipe.gguf")
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(inside)            # the path of a socket must be short
        s.bind("socket.gguf")
        os.chdir("/")
        document, states = imported(ferry, inside)
    assert states == {"one.gguf": "outside", "folder": "outside", "up": "outside"}
    assert document["imported"] == 0
    assert "name what it leads to" in ferry("store", "import", inside).err
    assert imported(ferry, inside / "one.gguf")[1] == {"one.gguf": "imported"}


def test_a_simulated_snapshot_does_not_lead_out_of_its_model(ferry, work, publisher, theirs):
    source = theirs(ONE, "elsewhere/blobs/secret.gguf")
    snapshot = work / "theirs/hub/models--org--name/snapshots/c"
    snapshot.mkdir(parents=True)
    (snapshot / "a.gguf").symlink_to(source)
    assert imported(ferry, work / "theirs/hub")[1] == {"a.gguf": "outside"}


def test_what_cannot_be_read_is_reported_and_the_rest_is_imported(
        ferry, work, publisher, theirs):
    good, bad = theirs(ONE, "good.gguf"), theirs(SHARDS[0], "bad.gguf")
    closed = work / "theirs/closed"
    closed.mkdir()
    bad.chmod(0)
    closed.chmod(0)
    process = subprocess.run(plain_user(ferry.command("store", "import", "--json", good.parent)),
                             cwd=work, env=ferry.environment({}), capture_output=True, text=True)
    closed.chmod(0o755)
    document = json.loads(process.stdout)
    states = {pathlib.Path(f["path"]).name: f["state"] for f in document["files"]}
    assert states == {"good.gguf": "imported", "bad.gguf": "failed", "closed": "failed"}
    assert process.returncode == 7 and "bad.gguf: Permission denied" in process.stderr


def test_a_withdrawn_version_is_refused(ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    publisher.ferry("catalog", "withdraw", "-q", "one", "--reason", "It leaks.", cwd=publisher.dir)
    publisher.sign()
    refused = ferry("store", "import", path, check=6)
    assert "the publisher has withdrawn one:q8_0@1: It leaks." in refused.err
    assert not blob(ferry, path).exists() and path.stat().st_nlink == 1


def test_an_earlier_version_is_recorded_under_its_number(ferry, publisher, theirs, prepared):  # noqa: F811
    path = theirs(ONE, "old.gguf")
    publisher.add(prepared("one", "1M", "--seed", "2"))
    publisher.sign()
    document, states = imported(ferry, path)
    assert states == {"old.gguf": "imported"} and document["models"][0]["version"] == 1
    assert ferry("store", "list").out.split()[0] == "demo/one:q8_0@1"
    assert ferry("store", "path", "one@1").out


def test_a_new_version_replaces_the_one_in_the_store_unless_that_is_pinned(
        ferry, work, publisher, prepared):  # noqa: F811
    ferry("fetch", "-q", "one")
    publisher.add(prepared("one", "1M", "--seed", "2"))
    publisher.sign()
    new = work / "new.gguf"
    shutil.copyfile(next(publisher.tree.glob("targets/models/one/*.v2.gguf")), new)

    def versions():
        return {v["variant"]: v["version"]
                for v in ferry("store", "list", "--json").json["variants"]}
    ferry("pin", "one:q8_0")
    imported(ferry, new)
    assert versions() == {"q8_0": 1, "q8_0@2": 2}
    ferry("unpin", "one:q8_0")
    ferry("store", "remove", "one:q8_0@2")
    imported(ferry, new)
    assert versions() == {"q8_0": 2, "q8_0@1": 1}


def test_a_path_that_is_missing_or_in_the_store_is_an_error(ferry, publisher):
    ferry("fetch", "-q", "one")
    ferry("store", "import", "nothing-here", check=3)
    assert "is in the store already" in ferry("store", "import", ferry.store, check=2).err
    # Inside of another folder it is left out.
    assert imported(ferry, ferry.store.parent / "home")[1] == {}


def test_links_that_lead_into_the_store_are_not_moved_out_of_it(ferry, work, publisher):
    path = pathlib.Path(ferry("fetch", "-q", "one").out.strip())
    folder = work / "links"
    folder.mkdir()
    (folder / "model.gguf").symlink_to(path)
    os.link(path.resolve(), folder / "linked.gguf")
    document, states = imported(ferry, "--move", folder)
    assert states == {"model.gguf": "stored", "linked.gguf": "stored"}
    assert ferry("store", "verify").out.startswith("ok")
    assert sorted(p.name for p in folder.iterdir()) == ["model.gguf"]


# -- several models, many models, several repositories -----------------------------------------------


def shelf(ferry, work, name, *models, edit=None):
    """A repository of models, each {variant: [(name of the file, its bytes, role), …]}. edit(tree)
    changes what is going to be signed."""
    folder = work / f"shelf-{name}"
    folder.mkdir()
    started = ferry("catalog", "init", name, "--unencrypted", "--json", cwd=folder).json
    for id, variants in models:
        model = card(id, id, "x", "MIT", [])
        for v, files in variants.items():
            model["variants"].append(variant(v, files=[
                {"path": f"models/{id}/{n}", "size": len(data),
                 "sha256": hashlib.sha256(data).hexdigest(), **({"role": role} if role else {})}
                for n, data, role in files], size=sum(len(data) for _, data, _ in files)))
            for n, data, _ in files:
                write_object(folder / "repository", id, n, data)
        (folder / "repository/cards" / f"{id}.card.json").write_text(json.dumps(model))
    if edit:
        edit(folder / "repository")
    ferry("catalog", "sign", "-q", cwd=folder)
    return folder, started["client_configuration"]


def write_object(tree, id, name, data, called=None):
    """called: what readers call it, if that is not the base of its path."""
    digest = hashlib.sha256(data)
    for folder in ("targets/models", "cards"):
        (tree / folder / id).mkdir(parents=True, exist_ok=True)
    key = f"{id}/{digest.hexdigest()}."
    (tree / "targets/models" / (key + name)).write_bytes(data)
    called = called or name
    (tree / "cards" / f"{key}{called}.manifest.json").write_text(json.dumps(
        {"format": "model-ferry-manifest", "version": 1, "name": called, "size": len(data),
         "sha256": digest.hexdigest(), "piece_length": 8 << 20,
         "pieces_sha256": hashlib.sha256(digest.digest()).hexdigest(),
         "pieces": [digest.hexdigest()]}))


def test_a_projector_that_several_variants_share_completes_only_the_one_that_is_there(ferry, work):
    projector = ("m-mmproj.gguf", b"GGUFprojector", "projector")
    small, large = ("m-q4.gguf", b"GGUFsmall" * 10, None), ("m-q8.gguf", b"GGUFlarge" * 20, None)
    _, conf = shelf(ferry, work, "lab", ("m", {"q8": [large, projector], "q4": [small, projector]}))
    (work / "ferry.conf").write_text(conf)
    folder = work / "theirs"
    folder.mkdir()
    for name, data, _ in (small, projector):
        (folder / name).write_bytes(data)
    document, _ = imported(ferry, folder)
    assert [(m["variant"], m["state"]) for m in document["models"]] == [("q4", "complete")]
    assert [v["variant"] for v in ferry("store", "list", "--json").json["variants"]] == ["q4"]
    assert pending(ferry) == []


def test_bytes_that_two_models_have_become_both_of_them(ferry, work):
    data = b"GGUFsame" * 9
    _, conf = shelf(ferry, work, "lab", ("a", {"q8": [("a-q8.gguf", data, None)]}),
                    ("b", {"q8": [("b-q8.gguf", data, None)]}))
    (work / "ferry.conf").write_text(conf)
    (work / "x.gguf").write_bytes(data)
    document, _ = imported(ferry, work / "x.gguf")
    assert [m["model"] for m in document["models"]] == ["a", "b"]
    assert ferry("store", "path", "b").out.endswith("/b-q8.gguf\n")


def test_of_several_repositories_the_first_counts_or_the_one_that_is_named(ferry, work):
    data = b"GGUFsame" * 9
    _, one = shelf(ferry, work, "one", ("a", {"q8": [("a-q8.gguf", data, None)]}))
    _, two = shelf(ferry, work, "two", ("a", {"q8": [("a-q8.gguf", data, None)]}))
    (work / "ferry.conf").write_text(one + two)
    (work / "x.gguf").write_bytes(data)
    document, _ = imported(ferry, work / "x.gguf")
    assert [m["repository"] for m in document["models"]] == ["one"]
    document, _ = imported(ferry, "--repository", "two", work / "x.gguf")
    assert [m["repository"] for m in document["models"]] == ["two"]


@pytest.mark.parametrize("complete", [True, False], ids=["catalog", "index"])
def test_of_a_large_catalog_only_the_cards_that_may_match_are_read(ferry, work, complete):
    """More models than IMPORT_ALL_CARDS."""
    sizes = {f"m{i}": b"GGUF" + bytes(100 + i) for i in range(204)}
    old = b"GGUF" + bytes(50)

    def replace(tree):
        """m7 gets a second version."""
        write_object(tree, "m7", "m7-q8.v2.gguf", sizes["m7"], "m7-q8.gguf")
        path = tree / "cards/m7.card.json"
        model = json.loads(path.read_text())
        [v] = model["variants"]
        before = {"version": 1, "size": v["size"], "files": v["files"]}
        v.update(version=2, size=len(sizes["m7"]), superseded=[before], files=[
            {"path": "models/m7/m7-q8.v2.gguf", "name": "m7-q8.gguf", "size": len(sizes["m7"]),
             "sha256": hashlib.sha256(sizes["m7"]).hexdigest()}])
        path.write_text(json.dumps(model))
    folder, conf = shelf(ferry, work, "lab", *(
        (id, {"q8": [(f"{id}-q8.gguf", old if id == "m7" else data, None)]})
        for id, data in sizes.items()), edit=replace)
    (work / "ferry.conf").write_text(conf)
    if not complete:
        for path in (folder / "repository").rglob("*catalog.json"):
            path.unlink()
    theirs = work / "theirs"
    theirs.mkdir()
    (theirs / "x.gguf").write_bytes(sizes["m50"])
    (theirs / "old.gguf").write_bytes(old)
    (theirs / "m7-old.gguf").write_bytes(old)
    document, states = imported(ferry, theirs)
    assert states["x.gguf"] == "imported"
    assert {states["old.gguf"], states["m7-old.gguf"]} == {"imported", "stored"}
    assert {(m["model"], m["version"]) for m in document["models"]} == {("m50", 1), ("m7", 1)}
    cards = [p for p in (ferry.store / "trust/lab/cache").iterdir()
             if b'"model-ferry-card"' in p.read_bytes()[:200] and p.stat().st_size < 4000]
    assert 2 <= len(cards) <= 4


def test_offline_the_catalog_that_was_verified_last_is_used(ferry, work, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    ferry("show", "one")
    ferry("list")
    publisher.tree.rename(work / "gone")
    document, states = imported(ferry, "--offline", path)
    assert states == {"model.gguf": "imported"}
    assert ferry("store", "path", "one").out


# -- file systems, and what the options do -----------------------------------------------------------


def test_without_links_on_a_simulated_file_system_only_copy_copies(ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    env = lacking("links")
    refused = ferry("store", "import", path, check=2, env=env)
    assert "can neither be cloned nor linked" in refused.err and "1 file (1012 KiB)" in refused.err
    assert "--copy" in refused.err and not blob(ferry, path).exists()
    document, _ = imported(ferry, path, check=2, env=env)
    assert document["to_copy_bytes"] == path.stat().st_size
    document, _ = imported(ferry, "--copy", path, env=env)
    assert document["files"][0]["how"] == "copy"
    assert document["copied_bytes"] == path.stat().st_size
    assert path.stat().st_nlink == 1 and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert ferry("store", "path", "one", env=env).out


def test_copy_makes_a_file_of_its_own(ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    assert imported(ferry, "--copy", path)[0]["files"][0]["how"] == "copy"
    assert path.stat().st_nlink == 1
    flip(path, 1000)
    ferry("store", "verify")


def test_move_removes_the_file_and_the_links_to_it(ferry, work, publisher, theirs):
    source = theirs(ONE, ONE)
    model = hub(work, source)
    source.unlink()
    document, _ = imported(ferry, "--move", model)
    assert document["files"][0]["removed"] is True
    assert [p for p in model.rglob("*") if not p.is_dir()] == []
    assert ferry("store", "verify").out.startswith("ok")
    stored = pathlib.Path(ferry("store", "path", "one").out.strip())
    assert stored.stat().st_nlink == 1
    other = theirs("split-q8_0-00001-of-00003.gguf", "unknown/x.gguf")
    flip(other, 3000)
    imported(ferry, "--move", other)
    assert other.exists()


def test_move_copies_where_a_simulated_file_system_has_no_links(ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    document, _ = imported(ferry, "--move", path, env=lacking("links"))
    assert document["files"][0]["how"] == "copy" and not path.exists()
    ferry("store", "verify")


def test_a_copy_for_which_there_is_no_room_leaves_nothing(ferry, work, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    disk = SmallDisk(ferry.store, 600 << 10)
    try:
        full = ferry("store", "import", "--copy", path, check=7, env=disk.env)
        assert "free" in full.err or "space" in full.err
        assert parts(ferry) == [] and not blob(ferry, path).exists()
        disk.resize(8 << 20)
        document, states = imported(ferry, "--copy", path, env=disk.env)
        assert states == {"model.gguf": "imported"}
    finally:
        disk.close()


def test_two_imports_at_once_do_the_work_of_one(ferry, work, publisher, theirs):
    for name in [ONE, *SHARDS]:
        theirs(name, name)
    both = [ferry.start("store", "import", work / "theirs") for _ in range(2)]
    for process in both:
        out, err = communicate(process)
        assert process.returncode == 0, err
    ferry("store", "verify")
    assert len(ferry("store", "path", "split").out.splitlines()) == 3
    assert pending(ferry) == [] and parts(ferry) == []


def test_progress_counts_the_bytes_that_are_hashed(ferry, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    err = ferry("store", "import", "--progress=json", path).err
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    ours = [e for e in events if e.get("task") == str(path)]
    assert ours[0]["total"] == path.stat().st_size and ours[-1]["event"] == "end"


def test_files_that_cannot_be_written_to_are_imported(ferry, work, publisher, theirs):
    path = theirs(ONE, "model.gguf")
    with read_only(path.parent) as confine:
        process = subprocess.run(
            confine(ferry.command("store", "import", "--copy", "--json", path)), cwd=work,
            env=ferry.environment({}), capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["files"][0]["state"] == "imported"


def test_dry_run_says_the_same_and_changes_nothing(ferry, work, publisher, theirs):
    theirs(ONE, "model.gguf")
    for name in SHARDS[:1]:
        theirs(name, name)
    ferry("list")

    def there():
        """All but the catalog, which is read."""
        return sorted(str(p) for p in ferry.store.rglob("*") if "trust" not in p.parts)
    before = there()
    dry, states = imported(ferry, "--dry-run", work / "theirs")
    assert there() == before
    assert all(p.stat().st_nlink == 1 for p in (work / "theirs").iterdir())
    assert "would be linked" in ferry("store", "import", "-n", work / "theirs").out
    wet, _ = imported(ferry, work / "theirs")
    assert {**dry, "dry_run": False} == wet


# -- cut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, how", [(signal.SIGKILL, []), (signal.SIGKILL, ["--copy"]),
                                         (signal.SIGKILL, ["--move"]), (signal.SIGINT, [])])
def test_an_import_that_is_cut_anywhere_leaves_a_valid_store_and_is_completed_by_the_next(
        ferry, work, publisher, theirs, how, number):
    for name in [ONE, *SHARDS]:
        theirs(name, name)
    source, trial = work / "source", work / "trial"
    (work / "theirs").rename(source)

    def fresh():
        shutil.rmtree(trial, ignore_errors=True)
        shutil.copytree(source, trial)
        for folder in ("blobs", "models", "marks", "partial"):
            shutil.rmtree(ferry.store / folder, ignore_errors=True)

    def run(env):
        fresh()
        ferry("store", "import", *how, trial, env=env)

    cut = 0
    for env in [at(2, "step", number), *Moments(work, run).some(6, number)]:
        fresh()
        result = ferry("store", "import", *how, trial, env=env, check=None)
        cut += result.code == -number
        for path in (ferry.store / "blobs/sha256").glob("*"):
            assert path.name.startswith(".") or hashlib.sha256(path.read_bytes()).hexdigest() == \
                path.name
        ferry("store", "verify")
        ferry("store", "gc")
        imported(ferry, *how, trial)
        assert len(ferry("store", "path", "split").out.splitlines()) == 3
        assert ferry("store", "path", "one").out
        ferry("store", "verify")
        assert pending(ferry) == []
    assert cut >= 1     # after the last step a signal changes nothing
