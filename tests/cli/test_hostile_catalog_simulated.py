"""What a reader does when somebody who may sign signs what is wrong: cards, the index, documents
of a delegated role. The publisher is SIMULATED, see hostile_catalog.py."""

import hashlib
import json
import pathlib

import pytest

from hostile_catalog import Shop, line, zstd
from tuf_fixtures import tuf_server   # noqa: F401 (fixture)


@pytest.fixture
def shop(tuf_server, request, ferry):     # noqa: F811
    made = Shop(tuf_server.add(request.node.name))
    made.delegate("community", "models/community-*/*")
    made.card("tiny", made.variant("tiny"), title="The tiny one")
    made.index([line("tiny", "q8")])
    made.publish()
    (ferry.work / "ferry.conf").write_text(made.client())
    return made


def refused(ferry, *args, check=6):
    result = ferry(*args, check=check)
    assert result.out == ""
    assert not list((ferry.store / "models").glob("*/*/*/*")) if ferry.store.exists() else True
    return result.err


def test_a_right_one_is_read(ferry, shop):
    shop.card("community-a", shop.variant("community-a", role="community"), role="community")
    shop.publish()
    assert ferry("list").out.split()[:2] == ["tiny", "q8"]
    for model in ("tiny", "community-a"):       # the index does not list the second yet
        path = pathlib.Path(ferry("fetch", "-q", model).out.strip())
        assert path.read_bytes() == f"{model} q8".encode()


# -- an index that lies about a card -------------------------------------------------------------

def test_a_model_that_nobody_signed_is_listed_but_not_fetched(ferry, shop):
    shop.index([line("ghost", {"id": "q8", "size": 1}), line("tiny", "q8")])
    shop.publish()
    assert "ghost" in ferry("list").out
    for command in (["fetch", "ghost"], ["show", "ghost"], ["run", "ghost", "--", "echo", "{}"]):
        error = refused(ferry, *command)
        assert "shop: the index lists ghost, but no role has signed its card" in error
        assert "tell the publisher" in error


def test_the_card_counts_where_the_index_says_something_else(ferry, shop):
    lies = [{"id": "q4", "size": 5}, {"id": "q8", "size": 1 << 50, "version": 9,
                                      "withdrawn": True}]
    shop.index([line("tiny", *lies, title="Another", withdrawn=True, deprecated=True)])
    shop.publish()
    model, = ferry("fetch", "--json", "tiny").json["models"]
    assert (model["size"], model["version"]) == (len("tiny q8"), 1)
    shown = ferry("show", "--json", "tiny").json["model"]
    assert shown["title"] == "The tiny one" and [v["id"] for v in shown["variants"]] == ["q8"]
    error = ferry("fetch", "tiny:q4", check=3).err
    assert "the model 'tiny' has no variant 'q4'" in error


def test_an_index_cannot_hide_that_a_model_is_withdrawn(ferry, shop):
    shop.card("tiny", shop.variant("tiny"), withdrawn={"reason": "wrong weights"})
    shop.index([line("tiny", "q8")])
    shop.publish()
    assert "withdrawn tiny:q8@1: wrong weights" in refused(ferry, "fetch", "tiny")


def test_the_index_of_a_delegated_role_is_not_read(ferry, shop):
    """Also when the pattern of the role covers it."""
    del shop.repo.body["targets"]["targets"]["index.jsonl.zst"]
    shop.delegate("greedy", "*")
    data = json.dumps({"format": "model-ferry-index", "version": 1, "models": 0}) + "\n"
    shop.document("index.jsonl.zst", zstd(data.encode()), "greedy")
    shop.publish()
    error = refused(ferry, "list")
    assert "index.jsonl.zst is signed by the role greedy" in error
    assert pathlib.Path(ferry("fetch", "-q", "tiny").out.strip()).exists()


# -- a card that names what is not its own -------------------------------------------------------

