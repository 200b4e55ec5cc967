"""What the end-to-end tests share: running the built commands in an isolated home,
validating their JSON against the schemas, and making small models."""

import collections
import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

import clocks
import schemas
import servers
import shared
from github_simulated import github, github_server      # noqa: F401, fixtures
from waiting import PATIENCE, locked

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FERRY_BIN_DIR", ROOT / "build" / "bin"))
TOOLS = BIN.parent / "tests"

# Under nohup, or in the background of a script, signals are ignored, and so they would be by the
# programs that the tests start and stop.
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Result:
    """What a command left: exit code (negative: the signal that ended it) and output."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self):
        return json.loads(self.out)


def preloaded(*libraries, **settings):
    """The environment of a command with libraries of tests/simulated preloaded; "sync" is always
    there, since no test is to wait for the disk."""
    paths = [str(TOOLS / f"simulated-{name}.so") for name in (*libraries, "sync")]
    return {"LD_PRELOAD": ":".join(paths), **settings}


class Ferry:
    """Runs `ferry ARGS…` with a home, store and configuration of its own. What it prints with
    --json is validated by the schema of its command."""
    bin, validates = BIN, True

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.home = self.work / "home"
        self.store = self.work / "store"
        self.home.mkdir(exist_ok=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "FERRY_HOME": str(self.store),
            "FERRY_SYSTEM_CONF": "",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "FERRY_PASSPHRASE": "correct horse",
            **preloaded(),
        }
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH", "TMPDIR"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def command(self, *args, at=None):
        return [*clocks.showing(at), str(self.bin / "ferry"), *[str(a) for a in args]]

    def environment(self, env):
        merged = {**self.env, **(env or {})}
        return {k: str(v) for k, v in merged.items() if v is not None}

    def start(self, *args, cwd=None, env=None, **options):
        """A running process; the caller waits for it."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.command(*args), cwd=cwd or self.work,
                                env=self.environment(env), text=True, **options)

    def __call__(self, *args, check=0, cwd=None, env=None, input=None, at=None):
        """Runs to the end. `check` is the exit code wanted (None: any), `at` what the clock
        shows ("+3 days")."""
        process = subprocess.run(self.command(*args, at=at), cwd=cwd or self.work,
                                 env=self.environment(env), capture_output=True,
                                 text=True, input=input, timeout=PATIENCE)
        result = Result(process)
        if check is not None and result.code != check:
            raise AssertionError(
                f"ferry {' '.join(map(str, args))}: exit {result.code}, wanted {check}\n"
                f"--- stdout\n{result.out[-4000:]}\n--- stderr\n{result.err[-4000:]}")
        if self.validates and "--json" in args and args[0] != "run" and result.code >= 0 and \
                result.out:
            schemas.validate_output(result.json)
        return result


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not passed: {report.longrepr}"
    item.passed = report.passed and getattr(item, "passed", True)


def pytest_terminal_summary(terminalreporter):
    """With --durations, which files take longest, besides the tests that do."""
    files = collections.Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if hasattr(report, "duration"):
            files[report.nodeid.partition("::")[0]] += report.duration
    if files and terminalreporter.config.option.durations:
        terminalreporter.section("slowest files")
        for name, seconds in files.most_common(terminalreporter.config.option.durations):
            terminalreporter.write_line(f"{seconds:7.1f}s {name}")


@pytest.fixture(scope="session", autouse=True)
def outside(tmp_path_factory):
    """The home and the temporary folder of whatever a test runs without naming others. A test
    works in its own folder: these stay empty."""
    folder = tmp_path_factory.mktemp("outside")
    npm = pathlib.Path(os.environ.get("HOME", "/")) / ".npmrc"      # where it installs from
    os.environ.setdefault("NPM_CONFIG_USERCONFIG", str(npm))
    for name in [n for n in os.environ if n.startswith(("XDG_", "FERRY_", "GIT_"))]:
        del os.environ[name]
    os.environ["FERRY_SYSTEM_CONF"] = ""
    for name in ("HOME", "TMPDIR"):
        (folder / name).mkdir()
        os.environ[name] = str(folder / name)
    tempfile.tempdir = None
    yield
    left = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
    assert left == [], "a test wrote outside of its folder"


