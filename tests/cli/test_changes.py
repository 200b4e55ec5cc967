"""`ferry catalog add` of other bytes under a variant: what it says has changed, and what the card
keeps of it."""

import json

import pytest

from conftest import Ferry
from publisher import Publisher

WEIGHTS = "The tensors are the same as before."


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, make_gguf):
    """prepared("--seed", 2) is the folder of a prepared "tiny" made with these options."""
    base = tmp_path_factory.mktemp("changes")
    made = {}

    def prepare(*options):
        if options not in made:
            work = base / str(len(made))
            work.mkdir()
            make_gguf(work / "tiny.gguf", *options)
            Ferry(work)("prepare", "-q", "tiny:main", *sorted(work.glob("*.gguf")),
                        "--set", "license.id=MIT")
            made[options] = work / "models" / "tiny"
        return made[options]
    return prepare


@pytest.fixture(scope="session")
def first(tmp_path_factory, prepared):
    work = tmp_path_factory.mktemp("first")
    p = Publisher(Ferry(work), work)
    p.add(prepared())
    return p


@pytest.fixture
def publisher(ferry, work, first):
    return first.again(ferry, work)


def added(publisher, folder, *options):
    change, = publisher.ferry("catalog", "add", "--json", folder, *options,
                              cwd=publisher.dir).json["changes"]
    return change


def card_of(publisher):
    return json.loads((publisher.tree / "cards/tiny.card.json").read_text())


def sizes(change):
    """The sentences without those on sizes."""
    return [s for s in change["changes"] if not s.startswith("The size ")]


# -- what is said ------------------------------------------------------------------------------

def test_another_template_is_all_that_changed(publisher, prepared):
    change = added(publisher, prepared("--template", "{{ messages }}"))
    assert (change["change"], change["version"]) == ("replaced", 2)
    assert sizes(change) == ["The chat template changed.", WEIGHTS]


def test_requantized_tensors_are_counted(publisher, prepared):
    change = added(publisher, prepared("--type", "f16"))
    assert change["changes"] == [
        "The quantization changed from Q8_0 to F16.",
        "15 of 20 tensors are now F16.",
        "The size changed from 1.4 MiB to 2.6 MiB."]


def test_other_weights_are_named(publisher, prepared):
    change = added(publisher, prepared("--revision", 1))
    assert change["changes"] == [
        "The values of 7 of 20 tensors changed: blk.1.attn_k.weight, blk.1.attn_output.weight, "
        "blk.1.attn_q.weight and 4 more."]


def test_a_larger_model_has_more_tensors_and_parameters(publisher, prepared):
    change = added(publisher, prepared("--layers", 3, "--context", 4096))
    assert [s.split(" from ")[0] for s in sizes(change)] == [
        "The number of parameters changed",
        "The context length changed",
        "9 tensors were added: blk.2.attn_k.weight, blk.2.attn_norm.weight, "
        "blk.2.attn_output.weight and 6 more.",
        "Metadata changed: llama.block_count (now 3)."]
    assert "The context length changed from 2048 to 4096." in change["changes"]


def test_another_license_in_the_file_comes_first(publisher, prepared):
    change = added(publisher, prepared("--license", "apache-2.0", "--name", "Other"))
    assert sizes(change) == [
        "The license in the metadata of the file changed from cc0-1.0 to apache-2.0.",
        WEIGHTS,
        'Metadata changed: general.name (now "Other").']


def test_a_license_that_the_card_gets_is_told(publisher, prepared):
    path = publisher.tree / "cards/tiny.card.json"
    card = card_of(publisher)
    del card["license"]
    path.write_text(json.dumps(card))
    change = added(publisher, prepared("--revision", 1))
    assert change["changes"][0] == "The license is now MIT; before, it was not given."


def test_shards_are_compared_as_one_model(publisher, prepared):
    change = added(publisher, prepared("--shards", 3))
    assert sizes(change) == [
        WEIGHTS,
        "The number of files changed from 1 to 3.",
    ]
    back = added(publisher, prepared("--revision", 1))
    assert [s.split(":")[0] for s in sizes(back)] == [
        "The values of 7 of 20 tensors changed",
        "The number of files changed from 3 to 1."]


def test_what_no_manifest_shows_is_told_as_such(publisher, prepared, make_gguf, work, ferry):
    source = work / "tiny.gguf"
    make_gguf(source)
    data = source.read_bytes()
    was, now = b"rms_epsilon\x06\0\0\0\xac", b"rms_epsilon\x06\0\0\0\xad"
    assert data.count(was) == 1
    source.write_bytes(data.replace(was, now))
    ferry("prepare", "-q", "tiny:main", source)
    change = added(publisher, work / "models/tiny")
    assert change["changes"] == [WEIGHTS, "Other metadata of the file changed."]


def test_names_from_a_file_are_inert(publisher, prepared, make_gguf, work, ferry):
    source = work / "tiny.gguf"
    make_gguf(source, "--name", "\x1b[31m\u202eevil")
    ferry("prepare", "-q", "tiny:main", source)
    text = publisher.ferry("catalog", "add", work / "models/tiny", cwd=publisher.dir).out
    assert "\x1b" not in text and "\u202e" not in text
    assert r'general.name (now "\x1b[31m\u{202e}evil")' in text
    assert "\u202e" not in json.dumps(card_of(publisher), ensure_ascii=False)


