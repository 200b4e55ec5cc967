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
from bucket_mirrors import Bucket
from conftest import Ferry
from fronts import FrontNginx
from published import Publisher, mirror, publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER
from waiting import PATIENCE

OCI = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, signed_base):  # noqa: F811
    ferry = Ferry(tmp_path_factory.mktemp("faces"))
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    made = Publisher(ferry)
    made.configure(mirror("a", url="http://models.example.org", faces="oci, hub"))
    made("catalog", "sign")
    made("push")
    made.model = made.on("a", "*.gguf")
    made.sha256 = hashlib.sha256(made.model.read_bytes()).hexdigest()
    return made


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
    later = Publisher(ferry)
    later.configure(mirror("a", url="http://models.example.org", faces="oci, hub"))
    later("push")
    blob = next(later.mirror("a").glob(f"v2/*/*/blobs/sha256:{pushed.sha256}"))
    later("catalog", "withdraw", "tiny", "--reason", "wrong")
    later("catalog", "sign")
    later("push")
    assert blob.exists()
    assert json.loads((later.mirror("a") / "v2/_catalog").read_text()) == {"repositories": []}
    later("catalog", "refresh", at="+8 days")
    later("push", at="+8 days")
    assert not blob.exists()


def test_verify_and_prune_leave_faces_alone(pushed):
    pushed("verify", "--full")
    before = sorted(pushed.mirror("a").rglob("v2/**/*"))
    pushed("push", "--prune")
    assert sorted(pushed.mirror("a").rglob("v2/**/*")) == before


@pytest.mark.parametrize("server", ["radosgw", "simulated R2"])
def test_a_bucket_has_the_documents_under_their_names_with_their_types(
        publisher, radosgw, r2_proxy, server):  # noqa: F811
    bucket = Bucket("us", radosgw.region("us-east-1"))
    if server == "simulated R2":
        proxy = r2_proxy(bucket.region, seconds_between_writes=0)
        bucket = Bucket("us", bucket.region, proxy, "r2", bucket.bucket)
    publisher.ferry.env.update(PUBLISHER.env)
    publisher.configure(bucket.section(faces="oci, hub"))
    publisher("push")

    def type_of(key):
        return bucket.client.head_object(Bucket=bucket.bucket, Key=key)["ContentType"]

    assert type_of("v2/test/tiny/manifests/q8_0") == OCI
    assert type_of("v2/test/tiny/manifests/q8_0-ollama") == DOCKER
    assert type_of("v2/test/tiny/tags/list") == type_of("api/models/test/tiny") == \
        type_of("api/models/test/tiny/refs") == "application/json"
    manifest = json.loads(bucket.read("v2/test/tiny/manifests/q8_0"))
    for layer in [manifest["config"], *manifest["layers"]]:
        data = bucket.read(f"v2/test/tiny/blobs/{layer['digest']}")
        assert "sha256:" + hashlib.sha256(data).hexdigest() == layer["digest"]
    commit = json.loads(bucket.read("api/models/test/tiny/refs"))["branches"][0]["targetCommit"]
    tree = json.loads(bucket.read(f"api/models/test/tiny/tree/{commit}"))
    data = bucket.read(f"test/tiny/resolve/{commit}/{tree[0]['path']}")
    assert hashlib.sha256(data).hexdigest() == tree[0]["lfs"]["oid"]


def test_a_word_that_is_no_face_is_refused(work):
    one = Publisher(Ferry(work))
    one.configure(mirror("a", url="http://models.example.org", faces="hub, nub"))
    assert "oci or hub" in one("mirror", "list").out
