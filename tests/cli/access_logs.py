"""Downloads that are made up, the access logs that servers would write of them, and how many
sessions there are in truth: counted by a program of a few lines that knows everything at once.

    world = World(seed=1)
    world.write(folder)             # logs, in several formats, with lines out of order
    assert counted(ferry(…)) == world.sessions()
"""

import collections
import datetime
import json
import random

DAY = 86400
FIRST = int(datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc).timestamp())
Request = collections.namedtuple("Request", "time object client mirror status first size")


def moment(time):
    """For faketime."""
    at = datetime.datetime.fromtimestamp(time, datetime.timezone.utc)
    return at.strftime("%Y-%m-%d %H:%M:%S")


class Object:
    def __init__(self, number, size, model=None, variant="q8_0", part=0):
        self.sha256 = f"{number:02x}" * 32
        self.size, self.part = size, part
        self.model, self.variant = model or f"m{number}", variant
        self.path = f"models/{self.model}/{self.model}-{variant}-{part}.gguf"
        folder, name = self.path.rsplit("/", 1)
        self.url = f"/models/targets/{folder}/{self.sha256}.{name}"


def catalog(objects):
    models = {}
    for o in objects:
        variants = models.setdefault(o.model, {})
        variants.setdefault(o.variant, []).append(
            {"path": o.path, "size": o.size, "sha256": o.sha256})
    return {"format": "model-ferry-catalog", "version": 1, "name": "lab",
            "updated": "2026-01-01T00:00:00Z", "mirrors": [],
            "models": [{"format": "model-ferry-card", "version": 1, "id": name,
                        "license": {"id": "MIT"},
                        "variants": [{"id": v, "files": files} for v, files in variants.items()]}
                       for name, variants in models.items()]}


class Client:
    def __init__(self, agent, *addresses):
        self.agent, self.addresses = agent, addresses


def fetch(token):
    return f"ferry/1.2 (fetch; t={token})"


CLIENTS = [
    Client(fetch("0123456789abcdef"), "192.0.2.1", "2001:db8:1::7"),
    Client(fetch("00000000000000ff"), "192.0.2.1"),
    Client("curl/8.5.0", "192.0.2.1"),
    Client("aria2/1.36.0", "192.0.2.1"),
    Client("curl/8.5.0", "198.51.100.7"),
    Client('Mozilla/5.0 (X11; Linux x86_64) "quoted"', "2001:db8:2:3::1", "2001:db8:2:3:ff::2"),
    Client("-", "203.0.113.9"),
]


def combined(r, address, agent, path=None):
    at = datetime.datetime.fromtimestamp(r.time, datetime.timezone.utc)
    agent = agent.replace('"', "\\x22")
    return (f'{address} - - [{at.strftime("%d/%b/%Y:%H:%M:%S +0000")}] '
            f'"GET {path or r.object.url} HTTP/1.1" {r.status} {r.size} "-" "{agent}"')


def nginx_json(r, address, agent):
    end = r.first + r.size - 1
    ranges = f"bytes {r.first}-{end}/{r.object.size}" if r.status == 206 else ""
    at = datetime.datetime.fromtimestamp(r.time, datetime.timezone.utc)
    return json.dumps({
        "time_iso8601": at.isoformat(), "remote_addr": address, "request_method": "GET",
        "request_uri": r.object.url, "status": str(r.status), "body_bytes_sent": str(r.size),
        "sent_http_content_range": ranges, "http_user_agent": agent})


FORMATS = {"eu": combined, "us": nginx_json, "asia": nginx_json}


