"""`ferry fetch --dry-run`, and what is asked before a download replaces a stored version."""

import pytest

from disks import SmallDisk
from publisher import object_path
from test_auto import auto_shelf  # noqa: F401 (fixture)
from test_fetch import (PIECE, claimed, client, prepared, publisher,  # noqa: F401 (fixtures)
                        signed)
from typed import END, answered
from waiting import kill, until

pytestmark = pytest.mark.usefixtures("no_pauses")

MIB = 1 << 20
TINY = "tiny-q8_0.gguf"
ASKS = "\n[fetch]\nconfirm-above = 1M\n"


def snapshot(ferry):
    """Every file of the store that is of a model, with its size."""
    return {str(p.relative_to(ferry.store)): p.stat().st_size
            for folder in ("blobs", "partial", "models")
            for p in (ferry.store / folder).rglob("*") if p.is_file() and
            not p.name.startswith(".probe.")}


def dry(ferry, *args, **options):
    return ferry("fetch", "--dry-run", "--json", *args, **options).json


@pytest.fixture
def second(publisher, prepared):
    """Publishes another version of the model."""
    def publish():
        publisher.add(prepared("tiny", "6M", "--seed", "2"))
        publisher.sign()
    return publish


def version_of(ferry):
    return ferry("fetch", "tiny", "--offline", "--json").json["models"][0]["version"]


# -- --dry-run -----------------------------------------------------------------------------------

def test_a_dry_run_says_the_bytes_and_the_mirrors_and_downloads_nothing(ferry, publisher, client):
    publisher.sign(near="http://127.0.0.1:1/near", far="http://127.0.0.1:1/far")
    client()
    size = object_path(publisher.tree, TINY).stat().st_size
    document = dry(ferry, "tiny")
    [model] = document["models"]
    assert document["download"] == model["download"] == model["size"] == size
    assert model["mirrors"] == ["near", "far", f"file://{publisher.tree}"]
    assert (model["in_store"], model["kept"], model["reused"]) == (0, 0, 0)
    [disk] = model["disks"]
    assert disk["needed"] >= size and disk["free"] > 0 and disk["enough"]
    assert snapshot(ferry) == {}
    text = ferry("fetch", "-n", "tiny").out
    assert "download       30.0 MiB" in text and "from           near, far, file://" in text


def test_a_dry_run_of_what_is_stored_downloads_nothing(ferry, client):
    ferry("fetch", "tiny")
    before = snapshot(ferry)
    [model] = dry(ferry, "tiny")["models"]
    assert model["download"] == 0 and model["in_store"] == model["size"] and not model["mirrors"]
    assert "replaces" not in model and snapshot(ferry) == before


def interrupt(ferry, server, *args):
    """A fetch that is killed when it has a piece."""
    server.add(path="*.gguf", hold_after=12 * MIB)
    process = ferry.start("fetch", *args, start_new_session=True)
    until(lambda: claimed(ferry) >= 1, process)
    kill(process)
    server.mend()


def test_a_dry_run_says_what_an_interrupted_fetch_has_left(ferry, publisher, client,
                                                           fault_server):
    server = fault_server(publisher.tree)
    client(server.url)
    interrupt(ferry, server, "tiny")
    before = snapshot(ferry)
    [model] = dry(ferry, "tiny")["models"]
    assert model["kept"] >= PIECE and model["kept"] + model["download"] == model["size"]
    assert "of an earlier run" in ferry("fetch", "-n", "tiny").out
    assert snapshot(ferry) == before


def test_a_dry_run_says_which_version_would_be_replaced(ferry, client, second):
    ferry("fetch", "tiny")
    second()
    [model] = dry(ferry, "tiny")["models"]
    assert (model["version"], model["replaces"]) == (2, 1)
    [beside] = dry(ferry, "tiny@2")["models"]
    assert "replaces" not in beside
    assert version_of(ferry) == 1


def test_a_dry_run_counts_what_other_files_of_the_store_have(ferry, publisher, client, prepared):
    ferry("fetch", "tiny")
    publisher.add(prepared("tiny", "30M", "--name", "Another name"))
    publisher.sign()
    [model] = dry(ferry, "tiny")["models"]
    assert model["reused"] > model["size"] / 2
    assert model["download"] + model["reused"] == model["size"]


def test_a_dry_run_says_that_the_disk_is_too_small(ferry, client):
    disk = SmallDisk(ferry.store, 20 * MIB)
    try:
        result = ferry("fetch", "-n", "tiny", env=disk.env)
        [model] = dry(ferry, "tiny", env=disk.env)["models"]
    finally:
        disk.close()
    assert "30.0 MiB needed" in result.out and f"free in {ferry.store}: not enough" in result.out
    [store] = model["disks"]
    assert not store["enough"] and store["free"] <= 20 * MIB < store["needed"]


