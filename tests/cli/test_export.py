"""Exports, each verified by the tool that its users have: minisign, sha256sum, aria2c, openssl."""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from disks import SmallDisk, read_only
from published import flip, mirror, publisher, signed_base  # noqa: F401
from waiting import PATIENCE, communicate

NAMESPACE = "{urn:ietf:params:xml:ns:metalink}"


def run(*command, cwd=None, check=0):
    process = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True,
                             env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                  "HOME": os.environ["HOME"]},
                             timeout=PATIENCE)
    if check is not None:
        assert process.returncode == check, process.stdout + process.stderr
    return process


def variant_files(made, name):
    """The signed catalog's files of a model's first variant."""
    catalog = json.loads((made.tree / "catalog.json").read_text())
    return next(m for m in catalog["models"] if m["id"] == name)["variants"][0]["files"]


# -- minisign ---------------------------------------------------------------------------

@pytest.fixture
def key(publisher):
    path = publisher.dir / "test.pub"
    publisher("catalog", "export", "minisign-key", "-o", path)
    return path


def verify(key, file, check=0):
    return run("minisign", "-V", "-H", "-p", key, "-m", file, check=check)


def test_minisign_accepts_the_catalog(publisher, key):
    out = verify(key, publisher.tree / "catalog.json").stdout
    assert "Signature and comment signature verified" in out
    assert re.search(r"repository:test\tversion:2\tfile:catalog\.json\t"
                     r"time:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", out, re.M)


def test_minisign_shows_the_beginning_of_the_key_id(publisher, key):
    rows = publisher("catalog", "key", "list", "--json").json["keys"]
    id = next(k["id"] for k in rows if k["name"] == "targets")
    assert id in key.read_text().splitlines()[0]
    other = publisher.dir / "other.pub"
    other.write_text("untrusted comment: x\n" + base64.b64encode(
        b"Ed" + bytes(8) + bytes(32)).decode() + "\n")
    refused = verify(other, publisher.tree / "catalog.json", check=1).stderr
    shown = id[:16].upper().lstrip("0")     # minisign shows it as a number
    assert f"Signature key id in {publisher.tree}/catalog.json.minisig is {shown}\n" in refused


@pytest.mark.parametrize("what", ["catalog", "signature", "comment"])
def test_minisign_refuses_a_changed_byte(publisher, key, what):
    catalog, sig = publisher.tree / "catalog.json", publisher.tree / "catalog.json.minisig"
    if what == "catalog":
        text = catalog.read_text()
        catalog.write_text(text.replace("Test models", "Test modelz"))
    else:
        lines = sig.read_text().splitlines()
        if what == "signature":
            lines[1] = lines[1][:40] + ("A" if lines[1][40] != "A" else "B") + lines[1][41:]
        else:
            lines[2] = lines[2].replace("version:2", "version:3")
        sig.write_text("\n".join(lines) + "\n")
    verify(key, catalog, check=1)
    result = publisher("push", check=6)
    assert "run it again" in result.err
    publisher("catalog", "sign")
    verify(key, catalog)
    publisher("push")


def test_a_new_release_is_signed_and_pushed(publisher, key):
    publisher("push")
    before = verify(key, publisher.mirror() / "catalog.json").stdout
    publisher.add_model("second", seed=2)
    publisher("push")
    after = verify(key, publisher.mirror() / "catalog.json").stdout
    assert "version:2\t" in before and "version:3\t" in after
    publisher("verify", "--full")


def test_a_refresh_needs_no_key_for_it(publisher, key):
    (publisher.dir / "keys" / "targets.pem").unlink()
    publisher("catalog", "refresh")
    publisher("push")
    verify(key, publisher.mirror() / "catalog.json")


