"""ferry mirror probe, setup and cleanup: what places can do, making them, and cleaning them."""

import fcntl
import json
import os
import pathlib
import time

from published import publisher, signed_base     # noqa: F401


def configure(work, **kinds):
    text = ""
    for name, lines in kinds.items():
        text += f"[mirror.{name}]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items()) + "\n"
    (work / "ferry.conf").write_text(text)


def states(result):
    return {(m["id"], f["what"]): f["state"] for m in result.json["mirrors"] for f in m["findings"]}


def test_setup_makes_the_folder_once(ferry, work, validate):
    configure(work, disk={"kind": "file", "path": "a/b"})
    would = ferry("mirror", "setup", "--dry-run", "--json")
    validate(would.json, "output-mirror-setup")
    assert states(would) == {("disk", "folder"): "would-change"}
    assert not (work / "a").exists()
    made = ferry("mirror", "setup", "--json")
    validate(made.json, "output-mirror-setup")
    assert states(made) == {("disk", "folder"): "changed"}
    assert (work / "a/b").is_dir()
    assert states(ferry("mirror", "setup", "--json")) == {("disk", "folder"): "ok"}


def test_probe_tells_what_a_folder_can_do(ferry, work, validate):
    configure(work, disk={"kind": "file", "path": "disk"})
    missing = ferry("mirror", "probe", "--json", check=1)
    validate(missing.json, "output-mirror-probe")
    assert states(missing) == {("disk", "folder"): "lacks"}
    (work / "disk").mkdir()
    found = ferry("mirror", "probe", "--json")
    validate(found.json, "output-mirror-probe")
    assert states(found) == {("disk", what): "ok" for what in (
        "folder", "write", "locks", "space", "upload", "download", "latency")}
    assert "free" in ferry("mirror", "probe", "--quick").out
    # Only the mirror's own folder is left.
    assert os.listdir(work / "disk") == [".ferry"]


def records(ferry):
    folder = pathlib.Path(ferry.env["HOME"]) / ".local/state/ferry/mirrors"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*"))]


def test_probe_keeps_what_it_found_out(ferry, work, validate):
    configure(work, disk={"kind": "file", "path": "disk"})
    (work / "disk").mkdir()
    quick = ferry("mirror", "probe", "--quick", "--json").json["mirrors"][0]
    assert quick["can"]["write"] and "measured" not in quick
    found = ferry("mirror", "probe", "--json").json["mirrors"][0]
    [record] = records(ferry)
    validate(record, "mirror-record")
    assert record["can"] == found["can"] and record["measured"] == found["measured"]
    assert record["place"] == f"file://{work}/disk"
    assert all(record["measured"][name] > 0 for name in (
        "upload-bytes-per-s", "download-bytes-per-s", "latency-us"))
    listed = ferry("mirror", "list", "--json")
    validate(listed.json, "output-mirror-list")
    assert listed.json["mirrors"][0]["upload_bytes_per_s"] == record["measured"][
        "upload-bytes-per-s"]
    assert "public" not in listed.json["mirrors"][0]        # it has no public URL
    # What it does not measure again stays.
    assert ferry("mirror", "probe", "--quick",
                 "--json").json["mirrors"][0]["measured"] == record["measured"]


def test_probe_asks_the_public_url_as_a_reader_does(ferry, work, nginx, validate):
    (work / "disk").mkdir()
    server = nginx(work / "disk", extra="""
        add_header Access-Control-Allow-Origin *; add_header Cache-Control max-age=60;""")
    configure(work, disk={"kind": "file", "path": "disk", "url": server.url})
    found = ferry("mirror", "probe", "--json")
    validate(found.json, "output-mirror-probe")
    assert {s for s in states(found).values()} == {"ok"}
    texts = {f["what"]: f["text"] for f in found.json["mirrors"][0]["findings"]}
    assert [texts["public " + what] for what in ("read", "ranges", "CORS", "cache")] == [
        "yes", "yes", "yes", "max-age=60"]
    can = found.json["mirrors"][0]["can"]
    assert can["public-read"] and can["public-ranges"] and can["public-cors"]
    # Another folder behind the same URL: what was written is not what readers get.
    (work / "other").mkdir()
    configure(work, other={"kind": "file", "path": "other", "url": server.url})
    wrong = ferry("mirror", "probe", "--json", check=1)
    assert states(wrong)["other", "public read"] == "lacks"
    assert wrong.json["mirrors"][0]["can"]["public-read"] is False
    assert os.listdir(work / "other") == [".ferry"]


def test_probe_removes_what_a_killed_probe_left(ferry, work):
    configure(work, disk={"kind": "file", "path": "disk"})
    for name, age_s in (("old", 7200), ("new", 60)):
        path = work / "disk/ferry-probe" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    ferry("mirror", "probe")
    assert os.listdir(work / "disk/ferry-probe") == ["new"]


def test_probe_measures_a_read_only_mirror_with_a_model_of_its_catalog(ferry, work, nginx,
                                                                       publisher):     # noqa: F811
    server = nginx(publisher.tree)
    configure(work, web={"kind": "http", "url": server.url})
    found = ferry("mirror", "probe", "--json").json["mirrors"][0]
    assert found["measured"]["download-bytes-per-s"] > 0
    assert "upload-bytes-per-s" not in found["measured"]