class World:
    def __init__(self, seed, downloads=60, days=3):
        self.chance = chance = random.Random(seed)
        self.days = days
        self.objects = [Object(1, 1000), Object(2, 4096), Object(3, 7, "m2", "f16"),
                        Object(4, 500, "big", part=0), Object(5, 300, "big", part=1)]
        self.requests = []
        for _ in range(downloads):
            o, client = chance.choice(self.objects), chance.choice(CLIENTS)
            # Near midnight, often.
            start = chance.choice([chance.randrange(days * DAY - 7500),
                                   DAY * chance.randrange(1, days) - chance.randrange(300)])
            self.download(FIRST + start, o, client)

    def download(self, start, o, client):
        """One of a few kinds: whole, in ranges from several mirrors, resumed, refused."""
        chance, add = self.chance, self.requests.append
        kind = chance.choice(["whole", "ranges", "ranges", "resumed", "refused", "torn"])
        mirror = chance.choice(sorted(FORMATS))
        if kind == "whole":
            add(Request(start, o, client, mirror, 200, 0, o.size))
        elif kind == "torn":
            add(Request(start, o, client, mirror, 200, 0, chance.randrange(o.size)))
        elif kind == "refused":
            add(Request(start, o, client, mirror, chance.choice([403, 404, 503]), 0, 153))
        elif kind == "resumed":
            cut = chance.randrange(o.size)
            add(Request(start, o, client, mirror, 200, 0, cut))
            add(Request(start + chance.randrange(300), o, client, chance.choice(sorted(FORMATS)),
                        206, cut, o.size - cut))
        else:
            piece = max(1, o.size // chance.randrange(1, 9))
            for first in range(0, o.size, piece):
                if chance.random() < 0.03:
                    continue
                add(Request(start + chance.randrange(300), o, client,
                            chance.choice(sorted(FORMATS)), 206, first,
                            min(piece, o.size - first)))

    # -- the truth ---------------------------------------------------------------------------

    def _outcome(self, requests):
        have, unknown, ok, failed = set(), 0, -1, -1
        size = requests[0].object.size
        for r in requests:
            if r.status >= 400:
                failed = r.time
                continue
            ok = r.time
            if r.status == 206 and FORMATS[r.mirror] is combined:
                unknown += r.size           # that format does not say which bytes
            else:
                have.update(range(r.first, r.first + r.size))
        got = min(size, len(have) + unknown)
        if 100 * got >= 99 * size:
            return "downloads", got
        if failed > ok:
            return "failed", got
        return ("partial", got) if got else (None, 0)

    def each_session(self):
        """(its first request, outcome, bytes, all requests)"""
        by = collections.defaultdict(list)
        for r in self.requests:
            by[r.object, r.client].append(r)
        for requests in by.values():
            requests.sort(key=lambda r: r.time)
            while requests:
                end = requests[0].time + DAY
                inside = [r for r in requests if r.time < end]
                outcome, got = self._outcome(inside)
                if outcome:
                    yield inside[0], outcome, got, inside
                requests = [r for r in requests if r.time >= end]

    def sessions(self, key):
        """{name: {"downloads", "partial", "failed", "bytes"}} by key(first request)."""
        found = collections.defaultdict(collections.Counter)
        for first, outcome, got, _ in self.each_session():
            name = key(first)
            found[name]["bytes"] += got
            if first.object.part == 0:
                found[name][outcome] += 1
        return {name: dict(+counter) for name, counter in found.items()}

    # -- the logs ----------------------------------------------------------------------------

    def line(self, r):
        return FORMATS[r.mirror](r, self.chance.choice(r.client.addresses), r.client.agent)

    def write(self, folder, files=3):
        """{path: mirror}: the lines of each mirror, out of order, in some files."""
        written = {}
        for mirror in sorted(FORMATS):
            lines = [self.line(r) for r in self.requests if r.mirror == mirror]
            self.chance.shuffle(lines)
            for i in range(files):
                path = folder / f"{mirror}-{i}.log"
                path.write_text("".join(line + "\n" for line in lines[i::files]))
                written[path] = mirror
        (folder / "catalog.json").write_text(json.dumps(catalog(self.objects)))
        return written


def by_variant(r):
    return f"{r.object.model}:{r.object.variant}"


def by_day(r):
    return moment(r.time)[:10]


def counted(result):
    """What `stats show --json` says, in the form of World.sessions()."""
    return {row["name"]: {k: row[k] for k in ("downloads", "partial", "failed", "bytes") if row[k]}
            for row in result.json["rows"]}
