"""Servers that speak S3, on loopback, for the end-to-end tests.

Radosgw is the real one (Ceph's gateway, from Debian), with two regions that know nothing of each
other. It is started once a run (shared.py); each test has buckets of its own:

    us, eu = radosgw.region("us-east-1"), radosgw.region("eu-west-1")
    bucket = us.bucket()                    # a new one, of the user PUBLISHER
    us.client().put_object(Bucket=bucket, …)            # boto3
    us.client(READER), us.client(STRANGER), us.client(WRONG_SECRET)
"""

import contextlib
import functools
import json
import os
import secrets
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import uuid

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.handlers

import shared
from servers import free_port
from waiting import PATIENCE, until


class Keys:
    """An access key and its secret, perhaps with the token of a session."""

    def __init__(self, access, secret, token=None):
        self.access, self.secret, self.token = access, secret, token

    @property
    def env(self):
        """The environment for commands, with nothing of the user's own."""
        token = {"AWS_SESSION_TOKEN": self.token} if self.token else {}
        return {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret,
                "AWS_EC2_METADATA_DISABLED": "true", **token}


ADMIN = Keys("FERRYADMIN0000000000", "admin/secret+of=forty-characters-000000")
PUBLISHER = Keys("FERRYPUBLISHER000000", "publisher/secret+of=forty-chars-0000000")
READER = Keys("FERRYREADER000000000", "reader/secret+of=forty-characters-00000")     # of PUBLISHER
STRANGER = Keys("FERRYSTRANGER0000000", "stranger/secret+of=forty-chars-00000000")
SMALL = Keys("FERRYSMALL0000000000", "small/secret+of=forty-characters-000000")      # has a quota
S3RVER = Keys("S3RVER", "S3RVER")       # the only one that s3rver has
WRONG_SECRET = Keys(PUBLISHER.access, "not/the+secret")
WRONG_KEY = Keys("FERRYNOBODY000000000", "nobody/has+this")

QUOTA_KIB = 4096      # of each bucket of SMALL


@functools.lru_cache(maxsize=None)
def session():
    """It reads its description of S3 once, which takes long."""
    return boto3.session.Session()


def client(endpoint, keys=PUBLISHER, region="us-east-1", style="path", **config):
    """boto3's client of a server, which makes one attempt."""
    made = session().client(
        "s3", endpoint_url=endpoint, aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret, aws_session_token=keys.token, region_name=region,
        config=botocore.config.Config(
            signature_version="s3v4", s3={"addressing_style": style}, retries={"max_attempts": 0},
            connect_timeout=PATIENCE, read_timeout=PATIENCE, proxies={}, **config))
    # It would wait a second for the answer to Expect, which some servers do not give.
    made.meta.events.unregister("before-call.s3", botocore.handlers.add_expect_header)
    return made


def rclone(region, command, *args, keys=None):
    """Runs rclone on a server; arguments that name a bucket are paths below it. Returns what it
    prints."""
    remote = f":s3,provider=Other,env_auth,region={region.name},endpoint='{region.endpoint}':"
    buckets = [name for name, _ in region.made]
    args = [remote + str(a) if str(a).split("/")[0] in buckets else str(a) for a in args]
    done = subprocess.run(
        ["rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", command,
         *args], capture_output=True, text=True, timeout=PATIENCE,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"],
             **(keys or region.keys).env})
    if done.returncode != 0:
        raise RuntimeError(f"rclone {command}: {done.stderr[-2000:]}")
    return done.stdout


def refused(call, *args, **named):
    """(status, code) of the error that boto3's call gives."""
    try:
        call(*args, **named)
    except botocore.exceptions.ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"]
    raise AssertionError("it was not refused")


