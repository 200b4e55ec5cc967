"""[access.NAME] of ferry.conf, --cacert and -4, -6: mirrors that want a token, a login, a client
certificate, that have an authority of their own, or one version of IP."""

import json

import pytest

from access import TOKEN, Authority, PickyServer, secret, section, wants, with_ipv6
from publisher import object_path
from test_fetch import (TINY, client, faults, prepared, publisher, sha256,  # noqa: F401 (fixtures)
                        signed)

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority):
    return authority.pair("server")


def fetched(ferry, publisher, *options, **more):
    """`ferry fetch tiny` works, and what came is right."""
    result = ferry("fetch", "tiny", *options, **more)
    assert sha256(result.out.strip()) == sha256(object_path(publisher.tree, TINY))
    return result


# -- tokens ----------------------------------------------------------------------------------

def test_a_private_mirror_says_which_setting_would_help(ferry, publisher, client, nginx):
    server = nginx(publisher.tree, extra=wants(f"Bearer {TOKEN}"))
    client(server.url)
    result = ferry("fetch", "tiny", check=5)
    assert "HTTP 401" in result.err
    assert f"[access.NAME] with url = {server.url}/ and token-file = FILE" in result.err


def test_a_token_from_a_file_reaches_metadata_and_model(ferry, work, publisher, client, nginx):
    server = nginx(publisher.tree, extra=wants(f"Bearer {TOKEN}"))
    secret(work / "token", TOKEN)
    client(server.url, extra=section(server, token_file="token"))
    result = fetched(ferry, publisher, "-v", "-v")
    assert TOKEN not in result.err + result.out
    asked = " ".join(server.requests())
    assert "timestamp.json" in asked and TINY in asked


def test_a_token_from_the_environment_comes_before_the_file(ferry, work, publisher, client, nginx):
    server = nginx(publisher.tree, extra=wants(f"Bearer {TOKEN}"))
    secret(work / "token", "another")
    client(server.url, extra=section(server, "my-lab", token_file="token"))
    fetched(ferry, publisher, env={"FERRY_MY_LAB_TOKEN": TOKEN})


def test_a_token_that_is_refused_is_named_but_not_shown(ferry, publisher, client, nginx):
    server = nginx(publisher.tree, extra=wants("Bearer another"))
    client(server.url, extra=section(server))
    result = ferry("fetch", "--json", "tiny", env={"FERRY_LAB_TOKEN": TOKEN}, check=5)
    assert "the token of [access.lab], from FERRY_LAB_TOKEN" in result.json["error"]["hint"]
    assert TOKEN not in result.err + result.out


@pytest.mark.parametrize("mode, text, words, hint", [
    (0o644, TOKEN, "other users can read this file", "chmod 600"),
    (0o600, "", "has no token", ""),
    (0o600, f"{TOKEN}\x01", "has no token", ""),
    (None, "", "No such file", ""),
])
def test_a_token_file_that_cannot_be_used_stops_only_its_server(
        ferry, work, publisher, client, nginx, mode, text, words, hint):
    server = nginx(publisher.tree)
    if mode:
        secret(work / "token", text, mode)
    client(server.url, extra=section(server, token_file="token"))
    result = ferry("fetch", "tiny", check=2)
    assert "[access.lab]" in result.err and words in result.err and hint in result.err
    assert server.requests() == []
    client(f"file://{publisher.tree}", extra=section(server, token_file="token"))
    fetched(ferry, publisher)


def test_a_redirect_to_another_server_gets_no_token(ferry, publisher, client, fault_server):
    """Not even that of the other server: a mirror must not choose where tokens are sent."""
    store, mirror = fault_server(publisher.tree), fault_server(publisher.tree)
    mirror.add(path="targets/models/*", redirect=store.url + "/{path}")
    client(mirror.url, extra=section(mirror) + "\n" + section(store, "other"))
    fetched(ferry, publisher, env={"FERRY_LAB_TOKEN": TOKEN, "FERRY_OTHER_TOKEN": "other"})
    assert all(e["headers"]["Authorization"] == f"Bearer {TOKEN}" for e in mirror.log)
    assert store.log and not any("Authorization" in e["headers"] for e in store.log)


