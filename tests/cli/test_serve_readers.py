"""`ferry serve` as a registry and as a Hugging Face Hub: read by skopeo and by @huggingface/hub, and
asked as the sources of Ollama, llama.cpp and huggingface_hub do. These three, and Docker Model
Runner, are not run."""

import hashlib
import json
import subprocess

import pytest

import node_servers
from conftest import Ferry
from edges import Edge
from publisher import Publisher, object_path
from waiting import PATIENCE, until

OCI = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
FILE = "tiny-q8_0.gguf"


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_gguf):
    """A publisher with two models, of three pieces and of one."""
    work = tmp_path_factory.mktemp("readers")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    for name, size in (("tiny", "20M"), ("other", "1M")):
        make_gguf(work / f"{name}.gguf", "--size", size)
        ferry("prepare", "-q", name, work / f"{name}.gguf", "--set", "license.id=MIT")
        publisher.add(work / "models" / name)
    publisher.sign()
    ferry.publisher = publisher
    ferry.model = object_path(publisher.tree, FILE).read_bytes()
    ferry.sha256 = hashlib.sha256(ferry.model).hexdigest()
    ferry.key = {}
    for name, scope in (("all", "pull:*/*"), ("one", "pull:demo/other")):
        ferry.key[name] = ferry("serve", "key", "new", name, "--keys", work / "edge.keys",
                                "--scope", scope, "-q").out.strip()
    return ferry


def with_keys(world, name, anonymous):
    """An edge on a machine of its own."""
    (world.work / name).mkdir()
    return Edge(Ferry(world.work / name), world.publisher.client(),
                f"keys = {world.work}/edge.keys\nanonymous = {anonymous}")


@pytest.fixture(scope="module")
def edge(world):
    with Edge(world, world.publisher.client(), "log = access.log") as e:
        yield e


@pytest.fixture(scope="module")
def locked(world):
    """One where nobody may pull without a key."""
    with with_keys(world, "locked", "no") as e:
        yield e


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def skopeo(edge, command, reference, *more, options=(), check=True):
    where = f"docker://127.0.0.1:{edge.port}/demo/{reference}"
    tls = "--src-tls-verify=false" if command == "copy" else "--tls-verify=false"
    return subprocess.run(["skopeo", command, tls, *options, where, *more], check=check,
                          capture_output=True, text=True, timeout=PATIENCE)


def hub(edge, name, file, token=None):
    done = subprocess.run(
        ["node", node_servers.JS / "hub.mjs", node_servers.install(), edge.url, name, "main", file,
         *([token] if token else [])], capture_output=True, text=True, timeout=PATIENCE)
    return json.loads(done.stdout)


# -- the registry ----------------------------------------------------------------------------

# skopeo refuses to copy the types of Ollama's layers.
@pytest.mark.parametrize("tag", ["q8_0", "Q8_0-v1-modelpack", "latest"])
def test_skopeo_copies_a_model(edge, world, work, tag):
    skopeo(edge, "copy", f"tiny:{tag}", f"dir:{work}/copy")
    assert (work / "copy" / world.sha256).read_bytes() == world.model


def test_skopeo_lists_tags(edge):
    tags = json.loads(skopeo(edge, "list-tags", "tiny").stdout)["Tags"]
    assert {"q8_0", "q8_0-ollama", "q8_0-modelpack", "latest"} <= set(tags)


# ollama/ollama, server/images.go, pullModelManifest (commit 5dbb81b), and server/download.go, Prepare
# and downloadChunk (commit 01ca4ec): Docker's manifest only; HEAD of each blob, then its ranges.
def test_ollama_finds_its_manifest_and_the_ranges_of_the_model(edge, world):
    answer = edge.get("/v2/demo/tiny/manifests/q8_0", Accept=DOCKER)
    manifest = json.loads(answer.body)
    assert answer["Content-Type"] == manifest["mediaType"] == DOCKER
    assert answer["Docker-Content-Digest"] == digest(answer.body)
    layer = manifest["layers"][0]
    assert layer["mediaType"] == "application/vnd.ollama.image.model"
    blob = f"/v2/demo/tiny/blobs/{layer['digest']}"
    assert edge.head(blob)["Content-Length"] == str(len(world.model))
    part = edge.get(blob, Range="bytes=9000000-9000999")
    assert (part.status, part.body) == (206, world.model[9000000:9001000])
    config = edge.get(f"/v2/demo/tiny/blobs/{manifest['config']['digest']}")
    assert digest(config.body) == manifest["config"]["digest"]
    assert json.loads(config.body)["model_format"] == "gguf"


