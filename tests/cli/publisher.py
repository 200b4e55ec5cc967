"""A release engineer for the tests of the client: makes a signed repository in a folder,
adds models, names mirrors. The tree itself is what the servers of the tests serve."""

import copy
import hashlib
import os
import pathlib
import shutil


def copy_tree(source, to):
    """A copy in which models, that nobody writes into, are the same files."""
    def one(a, b):
        return os.link(a, b) if a.endswith(".gguf") else shutil.copy2(a, b)
    shutil.copytree(source, to, copy_function=one)
    return pathlib.Path(to)


class Publisher:
    def __init__(self, ferry, work, name="demo", expires=None):
        self.ferry = ferry
        self.dir = pathlib.Path(work) / f"publisher-{name}"
        self.dir.mkdir()
        self.name = name
        self.tree = self.dir / "repository"
        self.expires = expires or {}
        self.mirrors = {}
        self.write_conf()
        self.ferry("catalog", "init", "--unencrypted", "-q", name, cwd=self.dir)

    def again(self, ferry, work):
        """One that has done the same, in another folder: a fixture is made once and copied."""
        other = copy.copy(self)
        other.ferry, other.mirrors = ferry, dict(self.mirrors)
        other.dir = copy_tree(self.dir, pathlib.Path(work) / self.dir.name)
        other.tree = other.dir / "repository"
        return other

    def write_conf(self):
        lines = [f"[repository.{self.name}]", "path = repository", "keys = keys",
                 "title = Models for tests"]
        lines += [f"expires-{role} = {time}" for role, time in self.expires.items()]
        for i, (id, url) in enumerate(self.mirrors.items()):
            kind = "file" if url.startswith("file:") else "http"
            lines += [f"[mirror.{id}]", f"kind = {kind}", f"url = {url}",
                      f"priority = {10 * (i + 1)}"]
            if kind == "file":
                lines.append(f"path = {url[len('file://'):]}")
        (self.dir / "ferry.conf").write_text("\n".join(lines) + "\n")

    def add(self, prepared):
        """What `ferry prepare` made."""
        self.ferry("catalog", "add", "-q", prepared, cwd=self.dir)

    def sign(self, **mirrors):
        """mirrors: id=url, in order of priority; they stay for later signings."""
        self.mirrors.update(mirrors)
        self.write_conf()
        self.ferry("catalog", "sign", "-q", cwd=self.dir)

    def copy(self, to):
        """The tree as it is now, for a mirror of its own."""
        return copy_tree(self.tree, to)

    @property
    def root_sha256(self):
        root = self.tree / "metadata" / "1.root.json"
        return hashlib.sha256(root.read_bytes()).hexdigest()

    def client(self, *endpoints, extra="", pin=None):
        """The text of a client's ferry.conf. No endpoint is too slow, however busy the machine."""
        if len(endpoints) > 1 and "[fetch]" not in extra:
            extra += "\n[fetch]\ntimestamp-deadline = 10m"
        urls = "".join(f"\n    {e}" for e in endpoints or [f"file://{self.tree}"])
        pin = pin if pin is not None else f"root-sha256 = {self.root_sha256}"
        return f"[repository.{self.name}]\nmetadata ={urls}\n{pin}\n{extra}\n"


def object_path(tree, name):
    """The file of a published object: "*.tiny-q8_0.gguf"."""
    found = list(pathlib.Path(tree).glob(f"targets/models/*/*.{name}"))
    assert len(found) == 1, found
    return found[0]
