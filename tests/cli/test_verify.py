"""ferry verify and ferry mirror list: the truth about what mirrors hold."""

import json
import signal

import pytest

from waiting import communicate, until
from published import PIECE, flip, mirror, publisher, rewrite, signed_base  # noqa: F401

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def pushed(publisher):  # noqa: F811
    publisher("push")
    return publisher


def verdicts(result):
    """{mirror: {key's last part: verdict}} of everything that is not simply well."""
    return {m["id"]: {f["key"].rsplit("/", 1)[-1].split(".", 1)[-1]: f["verdict"]
                      for f in m["files"] if f["verdict"] not in ("ok", "unverified")}
            for m in result.json["mirrors"]}


# -- thoroughness -------------------------------------------------------------------------


def test_quick_calls_nothing_ok_that_it_did_not_check(pushed, validate):
    result = pushed("verify", "--quick", "--json")
    validate(result.json, "output-verify")
    for m in result.json["mirrors"]:
        assert m["result"] == "unverified"
        assert m["counts"]["unverified"] == 7 and m["counts"]["ok"] == 6
        objects = {f["verdict"] for f in m["files"] if f["key"].startswith("targets/")}
        assert objects == {"unverified"}
        assert m["bytes_read"] < 10_000
        assert m["release"]["state"] == "same"
    assert pushed("verify", "--json").json["mode"] == "quick"


def test_the_last_line_says_that_the_content_was_not_checked(pushed, validate):
    out = pushed("verify", "-v").out
    assert "tiny-q8_0.gguf: unverified: size only: content not checked\n" in out
    assert out.splitlines()[-1] == ("The content of 21 files on 3 mirrors was not checked, only "
                                    "the size: use --sample or --full.")
    assert "not checked" not in pushed("verify", "--full", "-v").out
    result = pushed("verify", "--json")
    assert {f["message"] for f in result.json["mirrors"][0]["files"] if "message" in f} == {
        "size only: content not checked"}


def test_full_reads_everything(pushed, validate):
    result = pushed("verify", "--full", "--json")
    validate(result.json, "output-verify")
    for m in result.json["mirrors"]:
        assert m["result"] == "ok"
        assert m["bytes_read"] > 9_000_000
        assert {f["how"] for f in m["files"]} == {"bytes"}


def test_full_names_piece_and_range(pushed, validate):
    flip(pushed.on("a", "*tiny*.gguf"), PIECE + 99)
    pushed.on("b", "*.manifest.json").unlink()
    pushed.on("c", "*tiny*.gguf").write_bytes(b"short")
    result = pushed("verify", "--full", "--json", check=1)
    validate(result.json, "output-verify")
    assert verdicts(result) == {"a": {"tiny-q8_0.gguf": "corrupt"},
                                "b": {"tiny-q8_0.gguf.manifest.json": "missing"},
                                "c": {"tiny-q8_0.gguf": "wrong-size"}}
    assert [m["result"] for m in result.json["mirrors"]] == ["fault"] * 3
    bad = next(f for f in result.json["mirrors"][0]["files"] if f["verdict"] == "corrupt")
    assert bad["bad_pieces"][0]["index"] == 1
    assert bad["bad_pieces"][0]["offset"] == PIECE
    short = next(f for f in result.json["mirrors"][2]["files"] if f["verdict"] == "wrong-size")
    assert short["actual_size"] == 5
    text = pushed("verify", "--full", check=1).out
    assert f"tiny-q8_0.gguf: corrupt\n  piece 1 (bytes {PIECE}-" in text
    assert "5 bytes instead of" in text
    # Quick sees what is missing or short, and says nothing about the flipped byte.
    quick = pushed("verify", "--quick", "--json", check=1)
    assert set(verdicts(quick)["a"]) == set()
    assert verdicts(quick)["b"] and verdicts(quick)["c"]


def test_a_sample_is_repeatable(pushed, validate):
    flip(pushed.on("a", "*tiny*.gguf"), PIECE + 99)
    codes = {}
    for seed in range(12):
        result = pushed("verify", "-m", "a", "--sample", 1, "--seed", seed, "--json", check=None)
        validate(result.json, "output-verify")
        assert result.json["seed"] == str(seed)
        codes[seed] = result.code
        model = next(f for f in result.json["mirrors"][0]["files"] if f["key"].endswith(".gguf"))
        assert model["how"] == "sample" and model["pieces_checked"] == 1
    assert set(codes.values()) == {0, 1}
    for seed, code in codes.items():
        pushed("verify", "-m", "a", "--sample", 1, "--seed", seed, check=code)
    assert "--seed" in pushed("verify", "-m", "b", "--sample", 1).out
    # As many as there are is everything.
    pushed("verify", "-m", "a", "--sample", 2, check=1)


def test_verbose_lists_every_file(pushed):
    out = pushed("verify", "-v", "--full", "-m", "a").out
    assert out.count(": ok: all bytes") == 13


# -- releases -------------------------------------------------------------------------------


