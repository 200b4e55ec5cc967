"""Where a model comes from: the statement that `ferry prepare` writes, that `ferry catalog`
publishes and signs, and that `ferry show --provenance` verifies. The signatures are verified by
sigstore's own verifier (tests/js/dsse.mjs)."""

import hashlib
import json
import pathlib
import subprocess
import tarfile

import pytest

import node_servers
import schemas
from conftest import ROOT
from github_mirrors import Releases
from hf_simulated import HubSimulated
from published import flip, mirror, publisher, signed_base  # noqa: F401
from publisher import Publisher
from waiting import PATIENCE

TOOLS = ROOT / "tests" / "simulated"


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def read(path):
    document = json.loads(pathlib.Path(path).read_text())
    schemas.validate(document, "provenance")
    return document


def prepare(ferry, *args, **options):
    """The parts of the statement of what was made."""
    result = ferry("prepare", *args, "--json", **options).json
    statement = read(ferry.work / result["provenance"])
    assert [s["digest"]["sha256"] for s in statement["subject"]] == \
        [f["sha256"] for f in result["files"]]
    return (statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"],
            result)


def digests(build):
    return {d.get("uri") or d["name"]: d["digest"] for d in build["resolvedDependencies"]}


@pytest.fixture
def tools(ferry):
    ferry.env["PATH"] = f"{TOOLS}:{ferry.env['PATH']}"
    ferry.env["PYTHONDONTWRITEBYTECODE"] = "1"


# -- what prepare writes ----------------------------------------------------------------

def test_a_local_file_is_named_without_its_folder(ferry, work, make_gguf):
    (work / "private").mkdir()
    source = make_gguf(work / "private" / "a.gguf")
    build, run, result = prepare(ferry, "m", source)
    assert build["externalParameters"] == {"name": "m", "variant": "q8_0", "sources": ["a.gguf"]}
    assert digests(build) == {"a.gguf": {"sha256": sha256(source)}}
    assert run["builder"]["version"] == {"ferry": "0.1.0"}
    [manifest] = run["byproducts"]
    assert manifest["digest"]["sha256"] == sha256(work / result["files"][0]["manifest"])
    assert "private" not in (work / result["provenance"]).read_text()


def test_a_model_of_the_hub_has_its_commit_and_the_digests_of_the_hub(ferry, work, make_gguf):
    source = make_gguf(work / "a.gguf")
    with HubSimulated(work) as hub:
        ferry.env.update(hub.env)
        repo = hub.add("org/One", {"one.gguf": source})
        build, _, _ = prepare(ferry, "m", "hf:org/One:one.gguf", env={"HF_TOKEN": "hf_member"})
    assert build["externalParameters"]["revision"] == repo.head
    assert build["externalParameters"]["sources"] == ["hf:org/One:one.gguf"]
    assert digests(build) == {
        f"git+{hub.url}/org/One@{repo.head}": {"gitCommit": repo.head},
        f"{hub.url}/org/One/resolve/{repo.head}/one.gguf": {"sha256": sha256(source)}}
    assert "hf_member" not in json.dumps(build)


def test_a_converted_repository_of_the_hub_lists_all_files(ferry, work, tools):
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + b"\0\0\0\0"
    config = b'{"architectures":["LlamaForCausalLM"],"hidden_size":256}'
    with HubSimulated(work) as hub:
        ferry.env.update(hub.env)
        repo = hub.add("org/W", {"config.json": config, "model.safetensors": weights})
        build, run, _ = prepare(ferry, "m", "hf:org/W", "--outtype", "f32")
    files = repo.commits[repo.head]
    found = {name.rpartition("/")[2]: d for name, d in digests(build).items()}
    assert found["config.json"] == {"gitBlob": files["config.json"].oid}
    assert found["model.safetensors"] == {"sha256": files["model.safetensors"].sha256}
    [tool] = run["builder"]["builderDependencies"]
    assert tool == {"name": "convert_hf_to_gguf.py",
                    "digest": {"sha256": sha256(TOOLS / "convert_hf_to_gguf.py")}}
    assert build["internalParameters"]["command"] == ["ferry", "prepare", "m:f32", "hf:org/W",
                                                      "--outtype", "f32"]


