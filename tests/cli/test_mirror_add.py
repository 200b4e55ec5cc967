"""ferry mirror add and remove: sections of ferry.conf, from options or answers."""

import os

import pytest

from typed import END, answered

KEPT = """# Ours.
[repository.test]   ; the only one
path = tree

[mirror.first]
kind=file
path = a
"""


@pytest.fixture
def conf(work):
    path = work / "ferry.conf"
    path.write_text(KEPT)
    return path


def test_add_appends_a_section_and_keeps_everything_else(ferry, conf, validate):
    result = ferry("mirror", "add", "second", "--kind", "file", "--path", "b", "--priority", "20",
                   "--region", "eu", "--stage", "--json")
    validate(result.json, "output-mirror-add")
    assert conf.read_text() == KEPT + """
[mirror.second]
kind = file
path = b
region = eu
priority = 20
stage = yes
"""
    [probed] = result.json["mirrors"]
    assert [(f["what"], f["state"]) for f in probed["findings"]] == [("folder", "lacks")]
    assert result.json["next"] == "ferry mirror setup --mirror second"
    assert {m["id"] for m in ferry("mirror", "list", "--json").json["mirrors"]} == {"first",
                                                                                   "second"}


def test_the_next_command_that_add_names_leads_to_a_mirror_that_can_be_pushed_to(ferry, conf,
                                                                                 work):
    added = ferry("mirror", "add", "second", "--kind", "file", "--path", "b", "--json").json
    ferry(*added["next"].split()[1:])
    assert (work / "b").is_dir()
    (work / "c").mkdir()
    ready = ferry("mirror", "add", "third", "--kind", "file", "--path", "c", "--json").json
    assert ready["next"] == "ferry push --mirror third"
    assert os.listdir(work / "c") == [".ferry"]


def test_add_makes_the_file(ferry, work):
    result = ferry("mirror", "add", "main", "--kind", "http", "--url", "http://127.0.0.1:1/m",
                   "--no-probe", "--json")
    assert "mirrors" not in result.json
    assert (work / "ferry.conf").read_text() == """[mirror.main]
kind = http
url = http://127.0.0.1:1/m
"""


def test_add_probes_a_web_server(ferry, work, nginx):
    (work / "site/metadata").mkdir(parents=True)
    (work / "site/metadata/timestamp.json").write_text("{}")
    url = nginx(work / "site").url
    result = ferry("mirror", "add", "web", "--kind", "http", "--url", url, "--json")
    assert ("read", "ok") in [(f["what"], f["state"]) for f in result.json["mirrors"][0]["findings"]]
    # Whether it answers does not matter for the section.
    lost = ferry("mirror", "add", "lost", "--kind", "http", "--url", "http://127.0.0.1:1/", "--json")
    assert [f["state"] for f in lost.json["mirrors"][0]["findings"]] == ["lacks"]


def test_the_account_of_r2_may_come_from_the_environment(ferry, work):
    ferry.env["CLOUDFLARE_ACCOUNT_ID"] = "0123456789abcdef"
    ferry("mirror", "add", "cdn", "--kind", "r2", "--bucket", "models", "--no-probe")
    assert (work / "ferry.conf").read_text() == "[mirror.cdn]\nkind = r2\nbucket = models\n"


def test_add_refuses_a_name_that_is_taken(ferry, conf, validate):
    result = ferry("mirror", "add", "first", "--kind", "file", "--path", "x", "--json", check=8)
    validate(result.json, "error")
    assert "ferry.conf:5: the mirror first already exists" in result.json["error"]["message"]
    assert conf.read_text() == KEPT


@pytest.mark.parametrize("args, text", [
    (["x"], "a mirror needs --kind"),
    (["x", "--kind", "file"], "a mirror of kind file needs --path"),
    (["x", "--kind", "s3"], "a mirror of kind s3 needs --bucket"),
    (["x", "--kind", "r2", "--bucket", "b"], "a mirror of kind r2 needs --account"),
    (["x", "--kind", "github", "--set", "repo=r"], "needs --set owner"),
    (["x", "--kind", "fiel", "--path", "b"], "unknown kind 'fiel'"),
    (["x", "--kind", "file", "--path", "b", "--set", "pfad=c"], "unknown key 'pfad'"),
    (["x", "--kind", "file", "--path", "b", "--set", "path=c"], "path is given twice"),
    (["x", "--kind", "file", "--path", "b", "--set", "=c"], "must be KEY=VALUE"),
    (["x", "--kind", "file", "--path", "b", "--priority", "high"], "priority"),
    (["x", "--kind", "file", "--path", "b", "--region", "a ; b"], "cannot be written"),
    (["x", "--kind", "file", "--path", "b\n[fetch]"], "a control character"),
    (["x", "--kind", "http", "--url", "https://me:secret@example.org/"], "cannot be published"),
    (["x", "--kind", "file", "--path", "b", "--set", "secret-access-key=abc"], "unknown key"),
    (["x", "--kind", "file", "--path", "b", "--name", "other"], "there is no [repository.other]"),
    (["../x", "--kind", "file", "--path", "b"], "is not a name for a mirror"),
])
def test_add_writes_nothing_that_is_faulty(ferry, conf, args, text):
    result = ferry("mirror", "add", *args, "--no-probe", check=2)
    assert text in result.err and "secret@" not in result.err
    assert conf.read_text() == KEPT


