"""ferry against a SIMULATED repository, which may be what ours never are: without consistent
snapshots, with everything delegated, with lengths that nobody can want."""

import hashlib
import json
import re

import pytest

from conftest import Ferry
from test_fetch import prepared     # noqa: F401 (fixture)
from publisher import Publisher
from tuf_fixtures import tuf_server  # noqa: F401 (fixture)


@pytest.fixture(scope="session")
def files(tmp_path_factory, prepared):
    """What a publisher has signed: path → bytes."""
    work = tmp_path_factory.mktemp("files")
    publisher = Publisher(Ferry(work), work)
    publisher.add(prepared("small", "2M"))
    publisher.sign()
    signed = json.loads((publisher.tree / "metadata" / "2.targets.json").read_text())["signed"]
    found = {}
    for path, entry in signed["targets"].items():
        folder, _, name = f"targets/{path}".rpartition("/")
        file = publisher.tree / folder / f"{entry['hashes']['sha256']}.{name}"
        found[path] = file.read_bytes()
    return found


@pytest.fixture
def simulated(ferry, work, tuf_server, files, request):
    """simulated(consistent=True, role="targets") serves the files; the client is set up."""
    def make(role="targets", **options):
        repo = tuf_server.add(request.node.name, **options)
        if role != "targets":
            repo.delegate("targets", role, ["*", "*/*", "*/*/*"])
        for path, content in files.items():
            repo.target(role, path, content)
        repo.publish(*([role] if role != "targets" else []), "targets", "snapshot", "timestamp")
        pin = hashlib.sha256(repo.versions["root"][0]).hexdigest()
        (work / "ferry.conf").write_text(
            f"[repository.demo]\nmetadata = {repo.url}/\nroot-sha256 = {pin}\n")
        return repo
    return make


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("role", ["targets", "everything"])
def test_a_model_is_fetched(ferry, simulated, files, consistent, role):
    repo = simulated(role, consistent=consistent)
    if not consistent:
        repo.files["metadata/1.root.json"] = repo.versions["root"][0]
    path = ferry("fetch", "-q", "small").out.strip()
    [model] = [content for name, content in files.items() if name.endswith(".gguf")]
    with open(path, "rb") as f:
        assert f.read() == model
    asked = [r for r in repo.requests if r.startswith("targets/")]
    assert all(re.search(r"/[0-9a-f]{64}\.", r) for r in asked) == consistent
    assert ferry("fetch", "-q", "--offline", "small").out.strip() == path


@pytest.mark.parametrize("consistent", [True, False])
def test_a_catalog_that_nobody_can_want_is_not_asked_for(ferry, simulated, consistent):
    repo = simulated(consistent=consistent)
    repo.body["targets"]["targets"]["repository.json"]["length"] = 1 << 40
    repo.publish("targets", "snapshot", "timestamp")
    result = ferry("list", "--json", check=6)
    error = result.json["error"]
    assert "repository.json: 1099511627776 bytes; the maximum is" in error["message"]
    assert not repo.target_requests()


def test_a_delegated_role_in_the_trust_folder(ferry, simulated):
    """Missing, it can be fetched; damaged, it is not believed, and fetched again."""
    repo = simulated("everything")
    ferry("list")
    file = ferry.store / "trust" / "demo" / "everything.json"
    good = file.read_bytes()
    assert good == repo.latest("everything")
    for harm in (b"", b"{}", good[:-30], good.replace(b'"version": 1', b'"version": 2')):
        file.write_bytes(harm)
        result = ferry("list", "--offline", check=6)
        assert str(file) in result.err and "once without --offline" in result.err
    file.unlink()
    result = ferry("list", "--offline", check=3)
    assert str(file) in result.err and "once without --offline" in result.err
    ferry("list")
    assert file.read_bytes() == good


@pytest.mark.parametrize("harm", ["missing", "unsigned", "expired", "another role"])
def test_a_delegated_role_on_the_mirror(ferry, simulated, harm):
    repo = simulated("everything")
    name, good = "metadata/1.everything.json", repo.latest("everything")
    if harm == "missing":
        del repo.files[name]
    elif harm == "unsigned":
        repo.alter("everything", lambda e: e.update(signatures=[]))
    elif harm == "another role":
        repo.files[name] = repo.latest("targets")
    else:
        repo.body["everything"]["expires"] = "2020-01-01T00:00:00Z"
        repo.publish("everything", "snapshot", "timestamp", bump=False)
    code, words, hint = {
        "missing": (4, "HTTP 404", "incomplete"),
        "unsigned": (6, "0 valid signatures", "another mirror"),
        "expired": (6, "has expired at 2020-01-01", "ask the publisher to refresh"),
        "another role": (6, "1.everything.json", "another mirror"),
    }[harm]
    error = ferry("list", "--json", check=code).json["error"]
    assert repo.url in error["message"] and words in error["message"], error
    assert "everything" in error["message"] and hint in error["hint"], error
    assert not (ferry.store / "trust" / "demo" / "everything.json").exists()
    if harm != "expired":
        repo.files[name] = good
        ferry("list")
