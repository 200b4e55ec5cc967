"""The TUF client against a simulated repository, subject by subject as in the public
conformance suite: basic behaviour, requests, expiry, rollback, keys and thresholds, key
rotation, delegations, downloads and their cache, quoting, repositories as other tools
write them. What that suite does not cover is in test_tuf_hostile.py."""
import hashlib
import json
import urllib.parse

import pytest

import tuf_simulator
from conftest import TOOLS
from tuf_fixtures import client, repo, tuf_server   # noqa: F401 (fixtures)
from tuf_simulator import DAY, TOP, Key, now, quote, spare, when

FIRST = ["2.root", "timestamp", "1.snapshot", "1.targets"]
ALL = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
REST = ("targets", "snapshot", "timestamp")
HANGS_UP = tuf_simulator.Answer(status=None)


def assert_trusted(client, **versions):
    assert client.trusted() == versions, client.error


# -- basic behaviour and requests ----------------------------------------------------------

def test_init_makes_no_request(repo, client):
    assert repo.requests == []
    assert client.stored("root") == repo.versions["root"][0]
    assert_trusted(client, root=1)


def test_a_first_refresh_asks_for_four_files(repo, client):
    assert client.refresh() == 0, client.error
    assert repo.requests == [f"metadata/{name}.json" for name in FIRST]


def test_what_is_trusted_is_stored_byte_for_byte(repo, client):
    repo.files["metadata/timestamp.json"] += b" \n"
    assert client.refresh() == 0, client.error
    assert client.stored("timestamp") == repo.latest("timestamp") + b" \n"
    for role in ("root", "snapshot", "targets"):
        assert client.stored(role) == repo.latest(role)
    assert sorted(p.name for p in client.metadata.glob("*.json")) == \
        sorted(f"{role}.json" for role in TOP)


def test_a_second_refresh_asks_for_what_may_have_changed(repo, client):
    assert client.refresh() == 0
    repo.requests.clear()
    assert client.refresh() == 0
    assert repo.metadata_requests() == ["2.root", "timestamp"]


def test_a_new_version_of_one_role_is_all_that_is_fetched(repo, client):
    assert client.refresh() == 0
    repo.publish("snapshot", "timestamp")
    repo.requests.clear()
    assert client.refresh() == 0
    assert repo.metadata_requests() == ["2.root", "timestamp", "2.snapshot"]


def test_a_download_refreshes_first(repo, client):
    assert client.download("not there") == 1
    assert "no signed metadata lists not there" in client.error
    assert repo.metadata_requests() == FIRST
    assert repo.target_requests() == []
    assert_trusted(client, **ALL)


@pytest.mark.parametrize("missing", ["version", "keys", "roles", "expires", "_type"])
def test_an_invalid_first_root_is_of_no_use(repo, client, missing):
    root = json.loads(repo.latest("root"))
    del root["signed"][missing]
    (client.metadata / "root.json").unlink()
    client.init(json.dumps(root).encode())
    assert client.refresh() == 1
    assert repo.requests == []


def test_an_unsigned_first_root_is_of_no_use(repo, client):
    root = json.loads(repo.latest("root"))
    root["signatures"][0]["sig"] = spare(200).sign(b"something else")
    (client.metadata / "root.json").unlink()
    client.init(json.dumps(root).encode())
    assert client.refresh() == 1
    assert repo.requests == []


def test_an_unsigned_root_in_the_folder_is_of_no_use(repo, client):
    """Whatever put it there: the first root is verified at every start."""
    root = json.loads(repo.latest("root"))
    root["signatures"] = []
    (client.metadata / "root.json").write_text(json.dumps(root))
    assert client.refresh() == 1
    assert "valid signatures" in client.error
    assert repo.requests == []


@pytest.mark.parametrize("role, trusted", [
    ("root", {"root": 1}),
    ("timestamp", {"root": 2}),
    ("snapshot", {"root": 2, "timestamp": 2}),
    ("targets", {"root": 2, "timestamp": 2, "snapshot": 2})])
def test_unsigned_metadata_stops_a_refresh(repo, client, role, trusted):
    repo.signers[role].clear()
    repo.publish("root", *REST)
    assert client.refresh() == 1
    assert "0 valid signatures, 1 required" in client.error
    assert_trusted(client, **trusted)


@pytest.mark.parametrize("role, trusted", [
    ("root", {"root": 1}),
    ("snapshot", {"root": 2, "timestamp": 2}),
    ("targets", {"root": 2, "timestamp": 2, "snapshot": 2})])
def test_the_version_must_be_the_one_in_the_name(repo, client, role, trusted):
    for each in ("root", *REST):
        if each != role:
            repo.publish(each)
            continue
        repo.body[role]["version"] = 3
        repo.serve(role, repo.envelope(role), version=2)
        repo.body[role]["version"] = 2
        if role == "targets":
            repo.body["snapshot"]["meta"]["targets.json"]["version"] = 2
        if role == "snapshot":
            repo.body["timestamp"]["meta"]["snapshot.json"]["version"] = 2
    assert client.refresh() == 1
    assert_trusted(client, **trusted)


def test_a_timestamp_of_the_same_version_changes_nothing(repo, client):
    assert client.refresh() == 0
    first = client.stored("timestamp")
    repo.body["timestamp"]["meta"]["snapshot.json"]["version"] = 100
    repo.publish("timestamp", bump=False)
    assert client.refresh() == 0, client.error
    assert repo.metadata_requests()[-1] == "timestamp"
    assert client.stored("timestamp") == first


def test_listed_hashes_are_checked(repo, client):
    repo.with_hashes = True
    repo.publish(*REST)
    assert client.refresh() == 0, client.error
    repo.publish("targets")
    repo.body["snapshot"]["meta"]["targets.json"]["hashes"]["sha256"] = "46" * 32
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "sha256 differs from the signed one" in client.error
    assert_trusted(client, root=1, timestamp=3, snapshot=3, targets=2)


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("off", [-1, 1])
def test_listed_lengths_are_checked(repo, client, role, off):
    repo.with_hashes = True
    repo.publish("targets")
    if role == "targets":
        repo.body["snapshot"]["meta"]["targets.json"]["length"] += off
    repo.publish("snapshot")
    if role == "snapshot":
        repo.body["timestamp"]["meta"]["snapshot.json"]["length"] += off
    repo.publish("timestamp")
    assert client.refresh() == 1
    assert role not in client.trusted()


def test_unknown_members_count_as_signed(repo, client):
    key = Key("ecdsa", **{"extra": {"b": 2, "a": [None, True, "ü\n\"\\"]}})
    repo.root["custom"] = "value"
    repo.role("root")["another"] = "value"
    repo.trust("root", key)
    repo.role("root")["threshold"] = 2
    for role in REST:
        repo.body[role]["x-expiry-period"] = {"days": 7300, "negative": -1}
    repo.publish("root", *REST)
    repo.alter("timestamp", lambda envelope: envelope.update(unsigned="as well"))
    assert client.refresh() == 0, client.error
    assert_trusted(client, root=2, timestamp=2, snapshot=2, targets=2)


