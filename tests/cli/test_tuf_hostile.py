"""What the public conformance suite does not cover: the TUF client against succinct roles,
hash prefixes, bodies without an end, ceilings, and JSON that means harm. In each case all
else is right (signatures in particular), so that only the named thing can be what fails."""
import hashlib
import itertools
import json
import subprocess

import pytest

from tuf_fixtures import client, repo, tuf_server   # noqa: F401 (fixtures)
from tuf_simulator import DAY, TOP, Answer, Key, now, when

REST = ("targets", "snapshot", "timestamp")
CEILINGS = {"root": 512000, "timestamp": 16384, "snapshot": 2000000, "targets": 5000000}
SOCKETS = 8 << 20       # bytes that may be on their way when the client hangs up


def path_hash(path):
    return hashlib.sha256(path.encode()).hexdigest()


# -- succinct roles -----------------------------------------------------------------------

@pytest.mark.parametrize("bits, path, name", [
    # From TAP 15's own arithmetic: the first 4 bytes of the digest, the uppermost bits.
    (1, "a", "bin-1"), (4, "a", "bin-c"), (5, "a", "bin-19"), (8, "a", "bin-ca"),
    (8, "models/x.gguf", None), (9, "models/x.gguf", None), (3, "日本/語.gguf", None)])
def test_bins_are_found(repo, client, bits, path, name):
    names = repo.bins("targets", bits, "bin")
    mine = names[int(path_hash(path)[:8], 16) >> (32 - bits)]
    assert name in (None, mine)
    repo.target(mine, path, b"content")
    repo.publish(mine, *REST)
    for other in names:         # listed, as they all must be, but not served
        repo.body["snapshot"]["meta"].setdefault(f"{other}.json", {"version": 1})
    repo.publish("snapshot", "timestamp")
    assert client.download(path) == 0, client.error
    assert repo.metadata_requests()[4:] == [f"1.{mine}"]
    assert client.downloaded() == [b"content"]


def test_bins_of_32_bits_have_eight_digits(repo, client):
    key = repo.new_key()
    repo.body["targets"]["delegations"] = {
        "keys": {key.id: key.object},
        "succinct_roles": {"keyids": [key.id], "threshold": 1, "bit_length": 32,
                           "name_prefix": "x"}}
    name = f"x-{path_hash('a')[:8]}"
    repo.body[name] = repo.new_body(name)
    repo.signers[name] = [key]
    repo.target(name, "a", b"content")
    repo.publish(name, *REST)
    assert client.download("a") == 0, client.error
    assert repo.metadata_requests()[4:] == [f"1.{name}"]


def test_a_bin_is_the_last_word(repo, client):
    """Every bin is terminating: what other roles list is not asked."""
    repo.delegate("targets", "A")
    repo.delegate("targets", "B")
    names = repo.bins("A", 1, "bin")
    repo.target("B", "a", b"from B")
    repo.publish("A", "B", *names, *REST)
    assert client.download("a") == 1
    assert repo.metadata_requests()[4:] == ["1.A", "1.bin-1"]


@pytest.mark.parametrize("bits", [0, 33, -1, 1 << 40, "8", 8.5, None])
def test_bit_lengths_that_mean_nothing(repo, client, bits):
    repo.bins("targets", 1, "bin")
    repo.publish("bin-0", "bin-1", "targets")
    if isinstance(bits, float):
        repo.serve("targets", repo.latest("targets").replace(b'"bit_length": 1', b'"bit_length": 8.5'))
    else:
        repo.body["targets"]["delegations"]["succinct_roles"]["bit_length"] = bits
        repo.publish("targets", bump=False)
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "targets" not in client.trusted()


def test_both_kinds_of_delegations_at_once_are_refused(repo, client):
    repo.bins("targets", 1, "bin")
    repo.body["targets"]["delegations"]["roles"] = []
    repo.publish(*REST)
    assert client.refresh() == 1
    assert "targets" not in client.trusted()


@pytest.mark.parametrize("signer", ["nobody", "stranger"])
def test_a_bin_must_be_signed(repo, client, signer):
    repo.bins("targets", 1, "bin")
    repo.target("bin-1", "a", b"content")
    repo.signers["bin-1"] = [] if signer == "nobody" else [repo.new_key()]
    repo.publish("bin-0", "bin-1", *REST)
    assert client.download("a") == 1
    assert "0 valid signatures, 1 required" in client.error