@pytest.mark.parametrize("path, message", [
    ("models/tiny/tiny-q8.gguf", "which is not in models/community-a/"),
    ("models/community-a/x/y.gguf", "which is not in models/community-a/"),
    ("models/community-a/../tiny/tiny-q8.gguf", "is not of the form models/NAME/FILE"),
    ("catalog.json", "is not of the form models/NAME/FILE"),
])
def test_a_card_that_names_a_file_of_another_folder_is_refused(ferry, shop, path, message):
    content = b"tiny q8"
    entry = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    shop.card("community-a", {"id": "q8", "files": [entry]}, role="community")
    shop.publish()
    error = refused(ferry, "fetch", "community-a")
    assert message in error
    assert pathlib.Path(ferry("fetch", "-q", "tiny").out.strip()).exists()


def test_a_card_that_names_a_file_of_another_folder_in_an_old_version_is_refused(ferry, shop):
    old = {"version": 1, "files": shop.variant("tiny")["files"]}
    shop.card("community-a", shop.variant("community-a", role="community", version=2,
                                          superseded=[old]), role="community")
    shop.publish()
    for reference in ("community-a", "community-a@1"):
        assert "a card can list only files of its own model" in refused(ferry, "fetch", reference)


def test_a_card_that_names_a_file_of_another_role_is_refused(ferry, shop):
    """The file is targets' own, although it is below a path of the role."""
    variant = shop.variant("community-a")
    shop.card("community-a", variant, role="community")
    shop.publish()
    error = refused(ferry, "fetch", "community-a")
    assert "models/community-a/community-a-q8.gguf is signed by the role targets, but its " \
        "card by the role community" in error
    assert "a card can name only files of its own role" in error


def test_a_manifest_of_another_role_is_refused(ferry, shop):
    variant = shop.variant("community-a", role="community")
    shop.card("community-a", variant, role="community")
    path = "models/community-a/community-a-q8.gguf.manifest.json"
    entry = shop.repo.body["community"]["targets"].pop(path)
    shop.repo.body["targets"]["targets"][path] = entry
    shop.publish()
    error = refused(ferry, "fetch", "community-a")
    assert f"{path} is signed by the role targets" in error


@pytest.mark.parametrize("member", ["mirrors", "roles", "delegations", "keys"])
def test_a_card_that_names_what_only_the_publisher_may_is_refused(ferry, shop, member):
    shop.card("community-a", shop.variant("community-a", role="community"), role="community",
              **{member: [{"id": "mine", "url": "https://example.org/"}]})
    shop.publish()
    error = refused(ferry, "fetch", "community-a")
    assert f"the card names {member}, which only the publisher of the repository may" in error
    assert "signed by the role community" in error


def test_a_card_under_the_id_of_another_model_is_refused(ferry, shop):
    shop.card("tiny", shop.variant("community-a", role="community"), role="community",
              at="community-a")
    shop.publish()
    error = refused(ferry, "fetch", "community-a")
    assert "this is the card of 'tiny', not of 'community-a'" in error


def test_a_card_with_other_sizes_or_digests_than_the_signed_ones_is_refused(ferry, shop):
    variant = shop.variant("tiny")
    for change in ({"size": 5}, {"sha256": "a" * 64}):
        shop.card("tiny", {**variant, "files": [{**variant["files"][0], **change}]})
        shop.publish()
        error = refused(ferry, "fetch", "tiny")
        assert "models/tiny/tiny-q8.gguf: the card does not match the signed target" in error


def test_a_card_cannot_take_over_a_model_of_targets(ferry, shop):
    """The role signs a card for a model that targets has signed."""
    shop.card("tiny", shop.variant("tiny", content=b"evil", role="community"), role="community")
    shop.repo.body["targets"]["targets"].pop("models/tiny/tiny.card.json")
    shop.index([line("tiny", "q8")])
    shop.publish()
    # The pattern of the role does not cover it: to a client it does not exist.
    assert "no role has signed its card" in refused(ferry, "fetch", "tiny")