def test_a_url_is_without_its_secrets(ferry, work, nginx, make_gguf):
    source = make_gguf(work / "a.gguf")
    server = nginx(work)
    url = server.url.replace("//", "//user:pass-word@") + "/a.gguf?X-Amz-Signature=5ec2e7"
    build, _, result = prepare(ferry, "m", url)
    assert digests(build) == {f"{server.url}/a.gguf": {"sha256": sha256(source)}}
    text = (work / result["provenance"]).read_text()
    assert "pass-word" not in text and "5ec2e7" not in text
    assert text.count(f"127.0.0.1:{server.port}/a.gguf") == 3


def test_a_quantized_model_has_the_digests_of_source_matrix_and_tool(ferry, work, tools,
                                                                     make_gguf):
    source = make_gguf(work / "f16.gguf", "--type", "f16")
    (work / "i.dat").write_bytes(b"matrix")
    build, run, _ = prepare(ferry, "m", source, "--quantize", "Q4_K_M", "--imatrix", "i.dat")
    assert digests(build) == {"f16.gguf": {"sha256": sha256(source)},
                              "i.dat": {"sha256": sha256(work / "i.dat")}}
    assert run["builder"]["version"]["llama-quantize"] == "8123 (51m01a7)"
    assert [t["name"] for t in run["builder"]["builderDependencies"]] == ["llama-quantize"]
    assert build["externalParameters"]["imatrix"] == "i.dat"


def test_an_archive_is_the_source_and_not_what_is_in_it(ferry, work, make_gguf):
    make_gguf(work / "a.gguf")
    with tarfile.open(work / "a.tar", "w") as tar:
        tar.add(work / "a.gguf", "x/a.gguf")
    build, _, _ = prepare(ferry, "m", work / "a.tar")
    assert digests(build) == {"a.tar": {"sha256": sha256(work / "a.tar")}}


def test_shards_in_any_order_have_their_own_digests(ferry, work, make_gguf):
    make_gguf(work / "s.gguf", "--size", "3M", "--shards", 2)
    names = ["s-00002-of-00002.gguf", "s-00001-of-00002.gguf"]
    build, _, result = prepare(ferry, "m", *[work / n for n in names])
    assert digests(build) == {n: {"sha256": sha256(work / n)} for n in names}
    assert result["provenance"] == "models/m/m-q8_0-00001-of-00002.gguf.provenance.json"


def test_a_run_that_makes_nothing_keeps_the_record(ferry, work, make_gguf):
    source = make_gguf(work / "a.gguf")
    _, _, result = prepare(ferry, "m", source)
    before = (work / result["provenance"]).read_bytes()
    _, _, again = prepare(ferry, "m", source, at="+3 days")
    assert not again["made"] and (work / result["provenance"]).read_bytes() == before
    (work / result["provenance"]).unlink()
    assert "provenance" not in ferry("prepare", "m", source, "--json").json


# -- what the catalog publishes ---------------------------------------------------------

def record(publisher, model="tiny", where="repository"):
    return publisher.on(where, f"*.{model}-*.provenance.json")


def verify(publisher, path, public=None):
    """The statement, or None if sigstore refuses it."""
    key = publisher.dir / "targets.pem"
    key.write_text(public or publisher("catalog", "key", "export", "targets").out)
    done = subprocess.run(
        ["node", str(node_servers.JS / "dsse.mjs"), str(node_servers.install()), str(path),
         str(key)], capture_output=True, text=True, timeout=PATIENCE)
    return json.loads(done.stdout) if done.returncode == 0 else None


def client(publisher, name="reader"):
    home = publisher.dir / name
    home.mkdir(exist_ok=True)
    root = publisher.tree / "metadata" / "1.root.json"
    (home / "ferry.conf").write_text(
        f"[repository.test]\nmetadata = file://{publisher.tree}\nroot = {root}\n")
    return home


def show(publisher, *args, name="reader", **options):
    home = client(publisher, name)
    return publisher("show", "--provenance", *args, cwd=home,
                     env={"FERRY_HOME": home / "store"}, **options)


