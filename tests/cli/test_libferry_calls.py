"""What ferry.h promises, call by call, from a process that is not a ferry command. Each test also
finds that nothing was printed, and that no thread was left; see libferry_driver.py."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, Ferry, preloaded
from faulty_simulated import PIECE, Faulty
from test_fetch import sha256
from test_libferry import LIB, environment, preloads, root_digest, two     # noqa: F401
from test_proxies import certificate
from test_search import GIB, card, variant, write
from waiting import PATIENCE

DRIVER = ROOT / "tests" / "cli" / "libferry_driver.py"
OK, USAGE, NOT_FOUND, NETWORK, INTEGRITY, SYSTEM, CANCELLED = 0, 2, 3, 4, 6, 7, 9
PROGRESS, NOTE, WARNING, MIRROR = 1, 2, 3, 4
MIB = 1 << 20

CARDS = [
    card("phi-2", "Phi 2", "phi2", "MIT", ["chat", "small"],
         variant("q4", ram=2, size_kib=4, default=True), variant("q8", ram=8, size_kib=8),
         variant("mmproj", kind="projector", size_kib=1)),
    card("phi-2-code", "Phi 2 for code", "phi2", "MIT AND Apache-2.0", ["code"],
         variant("q8", ram=4)),
    card("qwen", "Qwen", "qwen2", "Apache-2.0", ["chat"], variant("q8", ram=16, size_kib=64)),
    card("old", "Old", "llama", "MIT", [], variant("q8", ram=1),
         withdrawn={"reason": "wrong weights", "since": "2026-01-02T03:04:05Z"}),
    card("eye", "Eye", "llava", "MIT", [], variant("q8", ram=32), variant("mmproj")),
]
MODELS = ["eye", "old", "phi-2", "phi-2-code", "qwen"]


def join(path):
    """Makes one variant of both, the second as the projector of the first."""
    model = json.loads(path.read_text())
    first, second = model["variants"]
    first["files"] += [{**second["files"][0], "role": "projector"}]
    first["size"] += second["size"]
    path.write_text(json.dumps({**model, "variants": [first]}))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The tree of a repository with these models, and the digest of its root."""
    ferry = Ferry(tmp_path_factory.mktemp("lab"))
    ferry("catalog", "init", "lab", "--unencrypted", "-q")
    for model in json.loads(json.dumps(CARDS)):
        write(ferry.work / "repository", model)
    join(ferry.work / "repository/cards/eye.card.json")
    ferry("catalog", "sign", "-q")
    ferry.tree = ferry.work / "repository"
    return ferry


@pytest.fixture
def library(work):
    """library({"repositories": …}, {"do": "list"}, …): what each call gave, that of ferry_open
    first. The pauses between attempts take no time."""
    clock, sanitizer = preloaded("clock"), preloads()
    paths = [p["LD_PRELOAD"] for p in (sanitizer, clock) if p]
    preload = {**clock, **sanitizer, "LD_PRELOAD": ":".join(paths)}      # sanitizers come first

    def run(settings, *calls):
        asked = {"settings": {"home": str(work / "store"), **settings}, "calls": calls}
        with open(work / "results", "w") as results:
            done = subprocess.run(
                [sys.executable, DRIVER, str(results.fileno()), json.dumps(asked)],
                capture_output=True, text=True, timeout=PATIENCE, pass_fds=[results.fileno()],
                env=environment(work, LD_LIBRARY_PATH=str(LIB), **preload))
        assert done.returncode == 0, done.stderr
        assert (done.stdout, done.stderr) == ("", "")
        told = json.loads((work / "results").read_text())
        assert told["threads"] == 0 and not any(r.get("threads") for r in told["results"])
        return told["results"]
    return run


@pytest.fixture
def local(lab):
    """The settings of a program that reads the repository from a folder."""
    return {"repositories": [at(lab, f"file://{lab.tree}")]}


def at(publisher, *urls, name="lab"):
    return {"name": name, "urls": urls, "root_sha256": root_digest(publisher)}


