#!/usr/bin/env python3
"""Calls libferry through ctypes, as test_libferry_calls.py asks for:

    libferry_driver.py DESCRIPTOR '{"settings": {…}, "calls": [{"do": "list"}, …]}'

The descriptor gets a JSON document of what every call gave; whatever is on standard output or
standard error comes from the library. SIGPIPE ends the process, as in a program in C. "size" in
the settings, in a filter, in options or in "call" replaces the size of that struct; what is
behind it is filled with bytes that an older caller would not have.
"""
import ctypes
import json
import os
import pathlib
import signal
import sys
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p

sys.dont_write_bytecode = True           # the examples are installed as they are
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "libferry"))
import fetch            # noqa: E402
from fetch import Call, Error, Item, Repository, Settings, ferry        # noqa: E402
from waiting import until        # noqa: E402


class Variant(Structure):
    _fields_ = [("id", c_char_p), ("kind", c_char_p), ("quantization", c_char_p),
                ("size", c_uint64), ("memory", c_uint64), ("version", c_uint64),
                ("is_default", c_bool), ("withdrawn", c_bool), ("stored", c_bool)]


class Model(Structure):
    _fields_ = [("repository", c_char_p), ("id", c_char_p), ("title", c_char_p),
                ("family", c_char_p), ("license", c_char_p), ("parameters", c_uint64),
                ("context_length", c_uint64), ("deprecated", c_bool), ("withdrawn", c_bool),
                ("replacement", c_char_p), ("tags", POINTER(c_char_p)),
                ("variants", POINTER(POINTER(Variant))), ("variant_count", c_size_t)]


class Filter(Structure):
    _fields_ = [("size", c_size_t), ("words", c_char_p), ("pattern", c_char_p),
                ("license", c_char_p), ("family", c_char_p), ("kind", c_char_p),
                ("tags", POINTER(c_char_p)), ("max_size", c_uint64), ("fits", c_uint64)]


class Options(Structure):
    _fields_ = [("size", c_size_t), ("check", c_uint), ("withdrawn", c_uint)]


KEPT = []               # what C has pointers to
for name, result in {"ferry_version": c_char_p, "ferry_cancel_new": c_void_p,
                     "ferry_models_count": c_size_t, "ferry_models_at": POINTER(Model),
                     "ferry_result_count": c_size_t}.items():
    getattr(ferry, name).restype = result
for name in ("ferry_models_free", "ferry_models_count", "ferry_result_count", "ferry_cancel_free",
             "ferry_cancel_ask"):
    getattr(ferry, name).argtypes = [c_void_p]
ferry.ferry_models_at.argtypes = [c_void_p, c_size_t]


def strings(words):
    """Of UTF-8, NULL at the end; of None: NULL."""
    if words is None:
        return None
    encoded = [word.encode() if word is not None else None for word in words]
    KEPT.append((c_char_p * (len(words) + 1))(*encoded, None))
    return KEPT[-1]


def filled(struct, values, size):
    """A struct of these values; if it is smaller than ours, with other bytes behind its end."""
    made = struct(ctypes.sizeof(struct) if size is None else size)
    for key, value in values.items():
        kind = dict(struct._fields_)[key]
        if kind is POINTER(c_char_p):
            value = ctypes.cast(strings(value), kind)
        setattr(made, key, value.encode() if isinstance(value, str) else value)
    if size and size < ctypes.sizeof(struct):
        ctypes.memset(ctypes.addressof(made) + size, 0x5a, ctypes.sizeof(struct) - size)
    KEPT.append(made)
    return made


