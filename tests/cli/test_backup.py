"""`ferry catalog backup` and `restore`: a publisher goes on elsewhere."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile

import pytest

from conftest import Ferry
from kills import Moments, at
from published import Publisher, publisher, rewrite, signed_base  # noqa: F401 (fixtures)
from schemas import validate


@pytest.fixture
def elsewhere(work):
    """Another machine, with an empty folder."""
    (work / "elsewhere").mkdir()
    return Publisher(Ferry(work / "elsewhere"))


@pytest.fixture
def backup(publisher, work):  # noqa: F811
    publisher("catalog", "backup", "--plain-keys", "--objects", work / "b.tar.zst")
    return work / "b.tar.zst"


def names(archive):
    out = subprocess.run(["tar", "-tf", archive], check=True, capture_output=True, text=True)
    return out.stdout.split()


def digests(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*") if p.is_file() and ".lock" not in p.name}


def unpacked(archive, to):
    """The files of a backup, to be changed."""
    to.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", to], check=True)
    return to


def packed(folder, archive, *more):
    """A backup of the files in the folder, with entries of any kind besides."""
    with tarfile.open(archive, "w") as tar:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            tar.add(path, path.relative_to(folder))
        for entry, content in more:
            tar.addfile(entry, io.BytesIO(content))
    return archive


def test_a_publisher_goes_on_from_a_backup(publisher, elsewhere, backup):  # noqa: F811
    publisher("push")
    publisher("catalog", "backup", "--plain-keys", "--objects", backup)
    elsewhere("catalog", "restore", backup)
    local = (".ferry/seen", ".ferry/staged", ".ferry/backup.json")
    assert digests(elsewhere.tree) == {k: v for k, v in digests(publisher.tree).items()
                                       if k not in local}
    assert (elsewhere.dir / "keys" / "root.pem").stat().st_mode & 0o777 == 0o600
    assert (elsewhere.dir / "keys").stat().st_mode & 0o777 == 0o700
    elsewhere.add_model("second", "1M", seed=2)
    elsewhere("push")
    assert elsewhere.release("a") > publisher.release("a")
    assert elsewhere("verify", "--full", "--json").json["mirrors"][0]["result"] == "ok"


def test_the_same_tree_gives_the_same_backup_which_says_what_is_in_it(publisher, backup, work):  # noqa: F811
    publisher("catalog", "backup", "--plain-keys", "--objects", work / "again.tar.zst")
    assert (work / "again.tar.zst").read_bytes() == backup.read_bytes()
    folder = unpacked(backup, work / "unpacked")
    index = json.loads((folder / "backup.json").read_text())
    validate(index, "backup")
    found = digests(folder)
    found.pop("backup.json")
    assert {f["path"]: f["sha256"] for f in index["files"]} == found
    assert not [n for n in names(backup) if "lock" in n or "seen" in n or "staged" in n]


def test_model_files_and_keys_are_saved_only_on_request(publisher, work):  # noqa: F811
    publisher("catalog", "backup", "plain.tar.zst")
    listed = names(work / "plain.tar.zst")
    assert not [n for n in listed if n.endswith((".gguf", ".pem", ".pub"))]
    assert "ferry.conf" in listed and "repository/cards/tiny.card.json" in listed
    assert any(n.endswith(".tiny.card.json") for n in listed if "/targets/" in n)
    assert (work / "plain.tar.zst").stat().st_mode & 0o077


def test_a_key_without_a_passphrase_is_refused_unless_asked_for(publisher, work):  # noqa: F811
    refused = publisher("catalog", "backup", "--with-keys", "k.tar.zst", check=2)
    assert "is not encrypted" in refused.err and not (work / "k.tar.zst").exists()
    for name in ("root", "targets", "snapshot", "timestamp"):
        (work / "new").write_text("correct horse battery\n")
        publisher("catalog", "key", "passphrase", name, "--new-passphrase-file", work / "new")
    made = publisher("catalog", "backup", "--with-keys", "k.tar.zst", "--json").json
    assert made["keys"] == 8
    assert (work / "k.tar.zst").stat().st_mode & 0o777 == 0o600
    folder = unpacked(work / "k.tar.zst", work / "unpacked")
    assert "ENCRYPTED" in (folder / "keys" / "root.pem").read_text()


def test_a_backup_is_not_written_into_the_tree(publisher):  # noqa: F811
    assert "inside" in publisher("catalog", "backup", "repository/b.tar.zst", check=2).err


def test_a_damaged_object_is_not_saved(publisher, work):  # noqa: F811
    card = publisher.on("repository", "*.tiny.card.json")
    rewrite(card, card.read_bytes() + b" ")
    assert "is damaged" in publisher("catalog", "backup", "b.tar.zst", check=6).err
    assert not (work / "b.tar.zst").exists()


def test_a_newer_tree_or_another_repository_is_not_touched(publisher, backup, work):  # noqa: F811
    publisher("catalog", "refresh")
    before = digests(work / "repository")
    newer = publisher("catalog", "restore", backup, check=8)
    assert "is newer" in newer.err and "hint" in newer.err
    other = work / "other"
    other.mkdir()
    shutil.copy(work / "ferry.conf", other)
    publisher("catalog", "init", "--unencrypted", cwd=other)
    refused = publisher("catalog", "restore", backup, other, check=2)
    assert "another repository" in refused.err
    assert digests(work / "repository") == before


def test_an_older_tree_is_brought_up_to_the_backup_but_not_edited_cards(publisher, work):  # noqa: F811
    old = shutil.copytree(work / "repository", work / "old" / "repository")
    publisher("catalog", "refresh")
    publisher("catalog", "backup", "--objects", "new.tar.zst")
    card = old / "cards" / "tiny.card.json"
    rewrite(card, card.read_bytes().replace(b"For tests", b"Edited"))
    (old / "cards" / "mine.card.json").write_text("{}")
    assert "is not that of the backup" in publisher(
        "catalog", "restore", "new.tar.zst", "old", check=8).err
    card_before = card.read_bytes()
    shutil.copy(work / "repository" / "cards" / "tiny.card.json", card)
    assert "is not in the backup" in publisher(
        "catalog", "restore", "new.tar.zst", "old", check=8).err
    card.write_bytes(card_before)
    publisher("catalog", "restore", "--replace", "new.tar.zst", "old")
    assert not (old / "cards" / "mine.card.json").exists()
    assert digests(old / "metadata") == digests(work / "repository" / "metadata")
    assert card.read_bytes() == (work / "repository/cards/tiny.card.json").read_bytes()


def test_what_is_there_of_keys_and_ferry_conf_stays(backup, elsewhere):
    (elsewhere.dir / "ferry.conf").write_text("# mine\n")
    result = elsewhere("catalog", "restore", backup, "--json").json
    assert [p.split("/")[-1] for p in result["kept"]] == ["ferry.conf"]
    assert (elsewhere.dir / "ferry.conf").read_text() == "# mine\n"


def test_a_dry_run_changes_nothing(backup, elsewhere):
    before = sorted(elsewhere.dir.iterdir())
    result = elsewhere("catalog", "restore", "-n", backup, "new", "--json").json
    assert result["dry_run"] and result["placed"] == result["files"] > 10
    assert sorted(elsewhere.dir.iterdir()) == before


def entry(name, content=b"x", **settings):
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for key, value in settings.items():
        setattr(made, key, value)
    return made, content


@pytest.mark.parametrize("more, why", [
    ([entry("../evil")], "leads out"),
    ([entry("/evil")], "absolute"),
    ([entry("repository/cards/x", b"", type=tarfile.SYMTYPE, linkname="/etc")], "symbolic link"),
    ([entry("repository/cards/x", b"", type=tarfile.LNKTYPE, linkname="ferry.conf")], "hard link"),
    ([entry("repository/.ferry/more")], "lists"),
    ([entry("ferry.conf")], "twice"),
    ([entry("repository/cards/zeros", b"\0" * (40 << 20))], "lists"),
], ids=lambda x: x if isinstance(x, str) else "")
def test_an_archive_that_was_tampered_with_puts_nothing_in_place(backup, elsewhere, work, more, why):
    folder = unpacked(backup, work / "unpacked")
    bad = packed(folder, work / "bad.tar", *more)
    refused = elsewhere("catalog", "restore", bad, check=6)
    assert why in refused.err
    assert list(elsewhere.dir.glob("r*")) == [] and list(elsewhere.dir.glob(".f*")) == []


def test_a_bomb_is_refused(backup, elsewhere, work):
    folder = unpacked(backup, work / "unpacked")
    with open(folder / "repository" / "cards" / "zeros", "wb") as f:
        f.truncate(40 << 20)
    (folder / "repository" / "targets" / "models").rename(work / "models")  # compresses badly
    packed(folder, work / "bad.tar")
    subprocess.run(["zstd", "-q", "--rm", work / "bad.tar"], check=True)
    assert "bomb" in elsewhere("catalog", "restore", work / "bad.tar.zst", check=6).err


def test_files_and_places_that_the_index_does_not_vouch_for_are_refused(backup, elsewhere, work):
    folder = unpacked(backup, work / "unpacked")
    index = json.loads((folder / "backup.json").read_text())
    card = folder / "repository" / "cards" / "tiny.card.json"
    card.write_bytes(card.read_bytes() + b" ")
    assert "damaged" in elsewhere("catalog", "restore", packed(folder, work / "1.tar"), check=6).err
    # A file that is listed, but that no backup has there.
    (folder / "home").write_text("x")
    index["files"].append({"path": "home", "size": 1,
                           "sha256": hashlib.sha256(b"x").hexdigest()})
    (folder / "backup.json").write_text(json.dumps(index))
    refused = elsewhere("catalog", "restore", packed(folder, work / "2.tar"), check=6)
    assert "does not belong" in refused.err
    (folder / "backup.json").write_text("{}")
    elsewhere("catalog", "restore", packed(folder, work / "3.tar"), check=6)
    (folder / "backup.json").unlink()
    assert "no backup.json" in elsewhere("catalog", "restore", packed(folder, work / "4.tar"),
                                         check=6).err


@pytest.mark.parametrize("folder, name", [("keys", ".ssh"), ("keys", "a/.git"), ("tree", ".git")])
def test_a_backup_whose_folders_are_hidden_is_refused(backup, elsewhere, work, folder, name):
    at = unpacked(backup, work / "unpacked")
    index = json.loads((at / "backup.json").read_text())
    index[folder] = name
    (at / "backup.json").write_text(json.dumps(index))
    refused = elsewhere("catalog", "restore", packed(at, work / "1.tar"), check=6)
    assert "names of its folders are not valid" in refused.err


def test_metadata_that_does_not_verify_is_refused_even_with_right_digests(backup, elsewhere, work):
    folder = unpacked(backup, work / "unpacked")
    index = json.loads((folder / "backup.json").read_text())
    path = max((folder / "repository" / "metadata").glob("*.targets.json"))
    path.write_bytes(path.read_bytes().replace(b"targets", b"targetz", 1))
    for file in index["files"]:
        content = (folder / file["path"]).read_bytes()
        file.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    (folder / "backup.json").write_text(json.dumps(index))
    refused = elsewhere("catalog", "restore", packed(folder, work / "bad.tar"), check=6)
    assert "the repository in the backup" in refused.err


def test_a_truncated_backup_is_refused(backup, elsewhere):
    with open(backup, "r+b") as f:
        f.truncate(backup.stat().st_size // 2)
    assert "backup" in elsewhere("catalog", "restore", backup, check=6).err
    assert list(elsewhere.dir.glob(".f*")) == []


def test_what_a_killed_restore_left_is_removed_by_the_next(backup, elsewhere):
    left = elsewhere.dir / ".ferry-restore-abcdef"
    (left / "repository").mkdir(parents=True)
    elsewhere("catalog", "restore", backup)
    assert not left.exists() and elsewhere.tree.is_dir()


def test_a_reader_of_the_folder_sees_the_old_or_the_new_release_whenever_restore_is_killed(
        publisher, work):  # noqa: F811
    """Each time onto an older tree, which a reader fetches from at that moment."""
    shutil.copytree(work / "repository", work / "older")
    publisher.add_model("second", "1M", seed=2)
    publisher("catalog", "backup", "--objects", "new.tar.zst")
    new = digests(work / "repository" / "metadata")
    pin = hashlib.sha256((work / "repository/metadata/1.root.json").read_bytes()).hexdigest()
    shutil.copytree(work / "older", work / "old" / "repository")

    def restore(env, **options):
        return publisher("catalog", "restore", "--replace", "new.tar.zst", "old", env=env, **options)
    placed = publisher("catalog", "restore", "--replace", "-n", "new.tar.zst", "old",
                       "--json").json["placed"]
    seen = set()
    for i, n in enumerate((1, placed // 3, 2 * placed // 3, placed - 1, placed)):
        shutil.rmtree(work / "old")
        shutil.copytree(work / "older", work / "old" / "repository")
        assert restore(at(n, "rename"), check=None).code == -9
        home = work / f"reader-{i}"
        home.mkdir()
        reader = Ferry(home)
        reader("repository", "add", "r", work / "old" / "repository", "--root-sha256", pin)
        reader("fetch", "tiny")
        seen.add(len(reader("list", "--json").json["models"]))
        restore(None)
        assert digests(work / "old" / "repository" / "metadata") == new
        assert not list((work / "old").glob(".ferry-restore*"))
    assert seen == {1, 2}


def test_a_killed_backup_leaves_no_file_of_its_name(publisher, work):  # noqa: F811
    def save(env, **options):
        return publisher("catalog", "backup", "b.tar.zst", env=env, **options)
    for env in Moments(work, save).some(6):
        (work / "b.tar.zst").unlink(missing_ok=True)
        assert save(env, check=None).code == -9
        if (work / "b.tar.zst").exists():
            publisher("catalog", "restore", "-n", "b.tar.zst", "elsewhere")
    save(None)
