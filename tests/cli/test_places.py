"""Mirrors with `layout = names`: files that lie somewhere under names of their own serve readers
without being copied."""

import hashlib
import io
import json
import shutil
import subprocess

import pytest

import schemas
from conftest import Ferry
from github_mirrors import Releases
from hf_simulated import HubSimulated
from published import mirror, outcomes, publisher, signed_base  # noqa: F401 (fixtures)


def unpack(data):
    text = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in io.BytesIO(text)]


def document(publisher, name):
    """A document of the signed targets, and the bytes of its object."""
    version = max(int(p.name.partition(".")[0])
                  for p in (publisher.tree / "metadata").glob("*.targets.json"))
    targets = json.loads((publisher.tree / f"metadata/{version}.targets.json").read_text())
    target = targets["signed"]["targets"].get(name)
    if target is None:
        return None
    folder, _, base = name.rpartition("/")
    path = publisher.tree / "targets" / folder / f"{target['hashes']['sha256']}.{base}"
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == target["hashes"]["sha256"]
    return data


def places(publisher, name="hub"):
    """The signed list of a mirror: key → URL or release. None: there is none."""
    data = document(publisher, f"places/{name}.jsonl.zst")
    if data is None:
        return None
    lines = unpack(data)
    for line in lines:
        schemas.validate(line, "places")
    assert lines[0]["places"] == len(lines) - 1
    keys = [line["key"] for line in lines[1:]]
    assert keys == sorted(keys)
    return {line["key"]: line.get("url") or line["release"] for line in lines[1:]}


def entry(publisher, name="hub"):
    found = {}
    for kind in ("repository", "catalog"):
        head = json.loads(document(publisher, f"{kind}.json"))
        schemas.validate(head, kind)
        found[kind] = next(m for m in head["mirrors"] if m["id"] == name)
    assert found["repository"] == found["catalog"]
    return found["catalog"]


def names(name, url, **options):
    return mirror(name, kind="http", layout="names", url=url, **options)


def key_of(publisher, pattern="*.tiny-*.gguf"):
    return str(publisher.on("repository", pattern).relative_to(publisher.tree))


def prepared(publisher, name="tiny"):
    """The folder of a model that is in the tree, as `ferry prepare` made it."""
    folder = publisher.dir / "models" / name
    folder.mkdir(parents=True)
    for path in (publisher.tree / "targets" / "models" / name).iterdir():
        shutil.copy(path, folder / path.name.partition(".")[2])
    return folder


# -- what is signed -------------------------------------------------------------------

HUB = "https://hub.example/acme/tiny"


def test_a_url_is_signed_as_a_place(publisher, validate):
    publisher.configure(mirror("a"), names("hub", HUB))
    url = f"{HUB}/resolve/abc/Tiny.Q8_0.gguf"
    added = publisher("catalog", "add", "--json", prepared(publisher), "--at", url)
    validate(added.json, "output-catalog-add")
    key = key_of(publisher)
    assert added.json["places"] == [{"key": key, "mirror": "hub", "url": url}]
    assert places(publisher) is None, "before it is signed"
    publisher("catalog", "sign")
    assert places(publisher) == {key: url}
    told = entry(publisher)
    assert told == {"id": "hub", "kind": "names", "url": HUB, "priority": 50, "holds": "objects",
                    "places": "places/hub.jsonl.zst"}


