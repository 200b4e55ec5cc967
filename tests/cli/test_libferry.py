"""libferry, as applications get it: the headers, the archive, the shared library, the examples."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import node_servers
from conftest import BIN, ROOT, TOOLS, Ferry
from publisher import Publisher
from test_fetch import sha256
from waiting import PATIENCE

LIB = BIN.parent / "lib"
HEADER = ROOT / "src" / "ferry" / "ferry.h"
ABI = ROOT / "tests" / "abi" / "libferry.c"
PAGE = ROOT / "man" / "libferry.3.scd"
EXAMPLES = ROOT / "examples" / "libferry"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
NOT_FOUND, INTEGRITY = 3, 6


def run(*command, env=None, check=0):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=env, timeout=PATIENCE)
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done


def names(*options):
    out = run("nm", "--defined-only", "--extern-only", "--no-sort", *options).stdout
    found = [line.split()[-1] for line in out.splitlines() if len(line.split()) == 3]
    return [name for name in found if not re.fullmatch(r"FERRY_[\d.]+", name)]


def declared():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return set(re.findall(r"^FERRY_API [^;(#]*?(\w+)\(", text, flags=re.M))


# -- what is exported ----------------------------------------------------------------


def test_the_shared_library_exports_what_its_header_declares_with_versions():
    found = names("-D", LIB / "libferry.so")
    assert {name.split("@@")[0] for name in found} == declared()
    assert all(re.fullmatch(r"ferry_\w+@@FERRY_\d+\.\d+", name) for name in found)


def test_the_static_library_has_no_other_names():
    assert set(names(LIB / "libferry.a")) == declared()


def test_the_library_needs_little():
    out = run("readelf", "-d", LIB / "libferry.so").stdout
    needed = {re.match(r"(lib|ld-)\w+", name)[0]
              for name in re.findall(r"NEEDED.*\[(\S+)\]", out)}
    assert needed - {"libasan", "libubsan", "libtsan", "libm"} <= {
        "libcurl", "libcrypto", "libjansson", "libinih", "libzstd", "libc", "ld-linux"}
    assert "SONAME" in out and "[libferry.so.1]" in out


@pytest.mark.parametrize("compiler, options", [
    ("gcc", ["-std=c11"]), ("gcc", ["-std=c17"]), ("clang", ["-std=c11"]),
    ("g++", ["-x", "c++", "-std=c++11"]), ("clang++", ["-x", "c++", "-std=c++17"])])
def test_the_header_compiles_alone(work, compiler, options):
    source = work / "alone.c"
    source.write_text('#include <ferry.h>\nint main(void) { struct ferry_settings s = '
                      'FERRY_SETTINGS_INIT; return s.size != sizeof s; }\n')
    run(compiler, *options, *STRICT, f"-I{HEADER.parent}", "-fsyntax-only", source)


def header_names():
    """The members of the structs, and the values of the enums."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    members = {(struct, name)
               for struct, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.M | re.S)
               for line in re.findall(r"^\t\w[^;]*;", body, re.M)
               for name in re.findall(r"(?:\(\*(?=\w+\)))?(\w+)(?:\[\d+\]|\)\(.*\))?[,;]", line)}
    return members, set(re.findall(r"^\t(FERRY_\w+) = ", text, re.M))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_programs_that_were_compiled_before_go_on_running(compiler):
    run(compiler, "-std=c17", *STRICT, f"-I{ROOT / 'src'}", "-fsyntax-only", ABI)


def test_everything_in_the_header_is_part_of_the_interface_that_does_not_change():
    members, values = header_names()
    text = ABI.read_text()
    assert set(re.findall(r"^AT\((\w+), (\w+), ", text, re.M)) == members
    assert set(re.findall(r"^VALUE\((\w+), ", text, re.M)) == values
    assert set(re.findall(r"\b(\w+)\([^()]*\);$", text[text.index("Another type"):], re.M)) == \
        declared()


# -- its page ------------------------------------------------------------------------


def test_the_page_names_every_function_and_member_of_the_header():
    page = PAGE.read_text().replace("\\", "")
    members, values = header_names()
    assert ("ferry_call", "on_event") in members and len(members) > 70 and len(values) > 10
    named = set(re.findall(r"\w+", page))
    assert {name for pair in members for name in pair} | values | declared() <= named


def test_the_example_of_the_page_compiles(work):
    source = work / "example.c"
    blocks = PAGE.read_text().split("\n```\n")[1::2]
    source.write_text(blocks[-1].replace("\\\\", "\\"))
    assert "ferry_fetch" in source.read_text()
    run("gcc", *STRICT, f"-I{HEADER.parent}", "-fsyntax-only", source)


# -- examples, from an installed tree --------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory, make_gguf):
    """Two signed repositories with a model of five pieces each."""
    made = []
    for name in ("one", "two"):
        work = tmp_path_factory.mktemp(f"libferry-{name}")
        p = Publisher(Ferry(work), work, name)
        gguf = work / f"{name}.gguf"
        make_gguf(gguf, "--size", "34M", "--seed", len(made), "--name", name)
        p.ferry("prepare", "-q", name, gguf.name, "--set", "license.id=MIT")
        gguf.unlink()
        p.add(work / "models" / name)
        p.sign()
        made.append(p)
    return made


