"""Words that people bring from other tools, and names with a typo: the hint leads to what they
meant."""

import hashlib
import re

import pytest
from conftest import ROOT
from test_frame import COMMANDS, leaves

from published import publisher, signed_base    # noqa: F401

WORDS = {
    "download": "ferry fetch", "get": "ferry fetch",
    "install": "ferry fetch", "ls": "ferry store list",
    "find": "ferry search", "info": "ferry show", "rm": "ferry store remove",
    "remove": "ferry catalog remove", "uninstall": "ferry store remove", "df": "ferry store du",
    "upload": "ferry push", "publish": "ferry push", "add": "ferry repository add",
    "init": "ferry catalog init", "clean": "ferry store gc",
    "convert": "ferry prepare", "import": "ferry prepare", "check": "ferry manifest check",
    "chat": "ferry run MODEL -- PROGRAM {}", "stop": "ferry run", "remote": "ferry repository",
    "repo": "ferry repository", "sign": "ferry catalog sign", "cp": "ferry sync",
    "sha256sum": "ferry manifest create", "inspect": "ferry prepare --check FILE",
    "version": "ferry --version", "key": "ferry catalog key",
    "store ls": "ferry store list", "store rm": "ferry store remove",
    "store delete": "ferry store remove", "store df": "ferry store du",
    "store prune": "ferry store gc", "store pull": "ferry fetch",
    "catalog rm": "ferry catalog remove", "catalog delete": "ferry catalog remove",
    "catalog ls": "ferry catalog list", "catalog edit": "ferry catalog sign",
    "catalog create": "ferry catalog init", "catalog check": "ferry catalog lint",
    "catalog push": "ferry push", "catalog import": "ferry catalog add",
    "catalog revoke": "ferry catalog rotate --remove",
    "catalog key create": "ferry catalog key new", "catalog key ls": "ferry catalog key list",
    "catalog key rm": "ferry catalog rotate --remove",
    "mirror rm": "ferry mirror remove", "mirror delete": "ferry mirror remove",
    "mirror ls": "ferry mirror list", "mirror status": "ferry mirror list --check",
    "mirror test": "ferry mirror probe", "mirror prune": "ferry push --prune",
    "mirror set": "[mirror.NAME]", "mirror verify": "ferry verify",
    "repository rm": "ferry repository remove", "repository delete": "ferry repository remove",
    "repository ls": "ferry repository list", "repository test": "ferry repository status",
    "repository update": "ferry repository status", "repository set": "[repository.NAME]",
    "manifest verify": "ferry manifest check", "manifest new": "ferry manifest create",
    "RM": "ferry store remove", "PUSH": "ferry push",
    "withdraw": "ferry catalog withdraw", "catalog yank": "ferry catalog withdraw",
    "history": "ferry show MODEL", "rollback": "ferry pin MODEL@VERSION",
    "autoremove": "ferry store gc", "scan-cache": "ferry store du", "hold": "ferry pin",
    "catalog versions": "ferry catalog list --versions",
    "catalog key rotate": "ferry catalog rotate",
    # a typo in a word of another tool
    "instal": "ferry fetch", "dowload": "ferry fetch", "updaet": "ferry update",
    "mirror delte": "ferry mirror remove",
    # typos have near neighbours
    "fetsh": "ferry fetch", "lst": "ferry list", "catlog": "ferry catalog", "stroe": "ferry store",
    "catalog sing": "ferry catalog sign", "mirror lsit": "ferry mirror list",
}


@pytest.mark.parametrize("words", WORDS)
def test_a_word_of_another_tool_leads_to_the_command_that_does_it(ferry, words):
    result = ferry(*words.split(), check=2)
    assert f"unknown command '{words.split()[-1]}'" in result.err
    hint = result.err.splitlines()[1]
    assert hint.startswith("  hint: ") and WORDS[words] in hint, hint


@pytest.mark.parametrize("word", ["x", "quux", "frobnicate", "--", "$(id)"])
def test_a_word_that_nothing_resembles_has_no_suggestion(ferry, word):
    assert "did you mean" not in ferry("catalog", word, check=2).err


