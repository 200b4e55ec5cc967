"""ferry prepare NAME hf:OWNER/REPO, from a SIMULATED Hugging Face Hub (hf_simulated.py)."""

import hashlib
import json
import shutil

import pytest

import small_gguf
from conftest import ROOT
from hf_simulated import HubSimulated
from kills import Moments
from publisher import Publisher

TOOLS = ROOT / "tests" / "simulated"
README = b"---\nlicense: apache-2.0\n---\n# A model\n"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="session")
def gguf(tmp_path_factory, make_gguf):
    """gguf("--type", "f16"): the bytes of a small model."""
    folder = tmp_path_factory.mktemp("hub-gguf")
    return lambda *options: make_gguf(folder / "m.gguf", *options).read_bytes()


@pytest.fixture
def hub(work, ferry):
    with HubSimulated(work) as server:
        ferry.env.update(server.env)
        yield server


UNLICENSED = ("--license", "other")


@pytest.fixture
def repo(hub, gguf):
    return hub.add("org/Tiny-GGUF", {"README.md": README, "Tiny-Q8_0.gguf": gguf(*UNLICENSED),
                                     "Tiny-F16.gguf": gguf("--type", "f16")},
                   license="apache-2.0", tags=["chat", "small"], language=["en", "de"],
                   base_model="org/Tiny")


def card_of(work, name="m"):
    return json.loads((work / f"models/{name}/{name}.card.json").read_text())


# -- with companions --------------------------------------------------------------------

def test_companions_come_from_repositories_at_their_own_commits(ferry, work, hub, gguf):
    small_gguf.projector(work / "p.gguf")
    small_gguf.old_imatrix(work / "i.dat")
    model, other = gguf(), gguf("--seed", "7")
    one = hub.add("org/Vision", {"README.md": README, "v-Q8_0.gguf": model,
                                 "mmproj-v-F16.gguf": (work / "p.gguf").read_bytes(),
                                 "v.imatrix": (work / "i.dat").read_bytes()})
    two = hub.add("org/Small", {"v-Q8_0.gguf": other})
    options = ("--projector", "hf:org/Vision:mmproj-v-F16.gguf", "--draft", "hf:org/Small",
               "--imatrix", "hf:org/Vision:v.imatrix")
    result = ferry("prepare", "m", "hf:org/Vision:Q8_0", *options, "--json").json
    assert [(f.get("role"), f["sha256"]) for f in result["files"]] == [
        (None, sha256(model)), ("projector", sha256((work / "p.gguf").read_bytes())),
        ("draft", sha256(other)), ("imatrix", sha256((work / "i.dat").read_bytes()))]
    record, = (work / "models/m").glob("*.provenance.json")
    build = json.loads(record.read_text())["predicate"]["buildDefinition"]
    assert [c["revision"] for c in build["externalParameters"]["companions"]] == [
        one.head, two.head, one.head]
    again = ferry("prepare", "m", "hf:org/Vision:Q8_0", *options, "--json").json
    assert not again["made"] and again["received"] == 0
    assert [p.name for p in (work / "models/m/.ferry-prepare").iterdir() if p.is_dir()] == []


# -- which file -------------------------------------------------------------------------

def test_the_only_gguf_is_taken_at_a_pinned_commit(ferry, work, hub, gguf):
    repo = hub.add("org/One", {"README.md": README, "one-Q8_0.gguf": gguf()})
    result = ferry("prepare", "m", "hf:org/One", "--json").json
    assert result["files"][0]["sha256"] == sha256(gguf())
    assert result["hub"] == {"repository": "org/One", "revision": "main", "commit": repo.head,
                             "files": ["one-Q8_0.gguf"]}
    source = card_of(work)["source"]
    assert source["revision"] == repo.head and source["url"] == f"{hub.url}/org/One"
    assert source["author"] == "org"
    # Nothing is asked of a branch after it was resolved, and nothing else is downloaded.
    assert [p for p in hub.asked() if "main" in p] == ["GET api/models/org/One/revision/main"]
    assert hub.asked("*/resolve/*") == [f"GET org/One/resolve/{repo.head}/one-Q8_0.gguf"]


def test_the_metadata_of_the_repository_go_into_the_card(ferry, work, repo, validate):
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    card = card_of(work)
    validate(card, "card")
    assert card["license"] == {"id": "Apache-2.0"}
    assert card["tags"] == ["chat", "small"] and card["languages"] == ["en", "de"]
    assert card["source"]["base_model"] == "org/Tiny"


