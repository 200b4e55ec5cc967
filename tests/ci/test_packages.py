"""ci/debian, ci/homebrew, ci/aur and scripts/dist: what can be checked without building a package.
ci/packages builds, installs and runs them."""

import fnmatch
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))

from conftest import TOOLS, Ferry  # noqa: E402
from waiting import PATIENCE  # noqa: E402

DEBIAN = ROOT / "ci" / "debian"
MAKEFILE = (ROOT / "Makefile").read_text()
VERSION = re.search(r"^VERSION := (.*)$", MAKEFILE, re.M)[1]
COMMANDS = {path.stem.removeprefix("cmd_") for path in
            [*ROOT.glob("src/cli/cmd_*.c"), *ROOT.glob("src/cli/*/cmd_*.c")]}
PASSPHRASE = "of a test's key"


@pytest.fixture
def work(tmp_path):
    return tmp_path


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          timeout=PATIENCE, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents():
    """[(package, path as installed)]"""
    return [(path.stem, line) for path in DEBIAN.glob("*.install")
            for line in path.read_text().splitlines()]


def packaged(folder):
    """{name: the packages that have usr/FOLDER/NAME}"""
    found = {}
    for package, path in contents():
        if path.startswith(f"usr/{folder}/"):
            found.setdefault(path.rsplit("/", 1)[1], []).append(package)
    return found


def fields(name):
    """{package: that field} of debian/control."""
    paragraphs = (DEBIAN / "control").read_text().split("\n\n")
    wanted = rf"^{name}: (.*(?:\n .*)*)"
    return {re.search(r"^(?:Source|Package): (.*)$", p, re.M)[1]: match[1]
            for p in paragraphs if (match := re.search(wanted, p, re.M))}


def listed(text):
    return {re.sub(r"[\s(:].*", "", word.strip()) for word in text.split(",")} - {""}


# -- Debian ----------------------------------------------------------------------------------------


def test_each_command_is_in_one_package_and_its_page_is_in_the_same():
    programs, pages = packaged("bin"), packaged("share/man/man1")
    assert set(programs) == {"ferry"} | {f"ferry-{name}" for name in COMMANDS}
    assert all(len(found) == 1 for found in programs.values())
    assert {f"{name}.1": found for name, found in programs.items()} == pages


def test_each_manual_page_is_in_one_package():
    pages = {}
    for section in "1357":
        pages |= packaged(f"share/man/man{section}")
    assert set(pages) == {path.stem for path in (ROOT / "man").glob("*.scd")}
    assert all(len(found) == 1 for found in pages.values())


def test_each_file_for_operating_is_in_one_package():
    parts = [(package, path.removeprefix("usr/share/model-ferry/ops/")
              .replace("usr/lib/systemd/system", "systemd")) for package, path in contents()]
    ops = ROOT / "scripts" / "ops"
    for path in (p.relative_to(ops) for p in ops.rglob("*") if p.is_file()):
        if path.parts[0] == "systemd" and path.suffix == ".conf":
            continue        # debian/rules gives them to debhelper
        unit = path.suffix in (".service", ".socket", ".timer")
        places = {f"systemd/{path.name}"} if unit else {str(path), path.parts[0]}
        found = [pkg for pkg, part in parts if any(fnmatch.fnmatch(p, part) for p in places)]
        assert len(found) == 1, path


def test_ferry_says_in_which_package_a_command_is():
    text = (ROOT / "src/cli/ferry.c").read_text()
    groups = dict(re.findall(r'\{ "([^"]+)", "(ferry[\w-]*)" \}', text))
    entries = re.findall(r'^\t\{ "([\w-]+)",\s+"[^"]*",\s+"([^"]+)" \}', text, re.M)
    programs = packaged("bin")
    assert {name for name, _ in entries} == COMMANDS
    for name, group in entries:
        assert programs[f"ferry-{name}"] == [groups.get(name, groups.get(group))], name


def test_the_packages_have_the_version_of_the_makefile():
    assert (DEBIAN / "changelog").read_text().startswith(f"model-ferry ({VERSION}) ")


