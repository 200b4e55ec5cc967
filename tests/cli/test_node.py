"""ferry node: what ferry.conf says is made so, once and no more; and what is there is told."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import threading

import pytest

import engine
import ops_metrics
import servers
from conftest import Ferry
from disks import SmallDisk
from kills import Moments
from publisher import Publisher
from test_engine import libraries  # noqa: F401
from waiting import PATIENCE, until

ENGINES = {"llama.cpp": ".local/share/llama.cpp/models", "huggingface": ".cache/huggingface/hub",
           "ollama": ".ollama/models", "lmstudio": ".lmstudio/models"}
PHI, QWEN, GEMMA = MODELS = "phi", "qwen", "gemma"


@pytest.fixture(scope="session")
def catalog(tmp_path_factory, make_gguf):
    """A repository of three models; phi has two variants, of which q8_0 is smaller."""
    work = tmp_path_factory.mktemp("node")
    ferry = Ferry(work)
    publisher = Publisher(ferry, work)
    for seed, model in enumerate(MODELS):
        types = ("q8_0", "f16") if model == PHI else ("q8_0",)
        files = [make_gguf(work / f"{model}-{t}.gguf", "--type", t, "--seed", str(seed))
                 for t in types]
        for file in files:
            ferry("prepare", model, file, "--set", "license.id=MIT")
        publisher.add(work / "models" / model)
    publisher.sign()
    return publisher


@pytest.fixture
def node(catalog, ferry, work):
    return Node(catalog, ferry, work)


class Node:
    """A machine; hook is a program that notes what it is told."""

    def __init__(self, catalog, ferry, work):
        self.catalog, self.ferry, self.work = catalog, ferry, work
        self.told = work / "told"
        self.hook = work / "hook"
        self.write_hook('cat >> "$0.in"; printf "\\n" >> "$0.in"; echo "$@" >> "$0.words"')

    def write_hook(self, text):
        self.hook.write_text(f"#!/bin/sh\n{text}\n")
        self.hook.chmod(0o755)

    def configure(self, machine="", **sections):
        """sections: name → lines of [node.name]."""
        text = self.catalog.client() + f"[node]\n{machine}\n"
        for name, lines in sections.items():
            text += f"[node.{name}]\n{lines}\n"
        (self.work / "ferry.conf").write_text(text)

    def apply(self, *options, check=0, **more):
        return self.ferry("node", "apply", *options, "--json", check=check, **more).json

    def status(self, check=0, **more):
        return self.ferry("node", "status", "--json", check=check, **more).json

    def calls(self):
        """What the hook was told, oldest first."""
        path = self.work / "hook.in"
        text, decoder, found = (path.read_text() if path.exists() else ""), json.JSONDecoder(), []
        while text.strip():
            document, end = decoder.raw_decode(text.lstrip())
            found.append(document)
            text = text.lstrip()[end:]
        return found

    def stored(self):
        models = self.ferry("store", "list", "--json").json["variants"]
        return sorted(f"{m['model']}:{m['variant']}" for m in models)


def outcomes(result):
    return {m["name"]: m["outcome"] for m in result["models"]}


# -- engines -------------------------------------------------------------------------------------


def test_apply_gives_each_engine_its_model_and_a_second_run_changes_nothing(node, libraries):  # noqa: F811
    sections = {name.replace(".", "-"): f"model = phi:q8_0\nengine = {name}\nhook = {node.hook} {name}"
                for name in ENGINES}
    folder = node.work / "plain"
    sections["plain"] = f"model = qwen\nengine = directory\nto = {folder}\nhook = {node.hook} plain"
    node.configure(**sections)
    done = node.apply()
    assert outcomes(done)["plain"] == "fetched"
    assert {m["engine"]: m["folder"] for m in done["models"]} == {
        **{name: str(node.ferry.home / below) for name, below in ENGINES.items()},
        "directory": str(folder)}
    paths = {m["engine"]: m["path"] for m in done["models"]}
    tokens = engine.load(libraries, paths["llama.cpp"])["tokens"]
    assert len(tokens) == engine.PREDICT
    phi = pathlib.Path(paths["llama.cpp"]).read_bytes()
    for name in ENGINES:
        assert pathlib.Path(paths[name]).read_bytes() == phi
    assert len(node.calls()) == 5
    before = {p: p.lstat().st_mtime_ns for p in node.ferry.home.rglob("*")}
    again = node.apply()
    assert set(outcomes(again).values()) == {"unchanged"} and again["hooks"] == []
    assert {p: p.lstat().st_mtime_ns for p in node.ferry.home.rglob("*")} == before
    assert len(node.calls()) == 5
    assert node.status()["state"] == "ok"


def test_what_was_lost_from_the_store_or_the_folder_comes_back(node):
    node.configure(phi="model = phi:q8_0\nengine = lmstudio")
    path = pathlib.Path(node.apply()["models"][0]["path"])
    path.unlink()
    found = node.status(check=1)["models"][0]
    assert found["state"] == "unplaced" and "path" not in found
    assert outcomes(node.apply()) == {"phi": "placed"} and path.exists()
    shutil.rmtree(node.ferry.store / "blobs")
    assert node.status(check=1)["models"][0]["state"] == "missing"
    assert "missing  phi:q8_0" in node.ferry("node", "status", check=1).out
    assert outcomes(node.apply()) == {"phi": "fetched"}
    assert node.status()["state"] == "ok"


def test_a_name_in_the_engine_can_be_given_to_another_model_but_not_to_two(node):
    both = "engine = lmstudio\nas = me/chat"
    node.configure(chat=f"model = phi:q8_0\n{both}")
    path = node.apply()["models"][0]["path"]
    node.configure(chat=f"model = qwen\n{both}")
    done = node.apply()
    assert outcomes(done) == {"chat": "fetched"} and not pathlib.Path(path).exists()
    assert outcomes(node.apply()) == {"chat": "unchanged"}
    node.configure(chat=f"model = qwen\n{both}", other=f"model = phi:q8_0\n{both}")
    assert "[node.other]: as: [node.chat] has this name" in node.ferry("node", "apply", check=2).err


def test_models_for_another_user_belong_to_that_user(node):
    user = pwd.getpwnam("daemon")
    folder = node.work / "engine"
    node.configure("owner = daemon\nengine = ollama\ncopy = yes", phi=f"model = phi:q8_0\nto = {folder}")
    made = node.apply()["models"][0]
    assert folder.stat().st_uid == user.pw_uid
    manifests = [p for p in (folder / "manifests").rglob("*") if p.is_file()]
    assert manifests and {p.stat().st_uid for p in manifests} == {user.pw_uid}
    assert os.stat(made["path"]).st_mode & 0o004
    assert outcomes(node.apply()) == {"phi": "unchanged"}


# -- references ----------------------------------------------------------------------------------


def test_auto_is_the_variant_that_fits_and_status_says_what_it_needs(node):
    node.configure("memory = 1G", big="model = phi:auto", small="model = phi:auto\nmemory = 1M")
    done = node.apply(check=3)
    big, little = done["models"]
    assert big["variant"] == "f16" and big["outcome"] == "fetched" and big["auto"]["memory"] == 1 << 30
    assert little["outcome"] == "failed" and little["error"]["class"] == "not-found"
    node.configure("memory = 1G", big="model = phi:auto")
    node.apply()
    status = node.status()["models"][0]
    assert status["state"] == "ready" and status["needs"] > status["size"]
    node.configure("memory = 1M", big="model = phi:auto")
    assert node.status(check=1)["models"][0]["state"] == "too-large"


def test_a_number_stays_at_its_version_and_keep_says_how_many_earlier_ones_stay(
        node, catalog, make_gguf, work):
    node.catalog = catalog.again(node.ferry, work)
    hook = f"hook = {node.hook}"
    node.configure(now=f"model = qwen\nkeep = 0\n{hook}", old="model = qwen@1")
    assert outcomes(node.apply()) == {"now": "fetched", "old": "unchanged"}
    make_gguf(work / "qwen-q8_0.gguf", "--type", "q8_0", "--seed", "77")
    node.ferry("prepare", "qwen", work / "qwen-q8_0.gguf", "--set", "license.id=MIT",
               cwd=node.catalog.dir)
    node.catalog.add(node.catalog.dir / "models" / "qwen")
    node.catalog.sign()
    done = node.apply()
    assert {m["name"]: m["version"] for m in done["models"]} == {"now": 2, "old": 1}
    assert [c["models"][0]["version"] for c in node.calls()] == [1, 2]
    assert node.stored() == ["qwen:q8_0", "qwen:q8_0@1"]


def test_a_withdrawn_model_is_a_fault_and_the_one_in_use_stays(node, catalog, work):
    node.catalog = catalog.again(node.ferry, work)
    node.configure("engine = directory", qwen=f"model = qwen\nto = {work / 'out'}")
    path = pathlib.Path(node.apply()["models"][0]["path"])
    node.ferry("catalog", "withdraw", "-q", "qwen", "--reason", "wrong weights", cwd=node.catalog.dir)
    node.catalog.sign()
    fault = node.apply(check=6)["models"][0]
    assert "wrong weights" in fault["error"]["message"] and path.exists()
    applied = node.status()["applied"]
    assert applied["faults"] == 1


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_gets_its_words_without_a_shell_and_runs_once_for_all_models(node):
    node.configure(f"hook = {node.hook} $(touch made) *", phi="model = phi:q8_0", qwen="model = qwen")
    node.write_hook(node.hook.read_text() + 'env > "$0.env"')
    done = node.apply(env={"FERRY_PRIMARY_TOKEN": "s3cret", "AWS_SECRET_ACCESS_KEY": "s3cret",
                           "ANOTHER": "seen"})
    assert [h["models"] for h in done["hooks"]] == [["phi", "qwen"]]
    environment = (node.work / "hook.env").read_text()
    assert "ANOTHER=seen\n" in environment and "s3cret" not in environment
    assert (node.work / "hook.words").read_text() == "$(touch made) *\n"
    assert not (node.work / "made").exists()
    told, = node.calls()
    assert [m["name"] for m in told["models"]] == ["phi", "qwen"] and told["removed"] == []
    assert pathlib.Path(told["models"][1]["path"]).exists()


def test_a_hook_that_fails_or_is_killed_with_its_parent_runs_again(node):
    works = node.hook.read_text()
    node.configure(f"hook = {node.hook}", qwen="model = qwen")
    node.write_hook("echo no room >&2; exit 3")
    done = node.apply(check=7)
    assert "no room" in done["hooks"][0]["error"]["message"]
    assert not node.status()["models"][0]["told"]
    node.write_hook("kill -9 $PPID")
    assert node.ferry("node", "apply", check=None).code == -9
    node.hook.write_text(works)
    assert node.apply()["hooks"][0]["outcome"] == "succeeded"
    assert [m["name"] for m in node.calls()[0]["models"]] == ["qwen"]
    assert node.apply()["hooks"] == [] and node.status()["models"][0]["told"]


def test_a_run_that_is_killed_at_any_step_is_completed_by_the_next(node):
    settings, out = f"engine = directory\nhook = {node.hook}", node.work / "out"
    node.configure(settings, qwen=f"model = qwen\nto = {out}")
    node.apply()
    kept = node.work / "kept"
    for name in ("store", "out"):
        shutil.copytree(node.work / name, kept / name, symlinks=True)
    node.configure(settings, chat=f"model = phi:q8_0\nto = {out}")

    def run(env, check=0):
        for name in ("store", "out"):
            shutil.rmtree(node.work / name)
            shutil.copytree(kept / name, node.work / name, symlinks=True)
        (node.work / "hook.in").unlink()
        (node.work / "hook.in").touch()
        node.ferry("node", "apply", "-q", env=env, check=check)

    for env in Moments(node.work, run).some(6):
        run(env, check=None)
        node.apply()
        told = node.calls()
        assert {m["name"] for c in told for m in c["models"]} == {"chat"}
        assert {name for c in told for name in c["removed"]} == {"qwen"}
        assert node.stored() == ["phi:q8_0"]
        assert [p.name for p in out.rglob("*") if not p.is_dir()] == ["phi-q8_0.gguf"]
        assert node.apply()["hooks"] == [] and node.status()["state"] == "ok"


def test_a_hook_that_takes_too_long_is_stopped(node):
    node.configure(f"hook = {node.hook}\nhook-timeout = 1s", qwen="model = qwen")
    node.write_hook("exec tail -f /dev/null")
    assert node.apply(check=7)["hooks"][0]["outcome"] == "failed"


# -- removing ------------------------------------------------------------------------------------


def test_what_no_section_names_is_removed_in_order_of_use_and_not_more_than_allowed(node):
    settings = f"engine = directory\nremove-most = 1\nhook = {node.hook}"
    to = f"to = {node.work / 'out'}"
    node.configure(settings, gemma=f"model = gemma\n{to}", qwen=f"model = qwen\n{to}", phi=f"model = phi:q8_0\n{to}")
    node.apply()
    for age, model in enumerate((PHI, QWEN, GEMMA)):
        used = next((node.ferry.store / "models/demo" / model).rglob(".used"))
        os.utime(used, (10 ** 9 + age, 10 ** 9 + age))
    node.configure(settings, phi=f"model = phi:q8_0\n{to}")
    planned = node.apply("--dry-run")
    assert [m["model"] for m in planned["removed"]] == ["qwen"] and len(node.stored()) == 3
    done = node.apply()
    assert done["gone"] == ["gemma", "qwen"] and done["freed"] > 0 and done["unlinked"] == 1
    assert [(m["model"], m["outcome"]) for m in done["removed"]] == [("qwen", "removed")]
    assert [(m["model"], m["reason"]) for m in done["left"]] == [("gemma", "later")]
    assert node.calls()[-1]["removed"] == ["gemma", "qwen"]
    assert sorted(p.name.split("-")[0] for p in (node.work / "out").rglob("*.gguf")) == ["gemma", "phi"]
    assert [m["model"] for m in node.apply()["removed"]] == ["gemma"]
    assert node.stored() == ["phi:q8_0"]
    assert node.apply()["removed"] == []


def test_only_what_apply_has_brought_is_removed_and_nothing_that_is_pinned(node):
    node.configure(qwen="model = qwen", phi="model = phi:q8_0")
    node.ferry("fetch", GEMMA)
    node.apply()
    node.ferry("pin", QWEN)
    node.configure(phi="model = phi:q8_0")
    done = node.apply()
    assert done["removed"] == [] and [m["reason"] for m in done["left"]] == ["pinned"]
    assert node.stored() == ["gemma:q8_0", "phi:q8_0", "qwen:q8_0"]
    node.ferry("unpin", QWEN)
    user = node.ferry.start("run", QWEN, "--", "sh", "-c", "echo runs; read x", "{}",
                            stdin=subprocess.PIPE)
    assert user.stdout.readline() == "runs\n"
    assert [m["reason"] for m in node.apply()["left"]] == ["in-use"]
    user.communicate("\n")
    node.ferry("store", "link", QWEN, "--engine", "directory", "--to", node.work / "theirs")
    assert [m["reason"] for m in node.apply()["left"]] == ["linked"]
    node.ferry("store", "unlink", QWEN)
    node.configure("remove = no", phi="model = phi:q8_0")
    assert node.apply()["removed"] == [] and len(node.stored()) == 3
    node.configure("remove = all", phi="model = phi:q8_0")
    assert {m["model"] for m in node.apply()["removed"]} == {GEMMA, QWEN}
    assert node.stored() == ["phi:q8_0"]


def test_nothing_is_removed_while_a_section_fails_or_when_there_is_none(node):
    node.configure(qwen="model = qwen", phi="model = phi:q8_0")
    node.apply()
    node.configure(phi="model = phi:q8_0", other="model = nobody")
    done = node.apply(check=3)
    assert outcomes(done) == {"phi": "unchanged", "other": "failed"}
    assert node.stored() == ["phi:q8_0", "qwen:q8_0"]
    node.configure()
    assert "[node.NAME]" in node.ferry("node", "apply", check=2).err
    assert node.stored() == ["phi:q8_0", "qwen:q8_0"]


def test_on_a_full_disk_what_nobody_names_goes_first(node):
    size = (node.catalog.tree.parent.parent / "qwen-q8_0.gguf").stat().st_size
    with contextlib.closing(SmallDisk(node.work / "disk", size * 3 // 2 + (1 << 20))) as disk:
        env = {"FERRY_HOME": disk.path / "store", **disk.env}
        node.configure(qwen="model = qwen")
        node.apply(env=env)
        node.configure(gemma="model = gemma")
        done = node.apply(env=env)
        assert outcomes(done) == {"gemma": "fetched"}
        assert [m["model"] for m in done["removed"]] == [QWEN]


def test_another_run_at_work_is_a_conflict(node):
    node.configure(f"hook = {node.hook}", qwen="model = qwen")
    ferry = " ".join(map(str, node.ferry.command("node", "apply", "--json")))
    node.write_hook(f'{ferry} > "$0.second"; echo $? > "$0.code"')
    node.apply()
    assert (node.work / "hook.code").read_text() == "8\n"


# -- engines that answer -----------------------------------------------------------------------------


class Engine(http.server.ThreadingHTTPServer):
    """SIMULATED: answers its health URL."""
    status = 200

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_status_says_whether_the_engine_answers_and_since_when(node):
    with Engine(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/health"
        node.configure(f"health = {url}", phi="model = phi:q8_0", qwen="model = qwen")
        node.apply()
        prom = node.work / "node.prom"
        first = node.status()
        up, = first["engines"]
        assert up["url"] == url and up["up"]
        later = node.status(at="+1 hour")["engines"][0]
        assert later["since"] == up["since"]
        node.ferry("node", "status", "--prometheus", prom, at="+1 hour")
        lines = dict(line.rsplit(" ", 1) for line in prom.read_text().splitlines() if line[0] != "#")
        assert lines['ferry_node_engine_up{name="phi"}'] == "1"
        assert float(lines['ferry_node_engine_uptime_seconds{name="qwen"}']) >= 3600
        assert lines["ferry_node_models_ready"] == "2"
        labels = {name.split("{")[0]: tuple(re.findall(r'(\w+)="', name)) for name in lines}
        assert labels == ops_metrics.NODE
        assert subprocess.run(["promtool", "check", "metrics"], stdin=prom.open()).returncode == 0
        server.status = 503
        down, = node.status(check=1, at="+2 hours")["engines"]
        assert not down["up"] and "503" in down["error"]["message"] and down["since"] > up["since"]
    assert node.status(check=1)["state"] == "fault"


def test_load_balancers_and_prometheus_get_the_same_answer(node, validate):
    node.configure(qwen="model = qwen")
    port = servers.free_port()
    process = node.ferry.start("node", "status", "--listen", f"127.0.0.1:{port}")
    try:
        servers.wait_for_port(port, process)
        assert ask(port, "/healthz")[0] == 503
        node.apply()
        until(lambda: ask(port, "/healthz")[0] == 200, process)
        status, headers, body = ask(port, "/healthz?x=1")
        assert status == 200 and headers["content-type"] == "application/json"
        validate(json.loads(body), "output-node-status")
        assert b"\nferry_node_models_ready 1\n" in ask(port, "/metrics")[2]
        assert ask(port, "/healthz", "HEAD")[2] == b""
        assert ask(port, "/etc/passwd")[0] == 404 and ask(port, "/healthz", "POST")[0] == 405
        with socket.create_connection(("127.0.0.1", port)) as silent:
            silent.sendall(b"GET ")     # and no more: it does not keep others waiting for ever
            assert ask(port, "/healthz")[0] == 200
    finally:
        process.terminate()
        process.communicate()


def ask(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


# -- wrong settings --------------------------------------------------------------------------------


@pytest.mark.parametrize("lines, message", [
    ("engine = ollamma", "there is no engine 'ollamma'"),
    ("engine = directory", "has no folder of its own"),
    ("owner = nobody-at-all", "there is no user"),
    ("model = a b", "[node.phi]"),
    ("hook = ./there-is-none x", "there is no program"),
    ("hook = ./ferry.conf", "is not a program"),
    ("hook = .", "is not"),
    ("hook = no-such-program-at-all", "is not on PATH"),
    ("health = ftp://x/", "URL of http"),
    ("health = http://u:p@x/", "no user and no password"),
    ("keep = many", "keep"),
    ("to = out", "needs an engine"),
    ('hook = sh -c "echo changed"', "quotes do not join words"),
    ("engine = ollama", "model: is missing"),
])
def test_a_section_that_cannot_be_used_is_refused_by_name(node, lines, message):
    node.configure(phi=lines if "model" in lines + message else f"model = phi:q8_0\n{lines}")
    done = node.ferry("node", "apply", check=2)
    assert message in done.err
    section = (node.work / "ferry.conf").read_text().split("\n").index("[node.phi]") + 1
    assert int(re.search(r"ferry\.conf:(\d+): ", done.err)[1]) >= section
    assert not node.stored()


def test_what_the_machine_says_wrongly_is_named_with_its_own_line(node):
    for line, message in ("hook = ./none", "hook: there is no"), ("engine = x", "[node.phi]: engine"):
        node.configure(f"remove = own\n{line}", phi="model = phi:q8_0\nkeep = 1")
        done = node.ferry("node", "apply", check=2)
        lines = (node.work / "ferry.conf").read_text().split("\n")
        assert f"ferry.conf:{lines.index(line) + 1}: {message}" in done.err


def test_a_model_that_is_named_is_told_how_the_command_is_used(node):
    told = node.ferry("node", "apply", "phi", check=2).err
    assert "too many operands" in told and "--mirror" not in told