def test_without_the_old_manifest_only_the_contents_are_known(publisher, prepared):
    for manifest in publisher.tree.glob("cards/tiny/*.manifest.json"):
        manifest.unlink()
    change = added(publisher, prepared("--revision", 1))
    assert change["changes"] == ["The contents of the file changed."]


# -- where it is said --------------------------------------------------------------------------

def test_people_read_it_below_the_line_of_the_version(publisher, prepared):
    out = publisher.ferry("catalog", "add", prepared("--template", "{{ messages }}"),
                          cwd=publisher.dir).out
    lines = out.splitlines()
    assert lines[0].startswith("new version 2 of tiny:main (1 file, ")
    assert lines[1:3] == ["  The chat template changed.", "  " + WEIGHTS]


def test_the_card_keeps_it_also_when_the_version_is_superseded(publisher, prepared):
    second = added(publisher, prepared("--revision", 1))["changes"]
    third = added(publisher, prepared("--revision", 2))["changes"]
    variant, = card_of(publisher)["variants"]
    assert variant["changes"] == third
    two, one = variant["superseded"]
    assert two["changes"] == second and "changes" not in one
    assert "changes" not in added(publisher, prepared("--revision", 2))
    assert card_of(publisher)["variants"] == [variant]


def test_the_signed_card_has_it(publisher, prepared):
    change = added(publisher, prepared("--revision", 1))
    publisher.sign()
    card, = publisher.tree.glob("targets/models/tiny/*.card.json")
    assert json.loads(card.read_text())["variants"][0]["changes"] == change["changes"]


@pytest.mark.parametrize("changes, message", [
    ("all of it", "expected an array of strings"),
    ([1], "expected a string"),
    (["a\nb"], "contains a control character"),
    (["x" * 501], "must have 1 to 500 bytes"),
    (["same"] * 65, "more than 64 entries"),
])
def test_a_card_with_other_changes_is_refused(publisher, changes, message):
    card = card_of(publisher)
    card["variants"][0]["changes"] = changes
    (publisher.tree / "cards/tiny.card.json").write_text(json.dumps(card))
    error = publisher.ferry("catalog", "sign", cwd=publisher.dir, check=6)
    assert "variants[0].changes" in error.err and message in error.err


# -- labels ------------------------------------------------------------------------------------

def test_a_version_without_a_label_gets_one_and_keeps_it(publisher, prepared):
    change = added(publisher, prepared(), "--label", "2026-11")
    assert (change["change"], change["version"], change["label"], change["card_members"]) == (
        "updated", 1, "2026-11", "label")
    assert added(publisher, prepared(), "--label", "2026-11")["change"] == "unchanged"
    again = publisher.ferry("catalog", "add", prepared(), "--label", "2026-12", cwd=publisher.dir)
    assert "tiny:main did not change, and its version 1 keeps the label '2026-11'" in again.err
    assert card_of(publisher)["variants"][0]["label"] == "2026-11"


def test_a_label_is_for_one_version_of_a_variant(publisher, prepared):
    added(publisher, prepared(), "--label", "2026-11")
    error = publisher.ferry("catalog", "add", prepared("--revision", 1), "--label", "2026-11",
                            cwd=publisher.dir, check=2)
    assert "version 1 has the label '2026-11' already" in error.err
    added(publisher, prepared("--revision", 1))
    error = publisher.ferry("catalog", "add", prepared("--revision", 1), "--label", "2026-11",
                            cwd=publisher.dir, check=2)
    assert "version 1 has the label '2026-11' already" in error.err


def test_a_label_is_given_to_each_variant_changed_or_not(publisher, make_gguf, work, ferry):
    for variant, options in (("main", ["--revision", 1]), ("half", ["--type", "f16"])):
        make_gguf(work / "tiny.gguf", *options)
        ferry("prepare", "-q", f"tiny:{variant}", work / "tiny.gguf")
    both = publisher.ferry("catalog", "add", "--json", "models/tiny", "--label", "2026-11",
                           "-C", work, "--repository", publisher.tree).json["changes"]
    assert {(c["variant"], c["version"], c["label"]) for c in both} == {
        ("main", 2, "2026-11"), ("half", 1, "2026-11")}


# -- withdrawn models --------------------------------------------------------------------------

def test_a_new_version_of_a_model_withdrawn_as_a_whole_is_warned_of(publisher, prepared):
    publisher.ferry("catalog", "withdraw", "-q", "tiny", "--reason", "wrong weights",
                    cwd=publisher.dir)
    warned = publisher.ferry("catalog", "add", prepared("--revision", 1), cwd=publisher.dir).err
    assert "tiny is withdrawn with all its versions" in warned
    assert "`ferry catalog withdraw --undo tiny`" in warned
    again = publisher.ferry("catalog", "add", prepared("--revision", 1), cwd=publisher.dir).err
    assert "withdrawn" not in again


def test_a_new_version_of_a_withdrawn_variant_is_not_warned_of(publisher, prepared):
    publisher.ferry("catalog", "withdraw", "-q", "tiny:main", "--reason", "wrong weights",
                    cwd=publisher.dir)
    warned = publisher.ferry("catalog", "add", prepared("--revision", 1), cwd=publisher.dir).err
    assert "withdrawn" not in warned