def fetch(*references, **more):
    return {"do": "fetch", "references": references, **more}


def plan(*references, **more):
    return {"do": "plan", "references": references, **more}


def resolve(*references, **more):
    return {"do": "resolve", "references": references, **more}


def search(**filter):
    return {"do": "search", "filter": filter}


LIST, STORED = {"do": "list"}, {"do": "stored"}


def stored(reference):
    return {"do": "stored", "reference": reference}


def texts(result, kind):
    return [e["text"] for e in result["events"] if e["kind"] == kind]


def adds_up(item):
    return item["stored"] + item["kept"] + item["reused"] + item["download"] == item["size"] == \
        sum(f["size"] for f in item["files"])


# -- what there is -----------------------------------------------------------------------------


def test_a_list_has_all_models_with_their_variants(library, local):
    opened, listed = library(local, LIST)
    assert opened["code"] == listed["code"] == OK and listed["error"] is None
    assert [m["id"] for m in listed["models"]] == MODELS
    _, old, phi, *_ = listed["models"]
    assert {k: phi[k] for k in ("repository", "title", "family", "license", "tags", "deprecated",
                                "withdrawn", "replacement")} == {
        "repository": "lab", "title": "Phi 2", "family": "phi2", "license": "MIT",
        "tags": ["chat", "small"], "deprecated": False, "withdrawn": False, "replacement": None}
    assert old["withdrawn"] and old["variants"][0]["withdrawn"] and old["tags"] == []
    variants = {v["id"]: v for v in phi["variants"]}
    assert list(variants) == ["q4", "q8", "mmproj"]
    assert [v["id"] for v in phi["variants"] if v["is_default"]] == ["q4"]
    assert (variants["q4"]["kind"], variants["mmproj"]["kind"]) == (None, "projector")
    assert variants["q8"]["memory"] == 8 * GIB and variants["q8"]["version"] == 1
    assert not any(v["stored"] for v in phi["variants"])


def test_a_list_says_which_variants_are_stored(library, local):
    *_, listed = library(local, fetch("phi-2:q8"), LIST)
    assert [v["id"] for m in listed["models"] for v in m["variants"] if v["stored"]] == ["q8"]


@pytest.mark.parametrize("filter, found", [
    ({}, ["eye:q8", "old:q8", "phi-2:q4", "phi-2:q8", "phi-2:mmproj", "phi-2-code:q8", "qwen:q8"]),
    ({"words": "code phi"}, ["phi-2-code:q8"]),
    ({"pattern": "phi-2*", "kind": "model"}, ["phi-2:q4", "phi-2:q8", "phi-2-code:q8"]),
    ({"license": "apache-2.0"}, ["phi-2-code:q8", "qwen:q8"]),
    ({"license": "MIT AND Apache-2.0"}, ["phi-2-code:q8"]),
    ({"family": "qwen2"}, ["qwen:q8"]),
    ({"kind": "projector"}, ["phi-2:mmproj"]),
    ({"tags": ["chat", "small"], "kind": "model"}, ["phi-2:q4", "phi-2:q8"]),
    ({"max_size": 5000, "pattern": "phi-2"}, ["phi-2:q4", "phi-2:mmproj", "phi-2-code:q8"]),
    ({"fits": 4 * GIB, "kind": "model", "tags": ["chat"]}, ["phi-2:q4"]),
    ({"words": "no-such"}, []),
])
def test_a_search_gives_what_all_parts_of_its_filter_match(library, local, filter, found):
    _, result = library(local, search(**filter))
    assert [f"{m['id']}:{v['id']}" for m in result["models"] for v in m["variants"]] == found


def test_a_license_that_is_none_is_wrong_usage(library, local):
    _, result = library(local, search(license="MIT OR"))
    assert result["code"] == -USAGE and not result["out"]


# -- resolve, plan, fetch, stored -----------------------------------------------------------------