def test_an_unknown_member_that_changed_breaks_the_signature(repo, client):
    repo.body["timestamp"]["x-custom"] = 1
    repo.publish("timestamp")
    repo.alter("timestamp", lambda envelope: envelope["signed"].update({"x-custom": 2}))
    assert client.refresh() == 1
    assert_trusted(client, root=1)


@pytest.mark.parametrize("value", ["md5", ["sha256", "sha512"], ["md5"]])
def test_keyid_hash_algorithms_mean_nothing(repo, client, value):
    repo.role("snapshot")["keyids"].clear()
    repo.signers["snapshot"].clear()
    repo.trust("snapshot", Key("ecdsa", keyid_hash_algorithms=value))
    repo.publish("root", "snapshot", "timestamp")
    assert client.refresh() == 0, client.error
    assert_trusted(client, root=2, timestamp=2, snapshot=2, targets=1)


@pytest.mark.parametrize("role, last, trusted", [
    ("timestamp", "timestamp", ALL),
    ("snapshot", "2.snapshot", {**ALL, "timestamp": 2}),
    ("targets", "2.targets", {**ALL, "timestamp": 2, "snapshot": 2})])
@pytest.mark.parametrize("status", [403, 404, 500, 503, HANGS_UP])
def test_a_missing_file_stops_a_refresh(repo, client, role, last, trusted, status):
    assert client.refresh() == 0
    repo.publish(*REST[REST.index(role):])
    repo.files[f"metadata/{last}.json"] = status
    repo.requests.clear()
    assert client.refresh() == 1
    assert repo.metadata_requests()[-1] == last
    assert repo.metadata_requests().count(last) == 1
    assert_trusted(client, **trusted)


@pytest.mark.parametrize("status", [403, 404])
def test_the_root_chain_ends_where_a_root_is_missing(repo, client, status):
    repo.publish("root", "root")
    repo.files["metadata/4.root.json"] = status
    assert client.refresh() == 0, client.error
    assert repo.metadata_requests()[:4] == ["2.root", "3.root", "4.root", "timestamp"]
    assert_trusted(client, **{**ALL, "root": 3})


@pytest.mark.parametrize("status", [500, 502, 429, HANGS_UP])
def test_a_server_that_fails_is_no_end_of_the_root_chain(repo, client, status):
    repo.publish("root", "root")
    repo.files["metadata/3.root.json"] = status
    assert client.refresh() == 1
    assert repo.metadata_requests() == ["2.root", "3.root"]
    assert_trusted(client, root=2)


def test_a_snapshot_is_no_timestamp(repo, client):
    """All but the type fits: the keys, the content, the place."""
    repo.trust("snapshot", repo.signers["timestamp"][0])
    repo.body["snapshot"]["meta"] = {"snapshot.json": {"version": 1}}
    repo.publish("root", "snapshot")
    repo.files["metadata/timestamp.json"] = repo.latest("snapshot")
    assert client.refresh() == 1
    assert "not timestamp metadata" in client.error
    assert_trusted(client, root=2)


@pytest.mark.parametrize("version, fine", [
    ("1.0", True), ("1.0.0", True), ("1.0.34", True), ("1.99.7", True),
    ("2.0.0", False), ("0.9", False), ("10.0.0", False), ("", False), ("x", False)])
def test_the_major_spec_version_counts(repo, client, version, fine):
    repo.body["timestamp"]["spec_version"] = version
    repo.publish("timestamp")
    assert (client.refresh() == 0) == fine, (version, client.error)


def test_the_clock_is_the_one_that_libc_tells(repo, client):
    repo.root["expires"] = when(now() + 7 * DAY)
    repo.publish("root")
    assert client.refresh() == 0, client.error
    assert client.refresh(at=now() + 8 * DAY) == 1
    assert "expired" in client.error


# -- expiry ---------------------------------------------------------------------------------

def test_an_expired_root_is_kept_and_ends_the_refresh(repo, client):
    assert client.refresh() == 0
    repo.publish("root")
    assert client.refresh() == 0
    repo.root["expires"] = when(now() - DAY)
    repo.publish("root", *REST)
    repo.requests.clear()
    assert client.refresh() == 1
    assert repo.metadata_requests() == ["3.root", "4.root"]
    assert_trusted(client, **{**ALL, "root": 3})


@pytest.mark.parametrize("role, trusted", [
    ("timestamp", ALL),
    ("snapshot", {**ALL, "timestamp": 2}),
    ("targets", {**ALL, "timestamp": 2, "snapshot": 2})])
def test_expired_metadata_is_not_taken(repo, client, role, trusted):
    assert client.refresh() == 0
    repo.body[role]["expires"] = when(now() - 5 * DAY)
    repo.publish(*REST[REST.index(role):])
    assert client.refresh() == 1
    assert "has expired" in client.error
    assert_trusted(client, **trusted)


@pytest.mark.parametrize("role", TOP)
def test_what_expired_here_is_replaced_by_what_is_new_there(repo, client, role):
    start = now()
    for each in TOP:
        repo.body[each]["expires"] = when(start + 40 * DAY)
    repo.body[role]["expires"] = when(start + 7 * DAY)
    repo.publish("root", *REST)
    assert client.refresh() == 0, client.error
    repo.body[role]["expires"] = when(start + 21 * DAY)
    repo.publish("root", *REST)
    assert client.refresh(at=start + 18 * DAY) == 0, client.error
    assert_trusted(client, root=3, timestamp=3, snapshot=3, targets=3)


@pytest.mark.parametrize("role", TOP)
def test_what_expired_here_and_there_is_refused(repo, client, role):
    start = now()
    for each in TOP:
        repo.body[each]["expires"] = when(start + 40 * DAY)
    repo.body[role]["expires"] = when(start + 7 * DAY)
    repo.publish("root", *REST)
    assert client.refresh() == 0, client.error
    assert client.refresh(at=start + 18 * DAY) == 1
    assert "has expired" in client.error


@pytest.mark.parametrize("seconds, fine", [(-1, False), (0, False), (3600, True)])
def test_expiry_is_to_the_second(repo, client, seconds, fine):
    """At the time of expiry itself it is expired."""
    repo.body["timestamp"]["expires"] = when(now() + 7 * DAY + seconds * DAY / 86400)
    repo.publish("timestamp")
    at = (now() + 7 * DAY).strftime("%Y-%m-%d %H:%M:%S") + "+00:00"
    assert (client.refresh(at=at) == 0) == fine, client.error


def delegated(repo, **options):
    repo.delegate("targets", "delegated", paths=["delegated/*"], **options)
    repo.target("delegated", "delegated/first", b"first")
    repo.target("delegated", "delegated/second", b"second")


def test_an_expired_delegated_role_is_not_taken(repo, client):
    delegated(repo)
    repo.body["delegated"]["expires"] = when(now() - DAY)
    repo.publish("delegated", *REST)
    assert client.refresh() == 0, client.error
    assert client.download("delegated/first") == 1
    assert "has expired" in client.error
    assert client.downloaded() == []
    assert_trusted(client, root=1, timestamp=2, snapshot=2, targets=2)


