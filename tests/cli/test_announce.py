"""`ferry announce`: programs are told of what was published, once."""

import json
import re
import subprocess

import pytest

from published import mirror, publisher, signed_base  # noqa: F401 (fixtures)
from schemas import validate

# A hook that keeps each document that it gets, and what it was called with.
HOOK = """#!/bin/sh
set -eu
echo "$# $*" >> "$PWD/called"
cat > "$PWD/told-$(wc -l < "$PWD/called")"
[ ! -e "$PWD/broken" ] || { echo 'the other side is down' >&2; exit 3; }
"""


class Hooked:
    def __init__(self, publisher):  # noqa: F811
        self.publisher = publisher
        self.dir = publisher.dir
        (self.dir / "hook").write_text(HOOK)
        (self.dir / "hook").chmod(0o755)
        self.configure("[announce.web]\ncommand = ./hook --to web\n")

    def configure(self, hooks):
        self.publisher.configure(mirror("a", url="https://a.example.org/m"), mirror("b"),
                                 more=hooks)

    def __call__(self, *args, **options):
        return self.publisher("announce", *args, **options)

    def outcomes(self, *args, **options):
        hooks = self("--json", *args, **options).json["hooks"]
        return {h["name"]: h["outcome"] for h in hooks}

    def told(self):
        """The documents that the hook got, in order."""
        found = sorted(self.dir.glob("told-*"), key=lambda p: int(p.name.split("-")[1]))
        documents = [json.loads(p.read_text()) for p in found]
        for document in documents:
            validate(document, "announcement")
        return documents


@pytest.fixture
def announce(publisher):  # noqa: F811
    made = Hooked(publisher)
    publisher("push")
    return made


def test_a_hook_gets_what_was_published_on_its_standard_input_and_only_once(announce):
    assert announce.outcomes() == {"web": "told"}
    [document] = announce.told()
    assert document["mirrors"] == [{"id": "a", "url": "https://a.example.org/m"}]
    [model] = document["models"]
    assert (model["id"], model["change"]) == ("tiny", "new")
    assert [v["change"] for v in model["variants"]] == ["new"]
    assert model["notes"].startswith("# ") and "SHA-256" in model["notes"]
    assert (announce.dir / "called").read_text() == "2 --to web\n"
    assert announce.outcomes() == {"web": "nothing-new"}
    assert len(announce.told()) == 1


def test_new_versions_recalls_and_removals_are_told_as_they_come(announce):
    publisher = announce.publisher  # noqa: F811
    announce()
    publisher.add_model("tiny", "10M", seed=9)
    publisher("catalog", "withdraw", "tiny:q8_0@1", "--reason", "A wrong template.")
    publisher("catalog", "sign")
    publisher("push")
    announce()
    model = announce.told()[-1]["models"][0]
    assert model["change"] == "updated"
    assert [(v["change"], v["version"]) for v in model["variants"]] == [("replaced", 2)]
    assert model["variants"][0]["changes"]
    assert model["withdrawn"] == [{"variant": "q8_0", "version": 1,
                                   "reason": "A wrong template."}]
    publisher("catalog", "withdraw", "--undo", "tiny:q8_0@1")
    publisher("catalog", "sign")
    publisher("push")
    announce()
    assert announce.told()[-1]["models"][0]["restored"] == ["q8_0@1"]
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    publisher("push")
    announce()
    assert announce.told()[-1]["models"] == [{"id": "tiny", "change": "removed"}]


def test_what_no_reader_can_see_is_not_announced(announce):
    announce.publisher("catalog", "refresh")
    refused = announce(check=3)
    assert "no mirror shows release" in refused.err and "ferry push" in refused.err
    assert announce.told() == []


def test_a_failing_hook_is_reported_and_told_again_and_the_others_go_on(announce):
    announce.configure("[announce.bad]\ncommand = ./hook\n[announce.good]\ncommand = true\n")
    (announce.dir / "broken").touch()
    result = announce("--json", check=1)
    assert [h["outcome"] for h in result.json["hooks"]] == ["failed", "told"]
    assert "the other side is down" in result.json["hooks"][0]["error"]["message"]
    (announce.dir / "broken").unlink()
    assert announce.outcomes() == {"bad": "told", "good": "nothing-new"}
    first, again = announce.told()
    assert first == again


