#!/usr/bin/python3
"""The quantizer of a real llama.cpp behind the command line of its llama-quantize: the libraries
of engine.py come without that program, but with all that it does.

LLAMA_LIBRARIES names their folder.
"""
import ctypes
import os
import pathlib
import sys

TYPES = {"Q2_K": 10, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "Q8_0": 7, "F16": 1}


class Parameters(ctypes.Structure):
    """Of llama.h: what is first has been first for years; the rest is room."""
    _fields_ = [("threads", ctypes.c_int32), ("file_type", ctypes.c_int32),
                ("output_type", ctypes.c_int32), ("embedding_type", ctypes.c_int32),
                ("allow_requantize", ctypes.c_bool), ("rest", ctypes.c_char * 495)]


def main():
    args, allow = sys.argv[1:], False
    while args and args[0].startswith("--"):
        if args[0] == "--help":
            print("usage: llama-quantize [--help] [--allow-requantize] in.gguf out.gguf TYPE\n\n"
                  "Allowed quantization types:", *TYPES)
            sys.exit(1)
        allow |= args.pop(0) == "--allow-requantize"
    folder = pathlib.Path(os.environ["LLAMA_LIBRARIES"])
    for pattern in ("libggml-base.so", "libggml.v*.so"):
        library = ctypes.CDLL(str(next(folder.glob(pattern))), ctypes.RTLD_GLOBAL)
    llama = ctypes.CDLL(str(next(folder.glob("libllama.v*.so"))), ctypes.RTLD_GLOBAL)
    library.ggml_backend_load_all_from_path(str(folder).encode())
    llama.llama_backend_init()
    llama.llama_model_quantize_default_params.restype = Parameters
    parameters = llama.llama_model_quantize_default_params()
    parameters.threads, parameters.file_type = 2, TYPES[args[2].upper()]
    parameters.allow_requantize = allow
    llama.llama_model_quantize.restype = ctypes.c_uint32
    failed = llama.llama_model_quantize(os.fsencode(args[0]), os.fsencode(args[1]),
                                        ctypes.byref(parameters))
    sys.exit(1 if failed else 0)


main()