def test_every_command_in_such_a_hint_exists(ferry):
    """From the source, so that none is forgotten."""
    text = (ROOT / "src" / "cli" / "frame" / "meant.c").read_text()
    text = re.sub(r'"\s+"', "", text)
    named = set(re.findall(r'"(ferry [a-z -]+)"', text)) | set(re.findall(r"'(ferry [a-z][^']*)'",
                                                                          text))
    assert len(named) > 30
    for command in sorted(named - {"ferry --version", "ferry"}):
        words = [w for w in command.split()[1:] if not re.match("[A-Z{]|--$", w)]
        out = ferry(*[w for w in words if not w.startswith("-")], "--help").out
        assert all(w in out for w in words if w.startswith("-")), command
    words = [(m[1], w) for m in re.finditer(r'\{ "(ferry[a-z ]*)", "((?!ferry)[^"]+)"', text)
             for w in m[2].split()]
    assert len(words) == len(set(words)) > 200
    helps = {path: ferry(*path.split()[1:], "--help").out for path, _ in words}
    for path, word in words:
        help = helps[path]
        assert not re.search(rf"^  {re.escape(word)} ", help, re.M), f"{path} {word} exists"


OPTIONS = [
    ("fetch --out x m", "did you mean --output?"),
    ("fetch --local-dir x m", "did you mean --output?"),
    ("fetch --force m", "did you mean --verify?"),
    ("fetch --quant q4 m", "[REPOSITORY/]MODEL[:VARIANT]"),
    ("fetch -j 4 m", "connections"),
    ("fetch --threads 4 m", "connections"),
    ("fetch --bwlimit 4 m", "did you mean --limit-rate?"),
    ("fetch --resume m", "run the same command again"),
    ("fetch --insecure m", "always checked"),
    ("fetch --cache-dir x m", "FERRY_HOME"),
    ("list --installed", "ferry store list"),
    ("list --upgradable", "ferry outdated"),
    ("list --silent", "did you mean --quiet?"),
    ("list --format json", "did you mean --json?"),
    ("list --debug", "did you mean --verbose?"),
    ("list --no-progress", "--progress=none"),
    ("push --force", "what to do instead"),
    ("push --yes", "only fetch, run, update and repository add ask"),
    ("push --dryrun", "did you mean --dry-run?"),
    ("push --simulate", "did you mean --dry-run?"),
    ("push --delete", "did you mean --prune?"),
    ("push --threads 4", "connections"),
    ("catalog sign --dry-run", "fetch, update, push, sync, site"),
    ("catalog list --repo x", "did you mean --repository?"),
    ("prepare --quant Q4_K_M a b", "did you mean --quantize?"),
    ("prepare --dest x a b", "did you mean --output?"),
    ("repository add --fingerprint x a b", "did you mean --root-sha256?"),
    ("repository add --pin x a b", "did you mean --root-sha256?"),
    ("push --mirorr a", "did you mean --mirror?"),
]


@pytest.mark.parametrize("line, hint", OPTIONS)
def test_an_option_of_another_tool_leads_to_the_one_that_does_it(ferry, line, hint):
    result = ferry(*line.split(), check=2)
    assert "unknown option" in result.err.splitlines()[0]
    assert hint in result.err.splitlines()[1]


@pytest.mark.parametrize("option", ["keep", "all", "recursive", "root", "file", "xyzzy"])
def test_an_option_that_only_looks_similar_is_not_suggested(ferry, option):
    result = ferry("list", f"--{option}", check=2)
    assert result.err.splitlines()[1] == "  hint: see 'ferry list --help'"


def test_the_commands_with_a_dry_run_are_those_that_the_hint_names(ferry):
    text = (ROOT / "src" / "cli" / "frame" / "meant.c").read_text()
    text = re.sub(r'"\s*\\\s*"', "", text)
    named = re.search(r'"(fetch, update, push, sync.*?) have it"', text)[1].replace(" and ", ", ").split(", ")
    have = [" ".join(leaf) for command in COMMANDS for leaf in leaves(ferry, command)
            if "--dry-run" in ferry(*leaf, "--help").out]
    assert sorted(named) == sorted(have)


@pytest.mark.parametrize("key, hint", [
    ("licence.id", "did you mean 'license.id'?"), ("license", "did you mean 'license.id'?"),
    ("lisence", "did you mean 'license.id'?"), ("license.ID", "did you mean 'license.id'?"),
    ("author", "did you mean 'source.author'?"), ("source.ulr", "did you mean 'source.url'?"),
    ("name", "did you mean 'title'?"), ("titel", "did you mean 'title'?"),
    ("context", "did you mean 'context_length'?"),
    ("variants.q8_0.titel", "did you mean 'variants.q8_0.title'?"),
    ("xyzzy", "possible members: title, summary, description, license.id, license.name"),
    ("license.xyzzy", "possible members: title"),
])
def test_an_unknown_member_of_a_card_names_the_known_ones(ferry, work, key, hint):
    """Before the source is read, and so before it is downloaded."""
    result = ferry("prepare", "m", work / "no-such.gguf", "--set", f"{key}=x", check=2)
    assert f"'{key}' is not a member of a card that can be set" in result.err
    assert hint in result.err.splitlines()[1]


