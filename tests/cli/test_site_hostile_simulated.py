"""The site of a catalog whose every text is hostile, signed by a delegated role (SIMULATED with its own
key, as a role that wants to do harm would): nothing of it becomes markup, a link, a script or a command."""

import json
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from browser import Browser, SiteServer
from conftest import Ferry
from schemas import validate
from test_delegate import Desk
from test_hostile_role_simulated import sign_as_role
from waiting import PATIENCE

MODEL = "community-a"
TAGS = "</title></code></pre></script>]]>--><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x"
SHELL = "$(touch PWNED) `touch PWNED` ; touch PWNED & touch PWNED | touch PWNED > PWNED ' \" \\ !! ~ * $HOME"
BIDI = "safe\u202Egpj.exe\u2066\u200F\u2028\uFEFF"
EVIL = f"{BIDI} {TAGS} {SHELL}"
FILE = "a'$(touch PWNED)`touch PWNED`;&|<b>\"x .gguf"
URL = "https://evil.example/'onmouseover=alert(3)//$(touch$IFS/PWNED)&amp;'"
FORBIDDEN = re.compile("[\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF\x00-\x08\x0B-\x1F\x7F-\x9F]")


def cut(text, size):
    """Its first bytes."""
    return text.encode()[:size].decode(errors="ignore")


def hostile(card):
    """Every text that a card may have."""
    variant = card["variants"][0]
    variant["files"][0]["name"] = FILE
    variant.update(title=cut(EVIL, 200), summary=EVIL, quantization=cut(TAGS, 64), changes=[EVIL], tags=[cut(TAGS, 40)])
    return {**card, "title": cut(EVIL, 200), "summary": EVIL, "description": f"{EVIL}\n\n{EVIL}",
            "family": cut(TAGS, 64), "tags": [cut(TAGS, 30), "$(x)", "javascript:alert(5)"], "languages": ["<b>"],
            "license": {"id": "MIT", "name": cut(TAGS, 200), "url": URL},
            "source": {"url": URL, "author": cut(EVIL, 200), "revision": SHELL,
                       "base_model": cut(EVIL, 200)},
            "deprecated": {"reason": EVIL, "replacement": "official", "since": "2026-01-01T00:00:00Z"}}


@pytest.fixture(scope="module")
def desk(tmp_path_factory, make_gguf):
    work = tmp_path_factory.mktemp("hostile")
    desk = Desk(Ferry(work), work, make_gguf, validate)
    desk.publisher.mirrors["eu"] = "https://eu.example.org/lab"
    desk.publisher.write_conf()
    with open(desk.publisher.dir / "ferry.conf", "a") as conf:
        conf.write("[site]\nurl = https://models.example.org/site\n")
    desk.catalog("add", desk.prepare("official"))
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare(MODEL))
    desk.sign()
    desk.sign_as_community()
    desk.sign()
    card = hostile(json.loads((desk.tree / f"cards/{MODEL}.card.json").read_text()))
    sign_as_role(desk, card)
    assert desk.sign()["published"]
    downloads(desk)
    desk.ferry("site", "--quiet", cwd=desk.publisher.dir)
    return desk


def downloads(desk):
    """Logs are foreign as well: clients and countries call themselves what they like."""
    path = next(desk.tree.glob(f"targets/models/{MODEL}/*.gguf"))
    size, lines = path.stat().st_size, []
    for i in range(30):
        lines.append(json.dumps({
            "ClientIP": f"198.51.100.{i}", "ClientCountry": ["DE", "<b>", "]]>"][i % 3],
            "ClientRequestMethod": "GET", "ClientRequestPath": f"/{path.relative_to(desk.tree)}",
            "ClientRequestUserAgent": TAGS, "EdgeResponseStatus": 200, "EdgeResponseBytes": size,
            "EdgeResponseBodyBytes": size, "EdgeStartTimestamp": "2026-11-28T00:00:00Z",
            "EdgeEndTimestamp": "2026-11-28T00:00:00Z", "RayID": f"{i:016x}"}))
    log = desk.work / "log.json"
    log.write_text("".join(line + "\n" for line in lines))
    desk.ferry("stats", "import", "--mirror", "eu", log, cwd=desk.publisher.dir)


@pytest.fixture(scope="module")
def site(desk):
    return desk.tree / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def url(desk):
    with SiteServer(desk.tree) as server:
        yield server.url + "site/"


def pages(site):
    return sorted(str(p.relative_to(site)) for p in site.rglob("*.html"))


