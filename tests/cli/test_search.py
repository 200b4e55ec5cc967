"""`ferry search`, and the filters that `ferry list` has as well."""

import hashlib
import json

import pytest

from conftest import Ferry

GIB = 1 << 30


def card(id, title, family, license, tags, *variants, **more):
    return {"format": "model-ferry-card", "version": 1, "id": id, "title": title,
            "family": family, "license": {"id": license}, "tags": tags,
            "variants": list(variants), **more}


def variant(id, ram=None, **more):
    """ram: in GiB; None: the publisher does not say."""
    memory = {"ram": {"context": 2048, "bytes": ram * GIB}} if ram else {}
    return {"id": id, "quantization": id.upper(), **memory, **more}


CARDS = [
    card("phi-2", "Phi 2", "phi2", "MIT", ["chat", "small"],
         variant("q4_k_m", ram=2, default=True), variant("q8_0", ram=4)),
    card("phi-2-code", "Phi 2 for code", "phi2", "MIT AND Apache-2.0", ["code"],
         variant("q8_0", ram=4)),
    card("dolphin", "Dolphin, made from Phi", "phi2", "Apache-2.0", ["chat"],
         variant("q8_0", ram=6)),
    card("qwen-72b", "Qwen 72B", "qwen2", "LicenseRef-qwen", ["chat", "phi-like"],
         variant("q4_k_m", ram=1 << 20)),
    card("sophia", "Old chat model", "llama", "mit", ["chat"], variant("q8_0"),
         deprecated={"reason": "old", "replacement": "phi-2"}),
    card("phi-1", "Phi 1", "phi1", "MIT-0", ["small"], variant("q8_0"),
         withdrawn={"reason": "wrong weights", "since": "2026-01-02T03:04:05Z"}),
    card("eye", "Eye of Phi", "clip", "GPL-2.0-only WITH Classpath-exception-2.0", [],
         variant("q8_0", size_kib=64), variant("mmproj", kind="projector", size_kib=1)),
]