@pytest.mark.parametrize("said, wanted", [
    ({"license": "llama3.1", "license_link": "https://example.org/l"},
     {"id": "LicenseRef-llama3.1", "name": "Llama 3.1 Community License Agreement",
      "url": "https://example.org/l"}),
    ({"license": "other", "license_name": "my-own"},
     {"id": "LicenseRef-my-own", "name": "my-own"}),
    ({"license": ["mit", "apache-2.0"]}, {"id": "MIT AND Apache-2.0"}),
    ({"license": 7, "tags": "one", "base_model": {"a": 1}, "language": ["x" * 99, "\n", None]},
     None),
])
def test_licenses_as_repositories_write_them(ferry, work, hub, gguf, said, wanted, validate):
    hub.add("org/One", {"one.gguf": gguf(*UNLICENSED)}, **said)
    ferry("prepare", "m", "hf:org/One")
    card = card_of(work)
    validate(card, "card")
    if wanted:
        assert wanted.items() <= card["license"].items()
    else:
        assert "license" not in card and card["tags"] == ["one"] and "languages" not in card


def test_another_license_than_the_model_has_is_said(ferry, work, hub, gguf):
    hub.add("org/One", {"one.gguf": gguf()}, license="mit")
    result = ferry("prepare", "m", "hf:org/One", "--json")
    assert card_of(work)["license"]["id"] == "CC0-1.0"
    assert ["license-differs"] == [w["code"] for w in result.json["warnings"]]
    assert "of the repository is MIT, that of the card CC0-1.0" in result.err and "--set license.id=" in result.err
    assert not ferry("prepare", "m", "hf:org/One", "--set", "license.id=MIT",
                     "--json").json["warnings"]


def test_readers_see_revision_and_base_models(ferry, work, hub, gguf):
    repo = hub.add("org/One", {"one.gguf": gguf()}, base_model=["org/A", "org/B"])
    ferry("prepare", "m", "hf:org/One")
    desk = Publisher(ferry, work)
    desk.add(work / "models" / "m")
    desk.sign()
    (work / "ferry.conf").write_text(desk.client())
    text = ferry("show", "m").out
    assert repo.head in text and "org/A, org/B" in text


def test_several_models_are_listed_with_sizes_and_the_command(ferry, repo):
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF", check=2)
    assert "Q8_0 (" in result.err and "F16 (" in result.err and "MiB)" in result.err
    assert "ferry prepare m hf:org/Tiny-GGUF:Q8_0" in result.err
    branch = repo.commit({}, branch="dev")
    assert branch
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF@dev", check=2)
    assert "hf:org/Tiny-GGUF@dev:" in result.err


@pytest.mark.parametrize("which, file", [
    ("Q8_0", "Tiny-Q8_0.gguf"), ("q8_0", "Tiny-Q8_0.gguf"), ("Tiny-F16.gguf", "Tiny-F16.gguf"),
])
def test_a_file_or_a_quantization_is_named(ferry, repo, which, file):
    assert ferry("prepare", "m", f"hf:org/Tiny-GGUF:{which}", "--json").json["hub"]["files"] == \
        [file]


def test_a_quantization_that_is_not_there_is_named_with_the_nearest(ferry, repo):
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_1", check=3)
    assert "no file or quantization 'Q8_1'" in result.err
    assert "did you mean: ferry prepare m hf:org/Tiny-GGUF:Q8_0" in result.err
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:nothing-like-it", check=3)
    assert "it has F16, Q8_0" in result.err


def shards(hub, make_gguf, work, count=3):
    folder = work / "shards"
    folder.mkdir()
    make_gguf(folder / "big.gguf", "--size", "3M", "--shards", count)
    return {f"Q8_0/Big-Q8_0-{i:05}-of-{count:05}.gguf":
            (folder / f"big-{i:05}-of-{count:05}.gguf").read_bytes()
            for i in range(1, count + 1)}


@pytest.mark.parametrize("which", ["", ":Q8_0", ":Q8_0/Big-Q8_0-00001-of-00003.gguf",
                                   ":Q8_0/Big-Q8_0-00002-of-00003.gguf"])