@pytest.mark.parametrize("renewed", [False, True])
def test_a_delegated_role_that_expired_here(repo, client, renewed):
    start = now()
    delegated(repo)
    repo.body["delegated"]["expires"] = when(start + 7 * DAY)
    repo.publish("delegated", *REST)
    assert client.download("delegated/first") == 0, client.error
    if renewed:
        repo.body["delegated"]["expires"] = when(start + 21 * DAY)
        repo.publish("delegated", "snapshot", "timestamp")
    result = client.download("delegated/second", at=start + 18 * DAY)
    assert result == (0 if renewed else 1), client.error
    assert client.downloaded() == ([b"first", b"second"] if renewed else [b"first"])


# -- rollback -----------------------------------------------------------------------------

def test_a_snapshot_that_timestamp_does_not_name_is_not_asked_for(repo, client):
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 0
    repo.publish("snapshot")
    assert client.refresh() == 0
    assert repo.metadata_requests()[-1] == "timestamp"
    assert_trusted(client, **{**ALL, "timestamp": 2, "snapshot": 2})


def test_an_older_snapshot_may_be_named_by_the_first_timestamp(repo, client):
    repo.publish("snapshot")
    repo.body["timestamp"]["meta"]["snapshot.json"]["version"] = 1
    repo.publish("root", "timestamp")
    assert client.refresh() == 0, client.error
    assert_trusted(client, root=2, timestamp=2, snapshot=1, targets=1)


def test_timestamp_rollback(repo, client):
    repo.publish("timestamp")
    assert client.refresh() == 0
    repo.body["timestamp"]["version"] = 1
    repo.publish("timestamp", bump=False)
    assert client.refresh() == 1
    assert "rollback of timestamp from version 2 to 1" in client.error
    assert repo.metadata_requests()[-1] == "timestamp"
    assert_trusted(client, **{**ALL, "timestamp": 2})


@pytest.mark.parametrize("hashes", [False, True])
def test_snapshot_rollback(repo, client, hashes):
    repo.with_hashes = hashes
    repo.publish(*REST)
    assert client.refresh() == 0, client.error
    repo.body["snapshot"]["version"] = 1
    repo.publish("snapshot", bump=False)
    repo.publish("timestamp")
    assert client.refresh() == 1
    assert "rollback of snapshot" in client.error
    assert repo.metadata_requests()[-1] == "timestamp"
    assert_trusted(client, **{**ALL, "timestamp": 2, "snapshot": 2, "targets": 2})


@pytest.mark.parametrize("hashes", [False, True])
def test_targets_rollback(repo, client, hashes):
    repo.with_hashes = hashes
    repo.publish(*REST)
    assert client.refresh() == 0
    repo.body["targets"]["version"] = 1
    repo.publish("targets", bump=False)
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "rollback of targets.json from version 2 to 1" in client.error
    assert_trusted(client, root=1, timestamp=3, snapshot=2, targets=2)


@pytest.mark.parametrize("role", ["targets", "delegated"])
def test_a_role_that_snapshot_forgets(repo, client, role):
    delegated(repo)
    repo.publish("delegated", *REST)
    assert client.refresh() == 0
    del repo.body["snapshot"]["meta"][f"{role}.json"]
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert f"no longer lists {role}.json" in client.error
    assert client.trusted()["snapshot"] == 2


def test_delegated_rollback(repo, client):
    delegated(repo)
    repo.publish("delegated", *REST)
    repo.publish("delegated", *REST)
    assert client.download("delegated/first") == 0
    repo.body["delegated"]["version"] = 1
    repo.publish("delegated", bump=False)
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "rollback of delegated.json from version 2 to 1" in client.error


def test_a_snapshot_that_is_stored_counts_although_its_hash_does_not_fit(repo, client):
    """What was trusted once is compared with, even when timestamp now tells other bytes."""
    repo.with_hashes = True
    repo.publish(*REST)
    assert client.refresh() == 0
    stored = json.loads(client.stored("snapshot"))
    (client.metadata / "snapshot.json").write_text(json.dumps(stored))
    repo.body["targets"]["version"] = 1
    repo.publish("targets", bump=False)
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "rollback of targets.json" in client.error


def test_rotating_snapshot_keys_recovers_targets(repo, client):
    for _ in range(99):
        repo.publish("targets")
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 0
    assert client.trusted()["targets"] == 100
    repo.rotate("snapshot")
    repo.body["targets"]["version"] = 1
    repo.publish("root", *REST)
    assert client.refresh() == 0, client.error
    assert client.trusted()["targets"] == 2


def test_rotating_snapshot_keys_lets_a_role_go(repo, client):
    delegated(repo)
    repo.publish("delegated", *REST)
    assert client.download("delegated/first") == 0, client.error
    repo.rotate("snapshot")
    del repo.body["targets"]["delegations"]
    del repo.body["snapshot"]["meta"]["delegated.json"]
    repo.body["targets"]["version"] = 1
    repo.publish("root")
    repo.publish("targets", bump=False)
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 0, client.error
    assert {role: client.trusted()[role] for role in TOP} == \
        {"root": 2, "timestamp": 3, "snapshot": 3, "targets": 1}
    assert client.download("delegated/second") == 1


def test_rotating_snapshot_and_timestamp_keys_recovers_snapshot(repo, client):
    for _ in range(99):
        repo.publish("snapshot")
    repo.publish("timestamp")
    assert client.refresh() == 0
    assert client.trusted()["snapshot"] == 100
    repo.rotate("snapshot")
    repo.rotate("timestamp")
    repo.body["snapshot"]["version"] = 1
    repo.publish("root", "targets")
    repo.publish("snapshot", bump=False)
    repo.publish("timestamp")
    assert client.refresh() == 0, client.error
    assert client.trusted()["snapshot"] == 1


def test_rotating_timestamp_keys_recovers_timestamp(repo, client):
    for _ in range(99):
        repo.publish("timestamp")
    assert client.refresh() == 0
    assert client.trusted()["timestamp"] == 100
    repo.rotate("timestamp")
    repo.body["timestamp"]["version"] = 1
    repo.publish("root", "targets", "snapshot")
    repo.publish("timestamp", bump=False)
    assert client.refresh() == 0, client.error
    assert client.trusted()["timestamp"] == 1


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
@pytest.mark.parametrize("taken", [False, True])
def test_taking_away_one_of_two_keys_recovers_too(repo, client, role, taken):
    """What is stored still verifies with the other key, and yet is compared with no longer.
    Another key alone is no reason to forget."""
    repo.trust(role, repo.new_key())
    repo.publish("root", *REST)
    repo.publish(*REST)
    assert client.refresh() == 0, client.error
    if taken:
        repo.role(role)["keyids"].pop(0)
    else:
        repo.trust(role, repo.new_key(), sign=False)
    lower = "timestamp" if role == "timestamp" else "targets"
    repo.body[lower]["version"] = 1
    repo.publish("root")
    repo.publish(lower, bump=False)
    if role == "snapshot":
        repo.publish("snapshot", "timestamp")
    assert client.refresh() == (0 if taken else 1), client.error
    assert client.trusted()[lower] == (1 if taken else 3)


