"""Next hops on loopback addresses of their own, each of which says something else than it should. See test_hostile_next_hops.py."""

import collections
import socket
import threading
import time

STALL, CLOSE = object(), object()
POLITE = {"banner": b"220 hop.test ESMTP\r\n", "EHLO": b"250-hop.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
          "DATA": b"354 go\r\n", "dot": b"250 2.0.0 taken\r\n", "QUIT": b"221 bye\r\n"}


class HostileHops:
    """`manners`: name -> {stage: what is said instead}. Mail for NAME.test goes to mx.NAME.test (`zones`), on `port` everywhere."""

    def __init__(self, manners, network="127.0.6"):
        self.manners = {f"{network}.{n + 1}": manner for n, manner in enumerate(manners.values())}
        self.addresses = dict(zip(manners, self.manners))
        self.zones = {f"{name}.test": {"mx": [(10, f"mx.{name}.test")]} for name in manners}
        self.zones |= {f"mx.{name}.test": {"a": [address]} for name, address in self.addresses.items()}
        self.contents = collections.defaultdict(list)
        self.sockets = self.bind()
        self.port = self.sockets[0].getsockname()[1]
        for address, listener in zip(self.manners, self.sockets):
            threading.Thread(target=self.listen, args=(address, listener), daemon=True).start()

    def bind(self):
        for _ in range(20):  # the same port must be free at all addresses
            sockets, port = [], 0
            try:
                for address in self.manners:
                    sockets.append(socket.create_server((address, port), backlog=50))
                    port = sockets[0].getsockname()[1]
                return sockets
            except OSError:
                for s in sockets:
                    s.close()
        raise RuntimeError("no port is free at all addresses")

    def close(self):
        for s in self.sockets:
            s.close()

    def of(self, name):
        return self.contents[self.addresses[name]]

    def listen(self, address, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(address, connection), daemon=True).start()

    def serve(self, address, connection):
        manner, stream = self.manners[address], connection.makefile("rwb", 0)

        def say(stage):
            said = manner.get(stage, POLITE.get(stage, b"250 2.0.0 ok\r\n"))
            if said is STALL:
                time.sleep(30)
            if said is STALL or said is CLOSE:
                raise ConnectionError
            stream.write(said)

        try:
            say("banner")
            while line := stream.readline():
                verb = line[:4].upper().decode("latin1").strip()
                say(verb)
                if verb == "QUIT":
                    return
                if verb == "DATA" and manner.get("DATA", b"354").startswith(b"354"):
                    content = b""
                    while not (content == b".\r\n" or content.endswith(b"\r\n.\r\n")):
                        more = stream.readline()
                        if not more:
                            return
                        content += more
                    if content != b".\r\n":
                        self.contents[address].append(content)
                    say("dot")
        except (ConnectionError, OSError):
            pass
        finally:
            connection.close()
