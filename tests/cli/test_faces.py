"""Mirrors with faces: what a registry's readers and clients of the Hugging Face Hub find as files.
Served by nginx with the configuration that `ferry mirror config` prints; read by skopeo and by
@huggingface/hub. llama.cpp, Ollama and Docker Model Runner themselves are not run."""

import hashlib
import json
import shutil
import subprocess
import urllib.request

import pytest

import node_servers
from conftest import Ferry
from fronts import FrontNginx
from published import Publisher, mirror, signed_base  # noqa: F401
from waiting import PATIENCE

OCI = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, signed_base):  # noqa: F811
    ferry = Ferry(tmp_path_factory.mktemp("faces"))
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    publisher = Publisher(ferry)
    publisher.configure(mirror("a", url="http://models.example.org", faces="oci, hub"))
    publisher("catalog", "sign")
    publisher("push")
    publisher.model = publisher.on("a", "*.gguf")
    publisher.sha256 = hashlib.sha256(publisher.model.read_bytes()).hexdigest()
    return publisher


@pytest.fixture(scope="module")
def front(pushed):
    with FrontNginx(pushed.ferry, "a") as front:
        front.at = f"127.0.0.1:{front.port}"
        yield front


def get(front, path, **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    request = urllib.request.Request(f"http://{front.at}{path}", headers=headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, answer.read()


def name_of(front):
    return json.loads(get(front, "/v2/_catalog")[1])["repositories"][0]


def test_skopeo_copies_a_model_from_files(front, pushed, work):
    where = f"docker://{front.at}/{name_of(front)}:q8_0"
    subprocess.run(["skopeo", "copy", "--src-tls-verify=false", where, f"dir:{work}/copy"],
                   check=True, capture_output=True)
    assert (work / "copy" / pushed.sha256).read_bytes() == pushed.model.read_bytes()
    shown = subprocess.run(["skopeo", "list-tags", "--tls-verify=false", where.rsplit(":", 1)[0]],
                           check=True, capture_output=True)
    assert "q8_0-ollama" in json.loads(shown.stdout)["Tags"]


def test_a_manifest_has_its_own_type_and_digest(front):
    base = f"/v2/{name_of(front)}/manifests"
    for tag, type in (("q8_0", OCI), ("q8_0-modelpack", OCI), ("q8_0-ollama", DOCKER)):
        headers, data = get(front, f"{base}/{tag}")
        assert headers["Content-Type"] == type
        assert json.loads(data).get("mediaType") == type
        digest = hashlib.sha256(data).hexdigest()
        headers, again = get(front, f"{base}/sha256:{digest}")
        assert (headers["Content-Type"], again) == (type, data)


def test_hugging_faces_client_reads_a_model_from_files(front, pushed):
    name = name_of(front)
    done = subprocess.run(
        ["node", node_servers.JS / "hub.mjs", node_servers.install(), f"http://{front.at}", name,
         "main", "tiny-q8_0.gguf"], capture_output=True, text=True, timeout=PATIENCE)
    told = json.loads(done.stdout)
    assert told["sha256"] == pushed.sha256
    assert told["files"][0]["lfs"]["oid"] == pushed.sha256
    assert told["info"]["size"] == pushed.model.stat().st_size


# ggml-org/llama.cpp, common/hf-cache.cpp, get_repo_commit and get_repo_files (commit 03eb25f);
# huggingface/huggingface_hub, file_download.py: a file without X-Repo-Commit is refused.
def test_llama_cpp_finds_the_commit_the_tree_and_the_file(front, pushed):
    name = name_of(front)
    refs = json.loads(get(front, f"/api/models/{name}/refs")[1])
    commit = refs["branches"][0]["targetCommit"]
    tree = json.loads(get(front, f"/api/models/{name}/tree/{commit}?recursive=true")[1])
    headers, data = get(front, f"/{name}/resolve/{commit}/{tree[0]['path']}")
    assert headers["X-Repo-Commit"] == commit
    assert hashlib.sha256(data).hexdigest() == pushed.sha256


def test_a_file_has_several_names_and_is_there_once(pushed):
    assert pushed.model.stat().st_nlink >= 3


def test_what_did_not_change_is_not_sent_again(pushed):
    assert pushed("push", "--json").json["mirrors"][0]["outcome"] == "up-to-date"


def test_what_a_release_no_longer_needs_is_removed_after_a_week(tmp_path_factory, pushed):
    ferry = Ferry(tmp_path_factory.mktemp("later"))
    for name in ("repository", "keys"):
        shutil.copytree(pushed.ferry.work / name, ferry.work / name)
    publisher = Publisher(ferry)
    publisher.configure(mirror("a", url="http://models.example.org", faces="oci, hub"))
    publisher("push")
    blob = next(publisher.mirror("a").glob(f"v2/*/*/blobs/sha256:{pushed.sha256}"))
    publisher("catalog", "withdraw", "tiny", "--reason", "wrong")
    publisher("catalog", "sign")
    publisher("push")
    assert blob.exists() and not list(publisher.mirror("a").glob("v2/*/*/manifests/x"))
    publisher("catalog", "refresh", at="+8 days")
    publisher("push", at="+8 days")
    assert not blob.exists()


def test_a_word_that_is_no_face_is_refused(pushed, work):
    ferry = Ferry(work)
    publisher = Publisher(ferry)
    publisher.configure(mirror("a", url="http://models.example.org", faces="hub, nub"))
    assert "oci or hub" in ferry("mirror", "list").out
