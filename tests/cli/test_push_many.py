"""ferry push of many small files: sent at the same time, and listed instead of asked for one by
one."""

import shutil

import pytest

from bucket_mirrors import Bucket
from conftest import Ferry
from published import Publisher, mirror, signed_base  # noqa: F401
from s3_servers import PUBLISHER
from test_push_s3 import add_shards
from waiting import communicate, kill, until

AT_A_TIME = 16      # small files, to a bucket


@pytest.fixture(scope="module")
def many_base(signed_base, tmp_path_factory):  # noqa: F811
    """Made once: a repository with two models of 10 small files, which are 40 objects."""
    made = Publisher(Ferry(tmp_path_factory.mktemp("many")))
    for name in ("repository", "keys"):
        shutil.copytree(signed_base / name, made.dir / name)
    made.configure()
    for name in ("many-a", "many-b"):
        add_shards(made, name, "300K", 10)
    return made.dir


@pytest.fixture
def many(many_base, ferry):
    for name in ("repository", "keys"):
        shutil.copytree(many_base / name, ferry.work / name)
    made = Publisher(ferry)
    made.configure(mirror("a"))
    return made


@pytest.fixture
def bucket(many, radosgw, s3_proxy):
    region = radosgw.region("us-east-1")
    many.ferry.env.update(PUBLISHER.env)
    made = Bucket("us", region, s3_proxy(region))
    many.configure(made.section())
    return made


def objects(tree):
    return {str(p.relative_to(tree)): p.read_bytes()
            for p in (tree / "targets").rglob("*many*") if p.is_file()}


def start(many):
    return many.ferry.start("push", "--progress=none")


# -- a folder ------------------------------------------------------------------------------

def test_a_folder_gets_what_it_lacks_and_a_second_push_finds_nothing_to_do(many):
    many("push")
    assert objects(many.mirror()) == objects(many.tree)
    again = many("push", "--json").json["mirrors"][0]
    assert (again["outcome"], again["written_bytes"], again["read_back_bytes"]) == \
        ("up-to-date", 0, 0)
    gone, short = sorted((many.mirror() / "targets").rglob("*many*.gguf"))[:2]
    gone.unlink()
    short.chmod(0o644)
    short.write_bytes(b"short")
    third = many("push", "--json").json["mirrors"][0]
    assert third["outcome"] == "done"
    assert objects(many.mirror()) == objects(many.tree)
    many("verify", "--full")


def test_a_push_to_a_folder_that_is_killed_among_small_files_shows_nothing_and_goes_on(many):
    for count in (1, 10, 25):
        many.forget("a")
        shutil.rmtree(many.tree / ".ferry/push", ignore_errors=True)
        process = start(many)
        until(lambda: len(list((many.mirror() / "targets").rglob("*many*"))) >= count or
              process.poll() is not None)
        kill(process)
        if many.release("a") is None:
            assert not (many.mirror() / "catalog.json").exists()
        else:
            assert objects(many.mirror()) == objects(many.tree)
        many("push")
        assert objects(many.mirror()) == objects(many.tree)
        many("verify", "--full")


def test_an_object_with_the_right_size_that_was_never_verified_is_read_back(many):
    many("push")
    shutil.rmtree(many.tree / ".ferry/push")
    wrong = sorted((many.mirror() / "targets").rglob("*many*.gguf"))[7]
    data = bytearray(wrong.read_bytes())
    data[100] ^= 1
    wrong.chmod(0o644)
    wrong.write_bytes(data)
    result = many("push", "--json")
    assert result.json["mirrors"][0]["written_bytes"] == len(data)
    assert "has wrong bytes" in result.err
    assert objects(many.mirror()) == objects(many.tree)


# -- a bucket ------------------------------------------------------------------------------

def test_small_files_are_sent_to_a_bucket_at_the_same_time(many, bucket):
    fault = bucket.proxy.add("PutObject", "targets/*many*", hold=True)
    process = start(many)
    until(lambda: fault.hits == AT_A_TIME, process)
    fault.release()
    _, err = communicate(process)
    assert process.returncode == 0, err
    assert fault.hits == AT_A_TIME
    many("verify", "--full")


def test_a_second_push_lists_the_bucket_and_asks_for_no_file(many, bucket):
    many("push")
    assert len(bucket.proxy.of("PutObject", "targets/*many*")) == len(objects(many.tree)) >= 40
    before = len(bucket.proxy.log)
    again = many("push", "--json").json["mirrors"][0]
    assert again["outcome"] == "up-to-date"
    asked = [(e["operation"], e["key"]) for e in bucket.proxy.log[before:]]
    lists = [a for a in asked if a[0].startswith("List")]
    assert len(lists) == 2, asked
    assert not [a for a in asked if "/targets" in a[1] or a[1].startswith("targets/")], asked
    assert len(asked) <= 8, asked


def test_without_a_record_each_object_is_asked_about_once_and_several_at_a_time(many, bucket):
    many("push")
    shutil.rmtree(many.tree / ".ferry/push")
    fault = bucket.proxy.add("HeadObject", "targets/*", hold=True)
    process = start(many)
    until(lambda: fault.hits == AT_A_TIME, process)
    fault.release()
    _, err = communicate(process)
    assert process.returncode == 0, err
    assert not bucket.proxy.of("GetObject", "targets/*")
    bucket.proxy.heal()
    before = len(bucket.proxy.log)
    many("push")
    assert not [e for e in bucket.proxy.log[before:] if e["key"].startswith("targets/")]