def test_with_several_repositories_add_wants_to_know_which(ferry, conf):
    two = KEPT.replace("kind=file", "kind=file\nrepository = test") + "[repository.b]\npath = c\n"
    conf.write_text(two)
    args = ["mirror", "add", "x", "--kind", "file", "--path", "b", "--no-probe"]
    assert "must name its repository" in ferry(*args, check=2).err
    assert conf.read_text() == two
    ferry(*args, "--name", "b")
    assert conf.read_text() == two + "\n[mirror.x]\nkind = file\npath = b\nrepository = b\n"


def test_a_path_is_relative_to_where_the_command_runs(ferry, conf, work):
    (work / "sub").mkdir()
    ferry("--config", conf, "mirror", "add", "x", "--kind", "file", "--path", "b", "--no-probe",
          cwd=work / "sub")
    assert f"path = {work}/sub/b\n" in conf.read_text()


def test_on_a_terminal_add_asks_for_what_is_missing(ferry, work):
    result = answered(ferry, ["mirror", "add", "disk", "--priority", "5", "--no-probe"], [
        ("Kind (file, http, s3, r2, github, git, oci)", "ftp"),       # there is none: it is asked for again
        ("Kind (file, http, s3, r2, github, git, oci)", "file"),
        ("Folder of the mirror", ""),       # needed: it is asked for again
        ("Folder of the mirror", "disk"),
        ("Public URL of that folder (none: empty)", "https://example.org/models")])
    assert result.code == 0
    assert (work / "ferry.conf").read_text() == """[mirror.disk]
priority = 5
kind = file
path = disk
url = https://example.org/models
"""


def test_on_a_terminal_add_asks_nothing_when_nothing_is_missing(ferry, work):
    assert answered(ferry, ["mirror", "add", "disk", "--kind", "file", "--path", "disk",
                            "--no-probe"], []).code == 0
    assert (work / "ferry.conf").read_text() == "[mirror.disk]\nkind = file\npath = disk\n"


@pytest.mark.parametrize("answers", [
    [("Kind (file, http, s3, r2, github, git, oci)", END)],
    [("Kind (file, http, s3, r2, github, git, oci)", "file"), ("Folder of the mirror", END)],
    [("Kind (file, http, s3, r2, github, git, oci)", "file"), ("Folder of the mirror", "disk"),
     ("Public URL of that folder (none: empty)", END)]], ids=len)
def test_the_end_of_the_input_ends_the_questions_and_writes_nothing(ferry, work, answers):
    result = answered(ferry, ["mirror", "add", "disk"], answers)
    assert result.code == 2
    assert "the input ended before the answer" in result.err
    assert not (work / "ferry.conf").exists()


def test_a_name_that_is_taken_is_told_before_a_question(ferry, conf):
    result = answered(ferry, ["mirror", "add", "first"], [])
    assert result.code == 8 and "the mirror first already exists" in result.err


@pytest.mark.parametrize("args", [["--kind", "ftp"], ["--kind", "file", "--priority", "high"],
                                  ["--kind", "file", "--holds", "some"],
                                  ["--kind", "file", "--set", "pfad=c"]], ids=" ".join)
def test_a_fault_of_a_section_that_is_not_written_names_no_line(ferry, conf, args):
    result = ferry("mirror", "add", "x", *args, "--path", "b", "--no-probe", check=2)
    assert result.err.startswith("ferry mirror add: [mirror.x]: ")
    assert "ferry.conf:" not in result.err
    # What is wrong in the file itself has its line.
    conf.write_text(KEPT + "priority = high\n")
    result = ferry("mirror", "add", "x", "--kind", "file", "--path", "b", check=None)
    assert result.code == 0 or "ferry.conf:8:" in result.err


def test_remove_takes_out_one_section_and_nothing_on_the_mirror(ferry, conf, work, validate):
    (work / "b").mkdir()
    (work / "b/object").write_text("x")
    ferry("mirror", "add", "second", "--kind", "file", "--path", "b", "--no-probe")
    result = ferry("mirror", "remove", "second", "--json")
    validate(result.json, "output-mirror-remove")
    assert conf.read_text() == KEPT
    assert (work / "b/object").read_text() == "x"
    again = ferry("mirror", "remove", "frist", check=3)
    assert "has no mirror frist" in again.err and "did you mean 'first'?" in again.err
