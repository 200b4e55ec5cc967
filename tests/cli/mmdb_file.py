"""Writes small MaxMind DB files: https://maxmind.github.io/MaxMind-DB/

    write(path, {"192.0.2.0/24": {"country": {"iso_code": "DE"}}})
"""

import ipaddress
import struct

UINT16, UINT32, UINT64 = 5, 6, 9
MARKER = b"\xab\xcd\xefMaxMind.com"


def encode(value):
    """One value of the data section; strings are shorter than 29 bytes."""
    if isinstance(value, dict):
        return bytes([7 << 5 | len(value)]) + b"".join(encode(k) + encode(v)
                                                       for k, v in value.items())
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(encode, value))
    if isinstance(value, tuple):
        kind, number = value
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        head = [kind << 5 | len(data)] if kind < 8 else [len(data), kind - 7]
        return bytes(head) + data
    return bytes([2 << 5 | len(value.encode())]) + value.encode()


def write(path, networks):
    """A tree for IPv6, in which IPv4 is ::/96, with records of 24 bits."""
    nodes, data = [[None, None]], b""
    for network, value in networks.items():
        net = ipaddress.ip_network(network)
        bits = f"{int(net.network_address):0{net.max_prefixlen}b}"[:net.prefixlen]
        bits = bits if net.version == 6 else "0" * 96 + bits
        at = 0
        for bit in map(int, bits[:-1]):
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][int(bits[-1])] = ("data", len(data))
        data += encode(value)

    def record(entry):
        number = (len(nodes) if entry is None else
                  entry if isinstance(entry, int) else len(nodes) + 16 + entry[1])
        return struct.pack(">I", number)[1:]
    tree = b"".join(record(left) + record(right) for left, right in nodes)
    about = {"binary_format_major_version": (UINT16, 2), "binary_format_minor_version": (UINT16, 0),
             "build_epoch": (UINT64, 1), "database_type": "Test", "description": {},
             "ip_version": (UINT16, 6), "languages": [], "node_count": (UINT32, len(nodes)),
             "record_size": (UINT16, 24)}
    path.write_bytes(tree + bytes(16) + data + MARKER + encode(about))