def test_a_package_needs_for_its_build_what_install_deps_installs():
    text = (ROOT / "scripts/install-deps").read_text()
    group = set(re.search(r"^build='([^']*)'", text, re.M)[1].split())
    wanted = listed(fields("Build-Depends")["model-ferry"])
    # These are what every package may count on, and debhelper's own.
    assert group - {"gcc", "make", "libc6-dev"} == wanted - {"debhelper-compat",
                                                             "dh-sequence-installsysusers"}


def test_the_library_is_named_after_its_soname():
    number = re.search(r"^SONAME := libferry\.so\.(\d+)$", MAKEFILE, re.M)[1]
    symbols = (DEBIAN / f"libferry{number}.symbols").read_text()
    assert symbols.startswith(f"libferry.so.{number} libferry{number} ")
    nodes = re.findall(r"^(FERRY_[\d.]+) \{", (ROOT / "src/ferry/libferry.map").read_text(), re.M)
    assert re.findall(r"\(symver\)(\S+) ", symbols) == nodes
    needed = re.search(r"^LIBFERRY_PACKAGES := (.*)$", MAKEFILE, re.M)[1].split()
    assert len([p for p in listed(fields("Depends")["libferry-dev"]) if p.endswith("-dev")]) == len(needed)


def test_each_package_belongs_to_the_client_of_the_same_build():
    for package, depends in fields("Depends").items():
        if package.startswith("ferry-"):
            assert "ferry (= ${binary:Version})" in depends


@pytest.mark.parametrize("who, line", [
    ({}, "Model Ferry maintainers <maintainers@model-ferry.invalid>"),
    ({"DEBFULLNAME": r"A|B & C\1", "DEBEMAIL": "a@example.org"}, r"A|B & C\1 <a@example.org>"),
])
def test_who_makes_the_packages_answers_for_them(archive, work, who, line):
    shutil.copy(archive, work)
    builder = work / "dpkg-buildpackage"
    builder.write_text("#!/bin/sh\ncp debian/control debian/changelog ..\ntouch ../a.deb\n")
    builder.chmod(0o755)
    run("scripts/make-deb", VERSION, work, cwd=ROOT, env={"PATH": f"{work}:{os.environ['PATH']}", **who})
    assert f"\nMaintainer: {line}\n" in (work / "deb/control").read_text()
    assert f"\n -- {line}  Sat, " in (work / "deb/changelog").read_text()


def test_a_page_with_tables_says_so_to_man_in_its_first_line():
    page = run("scripts/make-man", ROOT / "man/ferry-operations.7.scd", "bin", cwd=ROOT)
    assert "\n.TS" in page and page.startswith("'\\\" t\n")


def test_packages_are_built_without_what_only_tests_need(work):
    commands = run("make", "-n", "product", f"BUILD={work}", cwd=ROOT)
    assert f"{work}/bin/ferry-serve" in commands and "/libferry.so" in commands and ".1" in commands
    assert not re.search(r"\btests/(tools|simulated|unit/(?!support))", commands)


# -- the archive of the sources --------------------------------------------------------------------


def dist(root, folder, *key, **env):
    return run("scripts/dist", VERSION, folder, *key, cwd=root,
               env={"PATH": os.environ["PATH"], "SIGN": str(TOOLS / "sign-file"), **env})


def members(archive):
    with tarfile.open(archive) as tar:
        return {m.name.rstrip("/"): m.isfile() and hashlib.sha256(tar.extractfile(m).read()).digest()
                for m in tar}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    dist(ROOT, folder, DIST_URL="https://files.example.org/ferry", DIST_HOMEPAGE="https://example.org")
    return folder / f"model-ferry-{VERSION}.tar.gz"


def test_the_archive_has_the_files_of_the_commit_and_its_checksum(archive):
    files = run("git", "ls-tree", "-r", "--name-only", "-z", "HEAD", cwd=ROOT).split("\0")[:-1]
    assert {name for name, digest in members(archive).items() if digest} == {
        f"model-ferry-{VERSION}/{name}" for name in files}
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=archive.parent)


