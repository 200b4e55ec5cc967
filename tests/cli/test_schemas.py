"""The schemas of what commands print: there is one for each, and nothing is defined twice."""

import json
import re
import subprocess

import pytest

import schemas
from conftest import BIN

NAMES = sorted(schemas.load())
# What says nothing about which documents are valid.
ANNOTATIONS = {"title", "description", "examples", "$comment", "default"}


def rules(schema):
    """A schema without its annotations, as text that two equal ones share."""
    def strip(value, is_schema=True):
        if isinstance(value, list):
            return [strip(v) for v in value]
        if not isinstance(value, dict):
            return value
        return {k: strip(v, k not in ("properties", "$defs")) for k, v in value.items()
                if not (is_schema and k in ANNOTATIONS)}
    return json.dumps(strip(schema), sort_keys=True)


def parts(schema, path=""):
    """All schemas within a schema, with their places."""
    if isinstance(schema, list):
        for i, value in enumerate(schema):
            yield from parts(value, f"{path}/{i}")
    elif isinstance(schema, dict):
        yield path, schema
        for key, value in schema.items():
            if key not in ("enum", "const", "required"):
                yield from parts(value, f"{path}/{key}")


def repeated(named):
    """What stands in several places: definitions of common, objects, and lists of words."""
    common = {rules(d): f"common#/$defs/{k}" for k, d in named["common"]["$defs"].items()}
    seen, found = dict(common), []
    for name, schema in named.items():
        for path, part in parts(schema):
            text = rules(part)
            large = isinstance(part.get("properties"), dict) or len(part.get("enum", [])) > 2
            place = f"{name}#{path}"
            if seen.get(text, place) != place:
                found.append(f"{place} is {seen[text]}")
            elif large:
                seen[text] = place
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_its_references_lead_somewhere(name):
    validator = schemas.validator(name)
    schema = schemas.load()[name]
    assert schema["$id"] == f"urn:model-ferry:{name}"
    for _, part in parts(schema):
        if isinstance(part.get("$ref"), str):
            with validator.resolver.resolving(part["$ref"]) as target:
                assert isinstance(target, dict)


def test_nothing_is_defined_twice():
    assert repeated(schemas.load()) == []


@pytest.mark.parametrize("name", ["sha256", "error", "source", "waiting_role"])
def test_a_copy_of_a_common_definition_is_found(name):
    named = dict(schemas.load())
    copy = {"description": "another word for it", **named["common"]["$defs"][name]}
    named["copy"] = {"properties": {"x": {"type": "array", "items": copy}}}
    assert f"copy#/properties/x/items is common#/$defs/{name}" in repeated(named)


def test_an_object_that_stands_in_two_schemas_is_found():
    named = dict(schemas.load())
    thing = {"type": "object", "properties": {"apple": {"type": "string"}}}
    named["a"] = {"properties": {"x": thing}}
    named["b"] = {"items": {"title": "It", **thing}}
    assert repeated(named) == ["b#/items is a#/properties/x"]


def commands(*path):
    """Every command that is not only a group, as the completion offers them: with what it does."""
    out = subprocess.run([BIN / "ferry", "--complete", *path, ""], check=True, text=True,
                         capture_output=True).stdout
    below = {line.split("\t")[0] for line in out.splitlines() if "\t" in line}
    below -= {"help", "completion"}     # no programs
    return {c for name in below for c in commands(*path, name)} or {" ".join(path)}


def test_every_command_has_a_schema_and_every_schema_a_command():
    wanted = {schemas.name_of(c) for c in commands()} | {
        "output-fetch-dry-run", "output-health", "output-health-merged",
        "output-health-test-alert", "output-prepare-check",
        "output-push-bundle", "output-serve", "output-show-provenance"}
    wanted.discard("output-run")        # its output is the program's own
    assert {n for n in NAMES if n.startswith("output-")} == wanted


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("output-")])
def test_a_result_says_of_which_command_it_is(name):
    schema = schemas.load()[name]
    command = schema["properties"]["command"]
    of = {"output-fetch-dry-run": "output-fetch", "output-health-merged": "output-health",
          "output-health-test-alert": "output-health",
          "output-prepare-check": "output-prepare", "output-push-bundle": "output-push",
          "output-show-provenance": "output-show"}
    assert {schemas.name_of(c) for c in command.get("enum", [command.get("const")])} == {
        of.get(name, name)}
    assert {"command"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
