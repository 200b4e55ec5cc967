"""Joining a repository in one line: URL#sha256=HEX, or a small file."""

import hashlib
import json
import pathlib
import shutil
import signal

import pytest

from conftest import Ferry
from publisher import Publisher
from test_endpoints import silent, states  # noqa: F401 (fixture)
from test_fetch import prepared, publisher, signed  # noqa: F401 (fixtures)
from test_mirror_contract import certificate  # noqa: F401 (fixture)
from test_repository import conf, nothing_was_written, root, trust, user  # noqa: F401 (fixtures)
from typed import END, answered
from waiting import communicate, until

pytestmark = pytest.mark.usefixtures("no_pauses")

ASKED = "Trust this repository and add it as demo? [y/N]"


def joins(publisher, url=None, digest=None):
    """The argument that the publisher gives to users."""
    return f"{url or f'file://{publisher.tree}'}#sha256={digest or publisher.root_sha256}"


def groups(digest):
    return [digest[i:i + 4] for i in range(0, 64, 4)]


@pytest.fixture
def ferry_file(publisher):
    """Writes the file that users can be given."""
    def write(path, *urls, digest=None, name="demo"):
        urls = "\n    ".join(urls or [f"file://{publisher.tree}"])
        path.write_text(f"# Models for tests\n[repository.{name}]\nmetadata = {urls}\n"
                        f"root-sha256 = {digest or publisher.root_sha256}\n")
        return path
    return write


# -- one line ------------------------------------------------------------------------------------

def test_one_argument_adds_a_repository_under_the_name_in_its_signed_catalog(user, publisher,
                                                                            nginx):
    server = nginx(publisher.tree)
    document = user("repository", "add", joins(publisher, server.url + "/"), "--json").json
    assert document["name"] == "demo" and document["metadata"] == [server.url + "/"]
    assert document["join"] == joins(publisher, server.url + "/")
    assert conf(user).read_text() == (f"[repository.demo]\nmetadata = {server.url}/\n"
                                      f"root-sha256 = {publisher.root_sha256}\n")
    assert (trust(user) / "timestamp.json").exists() and not list(user.store.glob(".adding-*"))
    assert user("list").out.startswith("tiny")
    assert pathlib.Path(user("fetch", "-q", "demo/tiny").out.strip()).exists()


def test_the_name_the_slashes_the_case_and_more_urls_are_free(user, publisher, nginx):
    server = nginx(publisher.tree)
    user("repository", "add", "mine", joins(publisher, server.url, publisher.root_sha256.upper()),
         f"file://{publisher.tree}")
    assert conf(user).read_text() == (
        f"[repository.mine]\nmetadata =\n    {server.url}\n    file://{publisher.tree}\n"
        f"root-sha256 = {publisher.root_sha256}\n")
    user("repository", "remove", "mine", "--purge")
    user("repository", "add", joins(publisher, server.url + "///"))
    user("repository", "remove", "demo", "--purge")
    user("repository", "add", joins(publisher, server.url), joins(publisher))


def test_what_is_shown_before_anything_is_trusted(user, publisher, root):
    publisher.ferry("catalog", "key", "new", "lab", "--keys", "theirs", "--unencrypted",
                    cwd=publisher.dir)
    publisher.ferry("catalog", "delegate", "lab", "--paths", "models/lab-*/*", "--key",
                    "theirs/lab.pub", cwd=publisher.dir)
    publisher.sign()
    result = answered(user, ["repository", "add", joins(publisher)], [(ASKED, "n")])
    assert result.code == 2 and "you did not confirm it" in result.err
    assert nothing_was_written(user)
    out = result.out
    assert out.startswith("demo: Models for tests, 1 model\n")
    digits = groups(publisher.root_sha256)
    assert f"  {' '.join(digits[:8])}\n  {' '.join(digits[8:])}\n" in out
    key = json.loads(root.read_text())["signed"]["roles"]["root"]["keyids"][0]
    assert f"  {key}\n" in out
    lines = [line.split() for line in out.splitlines()]
    assert "fingerprint of the first root (SHA-256 of 1.root.json):" in out
    for role in ("root", "timestamp", "snapshot", "targets"):
        [line] = [line for line in lines if line[:1] == [role] and "of" in line[:3]]
        assert line[1:5] == ["1", "of", "1", "key"]
    assert ["lab", "1", "of", "1", "key", "models/lab-*/*"] in lines
    assert f"file://{publisher.tree}" in out


