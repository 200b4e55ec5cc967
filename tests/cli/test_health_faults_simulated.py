"""`ferry health` with many faulty mirrors at once, SIMULATED or real: each is named with its own
reason in one run, and no mirror takes longer than its deadline."""

import contextlib
import shutil
import socket

import pytest

from conftest import preloaded
from published import mirror, publisher, signed_base  # noqa: F401 (fixtures)
from servers import FaultServer, free_port
from test_proxies import certificate

DEADLINE_S = 3


class Ahead(FaultServer.__init__.__defaults__[0]):
    """A server whose clock is wrong."""

    def date_time_string(self, timestamp=None):
        return "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture
def places(publisher, nginx):       # noqa: F811
    """places(NAME=url, …): `ferry health --json` with these mirrors of the release."""
    def check(audit="0", env=None, **urls):
        publisher.configure(
            *(mirror(name.replace("_", "-"), kind="http", url=url) for name, url in urls.items()),
            more=f"[health]\ndeadline = {DEADLINE_S}s\naudit = {audit}\n")
        result = publisher("health", "--json", check=None, env=env)
        assert result.code in (0, 1), result.err
        [repository] = result.json["repositories"]
        ids = {name.replace("_", "-") for name in urls}     # the catalog has others
        return repository, {m["id"]: m for m in repository["mirrors"] if m["id"] in ids}
    return check


@pytest.fixture
def faulty(publisher):      # noqa: F811
    """faulty(path, **what): the URL of a server of the release with this fault."""
    with contextlib.ExitStack() as stack:
        def serve(*path, handler=None, **what):
            args = (handler,) if handler else ()
            server = stack.enter_context(FaultServer(publisher.tree, *args))
            if what:
                server.add(*path, **what)
            return server.url
        yield serve


def of(one, check):
    [finding] = [f for f in one["findings"] if f["check"] == check]
    return finding["state"], finding["reason"]


def test_each_faulty_mirror_is_named_with_its_own_reason_in_one_run(
        places, publisher, nginx, faulty):
    tree, env = publisher.tree, {}
    shutil.copytree(tree, publisher.dir / "lacking")
    [gguf] = (publisher.dir / "lacking").rglob("*.gguf")
    gguf.unlink()
    cert, key = certificate(publisher.dir, "IP:127.0.0.1")
    env["SSL_CERT_FILE"] = cert
    _, found = places(
        env=env,
        good=nginx(tree).url,
        short_certificate=nginx(tree, tls=(cert, key)).url,
        lacking=nginx(publisher.dir / "lacking").url,
        pages=faulty(html=True),
        whole_files=faulty("*.gguf", ignore_range=True),
        ahead=faulty(handler=Ahead),
        throttling=faulty(status=429, retry_after=60),
        failing=faulty(status=503, body=b"\x1b]0;owned\x07<script>\n" * 5000),
        trickling=faulty("metadata/timestamp.json", rate=20),
        refusing=f"http://127.0.0.1:{free_port()}",
        unknown="http://no-such-mirror.invalid")
    wanted = {
        "good": ("ok", "reach", "ok", "answers"),
        "short-certificate": ("critical", "certificate", "critical", "expires in"),
        "lacking": ("critical", "objects", "critical", f"{gguf.name} is missing"),
        "pages": ("critical", "reach", "critical", "HTML page"),
        "whole-files": ("warning", "ranges", "warning", "ranges are ignored"),
        "ahead": ("warning", "clock", "warning", "ahead of ours"),
        "throttling": ("warning", "reach", "warning", "fewer requests"),
        "failing": ("critical", "reach", "critical", "HTTP 503"),
        "trickling": ("critical", "reach", "critical", "no complete answer within"),
        "refusing": ("critical", "reach", "critical", "refused"),
        "unknown": ("critical", "reach", "critical", "resolve"),
    }
    assert set(found) == set(wanted)
    for name, (state, check, finding, words) in wanted.items():
        assert found[name]["state"] == state, found[name]
        assert of(found[name], check)[0] == finding, found[name]
        assert words in of(found[name], check)[1], found[name]
    down = {name for name, one in found.items() if not one["up"]}
    assert down == {"pages", "failing", "trickling", "refusing", "unknown"}


def test_silent_mirrors_are_waited_for_together(places, publisher, nginx):
    """Of each kind of silence, so many that a run that asked one after the other would take far
    longer than the deadline."""
    with contextlib.ExitStack() as stack:
        urls = {"good": nginx(publisher.tree).url}
        for i in range(8):
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            urls[f"silent{i}"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
            urls[f"nameless{i}"] = f"http://mirror{i}.example"
        repository, found = places(env=preloaded("resolver"), **urls)
    assert found.pop("good")["state"] == "ok"
    for one in found.values():
        state, reason = of(one, "reach")
        assert state == "critical" and "within" in reason, one
    assert repository["duration_ms"] < 16 * DEADLINE_S * 1000 / 2