def test_what_is_resolved_has_paths_only_once_it_is_stored(library, local, lab):
    _, before, fetched, after = library(local, resolve("lab/phi-2@1"), fetch("phi-2"),
                                        resolve("phi-2"))
    item, = before["items"]
    assert [item[k] for k in ("reference", "repository", "model", "variant", "version", "kind",
                              "error", "fallback")] == \
        ["lab/phi-2@1", "lab", "phi-2", "q4", 1, None, None, None]
    assert adds_up(item) and item["download"] == item["size"]
    assert [(f["name"], f["path"]) for f in item["files"]] == [("phi-2-q4.gguf", None)]
    item, = after["items"]
    assert adds_up(item) and item["stored"] == item["size"]
    path = pathlib.Path(item["files"][0]["path"])
    assert path.is_absolute() and sha256(path) == item["files"][0]["sha256"]


def test_a_plan_says_what_a_fetch_then_does(library, local):
    _, before, planned, done, again = library(
        local, fetch("phi-2:q8"), plan("phi-2:q8", "qwen"), fetch("phi-2:q8", "qwen"),
        plan("phi-2:q8", "qwen"))
    assert all(map(adds_up, planned["items"] + done["items"] + again["items"]))
    for key in ("reference", "variant", "size", "stored", "kept", "reused", "download"):
        assert [i[key] for i in planned["items"]] == [i[key] for i in done["items"]]
    assert planned["items"][1]["download"] == done["items"][1]["size"]
    assert [i["stored"] for i in again["items"]] == [i["size"] for i in done["items"]]
    assert planned["items"][1]["files"][0]["path"] is None


def test_what_a_fetch_kept_that_failed_is_planned_and_used(library, work, two,     # noqa: F811
                                                           fault_server):
    server = fault_server(two[0].tree)
    settings = {"repositories": [at(two[0], server.url, name="one")], "connections": 1}
    broken = server.add("targets/*.gguf", skip=3, status=404)
    _, failed = library(settings, fetch("one"))
    assert failed["code"] < 0 and failed["items"][0]["error"]["code"] == -failed["code"]
    assert failed["out"] and failed["error"] == failed["items"][0]["error"]
    server.faults.remove(broken)
    _, planned, done, found = library(settings, plan("one"), fetch("one"), STORED)
    for result in (planned, done):
        item, = result["items"]
        assert adds_up(item) and item["kept"] >= PIECE
    assert planned["items"][0]["download"] == done["items"][0]["download"]
    assert found["items"][0]["stored"] == item["size"]
    progress = [e for e in done["events"] if e["kind"] == PROGRESS]
    assert progress[-1]["done"] == progress[-1]["total"] > 0


def test_stored_models_are_found_without_their_repository(library, local):
    library(local, fetch("phi-2:q4", "phi-2:q8", "qwen"))
    _, all, model, one, none, listed = library(
        {}, STORED, stored("phi-2"), stored("lab/phi-2:q8@1"), stored("phi-2:mmproj"), LIST)
    assert [i["reference"] for i in all["items"]] == ["lab/phi-2:q4", "lab/phi-2:q8", "lab/qwen:q8"]
    assert [i["variant"] for i in model["items"]] == ["q4", "q8"]
    assert [i["variant"] for i in one["items"]] == ["q8"] and adds_up(one["items"][0])
    assert none["code"] == -NOT_FOUND and not none["out"]


@pytest.mark.parametrize("call", [resolve("eye"), plan("eye"), fetch("eye"), stored("eye")])
def test_a_projector_comes_behind_the_model_with_its_role(library, local, call):
    *_, found = library(local, fetch("eye"), call)
    files = found["items"][0]["files"]
    assert [(f["name"], f["role"]) for f in files] == [("eye-q8.gguf", None),
                                                       ("eye-mmproj.gguf", "projector")]
    assert adds_up(found["items"][0])
    assert all(sha256(f["path"]) == f["sha256"] for f in files)


