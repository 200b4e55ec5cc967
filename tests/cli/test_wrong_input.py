"""What a person is told whose configuration, keys or arguments are wrong: what failed, on what, and
what to do. On a terminal of 80 columns, too."""

import contextlib
import http.server
import json
import re
import signal
import threading

import pytest

from kills import at
from published import mirror, publisher, signed_base  # noqa: F401
from s3_servers import PUBLISHER, READER, STRANGER, WRONG_SECRET
from test_frame import terminal

NO_BUCKET = "the bucket does not exist (NoSuchBucket)"
NOT_S3 = "the endpoint does not answer as an S3 server does"


@pytest.fixture
def us(radosgw, publisher):  # noqa: F811
    publisher.ferry.env.update(PUBLISHER.env)
    return radosgw.region("us-east-1")


def bucket(region, name, id="bucket", endpoint=None, **options):
    return mirror(id, kind="s3", endpoint=endpoint or region.endpoint, region=region.name,
                  bucket=name, **options)


def on_terminal(publisher, *args, columns=80):  # noqa: F811
    env = [f"{k}={v}" for k, v in publisher.ferry.env.items() if v is not None]
    code, text = terminal(["env", *env, *publisher.ferry.command(*args)], publisher.dir, columns)
    return code, text.replace("\r", "")


@contextlib.contextmanager
def web_server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)
        do_HEAD = do_PUT = do_GET

        def log_message(self, *ignored):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


COMMANDS = [("push",), ("push", "--preflight"), ("push", "--dry-run"), ("push", "--plan", "p.json"),
            ("verify",), ("sync", "a", "bucket")]


@pytest.mark.parametrize("args", COMMANDS, ids=lambda a: " ".join(a))
def test_a_bucket_that_does_not_exist_is_named_by_every_command(us, publisher, args):  # noqa: F811
    publisher.configure(mirror("a"), bucket(us, "not-there"), mirror("b"))
    publisher("push", "--mirror", "a")
    if args[0] == "verify":     # of b it would say that everything is missing
        args = ("verify", "--mirror", "bucket")
    result = publisher(*args, "--json", check=2)
    assert result.json["error"]["class"] == "usage"
    assert NO_BUCKET in result.json["error"]["message"]
    assert "ferry mirror setup" in result.json["error"]["hint"]
    assert not (publisher.dir / "p.json").exists()
    assert publisher.release("b") is None and not publisher.mirror("b").exists()


def test_a_bucket_that_does_not_exist_is_not_reachable(us, publisher):  # noqa: F811
    publisher.configure(bucket(us, "not-there"))
    [found] = publisher("mirror", "list", "--check", "--json", check=1).json["mirrors"]
    assert found["reachable"] is False and NO_BUCKET in found["error"]["message"]


def test_whether_the_bucket_is_there_is_asked_once(us, publisher, s3_proxy):  # noqa: F811
    proxy = s3_proxy(us)
    publisher.configure(bucket(proxy.region, us.bucket()))
    publisher("push", "--dry-run")
    assert len(proxy.of("HeadObject", status=404)) > 1
    assert len(proxy.of("ListObjectsV2")) == 1


def test_a_web_server_is_not_taken_for_an_empty_bucket(us, publisher):  # noqa: F811
    with web_server() as url:
        publisher.configure(bucket(us, "models", endpoint=url))
        for args in COMMANDS[:5]:
            result = publisher(*args, "--json", check=2)
            assert NOT_S3 in result.json["error"]["message"], args
            assert "endpoint" in result.json["error"]["hint"]
        for command in ("setup", "probe"):
            [found] = publisher("mirror", command, "--json", check=2).json["mirrors"]
            [finding] = found["findings"]
            assert NOT_S3 in finding["text"] and "endpoint" in finding["hint"]


@pytest.mark.parametrize("keys, says, hint", [
    (WRONG_SECRET, "the signature does not match (SignatureDoesNotMatch)", "the secret key is wrong"),
    (STRANGER, "access denied (AccessDenied)", "check the policy of their user"),
    (READER, "writing: access denied (AccessDenied)", "check the policy of their user"),
])
def test_wrong_keys_are_shown_whole_on_a_narrow_terminal(us, publisher, keys, says,  # noqa: F811
                                                          hint):
    publisher.configure(bucket(us, us.bucket()))
    publisher.ferry.env.update(keys.env)
    for args in (["push", "--preflight"], ["push"]):
        code, text = on_terminal(publisher, *args)
        assert code == 5
        table = text[text.index("MIRROR  CHECK"):].partition("ferry push: ")[0]
        assert re.search(rf"^bucket  \w+ +fault +\S*.*{re.escape(says)}$", table, re.MULTILINE), text
        assert hint in table
        assert keys.secret not in text and keys.access not in text
    assert us.keys_of(us.made[-1][0]) == []


