"""Mirrors of kind git: over ssh, over https, and on this machine; what readers see meanwhile, and
what is said when it cannot be."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import BIN, TOOLS, Ferry
from git_servers import certificate, git, host, new_key, sshd, web  # noqa: F401
from kills import Moments
from proxies import Tinyproxy
from published import Publisher, mirror, publisher, signed_base  # noqa: F401
from servers import free_port
from waiting import PATIENCE, communicate, until

FILES = ["catalog.json", "catalog.json.minisig", "metadata/1.root.json",
         "metadata/2.snapshot.json", "metadata/2.targets.json", "metadata/timestamp.json",
         "targets/catalog.json", "targets/index.jsonl.zst", "targets/repository.json"]


def files(host, **options):
    """Without the digests in the names of the documents."""
    return sorted(re.sub(r"[0-9a-f]{64}\.", "", f) for f in host.files(**options))


def section(name="meta", **options):
    return mirror(name, kind="git", **options)


@pytest.fixture
def push(publisher, host):
    """push(remote=…, …) pushes to a folder and to that mirror, and gives the latter's part of
    what is said."""
    def run(*args, env=None, check=0, **options):
        options.setdefault("remote", host.path("models"))
        publisher.configure(mirror("a"), section(**options))
        result = publisher("push", "--json", *args, env=env, check=check)
        return next(m for m in result.json["mirrors"] if m["id"] == "meta")
    return run


def refused(part, *texts):
    said = json.dumps(part, ensure_ascii=False)
    for text in texts:
        assert text in said, said
    return said


# -- the normal course ------------------------------------------------------------------


def test_a_release_is_one_commit_and_a_second_push_is_none(push, host):
    assert push(author="Publisher <p@example.org>")["outcome"] == "done"
    assert files(host) == FILES
    assert host.at("log", "-1", "--format=%an <%ae>|%s", "main") == \
        "Publisher <p@example.org>|Test models: release 2"
    assert push(author="Publisher <p@example.org>")["outcome"] == "up-to-date"
    assert len(host.commits()) == 1


def test_the_next_release_changes_only_what_is_new(publisher, push, host):
    push()
    publisher.add_model("second", "1M", seed=2)
    assert push()["outcome"] == "done"
    assert len(host.commits()) == 2
    changed = host.at("diff", "--name-only", "main~1", "main").split()
    assert "metadata/1.root.json" not in changed and "metadata/timestamp.json" in changed
    publisher("verify", "--full")


def test_what_others_have_in_the_repository_stays(publisher, push, host, work):
    push(prefix="models/", branch="pages")
    at = host.somebody(work, "pages")
    (at / "README.md").write_text("Our models\n")
    git("add", ".", cwd=at)
    git("commit", "-qm", "README", cwd=at)
    git("push", "-q", cwd=at)
    publisher.add_model("second", "1M", seed=2)
    assert push(prefix="models/", branch="pages")["outcome"] == "done"
    assert host.show("README.md", "pages") == "Our models"
    assert host.files("pages")[0] == "README.md"
    assert "models/metadata/timestamp.json" in host.files("pages")


@pytest.fixture
def readers(publisher, host, nginx, work):
    """A release in a branch, which is served as raw files, and its objects elsewhere. Gives the
    two URLs and the two servers."""
    raw = work / "raw"
    (raw / "models").mkdir(parents=True)
    site, bulk = nginx(raw), nginx(work / "mirrors")
    publisher.configure(
        section(remote=host.path("models"), url=f"{site.url}/models/main", priority=1),
        mirror("objects", url=f"{bulk.url}/objects"))
    publisher("catalog", "sign")
    publisher("push")
    host.check_out(raw / "models/main")
    return f"{site.url}/models/main", f"{bulk.url}/objects", site, bulk


def test_a_branch_as_raw_files_simulated_is_where_metadata_come_from(readers, work, ferry,
                                                                     publisher):
    branch, objects, site, bulk = readers
    shutil.rmtree(work / "mirrors/objects/metadata")
    ferry("repository", "add", "demo", branch, objects, "--root",
          publisher.tree / "metadata/1.root.json")
    ferry("fetch", "demo/tiny")
    assert any("/metadata/timestamp.json" in line and " 200 " in line for line in site.requests())
    assert any(".gguf" in line for line in bulk.requests())


def test_clients_find_the_branch_in_the_catalog(readers, host, work, ferry, publisher):
    branch, objects, site, bulk = readers
    [entry] = [m for m in json.loads(host.show("catalog.json"))["mirrors"] if m["id"] == "meta"]
    assert (entry["kind"], entry["holds"], entry["url"]) == ("git", "metadata", branch)
    ferry("repository", "add", "demo", objects, "--root", publisher.tree / "metadata/1.root.json")
    before = len(site.requests())
    shutil.rmtree(work / "mirrors/objects/metadata")
    result = ferry("list")
    assert "tiny" in result.out and "could not be refreshed" not in result.err
    assert any("/metadata/timestamp.json" in line for line in site.requests()[before:])


def test_of_a_repository_on_github_the_url_for_readers_is_known(publisher, host):
    publisher.configure(section(remote="git@github.com:octo/models.git", prefix="v1"))
    publisher("catalog", "sign")
    publisher("push", env={"FERRY_ENDPOINT_META": host.path("models")})
    [entry] = json.loads(host.show("v1/catalog.json"))["mirrors"]
    assert entry["url"] == "https://raw.githubusercontent.com/octo/models/main/v1"


def test_client_programs_do_not_link_libgit2():
    for name in ("fetch", "list", "search", "show", "store", "run", "repository"):
        linked = subprocess.run(["ldd", BIN / f"ferry-{name}"], capture_output=True, text=True,
                                check=True).stdout
        assert "libgit2" not in linked, name
    linked = subprocess.run(["ldd", BIN / "ferry-push"], capture_output=True, text=True,
                            check=True).stdout
    assert "libgit2" in linked


# -- ssh --------------------------------------------------------------------------------


def test_ssh_with_a_key_and_known_hosts(push, host, sshd):
    assert push(**sshd.options())["outcome"] == "done"
    assert files(host) == FILES
    assert push(**sshd.options())["outcome"] == "up-to-date"


def test_ssh_with_a_key_in_the_agent(push, host, sshd, work):
    agent = subprocess.run(["ssh-agent", "-s", "-a", work / "agent"], capture_output=True,
                           text=True, check=True).stdout
    pid = int(agent.split("SSH_AGENT_PID=")[1].split(";")[0])
    env = {"SSH_AUTH_SOCK": str(work / "agent")}
    try:
        subprocess.run(["ssh-add", "-q", sshd.key], env={**os.environ, **env}, check=True)
        options = sshd.options()
        del options["ssh-key"]
        assert push(env=env, **options)["outcome"] == "done"
    finally:
        os.kill(pid, signal.SIGTERM)
    assert files(host) == FILES


def test_ssh_to_a_host_that_is_not_known(push, host, sshd):
    sshd.known_hosts.write_text("")
    refused(push(check=6, **sshd.options()), "Host key verification failed", "ssh-keyscan -p",
            str(sshd.known_hosts), "fingerprints")
    assert host.commits() == []


def test_ssh_to_a_host_with_another_key(push, host, sshd, work):
    new_key(work / "other")
    sshd.known_hosts.write_text(sshd.known_line().replace(
        sshd.known_line().split()[2], (work / "other.pub").read_text().split()[1]))
    refused(push(check=6, **sshd.options()), "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "compare with the fingerprints")
    assert host.commits() == []


def test_ssh_with_a_key_that_the_host_does_not_know(push, host, sshd, work):
    sshd.allow()
    refused(push(check=5, **sshd.options()), "Permission denied (publickey)", "ssh-key")
    assert host.commits() == []


def test_ssh_to_a_host_that_is_down(push, sshd, no_pauses):
    sshd.stop()
    refused(push(check=4, **sshd.options()), "Connection refused")


# -- https ------------------------------------------------------------------------------


@pytest.fixture
def tinyproxy(work):
    with Tinyproxy(work) as proxy:
        yield proxy


def https(server, token="token", **more):
    return {"SSL_CERT_FILE": server.tls[0], "FERRY_META_TOKEN": token, **more}


def test_https_with_a_token(push, host, web):
    server = web(private=True)
    assert push(remote=server.remote(), env=https(server))["outcome"] == "done"
    assert files(host) == FILES
    assert push(remote=server.remote(), env=https(server))["outcome"] == "up-to-date"


def test_https_with_netrc(push, host, web, ferry):
    server = web(private=True)
    netrc = ferry.home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login x-access-token password token\n")
    netrc.chmod(0o600)
    env = {"CURL_CA_BUNDLE": server.tls[0]}
    assert push(remote=server.remote(), env=env)["outcome"] == "done"
    assert files(host) == FILES


def test_https_without_the_authority(push, host, web):
    server = web()
    refused(push(remote=server.remote(), env={"FERRY_META_TOKEN": "token"}, check=6),
            "certificate")
    assert host.commits() == []


def test_https_without_a_token(push, host, web):
    server = web()
    refused(push(remote=server.remote(), env={"SSL_CERT_FILE": server.tls[0]}, check=5),
            "HTTP 401", "FERRY_META_TOKEN", "~/.netrc")
    assert host.commits() == []


def test_https_with_a_token_that_was_revoked(push, host, web):
    server = web()
    server.allow("another")
    said = refused(push(remote=server.remote(), env=https(server, "s3cr3t"), check=5),
                   "the token in FERRY_META_TOKEN was refused")
    assert "s3cr3t" not in said
    assert host.commits() == []


def test_a_token_that_is_revoked_before_the_push_itself(push, host, web):
    """The questions before are answered; only the push is refused."""
    server = web()
    server.allow("token", push=())
    part = push(remote=server.remote(), env=https(server), check=5)
    refused(part, "the token in FERRY_META_TOKEN was refused")
    assert any("POST" in line and " 401 " in line for line in server.requests())
    assert host.commits() == []
    server.allow("token")
    assert push(remote=server.remote(), env=https(server))["outcome"] == "done"


def test_tokens_of_github_are_for_github_alone(push, host, web):
    server = web()
    env = {"SSL_CERT_FILE": server.tls[0], "GH_TOKEN": "token", "GITHUB_TOKEN": "token"}
    refused(push(remote=server.remote(), env=env, check=5), "HTTP 401")
    assert host.commits() == []


def test_a_token_is_not_sent_without_tls(push):
    refused(push(remote="http://git.example/models.git", env={"FERRY_META_TOKEN": "s3cr3t"},
                 check=2), "without TLS")


def test_a_repository_that_was_renamed(push, host, web):
    host.create("new-name")
    server = web(extra="rewrite ^/git/models.git/(.*)$ /git/new-name.git/$1 permanent;")
    refused(push(remote=server.remote(), env=https(server), check=2), "has moved to",
            server.remote("new-name"), "set remote =")
    assert host.commits(name="new-name") == []
    part = push(remote=server.remote("new-name"), env=https(server))
    assert part["outcome"] == "done"


def test_a_token_does_not_follow_a_redirect_to_another_host(push, web, fault_server, work):
    other = fault_server(work)
    server = web(extra=f"return 302 {other.url}$request_uri;", )
    refused(push(remote=server.remote(), env=https(server), check=6), "from https to http")
    assert other.log == []


def test_an_address_that_is_no_repository(push, nginx, work):
    (work / "site").mkdir()
    server = nginx(work / "site", extra='location / { return 200 "hello"; }')
    refused(push(remote=f"{server.url}/models", check=3), "no git repository", "git clone")
    refused(push(remote=f"{nginx(work / 'site').url}/models", check=3), "HTTP 404",
            "create the repository")


def test_https_through_a_proxy(push, host, web, tinyproxy):
    server = web(private=True)
    env = https(server, https_proxy=tinyproxy.url, no_proxy="")
    assert push(remote=server.remote(), env=env)["outcome"] == "done"
    assert host.files()[0] == "catalog.json"
    assert f"127.0.0.1:{server.nginx.port}" in tinyproxy.log


def test_a_host_that_cannot_be_reached(push, no_pauses):
    refused(push(remote=f"https://127.0.0.1:{free_port()}/models.git", check=4), "connect")


# -- other publishers -------------------------------------------------------------------


def test_two_publishers_race_and_one_of_them_loses(publisher, host, work):
    """A hook holds up the push that comes first, until the second one has arrived."""
    publisher.configure(section(remote=host.path("models")))
    publisher("push")
    (work / "other").mkdir()
    other = Publisher(Ferry(work / "other"))
    for name in ("repository", "keys"):
        shutil.copytree(work / name, other.dir / name)
    other.configure(section(remote=host.path("models")))
    publisher.add_model("ours", "1M", seed=2)
    other.add_model("theirs", "1M", seed=3)
    began, gate = work / "began", work / "gate"
    os.mkfifo(gate)
    host.hook(f"mkdir {began} || exit 0\nread line < {gate}\n")
    first = publisher.ferry.start("push")
    until(began.exists, first)
    other("push")
    tip = host.commits()[0]
    gate.write_text("go\n")
    out, err = communicate(first)
    assert first.returncode == 8, out + err
    assert "another publisher has changed" in err
    assert host.commits()[0] == tip and "theirs" in host.show("catalog.json")
    assert len(host.commits()) == 2


def test_a_push_that_is_overtaken_by_another_program_is_repeated(publisher, host, work):
    publisher.configure(section(remote=host.path("models")))
    publisher("push")
    publisher.add_model("second", "1M", seed=2)
    at = host.somebody(work)
    (at / "README.md").write_text("Our models\n")
    git("add", ".", cwd=at)
    git("commit", "-qm", "README", cwd=at)
    began, gate = work / "began", work / "gate"
    os.mkfifo(gate)
    host.hook(f"mkdir {began} || exit 0\nread line < {gate}\n")
    process = publisher.ferry.start("push")
    until(began.exists, process)
    git("push", "-q", cwd=at)
    gate.write_text("go\n")
    out, err = communicate(process)
    assert process.returncode == 0, out + err
    assert "README.md" in host.files() and "second" in host.show("catalog.json")
    assert host.at("log", "--format=%s", "main").split("\n") == [
        "Test models: release 3", "README", "Test models: release 2"]


def test_a_branch_that_was_rewritten(publisher, push, host, validate):
    push()
    publisher.add_model("second", "1M", seed=2)
    push()
    host.at("update-ref", "refs/heads/main", "main~1")
    tip = host.commits()[0]
    publisher.add_model("third", "1M", seed=3)
    refused(push(check=8), "the branch main was rewritten", "ferry mirror setup --mirror meta")
    assert host.commits()[0] == tip
    result = publisher("mirror", "setup", "--mirror", "meta", "--dry-run")
    assert "go on from what it has now" in result.out
    publisher("mirror", "setup", "--mirror", "meta")
    assert push()["outcome"] == "done"
    assert len(host.commits()) == 2


# -- pruning ----------------------------------------------------------------------------


@pytest.fixture
def old_release(publisher, push, host):
    """A release that was replaced 61 days ago; later() runs a command now."""
    push(prefix="models")
    publisher.add_model("second", "1M", seed=2)
    push(prefix="models")
    publisher.later = lambda *args, check=0: publisher(*args, at="+61 days", check=check)
    publisher.later("catalog", "refresh")
    return publisher


def test_old_files_are_removed_with_one_commit(old_release, host):
    assert "models/metadata/2.snapshot.json" in host.files()
    result = old_release.later("push", "--prune", "--json")
    [pruned] = [m for m in result.json["pruned"] if m["mirror"] == "meta"]
    gone = {i["key"] for i in pruned["items"] if i["removed"]}
    assert "metadata/2.snapshot.json" in gone
    assert not {f"models/{key}" for key in gone} & set(host.files())
    assert "models/metadata/1.root.json" in host.files()
    assert host.at("log", "--format=%s", "-2", "main").split("\n") == [
        "pruned: release 4", "Test models: release 4"]
    old_release.later("verify", "--full")
    again = old_release.later("push", "--prune", "--json")
    assert all(not m["items"] for m in again.json["pruned"])
    assert len(host.commits()) == 4


def test_a_host_that_refuses_to_prune_keeps_everything(old_release, host):
    old_release.later("push")
    before = host.files()
    host.hook("echo 'not on a Saturday' >&2\nexit 1\n")
    result = old_release.later("push", "--prune", "--json", check=5)
    [pruned] = [m for m in result.json["pruned"] if m["mirror"] == "meta"]
    assert "not on a Saturday" in pruned["error"]["message"]
    assert pruned["items"] and not any(i["removed"] for i in pruned["items"])
    assert host.files() == before


# -- hosts that refuse ------------------------------------------------------------------


def test_a_rule_of_the_host_is_quoted(push, host, sshd):
    hook = host.hook("echo 'GH006: Protected branch update failed for main.' >&2\nexit 1\n")
    refused(push(check=5, **sshd.options()), "the server refused the push to the branch main",
            "pre-receive hook declined", "GH006: Protected branch update failed for main.")
    assert host.commits() == []
    hook.unlink()
    assert push(**sshd.options())["outcome"] == "done"


def test_a_file_that_is_too_large_is_named_before_the_push(push, host):
    part = push(check=2, **{"max-object": "1600"})
    refused(part, "catalog.json has", "more than the mirror's limit of 1.6 KiB", "raise max-object")
    assert host.commits() == []


# -- interruptions ----------------------------------------------------------------------


def test_a_push_that_is_killed_at_any_moment_is_finished_by_the_next(publisher, host, work):
    publisher.configure(section(remote=host.path("models")))

    def start_over():
        shutil.rmtree(host.path("models"), ignore_errors=True)
        host.create()
        shutil.rmtree(publisher.ferry.home / ".local", ignore_errors=True)

    def run(env):
        start_over()
        publisher("push", env=env)

    for env in Moments(work, run).some(8):
        start_over()
        publisher("push", check=None, env=env)
        assert files(host) in ([""], FILES)        # all of it, or nothing
        publisher("push")
        assert files(host) == FILES
        publisher("verify", "--full")
        assert len(host.commits()) == 1


def test_a_push_is_interrupted_while_the_host_works_on_it(publisher, host, work, sshd):
    publisher.configure(section(**sshd.options()))
    began, gate = work / "began", work / "gate"
    os.mkfifo(gate)
    hook = host.hook(f"touch {began}\nread line < {gate}\nexit 1\n")
    process = publisher.ferry.start("push", start_new_session=True)
    until(began.exists, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == -signal.SIGINT
    process.communicate()
    gate.write_text("go\n")
    assert host.commits() == []
    hook.unlink()
    publisher("push")
    assert files(host) == FILES


# -- looking ----------------------------------------------------------------------------


def test_probe_and_setup_tell_what_is_there(publisher, host, validate):
    publisher.configure(section(remote=host.path("models")))
    probe = publisher("mirror", "probe", "--json").json["mirrors"][0]
    said = {f["what"]: f["text"] for f in probe["findings"]}
    assert said["branch"] == "main, made by the first push"
    assert said["permission"] == "may push"
    assert said["repository"] == str(host.path("models"))
    assert host.commits() == []
    publisher("push")
    publisher("mirror", "setup")
    assert "main" in publisher("mirror", "probe").out
    assert len(host.commits()) == 1


def test_mirror_add_takes_a_git_remote(publisher, host):
    publisher.configure(mirror("a"))
    publisher("mirror", "add", "meta", "--kind", "git", "--url", "https://raw.example/m/main",
              "--set", f"remote={host.path('models')}", "--set", "branch=main")
    assert "meta" in publisher("mirror", "list").out
    publisher("push")
    assert files(host) == FILES


@pytest.mark.parametrize("options, text", [
    ({}, "needs 'remote'"),
    ({"remote": "relative/path"}, "neither a URL nor an absolute path"),
    ({"remote": "https://me:s3cr3t@h/r.git"}, "has a password"),
    ({"remote": "ext::sh -c x"}, "is not valid"),
    ({"remote": "/r.git", "branch": "a..b"}, "not a valid name of a branch"),
    ({"remote": "/r.git", "prefix": "../x"}, "not a valid prefix"),
    ({"remote": "/r.git", "author": "me"}, "must be NAME <EMAIL>"),
    ({"remote": "/r.git", "holds": "all"}, "holds only metadata"),
    ({"remote": "/r.git", "brunch": "x"}, "did you mean 'branch'?"),
])
def test_bad_sections_are_refused(publisher, options, text):
    publisher.configure(mirror("a"), section(**options))
    result = publisher("push", "--mirror", "meta", check=2)
    assert text in result.err, result.err
    assert "s3cr3t" not in result.err


# -- the contract -----------------------------------------------------------------------


def test_the_contract_over_https(ferry, host, work, web):
    server = web(private=True)
    (work / "ferry.conf").write_text(section(prefix="a folder/in it", remote=server.remote()))
    done = subprocess.run([str(TOOLS / "mirror-contract"), work / "ferry.conf", "meta"],
                          env=ferry.environment(https(server)), capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 25 and all(line.startswith("ok ") for line in lines)
