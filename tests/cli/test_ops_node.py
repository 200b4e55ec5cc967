"""scripts/ops/node: units, crontab and cloud-init of an engine's machine do what they say."""

import os
import re

import pytest
import yaml

from conftest import BIN
from test_node import Node, catalog, outcomes  # noqa: F401
from test_ops_units import OPS, run

HERE = OPS / "node"
SERVICES = sorted(HERE.glob("*.service"))


@pytest.fixture
def node(catalog, ferry, work):  # noqa: F811
    return Node(catalog, ferry, work)


def test_systemd_finds_no_fault_in_the_units(work):
    units = [*SERVICES, HERE / "ferry-node.timer"]
    for path in units:
        text = path.read_text().replace("ExecStart=ferry ", f"ExecStart={BIN.resolve()}/ferry ")
        (work / path.name).write_text(text)
    done = run("systemd-analyze", "verify", "--man=no", *[work / p.name for p in units])
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("path", SERVICES, ids=lambda p: p.stem)
def test_a_service_is_confined_as_far_as_its_task_allows(path):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=50", path)
    assert done.returncode == 0, done.stdout


def test_the_crontab_does_what_the_units_do(node):
    """With the store and the metrics in the test's folder."""
    node.configure(qwen="model = qwen")
    lines = (HERE / "crontab").read_text().splitlines()
    jobs = [line for line in lines if re.match(r"[@*\d]", line)]
    commands = [line.split(" root ", 1)[1] for line in jobs]
    assert len(commands) == 3 and "%" not in "".join(commands)
    env = node.ferry.environment({"METRICS": node.work, "PATH": f"{BIN}:{os.environ['PATH']}"})
    for command in commands:
        done = run("env", *[f"{k}={v}" for k, v in env.items()], "sh", "-c", command, cwd=node.work)
        assert done.returncode == 0 and done.stdout == "", (command, done.stderr)
    assert "ferry_node_models_ready 1" in (node.work / "ferry-node.prom").read_text()
    assert outcomes(node.apply()) == {"qwen": "unchanged"}


def test_a_machine_that_cloud_init_starts_has_its_models(node):
    """What the file writes and runs, with the values of this test in the places in capitals."""
    text = (HERE / "cloud-init.yml").read_text()
    assert text.startswith("#cloud-config\n")
    values = {"http://EDGE.INTERNAL:8480/": f"file://{node.catalog.tree}",
              "ROOT_SHA256": node.catalog.root_sha256, "MODEL:auto": "phi:auto",
              "[repository.models]": "[repository.demo]", "/srv/models": str(node.work / "models"),
              "systemctl try-restart llama-server.service": str(node.hook)}
    for place, value in values.items():
        assert place in text
        text = text.replace(place, value)
    config = yaml.safe_load(text)
    conf, = config["write_files"]
    assert conf["path"] == "/etc/ferry/ferry.conf" and conf["permissions"] == "0644"
    (node.work / "ferry.conf").write_text(conf["content"])
    apply, enable = config["runcmd"]
    assert apply[:2] == ["env", "FERRY_HOME=/var/lib/ferry-node"] and apply[2] == "ferry"
    node.ferry(*apply[3:])
    assert list((node.work / "models").rglob("*.gguf")) and len(node.calls()) == 1
    units = set(enable[enable.index("--now") + 1:])
    assert units <= {p.name for p in HERE.iterdir()}