def test_a_mirror_of_the_same_name_elsewhere_gets_no_token(ferry, work, publisher, client,
                                                           fault_server):
    mirror, other = fault_server(publisher.tree), fault_server(publisher.tree)
    publisher.sign(lab=other.url)
    client(mirror.url, extra=section(mirror))
    fetched(ferry, publisher, "--mirror", "lab", env={"FERRY_LAB_TOKEN": TOKEN})
    assert other.log and not any("Authorization" in e["headers"] for e in other.log)


def test_the_section_with_the_longest_path_is_used(ferry, publisher, client, fault_server):
    server = fault_server(publisher.dir)
    client(f"{server.url}/repository", extra="\n".join([
        section(server, "all"),
        f"[access.lab]\nurl = {server.url}/repository",
        f"[access.near]\nurl = {server.url}/repo"]))
    fetched(ferry, publisher, env={f"FERRY_{n.upper()}_TOKEN": n for n in ("all", "lab", "near")})
    assert {e["headers"]["Authorization"] for e in server.log} == {"Bearer lab"}


def test_a_private_mirror_can_be_added(ferry, work, publisher, nginx):
    server = nginx(publisher.tree, extra=wants(f"Bearer {TOKEN}"))
    (work / "ferry.conf").write_text(section(server))
    ferry("repository", "add", "demo", server.url, "--root-sha256", publisher.root_sha256,
          env={"FERRY_LAB_TOKEN": TOKEN})
    fetched(ferry, publisher, env={"FERRY_LAB_TOKEN": TOKEN})


# -- logins ----------------------------------------------------------------------------------

def test_a_login_comes_from_netrc(ferry, work, publisher, client, nginx):
    secret(work / "users", "reader:{PLAIN}hush", 0o644)
    server = nginx(publisher.tree, extra=f'auth_basic "models"; auth_basic_user_file {work}/users;')
    client(server.url, extra=section(server, netrc="yes"))
    result = ferry("fetch", "tiny", check=5)
    assert "check user and password of the machine 127.0.0.1 in ~/.netrc" in result.err
    secret(ferry.home / ".netrc", "machine 127.0.0.1 login reader password hush")
    result = fetched(ferry, publisher, "-v")
    assert "hush" not in result.err
    client(server.url)
    (work / "store").rename(work / "moved")
    ferry("fetch", "tiny", check=5)


# -- certificates ----------------------------------------------------------------------------

def test_an_authority_of_ones_own_is_trusted_where_it_is_set(
        ferry, work, publisher, client, nginx, authority, pair):
    server = nginx(publisher.tree, tls=pair)
    client(server.url)
    result = ferry("fetch", "tiny", check=6)
    assert "an authority that this machine does not know" in result.err
    fetched(ferry, publisher, "--cacert", authority.pem)
    for extra in (f"[fetch]\nca = {authority.pem}", section(server, ca=authority.pem)):
        (work / "store").rename(work / f"store-{len(extra)}")
        client(server.url, extra=extra)
        fetched(ferry, publisher)


def test_an_authority_of_one_server_is_not_that_of_another(
        ferry, publisher, client, nginx, authority, pair):
    server, other = nginx(publisher.tree, tls=pair), nginx(publisher.tree, tls=pair)
    client(server.url, extra=section(other, ca=authority.pem))
    ferry("fetch", "tiny", check=6)


def test_the_set_authority_takes_the_place_of_others(
        ferry, publisher, client, nginx, authority, pair, tmp_path_factory):
    another = Authority(tmp_path_factory.mktemp("another"))
    server = nginx(publisher.tree, tls=pair)
    client(server.url, extra=section(server, ca=another.pem))
    ferry("fetch", "tiny", "--cacert", authority.pem, env={"SSL_CERT_FILE": authority.pem},
          check=6)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_client_certificate_opens_a_mirror(
        ferry, work, publisher, client, nginx, authority, pair, encrypted):
    cert, key = authority.pair("reader")
    server = nginx(publisher.tree, tls=pair, extra=f"ssl_client_certificate {authority.pem}; "
                                                   "ssl_verify_client on;")
    client(server.url, extra=section(server, ca=authority.pem))
    result = ferry("fetch", "tiny", check=5)
    assert "the server wants a certificate of the client" in result.err
    assert "set client-cert and client-key" in result.err
    keys = {"client_cert": cert, "client_key": key}
    if encrypted:
        keys["client_key"] = authority.encrypted(key, "hush")
        client(server.url, extra=section(server, ca=authority.pem, **keys))
        # It asks nobody for the passphrase.
        result = ferry("fetch", "tiny", check=2)
        assert "client-key-passphrase-file" in result.err
        keys["client_key_passphrase_file"] = secret(work / "passphrase", "hush")
    client(server.url, extra=section(server, ca=authority.pem, **keys))
    result = fetched(ferry, publisher, "-v")
    assert "hush" not in result.err


