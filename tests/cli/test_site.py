"""ferry site: the folder that it makes, what it is made of, and what becomes of the old one when it
cannot be made."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess

import pytest

from conftest import preloaded
from disks import SmallDisk, read_only
from kills import Moments
from published import Publisher, publisher, signed_base    # noqa: F401 (fixtures)

LIST = ".ferry-site"


def contents(folder):
    """Path → digest, of everything that a web server could show."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_whole(folder):
    """It is exactly one build, and nothing is left beside it."""
    listed = json.loads((folder / LIST).read_text())["files"]
    found = contents(folder)
    del found[LIST]
    assert {f["path"]: f["sha256"] for f in listed} == found
    assert leftovers(folder) == []


def leftovers(folder):
    """What a build has beside the folder."""
    return [p.name for p in folder.parent.iterdir()
            if p.name.startswith(f".{folder.name}.") and p.name != f".{folder.name}.lock"]


@pytest.fixture
def site(publisher):    # noqa: F811
    return publisher.tree / "site"


def settings(publisher, *lines):    # noqa: F811
    publisher.configure(more="[site]\n" + "".join(f"{line}\n" for line in lines))


# -- the normal course --------------------------------------------------------------------------


def test_a_site_is_made_of_the_signed_catalog(publisher, site, validate):   # noqa: F811
    settings(publisher, "title = Our models", "url = https://models.example.org/site")
    result = publisher("site", "--json")
    validate(result.json, "output-site")
    made = contents(site)
    assert result.json["output"] == str(site.resolve())
    assert result.json["files"] == len(made) - 1 and LIST in made
    assert result.json["new"] == result.json["files"] and result.json["models"] == 1
    assert result.json["url"] == "https://models.example.org/site/"
    assert {"index.html", "models/tiny.html"} <= set(made)
    page = (site / "models/tiny.html").read_text()
    assert "Our models" in page and "For tests" in page
    assert_whole(site)
    assert json.loads((site / LIST).read_text())["files"][-1]["path"] == "index.html"


def test_everybody_can_read_the_site_whatever_the_umask(publisher, site):   # noqa: F811
    old = os.umask(0o077)
    try:
        publisher("site")
    finally:
        os.umask(old)
    for path in (site, *site.rglob("*")):
        assert path.stat().st_mode & (0o055 if path.is_dir() else 0o044), path


def test_what_is_not_signed_is_not_shown(publisher, site):  # noqa: F811
    publisher("site")
    publisher.add_model("second", seed=2)
    publisher("catalog", "remove", "tiny")
    result = publisher("site", "--json")
    assert (site / "models/tiny.html").exists()
    assert (site / "models/second.html").exists()
    assert result.json["models"] == 2


def test_what_did_not_change_keeps_its_time(publisher, site):   # noqa: F811
    publisher("site")
    for path in site.rglob("*"):
        os.utime(path, (1, 1))
    publisher.add_model("second", seed=2)
    result = publisher("site", "--json")
    page = site / "models/tiny.html"
    assert page.stat().st_mtime == 1
    assert all(p.stat().st_mtime == 1 for p in (site / "assets").glob("site.*"))
    assert (site / "index.html").stat().st_mtime > 1
    assert 0 < result.json["new"] < result.json["files"]
    assert 0 < result.json["changed"] < result.json["files"]
    # Also where a file cannot have two names.
    publisher.add_model("third", seed=3)
    publisher("site", env=preloaded("lacks", SIMULATED_LACKS="links"))
    assert page.stat().st_mtime == 1


def test_pages_of_models_that_are_gone_go(publisher, site):     # noqa: F811
    publisher.add_model("second", seed=2)
    publisher("site")
    publisher("catalog", "remove", "second")
    publisher("catalog", "sign")
    result = publisher("site", "--json")
    assert result.json["removed"] >= 1
    assert not (site / "models/second.html").exists()


def test_a_dry_run_writes_nothing(publisher, site):     # noqa: F811
    before = sorted(publisher.tree.iterdir())
    result = publisher("site", "--dry-run", "--json")
    assert result.json["new"] == result.json["files"] > 5
    assert not site.exists() and sorted(publisher.tree.iterdir()) == before
    publisher("site")
    old = contents(site)
    publisher.add_model("second", seed=2)
    text = publisher("site", "--dry-run").out
    assert "Nothing was written" in text and contents(site) == old


def test_an_empty_catalog_has_a_site_too(publisher, site):      # noqa: F811
    publisher("catalog", "remove", "tiny")
    publisher("catalog", "sign")
    result = publisher("site")
    assert "no models" in result.err
    assert (site / "index.html").exists() and not (site / "models").exists()


def test_without_a_url_there_is_no_feed(publisher, site):       # noqa: F811
    result = publisher("site")
    assert "without url in [site]" in result.err
    assert not (site / "feed.xml").exists() and not (site / "sitemap.xml").exists()


# -- where it goes -------------------------------------------------------------------------------


def test_the_folder_is_that_of_the_option_or_of_the_settings(publisher, site):  # noqa: F811
    settings(publisher, "output = www/models")
    publisher("site")
    assert (publisher.dir / "www/models/index.html").exists()
    publisher("site", "--output", "other")
    assert (publisher.dir / "other/index.html").exists() and not site.exists()


