"""What the store has of a new version, or of another variant, is not downloaded again."""

import hashlib
import shutil

import pytest

from conftest import Ferry
from publisher import Publisher
from small_gguf import BLOCKS, write

MIB = 1 << 20
KB = 1000
VOCABULARY = 150016
EMBEDDING = 256
Q4_K_S, Q4_K_M = 14, 15


def data_of(name, shape, kind, seed=0):
    """Bytes that depend on the name, the type and the seed; as numbers, all are small."""
    _, elements, size = BLOCKS[kind]
    count = 1
    for n in shape:
        count *= n
    length = count // elements * size
    first = hashlib.sha256(f"{name} {kind} {seed}".encode()).digest()
    period = bytes(b % 59 + 1 for b in first) * 8 + b"\x07"
    return (period * (length // len(period) + 1))[:length]


def tensors(down="q4_K", seeds=None):
    shapes = [("token_embd.weight", [EMBEDDING, VOCABULARY], "q4_K")]
    for i in range(4):
        shapes += [(f"blk.{i}.attn_norm.weight", [EMBEDDING], "f32"),
                   (f"blk.{i}.ffn_up.weight", [EMBEDDING, 8192], "q4_K"),
                   (f"blk.{i}.ffn_down.weight", [8192, EMBEDDING], down if i % 2 else "q4_K")]
    return [(name, shape, kind, data_of(name, shape, kind, (seeds or {}).get(name, 0)))
            for name, shape, kind in shapes + [("output_norm.weight", [EMBEDDING], "f32")]]


def keys(template="short", file_type=Q4_K_S):
    return {"general.architecture": ("str", "llama"), "general.name": ("str", "Big words"),
            "general.file_type": ("u32", file_type),
            "llama.context_length": ("u32", 512), "llama.embedding_length": ("u32", EMBEDDING),
            "llama.block_count": ("u32", 4), "llama.feed_forward_length": ("u32", 8192),
            "llama.attention.head_count": ("u32", 4),
            "llama.attention.head_count_kv": ("u32", 4),
            "llama.attention.layer_norm_rms_epsilon": ("f32", 1e-5),
            "tokenizer.ggml.model": ("str", "llama"),
            "tokenizer.ggml.tokens": ("str", [f"token{i}" for i in range(VOCABULARY)]),
            "tokenizer.ggml.scores": ("f32", [0.0] * VOCABULARY),
            "tokenizer.ggml.token_type": ("i32", [1] * VOCABULARY),
            "tokenizer.chat_template": ("str", template),
            "general.quantization_version": ("u32", 2)}


LONGER = "{% for m in messages %}{{ m['content'] }}{% endfor %}" * 100


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """files("s") is the folder that `ferry prepare` made of this GGUF."""
    base, made = tmp_path_factory.mktemp("delta"), {}
    kinds = {
        "s": lambda: (keys(), tensors()),
        "s-longer": lambda: (keys(LONGER), tensors()),
        "s-other": lambda: (keys(LONGER), tensors(seeds={"blk.2.ffn_up.weight": 1})),
        "m": lambda: (keys("M", Q4_K_M), tensors("q8_0")),
    }

    def prepare(name, model="big-words"):
        work = base / f"{model}-{name}"
        if work not in made:
            work.mkdir()
            source = write(work / f"{model}-q4_k_{name[0]}.gguf", *kinds[name]())
            Ferry(work)("prepare", "-q", model, source, "--set", "license.id=MIT",
                        "--set", f"title=The {model} one")
            source.unlink()
            made[work] = work / "models" / model
        return made[work]
    return prepare


@pytest.fixture
def publish(ferry, work, nginx):
    """publish(folder, …) adds and signs, and the client's ferry.conf has that repository; the
    server has .requests()."""
    made = {}

    def add(folder, name="demo", **options):
        if name not in made:
            p = Publisher(ferry, work, name)
            made[name] = p, nginx(p.tree, **options)
        p, server = made[name]
        p.add(folder)
        p.sign(local=server.url)
        (work / "ferry.conf").write_text("".join(q.client(s.url) for q, s in made.values()))
        return server
    return add


def fetched(ferry, reference):
    model, = ferry("fetch", "--json", reference).json["models"]
    file, = model["files"]
    with open(file["path"], "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == file["sha256"]
    assert file["fetched"] == model["fetched"] and file["reused"] == model["reused"]
    return model


def sent(server, name):
    """Bytes of bodies for the object."""
    lines = (server.dir / "access.log").read_text().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.split()[1].endswith(name))


def blobs(ferry):
    return sorted((ferry.store / "blobs/sha256").iterdir())


# -- what is reused ------------------------------------------------------------------------------

def test_a_changed_template_costs_less_than_100_kb_though_the_vocabulary_moves(
        ferry, files, publish):
    server = publish(files("s"))
    first = fetched(ferry, "big-words")
    assert first["reused"] == 0 and first["fetched"] == first["size"]
    publish(files("s-longer"))
    second = fetched(ferry, "big-words")
    assert second["version"] == 2 and second["size"] > first["size"]
    assert second["fetched"] < 100 * KB
    assert second["reused"] > second["size"] - 100 * KB
    assert sent(server, ".v2.gguf") == second["fetched"]


def test_without_the_older_manifest_the_tensors_of_the_store_are_hashed(ferry, files, publish):
    publish(files("s"))
    fetched(ferry, "big-words")
    shutil.rmtree(ferry.store / "trust/demo/cache")
    publish(files("s-longer"))
    assert fetched(ferry, "big-words")["fetched"] < 100 * KB


def test_a_variant_takes_the_tensors_that_it_shares_with_another(ferry, files, publish):
    publish(files("m"))
    publish(files("s"))
    fetched(ferry, "big-words:q4_k_m")
    small = fetched(ferry, "big-words:q4_k_s")
    assert 0 < small["fetched"] < small["size"] / 4
    assert small["fetched"] + small["reused"] >= small["size"]


def test_a_changed_tensor_is_downloaded_alone(ferry, files, publish):
    publish(files("s"))
    fetched(ferry, "big-words")
    publish(files("s-other"))
    tensor = 8192 * EMBEDDING // 256 * 144
    assert tensor <= fetched(ferry, "big-words")["fetched"] < tensor + 100 * KB


def test_the_same_weights_of_another_model_in_another_repository_are_found(
        ferry, files, publish):
    publish(files("s", model="their-words"), name="other")
    fetched(ferry, "other/their-words")
    publish(files("s-longer"))
    assert fetched(ferry, "demo/big-words")["fetched"] < 100 * KB


def test_two_new_versions_in_one_call_each_find_their_older_one(ferry, files, publish):
    publish(files("s"))
    publish(files("s", model="their-words"))
    ferry("fetch", "big-words", "their-words")
    publish(files("s-longer"))
    publish(files("s-longer", model="their-words"))
    models = ferry("fetch", "--json", "big-words", "their-words").json["models"]
    assert [m["version"] for m in models] == [2, 2]
    assert all(m["fetched"] < 100 * KB for m in models)


# -- what is not as it should be -------------------------------------------------------------------

def test_a_blob_that_was_changed_on_the_disk_is_noticed_and_no_mirror_blamed(
        ferry, files, publish):
    publish(files("s"))
    fetched(ferry, "big-words")
    blob, = blobs(ferry)
    blob.chmod(0o644)
    with blob.open("r+b") as f:
        f.seek(20 * MIB)
        f.write(b"damaged")
    publish(files("s-longer"))
    document = ferry("fetch", "--json", "big-words").json
    file, = document["models"][0]["files"]
    with open(file["path"], "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == file["sha256"]
    assert file["fetched"] > 8 * MIB
    assert all(not s["faults"] and not s["banned"] for s in document["sources"])


def test_files_of_the_store_are_only_read(ferry, files, publish):
    publish(files("s"))
    fetched(ferry, "big-words")
    blob, = blobs(ferry)
    before = blob.stat(), blob.read_bytes()
    publish(files("s-longer"))
    fetched(ferry, "big-words")
    after = blob.stat(), blob.read_bytes()
    assert before[1] == after[1]
    assert (before[0].st_mtime_ns, before[0].st_ino) == (after[0].st_mtime_ns, after[0].st_ino)
    assert len(blobs(ferry)) == 2
    assert not list((ferry.store / "partial").iterdir())


def test_a_server_without_ranges_gives_the_file_whole(ferry, files, publish):
    publish(files("s"), extra="max_ranges 0;")
    fetched(ferry, "big-words")
    publish(files("s-longer"))
    fetched(ferry, "big-words")


def test_an_older_manifest_that_is_wrong_about_its_file_does_no_harm(ferry, files, publish):
    """As a role may sign it: the new version's tensors, which its older file does not have."""
    publish(files("s-other"))
    fetched(ferry, "big-words")
    publish(files("s"))
    blob, = blobs(ferry)
    seen = blob.read_bytes()
    # Two tensors of one size change places: name and digest of each are now those of the other.
    size = 8192 * EMBEDDING // 256 * 144
    at = [len(seen) - n * size for n in (6, 4)]
    blob.chmod(0o644)
    with blob.open("r+b") as f:
        for to, start in zip(at, reversed(at)):
            f.seek(to)
            f.write(seen[start:start + size])
    fetched(ferry, "big-words")
