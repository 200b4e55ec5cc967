"""What goes to standard output: with -q, nothing but what was asked for; and what a closed pipe, a
full disk and a terminal of 80 columns do to it."""

import json
import re
import shutil
import subprocess
import time

import pytest
from conftest import ROOT
from test_frame import COMMANDS, leaves

from published import PIECE, flip, mirror, publisher, signed_base    # noqa: F401

ROWS = r"\S.*\n"
SUMS = r"[0-9a-f]{64}  models/\S+\n"
PEM = r"-----BEGIN PUBLIC KEY-----\n"

# Run in this order. What a command prints with -q: nothing, or what it was asked for.
PUBLISHER = [
    ("catalog init other --repository other --keys other-keys --unencrypted", None),
    ("prepare m m.gguf --set license.id=MIT --set source.url=https://example.org/m --set summary=x", None),
    ("prepare --check m.gguf", None),
    ("manifest create m.gguf --sums SUMS", None),
    ("manifest create m.gguf --stdout", r"\{\n"),
    ("manifest check m.gguf", None),
    ("catalog add models/m", None),
    ("catalog add models/m", None),
    ("catalog list", ROWS),
    ("catalog lint", None),
    ("catalog sign", None),
    ("catalog sign", None),
    ("catalog status", None),
    ("catalog refresh", None),
    ("catalog renew targets", None),
    ("catalog gc --dry-run", r"would remove 0 objects, 1 old metadata file"),
    ("catalog withdraw m --reason x", None),
    ("catalog withdraw m --undo", None),
    ("catalog prune --dry-run", None),
    ("catalog prune", None),
    ("catalog gc", None),
    ("catalog gc --dry-run", None),
    ("catalog key new alice --unencrypted", None),
    ("catalog key new bob --unencrypted --type ecdsa-p256", None),
    ("catalog key import keys/alice.pem carol --unencrypted", None),
    ("catalog key list", ROWS),
    ("catalog key export alice", PEM),
    ("catalog key check alice", None),
    ("catalog key passphrase carol --new-passphrase-file new", None),
    ("catalog delegate team --key keys/alice.pub --paths models/x-*/*", None),
    ("catalog undelegate team", None),
    ("catalog rotate timestamp --add alice", None),
    ("catalog merge copy", None),
    ("catalog sign", None),
    ("catalog discard", None),
    ("catalog export sums", SUMS),
    ("catalog export sums --output sums.txt", None),
    ("catalog export metalink tiny", r"<\?xml"),
    ("catalog export minisign-key", r"untrusted comment: "),
    ("catalog export model-signature tiny --key bob", r"\{"),
    ("push --dry-run", ROWS),
    ("push --preflight", None),
    ("push --plan plan.json", None),
    ("push --apply plan.json", None),
    ("push", None),
    ("push --recheck", None),
    ("push --repair", None),
    ("push --prune", None),
    ("site --dry-run", r"The site of release "),
    ("site", None),
    ("site --push -m a", None),
    ("push --bundle release.ferry-bundle", None),
    ("announce --dry-run --config announce.conf", r"announce: would-tell, "),
    ("catalog invite", r"test: "),
    ("catalog backup backup.tar.zst", None),
    ("catalog restore backup.tar.zst restored", None),
    ("sync a b --dry-run", ROWS),
    ("sync a b", None),
    ("sync a b --dry-run", None),
    ("verify", None),
    ("verify --full", None),
    ("health --mirror b", None),
    ("health silence a --for 2h", None),
    ("health silence --list", ROWS),
    ("health silence a --end", None),
    ("health history", ROWS),
    ("mirror list", ROWS),
    ("mirror list --check", ROWS),
    ("mirror setup --dry-run", None),
    ("mirror setup", None),
    ("mirror probe --quick", None),
    ("mirror cleanup", None),
    ("mirror add d --kind file --path mirrors/c", None),
    ("mirror remove d", None),
    ("mirror config nginx --config cloud.conf --set root=/srv", r"(?s)# What nginx serves .*"),
    ("mirror presign targets/x --config cloud.conf", r"https://\S+\n"),
    ("catalog remove m", None),
    ("doctor catalog", r"(.+\n)+\n.*passed.*\n"),
    ("stats import access.log", None),
    ("stats show", ROWS),
    ("stats counters", None),
    ("stats export --prometheus stats.prom", None),
    ("cost", None),
    ("serve key new lab --keys edge.keys --scope pull:*/*", r"ferry_\S+\n$"),
    ("serve key list --keys edge.keys", ROWS),
    ("serve key revoke lab --keys edge.keys", None),
]
READER = [
    ("repository add lab {mirror} --root {root}", None),
    ("repository list", ROWS),
    ("repository status", None),
    ("list", ROWS),
    ("search tiny", ROWS),
    ("list no-such-model", None),
    ("show tiny", r"model  "),
    ("fetch tiny", r"/\S+tiny-q8_0.gguf\n$"),
    ("fetch tiny -o new/folder/x.gguf", r"/\S+/new/folder/x.gguf\n$"),
    ("run tiny -- echo {{}}", r"/\S+tiny-q8_0.gguf\n$"),
    ("pin tiny", None),
    ("pin", ROWS),
    ("status", r"repository    lab"),
    ("outdated", None),
    ("update", None),
    ("unpin tiny", None),
    ("store list", ROWS),
    ("store partials", None),
    ("store path tiny", r"/\S+tiny-q8_0.gguf\n$"),
    ("store link tiny --engine directory --to linked", None),
    ("store link tiny --engine directory --to other --dry-run", r"would link "),
    ("store link", ROWS),
    ("store unlink tiny", None),
    ("node apply --config node.conf", None),
    ("node status --config node.conf", r"node +ready "),
    ("store verify", None),
    ("store import new", None),
    ("store du", ROWS),
    ("store gc --dry-run", None),
    ("store gc", None),
    ("store remove tiny", None),
    ("repository remove lab", None),
]


