"""Several operands: the fault of one is told, and the others are done."""

import pytest

from conftest import Ferry

MODELS = ("alpha", "beta")


class Shop:
    """A publisher of two models, and a reader in the folder reader/ who has fetched none."""

    def __init__(self, folder, make_gguf):
        self.folder = folder
        self.ferry = Ferry(folder)
        started = self.ferry("catalog", "init", "lab", "--json", "--unencrypted").json
        self.reader = folder / "reader"
        self.reader.mkdir()
        (self.reader / "ferry.conf").write_text(started["client_configuration"])
        for seed, model in enumerate(MODELS):
            make_gguf(folder / f"{model}.gguf", "--seed", seed)
            self.ferry("prepare", "-q", model, f"{model}.gguf", "--set", "license.id=MIT")

    def publish(self):
        self.ferry("catalog", "add", "-q", "models/alpha", "models/beta")
        self.ferry("catalog", "sign", "-q")

    def read(self, *args, **options):
        return self.ferry(*args, cwd=self.reader, **options)


@pytest.fixture
def shop(work, make_gguf):
    return Shop(work, make_gguf)


@pytest.fixture
def open_shop(shop):
    shop.publish()
    return shop


def failed(result, *operands):
    """With --json: what failed, and nothing else."""
    assert [f["operand"] for f in result.json["failed"]] == list(operands)
    assert result.json["error"]["exit"] == result.json["failed"][0]["error"]["exit"] == result.code


def test_ten_files_with_a_bad_one_are_nine_manifests_and_a_report(ferry, work, make_gguf):
    names = [f"{i}.gguf" for i in range(10)]
    for name in names:
        make_gguf(work / name)
    (work / "3.gguf").write_bytes(b"GGUF")
    result = ferry("manifest", "create", *names, "--sums", "SHA256SUMS", check=6)
    assert result.out.splitlines() == [f"{n}.manifest.json" for n in names if n != "3.gguf"]
    assert "ferry manifest create: 3.gguf: " in result.err
    assert result.err.splitlines()[-1].endswith("1 of 10 failed; the others are done")
    assert len((work / "SHA256SUMS").read_text().splitlines()) == 9
    assert not (work / "3.gguf.manifest.json").exists()
    good = [n for n in names if n != "3.gguf"]
    ferry("manifest", "check", *good)


def test_a_file_that_is_missing_is_told_before_the_others_are_hashed(ferry, work):
    for name in "ab":
        (work / name).write_bytes(b"data")
    result = ferry("manifest", "create", "a", "gone", "b", "--json", check=3)
    failed(result, "gone")
    assert [f["path"] for f in result.json["files"]] == ["a", "b"]


def test_one_file_that_fails_is_just_its_error(ferry):
    result = ferry("manifest", "create", "gone", "--json", check=3)
    assert set(result.json) == {"command", "error"}
    assert result.err.startswith("ferry manifest create: gone: ")
    assert "failed" not in result.err


def test_manifests_are_checked_although_one_file_is_missing(ferry, work):
    for name in "ab":
        (work / name).write_bytes(b"data")
    ferry("manifest", "create", "a", "b")
    result = ferry("manifest", "check", "gone", "a", "b", "--json", check=3)
    failed(result, "gone")
    assert result.json["summary"]["ok"] == 2 and result.json["ok"] is False


def test_when_all_fail_the_first_fault_is_the_exit_code(ferry, work):
    (work / "bad.gguf").write_bytes(b"GGUF")
    result = ferry("manifest", "create", "gone", "bad.gguf", "--json", check=3)
    failed(result, "gone", "bad.gguf")
    assert result.json["files"] == [] and "sums" not in result.json
    assert result.json["error"]["message"] == "2 of 2 failed"


def test_models_are_added_although_one_folder_is_missing(shop):
    result = shop.ferry("catalog", "add", "models/gone", "models/alpha", "models/beta", "--json",
                        check=3)
    failed(result, "models/gone")
    assert [c["model"] for c in result.json["changes"]] == ["alpha", "beta"]
    shop.ferry("catalog", "sign")
    assert {m["id"] for m in shop.read("list", "--json").json["models"]} == set(MODELS)


def test_models_are_removed_although_one_is_unknown(open_shop):
    result = open_shop.ferry("catalog", "remove", "gone", "alpha", "beta", "--json", check=3)
    failed(result, "gone")
    assert result.json["removed"] == ["alpha", "beta"]


def test_cards_are_linted_although_one_is_missing(shop):
    card = "models/alpha/alpha.card.json"
    result = shop.ferry("catalog", "lint", "gone.json", card, "--json", check=3)
    failed(result, "gone.json")
    assert result.json["findings"]


def test_keys_are_tried_although_one_is_unknown(shop):
    result = shop.ferry("catalog", "key", "check", "gone", "root", "targets", "--json", check=3)
    failed(result, "gone")
    assert result.json["checked"] == ["root", "targets"]
    result = shop.ferry("catalog", "key", "passphrase", "root", "gone", "targets",
                        "--unencrypted", "--json", check=3)
    failed(result, "gone")
    assert result.json["changed"] == ["root", "targets"]


def test_models_are_fetched_although_one_is_unknown_and_one_is_no_name(open_shop):
    result = open_shop.read("fetch", "alpha", "gone", "b//d", "beta", check=2)
    assert len(result.out.splitlines()) == 2
    assert "ferry fetch: " in result.err and "2 of 4 failed" in result.err
    result = open_shop.read("fetch", "gone", "alpha", "beta", "--json", check=3)
    failed(result, "gone")
    assert [m["model"] for m in result.json["models"]] == ["alpha", "beta"]


def test_stored_models_are_verified_and_removed_although_one_is_not_there(open_shop):
    open_shop.read("fetch", *MODELS)
    result = open_shop.read("store", "verify", "gone", *MODELS, "--json", check=3)
    failed(result, "gone")
    assert [f["verdict"] for f in result.json["files"]] == ["ok", "ok"]
    result = open_shop.read("store", "remove", "gone", *MODELS, "--json", check=3)
    failed(result, "gone")
    assert [r["model"] for r in result.json["removed"]] == list(MODELS)
    assert open_shop.read("store", "list").out == ""


def test_repositories_are_looked_at_although_one_is_unknown(open_shop):
    result = open_shop.read("repository", "status", "gone", "lab", "--json", check=3)
    failed(result, "gone")
    assert [r["name"] for r in result.json["repositories"]] == ["lab"]


def test_what_cannot_be_read_in_the_store_is_told_and_the_rest_is_hashed(open_shop):
    """A loop of links in the place of the first blob cannot be read."""
    open_shop.read("fetch", *MODELS)
    found = open_shop.read("store", "verify", "--json").json["files"]
    blob = open_shop.ferry.store / "blobs/sha256" / found[0]["sha256"]
    blob.unlink()
    blob.symlink_to(blob.name)
    for operands in ([], MODELS):
        result = open_shop.read("store", "verify", *operands, "--json", check=7)
        assert [f["verdict"] for f in result.json["files"]] == ["unreadable", "ok"]
        assert result.json["error"]["exit"] == 7