def test_what_is_withdrawn_is_fetched_only_if_it_is_asked_for(library, local):
    _, refused, fetched = library(local, fetch("old"), fetch("old", options={"withdrawn": True}))
    assert refused["code"] < 0 and "wrong weights" in refused["error"]["message"]
    assert fetched["code"] == OK and fetched["items"][0]["files"][0]["path"]


def test_a_file_that_was_changed_in_the_store_is_found_if_it_is_checked(library, local):
    _, fetched = library(local, fetch("qwen"))
    path = pathlib.Path(fetched["items"][0]["files"][0]["path"])
    path.resolve().chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))
    _, checked = library(local, fetch("qwen", options={"check": True}))
    assert checked["code"] == OK and checked["items"][0]["download"] == path.stat().st_size
    assert sha256(path) == checked["items"][0]["files"][0]["sha256"]


@pytest.mark.parametrize("memory, chosen", [(16 * GIB, "q8"), (2 * GIB, "q4"), (GIB, None)])
def test_auto_is_the_largest_variant_that_fits_into_the_memory_of_the_settings(
        library, local, memory, chosen):
    _, result = library({**local, "memory": memory}, fetch("phi-2:auto"))
    if chosen:
        assert result["items"][0]["variant"] == chosen
        assert any(chosen in text for text in texts(result, NOTE))
    else:
        assert result["code"] == -NOT_FOUND


# -- without the network ------------------------------------------------------------------------


def test_offline_nothing_is_asked_from_the_network(library, lab, fault_server):
    server = fault_server(lab.tree)
    settings = {"repositories": [at(lab, server.url)]}
    library(settings, fetch("phi-2"), LIST)
    before = len(server.log)
    _, listed, fetched, planned, missing = library(
        {**settings, "offline": True}, LIST, fetch("phi-2"), plan("phi-2"), fetch("qwen"))
    assert [m["id"] for m in listed["models"]] == MODELS
    assert fetched["code"] == OK and fetched["items"][0]["files"][0]["path"]
    assert planned["items"][0]["stored"] == planned["items"][0]["size"]
    assert missing["code"] < 0 and missing["items"][0]["error"]["message"]
    assert len(server.log) == before


def test_offline_before_the_first_list_it_has_the_models_in_the_store(library, local):
    library(local, fetch("phi-2"))
    _, listed = library({**local, "offline": True}, LIST)
    assert [m["id"] for m in listed["models"]] == ["phi-2"] and texts(listed, WARNING)


def test_when_the_mirrors_are_down_the_model_in_the_store_is_used(
        library, lab, fault_server, work):
    server = fault_server(lab.tree)
    settings = {"repositories": [at(lab, server.url)]}
    library(settings, fetch("phi-2"))
    server.add(status=503)
    _, compared, other = library(settings, fetch("phi-2"), fetch("qwen"))
    assert compared["code"] == OK and "could not be refreshed" in texts(compared, WARNING)[0]
    assert compared["items"][0]["fallback"] is None
    assert other["code"] == -NETWORK and other["error"]["hint"]
    shutil.rmtree(work / "store" / "trust")
    _, used = library(settings, fetch("phi-2"))
    item, = used["items"]
    assert used["code"] == OK and item["error"] is None and texts(used, WARNING)
    assert item["fallback"] and pathlib.Path(item["files"][0]["path"]).is_file()


def test_a_repository_that_cannot_be_reached_is_left_out_of_a_list(library, lab, local, work):
    gone = {"name": "gone", "urls": [f"file://{work}/gone"], "root_sha256": "0" * 64}
    _, both = library({"repositories": [*local["repositories"], gone]}, LIST)
    assert both["code"] == OK and [m["id"] for m in both["models"]] == MODELS
    assert any("gone" in text for text in texts(both, WARNING))
    _, alone = library({"repositories": [gone]}, LIST)
    assert alone["code"] < 0 and not alone["out"]