# docker/model-runner, pkg/distribution/oci/remote/remote.go (Image, fetchManifest; commit 001a05d),
# by containerd, core/remotes/docker/resolver.go (Resolve; commit 7b0be15): HEAD of the manifest with
# these types, GET by its digest, then each blob.
def test_docker_model_runner_finds_its_manifest_by_tag_and_by_digest(edge, world):
    head = edge.head("/v2/demo/tiny/manifests/q8_0", Accept=f"{DOCKER}, {LIST}, {OCI}, {INDEX}, */*")
    assert (head.status, head["Content-Type"]) == (200, OCI)
    answer = edge.get(f"/v2/demo/tiny/manifests/{head['Docker-Content-Digest']}", Accept=OCI)
    assert str(len(answer.body)) == head["Content-Length"]
    layer = json.loads(answer.body)["layers"][0]
    assert layer["mediaType"] == "application/vnd.docker.ai.gguf.v3"
    assert layer["digest"] == "sha256:" + world.sha256


# -- the Hub ---------------------------------------------------------------------------------

def test_hugging_faces_client_reads_a_model(edge, world):
    told = hub(edge, "demo/tiny", FILE)
    assert told["sha256"] == world.sha256
    assert told["model"]["name"] == "demo/tiny"
    assert told["files"][0]["lfs"]["oid"] == world.sha256
    assert told["info"] == {"size": len(world.model), "etag": f'"{world.sha256}"',
                            "url": told["info"]["url"]}


def test_hugging_faces_client_downloads_a_snapshot(edge, world, work):
    done = subprocess.run(
        ["node", node_servers.JS / "hub-snapshot.mjs", node_servers.install(), edge.url, "demo/tiny",
         work / "hub", FILE, "config.json"], capture_output=True, text=True, timeout=PATIENCE,
        check=True)
    told = json.loads(done.stdout)
    folder = work / "hub" / "models--demo--tiny"
    commit = (folder / "refs" / "main").read_text()
    assert told["folder"] == str(folder / "snapshots" / commit)
    assert (folder / "snapshots" / commit / FILE).read_bytes() == world.model
    assert (folder / "blobs" / world.sha256).is_file()
    assert [(f["path"], f["size"], f["lfs"]["oid"]) for f in told["files"]] == \
        [(FILE, len(world.model), world.sha256)]


# huggingface_hub sends a form, its Rust successor and others send JSON.
def test_the_entries_of_paths_are_posted_for(edge, world):
    path = "/api/models/demo/tiny/paths-info/main"
    for body in (f"paths={FILE}&expand=False", json.dumps({"paths": [FILE, "no"]})):
        answer = edge.ask("POST", path, body=body.encode())
        assert (answer.status, [f["path"] for f in json.loads(answer.body)]) == (200, [FILE])
    assert edge.ask("POST", path, body=b"[]").status == 400
    assert (edge.get(path).status, edge.get(path)["Allow"]) == (405, "POST")
    asked = edge.ask("OPTIONS", path)
    assert asked["Access-Control-Allow-Methods"] == "POST"
    assert "Content-Type" in asked["Access-Control-Allow-Headers"]


# ggml-org/llama.cpp, common/hf-cache.cpp, get_repo_commit and get_repo_files (commit 03eb25f);
# common/download.cpp, common_download_file_single_online (commit 0216dab): HEAD, then the rest from
# where it stopped.
def test_llama_cpp_finds_the_file_and_resumes(edge, world):
    refs = json.loads(edge.get("/api/models/demo/tiny/refs", Accept="application/json").body)
    commit = refs["branches"][0]["targetCommit"]
    tree = json.loads(edge.get(f"/api/models/demo/tiny/tree/{commit}?recursive=true").body)
    url = f"/demo/tiny/resolve/{commit}/{tree[0]['path']}"
    head = edge.head(url)
    assert (head.status, head["Accept-Ranges"]) == (200, "bytes")
    assert (head["ETag"], head["Content-Length"]) == (f'"{world.sha256}"', str(len(world.model)))
    rest = edge.get(url, Range="bytes=10000000-")
    assert (rest.status, rest.body) == (206, world.model[10000000:])


