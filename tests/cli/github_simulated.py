"""A SIMULATED GitHub: repositories, releases, assets, tokens and limits, on Node
(tests/js/github-simulated/). Every request and every answer is validated by GitHub's published
OpenAPI description; what breaks it fails the test at its end.

    def test_x(ferry, github):                      # github: a GithubSimulated, empty for each test
        repository = github.repository("octo/models", private=True)
        token = github.token("octo")                # classic, scope "repo"
        … api = {github.api}, uploads come from the release's upload_url,
          url = {github.url("octo/models")}, GH_TOKEN = token …
        assert github.asset_names("octo/models", "models-tiny") == […]

Hosts, each a free port of 127.0.0.1: `api`, `uploads`, `web` (public downloads, they redirect),
`objects` (signed URLs; a request with Authorization is refused). `enterprise` is the same API below
/api/v3 of the web's host, with uploads below /api/uploads, as GitHub Enterprise Server has it.

    github.repository(full_name, private=, immutable=, empty=, roles={"friend": "push"})
    github.token(user, scopes=["repo"])             # or "public_repo", …
    github.token(user, permissions={"contents": "write"}, repositories=["octo/models"])
    github.token(…, kind="actions", expires="2026-01-01T00:00:00Z")
    github.revoke(token, after=3)                   # three more requests, then 401
    github.rename("octo/models", "octo/weights"); github.change("octo/models", private=True)
    github.limits(asset_size=, assets=, body=, link_seconds=, digests=, primary=, content_hour=,
                  retry_after=, content_refusals=)  # asset_size: an asset is smaller than this
    github.exhaust(seconds=1, status=403, refusals=1)   # the primary limit, for so many refusals
    github.fault("upload-release-asset", nth=2, status=502)     # all of them: faults.mjs
    github.held(), github.release()                 # with hold= and before=
    github.met()                                    # the faults that happened, by operation
    github.clear_faults(), github.remove_asset(asset), github.wipe("octo/models")
    github.restart(), github.down(), github.up()    # same ports; restart reads its state from disk
    github.expire()                                 # no signed URL that was given out works
    github.forget_digests()                         # assets from before June 2025

    github.requests("upload-release-asset")         # the log: method, host, path, query, status, …
    github.releases("octo/models")                  # what is there, drafts and "starter" included
    github.content(asset)                           # an asset's bytes
    github.violations()                             # texts; github.forgive() empties the list

Operations have the names of GitHub's description: create-release, update-release, get-release,
get-release-by-tag, get-latest-release, list-releases, delete-release, list-release-assets,
upload-release-asset, get-release-asset, update-release-asset, delete-release-asset, get
(the repository), list-branches (none in an empty repository, which takes drafts but cannot publish
them), check-immutable-releases, users/get-authenticated, rate-limit/get; and download
(web) and object.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.request

import pytest

import node_servers
import shared
from waiting import PATIENCE

SERVER = node_servers.JS / "github-simulated" / "server.mjs"


class GithubSimulated:
    """All of it is in the module's description."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen(
            ["node", str(SERVER), str(node_servers.install()), str(self.folder)], env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            preexec_fn=lambda: shared.die_with_parent(signal.SIGTERM))
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the simulated GitHub did not start")
        for name, url in json.loads(line).items():
            setattr(self, "controller" if name == "control" else name, url)
        self.enterprise = f"{self.web}/api/v3"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
            self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def control(self, action, **arguments):
        request = urllib.request.Request(
            self.controller, json.dumps({"do": action, **arguments}).encode(),
            {"Content-Type": "application/json"})
        with self.opener.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    # --- setting it up

    def reset(self):
        self.control("reset")

    def repository(self, full_name, **options):
        return self.control("repository", full_name=full_name, **options)

    def change(self, full_name, **to):
        self.control("change", full_name=full_name, to=to)

    def rename(self, full_name, to):
        self.control("rename", full_name=full_name, to=to)

    def token(self, user, scopes=("repo",), permissions=None, repositories=None, kind=None,
              expires=None):
        kind = kind or ("fine-grained" if permissions else "classic")
        return self.control("token", token={
            "user": user, "kind": kind, "scopes": list(scopes), "expires": expires,
            "permissions": permissions or {}, "repositories": repositories})

    def revoke(self, token, after=0):
        self.control("revoke", secret=token, after=after)

    def limits(self, **limits):
        self.control("limits", limits=limits)

    def exhaust(self, seconds=1, status=403, refusals=1):
        self.control("exhaust", seconds=seconds, status=status, refusals=refusals)

    def fault(self, operation, **what):
        self.control("fault", fault={"operation": operation, **what})

    def met(self):
        """The operations of faults that happened, one for each time."""
        return self.control("met")

    def wipe(self, full_name):
        self.control("wipe", full_name=full_name)

    def clear_faults(self):
        self.control("clear_faults")

    def remove_asset(self, asset):
        self.control("remove_asset", id=asset["id"])

    def held(self):
        return self.control("held")

    def release(self):
        self.control("release")

    def restart(self):
        self.control("restart")

    def down(self):
        self.control("down")

    def up(self):
        self.control("up")

    def expire(self):
        self.control("expire")

    def forget_digests(self):
        self.control("forget_digests")

    # --- asking it

    def url(self, full_name):
        return f"{self.web}/{full_name}/releases/download"

    def requests(self, operation=None):
        return [r for r in self.control("log") if operation in (None, r["operation"])]

    def forget_requests(self):
        self.control("forget_log")

    def violations(self):
        return self.control("violations")

    def forgive(self):
        self.control("forgive")

    def releases(self, full_name):
        return self.control("releases", full_name=full_name)

    def release_of(self, full_name, tag):
        [found] = [r for r in self.releases(full_name) if r["tag_name"] == tag]
        return found

    def asset_names(self, full_name, tag):
        return [a["name"] for a in self.release_of(full_name, tag)["assets"]]

    def content(self, asset):
        return pathlib.Path(asset["file"]).read_bytes()


@pytest.fixture(scope="session")
def github_server(tmp_path_factory):
    """One for each process of pytest."""
    server = GithubSimulated(tmp_path_factory.mktemp("github"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def github(github_server):
    """Empty at the start of each test. A test fails at its end if a request of the client, or an
    answer of the server, was not as GitHub describes it."""
    github_server.reset()
    yield github_server
    violations = github_server.violations()
    github_server.reset()
    assert violations == [], "not as GitHub describes it:\n" + "\n".join(violations)
