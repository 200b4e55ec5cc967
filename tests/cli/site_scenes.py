"""Repositories for the tests of the site: small files with rich cards, mirrors that were watched for
90 days, and downloads from many countries."""

import datetime
import hashlib
import json
import sqlite3
import subprocess

from conftest import ROOT
from published import mirror
from publisher import copy_tree

NOW = datetime.datetime.now(datetime.timezone.utc)
CONF = """[repository.lab]
title = {title}
path = repository
keys = keys
{mirrors}
{more}
"""


def day(ago, form="%Y-%m-%dT03:04:05Z"):
    return (NOW - datetime.timedelta(days=ago)).strftime(form)


class Scene:
    def __init__(self, ferry):
        self.ferry, self.tree = ferry, ferry.work / "repository"
        self.site = self.tree / "site"
        self.configure()
        ferry("catalog", "init", "--unencrypted")

    def configure(self, *mirrors, title="Models of the lab", more=""):
        text = CONF.format(title=title, mirrors="\n".join(mirrors), more=more)
        (self.ferry.work / "ferry.conf").write_text(text)

    # -- models

    def file(self, model, name, size=None, /, **members):
        """A file in the tree with its manifest; its entry in a card."""
        data = f"{model} {name} ".encode()
        data = (data * (1 + (size or 0) // len(data)))[:size]
        sha256, shown = hashlib.sha256(data).hexdigest(), members.get("name", name)
        objects, manifests = self.tree / "targets/models" / model, self.tree / "cards" / model
        for folder in (objects, manifests):
            folder.mkdir(parents=True, exist_ok=True)
        (objects / f"{sha256}.{name}").write_bytes(data)
        (manifests / f"{sha256}.{shown}.manifest.json").write_text(json.dumps({
            "format": "model-ferry-manifest", "version": 1, "name": shown, "size": len(data),
            "sha256": sha256, "piece_length": 8 << 20, "pieces": [sha256],
            "pieces_sha256": hashlib.sha256(bytes.fromhex(sha256)).hexdigest()}))
        return {"path": f"models/{model}/{name}", "size": len(data), "sha256": sha256, **members}

    def card(self, id, *variants, **members):
        card = {"format": "model-ferry-card", "version": 1, "id": id, "title": id, **members,
                "variants": list(variants)}
        (self.tree / "cards").mkdir(exist_ok=True)
        (self.tree / "cards" / f"{id}.card.json").write_text(json.dumps(card, indent=2) + "\n")
        return card

    def variant(self, model, id, mib=1, files=None, **members):
        size = int(mib * 2**20)
        files = files or [self.file(model, f"{model}-{id}.gguf", size)]
        return {"id": id, "quantization": id.upper(), "version": 1, "released": day(30), "size": size,
                "ram": {"context": 2048, "bytes": size * 5 // 4}, "files": files, **members}

    def many(self, count):
        subprocess.run([ROOT / "scripts" / "make-big-catalog", self.tree, str(count)], check=True)

    def sign(self):
        self.ferry("catalog", "sign")

    def make(self, *options):
        return self.ferry("site", *options)


def phi(scene):
    """A model with all that a page can show."""
    shards = [scene.file("phi-2", f"phi-2-f16-0000{i}-of-00002.gguf", 3 << 20) for i in (1, 2)]
    old = scene.variant("phi-2", "q4_k_m", 1.5, released=day(80), withdrawn={
        "reason": "The tokenizer was wrong", "replacement": "phi-2:q4_k_m", "since": day(40)})
    new = scene.file("phi-2", "phi-2-q4_k_m.v2.gguf", 7 << 18, name="phi-2-q4_k_m.gguf")
    scene.card(
        "phi-2",
        scene.variant("phi-2", "q4_k_m", 1.75, [new], default=True, summary="The best for most.",
                      superseded=[old], changes=["The tokenizer is right.", "New metadata."],
                      version=2, label="2026-11", released=day(3)),
        scene.variant("phi-2", "q8_0", 2.9), scene.variant("phi-2", "f16", 6, shards),
        scene.variant("phi-2", "q2_k", 1.1, withdrawn={
            "reason": "Too many errors", "replacement": "phi-2:q4_k_m", "since": day(1)}),
        title="Phi 2", summary="A small language model for English text and code, which runs on a laptop.",
        description="Phi-2 is a transformer with 2.7 billion parameters. It was trained on texts and "
                    "code of high quality.\n\nIt was not trained to follow instructions: see its "
                    "card at the source for the forms of prompts that work.",
        family="phi", parameters=2_779_683_840, context_length=2048,
        license={"id": "MIT", "url": "https://example.org/phi-2/LICENSE"},
        source={"url": "https://example.org/microsoft/phi-2", "author": "Microsoft",
                "revision": "ef382358ec9e382308935a992d908de099b64c23"},
        tags=["chat", "code", "small"], languages=["en"], created=day(80), updated=day(3))


def others(scene):
    scene.card("tinyllama-1.1b", scene.variant("tinyllama-1.1b", "q8_0", 1.1),
               title="TinyLlama 1.1B Chat", summary="A tiny model for tests and small machines.",
               family="llama", parameters=1_100_048_384, license={"id": "Apache-2.0"}, tags=["chat"])
    scene.card("qwen2-72b", scene.variant("qwen2-72b", "q4_k_m", 7.9),
               title="Qwen2 72B Instruct", family="qwen2", parameters=72_706_203_648,
               summary="A large model for many languages.", languages=["en", "zh", "de"],
               license={"id": "LicenseRef-qwen", "name": "Tongyi Qianwen",
                        "url": "https://example.org/qwen"},
               deprecated={"reason": "Qwen2.5 is better in every way", "since": day(9)})
    scene.card("gemma-2b", scene.variant("gemma-2b", "q6_k", 2.1),
               title="Gemma 2B", family="gemma", parameters=2_506_172_416,
               summary="Withdrawn at the request of its authors.",
               withdrawn={"reason": "The license does not allow copies",
                          "replacement": "phi-2", "since": day(12)})


# -- what the operator has seen ------------------------------------------------------------------

COUNTRIES = ["DE"] * 40 + ["US"] * 90 + ["FR"] * 12 + ["BR"] * 7 + ["IN"] * 25 + ["SG"] * 6 + ["CN"] * 3


def downloads(scene, name="eu", count=1600):
    """Lines of Cloudflare's Logpush of the last 90 days, and their import."""
    objects = sorted(scene.tree.glob("targets/models/*/*.gguf"))
    lines = []
    for i in range(count):
        path = objects[i * i % len(objects)]
        when = day((i * i + i) % 97 % 88, "%Y-%m-%dT%H:%M:%SZ")
        size = path.stat().st_size
        lines.append(json.dumps({
            "ClientIP": f"198.51.{i // 250}.{i % 250}", "ClientCountry": COUNTRIES[i % len(COUNTRIES)],
            "ClientRequestMethod": "GET", "ClientRequestPath": f"/{path.relative_to(scene.tree)}",
            "ClientRequestUserAgent": ["ferry/0.1 (fetch)", "curl/8.1", "Mozilla/5.0"][i % 3],
            "EdgeResponseStatus": 200, "EdgeResponseBytes": size, "EdgeResponseBodyBytes": size,
            "EdgeStartTimestamp": when, "EdgeEndTimestamp": when, "RayID": f"{i:016x}"}))
    lines.sort(key=lambda line: json.loads(line)["EdgeStartTimestamp"])
    log = scene.ferry.work / "logpush.json"
    log.write_text("".join(line + "\n" for line in lines))
    scene.ferry("stats", "import", "--mirror", name, log)


def uptime(scene, **mirrors):
    """Days of the past, beside those of a run of `ferry health`; name → (days ago → part up)."""
    database, = scene.ferry.home.rglob("ops.db")
    today = int(NOW.timestamp()) // 86400
    with sqlite3.connect(database) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(health_days)")]
        for name, up in mirrors.items():
            for ago in range(1, 80):
                part = up(ago)
                if part is None:
                    continue
                values = {"repository": "lab", "mirror": name, "day": today - ago, "runs": 288,
                          "up": int(288 * part), "silenced": 0, "ok": int(288 * part), "warning": 0,
                          "critical": 288 - int(288 * part), "unknown": 0, "timed": 288,
                          "first_byte_us": 288 * 42000}
                db.execute(f"INSERT OR REPLACE INTO health_days VALUES ({','.join('?' * len(columns))})",
                           [values[c] for c in columns])


REGIONS = {"eu": "Frankfurt", "us": "Virginia", "asia": "Singapore"}
SITE = "[site]\nurl = https://models.example.org/site\nintro = intro.txt\n"
INTRO = """Models that run on the machines of the lab, in the form that llama.cpp and Ollama read.

Each file is signed. The pages of the models say how to fetch and to check them.
"""


def watched(scene):
    """Mirrors in folders: eu is well, us has had bad days, and asia has lost a file. For readers they
    have URLs."""
    (scene.ferry.work / "intro.txt").write_text(INTRO)
    scene.configure(*[mirror(n, region=r) for n, r in REGIONS.items()])
    scene.sign()
    for name in REGIONS:
        copy_tree(scene.tree, scene.ferry.work / "mirrors" / name)
    next((scene.ferry.work / "mirrors/asia/targets").rglob("*.gguf")).unlink()
    scene.ferry("health", check=None)
    uptime(scene, eu=lambda ago: 1, us=lambda ago: {11: 0, 12: .4, 30: .97}.get(ago, 1),
           asia=lambda ago: 1 if ago < 40 else None)
    downloads(scene)
    scene.configure(*[mirror(n, region=r, url=f"https://{n}.example.org/lab")
                      for n, r in REGIONS.items()], more=SITE)
    scene.sign()
