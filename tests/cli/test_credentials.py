"""Access keys for S3: the same as botocore (Debian's package) finds in the same files, variables
and servers. The servers of AWS are SIMULATED, and that of STS checks signatures with botocore; the
last test has a real STS, that of radosgw."""

import contextlib
import datetime
import hashlib
import http.server
import json
import os
import secrets
import subprocess
import threading
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session
import botocore.utils
import pytest

from conftest import TOOLS
from published import mirror, publisher, signed_base  # noqa: F401
from s3_servers import ADMIN, STRANGER
from waiting import PATIENCE

LATER = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime(
    "%Y-%m-%dT%H:%M:%SZ")
SOURCE = botocore.credentials.Credentials("AKIASOURCE", "source/secret+key")


@pytest.fixture
def home(work, monkeypatch):
    """An empty home, without any variable of AWS. Files are written with write()."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(work))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (work / ".aws").mkdir()
    return work


def ours(profile=None):
    """What our credentials give: an object with id, secret_sha256, …; or the error."""
    process = subprocess.run([TOOLS / "s3-credentials", *(["--profile", profile] if profile else [])],
                             capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode >= 0, process.stderr
    return json.loads(process.stdout) if process.returncode == 0 else process


def theirs(profile=None):
    """What botocore gives: (id, secret, token), or None."""
    keys = botocore.session.Session(profile=profile).get_credentials()
    return keys and tuple(keys.get_frozen_credentials())


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def expect_same(profile=None):
    """Both give the same keys, and there are some."""
    access, secret, token = theirs(profile)
    keys = ours(profile)
    assert isinstance(keys, dict), keys.stderr
    assert keys["id"] == access
    assert keys["secret_sha256"] == sha256(secret)
    assert keys.get("token_sha256") == (sha256(token) if token else None)
    return keys


def keys_of(name, token=False):
    text = f"aws_access_key_id = ID-{name}\naws_secret_access_key = secret/{name}+=\n"
    return text + (f"aws_session_token = {'tok/' * 300}{name}==\n" if token else "")


# -- files and variables --------------------------------------------------------------

CASES = {
    "the default profile": dict(
        credentials=f"[default]\n{keys_of('d')}"),
    "a profile of the environment": dict(
        credentials=f"[default]\n{keys_of('d')}[eu]\n{keys_of('eu', token=True)}",
        env={"AWS_PROFILE": "eu"}),
    "a profile that is named": dict(
        credentials=f"[default]\n{keys_of('d')}[eu]\n{keys_of('eu')}", profile="eu",
        env={"AWS_PROFILE": "default"}),
    "keys in the configuration": dict(
        config=f"[default]\nregion = x\n[profile eu]\n{keys_of('c')}", profile="eu"),
    "both files have the profile": dict(
        config=f"[profile eu]\n{keys_of('c')}", credentials=f"[eu]\n{keys_of('f')}",
        profile="eu"),
    "variables before files": dict(
        credentials=f"[default]\n{keys_of('d')}",
        env={"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e", "AWS_SESSION_TOKEN": "t"}),
    "variables before AWS_PROFILE": dict(
        credentials=f"[eu]\n{keys_of('eu')}",
        env={"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e", "AWS_PROFILE": "eu"}),
    "a named profile before variables": dict(
        credentials=f"[eu]\n{keys_of('eu')}", profile="eu",
        env={"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e"}),
    "comments, blanks and nested values": dict(
        config=f"# one\n[profile eu]\n; two\ns3 =\n    addressing_style = path\n  \n{keys_of('c')}",
        profile="eu"),
    "a name with blanks in quotes": dict(
        config=f"[profile \"my team\"]\n{keys_of('c')}", profile="my team"),
    "a name with dots and signs": dict(
        config=f"[profile a.b@c-d_e/F]\n{keys_of('c')}", profile="a.b@c-d_e/F"),
    "keys in upper case": dict(
        credentials="[default]\nAWS_ACCESS_KEY_ID=U\nAws_Secret_Access_Key = u\n"),
    "a process": dict(
        config="[default]\ncredential_process = sh -c 'cat \"$HOME/answer\"'\n"),
    "keys of the file of credentials before a process": dict(
        config="[default]\ncredential_process = false\n",
        credentials=f"[default]\n{keys_of('f')}"),
    "a process before keys of the configuration": dict(
        config=f"[default]\ncredential_process = cat {{home}}/answer\n{keys_of('c')}"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_files_and_variables_give_the_same_keys_as_botocore(home, monkeypatch, name):
    case = CASES[name]
    for file in ("config", "credentials"):
        if file in case:
            (home / ".aws" / file).write_text(case[file].replace("{home}", str(home)))
    (home / "answer").write_text(json.dumps({
        "Version": 1, "AccessKeyId": "P", "SecretAccessKey": "p", "SessionToken": "t",
        "Expiration": LATER.replace("Z", "+00:00")}))
    for variable, value in case.get("env", {}).items():
        monkeypatch.setenv(variable, value)
    expect_same(case.get("profile"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_and_answers_that_windows_saved_are_read(home, encoding):
    (home / "answer").write_bytes(json.dumps({
        "Version": 1, "AccessKeyId": "P", "SecretAccessKey": "p", "Expiration": LATER,
        "Extra": float("inf")}).encode(encoding))
    (home / ".aws" / "credentials").write_bytes(
        f"[default]\n{keys_of('d')}".replace("\n", "\r\n").encode(encoding))
    (home / ".aws" / "config").write_bytes(
        f"[profile p]\r\ncredential_process = cat {home}/answer\r\n".encode(encoding))
    assert ours()["id"] == "ID-d"
    assert ours("p")["id"] == "P"


def test_other_places_of_the_files_are_those_of_botocore(home, monkeypatch):
    (home / "c").write_text(f"[profile eu]\n{keys_of('c')}")
    (home / "k").write_text(f"[us]\n{keys_of('k')}")
    monkeypatch.setenv("AWS_CONFIG_FILE", "~/c")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "k"))
    assert expect_same("eu")["id"] == "ID-c"
    assert expect_same("us")["id"] == "ID-k"


def test_what_botocore_does_not_find_is_not_found(home):
    (home / ".aws/config").write_text("[default]\nregion = eu-west-1\n")
    assert theirs() is None
    process = ours()
    assert process.returncode == 5
    assert "no access keys for the S3 server were found" in process.stderr
    assert "Tried: the environment, profile default of the AWS files" in process.stderr


@pytest.mark.parametrize("config", [
    "[default]\naws_access_key_id = only\n",
    "[default]\nnot a line of the file\n",
    "[profile a]\nregion = x\n[profile a]\nregion = y\n",
    "[default]\nrole_arn = r\nsource_profile = gone\n",
    "[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = r\nsource_profile = "
    "default\n",
    "[default]\ncredential_process = sh -c 'exit 3'\n",
])
def test_what_is_an_error_for_botocore_is_one_for_us(home, config):
    (home / ".aws/config").write_text(config)
    with pytest.raises((botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)):
        theirs()
    assert ours().returncode in (2, 5)


# -- servers ---------------------------------------------------------------------------

class Simulated(http.server.BaseHTTPRequestHandler):
    """A server of AWS, as far as keys are concerned: answers(method, path, headers, body) gives
    the status and the body."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = self.server.answers(self.command, self.path, self.headers, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def simulated(answers):
    """The URL of a server with these answers."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Simulated)
    server.answers = answers
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def given(access):
    return json.dumps({"Code": "Success", "AccessKeyId": access, "SecretAccessKey": "given",
                       "Token": "t" * 1000, "Expiration": LATER})


def test_simulated_container_gives_the_same_keys_as_to_botocore(home, monkeypatch):
    def answers(method, path, headers, body):
        allowed = headers.get("Authorization") == "Bearer pod" and path == "/v1/credentials"
        return (200, given("CONTAINER")) if allowed else (403, "{}")

    with simulated(answers) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url + "/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer pod")
        assert expect_same()["expires"] == LATER
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong")
        assert ours().returncode == 5


def test_simulated_instance_gives_the_same_keys_as_to_botocore(home, monkeypatch):
    roles = "/latest/meta-data/iam/security-credentials/"

    def answers(method, path, headers, body):
        if (method, path) == ("PUT", "/latest/api/token"):
            return 200, "session"
        if headers.get("X-aws-ec2-metadata-token") != "session":
            return 401, ""
        return {roles: (200, "pusher"), roles + "pusher": (200, given("INSTANCE"))}.get(
            path, (404, ""))

    with simulated(answers) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        assert expect_same()["source"] == "the instance's role pusher"


def signature_is_right(method, url, headers, body):
    """Computes the signature anew, with botocore, over the headers that are signed."""
    fields = dict(f.strip().split("=", 1) for f in
                  headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(","))
    signed = {name: headers[name] for name in fields["SignedHeaders"].split(";")}
    region = fields["Credential"].split("/")[2]
    request = botocore.awsrequest.AWSRequest(method, url, headers=signed, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = botocore.auth.SigV4Auth(SOURCE, "sts", region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth.signature(text, request) == fields["Signature"]


def sts_answer(action, access):
    return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<{action}Result><Credentials><AccessKeyId>{access}</AccessKeyId><SecretAccessKey>"
            f"given</SecretAccessKey><SessionToken>{'t' * 1000}</SessionToken><Expiration>{LATER}"
            f"</Expiration></Credentials></{action}Result></{action}Response>")


def test_simulated_sts_gives_keys_for_requests_that_botocore_finds_signed(home, monkeypatch):
    def answers(method, path, headers, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        url = f"http://{headers['Host']}{path}"
        if not signature_is_right(method, url, headers, body):
            return 403, ("<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code>"
                         "<Message>no</Message></Error></ErrorResponse>")
        return 200, sts_answer(form["Action"], form["RoleArn"].rpartition("/")[2])

    (home / ".aws/config").write_text(
        "[profile role]\nrole_arn = arn:aws:iam::1:role/ROLE\nsource_profile = base\n"
        "external_id = ä +/=&\nregion = eu-central-1\n")
    (home / ".aws/credentials").write_text(
        f"[base]\naws_access_key_id = {SOURCE.access_key}\n"
        f"aws_secret_access_key = {SOURCE.secret_key}\n")
    with simulated(answers) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        keys = ours("role")
        assert keys["id"] == "ROLE" and keys["expires"] == LATER
        assert keys["token_sha256"] == sha256("t" * 1000)
        text = (home / ".aws/credentials").read_text()
        (home / ".aws/credentials").write_text(text.replace("source/secret", "other/secret"))
        refused = ours("role")
        assert refused.returncode == 5
        assert "SignatureDoesNotMatch" in refused.stderr and "secret" not in refused.stderr


def test_simulated_sts_gives_keys_for_a_web_identity(home, monkeypatch):
    def answers(method, path, headers, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form["WebIdentityToken"] != "a.b.c" or "Authorization" in headers:
            return 400, ("<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                         "<Message>no</Message></Error></ErrorResponse>")
        return 200, sts_answer(form["Action"], form["RoleSessionName"])

    (home / "token").write_text("a.b.c\n")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod")
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "SESSION")
    with simulated(answers) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert ours()["id"] == "SESSION"
        (home / "token").write_text("expired.b.c")
        refused = ours()
        assert refused.returncode == 5 and "InvalidIdentityToken" in refused.stderr


def test_simulated_sso_gives_keys_for_a_token_that_botocore_has_saved(home, monkeypatch):
    def answers(method, path, headers, body):
        if headers.get("x-amz-sso_bearer_token") not in ("OF-URL", "OF-SESSION"):
            return 401, "{}"
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        return 200, json.dumps({"roleCredentials": {
            "accessKeyId": f"{query['role_name']} {headers['x-amz-sso_bearer_token']}",
            "secretAccessKey": "given", "sessionToken": "t", "expiration": 4102444800000}})

    start = "https://work.awsapps.com/start"
    login = f"sso_start_url = {start}\nsso_region = eu-west-1\n"
    role = "sso_account_id = 1\nsso_role_name = PUSHER\n"
    (home / ".aws/config").write_text(
        f"[profile old]\n{login}{role}[profile new]\nsso_session = work\n{role}"
        f"[sso-session work]\n{login}")
    saved = botocore.utils.JSONFileCache(str(home / ".aws/sso/cache"))
    loader = botocore.utils.SSOTokenLoader(saved)
    with simulated(answers) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", url)
        for profile, token, session in [("old", "OF-URL", None), ("new", "OF-SESSION", "work")]:
            before = ours(profile)
            assert before.returncode == 5
            assert f"aws sso login --profile {profile}" in before.stderr
            loader.save_token(start, {"accessToken": token, "expiresAt": LATER}, session)
            assert ours(profile)["id"] == f"PUSHER {token}"


# -- a real STS --------------------------------------------------------------------------

def make_role(region, bucket):
    """A role of radosgw that STRANGER may take, and that may do everything with the bucket."""
    def policy(**statement):        # radosgw takes no blanks
        return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]},
                          separators=(",", ":"))

    iam = boto3.client("iam", endpoint_url=region.endpoint, region_name=region.name,
                       aws_access_key_id=ADMIN.access, aws_secret_access_key=ADMIN.secret,
                       config=botocore.config.Config(proxies={}))
    name = f"role-{secrets.token_hex(6)}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(
        Principal={"AWS": ["arn:aws:iam:::user/stranger"]}, Action=["sts:AssumeRole"]))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="push", PolicyDocument=policy(
        Action=["s3:*"], Resource=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]))
    return role["Arn"]


@pytest.fixture
def region(radosgw):
    """A radosgw that is an STS, too."""
    with radosgw.with_sts("us-east-1") as region:
        yield region
        region.remove_buckets()


def test_a_push_with_the_keys_of_a_role_that_a_real_sts_gives(publisher, region):  # noqa: F811
    bucket = region.bucket()
    folder = publisher.ferry.home / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        f"[base]\naws_access_key_id = {STRANGER.access}\n"
        f"aws_secret_access_key = {STRANGER.secret}\n")
    (folder / "config").write_text(
        f"[profile pusher]\nrole_arn = {make_role(region, bucket)}\nsource_profile = base\n")
    env = {"AWS_ENDPOINT_URL_STS": region.endpoint}

    def configure(profile):
        publisher.configure(mirror("us", kind="s3", endpoint=region.endpoint, region=region.name,
                                   bucket=bucket, profile=profile))

    configure("base")
    publisher("push", env=env, check=5)
    assert region.keys_of(bucket) == []
    configure("pusher")
    checks = publisher("push", "--preflight", "--json", env=env).json["checks"]
    assert [c["text"] for c in checks if c["check"] == "credentials"][0].startswith(
        "from the role arn:aws:iam:::role/role-")
    publisher("push", env=env)
    publisher("verify", "--full", env=env)
    assert any(key.endswith(".gguf") for key in region.keys_of(bucket))