def test_verify_with_wrong_keys_says_what_is_wrong_with_them(us, publisher):  # noqa: F811
    publisher.configure(bucket(us, us.bucket()))
    publisher.ferry.env.update(WRONG_SECRET.env)
    error = publisher("verify", "--json", check=5).json["error"]
    assert "the secret key is wrong" in error["hint"]


def test_wrong_keys_of_one_mirror_let_nothing_be_written(us, publisher):  # noqa: F811
    publisher.configure(mirror("a"), bucket(us, us.bucket()))
    publisher.ferry.env.update(WRONG_SECRET.env)
    result = publisher("push", "--json", check=5)
    assert {m["id"]: m["outcome"] for m in result.json["mirrors"]} == {
        "a": "not-started", "bucket": "failed"}
    assert not publisher.mirror().exists()


def test_cleanup_does_not_call_clean_what_it_could_not_list(us, publisher):  # noqa: F811
    publisher.configure(mirror("a"), bucket(us, us.bucket()))
    assert "nothing was left behind" in publisher("mirror", "cleanup").err
    publisher.ferry.env.update(WRONG_SECRET.env)
    result = publisher("mirror", "cleanup", check=5)
    assert "nothing was left behind" not in result.out + result.err
    assert "the signature does not match" in result.out + result.err


def test_cleanup_removes_what_a_killed_probe_left_in_a_bucket(us, publisher):  # noqa: F811
    name = us.bucket()
    publisher.configure(bucket(us, name, prefix="models"))
    left = ["models/.ferry/probe-0950e12140cc28fc", "models/ferry-probe/1"]
    for key in [*left, "models/targets/x", "other/.ferry/probe-1"]:
        us.client().put_object(Bucket=name, Key=key, Body=b"scratch")
    publisher("mirror", "cleanup")
    assert len(us.keys_of(name)) == 4      # they may be in use
    result = publisher("mirror", "cleanup", "--older-than", "0s", "--json")
    assert {(v["kind"], v["key"], v["bytes"], v["state"])
            for v in result.json["mirrors"][0]["leftovers"]} == {
        ("scratch", key.removeprefix("models/"), 7, "removed") for key in left}
    assert us.keys_of(name) == ["models/targets/x", "other/.ferry/probe-1"]


def test_capabilities_are_shown_whole_on_a_narrow_terminal(us, publisher):  # noqa: F811
    publisher.configure(bucket(us, us.bucket()))
    publisher("mirror", "probe", "--quick", check=1)
    code, text = on_terminal(publisher, "mirror", "list", "-v")
    assert code == 0 and "create-only,replace-if" in text


def test_a_plan_does_not_replace_another_file(publisher):  # noqa: F811
    conf = publisher.dir / "ferry.conf"
    before = conf.read_bytes()
    result = publisher("push", "--plan", "ferry.conf", check=2)
    assert "ferry.conf exists and is not a plan" in result.err and conf.read_bytes() == before
    (publisher.dir / "plan.json").write_text("")
    for _ in range(2):      # an empty file, then a plan
        publisher("push", "--plan", "plan.json")
    assert json.loads((publisher.dir / "plan.json").read_text())["mirrors"]
    result = publisher("push", "--apply", "ferry.conf", check=6)
    assert "`ferry push --plan`" in result.err


@pytest.mark.parametrize("args, files", [
    (["--mirror", "a", "--limit-rate", "1GiB"], 13),
    (["--only", "ti*"], 4),
    (["--apply", "my plan.json"], 13),
], ids=lambda a: a[0] if isinstance(a, list) else "")
def test_an_interrupted_push_names_the_command_that_continues_it(publisher, args,  # noqa: F811
                                                                  files):
    if args[0] == "--apply":
        publisher("push", "--plan", args[1])
    line = " ".join(f"'{a}'" if set(a) & {" ", "*"} else a for a in args)
    result = publisher("push", *args, env=at(12, number=signal.SIGINT), check=-signal.SIGINT)
    assert re.search(rf"of {files} files, .* are on every mirror; "
                     rf"`ferry push {re.escape(line)}` continues", result.err), result.err
