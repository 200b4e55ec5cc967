"""What a schema or a man page repeats agrees with the table in the sources."""

import ast
import json
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))

import schemas  # noqa: E402
from test_schemas import parts  # noqa: E402

STRING = r'"((?:\\.|[^"\\])*)"'


def source(name):
    return re.sub(r"/\*.*?\*/", "", (ROOT / "src" / name).read_text(), flags=re.S)


def block(name, symbol):
    """The body of a function or the rows of a table."""
    text = source(name)
    match = (re.search(rf"^[^\n;#]*\b{symbol}\((?:[^;{{]*)\)\n\{{\n(.*?)^\}}", text, re.M | re.S)
             or re.search(rf"\b{symbol}(?:\[\w*\])? = \{{(.*?)\}};", text, re.S))
    assert match, f"{name} has no {symbol}"
    return match.group(1)


def words(name, symbol):
    return {word for word in re.findall(STRING, block(name, symbol)) if word and "%" not in word}


def first_words(name, symbol):
    """The first text of each row."""
    return set(re.findall(r"\{\s*" + STRING, block(name, symbol)))


# -- schemas ---------------------------------------------------------------------------------

ERRORS = words("util/err.c", "err_class_name") - {"none", "fault"}
OUTCOMES = words("publish/push.c", "push_outcome_name")
VERDICTS = words("publish/verify_result.c", "verify_verdict_name") - {"none"}

