"""MODEL:auto: the largest variant that fits into the memory."""

import json
import os
import shutil

import pytest

from conftest import Ferry
from test_search import GIB, card, variant, write

CARDS = [
    card("chat", "Chat", "llama", "MIT", [],
         variant("q2", ram=2, size_kib=2),
         variant("q8", ram=8, size_kib=8, default=True),
         variant("f16", ram=16, size_kib=16),
         variant("mmproj", kind="projector", size_kib=1)),
    card("long", "Long", "llama", "MIT", [],
         {**variant("q8", size_kib=8),
          "ram": {"context": 4096, "bytes": 5 * GIB, "token_bytes": 1 << 20}},
         variant("q4", size_kib=4)),
    card("eye", "Eye", "clip", "MIT", [], variant("mmproj", kind="projector")),
]


@pytest.fixture(scope="session")
def auto_shelf(tmp_path_factory):
    ferry = Ferry(tmp_path_factory.mktemp("auto"))
    started = ferry("catalog", "init", "lab", "--unencrypted", "--json").json
    for model in json.loads(json.dumps(CARDS)):
        write(ferry.work / "repository", model)
    ferry("catalog", "sign", "-q")
    ferry.conf = started["client_configuration"]
    return ferry


@pytest.fixture
def reader(auto_shelf, ferry, work):
    """A client of these models, on a machine with the memory that a test says."""
    (work / "ferry.conf").write_text(auto_shelf.conf)
    for root in auto_shelf.work.glob("*.root.json"):
        (work / root.name).write_bytes(root.read_bytes())

    def run(*args, memory="9G", **options):
        return ferry(*args, env={"FERRY_MEMORY": memory, **options.pop("env", {})}, **options)
    return run


def variant_of(result):
    return result.json["models"][0]["variant"]


@pytest.mark.parametrize("memory, chosen", [("64G", "f16"), ("16G", "f16"), ("15G", "q8"),
                                            ("2G", "q2")])
def test_the_largest_variant_that_fits_is_fetched(reader, memory, chosen):
    result = reader("fetch", "chat:auto", "--json", memory=memory)
    assert variant_of(result) == chosen
    assert f"chat:auto is {chosen}: it needs" in result.err


def test_it_says_what_was_chosen_why_and_what_did_not_fit(reader):
    result = reader("fetch", "chat:AUTO", "--json")
    assert ("chat:auto is q8: it needs 8.0 GiB with 2048 tokens of context and there is 9.0 GiB of "
            "memory; too large: f16 (16.0 GiB)") in result.err
    assert result.json["models"][0]["auto"] == {
        "memory": 9 * GIB, "gpu": False, "needs": 8 * GIB, "context": 2048,
        "too_large": [{"variant": "f16", "needs": 16 * GIB}]}


def test_nothing_that_fits_is_exit_3_and_names_the_smallest(reader):
    result = reader("fetch", "chat:auto", memory="1G", check=3)
    assert ("no variant of chat fits into 1.0 GiB of memory: the smallest, q2, needs 2.0 GiB with "
            "2048 tokens of context") in result.err
    assert "chat:q2 takes it nevertheless" in result.err


def test_what_is_used_together_with_a_model_is_never_chosen(reader):
    result = reader("fetch", "eye:auto", check=3)
    assert "eye has no variant that 'auto' could choose" in result.err


@pytest.mark.parametrize("options, chosen", [
    ([], "q4"), (["--context", "2048"], "q8"), (["--context=2048", "--fits=1G"], "q4")])
def test_the_context_counts(reader, options, chosen):
    """Of the larger variant, 4096 tokens need 5 GiB, and each more or less 1 MiB."""
    result = reader("fetch", "long:auto", "--json", *options, memory="4G")
    assert variant_of(result) == chosen


def test_an_option_is_stronger_than_the_variable_and_the_variable_than_the_machine(reader):
    assert variant_of(reader("fetch", "chat:auto", "--json", "--fits=2G")) == "q2"
    assert "FERRY_MEMORY=much: expected a size" in reader("fetch", "chat:auto", memory="much",
                                                          check=2).err


def test_show_and_run_and_list_choose_the_same(reader):
    result = reader("show", "chat:auto", "--json")
    assert result.json["variant"] == "q8" and result.json["auto"]["needs"] == 8 * GIB
    assert reader("run", "chat:auto", "--", "echo", "{}").out.strip().endswith("chat-q8.gguf")
    [model] = reader("list", "chat", "--fits", "--kind=model", "--json").json["models"]
    assert [v["id"] for v in model["variants"]] == ["q2", "q8"]


