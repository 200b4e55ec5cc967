"""A publisher with mirrors of several kinds, readers, and logs: `ferry health` and `ferry stats` of it
write every metric that they have. Rules and dashboards are tested against these files.

    a    a folder behind nginx with TLS, whose log is that of scripts/ops
    b    a folder behind nginx; its log is what Logpush of Cloudflare writes, with countries
    gh   releases of the SIMULATED GitHub, which has a limit of requests
"""

import contextlib
import datetime
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request

from conftest import ROOT
from github_mirrors import REPOSITORY
from published import Publisher, mirror
from servers import Nginx
from waiting import PATIENCE, until

OPS = ROOT / "scripts" / "ops"


def make_certificate(folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "10", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Site:
    """In a `with`: everything is published. .metrics is the folder of the files *.prom."""

    def __init__(self, ferry, base, github):
        self.publisher, self.github, self.stack = Publisher(ferry), github, contextlib.ExitStack()
        self.folder, self.clients = ferry.work, 0
        for name in ("repository", "keys"):
            shutil.copytree(base / name, self.folder / name)
        self.metrics = self.folder / "textfile"
        self.log = self.folder / "logs-a" / "access.log"
        self.pushed = self.folder / "logs-b" / "logpush.json"
        for folder in (self.metrics, self.log.parent, self.pushed.parent):
            folder.mkdir()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.tls = make_certificate(self.folder)
            self.a = self.serve(stack, "a", tls=self.tls, http=(OPS / "nginx-log.conf").read_text(),
                                extra=f"access_log {self.log} ferry_json;")
            self.b = self.serve(stack, "b")
            self.publish()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *ignored):
        self.stack.close()

    def serve(self, stack, name, **options):
        self.publisher.mirror(name).mkdir(parents=True)
        return stack.enter_context(Nginx(self.folder, self.publisher.mirror(name), **options))

    def publish(self):
        owner, repo = REPOSITORY.split("/")
        self.github.repository(REPOSITORY)
        self.publisher.ferry.env.update(GH_TOKEN=self.github.token(owner), CURL_CA_BUNDLE=str(self.tls[0]))
        self.publisher.configure(
            mirror("a", url=self.a.url, priority=1, region="eu"), mirror("b", url=self.b.url, priority=2),
            mirror("gh", kind="github", owner=owner, repo=repo, api=self.github.enterprise,
                   url=self.github.url(REPOSITORY), holds="objects", priority=3),
            more=f"[stats]\nlogs = a={self.log.parent} b={self.pushed.parent}\n"
                 f"[alert.ops]\nkind = command\ncommand = {shutil.which('false')}\non = warning\n")
        self.publisher("catalog", "sign")
        self.publisher("push")
        self.path = self.publisher.on("a", "*.gguf").relative_to(self.publisher.mirror("a"))

    # -- what readers do

    def get(self, path, agent):
        """From a, over TLS; its log has a line more then."""

        before = self.log.read_text().count("\n") if self.log.exists() else 0
        request = urllib.request.Request(f"{self.a.url}/{path}", headers={"User-Agent": agent})
        context = ssl.create_default_context(cafile=str(self.tls[0]))
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=PATIENCE, context=context).read()
        until(lambda: self.log.read_text().count("\n") > before, self.a.process)

    def logpush(self, country, status=200):
        """A line of Cloudflare's, as if it stood in front of b."""
        self.clients += 1
        size = (self.publisher.mirror("b") / self.path).stat().st_size if status == 200 else 0
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = {"ClientIP": f"192.0.2.{self.clients}", "ClientCountry": country, "ClientRequestMethod": "GET",
                "ClientRequestPath": f"/{self.path}", "ClientRequestUserAgent": "ferry/9.9 (fetch)",
                "EdgeResponseStatus": status, "EdgeResponseBytes": size, "EdgeResponseBodyBytes": size,
                "EdgeStartTimestamp": now, "EdgeEndTimestamp": now, "RayID": f"{self.clients:016x}"}
        with open(self.pushed, "a") as f:
            f.write(json.dumps(line) + "\n")

    def read(self):
        """Readers come: downloads with and without success."""
        self.clients += 1
        for k in range(3):
            self.get(self.path, f"client-{self.clients}-{k}/1.0")
        self.get(str(self.path)[:-8] + "gone.gguf", "client/1.0")
        for country in ("DE", "FR", "BR"):
            self.logpush(country)
        self.logpush("DE", 503)

    # -- what cron does

    def health(self, check=None):
        self.publisher("health", "--quiet", "--prometheus", self.metrics / "ferry-health.prom", check=check)

    def stats(self):
        self.publisher("stats", "counters", "--quiet")
        self.publisher("stats", "import", "--quiet", "--prometheus", self.metrics / "ferry-stats.prom")
