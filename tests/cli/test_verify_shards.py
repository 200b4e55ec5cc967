"""ferry verify --shard and --merge: a fleet verifies, and its reports are one."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from conftest import BIN, ROOT
from published import PIECE, flip, mirror, publisher, signed_base  # noqa: F401

pytestmark = pytest.mark.usefixtures("no_pauses")

FLEET = ROOT / "examples" / "verify-fleet"
SHARDS = 4


@pytest.fixture
def pushed(publisher):  # noqa: F811
    publisher.configure(mirror("a"), mirror("b"))
    publisher("push")
    return publisher


def report(pushed, index, *options, count=SHARDS, check=None):
    """The path of the report of a shard."""
    result = pushed("verify", "--shard", f"{index}/{count}", "--json", *options, check=check)
    path = pushed.dir / f"report-{index}.json"
    path.write_text(result.out)
    return path


def reports(pushed, *options):
    return [report(pushed, i, *options) for i in range(1, SHARDS + 1)]


@pytest.mark.parametrize("options", [["--quick"], ["--full"], ["--sample", "1", "--seed", "7"]])
def test_merged_shards_are_the_report_of_one_run(pushed, validate, options):
    whole = pushed("verify", "--json", *options).json
    paths = reports(pushed, *options)
    merged = pushed("verify", "--merge", "--json", *reversed(paths))
    validate(merged.json, "output-verify")
    assert merged.json == whole
    assert pushed("verify", "--json", *options).json == whole, "the same seed, the same result"
    texts = [pushed("verify", *o).out for o in (["--merge", *paths], options)]
    merged, one = [re.sub("expires in .*", "", text) for text in texts]
    assert merged == one


def test_the_merged_exit_code_and_findings_are_those_of_one_run(pushed):
    flip(pushed.on("a", "*tiny*.gguf"), PIECE + 99)
    pushed.on("b", "*.manifest.json").unlink()
    whole = pushed("verify", "--full", "--json", check=1)
    paths = reports(pushed, "--full")
    merged = pushed("verify", "--merge", "--json", *paths, check=1)
    assert merged.json == whole.json
    text = pushed("verify", "--merge", *paths, check=1).out
    assert f"tiny-q8_0.gguf: corrupt\n  piece 1 (bytes {PIECE}-" in text


def test_a_shard_needs_no_model_files(pushed):
    for model in (pushed.tree / "targets").rglob("*.gguf"):
        model.unlink()
    pushed("verify", "--merge", *reports(pushed, "--full"))


def test_a_mirror_out_of_reach_is_that_in_the_merged_report(pushed):
    pushed.configure(mirror("a"), mirror("w", kind="http", url="http://127.0.0.1:1/"))
    merged = pushed("verify", "--merge", "--json", *reports(pushed, "--full"), check=4)
    assert [m["result"] for m in merged.json["mirrors"]] == ["ok", "unreachable"]
    assert merged.json["error"]["class"] == "network"


def test_a_push_repairs_what_other_machines_found(pushed):
    """They have a copy of the tree, so that nothing of what they find is recorded in it."""
    shutil.copytree(pushed.tree, pushed.dir / "copy")
    model = pushed.on("a", "*tiny*.gguf")
    before = model.stat().st_mtime_ns
    flip(model, PIECE + 99)
    os.utime(model, ns=(before, before))
    paths = reports(pushed, "--full", "--repository", "copy")
    pushed("verify", "--merge", *paths, check=1)
    pushed("push")
    pushed("verify", "--full", "--repository", "copy", check=1)
    pushed("verify", "--merge", "--record", *paths, check=1)
    pushed("push")
    pushed("verify", "--full")


def test_findings_of_another_release_are_not_recorded(pushed):
    paths = reports(pushed)
    pushed("catalog", "refresh")
    assert "another release" in pushed("verify", "--merge", "--record", *paths, check=2).err


# -- what is refused ------------------------------------------------------------------------


def test_gaps_and_overlaps_are_refused(pushed):
    paths = reports(pushed)
    assert "shards are missing: 3" in pushed(
        "verify", "--merge", paths[0], paths[1], paths[3], check=2).err
    assert "is of shard 2 of 4, and so is" in pushed(
        "verify", "--merge", *paths, paths[1], check=2).err


def test_another_release_is_refused(pushed):
    paths = reports(pushed)
    pushed("catalog", "refresh")
    pushed("push")
    paths[2] = report(pushed, 3)
    assert "another release" in pushed("verify", "--merge", *paths, check=2).err


@pytest.mark.parametrize("odd, says", [
    (["--full"], "another mode"),
    (["--sample", "2", "--seed", "1"], "another mode"),
    (["--sample", "1", "--seed", "2"], "another seed"),
    (["--sample", "1", "--seed", "1", "-m", "a"], "the same mirrors"),
])
def test_reports_of_other_runs_are_refused(pushed, odd, says):
    paths = reports(pushed, "--sample", "1", "--seed", "1")
    report(pushed, 2, *odd)
    assert says in pushed("verify", "--merge", *paths, check=2).err


def test_another_number_of_shards_is_refused(pushed):
    paths = reports(pushed)
    report(pushed, 2, count=5)
    assert "another number of shards" in pushed("verify", "--merge", *paths, check=2).err


@pytest.mark.parametrize("text, code, says", [
    ("", 6, "report-2.json"),
    ("[]", 6, "report-2.json"),
    ('{"command": "push"}', 6, "is not a report of ferry verify"),
    ('{"command": "verify", "error": {"class": "usage", "exit": 2, "message": "no mirrors"}}', 2,
     "has no result: no mirrors"),
])
def test_what_is_no_report_is_refused(pushed, text, code, says):
    paths = reports(pushed)
    paths[1].write_text(text)
    assert says in pushed("verify", "--merge", *paths, check=code).err


def test_a_report_that_was_cut_off_is_refused(pushed):
    paths = reports(pushed)
    paths[1].write_text(paths[1].read_text()[:500])
    assert "report-2.json" in pushed("verify", "--merge", *paths, check=6).err


def test_the_report_of_a_whole_run_is_refused(pushed):
    paths = reports(pushed)
    paths[0].write_text(pushed("verify", "--json").out)
    assert "of a whole run, not of a shard" in pushed("verify", "--merge", *paths, check=2).err


@pytest.mark.parametrize("options, says", [
    (["--shard", "5/4"], "not a share"),
    (["--shard", "0/4"], "not a share"),
    (["--shard", "x"], "not a share"),
    (["--shard", "1/4", "--sample", "2"], "needs --seed"),
    (["--merge"], "needs the reports"),
    (["--merge", "--full", "x"], "takes only reports"),
    (["--merge", "--repository", "repository", "x"], "takes only reports"),
    (["--record"], "needs --merge"),
    (["--merge", "missing"], "missing"),
    (["operand"], "too many operands"),
])
def test_wrong_usage(pushed, options, says):
    result = pushed("verify", *options, check=3 if "missing" in options else 2)
    assert says in result.err


# -- the examples ---------------------------------------------------------------------------


def run_shard(pushed, command, **variables):
    env = pushed.ferry.environment({**variables, "REPORTS": str(pushed.dir)})
    env["PATH"] = f"{BIN}:{env['PATH']}"
    return subprocess.run(command, cwd=pushed.dir, env=env, capture_output=True, text=True,
                          check=False)


def job():
    return yaml.safe_load((FLEET / "job.yaml").read_text())


def test_the_job_says_the_same_number_everywhere():
    document = job()
    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "Job")
    spec = document["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    shards = {e["name"]: e["value"] for e in container["env"]}["SHARDS"]
    assert isinstance(shards, str), "the values of environment variables are strings"
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(shards)
    # FailIndex is only allowed together with these two.
    assert spec["backoffLimitPerIndex"] > 0 and pod["restartPolicy"] == "Never"
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule == {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1, 2]}}
    assert ({m["name"] for m in container["volumeMounts"]}
            == {v["name"] for v in pod["volumes"]})


@pytest.mark.parametrize("damage", [False, True])
def test_the_jobs_command_verifies_each_index(pushed, damage):
    if damage:
        flip(pushed.on("a", "*tiny*.gguf"), PIECE + 99)
    (container,) = job()["spec"]["template"]["spec"]["containers"]
    command = [*container["command"], *container["args"]]
    codes = [run_shard(pushed, command, SHARDS=3, JOB_COMPLETION_INDEX=i).returncode
             for i in range(3)]
    assert sorted(codes) == ([0, 0, 1] if damage else [0, 0, 0])
    paths = sorted(pushed.dir.glob("report-*.json"))
    assert len(paths) == 3
    merged = pushed("verify", "--merge", *paths, "--json", check=1 if damage else 0)
    assert merged.json["mode"] == "full"


def test_the_slurm_script_verifies_each_task(pushed):
    script = FLEET / "slurm.sh"
    text = script.read_text()
    (last,) = re.findall(r"^#SBATCH --array=1-(\d+)$", text, re.M)
    assert f"SHARDS=${{SHARDS:-{last}}}" in text
    # sbatch reads options only before the first command.
    assert text.rindex("#SBATCH") < text.index("set -eu")
    for i in range(1, int(last) + 1):
        done = run_shard(pushed, [script], SLURM_ARRAY_TASK_ID=i, SLURM_ARRAY_TASK_MIN=1,
                         SLURM_ARRAY_TASK_MAX=last, SLURM_ARRAY_TASK_COUNT=last)
        assert done.returncode == 0, done.stderr
    paths = sorted(pushed.dir.glob("report-*.json"))
    assert json.loads(paths[0].read_text())["shard"]["count"] == int(last) == len(paths)
    pushed("verify", "--merge", *paths)


def test_the_slurm_script_passes_shellcheck():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is missing")
    subprocess.run(["shellcheck", FLEET / "slurm.sh"], check=True)