# huggingface/huggingface_hub: _snapshot_download.py, snapshot_download; file_download.py,
# get_hf_file_metadata.
def test_hf_download_finds_the_files_and_what_it_needs_of_each(edge, world):
    info = json.loads(edge.get("/api/models/demo/tiny/revision/main").body)
    assert [s["rfilename"] for s in info["siblings"]] == [FILE]
    head = edge.head(f"/demo/tiny/resolve/{info['sha']}/{FILE}", Accept_Encoding="identity")
    assert head["X-Repo-Commit"] == info["sha"]
    assert head["X-Linked-Etag"].strip('"') == world.sha256
    assert head["X-Linked-Size"] == str(len(world.model))
    missing = edge.head(f"/demo/tiny/resolve/{info['sha']}/config.json")
    assert (missing.status, missing["X-Error-Code"]) == (404, "EntryNotFound")


def test_a_download_by_another_name_is_logged_with_the_path_that_stats_counts(edge, world):
    path = f"/demo/tiny/resolve/main/{FILE}"
    edge.get(path, User_Agent="counted")
    log = edge.dir / "access.log"

    def line():
        lines = log.read_text().splitlines() if log.exists() else []
        return next((n for n in map(json.loads, lines)
                     if n.get("http_user_agent") == "counted"), None)
    logged = until(line, edge.process)
    assert logged["asked"] == path
    assert logged["request_uri"] == \
        f"/demo/targets/models/tiny/{world.sha256}.{FILE}"


# -- who may ---------------------------------------------------------------------------------

def test_skopeo_pulls_with_a_key_and_not_without(locked, world, work):
    assert skopeo(locked, "inspect", "tiny:q8_0", options=["--raw"], check=False).returncode
    wrong = ["--creds", "me:ferry_000000000000_" + 64 * "0"]
    assert skopeo(locked, "inspect", "tiny:q8_0", options=["--raw", *wrong], check=False).returncode
    skopeo(locked, "copy", "tiny:q8_0", f"dir:{work}/copy",
           options=["--src-creds", f"me:{world.key['all']}"])
    assert (work / "copy" / world.sha256).read_bytes() == world.model


def test_a_key_of_one_model_gets_and_sees_that_one_only(locked, world):
    key = {"Authorization": f"Bearer {world.key['one']}"}
    assert locked.get("/v2/demo/other/manifests/q8_0", **key).status == 200
    seen, none = (locked.get(f"/v2/demo/{m}/manifests/q8_0", **key) for m in ("tiny", "no"))
    assert (seen.status, seen.body) == (none.status, none.body) == (404, none.body)
    assert locked.get(f"/demo/tiny/resolve/main/{FILE}", **key).status == 404
    blob = locked.get(f"/v2/demo/other/blobs/sha256:{world.sha256}", **key)
    assert blob.status == 404
    catalog = json.loads(locked.get("/v2/_catalog", **key).body)
    assert catalog == {"repositories": ["demo/other"]}
    assert [m["id"] for m in json.loads(locked.get("/api/models", **key).body)] == ["demo/other"]


def test_clients_of_the_hub_write_a_key_as_they_need_it(locked, world):
    _, id, secret = world.key["all"].split("_")
    assert hub(locked, "demo/other", "other-q8_0.gguf", f"hf_{id}{secret}")["model"]["name"] == \
        "demo/other"
    assert "error" in hub(locked, "demo/other", "other-q8_0.gguf", "hf_" + 76 * "0")


def test_where_keys_are_not_needed_readers_of_a_registry_are_asked_for_one_all_the_same(world):
    with with_keys(world, "both", "yes") as edge:
        asked = edge.get("/v2/")
        assert asked.status == 401
        assert asked["WWW-Authenticate"] == \
            f'Bearer realm="{edge.url}/v2/token",service="ferry"'
        skopeo(edge, "inspect", "tiny:q8_0", options=["--raw"])
        skopeo(edge, "inspect", "tiny:q8_0",
               options=["--raw", "--creds", f"me:{world.key['all']}"])
        wrong = ["--raw", "--creds", "me:ferry_000000000000_" + 64 * "0"]
        assert skopeo(edge, "inspect", "tiny:q8_0", options=wrong, check=False).returncode
