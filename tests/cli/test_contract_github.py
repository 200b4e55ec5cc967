"""The mirror contract against releases on a simulated GitHub."""

import subprocess

import pytest

from conftest import TOOLS
from published import mirror
from waiting import PATIENCE

# An asset of 1 GiB cannot be continued: the parts of that object are smaller.
LACKS = {"8MiB": {}, "1GiB": {"a_closed_upload_is_found_again": "u->missing == 2"}}


def contract(ferry, work, github, token, **options):
    options = {"part_size": "8MiB", "owner": "octo", "repo": "models", "holds": "objects",
               "api": github.api, "url": github.url("octo/models"), **options}
    (work / "ferry.conf").write_text(
        mirror("m", kind="github", **{k.replace("_", "-"): v for k, v in options.items()}))
    env = ferry.environment({"GH_TOKEN": token})
    return subprocess.run([str(TOOLS / "mirror-contract"), work / "ferry.conf", "m"], env=env,
                          capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("size", LACKS)
def test_releases_of_a_simulated_github_keep_the_contract(ferry, work, github, size):
    github.repository("octo/models")
    done = contract(ferry, work, github, github.token("octo"), part_size=size)
    said = dict(line.split(" ", 1)[1].partition(": ")[::2] for line in done.stdout.splitlines()
                if line.startswith("FAILED "))
    assert set(said) == set(LACKS[size]), done.stdout + done.stderr
    for test, words in LACKS[size].items():
        assert words in said[test]
    assert done.stdout.count("ok ") + len(said) >= 25
    # Nothing is left but the draft.
    [release] = github.releases("octo/models")
    assert release["draft"] and (size == "1GiB" or release["assets"] == [])


def test_a_private_repository_of_a_simulated_enterprise_server_keeps_the_contract(
        ferry, work, github):
    github.repository("octo/models", private=True)
    token = github.token("octo", permissions={"contents": "write"}, repositories=["octo/models"])
    done = contract(ferry, work, github, token, api=github.enterprise)
    assert done.returncode == 0, done.stdout + done.stderr