def test_a_link_to_the_folder_stays_a_link(publisher, site):    # noqa: F811
    target = publisher.dir / "www"
    target.mkdir()
    site.symlink_to(target)
    publisher("site")
    publisher.add_model("second", seed=2)
    publisher("site")
    assert site.is_symlink() and (target / "models/second.html").exists()


@pytest.mark.parametrize("what", ["a folder of others", "a file of others", "a file", "/"])
def test_nothing_but_a_site_is_ever_replaced(publisher, site, what):    # noqa: F811
    output = site
    if what == "a folder of others":
        site.mkdir()
        (site / "thesis.txt").write_text("not saved elsewhere")
    elif what == "a file of others":
        publisher("site")
        (site / "models" / "notes.txt").write_text("not saved elsewhere")
    elif what == "a file":
        site.write_text("not saved elsewhere")
    else:
        output = "/"
    before = contents(publisher.tree)
    result = publisher("site", "--output", output, check=2)
    assert "not made by `ferry site`" in result.err or "not a folder" in result.err
    before.pop(".site.lock", None)     # has the number of the process
    assert before.items() <= contents(publisher.tree).items()
    assert leftovers(site) == []


# -- when it cannot be made -----------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["nothing", "exclusive"])
def test_a_killed_build_leaves_the_old_site_or_the_new_one(publisher, site, lacks):  # noqa: F811
    """Where names cannot be exchanged, there is a moment without a site, which the next run ends."""
    publisher("site")
    copy = publisher.dir / "copy"
    shutil.copytree(site, copy)
    publisher.add_model("second", seed=2)

    def run(environment):
        libraries = environment["LD_PRELOAD"]
        libraries += ":" + libraries.split(":")[0].replace("kill", "lacks")
        publisher("site", check=None,
                  env={**environment, "LD_PRELOAD": libraries, "SIMULATED_LACKS": lacks})

    moments = Moments(publisher.dir, run)
    assert (site / "models/second.html").exists()
    seen = set()
    for environment in moments.some(16):
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(copy, site)
        run(environment)
        seen.add((site / "models/second.html").exists())
        if lacks == "nothing" or site.exists():
            listed = json.loads((site / LIST).read_text())["files"]
            assert {f["path"]: f["sha256"] for f in listed} == \
                {path: digest for path, digest in contents(site).items() if path != LIST}
    publisher("site")
    assert_whole(site)
    assert False in seen


def test_a_full_disk_leaves_the_old_site(publisher):    # noqa: F811
    disk = SmallDisk(publisher.dir / "disk", "4M")
    try:
        output = disk.path / "site"
        publisher("site", "--output", output, env=disk.env)
        old = contents(output)
        publisher.add_model("second", seed=2)
        disk.fill()
        result = publisher("site", "--output", output, env=disk.env, check=7)
        assert "space" in result.err
        assert contents(output) == old and leftovers(output) == []
        disk.empty("4M")
        publisher("site", "--output", output, env=disk.env)
        assert contents(output) != old
    finally:
        disk.close()


def test_a_folder_that_cannot_be_written_is_named(publisher, site):     # noqa: F811
    publisher("site")
    old = contents(site)
    publisher.add_model("second", seed=2)
    with read_only(publisher.tree) as confine:
        command = confine(publisher.ferry.command("site"))
        result = subprocess.run(command, env=publisher.ferry.environment(None), text=True,
                                cwd=publisher.dir, capture_output=True)
    assert result.returncode == 7 and str(publisher.tree.name) in result.stderr
    assert contents(site) == old


def test_a_tree_that_was_never_signed_says_so(ferry):
    made = Publisher(ferry)
    made.configure()
    made("catalog", "init", "--unencrypted")
    shutil.rmtree(made.tree / "metadata")
    assert "not been signed" in made("site", check=3).err


def test_two_builds_at_a_time_are_refused(publisher, site):     # noqa: F811
    with open(publisher.tree / ".site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert ".site.lock" in publisher("site", check=8).err
    assert not site.exists()
    publisher("site")


@pytest.mark.parametrize("line, message", [
    ("url = ftp://example.org/", "url: not the URL of a site"),
    ("url = https://user@example.org/", "url: not the URL of a site"),
    ("url = https://example.org/?a=b", "url: not the URL of a site"),
    ("statistics = maybe", "statistics"),
    ("titel = x", "did you mean 'title'?"),
    ("repository = other", "other"),
    ("intro = gone.txt", "gone.txt"),
])
def test_settings_that_cannot_be_used_name_their_line(publisher, line, message):    # noqa: F811
    settings(publisher, line)
    told = publisher("site", check=None).err
    assert message in told and "ferry catalog sign" not in told


def test_what_the_site_leaves_out_is_said(publisher):     # noqa: F811
    assert "not signed" not in publisher("site").err
    publisher.configure(more="[stats]\nlogs = a=access.log\n")
    publisher("catalog", "withdraw", "tiny", "--reason", "Broken.")
    told = " ".join(publisher("site").err.split())
    assert "1 model has changes that are not signed, which the site does not have" in told
    assert "the site has no statistics: no log was imported yet" in told
    assert publisher("site", "-q").err == ""
    publisher("catalog", "sign")
    assert "not signed" not in publisher("site").err


def test_options_that_need_push_say_so(publisher):      # noqa: F811
    for option in (["--prune"], ["--mirror", "a"]):
        assert "needs --push" in publisher("site", *option, check=2).err