@pytest.fixture
def shop(publisher):     # noqa: F811
    """The publisher with what the commands of the table need, and a reader's folder."""
    def run(line, *more, **options):
        return publisher(*line.split(), *more, **options)

    publisher.configure(mirror("a", url="https://models.example.org/a/"), mirror("b"))
    for name in "abc":
        publisher.mirror(name).mkdir(parents=True)
    run.dir, run.publisher = publisher.dir, publisher
    shutil.copytree(publisher.tree, run.dir / "copy")
    (run.dir / "announce.conf").write_text(
        (run.dir / "ferry.conf").read_text() + "[announce]\ncommand = cat\n")
    (run.dir / "cloud.conf").write_text(
        "[mirror.cloud]\nkind = s3\nbucket = models\nregion = eu-west-1\n"
        "url = https://models.example.org\n")
    publisher.ferry.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
    subprocess.run([str(ROOT / "scripts" / "make-test-gguf"), "-o",
                    str(run.dir / "m.gguf"), "--size", "1M", "--seed", "3"], check=True,
                   stdout=subprocess.DEVNULL)
    (run.dir / "new").write_text("a new passphrase of some length\n")
    (run.dir / "new").chmod(0o600)
    file = next(publisher.tree.glob("targets/models/tiny/*.gguf"))
    (run.dir / "access.log").write_text(
        f'192.0.2.1 - - [{time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())}] '
        f'"GET /{file.relative_to(publisher.tree)} HTTP/1.1" 200 {file.stat().st_size} "-" "x"\n')
    run.away = run.dir / "away"
    run.away.mkdir()
    run.reader = {"mirror": publisher.mirror("b"),
                  "root": publisher.tree / "metadata" / "1.root.json"}
    (run.away / "node.conf").write_text(
        f"[repository.lab]\nmetadata = file://{run.reader['mirror']}\n"
        f"root = {run.reader['root']}\n[node.node]\nmodel = tiny\n")
    return run


def test_the_table_of_quiet_commands_has_all(ferry):
    tried = [line for line, _ in PUBLISHER + READER]
    for command in COMMANDS:
        for leaf in leaves(ferry, command):
            assert any(line.startswith(" ".join(leaf)) for line in tried), leaf