# Each list of words in a schema, and the same one in the sources.
LISTS = {
    "common/$defs/engine": first_words("handoff/engines.c", "engines"),
    "common/$defs/state": words("fetch/standing.c", "standing_name") | {"incomplete"},
    "common/$defs/holds": words("catalog/holds.c", "names"),
    "output-cost/properties/basis": words("cli/cmd_cost.c", "names"),
    "common/$defs/release_state": words("publish/release.c", "release_state_name"),
    "common/$defs/error/properties/class": ERRORS,
    "common/$defs/fault/properties/fault": first_words("fetch/source.c", "fault_names"),
    "common/$defs/endpoint/properties/state": words("fetch/endpoints.c", "state_names"),
    "common/$defs/trusted_role/properties/role": words("tuf/metadata_body.c", "type_names"),
    "common/$defs/key/properties/kind": words("cli/catalog/key.c", "kinds"),
    "common/$defs/key/properties/type": words("tuf/key.c", "tuf_key_kind"),
    "common/$defs/probe_finding/properties/state": words("mirror/findings.c",
                                                         "mirror_finding_name"),
    "alert/$defs/change/properties/event":
        words("health/alert_compare.c", "alert_event_name") - {"nothing"},
    "alert/$defs/problem/properties/state": words("health/health.c", "health_state_name") - {"ok"},
    "announcement/$defs/model/properties/change": None,     # test_announce.py
    "announcement/$defs/variant/properties/change": None,
    "output-announce/properties/hooks/items/properties/outcome": None,
    "output-catalog-add/properties/changes/items/properties/change":
        words("cli/catalog/edit.c", "names"),
    "output-catalog-export/properties/command": None,       # test_schemas.py
    "output-catalog-lint/properties/findings/items/properties/level":
        words("catalog/lint_findings.c", "lint_level_name"),
    "output-catalog-list/properties/models/items/properties/variants/items/properties/state":
        words("cli/catalog/list.c", "variant_state") | {"removed"},
    "output-catalog-status/properties/needs/items/properties/what":
        words("cli/catalog/status.c", "need_names"),
    "output-doctor/properties/checks/items/properties/for":
        words("cli/doctor/cmd_doctor.c", "whom_names"),
    "output-doctor/properties/checks/items/properties/verdict":
        words("cli/doctor/cmd_doctor.c", "verdict_names"),
    "output-manifest-check/properties/files/items/properties/status":
        words("check/check.c", "check_status_name"),
    "output-mirror-cleanup/$defs/leftover/properties/kind":
        words("cli/mirror/cleanup.c", "kind_name"),
    "output-mirror-cleanup/$defs/leftover/properties/state": None,
    # test_front_cloudflare_simulated.py
    "output-mirror-config/properties/changes/items/properties/what": None,
    "output-mirror-config/properties/changes/items/properties/state": None,
    "output-mirror-list/$defs/mirror/properties/can/items":
        first_words("mirror/record.c", "mirror_can_names"),
    "output-node-apply/$defs/model/properties/outcome": words("cli/node/apply.c", "outcome_of"),
    "output-node-apply/properties/hooks/items/properties/outcome":
        words("cli/node/apply.c", "hook_outcome"),
    "output-node-apply/properties/removed/items/properties/outcome": {"removed", "planned"},
    "output-node-apply/properties/left/items/properties/reason":
        (words("store/keep.c", "store_keep_name") - {"none"}) | {"later", "failed"},
    "output-node-status/properties/state": {"ok", "fault"},
    "output-node-status/$defs/model/properties/state":
        words("node/standing.c", "node_standing_state_name"),
    "output-outdated/$defs/model/properties/state":
        (words("fetch/standing.c", "standing_name") | {"incomplete"}) - {"current", "older"},
    "output-prepare-check/properties/files/items/properties/verdict":
        words("gguf/check.c", "gguf_verdict_name") | {"unreadable"},
    "output-prepare-check/properties/models/items/properties/verdict":
        words("gguf/check.c", "gguf_verdict_name"),
    "output-prepare-check/$defs/findings/items/properties/level":
        words("catalog/lint_findings.c", "lint_level_name") - {"error"},
    # An importance matrix is refused.
    "output-prepare/properties/kind": first_words("gguf/kind.c", "kinds") - {"imatrix"},
    "output-push/$defs/check/properties/state": words("cli/checks.c", "state_of"),
    # A signal ends all of it.
    "output-push/$defs/check/properties/class": ERRORS - {"cancelled"},
    "output-push/$defs/mirror/properties/outcome": OUTCOMES,
    "output-push/$defs/step/properties/action": words("publish/push_plan.c",
                                                      "push_action_name") - {"none"},
    "output-push/$defs/step/properties/because": words("publish/push_plan.c",
                                                       "push_step_reason"),
    "output-repository-status/$defs/repository/properties/state":
        words("cli/repository/status.c", "overall"),
    "output-health/$defs/state": words("health/health.c", "health_state_name"),
    "output-health/$defs/check": words("health/health.c", "health_check_name"),
    "output-health/$defs/mirror/properties/origin": words("cli/health/document.c", "origin_name"),
    "output-health/$defs/repository/properties/from": words("cli/health/document.c", "origins"),
    "output-health/$defs/alert/properties/kind": words("settings/alert.c", "kinds"),
    "output-health/$defs/alert/properties/outcome": words("health/alert.c", "alert_outcome_name"),
    "output-list/$defs/unlisted/properties/variants/items/properties/state":
        {"unlisted", "withdrawn"},
    "output-site/$defs/mirror/properties/outcome":
        words("publish/pages_send.c", "pages_outcome_name") - {"behind"},
    "output-stats-show/properties/by": words("cli/stats/show.c", "by_names"),
    "output-store-gc/properties/kept/items/properties/reason":
        words("store/keep.c", "store_keep_name") - {"none"},
    "output-store-import/properties/files/items/properties/state":
        words("fetch/import_find.c", "import_state_name") - {"found", "ignored"},
    "output-store-import/properties/files/items/properties/how":
        words("store/adopt.c", "store_adopt_how_name") - {"none"},
    "output-store-import/properties/models/items/properties/state":
        words("cli/store/import.c", "state_of_model"),
    "output-store-link/$defs/state": words("store/links.c", "store_links_state_name"),
    "output-store-link/properties/links/items/properties/result":
        words("cli/store/link.c", "result_of"),
    "output-store-link/properties/links/items/properties/files/items/properties/how":
        words("store/links_record.c", "hows"),
    "output-store-link/properties/links/items/properties/files/items/properties/action":
        words("handoff/plan.c", "handoff_action_name"),
    "output-store-verify/properties/files/items/properties/verdict":
        words("cli/store/verify.c", "verdict"),
    "output-sync/properties/outcome": OUTCOMES - {"read-only", "examined"},
    "output-verify/properties/mode": words("publish/verify_report.c", "verify_mode_name"),
    "output-verify/$defs/mirror/properties/result": words("publish/verify_result.c",
                                                          "verify_mirror_result"),
    "output-verify/$defs/file/properties/how": words("publish/verify_result.c",
                                                     "verify_how_name") - {"size"},
    "output-verify/$defs/verdict": VERDICTS,
    "progress/$defs/task/properties/event": None,       # test_schemas.py
    "progress/$defs/text/properties/event": None,
    "push-plan/$defs/step/properties/action": words("publish/push_plan.c", "push_action_name")
                                              - {"none", "keep"},
}