def root_digest(publisher):
    return hashlib.sha256((publisher.tree / "metadata" / "1.root.json").read_bytes()).hexdigest()


@pytest.fixture
def served(two, nginx):
    """Of each: its URL and the digest of its root."""
    return [(nginx(p.tree).url, root_digest(p)) for p in two]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `make install` puts below a prefix, of this build."""
    prefix = tmp_path_factory.mktemp("installed")
    run("make", "-s", "-C", ROOT, "install-libferry", f"PREFIX={prefix}",
        f"BUILD={os.path.relpath(BIN.parent, ROOT)}", "-o", "libferry")
    return prefix


def environment(work, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(work), "LANG": "C.UTF-8",
            "ASAN_OPTIONS": "verify_asan_link_order=0", **more}


def is_instrumented():
    return "sanitize" in str(BIN)


@pytest.mark.parametrize("compiler", [["gcc"], ["g++", "-x", "c++"]])
@pytest.mark.parametrize("static", [False, True])
def test_the_example_is_compiled_and_fetches(work, installed, served, two, compiler, static):
    env = {**os.environ, "PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}
    words = run("pkg-config", "--cflags", "--libs", "libferry", env=env).stdout.split()
    if static:
        needed = run("pkg-config", "--print-requires-private", "libferry", env=env).stdout.split()
        words = [str(installed / "lib/libferry.a") if w == "-lferry" else w for w in words]
        words += run("pkg-config", "--libs", *needed).stdout.split() + ["-pthread"]
    flags = ["-fsanitize=address,undefined"] if is_instrumented() else []
    if "thread" in str(BIN):
        flags = ["-fsanitize=thread"]
    run(*compiler, *STRICT, *flags, EXAMPLES / "fetch.c", "-x", "none", *words, "-o",
        work / "fetch")
    url, digest = served[0]
    done = run(work / "fetch", work / "store", url, digest, "one",
               env=environment(work, LD_LIBRARY_PATH=str(installed / "lib")))
    path = pathlib.Path(done.stdout.strip())
    assert path.is_relative_to(work / "store")
    assert any(sha256(path) in str(p) for p in two[0].tree.rglob("*.gguf"))
    assert "100 %" in done.stderr
    done = run(work / "fetch", work / "store", url, digest, "one:no-such",
               env=environment(work, LD_LIBRARY_PATH=str(installed / "lib")),
               check=NOT_FOUND)
    assert "no variant" in done.stderr


def test_the_example_is_short():
    assert len((EXAMPLES / "fetch.c").read_text().splitlines()) <= 60


# -- from Python ------------------------------------------------------------------------


def preloads():
    """An interpreter loads an instrumented library only behind the runtime of the sanitizer."""
    if not is_instrumented():
        return {}
    names = ["libtsan.so"] if "thread" in str(BIN) else ["libasan.so", "libubsan.so"]
    paths = [run("gcc", f"-print-file-name={name}").stdout.strip() for name in names]
    return {"LD_PRELOAD": ":".join(paths), "ASAN_OPTIONS": "detect_leaks=0"}


def test_the_example_in_python_fetches(work, served, two):
    url, digest = served[0]
    env = environment(work, LD_LIBRARY_PATH=str(LIB), **preloads())
    done = run(sys.executable, EXAMPLES / "fetch.py", work / "store", url, digest, "one", env=env)
    assert any(sha256(done.stdout.strip()) in str(p) for p in two[0].tree.rglob("*.gguf"))
    run(sys.executable, EXAMPLES / "fetch.py", work / "other", url, "0" * 64, "one", env=env,
        check=INTEGRITY)


# -- from JavaScript --------------------------------------------------------------------


def test_the_example_in_javascript_fetches(work, served, two):
    (work / "node_modules").symlink_to(node_servers.install() / "node_modules")
    script = shutil.copy(EXAMPLES / "fetch.mjs", work)
    url, digest = served[0]
    env = environment(work, LD_LIBRARY_PATH=str(LIB), **preloads(),
                      TSAN_OPTIONS="report_bugs=0")     # Node's own would be reported, too
    done = run("node", script, work / "store", url, digest, "one", env=env)
    assert any(sha256(done.stdout.strip()) in str(p) for p in two[0].tree.rglob("*.gguf"))
    assert done.stderr.endswith("100 %")
    done = run("node", script, work / "other", url, "0" * 64, "one", env=env, check=INTEGRITY)
    assert "fetch.mjs: " in done.stderr


# -- several at once ----------------------------------------------------------------------


def test_several_threads_and_repositories_at_once(work, served):
    (url, digest), (other, its) = served
    done = run(TOOLS / "ferry-at-once", work, url, digest, "one", other, its, "two",
               env=environment(work))
    assert done.stdout.splitlines() == ["cancelled", "resumed", "one handle"], done.stdout
    assert done.stderr == ""
