"""The three tours of the README, command by command as they are written there: only the
addresses are others, and the engine is a script."""

import os
import re
import subprocess
import urllib.request
from hashlib import sha256

import pytest

from conftest import BIN, ROOT
from s3_servers import PUBLISHER
from waiting import PATIENCE

README = (ROOT / "README.md").read_text()


def code(title, language="sh"):
    """The blocks of code in a section."""
    section = README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(rf"```{language}\n(.*?)```", section, re.S)
    assert blocks
    return blocks


@pytest.fixture
def here(ferry, work, nginx):
    """here(text) is the text with places of this test in place of the examples."""
    served = work / "served"
    for name in ("primary", "backup"):
        (served / name).mkdir(parents=True)
    (work / "logs").mkdir()
    url = nginx(served).url
    places = {"https://models.example.org/": f"{url}/primary/",
              "https://backup.example.org/models/": f"{url}/backup/",
              "/srv/models": str(served / "primary"), "/mnt/backup/models": str(served / "backup"),
              "=/var/log/nginx": f"={work / 'logs'}"}

    def replace(text):
        for example, place in places.items():
            text = text.replace(example, place)
        assert "example.org" not in text
        return text
    return replace


@pytest.fixture
def shell(ferry, work, here):
    """shell(code, cwd) runs the commands of a block; each of them must succeed."""
    tools = work / "tools"
    tools.mkdir()
    engine = tools / "llama-server"
    engine.write_text('#!/bin/sh\n[ "$1" = -m ] && head -c 4 "$2"\n')
    engine.chmod(0o755)

    def run(code, cwd):
        env = ferry.environment({"PATH": f"{BIN}:{tools}:{os.environ['PATH']}"})
        done = subprocess.run(["bash", "-exc", here(code).replace(" && ", "\n")], cwd=cwd, env=env, text=True,
                              capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run


def test_the_three_tours(ferry, work, make_gguf, here, shell):
    user, publisher = work / "user", work / "publisher"
    user.mkdir()
    publisher.mkdir()
    make_gguf(publisher / "phi-2.Q4_K_M.gguf")
    make_gguf(publisher / "phi-2-fixed.gguf", "--seed", "2")
    (publisher / "ferry.conf").write_text(here(code("Five minutes as a release engineer", "ini")[0]))
    out = shell(code("Five minutes as a release engineer")[0], publisher)
    assert "phi-2" in out
    digest = sha256((publisher / "repository/metadata/1.root.json").read_bytes()).hexdigest()
    out = shell(code("Five minutes as a user")[0].replace("HEX", digest), user)
    assert out.count("GGUF") >= 1 and "q4_k_m" in out
    assert "wrong chat template" in ferry("fetch", "phi-2@1", cwd=user, check=6).err
    assert "ok" in shell(code("Five minutes as an operator")[0], publisher)
    # What the operator has published is what the user's next look finds.
    assert "phi-2" in shell("ferry list", user)


def test_the_bucket(work, make_gguf, here, shell, radosgw, ferry):
    section, region = "Five minutes as a release engineer", radosgw.region("eu-west-1")
    folder, bucket = work / "publisher", region.bucket()
    folder.mkdir()
    make_gguf(folder / "phi-2.Q4_K_M.gguf")
    tours = code(section, "ini")
    text = here(tours[0]) + "\n" + tours[1].replace(
        "example-models\n", f"{bucket}\nendpoint = {region.endpoint}\n").replace(
        "https://example-models.s3.eu-west-1.amazonaws.com/", f"{region.endpoint}/{bucket}")
    (folder / "ferry.conf").write_text(text)
    commands = code(section)
    shell(commands[0].split("ferry push", 1)[0], folder)
    shell("".join(f"export {k}={v!r}\n" for k, v in PUBLISHER.env.items()) + commands[1], folder)
    assert "metadata/timestamp.json" in region.keys_of(bucket)
    url = f"{region.endpoint}/{bucket}/metadata/timestamp.json"
    assert urllib.request.urlopen(url, timeout=PATIENCE).status == 200


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) < 200
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert link.startswith("https://") or (ROOT / link).exists(), link
