"""Mirrors of kind git on machines where the local clone cannot be kept."""

import json

from git_servers import host  # noqa: F401
from published import mirror, publisher, signed_base  # noqa: F401


def test_a_state_folder_that_cannot_be_made_is_no_missing_file(publisher, host):
    publisher.configure(mirror("meta", kind="git", remote=host.path("models")), mirror("a"))
    publisher("push")
    (publisher.dir / "state").write_text("in the way")
    env = {"XDG_STATE_HOME": str(publisher.dir / "state")}
    result = publisher("verify", "--json", env=env, check=None)
    [meta] = [m for m in result.json["mirrors"] if m["id"] == "meta"]
    assert result.code == 7 and meta["result"] != "fault"
    assert "cannot create the folder" in json.dumps(result.json) + result.err