def test_rotating_other_keys_recovers_nothing(repo, client):
    repo.publish("timestamp")
    assert client.refresh() == 0
    old = list(repo.signers["root"])
    repo.rotate("root")
    repo.signers["root"] += old
    repo.body["timestamp"]["version"] = 1
    repo.publish("root")
    repo.publish("timestamp", bump=False)
    assert client.refresh() == 1
    assert client.trusted()["timestamp"] == 2


# -- keys and thresholds ----------------------------------------------------------------------

def test_a_snapshot_below_its_threshold(repo, client):
    repo.role("snapshot")["threshold"] = 3
    for _ in range(2):
        repo.trust("snapshot", repo.new_key())
    repo.publish("root", *REST)
    assert client.refresh() == 0, client.error
    repo.signers["snapshot"].pop()
    repo.publish(*REST)
    assert client.refresh() == 1
    assert "2 valid signatures, 3 required" in client.error
    assert client.trusted()["snapshot"] == 2


def test_a_role_with_fewer_keys_than_its_threshold(repo, client):
    for _ in range(4):
        repo.trust("snapshot", repo.new_key())
    repo.role("snapshot")["threshold"] = 6
    repo.publish("root", "snapshot", "timestamp")
    assert client.refresh() == 1
    assert "5 valid signatures, 6 required" in client.error
    assert_trusted(client, root=2, timestamp=2)


def test_a_key_that_is_listed_often_is_one_key(repo, client):
    key = repo.trust("snapshot", repo.new_key())
    for _ in range(8):
        repo.trust("snapshot", key, sign=False)
    repo.role("snapshot")["threshold"] = 6
    repo.publish("root", "snapshot")
    repo.alter("snapshot", lambda envelope: envelope["signatures"].extend(
        [s for s in envelope["signatures"] if s["keyid"] == key.id] * 8))
    repo.publish("timestamp")
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


def test_a_signature_that_is_there_twice_is_refused(repo, client):
    """Although the threshold is met."""
    repo.alter("snapshot", lambda envelope: envelope["signatures"].append(
        envelope["signatures"][0]))
    assert client.refresh() == 1
    assert_trusted(client, root=1, timestamp=1)


def test_two_ids_of_one_key_are_one_key(repo, client):
    key = repo.signers["timestamp"][0]
    repo.trust("timestamp", key.alias("00" * 32))
    repo.publish("root", "timestamp")
    assert client.refresh() == 0, client.error
    repo.role("timestamp")["threshold"] = 2
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error
    assert_trusted(client, **{**ALL, "root": 3, "timestamp": 2})


@pytest.mark.parametrize("id", ["not-a-hash", "0", "ß", "a" * 200, "../../x", " "])
def test_key_ids_are_opaque(repo, client, id):
    repo.trust("root", Key("ecdsa", id=id))
    repo.role("root")["threshold"] = 2
    repo.publish("root", "timestamp")
    assert client.refresh() == 0, client.error
    assert client.trusted()["root"] == 2


@pytest.mark.parametrize("kind, keytype", [
    ("rsa", "rsa"), ("rsa-pkcs1v15", "rsa"), ("ecdsa", "ecdsa"),
    ("ecdsa", "ecdsa-sha2-nistp256"), ("ecdsa-p384", "ecdsa"),
    ("ecdsa-p384", "ecdsa-sha2-nistp384"), ("ed25519", "ed25519")])
def test_key_types(repo, client, kind, keytype):
    """The new key is needed; with a signature that only looks right, the root is refused."""
    key = Key(kind)
    key.object["keytype"] = keytype
    repo.trust("root", key)
    repo.role("root")["threshold"] = 2
    repo.publish("root")
    assert client.refresh() == 0, client.error
    assert client.trusted()["root"] == 2
    repo.publish("root")

    def spoil(envelope):
        envelope["signatures"][1]["sig"] = key.sign(b"other data")
    repo.alter("root", spoil)
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error
    assert client.trusted()["root"] == 2


@pytest.mark.parametrize("keytype, scheme", [("ml-dsa", "ml-dsa-65"), ("sigstore-oidc", "Fulcio")])
def test_a_scheme_that_is_not_known_is_named(repo, client, keytype, scheme):
    key = Key()
    key.object |= {"keytype": keytype, "scheme": scheme}
    repo.trust("root", key)
    repo.role("root")["threshold"] = 2
    repo.publish("root")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error
    assert f"cannot verify signatures of the scheme {scheme}" in client.error
    assert client.trusted()["root"] == 1


@pytest.mark.parametrize("role", TOP)
@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ecdsa-p384", "ed25519"])
def test_every_kind_of_key_signs_every_role(repo, client, role, kind):
    old = list(repo.signers[role])
    repo.role(role)["keyids"].clear()
    repo.signers[role].clear()
    repo.trust(role, spare(300, kind))
    if role == "root":
        repo.signers[role] += old
    repo.publish("root", *REST)
    assert client.refresh() == 0, client.error
    assert_trusted(client, root=2, timestamp=2, snapshot=2, targets=2)


@pytest.mark.parametrize("salt", [0, 20, 32, 64])
def test_rsa_signatures_may_have_any_salt(repo, client, salt):
    key = repo.trust("timestamp", spare(300, "rsa"), sign=False)
    repo.role("timestamp")["threshold"] = 2
    repo.publish("root", "timestamp")
    data = tuf_simulator.canonical(repo.body["timestamp"]).encode()
    repo.alter("timestamp", lambda envelope: envelope["signatures"].append(
        {"keyid": key.id, "sig": key.sign(data, salt)}))
    assert client.refresh() == 0, client.error


@pytest.mark.parametrize("change", [
    {"scheme": "unknown"}, {"keytype": "unknown"}, {"keyval": {"public": "no key"}},
    {"scheme": "rsassa-pss-sha256"}, {"keyval": {"public": "ab" * 31}},
    {"keyval": {"public": ""}}])
def test_a_key_of_no_use_is_not_counted_and_does_no_harm(repo, client, change):
    key = Key("ed25519")
    key.object.update(change)
    repo.trust("timestamp", key)
    repo.publish("root", "timestamp")
    assert client.refresh() == 0, client.error
    repo.role("timestamp")["threshold"] = 2
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error


@pytest.mark.parametrize("sig", ["", "00", "zz", "ab" * 64, "0" * 127, "30" * 4000])
def test_a_bad_signature_beside_a_good_one_does_no_harm(repo, client, sig):
    first = repo.signers["timestamp"][0]
    repo.trust("timestamp", repo.new_key())
    repo.publish("root", "timestamp")

    def spoil(envelope):
        next(s for s in envelope["signatures"] if s["keyid"] == first.id)["sig"] = sig
    repo.alter("timestamp", spoil)
    assert client.refresh() == 0, client.error
    assert client.trusted()["timestamp"] == 2