def test_all_shards_come_whichever_is_named(ferry, work, hub, make_gguf, which):
    files = shards(hub, make_gguf, work)
    hub.add("org/Big", {**files, "mmproj-Big-F16.gguf": b"GGUF"})
    result = ferry("prepare", "m", f"hf:org/Big{which}", "--json").json
    assert [f["sha256"] for f in result["files"]] == [sha256(d) for d in files.values()]


def test_a_missing_shard_is_named_before_anything_is_downloaded(ferry, work, hub, make_gguf):
    files = shards(hub, make_gguf, work)
    del files["Q8_0/Big-Q8_0-00002-of-00003.gguf"]
    hub.add("org/Big", files)
    result = ferry("prepare", "m", "hf:org/Big", check=6)
    assert "shard 2 of 3 of Q8_0/Big-Q8_0-00001-of-00003.gguf is missing" in result.err
    assert hub.asked("*/resolve/*") == []


def test_a_list_of_many_pages_is_read_from_the_endpoint_alone(ferry, hub, repo):
    # As behind a mirror of the Hub: its links name the Hub itself.
    hub.page, hub.address = 1, "https://huggingface.co"
    assert ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--json").json["made"]
    assert len(hub.asked("*/tree/*")) == 3


def test_a_repository_with_safetensors_is_converted(ferry, work, hub, gguf):
    ferry.env["PATH"] = f"{TOOLS}:{ferry.env['PATH']}"
    ferry.env["PYTHONDONTWRITEBYTECODE"] = "1"
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + b"\0\0\0\0"
    config = json.dumps({"architectures": ["LlamaForCausalLM"], "hidden_size": 256}).encode()
    repo = hub.add("org/Whole", {
        "config.json": config, "model.safetensors": weights, "README.md": README,
        "LICENSE": b"text", "pytorch_model.bin": b"pickle", "original/params.json": b"{}",
        "modeling_own.py": b"import os", "consolidated.safetensors": weights}, license="mit")
    result = ferry("prepare", "m", "hf:org/Whole", "--json").json
    assert result["converted"]
    assert result["hub"]["files"] == ["LICENSE", "README.md", "config.json", "model.safetensors"]
    card = card_of(work)
    assert card["source"]["revision"] == repo.head
    assert not ferry("prepare", "m", "hf:org/Whole", "--json").json["made"]


@pytest.mark.parametrize("files, code, words", [
    ({"README.md": README}, 3, "has no model"),
    ({"pytorch_model.bin": b"x", "config.json": b"{}"}, 6, "Python pickles"),
    ({"model.safetensors": b"x"}, 3, "has no model"),
])
def test_a_repository_without_a_model(ferry, hub, files, code, words):
    hub.add("org/None", files)
    assert words in ferry("prepare", "m", "hf:org/None", check=code).err


# -- revisions --------------------------------------------------------------------------

def test_a_branch_that_moved_is_said_and_an_old_commit_can_be_had(ferry, work, hub, repo, gguf):
    first = repo.head
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    second = repo.commit({"Tiny-Q8_0.gguf": gguf("--seed", 2)})
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--json")
    assert f"main is now {second}; the card was made from {first[:12]}" in result.err
    assert {"moved", "replaced"} == {w["code"] for w in result.json["warnings"]}
    assert card_of(work)["source"]["revision"] == second
    old = ferry("prepare", "old", f"hf:org/Tiny-GGUF@{first}:Q8_0", "--json").json
    assert old["files"][0]["sha256"] == sha256(gguf(*UNLICENSED))


def test_a_commit_that_did_not_change_the_file_downloads_nothing(ferry, work, hub, repo):
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    second = repo.commit({"README.md": b"new"})
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--json")
    assert not result.json["made"] and f"main is now {second}" in result.err
    assert card_of(work)["source"]["revision"] == second
    again = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--json")
    assert not again.json["card_changed"] and again.json["warnings"] == []
    assert len(hub.asked("*/resolve/*")) == 1


def test_what_a_person_wrote_as_the_source_stays(ferry, work, hub, repo):
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--set", "source.url=https://example.org/own",
          "--set", "license.id=MIT")
    repo.commit({"README.md": b"new"})
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    card = card_of(work)
    assert card["source"]["url"] == "https://example.org/own" and card["license"]["id"] == "MIT"


def test_a_renamed_repository_is_named(ferry, work, hub, repo):
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    hub.rename("org/Tiny-GGUF", "new/Tiny")
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--json")
    assert "hf:org/Tiny-GGUF is now called hf:new/Tiny" in result.err
    assert result.json["hub"]["repository"] == "new/Tiny" and not result.json["made"]
    assert card_of(work)["source"]["url"] == f"{hub.url}/new/Tiny"