def test_a_dry_run_without_a_network_says_that_the_stored_model_is_used(ferry, client):
    ferry("fetch", "tiny")
    client("http://127.0.0.1:1/")
    [model] = dry(ferry, "tiny")["models"]
    assert model["download"] == 0


def test_a_dry_run_of_several_models_adds_them_up_and_names_what_failed(ferry, client):
    result = ferry("fetch", "-n", "--json", "tiny", "nothing", check=3)
    assert result.json["download"] == result.json["models"][0]["download"] > 0
    assert result.json["failed"][0]["operand"] == "nothing"


# -- consent ---------------------------------------------------------------------------------------

def test_without_a_terminal_a_large_replacement_needs_yes(ferry, client, second):
    ferry("fetch", "tiny")
    second()
    client(extra=ASKS)
    before = snapshot(ferry)
    result = ferry("fetch", "tiny", check=2)
    assert "demo/tiny:q8_0 version 2 replaces version 1 and needs a download of 6." in result.err
    assert "--yes downloads it" in result.err
    assert snapshot(ferry) == before
    ferry("fetch", "--yes", "tiny")
    assert version_of(ferry) == 2


@pytest.mark.parametrize("answer, code, version", [("y", 0, 2), ("Yes", 0, 2), ("", 2, 1),
                                                   ("no", 2, 1), (END, 2, 1)])
def test_on_a_terminal_it_is_asked(ferry, client, second, answer, code, version):
    ferry("fetch", "tiny")
    second()
    client(extra=ASKS)
    result = answered(ferry, ["fetch", "tiny"], [("Download it? [y/N]", answer)])
    assert result.code == code, result.err
    assert version_of(ferry) == version


def test_a_start_script_runs_the_stored_version_with_a_warning(ferry, client, second):
    ferry("fetch", "tiny")
    second()
    client(extra=ASKS)
    result = ferry("run", "tiny", "--", "echo", "{}")
    assert result.out.strip().endswith(TINY)
    assert "nobody confirmed it; using the model in the store: demo/tiny:q8_0" in result.err
    assert "--yes downloads it" in result.err
    assert version_of(ferry) == 1
    ferry("run", "--yes", "tiny", "--", "true", "{}")
    assert version_of(ferry) == 2


def test_a_first_download_and_a_version_beside_it_are_not_asked_about(ferry, client, second):
    client(extra=ASKS)
    ferry("fetch", "tiny")
    second()
    ferry("fetch", "tiny@2")


def test_a_replacement_that_was_begun_is_not_asked_about(ferry, publisher, client, prepared,
                                                         fault_server):
    ferry("fetch", "tiny")
    publisher.add(prepared("tiny", "30M", "--seed", "2"))
    publisher.sign()
    server = fault_server(publisher.tree)
    client(server.url, extra=ASKS)
    interrupt(ferry, server, "--yes", "tiny")
    ferry("fetch", "tiny")
    assert version_of(ferry) == 2


def test_auto_in_a_start_script_runs_what_the_store_has(auto_shelf, ferry, work):
    """A larger variant fits by now; its download is not begun behind the user's back."""
    for root in auto_shelf.work.glob("*.root.json"):
        (work / root.name).write_bytes(root.read_bytes())
    (work / "ferry.conf").write_text(auto_shelf.conf + "\n[fetch]\nconfirm-above = 1K\n")
    small, large = {"FERRY_MEMORY": "3G"}, {"FERRY_MEMORY": "9G"}
    ferry("fetch", "chat:auto", env=small)
    result = ferry("run", "chat:auto", "--", "echo", "{}", env=large)
    assert result.out.strip().endswith("chat-q2.gguf")
    assert "lab/chat:q8 version 1 is to be used instead of q2 and needs a download of" in result.err
    assert ferry("fetch", "chat:auto", env=large, check=2).out == ""
    result = ferry("run", "--yes", "chat:auto", "--", "echo", "{}", env=large)
    assert result.out.strip().endswith("chat-q8.gguf")


def test_a_small_replacement_is_not_asked_about(ferry, client, second):
    ferry("fetch", "tiny")
    second()
    client(extra="\n[fetch]\nconfirm-above = 100M\n")
    ferry("fetch", "tiny")
    assert version_of(ferry) == 2


def test_off_asks_never(ferry, client, second):
    ferry("fetch", "tiny")
    second()
    client(extra="\n[fetch]\nconfirm-above = off\n")
    ferry("fetch", "tiny")
    assert version_of(ferry) == 2


def test_a_wrong_size_in_the_configuration_is_named(ferry, client):
    client(extra="\n[fetch]\nconfirm-above = much\n")
    assert "confirm-above" in ferry("fetch", "tiny", check=2).err
