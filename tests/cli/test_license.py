"""Licenses: what a model says becomes an SPDX expression, and all commands agree about it."""

import json

from small_gguf import llama_keys, llama_tensors, write
from test_catalog import Desk


def model(work, license, **more):
    keys = llama_keys(**more)
    if license is not None:
        keys["general.license"] = ("str", license)
    return write(work / "m.gguf", keys, llama_tensors())


def prepared(ferry, work, *args):
    result = ferry("prepare", "m", "m.gguf", *args, "--json")
    card = json.loads((work / "models/m/m.card.json").read_text())
    warnings = [w["text"] for w in result.json["warnings"] if w["code"] == "license"]
    return card.get("license"), warnings


def test_an_expression_in_the_model_stays_one(ferry, work):
    model(work, "MIT OR apache-2.0")
    assert prepared(ferry, work) == ({"id": "MIT OR Apache-2.0"}, [])


def test_an_array_of_licenses_is_not_dropped(ferry, work):
    model(work, ["mit", "llama3.1"])
    license, warnings = prepared(ferry, work)
    assert license["id"] == "MIT AND LicenseRef-llama3.1"
    assert "does not say whether all of them apply" in warnings[0]
    assert "license.url: missing" in warnings[1]
    manifest = json.loads(next((work / "models/m").glob("*.manifest.json")).read_text())
    assert manifest["gguf"]["license"] == "mit, llama3.1"
    # A person says how they apply: nothing is open any more.
    _, warnings = prepared(ferry, work, "--set", "license.id=mit or llama3.1",
                           "--set", "license.url=https://example.org/licenses")
    assert warnings == []


def test_a_license_outside_the_list_has_its_name_and_a_hint(ferry, work):
    model(work, "gemma")
    license, warnings = prepared(ferry, work)
    assert license == {"id": "LicenseRef-gemma", "name": "Gemma Terms of Use"}
    assert len(warnings) == 1 and "license.url: missing" in warnings[0]


def test_the_link_of_another_license_is_kept(ferry, work):
    model(work, "other", general__license__name=("str", "qwen-research"),
          general__license__link=("str", "https://example.org/LICENSE"))
    assert prepared(ferry, work) == ({"id": "LicenseRef-qwen-research", "name": "qwen-research",
                                      "url": "https://example.org/LICENSE"}, [])


def test_a_url_in_place_of_a_license_is_its_url(ferry, work):
    model(work, "https://example.org/LICENSE")
    assert prepared(ferry, work)[0] == {"url": "https://example.org/LICENSE"}


def test_prepare_and_lint_say_the_same_of_a_license(ferry, work, make_gguf, validate):
    desk = Desk(ferry, work, make_gguf, validate)
    desk.init()
    model(work, "lgpl-2.1")
    license, warnings = prepared(ferry, work)
    assert license == {"id": "LGPL-2.1"}
    desk.catalog("add", "models/m")
    findings = [f["text"] for f in desk.json("lint")["findings"]]
    assert [text for text in findings if text.startswith("license")] == warnings
    assert "LGPL-2.1-only or LGPL-2.1-or-later" in warnings[0]


def test_set_wants_an_expression_and_spells_it(ferry, work):
    model(work, None)
    result = ferry("prepare", "m", "m.gguf", "--set", "license.id=Apache License 2.0", check=2)
    assert "not an SPDX license expression" in result.err
    assert "did you mean 'Apache-2.0'?" in result.err
    assert prepared(ferry, work, "--set", "license.id=gpl-2.0+ or MIT")[0] == {
        "id": "GPL-2.0-or-later OR MIT"}
