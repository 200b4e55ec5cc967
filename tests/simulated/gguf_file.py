"""Just enough of GGUF for the simulated tools: reads and writes version 3, little-endian."""

import struct

SCALAR = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
# ggml type id: elements and bytes of a block
BLOCK = {0: (1, 4), 1: (1, 2), 6: (32, 22), 8: (32, 34), 12: (256, 144), 14: (256, 210),
         30: (1, 2)}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def kv(name, kind, value):
    return name, text(name) + struct.pack("<I", kind) + value


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("the file ends early")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def string(self):
        return self.take(self.number("Q"))

    def value(self, kind):
        if kind == 8:
            self.string()
        elif kind == 9:
            element, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.value(element)
        else:
            self.take(SCALAR[kind])


def read(path):
    """([(key, raw bytes of the whole pair)], [(name, shape, type)])"""
    r = Reader(path.read_bytes())
    if r.take(4) != b"GGUF":
        raise ValueError("invalid magic")
    r.number("I")
    tensor_count, kv_count = r.number("Q"), r.number("Q")
    pairs, tensors = [], []
    for _ in range(kv_count):
        start = r.at
        key = r.string().decode()
        r.value(r.number("I"))
        pairs.append((key, r.data[start:r.at]))
    for _ in range(tensor_count):
        name = r.string().decode()
        shape = [r.number("Q") for _ in range(r.number("I"))]
        tensors.append((name, shape, r.number("I")))
        r.number("Q")
    return pairs, tensors


def size_of(shape, kind):
    elements, size = BLOCK[kind]
    count = 1
    for n in shape:
        count *= n
    return count // elements * size


def write(path, pairs, tensors, stop_after=None):
    """All bytes of the data are 1; with stop_after only so many bytes are written."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(raw for _, raw in pairs)
    offset = 0
    for name, shape, kind in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        offset += (size_of(shape, kind) + 31) // 32 * 32
    data = head + bytes(-len(head) % 32) + b"\1" * offset
    path.write_bytes(data if stop_after is None else data[:stop_after])