def test_signatures_of_strangers_do_not_count(repo, client):
    repo.role("timestamp")["threshold"] = 2
    repo.signers["timestamp"].append(repo.new_key())
    repo.signers["timestamp"].append(repo.signers["snapshot"][0])
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error


# -- key rotation ----------------------------------------------------------------------------

# For each version of root: keys, threshold, who signs. Whether the last one is accepted.
ROTATIONS = {
    "one key": ([([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])], True),
    "one key, strangers sign too":
        ([([1], 1, [3, 1, 4]), ([2], 1, [3, 2, 1, 4]), ([2], 1, [3, 2, 4])], True),
    "3 of 5, other people each time":
        ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 2, 3, 4], 3, [0, 4, 1]),
          ([0, 1, 2, 3, 4], 3, [0, 1, 3]), ([0, 1, 2, 3, 4], 3, [0, 1, 3])], True),
    "3 of 5, one goes":
        ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 1])], True),
    "3 of 5, one goes and signs":
        ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 2, 4, 5]),
          ([0, 1, 3, 4, 5], 3, [0, 4, 5])], True),
    "3 of 5, all go":
        ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]),
          ([5, 6, 7, 8, 9], 3, [5, 6, 7])], True),
    "1 of 3 to 2 of 3": ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])], True),
    "2 of 3 to 1 of 3":
        ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2]), ([1, 2, 3], 1, [1])], True),
    "1 of 1 to 2 of 2": ([([1], 1, [1]), ([1, 2], 2, [1, 2])], True),
    "not signed by the old key": ([([1], 1, [1]), ([2], 1, [2, 3, 4])], False),
    "not signed by the new key": ([([1], 1, [1]), ([2], 1, [1, 3, 4])], False),
    "not by 3 new keys":
        ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 2, 4])], False),
    "not by 3 old keys":
        ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 5])], False),
    "the new threshold is not reached": ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2])], False),
    "the old threshold is not reached": ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1])], False),
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_root_rotation(repo, client, name):
    steps, accepted = ROTATIONS[name]
    repo.versions["root"].clear()
    repo.root["version"] = 1
    for keys, threshold, signers in steps:
        repo.role("root").update(keyids=[], threshold=threshold)
        repo.signers["root"] = [spare(100 + n, "ecdsa") for n in signers]
        for n in keys:
            repo.trust("root", spare(100 + n, "ecdsa"), sign=False)
        repo.publish("root")
    (client.metadata / "root.json").unlink()
    assert client.init() == 0, client.error
    assert client.refresh() == (0 if accepted else 1), client.error
    assert client.stored("root") == repo.versions["root"][-1 if accepted else -2]
    assert ("timestamp" in client.trusted()) == accepted


# Keys, threshold and signers of another role; whether it is accepted.
OTHERS = {
    "one key": ([2], 1, [2], True),
    "strangers sign too": ([1], 1, [3, 1, 4], True),
    "only strangers": ([2], 1, [1, 3, 4], False),
    "one of three is a stranger": ([0, 1, 3, 4, 5], 3, [0, 2, 4], False),
    "one too few": ([0, 1, 3, 4, 5], 3, [0, 4], False),
    "3 of 5": ([0, 1, 2, 3, 4], 3, [0, 2, 4], True),
    "3 of 5, unsorted": ([0, 1, 2, 3, 4], 3, [0, 4, 1], True),
    "3 of 5, others": ([0, 1, 2, 3, 4], 3, [0, 1, 3], True),
    "3 of 5, the middle": ([0, 1, 2, 3, 4], 3, [1, 2, 3], True),
    "3 of 5, the last": ([0, 1, 2, 3, 4], 3, [2, 3, 4], True),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("role", REST)
def test_rotation_of_other_roles(repo, client, role, name):
    keys, threshold, signers, accepted = OTHERS[name]
    repo.role(role).update(keyids=[], threshold=threshold)
    repo.signers[role] = [spare(100 + n) for n in signers]
    for n in keys:
        repo.trust(role, spare(100 + n), sign=False)
    repo.publish("root", *REST)
    assert client.refresh() == (0 if accepted else 1), client.error
    assert (client.stored(role) == repo.latest(role)) == accepted


@pytest.mark.parametrize("name", OTHERS)
def test_rotation_of_one_role_after_the_other(repo, client, name):
    """One client lives through it all. Once a role is not signed well, nothing below it is
    taken, although the roots that follow are."""
    keys, threshold, signers, accepted = OTHERS[name]
    for count, role in enumerate(("timestamp", "snapshot", "targets"), 2):
        repo.role(role).update(keyids=[], threshold=threshold)
        repo.signers[role] = [spare(100 + n, "ecdsa") for n in signers]
        for n in keys:
            repo.trust(role, spare(100 + n, "ecdsa"), sign=False)
        repo.publish("root", *REST)
        assert client.refresh() == (0 if accepted else 1), client.error
        assert client.stored("root") == repo.latest("root")
        assert_trusted(client, **({role: count for role in TOP} if accepted
                                  else {"root": count}))


# -- delegations --------------------------------------------------------------------------------

# Delegator, name, options …; the roles that a search for "missing" visits, in order.
GRAPHS = {
    "one": ([("targets", "A")], "A"),
    "two": ([("targets", "A"), ("targets", "B")], "AB"),
    "two levels": ([("targets", "A"), ("targets", "B"), ("B", "C")], "ABC"),
    "depth first": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("A", "D")], "ACDB"),
    "depth first, three levels":
        ([("targets", "A"), ("targets", "B"), ("A", "C"), ("C", "D")], "ACDB"),
    "terminating ends all": ([("targets", "A"), ("targets", "B"),
                              ("A", "C", {"terminating": True}), ("A", "D")], "AC"),
    "terminating, but for what is below": ([("targets", "A"), ("targets", "B"),
                                            ("A", "C", {"terminating": True}), ("C", "D")],
                                           "ACD"),
    "terminating of other paths ends nothing":
        ([("targets", "A", {"terminating": True, "paths": ["*.py"]}), ("targets", "B")], "B"),
    "other paths": ([("targets", "A", {"paths": ["*.py"]}), ("targets", "B"), ("A", "C")], "B"),
    "other paths below": ([("targets", "A"), ("targets", "B"), ("A", "C", {"paths": ["*.py"]}),
                           ("C", "D")], "AB"),
    "a cycle": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("C", "D"), ("D", "B")],
                "ABCD"),
    "delegates to itself": ([("targets", "A"), ("A", "A"), ("A", "B")], "AB"),
    "two delegate to a third":
        ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C")], "ACB"),
    "two delegate to a third, other paths":
        ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C", {"paths": ["*.py"]})],
         "ABC"),
}