def test_a_bin_of_another_number_is_not_taken(repo, client):
    """Bins share their keys: only their place tells them apart, and what they may list."""
    repo.bins("targets", 1, "bin")
    repo.target("bin-0", "a", b"content")       # "a" belongs into bin-1
    repo.publish("bin-0", "bin-1", *REST)
    assert client.download("a") == 1
    assert client.downloaded() == []


# -- hash prefixes ------------------------------------------------------------------------

@pytest.mark.parametrize("prefixes, found", [
    (["c"], True), (["ca"], True), (["00", "ca978"], True), ([path_hash("a")], True),
    (["0"], False), (["cb"], False), ([], False), ([path_hash("a") + "0"], False)])
def test_hash_prefixes(repo, client, prefixes, found):
    assert path_hash("a").startswith("ca978112ca")
    repo.delegate("targets", "A", prefixes=prefixes)
    repo.target("A", "a", b"content")
    repo.publish("A", *REST)
    assert client.download("a") == (0 if found else 1), client.error
    assert repo.metadata_requests()[4:] == (["1.A"] if found else [])


def test_hash_prefixes_are_of_the_path_as_utf8(repo, client):
    path = "モデル/größe.gguf"
    repo.delegate("targets", "A", prefixes=[path_hash(path)[:6]])
    repo.target("A", path, b"content")
    repo.publish("A", *REST)
    assert client.download(path) == 0, client.error
    assert client.downloaded() == [b"content"]


@pytest.mark.parametrize("change", [
    lambda role: role.update(path_hash_prefixes=["ca"], paths=["*"]),
    lambda role: role.pop("paths"),
    lambda role: role.update(paths=None),
    lambda role: role.update(paths="*"),
    lambda role: role.update(paths=[1])])
def test_a_delegation_has_one_kind_of_paths(repo, client, change):
    repo.delegate("targets", "A")
    change(repo.role("A", "targets"))
    repo.publish("A", *REST)
    assert client.refresh() == 1
    assert "targets" not in client.trusted()


# -- unicode ------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["größe.gguf", "日本語/モデル.gguf", "🚢/ferry.gguf",
                                  "e\u0301", "\u00e9", "a\u202eb", "א/ב"])
def test_unicode_paths_are_compared_byte_by_byte(repo, client, path):
    repo.delegate("targets", "A", paths=["*", "*/*"])
    repo.target("A", path, path.encode())
    repo.target("A", "\u00e9" if path == "e\u0301" else "e\u0301x", b"looks alike")
    repo.publish("A", *REST)
    assert client.download(path) == 0, client.error
    assert client.downloaded() == [path.encode()]


@pytest.mark.parametrize("pattern, path, fits", [
    ("?", "é", True), ("??", "é", False), ("[à-ü]", "é", True), ("*.gguf", "日.gguf", True),
    ("É", "é", False), ("*", ".hidden", True), ("[!a]", "a", False), ("[", "[", True)])
def test_patterns(repo, client, pattern, path, fits):
    repo.delegate("targets", "A", paths=[pattern])
    repo.target("A", path, b"content")
    repo.publish("A", *REST)
    assert client.download(path) == (0 if fits else 1), client.error


def test_a_pattern_of_many_stars_is_no_trap(repo, client):
    repo.delegate("targets", "A", paths=["*a" * 200 + "b"])
    repo.publish("A", *REST)
    assert client.download("a" * 200) == 1
    assert "no signed metadata lists" in client.error


# -- bodies -------------------------------------------------------------------------------

def file_of(role):
    return {"root": "metadata/2.root.json", "timestamp": "metadata/timestamp.json"}.get(
        role, f"metadata/1.{role}.json")


@pytest.mark.parametrize("role", TOP)
def test_an_endless_body_is_cut_at_its_ceiling(repo, client, role):
    repo.files[file_of(role)] = Answer(itertools.repeat(b" " * 4096))
    assert client.refresh() == 1
    assert str(CEILINGS[role]) in client.error or "larger" in client.error, client.error
    assert repo.sent[file_of(role)] <= CEILINGS[role] + SOCKETS
    assert role not in client.trusted() or role == "root"


@pytest.mark.parametrize("role", REST)
@pytest.mark.parametrize("over", [0, 1])
def test_ceilings_are_exact(repo, client, role, over):
    """White space makes a valid file as large as one likes."""
    raw = repo.files[file_of(role)]
    repo.files[file_of(role)] = raw + b" " * (CEILINGS[role] + over - len(raw))
    assert client.refresh() == over, client.error
    assert (role in client.trusted()) == (over == 0)