def test_without_git_an_archive_with_the_same_files_is_made_from_it(archive, work):
    run("tar", "-xzf", archive, "-C", work)
    root = work / f"model-ferry-{VERSION}"
    (root / "build").mkdir()
    (root / "build/other").write_text("left out")
    dist(root, "build")
    assert members(root / "build" / archive.name) == members(archive)


def test_the_same_commit_gives_the_same_archive_which_is_signed_so_that_minisign_verifies_it(archive, work):
    ferry = Ferry(work)
    keys = work / "keys"
    (work / "ferry.conf").write_text(f"[repository.x]\npath = tree\nkeys = {keys}\n")
    ferry("catalog", "init", cwd=work, env={"FERRY_PASSPHRASE": PASSPHRASE})
    folder = work / "signed"
    dist(ROOT, folder, keys / "targets.pem", FERRY_PASSPHRASE=PASSPHRASE)
    assert (folder / archive.name).read_bytes() == archive.read_bytes()
    for name in (archive.name, "SHA256SUMS"):
        out = run("minisign", "-V", "-p", "minisign.pub", "-m", name, cwd=folder)
        assert f"Trusted comment: file:{name}\n" in out
    with open(folder / "SHA256SUMS", "a") as sums:
        sums.write("\n")
    assert subprocess.run(["minisign", "-V", "-p", "minisign.pub", "-m", "SHA256SUMS"], cwd=folder,
                          capture_output=True, timeout=PATIENCE).returncode != 0


# -- Homebrew and Arch Linux -----------------------------------------------------------------------


def recipe_packages(text, pattern):
    return {name for group in re.findall(pattern, text, re.S) for name in group.split()}


def test_ruby_accepts_the_formula_which_names_the_archive(archive):
    path = archive.parent / "model-ferry.rb"
    assert run("ruby", "-c", path) == "Syntax OK\n"
    text = path.read_text()
    assert f'url "https://files.example.org/ferry/{archive.name}"' in text
    assert f'sha256 "{hashlib.sha256(archive.read_bytes()).hexdigest()}"' in text
    assert not re.search(r"@[A-Z]+@", text)


# makepkg refuses root, which has another number in a namespace of its own.
NOT_ROOT = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def test_makepkg_reads_the_recipe_and_accepts_the_archive(archive, work):
    place = work / "aur"
    place.mkdir()
    shutil.copy(archive, place)
    text = (archive.parent / "PKGBUILD").read_text()
    assert not re.search(r"@[A-Z]+@", text)
    (place / "PKGBUILD").write_text(text)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place), "PKGDEST": str(place), "SRCDEST": str(place),
           "PACMAN": "true"}
    assert f'source=("https://files.example.org/ferry/{archive.name}")' in text
    run(*NOT_ROOT, "makepkg", "--verifysource", "--nodeps", "--noconfirm", cwd=place, env=env)
    (place / archive.name).write_bytes(b"another")
    assert subprocess.run([*NOT_ROOT, "makepkg", "--verifysource", "--nodeps"], cwd=place, env=env,
                          capture_output=True, timeout=PATIENCE).returncode != 0


def test_the_recipes_name_every_library(archive):
    build = set(re.search(r"^PACKAGES := ((?:.*\\\n)*.*)", MAKEFILE, re.M)[1].replace("\\", "").split())
    other = {"libcurl": "curl", "libcrypto": "openssl", "inih": "libinih", "libzstd": "zstd",
             "sqlite3": "sqlite", "libpq": "postgresql-libs"}
    brew = {"libcurl": "curl", "libcrypto": "openssl@3", "libzstd": "zstd", "sqlite3": "sqlite"}
    text = (archive.parent / "PKGBUILD").read_text()
    depends = set(re.search(r"^depends=\((.*?)\)", text, re.M | re.S)[1].split())
    assert {other.get(name, name) for name in build} == depends - {"gcc-libs", "glibc"}
    formula = (archive.parent / "model-ferry.rb").read_text()
    assert {brew.get(name, name) for name in build} == set(re.findall(r'depends_on "([^"]+)"$', formula, re.M))