@pytest.mark.parametrize("source, code, words", [
    ("hf:org/nothing", 3, "no such repository of a model, or it is private"),
    ("hf:org/Tiny-GGUF@v9:Q8_0", 3, "no such revision"),
    ("hf:Tiny-GGUF", 2, "write hf:OWNER/REPO"),
    ("hf:org/Tiny-GGUF@:Q8_0", 2, "not a revision"),
    ("hf:org/Tiny-GGUF:../x", 2, "not the name of a file"),
])
def test_names_that_do_not_exist(ferry, repo, source, code, words):
    result = ferry("prepare", "m", source, check=code)
    assert words in result.err and "hint:" in result.err


@pytest.mark.parametrize("page", ["https://huggingface.co/org/m/blob/main/m.gguf",
                                  "hf.co/org/m:m.gguf"])
def test_the_address_of_a_page_is_refused_with_the_name(ferry, page):
    result = ferry("prepare", "m", page, check=2)
    assert "not a file" in result.err and "hint: write hf:org/m:m.gguf" in result.err


def test_it_is_the_only_source(ferry, work, repo):
    assert "the only SOURCE" in ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "hf:org/x",
                                      check=2).err


# -- what is checked --------------------------------------------------------------------

def test_a_large_file_that_the_cdn_changed_is_refused(ferry, work, hub, repo):
    fault = hub.cdn.add(flip_at=5000)
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", check=6)
    assert "its SHA-256 is" in result.err and "the Hub lists for this commit" in result.err
    assert fault.hits and not (work / "models/m/m.card.json").exists()
    hub.cdn.mend()
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")


def test_a_small_file_that_changed_is_refused_by_its_git_blob(ferry, work, hub):
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    hub.add("org/Whole", {"config.json": b'{"a":1}', "model.safetensors":
                          len(header).to_bytes(8, "little") + header + b"\0\0\0\0"})
    hub.changed["config.json"] = b'{"a":2}'
    result = ferry("prepare", "m", "hf:org/Whole", check=6)
    assert "its git blob SHA-1 is" in result.err


def test_another_size_than_listed_is_refused_at_once(ferry, work, hub, repo):
    hub.cdn.add(truncate=4096)
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", check=6)
    assert "4096" in result.err and size_of_part(work) == 0


def size_of_part(work):
    return sum(p.stat().st_size for p in work.glob("models/m/.ferry-prepare/download/*.part"))


def test_a_digest_is_compared_before_the_download(ferry, hub, repo, gguf):
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--sha256", "ab" * 32, check=6)
    assert "not abab" in result.err and hub.asked("*/resolve/*") == []
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", "--sha256", sha256(gguf(*UNLICENSED)))


@pytest.mark.parametrize("what, change", [
    ("model", lambda m: {**m, "sha": "main"}),
    ("model", lambda m: {**m, "id": "../../etc"}),
    ("model", lambda m: [m]),
    ("tree", lambda t: {"files": t}),
    ("tree", lambda t: [{**e, "size": -1} for e in t]),
    ("tree", lambda t: [{**e, "lfs": {"oid": "x", "size": 1}} for e in t]),
    ("tree", lambda t: [{**e, "size": 7} for e in t]),
])
def test_answers_that_make_no_sense_are_refused(ferry, work, hub, repo, what, change):
    hub.changes[what] = change
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", check=6)
    assert not (work / "models/m/m.card.json").exists()


def test_names_that_leave_the_folder_are_never_used(ferry, work, hub, repo):
    hub.changes["tree"] = lambda t: [{**e, "path": f"../../{e['path']}"} for e in t]
    assert "has no file" in ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", check=3).err


# -- interruptions ----------------------------------------------------------------------

def test_a_killed_download_continues(ferry, work, hub, gguf):
    hub.add("org/One", {"one.gguf": gguf("--size", "3M")})

    def run(env):
        shutil.rmtree(work / "models", ignore_errors=True)
        ferry("prepare", "m", "hf:org/One", env=env)
    moments = Moments(work, run)
    shutil.rmtree(work / "models")
    for env in moments.some(8):
        ferry("prepare", "m", "hf:org/One", env=env, check=None)
        hub.expire()
    ferry("prepare", "m", "hf:org/One")
    assert (work / "models/m/m-q8_0.gguf").read_bytes() == gguf("--size", "3M")


