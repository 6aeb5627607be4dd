"""A filter that speaks the milter protocol as a script tells it to, well or badly. One thread, one connection at a time."""

import socket
import struct
import threading


def packet(command, data=b""):
    return struct.pack("!I", len(data) + 1) + command + data


def take(connection):
    head = connection.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        return None, b""
    (size,) = struct.unpack("!I", head)
    body = connection.recv(size, socket.MSG_WAITALL)
    return body[:1], body[1:]


class ScriptedMilter:
    """`answers` maps a command (b"M") to the octets that answer it; everything else is answered "go on". The answer
    "stall" is none at all, "close" ends the connection. What was seen is in `seen`, one list per connection."""

    def __init__(self, answers=None, protocol=0, actions=0x11, negotiation=None):
        self.answers = answers or {}
        self.negotiation = negotiation or packet(b"O", struct.pack("!III", 6, actions, protocol))
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        seen = []
        self.seen.append(seen)
        connection.settimeout(60)
        try:
            with connection:
                self.talk(connection, seen)
        except OSError:
            pass

    def talk(self, connection, seen):
        while True:
            command, data = take(connection)
            if command is None or command == b"Q":
                return
            seen.append((command, data))
            if command == b"D":
                continue
            answer = self.negotiation if command == b"O" else self.answers.get(command, packet(b"c"))
            if answer == "close":
                return
            if answer != "stall":
                connection.sendall(answer)

    def body(self, which=-1):
        return b"".join(data for command, data in self.seen[which] if command == b"B")

    def close(self):
        self.listener.close()
