"""`ferry store verify`: all files are hashed again, several at once."""

import json

from conftest import preloaded
from stocked import MODELS, made_once, stock  # noqa: F401


def damage(blob):
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)


def lines(result):
    return [line.split() for line in result.out.splitlines()]


def test_verify_reads_several_files_at_once_simulated(ferry, stock):  # noqa: F811
    result = ferry("store", "verify", env=preloaded("together", SIMULATED_TOGETHER="2"))
    assert [line[0] for line in lines(result)] == ["ok"] * 4


def test_verify_prints_the_models_in_order_whichever_is_hashed_first(ferry, stock):  # noqa: F811
    wanted = sorted((f"demo/{model}:f32", name) for model, name in stock.files)
    for _ in range(3):
        result = ferry("store", "verify", env=preloaded("together", SIMULATED_TOGETHER="2"))
        assert [tuple(line[1:]) for line in lines(result)] == wanted
    names = [f["name"] for f in ferry("store", "verify", "--json").json["files"]]
    assert names == [name for _, name in wanted]
    # As they are named, where they are.
    named = ferry("store", "verify", *MODELS)
    assert [line[1] for line in lines(named)] == [f"demo/{m}" for m in
                                                  (MODELS[0], MODELS[1], MODELS[2], MODELS[2])]


def test_verify_hashes_a_file_that_two_models_have_once(ferry, work, stock):  # noqa: F811
    result = ferry("store", "verify", "--json", env=preloaded("kill", SIMULATED_OPENS="opens"))
    assert len(result.json["files"]) == 4
    opened = (work / "opens").read_text().splitlines()
    for blob in {*stock.files.values()}:
        assert len([name for name in opened if name.endswith(blob.name)
                    and "/blobs/" in name]) == 1


def test_verify_tells_a_damaged_file_to_all_who_have_it_and_warns_once(ferry, stock):  # noqa: F811
    blob = stock.files["alpha", "alpha-f32.gguf"]
    assert blob == stock.files["twin", "twin-f32.gguf"]
    damage(blob)
    result = ferry("store", "verify", check=1)
    assert [line[0] for line in lines(result)] == ["damaged", "ok", "ok", "damaged"]
    assert result.err.count(f"{blob} is damaged") == 1 and not blob.exists()
    assert blob.with_name(blob.name + ".damaged").exists()
    quiet = ferry("store", "verify", "-q", check=1)
    assert [line[0] for line in lines(quiet)] == ["missing", "missing"]
    ferry("fetch", "twin")
    assert ferry("store", "verify", "-q").out == ""


def test_verify_shows_the_progress_of_all_bytes(ferry, stock):  # noqa: F811
    result = ferry("store", "verify", "--progress=json")
    events = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    sizes = {blob: blob.stat().st_size for blob in stock.files.values()}
    whole, = [e for e in events if e["event"] == "whole" and e["files"]]
    assert whole["files"] == 3 and whole["total"] == sum(sizes.values())
    done = {e["task"]: e["bytes"] for e in events if e["event"] == "end"}
    assert sorted(done.values()) == sorted(sizes.values())


def test_verify_can_be_stopped_at_each_read(ferry, stock):  # noqa: F811
    whole = ferry("store", "verify").out
    for n in range(1, 100):
        result = ferry("store", "verify", check=None, env=preloaded(
            "kill", SIMULATED_KILL=f"read:{n}", SIMULATED_SIGNAL="15"))
        if result.code == 0:
            break
        assert result.code == -15 and whole.startswith(result.out)
        assert not list(ferry.store.rglob("*.damaged"))
    assert n > 4 and result.out == whole
