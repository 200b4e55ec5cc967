"""ferry manifest check on digest lists as people have them: by other tools, from Windows, signed,
with lines of other kinds and with mistakes."""

import hashlib
import subprocess

import pytest

from test_manifest import statuses


def sha256(data):
    return hashlib.sha256(data).hexdigest()


A, B = sha256(b"a"), sha256(b"b")
MD5, SHA512 = hashlib.md5(b"a").hexdigest(), hashlib.sha512(b"a").hexdigest()


@pytest.fixture
def folder(work):
    """a.gguf and sub/b.gguf."""
    (work / "models" / "sub").mkdir(parents=True)
    (work / "models" / "a.gguf").write_bytes(b"a")
    (work / "models" / "sub" / "b.gguf").write_bytes(b"b")
    return work / "models"


@pytest.fixture
def check(ferry, folder, validate):
    """Writes the list, checks the folder, and again the list alone: they say the same."""
    def run(text, name="SHA256SUMS", code=0):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        result = ferry("manifest", "check", "--json", "--ignore-extra", cwd=folder, check=code)
        validate(result.json, "output-manifest-check")
        alone = ferry("manifest", "check", "--json", name, cwd=folder, check=code)
        assert alone.json["files"] == result.json["files"]
        return result
    return run


BOTH = {"a.gguf": "ok", "sub/b.gguf": "ok"}
TABLE = (f"\r\nAlgorithm       Hash{' ' * 67}Path\r\n---------       ----{' ' * 67}----\r\n"
         f"SHA256          {A.upper()}       C:\\Users\\me\\models\\a.gguf\r\n"
         f"SHA256          {B.upper()}       C:\\Users\\me\\models\\sub\\b.gguf\r\n\r\n\r\n")
FIELDS = "".join(f"\r\nAlgorithm : SHA256\r\nHash      : {d.upper()}\r\nPath      : D:\\m\\{n}\r\n"
                 for d, n in [(A, "a.gguf"), (B, "sub\\b.gguf")])
CSV = ('"Algorithm","Hash","Path"\r\n' + "".join(
    f'"SHA256","{d.upper()}","D:\\m\\{n}"\r\n' for d, n in [(A, "a.gguf"), (B, "sub\\b.gguf")]))