def listed():
    """Place → words, of all lists of words in the schemas but those of conditions."""
    return {name + path: set(part["enum"]) for name, schema in schemas.load().items()
            for path, part in parts(schema) if "/if/" not in path
            and isinstance(part.get("enum"), list) and isinstance(part["enum"][0], str)}


def test_every_list_of_words_in_a_schema_is_compared():
    assert set(LISTS) - set(listed()) == set(listed()) - set(LISTS) == set()


@pytest.mark.parametrize("place", [place for place, wanted in LISTS.items() if wanted])
def test_a_schema_has_the_words_of_the_sources(place):
    assert listed()[place] == LISTS[place]


def member_rows(table):
    """(key, kind, maximum) of card_members.c."""
    limits = {"COUNT_MAX": 2**63 - 1, "1 << 30": 2**30, "GRID_MAX_SIZE": None,
              "CARD_MAX_WORDS": int(macro("catalog/card_members.h", "CARD_MAX_WORDS")),
              "CARD_MAX_SENTENCES": int(macro("catalog/card_members.h", "CARD_MAX_SENTENCES")),
              "SPDX_MAX_BYTES": int(macro("catalog/spdx.h", "SPDX_MAX_BYTES"))}
    rows = re.findall(r'\{ "(\w+)", CARD_(\w+),\s*([^,]+),', block("catalog/card_members.c", table))
    return [(key, kind, limits[most] if most in limits else int(most)) for key, kind, most in rows]


def macro(name, symbol):
    return re.search(rf"#define {symbol} (\S+)", source(name)).group(1)


def resolved(schema):
    """The schema with what it refers to."""
    if "$ref" not in schema:
        return schema
    name, path = schema["$ref"].removeprefix("urn:model-ferry:").split("#/$defs/")
    return {**resolved(schemas.load()[name]["$defs"][path]), **schema}


CARD = schemas.load()["card"]
VARIANT = resolved(CARD["properties"]["variants"]["items"])
RELEASE = resolved(VARIANT["allOf"][0])
OBJECTS = {"card_members": CARD, "card_license_members": CARD["properties"]["license"],
           "card_source_members": CARD["properties"]["source"],
           "card_deprecated_members": CARD["properties"]["deprecated"],
           "card_withdrawn_members": resolved(CARD["properties"]["withdrawn"]),
           "card_variant_members":
               {"properties": {**VARIANT["properties"], **RELEASE["properties"]}},
           "card_index_members": schemas.load()["index"]["$defs"]["model"],
           "card_index_variant_members": schemas.load()["index"]["$defs"]["variant"]}


@pytest.mark.parametrize("table", sorted(OBJECTS))
def test_the_schema_of_a_card_has_the_members_and_limits_of_the_parser(table):
    properties = OBJECTS[table]["properties"]
    allowed = {key for key, schema in properties.items() if schema.get("not") != {}}
    assert allowed == {key for key, _, _ in member_rows(table)}
    for key, kind, most in member_rows(table):
        schema = resolved(properties[key])
        if kind in ("TEXT", "PROSE", "LICENSE") and "const" not in schema:
            assert schema["maxLength"] == most, key
        elif kind in ("WORDS", "SENTENCES"):
            assert schema["maxItems"] == most, key
            assert resolved(schema["items"])["maxLength"] == int(
                macro("catalog/card_members.h", f"CARD_MAX_{kind[:-1]}_BYTES"))
        elif kind == "COUNT" and most and "const" not in schema:
            assert schema.get("maximum", 2**63 - 1) == most, key


# Place in a schema → the limit in the sources.
LIMITS = {
    "card/properties/variants/maxItems": ("catalog/card.h", "CARD_MAX_VARIANTS"),
    "card/$defs/release/properties/files/maxItems": ("catalog/card.h", "CARD_MAX_FILES"),
    "card/$defs/url/maxLength": ("catalog/link.h", "LINK_MAX"),
    "catalog/properties/mirrors/maxItems": ("catalog/catalog.h", "CATALOG_MAX_MIRRORS"),
    "catalog/properties/title/maxLength": ("catalog/catalog.h", "CATALOG_MAX_TITLE"),
    "manifest/properties/pieces/maxItems": ("hash/grid.h", "GRID_MAX_PIECES"),
    "push-plan/properties/mirrors/maxItems": ("publish/plan_file.h", "PLAN_FILE_MAX_MIRRORS"),
    "push-plan/$defs/mirror/properties/steps/maxItems": ("publish/plan_file.h",
                                                         "PLAN_FILE_MAX_STEPS"),
}


