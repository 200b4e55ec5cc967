"""Who can use what is written: the umask decides, but what is published is for everybody, and a
private key for nobody else."""

import contextlib
import os
import stat

import pytest

from published import mirror, publisher, signed_base  # noqa: F401


@contextlib.contextmanager
def umask(value):
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def modes(top, but=()):
    """The modes of the folders and of the files in and below a folder, each as a set."""
    paths = [top, *(p for p in top.rglob("*") if not set(p.relative_to(top).parts) & set(but))]
    found = ({stat.S_IMODE(p.stat().st_mode) for p in paths if p.is_dir()},
             {stat.S_IMODE(p.stat().st_mode) for p in paths if p.is_file()})
    assert all(found)
    return found


# -- mirrors -----------------------------------------------------------------------------


@pytest.mark.parametrize("mask, wanted", [(0o077, ({0o755}, {0o644})),
                                          (0o022, ({0o755}, {0o644})),
                                          (0o002, ({0o775}, {0o664}))])
def test_a_mirror_folder_is_for_everybody_whatever_the_umask(publisher, mask, wanted):  # noqa: F811
    publisher.configure(mirror("a"))
    with umask(mask):
        publisher("push")
    assert modes(publisher.mirror(), but=[".ferry"]) == wanted
    assert modes(publisher.dir / "mirrors", but=[".ferry"])[0] == wanted[0]
    verified = publisher("verify", "--full", "--json")
    assert "readers" not in verified.err and "warning" not in verified.json["mirrors"][0]


@pytest.mark.parametrize("mask, wanted", [(0o077, ({0o700}, {0o600})),
                                          (0o022, ({0o750}, {0o640}))])
def test_a_private_mirror_is_not_for_others(publisher, mask, wanted):  # noqa: F811
    publisher.configure(mirror("a", mode="private"))
    with umask(mask):
        publisher("push")
    assert modes(publisher.mirror(), but=[".ferry"]) == wanted
    assert "warning" not in publisher("verify", "--json").json["mirrors"][0]


def test_a_mode_that_does_not_exist_is_an_error_of_ferry_conf(publisher):  # noqa: F811
    publisher.configure(mirror("a", mode="0755"))
    result = publisher("verify", check=None)
    assert "mode: must be public or private, not '0755'" in result.err


@pytest.mark.parametrize("what", ["", "targets", "metadata/timestamp.json"])
def test_verify_warns_of_a_mirror_that_a_web_server_cannot_read(publisher, what):  # noqa: F811
    publisher.configure(mirror("a"))
    publisher("push")
    path = publisher.mirror() / what
    path.chmod(0o700 if path.is_dir() else 0o600)
    verified = publisher("verify", "--full", "--json")
    assert str(path).rstrip("/") in verified.json["mirrors"][0]["warning"]
    assert "such as a web server, cannot read 1 of its" in verified.err
    assert f"chmod -R a+rX {publisher.mirror()}" in verified.err and "mode = private" in verified.err
    probed = publisher("mirror", "probe", "--quick", "--json", check=1)
    assert "readers" in {f["what"] for f in probed.json["mirrors"][0]["findings"]}
    publisher.configure(mirror("a", mode="private"))
    assert "warning" not in publisher("verify", "--json").json["mirrors"][0]


# -- the publisher's tree ----------------------------------------------------------------


def test_what_the_tree_publishes_is_for_everybody_whatever_the_umask(ferry, work, make_gguf):
    source = make_gguf(work / "source.gguf")
    with umask(0o077):
        ferry("prepare", "tiny", source, "--set", "license.id=MIT")
        ferry("catalog", "init", "--unencrypted", "demo")
        ferry("catalog", "add", "models/tiny")
        ferry("catalog", "sign")
    tree = work / "repository"
    assert modes(tree / "metadata") == ({0o755}, {0o644})
    assert modes(tree / "targets") == ({0o755}, {0o444})
    assert stat.S_IMODE(tree.stat().st_mode) == 0o755
    assert modes(tree / "cards")[0] == {0o700}
    assert modes(work / "models")[0] == {0o700}


def test_a_prepared_file_has_the_mode_that_the_umask_says(ferry, work, make_gguf):
    source = make_gguf(work / "source.gguf")
    for mask, wanted in (0o077, 0o400), (0o027, 0o440), (0o022, 0o444):
        with umask(mask):
            ferry("prepare", f"m{mask}", source)
        file, = (work / f"models/m{mask}").glob("*.gguf")
        assert stat.S_IMODE(file.stat().st_mode) == wanted


@pytest.mark.parametrize("mask, wanted", [(0o022, 0o444), (0o077, 0o400)])
def test_a_model_prepared_from_a_url_has_the_mode_that_the_umask_says(
        ferry, work, make_gguf, fault_server, mask, wanted):
    make_gguf(work / "source.gguf")
    (work / "served").mkdir()
    (work / "source.gguf").rename(work / "served/source.gguf")
    server = fault_server(work / "served")
    with umask(mask):
        ferry("prepare", "tiny", f"{server.url}/source.gguf")
    file, = (work / "models/tiny").glob("*.gguf")
    assert stat.S_IMODE(file.stat().st_mode) == wanted