def test_an_older_release_is_stale(pushed, validate):
    pushed.add_model("second", seed=2)
    pushed("push", "-m", "a")
    result = pushed("verify", "--json", check=1)
    validate(result.json, "output-verify")
    by_id = {m["id"]: m for m in result.json["mirrors"]}
    assert by_id["a"]["release"]["state"] == "same"
    assert by_id["b"]["release"]["state"] == "older"
    stale = [f["key"] for f in by_id["b"]["files"] if f["verdict"] == "stale"]
    assert stale == ["catalog.json.minisig", "catalog.json", "metadata/timestamp.json"]
    assert "(older)" in pushed("verify", check=1).out


def test_another_publishers_release_is_foreign(pushed):
    import shutil
    shutil.copytree(pushed.tree, pushed.dir / "old")
    pushed("catalog", "refresh")
    pushed("push")
    result = pushed("verify", "--repository", "old", "--json", check=1)
    assert result.json["mirrors"][0]["release"]["state"] == "newer"


def test_a_forged_timestamp_is_corrupt(pushed):
    path = pushed.mirror() / "metadata/timestamp.json"
    document = json.loads(path.read_text())
    document["signed"]["version"] += 7
    rewrite(path, json.dumps(document).encode())
    assert verdicts(pushed("verify", "--json", check=1))["a"] == {"json": "corrupt"}


def test_an_expired_timestamp_is_a_fault(pushed, validate):
    pushed("catalog", "refresh", "--expires", "timestamp=2d")
    pushed("push")
    assert not any(m["release"]["expired"] for m in pushed("verify", "--json").json["mirrors"])
    result = pushed("verify", "--json", check=1, at="+3 days")
    validate(result.json, "output-verify")
    assert all(m["release"]["expired"] for m in result.json["mirrors"])
    text = pushed("verify", check=1, at="+3 days").out
    assert "expired" in text and "catalog refresh" in text


# -- over HTTP ------------------------------------------------------------------------------


def test_what_readers_find_over_http(pushed, nginx, validate):
    server = nginx(pushed.mirror("a"))
    result = pushed("verify", "--url", server.url, "--full", "--json")
    validate(result.json, "output-verify")
    assert result.json["mirrors"][0]["kind"] == "http"
    assert result.json["mirrors"][0]["counts"]["ok"] == 13
    flip(pushed.on("a", "*tiny*.gguf"), PIECE + 5)
    pushed("verify", "--url", server.url, "--full", check=1)
    sample = pushed("verify", "--url", server.url, "--sample", 2, "--json", check=1)
    assert verdicts(sample)[server.url] == {"tiny-q8_0.gguf": "corrupt"}


def test_a_url_needs_no_configuration(pushed, nginx):
    server = nginx(pushed.mirror("a"))
    (pushed.dir / "ferry.conf").unlink()
    pushed("verify", "--url", server.url, "--repository", "repository")
    result = pushed("verify", "--url", server.url, check=2)
    assert "--config" in result.err or "--repository" in result.err


def test_an_http_mirror_of_the_configuration(pushed, nginx):
    server = nginx(pushed.mirror("a"))
    pushed.configure(mirror("w", kind="http", url=server.url))
    pushed("verify", "--full")
    pushed.on("a", "*tiny*.gguf").unlink()
    pushed("verify", check=1)


def test_a_folder_by_its_url(pushed):
    pushed("verify", "--url", f"file://{pushed.mirror('b')}", "--full")


@pytest.mark.parametrize("damage, code", [(False, 4), (True, 1)])
def test_an_unreachable_mirror(pushed, validate, damage, code):
    """Out of reach is 4: try later. But what is proven to be bad outweighs it."""
    pushed.configure(mirror("a"), mirror("w", kind="http", url="http://127.0.0.1:1/"))
    if damage:
        pushed.on("a", "*tiny*.gguf").unlink()
    result = pushed("verify", "--json", check=code)
    validate(result.json, "output-verify")
    gone = result.json["mirrors"][1]
    assert gone["result"] == "unreachable"
    assert gone["error"]["class"] == "network"
    assert gone["counts"]["unreachable"] == len(gone["files"]) == 13
    assert ("error" in result.json) == (code == 4)


def test_a_mirror_that_fails_in_the_middle_does_not_stop_the_others(pushed, fault_server):
    """SIMULATED: the server fails at a model file and its manifest."""
    server = fault_server(pushed.mirror("a"))
    server.add("targets/models/*.gguf", methods=("GET",), status=503)
    server.add("targets/models/*.manifest.json", methods=("GET",), status=503)
    pushed.configure(mirror("w", kind="http", url=server.url), mirror("b"))
    result = pushed("verify", "--full", "--json", check=4)
    bad, good = result.json["mirrors"]
    assert bad["result"] == "unreachable"
    assert bad["counts"]["unreachable"] == 2 and bad["counts"]["ok"] == 11
    assert good["result"] == "ok" and good["counts"]["ok"] == 13
    assert "503" in next(f["message"] for f in bad["files"] if f["verdict"] == "unreachable")


