"""ferry mirror config cloudflare: Cloudflare's own types accept what it prints, workerd runs the
worker, and --apply changes exactly what differs on a SIMULATED API."""

import copy
import json
import re
import subprocess

import pytest

from cloudflare_simulated import ACCOUNT, ZONE, Cloudflare, Refused
from node_servers import JS, install
from published import mirror
from waiting import PATIENCE

SECRET = "0123456789abcdefSECRET"
DESTINATION = (f"r2://logs/{{DATE}}?account-id={ACCOUNT}&access-key-id=abc"
               f"&secret-access-key={SECRET}")
LIMIT, CACHE, FIELDS = "http_ratelimit", "http_request_cache_settings", "http_log_custom_fields"


@pytest.fixture
def api():
    with Cloudflare() as server:
        yield server


@pytest.fixture
def config(ferry, work, api):
    """config("--apply", …) of the mirror eu."""
    (work / "destination").write_text(DESTINATION + "\n")
    (work / "destination").chmod(0o600)
    (work / "ferry.conf").write_text(
        mirror("eu", kind="file", path="m", url="https://models.example.org/v1/") +
        mirror("us", kind="file", path="n", url="https://us.example.org") +
        f"[front]\napi = {api.url}\nzone = {ZONE}\naccount = {ACCOUNT}\n"
        "[front.eu]\nanalytics = downloads\nlog-destination-file = destination\n")
    ferry.env["CLOUDFLARE_API_TOKEN"] = api.token

    def run(*words, mirror="eu", **options):
        return ferry("mirror", "config", "cloudflare", "-m", mirror, *words, **options)
    return run


def states(result):
    return [c["state"] for c in result.json["changes"]]


# -- what is printed -------------------------------------------------------------------------

DAMAGE = {
    "action": lambda d: d["phases"][0]["rules"][0].update(action="blok"),
    "phase": lambda d: d["phases"][1].update(phase="http_cache"),
    "period": lambda d: d["phases"][0]["rules"][0]["ratelimit"].update(period="10"),
    "limit": lambda d: d["phases"][0]["rules"][0]["ratelimit"].update(threshold=1),
    "ttl": lambda d: d["phases"][1]["rules"][0]["action_parameters"]["edge_ttl"].update(mode="x"),
    "ref": lambda d: d["phases"][1]["rules"][0].pop("ref"),
    "fields": lambda d: d["phases"][2]["rules"][0]["action_parameters"].update(request_fields=["a"]),
    "data-set": lambda d: d["logpush"].update(dataset="http"),
    "format": lambda d: d["logpush"]["output_options"].update(timestamp_format="iso"),
    "binding": lambda d: d["worker"]["metadata"]["bindings"][0].update(type="analytics"),
}


def test_the_types_of_cloudflare_judge_it(config, work):
    good = json.loads(config().out)
    documents = {"good": good}
    for name, damage in DAMAGE.items():
        documents[f"bad-{name}"] = copy.deepcopy(good)
        damage(documents[f"bad-{name}"])
    folder = work / "types"
    folder.mkdir()
    npm = install() / "node_modules"
    (folder / "node_modules").symlink_to(npm)
    (folder / "cloudflare-front.ts").write_text((JS / "cloudflare.ts").read_text())
    for name, document in documents.items():
        (folder / f"{name}.ts").write_text(
            'import type { FerryCloudflare } from "./cloudflare-front";\n'
            f"export const made: FerryCloudflare = {json.dumps(document, indent=1)};\n")
    done = subprocess.run(
        ["node", npm / "typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target",
         "es2022", "--module", "es2022", "--moduleResolution", "bundler",
         *[f"{name}.ts" for name in documents]],
        cwd=folder, text=True, capture_output=True, timeout=PATIENCE)
    errors = done.stdout + done.stderr
    assert set(re.findall(r"^([\w-]+)\.ts\(", errors, re.M)) == {f"bad-{n}" for n in DAMAGE}, \
        errors[:3000]