@pytest.mark.parametrize("place", sorted(LIMITS))
def test_a_schema_has_the_limit_of_the_parser(place):
    name, *path = place.split("/")
    value = schemas.load()[name]
    for step in path:
        value = value[step]
    assert value == int(macro(*LIMITS[place]))


def test_the_largest_file_of_the_schemas_is_that_of_the_grid():
    most = 4 * 2**30 * int(macro("hash/grid.h", "GRID_MAX_PIECES"))
    assert macro("hash/grid.h", "GRID_MAX_SIZE") == "(GRID_MAX_PIECES"
    assert {schemas.load()["manifest"]["$defs"]["bytes"]["maximum"],
            schemas.load()["card"]["$defs"]["file"]["properties"]["size"]["maximum"]} == {most}


# -- man pages -------------------------------------------------------------------------------

def man(name):
    return (ROOT / "man" / f"{name}.scd").read_text()


def test_the_man_pages_have_the_exit_codes_of_the_program():
    codes = set(re.findall(r"ERR_\w+ = (\d+)", source("util/err.h")))
    said = re.findall(r"^(?:\[\[|\|) +\*(\d+)\*$", (ROOT / "scripts/make-man").read_text(), re.M)
    cancelled = re.search(r"ERR_CANCELLED = (\d+)", source("util/err.h")).group(1)
    assert set(said) == codes - {cancelled} and len(said) == len(set(said))


# Section of ferry.conf(5) → the tables of its keys.
KEYS = {
    "repository.NAME": [("settings/repository.c", "keys"), ("settings/repository.c", None)],
    "mirror.NAME": [("settings/mirrors.c", "common_keys"), ("mirror/file.c", "keys"),
                    ("mirror/http.c", "keys"), ("mirror/s3.c", "s3_keys"),
                    ("mirror/s3.c", "r2_keys"), ("mirror/s3_setup.h", None),
                    ("mirror/github.c", "keys"), ("mirror/git.c", "keys"),
                    ("mirror/oci.c", "keys"), ("mirror/names.c", "keys"),
                    ("mirror/bundle.c", "keys")],
    "access.NAME": [("settings/access.c", "keys")],
    "announce.NAME": [("settings/announce.c", "keys")],
    "alert.NAME": [("settings/alert.c", "read_section")],
    "publish": [("settings/publish.c", "keys")],
    "fetch": [("settings/fetch.c", "keys")],
    "prepare": [("settings/prepare.c", "keys")],
    "security": [("settings/security.c", "keys")],
    "health": [("settings/health.c", "known_keys")],
    "stats": [("settings/stats.c", "keys")],
    "site": [("settings/site.c", "keys")],
    "logs.NAME": [],            # those of a mirror
    "cost": [("settings/cost.c", "cost_keys")],
    "price.NAME": [("settings/cost.c", "price_keys")],
    "front.MIRROR": [("settings/front.c", "keys")],
    "serve": [("settings/serve.c", "keys")],
    "node.NAME": [("settings/node.c", "machine_keys"), ("settings/node.c", "model_keys")],
}


def keys_of(name, symbol):
    """Of a table, or of the macros *_KEYS that a table includes."""
    if symbol:
        return words(name, symbol)
    return set(re.findall(STRING, " ".join(re.findall(r"#define \w*_KEYS (?:.*\\\n)*.*",
                                                      source(name)))))


def sections():
    """Section → its text in ferry.conf(5)."""
    split = re.split(r"^# (.*)$", man("ferry.conf.5"), flags=re.M)
    # "[announce], [announce.NAME]" is both.
    return {head.split(", ")[-1][1:-1]: text for head, text in zip(split[1::2], split[2::2])
            if head.startswith("[")}


def test_the_configuration_has_the_sections_of_its_man_page():
    assert set(sections()) == set(KEYS)
    assert {name.split(".")[0] for name in KEYS} == words("settings/conf.c", "conf_check_kinds")