def test_with_q_a_success_prints_only_what_was_asked_for(shop):
    def check(line, wanted, **where):
        result = shop(line, *where.pop("more", ["-q"]), **where)
        assert result.err == "", f"{line}: {result.err}"
        if wanted is None:
            assert result.out == "", f"{line}: {result.out}"
        else:
            assert re.match(wanted, result.out), f"{line}: {result.out}"

    for line, wanted in PUBLISHER:
        check(line, wanted)
    shop.publisher.configure(mirror("a"), mirror("b"))      # no URL that nobody answers
    shop("catalog sign")
    shop("push")
    for line, wanted in READER:
        line = line.format(**shop.reader)
        if line.startswith("run "):
            check(line.replace("run ", "run -q "), wanted, more=[], cwd=shop.away)
        else:
            check(line, wanted, cwd=shop.away)


def test_with_q_faults_are_still_told(shop):
    shop("push")
    bad = shop.publisher.on("a", "*q8_0.gguf")
    flip(bad, 12)
    assert ": corrupt\n  piece 0 (bytes" in shop("verify --full -q", check=1).out
    shop.publisher.mirror("c").rmdir()
    shop("mirror add c --kind file --path mirrors/c -q --no-probe")
    told = shop("mirror probe --quick -q", check=1).out.splitlines()
    assert all(line.startswith("c ") and " lacks " in line for line in told) and told
    (shop.dir / "bad.gguf").write_bytes(b"GGUF")
    assert "bad.gguf: refused" in shop("prepare --check m.gguf bad.gguf -q", check=6).out
    assert shop("catalog status --within 900d -q", check=1).out != ""
    # A signature is missing: exit 1 with a reason.
    shop("catalog key new alice --unencrypted")
    shop("catalog rotate targets --add alice --threshold 2")
    shop("prepare m m.gguf --set license.id=MIT")
    shop("catalog add models/m")
    (shop.dir / "keys" / "alice.pem").unlink()
    told = shop("catalog sign -q", check=1).out
    assert "waits: 1 of 2 signatures" in told and "with the key of alice" in told


def closed_pipe(shop, line, **options):
    """Runs the command with a standard output that nobody reads."""
    process = shop.publisher.ferry.start(*line.split(), **options)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    return process.wait(), err


PRINTING = [
    "help", "--version", "completion bash", "list --help", "catalog list", "catalog list --json",
    "catalog status", "catalog key list", "catalog export sums", "push --dry-run",
    "push", "verify", "mirror list", "manifest create m.gguf --stdout", "prepare --check m.gguf",
]


def test_a_closed_pipe_is_no_error(shop):
    """`ferry list | true`, and `| head -1`, have all that they want."""
    quiet = shop("push -n").err
    for line in PRINTING:
        code, err = closed_pipe(shop, line)
        assert code == 0 and "standard output" not in err, f"{line}: {err}"
    assert "standard output" not in quiet
    shop("repository add lab {mirror} --root {root}".format(**shop.reader), cwd=shop.away)
    for line in ("list", "list --json", "show tiny", "fetch tiny", "store list", "store path tiny",
                 "repository list", "repository status", "fetch --help"):
        code, err = closed_pipe(shop, line, cwd=shop.away)
        assert code == 0 and "standard output" not in err, f"{line}: {err}"
    # A real fault keeps its exit code.
    assert closed_pipe(shop, "show no-such-model", cwd=shop.away)[0] == 3