@pytest.mark.parametrize("text, message", [
    (b"[]", "models/tiny/tiny.card.json: the document: expected an object"),
    (b"{", "models/tiny/tiny.card.json"),
    (b'{"format": "model-ferry-card", "version": 2, "id": "tiny", "variants": []}',
     "version: version 2 is not supported, only 1"),
    (b" " * (2 << 20), "the maximum is 1048576"),
], ids=["array", "cut", "newer", "large"])
def test_a_card_that_cannot_be_read_is_named(ferry, shop, text, message):
    shop.document("models/tiny/tiny.card.json", text)
    shop.publish()
    assert message in refused(ferry, "fetch", "tiny")


# -- an index that cannot be read ----------------------------------------------------------------

def header(count, **more):
    return json.dumps({"format": "model-ferry-index", "version": 1, "models": count, **more}) + "\n"


GOOD = (header(1) + '{"id": "tiny", "variants": []}\n').encode()
SKIPPED = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"


def rle(*blocks):
    """A zstd frame of blocks that repeat a byte: [(count, byte)…]; RFC 8878."""
    data = b"\x28\xb5\x2f\xfd\x00\x50"
    for number, (count, byte) in enumerate(blocks):
        last = number == len(blocks) - 1
        data += (last | 1 << 1 | count << 3).to_bytes(3, "little") + byte
    return data


BAD_INDEX = {
    "a bomb": (rle(*[(128 << 10, b" ")] * 50000), "a line is longer than 128 KiB"),
    "a large window": (zstd(b" " * (9 << 20), "--long=27", "--single-thread"),
                       "Frame requires too much memory"),
    "empty frames": (SKIPPED * 100000, "has 0 models"),
    "trailing bytes": (zstd(GOOD) + b"trailing", "cannot be decompressed"),
    "not zstd": (GOOD, "cannot be decompressed"),
    "cut": (zstd(GOOD)[:-5], "ends in the middle"),
    "not sorted": (zstd((header(2) + '{"id": "b", "variants": []}\n{"id": "a", "variants": []}\n')
                        .encode()), "line 3: 'a' is not after 'b'"),
    "twice": (zstd((header(2) + '{"id": "a", "variants": []}\n' * 2).encode()),
              "line 3: 'a' is not after 'a'"),
    "a wrong count": (zstd(GOOD.replace(b'"models": 1', b'"models": 2')),
                      "has 1 models, but its header says 2"),
    "a newer version": (zstd(GOOD.replace(b'"version": 1', b'"version": 2')),
                        "version 2 is not supported"),
    "a control character": (zstd(GOOD.replace(b'"id"', b'"title": "\\u001b[2J", "id"')),
                            "title: contains a control character"),
    "a hostile id": (zstd(GOOD.replace(b"tiny", b"../x")), "'../x' is not a valid name"),
}


@pytest.mark.parametrize("fault", BAD_INDEX)
def test_an_index_that_cannot_be_read_is_refused_and_no_reason_against_a_model(ferry, shop, fault):
    data, message = BAD_INDEX[fault]
    shop.document("index.jsonl.zst", data)
    shop.publish()
    error = refused(ferry, "list")
    assert message in error and "repository shop: index.jsonl.zst" in error
    # The completion of names says nothing, and offers nothing.
    assert ferry("--complete", "fetch", "").err == ""
    assert pathlib.Path(ferry("fetch", "-q", "tiny").out.strip()).exists()
    error = ferry("fetch", "tinny", check=3).err
    assert "the catalog 'shop' has no model 'tinny'" in error
    assert "which models it has is not known: repository shop: index.jsonl.zst" in error


def test_an_index_is_not_downloaded_when_it_is_too_large(ferry, shop):
    shop.repo.body["targets"]["targets"]["index.jsonl.zst"]["length"] = 65 << 20
    shop.publish()
    assert "index.jsonl.zst: 68157440 bytes; the maximum is 67108864" in refused(ferry, "list")
    assert not [p for p in shop.repo.target_requests() if "index" in p]


