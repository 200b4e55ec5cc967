"""Files that an editor or PowerShell of Windows saved: a byte order mark, UTF-16, CR LF. What people
write is read; what is signed is refused, by name."""

import http.server
import json
import threading

import pytest
from publisher import Publisher


def marked(text):
    return text.replace("\n", "\r\n").encode("utf-8-sig")


def utf16(text):
    return text.replace("\n", "\r\n").encode("utf-16")


@pytest.fixture(params=[marked, utf16], ids=["mark", "utf-16"])
def saved(request):
    """Saves a text file again as Windows does."""
    def save(path, text=None):
        path.write_bytes(request.param(path.read_text() if text is None else text))
        return path
    return save


def test_a_ferry_conf_is_read_and_written_as_utf_8(ferry, work, saved):
    conf = saved(work / "ferry.conf", "[mirror.first]\nkind = file\npath = \u00e4\n")
    assert ferry("mirror", "list", "--json").json["mirrors"][0]["id"] == "first"
    ferry("mirror", "add", "second", "--kind", "file", "--path", "b", "--no-probe")
    ferry("mirror", "remove", "first")
    assert conf.read_bytes().decode("utf-8").split() == [
        "[mirror.second]", "kind", "=", "file", "path", "=", "b"]


def test_a_line_that_is_wrong_is_named_by_its_number(ferry, work, saved):
    saved(work / "ferry.conf", "# ours\n[mirror.first\n")
    assert "ferry.conf:2: " in ferry("mirror", "list", check=2).err


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "utf-32"])
def test_a_ferry_conf_in_another_encoding_is_to_be_saved_as_utf_8(ferry, work, encoding):
    (work / "ferry.conf").write_bytes("[mirror.a]\npath = \u00fc\n".encode(encoding))
    result = ferry("mirror", "list", check=2)
    assert "is not UTF-8 text" in result.err and "save the file as UTF-8" in result.err


def test_keys_and_a_passphrase_are_read(ferry, work, saved):
    publisher = Publisher(ferry, work)
    keys = publisher.dir / "keys"
    saved(work / "pass", "a new one\n")
    ferry("catalog", "key", "passphrase", "timestamp", "--new-passphrase-file", work / "pass",
          cwd=publisher.dir)
    for path in [*keys.glob("timestamp*")]:
        saved(path)
    ferry("catalog", "refresh", "--passphrase-file", work / "pass", cwd=publisher.dir)
    (work / "plain").write_text("a new one")
    ferry("catalog", "refresh", "--passphrase-file", work / "plain", cwd=publisher.dir)


def test_the_public_key_of_a_delegation_is_read(ferry, work, saved):
    publisher = Publisher(ferry, work)
    ferry("catalog", "key", "new", "other", "--unencrypted", "-q", "--keys", work / "theirs")
    key = saved(work / "theirs" / "other.pub")
    made = ferry("catalog", "delegate", "other", "--paths", "models/other-*/*", "--key", key,
                 "--json", cwd=publisher.dir)
    assert made.json["role"] == "other"


def test_a_root_in_another_encoding_is_refused_and_the_encoding_named(ferry, work, saved):
    publisher = Publisher(ferry, work)
    root = saved(work / "root.json", (publisher.tree / "metadata" / "1.root.json").read_text())
    result = ferry("repository", "add", "x", publisher.tree.as_uri(), "--root", root, check=6)
    said = "the text is UTF-16" if root.read_bytes()[:2] == b"\xff\xfe" else "a byte order mark in front"
    assert "root.json: the pinned root: line 1: " + said in result.err
    assert "get the file again as it was published" in result.err


class NeedsLogin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def needs_login():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NeedsLogin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_netrc_that_cannot_be_read_is_named_when_the_server_needs_a_login(ferry, work,
                                                                            saved, needs_login):
    text = "machine 127.0.0.1 login me password pw\n"
    path = saved(ferry.home / ".netrc", text)
    path.chmod(0o600)
    publisher = Publisher(ferry, work)
    publisher.sign(web=needs_login)
    with open(publisher.dir / "ferry.conf", "a") as conf:
        conf.write("netrc = yes\n")
    said = "~/.netrc is not read: it has a byte order mark or is UTF-16"
    assert said in ferry("verify", cwd=publisher.dir, check=5).err
    path.write_text(text.replace("\n", "\r\n"))
    assert said not in ferry("verify", cwd=publisher.dir, check=5).err
