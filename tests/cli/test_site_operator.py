"""What ferry site shows of an operator's databases, and what readers are not to know."""

import json
import re

import pytest

from published import mirror, publisher, signed_base    # noqa: F401 (fixtures)
from test_site import contents, settings

MIRRORS = "mirrors/index.html"
STATISTICS = "statistics/index.html"


@pytest.fixture
def shop(publisher):        # noqa: F811
    """The mirrors a and b, which readers know; c is for stage."""
    publisher.configure(mirror("a", url="https://a.example.org/"),
                        mirror("b", url="https://b.example.org/", region="eu"),
                        mirror("c", stage="yes", url="https://secret.example.org/"))
    publisher("catalog", "sign")
    publisher("push")
    publisher("push", "--stage", check=None)
    return publisher


@pytest.fixture
def checked(publisher):     # noqa: F811
    """The same in folders, which `ferry health` can read; it has seen that b lacks the release."""
    publisher.configure(mirror("a"), mirror("b"), mirror("inner", stage="yes"))
    publisher("catalog", "sign")
    publisher("push")
    publisher("push", "--stage")
    publisher("health", "--no-audit")
    broken = publisher.mirror("b") / "metadata/timestamp.json"
    broken.rename(broken.with_name("away"))
    return publisher


def log(publisher, model, clients, day="2026-11-02", size=None):     # noqa: F811
    path = publisher.on("repository", f"*.{model}-*.gguf")
    size = size or path.stat().st_size
    stamp = f"{day[8:]}/Nov/2026:12:00:00 +0000"
    return "".join(f'192.0.2.{i} - - [{stamp}] "GET /{path.relative_to(publisher.tree)} HTTP/1.1" '
                   f'200 {size} "-" "curl/8.5.{i}"\n' for i in range(clients))


def count(publisher, lines, at="2026-11-03T06:00:00Z"):      # noqa: F811
    (publisher.dir / "access.log").write_text(lines)
    publisher("stats", "import", "a=access.log", at=at)


# -- mirrors --------------------------------------------------------------------------------------


def test_without_a_history_nothing_is_said_of_states(shop):
    assert shop("site", "--json").json["health"] is False


def test_states_and_uptime_are_those_of_health_without_its_messages(checked):
    said = checked("health", "--no-audit", "--json", check=1).json
    [reason] = [f["reason"] for r in said["repositories"] for m in r["mirrors"]
                if m["id"] == "b" for f in m["findings"] if f["check"] == "release"]
    assert checked("site", "--json").json["health"] is True
    everything = "".join(p.read_text() for p in (checked.tree / "site").rglob("*.*")
                         if p.is_file())
    assert "does not show the newest release" in (checked.tree / "site" / MIRRORS).read_text()
    assert reason not in everything and "inner" not in everything


def test_what_cannot_be_read_does_not_vanish_from_the_pages(checked):
    checked("site")
    before = contents(checked.tree / "site")
    database = checked.ferry.home / ".local/state/ferry/ops.db"
    database.write_bytes(b"no database at all, " * 100)
    result = checked("site", check=None)
    assert result.code in (6, 7)
    assert "the history of the mirrors: " in result.err and str(database) in result.err
    assert contents(checked.tree / "site") == before


def test_no_database_is_made(shop):
    state = shop.ferry.home / ".local/state/ferry"
    before = contents(state) if state.exists() else {}
    shop("site")
    everything = "".join(p.read_text() for p in (shop.tree / "site").rglob("*.*") if p.is_file())
    assert "secret.example.org" not in everything and str(shop.dir) not in everything
    assert (contents(state) if state.exists() else {}) == before


# -- downloads ------------------------------------------------------------------------------------


def test_downloads_are_shown_and_few_are_not(shop):
    """With the three of the one, the six of the other are folded, too: they would be the rest."""
    shop.add_model("rare", seed=7)
    shop.add_model("usual", seed=8)
    count(shop, log(shop, "tiny", 9) + log(shop, "rare", 3) + log(shop, "usual", 6))
    assert shop("site", "--json", at="2026-11-04T00:00:00Z").json["statistics"] is True
    text = (shop.tree / "site" / STATISTICS).read_text()
    words = re.sub(r"<[^>]*>", " ", text).split()
    assert "tiny" in words and "9" in words
    assert not {"rare", "usual", "3", "6"} & set(words)
    assert "192.0.2" not in text and "curl/8.5" not in text


def test_models_and_mirrors_of_other_repositories_are_not_named(shop):
    count(shop, log(shop, "tiny", 9))
    shop("catalog", "remove", "tiny")
    shop.add_model("public", seed=3)
    shop("push")
    shop("site", at="2026-11-04T00:00:00Z")
    text = "".join(p.read_text() for p in (shop.tree / "site").rglob("*.html"))
    assert "tiny" not in text.replace("tiny-q8_0", "")


def test_statistics_can_be_turned_off(shop):
    count(shop, log(shop, "tiny", 9))
    settings(shop, "statistics = no")
    assert shop("site", "--json", at="2026-11-04T00:00:00Z").json["statistics"] is False
    assert not (shop.tree / "site" / STATISTICS).exists()


def test_the_intro_is_on_the_first_page(shop):
    (shop.dir / "intro.txt").write_text("Models that we made.\n\nThey are <b>free</b>.\n")
    settings(shop, "intro = intro.txt", "title = Ours & yours")
    shop("site")
    text = (shop.tree / "site/index.html").read_text()
    assert "Models that we made." in text and "&lt;b&gt;free" in text and "<b>free" not in text
    assert "Ours &amp; yours" in text


def test_the_invitation_leads_to_the_mirror_that_everybody_reaches(shop):
    shop("site")
    text = (shop.tree / "site/models/tiny.html").read_text()
    invite = json.loads(shop("catalog", "invite", "--json").out)
    assert invite["root"]["sha256"] in text
    assert "https://a.example.org/" in text