def build(repo, graph):
    keys = {}
    for delegator, name, *options in graph:
        options = options[0] if options else {}
        keys[name] = repo.delegate(delegator, name, key=keys.get(name), **options)
        repo.signers[name] = [keys[name]]
    return list(keys)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_order_of_a_search(repo, client, name):
    graph, visited = GRAPHS[name]
    repo.publish(*build(repo, graph), *REST)
    assert client.download("missing") == 1
    assert repo.metadata_requests() == ["2.root", "timestamp", "2.snapshot", "2.targets",
                                        *[f"1.{role}" for role in visited]]
    assert set(client.trusted()) == {*TOP, *visited}


@pytest.mark.parametrize("path, found, visited", [
    ("targetfile", True, ""), ("README.md", True, "A"), ("releases/x/x_v1", True, "BC"),
    ("releases/y/y_v1.zip", True, "BD"), ("releases/z/z_v1.zip", False, "B"),
    ("releases/x/y/x_v1", False, ""), ("a/README.md", False, ""), ("readme.MD", False, ""),
    ("README.MD", False, ""), ("foo-1.tgz", True, "A"), ("foo-10.tgz", False, ""),
    ("foo-.tgz", False, ""), ("foo-ü.tgz", True, "A"), ("foo-/.tgz", False, "")])
def test_the_tree_of_delegations_leads_to_a_target(repo, client, path, found, visited):
    roles = build(repo, [("targets", "A", {"paths": ["*.doc", "*.md", "foo-?.tgz"]}),
                         ("targets", "B", {"paths": ["releases/*/*"]}),
                         ("B", "C", {"paths": ["releases/x/*"]}),
                         ("B", "D", {"paths": ["releases/y/*.zip"]})])
    for role, target in [("targets", "targetfile"), ("A", "README.md"),
                         ("C", "releases/x/x_v1"), ("D", "releases/y/y_v1.zip"),
                         ("D", "releases/z/z_v1.zip"), ("A", "a/README.md"),
                         ("A", "README.MD"), ("A", "foo-1.tgz"), ("A", "foo-10.tgz"),
                         ("A", "foo-.tgz"), ("A", "foo-ü.tgz"), ("A", "foo-/.tgz")]:
        repo.target(role, target, target.encode())
    repo.publish(*roles, *REST)
    assert client.download(path) == (0 if found else 1), client.error
    assert client.downloaded() == ([path.encode()] if found else [])
    assert repo.metadata_requests()[4:] == [f"1.{role}" for role in visited]


def test_delegated_metadata_is_not_fetched_again(repo, client):
    repo.publish(*build(repo, [("targets", "A"), ("A", "B")]), *REST)
    repo.target("B", "b", b"b")
    repo.publish("B", "snapshot", "timestamp")
    assert client.download("b") == 0, client.error
    repo.requests.clear()
    assert client.download("b") == 0
    assert repo.requests == ["metadata/2.root.json", "metadata/timestamp.json"]
    repo.publish("A", "snapshot", "timestamp")
    repo.requests.clear()
    assert client.download("b") == 0
    assert repo.metadata_requests() == ["2.root", "timestamp", "4.snapshot", "2.A"]


def test_the_first_role_that_lists_a_target_has_the_word(repo, client):
    roles = build(repo, [("targets", "A"), ("A", "C"), ("targets", "B")])
    repo.target("B", "x", b"from B")
    repo.target("C", "x", b"from C")
    repo.publish(*roles, *REST)
    assert client.download("x") == 0, client.error
    assert client.downloaded() == [b"from C"]


@pytest.mark.parametrize("broken", ["missing", "unsigned", "unlisted", "version"])
def test_a_broken_role_ends_the_search(repo, client, broken):
    roles = build(repo, [("targets", "A"), ("targets", "B")])
    repo.target("B", "x", b"from B")
    if broken == "unsigned":
        repo.signers["A"].clear()
    repo.publish(*roles)
    if broken == "unlisted":
        del repo.body["snapshot"]["meta"]["A.json"]
    if broken == "version":
        repo.body["snapshot"]["meta"]["A.json"]["version"] = 2
        repo.files["metadata/2.A.json"] = repo.latest("A")
    repo.publish(*REST)
    if broken == "missing":
        repo.files["metadata/1.A.json"] = 404
    assert client.download("x") == 1
    assert client.downloaded() == []
    assert "A" not in client.trusted() and "B" not in client.trusted()


def test_a_delegated_role_that_snapshot_does_not_list_is_not_asked_for(repo, client):
    delegated(repo)
    repo.publish("delegated", "targets")
    del repo.body["snapshot"]["meta"]["delegated.json"]
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 0, client.error
    repo.requests.clear()
    assert client.download("delegated/first") == 1
    assert "does not list the role delegated" in client.error
    assert repo.requests == ["metadata/2.root.json", "metadata/timestamp.json"]
    assert_trusted(client, root=1, timestamp=2, snapshot=2, targets=2)


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_role_is_verified_against_each_of_its_delegators(repo, client, first):
    """A diamond: both A and B delegate to "shared", with keys of their own; it carries the
    signature of one. In one run, the other must not profit from that."""
    build(repo, [("targets", "A", {"paths": ["a/*"]}), ("targets", "B", {"paths": ["b/*"]})])
    keys = {"a": repo.delegate("A", "shared", paths=["a/*"]),
            "b": repo.delegate("B", "shared", paths=["b/*"])}
    second = "b" if first == "a" else "a"
    repo.signers["shared"] = [keys[first]]
    repo.target("shared", "a/file", b"a")
    repo.target("shared", "b/file", b"b")
    repo.publish("shared", "A", "B", *REST)
    assert client.download(f"{first}/file", f"{second}/file") == 1
    assert "0 valid signatures, 1 required" in client.error
    assert client.downloaded() == [first.encode()]
    assert client.download(f"{second}/file") == 1
    assert client.download(f"{first}/file") == 0, client.error


def test_a_diamond_that_both_signed_is_fine(repo, client):
    build(repo, [("targets", "A", {"paths": ["a/*"]}), ("targets", "B", {"paths": ["b/*"]})])
    repo.delegate("A", "shared", paths=["a/*"])
    repo.delegate("B", "shared", paths=["b/*"])
    repo.target("shared", "a/file", b"a")
    repo.target("shared", "b/file", b"b")
    repo.publish("shared", "A", "B", *REST)
    assert client.download("a/file", "b/file") == 0, client.error
    assert client.downloaded() == [b"a", b"b"]
    assert repo.metadata_requests().count("1.shared") == 1


def test_a_role_with_two_paths_to_it_may_have_two_thresholds(repo, client):
    build(repo, [("targets", "A", {"paths": ["a/*"]}), ("targets", "B", {"paths": ["b/*"]})])
    key = repo.delegate("A", "shared", paths=["a/*"])
    repo.delegate("B", "shared", paths=["b/*"], threshold=2, key=key)
    repo.signers["shared"] = [key]
    for path in ("a/file", "b/file"):
        repo.target("shared", path, path.encode())
    repo.publish("shared", "A", "B", *REST)
    assert client.download("a/file") == 0, client.error
    assert client.download("b/file") == 1
    assert "1 valid signature, 2 required" in client.error


