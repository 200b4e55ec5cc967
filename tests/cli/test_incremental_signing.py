"""Signing reads only what changed, and signs byte for byte what it would have signed by reading
all: a tree with the record of the last signature, and a copy without it."""

import json
import os
import shutil

import pytest

import clocks
import small_gguf
from conftest import Ferry
from kills import Moments
from publisher import copy_tree

KEYS, TENSORS = small_gguf.llama_keys(file_type=7), small_gguf.llama_tensors(kind="q8_0")
CONF = "[repository.demo]\npath = repository\nkeys = keys\ntitle = Models for tests\n"


class Still(Ferry):
    """The clock stands still, so that dates are the same; those of files are the real ones."""

    def command(self, *args, at=None):
        return [*clocks.showing("2030-01-01 00:00:00", "-f"), *super().command(*args)]


class Desk:
    def __init__(self, folder):
        self.dir, self.tree = folder, folder / "repository"

    def __call__(self, *args, **options):
        work = self.dir / "work"
        work.mkdir(exist_ok=True)
        return Still(work)("catalog", *args, cwd=self.dir, env={
            "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}, **options)

    def prepare(self, name, seed=0, parent=None):
        work = (parent or self.dir) / f"prepare-{name}-{seed}"
        work.mkdir()
        keys = {**KEYS, "general.name": ("str", f"{name} {seed}")}
        small_gguf.write(work / f"{name}-q8_0.gguf", keys, TENSORS)
        Ferry(work)("prepare", "-q", name, f"{name}-q8_0.gguf", "--set", "license.id=MIT",
                    "--set", "summary=For tests")
        return work / "models" / name

    def add(self, *prepared):
        self("add", "-q", *prepared)

    def sign(self):
        return self("sign", "--json").json

    def published(self):
        """Everything but the pid in the locks."""
        return {str(p.relative_to(self.tree)): p.read_bytes() for p in self.tree.rglob("*")
                if p.is_file() and ".ferry" not in p.parts and p.name != ".lock"}


def card(desk, name, **members):
    path = desk.tree / f"cards/{name}.card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def damage(path):
    """Not in place: copies of the tree share their models."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(b"x" + data[1:])


CHANGES = {
    "nothing": lambda desk, new: None,
    "a changed card": lambda desk, new: card(desk, "b", title="Another"),
    "a new card": lambda desk, new: desk.add(new("d", 0)),
    "a first card of all": lambda desk, new: desk.add(new("0", 0)),
    "a removed card": lambda desk, new: desk("remove", "-q", "b"),
    "another version": lambda desk, new: desk.add(new("b", 1)),
    "a withdrawn model": lambda desk, new: desk("withdraw", "-q", "b", "--reason", "wrong"),
    "several at once": lambda desk, new: (desk.add(new("b", 1)), desk("remove", "-q", "c"),
                                          card(desk, "a", title="Another")),
    "another title": lambda desk, new: (desk.dir / "ferry.conf").write_text(
        CONF.replace("for tests", "of another title")),
    "a small catalog": lambda desk, new: (desk.dir / "ferry.conf").write_text(
        CONF + "catalog-max-size = 1k\n"),
}


@pytest.fixture(scope="session", params=["targets", "bins"])
def signed(request, tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("incremental"))
    (desk.dir / "ferry.conf").write_text(CONF)
    desk("init", "-q", "--unencrypted", "demo")
    if request.param == "bins":
        desk("delegate", "-q", "--bins", "4")
    desk.add(*[desk.prepare(name) for name in "abc"])
    desk.sign()
    return desk


@pytest.fixture
def pair(signed, work):
    """A copy with the record of the last signature, and one without."""
    with_record, without = [Desk(copy_tree(signed.dir, work / n)) for n in ("with", "without")]
    # A copy has other inodes: the record is made again.
    with_record.sign()
    assert (with_record.tree / ".ferry/staged").exists()
    shutil.rmtree(without.tree / ".ferry")
    return with_record, without


@pytest.mark.parametrize("change", CHANGES)
def test_incremental_signing_is_byte_for_byte_full_signing(pair, work, change):
    made = {}

    def new(name, seed):
        if (name, seed) not in made:
            made[name, seed] = pair[0].prepare(name, seed, work)
        return made[name, seed]
    results = []
    for desk in pair:
        CHANGES[change](desk, new)
        if desk is pair[1]:
            shutil.rmtree(desk.tree / ".ferry", ignore_errors=True)
        results.append(desk.sign())
    assert {k: v for k, v in results[0].items() if k != "repository"} == {
        k: v for k, v in results[1].items() if k != "repository"}
    assert results[0]["changed"] == (change != "nothing")
    assert pair[0].published() == pair[1].published()


def test_after_a_kill_at_any_moment_signing_is_byte_for_byte_full_signing(pair, work):
    desk, other = pair
    sign = Still(work)
    clock = {"NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def once(env):
        desk("withdraw", "-q", "b", "--reason", f"round {len(rounds)}")
        rounds.append(sign("catalog", "sign", cwd=desk.dir, env={**clock, **env}, check=None).code)
    rounds = []
    for env in Moments(work, once).some(8):
        once(env)
        shutil.rmtree(other.dir)
        without = Desk(copy_tree(desk.dir, other.dir))
        shutil.rmtree(without.tree / ".ferry")
        for d in (desk, without):
            d.sign()
        assert desk.published() == without.published()
    assert sum(code != 0 for code in rounds) >= 4


def test_a_catalog_that_becomes_small_enough_is_complete_again(pair):
    """Without a change of its maximum: by a model that is removed."""
    complete = (pair[0].tree / "catalog.json").stat().st_size
    for desk in pair:
        (desk.dir / "ferry.conf").write_text(CONF + f"catalog-max-size = {complete - 1}\n")
        desk.sign()
        assert json.loads((desk.tree / "catalog.json").read_text())["models"] == []
        desk("remove", "-q", "b")
    shutil.rmtree(pair[1].tree / ".ferry")
    for desk in pair:
        desk.sign()
        models = json.loads((desk.tree / "catalog.json").read_text())["models"]
        assert [m["id"] for m in models] == ["a", "c"]
    assert pair[0].published() == pair[1].published()


def test_a_card_that_did_not_change_is_not_read(pair):
    """One that no reader could parse, with the mark of the right one."""
    desk, _ = pair
    path = desk.tree / "cards/b.card.json"
    before = path.stat()
    with open(path, "r+b") as f:
        f.write(b"?")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    card(desk, "a", title="Another")
    assert desk.sign()["changed"]
    shutil.rmtree(desk.tree / ".ferry")
    assert "b.card.json" in desk("sign", check=6).err


@pytest.mark.parametrize("record", ["cut", "of another key", "damaged", "of yesterday"])
def test_a_record_that_is_not_right_is_not_used(pair, record):
    desk, other = pair
    path = desk.tree / ".ferry/staged"
    text = path.read_text()
    for d in pair:
        card(d, "b", title="Another")
    if record == "cut":
        path.write_text(text[:len(text) // 2])
    elif record == "of another key":
        first, _, rest = text.partition("\n")
        path.write_text(first[:-1] + ("0" if first[-1] != "0" else "1") + "\n" + rest)
    elif record == "damaged":
        path.write_text(text.replace("\nm ", "\nx ", 1))
    else:       # signed with another record in between
        desk.sign()
        card(desk, "b", title="Third")
        card(other, "b", title="Third")
        path.write_text(text)
    desk.sign()
    other.sign()
    assert json.loads((desk.tree / "catalog.json").read_text())["models"] == \
        json.loads((other.tree / "catalog.json").read_text())["models"]


@pytest.mark.parametrize("what", ["*.card.json", "*.gguf", "*.manifest.json"])
def test_a_damaged_object_is_noticed_by_the_next_signature(pair, what):
    desk, _ = pair
    path = next(desk.tree.glob(f"targets/models/b/{what}"))
    right = path.read_bytes()
    damage(path)
    result = desk("sign", check=None)
    if what == "*.gguf":
        assert result.code == 6
        assert ".b-q8_0.gguf does not have the size and SHA-256 in the card" in result.err
    else:       # it is made again
        assert result.code == 0 and path.read_bytes() == right
