"""Probes of mirrors of every kind, on real servers where there are such: folder, S3, R2
(simulated), GitHub (simulated), git and a registry."""

import json
import shutil
import subprocess

import pytest

from conftest import TOOLS
from github_simulated import github, github_server  # noqa: F401 (fixtures)
from published import Publisher, signed_base  # noqa: F401 (fixture)
from test_every_kind import Everywhere, registry  # noqa: F401 (fixture)
from waiting import PATIENCE

CHECKS = {
    "folder": {"reach", "release", "catalog", "objects", "ranges", "clock", "headers"},
    "s3": {"reach", "release", "catalog", "objects", "ranges", "clock", "headers"},
    "r2": {"reach", "release", "catalog", "objects", "ranges", "clock", "headers"},
    "releases": {"reach", "objects", "ranges", "clock", "quota"},
    "git": {"reach", "release", "catalog", "objects", "ranges", "clock", "headers"},
    "registry": {"reach", "release", "catalog", "objects", "ranges", "clock"},
}


@pytest.fixture
def everywhere(signed_base, ferry, radosgw, s3_proxy, r2_proxy, nginx, github, registry):  # noqa: F811
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, ferry.work / name)
    made = Everywhere(Publisher(ferry), radosgw, s3_proxy, r2_proxy, nginx, github, registry)
    made.registry = registry
    made.publisher("catalog", "sign")
    made.publisher("push")
    made["git"].up()
    return made


def probe(everywhere, name):
    publisher = everywhere.publisher
    done = subprocess.run(
        [str(TOOLS / "probe-mirror"), "--tree", publisher.tree, publisher.dir / "ferry.conf", name],
        env=publisher.ferry.environment(None), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lose_a_blob(everywhere):
    """A manifest of the registry still names it."""
    [gguf] = everywhere.publisher.tree.rglob("*.gguf")
    digest = gguf.name.partition(".")[0]
    for link in everywhere.registry.dir.rglob(f"_layers/sha256/{digest}/link"):
        link.unlink()
    result = probe(everywhere, "registry")
    state, reason = result["findings"]["objects"]
    assert state == "critical" and f"{gguf.name} is missing" in reason, result


def test_every_kind_is_probed_in_its_own_way(everywhere):
    for place in everywhere.places:
        result = probe(everywhere, place.name)
        found = {check: state for check, (state, _) in result["findings"].items()}
        assert found == dict.fromkeys(CHECKS[place.name], "ok"), (place.name, result)
        assert result["up"] and result["objects"] > 0, place.name
        assert result["checked"] == result["objects"] and not result["missing"], place.name
        assert result["first_byte_us"] > 0, place.name
    assert probe(everywhere, "releases")["quota_left"] > 0
    lose_a_blob(everywhere)
    for name in ("s3", "releases", "registry"):
        everywhere[name].down()
        result = probe(everywhere, name)
        assert result["findings"]["reach"][0] == "critical" and not result["up"], (name, result)
