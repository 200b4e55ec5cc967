"""The pages of `ferry site` in a browser: Chromium without a screen, and axe-core, which checks them
against WCAG. The server forbids all that could make markup of a text (Trusted Types)."""

import json
import re
import urllib.parse
import urllib.request

import pytest

from browser import Browser, SiteServer
from conftest import Ferry
from site_scenes import Scene, others, phi, watched
from waiting import PATIENCE

PAGES = ["index.html", "models/phi-2.html", "models/gemma-2b.html", "by/license/index.html",
         "by/family/phi/index.html", "mirrors/index.html", "statistics/index.html", "404.html"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Four models, three mirrors, statistics. The URL of the site; the server has the whole tree."""
    scene = Scene(Ferry(tmp_path_factory.mktemp("lab")))
    phi(scene)
    others(scene)
    watched(scene)
    scene.make()
    with SiteServer(scene.tree) as server:
        yield server.url + "site/"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """2,000 models."""
    scene = Scene(Ferry(tmp_path_factory.mktemp("many")))
    scene.many(2000)
    scene.sign()
    scene.make()
    with SiteServer(scene.tree) as server:
        yield server.url + "site/"


def width(page):
    return page.run("document.documentElement.scrollWidth")


def texts(page, selector):
    return page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText.trim())")


# -- every page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_in_light_and_dark_and_asks_no_other_host(lab, browser, path):
    for scheme in ("light", "dark"):
        with browser.page(lab + path, scheme=scheme) as page:
            assert page.axe() == []
            assert page.run("getComputedStyle(document.body).backgroundColor") == \
                {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 23, 29)"}[scheme]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_on_a_phone_of_320_pixels(lab, browser, path):
    with browser.page(lab + path, width=320, height=640) as page:
        assert width(page) == 320
        assert page.axe() == []


def test_pages_have_neither_style_nor_script_of_their_own(lab, browser):
    with browser.page(lab + "index.html") as page:
        for path in PAGES:
            page.go(lab + path)
            policy = page.run("document.querySelector('meta[http-equiv]').content")
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert page.run("document.querySelectorAll('style, [style], script:not([src]), iframe, base').length") == 0
            assert page.run("[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
                            ".filter(name => name.startsWith('on'))") == []


def test_the_policy_would_stop_a_script_of_another_origin(lab, browser):
    """So the tests above see it when something is wrong."""
    with browser.page(lab + "index.html", clean=False) as page:
        page.run("document.head.append(document.createElement('style'))")
        page.run("document.querySelector('style').append('p { color: red }')")
        page.wait("true")
        assert any("Content Security Policy" in e for e in page.seen()["errors"])


# -- without scripts -----------------------------------------------------------------------------


def test_without_scripts_everything_can_be_read(lab, browser):
    with browser.page(lab + "index.html", script=False) as page:
        text = page.text()
        assert "Phi 2" in text and "Gemma 2B" in text and "withdrawn" in text
        assert not page.run("!!document.querySelector('form.search')?.checkVisibility()")
        page.click("a[href='models/phi-2.html']")
        page.wait("document.querySelector('h1')?.innerText === 'Phi 2'")
        assert "ferry fetch lab/phi-2:q4_k_m" in page.text()
        assert page.run("!document.querySelector('button')")
        page.click("details:not([open]) summary")
        assert "ferry fetch lab/phi-2:q8_0" in page.text()


def test_pages_that_follow_reach_all_models_without_scripts(many):
    models, url = set(), many + "index.html"
    while url:
        text = urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
        assert len(text) < 100_000
        models.update(re.findall(r'<h[23]><a href="[./]*(models/[^"]*)"', text))
        following = re.search(r'<a rel="next" href="([^"]*)"', text)
        url = following and urllib.parse.urljoin(url, following[1])
    assert len(models) == 2000


# -- with a keyboard -----------------------------------------------------------------------------


def focused(page):
    return page.run("document.activeElement.innerText || document.activeElement.id")


def test_a_keyboard_leads_past_the_navigation_and_shows_where_it_is(lab, browser):
    with browser.page(lab + "index.html") as page:
        page.press("Tab")
        assert focused(page) == "Skip to the content"
        page.wait("document.activeElement.getBoundingClientRect().top >= 0")
        page.press("Enter")
        page.wait("document.activeElement.id === 'main'")
        page.press("Tab")
        assert focused(page) == "q"
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_search_needs_only_a_keyboard(lab, browser):
    with browser.page(lab + "index.html") as page:
        page.run("document.querySelector('#q').focus()")
        page.type("laptop phi")
        page.wait("document.querySelector('#found').innerText === '1 model found'")
        while focused(page) != "Phi 2":
            page.press("Tab")
        page.press("Enter")
        page.wait("document.title.startsWith('Phi 2')")
        assert page.run("location.pathname").endswith("/site/models/phi-2.html")


# -- search --------------------------------------------------------------------------------------


def found(page):
    page.wait("document.querySelector('#found').innerText")
    return texts(page, "#results h2")


def test_a_search_finds_words_anywhere_and_the_best_first(lab, browser):
    with browser.page(lab + "index.html") as page:
        page.click("#q")
        page.type("q")
        assert found(page)[0] == "Qwen2 72B Instruct"
        assert page.run("document.querySelector('#list').checkVisibility()") is False
        page.press("Backspace")
        page.wait("document.querySelector('#list').checkVisibility()")
        page.type("CHAT")
        assert sorted(found(page)) == ["Phi 2", "TinyLlama 1.1B Chat"]
        page.type(" nothing")
        page.wait("document.querySelector('#found').innerText === 'No models found.'")
        assert page.axe() == []


def test_a_search_has_an_address(lab, browser):
    with browser.page(lab + "index.html?q=small&license=Apache-2.0") as page:
        assert found(page) == ["TinyLlama 1.1B Chat"]
        assert page.run("document.querySelector('#filter-license').value") == "Apache-2.0"
        page.run("document.querySelector('#q').select()")
        page.type("phi\n")
        page.ask("choose", selector="#filter-license", value="MIT")
        page.wait("document.querySelector('#results h2')?.innerText === 'Phi 2'")
        assert page.run("location.search") == "?license=MIT&q=phi"


def test_withdrawn_models_are_found_as_such(lab, browser):
    with browser.page(lab + "index.html?q=gemma") as page:
        assert found(page) == ["Gemma 2B"]
        assert texts(page, "#results .bad") == ["withdrawn"]


def test_2000_models_are_searched_and_filtered(many, browser):
    with browser.page(many + "index.html") as page:
        page.click("#q")
        page.type("number 1234")
        page.wait("document.querySelector('#results h2')")
        assert "number 1234" in texts(page, "#results h2")[0]
        page.run("document.querySelector('#q').select()")
        page.type("model")
        page.wait("document.querySelector('#found').innerText === '2000 models found'")
        assert len(texts(page, "#results h2")) == 50
        page.click("#results > button")
        assert len(texts(page, "#results h2")) == 100
        assert page.run("document.activeElement.closest('li') === "
                        "document.querySelectorAll('#results li')[50]")
        page.ask("choose", selector="#filter-family", value="phi2")
        page.wait("document.querySelector('#found').innerText === '250 models found'")
        assert page.axe() == []


def test_models_are_filtered_by_the_size_of_a_variant(lab, browser, tmp_path):
    """The search data are those of larger files."""
    with browser.page(lab + "index.html") as page:
        address = page.run("document.querySelector('form.search').dataset.search")
        data = page.run(f"fetch({json.dumps(address)}).then(answer => answer.json())")
        home = page.run("fetch('index.html').then(answer => answer.text())")
        style, script = re.search(r'href="(assets/site\.[^"]*)"', home)[1], re.search(r'src="([^"]*)"', home)[1]
        files = {name: page.run(f"fetch('{name}').then(answer => answer.text())") for name in (style, script)}
    for model, gib in zip(data["models"], ([1], [1.5, 9], [16, 70], [2])):
        model["sizes"] = [int(size * 2**30) for size in gib]
    select = '<select id="filter-size" name="size"><option value="">any</option></select>'
    files.update({"index.html": home.replace('<div id="results">', "<div id=\"results\">").replace(
        "</form>", f'<label for="filter-size">Size</label>{select}</form>'), address: json.dumps(data)})
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with SiteServer(tmp_path) as server, browser.page(server.url + "index.html", clean=False) as page:
        page.click("#q")
        page.wait("document.querySelectorAll('#filter-size option').length > 1")
        assert texts(page, "#filter-size option") == [
            "any", "up to 1 GiB (1)", "1 to 2 GiB (2)", "8 to 16 GiB (2)", "over 64 GiB (1)"]
        page.ask("choose", selector="#filter-size", value="8 to 16 GiB")
        assert sorted(found(page)) == sorted(m["title"] for m in data["models"][1:3])


# -- commands, tables ----------------------------------------------------------------------------


def test_a_command_is_copied(lab, browser):
    with browser.page(lab + "models/phi-2.html") as page:
        page.ask("grant", origin=lab)
        page.click("details[open] .command button")
        page.wait("document.querySelector('details[open] .command button').innerText === 'Copied'")
        assert page.run("navigator.clipboard.readText()") == "ferry fetch lab/phi-2:q4_k_m"
        assert page.run("document.querySelector('main > [role=status]').innerText") == "Copied"


def test_a_command_is_copied_also_where_there_is_no_clipboard(lab, browser):
    """Over http, browsers have none."""
    with browser.page(lab + "models/phi-2.html") as page:
        page.ask("grant", origin=lab)
        page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        page.click("details[open] .command button")
        page.wait("document.querySelector('details[open] .command button').innerText !== 'Copy'")
        assert texts(page, "details[open] .command button")[0] == "Copied"


def test_a_table_is_sorted_by_its_numbers(lab, browser):
    with browser.page(lab + "models/phi-2.html") as page:
        button = "table.sortable thead th:nth-child(3) button"
        names = "table.sortable tbody th > :first-child"
        page.click(button)
        assert texts(page, names) == ["q2_k", "q4_k_m", "q8_0", "f16"]
        page.click(button)
        assert texts(page, names) == ["f16", "q8_0", "q4_k_m", "q2_k"]
        assert page.run("document.querySelector('th[aria-sort]').ariaSort") == "descending"
        assert page.axe() == []


# -- other readers -------------------------------------------------------------------------------


def test_on_paper_there_is_no_navigation_and_every_command(lab, browser):
    with browser.page(lab + "models/phi-2.html") as page:
        page.ask("print", on=True)
        assert page.run("document.querySelector('header nav').checkVisibility()") is False
        assert page.run("[...document.querySelectorAll('button')].every("
                        "b => b.closest('thead') || !b.checkVisibility())")
        assert page.run("[...document.querySelectorAll('pre')].every(pre => pre.getClientRects().length > 0)")


def test_the_first_paint_of_2000_models_is_below_100_kb(many, browser):
    with browser.page(many + "index.html") as page:
        weight = page.run("[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType("
                          "'resource')].reduce((sum, entry) => sum + entry.decodedBodySize, 0)")
        assert 10_000 < weight < 100_000
        assert not [u for u in page.seen()["requests"] if "search" in u]
        assert page.axe() == []


def test_search_that_cannot_load_says_so(lab, browser, tmp_path):
    """The form is there, but not the data."""
    with browser.page(lab + "index.html", clean=False) as page:
        page.run("document.querySelector('form.search').dataset.search = 'assets/none.json'")
        page.click("#q")
        page.type("x")
        page.wait("document.querySelector('#found').innerText.includes('could not be loaded')")
        assert page.run("document.querySelector('#list').checkVisibility()")


def test_one_model_is_a_site(tmp_path, browser):
    scene = Scene(Ferry(tmp_path))
    scene.card("one", scene.variant("one", "q8_0"))
    scene.sign()
    scene.make()
    with SiteServer(scene.tree) as server, browser.page(server.url + "site/index.html") as page:
        assert texts(page, ".card h3") == ["one"] and page.axe() == []
        page.click(".card a")
        page.wait("document.querySelector('h1')?.innerText === 'one'")
        assert page.axe() == []


def test_a_repository_without_models_is_a_site(tmp_path, browser):
    scene = Scene(Ferry(tmp_path))
    scene.sign()
    scene.make()
    with SiteServer(scene.tree) as server, browser.page(server.url + "site/index.html") as page:
        assert "no models yet" in page.text() and page.axe() == []
