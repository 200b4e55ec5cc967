"""OpenSSF Model Signing: what `ferry catalog export model-signature` makes, verified by a
verifier that shares no code with it."""

import json
import pathlib
import shutil

import pytest

import model_signing
from published import flip, publisher, signed_base  # noqa: F401
from test_export import run, variant_files


@pytest.fixture
def plain(publisher):
    """plain("tiny"): a folder with the model's files under their own names."""
    def lay_out(model):
        folder = publisher.dir / f"plain-{model}"
        folder.mkdir(exist_ok=True)
        for f in variant_files(publisher, model):
            shutil.copy(publisher.on("repository", f"*/{f['sha256']}.*.gguf"),
                        folder / pathlib.PurePosixPath(f["path"]).name)
        return folder
    return lay_out


@pytest.fixture
def check(publisher, plain):
    """check(bundle, key in PEM form, model): the folder of the model has what is signed."""
    def verify(bundle, public, model, folder=None):
        key, scratch = publisher.dir / "key.pem", publisher.dir / "scratch"
        scratch.mkdir(exist_ok=True)
        key.write_text(public)
        return model_signing.verify(folder or plain(model), bundle, key, scratch)
    return verify


@pytest.fixture
def shards(publisher, make_gguf):
    """A model of three files, one of them larger than a piece."""
    make_gguf(publisher.dir / "s.gguf", "--size", "30M", "--shards", 3)
    publisher("prepare", "big", publisher.dir / "s-00001-of-00003.gguf", "--set", "license.id=MIT",
              "--set", "summary=For tests")
    publisher("catalog", "add", "models/big")
    publisher("catalog", "sign")
    return [pathlib.PurePosixPath(f["path"]).name for f in variant_files(publisher, "big")]


def sign(publisher, model, key, *options, **more):
    return publisher("catalog", "export", "model-signature", model, "--key", key, *options, **more)


def make_key(publisher, *options):
    publisher("catalog", "key", "new", "models", "--type", "ecdsa-p256", *options)
    return publisher("catalog", "key", "export", "models").out


def test_a_key_of_the_folder(publisher, check, validate):
    public = make_key(publisher)
    text = sign(publisher, "tiny", "models").out
    assert check(text, public, "tiny") == ("tiny:q8_0", ["tiny-q8_0.gguf"])
    result = sign(publisher, "tiny:q8_0", "keys/models.pem", "-o", "model.sig", "--json")
    validate(result.json, "output-catalog-export")
    [document] = result.json["documents"]
    rows = publisher("catalog", "key", "list", "--json").json["keys"]
    assert document["key"] == next(k["id"] for k in rows if k["name"] == "models")
    check((publisher.dir / "model.sig").read_text(), public, "tiny")


def test_what_readers_fetch_is_what_is_signed(publisher, check, shards):
    """From the client's store, as files of a folder with the bundle among them."""
    public = make_key(publisher)
    bundle = sign(publisher, "big", "models").out
    root = publisher.tree / "metadata" / "1.root.json"
    home = publisher.dir / "reader"
    home.mkdir()
    (home / "ferry.conf").write_text(
        f"[repository.test]\nmetadata = file://{publisher.tree}\nroot = {root}\n")
    # No mirror is named: the tree itself is one.
    publisher.ferry("fetch", "big", "-q", "-o", home / "big/", cwd=home)
    (home / "big" / "model.sig").write_text(bundle)
    assert sorted(p.name for p in (home / "big").iterdir()) == [*shards, "model.sig"]
    assert check(bundle, public, "big", home / "big") == ("big:q8_0", shards)


@pytest.mark.parametrize("fault", ["byte", "missing", "more", "renamed", "swapped", "bundle",
                                   "key"])