class Region:
    """One endpoint of a server, and the keys of who owns its buckets."""

    def __init__(self, endpoint, name, keys=PUBLISHER):
        self.endpoint, self.name, self.keys = endpoint, name, keys
        self.made = []

    @functools.lru_cache(maxsize=None)
    def client(self, keys=None):
        return client(self.endpoint, keys or self.keys, self.name)

    def bucket(self, keys=None):
        name = f"test-{secrets.token_hex(6)}"
        location = {"LocationConstraint": self.name} if self.name not in ("us-east-1", "auto") else None
        more = {"CreateBucketConfiguration": location} if location else {}
        self.client(keys).create_bucket(Bucket=name, **more)
        self.made.append((name, keys))
        return name

    def keys_of(self, bucket, keys=None):
        """The keys of all objects, in order."""
        pages = self.client(keys).get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def body(self, bucket, key, keys=None):
        return self.client(keys).get_object(Bucket=bucket, Key=key)["Body"].read()

    def uploads(self, bucket, keys=None):
        """(key, id) of the multipart uploads that are open."""
        pages = self.client(keys).get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        return [(u["Key"], u["UploadId"]) for page in pages for u in page.get("Uploads", [])]

    def publish(self, bucket):
        """Everybody may read the objects, as of a bucket behind a CDN."""
        self.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*"}]}))

    def remove_buckets(self):
        while self.made:
            name, keys = self.made.pop()
            with contextlib.suppress(self.client(keys).exceptions.NoSuchBucket):
                self.empty(name, keys)
                self.client(keys).delete_bucket(Bucket=name)

    def empty(self, bucket, keys):
        s3 = self.client(keys)
        for key, upload in self.uploads(bucket, keys):
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if found:
                s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [
                    {"Key": v["Key"], "VersionId": v["VersionId"]} for v in found]})


# -- radosgw --------------------------------------------------------------------------

