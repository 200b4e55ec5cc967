"""Tokens: what npm's jose accepts is accepted, and nothing else; key sets that change."""

import http.server
import json
import subprocess
import threading

import pytest
import tokens
from conftest import BIN
from waiting import PATIENCE

# jose accepts what RFC 7515, section 2, has no room for.
STRICTER = {"HS256: padding"}


class Checker:
    """tests/tools/auth-check."""

    def __init__(self, jwks):
        self.process = subprocess.Popen(
            [BIN.parent / "tests" / "auth-check", str(jwks), tokens.ISSUER, tokens.AUDIENCE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")


class KeySet:
    """An issuer's URL with its key set."""

    def __init__(self, jwks):
        self.jwks = jwks
        self.requests = []
        self.broken = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def answer(self, to):
        body = json.dumps(self.jwks).encode()
        etag = f'"{hash(body)}"'
        self.requests.append(to.headers.get("If-None-Match"))
        same = to.headers.get("If-None-Match") == etag
        to.send_response(500 if self.broken else 304 if same else 200)
        to.send_header("ETag", etag)
        to.send_header("Cache-Control", "public, max-age=120")
        to.send_header("Content-Length", str(0 if same or self.broken else len(body)))
        to.end_headers()
        if not same and not self.broken:
            to.wfile.write(body)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def rotation():
    return tokens.make("first", "second")


def only(rotation, name):
    keys = [k for k in rotation["jwks"]["keys"] if k["kid"] == name]
    token = next(t["token"] for t in rotation["tokens"] if t["name"] == name)
    return {"keys": keys}, token


def test_what_jose_accepts_is_accepted_and_nothing_else(tmp_path):
    made = tokens.make()
    assert sum(t["valid"] for t in made["tokens"]) >= 24 and len(made["tokens"]) >= 100
    with Checker(tokens.write_set(tmp_path / "set.json", made["jwks"])) as checker:
        for t in made["tokens"]:
            said = checker.ask(t["token"])
            valid = t["valid"] and t["name"] not in STRICTER
            assert said.startswith("ok " if valid else "refused "), (t["name"], said)
            if valid:
                assert said == "ok token:node-7 pull:main/phi-* admin"
            # Nothing of the token gets into a message.
            assert not any(part in said for part in t["token"].split(".") if len(part) > 8)


def test_a_new_key_is_read_when_a_token_names_it_but_not_for_every_stranger(rotation):
    first, old = only(rotation, "first")
    second, new = only(rotation, "second")
    with KeySet(first) as issuer, Checker(issuer.url) as checker:
        assert checker.ask(old).startswith("ok ")
        assert len(issuer.requests) == 1
        issuer.jwks = second
        for _ in range(5):
            assert checker.ask(new).startswith("refused ")
        assert len(issuer.requests) == 1
        checker.ask("+10")
        assert checker.ask(new).startswith("ok ")
        assert checker.ask(old).startswith("refused ")
        assert len(issuer.requests) == 2


def test_a_key_that_was_withdrawn_is_refused_after_the_age_of_the_answer(rotation):
    first, old = only(rotation, "first")
    with KeySet(first) as issuer, Checker(issuer.url) as checker:
        assert checker.ask(old).startswith("ok ")
        checker.ask("+121")
        assert issuer.requests[1:] == issuer.requests[1:2] and issuer.requests[1]  # 304
        assert checker.ask(old).startswith("ok ")
        issuer.jwks = only(rotation, "second")[0]
        assert checker.ask(old).startswith("ok ")
        checker.ask("+121")
        assert checker.ask(old).startswith("refused ")


def test_an_issuer_that_is_away_for_a_day_does_not_end_its_tokens(rotation):
    first, old = only(rotation, "first")
    with KeySet(first) as issuer:
        with Checker(issuer.url) as checker:
            assert checker.ask(old).startswith("ok ")
            issuer.broken = True
            assert "500" in checker.ask("+3600")
            assert checker.ask(old).startswith("ok ")
            checker.ask("+90000")
            assert checker.ask(old).startswith("later ")
            issuer.broken = False
            checker.ask("+10")
            assert checker.ask(old).startswith("ok ")
        issuer.broken = True
        with Checker(issuer.url) as checker:  # it also starts then
            assert checker.ask(old).startswith("later ")
            issuer.broken = False
            checker.ask("+10")
            assert checker.ask(old).startswith("ok ")


def test_a_file_of_keys_is_read_again_when_it_changes(rotation, tmp_path):
    first, old = only(rotation, "first")
    second, new = only(rotation, "second")
    path = tokens.write_set(tmp_path / "set.json", first)
    with Checker(path) as checker:
        assert checker.ask(old).startswith("ok ")
        tokens.write_set(tmp_path / "new.json", second).rename(path)
        assert checker.ask("+1") == "passed"
        assert checker.ask(new).startswith("ok ")
        assert checker.ask(old).startswith("refused ")