FORMS = {
    "one blank": f"{A} a.gguf\n{B} sub/b.gguf\n",
    "aligned": f"{A}    a.gguf  \n{B}\tsub/b.gguf\n",
    "sizes, as Debian has them": f"Checksums-Sha256:\n {A} 1 a.gguf\n {B}        1 sub/b.gguf\n",
    "dotted": f"{A}  ./a.gguf\n{B} *./sub/b.gguf\n",
    "old openssl": f"SHA256(a.gguf)= {A}\nSHA256(sub/b.gguf)= {B}\n",
    "openssl": f"SHA2-256(a.gguf)= {A}\nSHA2-256(sub/b.gguf)= {B}\n",
    "mark and CR LF": f"\ufeff{A}  a.gguf\r\n{B}  sub/b.gguf\r\n",
    "backslashes": f"{A} *a.gguf\r\n{B} *sub\\b.gguf\r\n",
    "absolute in git bash": f"\\{A} *C:\\\\m\\\\a.gguf\n{B} *C:/m/sub/b.gguf\n",
    "utf-16": f"{A}  a.gguf\r\n{B}  sub\\b.gguf\r\n".encode("utf-16"),
    "Get-FileHash": TABLE,
    "Get-FileHash redirected": TABLE.encode("utf-16"),
    "Get-FileHash as list": FIELDS,
    "Get-FileHash as CSV": CSV.encode("utf-16"),
    "certutil": (f"SHA256 hash of a.gguf:\r\n{A}\r\nCertUtil: -hashfile command completed.\r\n"
                 f"SHA256 hash of sub\\b.gguf:\r\n{B}\r\nCertUtil: -hashfile command completed.\r\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_list_of_another_tool_is_read(check, form):
    assert statuses(check(FORMS[form])) == BOTH


def test_we_read_what_openssl_writes(check, folder):
    digests = subprocess.run(["openssl", "dgst", "-sha256", "a.gguf", "sub/b.gguf"], cwd=folder,
                             check=True, capture_output=True).stdout
    assert statuses(check(digests)) == BOTH


@pytest.mark.parametrize("name", ["checksums.txt", "CHECKSUMS", "sha256sum.txt", "SHA256SUMS.txt",
                                  "models_1.2_SHA256SUMS", "models_checksums.txt"])
def test_a_list_is_known_by_the_names_that_people_give(check, name):
    assert statuses(check(f"{A}  a.gguf\n", name)) == {"a.gguf": "ok"}


@pytest.mark.parametrize("text", [A, f"{A}\r\n", f"{A}  -\n", f"{A}  a.gguf\n", f"{A}  dist/a.gguf\n",
                                  f"{A}  /home/me/a.gguf\n", TABLE.splitlines()[3]])
@pytest.mark.parametrize("name", ["a.gguf.sha256", "a.gguf.sha256sum", "a.gguf.sha256.txt"])
def test_the_digest_beside_a_file_is_its_own(check, name, text):
    assert statuses(check(text, name)) == {"a.gguf": "ok"}


def test_a_list_that_the_person_names_is_read_whatever_it_is_called(ferry, folder):
    (folder / "release notes").write_text(f"Release 3\n{A}  a.gguf\n")
    result = ferry("manifest", "check", "release notes", cwd=folder)
    assert result.out == "a.gguf: ok\n"
    assert "release notes: 1 line of another kind skipped, the first is line 1\n" in result.err


def test_a_text_that_is_neither_model_nor_list_is_called_that(ferry, folder):
    (folder / "README").write_text("Hello\n")
    result = ferry("manifest", "check", "README", cwd=folder, check=2)
    assert "no manifest beside README, and README has no SHA-256 of a file: line 1 is 'Hello'" \
        in result.err


def test_what_is_skipped_is_said_once(check, ferry, folder):
    text = (f"Checksums\nof my models\n\n# by me\nSHA512 (a.gguf) = {SHA512}\n"
            f"SHA256 (a.gguf) = {A}\n{MD5}  a.gguf\n")
    result = check(text)
    assert statuses(result) == {"a.gguf": "ok"}
    note = ("SHA256SUMS: 2 lines of another kind skipped, the first is line 1; "
            "2 digests by SHA512, MD5 skipped")
    assert result.json["notes"] == [note]
    assert ferry("manifest", "check", "SHA256SUMS", cwd=folder).err.count(note) == 1


def test_a_half_right_line_is_named_and_the_others_are_checked(check):
    result = check(f"{A}  a.gguf\n{B[:-1]}  sub/b.gguf\n{B}\n", code=1)
    assert statuses(result) == {"a.gguf": "ok", "SHA256SUMS": "invalid"}
    assert result.json["files"][0]["reason"] == (
        "line 2: it is not '<64 hex digits>  <file name>'; "
        "line 3: it is a digest without a file name")


def test_a_digest_that_is_cut_off_by_a_narrow_window_is_not_taken(check):
    result = check(TABLE.replace("a.gguf", "a.gg..."), code=1)
    assert statuses(result) == {"SHA256SUMS": "invalid", "sub/b.gguf": "ok"}
    assert "line 4: its path is cut off" in result.json["files"][0]["reason"]


def test_a_file_with_two_digests_is_not_called_ok(check):
    result = check(f"{A}  a.gguf\n{B}  a.gguf\n{B}  sub/b.gguf\n", code=1)
    assert statuses(result) == {"a.gguf": "invalid", "sub/b.gguf": "ok"}
    assert result.json["files"][0]["reason"] == "SHA256SUMS: the list gives it different digests"


def test_a_manifest_does_not_hide_that_a_list_gives_two_digests(ferry, work):
    (work / "a.bin").write_bytes(b"a")
    ferry("manifest", "create", "a.bin")
    (work / "SHA256SUMS").write_text(f"{A}  a.bin\n{B}  a.bin\n")
    result = ferry("manifest", "check", "--json", "SHA256SUMS", "a.bin", check=1)
    assert statuses(result) == {"a.bin": "invalid"}


def test_two_lists_that_disagree_are_both_named(ferry, folder):
    (folder / "SHA256SUMS").write_text(f"{A}  a.gguf\n")
    (folder / "a.gguf.sha256").write_text(B)
    (folder / "checksums.txt").write_text(f"{A} *a.gguf\n")
    result = ferry("manifest", "check", "--json", "--ignore-extra", cwd=folder, check=1)
    [item] = result.json["files"]
    assert item["status"] == "invalid"
    assert "SHA256SUMS and a.gguf.sha256 give it different digests" == item["reason"]


SIGNED = (f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{A}  a.gguf\n- {B}  sub/b.gguf\n"
          "-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n")


def test_a_clear_signed_list_is_read_and_its_signature_is_said_not_to_be_checked(check):
    result = check(SIGNED)
    assert statuses(result) == BOTH
    assert result.json["notes"] == ["SHA256SUMS: its PGP signature is not checked"]


def test_a_digest_outside_the_signed_text_is_not_taken(check):
    result = check(SIGNED.replace(f"- {B}  sub/b.gguf\n", "") + f"{B}  sub/b.gguf\n", code=1)
    assert statuses(result) == {"SHA256SUMS": "invalid", "a.gguf": "ok"}
    assert "line 9: it is outside the text that is signed" in result.json["files"][0]["reason"]


@pytest.mark.parametrize("text, reason", [
    (f"{SHA512}  a.gguf\n", "no SHA-256 of a file, only 1 digest by SHA-512"),
    (f"<!DOCTYPE html><html><td>{A}</td></html>", "is a web page (HTML)"),
    ("to do\n", "line 1 is 'to do'"),
    ("", "it has no digest of a file"),
])
def test_a_list_without_one_usable_line_is_an_error_that_says_what_it_is(check, text, reason):
    result = check(text, code=1)
    assert statuses(result) == {"SHA256SUMS": "invalid"}
    assert reason in result.json["files"][0]["reason"]


def test_signatures_beside_their_file_and_lists_by_other_algorithms_are_not_extra(ferry, folder):
    (folder / "sub" / "b.gguf").unlink()
    (folder / "SHA256SUMS").write_text(f"{A}  a.gguf\n")
    for end in ("asc", "sig", "gpg", "minisig", "sign", "sigstore.json"):
        (folder / f"SHA256SUMS.{end}").touch()
    (folder / "a.gguf.sig").touch()
    (folder / "SHA512SUMS").write_text(f"{SHA512}  a.gguf\n")
    result = ferry("manifest", "check", "--json", cwd=folder)
    assert statuses(result) == {"a.gguf": "ok"}
    assert result.json["notes"] == [
        "SHA512SUMS: a list by another algorithm than SHA-256, which is not checked"]
    (folder / "gone.asc").touch()
    assert statuses(ferry("manifest", "check", "--json", cwd=folder, check=1)) == {
        "a.gguf": "ok", "gone.asc": "extra"}


def test_a_list_that_lists_itself_is_not_wrong(check, folder):
    result = check(f"{sha256(b'')}  SHA256SUMS\n{A}  a.gguf\n")
    assert statuses(result) == {"a.gguf": "ok"}
    assert result.json["notes"] == ["SHA256SUMS: its own digest skipped"]


def test_a_changed_file_is_found_in_each_form(check, folder):
    (folder / "a.gguf").write_bytes(b"x")
    for form in FORMS.values():
        assert statuses(check(form, code=1)) == {"a.gguf": "content", "sub/b.gguf": "ok"}


@pytest.mark.parametrize("text", [f"{B}  b\n{MD5}  b\n", f"{B}  b\nnotes\n", SIGNED])
def test_a_list_with_more_than_digests_is_not_written_again(ferry, folder, text):
    (folder / "SHA256SUMS").write_text(text)
    (folder / "a.bin").write_bytes(b"a")
    result = ferry("manifest", "create", "--sums", "SHA256SUMS", "a.bin", cwd=folder, check=6)
    assert "would be lost: name another list" in result.err
    assert (folder / "SHA256SUMS").read_text() == text