@pytest.mark.parametrize("answer", ["y", "YES"])
def test_a_yes_adds_it(user, publisher, answer):
    result = answered(user, ["repository", "add", joins(publisher)], [(ASKED, answer)])
    assert result.code == 0, result.err
    assert user("list").out.startswith("tiny")


def test_an_answer_of_ctrl_d_adds_nothing(user, publisher):
    result = answered(user, ["repository", "add", joins(publisher)], [(ASKED, END)])
    assert result.code == 2 and nothing_was_written(user)


def test_nothing_is_asked_with_yes(user, publisher):
    result = answered(user, ["repository", "add", "-y", joins(publisher)], [])
    assert result.code == 0 and conf(user).exists()
    result = answered(user, ["repository", "add", "--quiet", "other", joins(publisher)],
                      [("Trust this repository and add it as other? [y/N]", "n")])
    assert "Models for tests" in result.out             # even quiet: it is asked about


# -- the file --------------------------------------------------------------------------------------

def test_a_file_adds_a_repository_but_only_with_yes(user, publisher, ferry_file):
    file = ferry_file(user.work / "lab.ferry")
    result = user("repository", "add", "lab.ferry", check=2)
    assert "its digest is only in a file, and nobody confirmed it" in result.err
    assert " ".join(groups(publisher.root_sha256)[:8]) in result.out
    assert "--yes" in result.err and nothing_was_written(user)
    user("repository", "add", "lab.ferry", "--yes")
    assert user("list").out.startswith("tiny")
    user("repository", "remove", "demo", "--purge")
    user("repository", "add", "mine", file, "--root-sha256", publisher.root_sha256)
    assert "mine" in user("repository", "list").out


def test_a_file_on_a_terminal_is_asked_about(user, publisher, ferry_file):
    ferry_file(user.work / "lab.ferry")
    result = answered(user, ["repository", "add", "lab.ferry"], [(ASKED, "y")])
    assert result.code == 0 and conf(user).exists()


def test_a_file_from_the_web_gives_no_trust_by_itself(user, work, publisher, nginx, ferry_file):
    (work / "www").mkdir()
    server, site = nginx(publisher.tree), nginx(work / "www")
    ferry_file(work / "www" / "a lab.ferry", server.url)
    url = f"{site.url}/a%20lab.ferry"
    assert "nobody confirmed it" in user("repository", "add", url, check=2).err
    assert nothing_was_written(user)
    # The digest of the root, given by the person, is what counts.
    result = user("repository", "add", f"{url}#sha256={'0' * 64}", check=6)
    assert "0" * 64 in result.err and publisher.root_sha256 in result.err
    assert nothing_was_written(user)
    user("repository", "add", f"{url}#sha256={publisher.root_sha256}")
    assert f"metadata = {server.url}\n" in conf(user).read_text()


def test_a_digest_may_stand_behind_a_path(user, publisher):
    shutil.copytree(publisher.tree, user.work / "models")
    user("repository", "add", f"models#sha256={publisher.root_sha256}")
    assert f"metadata = file://{user.work}/models\n" in conf(user).read_text()
    result = user("repository", "add", f"nothing#sha256={publisher.root_sha256}", check=2)
    assert "is neither a URL nor a folder" in result.err


def test_a_folder_beside_the_file_is_found(user, publisher):
    shutil.copytree(publisher.tree, user.work / "stick" / "models")
    (user.work / "stick" / "lab.ferry").write_text(
        f"[repository.lab]\nmetadata = models\nroot-sha256 = {publisher.root_sha256}\n")
    user("repository", "add", "stick/lab.ferry", "--yes")
    assert f"file://{user.work}/stick/models" in conf(user).read_text()


def test_a_program_can_show_what_is_in_a_file_before_it_says_yes(user, publisher, ferry_file):
    ferry_file(user.work / "lab.ferry")
    document = user("repository", "add", "lab.ferry", "--json", check=2).json
    assert document["root"]["sha256"] == publisher.root_sha256 and document["models"] == 1
    assert "nobody confirmed it" in document["error"]["message"] and nothing_was_written(user)


def test_a_file_that_was_saved_on_windows_is_read(user, publisher, ferry_file):
    file = ferry_file(user.work / "lab.ferry")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    user("repository", "add", "lab.ferry", "--yes")
    assert user("list").out.startswith("tiny")