@pytest.mark.parametrize("over", [0, 1])
def test_the_ceiling_of_root_is_exact(repo, client, over):
    repo.publish("root")
    raw = repo.files["metadata/2.root.json"]
    repo.files["metadata/2.root.json"] = raw + b" " * (CEILINGS["root"] + over - len(raw))
    assert client.refresh() == over, client.error
    assert client.trusted()["root"] == 2 - over


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_signed_length_is_the_ceiling(repo, client, role):
    repo.with_hashes = True
    repo.publish(*REST)
    name = f"metadata/2.{role}.json"
    repo.files[name] = Answer(itertools.chain([repo.files[name]], itertools.repeat(b" " * 512)))
    assert client.refresh() == 1
    assert repo.sent[name] <= SOCKETS
    assert role not in client.trusted()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_signed_length_raises_no_ceiling(repo, client, role):
    repo.with_hashes = True
    repo.publish("targets")
    if role == "targets":
        large = repo.latest(role) + b" " * (CEILINGS[role] + 1 - len(repo.latest(role)))
        repo.serve(role, large)
    repo.publish("snapshot")
    if role == "snapshot":
        large = repo.latest(role) + b" " * (CEILINGS[role] + 1 - len(repo.latest(role)))
        repo.serve(role, large)
    repo.publish("timestamp")
    assert client.refresh() == 1
    assert str(CEILINGS[role]) in client.error
    assert role not in client.trusted()


@pytest.mark.parametrize("length", [1 << 62, 5000001])
def test_a_body_that_announces_too_much_is_not_read(repo, client, length):
    repo.files[file_of("targets")] = Answer(itertools.repeat(b" " * 4096), length=length)
    assert client.refresh() == 1
    assert repo.sent[file_of("targets")] <= CEILINGS["targets"] + SOCKETS
    assert "targets" not in client.trusted()


def test_an_endless_delegated_role_is_cut(repo, client):
    repo.delegate("targets", "A")
    repo.publish("A", *REST)
    repo.files["metadata/1.A.json"] = Answer(itertools.repeat(b" " * 4096))
    assert client.download("a") == 1
    assert repo.sent["metadata/1.A.json"] <= CEILINGS["targets"] + SOCKETS
    assert "A" not in client.trusted()


def test_an_endless_target_is_cut_at_its_signed_length(repo, client):
    repo.target("targets", "a", b"content")
    repo.publish(*REST)
    repo.put_target("a", Answer(itertools.repeat(b"content")))
    assert client.download("a") == 1
    name = repo.target_requests()[0]
    assert repo.sent[f"targets/{name}"] <= SOCKETS
    assert client.downloaded() == []


@pytest.mark.parametrize("role", REST)
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"<html></html>", b"\0" * 100])
def test_other_content_is_refused(repo, client, role, content):
    repo.files[file_of(role)] = content
    assert client.refresh() == 1
    assert role not in client.trusted()
    repo.files[file_of(role)] = repo.latest(role)
    assert client.refresh() == 0, client.error