@pytest.fixture(scope="session", autouse=True)
def same_for_all():
    """What a process inherits: under nohup and in the background some signals are ignored, and the
    umask is up to the user."""
    os.umask(0o022)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def address_sanitizer():
    """Whatever a test starts, also through a script, may have libraries preloaded. They come before
    the runtime of a sanitizer build, which would mind."""
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"


@pytest.fixture
def work(tmp_path, request):
    """The folder of a test, which stays if the test fails."""
    yield tmp_path
    if request.node.passed:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def ferry(work):
    return Ferry(work)


@pytest.fixture
def no_pauses(ferry):
    """Commands do not sit out the pauses between their attempts."""
    ferry.env.update(preloaded("clock"))


@pytest.fixture(scope="session")
def validate():
    """validate(document, "output-fetch") checks against schemas/output-fetch.schema.json."""
    return schemas.validate


@pytest.fixture(scope="session")
def make_gguf(tmp_path_factory):
    """make_gguf(path, "--seed", 3, …) runs scripts/make-test-gguf; what the run of all tests made
    before with the same options is copied."""
    base = shared.run_of(tmp_path_factory)[0] / "gguf"

    def made(*key):
        folder = base / hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        with locked(base / f"{folder.name}.lock"):
            if not (folder / "made").exists():
                subprocess.run([ROOT / "scripts" / "make-test-gguf", "-o", folder / key[0],
                                *key[1:]], check=True, stdout=subprocess.DEVNULL)
                (folder / "made").touch()
        return [file for file in folder.iterdir() if file.name != "made"]

    def make(path, *options):
        path = pathlib.Path(path)
        for file in made(path.name, *map(str, options)):
            shutil.copyfile(file, path.with_name(file.name))
        return path
    return make


@pytest.fixture
def nginx(work):
    """nginx(root, extra="", tls=None) starts a real nginx; has .url and .requests()."""
    with contextlib.ExitStack() as stack:
        yield lambda root, **options: stack.enter_context(servers.Nginx(work, root, **options))


@pytest.fixture
def fault_server():
    """fault_server(root) starts a SIMULATED broken mirror; .add(path=…, flip_at=…) breaks it."""
    with contextlib.ExitStack() as stack:
        yield lambda root: stack.enter_context(servers.FaultServer(root))


@pytest.fixture
def radosgw(tmp_path_factory):
    """A real S3 with two regions, see s3_servers.py: radosgw.region("us-east-1").bucket()."""
    import s3_servers       # boto3 takes long to load
    with s3_servers.Regions(shared.server(tmp_path_factory, "s3_servers:Radosgw")) as regions:
        yield regions


@pytest.fixture
def s3_proxy():
    """s3_proxy(region) starts an S3Proxy in front of a server, see s3_proxy.py; its .region is
    the server as seen through it."""
    import s3_proxy
    with contextlib.ExitStack() as stack:
        yield lambda region, kind=s3_proxy.S3Proxy, **options: stack.enter_context(
            kind(region, **options))


@pytest.fixture
def r2_proxy(s3_proxy):
    """The same with the SIMULATED rules of R2."""
    import s3_proxy as proxies
    return lambda region, **options: s3_proxy(region, proxies.R2Proxy, **options)


@pytest.fixture
def miniflare(tmp_path_factory):
    """Cloudflare's own simulation of R2, see node_servers.py: an s3_servers.Region."""
    import s3_servers
    return s3_servers.Region(shared.server(tmp_path_factory, "node_servers:Miniflare"), "auto")


@pytest.fixture
def s3rver(tmp_path_factory):
    """A poor S3, see node_servers.py."""
    import s3_servers
    return s3_servers.Region(shared.server(tmp_path_factory, "node_servers:S3rver"), "us-east-1",
                             s3_servers.S3RVER)


@pytest.fixture
def aws():
    """A SIMULATED AWS of the test's own, see aws_simulated.py."""
    import aws_simulated
    with aws_simulated.AwsSimulated() as server:
        yield server