def test_show_tells_the_memory_for_a_context(reader):
    assert "about 5.0 GiB of memory with 4096 tokens" in reader("show", "long").out
    assert "about 13.0 GiB of memory with 12288 tokens" in reader("show", "long", "--context",
                                                                  "12288").out


def test_offline_the_largest_one_in_the_store_is_chosen(reader):
    reader("show", "chat")
    error = reader("fetch", "chat:auto", "--offline", check=3)
    assert "chat has no variant in the store that 'auto' could choose" in error.err
    reader("fetch", "chat:q2")
    assert variant_of(reader("fetch", "chat:auto", "--offline", "--json")) == "q2"
    reader("fetch", "chat:f16")
    assert variant_of(reader("fetch", "chat:auto", "--offline", "--json", memory="64G")) == "f16"
    assert variant_of(reader("fetch", "chat:auto", "--offline", "--json")) == "q2"


def test_offline_an_earlier_version_of_the_largest_one_is_in_the_store_too(
        reader, auto_shelf, work):
    old, tree = str(auto_shelf.work), work / "lab"
    shutil.copytree(auto_shelf.work, tree)
    conf = work / "ferry.conf"
    conf.write_text(conf.read_text().replace(old, str(tree)))
    reader("fetch", "chat:q2", "chat:q8")
    changed = json.loads(json.dumps(CARDS[0]))
    changed["variants"][1].update(size_kib=9, version=2)
    write(tree / "repository", changed)
    Ferry(tree)("catalog", "sign", "-q")
    reader("list")
    result = reader("fetch", "chat:auto", "--offline", "--json")
    assert variant_of(result) == "q8" and result.json["models"][0]["version"] == 1
    assert "using version 1, which is in the store" in result.err


def test_without_any_catalog_the_sizes_in_the_store_decide(reader, work):
    reader("fetch", "chat:q2", "chat:q8")
    conf = work / "ferry.conf"
    text = conf.read_text().splitlines()
    conf.write_text("\n".join("metadata = http://127.0.0.1:1/" if line.startswith("metadata")
                              else line for line in text))
    result = reader("run", "chat:auto", "--", "echo", "{}")
    assert result.out.strip().endswith("chat-q8.gguf")


def test_a_version_is_one_of_the_chosen_variant(reader):
    assert variant_of(reader("fetch", "chat:auto@1", "--json")) == "q8"
    assert "chat@7 has no variant" in reader("fetch", "chat:auto@7", check=3).err


def test_completion_offers_auto_where_there_is_a_choice(reader):
    reader("list")
    words = reader("--complete", "fetch", "chat:").out.split()
    assert "chat:auto" in words and "chat:q8" in words
    assert "eye:auto" not in reader("--complete", "fetch", "eye:").out.split()


def test_completion_of_run_offers_auto_and_that_of_the_store_does_not(reader):
    reader("fetch", "chat:q2", "chat:q8")
    assert "chat:auto" in reader("--complete", "run", "chat:").out.split()
    assert "chat:auto" not in reader("--complete", "store", "remove", "chat:").out.split()


def test_lint_refuses_a_variant_of_this_name(ferry):
    ferry("catalog", "init", "lab", "--unencrypted")
    write(ferry.work / "repository", card("chat", "Chat", "llama", "MIT", [], variant("auto")))
    result = ferry("catalog", "lint", check=1)
    assert "'auto' stands for the largest variant that fits" in result.out + result.err


def fake_nvidia(folder, text, status=0):
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --query-gpu=memory.total ] || exit 9\n"
                       f"printf '{text}'\nexit {status}\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_memory_of_simulated_nvidia_cards_counts_if_it_is_more(reader, work):
    path = fake_nvidia(work / "bin", r"83886080\n[N/A]\n83886080\n")
    result = reader("show", "chat:auto", "--json", memory="", env={"PATH": path})
    assert result.json["auto"]["memory"] == 160 << 40 and result.json["auto"]["gpu"]
    assert "of memory on the graphics cards" in result.err


def test_a_simulated_nvidia_smi_that_fails_counts_for_nothing(reader, work):
    path = fake_nvidia(work / "bin", r"83886080\n", 1)
    result = reader("list", "--fits", "--json", memory="", env={"PATH": path})
    assert result.json["fits"] < 80 << 40