def test_what_is_not_signed_is_refused(publisher, check, plain, shards, fault):
    public, folder = make_key(publisher), plain("big")
    bundle = sign(publisher, "big", "models").out
    first, second = folder / shards[0], folder / shards[1]
    check(bundle, public, "big", folder)
    if fault == "byte":
        flip(first, 9 << 20)
    elif fault == "missing":
        first.unlink()
    elif fault == "more":
        (folder / "more.gguf").write_bytes(b"x")
    elif fault == "renamed":
        first.rename(folder / "other.gguf")
    elif fault == "swapped":
        first.rename(folder / "x")
        second.rename(first)
        (folder / "x").rename(second)
    elif fault == "bundle":
        document = json.loads(bundle)
        document["dsseEnvelope"]["payload"] = json.loads(sign(
            publisher, "tiny", "models").out)["dsseEnvelope"]["payload"]
        bundle = json.dumps(document)
    else:
        public = run("openssl", "pkey", "-pubout", "-in", new_key(publisher)).stdout
    with pytest.raises(model_signing.Refused):
        check(bundle, public, "big", folder)


def new_key(publisher, *conversion):
    """A private key that openssl made."""
    sec1, pem = publisher.dir / "own.sec1", publisher.dir / "own.pem"
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", sec1)
    if conversion:
        run("openssl", "ec", "-in", sec1, *conversion, "-out", sec1)
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", sec1, "-out", pem)
    pem.chmod(0o600)
    return pem


@pytest.mark.parametrize("conversion", [(), ("-conv_form", "compressed"),
                                        ("-param_enc", "explicit")])
def test_a_key_of_openssl(publisher, check, conversion):
    """However it is written: the hint is of the one form that verifiers compare with."""
    pem = new_key(publisher, *conversion)
    public = run("openssl", "pkey", "-in", pem, "-pubout").stdout
    check(sign(publisher, "tiny", pem).out, public, "tiny")


def test_an_encrypted_key(publisher, check):
    plain_pem, pem = new_key(publisher), publisher.dir / "secret.pem"
    run("openssl", "pkcs8", "-topk8", "-in", plain_pem, "-passout", "pass:geheim", "-out", pem)
    pem.chmod(0o600)
    public = run("openssl", "pkey", "-in", plain_pem, "-pubout").stdout
    (publisher.dir / "pass").write_text("geheim\n")
    for how in ({"env": {"FERRY_PASSPHRASE": "geheim"}}, {}):
        options = [] if how else ["--passphrase-file", "pass"]
        check(sign(publisher, "tiny", pem, *options, **how).out, public, "tiny")
    result = sign(publisher, "tiny", pem, "-o", "s", check=2)
    assert f"wrong passphrase for {pem}" in result.err
    result = sign(publisher, "tiny", pem, "-o", "s", env={"FERRY_PASSPHRASE": None}, check=2)
    assert "a passphrase is needed" in result.err
    assert not (publisher.dir / "s").exists()


def test_a_key_behind_a_command(publisher, check):
    pem, keys = new_key(publisher), publisher.dir / "keys"
    public = run("openssl", "pkey", "-in", pem, "-pubout").stdout
    (keys / "hsm.pub").write_text(public)
    (keys / "hsm.command").write_text(f"openssl\ndgst\n-sha256\n-sign\n{pem}\n")
    for key in ("hsm", "keys/hsm.command"):
        check(sign(publisher, "tiny", key).out, public, "tiny")
    (keys / "hsm.command").write_text("sh\n-c\necho no card >&2; exit 1\n")
    result = sign(publisher, "tiny", "hsm", "-o", "s", check=None)
    assert result.code in (2, 7) and "no card" in result.err
    assert not (publisher.dir / "s").exists()


def test_keys_that_cannot_sign_models(publisher):
    other = publisher.dir / "p384.pem"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out",
        other)
    other.chmod(0o600)
    for arguments, code, words in [
            (["--key", "targets"], 2, "model signatures need ECDSA P-256"),
            (["--key", other], 2, "ECDSA P-256"),
            ([], 2, "--key KEY is missing"),
            (["--key", "no-such"], 3, "no-such")]:
        result = publisher("catalog", "export", "model-signature", "tiny", *arguments, check=code)
        assert words in result.err


def test_a_wrong_passphrase_signs_nothing(publisher):
    make_key(publisher)
    result = sign(publisher, "tiny", "models", "-o", "s", env={"FERRY_PASSPHRASE": "wrong"},
                  check=2)
    assert "wrong passphrase" in result.err
    assert not (publisher.dir / "s").exists()