def test_several_keys_of_targets(publisher, validate, key):
    """Whoever signs next, readers who got all the keys have the right one."""
    for name, kind in (("second", "ed25519"), ("third", "ecdsa-p256")):
        publisher("catalog", "key", "new", name, "--type", kind, "-q")
    publisher("catalog", "rotate", "targets", "--add", "second", "--add", "third", "-q")
    ids = {k["name"]: k["id"] for k in publisher("catalog", "key", "list", "--json").json["keys"]}
    single = publisher("catalog", "export", "minisign-key")
    assert single.out == key.read_text() and ids["targets"] in single.out
    assert "2 keys of targets may sign one" in single.err and "--all -o DIR" in single.err
    result = publisher("catalog", "export", "minisign-key", "--all", "-o", "keys-for-readers",
                       "--json")
    validate(result.json, "output-catalog-export")
    files = {d["key"]: publisher.dir / d["output"] for d in result.json["documents"]}
    assert sorted(files) == sorted([ids["targets"], ids["second"]])
    assert files[ids["second"]] == publisher.dir / f"keys-for-readers/{ids['second'][:16]}.pub"
    verify(files[ids["targets"]], publisher.tree / "catalog.json")
    verify(files[ids["second"]], publisher.tree / "catalog.json", check=1)
    assert publisher("catalog", "export", "minisign-key", "--all", "-o",
                     "again").out == "wrote 2 files into again\n"
    assert "--all needs -o DIR" in publisher("catalog", "export", "minisign-key", "--all",
                                             check=2).err
    (publisher.dir / "keys" / "targets.pem").unlink()
    publisher("catalog", "export", "sums", "-o", "SUMS", "--sign")
    verify(files[ids["second"]], publisher.dir / "SUMS")
    publisher.add_model("more", seed=3)
    verify(files[ids["second"]], publisher.tree / "catalog.json")
    assert ids["second"] in publisher("catalog", "export", "minisign-key").out


def test_one_key_has_nothing_to_choose(publisher):
    assert publisher("catalog", "export", "minisign-key").err == ""


def test_targets_keys_that_minisign_does_not_know(ferry, validate):
    ferry("catalog", "init", "lab", "--unencrypted", "--type", "ecdsa-p256")
    assert not (ferry.work / "repository" / "catalog.json.minisig").exists()
    result = ferry("catalog", "export", "minisign-key", "--json", check=3)
    validate(result.json, "error")
    assert "has no Ed25519 key" in result.json["error"]["message"]


# -- SHA256SUMS -------------------------------------------------------------------------