def test_a_hook_without_a_program_or_one_that_takes_too_long_fails(announce):
    announce.configure("[announce]\ncommand = no-such-program\n"
                       "[announce.slow]\ncommand = sleep 600\ntimeout = 1s\n")
    hooks = announce("--json", check=1).json["hooks"]
    assert [h["outcome"] for h in hooks] == ["failed", "failed"]
    assert "no program" in hooks[0]["error"]["message"]


def test_a_dry_run_prints_the_document_and_tells_nobody(announce):
    shown = announce("-n", "--json").json["hooks"][0]
    assert shown["outcome"] == "would-tell" and shown["document"]["models"]
    assert '"format": "model-ferry-announcement"' in announce("-n").out
    assert announce.told() == [] and announce.outcomes() == {"web": "told"}


def test_skip_makes_a_hook_know_everything(announce):
    assert announce.outcomes("--skip") == {"web": "skipped"}
    assert announce.outcomes() == {"web": "nothing-new"} and announce.told() == []
    announce("--skip", "-n", check=2)


def test_the_hook_keeps_its_token_but_not_the_passphrase_of_the_keys(announce):
    (announce.dir / "hook").write_text('#!/bin/sh\ncat > /dev/null\nenv > "$PWD/environment"\n')
    announce(env={"NEWS_TOKEN": "secret"})
    seen = (announce.dir / "environment").read_text()
    assert "NEWS_TOKEN=secret" in seen and "FERRY_PASSPHRASE" not in seen


@pytest.mark.parametrize("hooks, why", [
    ("", "no [announce.NAME]"),
    ("[announce.x]\ntimeout = 5s\n", "name the program"),
    ("[announce.x]\ncommand = true\ntimeout = 0\n", "timeout"),
    ("[announce.x]\ncommand = true\nshell = yes\n", "unknown key"),
    ("[announce.X!]\ncommand = true\n", "a name consists of"),
    ("[announce]\ncommand = true\n[announce.announce]\ncommand = true\n", "two hooks"),
    ("[announce.x]\ncommand = true\nrepository = other\n", "no [repository.other]"),
])
def test_settings_that_are_wrong_are_refused(announce, hooks, why):
    announce.configure(hooks)
    assert why in announce(check=2).err


def test_a_damaged_record_does_not_announce_everything_again(announce):
    announce()
    record = announce.dir / "repository" / ".ferry" / "announced" / "web"
    record.write_text("{")
    result = announce("--json", check=1)
    assert result.json["hooks"][0]["outcome"] == "failed"
    assert len(announce.told()) == 1


def test_words_of_a_card_do_not_become_links_mentions_or_markup_on_a_forge(announce):
    """As GitHub's own Markdown renders the notes, with its autolinks."""
    card = announce.dir / "repository" / "cards" / "tiny.card.json"
    changed = json.loads(card.read_text())
    changed["title"] = "<img src=x> [a](http://evil.example) @everyone"
    changed["summary"] = "www.evil.example https://evil.example **x** `@user` a|b #1 \\[c](d)"
    card.write_text(json.dumps(changed))
    announce.publisher("catalog", "sign")
    announce.publisher("push")
    announce()
    notes = announce.told()[-1]["models"][0]["notes"]
    html = subprocess.run(["cmark-gfm", "--unsafe", "-e", "autolink", "-e", "table", "-e",
                           "strikethrough"], input=notes, check=True, capture_output=True,
                          text=True).stdout
    tags = set(re.findall(r"<(/?\w+)", html))
    assert tags <= {t for n in ("h1", "h3", "p", "ul", "li", "code") for t in (n, "/" + n)}
    outside = re.sub(r"<code>.*?</code>", "", html, flags=re.S)
    assert "@" not in outside and "://" not in outside and "www." not in outside
