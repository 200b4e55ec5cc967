"""The frame that every command shares: help, version, mistakes, completions."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest
from conftest import BIN, ROOT

COMMANDS = sorted(p.name[len("ferry-"):] for p in BIN.glob("ferry-*"))


def test_there_are_commands():
    assert {"fetch", "push", "catalog"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_and_names_the_man_page(ferry, command):
    out = ferry(command, "--help").out
    assert f"man ferry-{command}" in out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert ferry("help", command).out == out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_dispatcher_and_the_command_say_the_same_of_it(ferry, command):
    title = ferry(command, "--help").out.splitlines()[0]
    summary = title.removeprefix(f"ferry {command} - ")
    assert summary != title
    assert any(line.split(maxsplit=1) == [command, summary]
               for line in ferry("help").out.splitlines())


@pytest.mark.parametrize("command", ["store list", "fetch", "catalog", "catalog export"])
def test_help_says_how_the_command_is_used(ferry, command):
    lines = ferry(*command.split(), "--help").out.splitlines()
    used = lines[lines.index("Usage:") + 1]
    assert used.split()[:len(command.split()) + 1] == ["ferry", *command.split()]
    assert "[OPTION…]" in used


def leaves(ferry, *path):
    """The commands below a command that can be run, as lists of words."""
    out = ferry(*path, "--help").out
    subs = re.findall(r"^  (\S+) ", out.split("\nCommands:\n")[1].split("\n\n")[0], re.M) \
        if "\nCommands:\n" in out else []
    runs = not re.search(r"Usage:\n  ferry (\S+ )*COMMAND ", out)
    return [path] * runs + [leaf for sub in subs for leaf in leaves(ferry, *path, sub)]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_sub_command_is_in_the_man_page_and_fits_a_terminal(ferry, command):
    page = subprocess.run([BIN / f"ferry-{command}", "--generate=scdoc"], capture_output=True,
                          text=True, check=True).stdout
    for leaf in leaves(ferry, command):
        title, usage, rest = ferry(*leaf, "--help").out.split("\n\n", 2)
        assert usage.startswith(f"Usage:\n  ferry {' '.join(leaf)} "), title
        assert max(len(line) for line in rest.splitlines()) <= 80
        assert len(leaf) == 1 or f"## ferry {' '.join(leaf)}\n" in page


@pytest.mark.parametrize("command", COMMANDS)
def test_version_is_one_line(ferry, command):
    assert ferry(command, "--version").out.startswith(f"ferry {command} ")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_a_usage_error(ferry, command):
    result = ferry(command, "--no-such-option", check=2)
    assert "unknown option --no-such-option" in result.err
    assert result.out == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_usage_error_is_json_on_request(ferry, validate, command):
    result = ferry(command, "--json", "--no-such-option", check=2)
    validate(result.json, "error")
    assert result.json["error"]["class"] == "usage"
    assert result.json["error"]["exit"] == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_man_page(command):
    assert (ROOT / "man" / f"ferry-{command}.1.scd").is_file()


def test_the_dispatcher_suggests(ferry):
    result = ferry("fetsh", check=2)
    assert "did you mean 'ferry fetch'?" in result.err
    assert "Publish models" in ferry("--help").out


def test_common_options_may_stand_before_the_command(ferry, work):
    (work / "sub").mkdir()
    (work / "sub" / "ferry.conf").write_text("[mirrr.a]\n kind = file\n")
    result = ferry("-C", "sub", "mirror", "list", check=2)
    assert "did you mean [mirror]?" in result.err


@pytest.mark.parametrize("words", ["catalog add", "catalog key new", "fetch", "store"])
def test_help_of_a_sub_command_is_found_by_each_way_to_ask(ferry, words):
    path = words.split()
    out = ferry(*path, "--help").out
    assert out.startswith(f"ferry {words} - ")
    assert ferry("help", *path).out == out
    assert ferry("-q", "help", *path).out == out
    assert ferry("--help", *path).out == out
    for at in range(1, len(path)):
        assert ferry(*path[:at], "help", *path[at:]).out == out
    assert "unknown command 'x'" in ferry("help", "catalog", "key", "x", check=2).err


def test_help_explains_the_commands_of_the_dispatcher_too(ferry):
    for name in ("help", "completion"):
        out = ferry("help", name).out
        assert out.startswith(f"ferry {name} - ") and f"Usage:\n  ferry {name} " in out
    assert ferry("completion", "--help").out == ferry("help", "completion").out
    assert "unknown shell 'sh'" in ferry("completion", "sh", check=2).err
    assert "bash|zsh|fish" in ferry("completion", check=2).err


@pytest.mark.parametrize("leading", [
    ["-C", "sub"], ["-Csub"], ["-qC", "sub"], ["-q", "-C", "sub"], ["--directory", "sub"],
    ["--directory=sub", "--json"], ["--config", "sub/ferry.conf"], ["--config=sub/ferry.conf"],
    ["--progress", "none", "-vvC", "sub"]], ids=" ".join)
def test_every_common_option_is_taken_before_the_command(ferry, work, leading):
    (work / "sub").mkdir()
    (work / "sub" / "ferry.conf").write_text("[mirror.main]\nkind = file\npath = m\n")
    result = ferry(*leading, "mirror", "list")
    assert "main" in result.out
    assert ferry("mirror", *leading, "list").out == result.out
    assert ("--json" in leading) == result.out.startswith("{")


def test_options_without_a_command_are_a_usage_error(ferry, validate):
    result = ferry("-q", "--json", check=2)
    assert "a command is missing" in result.err
    validate(result.json, "error")
    result = ferry("--json", "fetsh", check=2)
    assert "did you mean 'ferry fetch'?" in result.json["error"]["hint"]
    assert ferry("-q", "--version").out == ferry("--version").out


@pytest.mark.parametrize("line, message", [
    ("--nope", "unknown option --nope"), ("-x --json", "unknown option -x"),
    ("--jsno", "did you mean --json?"), ("-V", "did you mean --version?"),
    ("--config", "--config needs a value"), ("--progress=bar", "choose one of: auto"),
])
def test_a_wrong_option_without_a_command_is_what_the_error_is_about(ferry, line, message):
    result = ferry(*line.split(), check=2)
    assert message in result.err and "a command is missing" not in result.err


def test_a_broken_configuration_names_file_and_line(ferry, work):
    (work / "ferry.conf").write_text("[mirror.a]\nkind = file\nnonsense\n")
    result = ferry("mirror", "list", check=2)
    assert "ferry.conf:3:" in result.err
    result = ferry("mirror", "list", "--config", "no-such.conf", check=2)
    assert "no-such.conf" in result.err


def test_a_full_standard_output_is_an_error(ferry):
    with open("/dev/full", "w") as full:
        process = subprocess.run([str(BIN / "ferry-fetch"), "--help"], stdout=full,
                                 stderr=subprocess.PIPE, text=True)
    assert process.returncode == 7
    assert "cannot write to standard output" in process.stderr


def test_the_dispatcher_notices_a_full_standard_output():
    with open("/dev/full", "w") as full:
        process = subprocess.run([str(BIN / "ferry"), "--version"], stdout=full,
                                 stderr=subprocess.PIPE, text=True)
    assert process.returncode == 7
    assert "cannot write to standard output" in process.stderr


def test_closed_standard_streams_are_not_taken_for_files(ferry, work):
    """What is meant for a person must not end up in the first file that is opened."""
    (work / "data.bin").write_bytes(bytes(20_000_000))
    command = [str(BIN / "ferry-manifest"), "create", "data.bin", "--progress=json", "-v"]
    process = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], cwd=work)
    assert process.returncode == 7      # its answer could not be written
    assert json.loads((work / "data.bin.manifest.json").read_text())["size"] == 20_000_000
    ferry("manifest", "check", "data.bin")
    process = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], cwd=work,
                             stdout=subprocess.DEVNULL)
    assert process.returncode == 0
    ferry("manifest", "check", "data.bin")


def terminal(command, cwd, columns, until=None, term="xterm"):
    """What the command writes to a terminal so wide; ended once until(text) is true."""
    screen, own = pty.openpty()
    fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, cwd=cwd, stdout=own, stderr=own,
                               env={**os.environ, "TERM": term})
    os.close(own)
    text = b""
    with contextlib.suppress(OSError):
        while data := os.read(screen, 65536):
            text += data
            if until and until(text):
                process.terminate()
                until = None
    os.close(screen)
    return process.wait(), text.decode().replace("\r\n", "\n")


def on_a_terminal(command, cwd, columns):
    code, text = terminal(command, cwd, columns)
    assert code == 0, text
    return text.splitlines()


@pytest.mark.parametrize("columns", [120, 80, 60, 40, 20, 8])
def test_progress_stays_on_its_line(work, columns):
    """A line that the terminal wraps could not be erased again; ^C is echoed behind it."""
    name = "a-model-with-a-long-name-q8_0-00001-of-00003.bin"
    with (work / name).open("wb") as f:
        f.truncate(16 << 30)
    command = [str(BIN / "ferry-manifest"), "create", name]
    code, text = terminal(command, work, columns, until=lambda text: text.count(b"\r") > 5)
    assert code == -signal.SIGTERM
    drawn = [d.split("\x1b[K")[0] for d in text.split("\r") if "\x1b[K" in d]
    drawn = [d for d in drawn if d]
    assert drawn and max(map(len, drawn)) <= columns - 2
    assert all("%" in d for d in drawn)
    if columns >= 80:
        assert any("[=" in d or "[ " in d for d in drawn), drawn
        assert any("00003.bin" in d for d in drawn), drawn


def test_a_dumb_terminal_is_sent_no_control_characters(work):
    with (work / "large.bin").open("wb") as f:
        f.truncate(256 << 20)
    code, text = terminal([str(BIN / "ferry-manifest"), "create", "large.bin"], work, 80,
                          term="dumb")
    assert code == 0 and text
    assert "\r" not in text and "\x1b" not in text


def test_the_nearest_configuration_is_read(ferry, work):
    """The folder's, else the person's, else the system's; and none of the machine in a test."""
    def named(path, mirror):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[mirror.{mirror}]\nkind = file\npath = m\n")

    def seen(**env):
        return ferry("mirror", "list", env=env, check=None).out

    system = {"FERRY_SYSTEM_CONF": work / "etc/ferry.conf"}
    named(system["FERRY_SYSTEM_CONF"], "of-the-system")
    assert "of-the-system" not in seen()
    assert "of-the-system" in seen(**system)
    named(ferry.home / ".config/ferry/ferry.conf", "of-the-person")
    assert "of-the-person" in seen(**system) and "of-the-system" not in seen(**system)
    named(work / "ferry.conf", "of-the-folder")
    assert "of-the-folder" in seen(**system) and "of-the-person" not in seen(**system)


