"""The SIMULATED Hugging Face Hub, driven by Hugging Face's own client: what the simulation says,
that client understands."""

import hashlib
import json
import subprocess
import urllib.error
import urllib.request

import pytest

import node_servers
from hf_simulated import HubSimulated, blob_sha1
from waiting import PATIENCE

MODEL = b"GGUF" + bytes(range(256)) * 40
README = b"---\nlicense: mit\n---\n# A model\n"


@pytest.fixture
def hub(work):
    with HubSimulated(work) as server:
        yield server


@pytest.fixture
def repo(hub):
    return hub.add("org/model-GGUF", {"README.md": README, "sub/model-Q8_0.gguf": MODEL},
                   license="mit", tags=["chat"])


def client(hub, name, revision="main", file="sub/model-Q8_0.gguf", token=None):
    done = subprocess.run(
        ["node", str(node_servers.JS / "hub.mjs"), str(node_servers.install()), hub.url, name,
         revision, file, *([token] if token else [])],
        capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_its_client_reads_the_card_and_the_files(hub, repo):
    hub.page = 1
    told = client(hub, "org/model-GGUF")
    assert told["model"]["sha"] == repo.head
    assert told["model"]["cardData"] == {"license": "mit", "tags": ["chat"]}
    files = {f["path"]: f for f in told["files"]}
    assert set(files) == {"README.md", "sub", "sub/model-Q8_0.gguf"}
    assert files["README.md"]["oid"] == blob_sha1(README)
    sha256 = hashlib.sha256(MODEL).hexdigest()
    assert files["sub/model-Q8_0.gguf"]["lfs"]["oid"] == sha256 == told["sha256"]
    assert told["info"]["size"] == len(MODEL)
    assert len(hub.asked("*/tree/*")) == 3


def test_its_client_follows_a_renamed_repository(hub, repo):
    hub.rename("org/model-GGUF", "new/model")
    told = client(hub, "org/model-GGUF", file="README.md")
    assert told["model"]["name"] == "new/model"
    assert told["sha256"] == hashlib.sha256(README).hexdigest()


def test_its_client_gets_a_gated_file_with_a_token_of_a_member_only(hub, repo):
    repo.gated, repo.members = "manual", ["hf_member"]
    assert client(hub, "org/model-GGUF")["error"]["status"] == 401
    assert client(hub, "org/model-GGUF", token="hf_stranger")["error"]["status"] == 403
    assert client(hub, "org/model-GGUF", token="hf_member")["sha256"] == \
        hashlib.sha256(MODEL).hexdigest()


def test_its_client_gets_an_old_revision_by_commit(hub, repo):
    first = repo.head
    repo.commit({"sub/model-Q8_0.gguf": MODEL + b"more"})
    assert client(hub, "org/model-GGUF", revision=first)["sha256"] == \
        hashlib.sha256(MODEL).hexdigest()


def test_the_cdn_refuses_authorization_and_expired_urls(hub, repo):
    url = hub.signed(repo.commits[repo.head]["sub/model-Q8_0.gguf"])
    assert urllib.request.urlopen(url, timeout=PATIENCE).read() == MODEL
    for request in (urllib.request.Request(url, headers={"Authorization": "Bearer hf_member"}),
                    urllib.request.Request(url.replace("s-1", "s-0"))):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=PATIENCE)
    hub.expire()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url, timeout=PATIENCE)
