#!/usr/bin/python3
"""SIMULATED convert_hf_to_gguf.py, for tests without torch and transformers. It answers as
the real one does: takes general.name from the folder's name, refuses architectures that it
does not know, leaves a partial file behind when it fails.

The folder's weights are not read; config.json gives the sizes of what comes out.
"""
import argparse
import json
import os
import pathlib
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gguf_file  # noqa: E402

KINDS = {"f32": (0, 0), "f16": (1, 1), "auto": (1, 1), "q8_0": (8, 7), "bf16": (30, 32)}


def metadata(name, config, file_type):
    def number(key, value):
        return gguf_file.kv(key, 4, struct.pack("<I", value))

    def string(key, value):
        return gguf_file.kv(key, 8, gguf_file.text(value))

    tokens = ["<s>", "</s>", "a", "b"]
    return [
        string("general.architecture", "llama"), string("general.name", name),
        string("general.license", "apache-2.0"), number("general.file_type", file_type),
        number("llama.context_length", 512), number("llama.embedding_length", config["hidden_size"]),
        number("llama.block_count", 1), number("llama.feed_forward_length", 512),
        number("llama.attention.head_count", 4),
        gguf_file.kv("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)),
        string("tokenizer.ggml.model", "llama"),
        gguf_file.kv("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, len(tokens))
                     + b"".join(gguf_file.text(t) for t in tokens)),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--outfile", type=pathlib.Path)
    parser.add_argument("--outtype", default="auto", choices=KINDS)
    options = parser.parse_args()
    config = json.loads((options.model / "config.json").read_text())
    if os.environ.get("SIMULATE") == "no-torch":
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    architecture = config["architectures"][0]
    if architecture != "LlamaForCausalLM":
        print(f"ERROR:hf-to-gguf:Model {architecture} is not supported", file=sys.stderr)
        sys.exit(1)
    kind, file_type = KINDS[options.outtype]
    width = config["hidden_size"]
    tensors = [("token_embd.weight", [width, 4], kind), ("blk.0.attn_q.weight", [width, width], kind),
               ("blk.0.ffn_up.weight", [width, 512], kind), ("output_norm.weight", [width], 0)]
    pairs = metadata(options.model.name, config, file_type)
    if os.environ.get("SIMULATE") == "partial":
        gguf_file.write(options.outfile, pairs, tensors, stop_after=500)
        raise ValueError("Can not map tensor 'model.layers.0.weird'")
    gguf_file.write(options.outfile, pairs, tensors)
    print(f"INFO:hf-to-gguf:Model successfully exported to {options.outfile}")


main()
