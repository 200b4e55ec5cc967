"""ci/check-graph sees each fault in a made-up project of a few lines, and none without."""

import os
import pathlib
import subprocess

import pytest

CHECK = pathlib.Path(__file__).resolve().parents[2] / "ci" / "check-graph"

ROOMS = """# from the ground up

low     the ground

left    beside right
right   beside left

high    the roof
"""

# Without a fault: high uses left and low, left uses low; main uses high; a test uses low.
SOUND = {
    "ci/rooms": ROOMS,
    "ci/exported-for-tests": "low_probe  the test asks for what no program needs\n",
    "src/low/low.h": "int low_add(int);\nint low_probe(int);\n",
    "src/low/low.c": "int low_add(int a) { return a + 1; }\nint low_probe(int a) { return a; }\n",
    "src/left/left.h": "/* Prefixes: left_, lefty_. */\nint lefty_add(int);\n"
                       "extern const int left_table[2];\n",
    "src/left/left.c": "int low_add(int);\nint lefty_add(int a) { return low_add(a); }\n"
                       "const int left_table[2] = { 1, 2 };\n",
    "src/right/right.h": "int right_add(int);\n",
    "src/right/right.c": "int low_add(int);\nint right_add(int a) { return low_add(a); }\n",
    "src/high/high.h": "int high_run(void);\n",
    "src/high/high.c": "int lefty_add(int), right_add(int), low_add(int);\n"
                       "extern const int left_table[2];\n"
                       "int high_run(void) { return lefty_add(left_table[1]) + right_add(2) + "
                       "low_add(3); }\n",
    "tests/test_low.c": "int low_probe(int);\nint main(void) { return low_probe(1); }\n",
}
MAIN = "int high_run(void);\nint main(void) { return high_run(); }\n"


def again(root, *which):
    return subprocess.run([CHECK, "--root", root, root / "obj", *which], capture_output=True,
                          text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})


@pytest.fixture
def check(tmp_path):
    """Writes the sound project with these files changed (None: without that file), builds
    it, and returns whether a check passes, and what it says."""
    def compile_one(source, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-c", "-O1", source, "-o", target], check=True)

    def run(which, changed):
        for name, text in (SOUND | changed).items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text)
        for source in tmp_path.glob("src/**/*.c"):
            compile_one(source, tmp_path / "obj" / source.relative_to(tmp_path).with_suffix(".o"))
        (tmp_path / "main.c").write_text(MAIN)
        compile_one(tmp_path / "main.c", tmp_path / "obj" / "main-high.o")
        done = again(tmp_path, *which)
        return done.returncode == 0, done.stdout + done.stderr
    return run


def more(name, text):
    return {name: SOUND[name] + text}


def test_a_sound_project_passes_every_check(check):
    passed, said = check([], {})
    assert passed, said
    assert said.count(" 4 files, 0 faults") == 5


def test_a_circle_is_named_with_its_symbols(check):
    passed, said = check(["circles"], {
        "src/low/a.c": "int low_b(void);\nint low_a(void) { return low_b(); }\n",
        "src/low/b.c": "int low_c(void);\nint low_b(void) { return low_c(); }\n",
        "src/low/c.c": "int low_a(void);\nint low_c(void) { return low_a() + 1; }\n",
    })
    assert not passed
    assert "a circle: low/a.c -> low/b.c -> low/c.c -> low/a.c" in said
    assert "low/c.c uses low_a of low/a.c" in said
    assert "1 faults" in said


def test_a_table_closes_a_circle_as_a_function_does(check):
    passed, said = check(["circles"], {
        "src/low/table.c": "int low_in(int);\nint (*const low_table[])(int) = { low_in };\n",
        "src/low/in.c": "extern int (*const low_table[])(int);\n"
                        "int low_in(int a) { return a ? low_table[0](a - 1) : 0; }\n",
    })
    assert not passed
    assert "low/in.c uses low_table of low/table.c" in said
    assert "low/table.c uses low_in of low/in.c" in said


def test_an_arrow_to_a_room_above_is_named(check):
    passed, said = check(["rooms"], more(
        "src/low/low.c", "int high_run(void);\nint low_up(void) { return high_run(); }\n"))
    assert not passed
    assert "low/low.c uses high_run of high/high.c, and high is above low" in said