@pytest.mark.parametrize("role", REST)
def test_a_body_that_breaks_off_is_refused(repo, client, role):
    raw = repo.latest(role)
    repo.files[file_of(role)] = Answer(raw[:len(raw) // 2], length=len(raw))
    assert client.refresh() == 1
    assert role not in client.trusted()


def test_a_redirect_to_another_file_is_no_way_around_the_checks(repo, client):
    repo.publish("targets")
    repo.files["metadata/timestamp.json"] = Answer(
        status=302, length=0, headers=[("Location", f"{repo.url}/metadata/1.targets.json")])
    assert client.refresh() == 1
    assert set(client.trusted()) == {"root"}


# -- ceilings on counts -----------------------------------------------------------------

def test_root_rotations_have_a_ceiling(repo, client):
    """256 in one refresh; the next one goes on from there."""
    for _ in range(260):
        repo.publish("root")
    client.refresh()
    assert client.trusted()["root"] == 257
    assert len([r for r in repo.metadata_requests() if r.endswith(".root")]) == 256
    assert client.refresh() == 0, client.error
    assert client.trusted()["root"] == 261


@pytest.mark.parametrize("count, found", [(32, True), (33, False)])
def test_delegations_have_a_ceiling(repo, client, count, found):
    parent, names = "targets", [f"role{i}" for i in range(count)]
    for name in names:
        repo.delegate(parent, name)
        parent = name
    repo.target(names[-1], "a", b"content")
    repo.publish(*names, *REST)
    assert client.download("a") == (0 if found else 1), client.error
    assert len(repo.metadata_requests()) == 4 + 32
    if not found:
        assert "more than 32" in client.error


@pytest.mark.parametrize("count", [5000, 40000])
def test_very_many_delegations_are_refused(repo, client, count):
    key = repo.delegate("targets", "A")
    entry = repo.role("A", "targets")
    repo.body["targets"]["delegations"]["roles"] = [
        {**entry, "name": f"r{i}", "paths": []} for i in range(count)]
    repo.publish("A", *REST)
    assert key and client.refresh() == 1
    assert "targets" not in client.trusted()


# -- thresholds, keys -------------------------------------------------------------------

@pytest.mark.parametrize("threshold", [0, -1, -(1 << 63), 1 << 63, 1 << 70, True, "1", None, []])
@pytest.mark.parametrize("where", ["root", "delegation", "bins"])
def test_thresholds_below_one_or_senseless(repo, client, threshold, where):
    if where == "root":
        repo.role("timestamp")["threshold"] = threshold
        repo.publish("root", *REST)
    elif where == "delegation":
        repo.delegate("targets", "A", threshold=threshold)
        repo.publish("A", *REST)
    else:
        repo.bins("targets", 1, "bin")
        repo.body["targets"]["delegations"]["succinct_roles"]["threshold"] = threshold
        repo.publish("bin-0", "bin-1", *REST)
    assert client.refresh() == 1
    assert client.trusted()["root"] == 1
    assert "targets" not in client.trusted()


def test_a_delegated_role_with_one_key_under_two_ids(repo, client):
    key = repo.delegate("targets", "A", threshold=2)
    repo.trust("A", key.alias("second"), "targets")
    repo.target("A", "a", b"content")
    repo.publish("A", *REST)
    assert client.download("a") == 1
    assert "1 valid signature, 2 required" in client.error


def test_one_key_as_ecdsa_under_both_names_is_one_key(repo, client):
    key = Key("ecdsa")
    twin = key.alias("twin")
    twin.object = {**key.object, "keytype": "ecdsa-sha2-nistp256", "x": 1}
    repo.role("timestamp").update(keyids=[], threshold=2)
    repo.signers["timestamp"].clear()
    repo.trust("timestamp", key)
    repo.trust("timestamp", twin)
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error


FORMS = {
    "compressed": ["-conv_form", "compressed"],
    "hybrid": ["-conv_form", "hybrid"],
    "with parameters": ["-param_enc", "explicit"],
}


@pytest.mark.parametrize("form", FORMS)
def test_one_ecdsa_key_in_two_encodings_is_one_key(repo, client, form):
    key = Key("ecdsa")
    text = subprocess.run(["openssl", "ec", "-pubin", *FORMS[form]], check=True, text=True,
                          capture_output=True, input=key.object["keyval"]["public"]).stdout
    assert text != key.object["keyval"]["public"]
    twin = key.alias("twin")
    twin.object = {**key.object, "keyval": {"public": text}}
    repo.role("timestamp").update(keyids=[], threshold=1)
    repo.signers["timestamp"].clear()
    repo.trust("timestamp", twin)
    repo.publish("root", "timestamp")
    assert client.refresh() == 0, client.error      # alone it counts
    repo.trust("timestamp", key)
    repo.role("timestamp")["threshold"] = 2
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error


def test_a_small_rsa_key_does_not_count(repo, client):
    repo.trust("timestamp", Key("rsa", bits=1024))
    repo.role("timestamp")["threshold"] = 2
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    assert "1 valid signature, 2 required" in client.error


# -- JSON -------------------------------------------------------------------------------

def inject(raw, text):
    """A member beside "signed": the signature holds."""
    assert raw.startswith(b"{")
    return b"{" + text + b"," + raw[1:]


HOSTILE = {
    "deep nesting": b'"x":' + b"[" * 7000 + b"]" * 7000,
    "deep nesting of objects": b'"x":' + b'{"a":' * 2500 + b"1" + b"}" * 2500,
    "an unclosed nesting": b'"x":' + b"[" * 7000,
    "a float": b'"x":1.5',
    "a float that is whole": b'"x":1.0',
    "an exponent": b'"x":1e2',
    "a huge number": b'"x":' + b"9" * 5000,
    "more than 64 bits": b'"x":18446744073709551616',
    "a huge exponent": b'"x":1e999999999',
    "NaN": b'"x":NaN',
    "Infinity": b'"x":-Infinity',
    "a leading zero": b'"x":01',
    "a plus": b'"x":+1',
    "hexadecimal": b'"x":0x10',
    "the same member twice": b'"x":1,"x":1',
    "the same member twice, deep down": b'"x":[{"y":{"z":1,"z":2}}]',
    "the same member, written differently": b'"x":1,"\\u0078":2',
    "appears twice": b'"signed":{}',
    "signatures twice": b'"signatures":[]',
    "an escaped NUL": b'"x":"a\\u0000b"',
    "an escaped NUL in a name": b'"a\\u0000b":1',
    "a raw NUL": b'"x":"a\0b"',
    "invalid UTF-8": b'"x":"\xff\xfe"',
    "overlong UTF-8": b'"x":"\xc0\xaf"',
    "a surrogate in UTF-8": b'"x":"\xed\xa0\x80"',
    "half a surrogate pair": b'"x":"\\ud800"',
    "beyond Unicode": b'"x":"\xf4\x90\x80\x80"',
    "a control character": b'"x":"a\nb"',
    "a comment": b'"x":1/* */',
    "single quotes": b"'x':1",
    "a comma too many": b'"x":[1,]',
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("role", ["root", "timestamp", "targets"])
def test_hostile_json_is_refused(repo, client, kind, role):
    """Never a crash; and a healthy file is taken afterwards."""
    repo.publish("root")
    name = file_of(role)
    repo.files[name] = inject(repo.latest(role), HOSTILE[kind])
    assert client.refresh() == 1
    assert client.trusted().get(role) == (1 if role == "root" else None)
    repo.files[name] = repo.latest(role)
    assert client.refresh() == 0, client.error


@pytest.mark.parametrize("before, after", [
    (b"\xef\xbb\xbf", b""), (b"", b"x"), (b"", b"{}"), (b"", b"\0"), (b"[", b"]"),
    (b"{}", b""), (b"", b",")])
def test_nothing_may_stand_around_the_document(repo, client, before, after):
    repo.files["metadata/timestamp.json"] = before + repo.latest("timestamp") + after
    assert client.refresh() == 1
    assert set(client.trusted()) == {"root"}


@pytest.mark.parametrize("change", [
    lambda e: e.update(signatures={}), lambda e: e.update(signatures=None),
    lambda e: e.pop("signatures"), lambda e: e.update(signed=[]),
    lambda e: e["signatures"].append("x"), lambda e: e["signatures"].append({}),
    lambda e: e["signatures"].append({"keyid": 1, "sig": ""}),
    lambda e: e["signatures"].append({"keyid": "a", "sig": None}),
    lambda e: e["signatures"].extend({"keyid": str(i), "sig": ""} for i in range(1100))])
def test_an_envelope_of_another_shape(repo, client, change):
    repo.alter("snapshot", change)
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


@pytest.mark.parametrize("role, change", [
    ("timestamp", lambda b: b.update(version=0)),
    ("timestamp", lambda b: b.update(version=-1)),
    ("timestamp", lambda b: b.update(version="1")),
    ("timestamp", lambda b: b.update(version=True)),
    ("timestamp", lambda b: b.update(expires="tomorrow")),
    ("timestamp", lambda b: b.update(expires="2037-13-01T00:00:00Z")),
    ("timestamp", lambda b: b.update(expires="2037-02-30T00:00:00Z")),
    ("timestamp", lambda b: b.update(expires="2037-01-01T00:00:00+02:00")),
    ("timestamp", lambda b: b.update(expires=2037)),
    ("timestamp", lambda b: b.update(meta={})),
    ("timestamp", lambda b: b.update(meta=[])),
    ("timestamp", lambda b: b["meta"].update({"snapshot.json": 1})),
    ("timestamp", lambda b: b["meta"].update({"snapshot.json": {"version": 0}})),
    ("timestamp", lambda b: b["meta"]["snapshot.json"].update(length=-1)),
    ("timestamp", lambda b: b["meta"]["snapshot.json"].update(length="9")),
    ("timestamp", lambda b: b["meta"]["snapshot.json"].update(hashes={})),
    ("timestamp", lambda b: b["meta"]["snapshot.json"].update(hashes={"sha256": 1})),
    ("timestamp", lambda b: b.pop("spec_version")),
    ("timestamp", lambda b: b.pop("_type")),
    ("snapshot", lambda b: b["meta"].update({"x.json": {}})),
    ("targets", lambda b: b.pop("targets")),
    ("targets", lambda b: b.update(targets=[])),
    ("targets", lambda b: b["targets"].update(a=1)),
    ("targets", lambda b: b["targets"].update(a={"length": 1})),
    ("targets", lambda b: b["targets"].update(a={"length": -1, "hashes": {"sha256": "a"}})),
    ("targets", lambda b: b["targets"].update(a={"length": 1, "hashes": {}})),
    ("targets", lambda b: b["targets"].update(a={"length": 1, "hashes": {"sha256": 5}})),
    ("targets", lambda b: b.update(delegations=[])),
    ("targets", lambda b: b.update(delegations={"keys": {}, "roles": {}})),
    ("targets", lambda b: b.update(delegations={"keys": [], "roles": []})),
    ("targets", lambda b: b.update(delegations={"keys": {}, "roles": [{}]})),
    ("root", lambda b: b["roles"].pop("snapshot")),
    ("root", lambda b: b["roles"].update(timestamp=[])),
    ("root", lambda b: b["roles"]["timestamp"].update(keyids="x")),
    ("root", lambda b: b["roles"]["timestamp"].update(keyids=[1])),
    ("root", lambda b: b.update(keys=[])),
    ("root", lambda b: b["keys"].update(x=1)),
    ("root", lambda b: b["keys"].update(x={"keytype": 1, "scheme": 1, "keyval": 1})),
    ("root", lambda b: b.update(consistent_snapshot="yes"))])
def test_signed_metadata_of_another_shape(repo, client, role, change):
    """Right in its signature, wrong in its schema."""
    if role == "root":
        repo.publish("root")
    change(repo.body[role])
    repo.files[file_of(role)] = json.dumps(repo.envelope(role)).encode()
    assert client.refresh() == 1
    assert client.trusted().get(role) == (1 if role == "root" else None)
    assert client.error.startswith("tuf-client: ") and client.error.count("\n") <= 2


def test_a_snapshot_that_never_listed_targets(repo, client):
    del repo.body["snapshot"]["meta"]["targets.json"]
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "does not list the role targets" in client.error


def test_what_is_told_of_foreign_names_is_harmless(repo, client):
    """Nothing that reaches a terminal is a command to it."""
    repo.delegate("targets", "a\x1b[31m\x07\u202e")
    repo.publish(*REST)
    assert client.download("x\x1b[2J") == 1
    assert "\x1b" not in client.error and "\x07" not in client.error


# -- the trust folder ----------------------------------------------------------------------

@pytest.mark.parametrize("role", REST)
@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 99, None])
def test_stored_metadata_that_is_damaged_is_fetched_again(repo, client, role, damage):
    assert client.refresh() == 0
    raw = client.stored(role)
    if damage is None:
        damage = raw.replace(b'"version"', b'"Version"')
    (client.metadata / f"{role}.json").write_bytes(damage)
    assert client.refresh() == 0, client.error
    assert client.stored(role) == raw


def test_stored_metadata_is_verified_with_the_keys_of_today(repo, client):
    assert client.refresh() == 0
    repo.rotate("targets")
    repo.publish("root", "timestamp")
    assert client.refresh() == 1
    repo.publish(*REST)
    assert client.refresh() == 0, client.error
    assert client.trusted()["targets"] == 2


def test_a_delegated_role_whose_keys_were_taken_away(repo, client):
    repo.delegate("targets", "A")
    repo.target("A", "a", b"content")
    repo.publish("A", *REST)
    assert client.download("a") == 0, client.error
    repo.role("A", "targets")["keyids"].clear()
    key = repo.trust("A", repo.new_key(), "targets", sign=False)
    repo.publish(*REST)
    assert key and client.download("a") == 1
    repo.body["A"]["expires"] = when(now() + 10 * DAY)
    repo.signers["A"] = [key]
    repo.publish("A", "snapshot", "timestamp")
    assert client.download("a") == 0, client.error


def test_a_link_in_the_place_of_a_target_is_not_followed(repo, client, tmp_path):
    repo.target("targets", "a", b"content")
    repo.publish(*REST)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (client.targets / "a").symlink_to(victim)
    assert client.download("a") == 0, client.error
    assert victim.read_bytes() == b"precious"
    assert (client.targets / "a").read_bytes() == b"content"
