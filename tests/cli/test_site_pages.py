"""Pages of the site: their links lead somewhere, their HTML is well-formed, and the commands that they
show do what they say when they are copied into a shell."""

import hashlib
import html.parser
import os
import posixpath
import shutil
import subprocess
import urllib.parse

import pytest

from conftest import BIN, Ferry
from published import Publisher, mirror, signed_base    # noqa: F401 (fixture)
from servers import Nginx
from waiting import PATIENCE

VOID = {"meta", "link", "input", "br", "img", "hr"}
LINKS = {"href", "src", "data-search", "xlink:href"}


class Page(html.parser.HTMLParser):
    """.links, .ids and .commands (label, command) of a page. Elements must nest."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.commands = [], [], []
        self.open, self.closed = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        assert not any(name.startswith("on") or name == "style" for name in names)
        values = dict(attributes)
        self.links += [values[name] for name in LINKS & set(values)]
        if "id" in values:
            assert values["id"] not in self.ids
            self.ids.append(values["id"])
        if tag not in VOID:
            self.open.append((tag, values.get("class")))
        if self.open[-1] == ("div", "command"):
            self.commands.append(["", ""])

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        if ("div", "command") in self.open:
            self.commands[-1][self.open[-1][0] == "code"] += text


def pages(site):
    found = {str(p.relative_to(site)): Page(p.read_text()) for p in site.rglob("*.html")}
    assert "index.html" in found
    return found


@pytest.fixture(scope="module")
def published(signed_base, tmp_path_factory):     # noqa: F811
    """Two models on a mirror behind nginx, and the site of them."""
    work = tmp_path_factory.mktemp("pages")
    made = Publisher(Ferry(work))
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, work / name)
    with Nginx(work, made.mirror("a")) as server:
        made.configure(mirror("a", url=f"{server.url}/"))
        made.add_model("second", "1M", seed=2)
        made("push")
        made("site")
        yield made


@pytest.fixture
def site(published):
    return published.tree / "site"


def test_every_link_leads_to_a_file_of_the_site(site):
    found = pages(site)
    for path, page in found.items():
        for link in page.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme:
                assert url.scheme in ("http", "https")
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), url.path)) \
                if url.path else path
            assert (site / target).is_file(), (path, link)
            assert not url.fragment or url.fragment in found[target].ids, (path, link)


def test_every_page_can_be_reached_from_the_first(site):
    found, reached, left = pages(site), set(), ["index.html"]
    while left:
        path = left.pop()
        if path in reached or path not in found:
            continue
        reached.add(path)
        left += [posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
                 for link in found[path].links if "://" not in link and "#" not in link]
    assert set(found) - reached == {"404.html"}


# -- commands --------------------------------------------------------------------------------------

ENGINE = """#!/bin/sh
printf '%s\\n' "$@" > "$SEEN/$(basename "$0")"
"""


class Reader:
    """Runs commands of a page in a shell, in a folder of its own, with engines that note what they
    are given."""

    def __init__(self, work, page):
        self.dir = work / "reader"
        self.dir.mkdir()
        self.ferry, self.page = Ferry(self.dir), page
        programs = work / "programs"
        programs.mkdir()
        for name in ("llama-server", "ollama"):
            (programs / name).write_text(ENGINE)
            (programs / name).chmod(0o755)
        self.env = self.ferry.environment({
            "PATH": f"{programs}:{BIN}:{os.environ['PATH']}", "SEEN": str(work),
            "OLLAMA_MODELS": str(self.dir / "ollama")})
        self.seen = work

    def __call__(self, label):
        commands = [c for c in self.page.commands if c[0] == label]
        assert len(commands) == 1, self.page.commands
        done = subprocess.run(["bash", "-e", "-c", commands[0][1]], cwd=self.dir, env=self.env,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=PATIENCE)
        assert done.returncode == 0, (commands[0][1], done.stderr)
        return done.stdout

    def given(self, engine):
        return (self.seen / engine).read_text().splitlines()


@pytest.fixture
def reader(site, work):
    return Reader(work, Page((site / "models/second.html").read_text()))


@pytest.fixture
def model(published):
    return published.on("repository", "*.second-q8_0.gguf")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_commands_with_ferry_work_as_they_are(reader, model):
    reader("Once: add this repository to Model Ferry")
    fetched = reader("Fetch it, verified").strip()
    assert digest(reader.dir / fetched) == digest(model)
    reader("Fetch it if needed, and start llama.cpp")
    option, path = reader.given("llama-server")
    assert option == "-m" and digest(reader.dir / path) == digest(model)
    reader("Ollama, without a second copy")
    assert reader.given("ollama") == ["run", "second:q8_0"]
    blob = reader.dir / f"ollama/blobs/sha256-{digest(model)}"
    assert digest(blob) == digest(model)


def test_commands_without_ferry_work_as_they_are(reader, model):
    checked = reader("Without Model Ferry: download with curl, and check the digests")
    assert checked == "second-q8_0.gguf: OK\n"
    assert digest(reader.dir / "second-q8_0.gguf") == digest(model)
    reader("Then, with llama.cpp")
    assert reader.given("llama-server") == ["-m", "./second-q8_0.gguf"]
    reader("Or with Ollama")
    assert (reader.dir / "Modelfile").read_text() == "FROM ./second-q8_0.gguf\n"
    assert reader.given("ollama") == ["create", "second:q8_0", "-f", "Modelfile"]


def test_a_download_that_is_damaged_does_not_pass(reader, model):
    for command in reader.page.commands:
        command[1] = command[1].replace(f"{digest(model)}  ", f"{'0' * 64}  ")
    with pytest.raises(AssertionError, match="did NOT match"):
        reader("Without Model Ferry: download with curl, and check the digests")
