"""Writes MaxMind files of countries, as small as a test needs them."""
import ipaddress

MARKER = b"\xab\xcd\xefMaxMind.com"


def head(kind, size):
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])


def encode(value):
    if isinstance(value, str):
        return head(2, len(value.encode())) + value.encode()
    if isinstance(value, tuple):    # (type, bytes, number)
        return head(*value[:2]) + value[2].to_bytes(value[1], "big")
    if isinstance(value, list):
        return head(11, len(value)) + b"".join(encode(v) for v in value)
    return head(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


class Tree:
    def __init__(self, version):
        self.version, self.nodes = version, [[None, None]]

    def bits(self, network):
        network = ipaddress.ip_network(network)
        width = 32 if self.version == 4 else 128
        length = network.prefixlen + (96 if self.version == 6 and network.version == 4 else 0)
        return [int(network.network_address) >> (width - 1 - i) & 1 for i in range(length)]

    def put(self, network, value):
        """The value is a node's number or a country; the network lies in no other one."""
        node, bits = 0, self.bits(network)
        for bit in bits[:-1]:
            if self.nodes[node][bit] is None:
                self.nodes.append([None, None])
                self.nodes[node][bit] = len(self.nodes) - 1
            node = self.nodes[node][bit]
        self.nodes[node][bits[-1]] = value

    def find(self, network):
        node = 0
        for bit in self.bits(network):
            node = self.nodes[node][bit]
        return node


def record(left, right, bits):
    if bits == 28:
        both = left.to_bytes(4, "big"), right.to_bytes(4, "big")
        return both[0][1:] + bytes([both[0][0] << 4 | both[1][0]]) + both[1][1:]
    return left.to_bytes(bits // 8, "big") + right.to_bytes(bits // 8, "big")


def write(path, countries, version=6, bits=24, shape=lambda c: {"country": {"iso_code": c}},
          aliases=()):
    """`countries`: {network: country}.  `shape`: the data of a country.  `aliases`: networks of IPv6
    that lead to IPv4, too."""
    tree, data, at = Tree(version), b"", {}
    for network, country in countries.items():
        if country not in at:
            at[country] = len(data)
            data += encode(shape(country))
        tree.put(network, country)
    for network in aliases:
        tree.put(network, tree.find("0.0.0.0/0"))
    count = len(tree.nodes)

    def number(value):
        return count if value is None else count + 16 + at[value] if value in at else value

    about = {"binary_format_major_version": (5, 2, 2), "binary_format_minor_version": (5, 2, 0),
             "build_epoch": (9, 8, 1), "database_type": "Countries", "description": {"en": "test"},
             "ip_version": (5, 2, version), "languages": ["en"], "node_count": (6, 4, count),
             "record_size": (5, 2, bits)}
    with open(path, "wb") as f:
        f.write(b"".join(record(number(a), number(b), bits) for a, b in tree.nodes))
        f.write(bytes(16) + data + MARKER + encode(about))
    return path
