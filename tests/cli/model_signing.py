"""A verifier of OpenSSF Model Signing 1.0 with a public key, as small as the format allows, and
with none of our code: json, hashlib and openssl. It does what `model_signing verify key FOLDER
--signature BUNDLE --public_key KEY` does, and is stricter about what it does not know."""

import base64
import hashlib
import json
import pathlib
import subprocess

PAYLOAD = "application/vnd.in-toto+json"
GIT = [".git", ".gitattributes", ".github", ".gitignore"]   # never of interest to the tool


class Refused(Exception):
    """Why."""


def need(condition, why):
    if not condition:
        raise Refused(why)


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True)


def members(value, *names):
    need(isinstance(value, dict) and set(value) == set(names), f"members of {value}")
    return [value[name] for name in names]


def key_hint(key):
    """The tool writes the key anew before it hashes it: PEM, uncompressed."""
    read = openssl("ec", "-pubin", "-in", key, "-conv_form", "uncompressed", "-param_enc",
                   "named_curve", "-pubout")
    need(read.returncode == 0, "not an elliptic curve key")
    return hashlib.sha256(read.stdout).hexdigest()


def open_bundle(bundle, key, scratch):
    """What the key signed."""
    media, material, envelope = members(json.loads(bundle), "mediaType", "verificationMaterial",
                                        "dsseEnvelope")
    need(media == "application/vnd.dev.sigstore.bundle.v0.3+json", media)
    public, log = members(material, "publicKey", "tlogEntries")
    need(log == [], "entries of a log")
    need(members(public, "hint") == [key_hint(key)], "signed with another key")
    payload, kind, signatures = members(envelope, "payload", "payloadType", "signatures")
    need(kind == PAYLOAD, kind)
    need(len(signatures) == 1, "not one signature")
    sig, keyid = members(signatures[0], "sig", "keyid")
    need(keyid == "", "a key id")
    payload = base64.b64decode(payload, validate=True)
    (scratch / "sig").write_bytes(base64.b64decode(sig, validate=True))
    (scratch / "pae").write_bytes(
        f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    verified = openssl("dgst", "-sha256", "-verify", key, "-signature", scratch / "sig",
                       scratch / "pae")
    need(verified.returncode == 0, "the signature does not verify")
    return json.loads(payload)


def listed(statement):
    """Name of the model, digests by path, and what is ignored."""
    kind, subject, predicate_type, predicate = members(
        statement, "_type", "subject", "predicateType", "predicate")
    need(kind == "https://in-toto.io/Statement/v1", kind)
    need(predicate_type == "https://model_signing/signature/v1.0", predicate_type)
    need(len(subject) == 1, "not one subject")
    name, digest = members(subject[0], "name", "digest")
    [root] = members(digest, "sha256")
    serialization, resources = members(predicate, "serialization", "resources")
    method, hash_type, links, ignored = members(serialization, "method", "hash_type",
                                                "allow_symlinks", "ignore_paths")
    need((method, hash_type, links) == ("files", "sha256", False), "another serialization")
    files, whole = {}, hashlib.sha256()
    for resource in resources:
        path, algorithm, value = members(resource, "name", "algorithm", "digest")
        need(algorithm == "sha256" and path not in files, path)
        files[path] = value
        whole.update(bytes.fromhex(value))
    need(whole.hexdigest() == root, "the digest of all is not that of each")
    need(list(files) == [str(p) for p in sorted(map(pathlib.PurePosixPath, files))], "the order")
    return name, files, ignored


def verify(folder, bundle, key, scratch):
    """Returns the model's name and its files. Raises Refused."""
    folder = pathlib.Path(folder)
    name, files, ignored = listed(open_bundle(bundle, key, pathlib.Path(scratch)))
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if any(relative.is_relative_to(i) for i in [*ignored, *GIT]):
            continue
        need(not path.is_symlink(), f"{relative} is a link")
        if path.is_file():
            found[relative.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    need(found == files, f"the folder has {found}, signed is {files}")
    return name, list(files)