def test_it_prints_rules_without_secrets_and_without_asking_anybody(config, api, ferry):
    del ferry.env["CLOUDFLARE_API_TOKEN"]
    made = config("--json").json["cloudflare"]
    assert not api.requests and SECRET not in json.dumps(made)
    rules = {r["ref"]: r for p in made["phases"] for r in p["rules"]}
    assert rules["ferry_eu-requests"]["ratelimit"]["requests_per_period"] == 200
    for rule in rules.values():
        assert rule["expression"] == "true" or \
            rule["expression"].startswith('http.host eq "models.example.org" and ')
    assert '"/v1/targets/"' in rules["ferry_eu-immutable"]["expression"]
    assert made["worker"]["route"] == "models.example.org/v1/targets/*"
    plain = config("--json", mirror="us").json["cloudflare"]
    assert "logpush" not in plain and "worker" not in plain
    assert [p["phase"] for p in plain["phases"]] == [LIMIT, CACHE]


def test_the_worker_counts_downloads_and_never_changes_an_answer(config, work):
    script = work / "worker.js"
    script.write_text(config("--json").json["cloudflare"]["worker"]["script"])
    base, name = "https://models.example.org/v1/targets/models/m", "0" * 64 + ".m-q4.gguf"
    asked = [[f"{base}/{name}", {}],
             [f"{base}/{name}?x=1", {"headers": {"range": "bytes=0-3"}}],
             [f"{base}/{name}", {"headers": {"x-method": "HEAD"}}],
             [f"{base}/{name}.manifest.json", {}],
             [f"{base}/missing.gguf", {}],
             [f"{base}/{'x' * 3000}.gguf", {}],
             [f"{base}/{name}", {"headers": {"x-analytics-fail": "1"}}]]
    done = subprocess.run(["node", JS / "front-worker.cjs", install(), script], text=True,
                          input=json.dumps(asked), capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [t["status"] for t in told] == [200, 206, 200, 200, 404, 200, 200]
    assert [t["body"] for t in told] == ["whole", "part", "", "whole", "none", "whole", "whole"]
    assert told[1]["range"] == "bytes 0-3/5"
    assert [len(t["points"]) for t in told] == [1, 1, 0, 0, 0, 1, 0]
    for answer, size in ((told[0], 5), (told[1], 4)):
        [point] = answer["points"]
        assert point["indexes"] == ["m-q4.gguf"] and point["doubles"] == [size]
        assert point["blobs"][:2] == [f"/v1/targets/models/m/{name}", str(answer["status"])]
    [long] = told[5]["points"]
    assert len(long["indexes"][0]) <= 96 and sum(map(len, long["blobs"])) < 5000


# -- what is sent ----------------------------------------------------------------------------

def test_apply_makes_everything_and_a_second_time_nothing(config, api):
    first = config("--apply", "--json")
    assert states(first) == ["added"] * 7
    assert [r["ref"] for r in api.rules(CACHE)] == ["ferry_eu-immutable", "ferry_eu-fresh"]
    [job] = api.jobs
    assert job["name"] == "ferry-eu" and job["destination_conf"] == DESTINATION
    metadata, script = api.scripts["ferry-eu"]
    assert metadata["bindings"] == [{"type": "analytics_engine", "name": "DOWNLOADS",
                                     "dataset": "downloads"}]
    assert script.strip() == config("--json").json["cloudflare"]["worker"]["script"].strip()
    assert [(r["pattern"], r["script"]) for r in api.routes] == [
        ("models.example.org/v1/targets/*", "ferry-eu")]
    api.requests.clear()
    again = config("--apply", "--json")
    assert states(again) == ["same"] * 7 and not api.written
    assert SECRET not in first.out + first.err + again.out


def test_dry_run_says_what_differs_and_sends_nothing(config, api):
    assert states(config("--dry-run", "--json")) == ["added"] * 7
    config("--apply")
    assert states(config("--dry-run", "--json", "--set", "requests=5")) == ["changed"] + ["same"] * 6
    before = len(api.written)
    told = config("--apply", "--dry-run", "--set", "requests=5", "--quiet").out
    assert re.search(r"rule +changed +ferry_eu-requests", told)
    assert len(api.written) == before


def test_only_what_differs_is_changed_and_rules_of_others_stay(config, api):
    api.add_others(LIMIT)
    api.add_others(CACHE)
    others = copy.deepcopy(api.rules(LIMIT)), copy.deepcopy(api.rules(CACHE))
    config("--apply")
    config("--apply", mirror="us")
    api.requests.clear()
    changed = config("--apply", "--json", "--set", "requests=7", "--set", "analytics=other")
    assert states(changed) == ["changed", "same", "same", "same", "same", "changed", "same"]
    assert [m for m, _ in api.written] == ["PATCH", "PUT"]
    [mine] = [r for r in api.rules(LIMIT) if r.get("ref") == "ferry_eu-requests"]
    assert mine["ratelimit"]["requests_per_period"] == 70
    # A rule that is not wanted any more goes; that of the other mirror stays.
    removed = config("--apply", "--json", "--set", "requests=0")
    assert removed.json["changes"][0] == {"what": "rule", "name": "ferry_eu-requests",
                                          "state": "removed"}
    assert [r.get("ref") for r in api.rules(LIMIT)] == ["mine", None, "ferry_us-requests"]
    assert (api.rules(LIMIT)[:2], api.rules(CACHE)[:2]) == others


def test_a_route_of_another_worker_is_not_taken_over(config, api):
    api.routes.append(api.store({"pattern": "models.example.org/v1/targets/*", "script": "theirs"}))
    result = config("--apply", check=8)
    assert "belongs to another worker (theirs)" in result.err
    assert api.routes[0]["script"] == "theirs"


def test_another_secret_or_place_of_logs_is_sent(config, api, work):
    config("--apply")
    (work / "destination").write_text(DESTINATION.replace("r2://logs", "r2://other"))
    changed = config("--apply", "--json")
    assert [c for c in changed.json["changes"] if c["state"] != "same"] == [
        {"what": "logpush job", "name": "ferry-eu", "state": "changed"}]
    assert len(api.jobs) == 1 and api.jobs[0]["destination_conf"].startswith("r2://other")


def test_refusals_are_explained_and_show_no_secret(config, api, work, ferry):
    (work / "destination").write_text(DESTINATION.replace("r2:", "s3:"))
    result = config("--apply", check=None)
    assert result.code != 0 and SECRET not in result.out + result.err
    (work / "destination").write_text(DESTINATION)
    half = config("--apply", "--json", "--set", "zone=none", check=None).json
    assert half["changes"] == [] and half["error"]
    ferry.env["CLOUDFLARE_API_TOKEN"] = "wrong"
    result = config("--apply", check=5)
    assert "Authentication error (10000)" in result.err and "wrong" not in result.err
    api.faults.append(lambda method, path: Refused(403, 1, "\x1b[31mred") if "jobs" in path else None)
    ferry.env["CLOUDFLARE_API_TOKEN"] = api.token
    assert "\x1b" not in config("--apply", check=5).err


def test_the_token_comes_from_a_private_file_or_the_environment_and_stays_with_the_api(
        config, api, work, ferry):
    del ferry.env["CLOUDFLARE_API_TOKEN"]
    assert "there is no API token" in config("--apply", check=5).err
    token = work / "token"
    token.write_text(api.token + "\n")
    token.chmod(0o644)
    assert "other users can read" in config("--apply", "--set", f"token-file={token}", check=2).err
    token.chmod(0o600)
    assert states(config("--apply", "--json", "--set", f"token-file={token}")) == ["added"] * 7
    result = config("--apply", "--set", f"token-file={token}", "--set",
                    "api=http://api.cloudflare.example/client/v4", check=2)
    assert "not sent over http" in result.err
    (work / "destination").chmod(0o644)
    assert "other users can read" in config("--apply", "--set", f"token-file={token}", check=2).err
    for front in ("nginx", "haproxy"):
        told = ferry("mirror", "config", front, "-m", "eu", "--apply", check=2).err
        assert "only the configuration of cloudflare can be applied" in told