def plain(value, count=None):
    """Structs, strings and lists of C as JSON has them."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Structure):
        return {key: plain(getattr(value, key), getattr(value, "file_count", None)
                           if key == "files" else getattr(value, "variant_count", None))
                for key, _ in value._fields_}
    if not isinstance(value, ctypes._Pointer):
        return value
    if not value:
        return None
    if isinstance(value, POINTER(Error)):
        return plain(value.contents)
    found = []
    while value[len(found)]:
        found.append(value[len(found)])
    if isinstance(value, POINTER(c_char_p)):
        return [plain(v) for v in found]
    assert len(found) == count, "NULL is not behind the last one"
    return [plain(v.contents) for v in found]


def threads(before=0):
    """How many there are. One that has ended is listed for a moment more."""
    def count():
        return len(os.listdir("/proc/self/task"))
    if before:
        until(lambda: count() <= before)
    return count()


class Listener:
    """A struct ferry_call that notes the events, and cancels at the first of some kind."""

    def __init__(self, at, size=None):
        self.events, self.at, self.size = [], at, size
        self.cancel = ferry.ferry_cancel_new()
        self.function = fetch.ON_EVENT(self.take)

    def take(self, _, event):
        self.events.append(plain(event.contents))
        if event.contents.kind == self.at:
            ferry.ferry_cancel_ask(self.cancel)

    def struct(self):
        return filled(Call, {"on_event": self.function, "cancel": self.cancel}, self.size)


def run(handle, call, error):
    """The code of the call, and its list or result."""
    listener = Listener(call.get("cancel_at"), call.get("call_size"))
    out, more = c_void_p(1), {}
    if call.get("cancelled"):
        ferry.ferry_cancel_ask(listener.cancel)
    heard = None if call.get("silent") else byref(listener.struct())
    error = None if call.get("silent") else byref(error)
    references = strings(call.get("references"))
    count = c_size_t(len(call.get("references") or []))
    options = None
    if "options" in call:
        options = byref(filled(Options, call["options"], call.get("options_size")))
    if call["do"] == "list":
        code = ferry.ferry_list(handle, heard, byref(out), error)
    elif call["do"] == "search":
        filter = filled(Filter, call["filter"], call.get("filter_size"))
        code = ferry.ferry_search(handle, byref(filter), heard, byref(out), error)
    elif call["do"] == "resolve":
        code = ferry.ferry_resolve(handle, references, count, heard, byref(out), error)
    elif call["do"] == "stored":
        one = call.get("reference")
        code = ferry.ferry_stored(handle, one.encode() if one else None, byref(out), error)
    else:
        f = {"plan": ferry.ferry_plan, "fetch": ferry.ferry_fetch}[call["do"]]
        f.argtypes = None
        code = f(handle, references, count, options, heard, byref(out), error)
    kind = "models" if call["do"] in ("list", "search") else "items"
    return code, out, kind, listener


def told(kind, out):
    """What a list or a result holds, after which it is freed; of NULL: none."""
    count, at, free = {
        "models": (ferry.ferry_models_count, ferry.ferry_models_at, ferry.ferry_models_free),
        "items": (ferry.ferry_result_count, ferry.ferry_result_at, ferry.ferry_result_free),
    }[kind]
    found = [plain(at(out, i).contents) for i in range(count(out))]
    assert not at(out, len(found)), "there is one behind the last one"
    free(out)
    return found


def opened(asked):
    repositories = [Repository(r["name"].encode(), strings(r["urls"]),
                               r["root"].encode() if r.get("root") else None,
                               r["root_sha256"].encode() if r.get("root_sha256") else None)
                    for r in asked.pop("repositories", [])]
    size = asked.pop("size", None)
    array = (Repository * max(1, len(repositories)))(*repositories)
    settings = filled(Settings, {**asked, "repositories": array,
                                 "repository_count": len(repositories)}, size)
    handle, error = c_void_p(1), Error()
    code = ferry.ferry_open(byref(settings), byref(handle), byref(error))
    ctypes.memset(byref(settings), 0xff, ctypes.sizeof(settings))       # they were borrowed
    return handle, code, error


def main():
    asked = json.loads(sys.argv[2])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    before = threads()
    handle, code, error = opened(asked["settings"])
    results = [{"code": code, "error": plain(error) if code else None, "out": bool(handle)}]
    left = []
    for call in asked["calls"] if code == 0 else []:
        error = Error()
        code, out, kind, listener = run(handle, call, error)
        results.append({"code": code, "error": plain(error) if code else None, "out": bool(out),
                        "events": listener.events, "threads": threads(before) - before})
        left.append((results[-1], kind, out))
        ferry.ferry_cancel_free(listener.cancel)
        KEPT.append(listener)
    ferry.ferry_close(handle)
    for result, kind, out in left:              # they outlive the handle
        result[kind] = told(kind, out)
    os.write(int(sys.argv[1]), json.dumps({"results": results, "threads": threads(before) - before,
                            "version": ferry.ferry_version().decode()}).encode())


if __name__ == "__main__":
    main()
