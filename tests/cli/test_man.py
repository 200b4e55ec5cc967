"""The man pages: they say what the programs do, and can be read at 80 columns."""

import re
import subprocess

import pytest

from conftest import BIN, ROOT

COLUMNS = 80
PAGES = sorted((ROOT / "man").glob("*.scd"))
PROGRAMS = sorted(p.name.removeprefix("ferry-") for p in BIN.glob("ferry-*"))


def plain(text):
    """Of scdoc, without its escapes."""
    return re.sub(r"\\(.)", r"\1", text)


def literal(page):
    """The lines of its literal blocks."""
    blocks = page.read_text().split("\n```\n")[1::2]
    return [line for block in blocks for line in block.split("\n") if line]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """rendered("ferry.1.scd"): the lines that a person sees on a terminal of 80 columns."""
    folder, made = tmp_path_factory.mktemp("man"), {}

    def render(name):
        if name not in made:
            page = folder / name.removesuffix(".scd")
            with page.open("w") as out:
                subprocess.run([ROOT / "scripts/make-man", ROOT / "man" / name, BIN], stdout=out,
                               check=True)
            text = subprocess.run(["mandoc", "-T", "utf8", "-O", f"width={COLUMNS}", page],
                                  capture_output=True, text=True, check=True).stdout
            made[name] = re.sub(".\b", "", text).split("\n")
        return made[name]
    return render


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_no_line_of_an_example_is_wrapped_or_filled(rendered, page):
    lines = {line.strip(): line for line in rendered(page.name)}
    for line in map(plain, literal(page)):
        assert line.strip() in lines, f"{page.name}: not a line of its own: {line}"
        assert len(lines[line.strip()]) <= COLUMNS


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_of_an_example_is_in_a_literal_block(page):
    """A paragraph that is only indented would be filled."""
    text = re.sub(r"\n```\n.*?\n```\n", "\n", page.read_text(), flags=re.S)
    for paragraph in text.split("\n\n"):
        assert not re.match(r"\t(\$ |[a-z_-]+ .* -|ferry |curl |minisign |model_signing )",
                            paragraph), f"{page.name}: {paragraph}"
    assert not re.search(r"^[ \t].*\+\+$", text, re.M), "lines of an example, kept apart by hand"


@pytest.mark.parametrize("command", PROGRAMS)
def test_each_page_has_the_synopsis_and_the_options_of_the_tables(command):
    page = (ROOT / "man" / f"ferry-{command}.1.scd").read_text()
    assert "# SYNOPSIS\n\n@SYNOPSIS@\n\n# DESCRIPTION" in page
    assert "# OPTIONS\n\n@OPTIONS@\n\n#" in page
    assert "# EXIT STATUS\n" in page and "@EXIT@" in page


def usages(ferry, *path):
    """The lines below Usage: in the help of each command below a command that can be run."""
    out = ferry(*path, "--help").out
    lines = [line.strip() for line in out.split("Usage:\n")[1].split("\n\n")[0].splitlines()]
    own = [line for line in lines if not re.match(r"ferry (\S+ )*COMMAND ", line)]
    if "\nCommands:\n" not in out:
        return own
    names = re.findall(r"^  (\S+) ", out.split("\nCommands:\n")[1].split("\n\n")[0], re.M)
    return own + [line for name in names for line in usages(ferry, *path, name)]


@pytest.mark.parametrize("command", PROGRAMS)
def test_the_synopsis_is_what_help_says(ferry, rendered, command):
    lines = rendered(f"ferry-{command}.1.scd")
    synopsis = lines[lines.index("SYNOPSIS") + 1:lines.index("DESCRIPTION")]
    shown = " ".join(line.strip() for line in synopsis).split()
    assert shown == " ".join(usages(ferry, command)).split()


def test_ferry_1_lists_every_command_as_ferry_help_does(ferry):
    page = plain((ROOT / "man" / "ferry.1.scd").read_text())
    section = page.split("\n# COMMANDS\n")[1].split("\n# ")[0]
    listed = dict(re.findall(r"^\*([a-z]+)\*\n\t(.+?)\.(?: See .*| *)$", section, re.M))
    helped = dict(re.findall(r"^  ([a-z]+)  +(\S.*)$", ferry("help").out, re.M))
    assert set(listed) | {"help", "completion"} == set(helped)
    assert set(PROGRAMS) == set(helped) - {"help", "completion"}
    for name in PROGRAMS:
        assert listed[name].lower() == helped[name].lower()
        assert f"*ferry-{name}*(1)" in section


def variables():
    """The names of environment variables in the sources; of what looks alike, quantizations and
    the error codes of registries are left out."""
    found = set()
    for file in (ROOT / "src").rglob("*.[ch]"):
        text = file.read_text()
        found |= set(re.findall(r'getenv\("(\w+)"', text))
        found |= set(re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z]+_proxy)"', text))
    return {n for n in found if not re.match(r"(I|T)?Q[0-9]|I2_S|MXFP4_|.*_(UNKNOWN|INVALID)$", n)}


def test_every_environment_variable_that_is_read_is_documented():
    assert {"FERRY_HOME", "AWS_PROFILE", "TERM", "no_proxy", "XDG_STATE_HOME"} <= variables()
    words = set()
    for page in PAGES:
        words |= set(re.findall(r"\w+", re.sub(r"[*_](\w+?)[*_](?!\w)", r" \1 ",
                                               plain(page.read_text()))))
    assert variables() - words == set()


def test_colour_is_made_in_one_place_and_never_on_standard_output(ferry):
    assert "NO_COLOR" in plain((ROOT / "man" / "ferry.1.scd").read_text())
    forced = ferry("help", env={"CLICOLOR_FORCE": "1", "CLICOLOR": "1", "TERM": "xterm-256color"})
    assert "\x1b" not in forced.out
    files = [file.name for file in (ROOT / "src").rglob("*.c")
             if re.search(r'\\(033|x1b|e)\[[0-9;]*m', file.read_text())]
    assert files == ["colour.c"]
