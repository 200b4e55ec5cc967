#!/usr/bin/env python3
"""Fetches a model with libferry, through ctypes, and prints the path of each of its files.

    fetch.py STORE URL ROOT-SHA256 MODEL

The structures are those of ferry.h. They only grow at their ends, so what is declared here stays
right.
"""
import ctypes
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_int, c_int64, \
    c_size_t, c_uint, c_uint64, c_void_p


class Error(Structure):
    _fields_ = [("code", c_int), ("system", c_int), ("retry_after", c_uint64),
                ("message", c_char * 1024), ("hint", c_char * 512)]


class Repository(Structure):
    _fields_ = [("name", c_char_p), ("urls", POINTER(c_char_p)), ("root", c_char_p),
                ("root_sha256", c_char_p)]


class Settings(Structure):
    _fields_ = [("size", c_size_t), ("home", c_char_p), ("conf", c_char_p),
                ("repositories", POINTER(Repository)), ("repository_count", c_size_t),
                ("ca", c_char_p), ("limit_rate", c_uint64), ("max_memory", c_uint64),
                ("connections", c_uint), ("offline", c_uint), ("memory", c_uint64)]


class Event(Structure):
    _fields_ = [("kind", c_int), ("done", c_uint64), ("total", c_uint64), ("file", c_char_p),
                ("text", c_char_p), ("mirror", c_char_p), ("bytes", c_int64), ("state", c_char_p)]


ON_EVENT = CFUNCTYPE(None, c_void_p, POINTER(Event))


class Call(Structure):
    _fields_ = [("size", c_size_t), ("on_event", ON_EVENT), ("ctx", c_void_p),
                ("cancel", c_void_p)]


class File(Structure):
    _fields_ = [("name", c_char_p), ("path", c_char_p), ("sha256", c_char_p), ("size", c_uint64),
                ("role", c_char_p)]


class Item(Structure):
    _fields_ = [("reference", c_char_p), ("error", POINTER(Error)), ("repository", c_char_p),
                ("model", c_char_p), ("variant", c_char_p), ("version", c_uint64),
                ("kind", c_char_p), ("size", c_uint64), ("stored", c_uint64), ("kept", c_uint64),
                ("reused", c_uint64), ("download", c_uint64), ("fallback", c_char_p),
                ("files", POINTER(POINTER(File))), ("file_count", c_size_t)]


ferry = ctypes.CDLL("libferry.so.1")
for name in ("ferry_close", "ferry_result_free"):
    getattr(ferry, name).argtypes = [c_void_p]
ferry.ferry_result_at.argtypes = [c_void_p, c_size_t]
ferry.ferry_result_at.restype = POINTER(Item)
ferry.ferry_fetch.argtypes = [c_void_p, POINTER(c_char_p), c_size_t, c_void_p, POINTER(Call),
                              c_void_p, POINTER(Error)]


@ON_EVENT
def on_event(_, event):
    event = event.contents
    if event.total:
        print(f"\r{100 * event.done / event.total:3.0f} %", end="", file=sys.stderr)


def main():
    store, url, digest, model = (word.encode() for word in sys.argv[1:])
    repository = Repository(b"example", (c_char_p * 2)(url, None), None, digest)
    settings = Settings(ctypes.sizeof(Settings), home=store,
                        repositories=ctypes.pointer(repository), repository_count=1)
    call = Call(ctypes.sizeof(Call), on_event)
    handle, result, error = c_void_p(), c_void_p(), Error()
    code = ferry.ferry_open(byref(settings), byref(handle), byref(error))
    if code == 0:
        code = ferry.ferry_fetch(handle, (c_char_p * 1)(model), 1, None, byref(call),
                                 byref(result), byref(error))
    if code == 0:
        item = ferry.ferry_result_at(result, 0).contents
        for i in range(item.file_count):
            print(item.files[i].contents.path.decode())
    else:
        print(f"\nfetch.py: {error.message.decode()}\n{error.hint.decode()}", file=sys.stderr)
    ferry.ferry_result_free(result)
    ferry.ferry_close(handle)
    return -code


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main())