def test_signing_again_changes_nothing(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    publisher("catalog", "add", prepared(publisher), "--at", f"{HUB}/f.gguf")
    publisher("catalog", "sign")
    before = {p: p.read_bytes() for p in publisher.tree.rglob("*.json*")
              if ".ferry" not in p.parts}
    again = publisher("catalog", "sign", "--json")
    assert not again.json["changed"]
    (publisher.tree / ".ferry" / "staged").unlink()     # all cards are read again
    assert not publisher("catalog", "sign", "--json").json["changed"]
    assert before == {p: p.read_bytes() for p in publisher.tree.rglob("*.json*")
                      if ".ferry" not in p.parts}


def test_a_new_place_alone_is_signed_without_reading_all_cards(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    publisher("catalog", "sign")
    folder = prepared(publisher)
    publisher("catalog", "add", folder, "--at", f"{HUB}/1.gguf")
    publisher("catalog", "sign")
    publisher("catalog", "add", folder, "--at", f"{HUB}/2.gguf")
    publisher("catalog", "sign")
    assert list(places(publisher).values()) == [f"{HUB}/2.gguf"]


def test_a_removed_model_loses_its_place_and_gets_it_back(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    publisher("catalog", "add", prepared(publisher), "--at", f"{HUB}/f.gguf")
    publisher("catalog", "sign")
    card = (publisher.tree / "cards" / "tiny.card.json").read_bytes()
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    assert places(publisher) is None
    assert "places" not in entry(publisher)
    (publisher.tree / "cards" / "tiny.card.json").write_bytes(card)
    publisher("catalog", "sign")
    assert list(places(publisher).values()) == [f"{HUB}/f.gguf"]


def test_each_version_has_its_own_place(publisher, make_gguf):
    publisher.configure(names("hub", HUB))
    publisher("catalog", "add", prepared(publisher), "--at", f"{HUB}/1/")
    publisher("prepare", "tiny", make_gguf(publisher.dir / "new.gguf", "--seed", 9), "--set",
              "license.id=MIT", "--set", "summary=For tests", "--output", "second")
    publisher("catalog", "add", "second", "--at", f"{HUB}/2/")
    publisher("catalog", "sign")
    assert sorted(places(publisher).values()) == [f"{HUB}/1/tiny-q8_0.gguf",
                                                  f"{HUB}/2/tiny-q8_0.gguf"]
    publisher("catalog", "prune", "--keep", "0", "--older-than", "0s")
    publisher("catalog", "sign")
    assert list(places(publisher).values()) == [f"{HUB}/2/tiny-q8_0.gguf"]


def test_gc_forgets_places_of_files_that_are_gone(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    record = publisher.tree / "cards" / ".places.jsonl"
    publisher("catalog", "add", prepared(publisher), "--at", f"{HUB}/f.gguf")
    publisher("catalog", "sign")
    publisher("catalog", "gc")
    assert record.exists()
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    publisher("catalog", "gc", "--keep", "0", "-n")
    assert record.exists()
    publisher("catalog", "gc", "--keep", "0")
    assert not record.exists()


def test_a_damaged_list_is_written_again(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    publisher("catalog", "add", prepared(publisher), "--at", f"{HUB}/f.gguf")
    publisher("catalog", "sign")
    before = places(publisher)
    path = publisher.on("repository", "*.hub.jsonl.zst")
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    publisher("catalog", "sign")
    assert places(publisher) == before


def test_a_template_needs_no_list(publisher):
    template = f"{HUB}/resolve/abc/{{name}}"
    publisher.configure(mirror("a"), names("hub", HUB, template=template, models="tiny other"))
    publisher("catalog", "sign")
    assert places(publisher) is None
    assert entry(publisher)["template"] == template
    assert entry(publisher)["models"] == ["tiny", "other"]
    # Only what the template does not give is listed.
    folder = prepared(publisher)
    name = next(folder.glob("*.gguf")).name
    publisher("catalog", "add", folder, "--at", f"{HUB}/resolve/abc/{name}")
    publisher("catalog", "sign")
    assert places(publisher) is None
    publisher("catalog", "add", folder, "--at", f"{HUB}/resolve/abc/Other.gguf")
    publisher("catalog", "sign")
    assert list(places(publisher).values()) == [f"{HUB}/resolve/abc/Other.gguf"]


def test_several_mirrors_folders_and_names(publisher):
    old = "https://old.example/files"
    publisher.configure(names("hub", HUB), names("old", old), names("deep", f"{HUB}/resolve"))
    folder = prepared(publisher)
    name = next(folder.glob("*.gguf")).name
    publisher("catalog", "add", folder, "--at", f"{HUB}/tree/", "--at", f"{name}={old}/x.gguf?v=1",
              "--at", f"{HUB}/resolve/abc/y.gguf")
    publisher("catalog", "sign")
    assert list(places(publisher).values()) == [f"{HUB}/tree/{name}"]
    assert list(places(publisher, "old").values()) == [f"{old}/x.gguf?v=1"]
    assert list(places(publisher, "deep").values()) == [f"{HUB}/resolve/abc/y.gguf"]
    publisher("catalog", "add", folder, "--at", f"old={name}=https://elsewhere.example/z")
    publisher("catalog", "sign")
    assert list(places(publisher, "old").values()) == ["https://elsewhere.example/z"]


@pytest.mark.parametrize("at, message, hint", [
    ("https://other.example/f", "no mirror with `layout = names` has a url that it begins with",
     "such mirrors are: hub"),
    (f"{HUB}x/f", "no mirror with `layout = names`", "such mirrors are: hub"),
    ("a=https://x.example/f", "mirror a gets its files from `ferry push`", "hub"),
    ("nobody=x.gguf=https://x.example/f", "there is no mirror nobody", "hub"),
    (f"wrong.gguf={HUB}/f", "it is not clear which file is there", "the files are: tiny-"),
    ("ftp://hub.example/f", "it cannot be published", None),
    ("https://me:secret@hub.example/f", "user name or password", None),
    (f"{HUB}/{{name}}/{{path}}", "no other braces", None),
    (f"{HUB}/{{sha256}}", "it lacks {name}", None),
])
def test_a_place_that_cannot_be_used_is_refused(publisher, at, message, hint):
    publisher.configure(mirror("a"), names("hub", HUB))
    failed = publisher("catalog", "add", prepared(publisher), "--at", at, check=2)
    assert message in failed.err
    assert hint is None or hint in failed.err
    assert "secret" not in failed.err
    assert not (publisher.tree / "cards" / ".places.jsonl").exists()


def test_a_wrong_record_names_its_line(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    record = publisher.tree / "cards" / ".places.jsonl"
    record.write_text('\n{"key":"metadata/timestamp.json","mirror":"hub","url":"https://x.org/"}\n')
    failed = publisher("catalog", "sign", check=6)
    assert ".places.jsonl:2: it cannot be signed" in failed.err


# -- what readers do ------------------------------------------------------------------

class Reader(Ferry):
    """A user of the repository, whose only endpoint lacks the model files."""

    def __init__(self, publisher, nginx, *, keep=()):
        (publisher.dir / "reader").mkdir()
        super().__init__(publisher.dir / "reader")
        self.web = publisher.dir / "web"
        self.publisher, self.keep = publisher, keep
        self.copy()
        self.server = nginx(self.web)
        root = hashlib.sha256((publisher.tree / "metadata/1.root.json").read_bytes()).hexdigest()
        (self.work / "ferry.conf").write_text(
            f"[repository.test]\nmetadata = {self.server.url}\nroot-sha256 = {root}\n")

    def copy(self):
        shutil.rmtree(self.web, ignore_errors=True)
        shutil.copytree(self.publisher.tree, self.web)
        for path in self.web.rglob("*.gguf"):
            if path.name not in self.keep:
                path.unlink()

    def sources(self, result):
        return {s["id"]: s for s in result.json["sources"]}


@pytest.fixture
def hub(work):
    with HubSimulated(work) as simulated:
        yield simulated


def located(publisher, hub, revision=None, folder="", **options):
    """The model of the publisher lies on the Hub, under another name, and that is signed."""
    data = publisher.on("repository", "*.tiny-q8_0.gguf").read_bytes()
    repo = hub.add("acme/Tiny-GGUF", {f"{folder}Tiny.Q8_0.gguf": data})
    base = f"{hub.url}/acme/Tiny-GGUF"
    publisher.configure(names("hub", base, priority=10, **options))
    publisher("catalog", "add", prepared(publisher), "--at",
              f"{base}/resolve/{revision or repo.head}/{folder}Tiny.Q8_0.gguf")
    publisher("catalog", "sign")
    return repo


def test_fetch_reads_a_file_that_was_never_copied_simulated(publisher, hub, nginx, validate):
    located(publisher, hub, folder="a folder/".replace(" ", "-"))
    reader = Reader(publisher, nginx)
    result = reader("fetch", "--json", "tiny")
    validate(result.json, "output-fetch")
    assert reader.sources(result)["hub"]["bytes"] == 10481440
    assert not [r for r in reader.server.requests() if ".gguf " in r and "manifest" not in r]
    # Small files never come from there, and the list is asked for once.
    assert set(hub.asked()) == {"GET acme/Tiny-GGUF/resolve/" + r.split("/resolve/")[1]
                                for r in hub.asked()}
    assert all(path.endswith("a-folder/Tiny.Q8_0.gguf") for path in hub.asked())
    reader("fetch", "tiny")
    assert len([r for r in reader.server.requests() if "hub.jsonl.zst" in r]) == 1


def test_the_list_is_only_read_when_the_mirror_is_used_simulated(publisher, hub, nginx):
    located(publisher, hub)
    reader = Reader(publisher, nginx)
    reader("list")
    reader("show", "tiny")
    assert not [r for r in reader.server.requests() if "jsonl.zst" in r and "hub" in r]
    assert hub.asked() == []


def test_a_list_that_was_changed_on_the_way_is_not_used_simulated(publisher, hub, nginx):
    located(publisher, hub)
    reader = Reader(publisher, nginx)
    path = next(reader.web.rglob("*.hub.jsonl.zst"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    failed = reader("fetch", "tiny", check=None)
    assert failed.code in (4, 6)
    assert "mirror hub: wrong answer (targets/places/" in failed.err
    assert hub.asked() == []


def test_a_file_that_was_replaced_is_no_longer_this_version_simulated(publisher, hub, nginx):
    repo = located(publisher, hub, revision="main")
    gguf = publisher.on("repository", "*.tiny-q8_0.gguf")
    data = bytearray(gguf.read_bytes())
    data[9_000_000] ^= 1
    repo.commit({"Tiny.Q8_0.gguf": bytes(data)})
    reader = Reader(publisher, nginx, keep=[gguf.name])
    result = reader("fetch", "--json", "tiny")
    faults = reader.sources(result)["hub"]["faults"]
    assert [f["fault"] for f in faults] == ["changed"]
    assert "hub: tiny-q8_0.gguf: no longer this version" in result.err
    # The whole of it is checked as always: only the piece that differs came from elsewhere.
    assert reader.sources(result)["hub"]["bytes"] == 8 << 20
    # A shorter one has no such bytes.
    repo.commit({"Tiny.Q8_0.gguf": bytes(data[:100])})
    shutil.rmtree(reader.store)
    result = reader("fetch", "--json", "tiny")
    assert [f["fault"] for f in reader.sources(result)["hub"]["faults"]] == ["changed"]
    # Nobody else has it.
    repo.commit({"Tiny.Q8_0.gguf": None})
    reader.keep = ()
    reader.copy()
    shutil.rmtree(reader.store)
    failed = reader("fetch", "tiny", check=4)
    assert "tell the publisher" in failed.err


def test_a_token_goes_to_the_hub_alone_and_only_when_asked_simulated(publisher, hub, nginx):
    repo = located(publisher, hub)
    reader = Reader(publisher, nginx)
    secret = {**hub.env, "HF_TOKEN": "hf_member"}
    reader("fetch", "tiny", env=secret)
    assert {e["token"] for e in hub.log} == {None}, "nobody asked for it"
    shutil.rmtree(reader.store)
    repo.gated, repo.members = "manual", ["hf_member"]
    failed = reader("fetch", "tiny", check=4)
    assert "hub: refused (HTTP 401" in failed.err and "HF_TOKEN" not in failed.err
    failed = reader("fetch", "tiny", check=4, env=hub.env)
    assert "set HF_TOKEN to a token that may read it" in failed.err
    reader("fetch", "tiny", env=secret)     # the CDN refuses whoever sends it a token
    assert hub.log[-1]["token"] == "hf_member"
    assert all("Authorization" not in e["headers"] for e in hub.cdn.log)
    # The variable is for its endpoint, not for whatever host a catalog names.
    shutil.rmtree(reader.store)
    hub.log.clear()
    reader("fetch", "tiny", check=4, env={"HF_TOKEN": "hf_member"})
    assert {e["token"] for e in hub.log} == {None}


def test_a_template_serves_readers(publisher, nginx, work):
    old = work / "old" / "tiny"
    old.mkdir(parents=True)
    gguf = publisher.on("repository", "*.tiny-q8_0.gguf")
    shutil.copy(gguf, old / "tiny-q8_0.gguf")
    folder = nginx(work / "old")
    publisher.configure(names("old", folder.url, priority=10,
                              template=folder.url + "/{model}/{name}"))
    publisher("catalog", "sign")
    reader = Reader(publisher, nginx)
    result = reader("fetch", "--json", "tiny")
    assert reader.sources(result)["old"]["bytes"] == 10481440
    # A request for each piece.
    assert [r.split()[:2] for r in folder.requests()] == 2 * [["GET", "/tiny/tiny-q8_0.gguf"]]


def test_a_mirror_without_the_file_is_passed_over_in_silence(publisher, nginx, work):
    folder = nginx(work)
    publisher.configure(names("old", folder.url, priority=10, models="other",
                              template=folder.url + "/{name}"))
    publisher("catalog", "sign")
    gguf = publisher.on("repository", "*.tiny-q8_0.gguf")
    reader = Reader(publisher, nginx, keep=[gguf.name])
    result = reader("fetch", "--json", "tiny")
    assert folder.requests() == []
    assert "old" not in result.err
    assert not reader.sources(result).get("old", {}).get("faults")


# -- what the publisher's commands do -------------------------------------------------

def verdicts(result, name="hub"):
    (found,) = [m for m in result.json["mirrors"] if m["id"] == name]
    return {f["key"].rpartition("/")[2][65:]: (f["verdict"], f.get("how"), f.get("message"))
            for f in found["files"]}


def test_verify_asks_the_hub_for_size_and_digest_simulated(publisher, hub, validate):
    located(publisher, hub)
    quick = publisher("verify", "--json", "--mirror", "hub")
    validate(quick.json, "output-verify")
    # Only the file that has a place there, by what the Hub says without sending it.
    assert verdicts(quick) == {"tiny-q8_0.gguf": ("ok", "digest", None)}
    assert {e["method"] for e in hub.log} == {"HEAD"} and hub.cdn.log == []
    for mode, how in (["--sample", "1"], "sample"), (["--full"], "bytes"):
        result = publisher("verify", "--json", "--mirror", "hub", *mode)
        assert verdicts(result)["tiny-q8_0.gguf"] == ("ok", how, None)


def test_verify_says_when_a_file_is_no_longer_this_version_simulated(publisher, hub, validate):
    repo = located(publisher, hub, revision="main")
    data = bytearray(publisher.on("repository", "*.tiny-q8_0.gguf").read_bytes())
    data[9_000_000] ^= 1
    repo.commit({"Tiny.Q8_0.gguf": bytes(data)})
    for mode, how in (["--quick"], "the mirror reports another digest"), \
            (["--full"], "piece 1 (bytes 8388608-10481439)"):
        result = publisher("verify", "--json", "--mirror", "hub", *mode, check=1)
        validate(result.json, "output-verify")
        assert verdicts(result) == {
            "tiny-q8_0.gguf": ("changed", None, f"no longer this version: {how}")}
    shown = publisher("verify", "--mirror", "hub", check=1)
    assert "hub: " in shown.out and "changed" in shown.out and "corrupt" not in shown.out
    assert "no longer this version" in shown.out and "ferry push" not in shown.out
    repo.commit({"Tiny.Q8_0.gguf": bytes(data[:100])})
    result = publisher("verify", "--json", "--mirror", "hub", check=1)
    assert verdicts(result)["tiny-q8_0.gguf"] == (
        "changed", None, "no longer this version: 100 bytes instead of 10481440")
    repo.commit({"Tiny.Q8_0.gguf": None})
    result = publisher("verify", "--json", "--mirror", "hub", check=1)
    assert verdicts(result)["tiny-q8_0.gguf"][0] == "missing"


def test_reports_of_shards_know_changed_files_simulated(publisher, hub, work):
    repo = located(publisher, hub, revision="main")
    repo.commit({"Tiny.Q8_0.gguf": b"GGUF"})
    for i in 1, 2:
        report = publisher("verify", "--json", "--mirror", "hub", "--shard", f"{i}/2", check=None)
        (work / f"{i}.json").write_text(report.out)
    merged = publisher("verify", "--json", "--merge", "1.json", "2.json", check=1)
    assert verdicts(merged)["tiny-q8_0.gguf"] == (
        "changed", None, "no longer this version: 4 bytes instead of 10481440")


def test_push_leaves_places_of_others_alone_simulated(publisher, hub):
    located(publisher, hub)
    conf = publisher.dir / "ferry.conf"
    conf.write_text(conf.read_text() + mirror("a"))
    result = publisher("push", "--json")
    assert outcomes(result) == {"hub": "read-only", "a": "done"}
    assert result.json["counted"] == 1      # of the quorum
    assert hub.log == []
    told = publisher("push")
    assert "Nothing to do" in told.out
    refused = publisher("push", "--mirror", "hub", check=2)
    assert "mirror hub has files of others: push leaves it alone" in refused.err
    assert "ferry verify --mirror hub" in refused.err
    publisher("verify", "--full")
    publisher("push", "--prune")
    publisher("mirror", "list")
    probed = publisher("mirror", "probe", "--json", "--mirror", "hub")
    assert [f["state"] for f in probed.json["mirrors"][0]["findings"]] == ["ok"]


def test_a_list_reaches_every_mirror_of_metadata_simulated(publisher, hub):
    located(publisher, hub)
    conf = publisher.dir / "ferry.conf"
    conf.write_text(conf.read_text() + mirror("a") + mirror("meta", holds="metadata"))
    publisher("push")
    assert publisher.on("a", "*.hub.jsonl.zst")


# -- lint -----------------------------------------------------------------------------

def findings(result):
    return [(f["level"], f["text"]) for f in result.json["findings"] if f["where"] == "places"]


def test_lint_looks_at_places(publisher):
    publisher.configure(mirror("a"), names("hub", HUB))
    publisher("catalog", "add", prepared(publisher), "--at", f"{HUB}/f.gguf")
    publisher("catalog", "sign")
    assert findings(publisher("catalog", "lint", "--json")) == []
    record = publisher.tree / "cards" / ".places.jsonl"
    key = key_of(publisher)
    record.write_text("".join(json.dumps({"key": k, "mirror": m, "url": u}) + "\n" for k, m, u in (
        (key, "hub", "http://plain.example/f?token=geheim"),
        (key, "gone", f"{HUB}/f"),
        (f"targets/models/tiny/{'0' * 64}.old.gguf", "hub", f"{HUB}/old"),
        (f"targets/models/nobody/{'0' * 64}.x.gguf", "hub", f"{HUB}/x"))))
    result = publisher("catalog", "lint", "--json", check=None)
    told = findings(result)
    assert [level for level, _ in told].count("warning") == 3 and len(told) == 4
    text = "\n".join(message for _, message in told)
    assert "mirror hub: http://plain.example/f?token=*** is not https" in text
    assert "has no mirror gone with `layout = names`" in text
    assert f"the card of tiny has no file targets/models/tiny/{'0' * 64}.old.gguf any more" in text
    assert "there is no card of nobody" in text
    # None of it is signed, but what is right.
    publisher("catalog", "sign")
    assert list(places(publisher)) == [key]
    record.write_text("{}\n")
    assert findings(publisher("catalog", "lint", "--json", check=None))[0][0] == "error"


def test_lint_looks_at_templates(publisher):
    publisher.configure(mirror("a"), names("hub", HUB, template="http://plain.example/{name}"))
    (told,) = findings(publisher("catalog", "lint", "--json", check=None))
    assert told[0] == "warning" and "http://plain.example/{name} is not https" in told[1]


# -- follow-up releases ---------------------------------------------------------------

def releases_of(**options):
    return mirror("gh", kind="github", owner="o", repo="r",
                  url="https://github.com/o/r/releases/download", **options)


def next_version(publisher, make_gguf, seed):
    publisher("prepare", "tiny", make_gguf(publisher.dir / f"{seed}.gguf", "--seed", seed),
              "--set", "license.id=MIT", "--set", "summary=For tests", "--output", f"v{seed}")
    publisher("catalog", "add", f"v{seed}")
    publisher("catalog", "sign")


def listed(publisher):
    """What is after the digest → release."""
    return {key.rpartition("/")[2][65:]: release
            for key, release in (places(publisher, "gh") or {}).items()}


def test_an_immutable_release_is_followed_by_another(publisher, make_gguf):
    publisher.configure(mirror("a"), releases_of(immutable="yes"))
    publisher("catalog", "sign")
    assert places(publisher, "gh") is None and "places" not in entry(publisher, "gh")
    next_version(publisher, make_gguf, 11)
    second = places(publisher, "gh")
    assert listed(publisher) == {"tiny-q8_0.v2.gguf": 2, "tiny.pack": 2}
    assert entry(publisher, "gh")["places"] == "places/gh.jsonl.zst"
    assert not publisher("catalog", "sign", "--json").json["changed"]
    next_version(publisher, make_gguf, 12)
    third = places(publisher, "gh")
    assert listed(publisher) == {"tiny-q8_0.v2.gguf": 2, "tiny-q8_0.v3.gguf": 3, "tiny.pack": 3}
    # Nothing moves: what is still listed is where it was.
    assert all(third[key] == second[key] for key in second.keys() & third.keys())
    # All is read again, and comes out the same.
    (publisher.tree / ".ferry" / "staged").unlink()
    assert not publisher("catalog", "sign", "--json").json["changed"]
    # Without the mirror there is no list.
    publisher.configure(mirror("a"))
    publisher("catalog", "sign")
    assert places(publisher, "gh") is None


def test_what_a_push_found_closed_is_placed_elsewhere(publisher, make_gguf):
    publisher.configure(mirror("a"), releases_of())
    publisher("catalog", "sign")
    key = key_of(publisher)
    closed = publisher.tree / ".ferry" / "closed" / "gh"
    closed.parent.mkdir()
    closed.write_text("tag models-tiny\n")
    assert not publisher("catalog", "sign", "--json").json["changed"], "all of it is there"
    next_version(publisher, make_gguf, 11)
    assert listed(publisher) == {"tiny-q8_0.v2.gguf": 2, "tiny.pack": 2}
    closed.write_text(f"tag models-tiny\nmissing 1 {key}\n")
    assert publisher("catalog", "sign", "--json").json["changed"]
    assert places(publisher, "gh")[key] == 2
    assert listed(publisher) == {"tiny-q8_0.gguf": 2, "tiny-q8_0.v2.gguf": 2, "tiny.pack": 2}
    assert not publisher("catalog", "sign", "--json").json["changed"]
    closed.write_text("garbage\n")
    failed = publisher("catalog", "sign", check=6)
    assert "closed/gh is damaged" in failed.err and "remove it" in failed.err


def test_other_releases_begin_anew(publisher, make_gguf):
    publisher.configure(mirror("a"), releases_of(immutable="yes"))
    publisher("catalog", "sign")
    next_version(publisher, make_gguf, 11)
    assert set(listed(publisher).values()) == {2}
    # Nothing is in these yet, so all of it fits into the first ones.
    publisher.configure(mirror("a"), releases_of(immutable="yes", tag="other"))
    publisher("catalog", "sign")
    assert places(publisher, "gh") is None


def test_a_damaged_list_of_releases_is_never_guessed(publisher, make_gguf):
    publisher.configure(mirror("a"), releases_of(immutable="yes"))
    publisher("catalog", "sign")
    next_version(publisher, make_gguf, 11)
    path = publisher.on("repository", "*.gh.jsonl.zst")
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    failed = publisher("catalog", "sign", check=6)
    assert "it says in which release each object of mirror gh is" in failed.err
    path.write_bytes(good)
    assert not publisher("catalog", "sign", "--json").json["changed"]


def test_a_second_version_goes_to_a_follow_up_of_an_immutable_release_simulated(
        publisher, github, no_pauses, make_gguf):
    releases = Releases(publisher, github, immutable=True)
    releases.push()
    before = {a["id"] for a in releases.releases()["models-tiny"]["assets"]}
    next_version(publisher, make_gguf, 11)
    assert listed(publisher) == {"tiny-q8_0.v2.gguf": 2, "tiny.pack": 2}
    releases.push()
    after = releases.releases()
    assert {a["id"] for a in after["models-tiny"]["assets"]} == before, "nothing moved"
    assert any("tiny-q8_0.v2.gguf" in a["name"] for a in after["models-tiny+2"]["assets"])
    releases.verify("--full")
    # A reader finds both, each in its release.
    folder = releases.reader()
    for reference, name in ("tiny", "tiny-q8_0.v2.gguf"), ("tiny:q8_0@1", "tiny-q8_0.gguf"):
        publisher("fetch", reference, "-o", folder / name, cwd=folder,
                  env={"GH_TOKEN": None, "FERRY_HOME": str(folder / "store")})
        original = publisher.on("repository", f"*.{name}")
        assert (folder / name).read_bytes() == original.read_bytes()