def test_a_file_that_is_refused_is_not_a_network_error(pushed, fault_server):
    """SIMULATED: the server asks for credentials for one file, and fails at another."""
    server = fault_server(pushed.mirror("a"))
    server.add("*.gguf", status=403)
    server.add("*snapshot.json", methods=("GET",), status=503)
    result = pushed("verify", "--url", server.url, "--json", check=5)
    (m,) = result.json["mirrors"]
    assert {f["class"] for f in m["files"] if f["verdict"] == "unreachable"} == {"auth", "network"}
    assert result.json["error"]["class"] == "auth"


@pytest.mark.parametrize("options", [["--json"], []])
def test_an_interruption_prints_what_was_checked(pushed, fault_server, validate, options):
    """SIMULATED: the server stops in the middle of the model."""
    server = fault_server(pushed.mirror("a"))
    held = server.add("*.gguf", methods=("GET",), hold_after=1 << 20)
    process = pushed.ferry.start("verify", "--url", server.url, "--full", *options)
    until(lambda: held.hits and server.sent("*snapshot.json") and server.sent("catalog.json"),
          process)
    process.send_signal(signal.SIGINT)
    out, _ = communicate(process)
    assert process.returncode == -signal.SIGINT
    if not options:
        assert out.splitlines()[-1].startswith("Interrupted: ")
        return
    document = json.loads(out)
    validate(document, "output-verify")
    (m,) = document["mirrors"]
    verdicts = {f["key"].rsplit("/", 1)[-1].split(".", 1)[-1]: f["verdict"] for f in m["files"]}
    assert verdicts["tiny-q8_0.gguf"] == "not-checked" and verdicts["snapshot.json"] == "ok"
    assert m["result"] == "interrupted" and m["counts"]["unreachable"] == 0
    assert document["error"]["class"] == "cancelled"


def test_progress_is_counted_in_files_or_bytes(pushed):
    def last(*options):
        events = [json.loads(line) for line in
                  pushed("verify", "-m", "a", "--progress=json", *options).err.splitlines()]
        assert events[0]["event"] == "begin" and events[-1]["event"] == "end"
        return events[-1]

    quick, full = last("--quick"), last("--full")
    assert quick["files"] == quick["total"] == 13 and "bytes" not in quick
    assert full["bytes"] == full["total"] > 9_000_000
    # What is not read because it is missing is done, too.
    pushed.on("b", "*.gguf").unlink()
    events = pushed("verify", "-m", "b", "--full", "--progress=json", check=1).err.splitlines()
    end = json.loads(events[-1])
    assert end["bytes"] == end["total"] == full["total"]


# -- usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options, says", [
    (["--quick", "--full"], "exclude each other"),
    (["--sample", "2", "--full"], "exclude each other"),
    (["--seed", "3"], "needs --sample"),
    (["--sample", "2", "--seed", "x"], "not a number"),
    (["--sample", "99999"], "largest number of pieces"),
    (["--sample", "0"], "must be 1 to"),
    (["--mirror", "aa"], "there is no mirror 'aa'"),
    (["--url", "ftp://x/"], "not a supported URL"),
])
def test_wrong_usage(pushed, options, says):
    result = pushed("verify", *options, check=2)
    assert says in result.err


def test_a_damaged_tree_is_no_truth(pushed):
    """Without its manifest the tree cannot say what a model's pieces are."""
    path = pushed.on("repository", "*.manifest.json")
    rewrite(path, path.read_bytes().replace(b"a", b"b"))
    result = pushed("verify", "--full", check=6)
    assert path.name in result.err


# -- mirror list ------------------------------------------------------------------------------


def test_mirror_list(publisher, validate):  # noqa: F811
    publisher.configure(
        mirror("main", url="https://models.example.org/", region="eu", priority=10),
        mirror("web", kind="http", url="http://127.0.0.1:1/", holds="objects"),
        mirror("s", stage="yes", holds="metadata"),
        mirror("far", kind="github", owner="o/o", repo="r", url="https://example.org/models"))
    result = publisher("mirror", "list", "--json")
    validate(result.json, "output-mirror-list")
    main, web, stage, far = result.json["mirrors"]
    assert (main["kind"], main["region"], main["priority"]) == ("file", "eu", 10)
    assert main["url"] == "https://models.example.org/" and "write" in main["can"]
    assert web["holds"] == "objects" and "write" not in web["can"]
    assert stage["stage"] is True and stage["url"].startswith("file:///")
    assert far["usable"] is False and far["kind"] == "github"
    assert "not a valid name of an owner" in far["error"]["message"]
    text = publisher("mirror", "list").out
    assert "main" in text and "not a valid name of an owner" in text


def test_mirror_list_check(publisher, validate):  # noqa: F811
    publisher.configure(mirror("a"),
                        mirror("w", kind="http", url="http://127.0.0.1:1/"))
    result = publisher("mirror", "list", "--check", "--json", check=1)
    validate(result.json, "output-mirror-list")
    assert [m["reachable"] for m in result.json["mirrors"]] == [True, False]
    publisher("mirror", "list", "--check", "-m", "a")


def test_mirror_list_without_configuration(ferry):
    assert "there is no ferry.conf" in ferry("mirror", "list", check=2).err