@pytest.fixture
def pair(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.mark.parametrize("secure", [False, True])
def test_simulated_connections_that_are_reset_do_not_end_the_program(
        library, two, pair, secure):                    # noqa: F811
    with Faulty(two[0].tree, tls=pair if secure else None) as server:
        faults = [server.add("targets/*.gguf", at=at, then="reset", times=2)
                  for at in (MIB, 2 * PIECE + MIB)]
        settings = {"repositories": [at(two[0], server.url, name="one")]}
        _, done = library({**settings, "ca": str(pair[0])}, fetch("one"))
        assert done["code"] == OK, done["error"]
        assert [f.hits for f in faults] == [2, 2]


def test_the_authorities_of_the_settings_take_the_place_of_the_systems(library, lab, nginx, pair):
    settings = {"repositories": [at(lab, nginx(lab.tree, tls=pair).url)]}
    _, trusted = library({**settings, "ca": str(pair[0])}, LIST)
    _, not_trusted = library({**settings, "home": None}, LIST)
    assert trusted["code"] == OK
    assert not_trusted["code"] == -INTEGRITY and "authority" in not_trusted["error"]["message"]


# -- errors -------------------------------------------------------------------------------------


def test_when_one_reference_is_wrong_the_others_are_done(library, local):
    _, done = library(local, fetch("phi-2", "no/such/model:x", "no-such", "qwen:q9", "qwen"))
    assert [i["error"] and i["error"]["code"] for i in done["items"]] == \
        [None, USAGE, NOT_FOUND, NOT_FOUND, None]
    assert done["code"] == -USAGE and done["error"] == done["items"][1]["error"]
    assert [i["reference"] for i in done["items"]] == \
        ["phi-2", "no/such/model:x", "no-such", "qwen:q9", "qwen"]
    assert all(i["files"][0]["path"] for i in done["items"] if not i["error"])
    assert all(i["files"] is None for i in done["items"] if i["error"])


@pytest.mark.parametrize("do", [resolve, plan])
def test_errors_of_references_are_told_one_by_one(library, local, do):
    _, done = library(local, do("no-such", "qwen"))
    assert done["code"] == -NOT_FOUND and "no-such" in done["error"]["message"]
    assert done["items"][1]["error"] is None and adds_up(done["items"][1])


def test_the_same_model_may_be_asked_for_twice(library, local):
    _, done = library(local, fetch("qwen", "lab/qwen:q8"))
    assert done["code"] == OK
    assert done["items"][0]["files"] == done["items"][1]["files"]


@pytest.mark.parametrize("settings, message", [
    ({"size": 0}, "settings.size is not set"),
    ({"connections": 65}, "connections"),
    ({"max_memory": 1}, "memory"),
    ({"repositories": [{"name": "lab", "urls": [], "root_sha256": "0" * 64}]}, "at least one URL"),
    ({"repositories": [{"name": "lab", "urls": ["file:///x"]}]}, "root"),
    ({"repositories": [{"name": "lab", "urls": ["ftp://x/"], "root_sha256": "0" * 64}]}, "ftp"),
    ({"repositories": [{"name": "a/b", "urls": ["file:///x"], "root_sha256": "0" * 64}]}, "a/b"),
])
def test_a_setting_that_is_wrong_is_named(library, settings, message):
    opened, = library(settings)
    assert opened["code"] == -USAGE and not opened["out"]
    assert message in opened["error"]["message"] and opened["error"]["code"] == USAGE


@pytest.mark.parametrize("call", [
    fetch(), plan(), resolve(), fetch("phi-2", None), fetch("phi-2", call_size=0),
    {**LIST, "call_size": 0}, {**search(words="phi"), "filter_size": 0},
    fetch("phi-2", options={"check": True}, options_size=0)])
def test_a_call_that_is_wrong_does_nothing(library, local, call):
    _, result = library(local, call)
    assert result["code"] == -USAGE and not result["out"] and result["error"]["message"]


def test_a_store_that_cannot_be_made_is_an_error_of_this_machine(library, work):
    (work / "file").write_text("")
    opened, = library({"home": str(work / "file" / "store")})
    assert opened["code"] == -SYSTEM and not opened["out"]
    assert str(work / "file") in opened["error"]["message"] and opened["error"]["system"]


def test_messages_have_no_control_characters_and_are_cut_between_characters(library, local):
    _, done, long = library(local, resolve("\x1b[31m", "a\nb"), resolve("ü" * 4000))
    for item in done["items"] + long["items"]:
        assert item["error"]["message"].isprintable() and len(item["error"]["message"]) > 10


# -- ferry.conf ---------------------------------------------------------------------------------


def test_a_ferry_conf_names_repositories_and_those_of_the_settings_replace_them(
        library, lab, local, work):
    conf = work / "ferry.conf"
    conf.write_text(f"[repository.lab]\nmetadata = file://{work}/elsewhere\n"
                    f"root-sha256 = {'0' * 64}\n[repository.copy]\nmetadata = file://{lab.tree}\n"
                    f"root-sha256 = {root_digest(lab)}\n[fetch]\nconnections = 2\n")
    _, listed, fetched = library({**local, "conf": str(conf)}, LIST, fetch("copy/qwen"))
    assert {m["repository"] for m in listed["models"]} == {"lab", "copy"}
    assert fetched["code"] == OK and fetched["items"][0]["repository"] == "copy"


@pytest.mark.parametrize("text", ["[repository.lab]\nmetadat = x\n", "[fetch]\nconnections = many\n",
                                  None])
def test_a_ferry_conf_with_a_mistake_is_named(library, work, text):
    conf = work / "ferry.conf"
    if text:
        conf.write_text(text)
    opened, = library({"conf": str(conf)})
    assert opened["code"] in (-USAGE, -NOT_FOUND) and "ferry.conf" in opened["error"]["message"]


# -- cancellation, callers of other versions -----------------------------------------------------


def test_a_call_with_a_token_that_was_used_ends_at_once(library, local):
    calls = [{**call, "cancelled": True} for call in
             (LIST, search(words="phi"), resolve("qwen"), plan("qwen"), fetch("qwen"))]
    for result in library(local, *calls)[1:]:
        assert result["code"] == -CANCELLED and not result["out"]
        assert result["error"]["message"] == "cancelled" and result["error"]["system"] == 0


def test_a_fetch_that_is_cancelled_in_an_event_is_continued_by_the_next(library, two,  # noqa: F811
                                                                        nginx):
    settings = {"repositories": [at(two[0], nginx(two[0].tree).url, name="one")]}
    _, cancelled, done = library(settings, fetch("one", cancel_at=PROGRESS), fetch("one"))
    assert cancelled["code"] == -CANCELLED and not cancelled["out"]
    assert done["code"] == OK and adds_up(done["items"][0])


def test_everything_that_may_be_null_may_be_null(library, local):
    calls = [{**call, "silent": True} for call in
             (LIST, search(), fetch("qwen"), fetch("no-such"))]
    _, listed, found, fetched, failed = library(local, *calls)
    assert len(listed["models"]) == len(found["models"]) == len(MODELS)
    assert fetched["items"][0]["files"][0]["path"] and failed["code"] == -NOT_FOUND


def test_an_older_caller_has_smaller_structs(library, local):
    """Sizes up to and with: settings.repository_count, filter.words, call.ctx, options.check."""
    opened, found, heard, fetched = library(
        {**local, "size": 40}, {**search(words="code"), "filter_size": 16},
        {**LIST, "call_size": 24, "cancelled": True},
        fetch("qwen", options={"check": True}, options_size=12))
    assert opened["code"] == OK
    assert [m["id"] for m in found["models"]] == ["phi-2-code"]
    assert heard["code"] == OK
    assert fetched["code"] == OK


def test_a_newer_caller_has_larger_structs(library, local):
    opened, fetched = library({**local, "size": 4096}, fetch("qwen", call_size=4096))
    assert opened["code"] == fetched["code"] == OK