def test_tables_fit_a_terminal(ferry, work):
    """Digests and paths are shortened, empty columns left out; a pipe gets everything."""
    (work / "ferry.conf").write_text(
        "[repository.lab]\npath = repository\nkeys = keys\n"
        "[mirror.main]\nkind = file\npath = mirror\nurl = https://models.example.org/main/\n")
    ferry("catalog", "init", "--unencrypted")
    push = [str(BIN / "ferry-push"), "--dry-run", "--progress=none"]
    lines = on_a_terminal(push, work, 80)
    assert lines[0].split() == ["MIRROR", "ACTION", "SIZE", "FILE", "BECAUSE"]
    assert any("…" in line and "missing" in line for line in lines)
    keys = on_a_terminal([str(BIN / "ferry-catalog"), "key", "list"], work, 80)
    mirrors = on_a_terminal([str(BIN / "ferry-mirror"), "list"], work, 80)
    assert "REGION" not in mirrors[0] and "URL" in mirrors[0]
    assert max(len(line) for line in lines + keys + mirrors) <= 80
    assert "…" not in "".join(on_a_terminal(push, work, 200))
    assert "…" not in ferry("push", "--dry-run").out


def test_findings_come_before_the_verdict_when_both_go_to_one_place(ferry, work):
    (work / "bad.gguf").write_bytes(b"GGUF")
    process = subprocess.run([str(BIN / "ferry-prepare"), "--check", "bad.gguf"], cwd=work,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = process.stdout.splitlines()
    assert lines[0].startswith("bad.gguf: refused") and lines[1].startswith("  hint: ")
    assert "1 of 1 file is refused" in lines[2]
