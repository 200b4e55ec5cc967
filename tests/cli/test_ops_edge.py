"""scripts/ops/container and scripts/ops/kubernetes, each judged by what reads it. ci/packages builds the
container and runs it."""

import contextlib
import copy
import hashlib
import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest
import yaml

import node_servers
from conftest import ROOT, Ferry
from edges import Edge
from publisher import Publisher, object_path
from servers import Nginx, free_port, wait_for_port
from waiting import PATIENCE, until

OPS = ROOT / "scripts" / "ops"
CONTAINER, KUBERNETES = OPS / "container", OPS / "kubernetes"
CONTAINERFILE = (CONTAINER / "Containerfile").read_text()
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
VERSION = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]


def run(*command, input=None):
    done = subprocess.run([str(word) for word in command], input=input, text=True, capture_output=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def objects(path):
    return list(yaml.safe_load_all(path.read_text()))


def of_kind(path, kind):
    return [o for o in objects(path) if o["kind"] == kind]


def workload(path):
    (found,) = of_kind(path, "Deployment") + of_kind(path, "DaemonSet")
    return found


def pod(path):
    return workload(path)["spec"]["template"]


# -- Kubernetes ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faults():
    modules = node_servers.install() / "node_modules"

    def judge(found):
        return json.loads(run("node", node_servers.JS / "kubernetes.cjs", modules, input=json.dumps(found)))
    return judge


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_kubernetes_schemas_accept_every_object_and_know_every_field(faults, path):
    found = objects(path)
    assert [o["kind"] for o in found].count("ServiceAccount") == 1 and len(found) >= 4
    assert faults(found) == [[] for _ in found]


def test_the_job_of_the_examples_is_accepted_too(faults):
    assert faults(objects(ROOT / "examples/verify-fleet/job.yaml")) == [[]]


def test_a_wrong_field_and_a_wrong_type_would_be_found(faults):
    spelled, typed = (copy.deepcopy(workload(KUBERNETES / "edge.yaml")) for _ in range(2))
    container = spelled["spec"]["template"]["spec"]["containers"][0]
    container["readinesProbe"] = container.pop("readinessProbe")
    typed["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "long"
    assert faults([spelled]) == [["/spec/template/spec/containers/0/readinesProbe"]]
    assert "terminationGracePeriodSeconds must be integer" in faults([typed])[0][0]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_objects_name_each_other_rightly(path):
    labels = pod(path)["metadata"]["labels"]
    assert workload(path)["spec"]["selector"]["matchLabels"] == labels
    ports = {p["name"]: p["containerPort"] for c in pod(path)["spec"]["containers"] for p in c["ports"]}
    for service in of_kind(path, "Service"):
        assert service["spec"]["selector"] == labels
        assert all(ports[p["targetPort"]] == p["port"] for p in service["spec"]["ports"])
    assert pod(path)["spec"]["serviceAccountName"] == of_kind(path, "ServiceAccount")[0]["metadata"]["name"]
    for budget in of_kind(path, "PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"] == labels
    for scaler in of_kind(path, "HorizontalPodAutoscaler"):
        target = workload(path)
        assert scaler["spec"]["scaleTargetRef"] == {
            "apiVersion": target["apiVersion"], "kind": target["kind"], "name": target["metadata"]["name"]}
        assert "replicas" not in target["spec"]
    volumes = {v["name"] for v in pod(path)["spec"]["volumes"]}
    for container in pod(path)["spec"]["containers"]:
        assert {m["name"] for m in container["volumeMounts"]} == volumes
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


def test_the_settings_that_the_comment_gives_are_read(work):
    text = re.search(r"^#   \[serve\]\n(?:#   .*\n)+", (KUBERNETES / "edge.yaml").read_text(), re.M)[0]
    text = re.sub(r"^#   ", "", text, flags=re.M)
    assert "/etc/ferry-keys/keys" in text and ".svc.cluster.local" in text
    (work / "ferry.conf").write_text(text)
    # It has read the section, and misses what to serve.
    done = Ferry(work)("serve", check=2)
    assert "there is no repository to serve" in done.err


def test_prometheus_is_given_a_job_with_a_key_that_finds_the_pods(work):
    (found,) = of_kind(KUBERNETES / "edge.yaml", "ConfigMap")
    config = yaml.safe_load(found["data"]["ferry-edge.yml"])
    [job] = config["scrape_configs"]
    labels, = [r["regex"].split("|") for r in job["relabel_configs"] if r.get("action") == "keep"]
    assert sorted(labels) == sorted(pod(path)["metadata"]["labels"]["app"] for path in MANIFESTS)
    ports = {p["name"] for path in MANIFESTS for c in pod(path)["spec"]["containers"] for p in c["ports"]}
    assert ports == {"http"}        # one target for each pod
    job["authorization"]["credentials_file"] = "key"
    # Debian's Prometheus has no discovery by Kubernetes.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["models"]}}]
    job["static_configs"] = [{"targets": ["pod:8480"]}]
    (work / "key").write_text("ferry_id_secret")
    (work / "prometheus.yml").write_text(yaml.safe_dump(config))
    assert "is valid" in run("promtool", "check", "config", work / "prometheus.yml")


def test_the_deployment_has_an_autoscaler_and_a_disruption_budget():
    path = KUBERNETES / "edge.yaml"
    (scaler,), (budget,) = of_kind(path, "HorizontalPodAutoscaler"), of_kind(path, "PodDisruptionBudget")
    assert scaler["spec"]["minReplicas"] > budget["spec"]["minAvailable"]
    (metric,) = scaler["spec"]["metrics"]
    gauges = "".join(p.read_text() for p in (ROOT / "src/serve").glob("operate*.c"))
    assert f'GAUGE("{metric["pods"]["metric"]["name"]}"' in gauges


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_a_pod_runs_the_image_of_this_version_as_its_user_and_may_do_little(path):
    user = int(re.search(r"^USER (\d+):\1$", CONTAINERFILE, re.M)[1])
    assert pod(path)["spec"]["securityContext"]["runAsUser"] == user
    assert pod(path)["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod(path)["spec"]["automountServiceAccountToken"] is False
    for container in pod(path)["spec"]["containers"]:
        assert container["image"] == f"model-ferry-edge:{VERSION}"
        context = container["securityContext"]
        assert context == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                           "capabilities": {"drop": ["ALL"]}}


# -- containers ------------------------------------------------------------------------------------


def compose():
    return yaml.safe_load((CONTAINER / "compose.yaml").read_text())


def conf(key):
    return re.search(rf"^{key} = (.*)$", (CONTAINER / "ferry.conf").read_text(), re.M)[1]


def test_the_balancer_knows_each_edge_and_the_edges_know_each_other():
    services = compose()["services"]
    edges = {name for name in services if name.startswith("edge-")}
    assert len(edges) == 2 and services.keys() - edges == {"balancer"}
    config = (CONTAINER / "haproxy.cfg").read_text()
    assert re.findall(r"^\tserver (\S+) (\S+):8480$", config, re.M) == [(e, e) for e in sorted(edges)]
    assert conf("peers").split() == [f"http://{e}:8480" for e in sorted(edges)]
    # Each has a store of its own: two must not write the same one.
    stores = [v.split(":")[0] for e in edges for v in services[e]["volumes"] if v.endswith(":/var/lib/ferry")]
    assert len(set(stores)) == 2 and set(stores) == set(compose()["volumes"])


def test_the_edges_believe_the_network_of_the_balancer_and_no_other():
    (network,) = compose()["networks"].values()
    assert conf("fronts") == network["ipam"]["config"][0]["subnet"]


def test_only_the_balancer_has_a_port_on_the_machine_and_only_on_loopback():
    ports = {name: s["ports"] for name, s in compose()["services"].items() if "ports" in s}
    assert ports == {"balancer": ["127.0.0.1:8480:8480"]}


def test_haproxy_accepts_its_configuration(work):
    done = subprocess.run(["haproxy", "-c", "-f", CONTAINER / "haproxy.cfg"], text=True,
                          capture_output=True, timeout=PATIENCE)
    # It cannot look up the names of containers here, and says so as a warning.
    assert done.returncode == 0 and "[ALERT]" not in done.stderr


def test_an_image_and_a_compose_file_agree_where_things_are():
    places = dict(re.findall(r"(XDG_\w+)=(\S+)", CONTAINERFILE))
    assert f"\nVOLUME {places['XDG_DATA_HOME']}/ferry\n" in CONTAINERFILE
    # Without options: Docker and podman know different ones.
    assert compose()["x-edge"]["tmpfs"] == [places["XDG_RUNTIME_DIR"]]


def test_the_balancer_may_open_two_files_for_each_of_its_connections():
    most = int(re.search(r"^\tmaxconn (\d+)$", (CONTAINER / "haproxy.cfg").read_text(), re.M)[1])
    assert compose()["services"]["balancer"]["ulimits"]["nofile"] > 2 * most


# -- two edges and the balancer, as processes ------------------------------------------------------


@contextlib.contextmanager
def processes(ferry, repository, tried=0):
    """(edges, URL of the balancer, its process), configured as the containers are; only the
    addresses are others."""
    work = ferry.work / f"containers-{tried}"
    work.mkdir()
    ports = {"edge-1": free_port(), "edge-2": free_port(), "": free_port()}
    serve = (CONTAINER / "ferry.conf").read_text().split("[serve]\n")[1]
    serve = re.sub(r"^listen = .*\n", "", serve, flags=re.M)
    serve = serve.replace(conf("fronts"), "127.0.0.1").replace("log = -", "log = access.log")
    config = (CONTAINER / "haproxy.cfg").read_text().replace("bind :8480", f"bind 127.0.0.1:{ports['']}")
    config = re.sub(r"^resolvers .*?\n\n", "", config, flags=re.M | re.S)
    config = config.replace(" resolvers containers init-addr last,libc,none", "")
    config = config.replace("inter 2s", "inter 50ms")
    for name, port in ports.items():
        serve = serve.replace(f"//{name}:8480", f"//127.0.0.1:{port}")
        config = config.replace(f"\tserver {name} {name}:8480", f"\tserver {name} 127.0.0.1:{port}")
    assert "8480" not in serve + config
    (work / "haproxy.cfg").write_text(config)
    with contextlib.ExitStack() as stack:
        edges = [stack.enter_context(Edge(ferry, repository, serve, ("--listen", f"127.0.0.1:{ports[n]}"),
                                          f"{work.name}/{n}", {"FERRY_HOME": work / f"store-{n}"}))
                 for n in ("edge-1", "edge-2")]
        balancer = stack.enter_context(subprocess.Popen(
            ["haproxy", "-f", work / "haproxy.cfg"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(balancer.terminate)
        wait_for_port(ports[""], balancer)
        yield edges, f"http://127.0.0.1:{ports['']}/", balancer


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, make_gguf):
    work = tmp_path_factory.mktemp("fleet")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    make_gguf(work / "tiny.gguf", "--size", "20M")
    ferry("prepare", "-q", "tiny", work / "tiny.gguf", "--set", "license.id=MIT")
    publisher.add(work / "models" / "tiny")
    publisher.sign()
    (work / "mirror").mkdir()
    with Nginx(work / "mirror", publisher.tree) as mirror:
        repository = publisher.client(mirror.url)
        with processes(ferry, repository) as (edges, url, balancer):
            yield publisher, edges, url, balancer


def fetched(work, publisher, url):
    """The digest of what a machine gets that knows only the balancer."""
    work.mkdir()
    client = Ferry(work)
    (work / "ferry.conf").write_text(publisher.client(url))
    (path,) = client("fetch", "-q", "tiny").out.split()
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def test_a_model_comes_through_the_balancer_also_when_an_edge_was_killed(fleet, work):
    publisher, edges, url, balancer = fleet
    wanted = hashlib.sha256(object_path(publisher.tree, "*.gguf").read_bytes()).hexdigest()

    # It sends nothing to an edge before that says that it is ready.
    def answers():
        with contextlib.suppress(urllib.error.HTTPError):
            return urllib.request.urlopen(url + "metadata/timestamp.json", timeout=PATIENCE).status == 200
    until(answers, balancer)
    assert fetched(work / "first", publisher, url) == wanted
    lines = "".join((e.dir / "access.log").read_text() for e in edges)
    assert '"remote_addr":"127.0.0.1"' in lines.replace(" ", "")
    edges[0].kill()
    assert fetched(work / "second", publisher, url) == wanted