def test_sha256sum_checks_a_folder_of_plain_names(publisher, key):
    publisher.add_model("second", seed=2)
    folder = publisher.dir / "plain"
    for name in ("tiny", "second"):
        for f in variant_files(publisher, name):
            (folder / f["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(publisher.on("repository", f"*/{f['sha256']}.*.gguf"),
                        folder / f["path"])
    publisher("catalog", "export", "sums", "-o", folder / "SHA256SUMS", "--sign")
    out = run("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=folder).stdout
    assert sorted(out.splitlines()) == ["models/second/second-q8_0.gguf: OK",
                                        "models/tiny/tiny-q8_0.gguf: OK"]
    assert re.search(r"\tfile:SHA256SUMS\ttime:\S+\tof:all$",
                     verify(key, folder / "SHA256SUMS").stdout, re.M)
    assert publisher("manifest", "check", folder).out.count(": ok") == 2
    flip(folder / "models/tiny/tiny-q8_0.gguf", 5000)
    assert "tiny-q8_0.gguf: FAILED" in run("sha256sum", "-c", "SHA256SUMS", cwd=folder,
                                           check=1).stdout


def test_sums_of_one_model_lie_beside_its_files(publisher):
    publisher.add_model("second", seed=2)
    for reference in ("tiny", "tiny:q8_0", "test/Tiny:Q8_0"):
        out = publisher("catalog", "export", "sums", reference).out
        assert out == f"{variant_files(publisher, 'tiny')[0]['sha256']}  tiny-q8_0.gguf\n"


def test_sums_are_signed_only_beside_a_file(publisher):
    assert "-o FILE" in publisher("catalog", "export", "sums", "--sign", check=2).err
    (publisher.dir / "keys" / "targets.pem").rename(publisher.dir / "away.pem")
    result = publisher("catalog", "export", "sums", "--sign", "-o", "S", check=3)
    assert "no Ed25519 key of the role targets" in result.err
    assert not (publisher.dir / "S").exists()


# -- Metalink ---------------------------------------------------------------------------

class Mirrors:
    """Two nginx that serve copies of the tree, the first with a wrong byte in the second
    piece. aria2c counts connections by host name, so the two have different ones."""

    def __init__(self, made, nginx):
        self.made = made
        self.roots = [made.dir / "www-bad", made.dir / "www-good"]
        for root in self.roots:
            root.mkdir()
        self.bad, self.good = [nginx(root) for root in self.roots]
        made.configure(
            mirror("bad", kind="http", url=self.bad.url.replace("127.0.0.1", "localhost") + "/m",
                   priority=0, region="de"),
            mirror("good", kind="http", url=self.good.url + "/m", priority=20),
            mirror("lists", kind="http", url="http://127.0.0.1:1", holds="metadata"),
            mirror("hub", kind="github", url="https://github.com/o/r", repo="o/r"),
            mirror("disk", kind="file", path="/srv/m"))
        made("catalog", "sign")
        for root in self.roots:
            shutil.copytree(made.tree, root / "m")
        flip(next((self.roots[0] / "m").glob("targets/models/tiny/*.gguf")), 9 << 20)


@pytest.fixture
def mirrors(publisher, nginx):
    return Mirrors(publisher, nginx)


def text_of(element, name):
    return element.findtext(NAMESPACE + name)


def test_a_metalink_has_what_rfc_5854_wants(publisher, mirrors):
    root = ET.fromstring(publisher("catalog", "export", "metalink", "tiny").out)
    assert root.tag == NAMESPACE + "metalink"
    assert text_of(root, "generator").startswith("Model Ferry/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text_of(root, "published"))
    [file] = root.findall(NAMESPACE + "file")
    [listed] = variant_files(publisher, "tiny")
    assert file.get("name") == "tiny-q8_0.gguf"
    assert text_of(file, "size") == str(listed["size"])
    assert text_of(file, "version") == "q8_0"
    hashes = file.findall(NAMESPACE + "hash")
    assert [(h.get("type"), h.text) for h in hashes] == [("sha-256", listed["sha256"])]
    data = publisher.on("repository", "*.tiny-q8_0.gguf").read_bytes()
    [pieces] = file.findall(NAMESPACE + "pieces")
    assert pieces.attrib == {"length": str(8 << 20), "type": "sha-256"}
    assert [p.text for p in pieces] == [
        hashlib.sha256(data[at:at + (8 << 20)]).hexdigest()
        for at in range(0, len(data), 8 << 20)]
    object = f"m/targets/models/tiny/{listed['sha256']}.tiny-q8_0.gguf"
    bad = mirrors.bad.url.replace("127.0.0.1", "localhost")
    assert [(u.attrib, u.text) for u in file.findall(NAMESPACE + "url")] == [
        ({"priority": "1", "location": "de"}, f"{bad}/{object}"),
        ({"priority": "20"}, f"{mirrors.good.url}/{object}")]


def test_aria2c_downloads_from_two_mirrors_one_of_them_wrong(publisher, mirrors):
    publisher("catalog", "export", "metalink", "tiny:q8_0", "-o", "tiny.meta4")
    for how in (["--max-tries=1"], ["--min-split-size=1M", "--split=2"]):
        out = publisher.dir / "out"
        run("aria2c", "--no-conf", *how, "-M", publisher.dir / "tiny.meta4", "-d", out)
        digest = hashlib.sha256((out / "tiny-q8_0.gguf").read_bytes()).hexdigest()
        assert digest == variant_files(publisher, "tiny")[0]["sha256"]
        shutil.rmtree(out)
    # The wrong mirror is the first choice: the wrong piece was noticed and fetched elsewhere.
    assert mirrors.bad.requests() and mirrors.good.requests()


def test_aria2c_refuses_what_no_mirror_has_right(publisher, mirrors):
    flip(next((mirrors.roots[1] / "m").glob("targets/models/tiny/*.gguf")), 9 << 20)
    publisher("catalog", "export", "metalink", "tiny", "-o", "tiny.meta4")
    process = run("aria2c", "--no-conf", "--max-tries=1", "-M", publisher.dir / "tiny.meta4", "-d",
                  publisher.dir / "out", check=1)
    assert "Invalid checksum index=1" in process.stdout


@pytest.mark.parametrize("how", [[], ["--split=8", "--min-split-size=1M", "-x4"],
                                 ["--max-tries=1"]])
def test_aria2c_gets_a_sharded_model_from_what_is_left(publisher, nginx, make_gguf, how):
    """The first mirror is dead, the other two have a wrong byte each in every file, though not
    in the same piece, or not in the same file; their folders have odd names."""
    make_gguf(publisher.dir / "s.gguf", "--size", "40M", "--shards", 3)
    publisher("prepare", "big", publisher.dir / "s-00001-of-00003.gguf", "--set", "license.id=MIT",
              "--set", "summary=For tests")
    publisher("catalog", "add", "models/big")
    roots = [publisher.dir / f"www {name} \u00fc" for name in ("one", "two")]
    for root in roots:
        root.mkdir()
    one, two = [nginx(f'"{root}"').url + "/a%20b" for root in roots]
    publisher.configure(
        mirror("dead", kind="http", url="http://127.0.0.2:1", priority=1),
        mirror("one", kind="http", url=one.replace("127.0.0.1", "localhost"), priority=2),
        mirror("two", kind="http", url=two, priority=3))
    publisher("catalog", "sign")
    for root in roots:
        shutil.copytree(publisher.tree, root / "a b")
    files = sorted(variant_files(publisher, "big"), key=lambda f: f["path"])
    objects = [f"a b/targets/{f['path']}".replace("/big-", f"/{f['sha256']}.big-") for f in files]
    assert [f["size"] > (8 << 20) for f in files] == [True, True, True]
    flip(roots[0] / objects[0], 5)
    flip(roots[1] / objects[0], 9 << 20)
    flip(roots[0] / objects[1], 5)
    flip(roots[1] / objects[2], files[2]["size"] - 1)
    publisher("catalog", "export", "metalink", "big", "-o", "big.meta4")
    out = publisher.dir / "out"
    run("aria2c", "--no-conf", *how, "-M", publisher.dir / "big.meta4", "-d", out)
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in out.iterdir()} == {
        f["path"].rpartition("/")[2]: f["sha256"] for f in files}


def test_texts_of_the_card_are_escaped(publisher, mirrors, make_gguf):
    gguf = make_gguf(publisher.dir / "odd.gguf", "--size", "1M", "--seed", 9)
    title, summary = "A <b>\"bold\"</b> & 'odd' ]]> model", "grün & <größer> \U0001f600"
    publisher("prepare", "odd", gguf, "--set", "license.id=MIT", "--set", f"title={title}",
              "--set", f"summary={summary}", "--set", "source.url=https://example.org/x?a=1&b=2")
    publisher("catalog", "add", "models/odd")
    assert "has no model 'odd'" in publisher("catalog", "export", "metalink", "odd", check=3).err
    publisher("catalog", "sign")
    file = ET.fromstring(publisher("catalog", "export", "metalink", "odd").out).find(
        NAMESPACE + "file")
    assert text_of(file, "identity") == title
    assert text_of(file, "description") == summary
    assert file.find(NAMESPACE + "publisher").get("name") == "Test models"


def test_all_metalinks_at_once(publisher, mirrors, validate):
    publisher.add_model("second", seed=2)
    result = publisher("catalog", "export", "metalink", "--all", "-o", "links", "--json")
    validate(result.json, "output-catalog-export")
    assert [(d["model"], d["variant"], d["output"]) for d in result.json["documents"]] == [
        ("second", "q8_0", "links/second/q8_0.meta4"), ("tiny", "q8_0", "links/tiny/q8_0.meta4")]
    for d in result.json["documents"]:
        text = (publisher.dir / d["output"]).read_text()
        assert text == publisher("catalog", "export", "metalink", d["model"]).out
        assert d["size"] == len(text.encode())
    for wrong in ([], ["--all"], ["--all", "tiny", "-o", "x"]):
        assert "--all with -o DIR" in publisher("catalog", "export", "metalink", *wrong,
                                                check=2).err


def test_a_metalink_needs_a_mirror_that_readers_reach(publisher):
    result = publisher("catalog", "export", "metalink", "tiny", check=3)
    assert "an http or https URL" in result.err
    assert "public url" in result.err


def test_only_public_addresses_are_told(publisher, validate):
    """All kinds of mirrors: those with an address of whole files, by it; nothing else of any."""
    publisher.configure(
        mirror("amazon", kind="s3", url="https://cdn.example.org/a%20b/", bucket="hidden-bucket",
               endpoint="https://hidden-endpoint.example", profile="hidden-profile", priority=3),
        mirror("flare", kind="r2", url="https://r2.example.org", bucket="hidden-bucket",
               account="hidden-account", priority=2),
        mirror("silent", kind="s3", bucket="hidden-bucket", endpoint="https://hidden.example"),
        mirror("hub", kind="github", url="https://github.com/o/r", repo="hidden-repo"),
        mirror("git", kind="git", url="https://git.example.org/x", remote="hidden-remote"),
        mirror("lists", kind="http", url="https://lists.example.org", holds="metadata"),
        mirror("test", kind="http", url="https://stage.example.org", stage="yes"),
        mirror("disk", kind="file", path="/srv/hidden"))
    publisher("catalog", "sign")
    publisher("catalog", "key", "new", "models", "--type", "ecdsa-p256")
    text = publisher("catalog", "export", "metalink", "tiny").out
    [file] = ET.fromstring(text).findall(NAMESPACE + "file")
    object = publisher.on("repository", "*.tiny-q8_0.gguf").name
    assert [(u.get("priority"), u.text) for u in file.findall(NAMESPACE + "url")] == [
        ("2", f"https://r2.example.org/targets/models/tiny/{object}"),
        ("3", f"https://cdn.example.org/a%20b/targets/models/tiny/{object}")]
    for arguments in (["metalink", "tiny"], ["sums"], ["minisign-key"],
                      ["model-signature", "tiny", "--key", "models"]):
        assert "hidden" not in publisher("catalog", "export", *arguments).out


@pytest.mark.parametrize("url, words", [
    ("https://me:geheim@example.org/m", "user name or password"),
    ("https://geheim@example.org/m", "user name or password"),
    ("https://example.org/m?X-Amz-Signature=geheim", "it has a query"),
    ("https://example.org/m?", "it has a query"),
    ("https://example.org/m#geheim", "it has a fragment"),
])
def test_addresses_with_secrets_are_not_signed(publisher, url, words):
    publisher.configure(mirror("a", kind="http", url=url))
    result = publisher("catalog", "sign", check=2)
    assert words in result.err and "ferry.conf:" in result.err
    if "#" not in url:
        assert "geheim" not in result.err
    assert "geheim" not in (publisher.tree / "catalog.json").read_text()


def test_a_damaged_manifest_is_noticed(publisher, mirrors):
    flip(publisher.on("repository", "*.tiny-q8_0.gguf.manifest.json"), 100)
    result = publisher("catalog", "export", "metalink", "tiny", check=6)
    assert "does not match the signed metadata" in result.err


# -- whoever signed ---------------------------------------------------------------------

def test_files_of_a_delegated_role_and_of_bins(publisher, mirrors, make_gguf, key):
    """Exports follow delegations: their files are signed by others."""
    theirs = publisher.dir / "theirs"
    publisher("catalog", "key", "new", "community", "--type", "ecdsa-p256", "--unencrypted", "-q",
              "--keys", theirs)
    publisher("catalog", "delegate", "community", "--paths", "models/community-*/*", "--key",
              theirs / "community.pub", "-q")
    publisher("prepare", "community-a", make_gguf(publisher.dir / "a.gguf"), "--set",
              "license.id=MIT", "--set", "summary=s")
    publisher("catalog", "add", "--role", "community", "models/community-a")
    publisher("catalog", "sign")
    # What the role has not signed is exported by nobody.
    assert "no model" in publisher("catalog", "export", "sums", "community-a", check=3).err
    publisher("catalog", "sign", "--role", "community", "--keys", theirs, check=None)
    publisher("catalog", "sign")
    [listed] = variant_files(publisher, "community-a")
    sums = f"{listed['sha256']}  community-a-q8_0.gguf\n"

    def exported():
        assert publisher("catalog", "export", "sums", "community-a").out == sums
        text = publisher("catalog", "export", "metalink", "community-a").out
        [file] = ET.fromstring(text).findall(NAMESPACE + "file")
        assert text_of(file, "size") == str(listed["size"])
        assert [p.text for p in file.find(NAMESPACE + "pieces")] == [listed["sha256"]]
        assert listed["sha256"] in publisher("catalog", "export", "sums").out
        verify(key, publisher.tree / "catalog.json")
    exported()
    publisher("catalog", "undelegate", "community", "--adopt")
    for bins in ("8", "256"):
        publisher("catalog", "delegate", "--bins", bins)
        publisher("catalog", "sign")
        exported()


# -- all of them ------------------------------------------------------------------------

def test_exports_as_json(publisher, mirrors, validate):
    for arguments in (["sums"], ["metalink", "tiny"], ["minisign-key"]):
        result = publisher("catalog", "export", *arguments, "--json")
        validate(result.json, "output-catalog-export")
        assert result.json["command"] == f"catalog export {arguments[0]}"
        [document] = result.json["documents"]
        assert document["content"] == publisher("catalog", "export", *arguments).out
        assert document["size"] == len(document["content"].encode())
        result = publisher("catalog", "export", *arguments, "-o", "file", "--json")
        validate(result.json, "output-catalog-export")
        assert (publisher.dir / "file").read_text() == document["content"]


def test_signed_sums_as_json(publisher, validate, key):
    result = publisher("catalog", "export", "sums", "tiny", "-o", "S", "--sign", "--json")
    validate(result.json, "output-catalog-export")
    rows = publisher("catalog", "key", "list", "--json").json["keys"]
    id = next(k["id"] for k in rows if k["name"] == "targets")
    assert [(d["output"], d.get("key")) for d in result.json["documents"]] == [
        ("S", None), ("S.minisig", id)]
    assert re.search(r"\tfile:S\ttime:\S+\tof:tiny$", verify(key, publisher.dir / "S").stdout, re.M)


def test_a_tree_that_was_never_signed(ferry):
    (ferry.work / "tree").mkdir()
    for arguments in (["sums"], ["metalink", "x"], ["minisign-key"],
                      ["model-signature", "x", "--key", "k"]):
        ferry("catalog", "export", *arguments, "--repository", "tree", check=3)


def test_names_that_are_not_there(publisher, mirrors):
    for command in ("sums", "metalink"):
        result = publisher("catalog", "export", command, "tinny", check=3)
        assert "did you mean 'tiny'?" in result.err
        assert "has no variant" in publisher("catalog", "export", command, "tiny:q9", check=3).err
        assert "this repository is 'test'" in publisher("catalog", "export", command, "other/tiny",
                                                        check=3).err
    assert "is a folder" in publisher("catalog", "export", "sums", "-o", ".", check=2).err


def test_file_names_of_all_characters(publisher, nginx, make_gguf):
    """prepare makes plain names; a card that people wrote may have others. (Not '&' here:
    aria2c 1.36 takes it for the five characters of its escape.)"""
    name = "a b \u00fc\U0001f600 <>\"'#?%41+;.gguf"
    gguf = make_gguf(publisher.dir / "odd.gguf")
    publisher("prepare", "odd", gguf, "--set", "license.id=MIT", "--set", "summary=s")
    folder = publisher.dir / "models" / "odd"
    (folder / "odd-q8_0.gguf").rename(folder / name)
    for old, new in (("odd.card.json", "odd.card.json"),
                     ("odd-q8_0.gguf.manifest.json", f"{name}.manifest.json")):
        document = json.loads((folder / old).read_text())
        (folder / old).unlink()
        if "variants" in document:
            document["variants"][0]["files"][0]["path"] = f"models/odd/{name}"
        else:
            document["name"] = name
        (folder / new).write_text(json.dumps(document))
    www = nginx(publisher.dir)
    publisher.configure(mirror("web", kind="http", url=f"{www.url}/repository"))
    publisher("catalog", "add", folder)
    publisher("catalog", "sign")
    out = publisher.dir / "out"
    publisher("catalog", "export", "metalink", "odd", "-o", "odd.meta4")
    run("aria2c", "--no-conf", "-M", publisher.dir / "odd.meta4", "-d", out)
    publisher("catalog", "export", "sums", "odd", "-o", out / "SHA256SUMS")
    assert run("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=out).stdout == f"{name}: OK\n"


# -- where they go ----------------------------------------------------------------------

def test_a_dash_is_standard_output(publisher, validate):
    text = publisher("catalog", "export", "sums").out
    for output in ("-", "/dev/stdout"):
        assert publisher("catalog", "export", "sums", "-o", output).out == text
    result = publisher("catalog", "export", "sums", "-o", "-", "--json")
    validate(result.json, "output-catalog-export")
    assert result.json["documents"][0]["content"] == text
    assert "-o FILE" in publisher("catalog", "export", "sums", "--sign", "-o", "-", check=2).err
    assert not (publisher.dir / "-").exists()


def test_a_link_or_pipe_is_written_into(publisher):
    text = publisher("catalog", "export", "sums").out
    link, pipe = publisher.dir / "link", publisher.dir / "pipe"
    link.symlink_to("file")
    publisher("catalog", "export", "sums", "-o", link)
    assert link.is_symlink() and (publisher.dir / "file").read_text() == text
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        publisher("catalog", "export", "sums", "-o", pipe)
        assert communicate(reader)[0] == text
    assert pipe.is_fifo()


def test_places_that_cannot_be_written(publisher):
    publisher("catalog", "export", "sums", "-o", "SUMS")
    before = (publisher.dir / "SUMS").read_bytes()
    assert "the name of a file" in publisher("catalog", "export", "sums", "-o", "", check=2).err
    assert "No such file" in publisher("catalog", "export", "sums", "-o", "no/SUMS", check=3).err
    (publisher.dir / "full").symlink_to("/dev/full")
    assert "No space left" in publisher("catalog", "export", "sums", "-o", "full", check=7).err
    publisher.add_model("second", seed=2)
    with read_only(publisher.dir) as unwritable:
        command = publisher.ferry.command("catalog", "export", "sums", "-o",
                                          publisher.dir / "SUMS")
        process = subprocess.run(unwritable(command), cwd=publisher.dir, text=True,
                                 capture_output=True, env=publisher.ferry.env)
    assert process.returncode == 7 and "cannot write" in process.stderr
    assert (publisher.dir / "SUMS").read_bytes() == before


def test_all_go_into_a_folder(publisher, mirrors):
    (publisher.dir / "file").write_text("kept")
    for command in ("metalink", "minisign-key"):
        for output in ("file", ""):
            result = publisher("catalog", "export", command, "--all", "-o", output, check=2)
            assert f"but '{output}' is not a folder" in result.err
    assert (publisher.dir / "file").read_text() == "kept"


def test_a_full_disk_leaves_the_document_before(publisher):
    with contextlib.closing(SmallDisk(publisher.dir / "disk", "1m")) as disk:
        publisher("catalog", "export", "sums", "--sign", "-o", disk.path / "SUMS")
        before = {p.name: p.read_bytes() for p in disk.path.iterdir()}
        publisher.add_model("second", seed=2)
        disk.fill()
        result = publisher("catalog", "export", "sums", "-o", disk.path / "SUMS", check=7,
                           env=disk.env)
        assert "free some space" in result.err
        (disk.path / "eater").unlink(missing_ok=True)
        assert {p.name: p.read_bytes() for p in disk.path.iterdir()} == before


# -- versions ---------------------------------------------------------------------------

@pytest.fixture
def two_versions(publisher, mirrors):
    """tiny in two versions, served by one mirror; their digests."""
    first, = variant_files(publisher, "tiny")
    publisher.configure(mirror("good", kind="http", url=mirrors.good.url + "/m"))
    publisher.add_model("tiny", seed=5)
    shutil.rmtree(mirrors.roots[1] / "m")
    shutil.copytree(publisher.tree, mirrors.roots[1] / "m")
    second, = variant_files(publisher, "tiny")
    assert second["path"] == "models/tiny/tiny-q8_0.v2.gguf"
    return first["sha256"], second["sha256"]


def test_sums_of_a_model_have_the_names_that_readers_have(publisher, two_versions):
    def sums(*reference):
        return publisher("catalog", "export", "sums", *reference).out
    first, second = two_versions
    # The list of all is one of target paths, from which URLs are made.
    assert sums() == f"{second}  models/tiny/tiny-q8_0.v2.gguf\n"
    assert list(publisher.tree.glob(f"targets/models/tiny/{second}.tiny-q8_0.v2.gguf"))
    for reference in ("tiny", "tiny:q8_0", "tiny@2", f"tiny:q8_0@sha256:{second}"):
        assert sums(reference) == f"{second}  tiny-q8_0.gguf\n"
    for reference in ("tiny@1", "tiny:q8_0@1"):
        assert sums(reference) == f"{first}  tiny-q8_0.gguf\n"
    error = publisher("catalog", "export", "sums", "tiny@3", check=3).err
    assert "tiny:q8_0 has no version '3'" in error


@pytest.mark.parametrize("reference", ["tiny", "tiny@1"])
def test_aria2c_and_sha256sum_get_a_version_under_its_readers_name(publisher, two_versions,
                                                                   reference):
    publisher("catalog", "export", "metalink", reference, "-o", "tiny.meta4")
    root = ET.parse(publisher.dir / "tiny.meta4").getroot()
    assert text_of(root.find(NAMESPACE + "file"), "version") == (
        "q8_0" if reference == "tiny@1" else "q8_0@2")
    out = publisher.dir / "out"
    run("aria2c", "--no-conf", "--max-tries=1", "-M", publisher.dir / "tiny.meta4", "-d", out)
    publisher("catalog", "export", "sums", reference, "-o", out / "SHA256SUMS")
    assert run("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=out).stdout == \
        "tiny-q8_0.gguf: OK\n"
    digest = hashlib.sha256((out / "tiny-q8_0.gguf").read_bytes()).hexdigest()
    assert digest == two_versions[reference == "tiny"]


def test_what_was_withdrawn_is_not_among_all_metalinks(publisher, two_versions):
    publisher.add_model("second", seed=2)
    publisher("catalog", "withdraw", "-q", "tiny", "--reason", "wrong weights")
    publisher("catalog", "sign", "-q")
    publisher("catalog", "export", "metalink", "--all", "-o", "links")
    links = publisher.dir / "links"
    assert [str(p.relative_to(links)) for p in links.rglob("*.meta4")] == ["second/q8_0.meta4"]
