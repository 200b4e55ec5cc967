"""The JSON schemas, and which of them describes what a command prints."""

import functools
import json
import pathlib
import urllib.parse

import jsonschema

# So that "#/$defs/x" within a schema named by a URN is resolved against that schema.
urllib.parse.uses_relative.append("urn")
urllib.parse.uses_fragment.append("urn")

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "schemas"
SUFFIX = ".schema.json"


@functools.cache
def load():
    """Name without suffix → schema."""
    return {path.name.removesuffix(SUFFIX): json.loads(path.read_text())
            for path in sorted(FOLDER.glob("*" + SUFFIX))}


@functools.cache
def validator(name):
    """References are resolved by $id, without a network."""
    schema = load()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    store = {s["$id"]: s for s in load().values()}
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=store)
    return jsonschema.Draft202012Validator(schema, resolver=resolver,
                                           format_checker=jsonschema.FormatChecker())


def validate(document, name):
    """validate(document, "output-fetch") checks against schemas/output-fetch.schema.json."""
    errors = sorted(validator(name).iter_errors(document), key=lambda e: list(e.path))
    assert not errors, f"{name}: " + "\n".join(
        f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in errors[:5])


def name_of(command):
    """The schema of a command's result: "catalog key new" → "output-catalog-key-new"."""
    if command.startswith("catalog export "):
        command = "catalog export"
    return "output-" + command.replace(" ", "-")


def validate_output(document):
    """What a command prints with --json is its result, or says why there is none."""
    if document.keys() == {"command", "error"}:
        validate(document, "error")
    elif document["command"] == "prepare" and "refused" in document:
        validate(document, "output-prepare-check")
    elif document["command"] == "health" and "places" in document:
        validate(document, "output-health-merged")
    elif document["command"] == "health" and "repositories" not in document:
        validate(document, "output-health-test-alert")
    elif document["command"] == "show" and "provenance" in document:
        validate(document, "output-show-provenance")
    elif document["command"] == "fetch" and "dry_run" in document:
        validate(document, "output-fetch-dry-run")
    elif document["command"] == "push" and "bundle" in document:
        validate(document, "output-push-bundle")
    else:
        validate(document, name_of(document["command"]))
