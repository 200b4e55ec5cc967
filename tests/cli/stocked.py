"""A store with three models: alpha, twin (the same bytes as alpha) and split (two shards). They
are published and fetched once; each test has a copy.

    from stocked import made_once, stock  # noqa: F401
"""

import os
import shutil

import pytest

from conftest import Ferry
from publisher import Publisher
from small_gguf import llama_keys, llama_tensors, shards, write

ALPHA, TWIN, SPLIT = MODELS = "alpha:f32", "twin:f32", "split:f32"
DAY = 86400


class Stock:
    def __init__(self, ferry):
        self.ferry = ferry

    @property
    def files(self):
        """(model, name) → blob."""
        found = {}
        for v in self.ferry("store", "list", "--json").json["variants"]:
            for f in v["files"]:
                found[v["model"], f["name"]] = self.ferry.store / "blobs/sha256" / f["sha256"]
        return found

    def used(self, model, path=".used"):
        return self.ferry.store / "models/demo" / model.replace(":", "/") / path

    def use(self, model, days):
        """As if it was used so many days ago."""
        path = self.used(model)
        path.touch()
        time = int(path.stat().st_mtime) - days * DAY
        os.utime(path, (time, time))

    def has(self, model):
        return self.used(model, ".variant.json").exists()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    work = tmp_path_factory.mktemp("stocked")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    write(work / "alpha.gguf", llama_keys(), llama_tensors())
    shutil.copy(work / "alpha.gguf", work / "twin.gguf")
    parts = shards(work, "split", llama_keys(blocks=4, name="Split"), llama_tensors(range(4)))
    for model, source in ("alpha", "alpha.gguf"), ("twin", "twin.gguf"), ("split", parts[0]):
        ferry("prepare", "-q", model, source, "--set", "license.id=MIT")
        publisher.add(work / "models" / model)
    publisher.sign()
    (work / "ferry.conf").write_text(publisher.client())
    ferry("fetch", *(m.split(":")[0] for m in MODELS))
    # A copy has other inodes.
    shutil.rmtree(ferry.store / "marks")
    return work


@pytest.fixture
def configured(ferry, made_once):  # noqa: F811
    """The store is empty."""
    shutil.copy(made_once / "ferry.conf", ferry.work)


@pytest.fixture
def stock(ferry, made_once):  # noqa: F811
    shutil.copytree(made_once / "store", ferry.store, symlinks=True)
    shutil.copy(made_once / "ferry.conf", ferry.work)
    return Stock(ferry)