def test_rooms_of_one_block_do_not_know_each_other(check):
    passed, said = check(["rooms"], more(
        "src/right/right.c", "int lefty_add(int);\nint right_left(int a) { return lefty_add(a); }\n"))
    assert not passed
    assert "right/right.c uses lefty_add of left/left.c, and left is beside right" in said


def test_a_folder_without_a_line_and_a_line_without_a_folder(check):
    passed, said = check(["rooms"], {
        "ci/rooms": ROOMS + "\nattic  nothing is here\n",
        "src/shed/shed.c": "int shed_open(void) { return 1; }\n",
    })
    assert not passed
    assert "shed/shed.c is in no room" in said
    assert "ci/rooms: attic has no files" in said


def test_the_longest_folder_with_a_line_is_the_room(check):
    changed = {
        "ci/rooms": ROOMS.replace("low  ", "low/deep  below all\n\nlow  "),
        "src/low/deep/deep.c": "int low_add(int);\nint deep_up(int a) { return low_add(a); }\n",
    }
    passed, said = check(["rooms"], changed)
    assert not passed
    assert "low/deep/deep.c uses low_add of low/low.c, and low is above low/deep" in said


def test_a_prefix_belongs_to_one_room(check):
    passed, said = check(["prefixes"], more(
        "src/high/high.c", "int low_high(void) { return 1; }\n"))
    assert not passed
    assert "low_ is exported by high (low_high) and by low (low_add, low_probe)" in said


def test_two_files_that_export_the_same_name(check):
    passed, said = check(["prefixes"], {"src/low/again.c": "int low_add(int a) { return a; }\n"})
    assert not passed
    assert "low_add is exported by low/again.c and by low/low.c" in said


def test_a_file_that_exports_just_its_own_name_claims_no_prefix(check):
    passed, said = check(["prefixes"], {"src/high/low_job.c": "const int low_job = 1;\n"})
    assert passed, said


def test_a_name_begins_as_its_file_its_folder_or_a_listed_prefix(check):
    passed, said = check(["names"], {
        "src/low/more_words.c": "int more_add(void) { return 1; }\n"
                                "int more_words_add(void) { return 1; }\n"
                                "int low_more(void) { return 1; }\n"
                                "int odd_add(void) { return 1; }\n",
        "src/low/more_words.h": "int more_add(void), more_words_add(void), low_more(void);\n"
                                "int odd_add(void);\n",
        "src/left/left.h": SOUND["src/left/left.h"].replace("lefty_.", "lefter_."),
    })
    assert not passed
    assert "low/more_words.c exports odd_add: " in said
    assert "left/left.c exports lefty_add: " in said
    assert "2 faults" in said


def test_a_header_in_another_folder_does_not_declare(check):
    passed, said = check(["names"], {
        "src/low/low.h": "int low_add(int);\n",
        "src/left/left.h": SOUND["src/left/left.h"] + "int low_probe(int);\n",
    })
    assert not passed
    assert "low/low.c exports low_probe: no header of its folder declares that" in said


def test_what_nobody_uses_and_what_only_tests_use(check):
    passed, said = check(["unused"], {
        **more("src/low/low.c", "int low_dead(int a) { return low_probe(a); }\n"),
        "ci/exported-for-tests": None,
    })
    assert not passed
    assert "low/low.c exports low_dead, and nobody else uses it" in said
    assert "low/low.c exports low_probe, and only tests use it (tests/test_low.c)" in said


def test_the_list_for_tests_has_no_line_too_many(check):
    passed, said = check(["unused"], {
        "ci/exported-for-tests": SOUND["ci/exported-for-tests"] + "low_gone  was here once\n"
                                 "low_add  programs use it\n"})
    assert not passed
    assert "low_gone is exported for more than tests, or not at all" in said
    assert "low_add is exported for more" in said


def test_an_object_that_was_not_built_is_no_pass(check, tmp_path):
    check([], {})
    (tmp_path / "obj/src/low/low.o").unlink()
    done = again(tmp_path)
    assert done.returncode != 0
    assert "build first" in done.stderr


def test_objects_of_files_that_are_gone_do_not_count(check, tmp_path):
    check([], {"src/low/old.c": "int low_dead(void) { return 1; }\n"})
    (tmp_path / "src/low/old.c").unlink()
    done = again(tmp_path)
    assert done.returncode == 0, done.stdout
