"""Mirrors of all kinds behind an edge: those whose files are where a signed list says, and those
that have the small files of a model in a pack."""

import hashlib
import shutil

import pytest

from edges import Edge
from github_mirrors import Releases
from hf_simulated import HubSimulated
from published import mirror, publisher, signed_base  # noqa: F401 (fixtures)
from waiting import until


def edge(publisher, url, place="edge"):
    """An edge with a store of its own, and this endpoint."""
    root = (publisher.tree / "metadata/1.root.json").read_bytes()
    client = f"[repository.test]\nmetadata = {url}\n" \
        f"root-sha256 = {hashlib.sha256(root).hexdigest()}\n"
    env = {"GH_TOKEN": None, "GH_HOST": "127.0.0.1",
           "FERRY_HOME": str(publisher.dir / place / "store")}
    return Edge(publisher.ferry, client, name=place, env=env)


def shows(edge, publisher, *patterns):
    """The files of models that match, with the right bytes."""
    until(lambda: edge.get("/metadata/timestamp.json").status == 200, edge.process)
    for pattern in patterns:
        path = publisher.on("repository", pattern)
        answer = edge.get("/" + str(path.relative_to(publisher.tree)))
        assert answer.status == 200 and answer.body == path.read_bytes(), (pattern, edge.log.text)


SMALL = ("*.tiny-q8_0.gguf.manifest.json", "*.tiny.card.json")


def test_models_in_releases_of_a_simulated_github(publisher, github, no_pauses, make_gguf):
    releases = Releases(publisher, github, immutable=True)
    releases.push()
    old = publisher.on("repository", "*.tiny.card.json")
    publisher("prepare", "tiny", make_gguf(publisher.dir / "2.gguf", "--seed", 2), "--set",
              "license.id=MIT", "--set", "summary=For tests", "--output", "v2")
    publisher("catalog", "add", "v2")
    publisher("catalog", "sign")
    releases.push()
    assert "models-tiny+2" in releases.releases()
    old.unlink()
    # The mirror of the metadata has neither cards nor manifests: they are in the packs.
    assert not list(publisher.mirror("meta").rglob("*.card.json"))
    with edge(publisher, f"file://{publisher.mirror('meta')}") as it:
        shows(it, publisher, *SMALL, "*.tiny-q8_0.gguf", "*.tiny-q8_0.v2.gguf")
    # What it shows is on its disk.
    github.down()
    with edge(publisher, f"file://{publisher.mirror('meta')}") as it:
        shows(it, publisher, *SMALL, "*.tiny-q8_0.gguf")
    github.up()


@pytest.fixture
def hub(work):
    with HubSimulated(work) as simulated:
        yield simulated


def test_a_file_that_lies_somewhere_on_a_simulated_hub(publisher, hub, nginx):
    path = publisher.on("repository", "*.tiny-q8_0.gguf")
    repo = hub.add("acme/Tiny-GGUF", {"Tiny.Q8_0.gguf": path.read_bytes()})
    base = f"{hub.url}/acme/Tiny-GGUF"
    publisher.configure(mirror("hub", kind="http", layout="names", url=base, priority=10))
    folder = publisher.dir / "models" / "tiny"
    folder.mkdir(parents=True)
    for file in path.parent.iterdir():
        shutil.copy(file, folder / file.name.partition(".")[2])
    publisher("catalog", "add", folder, "--at", f"{base}/resolve/{repo.head}/Tiny.Q8_0.gguf")
    publisher("catalog", "sign")
    web = shutil.copytree(publisher.tree, publisher.dir / "web")
    for file in web.rglob("*.gguf"):
        file.unlink()
    with edge(publisher, nginx(web).url) as it:
        shows(it, publisher, "*.tiny-q8_0.gguf", *SMALL)
        # Small files never come from there.
        assert hub.asked() and all(n.endswith("/Tiny.Q8_0.gguf") for n in hub.asked())