def test_what_an_index_says_is_printed_inert(ferry, shop):
    """Bidirectional overrides, which turn what follows around."""
    shop.index([line("tiny", {"id": "q8", "quantization": "Q8\u202e"}, title="The \u202egnp.exe one",
                     license="MIT\u2066", family="\u2028")])
    shop.publish()
    out = ferry("list").out
    assert "The \\u{202e}gnp.exe one" in out
    commands = [["list"], ["search", "tiny"], ["--complete", "fetch", ""],
                ["--complete", "fetch", "tiny:"], ["--complete", "list", "--license", ""],
                ["--complete", "list", "--family", ""]]
    for command in commands:
        out = ferry(*command).out
        assert not set(out) & set("\u202e\u2066\u2028"), command
    assert "tiny" in ferry("--complete", "fetch", "").out
    assert "tiny:q8" in ferry("--complete", "fetch", "tiny:").out


# -- repository.json and mirrors -----------------------------------------------------------------

def asked(server):
    return len(server.requests)


@pytest.fixture
def other(tuf_server, request):     # noqa: F811
    """A server that somebody wants to be asked."""
    return tuf_server.add(f"{request.node.name}-other")


def mirror(server):
    return {"id": "mine", "url": server.url, "priority": 1, "kind": "http"}


def test_a_repository_json_of_a_delegated_role_is_not_used(ferry, shop, other):
    """Nor is a repository taken for one of this version because of it."""
    del shop.repo.body["targets"]["targets"]["repository.json"]
    shop.document("catalog.json", {
        "format": "model-ferry-catalog", "version": 1, "name": "shop",
        "updated": "2026-01-01T00:00:00Z", "mirrors": [],
        "models": [shop.card("tiny", shop.variant("tiny"))]})
    shop.delegate("greedy", "*")
    shop.document("repository.json", {
        "format": "model-ferry-repository", "version": 1, "name": "theirs",
        "updated": "2026-01-01T00:00:00Z", "mirrors": [mirror(other)]}, "greedy")
    shop.publish()
    path = ferry("fetch", "-q", "tiny").out.strip()
    assert pathlib.Path(path).read_bytes() == b"tiny q8"
    repository, = ferry("list", "--json").json["repositories"]
    assert repository["name"] == "shop"
    assert asked(other) == 0


def test_mirrors_of_a_catalog_that_a_delegated_role_signed_are_not_used(ferry, shop, other):
    """In a repository of version 0.1, whose catalog nobody of targets signs."""
    del shop.repo.body["targets"]["targets"]["repository.json"]
    shop.delegate("greedy", "*")
    shop.document("catalog.json", {
        "format": "model-ferry-catalog", "version": 1, "name": "theirs",
        "updated": "2026-01-01T00:00:00Z", "mirrors": [mirror(other)],
        "models": [shop.card("tiny", shop.variant("tiny"))]}, "greedy")
    shop.publish()
    ferry("fetch", "-q", "tiny", check=None)
    assert asked(other) == 0


def test_a_mirror_of_repository_json_is_used(ferry, tuf_server, other, request):  # noqa: F811
    shop = Shop(tuf_server.add(request.node.name), mirrors=[mirror(other)])
    shop.card("tiny", shop.variant("tiny"))
    shop.publish()
    other.files.update(shop.repo.files)
    (ferry.work / "ferry.conf").write_text(shop.client())
    ferry("fetch", "-q", "tiny")
    assert [p for p in other.target_requests() if p.endswith("tiny-q8.gguf")]


# -- a version that goes back --------------------------------------------------------------------

