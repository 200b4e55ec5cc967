"""ferry catalog lint: superseded versions, and what is to be used instead of withdrawn ones."""

import pytest

from test_changes import added, card_of, first, prepared, publisher  # noqa: F401 (fixtures)


def findings(publisher, check=0):
    """Place and text of what lint says, the gaps of the card aside."""
    found = publisher.ferry("catalog", "lint", "--json", cwd=publisher.dir, check=check).json
    return [(f["level"], f["where"], f["text"]) for f in found["findings"]
            if f["where"] != "mirrors" and ": missing" not in f["text"]
            and "license" not in f["text"]]


def withdraw(publisher, reference, replacement):
    publisher.ferry("catalog", "withdraw", "-q", reference, "--reason", "wrong weights",
                    "--replacement", replacement, cwd=publisher.dir)


@pytest.fixture
def two(publisher, prepared):
    """tiny:main in two versions."""
    added(publisher, prepared("--revision", 1))
    return publisher


def object_of(publisher, number):
    """The path of the object of a version."""
    variant, = card_of(publisher)["variants"]
    version, = [v for v in (variant, *variant["superseded"]) if v["version"] == number]
    file, = version["files"]
    folder, name = file["path"].rsplit("/", 1)
    return publisher.tree / "targets" / folder / f"{file['sha256']}.{name}"


def test_versions_that_are_right_are_fine(two):
    assert findings(two) == []


def test_a_missing_file_of_a_superseded_version_is_an_error(two):
    object_of(two, 1).unlink()
    [(level, where, text)] = findings(two, check=1)
    assert (level, where) == ("error", "tiny:main@1")
    assert "is not in the tree" in text and "`ferry catalog prune`" in text
    assert "ferry catalog add" not in text


def test_a_damaged_file_of_a_superseded_version_is_an_error(two):
    path = object_of(two, 1)
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.unlink()
    path.write_bytes(data)
    [(level, where, text)] = findings(two, check=1)
    assert (level, where) == ("error", "tiny:main@1")
    assert "does not have the size and SHA-256 in the card" in text


def test_a_missing_manifest_of_a_superseded_version_is_an_error(two):
    digest = object_of(two, 1).name.split(".")[0]
    manifest, = two.tree.glob(f"cards/tiny/{digest}.*.manifest.json")
    manifest.unlink()
    [(level, where, text)] = findings(two, check=1)
    assert (level, where) == ("error", "tiny:main@1")
    assert "manifest.json" in text


def test_a_file_that_two_versions_share_is_told_once(publisher, prepared):
    added(publisher, prepared("--shards", 2))
    added(publisher, prepared("--shards", 2, "--template", "{{ messages }}"))
    second = card_of(publisher)["variants"][0]["files"][1]
    folder, name = second["path"].rsplit("/", 1)
    (publisher.tree / "targets" / folder / f"{second['sha256']}.{name}").unlink()
    assert [where for _, where, _ in findings(publisher, check=1)] == ["tiny:main"]


@pytest.mark.parametrize("withdrawn, replacement, where, text", [
    ("tiny", "other", "tiny", "there is no model 'other'"),
    ("tiny:main", "tiny:q4", "tiny:main", "has no variant 'q4'"),
    ("tiny:main@1", "tiny:main@7", "tiny:main@1", "has no version '7'"),
    ("tiny", "tiny:main", "tiny", "'tiny:main' is withdrawn itself"),
    ("tiny:main@1", "tiny:main@1", "tiny:main@1", "'tiny:main@1' is withdrawn itself"),
])
def test_a_replacement_that_cannot_be_used_is_warned_of(two, withdrawn, replacement, where, text):
    withdraw(two, withdrawn, replacement)
    [(level, at, said)] = findings(two)
    assert (level, at) == ("warning", where)
    assert said.startswith("withdrawn.replacement: ") and text in said


def test_a_replacement_that_can_be_used_is_fine(two):
    withdraw(two, "tiny:main@1", "tiny:main@2")
    assert findings(two) == []
