"""Chromium without a screen, driven by npm's puppeteer-core and axe-core (tests/js/browser.mjs), and
a server of a site for it."""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import node_servers
import shared
from waiting import PATIENCE, until

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "js" / "browser.mjs"


class Browser:
    """Starting it takes a second or more: share it among the tests of a module."""

    def __init__(self, work):
        self.work = pathlib.Path(work)

    def __enter__(self):
        chromium = shutil.which("chromium")
        assert chromium, "chromium is missing: run scripts/install-deps test"
        self.process = subprocess.Popen(
            ["node", PROGRAM, node_servers.install(), chromium, self.work / "profile"],
            text=True, env={**os.environ, "HOME": str(self.work), "TMPDIR": str(self.work)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=lambda: shared.die_with_parent(signal.SIGTERM))
        return self

    def __exit__(self, *ignored):
        self.process.communicate(timeout=PATIENCE)

    def ask(self, name, **options):
        self.process.stdin.write(json.dumps({"do": name, **options}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the browser ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    @contextlib.contextmanager
    def page(self, url, clean=True, **options):
        """clean: nothing may have gone wrong in the end."""
        page = Page(self, self.ask("open", **options))
        try:
            page.go(url)
            yield page
            if clean:
                page.is_clean(url)
        finally:
            page.ask("close")


class Page:
    def __init__(self, browser, number):
        self.browser, self.number = browser, number

    def ask(self, name, **options):
        return self.browser.ask(name, page=self.number, **options)

    def go(self, url):
        return self.ask("go", url=url)

    def run(self, code):
        """The value of a JavaScript expression."""
        return self.ask("run", code=code)

    def wait(self, code):
        until(lambda: self.ask("holds", code=code), self.browser.process)

    def text(self, selector="body"):
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def press(self, *keys):
        for key in keys:
            self.ask("press", key=key)

    def type(self, text):
        self.ask("type", text=text)

    def click(self, selector):
        self.ask("click", selector=selector)

    def axe(self):
        """What it finds; it needs a page whose scripts run."""
        return self.ask("axe")

    def seen(self):
        return self.ask("seen")

    def is_clean(self, url):
        """No error on the console (violations of the Content-Security-Policy are some), no
        dialogs, and no request but to the server of the page."""
        seen = self.seen()
        home = "/".join(url.split("/")[:3]) + "/"
        assert not seen["errors"] and not seen["dialogs"], seen
        assert not [u for u in seen["requests"] if not u.startswith(home)], seen["requests"]


# Stricter than what pages say themselves: strings may not become HTML or scripts at all.
POLICY = "require-trusted-types-for 'script'; trusted-types 'none'"


class _Handler(http.server.SimpleHTTPRequestHandler):
    def list_directory(self, path):
        self.send_error(404)

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *ignored):
        pass


class SiteServer:
    """Serves a folder."""

    def __init__(self, folder):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()