def test_an_alert_that_wants_a_client_certificate_is_understood(ferry, client, authority, pair):
    with PickyServer(authority, pair) as server:
        client(server.url, extra=f"[fetch]\nca = {authority.pem}")
        result = ferry("list", check=5)
    assert "the server wants a certificate of the client" in result.err


# -- versions of IP ---------------------------------------------------------------------------

def test_only_one_version_of_ip_is_used(ferry, work, publisher, client, nginx):
    url = with_ipv6(nginx, publisher.tree)
    client(url)
    ferry("fetch", "-4", "tiny", check=4)
    ferry("fetch", "tiny", "-4", "-6", check=2)
    client(url, extra="[fetch]\nip = 4")
    ferry("list", check=4)
    fetched(ferry, publisher, "-6")
    (work / "store").rename(work / "moved")
    client(url, extra=f"[fetch]\nip = 4\n[access.lab]\nurl = {url}\nip = 6")
    fetched(ferry, publisher)


# -- the configuration -------------------------------------------------------------------------

@pytest.mark.parametrize("text, words", [
    ("[access.lab]\ntoken-file = x", "[access.lab] needs 'url'"),
    ("[access]\nurl = https://x/", "the section needs a name"),
    ("[access.lab]\nurl = ftp://x/", "url: "),
    ("[access.lab]\nurl = https://u:hush@x/", "has a user name or a query"),
    ("[access.lab]\nurl = https://x/\nip = 5", "ip: must be 4 or 6"),
    ("[access.lab]\nurl = https://x/\nconnections = 0", "connections: from 1 to 64"),
    ("[access.lab]\nurl = https://x/\ntoken = hush", "unknown key 'token'"),
    ("[fetch]\nconnections = 100", "connections: from 1 to 64"),
    ("[fetch]\nmax-memory = 1M", "max-memory: at least 8MiB"),
    ("[fetch]\nip = six", "ip: must be 4 or 6"),
])
def test_a_wrong_setting_is_named(ferry, client, text, words):
    client(extra=text)
    result = ferry("list", check=2)
    assert words in result.err and "hush" not in result.err
    assert "ferry.conf" in result.err


@pytest.mark.parametrize("options, words", [
    (["--connections", "65"], "--connections: from 1 to 64"),
    (["--max-memory", "1M"], "--max-memory: at least 8MiB"),
    (["--cacert", "missing.pem"], "--cacert missing.pem: there is no such file"),
    (["--prefer-region", ""], "--prefer-region: must have 1 to 64 bytes"),
])
def test_a_wrong_value_of_an_option_is_named(ferry, client, options, words):
    assert words in ferry("fetch", "tiny", *options, check=2).err


def test_a_file_that_has_no_certificates_is_named(ferry, work, publisher, client, nginx, pair):
    (work / "empty.pem").write_text("nothing\n")
    server = nginx(publisher.tree, tls=pair)
    client(server.url)
    result = ferry("fetch", "--json", "tiny", "--cacert", "empty.pem", check=2)
    assert "--cacert" in json.dumps(result.json["error"])


# -- other commands ----------------------------------------------------------------------------

def test_verify_reads_a_private_mirror(ferry, publisher, nginx):
    server = nginx(publisher.tree, extra=wants(f"Bearer {TOKEN}"))
    publisher.sign(lab=server.url)
    with (publisher.dir / "ferry.conf").open("a") as conf:
        conf.write(section(server) + "\n")
    ferry("verify", cwd=publisher.dir, env={"FERRY_LAB_TOKEN": TOKEN})
    result = ferry("verify", cwd=publisher.dir, env={"FERRY_LAB_TOKEN": "another"}, check=None)
    assert result.code != 0 and "HTTP 401" in result.out + result.err


def test_the_program_of_run_gets_no_token(ferry, publisher, client):
    client()
    result = ferry("run", "--without-path", "tiny", "--", "env",
                   env={"FERRY_LAB_TOKEN": TOKEN, "FERRY_PLAIN": "seen"})
    assert "FERRY_PLAIN=seen" in result.out
    assert TOKEN not in result.out and "FERRY_PASSPHRASE" not in result.out
