"""A SIMULATED publisher of models who signs whatever a test wants: cards, the index, documents of
delegated roles. See tuf_simulator.py for the metadata."""

import hashlib
import json
import subprocess

TARGETS = "targets"


def zstd(data, *options):
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, check=True,
                          capture_output=True).stdout


def manifest(name, content):
    digest = hashlib.sha256(content)
    return {"format": "model-ferry-manifest", "version": 1, "name": name, "size": len(content),
            "sha256": digest.hexdigest(), "piece_length": 8 << 20,
            "pieces_sha256": hashlib.sha256(digest.digest()).hexdigest(),
            "pieces": [digest.hexdigest()]}


def line(id, *variants, **members):
    """A model of the index."""
    return {"id": id, "variants": [{"id": v} if isinstance(v, str) else v for v in variants],
            **members}


class Shop:
    """`repo` is a tuf_simulator.Repository; publish() signs what changed."""

    def __init__(self, repo, mirrors=()):
        self.repo, self.roles = repo, []
        self.document("repository.json", {
            "format": "model-ferry-repository", "version": 1, "name": "shop",
            "updated": "2026-01-01T00:00:00Z", "mirrors": list(mirrors)})
        self.index([])

    def delegate(self, role, *paths, **options):
        self.repo.delegate(TARGETS, role, paths, **options)
        self.roles.append(role)

    def document(self, path, content, role=TARGETS):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.repo.target(role, path, data)
        return data

    def file(self, path, content, role=TARGETS):
        """A model file with its manifest; returns its entry in a card."""
        self.repo.target(role, path, content)
        self.document(f"{path}.manifest.json", manifest(path.rpartition("/")[2], content), role)
        return {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def variant(self, model, id="q8", content=None, role=TARGETS, **members):
        entry = self.file(f"models/{model}/{model}-{id}.gguf", content or f"{model} {id}".encode(),
                          role)
        return {"id": id, "files": [entry], **members}

    def card(self, model, *variants, role=TARGETS, at=None, **members):
        """Signed as models/AT/AT.card.json."""
        at = at or model
        card = {"format": "model-ferry-card", "version": 1, "id": model,
                "variants": list(variants), **members}
        self.document(f"models/{at}/{at}.card.json", card, role)
        return card

    def index(self, models, **header):
        head = {"format": "model-ferry-index", "version": 1, "models": len(models), **header}
        text = "".join(json.dumps(m) + "\n" for m in [head, *models]).encode()
        self.document("index.jsonl.zst", zstd(text))
        return text

    def publish(self):
        self.repo.publish(*self.roles, TARGETS, "snapshot", "timestamp")

    def client(self, name="shop"):
        """A section of the client's ferry.conf."""
        root = hashlib.sha256(self.repo.versions["root"][0]).hexdigest()
        return f"[repository.{name}]\nmetadata = {self.repo.url}\nroot-sha256 = {root}\n"
