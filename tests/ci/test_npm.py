"""tests/js/package-lock.json: what npm installs for the tests is the same each time, from any registry."""

import json
import pathlib
import re

JS = pathlib.Path(__file__).resolve().parents[1] / "js"
PACKAGE = json.loads((JS / "package.json").read_text())
LOCK = json.loads((JS / "package-lock.json").read_text())["packages"]


def test_each_package_that_the_tests_name_has_one_version():
    named = PACKAGE["dependencies"]
    assert LOCK[""]["dependencies"] == named
    for name, version in named.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert LOCK[f"node_modules/{name}"]["version"] == version


def test_each_package_has_a_digest_and_none_names_a_registry():
    for name, package in LOCK.items():
        assert not name or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