def test_sigstores_verifier_accepts_what_is_published(publisher, validate):
    path = record(publisher)
    validate(read(path), "provenance")
    statement = verify(publisher, path)
    assert statement["subject"][0]["name"] == "tiny-q8_0.gguf"
    other = subprocess.run("openssl genpkey -algorithm ed25519 | openssl pkey -pubout", shell=True,
                           capture_output=True, text=True, check=True).stdout
    assert verify(publisher, path, other) is None
    changed = json.loads(path.read_text())
    changed["payload"] = changed["payload"][:-8] + "ICAgfQo="
    (publisher.dir / "changed.json").write_text(json.dumps(changed))
    assert verify(publisher, publisher.dir / "changed.json") is None


def test_it_travels_to_every_mirror(publisher):
    publisher("push")
    for name in "abc":
        assert record(publisher, where=name).read_bytes() == record(publisher).read_bytes()
    publisher("verify", "--full")
    flip(record(publisher, where="b"), 100)
    assert "b" in publisher("verify", "--full", check=1).out


def test_signing_again_signs_nothing_new(publisher):
    before = record(publisher).read_bytes()
    publisher("catalog", "sign")        # names the mirrors
    assert "nothing changed" in publisher("catalog", "sign").out
    publisher.add_model("second", seed=2)
    assert record(publisher).read_bytes() == before
    assert verify(publisher, record(publisher, "second"))


def test_show_prints_it_verified(publisher):
    result = show(publisher, "tiny", "--json").json
    statement = result["provenance"]
    assert statement["subject"][0]["name"] == "tiny-q8_0.gguf" and result["role"] == "targets"
    assert [s["verified"] for s in result["signatures"]] == [True]
    text = show(publisher, "tiny:q8_0").out
    assert "ferry prepare tiny:q8_0 tiny.gguf" in text and "the role targets" in text
    assert show(publisher, "tiny", "--offline").out == show(publisher, "tiny@1").out


def test_it_is_read_from_the_releases_of_a_simulated_github(publisher, github, no_pauses):
    hub = Releases(publisher, github)
    hub.push()
    home = hub.reader()
    result = publisher("show", "--provenance", "tiny", "--json", cwd=home,
                       env={"FERRY_HOME": home / "store", "GH_TOKEN": None}).json
    assert result["provenance"]["subject"][0]["name"] == "tiny-q8_0.gguf"
    assert not any("provenance" in name for name in hub.assets())      # it is in the pack


def test_the_envelope_can_be_given_to_other_tools(publisher):
    path = publisher.dir / "envelope.json"
    path.write_text(json.dumps(show(publisher, "tiny", "--json").json["envelope"]))
    assert verify(publisher, path) == show(publisher, "tiny", "--json").json["provenance"]


def test_each_version_has_its_own(publisher):
    publisher.add_model("tiny", seed=9)
    new, old = (show(publisher, f"tiny@{v}", "--json").json["provenance"]["subject"] for v in (2, 1))
    assert new != old


def test_a_key_that_was_replaced_proves_nothing_any_more(publisher):
    publisher("catalog", "rotate", "targets")
    publisher("catalog", "sign")
    assert [s["verified"] for s in show(publisher, "tiny", "--json").json["signatures"]] == [False]
    assert "may not sign for targets now" in show(publisher, "tiny").out


@pytest.fixture
def bare(publisher, make_gguf):
    """A model that is prepared, but not yet added, and the path of its record."""
    source = make_gguf(publisher.dir / "bare.gguf", "--seed", 5)
    result = publisher("prepare", "bare", source, "--set", "license.id=MIT", "--json").json
    return publisher.dir / result["provenance"]


def test_a_model_without_it_says_so(publisher, bare):
    bare.unlink()
    publisher("catalog", "add", "models/bare")
    publisher("catalog", "sign")
    result = show(publisher, "bare", check=3)
    assert "test/bare:q8_0@1 has no provenance" in result.err


