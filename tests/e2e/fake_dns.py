"""A DNS server on loopback that answers MX, A and AAAA from a dictionary; everything else does not exist."""

import socket
import struct
import threading

A, CNAME, MX, AAAA = 1, 5, 15, 28
NXDOMAIN = 3


def wire_name(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


class FakeDns:
    """`zones`: name -> {"mx": [(preference, host)], "a": [address], "aaaa": [address]} or {"cname": name}; (0, "") is the null MX (RFC 7505)."""

    def __init__(self, zones):
        self.zones = zones
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        zone = self.zones.get(name)
        records = []
        if zone and "cname" in zone:
            kind, records = CNAME, [wire_name(zone["cname"])]
        elif zone and kind == MX:
            records = [struct.pack("!H", preference) + wire_name(host) for preference, host in zone.get("mx", [])]
        elif zone and kind == A:
            records = [socket.inet_aton(address) for address in zone.get("a", [])]
        elif zone and kind == AAAA:
            records = [socket.inet_pton(socket.AF_INET6, address) for address in zone.get("aaaa", [])]
        code = 0 if zone else NXDOMAIN
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in records)

    def close(self):
        self.socket.close()