@pytest.fixture
def reader(publisher):      # noqa: F811
    """Who has fetched the publisher's model."""
    publisher("push")
    root = publisher.tree / "metadata" / "1.root.json"
    away = publisher.dir / "away"
    away.mkdir()
    publisher.away = away
    publisher("repository", "add", "lab", publisher.mirror(), "--root", root, cwd=away)
    publisher("fetch", "tiny", cwd=away)
    return publisher


def test_names_with_a_typo_are_recognised(reader):
    def said(line, check, **options):
        return reader(*line.split(), check=check, **options).err

    there = {"cwd": reader.away}
    for line, hint in {
        "fetch tiyn": "'tiny'", "fetch tiny:q80": "'q8_0'", "fetch lba/tiny": "'lab'",
        "fetch --offline tiyn": "'tiny'", "show tinny": "'tiny'", "run tiyn -- cat {}": "'tiny'",
        "store path tiyn": "'tiny'", "store path tiny:q80": "'tiny:q8_0'",
        "store remove tiny:q80": "'tiny:q8_0'", "store verify tinny:q8_0": "'tiny'",
        "repository status lba": "'lab'", "repository remove lba": "'lab'",
    }.items():
        assert f"did you mean {hint}?" in said(line, 3, **there), line
    for reference, hint in {
        "tiny-q8_0": "'tiny:q8_0'", "tiny-q8_0.gguf": "'tiny:q8_0'", "q8_0": "'tiny:q8_0'",
    }.items():
        assert f"did you mean {hint}?" in said(f"fetch {reference}", 3, **there)
    assert "'tiny' alone is its default variant" in said("fetch tiny:latest", 3, **there)
    assert "a variant stands behind ':'" in said("fetch tiny/q8_0", 3, **there)
    assert "ferry prepare NAME URL" in said("fetch https://h.example/x.gguf", 2, **there)
    assert "`ferry list 'ti*'` lists" in said("fetch ti*", 2, **there)
    assert "no model matches; did you mean 'tiny'?" in said("list tiyn", 0, **there)
    for line, hint in {
        "push --mirror aa": "'a'", "verify --mirror aa": "'a'", "sync aa b": "'a'",
        "mirror probe --mirror aa": "'a'", "push --name tst": "'test'",
        "catalog list --name tst": "'test'", "catalog sign --role tagets": "'targets'",
        "catalog rotate tagets --threshold 1": "'targets'",
        "catalog rotate targets --remove snapshto": "'snapshot'", "catalog add x --name tset": "'test'",
        "prepare m x.gguf --quantize Q4KM": "Q4_K_M",
    }.items():
        assert f"did you mean {hint}?" in said(line, 2), line
    for line, hint in {
        "push --only tiyn": "'tiny'", "catalog remove tiyn": "'tiny'",
        "catalog remove tiny:q80": "'q8_0'", "catalog export sums tiyn": "'tiny'",
        "mirror remove aa": "'a'", "sync a b --name tst": "'test'",
        "catalog key export tagets": "'targets'",
    }.items():
        assert f"did you mean {hint}?" in said(line, 3), line


def test_a_mirror_as_an_operand_leads_to_the_option(publisher):   # noqa: F811
    for command in ("push", "verify", "mirror list", "mirror probe", "mirror setup"):
        err = publisher(*command.split(), "a", check=2).err
        assert "too many operands" in err and "--mirror chooses a mirror" in err


def test_a_wrong_pin_says_which_digest_is_whose(publisher, work):     # noqa: F811
    """One digest alone would read as if it were the pin."""
    publisher("push")
    root = publisher.tree / "metadata" / "1.root.json"
    digest = hashlib.sha256(root.read_bytes()).hexdigest()
    pin = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    away = work / "away"
    away.mkdir()
    add = ["repository", "add", "lab", publisher.mirror()]
    err = publisher(*add, "--root-sha256", pin, check=6, cwd=away).err
    assert f"of the mirror has the SHA-256 {digest}, but the pinned root-sha256 is {pin}" in err
    err = publisher("catalog", "status", "--root-sha256", pin, check=6).err
    assert f"has the SHA-256 {digest}, but --root-sha256 is {pin}" in err

    other = work / "other"
    other.mkdir()
    (other / "ferry.conf").write_text("[repository.x]\npath = repository\nkeys = keys\n")
    publisher("catalog", "init", "--unencrypted", cwd=other)
    given = other / "repository" / "metadata" / "1.root.json"
    err = publisher(*add, "--root", given, check=6, cwd=away).err
    assert f"1.root.json there has the SHA-256 {digest}, but the root that was given, {given}" in err
    publisher(*add, "--root", root, cwd=away)