def test_no_text_of_a_catalog_becomes_markup_or_a_link(site, url, browser):
    names = pages(site)
    assert f"models/{MODEL}.html" in names and "statistics/index.html" in names
    with browser.page(url + "index.html") as page:
        for name in names:
            page.go(url + name)
            assert page.run("document.querySelectorAll('script:not([src]), img, iframe, object, b').length") == 0
            assert page.run("document.querySelectorAll('script').length") == 1
            assert page.run("[...document.querySelectorAll('[href], [src]')].filter(e => "
                            "!/^https?:$/.test(new URL(e.href || e.src, location).protocol)).length") == 0
            assert page.run("[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
                            ".filter(name => name.startsWith('on'))") == []
            assert name.startswith("by/") or page.axe() == []


def test_no_script_stands_where_a_link_should(desk, site):
    """Also the role's own signature does not make it one: such a card is not published."""
    card = json.loads((desk.tree / f"cards/{MODEL}.card.json").read_text())
    before = (desk.tree / "catalog.json").read_bytes()
    for member in ("license", "source"):
        sign_as_role(desk, {**card, member: {**card.get(member, {}), "url": "javascript:alert(5)"}})
        assert "cannot be published as a URL" in desk.refused(6, "sign")
    assert (desk.tree / "catalog.json").read_bytes() == before


def test_a_hostile_text_is_shown_as_it_is(site, url, browser):
    with browser.page(url + f"models/{MODEL}.html") as page:
        assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in page.text("h1")
        assert "safe\uFFFDgpj.exe" in page.text(".lead")


def test_hostile_pages_fit_on_a_phone(site, url, browser):
    with browser.page(url + f"models/{MODEL}.html", width=320, height=640) as page:
        assert page.run("document.documentElement.scrollWidth") == 320
        page.go(url + "index.html")
        assert page.run("document.documentElement.scrollWidth") == 320


def test_a_search_shows_hostile_texts_as_texts(url, browser):
    with browser.page(url + "index.html") as page:
        page.click("#q")
        page.type("community")
        page.wait("document.querySelector('#results li')")
        assert "<script>alert(1)</script>" in page.text("#results h2")
        assert page.run("document.querySelectorAll('#results :is(script, img, b)').length") == 0
        assert page.run("document.querySelector('#results a').pathname") == \
            f"/site/models/{MODEL}.html"
        assert not FORBIDDEN.search(page.text().replace("\n", ""))
        assert page.axe() == []


def test_no_file_has_characters_that_turn_what_follows(site):
    """In JSON they may stand as escapes."""
    for path in site.rglob("*"):
        if path.suffix in (".html", ".xml", ".txt"):
            found = FORBIDDEN.search(path.read_text())
            assert not found, (path, found)


def test_the_feed_and_the_map_of_the_site_are_xml(site):
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.parse(site / "feed.xml").getroot()
    assert feed.tag == atom + "feed"
    titles = [e.findtext(atom + "title") for e in feed.iter(atom + "entry")]
    assert any("<script>" in title for title in titles)
    for element in feed.iter():
        assert element.tag.rpartition("}")[2] not in ("script", "img", "b")
        assert not [name for name in element.keys() if name.startswith("on")]
    for link in feed.iter(atom + "link"):
        assert link.get("href").startswith("https://models.example.org/site/")
    for element in ElementTree.parse(site / "sitemap.xml").getroot().iter():
        assert element.tag.endswith("}loc") is False or element.text.startswith("https://models.example.org/")


def test_models_json_is_json_with_the_texts_as_they_are(site):
    models = json.loads((site / "models.json").read_text())
    validate(models, "models")
    search, = site.glob("assets/search.*.json")
    for document in (models, json.loads(search.read_text())):
        model, = [m for m in document["models"] if m["id"] == MODEL]
        assert "<script>" in model["title"]


# Programs that commands on pages call; each notes its words.
STUB = """#!/usr/bin/python3
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
"""


def stubs(folder, log):
    folder.mkdir()
    for name in ("ferry", "curl", "ollama", "llama-server"):
        (folder / name).write_text(STUB.format(log=str(log), name=name))
        (folder / name).chmod(0o755)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_a_copied_command_does_nothing_else(site, url, browser, tmp_path, shell):
    with browser.page(url + f"models/{MODEL}.html") as page:
        commands = page.run("[...document.querySelectorAll('.command code')].map(e => e.textContent)")
    assert len(commands) >= 3
    log, here = tmp_path / "log", tmp_path / "here"
    stubs(tmp_path / "bin", log)
    here.mkdir()
    for command in commands:
        assert not FORBIDDEN.search(command.replace("\n", ""))
        subprocess.run([shell, "-c", command], cwd=here, capture_output=True, timeout=PATIENCE,
                       env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    called = [json.loads(line) for line in log.read_text().splitlines()]
    assert [p.name for p in pathlib.Path(here).iterdir() if p.name != "Modelfile"] == []
    assert not list(tmp_path.rglob("PWNED"))
    words = [word for call in called for word in call]
    assert f"demo/{MODEL}:q8_0" in words
    assert any(FILE in word for call in called if call[0] == "curl" for word in call), called
