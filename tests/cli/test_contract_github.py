"""The mirror contract against releases on a simulated GitHub."""

import subprocess

from conftest import TOOLS
from published import mirror
from waiting import PATIENCE


def contract(ferry, work, github, token, **options):
    # An asset cannot be continued, but an object of several parts can.
    options = {"part_size": "8MiB", "owner": "octo", "repo": "models", "holds": "objects",
               "api": github.api, "url": github.url("octo/models"), **options}
    (work / "ferry.conf").write_text(
        mirror("m", kind="github", **{k.replace("_", "-"): v for k, v in options.items()}))
    env = ferry.environment({"GH_TOKEN": token})
    return subprocess.run([str(TOOLS / "mirror-contract"), work / "ferry.conf", "m"], env=env,
                          capture_output=True, text=True, timeout=PATIENCE)


def test_releases_of_a_simulated_github_keep_the_contract(ferry, work, github):
    github.repository("octo/models")
    done = contract(ferry, work, github, github.token("octo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") >= 25
    # Nothing is left but the draft.
    [release] = github.releases("octo/models")
    assert release["draft"] and release["assets"] == []


def test_a_private_repository_of_a_simulated_enterprise_server_keeps_the_contract(
        ferry, work, github):
    github.repository("octo/models", private=True)
    token = github.token("octo", permissions={"contents": "write"}, repositories=["octo/models"])
    done = contract(ferry, work, github, token, api=github.enterprise)
    assert done.returncode == 0, done.stdout + done.stderr
