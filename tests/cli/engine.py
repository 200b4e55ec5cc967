#!/usr/bin/python3
"""A real llama.cpp for the tests: its shared libraries, as node-llama-cpp ships them in an
ordinary npm package of 30 MB, driven from Python. Nothing is compiled, node is not run.

    engine.py LIBRARIES MODEL [CONTEXT]

loads the model, generates a few tokens and prints what it saw as JSON. A model can end
the process (llama.cpp aborts on some): so it always runs in one of its own.
"""
import ctypes
import fcntl
import json
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import sys

from waiting import PATIENCE

VERSION = "3.22.1"      # with llama.cpp 0.5.0
PACKAGES = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}
PREDICT = 6


def install(folder):
    """Installs the libraries below `folder` unless they are there, and returns where."""
    package = PACKAGES[platform.machine()]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "node_modules" / "@node-llama-cpp" / package
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = home / "package.json"
        if not (manifest.exists() and json.loads(manifest.read_text())["version"] == VERSION):
            if not shutil.which("npm"):
                raise RuntimeError("npm is missing: run scripts/install-deps test")
            (folder / "package.json").write_text('{"private": true}\n')
            subprocess.run(
                ["npm", "install", "--no-save", "--no-package-lock", "--ignore-scripts",
                 "--no-audit", "--no-fund", "--loglevel=error", "--cache", str(folder / "cache"),
                 f"@node-llama-cpp/{package}@{VERSION}"],
                cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    return next((home / "bins").glob("linux-*"))


def load(libraries, model, context=512):
    """What main() prints, or RuntimeError with the end of its log."""
    process = subprocess.run([sys.executable, __file__, str(libraries), str(model), str(context)],
                             capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {process.stderr[-2000:]}")
    return json.loads(process.stdout)


class Large(ctypes.Structure):
    """Any structure of llama.h that is passed by value: at least as large as all of them,
    so their layout, which changes with each version, need not be known here. It works
    because each is the only structure among the arguments of its function."""
    _fields_ = [("words", ctypes.c_uint64 * 64)]


class Engine:
    def __init__(self, libraries):
        def library(pattern):
            path = next(pathlib.Path(libraries).glob(pattern))
            return ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)

        library("libggml-base.so")
        ggml = library("libggml.v*.so")
        self.llama = library("libllama.v*.so")
        self.log = []
        log_type = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.log_function = log_type(
            lambda level, text, data: self.log.append(text.decode(errors="replace")))
        self.llama.llama_log_set(self.log_function, None)
        ggml.ggml_backend_load_all_from_path(str(libraries).encode())
        self.llama.llama_backend_init()
        pointer, value, number = ctypes.c_void_p, Large, ctypes.c_int32
        for name, result, arguments in [
                ("llama_model_default_params", value, []),
                ("llama_context_default_params", value, []),
                ("llama_model_load_from_file", pointer, [ctypes.c_char_p, value]),
                ("llama_init_from_model", pointer, [pointer, value]),
                ("llama_model_get_vocab", pointer, [pointer]),
                ("llama_model_n_params", ctypes.c_uint64, [pointer]),
                ("llama_model_size", ctypes.c_uint64, [pointer]),
                ("llama_model_chat_template", ctypes.c_char_p, [pointer, ctypes.c_char_p]),
                ("llama_tokenize", number, [pointer, ctypes.c_char_p, number, pointer, number,
                                            ctypes.c_bool, ctypes.c_bool]),
                ("llama_vocab_n_tokens", number, [pointer]),
                ("llama_batch_get_one", value, [pointer, number]),
                ("llama_decode", number, [pointer, value]),
                ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [pointer, number])]:
            function = getattr(self.llama, name)
            function.restype, function.argtypes = result, arguments

    def fail(self, what):
        sys.stderr.write("".join(self.log))
        sys.exit(what)

    def generate(self, model, context, prompt):
        """The likeliest tokens, one after the other."""
        vocabulary = self.llama.llama_model_get_vocab(model)
        total = self.llama.llama_vocab_n_tokens(vocabulary)
        tokens = (ctypes.c_int32 * 64)()
        count = self.llama.llama_tokenize(vocabulary, prompt, len(prompt), tokens, 64, True, True)
        if count < 1:
            self.fail("cannot tokenize")
        found = []
        while len(found) < PREDICT:
            if self.llama.llama_decode(context, self.llama.llama_batch_get_one(tokens, count)):
                self.fail("cannot decode")
            logits = self.llama.llama_get_logits_ith(context, -1)[:total]
            if not all(abs(x) < 1e30 for x in logits):
                self.fail("the logits are not finite")
            tokens[0], count = logits.index(max(logits)), 1
            found.append(tokens[0])
        return found

    def buffers(self):
        """Sizes in MiB from the log: "CPU KV buffer size = 0.50 MiB"."""
        sizes = {}
        for name, size in re.findall(r"(\w+) buffer size += +([\d.]+) MiB", "".join(self.log)):
            sizes[name.lower()] = sizes.get(name.lower(), 0) + float(size)
        return sizes

    def run(self, path, size):
        model = self.llama.llama_model_load_from_file(
            path.encode(), self.llama.llama_model_default_params())
        if not model:
            self.fail("cannot load")
        parameters = self.llama.llama_context_default_params()
        # n_ctx has been the first member for years; what comes back is checked.
        ctypes.memmove(ctypes.addressof(parameters), struct.pack("<I", size), 4)
        context = self.llama.llama_init_from_model(model, parameters)
        if not context or self.llama.llama_n_ctx(ctypes.c_void_p(context)) != size:
            self.fail("cannot make a context")
        # Its threads spin while they wait for each other: one is quickest on a busy machine.
        self.llama.llama_set_n_threads(ctypes.c_void_p(context), 1, 1)
        template = self.llama.llama_model_chat_template(model, None)
        return {
            "tokens": self.generate(model, context, b"the ferry and the mirror"),
            "parameters": self.llama.llama_model_n_params(model),
            "size": self.llama.llama_model_size(model),
            "template": template.decode() if template else None,
            "buffers": self.buffers(),
        }


if __name__ == "__main__":
    print(json.dumps(Engine(sys.argv[1]).run(
        sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 512)))
