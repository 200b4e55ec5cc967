"""Keys and tokens made by npm's jose (tests/js/tokens.mjs)."""

import json
import pathlib
import subprocess

import node_servers
from waiting import PATIENCE

ISSUER = "https://issuer.example"
AUDIENCE = "edge"


def make(*kids):
    """{"jwks", "tokens": [{"name", "token", "valid"}]}; with kids, a key and a token of each."""
    done = subprocess.run(["node", str(node_servers.JS / "tokens.mjs"),
                           str(node_servers.install()), *kids],
                          capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write_set(path, jwks):
    path = pathlib.Path(path)
    path.write_text(json.dumps(jwks))
    path.chmod(0o600)
    return path
