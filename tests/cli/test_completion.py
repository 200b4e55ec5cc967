"""Completion: what each shell offers, from the tables and from what there is."""

import json
import os
import shutil
import subprocess

import pytest

from conftest import BIN, Ferry
from waiting import PATIENCE

COMMANDS = sorted(p.name.removeprefix("ferry-") for p in BIN.glob("ferry-*"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory, make_gguf):
    """A publisher of two models with mirrors, keys and a delegated role; and in reader/ somebody
    who knows both models and has fetched one."""
    folder = tmp_path_factory.mktemp("desk")
    ferry = Ferry(folder)
    started = ferry("catalog", "init", "lab", "--unencrypted", "--json").json
    (folder / "reader").mkdir()
    (folder / "reader/ferry.conf").write_text(started["client_configuration"])
    for seed, model in enumerate(("phi-2", "pico")):
        source = make_gguf(folder / f"{model}.gguf", "--seed", seed)
        ferry("prepare", "-q", f"{model}:q8_0", source, "--set", "license.id=MIT")
        ferry("catalog", "add", "-q", f"models/{model}")
    ferry("catalog", "sign", "-q")
    ferry("list", "-q", cwd=folder / "reader")
    ferry("fetch", "-q", "pico", "phi-2", cwd=folder / "reader")
    ferry("store", "remove", "-q", "phi-2", cwd=folder / "reader")
    ferry("catalog", "key", "new", "community", "--unencrypted")
    ferry("catalog", "delegate", "community", "--paths", "models/community-*/*", "--key",
          "lab-keys/community.pub")
    with (folder / "ferry.conf").open("a") as conf:
        conf.write("[mirror.main]\nkind = file\npath = m\n[mirror.backup]\nkind = file\npath = b\n")
    return ferry


def offered(ferry, *words, cwd=None, env=None):
    out = ferry("--complete", *words, cwd=cwd, env=env).out
    return [line.split("\t")[0] for line in out.splitlines()]


@pytest.fixture
def offers(desk):
    """offers("fetch", "ph"): the candidates for the reader; offers(…, publisher=True)."""
    def ask(*words, publisher=False):
        return offered(desk, *words, cwd=desk.work if publisher else desk.work / "reader")
    return ask


def test_commands_sub_commands_and_options_are_offered_from_the_tables(offers):
    assert set(offers("")) == {*COMMANDS, "help", "completion"}
    assert offers("fet") == ["fetch"]
    assert offers("catalog", "si") == ["sign"]
    assert offers("catalog", "key", "n") == ["new"]
    assert offers("fetch", "--off") == ["--offline"]
    assert offers("catalog", "key", "new", "--ty") == ["--type"]
    assert offers("nosuch", "") == []


def test_help_is_completed_with_the_commands_that_it_explains(offers):
    assert offers("help", "cat") == ["catalog"]
    assert offers("help", "catalog", "ad") == ["add"]
    assert offers("catalog", "help", "ad") == ["add"]
    assert offers("completion", "") == ["bash", "zsh", "fish"]


def test_common_options_before_the_command_do_not_disturb(offers):
    assert offers("--js") == ["--json"]
    assert offers("-C", "") == [":folders"]
    assert offers("-C", "x", "--config", "") == [":files"]
    assert offers("-qC", "..", "mirror", "remove", "") == ["main", "backup"]


@pytest.mark.parametrize("words, values", [
    (["fetch", "--progress", "p"], ["plain"]),
    (["fetch", "--progress=p"], ["--progress=plain"]),
    (["mirror", "add", "x", "--kind", ""],
     ["file", "http", "s3", "r2", "github", "git", "oci"]),
    (["mirror", "add", "x", "--holds", ""], ["all", "objects", "metadata"]),
    (["catalog", "key", "new", "x", "--type="], ["--type=ed25519", "--type=ecdsa-p256"]),
    (["prepare", "--outtype", "q"], ["q8_0"]),
], ids=lambda w: " ".join(w))
def test_values_that_are_few_are_offered(offers, words, values):
    assert offers(*words) == values


@pytest.mark.parametrize("words, kind", [
    (["prepare", "x", ""], ":files"), (["manifest", "create", "a", ""], ":files"),
    (["catalog", "add", ""], ":folders"), (["catalog", "add", "--repository", ""], ":folders"),
    (["run", "pico", ""], ":programs"), (["run", "pico", "--", ""], ":programs"),
    (["run", "pico", "cat", ""], ":files"), (["run", "pico", "--", "cat", "--x"], ":files"),
], ids=lambda w: " ".join(w) if isinstance(w, list) else w)
def test_files_folders_and_programs_are_left_to_the_shell(offers, words, kind):
    assert offers(*words) == [kind]


def test_models_and_their_variants_are_those_of_the_catalog(offers):
    for command in ("fetch", "show", "list"):
        assert offers(command, "") == ["phi-2", "pico"]
    assert offers("fetch", "ph") == ["phi-2"]
    assert offers("fetch", "phi-2:") == ["phi-2:q8_0"]
    assert offers("fetch", "lab/p") == ["lab/phi-2", "lab/pico"]
    assert offers("fetch", "lab/pico:q") == ["lab/pico:q8_0"]
    assert offers("fetch", "phi-2", "pi") == ["pico"]
    assert offers("search", "chat", "pi") == ["pico"]


def test_versions_are_offered_after_an_at_sign(ferry, work, make_gguf):
    """From the card, which a reader has who fetched or looked at the model."""
    conf = ferry("catalog", "init", "lab", "--unencrypted", "--json").json["client_configuration"]
    for seed, label in enumerate(["first", "second"]):
        source = make_gguf(work / "tiny.gguf", "--seed", seed)
        ferry("prepare", "-q", "tiny:q8_0", source, "--set", "license.id=MIT")
        ferry("catalog", "add", "-q", "--label", label, "models/tiny")
        source.unlink()
    ferry("catalog", "sign", "-q")
    reader = work / "reader"
    reader.mkdir()
    (reader / "ferry.conf").write_text(conf)
    ferry("list", cwd=reader)
    assert offered(ferry, "fetch", "tiny@", cwd=reader) == []
    ferry("show", "tiny", cwd=reader)
    for name in ("tiny", "tiny:q8_0", "lab/tiny:q8_0"):
        versions = [f"{name}@{v}" for v in ("1", "2", "first", "second")]
        assert offered(ferry, "fetch", f"{name}@", cwd=reader) == versions
    assert offered(ferry, "show", "tiny@s", cwd=reader) == ["tiny@second"]
    assert offered(ferry, "fetch", "none@", cwd=reader) == []
    assert offered(ferry, "catalog", "withdraw", "tiny:q8_0@f") == ["tiny:q8_0@first"]
    line = json.dumps("ferry fetch tiny:q8_0@f")
    ferry.work = work
    assert in_shell("bash", BASH.format(line=line), ferry) == ["first"]


def test_only_stored_models_are_offered_where_only_they_can_be_used(offers):
    for words in (["store", "remove"], ["store", "path"], ["store", "verify"], ["run"],
                  ["update"], ["outdated"], ["pin"], ["unpin"]):
        assert offers(*words, "") == ["pico"]
        assert offers(*words, "pico:") == ["pico:q8_0"]
    assert offers("store", "path", "pico", "") == []


def test_names_of_the_configuration_are_offered(offers):
    assert offers("repository", "remove", "") == ["lab"]
    for words in (["push", "--mirror"], ["verify", "-m"], ["sync"], ["sync", "main"],
                  ["mirror", "probe", "--mirror"], ["mirror", "remove"]):
        assert offers(*words, "", publisher=True) == ["main", "backup"]
    assert offers("push", "--name", "", publisher=True) == ["lab"]


def test_keys_roles_models_and_objects_of_the_tree_are_offered(offers):
    keys = ["community", "root", "snapshot", "targets", "timestamp"]
    for words in (["key", "check"], ["key", "export"], ["key", "passphrase", "root"],
                  ["rotate", "root", "--remove"], ["sign", "--key"]):
        assert offers("catalog", *words, "", publisher=True) == keys
    assert offers("catalog", "key", "check", "--keys", "../lab-keys", "r") == ["root"]
    roles = ["root", "targets", "snapshot", "timestamp", "community"]
    for words in (["rotate"], ["renew"], ["sign", "--role"], ["add", "--role"]):
        assert offers("catalog", *words, "", publisher=True) == roles
    assert offers("catalog", "remove", "ph", publisher=True) == ["phi-2"]
    assert offers("catalog", "remove", "phi-2:", publisher=True) == ["phi-2:q8_0"]
    assert offers("push", "--only", "", publisher=True) == ["phi-2", "pico"]
    assert offers("mirror", "presign", "tar", publisher=True) == ["targets/"]
    assert offers("mirror", "presign", "targets/models/p", publisher=True) == [
        "targets/models/phi-2/", "targets/models/pico/"]


def test_what_cannot_be_read_is_not_offered_and_nothing_is_said(ferry, work):
    (work / "ferry.conf").write_text("nonsense")
    for words in (["fetch", ""], ["store", "remove", ""], ["push", "--mirror", ""],
                  ["catalog", "rotate", ""], ["-C", "/no/such", "mirror", "remove", ""]):
        result = ferry("--complete", *words)
        assert (result.out, result.err) == ("", "")


def test_the_network_is_not_used(desk, work):
    """The endpoint takes no connections, and is not asked."""
    conf = (desk.work / "reader/ferry.conf").read_text()
    url = f"file://{desk.work}/repository"
    assert url in conf
    (work / "ferry.conf").write_text(conf.replace(url, "http://127.0.0.1:1"))
    assert offered(desk, "fetch", "", cwd=work) == ["phi-2", "pico"]


# -- the shells ------------------------------------------------------------------------------

BASH = """
compopt() {{ :; }}
source <(ferry completion bash)
COMP_LINE={line}
COMP_POINT=${{#COMP_LINE}}
_ferry
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

ZSH = """
compdef() {{ :; }}
source <(ferry completion zsh)
compadd() {{ shift; print -l -- ${{(P)1}}; }}
_describe() {{ print -l -- ${{${{(P)2}}%%[^\\\\]:*}}; print -l -- ${{(P)2}}; }}
_files() {{ print files; }}
words=({words})
CURRENT=$#words
_ferry
"""

FISH = """
source (ferry completion fish | psub)
complete -C {line}
"""


def in_shell(shell, script, desk, reader=True):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    env = desk.environment({"PATH": f"{BIN}:{os.environ['PATH']}"})
    args = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "-N"]}[shell]
    done = subprocess.run([*args, "-c", script], cwd=desk.work / "reader" if reader else desk.work,
                          env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.split("\n")[:-1]


def test_bash_offers_what_follows_the_last_colon_or_equals_sign(desk):
    def complete(line, **options):
        return in_shell("bash", BASH.format(line=json.dumps(line)), desk, **options)
    assert complete("ferry fet") == ["fetch"]
    assert complete("ferry fetch phi-2:") == ["q8_0"]
    assert complete("ferry fetch --progress=p") == ["plain"]
    assert complete("ferry fetch --progress p") == ["plain"]
    assert complete("ferry store remove ") == ["pico"]
    assert complete("ferry catalog key check r", reader=False) == ["root"]
    assert "ferry.conf" in complete("ferry manifest check ")


def test_zsh_offers_names_with_their_meaning(desk):
    def complete(*words):
        words = " ".join(json.dumps(w) for w in words)
        return in_shell("zsh", ZSH.format(words=words), desk)
    assert "fetch:download a model into the store, verified" in complete("ferry", "fet")
    assert complete("ferry", "store", "remove", "") == ["pico"]
    assert complete("ferry", "fetch", "phi-2:") == ["phi-2:q8_0"]
    assert complete("ferry", "manifest", "check", "") == ["files"]


def test_fish_offers_names_with_their_meaning(desk):
    def complete(line):
        return in_shell("fish", FISH.format(line=json.dumps(line)), desk)
    assert complete("ferry fet") == ["fetch\tdownload a model into the store, verified"]
    assert complete("ferry store remove ") == ["pico"]
    assert complete("ferry fetch phi-2:") == ["phi-2:q8_0"]
    assert complete("ferry fetch --progress=p") == ["--progress=plain"]
    assert "ferry.conf" in complete("ferry manifest check ferry")[0]