def test_a_version_that_goes_back_is_refused(ferry, shop):
    new = shop.variant("tiny", content=b"three", version=3)
    shop.card("tiny", new)
    shop.publish()
    path = ferry("fetch", "-q", "tiny").out.strip()
    shop.card("tiny", shop.variant("tiny", content=b"two", version=2))
    shop.publish()
    result = ferry("fetch", "--json", "tiny")
    model, = result.json["models"]
    assert (model["version"], model["path"]) == (3, path)
    assert pathlib.Path(path).read_bytes() == b"three"
    message = "shop/tiny:q8 is version 2 in the catalog, but version 3 is in the store: versions " \
        "never go back"
    assert message in result.err and message in model["fallback"]
    # Asked for by its number, it is taken beside the other.
    older, = ferry("fetch", "--json", "tiny@2").json["models"]
    assert pathlib.Path(older["path"]).read_bytes() == b"two"
    assert pathlib.Path(path).read_bytes() == b"three"
    # Without the model in the store, there is nothing to compare with.
    for variant in ("q8", "q8@2"):
        ferry("store", "remove", "-q", f"tiny:{variant}")
    assert ferry("fetch", "--json", "tiny").json["models"][0]["version"] == 2


# -- a withdrawn model in the store --------------------------------------------------------------

@pytest.fixture
def withdrawn(ferry, shop):
    ferry("fetch", "-q", "tiny")
    shop.card("tiny", shop.variant("tiny"), withdrawn={"reason": "wrong weights",
                                                       "replacement": "other"})
    shop.index([line("tiny", "q8", withdrawn=True)])
    shop.publish()
    error = ferry("fetch", "tiny", check=6).err
    assert "withdrawn tiny:q8@1: wrong weights" in error and "use other instead" in error
    return shop


@pytest.mark.parametrize("options", [[], ["--offline"]])
@pytest.mark.parametrize("command", ["fetch", "run"])
def test_a_withdrawn_model_in_the_store_is_refused(ferry, withdrawn, command, options):
    program = ["--", "echo", "{}"] if command == "run" else []
    error = ferry(command, *options, "tiny", *program, check=6)
    assert error.out == "" and "wrong weights" in error.err
    withdrawn.repo.files.clear()        # nobody answers
    error = ferry(command, *options, "tiny", *program, check=6)
    assert error.out == "" and "wrong weights" in error.err
    taken = ferry(command, *options, "--withdrawn", "tiny", *program)
    assert "tiny-q8.gguf" in taken.out


@pytest.mark.parametrize("options", [[], ["--offline"]])
def test_a_withdrawn_model_in_the_store_is_refused_after_the_metadata_expired(
        ferry, withdrawn, options):
    error = ferry("fetch", *options, "tiny", at="+90 days", check=6)
    assert error.out == "" and "wrong weights" in error.err


def test_a_withdrawn_model_is_not_replaced_by_that_of_another_repository(
        ferry, withdrawn, tuf_server, request):     # noqa: F811
    second = Shop(tuf_server.add(f"{request.node.name}-second"))
    second.card("tiny", second.variant("tiny", content=b"of another"))
    second.publish()
    conf = ferry.work / "ferry.conf"
    conf.write_text(withdrawn.client() + second.client("second"))
    error = ferry("fetch", "tiny", check=2)
    assert "several repositories have tiny: shop and second" in error.err
    assert "wrong weights" in ferry("fetch", "shop/tiny", check=6).err
    path = ferry("fetch", "-q", "second/tiny").out.strip()
    assert pathlib.Path(path).read_bytes() == b"of another"


def test_another_model_with_the_same_bytes_can_be_used(ferry, withdrawn):
    """What is withdrawn is a version of a variant, not its bytes."""
    withdrawn.card("same", withdrawn.variant("same", content=b"tiny q8"))
    withdrawn.publish()
    path = ferry("fetch", "-q", "same").out.strip()
    assert pathlib.Path(path).read_bytes() == b"tiny q8"
    digest = hashlib.sha256(b"tiny q8").hexdigest()
    error = ferry("fetch", f"tiny@sha256:{digest}", check=6)
    assert "wrong weights" in error.err