# -- downloads --------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["target_file.txt", "path/to/a/target_file.txt", "a/b", "x"])
def test_a_file_is_downloaded(repo, client, path):
    repo.target("targets", path, b"content")
    repo.publish(*REST)
    assert client.refresh() == 0, client.error
    assert client.downloaded() == []
    assert client.download(path) == 0, client.error
    assert client.downloaded() == [b"content"]
    folder, _, name = path.rpartition("/")
    digest = hashlib.sha256(b"content").hexdigest()
    assert repo.target_requests() == [f"{folder}/{digest}.{name}" if folder
                                      else f"{digest}.{name}"]


def test_a_substituted_file_is_refused(repo, client):
    repo.target("targets", "one", b"content of one")
    repo.target("targets", "two", b"content of two")
    repo.publish(*REST)
    assert client.download("one") == 0, client.error
    for path in ("one", "two"):
        repo.put_target(path, b"malicious data")
    client.download("one")
    assert client.downloaded() == [b"content of one"]
    assert client.download("two") == 1
    assert client.downloaded() == [b"content of one"]


def test_a_file_that_changes_often(repo, client):
    for i in range(6):
        repo.target("targets", "file", b"content %d" % i)
        repo.target("targets", f"new-{i}", b"new %d" % i)
        repo.publish(*REST)
        assert client.download("file") == 0, client.error
        assert sorted(client.downloaded())[0] == b"content %d" % i
        assert client.download(f"new-{i}") == 0
        repo.put_target("file", b"malicious %d" % i)
        client.download("file")
        assert sorted(client.downloaded()) == \
            [b"content %d" % i, *[b"new %d" % n for n in range(i + 1)]]


def test_a_cached_file_is_not_fetched_again(repo, client):
    repo.target("targets", "file", b"content")
    repo.publish(*REST)
    assert client.download("file") == 0, client.error
    assert client.download("file") == 0
    assert len(repo.target_requests()) == 1
    next(p for p in client.targets.rglob("*") if p.is_file()).write_bytes(b"damaged")
    assert client.download("file") == 0
    assert len(repo.target_requests()) == 2
    assert client.downloaded() == [b"content"]


def test_several_targets_in_order_up_to_the_first_failure(repo, client):
    for name in ("one", "two", "three"):
        repo.target("targets", name, name.encode())
    repo.publish(*REST)
    assert client.download("two", "one") == 0, client.error
    assert client.downloaded() == [b"two", b"one"]
    assert client.download("missing", "three") == 1
    assert client.downloaded() == [b"two", b"one"]
    assert repo.metadata_requests().count("timestamp") == 2


@pytest.mark.parametrize("algorithms", [["sha256"], ["sha512"], ["sha256", "sha512"],
                                        ["sha384"], ["sha512", "sha256"]])
def test_hash_algorithms(repo, client, algorithms):
    repo.target("targets", "file", b"content", algorithms)
    repo.publish(*REST)
    assert client.download("file") == 0, client.error
    assert client.downloaded() == [b"content"]
    assert len(repo.target_requests()) == 1


def test_every_known_hash_is_checked(repo, client):
    repo.target("targets", "file", b"content", ["sha256", "sha512"])
    repo.body["targets"]["targets"]["file"]["hashes"]["sha512"] = \
        hashlib.sha512(b"other").hexdigest()
    repo.publish(*REST)
    repo.put_target("file", b"content")
    assert client.download("file") == 1
    assert client.downloaded() == []


def test_an_unknown_hash_algorithm_verifies_nothing(repo, client):
    repo.target("targets", "file", b"content", ["sha512"])
    digests = repo.body["targets"]["targets"]["file"]["hashes"]
    digests["unknown-hash"] = digests.pop("sha512")
    repo.publish(*REST)
    assert client.download("file") == 1
    assert client.downloaded() == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_target_that_is_not_served(repo, client, status):
    repo.target("targets", "file", b"content")
    repo.publish(*REST)
    for path in [p for p in repo.files if p.startswith("targets/")]:
        repo.files[path] = status
    assert client.download("file") == 1
    assert len(repo.target_requests()) == 1
    assert client.downloaded() == []


def test_an_empty_file(repo, client):
    repo.target("targets", "empty", b"")
    repo.publish(*REST)
    assert client.download("empty") == 0, client.error
    assert client.downloaded() == [b""]


# -- quoting ----------------------------------------------------------------------------------

@pytest.mark.parametrize("role", [
    "?", "#", "/delegatedrole", "../delegatedrole", "a b", "%2e", "ü/ß", "..", ".", "a&b=c;d",
    "\\", "C:\\x", "~", "*", "1.root", "-"])
def test_strange_role_names(repo, client, role):
    """Each is one request below the metadata's folder, and one file in the client's."""
    repo.delegate("targets", role)
    repo.target(role, "file", b"content")
    repo.publish(role, *REST)
    before = {p for p in client.metadata.parent.rglob("*")}
    assert client.download("file") == 0, client.error
    assert repo.requests[4:5] == [f"metadata/1.{urllib.parse.quote(role, safe='')}.json"]
    assert len(client.trusted()) == 5
    new = {p for p in client.metadata.parent.rglob("*")} - before
    assert {p.parent for p in new} == {client.metadata, client.targets}


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_a_delegated_role_cannot_take_the_place_of_a_top_level_one(repo, client, role):
    repo.delegate("targets", role)
    repo.body["snapshot"]["meta"].setdefault(f"{role}.json", {"version": 1})
    repo.publish("targets", "snapshot", "timestamp")
    assert client.download("file") == 1
    for name, raw in [(r, client.stored(r)) for r in TOP]:
        if raw:
            assert json.loads(raw)["signed"]["_type"] == name


@pytest.mark.parametrize("path, request_path", [
    ("a b", "a%20b"), ("ü/ß", "%C3%BC/%C3%9F"), ("a/?x", "a/%3Fx"), ("#a", "%23a"),
    ("a+b", "a+b"), ("a[1]", "a%5B1%5D"), ("日本/語.gguf", "%E6%97%A5%E6%9C%AC/%E8%AA%9E.gguf")])
def test_strange_target_paths(repo, client, path, request_path):
    repo.target("targets", path, b"content")
    repo.publish(*REST)
    assert client.download(path) == 0, client.error
    folder, _, name = request_path.rpartition("/")
    digest = hashlib.sha256(b"content").hexdigest()
    assert repo.target_requests() == [f"{folder}/{digest}.{name}" if folder
                                      else f"{digest}.{name}"]


@pytest.mark.parametrize("path", ["../outside", "/absolute", "a/../../outside", "..", ".",
                                  "a//b", "a/", "C:\\x", "..\\outside"])
def test_no_target_path_leaves_the_folder(repo, client, path):
    """They may be downloaded, or refused; what is written stays in the folder."""
    repo.target("targets", path, b"content")
    repo.publish(*REST)
    client.refresh()
    before = {p for p in client.metadata.parent.rglob("*")}
    result = client.download(path)
    new = {p for p in client.metadata.parent.rglob("*")} - before
    assert all(p.parent == client.targets for p in new)
    assert client.downloaded() == ([b"content"] if result == 0 else [])


