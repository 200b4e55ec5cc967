"""Where test_brief.py does its work: a publisher with mirrors of every kind that the brief names, the
readers, and what watches them. Real: nginx, radosgw, git, Prometheus. SIMULATED: R2's rules, Cloudflare's
API, GitHub, AWS's set-up of buckets and its CloudWatch, llama.cpp's tools, and the runner of workflows.

    cdn       kind r2, the primary; readers come through an nginx, as through Cloudflare's CDN
    s3-us     kind s3, in us-east-1; readers come to the bucket
    s3-eu     kind s3, in eu-west-1
    releases  kind github: objects only
    git       kind git: metadata only; an nginx shows the branch as raw files
    own       a folder behind nginx as `ferry mirror config` has it: the second domain
    stage     a folder: the staging environment
"""

import contextlib
import datetime
import itertools
import json
import re
import shlex
import subprocess
import urllib.request

import git_servers
from cloudflare_simulated import ACCOUNT, ZONE, Cloudflare
from conftest import BIN, ROOT, Ferry
from fronts import FrontNginx
from prometheus_servers import Exporter, Prometheus
from published import Publisher, mirror
from s3_servers import PUBLISHER
from servers import Nginx, free_port, wait_for_port
from test_ops_live import impatient
from test_pipelines import SimulatedRunner
from test_setup import new_name
from waiting import until

# How many words the name of a command has.
DEPTH = {"catalog": 2, "manifest": 2, "mirror": 2, "repository": 2, "stats": 2, "store": 2}
LOG_FORMAT = (ROOT / "scripts/ops/nginx-log.conf").read_text()
SIMULATED = ROOT / "tests" / "simulated"
HOOK = """#!/bin/sh
set -eu
cat > "$1-$(ls | grep -c "^$1-").json"
"""


class Recorder(Ferry):
    """Remembers which commands were run; also those of scripts, by what these say."""

    def __init__(self, work, ran):
        super().__init__(work)
        self.ran = ran

    def __call__(self, *args, **options):
        result = super().__call__(*args, **options)
        self.ran.append([str(a) for a in args])
        return result

    def heard(self, text):
        self.ran += [line.split() for line in re.findall(r"^== ferry (.*)$", text, re.M)]


class Runner(SimulatedRunner):
    def shell(self, step):
        done = super().shell(step)
        self.project.ferry.heard(done.stderr)
        self.project.ferry.ran += [line.split()[1:] for line in step["run"].splitlines()
                                   if line.startswith("ferry ")]
        return done


class Second(FrontNginx):
    """At the port of the mirror's URL."""

    def __enter__(self):
        self.launch()
        wait_for_port(self.port, self.process)
        return self