def write(tree, model):
    """A card with its files and their manifests, as `ferry catalog add` leaves them."""
    id = model["id"]
    for folder in ("targets/models", "cards"):
        (tree / folder / id).mkdir(parents=True, exist_ok=True)
    for v in model["variants"]:
        name = f"{id}-{v['id']}.gguf"
        data = f"{name}\n".encode() + bytes(1024 * v.pop("size_kib", 1))
        digest = hashlib.sha256(data)
        v.update(size=len(data), files=[{"path": f"models/{id}/{name}", "size": len(data),
                                         "sha256": digest.hexdigest()}])
        key = f"{id}/{digest.hexdigest()}.{name}"
        (tree / "targets/models" / key).write_bytes(data)
        (tree / "cards" / f"{key}.manifest.json").write_text(json.dumps(
            {"format": "model-ferry-manifest", "version": 1, "name": name, "size": len(data),
             "sha256": digest.hexdigest(), "piece_length": 8 << 20,
             "pieces_sha256": hashlib.sha256(digest.digest()).hexdigest(),
             "pieces": [digest.hexdigest()]}))
    (tree / "cards" / f"{id}.card.json").write_text(json.dumps(model))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A ferry that knows the repository of these cards."""
    ferry = Ferry(tmp_path_factory.mktemp("shelf"))
    started = ferry("catalog", "init", "lab", "--unencrypted", "--json").json
    for model in json.loads(json.dumps(CARDS)):
        write(ferry.work / "repository", model)
    ferry("catalog", "sign", "-q")
    ferry.reader = ferry.work / "reader"
    ferry.reader.mkdir()
    (ferry.reader / "ferry.conf").write_text(started["client_configuration"])
    return ferry


@pytest.fixture
def found(shelf):
    """found("phi", "--tag=chat"): the ids in order; found(…, command="list")."""
    def ask(*args, command="search"):
        models = shelf(command, "--json", *args, cwd=shelf.reader).json["models"]
        return [m["id"] for m in models]
    return ask


# -- words -------------------------------------------------------------------------------------

def test_the_best_matches_come_first(found):
    """The id itself, its start, a word of the title, a tag, a part; then what is deprecated, then
    what is withdrawn."""
    assert found("phi-2") == ["phi-2", "phi-2-code"]
    assert found("phi") == ["phi-2", "phi-2-code", "dolphin", "eye", "qwen-72b", "sophia", "phi-1"]
    assert found("phi-like") == ["qwen-72b"]


def test_all_words_must_match_in_any_case(found):
    assert found("PHI", "Chat") == ["phi-2", "dolphin", "qwen-72b", "sophia"]
    assert found("phi chat") == found("phi", "chat")
    assert found("phi", "nonsense") == []


@pytest.mark.parametrize("word, models", [
    ("72b", ["qwen-72b"]), ("made from", ["dolphin"]), ("small", ["phi-2", "phi-1"]),
    ("clip", ["eye"]), ("apache", ["dolphin", "phi-2-code"]), ("Q4_K", ["phi-2", "qwen-72b"]),
], ids=["id", "title", "tag", "family", "license", "quantization"])
def test_words_are_looked_for_in_everything_that_a_model_is_called(found, word, models):
    assert sorted(found(word)) == sorted(models)


def test_people_see_what_is_deprecated_or_withdrawn(shelf):
    lines = shelf("search", "phi", cwd=shelf.reader).out.splitlines()
    assert lines[0].split()[:3] == ["phi-2", "q4_k_m", "q8_0"]
    assert lines[-2].endswith("Old chat model (deprecated)")
    assert lines[-1].endswith("Phi 1 (withdrawn)")


def test_nothing_found_is_a_note_with_the_nearest_name(shelf):
    result = shelf("search", "dolfin", cwd=shelf.reader)
    assert result.out == ""
    assert "no model matches; did you mean 'dolphin'?" in result.err
    assert "no model matches\n" in shelf("search", "entirely-else", cwd=shelf.reader).err


def test_without_words_and_filters_nothing_is_searched(shelf):
    error = shelf("search", cwd=shelf.reader, check=2)
    assert "no words and no filters" in error.err and "`ferry list` lists all" in error.err


# -- filters -----------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["search", "list"])
@pytest.mark.parametrize("filters, models", [
    (["--license", "MIT"], ["phi-2", "phi-2-code", "sophia"]),
    (["--license", "apache-2.0"], ["dolphin", "phi-2-code"]),
    (["--license", "apache-2.0 and mit"], ["phi-2-code"]),
    (["--license", "GPL-2.0-only"], ["eye"]),
    (["--license", "GPL-2.0-only WITH Classpath-exception-2.0"], ["eye"]),
    (["--license", "LicenseRef-Qwen"], ["qwen-72b"]),
    (["--family", "PHI2"], ["dolphin", "phi-2", "phi-2-code"]),
    (["--tag", "chat", "--tag=small"], ["phi-2"]),
    (["--kind", "projector"], ["eye"]),
    (["--max-size", "32K", "--family", "clip"], ["eye"]),
    (["--fits", "5G", "--tag", "chat"], ["phi-2", "sophia"]),
    (["--fits=100M"], []),
], ids=lambda f: " ".join(f))
def test_filters_leave_what_has_all_of_it(found, command, filters, models):
    assert sorted(found(*filters, command=command)) == models


def test_filters_and_words_go_together(found):
    assert found("phi", "--license=MIT", "--fits=3G") == ["phi-2", "sophia"]
    assert found("phi*", "--tag=small", command="list") == ["phi-1", "phi-2"]


def test_only_the_variants_that_fit_are_shown(shelf):
    document = shelf("search", "phi-2", "--fits", "3G", "--json", cwd=shelf.reader).json
    assert document["fits"] == 3 * GIB
    model, = document["models"]
    assert [(v["id"], v["ram"]) for v in model["variants"]] == [("q4_k_m", 2 * GIB)]
    eye, = shelf("list", "eye", "--max-size=32K", "--json", cwd=shelf.reader).json["models"]
    assert [v["id"] for v in eye["variants"]] == ["mmproj"]


def test_without_a_size_the_memory_of_this_machine_decides(shelf, found):
    """No machine has the petabyte that one of the models needs."""
    document = shelf("list", "--fits", "--json", cwd=shelf.reader).json
    assert document["fits"] > 0
    assert "qwen-72b" not in [m["id"] for m in document["models"]]
    # A word that is no size is a word.
    assert found("--fits", "72b") == []
    assert found("--fits=2P", "72b") == ["qwen-72b"]


def test_what_fits_without_the_publishers_word_is_the_size_and_a_margin(found):
    """A variant of few bytes needs the 256 MiB."""
    assert found("sophia", "--fits=257M") == ["sophia"]
    assert found("sophia", "--fits=256M") == []


def test_nothing_that_fits_says_how_much_memory_the_least_needs(shelf):
    note = shelf("search", "qwen", "--fits=16G", cwd=shelf.reader).err
    assert "need at least 1.0 PiB of memory, more than 16.0 GiB" in note
    note = shelf("list", "dolphin", "--kind=adapter", cwd=shelf.reader).err
    assert "no variant of that kind and size" in note


def test_a_license_that_is_none_leads_to_the_one_that_was_meant(shelf):
    assert "did you mean --license=MIT?" in shelf("list", "--license=MITT", cwd=shelf.reader).err
    error = shelf("list", "--license=MIT or", cwd=shelf.reader, check=2)
    assert "MIT or" in error.err


# -- where the models come from ------------------------------------------------------------------

def test_without_a_network_the_index_that_was_verified_last_is_searched(shelf, work):
    ferry = Ferry(work)
    conf = (shelf.reader / "ferry.conf").read_text()
    (work / "ferry.conf").write_text(conf)
    (work / "lab.root.json").write_bytes(
        (shelf.work / "repository/metadata/1.root.json").read_bytes())
    ferry("list", "-q")
    (work / "ferry.conf").write_text(conf.replace(f"file://{shelf.work}/repository",
                                                  "http://127.0.0.1:1"))
    assert ferry("search", "dolphin", "--offline").out.startswith("dolphin ")
    online = ferry("search", "dolphin")
    assert online.out.startswith("dolphin ") and "warning" in online.err


def test_a_model_is_found_in_each_repository_that_has_it(shelf, work):
    """It is named with the repository then."""
    ferry = Ferry(work)
    conf = (shelf.reader / "ferry.conf").read_text()
    (work / "ferry.conf").write_text(conf + conf.replace("[repository.lab]", "[repository.copy]"))
    lines = ferry("search", "dolphin").out.splitlines()
    assert sorted(line.split()[0] for line in lines) == ["copy/dolphin", "lab/dolphin"]


def test_an_earlier_index_is_better_than_none(ferry, work):
    """A fetch brings newer metadata, but not the index."""
    conf = ferry("catalog", "init", "lab", "--unencrypted", "--json").json["client_configuration"]
    models = [card(n, n.title(), "x", "MIT", [], variant("q8_0")) for n in ("first", "second")]
    reader = work / "reader"
    reader.mkdir()
    (reader / "ferry.conf").write_text(conf)
    write(work / "repository", models[0])
    ferry("catalog", "sign", "-q")
    ferry("fetch", "-q", "first", cwd=reader)
    result = ferry("search", "first", "--offline", cwd=reader)
    assert result.out.startswith("first ") and "so only models in the store are shown" in result.err
    ferry("list", "-q", cwd=reader)
    write(work / "repository", models[1])
    ferry("catalog", "sign", "-q")
    ferry("fetch", "-q", "second", cwd=reader)
    ferry("store", "remove", "-q", "first", cwd=reader)
    result = ferry("search", "first", "--offline", cwd=reader)
    assert result.out.startswith("first ") and "an earlier list of its models" in result.err
    assert ferry("search", "second", "--offline", cwd=reader).out == ""
    assert ferry("--complete", "fetch", "f", cwd=reader).out == "first\n"
    assert ferry("search", "second", cwd=reader).out.startswith("second ")
    assert ferry("search", "second", "--offline", cwd=reader).err == ""
    # One that was changed on the disk is not used.
    last = next(ferry.store.rglob("index-sha256"))
    (last.parent / last.read_text()).write_bytes(b"x")
    result = ferry("search", "first", "--offline", cwd=reader)
    assert result.out == "" and "so only models in the store are shown" in result.err