def test_a_dropped_connection_continues_with_a_new_signed_url(ferry, hub, gguf, no_pauses):
    data = gguf("--size", "3M")
    hub.add("org/One", {"one.gguf": data})
    hub.cdn.add(drop_every=1 << 20)
    result = ferry("prepare", "m", "hf:org/One", "--json")
    assert result.json["files"][0]["sha256"] == sha256(data)
    assert "dropped" in result.err and hub.cdn.sent() < len(data) + (64 << 10)
    assert len(hub.asked("*/resolve/*")) > 2


# -- tokens -----------------------------------------------------------------------------

def tokens(hub):
    return {e["token"] for e in hub.log}


def test_a_gated_repository_says_the_way_out(ferry, hub, repo):
    repo.gated = "manual"
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", check=5)
    assert "is gated" in result.err and f"{hub.url}/org/Tiny-GGUF" in result.err
    assert "HF_TOKEN" in result.err
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", env={"HF_TOKEN": "hf_stranger"},
                   check=5)
    assert "the token's account has none" in result.err and "hf_stranger" not in result.err


def test_a_gated_repository_with_a_token_never_sends_it_to_the_cdn(ferry, hub, repo):
    repo.gated, repo.members = "manual", ["hf_member"]
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", env={"HF_TOKEN": "hf_member"})
    assert tokens(hub) == {"hf_member"} and hub.cdn.log
    assert all("Authorization" not in e["headers"] for e in hub.cdn.log)


@pytest.mark.parametrize("where", ["HF_TOKEN_PATH", "HF_HOME", "XDG_CACHE_HOME", "HOME"])
def test_the_token_is_found_where_their_tools_keep_it(ferry, work, hub, repo, where):
    repo.private, repo.members = True, ["hf_member"]
    below = {"HF_TOKEN_PATH": "", "HF_HOME": "token", "XDG_CACHE_HOME": "huggingface/token",
             "HOME": ".cache/huggingface/token"}[where]
    path = work / "own" / below if below else work / "own" / "t"
    path.parent.mkdir(parents=True)
    path.write_text("hf_member\n")
    env = {where: work / "own" if below else path}
    ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", env=env)
    result = ferry("prepare", "n", "hf:org/Tiny-GGUF:Q8_0",
                   env={**env, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, check=3)
    assert "or it is private" in result.err


def test_a_token_that_is_refused_is_told_by_where_it_is_from(ferry, work, repo):
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", env={"HF_TOKEN": "hf_revoked"},
                   check=5)
    assert "refuses the token in HF_TOKEN" in result.err and "hf_revoked" not in result.err
    (work / "t").write_text("two words\n")
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", env={"HF_TOKEN_PATH": work / "t"},
                   check=2)
    assert "does not contain a token" in result.err and "two words" not in result.err


@pytest.mark.parametrize("endpoint, words", [
    ("http://models.example.org", "use https://"),
    ("https://user:secret@models.example.org", "a token belongs in HF_TOKEN"),
    ("ftp://x", "HF_ENDPOINT"),
])
def test_endpoints_that_are_refused(ferry, endpoint, words):
    result = ferry("prepare", "m", "hf:org/x", env={"HF_ENDPOINT": endpoint}, check=2)
    assert words in result.err and "secret" not in result.err


# -- limits -----------------------------------------------------------------------------

@pytest.mark.parametrize("headers", [{}, {"Retry-After": "9"}])
def test_a_rate_limit_is_waited_for(ferry, hub, repo, no_pauses, headers):
    hub.limit("api", 0, t=9, refusals=2, headers=headers)
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    assert "asks for a pause of 9 seconds" in result.err


def test_the_last_request_of_a_window_is_followed_by_a_pause(ferry, hub, repo, no_pauses):
    hub.limit("api", 1, t=11, refusals=0)
    result = ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0")
    assert "no more requests for 11 seconds" in result.err


def test_a_rate_limit_on_files_is_waited_for(ferry, hub, repo, no_pauses):
    hub.limit("resolvers", 0, t=5)
    assert "429" in ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0").err


def test_a_limit_that_stays_ends_with_exit_code_4(ferry, hub, repo, no_pauses):
    hub.limit("api", 0, t=5, refusals=99)
    assert "429" in ferry("prepare", "m", "hf:org/Tiny-GGUF:Q8_0", check=4).err