def test_a_large_answer_into_a_closed_pipe_is_no_error(shop):
    """More than a buffer: the first write fails long before the end."""
    manifest = shop("manifest create m.gguf --stdout").out
    process = subprocess.Popen(shop.publisher.ferry.command("manifest", "create", "m.gguf",
                                                            "--stdout"),
                               cwd=shop.dir, env=shop.publisher.ferry.environment(None),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 0
    assert first == manifest[0]


def test_a_full_disk_behind_standard_output_is_an_error(shop):
    for line in PRINTING:
        if line == "push":
            continue
        with open("/dev/full", "w") as full:
            process = shop.publisher.ferry.start(*line.split(), stdout=full)
            err = process.stderr.read()
            process.stderr.close()
        assert process.wait() == 7, line
        assert "cannot write to standard output" in err or "cannot run" in err, line


def test_the_lines_of_verify_fit_80_columns(shop):
    """The digest is shortened as git does; -v and --json have it in full."""
    shop("push")
    bad = shop.publisher.on("a", "*q8_0.gguf")
    for at in (12, 9_000_000):
        flip(bad, at)
    (shop.publisher.mirror("a") / "metadata" / "1.root.json").unlink()
    key = bad.relative_to(shop.publisher.mirror("a"))
    digest = bad.name.split(".")[0]
    told = shop("verify --full", check=1).out
    rows = [line for line in told.splitlines() if line.startswith(("a", "b", "  "))]
    assert max(map(len, rows)) <= 80
    assert f"a: targets/models/tiny/{digest[:12]}….tiny-q8_0.gguf: corrupt" in rows
    assert rows[rows.index(f"a: targets/models/tiny/{digest[:12]}….tiny-q8_0.gguf: corrupt") + 1] \
        == "  piece 0 (bytes 0-8388607) and 1 more"
    assert "a: metadata/1.root.json: missing" in rows
    assert f"a: {key}: corrupt: piece 0 (bytes 0-8388607) and 1 more" in \
        shop("verify --full -v", check=1).out
    assert digest in shop("verify --full --json", check=1).out


def test_a_folder_that_fetch_makes_is_named(shop):
    shop("push")
    shop("repository add lab {mirror} --root {root}".format(**shop.reader), cwd=shop.away)
    result = shop("fetch tiny -o new/path/x.gguf", cwd=shop.away)
    assert "made the folder new/path" in result.err
    assert (shop.away / "new" / "path" / "x.gguf").is_file()
    assert "made the folder" not in shop("fetch tiny -o new/path/y.gguf", cwd=shop.away).err
    result = shop("fetch tiny -o deep/er/", cwd=shop.away)
    assert "made the folder deep/er" in result.err and (shop.away / "deep/er/tiny-q8_0.gguf").is_file()


def test_a_model_is_not_written_to_a_file_called_minus(shop):
    shop("push")
    shop("repository add lab {mirror} --root {root}".format(**shop.reader), cwd=shop.away)
    result = shop("fetch tiny -o -", cwd=shop.away, check=2)
    assert "not written to standard output" in result.err and "./-" in result.err
    assert not (shop.away / "-").exists()
    shop("fetch tiny -o ./-", cwd=shop.away)
    assert (shop.away / "-").is_file()
    # The store has it, but that helps nobody who gave a wrong name.
    result = shop("fetch tiny -o /dev/null", cwd=shop.away, check=2)
    assert "not a regular file" in result.err and "--offline" not in result.err


def test_progress_of_a_repair_never_goes_back_or_beyond_its_total(shop):
    """Reading back and writing are two tasks: what has to be written is known after the first."""
    shop("push")
    for name in "ab":
        flip(shop.publisher.on(name, "*q8_0.gguf"), 9_000_000)
    err = shop("push --recheck --progress=json").err
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    counted = {}
    for event in events:
        if "bytes" in event:
            assert counted.get(event["task"], 0) <= event["bytes"] <= event["total"], event
            counted[event["task"]] = event["bytes"]
    size = shop.publisher.on("a", "*q8_0.gguf").stat().st_size
    assert set(counted) == {"check a", "check b", "push a", "push b"}
    assert size <= counted["push a"] < size + 10_000 < counted["check a"]


def test_push_and_sync_tell_what_was_not_sent(shop):
    """Bytes that an earlier upload left are part of the size, and not of what was sent."""
    model = shop.publisher.on("repository", "*q8_0.gguf")
    digest = model.name.split(".")[0]
    for name, command in (("a", "push -m a"), ("b", "sync a b")):
        part = shop.publisher.mirror(name) / ".ferry" / "partial" / f"{digest}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(model.read_bytes()[:PIECE])
        out = shop(command).out
        assert "8.0 MiB kept from earlier uploads" in out and not part.exists(), out