@pytest.mark.parametrize("fault, words", [
    ("garbage", "no provenance"), ("other", "is the provenance of other files"),
    ("kind", "predicateType is not"),
])
def test_what_is_no_provenance_of_the_file_is_refused(publisher, bare, fault, words):
    statement = json.loads(bare.read_text())
    if fault == "other":
        statement["subject"][0]["digest"]["sha256"] = "ab" * 32
    elif fault == "kind":
        statement["predicateType"] = "https://example.org/x"
    bare.write_text("{}" if fault == "garbage" else json.dumps(statement))
    result = publisher("catalog", "add", "models/bare", check=6)
    assert words in result.err and "remove this file" in result.err
    kept, = publisher.tree.glob("cards/tiny/*.provenance.json")
    kept.write_text(bare.read_text())
    assert words in publisher("catalog", "lint", check=1).out
    assert words in publisher("catalog", "sign", check=6).err


def test_another_source_of_the_same_file_is_new_provenance(publisher, bare, make_gguf):
    publisher("catalog", "add", "models/bare")
    publisher("catalog", "sign")

    def added_from(name):
        make_gguf(publisher.dir / name, "--seed", 5)
        bare.parent.joinpath("bare-q8_0.gguf").unlink()
        publisher("prepare", "bare", name, "--set", "license.id=MIT")
        [change] = publisher("catalog", "add", "models/bare", "--json").json["changes"]
        publisher("catalog", "sign")
        return change["change"], change.get("provenance")
    assert added_from("bare.gguf") == ("unchanged", None)
    assert added_from("other.gguf") == ("updated", True)
    assert verify(publisher, sorted(publisher.tree.glob("targets/models/bare/*.provenance.json"),
                                    key=lambda p: p.stat().st_mtime)[-1])
    assert show(publisher, "bare").out.count("other.gguf") == 2


def test_it_goes_with_its_model(publisher):
    publisher.add_model("second", seed=2)
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    publisher("catalog", "gc", "--keep", "0")
    assert record(publisher, "second").exists()
    assert not list(publisher.tree.glob("targets/models/tiny/*"))
    assert not list(publisher.tree.glob("cards/tiny/*"))


def test_a_record_that_was_removed_is_no_target_any_more(publisher):
    kept, = publisher.tree.glob("cards/tiny/*.provenance.json")
    kept.unlink()
    publisher("catalog", "sign")
    assert "has no provenance" in show(publisher, "tiny", check=3).err


def test_without_a_key_of_targets_the_statement_is_published_as_it_is(ferry, work, make_gguf):
    """Its digest is signed all the same, by the metadata, when the key is there."""
    desk = Publisher(ferry, work)
    ferry("prepare", "m", make_gguf(work / "a.gguf"), "-o", work / "m", "--set", "license.id=MIT")
    desk.add(work / "m")
    key = desk.dir / "keys" / "targets.pem"
    key.rename(work / "targets.pem")
    ferry("catalog", "sign", cwd=desk.dir, check=None)
    kept, = desk.tree.glob("cards/m/*.provenance.json")
    assert "payload" not in read(kept)
    (work / "targets.pem").rename(key)
    ferry("catalog", "sign", cwd=desk.dir)
    assert "payload" in read(kept)


def test_a_delegated_role_publishes_it_as_it_is(ferry, work, make_gguf):
    desk = Publisher(ferry, work)
    keys = work / "theirs"
    ferry("catalog", "key", "new", "lab", "--unencrypted", "-q", "--keys", keys)
    ferry("catalog", "delegate", "lab", "--paths", "models/lab-*/*", "--key", keys / "lab.pub",
          cwd=desk.dir)
    ferry("prepare", "lab-m", make_gguf(work / "a.gguf"), "-o", work / "m", "--set",
          "license.id=MIT")
    ferry("catalog", "add", "--role", "lab", work / "m", cwd=desk.dir)
    ferry("catalog", "sign", "--role", "lab", "--keys", keys, cwd=desk.dir)
    desk.sign()
    (work / "ferry.conf").write_text(desk.client())
    result = ferry("show", "--provenance", "lab-m", "--json").json
    assert result["role"] == "lab" and result["signatures"] == []
    assert result["provenance"] == read(next((work / "m").glob("*.provenance.json")))
