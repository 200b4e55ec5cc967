"""scripts/publish, scripts/submission, and the workflows that people copy: they are linted, and their
steps run in a simulated checkout, with the built programs, against mirrors in folders."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from conftest import BIN, ROOT
from node_servers import JS, install
from published import mirror, publisher, signed_base  # noqa: F401 (fixtures)

GITHUB = sorted((ROOT / "ci" / "github").glob("*.yml"))
GITLAB = ROOT / "ci" / "gitlab" / "publish.gitlab-ci.yml"

HOOK = "#!/bin/sh\ncat > announced\n"


@pytest.fixture
def project(publisher):  # noqa: F811
    """A publisher's folder with a stage mirror, and a hook that keeps what it is told."""
    (publisher.dir / "hook").write_text(HOOK)
    (publisher.dir / "hook").chmod(0o755)
    publisher.configure(mirror("a"), mirror("s", stage="yes"),
                        more="[announce.web]\ncommand = ./hook")
    publisher.environment = {**publisher.ferry.env, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return publisher


@pytest.fixture
def model(project, make_gguf):
    return make_gguf(project.dir / "new.gguf", "--seed", "7", "--size", "1M")


def run(command, project, check=0, cwd=None, **env):
    done = subprocess.run(command, cwd=cwd or project.dir, env={**project.environment, **env},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == check, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def announced(project):
    return json.loads((project.dir / "announced").read_text())


# -- scripts/publish ------------------------------------------------------------------------------


def test_publish_prepares_signs_stages_verifies_pushes_and_announces(project, model):
    done = run([ROOT / "scripts/publish", "-s", "s", "new", model, "--set", "license.id=MIT"], project)
    steps = re.findall(r"^== ferry (.*)$", done.stderr, re.M)
    assert [s.split()[0] for s in steps] == ["prepare", "catalog", "catalog", "push", "verify",
                                             "push", "verify", "announce"]
    assert steps[3] == "push --stage" and steps[4] == "verify --full --mirror s"
    assert project.release("a") == project.release("s")
    assert {m["id"] for m in announced(project)["models"]} == {"new", "tiny"}


def test_publish_stops_when_the_stage_mirror_is_wrong_and_readers_keep_the_old_release(project, model):
    run([ROOT / "scripts/publish"], project)
    old = project.release("a")
    # A program in place of ferry that damages the stage between push and verify.
    wrapper = project.dir / "wrapper"
    wrapper.write_text('#!/bin/sh\nif [ "$1 $2" = "verify --full" ]; then\n'
                       'f=$(ls mirrors/s/targets/models/new/*.gguf); chmod +w "$f"; echo >> "$f"\n'
                       'fi\nexec ferry "$@"\n')
    wrapper.chmod(0o755)
    run([ROOT / "scripts/publish", "-s", "s", "new", model, "--set", "license.id=MIT"], project,
        check=1, FERRY=str(wrapper))
    assert project.release("a") == old and project.release("s") > old


@pytest.mark.parametrize("words", [["only-a-model"], ["-x", "y"], ["m", "--config=evil"],
                                   ["--", "-m", "source"]])
def test_publish_does_not_take_a_name_for_an_option(project, words):
    assert "usage" in run([ROOT / "scripts/publish", *words], project, check=2).stderr


# -- linting --------------------------------------------------------------------------------------


def node(script, *options, **settings):
    return subprocess.run(["node", JS / script, install(), *options], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, **settings)


def test_actionlint_has_nothing_to_say_of_the_workflows_and_finds_injected_text(tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text(GITHUB[0].read_text().replace(
        "ferry catalog lint", "echo ${{ github.event.head_commit.message }}"))
    done = node("actionlint.cjs", *GITHUB, bad, check=True)
    # It does not know the label of our own runner.
    found = [f for f in json.loads(done.stdout)
             if f.get("message") and 'label "publisher"' not in f["message"]]
    assert len(GITHUB) == 2 and [f["file"] for f in found] == [str(bad)]
    assert "untrusted" in found[0]["message"]


def scripts_of(text):
    """What a shell reads: the value of each "run" of a workflow."""
    jobs = yaml.safe_load(text)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", GITHUB, ids=lambda p: p.name)
def test_no_expression_is_in_the_text_of_a_script_and_each_is_clean_for_shellcheck(path, tmp_path):
    for i, script in enumerate(scripts_of(path.read_text())):
        assert "${{" not in script
        (tmp_path / f"{i}.sh").write_text(f"#!/bin/bash\n{script}")
    subprocess.run(["shellcheck", "-e", "SC2164", *tmp_path.glob("*.sh")], check=True)


@pytest.mark.parametrize("path", GITHUB, ids=lambda p: p.name)
def test_actions_are_pinned_by_commit_and_forks_get_no_secrets(path):
    text = path.read_text()
    flow = yaml.safe_load(text)
    triggers = flow[True]      # "on" is a word for true in YAML 1.1
    assert "pull_request_target" not in triggers and "workflow_run" not in triggers
    assert flow["permissions"] in ({}, {"contents": "read"})
    for name, job in flow["jobs"].items():
        assert job.get("permissions", flow["permissions"]) == {"contents": "read"}
        uses = [s for s in job["steps"] if "uses" in s]
        assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", s["uses"]) for s in uses)
        assert all(s["with"]["persist-credentials"] is False for s in uses)
        if "pull_request" in triggers and name == "check":
            assert "secrets." not in json.dumps(job) and "self-hosted" not in job["runs-on"]
        elif "secrets." in json.dumps(job):
            assert job["environment"]


def gitlab(project, *options, **settings):
    home = project.dir / "home"
    return node("gitlab-ci-local.cjs", "--home", str(home), "--state-dir", "../state",
                "--force-shell-executor", *options, cwd=project.dir / "checkout",
                env={**project.environment, "HOME": str(home)}, **settings)


def test_gitlab_ci_is_valid_by_gitlabs_schema_and_a_fault_in_it_is_found(project):
    make_checkout(project)
    listed = gitlab(project, "--list-json")
    assert {job["name"] for job in json.loads(listed.stdout)} >= {"publish"}, listed.stderr
    config = project.dir / "checkout" / ".gitlab-ci.yml"
    config.write_text(config.read_text().replace("script:", "skript:"))
    bad = gitlab(project, "--list-json")
    assert bad.returncode != 0


# -- simulated runners ----------------------------------------------------------------------------


def git(folder, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True,
                          text=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
                          ).stdout.strip()


def make_checkout(project, name="checkout"):
    """A project that has copied our files, as they say."""
    folder = project.dir / name
    (folder / "scripts").mkdir(parents=True)
    (folder / "submissions").mkdir()
    (folder / "submissions" / "README").write_text("Add MODEL/MODEL.card.json here.\n")
    for script in ("publish", "submission"):
        shutil.copy(ROOT / "scripts" / script, folder / "scripts")
    shutil.copy(GITLAB, folder / ".gitlab-ci.yml")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "https://git.example.org/a/b.git")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Models")
    return folder


class SimulatedRunner:
    """Runs the steps of a job of a GitHub workflow: expressions in `env` and `with` get the given
    values, `uses: actions/checkout` copies a commit, and `run` goes to bash as on GitHub."""

    def __init__(self, project, origin, values):
        self.project, self.origin, self.values = project, origin, values
        self.workspace = project.dir / "workspace"
        self.workspace.mkdir()
        self.bin = project.dir / "runner-bin"
        self.bin.mkdir()
        (self.bin / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (self.bin / "sudo").chmod(0o755)
        self.temp = project.dir / "runner-temp"
        self.temp.mkdir()

    def value(self, text):
        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda m: str(self.values.get(m[1], "")), text)

    def checkout(self, step):
        to = self.workspace / step["with"].get("path", ".")
        commit = self.value(step["with"].get("ref", "")) or self.values["github.sha"]
        git(self.project.dir, "clone", "-q", "--no-checkout", str(self.origin), str(to))
        git(to, "checkout", "-q", "--detach", commit)

    def shell(self, step):
        settings = {k: self.value(v) for k, v in step.get("env", {}).items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace / step.get("working-directory", "."), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env={
                **self.project.environment, "GITHUB_WORKSPACE": str(self.workspace),
                "PATH": f"{self.bin}:{self.project.environment['PATH']}",
                "RUNNER_TEMP": str(self.temp), "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
                **settings})

    def job(self, path, name, fails_at=None):
        """Runs the job; it must succeed, or fail at the step of this name."""
        for step in yaml.safe_load(path.read_text())["jobs"][name]["steps"]:
            if "uses" in step:
                self.checkout(step)
                continue
            done = self.shell(step)
            if done.returncode and step["name"] == fails_at:
                return done.stdout + done.stderr
            assert done.returncode == 0, f"{step['name']}\n{done.stdout}\n{done.stderr}"
        assert fails_at is None, f"{fails_at} succeeded"
        return ""


def test_the_github_workflow_publishes_in_a_simulated_checkout(project, model):
    origin = make_checkout(project, "origin")
    runner = SimulatedRunner(project, origin, {
        "github.sha": "main", "vars.PUBLISHER_DIR": project.dir, "vars.STAGE_MIRROR": "s",
        "secrets.FERRY_PASSPHRASE": "unused", "inputs.model": "new",
        "inputs.source": model, "inputs.license": "MIT"})
    runner.job(ROOT / "ci/github/publish.yml", "publish")
    assert {m["id"] for m in announced(project)["models"]} == {"new", "tiny"}
    assert project.release("a") == project.release("s")
    assert "timestamp" in (runner.temp / "summary").read_text()
    assert (runner.temp / "backup.tar.zst").exists()


@pytest.mark.parametrize("text", ["$(touch pwned)`touch pwned`", "'; touch pwned; '"])
def test_what_a_form_says_is_not_run_in_a_simulated_checkout(project, text):
    origin = make_checkout(project, "origin")
    runner = SimulatedRunner(project, origin, {
        "github.sha": "main", "vars.PUBLISHER_DIR": project.dir, "inputs.model": text,
        "inputs.source": text, "inputs.license": text})
    runner.job(ROOT / "ci/github/publish.yml", "publish", fails_at="Publish")
    assert list(project.dir.rglob("pwned")) == []


def test_the_gitlab_job_publishes_in_a_simulated_checkout(project, model):
    make_checkout(project)
    values = {"MODEL": "new", "SOURCE": str(model), "STAGE_MIRROR": "s",
              "PUBLISHER_DIR": str(project.dir), "CI_PIPELINE_SOURCE": "web",
              "CI_COMMIT_REF_PROTECTED": "true"}
    variables = [w for k, v in values.items() for w in ("--variable", f"{k}={v}")]
    done = gitlab(project, *variables, "publish")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {m["id"] for m in announced(project)["models"]} == {"new", "tiny"}
    assert project.release("a") == project.release("s")


# -- submissions ----------------------------------------------------------------------------------


@pytest.fixture
def archive(project):
    """SIMULATED: what the workflow installs ferry from; its Makefile copies the built programs."""
    source = project.dir / "ferry-source"
    (source / "scripts").mkdir(parents=True)
    (source / "scripts" / "install-deps").write_text("#!/bin/sh\nexit 0\n")
    (source / "scripts" / "install-deps").chmod(0o755)
    (source / "Makefile").write_text(
        f"programs:\n\ninstall:\n\tcp {BIN}/ferry* {project.dir}/runner-bin\n")
    path = project.dir / "ferry.tar.gz"
    subprocess.run(["tar", "-czf", path, "-C", project.dir, "ferry-source"], check=True)
    return path


class Submitted:
    """A pull request that adds one card to a project's repository."""

    def __init__(self, project, model, nginx, archive):
        self.project = project
        self.origin = make_checkout(project, "origin")
        self.base = git(self.origin, "rev-parse", "HEAD")
        files = project.dir / "files"
        files.mkdir()
        shutil.copy(model, files / "community-new.gguf")
        self.server = nginx(files)
        self.url = f"{self.server.url}/community-new.gguf"
        self.sha256 = sha256(model)
        self.values = {
            "github.event.pull_request.base.sha": self.base, "github.event.before": self.base,
            "vars.FERRY_URL": f"file://{archive}", "vars.FERRY_SHA256": sha256(archive),
            "vars.SOURCES": self.server.url + "/", "vars.PUBLISHER_DIR": project.dir}

    def commit(self, name="community-new", more=None, **changed):
        card = {"format": "model-ferry-card", "version": 1, "id": name, "title": "Theirs",
                "license": {"id": "MIT"}, "summary": "From the community",
                "source": {"url": self.url, "sha256": self.sha256}, "variants": [], **changed}
        folder = self.origin / "submissions" / name
        folder.mkdir()
        (folder / f"{name}.card.json").write_text(json.dumps(card))
        for path, text in (more or {}).items():
            (self.origin / path).write_text(text)
        git(self.origin, "checkout", "-q", "-b", "submission")
        git(self.origin, "add", "-A")
        git(self.origin, "commit", "-q", "-m", "A model")
        self.values["github.sha"] = git(self.origin, "rev-parse", "HEAD")

    def run(self, job, **settings):
        return SimulatedRunner(self.project, self.origin, self.values).job(
            ROOT / "ci/github/submit.yml", job, **settings)


def sha256(path):
    return subprocess.run(["sha256sum", path], check=True, capture_output=True,
                          text=True).stdout.split()[0]


@pytest.fixture
def submitted(project, model, nginx, archive):
    return Submitted(project, model, nginx, archive)


def test_a_submission_is_checked_signed_by_the_delegated_role_and_published(submitted):
    project = submitted.project
    submitted.commit()
    submitted.run("check")
    shutil.rmtree(project.dir / "workspace")
    shutil.rmtree(project.dir / "runner-bin")
    shutil.rmtree(project.dir / "runner-temp")
    project("catalog", "key", "new", "community", "--unencrypted")
    project("catalog", "delegate", "community", "--paths", "models/community-*/*", "--key",
            "keys/community.pub")
    project("catalog", "sign")
    submitted.run("accept")
    run([ROOT / "scripts/publish"], project)
    assert "community-new" in {m["id"] for m in announced(project)["models"]}


@pytest.mark.parametrize("path", [".github", "scripts/submission"])
def test_a_submission_that_changes_more_than_its_card_is_for_people_to_review(submitted, path):
    submitted.commit(more={path: "x"})
    assert "may only change" in submitted.run("check", fails_at="Find what was submitted")


@pytest.mark.parametrize("changes, why", [
    ({"source": {"url": "https://elsewhere.example/x.gguf", "sha256": "0" * 64}}, "must begin with"),
    ({"source": {"url": "file:///etc/passwd", "sha256": "0" * 64}}, "must begin with"),
    ({"source": {"url": "https://huggingface.co/x", "sha256": "--help"}}, "sha256 is missing"),
    ({"source": {}}, "sha256 is missing"),
    ({"id": "other"}, "id is not"),
])
def test_a_card_that_says_too_little_or_another_place_is_refused(project, changes, why):
    folder = project.dir / "submissions" / "m"
    folder.mkdir(parents=True)
    (folder / "m.card.json").write_text(json.dumps({"id": "m", **changes}))
    done = run([ROOT / "scripts/submission", "check", folder], project, check=1)
    assert why in done.stderr and "== ferry" not in done.stderr


def test_a_model_that_is_not_the_one_of_the_digest_fails(submitted):
    submitted.sha256 = "0" * 64
    submitted.commit()
    assert "0000" in submitted.run("check", fails_at="Check the models")


def test_an_archive_with_another_digest_is_not_installed(submitted):
    submitted.commit()
    submitted.values["vars.FERRY_SHA256"] = "0" * 64
    submitted.run("check", fails_at="Install ferry")


def test_the_gitlab_job_checks_a_submission_in_a_simulated_checkout(submitted):
    project = submitted.project
    submitted.commit()
    shutil.move(submitted.origin, project.dir / "checkout")
    values = {"SOURCES": submitted.server.url + "/", "CI_PIPELINE_SOURCE": "merge_request_event",
              "CI_MERGE_REQUEST_DIFF_BASE_SHA": submitted.base}
    variables = [w for k, v in values.items() for w in ("--variable", f"{k}={v}")]
    done = gitlab(project, *variables, "--evaluate-rule-changes=false", "check-submission")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "== ferry prepare community-new" in done.stdout + done.stderr


def test_every_script_that_the_workflows_name_exists():
    for path in [*GITHUB, GITLAB]:
        for script in re.findall(r"scripts/[a-z]+(?:-[a-z]+)*", path.read_text()):
            assert (ROOT / script).exists(), script
