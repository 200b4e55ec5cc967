"""What ferry-repository(7) tells readers who have no TUF client: its commands, as they are written
there; only the addresses and the model are others."""

import hashlib
import re
import subprocess

import pytest

from conftest import ROOT
from publisher import object_path
from test_fetch import TINY, prepared, publisher, signed  # noqa: F401 (fixtures)
from waiting import PATIENCE

PAGE = (ROOT / "man/ferry-repository.7.scd").read_text()


def block(start):
    """The literal block of the page that begins with this line, as a reader sees it."""
    section = PAGE.split("\n# WITHOUT A TUF CLIENT\n")[1].split("\n# ")[0]
    found, = [b for b in re.findall(r"^```\n(.*?)^```$", section, re.M | re.S)
              if b.startswith(start)]
    return re.sub(r"\\(.)", r"\1", found)


@pytest.fixture
def reader(ferry, publisher, nginx, work):
    """reader(start) runs a block in an empty folder that has the publisher's key."""
    folder = work / "reader"
    folder.mkdir()
    publisher.ferry("catalog", "export", "minisign-key", "-o", folder / "lab.pub",
                    cwd=publisher.dir)
    url = nginx(publisher.tree).url

    def run(start, check=0):
        text = block(start).replace("https://models.example.org", url).replace(
            "https://example.org", url).replace("phi-2", "tiny")
        assert "example.org" not in text
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", text], cwd=folder, text=True,
                              capture_output=True, timeout=PATIENCE)
        assert (done.returncode == 0) == (check == 0), done.stdout + done.stderr
        return folder
    run.folder = folder
    return run


@pytest.fixture
def stub(publisher):
    """The catalog names no models."""
    conf = publisher.dir / "ferry.conf"
    conf.write_text(conf.read_text().replace("keys = keys", "keys = keys\ncatalog-max-size = 1"))
    publisher.ferry("catalog", "sign", "-q", cwd=publisher.dir)
    assert '"complete": false' in (publisher.tree / "catalog.json").read_text()


def test_minisign_verifies_the_catalog(reader):
    assert '"tiny"' in (reader("curl -fO https://models") / "catalog.json").read_text()


def test_a_signed_list_leads_to_the_files_of_a_model(publisher, stub, reader):
    publisher.ferry("catalog", "export", "sums", "--sign", "-o", publisher.tree / "SHA256SUMS",
                    cwd=publisher.dir)
    path = reader("curl -fO https://example") / "models/tiny" / TINY
    wanted = object_path(publisher.tree, TINY).name.split(".")[0]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted


def test_a_signed_list_that_was_changed_is_refused_before_anything_is_fetched(
        publisher, stub, reader):
    sums = publisher.tree / "SHA256SUMS"
    publisher.ferry("catalog", "export", "sums", "--sign", "-o", sums, cwd=publisher.dir)
    sums.write_text(sums.read_text().replace("tiny", "tint"))
    assert not (reader("curl -fO https://example", check=1) / "models").exists()


def test_the_metadata_leads_to_a_card(stub, reader):
    assert '"id": "tiny"' in (reader("base=") / "card.json").read_text()