def test_probe_asks_a_web_server(ferry, work, nginx):
    site = work / "site"
    (site / "metadata").mkdir(parents=True)
    server = nginx(site)
    configure(work, web={"kind": "http", "url": server.url})
    assert states(ferry("mirror", "probe", "--json", check=1)) == {("web", "read"): "lacks"}
    (site / "metadata/timestamp.json").write_text("{}")
    found = ferry("mirror", "probe", "--json")
    assert states(found) == {("web", what): "ok" for what in (
        "read", "ranges", "download", "latency", "public read", "public ranges", "public CORS",
        "public cache")}
    texts = {f["what"]: f["text"] for f in found.json["mirrors"][0]["findings"]}
    assert "no catalog.json" in texts["download"] and texts["public CORS"].startswith("no:")
    whole = nginx(site, extra="max_ranges 0;")
    configure(work, web={"kind": "http", "url": whole.url})
    assert states(ferry("mirror", "probe", "--json", check=1))["web", "ranges"] == "lacks"
    assert states(ferry("mirror", "setup", "--json")) == {("web", "set-up"): "ok"}


def test_a_mirror_that_does_not_open_stops_no_other(ferry, work):
    configure(work, disk={"kind": "file", "path": "disk"}, bucket={"kind": "s3", "bucket": "b"})
    (work / "disk").mkdir()
    result = ferry("mirror", "probe", "--json", check=2)
    by_id = {m["id"]: m for m in result.json["mirrors"]}
    assert by_id["bucket"]["error"]["class"] == "usage" and by_id["disk"]["findings"]


def test_an_empty_path_is_refused(ferry, work):
    """It would be the folder of ferry.conf, with the keys that lie there."""
    configure(work, disk={"kind": "file", "path": ""})
    result = ferry("mirror", "setup", check=2)
    assert "path is empty" in result.out
    assert not (work / ".ferry").exists()


def test_a_hint_is_shown(ferry, work):
    configure(work, disk={"kind": "fiel", "path": "disk"})
    assert "did you mean 'file'?" in ferry("mirror", "list").out


def leave_partial(folder, name, age_s, size=10):
    partial = folder / ".ferry/partial" / name
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(b"x" * size)
    then = time.time() - age_s
    os.utime(partial, (then, then))
    return partial


def left(result):
    return {(m["id"], x["id"]): x["state"] for m in result.json["mirrors"] for x in m["leftovers"]}


def test_cleanup_removes_old_uploads_and_nothing_else(ferry, work, validate):
    day = 86400
    configure(work, disk={"kind": "file", "path": "disk"}, web={"kind": "http",
                                                                "url": "http://127.0.0.1:1/"})
    old = leave_partial(work / "disk", "old.part", 8 * day, 3000)
    new = leave_partial(work / "disk", "new.part", 6 * day)
    other = leave_partial(work / "disk", "notes.txt", 8 * day)
    (work / "disk/kept").write_text("kept")
    would = ferry("mirror", "cleanup", "-n", "--json")
    validate(would.json, "output-mirror-cleanup")
    assert left(would) == {("disk", "old.part"): "would-remove", ("disk", "new.part"): "kept"}
    assert would.json["mirrors"][0]["leftovers"][1]["bytes"] == 3000
    assert old.exists()
    done = ferry("mirror", "cleanup", "--json")
    validate(done.json, "output-mirror-cleanup")
    assert left(done) == {("disk", "old.part"): "removed", ("disk", "new.part"): "kept"}
    assert not old.exists() and new.exists() and other.exists()
    text = ferry("mirror", "cleanup", "--older-than", "2d").out
    assert text.split() == ["disk", "upload", "6d", "00h", "10", "B", "removed", "new.part"]
    assert not new.exists() and other.exists() and (work / "disk/kept").read_text() == "kept"
    assert "nothing was left behind" in ferry("mirror", "cleanup").err


def test_cleanup_keeps_an_upload_that_runs(ferry, work, validate):
    configure(work, disk={"kind": "file", "path": "disk"})
    running = leave_partial(work / "disk", "running.part", 86400)
    with running.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = ferry("mirror", "cleanup", "--older-than", "0", "--json")
        validate(result.json, "output-mirror-cleanup")
        assert left(result) == {("disk", "running.part"): "in-use"}
    assert running.exists()
    assert left(ferry("mirror", "cleanup", "--older-than", "0", "--json")) == {
        ("disk", "running.part"): "removed"}


def test_cleanup_says_what_it_could_not_do(ferry, work, validate):
    configure(work, disk={"kind": "file", "path": "disk"}, bad={"kind": "s3", "bukket": "b"})
    leave_partial(work / "disk", "old.part", 8 * 86400)
    result = ferry("mirror", "cleanup", "--json", check=2)
    validate(result.json, "output-mirror-cleanup")
    assert left(result) == {("disk", "old.part"): "removed"}
    assert result.json["mirrors"][1]["error"]["class"] == "usage"


def test_presign_signs_a_url_without_asking_the_server(ferry, work, validate):
    (work / "ferry.conf").write_text(
        "[mirror.b]\nkind = s3\nbucket = models\nregion = eu-west-1\nprefix = p\n"
        "[mirror.f]\nkind = file\npath = f\n")
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very-secret"}
    result = ferry("mirror", "presign", "targets/a b.gguf", "--json", env=keys)
    validate(result.json, "output-mirror-presign")
    url = result.json["url"]
    assert url.startswith("https://models.s3.eu-west-1.amazonaws.com/p/targets/a%20b.gguf?")
    assert "X-Amz-Expires=3600&" in url and "very-secret" not in url
    assert ferry("mirror", "presign", "x", "--expires", "8d", env=keys, check=2).err
    assert "only kinds s3 and r2" in ferry("mirror", "presign", "x", "-m", "f", check=2).err
