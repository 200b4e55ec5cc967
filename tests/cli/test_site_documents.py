"""ferry site: what programs read of it (feed, models.json, robots.txt, sitemap.xml), and the pages of
mirrors and statistics, made of what ferry health and ferry stats found out."""

import datetime
import hashlib
import json
import re
import urllib.request
import xml.etree.ElementTree as xml

import pytest

from published import mirror, publisher, signed_base    # noqa: F401 (fixtures)
from servers import Nginx

ATOM = "{http://www.w3.org/2005/Atom}"
MAPS = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
URL = "https://models.example.org/site/"
ADDRESSES = [f"192.0.2.{n}" for n in range(1, 8)]


@pytest.fixture
def site(publisher):    # noqa: F811
    """Makes the site, whose mirror a is served by nginx, and returns its folder."""
    (publisher.dir / "mirrors/a").mkdir(parents=True)
    with Nginx(publisher.dir, publisher.dir / "mirrors/a") as server:
        publisher.configure(mirror("a", url=server.url), more=f"[site]\nurl = {URL}\n")
        publisher("catalog", "sign")
        publisher("push")

        def make():
            publisher("site")
            return publisher.tree / "site"
        yield make


def entries(folder):
    feed = xml.parse(folder / "feed.xml").getroot()
    assert feed.tag == ATOM + "feed"
    return feed.findall(ATOM + "entry")


def text(element, name):
    found = element.findall(ATOM + name)
    assert len(found) == 1, name
    return "".join(found[0].itertext())


def is_time(value):
    return datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")


# What RFC 4287 demands of a feed (4.1.1) and of an entry (4.1.2).
def test_the_feed_is_valid_atom(site):
    folder = site()
    feed = xml.parse(folder / "feed.xml").getroot()
    assert text(feed, "title") == "Test models"
    assert text(feed.find(ATOM + "author"), "name")
    links = {link.get("rel"): link.get("href") for link in feed.findall(ATOM + "link")}
    assert links["self"] == URL + "feed.xml" and links["alternate"].startswith(URL)
    found = entries(folder)
    assert len(found) == 1
    for element in (feed, *found):
        assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                            text(element, "id"))
        is_time(text(element, "updated"))
    page = found[0].find(ATOM + "link").get("href")
    assert (folder / page.removeprefix(URL)).is_file()
    assert found[0].find(ATOM + "content").get("type") == "xhtml"


def test_news_come_to_the_feed_and_what_was_there_keeps_its_id(site, publisher):     # noqa: F811
    before = {text(e, "id") for e in entries(site())}
    publisher.add_model("second", seed=2)
    publisher("catalog", "withdraw", "tiny", "--reason", "The license <b>changed</b>.")
    publisher("catalog", "sign")
    after = entries(site())
    ids = {text(e, "id") for e in after}
    assert len(after) == 3 and len(ids) == 3 and before < ids
    withdrawn = [e for e in after if text(e, "title").endswith("is withdrawn")]
    assert len(withdrawn) == 1
    assert "The license <b>changed</b>." in text(withdrawn[0], "content")
    assert withdrawn[0].find(ATOM + "category").get("term") == "withdrawn"


def test_an_app_downloads_by_models_json_alone(site, validate):
    document = json.loads((site() / "models.json").read_text())
    validate(document, "models")
    assert document["url"] == URL and document["repository"] == "test"
    (model,) = document["models"]
    (file,) = model["variants"][0]["files"]
    url = f"{document['mirrors'][0]['url']}/{file['key']}"
    with urllib.request.urlopen(url) as answer:
        got = answer.read()
    assert len(got) == file["size"] and hashlib.sha256(got).hexdigest() == file["sha256"]


def test_models_json_says_what_was_withdrawn(site, publisher, validate):     # noqa: F811
    publisher("catalog", "withdraw", "tiny", "--reason", "Broken.")
    publisher("catalog", "sign")
    document = json.loads((site() / "models.json").read_text())
    validate(document, "models")
    assert document["models"][0]["withdrawn"]["reason"] == "Broken."


def test_search_engines_find_every_page_that_is_there(site):
    folder = site()
    assert f"Sitemap: {URL}sitemap.xml\n" in (folder / "robots.txt").read_text()
    urls = [e.text for e in xml.parse(folder / "sitemap.xml").getroot().iter(MAPS + "loc")]
    assert URL + "models/tiny.html" in urls
    for url in urls:
        assert (folder / url.removeprefix(URL)).is_file(), url


def test_the_page_of_mirrors_has_what_health_found(site, publisher):     # noqa: F811
    publisher("health", check=None)
    page = (site() / "mirrors/index.html").read_text()
    assert "Last checked: " in page and "a: up in 100.00 % of the checks of the last 90 days" in page
    assert re.search(r'<h2>a <span class="state (ok|warning)">', page), page


def test_the_page_of_statistics_counts_downloads(site, publisher):   # noqa: F811
    folder = site()
    assert not (folder / "statistics").exists()
    document = json.loads((folder / "models.json").read_text())
    file = document["models"][0]["variants"][0]["files"][0]
    day = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)
    log = publisher.dir / "access.log"
    log.write_text("".join(
        f'{address} - - [{day:%d/%b/%Y}:12:00:00 +0000] "GET /{file["key"]} HTTP/1.1" 200 '
        f'{file["size"]} "-" "curl/8.5.0"\n' for address in ADDRESSES))
    publisher("stats", "import", f"a={log}")
    page = (site() / "statistics/index.html").read_text()
    assert f"{len(ADDRESSES)} downloads in the last 90 days" in page
    assert f'<td>{day:%Y-%m-%d}</td><td class="num">{len(ADDRESSES)}</td>' in page
    assert '<a href="../models/tiny.html">tiny</a>' in page
    assert not any(address in page for address in ADDRESSES)
