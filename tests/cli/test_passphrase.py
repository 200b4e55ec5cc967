"""Passphrases that a person types, and what is checked before they are asked for."""

import pytest

from typed import END, answered

NEW = "passphrase for the new keys"
GOOD = "correct horse battery"
ASKED = {"FERRY_PASSPHRASE": None}


def init(ferry, *answers):
    return answered(ferry, ["catalog", "init", "lab"], answers, env=ASKED)


def twice(first, second=None):
    return (NEW, first), (f"{NEW} again", first if second is None else second)


def test_different_passphrases_are_asked_for_again(ferry, work):
    result = init(ferry, *twice(GOOD, "mistyped"), *twice(GOOD))
    assert result.code == 0, result.err
    assert "the two passphrases differ; try again" in result.shown
    ferry("catalog", "key", "check", "root", env={"FERRY_PASSPHRASE": GOOD})
    assert GOOD not in result.shown + result.out + result.err


def test_an_empty_passphrase_is_asked_for_again(ferry):
    result = init(ferry, (NEW, ""), *twice(GOOD))
    assert result.code == 0, result.err


def test_three_different_pairs_are_enough(ferry, work):
    result = init(ferry, *twice(GOOD, "a") * 3)
    assert result.code == 2
    assert "the two passphrases differ" in result.err
    assert not (work / "repository").exists() and not (work / "lab-keys").exists()


@pytest.mark.parametrize("answers", [[(NEW, END)], [(NEW, GOOD), (f"{NEW} again", END)]], ids=len)
def test_the_end_of_the_input_ends_the_question(ferry, work, answers):
    result = init(ferry, *answers)
    assert result.code == 2
    assert "the input ended before the passphrase" in result.err
    assert not (work / "repository").exists()


def test_a_wrong_passphrase_of_a_key_is_asked_for_again(ferry, work):
    ferry("catalog", "init", "lab", env={"FERRY_PASSPHRASE": GOOD})
    question = "passphrase of lab-keys/root.pem"
    result = answered(ferry, ["catalog", "key", "check", "root"],
                      [(question, "wrong"), (f"wrong; {question}", GOOD)], env=ASKED)
    assert result.code == 0, result.err
    result = answered(ferry, ["catalog", "key", "check", "root"], [(question, "wrong")] * 3,
                      env=ASKED)
    assert result.code == 2 and "wrong passphrase" in result.err


@pytest.mark.parametrize("weak, why", [
    ("hunter2", "it is short (7 characters)"), ("Password-2026!", "it is a common word")])
def test_a_weak_passphrase_is_taken_with_a_warning(ferry, weak, why):
    env = {"FERRY_PASSPHRASE": weak}
    result = ferry("catalog", "init", "lab", env=env)
    assert f"the passphrase is weak: {why}" in result.err
    assert weak not in result.err
    assert "weak" in ferry("catalog", "key", "new", "spare", env=env).err
    assert "weak" not in ferry("catalog", "key", "check", "spare", env=env).err


def test_a_good_passphrase_is_taken_without_a_warning(ferry):
    assert "weak" not in ferry("catalog", "init", "lab", env={"FERRY_PASSPHRASE": GOOD}).err


def test_what_exists_is_seen_before_a_passphrase_is_asked_for(ferry, work):
    """There is no terminal: a question would be another error."""
    ferry("catalog", "init", "lab", "--unencrypted")
    (work / "own.pem").write_bytes((work / "lab-keys/root.pem").read_bytes())
    for words, text in [
            (["init"], "repository already contains a repository"),
            (["init", "lab"], "repository already contains a repository"),
            (["key", "new", "root"], "root.pem exists already"),
            (["key", "import", "own.pem", "root"], "root.pem exists already")]:
        result = ferry("catalog", *words, env=ASKED, check=8)
        assert text in result.err
    assert 'there is no role "tragets"' in ferry("catalog", "rotate", "tragets", env=ASKED,
                                                 check=2).err
    assert "not a valid name" in ferry("catalog", "key", "new", "No!", env=ASKED, check=2).err