@pytest.mark.parametrize("section", sorted(KEYS))
def test_the_man_page_of_the_configuration_has_every_key(section):
    wanted = set().union(*(keys_of(*table) for table in KEYS[section]))
    text = sections()[section]
    # "*a*, *b* = _VALUE_", and in running text "*a*".
    heads = " ".join(re.findall(r"^\*.*\* = .*$", text, re.M))
    said = set(re.findall(r"\*([a-z0-9-]+)\*(?=[^=]*=)", " ".join(
        line.split(" = ")[0] + " =" for line in heads.split("\n"))))
    assert {key for key in wanted if f"*{key}*" not in text} == set()
    assert said <= wanted


def test_the_man_page_has_the_kinds_of_mirrors():
    kinds = set(re.findall(r'\.kind = "(\w+)"', " ".join(
        path.read_text() for path in (ROOT / "src/mirror").glob("*.c"))))
    said = re.search(r"^\*kind\* = (.*)$", man("ferry.conf.5"), re.M).group(1)
    assert set(re.findall(r"\*(\w+)\*", said)) == kinds - {"names"}     # http, with a layout


def test_the_man_page_has_every_variable_of_the_environment_that_is_ours():
    used = {name for path in (ROOT / "src").glob("**/*.c")
            for name in re.findall(r'"(FERRY_[A-Z_]+[A-Z])"', path.read_text())}
    assert {name for name in used if f"*{name}*" not in man("ferry.1")} == set()


def test_the_man_page_lists_every_command():
    entries = re.findall(r'\{ "(\w+)", "(.*?)", "(.*?)" \}', block("cli/ferry.c", "entries"))
    said = [(name, text[0].lower() + text[1:], name) for name, text, also in re.findall(
        r"^\*(\w+)\*\n\t(.*)\. See \*ferry-(\w+)\*\(1\)\.$", man("ferry.1"), re.M)]
    assert said == [(name, text, name) for name, text, _ in entries]


# -- what stands in one room and depends on another -------------------------------------------

def test_mirrors_of_the_catalog_are_used_if_this_program_can_open_their_kind():
    opened = set()
    for path in (ROOT / "src/mirror").glob("*.c"):
        for ops in re.findall(r"const struct mirror_ops \w+ = \{(.*?)\};", path.read_text(), re.S):
            # The others need more of the catalog's entry than its URL, or are never in one.
            if ".open" in ops and ".reads_entries" not in ops and '"bundle"' not in ops:
                opened.add(re.search(r'\.kind = "(\w+)"', ops).group(1))
    assert words("catalog/catalog.c", "kinds") == opened


def test_the_list_of_licenses_is_that_of_its_script():
    script = (ROOT / "scripts/make-spdx-list").read_text()
    head = (ROOT / "src/catalog/spdx_list.c").read_text().split("*/")[0]
    packages = json.loads("{" + re.search(r"PACKAGES = \{(.*?)\}", script, re.S).group(1) + "}")
    assert all(f"{name} {version}" in head for name, version in packages.items())
    assert macro_text("catalog/spdx_list.c", "spdx_list_version") in head


def macro_text(name, symbol):
    return re.search(rf'{symbol}\[\] = "([^"]+)"', source(name)).group(1)


# -- defaults ----------------------------------------------------------------------------------

UNITS = {"s": 1, "d": 86400, "y": 365 * 86400, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "": 1}
CONSTANTS = {"DAY": 86400, "MIB": 2**20, "GIB": 2**30}