CEPH = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon}
mon initial members = a
ms bind msgr2 = false
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 0
# As quick as a cluster of one can be: a pool is there in 0.1 s, not in one second.
paxos propose interval = 0.1
paxos min wait = 0.02
# What the disk tells at its start could come before it knows the cluster, and end it.
osd class update on start = false
osd crush update on start = false
osd objectstore = memstore
memstore device bytes = {bytes}
mon data = {dir}/mon
osd data = {dir}/osd
run dir = {dir}
log file = /dev/null
mon cluster log file = /dev/null
crash dir = {dir}
keyring = /dev/null
admin socket =
pid file =
[client]
rgw thread pool size = 48
rgw enable usage log = false
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc max objs = 2
rgw lc max objs = 2
rgw bucket quota ttl = 0
rgw dns name = localhost
"""


class Radosgw:
    """Ceph in memory (one monitor, one disk) and a radosgw for each region, which is a realm of
    its own. Up in two seconds."""

    REGIONS = ("us-east-1", "eu-west-1")
    BYTES = 4 << 30

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self):
        missing = [p for p in ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin",
                               "monmaptool") if not shutil.which(p)]
        if missing:
            raise RuntimeError(f"{', '.join(missing)}: run scripts/install-deps test")
        for attempt in range(5):
            try:
                self.launch(self.folder / f"ceph-{attempt}")
                return self
            except (RuntimeError, subprocess.CalledProcessError):
                # Another process may have taken a port meanwhile.
                self.stop()
                if attempt == 4:
                    raise

    def launch(self, at):
        self.dir = at
        for name in ("mon", "osd"):
            (at / name).mkdir(parents=True)
        mon, fsid = free_port(), uuid.uuid4()
        (at / "ceph.conf").write_text(CEPH.format(fsid=fsid, mon=mon, dir=at, bytes=self.BYTES))
        self.run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{mon}]", "--fsid",
                 str(fsid), at / "monmap", configured=False)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", at / "monmap")
        self.spawn("ceph-mon", "-f", "-i", "a")
        self.run("ceph", "osd", "create")
        self.run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default")
        self.run("ceph-osd", "--mkfs", "-i", "0")
        self.spawn("ceph-osd", "-f", "-i", "0")
        self.endpoints = {}
        for region in self.REGIONS:
            self.region(region)
        for region in self.REGIONS:
            self.users(region)

    def region(self, region):
        self.admin(region, "realm", "create")
        self.admin(region, "zonegroup", "create", "--api-name", region, "--master")
        self.admin(region, "zone", "create", "--master")
        self.admin(region, "period", "update", "--commit")
        self.admin(region, "user", "create", "--uid=admin", "--display-name=admin",
                   f"--access-key={ADMIN.access}", f"--secret={ADMIN.secret}",
                   "--caps=users=*;roles=*")
        port = free_port()
        self.endpoints[region] = f"http://127.0.0.1:{port}"
        self.spawn("radosgw", "-f", "-n", f"client.rgw.{region}", *of_region(region),
                   f"--rgw-frontends=beast endpoint=127.0.0.1:{port} tcp_nodelay=1")

    def users(self, region):
        until(lambda: self.check() and answers(self.endpoints[region]))
        self.api(region, "PUT", uid="publisher", **keyed(PUBLISHER))
        self.api(region, "PUT", uid="publisher", subuser="publisher:reader", access="read",
                 **keyed(READER))
        self.api(region, "PUT", uid="stranger", **keyed(STRANGER))
        self.api(region, "PUT", uid="small", **keyed(SMALL))
        self.api(region, "PUT", quota="", uid="small", **{
            "quota-type": "bucket", "enabled": "true", "max-size-kb": QUOTA_KIB})

    def admin(self, region, *args):
        self.run("radosgw-admin", "-n", "client.rgw", *of_region(region), *args)

    def api(self, region, method, **query):
        """Ceph's admin API: much faster than its command."""
        url = f"{self.endpoints[region]}/admin/user?{urllib.parse.urlencode(query)}"
        signed = botocore.awsrequest.AWSRequest(method, url, data=b"")
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(ADMIN.access, ADMIN.secret),
                                  "s3", region).add_auth(signed)
        request = urllib.request.Request(url, data=b"", method=method,
                                         headers=dict(signed.headers))
        opener().open(request, timeout=PATIENCE).close()

    def run(self, program, *args, configured=True):
        conf = ["-c", self.dir / "ceph.conf"] if configured else []
        process = subprocess.Popen(list(map(str, [program, *conf, *args])), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, preexec_fn=shared.die_with_parent)
        try:    # it would wait for ever for a server that has ended
            until(lambda: process.poll() is not None or not self.check())
        finally:
            process.kill()
        _, said = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{program} {args}: {said[-2000:]}")

    def spawn(self, program, *args):
        with open(self.dir / f"{program}.log", "a") as log:
            self.running.append(subprocess.Popen(
                list(map(str, [program, "-c", self.dir / "ceph.conf", *args])),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=shared.die_with_parent))

    def check(self):
        for process in self.running:
            if process.poll() is not None:
                log = (self.dir / f"{process.args[0]}.log").read_text()
                raise RuntimeError(f"{process.args[0]} ended:\n{log[-2000:]}")
        return True

    def where(self):
        return {"conf": str(self.dir / "ceph.conf"), "endpoints": self.endpoints}

    def stop(self):
        # Not asked to end: then the disk in memory would be written to a file.
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
        self.running = []


def of_region(name):
    return [f"--rgw-{what}={name}" for what in ("realm", "zonegroup", "zone")]


def keyed(keys):
    return {"display-name": "user", "access-key": keys.access, "secret-key": keys.secret,
            "key-type": "s3"}


def opener():
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(endpoint):
    try:
        opener().open(endpoint, timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Regions:
    """What a test has of the radosgw of the run."""

    def __init__(self, where):
        self.conf = where["conf"]
        self.regions = {name: Region(url, name) for name, url in where["endpoints"].items()}

    def region(self, name):
        return self.regions[name]

    @contextlib.contextmanager
    def with_sts(self, name):
        """A region as seen through one more radosgw, which is an STS, too. (It takes a wrong
        secret for a denied access, so the usual one is not.)"""
        port = free_port()
        process = subprocess.Popen(
            ["radosgw", "-c", self.conf, "-f", "-n", f"client.rgw.{name}", *of_region(name),
             f"--rgw-frontends=beast endpoint=127.0.0.1:{port}", "--rgw-s3-auth-use-sts=true",
             "--rgw-sts-key=sixteen-letters-"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=shared.die_with_parent)
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}"), process)
            yield Region(f"http://127.0.0.1:{port}", name)
        finally:
            process.kill()
            process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for region in self.regions.values():
            region.remove_buckets()