def test_a_name_in_the_url_stays_as_it_is(tuf_server, tmp_path):
    repo = tuf_server.add("a[b] c%d")
    client = tuf_simulator.Client(TOOLS / "tuf-client", tmp_path / "client", repo)
    assert client.init() == 0
    assert "%5B" in repo.url
    assert client.refresh() == 0, client.error


# -- repositories as others write them ------------------------------------------------------------

def new_client(tuf_server, tmp_path, request, **options):
    repo = tuf_server.add(request.node.name, **options)
    client = tuf_simulator.Client(TOOLS / "tuf-client", tmp_path / "client", repo)
    assert client.init() == 0
    return repo, client


def test_without_consistent_snapshots(tuf_server, tmp_path, request):
    repo, client = new_client(tuf_server, tmp_path, request, consistent=False)
    repo.delegate("targets", "../x y", paths=["*/*"])
    repo.target("targets", "a/one", b"one")
    repo.target("../x y", "b/two", b"two")
    repo.publish("../x y", *REST)
    assert client.download("a/one", "b/two") == 0, client.error
    assert repo.requests == ["metadata/2.root.json", "metadata/timestamp.json",
                             "metadata/snapshot.json", "metadata/targets.json", "targets/a/one",
                             "metadata/..%2Fx%20y.json", "targets/b/two"]
    assert client.downloaded() == [b"one", b"two"]


def test_consistent_snapshots_may_come_later(tuf_server, tmp_path, request):
    repo, client = new_client(tuf_server, tmp_path, request, consistent=False)
    assert client.refresh() == 0, client.error
    repo.root["consistent_snapshot"] = True
    repo.target("targets", "one", b"one")
    repo.publish("root", *REST)
    assert client.download("one") == 0, client.error
    assert repo.metadata_requests()[-5:] == ["2.root", "3.root", "timestamp", "2.snapshot",
                                             "2.targets"]


def test_without_the_member_a_snapshot_is_not_consistent(tuf_server, tmp_path, request):
    """consistent_snapshot is optional in root."""
    repo, client = new_client(tuf_server, tmp_path, request, consistent=False)
    before = repo.consistent
    root = json.loads(json.dumps(repo.root))
    del root["consistent_snapshot"]
    data = tuf_simulator.canonical(root).encode()
    envelope = {"signatures": [{"keyid": k.id, "sig": k.sign(data)}
                               for k in repo.signers["root"]], "signed": root}
    (client.metadata / "root.json").unlink()
    assert not before and client.init(json.dumps(envelope).encode()) == 0, client.error
    assert client.refresh() == 0, client.error
    assert repo.metadata_requests() == ["2.root", "timestamp", "snapshot", "targets"]


def test_the_shape_that_git_based_tools_write(repo, client):
    """tuf-on-ci and the like: periods as custom members, key owners, an empty signature for
    whoever has not signed yet, one delegated role with many depths of paths."""
    for role in TOP:
        repo.body[role].update({"x-tuf-on-ci-expiry-period": 7300,
                                "x-tuf-on-ci-signing-period": 60})
    owner = Key("ecdsa", **{"x-tuf-on-ci-keyowner": "@someone"})
    online = Key("ecdsa", **{"x-tuf-on-ci-online-uri": "gcpkms:projects/a/locations/b"})
    for role, key in [("root", owner), ("targets", owner), ("snapshot", online),
                      ("timestamp", online)]:
        repo.trust(role, key)
    repo.role("timestamp").update({"x-tuf-on-ci-expiry-period": 7})
    repo.delegate("targets", "registry.example.org", terminating=True,
                  paths=["r/*", "r/*/*", "r/*/*/*", "r/*/*/*/*"])
    absent = repo.trust("registry.example.org", Key("ecdsa"), "targets", sign=False)
    repo.target("registry.example.org", "r/a/b.json", b"{}",
                custom={"usage": "keys", "status": "Active", "uri": "https://example.org"})
    repo.publish("root", "registry.example.org")
    repo.alter("registry.example.org", lambda envelope: envelope["signatures"].append(
        {"keyid": absent.id, "sig": ""}))
    repo.publish(*REST)
    assert client.refresh() == 0, client.error
    assert client.download("r/a/b.json") == 0, client.error
    assert client.downloaded() == [b"{}"]


def test_the_shape_of_an_old_repository_that_changed_its_tools(repo, client):
    """Snapshot lists what nobody delegates to any more, the root among it; hashes stand at
    some entries only; spec_version has two numbers; key ids are of another time; people
    whose keys were taken away have signed the root, too."""
    gone = repo.new_key("ecdsa")
    for role in TOP:
        repo.body[role]["spec_version"] = "1.0"
        for number in range(3 if role in ("root", "targets") else 1):
            repo.trust(role, Key("ecdsa", id=hashlib.sha256(f"{role}{number}".encode()).hexdigest(),
                                 keyid_hash_algorithms=["sha256", "sha512"]))
    repo.role("root")["threshold"] = repo.role("targets")["threshold"] = 3
    repo.signers["root"].append(gone)
    for name in ("root", "rekor", "revocation"):
        repo.body["snapshot"]["meta"][f"{name}.json"] = {
            "version": 2, "length": 5297, "hashes": {"sha256": "ab" * 32, "sha512": "cd" * 64}}
    repo.delegate("targets", "registry.example.org", terminating=True,
                  paths=["registry.example.org/*"])
    repo.target("targets", "key.pub", b"key", ["sha256", "sha512"],
                custom={"sigstore": {"status": "Active", "usage": "Unknown"}})
    repo.target("registry.example.org", "registry.example.org/keys.json", b"{}",
                ["sha256", "sha512"])
    repo.publish("root", "registry.example.org", *REST)
    for role in ("root", "targets"):
        repo.alter(role, lambda envelope: envelope["signatures"].append(
            {"keyid": "ef" * 32, "sig": ""}))
    assert client.refresh() == 0, client.error
    assert client.download("key.pub", "registry.example.org/keys.json") == 0, client.error
    assert client.downloaded() == [b"key", b"{}"]


def test_a_long_chain_from_an_old_root(repo, client):
    """Keys and kinds of keys change on the way, some roots have expired long ago."""
    for i, kind in enumerate(["ecdsa", "rsa", "ed25519", "ecdsa", "ed25519", "rsa"]):
        old = list(repo.signers["root"])
        repo.rotate("root", kind)
        if i % 2:
            repo.rotate("timestamp", kind)
        new = list(repo.signers["root"])
        repo.signers["root"] = new + old
        repo.root["expires"] = when(now() - 100 * DAY if i < 5 else now() + 100 * DAY)
        repo.publish("root", *REST)
        repo.signers["root"] = new
    assert client.refresh() == 0, client.error
    assert_trusted(client, root=7, timestamp=7, snapshot=7, targets=7)