# Key of ferry.conf(5) → the default there, and in the sources with its unit.
DEFAULTS = {
    "expires-root": (r"by default (1y), ", "repository/writer/writer.c", r"\.root_s = (.*),", 1),
    "expires-targets": (r"by default 1y, (\w+), ", "repository/writer/writer.c",
                        r"\.targets_s = (.*),", 1),
    "expires-snapshot": (r"by default 1y, 1y, (\w+) and", "repository/writer/writer.c",
                         r"\.snapshot_s = (.*),", 1),
    "expires-timestamp": (r"and (14d)\. ", "repository/writer/writer.c",
                          r"\.timestamp_s = (.*),", 1),
    "targets-max-size": (r"([\d,]+) bytes", "tuf/client.c", r"\.targets = (.*),", 1),
    "priority": (r"by default (\d+)", "catalog/catalog.h", r"CATALOG_PRIORITY (\d+)", 1),
    "connections": (r"by default (\d+),", "mirror/mirror.h", r"MIRROR_CONNECTIONS (\d+)", 1),
    "prune-after": (r"by default\s+(\w+)", "settings/publish.c", r"\.prune_after_s = (.*?) \}", 1),
    "stall-time": (r"by default (\w+)", "http/client.c", r"stall_s = (\d+);", 1),
    "retries": (r"by\s+default (\d+)", "settings/fetch.h", r"\.retries = (\d+)", 1),
    "timestamp-deadline": (r"by default (\w+)", "settings/fetch.h",
                           r"\.timestamp_deadline_ms = (\d+)", 1000),
    "download-max-size": (r"by default (\w+)", "prepare/download.h",
                          r"DOWNLOAD_UNSIZED_MAX \((.*)\)", 1),
    "part-size": (r"to 1GiB, by\s+default (\w+)", "settings/mirrors.h",
                  r"SETTINGS_PART_SIZE \((.*)\)", 1),
}


def amount(text):
    number, unit = re.fullmatch(r"([\d,]+)(\w*)", text).groups()
    return int(number.replace(",", "")) * UNITS[unit]


def product(text):
    value = 1
    for factor in text.split(" * "):
        value *= CONSTANTS.get(factor) or int(factor)
    return value


@pytest.mark.parametrize("key", sorted(DEFAULTS))
def test_the_man_page_has_the_default_of_the_program(key):
    in_page, file, in_source, unit = DEFAULTS[key]
    text = man("ferry.conf.5")
    text = text[text.index(f"*{key}*"):]
    assert amount(re.search(in_page, text).group(1)) * unit == product(
        re.search(in_source, source(file)).group(1))


# -- the writers of GGUF in the tests and scripts -------------------------------------------------

def tensor_types():
    """Name → (id, elements and bytes of a block)."""
    rows = re.findall(r'\{ (\d+), "(\w+)", (\d+), (\d+), NULL,', block("gguf/types.c", "types"))
    return {name: (int(number), int(elements), int(size))
            for number, name, elements, size in rows}


def file_types():
    return {name: int(number) for number, name in re.findall(
        r'\[(\d+)\] = \{ "(\w+)"', block("gguf/types.c", "file_types"))}


def assigned(path, name):
    """The value of a constant of a Python script, without running it."""
    for statement in ast.parse((ROOT / path).read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return ast.literal_eval(statement.value)
    raise AssertionError(f"{path} has no {name}")


def test_the_writers_of_gguf_have_the_types_of_the_reader():
    types, ids = tensor_types(), {number: row for number, *row in tensor_types().values()}
    assert len(types) == 35
    for name, row in assigned("tests/cli/small_gguf.py", "BLOCKS").items():
        assert row == types[name]
    for name, row in assigned("scripts/make-test-gguf", "TYPES").items():
        assert row == {n.lower(): t for n, t in types.items()}[name]
    for name, number in assigned("scripts/make-test-gguf", "FILE_TYPES").items():
        assert number == file_types()[name.upper()]
    for number, row in assigned("tests/simulated/gguf_file.py", "BLOCK").items():
        assert list(row) == ids[number]
    for name, number in assigned("tests/cli/llama_quantize.py", "TYPES").items():
        assert number == file_types()[name]
    for name, row in assigned("tests/simulated/llama-quantize", "TYPES").items():
        assert row[0] == file_types()[name] and set(row[1:]) <= set(ids)


def defined(name, macro):
    """The text of a macro that is made of several."""
    [lines] = re.findall(rf"^#define {macro} ((?:.*\\\n)*.*)$", source(name), re.M)
    return "".join(re.findall(STRING, lines))


def test_servers_send_the_policy_that_pages_have_themselves():
    """Only "frame-ancestors" cannot be said in a page."""
    assert defined("front/front.h", "FRONT_POLICY") == \
        defined("site/page.c", "POLICY") + "; frame-ancestors 'none'"


def test_every_file_of_unit_tests_is_where_the_makefile_looks_for_it():
    folder = ROOT / "tests/unit"
    found = set(folder.rglob("test_*.c"))
    assert found == {*folder.glob("test_*.c"), *folder.glob("*/test_*.c")}