class World:
    """In a `with`."""

    def __init__(self, work, radosgw, r2_proxy, github, aws, make_gguf):
        self.work, self.github, self.aws, self.make_gguf = work, github, aws, make_gguf
        self.ran, self.done = [], {}
        self.ferry = Recorder(work, self.ran)
        self.publisher = Publisher(self.ferry)
        self.us, self.eu = radosgw.region("us-east-1"), radosgw.region("eu-west-1")
        self.r2 = r2_proxy(self.us, seconds_between_writes=0)
        self.buckets = {"cdn": new_name(self.us), "s3-us": new_name(self.us),
                        "s3-eu": new_name(self.eu), "logs": self.us.bucket()}
        for name in ("textfile", "log", "empty", "files"):
            (work / name).mkdir()
        self.log, self.logpush = work / "log" / "access.log", work / "logpush.json"
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.start(stack)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *ignored):
        self.stack.close()

    def once(self, name):
        """Calls the method unless it was called before; returns what it returned."""
        if name not in self.done:
            self.done[name] = getattr(self, name)()
        return self.done[name]

    def has_run(self, command, operands=True):
        """Was there a command line with these words: first the name, then any order? The example of a
        man page may have other operands."""
        words = shlex.split(command, comments=True)[1:]
        named = list(itertools.takewhile(lambda w: not w.startswith("-"), words))
        if not operands:
            named = named[:DEPTH.get(named[0], 1)]
            words = named + [w for w in words if w.startswith("--")]
        return any(ran[:len(named)] == named and set(words) <= set(ran) for ran in self.ran)

    # -- servers

    def start(self, stack):
        def nginx(root, **options):
            return stack.enter_context(Nginx(self.work, root, http=LOG_FORMAT, **options))
        self.git = git_servers.GitHost(self.work)
        self.git.create()
        for name in ("own", "stage"):
            self.publisher.mirror(name).mkdir(parents=True)
        (self.work / "raw").mkdir()
        self.fronts = {
            "cdn": nginx(self.work / "empty", extra=f"""
                location /models/ {{ proxy_pass {self.us.endpoint}/{self.buckets["cdn"]}/; }}
                access_log {self.log} ferry_json;"""),
            "git": nginx(self.work / "raw")}
        self.source = nginx(self.work / "files")
        self.urls = {
            "cdn": self.fronts["cdn"].url + "/models",
            "s3-us": f"{self.us.endpoint}/{self.buckets['s3-us']}",
            "s3-eu": f"{self.eu.endpoint}/{self.buckets['s3-eu']}",
            "git": self.fronts["git"].url}
        self.ferry.env.update(
            PUBLISHER.env, GH_TOKEN=self.github.token("aibrother"), PYTHONDONTWRITEBYTECODE="1",
            PATH=f"{SIMULATED}:{self.ferry.env['PATH']}")
        self.publisher.environment = {**self.ferry.env, "PATH": f"{BIN}:{self.ferry.env['PATH']}"}
        self.github.repository("aibrother/model-catalog")
        self.start_second(stack)

    def start_second(self, stack):
        second = Second(self.ferry, "own")
        for _ in range(5):      # somebody else may have taken the port
            second.port = free_port()
            self.urls["own"] = f"http://127.0.0.1:{second.port}"
            self.configure()
            with contextlib.suppress(RuntimeError):
                self.fronts["own"] = stack.enter_context(second)
                return
        raise RuntimeError("nginx does not start")

    def configure(self):
        (self.work / "hook").write_text(HOOK)
        (self.work / "hook").chmod(0o755)
        lifecycle = {"cors": "*", "abort-uploads": "7d"}
        public = {**lifecycle, "public": "yes", "keep-versions": "30d", "price": "amazon"}
        self.publisher.configure(
            self.bucket("cdn", "r2", self.r2.region, priority=10, region="eu", **lifecycle),
            self.bucket("s3-us", "s3", self.us, priority=30, **public),
            self.bucket("s3-eu", "s3", self.eu, priority=30, **public),
            mirror("releases", kind="github", owner="aibrother", repo="model-catalog",
                   api=self.github.enterprise, url=self.github.url("aibrother/model-catalog"),
                   holds="objects", tag="models", priority=80, **{"part-size": "8MiB"}),
            mirror("git", kind="git", remote=self.git.path("models"), url=self.urls["git"],
                   priority=90),
            mirror("own", url=self.urls["own"], priority=20, region="us"),
            mirror("stage", stage="yes"),
            repository="keep-versions = 3",
            more=f"""
[announce.community]
command = ./hook announced
[alert.ops]
kind = command
command = ./hook alerted
[logs.s3]
kind = s3
endpoint = {self.us.endpoint}
region = us-east-1
bucket = {self.buckets["logs"]}
[front]
requests = 30
[cost]
budget = 320
[price.amazon]
source = by hand, in round numbers
storage = 0.023
egress = 0 to 100GB, 0.09
read = 0.4
write = 5
[site]
url = {self.urls["cdn"]}/site/
[stats]
logs = cdn={self.log.parent} cdn={self.logpush} s3-us=s3:
""")

    def bucket(self, name, kind, at, **options):
        where = {} if kind == "r2" else {"region": at.name}
        where.update(options)
        return mirror(name, kind=kind, endpoint=at.endpoint, bucket=self.buckets[name],
                      url=self.urls[name], **where)

    # -- what the publisher does

    def set_up(self):
        """{mirror: {what: state}}"""
        found = self.ferry("mirror", "setup", "-m", "cdn", "-m", "s3-us", "-m", "s3-eu", "--json").json
        # What connecting a domain to a bucket of R2 does.
        self.us.publish(self.buckets["cdn"])
        return {m["id"]: {f["what"]: f["state"] for f in m["findings"]} for m in found["mirrors"]}

    def pushed(self):
        """{mirror: outcome} of the first push."""
        self.ferry("catalog", "sign")
        found = self.ferry("push", "--json").json["mirrors"]
        self.show_git()
        return {m["id"]: m["outcome"] for m in found}

    def script(self, words, fails=False, **env):
        """Runs a script that runs ferry."""
        done = subprocess.run(words, cwd=self.work, env={**self.publisher.environment, **env},
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.ferry.heard(done.stderr)
        assert (done.returncode != 0) == fails, done.stderr
        return done

    def runner(self, origin, values):
        return Runner(self.publisher, origin, values)

    def show_git(self):
        """As raw.githubusercontent.com does after a while."""
        self.git.check_out(self.work / "raw")

    def cloudflare(self):
        """Its SIMULATED API, after what stands in front of the CDN was sent to it, twice."""
        api = self.stack.enter_context(Cloudflare())
        api.add_others("http_ratelimit")
        conf, destination = self.work / "cloudflare.conf", self.work / "destination"
        destination.write_text("r2://logs/{DATE}?account-id=a&access-key-id=b&secret-access-key=c")
        destination.chmod(0o600)
        conf.write_text(
            mirror("cdn", kind="r2", bucket="models", url="https://cdn.aibrother.app/models")
            + f"[front]\napi = {api.url}\nzone = {ZONE}\naccount = {ACCOUNT}\n"
            f"analytics = downloads\nlog-destination-file = {destination}\n")
        for state in ("added", "same"):
            found = self.ferry("mirror", "config", "cloudflare", "--apply", "--json", "--config", conf,
                               env={"CLOUDFLARE_API_TOKEN": api.token}).json
            assert {change["state"] for change in found["changes"]} == {state}
        return api

    def region_of(self, name):
        return self.eu if name == "s3-eu" else self.us

    def keys(self, name):
        return self.region_of(name).keys_of(self.buckets[name])

    def body(self, name, key):
        return self.region_of(name).body(self.buckets[name], key)

    def models(self):
        """{model: its files in the tree}"""
        found = {}
        for path in sorted(self.publisher.tree.rglob("*.gguf")):
            found.setdefault(path.parent.name, []).append(path)
        return found

    # -- readers

    def reader(self, name, url=None, line=None):
        """One that has added the repository, and can read from all mirrors."""
        home = self.work / f"reader-{name}"
        home.mkdir(exist_ok=True)
        ferry = Recorder(home, self.ran)
        if line:
            subprocess.run(["sh", "-euc", line], cwd=home, check=True, env={
                **ferry.env, "PATH": f"{BIN}:{ferry.env['PATH']}"}, stdin=subprocess.DEVNULL,
                capture_output=True)
        else:
            ferry("repository", "add", "brother", url, "--root",
                  self.publisher.tree / "metadata/1.root.json")
        return ferry

    def user(self):
        return self.reader("user", self.urls["cdn"])

    def readers_came(self):
        """One reader of each model through the CDN, with ferry; one of the first with curl."""
        user = self.once("user")
        for model in self.models():
            user("fetch", "-q", model, "--mirror", "cdn")
        first = next(iter(self.models().values()))[0]
        self.curl(f"{self.urls['cdn']}/{first.relative_to(self.publisher.tree)}", "curl/8")
        for country in ("DE", "FR", "DE"):
            self.at_cloudflare(first, country)
        until(lambda: "curl/8" in self.log.read_text(), self.fronts["cdn"].process)
        self.ferry("stats", "import", "-q", "--prometheus", self.metrics("stats"))

    def curl(self, url, agent, **headers):
        request = urllib.request.Request(url, headers={"User-Agent": agent, **headers})
        with urllib.request.urlopen(request) as answer:
            return answer.headers, answer.read()

    def read(self, name, path):
        """(headers, body) of a file of the tree, from a mirror."""
        return self.curl(f"{self.urls[name]}/{path.relative_to(self.publisher.tree)}", "curl/8")

    def at_cloudflare(self, path, country):
        """A line of Logpush."""
        known = self.logpush.read_text().count("\n") if self.logpush.exists() else 0
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        size = path.stat().st_size
        line = {"ClientIP": f"192.0.2.{known + 1}", "ClientCountry": country,
                "ClientRequestMethod": "GET",
                "ClientRequestPath": f"/models/{path.relative_to(self.publisher.tree)}",
                "ClientRequestUserAgent": "app/1.0", "EdgeResponseStatus": 200,
                "EdgeResponseBytes": size, "EdgeResponseBodyBytes": size,
                "EdgeStartTimestamp": now, "EdgeEndTimestamp": now, "RayID": f"{known + 1:016x}"}
        with open(self.logpush, "a") as f:
            f.write(json.dumps(line) + "\n")

    def counted(self, by):
        self.once("readers_came")
        rows = self.ferry("stats", "show", "--json", "--by", by).json["rows"]
        return {row["name"]: row for row in rows}

    # -- who watches

    def metrics(self, name):
        return self.work / "textfile" / f"ferry-{name}.prom"

    def health(self, check=0):
        """{mirror: {check: state}} of what is not ok."""
        ran = self.ferry("health", "--json", "--prometheus", self.metrics("health"), check=check)
        [repository] = ran.json["repositories"]
        return {m["id"]: {f["check"]: f"{f['state']}: {f['reason']}" for f in m["findings"]
                          if f["state"] != "ok"} for m in repository["mirrors"]}

    def prometheus(self):
        exporter = self.stack.enter_context(Exporter(self.work, self.work / "textfile"))
        return self.stack.enter_context(Prometheus(
            self.work, {"ferry": exporter.port}, [impatient(self.work / "rules.yml")]))

    def becomes(self, *alerts):
        server = self.once("prometheus")
        until(lambda: set(server.alerts()) - {"FerryWatchdog"} == set(alerts), server.process)

    def told(self, what):
        """The documents that the hook got."""
        paths = sorted(self.work.glob(f"{what}-*.json"), key=lambda p: int(p.stem.split("-")[1]))
        return [json.loads(path.read_text()) for path in paths]