@pytest.mark.parametrize("text,why", [
    ("<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "no file to join a repository with"),
    ("[repository.demo]\nmetadata = URL\nroot-sha256 = HEX\nkeys = /root\n", "unknown key 'keys'"),
    ("[repository.demo]\nmetadata = URL\nroot-sha256 = HEX\n[store]\nx = 1\n", "it has other sections"),
    ("[repository.demo]\nmetadata = https://u:geheim@example.org/\nroot-sha256 = HEX\n",
     "must not contain a user name or password"),
    ("# " + "x" * 70 + "\n" + "# y\n" * 5000, "larger than"),
    ("", "it names no repository"),
], ids=["page", "other-key", "other-section", "password", "large", "empty"])
def test_a_file_that_is_something_else_is_refused(user, publisher, text, why):
    (user.work / "lab.ferry").write_text(text.replace("URL", f"file://{publisher.tree}")
                                         .replace("HEX", publisher.root_sha256))
    result = user("repository", "add", "lab.ferry", "--yes", check=2)
    assert why in result.err and "geheim" not in result.err and "hint:" in result.err
    assert nothing_was_written(user)


# -- the other endpoints -----------------------------------------------------------------------------

def test_the_other_endpoints_come_from_the_signed_catalog(user, work, publisher, nginx,
                                                         fault_server):
    old, first, second = publisher.copy(work / "old"), nginx(publisher.tree), nginx(publisher.tree)
    stale, liar = nginx(old), fault_server(publisher.tree)
    liar.add(path="metadata/timestamp.json", status=200, body=b"not a timestamp")
    publisher.sign(first=first.url, second=second.url, stale=stale.url, liar=liar.url,
                   down="http://127.0.0.1:1")
    document = user("repository", "add", joins(publisher, first.url), "--json").json
    assert states(document) == {first.url: "ok", second.url: "ok", stale.url: "stale",
                                liar.url: "rejected", "http://127.0.0.1:1": "down"}
    versions = {e["url"]: e.get("version") for e in document["endpoints"]}
    assert versions[first.url] == versions[second.url] == versions[stale.url] + 1
    assert document["metadata"] == [first.url, second.url, stale.url]
    # The first one may go away, even for somebody who has only the configuration.
    first.refuse()
    shutil.rmtree(user.store)
    assert user("list").out.startswith("tiny")


def test_a_mirror_that_never_answers_is_waited_for_no_longer_than_its_deadline(
        user, publisher, nginx, silent):
    server = nginx(publisher.tree)
    publisher.sign(good=server.url, silent=silent.url)
    conf(user).parent.mkdir(parents=True)
    conf(user).write_text("[fetch]\ntimestamp-deadline = 1s\n")
    document = user("repository", "add", joins(publisher, server.url), "--json").json
    assert {u.rstrip("/"): s for u, s in states(document).items()} == {
        server.url: "ok", silent.url.rstrip("/"): "slow"}
    assert document["metadata"] == [server.url]


def test_folders_of_the_publisher_are_no_endpoints_of_others(user, publisher, nginx):
    server = nginx(publisher.tree)
    publisher.sign(web=server.url, local=f"file://{publisher.tree}")
    document = user("repository", "add", joins(publisher, server.url), "--json").json
    assert document["metadata"] == [server.url]
    user("repository", "remove", "demo", "--purge")
    document = user("repository", "add", joins(publisher), "--json").json
    assert document["metadata"] == [f"file://{publisher.tree}"]


def test_newer_metadata_of_another_mirror_is_used(user, work, publisher, prepared, nginx):
    publisher.sign(new=nginx(publisher.tree).url)
    old = nginx(publisher.copy(work / "old"))
    publisher.add(prepared("other", "4M"))
    publisher.sign()
    document = user("repository", "add", joins(publisher, old.url), "--json").json
    assert states(document)[old.url] == "stale" and document["models"] == 2


# -- what goes wrong -----------------------------------------------------------------------------------

def test_a_wrong_digest_is_shown_beside_the_right_one(user, publisher):
    result = user("repository", "add", joins(publisher, digest="1" * 64), check=6)
    assert "1" * 64 in result.err and publisher.root_sha256 in result.err
    assert nothing_was_written(user)


def test_the_digest_of_another_version_of_the_root_is_named(user, publisher):
    publisher.ferry("catalog", "renew", "root", cwd=publisher.dir)
    tree = publisher.tree / "metadata"
    digest = hashlib.sha256((tree / "2.root.json").read_bytes()).hexdigest()
    result = user("repository", "add", joins(publisher, digest=digest), check=6)
    assert digest in result.err and publisher.root_sha256 in result.err
    assert "the given one is that of 2.root.json" in result.err
    assert "trust begins with 1.root.json" in result.err and nothing_was_written(user)


@pytest.mark.parametrize("word,why", [
    ("https://models.example.org/#sha256=", "has 0 digits instead of 64: the line was cut"),
    ("https://models.example.org/#sha256=0123abc", "has 7 digits instead of 64: the line was cut"),
    ("https://models.example.org/#", "the digest behind the '#' is missing"),
    ("https://models.example.org/", "no root is given"),
    ("https://models.example.org/#root=HEX", "'root' behind the '#' is not known"),
    ("https://models.example.org/#sha256=HEX&name=x", "'name' behind the '#' is not known"),
    ("https://models.example.org/#sha256=HEX&sha256=HEX", "it has two digests"),
    ("https://models.example.org/%23sha256=HEX", "the '#' was changed to %23 on its way"),
    ("https://models.example.org/#sha256%3DHEX", "has percent escapes"),
    ("https://u:geheim@models.example.org/#sha256=HEX", "must not contain a user name or password"),
    ("https://u:geheim@models.example.org/lab.ferry", "must not contain a user name or password"),
    ("https://models.example.org/?x=1#sha256=HEX", "must not have a query"),
    ("ftp://models.example.org/#sha256=HEX", "http"),
    ("models.example.org#sha256=HEX", "is neither a URL nor a folder"),
    ("https://[::1/#sha256=HEX", "Bad IPv6 address"),
])
def test_a_line_that_was_damaged_on_its_way_is_refused(user, word, why):
    result = user("repository", "add", word.replace("HEX", "a" * 64), check=2)
    assert why in result.err and "geheim" not in result.err
    assert nothing_was_written(user)


def test_two_digests_are_refused(user, publisher):
    a, b = joins(publisher), joins(publisher, digest="2" * 64)
    for args in ([a, b], [a, "--root-sha256", "2" * 64]):
        result = user("repository", "add", *args, check=6)
        assert "2" * 64 in result.err and publisher.root_sha256 in result.err
        assert nothing_was_written(user)


def test_a_digest_and_a_root_file_must_be_of_one_root(user, publisher, root):
    result = user("repository", "add", joins(publisher, digest="3" * 64), "--root", root, check=6)
    assert "3" * 64 in result.err and publisher.root_sha256 in result.err
    user("repository", "add", joins(publisher), "--root", root)
    assert "root = demo.root.json" in conf(user).read_text()


def test_a_name_that_is_taken_is_refused_and_another_can_be_given(user, work, publisher):
    other = Publisher(Ferry(work), work, "other")
    user("repository", "add", "demo", joins(other))
    before = conf(user).read_text()
    result = user("repository", "add", joins(publisher), check=8)
    assert "the repository demo already exists" in result.err
    assert "ferry repository add NAME URL" in result.err and conf(user).read_text() == before
    user("repository", "add", "mine", joins(publisher))
    # Adding it once more says that it is there.
    result = user("repository", "add", "mine", joins(publisher), check=8)
    assert "it is the same one" in result.err


def test_a_repository_that_has_another_name_here_is_not_added_twice(user, publisher):
    user("repository", "add", "mine", joins(publisher))
    result = user("repository", "add", joins(publisher), check=8)
    assert "already has this repository, under the name mine" in result.err
    # With a name it is meant; then models are ambiguous, so it is said.
    result = user("repository", "add", "again", joins(publisher))
    assert "mine is the same repository" in result.err
    assert not list(user.store.glob(".adding-*"))


def test_nobody_answers(user, publisher, nginx):
    server = nginx(publisher.tree)
    server.refuse()
    result = user("repository", "add", joins(publisher, server.url), check=4)
    assert server.url.removeprefix("http://") in result.err and nothing_was_written(user)


@pytest.mark.parametrize("how", ["page", "redirect"])
def test_a_simulated_login_page_in_place_of_the_root_is_named(user, publisher, fault_server, work,
                                                             how):
    portal, server = fault_server(work), fault_server(publisher.tree)
    portal.add(html=True)
    if how == "page":
        server.add(html=True)
    else:
        server.add(redirect=f"{portal.url}/login?next={{path}}")
    for word in (server.url + "/", server.url + "/lab.ferry"):
        result = user("repository", "add", joins(publisher, word), check=None)
        assert result.code in (4, 6), result.err
        assert "web page" in result.err or "HTML page" in result.err
        assert nothing_was_written(user)


def test_expired_metadata_is_refused(user, work):
    p = Publisher(Ferry(work), work, expires={"timestamp": "1h"})
    result = user("repository", "add", joins(p), check=6, at="+2 hours")
    assert "has expired at" in result.err and nothing_was_written(user)


def test_what_was_seen_under_the_name_decides(user, work, publisher):
    """A rollback is noticed although the name comes from the catalog."""
    user("repository", "add", joins(publisher))
    user("repository", "remove", "demo")
    old = publisher.copy(work / "old")
    publisher.ferry("catalog", "refresh", "-q", cwd=publisher.dir)
    user("repository", "add", joins(publisher))
    user("repository", "remove", "demo")
    result = user("repository", "add", joins(publisher, f"file://{old}"), check=6)
    assert "rollback of timestamp" in result.err


@pytest.mark.parametrize("where", ["metadata/1.root.json", "metadata/timestamp.json",
                                   "targets/*.repository.json"])
def test_ctrl_c_in_the_middle_leaves_nothing(user, publisher, fault_server, where):
    server = fault_server(publisher.tree)
    held = server.add(path=where, hold_after=0)
    process = user.start("repository", "add", joins(publisher, server.url))
    until(lambda: held.hits, process)
    process.send_signal(signal.SIGINT)
    communicate(process)
    held.release()
    assert process.returncode == -signal.SIGINT and nothing_was_written(user)
    assert not list((user.store / "trust").glob("*"))


def test_ctrl_c_at_the_question_leaves_nothing(user, publisher):
    result = answered(user, ["repository", "add", joins(publisher)], [(ASKED, "\x03")])
    assert result.code == -signal.SIGINT and nothing_was_written(user)


def test_http_to_another_machine_is_warned_about(user, publisher, nginx):
    server = nginx(publisher.tree)
    assert "not encrypted" not in user("repository", "add", joins(publisher, server.url)).err
    result = user("repository", "add", joins(publisher, "http://models.invalid/"), check=4)
    assert "http://models.invalid/ is not encrypted" in result.err


def test_a_host_with_an_ipv6_address(user, publisher, nginx):
    server = nginx(publisher.tree)
    url = f"http://[::1]:{server.port}/"
    result = user("repository", "add", joins(publisher, url), check=4)
    assert f"[::1]:{server.port}" in result.err or "::1" in result.err
    assert "not encrypted" not in result.err


# -- status ----------------------------------------------------------------------------------------

def test_status_shows_the_fingerprint_the_line_and_the_mirrors_of_the_catalog(user, publisher,
                                                                             nginx):
    first, second = nginx(publisher.tree), nginx(publisher.tree)
    publisher.sign(first=first.url, second=second.url)
    user("repository", "add", joins(publisher, second.url))
    text = user("repository", "status").out
    assert " ".join(groups(publisher.root_sha256)[:8]) in text
    assert f"{first.url} " in text and f"{second.url} " in text
    [status] = user("repository", "status", "--json").json["repositories"]
    assert status["root"]["sha256"] == publisher.root_sha256
    assert status["root"]["fingerprint"] == " ".join(groups(publisher.root_sha256))
    assert states(status) == {first.url: "ok", second.url: "ok"}
    # The line works for others.
    assert f"ferry repository add '{status['join']}'" in text
    conf(user).unlink()
    shutil.rmtree(user.store)
    user("repository", "add", status["join"])
    assert user("list").out.startswith("tiny")


def test_status_gives_no_line_when_trust_began_with_a_later_root(user, publisher):
    publisher.ferry("catalog", "renew", "root", cwd=publisher.dir)
    user("repository", "add", "demo", publisher.tree, "--root",
         publisher.tree / "metadata" / "2.root.json")
    [status] = user("repository", "status", "--json").json["repositories"]
    assert "join" not in status and status["root"]["version"] == 2
    assert "the root with which trust began" in user("repository", "status").out


def test_the_line_stays_that_of_the_first_root(user, publisher, root):
    publisher.ferry("catalog", "renew", "root", cwd=publisher.dir)
    document = user("repository", "add", "demo", publisher.tree, "--root", root, "--json").json
    assert document["join"] == joins(publisher) and document["root"]["version"] == 2
    [status] = user("repository", "status", "--json").json["repositories"]
    assert status["join"] == joins(publisher)


def test_status_gives_a_line_without_the_password_of_the_configuration(user, publisher, nginx):
    server = nginx(publisher.tree)
    conf(user).parent.mkdir(parents=True)
    conf(user).write_text(f"[repository.demo]\nroot-sha256 = {publisher.root_sha256}\nmetadata = "
                          f"http://u:geheim@127.0.0.1:{server.port}/\n")
    result = user("repository", "status")
    assert f"'http://127.0.0.1:{server.port}/#sha256=" in result.out
    assert "geheim" not in result.out + result.err


# -- the publisher -----------------------------------------------------------------------------------

@pytest.fixture
def shop(ferry, work):
    """A publisher's folder with this ferry.conf."""
    def make(*mirrors):
        folder = work / "shop"
        folder.mkdir()
        lines = ["[repository.demo]", "path = tree", "keys = ../keys", "title = Models for tests"]
        for i, url in enumerate(mirrors):
            (work / f"mirror{i}").mkdir()
            lines += [f"[mirror.m{i}]", "kind = file", f"path = {work}/mirror{i}", f"url = {url}"]
        (folder / "ferry.conf").write_text("\n".join(lines) + "\n")
        made = Ferry(work)
        made.work = folder
        made.validates = True
        return made
    return make


def test_init_prints_the_line_with_the_url_that_most_can_reach(shop):
    desk = shop("http://b.example.org/m", "https://a.example.org/m")
    text = desk("catalog", "init", "--unencrypted").out
    digest = hashlib.sha256((desk.work / "tree/metadata/1.root.json").read_bytes()).hexdigest()
    line = f"ferry repository add 'https://a.example.org/m/#sha256={digest}'\n"
    assert f"over a channel that they trust:\n\n  {line}" in text
    assert " ".join(groups(digest)[8:]) in text
    made = desk("catalog", "invite", "--json").json
    assert made["client_command"][-1] == made["join"] == f"https://a.example.org/m/#sha256={digest}"
    assert made["public"] and made["root"]["sha256"] == digest
    assert made["client_configuration"] == (
        "[repository.demo]\nmetadata =\n    http://b.example.org/m\n    https://a.example.org/m\n"
        f"root-sha256 = {digest}\n")
    assert desk("catalog", "invite").out.endswith(text.partition("over a channel")[2])


def test_without_a_public_url_init_says_what_to_set(shop):
    desk = shop()
    text = desk("catalog", "init", "--unencrypted").out
    assert "Set `url` of a mirror" in text and "`ferry catalog invite` prints the line" in text
    assert f"'file://{desk.work}/tree#sha256=" in text
    assert not desk("catalog", "invite", "--json").json["public"]
    assert "no mirror in ferry.conf has a URL" in desk("catalog", "invite", "-o", "x.ferry",
                                                      check=2).err


def test_the_file_that_invite_writes_adds_the_repository(user, work, shop, nginx):
    (work / "mirror0").mkdir()
    server = nginx(work / "mirror0")
    (work / "mirror0").rmdir()
    desk = shop(server.url)
    desk("catalog", "init", "--unencrypted")
    desk("push")
    desk("catalog", "invite", "-o", "demo.ferry")
    document = user("repository", "add", desk.work / "demo.ferry", "--yes", "--json").json
    assert document["metadata"] == [server.url] and document["title"] == "Models for tests"
    # It may be written again, but nothing else is overwritten.
    desk("catalog", "invite", "-o", "demo.ferry")
    (desk.work / "notes.ferry").write_text("my notes\n")
    assert "is something else" in desk("catalog", "invite", "-o", "notes.ferry", check=8).err
    assert "does not end with .ferry" in desk("catalog", "invite", "-o", "demo.txt", check=2).err


def test_a_file_to_join_with_on_a_mirror_is_left_alone(work, shop):
    desk = shop("https://a.example.org/", "https://b.example.org/")
    desk("catalog", "init", "--unencrypted")
    desk("push")
    file = work / "mirror0" / "demo.ferry"
    desk("catalog", "invite", "-o", file)
    before = file.read_bytes()
    desk("catalog", "refresh")
    desk("push", "--prune")
    desk("sync", "m0", "m1")
    desk("verify", "--full")
    assert file.read_bytes() == before and not (work / "mirror1" / "demo.ferry").exists()


def test_invite_without_a_configuration_says_where_to_run_it(shop, work):
    desk = shop()
    desk("catalog", "init", "--unencrypted")
    tree = desk.work / "tree"
    (work / "empty").mkdir()
    result = desk("catalog", "invite", "--repository", tree, cwd=work / "empty", check=2)
    assert "no ferry.conf names the repository" in result.err
