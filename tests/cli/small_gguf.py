"""Writes small GGUF files with whatever keys and tensors a test wants."""

import pathlib
import struct

TYPES = {"u16": 2, "u32": 4, "i32": 5, "f32": 6, "str": 8}
FORMATS = {"u16": "<H", "u32": "<I", "i32": "<i", "f32": "<f"}
# Elements and bytes of a block.
BLOCKS = {"f32": (0, 1, 4), "f16": (1, 1, 2), "q4_0": (2, 32, 18), "q8_0": (8, 32, 34),
          "q4_K": (12, 256, 144), "bf16": (30, 1, 2)}
ALIGNMENT = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, content):
    if isinstance(content, list):
        items = b"".join(text(c) if kind == "str" else struct.pack(FORMATS[kind], c)
                         for c in content)
        return struct.pack("<IIQ", 9, TYPES[kind], len(content)) + items
    return struct.pack("<I", TYPES[kind]) + (
        text(content) if kind == "str" else struct.pack(FORMATS[kind], content))


def padded(data):
    return data + bytes(-len(data) % ALIGNMENT)


def write(path, keys, tensors):
    """keys: {name: (type, value)}; tensors: [(name, shape, type)] or with the data as fourth."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, (kind, content) in keys.items():
        header += text(key) + value(kind, content)
    body = b""
    for name, shape, kind, *data in tensors:
        number, elements, size = BLOCKS[kind]
        count = 1
        for n in shape:
            count *= n
        header += text(name) + struct.pack("<I", len(shape))
        header += b"".join(struct.pack("<Q", n) for n in shape)
        header += struct.pack("<IQ", number, len(body))
        length = count // elements * size
        body += padded(data[0] if data else bytes(i % 59 + 1 for i in range(length)))
    path = pathlib.Path(path)
    path.write_bytes(padded(header) + body)
    return path


def llama_keys(architecture="llama", blocks=1, name="Tiny", file_type=0, **more):
    """What llama.cpp needs of a llama with 32 tokens."""
    arch = architecture
    keys = {"general.architecture": ("str", arch), "general.name": ("str", name),
            "general.file_type": ("u32", file_type),
            f"{arch}.context_length": ("u32", 512), f"{arch}.embedding_length": ("u32", 256),
            f"{arch}.block_count": ("u32", blocks), f"{arch}.feed_forward_length": ("u32", 256),
            f"{arch}.attention.head_count": ("u32", 4),
            f"{arch}.attention.head_count_kv": ("u32", 4),
            f"{arch}.attention.layer_norm_rms_epsilon": ("f32", 1e-5),
            "tokenizer.ggml.model": ("str", "llama"),
            "tokenizer.ggml.tokens": ("str", [f"t{i}" for i in range(32)]),
            "tokenizer.ggml.scores": ("f32", [0.0] * 32),
            "tokenizer.ggml.token_type": ("i32", [1] * 32)}
    keys.update({key.replace("__", "."): content for key, content in more.items()})
    return keys


def llama_tensors(blocks=(0,), kind="f32"):
    tensors = [("token_embd.weight", [256, 32], kind)]
    for i in blocks:
        tensors += [(f"blk.{i}.attn_q.weight", [256, 256], kind),
                    (f"blk.{i}.attn_norm.weight", [256], "f32")]
    return tensors + [("output_norm.weight", [256], "f32")]


# -- what is used together with a model ----------------------------------------------------------

def adapter(path, architecture="llama", seed=1):
    return write(path, {"general.architecture": ("str", architecture),
                        "general.type": ("str", "adapter"), "adapter.type": ("str", "lora"),
                        "adapter.lora.alpha": ("f32", 16.0)},
                 [("blk.0.attn_q.weight.lora_a", [256, 8], "f32",
                   struct.pack("<f", seed) * 2048),
                  ("blk.0.attn_q.weight.lora_b", [8, 256], "f32")])


def projector(path, seed=1):
    return write(path, {"general.architecture": ("str", "clip"),
                        "general.type": ("str", "mmproj"), "general.file_type": ("u32", 1),
                        "clip.vision.block_count": ("u32", 1)},
                 [("mm.0.weight", [64, 64], "f16", struct.pack("<e", seed) * 4096)])


def imatrix(path):
    return write(path, {"general.type": ("str", "imatrix"), "imatrix.chunk_count": ("u32", 1)},
                 [("blk.0.attn_q.weight.in_sum2", [256, 1], "f32"),
                  ("blk.0.attn_q.weight.counts", [1, 1], "f32")])


def old_imatrix(path):
    """In the format before GGUF."""
    name = b"blk.0.attn_q.weight"
    path = pathlib.Path(path)
    path.write_bytes(struct.pack("<II", 1, len(name)) + name + struct.pack("<II", 1, 256) +
                     struct.pack("<f", 1.0) * 256)
    return path


def shards(folder, stem, keys, tensors, count=2):
    """Writes the tensors as that many shards, and gives their paths."""
    size, paths = -(-len(tensors) // count), []
    for i in range(count):
        split = {"split.no": ("u16", i), "split.count": ("u16", count),
                 "split.tensors.count": ("i32", len(tensors))}
        path = pathlib.Path(folder) / f"{stem}-{i + 1:05}-of-{count:05}.gguf"
        paths.append(write(path, {**({} if i else keys), **split},
                           tensors[i * size:(i + 1) * size]))
    return paths
